//! How billers and messengers are called: what all providers with an interface of their own have,
//! as data. What each is asked is in [`operations`].
//!
//! An [`ApiConfig`] comes from a section of the switch file, or from variables that begin with a
//! prefix ([`ApiConfig::from_env`]); both are read by the same keys, so that a provider that a
//! program adds is configured like those that are there.

pub mod operations;

use crate::bridge::{CallConfig, SecretSource};
use crate::findings::{Findings, Part, Place};
use crate::problem::Problems;
use crate::section::Section;
use crate::source::{Given, Source};
use crate::switch::read_api;
use crate::tree::{Entry, Node, Table, Value};
use operations::Operation;
use std::path::PathBuf;

/// A provider with an interface over HTTP that is described by data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// How it is called.
    pub call: CallConfig,
    /// Headers of every request.
    pub headers: Vec<Header>,
    /// Headers without which no request leaves, in lower case.
    pub required_auth_headers: Vec<String>,
    /// Whether a request without one of these is refused before it is sent.
    pub reject_unauthorized: bool,
    /// What it can be asked.
    pub operations: Vec<OperationConfig>,
    /// What bodies are written in.
    pub format: Format,
    /// How requests are signed.
    pub signing: Option<Signing>,
    /// Whether a request that is sent again with the same key is carried out once.
    pub deduplicates: bool,
    /// Whether nothing is sent, and answers are those of [`OperationConfig::simulated`].
    pub is_simulated: bool,
}

/// A header of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: HeaderText,
}

/// What a header holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// This text, which is no secret.
    Plain(String),
    /// A word such as `Bearer` with a space, or nothing, and a secret.
    Secret(String, SecretSource),
}

/// What bodies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// XML: the name of the root is the key of the operation.
    Xml,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// `X-Timestamp` and `X-Signature`: HMAC-SHA-256 over seconds, method, path and body.
    Hmac(SecretSource),
    /// `X-JWS-Signature`: a detached signature by RS256 over the body (RFC 7797).
    Rs256 {
        /// The key, PEM.
        key: PathBuf,
        /// What the provider calls the key.
        key_id: String,
    },
}

/// What a provider is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationConfig {
    /// Its name.
    pub key: &'static str,
    /// Where it is asked.
    pub uri: Uri,
    /// The body, JSON with parts in braces; empty for none.
    pub body: String,
    /// Where in the answer what is looked for stands: JSON pointers (RFC 6901).
    pub answers: Vec<(&'static str, String)>,
    /// What is answered if nothing is sent: a status and a body with parts in braces.
    pub simulated: (u16, String),
}

/// A method and a path with parts in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// `GET` and so on.
    pub method: &'static str,
    /// Path and query.
    pub pieces: Vec<Piece>,
}

/// A piece of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The part of this name.
    Part(String),
}

/// How letters are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailConfig {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: MailSecurity,
    /// Whom we log in as, and by which password; `None` for nobody.
    pub login: Option<(String, SecretSource)>,
    /// Who the letters are from.
    pub from: String,
    /// For one letter, in milliseconds, if the enquiry allows more.
    pub timeout_ms: u64,
    /// Letters at one time.
    pub calls_max: u32,
    /// Whether the server may be of this machine or a private network.
    pub allow_private: bool,
    /// Certificates that are trusted in place of the public ones, PEM.
    pub trust: Option<PathBuf>,
    /// Whether the certificate of the server is not looked at.
    pub is_relaxed: bool,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// From the command STARTTLS on, and not without (RFC 3207).
    StartTls,
    /// From the first byte on (RFC 8314).
    Implicit,
    /// Not at all, on this machine and in private networks.
    None,
}

/// Firebase Cloud Messaging, HTTP v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushConfig {
    /// How it is called.
    pub call: CallConfig,
    /// The service account, JSON as it is downloaded.
    pub account: SecretSource,
    /// Where tokens are had; empty for where the account says.
    pub token_url: String,
}

impl Uri {
    /// Reads `METHOD /path`, or a path alone for GET. `parts` are those that may be in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, parts: &[&str]) -> Result<Self, String> {
        let (method, path) = text.split_once(' ').unwrap_or(("GET", text));
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let method = methods.into_iter().find(|known| *known == method);
        let method = method.ok_or("it begins with no method that is known")?;
        if !path.starts_with('/') {
            return Err("its path begins with no slash".to_owned());
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`|".contains(&byte);
        if !path.bytes().all(plain) {
            return Err("its path holds what no path has".to_owned());
        }
        Ok(Self { method, pieces: pieces(path, parts)? })
    }
}

/// Takes a text with parts in braces apart.
fn pieces(text: &str, parts: &[&str]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("a brace is not closed")?;
        if !parts.contains(&name) {
            return Err(match parts {
                [] => format!("there is no part {{{name}}} here"),
                parts => format!("there is no part {{{name}}}, only {}", parts.join(", ")),
            });
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Part(name.to_owned()));
        rest = behind;
    }
    if rest.contains('}') {
        return Err("a brace is not opened".to_owned());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

impl ApiConfig {
    /// Reads the variables that begin with a prefix and an underscore: `CBS_API_URL`,
    /// `CBS_API_SIMULATE=true` and so on, by the keys of the sections. Lists are separated by
    /// commas. `operations` is what the provider can be asked.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_env(
        prefix: &str,
        operations: &'static [Operation],
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let start = format!("{prefix}_");
        let own = |(name, value): (String, String)| {
            name.starts_with(&start).then_some(Given { name, value })
        };
        let mut given: Vec<Given> = variables.into_iter().filter_map(own).collect();
        given.sort_by(|a, b| a.name.cmp(&b.name));
        let entry = |(index, given): (usize, &Given)| {
            let place = |part| Place::Variable { index, part };
            let key = given.name.strip_prefix(&start).unwrap_or_default().to_ascii_lowercase();
            let node = Node { value: Value::Given(given.value.clone()), place: place(Part::Value) };
            Entry { key, key_place: place(Part::Name), node }
        };
        let table = Table(given.iter().enumerate().map(entry).collect());
        let node = Node { value: Value::Table(table), place: Place::Default };
        let whole = Entry { key: "provider".to_owned(), key_place: Place::Default, node };
        let mut source = Source::text(prefix, "");
        source.variables = given;
        let mut findings = Findings::new(source);
        let table = Table(vec![whole]);
        let mut root = Section::root(&mut findings, &table);
        let (_, config) = read_api(&mut root.table("provider"), operations, None);
        drop(root);
        findings.into_outcome().map(|_| config)
    }
}

#[cfg(test)]
mod tests {
    use super::operations::BILL;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ApiConfig, Problems> {
        let variables = variables.iter().map(|(name, value)| {
            let (name, value) = (format!("BILL_API_{name}"), (*value).to_owned());
            (name, value)
        });
        ApiConfig::from_env("BILL_API", BILL, variables)
    }

    #[test]
    fn a_provider_is_read_from_variables_by_the_keys_of_the_file() {
        let config = read(&[
            ("URL", "https://bills.example/v1"),
            ("HEADERS", "X-Api-Key=env:BILL_KEY, Accept-Language=nb"),
            ("READ", "7s"),
            ("TLS", "relaxed"),
            ("REQUIRED_AUTH_HEADERS", "X-Api-Key"),
            ("URI_MAP", "bill_payment=PUT /pay/{key}"),
            ("SIMULATE", "true"),
        ]);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.call.url, "https://bills.example/v1");
        assert_eq!(config.call.read_ms, 7_000);
        assert!(config.call.is_relaxed && config.is_simulated && config.reject_unauthorized);
        assert_eq!(config.required_auth_headers, ["x-api-key"]);
        let secret = SecretSource::Env("BILL_KEY".to_owned());
        let key = HeaderText::Secret(String::new(), secret);
        assert_eq!(config.headers[0], Header { name: "x-api-key".to_owned(), value: key });
        let payment = config.operations.iter().find(|one| one.key == "bill_payment").unwrap();
        assert_eq!(payment.uri.method, "PUT");
        let pieces = [Piece::Text("/pay/".to_owned()), Piece::Part("key".to_owned())];
        assert_eq!(payment.uri.pieces, pieces);
        // What is not in the map is as it is by default.
        assert_eq!(config.operations.len(), BILL.len());
    }

    #[test]
    fn what_is_wrong_with_variables_is_said_all_at_once() {
        let problems = read(&[
            ("URL", "https://bills.example"),
            (
                "URI_MAP",
                "biller_fetsh=/x,biller_fetch=/y/{amount},bill_payment=SEND /z,biller_category",
            ),
            ("HEADERS", "X-Api-Key=hush,=1,X Y=2"),
            ("TLS", "none"),
            ("NONSENSE", "1"),
        ]);
        let text = problems.unwrap_err().to_string();
        for part in [
            "did you mean `biller_fetch`?",
            "there is no part {amount}",
            "no method that is known",
            "env:NAME",
            "one of `strict`, `relaxed`",
            "unknown key `nonsense`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(read(&[]).unwrap_err().to_string().contains("missing key `url`"));
    }

    #[test]
    fn every_operation_is_sound() {
        for operation in BILL.iter().chain(operations::SMS).chain(operations::CBS) {
            let key = operation.key;
            assert!(Uri::parse(operation.uri, operation.parts).is_ok(), "{key}");
            for text in [operation.body, operation.simulated] {
                let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok();
                assert!(is_json || text.is_empty(), "{key}: {text}");
            }
            assert!(operation.answers.iter().all(|(_, at)| at.is_empty() || at.starts_with('/')));
        }
    }
}
