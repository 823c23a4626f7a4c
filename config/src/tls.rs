//! The `tls` tables of a listener, a group, HTTP or a simulator, and the identity and the grants of
//! a participant: text to values.
//!
//! Only what the file says is looked at; certificates and keys are read by who uses them.

use crate::findings::Found;
use crate::section::{Missing, Section};
use crate::unit::{parse_hex, show_hex};
use std::fmt;
use std::path::{Path, PathBuf};
use veksel_core::plan::{Grant, ParticipantId, Span};

const SECOND: u64 = 1_000;

/// Keys of one participant. Two are enough to change one; more are devices of their own.
const PINS_MAX: usize = 64;

/// TLS on a listening socket, always 1.2 or 1.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// PEM file with our certificate and those between it and the CA.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// Whether peers show certificates.
    pub clients: Clients,
    /// PEM files with the CAs that sign those.
    pub ca: Vec<PathBuf>,
    /// PEM files with the revocation lists of these CAs; empty asks for no revocation.
    pub crls: Vec<PathBuf>,
    /// For one handshake, in milliseconds.
    pub handshake_ms: u64,
    /// Handshakes at once; the next connections wait to be accepted.
    pub handshakes_max: u32,
}

/// Whether the peers of a listener show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They are not asked.
    None,
    /// They may; one that is shown must be good.
    Optional,
    /// Without a good one nobody gets in.
    Required,
}

/// TLS on connections to a host, always 1.2 or 1.3. There is at least one CA or pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialTls {
    /// PEM files with the CAs that sign the host's certificate. Empty relies on the pins alone.
    pub ca: Vec<PathBuf>,
    /// PEM files with the revocation lists of these CAs; empty asks for no revocation.
    pub crls: Vec<PathBuf>,
    /// Public keys of the host. Empty relies on the CAs alone.
    pub pins: Vec<Pin>,
    /// The name its certificate must have; `None` is the host that is dialled.
    pub name: Option<String>,
    /// PEM files with our certificate and its private key.
    pub own: Option<(PathBuf, PathBuf)>,
    /// For one handshake, in milliseconds.
    pub handshake_ms: u64,
}

/// The SHA-256 of a public key as it stands in a certificate (`SubjectPublicKeyInfo`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// A name in a certificate that stands for a participant. Compared whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum San {
    /// A host name, in small letters.
    Dns(String),
    /// A URI.
    Uri(String),
}

/// Who the peers of a listener are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    /// By their certificates.
    pub known: Vec<Identity>,
    /// Who a peer without a certificate is; `None` where all need one.
    pub without: Option<ParticipantId>,
}

/// How a participant is known by its certificate: any of the pins, or any of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub participant: ParticipantId,
    /// Its public keys.
    pub pins: Vec<Pin>,
    /// Its names.
    pub sans: Vec<San>,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_hex(&self.0).to_lowercase())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
        }
    }
}

/// Reads `[listener.tls]` and what is like it; `asked` is whether peers show certificates if nobody
/// says so. The place is that of `clients`.
pub(crate) fn listen_tls(mut section: Section<'_>, asked: Clients) -> Found<Option<ListenTls>> {
    let choices =
        [("none", Clients::None), ("optional", Clients::Optional), ("required", Clients::Required)];
    let enabled = section.boolean("enabled", false);
    let certificate = file(&mut section, "certificate");
    let key = file(&mut section, "key");
    let clients = section.choice("clients", asked, &choices);
    let ca = files(&mut section, "ca");
    let crls = files(&mut section, "crls");
    let handshake = section.duration("handshake", 5 * SECOND, 100..=60 * SECOND);
    let handshakes_max = section.integer("handshakes_max", 256, 1..=65_536);
    let (place, own) = (clients.place.or(enabled.place).or(section.place()), section.place());
    if !enabled.value {
        let is_named = certificate.value.is_some() || key.value.is_some() || !ca.value.is_empty();
        refuse_idle(&mut section, &enabled, is_named);
        return Found { value: None, place };
    }
    if certificate.is_sound() && certificate.value.is_none() {
        let help = "name the PEM files in `certificate` and `key`; \
                    `veksel certs dev` makes some to try it";
        section.findings.error(certificate.place.or(own), "TLS without a certificate", help);
    } else if key.is_sound() && key.value.is_none() {
        let help = "name the PEM file of its private key in `key`";
        section.findings.error(key.place.or(own), "a certificate without its key", help);
    }
    let asks = clients.value != Clients::None;
    if clients.is_sound() && ca.is_sound() {
        if asks && ca.value.is_empty() {
            let help = "name the PEM files of those CAs in `ca`, or ask with `clients = \"none\"`";
            let message = "peers are asked for certificates, and no CA is believed";
            section.findings.error(ca.place.or(place), message, help);
        } else if !asks && !ca.value.is_empty() {
            let help = "`clients = \"required\"` does, and then only known peers get in";
            section.findings.error(place, "a CA, and nobody is asked for a certificate", help);
        }
    }
    warn_of_revocation(&mut section, asks, &ca, &crls);
    let value = ListenTls {
        certificate: certificate.value.unwrap_or_default(),
        key: key.value.unwrap_or_default(),
        clients: clients.value,
        ca: ca.value,
        crls: crls.value,
        handshake_ms: handshake.value,
        handshakes_max: handshakes_max.value,
    };
    Found { value: Some(value), place }
}

/// Reads `[group.tls]` and the `tls` table of terminals.
pub(crate) fn dial_tls(mut section: Section<'_>) -> Option<DialTls> {
    let enabled = section.boolean("enabled", false);
    let ca = files(&mut section, "ca");
    let crls = files(&mut section, "crls");
    let pins = pins(&mut section);
    let name = section.parsed(
        "name",
        Missing::Default(String::new()),
        "a host name or an IP address, or empty",
        |text| {
            let fits = text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| text.to_owned()).ok_or_else(|| "no certificate has this name".to_owned())
        },
        String::clone,
    );
    let certificate = file(&mut section, "certificate");
    let key = file(&mut section, "key");
    let handshake = section.duration("handshake", 5 * SECOND, 100..=60 * SECOND);
    let place = enabled.place.or(section.place());
    if !enabled.value {
        let is_named =
            certificate.value.is_some() || !ca.value.is_empty() || !pins.value.is_empty();
        refuse_idle(&mut section, &enabled, is_named);
        return None;
    }
    let is_unknown = ca.value.is_empty() && pins.value.is_empty();
    if is_unknown && ca.is_sound() && pins.is_sound() {
        let help = "name the PEM files of its CA in `ca`, or its public keys in `pins`";
        section.findings.error(place, "TLS to a host that nobody can tell from another", help);
    }
    if certificate.is_sound()
        && key.is_sound()
        && certificate.value.is_some() != key.value.is_some()
    {
        let help = "name both PEM files, or none";
        section.findings.error(
            certificate.place.or(key.place),
            "`certificate` and `key` belong together",
            help,
        );
    }
    warn_of_revocation(&mut section, true, &ca, &crls);
    Some(DialTls {
        ca: ca.value,
        crls: crls.value,
        pins: pins.value,
        name: Some(name.value).filter(|name| !name.is_empty()),
        own: certificate.value.zip(key.value),
        handshake_ms: handshake.value,
    })
}

/// What was configured for TLS protects nothing while it is off.
fn refuse_idle(section: &mut Section<'_>, enabled: &Found<bool>, is_named: bool) {
    if is_named && enabled.is_sound() {
        let place = enabled.place.or(section.place());
        let help = "set `enabled = true`, or leave the files out";
        section.findings.error(place, "certificates, and no TLS", help);
    }
}

fn warn_of_revocation(
    section: &mut Section<'_>,
    asks: bool,
    ca: &Found<Vec<PathBuf>>,
    crls: &Found<Vec<PathBuf>>,
) {
    if crls.is_sound() && !crls.value.is_empty() && (!asks || ca.value.is_empty()) {
        let help = "they are those of the CAs in `ca`";
        section.findings.error(crls.place, "revocation lists, and no CA", help);
    }
}

/// The pins of a participant or of a host.
pub(crate) fn pins(section: &mut Section<'_>) -> Found<Vec<Pin>> {
    let parse = |text: &str| {
        let bytes = parse_hex(text)?;
        let pin = <[u8; 32]>::try_from(bytes).map(Pin);
        pin.map_err(|bytes: Vec<u8>| format!("these are {} bytes", bytes.len()))
    };
    let expected = "SHA-256 of public keys, 64 hexadecimal digits each";
    let found = section.list("pins", None, expected, parse, Pin::to_string);
    if let Some(beyond) = found.value.get(PINS_MAX) {
        let message = format!("`pins` has more than {PINS_MAX} keys");
        section.findings.error(beyond.place, message, "take out those that are no longer used");
    }
    plain(found)
}

/// The names in certificates that stand for a participant.
pub(crate) fn sans(section: &mut Section<'_>) -> Found<Vec<San>> {
    let parse = |text: &str| {
        let fits = text.len() <= 1_024 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let wildcard = text.contains('*');
        match text.split_once(':') {
            _ if !fits => Err("no certificate has such a name".to_owned()),
            _ if wildcard => Err("a participant has a whole name, without `*`".to_owned()),
            Some(("DNS", name)) if !name.is_empty() => Ok(San::Dns(name.to_ascii_lowercase())),
            Some(("URI", uri)) if !uri.is_empty() => Ok(San::Uri(uri.to_owned())),
            Some(_) | None => Err("write it as \"DNS:name\" or \"URI:name\"".to_owned()),
        }
    };
    plain(section.list("sans", None, "names in certificates", parse, San::to_string))
}

/// The values a participant may write into a field. Not set, they are all values.
pub(crate) fn grant(section: &mut Section<'_>, key: &'static str) -> Grant {
    let expected = "values, beginnings (\"50*\"), ranges (\"100..199\") or \"*\" for all";
    let found = section.list_or(key, &["*"], expected, span, |span| show_span(span.as_ref()));
    let spans: Option<Vec<Span>> = found.value.into_iter().map(|span| span.value).collect();
    Grant { spans }
}

/// `None` is every value.
fn span(text: &str) -> Result<Option<Span>, String> {
    let fits = |text: &str| {
        (1..=16).contains(&text.len())
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            && !text.ends_with(' ')
            && !text.contains('*')
    };
    let value = |text: &str| {
        let refused = || "these are not 1 to 16 characters of such a field".to_owned();
        fits(text).then(|| text.to_owned()).ok_or_else(refused)
    };
    if text == "*" {
        return Ok(None);
    }
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (value(first)?, value(last)?);
        if first.len() != last.len() {
            return Err("both ends of a range are equally long".to_owned());
        }
        if first > last {
            return Err("the range ends before it begins".to_owned());
        }
        return Ok(Some(Span::Range(first, last)));
    }
    match text.strip_suffix('*') {
        Some(prefix) => value(prefix).map(|prefix| Some(Span::Prefix(prefix))),
        None => value(text).map(|exact| Some(Span::Exact(exact))),
    }
}

fn show_span(span: Option<&Span>) -> String {
    match span {
        None => "*".to_owned(),
        Some(Span::Exact(exact)) => exact.clone(),
        Some(Span::Prefix(prefix)) => format!("{prefix}*"),
        Some(Span::Range(first, last)) => format!("{first}..{last}"),
    }
}

fn plain<T>(found: Found<Vec<Found<T>>>) -> Found<Vec<T>> {
    let Found { value, place } = found;
    Found { value: value.into_iter().map(|item| item.value).collect(), place }
}

pub(crate) fn file(section: &mut Section<'_>, key: &'static str) -> Found<Option<PathBuf>> {
    let folder = section.findings.source().folder.clone();
    let found = section.parsed(
        key,
        Missing::Default(String::new()),
        "the name of a PEM file, or empty",
        |text| if text.is_empty() { Ok(String::new()) } else { is_file(&folder, text) },
        String::clone,
    );
    let value = Some(found.value).filter(|name| !name.is_empty()).map(|name| folder.join(name));
    Found { value, place: found.place }
}

fn files(section: &mut Section<'_>, key: &'static str) -> Found<Vec<PathBuf>> {
    let folder = section.findings.source().folder.clone();
    let parse = |text: &str| is_file(&folder, text);
    let found = plain(section.list(key, None, "names of PEM files", parse, String::clone));
    let value = found.value.into_iter().map(|name| folder.join(name)).collect();
    Found { value, place: found.place }
}

fn is_file(folder: &Path, text: &str) -> Result<String, String> {
    let is_file = folder.join(text).is_file();
    is_file.then(|| text.to_owned()).ok_or_else(|| "there is no such file".to_owned())
}
