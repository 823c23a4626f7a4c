//! Payments and balances under a bearer token, and the app in which a payment is confirmed.

use super::super::{Peer, Remark, query};
use super::identity::answer as said;
use super::{DropPay, Grant, KEPT_MAX, Push, Transfer, keep};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Checks a request and answers it. A certificate is shown at registration and log-in and nowhere
/// else: one that is shown here is remarked on.
pub(super) async fn answer(State(sandbox): State<DropPay>, request: Request<Body>) -> Response {
    let peer = request.extensions().get::<Peer>();
    let is_shown = peer.is_some_and(|peer| peer.certificate.is_some());
    let mut response = judged(&sandbox, request).await;
    if is_shown {
        response.extensions_mut().insert(Remark("a certificate is shown".to_owned()));
    }
    response
}

async fn judged(sandbox: &DropPay, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 20).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, 200, "the body is too large");
    };
    let now = sandbox.0.clock.now_ms();
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let grant = sandbox.state().access.get(bearer).filter(|grant| grant.until > now).cloned();
    let Some(grant) = grant else {
        let body = json!({ "error": "invalid_token", "error_description": "Token is not active" });
        return said(StatusCode::UNAUTHORIZED, &body, Some("token"));
    };
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_tls = parts.extensions.get::<Peer>().is_some_and(|peer| peer.is_tls);
    let scheme = if is_tls { "https" } else { "http" };
    let host = format!("{scheme}://{}", host.unwrap_or("localhost"));
    let host = host.as_str();
    let is_ours = |may: bool| if may { None } else { Some("the certificate lacks the role") };
    match (parts.method.as_str(), path.as_slice()) {
        ("POST", ["bank", "v1", "push"]) => match is_ours(grant.may_pay) {
            Some(why) => refused(StatusCode::FORBIDDEN, 105, why),
            None => sandbox.create(&body, host),
        },
        ("PATCH", ["bank", "v1", "push", id]) => match is_ours(grant.may_pay) {
            Some(why) => refused(StatusCode::FORBIDDEN, 105, why),
            None => sandbox.change(id, &body, host),
        },
        ("GET", ["bank", "v1", "push", id]) => match sandbox.state().pushes.get(*id) {
            Some(push) if push.amount % 100 == MUTE => broken("how it stands is not told"),
            Some(push) => said(StatusCode::OK, &push_json(id, push, host), None),
            None => refused(StatusCode::NOT_FOUND, 201, "no such push"),
        },
        ("DELETE", ["bank", "v1", "push", id]) => sandbox.revoke(id),
        ("GET", ["bank", "v1", "transfer"]) => {
            sandbox.transfers(&grant, parts.uri.query().unwrap_or_default())
        }
        ("GET", ["bank", "v1", "transfer", id]) => sandbox.transfer(id),
        ("GET", ["bank", "v1", "registry", iban]) => sandbox.registry(&grant, iban),
        _ => refused(StatusCode::NOT_FOUND, 201, "no such resource"),
    }
}

/// A payment as it comes: the amount as it is written.
#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    source: Option<Account>,
    recipient: Account,
    description: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    account: String,
}

impl DropPay {
    fn create(&self, body: &[u8], host: &str) -> Response {
        let Ok(wanted) = serde_json::from_slice::<Wanted<'_>>(body) else {
            return refused(StatusCode::BAD_REQUEST, 202, "amount or recipient is missing");
        };
        let Some(amount) = cents(wanted.amount.get()) else {
            return refused(StatusCode::BAD_REQUEST, 203, "amount is no number of cents");
        };
        let status = match wanted.status.as_deref() {
            None | Some("DRAFT") => "DRAFT",
            Some("READY") => "READY",
            Some(_) => return refused(StatusCode::BAD_REQUEST, 204, "unknown status"),
        };
        let mut state = self.state();
        let first = state.accounts.first().map(|(iban, _)| iban.clone()).unwrap_or_default();
        let source = wanted.source.map_or(first, |source| source.account);
        if state.balance(&source).is_none() {
            return refused(StatusCode::BAD_REQUEST, 205, "source is not the customer's");
        }
        if state.pushes.len() >= KEPT_MAX || state.transfers.len() >= KEPT_MAX {
            return refused(StatusCode::SERVICE_UNAVAILABLE, 206, "the sandbox is full; reset it");
        }
        let id = state.name("PUSH");
        let push = Push {
            amount,
            source,
            recipient: wanted.recipient.account,
            description: wanted.description.unwrap_or_default(),
            status,
            transfer: None,
        };
        let json = push_json(&id, &push, host);
        keep(&mut state.pushes, id, push);
        said(StatusCode::CREATED, &json, None)
    }

    fn change(&self, id: &str, body: &[u8], host: &str) -> Response {
        let wanted = serde_json::from_slice::<Value>(body).unwrap_or_default();
        if wanted["status"] != "READY" {
            return refused(StatusCode::BAD_REQUEST, 204, "unknown status");
        }
        let mut state = self.state();
        let Some(push) = state.pushes.get_mut(id) else {
            return refused(StatusCode::NOT_FOUND, 201, "no such push");
        };
        match push.status {
            "DRAFT" | "READY" => push.status = "READY",
            _ => return refused(StatusCode::CONFLICT, 207, "it is over"),
        }
        if matches!(push.amount % 100, LOST | MUTE) {
            return broken("it is ready, and nobody is told");
        }
        said(StatusCode::OK, &push_json(id, push, host), None)
    }

    fn revoke(&self, id: &str) -> Response {
        let mut state = self.state();
        let Some(push) = state.pushes.get_mut(id) else {
            return refused(StatusCode::NOT_FOUND, 201, "no such push");
        };
        match push.status {
            "CONFIRMED" => refused(StatusCode::CONFLICT, 207, "it is over"),
            _ => {
                push.status = "REVOKED";
                StatusCode::NO_CONTENT.into_response()
            }
        }
    }

    fn transfers(&self, grant: &Grant, query: &str) -> Response {
        if !grant.may_look {
            return refused(StatusCode::FORBIDDEN, 105, "the certificate lacks the role");
        }
        let state = self.state();
        let account = query::value(query, "account");
        if account.as_ref().is_some_and(|iban| state.balance(iban).is_none()) {
            return refused(StatusCode::NOT_FOUND, 201, "no such account");
        }
        let is_of = |it: &Transfer| {
            account.as_ref().is_none_or(|iban| it.source == *iban || it.recipient == *iban)
        };
        let all = state.transfers.iter().enumerate().rev().filter(|(_, it)| is_of(it));
        let all: Vec<String> = all.map(|(place, it)| transfer_text(place, it)).collect();
        raw(&format!("[{}]", all.join(",")))
    }

    fn transfer(&self, id: &str) -> Response {
        let state = self.state();
        let place = id.strip_prefix("TRANSFER").and_then(|place| place.parse::<usize>().ok());
        match place.and_then(|place| Some((place, state.transfers.get(place)?))) {
            Some((place, transfer)) => raw(&transfer_text(place, transfer)),
            None => refused(StatusCode::NOT_FOUND, 201, "no such transfer"),
        }
    }

    fn registry(&self, grant: &Grant, iban: &str) -> Response {
        if !grant.may_look {
            return refused(StatusCode::FORBIDDEN, 105, "the certificate lacks the role");
        }
        match self.state().balance(iban) {
            Some(balance) => raw(&format!(
                r#"{{"account":"{iban}","holder":"Mario Rossi","currency":"EUR","balance":{}}}"#,
                decimal(balance)
            )),
            None => refused(StatusCode::NOT_FOUND, 201, "no such account"),
        }
    }
}

/// `GET /app/push/{id}`: what the customer sees in the app.
pub(super) async fn show(State(sandbox): State<DropPay>, Path(id): Path<String>) -> Response {
    let state = sandbox.state();
    let Some(push) = state.pushes.get(&id).filter(|push| push.status == "READY") else {
        return (StatusCode::NOT_FOUND, "There is nothing to confirm.\n").into_response();
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>App (sandbox)</title>\
         <body><p>Pay EUR {} to {}?</p><form method=\"post\">\
         <button id=\"confirm\" name=\"decision\" value=\"confirm\">Confirm</button>\
         <button id=\"reject\" name=\"decision\" value=\"reject\">Reject</button>\
         </form></body></html>",
        decimal(push.amount),
        query::escaped(&push.recipient)
    );
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// `POST` to the same with the decision as a form.
pub(super) async fn decide(
    State(sandbox): State<DropPay>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let form = std::str::from_utf8(&body).unwrap_or_default();
    let now = sandbox.0.clock.now_ms();
    let mut state = sandbox.state();
    let done = match query::value(form, "decision").as_deref() {
        Some("confirm") => state.confirm(&id, now),
        Some("reject") => match state.pushes.get_mut(&id).filter(|it| it.status == "READY") {
            Some(push) => {
                push.status = "REJECTED";
                true
            }
            None => false,
        },
        _ => return (StatusCode::BAD_REQUEST, "decision: confirm or reject\n").into_response(),
    };
    match done {
        true => (StatusCode::OK, "Thank you.\n").into_response(),
        false => (StatusCode::NOT_FOUND, "There is nothing to confirm.\n").into_response(),
    }
}

fn push_json(id: &str, push: &Push, host: &str) -> Value {
    json!({
        "id": id,
        "status": push.status,
        "description": push.description,
        "recipient": { "account": push.recipient },
        "source": { "account": push.source },
        "sharing": { "url": format!("{host}/app/push/{id}") },
        "transfer": push.transfer.map(|place| json!({ "id": format!("TRANSFER{place}") })),
    })
}

fn transfer_text(place: usize, transfer: &Transfer) -> String {
    let ms = i64::try_from(transfer.at).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let rest = json!({
        "id": format!("TRANSFER{place}"),
        "status": transfer.status,
        "description": transfer.description,
        "date": at.to_string(),
        "source": { "account": transfer.source },
        "recipient": { "account": transfer.recipient },
    });
    let rest = rest.to_string();
    // Money is written as a number with two decimals, which no float stands behind.
    format!("{{\"amount\":{},{}", decimal(transfer.amount), rest.trim_start_matches('{'))
}

fn raw(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}

fn refused(status: StatusCode, code: u32, description: &str) -> Response {
    let body = json!({ "error": { "code": code, "description": description } });
    said(status, &body, Some(description))
}

/// Amounts that end like this are made ready without an answer that says so.
const LOST: i64 = 96;
/// The same, and how they stand cannot be asked either.
const MUTE: i64 = 97;

fn broken(remark: &str) -> Response {
    said(StatusCode::INTERNAL_SERVER_ERROR, &Value::Null, Some(remark))
}

fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Cents of a JSON number with at most two decimals, above zero. A text is none.
fn cents(number: &str) -> Option<i64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || part.len() > 2 || !is_number(whole) {
        return None;
    }
    let cents = is_number(part).then(|| format!("{whole}{part:0<2}").parse::<i64>().ok())??;
    (cents > 0).then_some(cents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numbers_of_cents() {
        for (text, wanted) in [
            ("120.00", Some(12_000)),
            ("120", Some(12_000)),
            ("0.1", Some(10)),
            ("\"120.00\"", None),
            ("0.001", None),
            ("1e2", None),
            ("-1", None),
            ("0", None),
        ] {
            assert_eq!(cents(text), wanted, "{text}");
        }
    }
}
