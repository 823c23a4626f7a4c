//! Messages to bytes.
//!
//! The driver encodes during its turn and writes once at its end. What the socket does not take
//! then waits for the task of the connection, for expiry or for the end.

use super::{Connection, State};
use crate::counters::CloseReason;
use crate::stream::Stream;
use crate::tls::session::Written;
use crate::wires::Shard;
use std::rc::Rc;
use tracing::warn;
use veksel_codecs::Message;
use veksel_core::time::Tick;
use veksel_core::{Tag, Unsent};

impl Connection {
    /// Encodes a message into the outbox. What cannot be written is reported, if it has a tag.
    pub(crate) fn send(
        self: &Rc<Self>,
        shard: &Shard,
        message: &Message,
        tag: Option<Tag>,
        expires: Option<Tick>,
    ) {
        let link = &*self.link;
        let state = self.state.get();
        if !matches!(state, State::Open | State::Finishing) {
            return self.drop_unsent(shard, tag, Unsent::Closed);
        }
        if !message.mti().is_request() {
            self.in_flight.set(self.in_flight.get().saturating_sub(1));
        }
        // Even if nothing is to be written, the next flush sees that there is room for requests.
        shard.mark_dirty(self);
        if state == State::Finishing && tag.is_some() {
            return self.drop_unsent(shard, tag, Unsent::Closed);
        }
        let (before, pushed, after) = {
            let mut out = self.out.borrow_mut();
            let before = out.len();
            let pushed = out.push(link, message, tag, expires);
            (before, pushed, out.len())
        };
        if let Err(error) = pushed {
            let (link, connection, mti) = (self.id.link.0, self.id.serial, message.mti());
            warn!(link, connection, %mti, %error, "message cannot be written");
            self.drop_unsent(shard, tag, Unsent::Unencodable);
            if !self.link.is_host() {
                // It would wait in vain: what it does not get is said by the end of the stream.
                self.close(shard, CloseReason::Unanswerable);
            }
            return;
        }
        link.counters.frames_out.add(1);
        self.trace("sending", message);
        if after > link.rules.outbound_max {
            self.relieve(shard, tag, after.saturating_sub(before));
        }
    }

    /// The outbox is over its bound with the last message, `width` bytes long. That may be a large
    /// turn, so the socket is tried first. Then a channel, which asks and does not read, is closed;
    /// a host keeps its connection, because requests are under way there, and the message is
    /// refused. If a host takes nothing for long, the write deadline ends it.
    fn relieve(self: &Rc<Self>, shard: &Shard, tag: Option<Tag>, width: usize) {
        self.write(shard, shard.now());
        if self.out.borrow().len() <= self.link.rules.outbound_max {
            return;
        }
        if self.out.borrow_mut().take_back(width) {
            self.drop_unsent(shard, tag, Unsent::Full);
        }
        if !self.link.is_host() {
            self.bury(shard, CloseReason::NotReading);
        }
    }

    fn drop_unsent(&self, shard: &Shard, tag: Option<Tag>, why: Unsent) {
        self.link.counters.unsent.add(1);
        if let Some(tag) = tag {
            shard.drop_unsent(tag, why);
        }
    }

    /// The end of a turn: writes, and reads on if answers made room for requests.
    pub(crate) fn flush(self: &Rc<Self>, shard: &Shard, now: Tick) {
        self.is_dirty.set(false);
        self.write(shard, now);
        if self.is_paused.get() && self.in_flight.get() < self.link.rules.in_flight_max {
            self.is_paused.set(false);
            self.wake();
        }
    }

    /// Writes once. What does not fit is written when the socket is ready for it.
    pub(super) fn write(self: &Rc<Self>, shard: &Shard, now: Tick) {
        let tell = |fate| self.tell(shard, fate);
        let (written, is_empty) = {
            let (mut stream, mut out) = (self.stream.borrow_mut(), self.out.borrow_mut());
            out.expire(now, tell);
            let written = match stream.as_mut() {
                Some(stream) if !out.is_empty() || stream.owes() => stream.try_write(out.bytes()),
                Some(_) | None => Ok(Written::default()),
            };
            if let Ok(Written { taken: taken @ 1.., .. }) = written {
                self.is_active.set(true);
                self.link.counters.bytes_out.add(taken);
                out.advance(taken, tell);
            }
            (written, out.is_empty() && !stream.as_ref().is_some_and(Stream::owes))
        };
        match (written, self.state.get()) {
            (Err(_), State::Open | State::Finishing) => self.bury(shard, CloseReason::Reset),
            (Err(_), State::Closing(why)) => self.bury(shard, why),
            (Ok(_), State::Closing(why)) if is_empty => self.bury(shard, why),
            (Ok(_), State::Finishing) if is_empty && self.in_flight.get() == 0 => {
                self.bury(shard, CloseReason::PeerClosed);
            }
            (Ok(_), _) if is_empty => self.stalled_since.set(None),
            (Ok(written), State::Open | State::Finishing | State::Closing(_)) => {
                self.stall(shard, now, written.moved);
            }
            (_, State::Closed) => {}
        }
    }

    /// Notes that bytes wait for the socket.
    fn stall(self: &Rc<Self>, shard: &Shard, now: Tick, has_progress: bool) {
        let is_new = self.stalled_since.get().is_none();
        if is_new || has_progress {
            self.stalled_since.set(Some(now));
        }
        if is_new {
            shard.watch(self);
            self.wake();
        }
    }
}
