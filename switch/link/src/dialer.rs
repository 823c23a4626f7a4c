//! Keeping connections to a host open.
//!
//! One task per connection dials, waits for the end and dials again, for ever. Between attempts it
//! waits a random time whose bound doubles with every failure (full jitter), so that the
//! connections of many switches do not come back to a host all at once. A connection on which the
//! host never sent a frame counts as a failure.
//!
//! The tasks of one address take turns: a host that cannot be reached is tried by one of them,
//! as if there were only one connection, and when it is back they come one after the other, each
//! after a random wait.

use crate::link::Link;
use crate::stream::{Stream, prepare};
use crate::tls::handshake::{Failure, Part};
use crate::wires::Shard;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};
use veksel_config::{Destination, DialConfig};

/// Addresses of one name that an attempt tries.
const ADDRESSES_MAX: usize = 8;

/// What the tasks of one address share.
pub(crate) struct Dialer {
    shard: Rc<Shard>,
    link: Rc<Link>,
    destination: Destination,
    connect_timeout: Duration,
    reconnect_ms_min: u64,
    reconnect_ms_max: u64,
    /// One attempt at a time, the wait before it included: a host that is coming up is not helped
    /// by several. Who asks first is first.
    attempt: Semaphore,
    /// Attempts and connections without a frame in a row, of all the tasks together.
    failures: Cell<u32>,
    /// Where the next attempt begins in what the name stands for.
    turn: Cell<usize>,
    /// Whether it was said that the host cannot be reached, since it last was.
    is_known_dead: Cell<bool>,
}

impl Dialer {
    pub(crate) fn new(shard: Rc<Shard>, link: Rc<Link>, config: &DialConfig) -> Self {
        Self {
            shard,
            link,
            destination: config.destination.clone(),
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            reconnect_ms_min: config.reconnect_ms_min,
            reconnect_ms_max: config.reconnect_ms_max,
            attempt: Semaphore::new(1),
            failures: Cell::new(0),
            turn: Cell::new(0),
            is_known_dead: Cell::new(false),
        }
    }

    /// Keeps one connection open until the shard stops or the link is renewed.
    pub(crate) async fn keep_one(self: Rc<Self>) {
        // Nobody has lost anything at the start.
        let mut is_first = true;
        while self.is_wanted() {
            self.shard.inbox.room().await;
            let Some((stream, peer)) = self.next(is_first).await else { return };
            is_first = false;
            self.link.counters.dialled.add(1);
            self.is_known_dead.set(false);
            // The host is there, so the others need not wait long; but if it is of no use, the row
            // of failures goes on where it was.
            let before = self.failures.replace(0);
            if !self.shard.open(&self.link, stream, peer, None).ended().await {
                let failures = self.failures.get().max(before);
                self.failures.set(failures.saturating_add(1));
            }
        }
    }

    /// Waits for the turn of this task and then tries until there is a connection. `None` if the
    /// shard stops.
    async fn next(&self, is_first: bool) -> Option<(Stream, SocketAddr)> {
        let _turn = self.attempt.acquire().await.ok()?;
        let mut must_wait = !is_first || self.failures.get() > 0;
        while self.is_wanted() {
            if must_wait {
                let failures = self.failures.get();
                let most = wait_ms_max(self.reconnect_ms_min, self.reconnect_ms_max, failures);
                tokio::time::sleep(Duration::from_millis(self.shard.random(most))).await;
            }
            match self.connect().await {
                Ok(_) if !self.is_wanted() => return None,
                Ok(made) => return Some(made),
                Err(error) => {
                    self.note_failure(&error);
                    self.failures.set(self.failures.get().saturating_add(1));
                    must_wait = true;
                }
            }
        }
        None
    }

    /// Whether the shard goes on and the link is still reached this way.
    fn is_wanted(&self) -> bool {
        !self.shard.is_stopping() && self.link.is_current.get()
    }

    fn note_failure(&self, error: &io::Error) {
        self.link.counters.dial_failures.add(1);
        let (link, destination) = (self.link.id.0, &self.destination);
        if self.is_known_dead.replace(true) {
            debug!(link, %destination, %error, "host still cannot be reached");
        } else {
            warn!(link, %destination, %error, "host cannot be reached, trying on");
        }
    }

    /// One attempt: every address the name stands for now, beginning with another one each time.
    async fn connect(&self) -> io::Result<(Stream, SocketAddr)> {
        let late = |_| io::Error::from(ErrorKind::TimedOut);
        let name = (self.destination.host.as_str(), self.destination.port);
        let found = timeout(self.connect_timeout, lookup_host(name)).await.map_err(late)??;
        let mut addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let first = turn.checked_rem(addresses.len()).unwrap_or(0);
        addresses.rotate_left(first);
        let mut outcome = Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        for address in addresses {
            let attempt = timeout(self.connect_timeout, TcpStream::connect(address));
            outcome = match attempt.await.map_err(late).flatten() {
                Ok(stream) => adopt(&self.link, stream).await,
                Err(error) => Err(error),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Takes a connection to a host into use, and shakes hands if the link is encrypted.
pub(crate) async fn adopt(link: &Link, stream: TcpStream) -> io::Result<(Stream, SocketAddr)> {
    // A port of this machine that nobody listens on can be dialled from itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    let peer = stream.peer_addr()?;
    prepare(&stream, link.rules.peer_timeout_ms, link.rules.keep_alive)?;
    let Some(tls) = &link.tls else { return Ok((Stream::Plain(stream), peer)) };
    let (Some(config), Some(name)) = (tls.endpoint.client(), &tls.name) else {
        return Err(io::Error::other("the link has nothing to shake hands with"));
    };
    let part = Part::Connect(config, name.clone());
    match tls.handshaker.shake(stream, part, tls.limit).await {
        Ok(session) => {
            link.counters.handshakes.add(1);
            Ok((Stream::Tls(Box::new(session)), peer))
        }
        Err(failure) => {
            let Failure { fault, .. } = failure;
            link.counters.add_handshake_fault(fault);
            Err(failure.into())
        }
    }
}

/// The longest wait after so many failures in a row.
fn wait_ms_max(least: u64, most: u64, failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    least.saturating_mul(1 << doublings).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let waits: Vec<u64> = (0..9).map(|n| wait_ms_max(500, 30_000, n)).collect();
        assert_eq!(waits, [500, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(wait_ms_max(500, 30_000, u32::MAX), 30_000);
    }
}
