//! Keys of sandboxes that sign: RSA, made when the sandbox starts, and published as a JWKS.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;

/// A key with a name. Nothing of it is shown.
pub(super) struct SigningKey {
    kid: String,
    pair: RsaKeyPair,
}

impl SigningKey {
    /// A new one of 2048 bits; `None` if the library makes none.
    pub(super) fn new(kid: &str) -> Option<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
        pair.as_der().is_ok().then(|| Self { kid: kid.to_owned(), pair })
    }

    /// What it is called.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over these bytes; `None` if the library does not sign.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
        Some(signature)
    }

    /// The public half as a JWK.
    pub(super) fn jwk(&self) -> Option<Value> {
        // The key as RFC 8017 writes it, which this library has just made.
        let public = self.pair.public_key().as_ref();
        let (_, RSAPublicKey { modulus, exponent }) = RSAPublicKey::from_der(public).ok()?;
        let part = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(number.get(zeros..).unwrap_or_default())
        };
        Some(json!({
            "kid": self.kid, "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": part(modulus),
            "e": part(exponent),
        }))
    }
}
