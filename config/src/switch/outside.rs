//! The sections about third parties: banks over HTTP, identity checks, who is paid, and where we
//! are called. Value by value, and straight to what the engine and the adapters are told; what
//! depends on other sections is checked in [`super::between`].
//!
//! A file without these sections has none of it.

mod bank;
mod bankid;
mod caller;
mod extauth;
mod kinds;
mod provider;

use crate::address::parse_listen;
use crate::bridge::{
    BankConfig, CallerConfig, DiditConfig, HttpConfig, KycConfig, KycProvider, NoticesConfig,
    ProvidersConfig, SecretSource, TokenConfig,
};
use crate::findings::{Found, Place};
use crate::section::{Missing, Section};
use crate::tls::{Clients, ListenTls, listen_tls};
pub(super) use bankid::{BankId, bare as bare_addresses};
pub(super) use caller::Caller;
pub(super) use extauth::{ExtAuth, HOLD_LIFE_MIN};
pub(super) use kinds::{as_url, host_of, is_private_host, one_line, optional_secret, secret};
use kinds::{call, missed, named_file, url, variable};
pub(crate) use provider::read_api;
pub(super) use provider::{Api, Email, Push, Sms};
use std::net::{Ipv4Addr, SocketAddr};
use veksel_core::fact::ApprovalMode;
use veksel_core::plan::{BankPlan, KycPlan, PayeePlan, TierPlan};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u32 = 1_024;

/// Most banks, most callers, and most payees.
const BANKS_MAX: usize = 256;
const CALLERS_MAX: usize = 256;
const PAYEES_MAX: usize = 10_000;

/// All of it.
pub(super) struct Outside {
    pub(super) banks: Vec<Bank>,
    pub(super) kyc: Option<Kyc>,
    pub(super) http: Option<Http>,
    pub(super) callers: Vec<Caller>,
    pub(super) identity: Option<BankId>,
    pub(super) extauth: Option<ExtAuth>,
    pub(super) payees: Vec<(Found<String>, PayeePlan)>,
    pub(super) providers: Providers,
}

/// Billers, and who tells customers something.
pub(super) struct Providers {
    pub(super) bill: Option<Api>,
    pub(super) sms: Option<Sms>,
    pub(super) email: Option<Email>,
    pub(super) push: Option<Push>,
    pub(super) notices: Option<NoticesConfig>,
}

impl Providers {
    fn read(root: &mut Section<'_>) -> Self {
        Self {
            bill: root.has("bill").then(|| Api::bill(root.table("bill"))),
            sms: root.has("sms").then(|| Sms::read(root.table("sms"))),
            email: root.has("email").then(|| Email::read(root.table("email"))),
            push: root.has("push").then(|| Push::read(root.table("push"))),
            notices: match root.has("notices") {
                true => provider::notices(root.table("notices")),
                false => None,
            },
        }
    }

    pub(super) fn into_config(self) -> ProvidersConfig {
        ProvidersConfig {
            bill: self.bill.map(|bill| bill.config),
            sms: self.sms.map(|sms| (sms.api.config, sms.sender)),
            email: self.email.map(|email| email.config),
            push: self.push.map(|push| push.config),
            notices: self.notices,
        }
    }
}

pub(super) struct Bank {
    pub(super) name: Found<String>,
    pub(super) url: Found<String>,
    pub(super) mode: Found<ApprovalMode>,
    pub(super) attended: Found<Vec<Found<String>>>,
    pub(super) deadlines: [(&'static str, Found<u64>); 3],
    /// Where tokens are had, if there is a gateway.
    pub(super) token_url: Option<Found<String>>,
    /// Where its customers approve, if it has a server for that.
    pub(super) approval: Option<Found<String>>,
    /// Where its customers come back to, if that is said.
    pub(super) callback_url: Found<String>,
    /// `None` if it is sent to nobody.
    pub(super) psu_ip: Option<Found<String>>,
    /// Without `attended`, which names participants.
    pub(super) plan: BankPlan,
    pub(super) config: BankConfig,
}

pub(super) struct Kyc {
    pub(super) url: Found<String>,
    pub(super) plan: KycPlan,
    pub(super) config: KycConfig,
}

pub(super) struct Http {
    pub(super) listen: Found<SocketAddr>,
    pub(super) public_url: Found<String>,
    pub(super) allow_plaintext: Found<bool>,
    pub(super) tls: Found<Option<ListenTls>>,
    pub(super) answer: Found<u64>,
    pub(super) config: HttpConfig,
}

impl Outside {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let count = |root: &mut Section<'_>, key: &'static str, most: usize| {
            let count = root.count(key);
            if count > most {
                root.findings.error(Place::Default, format!("more than {most} [[{key}]]"), "");
            }
            count.min(most)
        };
        let banks = 0..count(root, "aspsp", BANKS_MAX);
        let banks = banks.map(|index| Bank::read(root.element("aspsp", index))).collect();
        let kyc = root.has("kyc").then(|| Kyc::read(root.table("kyc")));
        let http = root.has("http").then(|| Http::read(root.table("http")));
        let identity = root.has("identity").then(|| BankId::read(root.table("identity")));
        let callers = 0..count(root, "caller", CALLERS_MAX);
        let callers = callers.map(|index| Caller::read(root.element("caller", index))).collect();
        let extauth = root.has("extauth").then(|| ExtAuth::read(root.table("extauth")));
        let payees = 0..count(root, "payee", PAYEES_MAX);
        let payees = payees.map(|index| payee(root.element("payee", index))).collect();
        let providers = Providers::read(root);
        Self { banks, kyc, http, identity, callers, extauth, payees, providers }
    }
}

impl Kyc {
    fn read(mut section: Section<'_>) -> Self {
        let is_didit = section.choice("provider", false, &[("sumsub", false), ("didit", true)]);
        let known = match is_didit.value {
            true => "https://verification.didit.me",
            false => "https://api.sumsub.com",
        };
        let url = url(&mut section, Missing::Default(known.to_owned()));
        let call = call(&mut section, &url);
        let (didit, didit_secret) = didit(&mut section.table("didit"), is_didit.value);
        let app_token =
            secret(&mut section, ["app_token_file", "app_token_env"], "SUMSUB_APP_TOKEN");
        let secret_key =
            secret(&mut section, ["secret_key_file", "secret_key_env"], "SUMSUB_SECRET_KEY");
        let folder = section.findings.source().folder.clone();
        let files = section.list(
            "webhook_secret_files",
            None,
            "names of files",
            |text| {
                if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
            },
            String::clone,
        );
        let variable = variable(&mut section, "webhook_secret_env", "SUMSUB_WEBHOOK_SECRET");
        let webhook_secrets = match files.value.is_empty() {
            true if is_didit.value => vec![SecretSource::Env(didit_secret)],
            true => vec![SecretSource::Env(variable.value)],
            false => {
                let path = |item: Found<String>| {
                    let path = folder.join(item.value);
                    missed(&mut section, "webhook_secret_files", item.place, Some(&path));
                    SecretSource::File(path)
                };
                files.value.into_iter().map(path).collect()
            }
        };
        let labels = ["BLOCKLIST", "FORGERY", "FRAUDULENT_PATTERNS", "SELFIE_MISMATCH", "CRIMINAL"];
        let labels =
            section.list_or("risk_labels", &labels, "labels of a refusal", word, String::clone);
        let config = KycConfig {
            call,
            provider: if is_didit.value { KycProvider::Didit(didit) } else { KycProvider::Sumsub },
            app_token,
            secret_key,
            webhook_secrets,
            allow_sha1: section.boolean("allow_sha1", false).value,
            level: one_line(&mut section, "level", "basic-kyc-level", 128),
            token_seconds: seconds(section.duration("token", 30 * MINUTE, MINUTE..=DAY).value),
            risk_labels: labels.value.into_iter().map(|item| item.value).collect(),
            posts_max: section.integer("posts_max", 50, 1..=100_000).value,
            gets_max: section.integer("gets_max", 300, 1..=100_000).value,
        };
        let default = KycPlan::default();
        let tiers = section.list("tiers", None, "limits, \"level=100000 578\"", tier, show_tier);
        let plan = KycPlan {
            required: section.boolean("required", true).value,
            age_ms_max: section.duration("age_max", default.age_ms_max, 0..=3_650 * DAY).value,
            document_grace_ms: section
                .duration("document_grace", default.document_grace_ms, 0..=365 * DAY)
                .value,
            years_min: section.integer("years_min", default.years_min, 0..=120).value,
            tiers: tiers.value.into_iter().map(|item| item.value).collect(),
        };
        Self { url, plan, config }
    }
}

/// What only Didit has, and the variable with the secret of its webhooks.
fn didit(section: &mut Section<'_>, is_used: bool) -> (DiditConfig, String) {
    let api_key = secret(section, ["api_key_file", "api_key_env"], "DIDIT_API_KEY");
    let workflow = one_line(section, "workflow", "", 64);
    if is_used && workflow.is_empty() {
        let message = "`provider` is \"didit\" and there is no workflow";
        let help = "say its id by `workflow` in [kyc.didit]";
        let place = section.place();
        section.findings.error(place, message, help);
    }
    let expected = "an address, or empty for that of the workflow";
    let parse = |text: &str| if text.is_empty() { Ok(String::new()) } else { as_url(text) };
    let missing = Missing::Default(String::new());
    let callback = section.parsed("callback", missing, expected, parse, String::clone).value;
    let allow_simple = section.boolean("allow_simple", false).value;
    let secret = variable(section, "webhook_secret_env", "DIDIT_WEBHOOK_SECRET").value;
    (DiditConfig { api_key, workflow, callback, allow_simple }, secret)
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / SECOND).unwrap_or(u32::MAX)
}

fn word(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned()).ok_or_else(|| "this is no label".to_owned())
}

/// `level=100000 578`: minor units and the currency.
fn tier(text: &str) -> Result<TierPlan, String> {
    let read = || {
        let (level, limit) = text.rsplit_once('=')?;
        let (amount, currency) = limit.split_once(' ')?;
        let currency = currency.parse().ok().filter(|_| currency.len() == 3)?;
        let fits = (1..=128).contains(&level.len()) && !level.chars().any(char::is_control);
        fits.then_some(TierPlan {
            level: level.to_owned(),
            amount_max: amount.parse().ok()?,
            currency,
        })
    };
    read().ok_or_else(|| "a level, minor units and three digits of ISO 4217 are needed".to_owned())
}

fn show_tier(tier: &TierPlan) -> String {
    format!("{}={} {:03}", tier.level, tier.amount_max, tier.currency)
}

impl Http {
    fn read(mut section: Section<'_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8_581));
        let missing = Missing::Default(default);
        let listen =
            section.parsed("listen", missing, "IP:port", parse_listen, SocketAddr::to_string);
        let missing = Missing::Default("http://127.0.0.1:8581".to_owned());
        let expected = "an address, http:// or https://, without a slash at the end";
        let public_url = section.parsed("public_url", missing, expected, as_url, String::clone);
        let allow_plaintext = section.boolean("allow_plaintext", false);
        let body_max = section.size("body_max", 64 * KIB, KIB..=16_384 * KIB);
        let token = optional_secret(&mut section, ["token_file", "token_env"], "");
        let dialect = section.dialect();
        let answer = section.duration("answer", 20 * SECOND, 3 * SECOND..=50 * SECOND);
        let tokens = tokens(&mut section);
        // Customers come here with browsers, which have no certificate to show.
        let tls = listen_tls(section.table("tls"), Clients::None);
        let config = HttpConfig {
            listen: listen.value,
            public_url: public_url.value.clone(),
            allow_plaintext: allow_plaintext.value,
            tls: tls.value.clone(),
            body_max: body_max.value,
            token,
            dialect: dialect.value,
            answer_ms: answer.value,
            tokens,
        };
        Self { listen, public_url, allow_plaintext, tls, answer, config }
    }
}

/// The keys of tokens, and what their tokens must say: all three, or none.
fn tokens(section: &mut Section<'_>) -> Option<TokenConfig> {
    let keys = named_file(section, "token_keys", "the name of a JSON file, or empty");
    let word = |section: &mut Section<'_>, key| {
        let missing = Missing::Default(String::new());
        let parse = |text: &str| {
            let fits = text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
        };
        section.parsed(key, missing, "up to 255 characters without spaces", parse, String::clone)
    };
    let (issuer, audience) = (word(section, "token_issuer"), word(section, "token_audience"));
    let place = keys.place.or(issuer.place).or(audience.place);
    let are_sound = keys.is_sound() && issuer.is_sound() && audience.is_sound();
    let is_any = keys.value.is_some() || !issuer.value.is_empty() || !audience.value.is_empty();
    let (issuer, audience) = (issuer.value, audience.value);
    match keys.value {
        Some(keys) if !issuer.is_empty() && !audience.is_empty() => {
            Some(TokenConfig { keys, issuer, audience })
        }
        _ => {
            if is_any && are_sound {
                let message = "`token_keys`, `token_issuer` and `token_audience` belong together";
                section.findings.error(place, message.to_owned(), "say all three, or none");
            }
            None
        }
    }
}

fn payee(mut section: Section<'_>) -> (Found<String>, PayeePlan) {
    let missing = |example| Missing::Required { example, stand_in: "?".to_owned() };
    let printable = |most: usize| {
        move |text: &str| {
            let fits = (1..=most).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
                && text.trim() == text;
            fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
        }
    };
    let example = "\"MERCHANT0000001\"";
    let expected = "1 to 30 characters without spaces around them";
    let id = section.parsed("id", missing(example), expected, printable(30), String::clone);
    let account = section.parsed(
        "account",
        missing("\"NO9386011117947\""),
        "an IBAN or a domestic number, without spaces",
        |text| {
            let fits =
                (1..=34).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
            fits.then(|| text.to_owned())
                .ok_or_else(|| "no account is written like this".to_owned())
        },
        String::clone,
    );
    let expected = "1 to 70 characters without spaces around them";
    let example = "\"Kiosk AS\"";
    let name = section.parsed("holder", missing(example), expected, printable(70), String::clone);
    let plan = PayeePlan { id: id.value.clone(), account: account.value, name: name.value };
    (id, plan)
}
