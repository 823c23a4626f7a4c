//! `GET /status`: how everything is. `POST /reload`: read the configuration again.
//!
//! As with other decisions, who reloads is asked for his name and is not asked to prove it, so it
//! works only where this machine alone can reach it.

use crate::operate::{BODY_MAX, OPERATOR_MAX, Refusal, check_sender, from_here, text};
use crate::orders::Order;
use crate::reload::{ReloadError, Reloaded, Reloader};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the shard may take to say how it is.
const REPORT_MAX: Duration = Duration::from_secs(5);

/// What operators reach the switch by.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) decisions: crate::operate::Desk,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) reloader: Reloader,
}

#[derive(Clone)]
struct Seat {
    desk: Desk,
    is_loopback: bool,
}

pub(crate) fn router(desk: Desk, is_loopback: bool) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/reload", post(reload))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Seat { desk, is_loopback })
}

fn answer((code, said): (StatusCode, Value)) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{said}\n")).into_response()
}

async fn status(State(seat): State<Seat>, headers: HeaderMap) -> Response {
    if seat.is_loopback
        && let Err((code, why)) = from_here(&headers)
    {
        return answer((code, json!({ "error": why })));
    }
    let (reply, report) = oneshot::channel();
    let asked = async {
        seat.desk.orders.send(Order::Report(reply)).await.ok()?;
        report.await.ok()
    };
    answer(match timeout(REPORT_MAX, asked).await {
        Ok(Some(report)) => (StatusCode::OK, report),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "the switch has stopped" })),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "the switch is busy" })),
    })
}

async fn reload(
    State(seat): State<Seat>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (operator, is_trial) = match seat.judge(&headers, body) {
        Ok(wanted) => wanted,
        Err((code, why)) => return answer((code, json!({ "error": why }))),
    };
    let reloader = seat.desk.reloader;
    let done = tokio::task::spawn_blocking(move || reloader.reload(&operator, is_trial)).await;
    answer(match done {
        Ok(Ok(reloaded)) => (StatusCode::OK, told(&reloaded)),
        Ok(Err(ReloadError::Invalid(problems))) => {
            let shown = problems.to_string();
            let said = json!({ "error": "nothing was changed", "problems": problems,
                               "shown": shown });
            (StatusCode::UNPROCESSABLE_ENTITY, said)
        }
        Ok(Err(why @ ReloadError::NoFile)) => {
            (StatusCode::CONFLICT, json!({ "error": why.to_string() }))
        }
        Ok(Err(why @ ReloadError::Stopping)) => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": why.to_string() }))
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "the reload failed" })),
    })
}

impl Seat {
    /// `{"operator": "ida", "trial": true}`
    fn judge(
        &self,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(String, bool), Refusal> {
        check_sender(headers, self.is_loopback)?;
        let body = body.map_err(|error| (error.status(), error.body_text()))?;
        wish(&body).map_err(|why| (StatusCode::BAD_REQUEST, why))
    }
}

fn wish(body: &[u8]) -> Result<(String, bool), String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON".to_owned())?;
    let Value::Object(mut body) = body else { return Err("the body is no object".to_owned()) };
    let operator = text(&mut body, "operator", OPERATOR_MAX)?;
    if operator == "switch" {
        return Err("`operator` must be a person".to_owned());
    }
    let is_trial = match body.remove("trial") {
        None => false,
        Some(Value::Bool(is_trial)) => is_trial,
        Some(_) => return Err("`trial` must be true or false".to_owned()),
    };
    match body.keys().next() {
        Some(key) => Err(format!("`{}` is not known", key.escape_debug())),
        None => Ok((operator, is_trial)),
    }
}

fn told(reloaded: &Reloaded) -> Value {
    let changes = reloaded.changes.iter().map(|change| {
        json!({
            "path": change.path,
            "before": change.before,
            "after": change.after,
            "effect": change.effect.word(),
        })
    });
    let keys = reloaded
        .keys
        .iter()
        .map(|(link, before, after)| json!({ "link": link, "before": before, "after": after }));
    json!({
        "applied": reloaded.is_applied,
        "changes": changes.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "warnings": reloaded.warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reloads_says_who_he_is() {
        for (body, expected) in [
            (r#"{"operator":" ida "}"#, Ok(("ida".to_owned(), false))),
            (r#"{"operator":"ida","trial":true}"#, Ok(("ida".to_owned(), true))),
            (r#"{"operator":"ida","trial":1}"#, Err("`trial` must be true or false")),
            (r#"{"operator":"switch"}"#, Err("`operator` must be a person")),
            (r#"{"operator":"ida","file":"/etc/passwd"}"#, Err("`file` is not known")),
            ("{}", Err("`operator` is missing")),
            ("[]", Err("the body is no object")),
            ("", Err("the body is no JSON")),
        ] {
            assert_eq!(wish(body.as_bytes()), expected.map_err(str::to_owned), "{body}");
        }
    }
}
