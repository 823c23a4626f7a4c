//! The registry and everything in it, by the names of [`crate::names`].

use crate::names::{self, Name};
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Upper bounds of latency buckets in seconds.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 15.0, 30.0,
];

/// All metrics of the switch.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(super) registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) routed: IntCounterVec,
    pub(crate) answers: IntCounterVec,
    pub(crate) answer_seconds: HistogramVec,
    pub(crate) host_seconds: HistogramVec,
    pub(super) refusals: IntCounterVec,
    pub(super) ungranted: IntCounterVec,
    pub(super) drops: IntCounterVec,
    pub(super) explained: IntCounterVec,
    pub(super) undelivered: IntCounterVec,
    pub(super) clashes: IntCounterVec,
    pub(super) recognised: IntCounterVec,
    pub(super) reversals_queued: IntCounterVec,
    pub(super) reversals_sent: IntCounterVec,
    pub(super) reversals_settled: IntCounterVec,
    pub(super) reversals_parked: IntCounterVec,
    pub(super) out_of_balance: IntCounterVec,
    pub(super) sessions: IntCounterVec,
    pub(super) breaker_changes: IntCounterVec,
    pub(super) breaker_position: IntGaugeVec,
    pub(super) link_breaker_changes: IntCounterVec,
    pub(super) link_breaker_position: IntGaugeVec,
    pub(super) shed: IntCounterVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) enquiry_verdicts: IntCounterVec,
    pub(super) bank_declines: IntCounterVec,
    pub(super) cached_balances: IntCounterVec,
    pub(super) payments: IntCounterVec,
    pub(crate) payment_failures: IntCounter,
    pub(crate) payments_open: IntGauge,
    pub(crate) payment_lag: Gauge,
    pub(super) payment_cases: IntCounterVec,
    pub(super) payment_advices: IntCounterVec,
    pub(super) consents: IntCounterVec,
    pub(super) checks: IntCounterVec,
    pub(crate) balance_staleness: Gauge,
    pub(crate) login_errors: IntCounter,
    pub(super) login_codes: IntCounterVec,
    pub(crate) underage: IntCounter,
    pub(crate) pisp_open: IntGauge,
    pub(crate) webhook_failures: IntCounter,
    pub(crate) didit_webhook_failures: IntCounter,
    pub(crate) approval_rate: Gauge,
    pub(crate) provider_breaker: IntGaugeVec,
    pub(crate) provider_seconds: HistogramVec,
    pub(crate) client_certificate: IntGaugeVec,
    pub(crate) alerts: IntCounterVec,
    pub(crate) alerts_failed: IntCounterVec,
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing counts it"))]
    pub(crate) spans: IntCounterVec,
    pub(crate) errors: IntCounter,
    pub(crate) healthy: IntGauge,
    pub(crate) held: IntGauge,
    pub(crate) held_max: IntGauge,
    pub(super) hosts_online: IntGaugeVec,
    pub(super) connections: IntGaugeVec,
    pub(super) buffered: IntGaugeVec,
    pub(super) bytes: IntCounterVec,
    pub(super) frames: IntCounterVec,
    pub(super) closed: IntCounterVec,
    pub(super) connects: IntCounterVec,
    pub(super) handshakes: IntCounterVec,
    pub(crate) tls_expires: IntGaugeVec,
    pub(crate) reversals_open: IntGauge,
    pub(crate) reversals_waiting: IntGauge,
    pub(super) reversal_age: IntGaugeVec,
    pub(crate) in_flight: IntGauge,
    pub(crate) records: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) commit_wait: Histogram,
    pub(crate) backlog: IntGauge,
    pub(crate) duplicates: IntCounter,
    pub(crate) enquiries: IntGauge,
    pub(crate) enquiries_refused: IntCounter,
    pub(crate) callers: IntGauge,
    pub(crate) calls: IntCounterVec,
    pub(crate) call_seconds: HistogramVec,
    pub(crate) platform_doubts: IntCounterVec,
    pub(crate) platform_skew: IntGauge,
    pub(crate) platform_keys_age: IntGauge,
    pub(crate) platform_notices: IntCounterVec,
}

impl Metrics {
    /// Registers every metric.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let made = Made { registry: &registry };
        Ok(Self {
            requests: made.counters(names::REQUESTS, &["link", "kind"])?,
            routed: made.counters(names::ROUTED, &["route"])?,
            answers: made
                .counters(names::ANSWERS, &["link", "kind", "response", "verdict", "reason"])?,
            answer_seconds: made.histograms(names::ANSWER_SECONDS, &["link", "kind"])?,
            host_seconds: made.histograms(names::HOST_SECONDS, &["group"])?,
            refusals: made.counters(names::REFUSALS, &["link", "response", "fault"])?,
            ungranted: made.counters(names::UNGRANTED, &["link", "field"])?,
            drops: made.counters(names::DROPS, &["link", "reason"])?,
            explained: made.counters(names::EXPLAINED, &["link", "reason", "field"])?,
            undelivered: made.counters(names::UNDELIVERED, &["link", "approved"])?,
            clashes: made.counters(names::CLASHES, &["link"])?,
            recognised: made.counters(names::RECOGNISED, &["link", "in_flight"])?,
            reversals_queued: made.counters(names::REVERSALS_QUEUED, &["group"])?,
            reversals_sent: made.counters(names::REVERSALS_SENT, &["group", "repeat"])?,
            reversals_settled: made.counters(names::REVERSALS_SETTLED, &["group", "response"])?,
            reversals_parked: made.counters(names::REVERSALS_PARKED, &["group", "response"])?,
            out_of_balance: made.counters(names::OUT_OF_BALANCE, &["group"])?,
            sessions: made.counters(names::SESSIONS, &["link", "state"])?,
            breaker_changes: made.counters(names::BREAKER_CHANGES, &["group", "position"])?,
            breaker_position: made.gauges(names::BREAKER_POSITION, &["group", "position"])?,
            link_breaker_changes: made
                .counters(names::LINK_BREAKER_CHANGES, &["link", "position"])?,
            link_breaker_position: made
                .gauges(names::LINK_BREAKER_POSITION, &["link", "position"])?,
            shed: made.counters(names::SHED, &["participant", "reason"])?,
            waiting: made.gauges(names::WAITING, &["group"])?,
            enquiry_verdicts: made.counters(names::ENQUIRY_VERDICTS, &["to", "outcome"])?,
            bank_declines: made.counters(names::BANK_DECLINES, &["bank", "response"])?,
            cached_balances: made.counters(names::CACHED_BALANCES, &["bank", "stale"])?,
            payments: made.counters(names::PAYMENTS, &["bank", "state"])?,
            payment_failures: made.counter(names::PAYMENT_FAILURES)?,
            payments_open: made.gauge(names::PAYMENTS_OPEN)?,
            payment_lag: made.number(names::PAYMENT_LAG)?,
            payment_cases: made.counters(names::PAYMENT_CASES, &["case"])?,
            payment_advices: made.counters(names::PAYMENT_ADVICES, &["link", "repeat"])?,
            consents: made.counters(names::CONSENTS, &["bank", "status"])?,
            checks: made.counters(names::CHECKS, &["status"])?,
            balance_staleness: made.number(names::BALANCE_STALENESS)?,
            login_errors: made.counter(names::LOGIN_ERRORS)?,
            login_codes: made.counters(names::LOGIN_CODES, &["code"])?,
            underage: made.counter(names::UNDERAGE)?,
            pisp_open: made.gauge(names::PISP_OPEN)?,
            webhook_failures: made.counter(names::WEBHOOK_FAILURES)?,
            didit_webhook_failures: made.counter(names::DIDIT_WEBHOOK_FAILURES)?,
            approval_rate: made.number(names::APPROVAL_RATE)?,
            provider_breaker: made.gauges(names::PROVIDER_BREAKER, &["provider", "service"])?,
            provider_seconds: made
                .histograms(names::PROVIDER_SECONDS, &["provider", "service", "outcome"])?,
            client_certificate: made.gauges(names::CLIENT_CERTIFICATE, &["provider", "usage"])?,
            alerts: made.counters(names::ALERTS, &["severity", "sink"])?,
            alerts_failed: made.counters(names::ALERTS_FAILED, &["sink"])?,
            spans: made.counters(names::SPANS, &["result"])?,
            errors: made.counter(names::ERRORS)?,
            healthy: made.gauge(names::HEALTHY)?,
            held: made.gauge(names::HELD)?,
            held_max: made.gauge(names::HELD_MAX)?,
            hosts_online: made.gauges(names::HOSTS_ONLINE, &["group"])?,
            connections: made.gauges(names::CONNECTIONS, &["link"])?,
            buffered: made.gauges(names::BUFFERED, &["link"])?,
            bytes: made.counters(names::BYTES, &["link", "direction"])?,
            frames: made.counters(names::FRAMES, &["link", "direction"])?,
            closed: made.counters(names::CLOSED, &["link", "reason"])?,
            connects: made.counters(names::CONNECTS, &["link", "result"])?,
            handshakes: made.counters(names::HANDSHAKES, &["link", "result"])?,
            tls_expires: made.gauges(names::TLS_EXPIRES, &["link"])?,
            reversals_waiting: made.gauge(names::REVERSALS_WAITING_FOR_PERSON)?,
            reversal_age: made.gauges(names::REVERSAL_AGE, &["group"])?,
            reversals_open: made.gauge(names::REVERSALS_OPEN)?,
            in_flight: made.gauge(names::IN_FLIGHT)?,
            records: made.counter(names::RECORDS)?,
            commits: made.counter(names::COMMITS)?,
            commit_wait: made.histogram(names::COMMIT_WAIT)?,
            backlog: made.gauge(names::BACKLOG)?,
            duplicates: made.counter(names::DUPLICATES)?,
            enquiries: made.gauge(names::ENQUIRIES)?,
            enquiries_refused: made.counter(names::ENQUIRIES_REFUSED)?,
            callers: made.gauge(names::CALLERS)?,
            calls: made.counters(names::CALLS, &["endpoint", "status"])?,
            call_seconds: made.histograms(names::CALL_SECONDS, &["endpoint"])?,
            platform_doubts: made.counters(names::PLATFORM_DOUBTS, &["why"])?,
            platform_skew: made.gauge(names::PLATFORM_SKEW)?,
            platform_keys_age: made.gauge(names::PLATFORM_KEYS_AGE)?,
            platform_notices: made.counters(names::PLATFORM_NOTICES, &["kind"])?,
            registry,
        })
    }

    /// The page that Prometheus reads.
    pub(crate) fn page(&self) -> Result<String, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// Makes metrics and registers them.
struct Made<'r> {
    registry: &'r Registry,
}

impl Made<'_> {
    fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, (name, help): Name) -> Result<IntCounter, prometheus::Error> {
        self.keep(IntCounter::new(name, help)?)
    }

    fn gauge(&self, (name, help): Name) -> Result<IntGauge, prometheus::Error> {
        self.keep(IntGauge::new(name, help)?)
    }

    fn number(&self, (name, help): Name) -> Result<Gauge, prometheus::Error> {
        self.keep(Gauge::new(name, help)?)
    }

    fn histogram(&self, (name, help): Name) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.keep(Histogram::with_opts(opts)?)
    }

    fn counters(&self, name: Name, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.keep(IntCounterVec::new(Opts::new(name.0, name.1), labels)?)
    }

    fn gauges(&self, name: Name, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.keep(IntGaugeVec::new(Opts::new(name.0, name.1), labels)?)
    }

    fn histograms(&self, name: Name, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::new(name.0, name.1).buckets(SECONDS.to_vec());
        self.keep(HistogramVec::new(opts, labels)?)
    }
}
