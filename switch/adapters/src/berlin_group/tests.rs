//! The transformer against a bank of canned answers: what it sends, byte by byte, and what it
//! makes of what comes back.

mod accounts;
mod approval;
mod consents;
mod payments;
mod proof;

use super::BerlinGroup;
use crate::adapters::Parts;
use crate::executor::Chain;
use crate::executor::audit::audit;
use crate::executor::tests::server::{Act, Server};
use serde_json::Value;
use veksel_config::bridge::{BankConfig, BankProfile, CallConfig, HttpConfig, Quirks};
use veksel_core::enquiry::{
    BankAccount, Enquiry, Failed, Money, Order, PaymentRef, Secret, Verdict,
};

/// A bank that answers with these, one after the other, and us in front of it.
struct Rig {
    server: Server,
    bank: BerlinGroup,
}

fn bank(url: &str, quirks: Quirks) -> BankConfig {
    let call = CallConfig {
        allow_private: true,
        connect_ms: 2_000,
        read_ms: 5_000,
        retries: 0,
        retry_wait_ms: 0,
        ..CallConfig::at(url)
    };
    let profile = BankProfile::BerlinGroup { seal: None, oauth: None, approval: None };
    BankConfig::new("fjord", profile, call, quirks)
}

fn http() -> HttpConfig {
    HttpConfig::at(([127, 0, 0, 1], 0).into(), "https://tpp.example")
}

impl Rig {
    async fn new(acts: Vec<Act>) -> Self {
        Self::with(Quirks::default(), acts).await
    }

    async fn with(quirks: Quirks, acts: Vec<Act>) -> Self {
        let server = Server::start(acts).await;
        let config = bank(&server.url(), quirks);
        let http = http();
        let secret = |source: &_| crate::files::read_secret(source);
        let parts = Parts { http: Some(&http), secret: &secret, audit: audit(100).0 };
        let bank = BerlinGroup::new(&config, (None, None, None), &parts).unwrap();
        Self { server, bank }
    }

    async fn ask(&self, enquiry: &Enquiry) -> Verdict {
        self.bank.ask(&Chain::new(5_000, ""), enquiry).await
    }

    /// Method and path of every request, in order.
    fn lines(&self) -> Vec<String> {
        let line = |request: &String| {
            let line = request.lines().next().unwrap().to_owned();
            line.trim_end_matches(" HTTP/1.1").to_owned()
        };
        self.server.requests().iter().map(line).collect()
    }
}

/// A header of a recorded request.
fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

const KEY: [u8; 16] = *b"\x91\xba\x7c\x09\x59\xbb\x54\xa4\x8f\xf2\x8f\x2a\x2f\xb4\xe6\x88";
const KEY_TEXT: &str = "91ba7c09-59bb-54a4-8ff2-8f2a2fb4e688";

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn account() -> BankAccount {
    BankAccount {
        iban: "NO9386011117947".to_owned(),
        resource: "acc-1".to_owned(),
        consent: "consent-1".to_owned(),
        customer: "customer-1".to_owned(),
    }
}

fn order() -> Order {
    Order {
        key: KEY,
        debtor: account(),
        creditor: "8601 11 17947".to_owned(),
        creditor_name: "Kiosk Oslo S".to_owned(),
        amount: Money { minor: 15_000, currency: 578 },
        remittance: "605410000123 7F3K9QRS TERM0001".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [0x4f; 16],
        verifier: Secret::new(VERIFIER),
    }
}

fn payment() -> PaymentRef {
    PaymentRef {
        payment: "1234-wertiq-983".to_owned(),
        product: "norwegian-domestic-credit-transfers".to_owned(),
        debtor: account(),
        key: KEY,
        may_complete: true,
    }
}

#[track_caller]
fn failed(verdict: &Verdict, why: Failed, is_open: bool, code: &str) {
    let Verdict::Failed(failure) = verdict else { panic!("{verdict:?}") };
    assert_eq!((failure.why, failure.is_open, &*failure.code), (why, is_open, code));
}
