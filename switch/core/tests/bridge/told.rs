//! What channels are told that know no 0620, what an order says, and what cannot be recorded.

use crate::world::{
    ACCOUNT, ATM, World, code, failed, initiated, order, payment, plan, received, request,
    reversal, status,
};
use veksel_codecs::{Mti, ResponseCode, field};
use veksel_core::enquiry::{Enquiry, Failed, Verdict};
use veksel_core::fact::{Case, PaymentStatus};
use veksel_core::plan::ParticipantPlan;
use veksel_core::{Input, Record};

#[test]
fn who_knows_no_0620_is_told_by_0220_until_0230() {
    let mut plan = plan();
    plan.participants[0].told_by = ParticipantPlan::TOLD_BY_COMPLETION;
    let mut world = World::linked_with(plan);
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Settled));
    world.pass(1);
    let first = world.answer();
    assert_eq!((first.mti().as_str(), code(&first).as_str()), ("0220", "00"));
    assert!(first.has(field::APPROVAL) && first.has(field::ORIGINAL_DATA));
    // What is no answer to it settles nothing.
    let mut other = first;
    other.set_mti(Mti::parse("0630").unwrap());
    world.tell(received(other));
    world.pass(5_000);
    let again = world.answer();
    assert_eq!(again.mti().as_str(), "0221");
    let mut answer = again;
    answer.set_mti(Mti::parse("0230").unwrap());
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    world.tell(received(answer));
    world.pass(600_000);
    assert!(world.sent().is_empty(), "it knows");
    assert_eq!(world.payment().advice, None);
}

#[test]
fn the_text_of_a_payment_is_de104_or_else_de120() {
    for (narration, record_data, expected) in [
        (Some("RENT"), Some("OTHER"), "RENT"),
        (None, Some("FROM 120 "), "FROM 120"),
        (Some("  "), Some("X"), "X"),
    ] {
        let mut world = World::linked();
        let mut message = payment(7);
        for (key, text) in [(field::NARRATION, narration), (field::RECORD_DATA, record_data)] {
            if let Some(text) = text {
                message.set(key, text);
            }
        }
        world.tell(received(message));
        let ask = world.asked();
        let text = &order(&ask).remittance;
        assert!(text.ends_with(&format!(" ATM00017 {expected}")), "{text}");
    }
}

#[test]
fn what_cannot_be_recorded_asks_no_bank_and_is_96() {
    let mut world = World::linked();
    world.tell(Input::Full(true));
    for mti in ["0200", "0100"] {
        let mut message = payment(7);
        message.set_mti(Mti::parse(mti).unwrap());
        if mti == "0100" {
            message.set(field::PROCESSING_CODE, "000000");
        }
        world.tell(received(message));
        assert_eq!(code(&world.answer()), "96", "{mti}");
    }
    assert!(world.asked_maybe().is_none());
    let mut elsewhere = payment(8);
    elsewhere.set(field::ACCOUNT, "10000000001");
    world.tell(received(elsewhere));
    assert_eq!(code(&world.answer()), "91", "what goes to hosts");
    world.tell(Input::Full(false));
    world.tell(received(payment(7)));
    world.asked();
}

#[test]
fn a_case_of_what_nobody_knows_says_what_its_reversal_says() {
    let mut world = World::linked();
    let mut unknown = reversal(7);
    // From long ago: the journal may have forgotten it.
    unknown.set(field::ORIGINAL_DATA, "020000000701011428070000050000100000000000");
    world.tell(received(unknown));
    assert_eq!(code(&world.answer()), "00");
    let case = world.payment();
    assert_eq!(case.case, Some(Case::Unresolved));
    assert_eq!((case.bank.as_str(), case.creditor.as_str()), ("dnb", "86011117947"));
    assert_eq!((case.debtor.iban.as_str(), case.debtor.customer.as_str()), (ACCOUNT, "c-1"));
    let amount = world.journal.iter().find_map(|(_, record)| match record {
        Record::Intent(intent) if intent.txn == case.txn => Some(intent.amount),
        _ => None,
    });
    assert_eq!(amount, Some(15_000));
    // Its key is that of the payment, by which the bank was asked.
    let mut known = World::linked();
    let mut old = payment(7);
    old.set(field::TRANSMISSION, "0101142807");
    known.tell(received(old));
    assert_eq!(known.payment().key, case.key);
    // It outlives a restart, and no host hears of it.
    world.restart();
    world.tell(Input::LinkUp(ATM));
    assert_eq!(world.payment().case, Some(Case::Unresolved));
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn a_completion_on_a_linked_account_is_posted_by_the_hosts_and_begins_no_payment() {
    for (mti, processing) in [("0120", "000000"), ("0220", "010000")] {
        let mut world = World::linked();
        let mut advice = request(processing, 7, 100);
        advice.set_mti(Mti::parse(mti).unwrap());
        world.tell(received(advice.clone()));
        let answer = world.answer();
        assert_eq!(code(&answer), "00", "{mti}");
        assert!(world.asked_maybe().is_none(), "no bank can force its customer");
        assert_eq!(world.switch.reversals_open(), 1, "a host is told until it knows");
        // Taken back: that goes where it went.
        let mut back = reversal(7);
        let original = format!("{mti}00000711201428070000050000100000000000");
        back.set(field::ORIGINAL_DATA, &original);
        back.set(field::PROCESSING_CODE, processing);
        world.tell(received(back));
        assert_eq!(code(&world.answer()), "00");
        assert!(world.asked_maybe().is_none());
        // Of an account that no host has, nobody can post anything.
        let mut plan = plan();
        plan.routes[1].linked = Some(false);
        let mut world = World::linked_with(plan);
        world.tell(received(advice));
        assert_eq!(code(&world.answer()), "40", "{mti}");
        assert!(world.asked_maybe().is_none() && world.switch.is_idle());
        assert!(world.outcomes().is_empty());
    }
}

/// A 0400 of the payment with this trace number.
fn request_back(stan: u64) -> veksel_codecs::Message {
    let mut message = reversal(stan);
    message.set_mti(Mti::parse("0400").unwrap());
    message
}

#[test]
fn who_asks_to_take_a_payment_back_hears_how_that_ended() {
    let cases = [
        (Verdict::Cancelled, None, "00"),
        (Verdict::TooLate, Some(PaymentStatus::Settled), "40"),
        (failed(Failed::Unavailable, false), Some(PaymentStatus::Cancelled), "00"),
        (failed(Failed::Unavailable, false), Some(PaymentStatus::Rejected), "00"),
    ];
    for (cancelled, after, expected) in cases {
        let mut world = World::linked();
        world.pending();
        world.tell(received(request_back(7)));
        let ask = world.asked();
        assert!(matches!(ask.enquiry, Enquiry::Cancel(_)));
        assert!(world.sent().is_empty(), "nobody knows yet");
        // A copy waits for the same answer.
        let mut copy = request_back(7);
        copy.set_mti(Mti::parse("0401").unwrap());
        world.tell(received(copy.clone()));
        world.verdict(&ask, cancelled);
        if let Some(after) = after {
            let poll = world.pass_until_asked(1_000).unwrap();
            world.verdict(&poll, status(after));
        }
        let heard = |world: &mut World| -> Vec<_> {
            let sent = world.sent().into_iter();
            let sent = sent.filter(|(_, message)| message.mti().as_str() == "0410");
            sent.map(|(_, message)| code(&message)).collect()
        };
        assert_eq!(heard(&mut world), [expected, expected]);
        let is_case = world.payment().case == Some(Case::Compensation);
        assert_eq!(is_case, expected == "40");
        // And the same again, also after a restart.
        world.restart();
        world.tell(Input::LinkUp(ATM));
        world.tell(received(copy));
        assert_eq!(heard(&mut world), [expected]);
    }
}

/// A payment that its bank said this of is wanted back.
fn wanted_back(first: PaymentStatus) -> World {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(first));
    world.sent();
    world.tell(received(request_back(7)));
    world
}

#[test]
fn who_asks_to_take_back_what_is_over_hears_it_at_once() {
    for (first, expected) in [(PaymentStatus::Settled, "40"), (PaymentStatus::Rejected, "00")] {
        let mut world = wanted_back(first);
        assert_eq!(code(&world.answer()), expected, "{first:?}");
        assert!(world.switch.is_idle());
    }
}

#[test]
fn whoever_waits_too_long_for_taking_back_hears_09_and_then_the_end() {
    let mut world = World::linked();
    world.pending();
    world.tell(received(request_back(7)));
    let ask = world.asked();
    world.pass(18_000);
    let answer = world.answer();
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0410", "09"));
    assert!(world.switch.is_idle());
    let mut repeat = request_back(7);
    repeat.set_mti(Mti::parse("0401").unwrap());
    world.tell(received(repeat.clone()));
    assert_eq!(code(&world.answer()), "09");
    world.verdict(&ask, Verdict::Cancelled);
    world.sent();
    world.tell(received(repeat));
    assert_eq!(code(&world.answer()), "00");
}

#[test]
fn a_restart_does_not_say_that_a_payment_is_taken_back() {
    let cases =
        [(Verdict::Cancelled, None, "00"), (Verdict::TooLate, Some(PaymentStatus::Settled), "40")];
    for (cancelled, after, expected) in cases {
        let mut world = World::linked();
        world.pending();
        world.tell(received(request_back(7)));
        assert!(matches!(world.asked().enquiry, Enquiry::Cancel(_)));
        let outcomes = world.outcomes().len();
        let mut repeat = request_back(7);
        repeat.set_mti(Mti::parse("0401").unwrap());
        let asked_again = |world: &mut World| -> Vec<_> {
            world.tell(received(repeat.clone()));
            let sent = world.sent().into_iter();
            let sent = sent.filter(|(_, message)| message.mti().as_str() == "0410");
            sent.map(|(_, message)| code(&message)).collect()
        };
        // Twice, because what goes on after one must go on after another.
        for _ in 0..2 {
            world.restart();
            world.tell(Input::LinkUp(ATM));
            assert_eq!(world.outcomes().len(), outcomes, "nobody knows yet");
            assert_eq!(asked_again(&mut world), ["09"]);
        }
        let mut asks = 0;
        while world.outcomes().len() < outcomes + 2 {
            let ask = world.pass_until_asked(600_000).expect("the bank is asked until it knows");
            let verdict = match (&ask.enquiry, after) {
                (Enquiry::Cancel(_), _) => cancelled.clone(),
                (_, Some(after)) => status(after),
                (_, None) => status(PaymentStatus::Received),
            };
            world.verdict(&ask, verdict);
            world.sent();
            asks += 1;
            assert!(asks < 20, "it ends");
        }
        assert_eq!(asked_again(&mut world), [expected]);
        assert_eq!(world.payment().case == Some(Case::Compensation), expected == "40");
        world.restart();
        world.tell(Input::LinkUp(ATM));
        assert_eq!(asked_again(&mut world), [expected]);
    }
}

/// Of the request to take it back, only its intent is in the journal.
fn cut_after_intent(world: &mut World) {
    while !matches!(world.journal.last(), Some((_, Record::Intent(_)))) {
        world.journal.pop();
    }
    world.restart();
    world.tell(Input::LinkUp(ATM));
}

#[test]
fn a_restart_right_after_the_request_takes_the_payment_back() {
    let mut world = World::linked();
    world.pending();
    world.tell(received(request_back(7)));
    cut_after_intent(&mut world);
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Cancel(_)), "{ask:?}");
    world.verdict(&ask, Verdict::Cancelled);
    let decided = world.outcomes().iter().map(|outcome| outcome.response).collect::<Vec<_>>();
    assert!(decided.contains(&ResponseCode::APPROVED), "{decided:?}");
    for (first, expected) in [(PaymentStatus::Settled, "40"), (PaymentStatus::Rejected, "00")] {
        let mut world = wanted_back(first);
        world.sent();
        cut_after_intent(&mut world);
        assert!(world.asked_maybe().is_none());
        let mut repeat = request_back(7);
        repeat.set_mti(Mti::parse("0401").unwrap());
        world.tell(received(repeat));
        let sent = world.sent().into_iter().map(|(_, message)| message);
        let answers: Vec<_> = sent.filter(|message| message.mti().as_str() == "0410").collect();
        let heard: Vec<_> = answers.iter().map(code).collect();
        assert_eq!(heard, [expected], "{first:?}");
        if expected == "40" {
            assert_eq!(world.payment().case, Some(Case::Compensation));
        }
    }
}

#[test]
fn the_address_of_a_terminal_goes_with_what_its_customer_asks_there() {
    let here: core::net::IpAddr = "84.208.20.110".parse().unwrap();
    let told = |mut message: veksel_codecs::Message, text: &str| {
        message.set(field::ADDITIONAL_DATA, text);
        received(message)
    };
    for (text, expected) in [
        ("481384.208.20.110", Some(here)),
        ("14014A481384.208.20.110", None),
        ("1401A481384.208.20.110", Some(here)),
        ("4809nonsense!", None),
        ("1401A", None),
    ] {
        let mut world = World::linked();
        world.tell(told(request("310000", 6, 0), text));
        assert_eq!(world.asked().address, expected, "{text}");
        world.tell(told(payment(7), text));
        let ask = world.asked();
        assert_eq!(ask.address, expected, "{text}");
        world.verdict(&ask, initiated(PaymentStatus::Received));
        // Nobody stands there when we ask by ourselves.
        assert_eq!(world.pass_until_asked(2_000).unwrap().address, None);
    }
    let mut plan = plan();
    plan.banks[0].attended = vec![veksel_core::ParticipantId(7)];
    let mut world = World::linked_with(plan);
    world.tell(told(request("310000", 6, 0), "481384.208.20.110"));
    assert_eq!(world.asked().address, None, "nobody is there");
}
