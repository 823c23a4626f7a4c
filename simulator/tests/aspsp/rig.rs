//! The five banks over the ledger of a running bank, and a caller that does what each of them
//! wants. It shares nothing with the adapters of the product.

use aws_lc_rs::{digest, rand, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use veksel_config::{BankConfig, BankProfile, DialectName, Faults};
use veksel_simulator::bank::{self, RunningBank, Summary};
use veksel_simulator::sandbox::aspsp::{Aspsp, AspspSettings, BANKS, Delays};
use veksel_simulator::sandbox::ca::{
    Authority, ClientCertificate, Clients, Issued, Purpose, Role, Wanted,
};
use veksel_simulator::sandbox::oidc::{Oidc, OidcConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

use crate::client::{Answer, Caller, call, call_tls};
use crate::watch::{Watch, watch};

/// The account of the documents: 45 230.00 NOK.
pub(crate) const IBAN: &str = "NO9386011117947";
/// Another customer's, of the same bank.
pub(crate) const OTHER: &str = "NO2110000000001";
/// Nobody's here.
pub(crate) const ELSEWHERE: &str = "DE40100100103307118608";
pub(crate) const DOMESTIC: &str = "norwegian-domestic-credit-transfers";
pub(crate) const PUBLIC: &str = "203.0.113.7";
pub(crate) const BACK: &str = "https://tpp.example/back?s=1";
pub(crate) const BACK_NOK: &str = "https://tpp.example/back?s=1&nok=1";

/// Fast, so that tests do not wait; minutes are left to the sandboxes' clock.
pub(crate) const DELAYS: Delays = Delays {
    accept_ms: 50,
    settle_ms: 50,
    slow_sca_ms: 30_000,
    decision_ms: 900_000,
    late_ms: 330_000,
};

pub(crate) struct Rig {
    pub(crate) sandboxes: RunningSandboxes,
    pub(crate) bank: RunningBank,
    pub(crate) authority: Arc<Authority>,
    pub(crate) qwac: Issued,
    pub(crate) qseal: Issued,
    _folder: tempfile::TempDir,
    _watch: Watch,
    numbers: AtomicU64,
}

pub(crate) fn bank_config(folder: &Path) -> BankConfig {
    BankConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: veksel_codecs::Framing::binary2(),
        mac: None,
        tls: None,
        name: "Test Bank".to_owned(),
        database: folder.join("bank.db"),
        seeds: None,
        institution: "600001".to_owned(),
        magic: true,
        late_ms: 1_000,
        hold_days: 7,
        statement_lines: 10,
        profile: BankProfile::Ideal,
        faults: Faults::NONE,
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(DELAYS)
    }

    pub(crate) fn with(delays: Delays) -> Self {
        Self::with_codes(delays, None)
    }

    /// Approvals need one-time codes by this secret.
    pub(crate) fn with_codes(delays: Delays, totp: Option<&str>) -> Self {
        Self::build(delays, totp, false)
    }

    /// Customers say who they are before they approve.
    pub(crate) fn with_people(delays: Delays) -> Self {
        Self::build(delays, None, true)
    }

    fn build(delays: Delays, totp: Option<&str>, asks: bool) -> Self {
        let watch = watch();
        let folder = tempfile::tempdir().unwrap();
        let bank = bank::start(bank_config(folder.path())).unwrap();
        let authority = Arc::new(Authority::new().unwrap());
        let clock = Clock::default();
        let settings = AspspSettings {
            banks: BANKS.iter().map(|bank| bank.id).collect(),
            delays,
            push: true,
            push_secret: "push-secret".to_owned(),
            totp: totp.map(str::to_owned),
        };
        let desk = bank.desk().unwrap();
        let aspsp = Aspsp::new(settings, desk, clock.clone(), Some(Arc::clone(&authority)));
        let aspsp = Arc::new(aspsp);
        let tls = authority.server(&["localhost", "127.0.0.1"], Clients::Optional).unwrap();
        let mount = |name: &str, tls| Mount {
            name: name.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls,
            sandbox: Arc::<Aspsp>::clone(&aspsp),
        };
        let oidc = Oidc::new(OidcConfig::default(), clock.clone()).unwrap();
        let provider = Mount { sandbox: Arc::new(oidc.clone()), ..mount("oidc", None) };
        let mounts = vec![mount("plain", None), mount("tls", Some(tls)), provider];
        let sandboxes = start(mounts, clock).unwrap();
        if asks {
            aspsp.identify_by(oidc, sandboxes.address("oidc").unwrap());
        }
        let roles = [Role::PaymentInitiation, Role::AccountInformation, Role::CardIssuing];
        let issue = |purpose| authority.issue(&Wanted::of(purpose, &roles)).unwrap();
        let (qwac, qseal) = (issue(Purpose::Web), issue(Purpose::Seal));
        let numbers = AtomicU64::new(1);
        Self { sandboxes, bank, authority, qwac, qseal, _folder: folder, _watch: watch, numbers }
    }

    pub(crate) fn number(&self) -> String {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        format!("91ba7c09-59bb-54a4-8ff2-{number:012x}")
    }

    /// Headers and body just as they are, to one bank.
    pub(crate) fn raw(
        &self,
        bank: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{bank}/{path}") };
        if bank == "sparebank1" {
            let address = self.sandboxes.address("tls").unwrap();
            let caller = Caller::new(self.authority.pem()).showing(&self.qwac);
            return call_tls(address, &caller, method, &path, headers, body).unwrap();
        }
        call(self.sandboxes.address("plain").unwrap(), method, &path, headers, body)
    }

    /// With what the bank wants besides: its number, a signature, JSON.
    pub(crate) fn ask(
        &self,
        bank: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let has = |all: &[(String, String)], name: &str| {
            all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        if !has(&all, "X-Request-ID") {
            all.push(("X-Request-ID".to_owned(), self.number()));
        }
        if !body.is_empty() && !has(&all, "Content-Type") {
            all.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        if bank == "nordea" {
            all.extend(sign(&self.qseal, &all, body.as_bytes()));
        }
        let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.raw(bank, method, path, &all, body.as_bytes())
    }

    /// Orders a payment, in the usual way.
    pub(crate) fn order(&self, bank: &str, amount: &str, more: &[(&str, &str)]) -> Answer {
        self.order_with(bank, &order(amount), more)
    }

    pub(crate) fn order_with(&self, bank: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![
            ("PSU-IP-Address", PUBLIC),
            ("TPP-Redirect-URI", BACK),
            ("TPP-Nok-Redirect-URI", BACK_NOK),
        ];
        headers.extend_from_slice(more);
        self.ask(bank, "POST", &format!("v1/payments/{DOMESTIC}"), &headers, Some(body))
    }

    /// The path that asks the customer, whatever the bank calls it.
    pub(crate) fn question(&self, bank: &str, answer: &Value) -> String {
        let links = &answer["_links"];
        if let Some(link) = links["scaRedirect"]["href"].as_str() {
            return path_of(link);
        }
        if let Some(link) = links["startAuthorisation"]["href"].as_str() {
            let started = self.ask(bank, "POST", &path_of(link), &[], None);
            assert_eq!(started.status, 201, "{}", started.text());
            return self.question(bank, &started.json());
        }
        // In the bank's app.
        let link = links["scaStatus"]["href"].as_str().unwrap();
        let id = link.rsplit('/').next().unwrap();
        format!("/{bank}/sca/{id}")
    }

    /// The customer presses a button.
    pub(crate) fn press(&self, bank: &str, question: &str, button: &str) -> Answer {
        self.raw(bank, "POST", &format!("{question}/{button}"), &[], b"")
    }

    /// Orders and approves; the payment's path.
    pub(crate) fn pay(&self, bank: &str, amount: &str, more: &[(&str, &str)]) -> String {
        let answer = self.order(bank, amount, more);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let question = self.question(bank, &answer.json());
        let pressed = self.press(bank, &question, "approve");
        assert!([200, 303].contains(&pressed.status), "{}", pressed.text());
        path_of(answer.json()["_links"]["self"]["href"].as_str().unwrap())
    }

    pub(crate) fn status(&self, bank: &str, payment: &str) -> String {
        let answer = self.ask(bank, "GET", &format!("{payment}/status"), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["transactionStatus"].as_str().unwrap().to_owned()
    }

    pub(crate) fn await_status(&self, bank: &str, payment: &str, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status(bank, payment);
            if status == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{status} instead of {wanted}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A consent for both accounts that its customer has approved.
    pub(crate) fn consent(&self, bank: &str) -> String {
        let answer = self.ask_consent(bank, &consent());
        assert_eq!(answer.status, 201, "{}", answer.text());
        let question = self.question(bank, &answer.json());
        self.press(bank, &question, "approve");
        answer.json()["consentId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ask_consent(&self, bank: &str, body: &Value) -> Answer {
        let headers = [
            ("PSU-IP-Address", PUBLIC),
            ("TPP-Redirect-URI", BACK),
            ("TPP-Nok-Redirect-URI", BACK_NOK),
        ];
        self.ask(bank, "POST", "v1/consents", &headers, Some(body))
    }

    /// A read of accounts with the headers that the bank wants.
    pub(crate) fn read(&self, bank: &str, consent: &str, path: &str, attended: bool) -> Answer {
        let mut headers = vec![("Consent-ID", consent)];
        if attended && bank != "nordea" {
            headers.extend([("PSU-IP-Address", PUBLIC), ("PSU-User-Agent", "test/1.0")]);
        }
        self.ask(bank, "GET", path, &headers, None)
    }

    /// What the bank calls an account.
    pub(crate) fn resource(&self, bank: &str, consent: &str, iban: &str) -> String {
        let list = self.read(bank, consent, "v1/accounts", true).json();
        let accounts = list["accounts"].as_array().unwrap();
        let account = accounts.iter().find(|account| account["iban"] == iban).unwrap();
        account["resourceId"].as_str().unwrap().to_owned()
    }

    /// Minor units on an account as the first bank tells them.
    pub(crate) fn balance(&self, iban: &str) -> i64 {
        let consent = self.consent("dnb");
        let resource = self.resource("dnb", &consent, iban);
        let path = format!("v1/accounts/{resource}/balances");
        let balances = self.read("dnb", &consent, &path, true).json();
        let booked = &balances["balances"][0];
        assert_eq!(booked["balanceType"], "interimBooked");
        let amount = booked["balanceAmount"]["amount"].as_str().unwrap();
        amount.replace('.', "").parse().unwrap()
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.sandboxes.clock().advance(ms);
    }

    /// Stops everything and proves that no money was made or lost.
    pub(crate) fn close(self) -> Summary {
        self.sandboxes.stop();
        let summary = self.bank.stop().unwrap();
        assert!(summary.conserved, "{summary}");
        summary
    }
}

pub(crate) fn order(amount: &str) -> Value {
    json!({
        "debtorAccount": {"iban": IBAN},
        "instructedAmount": {"currency": "NOK", "amount": amount},
        "creditorAccount": {"iban": OTHER},
        "creditorName": "Kiosk Oslo S",
        "remittanceInformationUnstructured": "605410000123 TERM0001",
    })
}

pub(crate) fn consent() -> Value {
    json!({
        "access": {
            "balances": [{"iban": IBAN}, {"iban": OTHER}],
            "transactions": [{"iban": IBAN}],
        },
        "recurringIndicator": true,
        "validUntil": "2099-12-31",
        "frequencyPerDay": 4,
        "combinedServiceIndicator": false,
    })
}

/// Says that a test is skipped, past the harness, which would swallow a print.
pub(crate) fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "!!! SKIPPED: {what}");
}

/// Without scheme and host.
pub(crate) fn path_of(link: &str) -> String {
    match link.split_once("://") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').unwrap().1),
        None => link.to_owned(),
    }
}

/// The code of a refusal in either shape, or the status alone.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["tppMessages"][0]["code"].as_str().or_else(|| body["code"].as_str());
    (answer.status, code.unwrap_or_default().to_owned())
}

/// Digest, Signature and certificate for a request, by the rules of the Berlin Group.
pub(crate) fn sign(
    seal: &Issued,
    headers: &[(String, String)],
    body: &[u8],
) -> Vec<(String, String)> {
    let der = CertificateDer::from_pem_slice(seal.certificate.as_bytes()).unwrap();
    let certificate = ClientCertificate::read(&der).unwrap();
    let key = PrivateKeyDer::from_pem_slice(seal.key.as_bytes()).unwrap();
    let key = signature::RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    let hash = digest::digest(&digest::SHA256, body);
    let digest = format!("SHA-256={}", STANDARD.encode(hash));
    let mut lines = vec![format!("digest: {digest}")];
    let mut names = vec!["digest"];
    for name in ["x-request-id", "psu-id", "psu-corporate-id", "tpp-redirect-uri"] {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((_, value)) = found {
            lines.push(format!("{name}: {value}"));
            names.push(name);
        }
    }
    let text = lines.join("\n");
    let mut bytes = vec![0; key.public_modulus_len()];
    let random = rand::SystemRandom::new();
    key.sign(&signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut bytes).unwrap();
    let signature = format!(
        "keyId=\"SN={},CA={}\",algorithm=\"rsa-sha256\",headers=\"{}\",signature=\"{}\"",
        certificate.serial,
        certificate.issuer,
        names.join(" "),
        STANDARD.encode(bytes),
    );
    vec![
        ("Digest".to_owned(), digest),
        ("Signature".to_owned(), signature),
        ("TPP-Signature-Certificate".to_owned(), STANDARD.encode(&der)),
    ]
}
