//! `veksel demo`: one command from nothing to balanced books, and its ends.

use crate::stage::{PATIENCE, Process, until, veksel};

/// The last line of a summary, or why it is none.
fn transfers(printed: &str) -> u64 {
    let last = printed.lines().last().unwrap_or_default();
    let count = last.strip_prefix("ledger balanced: ");
    let count = count.and_then(|rest| rest.strip_suffix(" transfers, sum 0"));
    let count = count.and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("the last line is `{last}`: {printed}"))
}

#[test]
fn a_demo_shows_traffic_and_ends_with_balanced_books() {
    let ran = veksel(&["demo", "--for", "3s", "--random-ports"]);
    let out = String::from_utf8(ran.stdout).unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{out}{err}");
    assert!(out.starts_with("veksel "), "{out}");
    assert!(transfers(&out) > 0);
    for line in ["every request answered once: yes, ", "journal agrees with ledger: yes, "] {
        assert!(out.lines().any(|printed| printed.starts_with(line)), "{out}");
    }
    // While it runs: how many, how fast, with which codes.
    let shown = out.lines().filter(|line| line.contains("00: ")).count();
    assert!(shown >= 2, "{out}");
    for column in ["p50", "p99", "max", "approved"] {
        assert!(out.contains(column), "{out}");
    }
}

#[test]
fn a_demo_that_is_interrupted_still_balances_its_books() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("demo.log");
        let demo = Process::start(&["demo", "--random-ports"], &log);
        until("traffic to be shown", PATIENCE, || demo.printed().contains("00: ").then_some(()));
        demo.signal(signal);
        let code = demo.end(PATIENCE);
        let printed = std::fs::read_to_string(&log).unwrap();
        assert_eq!(code, Some(0), "SIG{signal}: {printed}");
        assert!(transfers(&printed) > 0);
    }
}
