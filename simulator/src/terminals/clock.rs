//! When requests are due, and a thread that says so in time.
//!
//! The timer of the runtime counts whole milliseconds, which would show as latency of the
//! switch. The thread here sleeps to some ten microseconds; it sends nothing itself, and ends
//! when the other end of its channel is gone.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Account;

/// Shortest time between two beats: what is due within it goes out together.
const BEAT_US_MIN: u64 = 250;

/// Longest, so that what nobody answers is given up in time.
const BEAT_US_MAX: u64 = 50_000;

const SECOND_US: u128 = 1_000_000;

/// Number `n`, from 0, is due at `n / rate` seconds after the beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    begun_us: u64,
    rate: u64,
}

impl Clock {
    /// `rate` is in requests per second; 0 counts as 1, but no configuration has it.
    pub(super) fn new(begun_us: u64, rate: u64) -> Self {
        Self { begun_us, rate: rate.max(1) }
    }

    /// How many requests are due by now.
    pub(super) fn due(self, now_us: u64) -> u64 {
        let Some(elapsed) = now_us.checked_sub(self.begun_us) else { return 0 };
        let due = u128::from(elapsed) * u128::from(self.rate) / SECOND_US + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When a request is due: the first microsecond at which [`Clock::due`] counts it.
    pub(super) fn due_us(self, number: u64) -> u64 {
        let after = (u128::from(number) * SECOND_US).div_ceil(u128::from(self.rate));
        self.begun_us.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
    }

    fn wait_us(self, now_us: u64) -> u64 {
        let next_us = self.due_us(self.due(now_us));
        next_us.saturating_sub(now_us).clamp(BEAT_US_MIN, BEAT_US_MAX)
    }
}

/// Waits for the clock, then notifies whenever something is due. What the thread does.
pub(super) fn beat(account: &Account, clock: &Receiver<Clock>, is_due: &Notify) {
    let Ok(begun) = clock.recv() else { return };
    loop {
        let wait = Duration::from_micros(begun.wait_us(account.now_us()));
        match clock.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => is_due.notify_one(),
            Err(RecvTimeoutError::Disconnected) | Ok(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_due_when_the_clock_says_so_and_not_before() {
        for rate in [1, 3, 7, 999, 1_000, 20_000, 1_000_000] {
            let clock = Clock::new(500, rate);
            assert_eq!(clock.due(499), 0);
            for number in [0, 1, 2, 10, 1_000, 123_456] {
                let due_us = clock.due_us(number);
                assert!(clock.due(due_us) > number, "{number} at {rate}");
                assert!(due_us == 500 || clock.due(due_us - 1) <= number, "{number} at {rate}");
            }
        }
    }

    #[test]
    fn a_beat_is_never_hurried_and_never_forgotten() {
        assert_eq!(Clock::new(0, 1_000_000).wait_us(77), BEAT_US_MIN);
        assert_eq!(Clock::new(0, 1).wait_us(77), BEAT_US_MAX);
        assert_eq!(Clock::new(0, 100).wait_us(1), 9_999);
    }
}
