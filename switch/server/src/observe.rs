//! From events and counters to Prometheus. Labels come from the plan and from closed sets.

mod explain;

use crate::names::{self, Name};
use crate::traffic::Traffic;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use veksel_codecs::ResponseCode;
use veksel_core::{Dropped, Event, GroupId, LinkId, Parking, Plan, Position};
use veksel_link::{CloseReason, LinkStats};

/// Upper bounds of latency buckets in seconds.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 15.0, 30.0,
];

/// How often a lasting alarm is repeated.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// All metrics of the switch.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) answers: IntCounterVec,
    pub(crate) answer_seconds: HistogramVec,
    pub(crate) host_seconds: HistogramVec,
    refusals: IntCounterVec,
    drops: IntCounterVec,
    explained: IntCounterVec,
    undelivered: IntCounterVec,
    clashes: IntCounterVec,
    recognised: IntCounterVec,
    reversals_queued: IntCounterVec,
    reversals_sent: IntCounterVec,
    reversals_settled: IntCounterVec,
    reversals_parked: IntCounterVec,
    out_of_balance: IntCounterVec,
    sessions: IntCounterVec,
    breaker_changes: IntCounterVec,
    breaker_position: IntGaugeVec,
    hosts_online: IntGaugeVec,
    connections: IntGaugeVec,
    buffered: IntGaugeVec,
    bytes: IntCounterVec,
    frames: IntCounterVec,
    closed: IntCounterVec,
    connects: IntCounterVec,
    pub(crate) reversals_open: IntGauge,
    pub(crate) reversals_waiting: IntGauge,
    reversal_age: IntGaugeVec,
    pub(crate) in_flight: IntGauge,
    pub(crate) records: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) commit_wait: Histogram,
    pub(crate) backlog: IntGauge,
    pub(crate) duplicates: IntCounter,
}

impl Metrics {
    /// Registers every metric.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let made = Made { registry: &registry };
        Ok(Self {
            requests: made.counters(names::REQUESTS, &["link", "kind"])?,
            answers: made
                .counters(names::ANSWERS, &["link", "kind", "response", "verdict", "reason"])?,
            answer_seconds: made.histograms(names::ANSWER_SECONDS, &["link", "kind"])?,
            host_seconds: made.histograms(names::HOST_SECONDS, &["group"])?,
            refusals: made.counters(names::REFUSALS, &["link", "response", "fault"])?,
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
            hosts_online: made.gauges(names::HOSTS_ONLINE, &["group"])?,
            connections: made.gauges(names::CONNECTIONS, &["link"])?,
            buffered: made.gauges(names::BUFFERED, &["link"])?,
            bytes: made.counters(names::BYTES, &["link", "direction"])?,
            frames: made.counters(names::FRAMES, &["link", "direction"])?,
            closed: made.counters(names::CLOSED, &["link", "reason"])?,
            connects: made.counters(names::CONNECTS, &["link", "result"])?,
            reversals_waiting: made.gauge(names::REVERSALS_WAITING_FOR_PERSON)?,
            reversal_age: made.gauges(names::REVERSAL_AGE, &["group"])?,
            reversals_open: made.gauge(names::REVERSALS_OPEN)?,
            in_flight: made.gauge(names::IN_FLIGHT)?,
            records: made.counter(names::RECORDS)?,
            commits: made.counter(names::COMMITS)?,
            commit_wait: made.histogram(names::COMMIT_WAIT)?,
            backlog: made.gauge(names::BACKLOG)?,
            duplicates: made.counter(names::DUPLICATES)?,
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

/// The shard's side: names of the plan, and what is counted for every message.
pub(crate) struct Observer {
    pub(crate) metrics: Metrics,
    links: Vec<String>,
    groups: Vec<String>,
    traffic: Traffic,
    last_stats: Vec<LinkStats>,
    /// When the alarm about a group's reversals was last raised.
    alarmed: HashMap<GroupId, Instant>,
    /// Frames that were dropped, by link and reason.
    dropped: BTreeMap<(LinkId, Dropped), u64>,
}

impl Observer {
    pub(crate) fn new(metrics: Metrics, plan: &Plan) -> Self {
        let groups: Vec<_> = plan.groups.iter().map(|group| group.name.clone()).collect();
        let observer = Self {
            links: plan.links.iter().map(|link| link.name.clone()).collect(),
            traffic: Traffic::new(metrics.clone(), plan),
            last_stats: vec![LinkStats::default(); plan.links.len()],
            alarmed: HashMap::new(),
            dropped: BTreeMap::new(),
            groups,
            metrics,
        };
        for group in 0..observer.groups.len() {
            let group = GroupId(u16::try_from(group).unwrap_or(u16::MAX));
            observer.set_position(group, Position::Closed);
        }
        observer
    }

    /// Gives names to what a new plan has behind the known parts.
    pub(crate) fn replan(&mut self, plan: &Plan) {
        let (links, groups) = (self.links.len(), self.groups.len());
        self.links.extend(plan.links.iter().skip(links).map(|link| link.name.clone()));
        self.groups.extend(plan.groups.iter().skip(groups).map(|group| group.name.clone()));
        self.last_stats.resize(self.links.len(), LinkStats::default());
        self.traffic.replan(plan);
        for group in groups..self.groups.len() {
            self.set_position(GroupId(u16::try_from(group).unwrap_or(u16::MAX)), Position::Closed);
        }
    }

    fn link(&self, link: LinkId) -> &str {
        self.links.get(usize::from(link.0)).map_or("?", String::as_str)
    }

    fn group(&self, group: GroupId) -> &str {
        self.groups.get(usize::from(group.0)).map_or("?", String::as_str)
    }

    /// Counts an event, and logs it if somebody may have to act on it.
    pub(crate) fn event(&mut self, event: Event) {
        match event {
            Event::Received { link, kind } => self.traffic.received(link, kind),
            Event::Answered { link, kind, response, verdict, reason, elapsed, group: _ } => {
                self.traffic.answered(link, kind, (response, verdict, reason), elapsed);
            }
            Event::HostAnswered { group, elapsed } => self.traffic.host_answered(group, elapsed),
            Event::Refused { link, response, fault } => {
                let fault = fault.map_or("none", veksel_codecs::Fault::word);
                let labels = [self.link(link), closed(&response), fault];
                self.metrics.refusals.with_label_values(&labels).inc();
            }
            Event::Dropped { link, why } => {
                *self.dropped.entry((link, why)).or_default() += 1;
                let labels = [self.link(link), why.word()];
                self.metrics.drops.with_label_values(&labels).inc();
                tracing::debug!(link = labels[0], why = labels[1], "frame dropped");
            }
            Event::Explained { .. } | Event::TimedOut { .. } => self.explain(event),
            Event::Undelivered { link, approved } => {
                let labels = [self.link(link), if approved { "yes" } else { "no" }];
                self.metrics.undelivered.with_label_values(&labels).inc();
                tracing::warn!(link = labels[0], approved, "an answer could not be delivered");
            }
            Event::Clash { link } => {
                let link = self.link(link);
                self.metrics.clashes.with_label_values(&[link]).inc();
                tracing::error!(link, "a request has the key of another and other content");
            }
            Event::Recognised { link, in_flight } => {
                let labels = [self.link(link), if in_flight { "yes" } else { "no" }];
                self.metrics.recognised.with_label_values(&labels).inc();
            }
            Event::ReversalQueued { group } => {
                let group = self.group(group);
                self.metrics.reversals_queued.with_label_values(&[group]).inc();
                tracing::warn!(group, "outcome unknown, reversal recorded");
            }
            Event::ReversalSent { group, repeat } => {
                let labels = [self.group(group), if repeat { "yes" } else { "no" }];
                self.metrics.reversals_sent.with_label_values(&labels).inc();
            }
            Event::ReversalSettled { group, response } => {
                let labels = [self.group(group), closed(&response)];
                self.metrics.reversals_settled.with_label_values(&labels).inc();
                tracing::info!(group = labels[0], response = labels[1], "reversal settled");
            }
            Event::OutOfBalance { group } => {
                let group = self.group(group);
                self.metrics.out_of_balance.with_label_values(&[group]).inc();
                tracing::error!(
                    group,
                    "a host has other totals than it was told; the journal's audit has them"
                );
            }
            Event::ReversalParked { group, why } => {
                let response = match &why {
                    Parking::Answer(response) => closed(response),
                    Parking::Unencodable | Parking::Age | Parking::Unknown => "none",
                };
                let labels = [self.group(group), response];
                self.metrics.reversals_parked.with_label_values(&labels).inc();
                tracing::error!(
                    group = labels[0],
                    response = labels[1],
                    why = why.word(),
                    "a reversal is parked; somebody must look at it"
                );
            }
            Event::Session { connection, state } => {
                let labels = [self.link(connection.link), state.word()];
                self.metrics.sessions.with_label_values(&labels).inc();
                let serial = connection.serial;
                tracing::info!(link = labels[0], serial, state = labels[1], "host session");
            }
            Event::KeyChange { link, taken: true } => {
                tracing::info!(link = self.link(link), "keys changed, as the peer asked");
            }
            Event::KeyChange { link, taken: false } => {
                let link = self.link(link);
                tracing::error!(link, "the peer asked for a key that is not the next one here");
            }
            Event::CutOver { group, date } => {
                let date = String::from_utf8_lossy(&date).into_owned();
                tracing::info!(group = self.group(group), date, "cut-over: the business date");
            }
            Event::Replanned { taken: true } => tracing::info!("another plan holds"),
            Event::Replanned { taken: false } => {
                tracing::error!("the engine did not take a plan that moves its parts: a defect");
            }
            Event::Breaker { group, position } => {
                self.set_position(group, position);
                let labels = [self.group(group), position.word()];
                self.metrics.breaker_changes.with_label_values(&labels).inc();
                tracing::warn!(group = labels[0], position = labels[1], "breaker");
            }
        }
    }

    fn set_position(&self, group: GroupId, current: Position) {
        for position in Position::ALL {
            let labels = [self.group(group), position.word()];
            let gauge = self.metrics.breaker_position.with_label_values(&labels);
            gauge.set(i64::from(position == current));
        }
    }

    /// Gives what was counted since the last time to the metrics.
    pub(crate) fn flush(&self) {
        self.traffic.flush();
    }

    /// Signed-on connections of a group.
    pub(crate) fn online(&self, group: GroupId, online: usize) {
        let gauge = self.metrics.hosts_online.with_label_values(&[self.group(group)]);
        gauge.set(i64::try_from(online).unwrap_or(i64::MAX));
    }

    /// How old the oldest reversal of a group is, and the age from which somebody must look.
    /// Raises the alarm when that is passed, and once a minute while it is.
    pub(crate) fn reversal_age(&mut self, group: GroupId, age: Duration, alarm: Duration) {
        let name = self.group(group);
        let gauge = self.metrics.reversal_age.with_label_values(&[name]);
        gauge.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        if age < alarm {
            return;
        }
        let quiet = self.alarmed.get(&group).is_some_and(|last| last.elapsed() < ALARM_EVERY);
        if !quiet {
            let seconds = age.as_secs();
            tracing::error!(group = name, seconds, "a reversal is not settled; the host owes it");
            self.alarmed.insert(group, Instant::now());
        }
    }

    /// Takes in what a link has done since the last time.
    pub(crate) fn link_stats(&mut self, link: LinkId, now: &LinkStats) {
        let Some(last) = self.last_stats.get_mut(usize::from(link.0)) else { return };
        let then = core::mem::replace(last, *now);
        let name = self.link(link);
        let metrics = &self.metrics;
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.connections.with_label_values(&[name]).set(gauge(now.connections));
        metrics.buffered.with_label_values(&[name]).set(gauge(now.buffered));
        let add = |metric: &IntCounterVec, label: &str, now: u64, then: u64| {
            metric.with_label_values(&[name, label]).inc_by(now.saturating_sub(then));
        };
        add(&metrics.bytes, "in", now.bytes_in, then.bytes_in);
        add(&metrics.bytes, "out", now.bytes_out, then.bytes_out);
        add(&metrics.frames, "in", now.frames_in, then.frames_in);
        add(&metrics.frames, "out", now.frames_out, then.frames_out);
        add(&metrics.connects, "accepted", now.accepted, then.accepted);
        add(&metrics.connects, "refused", now.refused, then.refused);
        add(&metrics.connects, "made", now.dialled, then.dialled);
        add(&metrics.connects, "failed", now.dial_failures, then.dial_failures);
        for why in CloseReason::ALL {
            let (now, then) = (now.closed(why), then.closed(why));
            if now > then {
                add(&metrics.closed, why.word(), now, then);
            }
        }
    }
}

/// The code if it is in the table; labels come from closed sets.
fn closed(response: &ResponseCode) -> &str {
    if response.meaning().is_some() { response.as_str() } else { "other" }
}
