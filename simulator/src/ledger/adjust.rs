//! Adjustments of holds: a 0100 that names a hold gives it another amount, and its reversal gives
//! it back the one before.
//!
//! An adjustment says the whole amount and not the difference, so that of two the later holds
//! whatever became of the earlier; only the last can be taken back.

use super::account::{AccountId, Status};
use super::operation::Adjust;
use super::records::{Adjusted, Change, Hold, HoldId, HoldState, Outcome, Reply};
use super::rules::{Ruling, in_currency, open_for_business, sound_amount};
use super::{Ledger, Unsound};
use crate::money::Money;

impl Ledger {
    pub(super) fn rule_adjust(&self, adjust: &Adjust) -> Result<Ruling, Outcome> {
        let amount = sound_amount(adjust.amount)?;
        let hold = self.hold(adjust.hold).ok_or(Outcome::OriginalNotFound)?;
        let account = self.account(hold.account).ok_or(Outcome::NoAccount)?;
        if account.number != adjust.account {
            return Err(Outcome::OriginalNotFound);
        }
        let HoldState::Open(left) = hold.state else { return Err(Outcome::NoAction) };
        open_for_business(&[account])?;
        in_currency(&[account], adjust.amount.currency)?;
        let more = amount.checked_sub(left).ok_or(Outcome::Overflow)?;
        let is_dormant = account.holder().is_some_and(|holder| holder.status == Status::Dormant);
        if more > 0 && is_dormant {
            return Err(Outcome::NotPermitted);
        }
        if more > 0 && account.balances().available() < more {
            return Err(Outcome::InsufficientFunds);
        }
        let adjusted = Some(Adjusted { by: self.replies.next_id(), before: left });
        let change = Change::Adjusted { hold: hold.id, amount, adjusted };
        Ok(adjusting(hold, adjust.amount, change))
    }

    /// The adjustment was not to be: the hold is as before, unless another came since.
    pub(super) fn rule_readjust(&self, id: HoldId, reply: &Reply) -> Result<Ruling, Outcome> {
        let hold = self.hold(id).ok_or(Outcome::OriginalNotFound)?;
        match (hold.state, hold.adjusted) {
            (HoldState::Open(_), Some(Adjusted { by, before })) if by == reply.id => {
                let change = Change::Adjusted { hold: id, amount: before, adjusted: None };
                Ok(adjusting(hold, Money::new(before, hold.currency), change))
            }
            (HoldState::Open(_) | HoldState::Voided | HoldState::Expired, _) => {
                let mut done = Ruling::without_change(Outcome::AlreadyDone, None);
                (done.hold, done.from) = (Some(id), Some(hold.account));
                Ok(done)
            }
            (HoldState::Captured(_), _) => Err(Outcome::NoAction),
        }
    }

    pub(super) fn apply_adjustment(
        &mut self,
        id: HoldId,
        amount: i64,
        adjusted: Option<Adjusted>,
    ) -> Result<(), Unsound> {
        let hold = self.holds.get_mut(&id).ok_or(Unsound::UnknownHold)?;
        let HoldState::Open(left) = hold.state else { return Err(Unsound::UnknownHold) };
        if amount <= 0 {
            return Err(Unsound::Amount);
        }
        let AccountId(slot) = hold.account;
        let account = self.accounts.get_mut(slot as usize).ok_or(Unsound::UnknownAccount)?;
        let pending = account.debits_pending.checked_sub(left);
        let pending = pending.and_then(|pending| pending.checked_add(amount));
        account.debits_pending = pending.ok_or(Unsound::Overflow)?;
        hold.amount = amount;
        hold.state = HoldState::Open(amount);
        hold.adjusted = adjusted;
        Ok(())
    }
}

const fn adjusting(hold: &Hold, amount: Money, change: Change) -> Ruling {
    let outcome = Outcome::Approved;
    let (amount, from) = (Some(amount), Some(hold.account));
    let (to, transfer) = (None, None);
    Ruling { outcome, change: Some(change), amount, from, to, hold: Some(hold.id), transfer }
}
