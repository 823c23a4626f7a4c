//! What a link has done so far, and the closed set of reasons for which connections end.
//!
//! Plain numbers, read by whoever makes metrics of them. Labels come from the enum here, never
//! from a peer.

use crate::tls::handshake::HandshakeFault;
use std::cell::Cell;
use std::io;
use veksel_core::Closing;

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CloseReason {
    /// The peer closed it between two frames.
    PeerClosed,
    /// The peer closed it within a frame.
    CutFrame,
    /// The peer or the network broke it, or the peer confirmed nothing for too long.
    Reset,
    /// What the peer sent is no TLS of its session.
    BadRecord,
    /// The peer sent a length that no frame of this link can have. What follows cannot be found.
    BadFrame,
    /// The rest of a frame did not come in time.
    FrameDeadline,
    /// The peer took no byte for too long while some were waiting.
    WriteStalled,
    /// The peer asks and does not read the answers: too many of them are waiting.
    NotReading,
    /// The answer has a value that the channel's dialect cannot say.
    Unanswerable,
    /// Nothing went either way for too long.
    Idle,
    /// Too many frames in a short time were no messages at all.
    Malformed,
    /// Too many messages in a short time bore a wrong MAC.
    Unauthentic,
    /// Too many empty frames in a row.
    KeepAlives,
    /// The engine: sign-on was refused or not answered.
    SignOn,
    /// The engine: echoes were not answered.
    Echo,
    /// The engine: more connections than its plan allows.
    TooMany,
    /// The engine: others with the settings that hold now have taken its place.
    Renewed,
    /// The switch is stopping.
    Stopped,
}

impl CloseReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 18] = [
        Self::PeerClosed,
        Self::CutFrame,
        Self::Reset,
        Self::BadRecord,
        Self::BadFrame,
        Self::FrameDeadline,
        Self::WriteStalled,
        Self::NotReading,
        Self::Unanswerable,
        Self::Idle,
        Self::Malformed,
        Self::Unauthentic,
        Self::KeepAlives,
        Self::SignOn,
        Self::Echo,
        Self::TooMany,
        Self::Renewed,
        Self::Stopped,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::CutFrame => "cut_frame",
            Self::Reset => "reset",
            Self::BadRecord => "bad_record",
            Self::BadFrame => "bad_frame",
            Self::FrameDeadline => "frame_deadline",
            Self::WriteStalled => "write_stalled",
            Self::NotReading => "not_reading",
            Self::Unanswerable => "unanswerable",
            Self::Idle => "idle",
            Self::Malformed => "malformed",
            Self::Unauthentic => "unauthentic",
            Self::KeepAlives => "keep_alives",
            Self::SignOn => "sign_on",
            Self::Echo => "echo",
            Self::TooMany => "too_many",
            Self::Renewed => "renewed",
            Self::Stopped => "stopped",
        }
    }
}

impl CloseReason {
    /// Why a connection ends that cannot be read.
    pub(crate) fn of_reading(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::BadRecord } else { Self::Reset }
    }
}

impl From<Closing> for CloseReason {
    fn from(why: Closing) -> Self {
        match why {
            Closing::SignOn => Self::SignOn,
            Closing::Echo => Self::Echo,
            Closing::TooMany => Self::TooMany,
            Closing::Renewed => Self::Renewed,
        }
    }
}

/// The numbers of one link at one instant. All but the first two only ever grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkStats {
    /// Connections that are open.
    pub connections: u64,
    /// Bytes held for them: frames that are not whole or not yet taken, and what waits to be
    /// written.
    pub buffered: u64,
    /// Connections that were accepted and kept.
    pub accepted: u64,
    /// Connections that were closed at once because the listener has enough.
    pub refused: u64,
    /// Connections that were closed at once because they came from a network that may not.
    pub forbidden: u64,
    /// TLS handshakes that succeeded.
    pub handshakes: u64,
    /// TLS handshakes that did not, by reason in the order of [`HandshakeFault::ALL`].
    pub handshake_faults: [u64; HandshakeFault::ALL.len()],
    /// When the first of its certificates and revocation lists ends, in seconds of Unix time; 0
    /// without TLS.
    pub tls_expires: i64,
    /// Times the system could not give a connection that waited, mostly for lack of descriptors.
    pub accept_failures: u64,
    /// Connections that were made.
    pub dialled: u64,
    /// Attempts to make one that failed.
    pub dial_failures: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Whole frames read that were not empty.
    pub frames_in: u64,
    /// Frames put into a buffer to be written.
    pub frames_out: u64,
    /// Empty frames read.
    pub keep_alives: u64,
    /// Frames that were refused, the unreadable among them.
    pub malformed: u64,
    /// Frames without so much as a message type.
    pub unreadable: u64,
    /// Messages whose MAC was missing or wrong.
    pub unauthentic: u64,
    /// Messages that were dropped before their first byte was written.
    pub unsent: u64,
    /// Connections that ended, by reason in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
}

impl LinkStats {
    /// How many handshakes failed for this reason.
    #[must_use]
    pub fn handshake_fault(&self, why: HandshakeFault) -> u64 {
        self.handshake_faults.get(why as usize).copied().unwrap_or(0)
    }

    /// How many connections ended for this reason.
    #[must_use]
    pub fn closed(&self, why: CloseReason) -> u64 {
        self.closed.get(why as usize).copied().unwrap_or(0)
    }
}

/// One number that grows.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    pub(crate) fn add(&self, more: usize) {
        self.0.set(self.0.get().wrapping_add(more as u64));
    }

    const fn get(&self) -> u64 {
        self.0.get()
    }
}

/// The numbers of one link, being counted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) open: Cell<u32>,
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) forbidden: Counter,
    /// Handshakes under way.
    pub(crate) shaking: Cell<u32>,
    pub(crate) handshakes: Counter,
    handshake_faults: [Counter; HandshakeFault::ALL.len()],
    pub(crate) accept_failures: Counter,
    pub(crate) dialled: Counter,
    pub(crate) dial_failures: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) frames_in: Counter,
    pub(crate) frames_out: Counter,
    pub(crate) keep_alives: Counter,
    pub(crate) malformed: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) unauthentic: Counter,
    pub(crate) unsent: Counter,
    closed: [Counter; CloseReason::ALL.len()],
}

impl Counters {
    pub(crate) fn add_handshake_fault(&self, why: HandshakeFault) {
        if let Some(counter) = self.handshake_faults.get(why as usize) {
            counter.add(1);
        }
    }

    pub(crate) fn add_closed(&self, why: CloseReason) {
        if let Some(counter) = self.closed.get(why as usize) {
            counter.add(1);
        }
    }

    /// `buffered` and `tls_expires` are for whoever knows them to fill in.
    pub(crate) fn snapshot(&self) -> LinkStats {
        LinkStats {
            connections: self.open.get().into(),
            buffered: 0,
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            forbidden: self.forbidden.get(),
            handshakes: self.handshakes.get(),
            handshake_faults: self.handshake_faults.each_ref().map(Counter::get),
            tls_expires: 0,
            accept_failures: self.accept_failures.get(),
            dialled: self.dialled.get(),
            dial_failures: self.dial_failures.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            frames_in: self.frames_in.get(),
            frames_out: self.frames_out.get(),
            keep_alives: self.keep_alives.get(),
            malformed: self.malformed.get(),
            unreadable: self.unreadable.get(),
            unauthentic: self.unauthentic.get(),
            unsent: self.unsent.get(),
            closed: self.closed.each_ref().map(Counter::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_word() {
        let counters = Counters::default();
        for (times, why) in CloseReason::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| counters.add_closed(why));
        }
        let stats = counters.snapshot();
        for (times, why) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(stats.closed(why), times as u64 + 1, "{}", why.word());
        }
    }
}
