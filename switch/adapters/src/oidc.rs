//! Signing people in by `OpenID` Connect: `BankID`, ID-porten, and whoever speaks as they do. The
//! authorization code flow with PKCE (S256), state and nonce; the national id of the token becomes
//! a hash here and goes no further.
//!
//! A way begins ([`Oidc::begin`]), the person is with the provider, and it ends
//! ([`Oidc::finish`]), once: a code is exchanged at most one time, whatever comes of it. What is
//! kept is kept in memory: who is on the way when the process ends begins again.

mod alarm;
mod claims;
mod client;
mod discovery;
mod flows;
mod keys;
mod mock;
mod national_id;

pub use alarm::{Alarm, Alarms};
pub use claims::{Claim, Name};

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response};
use crate::oauth::encode;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claims::{Expected, Said, Wrong, check};
use client::Client;
use core::fmt;
use discovery::{Discovery, Endpoints};
use flows::{Flow, Flows};
use keys::{Keys, Unverified};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use veksel_config::bridge::{CallConfig, HttpConfig, IdHash, IdentityConfig, SecretSource};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// Where people come back, below the public address.
pub const CALLBACK: &str = "/api/auth/bankid/callback";

/// What beginning a way and ending it may take, in milliseconds.
const BEGIN_MS: u64 = 15_000;
const FINISH_MS: u64 = 40_000;

/// Longest code that is exchanged, and longest state that is looked for.
const CODE_MAX: usize = 2_048;
const STATE_MAX: usize = 64;

/// The code of a way on which nobody is asked.
const MOCK_CODE: &str = "mock";

/// Hashes the ids of test persons, where nothing else does.
const MOCK_PEPPER: &str = "test persons have nothing to hide";

/// Where the provider publishes its keys, by an answer with its discovery document and what the
/// configuration says. For who only looks.
///
/// # Errors
///
/// If the answer is no such document, or that of another issuer.
pub(crate) fn keys_url(config: &IdentityConfig, response: &Response) -> Result<String, Failure> {
    Discovery::new(config).read(response).map(|endpoints| endpoints.jwks)
}

/// How many keys of an answer a token may be signed with.
///
/// # Errors
///
/// If the answer is no set of keys.
pub(crate) fn keys_in(response: &Response) -> Result<usize, Failure> {
    keys::usable(response)
}

/// A way that begins.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What the browser has in its cookie, if it is on another way already.
    pub binding: Option<&'a str>,
    /// Where the person wants to go afterwards.
    pub return_to: &'a str,
    /// Which test person, where nobody is asked.
    pub person: u32,
    /// Names the request in the audit trail.
    pub trace: &'a str,
}

/// Where the person is sent, and what the browser keeps meanwhile.
#[derive(Debug)]
pub struct Begun {
    /// The page of the provider.
    pub location: String,
    /// For the cookie.
    pub binding: Secret,
}

/// What came back with the person.
#[derive(Clone, Copy, Debug, Default)]
pub struct Returned<'a> {
    /// Ours.
    pub state: Option<&'a str>,
    /// What becomes a token.
    pub code: Option<&'a str>,
    /// Why there is none.
    pub error: Option<&'a str>,
    /// Who sent it (RFC 9207).
    pub issuer: Option<&'a str>,
    /// From the cookie.
    pub binding: Option<&'a str>,
    /// Names the request in the audit trail.
    pub trace: &'a str,
}

/// Somebody who is known now.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The hash of the national id, or of what the provider calls the person where that is not to
    /// be had: the name of the customer.
    pub customer: String,
    /// As the provider says it.
    pub name: Name,
    /// How well the provider knows the person.
    pub acr: String,
    /// How the person signed in.
    pub amr: Vec<String>,
}

/// What a person is called is nobody's business but his.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("amr", &self.amr).finish_non_exhaustive()
    }
}

/// Why somebody is not signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotSigned {
    /// The state is not one of ours, was used, is too old, or is another browser's.
    State,
    /// There is neither code nor error, or something that cannot be one.
    Request,
    /// The person did not want to.
    Cancelled,
    /// The provider says no in another way.
    Refused,
    /// The provider takes the code, or us, for nothing.
    Exchange,
    /// The token says something that it must not.
    Token(Claim),
    /// The keys of the provider are not to be had, or not the one that is needed.
    Keys,
    /// Too young.
    Underage,
    /// The provider cannot be asked now.
    Unavailable,
}

/// See the module.
pub struct Oidc {
    config: IdentityConfig,
    redirect_uri: String,
    /// `None` where nobody is asked.
    provider: Option<Provider>,
    pepper: Option<hmac::Key>,
    flows: Mutex<Flows>,
}

/// Whoever is asked.
struct Provider {
    client: Client,
    discovery: Discovery,
    keys: Keys,
    /// For what may be asked twice.
    executor: Arc<Executor>,
    /// For codes, which are exchanged at most once.
    exchange: Arc<Executor>,
    alarms: Alarms,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

impl Oidc {
    /// Reads secrets and keys; asks nobody yet.
    ///
    /// # Errors
    ///
    /// If one of them, or an address, is not what it should be.
    pub fn new(
        config: &IdentityConfig,
        http: &HttpConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: &AuditSink,
        alarms: Alarms,
    ) -> Result<Self, AdapterError> {
        // Whichever features other crates turn on, there is one library for signatures. It is an
        // error if it was chosen before, and the same one.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let provider = match config.mock {
            true => None,
            false => Some(Provider::new(config, secret, audit, alarms)?),
        };
        let own = || format!("{}{CALLBACK}", http.public_url);
        Ok(Self {
            redirect_uri: config.callback_url.clone().unwrap_or_else(own),
            provider,
            pepper: pepper(config, secret)?,
            flows: Mutex::new(Flows::new(
                Duration::from_millis(config.flow_ms),
                usize::try_from(config.flows_max).unwrap_or(usize::MAX),
            )),
            config: config.clone(),
        })
    }

    /// What says how the breakers of the provider stand; there are none if it is not asked.
    pub fn circuits(&self) -> impl Fn() -> Vec<Circuit> + Send + Sync + 'static {
        let executors = self.provider.as_ref().map(|provider| {
            let Provider { executor, exchange, .. } = provider;
            [Arc::clone(executor), Arc::clone(exchange)]
        });
        move || executors.iter().flatten().flat_map(|executor| executor.circuits()).collect()
    }

    /// Begins a way.
    ///
    /// # Errors
    ///
    /// [`NotSigned::Unavailable`] if the provider cannot be asked where things are.
    pub async fn begin(&self, wish: Wish<'_>) -> Result<Begun, NotSigned> {
        let (state, nonce) = (uuid()?, uuid()?);
        let verifier = URL_SAFE_NO_PAD.encode(chance::<32>()?);
        let known = wish.binding.filter(|binding| self.flows().knows(Instant::now(), binding));
        let binding = match known {
            Some(binding) => binding.to_owned(),
            None => crate::random::hex(&chance::<32>()?),
        };
        let location = match &self.provider {
            None => format!("{}?code={MOCK_CODE}&state={state}", self.redirect_uri),
            Some(provider) => {
                let chain = Chain::new(BEGIN_MS, wish.trace);
                let asked = self.asked(provider, &state, &nonce, &verifier);
                provider.page(&chain, self.config.par, &asked).await?
            }
        };
        let binding = Secret::new(binding);
        let flow = Flow {
            nonce,
            verifier: Secret::new(verifier),
            binding: binding.clone(),
            return_to: wish.return_to.to_owned(),
            person: wish.person % mock::PERSONS,
        };
        self.flows().open(Instant::now(), state, flow);
        Ok(Begun { location, binding })
    }

    /// Ends a way: who it was, and where the person wanted to go.
    ///
    /// # Errors
    ///
    /// Why nobody is signed in. The way is over, except for [`NotSigned::State`].
    pub async fn finish(&self, back: Returned<'_>) -> Result<(Person, String), NotSigned> {
        // Nothing else is looked at before it is known that we sent this browser there.
        let flow = self.flow(back).ok_or(NotSigned::State)?;
        if let Some(error) = back.error {
            return Err(match error {
                "access_denied" => NotSigned::Cancelled,
                "temporarily_unavailable" => NotSigned::Unavailable,
                _ => NotSigned::Refused,
            });
        }
        let code = back.code.filter(|code| (1..=CODE_MAX).contains(&code.len()));
        let code = code.ok_or(NotSigned::Request)?;
        let said = match &self.provider {
            None if code == MOCK_CODE => {
                mock::person(self.config.mock_seed, flow.person).ok_or(NotSigned::Request)?
            }
            None => return Err(NotSigned::Exchange),
            Some(provider) => {
                let chain = Chain::new(FINISH_MS, back.trace);
                self.asked_who(provider, &chain, (code, back.issuer), &flow).await?
            }
        };
        let Said { id, name, acr, amr } = said;
        let customer = id.hash(self.pepper.as_ref());
        Ok((Person { customer, name, acr, amr }, flow.return_to))
    }

    fn flow(&self, back: Returned<'_>) -> Option<Flow> {
        let state = back.state.filter(|state| (1..=STATE_MAX).contains(&state.len()))?;
        self.flows().take(Instant::now(), state, back.binding?)
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked of the provider.
    fn asked(
        &self,
        provider: &Provider,
        state: &str,
        nonce: &str,
        verifier: &str,
    ) -> Vec<(&'static str, String)> {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut asked = vec![
            ("client_id", provider.client.id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("response_type", "code".to_owned()),
            ("scope", self.config.scopes.join(" ")),
            ("state", state.to_owned()),
            ("nonce", nonce.to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if !self.config.acr.is_empty() {
            asked.push(("acr_values", self.config.acr.join(" ")));
        }
        if self.config.max_age_ms > 0 {
            asked.push(("max_age", (self.config.max_age_ms / 1_000).to_string()));
        }
        asked
    }

    /// Exchanges a code, and reads who the token is about.
    async fn asked_who(
        &self,
        provider: &Provider,
        chain: &Chain,
        (code, issuer): (&str, Option<&str>),
        flow: &Flow,
    ) -> Result<Said, NotSigned> {
        let endpoints = provider.endpoints(chain).await?;
        // Whoever else sent the person here does not get the code of this one (RFC 9207).
        if issuer.is_some_and(|issuer| issuer != endpoints.issuer) {
            return Err(NotSigned::State);
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", flow.verifier.expose()),
        ];
        let token = provider.exchange(chain, &endpoints, &form).await?;
        let verified =
            provider.keys.verify(&provider.executor, chain, &endpoints.jwks, token.expose()).await;
        let claims = verified.map_err(|unverified| match unverified {
            Unverified::Claim(claim) => untrue(claim),
            Unverified::Keys(failure) => {
                provider.discovery.doubt();
                provider.alarms.raise(&Alarm::Keys(failure));
                NotSigned::Keys
            }
        })?;
        let expected = Expected {
            issuer: &endpoints.issuer,
            client: &provider.client.id,
            nonce: &flow.nonce,
            acr: &self.config.acr,
            max_age_s: self.config.max_age_ms / 1_000,
            skew_s: self.config.skew_ms / 1_000,
            pid: &self.config.pid_claims,
            falls_back: self.config.falls_back,
            years_min: self.config.years_min,
        };
        check(&claims, &expected, now_ms()).map_err(|wrong| match wrong {
            Wrong::Claim(claim) => untrue(claim),
            Wrong::Underage => NotSigned::Underage,
        })
    }
}

/// A token that is not what it must be: the claim is said, and never what stood in it.
fn untrue(claim: Claim) -> NotSigned {
    tracing::warn!(claim = claim.word(), "an ID token is not taken");
    NotSigned::Token(claim)
}

impl Provider {
    fn new(
        config: &IdentityConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: &AuditSink,
        alarms: Alarms,
    ) -> Result<Self, AdapterError> {
        let executor = Executor::new("bankid", &config.call, REGISTERED, audit.clone())?;
        let once = CallConfig { retries: 0, ..config.call.clone() };
        Ok(Self {
            client: Client::new(config, secret)?,
            discovery: Discovery::new(config),
            keys: Keys::new(
                Duration::from_millis(config.jwks_ms),
                Duration::from_millis(config.jwks_floor_ms),
            ),
            executor: Arc::new(executor),
            exchange: Arc::new(Executor::new("bankid", &once, REGISTERED, audit.clone())?),
            alarms,
        })
    }

    async fn endpoints(&self, chain: &Chain) -> Result<Arc<Endpoints>, NotSigned> {
        let endpoints = self.discovery.endpoints(&self.executor, chain).await;
        endpoints.map_err(|failure| self.unreachable(failure))
    }

    /// The address that a person is sent to.
    async fn page(
        &self,
        chain: &Chain,
        wants_par: bool,
        asked: &[(&'static str, String)],
    ) -> Result<String, NotSigned> {
        let endpoints = self.endpoints(chain).await?;
        let query = match endpoints.par.as_ref().filter(|_| wants_par) {
            None => encode(
                &asked.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(),
            ),
            Some(par) => {
                let uri = self.push(chain, &endpoints, par, asked).await?;
                encode(&[("client_id", &self.client.id), ("request_uri", &uri)])
            }
        };
        let whole = Url::parse(&endpoints.authorize).is_ok_and(|url| url.fragment().is_none());
        let between = if endpoints.authorize.contains('?') { '&' } else { '?' };
        let page = whole.then(|| format!("{}{between}{query}", endpoints.authorize));
        page.and_then(|page| self.executor.page(&page)).ok_or_else(|| {
            self.discovery.doubt();
            tracing::error!("the page where people sign in is no address to send them to");
            NotSigned::Unavailable
        })
    }

    /// Sends what is asked ahead of the person (RFC 9126).
    async fn push(
        &self,
        chain: &Chain,
        endpoints: &Endpoints,
        par: &str,
        asked: &[(&'static str, String)],
    ) -> Result<String, NotSigned> {
        // Who we are goes with the proof of it.
        let form: Vec<(&str, &str)> = asked
            .iter()
            .filter(|(name, _)| *name != "client_id")
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let response = self.prove(chain, endpoints, ("par", par), &form).await?;
        if !response.is_success() {
            return Err(self.refused(&response));
        }
        let pushed = response.json::<Pushed>().map_err(|failure| self.unreachable(failure))?;
        Ok(pushed.request_uri)
    }

    /// Makes a code a token; once, whatever comes of it.
    async fn exchange(
        &self,
        chain: &Chain,
        endpoints: &Endpoints,
        form: &[(&str, &str)],
    ) -> Result<Secret, NotSigned> {
        let place = ("token", endpoints.token.as_str());
        let response = self.prove(chain, endpoints, place, form).await?;
        if !response.is_success() {
            return Err(self.refused(&response));
        }
        let tokens = response.json::<Tokens>().map_err(|_| NotSigned::Exchange)?;
        Ok(Secret::new(tokens.id_token))
    }

    /// Sends a form with the proof of who we are.
    async fn prove(
        &self,
        chain: &Chain,
        endpoints: &Endpoints,
        (service, url): (&'static str, &str),
        form: &[(&str, &str)],
    ) -> Result<Response, NotSigned> {
        let template = if service == "par" { "{par_endpoint}" } else { "{token_endpoint}" };
        let request = Request::new(service, Method::POST, template, url);
        let now_s = now_ms() / 1_000;
        let taken = endpoints.auths.as_deref();
        let request = self.client.request(request, form, taken, &endpoints.issuer, now_s);
        let request = request.map_err(|failure| {
            self.alarms.raise(&Alarm::Unproven(failure));
            NotSigned::Exchange
        })?;
        self.exchange.call(chain, request).await.map_err(|failure| {
            self.discovery.doubt();
            self.unreachable(failure)
        })
    }

    /// What an answer that is no token means.
    fn refused(&self, response: &Response) -> NotSigned {
        let said = serde_json::from_slice::<TokenError>(&response.body);
        let code = said.map(|said| said.error).unwrap_or_default();
        match (response.status, code.as_str()) {
            (_, "unauthorized_client" | "invalid_client") | (401, _) => {
                self.alarms.raise(&Alarm::Unknown(response.status));
                NotSigned::Exchange
            }
            (_, "temporarily_unavailable") | (429 | 500.., _) => {
                self.discovery.doubt();
                self.unreachable(Failure::before(Failed::Unavailable))
            }
            (404 | 405 | 410, _) => {
                // It may have moved.
                self.discovery.doubt();
                NotSigned::Exchange
            }
            _ => {
                tracing::warn!(status = response.status, "a code is not exchanged");
                NotSigned::Exchange
            }
        }
    }

    fn unreachable(&self, failure: Failure) -> NotSigned {
        self.alarms.raise(&Alarm::Unreachable(failure));
        NotSigned::Unavailable
    }
}

/// The key of hashes; `None` hashes without one.
fn pepper(
    config: &IdentityConfig,
    secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
) -> Result<Option<hmac::Key>, AdapterError> {
    let key = |text: &str| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
    match (config.hash, &config.pepper) {
        (IdHash::Compat, _) => Ok(None),
        (IdHash::Hmac, Some(source)) => Ok(Some(key(secret(source)?.expose()))),
        (IdHash::Hmac, None) if config.mock => Ok(Some(key(MOCK_PEPPER))),
        (IdHash::Hmac, None) => Err(AdapterError::Config {
            provider: "[identity]".to_owned(),
            why: "there is no key to hash national ids with".to_owned(),
        }),
    }
}

/// Bytes nobody can guess, or nothing: what they protect must not begin without them.
fn chance<const N: usize>() -> Result<[u8; N], NotSigned> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| {
        tracing::error!("the operating system has no randomness");
        NotSigned::Unavailable
    })?;
    Ok(bytes)
}

/// A version 4 UUID that nobody can guess.
fn uuid() -> Result<String, NotSigned> {
    let mut bytes = chance::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(crate::random::hyphenated(&bytes))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
