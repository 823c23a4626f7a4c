//! A real switch between channels and a bank that misbehaves on purpose: whatever the bank does to
//! messages, what channels were told, what the journal says and what the ledger holds are one
//! story once the bank is well again.
//!
//! `VEKSEL_BAD_BANK_SECONDS=60` is a longer run, `VEKSEL_SEED` another one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, wherever in it")]

mod advices;
mod channel;
mod judge;
mod rig;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::io::Write;
use std::time::{Duration, Instant};

use veksel_config::BankProfile;
use veksel_simulator::bank::Faults;

use channel::{Channel, Told};
use rig::{Rig, until, wanted};

/// Channels of a run, each with a connection of its own.
const CHANNELS: u64 = 4;

/// Lets channels send until the time is over, and tells what they heard.
fn load(rig: &Rig, seed: u64, time: Duration) -> Told {
    let (port, end) = (rig.channels(), Instant::now() + time);
    let threads: Vec<_> = (0..CHANNELS)
        .map(|place| {
            let mut channel = Channel::new(port, seed ^ (place << 32), place);
            std::thread::spawn(move || {
                while Instant::now() < end {
                    channel.turn();
                }
                channel.finish()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).fold(Told::default(), Told::and)
}

fn tell(text: &str) {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{text}").unwrap();
}

fn everything_goes_wrong(profile: BankProfile, seed: u64) {
    let faults = Faults {
        seed,
        answer_never: 6,
        answer_late: 8,
        answer_twice: 15,
        answer_wrong: 9,
        host_fault: 10,
        drop_request: 7,
        disconnect: 5,
    };
    let rig = Rig::start(profile, faults);
    let seconds = wanted("VEKSEL_BAD_BANK_SECONDS", 4);
    let told = load(&rig, seed, Duration::from_secs(seconds));
    let mid = rig.bank().summary().unwrap();
    assert!(mid.conserved, "{mid:?}");
    let each = mid.faults;
    rig.bank().set_faults(Faults::NONE).unwrap();
    let told = told.and(load(&rig, seed + 1, Duration::from_millis(500)));
    let verdict = rig.judge(&told);
    tell(&format!("{profile:?}, seed {seed}: {verdict}\n  {each:?}"));
    verdict.must_be_clean();
    assert!(verdict.approved > 0 && verdict.unknown > 0 && verdict.reversals > 0, "{verdict}");
    for count in [each.answer_never, each.answer_late, each.answer_twice, each.answer_wrong] {
        assert!(count > 0, "{each:?}");
    }
    for count in [each.host_fault, each.drop_request, each.disconnect] {
        assert!(count > 0, "{each:?}");
    }
}

#[test]
fn an_ideal_bank_with_every_fault_agrees_once_it_is_healed() {
    everything_goes_wrong(BankProfile::Ideal, wanted("VEKSEL_SEED", 1));
}

#[test]
fn a_legacy_bank_with_every_fault_agrees_once_it_is_healed() {
    everything_goes_wrong(BankProfile::Legacy, wanted("VEKSEL_SEED", 2));
}

/// Until it is healed the bank gives no usable answer to payments and reversals. `is_applied`: it
/// executes them.
fn a_bank_recovers(faults: Faults, profile: BankProfile, is_applied: bool) {
    let rig = Rig::start(profile, faults);
    let told = load(&rig, 5, Duration::from_secs(3));
    assert_eq!(told.approved(), 0, "nothing can have been approved");
    assert!(told.unknown() > 0, "nobody was told that the outcome is unknown");
    let sick = rig.bank().summary().unwrap();
    assert_eq!((sick.transfers_by_message > 0, sick.conserved), (is_applied, true), "{sick:?}");
    assert!(rig.reversals_open() >= told.unknown(), "every 68 waits for its reversal");
    rig.bank().set_faults(Faults::NONE).unwrap();
    until("the switch to be ready again", || rig.switch().is_ready().then_some(()));
    rig.await_calm().unwrap();
    let told = told.and(load(&rig, 6, Duration::from_millis(500)));
    let verdict = rig.judge(&told);
    tell(&format!("{profile:?}, {faults:?}: {verdict}"));
    verdict.must_be_clean();
    assert!(verdict.approved > 0, "a healed bank approves: {verdict}");
    assert!(verdict.reversals >= verdict.unknown as u64, "{verdict}");
}

#[test]
fn a_bank_that_never_answers_then_recovers() {
    let faults = Faults { answer_never: 100, ..Faults::NONE };
    a_bank_recovers(faults, BankProfile::Ideal, true);
    a_bank_recovers(faults, BankProfile::Legacy, true);
}

/// No answer is to what was asked, though many carry the number of something else in flight.
#[test]
fn a_bank_that_answers_wrongly_then_recovers() {
    let faults = Faults { answer_wrong: 100, ..Faults::NONE };
    a_bank_recovers(faults, BankProfile::Ideal, true);
    a_bank_recovers(faults, BankProfile::Legacy, true);
}

#[test]
fn a_bank_that_never_hears_then_recovers() {
    let faults = Faults { drop_request: 100, ..Faults::NONE };
    a_bank_recovers(faults, BankProfile::Ideal, false);
    a_bank_recovers(faults, BankProfile::Legacy, false);
}
