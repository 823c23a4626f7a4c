//! The platform's way to its client: one request on a connection of its own, with the platform's
//! exact patience: so long for the connection, so long for the answer after it, and no longer for
//! both together. Where the client speaks TLS, hands are shaken in the time for the answer.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use veksel_link::TlsClient;

use crate::sandbox::Stream;
use crate::sandbox::signing::SigningKey;

/// Where somebody is called.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `http://host:port`, or `https`, and perhaps a path.
    pub url: String,
    /// Shakes hands there; wanted for `https` and for nothing else.
    pub tls: Option<TlsClient>,
}

/// How long the platform waits (S4, Non-functional Requirements).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection.
    pub connect: Duration,
    /// For the answer, once there is a connection.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_millis(400), request: Duration::from_millis(500) }
    }
}

impl Patience {
    /// For both.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.connect.saturating_add(self.request)
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// `None` if there was no answer in time, or none at all.
    pub status: Option<u16>,
    /// `errorCode` of a refusal.
    pub code: Option<String>,
    /// Why there is no answer.
    pub missed: Option<Missed>,
    /// From the first step to the last byte.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Nobody took the connection in time.
    Connect,
    /// There was no answer in time.
    Late,
    /// It broke off, was no HTTP, or hands were not shaken.
    Broken,
}

/// A request, signed and ready.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) method: Method,
    /// Whole.
    pub(super) to: Endpoint,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What proves a request: over key, time and body, joined by dots.
pub(super) fn signed(
    key: &SigningKey,
    idempotency: &str,
    timestamp_ms: u64,
    body: &[u8],
) -> Option<Vec<(&'static str, String)>> {
    let timestamp = timestamp_ms.to_string();
    let mut base = format!("{idempotency}.{timestamp}.").into_bytes();
    base.extend_from_slice(body);
    let signature = STANDARD.encode(key.sign(&base)?);
    Some(vec![
        ("content-type", "application/json".to_owned()),
        ("x-key-id", key.kid().to_owned()),
        ("x-idempotency-key", idempotency.to_owned()),
        ("x-timestamp", timestamp),
        ("x-signature", signature),
    ])
}

/// Sends it and waits as long as the platform does, and not a moment longer.
pub(super) async fn send(letter: Letter, patience: Patience) -> Said {
    let begun = Instant::now();
    let answer = ask(letter, patience).await;
    let took = begun.elapsed();
    let answer = answer.map(|(status, body)| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["errorCode"].as_str().map(str::to_owned))
    });
    match answer {
        Ok((status, code)) => Said { status: Some(status), code, missed: None, took },
        Err(missed) => Said { status: None, code: None, missed: Some(missed), took },
    }
}

/// Status and body of the answer, if it came while the platform waited.
pub(super) async fn ask(letter: Letter, patience: Patience) -> Result<(u16, Bytes), Missed> {
    let uri: Uri = letter.to.url.parse().map_err(|_| Missed::Broken)?;
    let (tls, default_port) = match (uri.scheme_str(), letter.to.tls) {
        (Some("http"), _) => (None, 80),
        (Some("https"), Some(tls)) => (Some(tls), 443),
        _ => return Err(Missed::Broken),
    };
    let host = uri.host().ok_or(Missed::Broken)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(default_port);
    let authority = uri.authority().ok_or(Missed::Broken)?.as_str();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(letter.method).uri(path);
    request = request.header(header::HOST, authority);
    for (name, value) in &letter.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(letter.body))).map_err(|_| Missed::Broken)?;
    let connecting = TcpStream::connect((host.as_str(), port));
    let Ok(Ok(stream)) = timeout(patience.connect, connecting).await else {
        return Err(Missed::Connect);
    };
    let _ = stream.set_nodelay(true);
    let answering = async {
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(tls.connect(stream).await.map_err(|_| Missed::Broken)?),
            None => Box::new(stream),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| Missed::Broken)?;
        // Ends with the set, however this ends: who is late is hung up on.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let answer = sender.send_request(request).await.map_err(|_| Missed::Broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        Ok((status, body.map_err(|_| Missed::Broken)?.to_bytes()))
    };
    timeout(patience.request, answering).await.map_err(|_| Missed::Late)?
}

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use veksel_config::{Source, load_simulator, load_switch};

    #[test]
    fn the_platform_waits_nine_tenths_of_a_second_altogether() {
        let patience = Patience::default();
        assert_eq!(patience.connect, Duration::from_millis(400));
        assert_eq!(patience.request, Duration::from_millis(500));
        assert_eq!(patience.total(), Duration::from_millis(900));
        // Of the 1.5 s of the scheme the client has what the way, the platform's own work and its
        // reserve leave, and the switch does not use up all of that.
        let left = Duration::from_millis(1_500 - 400 - 200 - 400);
        assert_eq!(patience.request, left);
        let example = Source::text("bridge.toml", veksel_config::BRIDGE_EXAMPLE);
        let switch = load_switch(example.known_dialects(&["cbs-ascii-bin"])).unwrap();
        let budget = Duration::from_millis(switch.bridge.extauth.unwrap().budget_ms);
        assert_eq!(budget, Duration::from_millis(350));
        assert!(budget < left);
        let example = Source::text("simulator.toml", veksel_config::SIMULATOR_EXAMPLE);
        let world = load_simulator(example.known_dialects(&["cbs-ascii-bin"])).unwrap();
        let platform = world.sandbox.and_then(|sandbox| sandbox.shaype).unwrap();
        assert_eq!((platform.connect_ms, platform.request_ms), (400, 500));
    }

    #[test]
    fn silence_a_refused_connection_and_an_answer_are_told_apart() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let letter = |address: &str| Letter {
            method: Method::PATCH,
            to: Endpoint { url: format!("http://{address}/holds/1"), tls: None },
            headers: Vec::new(),
            body: b"{}".to_vec(),
        };
        let patience =
            Patience { connect: Duration::from_secs(20), request: Duration::from_millis(100) };
        // Accepted by the system and answered by nobody.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let said = runtime.block_on(send(letter(&address), patience));
        assert_eq!((said.status, said.missed), (None, Some(Missed::Late)));
        drop(silent);
        let said = runtime.block_on(send(letter(&address), patience));
        assert_eq!((said.status, said.missed), (None, Some(Missed::Connect)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            while !text.ends_with("{}") {
                let mut piece = [0; 512];
                let count = stream.read(&mut piece).unwrap();
                text.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            let body = r#"{"errorCode":"REFUSED_NOT_ENOUGH_FUNDS"}"#;
            let head = format!("HTTP/1.1 470 No\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            text
        });
        let patience = Patience { request: Duration::from_secs(20), ..patience };
        let said = runtime.block_on(send(letter(&address), patience));
        assert_eq!(
            (said.status, said.code.as_deref()),
            (Some(470), Some("REFUSED_NOT_ENOUGH_FUNDS"))
        );
        assert!(answering.join().unwrap().starts_with("PATCH /holds/1 HTTP/1.1\r\n"));
    }
}
