//! Tokens by OAuth 2, for client credentials (RFC 6749 4.4) or for an assertion that is signed anew
//! each time (RFC 7523): a token is fetched when it is first needed, kept until four fifths of its
//! life are over, and fetched anew once when a provider refuses it. Of many who need one at once
//! one fetches it.

use crate::adapters::AdapterError;
use crate::executor::{Chain, Executor, Request, Response, failed};
use crate::flight::{Flight, Known, Step};
use reqwest::Method;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
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
    client: Arc<Client>,
    token: Flight<Token, Failure>,
}

/// How a token is asked for.
#[derive(Debug)]
struct Client {
    token_url: String,
    grant: Grant,
    with_identity: bool,
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
        let grant = Grant::Client {
            id: secret(&config.client_id)?,
            secret: secret(&config.client_secret)?,
            scope: config.scope.clone(),
        };
        Ok(Self::of(Client { token_url: config.token_url.clone(), grant, with_identity }))
    }

    /// One that shows an assertion.
    pub(crate) fn by_assertion(token_url: String, assertion: Assertion) -> Self {
        let grant = Grant::Assertion(assertion);
        Self::of(Client { token_url, grant, with_identity: false })
    }

    fn of(client: Client) -> Self {
        Self { client: Arc::new(client), token: Flight::default() }
    }

    /// A token that is fresh, except `stale`: one that the provider has refused.
    ///
    /// # Errors
    ///
    /// If none can be had: [`Failed::Credentials`] if the provider does not know us.
    pub(crate) async fn token(
        &self,
        executor: &Arc<Executor>,
        chain: &Chain,
        stale: Option<&Secret>,
    ) -> Result<Secret, Failure> {
        let judge = |known: &mut Known<Token, Failure>| {
            if let Some((token, _)) = known.kept()
                && token.fresh_until > Instant::now()
                && stale != Some(&token.text)
            {
                return Step::Take(token.clone());
            }
            // What was refused or is over is given to nobody while another is fetched.
            known.forget();
            Step::Fetch(fetch(Arc::clone(&self.client), Arc::clone(executor), chain.apart()))
        };
        let found = self.token.get(chain.ends(), judge).await;
        found.map(|token| token.text).map_err(|missed| missed.failure("token"))
    }
}

async fn fetch(
    client: Arc<Client>,
    executor: Arc<Executor>,
    chain: Chain,
) -> Result<Token, Failure> {
    let response = executor.call(&chain, client.request()?).await?;
    read(&response)
}

impl Client {
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
    use crate::executor::audit::audit;
    use crate::executor::retry::REGISTERED;
    use crate::executor::tests::server::{Act, Server, json};
    use tokio::task::JoinSet;
    use veksel_config::bridge::CallConfig;

    /// A client at a server that does this.
    async fn client(acts: Vec<Act>) -> (Server, Arc<Executor>, Arc<Oauth>) {
        let server = Server::start(acts).await;
        let call = CallConfig { retries: 0, allow_private: true, ..CallConfig::at(&server.url()) };
        let executor = Executor::new("bank", &call, REGISTERED, audit(64).0).unwrap();
        let config = OauthConfig {
            token_url: format!("{}/token", server.url()),
            client_id: SecretSource::Env("it".to_owned()),
            client_secret: SecretSource::Env("it".to_owned()),
            scope: String::new(),
        };
        let oauth = Oauth::new(&config, false, &|_| Ok(Secret::new("x"))).unwrap();
        (server, Arc::new(executor), Arc::new(oauth))
    }

    fn token(text: &str) -> Act {
        json(200, &format!(r#"{{"access_token": "{text}", "expires_in": 3600}}"#))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_twenty_who_need_a_token_one_fetches_it() {
        let (server, executor, oauth) = client(vec![token("one"), token("two")]).await;
        for (stale, expected) in [(None, "one"), (Some(Secret::new("one")), "two")] {
            let mut all = JoinSet::new();
            for _ in 0..20 {
                let (executor, oauth, stale) = (executor.clone(), oauth.clone(), stale.clone());
                all.spawn(async move {
                    oauth.token(&executor, &Chain::new(60_000, ""), stale.as_ref()).await
                });
            }
            for found in all.join_all().await {
                assert_eq!(found.unwrap().expose(), expected);
            }
        }
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn who_goes_while_a_token_is_fetched_keeps_nobody_from_it() {
        let (server, executor, oauth) = client(vec![Act::Nothing, token("one")]).await;
        // It goes with no answer; the others have time left, and the next one asks anew.
        let chain = Chain::new(60_000, "");
        let gone =
            tokio::time::timeout(Duration::from_millis(200), oauth.token(&executor, &chain, None));
        assert!(gone.await.is_err());
        let late = oauth.token(&executor, &Chain::new(100, ""), None).await.unwrap_err();
        assert_eq!((late.why, late.code.as_str()), (Failed::Late, "token"));
        let over = async {
            while server.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            crate::executor::tests::skip(Duration::from_secs(40)).await;
        };
        let patient = Chain::new(600_000, "");
        let (late, ()) = tokio::join!(oauth.token(&executor, &patient, None), over);
        assert_eq!(late.unwrap_err().why, Failed::Late, "what came of the fetch it waited for");
        let found = oauth.token(&executor, &patient, None).await.unwrap();
        assert_eq!((found.expose(), server.requests().len()), ("one", 2));
    }

    #[test]
    fn forms_are_escaped() {
        let form = [("grant_type", "password"), ("password", "p&ss w=rd+ø/")];
        assert_eq!(encode(&form), "grant_type=password&password=p%26ss%20w%3Drd%2B%C3%B8%2F");
        assert_eq!(encode(&[]), "");
    }
}
