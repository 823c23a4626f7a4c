//! Bytes to inputs.
//!
//! Reads go through one scratch buffer of the shard. A connection itself holds only what is left
//! of them: an incomplete frame, or frames for which there is no room yet. So its memory follows
//! what was received, never what a length declares, and the same bytes give the same inputs
//! however they are cut into reads.

use super::{Connection, State};
use crate::counters::CloseReason;
use crate::link::Side;
use crate::mac;
use crate::stream::Stream;
use crate::wires::Shard;
use std::rc::Rc;
use std::task::{Context, Poll};
use tracing::{debug, warn};
use veksel_codecs::{KeepAlive, Message, Mti, Refusal, Step, field};
use veksel_core::Input;
use veksel_core::time::Tick;

/// Bytes of one read, so that no connection holds more than this besides one frame. A connection
/// that fills it waits until the others had their turn.
pub(crate) const READ_MAX: usize = 16 * 1024;

/// Empty frames within a second without another frame in between.
const KEEP_ALIVES_MAX: u32 = 64;

/// The time within which wrong MACs count.
const MAC_WINDOW_MS: u64 = 60_000;

impl Connection {
    /// Reads and takes in until the socket is empty, there is no room or the turn is over.
    pub(super) fn poll_read(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        shard: &Rc<Shard>,
    ) -> Poll<CloseReason> {
        loop {
            if self.is_held.get() {
                shard.read_at.set(shard.now());
                if let Err(why) = self.take_in(shard, &[]) {
                    return self.end(shard, why);
                }
            }
            if self.must_wait(shard) {
                self.park(shard);
                return Poll::Pending;
            }
            let mut scratch = shard.scratch.borrow_mut();
            let read = match self.stream.borrow_mut().as_mut() {
                Some(stream) => stream.poll_read(cx, &mut scratch),
                None => return Poll::Pending,
            };
            let count = match read {
                Poll::Pending => {
                    self.follow_record(shard);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::of_reading(&error)),
                Poll::Ready(Ok(0)) if self.tail.borrow().is_empty() => {
                    if self.link.is_host() || self.in_flight.get() == 0 {
                        return Poll::Ready(CloseReason::PeerClosed);
                    }
                    self.state.set(State::Finishing);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(CloseReason::CutFrame),
                Poll::Ready(Ok(count)) => count,
            };
            self.is_active.set(true);
            shard.read_at.set(shard.now());
            self.link.counters.bytes_in.add(count);
            let taken = self.take_in(shard, scratch.get(..count).unwrap_or_default());
            drop(scratch);
            if let Err(why) = taken {
                return self.end(shard, why);
            }
            if self.owes_echo.replace(false) {
                self.write(shard, shard.now());
            }
            if count == READ_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// A record of TLS that is not whole hides a frame that is not, so the same deadline holds for
    /// it. One that hid nothing sets no deadline any more.
    fn follow_record(self: &Rc<Self>, shard: &Shard) {
        let is_within = self.stream.borrow().as_ref().is_some_and(Stream::is_within_record);
        if is_within && self.partial_since.get().is_none() {
            self.partial_since.set(Some(shard.now()));
            shard.watch(self);
        } else if !is_within && self.tail.borrow().is_empty() {
            self.partial_since.set(None);
        }
    }

    /// Ends it for a fault of the peer, after what is already in the outbox.
    fn end(self: &Rc<Self>, shard: &Shard, why: CloseReason) -> Poll<CloseReason> {
        self.close(shard, why);
        self.write(shard, shard.now());
        Poll::Pending
    }

    /// Whether another frame must not be taken now.
    fn must_wait(&self, shard: &Shard) -> bool {
        self.in_flight.get() >= self.link.rules.in_flight_max || shard.inbox.is_full()
    }

    /// Stops reading until there is room. The peer is not late with what nobody reads.
    fn park(self: &Rc<Self>, shard: &Shard) {
        self.partial_since.set(None);
        self.is_held.set(!self.tail.borrow().is_empty());
        if self.in_flight.get() >= self.link.rules.in_flight_max {
            self.is_paused.set(true);
        } else if !self.is_blocked.replace(true) {
            shard.inbox.block(Rc::clone(self));
        }
    }

    /// Makes inputs of the tail followed by `bytes`, and a tail of what is left.
    fn take_in(self: &Rc<Self>, shard: &Shard, bytes: &[u8]) -> Result<(), CloseReason> {
        let mut tail = self.tail.borrow_mut();
        if tail.is_empty() {
            let taken = self.split(shard, bytes)?;
            tail.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        } else {
            tail.extend_from_slice(bytes);
            let taken = self.split(shard, &tail)?.min(tail.len());
            tail.drain(..taken);
        }
        if tail.is_empty() && tail.capacity() > READ_MAX {
            *tail = Vec::new();
        }
        Ok(())
    }

    /// Takes whole frames from the start of `input`; says how many bytes they were.
    fn split(self: &Rc<Self>, shard: &Shard, input: &[u8]) -> Result<usize, CloseReason> {
        let mut rest = input;
        let is_held = loop {
            if self.must_wait(shard) {
                break !rest.is_empty();
            }
            match self.link.framing.decode_with(&self.link.codec, rest) {
                Err(error) => {
                    let (link, connection) = (self.id.link.0, self.id.serial);
                    debug!(link, connection, %error, "frame refused");
                    return Err(CloseReason::BadFrame);
                }
                Ok(Step::Incomplete) => break false,
                Ok(Step::KeepAlive { consumed }) => {
                    self.handle_keep_alive()?;
                    rest = rest.get(consumed..).unwrap_or_default();
                }
                Ok(Step::Frame { header, message, consumed }) => {
                    self.handle_frame(shard, header, message)?;
                    rest = rest.get(consumed..).unwrap_or_default();
                }
            }
        };
        self.is_held.set(is_held);
        let taken = input.len().saturating_sub(rest.len());
        if rest.is_empty() || is_held {
            self.partial_since.set(None);
        } else if taken > 0 || self.partial_since.get().is_none() {
            self.partial_since.set(Some(shard.now()));
            shard.watch(self);
        }
        Ok(taken)
    }

    fn handle_keep_alive(&self) -> Result<(), CloseReason> {
        self.link.counters.keep_alives.add(1);
        let count = self.keep_alives.get().saturating_add(1);
        self.keep_alives.set(count);
        if count > KEEP_ALIVES_MAX {
            return Err(CloseReason::KeepAlives);
        }
        match self.link.framing.keep_alive {
            KeepAlive::Echo => {
                self.out.borrow_mut().push_keep_alive(&self.link);
                self.owes_echo.set(true);
            }
            // A framing that rejects them has made an error of it.
            KeepAlive::Ignore | KeepAlive::Reject => {}
        }
        Ok(())
    }

    fn handle_frame(&self, shard: &Shard, header: &[u8], frame: &[u8]) -> Result<(), CloseReason> {
        let link = &*self.link;
        link.counters.frames_in.add(1);
        self.has_received.set(true);
        self.keep_alives.set(0);
        let mut message = shard.inbox.take_spare();
        let decoded = link.codec.decode_into(frame, &mut message).map_err(Refusal::Format);
        let is_readable = message.mti() != Mti::NONE;
        let is_request = is_readable && message.mti().is_request();
        if is_request {
            link.framing.answer_header(header, message.header_mut());
        }
        let authentic = match decoded {
            Ok(()) => self.authenticate(&message),
            // Nobody can tell whose a message is that cannot be read.
            Err(Refusal::Format(error)) if is_readable && link.checks_macs() => {
                let connection = self.id.serial;
                warn!(link = link.id.0, connection, %error, "no MAC can be found");
                Err(Refusal::Unauthentic)
            }
            refused => refused,
        };
        let is_unauthentic = authentic == Err(Refusal::Unauthentic);
        let checked = authentic.and_then(|()| match link.rules.side {
            Side::Channel { strict } if is_request => link.codec.check(&message, strict),
            Side::Channel { .. } | Side::Host => Ok(()),
        });
        mac::remove(&mut message);
        // Without a trace number nothing can be answered, so nothing would end the wait.
        if is_request && !link.is_host() && message.has(field::STAN) {
            self.in_flight.set(self.in_flight.get().saturating_add(1));
        }
        self.trace("received", &message);
        let connection = self.id;
        let input = match checked {
            Ok(()) => Input::Received { connection, message },
            Err(refusal) => {
                link.counters.malformed.add(1);
                Input::Malformed { connection, message, refusal }
            }
        };
        // A frame that was held back because its connection had enough in flight is not late for
        // that: its age begins when there is room for it.
        shard.inbox.push_since(shard.read_at.get(), input);
        if is_unauthentic {
            self.handle_unauthentic(shard.now())
        } else if is_readable {
            Ok(())
        } else {
            self.handle_unreadable(shard.now())
        }
    }

    fn authenticate(&self, message: &Message) -> Result<(), Refusal> {
        let Some(macs) = &self.link.macs else { return Ok(()) };
        macs.borrow().check(message).map_err(|fault| {
            let (link, connection) = (self.id.link.0, self.id.serial);
            warn!(link, connection, mti = %message.mti(), ?fault, "MAC refused");
            Refusal::Unauthentic
        })
    }

    /// Counts a message that may be anybody's; too many within a minute end the connection.
    fn handle_unauthentic(&self, now: Tick) -> Result<(), CloseReason> {
        self.link.counters.unauthentic.add(1);
        let most = self.link.macs.as_ref().map_or(u32::MAX, |macs| macs.borrow().failures_max());
        let is_over = self.unauthentic.is_over(now, MAC_WINDOW_MS, most);
        if is_over { Err(CloseReason::Unauthentic) } else { Ok(()) }
    }

    /// Counts a frame that says nothing; too many within the window end the connection.
    fn handle_unreadable(&self, now: Tick) -> Result<(), CloseReason> {
        let rules = &self.link.rules;
        self.link.counters.unreadable.add(1);
        let is_over = self.unreadable.is_over(now, rules.malformed_window_ms, rules.malformed_max);
        if is_over { Err(CloseReason::Malformed) } else { Ok(()) }
    }
}
