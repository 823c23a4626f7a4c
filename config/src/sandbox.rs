//! The sandboxes of third parties in the simulator file: where they listen and how they behave.
//!
//! What they answer is the simulator's. The keys and tokens here are those of a play and no
//! secrets: they are shown like any other value.

use crate::address::parse_listen;
use crate::findings::Found;
use crate::section::{Missing, Section};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The sandboxes that are to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Where the test CA and the certificates of the test provider are kept; `None` makes a CA
    /// that ends with the process.
    pub certificates: Option<PathBuf>,
    /// The banks of Open Banking; `None` if they are off, and so on.
    pub aspsp: Option<AspspConfig>,
    /// The provider of identity checks.
    pub sumsub: Option<SumsubSandbox>,
    /// The account aggregator.
    pub neonomics: Option<NeonomicsSandbox>,
    /// The wallet.
    pub droppay: Option<DropPaySandbox>,
    /// Billers.
    pub biller: Option<BillerSandbox>,
    /// The gateway for text messages.
    pub sms: Option<SmsSandbox>,
    /// Notices to apps.
    pub fcm: Option<FcmSandbox>,
    /// The mail server.
    pub mail: Option<MailSandbox>,
    /// The other provider of identity checks.
    pub didit: Option<DiditSandbox>,
}

/// Billers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillerSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `X-Api-Key` that is taken.
    pub api_key: String,
    /// Requests must be signed with it, if it is not empty.
    pub hmac_key: String,
}

/// The gateway for text messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `X-Api-Key` that is taken.
    pub api_key: String,
}

/// Notices to apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FcmSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
}

/// The mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSandbox {
    /// The letters that came, over plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// SMTP with STARTTLS.
    pub smtp_listen: SocketAddr,
    /// SMTP over TLS.
    pub smtps_listen: SocketAddr,
    /// Who may send; empty for everybody.
    pub user: String,
    /// And the password.
    pub password: String,
}

/// Didit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiditSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `x-api-key` that is taken.
    pub api_key: String,
    /// The one workflow.
    pub workflow: String,
    /// From the documents to the decision.
    pub delay_ms: u64,
    /// Whether documents hand themselves in.
    pub submits_alone: bool,
    /// Where events are posted; `None` for nowhere.
    pub webhook_url: Option<String>,
    /// Signs them.
    pub webhook_secret: String,
}

/// Banks that speak Berlin Group `NextGenPSD2` over the ledger of the bank. Times are in
/// milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AspspConfig {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// TLS, where a client may show a certificate.
    pub tls_listen: SocketAddr,
    /// Some of [`ASPSP_BANKS`].
    pub banks: Vec<String>,
    /// From the approval to the posting.
    pub accept_ms: u64,
    /// From each status after it to the next.
    pub settle_ms: u64,
    /// How long an approval takes to get through if the amount ends in 01.
    pub slow_sca_ms: u64,
    /// How long a customer may take to decide.
    pub decision_ms: u64,
    /// When a payment is executed whose amount ends in 03.
    pub late_ms: u64,
    /// Whether status changes are pushed to whoever asks for it.
    pub push: bool,
    /// The secret, Base32, of one-time codes that approvals need; empty if they need none.
    pub totp_secret: String,
}

/// Sumsub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumsubSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `X-App-Token` that is taken.
    pub app_token: String,
    /// Signs requests.
    pub secret_key: String,
    /// Whether `Authorization: Bearer` with the token is taken in place of a signature.
    pub bearer: bool,
    /// How far the clocks may be apart.
    pub window_ms: u64,
    /// Of a hundred applicants, so many are approved.
    pub approve_percent: u32,
    /// From the documents to the decision.
    pub delay_ms: u64,
    /// Whether documents hand themselves in.
    pub submits_alone: bool,
    /// Where events are posted; `None` for nowhere.
    pub webhook_url: Option<String>,
    /// Signs them.
    pub webhook_secret: String,
    /// When they are tried again.
    pub schedule: WebhookSchedule,
}

/// When a webhook that was not taken is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookSchedule {
    /// As the first design has it: 8 attempts within hours.
    Seed,
    /// As the provider documents it: 4 repetitions.
    Real,
}

/// Neonomics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeonomicsSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Of the OAuth 2 client.
    pub client_id: String,
    /// Of the OAuth 2 client.
    pub client_secret: String,
}

/// `DropPay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropPaySandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// TLS, where a client may show a certificate; registration and log-in want one.
    pub tls_listen: SocketAddr,
    /// The customer's number: country code 39, and neither plus nor zeros in front.
    pub username: String,
    /// And password.
    pub password: String,
}

/// The banks that can be in [`AspspConfig::banks`].
pub const ASPSP_BANKS: &[&str] = &["dnb", "nordea", "handelsbanken", "sparebank1", "bulder"];

pub(crate) fn sandbox(mut section: Section<'_>) -> Option<SandboxConfig> {
    let enabled = section.boolean("enabled", false).value;
    let config = SandboxConfig {
        certificates: folder(&mut section),
        aspsp: aspsp(section.table("aspsp")),
        sumsub: sumsub(section.table("sumsub")),
        neonomics: neonomics(section.table("neonomics")),
        droppay: droppay(section.table("droppay")),
        biller: biller(section.table("biller")),
        sms: sms(section.table("sms")),
        fcm: fcm(section.table("fcm")),
        mail: mail(section.table("mail")),
        didit: didit(section.table("didit")),
    };
    enabled.then_some(config)
}

fn aspsp(mut section: Section<'_>) -> Option<AspspConfig> {
    let enabled = section.boolean("enabled", true).value;
    let config = AspspConfig {
        listen: listen(&mut section, "listen", 8601),
        tls_listen: listen(&mut section, "tls_listen", 8602),
        banks: banks(&mut section),
        accept_ms: section.duration("accept", 500, 0..=600_000).value,
        settle_ms: section.duration("settle", 1_000, 0..=600_000).value,
        slow_sca_ms: section.duration("slow_sca", 30_000, 0..=600_000).value,
        decision_ms: section.duration("decision", 900_000, 1_000..=86_400_000).value,
        late_ms: section.duration("late", 330_000, 0..=86_400_000).value,
        push: section.boolean("push", true).value,
        totp_secret: totp(&mut section),
    };
    enabled.then_some(config)
}

fn banks(section: &mut Section<'_>) -> Vec<String> {
    let parse = |text: &str| match ASPSP_BANKS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected one of {}", ASPSP_BANKS.join(", "))),
    };
    let expected = "names of banks that the sandbox has";
    let found = section.list_or("banks", ASPSP_BANKS, expected, parse, String::clone);
    found.value.into_iter().map(|found| found.value).collect()
}

fn sumsub(mut section: Section<'_>) -> Option<SumsubSandbox> {
    const SCHEDULES: &[(&str, WebhookSchedule)] =
        &[("seed", WebhookSchedule::Seed), ("real", WebhookSchedule::Real)];
    let enabled = section.boolean("enabled", true).value;
    let config = SumsubSandbox {
        listen: listen(&mut section, "listen", 8603),
        app_token: section.title("app_token", "sbx:veksel").value,
        secret_key: section.title("secret_key", "sandbox-secret-key").value,
        bearer: section.boolean("bearer", false).value,
        window_ms: section.duration("window", 60_000, 1_000..=86_400_000).value,
        approve_percent: section.integer("approve_percent", 90, 0..=100).value,
        delay_ms: section.duration("delay", 3_000, 0..=600_000).value,
        submits_alone: section.boolean("submits_alone", false).value,
        webhook_url: address(&mut section),
        webhook_secret: section.title("webhook_secret", "sandbox-webhook-secret").value,
        schedule: section.choice("schedule", WebhookSchedule::Seed, SCHEDULES).value,
    };
    enabled.then_some(config)
}

fn neonomics(mut section: Section<'_>) -> Option<NeonomicsSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = NeonomicsSandbox {
        listen: listen(&mut section, "listen", 8604),
        client_id: section.title("client_id", "sandbox-client").value,
        client_secret: section.title("client_secret", "sandbox-client-secret").value,
    };
    enabled.then_some(config)
}

fn droppay(mut section: Section<'_>) -> Option<DropPaySandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = DropPaySandbox {
        listen: listen(&mut section, "listen", 8605),
        tls_listen: listen(&mut section, "tls_listen", 8606),
        username: section.title("username", "393351234567").value,
        password: section.title("password", "sandbox-password").value,
    };
    enabled.then_some(config)
}

fn biller(mut section: Section<'_>) -> Option<BillerSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = BillerSandbox {
        listen: listen(&mut section, "listen", 8651),
        api_key: section.title("api_key", "sandbox-key").value,
        hmac_key: line(&mut section, "hmac_key"),
    };
    enabled.then_some(config)
}

fn sms(mut section: Section<'_>) -> Option<SmsSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = SmsSandbox {
        listen: listen(&mut section, "listen", 8652),
        api_key: section.title("api_key", "sandbox-key").value,
    };
    enabled.then_some(config)
}

fn fcm(mut section: Section<'_>) -> Option<FcmSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = FcmSandbox { listen: listen(&mut section, "listen", 8653) };
    enabled.then_some(config)
}

fn mail(mut section: Section<'_>) -> Option<MailSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = MailSandbox {
        listen: listen(&mut section, "listen", 8654),
        smtp_listen: listen(&mut section, "smtp_listen", 8655),
        smtps_listen: listen(&mut section, "smtps_listen", 8656),
        user: line(&mut section, "user"),
        password: section.title("password", "sandbox-password").value,
    };
    enabled.then_some(config)
}

fn didit(mut section: Section<'_>) -> Option<DiditSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let workflow = "11111111-2222-3333-4444-555555555555";
    let config = DiditSandbox {
        listen: listen(&mut section, "listen", 8657),
        api_key: section.title("api_key", "sandbox-key").value,
        workflow: section.title("workflow", workflow).value,
        delay_ms: section.duration("delay", 3_000, 0..=600_000).value,
        submits_alone: section.boolean("submits_alone", false).value,
        webhook_url: address(&mut section),
        webhook_secret: section.title("webhook_secret", "sandbox-webhook-secret").value,
    };
    enabled.then_some(config)
}

/// At least 128 bits in Base32 (RFC 4226 4), or nothing.
fn totp(section: &mut Section<'_>) -> String {
    let parse = |text: &str| {
        let is_base32 = |b: u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b);
        let fits = text.is_empty() || (26..=128).contains(&text.len());
        match fits && text.bytes().all(is_base32) {
            true => Ok(text.to_owned()),
            false => Err("26 to 128 of A-Z and 2-7 are needed".to_owned()),
        }
    };
    let missing = Missing::Default(String::new());
    let expected = "a secret in Base32, or empty for none";
    section.parsed("totp_secret", missing, expected, parse, String::clone).value
}

/// A short text, or empty for none.
fn line(section: &mut Section<'_>, key: &'static str) -> String {
    let parse = |text: &str| match text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("this does not fit".to_owned()),
    };
    let missing = Missing::Default(String::new());
    let expected = "up to 64 printable characters without spaces";
    section.parsed(key, missing, expected, parse, String::clone).value
}

fn listen(section: &mut Section<'_>, key: &'static str, port: u16) -> SocketAddr {
    let missing = Missing::Default(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    section.parsed(key, missing, "IP:port", parse_listen, SocketAddr::to_string).value
}

fn folder(section: &mut Section<'_>) -> Option<PathBuf> {
    let folder = section.findings.source().folder.clone();
    let missing = Missing::Default(String::new());
    let expected = "a folder, or empty for a CA that is not kept";
    let parse = |text: &str| match text.contains('\0') {
        true => Err("it holds a zero byte".to_owned()),
        false => Ok(text.to_owned()),
    };
    let found: Found<String> =
        section.parsed("certificates", missing, expected, parse, String::clone);
    Some(found.value).filter(|text| !text.is_empty()).map(|text| folder.join(text))
}

fn address(section: &mut Section<'_>) -> Option<String> {
    let missing = Missing::Default(String::new());
    let expected = "http://host:port/path, or empty for none";
    let parse = |text: &str| match text.is_empty() || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => Err("this is no such address".to_owned()),
    };
    let found = section.parsed("webhook_url", missing, expected, parse, String::clone);
    Some(found.value).filter(|text| !text.is_empty())
}
