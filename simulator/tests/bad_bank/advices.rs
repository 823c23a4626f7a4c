//! All four advices through a real switch to a bank that is silent at first: each is taken over at
//! once, none is lost, none is executed twice, and the totals are compared last.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Codec, Dialect, FieldNumber, Framing, Message, Mti, Step, field};
use veksel_config::BankProfile;
use veksel_core::time::Utc;
use veksel_simulator::bank::Faults;

use crate::rig::{Rig, count, read_only, until};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Now, but never so late that the date changes during a test.
fn now() -> Utc {
    loop {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = u64::try_from(since.as_millis()).unwrap();
        if DAY_MS - now % DAY_MS > 120_000 {
            return Utc(now);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

struct Channel {
    stream: TcpStream,
    codec: Codec,
    transmission: String,
}

impl Channel {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
        let transmission = String::from_utf8(now().transmission().to_vec()).unwrap();
        Self { stream, codec, transmission }
    }

    fn message(&self, mti: &str, stan: u64) -> Message {
        let mut message = Message::of(Mti::parse(mti).unwrap());
        message.set(field::TRANSMISSION, &self.transmission);
        message.set(field::STAN, stan);
        message.set(field::ACQUIRER, "500001");
        message.set(field::RRN, &format!("ADV{stan:09}"));
        message.set(field::CURRENCY, 578);
        message
    }

    fn money(&self, mti: &str, stan: u64, original: Option<(&str, u32)>) -> Message {
        let mut message = self.message(mti, stan);
        message.set(field::PROCESSING_CODE, "001000");
        message.set(field::AMOUNT, 12_300);
        message.set(field::LOCAL_TIME, "120000");
        message.set(field::LOCAL_DATE, &self.transmission[..4]);
        message.set(field::CATEGORY, "5999");
        message.set(field::ENTRY_MODE, "051");
        message.set(field::CONDITION, "00");
        message.set(field::TERMINAL, "TERM0001");
        message.set(field::ACCEPTOR, "MERCHANT0000001");
        message.set(field::ACCOUNT, "10000000012");
        if let Some((mti, stan)) = original {
            let original = OriginalData {
                mti: Mti::parse(mti).unwrap(),
                stan,
                transmission: self.transmission.clone(),
                acquirer: "500001".to_owned(),
                forwarder: String::new(),
            };
            message.set(field::RRN, &format!("ADV{stan:09}"));
            message.set(field::ORIGINAL_DATA, &original.format());
        }
        message
    }

    fn totals(&self, stan: u64, debits: u64, undone: u64, held: u64) -> Message {
        let mut message = self.message("0520", stan);
        message.set(field::SETTLEMENT_DATE, &self.transmission[..4]);
        for key in (74..=81).chain(86..=89).chain([97]) {
            let text = match key {
                76 => format!("{debits:010}"),
                77 => format!("{undone:010}"),
                81 => format!("{held:010}"),
                88 => format!("{:016}", debits * 12_300),
                89 => format!("{:016}", undone * 12_300),
                97 => format!("D{:016}", (debits - undone) * 12_300),
                86 | 87 => "0".repeat(16),
                _ => "0".repeat(10),
            };
            message.set_text(FieldNumber::new(key).unwrap(), &text);
        }
        message
    }

    /// The type and code of the answer.
    fn ask(&mut self, message: &Message) -> (String, String) {
        let mut frame = BytesMut::new();
        let framing = Framing::binary2();
        framing.encode(&[], &mut frame, |out| self.codec.encode(message, out)).unwrap();
        self.stream.write_all(&frame).unwrap();
        let mut input = Vec::new();
        loop {
            if let Step::Frame { message: body, .. } = framing.decode(&input).unwrap() {
                let mut answer = Message::new();
                self.codec.decode_into(body, &mut answer).unwrap();
                assert_eq!(answer.get(field::STAN), message.get(field::STAN));
                let code = answer.get(field::RESPONSE_CODE).unwrap().to_string();
                return (answer.mti().to_string(), code);
            }
            let mut some = [0; 1_024];
            let read = self.stream.read(&mut some).unwrap();
            assert!(read > 0, "the switch closed the connection");
            input.extend(&some[..read]);
        }
    }
}

#[test]
fn all_four_advices_are_taken_over_delivered_once_and_add_up() {
    let rig = Rig::start(BankProfile::Ideal, Faults { answer_never: 100, ..Faults::NONE });
    let mut channel = Channel::new(rig.channels());
    let advices = [
        (channel.money("0120", 1, None), "0130"),
        (channel.money("0220", 2, Some(("0120", 1))), "0230"),
        (channel.money("0120", 3, None), "0130"),
        (channel.money("0420", 4, Some(("0120", 3))), "0430"),
        (channel.totals(5, 1, 0, 2), "0530"),
    ];
    for (advice, mti) in &advices {
        assert_eq!(channel.ask(advice), ((*mti).to_owned(), "00".to_owned()), "{advice:?}");
    }
    let journal = read_only(&rig.journal());
    let delivered = |mti: &str, response: &str| {
        count(
            &journal,
            &format!(
                "SELECT count(*) FROM v_reversals WHERE state = 'delivered' AND mti = '{mti}' \
                 AND response = '{response}'"
            ),
        )
    };
    rig.bank().set_faults(Faults::NONE).unwrap();
    let all = "SELECT count(*) FROM v_reversals WHERE state = 'delivered'";
    until("everything to be delivered", || (count(&journal, all) == 5).then_some(()));
    for (mti, number) in [("0120", 2), ("0220", 1), ("0420", 1), ("0520", 1)] {
        assert_eq!(delivered(mti, "00"), number, "{mti}");
    }
    let told = "SELECT count(*) FROM v_audit WHERE action = 'reconcile'";
    assert_eq!(count(&journal, told), 0, "they are in balance");
    // Copies are answered from the journal, and nothing new is delivered for them.
    for (advice, mti) in &advices {
        assert_eq!(channel.ask(advice), ((*mti).to_owned(), "00".to_owned()));
    }
    assert_eq!(channel.ask(&channel.totals(6, 2, 0, 2)), ("0530".to_owned(), "00".to_owned()));
    until("the wrong totals to be delivered", || (delivered("0520", "95") == 1).then_some(()));
    let own = "SELECT count(*) FROM v_audit WHERE action = 'reconcile' \
               AND detail LIKE '%out of balance%76=0000000001 %97=D0000000000012300%'";
    assert_eq!(count(&journal, own), 1);
    let no_amount = "SELECT count(*) FROM v_transactions WHERE mti = '0520' AND amount IS NULL \
                     AND code IS NULL AND account IS NULL AND state = 'delivered'";
    assert_eq!(count(&journal, no_amount), 2);
    let summary = rig.bank().summary().unwrap();
    assert_eq!((summary.transfers_by_message, summary.conserved), (1, true), "{summary:?}");
}
