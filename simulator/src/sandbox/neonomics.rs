//! Neonomics as a sandbox: tokens, sessions, consents and payments that need one call too many.
//!
//! It is not Berlin Group: the caller's faults are 510, its own 520, those of the bank 530, and
//! what counts is `errorCode`. A call that needs a consent or an approval fails first (1426, 1428)
//! and says where to go. A payment moves money each time `/complete` is called after its
//! approval, and each time a payment is sent it is another one: nothing is recognised.
//!
//! Amounts that end in 51, 68, 91, 96 or 97 misbehave when they are sent or completed, `MAGIC`.

mod api;
mod page;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use super::{Clock, Sandbox};
use world::World;

/// What the sandbox takes and has.
#[derive(Clone)]
pub struct NeonomicsConfig {
    /// Of the OAuth 2 client.
    pub client_id: String,
    /// Of the OAuth 2 client.
    pub client_secret: String,
    /// How long a token is good, in seconds.
    pub token_s: u64,
    /// Banks that can be reached.
    pub banks: Vec<String>,
    /// How long a consent is good, in seconds.
    pub consent_s: u64,
    /// From an approval to the call of `/complete`, in seconds; then it is too late.
    pub complete_s: u64,
    /// Longest remittance text of the banks behind it.
    pub remittance_max: usize,
    /// Accounts of the one customer there is.
    pub accounts: Vec<NeonomicsAccount>,
}

/// An account at a bank behind Neonomics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeonomicsAccount {
    /// Without spaces.
    pub iban: String,
    /// The domestic number.
    pub bban: String,
    /// Three letters.
    pub currency: String,
    /// Minor units of two decimals.
    pub balance: i64,
}

impl Default for NeonomicsConfig {
    fn default() -> Self {
        let account = |iban: &str, bban: &str, currency: &str, balance| NeonomicsAccount {
            iban: iban.to_owned(),
            bban: bban.to_owned(),
            currency: currency.to_owned(),
            balance,
        };
        Self {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            token_s: 3_600,
            banks: vec!["DNB.NO".to_owned()],
            consent_s: 90 * 86_400,
            complete_s: 600,
            remittance_max: 66,
            accounts: vec![
                account("NO9386011117947", "86011117947", "NOK", 10_000_000),
                account("NO8330001234567", "30001234567", "NOK", 5_000),
                account("DE89370400440532013000", "532013000", "EUR", 1_000_000),
            ],
        }
    }
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Neonomics(Arc<Inner>);

struct Inner {
    config: NeonomicsConfig,
    clock: Clock,
    world: Mutex<World>,
}

impl fmt::Debug for Neonomics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neonomics").finish_non_exhaustive()
    }
}

impl Neonomics {
    /// A sandbox with the balances of its configuration.
    #[must_use]
    pub fn new(config: NeonomicsConfig, clock: Clock) -> Self {
        let world = World::new(&config);
        Self(Arc::new(Inner { config, clock, world: Mutex::new(world) }))
    }

    /// What an account has, in minor units; `None` for one that is not there. For tests: this is
    /// the truth about money.
    #[must_use]
    pub fn balance(&self, iban: &str) -> Option<i64> {
        self.world().accounts.iter().find(|account| account.iban == iban).map(|it| it.balance)
    }

    /// How many payments were sent, whatever became of them.
    #[must_use]
    pub fn payments(&self) -> usize {
        self.world().payments.len()
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for Neonomics {
    fn router(&self) -> Router {
        Router::new()
            .route("/auth/realms/{realm}/protocol/openid-connect/token", post(api::token))
            .route("/psu/{kind}/{id}", get(page::show).post(page::decide))
            .fallback(api::answer)
            .with_state(self.clone())
    }

    fn reset(&self) {
        *self.world() = World::new(&self.0.config);
    }
}

/// What the ending of an amount does, by its last two digits in minor units.
const MAGIC: &[(i64, &str)] = &[
    (51, "refused for lack of money when it is completed"),
    (68, "completed, and never answered"),
    (91, "530 when it is sent: the bank does not answer Neonomics"),
    (96, "completed, and answered with 520 and HTML"),
    (97, "taken in, and there is no page to approve it on"),
];

/// How long something gets no answer.
const SILENCE: Duration = Duration::from_secs(60);

/// Sessions, tokens and payments that are kept.
const KEPT_MAX: usize = 10_000;

/// Keeps a table within [`KEPT_MAX`] by forgetting what has the smallest key.
fn keep<V>(table: &mut BTreeMap<String, V>, key: String, value: V) {
    if table.len() >= KEPT_MAX {
        table.pop_first();
    }
    table.insert(key, value);
}
