//! Banks as Open Banking shows them: Berlin Group `NextGenPSD2` 1.3 over the ledger of the
//! simulated core-banking system.
//!
//! Accounts are the customers' of the ledger, found by IBAN; what is paid here is posted there,
//! once, in the same book. [`BANKS`] are seven banks with opposite peculiarities, each below a path
//! of its own (`/dnb/v1/payments/…`); [`MAGIC`] are amounts that make them misbehave. Of the
//! standard there are single payments, consents, accounts, balances, transactions, confirmation of
//! funds, authorisations by redirect, in the bank's app, and of payments at its authorisation
//! server, confirmation codes, and cancellation; there are no bulk or periodic payments, baskets,
//! card accounts or embedded approaches.

mod accounts;
mod asked;
mod bankid;
mod banks;
mod consent;
mod magic;
mod oauth;
mod order;
mod orders;
mod page;
mod payment;
mod push;
mod refusal;
mod reply;
mod signature;
mod state;
mod statements;
mod step_up;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

pub use banks::{Approach, BANKS, Bank, Last, PsuHeaders, Repeat};
pub use magic::{Magic, TABLE as MAGIC, find as magic, is_executed};
pub use payment::Delays;

use super::Sandbox;
use super::ca::Authority;
use super::clock::Clock;
use super::log::Remark;
use super::oidc::Oidc;
use super::serve::Peer;
use crate::bank::Desk;
use asked::Asked;
use bankid::Provider;
use refusal::Refusal;
use state::Inner;

/// How the banks are set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AspspSettings {
    /// Those that are there, by [`Bank::id`].
    pub banks: Vec<&'static str>,
    /// How long things take.
    pub delays: Delays,
    /// Whether status changes are pushed to whoever asked for it.
    pub push: bool,
    /// What pushes are signed with, as a gateway in front of a bank may; empty for not at all.
    pub push_secret: String,
    /// The secret, Base32, of one-time codes that approvals need; `None` if they need none.
    pub totp: Option<String>,
}

/// The sandbox.
pub struct Aspsp {
    inner: Arc<Inner>,
}

impl Aspsp {
    /// Over the ledger behind a desk. The CA tells whose QSEALs count; without one, banks that
    /// want signatures refuse everybody.
    #[must_use]
    pub fn new(
        settings: AspspSettings,
        desk: Desk,
        clock: Clock,
        authority: Option<Arc<Authority>>,
    ) -> Self {
        Self { inner: Inner::new(settings, desk, clock, authority) }
    }

    /// From now on customers say who they are, at this provider, before they approve anything. What
    /// was said before holds: a second one is not taken.
    pub fn identify_by(&self, oidc: Oidc, address: SocketAddr) {
        let _ = self.inner.provider.set(Provider { oidc, address });
    }
}

impl Sandbox for Aspsp {
    fn router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new().fallback(move |Extension(peer): Extension<Peer>, request: Request| {
            let inner = Arc::clone(&inner);
            async move { answer(&inner, peer, request).await }
        })
    }

    /// Payments and consents are forgotten; what was posted stays posted.
    fn reset(&self) {
        self.inner.reset();
    }

    fn turn(&self, now_ms: u64) {
        self.inner.turn(now_ms);
    }
}

async fn answer(inner: &Arc<Inner>, peer: Peer, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path: Vec<String> = head.uri.path().split('/').skip(1).map(decoded).collect();
    let bank = path.first().and_then(|id| Bank::find(id));
    let Some(bank) = bank.filter(|bank| inner.settings.banks.contains(&bank.id)) else {
        let remark = Remark("there is no such bank here".to_owned());
        return (StatusCode::NOT_FOUND, Extension(remark)).into_response();
    };
    let body: Bytes = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let is_long = error.downcast_ref::<LengthLimitError>().is_some();
            let status =
                if is_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            return status.into_response();
        }
    };
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if peer.is_tls { "https" } else { "http" };
    let mut asked = Asked {
        bank,
        method: head.method,
        path: path.into_iter().skip(1).collect(),
        query: query(head.uri.query().unwrap_or_default()),
        origin: format!("{scheme}://{}", host.unwrap_or("localhost")),
        headers: head.headers,
        body,
        peer,
        now_ms: inner.clock.now_ms(),
        tpp: None,
    };
    let path = asked.path.clone();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ["sca" | "app", ..] = path.as_slice() {
        return page::serve(inner, &asked, &path).await;
    }
    if let ["oauth" | ".well-known", ..] = path.as_slice() {
        return oauth::serve(inner, &asked, &path);
    }
    let mut response = match serve(inner, &mut asked, &path).await {
        Ok(response) => response,
        Err(refusal) => refusal.respond(bank),
    };
    let number = HeaderName::from_static("x-request-id");
    if let Some(value) = asked.headers.get(&number) {
        response.headers_mut().insert(number, value.clone());
    }
    if asked.headers.contains_key("x-consent-id") && response.extensions().get::<Remark>().is_none()
    {
        let remark = "X-Consent-ID is no header of the Berlin Group; Consent-ID is";
        response.extensions_mut().insert(Remark(remark.to_owned()));
    }
    response
}

async fn serve(inner: &Arc<Inner>, asked: &mut Asked, path: &[&str]) -> Result<Response, Refusal> {
    let ["v1", rest @ ..] = path else {
        return Err(Refusal::unknown("there is no such version"));
    };
    asked.admit(inner.authority.as_deref())?;
    let asked = &*asked;
    match rest {
        ["consents", rest @ ..] => accounts::consents(inner, asked, rest).await,
        ["accounts", rest @ ..] => accounts::accounts(inner, asked, rest).await,
        ["funds-confirmations"] => accounts::funds(inner, asked).await,
        [service @ ("payments" | "bulk-payments" | "periodic-payments"), product, rest @ ..] => {
            orders::serve(inner, asked, service, product, rest).await
        }
        _ => Err(Refusal::unknown("there is no such service")),
    }
}

fn query(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// Percent-encoding taken off; what is encoded wrongly stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, after.get(2..)) {
            (Some(byte), Some(behind)) => {
                bytes.push(byte);
                rest = behind;
            }
            _ => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The largest body that is read.
const BODY_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_taken_off() {
        for (text, plain) in [
            ("a%20b", "a b"),
            ("%C3%A5", "å"),
            ("50%", "50%"),
            ("%zz1", "%zz1"),
            ("%4", "%4"),
            ("", ""),
        ] {
            assert_eq!(decoded(text), plain);
        }
        let wanted = [("a".to_owned(), "1 2".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(query("a=1%202&&b"), wanted);
    }
}
