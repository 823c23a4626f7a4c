//! The time of sandboxes: the wall clock, and what somebody moved it forward by.
//!
//! Delays of minutes and windows of a day are tested by moving it. It never goes back, except as
//! the wall clock does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A clock that all its copies share.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    /// Milliseconds since 1970, as sandboxes see it.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        now.saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Moves it forward; at most by a hundred years altogether, so that dates can be written.
    pub fn advance(&self, ms: u64) {
        let _ = self.ahead_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| {
            Some(ahead.saturating_add(ms).min(AHEAD_MAX_MS))
        });
    }
}

/// A hundred years.
const AHEAD_MAX_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_move_together_and_not_without_end() {
        let clock = Clock::default();
        let before = clock.now_ms();
        let copy = clock.clone();
        copy.advance(86_400_000);
        assert!(clock.now_ms() >= before + 86_400_000);
        clock.advance(u64::MAX);
        assert!(clock.now_ms() < before + 2 * AHEAD_MAX_MS);
    }
}
