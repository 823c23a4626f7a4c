//! Why a frame was dropped, and why a request got no answer in time.

use super::*;
use veksel_codecs::FieldNumber;
use veksel_core::{Nearest, Seen};

/// The explanations among what was not looked at; forgets the rest.
fn explained(world: &mut World) -> Vec<(Dropped, Seen, Option<Nearest>, u32)> {
    let explanation = |output| match output {
        Output::Count(Event::Explained { why, seen, nearest, withheld, .. }) => {
            Some((why, seen, nearest, withheld))
        }
        _ => None,
    };
    world.take().into_iter().filter_map(explanation).collect()
}

fn only(world: &mut World) -> (Dropped, Seen, Option<Nearest>) {
    let mut explained = explained(world);
    assert_eq!(explained.len(), 1);
    let (why, seen, nearest, _) = explained.remove(0);
    (why, seen, nearest)
}

/// What is wrong with an answer, what it is dropped for, and the field that is named.
type Case = (fn(&mut Message), Dropped, FieldNumber);

#[test]
fn an_answer_that_matches_nothing_names_the_nearest_request_and_what_differs() {
    let cases: [Case; 4] = [
        (|m| m.set(field::STAN, 4711), Dropped::Unmatched, field::STAN.number()),
        (|m| m.set(field::TERMINAL, "ATM00018"), Dropped::Mismatch, field::TERMINAL.number()),
        (|m| m.set(field::RRN, "632516000999"), Dropped::Mismatch, field::RRN.number()),
        (|m| m.set_mti(Mti::parse("0110").unwrap()), Dropped::Mismatch, FieldNumber::MTI),
    ];
    for (change, why, differs) in cases {
        let mut world = World::online();
        let (request, tag) = world.payment();
        world.pass(250);
        let mut answer = answer_to(&request, "00");
        change(&mut answer);
        let said = (answer.mti(), answer.get(field::STAN).map(|stan| stan as u32));
        world.tell(received(BANK, answer));
        let (dropped, seen, nearest) = only(&mut world);
        assert_eq!((dropped, (seen.mti, seen.stan)), (why, said));
        let nearest = nearest.expect("the only request there is");
        assert_eq!((nearest.txn, nearest.differs), (tag.txn, differs));
        assert_eq!(Some(u64::from(nearest.stan)), request.get(field::STAN));
        assert_eq!(nearest.rrn.as_ref().map(veksel_core::Rrn::as_str), Some("632516000124"));
        assert_eq!(nearest.waited, 250_000_000);
    }
}

#[test]
fn the_nearest_is_the_one_with_most_in_common_and_none_is_better_than_any() {
    let mut world = World::online();
    for (stan, rrn) in [(21, "632516000121"), (22, "632516000122"), (23, "632516000123")] {
        let mut request = balance(stan);
        request.set(field::RRN, rrn);
        request.set(field::TRANSMISSION, format!("11201428{stan}").as_str());
        world.tell(received(ATM, request));
        let (_, tag) = world.request();
        world.tell(Input::Written(tag));
    }
    let mut answer = answer_to(&balance(999_999), "00");
    answer.set(field::TRANSMISSION, "1120142899");
    answer.set(field::RRN, "632516000122");
    world.tell(received(BANK, answer.clone()));
    let (_, _, nearest) = only(&mut world);
    let nearest = nearest.expect("one with the same RRN");
    assert_eq!(nearest.rrn.as_ref().map(veksel_core::Rrn::as_str), Some("632516000122"));
    assert_eq!(nearest.differs, field::STAN.number());
    answer.set(field::RRN, "000000000000");
    world.tell(received(BANK, answer));
    let (why, _, nearest) = only(&mut world);
    assert_eq!((why, nearest), (Dropped::Unmatched, None));
}

#[test]
fn a_late_answer_says_so_and_is_compared_with_nothing() {
    let mut world = World::online();
    world.tell(received(ATM, balance(8)));
    let (request, tag) = world.request();
    world.tell(Input::Written(tag));
    world.pass(8_000);
    let timeout = world.take().into_iter().find_map(|output| match output {
        Output::Count(Event::TimedOut { connection, txn, waited, quiet, .. }) => {
            Some((connection, txn, waited, quiet))
        }
        _ => None,
    });
    let eight = 8_000_000_000;
    assert_eq!(timeout, Some((BANK, tag.txn, eight, Some(eight))), "it said nothing at all");
    world.tell(received(BANK, answer_to(&request, "00")));
    let (why, seen, nearest) = only(&mut world);
    assert_eq!((why, nearest), (Dropped::Late, None));
    assert_eq!(seen.stan.map(u64::from), request.get(field::STAN));
}

#[test]
fn a_flood_is_counted_and_explained_a_few_times_a_second() {
    let mut world = World::online();
    let stray = answer_to(&balance(999_999), "00");
    for _ in 0..1_000 {
        world.tell(received(BANK, stray.clone()));
    }
    let outputs = world.take();
    let count = |wanted: fn(&Event) -> bool| {
        let is = |output: &&Output| matches!(output, Output::Count(event) if wanted(event));
        outputs.iter().filter(is).count()
    };
    assert_eq!(count(|event| matches!(event, Event::Dropped { .. })), 1_000);
    assert_eq!(count(|event| matches!(event, Event::Explained { .. })), 10);
    world.pass(1_000);
    world.take();
    world.tell(received(BANK, stray));
    assert_eq!(explained(&mut world).first().map(|(.., withheld)| *withheld), Some(990));
}

#[test]
fn no_content_is_explained() {
    let mut world = World::online();
    let mut answer = answer_to(&payment(7), "00");
    answer.set(field::RRN, "4111\u{1b}[1m11;1");
    world.tell(received(BANK, answer));
    let shown = format!("{:?}", world.take());
    let explained = shown.split("Explained").nth(1).unwrap_or_default();
    assert!(!explained.contains("4111111111111111") && !explained.contains("10000000001"));
    assert!(!explained.contains('\u{1b}'));
}
