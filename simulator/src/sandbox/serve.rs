//! One port of a sandbox: connections, TLS and the way of a request through the log.
//!
//! Everything is bounded: connections, the time of a handshake and of a request's head, its size.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::ca::ClientCertificate;
use super::clock::Clock;
use super::log::{Entry, Remark, RequestLog, shown};
use super::{Stream, Talks};

/// Who sent a request; in its extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// From where.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// What it showed, which the test CA has signed; `None` if it showed nothing.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What is spoken on a port.
#[derive(Clone)]
pub(super) enum Speaks {
    /// HTTP.
    Http(Port),
    /// Something of its own.
    Itself(Arc<dyn Talks>),
}

impl Speaks {
    /// HTTP, answered by a router.
    pub(super) fn http(router: Router, log: RequestLog, clock: Clock) -> Self {
        Self::Http(Port { router: router.layer(DefaultBodyLimit::max(BODY_MAX)), log, clock })
    }
}

#[derive(Clone)]
pub(super) struct Port {
    router: Router,
    log: RequestLog,
    clock: Clock,
}

/// Accepts connections until it is dropped, and they with it.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    speaks: Speaks,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, address)) => {
                let (speaks, acceptor) = (speaks.clone(), acceptor.clone());
                connections.spawn(async move {
                    connection(stream, address, speaks, acceptor).await;
                    drop(place);
                });
            }
            // Out of file descriptors, or the caller has gone already.
            Err(_) => sleep(RETRY).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    speaks: Speaks,
    acceptor: Option<TlsAcceptor>,
) {
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        let peer = Peer { address, is_tls: false, certificate: None };
        return talk(stream, peer, speaks).await;
    };
    match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let certificate = shown.and_then(|der| ClientCertificate::read(der)).map(Arc::new);
            talk(stream, Peer { address, is_tls: true, certificate }, speaks).await;
        }
        Ok(Err(error)) => debug!(%address, %error, "a sandbox and its caller shook no hands"),
        Err(_) => debug!(%address, "a caller of a sandbox took too long to shake hands"),
    }
}

async fn talk(stream: impl Stream + 'static, peer: Peer, speaks: Speaks) {
    let port = match speaks {
        Speaks::Http(port) => port,
        Speaks::Itself(talks) => return talks.talk(Box::new(stream), peer.is_tls).await,
    };
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let (peer, port) = (peer.clone(), port.clone());
        async move { Ok::<_, Infallible>(port.answer(peer, request.map(Body::new)).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(HEAD_SIZE_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        debug!(address = %peer.address, %error, "a connection to a sandbox ended");
    }
}

impl Port {
    async fn answer(&self, peer: Peer, mut request: Request) -> Response {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let is_logged = !path.starts_with("/__sandbox/");
        let number = is_logged.then(|| {
            self.log.open(Entry {
                at_ms: self.clock.now_ms(),
                method: request.method().to_string(),
                path: path.chars().take(PATH_MAX).collect(),
                headers: shown(request.headers()),
                status: None,
                remark: None,
            })
        });
        request.extensions_mut().insert(peer);
        let router = TowerToHyperService::new(self.router.clone());
        let Ok(response) = router.call(request).await;
        let remark = response.extensions().get::<Remark>().map(|remark| remark.0.clone());
        if let Some(number) = number {
            self.log.close(number, response.status().as_u16(), remark);
        }
        response
    }
}

/// Of one port.
const CONNECTIONS_MAX: usize = 512;

/// The largest body that is read.
const BODY_MAX: usize = 1 << 20;

/// Characters of a path that are logged.
const PATH_MAX: usize = 1_000;

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// For the head of a request, and for the pause before it on a connection that is kept.
const HEAD_MAX: Duration = Duration::from_secs(30);

const HEAD_SIZE_MAX: usize = 64 * 1024;

/// After an accept that failed.
const RETRY: Duration = Duration::from_millis(10);
