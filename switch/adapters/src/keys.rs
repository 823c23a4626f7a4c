//! The keys that somebody publishes (JWKS): fetched like everything else, under the same limits and
//! with the same audit trail. What is in them is for whoever verifies with them.

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Executor, Request};
use reqwest::Method;
use veksel_config::bridge::CallConfig;

/// Where somebody publishes keys.
#[derive(Debug)]
pub struct KeyHost {
    executor: Executor,
    url: String,
    within_ms: u64,
}

impl KeyHost {
    /// For a publisher of this name; the address is that of the set itself.
    ///
    /// # Errors
    /// The address is none that may be called, or a file of the configuration is not as it should
    /// be.
    pub fn new(name: &str, call: &CallConfig, audit: AuditSink) -> Result<Self, AdapterError> {
        let executor = Executor::new(name, call, REGISTERED, audit)?;
        let within_ms = call.connect_ms.saturating_add(call.read_ms);
        Ok(Self { executor, url: call.url.clone(), within_ms })
    }

    /// The bytes of the set.
    ///
    /// # Errors
    /// Why there are none, in a word.
    pub async fn fetch(&self) -> Result<Vec<u8>, String> {
        let chain = Chain::new(self.within_ms, "");
        let request = Request::new("keys", Method::GET, "/keys", self.url.as_str());
        let response = self.executor.call(&chain, request).await;
        let response = response.map_err(|failure| failure.why.word().to_owned())?;
        match response.is_success() {
            true => Ok(response.body.to_vec()),
            false => Err(format!("status {}", response.status)),
        }
    }
}
