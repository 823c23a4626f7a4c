//! One connection: dial, sign on, write what is in the outbox, read what comes, and again.
//!
//! It knows frames and sessions. What an answer means is the tracker's.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;
use veksel_codecs::{KeepAlive, Message, Mti, ResponseCode, Step, field};

use super::floor::{Floor, Lane, OUTBOX_MAX};
use super::numbers::{Stamp, stan};
use super::orders::ACQUIRER;

/// For one attempt to connect, and then for the answer to the sign-on.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Longest wait between attempts.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// What a read may bring.
const READ_MAX: usize = 64 * 1024;

const STATUS_ADVICE: Mti = Mti::known(b"0620");
const STATUS_ANSWER: Mti = Mti::known(b"0630");
const NETWORK_REQUEST: Mti = Mti::known(b"0800");
const NETWORK_RESPONSE: Mti = Mti::known(b"0810");

/// DE70.
const SIGN_ON: u64 = 1;

/// Keeps the lane connected until the task is dropped.
pub(super) async fn keep(floor: Rc<Floor>, place: usize) {
    let Some(lane) = floor.lanes.get(place) else { return };
    let mut failures = 0_u32;
    let mut is_first = true;
    loop {
        let session = floor.new_session();
        let attempt = async {
            let mut stream = dial(&floor).await?;
            let mut input = BytesMut::new();
            match &mut stream {
                Wire::Plain(stream) => sign_on(&floor, lane, session, stream, &mut input).await?,
                Wire::Tls(stream) => sign_on(&floor, lane, session, stream, &mut input).await?,
            }
            Ok::<_, io::Error>((stream, input))
        };
        match attempt.await {
            Ok((stream, input)) => {
                failures = 0;
                if !is_first {
                    floor.account.tracker().reconnect();
                }
                is_first = false;
                floor.open(place, lane, session);
                let end = serve(&floor, lane, session, stream, input).await;
                floor.close(place, lane);
                tracing::debug!(terminal = lane.terminal, %end, "connection ended");
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::debug!(terminal = lane.terminal, %error, "not connected, trying on");
            }
        }
        sleep(wait(&floor, failures)).await;
    }
}

/// Half of it is chance, so that many connections do not come back in one instant.
fn wait(floor: &Floor, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let most = floor.reconnect_min.saturating_mul(1 << doublings).min(RECONNECT_MAX);
    let half_us = u64::try_from(most.as_micros() / 2).unwrap_or(u64::MAX);
    Duration::from_micros(half_us + floor.jitter.borrow_mut().below(half_us.saturating_add(1)))
}

/// What carries the bytes of a connection.
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn dial(floor: &Floor) -> io::Result<Wire> {
    let destination = (floor.destination.host.as_str(), floor.destination.port);
    let stream = within_attempt(TcpStream::connect(destination)).await?;
    // A free port of this machine, dialled often enough, is answered by the dialler itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    match &floor.tls {
        Some(tls) => Ok(Wire::Tls(Box::new(tls.connect(stream).await?))),
        None => Ok(Wire::Plain(stream)),
    }
}

async fn within_attempt<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(ATTEMPT, work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// Sends 0800/001 and waits for its 0810. What came after that stays in `input`.
async fn sign_on(
    floor: &Floor,
    lane: &Lane,
    session: u32,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    input: &mut BytesMut,
) -> io::Result<()> {
    let stamp = Stamp::at(Timestamp::now());
    let mut message = Message::of(NETWORK_REQUEST);
    message.set(field::TRANSMISSION, &stamp.transmission);
    message.set(field::STAN, stan(session.into()));
    message.set(field::ACQUIRER, ACQUIRER);
    message.set(field::NETWORK_CODE, SIGN_ON);
    let mut out = BytesMut::new();
    floor.write(&message, &mut out).map_err(io::Error::other)?;
    within_attempt(async {
        stream.write_all(&out).await?;
        stream.flush().await?;
        loop {
            let mut answer = None;
            take_frames(floor, lane, input, &mut message, |message| {
                let is_mine = message.is_some_and(|message| message.mti() == NETWORK_RESPONSE);
                if is_mine && answer.is_none() {
                    answer = message.map(|message| message.get(field::RESPONSE_CODE));
                } else {
                    floor.account.tracker().unreadable();
                }
            })?;
            match answer {
                Some(Some(ResponseCode::APPROVED)) => return Ok(()),
                Some(_) => return Err(io::Error::other("sign-on refused")),
                None => fill(stream, input).await?,
            }
        }
    })
    .await
}

/// Until the connection ends; says why.
async fn serve(
    floor: &Floor,
    lane: &Lane,
    session: u32,
    stream: Wire,
    input: BytesMut,
) -> io::Error {
    match stream {
        Wire::Plain(mut stream) => {
            let (reader, writer) = stream.split();
            tokio::select! {
                end = read(floor, lane, session, reader, input) => end,
                end = write(lane, writer) => end,
            }
        }
        Wire::Tls(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            tokio::select! {
                end = read(floor, lane, session, reader, input) => end,
                end = write(lane, writer) => end,
            }
        }
    }
}

async fn read(
    floor: &Floor,
    lane: &Lane,
    session: u32,
    mut reader: impl AsyncRead + Unpin,
    mut input: BytesMut,
) -> io::Error {
    let mut message = Message::new();
    loop {
        let now_us = floor.account.now_us();
        // One lock for everything that a read brought.
        let taken = {
            let mut tracker = floor.account.tracker();
            take_frames(floor, lane, &mut input, &mut message, |message| match message {
                Some(message) if message.mti().original() == STATUS_ADVICE => {
                    acknowledge(floor, lane, message);
                }
                Some(message) => tracker.answer(now_us, session, message),
                None => tracker.unreadable(),
            })
        };
        if let Err(error) = taken {
            return error;
        }
        if let Err(error) = fill(&mut reader, &mut input).await {
            return error;
        }
    }
}

/// Says of an advice how a payment ended that it is known. It may be of anybody's payment: a switch
/// tells whatever connection of a participant is there.
fn acknowledge(floor: &Floor, lane: &Lane, advice: &Message) {
    let mut answer = advice.clone();
    answer.set_mti(STATUS_ANSWER);
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    answer.remove(field::APPROVAL);
    answer.remove(field::ADDITIONAL_DATA);
    let mut outbox = lane.outbox.borrow_mut();
    // What is not answered is advised again.
    if outbox.len() <= OUTBOX_MAX && floor.write(&answer, &mut outbox).is_ok() {
        lane.filled.notify_one();
    }
}

async fn fill(reader: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> io::Result<()> {
    input.reserve(READ_MAX);
    match reader.read_buf(input).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Takes every whole frame out of `input`. `None` stands for one that cannot be read.
fn take_frames(
    floor: &Floor,
    lane: &Lane,
    input: &mut BytesMut,
    message: &mut Message,
    mut take: impl FnMut(Option<&Message>),
) -> io::Result<()> {
    loop {
        let consumed =
            match floor.framing.decode_with(&floor.codec, input).map_err(io::Error::other)? {
                Step::Incomplete => return Ok(()),
                Step::Frame { message: frame, consumed, .. } => {
                    let is_read = floor.codec.decode_into(frame, message).is_ok();
                    // What may be anybody's answer is none.
                    let is_read =
                        is_read && floor.macs.as_ref().is_none_or(|m| m.check(message).is_ok());
                    take(is_read.then_some(&*message));
                    consumed
                }
                Step::KeepAlive { consumed } => {
                    if floor.framing.keep_alive == KeepAlive::Echo {
                        floor.framing.encode_keep_alive(&mut lane.outbox.borrow_mut());
                        lane.filled.notify_one();
                    }
                    consumed
                }
            };
        input.advance(consumed);
    }
}

async fn write(lane: &Lane, mut writer: impl AsyncWrite + Unpin) -> io::Error {
    let mut writing = BytesMut::new();
    loop {
        std::mem::swap(&mut writing, &mut *lane.outbox.borrow_mut());
        if writing.is_empty() {
            lane.filled.notified().await;
            continue;
        }
        let written = match writer.write_all(&writing).await {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            return error;
        }
        writing.clear();
    }
}
