//! Access tokens: RS256 JWTs, as the realm of the provider signs them.

use crate::sandbox::signing::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Signs tokens.
pub(super) struct Signer(SigningKey);

impl Signer {
    pub(super) fn new() -> Option<Self> {
        SigningKey::new(KID).map(Self)
    }

    /// A token with these claims; `None` if the library does not sign.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.0.kid() });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let signature = self.0.sign(text.as_bytes())?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public key as a JWKS.
    pub(super) fn keys(&self) -> Value {
        json!({ "keys": self.0.jwk().into_iter().collect::<Vec<_>>() })
    }
}

const KID: &str = "sandbox-1";
