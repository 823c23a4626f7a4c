//! Lean push of banks. The standard knows no signature of it, so it is a hint and nothing more: the
//! bank is asked. Where somebody in front of a bank does sign, by HMAC-SHA-256 over the body in
//! `x-payload-digest`, nothing else of that bank is taken.

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::door::{Desk, answered, object, one_line, only};
use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use veksel_core::BankId;
use veksel_core::enquiry::{Call, Moved, Secret, Told};

/// How long it may take to take a hint.
const PUSH_TIME: Duration = Duration::from_secs(5);

/// Longest name that a bank gives to something.
const NAME_MAX: usize = 128;

pub(crate) async fn pushed(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    bank: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Response {
    answered(take(&desk, &headers, bank, &body).await, &trace)
}

async fn take(
    desk: &Desk,
    headers: &HeaderMap,
    bank: Result<Path<String>, PathRejection>,
    body: &Bytes,
) -> Answer {
    let Path(bank) = bank.map_err(|error| Refusal::bad(error.body_text()))?;
    let place = desk.banks.iter().position(|known| known.name == bank);
    let known = place.and_then(|place| desk.banks.get(place));
    let place = place.and_then(|place| u16::try_from(place).ok());
    let bank = place.map(BankId).ok_or_else(|| Refusal::not_found("this bank"))?;
    if let Some(secret) = known.and_then(|known| known.push_secret.as_ref())
        && !is_signed(only(headers, "x-payload-digest"), body, secret)
    {
        tracing::error!(bank = bank.0, "a push of a bank with a wrong digest");
        let message = "the digest is not that of the body";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_digest", message));
    }
    // The rest of what it says is not believed, and so not read.
    let object = object(headers, body)?;
    let moved = match (name(&object, "paymentId")?, name(&object, "consentId")?) {
        (Some(payment), None) => Moved::Payment { bank, payment },
        (None, Some(consent)) => Moved::Consent { bank, consent },
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::bad("one of `paymentId` and `consentId` must be there"));
        }
    };
    match desk.engine.call(Call::Moved(moved), PUSH_TIME).await {
        Told::Busy => Err(Refusal::busy()),
        // What it knows of the payment is not the business of who pushes, and neither is whether
        // there is such a payment.
        Told::Noted
        | Told::Unknown
        | Told::Payment(_)
        | Told::Approve(_)
        | Told::Linked { .. }
        | Told::Accounts { .. }
        | Told::Checked { .. }
        | Told::Checks { .. }
        | Told::Failed(_) => Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
    }
}

/// Whether this is the digest of the body, in hexadecimal; compared without telling how far it
/// fits.
fn is_signed(digest: Option<&str>, body: &[u8], secret: &Secret) -> bool {
    let Some(digest) = digest.and_then(bytes_of) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    !secret.expose().is_empty() && hmac::verify(&key, body, &digest).is_ok()
}

fn bytes_of(hexadecimal: &str) -> Option<Vec<u8>> {
    if hexadecimal.len() != 64 || !hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |place: usize| u8::from_str_radix(hexadecimal.get(place..place + 2)?, 16).ok();
    (0..hexadecimal.len()).step_by(2).map(pair).collect()
}

fn name(object: &Map<String, Value>, key: &str) -> Result<Option<String>, Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().and_then(|text| one_line(text, NAME_MAX));
            let wrong = || Refusal::bad(format!("`{key}` must be 1 to {NAME_MAX} characters"));
            text.map(Some).ok_or_else(wrong)
        }
    }
}
