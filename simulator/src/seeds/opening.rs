//! From seed tables to a ledger: accounts, opening balances, entries, holds.
//!
//! The result is the ledger and the very effects that made it, in order, so that a new book
//! starts with what the ledger holds. The opening balance of an account is what its entries leave
//! over; equity pays it on the day the account was opened.

use std::collections::HashMap;

use crate::directory::Directory;
use crate::ledger::{
    AccountId, Change, Direction, Effect, Gl, Hold, HoldId, HoldState, Ledger, Limits, Profile,
    Transfer, TransferId, Unsound,
};
use crate::money::Currency;

use super::{SeedAccount, SeedEntry, Seeds};

/// A bank on its first day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Balanced, with nothing remembered.
    pub ledger: Ledger,
    /// Ready for look-ups.
    pub directory: Directory,
    /// What a new book must hold, besides the accounts and the directory.
    pub effects: Vec<Effect>,
}

impl Seeds {
    /// The same seeds give the same ledger, to the last number.
    ///
    /// # Errors
    ///
    /// The limits have no room for the seeds.
    pub fn open(&self, limits: Limits, profile: Profile) -> Result<Opening, Unsound> {
        let mut ledger = Ledger::new(limits, profile);
        let mut opened = HashMap::new();
        for account in &self.accounts {
            let id = ledger.open_account(account.new.clone())?;
            opened.insert(account.new.number.as_str(), (id, account));
        }
        let mut effects = Vec::new();
        let mut drafts: Vec<Draft<'_>> = Vec::new();
        let mut openings: HashMap<&str, i64> = HashMap::new();
        for entry in &self.entries {
            let Some((id, account)) = opened.get(entry.account.as_str()) else {
                continue;
            };
            let net = openings.entry(&entry.account).or_default();
            *net = match entry.direction {
                Direction::Credit => net.checked_add(entry.amount),
                Direction::Debit => net.checked_sub(entry.amount),
            }
            .ok_or(Unsound::Overflow)?;
            drafts.push(Draft::of_entry(*id, account.new.currency, entry));
        }
        for account in &self.accounts {
            let number = account.new.number.as_str();
            let Some((id, _)) = opened.get(number) else {
                continue;
            };
            let net = openings.get(number).copied().unwrap_or(0);
            let opening = account.balance.checked_sub(net).ok_or(Unsound::Overflow)?;
            if opening != 0 {
                drafts.push(Draft::of_opening(*id, account, opening));
            }
        }
        // Stable, so that entries of one second keep the order of the file.
        drafts.sort_by_key(|draft| (draft.utc_ms, draft.facing != Gl::Equity));
        for (id, draft) in (1..).zip(drafts) {
            let transfer = draft.transfer(TransferId(id), &ledger)?;
            effects.push(Effect { change: Some(Change::Posted(transfer)), reply: None });
        }
        let reserved = self.accounts.iter().filter(|account| account.hold > 0);
        for (id, account) in (1..).zip(reserved) {
            let Some((account_id, _)) = opened.get(account.new.number.as_str()) else {
                continue;
            };
            let hold = seed_hold(HoldId(id), *account_id, account);
            effects.push(Effect { change: Some(Change::Held(hold)), reply: None });
        }
        for effect in &effects {
            ledger.recall(effect)?;
        }
        let directory = Directory::new(self.rows.clone());
        Ok(Opening { ledger, directory, effects })
    }
}

/// A transfer that has no number yet.
struct Draft<'a> {
    account: AccountId,
    facing: Gl,
    currency: Currency,
    amount: i64,
    direction: Direction,
    tran_type: u8,
    narration: &'a str,
    utc_ms: u64,
}

impl<'a> Draft<'a> {
    fn of_entry(account: AccountId, currency: Currency, entry: &'a SeedEntry) -> Self {
        Self {
            account,
            facing: Gl::facing(entry.tran_type).unwrap_or(Gl::Interbank),
            currency,
            amount: entry.amount,
            direction: entry.direction,
            tran_type: entry.tran_type,
            narration: &entry.narration,
            utc_ms: entry.utc_ms,
        }
    }

    fn of_opening(account: AccountId, seed: &SeedAccount, opening: i64) -> Self {
        let direction = if opening > 0 { Direction::Credit } else { Direction::Debit };
        Self {
            account,
            facing: Gl::Equity,
            currency: seed.new.currency,
            amount: opening.saturating_abs(),
            direction,
            tran_type: 21,
            narration: "OPENING BALANCE",
            utc_ms: seed.opened_ms,
        }
    }

    fn transfer(&self, id: TransferId, ledger: &Ledger) -> Result<Transfer, Unsound> {
        let facing =
            ledger.bank_account(self.facing, self.currency).ok_or(Unsound::UnknownAccount)?;
        let (debit, credit) = match self.direction {
            Direction::Debit => (self.account, facing),
            Direction::Credit => (facing, self.account),
        };
        Ok(Transfer {
            id,
            debit,
            credit,
            amount: self.amount,
            currency: self.currency,
            tran_type: self.tran_type,
            narration: self.narration.to_owned(),
            utc_ms: self.utc_ms,
            key: None,
            hold: None,
            reverses: None,
            reversed: None,
        })
    }
}

fn seed_hold(id: HoldId, account: AccountId, seed: &SeedAccount) -> Hold {
    Hold {
        id,
        account,
        amount: seed.hold,
        currency: seed.new.currency,
        state: HoldState::Open(seed.hold),
        tran_type: 0,
        narration: "RENT SECURITY DEPOSIT".to_owned(),
        utc_ms: seed.opened_ms,
        expires_ms: None,
        key: None,
        adjusted: None,
    }
}
