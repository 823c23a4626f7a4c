//! Another plan under load, sessions both ways, and connections that are replaced.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use super::*;
use veksel_core::State;

const NEW_BANK: ConnectionId = ConnectionId { link: LinkId(1), serial: 9 };

fn network(code: u64) -> Message {
    let mut message = Message::of(Mti::parse("0800").unwrap());
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 77);
    message.set(field::NETWORK_CODE, code);
    message
}

fn replan(world: &mut World, change: impl FnOnce(&mut Plan)) {
    let mut plan = world.switch.plan().clone();
    change(&mut plan);
    world.tell(Input::Replan(Box::new(plan)));
}

fn is_taken(world: &mut World) -> bool {
    has_counted(world, Event::Replanned { taken: true })
}

fn has_counted(world: &mut World, event: Event) -> bool {
    world.take().iter().any(|output| matches!(output, Output::Count(seen) if *seen == event))
}

/// The states a connection was said to be in, in order; forgets the rest.
fn states(world: &mut World, of: ConnectionId) -> Vec<State> {
    let state = |output| match output {
        Output::Count(Event::Session { connection, state }) if connection == of => Some(state),
        _ => None,
    };
    world.take().into_iter().filter_map(state).collect()
}

fn is_closed(outputs: &[Output], of: ConnectionId) -> bool {
    outputs.iter().any(|output| {
        matches!(output, Output::Close { connection, why: Closing::Renewed } if *connection == of)
    })
}

#[test]
fn what_is_in_flight_keeps_its_plan_and_what_comes_gets_the_new_one() {
    let mut world = World::online();
    world.tell(received(ATM, balance(7)));
    let (old, tag) = world.request();
    world.tell(Input::Written(tag));
    replan(&mut world, |plan| {
        plan.groups[0].deadlines.inquiry_ms = 1_000;
        plan.routes[0].name = "another".into();
    });
    assert!(is_taken(&mut world));
    world.tell(received(ATM, balance(8)));
    let (_, tag) = world.request();
    world.tell(Input::Written(tag));
    world.pass(1_000);
    let told = world.sent_to(ATM);
    assert_eq!((told.get(field::STAN), code(&told)), (Some(8), "68".to_owned()));
    world.tell(received(BANK, answer_to(&old, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00", "the older one still has its eight seconds");
    let routes = world.journal.iter().filter_map(|(_, record)| match record {
        Record::Inquiry(inquiry) => Some(inquiry.route.as_str()),
        _ => None,
    });
    assert_eq!(routes.collect::<Vec<_>>(), ["another", "all"]);
}

#[test]
fn a_route_that_is_gone_keeps_its_name_over_several_plans() {
    let mut world = World::online();
    world.tell(received(ATM, balance(7)));
    let (request, tag) = world.request();
    world.tell(Input::Written(tag));
    for name in ["second", "third"] {
        replan(&mut world, |plan| plan.routes[0].name = name.into());
    }
    replan(&mut world, |plan| plan.routes.clear());
    world.take();
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "92");
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    let last = world.journal.last().map(|(_, record)| record.clone());
    assert!(matches!(last, Some(Record::Inquiry(inquiry)) if inquiry.route == "all"));
}

#[test]
fn limits_breaker_and_participants_follow_the_plan() {
    let mut world = World::online();
    replan(&mut world, |plan| plan.participants[0].in_flight_max = 1);
    world.payment();
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    replan(&mut world, |plan| {
        plan.participants[0].in_flight_max = 100;
        plan.groups[0].breaker.failures_max = 1;
    });
    world.take();
    world.pass(15_000);
    let open = Event::Breaker { group: GroupId(0), position: Position::Open };
    assert!(has_counted(&mut world, open), "one failure is enough now");
}

#[test]
fn new_parts_stand_behind_the_known_ones_and_a_moved_one_is_refused() {
    let mut world = World::online();
    replan(&mut world, |plan| {
        let second = GroupPlan { name: "second".into(), ..plan.groups[0].clone() };
        plan.groups.push(second);
        let role = LinkRole::Host(GroupId(1));
        plan.links.push(LinkPlan::named("second.1", role));
        plan.participants
            .push(ParticipantPlan { in_flight_max: 5, ..ParticipantPlan::named("branch") });
        let role = LinkRole::Channel(ParticipantId(1));
        plan.links.push(LinkPlan::named("branch", role));
        plan.routes[0].to = RouteTo::Group(GroupId(1));
    });
    assert!(is_taken(&mut world));
    let second = ConnectionId { link: LinkId(2), serial: 20 };
    let branch = ConnectionId { link: LinkId(3), serial: 21 };
    world.sign_on(second);
    world.tell(Input::LinkUp(branch));
    world.tell(received(branch, balance(9)));
    let request = world.sent_to(second);
    world.tell(received(second, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(branch)), "00");
    let wrong: [fn(&mut Plan); 6] = [
        |plan| plan.groups.swap(0, 1),
        |plan| plan.links.swap(0, 1),
        |plan| plan.links.truncate(1),
        |plan| plan.participants.truncate(1),
        |plan| plan.links[1].role = LinkRole::Host(GroupId(1)),
        |plan| plan.routes[0].to = RouteTo::Group(GroupId(7)),
    ];
    for (number, change) in wrong.into_iter().enumerate() {
        let routes = world.switch.plan().routes.len();
        replan(&mut world, |plan| {
            change(plan);
            let more = plan.routes[0].clone();
            plan.routes.push(more);
        });
        assert!(!is_taken(&mut world), "change {number}");
        assert_eq!(world.switch.plan().routes.len(), routes);
    }
}

#[test]
fn an_old_connection_goes_when_another_does_its_work_and_is_empty() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(Input::Renewed { link: LinkId(1), since: NEW_BANK.serial });
    world.pass(100);
    assert_eq!(states(&mut world, BANK), [], "nobody has taken its place yet");
    world.tell(received(ATM, balance(8)));
    let (_, tag) = world.request();
    world.tell(Input::Written(tag));
    world.sign_on(NEW_BANK);
    world.pass(100);
    assert_eq!(states(&mut world, BANK), [State::Draining]);
    world.tell(received(ATM, balance(10)));
    assert_eq!(world.all_sent_to(NEW_BANK).len(), 1, "what is new goes the new way");
    world.pass(100);
    assert_eq!(world.all_sent_to(BANK).len(), 0, "two requests are still out over it");
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00", "what was in flight ends as ever");
    world.pass(8_000);
    let sign_off = world.sent_to(BANK);
    assert_eq!(sign_off.get(field::NETWORK_CODE), Some(2), "the inquiry ran out of time");
    world.tell(received(BANK, answer_to(&sign_off, "00")));
    world.pass(100);
    assert!(is_closed(&world.take(), BANK));
    world.tell(Input::LinkDown(BANK));
    assert_eq!(world.switch.online(GroupId(0)), 1);
}

#[test]
fn the_host_signs_off_on_and_off_again() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, network(2)));
    assert_eq!(code(&world.sent_to(BANK)), "00");
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    world.pass(100);
    assert_eq!(states(&mut world, BANK), [], "a payment is still out");
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.pass(100);
    assert_eq!(states(&mut world, BANK), [State::Suspended]);
    world.tell(received(BANK, network(301)));
    assert_eq!(code(&world.sent_to(BANK)), "00", "network management is carried always");
    world.tell(received(BANK, network(1)));
    assert_eq!(states(&mut world, BANK), [State::Online]);
    world.tell(received(ATM, balance(9)));
    assert_eq!(world.all_sent_to(BANK).len(), 1);
}

#[test]
fn a_host_that_signs_on_itself_gets_nothing_before_it_has() {
    let mut plan = plan();
    plan.groups[0].session.sign_on = false;
    plan.groups[0].session.peer_signs_on = true;
    let mut world = World::new(plan);
    world.tell(Input::LinkUp(ATM));
    world.tell(Input::LinkUp(BANK));
    assert_eq!(states(&mut world, BANK), [State::Connected]);
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    world.tell(received(BANK, network(1)));
    assert_eq!(code(&world.sent_to(BANK)), "00");
    world.tell(received(ATM, balance(9)));
    assert_eq!(world.all_sent_to(BANK).len(), 1);
}

#[test]
fn a_cut_over_changes_the_business_date_at_once_and_once() {
    let mut world = World::online();
    world.sign_on(BANK_TOO);
    let date = |world: &World| {
        world.switch.look(GroupId(0), world.now.tick).and_then(|look| look.business_date)
    };
    assert_eq!(date(&world), None);
    let mut cut_over = network(201);
    for (named, expected) in [(Some("1121"), "1121"), (Some("1121"), "1121"), (None, "1122")] {
        match named {
            Some(named) => cut_over.set(field::SETTLEMENT_DATE, named),
            None => cut_over.remove(field::SETTLEMENT_DATE),
        }
        world.tell(received(BANK_TOO, cut_over.clone()));
        assert_eq!(code(&world.sent_to(BANK_TOO)), "00");
        assert_eq!(date(&world).as_ref().map(<[u8; 4]>::as_slice), Some(expected.as_bytes()));
    }
    cut_over.set(field::SETTLEMENT_DATE, "1399");
    world.tell(received(BANK, cut_over));
    assert_eq!(code(&world.sent_to(BANK)), "30", "no such date");
    assert_eq!(date(&world), Some(*b"1122"));
    let said: Vec<_> = world
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Notice(notice) if notice.action == "cut-over" => Some(notice.detail.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["bank: not known to 1121", "bank: 1121 to 1122"]);
}

#[test]
fn keys_change_after_the_answer_and_only_to_the_next_one() {
    for (connection, code_of) in [(BANK, 101), (BANK, 162), (ATM, 161)] {
        let mut world = World::online();
        let mut change = network(code_of);
        world.tell(received(connection, change.clone()));
        assert_eq!(code(&world.sent_to(connection)), "30", "no check value");
        change.set(field::ADDITIONAL_DATA, "a1B2c3");
        for taken in [false, true] {
            world.tell(received(connection, change.clone()));
            let mut outputs = world.take();
            let Some(Output::Rekey { message, check_value, .. }) = outputs.pop() else {
                panic!("not asked: {outputs:?}")
            };
            assert_eq!(check_value, "a1B2c3");
            world.tell(Input::Rekeyed { connection, message, taken });
            let outputs = world.take();
            let place = |wanted: fn(&Output) -> bool| outputs.iter().position(wanted);
            let answered = place(|output| matches!(output, Output::Send { .. }));
            let used = place(|output| matches!(output, Output::UseNextKey(_)));
            assert_eq!(used.is_some(), taken);
            assert!(used.is_none_or(|used| answered.is_some_and(|answered| answered < used)));
            let answer = outputs.into_iter().find_map(|output| match output {
                Output::Send { message, .. } => Some(message),
                _ => None,
            });
            assert_eq!(code(&answer.unwrap()), if taken { "00" } else { "63" });
        }
        let notices = world.journal.iter().filter(
            |(_, record)| matches!(record, Record::Notice(notice) if notice.action == "key change"),
        );
        assert_eq!(notices.count(), 1);
    }
}

#[test]
fn channels_are_asked_for_what_their_link_wants() {
    let mut plan = plan();
    let (answer_ms, echo_idle_ms, echo_misses_max) = (2_000, 10_000, 2);
    plan.links[0].session =
        ChannelSessionPlan { sign_on: true, answer_ms, echo_idle_ms, echo_misses_max };
    let mut world = World::online_with(plan);
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91", "it has not signed on");
    world.tell(received(ATM, network(301)));
    assert_eq!(code(&world.sent_to(ATM)), "00", "an echo is answered always");
    world.tell(received(ATM, network(1)));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.tell(received(ATM, balance(9)));
    let request = world.sent_to(BANK);
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    // Silence: an echo within a tenth more than the idle time, looked for once a second.
    let echo = |world: &mut World| {
        for _ in 0..13 {
            world.pass(1_000);
            if let Some(echo) = world.all_sent_to(ATM).pop() {
                return echo;
            }
        }
        panic!("no echo")
    };
    let first = echo(&mut world);
    assert_eq!(first.get(field::NETWORK_CODE), Some(301));
    world.tell(received(ATM, answer_to(&first, "00")));
    assert!(world.take().is_empty(), "the answer is taken");
    world.tell(received(ATM, answer_to(&first, "00")));
    let dropped = Event::Dropped { link: LinkId(0), why: Dropped::AnswerFromChannel };
    assert!(has_counted(&mut world, dropped), "and only once");
    echo(&mut world);
    let mut outputs = Vec::new();
    for _ in 0..5 {
        world.pass(1_000);
        outputs.extend(world.take());
    }
    let closed =
        |output: &Output| matches!(output, Output::Close { connection: ATM, why: Closing::Echo });
    assert!(outputs.iter().any(closed), "two echoes in a row were not answered");
}
