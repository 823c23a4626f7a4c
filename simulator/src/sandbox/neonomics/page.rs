//! The page of the bank where its customer agrees to a consent or approves a payment.

use super::super::query;
use super::Neonomics;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// `GET /psu/{consent|payment}/{id}`
pub(super) async fn show(
    State(sandbox): State<Neonomics>,
    Path((kind, id)): Path<(String, String)>,
) -> Response {
    let world = sandbox.world();
    let what = match kind.as_str() {
        "consent" if world.sessions.contains_key(&id) => "Let them see your accounts?".to_owned(),
        "payment" => match world.payments.get(&id) {
            Some(payment) => format!(
                "Pay {}.{:02} to {}?",
                payment.amount / 100,
                payment.amount % 100,
                query::escaped(&payment.creditor)
            ),
            None => return nothing(),
        },
        _ => return nothing(),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Bank (sandbox)</title>\
         <body><p>{what}</p><form method=\"post\">\
         <button id=\"approve\" name=\"decision\" value=\"approve\">Approve</button>\
         <button id=\"reject\" name=\"decision\" value=\"reject\">Reject</button>\
         </form></body></html>"
    );
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// `POST` to the same, with the decision as a form. Sends the customer back.
pub(super) async fn decide(
    State(sandbox): State<Neonomics>,
    Path((kind, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let decision = std::str::from_utf8(&body).ok().and_then(|body| query::value(body, "decision"));
    let is_approved = match decision.as_deref() {
        Some("approve") => true,
        Some("reject") => false,
        _ => return (StatusCode::BAD_REQUEST, "decision: approve or reject\n").into_response(),
    };
    let now = sandbox.0.clock.now_ms();
    let config = &sandbox.0.config;
    let mut world = sandbox.world();
    let redirect = match kind.as_str() {
        "consent" => match world.sessions.get_mut(&id) {
            Some(session) => {
                if is_approved {
                    session.consent_until = now.saturating_add(config.consent_s * 1_000);
                }
                session.redirect.clone()
            }
            None => return nothing(),
        },
        "payment" => match world.payments.get_mut(&id) {
            Some(payment) => {
                match (is_approved, payment.status) {
                    (true, "RCVD") => payment.approved = Some(now),
                    (false, "RCVD") => payment.status = "RJCT",
                    _ => {}
                }
                payment.redirect.clone()
            }
            None => return nothing(),
        },
        _ => return nothing(),
    };
    let result = if is_approved { "OK" } else { "FAILED" };
    let between = if redirect.contains('?') { '&' } else { '?' };
    let back = format!("{redirect}{between}resource_id={id}&result={result}");
    (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response()
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing to decide.\n").into_response()
}
