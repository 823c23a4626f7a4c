//! External authorisation as it is configured: a card platform asks us over HTTP whether a hold or
//! a transaction may be, signed with keys that it publishes.

use crate::bridge::{CallConfig, SecretSource};
use crate::cidr::Cidr;
use std::path::PathBuf;

/// Who the platform is, how it proves that, and how it is answered. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtAuthConfig {
    /// The `[[caller]]` as which it asks, by its place.
    pub caller: u16,
    /// Where its keys are published (JWKS).
    pub keys: CallConfig,
    /// How old a set of keys may be before it is fetched anew.
    pub keys_ttl_ms: u64,
    /// The least time between two fetches because of a key that is not in the set.
    pub keys_refresh_ms: u64,
    /// How long the last set is good while it cannot be fetched.
    pub keys_keep_ms: u64,
    /// The shortest key that is believed, in bits.
    pub rsa_bits_min: u32,
    /// Names of the headers.
    pub headers: ProofHeaders,
    /// What is signed.
    pub base: SignatureBase,
    /// How far the time of a request may be from ours; 0 does not look at it.
    pub skew_ms_max: u64,
    /// From where requests may come; empty is from nowhere.
    pub allow: Vec<Cidr>,
    /// What the amount of a changed hold is.
    pub change: HoldChange,
    /// What a refusal is called for which the platform has no code.
    pub other_refusal_code: String,
    /// How long a request may take, from its head to the answer.
    pub budget_ms: u64,
    /// Requests that are remembered in memory, beside the journal.
    pub remembered_max: u32,
    /// Which account and card an id of the platform means; `None` takes ids as they are.
    pub directory: Option<PathBuf>,
    /// The lasting token that its notifications may bring; `None` if there is none.
    pub notify_token: Option<SecretSource>,
    /// As whom it fetches tokens for its notifications; `None` if none are given out.
    pub notify_client: Option<NotifyClientConfig>,
}

/// A client of OAuth 2 that fetches tokens with a secret (RFC 6749 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyClientConfig {
    /// Its id.
    pub id: String,
    /// Its secret; what tokens are made with follows from it.
    pub secret: SecretSource,
    /// How long a token is good, in milliseconds.
    pub token_ms: u64,
}

/// Names of headers, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofHeaders {
    /// The signature, in base64.
    pub signature: String,
    /// Which key made it.
    pub key: String,
    /// The same for each attempt of one request.
    pub idempotency: String,
    /// Milliseconds since 1970.
    pub timestamp: String,
}

/// What is signed, its parts joined by dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureBase {
    /// The body.
    Body,
    /// The idempotency key and the body.
    BodyKey,
    /// The time and the body.
    BodyTime,
    /// The idempotency key, the time and the body.
    BodyKeyTime,
}

impl SignatureBase {
    /// Whether the idempotency key is signed.
    #[must_use]
    pub const fn has_key(self) -> bool {
        matches!(self, Self::BodyKey | Self::BodyKeyTime)
    }

    /// Whether the time is signed.
    #[must_use]
    pub const fn has_time(self) -> bool {
        matches!(self, Self::BodyTime | Self::BodyKeyTime)
    }

    /// What is signed, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Body => "the body",
            Self::BodyKey => "the idempotency key, a dot and the body",
            Self::BodyTime => "the time, a dot and the body",
            Self::BodyKeyTime => "the idempotency key, the time and the body, joined by dots",
        }
    }
}

/// What the amount of a changed hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldChange {
    /// The hold's from now on.
    Total,
    /// What is added to the hold; of the other sign, what is taken off.
    Delta,
}
