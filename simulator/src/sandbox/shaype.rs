//! Shaype as a sandbox: a card platform that asks its client whether holds and transactions may be.
//!
//! Unlike the other sandboxes it calls rather than is called: what cards do is told to it under
//! `/__sandbox/` (`control.rs`). It applies its limits, signs, asks with its exact patience, and
//! tells of what happened by events. Its client finds its keys under `/authentication/keys`.
//! The provider documents neither the names of its headers nor what exactly it signs; here they are
//! `X-Key-Id`, `X-Idempotency-Key`, `X-Timestamp` and `X-Signature`, over key, time and body.

mod caller;
mod control;
mod limits;
mod load;
mod notices;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::{get, post};
use hyper::Method;
use serde_json::{Value, json};
use tracing::warn;

use super::signing::SigningKey;
use super::{Clock, Sandbox};
use crate::money::Currency;
use caller::Letter;
use limits::Limits;
use notices::{Delivery, Queue, event};
use token::Tokens;

pub use caller::{Endpoint, Missed, Patience, Said};
pub use limits::{Breach, Kind, Limit, LimitName};
pub use load::{Load, Tally};
pub use notices::{Occasion, WAITS_S, is_tried_again};
pub use token::{Client, Proof, Receiver};

/// What the sandbox does.
#[derive(Debug, Clone)]
pub struct ShaypeConfig {
    /// Where the paths of its client begin.
    pub client: Endpoint,
    /// How long it waits.
    pub patience: Patience,
    /// Its limits.
    pub limits: Vec<Limit>,
    /// Accounts of its customers and their currency, for load.
    pub accounts: Vec<(String, Currency)>,
    /// Where events go; `None` for nowhere.
    pub notify: Option<Receiver>,
}

/// Why the sandbox cannot be set up: the library made no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key could be made")]
pub struct NoKey;

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Shaype(Arc<Inner>);

struct Inner {
    config: ShaypeConfig,
    clock: Clock,
    state: Mutex<State>,
    /// Held while a token is fetched.
    fetching: tokio::sync::Mutex<()>,
}

struct State {
    /// The newest signs; the one before is still published.
    keys: Vec<Arc<SigningKey>>,
    made: u64,
    /// Whether the keys cannot be had.
    is_down: bool,
    limits: Limits,
    holds: BTreeMap<String, Hold>,
    queue: Queue,
    tokens: Tokens,
    /// Counts ids and events.
    issued: u64,
    /// Counts resets; what was sent before one is not heard of after it.
    epoch: u64,
}

/// A hold that the client has approved.
#[derive(Debug, Clone)]
struct Hold {
    account: String,
    currency: Currency,
    kind: Kind,
    minor: i64,
}

/// What is asked of the client.
#[derive(Debug, Clone)]
struct Payment {
    id: String,
    account: String,
    card: Option<String>,
    currency: Currency,
    kind: Kind,
    /// Above zero for money that goes out.
    minor: i64,
    /// A key of the caller's, to ask the same again.
    idempotency: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The id of the hold or transaction.
    pub id: String,
    /// What the client said, if it was asked.
    pub said: Option<Said>,
    /// The limit that kept it from being asked.
    pub breach: Option<Breach>,
}

impl Outcome {
    /// Whether the client approved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.status == Some(200))
    }
}

impl fmt::Debug for Shaype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaype").finish_non_exhaustive()
    }
}

impl Shaype {
    /// A platform with a new key.
    ///
    /// # Errors
    /// The library makes none.
    pub fn new(config: ShaypeConfig, clock: Clock) -> Result<Self, NoKey> {
        let state = State {
            keys: vec![Arc::new(SigningKey::new("shaype-1").ok_or(NoKey)?)],
            made: 1,
            is_down: false,
            limits: Limits::default(),
            holds: BTreeMap::new(),
            queue: Queue::default(),
            tokens: Tokens::default(),
            issued: 0,
            epoch: 0,
        };
        let (state, fetching) = (Mutex::new(state), tokio::sync::Mutex::default());
        Ok(Self(Arc::new(Inner { config, clock, state, fetching })))
    }

    /// Asks for a hold.
    async fn hold(&self, payment: Payment) -> Outcome {
        if let Err(breach) = self.check(&payment, 0) {
            return refused(payment.id, breach);
        }
        let body = json!({
            "id": payment.id,
            "accountId": payment.account,
            "cardId": payment.card,
            "amount": amount(payment.currency, payment.minor),
        });
        let said = self.ask(Method::POST, "/holds", &body, payment.idempotency.as_deref()).await;
        let outcome = Outcome { id: payment.id.clone(), said: Some(said), breach: None };
        if outcome.is_approved() {
            self.count(&payment.account, payment.kind, (0, payment.minor));
            self.tell(
                Occasion::NewHold,
                &payment.id,
                &payment.account,
                payment.currency,
                payment.minor,
            );
            let Payment { id, account, currency, kind, minor, .. } = payment;
            let mut state = self.state();
            if state.holds.len() < HOLDS_MAX {
                state.holds.insert(id, Hold { account, currency, kind, minor });
            }
        }
        outcome
    }

    /// Asks for another amount of a hold. `None` if there is no such hold here.
    async fn change(&self, id: &str, minor: i64, idempotency: Option<&str>) -> Option<Outcome> {
        let hold = self.state().holds.get(id).cloned()?;
        let more = minor.saturating_sub(hold.minor);
        let payment = Payment {
            id: id.to_owned(),
            account: hold.account.clone(),
            card: None,
            currency: hold.currency,
            kind: hold.kind,
            minor: more,
            idempotency: None,
        };
        if more > 0
            && let Err(breach) = self.check(&payment, hold.minor)
        {
            return Some(refused(payment.id, breach));
        }
        let body = json!({ "amount": amount(hold.currency, minor) });
        let said = self.ask(Method::PATCH, &format!("/holds/{id}"), &body, idempotency).await;
        let outcome = Outcome { id: id.to_owned(), said: Some(said), breach: None };
        if outcome.is_approved() {
            self.count(&hold.account, hold.kind, (hold.minor, more));
            let occasion = match (minor, more) {
                (0, _) => Occasion::Reversal,
                (_, 1..) => Occasion::HoldIncrease,
                (_, _) => Occasion::HoldDecrease,
            };
            // Money that comes back is written without a minus.
            self.tell(occasion, id, &hold.account, hold.currency, more);
            let mut state = self.state();
            match (minor, state.holds.get_mut(id)) {
                (0, _) => drop(state.holds.remove(id)),
                (_, Some(hold)) => hold.minor = minor,
                (_, None) => {}
            }
        }
        Some(outcome)
    }

    /// Asks for a transaction; one with the id of a hold completes it.
    async fn transact(&self, payment: Payment, occasion: Occasion) -> Outcome {
        let hold = self.state().holds.get(&payment.id).cloned();
        let held = hold.as_ref().map_or(0, |hold| hold.minor);
        let more = payment.minor.saturating_abs().saturating_sub(held);
        let kind = if payment.minor < 0 { Kind::TopUp } else { payment.kind };
        let checked = Payment { minor: more, kind, ..payment.clone() };
        if more > 0
            && let Err(breach) = self.check(&checked, held)
        {
            return refused(payment.id, breach);
        }
        let body = json!({
            "id": payment.id,
            "accountId": payment.account,
            "amount": amount(payment.currency, payment.minor),
        });
        let key = payment.idempotency.as_deref();
        let said = self.ask(Method::POST, "/transactions", &body, key).await;
        let outcome = Outcome { id: payment.id.clone(), said: Some(said), breach: None };
        if outcome.is_approved() {
            self.count(&payment.account, kind, (held, more));
            let occasion = if hold.is_some() { Occasion::Settled } else { occasion };
            self.tell(occasion, &payment.id, &payment.account, payment.currency, payment.minor);
            self.state().holds.remove(&payment.id);
        }
        outcome
    }

    fn check(&self, payment: &Payment, before: i64) -> Result<(), Breach> {
        let now_ms = self.0.clock.now_ms();
        let state = self.state();
        let amounts = (before, payment.minor);
        state.limits.check(&self.0.config.limits, now_ms, &payment.account, payment.kind, amounts)
    }

    fn count(&self, account: &str, kind: Kind, amounts: (i64, i64)) {
        let now_ms = self.0.clock.now_ms();
        self.state().limits.count(now_ms, account, kind, amounts);
    }

    /// Asks the client. The time that is signed is the real one: the client's clock does not move
    /// with the sandboxes'.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        idempotency: Option<&str>,
    ) -> Said {
        let body = body.to_string().into_bytes();
        let key = {
            let state = self.state();
            state.keys.last().map(Arc::clone)
        };
        let idempotency = idempotency.map_or_else(|| self.number("k"), str::to_owned);
        let headers = key.and_then(|key| caller::signed(&key, &idempotency, real_ms(), &body));
        let Some(headers) = headers else {
            let missed = Some(Missed::Broken);
            return Said { status: None, code: None, missed, took: Duration::ZERO };
        };
        let Endpoint { url, tls } = self.0.config.client.clone();
        let to = Endpoint { url: format!("{url}{path}"), tls };
        caller::send(Letter { method, to, headers, body }, self.0.config.patience).await
    }

    /// A name that no other has, also after a restart: the client remembers for days.
    fn number(&self, kind: &str) -> String {
        let mut state = self.state();
        state.issued += 1;
        format!("{kind}-{:x}-{}", real_us(), state.issued)
    }

    /// Puts an event into the queue. Money that goes out is written with a minus.
    fn tell(&self, occasion: Occasion, id: &str, account: &str, currency: Currency, minor: i64) {
        if self.0.config.notify.is_none() {
            return;
        }
        let written = currency.format(0 - minor);
        let mut state = self.state();
        state.issued += 1;
        let event = event(state.issued, occasion, (id, account), (&written, currency.alpha()));
        let delivery = Delivery { body: event.to_string().into_bytes(), failed: 0 };
        if !state.queue.push(self.0.clock.now_ms(), delivery) {
            warn!("too many events wait; one is dropped");
        }
    }

    fn send_events(&self, now_ms: u64) {
        let Some(receiver) = &self.0.config.notify else { return };
        loop {
            let (delivery, epoch) = {
                let mut state = self.state();
                let Some(delivery) = state.queue.take(now_ms) else { return };
                (delivery, state.epoch)
            };
            let (sandbox, receiver) = (self.clone(), receiver.clone());
            tokio::spawn(async move { sandbox.deliver(&receiver, delivery, epoch).await });
        }
    }

    async fn deliver(&self, receiver: &Receiver, delivery: Delivery, epoch: u64) {
        let status = self.post(receiver, &delivery.body).await;
        let mut state = self.state();
        if state.epoch == epoch {
            let now_ms = self.0.clock.now_ms();
            state.queue.done(delivery, status, now_ms);
        }
    }

    /// Signs with a new key from now on, and publishes the last one still.
    fn rotate(&self) -> Option<String> {
        let made = {
            let mut state = self.state();
            state.made += 1;
            state.made
        };
        // Made outside the lock: it takes a while.
        let key = Arc::new(SigningKey::new(&format!("shaype-{made}"))?);
        let kid = key.kid().to_owned();
        let mut state = self.state();
        state.keys.push(key);
        let old = state.keys.len().saturating_sub(2);
        state.keys.drain(..old);
        Some(kid)
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for Shaype {
    fn router(&self) -> Router {
        Router::new()
            .route(KEYS_PATH, get(control::published))
            .route("/__sandbox/hold", post(control::hold))
            .route("/__sandbox/change", post(control::change))
            .route("/__sandbox/transaction", post(control::transaction))
            .route("/__sandbox/flow/{name}", post(control::flow))
            .route("/__sandbox/load", post(control::load))
            .route("/__sandbox/rotate", post(control::rotate))
            .route("/__sandbox/keys", post(control::keys))
            .route("/__sandbox/events", get(control::events))
            .with_state(self.clone())
    }

    fn reset(&self) {
        let mut state = self.state();
        state.epoch += 1;
        (state.limits, state.holds) = (Limits::default(), BTreeMap::new());
        (state.queue, state.is_down) = (Queue::default(), false);
        state.tokens = Tokens::default();
    }

    fn turn(&self, now_ms: u64) {
        self.send_events(now_ms);
    }
}

fn refused(id: String, breach: Breach) -> Outcome {
    Outcome { id, said: None, breach: Some(breach) }
}

/// Minor units above zero as money that goes out.
fn amount(currency: Currency, minor: i64) -> Value {
    json!({ "amount": currency.format(0 - minor), "currency": currency.alpha() })
}

fn real_ms() -> u64 {
    real_us() / 1_000
}

fn real_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Where its client finds its keys.
pub const KEYS_PATH: &str = "/authentication/keys";

/// Holds that are remembered.
const HOLDS_MAX: usize = 100_000;
