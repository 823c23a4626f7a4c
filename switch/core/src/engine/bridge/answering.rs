//! What channels hear of payments at banks: 09 while nobody has approved, then how they ended.

use super::inquiry::reason_of;
use super::{Held, Stand, Switch, Task, date, kept, put};
use crate::answer::{Decline, Granted, decline, grant};
use crate::bridge::order::{self};
use crate::bridge::said::{Private, response};
use crate::engine::duplicate::Seeking;
use crate::enquiry::{Failed, Failure, Told, Verdict};
use crate::event::Kind;
use crate::fact::{ApprovalMode, Case, PaymentState};
use crate::keys::Known;
use crate::record::{Outcome, Reason, Record, RecordId, TxnId, Verdict as Certainty};
use crate::time::{Now, Tick, Utc};
use veksel_codecs::{Message, ResponseCode, field};

/// What of its time a request keeps for its answer when it waits for an approval, in milliseconds.
const ANSWER_MS: u64 = 1_500;

impl Switch {
    /// Nobody knows whether the bank has the payment. Its channel hears so, and it is looked for.
    pub(super) fn lose(&mut self, now: Now, txn: TxnId, failure: &Failure) {
        // Whoever asks over HTTP takes 91 for not done, and comes again under the same key.
        let held = self.bridge.held.get(&txn);
        let response = match held.is_some_and(|held| self.stamps_anew(held.participant)) {
            true => ResponseCode::OUTCOME_UNKNOWN,
            false => response(failure.why),
        };
        let is_held = self.bridge.held.contains_key(&txn);
        let record = self.change(now, txn, |payment| {
            payment.state = PaymentState::Unknown;
            payment.code.clone_from(&failure.code);
            if is_held {
                payment.told = Some(response);
            }
        });
        self.answer_open(now, txn, response, reason_of(failure.why), record);
    }

    /// A payment waits for its customer: the channel hears 09, or 00, or waits on.
    pub(super) fn wait_for_approval(&mut self, now: Now, txn: TxnId, record: RecordId) {
        let Some(held) = self.bridge.held.get(&txn) else { return };
        let mode = self.mode(txn);
        match mode {
            ApprovalMode::WaitInline => {
                let end = Tick(held.deadline.0.saturating_sub(ANSWER_MS * 1_000_000));
                self.bridge.plan(Task::Deadline(txn), end);
            }
            ApprovalMode::ApprovePending => {
                let leave = self.durable.facts().payment(txn).and_then(|p| Granted::of(p, mode));
                let reason = Reason::Host;
                self.approve_now(now, txn, leave, reason);
            }
            ApprovalMode::Pending | ApprovalMode::SoftDecline => {
                self.tell_pending(now, txn, record);
            }
        }
    }

    /// The channel hears 09, where to approve and until when.
    pub(super) fn tell_pending(&mut self, now: Now, txn: TxnId, record: RecordId) {
        let response = ResponseCode::IN_PROGRESS;
        let is_told = self.durable.facts().payment(txn).is_none_or(|p| p.told.is_some());
        let record = if is_told {
            record
        } else {
            self.change(now, txn, |payment| payment.told = Some(response))
        };
        self.answer_open(now, txn, response, Reason::Host, record);
    }

    /// Answers whoever waits for a payment that is not decided, once the record is durable.
    pub(super) fn answer_open(
        &mut self,
        now: Now,
        txn: TxnId,
        response: ResponseCode,
        reason: Reason,
        record: RecordId,
    ) {
        let Some(held) = self.release(txn) else { return };
        self.count_answer(now, &held, response, Certainty::Indefinite, reason);
        let said = self.said(txn);
        let copies = held.copies.into_iter().map(|copy| (copy.channel, copy.request));
        for (channel, mut message) in core::iter::once((held.channel, held.request)).chain(copies) {
            decline(&mut message, Decline::of(response));
            put(&mut message, &said);
            self.send(channel, message, Some(record), None, None);
        }
    }

    /// What DE48 says of a payment.
    pub(super) fn said(&self, txn: TxnId) -> Private {
        let Some(payment) = self.durable.facts().payment(txn) else { return Private::default() };
        let is_pending = payment.state == PaymentState::Pending;
        let approval_ms = self.bank_of(txn).map_or(0, |(_, plan)| plan.approval_ms);
        let expiry = Utc(payment.utc.0.saturating_add(approval_ms));
        Private {
            payment: payment.payment.clone(),
            approve: if is_pending && !payment.approve.is_empty() {
                payment.link.clone()
            } else {
                String::new()
            },
            expiry: is_pending.then_some(expiry),
            age_minutes: None,
            code: payment.code.clone(),
        }
    }

    /// Money moved, or will.
    pub(super) fn accept_payment(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let leave = Granted::of(&payment, ApprovalMode::Pending);
        if self.durable.is_decided(txn) {
            return;
        }
        // 09 and 68 promised that it may come yet; anything else said that it would not.
        let promised = [None, Some(ResponseCode::IN_PROGRESS), Some(ResponseCode::OUTCOME_UNKNOWN)];
        let is_late = !promised.contains(&payment.told);
        if payment.is_cancelled {
            self.open_case(now, txn, Case::Compensation);
        } else if payment.is_revoked {
            self.open_case(now, txn, Case::Revoked);
        } else if is_late {
            self.open_case(now, txn, Case::LateCompletion);
        }
        self.approve_now(now, txn, leave, Reason::Host);
    }

    pub(super) fn approve_now(
        &mut self,
        now: Now,
        txn: TxnId,
        leave: Option<Granted>,
        reason: Reason,
    ) {
        let response = match leave {
            Some(_) => ResponseCode::APPROVED,
            None => ResponseCode::SYSTEM_MALFUNCTION,
        };
        let approval = self.durable.facts().payment(txn).map(|p| order::approval(&p.key));
        let said = self.said(txn);
        self.conclude_at_bank(now, txn, (response, reason), leave, approval, &said);
    }

    pub(super) fn reject(&mut self, now: Now, txn: TxnId, stand: Stand) {
        let response = match stand {
            Stand::Rejected(true) | Stand::Unapproved(true) => ResponseCode::INSUFFICIENT_FUNDS,
            _ => ResponseCode::DO_NOT_HONOUR,
        };
        self.decide(now, txn, response, Reason::Host);
    }

    /// A payment ended without money.
    pub(super) fn decide(&mut self, now: Now, txn: TxnId, response: ResponseCode, reason: Reason) {
        if self.durable.is_decided(txn) {
            // Approved at the merchant's risk, and lost.
            let was_approved = self.durable.keys().get(txn).is_none_or(Known::is_approved);
            let is_taken_back =
                self.durable.facts().payment(txn).is_some_and(|payment| payment.is_cancelled);
            if was_approved && !is_taken_back {
                self.open_case(now, txn, Case::Unpaid);
            }
            return;
        }
        let said = self.said(txn);
        self.conclude_at_bank(now, txn, (response, reason), None, None, &said);
    }

    /// Records how a request ended and answers whoever waits; if nobody does, the channel is to be
    /// told by an advice.
    pub(super) fn conclude_at_bank(
        &mut self,
        now: Now,
        txn: TxnId,
        (response, reason): (ResponseCode, Reason),
        leave: Option<Granted>,
        approval: Option<String>,
        said: &Private,
    ) {
        let held = self.release(txn);
        let answer = |mut message: Message| {
            match leave {
                Some(leave) => {
                    grant(&mut message, leave);
                    message.set(field::SETTLEMENT_DATE, &date(now.utc));
                    if let Some(approval) = &approval {
                        message.set(field::APPROVAL, approval);
                    }
                }
                None => decline(&mut message, Decline::of(response)),
            }
            put(&mut message, said);
            message
        };
        let request = held.as_ref().map(|held| held.request.clone());
        let answered = answer(request.unwrap_or_else(|| Message::of(QUESTION)));
        let verdict = match reason {
            // Who was told something else meanwhile is told this by an advice, which needs the
            // intent.
            _ if held.is_none() => Certainty::Answered,
            Reason::NoConnection
            | Reason::BreakerOpen
            | Reason::Overload
            | Reason::Expired
            | Reason::Duplicate => Certainty::NotSent,
            _ => Certainty::Answered,
        };
        let (utc, kept) = (now.utc, kept(&answered));
        let outcome = Outcome { txn, utc, verdict, response, reason, answer: kept };
        let record = self.persist(Record::Outcome(Box::new(outcome)));
        let Some(held) = held else {
            let is_taken_back =
                self.durable.facts().payment(txn).is_some_and(|payment| payment.is_cancelled);
            if !(is_taken_back && response.is_approval()) {
                self.advise(now, txn, response);
            }
            return;
        };
        self.count_answer(now, &held, response, verdict, reason);
        let tag = crate::contract::Tag { txn, leg: crate::contract::Leg::Answer };
        let tag = leave.map(|_| tag);
        let Held { channel, copies, .. } = held;
        let copies: Vec<_> =
            copies.into_iter().map(|copy| (copy.channel, answer(copy.request))).collect();
        if tag.is_some() && self.durable.facts().payment(txn).is_some() {
            let answers = u32::try_from(copies.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.bridge.delivering.insert(txn, (answers, false));
        }
        for (channel, message) in core::iter::once((channel, answered)).chain(copies) {
            self.send(channel, message, Some(record), tag, None);
        }
    }

    /// A channel waits no longer for its first answer.
    pub(super) fn handle_held_deadline(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn) else {
            let is_hold = self.bridge.held.get(&txn).is_some_and(|held| held.kind == Kind::Hold);
            if is_hold {
                let failure = Failure::before(Failed::Late);
                return self.handle_funds(now, txn, Verdict::Failed(failure));
            }
            if self.bridge.held.get(&txn).is_some_and(|held| held.kind == Kind::Reversal) {
                return self.tell_going_on(now, txn);
            }
            if self.is_before_order(txn) {
                return self.give_up_bill(now, txn);
            }
            if self.bridge.held.get(&txn).is_some_and(Self::is_file_action) {
                let failure = Failure::before(Failed::Late);
                return self.tell_channel(now, txn, &Told::Failed(failure), None);
            }
            return self.give_up_inquiry(now, txn);
        };
        if payment.state == PaymentState::Pending {
            // It waited inline for an approval that did not come.
            return self.tell_pending(now, txn, RecordId::default());
        }
        let response = ResponseCode::OUTCOME_UNKNOWN;
        let record = self.change(now, txn, |payment| payment.told = Some(response));
        self.answer_open(now, txn, response, Reason::Timeout, record);
    }

    /// A copy of a request whose payment is not decided. Gives it back if there is no such
    /// payment.
    pub(in crate::engine) fn join_payment(
        &mut self,
        now: Now,
        seeking: Seeking,
        txn: TxnId,
    ) -> Option<Seeking> {
        let most = self.plan.limits.in_flight_max as usize;
        if let Some(held) = self.bridge.held.get_mut(&txn) {
            if held.copies.len() >= most {
                return Some(seeking);
            }
            let Seeking { connection: channel, message: request, .. } = seeking;
            held.copies.push(crate::pending::Copy { channel, request });
            return None;
        }
        self.tell_standing(now, seeking, txn)
    }

    /// Answers 09 with what is known of a payment. Gives the request back if there is no such
    /// payment.
    pub(in crate::engine) fn tell_standing(
        &mut self,
        now: Now,
        seeking: Seeking,
        txn: TxnId,
    ) -> Option<Seeking> {
        if self.durable.facts().payment(txn).is_none() {
            return Some(seeking);
        }
        self.look_curiously(now, txn);
        let said = self.said(txn);
        let mut message = seeking.message;
        decline(&mut message, Decline::IN_PROGRESS);
        put(&mut message, &said);
        self.send(seeking.connection, message, None, None, None);
        None
    }
}

/// What an outcome is made from when nobody waits for an answer.
const QUESTION: veksel_codecs::Mti = veksel_codecs::Mti::known(b"0200");
