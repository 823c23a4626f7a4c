//! How accounts, balances and transactions are written.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::accounts::view;
use super::asked::Asked;
use super::refusal::Refusal;
use super::reply::json_reply;
use super::state::{Inner, day};
use crate::ledger::{
    Account, AccountId, Direction, Ledger, Line, Product, Query, Status, TransferId,
};
use crate::money::Currency;

pub(super) fn account_json(account: &Account) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("currency".to_owned(), json!(account.currency.alpha()));
    let Some(holder) = account.holder() else { return shown };
    let (product, kind) = match holder.product {
        Product::Savings => ("Sparekonto", "SVGS"),
        Product::Credit => ("Kredittkonto", "CACC"),
        Product::Default | Product::Current => ("Brukskonto", "CACC"),
    };
    let status = match holder.status {
        Status::Active | Status::Dormant => "enabled",
        Status::Blocked => "blocked",
        Status::Closed => "deleted",
    };
    let texts = [
        ("iban", holder.iban.as_str()),
        ("name", product),
        ("product", product),
        ("cashAccountType", kind),
        ("status", status),
    ];
    shown.extend(texts.map(|(name, value)| (name.to_owned(), json!(value))));
    shown
}

/// What is booked, and what may be spent; where an overdraft is agreed it is in the latter, and
/// the flag says so.
pub(super) fn balances_json(account: &Account, only_expected: bool, now_ms: u64) -> Value {
    let balances = account.balances();
    let amount = |minor: i64| amount_json(account.currency, minor);
    let time = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default().to_zoned(TimeZone::UTC);
    let time = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if only_expected {
        let expected = balances.ledger.saturating_sub(balances.held);
        return json!([{
            "balanceType": "expected",
            "balanceAmount": amount(expected),
            "lastChangeDateTime": time,
        }]);
    }
    json!([
        {
            "balanceType": "interimBooked",
            "balanceAmount": amount(balances.ledger),
            "lastChangeDateTime": time,
        },
        {
            "balanceType": "interimAvailable",
            "balanceAmount": amount(balances.available()),
            "creditLimitIncluded": balances.overdraft > 0,
            "lastChangeDateTime": time,
        },
    ])
}

fn amount_json(currency: Currency, minor: i64) -> Value {
    json!({"currency": currency.alpha(), "amount": currency.format(minor)})
}

/// Which transactions are asked for; `None` if only what is pending.
pub(super) fn check_query(asked: &Asked) -> Result<Option<Query>, Refusal> {
    let bad = |code, path, text: &str| Refusal::new(StatusCode::BAD_REQUEST, code, text).at(path);
    let is_booked = match asked.query("bookingStatus") {
        Some("booked" | "both") => true,
        Some("pending") => false,
        Some("information" | "all") => {
            let text = "standing orders are not told";
            return Err(bad("PARAMETER_NOT_SUPPORTED", "bookingStatus", text));
        }
        _ => return Err(Refusal::format("bookingStatus", "must be booked, pending or both")),
    };
    let date = |name: &'static str| {
        let Some(text) = asked.query(name) else { return Ok(None) };
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
        let date = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        let ms = date.and_then(|date| u64::try_from(date.timestamp().as_millisecond()).ok());
        ms.map(Some).ok_or_else(|| Refusal::format(name, "must be a day as YYYY-MM-DD"))
    };
    let (from, to) = (date("dateFrom")?, date("dateTo")?);
    let from_ms = from.ok_or_else(|| Refusal::format("dateFrom", "is missing"))?;
    let until_ms = to.map_or(u64::MAX, |to| to.saturating_add(DAY_MS));
    if from_ms >= until_ms {
        return Err(bad("PERIOD_INVALID", "dateTo", "is before dateFrom"));
    }
    let before = match asked.query("before") {
        Some(text) => Some(number(text).ok_or_else(|| Refusal::format("before", "is no page"))?),
        None => None,
    };
    Ok(is_booked.then_some(Query { from_ms, until_ms, before, lines_max: PAGE }))
}

pub(super) async fn transactions(
    inner: &Arc<Inner>,
    asked: &Asked,
    iban: String,
) -> Result<Response, Refusal> {
    let query = check_query(asked)?;
    let reference = json!({"iban": iban});
    let look = move |id: AccountId, account: &Account, ledger: &Ledger| {
        let page = query.map(|query| ledger.statement(id, query));
        page.map(|page| {
            let lines: Vec<Value> =
                page.lines.iter().map(|line| line_json(line, account.currency)).collect();
            (lines, page.next)
        })
    };
    let page = view(inner, iban, look).await?;
    let page = page.ok_or_else(|| Refusal::unknown("no such account"))?;
    let base = format!("/{}", asked.path.get(..3).unwrap_or_default().join("/"));
    let mut links = Map::new();
    links.insert("account".to_owned(), json!({"href": asked.link(&base)}));
    let mut report = Map::new();
    if let Some((lines, next)) = page {
        report.insert("booked".to_owned(), json!(lines));
        if let Some(TransferId(next)) = next {
            let kept = ["bookingStatus", "dateFrom", "dateTo"];
            let kept =
                kept.iter().filter_map(|name| Some(format!("{name}={}", asked.query(name)?)));
            let query: Vec<String> = kept.chain([format!("before=T{next}")]).collect();
            let href = asked.link(&format!("{base}/transactions?{}", query.join("&")));
            links.insert("next".to_owned(), json!({"href": href}));
        }
    }
    if asked.query("bookingStatus") != Some("booked") {
        report.insert("pending".to_owned(), json!([]));
    }
    report.insert("_links".to_owned(), Value::Object(links));
    Ok(json_reply(&json!({"account": reference, "transactions": report})))
}

pub(super) async fn transaction(
    inner: &Arc<Inner>,
    iban: String,
    id: &str,
) -> Result<Response, Refusal> {
    let wanted = number(id).ok_or_else(|| Refusal::unknown("no such transaction"))?;
    let look = move |id: AccountId, account: &Account, ledger: &Ledger| {
        // The line before the next one, if it is this account's.
        let TransferId(number) = wanted;
        let before = Some(TransferId(number.saturating_add(1)));
        let page = ledger.statement(id, Query { before, ..Query::newest(1) });
        let line = page.lines.first().filter(|line| line.transfer.id == wanted);
        line.map(|line| line_json(line, account.currency))
    };
    let line = view(inner, iban, look).await?.flatten();
    let line = line.ok_or_else(|| Refusal::unknown("no such transaction"))?;
    Ok(json_reply(&json!({"transactionsDetails": {"transactionDetails": line}})))
}

fn number(text: &str) -> Option<TransferId> {
    text.strip_prefix('T')?.parse().ok().map(TransferId)
}

fn line_json(line: &Line<'_>, currency: Currency) -> Value {
    let transfer = line.transfer;
    let minor = match line.direction {
        Direction::Debit => 0_i64.saturating_sub(transfer.amount),
        Direction::Credit => transfer.amount,
    };
    let day = day(transfer.utc_ms);
    let id = format!("T{}", transfer.id.0);
    json!({
        "transactionId": id,
        "entryReference": line.number.to_string(),
        "bookingDate": day,
        "valueDate": day,
        "transactionAmount": amount_json(currency, minor),
        "remittanceInformationUnstructured": transfer.narration,
    })
}

/// Transactions of one page.
const PAGE: usize = 100;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
