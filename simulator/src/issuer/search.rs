//! The private inquiries of cbs-interface.md 6.12 (92, 93, 95, 96, 97) and lists in general.
//!
//! Nothing found is 25. A list that does not fit says in DE63 where it goes on; the token is the
//! number of rows that were given so far.

use std::borrow::Cow;

use veksel_codecs::structured::{table, tags};
use veksel_codecs::{Fault, Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::draft::{Decline, Draft};
use super::inquiry::ACCOUNTS;
use super::{Issuer, names};
use crate::directory::Customer;

impl Issuer {
    /// 92: a customer must fit every tag that is given.
    pub(super) fn customers(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let listing = Listing::read(message)?;
        let (id, name) = (listing.tag(tags::CUSTOMER), listing.tag(tags::SEARCH_NAME));
        let phone = listing.tag(tags::PHONE);
        if [id, name, phone].iter().all(Option::is_none) {
            return Err(WRONG_TAGS);
        }
        let owner = phone.map(|phone| self.directory.customer_by_phone(phone));
        let is_wanted = |customer: &&Customer| {
            id.is_none_or(|id| customer.id == id)
                && owner.is_none_or(|owner| owner == Some(*customer))
        };
        let rows = self.directory.customers_named(name.unwrap_or_default()).filter(is_wanted);
        let cells = |customer: &Customer| -> [String; 4] {
            let Customer { id, name, phone, status, .. } = customer;
            [id.clone(), name.clone(), phone.clone(), status.letter().to_owned()]
        };
        let columns = ["CUST_ID", "NAME", "PHONE", "STATUS"];
        listing.answer(now, columns, rows.map(|customer| cells(customer).map(Cow::from)))
    }

    /// 93: all accounts of a customer, or the one with this number or IBAN.
    pub(super) fn accounts(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let listing = Listing::read(message)?;
        let (customer, number) = (listing.tag(tags::CUSTOMER), listing.tag(tags::SEARCH_ACCOUNT));
        if customer.is_none() && number.is_none() {
            return Err(WRONG_TAGS);
        }
        let number = number.map(|text| text.replace(' ', ""));
        let accounts = self.ledger.accounts().filter(|(_, account)| {
            account.holder().is_some_and(|holder| {
                let is_named =
                    |number: &String| account.number == *number || holder.iban == *number;
                customer.is_none_or(|customer| holder.customer == customer)
                    && number.as_ref().is_none_or(is_named)
            })
        });
        listing.answer(now, ACCOUNTS, accounts.filter_map(|(id, _)| self.account_row(id)))
    }

    /// 95: the operator of a phone number, and whose it is if it is one of our customers'.
    pub(super) fn operator(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let listing = Listing::read(message)?;
        let phone = listing.tag(tags::PHONE).ok_or(WRONG_TAGS)?;
        let operator = self.directory.operator(phone).ok_or(ResponseCode::NOT_FOUND)?;
        let owner = self.directory.customer_by_phone(phone);
        let name = owner.map(|customer| self.settings.names.show(&customer.name));
        let list = name.iter().map(|name| (tags::NAME, name.as_str()));
        Ok(Draft::approved(now).with_tags(list.chain([(tags::OPERATOR, &*operator.name)])))
    }

    /// 96: every bank, ours first.
    pub(super) fn banks(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let rows = self.directory.rows().banks.iter();
        let cells = rows.map(|bank| [&bank.code, &bank.bic, &bank.name, &bank.iin].map(Cow::from));
        Listing::read(message)?.answer(now, ["BANK_CODE", "BIC", "NAME", "IIN"], cells)
    }

    /// 97: whose account DE103 is at the bank in tag 15; ours if the bank is.
    pub(super) fn beneficiary(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let listing = Listing::read(message)?;
        let code = listing.tag(tags::BANK).ok_or(WRONG_TAGS)?;
        let bank = self.directory.bank(code).ok_or(ResponseCode::NO_SUCH_ISSUER)?;
        let account = message.get(field::COUNTER_ACCOUNT).ok_or(ResponseCode::INVALID_ACCOUNT)?;
        let rows = self.directory.rows();
        let name = if rows.banks.first() == Some(bank) {
            let found = self.ledger.customer_account(account.expose());
            found.map(|(_, _, holder)| self.name_of(holder).to_owned())
        } else {
            names::invented(&rows.customers, &bank.code, account.expose())
        };
        let name = self.settings.names.show(&name.ok_or(ResponseCode::INVALID_ACCOUNT)?);
        Ok(Draft::approved(now).with_tags([(tags::NAME, &*name)]))
    }
}

/// DE48 of a request that is answered with a list.
pub(super) struct Listing {
    list: Vec<(String, String)>,
    /// Rows that earlier pages had.
    skip: usize,
}

impl Listing {
    pub(super) fn read(message: &Message) -> Result<Self, Decline> {
        let additional = message.get(field::ADDITIONAL_DATA);
        let list = parse_tags(additional.as_deref())?.into_iter();
        let list = list.map(|(tag, value)| (tag.to_owned(), value.trim_end().to_owned()));
        let mut listing = Self { list: list.collect(), skip: 0 };
        if let Some(token) = listing.tag(tags::PAGE) {
            listing.skip = token.parse().map_err(|_| WRONG_TAGS)?;
        }
        Ok(listing)
    }

    /// `None` also for a tag without a value.
    fn tag(&self, tag: &str) -> Option<&str> {
        let found = self.list.iter().find(|(name, _)| name == tag);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A page of rows, as many as fit.
    pub(super) fn answer<'a, const N: usize>(
        &self,
        now: Utc,
        columns: [&str; N],
        rows: impl Iterator<Item = [Cow<'a, str>; N]>,
    ) -> Result<Draft, Decline> {
        let mut writer = table::Writer::new(&columns);
        let mut is_cut = false;
        for row in rows.skip(self.skip) {
            if !writer.push(&row.each_ref().map(|cell| &**cell)) {
                is_cut = true;
                break;
            }
        }
        if writer.rows() == 0 {
            return Err(ResponseCode::NOT_FOUND.into());
        }
        let given = self.skip.saturating_add(writer.rows());
        let next = is_cut.then(|| given.to_string());
        Ok(Draft::approved(now).with_table(writer, next))
    }
}

/// The tags of DE48; none if there is no DE48.
pub(super) fn parse_tags(text: Option<&str>) -> Result<Vec<(&str, &str)>, Decline> {
    tags::parse(text.unwrap_or_default()).ok_or(WRONG_TAGS)
}

const WRONG_TAGS: Decline = Decline::Format(field::ADDITIONAL_DATA.number(), Fault::Value);
