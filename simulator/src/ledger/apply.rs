//! Facts: the only code that changes balances, holds and what is remembered.
//!
//! Everything is checked before the first change, so a fact that does not fit changes nothing.
//! It decides nothing; what comes here has been decided by the rules or read from the book.

use super::account::{Account, AccountId};
use super::records::{Change, Effect, Hold, HoldId, HoldState, Transfer, TransferId};
use super::{Ledger, Limits, Unsound};

impl Ledger {
    /// Records a fact: one just decided, or one read from the book. On an error nothing changed.
    ///
    /// # Errors
    ///
    /// The fact does not fit; nothing changed.
    pub fn apply(&mut self, effect: &Effect) -> Result<(), Unsound> {
        match &effect.change {
            Some(Change::Posted(transfer)) => self.apply_transfer(transfer)?,
            Some(Change::Held(hold)) => self.apply_hold(hold)?,
            Some(Change::Captured { hold, transfer }) => {
                if !self.holds.get(hold).is_some_and(|hold| hold.state.is_capturable()) {
                    return Err(Unsound::UnknownHold);
                }
                self.apply_transfer(transfer)?;
                self.apply_release(*hold, HoldState::Captured(transfer.amount))?;
            }
            Some(Change::Adjusted { hold, amount, adjusted }) => {
                self.apply_adjustment(*hold, *amount, *adjusted)?;
            }
            Some(Change::Released { hold, state }) => self.apply_release(*hold, *state)?,
            Some(Change::Tombstoned(tombstone)) => {
                self.replies.entomb(*tombstone, self.limits.keep_ms);
            }
            Some(Change::CutOver { utc_ms }) => self.calendar.cut_over(*utc_ms),
            None => {}
        }
        if let Some(reply) = effect.reply {
            self.replies.insert(reply);
        }
        Ok(())
    }

    /// Applies a fact read back from the book, oldest first. Where a table is full its oldest
    /// entry gives way whatever its age: it had been forgotten before the restart too.
    ///
    /// # Errors
    ///
    /// The fact does not fit; nothing but room was made.
    pub fn recall(&mut self, effect: &Effect) -> Result<(), Unsound> {
        self.make_room(u64::MAX, Claim::Reserve);
        self.apply(effect)
    }

    /// Releases the holds whose time has come. The effects must be committed like any other.
    pub fn expire_holds(&mut self, utc_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((expires_ms, hold)) = self.expiries.first().copied() {
            if expires_ms > utc_ms {
                break;
            }
            let change = Change::Released { hold, state: HoldState::Expired };
            let effect = Effect { change: Some(change), reply: None };
            if self.apply(&effect).is_err() {
                debug_assert!(false, "an expiry without an open hold");
                self.expiries.pop_first();
                continue;
            }
            effects.push(effect);
        }
        effects
    }

    fn apply_transfer(&mut self, transfer: &Transfer) -> Result<(), Unsound> {
        let amount = transfer.amount;
        if transfer.id != self.next_transfer() {
            return Err(Unsound::Sequence);
        }
        if amount <= 0 {
            return Err(Unsound::Amount);
        }
        let debit = self.account(transfer.debit).ok_or(Unsound::UnknownAccount)?;
        let credit = self.account(transfer.credit).ok_or(Unsound::UnknownAccount)?;
        let currency = transfer.currency;
        if transfer.debit == transfer.credit
            || debit.currency != currency
            || credit.currency != currency
        {
            return Err(Unsound::Sides);
        }
        let debits = debit.debits_posted.checked_add(amount).ok_or(Unsound::Overflow)?;
        let credits = credit.credits_posted.checked_add(amount).ok_or(Unsound::Overflow)?;
        if let Some(original) = transfer.reverses.and_then(|id| self.transfer_mut(id)) {
            if original.reversed.is_some_and(|(by, _)| by != transfer.id)
                || amount > original.amount
            {
                return Err(Unsound::Reversal);
            }
            original.reversed = Some((transfer.id, amount));
        }
        if let Some(debit) = self.account_mut(transfer.debit) {
            debit.debits_posted = debits;
            debit.enter(transfer.id);
        }
        if let Some(credit) = self.account_mut(transfer.credit) {
            credit.credits_posted = credits;
            credit.enter(transfer.id);
        }
        self.transfers.push_back(transfer.clone());
        Ok(())
    }

    fn apply_hold(&mut self, hold: &Hold) -> Result<(), Unsound> {
        if hold.id.0 < self.holds_next {
            return Err(Unsound::Sequence);
        }
        if hold.amount <= 0 || hold.state.held() > hold.amount || hold.state.held() < 0 {
            return Err(Unsound::Amount);
        }
        let account = self.account_mut(hold.account).ok_or(Unsound::UnknownAccount)?;
        if account.currency != hold.currency {
            return Err(Unsound::Sides);
        }
        account.debits_pending =
            account.debits_pending.checked_add(hold.state.held()).ok_or(Unsound::Overflow)?;
        match (hold.state, hold.expires_ms) {
            (HoldState::Open(_), Some(expires_ms)) => {
                self.expiries.insert((expires_ms, hold.id));
            }
            (HoldState::Open(_), None) => {}
            (HoldState::Captured(_) | HoldState::Voided | HoldState::Expired, _) => {
                self.holds_closed.push_back(hold.id);
            }
        }
        self.holds_next = hold.id.0.saturating_add(1);
        self.holds.insert(hold.id, hold.clone());
        Ok(())
    }

    fn apply_release(&mut self, id: HoldId, state: HoldState) -> Result<(), Unsound> {
        let hold = self.holds.get_mut(&id).ok_or(Unsound::UnknownHold)?;
        let left = match (hold.state, state) {
            (HoldState::Open(left), _) => left,
            (HoldState::Expired, HoldState::Captured(_)) => {
                hold.state = state;
                return Ok(());
            }
            (HoldState::Captured(_) | HoldState::Voided | HoldState::Expired, _) => {
                return Err(Unsound::UnknownHold);
            }
        };
        if state.held() < 0 || state.held() > left {
            return Err(Unsound::Amount);
        }
        let slot = hold.account.0 as usize;
        let account = self.accounts.get_mut(slot).ok_or(Unsound::UnknownAccount)?;
        let released = left.checked_sub(state.held()).ok_or(Unsound::Overflow)?;
        account.debits_pending =
            account.debits_pending.checked_sub(released).ok_or(Unsound::Overflow)?;
        hold.state = state;
        let is_open = matches!(state, HoldState::Open(_));
        if let (false, Some(expires_ms)) = (is_open, hold.expires_ms) {
            self.expiries.remove(&(expires_ms, id));
        }
        if !is_open {
            self.holds_closed.push_back(id);
        }
        Ok(())
    }

    /// Forgets what may be forgotten until there is room for what is claimed.
    pub(super) fn make_room(&mut self, utc_ms: u64, claim: Claim) -> bool {
        let Limits { transfers_max, replies_max, holds_max, keep_ms, .. } = self.limits;
        let with_reserve = |max: usize| match claim {
            Claim::Transfer | Claim::Hold => max,
            Claim::Reserve => max.saturating_add(max / RESERVE_SHARE),
        };
        while self.transfers.len() >= with_reserve(transfers_max) {
            let is_old = |transfer: &Transfer| utc_ms.saturating_sub(transfer.utc_ms) > keep_ms;
            if !self.transfers.front().is_some_and(is_old) {
                return false;
            }
            self.fold_oldest();
        }
        let holds_max = match claim {
            Claim::Hold | Claim::Reserve => with_reserve(holds_max),
            Claim::Transfer => usize::MAX,
        };
        while self.holds.len() >= holds_max {
            let oldest = self.holds_closed.front().copied();
            let placed_ms = oldest.and_then(|id| self.holds.get(&id)).map(|hold| hold.utc_ms);
            match (oldest, placed_ms) {
                (Some(id), Some(ms)) if utc_ms.saturating_sub(ms) > keep_ms => {
                    self.holds_closed.pop_front();
                    self.holds.remove(&id);
                }
                // Only placing a hold needs room for one.
                (Some(_) | None, _) if claim == Claim::Reserve => break,
                (Some(_) | None, _) => return false,
            }
        }
        self.replies.make_room(utc_ms, with_reserve(replies_max), keep_ms)
    }

    /// Moves the oldest transfer into the opening sums of its two accounts.
    fn fold_oldest(&mut self) {
        let Some(transfer) = self.transfers.pop_front() else {
            return;
        };
        self.transfers_first = transfer.id.0.saturating_add(1);
        let (debits, _) = self.folded.entry(transfer.debit).or_default();
        *debits = debits.saturating_add(transfer.amount);
        let (_, credits) = self.folded.entry(transfer.credit).or_default();
        *credits = credits.saturating_add(transfer.amount);
        for side in [transfer.debit, transfer.credit] {
            if let Some(account) = self.account_mut(side) {
                account.forget(transfer.id);
            }
        }
    }

    fn account_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(id.0 as usize)
    }

    fn transfer_mut(&mut self, id: TransferId) -> Option<&mut Transfer> {
        let position = id.0.checked_sub(self.transfers_first)?;
        self.transfers.get_mut(usize::try_from(position).ok()?)
    }
}

/// What room is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Transfer,
    Hold,
    /// Reversals, voids and captures finish what was begun: they are still taken when new work
    /// is refused.
    Reserve,
}

/// The reserve is this part of a table on top of its limit.
const RESERVE_SHARE: usize = 8;
