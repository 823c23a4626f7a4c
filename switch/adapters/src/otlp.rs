//! Messages and the calls to third parties behind them as spans of OpenTelemetry, posted to a
//! collector (OTLP over HTTP, protobuf). The span of a call has what its audit line has, and that
//! of a message says of which kind it was and how it ended, so there is nothing to mask.
//!
//! The only file that knows OpenTelemetry; it is there with the feature `otlp`.

use crate::adapters::AdapterError;
use crate::executor::audit::{CallEvent, Span};
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

/// A message that was carried: names of the configuration, and words of closed sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageEvent {
    /// Over which link it came.
    pub link: String,
    /// Its route; empty if it took none.
    pub route: String,
    /// Of which kind.
    pub kind: &'static str,
    /// Its message type.
    pub mti: String,
    /// What its answer says.
    pub response: String,
    /// How certain that is.
    pub verdict: &'static str,
    /// Why.
    pub reason: &'static str,
    /// What it is found by in the journal; empty if it did not become a transaction.
    pub trace: String,
    /// Its place, and how it stands in the trace that it names.
    pub span: Span,
    /// Microseconds from its arrival to its answer.
    pub elapsed_us: u64,
    /// Nobody knows what came of it.
    pub is_open: bool,
}

/// What is a span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// One attempt of one call.
    Call(CallEvent),
    /// A message.
    Message(MessageEvent),
}

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

    /// Posts what ended at these times. What is not recorded is left out.
    ///
    /// # Errors
    ///
    /// If the collector did not take it within ten seconds.
    pub async fn take(&self, ended: &[(Recorded, SystemTime)]) -> Result<(), String> {
        let recorded = ended.iter().filter(|(recorded, _)| recorded.span().is_sampled);
        let spans: Vec<_> = recorded.map(|(recorded, ended)| self.data(recorded, *ended)).collect();
        if spans.is_empty() {
            return Ok(());
        }
        match timeout(TAKE, self.exporter.export(spans)).await {
            Ok(taken) => taken.map_err(|error| error.to_string()),
            Err(_) => Err("it took too long".to_owned()),
        }
    }

    fn data(&self, recorded: &Recorded, ended: SystemTime) -> SpanData {
        let Shown { kind, name, elapsed_us, attributes, status, is_child_of_ours } = match recorded
        {
            Recorded::Call(call) => shown_call(call),
            Recorded::Message(message) => shown_message(message),
        };
        let span = recorded.span();
        let begun = ended.checked_sub(Duration::from_micros(elapsed_us)).unwrap_or(ended);
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(span.trace),
                SpanId::from_bytes(span.id),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::from_bytes(span.parent),
            parent_span_is_remote: span.parent != [0; 8] && !is_child_of_ours,
            span_kind: kind,
            name: name.into(),
            start_time: begun,
            end_time: ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl Recorded {
    const fn span(&self) -> &Span {
        match self {
            Self::Call(call) => &call.span,
            Self::Message(message) => &message.span,
        }
    }
}

/// What differs between kinds of spans.
struct Shown {
    kind: SpanKind,
    name: String,
    elapsed_us: u64,
    attributes: Vec<KeyValue>,
    status: Status,
    is_child_of_ours: bool,
}

fn shown_call(call: &CallEvent) -> Shown {
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
    Shown {
        kind: SpanKind::Client,
        name: format!("{} {}", call.method, call.template),
        elapsed_us: call.elapsed_us,
        attributes,
        status: if is_fault { Status::error(call.outcome) } else { Status::Unset },
        is_child_of_ours: true,
    }
}

fn shown_message(message: &MessageEvent) -> Shown {
    let attributes = [
        ("veksel.link", message.link.clone()),
        ("veksel.route", message.route.clone()),
        ("veksel.kind", message.kind.to_owned()),
        ("veksel.mti", message.mti.clone()),
        ("veksel.response", message.response.clone()),
        ("veksel.verdict", message.verdict.to_owned()),
        ("veksel.reason", message.reason.to_owned()),
        ("veksel.trace", message.trace.clone()),
    ];
    let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    Shown {
        kind: SpanKind::Server,
        name: format!("{} {}", message.mti, message.kind),
        elapsed_us: message.elapsed_us,
        attributes: attributes.map(|(name, value)| KeyValue::new(name, value)).collect(),
        status: if message.is_open { Status::error(message.reason) } else { Status::Unset },
        is_child_of_ours: false,
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

    fn call(is_sampled: bool, status: Option<u16>) -> (Recorded, SystemTime) {
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
        (Recorded::Call(event), SystemTime::now())
    }

    fn message() -> (Recorded, SystemTime) {
        let span = Span { trace: [0xab; 16], parent: [0; 8], id: [0xcd; 8], is_sampled: true };
        let event = MessageEvent {
            link: "atm".to_owned(),
            route: "linked".to_owned(),
            kind: "inquiry",
            mti: "0100".to_owned(),
            response: "00".to_owned(),
            verdict: "answered",
            reason: "host",
            trace: "txn-17".to_owned(),
            span,
            elapsed_us: 2_000,
            is_open: false,
        };
        (Recorded::Message(event), SystemTime::now())
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
    async fn a_message_is_the_parent_of_its_call() {
        let (url, taken) = collector(200).await;
        let collector = Collector::new(&url, "north").unwrap();
        collector.take(&[message(), call(true, Some(200))]).await.unwrap();
        let taken = taken.lock().unwrap();
        let [(_, body)] = taken.as_slice() else { panic!("{}", taken.len()) };
        // `span_id` of the one (field 2) and `parent_span_id` of the other (field 4), eight bytes.
        for field in [0x12, 0x22] {
            let part = [&[field, 8][..], &[0xcd; 8]].concat();
            assert!(holds(body, &part), "{field:#x}");
        }
        for part in ["0100 inquiry", "veksel.route", "linked", "veksel.verdict"] {
            assert!(holds(body, part.as_bytes()), "{part}");
        }
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
