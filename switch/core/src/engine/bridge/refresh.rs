//! Balances that nobody asked for: they are read again before the last one known is older than it
//! may lag behind its bank (integration design 5.1). Their customers are not there, so these are
//! among the reads of which a bank allows a few a day.

use super::inquiry::is_valid;
use super::{Asked, Asking, BACKGROUND_MS, SPREAD_MS, Switch, Task, bank_account, since};
use crate::enquiry::{Addressee, Enquiry, Failed, Verdict};
use crate::fact::{Endpoint, Linked};
use crate::plan::BankId;
use crate::time::Now;

/// When it is tried again after nothing could be recorded, in milliseconds.
const AGAIN_MS: u64 = 600_000;

/// How many such reads one bank is asked at a time, and when it is tried again beyond that, in
/// milliseconds: channels and payments need the room that is left.
const AT_A_TIME: usize = 4;
const CROWDED_MS: u64 = 5_000;

impl Switch {
    /// Plans the next read of the balance of an account, if it is read at all.
    pub(super) fn plan_refresh(&mut self, now: Now, account: &str) {
        match self.refreshed(now, account) {
            Some((linked, _, every)) => {
                let age = self.unread_for(now, &linked).unwrap_or(0);
                self.refresh_in(now, account, every.saturating_sub(age));
            }
            None => self.bridge.unplan(&Task::Balance(account.to_owned())),
        }
    }

    /// Goes on after a start: by how old balances and the last reads are, and not all at once.
    pub(super) fn resume_refreshes(&mut self, now: Now) {
        let accounts: Vec<String> =
            self.durable.facts().links().map(|linked| linked.account.clone()).collect();
        let mut place = 0;
        for account in &accounts {
            let Some((linked, _, every)) = self.refreshed(now, account) else { continue };
            let age = self.unread_for(now, &linked).unwrap_or(every);
            let left = every.saturating_sub(age);
            let apart = if left == 0 { SPREAD_MS.saturating_mul(place) } else { 0 };
            place += u64::from(left == 0);
            self.refresh_in(now, account, left.saturating_add(apart));
        }
    }

    /// Reads a balance now that its time has come, unless somebody did meanwhile.
    pub(super) fn refresh_balance(&mut self, now: Now, account: &str) {
        let Some((linked, bank, every)) = self.refreshed(now, account) else { return };
        let age = self.unread_for(now, &linked).unwrap_or(every);
        if age < every {
            return self.refresh_in(now, account, every.saturating_sub(age));
        }
        let is_there =
            |asked: &&Asked| matches!(asked, Asked::Refresh(other) if other.bank == bank);
        if self.bridge.asks.values().filter(is_there).count() >= AT_A_TIME {
            return self.refresh_in(now, account, CROWDED_MS);
        }
        if self.full || self.draining {
            return self.refresh_in(now, account, AGAIN_MS);
        }
        let read = (linked.consent.as_str(), linked.resource.as_str());
        let spare = self.spare_reads(bank);
        let record = match self.count_read(now, read, bank, Endpoint::Balances, spare) {
            Ok(record) => record,
            Err(wait_ms) => return self.refresh_in(now, account, wait_ms),
        };
        let asking = Asking { account: account.to_owned(), state: linked.state, bank };
        let enquiry = Enquiry::Balances { account: bank_account(&linked), is_attended: false };
        let to = Addressee::Bank(bank);
        self.ask(Asked::Refresh(asking), to, enquiry, BACKGROUND_MS, Some(record));
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

    /// How long nobody has read the balance of an account, in milliseconds; `None` if nobody ever
    /// did. A read that failed was one, too.
    fn unread_for(&self, now: Now, linked: &Linked) -> Option<u64> {
        let facts = self.durable.facts();
        let synced = facts.balance(&linked.account).map(|cached| cached.synced);
        let read = facts.last_read((&linked.consent, &linked.resource), Endpoint::Balances);
        synced.max(read).map(|last| since(now, last))
    }

    /// How many reads of a day are left for those who ask without their customer, if there are
    /// such.
    fn spare_reads(&self, bank: BankId) -> usize {
        let others = self.bank(bank).filter(|bank| !bank.attended.is_empty());
        others.map_or(0, |bank| bank.unattended_max as usize / 2)
    }

    fn refresh_in(&mut self, now: Now, account: &str, wait_ms: u64) {
        self.bridge.plan(Task::Balance(account.to_owned()), now.tick.after_ms(wait_ms));
    }
}
