//! Sign-on, framing, late answers, and every request answered once.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use veksel_codecs::{Mti, field};

use crate::rig::*;

#[test]
fn nothing_but_network_management_is_looked_at_before_sign_on_and_after_sign_off() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::connect(bank.address());
    assert_eq!(code(&client.ask(&network(1, 301))), "00");
    for (step, expected) in [(None, "91"), (Some(1), "00"), (Some(2), "91"), (Some(1), "00")] {
        if let Some(step) = step {
            assert_eq!(code(&client.ask(&network(2, step))), "00");
        }
        let answer = client.ask(&request("311000", 3, 0));
        assert_eq!(code(&answer), expected);
        let display = answer.get(field::DISPLAY).map(|text| text.to_string());
        assert_eq!(display.is_some(), expected == "91", "{display:?}");
    }
    let purchase = request("001000", 4, 10_000);
    let mut stranger = Client::connect(bank.address());
    assert_eq!(code(&stranger.ask(&purchase)), "91");
    assert_eq!(code(&stranger.ask(&reversal(&purchase, 5))), "91");
    assert_eq!(code(&client.ask(&purchase)), "00", "the refusal is not remembered");
    let summary = bank.stop().unwrap();
    assert_eq!((summary.requests, summary.answers), (11, 11));
    assert_eq!((summary.transfers_by_message, summary.conserved), (1, true));
}

#[test]
fn frames_in_pieces_and_together_are_answered_alike() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    let whole = client.ask(&request("311000", 2, 0));
    for byte in client.wire(&request("311000", 2, 0)) {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.receive(), Some(whole.clone()));
    let mut both = client.wire(&request("311000", 2, 0));
    both.extend([0, 0]);
    both.extend(client.wire(&request("311000", 2, 0)));
    client.stream.write_all(&both).unwrap();
    assert_eq!(client.receive(), Some(whole.clone()));
    assert_eq!(client.receive(), Some(whole));
}

#[test]
fn what_is_broken_is_answered_30_and_the_connection_stays() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    let mut broken = client.wire(&request("311000", 2, 0));
    let place = broken.windows(6).position(|window| window == b"130000").unwrap();
    broken[place] = b'x';
    client.stream.write_all(&broken).unwrap();
    let answer = client.receive().unwrap();
    assert_eq!(code(&answer), "30");
    assert_eq!(answer.get(field::ADDITIONAL_RESPONSE).unwrap(), "012V");
    // Never answered: an answer, and a frame that is none of anything.
    let mut answer = request("311000", 3, 0);
    answer.set_mti(Mti::parse("0210").unwrap());
    client.send(&answer);
    client.stream.write_all(&[0, 3, 1, 2, 3]).unwrap();
    assert_eq!(code(&client.ask(&request("311000", 4, 0))), "00");
    let summary = bank.summary().unwrap();
    assert_eq!((summary.requests, summary.answers), (3, 3));
    assert_eq!((summary.refused, summary.silent), (1, 2));
}

#[test]
fn a_late_answer_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    let sent = Instant::now();
    let late = request("001000", 2, 10_068);
    client.send(&late);
    assert_eq!(code(&client.ask(&request("311000", 3, 0))), "00");
    assert!(sent.elapsed() < LATE);
    assert_eq!(bank.summary().unwrap().waiting, 1);
    // It was executed at once, so a copy is answered at once, and so is its reversal.
    let copy = client.ask(&late);
    assert_eq!(code(&copy), "00");
    assert_eq!(code(&client.ask(&reversal(&late, 4))), "00");
    assert!(sent.elapsed() < LATE);
    assert_eq!(client.receive(), Some(copy));
    assert!(sent.elapsed() >= LATE);
    let summary = bank.stop().unwrap();
    assert_eq!((summary.requests, summary.answers, summary.waiting), (5, 5, 0));
    assert_eq!((summary.replays, summary.reversals), (1, 1));
}

#[test]
fn a_late_answer_to_a_client_that_left_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    client.send(&request("001000", 2, 10_068));
    assert_eq!(code(&client.ask(&network(3, 301))), "00");
    drop(client);
    let begun = Instant::now();
    let summary = loop {
        let summary = bank.summary().unwrap();
        if summary.waiting == 0 || begun.elapsed().as_secs() > 10 {
            break summary;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!((summary.answers, summary.undelivered), (2, 1));
}

#[test]
fn many_requests_on_many_connections_are_answered_once_each() {
    const EACH: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let address = bank.address();
    let worker = |base: u64| {
        std::thread::spawn(move || {
            let mut client = Client::signed_on(address);
            let mut writer = client.stream.try_clone().unwrap();
            let stans = base..base + EACH;
            let frames: Vec<u8> = stans
                .clone()
                .flat_map(|stan| {
                    let code = if stan % 3 == 0 { "001000" } else { "311000" };
                    let minor = if stan % 3 == 0 { 100 } else { 0 };
                    client.wire(&request(code, stan, minor))
                })
                .collect();
            let write = std::thread::spawn(move || writer.write_all(&frames).unwrap());
            let mut seen = BTreeMap::new();
            for _ in 0..EACH {
                let answer = client.receive().unwrap();
                assert_eq!(code(&answer), "00");
                *seen.entry(answer.get(field::STAN).unwrap()).or_insert(0) += 1;
            }
            write.join().unwrap();
            assert!(seen.len() as u64 == EACH && seen.values().all(|count| *count == 1));
            stans.filter(|stan| stan % 3 == 0).count() as u64
        })
    };
    let workers: Vec<_> = [10_000, 20_000, 30_000, 40_000].map(worker).into();
    let paid: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let summary = bank.summary().unwrap();
    assert!(summary.conserved);
    assert_eq!(summary.transfers_by_message, paid);
    assert_eq!((summary.requests, summary.answers), (4 * EACH + 4, 4 * EACH + 4));
    assert!(summary.commits < paid, "one commit for a turn, not for a request");
    let text = summary.to_string();
    assert_eq!(text, format!("ledger balanced: {} transfers, sum 0", summary.transfers));
}
