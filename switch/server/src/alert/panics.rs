//! A panic anywhere in the process is an alarm. What it says may hold anything, so only its place
//! and its thread are told.

use super::{Alert, Alerts, Shared};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{Location, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError, TryLockError, Weak};

/// Who is told. Switches that have ended are taken out when another one starts.
static TOLD: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// From now on a panic is a line of level `error` and an alarm of every switch of this process. A
/// second call changes nothing.
pub fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(report)));
}

/// A switch whose alarms tell of panics, as long as it is there.
pub(super) fn tell(alerts: &Alerts) {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|known| known.strong_count() > 0);
    told.push(std::sync::Arc::downgrade(&alerts.0));
}

fn report(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    let current = std::thread::current();
    let thread = current.name().unwrap_or("without a name");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        tracing::error!(place, thread, %trace, "a panic: a defect");
    } else {
        tracing::error!(place, thread, "a panic: a defect");
    }
    let told = match TOLD.try_lock() {
        Ok(told) => told,
        Err(TryLockError::Poisoned(told)) => told.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    for shared in told.iter().filter_map(Weak::upgrade) {
        let message = format!("thread {thread} panicked at {place}");
        // If the line is in other hands, the log has it.
        let _ = Alerts(shared).try_raise(Alert::critical("Unhandled exception", message));
    }
}
