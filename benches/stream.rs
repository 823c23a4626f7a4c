//! The stream: requests that come at their times whether or not the earlier ones are answered.
//!
//! Latency is from the time at which a request was due to the read of its answer, so that waiting
//! in front of a full connection counts. A schedule is a list of phases, each a rate and a length;
//! what is told of each phase is of the requests that were due in it.

use crate::frames::{Kind, LENGTH, RRN, STAN, put, request};
use crate::host::{READ_MAX, each_frame};
use crate::{Failure, part};
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::LocalSet;
use tokio::time::{Instant as Moment, sleep_until, timeout_at};
use veksel_codecs::{Codec, Dialect, Message, field};

/// Requests whose phase and time are known; many more than can be in flight.
const TIMES: usize = 1 << 18;
/// Longest latency that is told from longer ones, in nanoseconds.
const LATENCY_MAX: u64 = 60_000_000_000;
/// How long the last answers may take.
const DRAIN: Duration = Duration::from_secs(5);
/// How finely the times of requests are kept.
const STEP: Duration = Duration::from_millis(1);

/// What a stream found of one phase.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Requests that were due.
    pub due: u64,
    /// Answered 00.
    pub good: u64,
    /// Answered with another code.
    pub shed: u64,
    /// 99 of 100 good answers took no longer.
    pub p99: Duration,
    /// Good answers by the second in which they came, from the start of the phase.
    pub seconds: Vec<u64>,
}

impl Phase {
    /// From the line that a stream says for it.
    ///
    /// # Errors
    /// The line says something else.
    pub fn parse(line: &str) -> Result<Self, Failure> {
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [due, good, shed, p99, ref seconds @ ..] = numbers[..] else {
            return Err("line".into());
        };
        let (p99, seconds) = (Duration::from_nanos(p99), seconds.to_vec());
        Ok(Self { due, good, shed, p99, seconds })
    }

    /// Good answers a second.
    #[must_use]
    pub fn goodput(&self, length: Duration) -> f64 {
        self.good as f64 / length.as_secs_f64()
    }
}

struct Tally {
    due: u64,
    good: u64,
    shed: u64,
    took: Histogram<u64>,
    seconds: Vec<u64>,
}

struct Stream {
    frame: Vec<u8>,
    run: u64,
    codec: Codec,
    origin: Instant,
    /// By trace number: the phase, and when it was due in nanoseconds.
    times: RefCell<Vec<(usize, u64)>>,
    count: RefCell<u64>,
    tallies: RefCell<Vec<Tally>>,
    /// Rate and length of each phase.
    phases: Vec<(u64, Duration)>,
}

/// `address connections kind run schedule`, the schedule like `2000x5000,6000x20000`: requests a
/// second and milliseconds.
#[expect(clippy::print_stdout, reason = "parts speak over their standard output")]
pub(crate) fn play(arguments: &[String]) -> Result<(), Failure> {
    let address: SocketAddr = part::argument(arguments, 0)?;
    let connections: usize = part::argument(arguments, 1)?;
    let kind: String = part::argument(arguments, 2)?;
    let run: u64 = part::argument(arguments, 3)?;
    let schedule: String = part::argument(arguments, 4)?;
    let phase = |text: &str| {
        let (rate, ms) = text.split_once('x').ok_or("a phase is RATExMS")?;
        Ok::<_, Failure>((rate.parse()?, Duration::from_millis(ms.parse()?)))
    };
    let phases: Vec<(u64, Duration)> = schedule.split(',').map(phase).collect::<Result<_, _>>()?;
    let tally = |(_, length): &(u64, Duration)| {
        let took = Histogram::new_with_bounds(1, LATENCY_MAX, 3)?;
        let seconds = vec![0; usize::try_from(length.as_secs() + 1)?];
        Ok::<_, Failure>(Tally { due: 0, good: 0, shed: 0, took, seconds })
    };
    let tallies = phases.iter().map(tally).collect::<Result<Vec<_>, _>>()?;
    let stream = Rc::new(Stream {
        frame: request(Kind::of(&kind).ok_or("no such kind")?)?,
        run,
        codec: Codec::new(Dialect::shipped("cbs-ascii-bin").map_err(|error| error.to_string())?),
        origin: Instant::now(),
        times: RefCell::new(vec![(0, 0); TIMES]),
        count: RefCell::new(0),
        tallies: RefCell::new(tallies),
        phases,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            streams.push(socket);
        }
        let start = Moment::now() + Duration::from_millis(50);
        let mut writers = Vec::new();
        let mut readers = Vec::new();
        for (place, socket) in streams.into_iter().enumerate() {
            let (reading, mut writing) = socket.into_split();
            let reader = Rc::clone(&stream).read(reading, start);
            readers.push(tokio::task::spawn_local(reader));
            let own = Rc::clone(&stream);
            writers.push(tokio::task::spawn_local(async move {
                own.write(&mut writing, start, (place, connections)).await?;
                Ok::<_, Failure>(writing)
            }));
        }
        // The writing halves live until the last answers are there.
        let mut halves = Vec::new();
        for writer in writers {
            halves.push(writer.await??);
        }
        for reader in readers {
            reader.await?;
        }
        for tally in stream.tallies.borrow().iter() {
            let Tally { due, good, shed, took, seconds } = tally;
            let seconds: String = seconds.iter().map(|good| format!(" {good}")).collect();
            println!("phase {due} {good} {shed} {}{seconds}", took.value_at_quantile(0.99));
        }
        Ok(())
    })
}

impl Stream {
    /// Writes every request of one connection at its time.
    async fn write(
        &self,
        socket: &mut (impl AsyncWriteExt + Unpin),
        start: Moment,
        (place, connections): (usize, usize),
    ) -> Result<(), Failure> {
        let mut begin = start;
        let mut out = Vec::new();
        for (phase, (rate, length)) in self.phases.iter().enumerate() {
            let gap = Duration::from_secs(connections as u64).div_f64(*rate as f64);
            let mut due = begin + gap.mul_f64(place as f64 / connections as f64);
            begin += *length;
            while due < begin {
                sleep_until(due).await;
                let now = Moment::now() + STEP;
                while due < now && due < begin {
                    self.request(phase, due, &mut out);
                    due += gap;
                }
                socket.write_all(&out).await?;
                out.clear();
            }
        }
        Ok(())
    }

    fn request(&self, phase: usize, due: Moment, out: &mut Vec<u8>) {
        let mut count = self.count.borrow_mut();
        *count += 1;
        let at = out.len();
        out.extend_from_slice(&self.frame);
        let stan = (*count - 1) % 999_999 + 1;
        put(&mut out[at + STAN..at + STAN + 6], stan);
        put(&mut out[at + RRN..at + RRN + 4], self.run);
        put(&mut out[at + RRN + 4..at + RRN + 12], *count);
        let since = due.into_std().saturating_duration_since(self.origin);
        let since = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.times.borrow_mut()[stan as usize % TIMES] = (phase, since);
        if let Some(tally) = self.tallies.borrow_mut().get_mut(phase) {
            tally.due += 1;
        }
    }

    /// Reads until the schedule is over and everything had its time.
    async fn read(self: Rc<Self>, mut socket: OwnedReadHalf, start: Moment) {
        let length: Duration = self.phases.iter().map(|(_, length)| *length).sum();
        let end = start + length + DRAIN;
        let mut held = Vec::with_capacity(READ_MAX);
        let mut message = Message::default();
        while let Ok(Ok(1..)) = timeout_at(end, socket.read_buf(&mut held)).await {
            each_frame(&mut held, |frame| self.take(start, frame, &mut message));
            held.reserve(READ_MAX);
        }
    }

    fn take(&self, start: Moment, frame: &[u8], message: &mut Message) {
        if self.codec.decode_into(&frame[LENGTH..], message).is_err() {
            return;
        }
        let stan = message.get(field::STAN).unwrap_or_default();
        let is_good = message.get(field::RESPONSE_CODE).is_some_and(|code| code.is_approval());
        let stan = usize::try_from(stan).unwrap_or_default();
        let (phase, due) = self.times.borrow()[stan % TIMES];
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before: Duration = self.phases.iter().take(phase).map(|(_, length)| *length).sum();
        let begun = start.into_std().saturating_duration_since(self.origin) + before;
        let second = Duration::from_nanos(now).saturating_sub(begun).as_secs();
        let mut tallies = self.tallies.borrow_mut();
        let Some(tally) = tallies.get_mut(phase) else { return };
        if !is_good {
            tally.shed += 1;
            return;
        }
        tally.good += 1;
        tally.took.saturating_record(now.saturating_sub(due));
        let second = usize::try_from(second).unwrap_or(usize::MAX);
        if let Some(count) = tally.seconds.get_mut(second) {
            *count += 1;
        }
    }
}
