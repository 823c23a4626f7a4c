//! TLS of one provider: whom we trust, and who we are.
//!
//! Whoever is told to be relaxed looks at no certificate; that is for sandboxes, and the
//! configuration refuses it in production.

use crate::adapters::AdapterError;
use crate::files;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::Path;
use std::sync::Arc;
use veksel_config::bridge::Identity;

/// What a client of this provider begins its connections with. Without `trust` the operating
/// system's certificates count, which are not read if `url` shows that no TLS is spoken.
pub(crate) fn client(
    url: &str,
    trust: Option<&Path>,
    is_relaxed: bool,
    identity: Option<&Identity>,
) -> Result<ClientConfig, AdapterError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = |source| AdapterError::Tls { url: url.to_owned(), source };
    let blind = Blind(Arc::clone(&provider));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(tls)?;
    let builder = match trust {
        _ if is_relaxed => builder.dangerous().with_custom_certificate_verifier(Arc::new(blind)),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in files::certificates(path)? {
                roots.add(certificate).map_err(tls)?;
            }
            builder.with_root_certificates(roots)
        }
        None if url.starts_with("https:") => builder.with_platform_verifier().map_err(tls)?,
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    let Some(Identity { certificate, key }) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = files::certificates(certificate)?;
    builder.with_client_auth_cert(chain, files::key(key)?).map_err(|_| AdapterError::Content {
        path: key.clone(),
        why: "the key does not belong to the certificate, or is of no kind that is known",
    })
}

/// Takes any certificate; signatures of handshakes still have to fit it.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
