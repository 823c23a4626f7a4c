//! The seam between connections and what carries their bytes: a TCP socket, or TLS on one.
//!
//! An enum rather than a trait object, so that plaintext costs a branch that always goes one way.

use crate::tls::session::{Session, Written};
use socket2::{SockRef, TcpKeepalive as SocketKeepalive};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use veksel_config::TcpKeepAlive;

/// A connected stream of bytes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Session>),
}

/// Takes a TCP connection into use: no delay, keep-alive, and an end to bytes that nobody
/// confirms.
pub(crate) fn prepare(
    stream: &TcpStream,
    user_timeout_ms: u64,
    keep_alive: TcpKeepAlive,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if keep_alive.idle_ms > 0 {
        let asking = SocketKeepalive::new()
            .with_time(Duration::from_millis(keep_alive.idle_ms))
            .with_interval(Duration::from_millis(keep_alive.interval_ms))
            .with_retries(keep_alive.probes);
        socket.set_tcp_keepalive(&asking)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_millis(user_timeout_ms)))?;
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout_ms;
    Ok(())
}

impl Stream {
    /// Reads what there is; 0 is the end. A read that does not fill `into` is known to have
    /// emptied the socket, so that the next poll waits without another system call. An error of
    /// the kind `InvalidData` is the peer's: what it sent is no TLS of this session.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => {
                let mut buffer = ReadBuf::new(into);
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Self::Tls(session) => session.poll_read(cx, into),
        }
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(session) => session.socket(),
        }
    }

    /// Whether the peer has begun something that is not yet whole enough to be read.
    pub(crate) fn is_within_record(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => session.is_within_record(),
        }
    }

    /// Whether bytes that were taken still wait for the socket.
    pub(crate) fn owes(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => session.owes(),
        }
    }

    /// Writes as much as fits now, what is owed first. What is taken may reach the peer, even if
    /// nothing of it moved yet.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<Written> {
        match self {
            Self::Plain(stream) => match stream.try_write(bytes) {
                Ok(taken) => Ok(Written { taken, moved: taken > 0 }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::default()),
                Err(error) => Err(error),
            },
            Self::Tls(session) => session.try_write(bytes),
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_write_ready(cx),
            Self::Tls(session) => session.poll_write_ready(cx),
        }
    }
}
