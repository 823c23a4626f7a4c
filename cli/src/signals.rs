//! What the system tells the process: to stop (Ctrl-C, SIGTERM from systemd, or SIGHUP from a
//! terminal that closes), or, if it can, to read its configuration again (SIGHUP).

use crate::output::Failure;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// What the process is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// To end in order.
    Stop,
    /// To read its configuration again.
    Reload,
}

/// What the system told the process and was not yet looked at.
pub(crate) struct Signals {
    asked: Receiver<Wish>,
}

/// Wishes that may wait; more of them say nothing new.
const WISHES_MAX: usize = 4;

impl Signals {
    /// Listens from now on; the default, which is to die at once, is off.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Self::listen_for(Wish::Stop)
    }

    /// The same for a process that reads its configuration again on SIGHUP.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn listen_and_reload() -> Result<Self, Failure> {
        Self::listen_for(Wish::Reload)
    }

    fn listen_for(hang_up: Wish) -> Result<Self, Failure> {
        let failed = |error| Failure::no("signals", format!("signals cannot be handled: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        // The handler must be there before anything is worth stopping in order.
        let mut signals = {
            let _entered = runtime.enter();
            Source::new().map_err(failed)?
        };
        let (ask, asked) = sync_channel(WISHES_MAX);
        let waiting = move || loop {
            let wish = runtime.block_on(signals.next(hang_up));
            match wish {
                // Nobody listens any more if the process is ending anyway.
                Wish::Stop => {
                    let _ = ask.send(Wish::Stop);
                    return;
                }
                // As many as fit are as good as all of them.
                Wish::Reload => {
                    let _ = ask.try_send(Wish::Reload);
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(waiting).map_err(failed)?;
        Ok(Self { asked })
    }

    /// Waits for the wish to stop, but no longer than `timeout`.
    pub(crate) fn asked_within(&self, timeout: Duration) -> bool {
        self.wish_within(timeout) == Some(Wish::Stop)
    }

    /// Waits for anything the process is told, but no longer than `timeout`.
    pub(crate) fn wish_within(&self, timeout: Duration) -> Option<Wish> {
        match self.asked.recv_timeout(timeout) {
            Ok(wish) => Some(wish),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Wish::Stop),
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate, hang_up: signal(SignalKind::hangup())? })
    }

    async fn next(&mut self, hang_up: Wish) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.hang_up.recv() => hang_up,
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self, _: Wish) -> Wish {
        // Without a handler there is nothing to wait for; stopping is the safe side.
        let _ = tokio::signal::ctrl_c().await;
        Wish::Stop
    }
}
