//! Sending reversals until they are settled.
//!
//! The queue ([`crate::reversals`]) says which and when; here they become messages, and the
//! host's answers become records. A reversal is written only after the record that it is sent,
//! so that after a restart it goes out as a repeat.

use super::{Group, Switch};
use crate::bug::{Bug, planted};
use crate::contract::{Action, Command, Leg, Tag, Unsent};
use crate::event::{Event, Parking};
use crate::plan::{ConnectionId, GroupId, LinkId, ReversalPlan};
use crate::record::{Intent, Reason, Record, Reversal, ReversalStep, TxnId};
use crate::reversals::{Answer, Item, NewItem};
use crate::time::Now;
use std::sync::Arc;
use veksel_codecs::structured::{OriginalData, format_replacement};
use veksel_codecs::{Class, FieldNumber, Message, Mti, ResponseCode, field};

/// DE39 of the 0420: why it is sent (switch semantics 28).
const fn reason_code(reason: Reason) -> ResponseCode {
    match reason {
        Reason::Undelivered => ResponseCode::NO_ACTION_TAKEN,
        Reason::Mismatch => ResponseCode::SUSPECTED_MALFUNCTION,
        Reason::Cancelled => ResponseCode::CUSTOMER_CANCELLATION,
        Reason::Host
        | Reason::NoConnection
        | Reason::BreakerOpen
        | Reason::Overload
        | Reason::Expired
        | Reason::ClosedUnsent
        | Reason::Unencodable
        | Reason::Timeout
        | Reason::ClosedSent
        | Reason::Restart
        | Reason::Duplicate
        | Reason::Advice
        | Reason::Gate
        | Reason::Unapproved => ResponseCode::OUTCOME_UNKNOWN,
    }
}

impl Switch {
    /// Records that a transaction must be undone and queues its reversal. Does nothing if there
    /// is no intent to undo or it is being undone already.
    pub(super) fn queue_reversal(
        &mut self,
        now: Now,
        txn: TxnId,
        reason: Reason,
        actual: Option<u64>,
    ) {
        if self.durable.intent(txn).is_none() || self.durable.is_reversing(txn) {
            return;
        }
        let step = ReversalStep::Queued { reason, actual };
        self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        self.start_reversal(now, txn);
    }

    /// Puts a recorded reversal into the queue of its group.
    pub(super) fn start_reversal(&mut self, now: Now, txn: TxnId) {
        let Some((intent, progress)) = self.durable.reversal(txn) else { return };
        let intent = Arc::clone(intent);
        let place = self.plan.groups.iter().position(|group| group.name == intent.group);
        let Some(group) = place.and_then(|place| u16::try_from(place).ok()).map(GroupId) else {
            return;
        };
        let Some(plan) = self.reversal_plan(group) else { return };
        let (reason, actual) = (reason_code(progress.reason), progress.actual);
        let attempts = progress.attempts;
        let age_ms = now.utc.0.saturating_sub(progress.since.0);
        let item = NewItem { intent: Arc::clone(&intent), reason, actual, attempts, age_ms };
        if let Some(live) = self.group_mut(group) {
            live.stans.reverse(intent.host_stan, txn);
            live.reversals.queue(item, now.tick, &plan);
            if progress.is_parked {
                live.reversals.park(txn, now.tick);
            }
        }
        let is_taken_over = intent.is_taken_over();
        self.count(Event::ReversalQueued { group, is_taken_over });
    }

    /// Sends every reversal whose turn has come, as far as the window and the host allow.
    pub(super) fn send_reversals(&mut self, now: Now) {
        for place in 0..self.groups.len() {
            let group = GroupId(u16::try_from(place).unwrap_or(u16::MAX));
            let (Some(plan), Some(live)) = (self.plan.groups.get(place), self.groups.get(place))
            else {
                return;
            };
            if live.reversals.len() == 0 {
                continue;
            }
            let due = live.reversals.take_due(now.tick, live.reversal_room(plan));
            let plan = plan.reversals;
            for txn in due {
                if let Some(live) = self.group_mut(group).filter(|g| g.reversals.is_early(txn)) {
                    live.reversals.postpone(txn, now.tick.after_ms(plan.retry_ms));
                    continue;
                }
                self.send_reversal(now, group, txn, &plan);
            }
        }
    }

    fn send_reversal(&mut self, now: Now, group: GroupId, txn: TxnId, plan: &ReversalPlan) {
        let mut message = self.spare();
        let Some(live) = self.group(group) else { return };
        if !live.reversals.is_waiting(txn) {
            return;
        }
        let Some(host) = live.for_reversal() else { return };
        let Some(item) = live.reversals.get(txn) else { return };
        let attempt = item.attempts.saturating_add(1);
        build(&mut message, item, plan.mti, attempt > 1);
        let step = ReversalStep::Sent { attempt };
        let after = self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        let deadline = now.tick.after_ms(plan.answer_ms);
        let tag = Some(Tag { txn, leg: Leg::Reversal });
        self.send(host, message, Some(after), tag, Some(deadline));
        if let Some(live) = self.group_mut(group) {
            live.reversals.send(txn, host, now.tick, deadline);
        }
        self.count(Event::ReversalSent { group, repeat: attempt > 1 });
    }

    /// Reversals whose answer did not come, in time or because `gone` is gone, wait for their
    /// next turn.
    pub(super) fn retry_reversals(&mut self, now: Now, group: GroupId, gone: Option<ConnectionId>) {
        let Some(plan) = self.reversal_plan(group) else { return };
        let Some(live) = self.group_mut(group) else { return };
        for txn in live.reversals.take_unanswered(now.tick, gone) {
            if planted(Bug::ReversalForgotten) {
                self.settle_reversal(now, group, txn, ResponseCode::APPROVED);
                return;
            }
            let due = live.reversals.again(txn, now.tick, &plan);
            live.reversals.postpone(txn, due);
        }
    }

    /// The connection of one is gone without an answer.
    pub(super) fn retry_reversal(&mut self, now: Now, txn: TxnId) {
        let plans = self.groups.iter_mut().zip(&self.plan.groups);
        for (live, plan) in plans.filter(|(live, _)| live.reversals.sent_over(txn).is_some()) {
            let due = live.reversals.again(txn, now.tick, &plan.reversals);
            live.reversals.postpone(txn, due);
        }
    }

    /// A 0430 came. `true` if it belongs to a reversal of ours.
    pub(super) fn handle_reversal_answer(
        &mut self,
        now: Now,
        (group, link): (GroupId, LinkId),
        stan: u32,
        message: &Message,
    ) -> bool {
        let Some(plan) = self.reversal_plan(group) else { return false };
        let Some(live) = self.group_mut(group) else { return false };
        let fitting = live.stans.reversing(stan).iter().find_map(|txn| {
            let item = live.reversals.get(*txn)?;
            Some((*txn, response_of(&item.intent, plan.mti, message)?))
        });
        let Some((txn, response)) = fitting else { return false };
        let asked = live.reversals.sent_over(txn).map(|connection| connection.link);
        if asked.is_some_and(|asked| !self.may_answer(group, asked, link)) {
            return false;
        }
        let Some(live) = self.group_mut(group) else { return false };
        match live.reversals.judge(txn, response, &plan) {
            Answer::Settled => {
                self.note_imbalance(now, group, txn, response, message);
                self.settle_reversal(now, group, txn, response);
            }
            Answer::Park => self.park_reversal(now, group, txn, Parking::Answer(response)),
            Answer::Again => {
                let due = live.reversals.again(txn, now.tick, &plan);
                live.reversals.postpone(txn, due);
            }
        }
        true
    }

    /// A person decides. What is not being undone or delivered cannot be decided about; the
    /// decision is recorded all the same.
    pub(super) fn handle_command(&mut self, now: Now, command: Command) {
        let Command { txn, operator, reason, action } = command;
        let word = match action {
            Action::Retry => "retry",
            Action::Park => "park",
            Action::Resolve => "resolve",
        };
        let known = self.durable.reversal(txn).map(|(intent, _)| intent.group.clone());
        let detail = match &known {
            None if self.decide_case(now, txn, action) => format!("payment {}: {reason}", txn.0),
            Some(_) => format!("transaction {}: {reason}", txn.0),
            None => format!("transaction {} is not open: {reason}", txn.0),
        };
        self.note(now, &operator, word, detail);
        let place = known.and_then(|name| self.plan.groups.iter().position(|g| g.name == name));
        let Some(group) = place.and_then(|p| u16::try_from(p).ok()).map(GroupId) else { return };
        match action {
            Action::Retry => {
                let Some(plan) = self.reversal_plan(group) else { return };
                let progress = self.durable.reversal(txn).map(|(_, progress)| progress);
                if let Some(parked) = progress.filter(|progress| progress.is_parked) {
                    let (reason, actual) = (parked.reason, parked.actual);
                    let step = ReversalStep::Queued { reason, actual };
                    self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
                }
                if let Some(live) = self.group_mut(group) {
                    live.reversals.unpark(txn, now.tick, &plan);
                    live.reversals.hurry(txn, now.tick);
                }
            }
            Action::Park => {
                let step = ReversalStep::Parked { response: None };
                self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
                if let Some(live) = self.group_mut(group) {
                    live.reversals.park(txn, now.tick);
                }
            }
            Action::Resolve => {
                let stan = self.durable.intent(txn).map(|intent| intent.host_stan);
                let step = ReversalStep::Resolved { operator, note: reason };
                self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
                if let Some(live) = self.group_mut(group) {
                    live.reversals.settle(txn, now.tick);
                    if let Some(stan) = stan {
                        live.stans.reversed(stan, txn);
                    }
                }
            }
        }
    }

    /// What was tried for as long as it may be waits for a person, who can take it up again.
    pub(super) fn park_aged_reversals(&mut self, now: Now, group: GroupId) {
        let Some(live) = self.group(group) else { return };
        for txn in live.reversals.take_aged(now.tick) {
            self.park_reversal(now, group, txn, Parking::Age);
        }
    }

    fn reversal_plan(&self, group: GroupId) -> Option<ReversalPlan> {
        self.plan.groups.get(usize::from(group.0)).map(|group| group.reversals)
    }

    /// Repeating it cannot help: it waits for a person and lets the next of its account pass.
    pub(super) fn park_reversal(&mut self, now: Now, group: GroupId, txn: TxnId, why: Parking) {
        let response = match why {
            Parking::Answer(response) => Some(response),
            Parking::Unencodable | Parking::Age | Parking::Unknown => None,
        };
        if response.is_none() {
            // The step has no room for the reason.
            self.note(now, "switch", "park", format!("transaction {}: {}", txn.0, why.word()));
        }
        let step = ReversalStep::Parked { response };
        self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        if let Some(live) = self.group_mut(group) {
            live.reversals.park(txn, now.tick);
        }
        self.count(Event::ReversalParked { group, why });
    }

    /// A reversal was not written. If its host's dialect cannot say it, nothing will change that;
    /// anything else is over when its time is.
    pub(super) fn handle_reversal_unsent(&mut self, now: Now, txn: TxnId, why: Unsent) {
        let holds = |group: &Group| group.reversals.get(txn).is_some();
        let place = self.groups.iter().position(holds).and_then(|place| u16::try_from(place).ok());
        if let (Some(group), Unsent::Unencodable) = (place.map(GroupId), why) {
            self.park_reversal(now, group, txn, Parking::Unencodable);
        }
    }

    pub(super) fn settle_reversal(
        &mut self,
        now: Now,
        group: GroupId,
        txn: TxnId,
        response: ResponseCode,
    ) {
        let tombstone_ms =
            self.plan.groups.get(usize::from(group.0)).map_or(0, |plan| plan.tombstone_ms);
        let most = self.plan.limits.tombstones_max;
        let step = ReversalStep::Settled { response };
        self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        if let Some(live) = self.group_mut(group) {
            if let Some(item) = live.reversals.get(txn) {
                let stan = item.intent.host_stan;
                live.stans.reversed(stan, txn);
                live.stans.bury(stan, now.tick.after_ms(tombstone_ms), most);
            }
            live.reversals.settle(txn, now.tick);
        }
        self.count(Event::ReversalSettled { group, response });
    }
}

/// The code of an answer that fits what was sent in everything both have.
fn response_of(intent: &Intent, undoing: Mti, answer: &Message) -> Option<ResponseCode> {
    let key = &intent.key;
    let fits = Some(answer.mti()) == mti_of(intent, undoing).response()
        && answer.get(field::RRN).is_none_or(|rrn| rrn.trimmed() == key.rrn)
        && answer.get(field::TERMINAL).is_none_or(|terminal| terminal.trimmed() == key.terminal)
        && answer.get(field::TRANSMISSION).is_none_or(|at| at.trimmed() == key.transmission)
        && (intent.mti.class() == Class::Reconciliation
            || answer.get(field::AMOUNT).is_none_or(|amount| amount == intent.amount));
    answer.get(field::RESPONSE_CODE).filter(|_| fits)
}

/// The type of what is sent: an advice goes as itself, anything else is undone.
fn mti_of(intent: &Intent, undoing: Mti) -> Mti {
    let is_itself = intent.is_taken_over() && intent.mti.class() != Class::Reversal;
    if is_itself { intent.mti.original() } else { undoing }
}

/// The 0420 or 0421 (0400 or 0401) that undoes a request: its own numbers, so that any repeat is
/// the same message to the host, and DE90 to name it.
fn build(message: &mut Message, item: &Item, undoing: Mti, repeat: bool) {
    let Item { reason, actual, .. } = *item;
    let intent = &*item.intent;
    let key = &intent.key;
    let (mti, is_advice) = (mti_of(intent, undoing), intent.is_taken_over());
    message.set_mti(if repeat { mti.repeat() } else { mti });
    if let Some(pan) = &intent.pan {
        message.set(field::PAN, pan.expose());
    }
    let is_reconciliation = mti.class() == Class::Reconciliation;
    if !is_reconciliation {
        message.set(field::AMOUNT, intent.amount);
    }
    message.set(field::STAN, intent.host_stan.into());
    if !is_advice {
        message.set(field::RESPONSE_CODE, reason);
    }
    if !is_reconciliation || intent.currency != 0 {
        message.set(field::CURRENCY, intent.currency.into());
    }
    let texts = [
        (field::PROCESSING_CODE, &intent.code),
        (field::TRANSMISSION, &key.transmission),
        (field::LOCAL_TIME, &intent.local_time),
        (field::LOCAL_DATE, &intent.local_date),
        (field::ACQUIRER, &key.acquirer),
        (field::FORWARDER, &intent.forwarder),
        (field::RRN, &key.rrn),
        (field::TERMINAL, &key.terminal),
        (field::ACCEPTOR, &key.acceptor),
    ];
    for (name, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
        message.set(name, value);
    }
    let accounts =
        [(field::ACCOUNT, &intent.account), (field::COUNTER_ACCOUNT, &intent.counter_account)];
    for (name, value) in accounts.into_iter().filter(|(_, value)| !value.is_empty()) {
        message.set(name, value);
    }
    for (number, value) in intent.carried.iter().filter(|_| is_advice) {
        if let Some(number) = FieldNumber::new(*number) {
            message.set_text(number, value);
        }
    }
    if is_advice {
        if !intent.original.is_empty() {
            message.set(field::ORIGINAL_DATA, &intent.original);
        }
        return;
    }
    let original = OriginalData {
        mti: intent.mti.original(),
        stan: if planted(Bug::Misnamed) { key.stan } else { intent.host_stan },
        transmission: key.transmission.clone(),
        acquirer: key.acquirer.clone(),
        forwarder: intent.forwarder.clone(),
    };
    message.set(field::ORIGINAL_DATA, &original.format());
    if let Some(actual) = actual {
        message.set(field::REPLACEMENT_AMOUNTS, &format_replacement(actual));
    }
}
