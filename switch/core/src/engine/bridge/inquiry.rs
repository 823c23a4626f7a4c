//! Balances and statements of linked accounts: live, then as last seen, then 91.

use super::{Asked, Held, Switch, bank_account, code_of, date, put, since};
use crate::answer::{Decline, Seen, decline, report};
use crate::bridge::said::{Private, response, set_balances, set_lines};
use crate::engine::duplicate::Seeking;
use crate::enquiry::{Addressee, Balances, Enquiry, Failed, Failure, Verdict};
use crate::event::{Event, Kind};
use crate::fact::{Cached, ConsentStatus, Endpoint, Fact, Linked};
use crate::plan::{BankId, ParticipantId};
use crate::record::{Reason, TxnId, Verdict as Certainty};
use crate::time::{Now, Utc};
use veksel_codecs::structured::tags;
use veksel_codecs::{Message, ResponseCode, field};

const DAY_MS: u64 = 24 * 3_600_000;

/// Lines of a statement, and for how many days back, if nothing else is asked for.
const LINES: u16 = 10;
const DAYS_BACK: u64 = 90;

impl Switch {
    pub(super) fn inquire_at_bank(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: usize,
        linked: &Linked,
        bank: BankId,
    ) {
        let kind = seeking.kind;
        let endpoint = match kind {
            Kind::Statement => Endpoint::Transactions,
            _ => Endpoint::Balances,
        };
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = self.bank_deadline(seeking.arrived, bank, kind);
        let is_attended = self.is_attended(bank, seeking.participant);
        let id = self.durable.next_txn();
        let enquiry = match endpoint {
            Endpoint::Balances => Enquiry::Balances { account: bank_account(linked), is_attended },
            Endpoint::Transactions => {
                let (from, most) = span(now, &seeking.message);
                let account = bank_account(linked);
                Enquiry::Transactions { account, from, most, is_attended }
            }
        };
        self.hold(seeking, (id, route), linked, bank, (received, deadline));
        if !is_valid(linked, now) {
            let failure = Failure::before(Failed::NotPermitted);
            return self.handle_inquiry_verdict(now, id, Verdict::Failed(failure));
        }
        let mut after = None;
        if !is_attended {
            after = self.may_read(now, (&linked.consent, &linked.resource), bank, endpoint);
            if after.is_none() {
                let failure = Failure::before(Failed::Limited);
                return self.handle_inquiry_verdict(now, id, Verdict::Failed(failure));
            }
        }
        let within_ms = deadline.since(now.tick) / 1_000_000;
        self.ask(Asked::Inquiry(id), Addressee::Bank(bank), enquiry, within_ms, after);
    }

    pub(super) fn is_attended(&self, bank: BankId, participant: ParticipantId) -> bool {
        let attended = self.bank(bank).map(|bank| bank.attended.as_slice()).unwrap_or_default();
        attended.is_empty() || attended.contains(&participant)
    }

    pub(super) fn handle_inquiry_verdict(&mut self, now: Now, id: TxnId, verdict: Verdict) {
        // Only what is said of the link that was asked about is remembered.
        let held = self.bridge.held.get(&id);
        let linked = held.and_then(|held| {
            let linked = self.durable.facts().linked(&held.account)?;
            (linked.state == held.state).then(|| linked.clone())
        });
        match verdict {
            Verdict::Balances(balances) => {
                if let Some(linked) = &linked {
                    self.remember_balance(now, linked, balances);
                }
                if self.is_about_funds(id) {
                    return self.judge_funds(now, id, balances);
                }
                self.answer_seen(now, id, &Seen::live(balances), None);
            }
            Verdict::Transactions { lines, balances } => {
                if let (Some(linked), Some(balances)) = (&linked, balances) {
                    self.remember_balance(now, linked, balances);
                }
                let Some(held) = self.release(id) else { return };
                let mut message = held.request.clone();
                report(&mut message, &Seen::statement());
                set_lines(&mut message, &lines);
                let known = self.durable.facts().balance(&held.account).map(of_cached);
                if let Some(balances) = balances.or(known) {
                    set_balances(&mut message, balances);
                }
                self.finish_inquiry(now, id, held, message, ResponseCode::APPROVED, Reason::Host);
            }
            Verdict::Funds(is_there) => self.answer_funds(now, id, is_there, None),
            Verdict::Failed(failure) => self.handle_inquiry_failure(now, id, linked, &failure),
            // An adapter that says something else has not understood the bank.
            _ => {
                let failure = Failure::before(Failed::Malfunction);
                self.handle_inquiry_failure(now, id, linked, &failure);
            }
        }
    }

    pub(super) fn remember_balance(&mut self, now: Now, linked: &Linked, balances: Balances) {
        let Balances { ledger, available, currency } = balances;
        let (account, state, synced) = (linked.account.clone(), linked.state, now.utc);
        let is_over = false;
        let cached = Cached { account, ledger, available, currency, synced, state, is_over };
        self.establish(now, Fact::Balance(cached));
    }

    fn handle_inquiry_failure(
        &mut self,
        now: Now,
        id: TxnId,
        linked: Option<Linked>,
        failure: &Failure,
    ) {
        let is_over = failure.why == Failed::NotPermitted;
        if let Some(linked) = linked.filter(|_| is_over) {
            self.expire_consent(now, linked);
        }
        if failure.why == Failed::NotSupported && self.ask_balances_instead(now, id) {
            return;
        }
        let is_about_funds = self.is_about_funds(id);
        let Some(held) = self.bridge.held.get(&id) else { return };
        let plan = self.bank(held.bank);
        let is_technical = matches!(
            failure.why,
            Failed::Unavailable
                | Failed::BreakerOpen
                | Failed::Late
                | Failed::Limited
                | Failed::Malfunction
                | Failed::Credentials
        );
        let may_use =
            is_technical || is_over && plan.is_some_and(|plan| plan.cache_without_consent);
        let oldest = plan.map_or(0, |plan| plan.cache_ms);
        let cached = self.durable.facts().balance(&held.account).filter(|cached| {
            // What was there a while ago does not confirm that it is there now.
            may_use
                && !is_about_funds
                && held.kind == Kind::Inquiry
                && since(now, cached.synced) <= oldest
        });
        if let Some(cached) = cached {
            let (balances, age) = (of_cached(cached), since(now, cached.synced));
            let is_stale = plan.is_some_and(|plan| age > plan.stale_ms);
            let bank = held.bank;
            self.count(Event::Cached { bank, age, is_stale });
            return self.answer_seen(now, id, &Seen::cached(balances), Some(age / 60_000));
        }
        let response = response(failure.why);
        let Some(held) = self.release(id) else { return };
        let mut message = held.request.clone();
        decline(&mut message, Decline::of(response));
        put(&mut message, &Private { code: failure.code.clone(), ..Private::default() });
        let reason = reason_of(failure.why);
        self.finish_inquiry(now, id, held, message, response, reason);
    }

    /// Answers with balances, and how old they are if they are.
    fn answer_seen(&mut self, now: Now, id: TxnId, seen: &Seen, age_minutes: Option<u64>) {
        let Some(held) = self.release(id) else { return };
        let mut message = held.request.clone();
        report(&mut message, seen);
        message.set(field::SETTLEMENT_DATE, &date(now.utc));
        if let Some(balances) = seen.balances() {
            set_balances(&mut message, balances);
        }
        put(&mut message, &Private { age_minutes, ..Private::default() });
        self.finish_inquiry(now, id, held, message, ResponseCode::APPROVED, Reason::Host);
    }

    pub(super) fn finish_inquiry(
        &mut self,
        now: Now,
        id: TxnId,
        held: Held,
        mut message: Message,
        response: ResponseCode,
        reason: Reason,
    ) {
        if response.is_approval() {
            message.set(field::SETTLEMENT_DATE, &date(now.utc));
        }
        let verdict = match reason {
            Reason::Host => Certainty::Answered,
            _ => Certainty::NotSent,
        };
        self.count_answer(now, &held, response, verdict, reason);
        self.send(held.channel, message, None, None, None);
        self.record_bank_inquiry(now, (id, &held), verdict, response, reason);
        self.recycle(held.request);
    }

    /// A channel's time is over: nobody has answered an inquiry. An adapter keeps its deadlines,
    /// so this is for one that does not.
    pub(super) fn give_up_inquiry(&mut self, now: Now, id: TxnId) {
        let failure = Failure::before(Failed::Late);
        self.handle_inquiry_verdict(now, id, Verdict::Failed(failure));
    }
}

/// Whether the consent for an account is good now.
pub(super) fn is_valid(linked: &Linked, now: Now) -> bool {
    linked.status == ConsentStatus::Valid && (linked.until.0 == 0 || linked.until > now.utc)
}

/// Why an inquiry was declined, for its record.
pub(super) const fn reason_of(why: Failed) -> Reason {
    match why {
        Failed::Unavailable => Reason::NoConnection,
        Failed::BreakerOpen => Reason::BreakerOpen,
        Failed::Limited => Reason::Overload,
        Failed::Late => Reason::Timeout,
        _ => Reason::Host,
    }
}

const fn of_cached(cached: &Cached) -> Balances {
    let Cached { ledger, available, currency, .. } = *cached;
    Balances { ledger, available, currency }
}

/// From when and how many lines: tags 01 and 02 of DE48; a mini-statement has ten at most.
fn span(now: Now, message: &Message) -> (Utc, u16) {
    let additional = message.get(field::ADDITIONAL_DATA);
    let text = additional.as_deref().unwrap_or_default();
    let most = tags::find(text, tags::LINES_MAX).and_then(|most| most.trim().parse().ok());
    let longest = if &code_of(message) == b"38" { LINES } else { 99 };
    let most = most.unwrap_or(LINES).clamp(1, longest);
    let usual = Utc(now.utc.0.saturating_sub(DAYS_BACK * DAY_MS));
    let from = tags::find(text, tags::FROM).and_then(day);
    (from.unwrap_or(usual), most)
}

/// The beginning of a day, from `YYYYMMDD`.
fn day(text: &str) -> Option<Utc> {
    let number = |part: Option<&str>| part?.parse::<u32>().ok();
    let (year, month, day) =
        (number(text.get(..4))?, number(text.get(4..6))?, number(text.get(6..8))?);
    let civil =
        crate::time::Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    civil.utc()
}
