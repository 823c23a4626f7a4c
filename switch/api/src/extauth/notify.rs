//! What the platform tells of what has happened: transaction events, and what customers were
//! written. Whoever brings the lasting token, or one that was given out and has not ended, is the
//! platform; an event is noted and changes nothing, because what moves money was asked before.
//!
//! Balances are the bank's here and the platform does not know them: `accountBalances` and
//! `updatedBalance` are not there, which is not the same as zero.

use super::External;
use super::proof::admit;
use super::token::unix_ms;
use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::door::{Desk, answered, only};
use crate::serve::Arrival;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;
use veksel_adapters::money;

/// Longest id and word of an event.
const TEXT_MAX: usize = 128;

/// Where the platform sends what.
pub(crate) const KINDS: [&str; 3] = ["email", "notifications", "sms"];

/// Events about cards, and whether each may be of a hold.
const CARD_EVENTS: [(&str, &[bool]); 3] = [
    // A new hold, a hold that grew, or a transaction without one.
    ("CARD_TRANSACTION", &[true, false]),
    // The hold was accepted.
    ("CARD_TRANSACTION_SETTLED", &[false]),
    // A hold that shrank, an original credit, a reversal, a refund.
    ("CARD_TRANSACTION_REFUND", &[true, false]),
];

/// Limits that the platform applies itself, and the response code each would be (http-contracts
/// 2.7, SH3).
const LIMITS: [(&str, &str); 4] = [
    ("REFUSED_DAILY_TRANSFERS_OUT_LIMIT_BREACHED", "61"),
    ("REFUSED_DAILY_ATM_WITHDRAWAL_LIMIT_BREACHED", "61"),
    ("REFUSED_DAILY_TOP_UP_LIMIT_BREACHED", "61"),
    ("REFUSED_DAILY_BPAY_LIMIT_BREACHED", "61"),
];

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// What kind it is, among those that are known; `"other"` for the rest.
    pub kind: &'static str,
    /// Whether it is of a hold, if it says so.
    pub is_pending: Option<bool>,
    /// Minor units and currency, if it says so. Below zero is money that goes out.
    pub amount: Option<(i64, u16)>,
    /// Whether it says a balance, which the platform cannot know.
    pub has_balance: bool,
    /// DE39 of a limit of the platform that was breached.
    pub limit: Option<&'static str>,
}

/// `POST /api/hay/v0/communications/{email,notifications,sms}`.
pub(crate) async fn received(
    State(desk): State<Desk>,
    trace: Trace,
    arrival: Arrival,
    kind: Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(take(&desk, (&trace, arrival), &kind, &headers, &body), &trace)
}

fn take(
    desk: &Desk,
    (trace, arrival): (&Trace, Arrival),
    kind: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    let platform = desk.platform.as_ref().filter(|platform| platform.external.hears());
    let Some(platform) = platform.filter(|_| KINDS.contains(&kind)) else {
        return Err(Refusal::not_found("this path"));
    };
    admit(&platform.external, arrival.peer)?;
    let given = bearer(headers);
    if !given.is_some_and(|token| is_known(&platform.external, token)) {
        return Ok(unknown(given.is_some(), trace));
    }
    let event: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Refusal::bad("the body is no JSON object"))?;
    let notice = match kind {
        "notifications" => read(&event)?,
        // What customers were written is the platform's.
        _ => Notice {
            kind: "other",
            is_pending: None,
            amount: None,
            has_balance: false,
            limit: None,
        },
    };
    if notice.has_balance {
        tracing::warn!(trace = trace.0, "the platform tells a balance, which it cannot know");
    }
    let Notice { kind, is_pending, limit, .. } = &notice;
    tracing::info!(trace = trace.0, kind, is_pending, limit, "the platform tells of something");
    platform.external.watcher.noticed(&notice);
    Ok(json_response(StatusCode::OK, &json!({})))
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether it is the lasting token, or one that was given out and has not ended.
fn is_known(external: &External, token: &str) -> bool {
    let is_lasting = external.notify_token.as_ref().is_some_and(|own| {
        let own = own.expose();
        !own.is_empty() && bool::from(token.as_bytes().ct_eq(own.as_bytes()))
    });
    let client = external.notify_client.as_ref();
    is_lasting || client.is_some_and(|client| client.holds(token, unix_ms()))
}

/// Asks for a token, and says of one that was brought that it is none (RFC 6750 3).
fn unknown(has_token: bool, trace: &Trace) -> Response {
    let (message, asked) = match has_token {
        true => ("the token is none, or has ended", "Bearer error=\"invalid_token\""),
        false => ("a bearer token is needed", "Bearer realm=\"veksel\""),
    };
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
    let mut response = refusal.respond(trace);
    let asked = HeaderValue::from_static(asked);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
    response
}

/// An event as far as it can be read. One that is known and contradicts itself is refused.
fn read(event: &Map<String, Value>) -> Result<Notice, Refusal> {
    let text = |name: &str| {
        let text = event.get(name).and_then(Value::as_str);
        text.filter(|text| (1..=TEXT_MAX).contains(&text.len()))
    };
    let kind = text("type").ok_or_else(|| Refusal::bad("`type` must be a text"))?;
    let known = CARD_EVENTS.iter().find(|(name, _)| *name == kind);
    let is_pending = match event.get("isPending") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(is_pending)) => Some(*is_pending),
        Some(_) => return Err(Refusal::bad("`isPending` must be true or false")),
    };
    if let Some((name, allowed)) = known {
        let fits = is_pending.is_some_and(|is_pending| allowed.contains(&is_pending));
        if !fits {
            return Err(Refusal::bad(format!("`isPending` is not what {name} has")));
        }
    }
    let amount = event.get("amount").filter(|amount| !amount.is_null());
    let amount = amount.map(money_of).transpose()?;
    let code = text("errorCode");
    let limit = LIMITS.iter().find(|(name, _)| Some(*name) == code).map(|(_, limit)| *limit);
    let is_there = |name: &str| event.get(name).is_some_and(|value| !value.is_null());
    Ok(Notice {
        kind: known.map_or("other", |(name, _)| *name),
        is_pending,
        amount,
        has_balance: is_there("accountBalances") || is_there("updatedBalance"),
        limit,
    })
}

fn money_of(amount: &Value) -> Result<(i64, u16), Refusal> {
    let text = |name: &str| amount.get(name).and_then(Value::as_str);
    let currency = text("currency").and_then(money::numeric);
    let minor = text("amount").zip(currency).and_then(|(text, own)| money::minor(text, own));
    minor.zip(currency).ok_or_else(|| Refusal::bad("`amount` is no amount"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(body: Value) -> Option<Notice> {
        read(body.as_object().unwrap()).ok()
    }

    #[test]
    fn pending_is_a_hold_and_settled_is_not() {
        for (kind, pending, fits) in [
            ("CARD_TRANSACTION", json!(true), true),
            ("CARD_TRANSACTION", json!(false), true),
            ("CARD_TRANSACTION", json!(null), false),
            ("CARD_TRANSACTION_SETTLED", json!(false), true),
            ("CARD_TRANSACTION_SETTLED", json!(true), false),
            ("CARD_TRANSACTION_REFUND", json!(true), true),
            ("CARD_TRANSACTION_REFUND", json!(false), true),
            ("CARD_TRANSACTION_REFUND", json!("false"), false),
            ("SOMETHING_ELSE", json!(null), true),
        ] {
            let found = notice(json!({ "type": kind, "isPending": pending }));
            assert_eq!(found.is_some(), fits, "{kind} {pending}");
        }
    }

    #[test]
    fn a_balance_that_is_not_there_is_not_zero() {
        let event = json!({ "type": "CARD_TRANSACTION", "isPending": true,
            "amount": { "amount": "-12.43", "currency": "USD" } });
        let found = notice(event).unwrap();
        assert_eq!((found.has_balance, found.amount), (false, Some((-1_243, 840))));
        for name in ["accountBalances", "updatedBalance"] {
            let event = json!({ "type": "CARD_TRANSACTION", "isPending": true, name: "0.00" });
            assert!(notice(event).unwrap().has_balance, "{name}");
        }
    }

    #[test]
    fn limits_of_the_platform_are_understood() {
        for (code, expected) in LIMITS {
            let event = json!({ "type": "TRANSACTION", "outcome": "LIMIT_BREACH",
                "errorCode": code });
            assert_eq!(notice(event).unwrap().limit, Some(expected), "{code}");
        }
        let event = json!({ "type": "TRANSACTION", "errorCode": "REFUSED_NOT_ENOUGH_FUNDS" });
        assert_eq!(notice(event).unwrap().limit, None);
    }
}
