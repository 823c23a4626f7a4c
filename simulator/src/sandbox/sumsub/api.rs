//! The signed part: every address under `/resources`.

use super::super::{Remark, query};
use super::guard;
use super::outcome::{Conduct, Forced, Outcome, name};
use super::world::{Applicant, Refusal};
use super::{APPLICANTS_MAX, State as All, Sumsub, instant};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Checks a request and answers it.
pub(super) async fn answer(State(sumsub): State<Sumsub>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let now = sumsub.0.clock.now_ms();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let checked = sumsub.0.keys.check(
        &guard::Request {
            method: parts.method.as_str(),
            path_and_query: target,
            body: &body,
            token: header("x-app-token"),
            timestamp: header("x-app-access-ts"),
            signature: header("x-app-access-sig"),
            authorization: header("authorization"),
        },
        now / 1_000,
    );
    if let Err(why) = checked {
        return refused(StatusCode::UNAUTHORIZED, why.description());
    }
    if !sumsub.admit(&parts.method, now) {
        let answer = refused(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        return ([(header::RETRY_AFTER, "1")], answer).into_response();
    }
    let (path, asked) = target.split_once('?').unwrap_or((target, ""));
    let call = Call { method: parts.method, path, query: asked, headers: &parts.headers, body };
    sumsub.route(&call, now).await
}

struct Call<'a> {
    method: Method,
    /// As it came: not decoded.
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    body: Bytes,
}

impl Call<'_> {
    fn json(&self) -> Result<Value, Response> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type is not JSON"));
        }
        let parsed = serde_json::from_slice(&self.body);
        parsed.map_err(|_| refused(StatusCode::BAD_REQUEST, "The body is not JSON"))
    }
}

impl Sumsub {
    /// Whether the caller has not asked too often within five seconds.
    fn admit(&self, method: &Method, now: u64) -> bool {
        let is_post = *method == Method::POST;
        let config = &self.0.config;
        let most = if is_post { config.posts_max } else { config.gets_max };
        let mut state = self.state();
        let [posts, others] = &mut state.recent;
        let recent = if is_post { posts } else { others };
        while recent.front().is_some_and(|at| at.saturating_add(5_000) <= now) {
            recent.pop_front();
        }
        let is_free = recent.len() < usize::try_from(most).unwrap_or(usize::MAX);
        if is_free {
            recent.push_back(now);
        }
        is_free
    }

    async fn route(&self, call: &Call<'_>, now: u64) -> Response {
        let segments: Vec<&str> = call.path.split('/').skip(1).collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("POST", ["resources", "applicants"]) => self.create(call, now),
            ("GET", ["resources", "applicants", key, "one"]) => {
                self.with(key, |applicant| ok(&applicant.json()))
            }
            ("GET", ["resources", "applicants", id, "status"]) => {
                let conduct = self.with_found(id, |it| Conduct::of(&it.external));
                if conduct.is_some_and(|it| it.verdict == Some(Forced::Timeout)) {
                    sleep(SILENCE).await;
                }
                self.with(id, |applicant| ok(&applicant.status_json()))
            }
            ("GET", ["resources", "applicants", id, "requiredIdDocsStatus"]) => {
                self.with(id, |applicant| ok(&applicant.steps_json()))
            }
            ("POST", ["resources", "applicants", id, "status", "pending"]) => {
                if self.submit(id) {
                    ok(&json!({ "ok": 1 }))
                } else {
                    unknown(id)
                }
            }
            ("POST", ["resources", "applicants", id, "status", "testCompleted"]) => {
                self.test_completed(id, call, now)
            }
            ("POST", ["resources", "applicants", id, "reset"]) => {
                self.change(id, now, "applicantReset", Applicant::start_again)
            }
            ("POST", ["resources", "applicants", id, "moveToLevel"]) => {
                let Some(level) = self.level(query::value(call.query, "name")) else {
                    return refused(StatusCode::BAD_REQUEST, "Level not found");
                };
                self.change(id, now, "applicantLevelChanged", |applicant| {
                    applicant.start_again();
                    applicant.level = level;
                })
            }
            ("PATCH", ["resources", "applicants", id, "presence", "deactivated"]) => {
                self.change(id, now, "applicantDeactivated", |it| it.is_deactivated = true)
            }
            ("PATCH", ["resources", "applicants", id, "fixedInfo"]) => {
                self.change(id, now, "applicantPersonalInfoChanged", |_| ())
            }
            ("POST", ["resources", "applicants", id, "kyt", "txns", "-", "data"]) => {
                self.watch(id, call)
            }
            ("POST", ["resources", "accessTokens", "sdk"]) => match call.json() {
                Ok(body) => {
                    let text = |name: &str| body[name].as_str().map(str::to_owned);
                    self.token(text("userId"), text("levelName"), body["ttlInSecs"].as_u64(), now)
                }
                Err(response) => response,
            },
            ("POST", ["resources", "accessTokens"]) => {
                let asked = |name: &str| query::value(call.query, name);
                let ttl = asked("ttlInSecs").and_then(|ttl| ttl.parse().ok());
                self.token(asked("userId"), asked("levelName"), ttl, now)
            }
            ("POST", ["resources", "sdkIntegrations", "levels", level, "websdkLink"]) => {
                self.link(level, call, now)
            }
            _ => refused(StatusCode::NOT_FOUND, "There is no such resource"),
        }
    }

    fn create(&self, call: &Call<'_>, now: u64) -> Response {
        let body = match call.json() {
            Ok(body) => body,
            Err(response) => return response,
        };
        let Some(external) = body["externalUserId"].as_str().filter(|id| !id.is_empty()) else {
            return refused(StatusCode::BAD_REQUEST, "externalUserId is missing");
        };
        // The seed has it in the body, the provider takes it from the query.
        let level = query::value(call.query, "levelName");
        let level = level.or_else(|| body["levelName"].as_str().map(str::to_owned));
        let Some(level) = self.level(level) else {
            return refused(StatusCode::BAD_REQUEST, "Level not found");
        };
        let mut new = Applicant::new(external, &level, instant(now));
        new.email = body["email"].as_str().map(str::to_owned);
        new.phone = body["phone"].as_str().map(str::to_owned);
        let mut state = self.state();
        match state.world.create(new, APPLICANTS_MAX) {
            Ok(applicant) => {
                let applicant = applicant.clone();
                self.emit(&mut state, &applicant, "applicantCreated", now, now);
                (StatusCode::CREATED, ok(&applicant.json())).into_response()
            }
            Err(Refusal::Exists(id)) => refused(
                StatusCode::CONFLICT,
                &format!("Applicant with external user id '{external}' already exists: {id}"),
            ),
            Err(Refusal::Full) => {
                refused(StatusCode::SERVICE_UNAVAILABLE, "The sandbox is full; reset it")
            }
        }
    }

    fn test_completed(&self, id: &str, call: &Call<'_>, now: u64) -> Response {
        let body = match call.json() {
            Ok(body) => body,
            Err(response) => return response,
        };
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let Some(answer) = text("reviewAnswer").filter(|it| it == "GREEN" || it == "RED") else {
            return refused(StatusCode::BAD_REQUEST, "reviewAnswer is neither GREEN nor RED");
        };
        let labels = body["rejectLabels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let outcome = Outcome {
            answer,
            reject_type: text("reviewRejectType"),
            labels: labels.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            client_comment: text("clientComment"),
            moderation_comment: text("moderationComment"),
        };
        self.change(id, now, "applicantReviewed", |applicant| {
            applicant.complete(outcome, instant(now));
        })
    }

    fn watch(&self, id: &str, call: &Call<'_>) -> Response {
        let body = match call.json() {
            Ok(body) => body,
            Err(response) => return response,
        };
        let Some(txn) = body["txnId"].as_str() else {
            return refused(StatusCode::BAD_REQUEST, "txnId is missing");
        };
        let mut state = self.state();
        let Some(id) = state.world.find(id).map(|applicant| applicant.id.clone()) else {
            return unknown(id);
        };
        match state.world.watch(&id, txn, APPLICANTS_MAX) {
            Some(true) => ok(&json!({
                "id": name("txn", txn),
                "applicantId": id,
                "data": { "txnId": txn },
                "review": { "reviewStatus": "completed", "reviewResult": Outcome::green().json() },
            })),
            Some(false) => refused(StatusCode::CONFLICT, "Entity already exists"),
            None => refused(StatusCode::SERVICE_UNAVAILABLE, "The sandbox is full; reset it"),
        }
    }

    fn token(
        &self,
        user: Option<String>,
        level: Option<String>,
        ttl: Option<u64>,
        now: u64,
    ) -> Response {
        let Some(user) = user.filter(|user| !user.is_empty()) else {
            return refused(StatusCode::BAD_REQUEST, "userId is missing");
        };
        if self.level(level).is_none() {
            return refused(StatusCode::BAD_REQUEST, "Level not found");
        }
        let token = self.issue(&user, ttl.unwrap_or(600), now);
        if self.0.config.submits_alone {
            self.submit(&name("applicant", &user));
        }
        ok(&json!({ "token": token, "userId": user }))
    }

    fn link(&self, level: &str, call: &Call<'_>, now: u64) -> Response {
        let body = match call.json() {
            Ok(body) => body,
            Err(response) => return response,
        };
        let user = body["userId"].as_str().or_else(|| body["externalUserId"].as_str());
        let Some(user) = user.map(str::to_owned) else {
            return refused(StatusCode::BAD_REQUEST, "userId is missing");
        };
        if self.level(Some(query::decoded(level))).is_none() {
            return refused(StatusCode::BAD_REQUEST, "Level not found");
        }
        let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let token = self.issue(&user, body["ttlInSecs"].as_u64().unwrap_or(1_800), now);
        let host = host.unwrap_or("localhost");
        ok(&json!({ "url": format!("http://{host}/sdk?token={token}") }))
    }

    fn issue(&self, user: &str, ttl_s: u64, now: u64) -> String {
        let mut state = self.state();
        let All { tokens, issued, .. } = &mut *state;
        if tokens.len() >= APPLICANTS_MAX {
            tokens.retain(|_, (_, until)| *until > now);
        }
        if tokens.len() >= APPLICANTS_MAX {
            tokens.pop_first();
        }
        *issued += 1;
        let token = format!("_act-sbx-{}", name(&self.0.config.secret_key, &issued.to_string()));
        let until = now.saturating_add(ttl_s.saturating_mul(1_000));
        tokens.insert(token.clone(), (user.to_owned(), until));
        token
    }

    /// A level that exists.
    fn level(&self, level: Option<String>) -> Option<String> {
        level.filter(|level| self.0.config.levels.contains(level))
    }

    fn change(
        &self,
        id: &str,
        now: u64,
        kind: &'static str,
        change: impl FnOnce(&mut Applicant),
    ) -> Response {
        let mut state = self.state();
        let Some(applicant) = state.world.find(id) else { return unknown(id) };
        change(applicant);
        let applicant = applicant.clone();
        self.emit(&mut state, &applicant, kind, now, now);
        ok(&applicant.json())
    }

    fn with(&self, key: &str, answer: impl FnOnce(&Applicant) -> Response) -> Response {
        self.with_found(key, answer).unwrap_or_else(|| unknown(key))
    }

    /// The applicant with a key as it stands in the path. Matrix parameters are taken as they are
    /// written and not in another spelling.
    fn with_found<T>(&self, key: &str, look: impl FnOnce(&Applicant) -> T) -> Option<T> {
        let mut state = self.state();
        let found = match key.strip_prefix("-;externalUserId=") {
            Some(external) => state.world.of_customer(&query::decoded(external)),
            None => state.world.find(key),
        };
        found.map(|applicant| look(applicant))
    }
}

fn ok(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn unknown(key: &str) -> Response {
    refused(StatusCode::NOT_FOUND, &format!("Applicant not found: {key}"))
}

/// An error as the provider writes it.
fn refused(status: StatusCode, description: &str) -> Response {
    let body = json!({
        "description": description,
        "code": status.as_u16(),
        "correlationId": format!("req-{}", name("refusal", description)),
    });
    let mut response = (status, ok(&body)).into_response();
    response.extensions_mut().insert(Remark(description.to_owned()));
    response
}

/// Bytes of a request.
const BODY_MAX: usize = 1 << 20;
/// How long asking for an applicant with the ending `-timeout` gets no answer.
const SILENCE: Duration = Duration::from_secs(60);
