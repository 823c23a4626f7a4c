//! A bank: value by value, and straight to what the engine and its adapter are told.

use super::kinds::{
    as_url, call, identity, is_private, needed, one_line, optional_secret, said_of_bank, secret,
    url,
};
use super::{Bank, DAY, HOUR, MINUTE, SECOND};
use crate::bridge::{
    ApprovalConfig, BankConfig, BankProfile, CreditorKind, OauthConfig, Product, PsuHeaders,
    Quirks, RequestId, SecretSource,
};
use crate::findings::{Found, Place};
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
            refresh_ms: section.duration("refresh", default.refresh_ms, 0..=7 * DAY).value,
            cache_without_consent: section
                .boolean("cache_without_consent", default.cache_without_consent)
                .value,
            unattended_max: section.integer("unattended_max", default.unattended_max, 0..=96).value,
            consent_ms: section.duration("consent", default.consent_ms, HOUR..=730 * DAY).value,
            advises: section.boolean("advises", default.advises).value,
            ..default
        };
        let attended = section.list("attended", None, "names", as_name, String::clone);
        let (callback_url, push_secret) = called_back(&mut section, &name.value, profile.value);
        let (quirks, psu_ip) = quirks(&mut section, profile.value);
        let psu_ip = (profile.value != Profile::DropPay).then_some(psu_ip);
        let plan = BankPlan { deduplicates: quirks.deduplicates, ..plan };
        // Such a bank refuses whoever does not say that the customer is there.
        let plan = match quirks.psu_headers {
            PsuHeaders::Required => BankPlan { refresh_ms: 0, unattended_max: 0, ..plan },
            PsuHeaders::IfPresent | PsuHeaders::Forbidden => plan,
        };
        let (profile, token_url, approval) = profile_of(&mut section, &name.value, profile.value);
        let config = BankConfig {
            callback_url: Some(callback_url.value.clone()).filter(|url| !url.is_empty()),
            push_secret,
            ..BankConfig::new(&name.value, profile, call, quirks)
        };
        Self {
            name,
            url,
            mode,
            attended,
            deadlines,
            token_url,
            approval,
            callback_url,
            psu_ip,
            plan,
            config,
        }
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

/// Where customers are sent back to, and what pushes are signed with. Only banks of the Berlin
/// Group push, and to nobody at `DropPay` is anybody sent back.
fn called_back(
    section: &mut Section<'_>,
    bank: &str,
    profile: Profile,
) -> (Found<String>, Option<SecretSource>) {
    let said = said_of_bank(section, bank, "CALLBACK_URL").filter(|_| profile != Profile::DropPay);
    let callback_url = optional_url(section, "callback_url", said.map(|said| said.value));
    let named = said_of_bank(section, bank, "WEBHOOK_SECRET");
    let named = named.filter(|_| profile == Profile::BerlinGroup).map(|named| named.name);
    let keys = ["push_secret_file", "push_secret_env"];
    (callback_url, optional_secret(section, keys, named.as_deref().unwrap_or_default()))
}

fn profile_of(
    section: &mut Section<'_>,
    bank: &str,
    profile: Profile,
) -> (BankProfile, Option<Found<String>>, Option<Found<String>>) {
    match profile {
        Profile::BerlinGroup => {
            let seal = identity(section, "seal_certificate", "seal_key");
            let (oauth, token_url) = oauth(section.table("oauth"), bank, false);
            let (approval, server) = authorisation(section.table("authorisation"));
            (BankProfile::BerlinGroup { seal, oauth, approval }, Some(token_url), Some(server))
        }
        Profile::Neonomics => {
            let bank_id = needed(section, "bank_id", "\"RG5iLm5vLnYxQk5P\"");
            let device_id = needed(section, "device_id", "\"veksel-1\"");
            let (oauth, token_url) = oauth(section.table("oauth"), bank, true);
            let oauth = oauth.unwrap_or_else(|| OauthConfig {
                token_url: String::new(),
                client_id: SecretSource::Env(String::new()),
                client_secret: SecretSource::Env(String::new()),
                scope: String::new(),
            });
            (BankProfile::Neonomics { oauth, bank_id, device_id }, Some(token_url), None)
        }
        Profile::DropPay => {
            let username = secret(section, ["username_file", "username_env"], "DROPPAY_USERNAME");
            let password = secret(section, ["password_file", "password_env"], "DROPPAY_PASSWORD");
            (BankProfile::DropPay { username, password }, None, None)
        }
    }
}

/// The server at which customers approve, if it has an address.
fn authorisation(mut section: Section<'_>) -> (Option<ApprovalConfig>, Found<String>) {
    let server = optional_url(&mut section, "server", None);
    let client_id = one_line(&mut section, "client_id", "", 128);
    let keys = ["client_secret_file", "client_secret_env"];
    let client_secret = optional_secret(&mut section, keys, "");
    if !server.value.is_empty() && client_id.is_empty() {
        let help = "the organizationIdentifier of the certificate, as a rule";
        section.findings.error(server.place, "`client_id` is needed", help);
    }
    let config = ApprovalConfig { server: server.value.clone(), client_id, client_secret };
    ((!server.value.is_empty()).then_some(config), server)
}

/// An address that may be left out.
fn optional_url(
    section: &mut Section<'_>,
    key: &'static str,
    default: Option<String>,
) -> Found<String> {
    let missing = Missing::Default(String::new());
    let parse = |text: &str| if text.is_empty() { Ok(String::new()) } else { as_url(text) };
    let mut found = section.parsed(key, missing, "an address, or empty", parse, String::clone);
    if let Some(said) = default.filter(|_| found.place == Place::Default) {
        match as_url(&said) {
            Ok(url) => found.value = url,
            Err(why) => {
                let message = format!("the variable for `{key}` is no address: {why}");
                let help = "OPENBANKING_CALLBACK_URL, or OB_<NAME>_CALLBACK_URL of one bank";
                section.findings.error(found.place, message, help);
            }
        }
    }
    found
}

/// An OAuth 2 client, if it has an address.
fn oauth(
    mut section: Section<'_>,
    bank: &str,
    is_needed: bool,
) -> (Option<OauthConfig>, Found<String>) {
    let token_url = optional_url(&mut section, "token_url", None);
    let named = |section: &Section<'_>, what: &str| {
        let said = said_of_bank(section, bank, what);
        said.map_or_else(|| format!("OPENBANKING_{what}"), |said| said.name)
    };
    let default = named(&section, "CLIENT_ID");
    let client_id = secret(&mut section, ["client_id_file", "client_id_env"], &default);
    let default = named(&section, "CLIENT_SECRET");
    let keys = ["client_secret_file", "client_secret_env"];
    let client_secret = secret(&mut section, keys, &default);
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
    let products: Vec<String> = default.products.iter().map(show_product).collect();
    let products: Vec<&str> = products.iter().map(String::as_str).collect();
    let expected = "products by currency, \"NOK=norwegian-domestic-credit-transfers\"";
    let products = section.list_or("products", &products, expected, product, show_product);
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
    let version = section.parsed(
        "version",
        Missing::Default(default.version),
        "a version of the standard, \"1.3.11\"",
        |text| {
            let patch = text.strip_prefix("1.3.").and_then(|patch| patch.parse().ok());
            patch.filter(|patch| *patch <= 99).ok_or_else(|| "only 1.3 is spoken".to_owned())
        },
        |patch| format!("1.3.{patch}"),
    );
    let quirks = Quirks {
        version: version.value,
        is_instant: section.boolean("instant", default.is_instant).value,
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

/// `NOK=product`, `NOK/iban=product`, `NOK/instant=product`, `NOK/bban/instant=product`.
fn product(text: &str) -> Result<Product, String> {
    let read = || {
        let (key, name) = text.split_once('=')?;
        let mut words = key.split('/');
        let mut product = Product::of(words.next()?, name);
        for word in words {
            match word {
                "instant" if !product.is_instant => product.is_instant = true,
                "iban" if product.creditor.is_none() => {
                    product.creditor = Some(CreditorKind::Iban);
                }
                "bban" if product.creditor.is_none() => {
                    product.creditor = Some(CreditorKind::Bban);
                }
                _ => return None,
            }
        }
        let currency = product.currency.as_str();
        let is_currency = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        let is_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (is_currency || currency == "*")
            && (1..=70).contains(&name.len())
            && name.bytes().all(is_path);
        fits.then_some(product)
    };
    read().ok_or_else(|| {
        "write it as \"NOK=product\", \"NOK/iban=product\" or \"*/instant=product\"".to_owned()
    })
}

fn show_product(product: &Product) -> String {
    let Product { currency, creditor, is_instant, name } = product;
    let creditor = creditor.map(|kind| format!("/{}", kind.word())).unwrap_or_default();
    let instant = if *is_instant { "/instant" } else { "" };
    format!("{currency}{creditor}{instant}={name}")
}
