//! Copies of one request that come at the same time over many connections.

use crate::stage::{Book, Kind, PATIENCE, Request, Rig, Wire, read_only, until};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use veksel_codecs::{Message, field};

const CONNECTIONS: usize = 50;
const COPIES: usize = 20;

/// Sends all copies at once, and gives what was heard: code, approval and settlement date.
fn send_copies(port: u16, request: &Request) -> Vec<String> {
    let gate = Arc::new(Barrier::new(CONNECTIONS));
    let threads = (0..CONNECTIONS).map(|_| {
        let (gate, request) = (Arc::clone(&gate), request.clone());
        thread::spawn(move || {
            let mut wire = Wire::open(port).unwrap();
            let bytes = wire.bytes(&request).repeat(COPIES);
            gate.wait();
            wire.write(&bytes).unwrap();
            let answers = receive(&mut wire, COPIES);
            // A thousand and first answer would be one too many.
            assert!(wire.receive(Duration::from_millis(20)).unwrap().is_none());
            answers
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

fn receive(wire: &mut Wire, count: usize) -> Vec<String> {
    let start = Instant::now();
    let mut answers = Vec::new();
    while answers.len() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count} answers", answers.len());
        let answer = wire.receive(Duration::from_millis(100)).unwrap();
        answers.extend(answer.map(|answer| outcome(&answer)));
    }
    answers
}

fn outcome(answer: &Message) -> String {
    let number = |number| {
        let number = veksel_codecs::FieldNumber::new(number).unwrap();
        let text = answer.expose(number).and_then(|raw| raw.text());
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    let code = answer.get(field::RESPONSE_CODE).unwrap();
    format!("{} {code} {} {}", answer.mti().as_str(), number(38), number(15))
}

fn executions(rig: &Rig, rrn: &str, column: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM v_transfers WHERE rrn = ?1 AND reverses IS NULL
         AND ({column} IS NULL)"
    );
    read_only(&rig.ledger()).query_row(&sql, [rrn], |row| row.get(0)).unwrap()
}

#[test]
fn a_thousand_copies_of_a_payment_are_executed_once_and_answered_alike() {
    let rig = Rig::start();
    let (from, to) = (("10000000012", "10"), ("10000000013", "20"));
    let request = Book::request(Kind::Transfer, from, to, 12_310);
    let answers = send_copies(rig.ports.channels, &request);
    assert_eq!(answers.len(), CONNECTIONS * COPIES);
    let first = answers.first().unwrap();
    assert!(first.starts_with("0210 00 "), "{first}");
    assert!(answers.iter().all(|answer| answer == first), "{answers:?}");
    assert_eq!(executions(&rig, &request.rrn(), "NULL"), 1);
    // The same again later, and as a repeat.
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    for copy in [&request, &request.repeat()] {
        wire.send(copy).unwrap();
        assert_eq!(&receive(&mut wire, 1), std::slice::from_ref(first));
    }
    assert_eq!(executions(&rig, &request.rrn(), "NULL"), 1);
}

#[test]
fn a_thousand_copies_of_a_payment_that_times_out_leave_nothing() {
    let rig = Rig::start();
    let (from, to) = (("10000000012", "10"), ("10000000013", "20"));
    // Executed by the bank and answered too late.
    let request = Book::request(Kind::Transfer, from, to, 12_368);
    let answers = send_copies(rig.ports.channels, &request);
    assert_eq!(answers.len(), CONNECTIONS * COPIES);
    assert!(answers.iter().all(|answer| answer.starts_with("0210 68")), "{answers:?}");
    assert_eq!(executions(&rig, &request.rrn(), "NULL"), 1);
    until("the one execution to be undone", PATIENCE, || {
        (executions(&rig, &request.rrn(), "reversed_by") == 0).then_some(())
    });
    let journal = read_only(&rig.journal());
    let sql = "SELECT count(*) FROM v_reversals WHERE rrn = ?1";
    let reversals: i64 = journal.query_row(sql, [request.rrn()], |row| row.get(0)).unwrap();
    assert_eq!(reversals, 1);
}
