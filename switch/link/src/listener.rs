//! Accepting connections.

use crate::link::Link;
use crate::stream::{Stream, prepare};
use crate::tls::handshake::{Complaints, Failure, HandshakeFault, Part};
use crate::tls::identity;
use crate::tls::renewal::Holder;
use crate::tls::session::Session;
use crate::wires::Shard;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};
use veksel_core::plan::ParticipantId;

/// Connections that the system may make ready before they are accepted.
const BACKLOG: i32 = 1_024;

/// How long to wait when the system has no descriptor or memory for a connection. Asking again at
/// once would spin: the connection stays ready.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a listening socket. An error says for which address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Without it a restart would wait for the old connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Accepts until it is aborted.
pub(crate) async fn accept(shard: Rc<Shard>, mut link: Rc<Link>, listener: TcpListener) {
    let mut is_short = false;
    let complaints = Rc::new(Complaints::default());
    loop {
        shard.inbox.room().await;
        // While all handshakes are taken, the next connections wait with the system.
        let Some(permit) = leave_to_shake(&link).await else { return };
        let accepted = listener.accept().await;
        let mut permit = permit;
        if !link.is_current.get()
            && let Some(current) = shard.link(link.id)
        {
            link = current;
            let Some(other) = leave_to_shake(&link).await else { return };
            permit = other;
        }
        match accepted {
            Ok((stream, peer)) => {
                is_short = false;
                if let Some(stream) = welcome(&link, stream, peer) {
                    match permit {
                        Some(permit) => {
                            let hands = Hands { shard: Rc::clone(&shard), link: Rc::clone(&link) };
                            let complaints = Rc::clone(&complaints);
                            // Before the task runs: the next connections count it already.
                            let shaking = &link.counters.shaking;
                            shaking.set(shaking.get().saturating_add(1));
                            let shaking = hands.shake(stream, peer, permit, complaints);
                            tokio::task::spawn_local(shaking);
                        }
                        None => {
                            link.counters.accepted.add(1);
                            shard.open(&link, Stream::Plain(stream), peer, None);
                        }
                    }
                }
            }
            Err(error) if is_of_peer(&error) => {
                link.counters.accept_failures.add(1);
                debug!(link = link.id.0, %error, "connection was gone before it was accepted");
            }
            Err(error) => {
                link.counters.accept_failures.add(1);
                if !std::mem::replace(&mut is_short, true) {
                    warn!(link = link.id.0, %error, "cannot accept connections for now");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the error says something of one connection only.
fn is_of_peer(error: &io::Error) -> bool {
    let kinds = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted];
    kinds.contains(&error.kind())
}

/// Leave to shake hands, if the link wants any shaken; `None` ends the listener.
async fn leave_to_shake(link: &Link) -> Option<Option<OwnedSemaphorePermit>> {
    match &link.tls {
        // Nobody closes it; but what wants TLS never goes without.
        Some(tls) => Arc::clone(&tls.room).acquire_owned().await.ok().map(Some),
        None => Some(None),
    }
}

/// Whether a connection may stay, before anything is spent on it.
fn welcome(link: &Link, stream: TcpStream, peer: SocketAddr) -> Option<TcpStream> {
    let counters = &link.counters;
    if link.allow.as_ref().is_some_and(|own| !own.iter().any(|one| one.holds(peer.ip()))) {
        counters.forbidden.add(1);
        debug!(link = link.id.0, %peer, "connection refused: its network may not connect");
        return None;
    }
    if counters.open.get().saturating_add(counters.shaking.get()) >= link.rules.connections_max {
        counters.refused.add(1);
        debug!(link = link.id.0, %peer, "connection refused: the listener has enough");
        return None;
    }
    match prepare(&stream, link.rules.peer_timeout_ms, link.rules.keep_alive) {
        Ok(()) => Some(stream),
        Err(error) => {
            counters.accept_failures.add(1);
            debug!(link = link.id.0, %peer, %error, "connection was gone when it was accepted");
            None
        }
    }
}

/// A handshake of a listener.
struct Hands {
    shard: Rc<Shard>,
    link: Rc<Link>,
}

impl Hands {
    /// Shakes hands and takes the connection into use, if its peer is somebody.
    async fn shake(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
        complaints: Rc<Complaints>,
    ) {
        let counters = &self.link.counters;
        let outcome = self.agree(stream).await;
        counters.shaking.set(counters.shaking.get().saturating_sub(1));
        drop(permit);
        match outcome {
            // After a renewal the peer is judged anew, when it comes again.
            Ok(_) if self.shard.is_stopping() || !self.link.is_current.get() => {}
            Ok((session, participant)) => {
                counters.handshakes.add(1);
                counters.accepted.add(1);
                let stream = Stream::Tls(Box::new(session));
                self.shard.open(&self.link, stream, peer, participant);
            }
            Err(failure) => {
                counters.add_handshake_fault(failure.fault);
                complaints.tell(&Holder::Link(self.link.id), peer, &failure);
            }
        }
    }

    async fn agree(&self, stream: TcpStream) -> Result<(Session, Option<ParticipantId>), Failure> {
        let tls = self.link.tls.as_ref().ok_or_else(Failure::unarmed)?;
        let config = tls.endpoint.server().ok_or_else(Failure::unarmed)?;
        let session = tls.handshaker.shake(stream, Part::Accept(config), tls.limit).await?;
        let Some(identities) = &tls.identities else { return Ok((session, None)) };
        match identity::participant(identities, session.peer_certificates()) {
            Ok(participant) => Ok((session, Some(participant))),
            Err(identity::Stranger) => Err(Failure {
                fault: HandshakeFault::Stranger,
                detail: "no participant of the listener is known by its certificate".to_owned(),
            }),
        }
    }
}
