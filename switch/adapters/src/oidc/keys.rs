//! The keys of the provider (JWKS), and the signature of a token by one of them. Keys are kept for
//! a while; one that is not known fetches them again, but not more often than a floor allows,
//! whatever came of it. Keys whose time is over are good for nobody.
//!
//! Keys come from the configured address only: what a token says of where its key is (`jku`,
//! `jwk`, `x5u`, `x5c`) is not looked at. Neither `none` nor a shared secret is a signature here.

use super::claims::Claim;
use crate::executor::{Chain, Executor, Request, Response, failed};
use crate::flight::{Flight, Known, Step};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use veksel_core::enquiry::{Failed, Failure};

/// How a token may be signed.
const ALLOWED: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// Most keys of a provider that are looked at.
const KEYS_MAX: usize = 64;

/// Longest token.
const TOKEN_MAX: usize = 32 * 1_024;

/// Why a token is not known to be the provider's.
#[derive(Debug)]
pub(super) enum Unverified {
    /// It is wrong, and its key has nothing to do with that.
    Claim(Claim),
    /// Its key is not to be had.
    Keys(Failure),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    life: Duration,
    floor: Duration,
    kept: Flight<Arc<Vec<Jwk>>, Failure>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn new(life: Duration, floor: Duration) -> Self {
        Self { life, floor, kept: Flight::default() }
    }

    /// The claims of a token that a key of the provider signed.
    pub(super) async fn verify(
        &self,
        executor: &Arc<Executor>,
        chain: &Chain,
        url: &str,
        token: &str,
    ) -> Result<Map<String, Value>, Unverified> {
        let wrong = |claim| Unverified::Claim(claim);
        if token.len() > TOKEN_MAX {
            return Err(wrong(Claim::Form));
        }
        // An algorithm that the library does not know is refused here, and so is `none`.
        let header = jsonwebtoken::decode_header(token).map_err(|_| wrong(Claim::Form))?;
        if !ALLOWED.contains(&header.alg) || header.crit.is_some() {
            return Err(wrong(Claim::Form));
        }
        let key = self.key(executor, chain, url, &header).await?;
        claims(token, header.alg, &key).map_err(wrong)
    }

    async fn key(
        &self,
        executor: &Arc<Executor>,
        chain: &Chain,
        url: &str,
        header: &Header,
    ) -> Result<Jwk, Unverified> {
        let judge = |known: &mut Known<Arc<Vec<Jwk>>, Failure>| {
            if let Some((keys, at)) = known.kept() {
                let limit = if find(keys, header).is_some() { self.life } else { self.floor };
                if at.elapsed() < limit {
                    return Step::Take(Arc::clone(keys));
                }
                if let Some(failure) = known.failed_within(self.floor) {
                    return Step::Refuse(failure.clone());
                }
            }
            Step::Fetch(fetch(Arc::clone(executor), chain.apart(), url.to_owned()))
        };
        let found = self.kept.get(chain.ends(), judge).await;
        let keys = found.map_err(|missed| Unverified::Keys(missed.failure("jwks")))?;
        let key = find(&keys, header).cloned();
        key.ok_or_else(|| Unverified::Keys(failed(Failed::NotFound, "kid")))
    }
}

async fn fetch(
    executor: Arc<Executor>,
    chain: Chain,
    url: String,
) -> Result<Arc<Vec<Jwk>>, Failure> {
    let request = Request::new("jwks", Method::GET, "{jwks_uri}", url)
        .header("accept", "application/json")?;
    let response = executor.call(&chain, request).await?;
    read(&response).map(Arc::new)
}

/// How many keys of an answer a token may be signed with.
pub(super) fn usable(response: &Response) -> Result<usize, Failure> {
    let may_sign = |key: &Jwk| {
        let fits = ALLOWED.iter().any(|algorithm| fits(key, *algorithm));
        fits && DecodingKey::from_jwk(key).is_ok()
    };
    Ok(read(response)?.iter().filter(|key| may_sign(key)).count())
}

fn read(response: &Response) -> Result<Vec<Jwk>, Failure> {
    if !response.is_success() {
        return Err(response.refused(Failed::Malfunction, "jwks"));
    }
    let document: Document = response.json()?;
    // One that cannot be read is one of another kind, and says nothing of the others.
    let keys = document.keys.into_iter().take(KEYS_MAX);
    Ok(keys.filter_map(|key| serde_json::from_value(key).ok()).collect())
}

/// The key that a header means: by its name, or the only one that fits if it names none.
fn find<'k>(keys: &'k [Jwk], header: &Header) -> Option<&'k Jwk> {
    let mut fitting = keys.iter().filter(|key| fits(key, header.alg));
    match &header.kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_ref() == Some(kid)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

/// Whether a key is one to verify this kind of signature with.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            curve.curve == EllipticCurve::P256
        }
        _ => false,
    };
    let is_to_sign = matches!(&key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = key.common.key_algorithm.map(|named| named.to_string());
    is_kind && is_to_sign && named.is_none_or(|named| named == format!("{algorithm:?}"))
}

/// Only the signature is the library's business: what the claims must be is checked by us.
fn claims(token: &str, algorithm: Algorithm, key: &Jwk) -> Result<Map<String, Value>, Claim> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).map_err(|_| Claim::Signature)?;
    let data = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    data.map(|data| data.claims).map_err(|_| Claim::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::audit::audit;
    use crate::executor::retry::REGISTERED;
    use crate::executor::tests::server::{Act, Server, json as answer};
    use crate::executor::tests::skip;
    use jsonwebtoken::Algorithm::{ES256, PS256, RS256};
    use serde_json::json;
    use tokio::time::timeout;
    use veksel_config::bridge::CallConfig;

    fn key(value: &Value) -> Jwk {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn header(alg: Algorithm, kid: Option<&str>) -> Header {
        Header { kid: kid.map(str::to_owned), ..Header::new(alg) }
    }

    #[test]
    fn a_key_is_found_by_its_name_and_only_for_its_own_use() {
        let rsa = json!({ "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "use": "sig" });
        let with = |name: &str, value: &str| {
            let mut changed = rsa.clone();
            changed[name] = value.into();
            changed
        };
        let curve =
            |name: &str| json!({ "kty": "EC", "kid": "e", "crv": name, "x": "AQAB", "y": "AQAB" });
        let octets = json!({ "kty": "oct", "kid": "a", "k": "AQAB" });
        for (keys, alg, kid, is_found) in [
            (vec![&rsa], RS256, Some("a"), true),
            (vec![&rsa], PS256, Some("a"), true),
            (vec![&rsa], ES256, Some("a"), false),
            (vec![&rsa], RS256, Some("b"), false),
            (vec![&rsa], RS256, None, true),
            (vec![&rsa, &with("kid", "b")], RS256, None, false),
            (vec![&rsa, &with("kid", "b")], RS256, Some("b"), true),
            (vec![&with("use", "enc")], RS256, Some("a"), false),
            (vec![&with("alg", "RS256")], RS256, Some("a"), true),
            (vec![&with("alg", "PS256")], RS256, Some("a"), false),
            (vec![&with("alg", "RSA-OAEP")], RS256, Some("a"), false),
            (vec![&octets], RS256, Some("a"), false),
            (vec![&curve("P-256")], ES256, Some("e"), true),
            (vec![&curve("P-384")], ES256, Some("e"), false),
            (vec![], RS256, None, false),
        ] {
            let keys: Vec<Jwk> = keys.into_iter().map(key).collect();
            let found = find(&keys, &header(alg, kid)).is_some();
            assert_eq!(found, is_found, "{alg:?} {kid:?} {keys:?}");
        }
    }

    #[tokio::test]
    async fn a_fetch_that_failed_is_not_repeated_at_once_and_known_keys_need_none() {
        let set = json!({ "keys": [
            { "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "use": "sig" }
        ]});
        let set = answer(200, &set.to_string());
        let server = Server::start(vec![set, answer(500, "{}"), Act::Nothing]).await;
        let call = CallConfig {
            retries: 0,
            breaker_failures: 0,
            allow_private: true,
            ..CallConfig::at(&server.url())
        };
        let executor = Arc::new(Executor::new("bankid", &call, REGISTERED, audit(64).0).unwrap());
        let floor = Duration::from_secs(30);
        let keys = Keys::new(Duration::from_secs(300), floor);
        let url = server.url();
        let get = async |kid: &str, within_ms: u64| {
            let chain = Chain::new(within_ms, "");
            let header = header(RS256, Some(kid));
            keys.key(&executor, &chain, &url, &header).await.map(drop).map_err(|no| match no {
                Unverified::Keys(failure) => failure.code,
                Unverified::Claim(claim) => panic!("{claim:?}"),
            })
        };
        let said = |code: &str| Err(code.to_owned());
        assert_eq!(get("a", 60_000).await, Ok(()));
        assert_eq!(get("b", 60_000).await, said("kid"));
        assert_eq!(server.requests().len(), 1, "not so soon");
        skip(floor).await;
        for _ in 0..5 {
            assert_eq!(get("b", 60_000).await, said("jwks"));
            assert_eq!(get("a", 60_000).await, Ok(()));
        }
        assert_eq!(server.requests().len(), 2, "it failed just now");
        skip(floor).await;
        // Nobody answers: whoever has a known key does not notice, and each waits for its own time.
        let (late, known) = tokio::join!(get("b", 300), timeout(floor, get("a", 600_000)));
        assert_eq!((late, known.unwrap()), (said("jwks"), Ok(())));
        assert_eq!(get("b", 100).await, said("jwks"));
        assert!(keys.kept.look(Known::is_under_way));
        while server.requests().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(get("b", 100).await, said("jwks"));
        assert_eq!(server.requests().len(), 3);
    }
}
