//! Lean push of banks. Nobody signs it, so it is a hint and nothing more: the bank is asked.

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::door::{Desk, answered, object, one_line};
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use veksel_core::BankId;
use veksel_core::enquiry::{Call, Moved, Told};

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
    let place = desk.banks.iter().position(|name| *name == bank);
    let place = place.and_then(|place| u16::try_from(place).ok());
    let bank = place.map(BankId).ok_or_else(|| Refusal::not_found("this bank"))?;
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
        | Told::Checked { .. }
        | Told::Checks { .. }
        | Told::Failed(_) => Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
    }
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
