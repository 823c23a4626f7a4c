//! The third parties of the configuration: the adapters that ask them, what verifies their
//! webhooks, and the audit trail of every call.

use crate::enquirer::{Answering, Asks};
use crate::http::Outside;
use crate::material::webhook_secrets;
use crate::start::StartError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use veksel_adapters::providers::Providers;
use veksel_adapters::sumsub::webhook::{Webhook, WebhookKeys};
use veksel_adapters::{Adapters, CallEvent, audit, read_secret};
use veksel_api::{Unwelcome, Webhooks};
use veksel_config::bridge::{BridgeConfig, KycConfig};
use veksel_core::enquiry::{Ask, Event};

/// Calls whose audit line waits to be written.
const AUDIT_MAX: usize = 4_096;

/// Asks third parties by their adapters.
struct Configured(Adapters);

impl Asks for Configured {
    fn ask(&self, ask: Ask) -> Answering<'_> {
        Box::pin(self.0.ask(ask))
    }
}

/// Verifies the webhooks of the provider of identity checks.
struct Verifier(WebhookKeys);

impl Webhooks for Verifier {
    fn verify(
        &self,
        digest: Option<&str>,
        algorithm: Option<&str>,
        body: &[u8],
    ) -> Result<Event, Unwelcome> {
        self.0.event(Webhook { digest, algorithm, body }).map_err(|error| {
            tracing::warn!(%error, "a webhook is not taken");
            if error.is_forgery() { Unwelcome::Forged } else { Unwelcome::Unreadable }
        })
    }
}

/// Makes the adapters, and lets their audit trail be written on the runtime of `handle`.
pub(crate) fn configured(bridge: &BridgeConfig, handle: &Handle) -> Result<Outside, StartError> {
    let wrong = |error: veksel_adapters::AdapterError| StartError::Outside(error.to_string());
    let (sink, events) = audit(AUDIT_MAX);
    let adapters = Adapters::new(bridge, &read_secret, sink).map_err(wrong)?;
    handle.spawn(write_down(events));
    let webhooks = bridge.kyc.as_ref().map(webhooks).transpose()?;
    let providers = Arc::new(Providers::default());
    Ok(Outside { asks: Arc::new(Configured(adapters)), webhooks, providers })
}

/// What knows the webhooks of the provider of identity checks.
fn webhooks(kyc: &KycConfig) -> Result<Arc<dyn Webhooks>, StartError> {
    let part = "the secrets of webhooks of [kyc]".to_owned();
    let secrets = webhook_secrets(kyc).map_err(|why| StartError::Secret { part, why })?;
    let keys = WebhookKeys::new(secrets, kyc.allow_sha1, kyc.risk_labels.clone());
    Ok(Arc::new(Verifier(keys)))
}

/// Writes the audit trail into the log, under a target of its own.
pub(crate) async fn write_down(mut events: mpsc::Receiver<CallEvent>) {
    while let Some(event) = events.recv().await {
        let CallEvent {
            provider,
            service,
            method,
            template,
            attempt,
            status,
            outcome,
            elapsed_us,
            request_id,
            trace,
            bytes_out,
            bytes_in,
        } = event;
        tracing::info!(
            target: "veksel_audit", provider, service, method, template, attempt, status, outcome,
            elapsed_us, request_id, trace, bytes_out, bytes_in, "call"
        );
    }
}
