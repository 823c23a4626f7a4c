//! Holds that change: up as far as the balance goes, down always, and back when the message that
//! asked for it is reversed.

use super::*;

fn adjust(account: &str, minor: i64) -> Operation {
    let account = account.to_owned();
    Operation::Adjust(Adjust { hold: HoldId(1), account, amount: nok(minor) })
}

#[test]
fn a_hold_grows_only_as_far_as_the_balance_goes_and_always_shrinks() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    for (stan, minor, outcome, available) in [
        (2, 70_000, Outcome::Approved, 30_000),
        (3, 100_001, Outcome::InsufficientFunds, 30_000),
        (4, 100_000, Outcome::Approved, 0),
        (5, 10_000, Outcome::Approved, 90_000),
        (6, 0, Outcome::InvalidAmount, 90_000),
        (7, 20_000, Outcome::Approved, 80_000),
    ] {
        assert_eq!(run(&mut ledger, stan, adjust("A", minor)), outcome, "{minor}");
        assert_eq!(balance(&ledger, "A"), (100_000, available), "{minor}");
        assert_eq!(ledger.audit().map(|audit| audit.holds_open), Ok(1));
    }
    // 115 % of what it is by now, not of what it was.
    assert_eq!(run(&mut ledger, 8, capture(1, 23_001)), Outcome::ExceedsHold);
    assert_eq!(run(&mut ledger, 9, capture(1, 23_000)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 10, adjust("A", 30_000)), Outcome::NoAction);
    assert_eq!(balance(&ledger, "A"), (77_000, 77_000));
}

#[test]
fn nobody_adjusts_what_is_not_theirs_or_not_there() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    let other =
        Operation::Adjust(Adjust { hold: HoldId(7), account: "A".to_owned(), amount: nok(1_000) });
    assert_eq!(run(&mut ledger, 2, adjust("B", 50_000)), Outcome::OriginalNotFound);
    assert_eq!(run(&mut ledger, 3, other), Outcome::OriginalNotFound);
    assert_eq!(balance(&ledger, "A"), (100_000, 60_000));
}

#[test]
fn a_reversed_adjustment_gives_back_what_was_before_and_nothing_else() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    run(&mut ledger, 2, adjust("A", 70_000));
    let undo = |stan| reverse(key(Class::Authorization, stan), None);
    assert_eq!(run(&mut ledger, 3, undo(2)), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 60_000));
    assert_eq!(run(&mut ledger, 4, undo(2)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A"), (100_000, 60_000));
    // The later of two says the whole amount: taking back the earlier changes nothing.
    run(&mut ledger, 5, adjust("A", 10_000));
    run(&mut ledger, 6, adjust("A", 20_000));
    assert_eq!(run(&mut ledger, 7, undo(5)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A"), (100_000, 80_000));
    assert_eq!(run(&mut ledger, 8, undo(6)), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 90_000));
    // The hold itself is released whole, whatever it grew to.
    assert_eq!(run(&mut ledger, 9, undo(1)), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
    assert_eq!(run(&mut ledger, 10, undo(6)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
}
