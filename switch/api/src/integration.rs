//! The integration API: what channels ask in messages of ISO 8583, asked in JSON.
//!
//! A handler says whose request it is, makes the message it stands for, waits for the answer and
//! translates it back. So a request over HTTP is timed out, recorded, deduplicated and reversed
//! exactly as one over TCP. Nothing is kept here but what went out to customers under which key,
//! and no lock is held while anything is awaited.
//!
//! | module | what |
//! |---|---|
//! | `caller` | whose request it is, and what it may ask for |
//! | `admitted` | a caller that was let in, with its request |
//! | `text` | values that callers send, checked where they are read |
//! | `message` | requests as messages, and what stands in their answers |
//! | `outcome` | what DE39 is over HTTP: one table |
//! | `account`, `search` | inquiries |
//! | `payment` | payments, and how they ended |
//! | `provider` | billers and messengers |
//! | `handed` | messages that go out once for each key |

pub(crate) mod account;
pub(crate) mod admitted;
pub(crate) mod caller;
mod handed;
pub(crate) mod message;
pub(crate) mod outcome;
pub(crate) mod payment;
pub(crate) mod provider;
pub(crate) mod search;
pub(crate) mod text;
mod token;

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::exchange::{CallerId, Exchange, Replied, Spoken};
use axum::http::{HeaderMap, StatusCode};
use caller::Acting;
pub use caller::Caller;
pub use handed::Handed;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
pub use token::{TokenError, Tokens};
use veksel_adapters::providers::Provides;

/// What the integration API works with.
pub struct Integration {
    /// The engine, in messages.
    pub exchange: Exchange,
    /// Who may call, in the order of their ids.
    pub callers: Vec<Arc<Caller>>,
    /// Verifies tokens, if any are taken.
    pub tokens: Option<Tokens>,
    /// Billers and messengers.
    pub providers: Arc<dyn Provides>,
    /// What was handed over to messengers.
    pub handed: Arc<Handed>,
    /// How long callers wait for an answer.
    pub answer: Duration,
}

impl Integration {
    /// Sends a message in and gives its answer if the switch gave one.
    async fn ask(&self, caller: CallerId, message: Spoken) -> Result<Spoken, Refusal> {
        match self.exchange.exchange(caller, message, None, self.answer).await {
            Replied::Answered(answer) => Ok(answer),
            Replied::Malformed(number, why) => {
                Err(Refusal::bad(format!("field {number} of its message: {why}")))
            }
            Replied::Busy => Err(Refusal::busy()),
            Replied::Late => Err(outcome::late()),
        }
    }

    /// Whose request it is, if it may ask for this.
    fn admit(&self, headers: &HeaderMap, permission: &str) -> Result<Acting, Refusal> {
        caller::admit(&self.callers, self.tokens.as_ref(), headers, permission)
    }
}

/// What a handler gives back, as JSON.
pub(crate) fn shown<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_value(value) {
        Ok(value) => Ok(json_response(status, &value)),
        // None of these types has a map with keys that are no texts.
        Err(_) => Err(Refusal::defect()),
    }
}

/// The trace id as DE59 may carry it.
pub(crate) fn traced(trace: &Trace) -> Option<&str> {
    Some(trace.0.as_str()).filter(|text| (1..=255).contains(&text.len()) && text.is_ascii())
}
