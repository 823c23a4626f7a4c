//! Who we are and for whom: registration once, the customer's session, and its three deadlines.
//!
//! An access token is used for four fifths of its life and then refreshed; a refresh token that is
//! over is replaced by logging in again; and ten hours after the customer linked the account the
//! session is over for good, and the account has to be linked again. When that was stands in the
//! consent, so that a restart changes nothing.

use super::wire::{self, Token, Tokens};
use crate::executor::{Chain, Executor, Request, Response, failed};
use crate::oauth::encode;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use veksel_core::enquiry::{Failed, Failure, Secret};

const REGISTER: &str = "/auth/realms/droppay/tpp/register";
const TOKEN: &str = "/auth/realms/droppay/protocol/openid-connect/token";
const KEYS: &str = "/auth/realms/droppay/protocol/openid-connect/certs";

/// How long a session lasts from linking on, in milliseconds.
pub(super) const SESSION_MS: u64 = 10 * 60 * 60 * 1_000;

/// The session of the one customer of a configuration.
#[derive(Debug)]
pub(super) struct Session {
    username: Secret,
    password: Secret,
    /// Held while tokens are fetched, so that everybody who waits gets the same.
    kept: Mutex<Kept>,
}

/// How long nobody logs in after the password was refused: a provider locks a customer out who is
/// wrong too often, and only a person can set the password right.
const HOLD_OFF: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Default)]
struct Kept {
    is_registered: bool,
    /// Until when the password is not tried again.
    refused_until: Option<Instant>,
    tokens: Option<Held>,
}

#[derive(Debug, Clone)]
struct Held {
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

impl Session {
    pub(super) fn new(username: Secret, password: Secret) -> Self {
        Self { username, password, kept: Mutex::default() }
    }

    /// Begins a session, whatever there was before.
    ///
    /// # Errors
    ///
    /// If the provider does not know us or the customer.
    pub(super) async fn begin(&self, to: &Executor, chain: &Chain) -> Result<Access, Failure> {
        let mut kept = self.lock(chain).await?;
        kept.tokens = None;
        self.log_in(&mut kept, to, chain).await
    }

    /// A token that is fresh, except `stale`: one that was refused.
    ///
    /// # Errors
    ///
    /// If none can be had.
    pub(super) async fn access(
        &self,
        to: &Executor,
        chain: &Chain,
        stale: Option<&Secret>,
    ) -> Result<Access, Failure> {
        let mut kept = self.lock(chain).await?;
        let Some(held) = kept.tokens.clone() else {
            return self.log_in(&mut kept, to, chain).await;
        };
        let now = Instant::now();
        if held.fresh_until > now && stale != Some(&held.access) {
            return Ok(Access { token: held.access, accounts: held.accounts });
        }
        kept.tokens = None;
        if held.refresh_until > now && !held.refresh.expose().is_empty() {
            let form = [("grant_type", "refresh_token"), ("refresh_token", held.refresh.expose())];
            let response = self.ask(to, chain, &form).await?;
            if response.is_success() {
                return keep(&mut kept, to, chain, &response).await;
            }
            // What is over is begun again; whatever else went wrong is told.
            if wire::fault(&response).code != "invalid_grant" {
                return Err(wire::refusal(&response));
            }
        }
        self.log_in(&mut kept, to, chain).await
    }

    async fn lock(&self, chain: &Chain) -> Result<tokio::sync::MutexGuard<'_, Kept>, Failure> {
        let locked = tokio::time::timeout(chain.left(), self.kept.lock()).await;
        locked.map_err(|_| failed(Failed::Late, "session"))
    }

    async fn log_in(
        &self,
        kept: &mut Kept,
        to: &Executor,
        chain: &Chain,
    ) -> Result<Access, Failure> {
        let wait = kept.refused_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            let retry_ms = u64::try_from(wait.as_millis()).ok();
            return Err(Failure { retry_ms, ..failed(Failed::Credentials, "invalid_grant") });
        }
        if !kept.is_registered {
            register(to, chain).await?;
            kept.is_registered = true;
        }
        let form = [
            ("grant_type", "password"),
            ("username", self.username.expose()),
            ("password", self.password.expose()),
        ];
        let response = self.ask(to, chain, &form).await?;
        if !response.is_success() {
            let code = wire::fault(&response).code;
            // Registered, and not any more.
            kept.is_registered = code != "unauthorized_client";
            if code == "invalid_grant" {
                kept.refused_until = Some(Instant::now() + HOLD_OFF);
            }
            return Err(wire::refusal(&response));
        }
        kept.refused_until = None;
        keep(kept, to, chain, &response).await
    }

    async fn ask(
        &self,
        to: &Executor,
        chain: &Chain,
        form: &[(&str, &str)],
    ) -> Result<Response, Failure> {
        let mut request = Request::new("token", Method::POST, TOKEN, TOKEN)
            .identified(true)
            .body("application/x-www-form-urlencoded", encode(form))?;
        // A second session does no harm.
        request.is_repeatable = form.iter().any(|(_, value)| *value == "password");
        to.call(chain, request).await
    }
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

async fn keep(
    kept: &mut Kept,
    to: &Executor,
    chain: &Chain,
    response: &Response,
) -> Result<Access, Failure> {
    let tokens: Tokens = response.json()?;
    let token = wire::token(&tokens.access_token);
    let token = token.map_err(|code| failed(Failed::Malfunction, code))?;
    verify(&token, to, chain).await?;
    let now = Instant::now();
    let most = SESSION_MS / 1_000;
    let access_s = tokens.expires_in.min(most);
    let refresh_s = tokens.refresh_expires_in.min(most);
    let access = Secret::new(tokens.access_token);
    kept.tokens = Some(Held {
        access: access.clone(),
        fresh_until: now + Duration::from_millis(access_s * 800),
        refresh: Secret::new(tokens.refresh_token),
        refresh_until: now + Duration::from_secs(refresh_s),
        accounts: token.accounts.clone(),
    });
    Ok(Access { token: access, accounts: token.accounts })
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
