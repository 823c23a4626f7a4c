//! Access tokens: RS256 JWTs, as the realm of the provider signs them.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;

/// Signs tokens.
pub(super) struct Signer(RsaKeyPair);

impl Signer {
    pub(super) fn new() -> Option<Self> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
        key.as_der().is_ok().then_some(Self(key))
    }

    /// A token with these claims; `None` if the library does not sign.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": KID });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public key as a JWKS.
    pub(super) fn keys(&self) -> Value {
        // The key as RFC 8017 writes it, which this library has just made.
        let public = self.0.public_key().as_ref();
        let Ok((_, RSAPublicKey { modulus, exponent })) = RSAPublicKey::from_der(public) else {
            return json!({ "keys": [] });
        };
        let part = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(number.get(zeros..).unwrap_or_default())
        };
        json!({ "keys": [{
            "kid": KID, "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": part(modulus),
            "e": part(exponent),
        }] })
    }
}

const KID: &str = "sandbox-1";
