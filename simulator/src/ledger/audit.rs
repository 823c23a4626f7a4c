//! The proof: balances computed again from the transfers and compared with the running sums.
//!
//! It reads everything and changes nothing, so a test or an operator can ask at any moment. It
//! does not trust the code that posts: it shares no arithmetic with it.

use std::collections::BTreeMap;
use std::fmt;

use crate::money::Currency;

use super::account::AccountId;
use super::records::{HoldState, TransferId};
use super::{HoldId, Ledger};

/// A ledger that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The bank's own included.
    pub accounts: usize,
    /// Ever posted, folded and seeded ones included.
    pub transfers: u64,
    /// Of the retained ones, those that came from a message.
    pub transfers_by_message: u64,
    /// Retained transfers that undo another.
    pub reversals: u64,
    /// Not yet captured, voided or expired.
    pub holds_open: usize,
    /// Still remembered.
    pub replies: usize,
    /// Reversals still waiting for their originals.
    pub tombstones: usize,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger balanced: {} transfers, sum 0", self.transfers)
    }
}

/// What does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Imbalance {
    /// Money appeared or vanished.
    #[error("sum over all {currency} accounts is {sum}, not 0")]
    Sum {
        /// The one that does not add up.
        currency: Currency,
        /// Credits less debits.
        sum: i128,
    },
    /// A running sum is not what the transfers say.
    #[error("account {account}: {what} is {stored}, recomputed {recomputed}")]
    Account {
        /// Its number.
        account: String,
        /// Which sum.
        what: &'static str,
        /// The running sum.
        stored: i64,
        /// What the transfers come to.
        recomputed: i128,
    },
    /// A transfer that no rule would have posted.
    #[error("transfer {}: {what}", .transfer.0)]
    Transfer {
        /// Its number.
        transfer: TransferId,
        /// The rule it breaks.
        what: &'static str,
    },
    /// A hold that no rule would have placed.
    #[error("hold {hold}: {what}")]
    Hold {
        /// Its number.
        hold: HoldId,
        /// The rule it breaks.
        what: &'static str,
    },
}

#[derive(Default, Clone, Copy)]
struct Sums {
    debits: i128,
    credits: i128,
    pending: i128,
    lines: u64,
}

impl Ledger {
    /// Every imbalance, or the counts when there is none.
    ///
    /// # Errors
    ///
    /// What does not add up, all of it.
    pub fn audit(&self) -> Result<Audit, Vec<Imbalance>> {
        let mut problems = Vec::new();
        let mut sums: BTreeMap<AccountId, Sums> = BTreeMap::new();
        for (id, (debits, credits)) in &self.folded {
            let sum = sums.entry(*id).or_default();
            sum.debits += i128::from(*debits);
            sum.credits += i128::from(*credits);
        }
        let reversals = self.audit_transfers(&mut sums, &mut problems);
        let holds_open = self.audit_holds(&mut sums, &mut problems);
        self.audit_accounts(&sums, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let by_message = self.transfers.iter().filter(|transfer| transfer.key.is_some()).count();
        Ok(Audit {
            accounts: self.accounts.len(),
            transfers: self.next_transfer().0.saturating_sub(1),
            transfers_by_message: by_message as u64,
            reversals,
            holds_open,
            replies: self.replies.len(),
            tombstones: self.replies.tombstones(),
        })
    }

    fn audit_transfers(
        &self,
        sums: &mut BTreeMap<AccountId, Sums>,
        problems: &mut Vec<Imbalance>,
    ) -> u64 {
        let mut reversals = 0_u64;
        for (expected, transfer) in (self.transfers_first..).zip(&self.transfers) {
            let id = transfer.id;
            let mut fault = |what| problems.push(Imbalance::Transfer { transfer: id, what });
            if id.0 != expected {
                fault("is out of sequence");
            }
            if transfer.amount <= 0 {
                fault("has no amount");
            }
            for side in [transfer.debit, transfer.credit] {
                match self.account(side) {
                    Some(account) if account.currency == transfer.currency => {}
                    Some(_) => fault("is not in its account's currency"),
                    None => fault("names no account"),
                }
            }
            let debit = sums.entry(transfer.debit).or_default();
            debit.debits += i128::from(transfer.amount);
            debit.lines += 1;
            let credit = sums.entry(transfer.credit).or_default();
            credit.credits += i128::from(transfer.amount);
            credit.lines += 1;
            if let Some((by, undone)) = transfer.reversed {
                let counter = self.transfer(by);
                let is_answered = counter.is_some_and(|counter| {
                    counter.reverses == Some(id)
                        && counter.amount == undone
                        && counter.debit == transfer.credit
                        && counter.credit == transfer.debit
                });
                if !is_answered || undone > transfer.amount {
                    fault("is marked reversed without a matching transfer back");
                }
            }
            if let Some(original) = transfer.reverses {
                reversals += 1;
                let original = self.transfer(original);
                if original.is_some_and(|o| o.reversed != Some((id, transfer.amount))) {
                    fault("reverses a transfer that does not know it");
                }
            }
        }
        reversals
    }

    fn audit_holds(
        &self,
        sums: &mut BTreeMap<AccountId, Sums>,
        problems: &mut Vec<Imbalance>,
    ) -> usize {
        let mut open = 0;
        for hold in self.holds.values() {
            let HoldState::Open(left) = hold.state else {
                continue;
            };
            open += 1;
            if left <= 0 || left > hold.amount {
                let what = "holds less than nothing or more than its amount";
                problems.push(Imbalance::Hold { hold: hold.id, what });
            }
            sums.entry(hold.account).or_default().pending += i128::from(left);
        }
        open
    }

    fn audit_accounts(&self, sums: &BTreeMap<AccountId, Sums>, problems: &mut Vec<Imbalance>) {
        let mut by_currency: BTreeMap<Currency, i128> = BTreeMap::new();
        for (id, account) in self.accounts() {
            let sum = sums.get(&id).copied().unwrap_or_default();
            let pairs = [
                ("debits posted", account.debits_posted, sum.debits),
                ("credits posted", account.credits_posted, sum.credits),
                ("debits pending", account.debits_pending, sum.pending),
            ];
            for (what, stored, recomputed) in pairs {
                if i128::from(stored) != recomputed {
                    let account = account.number.clone();
                    problems.push(Imbalance::Account { account, what, stored, recomputed });
                }
            }
            if account.holder().is_some() && account.lines.len() as u64 != sum.lines {
                let stored = i64::try_from(account.lines.len()).unwrap_or(i64::MAX);
                let recomputed = i128::from(sum.lines);
                let (account, what) = (account.number.clone(), "count of statement lines");
                problems.push(Imbalance::Account { account, what, stored, recomputed });
            }
            *by_currency.entry(account.currency).or_default() +=
                i128::from(account.credits_posted) - i128::from(account.debits_posted);
        }
        for (currency, sum) in by_currency {
            if sum != 0 {
                problems.push(Imbalance::Sum { currency, sum });
            }
        }
    }
}
