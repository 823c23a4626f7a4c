//! Whether a request is the platform's: from where it comes, whose signature it bears over the
//! bytes that came, and how old it is.
//!
//! Nothing is written anew before it is verified: what JSON means is not what was signed.

use super::External;
use super::keys::KeyCache;
use crate::answer::Refusal;
use crate::door::only;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;
use veksel_config::SignatureBase;

/// Longest idempotency key, and longest name of a key.
const NAME_MAX: usize = 1_024;

/// A request of the platform.
#[derive(Debug)]
pub(super) struct Proven {
    /// The key that signed it.
    pub(super) kid: String,
    /// The same for each attempt of one request; empty if it brings none and need not.
    pub(super) idempotency: String,
}

/// Why a request is not believed, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// It comes from an address that is not allowed.
    Address,
    /// A header is missing, there twice, or of no form that it can have.
    Header,
    /// The key is not in the set.
    Key,
    /// The signature is not the key's over these bytes.
    Signature,
    /// It is too old, or of a time to come.
    Time,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Address, Self::Header, Self::Key, Self::Signature, Self::Time];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Header => "header",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Time => "time",
        }
    }

    /// What the caller hears: enough to mend a mistake, and nothing of what would have been right.
    fn refusal(self) -> Refusal {
        let (status, code, message) = match self {
            Self::Address => {
                (StatusCode::FORBIDDEN, "forbidden", "requests from this address are not taken")
            }
            Self::Header => {
                (StatusCode::UNAUTHORIZED, "unsigned", "a header of the signature is missing")
            }
            Self::Key => (StatusCode::UNAUTHORIZED, "unknown_key", "the key is not published"),
            Self::Signature => {
                (StatusCode::UNAUTHORIZED, "invalid_signature", "the signature is not of this body")
            }
            Self::Time => {
                (StatusCode::UNAUTHORIZED, "stale", "the time of the request is too far from ours")
            }
        };
        Refusal::new(status, code, message)
    }
}

/// Lets a request of the platform in, or says why not.
pub(super) async fn prove(
    external: &External,
    keys: &Arc<KeyCache>,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    body: &Bytes,
    until: Instant,
) -> Result<Proven, Refusal> {
    let proven = judge(external, keys, peer, headers, body, until).await;
    proven.map_err(|doubt| {
        external.watcher.doubted(doubt);
        // Somebody tries, or a key or a clock is wrong: a person wants to know.
        tracing::warn!(why = doubt.word(), "a request is not the platform's");
        doubt.refusal()
    })
}

/// Lets in what comes from where the platform may be, whatever proves it then.
pub(super) fn admit(external: &External, peer: Option<IpAddr>) -> Result<(), Refusal> {
    if may_come_from(external, peer) {
        return Ok(());
    }
    external.watcher.doubted(Doubt::Address);
    tracing::warn!(why = Doubt::Address.word(), "an event is not the platform's");
    Err(Doubt::Address.refusal())
}

fn may_come_from(external: &External, peer: Option<IpAddr>) -> bool {
    let is_allowed = |peer: IpAddr| external.config.allow.iter().any(|own| own.holds(peer));
    peer.is_some_and(is_allowed)
}

async fn judge(
    external: &External,
    keys: &Arc<KeyCache>,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    body: &Bytes,
    until: Instant,
) -> Result<Proven, Doubt> {
    let config = &external.config;
    if !may_come_from(external, peer) {
        return Err(Doubt::Address);
    }
    let names = &config.headers;
    let text = |name: &str| {
        let text = only(headers, name)?;
        let fits = (1..=NAME_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
    };
    let kid = text(&names.key).ok_or(Doubt::Header)?;
    let signature = text(&names.signature).ok_or(Doubt::Header)?;
    let signature = STANDARD.decode(signature).map_err(|_| Doubt::Header)?;
    let is_there = |name: &str| headers.contains_key(name);
    let idempotency = text(&names.idempotency);
    if idempotency.is_none() && (config.base.has_key() || is_there(&names.idempotency)) {
        return Err(Doubt::Header);
    }
    let idempotency = idempotency.unwrap_or_default();
    let timestamp = text(&names.timestamp);
    let is_timed = config.base.has_time() || config.skew_ms_max > 0;
    if timestamp.is_none() && (is_timed || is_there(&names.timestamp)) {
        return Err(Doubt::Header);
    }
    let timestamp = timestamp.unwrap_or_default();
    let key = keys.find(kid, until).await.ok_or(Doubt::Key)?;
    let signed = signed(config.base, idempotency, timestamp, body);
    if !key.has_signed(&signed, &signature) {
        return Err(Doubt::Signature);
    }
    if config.skew_ms_max > 0 {
        let theirs: i64 = timestamp.parse().map_err(|_| Doubt::Header)?;
        let skew = now_ms().saturating_sub(theirs);
        external.watcher.skewed(skew);
        if skew.unsigned_abs() > config.skew_ms_max {
            return Err(Doubt::Time);
        }
    }
    Ok(Proven { kid: kid.to_owned(), idempotency: idempotency.to_owned() })
}

/// What a signature is over.
fn signed(base: SignatureBase, key: &str, time: &str, body: &[u8]) -> Vec<u8> {
    let parts: &[&str] = match base {
        SignatureBase::Body => &[],
        SignatureBase::BodyKey => &[key],
        SignatureBase::BodyTime => &[time],
        SignatureBase::BodyKeyTime => &[key, time],
    };
    let mut signed = Vec::with_capacity(body.len() + 64);
    for part in parts {
        signed.extend_from_slice(part.as_bytes());
        signed.push(b'.');
    }
    signed.extend_from_slice(body);
    signed
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_joined_by_dots() {
        for (base, expected) in [
            (SignatureBase::Body, "{}"),
            (SignatureBase::BodyKey, "k.{}"),
            (SignatureBase::BodyTime, "17.{}"),
            (SignatureBase::BodyKeyTime, "k.17.{}"),
        ] {
            assert_eq!(signed(base, "k", "17", b"{}"), expected.as_bytes(), "{base:?}");
        }
    }
}
