//! A bank: value by value, and straight to what the engine and its adapter are told.

use super::kinds::{as_url, call, identity, is_private, needed, one_line, secret, url};
use super::{Bank, DAY, HOUR, MINUTE, SECOND};
use crate::bridge::{
    BankConfig, BankProfile, OauthConfig, PsuHeaders, Quirks, RequestId, SecretSource,
};
use crate::findings::Found;
use crate::section::{Missing, Section, as_name};
use std::net::IpAddr;
use veksel_codecs::ResponseCode;
use veksel_core::fact::{ApprovalMode, PaymentStatus};
use veksel_core::plan::{Acceptance, BankPlan, Deadlines};

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

impl Bank {
    pub(super) fn read(mut section: Section<'_>) -> Self {
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
        let (quirks, psu_ip) = quirks(&mut section, profile.value);
        let psu_ip = (profile.value != Profile::DropPay).then_some(psu_ip);
        let plan = BankPlan { deduplicates: quirks.deduplicates, ..plan };
        let (profile, token_url) = profile_of(&mut section, profile.value);
        let config = BankConfig { name: name.value.clone(), profile, call, quirks };
        Self { name, url, mode, attended, deadlines, token_url, psu_ip, plan, config }
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
        let status = PaymentStatus::parse(text).filter(|status| !is_nothing(*status));
        status.ok_or_else(|| "no payment is accepted by this".to_owned())
    };
    let expected = "codes of ISO 20022 by which a payment is accepted";
    let accept =
        section.list_or("accept", &words, expected, parse, |status| status.word().to_owned());
    if accept.is_sound() && accept.value.is_empty() {
        let help = "its payments would all expire";
        section.findings.error(accept.place, "`accept` must not be empty", help);
    }
    let needs_approval = section.boolean("accept_needs_approval", default.needs_approval);
    let early = accept.value.iter().find(|status| is_early(status.value));
    if let (Some(early), false, true) = (early, needs_approval.value, needs_approval.is_sound()) {
        let message = format!("{} may come before the customer has approved", early.value.word());
        let help = "`accept_needs_approval = true` waits for the approval too";
        section.findings.warning(early.place, message, help);
    }
    Acceptance {
        statuses: accept.value.into_iter().map(|status| status.value).collect(),
        needs_approval: needs_approval.value,
    }
}

/// Whether a status says nothing of whether a payment will be made, or that it will not.
const fn is_nothing(status: PaymentStatus) -> bool {
    matches!(
        status,
        PaymentStatus::Received
            | PaymentStatus::Pending
            | PaymentStatus::PartlyAuthorised
            | PaymentStatus::Partial
            | PaymentStatus::Rejected
            | PaymentStatus::Cancelled
    )
}

/// Whether banks say it of payments that their customer has not approved yet.
const fn is_early(status: PaymentStatus) -> bool {
    matches!(
        status,
        PaymentStatus::Technical | PaymentStatus::FundsChecked | PaymentStatus::CustomerProfile
    )
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

fn profile_of(section: &mut Section<'_>, profile: Profile) -> (BankProfile, Option<Found<String>>) {
    match profile {
        Profile::BerlinGroup => {
            let seal = identity(section, "seal_certificate", "seal_key");
            let (oauth, token_url) = oauth(section.table("oauth"), false);
            (BankProfile::BerlinGroup { seal, oauth }, Some(token_url))
        }
        Profile::Neonomics => {
            let bank_id = needed(section, "bank_id", "\"RG5iLm5vLnYxQk5P\"");
            let device_id = needed(section, "device_id", "\"veksel-1\"");
            let (oauth, token_url) = oauth(section.table("oauth"), true);
            let oauth = oauth.unwrap_or_else(|| OauthConfig {
                token_url: String::new(),
                client_id: SecretSource::Env(String::new()),
                client_secret: SecretSource::Env(String::new()),
                scope: String::new(),
            });
            (BankProfile::Neonomics { oauth, bank_id, device_id }, Some(token_url))
        }
        Profile::DropPay => {
            let username = secret(section, ["username_file", "username_env"], "DROPPAY_USERNAME");
            let password = secret(section, ["password_file", "password_env"], "DROPPAY_PASSWORD");
            (BankProfile::DropPay { username, password }, None)
        }
    }
}

/// An OAuth 2 client, if it has an address.
fn oauth(mut section: Section<'_>, is_needed: bool) -> (Option<OauthConfig>, Found<String>) {
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
    let config =
        OauthConfig { token_url: token_url.value.clone(), client_id, client_secret, scope };
    ((!token_url.value.is_empty()).then_some(config), token_url)
}

fn quirks(section: &mut Section<'_>, profile: Profile) -> (Quirks, Found<String>) {
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
    let deduplicates = section.boolean("deduplicates", default.deduplicates);
    let request_id = section.choice("request_id", default.request_id, &REQUEST_IDS);
    if deduplicates.value && deduplicates.is_sound() && request_id.is_sound() {
        let wrong = match (profile, request_id.value) {
            (Profile::BerlinGroup, RequestId::Stable) => None,
            (Profile::BerlinGroup, RequestId::PerAttempt) => {
                Some("an order is known again by its X-Request-ID: say `request_id = \"stable\"`")
            }
            (Profile::Neonomics | Profile::DropPay, _) => {
                Some("only `profile = \"berlin_group\"` has a number to know an order by")
            }
        };
        if let Some(help) = wrong {
            let message = "`deduplicates` cannot be, so an order sent again would pay twice";
            section.findings.error(deduplicates.place, message, help);
        }
    }
    let quirks = Quirks {
        products: products.value.into_iter().map(|item| item.value).collect(),
        psu_headers: section.choice("psu_headers", default.psu_headers, &PSU_HEADERS).value,
        psu_ip: psu_ip.value.clone(),
        deduplicates: deduplicates.value,
        request_id: request_id.value,
        // RRN and mark have 21 characters, and without them nobody finds a lost payment.
        remittance_max: section.integer("remittance_max", default.remittance_max, 21..=140).value,
        keeps_letters: section.boolean("keeps_letters", default.keeps_letters).value,
        wants_push: section.boolean("wants_push", default.wants_push).value,
        rejects_no_funds: section.boolean("rejects_no_funds", default.rejects_no_funds).value,
    };
    (quirks, psu_ip)
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
