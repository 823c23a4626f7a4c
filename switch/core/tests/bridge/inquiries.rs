//! Balances and statements of linked accounts.

use crate::world::{
    ATM, World, code, failed, initiated, linked, payment, plan, received, request, tag,
};
use veksel_codecs::field;
use veksel_codecs::structured::{parse_amounts, table};
use veksel_core::enquiry::{Balances, Enquiry, Failed, Line, Verdict};
use veksel_core::fact::{ConsentStatus, Endpoint, Fact, Linked, PaymentStatus};
use veksel_core::{Carried, Event, Input, Kind, Output, ParticipantId, Record, Utc};

const BALANCES: Balances = Balances { ledger: 4_523_000, available: 4_500_000, currency: 578 };

fn balance(world: &mut World) {
    world.tell(received(request("311000", 7, 0)));
}

fn answered(world: &mut World, verdict: Verdict) -> veksel_codecs::Message {
    balance(world);
    let ask = world.asked();
    world.verdict(&ask, verdict);
    world.answer()
}

#[test]
fn a_balance_is_live_then_cached_with_its_age_then_91_after_a_day() {
    let mut world = World::linked();
    let answer = answered(&mut world, Verdict::Balances(BALANCES));
    assert_eq!(code(&answer), "00");
    let amounts = parse_amounts(&answer.get(field::ADDITIONAL_AMOUNTS).unwrap()).unwrap();
    assert_eq!((amounts[0].minor, amounts[1].minor), (4_523_000, 4_500_000));
    assert_eq!((&amounts[0].account_type, amounts[0].currency), (b"10", 578));
    assert_eq!(tag(&answer, "P4"), None, "it is live");

    world.pass(90 * 60_000);
    let answer = answered(&mut world, failed(Failed::Unavailable, false));
    assert_eq!((code(&answer).as_str(), tag(&answer, "P4").as_deref()), ("00", Some("90")));
    assert!(world.has_event(|e| matches!(e, Event::Cached { is_stale: false, .. })));

    world.pass(11 * 3_600_000);
    let answer = answered(&mut world, failed(Failed::Malfunction, false));
    assert_eq!(tag(&answer, "P4").as_deref(), Some("750"));
    assert!(world.has_event(|e| matches!(e, Event::Cached { is_stale: true, .. })), "over 12 h");

    world.restart();
    world.tell(Input::LinkUp(ATM));
    world.pass(24 * 3_600_000 - 750 * 60_000);
    let answer = answered(&mut world, failed(Failed::BreakerOpen, false));
    assert_eq!(code(&answer), "00", "exactly a day old");
    world.pass(1);
    let answer = answered(&mut world, failed(Failed::Unavailable, false));
    assert_eq!(code(&answer), "91");
    assert!(!answer.has(field::ADDITIONAL_AMOUNTS));
}

#[test]
fn without_a_cache_every_failure_has_its_code() {
    for (why, expected) in [
        (Failed::Unavailable, "91"),
        (Failed::Limited, "91"),
        (Failed::Late, "68"),
        (Failed::Malfunction, "96"),
        (Failed::Restricted, "62"),
        (Failed::NoAccount, "14"),
    ] {
        let mut world = World::linked();
        let answer = answered(&mut world, failed(why, false));
        assert_eq!(code(&answer), expected, "{why:?}");
    }
}

#[test]
fn a_refusal_is_not_covered_by_the_cache() {
    let mut world = World::linked();
    answered(&mut world, Verdict::Balances(BALANCES));
    let answer = answered(&mut world, failed(Failed::Restricted, false));
    assert_eq!(code(&answer), "62");
}

#[test]
fn a_consent_that_is_over_is_57_and_remembered() {
    let mut world = World::linked();
    answered(&mut world, Verdict::Balances(BALANCES));
    let answer = answered(&mut world, failed(Failed::NotPermitted, false));
    assert_eq!(code(&answer), "57");
    balance(&mut world);
    assert_eq!(code(&world.answer()), "57");
    assert!(world.asked_maybe().is_none(), "the bank is not asked in vain");

    let mut plan = plan();
    plan.banks[0].cache_without_consent = true;
    let mut world = World::linked_with(plan);
    answered(&mut world, Verdict::Balances(BALANCES));
    let answer = answered(&mut world, failed(Failed::NotPermitted, false));
    assert_eq!(code(&answer), "00");
}

#[test]
fn a_consent_ends_by_the_calendar_too() {
    let mut world = World::linked();
    world.pass(90 * 24 * 3_600_000);
    balance(&mut world);
    assert_eq!(code(&world.answer()), "57");
    let status = world.journal.iter().rev().find_map(|(_, record)| match record {
        Record::Fact(known) => match &known.fact {
            Fact::Linked(linked) => Some(linked.status),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(status, Some(ConsentStatus::Expired));
}

#[test]
fn four_reads_a_day_without_the_customer_and_the_fifth_is_refused_here() {
    let mut plan = plan();
    plan.banks[0].attended = vec![ParticipantId(7)];
    let mut world = World::linked_with(plan);
    for _ in 0..4 {
        let answer = answered(&mut world, Verdict::Balances(BALANCES));
        assert_eq!(code(&answer), "00");
        world.pass(3_600_000);
    }
    balance(&mut world);
    assert!(world.asked_maybe().is_none(), "no call is made");
    let answer = world.answer();
    assert_eq!((code(&answer).as_str(), tag(&answer, "P4").as_deref()), ("00", Some("60")));
    world.restart();
    world.tell(Input::LinkUp(ATM));
    // Another endpoint has a count of its own.
    world.tell(received(request("381000", 8, 0)));
    assert_eq!(counted_after(&world), Some(Endpoint::Transactions), "recorded before it leaves");
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Transactions { is_attended: false, .. }));
    world.verdict(&ask, failed(Failed::Unavailable, false));
    world.sent();
    // The first may have been on its way to the bank for a minute.
    world.pass(20 * 3_600_000 + 59_999);
    balance(&mut world);
    assert!(world.asked_maybe().is_none(), "for the bank it may be the fifth of a day");
    world.sent();
    world.pass(1);
    balance(&mut world);
    assert_eq!(counted_after(&world), Some(Endpoint::Balances));
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Balances { is_attended: false, .. }));
}

/// The read whose record the only enquiry waits for.
fn counted_after(world: &World) -> Option<Endpoint> {
    let after = world.seen.iter().find_map(|output| match output {
        Output::Ask { after, .. } => Some(*after),
        _ => None,
    })??;
    world.journal.iter().find(|(id, _)| *id == after).and_then(|(_, record)| match record {
        Record::Fact(known) => match &known.fact {
            Fact::Reads(reads) => Some(reads.endpoint),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn whom_the_customer_stands_before_may_read_without_limit() {
    let mut world = World::linked();
    for _ in 0..9 {
        balance(&mut world);
        let ask = world.asked();
        assert!(matches!(ask.enquiry, Enquiry::Balances { is_attended: true, .. }));
        world.verdict(&ask, Verdict::Balances(BALANCES));
        assert_eq!(code(&world.answer()), "00");
    }
}

#[test]
fn a_statement_has_lines_and_balances() {
    let mut world = World::linked();
    let mut message = request("381000", 7, 0);
    message.set(field::ADDITIONAL_DATA, "010205");
    world.tell(received(message));
    let ask = world.asked();
    assert!(matches!(&ask.enquiry, Enquiry::Transactions { most: 5, .. }));
    let line = |amount| Line {
        booked: Utc(1_795_000_000_000),
        amount,
        currency: 578,
        text: "632516000124 ATM00017".into(),
    };
    let lines = vec![line(-15_000), line(20_000)];
    world.verdict(&ask, Verdict::Transactions { lines, balances: Some(BALANCES) });
    let answer = world.answer();
    assert_eq!(code(&answer), "00");
    let text = answer.get(field::ADDITIONAL_DATA).unwrap().to_string();
    let table = table::Table::parse(&text, "").unwrap();
    assert_eq!((table.rows().len(), table.cell(0, "DR_CR")), (2, Some("D")));
    assert!(answer.has(field::ADDITIONAL_AMOUNTS));
}

#[test]
fn an_adapter_that_never_answers_does_not_keep_a_channel_waiting() {
    let mut world = World::linked();
    balance(&mut world);
    let ask = world.asked();
    world.pass(8_000);
    assert_eq!(code(&world.answer()), "68");
    assert!(world.switch.is_idle());
    world.verdict(&ask, Verdict::Balances(BALANCES));
    assert!(world.sent().is_empty());
    let answer = answered(&mut world, failed(Failed::Unavailable, false));
    assert_eq!(code(&answer), "91", "what nobody waited for was not kept");
}

#[test]
fn accounts_that_are_not_linked_go_to_the_bank_of_their_route() {
    let mut world = World::linked();
    let mut message = request("311000", 7, 0);
    message.set(field::ACCOUNT, "10000000001");
    world.tell(received(message));
    assert_eq!(code(&world.answer()), "91", "its host is not connected");
    assert!(world.asked_maybe().is_none());
}

#[test]
fn a_balance_of_one_owner_is_never_shown_to_the_next() {
    let mut world = World::linked();
    answered(&mut world, Verdict::Balances(BALANCES));
    world.restart();
    world.tell(Input::LinkUp(ATM));
    world.know(Fact::Linked(Linked { customer: "c-2".into(), state: [4; 16], ..linked() }));
    let answer = answered(&mut world, failed(Failed::Unavailable, false));
    assert_eq!(code(&answer), "91");
}

#[test]
fn a_trace_in_de59_leads_to_the_calls_and_goes_back_unaltered() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut world = World::linked();
    let asked = |world: &mut World, stan, echo: Option<&str>| {
        let mut message = request("311000", stan, 0);
        if let Some(echo) = echo {
            message.set(field::ECHO_DATA, echo);
        }
        world.tell(received(message));
        let ask = world.asked();
        world.verdict(&ask, Verdict::Balances(BALANCES));
        let back = world.answer().get(field::ECHO_DATA).map(|text| String::from(&*text));
        (ask.trace, back)
    };
    let traced = asked(&mut world, 7, Some(given));
    assert_eq!(traced, (given.to_owned(), Some(given.to_owned())));
    // What names no trace is echoed and leaves for nobody else.
    let (trace, back) = asked(&mut world, 8, Some("branch 17"));
    assert!(trace.starts_with("txn-"), "{trace}");
    assert_eq!(back.as_deref(), Some("branch 17"));
    let (trace, back) = asked(&mut world, 9, None);
    assert!(trace.starts_with("txn-") && back.is_none(), "{trace}");
}

#[test]
fn what_traces_want_to_know_of_a_request_is_said_if_it_is_wanted() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let carried = |world: &World| -> Vec<Carried> {
        let carried = world.seen.iter().filter_map(|output| match output {
            Output::Count(Event::Carried(carried)) => Some(*carried),
            _ => None,
        });
        carried.collect()
    };
    for is_wanted in [false, true] {
        let mut world = World::linked();
        if is_wanted {
            world.switch.say_carried();
        }
        let mut inquiry = request("311000", 7, 0);
        inquiry.set(field::ECHO_DATA, given);
        world.tell(received(inquiry));
        let ask = world.asked();
        world.pass(40);
        world.verdict(&ask, Verdict::Balances(BALANCES));
        // A payment that its bank takes in, and which is asked about afterwards.
        let mut order = payment(8);
        order.set(field::ECHO_DATA, given);
        world.tell(received(order));
        let ordered = world.asked();
        world.verdict(&ordered, initiated(PaymentStatus::Received));
        let poll = world.pass_until_asked(2_000).unwrap();
        for ask in [&ask, &ordered, &poll] {
            assert_eq!(ask.trace, given, "{ask:?}");
        }
        assert_eq!(ordered.txn, poll.txn);
        // And one that is refused at once.
        let mut nobody = payment(9);
        nobody.set(field::ACCOUNT, "NO0000000000000");
        world.tell(received(nobody));
        let said = carried(&world);
        if !is_wanted {
            assert_eq!(said, []);
            continue;
        }
        let [first, second, third] = said.as_slice() else { panic!("{said:?}") };
        let named = first.named.unwrap();
        assert_eq!(named.trace[..4], [0x4b, 0xf9, 0x2f, 0x35]);
        assert_eq!(named.parent, Some(([0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7], true)));
        assert_eq!((first.txn, first.route, first.kind), (ask.txn, Some(0), Kind::Inquiry));
        assert_eq!((first.mti.as_str(), first.response.as_str()), ("0200", "00"));
        assert_eq!(first.elapsed, 40_000_000);
        assert_eq!((second.txn, second.named), (ordered.txn, Some(named)));
        assert_eq!((second.mti.as_str(), second.response.as_str()), ("0200", "09"));
        assert_eq!((third.named, third.mti.as_str()), (None, "0200"));
        assert!(!third.response.is_approval(), "{third:?}");
    }
}
