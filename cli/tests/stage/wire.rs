//! The requests of a channel, and a connection to send them on.

use super::payment::{Kind, Payment};
use bytes::BytesMut;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Codec, Dialect, Framing, Message, Mti, Step, field};

/// Of everything these channels send.
const ACQUIRER: &str = "500001";

/// Numbers that no two requests of a test program share.
pub(crate) struct Book;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The fields that make a request, in its own words.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) message: Message,
}

impl Book {
    fn number() -> u64 {
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// A request that was never sent before.
    pub(crate) fn request(
        kind: Kind,
        from: (&str, &str),
        to: (&str, &str),
        amount: u64,
    ) -> Request {
        let number = Self::number();
        let (mti, code) = match kind {
            Kind::Transfer => ("0200", format!("40{}{}", from.1, to.1)),
            Kind::Purchase => ("0200", format!("00{}00", from.1)),
            Kind::Hold => ("0100", format!("00{}00", from.1)),
        };
        let now = jiff::Timestamp::now();
        let mut message = Message::of(Mti::parse(mti).unwrap());
        message.set(field::PROCESSING_CODE, &code);
        message.set(field::AMOUNT, amount);
        message.set(field::TRANSMISSION, &now.strftime("%m%d%H%M%S").to_string());
        message.set(field::STAN, number % 1_000_000);
        message.set(field::LOCAL_TIME, &now.strftime("%H%M%S").to_string());
        message.set(field::LOCAL_DATE, &now.strftime("%m%d").to_string());
        message.set(field::ACQUIRER, ACQUIRER);
        message.set(field::RRN, &format!("5{number:011}"));
        message.set(field::TERMINAL, "CRASH001");
        message.set(field::ACCEPTOR, "REAL PROCESSES ");
        message.set(field::CURRENCY, 578);
        message.set(field::ACCOUNT, from.0);
        match kind {
            Kind::Transfer => message.set(field::COUNTER_ACCOUNT, to.0),
            Kind::Purchase | Kind::Hold => {
                message.set(field::CATEGORY, "5411");
                message.set(field::ENTRY_MODE, "051");
                message.set(field::CONDITION, "00");
            }
        }
        Request { message }
    }

    /// Takes a payment back: a 0420 with a number and a time of its own.
    pub(crate) fn cancel(payment: &Payment) -> Request {
        let original = &payment.request.message;
        let mut message = original.clone();
        message.set_mti(Mti::known(b"0420"));
        let now = jiff::Timestamp::now();
        message.set(field::STAN, Self::number() % 1_000_000);
        message.set(field::TRANSMISSION, &now.strftime("%m%d%H%M%S").to_string());
        let named = OriginalData {
            mti: original.mti(),
            stan: u32::try_from(original.get(field::STAN).unwrap()).unwrap(),
            transmission: original.get(field::TRANSMISSION).unwrap().to_string(),
            acquirer: ACQUIRER.to_owned(),
            forwarder: String::new(),
        };
        message.set(field::ORIGINAL_DATA, &named.format());
        Request { message }
    }
}

impl Request {
    pub(crate) fn rrn(&self) -> String {
        self.message.get(field::RRN).unwrap().to_string()
    }

    /// The same request again, as a repeat.
    pub(crate) fn repeat(&self) -> Self {
        let mut message = self.message.clone();
        message.set_mti(message.mti().repeat());
        Self { message }
    }
}

/// A connection of a channel.
pub(crate) struct Wire {
    stream: TcpStream,
    codec: Codec,
    input: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        Self::open_in(port, Dialect::shipped("cbs-ascii-bin").unwrap())
    }

    /// In another dialect.
    pub(crate) fn open_in(port: u16, dialect: Dialect) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        let codec = Codec::new(dialect);
        Ok(Self { stream, codec, input: Vec::new() })
    }

    pub(crate) fn bytes(&self, request: &Request) -> Vec<u8> {
        let mut out = BytesMut::new();
        let framing = Framing::binary2();
        framing.encode(&[], &mut out, |out| self.codec.encode(&request.message, out)).unwrap();
        out.to_vec()
    }

    pub(crate) fn send(&mut self, request: &Request) -> io::Result<()> {
        let bytes = self.bytes(request);
        self.write(&bytes)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer, or `None` if none comes in time. An error is the end of the connection.
    pub(crate) fn receive(&mut self, patience: Duration) -> io::Result<Option<Message>> {
        if let Some(message) = self.take() {
            return Ok(Some(message));
        }
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                Ok(self.take())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A whole message that has arrived.
    fn take(&mut self) -> Option<Message> {
        let (message, consumed) = match Framing::binary2().decode(&self.input).unwrap() {
            Step::Frame { message: frame, consumed, .. } => {
                let mut message = Message::new();
                self.codec.decode_into(frame, &mut message).unwrap();
                (Some(message), consumed)
            }
            Step::KeepAlive { consumed } => (None, consumed),
            Step::Incomplete => return None,
        };
        self.input.drain(..consumed);
        message.or_else(|| self.take())
    }
}
