//! Names of things outside the file: addresses to dial and dialects to speak.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// An address the switch or a terminal connects to. A host name is looked up at every attempt,
/// never here: a name that moves must not need a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// An IP address without brackets, or a host name.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// Which dialect a link speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialectName {
    /// One that the binary carries.
    Shipped(String),
    /// A file of the user; it existed when the configuration was checked.
    File(PathBuf),
}

impl Destination {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        let port = match port.parse::<u16>() {
            Ok(0) | Err(_) => return Err("the port must be from 1 to 65535".to_owned()),
            Ok(port) => port,
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<Ipv6Addr>().is_ok() => host,
            Some(_) => return Err("not an IPv6 address".to_owned()),
            None if host.contains(':') => {
                return Err("an IPv6 address is written in brackets".to_owned());
            }
            None if host.is_empty() => return Err("the host is missing".to_owned()),
            None if host.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                host.parse::<Ipv4Addr>().map_err(|_| "not an IPv4 address")?;
                host
            }
            None if is_host_name(host) => host,
            None => return Err("not an IP address or a host name".to_owned()),
        };
        Ok(Self { host: host.to_owned(), port })
    }

    /// Whether a connection to it would arrive at `listener`, as far as text can tell.
    pub(crate) fn reaches(&self, listener: SocketAddr) -> bool {
        let host = match self.host.as_str() {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        };
        let Some(host) = host else { return false };
        let here = host == listener.ip() || (listener.ip().is_unspecified() && host.is_loopback());
        here && self.port == listener.port()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// An address to listen on. Port 0 lets the system choose, which tests and the demo use.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    Err(match text.rsplit_once(':') {
        None => "the port is missing",
        Some((_, port)) if port.parse::<u16>().is_err() => "the port must be from 0 to 65535",
        Some(("", _)) => "the IP address is missing: 0.0.0.0 stands for every interface",
        Some(("localhost", _)) => "a listener needs an IP address: 127.0.0.1",
        Some(_) => "a listener needs an IP address",
    }
    .to_owned())
}

/// Whether two listening sockets would want the same port of the same interface.
pub(crate) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (everywhere || a.ip() == b.ip())
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        for text in ["127.0.0.1:8593", "[::1]:8593", "cbs.bank.example:8593", "cbs_1:1"] {
            assert_eq!(Destination::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            ":1",
            "127.0.0.1",
            "a:0",
            "a:65536",
            "::1:80",
            "[::1:80",
            "300.1.1.1:80",
            "-a:1",
            "a..b:1",
            "a b:1",
            "[cbs]:1",
        ] {
            assert!(Destination::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_listener_is_reached_over_loopback() {
        let listener = "0.0.0.0:8583".parse().unwrap();
        assert!(Destination::parse("localhost:8583").unwrap().reaches(listener));
        assert!(!Destination::parse("localhost:8584").unwrap().reaches(listener));
        assert!(!Destination::parse("cbs:8583").unwrap().reaches(listener));
    }
}
