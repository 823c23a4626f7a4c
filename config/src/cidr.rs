//! Networks that may connect: `"10.1.0.0/16"`, `"2001:db8::/32"`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether an address lies in it. An IPv4 address that came over an IPv6 socket is IPv4.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = mask(128 - 32 + self.bits);
                (widened(own) ^ widened(other)) & mask == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask(self.bits) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "this is not an IP address")?;
        if address != address.to_canonical() {
            return Err(format!("write it as {}", address.to_canonical()));
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => {
                let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
                bits.ok_or_else(|| format!("after the slash stands a number from 0 to {most}"))?
            }
        };
        let network = match address {
            IpAddr::V4(own) => {
                let kept = widened(own) & mask(128 - 32 + bits);
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(kept).unwrap_or(0)))
            }
            IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() & mask(bits))),
        };
        if network != address {
            return Err(format!("it has bits behind its first {bits}; the network is {network}"));
        }
        Ok(Self { address, bits })
    }
}

fn widened(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits())
}

/// The first bits of an address are set.
fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let cases = [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("10.1.0.0/16", "::ffff:10.1.2.3", true),
            ("10.1.2.0/31", "10.1.2.1", true),
            ("10.1.2.0/31", "10.1.2.2", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ];
        for (network, address, expected) in cases {
            let holds = Cidr::parse(network).unwrap().holds(address.parse().unwrap());
            assert_eq!(holds, expected, "{network} {address}");
        }
    }

    #[test]
    fn half_written_networks_are_refused() {
        for text in ["", "10.1", "10.1.0.0/33", "10.1.0.0/-1", "10.1.2.0/16", "bank", "::1/129"] {
            assert!(Cidr::parse(text).is_err(), "{text}");
        }
        let wrong = Cidr::parse("10.1.2.3/16").unwrap_err();
        assert!(wrong.contains("10.1.0.0"), "{wrong}");
        for text in ["10.1.0.0/16", "::1/128", "2001:db8::/32"] {
            assert_eq!(Cidr::parse(text).unwrap().to_string(), text);
        }
    }
}
