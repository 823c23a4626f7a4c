//! Admission seen from outside: rates, limits, lines and what is shed (guarantees G9, G11, G12,
//! switch semantics 23 and 53).

use super::{ATM, BANK, World, answer_to, balance, code, payment, plan, received};
use veksel_codecs::{Message, Mti, field};
use veksel_core::plan::{LinkPlan, LinkRole, ParticipantPlan};
use veksel_core::record::Reason;
use veksel_core::record::Verdict::NotSent;
use veksel_core::{
    ConnectionId, Event, GroupId, Input, LinkId, Output, ParticipantId, Plan, Record, Shedding,
    Tag, Tick,
};

/// A second participant on a listener of its own, so that each can be judged apart.
const POS: ConnectionId = ConnectionId { link: LinkId(2), serial: 9 };

fn two_participants() -> Plan {
    let mut plan = plan();
    plan.participants.push(ParticipantPlan::named("pos"));
    let role = LinkRole::Channel(ParticipantId(1));
    plan.links.push(LinkPlan::named("pos", role));
    plan
}

fn tight(window_max: u32, queue_max: u32) -> Plan {
    let mut plan = plan();
    plan.groups[0].window_max = window_max;
    plan.groups[0].queue_max = queue_max;
    plan
}

fn of_type(mti: &str, mut message: Message) -> Message {
    message.set_mti(Mti::parse(mti).unwrap());
    message
}

/// What became of what was not looked at yet.
#[derive(Default, Debug)]
struct Seen {
    /// Requests for the bank, with their tags.
    sent: Vec<(Message, Tag)>,
    /// Answers to channels: connection, DE11, DE39.
    answers: Vec<(ConnectionId, u64, String)>,
    shed: Vec<Shedding>,
    /// Answers whose delivery is followed.
    followed: Vec<Tag>,
}

impl World {
    fn see(&mut self) -> Seen {
        let mut seen = Seen::default();
        for output in self.take() {
            match output {
                Output::Send { connection: BANK, message, tag: Some(tag), .. } => {
                    seen.sent.push((message, tag));
                }
                Output::Send { connection, message, tag, .. } if connection != BANK => {
                    seen.followed.extend(tag);
                    let stan = message.get(field::STAN).unwrap_or_default();
                    seen.answers.push((connection, stan, code(&message)));
                }
                Output::Count(Event::Shed { why, .. }) => seen.shed.push(why),
                _ => {}
            }
        }
        seen
    }

    fn finish(&mut self, sent: Vec<(Message, Tag)>) {
        for (message, tag) in sent {
            self.tell(Input::Written(tag));
            self.tell(received(BANK, answer_to(&message, "00")));
        }
    }
}

fn answered(stans: &[u64], response: &str) -> Vec<(ConnectionId, u64, String)> {
    stans.iter().map(|stan| (ATM, *stan, response.to_owned())).collect()
}

/// Ten times the rate for ten seconds: the burst and the rate pass, everything else is 91, and
/// whoever keeps his rate notices nothing.
#[test]
fn a_participant_over_its_rate_is_shed_and_its_neighbours_are_not() {
    let mut plan = two_participants();
    (plan.participants[0].rate, plan.participants[0].burst) = (100, 20);
    (plan.participants[1].rate, plan.participants[1].burst) = (100, 20);
    let mut world = World::online_with(plan);
    world.tell(Input::LinkUp(POS));
    let (mut greedy, mut modest) = ((0, 0), (0, 0));
    for ms in 0..10_000u64 {
        world.pass(1);
        world.take();
        world.tell(received(ATM, balance(ms)));
        if ms % 20 == 0 {
            world.tell(received(POS, balance(ms)));
        }
        let Seen { sent, answers, shed, .. } = world.see();
        assert!(answers.iter().all(|(_, _, code)| code == "91"));
        assert!(shed.iter().all(|why| *why == Shedding::Rate));
        world.finish(sent);
        let all = answers.into_iter().chain(world.see().answers);
        for (connection, _, code) in all {
            let count = if connection == ATM { &mut greedy } else { &mut modest };
            *(if code == "00" { &mut count.0 } else { &mut count.1 }) += 1;
        }
    }
    assert!((1_015..=1_022).contains(&greedy.0), "{greedy:?}");
    assert_eq!(greedy.0 + greedy.1, 10_000, "everybody is answered");
    assert_eq!(modest, (500, 0));
}

/// A refusal is an answer like any other: every copy must get it. And if the journal holds these
/// numbers from before, which only it may still know, what became of them is told instead.
#[test]
fn a_shed_payment_is_recorded_as_refused_and_its_copies_hear_the_same() {
    let mut plan = plan();
    (plan.participants[0].rate, plan.participants[0].burst) = (1, 1);
    let mut world = World::online_with(plan);
    world.tell(received(ATM, payment(1)));
    assert_eq!(world.see().sent.len(), 1);
    world.tell(received(ATM, payment(2)));
    let seen = world.see();
    assert_eq!((seen.answers, seen.shed), (answered(&[2], "91"), vec![Shedding::Rate]));
    assert_eq!((world.outcome().verdict, world.outcome().reason), (NotSent, Reason::Overload));
    let recorded = world.journal.len();
    world.pass(5_000);
    world.take();
    for copy in [payment(2), of_type("0201", payment(2))] {
        world.tell(received(ATM, copy));
        assert_eq!(world.see().answers, answered(&[2], "91"));
    }
    assert_eq!(world.journal.len(), recorded);
    world.tell(received(ATM, payment(3)));
    assert_eq!(world.see().sent.len(), 1);
}

#[test]
fn a_shed_payment_that_the_journal_knows_hears_what_became_of_it() {
    let mut before = World::online();
    let (request, _) = before.payment();
    before.tell(received(BANK, answer_to(&request, "00")));
    let records = before.journal.iter().map(|(_, record)| record);
    let stored = veksel_core::Stored::gather(records).remove(0);
    let mut plan = plan();
    plan.participants[0].in_flight_max = 0;
    let mut world = World::online_with(plan);
    world.tell(received(ATM, payment(7)));
    let Some((_, Record::Intent(intent))) = world.journal.first() else { panic!("an intent") };
    let txn = intent.txn;
    let upto = world.journal.last().unwrap().0;
    world.take();
    // The store refuses the refusal: the 91 that waited for it is never sent.
    world.tell(Input::Committed { upto, refused: vec![txn] });
    world.tell(Input::Conflict { txn, stored: Some(Box::new(stored)) });
    assert_eq!(world.see().answers, answered(&[7], "00"));
}

/// Its original may have been carried out, so that 91, which says "not sent", could be a lie.
#[test]
fn a_repeat_over_the_rate_hears_nothing_final() {
    let mut plan = plan();
    (plan.participants[0].rate, plan.participants[0].burst) = (1, 1);
    let mut world = World::online_with(plan);
    world.tell(received(ATM, payment(1)));
    world.see();
    world.tell(received(ATM, of_type("0201", payment(2))));
    assert_eq!(world.see().answers, answered(&[2], "09"));
    world.pass(1_000);
    world.take();
    world.tell(received(ATM, of_type("0201", payment(2))));
    assert_eq!(world.see().sent.len(), 1, "nobody knew it: it is new (switch semantics 37)");
}

#[test]
fn reversals_and_advices_pass_every_limit() {
    let mut plan = tight(1, 0);
    plan.participants[0].rate = 1;
    plan.participants[0].in_flight_max = 1;
    plan.limits.in_flight_max = 1;
    plan.limits.wait_ms = 0;
    let mut world = World::online_with(plan);
    for stan in 1..=20u64 {
        for mti in ["0220", "0420", "0400"] {
            let mut message = of_type(mti, payment(stan * 10));
            message.set(field::ORIGINAL_DATA, "020000000711201428070000050000100000000000");
            let since = Tick(0);
            world.pass(10);
            world.take();
            world.switch.handle_since(world.now, since, received(ATM, message));
            let mut answers = Vec::new();
            loop {
                while let Some(output) = world.switch.poll_output() {
                    world.seen.push(output);
                }
                let outputs = world.take();
                let asked = outputs.iter().find_map(|output| match output {
                    Output::Find { txn, .. } => Some(*txn),
                    _ => None,
                });
                answers.extend(outputs.into_iter().filter_map(|output| match output {
                    Output::Send { connection: ATM, message, .. } => Some(code(&message)),
                    _ => None,
                }));
                let Some(txn) = asked else { break };
                world.tell(Input::Found { txn, stored: Ok(vec![]) });
            }
            assert_eq!(answers, ["00"], "{mti} {stan}");
        }
    }
}

#[test]
fn a_request_over_the_window_waits_and_goes_when_there_is_room() {
    let mut world = World::online_with(tight(2, 256));
    for stan in 1..=4 {
        world.tell(received(ATM, balance(stan)));
    }
    let Seen { mut sent, answers, .. } = world.see();
    assert_eq!((sent.len(), answers.len(), world.switch.waiting(GroupId(0))), (2, 0, 2));
    assert_eq!(world.switch.in_flight(), 4);
    let last = sent.split_off(1);
    world.finish(sent);
    let Seen { sent, answers, .. } = world.see();
    assert_eq!((sent.len(), answers), (1, answered(&[1], "00")));
    world.finish(last);
    world.finish(sent);
    let Seen { sent, answers, .. } = world.see();
    assert_eq!(answers, answered(&[2, 3], "00"));
    world.finish(sent);
    assert_eq!(world.see().answers, answered(&[4], "00"), "in the order in which they came");
    assert!(world.switch.is_idle());
}

#[test]
fn who_waits_is_shed_when_its_time_is_over() {
    let mut world = World::online_with(tight(1, 256));
    for stan in 1..=3 {
        world.tell(received(ATM, payment(stan)));
    }
    world.see();
    assert_eq!(world.journal.len(), 1, "nothing is recorded of who waits");
    world.pass(499);
    assert!(world.see().answers.is_empty());
    world.pass(1);
    let seen = world.see();
    assert_eq!(seen.answers, answered(&[2, 3], "91"));
    assert_eq!(seen.shed, [Shedding::Waited; 2]);
    assert_eq!(world.switch.reversals_open(), 0);
    assert_eq!(world.switch.waiting(GroupId(0)), 0);
}

/// Oldest deadline first, inquiries before payments; a newcomer that is itself the least is shed.
#[test]
fn a_full_line_sheds_the_inquiry_and_then_the_payment_that_gives_up_first() {
    let mut world = World::online_with(tight(1, 3));
    world.tell(received(ATM, balance(1)));
    world.tell(received(ATM, balance(2)));
    world.pass(10);
    world.tell(received(ATM, payment(3)));
    world.tell(received(ATM, payment(4)));
    world.see();
    for (message, shed) in [(payment(5), 2), (balance(6), 6), (payment(7), 3), (payment(8), 4)] {
        world.tell(received(ATM, message));
        let seen = world.see();
        assert_eq!(seen.answers, answered(&[shed], "91"));
        assert_eq!(seen.shed, [Shedding::Queue]);
        assert_eq!(world.switch.waiting(GroupId(0)), 3);
    }
}

#[test]
fn when_the_switch_is_full_who_waits_longest_makes_room() {
    let mut plan = tight(1, 256);
    plan.limits.in_flight_max = 4;
    plan.limits.reserved_percent = 25;
    let mut world = World::online_with(plan);
    for stan in 1..=3 {
        world.tell(received(ATM, payment(stan)));
    }
    world.see();
    world.tell(received(ATM, payment(4)));
    let seen = world.see();
    assert_eq!((seen.answers, seen.shed), (answered(&[2], "91"), vec![Shedding::Full]));
    let mut plan = self::plan();
    plan.limits.in_flight_max = 4;
    let mut world = World::online_with(plan);
    for stan in 1..=4 {
        world.tell(received(ATM, payment(stan)));
    }
    let seen = world.see();
    assert_eq!((seen.sent.len(), seen.answers), (3, answered(&[4], "91")), "nobody waits");
}

#[test]
fn a_participant_has_no_more_in_flight_than_it_may_and_who_waits_counts() {
    let mut plan = tight(2, 256);
    plan.participants[0].in_flight_max = 3;
    let mut world = World::online_with(plan);
    for stan in 1..=5 {
        world.tell(received(ATM, balance(stan)));
    }
    let seen = world.see();
    assert_eq!((seen.sent.len(), seen.answers), (2, answered(&[4, 5], "91")));
    assert_eq!(seen.shed, [Shedding::InFlight; 2]);
    world.finish(seen.sent);
    let sent = world.see().sent;
    world.finish(sent);
    assert!(world.switch.is_idle());
    world.take();
    for stan in 6..=8 {
        world.tell(received(ATM, balance(stan)));
    }
    assert!(world.see().shed.is_empty(), "every one was given back");
}

#[test]
fn who_waits_hears_91_at_once_when_the_group_is_gone() {
    let mut world = World::online_with(tight(1, 256));
    for stan in 1..=3 {
        world.tell(received(ATM, payment(stan)));
    }
    let (_, tag) = world.see().sent.remove(0);
    world.tell(Input::Written(tag));
    world.tell(Input::LinkDown(BANK));
    let mut answers = world.see().answers;
    answers.sort_by_key(|(_, stan, _)| *stan);
    let expected: Vec<_> =
        [(1, "68"), (2, "91"), (3, "91")].map(|(stan, code)| (ATM, stan, code.to_owned())).into();
    assert_eq!(answers, expected, "only what was written is indefinite");
    assert_eq!(world.switch.reversals_open(), 1);
}

#[test]
fn a_copy_of_who_waits_is_in_progress_and_executes_nothing() {
    let mut world = World::online_with(tight(1, 256));
    world.tell(received(ATM, payment(1)));
    world.tell(received(ATM, payment(2)));
    let first = world.see().sent;
    for copy in [payment(2), of_type("0201", payment(2))] {
        world.tell(received(ATM, copy));
        assert_eq!(world.see().answers, answered(&[2], "09"));
    }
    world.finish(first);
    assert_eq!(world.see().sent.len(), 1);
}

/// The reversal overtakes the payment, which waits: it is recorded as refused and never goes.
#[test]
fn who_waits_and_is_taken_back_never_goes() {
    let mut world = World::online_with(tight(1, 256));
    world.tell(received(ATM, payment(1)));
    world.tell(received(ATM, payment(7)));
    let first = world.see().sent;
    let mut reversal = of_type("0420", payment(8));
    reversal.set(field::ORIGINAL_DATA, "020000000711201428070000050000100000000000");
    world.tell(received(ATM, reversal));
    assert_eq!(world.see().answers, answered(&[8], "00"));
    world.finish(first);
    let seen = world.see();
    assert!(seen.sent.is_empty());
    assert_eq!(seen.answers, [(ATM, 1, "00".to_owned()), (ATM, 7, "21".to_owned())]);
}

#[test]
fn what_waited_too_long_to_be_looked_at_is_shed_and_deadlines_run_from_the_reading() {
    let mut world = World::online();
    world.pass(10_000);
    world.take();
    let ago = |world: &World, ms: u64| Tick(world.now.tick.0 - ms * 1_000_000);
    let since = ago(&world, 501);
    world.switch.handle_since(world.now, since, received(ATM, payment(1)));
    world.pass(0);
    let seen = world.see();
    assert_eq!((seen.answers, seen.shed), (answered(&[1], "91"), vec![Shedding::Late]));
    let since = ago(&world, 500);
    world.switch.handle_since(world.now, since, received(ATM, payment(2)));
    world.pass(0);
    let (_, tag) = world.see().sent.remove(0);
    world.tell(Input::Written(tag));
    world.pass(14_499);
    assert!(world.see().answers.is_empty());
    world.pass(1);
    assert_eq!(world.see().answers, answered(&[2], "68"));
}

/// Under three times what fits nothing grows, everybody is answered, and what is served is served
/// in time; afterwards the line is empty at once.
#[test]
fn overload_is_bounded_and_leaves_nothing_behind() {
    let mut plan = tight(8, 16);
    plan.participants[0].in_flight_max = 1_000;
    let mut world = World::online_with(plan);
    let (mut stan, mut answers) = (0, Vec::new());
    let mut flying: std::collections::VecDeque<(u64, Message, Tag)> = Default::default();
    // The bank takes 20 ms for each, so that 400 a second fit; 1,200 come, for 20 s.
    for ms in 0..22_000u64 {
        world.pass(1);
        if ms < 20_000 {
            for _ in 0..(1 + u64::from(ms % 5 == 0)) {
                stan += 1;
                world.tell(received(ATM, payment(stan)));
            }
        }
        while flying.front().is_some_and(|(due, _, _)| *due <= ms) {
            let (_, message, _) = flying.pop_front().unwrap();
            world.tell(received(BANK, answer_to(&message, "00")));
        }
        let Seen { sent, answers: new, followed, .. } = world.see();
        for tag in followed {
            world.tell(Input::Written(tag));
        }
        for (message, tag) in sent {
            world.tell(Input::Written(tag));
            flying.push_back((ms + 20, message, tag));
        }
        // The journal keeps up.
        if let Some((upto, _)) = world.journal.last() {
            let upto = *upto;
            world.tell(Input::Committed { upto, refused: Vec::new() });
        }
        assert!(world.switch.in_flight() <= 8 + 16 + 1, "{}", world.switch.in_flight());
        answers.extend(new.into_iter().map(|(_, stan, code)| (ms, stan, code)));
        if ms % 100 == 0 {
            world.journal.clear();
        }
    }
    assert_eq!(answers.len() as u64, stan, "one answer for each");
    let good = answers.iter().filter(|(_, _, code)| code == "00").count();
    assert!((7_600..=8_050).contains(&good), "{good} of 8,000 that fit");
    assert!(answers.iter().all(|(_, _, code)| code == "00" || code == "91"));
    assert_eq!(world.switch.in_flight(), 0);
    assert!(world.switch.waiting(GroupId(0)) == 0);
}

#[test]
fn an_inquiry_that_is_shed_is_counted_as_not_sent() {
    let mut world = World::online_with(tight(1, 0));
    world.tell(received(ATM, balance(1)));
    world.take();
    world.tell(received(ATM, balance(2)));
    let counted = world.take().into_iter().find_map(|output| match output {
        Output::Count(Event::Answered { verdict, response, .. }) => Some((verdict, response)),
        _ => None,
    });
    let (verdict, response) = counted.unwrap();
    assert_eq!((verdict, response.as_str()), (NotSent, "91"));
    assert!(!world.journal.iter().any(|(_, record)| matches!(record, Record::Inquiry(_))));
}

/// What was taken ahead at the old rate does not keep a participant out at the new one.
#[test]
fn a_rate_that_is_raised_holds_at_once() {
    let mut plan = plan();
    (plan.participants[0].rate, plan.participants[0].burst) = (1, 60);
    let mut world = World::online_with(plan.clone());
    for stan in 0..60 {
        world.tell(received(ATM, balance(stan)));
    }
    let seen = world.see();
    assert_eq!((seen.sent.len(), seen.shed.len()), (60, 0));
    world.finish(seen.sent);
    (plan.participants[0].rate, plan.participants[0].burst) = (1_000, 0);
    world.tell(Input::Replan(Box::new(plan)));
    world.pass(1);
    world.take();
    world.tell(received(ATM, balance(100)));
    assert_eq!(world.see().sent.len(), 1);
}

/// Refusals wait for the journal, and for no more of them than may be in flight; beyond that
/// nothing final is said, so nothing has to be remembered.
#[test]
fn refusals_that_wait_for_the_journal_are_bounded() {
    let mut plan = plan();
    plan.limits.in_flight_max = 8;
    (plan.participants[0].rate, plan.participants[0].burst) = (1, 1);
    let mut world = World::online_with(plan);
    world.tell(received(ATM, balance(1)));
    world.take();
    let before = world.journal.len();
    for stan in 10..30 {
        world.tell(received(ATM, payment(stan)));
    }
    let codes: Vec<_> = world.see().answers.into_iter().map(|(_, _, code)| code).collect();
    assert_eq!(codes, [vec!["91"; 8], vec!["09"; 12]].concat());
    assert_eq!(world.journal.len() - before, 16, "an intent and an outcome of each that is final");
    let upto = world.journal.last().unwrap().0;
    world.tell(Input::Committed { upto, refused: Vec::new() });
    world.take();
    world.tell(received(ATM, payment(40)));
    assert_eq!(world.see().answers, answered(&[40], "91"));
}

/// Look-ups of one participant leave room for those of another.
#[test]
fn a_flood_of_reversals_leaves_room_for_the_reversals_of_others() {
    let mut plan = two_participants();
    plan.limits.in_flight_max = 16;
    let mut world = World::online_with(plan);
    world.tell(Input::LinkUp(POS));
    world.answers = false;
    let reversal = |stan: u64| {
        let mut reversal = of_type("0420", payment(stan));
        let original = format!("0200{:06}11201428070000050000100000000000", stan + 500);
        reversal.set(field::ORIGINAL_DATA, original.as_str());
        reversal
    };
    for stan in 100..140 {
        world.tell(received(ATM, reversal(stan)));
    }
    let Seen { answers, .. } = world.see();
    assert_eq!(answers.len(), 40 - 12, "three quarters of the room");
    assert!(answers.iter().all(|(_, _, code)| code == "91"));
    for stan in 200..204 {
        world.tell(received(POS, reversal(stan)));
    }
    assert!(world.see().answers.is_empty(), "they are looked up");
}
