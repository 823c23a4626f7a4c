//! SIGKILL, SIGSTOP and SIGTERM under load, judged by the bank's ledger.
//!
//! `VEKSEL_KILLS=200 cargo test -p veksel --test crash` is the long run; `VEKSEL_SEED` changes
//! what is sent and when processes die. What is killed is always the real binary.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use stage::{Chance, Channels, PATIENCE, Rig, Style, judge, until, wanted};
use std::time::Duration;

/// Within what a channel hears something on a connection that stays open: the payment deadline of
/// these tests, and as much again as channels wait longer.
const DEADLINE: Duration = Duration::from_secs(4);

fn milliseconds(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    format!("p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms", at(50), at(99), at(100))
}

#[test]
fn no_kill_loses_doubles_or_invents_a_payment() {
    let kills = wanted("VEKSEL_KILLS", 5);
    let mut chance = Chance(wanted("VEKSEL_SEED", 1));
    let mut rig = Rig::start();
    let channels = Channels::start(rig.ports.channels, Style::new(chance.below(u64::MAX), DEADLINE));
    let (mut ready, mut bank_kills) = (Vec::new(), 0);
    for kill in 0..kills {
        // So much of the load has passed when the next one dies: its instant is chance.
        let (answered, sent) = (channels.answered(), channels.sent());
        let wait_for = 20 + chance.below(60);
        until("payments to be answered", PATIENCE, || {
            (channels.answered() >= answered + wait_for).then_some(())
        });
        let last = channels.sent() + chance.below(8);
        until("requests to be sent", PATIENCE, || (channels.sent() >= last).then_some(()));
        assert!(channels.sent() > sent);
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
    let verdict = judge(&mut rig, channels.finish());
    eprintln!(
        "{kills} kills of the switch, {bank_kills} of the bank; ready again {}\n{verdict}",
        milliseconds(&mut ready)
    );
    verdict.must_be_clean();
    assert!(verdict.approved > 0 && verdict.reversals > 0, "too little happened: {verdict}");
}
