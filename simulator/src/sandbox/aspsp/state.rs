//! Everything the banks remember, and what they do about it: posting, telling, timing out.
//!
//! All of it is behind one lock that is held for computing only. What has to wait (the ledger, a
//! push) is taken out of the lock as jobs and spawned.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::StatusCode;
use jiff::tz::TimeZone;

use super::AspspSettings;
use super::bankid::Provider;
use super::banks::{Approach, Bank};
use super::consent::{Consent, ConsentStatus};
use super::payment::{Cancellation, Delays, Payment, Status, Wish};
use super::push::{self, Notice};
use super::refusal::Refusal;
use super::step_up::StepUp;
use crate::bank::Desk;
use crate::ledger::Outcome;
use crate::sandbox::ca::Authority;
use crate::sandbox::clock::Clock;
use crate::sandbox::oidc::Way;

/// `scaStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScaStatus {
    Received,
    Started,
    /// Its customer said yes, and whoever asked has not confirmed it.
    Unconfirmed,
    Finalised,
    Failed,
}

impl ScaStatus {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Started => "started",
            Self::Unconfirmed => "unconfirmed",
            Self::Finalised => "finalised",
            Self::Failed => "failed",
        }
    }
}

/// What a customer is asked to approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Payment(String),
    Cancellation(String),
    Consent(String),
}

/// A question to a customer (an authorisation sub-resource).
#[derive(Debug, Clone)]
pub(super) struct Approval {
    pub(super) id: String,
    pub(super) bank: &'static str,
    pub(super) subject: Subject,
    pub(super) status: ScaStatus,
    /// What somebody wants who came over the authorisation server.
    pub(super) challenge: Option<Challenge>,
    /// What its customer was given to bring back, until it is used up.
    pub(super) code: Option<String>,
    /// The way of its customer to whoever says who that is.
    pub(super) way: Option<Way>,
    /// Who that is, by name.
    pub(super) person: Option<String>,
}

/// What a code has to be exchanged with.
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    pub(super) client: String,
    /// SHA-256 of the verifier, in base64url.
    pub(super) digest: String,
    pub(super) state: String,
    pub(super) back: String,
}

/// What the banks remember.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) payments: HashMap<String, Payment>,
    /// Oldest first.
    orders: VecDeque<String>,
    /// By bank and `X-Request-ID`: the first payment with it.
    pub(super) by_request: HashMap<(&'static str, String), String>,
    due: BTreeSet<(u64, String)>,
    pub(super) consents: HashMap<String, Consent>,
    consent_order: VecDeque<String>,
    pub(super) approvals: BTreeMap<String, Approval>,
    jobs: Jobs,
}

/// What is to be done outside the lock.
#[derive(Debug, Default)]
struct Jobs {
    posts: Vec<String>,
    notices: Vec<Notice>,
}

/// The sandbox behind its handle.
pub(super) struct Inner {
    pub(super) settings: AspspSettings,
    pub(super) desk: Desk,
    pub(super) clock: Clock,
    pub(super) authority: Option<Arc<Authority>>,
    pub(super) step_up: Option<StepUp>,
    /// Who says who customers are; nobody asks as long as it is not set.
    pub(super) provider: OnceLock<Provider>,
    /// Tells the payments of this process from those of earlier ones in the same book.
    run: u64,
    /// Of payments, consents and approvals; survives a reset, because the book does.
    next: Mutex<u64>,
    state: Mutex<State>,
}

impl Inner {
    pub(super) fn new(
        settings: AspspSettings,
        desk: Desk,
        clock: Clock,
        authority: Option<Arc<Authority>>,
    ) -> Arc<Self> {
        let (run, next) = (clock.now_ms(), Mutex::new(1));
        let state = Mutex::default();
        let step_up = settings.totp.as_deref().map(StepUp::new);
        let provider = OnceLock::new();
        Arc::new(Self { settings, desk, clock, authority, step_up, provider, run, next, state })
    }

    /// A number nobody had, and an id made of it.
    pub(super) fn name(&self, kind: &str) -> (u64, String) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next = number.saturating_add(1);
        (number, format!("{kind}-{:x}-{number}", self.run))
    }

    /// The day of the sandboxes' clock in UTC, as ISO 8601 writes it.
    pub(super) fn today(&self) -> String {
        day(self.clock.now_ms())
    }

    /// Looks at or changes the state, and sees to what follows from it.
    pub(super) fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        let Jobs { posts, notices } = std::mem::take(&mut state.jobs);
        drop(state);
        for id in posts {
            let inner = Arc::clone(self);
            tokio::spawn(async move { inner.post(&id).await });
        }
        for notice in notices {
            let secret = self.settings.push_secret.clone();
            tokio::spawn(async move { push::deliver(notice, &secret).await });
        }
        result
    }

    /// Posts a payment and returns when the book has it, or will not have it.
    pub(super) async fn post(self: &Arc<Self>, id: &str) {
        let request = self.with(|state| state.payments.get(id)?.request(self.run));
        let Some(request) = request else { return };
        let reply = self.desk.execute(request).await;
        // A bank that has ended is busy for good.
        let outcome = reply.map_or(Outcome::Overloaded, |reply| reply.outcome);
        let (now_ms, delays) = (self.clock.now_ms(), self.settings.delays);
        self.with(|state| state.change(id, |payment| payment.posted(outcome, now_ms, &delays)));
    }

    pub(super) fn reset(self: &Arc<Self>) {
        self.with(|state| *state = State::default());
        if let Some(step_up) = &self.step_up {
            step_up.reset();
        }
    }

    pub(super) fn turn(self: &Arc<Self>, now_ms: u64) {
        let (delays, today) = (self.settings.delays, day(now_ms));
        self.with(|state| state.turn(now_ms, &delays, &today));
    }

    /// A customer's yes or no. `Ok` has the address to send the customer to, if there is one.
    pub(super) fn decide(
        self: &Arc<Self>,
        approval: &str,
        is_yes: bool,
    ) -> Result<Option<String>, Refusal> {
        let taken = self.with(|state| state.leave_open(approval, is_yes))?;
        match taken {
            Some(to) => Ok(Some(to)),
            None => self.conclude(approval, is_yes),
        }
    }

    /// The decision itself, once nobody has to confirm it any more.
    pub(super) fn conclude(
        self: &Arc<Self>,
        approval: &str,
        is_yes: bool,
    ) -> Result<Option<String>, Refusal> {
        let (now_ms, delays) = (self.clock.now_ms(), self.settings.delays);
        let today = day(now_ms);
        self.with(|state| state.decide(approval, is_yes, now_ms, &delays, &today))
    }
}

impl State {
    /// Takes a new payment in, if there is room.
    pub(super) fn insert(&mut self, payment: Payment) -> Result<(), Refusal> {
        if self.orders.len() >= PAYMENTS_MAX {
            let oldest = self.orders.front().cloned().unwrap_or_default();
            if self.payments.get(&oldest).is_some_and(|payment| !payment.is_over()) {
                let text = "too many payments are open";
                return Err(Refusal::bare(StatusCode::SERVICE_UNAVAILABLE, text));
            }
            self.orders.pop_front();
            if let Some(old) = self.payments.remove(&oldest) {
                self.by_request.remove(&(old.bank.id, old.request.0));
            }
            self.approvals.retain(|_, approval| match &approval.subject {
                Subject::Payment(id) | Subject::Cancellation(id) => *id != oldest,
                Subject::Consent(_) => true,
            });
        }
        let key = (payment.bank.id, payment.request.0.clone());
        self.by_request.entry(key).or_insert_with(|| payment.id.clone());
        if let Some(due_ms) = payment.due_ms() {
            self.due.insert((due_ms, payment.id.clone()));
        }
        self.orders.push_back(payment.id.clone());
        self.payments.insert(payment.id.clone(), payment);
        Ok(())
    }

    pub(super) fn insert_consent(&mut self, consent: Consent) {
        if self.consent_order.len() >= CONSENTS_MAX
            && let Some(oldest) = self.consent_order.pop_front()
        {
            self.consents.remove(&oldest);
            self.approvals
                .retain(|_, approval| approval.subject != Subject::Consent(oldest.clone()));
        }
        self.consent_order.push_back(consent.id.clone());
        self.consents.insert(consent.id.clone(), consent);
    }

    /// Changes a payment, and notes what its new status leads to.
    pub(super) fn change<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Payment) -> T,
    ) -> Option<T> {
        let payment = self.payments.get_mut(id)?;
        let (status, due_ms) = (payment.status, payment.due_ms());
        let result = change(payment);
        if payment.due_ms() != due_ms {
            if let Some(due_ms) = due_ms {
                self.due.remove(&(due_ms, id.to_owned()));
            }
            if let Some(due_ms) = payment.due_ms() {
                self.due.insert((due_ms, id.to_owned()));
            }
        }
        if let Some(subscription) = payment.subscription.as_ref()
            && payment.status != status
            && (subscription.process || subscription.last && payment.is_over())
        {
            let (uri, code) = (&subscription.uri, payment.status.code());
            self.jobs.notices.push(Notice::of_payment(uri, id, code, &payment.link));
        }
        Some(result)
    }

    fn turn(&mut self, now_ms: u64, delays: &Delays, today: &str) {
        while let Some((due_ms, id)) = self.due.first().cloned() {
            if due_ms > now_ms {
                break;
            }
            self.due.pop_first();
            match self.change(&id, |payment| payment.turn(now_ms, delays)) {
                Some(Wish::Post) => self.jobs.posts.push(id),
                Some(Wish::Approved) => self.settle_approvals(&id, ScaStatus::Finalised),
                Some(Wish::TimedOut) => self.settle_approvals(&id, ScaStatus::Failed),
                Some(Wish::Nothing) | None => {}
            }
        }
        for consent in self.consents.values_mut() {
            consent.age(today);
        }
    }

    fn settle_approvals(&mut self, payment: &str, status: ScaStatus) {
        let subject = Subject::Payment(payment.to_owned());
        let ids: Vec<String> = self
            .approvals
            .values()
            .filter(|approval| approval.subject == subject)
            .map(|approval| approval.id.clone())
            .collect();
        for id in ids {
            self.set_approval(&id, status);
        }
    }

    /// Notes how a question stands, and tells who wants to know.
    pub(super) fn set_approval(&mut self, id: &str, status: ScaStatus) {
        let Some(approval) = self.approvals.get_mut(id) else { return };
        if approval.status == status {
            return;
        }
        approval.status = status;
        if let Subject::Payment(payment) = &approval.subject
            && let Some(payment) = self.payments.get(payment)
            && let Some(subscription) = payment.subscription.as_ref().filter(|s| s.sca)
        {
            let uri = &subscription.uri;
            let notice = Notice::of_approval(uri, &payment.id, id, status.code());
            self.jobs.notices.push(notice);
        }
    }

    /// A yes that whoever asked has to complete: the customer is sent back with a code. `None` if
    /// it is decided as it is.
    fn leave_open(&mut self, id: &str, is_yes: bool) -> Result<Option<String>, Refusal> {
        let unknown = || Refusal::unknown("no such question");
        let approval = self.approvals.get(id).ok_or_else(unknown)?;
        let bank = Bank::find(approval.bank).ok_or_else(unknown)?;
        let is_open = matches!(approval.status, ScaStatus::Received | ScaStatus::Started);
        let is_consent = matches!(approval.subject, Subject::Consent(_));
        let is_completed = bank.confirms || bank.approach == Approach::Oauth && !is_consent;
        if !is_yes || !is_completed || !is_open || approval.code.is_some() {
            return Ok(None);
        }
        let back = match (&approval.challenge, &approval.subject) {
            (Some(challenge), _) => format!("{}&state={}", challenge.back, challenge.state),
            (None, _) if bank.approach == Approach::Oauth => {
                return Err(Refusal::unknown("this is approved at the authorisation server"));
            }
            (None, Subject::Payment(payment) | Subject::Cancellation(payment)) => {
                let payment = self.payments.get(payment).ok_or_else(unknown)?;
                payment.redirects.ok.clone().unwrap_or_default()
            }
            (None, Subject::Consent(consent)) => {
                let consent = self.consents.get(consent).ok_or_else(unknown)?;
                consent.redirects.ok.clone().unwrap_or_default()
            }
        };
        let code = push::uuid();
        let mark = if back.contains('?') { '&' } else { '?' };
        let to = format!("{back}{mark}code={code}");
        if bank.confirms {
            self.set_approval(id, ScaStatus::Unconfirmed);
        }
        if let Some(approval) = self.approvals.get_mut(id) {
            approval.code = Some(code);
        }
        Ok(Some(to))
    }

    fn decide(
        &mut self,
        id: &str,
        is_yes: bool,
        now_ms: u64,
        delays: &Delays,
        today: &str,
    ) -> Result<Option<String>, Refusal> {
        let approval =
            self.approvals.get(id).ok_or_else(|| Refusal::unknown("no such question"))?;
        let open = [ScaStatus::Received, ScaStatus::Started, ScaStatus::Unconfirmed];
        if !open.contains(&approval.status) {
            let text = format!("this was decided before: {}", approval.status.code());
            return Err(Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text));
        }
        let subject = approval.subject.clone();
        let (status, redirects) = match &subject {
            Subject::Payment(payment) => {
                let status = self.change(payment, |payment| match is_yes {
                    true if payment.approve(now_ms, delays) => ScaStatus::Finalised,
                    true => ScaStatus::Started,
                    false => {
                        payment.reject();
                        ScaStatus::Failed
                    }
                });
                (status, self.payments.get(payment).map(|payment| payment.redirects.clone()))
            }
            Subject::Cancellation(payment) => {
                let status = self.change(payment, |payment| match payment.cancellation() {
                    Cancellation::Free | Cancellation::NeedsSca if is_yes => {
                        payment.cancel();
                        ScaStatus::Finalised
                    }
                    Cancellation::Done if is_yes => ScaStatus::Finalised,
                    _ => ScaStatus::Failed,
                });
                (status, self.payments.get(payment).map(|payment| payment.redirects.clone()))
            }
            Subject::Consent(consent) => {
                let consent = self.consents.get_mut(consent);
                let status = consent.map(|consent| {
                    if consent.status == ConsentStatus::Received {
                        let status =
                            if is_yes { ConsentStatus::Valid } else { ConsentStatus::Rejected };
                        consent.set(status, today);
                    }
                    let is_valid = consent.status == ConsentStatus::Valid;
                    let status = if is_valid { ScaStatus::Finalised } else { ScaStatus::Failed };
                    (status, consent.redirects.clone())
                });
                (status.as_ref().map(|(status, _)| *status), status.map(|(_, to)| to))
            }
        };
        let status = status.ok_or_else(|| Refusal::unknown("what was asked about is gone"))?;
        self.set_approval(id, status);
        let redirects = redirects.unwrap_or_default();
        let is_well = status != ScaStatus::Failed;
        Ok(if is_well { redirects.ok } else { redirects.nok.or(redirects.ok) })
    }

    /// Whether a payment still waits for its customer.
    pub(super) fn is_open(&self, payment: &str) -> bool {
        self.payments
            .get(payment)
            .is_some_and(|payment| matches!(payment.status, Status::Received) && !payment.is_over())
    }
}

/// ISO 8601 day in UTC.
pub(super) fn day(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let zoned = moment.unwrap_or_default().to_zoned(TimeZone::UTC);
    zoned.date().to_string()
}

/// About 1 KiB each.
const PAYMENTS_MAX: usize = 20_000;

/// About 1 KiB each.
const CONSENTS_MAX: usize = 10_000;
