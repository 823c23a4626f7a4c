//! The platform over HTTPS, set up as it is configured: a switch whose listener speaks TLS, and a
//! platform that believes its CA.

use crate::client::{self, Answer};
use crate::flows::free;
use crate::once::is_reversed;
use crate::rig::{ACCOUNT, GENEROUS, LATE_MS, Rig, until, write_secret};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use veksel_config::{SANDBOXES, SandboxConfig, Source, load_simulator};
use veksel_simulator::sandbox::ca::{Authority, Files};
use veksel_simulator::sandbox::stage::{Reported, Stage, set};

const TOKEN: &str = "token-of-events";

/// A switch whose listener shows a certificate of the CA in `files`, and is called at `listen`.
fn switch(files: &Files, folder: &Path, keys: SocketAddr, listen: SocketAddr) -> Rig {
    let token = folder.join("notify.secret");
    write_secret(&token, TOKEN);
    let (certificate, key) = &files.qwac;
    let extra = format!(
        "{GENEROUS}notify_token_file = \"{}\"\n[http.tls]\nenabled = true\n\
         certificate = \"{}\"\nkey = \"{}\"\n",
        token.display(),
        certificate.display(),
        key.display()
    );
    Rig::of_platform(&format!("http://{keys}/authentication/keys"), &extra, listen)
}

/// What a platform at `listen` is configured with, which asks `client`.
fn settings(listen: SocketAddr, client: SocketAddr, ca: &Path, request: &str) -> SandboxConfig {
    let others = SANDBOXES.iter().filter(|name| **name != "shaype");
    let others: String =
        others.map(|name| format!("[sandbox.{name}]\nenabled = false\n")).collect();
    let text = format!(
        "[bank]\nlisten = \"127.0.0.1:0\"\n{others}[sandbox.shaype]\nlisten = \"{listen}\"\n\
         client_url = \"https://{client}\"\ntrust = \"{}\"\nconnect = \"20s\"\n\
         request = \"{request}\"\nnotify_token = \"{TOKEN}\"\n\
         notify_url = \"https://{client}/api/hay/v0/communications/notifications\"\n",
        ca.display()
    );
    let config = load_simulator(Source::text("simulator.toml", text));
    config.unwrap_or_else(|problems| panic!("{problems}")).sandbox.unwrap()
}

/// The platform, over the bank of the switch.
fn platform(rig: &Rig, settings: &SandboxConfig) -> Stage {
    let bank = Reported { name: "Bank".to_owned(), database: rig.book() };
    set(settings, &bank, rig.desk()).unwrap()
}

fn tell(stage: &Stage, path: &str, body: &Value) -> Answer {
    let address = stage.running.address("shaype").unwrap();
    let path = format!("/__sandbox/{path}");
    client::call(address, "POST", &path, &[], body.to_string().as_bytes())
}

fn hold(amount: &str) -> Value {
    json!({ "account": ACCOUNT, "currency": "USD", "amount": amount })
}

#[test]
fn a_hold_is_asked_for_over_https_and_only_of_whom_the_platform_believes() {
    let (listen, place) = (free(), free());
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = Authority::in_folder(&folder.path().join("papers")).unwrap();
    let rig = switch(&files, folder.path(), place, listen);
    let (ledger, available) = rig.balance(ACCOUNT);
    let stage = platform(&rig, &settings(place, listen, &files.ca, "20s"));
    let said = tell(&stage, "hold", &hold("10.00")).json();
    assert_eq!(said["outcome"], "APPROVED", "{said}");
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    until("the event to be taken", || {
        let address = stage.running.address("shaype").unwrap();
        let events = client::call(address, "GET", "/__sandbox/events", &[], b"").json();
        (events["taken"] == 1 && events["waiting"] == 0).then_some(())
    });
    stage.running.stop();
    // Another CA says nothing of this switch.
    let (_, others) = Authority::in_folder(&folder.path().join("others")).unwrap();
    let stage = platform(&rig, &settings(place, listen, &others.ca, "20s"));
    let said = tell(&stage, "hold", &hold("11.00")).json();
    assert_eq!((&said["outcome"], &said["status"]), (&json!("ERROR"), &json!(null)), "{said}");
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    assert_eq!(rig.types(), ["0100"]);
}

#[test]
fn a_platform_that_hangs_up_over_https_leaves_no_hold() {
    const { assert!(LATE_MS > 2_000, "the bank is later than the platform waits") };
    let (listen, place) = (free(), free());
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = Authority::in_folder(&folder.path().join("papers")).unwrap();
    let rig = switch(&files, folder.path(), place, listen);
    let before = rig.balance(ACCOUNT);
    let stage = platform(&rig, &settings(place, listen, &files.ca, "2s"));
    // On a busy machine a platform may hang up before the bank has heard of it.
    while rig.types().is_empty() {
        let said = tell(&stage, "hold", &hold("10.68")).json();
        assert_eq!(said["outcome"], "TIMEOUT", "{said}");
    }
    until("the hold to be taken back", || is_reversed(&rig, 1).then_some(()));
    assert_eq!(rig.balance(ACCOUNT), before);
}
