//! One request and its answer over TCP, blocking.
//!
//! The connection carries whatever the other side likes: answers in pieces, several at once,
//! answers to somebody else, keep-alives. What is returned is the answer to this request or the
//! exact reason why there is none. Nothing is sent twice.

use crate::link::Link;
use crate::output::{Failure, show_duration};
use bytes::BytesMut;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use veksel_codecs::{DecodeError, FrameError, KeepAlive, Message, Step, field};
use veksel_link::{MacFault, TlsClient, TlsStream};

/// Bytes read at a time.
const READ: usize = 16 << 10;

/// A request that was answered.
pub(crate) struct Exchange {
    /// The answer.
    pub(crate) answer: Message,
    /// From handing the request to the system to having read the whole answer.
    pub(crate) latency: Duration,
    /// Messages that came in between and were not the answer.
    pub(crate) ignored: u32,
}

/// What carries the bytes.
pub(crate) enum Carrier {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Carrier {
    /// Shakes hands on a socket, if the link is encrypted.
    ///
    /// # Errors
    /// The two sides agree on nothing, or one does not believe the other.
    pub(crate) fn of(link: &Link, stream: TcpStream) -> std::io::Result<Self> {
        Self::over(link.tls.as_ref(), stream)
    }

    /// The same with TLS that is not a link's, or none.
    ///
    /// # Errors
    /// The two sides agree on nothing, or one does not believe the other.
    pub(crate) fn over(tls: Option<&TlsClient>, stream: TcpStream) -> std::io::Result<Self> {
        match tls {
            None => Ok(Self::Plain(stream)),
            Some(tls) => Ok(Self::Tls(Box::new(tls.blocking(stream)?))),
        }
    }

    /// Which version of TLS was agreed on, if any.
    pub(crate) fn tls(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => {
                let version = stream
                    .conn
                    .protocol_version()
                    .and_then(|version| version.as_str().map(str::to_owned));
                Some(
                    version
                        .unwrap_or_else(|| "TLS".to_owned())
                        .replace("TLSv", "TLS ")
                        .replace('_', "."),
                )
            }
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    pub(crate) fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => match stream.read(into) {
                // Gone without a goodbye is gone.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum WireError {
    /// Nobody listens there, or not in time. Nothing was sent.
    Connect { address: String, error: std::io::Error },
    /// The two sides agree on no encryption, or one does not believe the other. Nothing was sent.
    Tls { address: String, error: std::io::Error },
    /// The connection broke while the request was written.
    Write(std::io::Error),
    /// The connection broke while waiting.
    Read(std::io::Error),
    /// The other side closed the connection.
    Closed { ignored: u32 },
    /// The time is over.
    Timeout { after: Duration, ignored: u32 },
    /// What came is not a sequence of frames.
    Frame(FrameError),
    /// The answer came and cannot be read.
    Unreadable(DecodeError),
    /// The answer came and may be anybody's.
    Unauthentic(MacFault),
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        const UNKNOWN: &str = "the outcome is unknown";
        let others = |ignored: u32| match ignored {
            0 => "nothing came at all".to_owned(),
            1 => "one message came that answers something else".to_owned(),
            ignored => format!("{ignored} messages came that answer something else"),
        };
        match error {
            WireError::Connect { address, error } => {
                let failure = Self::no("connect", format!("cannot connect to {address}: {error}"));
                failure.help("is the switch running? `veksel demo` starts one; --to names another")
            }
            WireError::Tls { address, error } => {
                let failure = Self::no("tls", format!("no TLS with {address}: {error}"));
                failure.help(
                    "does --tls name the CA of the other side, and a certificate that it wants?",
                )
            }
            WireError::Write(error) => {
                Self::no("write", format!("the request was not sent whole: {error}; {UNKNOWN}"))
            }
            WireError::Read(error) => {
                Self::no("read", format!("the connection broke: {error}; {UNKNOWN}"))
            }
            WireError::Closed { ignored } => {
                let message = format!("the connection was closed before an answer; {UNKNOWN}");
                Self::no("closed", message).help(others(ignored))
            }
            WireError::Timeout { after, ignored } => {
                let message = format!("no answer within {}; {UNKNOWN}", show_duration(after));
                Self::no("timeout", message).help(others(ignored))
            }
            WireError::Frame(error) => {
                let failure =
                    Self::no("frame", format!("what came is no answer: {error}; {UNKNOWN}"));
                failure.help("does --framing fit the other side?")
            }
            WireError::Unreadable(error) => {
                let failure = Self::no(
                    "unreadable",
                    format!("the answer cannot be read: {error}; {UNKNOWN}"),
                );
                failure.help("does --dialect fit the other side?")
            }
            WireError::Unauthentic(fault) => {
                let what = match fault {
                    MacFault::Missing => "has no MAC",
                    MacFault::NotLast => "has a MAC that does not stand last",
                    MacFault::Wrong => "has a MAC under no accepted key",
                };
                let failure = Self::no("mac", format!("the answer {what}; {UNKNOWN}"));
                failure.help("does --mac name the keys of the other side?")
            }
        }
    }
}

/// What came of the bytes read so far.
enum Found {
    Answer(Box<Message>),
    Unreadable(DecodeError),
    Unauthentic(MacFault),
    Other,
    KeepAlive,
    Nothing,
}

/// Sends a framed request and waits for its answer.
///
/// # Errors
/// Why there is none.
pub(crate) fn exchange(
    link: &Link,
    request: &Message,
    frame: &[u8],
    timeout: Duration,
) -> Result<Exchange, WireError> {
    let mut stream = connect(link, timeout)?;
    let start = Instant::now();
    stream.socket().set_write_timeout(Some(timeout)).map_err(WireError::Write)?;
    stream.write_all(frame).map_err(WireError::Write)?;
    let mut received = BytesMut::new();
    let mut buffer = vec![0; READ];
    let mut ignored = 0;
    loop {
        match next(link, request, &mut received)? {
            Found::Answer(answer) => {
                return Ok(Exchange { answer: *answer, latency: start.elapsed(), ignored });
            }
            Found::Unreadable(error) => return Err(WireError::Unreadable(error)),
            Found::Unauthentic(fault) => return Err(WireError::Unauthentic(fault)),
            Found::Other => ignored += 1,
            Found::KeepAlive => {
                if link.framing.keep_alive == KeepAlive::Echo {
                    let mut echo = BytesMut::new();
                    link.framing.encode_keep_alive(&mut echo);
                    stream.write_all(&echo).map_err(WireError::Write)?;
                }
            }
            Found::Nothing => {
                let left = timeout.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Err(WireError::Timeout { after: timeout, ignored });
                }
                stream.socket().set_read_timeout(Some(left)).map_err(WireError::Read)?;
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(WireError::Closed { ignored }),
                    Ok(count) => {
                        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    }
                    Err(error) if is_patience(&error) => {}
                    Err(error) => return Err(WireError::Read(error)),
                }
            }
        }
    }
}

/// Whether the system only says that nothing came yet.
fn is_patience(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn connect(link: &Link, timeout: Duration) -> Result<Carrier, WireError> {
    let address = link.destination.to_string();
    let failed = |error| WireError::Connect { address: address.clone(), error };
    let places = (link.destination.host.as_str(), link.destination.port).to_socket_addrs();
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
    for place in places.map_err(failed)? {
        match TcpStream::connect_timeout(&place, timeout) {
            Ok(stream) => {
                // A short request shall not wait for the acknowledgement of nothing.
                stream.set_nodelay(true).map_err(failed)?;
                let carrier = Carrier::of(link, stream);
                return carrier.map_err(|error| WireError::Tls { address, error });
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Takes one frame off what was received.
fn next(link: &Link, request: &Message, received: &mut BytesMut) -> Result<Found, WireError> {
    let step = link.framing.decode_with(&link.codec, received).map_err(WireError::Frame)?;
    let (found, consumed) = match step {
        Step::Incomplete => return Ok(Found::Nothing),
        Step::KeepAlive { consumed } => (Found::KeepAlive, consumed),
        Step::Frame { message, consumed, .. } => {
            let mut answer = Message::new();
            let result = link.codec.decode_into(message, &mut answer);
            let found = match (answers(request, &answer), result) {
                (true, Ok(())) => match link.authenticate(&answer) {
                    Ok(()) => Found::Answer(Box::new(answer)),
                    Err(fault) => Found::Unauthentic(fault),
                },
                (true, Err(error)) => Found::Unreadable(error),
                // Whose it is cannot be told, and nobody else was asked on this connection.
                (false, Err(error)) if !answer.has(field::STAN) => Found::Unreadable(error),
                (false, Ok(()) | Err(_)) => Found::Other,
            };
            (found, consumed)
        }
    };
    let _ = received.split_to(consumed);
    Ok(found)
}

/// Whether a message answers the request: its type, the same STAN, and no other RRN. Network
/// answers may leave the RRN out.
fn answers(request: &Message, answer: &Message) -> bool {
    let same_rrn = match (request.get(field::RRN), answer.get(field::RRN)) {
        (Some(asked), Some(answered)) => asked.trimmed() == answered.trimmed(),
        (_, None) | (None, _) => true,
    };
    request.mti().response() == Some(answer.mti())
        && request.get(field::STAN) == answer.get(field::STAN)
        && same_rrn
}
