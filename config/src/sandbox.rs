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
    /// Who signs people in.
    pub oidc: Option<OidcSandbox>,
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

/// A provider of `OpenID` Connect that plays `BankID` and ID-porten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Of the one client that is known.
    pub client_id: String,
    /// Of that client.
    pub client_secret: String,
    /// Where its people may be sent back to, each exactly.
    pub redirect_uris: Vec<String>,
    /// How long a code is good, in milliseconds.
    pub code_ms: u64,
    /// How long a token is good, in milliseconds.
    pub token_ms: u64,
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
        oidc: oidc(section.table("oidc")),
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

fn oidc(mut section: Section<'_>) -> Option<OidcSandbox> {
    const CALLBACK: &str = "http://127.0.0.1:8581/api/auth/bankid/callback";
    let enabled = section.boolean("enabled", true).value;
    let parse = |text: &str| match text.contains("://") && !text.contains(['#', ' ']) {
        true => Ok(text.to_owned()),
        false => Err("this is no such address".to_owned()),
    };
    let expected = "whole addresses, without a fragment";
    let uris = section.list_or("redirect_uris", &[CALLBACK], expected, parse, String::clone);
    let config = OidcSandbox {
        listen: listen(&mut section, "listen", 8607),
        client_id: section.title("client_id", "sandbox-client").value,
        client_secret: section.title("client_secret", "sandbox-client-secret").value,
        redirect_uris: uris.value.into_iter().map(|found| found.value).collect(),
        code_ms: section.duration("code", 60_000, 1_000..=600_000).value,
        token_ms: section.duration("token", 300_000, 1_000..=86_400_000).value,
    };
    enabled.then_some(config)
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
