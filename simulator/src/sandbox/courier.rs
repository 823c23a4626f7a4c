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
        let _ = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        Ok(status)
    };
    timeout(limit, exchange).await.map_err(|_| PostError::Late)?
}

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;
