//! Slack's incoming webhooks: what they take, and about one message a second.

use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::Notify;

/// Messages that may come at once, and how long it takes until one more may.
const BURST: u64 = 10;
const PACE_MS: u64 = 1_000;

/// Longest text, in characters.
const TEXT_MAX: usize = 40_000;

/// How many messages may still come, as the time up to which they are used up.
#[derive(Debug, Default)]
pub(super) struct Pace {
    used_until: u64,
}

impl Pace {
    /// Whether one more may come now.
    fn admits(&mut self, now_ms: u64) -> bool {
        let used = self.used_until.max(now_ms).saturating_add(PACE_MS);
        let fits = used <= now_ms.saturating_add(BURST * PACE_MS);
        if fits {
            self.used_until = used;
        }
        fits
    }
}

/// `POST /services/{workspace}/{app}/{token}`
pub(super) async fn posted(
    State(notify): State<Notify>,
    Path((workspace, app, token)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = |status: StatusCode, text: &'static str| (status, text).into_response();
    let limited = || {
        let wait = [(header::RETRY_AFTER, "1")];
        (StatusCode::TOO_MANY_REQUESTS, wait, "rate_limited").into_response()
    };
    match token.as_str() {
        "limited" => return limited(),
        "broken" => return said(StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        "gone" => return said(StatusCode::NOT_FOUND, "no_service"),
        _ => {}
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let payload: Value = match serde_json::from_slice(&body) {
        Ok(payload @ Value::Object(_)) if is_json => payload,
        _ => return said(StatusCode::BAD_REQUEST, "invalid_payload"),
    };
    let text = payload.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() {
        return said(StatusCode::BAD_REQUEST, "no_text");
    }
    if text.chars().count() > TEXT_MAX {
        return said(StatusCode::BAD_REQUEST, "msg_too_long");
    }
    let now_ms = notify.0.clock.now_ms();
    if !notify.0.slack.lock().unwrap_or_else(PoisonError::into_inner).admits(now_ms) {
        return limited();
    }
    // What people read: the three characters that have a meaning come escaped.
    let shown = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    notify.keep("slack", format!("{workspace}/{app}"), shown);
    said(StatusCode::OK, "ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_and_then_one_a_second() {
        let mut pace = Pace::default();
        let taken = (0..20).filter(|_| pace.admits(1_000_000)).count();
        assert_eq!(taken, 10);
        assert!(!pace.admits(1_000_999));
        assert!(pace.admits(1_001_000));
        assert!(!pace.admits(1_001_000));
    }
}
