//! One direction of one connection: whole frames in, faults, bytes out.
//!
//! ```text
//!   Open ──drop──► cut in the middle of a frame (the end)
//!    │ ▲
//!    ▼ │ its time is over
//!   Dark: every frame is swallowed
//! ```
//!
//! While it waits for a slow reader, a delay or its turn, it reads nothing: what the sender has
//! sent meanwhile is held by the system, which is the bound.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Counts, Faults, count};
use crate::terminals::random::Random;

/// How a direction, and with it the connection, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A side closed, or is to see an ordinary close.
    Closed,
    /// Both sides are to see a reset.
    Reset,
}

/// See the module.
pub(super) struct Pump<'p> {
    faults: &'p Faults,
    /// Only what comes from the destination is doubled or swapped.
    has_answers: bool,
    chance: &'p mut Random,
    counts: &'p Counts,
    /// An answer that lets the next one pass, and how long it waits for it.
    held: Option<(Bytes, Instant)>,
    dark_until: Option<Instant>,
}

/// What was drawn for a frame.
struct Drawn {
    delay: Option<Duration>,
    slice: bool,
    /// So many bytes are still written, and then the connection is cut.
    cut: Option<(usize, End)>,
    dark: Option<Duration>,
    duplicate: bool,
    swap: bool,
    /// The byte and the bit that are turned over.
    flip: Option<(usize, u8)>,
}

impl<'p> Pump<'p> {
    pub(super) const fn requests(
        faults: &'p Faults,
        chance: &'p mut Random,
        counts: &'p Counts,
    ) -> Self {
        let (has_answers, held, dark_until) = (false, None, None);
        Self { faults, has_answers, chance, counts, held, dark_until }
    }

    pub(super) const fn answers(
        faults: &'p Faults,
        chance: &'p mut Random,
        counts: &'p Counts,
    ) -> Self {
        let (has_answers, held, dark_until) = (true, None, None);
        Self { faults, has_answers, chance, counts, held, dark_until }
    }

    /// Until a side closes or the connection is cut.
    pub(super) async fn run(mut self, from: &TcpStream, to: &TcpStream) -> End {
        match self.carry(from, to).await {
            Ok(end) => end,
            // Whatever it was, the connection is over for both.
            Err(_) => End::Closed,
        }
    }

    async fn carry(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<End> {
        let mut input = BytesMut::with_capacity(READ_MAX);
        loop {
            while let Some(frame) = take_frame(&mut input) {
                if let Some(end) = self.pass(frame, to).await? {
                    return Ok(end);
                }
            }
            let waits_until = self.held.as_ref().map(|(_, until)| *until);
            tokio::select! {
                read = fill(from, &mut input) => if read? == 0 {
                    // What was held back is not lost by that.
                    self.release(to).await?;
                    return Ok(End::Closed);
                },
                () = sleep_until(waits_until.unwrap_or_else(Instant::now)),
                    if waits_until.is_some() => self.release(to).await?,
            }
        }
    }

    /// Does to a frame what was drawn for it.
    async fn pass(&mut self, frame: Bytes, to: &TcpStream) -> io::Result<Option<End>> {
        count(&self.counts.frames);
        let drawn = self.draw(frame.len());
        if let Some(dark) = drawn.dark {
            self.dark_until = Some(Instant::now() + dark);
        }
        if self.dark_until.is_some_and(|until| Instant::now() < until) {
            count(&self.counts.swallowed);
            return Ok(None);
        }
        if let Some(delay) = drawn.delay {
            count(&self.counts.delayed);
            sleep(delay).await;
        }
        let frame = match drawn.flip {
            Some(flip) => self.corrupt(&frame, flip),
            None => frame,
        };
        if let Some((length, end)) = drawn.cut {
            count(&self.counts.dropped);
            write(to, frame.get(..length).unwrap_or_default()).await?;
            return Ok(Some(end));
        }
        if drawn.swap && self.held.is_none() {
            self.held = Some((frame, Instant::now() + HOLD));
            return Ok(None);
        }
        if drawn.slice {
            count(&self.counts.sliced);
            for byte in &frame {
                write(to, &[*byte]).await?;
                tokio::task::yield_now().await;
            }
        } else {
            write(to, &frame).await?;
        }
        if drawn.duplicate {
            count(&self.counts.duplicated);
            write(to, &frame).await?;
        }
        if self.held.is_some() {
            count(&self.counts.swapped);
        }
        self.release(to).await?;
        Ok(None)
    }

    /// Everything is drawn for every frame, so that one fault does not shift the chance of others.
    fn draw(&mut self, length: usize) -> Drawn {
        let Self { faults, chance, has_answers, .. } = self;
        let mut is = |share: u16| chance.below(1_000) < u64::from(share);
        let (delay, slice, cut, dark) =
            (is(faults.delay), is(faults.slice), is(faults.drop), is(faults.blackhole));
        let (duplicate, swap, flip) = (is(faults.duplicate), is(faults.swap), is(faults.corrupt));
        let mut time = |most: Duration| {
            let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
            Duration::from_micros(chance.below(most.saturating_add(1)))
        };
        let (delay_for, dark_for) = (time(faults.delay_max), time(faults.blackhole_max));
        let cut_at = chance.place(length);
        let cut_as = if chance.below(2) == 0 { End::Closed } else { End::Reset };
        // Never in the length: that would be another fault, and one that shows at once.
        let flip_at = LENGTH + chance.place(length.saturating_sub(LENGTH));
        let flip_bit = u8::try_from(chance.below(8)).unwrap_or(0);
        Drawn {
            delay: delay.then_some(delay_for),
            slice,
            cut: cut.then_some((cut_at, cut_as)),
            dark: dark.then_some(dark_for),
            duplicate: duplicate && *has_answers,
            swap: swap && *has_answers,
            flip: flip.then_some((flip_at, flip_bit)),
        }
    }

    fn corrupt(&self, frame: &Bytes, (place, bit): (usize, u8)) -> Bytes {
        let mut frame = BytesMut::from(frame.as_ref());
        if let Some(byte) = frame.get_mut(place) {
            count(&self.counts.corrupted);
            *byte ^= 1 << (bit % 8);
        }
        frame.freeze()
    }

    /// Writes what was held back.
    async fn release(&mut self, to: &TcpStream) -> io::Result<()> {
        match self.held.take() {
            Some((frame, _)) => write(to, &frame).await,
            None => Ok(()),
        }
    }
}

/// A whole frame, its length included.
fn take_frame(input: &mut BytesMut) -> Option<Bytes> {
    let length = input.first_chunk::<LENGTH>().map(|bytes| u16::from_be_bytes(*bytes))?;
    let whole = LENGTH + usize::from(length);
    (input.len() >= whole).then(|| input.split_to(whole).freeze())
}

/// How many bytes came; 0 is the end.
async fn fill(from: &TcpStream, input: &mut BytesMut) -> io::Result<usize> {
    loop {
        from.readable().await?;
        input.reserve(READ_MAX);
        match from.try_read_buf(input) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Bytes of the length in front of a message.
const LENGTH: usize = 2;

/// What a read may bring; a frame may be longer and takes more reads.
const READ_MAX: usize = 16 * 1024;

/// How long an answer waits for one that is to pass it.
const HOLD: Duration = Duration::from_millis(50);
