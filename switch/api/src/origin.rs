//! Where a request comes from: the other end of its connection, or whoever a proxy that we believe
//! asks for.

use crate::serve::PeerAddress;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use veksel_config::Cidr;

/// The other end of the connection. Without one everybody is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From(IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<PeerAddress>().map(|PeerAddress(address)| *address);
        Ok(Self(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

impl From {
    /// The last address of `X-Forwarded-For` that is not a proxy of ours, as far as it was proxies
    /// of ours that said so: whatever stands before it may be made up.
    pub(crate) fn behind(self, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
        let is_proxy = |address: IpAddr| proxies.iter().any(|proxy| proxy.holds(address));
        let mut address = self.0;
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            if !is_proxy(address) {
                break;
            }
            let Some(before) = read(hop.trim()) else { break };
            address = before;
        }
        address
    }
}

/// An address as proxies write them: plain, in brackets, or with the port it came from.
fn read(hop: &str) -> Option<IpAddr> {
    let plain = || hop.trim_start_matches('[').trim_end_matches(']').parse().ok();
    hop.parse::<SocketAddr>().map(|address| address.ip()).ok().or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let config = "[identity]\nmock = true\nproxies = [\"10.0.0.0/8\", \"::1\"]";
        let proxies = proxies(config);
        let found = |peer: &str, lines: &[&str]| {
            let lines = lines.iter().map(|line| ("x-forwarded-for".parse().unwrap(), line));
            let headers = lines.map(|(name, line)| (name, line.parse().unwrap())).collect();
            From(peer.parse().unwrap()).behind(&headers, &proxies).to_string()
        };
        for (peer, lines, expected) in [
            ("203.0.113.1", &["198.51.100.1"][..], "203.0.113.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.9.9.9"], "10.9.9.9"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["198.51.100.1:41234"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1:1, [2001:db8::7]:443, 10.9.9.9:80"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["198.51.100.1:port"], "10.0.0.1"),
        ] {
            assert_eq!(found(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    /// Networks are read from a configuration and nowhere else.
    fn proxies(section: &str) -> Vec<Cidr> {
        let text = format!(
            "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\nlisten = \"127.0.0.1:1\"\n\
             participant = \"a\"\n[[group]]\nname = \"b\"\nconnect = [\"127.0.0.1:2\"]\n\
             [[route]]\nname = \"c\"\ngroup = \"b\"\n[http]\n{section}\n"
        );
        let config = veksel_config::load_switch(veksel_config::Source::text("a.toml", &text));
        config.unwrap().bridge.identity.unwrap().proxies
    }
}
