//! Notices to apps.

use super::{made, run, url, within};
use std::sync::Arc;
use veksel_adapters::providers::{Provides, Push};
use veksel_config::bridge::{CallConfig, ProvidersConfig, SecretSource};
use veksel_config::provider::PushConfig;
use veksel_core::enquiry::Failed;
use veksel_simulator::sandbox::fcm::Fcm;
use veksel_simulator::sandbox::{Clock, RunningSandboxes};

fn push(to: &str) -> Push {
    Push {
        to: to.into(),
        title: "Betalt".into(),
        body: "412,00 kr til Lysnett".into(),
        data: vec![("payment".into(), "p-1".into())],
        key: "k-1".into(),
    }
}

fn config(running: &RunningSandboxes, account: String) -> ProvidersConfig {
    let call = CallConfig {
        allow_private: true,
        retries: 1,
        retry_wait_ms: 10,
        ..CallConfig::at(&url(running))
    };
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&account) {
        let key = json["private_key"].as_str();
        key.iter().for_each(|key| crate::watch::never_key("the key of a service account", key));
    }
    // The tests' secrets are the names of where they stand.
    let account = SecretSource::Env(account);
    let push = Some(PushConfig { call, account, token_url: String::new() });
    ProvidersConfig { push, ..ProvidersConfig::default() }
}

#[tokio::test]
async fn a_notice_is_sent_by_a_service_account() {
    let _watch = super::watching();
    let clock = Clock::default();
    let sandbox = Fcm::new(clock.clone()).unwrap();
    let running = run(Arc::new(sandbox.clone()), &clock);
    let (all, mut events) = made(&config(&running, sandbox.account(&url(&running))));
    let sent = all.push(within(), push("token-a")).await.unwrap();
    assert_eq!(sent.id, "projects/veksel-sandbox/messages/00000002");
    all.push(within(), push("token-b")).await.unwrap();
    let notices = sandbox.sent();
    assert_eq!((notices.len(), notices[0].token.as_str()), (2, "token-a"));
    assert_eq!((notices[0].title.as_str(), &notices[0].data["payment"]), ("Betalt", &"p-1".into()));
    // One token for both, and a new one when that is revoked.
    let tokens = || {
        let entries = running.log("it").unwrap().entries();
        entries.iter().filter(|entry| entry.path == "/token").count()
    };
    assert_eq!(tokens(), 1);
    sandbox.revoke();
    all.push(within(), push("token-a")).await.unwrap();
    assert_eq!(tokens(), 2);
    let event = events.recv().await.unwrap();
    assert_eq!((event.provider.as_str(), event.service), ("push", "token"));
    for (to, why, code) in [
        ("x-unregistered", Failed::NotFound, "UNREGISTERED"),
        ("x-mismatch", Failed::NotPermitted, "SENDER_ID_MISMATCH"),
        ("x-quota", Failed::Limited, "QUOTA_EXCEEDED"),
        ("x-unavailable", Failed::Unavailable, "UNAVAILABLE"),
        ("x-internal", Failed::Malfunction, "INTERNAL"),
        ("", Failed::Format, "to"),
    ] {
        let failure = all.push(within(), push(to)).await.unwrap_err();
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "{to}");
    }
    let mut long = push("token-a");
    long.body = "x".repeat(5_000);
    assert_eq!(all.push(within(), long).await.unwrap_err().code, "notice_max");
}

#[tokio::test]
async fn an_account_that_is_not_known_is_a_matter_for_people() {
    let _watch = super::watching();
    let clock = Clock::default();
    let sandbox = Fcm::new(clock.clone()).unwrap();
    let running = run(Arc::new(sandbox.clone()), &clock);
    let stranger = Fcm::new(clock.clone()).unwrap();
    let (all, _events) = made(&config(&running, stranger.account(&url(&running))));
    let refused = all.push(within(), push("token-a")).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "token"));
    for text in ["{}", "nothing"] {
        let config = config(&running, text.to_owned());
        let sink = crate::trail::trail();
        let made = veksel_adapters::providers::Providers::new(&config, &super::secret, &sink);
        assert!(made.unwrap_err().to_string().contains("service account"), "{text}");
    }
}
