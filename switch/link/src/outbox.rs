//! What waits to be written on one connection: encoded frames, and which of them somebody wants
//! to hear about.
//!
//! The bytes are one run, so that a turn needs one write. Positions count from the first byte of
//! the connection. A frame is *begun* once its first byte was written; a frame that is not begun
//! can still be taken back, which happens when it expires and when the connection dies.

use crate::link::Link;
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use veksel_codecs::{EncodeError, Message};
use veksel_core::time::Tick;
use veksel_core::{Tag, Unsent};

/// Memory that an empty outbox may keep between two bursts.
const KEPT_MAX: usize = 1_024;

/// What became of a tagged frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Begun(Tag),
    Dropped(Tag, Unsent),
}

/// Frames on their way out.
pub(crate) struct Outbox {
    bytes: BytesMut,
    /// Position of the first of `bytes`: everything before it is written.
    written: u64,
    /// The frames that are not begun and have a tag or expire, in order.
    marks: VecDeque<Mark>,
    /// No mark expires before this; it may be too early after marks were taken out.
    earliest: Tick,
}

struct Mark {
    start: u64,
    width: usize,
    tag: Option<Tag>,
    expires: Option<Tick>,
}

const NEVER: Tick = Tick(u64::MAX);

impl Outbox {
    pub(crate) fn new() -> Self {
        let bytes = BytesMut::new();
        Self { bytes, written: 0, marks: VecDeque::new(), earliest: NEVER }
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a message.
    pub(crate) fn push(
        &mut self,
        link: &Link,
        message: &Message,
        tag: Option<Tag>,
        expires: Option<Tick>,
    ) -> Result<(), EncodeError> {
        let before = self.bytes.len();
        link.encode(message, &mut self.bytes)?;
        if tag.is_some() || expires.is_some() {
            let start = self.written.wrapping_add(before as u64);
            let width = self.bytes.len().saturating_sub(before);
            self.marks.push_back(Mark { start, width, tag, expires });
            self.earliest = self.earliest.min(expires.unwrap_or(NEVER));
        }
        Ok(())
    }

    /// Appends an empty frame.
    pub(crate) fn push_keep_alive(&mut self, link: &Link) {
        link.framing.encode_keep_alive(&mut self.bytes);
    }

    /// Takes back the last frame, which was just pushed and `width` bytes long, unless it is
    /// begun. Says whether it did.
    pub(crate) fn take_back(&mut self, width: usize) -> bool {
        let Some(rest) = self.bytes.len().checked_sub(width) else { return false };
        let start = self.written.wrapping_add(rest as u64);
        self.bytes.truncate(rest);
        self.marks.pop_back_if(|mark| mark.start == start);
        true
    }

    /// Notes that the first `count` bytes were written.
    pub(crate) fn advance(&mut self, count: usize, mut tell: impl FnMut(Fate)) {
        self.written = self.written.wrapping_add(count as u64);
        if count >= self.bytes.len() {
            self.bytes.clear();
            self.earliest = NEVER;
        } else {
            self.bytes.advance(count);
        }
        let written = self.written;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.start < written) {
            if let Some(tag) = mark.tag {
                tell(Fate::Begun(tag));
            }
        }
    }

    /// Takes out the frames that are not begun and expired at `now` or before.
    pub(crate) fn expire(&mut self, now: Tick, mut tell: impl FnMut(Fate)) {
        if now < self.earliest {
            return;
        }
        let (mut removed, mut earliest) = (0usize, NEVER);
        let (written, bytes) = (self.written, &mut self.bytes);
        self.marks.retain_mut(|mark| {
            // Positions fit the buffer: a mark lies within it until it is begun.
            mark.start = mark.start.wrapping_sub(removed as u64);
            if mark.expires.is_none_or(|expires| now < expires) {
                earliest = earliest.min(mark.expires.unwrap_or(NEVER));
                return true;
            }
            let at = mark.start.wrapping_sub(written) as usize;
            let end = at.saturating_add(mark.width);
            if end <= bytes.len() {
                bytes.copy_within(end.., at);
                bytes.truncate(bytes.len().saturating_sub(mark.width));
                removed = removed.saturating_add(mark.width);
            }
            if let Some(tag) = mark.tag {
                tell(Fate::Dropped(tag, Unsent::Expired));
            }
            false
        });
        self.earliest = earliest;
    }

    /// Gives everything up: nothing of it will ever be written.
    pub(crate) fn abandon(&mut self, mut tell: impl FnMut(Fate)) {
        for tag in self.marks.drain(..).filter_map(|mark| mark.tag) {
            tell(Fate::Dropped(tag, Unsent::Closed));
        }
        *self = Self::new();
    }

    /// Gives memory back that a burst needed and nothing needs now.
    pub(crate) fn relax(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_MAX {
            self.bytes = BytesMut::new();
        }
        if self.marks.is_empty() && self.marks.capacity() > 8 {
            self.marks = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::renewal::Certificates;
    use std::rc::Rc;
    use veksel_codecs::{Codec, Dialect, Framing, Mti, field};
    use veksel_config::{DialConfig, DialectName};
    use veksel_core::Leg;
    use veksel_core::plan::LinkId;
    use veksel_core::record::TxnId;

    fn link() -> Link {
        let dialect = "cbs-ascii-bin";
        let config = DialConfig {
            destination: veksel_config::Destination { host: String::new(), port: 0 },
            connections: 1,
            dialect: DialectName::Shipped(dialect.to_owned()),
            framing: Framing::binary2(),
            mac: None,
            tls: None,
            connect_timeout_ms: 0,
            reconnect_ms_min: 0,
            reconnect_ms_max: 0,
            tcp_keep_alive: veksel_config::TcpKeepAlive::default(),
            tcp_user_timeout_ms: 0,
            frame_deadline_ms: 0,
            outbound_max: 0,
            exclusive: None,
        };
        let codec = Rc::new(Codec::new(Dialect::shipped(dialect).unwrap()));
        let link =
            Link::dialling(LinkId(0), &config, codec, (&Certificates::default(), None), None);
        link.unwrap()
    }

    fn tag(number: u64) -> Tag {
        Tag { txn: TxnId(number), leg: Leg::Request }
    }

    /// Frames 1 to `count`, all of one width, the even ones expiring at 10 times their number.
    fn filled(count: u64) -> (Outbox, usize) {
        let (link, mut out) = (link(), Outbox::new());
        for number in 1..=count {
            let mut message = Message::of(Mti::known(b"0800"));
            message.set(field::STAN, number);
            let expires = (number % 2 == 0).then_some(Tick(number * 10));
            out.push(&link, &message, Some(tag(number)), expires).unwrap();
        }
        let width = out.len() / usize::try_from(count).unwrap();
        (out, width)
    }

    /// The trace numbers in what waits, which begins with a whole frame.
    fn numbers(out: &Outbox, width: usize) -> Vec<u64> {
        let number = |frame: &[u8]| std::str::from_utf8(&frame[width - 6..]).unwrap().parse();
        out.bytes().chunks(width).map(|frame| number(frame).unwrap()).collect()
    }

    #[test]
    fn a_frame_is_begun_with_its_first_byte() {
        let (mut out, width) = filled(3);
        let mut fates = Vec::new();
        out.advance(width, |fate| fates.push(fate));
        assert_eq!(fates, [Fate::Begun(tag(1))]);
        out.advance(1, |fate| fates.push(fate));
        assert_eq!(fates.pop(), Some(Fate::Begun(tag(2))));
        fates.clear();
        out.abandon(|fate| fates.push(fate));
        assert_eq!(fates, [Fate::Dropped(tag(3), Unsent::Closed)]);
        assert!(out.is_empty());
    }

    #[test]
    fn what_expired_is_taken_out_and_the_rest_moves_up() {
        let (mut out, width) = filled(6);
        let mut fates = Vec::new();
        out.expire(Tick(19), |fate| fates.push(fate));
        assert!(fates.is_empty());
        out.expire(Tick(40), |fate| fates.push(fate));
        let expired = |number| Fate::Dropped(tag(number), Unsent::Expired);
        assert_eq!(fates, [expired(2), expired(4)]);
        assert_eq!(numbers(&out, width), [1, 3, 5, 6]);
        fates.clear();
        out.advance(width * 2 + 1, |fate| fates.push(fate));
        assert_eq!(fates, [1, 3, 5].map(|number| Fate::Begun(tag(number))));
        fates.clear();
        out.expire(Tick(1_000), |fate| fates.push(fate));
        assert_eq!(fates, [expired(6)]);
        assert_eq!(out.len(), width - 1, "the rest of a begun frame stays");
    }

    #[test]
    fn a_begun_frame_does_not_expire() {
        let (mut out, width) = filled(2);
        out.advance(width + 1, |_| {});
        out.expire(Tick(1_000), |fate| panic!("{fate:?}"));
        assert_eq!(out.len(), width - 1);
    }

    #[test]
    fn the_last_frame_can_be_taken_back_until_it_is_begun() {
        let (mut out, width) = filled(3);
        assert!(out.take_back(width));
        assert_eq!(numbers(&out, width), [1, 2]);
        out.advance(width + 1, |_| {});
        assert!(!out.take_back(width));
        out.abandon(|fate| panic!("{fate:?}"));
    }
}
