//! The load: a closed loop of connections that each keep so many requests in flight.
//!
//! Every read is answered with one write of as many new requests. Latency is from the write of a
//! request to the read of its answer; in a closed loop it says how long a round takes and not what
//! an open stream of requests would see. At the end everything in flight is waited for, because an
//! approval that nobody takes becomes a reversal.

use crate::frames::{CODE, Kind, RRN, STAN, put, request, stan};
use crate::host::{READ_MAX, each_frame};
use crate::{Failure, part};
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

/// Requests whose time of departure is known; many more than are in flight.
const TIMES: usize = 1 << 13;
/// Longest latency that is told from longer ones, in nanoseconds.
const LATENCY_MAX: u64 = 60_000_000_000;
/// How long the rest may take.
const DRAIN: Duration = Duration::from_secs(20);

/// What a load found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Requests answered 00 while it measured.
    pub answered: u64,
    /// How long it measured.
    pub elapsed: Duration,
    /// Half of the answers took no longer.
    pub p50: Duration,
    /// 99 of 100 answers took no longer.
    pub p99: Duration,
}

impl Found {
    /// From the line that a load ends with.
    ///
    /// # Errors
    /// The line says something else.
    pub fn parse(line: &str) -> Result<Self, Failure> {
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [answered, elapsed, p50, p99, other] = numbers[..] else { return Err("line".into()) };
        if other > 0 {
            return Err(format!("{other} requests were not approved").into());
        }
        let [elapsed, p50, p99] = [elapsed, p50, p99].map(Duration::from_nanos);
        Ok(Self { answered, elapsed, p50, p99 })
    }
}

struct Load {
    frame: Vec<u8>,
    /// Makes references of different runs differ.
    run: u64,
    count: Cell<u64>,
    origin: Instant,
    sent: RefCell<Vec<u64>>,
    took: RefCell<Histogram<u64>>,
    answered: Cell<u64>,
    other: Cell<u64>,
    is_measuring: Cell<bool>,
    is_over: Cell<bool>,
}

/// `address connections window kind run warm_ms measure_ms`.
#[expect(clippy::print_stdout, reason = "parts speak over their standard output")]
pub(crate) fn play(arguments: &[String]) -> Result<(), Failure> {
    let address: SocketAddr = part::argument(arguments, 0)?;
    let connections: usize = part::argument(arguments, 1)?;
    let window: usize = part::argument(arguments, 2)?;
    let kind: String = part::argument(arguments, 3)?;
    let run: u64 = part::argument(arguments, 4)?;
    let [warm, measure] = [part::argument(arguments, 5)?, part::argument(arguments, 6)?];
    let load = Rc::new(Load {
        frame: request(Kind::of(&kind).ok_or("no such kind")?)?,
        run,
        count: Cell::new(0),
        origin: Instant::now(),
        sent: RefCell::new(vec![0; TIMES]),
        took: RefCell::new(Histogram::new_with_bounds(1, LATENCY_MAX, 3)?),
        answered: Cell::new(0),
        other: Cell::new(0),
        is_measuring: Cell::new(false),
        is_over: Cell::new(false),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            tasks.spawn_local(Rc::clone(&load).converse(stream, window));
        }
        sleep(Duration::from_millis(warm)).await;
        println!("begin");
        let (begun, before) = (Instant::now(), load.answered.get());
        load.is_measuring.set(true);
        sleep(Duration::from_millis(measure)).await;
        load.is_measuring.set(false);
        let (elapsed, answered) = (begun.elapsed(), load.answered.get() - before);
        println!("end");
        load.is_over.set(true);
        let rest = async {
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok::<(), Failure>(())
        };
        timeout(DRAIN, rest).await??;
        let took = load.took.borrow();
        let (p50, p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
        println!("found {answered} {} {p50} {p99} {}", elapsed.as_nanos(), load.other.get());
        Ok(())
    })
}

impl Load {
    async fn converse(self: Rc<Self>, mut stream: TcpStream, window: usize) -> Result<(), Failure> {
        let (mut held, mut out) = (Vec::with_capacity(READ_MAX), Vec::new());
        let mut in_flight = window;
        let now = self.now();
        (0..window).for_each(|_| self.request(now, &mut out));
        while in_flight > 0 {
            stream.write_all(&out).await?;
            out.clear();
            if stream.read_buf(&mut held).await? == 0 {
                return Err("a connection was closed".into());
            }
            let now = self.now();
            each_frame(&mut held, |frame| {
                self.take(now, frame);
                if self.is_over.get() {
                    in_flight -= 1;
                } else {
                    self.request(now, &mut out);
                }
            });
            held.reserve(READ_MAX);
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn request(&self, now: u64, out: &mut Vec<u8>) {
        let count = self.count.get() + 1;
        self.count.set(count);
        let at = out.len();
        out.extend_from_slice(&self.frame);
        let stan = (count - 1) % 999_999 + 1;
        put(&mut out[at + STAN..at + STAN + 6], stan);
        put(&mut out[at + RRN..at + RRN + 4], self.run);
        put(&mut out[at + RRN + 4..at + RRN + 12], count);
        self.sent.borrow_mut()[stan as usize % TIMES] = now;
    }

    fn take(&self, now: u64, frame: &[u8]) {
        if &frame[CODE..CODE + 2] != b"00" {
            self.other.set(self.other.get() + 1);
            return;
        }
        self.answered.set(self.answered.get() + 1);
        if self.is_measuring.get() {
            let sent = self.sent.borrow()[stan(frame) as usize % TIMES];
            self.took.borrow_mut().saturating_record(now.saturating_sub(sent));
        }
    }
}
