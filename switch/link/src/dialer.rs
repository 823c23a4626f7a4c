//! Keeping connections to a host open.
//!
//! One task per connection dials, waits for the end and dials again, for ever. Between attempts it
//! waits a random time whose bound doubles with every failure (full jitter), so that the
//! connections of many switches do not come back to a host all at once. A connection on which the
//! host never sent a frame counts as a failure.

use crate::link::Link;
use crate::stream::Stream;
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
    /// One attempt at a time: a host that is coming up is not helped by several.
    attempt: Semaphore,
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
            turn: Cell::new(0),
            is_known_dead: Cell::new(false),
        }
    }

    /// Keeps one connection open until the shard stops or the link is renewed.
    pub(crate) async fn keep_one(self: Rc<Self>) {
        let mut failures = 0u32;
        while self.is_wanted() {
            self.shard.inbox.room().await;
            let is_good = match self.connect().await {
                Ok((stream, peer)) if self.is_wanted() => {
                    self.link.counters.dialled.add(1);
                    self.is_known_dead.set(false);
                    self.shard.open(&self.link, stream, peer).ended().await
                }
                Ok(_) => return,
                Err(error) => {
                    self.note_failure(&error);
                    false
                }
            };
            failures = if is_good { 0 } else { failures.saturating_add(1) };
            let most = wait_ms_max(self.reconnect_ms_min, self.reconnect_ms_max, failures);
            tokio::time::sleep(Duration::from_millis(self.shard.random(most))).await;
        }
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
        let _permit = self.attempt.acquire().await.map_err(io::Error::other)?;
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
            outcome = attempt.await.map_err(late).flatten().and_then(|stream| self.adopt(stream));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn adopt(&self, stream: TcpStream) -> io::Result<(Stream, SocketAddr)> {
        // A port of this machine that nobody listens on can be dialled from itself.
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let peer = stream.peer_addr()?;
        let rules = &self.link.rules;
        Ok((Stream::plain(stream, rules.peer_timeout_ms, rules.keep_alive)?, peer))
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
