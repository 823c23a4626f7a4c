//! `veksel doctor tcp` and `veksel status` against what can be met: a bank, a switch, a port that
//! nobody listens on, one that speaks TLS, one that hangs up, one that says nothing. `http` does so
//! for `veksel doctor http`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "doctor/http.rs"]
mod http;
#[path = "stage/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{Rig, free_port, veksel};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The exit code, and every check as (name, result, what is said and what to do).
fn examine(to: &str, more: &[&str]) -> (Option<i32>, Vec<(String, String, String)>) {
    let arguments = ["doctor", "tcp", to, "--json", "--timeout", "400ms"];
    let output = veksel(&[&arguments[..], more].concat());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = value["checks"].as_array().unwrap().iter().map(|check| {
        let word = |key: &str| check[key].as_str().unwrap().to_owned();
        (word("check"), word("result"), format!("{} = {}", word("said"), word("fix")))
    });
    (output.status.code(), checks.collect())
}

fn result<'c>(checks: &'c [(String, String, String)], name: &str) -> (&'c str, &'c str) {
    let check = checks.iter().find(|(check, ..)| check == name);
    check.map_or(("none", ""), |(_, result, said)| (result, said))
}

/// A port whose every connection is dealt with in the same way.
fn peer(deal: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let deal = deal.clone();
            thread::spawn(move || deal(stream));
        }
    });
    address
}

#[test]
fn a_bank_and_a_switch_are_sound_and_another_framing_is_found() {
    let mut rig = Rig::start();
    let bank = format!("127.0.0.1:{}", rig.ports.bank);
    for to in [&bank, &rig.to()] {
        let (code, checks) = examine(to, &[]);
        assert_eq!(code, Some(0), "{checks:?}");
        for name in ["connect", "plain text", "framing", "sign-on", "echo", "clock"] {
            assert_eq!(result(&checks, name).0, "good", "{name}: {checks:?}");
        }
    }
    let (code, checks) = examine(&bank, &["--framing", "ascii4"]);
    assert_eq!(code, Some(1));
    let (found, said) = result(&checks, "framing");
    assert_eq!(found, "bad");
    assert!(said.contains("`binary2` is") && said.contains("--framing binary2"), "{said}");
    let (_, checks) = examine(&bank, &["--no-sign-on"]);
    assert_eq!(result(&checks, "sign-on").0, "skipped");
    // For people: a line for each check.
    let output = veksel(&["doctor", "tcp", &bank]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().filter(|line| line.starts_with('✓')).count() >= 6, "{text}");
    let admin = format!("127.0.0.1:{}", rig.ports.admin);
    let output = veksel(&["status", "--admin", &admin]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("ready") && text.contains("cbs.1"), "{text}");
    assert_eq!(text.matches("online").count(), 4, "{text}");
    rig.kill_bank();
    stage::until("the switch to see that the bank is gone", stage::PATIENCE, || {
        let output = veksel(&["status", "--admin", &admin]);
        (output.status.code() == Some(1)).then_some(())
    });
}

#[test]
fn what_is_no_host_is_told_apart() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let (code, checks) = examine(&nobody, &[]);
    assert_eq!(code, Some(1));
    assert!(result(&checks, "connect").1.contains("nothing listens"), "{checks:?}");
    let (code, checks) = examine("no-such-host.invalid:7000", &[]);
    assert_eq!((code, result(&checks, "name").0), (Some(1), "bad"), "{checks:?}");
    // What a server of TLS says to a message: a fatal alert, and the end.
    let tls = peer(|mut stream| {
        let mut buffer = [0; 512];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 70]);
    });
    let (_, checks) = examine(&tls, &[]);
    assert!(result(&checks, "plain text").1.contains("speaks TLS"), "{checks:?}");
    // One that ignores what is no handshake and answers one.
    let strict = peer(|mut stream| {
        let mut buffer = [0; 512];
        if stream.read(&mut buffer).is_ok() && buffer[0] == 0x16 {
            let _ = stream.write_all(&[0x16, 3, 3, 0, 4, 2, 0, 0, 0]);
        }
        let _ = stream.read(&mut buffer);
    });
    let (_, checks) = examine(&strict, &[]);
    assert!(result(&checks, "plain text").1.contains("speaks TLS"), "{checks:?}");
    for (peer, word) in [
        (peer(drop), "closed"),
        (
            peer(|mut stream| {
                let _ = stream.read_to_end(&mut Vec::new());
            }),
            "nothing came",
        ),
        (
            peer(|mut stream| {
                let _ = stream.write_all(b"SSH-2.0-x\r\n");
                let _ = stream.read(&mut [0]);
            }),
            "framing",
        ),
    ] {
        let (code, checks) = examine(&peer, &[]);
        assert_eq!(code, Some(1), "{checks:?}");
        assert_eq!(result(&checks, "plain text").0, "good", "{checks:?}");
        let (found, said) = result(&checks, "framing");
        assert!(found == "bad" && (said.contains(word) || word == "framing"), "{checks:?}");
    }
}
