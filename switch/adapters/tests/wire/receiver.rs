//! Sockets of a test: one that answers always the same, one that collects what is posted to it,
//! and a request written by hand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Sends a request and returns the whole answer. `head` is its first line and headers.
pub(crate) async fn http(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head}\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// What somebody posted.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    head: String,
    /// Byte by byte.
    pub(crate) body: Vec<u8>,
}

impl Posted {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server that answers the same to everything, and keeps it.
pub(crate) struct Canned {
    pub(crate) address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Canned {
    /// With this status line and body.
    pub(crate) async fn start(status: &str, body: &str) -> Self {
        Self::start_each(&[(status, body)]).await
    }

    /// With one answer after the other; the last for all that follow.
    pub(crate) async fn start_each(answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let posted = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posted);
        let answer = |(status, body): &(&str, &str)| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        let answers: Vec<String> = answers.iter().map(answer).collect();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answers[number.min(answers.len() - 1)].clone();
                number += 1;
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    if let Some(request) = request(&mut stream).await {
                        kept.lock().unwrap().push(request);
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        Self { address, posted }
    }

    /// What came so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// Waits until so many came; fails after five seconds.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Posted> {
        for _ in 0..500 {
            let posted = self.posted();
            if posted.len() >= count {
                return posted;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{} of {count} came", self.posted().len());
    }
}

async fn request(stream: &mut TcpStream) -> Option<Posted> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut posted = Posted { head, body: bytes[end + 4..].to_vec() };
        let length = posted.header("content-length").map_or(0, |it| it.parse().unwrap());
        while posted.body.len() < length {
            let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
            posted.body.extend_from_slice(&piece[..read]);
        }
        return Some(posted);
    }
}
