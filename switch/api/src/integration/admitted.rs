//! A caller that was let in, with its request: what every handler of the integration API begins
//! with.
//!
//! The permission of a route is said once, where the route is described
//! ([`Endpoint::permitted`](crate::openapi::Endpoint::permitted)), and comes here in the extensions
//! of its requests. A route that says none lets nobody in.

use super::caller::Acting;
use super::message::{Numbers, approved, inquiry, request};
use super::text::read;
use super::{Handed, Integration};
use crate::answer::{Answer, Refusal, Trace};
use crate::door::{Desk, answered};
use crate::exchange::Spoken;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use veksel_adapters::providers::Provides;

/// What callers of a route must be permitted to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permission(pub(crate) &'static str);

/// See the module.
pub(crate) struct Admitted {
    integration: Arc<Integration>,
    acting: Acting,
    trace: Trace,
    headers: HeaderMap,
    body: Bytes,
}

impl Admitted {
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Billers and messengers.
    pub(super) fn providers(&self) -> &Arc<dyn Provides> {
        &self.integration.providers
    }

    /// What was handed over to messengers.
    pub(super) fn handed(&self) -> &Arc<Handed> {
        &self.integration.handed
    }

    /// The body, as what the route takes.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        read(&self.headers, &self.body)
    }

    /// What the caller is called.
    pub(super) fn name(&self) -> &str {
        &self.acting.caller.config.name
    }

    /// The beginning of a request with these numbers.
    pub(super) fn request(&self, mti: [u8; 4], numbers: &Numbers) -> Spoken {
        request(&self.acting, &self.trace, mti, numbers)
    }

    /// The beginning of an inquiry with this DE3.
    pub(super) fn inquiry(&self, code: &str, currency: Option<&str>) -> Result<Spoken, Refusal> {
        inquiry(&self.acting, &self.trace, code, currency)
    }

    /// Sends a message in and gives its answer if the switch gave one.
    pub(super) async fn ask(&self, message: Spoken) -> Result<Spoken, Refusal> {
        self.integration.ask(self.acting.id, message).await
    }

    /// The same, and a refusal if that is what the answer is.
    pub(super) async fn inquire(&self, message: Spoken) -> Result<Spoken, Refusal> {
        approved(self.ask(message).await?)
    }

    /// Renders what comes of the request.
    pub(super) fn answer(&self, answer: Answer) -> Response {
        answered(answer, &self.trace)
    }
}

/// The route says no permission: a defect.
fn unsaid() -> Refusal {
    tracing::error!("a route says no permission");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "nobody may ask this")
}

impl FromRequest<Desk> for Admitted {
    type Rejection = Response;

    async fn from_request(request: Request, desk: &Desk) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(trace) = Trace::from_request_parts(&mut parts, desk).await;
        let admitted = async {
            let integration = desk.integration()?;
            let permission = parts.extensions.get::<Permission>();
            let Permission(permission) = permission.ok_or_else(unsaid)?;
            let acting = integration.admit(&parts.headers, permission)?;
            // It is there already, and not longer than it may be.
            let body = to_bytes(body, usize::MAX).await;
            let body = body.map_err(|_| Refusal::bad("the body is broken off"))?;
            Ok((Arc::clone(integration), acting, body))
        };
        match admitted.await {
            Ok((integration, acting, body)) => {
                Ok(Self { integration, acting, trace, headers: parts.headers, body })
            }
            Err(refusal) => Err(Refusal::respond(&refusal, &trace)),
        }
    }
}
