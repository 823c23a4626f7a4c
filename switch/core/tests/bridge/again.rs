//! Payments at a bank whose caller comes again under the same numbers.

use crate::world::{ATM, World, code, failed, initiated, payment, plan, received, status, tag};
use veksel_codecs::{Mti, field};
use veksel_core::Input;
use veksel_core::enquiry::{Enquiry, Failed, Verdict};
use veksel_core::fact::{Case, PaymentState, PaymentStatus};

/// A payment of somebody whose messages have their numbers from a key, and their time from a clock.
fn posted(second: &str) -> Input {
    let mut message = payment(7);
    message.set(field::TRANSMISSION, second);
    received(message)
}

/// A participant that comes again under the same numbers.
fn of_caller() -> World {
    World::linked_with(anew())
}

fn anew() -> veksel_core::Plan {
    let mut plan = plan();
    plan.participants[0].stamps_anew = true;
    plan
}

/// How it stands, and whether that is for want of anybody who could be asked.
fn asked_after(world: &mut World) -> (String, bool) {
    let mut question = payment(7);
    question.set_mti(Mti::parse("0600").unwrap());
    world.sent();
    world.tell(received(question));
    let answer = world.answer();
    (code(&answer), tag(&answer, "P7").is_some())
}

#[test]
fn what_never_left_for_a_bank_leaves_when_its_key_comes_again() {
    let mut world = of_caller();
    world.tell(posted("1120142807"));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::BreakerOpen, false));
    assert_eq!(code(&world.answer()), "91");
    assert_eq!(asked_after(&mut world), ("91".to_owned(), true));
    world.pass(60_000);
    world.tell(posted("1120142907"));
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Initiate(_)));
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    assert_eq!(code(&world.answer()), "00");
    world.tell(posted("1120142908"));
    assert_eq!(code(&world.answer()), "00");
    assert!(world.asked_maybe().is_none(), "the bank is asked no more");
}

/// Journals have 91 for what may have reached a bank, from when callers were told that as well.
#[test]
fn what_a_bank_may_have_done_is_not_ordered_again_whatever_was_said_of_it() {
    let mut world = World::linked();
    world.tell(posted("1120142807"));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, true));
    assert_eq!(code(&world.answer()), "91");
    while let Some(ask) = world.pass_until_asked(30 * 3_600_000) {
        assert!(matches!(ask.enquiry, Enquiry::Search { .. }));
        world.verdict(&ask, Verdict::NotFound { is_complete: true });
    }
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "91");
    let mut after = World::bare(anew());
    after.journal = core::mem::take(&mut world.journal);
    after.now = world.now;
    after.restart();
    after.tell(Input::LinkUp(ATM));
    assert_eq!(asked_after(&mut after), ("91".to_owned(), false));
    after.tell(posted("1121142807"));
    assert!(after.asked_maybe().is_none());
    assert_eq!(code(&after.answer()), "91");
}

/// Whoever asks over HTTP takes 91 for not done; a bank that broke may have done it.
#[test]
fn what_may_have_reached_a_bank_is_never_ordered_again() {
    for is_executed in [false, true] {
        let mut world = of_caller();
        world.tell(posted("1120142807"));
        let ask = world.asked();
        world.verdict(&ask, failed(Failed::Unavailable, true));
        assert_eq!(code(&world.answer()), "68");
        assert_eq!(asked_after(&mut world), ("09".to_owned(), false));
        // It is found, and cannot be cancelled.
        while let Some(ask) = world.pass_until_asked(30 * 3_600_000) {
            let state = world.payment().state;
            let verdict = match &ask.enquiry {
                Enquiry::Search { .. } => initiated(PaymentStatus::Received),
                Enquiry::Cancel(_) => failed(Failed::NotSupported, false),
                Enquiry::Status(_) if is_executed && state == PaymentState::Cancelled => {
                    status(PaymentStatus::Settled)
                }
                Enquiry::Status(_) => status(PaymentStatus::Received),
                other => panic!("{other:?}"),
            };
            world.verdict(&ask, verdict);
        }
        assert_eq!(world.payment().case == Some(Case::LateCompletion), is_executed);
        let (ended, is_not_done) = asked_after(&mut world);
        assert!(!is_not_done, "{ended}");
        for days in [0, 2] {
            world.pass(days * 24 * 3_600_000);
            world.sent();
            world.tell(posted(&format!("112{days}152807")));
            assert!(world.asked_maybe().is_none(), "it would be paid twice");
            assert_eq!(code(&world.answer()), ended);
        }
    }
}
