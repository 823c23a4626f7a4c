//! A bank in a folder of its own, and a client of a few lines that knows the wire.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::watch::{Watch, watch};
use bytes::BytesMut;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Codec, Dialect, Framing, Message, Mti, field};
use veksel_config::{BankConfig, BankProfile, DialectName, Faults};
use veksel_simulator::bank::{self, RunningBank};

/// How late an answer to an amount ending in 68 is.
pub(crate) const LATE: Duration = Duration::from_millis(1_500);

pub(crate) fn config(folder: &Path) -> BankConfig {
    BankConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: Framing::binary2(),
        mac: None,
        tls: None,
        name: "Test Bank".to_owned(),
        database: folder.join("bank.db"),
        seeds: None,
        institution: "600001".to_owned(),
        magic: true,
        late_ms: u64::try_from(LATE.as_millis()).unwrap(),
        hold_days: 7,
        statement_lines: 10,
        profile: BankProfile::Ideal,
        faults: Faults::NONE,
    }
}

pub(crate) fn start(folder: &Path) -> RunningBank {
    bank::start(config(folder)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) codec: Codec,
    _watch: Watch,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let watch = watch();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
        Self { stream, codec, _watch: watch }
    }

    pub(crate) fn signed_on(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        assert_eq!(code(&client.ask(&network(1, 1))), "00");
        client
    }

    pub(crate) fn wire(&self, message: &Message) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        self.codec.encode(message, &mut bytes).unwrap();
        let mut frame = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(&bytes);
        frame
    }

    pub(crate) fn send(&mut self, message: &Message) {
        let frame = self.wire(message);
        self.stream.write_all(&frame).unwrap();
    }

    /// The next answer; `None` when the bank has closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        let mut length = [0; 2];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut frame).unwrap();
        let mut message = Message::new();
        self.codec.decode_into(&frame, &mut message).unwrap();
        Some(message)
    }

    pub(crate) fn ask(&mut self, message: &Message) -> Message {
        self.send(message);
        self.receive().unwrap_or_else(|| panic!("closed instead of an answer"))
    }

    /// DE54 of account 10000000001.
    pub(crate) fn balance(&mut self, stan: u64) -> String {
        let answer = self.ask(&request("311000", stan, 0));
        answer.get(field::ADDITIONAL_AMOUNTS).unwrap().to_string()
    }
}

pub(crate) fn network(stan: u64, code: u64) -> Message {
    let mut message = Message::of(Mti::parse("0800").unwrap());
    message.set(field::TRANSMISSION, "1120120000");
    message.set(field::STAN, stan);
    message.set(field::ACQUIRER, "123456");
    message.set(field::NETWORK_CODE, code);
    message
}

/// A 0200 of account 10000000001.
pub(crate) fn request(code: &str, stan: u64, minor: u64) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    for (key, value) in [
        (field::PROCESSING_CODE, code),
        (field::TRANSMISSION, "1120120000"),
        (field::LOCAL_TIME, "130000"),
        (field::LOCAL_DATE, "1120"),
        (field::CATEGORY, "6011"),
        (field::ENTRY_MODE, "051"),
        (field::CONDITION, "00"),
        (field::ACQUIRER, "123456"),
        (field::TERMINAL, "TERM0001"),
        (field::ACCEPTOR, "MERCHANT0000001"),
    ] {
        message.set(key, value);
    }
    message.set(field::AMOUNT, minor);
    message.set(field::STAN, stan % 1_000_000);
    message.set(field::RRN, &format!("{stan:012}"));
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, "10000000001");
    message
}

pub(crate) fn reversal(original: &Message, stan: u64) -> Message {
    let mut message = original.clone();
    message.set_mti(Mti::parse("0420").unwrap());
    let named = OriginalData {
        mti: original.mti(),
        stan: u32::try_from(original.get(field::STAN).unwrap()).unwrap(),
        transmission: original.get(field::TRANSMISSION).unwrap().to_string(),
        acquirer: "123456".to_owned(),
        forwarder: String::new(),
    };
    message.set(field::ORIGINAL_DATA, &named.format());
    message.set(field::STAN, stan);
    message
}

pub(crate) fn code(answer: &Message) -> String {
    answer.get(field::RESPONSE_CODE).unwrap().as_str().to_owned()
}
