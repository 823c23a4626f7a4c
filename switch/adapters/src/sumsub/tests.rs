//! What the provider's sentences say, and a clock that is set right between two attempts.

use super::*;
use crate::executor::audit::audit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use veksel_config::bridge::{CallConfig, KycProvider, SecretSource};
use veksel_core::enquiry::{Addressee, AskId};
use veksel_simulator::sandbox::sumsub::{Sumsub as Sandbox, SumsubConfig};
use veksel_simulator::sandbox::{Clock, Mount, start};

#[test]
fn the_id_is_the_last_in_the_sentence_that_looks_like_one() {
    for (description, id) in [
        (
            "Applicant with external user id 'x' already exists: 5f9e1b2c3d4e5f6a7b8c9d0e",
            Some("5f9e1b2c3d4e5f6a7b8c9d0e"),
        ),
        (
            "Applicant with external user id 'aaaaaaaaaaaaaaaaaaaaaaaa' already exists: \
             5f9e1b2c3d4e5f6a7b8c9d0e.",
            Some("5f9e1b2c3d4e5f6a7b8c9d0e"),
        ),
        ("Applicant already exists", None),
        ("5f9e1b2c3d4e5f6a7b8c9d0", None),
        ("5f9e1b2c3d4e5f6a7b8c9d0e0", None),
        ("zf9e1b2c3d4e5f6a7b8c9d0e", None),
        ("", None),
    ] {
        assert_eq!(id_in(description), id, "{description}");
    }
}

#[tokio::test]
async fn a_request_that_was_signed_too_early_is_signed_again() {
    let clock = Clock::default();
    let sandbox = Arc::new(Sandbox::new(SumsubConfig::default(), clock.clone()));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mount = Mount { name: "sumsub".to_owned(), listen, tls: None, sandbox };
    let running = start(vec![mount], clock).unwrap();
    let url = format!("http://{}", running.address("sumsub").unwrap());
    let config = KycConfig {
        provider: KycProvider::Sumsub,
        call: CallConfig { allow_private: true, retries: 0, ..CallConfig::at(&url) },
        app_token: SecretSource::Env("sbx:veksel".to_owned()),
        secret_key: SecretSource::Env("sandbox-secret-key".to_owned()),
        webhook_secrets: Vec::new(),
        allow_sha1: false,
        level: "basic-kyc-level".to_owned(),
        token_seconds: 1_800,
        risk_labels: Vec::new(),
        posts_max: 50,
        gets_max: 300,
    };
    let secret = |source: &SecretSource| match source {
        SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
        SecretSource::File(_) => panic!("no test has files"),
    };
    let parts = Parts { http: None, secret: &secret, audit: audit(100).0 };
    let mut sumsub = Sumsub::new(&config, &parts).unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    sumsub.clock = Box::new(move || match counted.fetch_add(1, Ordering::Relaxed) {
        0 => wall_clock() - 3_600,
        _ => wall_clock(),
    });
    let enquiry = Enquiry::Applicant {
        customer: "anna".to_owned(),
        email: None,
        phone: None,
        level: String::new(),
    };
    let trace = String::new();
    let (id, to, address) = (AskId(1), Addressee::Kyc, None);
    let ask = Ask { id, to, enquiry, within_ms: 5_000, trace, txn: None, address };
    let verdict = sumsub.ask(&Chain::new(5_000, ""), &ask).await;
    assert!(matches!(verdict, Verdict::Applicant { .. }), "{verdict:?}");
    let statuses: Vec<_> =
        running.log("sumsub").unwrap().entries().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(401), Some(201), Some(200)]);
    assert!(!format!("{sumsub:?}").contains("sandbox-secret-key"));
}
