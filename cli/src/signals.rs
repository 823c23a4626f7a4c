//! Being asked to stop: Ctrl-C, SIGTERM from systemd, or SIGHUP from a terminal that closes.

use crate::output::Failure;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Whether somebody asked the process to stop.
pub(crate) struct Signals {
    asked: Receiver<()>,
}

impl Signals {
    /// Listens from now on; the default, which is to die at once, is off.
    ///
    /// # Errors
    /// When the system gives no thread or no signal handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::no("signals", format!("signals cannot be handled: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        // The handler must be there before anything is worth stopping in order.
        let mut signals = {
            let _entered = runtime.enter();
            Source::new().map_err(failed)?
        };
        let (ask, asked) = sync_channel(1);
        let waiting = move || {
            runtime.block_on(signals.next());
            // Nobody listens any more if the process is ending anyway.
            let _ = ask.send(());
        };
        std::thread::Builder::new().name("signals".into()).spawn(waiting).map_err(failed)?;
        Ok(Self { asked })
    }

    /// Waits for the wish to stop, but no longer than `timeout`.
    pub(crate) fn asked_within(&self, timeout: Duration) -> bool {
        !matches!(self.asked.recv_timeout(timeout), Err(RecvTimeoutError::Timeout))
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

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
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

    async fn next(&mut self) {
        // Without a handler there is nothing to wait for; stopping is the safe side.
        let _ = tokio::signal::ctrl_c().await;
    }
}
