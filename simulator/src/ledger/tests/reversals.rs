//! Holds and reversals: what was taken comes back once, and what was undone stays undone.

use super::*;

#[test]
fn a_hold_takes_from_available_and_not_from_ledger() {
    let mut ledger = bank();
    let verdict = run_at(&mut ledger, NOW, &request(1, hold("A", 40_000)));
    assert_eq!(verdict.reply.hold.map(|hold| hold.to_string()), Some("H000000001".to_owned()));
    assert_eq!("H000000001".parse(), Ok(HoldId(1)));
    assert_eq!(balance(&ledger, "A"), (100_000, 60_000));
    assert_eq!(run(&mut ledger, 2, withdraw("A", 60_001)), Outcome::InsufficientFunds);
    assert_eq!(run(&mut ledger, 3, withdraw("A", 60_000)), Outcome::Approved);
}

#[test]
fn a_capture_releases_all_and_posts_its_amount() {
    for (minor, outcome) in [
        (30_000, Outcome::Approved),
        (40_000, Outcome::Approved),
        (46_000, Outcome::Approved),
        (46_001, Outcome::ExceedsHold),
    ] {
        let mut ledger = bank();
        run(&mut ledger, 1, hold("A", 40_000));
        assert_eq!(run(&mut ledger, 2, capture(1, minor)), outcome, "{minor}");
        let expected = match outcome {
            Outcome::Approved => (100_000 - minor, 100_000 - minor),
            _ => (100_000, 60_000),
        };
        assert_eq!(balance(&ledger, "A"), expected);
    }
}

#[test]
fn a_second_capture_posts_nothing() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    run(&mut ledger, 2, capture(1, 30_000));
    assert_eq!(run(&mut ledger, 3, capture(1, 30_000)), Outcome::AlreadyDone);
    assert_eq!(run(&mut ledger, 4, capture(1, 31_000)), Outcome::Conflict);
    assert_eq!(balance(&ledger, "A"), (70_000, 70_000));
}

#[test]
fn a_reversed_capture_returns_the_money_and_not_the_hold() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    run(&mut ledger, 2, capture(1, 30_000));
    let undo = reverse(key(Class::Financial, 2), None);
    assert_eq!(run(&mut ledger, 3, undo), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
    let hold = reverse(key(Class::Authorization, 1), None);
    let outcome = run(&mut ledger, 4, hold);
    assert_eq!((outcome, outcome.response_code()), (Outcome::NoAction, "21"));
}

#[test]
fn a_voided_hold_is_free_and_stays_void() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    let void = Operation::Void(Void { hold: HoldRef::Id(HoldId(1)) });
    assert_eq!(run(&mut ledger, 2, void.clone()), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
    assert_eq!(run(&mut ledger, 3, void), Outcome::AlreadyDone);
    assert_eq!(run(&mut ledger, 4, capture(1, 40_000)), Outcome::NoAction);
}

#[test]
fn a_hold_can_be_reversed_in_part_once() {
    let mut ledger = bank();
    let original = key(Class::Authorization, 1);
    run(&mut ledger, 1, hold("A", 40_000));
    assert_eq!(run(&mut ledger, 2, reverse(original, Some(40_001))), Outcome::InvalidAmount);
    assert_eq!(run(&mut ledger, 3, reverse(original, Some(10_000))), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 90_000));
    assert_eq!(run(&mut ledger, 4, reverse(original, Some(5_000))), Outcome::AlreadyDone);
    assert_eq!(run(&mut ledger, 5, capture(1, 11_501)), Outcome::ExceedsHold);
    assert_eq!(run(&mut ledger, 6, reverse(original, None)), Outcome::Approved);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
}

#[test]
fn a_hold_expires_and_can_still_be_captured_once() {
    let mut ledger = bank();
    run(&mut ledger, 1, hold("A", 40_000));
    let expiry = ledger.next_expiry_ms().unwrap();
    assert_eq!(expiry, NOW + limits().hold_ms);
    assert!(ledger.expire_holds(expiry - 1).is_empty());
    assert_eq!(ledger.expire_holds(expiry).len(), 1);
    assert_eq!((ledger.next_expiry_ms(), balance(&ledger, "A")), (None, (100_000, 100_000)));
    assert_eq!(run(&mut ledger, 2, capture(1, 40_000)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 3, capture(1, 40_000)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A"), (60_000, 60_000));
}

#[test]
fn a_reversal_restores_even_a_drained_account_and_only_once() {
    let mut ledger = bank();
    run(&mut ledger, 1, post(to("A"), to("B"), 25_000));
    run(&mut ledger, 2, withdraw("B", 25_000));
    let undo = reverse(key(Class::Financial, 1), None);
    assert_eq!(run(&mut ledger, 3, undo.clone()), Outcome::Approved);
    assert_eq!((balance(&ledger, "A").0, balance(&ledger, "B").0), (100_000, -25_000));
    // The very same message, and then another message for the same original.
    assert_eq!(run(&mut ledger, 3, undo.clone()), Outcome::Approved);
    let again = run(&mut ledger, 4, undo);
    assert_eq!((again, again.response_code()), (Outcome::AlreadyDone, "00"));
    assert_eq!(balance(&ledger, "A").0, 100_000);
}

#[test]
fn a_partial_reversal_leaves_what_took_place() {
    let mut ledger = bank();
    let original = key(Class::Financial, 1);
    run(&mut ledger, 1, withdraw("A", 10_000));
    assert_eq!(run(&mut ledger, 2, reverse(original, Some(10_001))), Outcome::InvalidAmount);
    assert_eq!(run(&mut ledger, 3, reverse(original, Some(10_000))), Outcome::NoAction);
    let verdict = run_at(&mut ledger, NOW, &request(4, reverse(original, Some(6_000))));
    assert_eq!(verdict.reply.amount, Some(nok(4_000)));
    assert_eq!(balance(&ledger, "A").0, 94_000);
    assert_eq!(run(&mut ledger, 5, reverse(original, None)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A").0, 94_000);
}

#[test]
fn a_declined_original_needs_no_reversal() {
    let mut ledger = bank();
    run(&mut ledger, 1, withdraw("A", 900_000));
    assert_eq!(run(&mut ledger, 2, reverse(key(Class::Financial, 1), None)), Outcome::NoAction);
}

#[test]
fn an_original_after_its_reversal_is_refused_for_good() {
    let mut ledger = bank();
    let undo = reverse(key(Class::Financial, 1), None);
    assert_eq!(run(&mut ledger, 2, undo), Outcome::OriginalNotFound);
    let late = run(&mut ledger, 1, withdraw("A", 100));
    assert_eq!((late, late.response_code()), (Outcome::ReversedBefore, "21"));
    let restamped = Request {
        key: key_at(Class::Financial, 1, "1120083030"),
        sending: Sending::Repeat,
        ..request(1, withdraw("A", 100))
    };
    assert_eq!(run_at(&mut ledger, NOW, &restamped).reply.outcome, Outcome::ReversedBefore);
    assert_eq!(balance(&ledger, "A").0, 100_000);
    // The next day the same numbers belong to another message.
    let other = Request { key: key_at(Class::Financial, 1, "1122083030"), ..restamped };
    let verdict = run_at(&mut ledger, NOW + 49 * HOUR, &other);
    assert_eq!(verdict.reply.outcome, Outcome::Approved);
}

#[test]
fn a_tombstone_also_refuses_a_hold() {
    let mut ledger = bank();
    run(&mut ledger, 2, reverse(key(Class::Authorization, 1), None));
    assert_eq!(run(&mut ledger, 1, hold("A", 100)), Outcome::ReversedBefore);
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
}
