//! The sections about third parties: banks over HTTP, identity checks, who is paid, and where we
//! are called. Value by value, and straight to what the engine and the adapters are told; what
//! depends on other sections is checked in [`super::between`].
//!
//! A file without these sections has none of it.

mod kinds;

use crate::address::parse_listen;
use crate::bridge::{
    BankConfig, BankProfile, HttpConfig, KycConfig, OauthConfig, PsuHeaders, Quirks, RequestId,
    SecretSource,
};
use crate::findings::{Found, Place};
use crate::section::{Missing, Section, as_name};
use kinds::variable;
use kinds::{as_url, call, identity, is_private, needed, one_line, optional_secret, secret, url};
pub(super) use kinds::{host_of, is_private_host};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use veksel_codecs::ResponseCode;
use veksel_core::fact::{ApprovalMode, PaymentStatus};
use veksel_core::plan::{Acceptance, BankPlan, Deadlines, KycPlan, PayeePlan, TierPlan};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u32 = 1_024;

/// Most banks, and most payees.
const BANKS_MAX: usize = 256;
const PAYEES_MAX: usize = 10_000;

const PROFILES: [(&str, Profile); 3] = [
    ("berlin_group", Profile::BerlinGroup),
    ("neonomics", Profile::Neonomics),
    ("droppay", Profile::DropPay),
];
const MODES: [(&str, ApprovalMode); 4] = [
    ("pending", ApprovalMode::Pending),
    ("wait_inline", ApprovalMode::WaitInline),
    ("soft_decline", ApprovalMode::SoftDecline),
    ("approve_pending", ApprovalMode::ApprovePending),
];
const PSU_HEADERS: [(&str, PsuHeaders); 3] = [
    ("required", PsuHeaders::Required),
    ("if_present", PsuHeaders::IfPresent),
    ("forbidden", PsuHeaders::Forbidden),
];
const REQUEST_IDS: [(&str, RequestId); 2] =
    [("per_attempt", RequestId::PerAttempt), ("stable", RequestId::Stable)];

/// What a bank speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    BerlinGroup,
    Neonomics,
    DropPay,
}

/// All of it.
pub(super) struct Outside {
    pub(super) banks: Vec<Bank>,
    pub(super) kyc: Option<Kyc>,
    pub(super) http: Option<Http>,
    pub(super) payees: Vec<(Found<String>, PayeePlan)>,
}

pub(super) struct Bank {
    pub(super) name: Found<String>,
    pub(super) url: Found<String>,
    pub(super) mode: Found<ApprovalMode>,
    pub(super) attended: Found<Vec<Found<String>>>,
    pub(super) deadlines: [(&'static str, Found<u64>); 3],
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
        let payees = 0..count(root, "payee", PAYEES_MAX);
        let payees = payees.map(|index| payee(root.element("payee", index))).collect();
        Self { banks, kyc, http, payees }
    }
}

impl Bank {
    fn read(mut section: Section<'_>) -> Self {
        let name = section.name("name", "\"nordbank\"");
        let profile = section.choice("profile", Profile::BerlinGroup, &PROFILES);
        let url = url(
            &mut section,
            Missing::Required {
                example: "\"https://api.bank.example/psd2\"",
                stand_in: String::new(),
            },
        );
        let call = call(&mut section, &url);
        let default = BankPlan::named(&name.value);
        let mode = section.choice("mode", default.mode, &MODES);
        let deadlines = deadlines(section.table("deadlines"), default.deadlines);
        let plan = BankPlan {
            accept: acceptance(&mut section, &default.accept),
            mode: mode.value,
            soft_decline: soft_decline(&mut section, default.soft_decline),
            deadlines: Deadlines {
                payment_ms: deadlines[0].1.value,
                inquiry_ms: deadlines[1].1.value,
                statement_ms: deadlines[2].1.value,
            },
            approval_ms: section.duration("approval", default.approval_ms, 10 * SECOND..=DAY).value,
            cache_ms: section.duration("cache", default.cache_ms, 0..=7 * DAY).value,
            stale_ms: section.duration("stale", default.stale_ms, 0..=7 * DAY).value,
            cache_without_consent: section
                .boolean("cache_without_consent", default.cache_without_consent)
                .value,
            unattended_max: section.integer("unattended_max", default.unattended_max, 0..=96).value,
            consent_ms: section.duration("consent", default.consent_ms, HOUR..=730 * DAY).value,
            advises: section.boolean("advises", default.advises).value,
            ..default
        };
        let attended = section.list("attended", None, "names", as_name, String::clone);
        let quirks = quirks(&mut section);
        let plan = BankPlan { deduplicates: quirks.deduplicates, ..plan };
        let config = BankConfig {
            name: name.value.clone(),
            profile: profile_of(&mut section, profile.value),
            call,
            quirks,
        };
        Self { name, url, mode, attended, deadlines, plan, config }
    }
}

fn deadlines(mut section: Section<'_>, default: Deadlines) -> [(&'static str, Found<u64>); 3] {
    let mut read = |key, default| (key, section.duration(key, default, 100..=10 * MINUTE));
    [
        read("payment", default.payment_ms),
        read("inquiry", default.inquiry_ms),
        read("statement", default.statement_ms),
    ]
}

fn acceptance(section: &mut Section<'_>, default: &Acceptance) -> Acceptance {
    let words: Vec<&str> = default.statuses.iter().map(|status| status.word()).collect();
    let parse = |text: &str| {
        let status = PaymentStatus::parse(text)
            .filter(|status| !matches!(status, PaymentStatus::Rejected | PaymentStatus::Cancelled));
        status.ok_or_else(|| "no payment is accepted by this".to_owned())
    };
    let expected = "codes of ISO 20022 by which a payment is accepted";
    let accept =
        section.list_or("accept", &words, expected, parse, |status| status.word().to_owned());
    if accept.is_sound() && accept.value.is_empty() {
        let help = "its payments would all expire";
        section.findings.error(accept.place, "`accept` must not be empty", help);
    }
    Acceptance {
        statuses: accept.value.into_iter().map(|status| status.value).collect(),
        needs_approval: section.boolean("accept_needs_approval", default.needs_approval).value,
    }
}

fn soft_decline(section: &mut Section<'_>, default: ResponseCode) -> ResponseCode {
    let parse = |text: &str| {
        let code = ResponseCode::parse(text).filter(|code| !code.is_approval());
        code.ok_or_else(|| "this is no code of a refusal".to_owned())
    };
    let missing = Missing::Default(default);
    let show = |code: &ResponseCode| code.as_str().to_owned();
    section.parsed("soft_decline", missing, "two characters of DE39", parse, show).value
}

fn profile_of(section: &mut Section<'_>, profile: Profile) -> BankProfile {
    match profile {
        Profile::BerlinGroup => {
            let seal = identity(section, "seal_certificate", "seal_key");
            let oauth = oauth(section.table("oauth"), false);
            BankProfile::BerlinGroup { seal, oauth }
        }
        Profile::Neonomics => {
            let bank_id = needed(section, "bank_id", "\"RG5iLm5vLnYxQk5P\"");
            let device_id = needed(section, "device_id", "\"veksel-1\"");
            let oauth = oauth(section.table("oauth"), true).unwrap_or_else(|| OauthConfig {
                token_url: String::new(),
                client_id: SecretSource::Env(String::new()),
                client_secret: SecretSource::Env(String::new()),
                scope: String::new(),
            });
            BankProfile::Neonomics { oauth, bank_id, device_id }
        }
        Profile::DropPay => BankProfile::DropPay {
            username: secret(section, ["username_file", "username_env"], "DROPPAY_USERNAME"),
            password: secret(section, ["password_file", "password_env"], "DROPPAY_PASSWORD"),
        },
    }
}

/// An OAuth 2 client, if it has an address.
fn oauth(mut section: Section<'_>, is_needed: bool) -> Option<OauthConfig> {
    let token_url = section.parsed(
        "token_url",
        Missing::Default(String::new()),
        "an address, or empty",
        |text| if text.is_empty() { Ok(String::new()) } else { as_url(text) },
        String::clone,
    );
    let keys = ["client_id_file", "client_id_env"];
    let client_id = secret(&mut section, keys, "OPENBANKING_CLIENT_ID");
    let keys = ["client_secret_file", "client_secret_env"];
    let client_secret = secret(&mut section, keys, "OPENBANKING_CLIENT_SECRET");
    let scope = one_line(&mut section, "scope", "", 256);
    if is_needed && token_url.is_sound() && token_url.value.is_empty() {
        let place = token_url.place.or(section.place());
        section.findings.error(place, "`token_url` is needed", "tokens are had there");
    }
    let token_url = token_url.value;
    (!token_url.is_empty()).then_some(OauthConfig { token_url, client_id, client_secret, scope })
}

fn quirks(section: &mut Section<'_>) -> Quirks {
    let default = Quirks::default();
    let show = |(currency, product): &(String, String)| format!("{currency}={product}");
    let products: Vec<String> = default.products.iter().map(show).collect();
    let products: Vec<&str> = products.iter().map(String::as_str).collect();
    let expected = "products by currency, \"NOK=norwegian-domestic-credit-transfers\"";
    let products = section.list_or("products", &products, expected, product, show);
    let psu_ip = section.parsed(
        "psu_ip",
        Missing::Default(default.psu_ip),
        "a public IP address",
        |text| match text.parse::<IpAddr>() {
            Ok(address) if !is_private(address) => Ok(text.to_owned()),
            Ok(_) => Err("this is one of a private network".to_owned()),
            Err(_) => Err("this is no IP address".to_owned()),
        },
        String::clone,
    );
    Quirks {
        products: products.value.into_iter().map(|item| item.value).collect(),
        psu_headers: section.choice("psu_headers", default.psu_headers, &PSU_HEADERS).value,
        psu_ip: psu_ip.value,
        deduplicates: section.boolean("deduplicates", default.deduplicates).value,
        request_id: section.choice("request_id", default.request_id, &REQUEST_IDS).value,
        remittance_max: section.integer("remittance_max", default.remittance_max, 20..=140).value,
        keeps_letters: section.boolean("keeps_letters", default.keeps_letters).value,
        wants_push: section.boolean("wants_push", default.wants_push).value,
        rejects_no_funds: section.boolean("rejects_no_funds", default.rejects_no_funds).value,
    }
}

fn product(text: &str) -> Result<(String, String), String> {
    let fits = |currency: &str, product: &str| {
        let is_currency = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        let is_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (is_currency || currency == "*")
            && (1..=70).contains(&product.len())
            && product.bytes().all(is_path)
    };
    match text.split_once('=') {
        Some((currency, product)) if fits(currency, product) => {
            Ok((currency.to_owned(), product.to_owned()))
        }
        Some(_) | None => Err("write it as \"NOK=product\" or \"*=product\"".to_owned()),
    }
}

impl Kyc {
    fn read(mut section: Section<'_>) -> Self {
        let url = url(&mut section, Missing::Default("https://api.sumsub.com".to_owned()));
        let call = call(&mut section, &url);
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
            true => vec![SecretSource::Env(variable.value)],
            false => {
                let path = |item: Found<String>| SecretSource::File(folder.join(item.value));
                files.value.into_iter().map(path).collect()
            }
        };
        let labels = ["BLOCKLIST", "FORGERY", "FRAUDULENT_PATTERNS", "SELFIE_MISMATCH", "CRIMINAL"];
        let labels =
            section.list_or("risk_labels", &labels, "labels of a refusal", word, String::clone);
        let config = KycConfig {
            call,
            app_token,
            secret_key,
            webhook_secrets,
            allow_sha1: section.boolean("allow_sha1", false).value,
            level: one_line(&mut section, "level", "basic-kyc-level", 128),
            token_seconds: seconds(section.duration("token", 30 * MINUTE, MINUTE..=DAY).value),
            risk_labels: labels.value.into_iter().map(|item| item.value).collect(),
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
        let token = optional_secret(&mut section, ["token_file", "token_env"]);
        let config = HttpConfig {
            listen: listen.value,
            public_url: public_url.value.clone(),
            allow_plaintext: allow_plaintext.value,
            body_max: body_max.value,
            token,
        };
        Self { listen, public_url, allow_plaintext, config }
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
