//! The sandbox as the platform: its stories, its limits, its keys and its events.

use crate::client::{self, Answer};
use crate::rig::{ACCOUNT, Rig, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use veksel_simulator::money::Currency;
use veksel_simulator::sandbox::shaype::{
    Endpoint, Limit, LimitName, Patience, Proof, Receiver, Shaype, ShaypeConfig, WAITS_S,
};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

/// What a platform asks: its own patience is not what is looked at here.
pub(crate) const PATIENT: Patience =
    Patience { connect: Duration::from_secs(20), request: Duration::from_secs(20) };

/// The lasting token of events.
pub(crate) const TOKEN: &str = "token-of-events";

/// The secret under which tokens of events are fetched, by this client.
pub(crate) const SECRET: &str = "secret-of-the-platform";
pub(crate) const CLIENT: &str = "platform-1";

/// A platform, and a switch that knows its keys.
pub(crate) struct Stage {
    pub(crate) rig: Rig,
    running: RunningSandboxes,
    /// With the secrets of the switch.
    folder: tempfile::TempDir,
}

impl Stage {
    /// The platform has to know the switch's port and the switch the platform's, so that one of
    /// them is chosen before.
    pub(crate) fn start(limits: Vec<Limit>, patience: Patience, notify: Option<&str>) -> Self {
        Self::telling(limits, patience, |switch| {
            let own = format!("http://{switch}/api/hay/v0/communications/notifications");
            let url = notify.map_or(own, str::to_owned);
            Receiver { to: Endpoint { url, tls: None }, proof: Proof::Lasting(TOKEN.to_owned()) }
        })
    }

    /// With events that go elsewhere, or are proven in another way; the switch takes a lasting
    /// token and gives others out.
    pub(crate) fn telling(
        limits: Vec<Limit>,
        patience: Patience,
        receiver: impl FnOnce(SocketAddr) -> Receiver,
    ) -> Self {
        let port = free();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, secret: &str| {
            let file = folder.path().join(name);
            crate::rig::write_secret(&file, secret);
            file.display().to_string()
        };
        let platform = free();
        let extra = format!(
            "budget = \"{}ms\"\nnotify_token_file = \"{}\"\nnotify_client_id = \"{CLIENT}\"\n\
             notify_client_secret_file = \"{}\"\n",
            if patience == PATIENT { 10_000 } else { 350 },
            file("notify.secret", TOKEN),
            file("client.secret", SECRET),
        );
        let keys = format!("http://{platform}/authentication/keys");
        let rig = Rig::of_platform(&keys, &extra, port);
        let config = ShaypeConfig {
            client: Endpoint { url: format!("http://{port}"), tls: None },
            patience,
            limits,
            accounts: vec![
                (ACCOUNT.to_owned(), Currency::Usd),
                ("10000000032".to_owned(), Currency::Usd),
            ],
            notify: Some(receiver(port)),
        };
        let clock = Clock::default();
        let sandbox = Arc::new(Shaype::new(config, clock.clone()).unwrap());
        let name = "shaype".to_owned();
        let mount = Mount { name, listen: platform, tls: None, sandbox };
        let running = start(vec![mount], clock).unwrap();
        Self { rig, running, folder }
    }

    pub(crate) fn tell(&self, path: &str, body: &Value) -> Answer {
        let address = self.running.address("shaype").unwrap();
        let headers = [("Content-Type", "application/json")];
        let path = format!("/__sandbox/{path}");
        client::call(address, "POST", &path, &headers, body.to_string().as_bytes())
    }

    /// For what takes long.
    pub(crate) fn tell_patiently(&self, path: &str, seconds: u64) -> Value {
        let address = self.running.address("shaype").unwrap();
        let path = format!("/__sandbox/{path}");
        let stream = client::send(address, "POST", &path, &[], b"");
        stream.set_read_timeout(Some(Duration::from_secs(seconds))).unwrap();
        client::receive(stream).unwrap().json()
    }

    /// Starts the switch anew, with this secret of the platform's client.
    pub(crate) fn restart_with(&mut self, secret: &str) {
        crate::rig::write_secret(&self.folder.path().join("client.secret"), secret);
        self.rig.restart();
    }

    /// Moves the time of the platform on.
    pub(crate) fn later(&self, ms: u64) {
        let address = self.running.address("shaype").unwrap();
        let path = format!("/__sandbox/clock?advance_ms={ms}");
        assert_eq!(client::call(address, "POST", &path, &[], b"").status, 200);
    }

    pub(crate) fn events(&self) -> Value {
        let address = self.running.address("shaype").unwrap();
        client::call(address, "GET", "/__sandbox/events", &[], b"").json()
    }
}

/// An address that nobody has at the moment.
pub(crate) fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn payment(amount: &str) -> Value {
    json!({ "account": ACCOUNT, "currency": "USD", "amount": amount })
}

fn outcomes(answer: &Answer) -> Vec<String> {
    let all = answer.json();
    let all = all.as_array().unwrap_or_else(|| panic!("{all}"));
    all.iter().map(|one| one["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn deposits_withdrawals_and_refunds_go_from_end_to_end() {
    let stage = Stage::start(Vec::new(), PATIENT, None);
    let rig = &stage.rig;
    let (ledger, _) = rig.balance(ACCOUNT);
    assert_eq!(outcomes(&stage.tell("flow/deposit", &payment("30.00"))), ["APPROVED"]);
    rig.await_balance(ACCOUNT, (ledger + 3_000, ledger + 3_000));
    let story = stage.tell("flow/withdrawal", &payment("20.00"));
    assert_eq!(outcomes(&story), ["APPROVED", "APPROVED", "APPROVED"]);
    rig.await_balance(ACCOUNT, (ledger + 1_000, ledger + 1_000));
    let story = stage.tell("flow/refund", &payment("8.00"));
    assert_eq!(outcomes(&story), ["APPROVED"; 4]);
    rig.await_balance(ACCOUNT, (ledger + 1_000, ledger + 1_000));
    assert_eq!(rig.types(), ["0200", "0100", "0100", "0220", "0100", "0100", "0220", "0200"]);
    // One event for each thing that was approved, and all of them were taken.
    until("the events to be taken", || (stage.events()["taken"] == 8).then_some(()));
    assert_eq!((&stage.events()["waiting"], &stage.events()["lost"]), (&json!(0), &json!(0)));
    let metrics = rig.metrics();
    for (kind, count) in [
        // A deposit, two new holds and an increase.
        ("CARD_TRANSACTION", 4),
        ("CARD_TRANSACTION_SETTLED", 2),
        // A decrease and a refund.
        ("CARD_TRANSACTION_REFUND", 2),
    ] {
        let line = format!("veksel_extauth_notices_total{{kind=\"{kind}\"}} {count}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[test]
fn the_platforms_limits_come_before_the_client_is_asked() {
    let limit = |name, amount, count| Limit { name, amount, count };
    let limits = vec![
        limit(LimitName::SingleCardTransaction, 5_000, None),
        limit(LimitName::AtmWithdrawalPerDay, 100_000, Some(1)),
    ];
    let stage = Stage::start(limits, PATIENT, None);
    let said = stage.tell("hold", &payment("50.10")).json();
    assert_eq!(said["outcome"], "LIMIT_BREACH");
    assert_eq!(
        (&said["limit"], &said["responseCode"]),
        (&json!("SINGLE_CARD_TRANSACTION"), &json!("61"))
    );
    assert_eq!(stage.rig.types().len(), 0, "the client was not asked");
    let mut cash = payment("20.00");
    cash["kind"] = json!("atm");
    assert_eq!(stage.tell("hold", &cash).json()["outcome"], "APPROVED");
    let said = stage.tell("hold", &cash).json();
    assert_eq!(
        (&said["limit"], &said["responseCode"]),
        (&json!("ATM_WITHDRAWAL_PER_DAY"), &json!("65"))
    );
    // A day later it may again, and after a reset too.
    stage.later(86_400_000);
    assert_eq!(stage.tell("hold", &cash).json()["outcome"], "APPROVED");
    assert_eq!(stage.tell("hold", &cash).json()["outcome"], "LIMIT_BREACH");
    let address = stage.running.address("shaype").unwrap();
    assert_eq!(client::call(address, "POST", "/__sandbox/reset", &[], b"").status, 204);
    assert_eq!(stage.tell("hold", &cash).json()["outcome"], "APPROVED");
}

#[test]
fn the_platform_rotates_its_keys_and_may_lose_them_for_a_while() {
    let stage = Stage::start(Vec::new(), PATIENT, None);
    assert_eq!(stage.tell("transaction", &payment("-1.00")).json()["outcome"], "APPROVED");
    assert_eq!(stage.tell("rotate", &json!({})).json()["kid"], "shaype-2");
    // The switch looks for a new key not more often than it is told to.
    until("the new key to be known", || {
        (stage.tell("transaction", &payment("-1.00")).json()["outcome"] == "APPROVED").then_some(())
    });
    assert_eq!(stage.tell("keys?down=true", &json!({})).status, 204);
    assert_eq!(stage.tell("transaction", &payment("-1.00")).json()["outcome"], "APPROVED");
    // The same request of the same platform is the same request.
    let mut again = payment("-1.00");
    again["id"] = json!("twice");
    again["idempotencyKey"] = json!("once");
    let (before, _) = stage.rig.balance(ACCOUNT);
    for _ in 0..3 {
        assert_eq!(stage.tell("transaction", &again).json()["outcome"], "APPROVED");
    }
    assert_eq!(stage.rig.balance(ACCOUNT).0, before + 100);
}

#[test]
fn events_are_tried_again_for_two_days_and_then_given_up() {
    // Nobody takes events there.
    let nowhere = format!("http://{}/events", free());
    let stage = Stage::start(Vec::new(), PATIENT, Some(&nowhere));
    assert_eq!(stage.tell("transaction", &payment("-1.00")).json()["outcome"], "APPROVED");
    for (failed, wait) in (1..).zip(WAITS_S) {
        until("an attempt to fail", || {
            let events = stage.events();
            (events["tried"] == failed && events["waiting"] == 1).then_some(())
        });
        assert_eq!(stage.events()["lost"], 0);
        stage.later(wait * 1_000);
    }
    until("the event to be given up", || (stage.events()["lost"] == 1).then_some(()));
}

#[test]
fn events_without_the_token_are_not_taken() {
    let stage = Stage::start(Vec::new(), PATIENT, None);
    let address = stage.rig.address();
    let event = br#"{"type":"CARD_TRANSACTION","isPending":true}"#;
    let send = |kind: &str, token: Option<&str>, body: &[u8]| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        let path = format!("/api/hay/v0/communications/{kind}");
        client::call(address, "POST", &path, &headers, body).status
    };
    let token = Some("token-of-events");
    assert_eq!(send("notifications", None, event), 401);
    assert_eq!(send("notifications", Some("token-of-others"), event), 401);
    assert_eq!(send("notifications", token, event), 200);
    assert_eq!(send("notifications", token, b"{}"), 400);
    assert_eq!(send("notifications", token, br#"{"type":"CARD_TRANSACTION"}"#), 400);
    assert_eq!(send("email", token, br#"{"to":"somebody"}"#), 200);
    assert_eq!(send("sms", token, br#"{"to":"somebody"}"#), 200);
    assert_eq!(send("letters", token, b"{}"), 404);
}
