//! The bank as a running thing: an issuer and its book behind a listening socket.
//!
//! A bank has one thread, on which everything happens in turns: take what arrived, decide, commit
//! what was decided to the book in one transaction, and only then let the answers leave. So a
//! bank that is killed has said nothing that its book does not know. A commit that fails ends
//! the bank without an answer.
//!
//! A connection must sign on (0800/001) before it may send anything but network management; until
//! then, and after a sign-off, its requests are answered 91 with `SIGN ON FIRST` in DE63 and not
//! looked at. Every request is answered once, on the connection it came on, unless the bank was
//! told to misbehave: [`Faults`] says how often, [`RunningBank::set_faults`] changes it while the
//! bank runs. Whatever it does to messages, its ledger stays whole.

mod desk;
mod faults;
mod host;
mod late;
mod open;
mod summary;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc as threads;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use veksel_config::BankConfig;

pub use desk::Desk;
pub use faults::{FaultCounts, Faults};
pub use summary::Summary;

use crate::book::BookError;
use crate::ledger::{Reply, Request, Unsound};
use crate::seeds::SeedError;

/// Why a bank does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The dialect file cannot be read or is wrong.
    #[error("{0}")]
    Dialect(String),
    /// The seed tables are wrong; everything that is.
    #[error("seed tables: {0}")]
    Seeds(#[from] SeedError),
    /// The seed tables do not make a ledger.
    #[error("seed tables: {0}")]
    Opening(#[from] Unsound),
    /// The book cannot be used, or took no more.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The address cannot be listened on, or the keys for MACs cannot be used; the text says which.
    #[error("{0}")]
    Listen(io::Error),
    /// The system gave no thread or runtime.
    #[error("the system gave no thread: {0}")]
    Thread(io::Error),
    /// Its thread ended by a panic: a defect.
    #[error("the bank's thread ended by a panic")]
    Panicked,
}

impl BankError {
    /// Whether the same start may succeed later. Everything else needs a person.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Book(error) => error.is_retryable(),
            // Keys that cannot be used stay so.
            Self::Listen(error) => error.kind() != io::ErrorKind::Other,
            Self::Thread(_) => true,
            Self::Dialect(_) | Self::Seeds(_) | Self::Opening(_) | Self::Panicked => false,
        }
    }
}

/// A bank that answers. Dropping it stops it.
#[derive(Debug)]
pub struct RunningBank {
    address: SocketAddr,
    /// Closing it stops the bank.
    asks: Option<mpsc::Sender<Ask>>,
    ended: threads::Receiver<Result<Summary, BankError>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What is wanted of the bank's thread.
enum Ask {
    /// Its figures.
    Summary(threads::SyncSender<Summary>),
    /// Other faults from now on.
    Faults(Faults, threads::SyncSender<()>),
    /// A look at what the bank knows; whoever wants the answer has a way for it in there.
    Look(desk::Look),
    /// Money that a channel other than its sockets wants moved; answered after the commit.
    Execute(Box<Request>, oneshot::Sender<Reply>),
}

/// Starts a bank: opens its book, or makes a new one from the seed tables, and listens. Returns
/// when connections are accepted.
///
/// # Errors
///
/// Why there is no bank. A book that was made stays.
pub fn start(config: BankConfig) -> Result<RunningBank, BankError> {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (report_start, started) = threads::sync_channel(1);
    let (report_end, ended) = threads::sync_channel(1);
    let body = move || {
        if let Some(end) = host::run(&config, asked, &report_start) {
            // The owner may be gone; then nobody wants to know.
            let _ = report_end.send(end);
        }
    };
    let thread = thread::Builder::new().name("bank".to_owned()).spawn(body);
    let thread = thread.map_err(BankError::Thread)?;
    match started.recv() {
        Ok(Ok(address)) => {
            Ok(RunningBank { address, asks: Some(asks), ended, thread: Some(thread) })
        }
        Ok(Err(error)) => Err(error),
        Err(threads::RecvError) => Err(BankError::Panicked),
    }
}

impl RunningBank {
    /// Where it listens; with the port the system chose, if it was asked to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The figures as of now, and the proof that no money was made or lost. The bank answers
    /// nobody else while it computes them. `None` when it has ended.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        self.ask(Ask::Summary)
    }

    /// Lets the bank misbehave in another way, or not at all with [`Faults::NONE`], and returns
    /// when it does. Answers that were held back before still leave when they are due. `None` when
    /// the bank has ended.
    #[must_use]
    pub fn set_faults(&self, faults: Faults) -> Option<()> {
        self.ask(|answer| Ask::Faults(faults, answer))
    }

    /// Another way to the same money, for whoever serves other channels of this bank. It does not
    /// keep the bank from stopping. `None` when the bank has ended.
    #[must_use]
    pub fn desk(&self) -> Option<Desk> {
        self.asks.as_ref().map(|asks| Desk::new(asks.downgrade()))
    }

    fn ask<T>(&self, ask: impl FnOnce(threads::SyncSender<T>) -> Ask) -> Option<T> {
        let asks = self.asks.as_ref()?;
        let (answer, answered) = threads::sync_channel(1);
        let mut ask = ask(answer);
        loop {
            match asks.try_send(ask) {
                Ok(()) => return answered.recv().ok(),
                Err(mpsc::error::TrySendError::Full(again)) => {
                    ask = again;
                    thread::sleep(RETRY);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return None,
            }
        }
    }

    /// Waits for it to end by itself, which it only does when it fails; `None` while it runs.
    /// How it ended is told once.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Result<Summary, BankError>> {
        match self.ended.recv_timeout(timeout) {
            Ok(end) => Some(end),
            Err(threads::RecvTimeoutError::Timeout) => None,
            Err(threads::RecvTimeoutError::Disconnected) => Some(Err(BankError::Panicked)),
        }
    }

    /// Closes every connection and the book. Answers that are still held back are not given.
    ///
    /// # Errors
    ///
    /// It had ended by itself, and why.
    pub fn stop(mut self) -> Result<Summary, BankError> {
        drop(self.asks.take());
        let end = self.ended.recv().unwrap_or(Err(BankError::Panicked));
        self.join();
        end
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the hook and shows as `BankError::Panicked`.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningBank {
    fn drop(&mut self) {
        drop(self.asks.take());
        self.join();
    }
}

/// Askers that may wait.
const ASKS_MAX: usize = 16;

/// How long an asker who finds them all waiting steps back.
const RETRY: Duration = Duration::from_millis(1);
