//! Ends that are asked for, and a second process that may not begin.

use crate::stage::{Book, Kind, PATIENCE, Request, Rig, Wire, http_get, read_only, until, veksel};
use std::time::{Duration, Instant};
use veksel_codecs::{Message, Mti, field};

/// `drain` of the switch in these tests, and of one that has more time.
const DRAIN: Duration = Duration::from_secs(5);
const LONG_DRAIN: Duration = Duration::from_secs(30);

fn transfer() -> Request {
    Book::request(Kind::Transfer, ("10000000012", "10"), ("10000000013", "20"), 5_010)
}

/// Network management that the switch answers by itself.
fn echo(number: u64) -> Request {
    let mut message = Message::of(Mti::known(b"0800"));
    message.set(field::TRANSMISSION, "1121090000");
    message.set(field::STAN, number);
    message.set(field::ACQUIRER, "500001");
    message.set(field::NETWORK_CODE, 301);
    Request { message }
}

fn answer(wire: &mut Wire, patience: Duration) -> Message {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < patience, "no answer within {patience:?}");
        if let Some(answer) = wire.receive(Duration::from_millis(50)).unwrap() {
            return answer;
        }
    }
}

/// The answer to one request; what is said about others meanwhile is passed over.
fn answer_to(wire: &mut Wire, request: &Request) -> Message {
    let rrn = request.rrn();
    loop {
        let heard = answer(wire, PATIENCE);
        if heard.get(field::RRN).is_some_and(|heard| *heard == *rrn) {
            return heard;
        }
    }
}

fn code(answer: &Message) -> String {
    answer.get(field::RESPONSE_CODE).unwrap().to_string()
}

fn state(rig: &Rig, rrn: &str) -> Option<String> {
    let sql = "SELECT state FROM v_transactions WHERE rrn = ?1";
    read_only(&rig.journal()).query_row(sql, [rrn], |row| row.get(0)).ok()
}

fn standing(rig: &Rig, rrn: &str) -> i64 {
    let sql = "SELECT count(*) FROM v_transfers
               WHERE rrn = ?1 AND reverses IS NULL AND reversed_by IS NULL";
    read_only(&rig.ledger()).query_row(sql, [rrn], |row| row.get(0)).unwrap()
}

/// A payment in flight at a bank that stands still, and a switch that was asked to stop.
fn drain_begins(rig: &Rig, wire: &mut Wire) -> (Request, Instant) {
    rig.bank.as_ref().unwrap().signal("STOP");
    let payment = transfer();
    wire.send(&payment).unwrap();
    until("the payment to be in flight", PATIENCE, || {
        state(rig, &payment.rrn()).filter(|state| state == "open")
    });
    let asked = Instant::now();
    rig.switch.as_ref().unwrap().signal("TERM");
    until("the switch to take no more connections", PATIENCE, || {
        Wire::open(rig.ports.channels).err()
    });
    (payment, asked)
}

#[test]
fn sigterm_lets_what_is_in_flight_finish() {
    let mut rig = Rig::patient();
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    let (payment, asked) = drain_begins(&rig, &mut wire);
    // Nothing new begins.
    let late = transfer();
    wire.send(&late).unwrap();
    assert_eq!(code(&answer_to(&mut wire, &late)), "91");
    rig.bank.as_ref().unwrap().signal("CONT");
    assert_eq!(code(&answer_to(&mut wire, &payment)), "00");
    assert_eq!(rig.switch.take().unwrap().end(PATIENCE), Some(0));
    let took = asked.elapsed();
    assert!(took < LONG_DRAIN, "drained in {took:?}");
    eprintln!("drained in {took:.2?}");
    assert_eq!(state(&rig, &payment.rrn()).unwrap(), "approved");
    assert_eq!((standing(&rig, &payment.rrn()), standing(&rig, &late.rrn())), (1, 0));
}

#[test]
fn sigterm_leaves_nothing_unsaid_when_the_bank_is_silent() {
    let mut rig = Rig::start();
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    let (payment, asked) = drain_begins(&rig, &mut wire);
    let unknown = answer(&mut wire, PATIENCE);
    assert_eq!(code(&unknown), "68");
    assert_eq!(rig.switch.take().unwrap().end(PATIENCE), Some(0));
    let took = asked.elapsed();
    assert!(took < DRAIN + Duration::from_secs(2), "drained in {took:?}");
    eprintln!("drained in {took:.2?} from a silent bank");
    rig.bank.as_ref().unwrap().signal("CONT");
    // What is left of it is undone by the next start.
    rig.start_switch();
    until("the reversal to be settled", PATIENCE, || {
        state(&rig, &payment.rrn()).filter(|state| state == "reversed")
    });
    assert_eq!(standing(&rig, &payment.rrn()), 0);
    rig.stop();
}

#[test]
fn an_approval_whose_channel_is_gone_is_taken_back() {
    // The bank stands still longer than a hurried switch would wait for it on a busy machine.
    let mut rig = Rig::patient();
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    rig.bank.as_ref().unwrap().signal("STOP");
    let payment = transfer();
    wire.send(&payment).unwrap();
    until("the payment to be in flight", PATIENCE, || {
        state(&rig, &payment.rrn()).filter(|state| state == "open")
    });
    drop(wire);
    // The switch keeps a connection that ended while a request of it is open, so no count of
    // connections says that it noticed. What another connection is answered says it: its request
    // was sent after the end of the first, and each turn reads whatever has arrived.
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    for number in 1..=2 {
        wire.send(&echo(number)).unwrap();
        assert_eq!(code(&answer(&mut wire, PATIENCE)), "00");
    }
    rig.bank.as_ref().unwrap().signal("CONT");
    until("the reversal to be settled", PATIENCE, || {
        state(&rig, &payment.rrn()).filter(|state| state == "reversed")
    });
    assert_eq!(standing(&rig, &payment.rrn()), 0);
    // Had it come too late, a timeout would be the reason.
    let sql = "SELECT reason FROM v_reversals WHERE rrn = ?1";
    let journal = read_only(&rig.journal());
    let reason: String = journal.query_row(sql, [payment.rrn()], |row| row.get(0)).unwrap();
    assert_eq!(reason, "undelivered");
    // And whoever asks again is not told that it was approved.
    wire.send(&payment.repeat()).unwrap();
    assert_eq!(code(&answer(&mut wire, PATIENCE)), "68");
    rig.stop();
}

#[test]
fn a_second_switch_on_the_same_journal_refuses_to_start() {
    let rig = Rig::start();
    let config = rig.file("switch.toml").display().to_string();
    let mut arguments = vec!["run", "--config", &config];
    // Ports of its own, so that the journal is all they share.
    arguments.extend(["--set", "listener.channels.listen=127.0.0.1:0"]);
    arguments.extend(["--set", "admin.listen=127.0.0.1:0"]);
    let ran = veksel(&arguments);
    let text = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{text}");
    assert!(text.contains("belongs to another running process"), "{text}");
    assert!(text.contains("veksel.db"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    // The first one did not notice.
    assert_eq!(http_get(rig.ports.admin, "/ready").unwrap().0, 200);
    let payment = transfer();
    let mut wire = Wire::open(rig.ports.channels).unwrap();
    wire.send(&payment).unwrap();
    assert_eq!(code(&answer(&mut wire, PATIENCE)), "00");
}
