//! Didit as a sandbox: sessions of a workflow, a page in place of its own, decisions, and webhooks
//! with its three signatures.
//!
//! How `vendor_data` ends decides how a session ends: `-declined`, `-risk`, `-review`,
//! `-abandoned`; anything else is approved. `-forged` and `-dup` are about its webhooks.

mod deliver;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Clock, Remark, Sandbox, query};
use deliver::Delivery;

/// What the sandbox takes and does.
#[derive(Clone)]
pub struct DiditConfig {
    /// `x-api-key` that is taken.
    pub api_key: String,
    /// The one workflow.
    pub workflow: String,
    /// From handing documents in to the decision, in milliseconds.
    pub delay_ms: u64,
    /// Whether documents hand themselves in as soon as there is a session.
    pub submits_alone: bool,
    /// Where events go, and the secret that signs them.
    pub webhook: Option<(String, String)>,
}

impl Default for DiditConfig {
    fn default() -> Self {
        Self {
            api_key: "sandbox-key".to_owned(),
            workflow: "11111111-2222-3333-4444-555555555555".to_owned(),
            delay_ms: 3_000,
            submits_alone: false,
            webhook: None,
        }
    }
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Didit(Arc<Inner>);

struct Inner {
    config: DiditConfig,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By their id.
    sessions: BTreeMap<String, Session>,
    waiting: Vec<Delivery>,
    /// Counts resets; what was sent before one is not heard of after it.
    epoch: u64,
}

#[derive(Clone)]
struct Session {
    id: String,
    token: String,
    vendor_data: String,
    status: &'static str,
    created_ms: u64,
    /// When it is decided; `None` if nothing was handed in, or it is over.
    due_ms: Option<u64>,
}

impl fmt::Debug for Didit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Didit").finish_non_exhaustive()
    }
}

impl Didit {
    /// A sandbox without sessions.
    #[must_use]
    pub fn new(config: DiditConfig, clock: Clock) -> Self {
        Self(Arc::new(Inner { config, clock, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half-written here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, base: &str, body: &[u8]) -> Result<Value, (StatusCode, &'static str)> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| (StatusCode::BAD_REQUEST, "no JSON"))?;
        let config = &self.0.config;
        if body["workflow_id"] != config.workflow {
            return Err((StatusCode::BAD_REQUEST, "workflow_id is not known"));
        }
        let vendor_data = body["vendor_data"].as_str().unwrap_or_default().to_owned();
        let now = self.0.clock.now_ms();
        let mut state = self.state();
        if state.sessions.len() >= SESSIONS_MAX {
            return Err((StatusCode::INSUFFICIENT_STORAGE, "too many sessions"));
        }
        let number = state.sessions.len() + 1;
        let session = Session {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            token: format!("st{number:010}"),
            vendor_data,
            status: "Not Started",
            created_ms: now,
            due_ms: None,
        };
        let shown = json!({
            "session_id": session.id,
            "session_number": number,
            "session_token": session.token,
            "vendor_data": session.vendor_data,
            "status": session.status,
            "workflow_id": config.workflow,
            "callback": body["callback"],
            "url": format!("{base}/session/{}", session.token),
        });
        state.sessions.insert(session.id.clone(), session.clone());
        drop(state);
        if config.submits_alone {
            self.submit(&session.token);
        }
        Ok(shown)
    }

    /// Hands documents in. Says whether there is such a session that waits for them.
    fn submit(&self, token: &str) -> bool {
        let now = self.0.clock.now_ms();
        let due = now.saturating_add(self.0.config.delay_ms);
        let mut state = self.state();
        let found = state.sessions.values_mut().find(|session| session.token == token);
        let Some(session) = found.filter(|session| session.due_ms.is_none()) else { return false };
        if !matches!(session.status, "Not Started" | "Resubmitted") {
            return false;
        }
        session.status = "In Progress";
        session.due_ms = Some(due);
        let session = session.clone();
        self.tell(&mut state, &session, now);
        true
    }

    /// Puts an event about a session into the queue.
    fn tell(&self, state: &mut State, session: &Session, now: u64) {
        if self.0.config.webhook.is_none() {
            return;
        }
        let decision = self.decision(session);
        let body = json!({
            "session_id": session.id,
            "status": session.status,
            "webhook_type": "status.updated",
            "created_at": now / 1_000,
            "workflow_id": self.0.config.workflow,
            "vendor_data": session.vendor_data,
            "decision": decision,
        });
        let has = |ending: &str| session.vendor_data.contains(ending);
        let delivery = Delivery { body, due_ms: now, failed: 0, is_forged: has("-forged") };
        let copies = if has("-dup") { 2 } else { 1 };
        for _ in 0..copies {
            if state.waiting.len() < WAITING_MAX {
                state.waiting.push(delivery.clone());
            }
        }
    }

    fn decision(&self, session: &Session) -> Value {
        let created = i64::try_from(session.created_ms).unwrap_or(i64::MAX);
        let created = Timestamp::from_millisecond(created).unwrap_or(Timestamp::MAX);
        let is_over = matches!(session.status, "Approved" | "Declined" | "In Review");
        let risk = session.vendor_data.contains("-risk");
        let warnings = match session.status {
            "Declined" => json!([{ "risk": if risk { "POSSIBLE_FRAUD" } else { "BLURRED" } }]),
            _ => json!([]),
        };
        let documents = json!([{
            "status": session.status,
            "document_type": "Passport",
            "issuing_state": "NOR",
            "date_of_birth": "1990-05-17",
            "expiration_date": "2034-05-17",
            "warnings": warnings,
        }]);
        let listed = if risk && session.status == "Declined" { "Declined" } else { "Approved" };
        json!({
            "session_id": session.id,
            "status": session.status,
            "workflow_id": self.0.config.workflow,
            "vendor_data": session.vendor_data,
            "created_at": created.to_string(),
            "id_verifications": if is_over { documents } else { json!([]) },
            "aml_screenings": if is_over { json!([{ "status": listed }]) } else { json!([]) },
        })
    }

    /// Decides what is due.
    fn decide(&self, now: u64) {
        let mut state = self.state();
        let due: Vec<String> = state
            .sessions
            .values()
            .filter(|session| session.due_ms.is_some_and(|due| due <= now))
            .map(|session| session.id.clone())
            .collect();
        for id in due {
            let Some(session) = state.sessions.get_mut(&id) else { continue };
            let ends = |ending: &str| session.vendor_data.contains(ending);
            let status = match () {
                () if ends("-declined") || ends("-risk") => "Declined",
                () if ends("-review") => "In Review",
                () if ends("-abandoned") => "Abandoned",
                () => "Approved",
            };
            session.status = status;
            session.due_ms = None;
            let session = session.clone();
            self.tell(&mut state, &session, now);
        }
    }

    /// What a person at the provider does.
    fn update(&self, id: &str, body: &[u8]) -> Result<Value, (StatusCode, &'static str)> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| (StatusCode::BAD_REQUEST, "no JSON"))?;
        let status = match body["new_status"].as_str() {
            Some("Approved") => "Approved",
            Some("Declined") => "Declined",
            Some("Resubmitted") => "Resubmitted",
            _ => return Err((StatusCode::BAD_REQUEST, "new_status is not known")),
        };
        let now = self.0.clock.now_ms();
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(id) else {
            return Err((StatusCode::NOT_FOUND, "no such session"));
        };
        (session.status, session.due_ms) = (status, None);
        let session = session.clone();
        self.tell(&mut state, &session, now);
        Ok(json!({ "session_id": id }))
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
        key == Some(self.0.config.api_key.as_str())
    }
}

fn answer(status: StatusCode, found: Result<Value, (StatusCode, &'static str)>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    match found {
        Ok(body) => (status, kind, body.to_string()).into_response(),
        Err((status, why)) => {
            let body = json!({ "detail": why }).to_string();
            let mut response = (status, kind, body).into_response();
            response.extensions_mut().insert(Remark(why.to_owned()));
            response
        }
    }
}

const STRANGER: (StatusCode, &str) =
    (StatusCode::FORBIDDEN, "You do not have permission to perform this action.");

async fn create(Shared(didit): Shared<Didit>, headers: HeaderMap, body: Bytes) -> Response {
    if !didit.is_known(&headers) {
        return answer(StatusCode::OK, Err(STRANGER));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let base = format!("http://{}", host.unwrap_or("127.0.0.1"));
    answer(StatusCode::CREATED, didit.create(&base, &body))
}

async fn decision(
    Shared(didit): Shared<Didit>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !didit.is_known(&headers) {
        return answer(StatusCode::OK, Err(STRANGER));
    }
    let session = didit.state().sessions.get(&id).cloned();
    let found = session.map(|session| didit.decision(&session));
    answer(StatusCode::OK, found.ok_or((StatusCode::NOT_FOUND, "no such session")))
}

async fn update(
    Shared(didit): Shared<Didit>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !didit.is_known(&headers) {
        return answer(StatusCode::OK, Err(STRANGER));
    }
    answer(StatusCode::OK, didit.update(&id, &body))
}

async fn page(Shared(didit): Shared<Didit>, Path(token): Path<String>) -> Response {
    let state = didit.state();
    let Some(session) = state.sessions.values().find(|session| session.token == token) else {
        return (StatusCode::NOT_FOUND, Html("<p>No such session.</p>".to_owned())).into_response();
    };
    let status = query::escaped(session.status);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Didit</title>\
         </head><body><h1>Identity</h1><p>A sandbox: nobody is checked.</p><p>{status}</p>\
         <form method=\"post\"><button id=\"submit\">Hand documents in</button></form>\
         </body></html>\n"
    );
    Html(page).into_response()
}

async fn submit(Shared(didit): Shared<Didit>, Path(token): Path<String>) -> Response {
    match didit.submit(&token) {
        true => Html("<p id=\"done\">Thank you. That is all.</p>").into_response(),
        false => {
            (StatusCode::CONFLICT, Html("<p>There is nothing to hand in.</p>")).into_response()
        }
    }
}

impl Sandbox for Didit {
    fn router(&self) -> Router {
        Router::new()
            .route("/v3/session/", post(create))
            .route("/v3/session/{id}/decision/", get(decision))
            .route("/v3/session/{id}/update-status/", axum::routing::patch(update))
            .route("/session/{token}", get(page).post(submit))
            .with_state(self.clone())
    }

    fn reset(&self) {
        let mut state = self.state();
        let epoch = state.epoch + 1;
        *state = State { epoch, ..State::default() };
    }

    fn turn(&self, now_ms: u64) {
        self.decide(now_ms);
        self.send(now_ms);
    }
}

const SESSIONS_MAX: usize = 100_000;
/// Webhooks that wait at one time.
const WAITING_MAX: usize = 10_000;
