//! Whether a host is the host: its certificate comes from one of the CAs, is not revoked, has the
//! name that was dialled, and its key is one of the pins. Without CAs the pins alone decide, and
//! the certificate must be within its time; then its name says nothing.

use super::{TlsError, files, identity, roots};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;
use veksel_config::{DialTls, Pin};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// See above.
#[derive(Debug)]
pub(super) struct HostVerifier {
    /// `None` without CAs.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Empty relies on the CAs.
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl HostVerifier {
    pub(super) fn load(config: &DialTls, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let unable = |error: &dyn std::fmt::Display| TlsError::Checking(error.to_string());
        if config.ca.is_empty() && config.pins.is_empty() {
            return Err(unable(&"there is neither a CA nor a pin"));
        }
        let chain = if config.ca.is_empty() {
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(
                roots(&config.ca)?,
                Arc::clone(&provider),
            );
            let builder = builder.with_crls(files::crls(&config.crls)?);
            let built = builder.enforce_revocation_expiration().build();
            Some(built.map_err(|error| unable(&error))?)
        };
        Ok(Self { chain, pins: config.pins.clone(), provider })
    }

    /// Without a CA nobody else looks at the time.
    fn check_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        Ok(())
    }
}

impl ServerCertVerifier for HostVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if !self.pins.is_empty() {
            let (_, certificate) = X509Certificate::from_der(end_entity)
                .map_err(|_| Error::from(CertificateError::BadEncoding))?;
            if self.chain.is_none() {
                Self::check_time(&certificate, now)?;
            }
            if !self.pins.contains(&identity::pin(&certificate)) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
