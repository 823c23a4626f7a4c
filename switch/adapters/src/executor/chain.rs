//! The calls behind one enquiry, and what bounds them together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    ends: Instant,
    trace: String,
    is_open: AtomicBool,
}

impl Chain {
    /// With so many milliseconds from now on.
    pub(crate) fn new(within_ms: u64, trace: &str) -> Self {
        // Nobody waits a day; it keeps the arithmetic of instants from overflowing.
        let within = Duration::from_millis(within_ms.min(86_400_000));
        Self {
            ends: Instant::now() + within,
            trace: trace.to_owned(),
            is_open: AtomicBool::new(false),
        }
    }

    /// What is left of its time.
    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The trace id of the message it belongs to.
    pub(crate) fn trace(&self) -> &str {
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
