//! The breaker of a group: keeps requests away from a host that does not answer.
//!
//! ```text
//!            failures in a row, or too many or too slow in the window
//!   Closed ────────────────────────────────────────────────────────► Open
//!     ▲                                                               │ open time over: echo
//!     │ enough good probes                                            ▼
//!     └───────────────────────────── HalfOpen ◄──────────────── echo answered
//!                                        │ a probe fails, or the echo does
//!                                        └──────────────────────────► Open, twice as long
//! ```
//!
//! Business declines are successes. Reversals and echoes pass it whatever its position, and what
//! never left the switch is not counted. The time is an argument.

use crate::plan::BreakerPlan;
use crate::time::Tick;

/// Buckets of the sliding window.
const BUCKETS: usize = 10;

/// Whether requests pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Position {
    /// Requests pass.
    Closed,
    /// Nothing passes but reversals and echoes.
    Open,
    /// One request at a time passes, as a probe.
    HalfOpen,
}

impl Position {
    /// Every position, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How a call ended, as far as the host's health goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    /// It answered, whatever it answered, after so many nanoseconds.
    Good {
        /// How long it took.
        elapsed: u64,
    },
    /// It did not answer, answered nonsense, or said that it is broken.
    Bad,
}

#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    /// Which stretch of time it counts; older counts are stale.
    stretch: u64,
    calls: u32,
    bad: u32,
    slow: u32,
}

/// The breaker of one group.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    plan: BreakerPlan,
    position: Position,
    bad_in_row: u32,
    good_probes: u32,
    /// Whether the one probe of `HalfOpen` is under way.
    probing: bool,
    /// When an echo may be tried. Only in `Open`.
    until: Tick,
    /// Whether an echo may move it. Only in `Open`.
    echo_asked: bool,
    /// How long it stays open the next time, in milliseconds.
    open_ms: u64,
    buckets: [Bucket; BUCKETS],
}

impl Breaker {
    pub(crate) fn new(plan: BreakerPlan) -> Self {
        Self {
            plan,
            position: Position::Closed,
            bad_in_row: 0,
            good_probes: 0,
            probing: false,
            until: Tick::default(),
            echo_asked: false,
            open_ms: plan.open_ms,
            buckets: [Bucket::default(); BUCKETS],
        }
    }

    /// Goes on by other rules, from the position it has. A window of another length begins anew.
    pub(crate) fn replan(&mut self, plan: BreakerPlan) {
        if plan.window_ms != self.plan.window_ms {
            self.buckets = [Bucket::default(); BUCKETS];
        }
        self.open_ms = self.open_ms.clamp(plan.open_ms.min(plan.open_ms_max), plan.open_ms_max);
        if self.position == Position::Closed {
            self.open_ms = plan.open_ms;
        }
        self.plan = plan;
    }

    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// Asks to send a request; `true` is a permit that [`Breaker::report`] or
    /// [`Breaker::release`] must follow.
    pub(crate) fn admit(&mut self) -> bool {
        match self.position {
            Position::Closed => true,
            Position::Open => false,
            Position::HalfOpen => !core::mem::replace(&mut self.probing, true),
        }
    }

    /// A permit was not used: the request never left.
    pub(crate) const fn release(&mut self) {
        self.probing = false;
    }

    /// A request that left has ended.
    pub(crate) fn report(&mut self, now: Tick, health: Health) {
        let slow_ns = self.plan.slow_ms.saturating_mul(1_000_000);
        let slow = matches!(health, Health::Good { elapsed } if elapsed >= slow_ns);
        let bad = health == Health::Bad;
        match self.position {
            // A straggler from before it opened says nothing new.
            Position::Open => {}
            Position::HalfOpen => {
                self.probing = false;
                if bad {
                    self.open(now);
                } else {
                    self.good_probes += 1;
                    if self.good_probes >= self.plan.probes {
                        self.close();
                    }
                }
            }
            Position::Closed => {
                self.bad_in_row = if bad { self.bad_in_row.saturating_add(1) } else { 0 };
                self.count(now, bad, slow);
                if self.bad_in_row >= self.plan.failures_max || self.is_over_limit(now) {
                    self.open(now);
                }
            }
        }
    }

    /// When [`Breaker::echo_is_due`] turns true; `None` unless it is open.
    pub(crate) fn timeout(&self) -> Option<Tick> {
        (self.position == Position::Open).then_some(self.until)
    }

    /// Whether the open time is over, so that an echo decides.
    pub(crate) fn echo_is_due(&self, now: Tick) -> bool {
        self.position == Position::Open && now >= self.until
    }

    /// Whether the open time was over at least once, so that an answered echo means something.
    pub(crate) const fn echo_was_asked(&self) -> bool {
        self.echo_asked
    }

    /// An echo is on its way, or nobody is there to answer one: ask again later.
    pub(crate) fn postpone(&mut self, now: Tick) {
        self.echo_asked = true;
        self.until = now.after_ms(self.open_ms);
    }

    /// An echo or a sign-on was answered. It moves an open breaker whose time is over, and never
    /// closes one: a host may well answer echoes and nothing else.
    pub(crate) fn echo_answered(&mut self) {
        if self.position == Position::Open {
            self.position = Position::HalfOpen;
            self.good_probes = 0;
            self.probing = false;
        }
    }

    fn open(&mut self, now: Tick) {
        self.position = Position::Open;
        self.echo_asked = false;
        self.until = now.after_ms(self.open_ms);
        self.open_ms = self.open_ms.saturating_mul(2).min(self.plan.open_ms_max);
        self.bad_in_row = 0;
        self.buckets = [Bucket::default(); BUCKETS];
    }

    fn close(&mut self) {
        self.position = Position::Closed;
        self.open_ms = self.plan.open_ms;
        self.bad_in_row = 0;
    }

    fn stretch(&self, now: Tick) -> u64 {
        let stretch_ns = self.plan.window_ms.saturating_mul(1_000_000) / BUCKETS as u64;
        // Numbered from 1, so that a fresh bucket is never current.
        now.0 / stretch_ns.max(1) + 1
    }

    fn count(&mut self, now: Tick, bad: bool, slow: bool) {
        let stretch = self.stretch(now);
        let place = usize::try_from(stretch % BUCKETS as u64).unwrap_or(0);
        let Some(bucket) = self.buckets.get_mut(place) else { return };
        if bucket.stretch != stretch {
            *bucket = Bucket { stretch, ..Bucket::default() };
        }
        bucket.calls = bucket.calls.saturating_add(1);
        bucket.bad = bucket.bad.saturating_add(bad.into());
        bucket.slow = bucket.slow.saturating_add(slow.into());
    }

    fn is_over_limit(&self, now: Tick) -> bool {
        let stretch = self.stretch(now);
        let current = self
            .buckets
            .iter()
            .filter(|bucket| bucket.stretch > 0 && bucket.stretch + BUCKETS as u64 > stretch);
        let (calls, bad, slow) = current.fold((0u64, 0u64, 0u64), |(calls, bad, slow), bucket| {
            (
                calls + u64::from(bucket.calls),
                bad + u64::from(bucket.bad),
                slow + u64::from(bucket.slow),
            )
        });
        let over = |part: u64, percent: u32| part * 100 >= calls * u64::from(percent);
        calls >= u64::from(self.plan.calls_min)
            && (over(bad, self.plan.failure_percent) || over(slow, self.plan.slow_percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Health = Health::Good { elapsed: 1_000_000 };
    const SLOW: Health = Health::Good { elapsed: 6_000_000_000 };

    fn at(ms: u64) -> Tick {
        Tick::default().after_ms(ms)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for _ in 0..5 {
            breaker.report(at(0), Health::Bad);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for health in [Health::Bad, Health::Bad, Health::Bad, Health::Bad, GOOD, Health::Bad] {
            breaker.report(at(0), health);
            assert_eq!(breaker.position(), Position::Closed);
        }
        assert_eq!(opened().position(), Position::Open);
        assert!(!opened().admit());
    }

    #[test]
    fn half_of_twenty_calls_open_it_even_if_never_in_a_row() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for call in 0..19 {
            breaker.report(at(call * 10), if call % 2 == 0 { Health::Bad } else { GOOD });
            assert_eq!(breaker.position(), Position::Closed, "{call}");
        }
        breaker.report(at(200), GOOD);
        assert_eq!(breaker.position(), Position::Open);
    }

    #[test]
    fn failures_older_than_the_window_are_forgotten() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for call in 0..15 {
            breaker.report(at(0), if call % 3 == 0 { GOOD } else { Health::Bad });
        }
        for call in 0..30 {
            breaker.report(at(31_000 + call), GOOD);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn slow_answers_open_it() {
        let mut breaker = Breaker::new(BreakerPlan::default());
        for _ in 0..20 {
            breaker.report(at(0), SLOW);
        }
        assert_eq!(breaker.position(), Position::Open);
    }

    #[test]
    fn it_recovers_by_an_echo_and_three_probes_one_at_a_time() {
        let mut breaker = opened();
        assert!(!breaker.echo_is_due(at(4_999)));
        assert!(breaker.echo_is_due(at(5_000)));
        breaker.echo_answered();
        for _ in 0..3 {
            assert_eq!(breaker.position(), Position::HalfOpen);
            assert!(breaker.admit());
            assert!(!breaker.admit(), "one probe at a time");
            breaker.report(at(5_001), GOOD);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn a_bad_probe_opens_it_for_twice_as_long() {
        let mut breaker = opened();
        breaker.echo_answered();
        assert!(breaker.admit());
        breaker.report(at(5_000), Health::Bad);
        assert_eq!(breaker.position(), Position::Open);
        assert_eq!(breaker.timeout(), Some(at(15_000)));
    }

    #[test]
    fn a_probe_that_never_left_gives_its_permit_back() {
        let mut breaker = opened();
        breaker.echo_answered();
        assert!(breaker.admit());
        breaker.release();
        assert!(breaker.admit());
    }

    #[test]
    fn echoes_alone_never_close_it() {
        let mut breaker = opened();
        for _ in 0..100 {
            breaker.echo_answered();
        }
        assert_eq!(breaker.position(), Position::HalfOpen);
    }
}
