//! Terminals: open-loop traffic into the switch, and an honest account of what came back.
//!
//! Requests are due by a clock, whether answers come or not, and latency is measured from the
//! time a request was due: a switch that stalls cannot hide it (no coordinated omission). One
//! thread drives all connections, and
//! another tells it the time. A connection is `Away`, `SigningOn` or `Open`; it returns to
//! `Away` when the switch goes, and dials again with back-off for ever.
//!
//! The seed decides what is sent and in which order; times, RRNs and answers do not come into
//! it. It knows the bank only by the seed tables: whether money really moved is the ledger's to
//! say, and [`Traffic::movements`] is there to be compared with it.

mod clock;
mod connection;
mod floor;
mod numbers;
mod orders;
mod pool;
pub(crate) mod random;
mod tally;
mod tracker;
mod traffic;

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use jiff::Timestamp;
use tokio::sync::watch;
use veksel_codecs::{Codec, Dialect};
use veksel_config::{DialectName, Mix, TerminalsConfig};
use veksel_link::{MacError, Macs, TlsClient, TlsError};

pub use traffic::{Approved, KindStats, Movement, Second, Traffic};

use crate::seeds::{SeedError, Seeds};
use floor::{Beat, Floor};
use numbers::Numbers;
use orders::Orders;
use pool::Pool;
use random::Random;
use tracker::{Bounds, Tracker};

/// What a terminal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// DE3 31.
    Balance,
    /// DE3 38.
    Statement,
    /// DE3 00.
    Purchase,
    /// DE3 40, within the bank.
    Transfer,
    /// DE3 50.
    Bill,
}

impl Kind {
    /// In the order of [`Mix`].
    pub const ALL: [Self; 5] =
        [Self::Balance, Self::Statement, Self::Purchase, Self::Transfer, Self::Bill];

    /// One lower-case word, the key of the mix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Statement => "statement",
            Self::Purchase => "purchase",
            Self::Transfer => "transfer",
            Self::Bill => "bill",
        }
    }

    /// First two digits of DE3.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Balance => "31",
            Self::Statement => "38",
            Self::Purchase => "00",
            Self::Transfer => "40",
            Self::Bill => "50",
        }
    }

    /// Whether an approval of it changes balances.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        match self {
            Self::Balance | Self::Statement => false,
            Self::Purchase | Self::Transfer | Self::Bill => true,
        }
    }

    const fn share(self, mix: &Mix) -> u32 {
        match self {
            Self::Balance => mix.balance,
            Self::Statement => mix.statement,
            Self::Purchase => mix.purchase,
            Self::Transfer => mix.transfer,
            Self::Bill => mix.bill,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What no configuration file says. The default is right for all but tests and benches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// The folder of the bank's seed tables; `None` takes the built-in.
    pub seeds: Option<PathBuf>,
    /// So many of a hundred payments end in 51 or 91 and provoke these answers; none ever ends
    /// in 68. Default 0: then none provokes anything.
    pub magic_percent: u8,
    /// From the time a request was due until it counts as unanswered. Default 30 s.
    pub timeout: Duration,
    /// How long a stop waits for answers that are outstanding. Default 30 s.
    pub drain: Duration,
    /// Requests in flight before those that are due are skipped. At most 999,999, because STANs
    /// must tell them apart. Default 10,000.
    pub in_flight_max: usize,
    /// Length of [`Traffic::movements`]. Default 200,000.
    pub movements_max: usize,
    /// First wait after a connection failed or ended; it doubles up to 5 s. Default 100 ms.
    pub reconnect_min: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seeds: None,
            magic_percent: 0,
            timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            in_flight_max: 10_000,
            movements_max: 200_000,
            reconnect_min: Duration::from_millis(100),
        }
    }
}

/// Why terminals do not start.
#[derive(Debug, thiserror::Error)]
pub enum TerminalsError {
    /// The dialect is not there or is wrong.
    #[error("dialect {name}: {reason}")]
    Dialect {
        /// As the configuration names it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Messages cannot be authenticated.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// Certificates or keys cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The seed tables are wrong.
    #[error("seed tables: {0}")]
    Seeds(#[from] SeedError),
    /// Nobody in the tables can do this, because no account is active and has enough money.
    #[error("the seed tables have no account for kind `{0}` of the mix")]
    Nobody(Kind),
    /// The system gave no thread or runtime.
    #[error("the system gave no thread: {0}")]
    Thread(#[from] io::Error),
}

/// What the thread is to do. Dropping the sender ends it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sending,
    Draining,
}

/// Terminals at work. Dropping it ends them without waiting for answers.
#[derive(Debug)]
pub struct RunningTerminals {
    account: Account,
    phase: watch::Sender<Phase>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// What the thread writes and its owner reads.
#[derive(Clone)]
struct Account {
    tracker: Arc<Mutex<Tracker>>,
    origin: Instant,
}

impl Account {
    /// Microseconds since the start.
    fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A panic elsewhere leaves counters that are at worst one off; they are still worth more
    /// than none.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Starts with the default [`Behaviour`].
///
/// # Errors
/// See [`start_with`].
pub fn start(config: TerminalsConfig) -> Result<RunningTerminals, TerminalsError> {
    start_with(config, Behaviour::default())
}

/// Reads what is needed, then sends from a thread of its own. The first request is due when all
/// connections are signed on, or after two seconds.
///
/// # Errors
/// When dialect, keys, tables or thread cannot be had. That nobody listens is no error: it is tried
/// again and what is due is counted as skipped.
pub fn start_with(
    config: TerminalsConfig,
    behaviour: Behaviour,
) -> Result<RunningTerminals, TerminalsError> {
    let seeds = match &behaviour.seeds {
        Some(folder) => Seeds::from_dir(folder)?,
        None => Seeds::embedded()?,
    };
    let month = numbers::month(Timestamp::now());
    let pool = Pool::new(&seeds, &config.mix, &month).map_err(TerminalsError::Nobody)?;
    let codec = codec(&config.dialect, &pool, &config.mix)?;
    let macs = config.mac.as_ref().map(|mac| Macs::load(mac, &codec)).transpose()?;
    let tls = config.tls.as_ref().map(|tls| TlsClient::load(tls, &config.connect.host));
    let tls = tls.transpose()?;
    let numbers = Numbers::new(salt());
    let bounds = Bounds {
        in_flight_max: behaviour.in_flight_max.min(IN_FLIGHT_MAX),
        timeout_us: u64::try_from(behaviour.timeout.as_micros()).unwrap_or(u64::MAX),
        movements_max: behaviour.movements_max,
    };
    let tracker = Arc::new(Mutex::new(Tracker::new(bounds, numbers)));
    let account = Account { tracker, origin: Instant::now() };
    let (phase, phases) = watch::channel(Phase::Sending);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (clock, clocks) = sync_channel(1);
    let beat = Beat { clock, is_due: Arc::default() };
    let (of_beat, is_due) = (account.clone(), Arc::clone(&beat.is_due));
    let beating = thread::Builder::new()
        .name("terminals-clock".to_owned())
        .spawn(move || clock::beat(&of_beat, &clocks, &is_due))?;
    let of_floor = account.clone();
    let sending = thread::Builder::new().name("terminals".to_owned()).spawn(move || {
        let floor = Floor::new(config, &behaviour, codec, (macs, tls), pool, of_floor, beat);
        tokio::task::LocalSet::new().block_on(&runtime, floor::run(floor, phases));
    })?;
    Ok(RunningTerminals { account, phase, threads: vec![sending, beating] })
}

impl RunningTerminals {
    /// What was counted up to now, without the list of movements. Costs less than a
    /// millisecond, during which nothing is sent: meant for once a second.
    #[must_use]
    pub fn snapshot(&self) -> Traffic {
        self.account.tracker().snapshot(self.account.now_us())
    }

    /// Sends nothing more, waits for what is outstanding as long as [`Behaviour::drain`] says,
    /// and hangs up. What is then still outstanding is unanswered.
    #[must_use]
    pub fn stop(mut self) -> Traffic {
        // The only receiver is gone when the thread is.
        let _ = self.phase.send(Phase::Draining);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the terminals panicked");
            }
        }
        let mut tracker = self.account.tracker();
        tracker.abandon();
        tracker.finish(self.account.now_us())
    }
}

/// STANs go round after 999,999.
const IN_FLIGHT_MAX: usize = 999_999;

/// Compiles the dialect and makes sure that it can say everything in the mix.
fn codec(name: &DialectName, pool: &Pool, mix: &Mix) -> Result<Codec, TerminalsError> {
    let wrong = |reason: String| TerminalsError::Dialect { name: name.to_string(), reason };
    let dialect = match name {
        DialectName::Shipped(name) => Dialect::shipped(name),
        DialectName::File(path) => {
            Dialect::parse(&fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?)
        }
    };
    let codec = Codec::new(dialect.map_err(|error| wrong(error.to_string()))?);
    let mut sample = Orders::new(0, *mix, 0);
    for kind in Kind::ALL.into_iter().filter(|kind| kind.share(mix) > 0) {
        let Some(order) = sample.order(kind, pool) else { continue };
        floor::try_order(&codec, &order).map_err(|reason| wrong(format!("{kind}: {reason}")))?;
    }
    Ok(codec)
}

/// Differs from run to run, also between two of one process in one instant.
fn salt() -> u64 {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let run = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
    let process = u64::from(std::process::id());
    Random::new(now ^ (process << 40) ^ (run << 56)).next()
}

#[cfg(test)]
mod tests;
