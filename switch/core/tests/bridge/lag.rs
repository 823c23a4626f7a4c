//! How far what is known here may lag behind a bank (integration design 5.1): the status of a
//! payment five minutes, a balance as long as it may be given.

use crate::world::{
    START, World, code, customer, failed, initiated, linked, payment, plan, received, request,
    status,
};
use veksel_core::enquiry::{Ask, Balances, Enquiry, Failed, Verdict};
use veksel_core::fact::{Cached, Fact, KycStatus, Linked, PaymentStatus};
use veksel_core::plan::Plan;
use veksel_core::{Output, Record};

/// What the design allows.
const LAG_MAX_MS: u64 = 5 * 60_000;

/// Asks as the engine does until nothing is asked within the lag, and gives the longest time
/// between two questions while the payment was `waiting` or `accepted` and its time not over.
fn longest(first: PaymentStatus, later: PaymentStatus) -> u64 {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(first));
    world.sent();
    let (mut last, mut longest) = (0, 0);
    while let Some(ask) = world.pass_until_asked(LAG_MAX_MS) {
        let now = world.now.utc.0 - START.0;
        if now > LAG_MAX_MS {
            break;
        }
        assert!(matches!(ask.enquiry, Enquiry::Status(_) | Enquiry::Cancel(_)), "{ask:?}");
        longest = longest.max(now - last);
        last = now;
        world.verdict(&ask, status(later));
        world.sent();
    }
    assert!(last >= LAG_MAX_MS - 30_000, "it was last asked about after {last} ms");
    longest
}

#[test]
fn no_payment_is_asked_about_less_often_than_its_status_may_lag() {
    for (first, later) in [
        (PaymentStatus::Received, PaymentStatus::Received),
        (PaymentStatus::InProcess, PaymentStatus::InProcess),
    ] {
        let longest = longest(first, later);
        assert!(longest <= 30_000, "{first:?}: {longest} ms between two questions");
    }
    // What happens right after a question is known after the next one.
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Received));
    let changed = world.now.utc.0;
    let poll = world.pass_until_asked(LAG_MAX_MS).expect("it is asked about again");
    world.verdict(&poll, status(PaymentStatus::Settled));
    assert!(world.now.utc.0 - changed <= LAG_MAX_MS);
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "00");
}

/// Answers every question like this until so much time is over, and gives the longest lag.
fn lag_with(world: &mut World, ms: u64, answer: impl Fn() -> Verdict) -> u64 {
    let end = world.now.utc.0 + ms;
    let mut longest = 0;
    while world.now.utc.0 < end {
        let asked = world.pass_until_asked(end - world.now.utc.0);
        longest = longest.max(world.switch.payments_lag(world.now));
        match asked {
            Some(ask) => world.verdict(&ask, answer()),
            None => world.pass(end - world.now.utc.0),
        }
        world.sent();
    }
    longest.max(world.switch.payments_lag(world.now))
}

#[test]
fn how_far_a_payment_lags_is_told_and_is_little_while_its_bank_answers() {
    let mut world = World::linked();
    assert_eq!(world.switch.payments_lag(world.now), 0, "there is none");
    world.tell(received(payment(7)));
    let order = world.asked();
    world.pass(1_500);
    assert_eq!(world.switch.payments_lag(world.now), 1_500, "its bank has not said anything");
    world.verdict(&order, initiated(PaymentStatus::Received));
    world.sent();
    assert_eq!(world.switch.payments_lag(world.now), 0);
    let waiting = || status(PaymentStatus::Received);
    let longest = lag_with(&mut world, 240_000, waiting);
    assert!((1_000..=30_000).contains(&longest), "{longest}");

    // A bank that says nothing any more is seen within five minutes and the next question.
    let silent = || failed(Failed::Unavailable, false);
    let before = world.switch.payments_lag(world.now);
    let longest = lag_with(&mut world, LAG_MAX_MS + 30_000, silent);
    assert_eq!(longest, before + LAG_MAX_MS + 30_000);
    assert!(longest > LAG_MAX_MS);

    // Another process counts from when it was received, until the bank says something again.
    world.restart();
    let known = world.now.utc.0 - START.0;
    assert_eq!(world.switch.payments_lag(world.now), known);
    let ask = world.pass_until_asked(LAG_MAX_MS).unwrap();
    world.verdict(&ask, status(PaymentStatus::Received));
    assert_eq!(world.switch.payments_lag(world.now), 0);
}

#[test]
fn what_is_decided_lags_behind_nothing() {
    for last in [PaymentStatus::Settled, PaymentStatus::InProcess, PaymentStatus::Rejected] {
        let mut world = World::linked();
        world.pending();
        let poll = world.pass_until_asked(2_000).unwrap();
        world.verdict(&poll, status(last));
        world.pass(LAG_MAX_MS);
        assert_eq!(world.switch.payments_lag(world.now), 0, "{last:?}");
    }
}

const HOUR: u64 = 3_600_000;
const BALANCES: Balances = Balances { ledger: 4_523_000, available: 4_500_000, currency: 578 };

/// A linked account whose balance is read this often.
fn refreshed(refresh_ms: u64) -> World {
    let mut plan = plan();
    plan.banks[0].refresh_ms = refresh_ms;
    seen(plan)
}

/// The same, and its balance was read just now.
fn seen(plan: Plan) -> World {
    let mut world = World::bare(plan);
    let (account, state) = (linked().account, linked().state);
    let Balances { ledger, available, currency } = BALANCES;
    let synced = START;
    let cached = Cached { account, ledger, available, currency, synced, state, is_over: false };
    for fact in [Fact::Linked(linked()), Fact::Balance(cached)] {
        world.know(fact);
    }
    world.know(Fact::Customer(customer(KycStatus::Approved)));
    world.begin();
    world
}

/// So much time passes, and nobody is asked anything.
fn quiet(world: &mut World, ms: u64) {
    let end = world.now.utc.0 + ms;
    assert!(world.pass_until_asked(ms).is_none());
    world.pass(end - world.now.utc.0);
    assert!(world.asked_maybe().is_none());
}

fn is_unattended(ask: &Ask) -> bool {
    matches!(ask.enquiry, Enquiry::Balances { is_attended: false, .. })
}

#[test]
fn a_balance_nobody_asks_for_is_read_every_six_hours_and_four_times_a_day() {
    let mut world = refreshed(6 * HOUR);
    let mut reads = Vec::new();
    while let Some(ask) = world.pass_until_asked(7 * HOUR).filter(|_| reads.len() < 40) {
        assert!(is_unattended(&ask), "{ask:?}");
        reads.push(world.now.utc.0);
        world.pass(300);
        world.verdict(&ask, Verdict::Balances(BALANCES));
        assert!(world.sent().is_empty(), "no channel hears of it");
        assert_eq!(world.switch.balance_age(world.now), 0);
    }
    assert_eq!(reads.len(), 40);
    for (place, at) in reads.iter().enumerate() {
        let day = reads.iter().filter(|read| (*at..at + 24 * HOUR).contains(*read)).count();
        assert!(day <= 4, "{day} reads in the day from the {place}th");
    }
    let longest = reads.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!((6 * HOUR..6 * HOUR + 600_000).contains(&longest), "{longest}");
}

#[test]
fn who_asks_meanwhile_saves_a_read_and_a_restart_forgets_nothing() {
    let mut world = refreshed(6 * HOUR);
    world.pass(4 * HOUR);
    world.tell(received(request("311000", 7, 0)));
    let ask = world.asked();
    assert!(!is_unattended(&ask));
    world.verdict(&ask, Verdict::Balances(BALANCES));
    world.sent();
    quiet(&mut world, 6 * HOUR - 1_000);
    world.restart();
    let ask = world.pass_until_asked(2_000).expect("it is old now");
    assert!(is_unattended(&ask));
    // A bank that is away is asked again when the next one is due, not sooner.
    world.verdict(&ask, failed(Failed::Unavailable, false));
    quiet(&mut world, 6 * HOUR - 1_000);
    assert!(world.switch.balance_age(world.now) > 11 * HOUR);
    let ask = world.pass_until_asked(2_000).unwrap();
    // A consent that is over ends it.
    world.verdict(&ask, failed(Failed::NotPermitted, false));
    quiet(&mut world, 30 * HOUR);
}

#[test]
fn no_balance_is_read_where_that_is_not_wanted_or_no_read_is_left() {
    let mut world = refreshed(0);
    quiet(&mut world, 48 * HOUR);
    let mut plan = plan();
    plan.banks[0].refresh_ms = HOUR;
    let mut world = seen(plan);
    for _ in 0..4 {
        let ask = world.pass_until_asked(HOUR + 1_000).unwrap();
        world.verdict(&ask, Verdict::Balances(BALANCES));
    }
    // The first of the four no longer counts a day after it.
    quiet(&mut world, 20 * HOUR);
    assert!(world.pass_until_asked(HOUR + 600_000).is_some_and(|ask| is_unattended(&ask)));
}

#[test]
fn channels_without_their_customers_find_half_of_the_reads_of_a_day() {
    let mut plan = plan();
    plan.banks[0].refresh_ms = HOUR;
    // Whoever asks here is none of these.
    plan.banks[0].attended = vec![veksel_core::ParticipantId(99)];
    let mut world = seen(plan);
    for _ in 0..2 {
        let ask = world.pass_until_asked(HOUR + 1_000).unwrap();
        assert!(is_unattended(&ask));
        world.verdict(&ask, Verdict::Balances(BALANCES));
    }
    quiet(&mut world, 3 * HOUR);
    for stan in [7, 8] {
        world.tell(received(request("311000", stan, 0)));
        let ask = world.asked();
        assert!(is_unattended(&ask), "{ask:?}");
        world.verdict(&ask, Verdict::Balances(BALANCES));
        assert_eq!(code(&world.answer()), "00");
    }
    // Of these there are no more either: what is known is told.
    world.tell(received(request("311000", 9, 0)));
    assert!(world.asked_maybe().is_none());
}

#[test]
fn a_bank_is_asked_for_four_balances_at_a_time_after_a_start() {
    let mut world = refreshed(6 * HOUR);
    for number in 0..20 {
        let account = format!("NO93860111179{number:02}");
        world.know(Fact::Linked(Linked { account, consent: format!("c{number}"), ..linked() }));
    }
    world.restart();
    let mut open = Vec::new();
    while let Some(ask) = world.pass_until_asked(4_000) {
        open.push(ask);
    }
    assert_eq!(open.len(), 4, "nobody answers");
    let mut asked = 0;
    while let Some(ask) = open.pop().or_else(|| world.pass_until_asked(6_000)) {
        world.verdict(&ask, Verdict::Balances(BALANCES));
        asked += 1;
    }
    assert_eq!(asked, 20, "all have their turn");
    quiet(&mut world, 5 * HOUR);
}

#[test]
fn starts_while_a_bank_is_away_use_no_reads_up() {
    let mut world = refreshed(6 * HOUR);
    let ask = world.pass_until_asked(7 * HOUR).unwrap();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    for _ in 0..5 {
        world.restart();
        quiet(&mut world, HOUR);
    }
    assert!(world.pass_until_asked(HOUR + 1_000).is_some_and(|ask| is_unattended(&ask)));
}

/// What nobody has read yet is read at a start, and not put off by each.
#[test]
fn a_balance_nobody_ever_read_is_read_when_the_switch_begins() {
    let mut plan = plan();
    plan.banks[0].refresh_ms = 6 * HOUR;
    let mut world = World::linked_with(plan);
    let ask = world.pass_until_asked(1_000).expect("it is not known");
    assert!(is_unattended(&ask));
    world.verdict(&ask, failed(Failed::Unavailable, false));
    world.restart();
    quiet(&mut world, 5 * HOUR);
}

/// A crash between the two would forget a read that the bank has counted.
#[test]
fn a_read_is_recorded_before_it_leaves() {
    let mut world = refreshed(HOUR);
    world.pass(HOUR + 1_000);
    let after = world.seen.iter().find_map(|output| match output {
        Output::Ask { after, .. } => *after,
        _ => None,
    });
    let after = after.expect("it waits for a record");
    let (_, record) = world.journal.iter().find(|(id, _)| *id == after).unwrap();
    let Record::Fact(known) = record else { panic!("{record:?}") };
    assert!(matches!(known.fact, Fact::Reads(_)), "{known:?}");
}
