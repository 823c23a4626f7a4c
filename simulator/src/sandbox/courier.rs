//! Posts what a provider tells its callers by itself: webhooks and status pushes.
//!
//! One attempt on a connection of its own. Plain HTTP only: the receivers of a test machine are on
//! its loopback. When to try again is the sandbox's business.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Why something could not be posted. That the receiver said no is none of these.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Not `http://host[:port]/path`.
    #[error("the address is not of the form http://host[:port]/path")]
    Address,
    /// A header has a name or value that none can have.
    #[error("header {0} cannot be sent")]
    Header(String),
    /// Nobody took the connection.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// It broke off, or what came was no HTTP.
    #[error("no answer: {0}")]
    Http(hyper::Error),
    /// The receiver took too long, connecting included.
    #[error("no answer in time")]
    Late,
}

/// Posts a body and returns the status of the answer, whose own body is read and thrown away.
///
/// # Errors
/// There was no answer.
pub async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
    limit: Duration,
) -> Result<u16, PostError> {
    ask(url, headers, body, limit).await.map(|(status, _)| status)
}

/// The same with the body of the answer, empty if it is too long or breaks off.
///
/// # Errors
/// There was no answer.
pub(super) async fn ask(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
    limit: Duration,
) -> Result<(u16, Bytes), PostError> {
    let uri: Uri = url.parse().map_err(|_| PostError::Address)?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
    let host = host.ok_or(PostError::Address)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(80);
    let authority = uri.authority().ok_or(PostError::Address)?.as_str();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path).header(header::HOST, authority);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into()));
    let named = || headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let request = request.map_err(|_| PostError::Header(named()))?;
    let exchange = async {
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(PostError::Connect)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(PostError::Http)?;
        // Ends with the set, however this ends.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let answer = sender.send_request(request).await.map_err(PostError::Http)?;
        let status = answer.status().as_u16();
        // Read so that the receiver is not cut off; too long a body is.
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        Ok((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
    };
    timeout(limit, exchange).await.map_err(|_| PostError::Late)?
}

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    fn post_from_here(url: &str, limit: Duration) -> Result<u16, PostError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(post(url, &[("X-A", "1")], "body", limit))
    }

    #[test]
    fn the_status_is_told_and_silence_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a?b=1", listener.local_addr().unwrap());
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            while !text.ends_with("body") {
                let mut piece = [0; 512];
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "{text}");
                text.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            stream.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").unwrap();
            // The second caller is let in and never answered.
            (text, listener.accept().unwrap())
        });
        assert_eq!(post_from_here(&url, Duration::from_secs(20)).unwrap(), 410);
        let late = post_from_here(&url, Duration::from_millis(100));
        assert!(matches!(late, Err(PostError::Late)), "{late:?}");
        let (text, _) = receiver.join().unwrap();
        assert!(text.starts_with("POST /a?b=1 HTTP/1.1\r\n"), "{text}");
        assert!(text.to_lowercase().contains("x-a: 1\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_posted_says_why() {
        for url in ["", "x", "https://127.0.0.1/", "http://", "/path", "ftp://127.0.0.1/"] {
            let refused = post_from_here(url, Duration::from_secs(20));
            assert!(matches!(refused, Err(PostError::Address)), "{url}: {refused:?}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = post_from_here(&format!("http://{closed}/"), Duration::from_secs(20));
        assert!(matches!(refused, Err(PostError::Connect(_))), "{refused:?}");
    }
}
