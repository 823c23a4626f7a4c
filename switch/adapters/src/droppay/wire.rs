//! What stands on the wire of `DropPay`, as pure functions (http-contracts 1.4, 2.6).
//!
//! Amounts are JSON numbers and are read and written as the text they are, because a float would
//! round money. Errors come in two shapes of JSON, told apart by what `error` is.

use crate::code;
use crate::dates::{day, instant};
use crate::executor::{Response, failed};
use crate::mark::{fitted, is_marked};
use crate::money;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use veksel_core::enquiry::{Balances, Failed, Failure, Line, Money, Order, Progress};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;

/// The only currency there is.
pub(super) const EUR: u16 = 978;

/// A token answer (RFC 6749 5.1 with the fields of Keycloak).
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    #[serde(default)]
    pub(super) expires_in: u64,
    #[serde(default)]
    pub(super) refresh_token: String,
    #[serde(default)]
    pub(super) refresh_expires_in: u64,
}

/// What an error says of itself.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Fault {
    /// A number of `DropPay` or a word of OAuth 2; empty if it is neither shape.
    pub(super) code: String,
    description: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorShape,
    #[serde(default)]
    error_description: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorShape {
    Object {
        code: Value,
        #[serde(default)]
        description: String,
    },
    Text(String),
}

/// Reads an error of either shape.
pub(super) fn fault(response: &Response) -> Fault {
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&response.body) else {
        return Fault::default();
    };
    let (code, description) = match body.error {
        ErrorShape::Object { code, description } => {
            (code.as_str().map_or_else(|| code.to_string(), str::to_owned), description)
        }
        ErrorShape::Text(code) => (code, body.error_description),
    };
    Fault { code: code::passed_on(&code).unwrap_or_default().to_owned(), description }
}

impl Fault {
    /// Whether somebody registers who is registered: then nothing is missing.
    pub(super) fn says_registered(&self) -> bool {
        self.description.to_ascii_lowercase().contains("already registered")
    }
}

/// What an answer that is no success means.
pub(super) fn refusal(response: &Response) -> Failure {
    let code = fault(response).code;
    let code = if code.is_empty() { response.status.to_string() } else { code };
    let why = match (code.as_str(), response.status) {
        // The password is the configured one: whom it does not let in cannot help it.
        ("invalid_grant" | "invalid_client" | "unauthorized_client" | "access_denied", _) => {
            Failed::Credentials
        }
        ("101" | "102", _) => Failed::Credentials,
        (_, 400 | 413 | 415 | 422) => Failed::Format,
        (_, 401) => Failed::Malfunction,
        (_, 403) => Failed::Credentials,
        (_, 404) => Failed::NotFound,
        (_, 408 | 504) => Failed::Late,
        (_, 409) => Failed::CannotReverse,
        (_, 429) => Failed::Limited,
        (_, 502 | 503) => Failed::Unavailable,
        (_, 400..=499) => Failed::Refused,
        _ => Failed::Malfunction,
    };
    match response.status {
        400..=407 | 409..=499 => response.refused(why, &code),
        _ => response.unclear(why, &code),
    }
}

/// The parts of a token that count: its header's key, its claims, and what was signed how.
pub(super) struct Token {
    pub(super) kid: String,
    pub(super) accounts: Vec<String>,
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
}

/// Reads an access token. Its scope says nothing: the documents disagree about it.
///
/// # Errors
///
/// If it is no JWT, is not signed by RS256, or names no account, or one that is no IBAN.
pub(super) fn token(text: &str) -> Result<Token, &'static str> {
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("jwt_form");
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).ok();
    let header_json = json(header).ok_or("jwt_header")?;
    let claims_json = json(claims).ok_or("jwt_claims")?;
    if header_json["alg"] != "RS256" {
        return Err("jwt_algorithm");
    }
    let list = claims_json["droppay_accounts"].as_str().unwrap_or_default();
    let accounts: Vec<String> =
        list.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    if accounts.is_empty() {
        return Err("jwt_accounts");
    }
    if !accounts.iter().all(|iban| crate::iban::is_iban(iban)) {
        return Err("jwt_iban");
    }
    Ok(Token {
        kid: header_json["kid"].as_str().unwrap_or_default().to_owned(),
        accounts,
        signed: format!("{header}.{claims}"),
        signature: decoded(signature).ok_or("jwt_signature")?,
    })
}

/// Modulus and exponent of a key of a JWKS.
pub(super) fn rsa_key(keys: &Value, kid: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let keys = keys["keys"].as_array()?;
    let key = keys.iter().find(|key| key["kid"] == kid && key["kty"] == "RSA")?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
    Some((part("n")?, part("e")?))
}

/// Whether a text is an Italian mobile number as the provider wants it: country code, and neither
/// plus nor zeros in front.
pub(super) fn is_msisdn(text: &str) -> bool {
    let digits = text.strip_prefix("39").unwrap_or_default();
    (6..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A payment as it is sent: a draft, which cannot move money.
///
/// # Errors
///
/// If `DropPay` has no way to make it.
pub(super) fn draft(order: &Order, remittance_max: u16) -> Result<String, Failure> {
    if order.amount.currency != EUR {
        return Err(failed(Failed::NotSupported, "currency"));
    }
    let amount =
        money::decimal(order.amount).ok_or_else(|| failed(Failed::NotSupported, "currency"))?;
    let creditor: String = order.creditor.chars().filter(|it| *it != ' ').collect();
    if !crate::iban::is_iban(&creditor) {
        return Err(failed(Failed::Invalid, "creditor"));
    }
    let text = fitted(&order.remittance, order, usize::from(remittance_max));
    let rest = json!({
        "source": { "account": order.debtor.iban },
        "recipient": { "account": creditor, "name": order.creditor_name },
        "description": text,
        "status": "DRAFT",
    });
    let rest = rest.to_string();
    Ok(format!("{{\"amount\":{amount},{}", rest.strip_prefix('{').unwrap_or_default()))
}

/// What a Push says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Push {
    pub(super) id: String,
    pub(super) status: String,
    /// Where the customer's app opens it.
    pub(super) sharing: String,
    /// The transfer, once there is one.
    pub(super) transfer: String,
}

/// Reads a Push.
///
/// # Errors
///
/// If it has no id or status.
pub(super) fn push(response: &Response) -> Result<Push, Failure> {
    let body: Value = response.json()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sharing = match &body["sharing"] {
        Value::String(url) => url.clone(),
        other => text(&other["url"]),
    };
    let push = Push {
        id: text(&body["id"]),
        status: text(&body["status"]),
        sharing,
        transfer: text(&body["transfer"]["id"]),
    };
    if push.id.is_empty() || push.status.is_empty() {
        return Err(response.unclear(Failed::Malfunction, "schema"));
    }
    Ok(push)
}

/// How a Push stands, as long as there is no transfer; `None` for a word nobody knows.
pub(super) fn progress_of_push(status: &str) -> Option<Progress> {
    let (status, is_approved) = match status {
        "DRAFT" | "READY" => (PaymentStatus::Received, false),
        "CONFIRMED" => (PaymentStatus::CustomerProfile, true),
        "REJECTED" => (PaymentStatus::Rejected, false),
        "REVOKED" | "CANCELLED" => (PaymentStatus::Cancelled, false),
        _ => return None,
    };
    Some(Progress { status, is_approved, is_failed: false, lacks_funds: false })
}

/// How a transfer stands; `None` for a word nobody knows.
pub(super) fn progress_of_transfer(status: &str) -> Option<Progress> {
    let status = match status {
        "PENDING" => PaymentStatus::InProcess,
        "EXECUTED" => PaymentStatus::Settled,
        "REJECTED" => PaymentStatus::Rejected,
        _ => return None,
    };
    Some(Progress { status, is_approved: true, is_failed: false, lacks_funds: false })
}

#[derive(Deserialize)]
struct Registry<'a> {
    #[serde(borrow)]
    balance: &'a RawValue,
    #[serde(borrow, default)]
    available: Option<&'a RawValue>,
}

/// The balances of an account; `None` if they cannot be read to the cent.
pub(super) fn balances(body: &[u8]) -> Option<Balances> {
    let registry: Registry<'_> = serde_json::from_slice(body).ok()?;
    let ledger = money::minor(registry.balance.get(), EUR)?;
    let available = match registry.available {
        Some(number) => money::minor(number.get(), EUR)?,
        None => ledger,
    };
    Some(Balances { ledger, available, currency: EUR })
}

#[derive(Deserialize)]
struct Transfer<'a> {
    id: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    status: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    description: String,
    source: Party,
    #[serde(default)]
    recipient: Party,
}

#[derive(Default, Deserialize)]
struct Party {
    #[serde(default)]
    account: String,
}

/// Executed transfers of an account since an instant, the newest first, with their ids; `None` if
/// one cannot be read.
pub(super) fn lines(body: &[u8], iban: &str, from: Utc) -> Option<Vec<(String, Line)>> {
    let all: Vec<Transfer<'_>> = serde_json::from_slice(body).ok()?;
    // The list may be of all that the customer has; what is not of this account is passed over.
    let is_own = |it: &Transfer<'_>| it.source.account == iban || it.recipient.account == iban;
    let executed = all.into_iter().filter(|it| it.status == "EXECUTED" && is_own(it));
    let lines = executed.map(|transfer| {
        let amount = money::minor(transfer.amount.get(), EUR)?.checked_abs()?;
        let amount = if transfer.source.account == iban { amount.checked_neg()? } else { amount };
        let date = transfer.date.as_str();
        let booked = instant(date).or_else(|| Some(Utc(u64::try_from(day(date)?).ok()?)))?;
        let text = transfer.description;
        Some((transfer.id, Line { booked, amount, currency: EUR, text }))
    });
    let mut lines = lines.collect::<Option<Vec<_>>>()?;
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

#[cfg(test)]
mod tests;
