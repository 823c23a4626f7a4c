//! The endpoints and what all of them have: a trace id, a bound on the body and on the time, a
//! count, and errors in one form.

use crate::answer::{Answer, Code, Refusal, Trace, json_response, made_up};
use crate::calls::Engine;
use crate::endpoints::{Wanted, all};
use crate::extauth::{External, Platform};
use crate::guard::Guard;
use crate::identity::Identity;
use crate::integration::Integration;
use crate::openapi::{document, serve};
use crate::webhook::Webhooks;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_core::enquiry::Secret;

/// How long a body may take to come in.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How long a request may take altogether. Longer than any call.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// An answer that was given.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The path as it is routed, names of its parts in place of their values; `none` for one that
    /// is not.
    pub endpoint: &'a str,
    /// Of the answer.
    pub status: u16,
    /// The code of an error, of a closed set.
    pub code: Option<&'static str>,
    /// From the head of the request to the answer.
    pub elapsed: Duration,
}

/// Hears of every answer.
pub type Count = Arc<dyn Fn(&Seen<'_>) + Send + Sync>;

/// Says whether the switch is healthy, or why not.
pub type Health = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// Where it says so.
pub const HEALTH_PATHS: [&str; 3] = ["/health", "/api/health", "/v1/health"];

/// What the endpoints work with.
pub struct Doors {
    /// Takes the calls.
    pub engine: Engine,
    /// Knows the webhooks of the provider of identity checks; without it there is no such
    /// endpoint.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// Signs people in; without it nobody can.
    pub identity: Option<Identity>,
    /// The banks, in the order of the plan.
    pub banks: Vec<Bank>,
    /// What programs must know. `None` lets in programs of this machine, and nobody if the
    /// listener is not a loopback address.
    pub token: Option<Secret>,
    /// Whether the listener is a loopback address.
    pub is_loopback: bool,
    /// The largest body, in bytes.
    pub body_max: usize,
    /// Who asks for what channels ask in messages; without it there are no such endpoints.
    pub integration: Option<Integration>,
    /// What asks whether holds and transactions may be; without it there are no such endpoints.
    pub external: Option<External>,
    /// Says whether the switch is healthy.
    pub health: Health,
    /// Hears of every answer.
    pub count: Count,
}

/// A bank, as far as it is one that calls.
#[derive(Clone, Debug)]
pub struct Bank {
    /// Its name.
    pub name: String,
    /// What its pushes are signed with; `None` if nobody signs them.
    pub push_secret: Option<Secret>,
}

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) webhooks: Option<Arc<dyn Webhooks>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) banks: Vec<Bank>,
    pub(crate) guard: Guard,
    /// The description of all this.
    pub(crate) document: String,
    integration: Option<Arc<Integration>>,
    pub(crate) platform: Option<Platform>,
    body_max: usize,
    health: Health,
    count: Count,
}

pub(crate) type Desk = Arc<Shared>;

impl Shared {
    /// The integration API, if there is one.
    pub(crate) fn integration(&self) -> Result<&Arc<Integration>, Refusal> {
        self.integration.as_ref().ok_or_else(|| Refusal::not_found("this path"))
    }
}

/// The endpoints.
pub fn router(doors: Doors) -> Router {
    let Doors { engine, webhooks, identity, banks, token, is_loopback, .. } = doors;
    let Doors { body_max, integration, external, health, count, .. } = doors;
    let gives_tokens = external.as_ref().is_some_and(|own| own.notify_client.is_some());
    let platform = external.map(Platform::new);
    let has_token = token.is_some();
    let guard = Guard::new(token, is_loopback);
    let wanted = Wanted {
        webhooks: webhooks.as_ref().map(|own| own.paths()).unwrap_or_default(),
        identity: identity.is_some(),
        integration: integration.is_some(),
        platform: platform.as_ref().map(Platform::config),
        platform_tokens: gives_tokens,
        token: has_token,
    };
    let endpoints = all(wanted);
    let document = document(&endpoints, wanted.platform).to_string();
    let desk = Arc::new(Shared {
        engine,
        webhooks,
        identity,
        banks,
        guard,
        document,
        integration: integration.map(Arc::new),
        platform,
        body_max,
        health,
        count,
    });
    serve(endpoints)
        .fallback(|trace: Trace| async move { Refusal::not_found("this path").respond(&trace) })
        .method_not_allowed_fallback(|trace: Trace| async move {
            let message = "this path is not asked like that";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Refusal::new(status, "method_not_allowed", message).respond(&trace)
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), around))
        .with_state(desk)
}

pub(crate) async fn healthy(State(desk): State<Desk>) -> Response {
    health((desk.health)())
}

/// Whether the switch listens and records. Whether it is ready, which hosts are there among it, is
/// the operators' business, on their own listener.
#[must_use]
pub fn health(health: Result<(), &'static str>) -> Response {
    match health {
        Ok(()) => json_response(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reason) => {
            let said = json!({ "status": "unavailable", "reason": reason });
            json_response(StatusCode::SERVICE_UNAVAILABLE, &said)
        }
    }
}

/// What is done before and after every handler. By the time a handler runs, the body is there.
async fn around(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let trace = Trace::of(request.headers());
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let work = async {
        let (mut parts, body) = request.into_parts();
        let body = match tokio::time::timeout(BODY_TIME, to_bytes(body, desk.body_max)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let message = format!("the body is broken off, or over {} bytes", desk.body_max);
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Refusal::new(status, "body_too_large", message).respond(&trace);
            }
            Err(_) => return too_slow("the body took too long to come in").respond(&trace),
        };
        parts.extensions.insert(trace.clone());
        next.run(Request::from_parts(parts, Body::from(body))).await
    };
    let response = tokio::time::timeout(REQUEST_TIME, work).await;
    let mut response = response.unwrap_or_else(|_| too_slow("it took too long").respond(&trace));
    if let Ok(trace) = trace.0.parse() {
        response.headers_mut().insert("x-request-id", trace);
    }
    let (endpoint, status) = (path.as_deref().unwrap_or("none"), response.status().as_u16());
    let code = response.extensions().get::<Code>().map(|code| code.0);
    (desk.count)(&Seen { endpoint, status, code, elapsed: begun.elapsed() });
    tracing::debug!(endpoint, status, trace = trace.0, "request over HTTP");
    response
}

fn too_slow(message: &str) -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// A program that may ask, which is found out before anything else of its request is looked at.
pub(crate) struct Program {
    desk: Desk,
    trace: Trace,
}

impl Program {
    /// Does what it asks for, and renders what comes of it.
    pub(crate) async fn answer(&self, work: impl AsyncFnOnce(&Shared) -> Answer) -> Response {
        answered(work(&self.desk).await, &self.trace)
    }
}

impl axum::extract::FromRequestParts<Desk> for Program {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        desk: &Desk,
    ) -> Result<Self, Response> {
        let Ok(trace) = Trace::from_request_parts(parts, desk).await;
        match desk.guard.check(&parts.headers) {
            Ok(()) => Ok(Self { desk: Arc::clone(desk), trace }),
            Err(refusal) => Err(refusal.respond(&trace)),
        }
    }
}

/// What a path names, if it can be read.
pub(crate) type Name = Result<Path<String>, PathRejection>;

/// The name in a path: one line of so many characters at most. `what` it is of, for people.
pub(crate) fn name(path: Name, most: usize, what: &str) -> Result<String, Refusal> {
    let Path(name) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    one_line(&name, most).ok_or_else(|| Refusal::bad(format!("this is no {what}")))
}

/// Renders what a handler says.
pub(crate) fn answered(answer: Answer, trace: &Trace) -> Response {
    answer.unwrap_or_else(|refusal| refusal.respond(trace))
}

/// The members of a JSON object. A form cannot send JSON, so a browser asks before it does.
pub(crate) fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        let message = "the body must be application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "unsupported_media_type", message));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad("the body is no object")),
        Err(_) => Err(Refusal::bad("the body is no JSON")),
    }
}

/// The members of a query, each there once.
pub(crate) fn members(query: Option<&str>) -> Result<Map<String, Value>, Refusal> {
    let mut object = Map::new();
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let twice = object.insert(key.clone().into_owned(), value.into_owned().into());
        if twice.is_some() {
            return Err(Refusal::bad(format!("{} is there twice", made_up(&key))));
        }
    }
    Ok(object)
}

/// A text that is there, fits on one line and is not too long.
pub(crate) fn text(
    object: &mut Map<String, Value>,
    key: &str,
    most: usize,
) -> Result<String, Refusal> {
    match optional(object, key, most)? {
        Some(text) => Ok(text),
        None => Err(Refusal::bad(format!("`{key}` is missing"))),
    }
}

/// The same, if it is there.
pub(crate) fn optional(
    object: &mut Map<String, Value>,
    key: &str,
    most: usize,
) -> Result<Option<String>, Refusal> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => one_line(&text, most)
            .map(Some)
            .ok_or_else(|| Refusal::bad(format!("`{key}` must be 1 to {most} characters"))),
        Some(_) => Err(Refusal::bad(format!("`{key}` must be a text"))),
    }
}

/// A text without what cannot be shown, and without space around it.
pub(crate) fn one_line(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= most;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// A header that is there once. Two of it are as good as none.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

/// Refuses what nobody reads, so that a misspelt member is not passed over.
pub(crate) fn nothing_else(object: &Map<String, Value>) -> Result<(), Refusal> {
    match object.keys().next() {
        Some(key) => Err(Refusal::bad(format!("{} is not known", made_up(key)))),
        None => Ok(()),
    }
}
