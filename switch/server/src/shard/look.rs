//! What is looked at a few times a second: gauges, the picture, the journal's age and size.

use super::{Shard, Turning};
use crate::alert::Alert;
use crate::status::Picture;
use std::time::Duration;
use veksel_core::{GroupId, Input, LinkId, Switch, Tick};

/// How long a batch of records may take to become durable before the journal is not healthy.
const JOURNAL_MAX_NS: u64 = 5_000_000_000;

/// How often ages are looked at that are found among all payments and balances, in milliseconds.
const AGES_MS: u64 = 1_000;

impl Turning {
    /// Renews gauges and the picture, and looks after the journal.
    pub(super) fn look(&mut self) {
        self.look_after_journal();
        let now = self.shard.clock.now();
        let tick = now.tick;
        self.shard.callers.forget();
        self.shard.port.forget();
        let journal = self.journal_trouble(tick);
        let Shard { switch, observer, wires, status, enquirer, callers, port, .. } =
            &mut self.shard;
        let plan = switch.plan();
        let count = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        let groups: Vec<_> = (0..count(plan.groups.len()))
            .zip(&plan.groups)
            .map(|(place, group)| (group.name.clone(), switch.online(GroupId(place))))
            .collect();
        for (place, (_, online)) in (0..).zip(&groups) {
            observer.online(GroupId(place), *online);
            observer.waiting(GroupId(place), switch.waiting(GroupId(place)));
        }
        let breakers = breakers(switch);
        let mut certificates = Vec::new();
        for (place, link) in (0..count(plan.links.len())).zip(&plan.links) {
            let stats = wires.stats(LinkId(place));
            if stats.tls_expires > 0 {
                certificates.push((link.name.clone(), stats.tls_expires));
            }
            observer.link_stats(LinkId(place), &stats);
        }
        for (place, group) in (0..).zip(&switch.plan().groups) {
            let age = Duration::from_nanos(switch.reversal_age(GroupId(place), tick));
            let alarm = Duration::from_millis(group.reversals.alarm_ms);
            observer.reversal_age(GroupId(place), age, alarm);
        }
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        observer.flush();
        observer.metrics.reversals_waiting.set(gauge(switch.reversals_parked()));
        observer.metrics.in_flight.set(gauge(switch.in_flight()));
        observer.metrics.reversals_open.set(gauge(switch.reversals_open()));
        observer.metrics.backlog.set(gauge(self.backlog.len()));
        observer.metrics.enquiries.set(gauge(enquirer.in_flight()));
        observer.metrics.callers.set(gauge(callers.len() + port.len()));
        observer.metrics.payments_open.set(gauge(switch.payments_open()));
        if tick >= self.balance_age.1 {
            let age_ms = switch.balance_age(now);
            self.balance_age = (age_ms, tick.after_ms(AGES_MS));
            self.payments_lag_ms = switch.payments_lag(now);
            observer.metrics.payment_lag.set(self.payments_lag_ms as f64 / 1e3);
            observer.metrics.balance_staleness.set(age_ms as f64 / 3.6e6);
        }
        let (balance_age_ms, _) = self.balance_age;
        status.set(Picture {
            groups,
            breakers,
            serving: self.draining_until.is_none(),
            store: self.failed.is_none(),
            journal,
            balance_age_ms,
            payments_lag_ms: self.payments_lag_ms,
            certificates,
        });
    }

    /// What keeps records from being made durable.
    fn journal_trouble(&self, tick: Tick) -> Option<&'static str> {
        let waits = self.handed.front().map_or(0, |(_, since)| tick.since(*since));
        if self.shard.upkeep.is_full() {
            Some("the journal is full")
        } else if waits > JOURNAL_MAX_NS || self.is_full() {
            Some("the journal does not keep up")
        } else {
            None
        }
    }

    fn look_after_journal(&mut self) {
        let now = self.shard.clock.now();
        let metrics = &self.shard.observer.metrics;
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.held.set(gauge(self.shard.upkeep.held()));
        metrics.held_max.set(gauge(self.shard.upkeep.held_max()));
        if let Some(before) = self.shard.upkeep.trim(now) {
            self.shard.committer.trim(before);
        }
        if let Some(full) = self.shard.upkeep.change() {
            if full {
                let message = "new payments are refused until room is made";
                self.shard.observer.alerts.raise(Alert::critical("Journal full", message));
                tracing::error!("the journal is full; new payments are refused until room is made");
            } else {
                tracing::info!("the journal has room again");
            }
            self.shard.switch.handle(now, Input::Full(full));
        }
    }
}

/// How each breaker stands, by the name of its group or link.
fn breakers(switch: &Switch) -> Vec<(String, &'static str)> {
    let plan = switch.plan();
    let groups = (0..)
        .zip(&plan.groups)
        .map(|(place, group)| (group.name.clone(), switch.group_position(GroupId(place))));
    let links = (0..)
        .zip(&plan.links)
        .map(|(place, link)| (link.name.clone(), switch.link_position(LinkId(place))));
    groups.chain(links).filter_map(|(name, position)| Some((name, position?.word()))).collect()
}
