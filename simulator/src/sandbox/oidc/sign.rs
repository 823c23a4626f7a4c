//! Keys that sign tokens, and what of them stands in the JWKS.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;

/// How a token is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
}

impl Algorithm {
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Ps256, Self::Es256].into_iter().find(|known| known.word() == name)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
}

/// Signs tokens.
pub(super) struct Signer {
    pub(super) kid: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Curve(Box<EcdsaKeyPair>),
}

impl Signer {
    pub(super) fn new(algorithm: Algorithm, number: u64) -> Option<Self> {
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).ok()?))
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
                Pair::Curve(Box::new(pair))
            }
        };
        Some(Self { kid: format!("sandbox-{number}"), algorithm, pair })
    }

    /// A token with these claims; `None` if the library does not sign.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        self.sign_as(&self.kid, claims)
    }

    /// The same under the name of another key.
    pub(super) fn sign_as(&self, kid: &str, claims: &Value) -> Option<String> {
        let header = json!({ "alg": self.algorithm.word(), "typ": "JWT", "kid": kid });
        let text = unsigned(&header, claims);
        let random = SystemRandom::new();
        let rsa = |pair: &RsaKeyPair, encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random, text.as_bytes(), &mut signature).ok()?;
            Some(signature)
        };
        let signature = match (&self.pair, self.algorithm) {
            (Pair::Rsa(pair), Algorithm::Ps256) => rsa(pair, &RSA_PSS_SHA256)?,
            (Pair::Rsa(pair), Algorithm::Rs256 | Algorithm::Es256) => rsa(pair, &RSA_PKCS1_SHA256)?,
            (Pair::Curve(pair), _) => pair.sign(&random, text.as_bytes()).ok()?.as_ref().to_vec(),
        };
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public key as a JWK.
    pub(super) fn jwk(&self) -> Value {
        let (kid, alg) = (&self.kid, self.algorithm.word());
        let part = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        match &self.pair {
            Pair::Rsa(pair) => {
                // The key as RFC 8017 writes it, which this library has just made.
                let public = pair.public_key().as_ref();
                let Ok((_, RSAPublicKey { modulus, exponent })) = RSAPublicKey::from_der(public)
                else {
                    return Value::Null;
                };
                let trimmed = |number: &[u8]| {
                    let zeros = number.iter().take_while(|byte| **byte == 0).count();
                    part(number.get(zeros..).unwrap_or_default())
                };
                json!({
                    "kid": kid, "kty": "RSA", "alg": alg, "use": "sig",
                    "n": trimmed(modulus), "e": trimmed(exponent),
                })
            }
            Pair::Curve(pair) => {
                // SEC 1 2.3.3: 4, then both coordinates.
                let public = pair.public_key().as_ref();
                let coordinate =
                    |from: usize| part(public.get(from..from + 32).unwrap_or_default());
                json!({
                    "kid": kid, "kty": "EC", "crv": "P-256", "alg": alg, "use": "sig",
                    "x": coordinate(1), "y": coordinate(33),
                })
            }
        }
    }
}

/// Header and claims of a token, before its signature.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
