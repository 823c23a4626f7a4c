//! Building the parts, and the handle by which a running switch is asked and stopped.

use crate::admin::Admin;
use crate::clock::Clock;
use crate::finder::Finder;
use crate::material::{dialects, keys};
use crate::observe::{Metrics, Observer};
use crate::operate::{self, COMMANDS_MAX};
use crate::orders::{ORDERS_MAX, Order};
use crate::reload::{Loader, ReloadError, Reloaded, Reloader};
use crate::shard::Shard;
use crate::status::Status;
use crate::steer::Desk;
use crate::upkeep::Upkeep;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;
use std::{io, thread};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use veksel_codecs::{Codec, Dialect};
use veksel_config::{SocketConfig, SwitchConfig};
use veksel_core::plan::DigestKey;
use veksel_core::{Input, LinkId, Plan, Record, RecordId, Resume, Switch};
use veksel_link::Wires;
use veksel_store::{Committer, KeyError, Purpose, Recovered, SqliteStore, Store, StoreError};

/// Commits whose report may wait to be taken.
const REPORTS_MAX: usize = 1_024;

/// Questions that may wait for the journal to be read.
const QUESTIONS_MAX: usize = 4_096;

/// Messages that may wait to be taken by the engine.
const INBOX_MAX: usize = 16_384;

/// Why the switch did not start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A dialect file cannot be read or is wrong.
    #[error("{0}")]
    Dialect(String),
    /// The key file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The journal cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A socket cannot be had.
    #[error("{part}: {source}")]
    Socket {
        /// Which part wanted it.
        part: String,
        /// What the system said; it names the address.
        source: io::Error,
    },
    /// The system gave no thread or runtime.
    #[error("the system gave no thread: {0}")]
    Thread(#[from] io::Error),
    /// Something is owed to a host that the configuration no longer names.
    #[error(
        "{count} transactions of group \"{group}\" are not settled and no group has that name; \
         name it again, or settle them first"
    )]
    Group {
        /// The name they were recorded with.
        group: String,
        /// How many.
        count: usize,
    },
    /// Two metrics have one name: a defect.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a switch ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// It was asked to.
    Asked,
    /// The store failed, and a switch that cannot record may not go on.
    Store(String),
    /// Its thread ended by a panic: a defect.
    Panicked,
}

/// A running switch.
pub struct Running {
    addresses: Vec<(String, SocketAddr)>,
    status: Status,
    reloader: Reloader,
    admin: Option<Admin>,
    stop: Option<oneshot::Sender<()>>,
    ended: threads::Receiver<Stopped>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Where the listener of that name can be reached.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    /// Where operators reach it.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Whether it takes requests and is signed on to a host.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.is_ready()
    }

    /// Waits for it to end by itself. `None` if it still runs after `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Stopped> {
        match self.ended.recv_timeout(timeout) {
            Ok(stopped) => Some(stopped),
            Err(threads::RecvTimeoutError::Timeout) => None,
            Err(threads::RecvTimeoutError::Disconnected) => Some(Stopped::Panicked),
        }
    }

    /// Reads the configuration again and goes by it, as far as that is possible without a
    /// restart. Nothing that is in flight is lost.
    ///
    /// # Errors
    /// When nothing was changed, and why.
    pub fn reload(&self, operator: &str) -> Result<Reloaded, ReloadError> {
        self.reloader.reload(operator, false)
    }

    /// Takes no new requests, lets those in flight end for as long as the configuration says,
    /// and stops. What is left in flight is in the journal.
    #[must_use]
    pub fn stop(mut self) -> Stopped {
        // The receiver is gone only if the shard has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let stopped = self.ended.recv().unwrap_or(Stopped::Panicked);
        self.end();
        stopped
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the hook and shows as `Stopped::Panicked`.
            let _ = thread.join();
        }
        if let Some(admin) = self.admin.take() {
            admin.stop();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.end();
    }
}

/// Starts a switch: opens its journal, recovers, and listens. Returns when it does.
///
/// # Errors
/// What could not be had, by name.
pub fn start(mut config: SwitchConfig) -> Result<Running, StartError> {
    let dialects = dialects(&config)?;
    let keys = Arc::new(keys(&config.store.keys)?);
    config.plan.digest_key = DigestKey(*keys.secret(Purpose::Digest));
    let store = SqliteStore::open(&config.store.path, keys)?;
    launch(config, dialects, Box::new(store), None)
}

/// The same for a configuration that can be read again with `loader`, so that the switch can be
/// told to go by another one ([`Running::reload`], `POST /reload`).
///
/// # Errors
/// What could not be had, by name.
pub fn start_from(mut config: SwitchConfig, loader: Loader) -> Result<Running, StartError> {
    let dialects = dialects(&config)?;
    let keys = Arc::new(keys(&config.store.keys)?);
    config.plan.digest_key = DigestKey(*keys.secret(Purpose::Digest));
    let store = SqliteStore::open(&config.store.path, keys)?;
    launch(config, dialects, Box::new(store), Some(loader))
}

/// Starts a switch on a store of the caller's; nothing else about it differs. For tests and
/// benches: [`MemoryStore`](veksel_store::MemoryStore) makes it a switch without a durable
/// journal, which remembers every record until it ends and whose memory so grows without bound.
///
/// The paths in `config.store` are not looked at, and digests are keyed by the plan as it is.
///
/// # Errors
/// What could not be had, by name.
pub fn start_with(config: SwitchConfig, store: Box<dyn Store>) -> Result<Running, StartError> {
    let dialects = dialects(&config)?;
    launch(config, dialects, store, None)
}

fn launch(
    config: SwitchConfig,
    dialects: Vec<Dialect>,
    mut store: Box<dyn Store>,
    loader: Option<Loader>,
) -> Result<Running, StartError> {
    let recovered = store.open()?;
    let metrics = Metrics::new()?;
    let status = Status::default();
    let (deciding, commands) = mpsc::channel(COMMANDS_MAX);
    let deciding = operate::Desk::new(deciding, &config.plan);
    let targets = deciding.targets();
    let (ordering, orders) = mpsc::channel(ORDERS_MAX);
    let reloader = Reloader::new(config.clone(), loader, ordering.clone());
    let desk = Desk { decisions: deciding, orders: ordering, reloader: reloader.clone() };
    let admin = Admin::start(config.admin.listen, metrics.clone(), status.clone(), desk)
        .map_err(|source| socket(format!("admin listener {}", config.admin.listen), source))?;
    let (stop, stopping) = oneshot::channel();
    let (ready, started) = threads::sync_channel(1);
    let (ending, ended) = threads::sync_channel(1);
    let shown = status.clone();
    let thread = thread::Builder::new().name("shard".into()).spawn(move || {
        let parts = Parts {
            config,
            targets,
            dialects,
            store,
            recovered,
            metrics,
            status,
            commands,
            orders,
            stopping,
        };
        if let Some(stopped) = run(parts, &ready) {
            // Nobody waits any more if the handle was dropped.
            let _ = ending.send(stopped);
        }
    })?;
    let addresses = match started.recv() {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(error),
        Err(threads::RecvError) => return Err(io::Error::other("the shard ended").into()),
    };
    let (stop, admin, thread) = (Some(stop), Some(admin), Some(thread));
    Ok(Running { addresses, status: shown, reloader, admin, stop, ended, thread })
}

fn socket(part: String, source: io::Error) -> StartError {
    StartError::Socket { part, source }
}

/// What the shard's thread is given.
struct Parts {
    config: SwitchConfig,
    dialects: Vec<Dialect>,
    store: Box<dyn Store>,
    recovered: Recovered,
    metrics: Metrics,
    status: Status,
    commands: mpsc::Receiver<Input>,
    orders: mpsc::Receiver<Order>,
    targets: operate::Targets,
    stopping: oneshot::Receiver<()>,
}

type Started = Result<Vec<(String, SocketAddr)>, StartError>;

/// The body of the shard's thread. `None` if it did not come to run.
fn run(parts: Parts, ready: &threads::SyncSender<Started>) -> Option<Stopped> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.into()));
            return None;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        match build(parts) {
            Ok((shard, addresses)) => {
                let _ = ready.send(Ok(addresses));
                // As a task it takes its turn after every connection that is ready, which makes
                // its batches as large as they can be.
                Some(tokio::task::spawn_local(shard.run()).await.unwrap_or(Stopped::Panicked))
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                None
            }
        }
    })
}

/// Recovers the engine and opens the sockets.
fn build(parts: Parts) -> Result<(Shard, Vec<(String, SocketAddr)>), StartError> {
    let Parts { config, dialects, store, recovered, metrics, status, .. } = parts;
    let (commands, orders, stopping) = (parts.commands, parts.orders, parts.stopping);
    let targets = parts.targets;
    let clock = Clock::new();
    let now = clock.now();
    let observer = Observer::new(metrics, &config.plan);
    refuse_unknown_groups(&recovered, &config.plan)?;
    let mut switch = Switch::new(config.plan);
    for (id, record) in &recovered.records {
        switch.apply(*id, record);
    }
    let Recovered { last: record, txn, stans, records, held } = recovered;
    let open = records.iter().filter(|(_, record)| matches!(record, Record::Intent(_))).count();
    let durable: RecordId = record;
    switch.recover(now, Resume { record, txn, stans });
    switch.note(now, "switch", "start", format!("{open} transactions not settled"));

    let finder = Finder::spawn(store.reader()?, QUESTIONS_MAX)?;
    let (reports, done) = mpsc::channel(REPORTS_MAX);
    let queue_max = usize::try_from(config.store.queue_max).unwrap_or(usize::MAX);
    let committer = Committer::spawn(store, queue_max, move |report| {
        // Without a receiver the shard has ended, and nobody waits for the report.
        let _ = reports.blocking_send(report);
    })?;

    let wires = Wires::new(INBOX_MAX, clock.origin, now.utc.0);
    let mut addresses = Vec::new();
    for ((place, socket_config), dialect) in (0..).zip(&config.sockets).zip(dialects) {
        let (link, codec) = (LinkId(place), Rc::new(Codec::new(dialect)));
        match socket_config {
            SocketConfig::Listen(listen) => {
                let name = name(&switch, link);
                let address = wires
                    .listen(link, listen, codec)
                    .map_err(|source| socket(format!("listener \"{name}\""), source))?;
                addresses.push((name, address));
            }
            SocketConfig::Dial(dial) => wires.dial(link, dial, codec).map_err(|error| {
                socket(format!("link {}", name(&switch, link)), io::Error::other(error))
            })?,
        }
    }
    let shard = Shard {
        clock,
        switch,
        wires,
        committer,
        done,
        finder,
        commands,
        orders,
        targets,
        upkeep: Upkeep::new(config.store.keep_ms, config.store.records_max, held),
        observer,
        status,
        stop: stopping,
        drain: Duration::from_millis(config.drain_ms),
        backlog_max: queue_max,
        durable,
    };
    Ok((shard, addresses))
}

/// A reversal of a group that is gone could never be sent, and nobody would hear of it.
fn refuse_unknown_groups(recovered: &Recovered, plan: &Plan) -> Result<(), StartError> {
    let owed = recovered.records.iter().filter_map(|(_, record)| match record {
        Record::Intent(intent) if !intent.group.is_empty() => Some(&intent.group),
        _ => None,
    });
    let mut unknown = owed.filter(|name| plan.groups.iter().all(|group| group.name != **name));
    match unknown.next() {
        None => Ok(()),
        Some(group) => {
            let count = 1 + unknown.filter(|other| *other == group).count();
            Err(StartError::Group { group: group.clone(), count })
        }
    }
}

fn name(switch: &Switch, link: LinkId) -> String {
    let link = switch.plan().links.get(usize::from(link.0));
    link.map(|link| link.name.clone()).unwrap_or_default()
}
