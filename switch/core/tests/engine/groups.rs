//! Groups with several hosts: which gets a request, where an answer is taken, what happens when
//! one is gone, ejected, taken out of use by a person, or back (switch semantics 21, 24, 54).

use super::{ATM, World, answer_to, balance, code, payment, plan, received};
use veksel_codecs::{Message, field};
use veksel_core::plan::{Answers, GroupPlan, LinkPlan, LinkRole, Policy};
use veksel_core::record::{Reason, Verdict};
use veksel_core::{
    ConnectionId, Control, Dropped, Event, GroupId, Input, LinkId, Order, Output, Plan, Position,
    Record, Tag, Target, Unsent,
};

const A: LinkId = LinkId(1);
const B: LinkId = LinkId(2);
const C: LinkId = LinkId(3);

fn on(link: LinkId, number: u64) -> ConnectionId {
    ConnectionId { link, serial: u64::from(link.0) * 100 + number }
}

/// One group of so many hosts.
fn hosts(count: u16, policy: Policy) -> Plan {
    let mut plan = plan();
    let role = LinkRole::Host(GroupId(0));
    let more = (2..=count).map(|n| LinkPlan::named(&format!("bank.{n}"), role));
    plan.links.extend(more);
    plan.groups[0] = GroupPlan { policy, warm_up_ms: 0, ..GroupPlan::named("bank") };
    plan
}

/// With one connection to each host.
fn world(plan: Plan) -> World {
    let mut world = World::new(plan);
    world.tell(Input::LinkUp(ATM));
    for link in 1..u16::try_from(world.switch.plan().links.len()).unwrap() {
        world.sign_on(on(LinkId(link), 1));
    }
    world
}

struct Sent {
    to: ConnectionId,
    message: Message,
    tag: Tag,
}

impl World {
    /// The requests that went to the bank.
    fn requests(&mut self) -> Vec<Sent> {
        let sent = self.take().into_iter().filter_map(|output| match output {
            Output::Send { connection: to, message, tag: Some(tag), .. } if to != ATM => {
                Some(Sent { to, message, tag })
            }
            _ => None,
        });
        sent.collect()
    }

    /// Asks for a balance; where it went.
    fn ask(&mut self, stan: u64) -> Sent {
        self.tell(received(ATM, balance(stan)));
        self.requests().pop().expect("a request")
    }

    fn answer(&mut self, sent: &Sent, response: &str) {
        self.tell(Input::Written(sent.tag));
        self.tell(received(sent.to, answer_to(&sent.message, response)));
    }

    /// Asks and answers so often; how many went to each host.
    fn served(&mut self, count: u64) -> [usize; 4] {
        let mut served = [0; 4];
        for stan in 0..count {
            let sent = self.ask(stan);
            self.answer(&sent, "00");
            served[usize::from(sent.to.link.0)] += 1;
        }
        self.take();
        served
    }

    /// Requests to this host go unanswered until its breaker is where it shall be.
    fn fail(&mut self, link: LinkId, times: u64) {
        for stan in 0..times {
            let sent = loop {
                let sent = self.ask(stan);
                if sent.to.link == link {
                    break sent;
                }
                self.answer(&sent, "00");
            };
            self.answer(&sent, "91");
        }
        self.take();
    }

    fn control(&mut self, target: Target, order: Order, for_ms: u64) {
        let (operator, reason) = ("ida".to_owned(), "maintenance".to_owned());
        self.tell(Input::Control(Control { target, operator, reason, order, for_ms }));
    }

    fn notices(&self) -> Vec<String> {
        let notice = |(_, record): &(_, Record)| match record {
            Record::Notice(n) => Some(format!("{} {}: {}", n.actor, n.action, n.detail)),
            _ => None,
        };
        self.journal.iter().filter_map(notice).collect()
    }

    fn link(&self, link: LinkId) -> Position {
        self.switch.link_position(link).unwrap()
    }

    fn group(&self) -> Position {
        self.switch.group_position(GroupId(0)).unwrap()
    }
}

#[test]
fn each_policy_shares_in_its_own_way() {
    assert_eq!(world(hosts(3, Policy::RoundRobin)).served(30), [0, 10, 10, 10]);
    assert_eq!(world(hosts(3, Policy::PrimaryBackup)).served(30), [0, 30, 0, 0]);
    // Nothing is in flight when the next comes: the first in the plan is as good as any.
    assert_eq!(world(hosts(3, Policy::LeastOutstanding)).served(30), [0, 30, 0, 0]);
    let mut world = world(hosts(3, Policy::LeastOutstanding));
    let mut waiting = [0; 4];
    for stan in 0..30 {
        waiting[usize::from(world.ask(stan).to.link.0)] += 1;
    }
    assert_eq!(waiting, [0, 10, 10, 10]);
}

#[test]
fn of_one_link_it_is_the_connection_with_the_fewest() {
    for policy in [Policy::LeastOutstanding, Policy::RoundRobin, Policy::PrimaryBackup] {
        let mut world = world(hosts(1, policy));
        (2..=4).for_each(|n| world.sign_on(on(A, n)));
        let mut each = [0; 4];
        for stan in 0..20 {
            each[usize::try_from(world.ask(stan).to.serial % 100 - 1).unwrap()] += 1;
        }
        assert_eq!(each, [5; 4], "{policy:?}");
    }
}

#[test]
fn an_account_stays_with_its_host_and_only_those_of_a_dead_one_move() {
    let mut world = world(hosts(3, Policy::Sticky));
    let home = |world: &mut World| {
        let mut homes = Vec::new();
        for account in 0..60u64 {
            let mut message = balance(account);
            message.set(field::ACCOUNT, format!("1{account:010}").as_str());
            world.tell(received(ATM, message));
            let sent = world.requests().pop().unwrap();
            world.answer(&sent, "00");
            world.take();
            homes.push(sent.to.link);
        }
        homes
    };
    let before = home(&mut world);
    assert_eq!(home(&mut world), before);
    for link in [A, B, C] {
        let count = before.iter().filter(|home| **home == link).count();
        assert!((8..=32).contains(&count), "{count} of 60 at {link:?}");
    }
    world.tell(Input::LinkDown(on(B, 1)));
    world.take();
    let after = home(&mut world);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
    assert!(moved.iter().all(|(from, _)| **from == B), "only who lived there moves");
    let spread = [A, C].map(|to| moved.iter().filter(|(_, other)| **other == to).count());
    assert!(spread.iter().all(|count| *count > 0), "and not all to one: {spread:?}");
    world.sign_on(on(B, 1));
    assert_eq!(home(&mut world), before, "and they come home");
}

#[test]
fn the_backup_serves_as_long_as_the_primary_is_gone() {
    let mut world = world(hosts(2, Policy::PrimaryBackup));
    world.tell(Input::LinkDown(on(A, 1)));
    world.take();
    assert_eq!(world.served(10), [0, 0, 10, 0]);
    world.sign_on(on(A, 1));
    assert_eq!(world.served(10), [0, 10, 0, 0]);
}

/// Switch semantics 24: what was not written goes elsewhere at once, to another host before
/// another connection of the same; what was written is indefinite and goes nowhere.
#[test]
fn a_dead_host_costs_no_request_that_was_not_written() {
    let mut world = world(hosts(2, Policy::PrimaryBackup));
    world.sign_on(on(A, 2));
    world.tell(received(ATM, payment(1)));
    let sent = world.requests().pop().unwrap();
    assert_eq!(sent.to.link, A);
    world.tell(received(ATM, payment(2)));
    let written = world.requests().pop().unwrap();
    world.tell(Input::Written(written.tag));
    world.tell(Input::Unsent { tag: sent.tag, why: Unsent::Closed });
    let again = world.requests().pop().unwrap();
    assert_eq!((again.to.link, again.tag), (B, sent.tag), "within the one request");
    world.answer(&again, "00");
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.tell(Input::LinkDown(written.to));
    let answers: Vec<_> = world.all_sent_to(ATM).iter().map(code).collect();
    assert_eq!(answers, ["68"]);
    let outcome = world.outcome();
    assert_eq!((outcome.verdict, outcome.reason), (Verdict::Indefinite, Reason::ClosedSent));
}

#[test]
fn a_whole_group_that_is_down_is_91_at_once_and_serves_again_when_one_is_back() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    for link in [A, B] {
        world.tell(Input::LinkDown(on(link, 1)));
    }
    world.take();
    for stan in 1..=3 {
        world.tell(received(ATM, payment(stan)));
        assert_eq!(code(&world.sent_to(ATM)), "91");
        assert_eq!(world.outcome().reason, Reason::NoConnection);
    }
    assert_eq!((world.switch.in_flight(), world.switch.reversals_open()), (0, 0));
    world.sign_on(on(B, 2));
    assert_eq!(world.served(5), [0, 0, 5, 0]);
}

#[test]
fn an_answer_is_taken_on_its_own_link_unless_the_group_says_any() {
    for (answers, taken) in [(Answers::Same, false), (Answers::Any, true)] {
        let mut plan = hosts(2, Policy::PrimaryBackup);
        plan.groups[0].answers = answers;
        let mut world = world(plan);
        world.sign_on(on(A, 2));
        let sent = world.ask(1);
        world.tell(Input::Written(sent.tag));
        world.tell(received(on(B, 1), answer_to(&sent.message, "00")));
        let outputs = world.take();
        let elsewhere = outputs.iter().any(|output| {
            let why = Dropped::Elsewhere;
            matches!(output, Output::Count(Event::Dropped { link: B, why: w }) if *w == why)
        });
        assert_eq!(elsewhere, !taken);
        if !taken {
            // Another connection of the same link is the same host.
            world.tell(received(on(A, 2), answer_to(&sent.message, "00")));
            assert_eq!(code(&world.sent_to(ATM)), "00");
        }
        assert!(world.switch.is_idle());
    }
}

/// The same for a 0430: from another host it settles nothing.
#[test]
fn a_reversal_is_settled_by_the_host_it_went_to() {
    for (answers, open) in [(Answers::Same, 1), (Answers::Any, 0)] {
        let mut plan = hosts(2, Policy::PrimaryBackup);
        plan.groups[0].answers = answers;
        let mut world = world(plan);
        world.tell(received(ATM, payment(1)));
        let sent = world.requests().pop().unwrap();
        world.tell(Input::Written(sent.tag));
        world.pass(15_000);
        let reversal = world.requests().pop().unwrap();
        assert_eq!(reversal.message.mti().as_str(), "0420");
        let other = if reversal.to.link == A { on(B, 1) } else { on(A, 1) };
        world.tell(received(other, answer_to(&reversal.message, "00")));
        assert_eq!(world.switch.reversals_open(), open, "{answers:?}");
        world.tell(received(reversal.to, answer_to(&reversal.message, "00")));
        assert_eq!(world.switch.reversals_open(), 0);
    }
}

#[test]
fn a_host_that_comes_back_gets_a_growing_share() {
    for policy in [Policy::RoundRobin, Policy::PrimaryBackup] {
        let mut plan = hosts(2, policy);
        plan.groups[0].warm_up_ms = 10_000;
        let mut world = world(plan);
        // The second came when the first was there; it has warmed up by now.
        world.pass(20_000);
        world.take();
        world.served(4);
        world.tell(Input::LinkDown(on(A, 1)));
        world.sign_on(on(A, 2));
        let full = if policy == Policy::RoundRobin { 100 } else { 200 };
        let share = |world: &mut World| world.served(200)[1] * 100 / full;
        let cold = share(&mut world);
        world.pass(5_000);
        let warm = share(&mut world);
        world.pass(5_000);
        let hot = share(&mut world);
        assert!((8..=20).contains(&cold), "{policy:?} {cold}");
        assert!((45..=75).contains(&warm), "{policy:?} {warm}");
        assert_eq!(hot, 100, "{policy:?}");
    }
}

#[test]
fn a_host_that_is_the_only_one_needs_no_warming() {
    let mut plan = hosts(2, Policy::PrimaryBackup);
    plan.groups[0].warm_up_ms = 10_000;
    let mut world = World::new(plan);
    world.tell(Input::LinkUp(ATM));
    world.sign_on(on(A, 1));
    assert_eq!(world.served(20), [0, 20, 0, 0]);
}

/// Guarantees 4.3: a link is judged apart, so that one bad host does not take the group down.
#[test]
fn a_bad_host_is_passed_over_and_the_group_stays_closed() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    world.fail(A, 4);
    assert_eq!(world.link(A), Position::Closed);
    world.fail(A, 1);
    assert_eq!((world.link(A), world.link(B)), (Position::Open, Position::Closed));
    assert_eq!(world.group(), Position::Closed);
    assert_eq!(world.served(20), [0, 0, 20, 0]);
    // At most half of them, and never the last: now the group is judged.
    world.fail(B, 4);
    assert_eq!((world.link(B), world.group()), (Position::Closed, Position::Closed));
    world.fail(B, 1);
    assert_eq!((world.link(B), world.group()), (Position::Closed, Position::Open));
}

#[test]
fn of_three_hosts_one_may_be_passed_over() {
    let mut world = world(hosts(3, Policy::RoundRobin));
    world.fail(A, 5);
    world.fail(B, 5);
    let positions = [A, B, C].map(|link| world.link(link));
    assert_eq!(positions, [Position::Open, Position::Closed, Position::Closed]);
}

#[test]
fn a_passed_over_host_is_used_when_it_is_the_last() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    world.fail(A, 5);
    world.tell(Input::LinkDown(on(B, 1)));
    world.take();
    assert_eq!(world.served(5), [0, 5, 0, 0]);
    assert_eq!(world.link(A), Position::Open, "what passed by it closes nothing");
    // And the group is judged by it.
    for stan in 0..5 {
        let sent = world.ask(stan);
        world.answer(&sent, "91");
    }
    assert_eq!(world.group(), Position::Open);
}

#[test]
fn a_passed_over_host_comes_back_by_an_echo_and_three_probes() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    world.fail(A, 5);
    world.pass(5_500);
    let echo = world.sent_to(on(A, 1));
    assert_eq!(echo.get(field::NETWORK_CODE), Some(301));
    world.tell(received(on(A, 1), answer_to(&echo, "00")));
    assert_eq!(world.link(A), Position::HalfOpen);
    let probe = world.ask(1);
    assert_eq!(probe.to.link, A, "the next inquiry is the probe");
    let others: Vec<_> = (2..6).map(|stan| world.ask(stan)).collect();
    assert!(others.iter().all(|sent| sent.to.link == B), "one probe at a time");
    world.answer(&probe, "00");
    for stan in 6..8 {
        assert_eq!(world.link(A), Position::HalfOpen);
        let probe = world.ask(stan);
        assert_eq!(probe.to.link, A);
        world.answer(&probe, "51");
    }
    assert_eq!(world.link(A), Position::Closed);
    for sent in &others {
        world.answer(sent, "00");
    }
    world.take();
    assert_eq!(world.served(20), [0, 10, 10, 0]);
}

#[test]
fn a_bad_probe_of_a_link_does_not_hurt_the_group() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    world.fail(A, 5);
    for _ in 0..8 {
        world.pass(70_000);
        for echo in world.all_sent_to(on(A, 1)) {
            world.tell(received(on(A, 1), answer_to(&echo, "00")));
        }
        world.take();
        let probe = world.ask(1);
        assert_eq!(probe.to.link, A);
        world.answer(&probe, "96");
        assert_eq!((world.link(A), world.group()), (Position::Open, Position::Closed));
    }
}

#[test]
fn payments_leave_the_probes_to_inquiries_for_half_a_second() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    world.fail(A, 5);
    world.pass(5_500);
    let echo = world.sent_to(on(A, 1));
    world.tell(received(on(A, 1), answer_to(&echo, "00")));
    world.take();
    let pay = |world: &mut World, stan| {
        world.tell(received(ATM, payment(stan)));
        world.requests().pop().unwrap().to.link
    };
    assert_eq!(pay(&mut world, 1), B);
    world.pass(500);
    world.take();
    assert_eq!(pay(&mut world, 2), A);
}

/// A reversal that nobody may carry waits for a decision, not for a time that is over: else
/// whoever drives the engine would ask it again and again.
#[test]
fn a_reversal_that_nobody_may_carry_asks_for_no_time() {
    let mut world = world(hosts(1, Policy::LeastOutstanding));
    world.tell(received(ATM, payment(1)));
    let (_, tag) = world.request();
    world.tell(Input::Written(tag));
    world.control(Target::Link(A), Order::Disable, 3_600_000);
    world.pass(15_000);
    assert_eq!(world.switch.reversals_open(), 1);
    // Before the first echo, which nobody answers here.
    for _ in 0..20 {
        world.pass(500);
        let next = world.switch.poll_timeout();
        assert!(next.is_none_or(|next| next > world.now.tick), "{next:?} is over");
    }
}

/// Drain of one host: nothing new, what is in flight ends, and it is back when the time is over.
#[test]
fn a_host_that_is_disabled_drains_and_comes_back_by_itself() {
    let mut world = world(hosts(2, Policy::RoundRobin));
    let (one, two) = (world.ask(1), world.ask(2));
    world.control(Target::Link(A), Order::Disable, 60_000);
    assert_eq!(world.link(A), Position::Disabled);
    world.take();
    for sent in [one, two] {
        world.answer(&sent, "00");
        assert_eq!(code(&world.sent_to(ATM)), "00", "what is in flight may end");
    }
    assert_eq!(world.served(10), [0, 0, 10, 0]);
    world.pass(60_000);
    assert_eq!(world.link(A), Position::Closed);
    world.take();
    assert_eq!(world.served(10), [0, 5, 5, 0]);
    assert_eq!(
        world.notices(),
        [
            "ida disable: link bank.1 for 60 s: maintenance",
            "switch judge: link bank.1: its time is over",
        ]
    );
}

#[test]
fn a_group_that_is_forced_open_refuses_and_still_reverses() {
    let mut world = world(hosts(1, Policy::RoundRobin));
    world.tell(received(ATM, payment(1)));
    let sent = world.requests().pop().unwrap();
    world.tell(Input::Written(sent.tag));
    world.control(Target::Group(GroupId(0)), Order::ForceOpen, 600_000);
    world.tell(received(ATM, payment(2)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    assert_eq!(world.outcome().reason, Reason::BreakerOpen);
    world.pass(15_000);
    let reversal = world.requests().pop().unwrap();
    assert_eq!(reversal.message.mti().as_str(), "0420");
    world.tell(received(reversal.to, answer_to(&reversal.message, "00")));
    assert_eq!(world.switch.reversals_open(), 0);
    world.control(Target::Group(GroupId(0)), Order::Judge, 0);
    assert_eq!(world.group(), Position::Closed);
    world.take();
    assert_eq!(world.served(1), [0, 1, 0, 0]);
}

#[test]
fn a_group_that_is_forced_closed_never_trips() {
    let mut world = world(hosts(1, Policy::RoundRobin));
    world.control(Target::Group(GroupId(0)), Order::ForceClosed, 600_000);
    world.fail(A, 50);
    assert_eq!(world.group(), Position::ForcedClosed);
    assert_eq!(world.served(3), [0, 3, 0, 0]);
}

#[test]
fn a_disabled_group_sends_nothing_new_and_reverses_when_it_is_back() {
    let mut world = world(hosts(1, Policy::RoundRobin));
    world.tell(received(ATM, payment(1)));
    let sent = world.requests().pop().unwrap();
    world.tell(Input::Written(sent.tag));
    world.control(Target::Group(GroupId(0)), Order::Disable, 100_000);
    world.tell(received(ATM, balance(2)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    world.pass(15_000);
    assert!(world.requests().is_empty());
    assert_eq!(world.switch.reversals_open(), 1);
    world.pass(85_000);
    let sent = world.requests();
    assert_eq!(sent.iter().filter(|sent| sent.message.mti().as_str() == "0420").count(), 1);
}

#[test]
fn a_decision_about_nothing_is_recorded_and_does_nothing() {
    let mut world = world(hosts(1, Policy::RoundRobin));
    world.control(Target::Link(LinkId(0)), Order::Disable, 1_000);
    world.control(Target::Group(GroupId(9)), Order::ForceOpen, 1_000);
    assert_eq!(world.notices().len(), 2);
    assert_eq!(world.served(3), [0, 3, 0, 0]);
}

/// For connections that carry one message each: their end says only what became of it.
#[test]
fn what_was_written_and_lost_is_indefinite_and_a_lost_reversal_is_repeated() {
    let mut world = world(hosts(1, Policy::RoundRobin));
    world.tell(received(ATM, payment(1)));
    let sent = world.requests().pop().unwrap();
    world.tell(Input::Written(sent.tag));
    world.tell(Input::Lost(sent.tag));
    let outputs = world.take();
    let answer = outputs.iter().find_map(|output| match output {
        Output::Send { connection: ATM, message, .. } => Some(code(message)),
        _ => None,
    });
    assert_eq!(answer.as_deref(), Some("68"));
    assert_eq!(world.outcome().reason, Reason::ClosedSent);
    let reversal = outputs.into_iter().find_map(|output| match output {
        Output::Send { message, tag: Some(tag), .. } if message.mti().as_str() == "0420" => {
            Some(tag)
        }
        _ => None,
    });
    world.tell(Input::Lost(reversal.unwrap()));
    world.pass(5_000);
    assert_eq!(world.requests().pop().unwrap().message.mti().as_str(), "0421");
}
