//! A server of one connection at a time's wildest dreams: each request is answered by the next act
//! of a list, byte by byte as written.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Says this and listens on.
    Say(&'static str),
    /// Says this and closes.
    SayAndClose(&'static str),
    /// Says nothing and keeps the connection.
    Nothing,
    /// Says the beginning and then a byte now and then.
    Drip,
    /// Says a body that never ends.
    Endless,
}

/// An answer of JSON, or of nothing.
pub(crate) fn json(status: u16, body: &str) -> Act {
    with(status, "", body)
}

/// An answer with more headers, each with a line end.
pub(crate) fn with(status: u16, headers: &str, body: &str) -> Act {
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A test is short, and an act is copied about.
    Act::Say(
        text.replace(
            "Content-Length: 0\r\n",
            if status == 204 { "" } else { "Content-Length: 0\r\n" },
        )
        .leak(),
    )
}

#[derive(Default)]
pub(super) struct Seen {
    acts: Vec<Act>,
    requests: Vec<String>,
    connections: usize,
}

pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen { acts, ..Seen::default() }));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { port, seen, task }
    }

    /// What it does from now on.
    pub(crate) fn will(&self, acts: Vec<Act>) {
        self.seen.lock().unwrap().acts = acts;
    }

    /// An address where nobody listens.
    pub(crate) async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read(&mut stream).await {
        let act = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request);
            // Who asks more often than expected gets what the number of requests will show.
            if seen.acts.is_empty() { Act::SayAndClose("") } else { seen.acts.remove(0) }
        };
        let gone = match act {
            Act::Say(text) => stream.write_all(text.as_bytes()).await.is_err(),
            Act::SayAndClose(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                true
            }
            Act::Nothing => {
                let mut rest = [0; 1];
                let _ = stream.read(&mut rest).await;
                true
            }
            Act::Drip => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
                let mut gone = stream.write_all(head).await.is_err();
                while !gone {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    gone = stream.write_all(b" ").await.is_err();
                }
                true
            }
            Act::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let mut gone = stream.write_all(head).await.is_err();
                while !gone {
                    gone = stream.write_all(b"8\r\n        \r\n").await.is_err();
                }
                true
            }
        };
        if gone {
            return;
        }
    }
}

/// A request with its body, as text; `None` at the end of the connection.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
