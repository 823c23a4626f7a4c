//! Reads of an account that its customer did not ask for: so many in any 24 hours
//! (http-contracts 4.2), and forgotten when they no longer count.

use super::{DAY_MS, Switch, Task};
use crate::fact::{Endpoint, Fact, Reads};
use crate::plan::BankId;
use crate::record::RecordId;
use crate::time::{Now, Utc};

/// How many endpoints are forgotten at one time, and how soon others, in milliseconds.
const FORGET_MAX: usize = 256;
const AGAIN_MS: u64 = 1_000;

/// How often it is looked for them at most, in milliseconds.
const FORGET_MS: u64 = 3_600_000;

impl Switch {
    /// Whether an endpoint of an account may be read once more without its customer. If so, this
    /// read is recorded.
    pub(super) fn may_read(
        &mut self,
        now: Now,
        read: (&str, &str),
        bank: BankId,
        endpoint: Endpoint,
    ) -> bool {
        self.count_read(now, read, bank, endpoint, 0).is_some()
    }

    /// The same of a read that leaves so many of the day to others, and its record.
    pub(super) fn count_read(
        &mut self,
        now: Now,
        (consent, resource): (&str, &str),
        bank: BankId,
        endpoint: Endpoint,
        spare: usize,
    ) -> Option<RecordId> {
        let most = self.bank(bank).map_or(0, |bank| bank.unattended_max as usize);
        let day_ago = Utc(now.utc.0.saturating_sub(DAY_MS));
        let mut at = self.durable.facts().reads((consent, resource), endpoint, day_ago);
        if at.len() >= most.saturating_sub(spare) {
            return None;
        }
        at.push(now.utc);
        let (consent, resource) = (consent.to_owned(), resource.to_owned());
        let record = self.establish(now, Fact::Reads(Reads { consent, resource, endpoint, at }));
        if !self.bridge.due.contains_key(&Task::Reads) {
            self.bridge.plan(Task::Reads, now.tick.after_ms(DAY_MS));
        }
        Some(record)
    }

    /// Forgets reads that are older than a day: a consent that is over leaves nothing behind.
    pub(super) fn forget_reads(&mut self, now: Now) {
        let day_ago = Utc(now.utc.0.saturating_sub(DAY_MS));
        let (old, next) = self.durable.facts().old_reads(day_ago, FORGET_MAX);
        for reads in old {
            self.establish(now, Fact::Reads(reads));
        }
        let Some(next) = next else { return };
        let wait = match next.0.saturating_add(DAY_MS).saturating_sub(now.utc.0) {
            0 => AGAIN_MS,
            wait => wait.max(FORGET_MS),
        };
        self.bridge.plan(Task::Reads, now.tick.after_ms(wait));
    }
}
