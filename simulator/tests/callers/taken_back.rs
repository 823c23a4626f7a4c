//! What `transactions/{id}` says of a payment that is taken back: `reversed` is said when its bank
//! has confirmed it, because whoever reads that pays again.

use crate::client::Client;
use crate::rig::{APP_KEY, Rig, until};
use bytes::BytesMut;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use veksel_codecs::{Class, Codec, Dialect, Framing, Message, ResponseCode, Step, field};
use veksel_simulator::bank::Faults;

fn transfer(minor: u64) -> Value {
    json!({
        "type": "transfer", "from": "10000000001", "to": "10000000002",
        "amount": { "minor": minor, "currency": "578" },
    })
}

/// How a payment stands: `status` and `reversal`.
fn standing(rig: &Rig, id: &str) -> (String, String) {
    let said = Client { address: rig.http(), key: APP_KEY }.transaction(id);
    assert_eq!((said.status, &said.body["responseCode"]), (200, &"68".into()), "{said:?}");
    let text = |member: &str| said.body[member].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reversal"))
}

fn stands(rig: &Rig, id: &str, status: &str, reversal: &str) {
    assert_eq!(standing(rig, id), (status.to_owned(), reversal.to_owned()));
}

/// Pays what the bank does not answer, and gives what the payment is called.
fn lose(rig: &Rig, key: &str, minor: u64) -> String {
    let said = Client { address: rig.http(), key: APP_KEY }.pay(key, &transfer(minor));
    assert_eq!((said.status, said.code()), (504, "outcome_unknown"), "{said:?}");
    let id = rig.payment(minor);
    // Whoever has no answer has what to ask after.
    assert!(said.body["error"]["message"].as_str().unwrap().contains(&id), "{said:?}");
    id
}

#[test]
fn a_payment_is_reversed_when_its_bank_has_confirmed_it_and_not_before() {
    let mut rig = Rig::start();
    // Whatever the bank is sent it executes, and says nothing.
    rig.bank.set_faults(Faults { disconnect: 100, ..Faults::NONE }).unwrap();
    let id = lose(&rig, "lost", 2_501);
    until("some reversals to be sent in vain", || {
        stands(&rig, &id, "reversing", "reversing");
        (rig.bank.summary().unwrap().faults.disconnect > 3).then_some(())
    });
    // Nor is it after a restart.
    rig.stop_switch();
    rig.start_switch();
    stands(&rig, &id, "reversing", "reversing");
    rig.bank.set_faults(Faults::NONE).unwrap();
    let reversed = ("reversed".to_owned(), "reversed".to_owned());
    until("the bank to confirm it", || (standing(&rig, &id) == reversed).then_some(()));
    assert_eq!(rig.ledger(&id[..12]), (1, 0));
    rig.stop_switch();
    rig.start_switch();
    stands(&rig, &id, "reversed", "reversed");
    rig.stop();
}

/// A bank of a few lines: it closes the connection on every payment, and answers reversals with
/// the code it is given, or by closing as well.
struct Stubborn {
    address: SocketAddr,
    code: Arc<Mutex<Option<&'static str>>>,
}

impl Stubborn {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let code = Arc::new(Mutex::new(None));
        let own = Arc::clone(&code);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, code) = (stream.unwrap(), Arc::clone(&own));
                std::thread::spawn(move || serve(stream, &code));
            }
        });
        Self { address, code }
    }

    fn answers(&self, code: &'static str) {
        *self.code.lock().unwrap() = Some(code);
    }
}

/// One connection, until one of both ends it.
fn serve(mut stream: TcpStream, reversals: &Mutex<Option<&'static str>>) {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let framing = Framing::binary2();
    let mut input = Vec::new();
    let mut some = [0; 1_024];
    while let Ok(read @ 1..) = stream.read(&mut some) {
        input.extend(&some[..read]);
        while let Step::Frame { message: body, consumed, .. } = framing.decode(&input).unwrap() {
            let mut message = Message::new();
            codec.decode_into(body, &mut message).unwrap();
            input.drain(..consumed);
            let code = match message.mti().class() {
                Class::Network => Some("00"),
                Class::Reversal => *reversals.lock().unwrap(),
                _ => None,
            };
            let Some(code) = code else { return };
            message.set_mti(message.mti().response().unwrap());
            message.set(field::RESPONSE_CODE, ResponseCode::parse(code).unwrap());
            let mut frame = BytesMut::new();
            framing.encode(&[], &mut frame, |out| codec.encode(&message, out)).unwrap();
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    }
}

#[test]
fn a_payment_whose_bank_refuses_to_take_it_back_is_unknown_and_never_reversed() {
    let mut rig = Rig::start();
    let bank = Stubborn::start();
    rig.ask_at(bank.address);
    let id = lose(&rig, "kept", 2_502);
    stands(&rig, &id, "reversing", "reversing");
    bank.answers("30");
    let parked = ("unknown".to_owned(), "parked".to_owned());
    until("the reversal to be parked", || (standing(&rig, &id) == parked).then_some(()));
    rig.stop_switch();
    rig.start_switch();
    stands(&rig, &id, "unknown", "parked");
    // The next one it takes back.
    bank.answers("00");
    let next = lose(&rig, "given", 2_503);
    let reversed = ("reversed".to_owned(), "reversed".to_owned());
    until("the bank to confirm it", || (standing(&rig, &next) == reversed).then_some(()));
    stands(&rig, &id, "unknown", "parked");
    rig.stop();
}
