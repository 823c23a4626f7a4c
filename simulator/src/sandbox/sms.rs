//! A gateway for text messages as a sandbox, in the form that `[sms]` of the switch has by default.
//! What was sent is at `GET /messages`, for people and tests.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Clock, Remark, Sandbox};

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// By the sandboxes' clock.
    pub at_ms: u64,
    /// E.164.
    pub to: String,
    /// Who it is from.
    pub from: String,
    /// The text.
    pub text: String,
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct SmsGateway(Arc<Inner>);

struct Inner {
    api_key: String,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: VecDeque<Text>,
    /// Which message a key belongs to.
    keys: BTreeMap<String, u64>,
    count: u64,
}

impl fmt::Debug for SmsGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsGateway").finish_non_exhaustive()
    }
}

impl SmsGateway {
    /// A gateway that knows callers by this `X-Api-Key`.
    #[must_use]
    pub fn new(api_key: String, clock: Clock) -> Self {
        Self(Arc::new(Inner { api_key, clock, state: Mutex::default() }))
    }

    /// What was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Text> {
        self.state().sent.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half-written here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<u64, (StatusCode, &'static str)> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if header("x-api-key") != Some(self.0.api_key.as_str()) {
            return Err((StatusCode::UNAUTHORIZED, "UNKNOWN_KEY"));
        }
        if !header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE"));
        }
        let body: Value =
            serde_json::from_slice(body).map_err(|_| (StatusCode::BAD_REQUEST, "JSON"))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (to, from, said) = (text("to"), text("from"), text("text"));
        let digits = to.strip_prefix('+').unwrap_or_default();
        let is_number = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        let wrong = |code| Err((StatusCode::UNPROCESSABLE_ENTITY, code));
        if !is_number {
            return wrong("NUMBER");
        }
        if from.is_empty() || from.chars().count() > 11 {
            return wrong("SENDER");
        }
        if said.is_empty() || said.chars().count() > 1_530 {
            return wrong("TEXT");
        }
        match digits.get(digits.len().saturating_sub(4)..).unwrap_or_default() {
            "0404" => return Err((StatusCode::NOT_FOUND, "NUMBER_UNKNOWN")),
            "0429" => return Err((StatusCode::TOO_MANY_REQUESTS, "TOO_MANY")),
            "0500" => return Err((StatusCode::INTERNAL_SERVER_ERROR, "BROKEN")),
            "0502" => return Err((StatusCode::BAD_GATEWAY, "NO_ANSWER")),
            "0503" => return Err((StatusCode::SERVICE_UNAVAILABLE, "CLOSED")),
            _ => {}
        }
        let at_ms = self.0.clock.now_ms();
        let mut state = self.state();
        if let Some(number) = header("idempotency-key").and_then(|key| state.keys.get(key)) {
            return Ok(*number);
        }
        state.count += 1;
        let number = state.count;
        if let Some(key) = header("idempotency-key").filter(|_| state.keys.len() < SENT_MAX) {
            state.keys.insert(key.to_owned(), number);
        }
        if state.sent.len() >= SENT_MAX {
            state.sent.pop_front();
        }
        let (to, from, text) = (to.to_owned(), from.to_owned(), said.to_owned());
        state.sent.push_back(Text { at_ms, to, from, text });
        Ok(number)
    }
}

async fn send(Shared(sms): Shared<SmsGateway>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    match sms.take(&headers, &body) {
        Ok(number) => {
            let body = json!({ "id": format!("M{number:08}"), "status": "queued" });
            (StatusCode::ACCEPTED, kind, body.to_string()).into_response()
        }
        Err((status, code)) => {
            let body = json!({ "error": { "code": code } }).to_string();
            let mut response = (status, kind, body).into_response();
            response.extensions_mut().insert(Remark(code.to_owned()));
            response
        }
    }
}

async fn list(Shared(sms): Shared<SmsGateway>) -> Response {
    let body = json!({ "messages": sms.sent() }).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Sandbox for SmsGateway {
    fn router(&self) -> Router {
        Router::new().route("/messages", post(send).get(list)).with_state(self.clone())
    }

    fn reset(&self) {
        *self.state() = State::default();
    }
}

/// Messages that are kept.
const SENT_MAX: usize = 10_000;
