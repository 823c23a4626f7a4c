//! A heartbeat: an address of somebody who raises the alarm when it is not called for a while, as
//! Better Stack has them. The address is all that is needed to call it, and so it is a secret.

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::hook::Hook;
use veksel_core::enquiry::Secret;

/// Who is told that all is well.
#[derive(Debug)]
pub struct Heartbeat(Hook);

impl Heartbeat {
    /// Calls this address.
    ///
    /// # Errors
    ///
    /// If it is none that may be called.
    pub fn new(
        address: &Secret,
        allow_private: bool,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        Hook::new("heartbeat", "heartbeat", address, allow_private, audit).map(Self)
    }

    /// Says that all is well; whether it was heard.
    pub async fn beat(&self) -> bool {
        self.0.call(None).await.is_ok_and(|response| response.is_success())
    }
}
