//! Events that Sumsub posts to us: whether they are from it, and what they say.
//!
//! The digest is over the bytes as they came, so it is checked before anything is read. What an
//! event says is believed only as far as it takes a right away; whoever is approved is asked for
//! again (http-contracts 2.1).

use super::reading::{status_of, text};
use crate::dates::instant;
use aws_lc_rs::{digest, hmac};
use core::fmt;
use serde_json::Value;
use veksel_core::enquiry::{Event, Review, Secret};
use veksel_core::fact::KycStatus;
use veksel_core::time::Utc;

/// What a webhook is verified with.
#[derive(Clone)]
pub struct WebhookKeys {
    /// One secret, or two while they are changed.
    secrets: Vec<Secret>,
    allow_sha1: bool,
    risk_labels: Vec<String>,
}

/// A webhook as it came.
#[derive(Clone, Copy)]
pub struct Webhook<'a> {
    /// `X-Payload-Digest`.
    pub digest: Option<&'a str>,
    /// `X-Payload-Digest-Alg`; the provider leaves it out for SHA-256.
    pub algorithm: Option<&'a str>,
    /// The body, byte by byte.
    pub body: &'a [u8],
}

/// Why a webhook is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no digest.
    #[error("the header X-Payload-Digest is missing")]
    NoDigest,
    /// The digest is made in a way we do not know.
    #[error("X-Payload-Digest-Alg names no algorithm that is known")]
    Algorithm,
    /// The digest is made with SHA-1, which is not allowed.
    #[error("the digest is made with SHA-1, which kyc.allow_sha1 does not allow")]
    Sha1,
    /// The digest is of another body, or made with another secret.
    #[error("the digest does not fit the body and any of the secrets")]
    Digest,
    /// The digest is right and the body says nothing we can use.
    #[error("the body is genuine but {0}")]
    Body(&'static str),
}

impl WebhookError {
    /// Whether it is not known to be from the provider: 401, and an alarm. Otherwise 400.
    #[must_use]
    pub const fn is_forgery(self) -> bool {
        match self {
            Self::NoDigest | Self::Algorithm | Self::Sha1 | Self::Digest => true,
            Self::Body(_) => false,
        }
    }
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets, allow_sha1, risk_labels } = self;
        f.debug_struct("WebhookKeys")
            .field("secrets", &secrets.len())
            .field("allow_sha1", allow_sha1)
            .field("risk_labels", risk_labels)
            .finish()
    }
}

impl fmt::Debug for Webhook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest: _, algorithm, body } = self;
        f.debug_struct("Webhook")
            .field("algorithm", algorithm)
            .field("bytes", &body.len())
            .finish_non_exhaustive()
    }
}

impl WebhookKeys {
    /// Secrets, whether SHA-1 is taken, and the labels of a refusal that mean a risk. An empty
    /// secret is none; without a secret nothing is taken.
    #[must_use]
    pub fn new(secrets: Vec<Secret>, allow_sha1: bool, risk_labels: Vec<String>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.expose().is_empty()).collect();
        Self { secrets, allow_sha1, risk_labels }
    }

    /// Checks a webhook and reads it.
    ///
    /// # Errors
    ///
    /// Why it is not taken; nothing it says may have an effect then.
    pub fn event(&self, webhook: Webhook<'_>) -> Result<Event, WebhookError> {
        self.verify(webhook)?;
        let parsed: Value = serde_json::from_slice(webhook.body)
            .map_err(|_| WebhookError::Body("it is not JSON"))?;
        let hash = digest::digest(&digest::SHA256, webhook.body);
        let digest = hash.as_ref().try_into().map_err(|_| WebhookError::Digest)?;
        self.read(&parsed, digest)
    }

    fn verify(&self, webhook: Webhook<'_>) -> Result<(), WebhookError> {
        let claimed = webhook.digest.ok_or(WebhookError::NoDigest)?;
        let algorithm = match webhook.algorithm {
            None | Some("HMAC_SHA256_HEX") => hmac::HMAC_SHA256,
            Some("HMAC_SHA512_HEX") => hmac::HMAC_SHA512,
            Some("HMAC_SHA1_HEX") if self.allow_sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Some("HMAC_SHA1_HEX") => return Err(WebhookError::Sha1),
            Some(_) => return Err(WebhookError::Algorithm),
        };
        let claimed = crate::random::from_hex(claimed).ok_or(WebhookError::Digest)?;
        // Every secret is tried, so that the time does not tell which one is nearly right; the
        // comparison itself takes the same time for every digest of one length.
        let fits = self.secrets.iter().fold(false, |fits, secret| {
            let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
            hmac::verify(&key, webhook.body, &claimed).is_ok() | fits
        });
        if fits { Ok(()) } else { Err(WebhookError::Digest) }
    }

    fn read(&self, event: &Value, digest: [u8; 32]) -> Result<Event, WebhookError> {
        let kind = text(event, "type");
        let customer = text(event, "externalUserId");
        let applicant = text(event, "applicantId");
        if kind.is_empty() {
            return Err(WebhookError::Body("has no type"));
        }
        if customer.is_empty() && applicant.is_empty() {
            return Err(WebhookError::Body("names neither applicantId nor externalUserId"));
        }
        if [kind, customer, applicant].iter().any(|text| text.len() > NAME_MAX) {
            return Err(WebhookError::Body("has a type or an id longer than 256 bytes"));
        }
        let at = time(event).ok_or(WebhookError::Body("has no createdAtMs that is a time"))?;
        let status = self.status(kind, event);
        let review = Review {
            applicant: applicant.to_owned(),
            customer: customer.to_owned(),
            status,
            level: text(event, "levelName").chars().take(NAME_MAX).collect(),
            reviewed: status.filter(|status| is_decided(*status)).map(|_| at),
            document_until: None,
            born: None,
        };
        Ok(Event { kind: kind.to_owned(), review, at, digest })
    }

    /// What follows from an event; `None` for nothing.
    fn status(&self, kind: &str, event: &Value) -> Option<KycStatus> {
        let review = text(event, "reviewStatus");
        let said = |otherwise| {
            let review = if review.is_empty() { otherwise } else { review };
            status_of(review, &event["reviewResult"], &self.risk_labels)
        };
        match kind {
            "applicantCreated" => said("init"),
            "applicantPending" | "applicantPrechecked" => said("pending"),
            "applicantOnHold" => Some(KycStatus::OnHold),
            "applicantReviewed" | "applicantWorkflowCompleted" => said("completed"),
            // A new level begins anew, whatever the old one was worth.
            "applicantLevelChanged" => Some(match said("init") {
                Some(KycStatus::Approved) | None => KycStatus::Pending,
                Some(other) => other,
            }),
            // These take an approval away, which the result that is still there must not prevent.
            "applicantReset" => Some(KycStatus::Pending),
            "applicantDeactivated" => Some(KycStatus::None),
            // Personal data changed, or a type of which we know nothing: noted, and no more.
            _ => None,
        }
    }
}

const fn is_decided(status: KycStatus) -> bool {
    match status {
        KycStatus::None | KycStatus::Pending | KycStatus::OnHold => false,
        KycStatus::Resubmit | KycStatus::Approved | KycStatus::Rejected | KycStatus::Risk => true,
    }
}

/// `createdAtMs`, which is a text despite its name; `createdAt` of those who leave it out.
fn time(event: &Value) -> Option<Utc> {
    let ms = &event["createdAtMs"];
    ms.as_u64()
        .map(Utc)
        .or_else(|| instant(ms.as_str()?))
        .or_else(|| instant(text(event, "createdAt")))
}

/// Longest name that is taken in, in bytes.
const NAME_MAX: usize = 256;

#[cfg(test)]
mod tests;
