//! What a channel hears that asks to take a payment back (0400): how that ended, 00 or 40, and 09
//! while nobody knows (http-contracts 4.1). Whoever only tells of it (0420) hears 00 at once.

use super::{Held, Switch};
use crate::answer::{Decline, acknowledge, decline};
use crate::engine::duplicate::Seeking;
use crate::event::Kind;
use crate::fact::{Case, Linked, PaymentState};
use crate::intent;
use crate::record::{Reason, RecordId, TxnId, Verdict as Certainty};
use crate::time::Now;
use veksel_codecs::{Class, ResponseCode};

/// Requests to take one payment back whose outcome is not recorded. Any more are taken over at
/// once, as those are that only tell.
const REVERSALS_MAX: usize = 8;

impl Switch {
    /// A recorded 0400 waits until its payment is taken back, or cannot be. Gives it back if it
    /// cannot wait: its bank is gone from the plan, or too many wait already.
    pub(in crate::engine) fn hold_reversal(
        &mut self,
        now: Now,
        seeking: Seeking,
        txn: TxnId,
        (original, bank): (TxnId, &str),
    ) -> Option<Seeking> {
        let waiting = self.bridge.taking_back.get(&original).map_or(0, Vec::len);
        let Some(bank) = self.bank_named(bank).filter(|_| waiting < REVERSALS_MAX) else {
            return Some(seeking);
        };
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = self.bank_deadline(seeking.arrived, bank, Kind::Reversal);
        self.hold(seeking, (txn, usize::MAX), &Linked::default(), bank, (received, deadline));
        self.bridge.taking_back.entry(original).or_default().push(txn);
        let is_over = self.durable.facts().payment(original).is_none();
        self.settle_reversals(now, original, is_over.then_some(true));
        None
    }

    /// Answers who wants a payment taken back, once that is decided: `ended` says whether nothing
    /// of it is left, if the payment ends now.
    pub(super) fn settle_reversals(&mut self, now: Now, original: TxnId, ended: Option<bool>) {
        if !self.bridge.taking_back.contains_key(&original) {
            return;
        }
        let payment = self.durable.facts().payment(original);
        let stands = payment.and_then(|payment| match (payment.case, payment.state) {
            (Some(Case::Compensation | Case::LateCompletion), _) => Some(false),
            (_, PaymentState::Cancelled | PaymentState::Rejected | PaymentState::Expired) => {
                Some(true)
            }
            (_, PaymentState::Late) => Some(false),
            (
                _,
                PaymentState::Initiating
                | PaymentState::Unknown
                | PaymentState::Pending
                | PaymentState::Expiring
                | PaymentState::Cancelling
                | PaymentState::Accepted
                | PaymentState::Settled,
            ) => None,
        });
        let Some(is_undone) = stands.or(ended) else { return };
        for txn in self.bridge.taking_back.remove(&original).unwrap_or_default() {
            self.end_reversal(now, txn, is_undone);
        }
    }

    /// A recorded 0400 whose outcome was not known when the process ended: it goes on, and nobody
    /// waits for it but who asks again. `false` if it is none, or its payment is not known here.
    pub(in crate::engine) fn resume_taking_back(&mut self, txn: TxnId) -> bool {
        let Some(reversal) = self.durable.intent(txn) else { return false };
        let is_asked = matches!(reversal.mti.class(), Class::Reversal) && !reversal.mti.is_advice();
        if !is_asked || !reversal.is_at_bank() || self.bank_named(&reversal.group).is_none() {
            return false;
        }
        let named = intent::original_of(&reversal.key, &reversal.original);
        let Some(original) = self.original(named.as_ref()) else { return false };
        self.bridge.taking_back.entry(original).or_default().push(txn);
        true
    }

    /// Goes on with what [`Switch::resume_taking_back`] found, once the payments go on.
    pub(super) fn settle_resumed(&mut self, now: Now) {
        let originals: Vec<_> = self.bridge.taking_back.keys().copied().collect();
        for original in originals {
            if let Some(known) = self.durable.keys().get(original).cloned() {
                // The process may have ended between the two records.
                self.cancel_payment(now, &known);
            }
            let is_over = self.durable.facts().payment(original).is_none();
            self.settle_reversals(now, original, is_over.then_some(true));
        }
    }

    fn end_reversal(&mut self, now: Now, txn: TxnId, is_undone: bool) {
        let response = match is_undone {
            true => ResponseCode::APPROVED,
            false => ResponseCode::NOT_SUPPORTED,
        };
        if self.durable.intent(txn).is_none() {
            // The store refused it: another has its key.
            return;
        }
        let (verdict, reason) = (Certainty::Accepted, Reason::Cancelled);
        let record = self.persist_outcome(now, txn, verdict, response, reason);
        self.durable.forget(txn);
        let Some(held) = self.release(txn) else { return };
        self.count_answer(now, &held, response, verdict, reason);
        self.answer_reversal(held, response, record);
    }

    /// Nobody knows in time how it ends: it goes on, and its outcome is recorded when it is known.
    pub(super) fn tell_going_on(&mut self, now: Now, txn: TxnId) {
        let Some(held) = self.release(txn) else { return };
        let response = ResponseCode::IN_PROGRESS;
        self.count_answer(now, &held, response, Certainty::Indefinite, Reason::Timeout);
        let record = self.durable.last_record();
        self.answer_reversal(held, response, record);
    }

    fn answer_reversal(&mut self, held: Held, response: ResponseCode, record: RecordId) {
        let Held { channel, request, copies, .. } = held;
        let copies = copies.into_iter().map(|copy| (copy.channel, copy.request));
        for (channel, mut message) in core::iter::once((channel, request)).chain(copies) {
            if response.is_approval() {
                acknowledge(&mut message);
            } else {
                decline(&mut message, Decline::of(response));
            }
            self.send(channel, message, Some(record), None, None);
        }
    }
}
