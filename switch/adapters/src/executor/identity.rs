//! Who we are to a provider: the client that shows our certificate (QWAC), until when that holds,
//! and another one in its place while calls are made.
//!
//! What is under way ends with the client it began with.

use super::IDLE;
use super::wire::Caller;
use super::{address, tls};
use crate::adapters::AdapterError;
use crate::files;
use reqwest::Client;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use veksel_config::bridge::{CallConfig, Identity};

/// Unused connections that are kept.
const IDLE_MAX: usize = 8;

/// A certificate of ours, and what shows it.
#[derive(Debug)]
pub(crate) struct Known {
    caller: Arc<Caller>,
    pub(crate) held: Held,
}

/// A certificate of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// When the first of its chain ends, in Unix seconds.
    pub(crate) not_after: i64,
    /// The whole chain, to tell it from another.
    pub(crate) chain: Vec<u8>,
}

impl Held {
    /// The certificate of an identity.
    ///
    /// # Errors
    ///
    /// If its file is not what it should be.
    pub(crate) fn read(identity: &Identity) -> Result<Self, AdapterError> {
        let chain = files::certificates(&identity.certificate)?;
        let not_after = files::not_after(&identity.certificate, &chain)?;
        Ok(Self { not_after, chain: chain.iter().flat_map(|one| one.to_vec()).collect() })
    }
}

/// What makes the calls that are made with our certificate.
#[derive(Debug)]
pub(super) struct Credentials(RwLock<Known>);

impl Credentials {
    pub(super) const fn new(known: Known) -> Self {
        Self(RwLock::new(known))
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).caller)
    }

    pub(super) fn held(&self) -> Held {
        self.0.read().unwrap_or_else(PoisonError::into_inner).held.clone()
    }

    pub(super) fn renew(&self, known: Known) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Reads the certificate of a provider, if one is configured.
///
/// # Errors
///
/// If a file is not what it should be.
pub(super) fn known(call: &CallConfig) -> Result<Option<Known>, AdapterError> {
    let Some(identity) = &call.identity else { return Ok(None) };
    let held = Held::read(identity)?;
    Ok(Some(Known { caller: Arc::new(caller(call, Some(identity))?), held }))
}

/// What makes calls to a provider.
///
/// # Errors
///
/// If a file is not what it should be.
pub(super) fn caller(
    call: &CallConfig,
    identity: Option<&Identity>,
) -> Result<Caller, AdapterError> {
    Ok(Caller::new(built(call, identity)?, IDLE))
}

/// The library's client, for who brings requests of his own.
///
/// # Errors
///
/// If a file is not what it should be.
#[cfg(feature = "otlp")]
pub(crate) fn client(call: &CallConfig) -> Result<Client, AdapterError> {
    built(call, None)
}

fn built(call: &CallConfig, identity: Option<&Identity>) -> Result<Client, AdapterError> {
    let tls = tls::client(&call.url, call.trust.as_deref(), call.is_relaxed, identity)?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(address::Resolver { allow_private: call.allow_private })
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("veksel/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(call.connect_ms))
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_MAX);
    builder.build().map_err(|error| AdapterError::Client {
        url: call.url.clone(),
        why: error.without_url().to_string(),
    })
}
