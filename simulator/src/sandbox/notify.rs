//! Where notifications end up: each channel takes what its provider takes, refuses what it refuses,
//! and everything that was taken can be read at `GET /__sandbox/messages`.
//!
//! | channel | address |
//! |---|---|
//! | Slack | `POST /services/{workspace}/{app}/{token}`, an incoming webhook |
//! | heartbeat | `GET` or `POST /api/v1/heartbeat/{token}`, as Better Stack has them |
//!
//! A token that is `limited` is always over its limit, `broken` is a server that fails, and `gone`
//! is a webhook that somebody removed.

mod slack;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};

use super::{Clock, Sandbox};

/// Messages that are kept; then the oldest goes.
const KEPT_MAX: usize = 1_000;

/// Something that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which way it came: `slack`, `heartbeat`.
    pub channel: &'static str,
    /// To whom, as the channel names people; never a token.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When it came, by the sandboxes' clock, in Unix milliseconds.
    pub at_ms: u64,
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Notify(Arc<Inner>);

struct Inner {
    clock: Clock,
    messages: Mutex<VecDeque<Message>>,
    slack: Mutex<slack::Pace>,
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

impl Notify {
    /// A sandbox that has taken nothing.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let slack = Mutex::new(slack::Pace::default());
        Self(Arc::new(Inner { clock, messages: Mutex::default(), slack }))
    }

    /// What was taken, the oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.kept().iter().cloned().collect()
    }

    /// Keeps something that was taken.
    fn keep(&self, channel: &'static str, to: impl Into<String>, text: impl Into<String>) {
        let (to, text, at_ms) = (to.into(), text.into(), self.0.clock.now_ms());
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Message { channel, to, text, at_ms });
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn kept(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for Notify {
    fn router(&self) -> Router {
        Router::new()
            .route("/services/{workspace}/{app}/{token}", post(slack::posted))
            .route("/api/v1/heartbeat/{token}", any(beaten))
            .route("/__sandbox/messages", get(shown))
            .with_state(self.clone())
    }

    fn reset(&self) {
        self.kept().clear();
        *self.0.slack.lock().unwrap_or_else(PoisonError::into_inner) = slack::Pace::default();
    }
}

async fn shown(State(notify): State<Notify>) -> Response {
    let one = |message: Message| {
        json!({
            "channel": message.channel,
            "to": message.to,
            "text": message.text,
            "at_ms": message.at_ms,
        })
    };
    let all: Vec<Value> = notify.messages().into_iter().map(one).collect();
    ([(header::CONTENT_TYPE, "application/json")], Value::from(all).to_string()).into_response()
}

async fn beaten(State(notify): State<Notify>, Path(token): Path<String>) -> StatusCode {
    match token.as_str() {
        "gone" => StatusCode::NOT_FOUND,
        "broken" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => {
            notify.keep("heartbeat", "", "");
            StatusCode::OK
        }
    }
}
