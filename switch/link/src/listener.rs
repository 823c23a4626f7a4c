//! Accepting connections.

use crate::link::Link;
use crate::stream::Stream;
use crate::wires::Shard;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

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
    loop {
        shard.inbox.room().await;
        let accepted = listener.accept().await;
        if !link.is_current.get()
            && let Some(current) = shard.link(link.id)
        {
            link = current;
        }
        match accepted {
            Ok((stream, peer)) => {
                is_short = false;
                welcome(&shard, &link, stream, peer);
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

fn welcome(shard: &Rc<Shard>, link: &Rc<Link>, stream: TcpStream, peer: SocketAddr) {
    if link.counters.open.get() >= link.rules.connections_max {
        link.counters.refused.add(1);
        debug!(link = link.id.0, %peer, "connection refused: the listener has enough");
        return;
    }
    match Stream::plain(stream, link.rules.peer_timeout_ms, link.rules.keep_alive) {
        Ok(stream) => {
            link.counters.accepted.add(1);
            shard.open(link, stream, peer);
        }
        Err(error) => {
            link.counters.accept_failures.add(1);
            debug!(link = link.id.0, %peer, %error, "connection was gone when it was accepted");
        }
    }
}
