//! Who may link accounts and begin checks: whoever has the token. Without one configured, whoever
//! is on this machine and is not a page in a browser, nor somebody elsewhere whose request a proxy
//! on this machine hands on.

use crate::answer::Refusal;
use axum::http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq;
use veksel_config::Elsewhere;
use veksel_core::enquiry::Secret;

/// What is asked of callers.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    token: Option<Secret>,
    is_loopback: bool,
}

impl Guard {
    pub(crate) const fn new(token: Option<Secret>, is_loopback: bool) -> Self {
        Self { token, is_loopback }
    }

    /// Lets a caller in, or says why not.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.token {
            Some(token) => with_token(headers, token),
            None if self.is_loopback => from_this_machine(headers),
            None => {
                let message = "no token is configured, and the listener is not a loopback address";
                Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message))
            }
        }
    }
}

fn with_token(headers: &HeaderMap, token: &Secret) -> Result<(), Refusal> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    let fits = given.is_some_and(|(scheme, given)| {
        let is_same = given.trim().as_bytes().ct_eq(token.expose().as_bytes());
        scheme.eq_ignore_ascii_case("bearer") && bool::from(is_same)
    });
    if fits && !token.expose().is_empty() {
        return Ok(());
    }
    let message = "a bearer token is needed";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
}

/// A page of ours has a session or nothing.
fn from_this_machine(headers: &HeaderMap) -> Result<(), Refusal> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let (status, code, message) = match veksel_config::from_this_machine(headers) {
        Ok(()) => return Ok(()),
        Err(Elsewhere::Proxy) => {
            let message =
                "a bearer token is needed: this came through a proxy, and none is configured";
            (StatusCode::UNAUTHORIZED, "unauthorized", message)
        }
        Err(Elsewhere::Page) => {
            let message = "without a token only programs of this machine are heard";
            (StatusCode::FORBIDDEN, "forbidden", message)
        }
    };
    Err(Refusal::new(status, code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn status(guard: &Guard, list: &[(&'static str, &str)]) -> u16 {
        let refused = guard.check(&headers(list)).err();
        refused.map_or(200, |refusal| {
            refusal.respond(&crate::answer::Trace("t".into())).status().as_u16()
        })
    }

    #[test]
    fn the_token_is_asked_for_wherever_the_caller_is() {
        let guard = Guard::new(Some(Secret::new("s3cret")), true);
        for (value, expected) in [
            ("Bearer s3cret", 200),
            ("bearer s3cret", 200),
            ("Bearer s3creT", 401),
            ("Bearer s3cret2", 401),
            ("Bearer ", 401),
            ("Basic s3cret", 401),
            ("s3cret", 401),
        ] {
            assert_eq!(status(&guard, &[("authorization", value)]), expected, "{value}");
        }
        assert_eq!(status(&guard, &[("host", "127.0.0.1:8581")]), 401);
        let empty = Guard::new(Some(Secret::new("")), true);
        assert_eq!(status(&empty, &[("authorization", "Bearer ")]), 401);
    }

    #[test]
    fn without_a_token_programs_of_this_machine_are_heard() {
        let guard = Guard::new(None, true);
        for (list, expected) in [
            (&[("host", "127.0.0.1:8581")][..], 200),
            (&[("host", "localhost:8581")], 200),
            (&[("host", "localhost")], 200),
            (&[("host", "[::1]:8581")], 200),
            (&[("host", "[::1]")], 200),
            (&[("host", "evil.example:8581")], 403),
            (&[("host", "localhost.evil.example")], 403),
            (&[], 403),
            (&[("host", "127.0.0.1:1"), ("origin", "https://evil.example")], 403),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "cross-site")], 403),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "same-site")], 403),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "same-origin")], 403),
            (&[("host", "127.0.0.1:1"), ("sec-fetch-site", "none")], 200),
        ] {
            assert_eq!(status(&guard, list), expected, "{list:?}");
        }
        for name in [
            "forwarded",
            "via",
            "x-real-ip",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ] {
            let list = [("host", "127.0.0.1:8581"), (name, "127.0.0.1")];
            assert_eq!(status(&guard, &list), 401, "{name}");
            // Whoever has the token may come through whatever it is.
            let known = Guard::new(Some(Secret::new("s3cret")), true);
            let list = [("authorization", "Bearer s3cret"), (name, "127.0.0.1")];
            assert_eq!(status(&known, &list), 200, "{name}");
        }
        assert_eq!(status(&Guard::new(None, false), &[("host", "127.0.0.1:1")]), 403);
    }
}
