//! Accounts: balances, transactions, confirmation of funds.

use super::order::amount;
use super::outcome::Asked;
use super::payments::next;
use super::wire::{
    AccountDetails, AccountList, AccountReference, Balance, BalanceResponse, FundsRequest,
    FundsResponse, Report, Transaction, TransactionsResponse,
};
use super::{ACCOUNTS, BerlinGroup, FUNDS};
use crate::executor::{Chain, Request, Response};
use crate::mark::is_marked;
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
    balances: Option<Balances>,
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
        let found = balances(&body.balances, body.currency()).ok_or_else(|| schema(&response))?;
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
        Ok(Verdict::Transactions { lines, balances: listing.balances })
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
            let found = balances(&body.balances, body.currency());
            listing.balances = listing.balances.or(found);
            let Report { booked, pending, links } = body.transactions;
            shows_pending |= pending.is_some();
            listing.booked.extend(booked.unwrap_or_default());
            listing.pending.extend(pending.unwrap_or_default());
            let href = next(&links).or_else(|| next(&body.links));
            let Some(href) = href else {
                listing.is_complete = shows_pending && links.is_whole && body.links.is_whole;
                return Ok(listing);
            };
            // A page elsewhere is not read, and then there is more than was shown.
            let Some(own) = self.executor.own_target(href) else { return Ok(listing) };
            target = own;
        }
        Ok(listing)
    }

    /// Looks for an order among the transactions of who pays: the same amount, gone, and a text
    /// with its mark.
    pub(super) async fn search_lines(
        &self,
        chain: &Chain,
        order: &Order,
        since: Utc,
    ) -> Result<Verdict, Failure> {
        if order.mark.is_empty() {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // Clocks differ, and a day at the bank begins when it does there.
        let from = Utc(since.0.saturating_sub(DAY_MS));
        let listing = self.listing(chain, &order.debtor, from, "both", false).await?;
        let found = |list: &[Transaction]| list.iter().any(|line| is_order(line, order));
        let status = if found(&listing.booked) {
            PaymentStatus::Settled
        } else if found(&listing.pending) {
            PaymentStatus::InProcess
        } else {
            // A line with the mark that is not the order as it was sent may be what became of it.
            let mut all = listing.booked.iter().chain(&listing.pending);
            let is_near = all.any(|line| has_mark(line, order));
            return Ok(Verdict::NotFound { is_complete: listing.is_complete && !is_near });
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
/// the other. Of several currencies the account's own counts, or else the first: never two of
/// them together.
fn balances(all: &[Balance], own: Option<&str>) -> Option<Balances> {
    let is_kind = |it: &&Balance| [LEDGER, AVAILABLE].concat().contains(&&*it.balance_type);
    let known: Vec<&Balance> = all.iter().filter(is_kind).collect();
    let of = |it: &&Balance| Some(it.balance_amount.currency.as_str()) == own;
    let chosen = known.iter().copied().find(of).or(known.first().copied())?;
    let chosen = chosen.balance_amount.currency.as_str();
    let best = |kinds: &[&str]| {
        let is = |kind: &str, it: &Balance| {
            it.balance_type == kind && it.balance_amount.currency == chosen
        };
        kinds.iter().find_map(|kind| known.iter().copied().find(|it| is(kind, it)))
    };
    let (ledger, available) = (best(LEDGER), best(AVAILABLE));
    let (ledger, available) = (ledger.or(available)?, available.or(ledger)?);
    let currency = money::numeric(chosen)?;
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

/// Whether a transaction is what became of an order: what came back of it has another sign.
fn is_order(transaction: &Transaction, order: &Order) -> bool {
    let Some(currency) = money::numeric(&transaction.transaction_amount.currency) else {
        return false;
    };
    let amount = money::minor(&transaction.transaction_amount.amount, currency);
    let gone = i64::try_from(order.amount.minor).ok().map(|minor| -minor);
    let is_amount = currency == order.amount.currency && amount.is_some() && amount == gone;
    is_amount && has_mark(transaction, order)
}

fn has_mark(transaction: &Transaction, order: &Order) -> bool {
    let texts = transaction.remittance_information_unstructured.iter();
    let mut texts = texts.chain(&transaction.remittance_information_unstructured_array);
    texts.any(|text| is_marked(text, order))
}
