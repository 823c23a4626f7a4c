//! The sections of providers that are described by data: billers, text messages, letters and
//! notices to apps.

use super::SECOND;
use super::kinds::{call, file, needed, one_line, optional_secret, secret, url};
use crate::bridge::{NoticesConfig, SecretSource};
use crate::findings::Found;
use crate::provider::operations::{BILL, Operation, SMS};
use crate::provider::{
    ApiConfig, EmailConfig, Format, Header, HeaderText, MailSecurity, OperationConfig, PushConfig,
    Signing, Uri,
};
use crate::section::{Missing, Section};
use crate::suggest::{listed, nearest};
use std::path::{Path, PathBuf};

/// A provider over HTTP: where it is, and its configuration.
pub(in crate::switch) struct Api {
    pub(in crate::switch) url: Found<String>,
    /// What is not for production, if it is set.
    pub(in crate::switch) tls: Found<bool>,
    pub(in crate::switch) simulate: Found<bool>,
    pub(in crate::switch) config: ApiConfig,
}

pub(in crate::switch) struct Sms {
    pub(in crate::switch) api: Api,
    pub(in crate::switch) sender: String,
}

pub(in crate::switch) struct Email {
    pub(in crate::switch) host: Found<String>,
    pub(in crate::switch) tls: Found<bool>,
    pub(in crate::switch) security: Found<MailSecurity>,
    pub(in crate::switch) config: EmailConfig,
}

pub(in crate::switch) struct Push {
    pub(in crate::switch) url: Found<String>,
    pub(in crate::switch) token_url: Found<String>,
    pub(in crate::switch) config: PushConfig,
}

impl Api {
    pub(super) fn bill(mut section: Section<'_>) -> Self {
        let folder = section.findings.source().folder.clone();
        read_found(&mut section, BILL, Some(&folder))
    }
}

impl Sms {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let folder = section.findings.source().folder.clone();
        let api = read_found(&mut section, SMS, Some(&folder));
        Self { api, sender: one_line(&mut section, "sender", "Veksel", 11) }
    }
}

impl Email {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        const SECURITIES: &[(&str, MailSecurity)] = &[
            ("starttls", MailSecurity::StartTls),
            ("implicit", MailSecurity::Implicit),
            ("none", MailSecurity::None),
        ];
        let missing =
            Missing::Required { example: "\"smtp.example.org\"", stand_in: "?".to_owned() };
        let is_host = |text: &str| {
            let fits = (1..=253).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
            fits.then(|| text.to_owned()).ok_or_else(|| "no host has such a name".to_owned())
        };
        let host = section.parsed("host", missing, "a name or an address", is_host, String::clone);
        let security = section.choice("security", MailSecurity::StartTls, SECURITIES);
        let tls = relaxed(&mut section);
        let user = one_line(&mut section, "user", "", 128);
        let password = optional_secret(&mut section, ["password_file", "password_env"], "");
        let config = EmailConfig {
            host: host.value.clone(),
            port: section.integer("port", 587, 1..=65_535).value,
            security: security.value,
            login: password.filter(|_| !user.is_empty()).map(|password| (user, password)),
            from: needed(&mut section, "from", "\"bank@example.org\""),
            timeout_ms: section.duration("timeout", 30 * SECOND, SECOND..=120 * SECOND).value,
            calls_max: section.integer("calls_max", 8, 1..=256).value,
            allow_private: section.boolean("allow_private", false).value,
            trust: file(&mut section, "trust").value,
            is_relaxed: tls.value,
        };
        Self { host, tls, security, config }
    }
}

impl Push {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let missing = Missing::Default("https://fcm.googleapis.com".to_owned());
        let url = url(&mut section, missing);
        let call = call(&mut section, &url);
        let names = ["service_account_file", "service_account_env"];
        let account = secret(&mut section, names, "FCM_SERVICE_ACCOUNT");
        let expected = "an address, or empty for that of the account";
        let parse = |text: &str| match text {
            "" => Ok(String::new()),
            text => super::as_url(text),
        };
        let missing = Missing::Default(String::new());
        let token_url = section.parsed("token_url", missing, expected, parse, String::clone);
        let config = PushConfig { call, account, token_url: token_url.value.clone() };
        Self { url, token_url, config }
    }
}

/// Telling customers is off unless it is switched on.
pub(super) fn notices(mut section: Section<'_>) -> Option<NoticesConfig> {
    let enabled = section.boolean("enabled", false).value;
    let config = NoticesConfig {
        contacts: section.path("contacts", "contacts.csv").value,
        within_ms: section.duration("within", 20 * SECOND, SECOND..=120 * SECOND).value,
        queue_max: section.integer("queue_max", 1_000, 1..=100_000).value,
    };
    enabled.then_some(config)
}

/// Reads what every provider that is described by data has; without a folder from variables.
pub(crate) fn read_api(
    section: &mut Section<'_>,
    operations: &'static [Operation],
    folder: Option<&Path>,
) -> (Found<String>, ApiConfig) {
    let api = read_found(section, operations, folder);
    (api.url, api.config)
}

fn read_found(
    section: &mut Section<'_>,
    operations: &'static [Operation],
    folder: Option<&Path>,
) -> Api {
    const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("xml", Format::Xml)];
    let example = "\"https://provider.example\"";
    let url = url(section, Missing::Required { example, stand_in: "https://x".to_owned() });
    let tls = relaxed(section);
    let mut call = call(section, &url);
    call.is_relaxed = tls.value;
    let folder = folder.unwrap_or(Path::new("")).to_owned();
    let expected = "headers, \"X-Name=value\" or \"X-Name=env:NAME\"";
    let show = |header: &Header| show_header(header, &folder);
    let headers = section.list("headers", None, expected, |text| read_header(text, &folder), show);
    let is_name = |text: &str| match is_header_name(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("no header has such a name".to_owned()),
    };
    let required =
        section.list("required_auth_headers", None, "names of headers", is_name, String::clone);
    let simulate = section.boolean("simulate", false);
    let config = ApiConfig {
        call,
        headers: headers.value.into_iter().map(|item| item.value).collect(),
        required_auth_headers: required.value.into_iter().map(|item| item.value).collect(),
        reject_unauthorized: section.boolean("reject_unauthorized", true).value,
        operations: merged(section, operations),
        format: section.choice("format", Format::Json, FORMATS).value,
        signing: signing(section),
        deduplicates: section.boolean("deduplicates", false).value,
        is_simulated: simulate.value,
    };
    Api { url, tls, simulate, config }
}

/// Whether certificates are not looked at.
fn relaxed(section: &mut Section<'_>) -> Found<bool> {
    section.choice("tls", false, &[("strict", false), ("relaxed", true)])
}

fn is_header_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn read_header(text: &str, folder: &Path) -> Result<Header, String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    if !is_header_name(name) {
        return Err("no header has such a name".to_owned());
    }
    let name = name.to_ascii_lowercase();
    let (scheme, place) = match value.rsplit_once(' ') {
        Some((scheme, place)) => (format!("{scheme} "), place),
        None => (String::new(), value),
    };
    let source = match place.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Some(SecretSource::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Some(SecretSource::File(folder.join(path))),
        _ => None,
    };
    if let Some(source) = source {
        return Ok(Header { name, value: HeaderText::Secret(scheme, source) });
    }
    let words = ["authorization", "cookie", "key", "token", "secret", "password"];
    if words.iter().any(|word| name.contains(word)) {
        return Err("a secret stands elsewhere: `env:NAME` or `file:NAME`".to_owned());
    }
    let fits = value.len() <= 256 && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    match fits {
        true => Ok(Header { name, value: HeaderText::Plain(value.to_owned()) }),
        false => Err("no header has such a value".to_owned()),
    }
}

fn show_header(header: &Header, folder: &Path) -> String {
    let name = &header.name;
    match &header.value {
        HeaderText::Plain(text) => format!("{name}={text}"),
        HeaderText::Secret(scheme, SecretSource::Env(variable)) => {
            format!("{name}={scheme}env:{variable}")
        }
        HeaderText::Secret(scheme, SecretSource::File(path)) => {
            let path = path.strip_prefix(folder).unwrap_or(path);
            format!("{name}={scheme}file:{}", path.display())
        }
    }
}

/// The operations, with what the configuration says otherwise.
fn merged(section: &mut Section<'_>, operations: &'static [Operation]) -> Vec<OperationConfig> {
    let mut found: Vec<OperationConfig> = operations.iter().map(by_default).collect();
    let uris = lines(section, "uri_map", "addresses, \"key=GET /path/{part}\"", &|text| {
        let (at, rest) = keyed(text, operations)?;
        Uri::parse(rest, at.parts).map(drop)
    });
    let bodies = lines(section, "bodies", "bodies, 'key={\"name\": \"{part}\"}'", &|text| {
        let (_, rest) = keyed(text, operations)?;
        if rest.is_empty() { Ok(()) } else { is_json(rest) }
    });
    let answers = lines(section, "answers", "places, \"key.field=/pointer\"", &|text| {
        let (at, field, pointer) = answer(text, operations)?;
        let known: Vec<&str> = at.answers.iter().map(|(name, _)| *name).collect();
        if !known.contains(&field) {
            return Err(unknown(field, &known));
        }
        match pointer.is_empty() || pointer.starts_with('/') {
            true => Ok(()),
            false => Err("a pointer begins with a slash".to_owned()),
        }
    });
    let simulated = lines(section, "simulated", "answers, 'key=200 {\"a\": 1}'", &|text| {
        let (_, rest) = keyed(text, operations)?;
        let (status, body) = rest.split_once(' ').ok_or("a status and a body are needed")?;
        let status: u16 = status.parse().map_err(|_| "it begins with no status")?;
        match (200..600).contains(&status) {
            true => is_json(body),
            false => Err("there is no such status".to_owned()),
        }
    });
    for one in &mut found {
        let own = |texts: &[String]| {
            let mut own = texts.iter().filter_map(|text| text.split_once('='));
            own.find(|(key, _)| *key == one.key).map(|(_, rest)| rest.to_owned())
        };
        let parts = operations.iter().find(|known| known.key == one.key).map(|known| known.parts);
        if let Some(Ok(uri)) = own(&uris).map(|text| Uri::parse(&text, parts.unwrap_or_default())) {
            one.uri = uri;
        }
        if let Some(body) = own(&bodies) {
            one.body = body;
        }
        if let Some((status, body)) = own(&simulated).as_deref().and_then(|t| t.split_once(' ')) {
            one.simulated = (status.parse().unwrap_or(200), body.to_owned());
        }
        for text in &answers {
            let Ok((at, field, pointer)) = answer(text, operations) else { continue };
            let own =
                one.answers.iter_mut().filter(|(name, _)| at.key == one.key && *name == field);
            own.for_each(|(_, place)| pointer.clone_into(place));
        }
    }
    found
}

fn by_default(operation: &Operation) -> OperationConfig {
    let answers = operation.answers.iter().map(|(name, at)| (*name, (*at).to_owned()));
    // Whether it is sound is shown by a test.
    let uri = Uri::parse(operation.uri, operation.parts);
    OperationConfig {
        key: operation.key,
        uri: uri.unwrap_or(Uri { method: "GET", pieces: Vec::new() }),
        body: operation.body.to_owned(),
        answers: answers.collect(),
        simulated: (200, operation.simulated.to_owned()),
    }
}

/// A list of texts that were looked at.
fn lines(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    check: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<String> {
    let parse = |text: &str| check(text).map(|()| text.to_owned());
    let found = section.list(key, None, expected, parse, String::clone);
    found.value.into_iter().map(|item| item.value).collect()
}

/// `key=rest`, of an operation that is known.
fn keyed<'t>(
    text: &'t str,
    operations: &'static [Operation],
) -> Result<(&'static Operation, &'t str), String> {
    let (key, rest) = text.split_once('=').ok_or("there is no `=` in it")?;
    let found = operations.iter().find(|operation| operation.key == key);
    let known = || operations.iter().map(|operation| operation.key).collect::<Vec<_>>();
    found.map(|found| (found, rest)).ok_or_else(|| unknown(key, &known()))
}

/// `key.field=/pointer`.
fn answer<'t>(
    text: &'t str,
    operations: &'static [Operation],
) -> Result<(&'static Operation, &'t str, &'t str), String> {
    let (name, pointer) = text.split_once('=').ok_or("there is no `=` in it")?;
    let (key, field) = name.split_once('.').ok_or("there is no `.` in it")?;
    let found = operations.iter().find(|operation| operation.key == key);
    let known = || operations.iter().map(|operation| operation.key).collect::<Vec<_>>();
    found.map(|found| (found, field, pointer)).ok_or_else(|| unknown(key, &known()))
}

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("expected one of {}", listed(known)),
    }
}

fn is_json(text: &str) -> Result<(), String> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("this is no JSON: {error}")),
    }
}

fn signing(section: &mut Section<'_>) -> Option<Signing> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        None,
        Hmac,
        Rs256,
    }
    const KINDS: &[(&str, Kind)] =
        &[("none", Kind::None), ("hmac", Kind::Hmac), ("rs256", Kind::Rs256)];
    let kind = section.choice("signing", Kind::None, KINDS);
    let key = optional_secret(section, ["signing_key_file", "signing_key_env"], "");
    let key_id = one_line(section, "signing_key_id", "", 128);
    let (message, help) = match (kind.value, key) {
        (Kind::None, _) => return None,
        (Kind::Hmac, Some(key)) => return Some(Signing::Hmac(key)),
        (Kind::Rs256, Some(SecretSource::File(key))) => {
            return Some(Signing::Rs256 { key, key_id });
        }
        (Kind::Rs256, _) => ("`signing` is \"rs256\" and there is no key", "`signing_key_file`"),
        (Kind::Hmac, None) => {
            ("`signing` is \"hmac\" and there is no key", "`signing_key_file` or `signing_key_env`")
        }
    };
    section.findings.error(kind.place, message, format!("name it by {help}"));
    Some(Signing::Rs256 { key: PathBuf::new(), key_id })
}
