//! Firebase Cloud Messaging as a sandbox: tokens for a service account, and `messages:send` of HTTP
//! v1 with the errors of the service.
//!
//! The account has a key that is made at the start; `GET /service-account` gives it as it would be
//! downloaded, with this port as the place where tokens are had. How a registration token ends
//! decides what becomes of a notice. What was sent is at `GET /messages`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Clock, Remark, Sandbox, query};

/// The project of the account.
pub const PROJECT: &str = "veksel-sandbox";

const EMAIL: &str = "sandbox@veksel-sandbox.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const KEY_ID: &str = "sandbox-account-1";

/// A notice that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// By the sandboxes' clock.
    pub at_ms: u64,
    /// The registration token.
    pub token: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// For the app.
    pub data: Value,
}

/// Why the sandbox cannot be made: the library made no key.
#[derive(Debug, thiserror::Error)]
#[error("no key for a service account could be made")]
pub struct NoAccount;

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Fcm(Arc<Inner>);

struct Inner {
    key: KeyPair,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Access tokens and until when they are good, in milliseconds.
    tokens: BTreeMap<String, u64>,
    sent: VecDeque<Notice>,
    issued: u64,
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm").finish_non_exhaustive()
    }
}

impl Fcm {
    /// A sandbox with an account of its own.
    ///
    /// # Errors
    /// The library made no key.
    pub fn new(clock: Clock) -> Result<Self, NoAccount> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(|_| NoAccount)?;
        Ok(Self(Arc::new(Inner { key, clock, state: Mutex::default() })))
    }

    /// The service account as it is downloaded; `base` is the beginning of addresses of this port.
    #[must_use]
    pub fn account(&self, base: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": self.0.key.serialize_pem(),
            "client_email": EMAIL,
            "token_uri": format!("{base}/token"),
        })
        .to_string()
    }

    /// What was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Notice> {
        self.state().sent.iter().cloned().collect()
    }

    /// Forgets every access token, as if all had been revoked.
    pub fn revoke(&self) {
        self.state().tokens.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half-written here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with an assertion for this audience.
    fn check(&self, assertion: &str, audience: &str) -> Result<(), &'static str> {
        let (signed, signature) = assertion.rsplit_once('.').ok_or("it is no JWT")?;
        let (head, claims) = signed.split_once('.').ok_or("it is no JWT")?;
        let part = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is no JWT")?;
            serde_json::from_slice::<Value>(&bytes).map_err(|_| "it is no JWT")
        };
        let (head, claims) = (part(head)?, part(claims)?);
        if head["alg"] != "RS256" || head["kid"] != KEY_ID {
            return Err("it is signed otherwise");
        }
        let public = self.0.key.public_key_raw();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "it is no JWT")?;
        public.verify(signed.as_bytes(), &signature).map_err(|_| "its signature is wrong")?;
        if claims["iss"] != EMAIL || claims["scope"] != SCOPE || claims["aud"] != audience {
            return Err("iss, scope or aud is wrong");
        }
        let now = self.0.clock.now_ms() / 1_000;
        let (from, until) = (claims["iat"].as_u64(), claims["exp"].as_u64());
        let (from, until) = from.zip(until).ok_or("iat or exp is missing")?;
        match until > now && from <= now.saturating_add(60) && until.saturating_sub(from) <= 3_600 {
            true => Ok(()),
            false => Err("iat or exp is too far away"),
        }
    }

    fn send(&self, project: &str, headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
        let now = self.0.clock.now_ms();
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        if self.state().tokens.get(bearer).is_none_or(|until| *until <= now) {
            return Err(Refused::new(401, "UNAUTHENTICATED", None));
        }
        if project != PROJECT {
            return Err(Refused::new(403, "PERMISSION_DENIED", None));
        }
        let wrong = || Refused::new(400, "INVALID_ARGUMENT", Some("INVALID_ARGUMENT"));
        let body: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
        let message = &body["message"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let token = text(&message["token"]);
        let data = message["data"].as_object();
        let all_text = data.is_none_or(|data| data.values().all(Value::is_string));
        let title = text(&message["notification"]["title"]);
        if token.is_empty() || title.is_empty() || !all_text {
            return Err(wrong());
        }
        let ending = token.rsplit('-').next().unwrap_or_default();
        match ending {
            "unregistered" => return Err(Refused::new(404, "NOT_FOUND", Some("UNREGISTERED"))),
            "mismatch" => {
                return Err(Refused::new(403, "PERMISSION_DENIED", Some("SENDER_ID_MISMATCH")));
            }
            "quota" => {
                return Err(Refused::new(429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")));
            }
            "unavailable" => return Err(Refused::new(503, "UNAVAILABLE", Some("UNAVAILABLE"))),
            "internal" => return Err(Refused::new(500, "INTERNAL", Some("INTERNAL"))),
            _ => {}
        }
        let mut state = self.state();
        state.issued += 1;
        let name = format!("projects/{PROJECT}/messages/{:08}", state.issued);
        if state.sent.len() >= SENT_MAX {
            state.sent.pop_front();
        }
        let notice = Notice {
            at_ms: now,
            token,
            title,
            body: text(&message["notification"]["body"]),
            data: message["data"].clone(),
        };
        state.sent.push_back(notice);
        Ok(name)
    }
}

/// An error of the platform, perhaps with one of the service in it.
struct Refused {
    status: u16,
    word: &'static str,
    own: Option<&'static str>,
}

impl Refused {
    const fn new(status: u16, word: &'static str, own: Option<&'static str>) -> Self {
        Self { status, word, own }
    }

    fn respond(&self) -> Response {
        let Self { status, word, own } = *self;
        let details: Vec<Value> = own
            .iter()
            .map(|code| {
                json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                    "errorCode": code})
            })
            .collect();
        let body = json!({"error": {"code": status, "message": "A sandbox refuses.",
            "status": word, "details": details}});
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer(status, &body);
        response.extensions_mut().insert(Remark(own.unwrap_or(word).to_owned()));
        response
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The beginning of addresses of this port, as the caller knows it.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    format!("http://{}", host.unwrap_or("127.0.0.1"))
}

async fn token(Shared(fcm): Shared<Fcm>, headers: HeaderMap, body: Bytes) -> Response {
    let form = String::from_utf8_lossy(&body).into_owned();
    let value = |name| query::value(&form, name).unwrap_or_default();
    let refuse = |error: &str, why: &str| {
        let body = json!({ "error": error, "error_description": why });
        let mut response = answer(StatusCode::BAD_REQUEST, &body);
        response.extensions_mut().insert(Remark(why.to_owned()));
        response
    };
    if value("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refuse("unsupported_grant_type", "another grant");
    }
    if let Err(why) = fcm.check(&value("assertion"), &format!("{}/token", base(&headers))) {
        return refuse("invalid_grant", why);
    }
    let until = fcm.0.clock.now_ms().saturating_add(3_600_000);
    let mut state = fcm.state();
    state.issued += 1;
    let token = format!("ya29.sandbox-{}", state.issued);
    if state.tokens.len() >= TOKENS_MAX {
        state.tokens.pop_first();
    }
    state.tokens.insert(token.clone(), until);
    let body = json!({ "access_token": token, "expires_in": 3_599, "token_type": "Bearer" });
    answer(StatusCode::OK, &body)
}

async fn send(
    Shared(fcm): Shared<Fcm>,
    Path((project, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if verb != "messages:send" {
        return Refused::new(404, "NOT_FOUND", None).respond();
    }
    match fcm.send(&project, &headers, &body) {
        Ok(name) => answer(StatusCode::OK, &json!({ "name": name })),
        Err(refused) => refused.respond(),
    }
}

async fn account(Shared(fcm): Shared<Fcm>, headers: HeaderMap) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, fcm.account(&base(&headers))).into_response()
}

async fn list(Shared(fcm): Shared<Fcm>) -> Response {
    answer(StatusCode::OK, &json!({ "messages": fcm.sent() }))
}

impl Sandbox for Fcm {
    fn router(&self) -> Router {
        Router::new()
            .route("/token", post(token))
            .route("/service-account", get(account))
            .route("/messages", get(list))
            .route("/v1/projects/{project}/{verb}", post(send))
            .with_state(self.clone())
    }

    fn reset(&self) {
        *self.state() = State::default();
    }
}

/// Notices that are kept.
const SENT_MAX: usize = 10_000;
/// Access tokens that are good at one time.
const TOKENS_MAX: usize = 1_000;
