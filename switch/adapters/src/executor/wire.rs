//! One exchange over the wire, and what its failures mean. The question that matters for money is
//! whether a byte of the request may have been received.

use super::Chain;
use super::address::Forbidden;
use super::request::{Request, Response};
use super::retry::Retry;
use bytes::{Bytes, BytesMut};
use core::pin::Pin;
use core::task::{Context, Poll};
use http_body::{Body, Frame, SizeHint};
use reqwest::{Client, Method, Url};
use rustls::AlertDescription;
use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use veksel_core::enquiry::{Failed, Failure};

/// The library's client, and when it last heard something: a connection on which nobody was heard
/// within the time that unused ones are kept is a fresh one.
#[derive(Debug)]
pub(super) struct Caller {
    client: Client,
    idle: Duration,
    heard: Mutex<Option<Instant>>,
}

impl Caller {
    /// With a client that keeps unused connections this long.
    pub(super) const fn new(client: Client, idle: Duration) -> Self {
        Self { client, idle, heard: Mutex::new(None) }
    }

    /// Somebody answered just now, so that there may be a connection that has been used.
    pub(super) fn note(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether what was begun then was certainly on a connection of its own.
    fn was_fresh(&self, begun: Instant) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_none_or(|heard| heard + self.idle < begun)
    }
}

/// Nothing came back.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) failure: Failure,
    pub(super) retry: Retry,
    /// A word of a closed set for the audit trail; the code of the failure too.
    pub(super) outcome: &'static str,
}

impl Missed {
    /// Whether the time was over.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.outcome, "timeout" | "connect_timeout")
    }
}

/// Sends a request and reads its answer within `limit`, of at most `body_max` bytes.
pub(super) async fn exchange(
    caller: &Caller,
    chain: &Chain,
    url: &Url,
    (request, traceparent): (&Request, &str),
    limit: Duration,
    body_max: usize,
) -> Result<Response, Missed> {
    let has_body = !request.body.is_empty();
    let bare = matches!(request.method, Method::GET | Method::DELETE) && !has_body;
    // An empty body is never asked for, so that it tells nothing.
    let sent = Arc::new(AtomicBool::new(!has_body));
    let moves_money = request.moves_money;
    let begun = Instant::now();
    let lost = Lost { moves_money, has_body, sent: Arc::clone(&sent), caller, begun };
    let mut builder = caller.client.request(request.method.clone(), url.clone());
    builder = builder.header("accept", "application/json, application/problem+json");
    builder = builder.headers(request.headers.clone()).header("traceparent", traceparent);
    if !bare {
        let bytes = has_body.then(|| request.body.clone());
        builder = builder.body(reqwest::Body::wrap(Watched { bytes, sent }));
    }
    let built = builder.build().map_err(|_| lost.before(Failed::Malfunction, "build"))?;
    // From here on somebody may give the chain up at any moment; what is open is noted as soon as
    // it may be. Before the body is asked for nothing is sent that could be carried out.
    let watch = request.moves_money.then(|| Watch { chain, sent: Arc::clone(&lost.sent) });
    let exchanged = tokio::time::timeout(limit, async {
        let response = caller.client.execute(built).await;
        let mut response = response.map_err(|error| lost.error(&error))?;
        caller.note();
        let status = response.status().as_u16();
        if (300..400).contains(&status) {
            return Err(lost.after(Failed::Malfunction, "redirect", Retry::Never));
        }
        let headers = core::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|_| {
                lost.after(Failed::Malfunction, "broken_body", Retry::IdempotentOnly)
            })?;
            let Some(chunk) = chunk else { break };
            if body.len().saturating_add(chunk.len()) > body_max {
                return Err(lost.after(Failed::Malfunction, "body_max", Retry::Never));
            }
            body.extend_from_slice(&chunk);
        }
        caller.note();
        let moved_money = request.moves_money;
        Ok(Response { status, headers, body: body.freeze(), moved_money, is_doubtful: false })
    });
    let result = exchanged.await.unwrap_or_else(|_| Err(lost.late()));
    drop(watch);
    result
}

/// Tells the chain that it is open, at the latest when the exchange is given up.
struct Watch<'c> {
    chain: &'c Chain,
    sent: Arc<AtomicBool>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.sent.load(Ordering::Relaxed) {
            self.chain.open();
        }
    }
}

/// Says what a failure means for this request.
struct Lost<'c> {
    moves_money: bool,
    has_body: bool,
    sent: Arc<AtomicBool>,
    caller: &'c Caller,
    begun: Instant,
}

impl Lost<'_> {
    /// Nothing was sent, certainly.
    fn before(&self, why: Failed, outcome: &'static str) -> Missed {
        let failure = Failure { code: outcome.to_owned(), ..Failure::before(why) };
        Missed { failure, retry: Retry::ConnectOnly, outcome }
    }

    /// Something may have been sent, if the body was asked for.
    fn after(&self, why: Failed, outcome: &'static str, retry: Retry) -> Missed {
        let is_open = self.moves_money && self.sent.load(Ordering::Relaxed);
        let failure = Failure { why, is_open, code: outcome.to_owned(), retry_ms: None };
        Missed { failure, retry, outcome }
    }

    /// The time is over.
    fn late(&self) -> Missed {
        if self.has_body && !self.sent.load(Ordering::Relaxed) {
            return self.before(Failed::Unavailable, "connect_timeout");
        }
        self.after(Failed::Late, "timeout", Retry::IdempotentOnly)
    }

    fn error(&self, error: &reqwest::Error) -> Missed {
        let causes = Causes::of(error);
        if causes.is_forbidden {
            let mut missed = self.before(Failed::Unavailable, "address");
            missed.retry = Retry::Never;
            return missed;
        }
        if let Some(tls) = &causes.tls {
            // A server that has not accepted our certificate has not read the request either
            // (RFC 8446 4.4: it reads application data once the handshake is over), although with
            // TLS 1.3 ours may have left before we hear of it. On a connection that was used
            // before, the handshake is long over, and nobody knows what was read.
            if is_about_us(tls) && !error.is_connect() && !self.caller.was_fresh(self.begun) {
                return self.after(Failed::Credentials, "tls_certificate", Retry::Never);
            }
            if is_about_us(tls) {
                let mut missed = self.before(Failed::Credentials, "tls_certificate");
                missed.retry = Retry::Never;
                return missed;
            }
            if error.is_connect() {
                let mut missed = self.before(Failed::Unavailable, "tls");
                missed.retry = Retry::Never;
                return missed;
            }
        }
        if error.is_connect() {
            let outcome = match causes.io {
                _ if error.is_dns() => "dns",
                _ if error.is_timeout() => "connect_timeout",
                Some(io::ErrorKind::ConnectionRefused) => "refused",
                Some(_) | None => "connect",
            };
            return self.before(Failed::Unavailable, outcome);
        }
        if error.is_timeout() {
            return self.late();
        }
        self.after(Failed::Unavailable, BROKEN, Retry::IdempotentOnly)
    }
}

/// `code` of a failure whose connection ended after something of the request had left: nobody knows
/// whether it was read.
pub const BROKEN: &str = "broken";

/// What stands behind an error of the library.
#[derive(Default)]
struct Causes {
    is_forbidden: bool,
    tls: Option<rustls::Error>,
    io: Option<io::ErrorKind>,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Self {
        let mut causes = Self::default();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.is_forbidden |= cause.is::<Forbidden>();
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                causes.tls = Some(tls.clone());
            }
            next = cause.source();
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                causes.io = Some(io.kind());
                // Its own source is what stands behind the one it carries.
                if let Some(inner) = io.get_ref() {
                    next = Some(inner);
                }
            }
        }
        causes
    }
}

/// Whether a peer said that it does not accept our certificate, or what was signed with it.
fn is_about_us(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(alert) if refuses_us(*alert))
}

/// Whether an alert says so.
pub(crate) const fn refuses_us(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::DecryptError
    )
}

/// A body that tells when it is asked for.
struct Watched {
    bytes: Option<Bytes>,
    sent: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.store(true, Ordering::Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
