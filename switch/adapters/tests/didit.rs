//! The Didit adapter against its sandbox, over real sockets: a session from its beginning to its
//! decision, every error, and its webhooks from the wire to an event.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use trail::trail;
use veksel_adapters::Adapters;
use veksel_adapters::didit::webhook::{Webhook, WebhookError, WebhookKeys};
use veksel_config::bridge::{
    BridgeConfig, CallConfig, DiditConfig, KycConfig, KycProvider, SecretSource,
};
use veksel_core::enquiry::{
    Addressee, Ask, AskId, Enquiry, Event, Failed, Failure, Review, Secret, Verdict,
};
use veksel_core::fact::KycStatus;
use veksel_simulator::sandbox::didit::{Didit, DiditConfig as Sandboxed};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{Watch, never, search_shown, watch_for};

fn watching() -> Watch {
    watch_for(&["hook-of-didit", "other-key"])
}

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn sandbox(config: Sandboxed) -> RunningSandboxes {
    let clock = Clock::default();
    let sandbox = Arc::new(Didit::new(config, clock.clone()));
    let mount = Mount { name: "didit".to_owned(), listen: LOOPBACK, tls: None, sandbox };
    start(vec![mount], clock).unwrap()
}

fn adapter(running: &RunningSandboxes, key: &str) -> Adapters {
    let url = format!("http://{}", running.address("didit").unwrap());
    let didit = DiditConfig {
        api_key: SecretSource::Env(key.to_owned()),
        workflow: Sandboxed::default().workflow,
        callback: "https://bank.example/back".to_owned(),
        allow_simple: false,
    };
    let kyc = KycConfig {
        call: CallConfig { allow_private: true, retries: 0, ..CallConfig::at(&url) },
        provider: KycProvider::Didit(didit),
        app_token: SecretSource::Env(String::new()),
        secret_key: SecretSource::Env(String::new()),
        webhook_secrets: Vec::new(),
        allow_sha1: false,
        level: String::new(),
        token_seconds: 60,
        posts_max: 50,
        gets_max: 300,
        risk_labels: vec!["POSSIBLE_FRAUD".to_owned()],
    };
    let config = BridgeConfig { kyc: Some(kyc), ..BridgeConfig::default() };
    let secret = |source: &SecretSource| match source {
        SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
        SecretSource::File(_) => panic!("no test has files"),
    };
    Adapters::new(&config, &secret, trail()).unwrap()
}

async fn ask(adapters: &Adapters, enquiry: Enquiry) -> Verdict {
    let trace = "trace".to_owned();
    let (id, to) = (AskId(1), Addressee::Kyc);
    let ask = Ask { id, to, enquiry, within_ms: 20_000, trace, txn: None, address: None };
    let verdict = adapters.ask(ask).await;
    search_shown("a verdict", &verdict);
    verdict
}

fn applicant(customer: &str, level: &str) -> Enquiry {
    let email = Some("kari@example.com".to_owned());
    Enquiry::Applicant {
        customer: customer.to_owned(),
        email,
        phone: None,
        level: level.to_owned(),
    }
}

async fn opened(adapters: &Adapters, customer: &str) -> (String, Secret) {
    match ask(adapters, applicant(customer, "")).await {
        Verdict::Applicant { applicant, token } => {
            never("the page of a customer", token.expose());
            (applicant, token)
        }
        other => panic!("{other:?}"),
    }
}

async fn review(adapters: &Adapters, applicant: &str) -> Review {
    match ask(adapters, Enquiry::Review { applicant: applicant.to_owned() }).await {
        Verdict::Review(review) => review,
        other => panic!("{other:?}"),
    }
}

/// Asks until the status is another than these.
async fn decided(adapters: &Adapters, session: &str) -> Review {
    for _ in 0..600 {
        let found = review(adapters, session).await;
        if found.status != Some(KycStatus::Pending) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{session} is never decided");
}

#[tokio::test]
async fn a_session_goes_from_its_beginning_to_its_decision() {
    let _watch = watching();
    let alone = Sandboxed { delay_ms: 0, submits_alone: true, ..Sandboxed::default() };
    let running = sandbox(alone);
    let adapters = adapter(&running, "sandbox-key");
    for (customer, status) in [
        ("c-1", KycStatus::Approved),
        ("c-2-declined", KycStatus::Rejected),
        ("c-3-risk", KycStatus::Risk),
        ("c-4-review", KycStatus::OnHold),
        ("c-5-abandoned", KycStatus::None),
    ] {
        let (session, _) = opened(&adapters, customer).await;
        let found = decided(&adapters, &session).await;
        assert_eq!((found.status, found.customer.as_str()), (Some(status), customer));
        assert_eq!(found.applicant, session);
        let has_document = found.document_until.is_some() && found.born.is_some();
        assert_eq!(has_document, status != KycStatus::None, "{customer}");
    }
    running.stop();

    let running = sandbox(Sandboxed { delay_ms: 0, ..Sandboxed::default() });
    let adapters = adapter(&running, "sandbox-key");
    let (session, page) = opened(&adapters, "c-9").await;
    assert!(page.expose().contains("/session/st"), "a page for the customer");
    assert_eq!(review(&adapters, &session).await.status, Some(KycStatus::Pending));
}

#[tokio::test]
async fn every_error_has_its_meaning() {
    let _watch = watching();
    let running = sandbox(Sandboxed::default());
    let stranger = adapter(&running, "other-key");
    let known = adapter(&running, "sandbox-key");
    let failed = |verdict| match verdict {
        Verdict::Failed(Failure { why, code, is_open: false, .. }) => (why, code),
        other => panic!("{other:?}"),
    };
    let refused = failed(ask(&stranger, applicant("c-1", "")).await);
    assert_eq!(refused, (Failed::Credentials, "403".to_owned()));
    let refused = failed(ask(&known, applicant("c-1", "another-workflow")).await);
    assert_eq!(refused, (Failed::Format, "400".to_owned()));
    let refused = failed(ask(&known, applicant("", "")).await);
    assert_eq!(refused, (Failed::Format, "customer".to_owned()));
    let unknown = Enquiry::Review { applicant: "nobody/../x".to_owned() };
    assert_eq!(failed(ask(&known, unknown).await), (Failed::NotFound, "404".to_owned()));
    let (why, _) = failed(ask(&known, Enquiry::Review { applicant: String::new() }).await);
    assert_eq!(why, Failed::Format);
    let (why, _) = failed(ask(&known, Enquiry::Checks { applicant: "s".to_owned() }).await);
    assert_eq!(why, Failed::NotSupported);
}

type Posted = mpsc::Sender<Result<Event, WebhookError>>;

async fn received(
    State((keys, posted)): State<(Arc<WebhookKeys>, Posted)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let webhook = Webhook {
        timestamp: header("x-timestamp"),
        raw: header("x-signature"),
        sorted: header("x-signature-v2"),
        simple: header("x-signature-simple"),
        body: &body,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let found = keys.event(webhook, now);
    // What was written anew on the way is known by the sorted signature.
    let anew = serde_json::from_slice::<serde_json::Value>(&body).unwrap().to_string();
    let again = Webhook { raw: None, body: anew.as_bytes(), ..webhook };
    assert_eq!(keys.event(again, now), found);
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    posted.send(found).await.unwrap();
    status
}

#[tokio::test]
async fn its_webhooks_are_known_and_forged_ones_are_not() {
    let _watch = watching();
    let (posted, mut events) = mpsc::channel(100);
    let keys = WebhookKeys::new(vec![Secret::new("hook-of-didit")], false, Vec::new());
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(received)).with_state((Arc::new(keys), posted));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let running = sandbox(Sandboxed {
        delay_ms: 0,
        submits_alone: true,
        webhook: Some((url, "hook-of-didit".to_owned())),
        ..Sandboxed::default()
    });
    let adapters = adapter(&running, "sandbox-key");
    let (session, _) = opened(&adapters, "c-1-dup").await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let event = events.recv().await.unwrap().unwrap();
        assert_eq!(
            (event.review.applicant.as_str(), event.review.customer.as_str()),
            (session.as_str(), "c-1-dup")
        );
        seen.push((event.review.status, event.digest));
    }
    seen.sort_by_key(|(status, _)| format!("{status:?}"));
    // Two events, each of them twice.
    let statuses: Vec<_> = seen.iter().map(|(status, _)| *status).collect();
    let (approved, pending) = (Some(KycStatus::Approved), Some(KycStatus::Pending));
    assert_eq!(statuses, [approved, approved, pending, pending]);
    assert_eq!((seen[0].1, seen[2].1), (seen[1].1, seen[3].1));
    assert_ne!(seen[0].1, seen[2].1);

    opened(&adapters, "c-2-forged").await;
    assert_eq!(events.recv().await.unwrap(), Err(WebhookError::Signature));
    assert_eq!(events.recv().await.unwrap(), Err(WebhookError::Signature));
    // What was not taken comes again after a minute, once the sandbox has heard that it was not.
    let again = async {
        loop {
            running.clock().advance(60_000);
            let soon = tokio::time::timeout(Duration::from_millis(100), events.recv()).await;
            if let Ok(event) = soon {
                return event;
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
    assert!(again.unwrap().is_err());
}
