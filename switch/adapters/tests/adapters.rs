//! The adapters as the switch has them: whom an enquiry goes to, that it ends in time, and what of
//! a configuration is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::path::PathBuf;
use tokio::net::TcpListener;
use trail::trail;
use veksel_adapters::{AdapterError, Adapters, read_secret};
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, Identity, OauthConfig, Quirks, SecretSource,
};
use veksel_core::enquiry::{
    Addressee, Ask, AskId, BankAccount, Enquiry, Failed, Failure, Money, Order, Secret, Verdict,
};
use veksel_core::plan::BankId;
use watch::{Watch, search_shown, watch_for};

/// What a payment is confirmed with.
const VERIFIER: &str = "verifier-of-a-payment";

fn watching() -> Watch {
    watch_for(&[VERIFIER])
}

fn bank(url: &str) -> BankConfig {
    let profile = BankProfile::BerlinGroup { seal: None, oauth: None, approval: None };
    let call = CallConfig { allow_private: true, ..CallConfig::at(url) };
    BankConfig::new("fjord", profile, call, Quirks::default())
}

fn adapters(banks: Vec<BankConfig>) -> Result<Adapters, AdapterError> {
    let config = BridgeConfig { banks, ..BridgeConfig::default() };
    Adapters::new(&config, &read_secret, trail())
}

fn account() -> BankAccount {
    BankAccount {
        iban: "NO9386011117947".to_owned(),
        resource: "acc-1".to_owned(),
        consent: "consent-1".to_owned(),
        customer: "customer-1".to_owned(),
    }
}

fn balances() -> Enquiry {
    Enquiry::Balances { account: account(), is_attended: true }
}

fn payment() -> Enquiry {
    Enquiry::Initiate(Box::new(Order {
        key: [1; 16],
        debtor: account(),
        creditor: "86011117947".to_owned(),
        creditor_name: "Kiosk".to_owned(),
        amount: Money { minor: 1, currency: 578 },
        remittance: "605410000123 7F3K9QRS".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [2; 16],
        verifier: Secret::new(VERIFIER),
    }))
}

fn ask(to: Addressee, enquiry: Enquiry, within_ms: u64) -> Ask {
    let (id, trace, address) = (AskId(1), "trace".to_owned(), None);
    Ask { id, to, enquiry, within_ms, trace, txn: None, address }
}

#[track_caller]
fn failure(verdict: Verdict) -> Failure {
    search_shown("a verdict", &verdict);
    let Verdict::Failed(failure) = verdict else { panic!("{verdict:?}") };
    failure
}

#[tokio::test]
async fn an_enquiry_ends_when_its_time_does() {
    let _watch = watching();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let adapters = adapters(vec![bank(&url)]).unwrap();
    let to = Addressee::Bank(BankId(0));
    for (enquiry, within_ms, is_open) in
        [(payment(), 200, true), (balances(), 200, false), (payment(), 0, false)]
    {
        let failure = failure(adapters.ask(ask(to, enquiry, within_ms)).await);
        assert_eq!((failure.why, failure.is_open), (Failed::Late, is_open), "{within_ms}");
    }
    // What was asked of it is there to see, what was not is not.
    let circuits = adapters.circuits();
    let seen: Vec<_> = circuits.iter().map(|c| (&*c.provider, c.service, c.is_open)).collect();
    assert_eq!(seen, [("fjord", "accounts", false), ("fjord", "payments", false)]);
}

#[tokio::test]
async fn nobody_answers_for_those_who_are_not_there() {
    let _watch = watching();
    let adapters = adapters(vec![]).unwrap();
    for (to, enquiry) in [
        (Addressee::Bank(BankId(0)), balances()),
        (Addressee::Kyc, Enquiry::Review { applicant: "a".to_owned() }),
    ] {
        let failure = failure(adapters.ask(ask(to, enquiry, 1_000)).await);
        assert_eq!((failure.why, &*failure.code), (Failed::NotSupported, "addressee"));
    }
}

#[tokio::test]
async fn a_bank_is_not_asked_what_is_not_its_business() {
    let _watch = watching();
    let adapters = adapters(vec![bank("http://127.0.0.1:1")]).unwrap();
    let review = Enquiry::Review { applicant: "a".to_owned() };
    let verdict = adapters.ask(ask(Addressee::Bank(BankId(0)), review, 1_000)).await;
    assert_eq!(failure(verdict).why, Failed::NotSupported);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_says_where() {
    let _watch = watching();
    let missing = || PathBuf::from("does-not-exist.pem");
    let identity = || Identity { certificate: missing(), key: missing() };
    let url = "https://bank.example";
    let calls = |call: CallConfig| BankConfig { call, ..bank(url) };
    let nowhere = || SecretSource::Env("VEKSEL_NOBODY_SETS_THIS".to_owned());
    let oauth = OauthConfig {
        token_url: "https://bank.example/token".to_owned(),
        client_id: nowhere(),
        client_secret: nowhere(),
        scope: String::new(),
    };
    let profile = |seal, oauth| BankProfile::BerlinGroup { seal, oauth, approval: None };
    for (bank, part) in [
        (calls(CallConfig { trust: Some(missing()), ..CallConfig::at(url) }), "does-not-exist.pem"),
        (
            calls(CallConfig { identity: Some(identity()), ..CallConfig::at(url) }),
            "does-not-exist.pem",
        ),
        (calls(CallConfig::at("http://bank.example")), "https"),
        (calls(CallConfig::at("https://10.0.0.1")), "private network"),
        (calls(CallConfig::at("bank")), "no address"),
        (
            BankConfig { profile: profile(Some(identity()), None), ..bank(url) },
            "does-not-exist.pem",
        ),
        (
            BankConfig { profile: profile(None, Some(oauth)), ..bank(url) },
            "VEKSEL_NOBODY_SETS_THIS",
        ),
    ] {
        let shown = adapters(vec![bank]).map(|_| ()).unwrap_err().to_string();
        assert!(shown.contains(part), "{shown}");
    }
}
