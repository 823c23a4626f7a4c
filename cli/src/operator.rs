//! Telling a running switch something: one HTTP request to its admin listener, or to the one that
//! programs use.
//!
//! It speaks just enough HTTP/1.1 for these listeners.

mod name;

pub(crate) use name::name;

use crate::output::Failure;
use crate::wire::Carrier;
use serde_json::Value;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use veksel_link::TlsClient;

/// How long the switch may take to be reached, and to answer.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The same where the switch asks somebody else first.
const ENQUIRY_MAX: Duration = Duration::from_secs(60);

/// What to do where nobody answers: on the admin listener, and on that of programs.
const ADMIN_HELP: &str = "`veksel run` starts it; one that was started with another `admin.listen` \
                          is reached with --admin";
const HTTP_HELP: &str = "`veksel run` starts it; one that was started with another `listen` of \
                         [http] is reached with --http";

/// Longest answer that is read.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) code: u16,
    /// The body; null if it is no JSON.
    pub(crate) body: Value,
}

/// Sends JSON and waits for the answer.
///
/// # Errors
/// When nobody listens there, or it is not a switch.
pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Answer, Failure> {
    let request = Request { method: "POST", path, body: &body.to_string(), token: None };
    ask(address, None, &request, (ANSWER_MAX, ADMIN_HELP))
}

/// Asks for something and waits for the answer.
///
/// # Errors
/// When nobody listens there, or it is not a switch.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer, Failure> {
    let request = Request { method: "GET", path, body: "", token: None };
    ask(address, None, &request, (ANSWER_MAX, ADMIN_HELP))
}

/// Asks the listener that programs use, which may have to ask somebody else, and may speak TLS.
///
/// # Errors
/// When nobody listens there, or it is not a switch.
pub(crate) fn call(
    address: SocketAddr,
    tls: Option<&TlsClient>,
    request: &Request<'_>,
) -> Result<Answer, Failure> {
    ask(address, tls, request, (ENQUIRY_MAX, HTTP_HELP))
}

/// What is asked.
pub(crate) struct Request<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r str,
    /// JSON, or nothing.
    pub(crate) body: &'r str,
    /// Never shown.
    pub(crate) token: Option<&'r str>,
}

/// What a page answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Visited {
    /// HTTP status.
    pub(crate) code: u16,
    /// Where it leads on.
    pub(crate) location: Option<String>,
}

/// Gets a page as a browser would, and does not follow where it leads: `http://IP:port/…` only.
///
/// # Errors
/// When the address is another, or nobody answers there.
pub(crate) fn visit(url: &str) -> Result<Visited, Failure> {
    let no = |why: &str| Failure::no("page", format!("a page cannot be visited: {why}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| no("it is not plain HTTP"))?;
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = place.parse().map_err(|_| no("its host is no address with a port"))?;
    let path = if path.is_empty() { "/" } else { path };
    let request = Request { method: "GET", path, body: "", token: None };
    let bytes = exchange(address, None, &request, ENQUIRY_MAX);
    let bytes = bytes.map_err(|error| no(&error.to_string()))?;
    visited(&bytes).ok_or_else(|| no("what answers speaks no HTTP"))
}

fn visited(bytes: &[u8]) -> Option<Visited> {
    let text = String::from_utf8_lossy(bytes);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let location = headers.find(|(name, _)| name.eq_ignore_ascii_case("location"));
    Some(Visited { code, location: location.map(|(_, value)| value.trim().to_owned()) })
}

fn ask(
    address: SocketAddr,
    tls: Option<&TlsClient>,
    request: &Request<'_>,
    (most, help): (Duration, &str),
) -> Result<Answer, Failure> {
    let bytes = exchange(address, tls, request, most).map_err(|error| match error.kind() {
        ErrorKind::InvalidData if tls.is_some() => {
            let failure = Failure::no("tls", format!("no TLS with {address}: {error}"));
            failure.help("does --tls name the CA of the switch, and a certificate that it wants?")
        }
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let message =
                format!("nobody answers on {address}: the switch is not running, or not there");
            Failure::no("not_running", message).help(help)
        }
        _ => Failure::no("connection", format!("the switch at {address} is lost: {error}")),
    })?;
    read(&bytes).ok_or_else(|| {
        Failure::no("answer", format!("what listens on {address} is not a switch")).help(
            "the address is that of an HTTP listener, not of a channel's; --tls if it speaks TLS",
        )
    })
}

fn exchange(
    address: SocketAddr,
    tls: Option<&TlsClient>,
    request: &Request<'_>,
    most: Duration,
) -> io::Result<Vec<u8>> {
    let Request { method, path, body, token } = request;
    let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
    let mut carrier = Carrier::over(tls, stream)?;
    carrier.socket().set_read_timeout(Some(most))?;
    carrier.socket().set_write_timeout(Some(ANSWER_MAX))?;
    let length = body.len();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{token}Connection: close\r\n\r\n{body}"
    );
    carrier.write_all(request.as_bytes())?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    while bytes.len() < BYTES_MAX {
        match carrier.read(&mut piece)? {
            0 => break,
            count => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(bytes)
}

/// `None` if it is not HTTP.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { code, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_lead_on() {
        let moved = b"HTTP/1.1 303 See Other\r\nLocation: http://127.0.0.1:1/x?s=1\r\n\r\n";
        let location = Some("http://127.0.0.1:1/x?s=1".to_owned());
        assert_eq!(visited(moved), Some(Visited { code: 303, location }));
        let page = b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nlocation: no";
        assert_eq!(visited(page), Some(Visited { code: 200, location: None }));
        assert_eq!(visited(b"SSH-2.0"), None);
        for url in ["https://127.0.0.1:1/", "http://localhost/", "ftp:x"] {
            assert!(visit(url).is_err(), "{url}");
        }
    }

    #[test]
    fn answers() {
        let answer = read(b"HTTP/1.1 202 Accepted\r\ncontent-length: 16\r\n\r\n{\"accepted\": 42}");
        assert_eq!(answer, Some(Answer { code: 202, body: json!({ "accepted": 42 }) }));
        let answer = read(b"HTTP/1.1 404 Not Found\r\n\r\n");
        assert_eq!(answer, Some(Answer { code: 404, body: Value::Null }));
        for bytes in [b"".as_slice(), b"\x00\x12hello", b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200"] {
            assert_eq!(read(bytes), None);
        }
    }
}
