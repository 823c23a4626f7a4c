//! Who people are: the provider that signs them in (`BankID`, ID-porten, or any other of `OpenID`
//! Connect), and how long they stay signed in.

use super::kinds::{
    as_url, call, host_of, is_private_host, one_line, optional_secret, secret, secret_file, url,
};
use super::{DAY, HOUR, MINUTE, SECOND};
use crate::bridge::{ClientAuth, ClientKey, IdHash, IdentityConfig};
use crate::cidr::Cidr;
use crate::findings::{Found, Place};
use crate::section::{Missing, Section};

/// The realm of `BankID` that is real.
const REALM: &str = "https://auth.bankid.no/auth/realms/prod";

/// Where its discovery document stands below it (`OpenID` Connect Discovery 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

const AUTHS: [(&str, ClientAuth); 3] = [
    ("client_secret_post", ClientAuth::Post),
    ("client_secret_basic", ClientAuth::Basic),
    ("private_key_jwt", ClientAuth::KeyJwt),
];
const HASHES: [(&str, IdHash); 2] = [("hmac", IdHash::Hmac), ("compat", IdHash::Compat)];

/// The section, with what others check.
pub(in crate::switch) struct BankId {
    pub(in crate::switch) url: Found<String>,
    pub(in crate::switch) mock: Found<bool>,
    pub(in crate::switch) hash: Found<IdHash>,
    pub(in crate::switch) callback_url: Found<String>,
    /// Every whole address that is configured.
    pub(in crate::switch) addresses: Vec<(&'static str, Found<String>)>,
    pub(in crate::switch) config: IdentityConfig,
}

impl BankId {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let url = url(&mut section, Missing::Default(REALM.to_owned()));
        let call = call(&mut section, &url);
        let mock = section.boolean("mock", false);
        let discovery = address(&mut section, "discovery_url");
        let issuer = address(&mut section, "issuer");
        let authorize = address(&mut section, "authorize_url");
        let token = address(&mut section, "token_url");
        let jwks = address(&mut section, "jwks_url");
        let callback_url = address(&mut section, "callback_url");
        let callback_mobile = one_line(&mut section, "callback_url_mobile", "", 512);
        let client_id =
            secret(&mut section, ["client_id_file", "client_id_env"], "BANKID_CLIENT_ID");
        let keys = ["client_secret_file", "client_secret_env"];
        let client_secret = secret(&mut section, keys, "BANKID_CLIENT_SECRET");
        let key_path = secret_file(&mut section, "client_key");
        let key_id = one_line(&mut section, "client_key_id", "", 128);
        let auths = auths(&mut section);
        let hash = section.choice("hash", IdHash::Hmac, &HASHES);
        let text =
            |found: &Found<String>| Some(found.value.clone()).filter(|text| !text.is_empty());
        let config = IdentityConfig {
            call,
            mock: mock.value,
            mock_seed: section.integer("mock_seed", 1_u64, 0..=u64::from(u32::MAX)).value,
            discovery_url: text(&discovery).unwrap_or_else(|| format!("{}{DISCOVERY}", url.value)),
            issuer: text(&issuer),
            authorize_url: text(&authorize),
            token_url: text(&token),
            jwks_url: text(&jwks),
            callback_url: text(&callback_url),
            callback_url_mobile: Some(callback_mobile).filter(|text| !text.is_empty()),
            client_id,
            client_secret,
            client_key: key_path.value.map(|path| ClientKey { path, id: key_id }),
            auths,
            par: section.boolean("par", false).value,
            scopes: words(&mut section, "scopes", &["openid", "profile", "nnin_altsub"]),
            pid_claims: words(&mut section, "pid_claims", &["nnin_altsub", "pid"]),
            falls_back: section.boolean("sub_fallback", true).value,
            acr: words(&mut section, "acr", &["urn:bankid:bid;LOA=4"]),
            max_age_ms: section.duration("max_age", 0, 0..=DAY).value,
            years_min: section.integer("years_min", 18, 0..=120).value,
            pepper: optional_secret(&mut section, ["pepper_file", "pepper_env"], ""),
            hash: hash.value,
            discovery_ms: section.duration("discovery_ttl", DAY, MINUTE..=30 * DAY).value,
            jwks_ms: section.duration("jwks_ttl", 5 * MINUTE, SECOND..=DAY).value,
            jwks_floor_ms: section.duration("jwks_floor", 30 * SECOND, 0..=HOUR).value,
            skew_ms: section.duration("skew", MINUTE, 0..=10 * MINUTE).value,
            flow_ms: section.duration("flow", 10 * MINUTE, 10 * SECOND..=HOUR).value,
            flows_max: section.integer("flows_max", 10_000, 1..=1_000_000).value,
            session_ms: section.duration("session", 8 * HOUR, MINUTE..=30 * DAY).value,
            session_idle_ms: section.duration("session_idle", 30 * MINUTE, MINUTE..=DAY).value,
            sessions_max: section.integer("sessions_max", 10_000, 1..=1_000_000).value,
            rate_max: section.integer("rate_max", 10, 1..=10_000).value,
            rate_window_ms: section.duration("rate_window", MINUTE, SECOND..=HOUR).value,
            proxies: proxies(&mut section),
        };
        let addresses = vec![
            ("discovery_url", discovery),
            ("authorize_url", authorize),
            ("token_url", token),
            ("jwks_url", jwks),
        ];
        pepper(&mut section, &config, &hash);
        Self { url, mock, hash, callback_url, addresses, config }
    }
}

/// Without a key the hash of a number of eleven digits is found by trying them all.
fn pepper(section: &mut Section<'_>, config: &IdentityConfig, hash: &Found<IdHash>) {
    if config.mock || config.pepper.is_some() || config.hash == IdHash::Compat || !hash.is_sound() {
        return;
    }
    let message = "`pepper_file` or `pepper_env` is needed";
    let help = "national ids are kept as a hash under this key; it must never change";
    section.findings.error(section.place(), message, help);
}

fn address(section: &mut Section<'_>, key: &'static str) -> Found<String> {
    let expected = "a whole address, http:// or https://, or empty";
    let parse = |text: &str| {
        if text.is_empty() { Ok(String::new()) } else { as_url(text) }
    };
    section.parsed(key, Missing::Default(String::new()), expected, parse, String::clone)
}

fn auths(section: &mut Section<'_>) -> Vec<ClientAuth> {
    let names: Vec<&str> = AUTHS.iter().map(|(name, _)| *name).collect();
    let parse = |text: &str| {
        let known = AUTHS.iter().find(|(name, _)| *name == text).map(|(_, auth)| *auth);
        known.ok_or_else(|| format!("expected one of {}", names.join(", ")))
    };
    let show = |auth: &ClientAuth| auth.word().to_owned();
    let found = section.list_or("auth", &names, "ways to prove who we are", parse, show);
    if found.is_sound() && found.value.is_empty() {
        let help = "without one no code becomes a token";
        section.findings.error(found.place, "`auth` must not be empty", help);
    }
    found.value.into_iter().map(|item| item.value).collect()
}

/// Words of OAuth: printable, and without spaces, which separate them.
fn words(section: &mut Section<'_>, key: &'static str, default: &[&str]) -> Vec<String> {
    let parse = |text: &str| {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        fits.then(|| text.to_owned()).ok_or_else(|| "this is no such word".to_owned())
    };
    let found = section.list_or(key, default, "words without spaces", parse, String::clone);
    found.value.into_iter().map(|item| item.value).collect()
}

fn proxies(section: &mut Section<'_>) -> Vec<Cidr> {
    let found = section.list("proxies", None, "networks", Cidr::parse, Cidr::to_string);
    found.value.into_iter().map(|item| item.value).collect()
}

/// What of it is without TLS and leaves this machine and private networks.
pub(in crate::switch) fn bare<'a>(
    found: &'a [(&'static str, Found<String>)],
) -> impl Iterator<Item = (&'static str, Place)> + 'a {
    let is_bare = |url: &str| url.starts_with("http://") && !is_private_host(host_of(url));
    found
        .iter()
        .filter(move |(_, url)| url.is_sound() && is_bare(&url.value))
        .map(|(key, url)| (*key, url.place))
}
