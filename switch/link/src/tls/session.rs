//! A finished TLS session on its socket, as plain calls that never wait.
//!
//! Its memory is bounded: what was read and not taken is one record of rustls' own, because
//! nothing is read from the socket while something decrypted waits; and bytes to be written are
//! encrypted one piece at a time, the next only when the socket took the one before.

use super::records::Records;
use rustls::Connection;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// Bytes that are encrypted at once: what fits a record.
const PIECE_MAX: usize = 16 * 1024;

/// What a write did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Bytes that need not be given again.
    pub(crate) taken: usize,
    /// Whether the socket took anything.
    pub(crate) moved: bool,
}

/// A session.
pub(crate) struct Session {
    socket: TcpStream,
    tls: Connection,
    records: Records,
}

impl Session {
    pub(super) fn new(socket: TcpStream, mut tls: Connection, records: Records) -> Self {
        tls.set_buffer_limit(Some(2 * PIECE_MAX));
        Self { socket, tls, records }
    }

    pub(crate) const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) const fn tls(&self) -> &Connection {
        &self.tls
    }

    /// Reads what there is; 0 is the end, whether the peer said so or just went.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The frames say themselves whether they are whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(0));
                }
                read => return Poll::Ready(read),
            }
            ready!(self.socket.poll_read_ready(cx))?;
            let mut source = Source { socket: &self.socket, records: &mut self.records };
            match self.tls.read_tls(&mut source) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Poll::Ready(Err(error)),
                Ok(_) => {}
            }
            let processed = self.tls.process_new_packets();
            // An alert, or a new key: as far as it goes now, else with what is written next.
            let _ = self.flush();
            if let Err(error) = processed {
                return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, error)));
            }
        }
    }

    /// Whether the peer began a record and did not finish it.
    pub(crate) const fn is_within_record(&self) -> bool {
        self.records.is_within()
    }

    /// Whether bytes that were taken wait for the socket.
    pub(crate) fn owes(&self) -> bool {
        self.tls.wants_write()
    }

    /// Writes as much as fits now.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<Written> {
        let mut written = Written::default();
        loop {
            match self.flush() {
                Ok(moved) => written.moved |= moved,
                // What was taken may have reached the peer. The next call meets the error again.
                Err(_) if written.taken > 0 => return Ok(written),
                Err(error) => return Err(error),
            }
            let rest = bytes.get(written.taken..).unwrap_or_default();
            if self.tls.wants_write() || rest.is_empty() {
                return Ok(written);
            }
            let piece = rest.get(..PIECE_MAX).unwrap_or(rest);
            match self.tls.writer().write(piece)? {
                0 => return Ok(written),
                count => written.taken = written.taken.saturating_add(count),
            }
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    /// Gives the socket what is encrypted. Says whether it took any.
    fn flush(&mut self) -> io::Result<bool> {
        let mut moved = false;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Sink(&self.socket)) {
                Ok(0) => return Ok(moved),
                Ok(_) => moved = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }
}

impl Drop for Session {
    /// Says goodbye, as far as that can be done now.
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }
}

/// The socket to read from, which notes where records end.
struct Source<'s> {
    socket: &'s TcpStream,
    records: &'s mut Records,
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.try_read(into)?;
        self.records.take(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The socket to write to.
struct Sink<'s>(&'s TcpStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
