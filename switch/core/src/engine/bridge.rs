//! The bridge: requests about accounts that are linked to a bank, answered over HTTP.
//!
//! An inquiry is one enquiry and its answer. A payment is an intent, then a payment fact that
//! moves from state to state, then an outcome; its customer may take minutes to approve it, so
//! the channel hears 09 first and the end by repeating, by asking (0600) or by an advice (0620).
//! The intent is durable before the first byte leaves for the bank. Whatever nobody knows is
//! looked for until it is known or a person takes it up; an order is never made twice.

mod account;
mod advice;
mod answering;
mod bill;
mod card;
mod check;
mod claim;
mod files;
mod following;
mod funds;
mod inquiry;
mod payment;
mod progress;
mod reads;
mod refresh;
mod screening;
mod taken_back;
mod trace;
mod undoing;

pub(super) use trace::named_by;

use super::Switch;
use super::duplicate::Seeking;
use crate::answer::{Decline, decline};
use crate::bridge::order;
use crate::bridge::said::Private;
use crate::contract::Output;
use crate::enquiry::{Addressee, Ask, AskId, CallId, Enquiry, Money, Told, Verdict};
use crate::event::{Event, Kind};
use crate::fact::{Fact, Linked};
use crate::pending::Copy;
use crate::plan::{BankId, BankPlan, ConnectionId, ParticipantId};
use crate::record::{Inquiry, Known, Reason, Record, RecordId, TxnId, Verdict as Certainty};
use crate::time::{Now, Tick, Utc};
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use veksel_codecs::structured::tags;
use veksel_codecs::{FieldNumber, Message, ResponseCode, field};

pub(crate) use progress::Stand;

const DAY_MS: u64 = 24 * 3_600_000;

/// How far apart what is due at a start is begun, in milliseconds: there may be much of it.
const SPREAD_MS: u64 = 50;

/// How long an enquiry that no channel waits for may take, in milliseconds.
const BACKGROUND_MS: u64 = 30_000;

/// The live side of the bridge: all of it may be forgotten.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    last_ask: u64,
    asks: BTreeMap<AskId, Asked>,
    /// Requests that wait for a first answer.
    held: BTreeMap<TxnId, Held>,
    /// What is to be done, and when; and the other way round.
    due: BTreeMap<Task, Tick>,
    agenda: BTreeSet<(Tick, Task)>,
    /// Payments that are being asked about.
    asking: BTreeSet<TxnId>,
    /// When a payment was last asked about, so that a curious channel does not flood its bank.
    asked: BTreeMap<TxnId, Tick>,
    advices: advice::Advices,
    /// Payments whose last enquiry was not answered.
    unseen: BTreeSet<TxnId>,
    /// When the bank of a payment last said, to this process, how it stands.
    learned: BTreeMap<TxnId, Utc>,
    /// Payments of which their bank has said what it does about taking them back.
    told_back: BTreeSet<TxnId>,
    /// Approvals on their way to channels: how many, and whether one was written.
    delivering: BTreeMap<TxnId, (u32, bool)>,
    /// Requests to take a payment back (0400) whose outcome is not recorded, by the payment.
    taking_back: BTreeMap<TxnId, Vec<TxnId>>,
    /// How often something in the background was tried in a row.
    tries: BTreeMap<Task, u32>,
}

/// A request whose channel waits.
#[derive(Debug)]
struct Held {
    id: TxnId,
    channel: ConnectionId,
    participant: ParticipantId,
    kind: Kind,
    route: usize,
    bank: BankId,
    account: String,
    /// Of the link it is about.
    state: [u8; 16],
    /// As received.
    request: Message,
    received: Now,
    deadline: Tick,
    /// What it asks about, if it asks whether an amount is there.
    funds: Option<Money>,
    /// Whether its bank is asked a second time, in another way.
    is_second: bool,
    /// Copies of the request that wait for the same answer.
    copies: Vec<Copy>,
}

/// Whom a verdict is for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    /// An inquiry of a channel.
    Inquiry(TxnId),
    /// A step of a payment.
    Payment(TxnId, Step),
    /// The consent of an account, and who called for it.
    Consent(Asking, Option<Caller>),
    /// How the consent of an account stands.
    ConsentStatus(Asking),
    /// The balance of an account that nobody asked for.
    Refresh(Asking),
    /// A consent that was given up. Nothing follows from it.
    Revoke,
    /// A new applicant, and who called for it.
    Applicant(String, Caller),
    /// How a customer's check stands.
    Review(String, Utc),
    /// How each check of an applicant ended, and who wants to know.
    Checks(String, Caller),
    /// The same of a customer who was refused.
    Screening(String),
}

/// The link that a consent is asked for. Whoever answers later may meet another.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asking {
    account: String,
    state: [u8; 16],
    bank: BankId,
}

/// Who waits to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// Somebody who called over HTTP.
    Http(CallId),
    /// A channel, by the request that is held for it.
    Channel(TxnId),
}

/// What a payment's bank is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    /// To make it.
    Initiate,
    /// Whether it has it.
    Search,
    /// How it stands.
    Poll,
    /// To complete its approval, and how it stands then.
    Confirm,
    /// How it stands, before it is taken back because its time is over.
    LastPoll,
    /// To take it back.
    Cancel,
    /// How it stands after that.
    AfterCancel,
    /// Whether the money is there.
    Funds,
    /// Whether its biller knows the bill, before anything is ordered.
    Bill,
}

/// What is to be done at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Task {
    /// A channel waits no longer.
    Deadline(TxnId),
    /// A payment's next step.
    Payment(TxnId),
    /// An advice is sent, or sent again.
    Advice(TxnId),
    /// A consent's next look.
    Consent(String),
    /// A customer's check is confirmed.
    Review(String),
    /// The balance of an account is read without its customer.
    Balance(String),
    /// A refused customer is looked up once more.
    Screening(String),
    /// Reads that no longer count are forgotten.
    Reads,
}

impl Bridge {
    fn plan(&mut self, task: Task, at: Tick) {
        if let Some(before) = self.due.insert(task.clone(), at) {
            self.agenda.remove(&(before, task.clone()));
        }
        self.agenda.insert((at, task));
    }

    fn unplan(&mut self, task: &Task) {
        if let Some(at) = self.due.remove(task) {
            self.agenda.remove(&(at, task.clone()));
        }
    }

    /// Takes out what is due.
    fn take_due(&mut self, now: Tick) -> Option<Task> {
        let (at, _) = self.agenda.first().filter(|(at, _)| *at <= now)?;
        let at = *at;
        let (_, task) = self.agenda.pop_first()?;
        debug_assert_eq!(self.due.get(&task), Some(&at), "what is due is planned once");
        self.due.remove(&task);
        Some(task)
    }

    /// How often this was tried, now once more.
    fn try_again(&mut self, task: &Task) -> u32 {
        let tries = self.tries.entry(task.clone()).or_default();
        *tries = tries.saturating_add(1);
        *tries
    }

    /// The store refused its intent: it never was. What was held goes back to who waits.
    pub(super) fn refused(&mut self, txn: TxnId) -> Vec<(ConnectionId, ParticipantId, Message)> {
        self.asks.retain(|_, asked| !matches!(asked, Asked::Payment(id, _) if *id == txn));
        self.asking.remove(&txn);
        self.asked.remove(&txn);
        self.unplan(&Task::Deadline(txn));
        self.unplan(&Task::Payment(txn));
        let Some(held) = self.held.remove(&txn) else { return Vec::new() };
        let participant = held.participant;
        let copies = held.copies.into_iter().map(|copy| (copy.channel, participant, copy.request));
        core::iter::once((held.channel, participant, held.request)).chain(copies).collect()
    }
}

impl Switch {
    /// A request about an account that is linked to a bank.
    pub(super) fn handle_at_bank(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: usize,
        has_sought: bool,
    ) {
        let linked = self.link_about(&seeking.message).cloned();
        let bank = linked.as_ref().and_then(|linked| self.bank_named(&linked.bank));
        let (Some(linked), Some(bank)) = (linked, bank) else {
            let response = ResponseCode::NOT_PERMITTED_TO_CUSTOMER;
            return self.answer_from_here(now, seeking, None, response, &Private::default());
        };
        let Some(seeking) = self.told_before(now, seeking, has_sought) else { return };
        let code = code_of(&seeking.message);
        match (seeking.kind, &code) {
            (Kind::Inquiry, b"30") if funds::wanted(&seeking.message, &linked).is_some() => {
                self.confirm_funds(now, seeking, route, &linked, bank);
            }
            (Kind::Inquiry, b"30" | b"31") | (Kind::Statement, _) => {
                self.inquire_at_bank(now, seeking, route, &linked, bank);
            }
            (Kind::Payment, _) => {
                self.pay_at_bank(now, seeking, route, &linked, bank);
            }
            (Kind::Hold, _) => {
                self.ask_for_funds(now, seeking, route, &linked, bank);
            }
            (Kind::Inquiry | Kind::Advice | Kind::Reversal | Kind::Network, _) => {
                let response = ResponseCode::NOT_SUPPORTED;
                self.answer_from_here(now, seeking, Some(bank), response, &Private::default());
            }
        }
    }

    /// A payment whose numbers were seen within a day, whatever its DE7: some terminals stamp that
    /// anew without saying that they repeat, and a bank would be paid from twice
    /// (http-contracts 4.5). It gets what the first one got, or 94 if it says something else. The
    /// store is asked, because memory may have forgotten. Gives back what is new.
    fn told_before(&mut self, now: Now, seeking: Seeking, has_sought: bool) -> Option<Seeking> {
        if !matches!(seeking.kind, Kind::Payment | Kind::Hold) {
            return Some(seeking);
        }
        if !has_sought {
            self.seek(seeking);
            return None;
        }
        let known = self.durable.keys().find(&seeking.key, true);
        let known = known.filter(|id| !self.may_try_anew(&seeking, *id));
        let known = known.and_then(|id| self.durable.keys().get(id));
        let seen = known.filter(|known| since(now, known.intent.utc) < DAY_MS);
        let Some(txn) = seen.map(|known| known.intent.txn) else { return Some(seeking) };
        self.handle_duplicate(now, seeking, txn);
        None
    }

    /// Answers a request for which nobody was asked and nothing is remembered.
    fn answer_from_here(
        &mut self,
        now: Now,
        seeking: Seeking,
        bank: Option<BankId>,
        response: ResponseCode,
        said: &Private,
    ) {
        let Seeking { connection, kind, arrived, message, .. } = seeking;
        let mut answer = message;
        decline(&mut answer, Decline::of(response));
        put(&mut answer, said);
        let (reason, verdict) = (Reason::Gate, Certainty::NotSent);
        let elapsed = now.tick.since(arrived);
        let event = Event::Answered {
            link: connection.link,
            kind,
            group: None,
            response,
            verdict,
            reason,
            elapsed,
        };
        self.count_answered(event, &answer, (None, None));
        if let Some(bank) = bank {
            self.count(Event::Declined { bank, response });
        }
        self.send(connection, answer, None, None, None);
    }

    /// Holds a request until its first answer, no longer than its deadline.
    fn hold(
        &mut self,
        seeking: Seeking,
        (id, route): (TxnId, usize),
        linked: &Linked,
        bank: BankId,
        (received, deadline): (Now, Tick),
    ) {
        let Seeking { connection: channel, participant, kind, message: request, .. } = seeking;
        let (account, state) = (linked.account.clone(), linked.state);
        let copies = Vec::new();
        let held = Held {
            id,
            channel,
            participant,
            kind,
            route,
            bank,
            account,
            state,
            request,
            received,
            deadline,
            funds: None,
            is_second: false,
            copies,
        };
        if let Some(count) = self.participants.get_mut(usize::from(participant.0)) {
            count.in_flight += 1;
        }
        self.bridge.held.insert(id, held);
        self.bridge.plan(Task::Deadline(id), deadline);
    }

    /// Takes a request that was held, because it is answered now.
    fn release(&mut self, id: TxnId) -> Option<Held> {
        let held = self.bridge.held.remove(&id)?;
        self.bridge.unplan(&Task::Deadline(id));
        self.leave(held.participant);
        Some(held)
    }

    pub(super) fn leave(&mut self, participant: ParticipantId) {
        if let Some(count) = self.participants.get_mut(usize::from(participant.0)) {
            count.in_flight = count.in_flight.saturating_sub(1);
        }
    }

    /// When a request to a bank is given up.
    fn bank_deadline(&self, arrived: Tick, bank: BankId, kind: Kind) -> Tick {
        let deadlines = self.bank(bank).map(|bank| bank.deadlines).unwrap_or_default();
        arrived.after_ms(match kind {
            Kind::Inquiry | Kind::Network => deadlines.inquiry_ms,
            Kind::Statement => deadlines.statement_ms,
            Kind::Payment | Kind::Hold | Kind::Advice | Kind::Reversal => deadlines.payment_ms,
        })
    }

    fn bank(&self, bank: BankId) -> Option<&BankPlan> {
        self.plan.banks.get(usize::from(bank.0))
    }

    pub(super) fn bank_named(&self, name: &str) -> Option<BankId> {
        let place = self.plan.banks.iter().position(|bank| bank.name == name)?;
        u16::try_from(place).ok().map(BankId)
    }

    /// Asks a third party, after a record if one must be durable first.
    fn ask(
        &mut self,
        asked: Asked,
        to: Addressee,
        enquiry: Enquiry,
        within_ms: u64,
        after: Option<RecordId>,
    ) {
        self.bridge.last_ask += 1;
        let id = AskId(self.bridge.last_ask);
        let address = self.address_of(&asked);
        let txn = match &asked {
            Asked::Payment(txn, _) | Asked::Inquiry(txn) => Some(*txn),
            Asked::Consent(..)
            | Asked::ConsentStatus(_)
            | Asked::Refresh(_)
            | Asked::Revoke
            | Asked::Applicant(..)
            | Asked::Review(..)
            | Asked::Checks(..)
            | Asked::Screening(_) => None,
        };
        let trace = txn.map_or_else(|| format!("ask-{}", id.0), |txn| self.trace(txn));
        self.bridge.asks.insert(id, asked);
        let ask = Box::new(Ask { id, to, enquiry, within_ms, trace, txn, address });
        self.outputs.push_back(Output::Ask { after, ask });
    }

    /// The address of the terminal behind a request that waits, if its customer stands there and
    /// the message says it (DE48): banks want to know where from they are asked.
    fn address_of(&self, asked: &Asked) -> Option<IpAddr> {
        let txn = match asked {
            Asked::Inquiry(txn) | Asked::Payment(txn, Step::Initiate | Step::Funds) => txn,
            Asked::Payment(..)
            | Asked::Consent(..)
            | Asked::ConsentStatus(_)
            | Asked::Refresh(_)
            | Asked::Revoke
            | Asked::Applicant(..)
            | Asked::Review(..)
            | Asked::Checks(..)
            | Asked::Screening(_) => return None,
        };
        let held = self.bridge.held.get(txn)?;
        let text = held.request.get(field::ADDITIONAL_DATA)?;
        let address = tags::find(&text, tags::ADDRESS)?.trim().parse().ok()?;
        self.is_attended(held.bank, held.participant).then_some(address)
    }

    fn tell(&mut self, now: Now, who: Caller, told: Told, after: Option<RecordId>) {
        match who {
            Caller::Http(id) => {
                self.outputs.push_back(Output::Tell { after, id, told: Box::new(told) });
            }
            Caller::Channel(txn) => self.tell_channel(now, txn, &told, after),
        }
    }

    /// Records a fact and takes it in.
    fn establish(&mut self, now: Now, fact: Fact) -> RecordId {
        self.persist(Record::Fact(Box::new(Known { utc: now.utc, fact })))
    }

    /// A third party has answered.
    pub(super) fn handle_verdict(&mut self, now: Now, id: AskId, verdict: Verdict) {
        let Some(asked) = self.bridge.asks.remove(&id) else { return };
        let failed = match &verdict {
            Verdict::Failed(failure) => Some(failure.why),
            _ => None,
        };
        let to = match &asked {
            Asked::Applicant(..) | Asked::Review(..) | Asked::Checks(..) | Asked::Screening(_) => {
                Addressee::Kyc
            }
            Asked::Payment(_, Step::Bill) => Addressee::Biller,
            Asked::Inquiry(txn) | Asked::Payment(txn, _) => self.addressee(*txn),
            Asked::Consent(asking, _) | Asked::ConsentStatus(asking) | Asked::Refresh(asking) => {
                Addressee::Bank(asking.bank)
            }
            Asked::Revoke => Addressee::Bank(BankId(u16::MAX)),
        };
        self.count(Event::Asked { to, failed });
        match asked {
            Asked::Inquiry(txn) => self.handle_inquiry_verdict(now, txn, verdict),
            Asked::Payment(txn, step) => self.handle_payment_verdict(now, txn, step, verdict),
            Asked::Consent(asking, call) => {
                self.handle_consent_asked(now, &asking, call, verdict);
            }
            Asked::ConsentStatus(asking) => self.handle_consent(now, &asking, verdict),
            Asked::Refresh(asking) => self.handle_refresh(now, &asking, verdict),
            Asked::Revoke => {}
            Asked::Applicant(customer, call) => {
                self.handle_applicant(now, &customer, call, verdict);
            }
            Asked::Checks(applicant, call) => self.handle_checks(now, applicant, call, verdict),
            Asked::Screening(customer) => self.handle_screening(now, &customer, verdict),
            Asked::Review(customer, newest) => {
                self.handle_review(now, &customer, newest, verdict);
            }
        }
    }

    fn addressee(&self, txn: TxnId) -> Addressee {
        let held = self.bridge.held.get(&txn).map(|held| held.bank);
        let payment = self.durable.facts().payment(txn);
        let bank = held.or_else(|| self.bank_named(&payment?.bank));
        Addressee::Bank(bank.unwrap_or(BankId(u16::MAX)))
    }

    /// Time has passed for what the bridge has planned.
    pub(super) fn handle_bridge_timeout(&mut self, now: Now) {
        while let Some(task) = self.bridge.take_due(now.tick) {
            match task {
                Task::Deadline(txn) => self.handle_held_deadline(now, txn),
                Task::Payment(txn) => self.step_payment(now, txn),
                Task::Advice(txn) => self.send_advice(now, txn),
                Task::Consent(account) => self.look_at_consent(now, &account),
                Task::Review(customer) => self.confirm(now, &customer),
                Task::Balance(account) => self.refresh_balance(now, &account),
                Task::Screening(customer) => self.screen(&customer),
                Task::Reads => self.forget_reads(now),
            }
        }
    }

    /// When [`Switch::handle_bridge_timeout`] has something to do.
    pub(super) fn bridge_timeout(&self) -> Option<Tick> {
        self.bridge.agenda.first().map(|(at, _)| *at)
    }

    /// Goes on where the journal stands.
    pub(super) fn recover_bridge(&mut self, now: Now) {
        self.end_late_claims(now);
        let facts = self.durable.facts();
        let payments: Vec<_> = facts.payments().map(|payment| payment.txn).collect();
        let is_open = |linked: &&Linked| linked.status.is_open();
        let accounts: Vec<_> =
            facts.links().filter(is_open).map(|linked| linked.account.clone()).collect();
        let unconfirmed: Vec<_> = facts
            .customers()
            .filter(|customer| customer.needs_review())
            .map(|customer| customer.customer.clone())
            .collect();
        for txn in payments {
            self.resume_payment(now, txn);
        }
        self.settle_resumed(now);
        for account in accounts {
            self.bridge.plan(Task::Consent(account), now.tick);
        }
        for customer in unconfirmed {
            self.bridge.plan(Task::Review(customer), now.tick);
        }
        self.resume_refreshes(now);
        for (place, customer) in (0..).zip(self.unscreened(now)) {
            let at = now.tick.after_ms(SPREAD_MS.saturating_mul(place));
            self.bridge.plan(Task::Screening(customer), at);
        }
        if self.durable.facts().has_reads() {
            self.bridge.plan(Task::Reads, now.tick);
        }
    }

    /// The record of an inquiry that a bank answered, or that was answered for it.
    fn record_bank_inquiry(
        &mut self,
        now: Now,
        (txn, held): (TxnId, &Held),
        verdict: Certainty,
        response: ResponseCode,
        reason: Reason,
    ) {
        if !self.plan.record_inquiries {
            return;
        }
        let text = |key: field::Key<field::Characters>| {
            held.request.get(key).map(|text| text.trimmed().to_owned()).unwrap_or_default()
        };
        let name = |name: Option<&String>| name.cloned().unwrap_or_default();
        let link = self.plan.links.get(usize::from(held.channel.link.0));
        let participant = self.plan.participants.get(usize::from(held.participant.0));
        let route = self.plan.routes.get(held.route);
        let stan = held.request.get(field::STAN).unwrap_or_default();
        let inquiry = Inquiry {
            txn,
            utc: now.utc,
            participant: name(participant.map(|participant| &participant.name)),
            link: name(link.map(|link| &link.name)),
            route: name(route.map(|route| &route.name)),
            mti: held.request.mti(),
            code: text(field::PROCESSING_CODE),
            stan: u32::try_from(stan).unwrap_or_default(),
            rrn: text(field::RRN),
            terminal: text(field::TERMINAL),
            account: held.account.clone(),
            verdict,
            response,
            reason,
        };
        self.persist(Record::Inquiry(Box::new(inquiry)));
    }

    fn count_answer(
        &mut self,
        now: Now,
        held: &Held,
        response: ResponseCode,
        verdict: Certainty,
        reason: Reason,
    ) {
        let elapsed = now.tick.since(held.received.tick);
        let (link, kind, group) = (held.channel.link, held.kind, None);
        let event = Event::Answered { link, kind, group, response, verdict, reason, elapsed };
        self.count_answered(event, &held.request, (Some(held.id), Some(held.route)));
    }

    /// Whether a bank is just being told to make a payment: a stop waits for that.
    pub(super) fn is_ordering(&self) -> bool {
        let orders = |asked: &Asked| matches!(asked, Asked::Payment(_, Step::Initiate));
        self.bridge.asks.values().any(orders)
    }

    /// Requests to banks whose channels wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bridge.held.len()
    }

    /// Enquiries that are not answered.
    #[must_use]
    pub fn asks(&self) -> usize {
        self.bridge.asks.len()
    }

    /// Payments at banks that are not over.
    #[must_use]
    pub fn payments_open(&self) -> usize {
        self.durable.facts().payments_len()
    }
}

/// First two digits of DE3.
fn code_of(message: &Message) -> [u8; 2] {
    let code = message.get(field::PROCESSING_CODE);
    code.as_ref().and_then(|code| code.as_bytes().first_chunk()).copied().unwrap_or_default()
}

/// Writes what is said beside the code.
fn put(message: &mut Message, said: &Private) {
    if let Some(text) = said.text() {
        message.set(field::ADDITIONAL_DATA, &text);
    }
}

/// `MMDD`.
fn date(utc: Utc) -> String {
    let civil = utc.civil();
    format!("{:02}{:02}", civil.month, civil.day)
}

/// Fields of an answer that a replay needs.
fn kept(answer: &Message) -> Vec<(u8, String)> {
    let keys: [FieldNumber; 3] = [
        field::SETTLEMENT_DATE.number(),
        field::APPROVAL.number(),
        field::ADDITIONAL_DATA.number(),
    ];
    let value =
        |number: &FieldNumber| answer.expose(*number)?.text().map(|t| t.as_str().to_owned());
    keys.iter().filter_map(|number| Some((number.get(), value(number)?))).collect()
}

/// Milliseconds since something happened.
fn since(now: Now, then: Utc) -> u64 {
    now.utc.0.saturating_sub(then.0)
}

/// The account a bank is asked about.
fn bank_account(linked: &Linked) -> crate::enquiry::BankAccount {
    order::account(linked)
}
