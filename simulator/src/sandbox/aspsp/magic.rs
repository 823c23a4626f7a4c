//! Amounts that make the banks misbehave: the last two digits of the minor units decide.
//!
//! What the ledger then knows is what a real bank's would: an answer that is lost, late or an
//! error page says nothing about whether the order was taken. For half of those orders, chosen by
//! their content, it was; so a client that sends one of them again pays twice, and it shows.

use crate::ledger::Digest;

/// What an amount does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// 01: the customer's approval takes long to get through.
    SlowSca,
    /// 02: rejected after the approval.
    Rejected,
    /// 03: executed minutes later, whatever was decided or cancelled meanwhile.
    Late,
    /// 29: 429 with `Retry-After`; not taken.
    TooMany,
    /// 30: a redirect to a link-local address; not taken.
    Redirect,
    /// 51: no funds.
    NoFunds,
    /// 68: never answered; half are executed.
    Silent,
    /// 91: 503; half are executed.
    Unavailable,
    /// 94: 409, as for a payment that is there already; not taken.
    Duplicate,
    /// 96: 500 with a page of HTML; half are executed.
    Broken,
}

/// Ending, what it does, and that in words.
pub const TABLE: &[(u8, Magic, &str)] = &[
    (1, Magic::SlowSca, "the approval takes long to get through"),
    (2, Magic::Rejected, "RJCT after the approval"),
    (3, Magic::Late, "ACSC minutes later, even though cancelled or expired"),
    (29, Magic::TooMany, "429 with Retry-After, not executed"),
    (30, Magic::Redirect, "a redirect to a link-local address, not executed"),
    (51, Magic::NoFunds, "RJCT for want of funds"),
    (68, Magic::Silent, "never answered, executed for half of the orders"),
    (91, Magic::Unavailable, "503, executed for half of the orders"),
    (94, Magic::Duplicate, "409 as for a duplicate, not executed"),
    (96, Magic::Broken, "500 with HTML, executed for half of the orders"),
];

/// `None` for nearly all amounts.
#[must_use]
pub fn find(minor: i64) -> Option<Magic> {
    let ending = minor.rem_euclid(100);
    let found = TABLE.iter().find(|(known, ..)| minor > 0 && i64::from(*known) == ending);
    found.map(|(_, magic, _)| *magic)
}

/// Whether an order whose answer goes wrong is executed all the same: by its content, so that the
/// same order again fares the same.
#[must_use]
pub fn is_executed(minor: i64, remittance: &str) -> bool {
    let Digest(bytes) = Digest::of(&[&minor.to_be_bytes(), remittance.as_bytes()]);
    bytes.iter().fold(0_u8, |all, byte| all ^ byte).count_ones() % 2 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_two_digits_count_and_zero_is_no_amount() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for (ending, magic, _) in TABLE {
            assert_eq!(find(i64::from(*ending) + 12_300), Some(*magic));
        }
        for minor in [0, 100, 15_000, 5_100, -9, -91] {
            assert_eq!(find(minor), None, "{minor}");
        }
    }

    #[test]
    fn about_half_are_executed() {
        let count = (0..1_000).filter(|n| is_executed(15_091, &format!("6054100{n:05}"))).count();
        assert!((400..600).contains(&count), "{count}");
        assert_eq!(is_executed(91, "a"), is_executed(91, "a"));
    }
}
