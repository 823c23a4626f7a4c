//! The floor: what all terminals of a run share, and the turns in which they send.
//!
//! A turn puts everything that is due into the outboxes of the connections, which write each
//! outbox in one go. It never waits for an answer or for a socket; when nothing can be sent,
//! what is due is skipped and counted.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use veksel_codecs::{Codec, EncodeError, FrameError, Framing, Message};
use veksel_config::{Destination, TerminalsConfig};
use veksel_link::{Macs, TlsClient};

use super::clock::Clock;
use super::numbers::{Numbers, Stamp, stan, terminal};
use super::orders::{Envelope, Order, Orders};
use super::pool::Pool;
use super::random::Random;
use super::tracker::{Request, Tracker};
use super::{Account, Behaviour, Phase, connection};

/// How long the first request waits for all connections.
const GATHER: Duration = Duration::from_secs(2);

/// How often a drain looks whether it is over.
const LOOK: Duration = Duration::from_millis(2);

/// After the last answer, for a second one that should not be there.
const LINGER: Duration = Duration::from_millis(50);

/// Bytes that wait for a switch which does not read, per connection.
pub(super) const OUTBOX_MAX: usize = 1 << 20;

/// What all connections share.
pub(super) struct Floor {
    pub(super) destination: Destination,
    pub(super) framing: Framing,
    pub(super) codec: Codec,
    pub(super) macs: Option<Macs>,
    pub(super) tls: Option<TlsClient>,
    pub(super) account: Account,
    pub(super) reconnect_min: Duration,
    pub(super) lanes: Vec<Lane>,
    /// Places of the lanes that are signed on, in order, so that a whole floor sends in turn.
    open: RefCell<Vec<usize>>,
    /// Wakes the clock that waits for the first connections.
    opened: Notify,
    sessions: Cell<u32>,
    /// For back-off only; the orders have their own, which the network must not disturb.
    pub(super) jitter: RefCell<Random>,
    beat: Beat,
    drain: Duration,
    rate: u64,
    pool: Pool,
    orders: RefCell<Orders>,
}

/// The thread that says when something is due. It ends when this is dropped.
pub(super) struct Beat {
    pub(super) clock: SyncSender<Clock>,
    pub(super) is_due: Arc<Notify>,
}

/// One connection, now or later.
pub(super) struct Lane {
    /// DE41.
    pub(super) terminal: String,
    /// Of the session that is open; `None` while there is none.
    pub(super) session: Cell<Option<u32>>,
    pub(super) outbox: RefCell<BytesMut>,
    /// There is something in the outbox.
    pub(super) filled: Notify,
}

/// A message that does not fit its frame or dialect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Message(#[from] EncodeError),
}

impl Floor {
    pub(super) fn new(
        config: TerminalsConfig,
        behaviour: &Behaviour,
        codec: Codec,
        (macs, tls): (Option<Macs>, Option<TlsClient>),
        pool: Pool,
        account: Account,
        beat: Beat,
    ) -> Rc<Self> {
        let connections = usize::try_from(config.connections).unwrap_or(usize::MAX);
        let lane = |place| Lane {
            terminal: terminal(place),
            session: Cell::new(None),
            outbox: RefCell::default(),
            filled: Notify::new(),
        };
        Rc::new(Self {
            destination: config.connect,
            framing: config.framing,
            codec,
            macs,
            tls,
            account,
            reconnect_min: behaviour.reconnect_min,
            lanes: (0..connections).map(lane).collect(),
            open: RefCell::default(),
            opened: Notify::new(),
            sessions: Cell::new(0),
            jitter: RefCell::new(Random::new(!config.seed)),
            beat,
            drain: behaviour.drain,
            rate: config.rate.into(),
            pool,
            orders: RefCell::new(Orders::new(config.seed, config.mix, behaviour.magic_percent)),
        })
    }

    /// The number of a session that is about to be. It is never 0 and never given again.
    pub(super) fn new_session(&self) -> u32 {
        let session = self.sessions.get().wrapping_add(1);
        self.sessions.set(session);
        session
    }

    /// A lane is signed on.
    pub(super) fn open(&self, place: usize, lane: &Lane, session: u32) {
        lane.session.set(Some(session));
        let mut open = self.open.borrow_mut();
        if let Err(at) = open.binary_search(&place) {
            open.insert(at, place);
        }
        self.opened.notify_one();
    }

    /// The connection of a lane ended.
    pub(super) fn close(&self, place: usize, lane: &Lane) {
        let Some(session) = lane.session.take() else { return };
        self.open.borrow_mut().retain(|other| *other != place);
        lane.outbox.borrow_mut().clear();
        self.account.tracker().lose(session);
    }

    /// Appends a message in its frame.
    pub(super) fn write(&self, message: &Message, out: &mut BytesMut) -> Result<(), Unfit> {
        self.framing.encode(&[], out, |out| match &self.macs {
            Some(macs) => Ok(macs.encode(&self.codec, message, out)?),
            None => Ok(self.codec.encode(message, out)?),
        })
    }

    async fn all_open(&self) {
        while self.open.borrow().len() < self.lanes.len() {
            self.opened.notified().await;
        }
    }

    /// Sends what is due, for ever.
    async fn pace(&self) {
        // Whoever is not there in time is not waited for.
        let _ = timeout(GATHER, self.all_open()).await;
        let begun_us = self.account.now_us();
        self.account.tracker().begin(begun_us);
        let clock = Clock::new(begun_us, self.rate);
        // Its thread waits for nothing else, and takes it at once.
        let _ = self.beat.clock.send(clock);
        let mut message = Message::new();
        let mut passed = 0;
        loop {
            passed = self.turn(clock, passed, &mut message);
            self.beat.is_due.notified().await;
        }
    }

    /// Sends or skips what is due. `passed` were before; gives how many are now.
    fn turn(&self, clock: Clock, passed: u64, message: &mut Message) -> u64 {
        let now_us = self.account.now_us();
        let mut tracker = self.account.tracker();
        tracker.expire(now_us);
        let due = clock.due(now_us);
        if passed >= due {
            return passed;
        }
        let stamp = Stamp::at(Timestamp::now());
        for number in passed..due {
            let lane = self.lane(number);
            let Some(lane) = lane.filter(|_| !tracker.is_full()) else {
                tracker.skip(due - number);
                break;
            };
            let due_us = clock.due_us(number);
            if self.send(&mut tracker, lane, due_us, &stamp, message).is_none() {
                tracker.skip(1);
            }
        }
        due
    }

    /// The lane whose turn it is among those that are open.
    fn lane(&self, turn: u64) -> Option<&Lane> {
        let open = self.open.borrow();
        let count = u64::try_from(open.len()).ok()?;
        let place = usize::try_from(turn.checked_rem(count)?).ok()?;
        self.lanes.get(*open.get(place)?)
    }

    /// `None` if nothing was sent.
    fn send(
        &self,
        tracker: &mut Tracker,
        lane: &Lane,
        due_us: u64,
        stamp: &Stamp,
        message: &mut Message,
    ) -> Option<()> {
        let session = lane.session.get()?;
        let mut outbox = lane.outbox.borrow_mut();
        if outbox.len() > OUTBOX_MAX {
            return None;
        }
        let mut orders = self.orders.borrow_mut();
        let order = orders.next(&self.pool)?;
        let serial = tracker.next_serial();
        let rrn = tracker.numbers().rrn(serial);
        let envelope = Envelope { stan: stan(serial), rrn, terminal: &lane.terminal, stamp };
        order.write(envelope, message);
        self.write(message, &mut outbox).ok()?;
        lane.filled.notify_one();
        tracker.send(Request {
            kind: order.kind(),
            session,
            due_us,
            code: order.code(),
            terminal: lane.terminal.clone(),
            money: order.money(),
        });
        Some(())
    }

    /// Waits until nothing is outstanding, at most as long as the drain lasts.
    async fn drain(&self) {
        let answered = async {
            while self.account.tracker().in_flight() > 0 {
                sleep(LOOK).await;
                let now_us = self.account.now_us();
                self.account.tracker().expire(now_us);
            }
            sleep(LINGER).await;
        };
        // What is outstanding after this is given up by whoever stops the terminals.
        let _ = timeout(self.drain, answered).await;
    }
}

/// Everything the thread does, until it is told to stop.
pub(super) async fn run(floor: Rc<Floor>, mut phase: watch::Receiver<Phase>) {
    for place in 0..floor.lanes.len() {
        tokio::task::spawn_local(connection::keep(Rc::clone(&floor), place));
    }
    let stop = async { phase.wait_for(|phase| *phase == Phase::Draining).await.is_ok() };
    let is_drained = tokio::select! {
        () = floor.pace() => false,
        is_drained = stop => is_drained,
    };
    let now_us = floor.account.now_us();
    floor.account.tracker().end(now_us);
    if is_drained {
        floor.drain().await;
    }
}

/// Whether a codec can write an order, and its dialect allows it.
pub(super) fn try_order(codec: &Codec, order: &Order<'_>) -> Result<(), String> {
    let mut message = Message::new();
    let stamp = Stamp::at(Timestamp::UNIX_EPOCH);
    let (rrn, terminal) = (Numbers::new(0).rrn(1), terminal(0));
    order.write(Envelope { stan: 1, rrn, terminal: &terminal, stamp: &stamp }, &mut message);
    codec.encode(&message, &mut BytesMut::new()).map_err(|error| error.to_string())?;
    codec.check(&message, false).map_err(|refusal| format!("{refusal:?}"))
}
