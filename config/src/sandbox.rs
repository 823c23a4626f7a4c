//! The sandboxes of third parties in the simulator file: where they listen and how they behave.
//!
//! What they answer is the simulator's. The keys and tokens here are those of a play and no
//! secrets: they are shown like any other value.

use crate::address::parse_listen;
use crate::findings::Found;
use crate::section::{Missing, Section};
use crate::tls::file;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Every sandbox, by the name of its section.
pub const SANDBOXES: &[&str] = &[
    "aspsp",
    "sumsub",
    "neonomics",
    "droppay",
    "oidc",
    "notify",
    "report",
    "shaype",
    "biller",
    "sms",
    "fcm",
    "mail",
    "didit",
];

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
    /// Where notifications end up.
    pub notify: Option<NotifySandbox>,
    /// Who signs people in.
    pub oidc: Option<OidcSandbox>,
    /// Where reports of the bank can be had without a password: a loopback address.
    pub report: Option<SocketAddr>,
    /// The card platform.
    pub shaype: Option<ShaypeSandbox>,
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
    /// What pushes are signed with; empty for not at all.
    pub push_secret: String,
    /// The secret, Base32, of one-time codes that approvals need; empty if they need none.
    pub totp_secret: String,
    /// Whether customers say who they are before they approve, at the sandbox `oidc`.
    pub bankid: bool,
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

/// Where notifications end up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySandbox {
    /// Plain HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
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

/// Shaype: it calls the endpoints of external authorisation. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaypeSandbox {
    /// Plain HTTP, for its keys and for what cards do; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whom it asks, `http://host:port` or the same with `https`.
    pub client_url: String,
    /// Certificates by which it believes whom it asks, PEM. There where an address is `https`.
    pub trust: Option<PathBuf>,
    /// How long it waits for a connection.
    pub connect_ms: u64,
    /// And for the answer after that.
    pub request_ms: u64,
    /// Its limits.
    pub limits: Vec<ShaypeLimit>,
    /// Accounts that load is made on, and their currency in three letters.
    pub accounts: Vec<(String, String)>,
    /// Where events are posted; `None` for nowhere.
    pub notify_url: Option<String>,
    /// The lasting token that events bring if none are fetched.
    pub notify_token: String,
    /// As whom it fetches tokens for events; `None` brings the lasting one.
    pub notify_client: Option<ShaypeClient>,
}

/// A client of OAuth 2 that fetches tokens with a secret (RFC 6749 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaypeClient {
    /// Where, whole.
    pub token_url: String,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whether both are sent in the body in place of a header (RFC 6749 2.3.1).
    pub is_in_body: bool,
}

/// A limit of the card platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaypeLimit {
    /// As the platform writes it.
    pub name: String,
    /// Minor units.
    pub amount: i64,
    /// Times in its window; `None` is any number.
    pub count: Option<u32>,
}

/// The limits that the card platform applies itself: the key of the setting, the platform's name,
/// and the default.
const SHAYPE_LIMITS: &[(&str, &str, &str)] = &[
    ("atm_withdrawal_per_day", "ATM_WITHDRAWAL_PER_DAY", "500000/10"),
    ("top_up_per_day", "TOP_UP_PER_DAY", "100000000"),
    ("card_payments_daily", "CARD_PAYMENTS_DAILY", "100000000"),
    ("payment_to_account_number", "PAYMENT_TO_ACCOUNT_NUMBER", "100000000"),
    ("single_card_transaction", "SINGLE_CARD_TRANSACTION", "5000000"),
    ("total_spend_per_year", "TOTAL_SPEND_PER_YEAR", "10000000000"),
];

/// The banks that can be in [`AspspConfig::banks`].
pub const ASPSP_BANKS: &[&str] =
    &["dnb", "nordea", "handelsbanken", "sparebank1", "bulder", "sbanken", "eika"];

pub(crate) fn sandbox(mut section: Section<'_>) -> Option<SandboxConfig> {
    let enabled = section.boolean("enabled", true).value;
    let oidc = oidc(section.table("oidc"));
    let config = SandboxConfig {
        certificates: folder(&mut section),
        aspsp: aspsp(section.table("aspsp"), oidc.is_some()),
        sumsub: sumsub(section.table("sumsub")),
        neonomics: neonomics(section.table("neonomics")),
        droppay: droppay(section.table("droppay")),
        notify: notify(section.table("notify")),
        oidc,
        report: report(section.table("report")),
        shaype: shaype(section.table("shaype")),
        biller: biller(section.table("biller")),
        sms: sms(section.table("sms")),
        fcm: fcm(section.table("fcm")),
        mail: mail(section.table("mail")),
        didit: didit(section.table("didit")),
    };
    enabled.then_some(config)
}

/// `people`: whether there is somebody who says who they are.
fn aspsp(mut section: Section<'_>, people: bool) -> Option<AspspConfig> {
    let enabled = section.boolean("enabled", true).value;
    let bankid = section.boolean("bankid", false);
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
        push_secret: push_secret(&mut section),
        totp_secret: totp(&mut section),
        bankid: bankid.value,
    };
    if enabled && bankid.value && !people {
        let (message, help) =
            ("nobody says who customers are", "`sandbox.oidc` must be enabled for `bankid`");
        section.findings.error(bankid.place, message, help);
    }
    enabled.then_some(config)
}

fn push_secret(section: &mut Section<'_>) -> String {
    let parse = |text: &str| {
        let fits = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
    };
    let missing = Missing::Default(String::new());
    let expected = "up to 64 printable characters";
    section.parsed("push_secret", missing, expected, parse, String::clone).value
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
        webhook_url: url_or_none(&mut section, "webhook_url"),
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

fn notify(mut section: Section<'_>) -> Option<NotifySandbox> {
    let enabled = section.boolean("enabled", true).value;
    let config = NotifySandbox { listen: listen(&mut section, "listen", 8608) };
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

fn report(mut section: Section<'_>) -> Option<SocketAddr> {
    let enabled = section.boolean("enabled", true).value;
    let missing = Missing::Default(SocketAddr::from((Ipv4Addr::LOCALHOST, 8595)));
    let parse = |text: &str| match parse_listen(text)? {
        address if address.ip().is_loopback() => Ok(address),
        _ => Err("it asks for no password, so only this machine may reach it".to_owned()),
    };
    let expected = "IP:port of this machine";
    let listen = section.parsed("listen", missing, expected, parse, SocketAddr::to_string).value;
    enabled.then_some(listen)
}

fn shaype(mut section: Section<'_>) -> Option<ShaypeSandbox> {
    let enabled = section.boolean("enabled", true).value;
    let limits = SHAYPE_LIMITS.iter().map(|(key, name, default)| {
        let missing = Missing::Default((*default).to_owned());
        let expected = "minor units, \"500000\", with \"/10\" at most ten times";
        let parse = |text: &str| amount(text).map(|_| text.to_owned());
        let found = section.parsed(key, missing, expected, parse, String::clone);
        let (amount, count) = amount(&found.value).unwrap_or_default();
        ShaypeLimit { name: (*name).to_owned(), amount, count }
    });
    let limits: Vec<ShaypeLimit> = limits.collect();
    let own = ["10000000009 NOK", "10000000010 NOK", "10000000011 USD"];
    let expected = "accounts and their currencies, \"10000000001 NOK\"";
    let show = |(account, currency): &(String, String)| format!("{account} {currency}");
    let accounts = section.list_or("accounts", &own, expected, account, show);
    let client_url = client(&mut section);
    let trust = file(&mut section, "trust");
    let notify_url = event_url(&mut section);
    let is_secret = |url: &str| url.starts_with("https://");
    let is_wanted = is_secret(&client_url) || notify_url.as_deref().is_some_and(is_secret);
    if enabled && is_wanted && trust.value.is_none() && trust.is_sound() {
        let message = "nothing says which certificate to believe";
        let help = "`trust` names a file with the CA, if an address begins with https";
        section.findings.error(trust.place, message, help);
    }
    let config = ShaypeSandbox {
        listen: listen(&mut section, "listen", 8609),
        client_url,
        trust: trust.value,
        connect_ms: section.duration("connect", 400, 1..=60_000).value,
        request_ms: section.duration("request", 500, 1..=60_000).value,
        limits,
        accounts: accounts.value.into_iter().map(|found| found.value).collect(),
        notify_url,
        notify_token: section.title("notify_token", "sandbox-notify-token").value,
        notify_client: shaype_client(&mut section),
    };
    if config.notify_client.is_some() && config.notify_url.is_none() {
        let help = "name in `notify_url` where events are posted";
        let message = "tokens for events, and events go nowhere";
        section.findings.error(section.place(), message, help);
    }
    enabled.then_some(config)
}

fn shaype_client(section: &mut Section<'_>) -> Option<ShaypeClient> {
    let token_url = url_or_none(section, "notify_token_url");
    let id = section.title("notify_client_id", "sandbox-platform").value;
    let secret = section.title("notify_client_secret", "sandbox-notify-secret").value;
    let ways = [("client_secret_basic", false), ("client_secret_post", true)];
    let is_in_body = section.choice("notify_client_auth", false, &ways).value;
    token_url.map(|token_url| ShaypeClient { token_url, id, secret, is_in_body })
}

fn client(section: &mut Section<'_>) -> String {
    let missing = Missing::Default("http://127.0.0.1:8581".to_owned());
    let parse = |text: &str| match is_http(text) && !text.ends_with('/') {
        true => Ok(text.to_owned()),
        false => Err("this is no such address".to_owned()),
    };
    let expected = "http://host:port or https://host:port, without a slash at the end";
    section.parsed("client_url", missing, expected, parse, String::clone).value
}

fn event_url(section: &mut Section<'_>) -> Option<String> {
    let expected = "http://host:port/path, the same with https, or empty for none";
    one_or_none(section, "notify_url", expected, is_http)
}

fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// `500000`, minor units, or `500000/10`.
fn amount(text: &str) -> Result<(i64, Option<u32>), String> {
    let read = || {
        let (amount, count) = match text.split_once('/') {
            Some((amount, count)) => (amount, Some(count.parse().ok()?)),
            None => (text, None),
        };
        let amount = amount.parse().ok().filter(|amount: &i64| *amount >= 0)?;
        Some((amount, count))
    };
    read().ok_or_else(|| "this is no such limit".to_owned())
}

fn account(text: &str) -> Result<(String, String), String> {
    let (account, currency) = text.split_once(' ').unwrap_or_default();
    let fits = (1..=28).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_graphic())
        && currency.len() == 3
        && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    let both = (account.to_owned(), currency.to_owned());
    fits.then_some(both)
        .ok_or_else(|| "an account, a space and three letters are needed".to_owned())
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
        webhook_url: url_or_none(&mut section, "webhook_url"),
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

fn url_or_none(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let expected = "http://host:port/path, or empty for none";
    one_or_none(section, key, expected, |text| text.starts_with("http://"))
}

fn one_or_none(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    fits: fn(&str) -> bool,
) -> Option<String> {
    let missing = Missing::Default(String::new());
    let parse = |text: &str| match text.is_empty() || fits(text) {
        true => Ok(text.to_owned()),
        false => Err("this is no such address".to_owned()),
    };
    let found = section.parsed(key, missing, expected, parse, String::clone);
    Some(found.value).filter(|text| !text.is_empty())
}
