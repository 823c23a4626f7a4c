//! Bills: who collects for a biller is asked first whether there is such a bill, and nothing is
//! ordered before that is said (http-contracts 4.1).
//!
//! The payment is recorded and its channel waits meanwhile, as with every other; so copies of it
//! wait too, and a restart declines it. Its fact begins with the order: where there is none, no
//! bank was asked for anything. The biller is asked and not paid, so silence of his leaves nothing
//! open, and its channel hears 91, which it may try again.

use super::inquiry::reason_of;
use super::{Asked, Step, Switch};
use crate::bridge::order;
use crate::bridge::said::{Private, response};
use crate::enquiry::{Addressee, Billed, Enquiry, Failed, Failure, Verdict};
use crate::event::Kind;
use crate::record::{Intent, Reason, RecordId, TxnId};
use crate::time::{Now, Tick};
use veksel_codecs::ResponseCode;

impl Switch {
    /// The bill that is asked about before this is paid; `None` if nobody is.
    pub(super) fn bill_to_ask(&self, intent: &Intent) -> Option<Billed> {
        let billed = order::billed(intent).filter(|_| self.plan.asks_billers)?;
        // Whatever a customer of no number owes cannot be asked.
        let is_named = !billed.reference.is_empty() || !billed.number.is_empty();
        is_named.then_some(billed)
    }

    /// Asks about the bill of a payment that is held. The bank needs its part of the time.
    pub(super) fn ask_for_bill(
        &mut self,
        now: Now,
        txn: TxnId,
        billed: Billed,
        deadline: Tick,
        after: RecordId,
    ) {
        let within_ms = deadline.since(now.tick) / 2_000_000;
        let asked = Asked::Payment(txn, Step::Bill);
        self.ask(asked, Addressee::Biller, Enquiry::Bill(billed), within_ms, Some(after));
    }

    /// What was said of the bill: if it is one in the currency of the payment, that goes on. How
    /// much is due is between the customer and the biller, who takes parts too.
    pub(super) fn handle_bill(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        let is_waited_for = self.is_before_order(txn);
        let Some(intent) = self.durable.intent(txn).cloned().filter(|_| is_waited_for) else {
            // Its channel took it back, or its time is over: nothing is ordered for nobody.
            return;
        };
        let (response, reason, code) = match verdict {
            Verdict::Bill(due) if due.currency == intent.currency => {
                match self.order_after_bill(now, &intent) {
                    Ok(()) => return,
                    Err((response, reason)) => (response, reason, String::new()),
                }
            }
            Verdict::Bill(_) => (ResponseCode::INVALID_TRANSACTION, Reason::Host, String::new()),
            // No byte of an order was written.
            Verdict::Failed(failure) if failure.why == Failed::Late => {
                (ResponseCode::HOST_UNAVAILABLE, Reason::Expired, failure.code)
            }
            Verdict::Failed(failure) => {
                (response(failure.why), reason_of(failure.why), failure.code)
            }
            _ => (ResponseCode::SYSTEM_MALFUNCTION, Reason::Host, String::new()),
        };
        self.decline_unordered(now, txn, (response, reason), code);
    }

    /// Whether a payment is held and nothing of it was ordered.
    pub(super) fn is_before_order(&self, txn: TxnId) -> bool {
        let is_held = self.bridge.held.get(&txn).is_some_and(|held| held.kind == Kind::Payment);
        is_held && self.durable.facts().payment(txn).is_none()
    }

    /// A payment ends of which nothing was ordered.
    pub(super) fn decline_unordered(
        &mut self,
        now: Now,
        txn: TxnId,
        outcome: (ResponseCode, Reason),
        code: String,
    ) {
        let said = Private { code, ..Private::default() };
        self.conclude_at_bank(now, txn, outcome, None, None, &said);
        self.durable.forget(txn);
    }

    /// Nobody said anything of a bill in time.
    pub(super) fn give_up_bill(&mut self, now: Now, txn: TxnId) {
        self.handle_bill(now, txn, Verdict::Failed(Failure::before(Failed::Late)));
    }

    /// The bill is there: the payment is judged once more, because its link or its customer may
    /// have changed meanwhile, and ordered.
    fn order_after_bill(
        &mut self,
        now: Now,
        intent: &std::sync::Arc<Intent>,
    ) -> Result<(), (ResponseCode, Reason)> {
        let gate = |response| (response, Reason::Gate);
        let unlinked = gate(ResponseCode::NOT_PERMITTED_TO_CUSTOMER);
        let linked = self.linked_of(intent.txn).ok_or(unlinked)?;
        let bank = self.bank_named(&linked.bank).ok_or(unlinked)?;
        let payee = self.judge_payment(now, intent, &linked, bank).map_err(gate)?;
        self.room_for(intent).map_err(|response| match response {
            ResponseCode::DUPLICATE => (response, Reason::Duplicate),
            _ => (response, Reason::Overload),
        })?;
        self.order_payment(now, (intent, None), &linked, bank, payee);
        Ok(())
    }
}
