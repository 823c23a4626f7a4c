//! Webhooks of the provider of identity checks. The digest is over the bytes as they came, so they
//! are taken as they came; what they say is durable before it is answered with 200.

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::door::{Desk, answered, only};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use std::time::Duration;
use veksel_core::enquiry::{Call, Event, Told};

/// How long it may take to make an event durable. The provider repeats what is not answered.
const WEBHOOK_TIME: Duration = Duration::from_secs(5);

/// Why a webhook is not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwelcome {
    /// It has no digest, one of an algorithm that is not allowed, or one that is not that of its
    /// body under any of our secrets.
    Forged,
    /// Its digest is right, and it says nothing we can read.
    Unreadable,
}

/// Knows the webhooks of a provider.
pub trait Webhooks: Send + Sync {
    /// Where they are posted.
    fn paths(&self) -> &'static [&'static str];

    /// Verifies the digests or signatures in the headers over the raw body, and reads what it says.
    ///
    /// # Errors
    /// It is not from the provider, or cannot be read.
    fn verify(&self, signed: &Signed<'_>, body: &[u8]) -> Result<Event, Unwelcome>;
}

/// The headers of a webhook.
#[derive(Clone, Copy)]
pub struct Signed<'a>(&'a HeaderMap);

impl<'a> Signed<'a> {
    /// A header that is there once, by its name in lower case. Two of it are as good as none.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        only(self.0, name)
    }
}

pub(crate) async fn received(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(take(&desk, &trace, &headers, &body).await, &trace)
}

async fn take(desk: &Desk, trace: &Trace, headers: &HeaderMap, body: &Bytes) -> Answer {
    let Some(webhooks) = &desk.webhooks else { return Err(Refusal::not_found("this path")) };
    let event = webhooks.verify(&Signed(headers), body).map_err(|unwelcome| match unwelcome {
        Unwelcome::Forged => {
            // Anybody can send one, so it is counted, and has a rule of its own.
            tracing::warn!(trace = trace.0, "a webhook with a wrong digest");
            let message = "the digest is not that of the body";
            Refusal::new(StatusCode::UNAUTHORIZED, "invalid_digest", message)
        }
        Unwelcome::Unreadable => {
            tracing::warn!(trace = trace.0, "a webhook that cannot be read");
            Refusal::bad("the body cannot be read")
        }
    })?;
    match desk.engine.call(Call::Event(event), WEBHOOK_TIME).await {
        // An event about nobody we know is theirs to send and not ours to keep.
        Told::Noted | Told::Unknown => {
            Ok(json_response(StatusCode::OK, &json!({ "status": "ok" })))
        }
        other => {
            let unknown = Refusal::not_found("this applicant");
            Err(Refusal::instead(other, unknown, "it cannot be taken in now"))
        }
    }
}
