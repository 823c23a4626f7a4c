//! Messages of callers, as they reach the engine.

use crate::rig::{PATIENCE, Rig, until};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};
use veksel_api::{CallerId, Exchange, Replied, Spoken};
use veksel_codecs::{FieldNumber, Message, Mti};
use veksel_core::time::Utc;
use veksel_server::Stopped;

const APP: CallerId = CallerId(0);
const SHOP: CallerId = CallerId(1);

/// A request with a number of its own.
fn spoken(mti: [u8; 4], code: &str, amount: u64, number: u32) -> Spoken {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let transmission = Utc(u64::try_from(since.as_millis()).unwrap()).transmission();
    let mut spoken = Spoken { mti, ..Spoken::default() };
    spoken.set(3, code);
    spoken.set(4, format!("{amount:012}"));
    spoken.set(7, transmission);
    spoken.set(11, format!("{number:06}"));
    spoken.set(12, &transmission[4..]);
    spoken.set(13, &transmission[..4]);
    spoken.set(32, "500001");
    spoken.set(37, rrn(number));
    spoken.set(41, "HTTP0001");
    spoken.set(42, "HTTP           ");
    spoken.set(49, "578");
    spoken.set(102, "10000000001");
    spoken
}

fn rrn(number: u32) -> String {
    format!("HTTP{number:08}")
}

fn transfer(amount: u64, number: u32) -> Spoken {
    let mut spoken = spoken(*b"0200", "402010", amount, number);
    spoken.set(103, "10000000002");
    spoken
}

fn text(spoken: &Spoken, number: u8) -> &str {
    str::from_utf8(spoken.get(number).unwrap_or_default()).unwrap()
}

/// A program that calls.
struct App {
    runtime: Runtime,
    exchange: Exchange,
}

impl App {
    fn of(rig: &Rig) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, exchange: rig.switch().exchange() }
    }

    fn say(&self, caller: CallerId, message: &Spoken, most: Duration) -> Replied {
        self.runtime.block_on(self.exchange.exchange(caller, message.clone(), None, most))
    }

    fn answer(&self, caller: CallerId, message: &Spoken) -> Spoken {
        match self.say(caller, message, PATIENCE) {
            Replied::Answered(spoken) => spoken,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_balance_over_http_is_what_it_is_over_tcp() {
    let rig = Rig::start();
    let app = App::of(&rig);
    let asked = spoken(*b"0200", "312000", 0, 1);
    let http = app.answer(APP, &asked);
    let mut message = Message::of(Mti::from_ascii(asked.mti).unwrap());
    for (number, value) in &asked.fields {
        let value = if *number == 37 { b"CHAN00000001" } else { value.as_slice() };
        message.set_text(FieldNumber::new(*number).unwrap(), str::from_utf8(value).unwrap());
    }
    let tcp = rig.channel().ask(&message);
    assert_eq!((http.mti, text(&http, 39)), (*b"0210", "00"));
    for number in [3, 4, 39, 49, 54, 102] {
        let own = FieldNumber::new(number).unwrap();
        let tcp = tcp.expose(own).and_then(veksel_codecs::Raw::text).unwrap();
        assert_eq!(text(&http, number), tcp.as_str(), "field {number}");
    }
    let sql = "SELECT mti || code || route || response || verdict || state || reason || account
        || stan FROM v_transactions WHERE rrn = ?1";
    let shown = |rrn: &str| until("the record", || rig.says(sql, rrn));
    assert_eq!(shown(&rrn(1)), shown("CHAN00000001"));
    let link = "SELECT link || participant FROM v_transactions WHERE rrn = ?1";
    assert_eq!(rig.says(link, &rrn(1)).unwrap(), "httpapp");
    rig.stop();
}

#[test]
fn what_a_channel_would_be_told_is_wrong_is_said_before_anything_is_done() {
    let rig = Rig::start();
    let app = App::of(&rig);
    let without = |number: u8| {
        let mut message = transfer(100, 2);
        message.fields.retain(|(other, _)| *other != number);
        message
    };
    let with = |number: u8, value: &[u8]| {
        let mut message = transfer(100, 2);
        message.set(number, value);
        message
    };
    let mut answer = transfer(100, 2);
    answer.mti = *b"0210";
    let mut unknown = transfer(100, 2);
    unknown.mti = *b"0300";
    for (message, field, what) in [
        (without(102), 102, "missing"),
        (without(3), 3, "missing"),
        (with(3, b"990000"), 3, "not known"),
        (with(4, b"12x"), 4, "digits"),
        (with(5, b"1"), 5, "no such field"),
        (with(37, &[b'A'; 13]), 37, "exceeds 12"),
        (with(41, &[0xFF; 8]), 41, "no characters"),
        (answer, 0, "no type of a request"),
        (unknown, 0, "not known"),
    ] {
        match app.say(APP, &message, PATIENCE) {
            Replied::Malformed(number, why) => {
                assert_eq!(number, field, "{why}");
                assert!(why.contains(what), "{why}, not {what}");
            }
            other => panic!("{other:?} of field {field}"),
        }
    }
    assert_eq!(app.say(CallerId(9), &transfer(100, 2), PATIENCE), Replied::Busy);
    assert_eq!(rig.state(&rrn(2)), None);
    rig.stop();
}

#[test]
fn a_payment_that_nobody_waits_for_is_taken_back() {
    let rig = Rig::start();
    let app = App::of(&rig);
    let payment = transfer(1_068, 3);
    // The bank takes longer than the caller waits, and less long than the switch does.
    assert_eq!(app.say(APP, &payment, Duration::from_millis(200)), Replied::Late);
    until("the reversal to be settled", || rig.state(&rrn(3)).filter(|state| state == "reversed"));
    assert_eq!(rig.ledger(&rrn(3)), (1, 0));
    let reason = rig.says("SELECT reason FROM v_reversals WHERE rrn = ?1", &rrn(3));
    assert_eq!(reason.unwrap(), "undelivered");
    // And whoever asks again is not told that it was approved.
    assert_eq!(text(&app.answer(APP, &payment), 39), "68");
    rig.stop();
}

#[test]
fn the_same_payment_again_is_answered_again_and_another_one_is_refused() {
    let mut rig = Rig::start();
    let app = App::of(&rig);
    let payment = transfer(2_500, 4);
    let first = app.answer(APP, &payment);
    assert_eq!(text(&first, 39), "00");
    assert_eq!(app.answer(APP, &payment), first);
    let mut other = payment.clone();
    other.set(4, "000000002600");
    assert_eq!(text(&app.answer(APP, &other), 39), "94");
    // Another caller with the same numbers is somebody else.
    assert_eq!(text(&app.answer(SHOP, &payment), 39), "00");
    // The journal remembers it when memory does not.
    rig.stop_switch();
    rig.start_switch();
    let app = App::of(&rig);
    let again = app.answer(APP, &payment);
    assert_eq!((text(&again, 39), again.get(38)), ("00", first.get(38)));
    assert_eq!(rig.ledger(&rrn(4)), (2, 5_000));
    // And it says how it ended to whoever asks (0600).
    let mut question = Spoken { mti: *b"0600", ..payment };
    question.fields.retain(|(number, _)| ![4, 103].contains(number));
    let told = app.answer(APP, &question);
    assert_eq!((told.mti, text(&told, 39)), (*b"0610", "00"));
    rig.stop();
}

#[test]
fn a_stop_lets_payments_end_and_takes_no_more() {
    let mut rig = Rig::start();
    let app = App::of(&rig);
    let payment = transfer(1_168, 5);
    let waiting = app.runtime.spawn({
        let (exchange, payment) = (app.exchange.clone(), payment);
        async move { exchange.exchange(APP, payment, None, PATIENCE).await }
    });
    until("the payment to be in flight", || rig.state(&rrn(5)));
    let switch = rig.switch.take().unwrap();
    let stopping = std::thread::spawn(move || switch.stop());
    let refused = until("the switch to take no more", || {
        let said = app.say(APP, &spoken(*b"0200", "312000", 0, 6), PATIENCE);
        (!matches!(said, Replied::Answered(_))).then_some(said)
    });
    assert_eq!(refused, Replied::Busy);
    match app.runtime.block_on(waiting).unwrap() {
        Replied::Answered(answer) => assert_eq!(text(&answer, 39), "00"),
        other => panic!("{other:?}"),
    }
    assert_eq!(stopping.join().unwrap(), Stopped::Asked);
    assert_eq!(rig.ledger(&rrn(5)), (1, 1_168));
    rig.stop();
}
