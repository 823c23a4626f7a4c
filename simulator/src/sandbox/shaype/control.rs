//! How people and tests tell the platform what cards do: JSON under `/__sandbox/`.
//!
//! | path | body or query | what happens |
//! |---|---|---|
//! | `hold` | `{"account","amount","currency"}`, also `"id"`, `"card"`, `"kind"` | a new hold |
//! | `change` | `{"id","amount"}` | another amount of a hold; nothing lets it go |
//! | `transaction` | as `hold`; an amount below zero comes in | one, or the end of a hold |
//! | `flow/deposit`, `flow/withdrawal`, `flow/refund` | as `hold` | a story from beginning to end |
//! | `load` | `?rps=&seconds=&burst=&every=` | load, and the figures |
//! | `rotate` | | another key signs |
//! | `keys` | `?down=true` | the keys cannot be had, or can again |
//!
//! `"idempotencyKey"` asks the same again. Amounts are texts, as people write them.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;

use super::{Kind, Load, Missed, Occasion, Outcome, Payment, Shaype};
use crate::money::Currency;
use crate::sandbox::query;

type Wrong = (StatusCode, &'static str);

const fn wrong(what: &'static str) -> Wrong {
    (StatusCode::BAD_REQUEST, what)
}

/// What the client verifies with.
pub(super) async fn published(State(platform): State<Shaype>) -> Response {
    let state = platform.state();
    if state.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let keys: Vec<Value> = state.keys.iter().filter_map(|key| key.jwk()).collect();
    said(&json!({ "keys": keys }))
}

pub(super) async fn hold(State(platform): State<Shaype>, body: Bytes) -> Response {
    match read(&body).and_then(|body| payment(&platform, &body)) {
        Ok(payment) if payment.minor > 0 => shown(&platform.hold(payment).await),
        Ok(_) => wrong("a hold has an amount above zero\n").into_response(),
        Err(wrong) => wrong.into_response(),
    }
}

pub(super) async fn change(State(platform): State<Shaype>, body: Bytes) -> Response {
    let body = match read(&body) {
        Ok(body) => body,
        Err(wrong) => return wrong.into_response(),
    };
    let id = body["id"].as_str().unwrap_or_default();
    let currency = platform.state().holds.get(id).map(|hold| hold.currency);
    let Some(currency) = currency else {
        return (StatusCode::NOT_FOUND, "there is no such hold\n").into_response();
    };
    let minor = body["amount"].as_str().and_then(|text| currency.parse(text).ok());
    let Some(minor) = minor.filter(|minor| *minor >= 0) else {
        return wrong("amount: a text such as \"12.50\" is needed\n").into_response();
    };
    match platform.change(id, minor, body["idempotencyKey"].as_str()).await {
        Some(outcome) => shown(&outcome),
        None => (StatusCode::NOT_FOUND, "there is no such hold\n").into_response(),
    }
}

pub(super) async fn transaction(State(platform): State<Shaype>, body: Bytes) -> Response {
    match read(&body).and_then(|body| payment(&platform, &body)) {
        Ok(payment) => shown(&platform.transact(payment, Occasion::WithoutHold).await),
        Err(wrong) => wrong.into_response(),
    }
}

/// A story: the platform asks for one thing after the other, as long as the client approves.
pub(super) async fn flow(
    State(platform): State<Shaype>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let payment = match read(&body).and_then(|body| payment(&platform, &body)) {
        Ok(payment) if payment.minor > 1 => payment,
        Ok(_) => return wrong("a story needs an amount above 1 minor unit\n").into_response(),
        Err(wrong) => return wrong.into_response(),
    };
    let credit = |payment: &Payment, id: String| Payment {
        id,
        kind: Kind::TopUp,
        minor: 0 - payment.minor,
        ..payment.clone()
    };
    let mut outcomes = Vec::new();
    match name.as_str() {
        "deposit" => {
            let deposit = credit(&payment, payment.id.clone());
            outcomes.push(platform.transact(deposit, Occasion::WithoutHold).await);
        }
        "withdrawal" => {
            // Held for half of it first, then for all, then taken.
            let first =
                Payment { kind: Kind::Withdrawal, minor: payment.minor / 2, ..payment.clone() };
            outcomes.push(platform.hold(first).await);
            if outcomes.iter().all(Outcome::is_approved) {
                outcomes.extend(platform.change(&payment.id, payment.minor, None).await);
            }
            if outcomes.iter().all(Outcome::is_approved) {
                let taken = Payment { kind: Kind::Withdrawal, ..payment };
                outcomes.push(platform.transact(taken, Occasion::Settled).await);
            }
        }
        "refund" => {
            outcomes.push(platform.hold(payment.clone()).await);
            if outcomes.iter().all(Outcome::is_approved) {
                outcomes.extend(platform.change(&payment.id, payment.minor / 2, None).await);
            }
            let half = Payment { minor: payment.minor / 2, ..payment };
            if outcomes.iter().all(Outcome::is_approved) {
                outcomes.push(platform.transact(half.clone(), Occasion::Settled).await);
            }
            if outcomes.iter().all(Outcome::is_approved) {
                let back = credit(&half, platform.number("r"));
                outcomes.push(platform.transact(back, Occasion::Refund).await);
            }
        }
        _ => return (StatusCode::NOT_FOUND, "deposit, withdrawal or refund\n").into_response(),
    }
    said(&Value::Array(outcomes.iter().map(json_of).collect()))
}

pub(super) async fn load(State(platform): State<Shaype>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let number = |name: &str, otherwise: u64, most: u64| match query::value(&query, name) {
        None => Some(otherwise),
        Some(text) => text.parse().ok().filter(|number| *number <= most),
    };
    let numbers = (
        number("rps", 10, 1_000),
        number("seconds", 60, 600),
        number("burst", 50, 1_000),
        number("every", 10, 600),
    );
    let (Some(rps), Some(seconds), Some(burst), Some(every)) = numbers else {
        return wrong("rps, seconds, burst and every are numbers\n").into_response();
    };
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let load = Load {
        rps: small(rps),
        lasts: Duration::from_secs(seconds),
        burst: small(burst),
        every: Duration::from_secs(every.max(1)),
    };
    match platform.load(load).await {
        Some(tally) => said(&tally.json()),
        None => wrong("no accounts are configured, or rps is 0\n").into_response(),
    }
}

pub(super) async fn rotate(State(platform): State<Shaype>) -> Response {
    match platform.rotate() {
        Some(kid) => said(&json!({ "kid": kid })),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn keys(State(platform): State<Shaype>, RawQuery(query): RawQuery) -> Response {
    match query::value(&query.unwrap_or_default(), "down").as_deref() {
        Some(down @ ("true" | "false")) => {
            platform.state().is_down = down == "true";
            StatusCode::NO_CONTENT.into_response()
        }
        _ => wrong("down: true or false\n").into_response(),
    }
}

pub(super) async fn events(State(platform): State<Shaype>) -> Response {
    let state = platform.state();
    let queue = &state.queue;
    said(&json!({
        "waiting": queue.len(), "tried": queue.tried, "taken": queue.taken,
        "lost": queue.lost, "tokens": state.tokens.fetched,
    }))
}

fn read(body: &Bytes) -> Result<Value, Wrong> {
    serde_json::from_slice(body).map_err(|_| wrong("the body is no JSON\n"))
}

fn said(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn payment(platform: &Shaype, body: &Value) -> Result<Payment, Wrong> {
    let text = |name: &str| body[name].as_str().filter(|text| (1..=64).contains(&text.len()));
    let account = text("account").ok_or(wrong("account is missing\n"))?;
    let currency = text("currency").and_then(Currency::from_alpha);
    let currency = currency.ok_or(wrong("currency: three letters of one the bank keeps\n"))?;
    let minor = text("amount").and_then(|text| currency.parse(text).ok());
    let minor = minor.ok_or(wrong("amount: a text such as \"12.50\" is needed\n"))?;
    let kind = match text("kind") {
        None => Kind::Purchase,
        Some(word) => {
            Kind::parse(word).ok_or(wrong("kind: purchase, atm, top_up or transfer\n"))?
        }
    };
    Ok(Payment {
        id: text("id").map_or_else(|| platform.number("h"), str::to_owned),
        account: account.to_owned(),
        card: text("card").map(str::to_owned),
        currency,
        kind,
        minor,
        idempotency: text("idempotencyKey").map(str::to_owned),
    })
}

fn shown(outcome: &Outcome) -> Response {
    said(&json_of(outcome))
}

fn json_of(outcome: &Outcome) -> Value {
    let said = outcome.said.as_ref();
    let word = match (&outcome.breach, said.map(|said| (said.status, said.missed))) {
        (Some(_), _) => "LIMIT_BREACH",
        (None, Some((Some(200), _))) => "APPROVED",
        (None, Some((Some(470), _))) => "REFUSED",
        (None, Some((None, Some(Missed::Late)))) => "TIMEOUT",
        (None, _) => "ERROR",
    };
    json!({
        "id": outcome.id,
        "outcome": word,
        "status": said.and_then(|said| said.status),
        "errorCode": said.and_then(|said| said.code.as_deref()),
        "limit": outcome.breach.map(|breach| breach.limit.name()),
        "responseCode": outcome.breach.map(|breach| breach.response_code),
        "ms": said.map(|said| u64::try_from(said.took.as_millis()).unwrap_or(u64::MAX)),
    })
}
