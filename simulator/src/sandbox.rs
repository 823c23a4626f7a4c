//! The frame that sandboxes of third parties stand in: their ports, TLS, control and log.
//!
//! A sandbox says what a provider would say; here it is given sockets and a clock. Every sandbox
//! of a process lives on one thread of its own, away from the bank. Under `/__sandbox/` each port
//! answers people and tests: `POST reset` forgets, `GET log` tells what came, and
//! `POST clock?advance_ms=` moves the sandboxes' time forward (never the bank's). A sandbox that is
//! told what to do has more there.

pub mod aspsp;
pub mod biller;
pub mod ca;
mod clock;
mod courier;
pub mod didit;
pub mod download;
pub mod droppay;
pub mod fcm;
mod log;
pub mod mail;
pub mod neonomics;
pub mod notify;
pub mod oidc;
pub(crate) mod query;
mod serve;
pub mod shaype;
mod signing;
pub mod sms;
pub mod stage;
pub mod sumsub;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

pub use clock::Clock;
pub use courier::{PostError, post as post_to};
pub use log::{Entry, Remark, RequestLog};
pub use serve::Peer;

/// A provider that is played. It keeps its state behind locks of its own; nothing it does may
/// block the thread, because every sandbox of the process shares it.
pub trait Sandbox: Send + Sync + 'static {
    /// Everything it answers. Requests carry a [`Peer`]; a response may carry a [`Remark`] for the
    /// log. Of the paths under `/__sandbox/` the frame has `reset`, `log` and `clock`.
    fn router(&self) -> Router;

    /// Forgets everything that came since it was started.
    fn reset(&self);

    /// Does what is due by the clock; called about every 20 ms, on the thread and inside the
    /// runtime of the requests, so that it may spawn what has to wait.
    fn turn(&self, now_ms: u64) {
        let _ = now_ms;
    }

    /// What speaks on its port in place of HTTP; then `router` is not asked and the port has no
    /// `/__sandbox/`.
    fn talks(&self) -> Option<Arc<dyn Talks>> {
        None
    }
}

/// Speaks something else than HTTP.
pub trait Talks: Send + Sync + 'static {
    /// Speaks with a caller until one of both has enough; `is_tls` says whether the port encrypts.
    fn talk(&self, stream: Box<dyn Stream>, is_tls: bool) -> Talking;
}

/// A conversation.
pub type Talking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A sandbox on a port.
pub struct Mount {
    /// For people, and for [`RunningSandboxes::address`]; each only once.
    pub name: String,
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `None` is plain HTTP. See [`ca::Authority::server`].
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The same sandbox may stand on several ports.
    pub sandbox: Arc<dyn Sandbox>,
}

/// Why sandboxes do not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// An address cannot be listened on.
    #[error("sandbox {name} cannot listen on {address}: {source}")]
    Listen {
        /// Of the mount.
        name: String,
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gave no thread or runtime.
    #[error("the system gave no thread for the sandboxes: {0}")]
    Thread(io::Error),
    /// The certificates of the test CA cannot be made, read or kept.
    #[error(transparent)]
    Certificates(#[from] ca::CaError),
    /// The key of a sandbox that signs tokens cannot be made.
    #[error(transparent)]
    Key(#[from] droppay::NoKey),
    /// The same of the one that signs people in.
    #[error(transparent)]
    SigningKey(#[from] oidc::NoSigningKey),
    /// The key of the card platform cannot be made.
    #[error(transparent)]
    PlatformKey(#[from] shaype::NoKey),
    /// The service account of a sandbox cannot be made.
    #[error(transparent)]
    Account(#[from] fcm::NoAccount),
    /// What a sandbox is to believe others by cannot be used.
    #[error(transparent)]
    Trust(#[from] veksel_link::TlsError),
    /// The shipped tables are wrong: a mistake in this repository.
    #[error(transparent)]
    Seeds(#[from] crate::seeds::SeedError),
    /// Their thread ended by a panic: a defect.
    #[error("the sandboxes' thread ended by a panic")]
    Panicked,
}

/// Sandboxes that answer. Dropping this stops them.
#[derive(Debug)]
pub struct RunningSandboxes {
    places: Vec<Place>,
    clock: Clock,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Where a mount stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// Of the mount.
    pub name: String,
    /// With the port that the system chose, if it was asked to.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// What came there.
    pub log: RequestLog,
}

/// Starts sandboxes and returns when all of them accept connections.
///
/// # Errors
/// Why not; then none of them runs.
pub fn start(mounts: Vec<Mount>, clock: Clock) -> Result<RunningSandboxes, SandboxError> {
    let (stop, stopped) = watch::channel(false);
    let (report, started) = threads::sync_channel(1);
    let time = clock.clone();
    let body = move || run(mounts, &time, stopped, &report);
    let thread = thread::Builder::new().name("sandboxes".to_owned()).spawn(body);
    let thread = thread.map_err(SandboxError::Thread)?;
    match started.recv() {
        Ok(Ok(places)) => Ok(RunningSandboxes { places, clock, stop, thread: Some(thread) }),
        Ok(Err(error)) => Err(error),
        Err(threads::RecvError) => Err(SandboxError::Panicked),
    }
}

impl RunningSandboxes {
    /// Every mount, in their order.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// `None` for a name that no mount has.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.place(name).map(|place| place.address)
    }

    /// What came to a mount; `None` for a name that none has.
    #[must_use]
    pub fn log(&self, name: &str) -> Option<&RequestLog> {
        self.place(name).map(|place| &place.log)
    }

    /// The time of all of them.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Closes every connection and port. What was being answered is not answered any more.
    pub fn stop(mut self) {
        self.end();
    }

    fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == name)
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the hook.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningSandboxes {
    fn drop(&mut self) {
        self.end();
    }
}

type Started = threads::SyncSender<Result<Vec<Place>, SandboxError>>;

fn run(mounts: Vec<Mount>, clock: &Clock, mut stopped: watch::Receiver<bool>, report: &Started) {
    // Whoever starts them waits for this report, so sending it cannot fail.
    let tell = |start| {
        let _ = report.send(start);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(Err(SandboxError::Thread(error))),
    };
    runtime.block_on(async {
        let mut sandboxes: Vec<Arc<dyn Sandbox>> = Vec::new();
        let mut places = Vec::new();
        let mut ports = JoinSet::new();
        for mount in mounts {
            let failed = |source| SandboxError::Listen {
                name: mount.name.clone(),
                address: mount.listen,
                source,
            };
            let listener = TcpListener::bind(mount.listen).await;
            let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (address, listener) = match bound.map_err(failed) {
                Ok(bound) => bound,
                Err(error) => return tell(Err(error)),
            };
            let log = RequestLog::default();
            info!(sandbox = mount.name, %address, tls = mount.tls.is_some(), "sandbox listens");
            let place =
                Place { name: mount.name, address, is_tls: mount.tls.is_some(), log: log.clone() };
            places.push(place);
            let speaks = match mount.sandbox.talks() {
                Some(talks) => serve::Speaks::Itself(talks),
                None => {
                    let router = mount.sandbox.router();
                    let router = router.merge(control(&mount.sandbox, &log, clock));
                    serve::Speaks::http(router, log, clock.clone())
                }
            };
            ports.spawn(serve::serve(listener, mount.tls, speaks));
            if !sandboxes.iter().any(|known| Arc::ptr_eq(known, &mount.sandbox)) {
                sandboxes.push(mount.sandbox);
            }
        }
        tell(Ok(places));
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                // Whoever has the other end is gone, or wants the end.
                _ = stopped.changed() => break,
                _ = turns.tick() => {
                    for sandbox in &sandboxes {
                        sandbox.turn(clock.now_ms());
                    }
                }
            }
        }
        ports.shutdown().await;
    });
    // What was spawned and still waits goes with the runtime.
    runtime.shutdown_timeout(Duration::ZERO);
}

fn control(sandbox: &Arc<dyn Sandbox>, log: &RequestLog, clock: &Clock) -> Router {
    let (sandbox, log, clock) = (Arc::clone(sandbox), log.clone(), clock.clone());
    let forget = log.clone();
    let reset = move || async move {
        sandbox.reset();
        forget.clear();
        StatusCode::NO_CONTENT
    };
    let shown = move || async move { log::json(&log) };
    let advance = move |RawQuery(query): RawQuery| async move {
        let wanted = query.as_deref().and_then(|query| query.strip_prefix("advance_ms="));
        let Some(advance) = wanted.and_then(|text| text.parse().ok()) else {
            let what = "advance_ms: a number of milliseconds is missing\n";
            return (StatusCode::BAD_REQUEST, what).into_response();
        };
        clock.advance(advance);
        clock.now_ms().to_string().into_response()
    };
    Router::new()
        .route("/__sandbox/reset", post(reset))
        .route("/__sandbox/log", get(shown))
        .route("/__sandbox/clock", post(advance))
}

/// Between two looks at what is due.
const TURN: Duration = Duration::from_millis(20);
