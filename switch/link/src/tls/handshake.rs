//! Shaking hands, on a thread that is not the shard's.
//!
//! A handshake costs a fifth of a millisecond and more, so a few hundred at once on the shard's
//! thread would hold every payment up. Here they hold up only each other. The shard hands over a
//! socket and gets it back with its session; a listener has a bound on how many are under way.
//! The thread ends with the shard that started it, and looks after the files in between.

use super::records::Records;
use super::renewal::Certificates;
use super::session::Session;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Connection, Error, ServerConfig};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at, timeout};
use tracing::{debug, warn};

/// Jobs that wait for the thread to take them; the listeners bound how many there can be.
const JOBS_MAX: usize = 1_024;

/// How often files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(10);

/// How often a handshake that failed is told of.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Why there is no session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HandshakeFault {
    /// It took too long.
    Timeout,
    /// The peer went.
    Gone,
    /// The peer showed no certificate.
    NoCertificate,
    /// The peer's certificate is not believed: of an unknown CA, out of its time, revoked, not
    /// for this use or this name.
    Certificate,
    /// The certificate is good, and nobody here is known by it.
    Stranger,
    /// The peer does not believe our certificate, or has nothing in common with us.
    Alert,
    /// The peer speaks something else, or an older TLS.
    Protocol,
    /// The peer's address has its share of unfinished handshakes.
    Crowded,
}

impl HandshakeFault {
    /// Every fault, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Timeout,
        Self::Gone,
        Self::NoCertificate,
        Self::Certificate,
        Self::Stranger,
        Self::Alert,
        Self::Protocol,
        Self::Crowded,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Gone => "gone",
            Self::NoCertificate => "no_certificate",
            Self::Certificate => "certificate",
            Self::Stranger => "stranger",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Crowded => "crowded",
        }
    }

    fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match (inner, error.kind()) {
            (Some(Error::NoCertificatesPresented), _) => Self::NoCertificate,
            (Some(Error::InvalidCertificate(_)), _) => Self::Certificate,
            (Some(Error::AlertReceived(_)), _) => Self::Alert,
            (Some(_), _) => Self::Protocol,
            (None, ErrorKind::InvalidData) => Self::Protocol,
            (None, ErrorKind::TimedOut) => Self::Timeout,
            (None, _) => Self::Gone,
        }
    }
}

/// A handshake that failed, for the counters and for the log.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: HandshakeFault,
    /// What the library said. It has nothing secret in it.
    pub(crate) detail: String,
}

impl Failure {
    /// It took longer than this.
    pub(super) fn late(limit: Duration) -> Self {
        let detail = format!("no end of the handshake within {} ms", limit.as_millis());
        Self { fault: HandshakeFault::Timeout, detail }
    }

    /// The address of the peer has so many under way already.
    pub(super) fn crowded(share: usize) -> Self {
        let detail = format!("its address has {share} handshakes under way");
        Self { fault: HandshakeFault::Crowded, detail }
    }

    /// There is nothing to shake hands with: a defect.
    pub(crate) fn unarmed() -> Self {
        let detail = "the listener has nothing to shake hands with".to_owned();
        Self { fault: HandshakeFault::Gone, detail }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let detail = match inner {
            // Names the purposes as numbers of ASN.1.
            Some(Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. })) => {
                "the certificate is not for this use".to_owned()
            }
            _ => error.to_string(),
        };
        Self { fault: HandshakeFault::of(error), detail }
    }
}

/// Failed handshakes of a listener, told of now and then: a peer must not be able to fill the log.
#[derive(Default)]
pub(crate) struct Complaints(Mutex<Option<Instant>>);

impl Complaints {
    /// Tells of one, if the last was a while ago.
    pub(crate) fn tell(&self, listener: &dyn fmt::Display, peer: SocketAddr, failure: &Failure) {
        let Failure { fault, detail } = failure;
        let fault = fault.word();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            *last = Some(Instant::now());
            warn!(%listener, %peer, fault, detail, "connection refused by TLS; \
                   others within 10 s are only counted");
        } else {
            debug!(%listener, %peer, fault, detail, "connection refused by TLS");
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure.fault {
            HandshakeFault::Timeout => ErrorKind::TimedOut,
            HandshakeFault::Gone | HandshakeFault::Crowded => ErrorKind::ConnectionReset,
            HandshakeFault::NoCertificate
            | HandshakeFault::Certificate
            | HandshakeFault::Stranger
            | HandshakeFault::Alert
            | HandshakeFault::Protocol => ErrorKind::InvalidData,
        };
        Self::new(kind, format!("TLS: {}", failure.detail))
    }
}

/// Which side of a handshake we are.
pub(crate) enum Part {
    Accept(Arc<ServerConfig>),
    Connect(Arc<ClientConfig>, ServerName<'static>),
}

struct Job {
    socket: net::TcpStream,
    part: Part,
    limit: Duration,
    done: oneshot::Sender<Result<Done, Failure>>,
}

struct Done {
    socket: net::TcpStream,
    tls: Connection,
    records: Records,
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Handshaker(mpsc::Sender<Job>);

impl Handshaker {
    /// Starts the thread.
    pub(crate) fn spawn(certificates: Certificates) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel(JOBS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || runtime.block_on(serve(taken, &certificates));
        thread::Builder::new().name("tls".to_owned()).spawn(body)?;
        Ok(Self(jobs))
    }

    /// Shakes hands on a socket within `limit`. To stop waiting gives the socket up.
    pub(crate) async fn shake(
        &self,
        socket: TcpStream,
        part: Part,
        limit: Duration,
    ) -> Result<Session, Failure> {
        let failed = |error: io::Error| Failure::of(&error);
        let socket = socket.into_std().map_err(failed)?;
        let (done, answer) = oneshot::channel();
        let ended = || {
            let detail = "the thread that shakes hands has ended".to_owned();
            Failure { fault: HandshakeFault::Gone, detail }
        };
        self.0.send(Job { socket, part, limit, done }).await.map_err(|_| ended())?;
        let Done { socket, tls, records } = answer.await.map_err(|_| ended())??;
        Ok(Session::new(TcpStream::from_std(socket).map_err(failed)?, tls, records))
    }
}

impl Session {
    /// What the peer showed, its own certificate first.
    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls().peer_certificates()
    }
}

/// The body of the thread, until nobody can send jobs any more.
async fn serve(mut jobs: mpsc::Receiver<Job>, certificates: &Certificates) {
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => drop(tokio::spawn(carry_out(job))),
                None => return,
            },
            _ = look.tick() => certificates.look(),
        }
    }
}

async fn carry_out(job: Job) {
    let Job { socket, part, limit, mut done } = job;
    let result = tokio::select! {
        result = timeout(limit, shake(socket, part)) => match result {
            Ok(result) => result.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::late(limit)),
        },
        () = done.closed() => return,
    };
    // Whoever asked may have gone in the meantime.
    let _ = done.send(result);
}

async fn shake(socket: net::TcpStream, part: Part) -> io::Result<Done> {
    let socket = Watched { socket: TcpStream::from_std(socket)?, records: Records::default() };
    let (Watched { socket, records }, tls) = match part {
        Part::Accept(config) => {
            let (socket, tls) =
                tokio_rustls::TlsAcceptor::from(config).accept(socket).await?.into_inner();
            (socket, Connection::Server(tls))
        }
        Part::Connect(config, name) => {
            let (socket, tls) =
                tokio_rustls::TlsConnector::from(config).connect(name, socket).await?.into_inner();
            (socket, Connection::Client(tls))
        }
    };
    Ok(Done { socket: socket.into_std()?, tls, records })
}

/// A socket that notes where the peer's records end.
struct Watched {
    socket: TcpStream,
    records: Records,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, into))?;
        self.records.take(into.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
