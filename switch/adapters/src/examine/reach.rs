//! From an address to a connection that may be spoken on: what it is written like, its name, TCP
//! and TLS.

use super::papers::life;
use super::{Findings, Mark, date, now_s};
use crate::adapters::AdapterError;
use crate::executor::address::is_public;
use crate::executor::{address_of, client_tls, refuses_us};
use reqwest::Url;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ProtocolVersion};
use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use veksel_config::bridge::CallConfig;

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// The address, if it is one that may be called.
pub(super) fn address(findings: &mut Findings, call: &CallConfig) -> Option<Url> {
    match address_of(&call.url, call.allow_private) {
        Ok(url) => Some(url),
        Err(why) => {
            let fix = "write https:// and a public host; `allow_private = true` allows one near \
                       by, and plain http:// to it";
            findings.add("address", Mark::Bad, format!("its address {why}"), fix);
            None
        }
    }
}

/// A connection to somebody, by name.
pub(super) async fn connect(
    findings: &mut Findings,
    (host, port): (&str, u16),
    allow_private: bool,
    limit: Duration,
) -> Option<TcpStream> {
    let resolver = "check the spelling and the resolver (DNS)";
    let found: Vec<SocketAddr> = match timeout(limit, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            let said = format!("`{host}` is no host that this machine knows: {error}");
            findings.add("name", Mark::Bad, said, resolver);
            return None;
        }
        Err(_) => {
            let said = format!("`{host}` was not found in time");
            findings.add("name", Mark::Bad, said, resolver);
            return None;
        }
    };
    let is_allowed = |at: &&SocketAddr| allow_private || is_public(at.ip());
    let allowed: Vec<&SocketAddr> = found.iter().filter(is_allowed).take(ADDRESSES_MAX).collect();
    if allowed.is_empty() {
        let said = format!("every address of `{host}` is of this machine or a private network");
        let fix = "set `allow_private = true` if that is meant; if not, find out who changed the \
                   name";
        findings.add("name", Mark::Bad, said, fix);
        return None;
    }
    if host.parse::<IpAddr>().is_err() {
        let shown: Vec<String> = allowed.iter().map(|at| at.ip().to_string()).collect();
        findings.add("name", Mark::Good, format!("`{host}` is {}", shown.join(", ")), "");
    }
    let mut last = io::Error::other("no address");
    for at in allowed {
        let begun = Instant::now();
        match timeout(limit, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => {
                findings.took("connect", format!("{at} accepts"), begun.elapsed());
                return Some(stream);
            }
            Ok(Err(error)) => last = io::Error::new(error.kind(), format!("{at}: {error}")),
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{at}: no answer")),
        }
    }
    let fix = match last.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens on that port: is the other side running, and is it this port?"
        }
        _ => "no answer to the connection: a firewall drops it, or the host is down or not routed",
    };
    findings.add("connect", Mark::Bad, last.to_string(), fix);
    None
}

/// Shakes hands as the adapters do; whether that went well.
pub(super) async fn shake(
    findings: &mut Findings,
    stream: TcpStream,
    host: &str,
    call: &CallConfig,
    limit: Duration,
) -> bool {
    let tls = match client_tls(call) {
        Ok(tls) => tls,
        Err(_) if !findings.is_sound() => {
            let said = "not tried, because of the files above";
            findings.add("tls", Mark::Skipped, said, "");
            return false;
        }
        Err(error) => {
            let fix = "name the CAs of the other side in `trust`, or install those of the system \
                       (ca-certificates)";
            let said = match error {
                AdapterError::Tls { source, .. } => format!("TLS cannot be spoken: {source}"),
                error => error.to_string(),
            };
            findings.add("tls", Mark::Bad, said, fix);
            return false;
        }
    };
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        let said = format!("`{host}` is no name that a certificate can have");
        findings.add("tls", Mark::Bad, said, "name the host as its certificate does");
        return false;
    };
    let begun = Instant::now();
    let shaken = timeout(limit, TlsConnector::from(Arc::new(tls)).connect(name, stream)).await;
    let shaken = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => {
            failed(findings, &error);
            return false;
        }
        Err(_) => {
            let said = "it connects, and does not shake hands in time";
            findings.add("tls", Mark::Bad, said, "does the port speak TLS at all?");
            return false;
        }
    };
    let (_, session) = shaken.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    findings.took("tls", format!("{version}, hands are shaken"), begun.elapsed());
    peer(findings, session.peer_certificates().unwrap_or_default(), call.is_relaxed);
    true
}

/// What the other side has shown.
pub(super) fn peer(findings: &mut Findings, chain: &[CertificateDer<'_>], is_relaxed: bool) {
    let mut lives = chain.iter().filter_map(life);
    if let Some(own) = lives.next() {
        findings.life("peer", "the certificate of the other side", own, "its operator");
    }
    // A way to a CA that is believed was found without it.
    if lives.any(|(_, until)| until < now_s()) {
        let said = "the other side also shows a certificate that has ended; it is not needed";
        findings.add("peer", Mark::Doubtful, said, "its operator may take it out of the chain");
    }
    if is_relaxed {
        let said = "anybody may be there: no certificate is looked at (`tls = \"relaxed\"`)";
        let fix = "set `tls = \"strict\"` and name the CA in `trust`";
        findings.add("peer", Mark::Doubtful, said, fix);
    }
}

/// Why hands were not shaken.
pub(super) fn failed(findings: &mut Findings, error: &(dyn StdError + 'static)) {
    let (said, fix) = match tls_of(error) {
        Some(tls) => in_words(&tls),
        None => {
            let said = "the connection ended while hands were shaken".to_owned();
            (said, "does the port speak TLS at all, and does a gateway in between let it through?")
        }
    };
    findings.add("tls", Mark::Bad, said, fix);
}

fn in_words(error: &rustls::Error) -> (String, &'static str) {
    use CertificateError as Wrong;
    let renew = "its operator has to renew it, if the clock of this machine is right";
    let rename = "call it by a name that its certificate has";
    match error {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            Wrong::ExpiredContext { not_after, .. } => {
                let ended = day(*not_after);
                (format!("the certificate of the other side ended on {ended}"), renew)
            }
            Wrong::Expired => ("the certificate of the other side has ended".to_owned(), renew),
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
                let said = "the certificate of the other side is not valid yet".to_owned();
                (said, "is the clock of this machine right?")
            }
            // A CA of the same name with another key signs what cannot be verified.
            Wrong::UnknownIssuer | Wrong::BadSignature => {
                let said = "the certificate of the other side is of a CA that is not believed";
                let fix = "name that CA in `trust`, if it is the right one; else somebody stands \
                           in between";
                (said.to_owned(), fix)
            }
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
                (format!("the certificate is that of another host: {wrong}"), rename)
            }
            Wrong::Revoked => {
                let said = "the certificate of the other side was revoked".to_owned();
                (said, "its operator has to renew it; trust nothing it says until then")
            }
            wrong => {
                let said = format!("the certificate of the other side cannot be used: {wrong}");
                (said, "its operator has to mend it")
            }
        },
        // Some say no more than that hands cannot be shaken.
        rustls::Error::AlertReceived(alert)
            if refuses_us(*alert) || *alert == AlertDescription::HandshakeFailure =>
        {
            (
                format!("the other side does not take us: {alert:?}"),
                "name in `certificate` and `key` what the other side knows us by",
            )
        }
        rustls::Error::InvalidMessage(_) => (
            "what answers there does not speak TLS".to_owned(),
            "is it this port, and https:// rather than http://?",
        ),
        error => (
            format!("hands cannot be shaken: {error}"),
            "does the other side speak TLS 1.2 or 1.3?",
        ),
    }
}

fn day(at: UnixTime) -> String {
    date(i64::try_from(at.as_secs()).unwrap_or_default())
}

/// What stands behind an error, if TLS does.
fn tls_of(error: &(dyn StdError + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(tls.clone());
        }
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// Whether TLS stands behind an error.
pub(super) fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    tls_of(error).is_some()
}
