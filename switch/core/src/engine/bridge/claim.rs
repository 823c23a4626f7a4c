//! Claims: who wants an account for which somebody else's consent is asked, and nobody's is agreed
//! to. Each stands beside the others, and the bank decides: the first that is agreed to has the
//! account, and the others end.
//!
//! The link is recorded first, and then that the claims are over. A journal that ends in between
//! has one owner and claims that came too late, which end when it is read.

use super::{Asked, BACKGROUND_MS, Switch, Task, bank_account};
use crate::enquiry::{Addressee, Enquiry};
use crate::fact::{ConsentStatus, Fact, Linked};
use crate::record::RecordId;
use crate::time::Now;

/// Claims on one account beside the link that it has.
const CLAIMS_MAX: usize = 8;

impl Switch {
    /// Under which name a customer's wish for an account is kept: that of the account, or if
    /// another customer has that, or a claim of this one's stands, the name of a claim on it.
    /// `None` if the other's bank has agreed, or if there are too many claims.
    pub(super) fn name_of_wish(&self, account: &str, customer: &str) -> Option<String> {
        let facts = self.durable.facts();
        let claim = Linked::claim(account, customer);
        let has_claim = facts.linked(&claim).is_some();
        match facts.linked(account) {
            Some(owner) if owner.customer == customer => Some(account.to_owned()),
            Some(owner) if owner.is_exclusive() => None,
            Some(_) | None if has_claim => Some(claim),
            None => Some(account.to_owned()),
            Some(_) => (facts.claims_on(account).count() < CLAIMS_MAX).then_some(claim),
        }
    }

    /// The bank has agreed to a claim: the account is that customer's from now on, unless another's
    /// was agreed to before.
    pub(super) fn grant_claim(&mut self, now: Now, claim: Linked) {
        let account = claim.number().to_owned();
        let owner = self.durable.facts().linked(&account).cloned();
        if owner.as_ref().is_some_and(Linked::is_exclusive) {
            return self.end_claim(now, &claim, true);
        }
        if owner.as_ref().is_some_and(|owner| owner.customer != claim.customer) {
            // Cards of whoever had it before.
            self.forget_cards(now, &account);
        }
        let task = Task::Consent(account.clone());
        self.bridge.unplan(&task);
        self.bridge.tries.remove(&task);
        let record = self.set_link(now, Linked { account: account.clone(), ..claim });
        if let Some(owner) = owner {
            self.give_back(&owner, record);
        }
        self.end_claims(now, &account);
    }

    /// Nobody else gets an account any more, because its link was agreed to.
    pub(super) fn end_claims(&mut self, now: Now, account: &str) {
        let facts = self.durable.facts();
        let granted = facts.linked(account).map(|linked| linked.state);
        let claims: Vec<Linked> = facts.claims_on(account).cloned().collect();
        for claim in claims {
            // Of the one that has become the link nothing is given back.
            let is_lost = granted != Some(claim.state);
            self.end_claim(now, &claim, is_lost);
        }
    }

    /// Ends what a journal has left beside links that were agreed to.
    pub(super) fn end_late_claims(&mut self, now: Now) {
        let facts = self.durable.facts();
        let is_late = |claim: &&Linked| {
            let is_agreed = |linked: &Linked| linked.status == ConsentStatus::Valid;
            claim.is_claim() && facts.linked(claim.number()).is_some_and(is_agreed)
        };
        let late: Vec<String> =
            facts.links().filter(is_late).map(|claim| claim.number().to_owned()).collect();
        for account in late {
            self.end_claims(now, &account);
        }
    }

    fn end_claim(&mut self, now: Now, claim: &Linked, is_lost: bool) {
        let task = Task::Consent(claim.account.clone());
        self.bridge.unplan(&task);
        self.bridge.tries.remove(&task);
        let over = Linked { is_over: true, ..claim.clone() };
        let record = self.establish(now, Fact::Linked(over));
        if is_lost {
            self.give_back(claim, record);
        }
    }

    /// The consent of a link that is not needed any more ends at its bank, if it is there, once the
    /// record that says so is durable.
    fn give_back(&mut self, linked: &Linked, after: RecordId) {
        let bank = self.bank_named(&linked.bank);
        if let Some(bank) = bank.filter(|_| !linked.consent.is_empty() && !linked.is_dead()) {
            let (enquiry, to) = (Enquiry::Revoke(bank_account(linked)), Addressee::Bank(bank));
            self.ask(Asked::Revoke, to, enquiry, BACKGROUND_MS, Some(after));
        }
    }
}
