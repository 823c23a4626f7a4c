//! The `DropPay` adapter against the sandbox, over real TLS with certificates of the test CA. The
//! sandbox's money is the judge.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use asking::{ask, failure};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::TempDir;
use trail::trail;
use veksel_adapters::{AdapterError, Adapters};
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, Identity, Quirks, SecretSource,
};
use veksel_core::enquiry::{
    BankAccount, ConsentState, Enquiry, Failed, Failure, Initiated, Money, Order, PaymentRef,
    Progress, Secret, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;
use veksel_simulator::sandbox::ca::{Authority, Clients, Purpose, Role, Wanted};
use veksel_simulator::sandbox::droppay::{DropPay, DropPayConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{never_key, watch};

const IBAN: &str = "IT86M3606400001393351234567";
const PAYEE: &str = "IT89M3606400001I05034550166";
const BEFORE: i64 = 500_000;
const HOUR_MS: u64 = 3_600_000;

struct Rig {
    sandbox: DropPay,
    running: RunningSandboxes,
    authority: Authority,
    folder: TempDir,
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn rig_with(config: DropPayConfig, clients: Clients) -> Rig {
    let clock = Clock::default();
    let authority = Authority::new().unwrap();
    let sandbox = DropPay::new(config, clock.clone()).unwrap();
    let mount = Mount {
        name: "droppay".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: Some(authority.server(&["localhost", "127.0.0.1"], clients).unwrap()),
        sandbox: Arc::new(sandbox.clone()),
    };
    let running = start(vec![mount], clock).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("ca.pem"), authority.pem());
    Rig { sandbox, running, authority, folder }
}

fn rig() -> Rig {
    rig_with(DropPayConfig::default(), Clients::Optional)
}

const ALL: &[Role] = &[Role::PaymentInitiation, Role::AccountInformation];

impl Rig {
    /// An adapter that shows a certificate of this kind.
    fn adapters(&self, wanted: &Wanted, password: &str) -> Result<Adapters, AdapterError> {
        let issued = self.authority.issue(wanted).unwrap();
        never_key("the key of a certificate", &issued.key);
        let (certificate, key) =
            (self.folder.path().join("qwac.pem"), self.folder.path().join("qwac.key"));
        write(&certificate, &issued.certificate);
        write(&key, &issued.key);
        self.adapters_as(Some(Identity { certificate, key }), "393351234567", password)
    }

    fn adapters_as(
        &self,
        identity: Option<Identity>,
        username: &str,
        password: &str,
    ) -> Result<Adapters, AdapterError> {
        let env = |text: &str| SecretSource::Env(text.to_owned());
        let address = self.running.address("droppay").unwrap();
        let call = CallConfig {
            allow_private: true,
            connect_ms: 1_000,
            read_ms: 2_000,
            retries: 0,
            breaker_failures: 0,
            trust: Some(self.folder.path().join("ca.pem")),
            identity,
            ..CallConfig::at(&format!("https://localhost:{}", address.port()))
        };
        let profile = BankProfile::DropPay { username: env(username), password: env(password) };
        let quirks = Quirks::default();
        let bank = BankConfig::new("droppay", profile, call, quirks);
        let config = BridgeConfig { banks: vec![bank], ..BridgeConfig::default() };
        let secret = |source: &SecretSource| match source {
            SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
            SecretSource::File(_) => panic!("secrets of this test are no files"),
        };
        Adapters::new(&config, &secret, trail())
    }

    fn known(&self) -> Adapters {
        self.adapters(&Wanted::of(Purpose::Web, ALL), "sandbox-password").unwrap()
    }

    fn count(&self, ending: &str) -> usize {
        let log = self.running.log("droppay").unwrap().entries();
        log.iter().filter(|entry| entry.path.ends_with(ending)).count()
    }

    /// Decides in the app, which stands for a page.
    async fn decide(&self, payment: &str, decision: &str) {
        // Twice is as good as once.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = fs::read(self.folder.path().join("ca.pem")).unwrap();
        let roots = reqwest::Certificate::from_pem(&authority).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([roots]).build().unwrap();
        let port = self.running.address("droppay").unwrap().port();
        let url = format!("https://localhost:{port}/app/push/{payment}");
        let shown = client.get(&url).send().await.unwrap().text().await.unwrap();
        assert!(shown.contains(&format!("value=\"{decision}\"")), "{shown}");
        let answer = client.post(&url).body(format!("decision={decision}")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

fn account(consent: &str) -> BankAccount {
    BankAccount {
        iban: IBAN.to_owned(),
        resource: String::new(),
        consent: consent.to_owned(),
        customer: "mario".to_owned(),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

async fn link(adapters: &Adapters) -> Result<String, Failure> {
    let enquiry = Enquiry::Consent { account: account(""), state: [0; 16], until: Utc(0) };
    match ask(adapters, enquiry).await {
        Verdict::ConsentAsked { consent, approve: None } => Ok(consent),
        Verdict::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn order(consent: &str, minor: u64) -> Order {
    Order {
        key: [7; 16],
        debtor: account(consent),
        creditor: PAYEE.to_owned(),
        creditor_name: "Luigi Verdi".to_owned(),
        amount: Money { minor, currency: 978 },
        remittance: "605410000123 7F3K9QRS affitto".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [0; 16],
        verifier: Secret::new(""),
    }
}

async fn initiated(adapters: &Adapters, consent: &str, minor: u64) -> Initiated {
    match ask(adapters, Enquiry::Initiate(Box::new(order(consent, minor)))).await {
        Verdict::Initiated(initiated) => initiated,
        other => panic!("{other:?}"),
    }
}

fn reference(consent: &str, payment: &Initiated) -> PaymentRef {
    PaymentRef {
        payment: payment.payment.clone(),
        product: payment.product.clone(),
        debtor: account(consent),
        key: [7; 16],
        may_complete: true,
    }
}

async fn status(adapters: &Adapters, consent: &str, payment: &Initiated) -> Progress {
    match ask(adapters, Enquiry::Status(reference(consent, payment))).await {
        Verdict::Status(progress) => progress,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_is_registered_once_and_says_what_the_customer_has() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let Verdict::Consent { state: ConsentState::Valid, resource, until } =
        ask(&adapters, Enquiry::ConsentStatus(account(&consent))).await
    else {
        panic!("not valid");
    };
    assert_eq!(resource, IBAN);
    let ends = until.unwrap().0;
    assert!(ends > now_ms() + 9 * HOUR_MS && ends <= now_ms() + 10 * HOUR_MS);
    let balances = Enquiry::Balances { account: account(&consent), is_attended: true };
    let Verdict::Balances(found) = ask(&adapters, balances).await else { panic!("no balances") };
    assert_eq!((found.ledger, found.available, found.currency), (BEFORE, BEFORE, 978));
    assert_eq!((rig.count("/tpp/register"), rig.count("/token")), (1, 1));
    // Another process with another certificate of the same organisation is known already.
    let again = rig.known();
    assert!(link(&again).await.is_ok());
    assert_eq!(rig.count("/tpp/register"), 2);
}

#[tokio::test]
async fn a_payment_is_a_draft_then_ready_then_confirmed() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let payment = initiated(&adapters, &consent, 12_000).await;
    assert!(payment.needs_approval && payment.approve.is_some());
    let ready = status(&adapters, &consent, &payment).await;
    assert_eq!((ready.status, ready.is_approved), (PaymentStatus::Received, false));
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
    rig.decide(&payment.payment, "confirm").await;
    let done = status(&adapters, &consent, &payment).await;
    assert_eq!((done.status, done.is_approved), (PaymentStatus::Settled, true));
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE - 12_000));
    assert_eq!(rig.sandbox.balance(PAYEE), Some(13_000));
    let late = ask(&adapters, Enquiry::Cancel(reference(&consent, &payment))).await;
    assert_eq!(late, Verdict::TooLate);
    let search = |minor| Enquiry::Search {
        order: Box::new(order(&consent, minor)),
        since: Utc(now_ms()),
        may_repeat: true,
    };
    let Verdict::Status(found) = ask(&adapters, search(12_000)).await else {
        panic!("not found");
    };
    assert_eq!((found.status, found.is_approved), (PaymentStatus::Settled, true));
    let unmarked = Order { mark: String::new(), ..order(&consent, 12_000) };
    let other = Order { mark: "7F3K9QRT".to_owned(), ..order(&consent, 12_000) };
    for order in [unmarked, other] {
        let search =
            Enquiry::Search { order: Box::new(order), since: Utc(now_ms()), may_repeat: true };
        assert_eq!(ask(&adapters, search).await, Verdict::NotFound { is_complete: false });
    }
    let nothing = ask(&adapters, search(12_001)).await;
    assert_eq!(nothing, Verdict::NotFound { is_complete: false });
    let log = rig.running.log("droppay").unwrap().entries();
    let methods: Vec<&str> = log
        .iter()
        .filter(|entry| entry.path.starts_with("/bank/v1/push"))
        .map(|entry| entry.method.as_str())
        .collect();
    assert_eq!(methods[..2], ["POST", "PATCH"]);
}

#[tokio::test]
async fn what_is_refused_taken_back_or_not_covered_moves_nothing() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let refused = initiated(&adapters, &consent, 100).await;
    rig.decide(&refused.payment, "reject").await;
    assert_eq!(status(&adapters, &consent, &refused).await.status, PaymentStatus::Rejected);
    let back = initiated(&adapters, &consent, 100).await;
    let cancelled = ask(&adapters, Enquiry::Cancel(reference(&consent, &back))).await;
    assert_eq!(cancelled, Verdict::Cancelled);
    assert_eq!(status(&adapters, &consent, &back).await.status, PaymentStatus::Cancelled);
    let poor = initiated(&adapters, &consent, 500_001).await;
    rig.decide(&poor.payment, "confirm").await;
    assert_eq!(status(&adapters, &consent, &poor).await.status, PaymentStatus::Rejected);
    for (minor, wanted) in [(500_000, true), (500_001, false)] {
        let amount = Money { minor, currency: 978 };
        let funds = Enquiry::Funds { account: account(&consent), amount };
        assert_eq!(ask(&adapters, funds).await, Verdict::Funds(wanted));
    }
    assert_eq!(rig.sandbox.balance(IBAN), Some(BEFORE));
}

#[tokio::test]
async fn certificates_are_told_apart() {
    let _watch = watch();
    let web = || Wanted::of(Purpose::Web, ALL);
    let nobody = |organization: Option<&str>| Wanted {
        organization: organization.map(str::to_owned),
        ..web()
    };
    let cases = [
        (nobody(None), "101"),
        (nobody(Some("PSDIT-BI-NONE")), "102"),
        (Wanted::of(Purpose::Web, &[]), "102"),
    ];
    for (wanted, code) in cases {
        let rig = rig();
        let adapters = rig.adapters(&wanted, "sandbox-password").unwrap();
        let refused = link(&adapters).await.unwrap_err();
        assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, code));
        assert_eq!(rig.count("/token"), 0, "no password is shown to a stranger");
    }
    // What may only look may not pay.
    let rig = rig();
    let looker = Wanted::of(Purpose::Web, &[Role::AccountInformation]);
    let adapters = rig.adapters(&looker, "sandbox-password").unwrap();
    let consent = link(&adapters).await.unwrap();
    let refused = failure(ask(&adapters, Enquiry::Initiate(Box::new(order(&consent, 1)))).await);
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "105"));
    assert!(!refused.is_open);
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_class_of_its_own() {
    let _watch = watch();
    let rig = rig_with(DropPayConfig::default(), Clients::Required);
    let expired = Wanted { valid: [(2020, 1, 1), (2020, 12, 31)], ..Wanted::of(Purpose::Web, ALL) };
    let adapters = rig.adapters(&expired, "sandbox-password").unwrap();
    let refused = link(&adapters).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "tls_certificate"));
    assert!(refused.why.is_alarming() && !refused.is_open);
    assert!(rig.running.log("droppay").unwrap().entries().is_empty(), "before any HTTP");
}

#[tokio::test]
async fn registration_that_is_not_there_yet_is_no_obstacle() {
    let _watch = watch();
    let config = DropPayConfig { registration_pending: true, ..DropPayConfig::default() };
    let rig = rig_with(config, Clients::Optional);
    assert!(link(&rig.known()).await.is_ok());
}

#[tokio::test]
async fn a_wrong_password_is_ours_and_is_not_tried_again() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.adapters(&Wanted::of(Purpose::Web, ALL), "wrong").unwrap();
    let refused = link(&adapters).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "invalid_grant"));
    assert!(refused.why.is_alarming());
    let again = link(&adapters).await.unwrap_err();
    assert_eq!((again.why, again.code.as_str()), (Failed::Credentials, "invalid_grant"));
    assert!(again.retry_ms.is_some_and(|ms| ms > 0));
    assert_eq!(rig.count("/token"), 1, "a customer is locked out by who tries again");
}

#[tokio::test]
async fn a_payment_whose_readiness_was_not_heard_of_is_not_lost() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    for minor in [1_096, 1_097] {
        let before = rig.sandbox.balance(IBAN).unwrap();
        let payment = initiated(&adapters, &consent, minor).await;
        assert!(payment.needs_approval && payment.approve.is_some());
        assert_eq!(payment.progress.status, PaymentStatus::Received);
        rig.decide(&payment.payment, "confirm").await;
        let paid = i64::try_from(minor).unwrap();
        assert_eq!(rig.sandbox.balance(IBAN), Some(before - paid), "it is the one that is named");
    }
}

#[tokio::test]
async fn tokens_are_renewed_until_ten_hours_are_over() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let balances =
        |consent: &str| Enquiry::Balances { account: account(consent), is_attended: true };
    let mut tokens = rig.count("/token");
    // By the provider's clock the access token is over, then the refresh token, then the session.
    for (minutes, more) in [(6, 1), (31, 2), (600, 2)] {
        rig.running.clock().advance(minutes * 60_000);
        let found = ask(&adapters, balances(&consent)).await;
        assert!(matches!(found, Verdict::Balances(_)), "{minutes} {found:?}");
        assert_eq!(rig.count("/token"), tokens + more, "{minutes}");
        tokens += more;
    }
    // Ten hours after linking it is over for us, whatever the provider would still do.
    let old = (now_ms() - 10 * HOUR_MS - 1).to_string();
    let over = failure(ask(&adapters, balances(&old)).await);
    assert_eq!((over.why, over.code.as_str()), (Failed::NotPermitted, "session_over"));
    let state = ask(&adapters, Enquiry::ConsentStatus(account(&old))).await;
    assert!(matches!(state, Verdict::Consent { state: ConsentState::Expired, .. }), "{state:?}");
    let never = failure(ask(&adapters, balances("")).await);
    assert_eq!(never.why, Failed::NotPermitted);
    assert_eq!(rig.count("/token"), tokens, "nobody was asked");
}

#[tokio::test]
async fn an_account_of_somebody_else_is_none() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let other = BankAccount { iban: "DE89370400440532013000".to_owned(), ..account(&consent) };
    let foreign = Order { debtor: other.clone(), ..order(&consent, 1) };
    for enquiry in [
        Enquiry::Balances { account: other, is_attended: true },
        Enquiry::Initiate(Box::new(foreign)),
    ] {
        let failure = failure(ask(&adapters, enquiry).await);
        assert_eq!(failure.why, Failed::NoAccount);
    }
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_called() {
    let _watch = watch();
    let rig = rig();
    let error = rig.adapters_as(None, "393351234567", "x").unwrap_err().to_string();
    assert!(error.contains("QWAC") && error.contains("`certificate` and `key`"), "{error}");
    let issued = rig.authority.issue(&Wanted::of(Purpose::Web, ALL)).unwrap();
    let (certificate, key) = (rig.folder.path().join("a.pem"), rig.folder.path().join("a.key"));
    write(&certificate, &issued.certificate);
    write(&key, &issued.key);
    let identity = Some(Identity { certificate, key });
    let error = rig.adapters_as(identity, "+393351234567", "x").unwrap_err().to_string();
    assert!(error.contains("39") && !error.contains("335"), "{error}");
}

#[tokio::test]
async fn a_token_that_somebody_else_signed_is_not_believed() {
    let _watch = watch();
    let config = DropPayConfig { foreign_tokens: true, ..DropPayConfig::default() };
    let rig = rig_with(config, Clients::Optional);
    let refused = link(&rig.known()).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Malfunction, "jwt_signature"));
    assert_eq!(rig.count("/certs"), 1, "the keys of the realm were asked for");
    assert_eq!(rig.count(&format!("/registry/{IBAN}")), 0, "and the token was shown to nobody");
}

#[tokio::test]
async fn a_certificate_is_shown_at_registration_and_log_in_only() {
    let _watch = watch();
    let rig = rig();
    let adapters = rig.known();
    let consent = link(&adapters).await.unwrap();
    let found = ask(&adapters, Enquiry::Balances { account: account(&consent), is_attended: true });
    assert!(matches!(found.await, Verdict::Balances(_)));
    let resources = || {
        let log = rig.running.log("droppay").unwrap().entries();
        log.into_iter().filter(|entry| entry.path.starts_with("/bank/")).collect::<Vec<_>>()
    };
    assert!(!resources().is_empty());
    assert!(resources().iter().all(|entry| entry.remark.is_none()), "{:?}", resources());
    // And the sandbox does see one that is shown. Twice is as good as once.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let issued = rig.authority.issue(&Wanted::of(Purpose::Web, ALL)).unwrap();
    let identity = format!("{}{}", issued.certificate, issued.key);
    let identity = reqwest::Identity::from_pem(identity.as_bytes()).unwrap();
    let roots = reqwest::Certificate::from_pem(rig.authority.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([roots]).identity(identity);
    let port = rig.running.address("droppay").unwrap().port();
    let url = format!("https://localhost:{port}/bank/v1/registry/{IBAN}");
    let answer = client.build().unwrap().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let remark = resources().pop().unwrap().remark;
    assert_eq!(remark.as_deref(), Some("a certificate is shown"));
}
