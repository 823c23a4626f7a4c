//! SIGKILL, SIGSTOP and SIGTERM under load, judged by the bank's ledger.
//!
//! `VEKSEL_KILLS=200 cargo test -p veksel --test crash` is the long run; `VEKSEL_SEED` changes
//! what is sent and when processes die. What is killed is always the real binary.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "crash/copies.rs"]
mod copies;
#[path = "crash/ends.rs"]
mod ends;
#[path = "stage/stage.rs"]
mod stage;

use stage::{Chance, Channels, PATIENCE, Rig, Style, examine, judge, until, wanted};
use std::thread;
use std::time::Duration;

/// Within what a channel hears something on a connection that stays open: the `channel_timeout`
/// of these tests.
const DEADLINE: Duration = Duration::from_secs(4);

/// How long a process is stopped.
const STOPPED: Duration = Duration::from_secs(3);

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    format!("p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms", at(50), at(99), at(100))
}

/// Waits until so many more payments were answered 00.
fn await_approvals(channels: &Channels, more: u64) {
    let goal = channels.approved() + more;
    until("payments to be approved", PATIENCE, || (channels.approved() >= goal).then_some(()));
}

#[test]
fn no_kill_loses_doubles_or_invents_a_payment() {
    let kills = wanted("VEKSEL_KILLS", 5);
    let mut chance = Chance(wanted("VEKSEL_SEED", 1));
    let mut rig = Rig::start();
    let style = Style::new(chance.below(u64::MAX), DEADLINE);
    let channels = Channels::start(rig.ports.channels, style);
    let (mut ready, mut bank_kills) = (Vec::new(), 0);
    for kill in 0..kills {
        // So much of the load has passed when the next one dies: its instant is chance.
        let goal = channels.answered() + 20 + chance.below(60);
        until("payments to be answered", PATIENCE, || (channels.answered() >= goal).then_some(()));
        let goal = channels.sent() + chance.below(24);
        until("requests to be sent", PATIENCE, || (channels.sent() >= goal).then_some(()));
        let takes_bank = kill % 5 == 3;
        if takes_bank {
            bank_kills += 1;
            rig.kill_bank();
            let unavailable = channels.unavailable();
            if chance.below(2) == 0 {
                until("channels to be refused", PATIENCE, || {
                    (channels.unavailable() > unavailable).then_some(())
                });
            }
        }
        rig.kill_switch();
        if takes_bank {
            rig.start_bank();
        }
        ready.push(rig.start_switch());
    }
    let verdict = judge(&mut rig, &channels.finish());
    eprintln!(
        "{kills} kills of the switch, {bank_kills} of the bank; ready again {}\n{verdict}",
        spread(&mut ready)
    );
    verdict.must_be_clean();
    assert!(verdict.approved > 0 && verdict.reversals > 0, "too little happened: {verdict}");
}

#[test]
fn a_stopped_bank_and_a_stopped_switch_are_survived() {
    let mut rig = Rig::start();
    let style = Style::new(wanted("VEKSEL_SEED", 2), DEADLINE);
    let channels = Channels::start(rig.ports.channels, style);
    await_approvals(&channels, 100);
    let bank = rig.bank.as_ref().unwrap();
    bank.signal("STOP");
    let unknown = channels.unknown();
    // How long it is stopped is what is tested; nothing is waited for.
    thread::sleep(STOPPED);
    assert!(channels.unknown() > unknown, "nobody was told that the outcome is unknown");
    bank.signal("CONT");
    await_approvals(&channels, 100);
    let told = channels.finish();
    // While the switch stands still nobody can hear anything.
    let style = Style::new(wanted("VEKSEL_SEED", 3), DEADLINE + STOPPED);
    let channels = Channels::start(rig.ports.channels, style);
    await_approvals(&channels, 100);
    let switch = rig.switch.as_ref().unwrap();
    switch.signal("STOP");
    thread::sleep(STOPPED);
    switch.signal("CONT");
    await_approvals(&channels, 100);
    let verdict = judge(&mut rig, &told.and(channels.finish()));
    eprintln!("bank and switch stopped for {STOPPED:?} each\n{verdict}");
    verdict.must_be_clean();
    assert!(verdict.unknown > 0 && verdict.reversals > 0, "too little happened: {verdict}");
}

#[test]
fn the_judge_sees_what_is_wrong() {
    let mut rig = Rig::start();
    let channels = Channels::start(rig.ports.channels, Style::new(4, DEADLINE));
    await_approvals(&channels, 200);
    let told = channels.finish();
    judge(&mut rig, &told).must_be_clean();
    let spoil = |path: &std::path::Path, sql: &str| {
        let database = rusqlite::Connection::open(path).unwrap();
        assert!(database.execute(sql, []).unwrap() > 0);
    };
    let newest = "(SELECT max(id) FROM transfers WHERE rrn IS NOT NULL AND reverses IS NULL
                   AND reversed_by IS NULL)";
    let sees = |what: &str| {
        let verdict = examine(&rig, &told);
        let violations = verdict.violations.join("\n");
        assert!(violations.contains(what), "does not see `{what}`: {violations}");
    };
    spoil(&rig.ledger(), &format!("UPDATE transfers SET rrn = 'X' WHERE id = {newest}"));
    sees("acknowledged, and the ledger lacks it");
    sees("journal and ledger disagree");
    spoil(
        &rig.ledger(),
        "UPDATE transfers SET rrn = (SELECT rrn FROM transfers WHERE reverses IS NULL AND
         rrn LIKE '5%' ORDER BY id LIMIT 1) WHERE rrn = 'X'",
    );
    sees("executed more than once");
    spoil(&rig.ledger(), "UPDATE transfers SET reversed_by = NULL WHERE reversed_by IS NOT NULL");
    sees("the ledger");
    spoil(&rig.ledger(), "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = 1");
    sees("not conserved");
}
