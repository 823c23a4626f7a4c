//! Following payments at banks until they are decided, and a while longer.
//!
//! What is done next depends on the fact of a payment and on the calendar; every state has one
//! place that says what it asks for, and one that says when.

use super::{BACKGROUND_MS, Stand, Step, Switch, Task, bank_account, since};
use crate::bridge::order::{self};
use crate::bridge::schedule;
use crate::enquiry::{Enquiry, Failed, PaymentRef, Verdict};
use crate::fact::{Case, Endpoint, Fact, Linked, Payment, PaymentState};
use crate::plan::BankId;
use crate::record::{Reason, TxnId};
use crate::time::Now;
use veksel_codecs::ResponseCode;

/// A payment is asked about for a curious channel at most this often, in milliseconds.
const CURIOUS_MS: u64 = 2_000;

impl Switch {
    /// A payment was searched for.
    pub(super) fn handle_search(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        match verdict {
            Verdict::Initiated(initiated) => self.take_in(now, txn, initiated, true),
            Verdict::NotFound { is_complete: true } if self.is_search_over(now, txn) => {
                let Some(payment) = self.durable.facts().payment(txn) else { return };
                let told = payment.told.unwrap_or(ResponseCode::OUTCOME_UNKNOWN);
                let response = match told {
                    ResponseCode::OUTCOME_UNKNOWN => ResponseCode::NO_ACTION_TAKEN,
                    other => other,
                };
                self.change(now, txn, |payment| payment.state = PaymentState::Rejected);
                self.decide(now, txn, response, Reason::Host);
            }
            // Found in the account, where it has no number.
            Verdict::Status(_) => self.handle_status(now, txn, Step::Search, verdict),
            // Not there yet, or not shown, or not asked: it is looked for again.
            _ => {}
        }
    }

    /// Whether a payment that an account does not show never was. A customer may approve it in the
    /// bank's app for as long as the bank likes, so only the last look says so.
    fn is_search_over(&self, now: Now, txn: TxnId) -> bool {
        let approval = self.bank_of(txn).map_or(0, |(_, plan)| plan.approval_ms);
        let payment = self.durable.facts().payment(txn);
        payment.is_some_and(|payment| {
            schedule::next_search(since(now, payment.utc), approval).is_none()
        })
    }

    /// A bank has said how a payment stands.
    pub(super) fn handle_status(&mut self, now: Now, txn: TxnId, step: Step, verdict: Verdict) {
        let Some(state) = self.durable.facts().payment(txn).map(|payment| payment.state) else {
            return;
        };
        let (stand, is_gone) = match verdict {
            Verdict::Status(progress) => (Some(self.stand(txn, progress)), false),
            Verdict::Failed(failure) => (None, failure.why == Failed::NotFound),
            _ => (None, false),
        };
        if stand == Some(Stand::Odd) {
            self.open_case(now, txn, Case::Mismatch);
        }
        match (state, stand) {
            (PaymentState::Accepted, Some(Stand::Settled)) => {
                self.change(now, txn, |payment| payment.state = PaymentState::Settled);
            }
            (PaymentState::Accepted, Some(Stand::Rejected(_) | Stand::Cancelled)) => {
                // It was accepted, and its channel was told so.
                self.open_case(now, txn, Case::Mismatch);
                self.change(now, txn, |payment| payment.state = PaymentState::Rejected);
            }
            (
                PaymentState::Expired | PaymentState::Cancelled | PaymentState::Rejected,
                Some(stand),
            ) if stand.has_moved() => {
                self.change(now, txn, |payment| payment.state = PaymentState::Late);
                self.open_case(now, txn, Case::LateCompletion);
            }
            _ if state.is_decided() => {}
            (_, Some(stand @ (Stand::Accepted | Stand::Settled))) => {
                let to = match stand {
                    Stand::Settled => PaymentState::Settled,
                    _ => PaymentState::Accepted,
                };
                self.change(now, txn, |payment| payment.state = to);
                self.accept_payment(now, txn);
            }
            (_, Some(stand @ (Stand::Rejected(_) | Stand::Cancelled))) => {
                let to = match stand {
                    Stand::Cancelled => PaymentState::Cancelled,
                    _ => PaymentState::Rejected,
                };
                self.change(now, txn, |payment| payment.state = to);
                self.reject(now, txn, stand);
            }
            (PaymentState::Expiring, _) if step == Step::LastPoll && !is_gone => {
                self.cancel_at_bank(now, txn);
            }
            (PaymentState::Expiring, _) => self.expire(now, txn),
            (PaymentState::Cancelling, _) if step == Step::AfterCancel || is_gone => {
                self.cancelled(now, txn);
            }
            _ => {}
        }
    }

    pub(super) fn expire(&mut self, now: Now, txn: TxnId) {
        self.change(now, txn, |payment| payment.state = PaymentState::Expired);
        self.decide(now, txn, ResponseCode::OUTCOME_UNKNOWN, Reason::Unapproved);
    }

    pub(super) fn cancelled(&mut self, now: Now, txn: TxnId) {
        self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
        let told = self.durable.facts().payment(txn).and_then(|payment| payment.told);
        let response = match told {
            _ if self.is_cancelled(txn) => ResponseCode::CUSTOMER_CANCELLATION,
            // Found after it was lost: the channel has heard a code, and that one stands.
            Some(code) if code != ResponseCode::IN_PROGRESS => code,
            _ => ResponseCode::NO_ACTION_TAKEN,
        };
        self.decide(now, txn, response, Reason::Cancelled);
    }

    /// A bank was told to take a payment back.
    pub(super) fn handle_cancel(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let is_done = matches!(verdict, Verdict::Cancelled);
        let is_late = matches!(verdict, Verdict::TooLate);
        match payment.state {
            PaymentState::Accepted | PaymentState::Settled if is_done => {
                self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
            }
            PaymentState::Accepted | PaymentState::Settled if is_late => {
                self.open_case(now, txn, Case::Compensation);
            }
            // Nobody knows; it is tried again, and after a day a person looks.
            PaymentState::Accepted | PaymentState::Settled => {}
            PaymentState::Cancelling if is_done => self.cancelled(now, txn),
            PaymentState::Cancelling | PaymentState::Expiring => {
                self.poll(now, txn, Step::AfterCancel);
            }
            _ => {}
        }
    }

    pub(super) fn poll(&mut self, now: Now, txn: TxnId, step: Step) {
        let Some((mut reference, bank)) = self.reference(txn) else { return };
        let is_wanted = self.durable.facts().payment(txn).is_some_and(|payment| {
            let may_end = [PaymentState::Pending, PaymentState::Expiring, PaymentState::Accepted];
            !payment.is_cancelled && may_end.contains(&payment.state)
        });
        reference.may_complete = is_wanted && step != Step::AfterCancel;
        self.bridge.asked.insert(txn, now.tick);
        self.ask_about(txn, step, bank, Enquiry::Status(reference), BACKGROUND_MS, None);
    }

    /// What was found in an account has no number at the bank to ask by.
    fn poll_if_named(&mut self, now: Now, txn: TxnId, payment: &Payment) {
        if !payment.payment.is_empty() {
            self.poll(now, txn, Step::Poll);
        }
    }

    pub(super) fn cancel_at_bank(&mut self, now: Now, txn: TxnId) {
        let Some((reference, bank)) = self.reference(txn) else { return };
        self.bridge.asked.insert(txn, now.tick);
        self.ask_about(txn, Step::Cancel, bank, Enquiry::Cancel(reference), BACKGROUND_MS, None);
    }

    pub(super) fn reference(&self, txn: TxnId) -> Option<(PaymentRef, BankId)> {
        let payment = self.durable.facts().payment(txn)?;
        let (bank, _) = self.bank_of(txn)?;
        let linked = self.linked_of(txn);
        let reference = PaymentRef {
            payment: payment.payment.clone(),
            product: payment.product.clone(),
            debtor: linked.as_ref().map_or_else(|| bank_account(&Linked::default()), bank_account),
            key: payment.key,
            may_complete: false,
        };
        Some((reference, bank))
    }

    /// The next step of a payment, now that its time has come.
    pub(super) fn step_payment(&mut self, now: Now, txn: TxnId) {
        if self.bridge.asking.contains(&txn) {
            return;
        }
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let Some((bank, plan)) = self.bank_of(txn) else { return };
        let approval_ms = plan.approval_ms;
        let elapsed = since(now, payment.utc);
        match payment.state {
            PaymentState::Initiating => {}
            PaymentState::Unknown => self.search(now, txn, bank, &payment),
            PaymentState::Pending if elapsed >= approval_ms => {
                self.change(now, txn, |payment| payment.state = PaymentState::Expiring);
                self.poll(now, txn, Step::LastPoll);
            }
            PaymentState::Pending => self.poll(now, txn, Step::Poll),
            PaymentState::Expiring => self.poll(now, txn, Step::LastPoll),
            PaymentState::Cancelling => self.cancel_at_bank(now, txn),
            PaymentState::Accepted | PaymentState::Settled
                if payment.is_cancelled && payment.case.is_none() =>
            {
                if payment.payment.is_empty() {
                    // Found in the account: there is nothing that could be taken back.
                    self.open_case(now, txn, Case::Compensation);
                } else {
                    self.cancel_at_bank(now, txn);
                }
            }
            PaymentState::Accepted if payment.payment.is_empty() => {
                self.search(now, txn, bank, &payment);
            }
            PaymentState::Accepted
            | PaymentState::Settled
            | PaymentState::Rejected
            | PaymentState::Cancelled
            | PaymentState::Expired
            | PaymentState::Late => self.poll_if_named(now, txn, &payment),
        }
        self.plan_payment(now, txn);
    }

    pub(super) fn search(&mut self, now: Now, txn: TxnId, bank: BankId, payment: &Payment) {
        let linked = self.linked_of(txn);
        let intent = self.durable.intent(txn).cloned();
        let order = linked
            .clone()
            .zip(intent)
            .and_then(|(linked, intent)| order::order(&self.plan, &intent, payment, &linked));
        let (Some(order), Some(linked)) = (order, linked) else {
            // Neither account nor payee is known any more: nobody can look.
            return self.open_case(now, txn, Case::Unresolved);
        };
        let is_read = !self.bank(bank).is_some_and(|bank| bank.deduplicates);
        if is_read && !self.may_read(now, &linked, bank, Endpoint::Transactions) {
            return;
        }
        let enquiry = Enquiry::Search { order: Box::new(order), since: payment.utc };
        self.ask_about(txn, Step::Search, bank, enquiry, BACKGROUND_MS, None);
    }

    /// Plans the next step of a payment, or ends it.
    pub(super) fn plan_payment(&mut self, now: Now, txn: TxnId) {
        if self.bridge.asking.contains(&txn) {
            return;
        }
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let approval = self.bank_of(txn).map_or(300_000, |(_, plan)| plan.approval_ms);
        let elapsed = since(now, payment.utc);
        let sweep = schedule::next_sweep(elapsed, approval);
        let poll = schedule::next_poll(elapsed, approval);
        let at = match payment.state {
            // Its verdict comes, or the process ends.
            PaymentState::Initiating => None,
            PaymentState::Pending => Some(poll),
            PaymentState::Expiring | PaymentState::Cancelling => {
                let tries = self.bridge.try_again(&Task::Payment(txn));
                Some(elapsed + schedule::retry(tries, 1_000, 60_000))
            }
            PaymentState::Unknown => match schedule::next_search(elapsed, approval) {
                Some(at) => Some(at),
                None => {
                    self.open_case(now, txn, Case::Unresolved);
                    None
                }
            },
            PaymentState::Accepted | PaymentState::Settled
                if payment.is_cancelled && payment.case.is_none() =>
            {
                let tries = self.bridge.try_again(&Task::Payment(txn));
                if sweep.is_none() {
                    self.open_case(now, txn, Case::Compensation);
                }
                sweep.map(|_| elapsed + schedule::retry(tries, 1_000, 300_000))
            }
            PaymentState::Accepted if payment.payment.is_empty() => {
                schedule::next_search(elapsed, approval)
            }
            PaymentState::Accepted if elapsed < approval => Some(poll),
            PaymentState::Accepted => sweep,
            PaymentState::Cancelled | PaymentState::Expired if !payment.payment.is_empty() => sweep,
            PaymentState::Cancelled
            | PaymentState::Expired
            | PaymentState::Settled
            | PaymentState::Rejected
            | PaymentState::Late => None,
        };
        match at {
            Some(at) => {
                let wait = at.saturating_sub(elapsed);
                self.bridge.plan(Task::Payment(txn), now.tick.after_ms(wait));
            }
            None => self.end_if_over(now, txn),
        }
    }

    /// Nothing more happens to a payment of itself. It is over unless a channel is still to hear
    /// of it or a person to look.
    pub(super) fn end_if_over(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        let is_busy =
            self.bridge.asking.contains(&txn) || self.bridge.due.contains_key(&Task::Payment(txn));
        if is_busy
            || payment.case.is_some()
            || payment.advice.is_some()
            || !payment.state.is_decided()
        {
            return;
        }
        let mut payment = payment.clone();
        payment.is_over = true;
        self.establish(now, Fact::Payment(payment));
        self.forget_payment(txn);
    }

    /// Forgets what is only live of a payment.
    pub(super) fn forget_payment(&mut self, txn: TxnId) {
        self.bridge.unplan(&Task::Payment(txn));
        self.bridge.unplan(&Task::Advice(txn));
        self.bridge.asked.remove(&txn);
        self.bridge.tries.remove(&Task::Payment(txn));
        self.bridge.advices.forget(txn);
        self.durable.forget(txn);
    }

    /// Asks a bank about a payment because a channel wants to know, unless it was asked just now.
    pub(super) fn look_curiously(&mut self, now: Now, txn: TxnId) {
        let is_open = self.durable.facts().payment(txn).is_some_and(|payment| {
            matches!(
                payment.state,
                PaymentState::Pending
                    | PaymentState::Accepted
                    // Executed after all: whoever says so is believed enough to ask.
                    | PaymentState::Expired
                    | PaymentState::Cancelled
            )
        });
        let last = self.bridge.asked.get(&txn).copied();
        let is_fresh = last.is_some_and(|last| last.after_ms(CURIOUS_MS) > now.tick);
        if is_open && !is_fresh && !self.bridge.asking.contains(&txn) {
            self.bridge.unplan(&Task::Payment(txn));
            self.step_payment(now, txn);
        }
    }
}
