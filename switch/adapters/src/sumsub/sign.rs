//! How requests to Sumsub prove who sends them (http-contracts 2.1).
//!
//! What is signed is what is sent: the path and query as they stand on the wire, and the bytes of
//! the body. Nothing may encode either again afterwards.

use crate::random::hex;
use aws_lc_rs::hmac;
use veksel_core::enquiry::Secret;

/// `X-App-Access-Sig`: lower-case hexadecimal HMAC-SHA256 of timestamp, method, path and body.
pub(crate) fn signature(
    secret: &Secret,
    timestamp_s: u64,
    method: &str,
    path_and_query: &str,
    body: &[u8],
) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut mac = hmac::Context::with_key(&key);
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(method.as_bytes());
    mac.update(path_and_query.as_bytes());
    mac.update(body);
    hex(mac.sign().as_ref())
}

/// Which of the provider's two worlds an app token belongs to. Both have the same address; only
/// the token tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenMode {
    /// `sbx:`: nobody is really checked.
    Sandbox,
    /// `prd:`.
    Production,
}

/// An app token is none, or is of the other world.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It begins with neither `sbx:` nor `prd:`.
    #[error("the app token begins with neither sbx: nor prd:")]
    Prefix,
    /// A token of the sandbox where customers are really checked.
    #[error("the app token is one of the sandbox (sbx:), and this is production")]
    Sandbox,
    /// A token of production where nothing should be real.
    #[error("the app token is one of production (prd:), and this is not production")]
    Production,
}

/// Which world a token belongs to.
///
/// # Errors
///
/// It says of none.
pub fn token_mode(token: &str) -> Result<TokenMode, TokenError> {
    if token.len() > 4 && token.starts_with("sbx:") {
        Ok(TokenMode::Sandbox)
    } else if token.len() > 4 && token.starts_with("prd:") {
        Ok(TokenMode::Production)
    } else {
        Err(TokenError::Prefix)
    }
}

/// Whether a token belongs to the world that is meant.
///
/// # Errors
///
/// Why not.
pub fn check_token(token: &str, wanted: TokenMode) -> Result<(), TokenError> {
    match (token_mode(token)?, wanted) {
        (TokenMode::Sandbox, TokenMode::Sandbox)
        | (TokenMode::Production, TokenMode::Production) => Ok(()),
        (TokenMode::Sandbox, TokenMode::Production) => Err(TokenError::Sandbox),
        (TokenMode::Production, TokenMode::Sandbox) => Err(TokenError::Production),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Digests made by another program (http-contracts 2.1).
    #[test]
    fn requests_are_signed_byte_by_byte() {
        let secret = Secret::new("test-secret");
        let path = "/resources/accessTokens\
            ?userId=cfd20712-24a2-4c7d-9ab0-146f3c142335&levelName=basic-kyc-level&ttlInSecs=600";
        assert_eq!(
            signature(&secret, 1_607_551_635, "POST", path, b""),
            "dd43f7a89545090cbb14c4229092b1ac2b55a78116cf0feae945e5656d9ae45d"
        );
        let body =
            br#"{"ttlInSecs":600,"userId":"usr_abc123def456gh78","levelName":"basic-kyc-level"}"#;
        assert_eq!(
            signature(&secret, 1_607_551_635, "POST", "/resources/accessTokens/sdk", body),
            "da8d9b7546852a794da02cc711fa042df25a1ab7341dc780daa384ead16f9721"
        );
    }

    #[test]
    fn a_token_belongs_to_one_world() {
        use TokenMode::{Production, Sandbox};
        let cases = [
            ("sbx:abc", Sandbox, Ok(())),
            ("prd:abc", Production, Ok(())),
            ("sbx:abc", Production, Err(TokenError::Sandbox)),
            ("prd:abc", Sandbox, Err(TokenError::Production)),
            ("abc", Sandbox, Err(TokenError::Prefix)),
            ("sbx:", Sandbox, Err(TokenError::Prefix)),
            ("SBX:abc", Sandbox, Err(TokenError::Prefix)),
            ("", Production, Err(TokenError::Prefix)),
        ];
        for (token, wanted, result) in cases {
            assert_eq!(check_token(token, wanted), result, "{token}");
        }
    }
}
