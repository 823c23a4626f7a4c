//! The place where notifications end up: what each channel takes and refuses, over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sandbox/client.rs"]
mod client;
#[path = "../../cli/tests/canary/watch.rs"]
mod watch;

use client::call;
use std::net::SocketAddr;
use std::sync::Arc;
use veksel_simulator::sandbox::notify::Notify;
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{Watch, search, watch_for};

/// What stands at the end of an address that somebody may post to.
const HOOK: &str = "/services/T0/B0/token-of-a-channel";

fn running() -> (Watch, RunningSandboxes, SocketAddr) {
    let watch = watch_for(&["token-of-a-channel"]);
    let clock = Clock::default();
    let mount = Mount {
        name: "notify".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        sandbox: Arc::new(Notify::new(clock.clone())),
    };
    let running = start(vec![mount], clock).unwrap();
    let address = running.address("notify").unwrap();
    (watch, running, address)
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn a_slack_channel_takes_what_slack_takes_and_it_can_be_read() {
    let (_watch, running, address) = running();
    let post = |path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = call(address, "POST", path, headers, body.as_bytes());
        (answer.status, answer.text())
    };
    let said = |status: u16, text: &str| (status, text.to_owned());
    let body = r#"{"text":"5 &lt; 6 &amp; 7"}"#;
    assert_eq!(post(HOOK, JSON, body), said(200, "ok"));
    assert_eq!(post(HOOK, &[], body), said(400, "invalid_payload"));
    for wrong in ["", "[]", "text", "{"] {
        assert_eq!(post(HOOK, JSON, wrong), said(400, "invalid_payload"), "{wrong}");
    }
    assert_eq!(post(HOOK, JSON, r#"{"text":""}"#), said(400, "no_text"));
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(40_001));
    assert_eq!(post(HOOK, JSON, &long), said(400, "msg_too_long"));
    assert_eq!(post("/services/T0/B0/gone", JSON, body), said(404, "no_service"));
    assert_eq!(post("/services/T0/B0/broken", JSON, body).0, 500);
    let limited = call(address, "POST", "/services/T0/B0/limited", JSON, body.as_bytes());
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("1")));
    assert_eq!(call(address, "GET", "/api/v1/heartbeat/abc", &[], b"").status, 200);
    let messages = call(address, "GET", "/__sandbox/messages", &[], b"").json();
    let seen: Vec<_> = messages.as_array().unwrap().iter().collect();
    assert_eq!(seen.len(), 2, "{messages}");
    assert_eq!((&seen[0]["channel"], &seen[0]["to"]), (&"slack".into(), &"T0/B0".into()));
    assert_eq!(seen[0]["text"], "5 < 6 & 7");
    assert_eq!(seen[1]["channel"], "heartbeat");
    search("messages", messages.to_string());
    assert_eq!(call(address, "POST", "/__sandbox/reset", &[], b"").status, 204);
    assert_eq!(call(address, "GET", "/__sandbox/messages", &[], b"").text(), "[]");
    running.stop();
}

#[test]
fn a_channel_takes_about_one_message_a_second() {
    let (_watch, running, address) = running();
    let body = br#"{"text":"x"}"#;
    let post = || call(address, "POST", HOOK, JSON, body).status;
    let taken = (0..30).filter(|_| post() == 200).count();
    assert!((10..30).contains(&taken), "{taken}");
    running.clock().advance(60_000);
    assert_eq!(post(), 200);
}
