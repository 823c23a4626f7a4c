//! Who a channel is and what it may claim to be (guarantees 5.2, G14).

use crate::{ATM, BANK, World, answer_to, balance, code, payment, plan, received};
use veksel_codecs::structured::tags;
use veksel_codecs::{Message, Mti, field};
use veksel_core::plan::{Grant, Grants, LinkRole, ParticipantPlan, Plan, Span};
use veksel_core::record::CallerKey;
use veksel_core::{Event, Input, Output, ParticipantId, Record, Resume, TxnId, Unreadable, Unsent};

/// Two participants on one listener: the first is granted DE32 500001 and terminals ATM…, the
/// second nothing of DE32 at all.
fn shared() -> Plan {
    let mut plan = plan();
    plan.links[0].role = LinkRole::Identified;
    let grant = |spans: &[Span]| Grant { spans: Some(spans.to_vec()) };
    plan.participants[0].grants = Grants {
        acquirers: grant(&[Span::Exact("500001".into())]),
        terminals: grant(&[Span::Prefix("ATM".into())]),
        ..Grants::default()
    };
    plan.participants.push(ParticipantPlan {
        grants: Grants { acquirers: grant(&[]), ..Grants::default() },
        ..ParticipantPlan::named("other")
    });
    plan
}

fn identified(participant: u16) -> Input {
    Input::Identified { connection: ATM, participant: ParticipantId(participant) }
}

fn notices(world: &World) -> Vec<String> {
    let notice = |(_, record): &(_, Record)| match record {
        Record::Notice(notice) => Some(format!("{}: {}", notice.action, notice.detail)),
        _ => None,
    };
    world.journal.iter().filter_map(notice).collect()
}

#[test]
fn a_connection_acts_as_whom_it_was_identified() {
    let mut world = World::online_with(shared());
    world.tell(identified(0));
    let (request, tag) = {
        world.tell(received(ATM, payment(7)));
        world.request()
    };
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    let intents: Vec<_> = world
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Intent(intent) => Some(intent.key.participant.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(intents, ["channels"]);
}

#[test]
fn nobody_acts_on_a_connection_that_was_not_identified() {
    let mut world = World::online_with(shared());
    world.tell(received(ATM, payment(7)));
    let outputs = world.take();
    assert!(outputs.is_empty(), "{outputs:?}");
    assert!(world.switch.is_idle());
    // Nor as somebody the plan does not know.
    world.tell(identified(9));
    world.tell(received(ATM, payment(7)));
    assert!(world.take().is_empty());
}

#[test]
fn an_identity_ends_with_its_connection() {
    let mut world = World::online_with(shared());
    world.tell(identified(0));
    world.tell(Input::LinkDown(ATM));
    world.tell(Input::LinkUp(ATM));
    world.tell(received(ATM, payment(7)));
    assert!(world.take().is_empty());
}

#[test]
fn what_is_not_granted_is_answered_58_goes_nowhere_and_is_recorded() {
    let mut world = World::online_with(shared());
    world.tell(identified(0));
    let mut foreign = payment(7);
    foreign.set(field::ACQUIRER, "500002");
    world.tell(received(ATM, foreign));
    let outputs = world.take();
    let ungranted = outputs.iter().any(|output| {
        matches!(output, Output::Count(Event::Ungranted { field, recorded: true, .. })
            if *field == field::ACQUIRER.number())
    });
    assert!(ungranted, "{outputs:?}");
    let sent: Vec<&Message> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { connection, message, .. } => {
                assert_eq!(*connection, ATM, "nothing goes to the bank");
                Some(message)
            }
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].mti().as_str(), code(sent[0]).as_str()), ("0210", "58"));
    assert_eq!(sent[0].get(field::STAN), Some(7));
    assert!(!sent[0].has(field::PIN_BLOCK));
    assert!(world.switch.is_idle());
    let [notice] = &notices(&world)[..] else { panic!("{:?}", notices(&world)) };
    assert!(notice.starts_with("not-granted: participant channels sent 0200 with DE32 outside"));
    assert!(!notice.contains("500002"), "a record says no value: {notice}");
}

#[test]
fn the_other_participant_of_a_listener_cannot_use_the_first_ones_terminals() {
    let mut world = World::online_with(shared());
    world.tell(identified(1));
    world.tell(received(ATM, payment(7)));
    assert_eq!(code(&world.sent_to(ATM)), "58", "an empty list grants nothing");
    let mut silent = balance(8);
    silent.remove(field::ACQUIRER);
    world.tell(received(ATM, silent));
    let request = world.sent_to(BANK);
    assert!(!request.has(field::ACQUIRER), "a field that is not there claims nothing");
}

#[test]
fn every_kind_of_request_is_looked_at() {
    for mti in ["0100", "0200", "0120", "0220", "0400", "0420", "0800"] {
        let mut world = World::online_with(shared());
        world.tell(identified(0));
        let mut message = payment(7);
        message.set_mti(Mti::parse(mti).unwrap());
        message.set(field::TERMINAL, "POS00017");
        message.set(field::NETWORK_CODE, 301);
        world.tell(received(ATM, message));
        assert_eq!(code(&world.sent_to(ATM)), "58", "{mti}");
    }
}

/// A peer that has a certificate must not be able to fill the journal.
#[test]
fn many_claims_are_recorded_once_in_a_while_and_counted() {
    let mut world = World::online_with(shared());
    world.tell(identified(0));
    let claim = |world: &mut World, stan| {
        let mut foreign = payment(stan);
        foreign.set(field::TERMINAL, "POS00017");
        world.tell(received(ATM, foreign));
        assert_eq!(code(&world.sent_to(ATM)), "58");
    };
    for stan in 1..=50 {
        claim(&mut world, stan);
    }
    assert_eq!(notices(&world).len(), 1);
    world.pass(10_000);
    claim(&mut world, 51);
    let notices = notices(&world);
    assert_eq!(notices.len(), 2);
    assert!(notices[1].ends_with("49 more before that were not recorded"), "{}", notices[1]);
}

#[test]
fn who_stamps_anew_is_recognised_without_the_time_by_memory_and_by_the_store() {
    let plan = || {
        let mut plan = plan();
        plan.participants[0].stamps_anew = true;
        plan
    };
    let mut world = World::online_with(plan());
    let (request, _) = world.payment();
    let answer = answer_to(&request, "00");
    world.tell(received(BANK, answer));
    let stored = veksel_core::Stored::gather(world.journal.iter().map(|(_, record)| record));
    world.take();
    let mut anew = payment(7);
    anew.set(field::TRANSMISSION, "1120142999");
    world.tell(received(ATM, anew.clone()));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    let mut other = anew.clone();
    other.set(field::AMOUNT, 77);
    world.tell(received(ATM, other));
    assert_eq!(code(&world.sent_to(ATM)), "94");
    // One that memory does not know is looked for in the store before anything is sent.
    let mut again = World::online_with(plan());
    again.answers = false;
    again.tell(received(ATM, anew.clone()));
    let find = again.take().into_iter().find_map(|output| match output {
        Output::Find { txn, .. } => Some(txn),
        Output::Send { .. } => panic!("sent before it was looked for"),
        _ => None,
    });
    // And another copy meanwhile is not a second one.
    again.tell(received(ATM, anew));
    assert_eq!(code(&again.sent_to(ATM)), "09");
    again.tell(Input::Found { txn: find.unwrap(), stored: Ok(stored) });
    assert_eq!(code(&again.sent_to(ATM)), "00");
}

/// Recorded wherever a request leads, so that the journal knows the key whatever became of it.
#[test]
fn every_message_of_a_callers_request_is_recorded_with_what_the_caller_knows_it_by() {
    let mut world = World::online();
    let posted = |message: Message, number: u8| Input::Posted {
        connection: ATM,
        message,
        caller_key: Some(CallerKey { key: [number; 16], content: [number + 100; 16] }),
    };
    let of_type = |mti: &str, stan: u64, original: &str| {
        let mut message = payment(stan);
        message.set_mti(Mti::parse(mti).unwrap());
        message.set(field::ORIGINAL_DATA, original);
        message
    };
    // A payment, what takes it back, and what completes it.
    world.tell(posted(payment(7), 1));
    let (request, tag) = world.request();
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&request, "00")));
    let original = "020000000711201428070000050000100000000000";
    world.tell(posted(of_type("0400", 8, original), 2));
    world.tell(posted(of_type("0220", 9, original), 3));
    // What nobody has seen is kept out under its own numbers, and by no key of a caller.
    let unseen = "020000007711201428070000050000100000000000";
    world.tell(posted(of_type("0400", 10, unseen), 4));
    // What comes over a channel has none.
    world.tell(received(ATM, payment(11)));
    // And what is refused is known as well.
    world.tell(Input::LinkDown(BANK));
    world.tell(posted(payment(12), 5));
    let intents = world.journal.iter().filter_map(|(_, record)| match record {
        Record::Intent(intent) => {
            let (mti, stan) = (intent.mti.as_str().to_owned(), intent.key.stan);
            Some((mti, stan, intent.caller_key.map(|of| (of.key[0], of.content[15]))))
        }
        _ => None,
    });
    let expected = [
        ("0200", 7, Some((1, 101))),
        ("0400", 8, Some((2, 102))),
        ("0220", 9, Some((3, 103))),
        ("0400", 10, Some((4, 104))),
        ("0200", 77, None),
        ("0200", 11, None),
        ("0200", 12, Some((5, 105))),
    ];
    let expected = expected.map(|(mti, stan, of)| (mti.to_owned(), stan, of));
    assert_eq!(intents.collect::<Vec<_>>(), expected);
}

/// What waits in line before its group keeps what its caller knows it by.
#[test]
fn who_waits_in_line_is_recorded_with_what_the_caller_knows_it_by() {
    let mut plan = plan();
    plan.groups[0].window_max = 1;
    plan.groups[0].queue_max = 8;
    let mut world = World::online_with(plan);
    let (request, _) = world.payment();
    let caller_key = Some(CallerKey { key: [1; 16], content: [2; 16] });
    world.tell(Input::Posted { connection: ATM, message: payment(8), caller_key });
    assert_eq!(world.journal.len(), 1, "it waits");
    world.tell(received(BANK, answer_to(&request, "00")));
    let waited = world.journal.iter().find_map(|(_, record)| match record {
        Record::Intent(intent) if intent.key.stan == 8 => Some(intent.caller_key),
        _ => None,
    });
    assert_eq!(waited, Some(caller_key));
}

/// Asks how payment 7 ended: DE39, and whether DE48 says that this is how.
fn asked(world: &mut World) -> (String, bool) {
    let mut question = payment(7);
    question.set_mti(Mti::parse("0600").unwrap());
    world.take();
    world.tell(received(ATM, question));
    let answer = world.sent_to(ATM);
    let said = answer.get(field::ADDITIONAL_DATA).map(|text| text.to_string()).unwrap_or_default();
    (code(&answer), tags::find(&said, tags::ENDED).is_some())
}

#[test]
fn who_stamps_anew_may_try_again_what_was_not_done_and_nothing_else() {
    let plan = || {
        let mut plan = plan();
        plan.participants[0].stamps_anew = true;
        plan
    };
    let at = |second: &str| {
        let mut message = payment(7);
        message.set(field::TRANSMISSION, second);
        received(ATM, message)
    };
    let host_says = |world: &mut World, second: &str, response: &str| {
        world.tell(at(second));
        let (request, tag) = world.request();
        world.tell(Input::Written(tag));
        world.tell(received(BANK, answer_to(&request, response)));
        assert_eq!(code(&world.sent_to(ATM)), response);
    };
    let not_done = |world: &mut World, second: &str| {
        world.tell(at(second));
        let (_, tag) = world.request();
        world.tell(Input::Unsent { tag, why: Unsent::Expired });
        assert_eq!(code(&world.sent_to(ATM)), "91");
        assert_eq!(asked(world), ("91".to_owned(), true));
    };
    let mut world = World::online_with(plan());
    not_done(&mut world, "1120142807");
    // Within the second it is the same message, with the same answer.
    world.tell(at("1120142807"));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    // Another payment under the same numbers is none of it.
    let mut other = payment(7);
    other.set(field::TRANSMISSION, "1120142808");
    other.set(field::AMOUNT, 77);
    world.tell(received(ATM, other));
    assert_eq!(code(&world.sent_to(ATM)), "94");
    not_done(&mut world, "1120142809");
    // Nor did its host do it, if it says so.
    host_says(&mut world, "1120142810", "90");
    // In memory, after a restart, and where only the journal knows of it: once, and not twice.
    let mut restarted = World::new(plan());
    restarted.recover(&world);
    restarted.tell(Input::LinkUp(ATM));
    restarted.sign_on(BANK);
    let mut forgetful = World::new(plan());
    let (record, txn) = (world.journal.last().unwrap().0, TxnId(100));
    forgetful.switch.recover(forgetful.now, Resume { record, txn, ..Resume::default() });
    forgetful.journal.clone_from(&world.journal);
    forgetful.tell(Input::LinkUp(ATM));
    forgetful.sign_on(BANK);
    for world in [&mut world, &mut restarted, &mut forgetful] {
        world.take();
        world.tell(at("1120142811"));
        let (request, tag) = world.request();
        world.tell(Input::Written(tag));
        world.tell(at("1120142812"));
        assert!(world.all_sent_to(BANK).is_empty(), "a copy waits");
        world.tell(received(BANK, answer_to(&request, "00")));
        let answers: Vec<_> = world.all_sent_to(ATM).iter().map(code).collect();
        assert_eq!(answers, ["00", "00"]);
        // Nor is what is paid a 91 because a clock was set back to one of the other tries.
        for second in ["1120142813", "1120142807", "1120142810"] {
            world.tell(at(second));
            assert_eq!(code(&world.sent_to(ATM)), "00", "{second}");
        }
        assert_eq!(asked(world), ("00".to_owned(), false));
    }
}

#[test]
fn a_refusal_that_is_not_durable_is_tried_again_only_once_it_is() {
    let mut plan = plan();
    plan.participants[0].stamps_anew = true;
    let mut world = World::online_with(plan);
    world.tell(Input::LinkDown(BANK));
    let at = |world: &mut World, second: &str| {
        let mut message = payment(7);
        message.set(field::TRANSMISSION, second);
        world.take();
        world.tell(received(ATM, message));
    };
    at(&mut world, "1120142807");
    assert_eq!(code(&world.sent_to(ATM)), "91");
    let recorded = world.journal.len();
    world.sign_on(BANK);
    // The store may hold its key for another that was paid.
    at(&mut world, "1120142808");
    assert_eq!(code(&world.sent_to(ATM)), "91");
    assert_eq!(world.journal.len(), recorded);
    let upto = world.journal.last().unwrap().0;
    world.tell(Input::Committed { upto, refused: Vec::new() });
    at(&mut world, "1120142809");
    let (request, _) = world.request();
    assert_eq!(request.get(field::AMOUNT), Some(4_500));
}

#[test]
fn what_is_tried_again_may_wait_in_line() {
    let mut plan = plan();
    plan.participants[0].stamps_anew = true;
    plan.groups[0].window_max = 1;
    plan.groups[0].queue_max = 8;
    let mut world = World::online_with(plan);
    world.tell(received(ATM, payment(7)));
    let (_, tag) = world.request();
    world.tell(Input::Unsent { tag, why: Unsent::Expired });
    world.tell(received(ATM, payment(8)));
    let (other, tag) = world.request();
    world.tell(Input::Written(tag));
    let mut again = payment(7);
    again.set(field::TRANSMISSION, "1120142808");
    world.tell(received(ATM, again));
    assert!(world.all_sent_to(BANK).is_empty(), "there is room for one");
    world.tell(received(BANK, answer_to(&other, "00")));
    let (request, tag) = world.request();
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
}

/// A terminal that hears 91 has ended its payment; the next has other numbers.
#[test]
fn what_a_channel_repeats_that_was_not_done_stays_so() {
    let mut world = World::online();
    world.tell(received(ATM, payment(7)));
    let (_, tag) = world.request();
    world.tell(Input::Unsent { tag, why: Unsent::Expired });
    world.take();
    let mut repeat = payment(7);
    repeat.set_mti(Mti::parse("0201").unwrap());
    repeat.set(field::TRANSMISSION, "1120142999");
    world.tell(received(ATM, repeat));
    let answers: Vec<_> = world.all_sent_to(ATM).iter().map(code).collect();
    assert_eq!(answers, ["91"]);
}

#[test]
fn while_nobody_can_tell_whether_it_was_executed_nothing_final_is_said() {
    let mut plan = plan();
    plan.limits.in_flight_max = 4;
    let mut world = World::online_with(plan);
    world.answers = false;
    let repeat = |stan: u64, mti: &str| {
        let mut message = payment(stan);
        message.set_mti(Mti::parse(mti).unwrap());
        message.set(field::ORIGINAL_DATA, "020000000711201428070000050000100000000000");
        received(ATM, message)
    };
    for (mti, expected) in [("0201", "09"), ("0400", "91")] {
        world.tell(repeat(7, mti));
        let txn = world.take().into_iter().find_map(|output| match output {
            Output::Find { txn, .. } => Some(txn),
            _ => None,
        });
        world.tell(Input::Found { txn: txn.unwrap(), stored: Err(Unreadable) });
        assert_eq!(code(&world.sent_to(ATM)), expected, "{mti} that cannot be looked for");
    }
    // As many are looked for as there is room for; the last quarter is for others.
    for stan in 11..=13 {
        world.tell(repeat(stan, "0201"));
    }
    assert!(world.all_sent_to(ATM).is_empty());
    world.tell(repeat(14, "0201"));
    assert_eq!(code(&world.sent_to(ATM)), "09");
    world.tell(repeat(15, "0400"));
    assert_eq!(code(&world.sent_to(ATM)), "91");
}

/// Nothing else tells a hold from its change in the journal; on the wire its reversal is as ever.
#[test]
fn a_change_of_a_hold_is_recorded_with_the_hold_it_names_and_undone_without() {
    let mut world = World::online();
    let said = [(7, ""), (8, "2103K773003H77"), (9, "2103K77")];
    for (stan, additional) in said {
        let mut hold = payment(stan);
        hold.set_mti(Mti::parse("0100").unwrap());
        if !additional.is_empty() {
            hold.set(field::ADDITIONAL_DATA, additional);
        }
        world.tell(received(ATM, hold));
        let (request, tag) = world.request();
        assert_eq!(request.has(field::ADDITIONAL_DATA), !additional.is_empty());
        world.tell(Input::Written(tag));
        world.tell(received(BANK, answer_to(&request, "00")));
        world.take();
    }
    let carried = world.journal.iter().filter_map(|(_, record)| match record {
        Record::Intent(intent) => Some(intent.carried.clone()),
        _ => None,
    });
    let carried: Vec<_> = carried.collect();
    assert_eq!(carried, [vec![], vec![(48, "3003H77".to_owned())], vec![]]);
    let mut undoing = payment(10);
    undoing.set_mti(Mti::parse("0400").unwrap());
    undoing.set(field::ORIGINAL_DATA, "010000000811201428070000050000100000000000");
    world.tell(received(ATM, undoing));
    let sent = world.sent_to(BANK);
    assert!(sent.has(field::ORIGINAL_DATA) && !sent.has(field::ADDITIONAL_DATA), "{sent:?}");
}
