//! A provider of `OpenID` Connect as a sandbox: `BankID` (`/auth/realms/current`) and ID-porten
//! (`/idporten`), each with its own paths, claims and words, and one set of test persons.
//!
//! It checks what the real ones check: the client and its proof, the address to return to
//! character by character, PKCE, that a code is good once and for a minute. Whoever wants to see
//! what a relying party does with a bad answer orders a fault under `/__sandbox/oidc/`.
//!
//! Authorisation goes: asked, decided on the page, code, token. It keeps no session of a person.

mod bank;
mod fault;
mod page;
mod persons;
mod sign;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Clock, Remark, Sandbox, query};
use fault::Fault;
use sign::{Algorithm, Signer};

pub(in crate::sandbox) use bank::Way;
pub use persons::PERSONS;

/// What the sandbox takes.
#[derive(Clone)]
pub struct OidcConfig {
    /// Of the one client.
    pub client_id: String,
    /// Of the one client.
    pub client_secret: String,
    /// The public key of the client (SPKI, DER), if it signs in place of its secret.
    pub client_key: Option<Vec<u8>>,
    /// Where its people may return to, each exactly.
    pub redirect_uris: Vec<String>,
    /// How long a code is good, in milliseconds.
    pub code_ms: u64,
    /// How long a token is good, in milliseconds.
    pub token_ms: u64,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            client_key: None,
            redirect_uris: vec!["http://127.0.0.1:8581/api/auth/bankid/callback".to_owned()],
            code_ms: 60_000,
            token_ms: 300_000,
        }
    }
}

/// The library made no key. Nothing else can go wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("a key that signs tokens cannot be made")]
pub struct NoSigningKey;

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    config: OidcConfig,
    clock: Clock,
    state: Mutex<State>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").finish_non_exhaustive()
    }
}

/// One of the two providers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Profile {
    BankId,
    IdPorten,
}

/// What is kept. Everything is bounded by [`KEPT_MAX`].
#[derive(Default)]
struct State {
    /// The newest last. The last one signs.
    signers: Vec<Arc<Signer>>,
    /// Codes that are good.
    codes: BTreeMap<String, Grant>,
    /// Requests that went ahead of their person.
    pushed: BTreeMap<String, (u64, Vec<(String, String)>)>,
    /// Where banks want their customers back.
    backs: BTreeSet<String>,
    /// Access tokens.
    access: BTreeMap<String, (u64, usize)>,
    /// What is to go wrong until it is taken back.
    fault: Option<Fault>,
    /// How often each endpoint was asked.
    asked: BTreeMap<&'static str, u64>,
    /// Makes names.
    names: u64,
}

/// What a code stands for.
#[derive(Clone, Debug)]
struct Grant {
    profile: Profile,
    until: u64,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    scope: String,
    person: usize,
}

impl Oidc {
    /// A sandbox with a new key.
    ///
    /// # Errors
    /// The library makes no key.
    pub fn new(config: OidcConfig, clock: Clock) -> Result<Self, NoSigningKey> {
        let signer = Signer::new(Algorithm::Rs256, 1).ok_or(NoSigningKey)?;
        let state = State { signers: vec![Arc::new(signer)], names: 1, ..State::default() };
        Ok(Self(Arc::new(Inner { config, clock, state: Mutex::new(state) })))
    }

    /// How often an endpoint was asked: `discovery`, `par`, `auth`, `token`, `certs`, `userinfo`.
    #[must_use]
    pub fn asked(&self, endpoint: &str) -> u64 {
        self.state().asked.get(endpoint).copied().unwrap_or_default()
    }

    /// Makes a new key, which signs from now on. The old one stays known, unless `drops`.
    ///
    /// # Errors
    /// The library makes no key.
    pub fn rotate(&self, algorithm: &str, drops: bool) -> Result<String, NoSigningKey> {
        let algorithm = Algorithm::of(algorithm).ok_or(NoSigningKey)?;
        let mut state = self.state();
        let number = state.name();
        let signer = Arc::new(Signer::new(algorithm, number).ok_or(NoSigningKey)?);
        let kid = signer.kid.clone();
        if drops {
            state.signers.clear();
        }
        while state.signers.len() >= SIGNERS_MAX {
            state.signers.remove(0);
        }
        state.signers.push(signer);
        Ok(kid)
    }

    /// From now on something goes wrong, by its name; an empty name is nothing. `false` for a name
    /// that no fault has.
    #[must_use]
    pub fn break_with(&self, name: &str) -> bool {
        let fault = Fault::of(name);
        if fault.is_some() || name.is_empty() {
            self.state().fault = fault;
        }
        fault.is_some() || name.is_empty()
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, endpoint: &'static str) -> Option<Fault> {
        let mut state = self.state();
        let count = state.asked.entry(endpoint).or_default();
        *count = count.saturating_add(1);
        state.fault
    }
}

impl State {
    fn name(&mut self) -> u64 {
        self.names = self.names.saturating_add(1);
        self.names
    }
}

impl Sandbox for Oidc {
    fn router(&self) -> Router {
        let mut router = Router::new()
            .route("/__sandbox/oidc/rotate", post(rotate))
            .route("/__sandbox/oidc/fault", post(fault));
        for profile in [Profile::BankId, Profile::IdPorten] {
            let path = |name: &str| format!("{}{name}", profile.base());
            let [auth, token, certs, userinfo, par] = profile.paths();
            router = router
                .route(
                    &path("/.well-known/openid-configuration"),
                    get(move |shared: Shared<Self>, headers: HeaderMap| async move {
                        discovery(&shared.0, &headers, profile)
                    }),
                )
                .route(
                    &path(auth),
                    get(move |shared: Shared<Self>, head: HeaderMap, query: RawQuery| async move {
                        page::show(&shared.0, &head, query, profile)
                    })
                    .post(
                        move |shared: Shared<Self>, headers: HeaderMap, body: Bytes| async move {
                            page::decide(&shared.0, &headers, &body, profile)
                        },
                    ),
                )
                .route(
                    &path(token),
                    post(move |shared: Shared<Self>, headers: HeaderMap, body: Bytes| async move {
                        token::exchange(&shared.0, &headers, &body, profile)
                    }),
                )
                .route(&path(certs), get(certs_of))
                .route(&path(userinfo), get(token::userinfo))
                .route(
                    &path(par),
                    post(move |shared: Shared<Self>, headers: HeaderMap, body: Bytes| async move {
                        token::push(&shared.0, &headers, &body, profile)
                    }),
                );
        }
        router.with_state(self.clone())
    }

    fn reset(&self) {
        let mut state = self.state();
        // The key that signs is known by now to whoever asked for it.
        let signers = state.signers.pop().into_iter().collect();
        let names = state.names;
        *state = State { signers, names, ..State::default() };
    }
}

impl Profile {
    /// Below which its paths stand, and its issuer.
    const fn base(self) -> &'static str {
        match self {
            Self::BankId => "/auth/realms/current",
            Self::IdPorten => "/idporten",
        }
    }

    /// Where people sign in, tokens, keys, the person, and requests that go ahead.
    const fn paths(self) -> [&'static str; 5] {
        match self {
            Self::BankId => [
                "/precheck/auth",
                "/protocol/openid-connect/token",
                "/protocol/openid-connect/certs",
                "/protocol/openid-connect/userinfo",
                "/protocol/openid-connect/ext/par/request",
            ],
            Self::IdPorten => ["/authorize", "/token", "/jwks.json", "/userinfo", "/par"],
        }
    }

    const fn acr(self) -> &'static str {
        match self {
            Self::BankId => "urn:bankid:bid;LOA=4",
            Self::IdPorten => "idporten-loa-high",
        }
    }

    fn issuer(self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        format!("http://{}{}", host.unwrap_or("localhost"), self.base())
    }
}

fn discovery(sandbox: &Oidc, headers: &HeaderMap, profile: Profile) -> Response {
    if sandbox.note("discovery") == Some(Fault::DiscoveryDown) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let issuer = profile.issuer(headers);
    let [auth, token, certs, userinfo, par] = profile.paths().map(|path| format!("{issuer}{path}"));
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": auth,
        "token_endpoint": token,
        "jwks_uri": certs,
        "userinfo_endpoint": userinfo,
        "pushed_authorization_request_endpoint": par,
        "require_pushed_authorization_requests": false,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "nnin_altsub"],
        "acr_values_supported": [profile.acr()],
        "authorization_response_iss_parameter_supported": true,
    });
    answer(StatusCode::OK, &body, None)
}

async fn certs_of(Shared(sandbox): Shared<Oidc>) -> Response {
    if sandbox.note("certs") == Some(Fault::CertsDown) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let keys: Vec<Value> = sandbox.state().signers.iter().map(|signer| signer.jwk()).collect();
    answer(StatusCode::OK, &json!({ "keys": keys }), None)
}

/// `POST /__sandbox/oidc/rotate?alg=ES256&drop=1`
async fn rotate(Shared(sandbox): Shared<Oidc>, RawQuery(text): RawQuery) -> Response {
    let text = text.unwrap_or_default();
    let algorithm = query::value(&text, "alg").unwrap_or_else(|| "RS256".to_owned());
    let drops = query::value(&text, "drop").as_deref() == Some("1");
    match sandbox.rotate(&algorithm, drops) {
        Ok(kid) => answer(StatusCode::OK, &json!({ "kid": kid }), None),
        Err(NoSigningKey) => {
            (StatusCode::BAD_REQUEST, "alg: RS256, PS256 or ES256\n").into_response()
        }
    }
}

/// `POST /__sandbox/oidc/fault?kind=wrong_aud`; without a kind nothing goes wrong any more.
async fn fault(Shared(sandbox): Shared<Oidc>, RawQuery(text): RawQuery) -> Response {
    let kind = query::value(&text.unwrap_or_default(), "kind").unwrap_or_default();
    if sandbox.break_with(&kind) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let known = Fault::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    (StatusCode::BAD_REQUEST, format!("kind: one of {known}\n")).into_response()
}

fn answer(status: StatusCode, body: &Value, remark: Option<&str>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (status, kind, body.to_string()).into_response();
    if let Some(remark) = remark {
        response.extensions_mut().insert(Remark(remark.to_owned()));
    }
    response
}

/// Codes, tokens and requests that are kept.
const KEPT_MAX: usize = 10_000;

/// Keys that are known at one time.
const SIGNERS_MAX: usize = 4;

/// Keeps a table within [`KEPT_MAX`] by forgetting what has the smallest key.
fn keep<V>(table: &mut BTreeMap<String, V>, key: String, value: V) {
    if table.len() >= KEPT_MAX {
        table.pop_first();
    }
    table.insert(key, value);
}
