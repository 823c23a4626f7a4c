//! The listener: how many connections there may be, how long a head may take and how large it may
//! be. A peer that is slow or idle is closed; none holds up another.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Limits of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at one time. One more waits to be accepted.
    pub connections_max: usize,
    /// How long the head of a request may take, and how long a connection may be idle.
    pub head: Duration,
    /// The largest head, in bytes.
    pub head_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections_max: 1_024, head: Duration::from_secs(10), head_max: 16 * 1_024 }
    }
}

/// From where a connection comes; in the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// Headers of one request.
const HEADERS_MAX: usize = 64;

/// How long the system may be out of descriptors before it is asked again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; requests that are under way by then are finished. Must run on a runtime
/// with I/O and time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(bounds.connections_max));
    let (ending, ended) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            place = Arc::clone(&room).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = PeerAddress(peer.ip());
                let router = router.clone();
                tokio::spawn(connection(stream, peer, router, bounds, ended.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection over HTTP could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(ended);
    drop(listener);
    // Closing this tells every connection to end, and each holds the other end until it has.
    let _ = ending.send(());
    ending.closed().await;
}

async fn connection(
    stream: TcpStream,
    peer: PeerAddress,
    router: Router,
    bounds: Bounds,
    mut ended: watch::Receiver<()>,
    place: OwnedSemaphorePermit,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(bounds.head_max.max(8_192))
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let done = tokio::select! {
        done = &mut connection => done,
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection over HTTP ended");
    }
    drop(place);
}
