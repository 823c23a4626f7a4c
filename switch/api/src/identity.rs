//! People sign in: they are sent to the provider, come back, and have a cookie from then on.
//!
//! | path | what |
//! |---|---|
//! | `GET /api/auth/bankid` | sends a person to the provider; `return_to` is a path of ours |
//! | `GET /api/auth/bankid/callback` | where the provider sends the person back |
//! | `GET /api/auth/me` | who is signed in, and what a page must send with changes |
//! | `POST /api/auth/logout` | signs out |
//!
//! Two cookies: `bankid_state` binds a way to the browser it began in, `veksel_session` is whoever
//! is signed in. Neither can be read by a page, and neither comes along when another site asks.

use crate::answer::{Answer, Refusal, Trace, after, json_response};
use crate::console;
use crate::door::{Desk, answered};
use crate::origin::From;
use crate::rate::Rate;
use crate::session::{At, Limits, Session, Sessions};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use veksel_adapters::oidc::{NotSigned, Oidc, Returned, Wish};
use veksel_config::Cidr;
use veksel_config::bridge::{HttpConfig, IdentityConfig};
use veksel_core::Utc;
use veksel_core::enquiry::Secret;

/// Binds a way to a browser.
const STATE_COOKIE: &str = "bankid_state";
/// Whoever is signed in.
pub(crate) const SESSION_COOKIE: &str = "veksel_session";
/// Only these paths are told of a way.
const STATE_PATH: &str = "/api/auth/bankid";
/// Where people go who did not say where they wanted to.
const HOME: &str = console::PATH;
/// Longest place to go to.
const RETURN_MAX: usize = 512;
/// Hexadecimal digits of a cookie of ours.
const COOKIE_LENGTH: usize = 64;

/// Signs people in, and knows who is.
pub struct Identity {
    oidc: Oidc,
    sessions: Mutex<Sessions>,
    rate: Mutex<Rate>,
    proxies: Vec<Cidr>,
    /// `scheme://host:port` of our pages.
    origin: String,
    is_secure: bool,
    flow: Duration,
}

impl Identity {
    /// Over a provider, with the limits of the configuration.
    #[must_use]
    pub fn new(oidc: Oidc, config: &IdentityConfig, http: &HttpConfig) -> Self {
        let limits = Limits {
            life: Duration::from_millis(config.session_ms),
            idle: Duration::from_millis(config.session_idle_ms),
            most: usize::try_from(config.sessions_max).unwrap_or(usize::MAX),
        };
        let window = Duration::from_millis(config.rate_window_ms);
        let (scheme, rest) = http.public_url.split_once("://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        Self {
            oidc,
            sessions: Mutex::new(Sessions::new(limits)),
            rate: Mutex::new(Rate::new(config.rate_max, window)),
            proxies: config.proxies.clone(),
            origin: format!("{scheme}://{host}").to_ascii_lowercase(),
            is_secure: scheme == "https",
            flow: Duration::from_millis(config.flow_ms),
        }
    }

    /// Who has a cookie of ours that still holds.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let id = cookie(headers, SESSION_COOKIE)?;
        self.sessions().find(Instant::now(), id)
    }

    /// Whether a request has a session's cookie, whatever it is worth.
    pub(crate) fn is_person(headers: &HeaderMap) -> bool {
        cookies(headers, SESSION_COOKIE).next().is_some()
    }

    /// Whether a change is asked for by a page of ours: it knows what only such pages are told,
    /// and the browser does not name another as its origin.
    pub(crate) fn check_change(
        &self,
        session: &Session,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let is_foreign = text("origin")
            .is_some_and(|origin| !origin.eq_ignore_ascii_case(&self.origin))
            || text("sec-fetch-site").is_some_and(|site| site == "cross-site");
        if is_foreign || !session.is_asked_by_us(text("x-csrf-token")) {
            let message = "`x-csrf-token` must be what /api/auth/me says";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "csrf", message));
        }
        Ok(())
    }

    /// Machines that hand requests on and are believed in whose name.
    pub(crate) fn proxies(&self) -> &[Cidr] {
        &self.proxies
    }

    fn admit(&self, endpoint: &'static str, from: &From, headers: &HeaderMap) -> Option<Duration> {
        let address = from.behind(headers, &self.proxies);
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.admit(Instant::now(), endpoint, address).err()
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &str, value: &str, path: &str, life: Duration) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let life = life.as_secs();
        let text =
            format!("{name}={value}; Path={path}; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Values of a cookie.
fn cookies<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

/// The value of a cookie that is one of ours. Two of it are as good as none: somebody put one
/// there.
fn cookie<'h>(headers: &'h HeaderMap, name: &'h str) -> Option<&'h str> {
    let mut all = cookies(headers, name);
    let first = all.next()?;
    let fits = first.len() == COOKIE_LENGTH && first.bytes().all(|b| b.is_ascii_hexdigit());
    (fits && all.next().is_none()).then_some(first)
}

/// A value of a query that is there once.
fn value(query: &str, name: &str) -> Option<String> {
    let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let (_, first) = all.next()?;
    let is_single = all.next().is_none();
    (is_single && !first.is_empty()).then(|| first.into_owned())
}

/// A path of ours, so that nobody is sent elsewhere in our name.
fn own_path(text: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>');
    let is_path = text.starts_with('/') && !text.starts_with("//");
    (is_path && text.len() <= RETURN_MAX && text.bytes().all(is_plain)).then(|| text.to_owned())
}

/// `GET /api/auth/bankid[?return_to=/…][&person=…]`
pub(crate) async fn initiate(
    State(desk): State<Desk>,
    trace: Trace,
    from: From,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(identity) = &desk.identity else { return nobody(&trace) };
    if let Some(wait) = identity.admit("initiate", &from, &headers) {
        return too_often(wait, &headers, &trace);
    }
    let query = query.unwrap_or_default();
    let return_to = match value(&query, "return_to") {
        None => HOME.to_owned(),
        Some(text) => match own_path(&text) {
            Some(path) => path,
            None => return Refusal::bad("`return_to` is no path of ours").respond(&trace),
        },
    };
    let wish = Wish {
        binding: cookie(&headers, STATE_COOKIE),
        return_to: &return_to,
        person: value(&query, "person").and_then(|text| text.parse().ok()).unwrap_or(0),
        trace: &trace.0,
    };
    match identity.oidc.begin(wish).await {
        Ok(begun) => {
            let binding = begun.binding.expose();
            let cookie = identity.set(STATE_COOKIE, binding, STATE_PATH, identity.flow);
            leads(&begun.location, cookie, &trace)
        }
        Err(why) => not_signed(why, &headers, &trace),
    }
}

/// `GET /api/auth/bankid/callback?state=…&code=…`, or `&error=…`.
pub(crate) async fn returned(
    State(desk): State<Desk>,
    trace: Trace,
    from: From,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(identity) = &desk.identity else { return nobody(&trace) };
    if let Some(wait) = identity.admit("callback", &from, &headers) {
        return too_often(wait, &headers, &trace);
    }
    let query = query.unwrap_or_default();
    let [state, code, error, issuer] =
        ["state", "code", "error", "iss"].map(|name| value(&query, name));
    // A page that is loaded again: the code was used, and the person is signed in by it.
    if let Some(session) = identity.session(&headers)
        && state.as_ref() == Some(&session.state)
    {
        return leads(&session.return_to, None, &trace);
    }
    let back = Returned {
        state: state.as_deref(),
        code: code.as_deref(),
        error: error.as_deref(),
        issuer: issuer.as_deref(),
        binding: cookie(&headers, STATE_COOKIE),
        trace: &trace.0,
    };
    let (person, return_to) = match identity.oidc.finish(back).await {
        Ok(signed) => signed,
        Err(why) => return not_signed(why, &headers, &trace),
    };
    // Whoever was signed in in this browser is not any more.
    if let Some(old) = cookie(&headers, SESSION_COOKIE) {
        identity.sessions().end(old);
    }
    let way = (state.as_deref().unwrap_or_default(), return_to.as_str());
    let id = identity.sessions().begin(At(Instant::now(), now()), person, way);
    let life = identity.sessions().life();
    let cookie = id.as_ref().map(Secret::expose);
    let cookie = cookie.and_then(|id| identity.set(SESSION_COOKIE, id, "/", life));
    if cookie.is_none() {
        return not_signed(NotSigned::Unavailable, &headers, &trace);
    }
    leads(&return_to, cookie, &trace)
}

/// `GET /api/auth/me`
pub(crate) async fn me(State(desk): State<Desk>, trace: Trace, headers: HeaderMap) -> Response {
    answered(shown(&desk, &headers), &trace)
}

fn shown(desk: &Desk, headers: &HeaderMap) -> Answer {
    let identity = desk.identity.as_ref().ok_or_else(|| Refusal::not_found("this path"))?;
    let session = identity.session(headers).ok_or_else(signed_out)?;
    let body = json!({
        "customer": session.person.customer,
        "name": session.person.name.whole,
        "givenName": session.person.name.given,
        "familyName": session.person.name.family,
        "acr": session.person.acr,
        "amr": session.person.amr,
        "signedInAt": session.began.to_string(),
        "expiresAt": session.ends.to_string(),
        "csrfToken": session.csrf.expose(),
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// `POST /api/auth/logout`
pub(crate) async fn logout(State(desk): State<Desk>, trace: Trace, headers: HeaderMap) -> Response {
    answered(ended(&desk, &headers), &trace)
}

fn ended(desk: &Desk, headers: &HeaderMap) -> Answer {
    let identity = desk.identity.as_ref().ok_or_else(|| Refusal::not_found("this path"))?;
    let session = identity.session(headers).ok_or_else(signed_out)?;
    identity.check_change(&session, headers)?;
    if let Some(id) = cookie(headers, SESSION_COOKIE) {
        identity.sessions().end(id);
    }
    let mut response = json_response(StatusCode::OK, &json!({ "status": "ok" }));
    if let Some(gone) = identity.set(SESSION_COOKIE, "", "/", Duration::ZERO) {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

/// Nobody is signed in with this cookie, or there is none.
pub(crate) fn signed_out() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "signed_out", "nobody is signed in")
}

fn nobody(trace: &Trace) -> Response {
    Refusal::not_found("this path").respond(trace)
}

/// Leads elsewhere, and nothing of where from is told there.
pub(crate) fn leads(location: &str, cookie: Option<HeaderValue>, trace: &Trace) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Refusal::defect().respond(trace);
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(cookie) = cookie {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

fn too_often(wait: Duration, headers: &HeaderMap, trace: &Trace) -> Response {
    let said = "too many people sign in from this address; try again in a while";
    let status = StatusCode::TOO_MANY_REQUESTS;
    after(refused((status, "rate_limited", said), headers, trace), wait)
}

/// Status, code and text.
type Why = (StatusCode, &'static str, &'static str);

const fn why(not_signed: NotSigned) -> Why {
    match not_signed {
        NotSigned::State => (
            StatusCode::BAD_REQUEST,
            "invalid_state",
            "this way of signing in is not, or no longer, one of this browser; begin again",
        ),
        NotSigned::Request => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the provider sent neither a code nor an error",
        ),
        NotSigned::Cancelled => {
            (StatusCode::BAD_REQUEST, "bankid_cancelled", "signing in was cancelled")
        }
        NotSigned::Refused => (
            StatusCode::BAD_GATEWAY,
            "provider_error",
            "the provider of identities refused; begin again",
        ),
        NotSigned::Exchange => (
            StatusCode::BAD_GATEWAY,
            "token_exchange_failed",
            "the provider of identities did not confirm it; begin again",
        ),
        NotSigned::Token(_) => (
            StatusCode::UNAUTHORIZED,
            "invalid_id_token",
            "what the provider of identities said is not valid",
        ),
        NotSigned::Keys => (
            StatusCode::BAD_GATEWAY,
            "jwks_verification_failed",
            "what the provider of identities said cannot be verified now",
        ),
        NotSigned::Underage => (StatusCode::FORBIDDEN, "underage", "one must be of age to sign in"),
        NotSigned::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the provider of identities is temporarily unavailable",
        ),
    }
}

fn not_signed(not_signed: NotSigned, headers: &HeaderMap, trace: &Trace) -> Response {
    let mut response = refused(why(not_signed), headers, trace);
    if let NotSigned::Token(claim) = not_signed {
        tracing::info!(claim = claim.word(), trace = trace.0, "nobody was signed in");
    }
    if not_signed == NotSigned::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The console for a person in a browser, the usual form for anybody else.
fn refused((status, code, text): Why, headers: &HeaderMap, trace: &Trace) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let response = Refusal::new(status, code, text).respond(trace);
    if !accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        return response;
    }
    // What is known of the refusal beside its text goes with the page too.
    let mut shown = console::refused(status, code, text, trace);
    shown.extensions_mut().extend(response.into_parts().0.extensions);
    shown
}

fn now() -> Utc {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (text, expected) in [
            ("/", true),
            ("/console/?a=b#c", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("console", false),
            ("/a b", false),
            ("/a\r\nset-cookie: x", false),
            ("/æ", false),
            ("", false),
        ] {
            assert_eq!(own_path(text).is_some(), expected, "{text}");
        }
        assert!(own_path(&format!("/{}", "a".repeat(RETURN_MAX))).is_none());
    }

    #[test]
    fn a_cookie_is_read_once_and_whole() {
        let good = "0123456789abcdef".repeat(4);
        let headers = |lines: &[String]| {
            let lines = lines.iter().map(|line| (header::COOKIE, line.parse().unwrap()));
            lines.collect::<HeaderMap>()
        };
        for (lines, expected) in [
            (vec![format!("{SESSION_COOKIE}={good}")], true),
            (vec![format!("a=b; {SESSION_COOKIE}={good}; c=d")], true),
            (vec!["a=b".to_owned(), format!("{SESSION_COOKIE}={good}")], true),
            (vec![format!("{SESSION_COOKIE}={good}; {SESSION_COOKIE}={good}")], false),
            (vec![format!("{SESSION_COOKIE}={good}"), format!("{SESSION_COOKIE}=x")], false),
            (vec![format!("x{SESSION_COOKIE}={good}")], false),
            (vec![format!("{SESSION_COOKIE}={}", &good[1..])], false),
            (vec![format!("{SESSION_COOKIE}=")], false),
            (vec![], false),
        ] {
            assert_eq!(cookie(&headers(&lines), SESSION_COOKIE).is_some(), expected, "{lines:?}");
        }
        assert!(Identity::is_person(&headers(&[format!("{SESSION_COOKIE}=")])));
    }

    #[test]
    fn a_value_of_a_query_is_there_once() {
        for (query, expected) in [
            ("state=a&code=b", Some("a")),
            ("state=a%20b", Some("a b")),
            ("state=a&state=b", None),
            ("state=", None),
            ("", None),
        ] {
            assert_eq!(value(query, "state").as_deref(), expected, "{query}");
        }
    }
}
