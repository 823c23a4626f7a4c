//! The third parties of the configuration: the adapters that ask them, what verifies their
//! webhooks, and the audit trail of every call.

use crate::alert::{Alert, Alerts};
use crate::clock::Clock;
use crate::enquirer::{Answering, Asks};
use crate::http::Outside;
use crate::material::webhook_secrets;
use crate::observe::Metrics;
use crate::spans::Spans;
use crate::start::StartError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use veksel_adapters::didit;
use veksel_adapters::oidc::{Alarms, Oidc};
use veksel_adapters::providers::{Providers, Provides};
use veksel_adapters::sumsub::webhook::{Webhook, WebhookKeys};
use veksel_adapters::{Adapters, CallEvent, Certificate, Circuit, audit, read_secret};
use veksel_api::{Identity, Signed, Unwelcome, Webhooks};
use veksel_config::SwitchConfig;
use veksel_config::bridge::{BridgeConfig, KycConfig, KycProvider};
use veksel_core::enquiry::{Addressee, Ask, Event};

/// Calls whose audit line waits to be written.
const AUDIT_MAX: usize = 4_096;

/// Tells how breakers stand, whenever it is asked.
pub(crate) type Circuits = Arc<dyn Fn() -> Vec<Circuit> + Send + Sync>;

/// Asks third parties by their adapters, and shows how the breakers of all of them stand.
struct Configured(Adapters, Arc<Providers>);

impl Asks for Configured {
    fn ask(&self, ask: Ask) -> Answering<'_> {
        match ask.to {
            Addressee::Bank(_) | Addressee::Kyc => Box::pin(self.0.ask(ask)),
            Addressee::Biller => Box::pin(self.1.ask(ask)),
        }
    }

    fn circuits(&self) -> Vec<Circuit> {
        let mut circuits = self.0.circuits();
        circuits.extend(self.1.circuits());
        circuits
    }

    fn certificates(&self) -> Vec<Certificate> {
        self.0.certificates()
    }

    fn renew(&self, is_trial: bool) -> Result<Vec<Certificate>, String> {
        self.0.renew(is_trial).map_err(|error| error.to_string())
    }
}

/// Verifies the webhooks of the provider of identity checks.
enum Verifier {
    Sumsub(WebhookKeys),
    Didit(didit::webhook::WebhookKeys),
}

impl Webhooks for Verifier {
    fn paths(&self) -> &'static [&'static str] {
        match self {
            Self::Sumsub(_) => &["/v1/webhooks/sumsub", "/api/kyc/webhook"],
            Self::Didit(_) => &["/v1/webhooks/didit", "/api/kyc/webhook"],
        }
    }

    fn verify(&self, signed: &Signed<'_>, body: &[u8]) -> Result<Event, Unwelcome> {
        let refused = |is_forgery, error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "a webhook is not taken");
            if is_forgery { Unwelcome::Forged } else { Unwelcome::Unreadable }
        };
        match self {
            Self::Sumsub(keys) => {
                let digest = signed.header("x-payload-digest");
                let algorithm = signed.header("x-payload-digest-alg");
                let event = keys.event(Webhook { digest, algorithm, body });
                event.map_err(|error| refused(error.is_forgery(), &error))
            }
            Self::Didit(keys) => {
                let webhook = didit::webhook::Webhook {
                    timestamp: signed.header("x-timestamp"),
                    raw: signed.header("x-signature"),
                    sorted: signed.header("x-signature-v2"),
                    simple: signed.header("x-signature-simple"),
                    body,
                };
                let event = keys.event(webhook, Clock::new().now().utc.0 / 1_000);
                event.map_err(|error| refused(error.is_forgery(), &error))
            }
        }
    }
}

/// Makes the adapters, and lets their audit trail be written on the runtime of `handle`.
pub(crate) fn configured(
    config: &SwitchConfig,
    handle: &Handle,
    metrics: &Metrics,
    spans: &Spans,
) -> Result<Outside, StartError> {
    let bridge = &config.bridge;
    let wrong = |error: veksel_adapters::AdapterError| StartError::Outside(error.to_string());
    let (sink, events) = audit(AUDIT_MAX);
    let providers = Providers::new(&bridge.providers, &read_secret, &sink).map_err(wrong)?;
    let adapters = Adapters::new(bridge, &read_secret, sink).map_err(wrong)?;
    let adapters = adapters.recording(spans.traces());
    handle.spawn(write_down(events, metrics.clone(), Some(spans.clone())));
    let webhooks = bridge.kyc.as_ref().map(webhooks).transpose()?;
    let providers = Arc::new(providers);
    let asks = Arc::new(Configured(adapters, Arc::clone(&providers)));
    Ok(Outside { asks, webhooks, providers })
}

/// What signs people in, if anybody is to.
pub(crate) fn identity(
    bridge: &BridgeConfig,
    handle: &Handle,
    metrics: &Metrics,
    alerts: &Alerts,
) -> Result<Option<(Identity, Circuits)>, StartError> {
    let (Some(config), Some(http)) = (&bridge.identity, &bridge.http) else { return Ok(None) };
    let (sink, events) = audit(AUDIT_MAX);
    let alerts = alerts.clone();
    let alarms = Alarms::new(move |alarm| {
        alerts.raise(Alert::new(alarm.severity(), alarm.title(), alarm.message()));
    });
    let oidc = Oidc::new(config, http, &read_secret, &sink, alarms);
    let oidc = oidc.map_err(|error| StartError::Outside(format!("[identity]: {error}")))?;
    handle.spawn(write_down(events, metrics.clone(), None));
    let circuits: Circuits = Arc::new(oidc.circuits());
    Ok(Some((Identity::new(oidc, config, http), circuits)))
}

/// What knows the webhooks of the provider of identity checks.
fn webhooks(kyc: &KycConfig) -> Result<Arc<dyn Webhooks>, StartError> {
    let part = "the secrets of webhooks of [kyc]".to_owned();
    let secrets = webhook_secrets(kyc).map_err(|why| StartError::Secret { part, why })?;
    let labels = kyc.risk_labels.clone();
    Ok(Arc::new(match &kyc.provider {
        KycProvider::Sumsub => Verifier::Sumsub(WebhookKeys::new(secrets, kyc.allow_sha1, labels)),
        KycProvider::Didit(didit) => {
            let keys = didit::webhook::WebhookKeys::new(secrets, didit.allow_simple, labels);
            Verifier::Didit(keys)
        }
    }))
}

/// Writes the audit trail into the log, under a target of its own, and counts how long calls took.
pub(crate) async fn write_down(
    mut events: mpsc::Receiver<CallEvent>,
    metrics: Metrics,
    spans: Option<Spans>,
) {
    while let Some(event) = events.recv().await {
        if let Some(spans) = &spans {
            spans.note(&event);
        }
        let span = hex(&event.span.trace);
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
            span: _,
            bytes_out,
            bytes_in,
        } = event;
        let labels = [provider.as_str(), service, outcome];
        let seconds = elapsed_us as f64 / 1e6;
        metrics.provider_seconds.with_label_values(&labels).observe(seconds);
        tracing::info!(
            target: "veksel_audit", provider, service, method, template, attempt, status, outcome,
            elapsed_us, request_id, trace, trace_id = span, bytes_out, bytes_in, "call"
        );
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}
