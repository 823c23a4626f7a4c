//! Bills are asked about before they are paid, where somebody knows them.

use crate::world::{
    World, code, failed, initiated, linked, order, plan, received, request, status, tag,
};
use veksel_codecs::{Message, Mti, field};
use veksel_core::enquiry::{Addressee, Ask, Billed, Call, Enquiry, Failed, Money, Told, Verdict};
use veksel_core::fact::{Fact, KycStatus, PaymentState, PaymentStatus};
use veksel_core::plan::{LinkPlan, LinkRole, ParticipantPlan, PayeePlan, Plan};
use veksel_core::record::{Reason, Verdict as Certainty};
use veksel_core::{ConnectionId, Input, LinkId, ParticipantId, Record, RecordId};

fn asking() -> Plan {
    let mut plan = plan();
    let (id, account, name) = ("POWER".into(), "30001234567".into(), "Power AS".into());
    plan.payees.push(PayeePlan { id, account, name });
    plan.asks_billers = true;
    plan
}

fn bill(stan: u64, additional: &str) -> Message {
    let mut bill = request("500000", stan, 15_000);
    bill.set(field::ADDITIONAL_DATA, additional);
    bill
}

const POWER: &str = "1005POWER11072345676";

fn due(currency: u16) -> Verdict {
    Verdict::Bill(Money { minor: 41_250, currency })
}

fn billed(ask: &Ask) -> Billed {
    assert_eq!(ask.to, Addressee::Biller);
    match &ask.enquiry {
        Enquiry::Bill(billed) => billed.clone(),
        other => panic!("{other:?}"),
    }
}

/// A bill that is asked about.
fn asked() -> (World, Box<Ask>) {
    let mut world = World::linked_with(asking());
    world.tell(received(bill(7, POWER)));
    let ask = world.asked();
    billed(&ask);
    (world, ask)
}

#[test]
fn a_bill_is_asked_about_before_its_bank_is_told_to_pay_it() {
    let (mut world, ask) = asked();
    let Billed { biller, reference, number } = billed(&ask);
    assert_eq!((&*biller, &*reference, &*number), ("POWER", "2345676", ""));
    assert!(!format!("{ask:?}").contains("2345676"), "whose bill it is, is shown to nobody");
    let deadline = plan().banks[0].deadlines.payment_ms;
    assert!(ask.within_ms <= deadline / 2, "{} ms leave the bank none", ask.within_ms);
    assert!(world.sent().is_empty());
    world.verdict(&ask, due(578));
    let ask = world.asked();
    let order = order(&ask);
    assert_eq!((&*order.creditor, &*order.reference), ("30001234567", "2345676"));
    assert_eq!(order.amount.minor, 15_000, "a part of it may be paid");
    world.verdict(&ask, initiated(PaymentStatus::Received));
    assert_eq!(code(&world.answer()), "09");
    let ask = world.pass_until_asked(2_000).unwrap();
    world.verdict(&ask, status(PaymentStatus::Settled));
    assert_eq!(world.payment().state, PaymentState::Settled);
}

#[test]
fn other_payments_and_bills_of_nobody_are_not_asked_about() {
    let mut world = World::linked_with(asking());
    world.tell(received(crate::world::payment(7)));
    assert!(matches!(world.asked().enquiry, Enquiry::Initiate(_)));
    world.tell(received(bill(8, "1005POWER")));
    assert!(matches!(world.asked().enquiry, Enquiry::Initiate(_)), "whose bill?");
    world.tell(received(bill(9, "1004WIND11072345676")));
    assert_eq!(code(&world.answer()), "40", "nobody is known to pay");
    assert!(world.asked_maybe().is_none());
}

#[test]
fn a_telephone_is_topped_up_by_paying_its_operator() {
    let mut world = World::linked_with(asking());
    world.tell(received(bill(7, "1005POWER4111+4790000001")));
    let ask = world.asked();
    assert_eq!(billed(&ask).reference, "+4790000001");
    world.verdict(&ask, due(578));
    assert_eq!(order(&world.asked()).reference, "+4790000001");
}

#[test]
fn what_is_wrong_with_a_bill_is_told_and_nothing_is_ordered() {
    for (verdict, expected, certainty) in [
        (failed(Failed::NotFound, false), "25", Certainty::Answered),
        (failed(Failed::Format, false), "30", Certainty::Answered),
        (failed(Failed::Unavailable, false), "91", Certainty::NotSent),
        (failed(Failed::BreakerOpen, false), "91", Certainty::NotSent),
        // It is asked about, not paid: silence leaves nothing open.
        (failed(Failed::Late, false), "91", Certainty::NotSent),
        (failed(Failed::Late, true), "91", Certainty::NotSent),
        (failed(Failed::Malfunction, false), "96", Certainty::Answered),
        (due(978), "12", Certainty::Answered),
        (Verdict::Funds(true), "96", Certainty::Answered),
    ] {
        let (mut world, ask) = asked();
        world.verdict(&ask, verdict.clone());
        let answer = world.answer();
        assert_eq!(code(&answer), expected, "{verdict:?}");
        let is_failure = matches!(verdict, Verdict::Failed(_));
        assert_eq!(tag(&answer, "P5").is_some(), is_failure, "{verdict:?}");
        assert!(world.asked_maybe().is_none());
        assert!(world.switch.is_idle(), "{verdict:?}");
        let outcomes = world.outcomes();
        assert_eq!((outcomes.len(), outcomes[0].verdict), (1, certainty), "{verdict:?}");
        // It is remembered, also after a restart, if it was answered.
        world.restart();
        world.tell(Input::LinkUp(crate::world::ATM));
        if certainty == Certainty::Answered {
            world.tell(received(bill(7, POWER)));
            assert_eq!(code(&world.answer()), expected, "{verdict:?}");
            assert!(world.asked_maybe().is_none());
        }
    }
}

#[test]
fn copies_wait_for_the_bill_too() {
    let (mut world, ask) = asked();
    world.tell(received(bill(7, POWER)));
    assert!(world.sent().is_empty() && world.asked_maybe().is_none());
    world.verdict(&ask, failed(Failed::NotFound, false));
    let codes: Vec<_> = world.sent().iter().map(|(_, answer)| code(answer)).collect();
    assert_eq!(codes, ["25", "25"]);
}

#[test]
fn what_is_said_too_late_orders_nothing_and_may_be_tried_again() {
    let (mut world, ask) = asked();
    world.pass(plan().banks[0].deadlines.payment_ms);
    assert_eq!(code(&world.answer()), "91");
    let outcome = &world.outcomes()[0];
    assert_eq!((outcome.verdict, outcome.reason), (Certainty::NotSent, Reason::Expired));
    world.verdict(&ask, due(578));
    assert!(world.asked_maybe().is_none());
    assert!(world.switch.is_idle());
    let reversals = |(_, record): &(RecordId, Record)| matches!(record, Record::Reversal(_));
    assert!(!world.journal.iter().any(reversals), "there is nothing to undo");
    // The same numbers hear the same, others pay.
    world.tell(received(bill(7, POWER)));
    assert_eq!(code(&world.answer()), "91");
    world.tell(received(bill(8, POWER)));
    let ask = world.asked();
    world.verdict(&ask, due(578));
    assert_eq!(order(&world.asked()).reference, "2345676");
}

/// Two participants may give their payments the same numbers, and a bank could not tell them apart.
#[test]
fn whose_numbers_another_pays_under_meanwhile_orders_nothing() {
    let mut plan = asking();
    plan.links.push(LinkPlan::named("pos", LinkRole::Channel(ParticipantId(1))));
    plan.participants.push(ParticipantPlan::named("shops"));
    let mut world = World::linked_with(plan);
    let pos = ConnectionId { link: LinkId(2), serial: 9 };
    world.tell(Input::LinkUp(pos));
    world.tell(received(bill(7, POWER)));
    let ask = world.asked();
    world.tell(Input::Received { connection: pos, message: bill(7, "1005POWER") });
    order(&world.asked());
    world.verdict(&ask, due(578));
    assert_eq!(code(&world.answer()), "94");
    assert!(world.asked_maybe().is_none());
    let outcome = &world.outcomes()[0];
    assert_eq!((outcome.verdict, outcome.reason), (Certainty::NotSent, Reason::Duplicate));
}

#[test]
fn what_there_is_no_room_for_any_more_is_not_sent() {
    let mut plan = asking();
    plan.limits.payments_max = 1;
    let mut world = World::linked_with(plan);
    world.tell(received(bill(7, POWER)));
    let ask = world.asked();
    world.tell(received(crate::world::payment(8)));
    order(&world.asked());
    world.verdict(&ask, due(578));
    assert_eq!(code(&world.answer()), "91");
    assert!(world.asked_maybe().is_none());
    let outcome = &world.outcomes()[0];
    assert_eq!((outcome.verdict, outcome.reason), (Certainty::NotSent, Reason::Overload));
}

#[test]
fn what_is_taken_back_meanwhile_is_not_ordered() {
    let (mut world, ask) = asked();
    let mut reversal = bill(8, POWER);
    reversal.set_mti(Mti::parse("0420").unwrap());
    reversal.set(field::ORIGINAL_DATA, "020000000711201428070000050000100000000000");
    world.tell(received(reversal));
    let mut codes: Vec<_> = world
        .sent()
        .iter()
        .map(|(_, answer)| (answer.mti().as_str().to_owned(), code(answer)))
        .collect();
    codes.sort();
    assert_eq!(codes, [("0210".into(), "17".into()), ("0430".into(), "00".into())]);
    world.verdict(&ask, due(578));
    assert!(world.asked_maybe().is_none());
    world.restart();
    assert!(world.asked_maybe().is_none());
}

#[test]
fn a_restart_orders_nothing_that_was_only_asked_about() {
    let (mut world, _) = asked();
    world.restart();
    world.tell(Input::LinkUp(crate::world::ATM));
    assert!(world.asked_maybe().is_none());
    let outcome = &world.outcomes()[0];
    assert_eq!((outcome.verdict, outcome.reason), (Certainty::NotSent, Reason::Restart));
    world.tell(received(bill(7, POWER)));
    assert_eq!(code(&world.answer()), "91");
    assert!(world.asked_maybe().is_none());
    assert!(world.switch.is_idle());
}

#[test]
fn who_loses_the_right_to_pay_while_a_bill_is_asked_about_does_not_pay() {
    let (mut world, ask) = asked();
    world.call(Call::Unlink { account: crate::world::ACCOUNT.into(), customer: None });
    assert_eq!(world.told(), Told::Noted);
    let revoke = world.asked();
    assert!(matches!(revoke.enquiry, Enquiry::Revoke(_)));
    world.verdict(&ask, due(578));
    assert_eq!(code(&world.answer()), "57");
    assert!(world.asked_maybe().is_none());
    let mut world = World::bare(asking());
    world.know(Fact::Linked(linked()));
    world.know(Fact::Customer(crate::world::customer(KycStatus::Rejected)));
    world.begin();
    world.tell(received(bill(7, POWER)));
    assert_eq!(code(&world.answer()), "62");
    assert!(world.asked_maybe().is_none(), "who may not pay is not asked about");
}
