//! TLS: whom we trust, who we are, and what is known of an order when that fails.

use super::server::read;
use super::{OK, Rig, config, failed, pay};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use veksel_config::bridge::{CallConfig, Identity};
use veksel_core::enquiry::Failed;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str) -> (CertificateDer<'static>, KeyPair, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key, certificate.pem())
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        let (_, key, pem) = self.issue(name);
        let path = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        let identity = Identity { certificate: path("pem"), key: path("key") };
        fs::write(&identity.certificate, pem).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&identity.key, Permissions::from_mode(0o600)).unwrap();
        identity
    }
}

/// A server that wants certificates of `clients`, and how many requests it has read.
pub(crate) async fn server(own: &Authority, clients: &Authority) -> (String, Arc<AtomicUsize>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.issuer.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let (certificate, key, _) = own.issue("localhost");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, requests) = (acceptor.clone(), Arc::clone(&requests));
            tokio::spawn(async move {
                let mut stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    Err((_, mut refused)) => {
                        // Closing with unread bytes would reset the connection, and the alert
                        // with the reason would be lost on its way.
                        let _ = tokio::io::copy(&mut refused, &mut tokio::io::sink()).await;
                        return;
                    }
                };
                while read(&mut stream).await.is_some() {
                    requests.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(OK.as_bytes()).await;
                }
            });
        }
    });
    (url, count)
}

fn call(url: &str, trust: PathBuf, identity: Option<Identity>) -> CallConfig {
    CallConfig { trust: Some(trust), identity, ..config(url) }
}

#[tokio::test]
async fn a_certificate_opens_the_door_that_is_shut_to_strangers() {
    let (bank, ours) = (Authority::new("bank"), Authority::new("ours"));
    let (url, requests) = server(&bank, &ours).await;
    let known = Rig::new(&call(&url, bank.trust(), Some(ours.identity("tpp.example"))));
    assert_eq!(known.call(pay().identified(true), 5_000).await.unwrap().status, 200);
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    // Without it the server hangs up before it has read anything, and the order is not open.
    let result = known.call(pay(), 5_000).await;
    failed(result, Failed::Credentials, false, "tls_certificate");
    // Nor under a certificate of somebody else, even of one with the right name.
    for name in ["strangers", "ours"] {
        let strangers = Authority::new(name);
        let other = Rig::new(&call(&url, bank.trust(), Some(strangers.identity("tpp.example"))));
        let result = other.call(pay().identified(true), 5_000).await;
        failed(result, Failed::Credentials, false, "tls_certificate");
    }
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_alert_proves_nothing_where_a_connection_may_have_been_used_before() {
    let (bank, ours) = (Authority::new("bank"), Authority::new("ours"));
    let (url, _requests) = server(&bank, &ours).await;
    let rig = Rig::new(&call(&url, bank.trust(), None));
    failed(rig.call(pay(), 5_000).await, Failed::Credentials, false, "tls_certificate");
    // As if somebody had been answered a moment ago.
    rig.executor.stranger.note();
    failed(rig.call(pay(), 5_000).await, Failed::Credentials, true, "tls_certificate");
    super::skip(std::time::Duration::from_secs(11)).await;
    failed(rig.call(pay(), 5_000).await, Failed::Credentials, false, "tls_certificate");
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_told_nothing() {
    let (bank, ours, others) =
        (Authority::new("bank"), Authority::new("ours"), Authority::new("others"));
    let (url, requests) = server(&bank, &ours).await;
    let identity = Some(ours.identity("tpp.example"));
    let mut rig = Rig::new(&call(&url, others.trust(), identity));
    let result = rig.call(pay().identified(true), 5_000).await;
    failed(result, Failed::Unavailable, false, "tls");
    assert_eq!(rig.outcomes(), ["tls"]);
    assert_eq!(requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_identity_that_is_not_there_is_said_before_anything_is_sent() {
    let (bank, ours) = (Authority::new("bank"), Authority::new("ours"));
    let (url, _requests) = server(&bank, &ours).await;
    let rig = Rig::new(&call(&url, bank.trust(), None));
    failed(rig.call(pay().identified(true), 5_000).await, Failed::Credentials, false, "identity");
    let mut identity = ours.identity("tpp.example");
    identity.key = ours.identity("other.example").key;
    let (sink, _events) = super::audit(1);
    let wrong = call(&url, bank.trust(), Some(identity));
    let refused = super::Executor::new("bank", &wrong, super::REGISTERED, sink);
    let shown = refused.map(|_| ()).unwrap_err().to_string();
    assert!(shown.contains("does not belong to the certificate"), "{shown}");
}
