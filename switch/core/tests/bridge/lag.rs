//! How far what is known here may lag behind a bank (integration design 5.1): the status of a
//! payment five minutes, a balance as long as it may be given.

use crate::world::{START, World, failed, initiated, payment, received, status};
use veksel_core::enquiry::{Enquiry, Failed, Verdict};
use veksel_core::fact::PaymentStatus;

/// What the design allows.
const LAG_MAX_MS: u64 = 5 * 60_000;

/// Asks as the engine does until nothing is asked within the lag, and gives the longest time
/// between two questions while the payment was `waiting` or `accepted` and its time not over.
fn longest(first: PaymentStatus, later: PaymentStatus) -> u64 {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(first));
    world.sent();
    let (mut last, mut longest) = (0, 0);
    while let Some(ask) = world.pass_until_asked(LAG_MAX_MS) {
        let now = world.now.utc.0 - START.0;
        if now > LAG_MAX_MS {
            break;
        }
        assert!(matches!(ask.enquiry, Enquiry::Status(_) | Enquiry::Cancel(_)), "{ask:?}");
        longest = longest.max(now - last);
        last = now;
        world.verdict(&ask, status(later));
        world.sent();
    }
    assert!(last >= LAG_MAX_MS - 30_000, "it was last asked about after {last} ms");
    longest
}

#[test]
fn no_payment_is_asked_about_less_often_than_its_status_may_lag() {
    for (first, later) in [
        (PaymentStatus::Received, PaymentStatus::Received),
        (PaymentStatus::InProcess, PaymentStatus::InProcess),
    ] {
        let longest = longest(first, later);
        assert!(longest <= 30_000, "{first:?}: {longest} ms between two questions");
    }
    // What happens right after a question is known after the next one.
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Received));
    let changed = world.now.utc.0;
    let poll = world.pass_until_asked(LAG_MAX_MS).expect("it is asked about again");
    world.verdict(&poll, status(PaymentStatus::Settled));
    assert!(world.now.utc.0 - changed <= LAG_MAX_MS);
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "00");
}

/// Answers every question like this until so much time is over, and gives the longest lag.
fn lag_with(world: &mut World, ms: u64, answer: impl Fn() -> Verdict) -> u64 {
    let end = world.now.utc.0 + ms;
    let mut longest = 0;
    while world.now.utc.0 < end {
        let asked = world.pass_until_asked(end - world.now.utc.0);
        longest = longest.max(world.switch.payments_lag(world.now));
        match asked {
            Some(ask) => world.verdict(&ask, answer()),
            None => world.pass(end - world.now.utc.0),
        }
        world.sent();
    }
    longest.max(world.switch.payments_lag(world.now))
}

#[test]
fn how_far_a_payment_lags_is_told_and_is_little_while_its_bank_answers() {
    let mut world = World::linked();
    assert_eq!(world.switch.payments_lag(world.now), 0, "there is none");
    world.tell(received(payment(7)));
    let order = world.asked();
    world.pass(1_500);
    assert_eq!(world.switch.payments_lag(world.now), 1_500, "its bank has not said anything");
    world.verdict(&order, initiated(PaymentStatus::Received));
    world.sent();
    assert_eq!(world.switch.payments_lag(world.now), 0);
    let waiting = || status(PaymentStatus::Received);
    let longest = lag_with(&mut world, 240_000, waiting);
    assert!((1_000..=30_000).contains(&longest), "{longest}");

    // A bank that says nothing any more is seen within five minutes and the next question.
    let silent = || failed(Failed::Unavailable, false);
    let before = world.switch.payments_lag(world.now);
    let longest = lag_with(&mut world, LAG_MAX_MS + 30_000, silent);
    assert_eq!(longest, before + LAG_MAX_MS + 30_000);
    assert!(longest > LAG_MAX_MS);

    // Another process counts from when it was received, until the bank says something again.
    world.restart();
    let known = world.now.utc.0 - START.0;
    assert_eq!(world.switch.payments_lag(world.now), known);
    let ask = world.pass_until_asked(LAG_MAX_MS).unwrap();
    world.verdict(&ask, status(PaymentStatus::Received));
    assert_eq!(world.switch.payments_lag(world.now), 0);
}

#[test]
fn what_is_decided_lags_behind_nothing() {
    for last in [PaymentStatus::Settled, PaymentStatus::InProcess, PaymentStatus::Rejected] {
        let mut world = World::linked();
        world.pending();
        let poll = world.pass_until_asked(2_000).unwrap();
        world.verdict(&poll, status(last));
        world.pass(LAG_MAX_MS);
        assert_eq!(world.switch.payments_lag(world.now), 0, "{last:?}");
    }
}
