//! The breaker of a group or of one of its links: keeps requests away from a host that does not
//! answer.
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
//! never left the switch is not counted. A person may put it into a position of his own for a
//! time; what it has learned by itself stays below. The time is an argument.

use crate::plan::BreakerPlan;
use crate::time::Tick;

/// Buckets of the sliding window.
const BUCKETS: usize = 10;

/// How long a probe is kept for an inquiry before a payment may be one, in milliseconds.
const PREFER_MS: u64 = 500;

/// Whether requests pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Position {
    /// Requests pass.
    Closed,
    /// Nothing passes but reversals and echoes.
    Open,
    /// One request at a time passes, as a probe.
    HalfOpen,
    /// A person wants it open, whatever it knows.
    ForcedOpen,
    /// A person wants it closed, whatever it knows.
    ForcedClosed,
    /// A person has taken it out of use: not even reversals pass, what is in flight may end.
    Disabled,
}

impl Position {
    /// Every position, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::ForcedClosed,
        Self::Disabled,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
        }
    }
}

/// Leave to send one request. It is of no use to a breaker that has moved since.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Permit(u32);

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

/// One breaker.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    plan: BreakerPlan,
    position: Position,
    /// Counts its moves, so that what was sent before the last one says nothing of now.
    epoch: u32,
    /// What a person wants, and until when.
    forced: Option<(Position, Tick)>,
    bad_in_row: u32,
    good_probes: u32,
    /// Whether the one probe of `HalfOpen` is under way.
    probing: bool,
    /// From when a payment may be the next probe. Only in `HalfOpen`.
    prefer_until: Tick,
    /// When an echo may be tried. Only in `Open`.
    until: Tick,
    /// Whether an echo may move it. Only in `Open`.
    echo_asked: bool,
    /// How long it stays open the next time, in milliseconds.
    open_ms: u64,
    /// Spreads the open time, so that many breakers do not try their hosts together.
    seed: u64,
    buckets: [Bucket; BUCKETS],
}

impl Breaker {
    pub(crate) fn new(plan: BreakerPlan, seed: u64) -> Self {
        Self {
            plan,
            position: Position::Closed,
            epoch: 0,
            forced: None,
            bad_in_row: 0,
            good_probes: 0,
            probing: false,
            prefer_until: Tick::default(),
            until: Tick::default(),
            echo_asked: false,
            open_ms: plan.open_ms,
            seed,
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

    /// What a person wants, else what it has learned.
    pub(crate) fn position(&self) -> Position {
        self.forced.map_or(self.position, |(forced, _)| forced)
    }

    /// A person decides, or takes a decision back with `None`.
    pub(crate) const fn force(&mut self, forced: Option<(Position, Tick)>) {
        self.forced = forced;
    }

    /// What a person wanted is over when its time is.
    pub(crate) fn expire(&mut self, now: Tick) {
        self.forced.take_if(|(_, until)| *until <= now);
    }

    /// Asks to send a request; a permit goes back by [`Breaker::report`] or [`Breaker::release`].
    /// The probes of a host that comes back are inquiries, if there are any.
    pub(crate) fn admit(&mut self, now: Tick, is_inquiry: bool) -> Option<Permit> {
        let passes = match self.position() {
            Position::Closed | Position::ForcedClosed => true,
            Position::Open | Position::ForcedOpen | Position::Disabled => false,
            Position::HalfOpen => {
                let fits = !self.probing && (is_inquiry || now >= self.prefer_until);
                self.probing |= fits;
                fits
            }
        };
        passes.then_some(Permit(self.epoch))
    }

    /// A permit was not used: the request never left.
    pub(crate) fn release(&mut self, permit: Permit) {
        if permit.0 == self.epoch {
            self.probing = false;
        }
    }

    /// A request that left has ended. `may_open` is false for a link whose group would be left
    /// with too few.
    pub(crate) fn report(&mut self, now: Tick, permit: Permit, health: Health, may_open: bool) {
        let slow_ns = self.plan.slow_ms.saturating_mul(1_000_000);
        let slow = matches!(health, Health::Good { elapsed } if elapsed >= slow_ns);
        let bad = health == Health::Bad;
        if permit.0 != self.epoch || self.forced.is_some() {
            // A straggler from before it moved says nothing new; and what a person wants is not
            // judged, but a probe is over.
            self.release(permit);
            return;
        }
        match self.position {
            Position::HalfOpen => {
                self.probing = false;
                self.prefer_until = now.after_ms(PREFER_MS);
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
                let is_over = self.bad_in_row >= self.plan.failures_max || self.is_over_limit(now);
                if is_over && may_open {
                    self.open(now);
                }
            }
            // The others are no positions it takes by itself, and none that gives permits.
            Position::Open | Position::ForcedOpen | Position::ForcedClosed | Position::Disabled => {
            }
        }
    }

    /// When it wants to be looked at: its open time is over, or what a person wanted is.
    pub(crate) fn timeout(&self) -> Option<Tick> {
        let open = (self.position == Position::Open).then_some(self.until);
        [open, self.forced.map(|(_, until)| until)].into_iter().flatten().min()
    }

    /// Whether the open time is over, so that an echo decides.
    pub(crate) fn echo_is_due(&self, now: Tick) -> bool {
        self.position == Position::Open && now >= self.until
    }

    /// An echo is on its way, or nobody is there to answer one: ask again later.
    pub(crate) fn postpone(&mut self, now: Tick) {
        self.echo_asked = true;
        self.until = now.after_ms(self.open_ms);
    }

    /// An echo or a sign-on was answered. It moves an open breaker whose time is over, and never
    /// closes one: a host may well answer echoes and nothing else.
    pub(crate) fn echo_answered(&mut self, now: Tick) {
        if self.position == Position::Open && self.echo_asked {
            self.become_position(Position::HalfOpen);
            self.good_probes = 0;
            self.prefer_until = now.after_ms(PREFER_MS);
        }
    }

    const fn become_position(&mut self, position: Position) {
        self.position = position;
        self.epoch = self.epoch.wrapping_add(1);
        self.probing = false;
        self.echo_asked = false;
        self.bad_in_row = 0;
    }

    fn open(&mut self, now: Tick) {
        self.become_position(Position::Open);
        self.until = now.after_ms(self.open_ms + self.spread());
        self.open_ms = self.open_ms.saturating_mul(2).min(self.plan.open_ms_max);
        self.buckets = [Bucket::default(); BUCKETS];
    }

    /// Up to a tenth of the open time, different for every breaker and every time.
    fn spread(&self) -> u64 {
        let mixed = (self.seed ^ u64::from(self.epoch)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        mixed % (self.open_ms / 10 + 1)
    }

    fn close(&mut self) {
        self.become_position(Position::Closed);
        self.open_ms = self.plan.open_ms;
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

    const LATEST: u64 = 5_500;

    fn new() -> Breaker {
        Breaker::new(BreakerPlan::default(), 7)
    }

    /// What becomes of requests that were let through before anything went wrong.
    fn report(breaker: &mut Breaker, now: Tick, health: Health) {
        let permit = Permit(breaker.epoch);
        breaker.report(now, permit, health, true);
    }

    fn opened() -> Breaker {
        let mut breaker = new();
        for _ in 0..5 {
            report(&mut breaker, at(0), Health::Bad);
        }
        breaker
    }

    fn half_open() -> Breaker {
        let mut breaker = opened();
        breaker.postpone(at(LATEST));
        breaker.echo_answered(at(LATEST));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let mut breaker = new();
        for health in [Health::Bad, Health::Bad, Health::Bad, Health::Bad, GOOD, Health::Bad] {
            report(&mut breaker, at(0), health);
            assert_eq!(breaker.position(), Position::Closed);
        }
        assert_eq!(opened().position(), Position::Open);
        assert_eq!(opened().admit(at(0), true), None);
    }

    #[test]
    fn half_of_twenty_calls_open_it_even_if_never_in_a_row() {
        let mut breaker = new();
        for call in 0..19 {
            report(&mut breaker, at(call * 10), if call % 2 == 0 { Health::Bad } else { GOOD });
            assert_eq!(breaker.position(), Position::Closed, "{call}");
        }
        report(&mut breaker, at(200), GOOD);
        assert_eq!(breaker.position(), Position::Open);
    }

    #[test]
    fn failures_older_than_the_window_are_forgotten() {
        let mut breaker = new();
        for call in 0..15 {
            report(&mut breaker, at(0), if call % 3 == 0 { GOOD } else { Health::Bad });
        }
        for call in 0..30 {
            report(&mut breaker, at(31_000 + call), GOOD);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn slow_answers_open_it() {
        let mut breaker = new();
        for _ in 0..20 {
            report(&mut breaker, at(0), SLOW);
        }
        assert_eq!(breaker.position(), Position::Open);
    }

    #[test]
    fn it_recovers_by_an_echo_and_three_probes_one_at_a_time() {
        let mut breaker = opened();
        assert!(!breaker.echo_is_due(at(4_999)));
        assert!(breaker.echo_is_due(at(LATEST)));
        breaker.echo_answered(at(LATEST));
        assert_eq!(breaker.position(), Position::Open, "nobody asked for an echo yet");
        let mut breaker = half_open();
        for _ in 0..3 {
            assert_eq!(breaker.position(), Position::HalfOpen);
            let permit = breaker.admit(at(LATEST), true).unwrap();
            assert_eq!(breaker.admit(at(LATEST), true), None, "one probe at a time");
            breaker.report(at(LATEST), permit, GOOD, true);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn a_payment_is_a_probe_only_if_no_inquiry_came_for_half_a_second() {
        let mut breaker = half_open();
        assert_eq!(breaker.admit(at(LATEST + 499), false), None);
        let permit = breaker.admit(at(LATEST + 500), false).unwrap();
        breaker.report(at(LATEST + 600), permit, GOOD, true);
        assert_eq!(breaker.admit(at(LATEST + 1_099), false), None, "and again");
        assert!(breaker.admit(at(LATEST + 1_099), true).is_some());
    }

    #[test]
    fn a_bad_probe_opens_it_for_twice_as_long_and_a_little_more() {
        let mut breaker = half_open();
        let permit = breaker.admit(at(6_000), true).unwrap();
        breaker.report(at(6_000), permit, Health::Bad, true);
        assert_eq!(breaker.position(), Position::Open);
        let until = breaker.timeout().unwrap();
        assert!((at(16_000)..=at(17_000)).contains(&until), "{until:?}");
    }

    #[test]
    fn the_open_times_of_many_breakers_differ() {
        let until = |seed| {
            let mut breaker = Breaker::new(BreakerPlan::default(), seed);
            (0..5).for_each(|_| report(&mut breaker, at(0), Health::Bad));
            breaker.timeout().unwrap()
        };
        let mut times: Vec<_> = (0..64).map(until).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 32 && times.iter().all(|t| (at(5_000)..=at(5_500)).contains(t)));
    }

    #[test]
    fn a_probe_that_never_left_gives_its_permit_back() {
        let mut breaker = half_open();
        let permit = breaker.admit(at(LATEST), true).unwrap();
        breaker.release(permit);
        assert!(breaker.admit(at(LATEST), true).is_some());
    }

    #[test]
    fn stragglers_neither_probe_nor_free_the_probe() {
        let mut breaker = new();
        let old = breaker.admit(at(0), true).unwrap();
        (0..5).for_each(|_| report(&mut breaker, at(0), Health::Bad));
        breaker.postpone(at(LATEST));
        breaker.echo_answered(at(LATEST));
        assert!(breaker.admit(at(LATEST), true).is_some());
        for health in [GOOD, GOOD, GOOD, Health::Bad] {
            breaker.report(at(LATEST), old, health, true);
            assert_eq!(breaker.position(), Position::HalfOpen);
        }
        breaker.release(old);
        assert_eq!(breaker.admit(at(LATEST), true), None, "the probe is still out");
    }

    #[test]
    fn echoes_alone_never_close_it() {
        let mut breaker = half_open();
        for _ in 0..100 {
            breaker.echo_answered(at(LATEST));
        }
        assert_eq!(breaker.position(), Position::HalfOpen);
    }

    #[test]
    fn a_person_is_obeyed_until_the_time_is_over_and_what_was_learned_stays() {
        let mut breaker = opened();
        for (forced, passes) in [
            (Position::ForcedClosed, true),
            (Position::ForcedOpen, false),
            (Position::Disabled, false),
        ] {
            breaker.force(Some((forced, at(60_000))));
            assert_eq!(breaker.position(), forced);
            assert_eq!(breaker.admit(at(1), true).is_some(), passes);
        }
        breaker.expire(at(59_999));
        assert_eq!(breaker.position(), Position::Disabled);
        breaker.expire(at(60_000));
        assert_eq!(breaker.position(), Position::Open);
        let mut breaker = new();
        breaker.force(Some((Position::ForcedClosed, at(60_000))));
        for _ in 0..100 {
            let permit = breaker.admit(at(0), true).unwrap();
            breaker.report(at(0), permit, Health::Bad, true);
        }
        breaker.force(None);
        assert_eq!(breaker.position(), Position::Closed, "what was forced is not judged");
    }

    #[test]
    fn one_that_may_not_open_stays_closed() {
        let mut breaker = new();
        for _ in 0..100 {
            let permit = breaker.admit(at(0), true).unwrap();
            breaker.report(at(0), permit, Health::Bad, false);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }
}
