//! When a payment at a bank is asked about (http-contracts 4.3).
//!
//! Counted from when the payment was received, by the calendar clock, so that a restart goes on
//! where the schedule stood.

/// First, and then every [`EVERY_MS`] until the customer's time is over.
const FIRST_MS: [u64; 5] = [2_000, 4_000, 8_000, 15_000, 30_000];

const EVERY_MS: u64 = 30_000;

/// After that, for what is completed late.
const SWEEPS_MS: [u64; 4] = [15 * 60_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000];

/// When a payment is looked for of which nobody knows whether its bank has it. A bank may show the
/// transactions of an account four times a day to who asks without its customer.
const SEARCHES_MS: [u64; 4] = [15_000, 300_000, 3_600_000, 24 * 3_600_000];

/// Longest wait before something is tried again that failed, in milliseconds.
const RETRY_MS_MAX: u64 = 3_600_000;

/// When to ask next about a payment that waits for its customer: milliseconds after it was
/// received, more than `elapsed` and at most `approval`.
pub(crate) fn next_poll(elapsed: u64, approval: u64) -> u64 {
    let first = FIRST_MS.iter().copied().find(|at| *at > elapsed);
    let next = first.unwrap_or_else(|| (elapsed / EVERY_MS + 1) * EVERY_MS);
    next.min(approval.max(elapsed.saturating_add(1)))
}

/// When to look for a late completion next; `None` when enough was looked. Sweeps come after the
/// customer's time, whatever that is.
pub(crate) fn next_sweep(elapsed: u64, approval: u64) -> Option<u64> {
    SWEEPS_MS.iter().map(|at| at + approval.saturating_sub(300_000)).find(|at| *at > elapsed)
}

/// When to look for a lost payment next; `None` when it was looked for often enough. What its bank
/// took in must show by the time that its customer has.
pub(crate) fn next_search(elapsed: u64, approval: u64) -> Option<u64> {
    let later = approval.saturating_sub(300_000);
    let place = |(place, at): (usize, &u64)| if place == 0 { *at } else { at + later };
    SEARCHES_MS.iter().enumerate().map(place).find(|at| *at > elapsed)
}

/// How long to wait before the `attempt`-th retry, counted from 1.
pub(crate) fn retry(attempt: u32, first: u64, longest: u64) -> u64 {
    let factor = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
    first.saturating_mul(factor).min(longest).min(RETRY_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_those_of_the_contract() {
        let mut at = 0;
        let mut polls = Vec::new();
        while at < 120_000 {
            at = next_poll(at, 300_000);
            polls.push(at / 1_000);
        }
        assert_eq!(polls, [2, 4, 8, 15, 30, 60, 90, 120]);
        assert_eq!(next_poll(290_000, 300_000), 300_000);
        assert_eq!(next_poll(295_000, 296_000), 296_000, "never later than the time is over");
        assert_eq!(next_poll(400_000, 300_000), 400_001, "overdue is at once");
    }

    #[test]
    fn sweeps_end() {
        let sweeps: Vec<_> = [0, 900_000, 3_600_000, 21_600_000, 86_400_000]
            .iter()
            .map(|at| next_sweep(*at, 300_000))
            .collect();
        let expected = [Some(900_000), Some(3_600_000), Some(21_600_000), Some(86_400_000), None];
        assert_eq!(sweeps, expected);
        assert_eq!(next_sweep(0, 1_200_000), Some(1_800_000), "after a longer approval");
    }

    #[test]
    fn a_lost_payment_is_looked_for_four_times() {
        let at = [0, 15_000, 300_000, 3_600_000, 86_400_000].map(|at| next_search(at, 300_000));
        let expected = [Some(15_000), Some(300_000), Some(3_600_000), Some(86_400_000), None];
        assert_eq!(at, expected);
        assert_eq!(next_search(15_000, 600_000), Some(600_000), "not before its time is over");
    }

    #[test]
    fn waits_double_and_stay_bounded() {
        let waits: Vec<_> = (1..=5).map(|n| retry(n, 5_000, 30_000)).collect();
        assert_eq!(waits, [5_000, 10_000, 20_000, 30_000, 30_000]);
        assert_eq!(retry(u32::MAX, 5_000, u64::MAX), RETRY_MS_MAX);
    }
}
