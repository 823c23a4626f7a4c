//! One link as its connections see it: how it frames, what it speaks and what its peers may do.
//!
//! Taken from a checked configuration once; durations are in the units the hot path compares.

use crate::counters::Counters;
use crate::mac::{MacError, Macs};
use crate::tls::TlsError;
use crate::tls::client::name;
use crate::tls::handshake::Handshaker;
use crate::tls::renewal::{Certificates, Endpoint, Files, Holder};
use bytes::BytesMut;
use rustls::pki_types::ServerName;
use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::info;
use veksel_codecs::{Codec, EncodeError, Framing, Message};
use veksel_config::{Cidr, DialConfig, Identities, ListenConfig, MacConfig, TcpKeepAlive};
use veksel_core::plan::LinkId;

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
    pub(crate) keep_alive: TcpKeepAlive,
    /// Connections of a listener beyond which the next is closed at once.
    pub(crate) connections_max: u32,
}

/// Why a link cannot be used. Nothing of it was started.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The keys of its MACs.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How the connections of a link are encrypted.
pub(crate) struct LinkTls {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) handshaker: Handshaker,
    /// For one handshake.
    pub(crate) limit: Duration,
    /// Handshakes at once.
    pub(crate) room: Arc<Semaphore>,
    /// Who the peers of a listener are, if their certificates say so.
    pub(crate) identities: Option<Identities>,
    /// Whom a host must be.
    pub(crate) name: Option<ServerName<'static>>,
}

/// One link.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) codec: Rc<Codec>,
    pub(crate) framing: Framing,
    /// `None` neither checks nor makes any. Shared with what followed on it, so that connections
    /// made before get the keys of today.
    pub(crate) macs: Option<Rc<RefCell<Macs>>>,
    /// `None` is plaintext.
    pub(crate) tls: Option<LinkTls>,
    /// Who may connect; `None` is everybody.
    pub(crate) allow: Option<Vec<Cidr>>,
    pub(crate) rules: Rules,
    /// Of all that were this link.
    pub(crate) counters: Rc<Counters>,
    /// Whether connections are still made by it; nothing that is renewed is.
    pub(crate) is_current: Cell<bool>,
}

/// What wants TLS never goes without.
fn no_hands() -> TlsError {
    TlsError::Thread(std::io::Error::other("nobody shakes hands"))
}

impl Link {
    pub(crate) fn listening(
        id: LinkId,
        config: &ListenConfig,
        codec: Rc<Codec>,
        (certificates, handshaker): (&Certificates, Option<Handshaker>),
        before: Option<&Self>,
    ) -> Result<Self, LinkError> {
        let rules = Rules {
            side: Side::Channel { strict: config.strict },
            in_flight_max: config.in_flight_max,
            frame_deadline_ms: config.frame_deadline_ms,
            idle_ms: NonZeroU64::new(config.idle_ms),
            outbound_max: config.outbound_max as usize,
            malformed_max: config.malformed_max,
            malformed_window_ms: config.malformed_window_ms,
            peer_timeout_ms: config.tcp_user_timeout_ms,
            keep_alive: config.tcp_keep_alive,
            connections_max: config.connections_max,
        };
        let link =
            Self::new(id, codec, config.framing.clone(), config.mac.as_ref(), rules, before)?;
        let tls = match (&config.tls, handshaker) {
            (None, _) => None,
            (Some(_), None) => return Err(no_hands().into()),
            (Some(tls), Some(handshaker)) => Some(LinkTls {
                endpoint: certificates.add(Holder::Link(id), Files::Listen(tls.clone()))?,
                handshaker,
                limit: Duration::from_millis(tls.handshake_ms),
                room: Arc::new(Semaphore::new(tls.handshakes_max as usize)),
                identities: config.identities.clone(),
                name: None,
            }),
        };
        Ok(Self { tls, allow: config.allow.clone(), ..link })
    }

    /// A host is never cut off for what it sends between whole frames: its session and its
    /// breaker judge it.
    pub(crate) fn dialling(
        id: LinkId,
        config: &DialConfig,
        codec: Rc<Codec>,
        (certificates, handshaker): (&Certificates, Option<Handshaker>),
        before: Option<&Self>,
    ) -> Result<Self, LinkError> {
        let rules = Rules {
            side: Side::Host,
            in_flight_max: u32::MAX,
            frame_deadline_ms: config.frame_deadline_ms,
            idle_ms: None,
            outbound_max: config.outbound_max as usize,
            malformed_max: u32::MAX,
            malformed_window_ms: 0,
            peer_timeout_ms: config.tcp_user_timeout_ms,
            keep_alive: config.tcp_keep_alive,
            connections_max: u32::MAX,
        };
        let link =
            Self::new(id, codec, config.framing.clone(), config.mac.as_ref(), rules, before)?;
        let tls = match (&config.tls, handshaker) {
            (None, _) => None,
            (Some(_), None) => return Err(no_hands().into()),
            (Some(tls), Some(handshaker)) => Some(LinkTls {
                name: Some(name(tls, &config.destination.host)?),
                endpoint: certificates.add(Holder::Link(id), Files::Dial(tls.clone()))?,
                handshaker,
                limit: Duration::from_millis(tls.handshake_ms),
                // The dialler makes one attempt at a time.
                room: Arc::new(Semaphore::new(1)),
                identities: None,
            }),
        };
        Ok(Self { tls, ..link })
    }

    fn new(
        id: LinkId,
        codec: Rc<Codec>,
        framing: Framing,
        mac: Option<&MacConfig>,
        rules: Rules,
        before: Option<&Self>,
    ) -> Result<Self, MacError> {
        let macs = mac.map(|mac| Macs::load(mac, &codec)).transpose()?;
        if let Some(macs) = &macs {
            info!(link = id.0, keys = ?macs, "messages are authenticated");
        }
        Ok(Self {
            id,
            codec,
            framing,
            macs: macs.map(|macs| Rc::new(RefCell::new(macs))),
            tls: None,
            allow: None,
            rules,
            counters: before.map(|before| Rc::clone(&before.counters)).unwrap_or_default(),
            is_current: Cell::new(true),
        })
    }

    /// Appends a message as it goes over the wire. Only an answer carries a header of its own,
    /// that of its request.
    pub(crate) fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let header = if message.mti().is_request() { &[] } else { message.header() };
        self.framing.encode(header, out, |out| match &self.macs {
            Some(macs) => macs.borrow().encode(&self.codec, message, out),
            None => self.codec.encode(message, out),
        })
    }

    /// Takes the place of another. Connections made by that one get the same keys as the new
    /// ones, if nothing but the keys is different.
    pub(crate) fn succeed(mut self, before: &Self) -> Self {
        before.is_current.set(false);
        if let (Some(mine), Some(theirs)) = (&self.macs, &before.macs)
            && mine.borrow().differs_in_keys_only(&theirs.borrow())
        {
            theirs.swap(mine);
            self.macs = Some(Rc::clone(theirs));
        }
        self
    }

    pub(crate) fn checks_macs(&self) -> bool {
        self.macs.as_ref().is_some_and(|macs| macs.borrow().checks())
    }

    pub(crate) fn is_host(&self) -> bool {
        self.rules.side == Side::Host
    }
}
