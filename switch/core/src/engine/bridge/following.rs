//! Following payments at banks until they are decided, and a while longer.
//!
//! What is done next depends on the fact of a payment and on the calendar; every state has one
//! place that says what it asks for, and one that says when. A state in which the bank must have
//! said something is only left when it has.

use super::{Asked, BACKGROUND_MS, Stand, Step, Switch, Task, since};
use crate::bridge::order;
use crate::bridge::schedule;
use crate::enquiry::{Confirmed, Enquiry, Failed, PaymentRef, Secret, Verdict};
use crate::fact::{Case, Endpoint, Fact, Payment, PaymentState};
use crate::plan::BankId;
use crate::record::{Reason, TxnId};
use crate::time::Now;
use veksel_codecs::ResponseCode;

/// A payment is asked about for a curious channel at most this often, in milliseconds.
const CURIOUS_MS: u64 = 2_000;

/// First and longest wait before a payment is taken back again, in milliseconds.
const CANCEL_MS: (u64, u64) = (1_000, 300_000);

impl Switch {
    /// A payment was searched for.
    pub(super) fn handle_search(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        match verdict {
            Verdict::Initiated(initiated) => self.take_in(now, txn, initiated, true),
            Verdict::NotFound { is_complete: true } if self.is_search_over(now, txn) => {
                let Some(payment) = self.durable.facts().payment(txn) else { return };
                let told = payment.told.unwrap_or(ResponseCode::OUTCOME_UNKNOWN);
                self.change(now, txn, |payment| payment.state = PaymentState::Rejected);
                self.decide(now, txn, known_end(told), Reason::Host);
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

    /// A bank has said how a payment stands, or could not.
    pub(super) fn handle_status(&mut self, now: Now, txn: TxnId, step: Step, verdict: Verdict) {
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        let (state, is_wanted_back) = (payment.state, payment.is_cancelled || payment.is_revoked);
        let (stand, is_gone) = match verdict {
            Verdict::Status(progress) => (Some(self.stand(txn, progress)), false),
            Verdict::Failed(failure) => (None, failure.why == Failed::NotFound),
            _ => (None, false),
        };
        let Some(stand) = stand else {
            if is_gone {
                self.handle_gone(now, txn, state);
            } else {
                self.bridge.unseen.insert(txn);
            }
            return;
        };
        self.bridge.unseen.remove(&txn);
        self.bridge.learned.insert(txn, now.utc);
        if stand == Stand::Odd {
            self.open_case(now, txn, Case::Mismatch);
        }
        match (state, stand) {
            (PaymentState::Accepted, Stand::Settled) => {
                self.change(now, txn, |payment| payment.state = PaymentState::Settled);
            }
            (
                PaymentState::Accepted,
                Stand::Rejected(_) | Stand::Unapproved(_) | Stand::Cancelled,
            ) => {
                if !is_wanted_back {
                    // It was accepted, and its channel was told so.
                    self.open_case(now, txn, Case::Mismatch);
                }
                self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
            }
            (
                PaymentState::Expired | PaymentState::Cancelled | PaymentState::Rejected,
                Stand::Accepted | Stand::Settled,
            ) => {
                self.change(now, txn, |payment| payment.state = PaymentState::Late);
                self.open_case(now, txn, Case::LateCompletion);
            }
            _ if state.is_decided() => {}
            (_, Stand::Accepted | Stand::Settled) => {
                let to = match stand {
                    Stand::Settled => PaymentState::Settled,
                    _ => PaymentState::Accepted,
                };
                self.change(now, txn, |payment| payment.state = to);
                self.accept_payment(now, txn);
            }
            (_, Stand::Rejected(_)) => {
                self.change(now, txn, |payment| payment.state = PaymentState::Rejected);
                self.reject(now, txn, stand);
            }
            (_, Stand::Unapproved(_)) => self.refused_by_customer(now, txn, stand),
            (PaymentState::Cancelling, Stand::Cancelled) => self.cancelled(now, txn),
            // We have cancelled it, because nobody approved it.
            (PaymentState::Expiring, Stand::Cancelled) if step == Step::AfterCancel => {
                self.expire(now, txn);
            }
            (_, Stand::Cancelled) => {
                self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
                self.reject(now, txn, stand);
            }
            (PaymentState::Expiring, Stand::Waiting | Stand::Odd) if step == Step::LastPoll => {
                self.cancel_at_bank(now, txn);
            }
            (PaymentState::Expiring, Stand::Waiting | Stand::Odd) if self.is_refused_back(txn) => {
                self.expire(now, txn);
            }
            (PaymentState::Cancelling, Stand::Waiting | Stand::Odd)
                if self.is_refused_back(txn) =>
            {
                self.cancelled(now, txn);
            }
            // It waits on, or is taken back again.
            (_, Stand::Waiting | Stand::Odd) => {}
        }
    }

    /// The bank does not know a payment (any more).
    fn handle_gone(&mut self, now: Now, txn: TxnId, state: PaymentState) {
        match state {
            PaymentState::Expiring => self.expire(now, txn),
            PaymentState::Cancelling => self.cancelled(now, txn),
            _ => {}
        }
    }

    /// Whether the bank has answered, in this process, that it takes the payment back, would if
    /// its customer wanted, or does no such thing: then how it stands is the last word.
    fn is_refused_back(&self, txn: TxnId) -> bool {
        self.bridge.told_back.contains(&txn)
    }

    /// Its customer has refused a payment that the bank still has: the channel hears so, and the
    /// bank is told to let it go and asked later whether it did.
    pub(super) fn refused_by_customer(&mut self, now: Now, txn: TxnId, stand: Stand) {
        self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
        self.reject(now, txn, stand);
        self.cancel_at_bank(now, txn);
    }

    fn expire(&mut self, now: Now, txn: TxnId) {
        self.change(now, txn, |payment| payment.state = PaymentState::Expired);
        self.decide(now, txn, ResponseCode::OUTCOME_UNKNOWN, Reason::Unapproved);
    }

    fn cancelled(&mut self, now: Now, txn: TxnId) {
        self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        let response = match payment.told {
            _ if payment.is_cancelled => ResponseCode::CUSTOMER_CANCELLATION,
            _ if payment.is_revoked => ResponseCode::NOT_PERMITTED_TO_CUSTOMER,
            // Found after it was lost: what was said as a refusal stands.
            Some(code) => known_end(code),
            None => ResponseCode::NO_ACTION_TAKEN,
        };
        self.decide(now, txn, response, Reason::Cancelled);
    }

    /// A bank was told to take a payment back.
    pub(super) fn handle_cancel(&mut self, now: Now, txn: TxnId, verdict: &Verdict) {
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let is_done = matches!(verdict, Verdict::Cancelled);
        let is_late = matches!(verdict, Verdict::TooLate);
        let is_answered = match verdict {
            Verdict::Cancelled | Verdict::CancelPending => true,
            // A bank that takes nothing back at all.
            Verdict::Failed(failure) => failure.why == Failed::NotSupported,
            _ => false,
        };
        if is_answered {
            self.bridge.told_back.insert(txn);
        }
        match payment.state {
            PaymentState::Accepted | PaymentState::Settled if is_done => {
                self.change(now, txn, |payment| payment.state = PaymentState::Cancelled);
            }
            PaymentState::Accepted | PaymentState::Settled if is_late => {
                self.open_case(now, txn, Case::Compensation);
            }
            PaymentState::Cancelling if is_done => self.cancelled(now, txn),
            // How it stands says what came of it.
            PaymentState::Accepted
            | PaymentState::Settled
            | PaymentState::Cancelling
            | PaymentState::Expiring => self.poll(now, txn, Step::AfterCancel),
            _ => {}
        }
    }

    pub(super) fn poll(&mut self, now: Now, txn: TxnId, step: Step) {
        let Some((mut reference, bank)) = self.reference(txn) else { return };
        let is_wanted = self.durable.facts().payment(txn).is_some_and(|payment| {
            let may_end = match payment.state {
                PaymentState::Pending => true,
                PaymentState::Expiring => step == Step::LastPoll,
                _ => false,
            };
            may_end && !payment.is_cancelled && !payment.is_revoked
        });
        reference.may_complete = is_wanted;
        self.bridge.asked.insert(txn, now.tick);
        self.ask_about(txn, step, bank, Enquiry::Status(reference), BACKGROUND_MS, None);
    }

    /// The redirect of a payment brought a code back: its approval is completed, if it is waited
    /// for. Whoever knows the state can bring codes, so one at a time is asked about.
    pub(super) fn confirm_payment(&mut self, now: Now, txn: TxnId, state: [u8; 16], code: Secret) {
        let is_wanted = self.durable.facts().payment(txn).is_some_and(|payment| {
            payment.state == PaymentState::Pending && !payment.is_cancelled && !payment.is_revoked
        });
        let confirm = Asked::Payment(txn, Step::Confirm);
        let is_asked = self.bridge.asks.values().any(|asked| *asked == confirm);
        let reference = self.reference(txn).filter(|_| is_wanted && !is_asked);
        let Some((mut reference, bank)) = reference else { return self.look_curiously(now, txn) };
        reference.may_complete = true;
        let subject = Box::new(Confirmed::Payment(reference));
        let verifier = order::verifier(&self.plan.digest_key, &state);
        let enquiry = Enquiry::Confirm { subject, code, state, verifier };
        self.bridge.asked.insert(txn, now.tick);
        self.ask_about(txn, Step::Confirm, bank, enquiry, BACKGROUND_MS, None);
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

    fn reference(&self, txn: TxnId) -> Option<(PaymentRef, BankId)> {
        let payment = self.durable.facts().payment(txn)?;
        let (bank, _) = self.bank_of(txn)?;
        let reference = PaymentRef {
            payment: payment.payment.clone(),
            product: payment.product.clone(),
            debtor: payment.debtor.clone(),
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
        let Some((bank, plan)) = self.bank_of(txn) else {
            // Its bank is no longer in the configuration.
            return self.open_case(now, txn, Case::Unresolved);
        };
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
            PaymentState::Accepted | PaymentState::Settled if wants_money_back(&payment) => {
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

    /// Looks for a payment of which nobody knows whether its bank has it.
    pub(super) fn search(&mut self, now: Now, txn: TxnId, bank: BankId, payment: &Payment) {
        let intent = self.durable.intent(txn).cloned();
        let Some(order) =
            intent.map(|intent| order::order(&self.plan.digest_key, &intent, payment))
        else {
            return self.open_case(now, txn, Case::Unresolved);
        };
        let plan = self.bank(bank);
        let in_time = plan.is_some_and(|plan| since(now, payment.utc) < plan.approval_ms);
        let promised = [None, Some(ResponseCode::IN_PROGRESS), Some(ResponseCode::OUTCOME_UNKNOWN)];
        // Sent again it may be executed now; so only while its channel still expects that.
        let may_repeat = plan.is_some_and(|plan| plan.deduplicates)
            && payment.state == PaymentState::Unknown
            && in_time
            && !payment.is_cancelled
            && !payment.is_revoked
            && promised.contains(&payment.told);
        let debtor = (payment.debtor.consent.as_str(), payment.debtor.resource.as_str());
        let mut after = None;
        if !may_repeat {
            after = self.may_read(now, debtor, bank, Endpoint::Transactions);
            if after.is_none() {
                return;
            }
        }
        let (order, since) = (Box::new(order), payment.utc);
        let enquiry = Enquiry::Search { order, since, may_repeat };
        self.ask_about(txn, Step::Search, bank, enquiry, BACKGROUND_MS, after);
    }

    /// Plans the next step of a payment, or ends it.
    pub(super) fn plan_payment(&mut self, now: Now, txn: TxnId) {
        self.settle_reversals(now, txn, None);
        if self.bridge.asking.contains(&txn) {
            return;
        }
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let approval = self.bank_of(txn).map_or(300_000, |(_, plan)| plan.approval_ms);
        let elapsed = since(now, payment.utc);
        let sweep = schedule::next_sweep(elapsed, approval);
        let poll = schedule::next_poll(elapsed, approval);
        let again = |switch: &mut Self| {
            let tries = switch.bridge.try_again(&Task::Payment(txn));
            Some(elapsed + schedule::retry(tries, CANCEL_MS.0, CANCEL_MS.1))
        };
        let at = match payment.state {
            // Its verdict comes, or the process ends.
            PaymentState::Initiating => None,
            PaymentState::Pending => Some(poll),
            PaymentState::Expiring | PaymentState::Cancelling if sweep.is_none() => {
                // A day of asking, and the bank never said what came of it.
                self.open_case(now, txn, Case::Unresolved);
                None
            }
            PaymentState::Expiring | PaymentState::Cancelling => again(self),
            PaymentState::Unknown => match schedule::next_search(elapsed, approval) {
                Some(at) => Some(at),
                None => {
                    self.open_case(now, txn, Case::Unresolved);
                    None
                }
            },
            PaymentState::Accepted | PaymentState::Settled
                if wants_money_back(&payment) && !payment.payment.is_empty() =>
            {
                if sweep.is_none() {
                    self.open_case(now, txn, Case::Compensation);
                }
                sweep.and_then(|_| again(self))
            }
            PaymentState::Accepted if payment.payment.is_empty() => {
                schedule::next_search(elapsed, approval)
            }
            PaymentState::Accepted if elapsed < approval => Some(poll),
            PaymentState::Accepted => sweep,
            PaymentState::Cancelled | PaymentState::Expired if !payment.payment.is_empty() => {
                if sweep.is_none() && self.bridge.unseen.contains(&txn) {
                    // The last look saw nothing.
                    self.open_case(now, txn, Case::Unresolved);
                }
                sweep
            }
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
    /// of it, or is just being told, or a person is to look.
    pub(super) fn end_if_over(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        let is_busy = self.bridge.asking.contains(&txn)
            || self.bridge.due.contains_key(&Task::Payment(txn))
            || self.bridge.delivering.contains_key(&txn);
        if is_busy
            || payment.case.is_some()
            || payment.advice.is_some()
            || !payment.state.is_decided()
        {
            return;
        }
        let mut payment = payment.clone();
        self.settle_reversals(now, txn, Some(!payment.state.has_moved()));
        payment.is_over = true;
        self.establish(now, Fact::Payment(payment));
        self.forget_payment(txn);
    }

    /// Forgets what is only live of a payment.
    pub(super) fn forget_payment(&mut self, txn: TxnId) {
        self.bridge.unplan(&Task::Payment(txn));
        self.bridge.unplan(&Task::Advice(txn));
        self.bridge.asked.remove(&txn);
        self.bridge.unseen.remove(&txn);
        self.bridge.learned.remove(&txn);
        self.bridge.told_back.remove(&txn);
        self.bridge.delivering.remove(&txn);
        self.bridge.tries.remove(&Task::Payment(txn));
        self.bridge.advices.forget(txn);
        self.durable.forget(txn);
    }

    /// For how long the bank of a payment that is not decided has not said how it stands, in
    /// milliseconds, where that is longest; 0 if there is none. After a restart it is counted from
    /// when the payment was received until its bank says something again. What waits for a person
    /// because nobody could find out is asked about no more.
    #[must_use]
    pub fn payments_lag(&self, now: Now) -> u64 {
        let open = self.durable.facts().payments().filter(|payment| {
            !payment.state.is_decided() && payment.case != Some(Case::Unresolved)
        });
        let lags = open.map(|payment| {
            let learned = self.bridge.learned.get(&payment.txn);
            since(now, learned.copied().unwrap_or(payment.utc))
        });
        lags.max().unwrap_or_default()
    }

    /// Asks a bank about a payment because a channel wants to know, unless it was asked just now.
    pub(super) fn look_curiously(&mut self, now: Now, txn: TxnId) {
        let is_open = self.durable.facts().payment(txn).is_some_and(|payment| {
            let is_open = matches!(
                payment.state,
                PaymentState::Pending
                    | PaymentState::Accepted
                    // Executed after all: whoever says so is believed enough to ask.
                    | PaymentState::Expired
                    | PaymentState::Cancelled
            );
            is_open && !payment.payment.is_empty()
        });
        let last = self.bridge.asked.get(&txn).copied();
        let is_fresh = last.is_some_and(|last| last.after_ms(CURIOUS_MS) > now.tick);
        if is_open && !is_fresh && !self.bridge.asking.contains(&txn) {
            self.bridge.unplan(&Task::Payment(txn));
            self.step_payment(now, txn);
        }
    }
}

/// Whether a payment that is executed, or will be, is wanted back and nobody looks at it yet.
fn wants_money_back(payment: &Payment) -> bool {
    payment.is_cancelled && payment.case != Some(Case::Compensation)
}

/// How something ended of which its channel heard this code: 68 was no end.
const fn known_end(told: ResponseCode) -> ResponseCode {
    match told {
        ResponseCode::OUTCOME_UNKNOWN | ResponseCode::IN_PROGRESS => ResponseCode::NO_ACTION_TAKEN,
        other => other,
    }
}
