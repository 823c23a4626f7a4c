//! From events and counters to Prometheus. Labels come from the plan and from closed sets.

mod bridge;
mod doors;
mod explain;
mod metrics;

use crate::alert::{Alert, Alerts, Approvals};
use crate::spans::{Names, Spans};
use crate::traffic::Traffic;
pub(crate) use metrics::Metrics;
use prometheus::IntCounterVec;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use veksel_codecs::ResponseCode;
use veksel_config::alert::Severity;
use veksel_core::fact::Case;
use veksel_core::plan::LinkRole;
use veksel_core::{Dropped, Event, GroupId, LinkId, Parking, Plan, Position};
use veksel_link::{CloseReason, HandshakeFault, LinkStats};

/// How often a lasting alarm is repeated.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// The shard's side: names of the plan, and what is counted for every message.
pub(crate) struct Observer {
    pub(crate) metrics: Metrics,
    pub(crate) alerts: Alerts,
    approvals: Approvals,
    spans: Spans,
    links: Vec<String>,
    routes: Vec<String>,
    groups: Vec<String>,
    participants: Vec<String>,
    banks: Vec<String>,
    traffic: Traffic,
    last_stats: Vec<LinkStats>,
    /// When the alarm about a group's reversals was last raised.
    alarmed: HashMap<GroupId, Instant>,
    /// Frames that were dropped, by link and reason.
    dropped: BTreeMap<(LinkId, Dropped), u64>,
}

impl Observer {
    pub(crate) fn new(
        metrics: Metrics,
        plan: &Plan,
        (alerts, approvals, spans): (Alerts, Approvals, Spans),
    ) -> Self {
        let groups: Vec<_> = plan.groups.iter().map(|group| group.name.clone()).collect();
        let observer = Self {
            links: plan.links.iter().map(|link| link.name.clone()).collect(),
            routes: plan.routes.iter().map(|route| route.name.clone()).collect(),
            traffic: Traffic::new(metrics.clone(), plan),
            last_stats: vec![LinkStats::default(); plan.links.len()],
            alarmed: HashMap::new(),
            participants: plan.participants.iter().map(|part| part.name.clone()).collect(),
            banks: plan.banks.iter().map(|bank| bank.name.clone()).collect(),
            dropped: BTreeMap::new(),
            groups,
            metrics,
            alerts,
            approvals,
            spans,
        };
        for group in 0..observer.groups.len() {
            let group = GroupId(u16::try_from(group).unwrap_or(u16::MAX));
            observer.set_position(group, Position::Closed);
        }
        for (link, plan) in (0..).zip(&plan.links) {
            match plan.role {
                LinkRole::Host(_) => observer.set_link_position(LinkId(link), Position::Closed),
                LinkRole::Channel(_) | LinkRole::Identified => {}
            }
        }
        for case in Case::ALL {
            observer.metrics.payment_cases.with_label_values(&[case.word()]);
        }
        for sink in ["slack", "heartbeat"] {
            observer.metrics.alerts_failed.with_label_values(&[sink]);
        }
        observer.begin_counting(0, 0);
        observer
    }

    /// Begins the counters of links and groups behind the first that a rule raises an alarm of at
    /// the first count: Prometheus sees a counter grow only if it was there before.
    fn begin_counting(&self, links: usize, groups: usize) {
        for link in self.links.iter().skip(links) {
            self.metrics.clashes.with_label_values(&[link]);
        }
        for group in self.groups.iter().skip(groups) {
            self.metrics.out_of_balance.with_label_values(&[group]);
        }
    }

    /// Gives names to what a new plan has behind the known parts.
    pub(crate) fn replan(&mut self, plan: &Plan) {
        let (links, groups) = (self.links.len(), self.groups.len());
        self.links.extend(plan.links.iter().skip(links).map(|link| link.name.clone()));
        self.groups.extend(plan.groups.iter().skip(groups).map(|group| group.name.clone()));
        let known = self.participants.len();
        let more = plan.participants.iter().skip(known).map(|part| part.name.clone());
        self.participants.extend(more);
        for (link, plan) in (0..).zip(&plan.links).skip(links) {
            if matches!(plan.role, LinkRole::Host(_)) {
                self.set_link_position(LinkId(link), Position::Closed);
            }
        }
        self.last_stats.resize(self.links.len(), LinkStats::default());
        self.traffic.replan(plan);
        // They have no lasting places.
        self.routes = plan.routes.iter().map(|route| route.name.clone()).collect();
        self.begin_counting(links, groups);
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
            Event::Carried(carried) => {
                let route = carried.route.and_then(|route| self.routes.get(route));
                let names = Names {
                    link: self.link(carried.link),
                    route: route.map_or("", String::as_str),
                    response: closed(&carried.response),
                };
                self.spans.carried(&carried, &names);
            }
            Event::Routed { link: _, route } => self.traffic.routed(route),
            Event::HostAnswered { group, elapsed } => self.traffic.host_answered(group, elapsed),
            Event::Refused { link, response, fault } => {
                let fault = fault.map_or("none", veksel_codecs::Fault::word);
                let labels = [self.link(link), closed(&response), fault];
                self.metrics.refusals.with_label_values(&labels).inc();
            }
            Event::Ungranted { link, participant, field, recorded } => {
                let text = field.get().to_string();
                let labels = [self.link(link), text.as_str()];
                self.metrics.ungranted.with_label_values(&labels).inc();
                // As often as it is recorded: a peer must not be able to fill the log.
                if recorded {
                    let (link, participant) = (labels[0], participant.0);
                    tracing::warn!(link, participant, field = text, "a claim that is not granted");
                }
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
                self.alerts.raise(Alert::new(
                    Severity::Medium,
                    "Key of another request",
                    format!("{link} sent a request with the key of another and other content"),
                ));
            }
            Event::Recognised { link, in_flight } => {
                let labels = [self.link(link), if in_flight { "yes" } else { "no" }];
                self.metrics.recognised.with_label_values(&labels).inc();
            }
            Event::ReversalQueued { group, is_taken_over } => {
                let group = self.group(group);
                self.metrics.reversals_queued.with_label_values(&[group]).inc();
                if is_taken_over {
                    tracing::debug!(group, "an advice is to be delivered");
                } else {
                    tracing::warn!(group, "outcome unknown, reversal recorded");
                }
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
                let message = format!("{group} has other totals than it was told");
                self.alerts.raise(Alert::high("Reconciliation out of balance", message));
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
                let message = format!("{}: {}, code {response}", labels[0], why.word());
                self.alerts.raise(Alert::high("Reversal parked", message));
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
            Event::LinkBreaker { link, position } => {
                self.set_link_position(link, position);
                let labels = [self.link(link), position.word()];
                self.metrics.link_breaker_changes.with_label_values(&labels).inc();
                tracing::warn!(link = labels[0], position = labels[1], "breaker of a link");
            }
            event @ (Event::Asked { .. }
            | Event::Declined { .. }
            | Event::Cached { .. }
            | Event::Payment { .. }
            | Event::Case { .. }
            | Event::Consent { .. }
            | Event::Checked { .. }
            | Event::Advised { .. }
            | Event::Unadvised { .. }) => self.bridge(event),
            Event::Shed { participant, why } => {
                let name = self.participants.get(usize::from(participant.0));
                let labels = [name.map_or("?", String::as_str), why.word()];
                self.metrics.shed.with_label_values(&labels).inc();
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

    fn set_link_position(&self, link: LinkId, current: Position) {
        for position in Position::ALL {
            let labels = [self.link(link), position.word()];
            let gauge = self.metrics.link_breaker_position.with_label_values(&labels);
            gauge.set(i64::from(position == current));
        }
    }

    /// Requests that wait for room at a group.
    pub(crate) fn waiting(&self, group: GroupId, waiting: usize) {
        let gauge = self.metrics.waiting.with_label_values(&[self.group(group)]);
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
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
            let message = format!("{name} has not answered one for {} minutes", seconds / 60);
            self.alerts.raise(Alert::high("Reversal not settled", message));
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
        add(&metrics.connects, "forbidden", now.forbidden, then.forbidden);
        add(&metrics.connects, "made", now.dialled, then.dialled);
        add(&metrics.connects, "failed", now.dial_failures, then.dial_failures);
        if now.tls_expires > 0 {
            metrics.tls_expires.with_label_values(&[name]).set(now.tls_expires);
        }
        let faults = HandshakeFault::ALL
            .map(|why| (why.word(), now.handshake_fault(why), then.handshake_fault(why)));
        let agreed = [("agreed", now.handshakes, then.handshakes)];
        for (word, now, then) in agreed.into_iter().chain(faults) {
            if now > then {
                add(&metrics.handshakes, word, now, then);
            }
        }
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

#[cfg(test)]
mod tests;
