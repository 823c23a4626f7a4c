//! Linked accounts: link one, see one, give one up.

use crate::answer::{Answer, Refusal, json_response};
use crate::door::{Name, Program, Shared, name, nothing_else, object, text};
use crate::kyc::CUSTOMER_MAX;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use veksel_core::Utc;
use veksel_core::enquiry::{Call, Told};
use veksel_core::fact::Linked;

/// How long the bank may take to say where its customer approves.
const LINK_TIME: Duration = Duration::from_secs(45);

/// How long it takes to say what is known.
const SHOW_TIME: Duration = Duration::from_secs(5);

/// Longest DE102 (ISO 8583: ans ..28).
const ACCOUNT_MAX: usize = 28;

/// Longest name of a bank.
const BANK_MAX: usize = 64;

/// What is said when the bank cannot be asked now.
const UNAVAILABLE: &str = "the bank is temporarily unavailable";

/// `POST /api/accounts` with `{"account":"…","bank":"…","iban":"…","currency":"578",
/// "customer":"…"}`.
pub(crate) async fn link(program: Program, headers: HeaderMap, body: Bytes) -> Response {
    let linked = async |desk: &Shared| {
        let call = wanted(desk, object(&headers, &body)?)?;
        told(desk.engine.call(call, LINK_TIME).await)
    };
    program.answer(linked).await
}

fn wanted(desk: &Shared, mut object: Map<String, Value>) -> Result<Call, Refusal> {
    let account = text(&mut object, "account", ACCOUNT_MAX)?;
    if !account.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::bad("`account` is no DE102"));
    }
    let bank = text(&mut object, "bank", BANK_MAX)?;
    if !desk.banks.iter().any(|known| known.name == bank) {
        let names: Vec<&str> = desk.banks.iter().map(|known| known.name.as_str()).collect();
        return Err(Refusal::bad(format!("`bank` must be one of: {}", names.join(", "))));
    }
    let iban: String = text(&mut object, "iban", 42)?.split_whitespace().collect();
    let iban = iban.to_ascii_uppercase();
    if !is_iban(&iban) {
        return Err(Refusal::bad("`iban` is no IBAN"));
    }
    let currency = currency(&mut object)?;
    let customer = text(&mut object, "customer", CUSTOMER_MAX)?;
    nothing_else(&object)?;
    Ok(Call::Link { account, bank, iban, currency, customer })
}

/// Three digits of ISO 4217, as a text or a number.
fn currency(object: &mut Map<String, Value>) -> Result<u16, Refusal> {
    let given = object.remove("currency");
    let number = match &given {
        Some(Value::String(text))
            if text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            text.parse().ok()
        }
        Some(Value::Number(number)) => {
            number.as_u64().and_then(|number| u16::try_from(number).ok())
        }
        _ => None,
    };
    let number = number.filter(|number| (1..=999).contains(number));
    number.ok_or_else(|| Refusal::bad("`currency` must be the three digits of ISO 4217"))
}

/// ISO 13616: two letters, two check digits, up to 30 more; the check is modulo 97.
fn is_iban(text: &str) -> bool {
    let has_form = (15..=34).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && text.bytes().take(2).all(|b| b.is_ascii_uppercase())
        && text.bytes().skip(2).take(2).all(|b| b.is_ascii_digit());
    let turned = text.bytes().skip(4).chain(text.bytes().take(4));
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (rest * 10 + u32::from(byte.saturating_sub(b'0'))) % 97,
    });
    has_form && rest == 1
}

/// `GET /api/accounts/{account}`.
pub(crate) async fn show(program: Program, account: Name) -> Response {
    let shown = async |desk: &Shared| {
        let account = name(account, ACCOUNT_MAX, "account")?;
        told(desk.engine.call(Call::Linked { account }, SHOW_TIME).await)
    };
    program.answer(shown).await
}

/// `DELETE /api/accounts/{account}`.
pub(crate) async fn unlink(program: Program, account: Name) -> Response {
    let gone = async |desk: &Shared| {
        let account = name(account, ACCOUNT_MAX, "account")?;
        told(desk.engine.call(Call::Unlink { account }, LINK_TIME).await)
    };
    program.answer(gone).await
}

fn told(told: Told) -> Answer {
    match told {
        Told::Linked { linked, approve } => {
            Ok(json_response(StatusCode::OK, &shown(&linked, approve.as_deref())))
        }
        // A link that is given up has nothing to show.
        Told::Noted => Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
        other => Err(Refusal::instead(other, Refusal::not_found("this account"), UNAVAILABLE)),
    }
}

/// The caller named the account; of the IBAN the end is enough to know it again.
fn shown(linked: &Linked, approve: Option<&str>) -> Value {
    let until = (linked.until != Utc(0)).then(|| linked.until.to_string());
    let start = linked.iban.len().saturating_sub(4);
    json!({
        "account": linked.account,
        "bank": linked.bank,
        "iban": format!("****{}", linked.iban.get(start..).unwrap_or_default()),
        "currency": format!("{:03}", linked.currency),
        "customer": linked.customer,
        "status": linked.status.word(),
        "until": until,
        "approve": approve,
        "isOver": linked.is_over,
    })
}

#[cfg(test)]
mod tests {
    use super::is_iban;

    #[test]
    fn ibans_are_checked_whole() {
        for (text, expected) in [
            ("NO9386011117947", true),
            ("GB82WEST12345698765432", true),
            ("DE89370400440532013000", true),
            ("NO9386011117948", false),
            ("NO9386011171947", false),
            ("NO93", false),
            ("9386011117947NO", false),
            ("NO93860111179470000000000000000000000", false),
            ("", false),
        ] {
            assert_eq!(is_iban(text), expected, "{text}");
        }
    }
}
