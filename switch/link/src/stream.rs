//! The seam between connections and what carries their bytes. Plain TCP today; whatever encrypts
//! gets a variant here and nobody else notices.

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
}

impl Stream {
    /// Takes a TCP connection into use: no delay, keep-alive, and an end to bytes that nobody
    /// confirms (switch semantics 41).
    pub(crate) fn plain(
        stream: TcpStream,
        user_timeout_ms: u64,
        keep_alive: TcpKeepAlive,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
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
        Ok(Self::Plain(stream))
    }

    /// Reads what there is; 0 is the end. A read that does not fill `into` is known to have
    /// emptied the socket, so that the next poll waits without another system call.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        match self {
            Self::Plain(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buffer))?,
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes as much as fits now; 0 if nothing does.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self {
            Self::Plain(stream) => stream.try_write(bytes),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_write_ready(cx),
        }
    }
}
