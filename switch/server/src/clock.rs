//! The clocks of a shard: where ticks and the time of day come from.

use std::time::{Duration, Instant, SystemTime};
use veksel_core::{Now, Tick, Utc};

/// Both clocks. Ticks count from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        let tick = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let utc = u64::try_from(utc.as_millis()).unwrap_or(u64::MAX);
        Now { tick: Tick(tick), utc: Utc(utc) }
    }

    /// The tick as a time to sleep until.
    pub(crate) fn instant(self, tick: Tick) -> tokio::time::Instant {
        // A tick beyond what the clock can say is as good as never.
        let later = self.origin.checked_add(Duration::from_nanos(tick.0));
        later.unwrap_or(self.origin + Duration::from_secs(86_400 * 365)).into()
    }
}
