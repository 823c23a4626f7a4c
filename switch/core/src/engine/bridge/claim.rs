//! Claims: who wants an account for which somebody else's consent is asked, and nobody's is agreed
//! to. Each stands beside the others, and the bank decides: the first that is agreed to has the
//! account, and the others end.

use super::{Asked, BACKGROUND_MS, Switch, Task, bank_account};
use crate::enquiry::{Addressee, Enquiry};
use crate::fact::{Fact, Linked};
use crate::time::Now;

/// Claims on one account beside the link that it has.
const CLAIMS_MAX: usize = 8;

impl Switch {
    /// Under which name a customer's wish for an account is kept: that of the account, or if
    /// another customer has that, the name of a claim on it. `None` if the other's bank has agreed,
    /// or if there are too many claims.
    pub(super) fn name_of_wish(&self, account: &str, customer: &str) -> Option<String> {
        let facts = self.durable.facts();
        match facts.linked(account).filter(|owner| owner.customer != customer) {
            None => Some(account.to_owned()),
            Some(owner) if owner.is_exclusive() => None,
            Some(_) => {
                let claim = Linked::claim(account, customer);
                let is_new = facts.linked(&claim).is_none();
                let has_room = facts.claims_on(account).count() < CLAIMS_MAX;
                (has_room || !is_new).then_some(claim)
            }
        }
    }

    /// The bank has agreed to a claim: the account is that customer's from now on, unless another's
    /// was agreed to before.
    pub(super) fn grant_claim(&mut self, now: Now, claim: Linked) {
        let account = claim.number().to_owned();
        let owner = self.durable.facts().linked(&account).cloned();
        let is_theirs = owner.as_ref().is_some_and(Linked::is_exclusive);
        self.end_claim(now, &claim, is_theirs);
        if is_theirs {
            return;
        }
        if let Some(owner) = owner {
            self.give_back(&owner);
            if owner.customer != claim.customer {
                // Cards of whoever had it before.
                self.forget_cards(now, &account);
            }
        }
        let task = Task::Consent(account.clone());
        self.bridge.unplan(&task);
        self.bridge.tries.remove(&task);
        self.set_link(now, Linked { account: account.clone(), ..claim });
        self.end_claims(now, &account);
    }

    /// Nobody else gets an account any more, because its link was agreed to or given up.
    pub(super) fn end_claims(&mut self, now: Now, account: &str) {
        let claims: Vec<Linked> = self.durable.facts().claims_on(account).cloned().collect();
        for claim in claims {
            self.end_claim(now, &claim, true);
        }
    }

    fn end_claim(&mut self, now: Now, claim: &Linked, is_lost: bool) {
        if is_lost {
            self.give_back(claim);
        }
        let task = Task::Consent(claim.account.clone());
        self.bridge.unplan(&task);
        self.bridge.tries.remove(&task);
        self.establish(now, Fact::Linked(Linked { is_over: true, ..claim.clone() }));
    }

    /// The consent of a link that is not needed any more ends at its bank, if it is there.
    fn give_back(&mut self, linked: &Linked) {
        let bank = self.bank_named(&linked.bank);
        if let Some(bank) = bank.filter(|_| !linked.consent.is_empty() && !linked.is_dead()) {
            let enquiry = Enquiry::Revoke(bank_account(linked));
            self.ask(Asked::Revoke, Addressee::Bank(bank), enquiry, BACKGROUND_MS, None);
        }
    }
}
