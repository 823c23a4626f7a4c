//! Access tokens: RS256 JWTs, as the realm of the provider signs them.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

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
        let public = self.0.public_key();
        let part = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        json!({ "keys": [{
            "kid": KID, "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": part(public.modulus().big_endian_without_leading_zero()),
            "e": part(public.exponent().big_endian_without_leading_zero()),
        }] })
    }
}

const KID: &str = "sandbox-1";
