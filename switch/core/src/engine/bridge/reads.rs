//! Reads of an account that its customer did not ask for: so many in any 24 hours
//! (http-contracts 4.2), and forgotten when they no longer count. Recorded before they leave: a
//! read that a crash forgets would be one too many.
//!
//! They are counted from when they were recorded, and by the bank when they come. So one counts for
//! a day and as long as it may have been on its way.

use super::{BACKGROUND_MS, DAY_MS, Switch, Task};
use crate::fact::{Endpoint, Fact, Reads};
use crate::plan::{BankId, BankPlan};
use crate::record::RecordId;
use crate::time::{Now, Utc};

/// How long what left at the last moment may be on the wire, in milliseconds.
const ON_WIRE_MS: u64 = 30_000;

/// How many endpoints are forgotten at one time, and how soon others, in milliseconds.
const FORGET_MAX: usize = 256;
const AGAIN_MS: u64 = 1_000;

/// How often it is looked for them at most, in milliseconds.
const FORGET_MS: u64 = 3_600_000;

impl Switch {
    /// Whether an endpoint of an account may be read once more without its customer: the record
    /// that it was, which it has to wait for.
    pub(super) fn may_read(
        &mut self,
        now: Now,
        read: (&str, &str),
        bank: BankId,
        endpoint: Endpoint,
    ) -> Option<RecordId> {
        self.count_read(now, read, bank, endpoint, 0).ok()
    }

    /// The same of a read that leaves so many of the day to others. If there is none, in how many
    /// milliseconds there is one again.
    pub(super) fn count_read(
        &mut self,
        now: Now,
        (consent, resource): (&str, &str),
        bank: BankId,
        endpoint: Endpoint,
        spare: usize,
    ) -> Result<RecordId, u64> {
        let (most, counts_ms) = match self.bank(bank) {
            Some(bank) => (bank.unattended_max as usize, counts_ms(bank)),
            None => (0, DAY_MS),
        };
        let most = most.saturating_sub(spare);
        let old = Utc(now.utc.0.saturating_sub(counts_ms));
        let mut at = self.durable.facts().reads((consent, resource), endpoint, old);
        if at.len() >= most {
            at.sort_unstable();
            // When this one no longer counts there is room; without any there never is.
            let first = at.len().checked_sub(most).and_then(|place| at.get(place));
            let until = first.map(|first| first.0.saturating_add(counts_ms));
            let wait = until.map_or(counts_ms, |until| until.saturating_sub(now.utc.0));
            return Err(wait.clamp(1, counts_ms));
        }
        at.push(now.utc);
        let (consent, resource) = (consent.to_owned(), resource.to_owned());
        let record = self.establish(now, Fact::Reads(Reads { consent, resource, endpoint, at }));
        if !self.bridge.due.contains_key(&Task::Reads) {
            self.bridge.plan(Task::Reads, now.tick.after_ms(self.longest_count()));
        }
        Ok(record)
    }

    /// For how long a read counts where that is longest, in milliseconds.
    fn longest_count(&self) -> u64 {
        self.plan.banks.iter().map(counts_ms).max().unwrap_or(DAY_MS)
    }

    /// Forgets reads that no longer count: a consent that is over leaves nothing behind.
    pub(super) fn forget_reads(&mut self, now: Now) {
        let counts_ms = self.longest_count();
        let old = Utc(now.utc.0.saturating_sub(counts_ms));
        let (old, next) = self.durable.facts().old_reads(old, FORGET_MAX);
        for reads in old {
            self.establish(now, Fact::Reads(reads));
        }
        let Some(next) = next else { return };
        let wait = match next.0.saturating_add(counts_ms).saturating_sub(now.utc.0) {
            0 => AGAIN_MS,
            wait => wait.max(FORGET_MS),
        };
        self.bridge.plan(Task::Reads, now.tick.after_ms(wait));
    }
}

/// For how long a read counts, in milliseconds.
fn counts_ms(bank: &BankPlan) -> u64 {
    let deadlines = bank.deadlines;
    let longest = deadlines.inquiry_ms.max(deadlines.statement_ms).max(BACKGROUND_MS);
    DAY_MS + longest + ON_WIRE_MS
}
