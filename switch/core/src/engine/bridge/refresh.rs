//! Balances that nobody asked for: they are read again before the last one known is older than it
//! may lag behind its bank (integration design 5.1). Their customers are not there, so these are
//! among the reads of which a bank allows a few a day.

use super::inquiry::is_valid;
use super::{Asked, Asking, BACKGROUND_MS, Switch, Task, bank_account, since};
use crate::enquiry::{Addressee, Enquiry, Failed, Verdict};
use crate::fact::{Endpoint, Linked};
use crate::plan::BankId;
use crate::time::Now;

/// When it is tried again after no read was left, or nothing could be recorded, in milliseconds.
const AGAIN_MS: u64 = 600_000;

/// How far the first reads after a start are apart, in milliseconds: an hour of accounts may be
/// due at once.
const SPREAD_MS: u64 = 50;

impl Switch {
    /// Plans the next read of the balance of an account, if it is read at all.
    pub(super) fn plan_refresh(&mut self, now: Now, account: &str) {
        match self.refreshed(now, account) {
            Some((_, _, every)) => self.refresh_in(now, account, every),
            None => self.bridge.unplan(&Task::Balance(account.to_owned())),
        }
    }

    /// Goes on after a start: by how old balances are, and not all at once.
    pub(super) fn resume_refreshes(&mut self, now: Now) {
        let accounts: Vec<String> =
            self.durable.facts().links().map(|linked| linked.account.clone()).collect();
        for (place, account) in (0..).zip(&accounts) {
            let Some((_, _, every)) = self.refreshed(now, account) else { continue };
            let cached = self.durable.facts().balance(account);
            let age = cached.map_or(0, |cached| since(now, cached.synced));
            let left = every.saturating_sub(age);
            self.refresh_in(now, account, left.saturating_add(SPREAD_MS.saturating_mul(place)));
        }
    }

    /// Reads a balance now that its time has come, unless somebody did meanwhile.
    pub(super) fn refresh_balance(&mut self, now: Now, account: &str) {
        let Some((linked, bank, every)) = self.refreshed(now, account) else { return };
        let cached = self.durable.facts().balance(account);
        let age = cached.map_or(every, |cached| since(now, cached.synced));
        if age < every {
            return self.refresh_in(now, account, every.saturating_sub(age));
        }
        let read = (linked.consent.as_str(), linked.resource.as_str());
        if self.full || self.draining || !self.may_read(now, read, bank, Endpoint::Balances) {
            return self.refresh_in(now, account, AGAIN_MS);
        }
        let asking = Asking { account: account.to_owned(), state: linked.state, bank };
        let enquiry = Enquiry::Balances { account: bank_account(&linked), is_attended: false };
        self.ask(Asked::Refresh(asking), Addressee::Bank(bank), enquiry, BACKGROUND_MS, None);
    }

    pub(super) fn handle_refresh(&mut self, now: Now, asking: &Asking, verdict: Verdict) {
        let Some(linked) = self.link_of(asking) else { return };
        match verdict {
            Verdict::Balances(balances) => self.remember_balance(now, &linked, balances),
            Verdict::Failed(failure) if failure.why == Failed::NotPermitted => {
                self.expire_consent(now, linked);
            }
            // It is as old as it is, which a figure tells.
            _ => {}
        }
        self.plan_refresh(now, &asking.account);
    }

    /// The link of an account whose balance is read without its customer, its bank, and how often
    /// in milliseconds.
    fn refreshed(&self, now: Now, account: &str) -> Option<(Linked, BankId, u64)> {
        let linked = self.durable.facts().linked(account).filter(|linked| is_valid(linked, now))?;
        let bank = self.bank_named(&linked.bank)?;
        let every = self.bank(bank)?.refresh_ms;
        (every > 0).then(|| (linked.clone(), bank, every))
    }

    fn refresh_in(&mut self, now: Now, account: &str, wait_ms: u64) {
        self.bridge.plan(Task::Balance(account.to_owned()), now.tick.after_ms(wait_ms));
    }
}
