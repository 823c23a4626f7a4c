//! One socket, from its first byte to its last.
//!
//! A task per connection waits for the socket; the driver of the shard writes. Both are on one
//! thread, so the state is in cells.
//!
//! ```text
//!   Open ──the engine, a deadline, a bad frame──► Closing ──outbox written──► Closed
//!     ├──────────end of stream, reset, peer that does not read──────────────────▲
//!     └──end of a channel's stream, requests open──► Finishing ──all answered───┘
//! ```
//!
//! A channel that has said all it wants to say may still listen, or may be gone: its end of stream
//! does not tell. In `Finishing` its requests are answered, but a message with a tag, which is one
//! that matters, counts as not delivered (switch semantics 33).
//!
//! `Closing` is not read any more and takes no more messages. On `Closed` every tagged frame that
//! is not begun is reported, then `LinkDown`; after that nothing is ever written.

mod reading;
mod writing;

pub(crate) use reading::READ_MAX;

use crate::counters::CloseReason;
use crate::link::Link;
use crate::outbox::{Fate, Outbox};
use crate::stream::Stream;
use crate::wires::Shard;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tracing::{Level, debug, info, trace, warn};
use veksel_codecs::Message;
use veksel_core::Input;
use veksel_core::plan::ConnectionId;
use veksel_core::time::Tick;

/// Silence after which nobody waits any more for the answers of a channel that ended its stream.
const FINISHING_MS: u64 = 60_000;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    Finishing,
    Closing(CloseReason),
    Closed,
}

/// One socket of a link.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) link: Rc<Link>,
    peer: SocketAddr,
    state: Cell<State>,
    /// `None` once it is closed.
    stream: RefCell<Option<Stream>>,
    /// What was read and is not yet an input.
    tail: RefCell<Vec<u8>>,
    out: RefCell<Outbox>,
    /// The task that waits for the socket.
    task: RefCell<Option<Waker>>,
    /// Whoever waits for the end of it.
    mourner: Cell<Option<Waker>>,
    /// Requests that were read and not yet answered.
    in_flight: Cell<u32>,
    /// Whether `tail` may hold whole frames, because there was no room for them.
    is_held: Cell<bool>,
    /// Whether reading stopped until requests are answered.
    is_paused: Cell<bool>,
    /// Whether the inbox has it among those to wake.
    is_blocked: Cell<bool>,
    /// Whether an empty frame is to be sent back.
    owes_echo: Cell<bool>,
    is_dirty: Cell<bool>,
    is_watched: Cell<bool>,
    /// Whether anything went either way since the last slow sweep.
    is_active: Cell<bool>,
    /// Slow sweeps since then.
    quiet: Cell<u64>,
    /// When the first byte of the incomplete frame in `tail` came.
    partial_since: Cell<Option<Tick>>,
    /// When bytes that wait to be written last made progress.
    stalled_since: Cell<Option<Tick>>,
    keep_alives: Cell<u32>,
    unreadable: Tally,
    unauthentic: Tally,
    has_received: Cell<bool>,
}

/// How often something happened within a window of time.
#[derive(Default)]
struct Tally {
    since: Cell<Tick>,
    count: Cell<u32>,
}

impl Tally {
    /// It happened once more. Whether that is more than `most` times within the window.
    fn is_over(&self, now: Tick, window_ms: u64, most: u32) -> bool {
        if self.since.get().after_ms(window_ms) <= now {
            self.since.set(now);
            self.count.set(0);
        }
        self.count.set(self.count.get().saturating_add(1));
        self.count.get() > most
    }
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, link: Rc<Link>, stream: Stream, peer: SocketAddr) -> Self {
        Self {
            id,
            link,
            peer,
            state: Cell::new(State::Open),
            stream: RefCell::new(Some(stream)),
            tail: RefCell::default(),
            out: RefCell::new(Outbox::new()),
            task: RefCell::default(),
            mourner: Cell::default(),
            in_flight: Cell::default(),
            is_held: Cell::default(),
            is_paused: Cell::default(),
            is_blocked: Cell::default(),
            owes_echo: Cell::default(),
            is_dirty: Cell::default(),
            is_watched: Cell::default(),
            is_active: Cell::default(),
            quiet: Cell::default(),
            partial_since: Cell::default(),
            stalled_since: Cell::default(),
            keep_alives: Cell::default(),
            unreadable: Tally::default(),
            unauthentic: Tally::default(),
            has_received: Cell::default(),
        }
    }

    /// Reports that it is there.
    pub(crate) fn open(&self, shard: &Shard) {
        let before = self.link.counters.open.get();
        self.link.counters.open.set(before.saturating_add(1));
        let (link, connection, peer) = (self.id.link.0, self.id.serial, self.peer);
        debug!(link, connection, %peer, "connection open");
        if before == 0 && self.link.is_host() {
            info!(link, %peer, "host link up");
        }
        shard.inbox.push(Input::LinkUp(self.id));
    }

    /// Waits for the socket until the connection is closed.
    pub(crate) async fn run(self: Rc<Self>, shard: Rc<Shard>) {
        let end = std::future::poll_fn(|cx| self.poll(cx, &shard)).await;
        if let Some(why) = end {
            self.bury(&shard, why);
        }
    }

    /// Waits until it is closed. Says whether the peer ever sent a frame.
    pub(crate) async fn ended(&self) -> bool {
        let is_closed = |cx: &mut Context<'_>| {
            if self.state.get() == State::Closed {
                return Poll::Ready(());
            }
            self.mourner.set(Some(cx.waker().clone()));
            Poll::Pending
        };
        std::future::poll_fn(is_closed).await;
        self.has_received.get()
    }

    /// Ready with a reason to close at once, or with none if that has happened.
    fn poll(self: &Rc<Self>, cx: &mut Context<'_>, shard: &Rc<Shard>) -> Poll<Option<CloseReason>> {
        self.remember_task(cx);
        while self.stalled_since.get().is_some() {
            match self.poll_write_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => self.write(shard, shard.now()),
                Poll::Ready(Err(_)) => return Poll::Ready(Some(CloseReason::Reset)),
            }
        }
        match self.state.get() {
            State::Open => self.poll_read(cx, shard).map(Some),
            State::Finishing | State::Closing(_) => Poll::Pending,
            State::Closed => Poll::Ready(None),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.borrow().as_ref() {
            Some(stream) => stream.poll_write_ready(cx),
            None => Poll::Pending,
        }
    }

    fn remember_task(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(task) = self.task.borrow().as_ref() {
            task.wake_by_ref();
        }
    }

    /// The inbox has room again.
    pub(crate) fn unblock(&self) {
        self.is_blocked.set(false);
        self.wake();
    }

    /// Whether this call is the one that made it dirty.
    pub(crate) fn become_dirty(&self) -> bool {
        !self.is_dirty.replace(true)
    }

    /// Whether this call is the one that made it watched.
    pub(crate) fn become_watched(&self) -> bool {
        !self.is_watched.replace(true)
    }

    /// Bytes it holds.
    pub(crate) fn buffered(&self) -> usize {
        self.tail.borrow().len().saturating_add(self.out.borrow().len())
    }

    /// Ends it once the outbox is written; the next flush begins with that.
    pub(crate) fn close(self: &Rc<Self>, shard: &Shard, why: CloseReason) {
        if matches!(self.state.get(), State::Open | State::Finishing) {
            self.state.set(State::Closing(why));
            self.partial_since.set(None);
            self.tail.take();
            shard.mark_dirty(self);
        }
    }

    /// Ends it now. Nothing is written after this.
    pub(crate) fn bury(&self, shard: &Shard, why: CloseReason) {
        if self.state.replace(State::Closed) == State::Closed {
            return;
        }
        self.stream.take();
        self.tail.take();
        self.out.borrow_mut().abandon(|fate| self.tell(shard, fate));
        self.partial_since.set(None);
        self.stalled_since.set(None);
        let counters = &self.link.counters;
        counters.add_closed(why);
        counters.open.set(counters.open.get().saturating_sub(1));
        let (link, connection, reason) = (self.id.link.0, self.id.serial, why.word());
        debug!(link, connection, reason, "connection closed");
        if counters.open.get() == 0 && self.link.is_host() && why != CloseReason::Stopped {
            warn!(link, peer = %self.peer, reason, "host link down");
        }
        shard.forget(self.id);
        shard.inbox.push(Input::LinkDown(self.id));
        self.wake();
        if let Some(mourner) = self.mourner.take() {
            mourner.wake();
        }
    }

    fn tell(&self, shard: &Shard, fate: Fate) {
        shard.inbox.push(match fate {
            Fate::Begun(tag) => Input::Written(tag),
            Fate::Dropped(tag, why) => {
                self.link.counters.unsent.add(1);
                Input::Unsent { tag, why }
            }
        });
    }

    /// Enforces what has a deadline. Says whether there is still something that has one.
    pub(crate) fn enforce(self: &Rc<Self>, shard: &Shard, now: Tick) -> bool {
        let rules = &self.link.rules;
        let is_over = |since: Option<Tick>, ms| since.is_some_and(|at| at.after_ms(ms) <= now);
        if is_over(self.partial_since.get(), rules.frame_deadline_ms) {
            self.close(shard, CloseReason::FrameDeadline);
            self.write(shard, now);
        }
        if self.stalled_since.get().is_some() {
            // Takes out what expired while it waited.
            self.write(shard, now);
        }
        if is_over(self.stalled_since.get(), rules.peer_timeout_ms) {
            self.bury(shard, CloseReason::WriteStalled);
        }
        let is_watched = self.partial_since.get().is_some() || self.stalled_since.get().is_some();
        self.is_watched.set(is_watched);
        is_watched
    }

    /// The slow sweep: gives memory back and ends a connection that was silent for too long.
    pub(crate) fn tend(self: &Rc<Self>, shard: &Shard, sweep_ms: u64) {
        self.keep_alives.set(0);
        if self.is_active.replace(false) {
            self.quiet.set(0);
            return;
        }
        let quiet = self.quiet.get().saturating_add(1);
        self.quiet.set(quiet);
        self.out.borrow_mut().relax();
        self.tail.borrow_mut().shrink_to_fit();
        if self.state.get() == State::Finishing && quiet.saturating_mul(sweep_ms) >= FINISHING_MS {
            self.bury(shard, CloseReason::PeerClosed);
        }
        let idle_ms = self.link.rules.idle_ms;
        if idle_ms.is_some_and(|idle_ms| quiet.saturating_mul(sweep_ms) >= idle_ms.get()) {
            self.close(shard, CloseReason::Idle);
            self.write(shard, shard.now());
        }
    }

    /// A line per message and field, masked, for those who ask for it.
    fn trace(&self, what: &str, message: &Message) {
        if tracing::enabled!(Level::TRACE) {
            let (link, connection, mti) = (self.id.link.0, self.id.serial, message.mti());
            trace!(link, connection, %mti, "{what}");
            self.link.codec.describe_each(message, |line| {
                let field = line.path.short();
                trace!(link, connection, field, value = %line.masked);
            });
        }
    }
}
