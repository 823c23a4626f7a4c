//! What the headers of a request over HTTP tell: whether it comes from this machine, for doors that
//! stand on a loopback address and ask for no password, and what it may be called.

use std::net::{IpAddr, SocketAddr};

/// Why a request is not taken for one of a program on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// A proxy on this machine hands it on, for somebody who may be anywhere.
    Proxy,
    /// A page in a browser sends it, or it was led here by a name that is not of this machine.
    Page,
}

/// Looks at all headers of a request, names in lower case.
///
/// A page in a browser on this machine can call us: from elsewhere it names its origin, and under a
/// name that was made to lead here it names that as the host.
///
/// # Errors
/// It may be from somewhere else.
pub fn from_this_machine<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<(), Elsewhere> {
    let (mut is_named, mut is_page, mut is_handed_on) = (false, false, false);
    for (name, value) in headers {
        let value = str::from_utf8(value).unwrap_or("?");
        match name {
            "host" if is_local(value) => is_named = true,
            "sec-fetch-site" if value == "none" => {}
            "host" | "sec-fetch-site" | "origin" => is_page = true,
            _ => is_handed_on |= is_of_a_proxy(name),
        }
    }
    match (is_handed_on, is_named && !is_page) {
        (true, _) => Err(Elsewhere::Proxy),
        (false, false) => Err(Elsewhere::Page),
        (false, true) => Ok(()),
    }
}

/// Headers that proxies add (RFC 7239, RFC 9110 7.6.3, and what came before them).
fn is_of_a_proxy(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

fn is_local(host: &str) -> bool {
    let address = host.parse::<SocketAddr>().map(|address| address.ip());
    let address = address.or_else(|_| host.trim_matches(['[', ']']).parse());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    address.is_ok_and(|address: IpAddr| address.is_loopback()) || name == "localhost"
}

/// Longest name of a request that is taken over.
const ID_MAX: usize = 64;

/// Digits in a row that may be a national id; card numbers have more.
const NUMBER_MIN: usize = 11;

/// Whether a request may be named like this (`X-Request-ID`) in answers and logs: a plain word in
/// which no number of a card or a person can stand.
#[must_use]
pub fn is_plain_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && (is_hexadecimal(text) || !has_number(text))
}

/// Whether so many digits follow each other, people's hyphens between them or not.
fn has_number(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        match byte {
            b'0'..=b'9' => run += 1,
            b'-' | b'_' => {}
            _ => run = 0,
        }
        run >= NUMBER_MIN
    })
}

/// Whether it is a UUID or a trace id, which have digits in a row by chance: 32 of base 16, with
/// the hyphens of a UUID or none.
fn is_hexadecimal(text: &str) -> bool {
    let is_hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    match text.len() {
        32 => text.bytes().all(is_digit),
        36 => text.bytes().enumerate().all(|(at, byte)| match is_hyphen(at) {
            true => byte == b'-',
            false => is_digit(byte),
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_this_machine_are_told_from_pages_and_proxies() {
        let own = ("host", "127.0.0.1:8581");
        for (headers, expected) in [
            (&[own][..], Ok(())),
            (&[("host", "localhost:8581")], Ok(())),
            (&[("host", "localhost")], Ok(())),
            (&[("host", "[::1]:8581")], Ok(())),
            (&[("host", "[::1]")], Ok(())),
            (&[own, ("sec-fetch-site", "none")], Ok(())),
            (&[], Err(Elsewhere::Page)),
            (&[("host", "evil.example:8581")], Err(Elsewhere::Page)),
            (&[("host", "localhost.evil.example")], Err(Elsewhere::Page)),
            (&[("host", "192.0.2.1")], Err(Elsewhere::Page)),
            (&[own, ("host", "evil.example")], Err(Elsewhere::Page)),
            (&[own, ("origin", "http://127.0.0.1:8581")], Err(Elsewhere::Page)),
            (&[own, ("sec-fetch-site", "same-origin")], Err(Elsewhere::Page)),
            (&[own, ("via", "1.1 x")], Err(Elsewhere::Proxy)),
            (&[("x-forwarded-for", "::1"), own], Err(Elsewhere::Proxy)),
            (&[("forwarded", "for=x"), ("origin", "x")], Err(Elsewhere::Proxy)),
        ] {
            let said = from_this_machine(headers.iter().map(|(n, v)| (*n, v.as_bytes())));
            assert_eq!(said, expected, "{headers:?}");
        }
        assert_eq!(from_this_machine([("host", &b"\xff"[..])]), Err(Elsewhere::Page));
    }
}
