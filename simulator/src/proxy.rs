//! A bad network between two programs that speak frames: everything a network, a firewall or a
//! tired host does to a connection, by chance from a seed.
//!
//! It sits on one listening socket and dials one destination for every connection it accepts. It
//! knows frames with a length of two bytes and nothing of what is in them. Faults happen to whole
//! frames; the seed, the number of the connection, the direction and the number of the frame
//! decide which. Times are not part of that: two runs are alike as far as their traffic is.
//!
//! Everything is bounded: connections by number, each direction by the longest frame. It has one
//! thread, and ends when it is stopped or dropped.

mod faults;
mod pump;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as threads;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

pub use faults::{FaultError, Faults};

use crate::terminals::random::Random;

/// Where a proxy stands and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Dialled once for every connection that is accepted.
    pub to: SocketAddr,
    /// Two proxies with the same seed do the same to the same traffic.
    pub seed: u64,
    /// What happens to frames.
    pub faults: Faults,
}

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    /// Connections that were accepted and found their destination.
    pub connections: u64,
    /// Whole frames that arrived, in both directions.
    pub frames: u64,
    /// Frames that waited.
    pub delayed: u64,
    /// Frames that were written byte by byte.
    pub sliced: u64,
    /// Connections that were cut in the middle of a frame.
    pub dropped: u64,
    /// Frames that were swallowed.
    pub swallowed: u64,
    /// Answers that were written twice.
    pub duplicated: u64,
    /// Answers that let the next one pass.
    pub swapped: u64,
    /// Frames with a bit turned over.
    pub corrupted: u64,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, frames, delayed, sliced, dropped, .. } = self;
        let Self { swallowed, duplicated, swapped, corrupted, .. } = self;
        write!(
            f,
            "{frames} frames on {connections} connections: {delayed} delayed, {sliced} sliced, \
             {dropped} cut, {swallowed} swallowed, {duplicated} duplicated, {swapped} swapped, \
             {corrupted} corrupted"
        )
    }
}

/// The same while it is counted.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    frames: AtomicU64,
    delayed: AtomicU64,
    sliced: AtomicU64,
    dropped: AtomicU64,
    swallowed: AtomicU64,
    duplicated: AtomicU64,
    swapped: AtomicU64,
    corrupted: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A proxy at work. Dropping it ends it and every connection through it.
#[derive(Debug)]
pub struct RunningProxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// Dropping it stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Listens, and works from a thread of its own.
///
/// # Errors
/// When there is no thread, or the address cannot be listened on.
pub fn start(config: ProxyConfig) -> io::Result<RunningProxy> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts = Arc::new(Counts::default());
    let (report, started) = threads::sync_channel(1);
    let (stop, stopped) = oneshot::channel();
    let counting = Arc::clone(&counts);
    let thread = thread::Builder::new().name("proxy".to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind(config.listen).await;
            let address = listener.as_ref().map_err(copied).and_then(TcpListener::local_addr);
            // Whoever starts a proxy waits for this.
            let _ = report.send(address);
            let Ok(listener) = listener else { return };
            tokio::select! {
                () = accept(listener, config, counting) => {}
                _ = stopped => {}
            }
        });
    })?;
    let address = started.recv().unwrap_or_else(|_| Err(io::Error::other("its thread ended")))?;
    Ok(RunningProxy { address, counts, stop: Some(stop), thread: Some(thread) })
}

fn copied(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

impl RunningProxy {
    /// Where it listens; with the port the system chose, if it was asked to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done up to now.
    #[must_use]
    pub fn injected(&self) -> Injected {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.counts;
        Injected {
            connections: read(&counts.connections),
            frames: read(&counts.frames),
            delayed: read(&counts.delayed),
            sliced: read(&counts.sliced),
            dropped: read(&counts.dropped),
            swallowed: read(&counts.swallowed),
            duplicated: read(&counts.duplicated),
            swapped: read(&counts.swapped),
            corrupted: read(&counts.corrupted),
        }
    }

    /// Closes everything, and tells what was done.
    #[must_use]
    pub fn stop(mut self) -> Injected {
        self.end();
        self.injected()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the hook; there is nothing to save.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.end();
    }
}

/// Accepts for ever.
async fn accept(listener: TcpListener, config: ProxyConfig, counts: Arc<Counts>) {
    let mut sessions = JoinSet::new();
    let mut seeds = Random::new(config.seed);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if sessions.len() < CONNECTIONS_MAX => {
                    let seed = seeds.next();
                    sessions.spawn_local(session(stream, seed, config, Arc::clone(&counts)));
                }
                // Closed at once: there are enough.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the proxy cannot accept connections for now");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

/// One connection from beginning to end. The destination that cannot be dialled closes it.
async fn session(near: TcpStream, seed: u64, config: ProxyConfig, counts: Arc<Counts>) {
    let dialled = timeout(DIAL, TcpStream::connect(config.to)).await;
    let Ok(Ok(far)) = dialled else { return };
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    count(&counts.connections);
    let end = {
        let mut seeds = Random::new(seed);
        let (mut asked, mut answered) = (Random::new(seeds.next()), Random::new(seeds.next()));
        let requests = pump::Pump::requests(&config.faults, &mut asked, &counts);
        let answers = pump::Pump::answers(&config.faults, &mut answered, &counts);
        tokio::select! {
            end = requests.run(&near, &far) => end,
            end = answers.run(&far, &near) => end,
        }
    };
    if end == pump::End::Reset {
        // What is closed like this ends with RST: neither side knows what the other has read.
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Connections at a time; each takes two descriptors.
const CONNECTIONS_MAX: usize = 1_024;

/// For one attempt to connect.
const DIAL: Duration = Duration::from_secs(3);

/// How long to wait when the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);
