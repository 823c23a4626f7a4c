//! The Neonomics adapter against the sandbox, over real sockets. The sandbox's money is the judge.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "sockets for several tests")]

#[path = "wire/receiver.rs"]
mod receiver;

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use asking::{ask, failure};
use receiver::Canned;
use std::net::SocketAddr;
use std::sync::Arc;
use trail::trail;
use veksel_adapters::{AdapterError, Adapters};
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, HttpConfig, OauthConfig, PsuHeaders, Quirks,
    SecretSource,
};
use veksel_config::{BRIDGE_EXAMPLE, Source, load_switch};
use veksel_core::enquiry::{
    BankAccount, ConsentState, Enquiry, Failed, Initiated, Money, Order, PaymentRef, Progress,
    Secret, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;
use veksel_simulator::sandbox::neonomics::{Neonomics, NeonomicsConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::watch;

const IBAN: &str = "NO9386011117947";
const PAYEE: &str = "NO8330001234567";
const BEFORE: i64 = 10_000_000;

struct Rig {
    sandbox: Neonomics,
    running: RunningSandboxes,
    adapters: Adapters,
}

fn config(url: &str, secret: &str) -> BridgeConfig {
    let env = |text: &str| SecretSource::Env(text.to_owned());
    let oauth = OauthConfig {
        token_url: format!("{url}/auth/realms/sandbox/protocol/openid-connect/token"),
        client_id: env("sandbox-client"),
        client_secret: env(secret),
        scope: String::new(),
    };
    let call = CallConfig {
        allow_private: true,
        connect_ms: 500,
        read_ms: 500,
        retries: 1,
        retry_wait_ms: 10,
        breaker_failures: 0,
        ..CallConfig::at(url)
    };
    let profile = BankProfile::Neonomics {
        oauth,
        bank_id: "DNB.NO".to_owned(),
        device_id: "veksel-1".to_owned(),
    };
    let quirks = Quirks { remittance_max: 66, ..Quirks::default() };
    let http = HttpConfig::at(SocketAddr::from(([127, 0, 0, 1], 0)), "http://127.0.0.1:8089");
    let bank = BankConfig::new("dnb", profile, call, quirks);
    BridgeConfig { banks: vec![bank], http: Some(http), ..BridgeConfig::default() }
}

fn adapters(config: &BridgeConfig) -> Result<Adapters, AdapterError> {
    let secret = |source: &SecretSource| match source {
        SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
        SecretSource::File(_) => panic!("no test has files"),
    };
    Adapters::new(config, &secret, trail())
}

fn rig_with(config_of: NeonomicsConfig) -> Rig {
    let clock = Clock::default();
    let sandbox = Neonomics::new(config_of, clock.clone());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let name = "neonomics".to_owned();
    let mount = Mount { name, listen, tls: None, sandbox: Arc::new(sandbox.clone()) };
    let running = start(vec![mount], clock).unwrap();
    let url = format!("http://{}", running.address("neonomics").unwrap());
    let adapters = adapters(&config(&url, "sandbox-client-secret")).unwrap();
    Rig { sandbox, running, adapters }
}

fn rig() -> Rig {
    rig_with(NeonomicsConfig::default())
}

fn account(consent: &str) -> BankAccount {
    BankAccount {
        iban: IBAN.to_owned(),
        resource: String::new(),
        consent: consent.to_owned(),
        customer: "kari".to_owned(),
    }
}

fn order(consent: &str, minor: u64) -> Order {
    Order {
        key: [7; 16],
        debtor: account(consent),
        creditor: PAYEE.to_owned(),
        creditor_name: "Ola Nordmann".to_owned(),
        amount: Money { minor, currency: 578 },
        remittance: "605410000123 7F3K9QRS husleie".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [0xab; 16],
        verifier: Secret::new(""),
    }
}

impl Rig {
    async fn ask(&self, enquiry: Enquiry) -> Verdict {
        ask(&self.adapters, enquiry).await
    }

    /// Clicks on a page and says where the customer is sent.
    async fn decide(&self, page: &str, decision: &str) -> String {
        let address = self.running.address("neonomics").unwrap();
        let path = page.strip_prefix(&format!("http://{address}")).unwrap();
        let shown = receiver::http(address, &format!("GET {path} HTTP/1.1"), b"").await;
        assert!(shown.contains(&format!("value=\"{decision}\"")), "{shown}");
        let body = format!("decision={decision}");
        let head = format!("POST {path} HTTP/1.1");
        let answer = receiver::http(address, &head, body.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        location.unwrap().to_owned()
    }

    /// A session whose customer has agreed.
    async fn linked(&self) -> String {
        let asked =
            Enquiry::Consent { account: account(""), state: [0xcd; 16], until: Utc(u64::MAX) };
        let Verdict::ConsentAsked { consent, approve: Some(page) } = self.ask(asked).await else {
            panic!("no consent");
        };
        self.decide(&page, "approve").await;
        consent
    }

    async fn initiated(&self, consent: &str, minor: u64) -> Initiated {
        match self.ask(Enquiry::Initiate(Box::new(order(consent, minor)))).await {
            Verdict::Initiated(initiated) => initiated,
            other => panic!("{other:?}"),
        }
    }

    async fn status(&self, consent: &str, initiated: &Initiated) -> Progress {
        match self.ask(Enquiry::Status(reference(consent, initiated))).await {
            Verdict::Status(progress) => progress,
            other => panic!("{other:?}"),
        }
    }

    fn paths(&self) -> Vec<String> {
        let log = self.running.log("neonomics").unwrap().entries();
        log.iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect()
    }
}

fn reference(consent: &str, initiated: &Initiated) -> PaymentRef {
    PaymentRef {
        payment: initiated.payment.clone(),
        product: initiated.product.clone(),
        debtor: account(consent),
        key: [7; 16],
        may_complete: true,
    }
}

#[tokio::test]
async fn a_consent_is_a_session_that_the_customer_agreed_to() {
    let _watch = watch();
    let rig = rig();
    let asked = Enquiry::Consent { account: account(""), state: [0xcd; 16], until: Utc(0) };
    let Verdict::ConsentAsked { consent, approve: Some(page) } = rig.ask(asked).await else {
        panic!("no consent");
    };
    let waiting = rig.ask(Enquiry::ConsentStatus(account(&consent))).await;
    assert!(matches!(waiting, Verdict::Consent { state: ConsentState::Waiting, .. }));
    let balances = Enquiry::Balances { account: account(&consent), is_attended: true };
    let early = failure(rig.ask(balances.clone()).await);
    assert_eq!((early.why, early.code.as_str()), (Failed::NotPermitted, "1426"));
    let back = rig.decide(&page, "approve").await;
    let state = "cd".repeat(16);
    let wanted = format!("http://127.0.0.1:8089/api/payments/callback?s={state}&resource_id=");
    assert!(back.starts_with(&wanted) && back.ends_with("&result=OK"), "{back}");
    let Verdict::Consent { state: ConsentState::Valid, resource, .. } =
        rig.ask(Enquiry::ConsentStatus(account(&consent))).await
    else {
        panic!("not valid");
    };
    assert_eq!(resource, "account-0");
    let Verdict::Balances(found) = rig.ask(balances).await else { panic!("no balances") };
    assert_eq!((found.ledger, found.available, found.currency), (BEFORE, BEFORE, 578));
    // Time passes, and the bank wants to be asked again.
    rig.running.clock().advance(91 * 86_400_000);
    let known = BankAccount { resource, ..account(&consent) };
    let over = rig.ask(Enquiry::ConsentStatus(known.clone())).await;
    assert!(matches!(over, Verdict::Consent { state: ConsentState::Expired, .. }), "{over:?}");
    let over = failure(rig.ask(Enquiry::Balances { account: known, is_attended: true }).await);
    assert_eq!(over.why, Failed::NotPermitted);
    let gone = rig.ask(Enquiry::Revoke(account(&consent))).await;
    assert!(matches!(gone, Verdict::Consent { state: ConsentState::Gone, .. }));
}

#[tokio::test]
async fn a_payment_is_approved_then_completed_then_told() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let initiated = rig.initiated(&consent, 15_000).await;
    assert!(initiated.needs_approval && !initiated.progress.is_approved);
    assert_eq!(initiated.product, "domestic-transfer");
    let early = rig.status(&consent, &initiated).await;
    assert_eq!((early.status, early.is_approved), (PaymentStatus::Received, false));
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
    let back = rig.decide(initiated.approve.as_ref().unwrap(), "approve").await;
    assert!(back.contains(&"ab".repeat(16)) && back.ends_with("result=OK"), "{back}");
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE), "approval alone moves nothing here");
    for _ in 0..3 {
        let done = rig.status(&consent, &initiated).await;
        assert_eq!((done.status, done.is_approved), (PaymentStatus::Settled, true));
    }
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE - 15_000));
    assert_eq!(rig.sandbox.balance(PAYEE), Some(20_000));
    // Looked at every time, and completed only while it was not.
    let paths = rig.paths();
    let complete = format!("/ics/v3/payments/domestic-transfer/{}/complete", initiated.payment);
    assert_eq!(paths.iter().filter(|path| **path == format!("POST {complete}")).count(), 2);
    let mine = Enquiry::Transactions {
        account: account(&consent),
        from: Utc(0),
        most: 5,
        is_attended: false,
    };
    let Verdict::Transactions { lines, .. } = rig.ask(mine).await else { panic!("no lines") };
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].amount, lines[0].currency), (-15_000, 578));
    assert_eq!(lines[0].text, "605410000123 7F3K9QRS husleie");
}

#[tokio::test]
async fn a_customer_who_says_no_or_has_no_money_moves_nothing() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let refused = rig.initiated(&consent, 15_000).await;
    let back = rig.decide(refused.approve.as_ref().unwrap(), "reject").await;
    assert!(back.ends_with("result=FAILED"));
    assert_eq!(rig.status(&consent, &refused).await.status, PaymentStatus::Rejected);
    let poor = rig.initiated(&consent, 15_051).await;
    rig.decide(poor.approve.as_ref().unwrap(), "approve").await;
    assert_eq!(rig.status(&consent, &poor).await.status, PaymentStatus::Rejected);
    let late = rig.initiated(&consent, 15_000).await;
    rig.decide(late.approve.as_ref().unwrap(), "approve").await;
    rig.running.clock().advance(601_000);
    assert_eq!(rig.status(&consent, &late).await.status, PaymentStatus::Rejected);
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
}

#[tokio::test]
async fn what_is_wanted_back_is_not_completed_any_more() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let initiated = rig.initiated(&consent, 15_000).await;
    let cancel = || Enquiry::Cancel(reference(&consent, &initiated));
    let open = failure(rig.ask(cancel()).await);
    assert_eq!((open.why, open.code.as_str()), (Failed::NotSupported, "cancel"));
    rig.decide(initiated.approve.as_ref().unwrap(), "approve").await;
    for _ in 0..2 {
        let unwanted = PaymentRef { may_complete: false, ..reference(&consent, &initiated) };
        let Verdict::Status(progress) = rig.ask(Enquiry::Status(unwanted)).await else {
            panic!("a status");
        };
        assert_eq!(progress.status, PaymentStatus::Received);
    }
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
    // What is executed is executed.
    let done = rig.initiated(&consent, 100).await;
    rig.decide(done.approve.as_ref().unwrap(), "approve").await;
    rig.status(&consent, &done).await;
    let late = rig.ask(Enquiry::Cancel(reference(&consent, &done))).await;
    assert_eq!(late, Verdict::TooLate);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_in_the_account_and_never_paid_again() {
    let _watch = watch();
    for (ending, why) in [(68, Failed::Late), (96, Failed::Malfunction)] {
        let rig = rig();
        let consent = rig.linked().await;
        let initiated = rig.initiated(&consent, 15_000 + ending).await;
        let before = rig.ask(Enquiry::Search {
            order: Box::new(order(&consent, 15_000 + ending)),
            since: Utc(0),
            may_repeat: true,
        });
        assert_eq!(before.await, Verdict::NotFound { is_complete: false });
        rig.decide(initiated.approve.as_ref().unwrap(), "approve").await;
        let lost = failure(rig.ask(Enquiry::Status(reference(&consent, &initiated))).await);
        assert_eq!((lost.why, lost.is_open), (why, true));
        let found = rig.ask(Enquiry::Search {
            order: Box::new(order(&consent, 15_000 + ending)),
            since: Utc(0),
            may_repeat: true,
        });
        let Verdict::Status(found) = found.await else { panic!("not found") };
        assert_eq!((found.status, found.is_approved), (PaymentStatus::Settled, true));
        // Another payment of the same amount with the same RRN is not it.
        let mut other = order(&consent, 15_000 + ending);
        for mark in ["7F3K9QRT", ""] {
            mark.clone_into(&mut other.mark);
            let search =
                Enquiry::Search { order: Box::new(other.clone()), since: Utc(0), may_repeat: true };
            assert_eq!(rig.ask(search).await, Verdict::NotFound { is_complete: false });
        }
        // Asked again after an outcome nobody knew, it is looked at and not completed again.
        assert_eq!(rig.status(&consent, &initiated).await.status, PaymentStatus::Settled);
        let paid = i64::try_from(15_000 + ending).unwrap();
        assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE - paid), "once");
        assert_eq!(rig.sandbox.payments(), 1);
    }
}

#[tokio::test]
async fn an_order_without_a_page_to_approve_it_on_is_not_lost() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let initiated = rig.initiated(&consent, 15_097).await;
    assert_eq!((initiated.approve.as_ref(), initiated.needs_approval), (None, true));
    let waiting = rig.status(&consent, &initiated).await;
    assert_eq!((waiting.status, waiting.is_approved), (PaymentStatus::Received, false));
    assert_eq!(rig.sandbox.payments(), 1);
}

#[tokio::test]
async fn a_bank_that_does_not_answer_is_asked_once() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let lost = failure(rig.ask(Enquiry::Initiate(Box::new(order(&consent, 15_091)))).await);
    assert_eq!((lost.why, lost.is_open), (Failed::Unavailable, true));
    let paths = rig.paths();
    let posts = paths.iter().filter(|path| *path == "POST /ics/v3/payments/domestic-transfer");
    assert_eq!(posts.count(), 1);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let _watch = watch();
    let rig = rig();
    let consent = rig.linked().await;
    let balances = |account| Enquiry::Balances { account, is_attended: true };
    let stranger = BankAccount { iban: "NO0000000000000".to_owned(), ..account(&consent) };
    let lost = BankAccount { resource: "account-9".to_owned(), ..account(&consent) };
    let nobody = Order { creditor: "DE89370400440532013000".to_owned(), ..order(&consent, 1) };
    let poor = Order { debtor: stranger.clone(), ..order(&consent, 1) };
    let initiated = Initiated {
        payment: "payment-99".to_owned(),
        product: "domestic-transfer".to_owned(),
        progress: Progress {
            status: PaymentStatus::Received,
            is_approved: false,
            is_failed: false,
            lacks_funds: false,
        },
        approve: None,
        needs_approval: true,
    };
    let unknown = Enquiry::Status(reference(&consent, &initiated));
    let cases = [
        (balances(account("")), Failed::NotPermitted, "session"),
        (balances(account("session-99")), Failed::Credentials, "1002"),
        (balances(stranger), Failed::NoAccount, "iban"),
        (balances(lost), Failed::NoAccount, "1003"),
        (Enquiry::Initiate(Box::new(nobody)), Failed::NotSupported, "creditor"),
        (Enquiry::Initiate(Box::new(poor)), Failed::NoAccount, "1003"),
        (unknown, Failed::NotFound, "1003"),
        (Enquiry::Review { applicant: "x".to_owned() }, Failed::NotSupported, "enquiry"),
    ];
    for (n, (enquiry, why, code)) in cases.into_iter().enumerate() {
        let failure = failure(rig.ask(enquiry).await);
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "case {n}");
        assert!(!failure.is_open, "case {n}");
    }
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
    for (minor, wanted) in [(10_000_000, true), (10_000_001, false)] {
        let amount = Money { minor, currency: 578 };
        let asked = Enquiry::Funds { account: account(&consent), amount };
        assert_eq!(rig.ask(asked).await, Verdict::Funds(wanted));
    }
}

#[tokio::test]
async fn tokens_are_fetched_kept_and_fetched_again() {
    let _watch = watch();
    let here = rig();
    let consent = here.linked().await;
    let tokens = |rig: &Rig| rig.paths().iter().filter(|path| path.ends_with("/token")).count();
    assert_eq!(tokens(&here), 1);
    // The sandbox forgets its tokens by its own clock, of which we know nothing.
    here.running.clock().advance(3_601_000);
    let balances = Enquiry::Balances { account: account(&consent), is_attended: true };
    assert!(matches!(here.ask(balances.clone()).await, Verdict::Balances(_)));
    assert_eq!(tokens(&here), 2);
    let url = format!("http://{}", here.running.address("neonomics").unwrap());
    let stranger = adapters(&config(&url, "wrong")).unwrap();
    let refused = failure(ask(&stranger, balances).await);
    assert!(refused.why == Failed::Credentials && refused.why.is_alarming());
}

#[tokio::test]
async fn without_a_place_to_come_back_to_there_is_no_adapter() {
    let _watch = watch();
    let config = BridgeConfig { http: None, ..config("http://127.0.0.1:1", "x") };
    let error = adapters(&config).unwrap_err().to_string();
    assert!(error.contains("dnb") && error.contains("[http]"), "{error}");
}

/// What the example of a bridge calls the bank behind Neonomics is one that is played.
#[test]
fn the_example_names_a_bank_that_the_sandbox_has() {
    let _watch = watch();
    let bridge = load_switch(Source::text("bridge.toml", BRIDGE_EXAMPLE)).unwrap().bridge;
    let mut named = bridge.banks.into_iter().filter_map(|bank| match bank.profile {
        BankProfile::Neonomics { bank_id, .. } => Some(bank_id),
        BankProfile::BerlinGroup { .. } | BankProfile::DropPay { .. } => None,
    });
    let bank = named.next().unwrap();
    assert!(NeonomicsConfig::default().banks.contains(&bank), "{bank}");
}

/// The address of the customer says that he is there, whatever the bank wants.
#[tokio::test]
async fn nobody_is_said_to_be_there_who_is_not() {
    let _watch = watch();
    let token = r#"{"access_token":"t","token_type":"Bearer","expires_in":300}"#;
    let nothing = ("404 Not Found", r#"{"errorCode":"1003"}"#);
    let known = |resource: &str| {
        let resource = resource.to_owned();
        BankAccount { resource, ..account("session-1") }
    };
    let read = |is_attended| Enquiry::Balances { account: known("r-1"), is_attended };
    let status = |resource: &str| Enquiry::ConsentStatus(known(resource));
    for (psu_headers, enquiry, is_shown) in [
        (PsuHeaders::Required, read(true), true),
        (PsuHeaders::Required, read(false), false),
        (PsuHeaders::IfPresent, read(true), true),
        (PsuHeaders::IfPresent, read(false), false),
        (PsuHeaders::Forbidden, read(true), false),
        // Who is just giving the consent is there; later nobody is.
        (PsuHeaders::Required, status(""), true),
        (PsuHeaders::Required, status("r-1"), false),
        (PsuHeaders::IfPresent, status(""), false),
    ] {
        let server = Canned::start_each(&[("200 OK", token), nothing]).await;
        let mut config = config(&format!("http://{}", server.address), "s");
        config.banks[0].quirks.psu_headers = psu_headers;
        let shown = format!("{psu_headers:?} {enquiry:?}");
        failure(ask(&adapters(&config).unwrap(), enquiry).await);
        let posted = server.wait(2).await;
        assert_eq!(posted[1].header("x-psu-ip-address").is_some(), is_shown, "{shown}");
    }
}
