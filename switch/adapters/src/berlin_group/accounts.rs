//! Accounts: balances, transactions, confirmation of funds.

use super::outcome::Asked;
use super::payments::{amount, next, rrn};
use super::wire::{
    AccountDetails, AccountList, AccountReference, Balance, BalanceResponse, FundsRequest,
    FundsResponse, Report, Transaction, TransactionsResponse,
};
use super::{ACCOUNTS, BerlinGroup, FUNDS};
use crate::executor::{Chain, Request, Response};
use crate::money;
use crate::oauth::escape;
use core::cmp::Reverse;
use reqwest::Method;
use veksel_core::Utc;
use veksel_core::enquiry::{
    Balances, BankAccount, Failed, Failure, Line, Money, Order, Progress, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Civil;

/// Pages of a list that are read.
const PAGES_MAX: usize = 10;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// Longest text of a line, in characters.
const TEXT_MAX: usize = 140;

/// Where the two balances of DE54 come from, the best first (http-contracts 4.2).
const LEDGER: &[&str] = &["closingBooked", "interimBooked", "expected", "openingBooked"];
const AVAILABLE: &[&str] = &["interimAvailable", "forwardAvailable", "expected"];

/// Transactions as far as the bank showed them.
#[derive(Debug, Default)]
struct Listing {
    booked: Vec<Transaction>,
    pending: Vec<Transaction>,
    balances: Vec<Balance>,
    /// Whether there is nothing beyond: the last page was read, and it said what is pending.
    is_complete: bool,
}

impl BerlinGroup {
    pub(super) async fn balances(
        &self,
        chain: &Chain,
        account: &BankAccount,
        is_attended: bool,
    ) -> Result<Verdict, Failure> {
        let resource = self.resource(chain, account, is_attended).await?;
        let target = format!("/v1/accounts/{}/balances", escape(&resource));
        let request =
            Request::new(ACCOUNTS, Method::GET, "/v1/accounts/{account}/balances", target);
        let request = Self::under_consent(request, account)?;
        let request = self.about_customer(request, is_attended)?;
        let response = self.send(chain, request, Asked::Account).await?;
        let body: BalanceResponse = response.json()?;
        let found = balances(&body.balances).ok_or_else(|| schema(&response))?;
        Ok(Verdict::Balances(found))
    }

    pub(super) async fn transactions(
        &self,
        chain: &Chain,
        account: &BankAccount,
        from: Utc,
        most: u16,
        is_attended: bool,
    ) -> Result<Verdict, Failure> {
        let listing = self.listing(chain, account, from, "booked", is_attended).await?;
        let mut lines = Vec::new();
        for transaction in &listing.booked {
            let line = line(transaction);
            lines.push(line.ok_or_else(|| crate::executor::failed(Failed::Malfunction, "schema"))?);
        }
        lines.sort_by_key(|line| Reverse(line.booked));
        lines.truncate(usize::from(most));
        Ok(Verdict::Transactions { lines, balances: balances(&listing.balances) })
    }

    /// Reads the transactions of an account since a day, page by page.
    async fn listing(
        &self,
        chain: &Chain,
        account: &BankAccount,
        from: Utc,
        status: &str,
        is_attended: bool,
    ) -> Result<Listing, Failure> {
        let resource = self.resource(chain, account, is_attended).await?;
        let mut target = format!(
            "/v1/accounts/{}/transactions?dateFrom={}&bookingStatus={status}",
            escape(&resource),
            day(from)
        );
        let mut listing = Listing::default();
        let mut shows_pending = false;
        for _ in 0..PAGES_MAX {
            let template = "/v1/accounts/{account}/transactions";
            let request = Request::new(ACCOUNTS, Method::GET, template, target);
            let request = Self::under_consent(request, account)?;
            let request = self.about_customer(request, is_attended)?;
            let response = self.send(chain, request, Asked::Account).await?;
            let body: TransactionsResponse = response.json()?;
            let Report { booked, pending, links } = body.transactions;
            shows_pending |= pending.is_some();
            listing.booked.extend(booked.unwrap_or_default());
            listing.pending.extend(pending.unwrap_or_default());
            if listing.balances.is_empty() {
                listing.balances = body.balances;
            }
            let href = next(&links).or_else(|| next(&body.links));
            let Some(href) = href else {
                listing.is_complete = shows_pending;
                return Ok(listing);
            };
            // A page elsewhere is not read, and then there is more than was shown.
            let Some(own) = self.executor.own_target(href) else { return Ok(listing) };
            target = own;
        }
        Ok(listing)
    }

    /// Looks for an order among the transactions of who pays: the same amount, and a text that
    /// begins with its RRN or an end-to-end identification that is it.
    pub(super) async fn search_lines(
        &self,
        chain: &Chain,
        order: &Order,
        since: Utc,
    ) -> Result<Verdict, Failure> {
        let rrn = rrn(order);
        if rrn.is_empty() {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // Clocks differ, and a day at the bank begins when it does there.
        let from = Utc(since.0.saturating_sub(DAY_MS));
        let listing = self.listing(chain, &order.debtor, from, "both", false).await?;
        let found = |list: &[Transaction]| list.iter().any(|line| is_order(line, order, rrn));
        let status = if found(&listing.booked) {
            PaymentStatus::Settled
        } else if found(&listing.pending) {
            PaymentStatus::InProcess
        } else {
            return Ok(Verdict::NotFound { is_complete: listing.is_complete });
        };
        Ok(Verdict::Status(Progress {
            status,
            is_approved: true,
            is_failed: false,
            lacks_funds: false,
        }))
    }

    pub(super) async fn funds(
        &self,
        chain: &Chain,
        account: &BankAccount,
        money: Money,
    ) -> Result<Verdict, Failure> {
        let body = FundsRequest {
            account: AccountReference::iban(&account.iban),
            instructed_amount: amount(money)?,
        };
        let path = "/v1/funds-confirmations";
        let mut request = Request::new(FUNDS, Method::POST, path, path).json(&body)?;
        // It asks and changes nothing.
        request.is_repeatable = true;
        let response = self.send(chain, request, Asked::Funds).await?;
        let body: FundsResponse = response.json()?;
        Ok(Verdict::Funds(body.funds_available))
    }

    /// What the bank calls an account: known already, or found in its list of accounts.
    async fn resource(
        &self,
        chain: &Chain,
        account: &BankAccount,
        is_attended: bool,
    ) -> Result<String, Failure> {
        if !account.resource.is_empty() {
            return Ok(account.resource.clone());
        }
        let found = self.find(chain, account, is_attended).await?;
        found.ok_or_else(|| crate::executor::failed(Failed::NoAccount, "account_list"))
    }

    /// Looks an account up in the list of those under its consent.
    pub(super) async fn find(
        &self,
        chain: &Chain,
        account: &BankAccount,
        is_attended: bool,
    ) -> Result<Option<String>, Failure> {
        let request = Request::new(ACCOUNTS, Method::GET, "/v1/accounts", "/v1/accounts");
        let request = Self::under_consent(request, account)?;
        let request = self.about_customer(request, is_attended)?;
        let list: AccountList = self.send(chain, request, Asked::Account).await?.json()?;
        let is_it = |details: &AccountDetails| {
            let iban = details.iban.as_deref().unwrap_or_default();
            let plain = iban.chars().filter(|c| !c.is_whitespace());
            plain.flat_map(char::to_uppercase).eq(account.iban.chars())
        };
        let found = list.accounts.into_iter().find(is_it);
        Ok(found.and_then(|details| details.resource_id).filter(|id| !id.is_empty()))
    }
}

fn schema(response: &Response) -> Failure {
    response.unclear(Failed::Malfunction, "schema")
}

/// `YYYY-MM-DD` in UTC.
pub(super) fn day(utc: Utc) -> String {
    let Civil { year, month, day, .. } = utc.civil();
    format!("{year:04}-{month:02}-{day:02}")
}

/// The beginning of a day; `None` if a date reads otherwise.
pub(super) fn parse_day(text: &str) -> Option<Utc> {
    let mut parts = text.split('-');
    let mut number = |width: usize| {
        let part = parts.next().filter(|part| part.len() == width)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    parts.next().is_none().then(|| civil.utc()).flatten()
}

/// The balances of an answer; `None` if it has none that can be read. One that is missing is as
/// the other.
fn balances(all: &[Balance]) -> Option<Balances> {
    let best = |kinds: &[&str]| {
        kinds.iter().find_map(|kind| all.iter().find(|balance| balance.balance_type == *kind))
    };
    let (ledger, available) = (best(LEDGER), best(AVAILABLE));
    let (ledger, available) = (ledger.or(available)?, available.or(ledger)?);
    if ledger.balance_amount.currency != available.balance_amount.currency {
        return None;
    }
    let currency = money::numeric(&ledger.balance_amount.currency)?;
    Some(Balances {
        ledger: money::minor(&ledger.balance_amount.amount, currency)?,
        available: money::minor(&available.balance_amount.amount, currency)?,
        currency,
    })
}

/// A booked transaction as a line; `None` if its day or amount cannot be read.
fn line(transaction: &Transaction) -> Option<Line> {
    let day = transaction.booking_date.as_deref().or(transaction.value_date.as_deref())?;
    let currency = money::numeric(&transaction.transaction_amount.currency)?;
    let amount = money::minor(&transaction.transaction_amount.amount, currency)?;
    let from_list = transaction.remittance_information_unstructured_array.first();
    let text = [
        transaction.remittance_information_unstructured.as_deref(),
        from_list.map(String::as_str),
        if amount < 0 { transaction.creditor_name.as_deref() } else { None },
        transaction.debtor_name.as_deref(),
        transaction.creditor_name.as_deref(),
        transaction.additional_information.as_deref(),
    ];
    let text = text.into_iter().flatten().find(|text| !text.trim().is_empty());
    let text = text.unwrap_or_default().trim().chars().take(TEXT_MAX).collect();
    Some(Line { booked: parse_day(day)?, amount, currency, text })
}

/// Whether a transaction is what became of an order.
fn is_order(transaction: &Transaction, order: &Order, rrn: &str) -> bool {
    let Some(currency) = money::numeric(&transaction.transaction_amount.currency) else {
        return false;
    };
    let amount = money::minor(&transaction.transaction_amount.amount, currency);
    // Banks write what left with a sign; some leave it out and tell by the list.
    let is_amount = currency == order.amount.currency
        && amount.is_some_and(|amount| amount.unsigned_abs() == order.amount.minor);
    let texts = transaction.remittance_information_unstructured.iter();
    let mut texts = texts.chain(&transaction.remittance_information_unstructured_array);
    let is_text = texts.any(|text| text.trim_start().starts_with(rrn))
        || transaction.end_to_end_id.as_deref() == Some(rrn);
    is_amount && is_text
}
