//! `POST /alerts`: an alarm that a person or a program beside the switch raises, told as any other.
//!
//! `{"operator": "ida", "severity": "high", "title": "Disk", "message": "90 % full"}`. As with
//! decisions, who raises it is asked for his name and is not asked to prove it, so it works only
//! where this machine alone can reach it.

use crate::alert::{Alert, Alerts};
use crate::operate::{BODY_MAX, OPERATOR_MAX, Refusal, check_sender, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use veksel_config::alert::Severity;

/// Longest title, and longest message, in characters.
const TITLE_MAX: usize = 100;
const MESSAGE_MAX: usize = 1_000;

#[derive(Clone)]
struct Post {
    alerts: Alerts,
    is_loopback: bool,
}

pub(crate) fn router(alerts: Alerts, is_loopback: bool) -> Router {
    Router::new()
        .route("/alerts", post(raise))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Post { alerts, is_loopback })
}

async fn raise(
    State(post): State<Post>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (code, said) = match post.judge(&headers, body) {
        Ok(alert) => {
            post.alerts.raise(alert);
            (StatusCode::ACCEPTED, json!({ "raised": true }))
        }
        Err((code, why)) => (code, json!({ "error": why })),
    };
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{said}\n")).into_response()
}

impl Post {
    fn judge(
        &self,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Alert, Refusal> {
        check_sender(headers, self.is_loopback)?;
        let body = body.map_err(|error| (error.status(), error.body_text()))?;
        wish(&body).map_err(|why| (StatusCode::BAD_REQUEST, why))
    }
}

fn wish(body: &[u8]) -> Result<Alert, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON".to_owned())?;
    let Value::Object(mut body) = body else { return Err("the body is no object".to_owned()) };
    let operator = text(&mut body, "operator", OPERATOR_MAX)?;
    let severity = text(&mut body, "severity", OPERATOR_MAX)?;
    let severity = Severity::ALL.into_iter().find(|known| known.word() == severity);
    let severity = severity.ok_or("`severity` must be critical, high, medium or info")?;
    let title = text(&mut body, "title", TITLE_MAX)?;
    let message = text(&mut body, "message", MESSAGE_MAX)?;
    match body.keys().next() {
        Some(key) => Err(format!("`{}` is not known", key.escape_debug())),
        None => Ok(Alert::new(severity, title, format!("{message} ({operator})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_has_a_name_a_severity_a_title_and_a_message() {
        let body = r#"{"operator":"ida","severity":"high","title":"Disk","message":"90 % full"}"#;
        assert_eq!(wish(body.as_bytes()), Ok(Alert::high("Disk", "90 % full (ida)")));
        for (from, to, why) in [
            ("\"high\"", "\"loud\"", "`severity` must be critical, high, medium or info"),
            ("\"ida\"", "\"\"", "`operator`"),
            ("\"Disk\"", "\"Di\\nsk\"", "`title`"),
            ("\"title\"", "\"name\"", "`title` is missing"),
            ("{", "{\"channel\":\"x\",", "`channel` is not known"),
            ("{", "", "the body is no JSON"),
        ] {
            let said = wish(body.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
