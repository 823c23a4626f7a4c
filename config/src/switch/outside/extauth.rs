//! The card platform that asks whether holds and transactions may be (`[extauth]`).

use super::kinds::{as_url, file, optional_secret};
use super::{DAY, HOUR, MINUTE, SECOND};
use crate::bridge::CallConfig;
use crate::cidr::Cidr;
use crate::extauth::{ExtAuthConfig, HoldChange, NotifyClientConfig, ProofHeaders, SignatureBase};
use crate::findings::Found;
use crate::section::{Missing, Section};
use std::path::PathBuf;

const BASES: &[(&str, SignatureBase)] = &[
    ("body", SignatureBase::Body),
    ("body+key", SignatureBase::BodyKey),
    ("body+ts", SignatureBase::BodyTime),
    ("body+key+ts", SignatureBase::BodyKeyTime),
];

const CHANGES: &[(&str, HoldChange)] =
    &[("total", HoldChange::Total), ("delta", HoldChange::Delta)];

/// As long as anybody keeps a hold at least, in milliseconds.
pub(in crate::switch) const HOLD_LIFE_MIN: u64 = 7 * DAY;

/// Nobody waits longer, so that keys are fetched in a part of a second or not in time.
const FETCH_MS: u64 = 2_000;

pub(in crate::switch) struct ExtAuth {
    pub(in crate::switch) caller: Found<String>,
    pub(in crate::switch) url: Found<String>,
    /// How long after its last message a hold may be asked about, in milliseconds.
    pub(in crate::switch) hold_life: Found<u64>,
    config: ExtAuthConfig,
}

impl ExtAuth {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let caller = section.name("caller", "\"platform\"");
        let missing =
            Missing::Required { example: "\"https://…/keys\"", stand_in: "https://?".to_owned() };
        let expected = "an address, http:// or https://, without a slash at the end";
        let url = section.parsed("keys_url", missing, expected, as_url, String::clone);
        let keys = CallConfig {
            connect_ms: FETCH_MS,
            read_ms: FETCH_MS,
            retries: 0,
            breaker_failures: 10_000,
            allow_private: section.boolean("allow_private", false).value,
            trust: file(&mut section, "trust").value,
            ..CallConfig::at(&url.value)
        };
        let base = section.choice("signature_base", SignatureBase::BodyKeyTime, BASES);
        let skew = section.duration("max_skew", 5 * SECOND, 0..=HOUR);
        if base.is_sound() && skew.is_sound() && skew.value > 0 && !base.value.has_time() {
            let message = "`signature_base` leaves the time out, and `max_skew` looks at it";
            let help = "whoever sends an old request again can write another time into it";
            section.findings.warning(base.place.or(skew.place), message, help);
        }
        // What was decided must be known for seven days (http-contracts 4.3 and 4.5).
        let hold_life = section.duration("hold_life", 30 * DAY, HOLD_LIFE_MIN..=87_600 * HOUR);
        let config = ExtAuthConfig {
            caller: 0,
            keys,
            keys_ttl_ms: section.duration("keys_ttl", 5 * MINUTE, SECOND..=DAY).value,
            keys_refresh_ms: section.duration("keys_refresh", 30 * SECOND, 100..=HOUR).value,
            keys_keep_ms: section.duration("keys_keep", DAY, MINUTE..=7 * DAY).value,
            rsa_bits_min: section.integer("min_rsa_bits", 2_048, 2_048..=8_192).value,
            headers: headers(&mut section),
            base: base.value,
            skew_ms_max: skew.value,
            allow: allow(&mut section),
            change: section.choice("patch_amount", HoldChange::Total, CHANGES).value,
            other_refusal_code: code(&mut section),
            budget_ms: section.duration("budget", 350, 50..=10 * SECOND).value,
            remembered_max: section.integer("remembered_max", 65_536, 1_024..=4_194_304).value,
            directory: directory(&mut section),
            notify_token: optional_secret(
                &mut section,
                ["notify_token_file", "notify_token_env"],
                "",
            ),
            notify_client: notify_client(&mut section),
        };
        Self { caller, url, hold_life, config }
    }

    /// As the caller at this place.
    pub(in crate::switch) fn config(&self, caller: u16) -> ExtAuthConfig {
        ExtAuthConfig { caller, ..self.config.clone() }
    }

    pub(in crate::switch) const fn allow_private(&self) -> bool {
        self.config.keys.allow_private
    }
}

fn allow(section: &mut Section<'_>) -> Vec<Cidr> {
    let expected = "networks, \"10.1.0.0/16\", or addresses";
    let own = ["127.0.0.0/8", "::1/128"];
    let found = section.list_or("allow", &own, expected, Cidr::parse, Cidr::to_string);
    found.value.into_iter().map(|item| item.value).collect()
}

fn headers(section: &mut Section<'_>) -> ProofHeaders {
    let mut name = |key, default: &str| {
        let parse = |text: &str| {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_token);
            fits.then(|| text.to_owned()).ok_or_else(|| "no header is called that".to_owned())
        };
        let missing = Missing::Default(default.to_owned());
        let found = section.parsed(key, missing, "the name of a header", parse, String::clone);
        found.value.to_ascii_lowercase()
    };
    ProofHeaders {
        signature: name("signature_header", "X-Signature"),
        key: name("key_header", "X-Key-Id"),
        idempotency: name("idempotency_header", "X-Idempotency-Key"),
        timestamp: name("timestamp_header", "X-Timestamp"),
    }
}

fn code(section: &mut Section<'_>) -> String {
    let parse = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_letter);
        fits.then(|| text.to_owned()).ok_or_else(|| "this is no such code".to_owned())
    };
    let missing = Missing::Default("REFUSED_NOT_ENOUGH_FUNDS".to_owned());
    let expected = "capital letters and underscores";
    section.parsed("other_refusal_code", missing, expected, parse, String::clone).value
}

/// An id and a secret, or neither.
fn notify_client(section: &mut Section<'_>) -> Option<NotifyClientConfig> {
    let parse = |text: &str| {
        let fits = text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
    };
    let missing = Missing::Default(String::new());
    let expected = "up to 128 printable characters without spaces";
    let id = section.parsed("notify_client_id", missing, expected, parse, String::clone);
    let keys = ["notify_client_secret_file", "notify_client_secret_env"];
    let secret = optional_secret(section, keys, "");
    let token_ms = section.duration("notify_token_ttl", 10 * MINUTE, SECOND..=HOUR).value;
    let place = id.place.or(section.place());
    match (id.value, secret) {
        (id, Some(secret)) if !id.is_empty() => Some(NotifyClientConfig { id, secret, token_ms }),
        (_, Some(_)) => {
            let help = "name in `notify_client_id` as whom the platform fetches tokens";
            section.findings.error(place, "a client secret and no `notify_client_id`", help);
            None
        }
        (id, None) => {
            if !id.is_empty() {
                let help = "name it by `notify_client_secret_file` or `notify_client_secret_env`";
                section.findings.error(place, "`notify_client_id` and no secret", help);
            }
            None
        }
    }
}

/// It is read at the start, and need not be there to check a configuration.
fn directory(section: &mut Section<'_>) -> Option<PathBuf> {
    let folder = section.findings.source().folder.clone();
    let parse = |text: &str| match text.contains('\0') {
        true => Err("it holds a zero byte".to_owned()),
        false => Ok(text.to_owned()),
    };
    let missing = Missing::Default(String::new());
    let expected = "the name of a file, or empty";
    let found = section.parsed("directory", missing, expected, parse, String::clone);
    Some(found.value).filter(|name| !name.is_empty()).map(|name| folder.join(name))
}
