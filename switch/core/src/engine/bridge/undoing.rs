//! Taking payments at banks back, taking them up again after a start, and what only a person can
//! settle.

use super::{Switch, Task};
use crate::bridge::order;
use crate::contract::Action;
use crate::event::Event;
use crate::fact::{Case, Fact, Linked, Payment, PaymentState};
use crate::keys::{Fate, Known};
use crate::record::{DuplicateKey, Intent, Reason, TxnId};
use crate::time::Now;
use veksel_codecs::ResponseCode;

impl Switch {
    /// A person must look at a payment. A graver reason takes the place of a lighter one.
    pub(super) fn open_case(&mut self, now: Now, txn: TxnId, case: Case) {
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        if payment.case.is_some_and(|open| gravity(open) >= gravity(case)) {
            return;
        }
        self.change(now, txn, |payment| payment.case = Some(case));
        self.count(Event::Case { txn, case });
        self.settle_reversals(now, txn, None);
    }

    /// The channel takes a payment back.
    pub(in crate::engine) fn cancel_payment(&mut self, now: Now, known: &Known) {
        let txn = known.intent.txn;
        if self.is_before_order(txn) {
            let outcome = (ResponseCode::CUSTOMER_CANCELLATION, Reason::Cancelled);
            return self.decline_unordered(now, txn, outcome, String::new());
        }
        let Some(payment) = self.durable.facts().payment(txn).cloned() else {
            // A hold has reserved nothing, so nothing of it is to be undone.
            let is_payment = known.intent.key.class == b'2';
            let moved = is_payment && known.is_approved() && known.undone.is_none();
            if moved && matches!(known.fate, Fate::Decided { .. }) {
                self.reopen(now, &known.intent, Case::Compensation);
            }
            return;
        };
        if payment.is_cancelled {
            return;
        }
        let state = match payment.state {
            PaymentState::Pending => PaymentState::Cancelling,
            other => other,
        };
        self.change(now, txn, |payment| {
            payment.is_cancelled = true;
            payment.state = state;
        });
        // What is lost is not searched sooner for this.
        if state != PaymentState::Unknown && !self.bridge.asking.contains(&txn) {
            self.bridge.unplan(&Task::Payment(txn));
            self.step_payment(now, txn);
        }
    }

    /// A payment that was over, or that nobody here knows any more, is taken back: a person must
    /// see to the money.
    pub(in crate::engine) fn reopen(
        &mut self,
        now: Now,
        intent: &std::sync::Arc<Intent>,
        case: Case,
    ) {
        self.durable.revive(intent);
        let payment = Payment {
            txn: intent.txn,
            utc: intent.utc,
            bank: intent.group.clone(),
            state: PaymentState::Settled,
            key: order::payment_key(&intent.key, &intent.forwarder),
            is_cancelled: true,
            case: Some(case),
            ..Payment::default()
        };
        self.establish(now, Fact::Payment(payment));
        self.count(Event::Case { txn: intent.txn, case });
    }

    /// A channel takes back what nobody here knows. The case says what the reversal tells of it:
    /// whose account at which bank, who was paid, and by which key the bank was asked.
    pub(in crate::engine) fn reopen_unknown(
        &mut self,
        now: Now,
        reversal: &std::sync::Arc<Intent>,
        named: Option<&DuplicateKey>,
        linked: Option<&Linked>,
    ) {
        self.durable.revive(reversal);
        let key = named.unwrap_or(&reversal.key);
        let payment = Payment {
            txn: reversal.txn,
            utc: reversal.utc,
            bank: linked.map(|linked| linked.bank.clone()).unwrap_or_default(),
            state: PaymentState::Settled,
            key: order::payment_key(key, &reversal.forwarder),
            debtor: linked.map(order::account).unwrap_or_default(),
            creditor: reversal.counter_account.trim().to_owned(),
            is_cancelled: true,
            case: Some(Case::Unresolved),
            ..Payment::default()
        };
        self.establish(now, Fact::Payment(payment));
        self.count(Event::Case { txn: reversal.txn, case: Case::Unresolved });
    }

    /// A payment that the journal left open goes on.
    pub(super) fn resume_payment(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        if self.durable.intent(txn).is_none() {
            // The store refused its intent, or has let it go: it never was, or is over.
            let over = Payment { is_over: payment.case.is_none(), ..payment };
            if over.is_over {
                self.establish(now, Fact::Payment(over));
            }
            return;
        }
        if payment.state == PaymentState::Initiating {
            // Whether its order left, nobody knows.
            self.change(now, txn, |payment| {
                payment.state = PaymentState::Unknown;
                payment.told.get_or_insert(ResponseCode::OUTCOME_UNKNOWN);
            });
        }
        if payment.state.is_decided() && !self.durable.is_decided(txn) {
            // One batch has both, so this is for a journal that was mended by hand.
            if payment.state.has_moved() {
                self.accept_payment(now, txn);
            } else {
                self.decide(now, txn, ResponseCode::OUTCOME_UNKNOWN, Reason::Restart);
            }
        } else if payment.state.has_moved() && !payment.is_cancelled && payment.case.is_none() {
            // Whether its approval reached the channel, nobody knows.
            self.advise(now, txn, ResponseCode::APPROVED);
        }
        if payment.advice.is_some() {
            self.bridge.plan(Task::Advice(txn), now.tick);
        }
        self.plan_payment(now, txn);
    }

    /// The store refused the intent of a payment: the fact beside it goes too.
    pub(in crate::engine) fn refuse_payment(&mut self, now: Now, txn: TxnId) {
        if let Some(payment) = self.durable.facts().payment(txn).cloned() {
            self.establish(now, Fact::Payment(Payment { is_over: true, ..payment }));
            self.forget_payment(txn);
        }
    }

    /// A person decides about a case: it is dealt with, or the bank is to be asked once more.
    /// `false` if there is none.
    pub(in crate::engine) fn decide_case(&mut self, now: Now, txn: TxnId, action: Action) -> bool {
        let payment = self.durable.facts().payment(txn);
        let Some((case, state)) = payment.map(|payment| (payment.case, payment.state)) else {
            return false;
        };
        match (case, action) {
            (None, _) | (_, Action::Park) => return false,
            // The case stays: only who asked closes it.
            (Some(_), Action::Retry) => self.step_payment(now, txn),
            (Some(_), Action::Resolve) => self.close_case(now, txn, state),
        }
        true
    }

    fn close_case(&mut self, now: Now, txn: TxnId, state: PaymentState) {
        match state {
            // The bank has it and somebody could approve it yet: it is taken back first.
            PaymentState::Pending | PaymentState::Expiring | PaymentState::Cancelling => {
                self.change(now, txn, |payment| {
                    payment.case = None;
                    payment.state = PaymentState::Cancelling;
                });
                self.bridge.tries.remove(&Task::Payment(txn));
                self.step_payment(now, txn);
                return;
            }
            PaymentState::Initiating | PaymentState::Unknown => {
                self.change(now, txn, |payment| {
                    payment.case = None;
                    payment.state = PaymentState::Rejected;
                });
                self.decide(now, txn, ResponseCode::NO_ACTION_TAKEN, Reason::Host);
            }
            PaymentState::Accepted
            | PaymentState::Settled
            | PaymentState::Rejected
            | PaymentState::Cancelled
            | PaymentState::Expired
            | PaymentState::Late => {
                self.change(now, txn, |payment| payment.case = None);
            }
        }
        self.bridge.unplan(&Task::Payment(txn));
        self.end_if_over(now, txn);
    }

    /// A customer lost the right to pay: what is not executed is taken back, what is, a person
    /// looks at.
    pub(super) fn revoke_payments(&mut self, now: Now, customer: &str) {
        let is_theirs = |payment: &&Payment| payment.debtor.customer == customer;
        let payments: Vec<_> = self
            .durable
            .facts()
            .payments()
            .filter(is_theirs)
            .map(|payment| (payment.txn, payment.state))
            .collect();
        for (txn, state) in payments {
            match state {
                PaymentState::Initiating | PaymentState::Unknown | PaymentState::Pending => {
                    let to = match state {
                        PaymentState::Pending => PaymentState::Cancelling,
                        other => other,
                    };
                    self.change(now, txn, |payment| {
                        payment.is_revoked = true;
                        payment.state = to;
                    });
                    if to == PaymentState::Cancelling {
                        self.bridge.plan(Task::Payment(txn), now.tick);
                    }
                }
                PaymentState::Accepted => self.open_case(now, txn, Case::Revoked),
                _ => {}
            }
        }
    }
}

/// Which of two reasons a person should see.
const fn gravity(case: Case) -> u8 {
    match case {
        Case::Unresolved => 1,
        Case::Unpaid => 2,
        Case::Revoked => 3,
        Case::Mismatch => 4,
        Case::LateCompletion => 5,
        Case::Compensation => 6,
    }
}
