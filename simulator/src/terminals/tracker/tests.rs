//! The tracker alone, without a socket: what each thing that can arrive is counted as.

use super::*;
use crate::money::Currency;

const BOUNDS: Bounds = Bounds { in_flight_max: 4, timeout_us: 1_000, movements_max: 2 };

fn request(session: u32, due_us: u64) -> Request {
    Request {
        kind: Kind::Transfer,
        session,
        due_us,
        code: "401020".to_owned(),
        terminal: "TRM00001".to_owned(),
        money: Money::new(1_200, Currency::Nok),
    }
}

fn tracker() -> Tracker {
    Tracker::new(BOUNDS, Numbers::new(42))
}

/// Sends on session 1 and gives the right answer.
fn ask(tracker: &mut Tracker) -> Message {
    let serial = tracker.next_serial();
    tracker.send(request(1, 0));
    let mut answer = Message::of(RESPONSE);
    answer.set(field::PROCESSING_CODE, "401020");
    answer.set(field::AMOUNT, 1_200);
    answer.set(field::STAN, stan(serial));
    answer.set(field::RRN, tracker.numbers().rrn(serial).as_str());
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    answer.set(field::TERMINAL, "TRM00001");
    answer.set(field::CURRENCY, 578);
    answer
}

/// Answered, wrong, duplicated, late, unknown, unanswered, in flight.
fn counts(tracker: &mut Tracker) -> [u64; 7] {
    let t = tracker.snapshot(0);
    assert_eq!(t.sent, t.answered + t.wrong + t.unanswered + t.in_flight);
    [t.answered, t.wrong, t.duplicated, t.late, t.unknown, t.unanswered, t.in_flight]
}

#[test]
fn an_answer_counts_once() {
    let mut tracker = tracker();
    let answer = ask(&mut tracker);
    tracker.answer(250, 1, &answer);
    assert_eq!(counts(&mut tracker), [1, 0, 0, 0, 0, 0, 0]);
    tracker.answer(260, 1, &answer);
    assert_eq!(counts(&mut tracker), [1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(tracker.snapshot(0).by_kind[&Kind::Transfer].max_us, 250);
}

#[test]
fn every_field_that_contradicts_makes_an_answer_wrong() {
    let changes: [fn(&mut Message); 10] = [
        |answer| answer.set_mti(Mti::known(b"0230")),
        |answer| answer.set(field::PROCESSING_CODE, "400000"),
        |answer| answer.set(field::AMOUNT, 1_201),
        |answer| answer.set(field::AMOUNT, 1_199),
        |answer| answer.set(field::STAN, 77),
        |answer| answer.set(field::RRN, "000000000000"),
        |answer| answer.set(field::TERMINAL, "TRM00002"),
        |answer| answer.set(field::CURRENCY, 752),
        |answer| answer.remove(field::AMOUNT),
        |answer| answer.remove(field::RESPONSE_CODE),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut tracker = tracker();
        let right = ask(&mut tracker);
        let mut wrong = right.clone();
        change(&mut wrong);
        tracker.answer(1, 1, &wrong);
        assert_eq!(counts(&mut tracker), [0, 1, 0, 0, 0, 0, 0], "change {place}");
        tracker.answer(1, 1, &right);
        assert_eq!(counts(&mut tracker), [0, 1, 1, 0, 0, 0, 0], "change {place}");
    }
}

#[test]
fn what_was_not_asked_on_a_connection_is_unknown_there() {
    let mut tracker = tracker();
    let answer = ask(&mut tracker);
    tracker.answer(1, 2, &answer);
    assert_eq!(counts(&mut tracker), [0, 0, 0, 0, 1, 0, 1]);
    tracker.answer(1, 1, &answer);
    let mut stranger = answer.clone();
    stranger.set(field::RRN, "123456789012");
    tracker.answer(1, 1, &stranger);
    tracker.answer(1, 1, &Message::of(RESPONSE));
    tracker.unreadable();
    assert_eq!(counts(&mut tracker), [1, 0, 0, 0, 4, 0, 0]);
}

#[test]
fn an_answer_after_the_timeout_is_late() {
    let mut tracker = tracker();
    let answer = ask(&mut tracker);
    tracker.expire(999);
    assert_eq!(tracker.in_flight(), 1);
    tracker.expire(1_000);
    tracker.answer(1_001, 1, &answer);
    assert_eq!(counts(&mut tracker), [0, 0, 0, 1, 0, 1, 0]);
}

#[test]
fn a_lost_connection_gives_up_its_own_requests_only() {
    let mut tracker = tracker();
    let answers = [ask(&mut tracker), ask(&mut tracker)];
    tracker.send(request(2, 0));
    tracker.lose(1);
    assert_eq!(counts(&mut tracker), [0, 0, 0, 0, 0, 2, 1]);
    assert_eq!(tracker.snapshot(0).lost, 2);
    tracker.answer(5, 3, &answers[0]);
    assert_eq!(counts(&mut tracker), [0, 0, 0, 0, 1, 2, 1]);
    tracker.abandon();
    assert_eq!(counts(&mut tracker), [0, 0, 0, 0, 1, 3, 0]);
}

#[test]
fn it_is_full_at_its_bound() {
    let mut tracker = tracker();
    for count in 0..4 {
        assert_eq!((tracker.is_full(), tracker.in_flight()), (false, count));
        let _ = ask(&mut tracker);
    }
    assert!(tracker.is_full());
}

#[test]
fn only_approved_payments_are_movements() {
    let mut tracker = tracker();
    let mut declined = ask(&mut tracker);
    declined.set(field::RESPONSE_CODE, ResponseCode::INSUFFICIENT_FUNDS);
    tracker.answer(1, 1, &declined);
    let mut partial = ask(&mut tracker);
    partial.set(field::RESPONSE_CODE, ResponseCode::PARTIALLY_APPROVED);
    partial.set(field::AMOUNT, 700);
    tracker.answer(1, 1, &partial);
    for _ in 0..2 {
        let approved = ask(&mut tracker);
        tracker.answer(1, 1, &approved);
    }
    let traffic = tracker.finish(9);
    let minor: Vec<_> = traffic.movements.iter().map(|movement| movement.money.minor).collect();
    assert_eq!((minor, traffic.movements_omitted), (vec![700, 1_200], 1));
    let approved = traffic.money[&(Kind::Transfer, Currency::Nok)];
    assert_eq!((approved.count, approved.minor), (3, 3_100));
    assert_eq!(traffic.movements[0].stan, 2);
    assert_eq!(traffic.by_code.values().sum::<u64>(), 4);
}

#[test]
fn only_so_many_fates_are_remembered() {
    let bounds = Bounds { in_flight_max: 10, timeout_us: 1, movements_max: 0 };
    let mut tracker = Tracker::new(bounds, Numbers::new(1));
    let first = ask(&mut tracker);
    tracker.answer(0, 1, &first);
    for _ in 0..FATES_MAX {
        let serial = tracker.next_serial();
        tracker.send(request(1, 0));
        tracker.in_flight.remove(&serial);
    }
    assert_eq!(tracker.fates.len(), FATES_MAX);
    tracker.answer(0, 1, &first);
    assert_eq!((tracker.tally.traffic.unknown, tracker.tally.traffic.duplicated), (1, 0));
}
