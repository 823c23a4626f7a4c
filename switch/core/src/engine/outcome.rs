//! Outcomes: how transactions end, and that the journal knows before the channel does.

use super::Switch;
use crate::answer::{Decline, Verified, decline, replay};
use crate::breaker::Health;
use crate::bug::{Bug, planted};
use crate::contract::{Leg, Tag};
use crate::event::{Event, Kind};
use crate::intent;
use crate::pending::{Copy, Stage, Traced, Txn};
use crate::plan::ConnectionId;
use crate::record::{Outcome, Reason, Record, RecordId, Reversal, ReversalStep, TxnId, Verdict};
use crate::time::{Now, Tick};
use veksel_codecs::{FieldNumber, Message, Mti, ResponseCode, field};

impl Switch {
    /// The transaction no longer waits for its group. `health` is what the breaker learns, or
    /// `None` if nothing left the switch.
    pub(super) fn leave_group(&mut self, id: TxnId, health: Option<(Tick, Health)>) {
        let Some(txn) = self.txns.get(id) else { return };
        let (group, host, stan) = (txn.group, txn.host, txn.stan);
        let (group_permit, link_permit) = (txn.group_permit, txn.link_permit);
        if let Some(host) = self.host_mut(group, host) {
            host.in_flight = host.in_flight.saturating_sub(1);
        }
        let Some(live) = self.group_mut(group) else { return };
        live.in_flight = live.in_flight.saturating_sub(1);
        if live.stans.find(stan) == Some(Traced::Pending(id)) {
            live.stans.release(stan);
        }
        let before = live.breaker.position();
        let link_before = live.link_position(host.link);
        match health {
            Some((now, health)) => {
                live.report(now, host.link, (group_permit, link_permit), health);
            }
            None => {
                live.breaker.release(group_permit);
                if let Some(destination) = live.destination(host.link) {
                    destination.breaker.release(link_permit);
                }
            }
        }
        let link_after = live.link_position(host.link);
        self.handle_breaker_change(group, before);
        if let Some(position) = link_after.filter(|_| link_after != link_before) {
            self.count(Event::LinkBreaker { link: host.link, position });
        }
    }

    /// The host gave a verified answer: record it if money may have moved, and relay it.
    pub(super) fn answered(&mut self, now: Now, id: TxnId, verified: Verified) {
        let Some(txn) = self.txns.get(id) else { return };
        let response = verified.response();
        let kept = if txn.intent.is_some() { kept_fields(verified.message()) } else { Vec::new() };
        let message = verified.relay(txn);
        self.conclude(
            now,
            id,
            message,
            Ending { verdict: Verdict::Answered, response, reason: Reason::Host, kept },
        );
    }

    /// A byte left and no verified answer came: the reversal is recorded with the outcome, and
    /// only then does the channel get its 68.
    pub(super) fn indefinite(&mut self, now: Now, id: TxnId, reason: Reason) {
        let Some(txn) = self.txns.get(id) else { return };
        let (group, stan, kind) = (txn.group, txn.stan, txn.kind);
        // If its channel has taken back a part of it, that part is what is undone.
        let actual = txn.cancelled.flatten();
        let plan = self.plan.groups.get(usize::from(group.0));
        let until = now.tick.after_ms(plan.map_or(0, |plan| plan.tombstone_ms));
        self.leave_group(id, Some((now.tick, Health::Bad)));
        let most = self.plan.limits.tombstones_max;
        let forgets = planted(Bug::NoReversalOnTimeout) && reason == Reason::Timeout
            || planted(Bug::NoReversalOnClose) && reason == Reason::ClosedSent;
        if is_reversible(kind) && !forgets {
            self.queue_reversal(now, id, reason, actual);
        } else if let Some(group) = self.group_mut(group) {
            group.stans.bury(stan, until, most);
        }
        self.declined(now, id, Decline::OUTCOME_UNKNOWN, Verdict::Indefinite, reason);
    }

    pub(super) fn declined(
        &mut self,
        now: Now,
        id: TxnId,
        why: Decline,
        verdict: Verdict,
        reason: Reason,
    ) {
        let Some(txn) = self.txns.get_mut(id) else { return };
        let mut message = core::mem::take(&mut txn.request);
        // The record of an inquiry reads the request; the answer repeats what it needs of it.
        let inquiry = txn.intent.is_none();
        if inquiry {
            txn.request = message.clone();
        }
        decline(&mut message, why);
        let ending = Ending { verdict, response: why.code(), reason, kept: Vec::new() };
        self.conclude(now, id, message, ending);
    }

    fn conclude(&mut self, now: Now, id: TxnId, message: Message, ending: Ending) {
        let Ending { verdict, response, reason, kept } = ending;
        let Some(txn) = self.txns.get(id) else { return };
        let (channel, is_recorded) = (txn.channel, txn.intent.is_some());
        let event = answered_event(txn, now, response, verdict, reason);
        // The request may have become its answer.
        let request = if txn.request.mti() == Mti::NONE { &message } else { &txn.request };
        let carried = self.carried(event, request, (Some(id), Some(txn.route)));
        self.count(event);
        if let Some(carried) = carried {
            self.count(carried);
        }
        if is_recorded {
            let utc = now.utc;
            let outcome = Outcome { txn: id, utc, verdict, response, reason, answer: kept };
            let copies = self.answer_copies(id, &outcome);
            let approved = verdict == Verdict::Answered && response.is_approval();
            self.undo_if_cancelled(now, id, approved);
            let after = self.persist(Record::Outcome(Box::new(outcome)));
            self.answer_after(id, channel, message, copies, after, approved);
            return;
        }
        self.send(channel, message, None, None, None);
        if self.plan.record_inquiries
            && let Some(txn) = self.txns.get(id)
        {
            let mut inquiry = intent::inquiry(&self.plan, txn, now.utc, verdict, response, reason);
            if let Some(name) = self.old_route(txn.route) {
                name.clone_into(&mut inquiry.route);
            }
            self.persist(Record::Inquiry(Box::new(inquiry)));
        }
        if let Some(txn) = self.remove(id) {
            self.recycle(txn.request);
        }
    }

    /// The same answer for every copy that came while the request was in flight.
    fn answer_copies(&mut self, id: TxnId, outcome: &Outcome) -> Vec<(ConnectionId, Message)> {
        let Some(txn) = self.txns.get_mut(id) else { return Vec::new() };
        let copies = core::mem::take(&mut txn.copies);
        let answer = |copy: Copy| {
            let mut message = copy.request;
            replay(&mut message, outcome);
            (copy.channel, message)
        };
        copies.into_iter().map(answer).collect()
    }

    /// Sends the answer and its copies once the outcome is durable. An approval is followed until
    /// it is written, because money has moved; anything else is over now.
    fn answer_after(
        &mut self,
        id: TxnId,
        channel: ConnectionId,
        message: Message,
        copies: Vec<(ConnectionId, Message)>,
        after: RecordId,
        approved: bool,
    ) {
        let after = Some(after).filter(|_| !planted(Bug::AnswerBeforeOutcome));
        let tag = approved.then_some(Tag { txn: id, leg: Leg::Answer });
        let deliveries = u32::try_from(copies.len()).unwrap_or(u32::MAX).saturating_add(1);
        for (channel, message) in core::iter::once((channel, message)).chain(copies) {
            self.send(channel, message, after, tag, None);
        }
        match self.txns.get_mut(id) {
            Some(txn) if approved => {
                txn.stage = Stage::Answering { approved };
                txn.deliveries = deliveries;
                let (group, stan) = (txn.group, txn.stan);
                // A reversal that is under way already holds the number.
                if !self.durable.is_reversing(id)
                    && let Some(group) = self.group_mut(group)
                {
                    group.stans.keep(stan, id);
                }
            }
            _ => self.finish(id),
        }
    }

    /// A transaction that was in flight when the process ended.
    pub(super) fn record_restart(&mut self, now: Now, txn: TxnId) {
        if self.resume_taking_back(txn) {
            return;
        }
        let Some(intent) = self.durable.intent(txn) else { return };
        let reason = Reason::Restart;
        if self.durable.facts().payment(txn).is_some() {
            // A payment at a bank is followed where its fact says that it stands.
            return;
        }
        if intent.is_taken_over() {
            // Its outcome was never told: it is taken over now, or sent again by its channel.
            let (verdict, response) = (Verdict::Accepted, ResponseCode::APPROVED);
            self.persist_outcome(now, txn, verdict, response, Reason::Advice);
            return;
        }
        let code = intent.code.as_bytes().first_chunk::<2>().copied().unwrap_or_default();
        if planted(Bug::NoReversalOnRestart) {
            let response = ResponseCode::HOST_UNAVAILABLE;
            self.persist_outcome(now, txn, Verdict::NotSent, response, reason);
            return;
        }
        let (kind, is_at_bank) = (Kind::of(intent.mti, code), intent.is_at_bank());
        // A bank that was asked for funds has reserved nothing.
        let reversible = !is_at_bank && kind.is_some_and(is_reversible);
        if reversible {
            let step = ReversalStep::Queued { reason, actual: None };
            self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        }
        // The fact of a payment at a bank is durable before its order leaves. There is none.
        let is_unordered = is_at_bank && kind == Some(Kind::Payment);
        let (verdict, response) = match is_unordered {
            true => (Verdict::NotSent, ResponseCode::HOST_UNAVAILABLE),
            false => (Verdict::Indefinite, ResponseCode::OUTCOME_UNKNOWN),
        };
        self.persist_outcome(now, txn, verdict, response, reason);
        if !reversible {
            self.durable.forget(txn);
        }
    }

    /// The transaction is over.
    pub(super) fn finish(&mut self, id: TxnId) {
        self.durable.forget(id);
        if let Some(txn) = self.remove(id) {
            if let Some(group) = self.group_mut(txn.group)
                && group.stans.find(txn.stan) == Some(Traced::Answered(id))
            {
                group.stans.release(txn.stan);
            }
            self.recycle(txn.request);
        }
    }

    pub(super) fn remove(&mut self, id: TxnId) -> Option<Txn> {
        let txn = self.txns.remove(id)?;
        if let Some(count) = self.participants.get_mut(usize::from(txn.participant.0)) {
            count.in_flight = count.in_flight.saturating_sub(1);
        }
        Some(txn)
    }
}

/// How a transaction ended.
struct Ending {
    verdict: Verdict,
    response: ResponseCode,
    reason: Reason,
    kept: Vec<(u8, String)>,
}

/// Whether a request of this kind is undone by a reversal. An advice and a reversal are repeated
/// by their sender until they are answered.
const fn is_reversible(kind: Kind) -> bool {
    match kind {
        Kind::Payment | Kind::Hold => true,
        Kind::Inquiry | Kind::Statement | Kind::Advice | Kind::Reversal | Kind::Network => false,
    }
}

/// What a replay of the answer needs beside the request: never a sensitive field.
fn kept_fields(answer: &Message) -> Vec<(u8, String)> {
    let keys: [FieldNumber; 8] = [
        field::AMOUNT.number(),
        field::SETTLEMENT_DATE.number(),
        field::APPROVAL.number(),
        field::RESPONSE_CODE.number(),
        field::ADDITIONAL_RESPONSE.number(),
        field::ADDITIONAL_DATA.number(),
        field::ADDITIONAL_AMOUNTS.number(),
        field::DISPLAY.number(),
    ];
    let kept = |number: &FieldNumber| {
        Some((number.get(), answer.expose(*number)?.text()?.as_str().to_owned()))
    };
    keys.iter().filter_map(kept).collect()
}

fn answered_event(
    txn: &Txn,
    now: Now,
    response: ResponseCode,
    verdict: Verdict,
    reason: Reason,
) -> Event {
    Event::Answered {
        link: txn.channel_link(),
        kind: txn.kind,
        group: Some(txn.group),
        response,
        verdict,
        reason,
        elapsed: now.tick.since(txn.received.tick),
    }
}
