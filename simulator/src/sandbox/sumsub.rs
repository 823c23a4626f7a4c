//! Sumsub as a sandbox: signed requests, applicants, a page in place of its SDK, webhooks.
//!
//! It checks what the provider checks, so that a client which signs, names or spells something
//! otherwise fails here. What a check ends with is decided by the external id (`outcome.rs`): nine
//! in ten are approved, and endings such as `-red-final` or `-dup-webhook` force what happens.

mod api;
mod deliver;
mod guard;
mod outcome;
mod page;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::json;
use tracing::{debug, warn};

use super::{Clock, Sandbox, post_to};
use deliver::{Delivery, Queue};
use guard::Keys;
use outcome::{Conduct, Forced, name};
use world::{Applicant, World, milliseconds, seconds};

pub use deliver::{Digest, Schedule};

/// What the sandbox takes and does.
#[derive(Clone)]
pub struct SumsubConfig {
    /// `X-App-Token` that is taken; begins with `sbx:` or `prd:`.
    pub app_token: String,
    /// Verifies requests.
    pub secret_key: String,
    /// How far the caller's clock may be from ours, in seconds.
    pub window_s: u64,
    /// Whether `Authorization: Bearer` with the token is taken in place of a signature, as the
    /// seed has it.
    pub allows_bearer: bool,
    /// Levels that exist.
    pub levels: Vec<String>,
    /// Of a thousand applicants, so many are approved.
    pub approved_per_thousand: u32,
    /// From handing documents in to the decision, in milliseconds.
    pub delay_ms: u64,
    /// Whether documents hand themselves in as soon as somebody has a token for the pages, so
    /// that a demonstration needs no click.
    pub submits_alone: bool,
    /// Where events go; `None` for nowhere.
    pub webhook: Option<SumsubWebhook>,
    /// When a webhook is tried again.
    pub schedule: Schedule,
    /// POST requests within five seconds.
    pub posts_max: u32,
    /// Other requests within five seconds.
    pub gets_max: u32,
}

/// A receiver of events.
#[derive(Clone)]
pub struct SumsubWebhook {
    /// `http://host:port/path`.
    pub url: String,
    /// Signs the bodies.
    pub secret: String,
    /// With what.
    pub digest: Digest,
}

impl Default for SumsubConfig {
    fn default() -> Self {
        Self {
            app_token: "sbx:veksel".to_owned(),
            secret_key: "sandbox-secret-key".to_owned(),
            window_s: 60,
            allows_bearer: false,
            levels: vec!["basic-kyc-level".to_owned()],
            approved_per_thousand: 900,
            delay_ms: 3_000,
            submits_alone: false,
            webhook: None,
            schedule: Schedule::Seed,
            posts_max: 50,
            gets_max: 300,
        }
    }
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Sumsub(Arc<Inner>);

struct Inner {
    config: SumsubConfig,
    keys: Keys,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    world: World,
    /// Tokens for the pages: whose they are and until when they are good.
    tokens: BTreeMap<String, (String, u64)>,
    issued: u64,
    /// Checks that end when their time comes: applicant and attempt.
    checks: BTreeMap<(u64, u64), (String, u32)>,
    queue: Queue,
    /// When requests came, in milliseconds: POST and others.
    recent: [VecDeque<u64>; 2],
    /// Counts resets; what was sent before one is not heard of after it.
    epoch: u64,
}

impl fmt::Debug for Sumsub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sumsub").finish_non_exhaustive()
    }
}

impl Sumsub {
    /// A sandbox without applicants.
    #[must_use]
    pub fn new(config: SumsubConfig, clock: Clock) -> Self {
        let keys = Keys {
            app_token: config.app_token.clone(),
            secret: config.secret_key.clone(),
            window_s: config.window_s,
            allows_bearer: config.allows_bearer,
        };
        Self(Arc::new(Inner { config, keys, clock, state: Mutex::default() }))
    }

    /// Whose token for the pages this is, if it is still good.
    fn token_owner(&self, token: &str) -> Option<String> {
        let now = self.0.clock.now_ms();
        let state = self.state();
        let (external, until) = state.tokens.get(token)?;
        (*until > now).then(|| external.clone())
    }

    /// Hands documents in for the owner of a token. Says whether that could be done.
    fn submit_by_token(&self, token: &str) -> bool {
        let Some(external) = self.token_owner(token) else { return false };
        self.submit(&name("applicant", &external))
    }

    /// Hands documents in. Says whether the applicant exists and may.
    fn submit(&self, id: &str) -> bool {
        let now = self.0.clock.now_ms();
        let mut state = self.state();
        let Some(applicant) = state.world.find(id) else { return false };
        if applicant.is_deactivated || applicant.status == "pending" {
            return !applicant.is_deactivated;
        }
        applicant.submit();
        let (id, attempt) = (applicant.id.clone(), applicant.attempt);
        let applicant = applicant.clone();
        let due = now.saturating_add(self.0.config.delay_ms);
        if state.checks.len() < APPLICANTS_MAX {
            state.issued += 1;
            let number = state.issued;
            state.checks.insert((due, number), (id, attempt));
        }
        // Said after the decision, and with its own, earlier time.
        let late = Conduct::of(&applicant.external).is_reordered;
        let send = if late { due.saturating_add(LATE_MS) } else { now };
        self.emit(&mut state, &applicant, "applicantPending", now, send);
        true
    }

    /// Puts an event of an applicant into the queue: made at `made`, sent at `send`.
    fn emit(
        &self,
        state: &mut State,
        applicant: &Applicant,
        kind: &'static str,
        made: u64,
        send: u64,
    ) {
        if self.0.config.webhook.is_none() {
            return;
        }
        let at = instant(made);
        let mut event = json!({
            "applicantId": applicant.id,
            "inspectionId": name("inspection", &applicant.external),
            "correlationId": format!("req-{}", name(&format!("{kind}{made}"), &applicant.external)),
            "externalUserId": applicant.external,
            "levelName": applicant.level,
            "type": kind,
            "reviewStatus": applicant.status,
            "sandboxMode": true,
            "clientId": "veksel-sandbox",
            "createdAt": seconds(at),
            "createdAtMs": milliseconds(at),
        });
        if let (Some(outcome), Some(object)) = (&applicant.outcome, event.as_object_mut()) {
            object.insert("reviewResult".to_owned(), outcome.json());
        }
        let conduct = Conduct::of(&applicant.external);
        let delivery = Delivery {
            applicant: applicant.id.clone(),
            kind,
            body: event.to_string().into_bytes(),
            is_forged: conduct.is_forged,
            failed: 0,
        };
        let copies = if conduct.is_doubled { 2 } else { 1 };
        for _ in 0..copies {
            if !state.queue.push(send, delivery.clone()) {
                warn!(kind, "too many webhooks wait; one is dropped");
            }
        }
    }

    /// Ends the checks whose time has come.
    fn decide(&self, now: u64) {
        let mut state = self.state();
        while let Some(entry) = state.checks.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let (id, attempt) = entry.remove();
            let Some(applicant) = state.world.find(&id) else { continue };
            if applicant.attempt != attempt || applicant.status != "pending" {
                continue;
            }
            let ratio = self.0.config.approved_per_thousand;
            let kind = match outcome::decide(&applicant.external, ratio) {
                Some(outcome) => {
                    applicant.complete(outcome, instant(now));
                    "applicantReviewed"
                }
                None if Conduct::of(&applicant.external).verdict == Some(Forced::Hold) => {
                    applicant.status = "onHold";
                    "applicantOnHold"
                }
                None => continue,
            };
            let applicant = applicant.clone();
            self.emit(&mut state, &applicant, kind, now, now);
        }
    }

    /// Sends the webhooks that are due.
    fn send(&self, now: u64) {
        let Some(webhook) = &self.0.config.webhook else { return };
        loop {
            let (delivery, epoch) = {
                let mut state = self.state();
                let Some(delivery) = state.queue.take(now) else { return };
                (delivery, state.epoch)
            };
            let (sandbox, webhook) = (self.clone(), webhook.clone());
            tokio::spawn(async move { sandbox.deliver(&webhook, delivery, epoch).await });
        }
    }

    async fn deliver(&self, webhook: &SumsubWebhook, delivery: Delivery, epoch: u64) {
        let secret = if delivery.is_forged { "nobody knows this" } else { &webhook.secret };
        let digest = webhook.digest.sign(secret, &delivery.body);
        let headers = [
            ("content-type", "application/json"),
            ("x-payload-digest", digest.as_str()),
            ("x-payload-digest-alg", webhook.digest.word()),
        ];
        let answer = post_to(&webhook.url, &headers, delivery.body.clone(), ANSWER).await;
        let taken = matches!(answer, Ok(200..=299));
        let kind = delivery.kind;
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        let now = self.0.clock.now_ms();
        let again = state.queue.done(delivery, taken, now, self.0.config.schedule);
        match answer {
            Ok(status) => debug!(kind, status, again, "webhook answered"),
            Err(error) => debug!(kind, %error, again, "webhook not answered"),
        }
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for Sumsub {
    fn router(&self) -> Router {
        Router::new()
            .route("/sdk", get(page::show).post(page::submit))
            .fallback(api::answer)
            .with_state(self.clone())
    }

    fn reset(&self) {
        let mut state = self.state();
        let epoch = state.epoch + 1;
        *state = State { epoch, ..State::default() };
    }

    fn turn(&self, now_ms: u64) {
        self.decide(now_ms);
        self.send(now_ms);
    }
}

/// The latest instant that can be written, for a clock that is beyond it.
fn instant(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// Applicants, checks and tokens that are kept.
const APPLICANTS_MAX: usize = 100_000;
/// How much later than the decision a reordered event is sent, in milliseconds.
const LATE_MS: u64 = 200;
/// A receiver has five seconds.
const ANSWER: Duration = Duration::from_secs(5);
