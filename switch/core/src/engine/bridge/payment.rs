//! Payments at banks: begun once, followed until they are decided, taken back when they must be.
//!
//! Every change of state is a fact, durable before anybody is told. What happens next follows
//! from the fact and the calendar alone, so a restart goes on where the journal stands.

use super::inquiry::reason_of;
use super::{Asked, Stand, Step, Switch, bank_account};
use crate::answer::{Decline, Granted};
use crate::bridge::gate;
use crate::bridge::order::{self, Payee, Unpayable};
use crate::bridge::said::{Private, response};
use crate::engine::duplicate::Seeking;
use crate::enquiry::{Addressee, Enquiry, Failed, Failure, Initiated, Money, Progress, Verdict};
use crate::event::{Event, Kind};
use crate::fact::{ApprovalMode, ConsentStatus, Fact, Linked, Payment, PaymentState};
use crate::facts::Subject;
use crate::intent::{self, Way};
use crate::plan::{BankId, BankPlan, GroupId};
use crate::record::{Intent, Reason, Record, RecordId, TxnId};
use crate::time::Now;
use std::sync::Arc;
use veksel_codecs::{ResponseCode, field};

/// The group of what never goes to one.
const NOWHERE: GroupId = GroupId(u16::MAX);

impl Switch {
    /// A payment from a linked account: gated, recorded, begun.
    pub(super) fn pay_at_bank(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: usize,
        linked: &Linked,
        bank: BankId,
    ) {
        let intent = self.intend_at_bank(now, &seeking, route, bank);
        let payee = match self.judge_payment(now, &intent, linked, bank) {
            Ok(payee) => payee,
            Err(response) => {
                let said = Private::default();
                return self.answer_from_here(now, seeking, Some(bank), response, &said);
            }
        };
        match self.room_for(&intent) {
            Ok(()) => {}
            Err(ResponseCode::DUPLICATE) => {
                return self.answer_at_once(seeking, Decline::DUPLICATE);
            }
            Err(_) => {
                let (why, reason) = (Decline::HOST_UNAVAILABLE, Reason::Overload);
                return self.refuse(now, seeking, why, reason, None);
            }
        }
        let txn = self.durable.next_txn();
        let intent = Arc::new(Intent { txn, ..intent });
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = self.bank_deadline(seeking.arrived, bank, Kind::Payment);
        self.hold(seeking, (txn, route), linked, bank, (received, deadline));
        // What waits for a refused intent is never sent, so the order waits for the intent.
        let after = self.persist(Record::Intent(Arc::clone(&intent)));
        match self.bill_to_ask(&intent) {
            Some(billed) => self.ask_for_bill(now, txn, billed, deadline, after),
            None => self.order_payment(now, (&intent, Some(after)), linked, bank, payee),
        }
    }

    /// Whether one more payment can be followed, and told from those that are.
    pub(super) fn room_for(&self, intent: &Intent) -> Result<(), ResponseCode> {
        let facts = self.durable.facts();
        if facts.payments_len() >= self.plan.limits.payments_max as usize {
            return Err(ResponseCode::HOST_UNAVAILABLE);
        }
        let key = order::payment_key(&intent.key, &intent.forwarder);
        match facts.payment_with(&key) {
            // Of another participant that calls it the same: a bank could not tell them apart.
            Some(_) => Err(ResponseCode::DUPLICATE),
            None => Ok(()),
        }
    }

    /// Orders a payment whose request is held, after the record of its intent if that is not
    /// durable yet.
    pub(super) fn order_payment(
        &mut self,
        now: Now,
        (intent, after): (&Arc<Intent>, Option<RecordId>),
        linked: &Linked,
        bank: BankId,
        payee: Payee,
    ) {
        let txn = intent.txn;
        let key = order::payment_key(&intent.key, &intent.forwarder);
        let secret = &self.plan.digest_key;
        let token = order::token(secret, "return", &[&key[..], &txn.0.to_be_bytes()].concat());
        let payment = Payment {
            txn,
            utc: intent.utc,
            bank: self.bank(bank).map(|bank| bank.name.clone()).unwrap_or_default(),
            key,
            token,
            link: order::link_id(secret, txn),
            debtor: bank_account(linked),
            creditor: payee.account,
            creditor_name: payee.name,
            reference: payee.reference,
            ..Payment::default()
        };
        let order = order::order(secret, intent, &payment);
        let begun = self.establish(now, Fact::Payment(payment));
        self.count(Event::Payment { bank, state: PaymentState::Initiating });
        let deadline = self.bridge.held.get(&txn).map_or(now.tick, |held| held.deadline);
        let within_ms = deadline.since(now.tick) / 1_000_000;
        let enquiry = Enquiry::Initiate(Box::new(order));
        let after = after.unwrap_or(begun);
        self.ask_about(txn, Step::Initiate, bank, enquiry, within_ms, Some(after));
    }

    /// A hold on a linked account: its bank says whether the money is there, and reserves nothing.
    pub(super) fn ask_for_funds(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: usize,
        linked: &Linked,
        bank: BankId,
    ) {
        let intent = self.intend_at_bank(now, &seeking, route, bank);
        let amount = Money { minor: intent.amount, currency: intent.currency };
        let gate = self.gate(now, linked, amount);
        let valid = linked.status == ConsentStatus::Valid;
        let consent = valid.then_some(()).ok_or(ResponseCode::NOT_PERMITTED_TO_CUSTOMER);
        if let Err(response) = gate.and(consent) {
            let said = Private::default();
            return self.answer_from_here(now, seeking, Some(bank), response, &said);
        }
        let txn = self.durable.next_txn();
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = self.bank_deadline(seeking.arrived, bank, Kind::Hold);
        let account = bank_account(linked);
        self.hold(seeking, (txn, route), linked, bank, (received, deadline));
        let after = self.persist(Record::Intent(Arc::new(Intent { txn, ..intent })));
        let within_ms = deadline.since(now.tick) / 1_000_000;
        let enquiry = Enquiry::Funds { account, amount };
        self.ask_about(txn, Step::Funds, bank, enquiry, within_ms, Some(after));
    }

    pub(in crate::engine) fn intend_at_bank(
        &mut self,
        now: Now,
        seeking: &Seeking,
        route: usize,
        bank: BankId,
    ) -> Intent {
        let (link, caller_key) = (seeking.connection.link, seeking.caller_key);
        let way = Way { link, route, group: NOWHERE, stan: 0, caller_key };
        let key = seeking.key.clone();
        let mut intent =
            intent::of(&self.plan, TxnId::default(), now.utc, key, &seeking.message, way);
        intent.group = self.bank(bank).map(|bank| bank.name.clone()).unwrap_or_default();
        intent.carried = intent::carried(&seeking.message);
        if let Some(text) = seeking.message.get(field::RECORD_DATA) {
            let text = text.trimmed().to_owned();
            intent.carried.push((field::RECORD_DATA.number().get(), text));
        }
        if let Some(name) = self.old_route(route) {
            name.clone_into(&mut intent.route);
        }
        intent
    }

    /// Who is paid, or why nobody is.
    pub(super) fn judge_payment(
        &self,
        now: Now,
        intent: &Intent,
        linked: &Linked,
        bank: BankId,
    ) -> Result<Payee, ResponseCode> {
        let payee = order::payee(&self.plan, intent).map_err(|why| match why {
            Unpayable::Direction => ResponseCode::NOT_PERMITTED_TO_CUSTOMER,
            Unpayable::Code | Unpayable::Biller => ResponseCode::NOT_SUPPORTED,
            Unpayable::Acceptor => ResponseCode::INVALID_MERCHANT,
            Unpayable::Account => ResponseCode::INVALID_ACCOUNT,
        })?;
        if intent.amount == 0 {
            return Err(ResponseCode::INVALID_AMOUNT);
        }
        if matches!(linked.status, ConsentStatus::Gone | ConsentStatus::Asking) {
            return Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER);
        }
        let amount = Money { minor: intent.amount, currency: intent.currency };
        self.gate(now, linked, amount)?;
        match self.bank(bank) {
            Some(plan) if plan.mode == ApprovalMode::SoftDecline => Err(plan.soft_decline),
            Some(_) | None => Ok(payee),
        }
    }

    pub(super) fn gate(
        &self,
        now: Now,
        linked: &Linked,
        amount: Money,
    ) -> Result<(), ResponseCode> {
        let customer = self.durable.facts().customer(&linked.customer);
        gate::judge(&self.plan.kyc, customer, amount, now.utc)
    }

    pub(super) fn ask_about(
        &mut self,
        txn: TxnId,
        step: Step,
        bank: BankId,
        enquiry: Enquiry,
        within_ms: u64,
        after: Option<RecordId>,
    ) {
        self.bridge.asking.insert(txn);
        let (asked, to) = (Asked::Payment(txn, step), Addressee::Bank(bank));
        self.ask(asked, to, enquiry, within_ms, after);
    }

    pub(super) fn handle_payment_verdict(
        &mut self,
        now: Now,
        txn: TxnId,
        step: Step,
        verdict: Verdict,
    ) {
        if step == Step::Bill {
            return self.handle_bill(now, txn, verdict);
        }
        self.bridge.asking.remove(&txn);
        self.bridge.asked.insert(txn, now.tick);
        if step == Step::Funds {
            return self.handle_funds(now, txn, verdict);
        }
        if self.durable.facts().payment(txn).is_none() {
            return;
        }
        match step {
            Step::Initiate => self.handle_initiated(now, txn, verdict),
            Step::Search => self.handle_search(now, txn, verdict),
            Step::Poll | Step::Confirm | Step::LastPoll | Step::AfterCancel => {
                self.handle_status(now, txn, step, verdict);
            }
            Step::Cancel => self.handle_cancel(now, txn, &verdict),
            Step::Funds | Step::Bill => {}
        }
        self.plan_payment(now, txn);
    }

    pub(super) fn handle_funds(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        self.bridge.asked.remove(&txn);
        let (response, reason, code) = match verdict {
            Verdict::Funds(true) => (ResponseCode::APPROVED, Reason::Host, String::new()),
            Verdict::Funds(false) => {
                (ResponseCode::INSUFFICIENT_FUNDS, Reason::Host, String::new())
            }
            Verdict::Failed(failure) => {
                if failure.why == Failed::NotPermitted
                    && let Some(linked) = self.linked_of(txn)
                {
                    self.expire_consent(now, linked);
                }
                (response(failure.why), reason_of(failure.why), failure.code)
            }
            _ => (ResponseCode::SYSTEM_MALFUNCTION, Reason::Host, String::new()),
        };
        let leave = Granted::funds(response == ResponseCode::APPROVED);
        let said = Private { code, ..Private::default() };
        let approval = leave.map(|_| {
            let intent = self.durable.intent(txn);
            let key = intent.map(|intent| order::payment_key(&intent.key, &intent.forwarder));
            order::approval(&key.unwrap_or_default())
        });
        self.conclude_at_bank(now, txn, (response, reason), leave, approval, &said);
        self.durable.forget(txn);
    }

    pub(super) fn handle_initiated(&mut self, now: Now, txn: TxnId, verdict: Verdict) {
        match verdict {
            Verdict::Initiated(initiated) => self.take_in(now, txn, initiated, false),
            Verdict::Failed(failure) if failure.is_open => self.lose(now, txn, &failure),
            Verdict::Failed(failure) => {
                if failure.why == Failed::NotPermitted
                    && let Some(linked) = self.linked_of(txn)
                {
                    self.expire_consent(now, linked);
                }
                let (code, reason) = (failure.code, reason_of(failure.why));
                self.change(now, txn, |payment| {
                    payment.state = PaymentState::Rejected;
                    payment.code = code;
                });
                self.decide(now, txn, response(failure.why), reason);
            }
            // An adapter that says something else has not understood the bank.
            _ => {
                let failure = Failure { is_open: true, ..Failure::before(Failed::Malfunction) };
                self.lose(now, txn, &failure);
            }
        }
    }

    /// The bank has a payment. `was_lost` if it was found after nobody knew: its customer was
    /// never told where to approve it, so it is taken back unless it is executed.
    pub(super) fn take_in(&mut self, now: Now, txn: TxnId, initiated: Initiated, was_lost: bool) {
        let Initiated { payment: name, product, progress, approve, .. } = initiated;
        self.bridge.learned.insert(txn, now.utc);
        let stand = self.stand(txn, progress);
        let wants_back = was_lost || self.is_wanted_back(txn);
        let state = match stand {
            Stand::Waiting | Stand::Odd if wants_back => PaymentState::Cancelling,
            Stand::Waiting | Stand::Odd => PaymentState::Pending,
            Stand::Accepted => PaymentState::Accepted,
            Stand::Settled => PaymentState::Settled,
            Stand::Rejected(_) => PaymentState::Rejected,
            Stand::Unapproved(_) | Stand::Cancelled => PaymentState::Cancelled,
        };
        let record = self.change(now, txn, |payment| {
            payment.payment = name;
            payment.product = product;
            payment.approve = approve.unwrap_or_default();
            payment.state = state;
        });
        match stand {
            Stand::Waiting | Stand::Odd if wants_back => {}
            Stand::Waiting | Stand::Odd => self.wait_for_approval(now, txn, record),
            Stand::Accepted | Stand::Settled => self.accept_payment(now, txn),
            Stand::Unapproved(_) => self.refused_by_customer(now, txn, stand),
            Stand::Rejected(_) | Stand::Cancelled => self.reject(now, txn, stand),
        }
    }

    /// Changes a payment by a fact.
    pub(super) fn change(
        &mut self,
        now: Now,
        txn: TxnId,
        change: impl FnOnce(&mut Payment),
    ) -> RecordId {
        let Some(before) = self.durable.facts().payment(txn) else { return RecordId::default() };
        let mut payment = before.clone();
        change(&mut payment);
        let (from, to) = (before.state, payment.state);
        let record = self.establish(now, Fact::Payment(payment));
        if from != to
            && let Some((bank, _)) = self.bank_of(txn)
        {
            self.count(Event::Payment { bank, state: to });
        }
        record
    }

    pub(super) fn stand(&self, txn: TxnId, progress: Progress) -> Stand {
        let accept = self.bank_of(txn).map(|(_, plan)| plan.accept.clone()).unwrap_or_default();
        Stand::of(&accept, progress)
    }

    pub(super) fn mode(&self, txn: TxnId) -> ApprovalMode {
        self.bank_of(txn).map(|(_, plan)| plan.mode).unwrap_or_default()
    }

    /// Whether a payment is to be taken back: by its channel, or for its customer's sake.
    pub(super) fn is_wanted_back(&self, txn: TxnId) -> bool {
        let payment = self.durable.facts().payment(txn);
        payment.is_some_and(|payment| payment.is_cancelled || payment.is_revoked)
    }

    pub(super) fn bank_of(&self, txn: TxnId) -> Option<(BankId, &BankPlan)> {
        let payment = self.durable.facts().payment(txn)?;
        let id = self.bank_named(&payment.bank)?;
        Some((id, self.bank(id)?))
    }

    /// The link of a payment's account, if it is still the one that the payment was begun under.
    /// A request that names a card has no account of its own.
    pub(super) fn linked_of(&self, txn: TxnId) -> Option<Linked> {
        let facts = self.durable.facts();
        if let Some(held) = self.bridge.held.get(&txn) {
            let linked = facts.linked(&held.account)?;
            return (linked.state == held.state).then(|| linked.clone());
        }
        let payment = facts.payment(txn)?;
        match facts.named(&payment.bank, &payment.debtor.consent)? {
            Subject::Account(account) => facts.linked(account).cloned(),
            Subject::Payment(_) => None,
        }
    }
}
