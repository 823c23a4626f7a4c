//! The business date, which a cut-over moves.

use std::collections::VecDeque;

/// Which business day a moment belongs to: its day in UTC, or the next one from the day's
/// cut-over on. A second cut-over on the same day, from another connection, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calendar {
    /// In milliseconds, oldest first; as many as replays can reach back to, and some.
    cut_overs: VecDeque<u64>,
}

impl Calendar {
    /// With every cut-over there was, oldest first, however many.
    pub(crate) fn of_all(cut_overs: Vec<u64>) -> Self {
        Self { cut_overs: cut_overs.into() }
    }

    /// Whether a cut-over at this moment would change anything.
    pub(super) fn would_move(&self, utc_ms: u64) -> bool {
        self.cut_overs.back().is_none_or(|last| day(*last) != day(utc_ms))
    }

    pub(super) fn cut_over(&mut self, utc_ms: u64) {
        if !self.would_move(utc_ms) {
            return;
        }
        if self.cut_overs.len() >= CUT_OVERS_MAX {
            self.cut_overs.pop_front();
        }
        self.cut_overs.push_back(utc_ms);
    }

    /// Counted from 1 January 1970.
    pub(crate) fn business_day(&self, utc_ms: u64) -> u64 {
        let is_over = |cut_over: &u64| day(*cut_over) == day(utc_ms) && *cut_over <= utc_ms;
        day(utc_ms).saturating_add(u64::from(self.cut_overs.iter().any(is_over)))
    }
}

const fn day(utc_ms: u64) -> u64 {
    utc_ms / DAY_MS
}

const CUT_OVERS_MAX: usize = 10;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_over_moves_the_date_once_a_day_and_not_the_past() {
        let mut calendar = Calendar::default();
        let hour = |hours: u64| 20_000 * DAY_MS + (20 + hours) * 3_600_000;
        assert_eq!(calendar.business_day(hour(0)), 20_000);
        calendar.cut_over(hour(1));
        calendar.cut_over(hour(2));
        assert_eq!(calendar.business_day(hour(0)), 20_000);
        assert_eq!(calendar.business_day(hour(1)), 20_001);
        assert_eq!(calendar.business_day(hour(5)), 20_001);
        calendar.cut_over(hour(24));
        assert_eq!(calendar.business_day(hour(24)), 20_002);
        assert_eq!(calendar.business_day(hour(2)), 20_001);
    }

    #[test]
    fn only_the_newest_cut_overs_are_kept() {
        let mut calendar = Calendar::default();
        (0..1_000).for_each(|day| calendar.cut_over(day * DAY_MS));
        assert_eq!(calendar.cut_overs.len(), CUT_OVERS_MAX);
        assert_eq!(calendar.business_day(999 * DAY_MS), 1_000);
    }
}
