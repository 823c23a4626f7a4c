//! Admission: what is asked of the switch beyond what it can carry is shed, not queued for ever.
//!
//! [`Bucket`] holds a participant to its rate, and [`Waiting`] lets requests wait a little for
//! room at their host. Both have a bound; what does not fit is answered 91 with nothing done for
//! it. Reversals and advices never come here.

use crate::engine::Seeking;
use crate::plan::ParticipantPlan;
use crate::route::Route;
use crate::time::Tick;
use std::collections::VecDeque;

const SECOND_NS: u64 = 1_000_000_000;

/// A token bucket in whole nanoseconds: it remembers when the next request would be due if all
/// came evenly, and how far ahead of that they may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Nanoseconds a request; 0 is no limit.
    spacing: u64,
    /// Nanoseconds that a burst may run ahead.
    slack: u64,
    /// When the next is due.
    next: u64,
}

impl Bucket {
    pub(crate) fn new(plan: &ParticipantPlan) -> Self {
        let spacing = SECOND_NS.checked_div(plan.rate.into()).map_or(0, |spacing| spacing.max(1));
        let burst = if plan.burst == 0 { plan.rate } else { plan.burst };
        let slack = spacing.saturating_mul(u64::from(burst).saturating_sub(1));
        Self { spacing, slack, next: 0 }
    }

    /// Goes on with another rate. As many tokens are taken ahead as before, if so many may be.
    pub(crate) fn replan(&mut self, now: Tick, plan: &ParticipantPlan) {
        let ahead = self.next.saturating_sub(now.0).checked_div(self.spacing).unwrap_or(0);
        let other = Self::new(plan);
        let ahead = ahead.saturating_mul(other.spacing).min(other.slack);
        *self = Self { next: now.0.saturating_add(ahead), ..other };
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Tick) -> bool {
        let start = self.next.max(now.0);
        if self.spacing > 0 && start - now.0 > self.slack {
            return false;
        }
        self.next = start.saturating_add(self.spacing);
        true
    }
}

/// A request that waits for room at its host. Nothing is recorded of it.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// When it is shed.
    pub(crate) end: Tick,
    /// Names its numbers; 0 for an inquiry, of which copies do no harm.
    pub(crate) trace: u64,
    pub(crate) route: Route,
    pub(crate) seeking: Seeking,
}

/// The requests that wait for one group: payments before inquiries, each in the order in which
/// they give up.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    payments: VecDeque<Waiter>,
    inquiries: VecDeque<Waiter>,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.payments.len() + self.inquiries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.payments.is_empty() && self.inquiries.is_empty()
    }

    /// The places of the routes by which they came.
    pub(crate) fn routes_mut(&mut self) -> impl Iterator<Item = &mut usize> {
        let all = self.payments.iter_mut().chain(&mut self.inquiries);
        all.map(|waiter| &mut waiter.route.index)
    }

    /// Whether a request with these numbers waits.
    pub(crate) fn contains(&self, trace: u64) -> bool {
        self.payments.iter().any(|waiter| waiter.trace == trace)
    }

    /// Takes one in. If that is one too many, gives back who is to be shed: of the inquiries, if
    /// there are any, the one that gives up first, else of the payments.
    pub(crate) fn push(&mut self, waiter: Waiter, most: usize) -> Option<Waiter> {
        let is_payment = waiter.seeking.kind.moves_money();
        let line = if is_payment { &mut self.payments } else { &mut self.inquiries };
        let mut place = line.len();
        while place > 0 && line.get(place - 1).is_some_and(|other| other.end > waiter.end) {
            place -= 1;
        }
        line.insert(place, waiter);
        if self.len() > most { self.shed() } else { None }
    }

    /// The next to be served.
    pub(crate) fn pop(&mut self) -> Option<Waiter> {
        self.payments.pop_front().or_else(|| self.inquiries.pop_front())
    }

    /// Who would be shed next, inquiries before payments: which of the two, and when it gives up.
    pub(crate) fn next_shed(&self) -> Option<(bool, Tick)> {
        let inquiry = self.inquiries.front().map(|waiter| (false, waiter.end));
        inquiry.or_else(|| Some((true, self.payments.front()?.end)))
    }

    /// The next to be shed.
    pub(crate) fn shed(&mut self) -> Option<Waiter> {
        self.inquiries.pop_front().or_else(|| self.payments.pop_front())
    }

    /// Who has waited long enough.
    pub(crate) fn expire(&mut self, now: Tick) -> Option<Waiter> {
        let is_over = |waiter: &mut Waiter| waiter.end <= now;
        let inquiry = self.inquiries.pop_front_if(is_over);
        inquiry.or_else(|| self.payments.pop_front_if(is_over))
    }

    /// When the next gives up.
    pub(crate) fn timeout(&self) -> Option<Tick> {
        let ends = [self.payments.front(), self.inquiries.front()];
        ends.into_iter().flatten().map(|waiter| waiter.end).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate: u32, burst: u32) -> Bucket {
        let plan = ParticipantPlan { rate, burst, ..ParticipantPlan::named("a") };
        Bucket::new(&plan)
    }

    fn taken(bucket: &mut Bucket, from_ms: u64, ms: u64, per_ms: u64) -> usize {
        let asked = (0..ms * per_ms).map(|n| Tick::default().after_ms(from_ms + n / per_ms));
        asked.filter(|now| bucket.take(*now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let mut bucket = bucket(100, 5);
        assert_eq!(taken(&mut bucket, 0, 1, 50), 5);
        // Ten times the rate for ten seconds: what the rate allows, and nothing of the burst.
        assert_eq!(taken(&mut bucket, 1, 10_000, 1), 1_000);
        // After a rest the burst is there again, and no more than the burst.
        assert_eq!(taken(&mut bucket, 60_000, 1, 50), 5);
    }

    #[test]
    fn a_bucket_without_a_burst_of_its_own_has_a_second_of_its_rate() {
        assert_eq!(taken(&mut bucket(7, 0), 5_000, 1, 100), 7);
    }

    #[test]
    fn a_bucket_without_a_rate_has_no_bottom() {
        assert_eq!(taken(&mut bucket(0, 1), 0, 1, 100_000), 100_000);
    }

    #[test]
    fn no_rate_overflows() {
        for (rate, burst) in [(1, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
            let mut bucket = bucket(rate, burst);
            assert!(bucket.take(Tick(0)) && bucket.take(Tick(u64::MAX)), "{rate} {burst}");
            bucket.take(Tick(u64::MAX));
        }
    }
}
