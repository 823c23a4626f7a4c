//! What is counted for every message, by link and kind.
//!
//! It is counted on the shard alone and given to the metrics a few times a second, because adding
//! to what another thread may read at any time costs more than all the rest of counting. A series
//! is made when it is first needed, so that the page shows what happened and no more.

use crate::observe::Metrics;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use veksel_codecs::ResponseCode;
use veksel_core::record::{Reason, Verdict};
use veksel_core::{GroupId, Kind, LinkId, Plan};

const NANOS: f64 = 1e9;

/// Figures that are not yet in the metrics.
pub(crate) struct Traffic {
    metrics: Metrics,
    links: Vec<Link>,
    hosts: Vec<LocalHistogram>,
    /// In the order of the plan.
    routes: Vec<LocalIntCounter>,
}

struct Link {
    name: String,
    kinds: [Figures; Kind::ALL.len()],
}

#[derive(Default)]
struct Figures {
    requests: Option<LocalIntCounter>,
    seconds: Option<LocalHistogram>,
    /// The few endings that come, in the order in which they came first.
    answers: Vec<(Ending, LocalIntCounter)>,
}

/// What an answer is counted by, beside its link and kind.
pub(crate) type Ending = (ResponseCode, Verdict, Reason);

impl Traffic {
    pub(crate) fn new(metrics: Metrics, plan: &Plan) -> Self {
        let link = |name: &String| Link { name: name.clone(), kinds: Default::default() };
        let host = |name: &String| metrics.host_seconds.with_label_values(&[name]).local();
        let route = |name: &String| metrics.routed.with_label_values(&[name]).local();
        Self {
            routes: plan.routes.iter().map(|plan| route(&plan.name)).collect(),
            links: plan.links.iter().map(|plan| link(&plan.name)).collect(),
            hosts: plan.groups.iter().map(|plan| host(&plan.name)).collect(),
            metrics,
        }
    }

    /// Counts for what a new plan has behind the known parts, too.
    pub(crate) fn replan(&mut self, plan: &Plan) {
        let more = Self::new(self.metrics.clone(), plan);
        self.links.extend(more.links.into_iter().skip(self.links.len()));
        self.hosts.extend(more.hosts.into_iter().skip(self.hosts.len()));
        // Routes have no lasting places; what was counted is given to the metrics before.
        self.flush();
        self.routes = more.routes;
    }

    /// A request came.
    pub(crate) fn received(&mut self, link: LinkId, kind: Kind) {
        let Some((name, figures)) = figures(&mut self.links, link, kind) else { return };
        let metric = &self.metrics.requests;
        let make = || metric.with_label_values(&[name, kind.word()]).local();
        figures.requests.get_or_insert_with(make).inc();
    }

    /// A request took this route.
    pub(crate) fn routed(&self, route: usize) {
        if let Some(counter) = self.routes.get(route) {
            counter.inc();
        }
    }

    /// A request got its answer, so many nanoseconds after it came.
    pub(crate) fn answered(&mut self, link: LinkId, kind: Kind, ending: Ending, elapsed: u64) {
        let Some((name, figures)) = figures(&mut self.links, link, kind) else { return };
        let metric = &self.metrics.answer_seconds;
        let make = || metric.with_label_values(&[name, kind.word()]).local();
        figures.seconds.get_or_insert_with(make).observe(elapsed as f64 / NANOS);
        let is_counted = |ending| {
            let known = figures.answers.iter().find(|(known, _)| *known == ending);
            known.map(|(_, counter)| counter.inc()).is_some()
        };
        if is_counted(ending) {
            return;
        }
        let (response, verdict, reason) = ending;
        // A code outside the table is a host's invention and would open the label set.
        let response = if response.meaning().is_some() { response } else { ResponseCode::ERROR };
        let ending = (response, verdict, reason);
        if !is_counted(ending) {
            let labels = [name, kind.word(), response.as_str(), verdict.word(), reason.word()];
            let counter = self.metrics.answers.with_label_values(&labels).local();
            counter.inc();
            figures.answers.push((ending, counter));
        }
    }

    /// A host answered, so many nanoseconds after it was asked.
    pub(crate) fn host_answered(&self, group: GroupId, elapsed: u64) {
        if let Some(histogram) = self.hosts.get(usize::from(group.0)) {
            histogram.observe(elapsed as f64 / NANOS);
        }
    }

    /// Gives what was counted to the metrics.
    pub(crate) fn flush(&self) {
        for figures in self.links.iter().flat_map(|link| &link.kinds) {
            figures.requests.iter().for_each(LocalIntCounter::flush);
            figures.seconds.iter().for_each(LocalHistogram::flush);
            figures.answers.iter().for_each(|(_, counter)| counter.flush());
        }
        self.hosts.iter().for_each(LocalHistogram::flush);
        self.routes.iter().for_each(LocalIntCounter::flush);
    }
}

/// The name of a link and what is counted for it and a kind; `None` for a link of no plan.
fn figures(links: &mut [Link], link: LinkId, kind: Kind) -> Option<(&str, &mut Figures)> {
    let Link { name, kinds } = links.get_mut(usize::from(link.0))?;
    Some((name, kinds.get_mut(kind as usize)?))
}
