//! Addresses that are secrets: whoever has one may post to it. Only the host of one is ever shown.

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Executor, Request, Response};
use reqwest::{Method, Url};
use veksel_config::bridge::CallConfig;
use veksel_core::enquiry::{Failure, Secret};

/// Longest time for one attempt to connect, and to be answered, in milliseconds.
const CONNECT_MS: u64 = 5_000;
const ANSWER_MS: u64 = 5_000;

/// Most of an answer that is read, in bytes.
const BODY_MAX: u32 = 4_096;

/// How an address that is a secret is called.
#[derive(Debug)]
pub(crate) struct Hook {
    executor: Executor,
    service: &'static str,
    /// Path and query.
    target: Secret,
}

impl Hook {
    /// For an address of `provider`, by whose name it is shown.
    ///
    /// # Errors
    ///
    /// If it is none that may be called. Nothing of it is told.
    pub(crate) fn new(
        provider: &'static str,
        service: &'static str,
        address: &Secret,
        allow_private: bool,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let wrong = |why| AdapterError::Url { url: format!("of {provider}"), why };
        let url = Url::parse(address.expose()).map_err(|_| wrong("is no address"))?;
        let origin = url.origin();
        if !origin.is_tuple() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("is no address that can be called"));
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let call = CallConfig {
            connect_ms: CONNECT_MS,
            read_ms: ANSWER_MS,
            retries: 0,
            body_max: BODY_MAX,
            // Who calls waits longer and longer by itself.
            breaker_failures: 0,
            allow_private,
            ..CallConfig::at(&origin.ascii_serialization())
        };
        let executor = Executor::new(provider, &call, REGISTERED, audit)?;
        Ok(Self { executor, service, target: Secret::new(target) })
    }

    /// Calls it, with a body of JSON if there is one.
    ///
    /// # Errors
    ///
    /// If nothing came back.
    pub(crate) async fn call(&self, body: Option<String>) -> Result<Response, Failure> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::new(self.service, method, "/{secret}", self.target.expose());
        let request = match body {
            Some(body) => request.body("application/json", body)?,
            None => request,
        };
        let chain = Chain::new(CONNECT_MS + ANSWER_MS, "alert");
        self.executor.call(&chain, request).await
    }
}
