//! Peers that hang up, and peers that only send much, over real sockets with TLS and without.

use super::{KEPT_MAX, THROWN_MAX};
use crate::serve::tests::papers;
use crate::serve::{Bounds, Secure, serve};
use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use veksel_link::TlsClient;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What becomes of work.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Begun,
    Finished,
    Dropped,
}

struct Fate(Option<Sender<Told>>);

impl Fate {
    fn finish(mut self) {
        let _ = self.0.take().map(|told| told.try_send(Told::Finished));
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        let _ = self.0.take().map(|told| told.try_send(Told::Dropped));
    }
}

/// A server whose `POST /work` is finished when it is let, with as many bytes as its body says;
/// every other path is answered with itself.
struct Rig {
    address: SocketAddr,
    told: Receiver<Told>,
    leave: Arc<Semaphore>,
    client: Option<TlsClient>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Rig {
    async fn start(secure: Option<(Secure, TlsClient)>) -> Self {
        let (tell, told) = channel(16);
        let leave = Arc::new(Semaphore::new(0));
        let answer = {
            let leave = Arc::clone(&leave);
            move |uri: Uri, body: Bytes| async move {
                if uri.path() != "/work" {
                    return uri.path().to_owned();
                }
                let fate = Fate(Some(tell.clone()));
                tell.try_send(Told::Begun).unwrap();
                leave.acquire().await.unwrap().forget();
                fate.finish();
                "x".repeat(std::str::from_utf8(&body).unwrap().parse().unwrap())
            }
        };
        let router = Router::new().fallback(answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async { stopped.await.unwrap_or_default() };
        let (secure, client) = secure.unzip();
        let serving = tokio::spawn(serve(listener, secure, router, Bounds::default(), until));
        Self { address, told, leave, client, stop, serving }
    }

    async fn hear(&mut self, expected: Told) {
        let heard = soon(self.told.recv()).await.unwrap();
        assert_eq!(heard, expected);
    }

    /// Whatever was begun is over by then.
    async fn end(self) {
        drop(self.stop);
        soon(self.serving).await.unwrap();
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens soon")
}

fn work(bytes: usize) -> Vec<u8> {
    let body = bytes.to_string();
    format!("POST /work HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// Requests one after the other, each for another path.
fn many(count: usize) -> Vec<u8> {
    let one = |number| format!("GET /{number} HTTP/1.1\r\nhost: x\r\n\r\n");
    (0..count).map(one).collect::<String>().into()
}

/// The body of the next answer; `None` if there is none any more.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if soon(stream.read(&mut byte)).await.ok()? == 0 {
            return None;
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    soon(stream.read_exact(&mut body)).await.ok()?;
    Some(body)
}

/// Ways to be gone.
#[derive(Clone, Copy, Debug)]
enum Going {
    /// The socket is closed; with TLS this says no farewell.
    Closed,
    /// The same, with bytes unread or time taken away: the other side hears a reset.
    Reset,
    /// Only what is sent has an end, and whoever did that waits for an answer.
    HalfClosed,
}

async fn go(stream: TcpStream, going: Going) -> Option<TcpStream> {
    let mut stream = stream;
    match going {
        Going::Closed => None,
        Going::Reset => {
            stream.set_zero_linger().unwrap();
            None
        }
        Going::HalfClosed => {
            stream.shutdown().await.unwrap();
            Some(stream)
        }
    }
}

/// What stands after a request and hides an end: with it, and when the work has begun.
fn beside() -> [(&'static str, Vec<u8>, Vec<u8>); 7] {
    let crlf = || b"\r\n".to_vec();
    [
        ("nothing", Vec::new(), Vec::new()),
        ("a line end", crlf(), Vec::new()),
        ("a line end, later", Vec::new(), crlf()),
        ("a request", many(1), Vec::new()),
        ("requests before and after", many(2), many(3)),
        ("half of a request", b"POST /work HTTP/1.1\r\nhost: x\r\nconte".to_vec(), crlf()),
        ("much more than is kept", many(1_000), many(KEPT_MAX / 4)),
    ]
}

#[tokio::test]
async fn who_hangs_up_is_noticed_whatever_else_was_sent() {
    let mut rig = Rig::start(None).await;
    for going in [Going::Closed, Going::Reset, Going::HalfClosed] {
        for (what, with, later) in beside() {
            let mut stream = TcpStream::connect(rig.address).await.unwrap();
            soon(stream.write_all(&[work(1), with].concat())).await.unwrap();
            rig.hear(Told::Begun).await;
            soon(stream.write_all(&later)).await.unwrap();
            let left = go(stream, going).await;
            let dropped = timeout(PATIENCE, rig.told.recv()).await;
            assert_eq!(dropped, Ok(Some(Told::Dropped)), "{what}, {going:?}");
            if let Some(mut left) = left {
                assert_eq!(answer(&mut left).await, None, "{what}");
            }
        }
    }
    rig.end().await;
}

#[tokio::test]
async fn who_hangs_up_is_noticed_over_tls_with_a_farewell_and_without() {
    let (_folder, secure, client) = papers();
    let mut rig = Rig::start(Some((secure, client.clone()))).await;
    // A farewell is enough, also if the socket stays open after it.
    for going in [None, Some(Going::Closed), Some(Going::Reset), Some(Going::HalfClosed)] {
        for (what, with, later) in beside() {
            let stream = TcpStream::connect(rig.address).await.unwrap();
            let mut stream = client.connect(stream).await.unwrap();
            soon(stream.write_all(&[work(1), with].concat())).await.unwrap();
            soon(stream.flush()).await.unwrap();
            rig.hear(Told::Begun).await;
            soon(stream.write_all(&later)).await.unwrap();
            soon(stream.flush()).await.unwrap();
            let (mut socket, mut session) = stream.into_inner();
            let left = match going {
                Some(going) => go(socket, going).await,
                None => {
                    let mut farewell = Vec::new();
                    session.send_close_notify();
                    while session.wants_write() {
                        session.write_tls(&mut farewell).unwrap();
                    }
                    soon(socket.write_all(&farewell)).await.unwrap();
                    Some(socket)
                }
            };
            let dropped = timeout(PATIENCE, rig.told.recv()).await;
            assert_eq!(dropped, Ok(Some(Told::Dropped)), "{what}, {going:?}");
            drop(left);
        }
    }
    rig.end().await;
}

/// What came while somebody worked is answered after it, in its order, also if an answer before it
/// is one that the peer takes its time to read.
#[tokio::test]
async fn requests_that_came_meanwhile_are_answered_in_their_order() {
    const LARGE: usize = 8 * 1_024 * 1_024;
    let (_folder, secure, client) = papers();
    for secure in [None, Some((secure, client))] {
        let mut rig = Rig::start(secure).await;
        for (size, with, later) in
            [(1, 0, 40), (1, 40, 0), (1, 20, 20), (LARGE, 20, 20), (LARGE, 0, 1), (LARGE, 1, 0)]
        {
            let stream = TcpStream::connect(rig.address).await.unwrap();
            let mut stream: Box<dyn Both> = match &rig.client {
                Some(client) => Box::new(client.connect(stream).await.unwrap()),
                None => Box::new(stream),
            };
            let first = [work(size), many(with), b"\r\n".to_vec()].concat();
            soon(stream.write_all(&first)).await.unwrap();
            soon(stream.flush()).await.unwrap();
            rig.hear(Told::Begun).await;
            soon(stream.write_all(&many(later))).await.unwrap();
            soon(stream.flush()).await.unwrap();
            rig.leave.add_permits(1);
            rig.hear(Told::Finished).await;
            assert_eq!(answer(&mut stream).await.unwrap().len(), size);
            for number in (0..with).chain(0..later) {
                let expected = format!("/{number}").into_bytes();
                assert_eq!(answer(&mut stream).await, Some(expected), "{size} {with} {later}");
            }
            // And the connection can be used on.
            soon(stream.write_all(b"\r\nGET /last HTTP/1.1\r\nhost: x\r\n\r\n")).await.unwrap();
            soon(stream.flush()).await.unwrap();
            assert_eq!(answer(&mut stream).await, Some(b"/last".to_vec()));
        }
        rig.end().await;
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

#[tokio::test]
async fn what_is_more_than_is_kept_ends_the_connection_after_what_was_kept() {
    let mut rig = Rig::start(None).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    soon(stream.write_all(&work(1))).await.unwrap();
    rig.hear(Told::Begun).await;
    let count = 4 * KEPT_MAX / many(1).len();
    soon(stream.write_all(&many(count))).await.unwrap();
    // Whoever sends too much to be one who waits for an answer is gone.
    let mut other = TcpStream::connect(rig.address).await.unwrap();
    soon(other.write_all(&work(1))).await.unwrap();
    rig.hear(Told::Begun).await;
    let piece = vec![b'\n'; 1_024 * 1_024];
    let mut sent = 0;
    while other.write_all(&piece).await.is_ok() && sent < 16 * THROWN_MAX {
        sent += piece.len();
    }
    assert!(sent < 16 * THROWN_MAX, "nobody stopped it");
    rig.hear(Told::Dropped).await;
    // By now everything of the first has come.
    rig.leave.add_permits(1);
    rig.hear(Told::Finished).await;
    assert_eq!(answer(&mut stream).await, Some(b"x".to_vec()));
    let mut answered = 0;
    while let Some(path) = answer(&mut stream).await {
        assert_eq!(path, format!("/{answered}").into_bytes());
        answered += 1;
    }
    assert!((1..count).contains(&answered), "{answered} of {count}");
    rig.end().await;
}
