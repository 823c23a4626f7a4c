//! Billers, text messages, letters and notices against their sandboxes, over real sockets and real
//! TLS; and a provider of somebody else's, added as docs/adding-a-provider.md says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "providers/bills.rs"]
mod bills;
#[path = "providers/example.rs"]
mod example;
#[path = "providers/letters.rs"]
mod letters;
#[path = "providers/notices.rs"]
mod notices;
#[path = "providers/strangers.rs"]
mod strangers;
#[path = "providers/texts.rs"]
mod texts;
#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use veksel_adapters::providers::{Providers, Within};
use veksel_adapters::{AdapterError, CallEvent, audit};
use veksel_config::bridge::{BridgeConfig, ProvidersConfig, SecretSource};
use veksel_config::{BRIDGE_EXAMPLE, Source, load_switch};
use veksel_core::enquiry::Secret;
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, Sandbox, start};
use watch::{Watch, search_shown, watch_for};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Keys, passwords and tokens of these tests.
const SECRETS: [&str; 7] =
    ["key-of-ours", "sign_1", "sign_2", "token-1", "password_of_mail", "token-a", "token-b"];

fn watching() -> Watch {
    watch_for(&SECRETS)
}

/// The rows of an audit trail. All are searched, whether a test reads them or not.
struct Rows(Receiver<CallEvent>);

impl Rows {
    async fn recv(&mut self) -> Option<CallEvent> {
        self.0.recv().await.inspect(|row| search_shown("a row of the audit trail", row))
    }

    fn try_recv(&mut self) -> Option<CallEvent> {
        self.0.try_recv().ok().inspect(|row| search_shown("a row of the audit trail", row))
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        while self.try_recv().is_some() {}
    }
}

/// A sandbox on a port of its own.
fn run(sandbox: Arc<dyn Sandbox>, clock: &Clock) -> RunningSandboxes {
    let mount = Mount { name: "it".to_owned(), listen: LOOPBACK, tls: None, sandbox };
    start(vec![mount], clock.clone()).unwrap()
}

fn url(running: &RunningSandboxes) -> String {
    format!("http://{}", running.address("it").unwrap())
}

/// The section of a provider as a file would have it, behind the rest of a switch.
fn bridge(section: &str) -> BridgeConfig {
    let text = "[[participant]]\nname = \"channels\"\n[[listener]]\nname = \"channels\"\n\
        listen = \"127.0.0.1:8583\"\nparticipant = \"channels\"\n[[group]]\nname = \"cbs\"\n\
        connect = [\"127.0.0.1:8593\"]\n[[route]]\nname = \"all\"\ngroup = \"cbs\"\n";
    let source = Source::text("switch.toml", format!("{text}{section}"));
    load_switch(source).unwrap_or_else(|wrong| panic!("{wrong}")).bridge
}

/// Secrets are the names of where they stand.
fn secret(source: &SecretSource) -> Result<Secret, AdapterError> {
    match source {
        SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
        SecretSource::File(_) => veksel_adapters::read_secret(source),
    }
}

fn made(config: &ProvidersConfig) -> (Providers, Rows) {
    let (sink, events) = audit(1_000);
    (Providers::new(config, &secret, &sink).unwrap(), Rows(events))
}

fn providers(section: &str) -> (Providers, Rows) {
    made(&bridge(section).providers)
}

fn within() -> Within {
    Within { ms: 20_000, trace: "trace-1".to_owned() }
}

#[test]
fn the_example_makes_every_provider() {
    let config = load_switch(Source::text("bridge.toml", BRIDGE_EXAMPLE)).unwrap().bridge.providers;
    let ProvidersConfig { bill, sms, email, push, .. } = &config;
    assert!(bill.is_some() && sms.is_some() && email.is_some() && push.is_some());
    assert!(!config.is_empty() && ProvidersConfig::default().is_empty());
    let without = ProvidersConfig { push: None, ..config };
    made(&without);
}
