//! External authorisation: a card platform asks whether a hold or a transaction may be, and the
//! bank behind the switch decides.
//!
//! Each request becomes a message that goes in where messages of channels go in, and so is timed
//! out, recorded and reversed as they are: a new hold is a 0100, a changed one a 0100 that names
//! it, a transaction a 0200, and one with the id of an open hold its completion (0220). A caller
//! that hangs up, or an answer that comes after the budget, leaves nobody who waits for the
//! message, and the engine takes an approval back that nobody gets. What was decided is in the
//! journal and nowhere else ([`life`]), and so is what the platform's idempotency keys were for;
//! [`remembered`] only spares looking there. Requests about one hold take turns ([`turns`]).

mod asked;
mod directory;
mod keys;
mod life;
mod message;
mod notify;
mod outcome;
mod proof;
mod remembered;
mod token;
mod turns;

pub use directory::{Directory, WrongDirectory};
pub use keys::{Fetching, KeySource, keys_in};
pub use life::{LIFE_MAX, Lives, Looking};
pub(crate) use notify::KINDS;
pub use notify::Notice;
pub use proof::Doubt;
pub use token::{NotifyClient, ShortSecret};

pub(crate) use notify::received;
pub(crate) use token::token;

use crate::answer::{Refusal, Trace};
use crate::door::{Desk as Doorway, answered};
use crate::exchange::{CallerId, Exchange, Replied, Spoken};
use crate::serve::Arrival;
use asked::{Asked, Change, Wanted};
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use keys::{KeyCache, Times};
use life::{COMPLETION, CUT, HOLD, Held, Life, Numbers, RELEASE, TRANSACTION, Trail, is_others};
use message::{Amount, Desk, Identity, Owner, transmission, undoing};
use outcome::{Decision, Direction, decision};
use proof::{now_ms, prove};
use remembered::{Recalled, Remembered};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use turns::Turns;
use veksel_codecs::{Mti, ResponseCode, field};
use veksel_config::ExtAuthConfig;
use veksel_core::enquiry::Secret;
use veksel_core::plan::DigestKey;
use veksel_core::record::Intent;

/// What a completion may be of its hold, in percent (cbs-interface.md 6.4, note 4).
const COMPLETION_PERCENT_MAX: u64 = 115;

const TOO_LONG: &str = "it took too long";

const NO_NAME: &str = "the bank does not name its holds";

/// Hears what is worth counting.
pub trait Watcher: Send + Sync {
    /// A request was not believed.
    fn doubted(&self, doubt: Doubt);
    /// The time of a request was so many milliseconds before ours, or after it.
    fn skewed(&self, ms: i64);
    /// How old the platform's keys are.
    fn keys_age(&self, age: Duration);
    /// The platform told of something.
    fn noticed(&self, notice: &Notice);
}

/// What external authorisation works with.
pub struct External {
    /// As configured.
    pub config: ExtAuthConfig,
    /// DE32 of its messages.
    pub acquirer: String,
    /// Who it is to the engine, by name.
    pub participant: String,
    /// The way to the engine.
    pub exchange: Exchange,
    /// Reads the journal.
    pub lives: Arc<dyn Lives>,
    /// Keys the digests of requests that the journal keeps: that of the journal.
    pub digest_key: DigestKey,
    /// Where the platform publishes its keys.
    pub keys: Arc<dyn KeySource>,
    /// Which account and card an id means; `None` takes ids as they are.
    pub directory: Option<Directory>,
    /// The lasting token that notifications may bring; `None` if there is none.
    pub notify_token: Option<Secret>,
    /// As whom the platform fetches tokens for notifications; `None` if none are given out.
    pub notify_client: Option<NotifyClient>,
    /// Hears what is worth counting.
    pub watcher: Arc<dyn Watcher>,
}

impl External {
    /// Whether notifications are taken: there is a token that they can bring.
    const fn hears(&self) -> bool {
        self.notify_token.is_some() || self.notify_client.is_some()
    }
}

/// The door of the platform.
pub(crate) struct Platform {
    external: External,
    keys: Arc<KeyCache>,
    remembered: Remembered,
    turns: Turns,
}

impl Platform {
    pub(crate) fn new(external: External) -> Self {
        let config = &external.config;
        let times = Times {
            ttl: Duration::from_millis(config.keys_ttl_ms),
            refresh: Duration::from_millis(config.keys_refresh_ms),
            keep: Duration::from_millis(config.keys_keep_ms),
        };
        let keys = KeyCache::new(Arc::clone(&external.keys), times, config.rsa_bits_min);
        let remembered = Remembered::new(config.remembered_max);
        Self { external, keys, remembered, turns: Turns::default() }
    }

    pub(crate) const fn config(&self) -> &ExtAuthConfig {
        &self.external.config
    }
}

/// `POST /holds` with `{"id":"…","accountId":"…","cardId":"…","amount":{"amount":"-12.43",
/// "currency":"USD"}}`; `/hold` is the same.
pub(crate) async fn hold(
    State(desk): State<Doorway>,
    trace: Trace,
    arrival: Arrival,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&desk, &trace, arrival, &headers, &body, Wanted::Hold).await
}

/// `PATCH /holds/{id}` with `{"amount":{"amount":"-56.87","currency":"USD"}}`.
pub(crate) async fn change(
    State(desk): State<Doorway>,
    trace: Trace,
    arrival: Arrival,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Response {
    match id {
        Ok(Path(id)) => respond(&desk, &trace, arrival, &headers, &body, Wanted::Change(id)).await,
        Err(error) => answered(Err(Refusal::bad(error.body_text())), &trace),
    }
}

/// `POST /transactions` with `{"id":"…","accountId":"…","amount":{…}}`.
pub(crate) async fn transaction(
    State(desk): State<Doorway>,
    trace: Trace,
    arrival: Arrival,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&desk, &trace, arrival, &headers, &body, Wanted::Transaction).await
}

async fn respond(
    desk: &Doorway,
    trace: &Trace,
    arrival: Arrival,
    headers: &HeaderMap,
    body: &Bytes,
    wanted: Wanted,
) -> Response {
    let Some(platform) = &desk.platform else {
        return Refusal::not_found("this path").respond(trace);
    };
    // The platform does not wait longer because its body was slow.
    let until = arrival.begun + Duration::from_millis(platform.external.config.budget_ms);
    let said = platform.answer(arrival.peer, headers, body, wanted, until).await;
    let decision = match said {
        Ok(decision) => decision,
        Err(refusal) => return refusal.respond(trace),
    };
    match &decision {
        Decision::Failed(why) => tracing::error!(trace = trace.0, why, "a request is undecided"),
        Decision::NoHold => tracing::warn!(trace = trace.0, "a change of a hold that is not open"),
        Decision::Conflict => tracing::warn!(trace = trace.0, "an idempotency key came twice"),
        Decision::Approved | Decision::Refused { .. } => {}
    }
    decision.respond(trace)
}

/// A request on its way.
struct Way<'w> {
    identity: &'w Identity,
    life: Life,
    /// DE7 of an earlier attempt.
    sent: Option<String>,
    until: Instant,
}

/// One message of a request.
struct Step<'s> {
    /// Its type.
    mti: Mti,
    /// Its numbers; without a terminal those of any.
    numbers: &'s Numbers,
    direction: Direction,
    is_change: bool,
}

impl Platform {
    async fn answer(
        &self,
        peer: Option<std::net::IpAddr>,
        headers: &HeaderMap,
        body: &Bytes,
        wanted: Wanted,
        until: Instant,
    ) -> Result<Decision, Refusal> {
        let external = &self.external;
        let proven = prove(external, &self.keys, peer, headers, body, until).await?;
        if let Some(age) = self.keys.age() {
            external.watcher.keys_age(age);
        }
        let path = wanted.path();
        let asked = asked::read(wanted, external.config.change, body)?;
        let secret = &external.digest_key;
        let (kid, idempotency) = (&proven.kid, &proven.idempotency);
        let identity = Identity::of(secret, kid, idempotency, &path, asked.id(), body);
        self.decide(&asked, &identity, until).await
    }

    async fn decide(
        &self,
        asked: &Asked,
        identity: &Identity,
        until: Instant,
    ) -> Result<Decision, Refusal> {
        // Only what comes before a message is cut short here. An exchange keeps the time itself,
        // and an answer that it brings is heard: the engine counts it as delivered.
        let Some(_turn) = self.turns.take(&identity.rrn, until).await else {
            return Ok(Decision::Failed(TOO_LONG));
        };
        match self.remembered.recall(identity.key, identity.content) {
            Recalled::New | Recalled::Sent(_) => {}
            Recalled::Decided(decision) => return Ok(decision),
            Recalled::Other => return Ok(Decision::Conflict),
        }
        let key = identity.caller_key.map(|of| of.key);
        let looked = timeout_at(until, self.external.lives.life(identity.rrn.clone(), key)).await;
        let stored = match looked {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) => return Ok(Decision::Failed("the journal cannot be read")),
            Err(_) => return Ok(Decision::Failed(TOO_LONG)),
        };
        let participant = &self.external.participant;
        if is_others(&stored, participant, identity.caller_key) {
            return Ok(Decision::Conflict);
        }
        // Not before the journal was looked at, or a mistake would take the place of the request
        // whose key it is. Another of that key may have come meanwhile, about another hold.
        let sent = match self.remembered.note(identity.key, identity.content) {
            Recalled::New => None,
            Recalled::Sent(transmission) => Some(transmission),
            Recalled::Decided(decision) => return Ok(decision),
            Recalled::Other => return Ok(Decision::Conflict),
        };
        let life = Life::new(stored, participant, &identity.rrn);
        let way = Way { identity, life, sent, until };
        let decided = match asked {
            Asked::Hold { amount, account, card, .. } => {
                self.place(&way, *amount, account, card.as_deref()).await
            }
            Asked::Change { change, .. } => self.alter(&way, *change).await,
            Asked::Transaction { amount, account, .. } => {
                self.transact(&way, *amount, account).await
            }
        };
        // What was no request may be put right under the same key.
        let decision = decided.inspect_err(|_| self.remembered.forget(identity.key))?;
        if decision.is_final() {
            self.remembered.decided(identity.key, &decision);
        }
        Ok(decision)
    }

    async fn place(
        &self,
        way: &Way<'_>,
        amount: Amount,
        account: &str,
        card: Option<&str>,
    ) -> Result<Decision, Refusal> {
        let numbers = &way.identity.numbers;
        let step = Step { mti: HOLD, numbers, direction: Direction::Debit, is_change: false };
        if self.trail(way, &step) == Trail::None {
            if way.life.is_used() {
                // Another request has placed it.
                return Ok(Decision::Conflict);
            }
            if way.life.is_cut() {
                return Ok(Decision::Failed(CUT));
            }
        }
        let owner = match self.owner(account, card) {
            Ok(owner) => owner,
            Err(refused) => return Ok(refused),
        };
        self.send(way, &step, |desk, numbers| desk.hold(numbers, amount, &owner)).await
    }

    async fn alter(&self, way: &Way<'_>, change: Change) -> Result<Decision, Refusal> {
        let released = self.anywhere(way, RELEASE);
        let numbers = &way.identity.numbers;
        let step = Step { mti: HOLD, numbers, direction: Direction::Debit, is_change: true };
        for earlier in [&released.as_step(), &step] {
            match self.trail(way, earlier) {
                Trail::Decided(decision) => return Ok(decision),
                Trail::Approved(sent) => return self.send_again(way, earlier, &sent).await,
                Trail::None | Trail::Open(_) | Trail::Other => {}
            }
        }
        let held = match way.life.held() {
            Ok(Some(held)) => held,
            Ok(None) => return Ok(Decision::NoHold),
            Err(why) => return Ok(Decision::Failed(why)),
        };
        if change.currency != held.original.currency {
            return Err(Refusal::bad("the hold is in another currency"));
        }
        let Some(total) = change.total(held.total) else {
            return Err(Refusal::bad("`amount` is more than a message can say"));
        };
        if total == 0 {
            let step = released.as_step();
            return self.send(way, &step, |desk, numbers| desk.release(numbers, &held)).await;
        }
        self.set_total(way, &step, &held, total).await
    }

    async fn set_total(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        held: &Held,
        total: u64,
    ) -> Result<Decision, Refusal> {
        if held.tag.is_empty() {
            return Ok(Decision::Failed(NO_NAME));
        }
        self.send(way, step, |desk, numbers| desk.change(numbers, held, total)).await
    }

    /// Asks for more money once again, behind what was asked and approved before: a message of its
    /// own, with the next trace number.
    async fn grow_anew(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        held: &Held,
        (total, before): (u64, &Intent),
    ) -> Result<Decision, Refusal> {
        if held.tag.is_empty() {
            return Ok(Decision::Failed(NO_NAME));
        }
        let stan = way.life.stan_behind(step.mti, step.numbers);
        // What is remembered may be the last message before.
        let sent = way.sent.clone().filter(|sent| *sent != before.key.transmission);
        self.post(way, step, (stan, sent), |desk, numbers| desk.change(numbers, held, total)).await
    }

    async fn transact(
        &self,
        way: &Way<'_>,
        amount: Amount,
        account: &str,
    ) -> Result<Decision, Refusal> {
        let numbers = &way.identity.numbers;
        let completion = self.anywhere(way, COMPLETION);
        let own = Step { mti: TRANSACTION, numbers, direction: amount.direction, is_change: false };
        match (self.trail(way, &completion.as_step()), self.trail(way, &own)) {
            (_, Trail::Approved(sent)) => return self.send_again(way, &own, &sent).await,
            (Trail::Decided(decision), _) | (_, Trail::Decided(decision)) => return Ok(decision),
            (_, Trail::Other) => return Ok(Decision::Conflict),
            (Trail::None | Trail::Approved(_), Trail::None) if way.life.is_posted() => {
                return Ok(Decision::Conflict);
            }
            _ => {}
        }
        let owner = match self.owner(account, None) {
            Ok(owner) => owner,
            Err(refused) => return Ok(refused),
        };
        let held = match way.life.held() {
            Ok(held) => held.filter(|_| amount.direction == Direction::Debit),
            Err(why) => return Ok(Decision::Failed(why)),
        };
        let Some(held) = held else {
            return self
                .send(way, &own, |desk, numbers| desk.transaction(numbers, amount, &owner))
                .await;
        };
        if held.original.account != owner.account || held.original.currency != amount.currency {
            return Err(Refusal::bad("the hold of this id is on another account or currency"));
        }
        let most = held.total.saturating_mul(COMPLETION_PERCENT_MAX) / 100;
        let step = Step { mti: HOLD, numbers, direction: Direction::Debit, is_change: true };
        let grown = match self.trail(way, &step) {
            Trail::Approved(sent) => match self.send_again(way, &step, &sent).await? {
                // The hold was given another amount since, and that holds.
                Decision::Approved if amount.minor > most => {
                    self.grow_anew(way, &step, &held, (amount.minor, &sent)).await?
                }
                decided => decided,
            },
            Trail::Decided(decision) if amount.minor > most || decision.is_final() => decision,
            // More than was promised: whether that much is there is asked first.
            _ if amount.minor > most => self.set_total(way, &step, &held, amount.minor).await?,
            _ => Decision::Approved,
        };
        if grown != Decision::Approved {
            return Ok(grown);
        }
        let step = completion.as_step();
        self.send(way, &step, |desk, numbers| desk.completion(numbers, &held, amount.minor)).await
    }

    fn trail(&self, way: &Way<'_>, step: &Step<'_>) -> Trail {
        let Step { mti, numbers, direction, is_change } = *step;
        let other = &self.external.config.other_refusal_code;
        way.life.trail(mti, numbers, direction, is_change, other)
    }

    /// A message that shares its terminal with the one it names, whichever that is.
    fn anywhere(&self, way: &Way<'_>, mti: Mti) -> Anywhere {
        let stan = way.identity.numbers.stan;
        Anywhere { mti, numbers: Numbers { stan, ..Numbers::default() } }
    }

    /// Sends a message once: what was sent before is what it was.
    async fn send(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        message: impl FnOnce(&Desk<'_>, &Numbers) -> Spoken,
    ) -> Result<Decision, Refusal> {
        let numbered = match self.trail(way, step) {
            Trail::Decided(decision) => return Ok(decision),
            Trail::Other => return Ok(Decision::Conflict),
            Trail::Approved(sent) => return self.send_again(way, step, &sent).await,
            Trail::Open(sent) => (sent.key.stan, Some(sent.key.transmission.clone())),
            Trail::None => (way.life.next_stan(step.mti, step.numbers), way.sent.clone()),
        };
        self.post(way, step, numbered, message).await
    }

    /// With this trace number and DE7, or that of now.
    async fn post(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        (stan, sent): (u32, Option<String>),
        message: impl FnOnce(&Desk<'_>, &Numbers) -> Spoken,
    ) -> Result<Decision, Refusal> {
        let external = &self.external;
        let sent = sent.unwrap_or_else(|| transmission(now_ms()));
        let rrn = &way.identity.rrn;
        let desk = Desk { acquirer: &external.acquirer, rrn, transmission: &sent };
        let message = message(&desk, &Numbers { stan, ..step.numbers.clone() });
        self.carry(way, step, &sent, message).await
    }

    /// Sends what was approved once more: to the engine it is a duplicate, and the engine knows
    /// whether the approval stands.
    async fn send_again(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        sent: &Intent,
    ) -> Result<Decision, Refusal> {
        let (acquirer, transmission) = (&sent.key.acquirer, &sent.key.transmission);
        let desk = Desk { acquirer, rrn: &way.identity.rrn, transmission };
        let tag = if step.is_change { way.life.tag_at(sent.txn) } else { String::new() };
        self.carry(way, step, transmission, desk.again(sent, &tag)).await
    }

    async fn carry(
        &self,
        way: &Way<'_>,
        step: &Step<'_>,
        transmission: &str,
        message: Spoken,
    ) -> Result<Decision, Refusal> {
        let (external, key) = (&self.external, way.identity.key);
        let left = way.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Decision::Failed(TOO_LONG));
        }
        self.remembered.sent(key, transmission);
        let undoing = undoing(&message);
        let caller = CallerId(external.config.caller);
        let caller_key = way.identity.caller_key;
        match external.exchange.exchange(caller, message, caller_key, left).await {
            Replied::Answered(answer) => {
                let Some(code) = code_of(&answer) else {
                    return Ok(Decision::Failed("the answer says nothing"));
                };
                if code.is_partial() && !self.is_undone(way, undoing).await {
                    return Ok(Decision::Failed("the bank approved a part"));
                }
                let other = &external.config.other_refusal_code;
                let decided = decision(code, step.direction, step.is_change, other);
                Ok(decided.unwrap_or_else(|| {
                    self.remembered.forget(key);
                    Decision::Failed("the bank cannot be reached")
                }))
            }
            Replied::Malformed(field, why) => {
                self.remembered.forget(key);
                Err(Refusal::bad(format!("no message can say it: field {field}, {why}")))
            }
            Replied::Busy => {
                self.remembered.forget(key);
                Ok(Decision::Failed("too many requests are under way"))
            }
            Replied::Late => Ok(Decision::Failed("the bank took too long")),
        }
    }

    /// Whether the switch has taken over what takes an approved part back. If it has not, the
    /// request that comes again does it.
    async fn is_undone(&self, way: &Way<'_>, undoing: Option<Spoken>) -> bool {
        let Some(undoing) = undoing else { return false };
        let left = way.until.saturating_duration_since(Instant::now());
        let (caller, caller_key) = (CallerId(self.external.config.caller), way.identity.caller_key);
        match self.external.exchange.exchange(caller, undoing, caller_key, left).await {
            Replied::Answered(answer) => code_of(&answer).is_some_and(ResponseCode::is_approval),
            Replied::Malformed(..) | Replied::Busy | Replied::Late => false,
        }
    }

    fn owner(&self, account: &str, card: Option<&str>) -> Result<Owner, Decision> {
        let refused = |reason| {
            let code = self.external.config.other_refusal_code.clone();
            Decision::Refused { code, reason }
        };
        let (account, card) = match &self.external.directory {
            Some(directory) => {
                let card = match card {
                    Some(card) => {
                        Some(directory.card(card).ok_or_else(|| refused("the card is not known"))?)
                    }
                    None => None,
                };
                (directory.account(account), card)
            }
            None => (directory::plain_account(account), card.and_then(directory::plain_card)),
        };
        let account = account.ok_or_else(|| refused("the account is not known"))?;
        Ok(Owner { account: account.to_owned(), card: card.map(str::to_owned) })
    }
}

fn code_of(answer: &Spoken) -> Option<ResponseCode> {
    let code = answer.get(field::RESPONSE_CODE.number().get())?;
    ResponseCode::parse(str::from_utf8(code).ok()?)
}

/// See [`Platform::anywhere`].
struct Anywhere {
    mti: Mti,
    numbers: Numbers,
}

impl Anywhere {
    const fn as_step(&self) -> Step<'_> {
        let (mti, numbers) = (self.mti, &self.numbers);
        Step { mti, numbers, direction: Direction::Debit, is_change: true }
    }
}

#[cfg(test)]
mod tests;
