//! Events that Didit posts to us: whether they are from it, and what they say.
//!
//! There are three signatures, all HMAC-SHA-256 by one secret: `X-Signature` over the bytes,
//! `X-Signature-V2` over the body with its keys sorted, which survives being written anew on the
//! way, and `X-Signature-Simple` over four values only. The last is taken only if that is allowed
//! and neither of the others is there, and then nothing but those four values is believed.
//! Whatever is older or newer than five minutes is refused.

use super::reading::{is_decided, status_of};
use crate::dates::instant;
use crate::sumsub::text;
use aws_lc_rs::{digest, hmac};
use core::fmt;
use serde_json::{Map, Value};
use veksel_core::enquiry::{Event, Review, Secret};
use veksel_core::time::Utc;

/// How far the time of an event may be from ours, in seconds.
const FRESH_S: u64 = 300;

/// Longest name that is taken in, in bytes.
const NAME_MAX: usize = 256;

/// What a webhook is verified with.
#[derive(Clone)]
pub struct WebhookKeys {
    secrets: Vec<Secret>,
    allow_simple: bool,
    risk_labels: Vec<String>,
}

/// A webhook as it came.
#[derive(Clone, Copy)]
pub struct Webhook<'a> {
    /// `X-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `X-Signature`.
    pub raw: Option<&'a str>,
    /// `X-Signature-V2`.
    pub sorted: Option<&'a str>,
    /// `X-Signature-Simple`.
    pub simple: Option<&'a str>,
    /// The body, byte by byte.
    pub body: &'a [u8],
}

/// Why a webhook is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no signature that is taken.
    #[error("there is no X-Signature-V2 and no X-Signature")]
    NoSignature,
    /// It was signed too long ago, or in the future, or nobody says when.
    #[error("X-Timestamp is missing, or more than five minutes away")]
    Stale,
    /// The signature is of another body, or made with another secret.
    #[error("the signature does not fit the body and any of the secrets")]
    Signature,
    /// The signature is right and the body says nothing we can use.
    #[error("the body is genuine but {0}")]
    Body(&'static str),
}

impl WebhookError {
    /// Whether it is not known to be from the provider: 401, and an alarm. Otherwise 400.
    #[must_use]
    pub const fn is_forgery(self) -> bool {
        match self {
            Self::NoSignature | Self::Stale | Self::Signature => true,
            Self::Body(_) => false,
        }
    }
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets, allow_simple, risk_labels } = self;
        f.debug_struct("WebhookKeys")
            .field("secrets", &secrets.len())
            .field("allow_simple", allow_simple)
            .field("risk_labels", risk_labels)
            .finish()
    }
}

impl fmt::Debug for Webhook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl WebhookKeys {
    /// Secrets, whether the simple signature is taken, and the warnings that mean a risk. An empty
    /// secret is none; without a secret nothing is taken.
    #[must_use]
    pub fn new(secrets: Vec<Secret>, allow_simple: bool, risk_labels: Vec<String>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.expose().is_empty()).collect();
        Self { secrets, allow_simple, risk_labels }
    }

    /// Checks a webhook that came at this second since 1970, and reads it.
    ///
    /// # Errors
    ///
    /// Why it is not taken; nothing it says may have an effect then.
    pub fn event(&self, webhook: Webhook<'_>, now_s: u64) -> Result<Event, WebhookError> {
        let sent = webhook.timestamp.and_then(|text| text.trim().parse().ok());
        let is_fresh = |at: Option<u64>| at.is_some_and(|at| at.abs_diff(now_s) <= FRESH_S);
        if !is_fresh(sent) {
            return Err(WebhookError::Stale);
        }
        let parsed = serde_json::from_slice::<Value>(webhook.body).ok();
        let is_simple = self.verify(webhook, parsed.as_ref())?;
        let Some(Value::Object(body)) = parsed else {
            return Err(WebhookError::Body("it is no object of JSON"));
        };
        // The header is not signed; what is in the body is.
        if !is_fresh(body.get("timestamp").and_then(Value::as_u64)) {
            return Err(WebhookError::Stale);
        }
        self.read(body, is_simple)
    }

    /// Whether only the simple signature says that it is genuine.
    fn verify(&self, webhook: Webhook<'_>, parsed: Option<&Value>) -> Result<bool, WebhookError> {
        let fits = |text: &[u8], claimed: Option<&str>| {
            let claimed = claimed.and_then(crate::random::from_hex).unwrap_or_default();
            // Every secret is tried, so that the time does not tell which one is nearly right.
            self.secrets.iter().fold(false, |fits, secret| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
                hmac::verify(&key, text, &claimed).is_ok() | fits
            })
        };
        if webhook.raw.is_some() && fits(webhook.body, webhook.raw) {
            return Ok(false);
        }
        if let (Some(_), Some(parsed)) = (webhook.sorted, parsed)
            && fits(canonical(parsed).as_bytes(), webhook.sorted)
        {
            return Ok(false);
        }
        if webhook.raw.is_some() || webhook.sorted.is_some() {
            return Err(WebhookError::Signature);
        }
        match (webhook.simple, parsed) {
            (Some(_), Some(parsed)) if self.allow_simple => {
                let stamp = parsed.get("timestamp").map(canonical).unwrap_or_default();
                let part = |name| text(parsed, name);
                let four = [&stamp, part("session_id"), part("status"), part("webhook_type")];
                match fits(four.join(":").as_bytes(), webhook.simple) {
                    true => Ok(true),
                    false => Err(WebhookError::Signature),
                }
            }
            _ => Err(WebhookError::NoSignature),
        }
    }

    fn read(&self, body: Map<String, Value>, is_simple: bool) -> Result<Event, WebhookError> {
        let stamp = body.get("timestamp").and_then(Value::as_u64).unwrap_or(0);
        let body = Value::Object(body);
        let kind = text(&body, "webhook_type");
        let session = text(&body, "session_id");
        // Not under the simple signature: anybody on the way could have written another.
        let covered = |value| if is_simple { "" } else { value };
        let customer = covered(text(&body, "vendor_data"));
        if kind.is_empty() {
            return Err(WebhookError::Body("has no webhook_type"));
        }
        if session.is_empty() {
            return Err(WebhookError::Body("names no session_id"));
        }
        if [kind, session, customer].iter().any(|text| text.len() > NAME_MAX) {
            return Err(WebhookError::Body("has a type or an id longer than 256 bytes"));
        }
        let decision = body.get("decision").filter(|_| !is_simple).unwrap_or(&Value::Null);
        let status = match kind {
            "status.updated" => status_of(text(&body, "status"), decision, &self.risk_labels),
            // What was read from a document was corrected, or a type we know nothing of: noted.
            _ => None,
        };
        let made = body.get("created_at").filter(|_| !is_simple);
        let made = made.and_then(|made| {
            made.as_u64().map(|s| Utc(s.saturating_mul(1_000))).or_else(|| instant(made.as_str()?))
        });
        let at = made.unwrap_or(Utc(stamp.saturating_mul(1_000)));
        let workflow: String = covered(text(&body, "workflow_id")).chars().take(NAME_MAX).collect();
        let review = Review {
            applicant: session.to_owned(),
            customer: customer.to_owned(),
            status,
            level: workflow,
            reviewed: Some(at).filter(|_| is_decided(status)),
            document_until: None,
            born: None,
        };
        Ok(Event { kind: kind.to_owned(), review, at, digest: same(&body)? })
    }
}

/// A digest that is the same when an event is sent again, with another time and other signatures.
fn same(body: &Value) -> Result<[u8; 32], WebhookError> {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("timestamp");
    }
    let hash = digest::digest(&digest::SHA256, canonical(&body).as_bytes());
    hash.as_ref().try_into().map_err(|_| WebhookError::Body("has no digest"))
}

/// JSON with sorted keys and without spaces, and whole numbers without a fraction, as it is signed.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        Value::String(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let member = |name: &&String| {
                let value = members.get(*name).map(canonical).unwrap_or_default();
                format!("{}:{value}", Value::String((*name).clone()))
            };
            format!("{{{}}}", names.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests;
