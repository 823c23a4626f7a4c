//! The bank's money: a double-entry ledger in integer minor units.
//!
//! Every transfer has one debit, one credit and one currency, so the sum over all accounts of a
//! currency is always 0; [`Ledger::audit`] proves it from the transfers alone. Operations carry
//! a key and are executed once: [`Ledger::execute`] decides, [`Ledger::apply`] is the only thing
//! that changes anything, live and when a book is read back.
//!
//! A hold is `Open`, then once `Captured`, `Voided` or `Expired`. A transfer is posted, then at
//! most once reversed, in full or in part, by a transfer the other way. A reversal whose
//! original has not come leaves a tombstone, and the original is refused when it does.
//!
//! It holds no clock, file, lock or random: `utc_ms` is an argument, and what must survive leaves
//! as an [`Effect`]. It does not know ISO 8583 beyond the codes it is given, nor customers' names.

mod account;
mod adjust;
mod apply;
mod audit;
mod calendar;
mod execute;
mod key;
mod operation;
mod records;
mod replies;
mod rules;
mod statement;
mod totals;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

pub use account::{Account, AccountId, Balances, Gl, Holder, NewAccount, Owner, Product, Status};
pub use audit::{Audit, Imbalance};
pub use key::{Class, Digest, Key, KeyParts, Trace};
pub use operation::{
    Adjust, Capture, Funds, HoldRef, Operation, PlaceHold, Post, Request, Reverse, Sending, Side,
    Void,
};
pub use records::{
    Adjusted, Change, Effect, Hold, HoldId, HoldState, Outcome, Reply, Tombstone, Transfer,
    TransferId, Verdict,
};
pub use statement::{Direction, Line, Page, Query};
pub use totals::{Sum, Totals};

use crate::money::Currency;
pub(crate) use calendar::Calendar;
use replies::Replies;

/// How much the ledger remembers, and for how long it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// About 250 bytes each. The oldest are folded into opening sums when the table is full.
    pub transfers_max: usize,
    /// About 400 bytes each.
    pub replies_max: usize,
    /// Open and closed. Only new holds are refused when it is full.
    pub holds_max: usize,
    /// Nothing younger than this is forgotten; a full table refuses new work instead (91).
    pub keep_ms: u64,
    /// How far back a repeat or reversal with another DE7 looks for its original. Shorter than
    /// `keep_ms`, because terminals use their numbers again after a day; with the DE7 of the
    /// original there is no such limit.
    pub window_ms: u64,
    /// Life of a hold.
    pub hold_ms: u64,
}

impl Limits {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    /// Seven days, as in the switch (guarantees.md G2): a duplicate or a reversal that comes
    /// within them finds its original. There is room for three messages a second over that time,
    /// or for some minutes at full load; beyond it new work is answered 91 and nothing is
    /// forgotten. The life of a hold is another matter.
    pub const STANDARD: Self = Self {
        transfers_max: 2_000_000,
        replies_max: 2_000_000,
        holds_max: 500_000,
        keep_ms: 7 * Self::DAY_MS,
        window_ms: Self::DAY_MS,
        hold_ms: 7 * Self::DAY_MS,
    };
}

/// How well the bank behaves (guarantees.md 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Remembers every message and every reversal.
    Ideal,
    /// Executes every copy of a message, and lets an original post after its reversal. What is
    /// undone is undone once all the same.
    Legacy,
}

/// A fact that does not fit what the ledger already knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// An account was opened twice.
    #[error("account number is taken")]
    NumberTaken,
    /// At over four thousand million.
    #[error("more accounts than an account id can count")]
    TooManyAccounts,
    /// A fact names an account that was never opened.
    #[error("no such account")]
    UnknownAccount,
    /// A fact releases a hold twice.
    #[error("no such hold, or it is not open")]
    UnknownHold,
    /// Debit and credit do not fit each other or the currency.
    #[error("debit and credit must be two accounts in the currency of the transfer")]
    Sides,
    /// Zero or negative, or more than is left of a hold.
    #[error("amount is not above zero")]
    Amount,
    /// A sum would wrap; the fact is refused instead.
    #[error("sums no longer fit 64 bits")]
    Overflow,
    /// A fact came twice, or one before it is missing.
    #[error("records are out of sequence")]
    Sequence,
    /// More would come back than was paid.
    #[error("transfer is reversed twice, or for more than its amount")]
    Reversal,
}

/// See the module. Two ledgers are equal when they would answer every request alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limits: Limits,
    profile: Profile,
    accounts: Vec<Account>,
    by_number: HashMap<String, AccountId>,
    by_customer: HashMap<String, Vec<AccountId>>,
    bank: BTreeMap<(Currency, Gl), AccountId>,
    /// Oldest first; ids follow each other.
    transfers: VecDeque<Transfer>,
    /// Id of the first retained transfer.
    transfers_first: u64,
    /// Debits and credits of the transfers that were folded, by account.
    folded: BTreeMap<AccountId, (i64, i64)>,
    holds: BTreeMap<HoldId, Hold>,
    holds_next: u64,
    holds_closed: VecDeque<HoldId>,
    expiries: BTreeSet<(u64, HoldId)>,
    replies: Replies,
    calendar: Calendar,
}

impl Ledger {
    /// An empty bank that has only its own accounts.
    #[must_use]
    pub fn new(limits: Limits, profile: Profile) -> Self {
        let mut ledger = Self::without_accounts(limits, profile);
        for currency in Currency::ALL {
            for gl in Gl::ALL {
                let number = gl.number(currency);
                let opened =
                    ledger.open_account(NewAccount { number, currency, owner: Owner::Bank(gl) });
                debug_assert!(opened.is_ok(), "an empty ledger takes the bank's accounts");
            }
        }
        ledger
    }

    /// For reading a book back: the bank's accounts are in it, in their order.
    #[must_use]
    pub fn without_accounts(limits: Limits, profile: Profile) -> Self {
        Self {
            limits,
            profile,
            accounts: Vec::new(),
            by_number: HashMap::new(),
            by_customer: HashMap::new(),
            bank: BTreeMap::new(),
            transfers: VecDeque::new(),
            transfers_first: 1,
            folded: BTreeMap::new(),
            holds: BTreeMap::new(),
            holds_next: 1,
            holds_closed: VecDeque::new(),
            expiries: BTreeSet::new(),
            replies: Replies::default(),
            calendar: Calendar::default(),
        }
    }

    /// The account starts with zero; money comes to it by transfers only.
    ///
    /// # Errors
    ///
    /// The number is taken, or there is no id left.
    pub fn open_account(&mut self, new: NewAccount) -> Result<AccountId, Unsound> {
        if self.by_number.contains_key(&new.number) {
            return Err(Unsound::NumberTaken);
        }
        let id = u32::try_from(self.accounts.len()).map_err(|_| Unsound::TooManyAccounts)?;
        let id = AccountId(id);
        match &new.owner {
            Owner::Customer(holder) => {
                self.by_customer.entry(holder.customer.clone()).or_default().push(id);
            }
            Owner::Bank(gl) => {
                self.bank.insert((new.currency, *gl), id);
            }
        }
        self.by_number.insert(new.number.clone(), id);
        self.accounts.push(Account::new(new));
        Ok(id)
    }

    /// When [`Ledger::expire_holds`] next has something to do.
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.expiries.first().map(|(expires_ms, _)| *expires_ms)
    }

    /// `None` for an id of another ledger.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0 as usize)
    }

    /// By number, the bank's own accounts included; a message's DE102 must go through
    /// [`Ledger::customer_account`].
    #[must_use]
    pub fn find_account(&self, number: &str) -> Option<AccountId> {
        self.by_number.get(number).copied()
    }

    /// `None` also for one of the bank's own accounts.
    #[must_use]
    pub fn customer_account(&self, number: &str) -> Option<(AccountId, &Account, &Holder)> {
        let id = self.find_account(number)?;
        let account = self.account(id)?;
        Some((id, account, account.holder()?))
    }

    /// In the order they were opened. Slices are empty for a customer without accounts.
    pub fn accounts_of(&self, customer: &str) -> &[AccountId] {
        self.by_customer.get(customer).map_or(&[], Vec::as_slice)
    }

    /// In the order they were opened, the bank's own first.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        (0..).map(AccountId).zip(&self.accounts)
    }

    /// `None` only in a ledger that is still being read back.
    #[must_use]
    pub fn bank_account(&self, gl: Gl, currency: Currency) -> Option<AccountId> {
        self.bank.get(&(currency, gl)).copied()
    }

    /// `None` when it was never posted or has been folded away.
    #[must_use]
    pub fn transfer(&self, id: TransferId) -> Option<&Transfer> {
        let position = id.0.checked_sub(self.transfers_first)?;
        self.transfers.get(usize::try_from(position).ok()?)
    }

    /// `None` when it was never placed or has been forgotten.
    #[must_use]
    pub fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    /// The stored answer to exactly this message.
    #[must_use]
    pub fn reply(&self, key: &Key) -> Option<&Reply> {
        self.replies.exact(key)
    }

    /// The answer to the message that a repeat, a completion or a reversal with this key means:
    /// the same DE7 if there is one, otherwise the newest inside the window.
    #[must_use]
    pub fn reply_to_original(&self, utc_ms: u64, key: &Key) -> Option<&Reply> {
        self.replies.traced(key, utc_ms, self.limits.window_ms)
    }

    /// For a live view; there are at most `replies_max`.
    pub fn replies_newest_first(&self) -> impl Iterator<Item = &Reply> {
        self.replies.newest_first()
    }

    /// The business day that this moment belongs to, counted from 1 January 1970: its day in UTC,
    /// or the next one from the day's cut-over on.
    #[must_use]
    pub fn business_day(&self, utc_ms: u64) -> u64 {
        self.calendar.business_day(utc_ms)
    }

    /// Ends the business day. The effect must be committed like any other; there is none when the
    /// day was ended before.
    pub fn cut_over(&mut self, utc_ms: u64) -> Option<Effect> {
        if !self.calendar.would_move(utc_ms) {
            return None;
        }
        let effect = Effect { change: Some(Change::CutOver { utc_ms }), reply: None };
        let applied = self.apply(&effect);
        debug_assert!(applied.is_ok(), "a cut-over fits any ledger");
        Some(effect)
    }

    fn next_transfer(&self) -> TransferId {
        TransferId(self.transfers_first.saturating_add(self.transfers.len() as u64))
    }
}

#[cfg(test)]
mod tests;
