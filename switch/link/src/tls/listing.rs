//! What the files of a link hold, for people: the inventory of certificates.

use super::{TlsError, files, identity};
use std::path::{Path, PathBuf};
use veksel_config::{DialTls, ListenTls, Pin};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// What something in a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// What we show.
    Own,
    /// What stands between that and its CA.
    Chain,
    /// Whose signatures we believe.
    Authority,
    /// What a CA has taken back.
    Revocations,
}

impl Purpose {
    /// Its word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Chain => "chain",
            Self::Authority => "ca",
            Self::Revocations => "crl",
        }
    }
}

/// A certificate or a revocation list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Where it stands.
    pub path: PathBuf,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is, as it says; of a list, who issued it.
    pub subject: String,
    /// Its names: `DNS:`, `URI:`, `IP:` and the like.
    pub sans: Vec<String>,
    /// The SHA-256 of its public key; a list has none.
    pub pin: Option<Pin>,
    /// From when it is valid, in seconds of Unix time.
    pub since: i64,
    /// Until when; `None` for a list that does not say.
    pub until: Option<i64>,
}

/// What a listener loads.
///
/// # Errors
/// A file cannot be read or holds something else.
pub fn of_listener(tls: &ListenTls) -> Result<Vec<Listed>, TlsError> {
    listed(Some(&tls.certificate), &tls.ca, &tls.crls)
}

/// What connections to a host load.
///
/// # Errors
/// A file cannot be read or holds something else.
pub fn of_host(tls: &DialTls) -> Result<Vec<Listed>, TlsError> {
    listed(tls.own.as_ref().map(|(certificate, _)| certificate), &tls.ca, &tls.crls)
}

/// What the certificates of a file are, whatever they are for.
///
/// # Errors
/// The file cannot be read or holds something else.
pub fn of_file(path: &Path) -> Result<Vec<Listed>, TlsError> {
    let of = |der: &[u8]| certificate(path, Purpose::Own, der);
    files::certificates(path)?.iter().map(|der| of(der)).collect()
}

fn listed(
    own: Option<&PathBuf>,
    ca: &[PathBuf],
    crls: &[PathBuf],
) -> Result<Vec<Listed>, TlsError> {
    let mut all = Vec::new();
    if let Some(path) = own {
        for (place, der) in files::certificates(path)?.iter().enumerate() {
            let purpose = if place == 0 { Purpose::Own } else { Purpose::Chain };
            all.push(certificate(path, purpose, der)?);
        }
    }
    for path in ca {
        for der in files::certificates(path)? {
            all.push(certificate(path, Purpose::Authority, &der)?);
        }
    }
    for path in crls {
        for der in files::crls([path])? {
            all.push(revocations(path, &der)?);
        }
    }
    Ok(all)
}

fn certificate(path: &Path, purpose: Purpose, der: &[u8]) -> Result<Listed, TlsError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| unreadable(path, "certificate", &error))?;
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    Ok(Listed {
        path: path.to_owned(),
        purpose,
        subject: printable(&certificate.subject().to_string()),
        sans: names.unwrap_or_default().iter().map(san).collect(),
        pin: Some(identity::pin(&certificate)),
        since: certificate.validity().not_before.timestamp(),
        until: Some(certificate.validity().not_after.timestamp()),
    })
}

fn revocations(path: &Path, der: &[u8]) -> Result<Listed, TlsError> {
    let (_, list) = CertificateRevocationList::from_der(der)
        .map_err(|error| unreadable(path, "revocation list", &error))?;
    Ok(Listed {
        path: path.to_owned(),
        purpose: Purpose::Revocations,
        subject: printable(&list.issuer().to_string()),
        sans: Vec::new(),
        pin: None,
        since: list.last_update().timestamp(),
        until: list.next_update().map(|next| next.timestamp()),
    })
}

fn unreadable(path: &Path, expected: &'static str, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Content { path: path.to_owned(), expected, why: error.to_string() }
}

fn san(name: &GeneralName<'_>) -> String {
    let text = match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::IPAddress(bytes) => format!("IP:{}", address(bytes)),
        GeneralName::RFC822Name(mail) => format!("email:{mail}"),
        GeneralName::DirectoryName(name) => format!("name:{name}"),
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => "other".to_owned(),
    };
    printable(&text)
}

fn address(bytes: &[u8]) -> String {
    match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(four), _) => std::net::Ipv4Addr::from(four).to_string(),
        (_, Ok(sixteen)) => std::net::Ipv6Addr::from(sixteen).to_string(),
        (Err(_), Err(_)) => "?".to_owned(),
    }
}

/// A certificate may say anything; a terminal must not obey it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
