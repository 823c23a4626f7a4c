//! Terminals against a host of the tests, over real sockets of this machine.
//!
//! Asserted are counts and their relations, never times: a slow machine must not fail them.

mod host;

use super::*;
use crate::money::Currency;
use host::{Act, Host};
use std::collections::{BTreeMap, BTreeSet};
use veksel_codecs::Framing;
use veksel_config::Destination;

const MIX: Mix = Mix { balance: 40, statement: 10, purchase: 20, transfer: 20, bill: 10 };

fn config(port: u16, rate: u32, connections: u32) -> TerminalsConfig {
    TerminalsConfig {
        connect: Destination { host: "127.0.0.1".to_owned(), port },
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: Framing::binary2(),
        mac: None,
        tls: None,
        rate,
        connections,
        mix: MIX,
        seed: 1,
    }
}

fn quick() -> Behaviour {
    Behaviour { reconnect_min: Duration::from_millis(5), ..Behaviour::default() }
}

/// Looks until it is so; how long that takes is not the matter of the test.
fn until(terminals: &RunningTerminals, is_so: impl Fn(&Traffic) -> bool) -> Traffic {
    let begun = Instant::now();
    loop {
        let traffic = terminals.snapshot();
        if is_so(&traffic) {
            return traffic;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {traffic:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whatever happened, every request is in one place.
fn assert_adds_up(traffic: &Traffic) {
    let Traffic { sent, answered, wrong, unanswered, in_flight, .. } = *traffic;
    assert_eq!(sent, answered + wrong + unanswered + in_flight, "{traffic:?}");
    assert_eq!(traffic.by_kind.values().map(|kind| kind.sent).sum::<u64>(), sent);
    assert_eq!(traffic.by_kind.values().map(|kind| kind.answered).sum::<u64>(), answered);
    assert_eq!(traffic.by_code.values().sum::<u64>(), answered);
}

#[test]
fn traffic_keeps_its_rate_and_every_request_is_answered_once() {
    let host = Host::start(0, |_| Act::Answer);
    let terminals = start_with(config(host.port(), 2_000, 4), quick()).unwrap();
    until(&terminals, |traffic| traffic.sent >= 2_000);
    let traffic = terminals.stop();
    assert!(traffic.is_answered_once(), "{traffic:?}");
    assert_adds_up(&traffic);
    let due = traffic.elapsed.as_micros() * 2_000 / 1_000_000 + 1;
    let passed = u128::from(traffic.sent + traffic.skipped);
    // A thread that got no time may be behind by what it has not looked at yet.
    assert!(passed <= due && passed * 2 >= due, "{passed} of {due}");
    assert_eq!(traffic.by_code, BTreeMap::from([("00".to_owned(), traffic.sent)]));
    for kind in Kind::ALL {
        let share = traffic.by_kind[&kind].sent * 100 / traffic.sent;
        assert!(share.abs_diff(kind.share(&MIX).into()) <= 4, "{kind}: {share} %");
    }
    let seen = host.stop();
    assert_eq!(seen.requests.len() as u64, traffic.sent);
    let distinct =
        |key: fn(&host::Seen) -> &str| seen.requests.iter().map(key).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(|seen| &seen.terminal), 4);
    assert_eq!(distinct(|seen| &seen.rrn), seen.requests.len());
    assert_eq!(distinct(|seen| &seen.stan), seen.requests.len());
    assert_eq!(seen.refused, 0, "a request was against its presence rule");
}

#[test]
fn money_that_was_approved_is_listed() {
    let host = Host::start(0, |nth| if nth % 3 == 0 { Act::Decline } else { Act::Answer });
    let terminals = start_with(config(host.port(), 1_000, 2), quick()).unwrap();
    until(&terminals, |traffic| traffic.answered >= 300);
    let traffic = terminals.stop();
    let seen = host.stop();
    assert!(traffic.is_answered_once());
    assert_eq!(traffic.by_code["51"], seen.declined);
    let approved = seen.requests.iter().filter(|seen| seen.is_approved && seen.minor > 0);
    let mut expected: Vec<_> = approved.map(|seen| (seen.rrn.clone(), seen.minor)).collect();
    let listed = traffic
        .movements
        .iter()
        .map(|movement| (movement.rrn.clone(), u64::try_from(movement.money.minor).unwrap()));
    let mut listed: Vec<_> = listed.collect();
    expected.sort();
    listed.sort();
    assert!(!listed.is_empty());
    assert_eq!(listed, expected);
    let counted: u64 = traffic.money.values().map(|approved| approved.count).sum();
    assert_eq!(counted, traffic.movements.len() as u64);
    let crowns = |kind| traffic.money.contains_key(&(kind, Currency::Nok));
    assert!(crowns(Kind::Purchase) && !crowns(Kind::Balance));
}

#[test]
fn what_a_host_does_wrong_is_counted_for_what_it_is() {
    let host = Host::start(0, |nth| match nth % 20 {
        3 => Act::Silent,
        7 => Act::Twice,
        11 => Act::OtherAmount,
        13 => Act::OtherTerminal,
        15 => Act::Stranger,
        17 => Act::Garbage,
        _ => Act::Answer,
    });
    let behaviour = Behaviour { drain: Duration::from_secs(2), ..quick() };
    let terminals = start_with(config(host.port(), 1_000, 3), behaviour).unwrap();
    until(&terminals, |traffic| traffic.sent >= 600);
    let traffic = terminals.stop();
    let seen = host.stop();
    assert_adds_up(&traffic);
    assert!(!traffic.is_answered_once());
    assert_eq!(traffic.sent, seen.requests.len() as u64);
    assert!(seen.silent > 0 && seen.twice > 0 && seen.contradicted > 0 && seen.strange > 0);
    assert_eq!(traffic.unanswered, seen.silent);
    assert_eq!(traffic.duplicated, seen.twice);
    assert_eq!(traffic.wrong, seen.contradicted);
    assert_eq!(traffic.unknown, seen.strange);
    assert_eq!((traffic.lost, traffic.late, traffic.skipped), (0, 0, 0));
}

#[test]
fn what_a_host_tells_of_payments_is_known_and_no_answer() {
    let host = Host::start(0, |nth| if nth % 5 == 0 { Act::Advise } else { Act::Answer });
    let terminals = start_with(config(host.port(), 1_000, 2), quick()).unwrap();
    until(&terminals, |traffic| traffic.answered >= 300);
    let traffic = terminals.stop();
    let seen = host.stop();
    assert_adds_up(&traffic);
    assert!(traffic.is_answered_once(), "{traffic:?}");
    assert!(seen.known > 30, "{}", seen.known);
}

#[test]
fn when_the_host_dies_traffic_goes_on_after_it_is_back() {
    let first = Host::start(0, |nth| if nth > 200 { Act::Silent } else { Act::Answer });
    let port = first.port();
    let terminals = start_with(config(port, 1_000, 3), quick()).unwrap();
    until(&terminals, |traffic| traffic.answered >= 200 && traffic.in_flight > 10);
    let before = first.stop();
    let gone = until(&terminals, |traffic| traffic.lost > 10 && traffic.skipped > 100);
    assert_eq!(gone.reconnects, 0);
    let second = Host::start(port, |_| Act::Answer);
    until(&terminals, |traffic| traffic.reconnects == 3 && traffic.answered > 600);
    let traffic = terminals.stop();
    let after = second.stop();
    assert_adds_up(&traffic);
    assert_eq!(traffic.reconnects, 3);
    assert_eq!(traffic.unanswered, traffic.lost);
    assert_eq!((traffic.wrong, traffic.unknown, traffic.duplicated, traffic.late), (0, 0, 0, 0));
    let asked = before.requests.len() + after.requests.len();
    assert!(traffic.sent >= asked as u64 && traffic.answered >= after.requests.len() as u64);
}

#[test]
fn nobody_there_is_no_error_and_what_is_due_is_skipped() {
    let host = Host::start(0, |_| Act::Answer);
    let port = host.port();
    drop(host.stop());
    let terminals = start_with(config(port, 1_000, 2), quick()).unwrap();
    until(&terminals, |traffic| traffic.skipped > 50);
    let traffic = terminals.stop();
    assert_eq!((traffic.sent, traffic.reconnects), (0, 0));
}

#[test]
fn a_refused_sign_on_sends_nothing() {
    let host = Host::refusing();
    let terminals = start_with(config(host.port(), 1_000, 2), quick()).unwrap();
    until(&terminals, |traffic| traffic.skipped > 50);
    assert_eq!(terminals.stop().sent, 0);
    let seen = host.stop();
    assert!(seen.sign_ons > 2 && seen.requests.is_empty());
}

#[test]
fn what_is_in_flight_is_bounded() {
    let host = Host::start(0, |_| Act::Silent);
    let behaviour = Behaviour { in_flight_max: 50, drain: Duration::from_millis(50), ..quick() };
    let terminals = start_with(config(host.port(), 1_000, 2), behaviour).unwrap();
    let full = until(&terminals, |traffic| traffic.skipped > 100);
    assert_eq!((full.sent, full.in_flight, full.unanswered), (50, 50, 0));
    let traffic = terminals.stop();
    assert_eq!((traffic.sent, traffic.in_flight, traffic.unanswered), (50, 0, 50));
}

#[test]
fn what_nobody_answers_in_time_makes_room_again() {
    let host = Host::start(0, |_| Act::Silent);
    let behaviour = Behaviour {
        in_flight_max: 50,
        timeout: Duration::from_millis(20),
        drain: Duration::from_secs(20),
        ..quick()
    };
    let terminals = start_with(config(host.port(), 1_000, 2), behaviour).unwrap();
    until(&terminals, |traffic| traffic.unanswered > 100);
    let traffic = terminals.stop();
    assert_eq!((traffic.in_flight, traffic.unanswered), (0, traffic.sent));
    assert_eq!(traffic.lost, 0);
}

#[test]
fn two_runs_with_one_seed_send_the_same() {
    let contents = |seed, rate| {
        let host = Host::start(0, |_| Act::Answer);
        let config = TerminalsConfig { seed, ..config(host.port(), rate, 1) };
        let terminals = start_with(config, quick()).unwrap();
        until(&terminals, |traffic| traffic.sent >= 200);
        drop(terminals.stop());
        let seen = host.stop();
        seen.requests.into_iter().take(200).map(|seen| seen.content).collect::<Vec<_>>()
    };
    let slow = contents(5, 1_000);
    assert_eq!(slow.len(), 200);
    assert_eq!(slow, contents(5, 5_000));
    assert_ne!(slow, contents(6, 5_000));
}

#[test]
fn dropping_terminals_hangs_up() {
    let host = Host::start(0, |_| Act::Silent);
    let terminals = start_with(config(host.port(), 1_000, 2), quick()).unwrap();
    until(&terminals, |traffic| traffic.sent > 10);
    drop(terminals);
    let begun = Instant::now();
    while host.connections() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never hung up");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn mistakes_are_told_before_anything_is_sent() {
    let dialect = DialectName::Shipped("no-such-dialect".to_owned());
    let error = start(TerminalsConfig { dialect, ..config(1, 1, 1) }).unwrap_err();
    assert!(matches!(error, TerminalsError::Dialect { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let behaviour = Behaviour { seeds: Some(folder.path().to_owned()), ..quick() };
    let error = start_with(config(1, 1, 1), behaviour).unwrap_err();
    assert!(matches!(error, TerminalsError::Seeds(_)), "{error}");
    let path = folder.path().join("bare.toml");
    let bare = "name = \"bare\"\n[fields]\n3 = { name = \"processing code\", format = \"n6\" }\n";
    fs::write(&path, bare).unwrap();
    let dialect = DialectName::File(path);
    let error = start(TerminalsConfig { dialect, ..config(1, 1, 1) }).unwrap_err();
    assert!(matches!(error, TerminalsError::Dialect { .. }), "{error}");
}
