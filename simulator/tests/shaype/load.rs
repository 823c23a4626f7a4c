//! Ten requests a second and bursts of fifty.
//!
//! A short run with every change looks only at whether each request has its answer; how fast they
//! are is a matter of the machine. `VEKSEL_PLATFORM_LOAD_SECONDS=60` makes the run of a minute with
//! the platform's exact patience, prints the figures and wants no timeout.

use crate::flows::{PATIENT, Stage};
use serde_json::json;
use std::io::Write as _;
use veksel_simulator::sandbox::shaype::Patience;

#[test]
fn ten_a_second_and_bursts_of_fifty_are_all_answered() {
    let wanted = std::env::var("VEKSEL_PLATFORM_LOAD_SECONDS").ok();
    let exact: Option<u64> = wanted.map(|text| text.parse().expect("a number of seconds"));
    let (seconds, every, patience) = match exact {
        Some(seconds) => (seconds, 10, Patience::default()),
        None => (4, 2, PATIENT),
    };
    let stage = Stage::start(Vec::new(), patience, None);
    let path = format!("load?rps=10&seconds={seconds}&burst=50&every={every}");
    let figures = stage.tell_patiently(&path, seconds + 60);
    let _ = writeln!(std::io::stderr(), "external authorisation under load: {figures}");
    let number = |name: &str| figures[name].as_u64().unwrap();
    let least = seconds * 10 + 50 * ((seconds - 1) / every);
    assert!(number("sent") >= least * 9 / 10, "{figures}");
    assert_eq!(number("approved"), number("sent"), "{figures}");
    let bad = ["refused", "failed", "timeouts", "broken"].map(number);
    assert_eq!(bad, [0; 4], "{figures}");
    assert_eq!(figures["failed"], json!(0));
}
