//! How the platform proves itself to its client when it tells of something: by a lasting token, or
//! by tokens that it fetches (`OAuth` 2 with client credentials, RFC 6749 4.4). One is used until
//! it nearly ends or is refused, by all events that go out meanwhile.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use hyper::Method;
use serde_json::Value;
use tokio::time::timeout;
use tracing::debug;

use super::Shaype;
use super::caller::{self, Endpoint, Letter, Missed, Patience};

/// Where events go.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// The address, whole.
    pub to: Endpoint,
    /// How the platform proves itself there.
    pub proof: Proof,
}

/// See the module.
#[derive(Clone)]
pub enum Proof {
    /// This token, always.
    Lasting(String),
    /// Tokens that are fetched.
    Fetched(Client),
}

/// As whom tokens are fetched.
#[derive(Clone)]
pub struct Client {
    /// Where, the address whole.
    pub tokens: Endpoint,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whether both go in the body in place of a header (RFC 6749 2.3.1).
    pub is_in_body: bool,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lasting(_) => f.write_str("Lasting"),
            Self::Fetched(client) => client.fmt(f),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, id, .. } = self;
        f.debug_struct("Client")
            .field("tokens", &tokens.url)
            .field("id", id)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The header and the body of a request for a token.
    fn request(&self) -> (Option<String>, String) {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if self.is_in_body {
            form.append_pair("client_id", &self.id).append_pair("client_secret", &self.secret);
            return (None, form.finish());
        }
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", encoded(&self.id), encoded(&self.secret));
        (Some(format!("Basic {}", STANDARD.encode(both))), form.finish())
    }
}

/// A token that was fetched.
pub(super) struct Token {
    text: String,
    /// Until when it is used, in milliseconds of the sandboxes' clock.
    until_ms: u64,
}

/// What is known of tokens.
#[derive(Default)]
pub(super) struct Tokens {
    held: Option<Token>,
    /// Requests for one that are over; those that brought one.
    asked: u64,
    pub(super) fetched: u64,
}

impl Tokens {
    /// The token that is used now, unless it is this one, which was refused.
    fn usable(&self, now_ms: u64, refused: Option<&str>) -> Option<String> {
        let held = self.held.as_ref().filter(|held| now_ms < held.until_ms)?;
        (Some(held.text.as_str()) != refused).then(|| held.text.clone())
    }
}

/// Until when a token is used that was given now for so many seconds.
fn used_until(now_ms: u64, life_s: u64) -> u64 {
    let life_ms = life_s.min(LIFE_MAX_S) * 1_000;
    now_ms.saturating_add(life_ms - (life_ms / 10).min(LEFT_MS))
}

/// What an answer gives: the token and its life in seconds.
fn given(body: &[u8]) -> Option<(String, u64)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let is_bearer = body["token_type"].as_str()?.eq_ignore_ascii_case("bearer");
    let text = body["access_token"].as_str().filter(|text| is_bearer && !text.is_empty())?;
    Some((text.to_owned(), body["expires_in"].as_u64().unwrap_or(LIFE_UNSAID_S)))
}

impl Shaype {
    /// Posts an event once; when its token is refused once more with another, so that one that
    /// has ended costs no attempt. `None` is no answer, also of who gives tokens.
    pub(super) async fn post(&self, receiver: &Receiver, event: &[u8]) -> Option<u16> {
        let client = match &receiver.proof {
            Proof::Lasting(token) => return post(&receiver.to, token, event).await,
            Proof::Fetched(client) => client,
        };
        let token = self.token(client, None).await?;
        let status = post(&receiver.to, &token, event).await;
        if status != Some(401) {
            return status;
        }
        let token = self.token(client, Some(&token)).await?;
        post(&receiver.to, &token, event).await
    }

    /// A token that lasts for a while and is not this one. Who comes while one is fetched gets
    /// that one, and none if there was none to be had: nobody is asked by a whole queue.
    async fn token(&self, client: &Client, refused: Option<&str>) -> Option<String> {
        let asked = self.state().tokens.asked;
        let _turn = self.0.fetching.lock().await;
        let epoch = {
            let state = self.state();
            if let Some(token) = state.tokens.usable(self.0.clock.now_ms(), refused) {
                return Some(token);
            }
            if state.tokens.asked != asked {
                return None;
            }
            state.epoch
        };
        let fetched = fetch(client).await;
        let mut state = self.state();
        let until_ms = |life| used_until(self.0.clock.now_ms(), life);
        if state.epoch == epoch {
            state.tokens.asked += 1;
            state.tokens.fetched += u64::from(fetched.is_some());
            let held = fetched.as_ref();
            state.tokens.held =
                held.map(|(text, life)| Token { text: text.clone(), until_ms: until_ms(*life) });
        }
        fetched.map(|(text, _)| text)
    }
}

async fn post(to: &Endpoint, token: &str, event: &[u8]) -> Option<u16> {
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("authorization", format!("Bearer {token}")),
    ];
    let answer = ask(to, headers, event.to_vec()).await;
    match &answer {
        Ok((status, _)) => debug!(status, "event answered"),
        Err(missed) => debug!(?missed, "event not answered"),
    }
    answer.ok().map(|(status, _)| status)
}

async fn fetch(client: &Client) -> Option<(String, u64)> {
    let (header, body) = client.request();
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    headers.extend(header.map(|header| ("authorization", header)));
    match ask(&client.tokens, headers, body.into_bytes()).await {
        Ok((200, body)) => {
            let given = given(&body);
            debug!(is_token = given.is_some(), "a token was asked for");
            given
        }
        Ok((status, _)) => {
            debug!(status, "no token is given");
            None
        }
        Err(missed) => {
            debug!(?missed, "no token can be had");
            None
        }
    }
}

async fn ask(
    to: &Endpoint,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> Result<(u16, Bytes), Missed> {
    let letter = Letter { method: Method::POST, to: to.clone(), headers, body };
    let patience = Patience { connect: EVENT_TIME, request: EVENT_TIME };
    timeout(EVENT_TIME, caller::ask(letter, patience)).await.unwrap_or(Err(Missed::Late))
}

/// A receiver of events has five seconds, and so has who gives tokens.
const EVENT_TIME: Duration = Duration::from_secs(5);

/// A token is not used in the last tenth of its life, or these last seconds if that is less.
const LEFT_MS: u64 = 30_000;

/// The life of a token of which nothing is said, and the longest that is believed, in seconds.
const LIFE_UNSAID_S: u64 = 60;
const LIFE_MAX_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(is_in_body: bool) -> Client {
        let (id, secret) = ("the platform".to_owned(), "s&cr t:=%".to_owned());
        let tokens = Endpoint { url: "http://127.0.0.1:1/token".to_owned(), tls: None };
        Client { tokens, id, secret, is_in_body }
    }

    #[test]
    fn a_client_proves_itself_by_a_header_or_in_the_body_and_shows_nothing() {
        let (header, body) = client(false).request();
        assert_eq!(body, "grant_type=client_credentials");
        let header = header.unwrap();
        let both = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(both, b"the+platform:s%26cr+t%3A%3D%25");
        let (header, body) = client(true).request();
        assert_eq!(header, None);
        let both = "client_id=the+platform&client_secret=s%26cr+t%3A%3D%25";
        assert_eq!(body, format!("grant_type=client_credentials&{both}"));
        let shown = format!("{:?}", [Proof::Fetched(client(true)), Proof::Lasting("s&cr".into())]);
        assert!(!shown.contains("s&cr"), "{shown}");
    }

    #[test]
    fn a_token_is_used_until_it_nearly_ends() {
        for (life, used_s) in
            [(600, 570), (100, 90), (10, 9), (0, 0), (86_400, 86_370), (u64::MAX, 86_370)]
        {
            assert_eq!(used_until(5_000, life), 5_000 + used_s * 1_000, "{life}");
        }
        let held = Some(Token { text: "t".to_owned(), until_ms: 10 });
        let tokens = Tokens { held, ..Tokens::default() };
        for (now_ms, refused, expected) in [
            (9, None, Some("t")),
            (10, None, None),
            (9, Some("t"), None),
            (9, Some("s"), Some("t")),
        ] {
            assert_eq!(tokens.usable(now_ms, refused).as_deref(), expected, "{now_ms} {refused:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        for (body, expected) in [
            (r#"{"access_token":"t","token_type":"Bearer","expires_in":7}"#, Some(("t", 7))),
            (r#"{"access_token":"t","token_type":"bearer"}"#, Some(("t", 60))),
            (r#"{"access_token":"t","token_type":"mac","expires_in":7}"#, None),
            (r#"{"access_token":"","token_type":"Bearer"}"#, None),
            (r#"{"token_type":"Bearer"}"#, None),
            (r#"{"access_token":"t"}"#, None),
            ("token", None),
        ] {
            let expected = expected.map(|(text, life)| (text.to_owned(), life));
            assert_eq!(given(body.as_bytes()), expected, "{body}");
        }
    }
}
