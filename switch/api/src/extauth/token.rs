//! Tokens for what the platform tells of: `OAuth` 2 with client credentials (RFC 6749 4.4).
//!
//! A token is its end, a random number, and an HMAC over both under a key that follows from the
//! client's id and secret. So nothing is kept of it: it outlives a restart, ends by itself, and
//! ends at once when the secret is another one. Refusals have the form of RFC 6749 5.2, because
//! clients of `OAuth` read no other.

use super::proof::admit;
use super::proof::now_ms;
use crate::answer::{Code, Refusal, Trace, after, json_response};
use crate::door::{Desk, members, only};
use crate::identity::Identity;
use crate::origin::From;
use crate::rate::Rate;
use crate::serve::Arrival;
use aws_lc_rs::{hmac, rand};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;
use veksel_core::enquiry::Secret;

/// First byte of a token: which form it has.
const FORM: u8 = 1;
/// Bytes of it that are signed: its form, its end, its number.
const SIGNED: usize = 1 + 8 + NUMBER;
const NUMBER: usize = 16;
/// Characters of a token.
const LENGTH: usize = (SIGNED + 32) / 3 * 4;

/// From a token a secret could be found by trying them all, if it were shorter.
const SECRET_MIN: usize = 16;

/// Wrong secrets from one address within the window; after that none is looked at.
const WRONG_MAX: u32 = 10;
const WRONG_WINDOW: Duration = Duration::from_secs(60);

/// What wrong secrets are counted under.
const ENDPOINT: &str = "token";

/// The only grant there is.
const GRANT: &str = "client_credentials";

/// Whoever may fetch tokens, and what they are made with.
pub struct NotifyClient {
    /// HMAC of the id and the secret, under a key that follows from both.
    known: hmac::Tag,
    checks: hmac::Key,
    /// Signs tokens.
    signs: hmac::Key,
    life: Duration,
    wrong: Mutex<Rate>,
}

impl fmt::Debug for NotifyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyClient").field("life", &self.life).finish_non_exhaustive()
    }
}

/// A secret that is too short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortSecret;

impl fmt::Display for ShortSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it has fewer than {SECRET_MIN} characters")
    }
}

impl std::error::Error for ShortSecret {}

impl NotifyClient {
    /// A client whose tokens live so long.
    ///
    /// # Errors
    /// The secret could be guessed.
    pub fn new(id: &str, secret: &Secret, life: Duration) -> Result<Self, ShortSecret> {
        if secret.expose().chars().count() < SECRET_MIN {
            return Err(ShortSecret);
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let key = |purpose: &str| {
            let text = format!("veksel notify {purpose} {id}");
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, text.as_bytes()).as_ref())
        };
        let (checks, signs) = (key("client"), key("token"));
        let known = credentials(&checks, id, secret.expose());
        let wrong = Mutex::new(Rate::new(WRONG_MAX, WRONG_WINDOW));
        Ok(Self { known, checks, signs, life, wrong })
    }

    /// Whether a token is one of ours that has not ended.
    pub(super) fn holds(&self, token: &str, now_ms: u64) -> bool {
        if token.len() != LENGTH {
            return false;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((signed, tag)) = bytes.split_at_checked(SIGNED) else { return false };
        let ends = match signed {
            [FORM, rest @ ..] => rest.first_chunk().map(|ends| u64::from_be_bytes(*ends)),
            _ => None,
        };
        hmac::verify(&self.signs, signed, tag).is_ok() && ends.is_some_and(|ends| now_ms < ends)
    }

    fn issue(&self, now_ms: u64) -> Option<Secret> {
        let mut number = [0_u8; NUMBER];
        if rand::fill(&mut number).is_err() {
            tracing::error!("the system gave no random bytes, and no token is given");
            return None;
        }
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let mut token = vec![FORM];
        token.extend_from_slice(&now_ms.saturating_add(life).to_be_bytes());
        token.extend_from_slice(&number);
        let tag = hmac::sign(&self.signs, &token);
        token.extend_from_slice(tag.as_ref());
        Some(Secret::new(URL_SAFE_NO_PAD.encode(token)))
    }

    fn is_known(&self, claim: &Claim) -> bool {
        let given = credentials(&self.checks, &claim.id, &claim.secret);
        given.as_ref().ct_eq(self.known.as_ref()).into()
    }

    /// A token for whoever proves to be the client.
    fn grant(
        &self,
        now: Instant,
        address: IpAddr,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Secret, Refused> {
        let form = form(headers, body)?;
        self.admit(now, address, &claims(headers, &form)?)?;
        match value(&form, "grant_type") {
            Some(GRANT) => {}
            Some(_) => return Err(Refused::Grant),
            None => return Err(Refused::Request("grant_type is missing")),
        }
        if value(&form, "scope").is_some() {
            return Err(Refused::Scope);
        }
        self.issue(unix_ms()).ok_or(Refused::NotNow)
    }

    /// Lets the client in. A secret is looked at only while there were few wrong ones.
    fn admit(&self, now: Instant, address: IpAddr, claims: &[Claim]) -> Result<(), Refused> {
        if claims.is_empty() {
            return Err(Refused::Client);
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = wrong.wait(now, ENDPOINT, address) {
            return Err(Refused::TooOften(wait));
        }
        let is_known = claims.iter().fold(false, |known, claim| known | self.is_known(claim));
        if is_known {
            return Ok(());
        }
        // That it is let through is known from above; here it is counted.
        let _ = wrong.admit(now, ENDPOINT, address);
        tracing::warn!("somebody wants a token under a client id or a secret that is wrong");
        Err(Refused::Client)
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    u64::try_from(now_ms()).unwrap_or_default()
}

/// What stands for an id and a secret: of one length, whatever theirs is.
fn credentials(key: &hmac::Key, id: &str, secret: &str) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(id.as_bytes());
    // No id has this byte.
    context.update(&[0]);
    context.update(secret.as_bytes());
    context.sign()
}

/// Who a client says it is.
struct Claim {
    id: String,
    secret: String,
}

/// The parameters of a request (RFC 6749 4.4.2).
fn form(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Refused> {
    let kind = only(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refused::Request("the body must be application/x-www-form-urlencoded"));
    }
    let text = str::from_utf8(body).map_err(|_| Refused::Request("the body is no form"))?;
    members(Some(text)).map_err(|_| Refused::Request("a parameter is there twice"))
}

/// A parameter that is there; an empty one is not (RFC 6749 3.2).
fn value<'f>(form: &'f Map<String, Value>, name: &str) -> Option<&'f str> {
    form.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Who a client says it is, by its header or by its body (RFC 6749 2.3.1). Both at once are no
/// request. Two claims are two readings of one header.
fn claims(headers: &HeaderMap, form: &Map<String, Value>) -> Result<Vec<Claim>, Refused> {
    let (id, secret) = (value(form, "client_id"), value(form, "client_secret"));
    if !headers.contains_key(header::AUTHORIZATION) {
        let claim = id.zip(secret);
        let claim =
            claim.map(|(id, secret)| Claim { id: id.to_owned(), secret: secret.to_owned() });
        return Ok(claim.into_iter().collect());
    }
    if secret.is_some() {
        return Err(Refused::Request("the client proves itself in two ways"));
    }
    let mut claims = only(headers, header::AUTHORIZATION.as_str()).and_then(basic);
    if let (Some(claims), Some(id)) = (&mut claims, id) {
        claims.retain(|claim| claim.id == id);
    }
    Ok(claims.unwrap_or_default())
}

/// The id and the secret of a header: form-encoded before they were joined, and, since many clients
/// do not encode them, as they stand.
fn basic(header: &str) -> Option<Vec<Claim>> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = Claim { id: id.to_owned(), secret: secret.to_owned() };
    let encoded = decoded(id).zip(decoded(secret)).map(|(id, secret)| Claim { id, secret });
    Some(encoded.into_iter().chain([plain]).collect())
}

/// One value of a form; `None` for what is more than one.
fn decoded(text: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    let (name, value) = pairs.next()?;
    (value.is_empty() && pairs.next().is_none()).then(|| name.into_owned())
}

/// Why no token is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    /// The request is none.
    Request(&'static str),
    /// The client is not known by what it brings, or brings nothing.
    Client,
    /// It wants another grant.
    Grant,
    /// It wants a scope, and there is none.
    Scope,
    /// Too many wrong secrets came from its address.
    TooOften(Duration),
    /// Nothing random is to be had.
    NotNow,
}

impl Refused {
    fn respond(self, trace: &Trace) -> Response {
        let (status, error, description) = match self {
            Self::Request(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::Client => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "no client is known by this")
            }
            Self::Grant => {
                let description = "the only grant is client_credentials";
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
            }
            Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope", "there are no scopes"),
            Self::TooOften(wait) => {
                let message = "too many wrong secrets came from this address; wait a while";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let refusal = Refusal::new(status, "rate_limited", message);
                return after(refusal.respond(trace), wait);
            }
            Self::NotNow => return Refusal::busy().respond(trace),
        };
        let body = json!({ "error": error, "error_description": description });
        let mut response = uncached(status, &body);
        response.extensions_mut().insert(Code(error));
        if status == StatusCode::UNAUTHORIZED {
            let asked = HeaderValue::from_static("Basic realm=\"veksel\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
        }
        response
    }
}

/// An answer that nobody keeps, also said as HTTP/1.0 knows it (RFC 6749 5.1).
fn uncached(status: StatusCode, body: &Value) -> Response {
    let mut response = json_response(status, body);
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// `POST /api/hay/v0/oauth/token` with `grant_type=client_credentials`.
pub(crate) async fn token(
    State(desk): State<Desk>,
    trace: Trace,
    (from, arrival): (From, Arrival),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let external = desk.platform.as_ref().map(|platform| &platform.external);
    let client = external.and_then(|own| Some((own, own.notify_client.as_ref()?)));
    let Some((external, client)) = client else {
        return Refusal::not_found("this path").respond(&trace);
    };
    if let Err(refusal) = admit(external, arrival.peer) {
        return refusal.respond(&trace);
    }
    let proxies = desk.identity.as_ref().map(Identity::proxies).unwrap_or_default();
    let address = from.behind(&headers, proxies);
    match client.grant(Instant::now(), address, &headers, &body) {
        Ok(token) => {
            tracing::debug!(trace = trace.0, "the platform has a token for its events");
            let body = json!({
                "access_token": token.expose(),
                "token_type": "Bearer",
                "expires_in": client.life.as_secs(),
            });
            uncached(StatusCode::OK, &body)
        }
        Err(refused) => {
            tracing::debug!(trace = trace.0, ?refused, "a token is not given");
            refused.respond(&trace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "p+ss w=rd/of:the%platform";
    const LIFE: Duration = Duration::from_secs(600);

    fn client(id: &str, secret: &str) -> NotifyClient {
        NotifyClient::new(id, &Secret::new(secret), LIFE).unwrap()
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_token_holds_until_its_end_and_only_as_it_was_given() {
        let own = client("platform", SECRET);
        let token = own.issue(1_000).unwrap();
        let token = token.expose();
        assert_eq!(token.len(), LENGTH);
        for (now_ms, holds) in [(0, true), (1_000, true), (600_999, true), (601_000, false)] {
            assert_eq!(own.holds(token, now_ms), holds, "{now_ms}");
        }
        // The same client after a restart, and others.
        assert!(client("platform", SECRET).holds(token, 1_000));
        assert!(!client("platform", "another secret, long enough").holds(token, 1_000));
        assert!(!client("others", SECRET).holds(token, 1_000));
        assert_ne!(own.issue(1_000).unwrap().expose(), token);
        // Every bit counts, and so does the length.
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[place] ^= 1 << bit;
                assert!(!own.holds(&URL_SAFE_NO_PAD.encode(other), 1_000), "{place} {bit}");
            }
        }
        for other in [&token[..LENGTH - 4], &token[4..], &format!("{token}AAAA"), "", "Bearer"] {
            assert!(!own.holds(other, 1_000), "{other}");
        }
        assert!(!own.holds(&"\u{e6}".repeat(LENGTH / 2), 1_000));
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        let short = NotifyClient::new("platform", &Secret::new("fifteen letters"), LIFE);
        assert_eq!(short.unwrap_err().to_string(), "it has fewer than 16 characters");
        let own = client("the-name-of-it", SECRET);
        let token = own.issue(0).unwrap();
        let shown = format!("{own:?} {token:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(token.expose()), "{shown}");
    }

    #[test]
    fn a_client_is_known_by_its_header_or_by_its_form() {
        let encoded = "platform:p%2Bss+w%3Drd%2Fof%3Athe%25platform";
        let plain = format!("platform:{SECRET}");
        let form = "client_id=platform&client_secret=p%2Bss%20w%3Drd%2Fof%3Athe%25platform";
        let (encoded, plain) = (basic_header(encoded), basic_header(&plain));
        let lower = encoded.replace("Basic", "basic");
        let wrong = basic_header("platform:of somebody else's");
        let unknown = Err(Refused::Client);
        let twice = Err(Refused::Request("the client proves itself in two ways"));
        for (header, body, expected) in [
            (Some(encoded.as_str()), "", Ok(())),
            (Some(lower.as_str()), "", Ok(())),
            (Some(plain.as_str()), "", Ok(())),
            (None, form, Ok(())),
            (Some(encoded.as_str()), "&client_id=platform", Ok(())),
            (Some(encoded.as_str()), "&client_id=others", unknown),
            (Some(encoded.as_str()), form, twice),
            (Some("Bearer x"), form, twice),
            (Some(wrong.as_str()), "", unknown),
            (Some("Basic ?"), "", unknown),
            (Some("Basic"), "", unknown),
            (Some(basic_header("platform").as_str()), "", unknown),
            (Some(basic_header("platform:").as_str()), "", unknown),
            (Some("Bearer x"), "", unknown),
            (None, "client_id=platform", unknown),
            (None, "client_id=platform&client_secret=", unknown),
            (None, "client_id=Platform&client_secret=x", unknown),
            (None, "", unknown),
        ] {
            let own = client("platform", SECRET);
            let given: Vec<_> = header.iter().map(|text| ("authorization", *text)).collect();
            let given = headers(&given);
            let form = members(Some(body)).unwrap();
            let address = IpAddr::from([10, 0, 0, 1]);
            let found = claims(&given, &form);
            let found = found.and_then(|claims| own.admit(Instant::now(), address, &claims));
            assert_eq!(found, expected, "{header:?} {body}");
        }
    }

    #[test]
    fn after_ten_wrong_secrets_an_address_waits_and_others_do_not() {
        let own = client("platform", SECRET);
        let start = Instant::now();
        let ask = |seconds: u64, address: [u8; 4], secret: &str| {
            let claim = Claim { id: "platform".to_owned(), secret: secret.to_owned() };
            let now = start + Duration::from_secs(seconds);
            own.admit(now, IpAddr::from(address), &[claim])
        };
        let (theirs, ours) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        for second in 0..10 {
            // Who is right is not counted, and who says nothing neither.
            assert_eq!(ask(second, theirs, SECRET), Ok(()));
            assert_eq!(own.admit(start, IpAddr::from(theirs), &[]), Err(Refused::Client));
            assert_eq!(ask(second, theirs, "wrong"), Err(Refused::Client));
        }
        let wait = Err(Refused::TooOften(Duration::from_secs(50)));
        assert_eq!(ask(10, theirs, "wrong"), wait);
        assert_eq!(ask(10, theirs, SECRET), wait, "nothing is learnt by going on");
        assert_eq!(ask(10, ours, SECRET), Ok(()));
        assert_eq!(ask(60, theirs, SECRET), Ok(()));
    }
}
