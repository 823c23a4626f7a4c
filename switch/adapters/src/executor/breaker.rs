//! The breaker of one service of one provider: so many failures within a window open it, after a
//! while one call may try, and what comes of it decides. Time is an argument.
//!
//! States: closed (failures are counted) → open (nothing passes) → probing (one call is under way)
//! → closed or open.

use std::collections::VecDeque;

/// When it opens and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Failures within the window that open it; 0 never opens it.
    pub(crate) failures: u32,
    /// The window, in milliseconds.
    pub(crate) window_ms: u64,
    /// How long it stays open before a probe, in milliseconds. A probe of which nothing is heard
    /// for as long counts as failed.
    pub(crate) open_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: VecDeque<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: u64,
    },
    Probing {
        until: u64,
    },
}

/// Leave to make one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// As any other.
    Regular,
    /// What comes of it decides.
    Probe,
}

impl Breaker {
    /// Whether a call may be made at this millisecond. One that may must be followed by
    /// [`Self::note`] or [`Self::forget`].
    pub(crate) fn admit(&mut self, now: u64, limits: Limits) -> Option<Pass> {
        match self.state {
            State::Closed => Some(Pass::Regular),
            State::Open { until } | State::Probing { until } if now < until => None,
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { until: now.saturating_add(limits.open_ms) };
                Some(Pass::Probe)
            }
        }
    }

    /// What came of a call.
    pub(crate) fn note(&mut self, now: u64, limits: Limits, pass: Pass, is_failure: bool) {
        match (self.state, pass, is_failure) {
            (State::Closed, _, true) => {
                let oldest = now.saturating_sub(limits.window_ms);
                while self.failures.front().is_some_and(|at| *at < oldest) {
                    self.failures.pop_front();
                }
                self.failures.push_back(now);
                let most = usize::try_from(limits.failures).unwrap_or(usize::MAX);
                if most > 0 && self.failures.len() >= most {
                    self.failures.clear();
                    self.state = State::Open { until: now.saturating_add(limits.open_ms) };
                }
                if most == 0 {
                    self.failures.clear();
                }
            }
            (State::Probing { .. }, Pass::Probe, true) => {
                self.state = State::Open { until: now.saturating_add(limits.open_ms) };
            }
            (State::Probing { .. }, Pass::Probe, false) => self.state = State::Closed,
            // Successes say nothing of the failures between them, and what was under way when it
            // opened says nothing new.
            (State::Closed, _, false)
            | (State::Open { .. }, _, _)
            | (State::Probing { .. }, Pass::Regular, _) => {}
        }
    }

    /// Whether calls are refused, or one at a time is tried.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// A call of which nothing can be learned: it was given up by us. If it was the probe, the
    /// next may probe.
    pub(crate) fn forget(&mut self, now: u64, pass: Pass) {
        if pass == Pass::Probe && matches!(self.state, State::Probing { .. }) {
            self.state = State::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { failures: 3, window_ms: 60_000, open_ms: 60_000 };

    fn admits(breaker: &mut Breaker, at: u64) -> bool {
        breaker.admit(at, LIMITS).is_some()
    }

    fn broken() -> Breaker {
        let mut breaker = Breaker::default();
        for at in [0, 1_000, 2_000] {
            assert!(admits(&mut breaker, at));
            breaker.note(at, LIMITS, Pass::Regular, true);
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_minute_open_it_for_a_minute() {
        let mut breaker = broken();
        assert!(!admits(&mut breaker, 2_001));
        assert!(!admits(&mut breaker, 61_999));
        assert!(admits(&mut breaker, 62_000));
        assert!(!admits(&mut breaker, 62_000), "one probe and no more");
    }

    #[test]
    fn failures_further_apart_than_the_window_do_not_open_it() {
        let mut breaker = Breaker::default();
        for at in (0..10).map(|step| step * 30_001) {
            assert!(admits(&mut breaker, at));
            breaker.note(at, LIMITS, Pass::Regular, true);
        }
        assert!(admits(&mut breaker, 400_000));
    }

    #[test]
    fn successes_between_failures_do_not_excuse_them() {
        let mut breaker = Breaker::default();
        for at in 0..5 {
            breaker.note(at, LIMITS, Pass::Regular, at % 2 == 0);
        }
        assert!(!admits(&mut breaker, 5));
    }

    #[test]
    fn a_probe_decides() {
        let mut breaker = broken();
        assert!(admits(&mut breaker, 62_000));
        breaker.note(62_100, LIMITS, Pass::Probe, true);
        assert!(!admits(&mut breaker, 122_099));
        assert!(admits(&mut breaker, 122_100));
        breaker.note(122_200, LIMITS, Pass::Probe, false);
        assert!(admits(&mut breaker, 122_201) && admits(&mut breaker, 122_202));
        // And it counts from nothing again.
        breaker.note(122_203, LIMITS, Pass::Regular, true);
        breaker.note(122_204, LIMITS, Pass::Regular, true);
        assert!(admits(&mut breaker, 122_205));
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let mut breaker = broken();
        assert!(admits(&mut breaker, 62_000));
        breaker.forget(62_500, Pass::Probe);
        assert!(admits(&mut breaker, 62_500));
        assert!(!admits(&mut breaker, 62_600));
        // Even if nobody says so.
        assert!(admits(&mut breaker, 122_500));
    }

    #[test]
    fn what_was_under_way_when_it_opened_changes_nothing() {
        let mut breaker = broken();
        breaker.note(3_000, LIMITS, Pass::Regular, false);
        breaker.note(30_000, LIMITS, Pass::Regular, true);
        assert!(!admits(&mut breaker, 61_999));
        assert!(admits(&mut breaker, 62_000));
        // Nor while a probe is under way, which alone decides.
        breaker.note(62_001, LIMITS, Pass::Regular, false);
        assert!(!admits(&mut breaker, 62_002));
    }

    #[test]
    fn a_limit_of_zero_never_opens_and_keeps_nothing() {
        let never = Limits { failures: 0, ..LIMITS };
        let mut breaker = Breaker::default();
        for at in 0..1_000 {
            breaker.note(at, never, Pass::Regular, true);
        }
        assert!(breaker.admit(1_000, never).is_some());
        assert!(breaker.failures.is_empty());
    }
}
