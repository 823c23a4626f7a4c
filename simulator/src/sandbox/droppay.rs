//! `DropPay` as a sandbox: registration and tokens under mutual TLS with a PSD2 certificate, then
//! bearer tokens; payments that are drafts until they are ready and wait for an app.
//!
//! What its public pages say is played as they say it. The paths under `/bank/v1` and the words of
//! a transfer's status are ours: the pages that were read do not give them. It has to stand behind
//! TLS that lets callers show a certificate ([`super::ca::Clients::Optional`]).

mod api;
mod identity;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::{get, post};

use super::{Clock, Sandbox};
use token::Signer;

/// What the sandbox takes and has.
#[derive(Clone)]
pub struct DropPayConfig {
    /// Number of the one customer, E.164 without plus.
    pub username: String,
    /// The customer's password.
    pub password: String,
    /// How long an access token is good, in seconds.
    pub access_s: u64,
    /// How long a refresh token is good, in seconds.
    pub refresh_s: u64,
    /// How long a session is good, however often it is refreshed, in seconds.
    pub session_s: u64,
    /// Whether registration answers 200 with "not yet implemented", as the live one does.
    pub registration_pending: bool,
    /// Whether tokens are signed with another key than the published one, as those of somebody
    /// else would be.
    pub foreign_tokens: bool,
    /// IBAN and balance in cents of the customer's accounts.
    pub accounts: Vec<(String, i64)>,
}

impl Default for DropPayConfig {
    fn default() -> Self {
        Self {
            username: "393351234567".to_owned(),
            password: "sandbox-password".to_owned(),
            access_s: 300,
            refresh_s: 1_800,
            session_s: 36_000,
            registration_pending: false,
            foreign_tokens: false,
            accounts: vec![
                ("IT86M3606400001393351234567".to_owned(), 500_000),
                ("IT89M3606400001I05034550166".to_owned(), 1_000),
            ],
        }
    }
}

/// Why the sandbox cannot be made: the library made no key.
#[derive(Debug, thiserror::Error)]
#[error("no key to sign tokens with could be made")]
pub struct NoKey;

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct DropPay(Arc<Inner>);

struct Inner {
    config: DropPayConfig,
    clock: Clock,
    signer: Signer,
    /// Whose keys are published.
    published: Option<Signer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Organisations that registered, by their identifier and not by certificate.
    registered: BTreeSet<String>,
    /// Access tokens.
    access: BTreeMap<String, Grant>,
    /// Refresh tokens.
    refresh: BTreeMap<String, Grant>,
    pushes: BTreeMap<String, Push>,
    transfers: Vec<Transfer>,
    accounts: Vec<(String, i64)>,
    issued: u64,
}

/// What a token is good for.
#[derive(Clone)]
struct Grant {
    until: u64,
    /// When the session began.
    began: u64,
    /// Whether the certificate allows payments.
    may_pay: bool,
    /// Whether it allows looking at accounts.
    may_look: bool,
}

/// A payment before it moves money.
#[derive(Clone)]
struct Push {
    amount: i64,
    source: String,
    recipient: String,
    description: String,
    status: &'static str,
    transfer: Option<usize>,
}

/// Money that moved, or did not.
#[derive(Clone)]
struct Transfer {
    amount: i64,
    source: String,
    recipient: String,
    description: String,
    status: &'static str,
    at: u64,
}

impl fmt::Debug for DropPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropPay").finish_non_exhaustive()
    }
}

impl DropPay {
    /// A sandbox with the balances of its configuration.
    ///
    /// # Errors
    /// The library made no key.
    pub fn new(config: DropPayConfig, clock: Clock) -> Result<Self, NoKey> {
        let state = State { accounts: config.accounts.clone(), ..State::default() };
        let signer = Signer::new().ok_or(NoKey)?;
        let published = match config.foreign_tokens {
            true => Some(Signer::new().ok_or(NoKey)?),
            false => None,
        };
        Ok(Self(Arc::new(Inner { config, clock, signer, published, state: Mutex::new(state) })))
    }

    /// What an account has, in cents; `None` for one that is not there. For tests: this is the
    /// truth about money.
    #[must_use]
    pub fn balance(&self, iban: &str) -> Option<i64> {
        self.state().balance(iban)
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn name(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}{:08}", self.issued)
    }

    fn balance(&self, iban: &str) -> Option<i64> {
        self.accounts.iter().find(|(own, _)| own == iban).map(|(_, balance)| *balance)
    }

    /// The customer confirms a payment in the app; its money moves, if there is enough.
    fn confirm(&mut self, id: &str, now: u64) -> bool {
        let Some(push) = self.pushes.get(id).filter(|push| push.status == "READY").cloned() else {
            return false;
        };
        let has_money = self.balance(&push.source).is_some_and(|balance| balance >= push.amount);
        if has_money {
            for (iban, balance) in &mut self.accounts {
                if *iban == push.source {
                    *balance -= push.amount;
                }
                if *iban == push.recipient {
                    *balance += push.amount;
                }
            }
        }
        let Push { amount, source, recipient, description, .. } = push;
        let status = if has_money { "EXECUTED" } else { "REJECTED" };
        let transfer = Transfer { amount, source, recipient, description, status, at: now };
        let place = self.transfers.len();
        self.transfers.push(transfer);
        if let Some(push) = self.pushes.get_mut(id) {
            push.status = "CONFIRMED";
            push.transfer = Some(place);
        }
        true
    }
}

impl Sandbox for DropPay {
    fn router(&self) -> Router {
        let realm = "/auth/realms/droppay";
        Router::new()
            .route(&format!("{realm}/tpp/register"), post(identity::register))
            .route(&format!("{realm}/protocol/openid-connect/token"), post(identity::token))
            .route(&format!("{realm}/protocol/openid-connect/certs"), get(identity::keys))
            .route("/app/push/{id}", get(api::show).post(api::decide))
            .fallback(api::answer)
            .with_state(self.clone())
    }

    fn reset(&self) {
        *self.state() = State { accounts: self.0.config.accounts.clone(), ..State::default() };
    }
}

/// Tokens, payments and transfers that are kept; beyond it nothing new is taken.
const KEPT_MAX: usize = 10_000;

/// Keeps a table within [`KEPT_MAX`] by forgetting what has the smallest key.
fn keep<V>(table: &mut BTreeMap<String, V>, key: String, value: V) {
    if table.len() >= KEPT_MAX {
        table.pop_first();
    }
    table.insert(key, value);
}
