//! The kinds of values that only sections about third parties have: how they are called, files and
//! secrets, and addresses.

use crate::bridge::{CallConfig, Identity, SecretSource};
use crate::findings::{Found, Place};
use crate::section::{Missing, Section};
use crate::source::Given;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const KIB: u32 = 1_024;

pub(super) fn call(section: &mut Section<'_>, url: &Found<String>) -> CallConfig {
    let default = CallConfig::at(&url.value);
    CallConfig {
        connect_ms: section.duration("connect", default.connect_ms, 100..=MINUTE).value,
        read_ms: section.duration("read", default.read_ms, 100..=2 * MINUTE).value,
        retries: section.integer("retries", default.retries, 0..=10).value,
        retry_wait_ms: section.duration("retry_wait", default.retry_wait_ms, 10..=MINUTE).value,
        calls_max: section.integer("calls_max", default.calls_max, 1..=4_096).value,
        body_max: section.size("answer_max", default.body_max, KIB..=65_536 * KIB).value,
        breaker_failures: section
            .integer("breaker_failures", default.breaker_failures, 1..=10_000)
            .value,
        breaker_window_ms: section
            .duration("breaker_window", default.breaker_window_ms, SECOND..=HOUR)
            .value,
        breaker_open_ms: section
            .duration("breaker_open", default.breaker_open_ms, 100..=HOUR)
            .value,
        allow_private: section.boolean("allow_private", default.allow_private).value,
        trust: file(section, "trust").value,
        identity: identity(section, "certificate", "key"),
        ..default
    }
}

/// A certificate and its key: both, or none.
pub(super) fn identity(
    section: &mut Section<'_>,
    certificate: &'static str,
    key: &'static str,
) -> Option<Identity> {
    let (found, key_found) = (file(section, certificate), file(section, key));
    let (place, is_sound) =
        (found.place.or(key_found.place), found.is_sound() && key_found.is_sound());
    match (found.value, key_found.value) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            if is_sound {
                let message = format!("`{certificate}` and `{key}` belong together");
                section.findings.error(place, message, "name both PEM files, or none");
            }
            None
        }
    }
}

pub(super) fn file(section: &mut Section<'_>, key: &'static str) -> Found<Option<PathBuf>> {
    named_file(section, key, "the name of a PEM file, or empty")
}

pub(super) fn named_file(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
) -> Found<Option<PathBuf>> {
    let folder = section.findings.source().folder.clone();
    let found = section.parsed(
        key,
        Missing::Default(String::new()),
        expected,
        |text| match text.is_empty() || folder.join(text).is_file() {
            true => Ok(text.to_owned()),
            false => Err("there is no such file".to_owned()),
        },
        String::clone,
    );
    let value = Some(found.value).filter(|name| !name.is_empty()).map(|name| folder.join(name));
    Found { value, place: found.place }
}

/// A secret in a file, or else in a variable.
pub(in crate::switch) fn secret(
    section: &mut Section<'_>,
    [file_key, variable_key]: [&'static str; 2],
    default: &str,
) -> SecretSource {
    let named = secret_file(section, file_key);
    let variable = variable(section, variable_key, default);
    both(section, &named, &variable, [file_key, variable_key]);
    named.value.map_or(SecretSource::Env(variable.value), SecretSource::File)
}

/// The same where there may be none.
pub(in crate::switch) fn optional_secret(
    section: &mut Section<'_>,
    [file_key, variable_key]: [&'static str; 2],
    default: &str,
) -> Option<SecretSource> {
    let named = secret_file(section, file_key);
    let variable = variable(section, variable_key, default);
    both(section, &named, &variable, [file_key, variable_key]);
    let variable = Some(variable.value).filter(|name| !name.is_empty()).map(SecretSource::Env);
    named.value.map(SecretSource::File).or(variable)
}

/// The variable that says this of a bank, if there is one: its own, `OB_<NAME>_<WHAT>`, before
/// that of all banks.
pub(super) fn said_of_bank(section: &Section<'_>, bank: &str, what: &str) -> Option<Given> {
    let letter = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_uppercase(),
        false => '_',
    };
    let own = format!("OB_{}_{what}", bank.chars().map(letter).collect::<String>());
    let all = format!("OPENBANKING_{what}");
    let variables = &section.findings.source().variables;
    let find = |name: &str| variables.iter().find(|given| given.name == name);
    find(&own).or_else(|| find(&all)).cloned()
}

fn both(
    section: &mut Section<'_>,
    named: &Found<Option<PathBuf>>,
    variable: &Found<String>,
    [file_key, variable_key]: [&'static str; 2],
) {
    let is_set = variable.is_sound() && variable.place != Place::Default;
    if named.value.is_some() && is_set && !variable.value.is_empty() {
        let message = format!("`{file_key}` and `{variable_key}` name two places for one secret");
        section.findings.error(variable.place, message, "leave one of them out");
    }
}

/// It is read at the start. Where a configuration is checked it may not be there yet, or not for
/// the eyes of whoever checks it: one that is surely missing is a warning.
pub(super) fn secret_file(section: &mut Section<'_>, key: &'static str) -> Found<Option<PathBuf>> {
    let folder = section.findings.source().folder.clone();
    let parse = |text: &str| match text.contains('\0') {
        true => Err("it holds a zero byte".to_owned()),
        false => Ok(text.to_owned()),
    };
    let missing = Missing::Default(String::new());
    let found = section.parsed(key, missing, "the name of a file, or empty", parse, String::clone);
    let value = Some(found.value).filter(|name| !name.is_empty()).map(|name| folder.join(name));
    missed(section, key, found.place, value.as_deref());
    Found { value, place: found.place }
}

/// Warns of a file that is not there. One in a folder that may not be looked into is none.
pub(super) fn missed(section: &mut Section<'_>, key: &str, place: Place, path: Option<&Path>) {
    if path.is_some_and(|path| path.try_exists().is_ok_and(|is_there| !is_there)) {
        let message = format!("`{key}` names a file that is not there");
        section.findings.warning(place, message, "the switch reads it when it starts");
    }
}

pub(super) fn variable(
    section: &mut Section<'_>,
    key: &'static str,
    default: &str,
) -> Found<String> {
    let parse = |text: &str| {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        fits.then(|| text.to_owned()).ok_or_else(|| "no variable has such a name".to_owned())
    };
    let missing = Missing::Default(default.to_owned());
    section.parsed(key, missing, "the name of an environment variable", parse, String::clone)
}

pub(super) fn needed(
    section: &mut Section<'_>,
    key: &'static str,
    example: &'static str,
) -> String {
    let missing = Missing::Required { example, stand_in: "?".to_owned() };
    section.parsed(key, missing, "1 to 128 printable characters", word_of(128), String::clone).value
}

fn word_of(most: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
    }
}

pub(in crate::switch) fn one_line(
    section: &mut Section<'_>,
    key: &'static str,
    default: &str,
    most: usize,
) -> String {
    let parse = |text: &str| {
        let fits = text.chars().count() <= most && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
    };
    let missing = Missing::Default(default.to_owned());
    section.parsed(key, missing, "a line of text", parse, String::clone).value
}

pub(super) fn url(section: &mut Section<'_>, missing: Missing<String>) -> Found<String> {
    let expected = "an address, http:// or https://, without a slash at the end";
    section.parsed("url", missing, expected, as_url, String::clone)
}

/// The beginning of addresses: scheme, host, perhaps port and path.
pub(in crate::switch) fn as_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("it begins with neither http:// nor https://")?;
    let host = host_of(text);
    if host.is_empty() || rest.contains('@') {
        return Err("it names no host".to_owned());
    }
    if text.ends_with('/') {
        return Err("it ends with a slash".to_owned());
    }
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>');
    match text.len() <= 512 && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("it holds what no such address has".to_owned()),
    }
}

/// The host of an address, without brackets.
pub(in crate::switch) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether an address is one of this machine or of a private network, as far as the text says.
pub(in crate::switch) fn is_private_host(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => is_private(address),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost"
                || [".localhost", ".local", ".internal"].iter().any(|end| host.ends_with(end))
        }
    }
}

pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(IpAddr::V4(v4)),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host) in [
            ("https://api.bank.example", "api.bank.example"),
            ("https://api.bank.example:8443/psd2/v1", "api.bank.example"),
            ("http://[::1]:8600", "::1"),
            ("http://[fd00::1]", "fd00::1"),
            ("http://127.0.0.1:8600/a", "127.0.0.1"),
        ] {
            assert_eq!(as_url(text).as_deref(), Ok(text));
            assert_eq!(host_of(text), host);
        }
        for text in ["", "ftp://x", "https://", "https:///x", "https://x/", "https://u:p@x", "x"] {
            assert!(as_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn private_hosts_are_known() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("169.254.169.254", true),
            ("192.168.1.1", true),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("localhost", true),
            ("Bank.Localhost.", true),
            ("metadata.google.internal", true),
            ("203.0.113.7", false),
            ("100.128.0.1", false),
            ("2001:db8::1", false),
            ("api.bank.example", false),
        ] {
            assert_eq!(is_private_host(host), expected, "{host}");
        }
    }
}
