//! TLS on connections: 1.2 and 1.3 by rustls with aws-lc-rs.
//!
//! The shard never shakes hands: [`handshake`] does on a thread of its own, so that a storm of
//! them costs the shard nothing, and hands over finished sessions. [`session`] is such a session
//! on its socket. [`identity`] names the participant of a certificate. [`renewal`] reads files
//! again without a restart. [`client`] and [`server`] are for those who have sockets of their own.
//!
//! Nothing is resumed, on either side: a session that is resumed asks for no certificate and no
//! revocation (guarantees 5.1). There is no early data.

pub(crate) mod client;
pub(crate) mod crowd;
mod files;
pub(crate) mod handshake;
pub(crate) mod identity;
pub(crate) mod listing;
mod records;
pub(crate) mod renewal;
pub(crate) mod server;
pub(crate) mod session;
mod verifier;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use veksel_config::{Clients, DialTls, ListenTls};

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read a private key.
    #[error("key file {} may be read by others (mode {mode:03o}); take that away from them, \
             as `chmod 600` does", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {expected} in PEM: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A certificate and a private key are not a pair.
    #[error("the key in {} is not that of the certificate in {}", key.display(),
            certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// A host name that no certificate can have.
    #[error("\"{name}\" is no name that a certificate can have; set `name` to the one it has")]
    Name {
        /// Which.
        name: String,
    },
    /// CAs or revocation lists do not make up a way to check certificates.
    #[error("certificates cannot be checked: {0}")]
    Checking(String),
    /// The library refuses the whole.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
    /// The system gave no thread to shake hands on.
    #[error("the system gave no thread: {0}")]
    Thread(io::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn roots(files: &[PathBuf]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in files {
        for certificate in files::certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::Content {
                path: path.clone(),
                expected: "CA certificates",
                why: error.to_string(),
            })?;
        }
    }
    Ok(Arc::new(roots))
}

/// Whether the files of a listener can be used as they are now.
///
/// # Errors
/// Why not.
pub fn check_listen(config: &ListenTls) -> Result<(), TlsError> {
    server(config).map(drop)
}

/// Whether the files for connections to `host` can be used as they are now.
///
/// # Errors
/// Why not.
pub fn check_dial(config: &DialTls, host: &str) -> Result<(), TlsError> {
    client::name(config, host)?;
    client(config).map(drop)
}

/// What a listener shakes hands with.
fn server(config: &ListenTls) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let own = files::certified_key(&config.certificate, &config.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = if config.clients == Clients::None {
        builder.with_no_client_auth()
    } else {
        // Without a list there is nothing to be unknown in. With one, what no current list speaks
        // of is refused.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(&config.ca)?, Arc::clone(&provider))
                .with_crls(files::crls(&config.crls)?)
                .enforce_revocation_expiration();
        let verifier = match config.clients {
            Clients::Optional => verifier.allow_unauthenticated(),
            Clients::None | Clients::Required => verifier,
        };
        let verifier = verifier.build().map_err(|error| TlsError::Checking(error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    Ok(server)
}

/// What connections to a host shake hands with.
fn client(config: &DialTls) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = verifier::HostVerifier::load(config, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut client = match &config.own {
        Some((certificate, key)) => {
            let own = files::certified_key(certificate, key)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
        }
        None => builder.with_no_client_auth(),
    };
    client.resumption = Resumption::disabled();
    client.enable_early_data = false;
    Ok(client)
}
