//! Cards that stand for linked accounts (http-contracts 4.1, DE2).

use crate::world::{
    ACCOUNT, ATM, World, code, customer, failed, initiated, linked, order, plan, received, request,
    status, tag,
};
use veksel_codecs::{Message, Mti, field};
use veksel_core::enquiry::{Balances, Call, ConsentState, Enquiry, Failed, Failure, Told, Verdict};
use veksel_core::fact::{ConsentStatus, Fact, KycStatus, Linked, PaymentStatus};
use veksel_core::record::CardNumber;
use veksel_core::{Input, Output, Record};

const CARD: &str = "4111111111111111";

fn call(account: &str, number: &str, is_over: bool) -> Call {
    Call::Card {
        account: account.into(),
        customer: Some("c-1".into()),
        card: CardNumber::new(number),
        is_over,
    }
}

fn carded() -> World {
    let mut world = World::linked();
    world.call(call(ACCOUNT, CARD, false));
    assert_eq!(world.told(), Told::Noted);
    world
}

/// A request that names a card and no account.
fn by_card(code: &str, stan: u64, amount: u64, number: &str) -> Message {
    let mut message = request(code, stan, amount);
    message.remove(field::ACCOUNT);
    message.set(field::PAN, number);
    message
}

#[test]
fn a_card_stands_for_its_account_in_every_request_and_survives_a_restart() {
    let mut world = carded();
    for restarted in [false, true] {
        if restarted {
            world.restart();
            world.tell(Input::LinkUp(ATM));
        }
        world.tell(received(by_card("310000", 7, 0, CARD)));
        let ask = world.asked();
        let Enquiry::Balances { account, .. } = &ask.enquiry else { panic!("{ask:?}") };
        assert_eq!(account.iban, ACCOUNT);
        let balances = Balances { ledger: 1, available: 1, currency: 578 };
        world.verdict(&ask, Verdict::Balances(balances));
        let answer = world.answer();
        assert_eq!(code(&answer), "00");
        assert!(!answer.has(field::ACCOUNT), "whoever has the card does not learn the account");
    }
    world.tell(received(by_card("000000", 8, 15_000, CARD)));
    let ask = world.asked();
    assert_eq!((order(&ask).debtor.iban.as_str(), order(&ask).amount.minor), (ACCOUNT, 15_000));
    world.verdict(&ask, initiated(PaymentStatus::Received));
    assert_eq!(code(&world.answer()), "09");
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Settled));
    world.pass(1);
    let advice = world.answer();
    assert_eq!((advice.mti().as_str(), code(&advice).as_str()), ("0620", "00"));
    assert!(!advice.has(field::ACCOUNT), "nor does it learn it from an advice");
}

#[test]
fn no_record_holds_the_number_of_a_card() {
    let world = carded();
    let facts: Vec<_> = world
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Fact(known) if matches!(known.fact, Fact::Card(_)) => Some(known),
            _ => None,
        })
        .collect();
    assert_eq!(facts.len(), 1);
    assert!(!format!("{:?} {}", facts[0], facts[0].fact.key()).contains(CARD));
    // Two switches with keys of their own know it by different digests.
    let mut other = plan();
    other.digest_key = veksel_core::plan::DigestKey([8; 32]);
    let mut other = World::linked_with(other);
    other.call(call(ACCOUNT, CARD, false));
    let keys = [&world, &other].map(|world| match &world.journal.last().unwrap().1 {
        Record::Fact(known) => known.fact.key(),
        other => panic!("{other:?}"),
    });
    assert_ne!(keys[0], keys[1]);
    assert!(!format!("{:?}", call(ACCOUNT, CARD, false)).contains(CARD));
}

#[test]
fn an_account_counts_before_a_card_and_a_card_that_is_not_known_is_of_the_hosts() {
    let mut world = carded();
    let mut both = by_card("310000", 7, 0, CARD);
    both.set(field::ACCOUNT, "10000000001");
    for message in [both, by_card("310000", 8, 0, "5555555555554444")] {
        world.tell(received(message));
        assert!(world.asked_maybe().is_none());
        assert_eq!(code(&world.answer()), "91", "no host is signed on");
    }
    // A deposit is not from the account of the card.
    world.tell(received(by_card("210000", 9, 100, CARD)));
    assert_eq!(code(&world.answer()), "91");
}

#[test]
fn a_card_is_given_up_and_goes_with_its_link() {
    let balance = |world: &mut World| {
        world.tell(received(by_card("310000", 7, 0, CARD)));
        match world.asked_maybe() {
            Some(ask) => {
                world.verdict(&ask, failed(Failed::Unavailable, false));
                world.answer();
                true
            }
            None => {
                world.answer();
                false
            }
        }
    };
    let mut world = carded();
    assert!(balance(&mut world));
    world.call(call("10000000001", CARD, true));
    assert_eq!(world.told(), Told::Unknown, "of another account");
    world.call(call(ACCOUNT, CARD, true));
    assert_eq!(world.told(), Told::Noted);
    assert!(!balance(&mut world));
    world.call(call(ACCOUNT, CARD, true));
    assert_eq!(world.told(), Told::Unknown);

    let mut world = carded();
    world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
    world.seen.retain(|output| !matches!(output, Output::Ask { .. } | Output::Tell { .. }));
    world.know(Fact::Linked(linked()));
    assert!(!balance(&mut world), "whoever has the account next has no cards of others");

    // The same when somebody else links what was left, and a bank agrees to it.
    let mut world = carded();
    world.know(Fact::Linked(Linked { status: ConsentStatus::Gone, ..linked() }));
    let (bank, currency, iban) = ("dnb".into(), 578, ACCOUNT.to_owned());
    let link = Call::Link { account: iban.clone(), bank, iban, currency, customer: "c-2".into() };
    world.call(link);
    let ask = world.asked();
    let consent = "consent-2".to_owned();
    world.verdict(&ask, Verdict::ConsentAsked { consent, approve: None });
    let ask = world.pass_until_asked(5_000).unwrap();
    let (resource, until) = ("r-2".to_owned(), Some(linked().until));
    world.verdict(&ask, Verdict::Consent { state: ConsentState::Valid, resource, until });
    world.seen.clear();
    assert!(!balance(&mut world));
}

#[test]
fn who_may_not_have_a_card_is_told_so() {
    let mut world = carded();
    world.call(call(ACCOUNT, CARD, false));
    assert_eq!(world.told(), Told::Noted, "it has it already");
    world.call(call("10000000001", "4000000000000002", false));
    assert_eq!(world.told(), Told::Unknown, "no such account");
    let other = Linked { account: "10000000002".into(), state: [4; 16], ..linked() };
    world.know(Fact::Linked(other));
    world.call(call("10000000002", CARD, false));
    assert_eq!(world.told(), Told::Failed(Failure::before(Failed::Duplicate)));
    for number in 0..15 {
        world.call(call(ACCOUNT, &format!("40000000000{number:05}"), false));
        assert_eq!(world.told(), Told::Noted, "{number}");
    }
    world.call(call(ACCOUNT, "4999999999999999", false));
    assert_eq!(world.told(), Told::Failed(Failure::before(Failed::OverCount)));
    let gone = Linked { status: ConsentStatus::Gone, ..linked() };
    world.know(Fact::Linked(gone));
    world.call(call(ACCOUNT, "4888888888888888", false));
    assert_eq!(world.told(), Told::Unknown, "its consent is over");
}

#[test]
fn a_card_is_linked_by_message() {
    let mut plan = plan();
    plan.participants[0].file_actions = true;
    let mut world = World::bare(plan);
    world.know(Fact::Linked(linked()));
    world.know(Fact::Customer(customer(KycStatus::Approved)));
    world.begin();
    let action = |file: &str, card: Option<&str>, customer: &str| {
        let mut message = request("000000", 9, 0);
        message.set_mti(Mti::parse("0302").unwrap());
        message.set(field::FILE_NAME, file);
        if let Some(card) = card {
            message.set(field::PAN, card);
        }
        message.set(field::ADDITIONAL_DATA, customer);
        message
    };
    for (file, card, customer, expected) in [
        ("CARD", None, "4203c-1", "30"),
        ("CARD", Some(CARD), "", "30"),
        ("CARD", Some(CARD), "4203c-2", "25"),
        ("UNCARD", Some(CARD), "", "25"),
        ("CARD", Some(CARD), "4203c-1", "00"),
        ("CARD", Some(CARD), "4203c-1", "00"),
        ("CARD", Some(CARD), "4203c-2", "25"),
        ("UNCARD", Some(CARD), "4203c-2", "25"),
        ("UNCARD", Some(CARD), "", "00"),
    ] {
        world.tell(received(action(file, card, customer)));
        let answer = world.answer();
        assert_eq!(code(&answer), expected, "{file} {card:?}");
        assert_eq!(tag(&answer, "P1"), None);
    }
}
