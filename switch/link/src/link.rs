//! One link as its connections see it: how it frames, what it speaks and what its peers may do.
//!
//! Taken from a checked configuration once; durations are in the units the hot path compares.

use crate::counters::Counters;
use crate::mac::{MacError, Macs};
use bytes::BytesMut;
use std::num::NonZeroU64;
use std::rc::Rc;
use tracing::info;
use veksel_codecs::{Codec, EncodeError, Framing, Message};
use veksel_config::{DialConfig, ListenConfig, MacConfig};
use veksel_core::plan::LinkId;

/// Sent bytes that a peer of a listener does not confirm for so long end the connection, and so
/// do waiting bytes that it does not take (guarantees 4.2: 20 s).
const PEER_TIMEOUT_MS: u64 = 20_000;

/// Which side of the switch a link is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Peers connect to it and ask.
    Channel {
        /// Whether a field that the presence matrix does not name is a format error.
        strict: bool,
    },
    /// The switch connects to it and asks.
    Host,
}

/// What a peer may do.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) side: Side,
    pub(crate) in_flight_max: u32,
    pub(crate) frame_deadline_ms: u64,
    /// `None` lets a connection be silent for ever.
    pub(crate) idle_ms: Option<NonZeroU64>,
    pub(crate) outbound_max: usize,
    pub(crate) malformed_max: u32,
    pub(crate) malformed_window_ms: u64,
    /// Both `TCP_USER_TIMEOUT` and how long waiting bytes may make no progress.
    pub(crate) peer_timeout_ms: u64,
}

/// One link.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) codec: Rc<Codec>,
    pub(crate) framing: Framing,
    /// `None` neither checks nor makes any.
    pub(crate) macs: Option<Macs>,
    pub(crate) rules: Rules,
    pub(crate) counters: Counters,
}

impl Link {
    pub(crate) fn listening(
        id: LinkId,
        config: &ListenConfig,
        codec: Rc<Codec>,
    ) -> Result<Self, MacError> {
        let rules = Rules {
            side: Side::Channel { strict: config.strict },
            in_flight_max: config.in_flight_max,
            frame_deadline_ms: config.frame_deadline_ms,
            idle_ms: NonZeroU64::new(config.idle_ms),
            outbound_max: config.outbound_max as usize,
            malformed_max: config.malformed_max,
            malformed_window_ms: config.malformed_window_ms,
            peer_timeout_ms: PEER_TIMEOUT_MS,
        };
        Self::new(id, codec, config.framing.clone(), config.mac.as_ref(), rules)
    }

    /// A host is never cut off for what it sends between whole frames: its session and its
    /// breaker judge it.
    pub(crate) fn dialling(
        id: LinkId,
        config: &DialConfig,
        codec: Rc<Codec>,
    ) -> Result<Self, MacError> {
        let rules = Rules {
            side: Side::Host,
            in_flight_max: u32::MAX,
            frame_deadline_ms: config.frame_deadline_ms,
            idle_ms: None,
            outbound_max: config.outbound_max as usize,
            malformed_max: u32::MAX,
            malformed_window_ms: 0,
            peer_timeout_ms: config.tcp_user_timeout_ms,
        };
        Self::new(id, codec, config.framing.clone(), config.mac.as_ref(), rules)
    }

    fn new(
        id: LinkId,
        codec: Rc<Codec>,
        framing: Framing,
        mac: Option<&MacConfig>,
        rules: Rules,
    ) -> Result<Self, MacError> {
        let macs = mac.map(|mac| Macs::load(mac, &codec)).transpose()?;
        if let Some(macs) = &macs {
            info!(link = id.0, keys = ?macs, "messages are authenticated");
        }
        Ok(Self { id, codec, framing, macs, rules, counters: Counters::default() })
    }

    /// Appends a message as it goes over the wire. Only an answer carries a header of its own,
    /// that of its request.
    pub(crate) fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let header = if message.mti().is_request() { &[] } else { message.header() };
        self.framing.encode(header, out, |out| match &self.macs {
            Some(macs) => macs.encode(&self.codec, message, out),
            None => self.codec.encode(message, out),
        })
    }

    pub(crate) fn checks_macs(&self) -> bool {
        self.macs.as_ref().is_some_and(Macs::checks)
    }

    pub(crate) fn is_host(&self) -> bool {
        self.rules.side == Side::Host
    }
}
