//! How far what is known here may lag behind a bank (integration design 5.1): the status of a
//! payment five minutes, a balance as long as it may be given.

use crate::world::{START, World, initiated, payment, received, status};
use veksel_core::enquiry::Enquiry;
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
