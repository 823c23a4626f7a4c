//! The calls behind one enquiry, and what bounds them together.

use super::trace::{Trace, Traces};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    ends: Instant,
    name: String,
    trace: Trace,
    is_open: AtomicBool,
}

impl Chain {
    /// For what no message is behind, with so many milliseconds from now on.
    pub(crate) fn new(within_ms: u64, name: &str) -> Self {
        Self::traced(within_ms, name, Traces::new(0).of(name))
    }

    /// For a message, with so many milliseconds from now on.
    pub(crate) fn traced(within_ms: u64, name: &str, trace: Trace) -> Self {
        // Nobody waits a day; it keeps the arithmetic of instants from overflowing.
        let within = Duration::from_millis(within_ms.min(86_400_000));
        Self {
            ends: Instant::now() + within,
            name: name.to_owned(),
            trace,
            is_open: AtomicBool::new(false),
        }
    }

    /// What is left of its time.
    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// What the message it belongs to is found by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The trace of that.
    pub(crate) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A byte of a request that can move money may have left.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// Whether one may have. For who gives the whole chain up; what a single call failed with says
    /// it itself.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}
