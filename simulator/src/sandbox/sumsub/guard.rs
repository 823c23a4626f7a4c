//! Whether a request was signed by somebody who knows the secret, a moment ago.

use aws_lc_rs::hmac;

/// What requests are checked against.
#[derive(Clone)]
pub(super) struct Keys {
    pub app_token: String,
    pub secret: String,
    /// How far the caller's clock may be from ours, in seconds.
    pub window_s: u64,
    /// Whether `Authorization: Bearer` with the token is taken in place of a signature.
    pub allows_bearer: bool,
}

/// Why a request is refused with 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Token,
    TimestampMissing,
    TimestampExpired,
    Signature,
}

impl Refused {
    /// As the provider says it.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Token => "Invalid app token",
            Self::TimestampMissing => "Missing or malformed X-App-Access-Ts header",
            Self::TimestampExpired => "Request timestamp is expired or too far in the future",
            Self::Signature => "Invalid signature",
        }
    }
}

/// What of a request is signed, and by what.
pub(super) struct Request<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    pub body: &'a [u8],
    /// `X-App-Token`.
    pub token: Option<&'a str>,
    /// `X-App-Access-Ts`.
    pub timestamp: Option<&'a str>,
    /// `X-App-Access-Sig`.
    pub signature: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
}

impl Keys {
    /// Checks a request at `now` in seconds since 1970.
    pub(super) fn check(&self, request: &Request<'_>, now: u64) -> Result<(), Refused> {
        if self.allows_bearer
            && let Some(bearer) = request.authorization.and_then(|it| it.strip_prefix("Bearer "))
        {
            return if bearer == self.app_token { Ok(()) } else { Err(Refused::Token) };
        }
        if request.token != Some(self.app_token.as_str()) {
            return Err(Refused::Token);
        }
        let written = request.timestamp.ok_or(Refused::TimestampMissing)?;
        let timestamp: u64 = written.parse().map_err(|_| Refused::TimestampMissing)?;
        if timestamp.abs_diff(now) > self.window_s {
            return Err(Refused::TimestampExpired);
        }
        let signature = request.signature.ok_or(Refused::Signature)?;
        // The provider writes lower case, and so must who calls it.
        if signature.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Refused::Signature);
        }
        let mut mac =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()));
        mac.update(written.as_bytes());
        mac.update(request.method.to_ascii_uppercase().as_bytes());
        mac.update(request.path_and_query.as_bytes());
        mac.update(request.body);
        if hex(mac.sign().as_ref()) == signature { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys {
            app_token: "sbx:token".to_owned(),
            secret: "test-secret".to_owned(),
            window_s: 60,
            allows_bearer: false,
        }
    }

    // Digests made by another program (http-contracts 2.1).
    const PATH: &str = "/resources/accessTokens\
        ?userId=cfd20712-24a2-4c7d-9ab0-146f3c142335&levelName=basic-kyc-level&ttlInSecs=600";
    const SIGNATURE: &str = "dd43f7a89545090cbb14c4229092b1ac2b55a78116cf0feae945e5656d9ae45d";

    fn request() -> Request<'static> {
        Request {
            method: "POST",
            path_and_query: PATH,
            body: b"",
            token: Some("sbx:token"),
            timestamp: Some("1607551635"),
            signature: Some(SIGNATURE),
            authorization: None,
        }
    }

    #[test]
    fn a_signed_request_passes_and_every_change_of_it_is_refused() {
        let at = 1_607_551_635;
        assert_eq!(keys().check(&request(), at), Ok(()));
        assert_eq!(keys().check(&request(), at + 60), Ok(()));
        assert_eq!(keys().check(&request(), at - 60), Ok(()));
        let upper = SIGNATURE.to_uppercase();
        let cases: &[(Refused, u64, Request<'_>)] = &[
            (Refused::Token, at, Request { token: None, ..request() }),
            (Refused::Token, at, Request { token: Some("prd:token"), ..request() }),
            (
                Refused::Token,
                at,
                Request { token: None, authorization: Some("Bearer sbx:token"), ..request() },
            ),
            (Refused::TimestampMissing, at, Request { timestamp: None, ..request() }),
            (Refused::TimestampMissing, at, Request { timestamp: Some("now"), ..request() }),
            (Refused::TimestampExpired, at + 61, request()),
            (Refused::TimestampExpired, at - 61, request()),
            (
                Refused::TimestampExpired,
                at,
                Request { timestamp: Some("1607551635000"), ..request() },
            ),
            (Refused::Signature, at, Request { timestamp: Some("1607551636"), ..request() }),
            (Refused::Signature, at, Request { method: "GET", ..request() }),
            (
                Refused::Signature,
                at,
                Request { path_and_query: "/resources/accessTokens", ..request() },
            ),
            (Refused::Signature, at, Request { body: b" ", ..request() }),
            (Refused::Signature, at, Request { signature: None, ..request() }),
            (Refused::Signature, at, Request { signature: Some(&upper), ..request() }),
        ];
        for (n, (wanted, now, request)) in cases.iter().enumerate() {
            assert_eq!(keys().check(request, *now), Err(*wanted), "case {n}");
        }
    }

    #[test]
    fn a_body_is_signed_byte_by_byte() {
        let request = Request {
            path_and_query: "/resources/accessTokens/sdk",
            body: br#"{"ttlInSecs":600,"userId":"usr_abc123def456gh78","levelName":"basic-kyc-level"}"#,
            signature: Some("da8d9b7546852a794da02cc711fa042df25a1ab7341dc780daa384ead16f9721"),
            ..request()
        };
        assert_eq!(keys().check(&request, 1_607_551_635), Ok(()));
    }

    #[test]
    fn the_seeds_bearer_token_is_taken_only_if_allowed() {
        let keys = Keys { allows_bearer: true, ..keys() };
        let request = |authorization| Request {
            token: None,
            timestamp: None,
            signature: None,
            authorization: Some(authorization),
            ..request()
        };
        assert_eq!(keys.check(&request("Bearer sbx:token"), 0), Ok(()));
        assert_eq!(keys.check(&request("Bearer other"), 0), Err(Refused::Token));
    }
}
