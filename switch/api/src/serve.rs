//! The listener: with TLS or without, how many connections there may be, how long a head may take
//! and how large it may be. A peer that is slow or idle is closed; none holds up another. What is
//! asked for is dropped when whoever asked hangs up (`line.rs`).

mod line;

use axum::Router;
use axum::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use line::Line;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use veksel_link::{HandshakeFault, TlsServer};

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

/// Hears how each handshake ended.
pub type Shaken = Arc<dyn Fn(Result<(), HandshakeFault>) + Send + Sync>;

/// TLS of the listener. Who speaks anything else is closed.
#[derive(Clone)]
pub struct Secure {
    /// Shakes hands.
    pub tls: TlsServer,
    /// Hears of it.
    pub shaken: Shaken,
}

/// From where a connection comes; in the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// When the head of a request was here; in its extensions.
#[derive(Clone, Copy, Debug)]
struct Begun(Instant);

/// From where a request comes, and since when it is here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// `None` if it came over no connection.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) begun: Instant,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>().map(|PeerAddress(peer)| *peer);
        let begun = parts.extensions.get::<Begun>().map_or_else(Instant::now, |Begun(at)| *at);
        Ok(Self { peer, begun })
    }
}

/// Headers of one request.
const HEADERS_MAX: usize = 64;

/// How long the system may be out of descriptors before it is asked again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; requests that are under way by then are finished. Must run on a runtime
/// with I/O and time.
pub async fn serve(
    listener: TcpListener,
    secure: Option<Secure>,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(bounds.connections_max));
    let (ending, ended) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        // Nobody closes what is asked for leave; but what wants TLS never goes without.
        let ready = async {
            let place = Arc::clone(&room).acquire_owned().await?;
            let secure = match &secure {
                Some(secure) => Some((secure.clone(), secure.tls.leave().await?)),
                None => None,
            };
            Ok::<_, AcquireError>((place, secure))
        };
        let ready = tokio::select! {
            () = &mut stop => break,
            ready = ready => ready,
        };
        let Ok((place, secure)) = ready else { break };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let own =
                    Connection { router: router.clone(), bounds, ended: ended.clone(), place };
                match secure {
                    Some((secure, leave)) => {
                        tokio::spawn(own.shake(stream, peer, secure, leave));
                    }
                    None => {
                        tokio::spawn(own.carry(stream, peer));
                    }
                }
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

/// What a connection is served with.
struct Connection {
    router: Router,
    bounds: Bounds,
    ended: watch::Receiver<()>,
    /// Its place among the others.
    place: OwnedSemaphorePermit,
}

impl Connection {
    /// Shakes hands first. Nobody is waited for if all is to end.
    async fn shake(
        mut self,
        stream: TcpStream,
        peer: SocketAddr,
        secure: Secure,
        leave: OwnedSemaphorePermit,
    ) {
        let shaken = tokio::select! {
            shaken = secure.tls.accept(stream, peer, leave) => shaken,
            _ = self.ended.changed() => return,
        };
        (secure.shaken)(shaken.as_ref().map(|_| ()).map_err(|fault| *fault));
        if let Ok(stream) = shaken {
            self.carry(stream, peer).await;
        }
    }

    /// Serves requests until one side ends it.
    async fn carry<S>(self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, bounds, mut ended, place } = self;
        let peer = PeerAddress(peer.ip());
        let router = TowerToHyperService::new(router);
        let line = Line::new(stream);
        let own = line.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(peer);
            parts.extensions.insert(Begun(Instant::now()));
            let (in_hand, body) = own.take_in_hand(body);
            let answer = router.call(hyper::Request::from_parts(parts, body));
            async move {
                let answer = answer.await;
                drop(in_hand);
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(bounds.head_max.max(8_192))
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(line.clone()), service);
        let mut connection = std::pin::pin!(connection);
        let mut is_ending = false;
        let done = loop {
            tokio::select! {
                // Whether there is work to listen beside is known after it.
                biased;
                done = &mut connection => break done,
                () = poll_fn(|cx| line.poll_hung_up(cx)) => {
                    tracing::debug!("a caller over HTTP hung up before its answer");
                    break Ok(());
                }
                _ = ended.changed(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a connection over HTTP ended");
        }
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Extension;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::sync::oneshot;
    use veksel_config::{Clients, DialTls, ListenTls};
    use veksel_link::TlsClient;
    use veksel_simulator::sandbox::ca::{Authority, Purpose, Wanted};

    async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
        let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// TLS with papers of its own, and who believes them.
    pub(super) fn papers() -> (tempfile::TempDir, Secure, TlsClient) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new().unwrap();
        let issued = authority.issue(&Wanted::of(Purpose::Web, &[])).unwrap();
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("own.pem", &issued.certificate),
            ("own.key", &issued.key),
        ] {
            fs::write(path(name), text).unwrap();
        }
        fs::set_permissions(path("own.key"), Permissions::from_mode(0o600)).unwrap();
        let listen = ListenTls {
            certificate: path("own.pem"),
            key: path("own.key"),
            clients: Clients::None,
            ca: Vec::new(),
            crls: Vec::new(),
            handshake_ms: 20_000,
            handshakes_max: 1,
        };
        let dial = DialTls {
            ca: vec![path("ca.pem")],
            crls: Vec::new(),
            pins: Vec::new(),
            name: None,
            own: None,
            handshake_ms: 20_000,
        };
        let client = TlsClient::load(&dial, "127.0.0.1").unwrap();
        let tls = TlsServer::load("http", &listen).unwrap();
        let secure = Secure { tls, shaken: Arc::new(|how| assert_eq!(how, Ok(()))) };
        (folder, secure, client)
    }

    /// Networks and rates go by it.
    #[test]
    fn the_other_end_is_known_with_tls_and_without() {
        let (_folder, secure, client) = papers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for secure in [None, Some(secure)] {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let router = Router::new().fallback(
                    |Extension(PeerAddress(peer)): Extension<PeerAddress>| async move {
                        peer.to_string()
                    },
                );
                let (stop, stopped) = oneshot::channel::<()>();
                let until = async { stopped.await.unwrap_or_default() };
                let is_secure = secure.is_some();
                let serving = serve(listener, secure, router, Bounds::default(), until);
                let serving = tokio::spawn(serving);
                for from in ["127.0.0.2:0", "127.0.0.3:0"] {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind(from.parse().unwrap()).unwrap();
                    let stream = socket.connect(address).await.unwrap();
                    let said = match is_secure {
                        true => asked(client.connect(stream).await.unwrap()).await,
                        false => asked(stream).await,
                    };
                    assert!(said.ends_with(from.trim_end_matches(":0")), "{said}");
                }
                drop(stop);
                serving.await.unwrap();
            });
        }
    }
}
