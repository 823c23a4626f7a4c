//! The rules of the bank: what an operation leads to, in the order of [`Outcome`].
//!
//! A rule looks at the ledger and proposes a change; it changes nothing. The first thing wrong is
//! the answer, so each rule checks in the order the outcomes are declared.

use super::account::{Account, AccountId, Status};
use super::key::{Class, Key};
use super::operation::{Capture, Funds, HoldRef, PlaceHold, Post, Reverse, Side};
use super::records::{Change, Hold, HoldId, HoldState, Outcome, Tombstone, Transfer, TransferId};
use super::{Ledger, Profile};
use crate::money::{AMOUNT_MAX, Currency, Money};

/// What a rule proposes. A refusal with a change is a tombstone.
pub(super) struct Ruling {
    pub(super) outcome: Outcome,
    pub(super) change: Option<Change>,
    pub(super) amount: Option<Money>,
    /// Accounts whose balances the answer carries.
    pub(super) from: Option<AccountId>,
    pub(super) to: Option<AccountId>,
    pub(super) hold: Option<HoldId>,
    pub(super) transfer: Option<TransferId>,
}

impl Ruling {
    pub(super) const fn without_change(outcome: Outcome, amount: Option<Money>) -> Self {
        Self { outcome, change: None, amount, from: None, to: None, hold: None, transfer: None }
    }
}

impl Ledger {
    pub(super) fn rule_post(&self, utc_ms: u64, key: &Key, post: &Post) -> Result<Ruling, Outcome> {
        let amount = sound_amount(post.amount)?;
        let currency = post.amount.currency;
        let (debit_id, debit) = self.side(&post.debit, currency)?;
        let (credit_id, credit) = self.side(&post.credit, currency)?;
        open_for_business(&[debit, credit])?;
        in_currency(&[debit, credit], currency)?;
        if debit_id == credit_id {
            return Err(Outcome::SameAccount);
        }
        if let (Funds::Checked, Some(holder)) = (post.funds, debit.holder()) {
            if holder.status == Status::Dormant {
                return Err(Outcome::NotPermitted);
            }
            if debit.balances().available() < amount {
                return Err(Outcome::InsufficientFunds);
            }
        }
        still_reportable(debit, credit, amount)?;
        let transfer = Transfer {
            id: self.next_transfer(),
            debit: debit_id,
            credit: credit_id,
            amount,
            currency,
            tran_type: post.tran_type,
            narration: post.narration.clone(),
            utc_ms,
            key: Some(*key),
            hold: None,
            reverses: None,
            reversed: None,
        };
        Ok(self.ruling_of_transfer(transfer, None))
    }

    pub(super) fn rule_hold(
        &self,
        utc_ms: u64,
        key: &Key,
        place: &PlaceHold,
    ) -> Result<Ruling, Outcome> {
        let amount = sound_amount(place.amount)?;
        let currency = place.amount.currency;
        let (id, account, holder) =
            self.customer_account(&place.account).ok_or(Outcome::NoAccount)?;
        open_for_business(&[account])?;
        in_currency(&[account], currency)?;
        match place.funds {
            Funds::Checked if holder.status == Status::Dormant => {
                return Err(Outcome::NotPermitted);
            }
            Funds::Checked if account.balances().available() < amount => {
                return Err(Outcome::InsufficientFunds);
            }
            Funds::Checked | Funds::Forced => {}
        }
        let hold = Hold {
            id: HoldId(self.holds_next),
            account: id,
            amount,
            currency,
            state: HoldState::Open(amount),
            tran_type: place.tran_type,
            narration: place.narration.clone(),
            utc_ms,
            expires_ms: Some(utc_ms.saturating_add(self.limits.hold_ms)),
            key: Some(*key),
            adjusted: None,
        };
        Ok(Ruling {
            outcome: Outcome::Approved,
            amount: Some(place.amount),
            from: Some(id),
            to: None,
            hold: Some(hold.id),
            transfer: None,
            change: Some(Change::Held(hold)),
        })
    }

    pub(super) fn rule_capture(
        &self,
        utc_ms: u64,
        key: &Key,
        capture: &Capture,
    ) -> Result<Ruling, Outcome> {
        let amount = sound_amount(capture.amount)?;
        let id = self.find_hold(utc_ms, capture.hold)?;
        let hold = self.hold(id).ok_or(Outcome::OriginalNotFound)?;
        let reserved = match hold.state {
            HoldState::Captured(posted) if posted == amount => {
                let mut done = Ruling::without_change(Outcome::AlreadyDone, Some(capture.amount));
                done.hold = Some(id);
                done.from = Some(hold.account);
                return Ok(done);
            }
            HoldState::Captured(_) => return Err(Outcome::Conflict),
            HoldState::Voided => return Err(Outcome::NoAction),
            HoldState::Open(left) => left,
            HoldState::Expired => hold.amount,
        };
        let currency = capture.amount.currency;
        let (credit_id, credit) = self.side(&capture.credit, currency)?;
        let account = self.account(hold.account).ok_or(Outcome::NoAccount)?;
        open_for_business(&[credit])?;
        in_currency(&[account, credit], currency)?;
        if credit_id == hold.account {
            return Err(Outcome::SameAccount);
        }
        if i128::from(amount) * 100 > i128::from(reserved) * CAPTURE_PERCENT_MAX {
            return Err(Outcome::ExceedsHold);
        }
        still_reportable(account, credit, amount)?;
        let transfer = Transfer {
            id: self.next_transfer(),
            debit: hold.account,
            credit: credit_id,
            amount,
            currency,
            tran_type: hold.tran_type,
            narration: capture.narration.clone(),
            utc_ms,
            key: Some(*key),
            hold: Some(id),
            reverses: None,
            reversed: None,
        };
        Ok(self.ruling_of_transfer(transfer, Some(id)))
    }

    pub(super) fn rule_reverse(
        &self,
        utc_ms: u64,
        key: &Key,
        reverse: &Reverse,
    ) -> Result<Ruling, Outcome> {
        let actual = reverse.actual.unwrap_or(0);
        if !(0..=AMOUNT_MAX).contains(&actual) {
            return Err(Outcome::InvalidAmount);
        }
        let original = &reverse.original;
        let Some(reply) = self.replies.traced(original, utc_ms, self.limits.window_ms) else {
            let mut unknown = Ruling::without_change(Outcome::OriginalNotFound, None);
            unknown.change = match (self.profile, original.class) {
                (Profile::Ideal, Class::Authorization | Class::Financial) => {
                    Some(Change::Tombstoned(Tombstone { original: *original, utc_ms }))
                }
                (Profile::Ideal, Class::Reversal) | (Profile::Legacy, _) => None,
            };
            return Ok(unknown);
        };
        // A declined copy does not hide the execution that is to be undone.
        let reply = self.replies.approved(&reply.key).unwrap_or(reply);
        if reply.outcome != Outcome::Approved || reply.key.class == Class::Reversal {
            return Err(Outcome::NoAction);
        }
        match (reply.transfer, reply.hold) {
            (Some(id), _) => self.rule_undo(utc_ms, key, id, actual),
            (None, Some(id)) if self.hold(id).is_some_and(|hold| hold.key != Some(reply.key)) => {
                self.rule_readjust(id, reply)
            }
            (None, Some(id)) => self.rule_release(id, actual),
            (None, None) => Err(Outcome::NoAction),
        }
    }

    /// A reversal restores what was: it needs no funds and no open account.
    fn rule_undo(
        &self,
        utc_ms: u64,
        key: &Key,
        id: TransferId,
        actual: i64,
    ) -> Result<Ruling, Outcome> {
        let original = self.transfer(id).ok_or(Outcome::OriginalNotFound)?;
        let (payer, payee) = (original.debit, original.credit);
        if let Some((by, undone)) = original.reversed {
            let amount = Money::new(undone, original.currency);
            let mut done = Ruling::without_change(Outcome::AlreadyDone, Some(amount));
            done.transfer = Some(by);
            (done.from, done.to) = (Some(payer), Some(payee));
            return Ok(done);
        }
        if actual > original.amount {
            return Err(Outcome::InvalidAmount);
        }
        let amount = original.amount.checked_sub(actual).ok_or(Outcome::Overflow)?;
        if amount == 0 {
            return Err(Outcome::NoAction);
        }
        let debit = self.account(payee).ok_or(Outcome::NoAccount)?;
        let credit = self.account(payer).ok_or(Outcome::NoAccount)?;
        still_reportable(debit, credit, amount)?;
        let transfer = Transfer {
            id: self.next_transfer(),
            debit: payee,
            credit: payer,
            amount,
            currency: original.currency,
            tran_type: original.tran_type,
            narration: format!("REVERSAL {}", original.narration),
            utc_ms,
            key: Some(*key),
            hold: None,
            reverses: Some(id),
            reversed: None,
        };
        let mut ruling = self.ruling_of_transfer(transfer, None);
        (ruling.from, ruling.to) = (Some(payer), Some(payee));
        Ok(ruling)
    }

    /// Lets go of a hold, or of all but `actual` of it.
    pub(super) fn rule_release(&self, id: HoldId, actual: i64) -> Result<Ruling, Outcome> {
        let hold = self.hold(id).ok_or(Outcome::OriginalNotFound)?;
        let left = match hold.state {
            HoldState::Open(left) => left,
            HoldState::Captured(_) => return Err(Outcome::NoAction),
            HoldState::Voided | HoldState::Expired => {
                let amount = Money::new(0, hold.currency);
                let mut done = Ruling::without_change(Outcome::AlreadyDone, Some(amount));
                done.hold = Some(id);
                done.from = Some(hold.account);
                return Ok(done);
            }
        };
        if actual > hold.amount {
            return Err(Outcome::InvalidAmount);
        }
        if left < hold.amount && actual > 0 {
            // It was reduced before; the second reversal changes nothing.
            let mut done = Ruling::without_change(Outcome::AlreadyDone, None);
            done.hold = Some(id);
            done.from = Some(hold.account);
            return Ok(done);
        }
        if actual >= left {
            return Err(Outcome::NoAction);
        }
        let state = if actual == 0 { HoldState::Voided } else { HoldState::Open(actual) };
        let released = left.checked_sub(actual).ok_or(Outcome::Overflow)?;
        Ok(Ruling {
            outcome: Outcome::Approved,
            amount: Some(Money::new(released, hold.currency)),
            from: Some(hold.account),
            to: None,
            hold: Some(id),
            transfer: None,
            change: Some(Change::Released { hold: id, state }),
        })
    }

    /// The hold that a completion means.
    ///
    /// # Errors
    ///
    /// The message is not on file, or it placed no hold.
    pub fn find_hold(&self, utc_ms: u64, hold: HoldRef) -> Result<HoldId, Outcome> {
        match hold {
            HoldRef::Id(id) => Ok(id),
            HoldRef::Key(key) => {
                let reply = self
                    .replies
                    .traced(&key, utc_ms, self.limits.hold_ms)
                    .ok_or(Outcome::OriginalNotFound)?;
                reply.hold.ok_or(Outcome::NoAction)
            }
        }
    }

    fn side(&self, side: &Side, currency: Currency) -> Result<(AccountId, &Account), Outcome> {
        match side {
            Side::Account(number) => self
                .customer_account(number)
                .map(|(id, account, _)| (id, account))
                .ok_or(Outcome::NoAccount),
            Side::Bank(gl) => {
                let id = self.bank_account(*gl, currency).ok_or(Outcome::NoAccount)?;
                Ok((id, self.account(id).ok_or(Outcome::NoAccount)?))
            }
        }
    }

    fn ruling_of_transfer(&self, transfer: Transfer, captured: Option<HoldId>) -> Ruling {
        Ruling {
            outcome: Outcome::Approved,
            amount: Some(Money::new(transfer.amount, transfer.currency)),
            from: Some(transfer.debit),
            to: Some(transfer.credit),
            hold: transfer.hold,
            transfer: Some(transfer.id),
            change: Some(match captured {
                Some(hold) => Change::Captured { hold, transfer },
                None => Change::Posted(transfer),
            }),
        }
    }
}

pub(super) fn sound_amount(amount: Money) -> Result<i64, Outcome> {
    match amount.minor {
        1..=AMOUNT_MAX => Ok(amount.minor),
        i64::MIN..=0 | 1_000_000_000_000.. => Err(Outcome::InvalidAmount),
    }
}

pub(super) fn open_for_business(accounts: &[&Account]) -> Result<(), Outcome> {
    let any = |status: Status| {
        accounts.iter().any(|account| account.holder().is_some_and(|h| h.status == status))
    };
    if any(Status::Closed) {
        return Err(Outcome::Closed);
    }
    if any(Status::Blocked) {
        return Err(Outcome::Blocked);
    }
    Ok(())
}

pub(super) fn in_currency(accounts: &[&Account], currency: Currency) -> Result<(), Outcome> {
    match accounts.iter().all(|account| account.currency == currency) {
        true => Ok(()),
        false => Err(Outcome::CurrencyMismatch),
    }
}

/// DE54 has 12 digits, so a customer's balance must fit them. The bank's own are never reported.
fn still_reportable(debit: &Account, credit: &Account, amount: i64) -> Result<(), Outcome> {
    let lowest = debit.ledger().saturating_sub(amount);
    let highest = credit.ledger().saturating_add(amount);
    if debit.holder().is_some() && lowest < 0 - AMOUNT_MAX {
        return Err(Outcome::Overflow);
    }
    if credit.holder().is_some() && highest > AMOUNT_MAX {
        return Err(Outcome::Overflow);
    }
    Ok(())
}

/// cbs-interface.md 6.4, note 4.
const CAPTURE_PERCENT_MAX: i128 = 115;
