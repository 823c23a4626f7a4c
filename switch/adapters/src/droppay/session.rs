//! Who we are and for whom: registration once, the customer's session, and its three deadlines.
//!
//! An access token is used for four fifths of its life and then refreshed; a refresh token that is
//! over is replaced by logging in again; and ten hours after the customer linked the account the
//! session is over for good, and the account has to be linked again. When that was stands in the
//! consent, so that a restart changes nothing.

use super::wire::{self, Token, Tokens};
use crate::executor::{Chain, Executor, Request, Response, failed};
use crate::flight::{Flight, Known, Missed, Step};
use crate::oauth::encode;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use veksel_core::enquiry::{Failed, Failure, Secret};

const REGISTER: &str = "/auth/realms/droppay/tpp/register";
const TOKEN: &str = "/auth/realms/droppay/protocol/openid-connect/token";
const KEYS: &str = "/auth/realms/droppay/protocol/openid-connect/certs";

/// How long a session lasts from linking on, in milliseconds.
pub(super) const SESSION_MS: u64 = 10 * 60 * 60 * 1_000;

/// The session of the one customer of a configuration. Of many who need its token at once one
/// fetches it.
#[derive(Debug)]
pub(super) struct Session {
    customer: Arc<Customer>,
    kept: Flight<Held, Failure>,
}

/// Who logs in, and how that went.
#[derive(Debug)]
struct Customer {
    username: Secret,
    password: Secret,
    standing: Mutex<Standing>,
}

/// How long nobody logs in after the password was refused: a provider locks a customer out who is
/// wrong too often, and only a person can set the password right.
const HOLD_OFF: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Default)]
struct Standing {
    is_registered: bool,
    /// Until when the password is not tried again.
    refused_until: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Held {
    /// When the customer logged in.
    since: Instant,
    access: Secret,
    fresh_until: Instant,
    refresh: Secret,
    refresh_until: Instant,
    accounts: Vec<String>,
}

/// What a call is made with.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The bearer token.
    pub(super) token: Secret,
    /// IBANs the customer has there.
    pub(super) accounts: Vec<String>,
}

/// Fetches that whoever links an account waits for at most, if each is that of somebody else.
const TURNS: usize = 3;

impl Session {
    pub(super) fn new(username: Secret, password: Secret) -> Self {
        let customer = Customer { username, password, standing: Mutex::default() };
        Self { customer: Arc::new(customer), kept: Flight::default() }
    }

    /// Begins a session, whatever there was before.
    ///
    /// # Errors
    ///
    /// If the provider does not know us or the customer.
    pub(super) async fn begin(&self, to: &Arc<Executor>, chain: &Chain) -> Result<Access, Failure> {
        let came = Instant::now();
        for _ in 0..TURNS {
            let mut has_joined = false;
            let judge = |known: &mut Known<Held, Failure>| {
                if let Some((held, _)) = known.kept()
                    && held.since >= came
                {
                    return Step::Take(held.clone());
                }
                known.forget();
                has_joined = known.is_under_way();
                Step::Fetch(fetch(Arc::clone(&self.customer), Arc::clone(to), chain.apart(), None))
            };
            match self.kept.get(chain.ends(), judge).await {
                Ok(held) if held.since >= came => return Ok(held.into()),
                // What was under way was not for a new session.
                Ok(_) | Err(Missed::Failed(_)) if has_joined => {}
                Ok(held) => return Ok(held.into()),
                Err(missed) => return Err(missed.failure("session")),
            }
        }
        Err(failed(Failed::Unavailable, "session"))
    }

    /// A token that is fresh, except `stale`: one that was refused.
    ///
    /// # Errors
    ///
    /// If none can be had.
    pub(super) async fn access(
        &self,
        to: &Arc<Executor>,
        chain: &Chain,
        stale: Option<&Secret>,
    ) -> Result<Access, Failure> {
        let judge = |known: &mut Known<Held, Failure>| {
            let held = known.kept().map(|(held, _)| held.clone());
            if let Some(held) = &held
                && held.fresh_until > Instant::now()
                && stale != Some(&held.access)
            {
                return Step::Take(held.clone());
            }
            known.forget();
            Step::Fetch(fetch(Arc::clone(&self.customer), Arc::clone(to), chain.apart(), held))
        };
        let found = self.kept.get(chain.ends(), judge).await;
        found.map(Access::from).map_err(|missed| missed.failure("session"))
    }
}

impl From<Held> for Access {
    fn from(held: Held) -> Self {
        Self { token: held.access, accounts: held.accounts }
    }
}

/// Refreshes what was held, or begins a session.
async fn fetch(
    customer: Arc<Customer>,
    to: Arc<Executor>,
    chain: Chain,
    held: Option<Held>,
) -> Result<Held, Failure> {
    if let Some(held) = held
        && held.refresh_until > Instant::now()
        && !held.refresh.expose().is_empty()
    {
        let form = [("grant_type", "refresh_token"), ("refresh_token", held.refresh.expose())];
        let response = ask(&to, &chain, &form).await?;
        if response.is_success() {
            return keep(&to, &chain, &response, Some(held.since)).await;
        }
        // What is over is begun again; whatever else went wrong is told.
        if wire::fault(&response).code != "invalid_grant" {
            return Err(wire::refusal(&response));
        }
    }
    customer.log_in(&to, &chain).await
}

impl Customer {
    /// A panic elsewhere leaves nothing half-written here.
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self, to: &Executor, chain: &Chain) -> Result<Held, Failure> {
        let (until, is_registered) = {
            let standing = self.standing();
            (standing.refused_until, standing.is_registered)
        };
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            let retry_ms = u64::try_from(wait.as_millis()).ok();
            return Err(Failure { retry_ms, ..failed(Failed::Credentials, "invalid_grant") });
        }
        if !is_registered {
            register(to, chain).await?;
            self.standing().is_registered = true;
        }
        let form = [
            ("grant_type", "password"),
            ("username", self.username.expose()),
            ("password", self.password.expose()),
        ];
        let response = ask(to, chain, &form).await?;
        if !response.is_success() {
            let code = wire::fault(&response).code;
            let mut standing = self.standing();
            // Registered, and not any more.
            standing.is_registered = code != "unauthorized_client";
            if code == "invalid_grant" {
                standing.refused_until = Some(Instant::now() + HOLD_OFF);
            }
            return Err(wire::refusal(&response));
        }
        self.standing().refused_until = None;
        keep(to, chain, &response, None).await
    }
}

async fn ask(to: &Executor, chain: &Chain, form: &[(&str, &str)]) -> Result<Response, Failure> {
    let mut request = Request::new("token", Method::POST, TOKEN, TOKEN)
        .identified(true)
        .body("application/x-www-form-urlencoded", encode(form))?;
    // A second session does no harm.
    request.is_repeatable = form.iter().any(|(_, value)| *value == "password");
    to.call(chain, request).await
}

/// Makes us known, which has to be done once for an authorisation number and not for each
/// certificate. Who is known is told so, which is as good.
async fn register(to: &Executor, chain: &Chain) -> Result<(), Failure> {
    let mut request = Request::new("registration", Method::POST, REGISTER, REGISTER)
        .identified(true)
        .json(&json!({}))?;
    request.is_repeatable = true;
    let response = to.call(chain, request).await?;
    if response.is_success() || wire::fault(&response).says_registered() {
        return Ok(());
    }
    let failure = wire::refusal(&response);
    // Whatever a provider has against us, a person must act.
    let why = match failure.why {
        Failed::Format | Failed::Refused | Failed::NotFound => Failed::Credentials,
        other => other,
    };
    Err(Failure { why, ..failure })
}

/// What an answer gives; `since` is when the customer logged in, if not now.
async fn keep(
    to: &Executor,
    chain: &Chain,
    response: &Response,
    since: Option<Instant>,
) -> Result<Held, Failure> {
    let tokens: Tokens = response.json()?;
    let token = wire::token(&tokens.access_token);
    let token = token.map_err(|code| failed(Failed::Malfunction, code))?;
    verify(&token, to, chain).await?;
    let now = Instant::now();
    let most = SESSION_MS / 1_000;
    let access_s = tokens.expires_in.min(most);
    let refresh_s = tokens.refresh_expires_in.min(most);
    Ok(Held {
        since: since.unwrap_or(now),
        access: Secret::new(tokens.access_token),
        fresh_until: now + Duration::from_millis(access_s * 800),
        refresh: Secret::new(tokens.refresh_token),
        refresh_until: now + Duration::from_secs(refresh_s),
        accounts: token.accounts,
    })
}

/// Checks who signed a token, if the provider says with which keys it signs. It came over TLS from
/// the provider itself, so that a realm without published keys is believed.
async fn verify(token: &Token, to: &Executor, chain: &Chain) -> Result<(), Failure> {
    let request = Request::new("keys", Method::GET, KEYS, KEYS);
    let keys: Value = match to.call(chain, request).await {
        Ok(response) if response.is_success() => response.json()?,
        Ok(_) | Err(_) => {
            tracing::warn!("the keys that tokens are signed with cannot be had");
            return Ok(());
        }
    };
    let (n, e) =
        wire::rsa_key(&keys, &token.kid).ok_or_else(|| failed(Failed::Malfunction, "jwt_kid"))?;
    let key = RsaPublicKeyComponents { n, e };
    let (signed, signature) = (token.signed.as_bytes(), &token.signature);
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
        .map_err(|_| failed(Failed::Malfunction, "jwt_signature"))
}
