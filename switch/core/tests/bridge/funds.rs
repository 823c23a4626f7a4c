//! Whether an amount is there (DE3 30 with DE4), and reads that are counted and forgotten.

use crate::world::{ACCOUNT, World, code, failed, plan, received, request};
use veksel_codecs::{Message, Mti, field};
use veksel_core::enquiry::{Ask, Balances, Call, Enquiry, Failed, Money, Told, Verdict};
use veksel_core::fact::{Fact, Reads};
use veksel_core::{ParticipantId, Record};

fn question(amount: u64) -> Message {
    let mut question = request("300000", 7, amount);
    question.set_mti(Mti::parse("0100").unwrap());
    question
}

const BALANCES: Balances = Balances { ledger: 5_000, available: 900, currency: 578 };

#[test]
fn an_amount_is_confirmed_by_the_bank() {
    let cases = [
        (Verdict::Funds(true), "00"),
        (Verdict::Funds(false), "51"),
        (failed(Failed::Unavailable, false), "91"),
        (failed(Failed::NotPermitted, false), "57"),
        (failed(Failed::NoAccount, false), "14"),
        (failed(Failed::Late, false), "68"),
    ];
    for (verdict, expected) in cases {
        let mut world = World::linked();
        // What was there a while ago confirms nothing.
        world.tell(received(request("310000", 6, 0)));
        let ask = world.asked();
        world.verdict(&ask, Verdict::Balances(BALANCES));
        world.answer();
        world.tell(received(question(900)));
        let ask = world.asked();
        let Enquiry::Funds { amount, .. } = ask.enquiry else { panic!("{ask:?}") };
        assert_eq!(amount, Money { minor: 900, currency: 578 });
        world.verdict(&ask, verdict);
        let answer = world.answer();
        assert_eq!(code(&answer), expected);
        assert!(!answer.has(field::ADDITIONAL_AMOUNTS) && !answer.has(field::APPROVAL));
        assert!(world.outcomes().is_empty() && world.switch.is_idle(), "nothing is reserved");
    }
}

/// A bank that does not confirm amounts was asked about one, and is asked for its balances.
fn unconfirmed(question: Message) -> (World, Box<Ask>) {
    let mut world = World::linked();
    world.tell(received(question));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::NotSupported, false));
    let ask = world.asked();
    (world, ask)
}

#[test]
fn where_amounts_are_not_confirmed_the_balances_say_it() {
    for (amount, expected) in [(900, "00"), (901, "51")] {
        let (mut world, ask) = unconfirmed(question(amount));
        assert!(matches!(ask.enquiry, Enquiry::Balances { .. }), "{ask:?}");
        world.verdict(&ask, Verdict::Balances(BALANCES));
        let answer = world.answer();
        assert_eq!(code(&answer), expected, "{amount}");
        let amounts = answer.get(field::ADDITIONAL_AMOUNTS).unwrap().to_string();
        assert_eq!(amounts, "0001578C0000000050000002578C000000000900");
    }
    // Neither of both, and what cannot be compared.
    let mut world = World::linked();
    world.tell(received(question(100)));
    for _ in 0..2 {
        let ask = world.asked();
        world.verdict(&ask, failed(Failed::NotSupported, false));
    }
    assert_eq!(code(&world.answer()), "40");
    assert!(world.asked_maybe().is_none());
    let mut euros = question(100);
    euros.set(field::CURRENCY, 978);
    world.tell(received(euros));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::NotSupported, false));
    let ask = world.asked();
    world.verdict(&ask, Verdict::Balances(BALANCES));
    assert_eq!(code(&world.answer()), "12");
}

#[test]
fn an_account_that_is_unlinked_meanwhile_does_not_make_an_amount_there() {
    for (amount, expected) in [(900, "00"), (901, "51")] {
        let (mut world, ask) = unconfirmed(question(amount));
        world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
        assert_eq!(world.told(), Told::Noted);
        world.asked();
        world.verdict(&ask, Verdict::Balances(BALANCES));
        assert_eq!(code(&world.answer()), expected, "{amount}");
        assert!(world.switch.is_idle());
    }
    // Nor is the bank asked in another way about what is no longer linked.
    let mut world = World::linked();
    world.tell(received(question(900)));
    let ask = world.asked();
    world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
    world.asked();
    world.verdict(&ask, failed(Failed::NotSupported, false));
    assert_eq!(code(&world.answer()), "40");
    assert!(world.asked_maybe().is_none());
}

#[test]
fn no_answer_about_an_amount_keeps_a_channel_waiting() {
    let mut world = World::linked();
    world.tell(received(question(100)));
    let ask = world.asked();
    world.pass(8_000);
    assert_eq!(code(&world.answer()), "68");
    world.verdict(&ask, Verdict::Funds(true));
    assert!(world.sent().is_empty() && world.switch.is_idle());
}

fn reads(world: &World) -> Vec<Reads> {
    let of = |(_, record): &(_, Record)| match record {
        Record::Fact(known) => match &known.fact {
            Fact::Reads(reads) => Some(reads.clone()),
            _ => None,
        },
        _ => None,
    };
    world.journal.iter().filter_map(of).collect()
}

#[test]
fn reads_are_forgotten_when_they_no_longer_count() {
    let mut plan = plan();
    plan.banks[0].attended = vec![ParticipantId(7)];
    for restarts in [false, true] {
        let mut world = World::linked_with(plan.clone());
        world.tell(received(request("310000", 6, 0)));
        let ask = world.asked();
        // The consent is over, and nobody will read under it again.
        world.verdict(&ask, failed(Failed::NotPermitted, false));
        world.sent();
        assert_eq!(reads(&world).last().unwrap().at.len(), 1);
        world.pass(24 * 3_600_000 - 1);
        assert_eq!(reads(&world).last().unwrap().at.len(), 1, "it still counts");
        if restarts {
            world.restart();
        }
        world.pass(3_600_000);
        assert!(reads(&world).last().unwrap().at.is_empty());
        let count = reads(&world).len();
        world.pass(48 * 3_600_000);
        assert_eq!(reads(&world).len(), count, "once");
    }
}
