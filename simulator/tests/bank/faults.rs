//! Misbehaviour on purpose as a client sees it, and what it does not do to money.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use veksel_codecs::{Message, Mti, field};
use veksel_config::{BankConfig, BankProfile};
use veksel_simulator::bank::{self, FaultCounts, Faults, RunningBank, Summary};

use crate::rig::*;

/// Short: these tests wait for late answers.
const LATE_MS: u64 = 200;

const PURCHASE: u64 = 100;

fn start_with(folder: &Path, profile: BankProfile, faults: Faults) -> RunningBank {
    let config = BankConfig { profile, faults, late_ms: LATE_MS, ..config(folder) };
    bank::start(config).unwrap_or_else(|error| panic!("{error}"))
}

/// What a client saw of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Once,
    Twice,
    /// After the answer to something that was sent later.
    Late,
    /// 91 or 96.
    Unavailable,
    /// An answer that is not to the request.
    Wrong,
    Nothing,
    Closed,
}

/// What a client saw of each purchase, and the bank's account of it.
fn story(faults: Faults, purchases: usize) -> (Vec<Seen>, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let bank = start_with(folder.path(), BankProfile::Ideal, faults);
    let mut client = Client::signed_on(bank.address());
    let asked: Vec<_> = (0..purchases).map(|n| request("001000", number(n), PURCHASE)).collect();
    let mut heard: Vec<Vec<(usize, Message)>> = vec![Vec::new(); purchases];
    let mut closed = vec![false; purchases];
    for (place, request) in asked.iter().enumerate() {
        client.send(request);
        if !fence(&mut client, place, &mut heard) {
            closed[place] = true;
            client = Client::signed_on(bank.address());
        }
    }
    let begun = Instant::now();
    while bank.summary().unwrap().waiting > 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(fence(&mut client, purchases, &mut heard));
    let see = |place: usize| match (heard[place].as_slice(), closed[place]) {
        ([], true) => Seen::Closed,
        ([], false) => Seen::Nothing,
        ([(_, answer)], _) if !is_to(answer, &asked[place]) => Seen::Wrong,
        ([(_, answer)], _) if code(answer) != "00" => Seen::Unavailable,
        ([(at, _)], _) if *at > place => Seen::Late,
        ([_], _) => Seen::Once,
        ([(_, first), (_, second)], _) if first == second => Seen::Twice,
        (other, _) => panic!("{other:?}"),
    };
    let seen = (0..purchases).map(see).collect();
    let summary = bank.stop().unwrap();
    assert!(summary.conserved, "{summary:?}");
    (seen, summary)
}

/// The trace number of a purchase: every fifth, so that the number after it is nobody's.
fn number(place: usize) -> u64 {
    place as u64 * 5 + 5
}

/// Asks for an echo and notes what comes before its answer. `false` if the bank hangs up.
fn fence(client: &mut Client, now: usize, heard: &mut [Vec<(usize, Message)>]) -> bool {
    let echo = client.wire(&network(999_999, 301));
    // A bank that has hung up may refuse it; then there is nothing to be read either.
    let _ = client.stream.write_all(&echo);
    while let Some(answer) = client.receive() {
        if answer.mti().as_str() == "0810" {
            return true;
        }
        let place = usize::try_from(answer.get(field::STAN).unwrap()).unwrap() / 5 - 1;
        heard[place].push((now, answer));
    }
    false
}

fn is_to(answer: &Message, asked: &Message) -> bool {
    answer.get(field::STAN) == asked.get(field::STAN)
        && answer.get(field::AMOUNT) == asked.get(field::AMOUNT)
        && answer.get(field::RRN) == asked.get(field::RRN)
}

fn count(seen: &[Seen], what: Seen) -> u64 {
    seen.iter().filter(|one| **one == what).count() as u64
}

/// How the bank counts one kind of fault.
type Counted = fn(&FaultCounts) -> u64;

#[test]
fn each_fault_is_seen_on_the_wire_as_often_as_it_is_counted() {
    const PURCHASES: usize = 120;
    let none = Faults { seed: 11, ..Faults::NONE };
    let cases: [(Faults, Seen, bool, Counted); 7] = [
        (Faults { answer_never: 40, ..none }, Seen::Nothing, true, |c| c.answer_never),
        (Faults { answer_late: 40, ..none }, Seen::Late, true, |c| c.answer_late),
        (Faults { answer_twice: 40, ..none }, Seen::Twice, true, |c| c.answer_twice),
        (Faults { answer_wrong: 40, ..none }, Seen::Wrong, true, |c| c.answer_wrong),
        (Faults { host_fault: 40, ..none }, Seen::Unavailable, false, |c| c.host_fault),
        (Faults { drop_request: 40, ..none }, Seen::Nothing, false, |c| c.drop_request),
        (Faults { disconnect: 40, ..none }, Seen::Closed, true, |c| c.disconnect),
    ];
    let mut places = Vec::new();
    for (faults, kind, is_executed, counted) in cases {
        let (seen, summary) = story(faults, PURCHASES);
        let faulty = count(&seen, kind);
        assert!((30..70).contains(&faulty), "{kind:?}: {faulty} of {PURCHASES}");
        assert_eq!(count(&seen, Seen::Once) + faulty, PURCHASES as u64, "{seen:?}");
        assert_eq!((counted(&summary.faults), summary.faults.total()), (faulty, faulty));
        let executed = PURCHASES as u64 - if is_executed { 0 } else { faulty };
        assert_eq!(summary.transfers_by_message, executed, "{kind:?}");
        places.push(seen.iter().map(|one| *one == kind).collect::<Vec<_>>());
    }
    assert!(places.iter().all(|other| *other == places[0]), "one seed, one choice of messages");
}

#[test]
fn a_seed_replays_and_everything_at_once_is_accounted_for() {
    const PURCHASES: usize = 300;
    let faults = Faults {
        seed: 3,
        answer_never: 10,
        answer_late: 0,
        answer_twice: 10,
        answer_wrong: 10,
        host_fault: 10,
        drop_request: 10,
        disconnect: 10,
    };
    let (seen, summary) = story(faults, PURCHASES);
    assert_eq!((seen.clone(), summary.faults), {
        let (again, summary) = story(faults, PURCHASES);
        (again, summary.faults)
    });
    assert_ne!(seen, story(Faults { seed: 4, ..faults }, PURCHASES).0);
    let mut tally = BTreeMap::new();
    seen.iter().for_each(|one| *tally.entry(*one).or_insert(0) += 1);
    let FaultCounts { answer_never, drop_request, answer_twice, .. } = summary.faults;
    let FaultCounts { answer_wrong, host_fault, disconnect, .. } = summary.faults;
    let mine = [Seen::Nothing, Seen::Twice, Seen::Wrong, Seen::Unavailable, Seen::Closed];
    assert_eq!(
        mine.map(|kind| tally.get(&kind).copied().unwrap_or(0)),
        [answer_never + drop_request, answer_twice, answer_wrong, host_fault, disconnect]
    );
    let unanswered = answer_never + drop_request + disconnect;
    assert_eq!(summary.requests + answer_twice, summary.answers + unanswered);
    assert_eq!(summary.transfers_by_message, PURCHASES as u64 - drop_request - host_fault);
}

#[test]
fn network_management_never_fails_and_a_bank_can_be_healed() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults { drop_request: 100, ..Faults::NONE };
    let bank = start_with(folder.path(), BankProfile::Ideal, faults);
    let mut client = Client::connect(bank.address());
    assert_eq!(code(&client.ask(&request("001000", 1, PURCHASE))), "91", "not signed on");
    for (stan, step) in [(1, 1), (2, 301), (3, 2), (4, 1)] {
        assert_eq!(code(&client.ask(&network(stan, step))), "00");
    }
    client.send(&request("001000", 5, PURCHASE));
    assert_eq!(client.ask(&network(6, 301)).mti().as_str(), "0810");
    assert_eq!(bank.set_faults(Faults { answer_never: 100, ..Faults::NONE }), Some(()));
    let purchase = request("001000", 7, PURCHASE);
    client.send(&purchase);
    assert_eq!(client.ask(&network(8, 301)).mti().as_str(), "0810");
    assert_eq!(bank.set_faults(Faults::NONE), Some(()));
    assert_eq!(code(&client.ask(&purchase)), "00");
    let summary = bank.stop().unwrap();
    assert_eq!((summary.faults.drop_request, summary.faults.answer_never), (1, 1));
    assert_eq!((summary.replays, summary.transfers_by_message), (1, 1));
}

#[test]
fn reversals_meet_faults_too_and_undo_once() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start_with(folder.path(), BankProfile::Ideal, Faults::NONE);
    let mut client = Client::signed_on(bank.address());
    let before = client.balance(1);
    let purchase = request("001000", 2, PURCHASE);
    assert_eq!(code(&client.ask(&purchase)), "00");
    assert_ne!(client.balance(3), before);
    for (faults, is_undone) in [
        (Faults { drop_request: 100, ..Faults::NONE }, false),
        (Faults { host_fault: 100, ..Faults::NONE }, false),
        (Faults { answer_never: 100, ..Faults::NONE }, true),
        (Faults { answer_wrong: 100, ..Faults::NONE }, true),
        (Faults { answer_twice: 100, ..Faults::NONE }, true),
    ] {
        bank.set_faults(faults).unwrap();
        let mut undo = reversal(&purchase, 4);
        undo.set_mti(Mti::parse("0421").unwrap());
        client.send(&undo);
        client.send(&network(5, 301));
        while client.receive().unwrap().mti().as_str() != "0810" {}
        bank.set_faults(Faults::NONE).unwrap();
        assert_eq!(client.balance(6) == before, is_undone, "{faults:?}");
    }
    let summary = bank.stop().unwrap();
    assert_eq!((summary.reversals, summary.transfers_by_message, summary.conserved), (1, 2, true));
}

/// What an ideal and a legacy bank make of the same messages: DE39 of each, and what was paid.
#[test]
fn ideal_and_legacy_differ_in_copies_and_early_reversals() {
    for (profile, late_original, is_replayed, standing) in
        [(BankProfile::Ideal, "21", true, 0), (BankProfile::Legacy, "00", false, 2)]
    {
        let folder = tempfile::tempdir().unwrap();
        let bank = start_with(folder.path(), profile, Faults::NONE);
        let mut client = Client::signed_on(bank.address());
        let purchase = request("001000", 10, PURCHASE);
        let first = client.ask(&purchase);
        let copy = client.ask(&purchase);
        assert_eq!((code(&first), code(&copy)), ("00".to_owned(), "00".to_owned()));
        assert_eq!(first == copy, is_replayed, "{profile:?}");
        let mut undo = reversal(&purchase, 11);
        for mti in ["0420", "0421", "0421"] {
            undo.set_mti(Mti::parse(mti).unwrap());
            assert_eq!(code(&client.ask(&undo)), "00", "{profile:?}");
        }
        let early = request("001000", 20, PURCHASE);
        assert_eq!(code(&client.ask(&reversal(&early, 21))), "25", "{profile:?}");
        assert_eq!(code(&client.ask(&early)), late_original, "{profile:?}");
        let summary = bank.summary().unwrap();
        assert_eq!((summary.reversals, summary.conserved), (1, true), "{profile:?}");
        assert_eq!(client.balance(30)[8..20], format!("{:012}", 4_523_000 - standing * PURCHASE));
        // Whatever it remembers it remembers after a restart, and the profile is not in the book.
        bank.stop().unwrap();
        let bank = start_with(folder.path(), BankProfile::Ideal, Faults::NONE);
        let mut client = Client::signed_on(bank.address());
        assert_eq!(code(&client.ask(&early)), late_original, "{profile:?}");
        assert!(bank.stop().unwrap().replays == 1, "{profile:?}");
    }
}
