//! Signatures over requests: by a secret that both know (HMAC), or by a key of ours (RS256 with the
//! body detached, RFC 7515 appendix F and RFC 7797).

use crate::adapters::AdapterError;
use crate::executor::failed;
use crate::files;
use crate::sumsub::signature;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use veksel_config::bridge::SecretSource;
use veksel_config::provider::Signing;
use veksel_core::enquiry::{Failed, Failure, Secret};

/// What is signed, exactly as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Seconds since 1970.
    pub now_s: u64,
}

/// Names and values of headers.
pub type Signed = Vec<(&'static str, String)>;

/// Signs requests, anew at every attempt.
pub trait Signs: Send + Sync {
    /// The headers it sets, in lower case, and their values.
    ///
    /// # Errors
    ///
    /// If it cannot sign; then nothing is sent.
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, Failure>;
}

/// What signs as the configuration says.
pub(super) fn signer(
    signing: &Signing,
    secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
) -> Result<Arc<dyn Signs>, AdapterError> {
    Ok(match signing {
        Signing::Hmac(source) => Arc::new(Hmac(secret(source)?)),
        Signing::Rs256 { key, key_id } => Arc::new(Detached::new(key, key_id)?),
    })
}

struct Hmac(Secret);

impl Signs for Hmac {
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, Failure> {
        let Unsigned { method, target, body, now_s } = *unsigned;
        let signature = signature(&self.0, now_s, method, target, body);
        Ok(vec![("x-timestamp", now_s.to_string()), ("x-signature", signature)])
    }
}

struct Detached {
    key: EncodingKey,
    /// The protected header, as it stands in the signature.
    header: String,
}

impl Detached {
    fn new(path: &Path, key_id: &str) -> Result<Self, AdapterError> {
        let key = rsa_key(path)?;
        let mut header = json!({ "alg": "RS256", "b64": false, "crit": ["b64"] });
        if !key_id.is_empty() {
            header["kid"] = key_id.into();
        }
        Ok(Self { key, header: URL_SAFE_NO_PAD.encode(header.to_string()) })
    }
}

impl Signs for Detached {
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, Failure> {
        let text = [self.header.as_bytes(), b".", unsigned.body].concat();
        let signed = jsonwebtoken::crypto::sign(&text, &self.key, Algorithm::RS256);
        let signature = signed.map_err(|_| failed(Failed::Credentials, "signature"))?;
        Ok(vec![("x-jws-signature", format!("{}..{signature}", self.header))])
    }
}

/// An RSA key in PEM.
fn rsa_key(path: &Path) -> Result<EncodingKey, AdapterError> {
    let pem = files::private(path)?;
    EncodingKey::from_rsa_pem(&pem).map_err(|_| AdapterError::Content {
        path: path.to_owned(),
        why: "there is no RSA key in it",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned<'a>(body: &'a [u8]) -> Unsigned<'a> {
        Unsigned { method: "POST", target: "/payments?a=b", body, now_s: 1_760_000_000 }
    }

    #[test]
    fn a_secret_signs_time_method_path_and_body() {
        let signer = Hmac(Secret::new("test-secret"));
        let signed = signer.sign(&unsigned(b"{}")).unwrap();
        assert_eq!(signed[0], ("x-timestamp", "1760000000".to_owned()));
        assert_eq!(signed[1].0, "x-signature");
        // printf '1760000000POST/payments?a=b{}' | openssl dgst -sha256 -hmac test-secret
        let wanted = "78b81ebc21fafa1cc34b60ec78a1b52306207c2ea45fbc5097973b775e9fa45f";
        assert_eq!(signed[1].1, wanted);
        assert_ne!(signer.sign(&unsigned(b"{ }")).unwrap()[1].1, wanted);
    }

    #[test]
    fn a_key_signs_the_body_and_leaves_it_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.serialize_pem()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let signer = Detached::new(file.path(), "key-1").unwrap();
        let signed = signer.sign(&unsigned(b"{\"a\":1}")).unwrap();
        assert_eq!(signed[0].0, "x-jws-signature");
        let parts: Vec<&str> = signed[0].1.split('.').collect();
        let [header, "", signature] = parts[..] else { panic!("{parts:?}") };
        let said = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert!(said.contains(r#""b64":false"#) && said.contains(r#""kid":"key-1""#), "{said}");
        let public = jsonwebtoken::DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes());
        let public = public.unwrap();
        let fits = |body: &[u8]| {
            let text = [header.as_bytes(), b".", body].concat();
            jsonwebtoken::crypto::verify(signature, &text, &public, Algorithm::RS256).unwrap()
        };
        assert!(fits(b"{\"a\":1}") && !fits(b"{\"a\":2}"));
        std::fs::write(file.path(), "nothing").unwrap();
        assert!(Detached::new(file.path(), "").is_err());
    }
}
