//! The first promise: messages cross the switch into a bank and back, on real sockets between real
//! processes, whatever the peer sends and when the bank dies.
//!
//! One test for each "it works when" that needs the whole product. What one part does alone is
//! tested where it is written.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]
#![expect(clippy::print_stderr, reason = "what was skipped must be seen")]
#![cfg(unix)]

#[path = "first_light/demo.rs"]
mod demo;
#[path = "first_light/hostile.rs"]
mod hostile;
#[path = "stage/stage.rs"]
mod stage;

use stage::{Channels, PATIENCE, Rig, Style, http_get, judge, read_only, until, veksel};
use std::process::Command;
use std::time::Duration;

/// Within what a channel hears something on a connection that stays open.
const DEADLINE: Duration = Duration::from_secs(4);

/// Whether a program of the system is there; says so if a check has to be left out.
fn is_there(program: &str, what: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed, so nobody checked that {what}");
    }
    is_there
}

#[test]
fn a_client_that_shares_no_code_gets_what_it_must() {
    let what = "a client without our code gets correct answers";
    if !is_there("python3", what) {
        return;
    }
    let rig = Rig::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal.py");
    let port = rig.ports.channels.to_string();
    let ran = Command::new("python3").args([script, &port]).output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{out}{err}");
    assert_eq!(out.lines().last(), Some("all is as it must be"), "{out}");
}

/// What `veksel send` prints, which must end well.
fn send(rig: &Rig, arguments: &[&str]) -> String {
    let to = rig.to();
    let all = [&["send", "--to", &to], arguments].concat();
    let ran = veksel(&all);
    let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert_eq!((ran.status.code(), err.as_ref()), (Some(0), ""), "{arguments:?}: {out}");
    out
}

#[test]
fn money_sent_by_hand_is_in_the_next_balance_and_in_both_databases() {
    let rig = Rig::start();
    let balance = |account: &str| send(&rig, &["balance", "--account", account]);
    let printed = balance("10000000002");
    let expected = "response 00 approved\nledger 1250.00 NOK\navailable 1100.00 NOK\n";
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains("\nlatency "), "{printed}");
    let raw = send(&rig, &["balance", "--account", "10000000002", "--json"]);
    assert!(raw.contains("1001578C0000001250001002578C000000110000"), "{raw}");

    let transfer = ["transfer", "--from", "10000000001", "--into", "10000000002"];
    let rest = ["--amount", "12.50", "--rrn", "HAND00000001"];
    let printed = send(&rig, &[&transfer[..], &rest].concat());
    assert!(printed.starts_with("response 00 approved\n"), "{printed}");
    let printed = balance("10000000002");
    assert!(printed.contains("\nledger 1262.50 NOK\navailable 1112.50 NOK\n"), "{printed}");
    let printed = balance("10000000001");
    assert!(printed.contains("\nledger 45217.50 NOK\navailable 45217.50 NOK\n"), "{printed}");

    let printed = send(&rig, &["statement", "--account", "10000000001"]);
    let row = printed.lines().find(|line| line.contains("-12.50") && line.contains("NOK"));
    assert!(row.is_some(), "{printed}");
    let rows = printed.lines().filter(|line| line.contains("  NOK  "));
    assert!(rows.count() > 1, "{printed}");

    let sql = "SELECT debit_account || ' ' || credit_account || ' ' || amount || ' ' || currency
               FROM v_transfers WHERE rrn = 'HAND00000001'";
    let text = |database: &std::path::Path, sql: &str| -> String {
        let database = read_only(database);
        let rows = database
            .prepare(sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<Vec<String>, _>>();
        rows.unwrap().join("\n")
    };
    let moved = "10000000001 10000000002 12.50 NOK";
    assert_eq!(text(&rig.ledger(), sql), moved);
    let transactions = "SELECT mti || ' ' || code || ' ' || amount || ' ' || currency || ' ' ||
                        response || ' ' || state FROM v_transactions WHERE rrn = 'HAND00000001'";
    let recorded = text(&rig.journal(), transactions);
    assert!(recorded.starts_with("0200 40"), "{recorded}");
    assert!(recorded.ends_with(" 12.50 NOK 00 approved"), "{recorded}");
    assert_eq!(recorded.lines().count(), 1);
    if is_there("sqlite3", "people can open the databases with it") {
        for (database, sql, expected) in
            [(rig.ledger(), sql, moved), (rig.journal(), transactions, recorded.as_str())]
        {
            let path = database.display().to_string();
            let ran = Command::new("sqlite3").args(["-readonly", &path, sql]).output().unwrap();
            let out = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
            assert_eq!(out, expected, "{}", String::from_utf8_lossy(&ran.stderr));
        }
    }
}

#[test]
fn a_bank_killed_under_load_costs_answers_and_no_money() {
    let mut rig = Rig::start();
    let switch = rig.switch.as_ref().unwrap().pid();
    let channels = Channels::start(rig.ports.channels, Style::new(5, DEADLINE));
    let approve = |more: u64| {
        let goal = channels.approved() + more;
        until("payments to be approved", PATIENCE, || (channels.approved() >= goal).then_some(()));
    };
    approve(300);
    // A kill may find nothing on its way; enough of them do not.
    let mut kills = 0;
    while kills < 2 || (channels.unknown() == 0 && kills < 20) {
        kills += 1;
        rig.kill_bank();
        let refused = channels.unavailable() + 30;
        until("channels to hear 91", PATIENCE, || {
            (channels.unavailable() >= refused).then_some(())
        });
        until("the switch to say that it is not ready", PATIENCE, || {
            http_get(rig.ports.admin, "/ready").filter(|(status, _)| *status == 503)
        });
        rig.start_bank();
        approve(100);
    }
    assert_eq!(rig.switch.as_ref().unwrap().pid(), switch);
    let verdict = judge(&mut rig, &channels.finish());
    eprintln!("the bank was killed {kills} times\n{verdict}");
    verdict.must_be_clean();
    assert!(verdict.unavailable >= 60 && verdict.unknown > 0, "too little happened: {verdict}");
}

#[test]
fn a_wrong_configuration_is_64_and_starts_nothing() {
    let rig = Rig::prepare(|_| {});
    let path = rig.file("switch.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (right, wrong) in [
        ("drain = \"5s\"", "drian = \"5s\""),
        ("payment = \"1s\"", "payment = \"9s\""),
        ("group = \"cbs\"", "group = \"cbd\""),
        ("[log]", "[log"),
    ] {
        std::fs::write(&path, text.replacen(right, wrong, 1)).unwrap();
        for command in ["check", "run"] {
            let ran = veksel(&[command, "--config", &path.display().to_string()]);
            let err = String::from_utf8(ran.stderr).unwrap();
            assert_eq!(ran.status.code(), Some(64), "{command} with {wrong}: {err}");
            assert!(err.contains("switch.toml:"), "{command} with {wrong}: {err}");
        }
        assert!(!rig.journal().exists(), "{wrong} made a journal");
    }
    let path = rig.file("simulator.toml");
    std::fs::write(&path, "[bank]\nlisten = \"nowhere\"\n").unwrap();
    for command in ["check", "simulate"] {
        let ran = veksel(&[command, "--config", &path.display().to_string()]);
        assert_eq!(ran.status.code(), Some(64), "{command}");
    }
    assert!(!rig.ledger().exists());
}
