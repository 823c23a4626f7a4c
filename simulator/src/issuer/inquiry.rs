//! Inquiries about one account: 30 and 31 balance, 33 name, 39 linked accounts, 90 and 91 orders,
//! 94 details. They change nothing and are not remembered; a repeat is answered afresh.
//!
//! The account is the one in DE102. DE49 and the account types of DE3 are not held against it:
//! the number says it all, and balances are in the account's own currency and type.

use std::borrow::Cow;

use veksel_codecs::structured::tags;
use veksel_codecs::{Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::Issuer;
use super::draft::{Decline, Draft};
use super::search::Listing;
use crate::ledger::{Account, AccountId, Holder, Status};

/// An account of a customer, found.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) id: AccountId,
    pub(super) account: &'a Account,
    pub(super) holder: &'a Holder,
}

impl Issuer {
    pub(super) fn balance(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let Found { account, holder, .. } = self.open_account(now, message)?;
        Ok(Draft::approved(now).with_balances(holder.product, account.balances()))
    }

    /// Says of a blocked or closed account that it is one; that is what is asked.
    pub(super) fn name(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let found = self.known_account(now, message)?;
        let name = self.settings.names.show(self.name_of(found.holder));
        let currency = format!("{:03}", found.account.currency.numeric());
        Ok(Draft::approved(now).with_tags([
            (tags::NAME, &*name),
            (tags::STATUS, found.holder.status.letter()),
            (tags::CURRENCY, &*currency),
            (tags::TYPE, found.holder.product.code()),
        ]))
    }

    /// 94: for those who serve the customer, so the name is whole.
    pub(super) fn details(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let Found { account, holder, .. } = self.known_account(now, message)?;
        let currency = format!("{:03}", account.currency.numeric());
        let draft = Draft::approved(now).with_tags([
            (tags::NAME, self.name_of(holder)),
            (tags::STATUS, holder.status.letter()),
            (tags::CURRENCY, &*currency),
            (tags::TYPE, holder.product.code()),
            (tags::OPENED, &*holder.opened),
            (tags::BRANCH, &*holder.branch),
            (tags::IBAN, &*holder.iban),
        ]);
        let balances = account.balances();
        Ok(draft.with_balances(holder.product, balances).with_limits(holder.product, balances))
    }

    /// Every account of the customer who has this one, this one included.
    pub(super) fn linked_accounts(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let Found { holder, .. } = self.known_account(now, message)?;
        let listing = Listing::read(message)?;
        let ids = self.ledger.accounts_of(&holder.customer).iter();
        listing.answer(now, ACCOUNTS, ids.filter_map(|id| self.account_row(*id)))
    }

    pub(super) fn order(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        self.open_account(now, message)?;
        Ok(Draft::approved(now))
    }

    /// A row of [`ACCOUNTS`]; `None` for one of the bank's own.
    pub(super) fn account_row(&self, id: AccountId) -> Option<[Cow<'_, str>; 5]> {
        let account = self.ledger.account(id)?;
        let holder = account.holder()?;
        Some([
            Cow::from(&account.number),
            Cow::from(holder.product.code()),
            Cow::from(format!("{:03}", account.currency.numeric())),
            Cow::from(holder.status.letter()),
            Cow::from(self.name_of(holder)),
        ])
    }

    /// DE102, which may be closed or blocked.
    pub(super) fn known_account(&self, now: Utc, message: &Message) -> Result<Found<'_>, Decline> {
        let number = message.get(field::ACCOUNT).ok_or(ResponseCode::INVALID_ACCOUNT)?;
        self.check_card(now, message, number.expose())?;
        let found = self.ledger.customer_account(number.expose());
        let (id, account, holder) = found.ok_or(ResponseCode::INVALID_ACCOUNT)?;
        Ok(Found { id, account, holder })
    }

    /// DE102, which says nothing when it is closed or blocked.
    pub(super) fn open_account(&self, now: Utc, message: &Message) -> Result<Found<'_>, Decline> {
        let found = self.known_account(now, message)?;
        match found.holder.status {
            Status::Active | Status::Dormant => Ok(found),
            Status::Blocked => Err(ResponseCode::RESTRICTED.into()),
            Status::Closed => Err(ResponseCode::ACCOUNT_CLOSED.into()),
        }
    }

    pub(super) fn name_of(&self, holder: &Holder) -> &str {
        self.directory.customer(&holder.customer).map_or("", |customer| &*customer.name)
    }
}

/// Columns of a list of accounts (39, 93).
pub(super) const ACCOUNTS: [&str; 5] = ["ACCOUNT", "TYPE", "CURR_CODE", "STATUS", "NAME"];
