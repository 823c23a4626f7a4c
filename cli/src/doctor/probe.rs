//! One connection of the doctor: what is sent, and what comes back read as well as it can be.

use crate::link::Link;
use crate::wire::Carrier;
use bytes::BytesMut;
use jiff::Timestamp;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use veksel_codecs::{DecodeError, FrameError, Message, Mti, ResponseCode, Step, field};

/// Most bytes that are looked at; no answer to network management is longer.
const BYTES_MAX: usize = 64 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer, and how long it took.
    Answer(Box<Message>, Duration),
    /// A frame that the dialect cannot read.
    Unreadable(DecodeError),
    /// Bytes that are no frame.
    NoFrame(FrameError, Vec<u8>),
    /// The end of the stream, and what came before it.
    Closed(Vec<u8>),
    /// Nothing whole in time, and what came.
    Silence(Vec<u8>),
    /// The connection broke.
    Broken(io::Error),
}

/// A connection to what is examined.
pub(super) struct Probe<'l> {
    link: &'l Link,
    /// DE32; empty sends none.
    institution: &'l str,
    carrier: Carrier,
    received: BytesMut,
    stan: u32,
}

impl<'l> Probe<'l> {
    pub(super) fn connect(
        link: &'l Link,
        institution: &'l str,
        address: SocketAddr,
        timeout: Duration,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        let carrier = Carrier::of(link, stream)?;
        Ok(Self { link, institution, carrier, received: BytesMut::new(), stan: 0 })
    }

    /// Which version of TLS was agreed on, if any.
    pub(super) fn tls(&self) -> Option<String> {
        self.carrier.tls()
    }

    /// Sends an 0800 with this DE70 and waits for its 0810.
    pub(super) fn ask(&mut self, code: u64, timeout: Duration) -> Reply {
        self.stan += 1;
        let mut request = Message::of(Mti::known(b"0800"));
        let now = Timestamp::now().strftime("%m%d%H%M%S").to_string();
        request.set(field::TRANSMISSION, now.as_str());
        request.set(field::STAN, self.stan.into());
        if !self.institution.is_empty() {
            request.set(field::ACQUIRER, self.institution);
        }
        request.set(field::NETWORK_CODE, code);
        let mut frame = BytesMut::new();
        if let Err(error) = self.link.write(&request, &mut frame) {
            return Reply::Broken(io::Error::new(ErrorKind::InvalidInput, error.to_string()));
        }
        let start = Instant::now();
        if let Err(error) = self.write(&frame, timeout) {
            return self.lost(error);
        }
        loop {
            match self.next() {
                Ok(Some((message, _))) if is_answer(&request, &message) => {
                    return Reply::Answer(Box::new(message), start.elapsed());
                }
                // Something else the peer says of itself, such as its own sign-on.
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(reply) => return reply,
            }
            match self.read(timeout.saturating_sub(start.elapsed())) {
                Ok(true) => {}
                Ok(false) => return Reply::Closed(self.received.to_vec()),
                Err(error) if is_patience(&error) => {
                    return Reply::Silence(self.received.to_vec());
                }
                Err(error) => return self.lost(error),
            }
        }
    }

    /// A peer that closes before it has read everything resets the connection; that is as good
    /// as closing it.
    fn lost(&self, error: io::Error) -> Reply {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Reply::Closed(self.received.to_vec())
            }
            _ => Reply::Broken(error),
        }
    }

    /// Sends bytes and takes what comes first.
    pub(super) fn provoke(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
        self.write(bytes, timeout)?;
        match self.read(timeout) {
            Ok(_) => {}
            Err(error) if is_patience(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(self.received.to_vec())
    }

    fn write(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        self.carrier.socket().set_write_timeout(Some(timeout))?;
        self.carrier.write_all(bytes)
    }

    /// Reads once; `false` at the end of the stream.
    fn read(&mut self, timeout: Duration) -> io::Result<bool> {
        if timeout.is_zero() || self.received.len() > BYTES_MAX {
            return Err(ErrorKind::TimedOut.into());
        }
        self.carrier.socket().set_read_timeout(Some(timeout))?;
        let mut buffer = [0; 4_096];
        let count = self.carrier.read(&mut buffer)?;
        self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    /// Takes a whole frame off what was received.
    fn next(&mut self) -> Result<Option<(Message, usize)>, Reply> {
        loop {
            let step = self.link.framing.decode_with(&self.link.codec, &self.received);
            let consumed = match step {
                Err(error) => return Err(Reply::NoFrame(error, self.received.to_vec())),
                Ok(Step::Incomplete) => return Ok(None),
                Ok(Step::KeepAlive { consumed }) => consumed,
                Ok(Step::Frame { message: bytes, consumed, .. }) => {
                    let mut message = Message::new();
                    if let Err(error) = self.link.codec.decode_into(bytes, &mut message) {
                        return Err(Reply::Unreadable(error));
                    }
                    let _ = self.received.split_to(consumed);
                    return Ok(Some((message, consumed)));
                }
            };
            let _ = self.received.split_to(consumed);
        }
    }
}

fn is_answer(request: &Message, message: &Message) -> bool {
    request.mti().response() == Some(message.mti())
        && request.get(field::STAN) == message.get(field::STAN)
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// DE39 of an answer, with what it means.
pub(super) fn response(message: &Message) -> (Option<ResponseCode>, String) {
    let code = message.get(field::RESPONSE_CODE);
    let text = match code {
        None => "no response code".to_owned(),
        Some(code) => match code.meaning() {
            Some(meaning) => format!("{code} ({meaning})"),
            None => format!("{code}, which means nothing here"),
        },
    };
    (code, text)
}

/// A TLS record at the start of some bytes: a handshake or an alert.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, 0x00..=0x04, ..])
}

/// The beginning of a handshake, enough for a server to answer with its own or to refuse:
/// TLS 1.2 with two common suites, and what a server needs to choose one.
pub(super) const CLIENT_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x00, 0x4D, // a handshake record of 77 bytes
    0x01, 0x00, 0x00, 0x49, // a client's hello of 73 bytes
    0x03, 0x03, // TLS 1.2
    0x76, 0x65, 0x6B, 0x73, 0x65, 0x6C, 0x20, 0x64, 0x6F, 0x63, 0x74, 0x6F, 0x72, 0x20, 0x61, 0x73,
    0x6B, 0x73, 0x20, 0x77, 0x68, 0x61, 0x74, 0x20, 0x69, 0x73, 0x20, 0x68, 0x65, 0x72, 0x65, 0x2E,
    0x00, // no session
    0x00, 0x04, 0xC0, 0x2F, 0xC0, 0x2B, // ECDHE with RSA or ECDSA, AES-128-GCM
    0x01, 0x00, // no compression
    0x00, 0x1C, // extensions of 28 bytes
    0x00, 0x0A, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1D, 0x00, 0x17, // groups: X25519, P-256
    0x00, 0x0B, 0x00, 0x02, 0x01, 0x00, // points: uncompressed
    0x00, 0x0D, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, // signatures
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hello_is_as_long_as_it_says() {
        let length =
            |at: usize| usize::from(CLIENT_HELLO[at]) << 8 | usize::from(CLIENT_HELLO[at + 1]);
        assert_eq!(length(3) + 5, CLIENT_HELLO.len());
        assert_eq!(length(7) + 9, CLIENT_HELLO.len());
        assert_eq!(length(52) + 54, CLIENT_HELLO.len());
    }

    #[test]
    fn tls_is_told_from_messages() {
        assert!(is_tls(&[0x15, 0x03, 0x03, 0, 2, 2, 70]) && is_tls(CLIENT_HELLO));
        assert!(!is_tls(b"\x00\x2a0810") && !is_tls(b"0042") && !is_tls(&[]));
    }
}
