//! Totals of what one institution sent: what a reconciliation is compared with.
//!
//! They are added up from the transfers and holds on file when somebody asks, so there is nothing
//! to keep, nothing that a restart could lose and nothing that could drift from the postings.

use std::collections::BTreeMap;

use crate::money::Currency;

use super::Ledger;

/// How many, and how much in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Postings.
    pub number: u64,
    /// Wider than any table of amounts can add up to.
    pub minor: i128,
}

impl Sum {
    fn add(&mut self, amount: i64) {
        self.number = self.number.saturating_add(1);
        self.minor = self.minor.saturating_add(i128::from(amount));
    }
}

/// By the processing code of what was posted; what undid a posting counts under the code of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// 20 and 21.
    pub credits: Sum,
    /// What undid those, in full or in part.
    pub credit_reversals: Sum,
    /// 00, 01, 09 and 50, completed holds included.
    pub debits: Sum,
    /// What undid those, in full or in part.
    pub debit_reversals: Sum,
    /// 40. They have a number and no amount in ISO 8583, because nothing is left to settle.
    pub transfers: Sum,
    /// What undid those, in full or in part.
    pub transfer_reversals: Sum,
    /// Holds placed, whatever became of them.
    pub authorisations: u64,
}

impl Totals {
    /// Credits and undone debits less debits and undone credits, in minor units.
    #[must_use]
    pub fn net(&self) -> i128 {
        let up = self.credits.minor.saturating_add(self.debit_reversals.minor);
        up.saturating_sub(self.debits.minor).saturating_sub(self.credit_reversals.minor)
    }

    /// Adds what a message posted: by its type, whether it undid something, and its amount.
    pub(crate) fn post(&mut self, tran_type: u8, is_reversal: bool, amount: i64) {
        let sum = match (tran_type, is_reversal) {
            (20 | 21, false) => &mut self.credits,
            (20 | 21, true) => &mut self.credit_reversals,
            (40, false) => &mut self.transfers,
            (40, true) => &mut self.transfer_reversals,
            (_, false) => &mut self.debits,
            (_, true) => &mut self.debit_reversals,
        };
        sum.add(amount);
    }
}

impl Ledger {
    /// What messages of this institution (as [`super::Key::acquirer`] has it) posted and held at
    /// the moments that are meant, by currency. A currency in which nothing was done is not in it.
    /// Nothing younger than [`super::Limits::keep_ms`] is missing. Reads every transfer and hold.
    pub fn totals(
        &self,
        acquirer: &[u8; 11],
        is_meant: impl Fn(u64) -> bool,
    ) -> BTreeMap<Currency, Totals> {
        let mut totals: BTreeMap<Currency, Totals> = BTreeMap::new();
        let is_theirs = |key: Option<super::Key>, utc_ms| {
            key.is_some_and(|key| key.acquirer == *acquirer) && is_meant(utc_ms)
        };
        for transfer in &self.transfers {
            if is_theirs(transfer.key, transfer.utc_ms) {
                let own = totals.entry(transfer.currency).or_default();
                own.post(transfer.tran_type, transfer.reverses.is_some(), transfer.amount);
            }
        }
        for hold in self.holds.values() {
            if is_theirs(hold.key, hold.utc_ms) {
                let held = totals.entry(hold.currency).or_default();
                held.authorisations = held.authorisations.saturating_add(1);
            }
        }
        totals
    }

    /// How long nothing is forgotten, in milliseconds.
    #[must_use]
    pub const fn keep_ms(&self) -> u64 {
        self.limits.keep_ms
    }
}
