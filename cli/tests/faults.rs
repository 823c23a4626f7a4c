//! A bad network between channels, switch and bank, then a good one, then the same judgement.
//!
//! `VEKSEL_FAULT_SECONDS=600 cargo test -p veksel --test faults` is the long run; `VEKSEL_SEED`
//! changes what happens. The proxies are processes of their own.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use stage::{Channels, PATIENCE, Process, Rig, Style, free_port, judge, until, wanted};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Within what a channel hears something: the `channel_timeout` of these tests, and what the
/// proxy in front of it may add in both directions.
const DEADLINE: Duration = Duration::from_secs(5);

/// Between channels and switch: what a channel can tell from a defect of the switch.
const NEAR: &str = "delay=20,delay_ms=60,slice=50,drop=3";

/// Between switch and bank: delays beyond the deadline, losses, repetitions, another order.
const FAR: &str =
    "delay=3,delay_ms=1500,slice=30,drop=4,blackhole=1,blackhole_ms=800,duplicate=40,swap=40";

/// A proxy that accepts connections.
fn start_proxy(log: &Path, listen: u16, to: u16, seed: u64, faults: &str) -> Process {
    let address = |port: u16| format!("127.0.0.1:{port}");
    let (listen_on, to, seed) = (address(listen), address(to), seed.to_string());
    let arguments = ["proxy", "--listen", &listen_on, "--to", &to, "--seed", &seed];
    let arguments = [&arguments[..], &["--faults", faults]].concat();
    let mut proxy = Process::start(&arguments, log);
    until("a proxy to listen", PATIENCE, || {
        assert_eq!(proxy.ended(), None, "{}", proxy.printed());
        TcpStream::connect((Ipv4Addr::LOCALHOST, listen)).ok()
    });
    proxy
}

/// Ends a proxy in order; the line that says what it did.
fn stop_proxy(proxy: Process, log: &Path) -> String {
    proxy.signal("TERM");
    assert_eq!(proxy.end(PATIENCE), Some(0));
    let printed = std::fs::read_to_string(log).unwrap();
    printed.lines().last().unwrap().to_owned()
}

#[test]
fn a_bad_network_costs_answers_and_no_money() {
    let seconds = wanted("VEKSEL_FAULT_SECONDS", 6);
    let seed = wanted("VEKSEL_SEED", 1);
    let mut rig = Rig::prepare(|ports| ports.dialled = free_port());
    let (far_port, near_port) = (rig.ports.dialled, free_port());
    let (far_log, near_log) = (rig.file("proxy.log"), rig.file("near.log"));
    rig.start_bank();
    let far = start_proxy(&far_log, far_port, rig.ports.bank, seed, FAR);
    let near = start_proxy(&near_log, near_port, rig.ports.channels, seed, NEAR);
    rig.start_switch();
    let channels = Channels::start(near_port, Style { late: 3, ..Style::new(seed, DEADLINE) });
    let start = Instant::now();
    let length = Duration::from_secs(seconds);
    until("the bad time to be over", length + PATIENCE, || {
        (start.elapsed() >= length).then_some(())
    });
    assert!(channels.approved() > 0, "nothing got through");
    let (far, near) = (stop_proxy(far, &far_log), stop_proxy(near, &near_log));
    // Now everything works, and must do so without anybody's help.
    let _far = start_proxy(&far_log, far_port, rig.ports.bank, seed, "none");
    let _near = start_proxy(&near_log, near_port, rig.ports.channels, seed, "none");
    let goal = channels.approved() + 100;
    until("traffic to resume", PATIENCE, || (channels.approved() >= goal).then_some(()));
    let verdict = judge(&mut rig, &channels.finish());
    eprintln!(
        "{seconds} s of a bad network\n  before the bank: {far}\n  before the channels: {near}"
    );
    eprintln!("{verdict}");
    verdict.must_be_clean();
    assert!(verdict.unknown > 0 && verdict.reversals > 0, "too little happened: {verdict}");
}
