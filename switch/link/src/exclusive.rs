//! Hosts that take one request at a time on a connection: an exclusive pool.
//!
//! The engine sees one connection that is always there. Behind it every request borrows a socket
//! of its own, in the order in which they came, and nothing else goes over it until its answer is
//! there. A socket is made when one is needed, so that a host that cannot be reached is known to
//! the very request that needed it, and it signs on before it carries anything.
//!
//! ```text
//!   idle ──borrowed──► signed on? ──write──► waits ──its answer──► idle
//!                        │ no: 0800/001        └──late, cut, out of step──► thrown away
//! ```
//!
//! A socket on which an answer is still due is never used again: the next request would take that
//! answer for its own. What was written and lost is told with `Lost`. Requests that the host makes
//! on such a socket are not answered.

use crate::dialer::adopt;
use crate::link::Link;
use crate::mac;
use crate::stream::Stream;
use crate::wires::Shard;
use bytes::BytesMut;
use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, Timeouts,
};
use socket2::SockRef;
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant as Moment, timeout, timeout_at};
use tracing::{debug, warn};
use veksel_codecs::{Message, Refusal, ResponseCode, Step, field};
use veksel_config::{Destination, DialConfig, ExclusiveConfig};
use veksel_core::plan::ConnectionId;
use veksel_core::time::{Tick, Utc};
use veksel_core::{Input, Tag, Unsent};

/// Addresses of one name that an attempt tries.
const ADDRESSES_MAX: usize = 8;

/// Bytes of one read.
const READ_MAX: usize = 4 * 1024;

/// A pool of sockets to one address, seen by the engine as one connection.
pub(crate) struct Exclusive {
    pub(crate) id: ConnectionId,
    link: Rc<Link>,
    pool: Pool<Dial>,
    config: ExclusiveConfig,
    /// Messages that are under way or wait for a socket.
    under_way: Cell<u32>,
    stan: Cell<u64>,
    /// Whether it was said that the host cannot be reached, since it last was.
    is_known_dead: Cell<bool>,
}

/// A message on its way out.
struct Parcel {
    frame: BytesMut,
    /// What its answer must have: its type and its trace number. `None` wants no answer.
    answer: Option<Expected>,
    tag: Option<Tag>,
    until: Moment,
}

#[derive(Clone, Copy)]
struct Expected {
    mti: veksel_codecs::Mti,
    stan: Option<u64>,
}

/// Why a message has no answer.
enum Failure {
    /// No byte of it was written.
    Unsent(Unsent),
    /// It was written, or may have been.
    Lost,
    /// It was written, and the time for its answer is over; whoever asked knows that by himself.
    Late,
}

impl Exclusive {
    #[expect(clippy::expect_used, reason = "it fails only for timeouts without a runtime")]
    pub(crate) fn new(
        id: ConnectionId,
        link: Rc<Link>,
        dial: &DialConfig,
        config: &ExclusiveConfig,
    ) -> Self {
        let connect = Duration::from_millis(dial.connect_timeout_ms);
        let dialling =
            Dial { destination: dial.destination.clone(), connect, idle_ms: config.idle_ms };
        let timeouts = Timeouts {
            wait: Some(Duration::from_millis(config.wait_ms)),
            // The name is looked up and each address tried within this.
            create: Some(connect),
            recycle: Some(connect),
        };
        let pool = Pool::builder(dialling)
            .max_size(dial.connections as usize)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts and a runtime for them");
        let (under_way, stan, is_known_dead) = (Cell::new(0), Cell::new(0), Cell::new(false));
        Self { id, link, pool, config: config.clone(), under_way, stan, is_known_dead }
    }

    /// Sockets that are open.
    pub(crate) fn open(&self) -> u64 {
        self.pool.status().size as u64
    }

    /// Lends no more sockets.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// Sends a message over a socket of its own. Never waits: a task does.
    pub(crate) fn send(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        message: &Message,
        tag: Option<Tag>,
        expires: Option<Tick>,
    ) {
        if self.under_way.get() >= self.config.waiting_max {
            return self.drop_unsent(shard, tag, Unsent::Full);
        }
        let mut frame = BytesMut::new();
        if let Err(error) = self.link.encode(message, &mut frame) {
            let (link, mti) = (self.id.link.0, message.mti());
            warn!(link, %mti, %error, "message cannot be written");
            return self.drop_unsent(shard, tag, Unsent::Unencodable);
        }
        let now = shard.now();
        let answer_ms = Duration::from_millis(self.config.answer_ms);
        let left = expires.map_or(answer_ms, |at| Duration::from_nanos(at.since(now)));
        let mti = message.mti().response();
        let answer = mti.map(|mti| Expected { mti, stan: message.get(field::STAN) });
        let parcel = Parcel { frame, answer, tag, until: Moment::now() + left };
        self.link.counters.frames_out.add(1);
        self.under_way.set(self.under_way.get().saturating_add(1));
        let (own, shard) = (Rc::clone(self), Rc::clone(shard));
        tokio::task::spawn_local(async move {
            own.carry(&shard, parcel).await;
            own.under_way.set(own.under_way.get().saturating_sub(1));
        });
    }

    fn drop_unsent(&self, shard: &Shard, tag: Option<Tag>, why: Unsent) {
        self.link.counters.unsent.add(1);
        if let Some(tag) = tag {
            shard.drop_unsent(tag, why);
        }
    }

    async fn carry(&self, shard: &Shard, parcel: Parcel) {
        let tag = parcel.tag;
        match self.exchange(shard, parcel).await {
            Ok(()) | Err(Failure::Late) => {}
            Err(Failure::Unsent(why)) => self.drop_unsent(shard, tag, why),
            Err(Failure::Lost) => {
                if let Some(tag) = tag {
                    shard.inbox.push(Input::Lost(tag));
                }
            }
        }
    }

    async fn exchange(&self, shard: &Shard, parcel: Parcel) -> Result<(), Failure> {
        let mut socket = self.borrow(parcel.until).await?;
        if !socket.is_signed_on {
            let signed_on = timeout_at(parcel.until, self.sign_on(&mut socket)).await;
            let why = match signed_on {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    self.note_failure(&error);
                    Some(Unsent::Unreachable)
                }
                Err(_) => Some(Unsent::Expired),
            };
            if let Some(why) = why {
                throw_away(socket);
                return Err(Failure::Unsent(why));
            }
        }
        if Moment::now() >= parcel.until {
            return Err(Failure::Unsent(Unsent::Expired));
        }
        match self.ask(shard, &mut socket, &parcel).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                throw_away(socket);
                Err(failure)
            }
        }
    }

    /// A socket that nobody else has, in the order of asking.
    async fn borrow(&self, until: Moment) -> Result<Object<Dial>, Failure> {
        let Ok(borrowed) = timeout_at(until, self.pool.get()).await else {
            return Err(Failure::Unsent(Unsent::Expired));
        };
        borrowed.map_err(|error| {
            Failure::Unsent(match error {
                PoolError::Timeout(deadpool::managed::TimeoutType::Wait) => Unsent::Full,
                PoolError::Backend(error) => {
                    self.note_failure(&error);
                    Unsent::Unreachable
                }
                PoolError::Timeout(_) => {
                    self.note_failure(&ErrorKind::TimedOut.into());
                    Unsent::Unreachable
                }
                PoolError::Closed
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_) => Unsent::Closed,
            })
        })
    }

    fn note_failure(&self, error: &io::Error) {
        self.link.counters.dial_failures.add(1);
        let link = self.id.link.0;
        if self.is_known_dead.replace(true) {
            debug!(link, %error, "host still cannot be reached");
        } else {
            warn!(link, %error, "host cannot be reached, every request tries again");
        }
    }

    /// Hands are shaken and the host must accept 0800/001 before a socket carries anything (switch
    /// semantics 39).
    async fn sign_on(&self, socket: &mut Socket) -> io::Result<()> {
        let Some(stream) = socket.raw.take() else {
            return Err(io::Error::other("the socket was not made whole"));
        };
        let (stream, _) = adopt(&self.link, stream).await?;
        socket.stream = Some(stream);
        self.link.counters.dialled.add(1);
        self.is_known_dead.set(false);
        if self.config.sign_on {
            let stan = self.stan.get() % 999_999 + 1;
            self.stan.set(stan);
            let request = veksel_core::sign_on(&self.config.institution, utc(), stan);
            let mut frame = BytesMut::new();
            self.link.encode(&request, &mut frame).map_err(io::Error::other)?;
            let late = |_| io::Error::new(ErrorKind::TimedOut, "the sign-on was not answered");
            let answer = async {
                let mut written = 0;
                socket.write(&frame, &mut written).await?;
                self.read(socket).await
            };
            let answer_ms = Duration::from_millis(self.config.answer_ms);
            let answer = timeout(answer_ms, answer).await.map_err(late)??;
            let Ok(answer) = answer else {
                return Err(io::Error::new(ErrorKind::InvalidData, "the sign-on has no answer"));
            };
            let fits = answer.get(field::STAN) == Some(stan)
                && Some(answer.mti()) == request.mti().response()
                && answer.get(field::RESPONSE_CODE) == Some(ResponseCode::APPROVED);
            if !fits {
                return Err(io::Error::new(ErrorKind::PermissionDenied, "the sign-on was refused"));
            }
        }
        socket.is_signed_on = true;
        Ok(())
    }

    /// Writes a message and waits for what is due to it.
    async fn ask(
        &self,
        shard: &Shard,
        socket: &mut Socket,
        parcel: &Parcel,
    ) -> Result<(), Failure> {
        let mut written = 0;
        let done = timeout_at(parcel.until, socket.write(&parcel.frame, &mut written)).await;
        self.link.counters.bytes_out.add(written);
        if written == 0 {
            let expired = done.is_err();
            let why = if expired { Unsent::Expired } else { Unsent::Closed };
            return Err(Failure::Unsent(why));
        }
        if let Some(tag) = parcel.tag {
            shard.inbox.push(Input::Written(tag));
        }
        match done {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Lost),
            Err(_) => return Err(Failure::Late),
        }
        let Some(expected) = parcel.answer else { return Ok(()) };
        loop {
            let Ok(read) = timeout_at(parcel.until, self.read(socket)).await else {
                return Err(Failure::Late);
            };
            let Ok(read) = read else { return Err(Failure::Lost) };
            let connection = self.id;
            let (input, fits) = match read {
                Ok(message) if message.mti().is_request() => {
                    debug!(link = self.id.link.0, mti = %message.mti(), "the host asks in vain");
                    shard.inbox.give_spare(message);
                    continue;
                }
                Ok(message) => {
                    let fits =
                        message.mti() == expected.mti && message.get(field::STAN) == expected.stan;
                    (Input::Received { connection, message }, fits)
                }
                Err((message, refusal)) => {
                    self.link.counters.malformed.add(1);
                    (Input::Malformed { connection, message, refusal }, false)
                }
            };
            shard.inbox.push(input);
            // Whoever answers something else is out of step, and its next answer would be too.
            return if fits { Ok(()) } else { Err(Failure::Lost) };
        }
    }

    /// One message, or what could be read of it and what is wrong.
    async fn read(&self, socket: &mut Socket) -> io::Result<Result<Message, (Message, Refusal)>> {
        let link = &*self.link;
        loop {
            let step = link
                .framing
                .decode_with(&link.codec, &socket.tail)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
            match step {
                Step::Incomplete => {
                    let count = socket.fill().await?;
                    link.counters.bytes_in.add(count);
                }
                Step::KeepAlive { consumed } => {
                    link.counters.keep_alives.add(1);
                    socket.tail.drain(..consumed.min(socket.tail.len()));
                }
                Step::Frame { message: frame, consumed, .. } => {
                    let read = self.decode(frame);
                    socket.tail.drain(..consumed.min(socket.tail.len()));
                    socket.used = Instant::now();
                    return Ok(read);
                }
            }
        }
    }

    fn decode(&self, frame: &[u8]) -> Result<Message, (Message, Refusal)> {
        let link = &*self.link;
        link.counters.frames_in.add(1);
        let mut message = Message::default();
        let decoded = link.codec.decode_into(frame, &mut message).map_err(Refusal::Format);
        let checked = decoded.and_then(|()| {
            let checked = link.macs.as_ref().map_or(Ok(()), |macs| macs.borrow().check(&message));
            checked.map_err(|fault| {
                warn!(link = link.id.0, mti = %message.mti(), ?fault, "MAC refused");
                link.counters.unauthentic.add(1);
                Refusal::Unauthentic
            })
        });
        mac::remove(&mut message);
        match checked {
            Ok(()) => Ok(message),
            Err(refusal) => Err((message, refusal)),
        }
    }
}

/// Nobody ever borrows it again.
fn throw_away(socket: Object<Dial>) {
    drop(Object::take(socket));
}

/// The time on the wall, for DE7.
fn utc() -> Utc {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes sockets and looks at those that come back.
struct Dial {
    destination: Destination,
    connect: Duration,
    /// Idle time after which a socket is not trusted any more, in milliseconds; 0 is never.
    idle_ms: u64,
}

/// One connection to such a host.
struct Socket {
    /// What has only been connected.
    raw: Option<TcpStream>,
    /// What carries messages.
    stream: Option<Stream>,
    /// What was read and is not taken yet.
    tail: Vec<u8>,
    is_signed_on: bool,
    /// When it was last of use.
    used: Instant,
}

impl Socket {
    /// Writes everything; counts in `written` even if it is dropped in between.
    async fn write(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        while *written < bytes.len() || stream.owes() {
            poll_fn(|cx| stream.poll_write_ready(cx)).await?;
            let rest = bytes.get(*written..).unwrap_or_default();
            *written = written.saturating_add(stream.try_write(rest)?.taken);
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Reads what there is, at least one byte.
    async fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; READ_MAX];
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let count = poll_fn(|cx| stream.poll_read(cx, &mut bytes)).await?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.tail.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Manager for Dial {
    type Type = Socket;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Socket> {
        let name = (self.destination.host.as_str(), self.destination.port);
        let addresses: Vec<_> = lookup_host(name).await?.take(ADDRESSES_MAX).collect();
        let mut outcome = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        // Each has its part of the time, so that one that is silent does not hide the others.
        let count = u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let each = self.connect.checked_div(count).unwrap_or(self.connect);
        for address in addresses {
            let late = |_| io::Error::from(ErrorKind::TimedOut);
            let attempt = timeout(each, TcpStream::connect(address)).await;
            outcome = attempt.map_err(late).flatten();
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|stream| Socket {
            raw: Some(stream),
            stream: None,
            tail: Vec::new(),
            is_signed_on: false,
            used: Instant::now(),
        })
    }

    /// A socket whose host has closed it, or has sent something that nobody waits for, is thrown
    /// away before anything is written to it.
    async fn recycle(&self, socket: &mut Socket, _: &Metrics) -> RecycleResult<io::Error> {
        if !socket.tail.is_empty() {
            return Err(RecycleError::message("there is more than the answer"));
        }
        let idle_ms = socket.used.elapsed().as_millis();
        if self.idle_ms > 0 && idle_ms >= u128::from(self.idle_ms) {
            return Err(RecycleError::message("it was idle for too long"));
        }
        // Asks the system itself: what the runtime knows of the socket may be old.
        let stream = socket.stream.as_ref().map(Stream::socket).or(socket.raw.as_ref());
        let stream = stream.ok_or(RecycleError::message("it was never connected"))?;
        match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(RecycleError::Backend(error)),
            Ok(0) => Err(RecycleError::message("the host has closed it")),
            Ok(_) => Err(RecycleError::message("the host has sent something unasked")),
        }
    }
}
