//! Building the parts, and the handle by which a running switch is asked and stopped.

use crate::admin::Admin;
use crate::alert::{Alert, Alerts, Approvals, Watch, Watched};
use crate::build::{Parts, run};
use crate::http::{Around, Http, Outside};
use crate::material::{dialects, keys};
use crate::observe::Metrics;
use crate::operate::{self, COMMANDS_MAX};
use crate::orders::ORDERS_MAX;
use crate::port::POSTS_MAX;
use crate::reload::{Loader, Others, ReloadError, Reloaded, Reloader};
use crate::spans::{Posting, Spans};
use crate::status::Status;
use crate::steer::Desk;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;
use std::{io, thread};
use tokio::sync::{mpsc, oneshot};
use veksel_api::Exchange;
use veksel_codecs::Dialect;
use veksel_config::SwitchConfig;
use veksel_core::plan::DigestKey;
use veksel_store::{KeyError, Purpose, SqliteStore, Store, StoreError};

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
        "{count} transactions of \"{group}\" are not settled and no group or bank has that name; \
         name it again, or settle them first"
    )]
    Group {
        /// The name they were recorded with.
        group: String,
        /// How many.
        count: usize,
    },
    /// A secret of the configuration cannot be had.
    #[error("{part}: {why}")]
    Secret {
        /// Which part wanted it.
        part: String,
        /// Why not; it names the file or the variable, and nothing of what stands in it.
        why: String,
    },
    /// Third parties cannot be asked as configured.
    #[error("{0}")]
    Outside(String),
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
    http: Option<Http>,
    exchange: Exchange,
    watch: Option<Watch>,
    posting: Option<Posting>,
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

    /// Where it is called over HTTP, if it may be.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(Http::address)
    }

    /// The way of messages of configured callers, for programs that have the switch within them.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        self.exchange.clone()
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
        if let Some(watch) = &self.watch {
            let message = "asked to stop; what is in flight may end";
            watch.raise(Alert::info("App shutdown", message));
        }
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
        if let Some(http) = self.http.take() {
            http.stop();
        }
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
        if let Some(posting) = self.posting.take() {
            posting.end();
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
    let store = SqliteStore::open(&config.store.path, keys)?.keeping_whole(platform(&config));
    launch(config, dialects, Box::new(store), None, None)
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
    let store = SqliteStore::open(&config.store.path, keys)?.keeping_whole(platform(&config));
    launch(config, dialects, Box::new(store), Some(loader), None)
}

/// The participant whose holds are known by what the journal has of them.
fn platform(config: &SwitchConfig) -> Option<String> {
    let caller = config.bridge.callers.get(usize::from(config.bridge.extauth.as_ref()?.caller))?;
    let participant = config.plan.participants.get(usize::from(caller.participant.0))?;
    Some(participant.name.clone())
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
    launch(config, dialects, store, None, None)
}

/// The same, with third parties of the caller's in place of the configured ones: what asks them,
/// and what knows their webhooks.
///
/// # Errors
/// What could not be had, by name.
pub fn start_between(
    config: SwitchConfig,
    store: Box<dyn Store>,
    outside: Outside,
) -> Result<Running, StartError> {
    let dialects = dialects(&config)?;
    launch(config, dialects, store, None, Some(outside))
}

fn launch(
    config: SwitchConfig,
    dialects: Vec<Dialect>,
    mut store: Box<dyn Store>,
    loader: Option<Loader>,
    outside: Option<Outside>,
) -> Result<Running, StartError> {
    let recovered = store.open()?;
    let metrics = Metrics::new()?;
    let (posting, posts) = mpsc::channel(POSTS_MAX);
    let exchange = Exchange::new(posting);
    // Only the card platform's door reads it.
    let journal = config.bridge.extauth.is_some().then(|| store.reader()).transpose()?;
    let messages = (exchange.clone(), journal);
    let status = Status::of(config.third_parties());
    let alerts = Alerts::new(&config.alert);
    let (spans, posting) = Spans::start(&config, &metrics)?;
    let around = Around { metrics: &metrics, status: &status, alerts: &alerts, spans: &spans };
    let (http, enquirer, callers) = Http::open(&config, outside, messages, &around)?;
    let approvals = Approvals::new(config.alert.approval_window_ms);
    let asks = enquirer.asks();
    let tls = http.as_ref().and_then(Http::tls).cloned();
    let circuits = http.as_ref().and_then(Http::circuits).cloned();
    let watched = Watched {
        alerts: alerts.clone(),
        approvals: approvals.clone(),
        metrics: metrics.clone(),
        status: status.clone(),
        asks: asks.clone(),
        circuits,
        tls: tls.clone(),
    };
    let watch = Watch::start(&config, watched)?;
    let (deciding, commands) = mpsc::channel(COMMANDS_MAX);
    let (ordering, orders) = mpsc::channel(ORDERS_MAX);
    let deciding = operate::Desk::new(deciding, ordering.clone(), &config.plan);
    let targets = deciding.targets();
    let reloader = Reloader::new(config.clone(), loader, ordering.clone(), Others { asks, tls });
    let desk = Desk { decisions: deciding, orders: ordering, reloader: reloader.clone() };
    let admin =
        Admin::start(config.admin.listen, metrics.clone(), status.clone(), desk, alerts.clone())
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
            alerts,
            approvals,
            spans,
            status,
            enquirer,
            callers,
            posts,
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
    // Only now is there somebody who takes what is called.
    let http = http.map(Http::serve);
    let (stop, admin, thread) = (Some(stop), Some(admin), Some(thread));
    watch.started();
    let (status, watch, posting) = (shown, Some(watch), Some(posting));
    Ok(Running {
        addresses,
        status,
        reloader,
        admin,
        http,
        exchange,
        watch,
        posting,
        stop,
        ended,
        thread,
    })
}

pub(crate) fn socket(part: String, source: io::Error) -> StartError {
    StartError::Socket { part, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_config::{Source, load_switch};

    const BASE: &str = r#"
        participant = [{ name = "channels" }, { name = "cards" }]
        listener = [{ name = "a", listen = "127.0.0.1:1", participant = "channels" }]
        group = [{ name = "cbs", connect = ["127.0.0.1:2"] }]
        route = [{ name = "all", group = "cbs" }]
        http = { listen = "127.0.0.1:3" }
        caller = [{ name = "platform", participant = "cards" }]
    "#;

    #[test]
    fn the_lives_that_are_kept_whole_are_those_of_the_card_platform() {
        let named = |text: &str| platform(&load_switch(Source::text("a.toml", text)).unwrap());
        assert_eq!(named(BASE), None);
        let extauth = "extauth = { caller = \"platform\", keys_url = \"https://a.example/keys\" }";
        assert_eq!(named(&format!("{BASE}\n{extauth}")).as_deref(), Some("cards"));
    }
}
