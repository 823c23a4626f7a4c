//! Whether an account has an amount (DE3 30 with DE4): the bank confirms it, and where it offers no
//! such thing, its balances say so (http-contracts 4.1).

use super::inquiry::is_valid;
use super::{Asked, Switch, bank_account, code_of};
use crate::answer::{Decline, Granted, decline, grant};
use crate::bridge::said::set_balances;
use crate::engine::duplicate::Seeking;
use crate::enquiry::{Addressee, Balances, Enquiry, Failed, Failure, Money, Verdict};
use crate::fact::{Endpoint, Linked};
use crate::plan::BankId;
use crate::record::{Reason, TxnId};
use crate::time::Now;
use veksel_codecs::{Message, ResponseCode, field};

/// The amount a request asks about; `None` if it asks for balances.
pub(super) fn wanted(message: &Message, linked: &Linked) -> Option<Money> {
    let minor = message.get(field::AMOUNT).filter(|minor| *minor > 0)?;
    let currency = message.get(field::CURRENCY).and_then(|currency| u16::try_from(currency).ok());
    let currency = currency.filter(|currency| *currency > 0).unwrap_or(linked.currency);
    (&code_of(message) == b"30").then_some(Money { minor, currency })
}

impl Switch {
    pub(super) fn confirm_funds(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: usize,
        linked: &Linked,
        bank: BankId,
    ) {
        let Some(amount) = wanted(&seeking.message, linked) else { return };
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = self.bank_deadline(seeking.arrived, bank, seeking.kind);
        let id = self.durable.next_txn();
        self.hold(seeking, (id, route), linked, bank, (received, deadline));
        if let Some(held) = self.bridge.held.get_mut(&id) {
            // The account may be unlinked, or linked anew, before the bank answers.
            held.funds = Some(amount);
        }
        if !is_valid(linked, now) {
            let failure = Failure::before(Failed::NotPermitted);
            return self.handle_inquiry_verdict(now, id, Verdict::Failed(failure));
        }
        let enquiry = Enquiry::Funds { account: bank_account(linked), amount };
        let within_ms = deadline.since(now.tick) / 1_000_000;
        self.ask(Asked::Inquiry(id), Addressee::Bank(bank), enquiry, within_ms, None);
    }

    /// What is asked about, if a held request asks whether an amount is there.
    fn funds_wanted(&self, id: TxnId) -> Option<Money> {
        self.bridge.held.get(&id)?.funds
    }

    pub(super) fn is_about_funds(&self, id: TxnId) -> bool {
        self.funds_wanted(id).is_some()
    }

    /// The bank does not confirm amounts: it is asked for balances. `false` if that is not what
    /// was asked, or may not be.
    pub(super) fn ask_balances_instead(&mut self, now: Now, id: TxnId) -> bool {
        let held = self.bridge.held.get_mut(&id);
        let held = held.filter(|held| held.funds.is_some() && !held.is_second);
        let Some(held) = held else { return false };
        held.is_second = true;
        let linked = self.durable.facts().linked(&held.account);
        // Only the link that was asked about.
        let linked = linked.filter(|linked| linked.state == held.state).cloned();
        let Some(linked) = linked else { return false };
        let (bank, participant) = (held.bank, held.participant);
        let within_ms = held.deadline.since(now.tick) / 1_000_000;
        let is_attended = self.is_attended(bank, participant);
        let read = (linked.consent.as_str(), linked.resource.as_str());
        let mut after = None;
        if !is_attended {
            after = self.may_read(now, read, bank, Endpoint::Balances);
            if after.is_none() {
                return false;
            }
        }
        let enquiry = Enquiry::Balances { account: bank_account(&linked), is_attended };
        self.ask(Asked::Inquiry(id), Addressee::Bank(bank), enquiry, within_ms, after);
        true
    }

    /// Balances say whether the amount is there.
    pub(super) fn judge_funds(&mut self, now: Now, id: TxnId, balances: Balances) {
        let Some(amount) = self.funds_wanted(id) else { return };
        if amount.currency != balances.currency {
            // Nobody here knows what one is worth in the other.
            let failure = Failure::before(Failed::Invalid);
            return self.handle_inquiry_verdict(now, id, Verdict::Failed(failure));
        }
        let has = u64::try_from(balances.available).unwrap_or_default();
        self.answer_funds(now, id, has >= amount.minor, Some(balances));
    }

    pub(super) fn answer_funds(
        &mut self,
        now: Now,
        id: TxnId,
        is_there: bool,
        balances: Option<Balances>,
    ) {
        let Some(held) = self.release(id) else { return };
        let mut message = held.request.clone();
        let response = match Granted::funds(is_there) {
            Some(leave) => {
                grant(&mut message, leave);
                ResponseCode::APPROVED
            }
            None => {
                decline(&mut message, Decline::of(ResponseCode::INSUFFICIENT_FUNDS));
                ResponseCode::INSUFFICIENT_FUNDS
            }
        };
        if let Some(balances) = balances {
            set_balances(&mut message, balances);
        }
        self.finish_inquiry(now, id, held, message, response, Reason::Host);
    }
}
