//! Tokens (JWT) of an issuer that is believed: who the caller is (`sub`) and what it may ask for
//! (`scope`, or `permissions`).
//!
//! The keys are public ones, a set of them as JSON (JWKS). The algorithm is that of the key and
//! never the token's choice. A key with an id verifies only tokens that name it (`kid`); one
//! without is tried for any.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// How far the clocks of the issuer and ours may be apart, in seconds.
const LEEWAY: u64 = 30;

/// Longest token that is looked at.
const TOKEN_MAX: usize = 8_192;

/// Verifies tokens.
pub struct Tokens {
    keys: Vec<Known>,
    issuer: String,
    audience: String,
}

struct Known {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why keys cannot be used. Says nothing of what stands in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// It is no set of keys as JSON.
    Unreadable,
    /// It has a key of a kind that is not used: a secret one, or one of another curve.
    Kind,
    /// There are no keys.
    Empty,
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "this is no set of keys as JSON (JWKS)",
            Self::Kind => "a key is not of RSA, P-256, P-384 or Ed25519",
            Self::Empty => "there are no keys",
        })
    }
}

impl std::error::Error for TokenError {}

/// What a token that was verified says.
pub(super) struct Claimed {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    permissions: Vec<String>,
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

impl Tokens {
    /// Takes tokens that `issuer` made for `audience` with one of these keys.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn new(keys: &str, issuer: &str, audience: &str) -> Result<Self, TokenError> {
        // Whoever made the process may have chosen one already, and it is the same.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let keys = of_set(keys)?;
        if keys.is_empty() {
            return Err(TokenError::Empty);
        }
        Ok(Self { keys, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// What a token says; `None` if it is not believed.
    pub(super) fn verify(&self, token: &str) -> Option<Claimed> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let header = decode_header(token).ok()?;
        let fits = |known: &&Known| {
            let is_named = known.id.is_none() || header.kid == known.id;
            is_named && known.algorithms.contains(&header.alg)
        };
        self.keys.iter().filter(fits).find_map(|known| {
            let mut wanted = Validation::new(header.alg);
            wanted.algorithms = vec![header.alg];
            wanted.leeway = LEEWAY;
            wanted.validate_nbf = true;
            wanted.set_issuer(&[&self.issuer]);
            wanted.set_audience(&[&self.audience]);
            wanted.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            let claims = decode::<Claims>(token, &known.key, &wanted).ok()?.claims;
            let scopes = claims.scope.split_whitespace().map(str::to_owned);
            let scopes = scopes.chain(claims.permissions).collect();
            Some(Claimed { name: claims.sub, scopes })
        })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, issuer, audience } = self;
        write!(f, "Tokens({} keys of {issuer} for {audience})", keys.len())
    }
}

fn of_set(text: &str) -> Result<Vec<Known>, TokenError> {
    let set: JwkSet = serde_json::from_str(text).map_err(|_| TokenError::Unreadable)?;
    let known = |jwk: &jsonwebtoken::jwk::Jwk| {
        let algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA.to_vec(),
            AlgorithmParameters::EllipticCurve(own) => match own.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return Err(TokenError::Kind),
            },
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            _ => return Err(TokenError::Kind),
        };
        let key = DecodingKey::from_jwk(jwk).map_err(|_| TokenError::Unreadable)?;
        Ok(Known { id: jwk.common.key_id.clone(), algorithms, key })
    };
    set.keys.iter().map(known).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};
    use std::time::{SystemTime, UNIX_EPOCH};

    pub(in crate::integration) struct Issuer {
        key: EncodingKey,
        pub(in crate::integration) jwks: String,
    }

    impl Issuer {
        pub(in crate::integration) fn new() -> Self {
            let pair = Ed25519KeyPair::generate().unwrap();
            let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "use": "sig" });
            let key = EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref());
            Self { key, jwks: json!({ "keys": [jwk] }).to_string() }
        }

        pub(in crate::integration) fn token(&self, kid: &str, claims: &Value) -> String {
            self.signed(Some(kid), claims)
        }

        fn signed(&self, kid: Option<&str>, claims: &Value) -> String {
            let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
            encode(&header, claims, &self.key).unwrap()
        }
    }

    pub(in crate::integration) fn claims() -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        json!({
            "iss": "https://issuer.example", "aud": "veksel", "sub": "app",
            "exp": now + 600, "nbf": now - 600, "scope": "account_balance mini_statement",
        })
    }

    #[test]
    fn a_token_is_believed_if_all_of_it_is_right() {
        let (issuer, other) = (Issuer::new(), Issuer::new());
        let tokens = Tokens::new(&issuer.jwks, "https://issuer.example", "veksel").unwrap();
        let claimed = tokens.verify(&issuer.token("k1", &claims())).unwrap();
        assert_eq!(claimed.name, "app");
        assert_eq!(claimed.scopes, ["account_balance", "mini_statement"]);
        let with = |key: &str, value: Value| {
            let mut claims = claims();
            claims[key] = value;
            claims
        };
        for (name, wrong) in [
            ("issuer", with("iss", "https://other.example".into())),
            ("audience", with("aud", "other".into())),
            ("time", with("exp", 1_000.into())),
            ("too early", with("nbf", 99_999_999_999_u64.into())),
            ("subject", with("sub", Value::Null)),
        ] {
            assert!(tokens.verify(&issuer.token("k1", &wrong)).is_none(), "{name}");
        }
        let good = issuer.token("k1", &claims());
        let (start, signature) = good.rsplit_once('.').unwrap();
        let unsigned = "eyJhbGciOiJub25lIn0";
        let payload = start.split_once('.').unwrap().1;
        for wrong in [
            other.token("k1", &claims()),
            issuer.token("k2", &claims()),
            issuer.token("", &claims()),
            issuer.signed(None, &claims()),
            format!("{start}."),
            format!("{start}x.{signature}"),
            format!("{unsigned}.{payload}."),
            String::new(),
            "a.b.c".to_owned(),
            "x".repeat(TOKEN_MAX + 1),
        ] {
            assert!(tokens.verify(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_key_without_an_id_is_tried_for_any_token() {
        let issuer = Issuer::new();
        let jwks = issuer.jwks.replace(r#""kid":"k1","#, "");
        assert_ne!(jwks, issuer.jwks);
        let tokens = Tokens::new(&jwks, "https://issuer.example", "veksel").unwrap();
        for kid in [None, Some("k1"), Some("k2")] {
            assert!(tokens.verify(&issuer.signed(kid, &claims())).is_some(), "{kid:?}");
        }
        let other = Issuer::new().signed(None, &claims());
        assert!(tokens.verify(&other).is_none());
    }

    #[test]
    fn only_public_keys_of_known_kinds_are_taken() {
        let kind = |text: &str| Tokens::new(text, "i", "a").err();
        let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
        assert_eq!(kind(secret), Some(TokenError::Kind));
        assert_eq!(kind(r#"{"keys":[]}"#), Some(TokenError::Empty));
        for nothing in ["", "{}", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert_eq!(kind(nothing), Some(TokenError::Unreadable), "{nothing}");
        }
    }
}
