//! Network management (0800) and the business date, which a cut-over moves.
//!
//! Whether a connection is signed on is the host's to remember; here a sign-on is only granted.

use std::collections::VecDeque;

use veksel_codecs::{Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::Issuer;
use super::draft::{Decline, Draft};

impl Issuer {
    pub(super) fn manage(&mut self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        match message.get(field::NETWORK_CODE) {
            Some(SIGN_ON | SIGN_OFF | ECHO) => {}
            Some(CUT_OVER) => self.calendar.cut_over(now),
            // Key change, and whatever else there is.
            Some(_) | None => return Err(ResponseCode::NOT_SUPPORTED.into()),
        }
        Ok(Draft::approved(now))
    }
}

/// Which business date a moment belongs to: its day in UTC, or the next one from the day's
/// cut-over on. A second cut-over on the same day, from another connection, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Calendar {
    /// Oldest first; as many as replays can reach back to, and some.
    cut_overs: VecDeque<Utc>,
}

impl Calendar {
    fn cut_over(&mut self, now: Utc) {
        if self.cut_overs.back().is_some_and(|last| day(*last) == day(now)) {
            return;
        }
        if self.cut_overs.len() >= CUT_OVERS_MAX {
            self.cut_overs.pop_front();
        }
        self.cut_overs.push_back(now);
    }

    /// `MMDD`, as DE15 carries it.
    pub(super) fn settlement_date(&self, at: Utc) -> [u8; 4] {
        let is_over = |cut_over: &Utc| day(*cut_over) == day(at) && *cut_over <= at;
        let next = u64::from(self.cut_overs.iter().any(is_over));
        let date = Utc(day(at).saturating_add(next).saturating_mul(DAY_MS));
        let [a, b, c, d, ..] = date.transmission();
        [a, b, c, d]
    }
}

const fn day(at: Utc) -> u64 {
    at.0 / DAY_MS
}

pub(crate) const SIGN_ON: u64 = 1;
pub(crate) const SIGN_OFF: u64 = 2;
const CUT_OVER: u64 = 201;
const ECHO: u64 = 301;

const CUT_OVERS_MAX: usize = 8;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_over_moves_the_date_once_a_day_and_not_the_past() {
        let mut calendar = Calendar::default();
        // 2026-12-31T20:00Z.
        let eve = Utc(1_798_747_200_000);
        let hour = |hours: u64| Utc(eve.0 + hours * 3_600_000);
        assert_eq!(&calendar.settlement_date(eve), b"1231");
        calendar.cut_over(hour(1));
        calendar.cut_over(hour(2));
        assert_eq!(&calendar.settlement_date(eve), b"1231");
        assert_eq!(&calendar.settlement_date(hour(1)), b"0101");
        assert_eq!(&calendar.settlement_date(hour(5)), b"0101");
        calendar.cut_over(hour(24));
        assert_eq!(&calendar.settlement_date(hour(24)), b"0102");
        assert_eq!(&calendar.settlement_date(hour(2)), b"0101");
    }
}
