//! The side that is connected to, for a listener that is no link: HTTP.
//!
//! Hands are shaken where its connections are served, under the bounds of a link: a deadline for
//! each, and a number at one time, of which one address has a share. Its files are read again as
//! those of links are, by themselves.

use super::TlsError;
use super::crowd::Crowd;
use super::handshake::{Complaints, Failure, HandshakeFault, LOOK};
use super::renewal::{Certificates, Endpoint, Files, Holder};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_rustls::TlsAcceptor;
use veksel_config::ListenTls;

/// A connection that was accepted and shook hands.
pub type TlsAccepted = tokio_rustls::server::TlsStream<TcpStream>;

/// TLS of a listener. A clone is the same.
#[derive(Clone)]
pub struct TlsServer(Arc<Inner>);

struct Inner {
    name: &'static str,
    certificates: Certificates,
    endpoint: Arc<Endpoint>,
    limit: Duration,
    room: Arc<Semaphore>,
    crowd: Crowd,
    complaints: Complaints,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl TlsServer {
    /// Reads the files. `name` is what the log calls the listener.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn load(name: &'static str, config: &ListenTls) -> Result<Self, TlsError> {
        let certificates = Certificates::default();
        let files = Files::Listen(config.clone());
        let endpoint = certificates.add(Holder::Listener(name), files)?;
        let limit = Duration::from_millis(config.handshake_ms);
        let room = Arc::new(Semaphore::new(config.handshakes_max as usize));
        let crowd = Crowd::new(config.handshakes_max as usize);
        let complaints = Complaints::default();
        let inner = Inner { name, certificates, endpoint, limit, room, crowd, complaints };
        Ok(Self(Arc::new(inner)))
    }

    /// Leave for one handshake, to be had before a connection is accepted: while all are under
    /// way, the next connections wait with the system.
    ///
    /// # Errors
    /// There will be none any more.
    pub async fn leave(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.0.room).acquire_owned().await
    }

    /// Shakes hands within the time there is for it, and gives the leave back. An address that has
    /// its share under way is closed at once. What fails is told of in the log, now and then.
    ///
    /// # Errors
    /// Why there is no session. The socket is closed.
    pub async fn accept(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        leave: OwnedSemaphorePermit,
    ) -> Result<TlsAccepted, HandshakeFault> {
        let Inner { name, endpoint, limit, crowd, complaints, .. } = &*self.0;
        let shaken = match (crowd.enter(peer.ip()), endpoint.server()) {
            (None, _) => Err(Failure::crowded(crowd.share())),
            (Some(_), None) => Err(Failure::unarmed()),
            (Some(_entered), Some(config)) => {
                match timeout(*limit, TlsAcceptor::from(config).accept(socket)).await {
                    Ok(shaken) => shaken.map_err(|error| Failure::of(&error)),
                    Err(_) => Err(Failure::late(*limit)),
                }
            }
        };
        drop(leave);
        shaken.map_err(|failure| {
            complaints.tell(name, peer, &failure);
            failure.fault
        })
    }

    /// When the first of its certificates and lists ends, in seconds of Unix time.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.0.endpoint.expires()
    }

    /// What it shakes hands with.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.0.certificates
    }

    /// Reads files again when they change, and never ends.
    pub async fn watch(self) {
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let certificates = self.0.certificates.clone();
            // Files may be slow. A panic while they are read is told of by the hook.
            let _ = tokio::task::spawn_blocking(move || certificates.look()).await;
        }
    }
}
