//! What stands on the wire of Neonomics, as pure functions (http-contracts 2.3). It is not Berlin
//! Group: amounts are flat, and what counts in an error is its `errorCode`.

use crate::code;
use crate::dates::{day, instant};
use crate::executor::{Response, failed};
use crate::iban::is_iban;
use crate::mark::{fitted, is_marked};
use crate::money;
use serde_json::{Value, json};
use veksel_config::bridge::Quirks;
use veksel_core::enquiry::{Balances, Failed, Failure, Line, Money, Order, Progress};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;

/// A consent is wanted first.
pub(super) const CONSENT: &str = "1426";
/// The customer must approve first.
pub(super) const SCA: &str = "1428";
/// An account or payment that is not there.
const UNKNOWN: &str = "1003";

const DOMESTIC: &str = "domestic-transfer";
const SEPA: &str = "sepa-credit";

/// An error as Neonomics writes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// `errorCode`; the status if there is none.
    pub(super) code: String,
    kind: String,
    /// The first link: where it leads and what it is about.
    pub(super) link: Option<Link>,
}

/// Where to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) id: String,
}

/// Reads an error, whatever came.
pub(super) fn fault(response: &Response) -> Fault {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let said = &body["errorCode"];
    let code = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    let passed_on = code::passed_on(&code).filter(|code| *code != "null");
    Fault {
        code: passed_on.map_or_else(|| response.status.to_string(), str::to_owned),
        kind: text(&body["type"]).to_owned(),
        link: link(&body),
    }
}

/// The first link of an answer that leads somewhere.
pub(super) fn link(body: &Value) -> Option<Link> {
    let links = body["links"].as_array()?;
    links.iter().find_map(|link| {
        let href = text(&link["href"]).to_owned();
        let id = text(&link["meta"]["id"]).to_owned();
        (!href.is_empty()).then_some(Link { href, id })
    })
}

/// What an error means: by its code, and by its status where the code is unknown. `of_payment` if
/// what is not there is a payment and not an account.
pub(super) fn refusal(response: &Response, of_payment: bool) -> Failure {
    let Fault { code, kind, .. } = fault(response);
    let why = match (code.as_str(), response.status) {
        (CONSENT, _) => Failed::NotPermitted,
        (SCA, _) => Failed::Refused,
        (UNKNOWN, _) if of_payment => Failed::NotFound,
        (UNKNOWN, _) => Failed::NoAccount,
        // Headers, addresses: what we send is wrong for everybody, so a person must look.
        ("1001" | "1002" | "1004" | "1005", _) => Failed::Credentials,
        (_, 429) => Failed::Limited,
        (_, 408 | 504) => Failed::Late,
        (_, 502 | 503 | 530) => Failed::Unavailable,
        (_, 401 | 403) => Failed::Credentials,
        (_, 400..=499 | 510) => match kind.as_str() {
            "BAD_REQUEST" => Failed::Format,
            "AUTH" => Failed::Credentials,
            "CONSENT" => Failed::NotPermitted,
            _ => Failed::Refused,
        },
        _ => Failed::Malfunction,
    };
    match response.status {
        // The caller's faults: nothing was done.
        400..=407 | 409..=499 | 510 => response.refused(why, &code),
        _ => response.unclear(why, &code),
    }
}

/// The product of a payment: the configured one if Neonomics has it, or the one of the currency.
pub(super) fn product(currency: &str, quirks: &Quirks) -> Option<&'static str> {
    let chosen = quirks.products.iter().find(|known| known.currency == currency);
    match chosen.map(|known| known.name.as_str()) {
        Some(DOMESTIC) => return Some(DOMESTIC),
        Some(SEPA) => return Some(SEPA),
        // The names of Berlin Group, which stand there by default, are none of its own.
        Some(_) | None => {}
    }
    match currency {
        "NOK" | "SEK" | "DKK" | "GBP" => Some(DOMESTIC),
        "EUR" => Some(SEPA),
        _ => None,
    }
}

/// A payment as it is sent, and its product.
///
/// # Errors
///
/// If Neonomics has no way to make it.
pub(super) fn payment(order: &Order, quirks: &Quirks) -> Result<(&'static str, Value), Failure> {
    let currency = money::alpha(order.amount.currency);
    let amount = money::decimal(order.amount);
    let (Some(currency), Some(amount)) = (currency, amount) else {
        return Err(failed(Failed::NotSupported, "currency"));
    };
    let product =
        product(currency, quirks).ok_or_else(|| failed(Failed::NotSupported, "product"))?;
    let creditor: String = order.creditor.chars().filter(char::is_ascii_alphanumeric).collect();
    let (debtor, creditor) = if product == SEPA {
        if !is_iban(&creditor) {
            return Err(failed(Failed::Invalid, "creditor"));
        }
        (json!({ "iban": order.debtor.iban }), json!({ "iban": creditor }))
    } else {
        let bban = match is_iban(&creditor) {
            true if creditor.get(..2) == order.debtor.iban.get(..2) => domestic(&creditor),
            true => return Err(failed(Failed::NotSupported, "creditor")),
            false => creditor,
        };
        (json!({ "bban": domestic(&order.debtor.iban) }), json!({ "bban": bban }))
    };
    let remittance = fitting(order, quirks);
    let mut body = json!({
        "debtorAccount": debtor,
        "creditorAccount": creditor,
        "creditorName": order.creditor_name.chars().take(70).collect::<String>(),
        "remittanceInformationUnstructured": remittance,
        "instrumentedAmount": amount,
        "currency": currency,
        "endToEndIdentification": crate::random::hex(&order.key),
        "paymentMetadata": {},
    });
    if !order.reference.is_empty() {
        body["remittanceInformationStructured"] = json!({ "reference": order.reference });
    }
    Ok((product, body))
}

/// Remittance text as the bank takes it: no longer than it may be, and in its letters.
fn fitting(order: &Order, quirks: &Quirks) -> String {
    let letters = order.remittance.chars().flat_map(|letter| {
        let replaced = match letter {
            _ if quirks.keeps_letters || letter.is_ascii() => return vec![letter],
            'æ' => "ae",
            'Æ' => "AE",
            'ø' | 'ö' => "o",
            'Ø' | 'Ö' => "O",
            'å' | 'ä' => "a",
            'Å' | 'Ä' => "A",
            _ => " ",
        };
        replaced.chars().collect()
    });
    let text: String = letters.collect();
    fitted(&text, order, usize::from(quirks.remittance_max))
}

/// The domestic number in an IBAN: what follows country and check digits.
fn domestic(iban: &str) -> String {
    iban.get(4..).unwrap_or_default().to_owned()
}

/// `paymentId` and `status` of a payment.
///
/// # Errors
///
/// If the answer says neither, or a status nobody knows.
pub(super) fn standing(
    response: &Response,
    is_approved: bool,
) -> Result<(String, Progress), Failure> {
    let body: Value = response.json()?;
    let Some(status) = PaymentStatus::parse(text(&body["status"])) else {
        return Err(response.unclear(Failed::Malfunction, "status"));
    };
    let progress = Progress {
        status,
        is_approved: is_approved || shows_approval(status),
        is_failed: false,
        lacks_funds: false,
    };
    Ok((text(&body["paymentId"]).to_owned(), progress))
}

/// Whether a payment does not come that far without its customer.
const fn shows_approval(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::CustomerProfile
        | PaymentStatus::WithChange
        | PaymentStatus::WithoutPosting
        | PaymentStatus::InProcess
        | PaymentStatus::Settled
        | PaymentStatus::Credited => true,
        PaymentStatus::Received
        | PaymentStatus::Pending
        | PaymentStatus::PartlyAuthorised
        | PaymentStatus::Technical
        | PaymentStatus::FundsChecked
        | PaymentStatus::Partial
        | PaymentStatus::Rejected
        | PaymentStatus::Cancelled => false,
    }
}

/// Whether a payment with this status may still have to be completed by us.
pub(super) const fn is_before_completion(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::Received
        | PaymentStatus::Pending
        | PaymentStatus::PartlyAuthorised
        | PaymentStatus::Technical
        | PaymentStatus::FundsChecked
        | PaymentStatus::CustomerProfile
        | PaymentStatus::WithChange => true,
        PaymentStatus::WithoutPosting
        | PaymentStatus::InProcess
        | PaymentStatus::Settled
        | PaymentStatus::Credited
        | PaymentStatus::Partial
        | PaymentStatus::Rejected
        | PaymentStatus::Cancelled => false,
    }
}

/// What Neonomics calls the account with this IBAN, in the list of accounts.
pub(super) fn resource(accounts: &Value, iban: &str) -> Option<String> {
    let accounts = accounts.as_array()?;
    let bban = domestic(iban);
    let fits = |account: &&Value| {
        let own: String = text(&account["iban"]).chars().filter(|it| *it != ' ').collect();
        (own == iban && !own.is_empty())
            || (own.is_empty() && !bban.is_empty() && text(&account["bban"]) == bban)
    };
    let id = text(&accounts.iter().find(fits)?["id"]);
    (!id.is_empty()).then(|| id.to_owned())
}

/// Balances in the order in which they count (http-contracts 4.2).
const LEDGER: &[&str] = &["CLBD", "ITBD", "XPCD", "OPBD", "ITAV", "CLAV"];
const AVAILABLE: &[&str] = &["ITAV", "CLAV", "FWAV", "XPCD", "ITBD", "CLBD"];

/// The balances of an account; `None` if there is none that can be read. Of several currencies the
/// first counts: never two of them together.
pub(super) fn balances(body: &Value) -> Option<Balances> {
    let all = body.as_array()?;
    let kind = |balance: &Value| text(&balance["type"]).to_owned();
    let is_known = |it: &&Value| [LEDGER, AVAILABLE].concat().contains(&kind(it).as_str());
    let chosen = text(&all.iter().find(is_known)?["currency"]);
    let of = |kinds: &[&str]| {
        let is = |name: &str, it: &Value| kind(it) == name && text(&it["currency"]) == chosen;
        kinds.iter().find_map(|name| all.iter().find(|it| is(name, it)))
    };
    let currency = money::numeric(chosen)?;
    let read = |balance: &Value| money::minor(text(&balance["amount"]), currency);
    let (ledger, available) = (read(of(LEDGER)?)?, read(of(AVAILABLE)?)?);
    Some(Balances { ledger, available, currency })
}

/// Booked transactions since an instant, the newest first, with what the bank calls them.
///
/// A line that cannot be read makes the whole unreadable: a statement with a hole in it is wrong.
pub(super) fn lines(body: &Value, from: Utc) -> Option<Vec<(String, Line)>> {
    let all = body.as_array()?.iter().map(|line| {
        let amount = &line["transactionAmount"];
        let currency = money::numeric(text(&amount["currency"]))?;
        let minor = money::minor(text(&amount["value"]), currency)?;
        let amount = match text(&line["creditDebitIndicator"]) {
            "DBIT" => minor.checked_abs()?.checked_neg()?,
            "CRDT" => minor.checked_abs()?,
            _ => minor,
        };
        let date = text(&line["bookingDate"]);
        let booked = instant(date).or_else(|| Some(Utc(u64::try_from(day(date)?).ok()?)))?;
        let said = [&line["transactionReference"], &line["counterpartyName"]];
        let words = said.into_iter().map(text).find(|words| !words.is_empty());
        let words = words.unwrap_or_default().to_owned();
        let line_id = text(&line["id"]).to_owned();
        Some((line_id, Line { booked, amount, currency, text: words }))
    });
    let mut lines = all.collect::<Option<Vec<_>>>()?;
    lines.retain(|(_, line)| line.booked >= from);
    lines.sort_by_key(|(_, line)| core::cmp::Reverse(line.booked));
    Some(lines)
}

/// Whether a line is the one that an order left: the same sum, gone, and a text with its mark.
pub(super) fn is_of(line: &Line, order: &Order) -> bool {
    let Money { minor, currency } = order.amount;
    line.currency == currency
        && i64::try_from(minor).is_ok_and(|minor| line.amount == -minor)
        && is_marked(&line.text, order)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
