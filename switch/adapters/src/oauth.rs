//! Tokens by OAuth 2, for client credentials (RFC 6749 4.4) or for an assertion that is signed anew
//! each time (RFC 7523): a token is fetched when it is first needed, kept
//! until four fifths of its life are over, and fetched anew once when a provider refuses it.

use crate::adapters::AdapterError;
use crate::executor::{Chain, Executor, Request, Response, failed};
use reqwest::Method;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use veksel_config::bridge::{OauthConfig, SecretSource};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// Life of a token whose answer does not say it, in seconds.
const LIFE_UNSAID_S: u64 = 60;
/// No token is kept longer, whatever is said of it, in seconds.
const LIFE_MAX_S: u64 = 86_400;

/// A client and its token.
#[derive(Debug)]
pub(crate) struct Oauth {
    token_url: String,
    grant: Grant,
    with_identity: bool,
    /// Held while a token is fetched, so that everybody who waits gets the same.
    token: Mutex<Option<Token>>,
}

/// What a token is given for.
enum Grant {
    Client { id: Secret, secret: Secret, scope: String },
    Assertion(Assertion),
}

/// Makes an assertion; `None` if it cannot be signed.
pub(crate) type Assertion = Box<dyn Fn() -> Option<Secret> + Send + Sync>;

impl core::fmt::Debug for Grant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Client { .. } => "client credentials",
            Self::Assertion(_) => "assertion",
        })
    }
}

#[derive(Clone, Debug)]
struct Token {
    text: Secret,
    fresh_until: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

impl Oauth {
    /// A client whose secrets are read now.
    ///
    /// # Errors
    ///
    /// If one of them cannot be.
    pub(crate) fn new(
        config: &OauthConfig,
        with_identity: bool,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
    ) -> Result<Self, AdapterError> {
        Ok(Self {
            token_url: config.token_url.clone(),
            grant: Grant::Client {
                id: secret(&config.client_id)?,
                secret: secret(&config.client_secret)?,
                scope: config.scope.clone(),
            },
            with_identity,
            token: Mutex::new(None),
        })
    }

    /// One that shows an assertion.
    pub(crate) fn by_assertion(token_url: String, assertion: Assertion) -> Self {
        let grant = Grant::Assertion(assertion);
        Self { token_url, grant, with_identity: false, token: Mutex::new(None) }
    }

    /// A token that is fresh, except `stale`: one that the provider has refused.
    ///
    /// # Errors
    ///
    /// If none can be had: [`Failed::Credentials`] if the provider does not know us.
    pub(crate) async fn token(
        &self,
        executor: &Executor,
        chain: &Chain,
        stale: Option<&Secret>,
    ) -> Result<Secret, Failure> {
        let mut kept = tokio::time::timeout(chain.left(), self.token.lock())
            .await
            .map_err(|_| failed(Failed::Late, "token"))?;
        if let Some(token) = kept.as_ref()
            && token.fresh_until > Instant::now()
            && stale != Some(&token.text)
        {
            return Ok(token.text.clone());
        }
        *kept = None;
        let response = executor.call(chain, self.request()?).await?;
        let token = read(&response)?;
        let text = token.text.clone();
        *kept = Some(token);
        Ok(text)
    }

    fn request(&self) -> Result<Request, Failure> {
        let assertion;
        let form = match &self.grant {
            Grant::Client { id, secret, scope } => {
                let mut form = vec![
                    ("grant_type", "client_credentials"),
                    ("client_id", id.expose()),
                    ("client_secret", secret.expose()),
                ];
                if !scope.is_empty() {
                    form.push(("scope", scope));
                }
                form
            }
            Grant::Assertion(make) => {
                assertion = make().ok_or_else(|| failed(Failed::Malfunction, "assertion"))?;
                let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                vec![("grant_type", kind), ("assertion", assertion.expose())]
            }
        };
        let mut request =
            Request::new("token", Method::POST, "{token_url}", self.token_url.as_str())
                .identified(self.with_identity)
                .body("application/x-www-form-urlencoded", encode(&form))?;
        // A second token does no harm.
        request.is_repeatable = true;
        Ok(request)
    }
}

fn read(response: &Response) -> Result<Token, Failure> {
    if !response.is_success() {
        let error = serde_json::from_slice::<TokenError>(&response.body);
        let code = error.map(|body| body.error).unwrap_or_default();
        return Err(match (response.status, code.as_str()) {
            (_, "temporarily_unavailable") | (429 | 502..=504, _) => {
                response.refused(Failed::Unavailable, "token")
            }
            (
                _,
                "invalid_client"
                | "invalid_grant"
                | "unauthorized_client"
                | "invalid_scope"
                | "access_denied",
            )
            | (401 | 403, _) => response.refused(Failed::Credentials, "token"),
            _ => response.refused(Failed::Malfunction, "token"),
        });
    }
    let body: TokenResponse = response.json()?;
    if body.access_token.is_empty() {
        return Err(response.refused(Failed::Malfunction, "token"));
    }
    let life = body.expires_in.unwrap_or(LIFE_UNSAID_S).min(LIFE_MAX_S);
    let fresh = Duration::from_millis(life.saturating_mul(800));
    Ok(Token { text: Secret::new(body.access_token), fresh_until: Instant::now() + fresh })
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", escape(name), escape(value));
    form.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A text as a part of a path or query: everything but letters, digits and `-._~` as `%XX`.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&crate::random::hex(&[byte]).to_ascii_uppercase());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped() {
        let form = [("grant_type", "password"), ("password", "p&ss w=rd+ø/")];
        assert_eq!(encode(&form), "grant_type=password&password=p%26ss%20w%3Drd%2B%C3%B8%2F");
        assert_eq!(encode(&[]), "");
    }
}
