//! Inquiries about one account: balance, statement, details.

use super::admitted::Admitted;
use super::message::{amounts, next_page, rows, set, set_tags, tag, unreadable};
use super::shown;
use super::text::{Account, AccountType, Currency, Day, Page};
use crate::answer::Refusal;
use crate::exchange::Spoken;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use veksel_codecs::field;
use veksel_codecs::structured::{AVAILABLE, HELD, LEDGER, OVERDRAFT, table, tags};

/// DE3 of the inquiries.
const BALANCE: &str = "31";
const LATEST: &str = "38";
const BY_DATES: &str = "35";
const DETAILS: &str = "940000";

/// Most lines that tag 01 can say.
const LINES_MAX: u8 = 99;

/// Minor units of a currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Money {
    /// Below zero if the account is overdrawn.
    pub(crate) minor: i64,
    /// ISO 4217, three digits.
    pub(crate) currency: String,
}

/// Which account, and what type it is asked as.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BalanceRequest {
    account: Account,
    account_type: Option<AccountType>,
    currency: Option<Currency>,
}

/// What an account holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceAnswer {
    account: String,
    /// What was posted.
    ledger: Money,
    /// What may be spent.
    available: Money,
}

/// Which account, and which of its entries.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StatementRequest {
    account: Account,
    account_type: Option<AccountType>,
    currency: Option<Currency>,
    #[schema(minimum = 1, maximum = 99)]
    lines: Option<u8>,
    from: Option<Day>,
    to: Option<Day>,
    page: Option<Page>,
}

/// An entry of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Local time of the bank, `YYYY-MM-DDThh:mm:ss`.
    time: String,
    sequence: String,
    /// The first two digits of DE3.
    kind: String,
    /// What was moved; below zero from the account.
    amount: Money,
    narration: String,
}

/// Entries of an account, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementAnswer {
    account: String,
    ledger: Option<Money>,
    available: Option<Money>,
    entries: Vec<Entry>,
    /// `page` of the request for what follows, if anything does.
    next_page: Option<String>,
}

/// Which account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DetailsRequest {
    account: Account,
}

/// What the bank says of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailsAnswer {
    account: String,
    /// Whose it is, as far as the bank says.
    name: Option<String>,
    /// `active`, `dormant`, `blocked`, `closed`, or what the bank says.
    status: Option<String>,
    currency: Option<String>,
    account_type: Option<String>,
    /// `YYYY-MM-DD`.
    opened: Option<String>,
    branch: Option<String>,
    iban: Option<String>,
    ledger: Option<Money>,
    available: Option<Money>,
    /// The sum of its holds, as far as the bank says.
    held: Option<Money>,
    /// How far it may be overdrawn, as far as the bank says; `available` has it in it.
    overdraft: Option<Money>,
}

/// `POST /api/v1/integration/account/balance`.
pub(crate) async fn balance(asked: Admitted) -> Response {
    let said = async {
        let wanted: BalanceRequest = asked.read()?;
        let kind = wanted.account_type.as_ref().map_or("00", AccountType::as_str);
        let currency = wanted.currency.as_ref().map(Currency::as_str);
        let code = format!("{BALANCE}{kind}00");
        let mut message = asked.inquiry(&code, currency)?;
        set(&mut message, field::ACCOUNT, wanted.account.as_str());
        let answer = asked.inquire(message).await?;
        let (ledger, available) = balances(&answer)?;
        let account = wanted.account.as_str().to_owned();
        let (Some(ledger), Some(available)) = (ledger, available) else {
            return Err(unreadable());
        };
        shown(StatusCode::OK, &BalanceAnswer { account, ledger, available })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/statement/search`.
pub(crate) async fn statement(asked: Admitted) -> Response {
    let said = async {
        let wanted: StatementRequest = asked.read()?;
        let kind = wanted.account_type.as_ref().map_or("00", AccountType::as_str);
        let has_days = wanted.from.is_some() || wanted.to.is_some();
        let code = format!("{}{kind}00", if has_days { BY_DATES } else { LATEST });
        let currency = wanted.currency.as_ref().map(Currency::as_str);
        let mut message = asked.inquiry(&code, currency)?;
        set(&mut message, field::ACCOUNT, wanted.account.as_str());
        let lines = lines(wanted.lines)?;
        let day = |day: &Option<Day>| day.as_ref().map(|day| day.as_str().replace('-', ""));
        let (from, to) = (day(&wanted.from), day(&wanted.to));
        if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from > to) {
            return Err(Refusal::bad("`from` is after `to`"));
        }
        let wanted_tags = [
            (tags::LINES_MAX, lines.as_deref()),
            (tags::FROM, from.as_deref()),
            (tags::TO, to.as_deref()),
            (tags::PAGE, wanted.page.as_ref().map(Page::as_str)),
        ];
        set_tags(&mut message, &wanted_tags);
        let answer = asked.inquire(message).await?;
        let (ledger, available) = balances(&answer)?;
        let entries = entries(&answer)?;
        let account = wanted.account.as_str().to_owned();
        let next_page = next_page(&answer);
        let answer = StatementAnswer { account, ledger, available, entries, next_page };
        shown(StatusCode::OK, &answer)
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/account/details`.
pub(crate) async fn details(asked: Admitted) -> Response {
    let said = async {
        let wanted: DetailsRequest = asked.read()?;
        let mut message = asked.inquiry(DETAILS, None)?;
        set(&mut message, field::ACCOUNT, wanted.account.as_str());
        let answer = asked.inquire(message).await?;
        let [ledger, available, held, overdraft] =
            sums(&answer, [LEDGER, AVAILABLE, HELD, OVERDRAFT])?;
        let status = tag(&answer, tags::STATUS).map(|status| status_word(&status));
        let answer = DetailsAnswer {
            account: wanted.account.as_str().to_owned(),
            name: tag(&answer, tags::NAME),
            status,
            currency: tag(&answer, tags::CURRENCY),
            account_type: tag(&answer, tags::TYPE),
            opened: tag(&answer, tags::OPENED).map(|day| dashed(&day)),
            branch: tag(&answer, tags::BRANCH),
            iban: tag(&answer, tags::IBAN),
            ledger,
            available,
            held,
            overdraft,
        };
        shown(StatusCode::OK, &answer)
    };
    asked.answer(said.await)
}

fn lines(wanted: Option<u8>) -> Result<Option<String>, Refusal> {
    match wanted {
        None => Ok(None),
        Some(lines @ 1..=LINES_MAX) => Ok(Some(format!("{lines:02}"))),
        Some(_) => Err(Refusal::bad(format!("`lines` must be 1 to {LINES_MAX}"))),
    }
}

/// Ledger and available balance of DE54, if they are there.
fn balances(answer: &Spoken) -> Result<(Option<Money>, Option<Money>), Refusal> {
    let [ledger, available] = sums(answer, [LEDGER, AVAILABLE])?;
    Ok((ledger, available))
}

/// Those of DE54 that have these amount types.
fn sums<const N: usize>(
    answer: &Spoken,
    kinds: [[u8; 2]; N],
) -> Result<[Option<Money>; N], Refusal> {
    let amounts = amounts(answer)?;
    Ok(kinds.map(|wanted| {
        let found = amounts.iter().find(|(kind, _, _)| *kind == wanted);
        found
            .map(|(_, currency, minor)| Money { minor: *minor, currency: format!("{currency:03}") })
    }))
}

fn entries(answer: &Spoken) -> Result<Vec<Entry>, Refusal> {
    let columns: [&str; 7] = table::STATEMENT.try_into().map_err(|_| unreadable())?;
    let entry = |[time, sequence, kind, amount, currency, side, narration]: [String; 7]| {
        let minor: i64 = amount.parse().map_err(|_| unreadable())?;
        let minor = if side == "D" { minor.saturating_neg() } else { minor };
        let amount = Money { minor, currency };
        Ok(Entry { time: time_of(&time), sequence, kind, amount, narration })
    };
    rows(answer, columns)?.into_iter().map(entry).collect()
}

/// `YYYYMMDDhhmmss` with what people put between; anything else as it is.
fn time_of(text: &str) -> String {
    match (text.get(..8), text.get(8..10), text.get(10..12), text.get(12..14), text.len()) {
        (Some(day), Some(hour), Some(minute), Some(second), 14) => {
            format!("{}T{hour}:{minute}:{second}", dashed(day))
        }
        _ => text.to_owned(),
    }
}

/// `YYYYMMDD` with dashes; anything else as it is.
fn dashed(text: &str) -> String {
    match (text.get(..4), text.get(4..6), text.get(6..8), text.len()) {
        (Some(year), Some(month), Some(day), 8) => format!("{year}-{month}-{day}"),
        _ => text.to_owned(),
    }
}

/// The word for a status that the interface knows.
pub(super) fn status_word(status: &str) -> String {
    match status {
        "A" => "active",
        "D" => "dormant",
        "B" => "blocked",
        "C" => "closed",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(time_of("20260801143005"), "2026-08-01T14:30:05");
        assert_eq!(dashed("20190314"), "2019-03-14");
        for odd in ["", "2026", "2026080114300", "202608011430055", "æøå"] {
            assert_eq!((time_of(odd).as_str(), dashed(odd).as_str()), (odd, odd));
        }
    }

    #[test]
    fn a_statement_is_read_with_its_continuation() {
        let mut answer = Spoken::default();
        let first = "DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR_CODE|DR_CR|NARR~\
                     20260801143005|000002|01|000000010000|578|D|ATM WDL~";
        answer.set(48, first);
        answer.set(125, "20260801143004|000001|21|000000000700|578|C|DEPOSIT~");
        let read = entries(&answer).unwrap();
        let minor: Vec<i64> = read.iter().map(|entry| entry.amount.minor).collect();
        assert_eq!(minor, [-10_000, 700]);
        assert_eq!((read[0].narration.as_str(), read[1].kind.as_str()), ("ATM WDL", "21"));
        for (from, to) in [("TRAN_AMOUNT", "TRAN_AMOUNTS"), ("000000010000", "12,50")] {
            answer.set(48, first.replacen(from, to, 1));
            assert!(entries(&answer).is_err(), "{to}");
        }
        assert!(entries(&Spoken::default()).unwrap().is_empty());
        assert!(lines(Some(0)).is_err() && lines(Some(100)).is_err());
        assert_eq!(lines(Some(5)).unwrap().as_deref(), Some("05"));
    }
}
