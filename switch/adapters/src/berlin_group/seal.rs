//! Signed requests (QSEAL): a digest of the exact body, and a signature over it and over the
//! headers that name the call, in the form of draft-cavage-http-signatures-10 as the Berlin
//! Group's implementation guidelines have it. It is not RFC 9421.

use crate::adapters::AdapterError;
use crate::executor::{Held, Request, failed};
use crate::files;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use rustls::pki_types::PrivateKeyDer;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use veksel_config::bridge::Identity;
use veksel_core::enquiry::{Failed, Failure};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Headers that are signed if they are present, in this order and no others.
const SIGNED: &[&str] =
    &["digest", "x-request-id", "psu-id", "psu-corporate-id", "tpp-redirect-uri"];

/// What signs now, and where another one is found when its time comes.
#[derive(Debug)]
pub(crate) struct Seals {
    identity: Identity,
    current: RwLock<Arc<Seal>>,
}

impl Seals {
    /// Reads certificate and key.
    ///
    /// # Errors
    ///
    /// See [`Seal::new`].
    pub(super) fn new(identity: &Identity) -> Result<Self, AdapterError> {
        let current = RwLock::new(Arc::new(Seal::new(identity)?));
        Ok(Self { identity: identity.clone(), current })
    }

    /// What signs now.
    pub(crate) fn current(&self) -> Arc<Seal> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads certificate and key again, for [`Self::renew`].
    ///
    /// # Errors
    ///
    /// See [`Seal::new`].
    pub(crate) fn prepare(&self) -> Result<Seal, AdapterError> {
        Seal::new(&self.identity)
    }

    /// Signs with another one from now on.
    pub(crate) fn renew(&self, seal: Seal) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seal);
    }
}

/// The certificate and key that sign.
pub(crate) struct Seal {
    /// Until when, and which.
    pub(crate) held: Held,
    key: KeyPair,
    key_id: String,
    certificate: String,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Seal {
    /// Reads certificate and key.
    ///
    /// # Errors
    ///
    /// If a file is not what it should be, the key is not RSA, or does not belong to the
    /// certificate.
    pub(super) fn new(identity: &Identity) -> Result<Self, AdapterError> {
        let wrong = |path: &Path, why| AdapterError::Content { path: path.to_owned(), why };
        let chain = files::certificates(&identity.certificate)?;
        let own = chain.first().map(|own| own.as_ref()).unwrap_or_default();
        let (_, parsed) = X509Certificate::from_der(own)
            .map_err(|_| wrong(&identity.certificate, "the certificate in it is damaged"))?;
        let key = match files::key(&identity.key)? {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong(&identity.key, "the key is not RSA, as signatures need")),
        };
        let key =
            key.map_err(|_| wrong(&identity.key, "the key is not RSA, as signatures need"))?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&key).as_ref();
        if parsed.public_key().subject_public_key.data.as_ref() != public {
            return Err(wrong(&identity.key, "the key does not belong to the certificate"));
        }
        let serial = crate::random::hex(parsed.raw_serial()).to_ascii_uppercase();
        let serial = serial.trim_start_matches('0');
        // What would end the parameter is left out.
        let issuer: String = parsed
            .issuer()
            .to_string()
            .chars()
            .map(|c| {
                if c == '"' || c == '\\' || !c.is_ascii() || c.is_ascii_control() { '?' } else { c }
            })
            .collect();
        let key_id = format!("SN={serial},CA={issuer}");
        let held = Held::read(identity)?;
        Ok(Self { held, key, key_id, certificate: STANDARD.encode(own) })
    }

    /// Signs a request as it is. Headers that are set later are not covered.
    ///
    /// # Errors
    ///
    /// If it cannot be signed: a bank that wants signatures is not asked without one.
    pub(super) fn sign(&self, request: &mut Request) -> Result<(), Failure> {
        let unsigned = || {
            tracing::error!("a request could not be signed");
            failed(Failed::Credentials, "signature")
        };
        let set = |request: &mut Request, name, value: &str| {
            request.set_header(name, value).map_err(|_| unsigned())
        };
        set(request, "digest", &body_digest(&request.body))?;
        set(request, "tpp-signature-certificate", &self.certificate)?;
        let (names, text) = signing_text(request);
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .map_err(|_| unsigned())?;
        let header = format!(
            "keyId=\"{}\",algorithm=\"rsa-sha256\",headers=\"{names}\",signature=\"{}\"",
            self.key_id,
            STANDARD.encode(signature)
        );
        set(request, "signature", &header)
    }
}

/// `Digest` of a body.
fn body_digest(body: &[u8]) -> String {
    format!("SHA-256={}", STANDARD.encode(digest(&SHA256, body)))
}

/// The names of the headers that are signed, and the text that is: a line for each, without a line
/// feed at the end.
fn signing_text(request: &Request) -> (String, String) {
    let present = |name: &&&str| request.headers.contains_key(**name);
    let names: Vec<&str> = SIGNED.iter().filter(present).copied().collect();
    let lines: Vec<String> =
        names.iter().map(|name| format!("{name}: {}", request.text_header(name))).collect();
    (names.join(" "), lines.join("\n"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use rcgen::{CertificateParams, DnType, KeyPair as Pair, PKCS_RSA_SHA256, SerialNumber};
    use reqwest::Method;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    /// A certificate and its key in files.
    pub(crate) struct Files {
        _folder: TempDir,
        pub(crate) identity: Identity,
        pub(crate) public: Vec<u8>,
        pub(crate) der: Vec<u8>,
    }

    pub(crate) fn written(pair: &Pair) -> Files {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        params.distinguished_name.push(DnType::OrganizationName, "Bank \"of\" Tests");
        params.serial_number = Some(SerialNumber::from(vec![0x0a, 0xbc, 0x01]));
        let certificate = params.self_signed(pair).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity {
            certificate: folder.path().join("seal.pem"),
            key: folder.path().join("seal.key"),
        };
        fs::write(&identity.certificate, certificate.pem()).unwrap();
        fs::write(&identity.key, pair.serialize_pem()).unwrap();
        fs::set_permissions(&identity.key, Permissions::from_mode(0o600)).unwrap();
        let public = rcgen::PublicKeyData::der_bytes(pair).to_vec();
        Files { _folder: folder, identity, public, der: certificate.der().to_vec() }
    }

    pub(crate) fn rsa() -> Pair {
        Pair::generate_for(&PKCS_RSA_SHA256).unwrap()
    }

    #[test]
    fn the_digest_of_the_guidelines() {
        let body = concat!(
            r#"{"instructedAmount":{"currency":"EUR","amount":"123.50"},"#,
            r#""debtorAccount":{"iban":"DE40100100103307118608"},"creditorName":"Merchant123","#,
            r#""creditorAccount":{"iban":"DE02100100109307118603"},"#,
            r#""remittanceInformationUnstructured":"Ref Number Merchant"}"#
        );
        assert_eq!(body.len(), 246);
        let digest = "SHA-256=MBFI05bKI7Txt41Y2NKNLhqfV4oGpBjZUMQGS+ti/DA=";
        assert_eq!(body_digest(body.as_bytes()), digest);
        let empty = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(body_digest(b""), empty);
    }

    #[test]
    fn what_is_present_is_signed_and_nothing_else() {
        let files = written(&rsa());
        let seal = Seal::new(&files.identity).unwrap();
        let mut request = Request::new("payments", Method::POST, "/", "/")
            .body("application/json", &b"{}"[..])
            .unwrap()
            .header("tpp-redirect-uri", "https://tpp.example/r?s=1")
            .unwrap()
            .header("x-request-id", "91ba7c09-59bb-54a4-8ff2-8f2a2fb4e688")
            .unwrap()
            .header("psu-ip-address", "203.0.113.7")
            .unwrap();
        seal.sign(&mut request).unwrap();
        let certificate = STANDARD.decode(request.text_header("tpp-signature-certificate"));
        assert_eq!(certificate.unwrap(), files.der);
        let header = request.text_header("signature");
        let (start, signature) = header.split_once("signature=\"").unwrap();
        assert_eq!(
            start,
            "keyId=\"SN=ABC01,CA=CN=Test CA, O=Bank ?of? Tests\",algorithm=\"rsa-sha256\",\
             headers=\"digest x-request-id tpp-redirect-uri\","
        );
        let text = "digest: SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=\n\
                    x-request-id: 91ba7c09-59bb-54a4-8ff2-8f2a2fb4e688\n\
                    tpp-redirect-uri: https://tpp.example/r?s=1";
        let signature = STANDARD.decode(signature.trim_end_matches('"')).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &files.public);
        public.verify(text.as_bytes(), &signature).unwrap();
        assert!(public.verify(text.replace("s=1", "s=2").as_bytes(), &signature).is_err());
        // A second attempt replaces what the first had.
        request.set_header("x-request-id", "another").unwrap();
        seal.sign(&mut request).unwrap();
        assert_eq!(request.headers.get_all("signature").iter().count(), 1);
        assert!(!format!("{seal:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_key_of_another_kind_or_certificate_is_refused() {
        let elliptic = Pair::generate().unwrap();
        let shown = Seal::new(&written(&elliptic).identity).unwrap_err().to_string();
        assert!(shown.contains("is not RSA"), "{shown}");
        let (one, other) = (written(&rsa()), written(&rsa()));
        let mixed = Identity { key: other.identity.key, ..one.identity };
        let shown = Seal::new(&mixed).unwrap_err().to_string();
        assert!(shown.contains("does not belong to the certificate"), "{shown}");
    }
}
