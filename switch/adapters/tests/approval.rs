//! Approvals that take a step of ours, from the order to the money: the adapter against the banks
//! of the sandbox, with a customer who goes where he is sent. The ledger is the judge.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "sockets for several tests")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/receiver.rs"]
mod receiver;
#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use asking::{ask, failure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use trail::trail;
use veksel_adapters::{AdapterError, Adapters};
use veksel_config::bridge::{
    ApprovalConfig, BankConfig, BankProfile, BridgeConfig, CallConfig, HttpConfig, Quirks,
    SecretSource,
};
use veksel_config::{DialectName, Faults};
use veksel_core::enquiry::{
    BankAccount, Confirmed, ConsentState, Enquiry, Failed, Initiated, Money, Order, PaymentRef,
    Secret, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;
use veksel_simulator::bank::{self, RunningBank};
use veksel_simulator::sandbox::aspsp::{Aspsp, AspspSettings, BANKS, Delays};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{Watch, never, watch_for};

const IBAN: &str = "NO9386011117947";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const STATE: [u8; 16] = [0xab; 16];

struct Rig {
    bank: RunningBank,
    sandboxes: RunningSandboxes,
    adapters: Adapters,
    _folder: tempfile::TempDir,
    _watch: Watch,
}

impl Rig {
    fn new(name: &str) -> Self {
        let watch = watch_for(&[VERIFIER]);
        let folder = tempfile::tempdir().unwrap();
        let bank = bank::start(veksel_config::BankConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
            framing: veksel_codecs::Framing::binary2(),
            mac: None,
            tls: None,
            name: "Test Bank".to_owned(),
            database: folder.path().join("bank.db"),
            seeds: None,
            institution: "600001".to_owned(),
            magic: true,
            late_ms: 1_000,
            hold_days: 7,
            statement_lines: 10,
            profile: veksel_config::BankProfile::Ideal,
            faults: Faults::NONE,
        });
        let bank = bank.unwrap();
        let settings = AspspSettings {
            banks: BANKS.iter().map(|bank| bank.id).collect(),
            delays: Delays {
                accept_ms: 20,
                settle_ms: 20,
                slow_sca_ms: 30_000,
                decision_ms: 900_000,
                late_ms: 330_000,
            },
            push: false,
            push_secret: String::new(),
            totp: None,
        };
        let clock = Clock::default();
        let sandbox = Arc::new(Aspsp::new(settings, bank.desk().unwrap(), clock.clone(), None));
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mount = Mount { name: "aspsp".to_owned(), listen, tls: None, sandbox };
        let sandboxes = start(vec![mount], clock).unwrap();
        let url = format!("http://{}/{name}", sandboxes.address("aspsp").unwrap());
        let call = CallConfig { allow_private: true, retries: 0, ..CallConfig::at(&url) };
        let approval = (name == "eika").then(|| ApprovalConfig {
            server: format!("{url}/.well-known/oauth-authorization-server"),
            client_id: "PSDNO-FSA-912345678".to_owned(),
            client_secret: None,
        });
        let profile = BankProfile::BerlinGroup { seal: None, oauth: None, approval };
        let config = BridgeConfig {
            banks: vec![BankConfig::new(name, profile, call, Quirks::default())],
            http: Some(HttpConfig::at(listen, "https://tpp.example")),
            ..BridgeConfig::default()
        };
        let secret = |_: &SecretSource| -> Result<Secret, AdapterError> {
            panic!("there are no secrets here")
        };
        let adapters = Adapters::new(&config, &secret, trail()).unwrap();
        Self { bank, sandboxes, adapters, _folder: folder, _watch: watch }
    }

    async fn pay(&self, account: &BankAccount) -> Initiated {
        let order = Order {
            key: [7; 16],
            debtor: account.clone(),
            creditor: "NO2110000000001".to_owned(),
            creditor_name: "Kiosk Oslo S".to_owned(),
            amount: Money { minor: 15_000, currency: 578 },
            remittance: "605410000123 7F3K9QRS TERM0001".to_owned(),
            rrn: "605410000123".to_owned(),
            mark: "7F3K9QRS".to_owned(),
            reference: String::new(),
            state: STATE,
            verifier: Secret::new(VERIFIER),
        };
        match ask(&self.adapters, Enquiry::Initiate(Box::new(order))).await {
            Verdict::Initiated(initiated) => initiated,
            other => panic!("{other:?}"),
        }
    }

    /// The customer approves, and comes back with this code.
    async fn approve(&self, page: &str) -> String {
        let address = self.sandboxes.address("aspsp").unwrap();
        let auto = if page.contains('?') { "&auto=approve" } else { "?auto=approve" };
        let mut next = format!("{page}{auto}");
        for _ in 0..3 {
            let path = next.split_once("://").unwrap().1.split_once('/').unwrap().1;
            let answer = receiver::http(address, &format!("GET /{path} HTTP/1.1"), b"").await;
            let to = answer.lines().find_map(|line| line.strip_prefix("location: "));
            next = to.unwrap_or_else(|| panic!("{answer}")).to_owned();
            if let Some(query) = next.strip_prefix("https://tpp.example/api/payments/callback?") {
                assert!(query.contains(&format!("s={}", "ab".repeat(16))), "{query}");
                let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
                return code.unwrap_or_else(|| panic!("{query}")).to_owned();
            }
        }
        panic!("the customer is sent about: {next}");
    }

    async fn confirm(&self, subject: Confirmed, code: &str, verifier: &str) -> Verdict {
        never("what a customer brings back", code);
        let enquiry = Enquiry::Confirm {
            subject: Box::new(subject),
            code: Secret::new(code),
            state: STATE,
            verifier: Secret::new(verifier),
        };
        ask(&self.adapters, enquiry).await
    }

    async fn status(&self, payment: &PaymentRef) -> PaymentStatus {
        match ask(&self.adapters, Enquiry::Status(payment.clone())).await {
            Verdict::Status(progress) => progress.status,
            other => panic!("{other:?}"),
        }
    }

    async fn await_settled(&self, payment: &PaymentRef) {
        for _ in 0..1_000 {
            if self.status(payment).await == PaymentStatus::Settled {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is never settled");
    }

    /// No money was made or lost.
    fn close(self) {
        self.sandboxes.stop();
        let summary = self.bank.stop().unwrap();
        assert!(summary.conserved, "{summary}");
    }
}

fn account() -> BankAccount {
    BankAccount {
        iban: IBAN.to_owned(),
        resource: String::new(),
        consent: String::new(),
        customer: "kari".to_owned(),
    }
}

fn reference(initiated: &Initiated) -> PaymentRef {
    PaymentRef {
        payment: initiated.payment.clone(),
        product: initiated.product.clone(),
        debtor: account(),
        key: [7; 16],
        may_complete: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_approved_at_the_banks_server_and_by_nobody_who_stole_the_code() {
    let rig = Rig::new("eika");
    let stolen = rig.pay(&account()).await;
    let code = rig.approve(stolen.approve.as_deref().unwrap()).await;
    let subject = || Confirmed::Payment(reference(&stolen));
    let refused = failure(rig.confirm(subject(), &code, "of-somebody-else").await);
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Refused, "invalid_grant"));
    assert_eq!(rig.status(&reference(&stolen)).await, PaymentStatus::Received);
    let paid = rig.pay(&account()).await;
    assert!(paid.needs_approval && paid.payment != stolen.payment);
    let code = rig.approve(paid.approve.as_deref().unwrap()).await;
    let payment = reference(&paid);
    let confirmed = rig.confirm(Confirmed::Payment(payment.clone()), &code, VERIFIER).await;
    assert!(
        matches!(confirmed, Verdict::Status(progress) if progress.is_approved),
        "{confirmed:?}"
    );
    rig.await_settled(&payment).await;
    rig.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_and_a_payment_are_confirmed_with_what_came_back() {
    let rig = Rig::new("sbanken");
    let until = Utc(4_000_000_000_000);
    let wanted = Enquiry::Consent { account: account(), state: STATE, until };
    let asked = ask(&rig.adapters, wanted).await;
    let Verdict::ConsentAsked { consent, approve } = asked else { panic!("{asked:?}") };
    let code = rig.approve(&approve.unwrap()).await;
    let account = BankAccount { consent, ..account() };
    let confirmed = rig.confirm(Confirmed::Consent(account.clone()), &code, VERIFIER).await;
    let Verdict::Consent { state, .. } = confirmed else { panic!("{confirmed:?}") };
    assert_eq!(state, ConsentState::Valid);
    let paid = rig.pay(&account).await;
    let payment = reference(&paid);
    let code = rig.approve(paid.approve.as_deref().unwrap()).await;
    assert_eq!(rig.status(&payment).await, PaymentStatus::Received);
    let confirmed = rig.confirm(Confirmed::Payment(payment.clone()), &code, VERIFIER).await;
    assert!(
        matches!(confirmed, Verdict::Status(progress) if progress.is_approved),
        "{confirmed:?}"
    );
    rig.await_settled(&payment).await;
    rig.close();
}
