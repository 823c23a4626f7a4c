//! TLS of one provider: whom we trust, and who we are.

use crate::adapters::AdapterError;
use crate::files;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::Path;
use std::sync::Arc;
use veksel_config::bridge::Identity;

/// What a client of this provider begins its connections with. Without `trust` the operating
/// system's certificates count, which are not read if `url` shows that no TLS is spoken.
pub(crate) fn client(
    url: &str,
    trust: Option<&Path>,
    identity: Option<&Identity>,
) -> Result<ClientConfig, AdapterError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = |source| AdapterError::Tls { url: url.to_owned(), source };
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(tls)?;
    let builder = match trust {
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
