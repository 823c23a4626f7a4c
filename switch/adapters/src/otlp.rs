//! Calls to third parties as spans of OpenTelemetry, posted to a collector (OTLP over HTTP,
//! protobuf). A span has what the audit line of its call has, and so nothing to mask.
//!
//! The only file that knows OpenTelemetry; it is there with the feature `otlp`.

use crate::adapters::AdapterError;
use crate::executor::audit::CallEvent;
use crate::executor::client;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use veksel_config::bridge::CallConfig;

/// How long a collector may take to take spans.
const TAKE: Duration = Duration::from_secs(10);

/// A collector.
#[derive(Debug)]
pub struct Collector {
    exporter: SpanExporter,
    scope: InstrumentationScope,
}

impl Collector {
    /// Posts to this address, in the name of this switch. Must be called on a runtime.
    ///
    /// # Errors
    ///
    /// If it is none that can be called.
    pub fn new(endpoint: &str, switch: &str) -> Result<Self, AdapterError> {
        let wrong = |why: String| AdapterError::Client { url: endpoint.to_owned(), why };
        // A collector is one of ours, on this machine more often than not.
        let call = CallConfig { allow_private: true, ..CallConfig::at(endpoint) };
        let builder = SpanExporter::builder().with_http().with_http_client(client(&call)?);
        let builder = builder.with_endpoint(endpoint).with_timeout(TAKE);
        let mut exporter = builder.build().map_err(|error| wrong(error.to_string()))?;
        let resource = Resource::builder_empty()
            .with_service_name("veksel")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", switch.to_owned()))
            .build();
        exporter.set_resource(&resource);
        let scope = InstrumentationScope::builder("veksel").build();
        Ok(Self { exporter, scope })
    }

    /// Posts calls with the times at which they ended. Those that are not recorded are left out.
    ///
    /// # Errors
    ///
    /// If the collector did not take them within ten seconds.
    pub async fn take(&self, calls: &[(CallEvent, SystemTime)]) -> Result<(), String> {
        let recorded = calls.iter().filter(|(call, _)| call.span.is_sampled);
        let spans: Vec<_> = recorded.map(|(call, ended)| self.span(call, *ended)).collect();
        if spans.is_empty() {
            return Ok(());
        }
        match timeout(TAKE, self.exporter.export(spans)).await {
            Ok(taken) => taken.map_err(|error| error.to_string()),
            Err(_) => Err("it took too long".to_owned()),
        }
    }

    fn span(&self, call: &CallEvent, ended: SystemTime) -> SpanData {
        let begun = ended.checked_sub(Duration::from_micros(call.elapsed_us)).unwrap_or(ended);
        let mut attributes = vec![
            KeyValue::new("peer.service", call.provider.clone()),
            KeyValue::new("veksel.service", call.service),
            KeyValue::new("veksel.trace", call.trace.clone()),
            KeyValue::new("veksel.attempt", i64::from(call.attempt)),
            KeyValue::new("veksel.outcome", call.outcome),
            KeyValue::new("http.request.method", call.method.clone()),
            KeyValue::new("url.template", call.template),
        ];
        let status =
            call.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status)));
        attributes.extend(status);
        let is_fault = call.status.is_none_or(|status| status >= 400);
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(call.span.trace),
                SpanId::from_bytes(call.span.id),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::from_bytes(call.span.parent),
            parent_span_is_remote: call.span.parent != [0; 8],
            span_kind: SpanKind::Client,
            name: format!("{} {}", call.method, call.template).into(),
            start_time: begun,
            end_time: ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if is_fault { Status::error(call.outcome) } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::audit::Span;
    use axum::Router;
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use axum::routing::post;
    use std::sync::{Arc, Mutex};

    type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

    /// A collector that keeps what it takes.
    async fn collector(status: u16) -> (String, Taken) {
        let taken = Taken::default();
        let keep = Arc::clone(&taken);
        let take = move |headers: HeaderMap, body: Bytes| async move {
            let kind = headers["content-type"].to_str().unwrap().to_owned();
            keep.lock().unwrap().push((kind, body.to_vec()));
            axum::http::StatusCode::from_u16(status).unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, taken)
    }

    fn call(is_sampled: bool, status: Option<u16>) -> (CallEvent, SystemTime) {
        let span = Span { trace: [0xab; 16], parent: [0xcd; 8], id: [0xef; 8], is_sampled };
        let event = CallEvent {
            provider: "fjord".to_owned(),
            service: "payments",
            method: "POST".to_owned(),
            template: "/v1/payments/{product}",
            attempt: 1,
            status,
            outcome: "ok",
            elapsed_us: 1_500,
            request_id: "r".to_owned(),
            trace: "txn-17".to_owned(),
            span,
            bytes_out: 1,
            bytes_in: 2,
        };
        (event, SystemTime::now())
    }

    fn holds(body: &[u8], part: &[u8]) -> bool {
        body.windows(part.len()).any(|window| window == part)
    }

    #[tokio::test]
    async fn calls_that_are_recorded_reach_the_collector() {
        let (url, taken) = collector(200).await;
        let collector = Collector::new(&url, "north").unwrap();
        let calls = [call(true, Some(201)), call(false, Some(200)), call(true, None)];
        collector.take(&calls).await.unwrap();
        let taken = taken.lock().unwrap();
        let [(kind, body)] = taken.as_slice() else { panic!("{}", taken.len()) };
        assert_eq!(kind, "application/x-protobuf");
        for part in [
            &[0xab; 16][..],
            &[0xcd; 8],
            &[0xef; 8],
            b"veksel",
            b"north",
            b"fjord",
            b"txn-17",
            b"POST /v1/payments/{product}",
            b"http.response.status_code",
        ] {
            assert!(holds(body, part), "{part:?}");
        }
        let spans = body.windows(16).filter(|window| *window == [0xab; 16]).count();
        assert_eq!(spans, 2, "one of three is not recorded");
    }

    #[tokio::test]
    async fn nothing_is_posted_if_nothing_is_recorded() {
        let (url, taken) = collector(200).await;
        let collector = Collector::new(&url, "north").unwrap();
        collector.take(&[call(false, Some(200))]).await.unwrap();
        assert!(taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_collector_that_does_not_take_them_is_said() {
        let (url, _taken) = collector(400).await;
        let refusing = Collector::new(&url, "north").unwrap();
        assert!(refusing.take(&[call(true, None)]).await.is_err());
        let nobody = Collector::new("http://127.0.0.1:9/v1/traces", "north").unwrap();
        assert!(nobody.take(&[call(true, None)]).await.is_err());
        assert!(Collector::new("no address", "north").is_err());
    }
}
