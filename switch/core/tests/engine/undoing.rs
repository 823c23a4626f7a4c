//! What a channel hears that asks (0600) after a payment that is undone.

use super::money::reversing;
use super::*;
use veksel_codecs::structured::tags;

/// How the payment with the number 7 ended.
fn question() -> Message {
    let mut message = payment(7);
    message.set_mti(Mti::parse("0600").unwrap());
    message
}

/// Asks, and gives DE39, what DE48 says of the reversal, and the record the answer waits for.
fn asked(world: &mut World) -> (String, Option<String>, Option<RecordId>) {
    world.take();
    world.tell(received(ATM, question()));
    let mut answers = world.take().into_iter().filter_map(|output| match output {
        Output::Send { connection: ATM, message, after, .. } => Some((message, after)),
        _ => None,
    });
    let (answer, after) = answers.next().expect("an answer");
    assert_eq!(answer.mti().as_str(), "0610");
    let said = answer.get(field::ADDITIONAL_DATA).map(|text| text.to_string());
    let stage = said.and_then(|text| tags::find(&text, tags::REVERSAL).map(str::to_owned));
    (code(&answer), stage, after)
}

/// That it says this in memory, after a restart, and when only the journal knows of it.
fn check(world: &mut World, stage: Option<&str>) {
    let expected = ("68".to_owned(), stage.map(str::to_owned));
    let (code, said, after) = asked(world);
    assert_eq!((code, said), expected);
    let step = world.journal.iter().rfind(|(_, record)| match record {
        Record::Reversal(reversal) => !matches!(reversal.step, ReversalStep::Sent { .. }),
        _ => false,
    });
    assert!(after >= step.map(|(id, _)| *id), "nothing is said that is not durable");
    let mut restarted = World::new(plan());
    restarted.recover(world);
    restarted.tell(Input::LinkUp(ATM));
    let (code, said, _) = asked(&mut restarted);
    assert_eq!((code, said), expected, "after a restart");
    let mut forgetful = World::online();
    forgetful.journal.clone_from(&world.journal);
    let (code, said, _) = asked(&mut forgetful);
    assert_eq!((code, said), expected, "from the journal");
}

fn decide(world: &mut World, action: Action) {
    let (operator, reason) = ("kari".to_owned(), "ticket 7".to_owned());
    let txn = veksel_core::TxnId(1);
    world.tell(Input::Operator(Command { txn, operator, reason, action }));
}

#[test]
fn what_is_undone_is_reversed_only_when_its_bank_has_said_so() {
    let (mut world, reversal) = reversing();
    check(&mut world, Some("reversing"));
    // A bank that is unwell has confirmed nothing.
    world.tell(received(BANK, answer_to(&reversal, "96")));
    check(&mut world, Some("reversing"));
    let repeat = loop {
        world.pass(1_000);
        if let Some(repeat) = world.all_sent_to(BANK).into_iter().find(|m| m.mti().is_repeat()) {
            break repeat;
        }
    };
    world.tell(received(BANK, answer_to(&repeat, "00")));
    assert_eq!(world.switch.reversals_open(), 0);
    check(&mut world, Some("reversed"));
    // Who sends the payment again hears what it always heard.
    world.tell(received(ATM, payment(7)));
    let again = world.sent_to(ATM);
    assert_eq!((code(&again).as_str(), again.has(field::ADDITIONAL_DATA)), ("68", false));
}

#[test]
fn what_its_bank_does_not_undo_waits_for_a_person_and_is_not_reversed() {
    let (mut world, reversal) = reversing();
    world.tell(received(BANK, answer_to(&reversal, "30")));
    check(&mut world, Some("parked"));
    decide(&mut world, Action::Retry);
    check(&mut world, Some("reversing"));
    decide(&mut world, Action::Park);
    check(&mut world, Some("parked"));
    decide(&mut world, Action::Resolve);
    check(&mut world, Some("resolved"));
}

#[test]
fn an_approval_that_was_not_delivered_is_reversing_and_one_that_was_is_what_it_was() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "00")));
    let tag = world.take().into_iter().find_map(|output| match output {
        Output::Send { tag, .. } => tag,
        _ => None,
    });
    let (code, stage, _) = asked(&mut world);
    assert_eq!((code.as_str(), stage), ("00", None));
    world.tell(Input::Unsent { tag: tag.unwrap(), why: Unsent::Closed });
    check(&mut world, Some("reversing"));
}

#[test]
fn what_the_bank_itself_does_not_know_is_not_said_to_be_undone() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "68")));
    assert_eq!(world.switch.reversals_open(), 0);
    check(&mut world, None);
}
