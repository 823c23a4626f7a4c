//! What of the figures people should know: rates over a limit, breakers that stay open, balances
//! and certificates that grow old, payments of which nothing is heard (http-contracts S1 5.1, 7.1,
//! S0 5.2, 2.4). Time is an argument.

use super::Alert;
use std::collections::{BTreeMap, VecDeque};
use veksel_config::alert::{AlertConfig, Severity};

/// How long one alarm about what lasts is enough.
const REMIND_MS: u64 = 3_600_000;

/// How long a payment may seem to lag before that is told of: after a start it is counted from when
/// it was received until its bank has answered.
const SETTLE_MS: u64 = MINUTE_MS;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_S: i64 = 86_400;

/// Days before its end at which a certificate is told of.
const DAYS: [(i64, Severity); 4] =
    [(0, Severity::Critical), (1, Severity::Critical), (7, Severity::High), (30, Severity::Medium)];

/// The figures at one moment.
#[derive(Clone, Default, Debug)]
pub(crate) struct Readings {
    /// Totals since the start.
    pub(crate) errors: u64,
    pub(crate) login_errors: u64,
    pub(crate) underage: u64,
    pub(crate) payment_failures: u64,
    pub(crate) webhook_failures: u64,
    /// How old the oldest cached balance is.
    pub(crate) staleness_ms: u64,
    /// For how long the bank of an undecided payment has not said how it stands.
    pub(crate) lag_ms: u64,
    /// Identity checks that were approved and decided within the window.
    pub(crate) approved: u64,
    pub(crate) decided: u64,
    /// Breakers that are not closed.
    pub(crate) open: Vec<Open>,
    /// Certificates, and when they end in Unix seconds.
    pub(crate) certificates: Vec<(String, i64)>,
}

/// A breaker that is not closed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Open {
    /// What is behind it, for people.
    pub(crate) name: String,
    /// Whether payments at a bank go through it.
    pub(crate) is_pisp: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Rules {
    errors: Rate,
    login_errors: Rate,
    underage: Rate,
    payment_failures: Rate,
    webhook_failures: Rate,
    staleness: Lasting,
    /// Since when a bank lags behind too far, and the alarm about it.
    lag: (Option<u64>, Lasting),
    approval: Lasting,
    pisp: Lasting,
    /// Since when each breaker is open, and the alarm about it.
    open: BTreeMap<String, (u64, Lasting)>,
    /// The fewest days that each certificate was told of.
    certificates: BTreeMap<String, i64>,
    config: AlertConfig,
}

impl Rules {
    /// Judges what differs from `first`.
    pub(crate) fn new(config: &AlertConfig, now_ms: u64, first: &Readings) -> Self {
        let rate = |window_ms, most: u32, total| Rate::new(window_ms, most.into(), now_ms, total);
        Self {
            errors: rate(config.error_window_ms, config.error_spike, first.errors),
            login_errors: rate(MINUTE_MS, config.login_errors, first.login_errors),
            underage: rate(MINUTE_MS, config.underage, first.underage),
            payment_failures: rate(MINUTE_MS, config.payment_failures, first.payment_failures),
            webhook_failures: rate(MINUTE_MS, config.webhook_failures, first.webhook_failures),
            staleness: Lasting::default(),
            lag: (None, Lasting::default()),
            approval: Lasting::default(),
            pisp: Lasting::default(),
            open: BTreeMap::new(),
            certificates: BTreeMap::new(),
            config: config.clone(),
        }
    }

    /// What people should know now. `unix` is the time of day in seconds.
    pub(crate) fn judge(&mut self, now_ms: u64, unix: i64, readings: &Readings) -> Vec<Alert> {
        let mut alerts = Vec::new();
        self.rates(now_ms, readings, &mut alerts);
        self.levels(now_ms, readings, &mut alerts);
        self.breakers(now_ms, &readings.open, &mut alerts);
        self.expiries(unix, &readings.certificates, &mut alerts);
        alerts
    }

    fn rates(&mut self, now_ms: u64, readings: &Readings, alerts: &mut Vec<Alert>) {
        let again_ms = self.config.cooldown_ms;
        let seconds = self.config.error_window_ms / 1_000;
        let mut over = |rate: &mut Rate, total, severity, title: &str, what: &str| {
            if let Some(count) = rate.over(now_ms, total, again_ms) {
                alerts.push(Alert::new(severity, title, format!("{count} {what}")));
            }
        };
        let errors = format!("errors in the last {seconds} seconds");
        let critical = Severity::Critical;
        over(&mut self.errors, readings.errors, critical, "Error spike detected", &errors);
        over(
            &mut self.payment_failures,
            readings.payment_failures,
            critical,
            "Payment failures",
            "payments at banks failed in the last 60 seconds",
        );
        over(
            &mut self.login_errors,
            readings.login_errors,
            Severity::High,
            "Log-in errors",
            "log-ins failed in the last 60 seconds",
        );
        over(
            &mut self.underage,
            readings.underage,
            Severity::Medium,
            "Underage rejections",
            "people were turned away for their age in the last 60 seconds",
        );
        over(
            &mut self.webhook_failures,
            readings.webhook_failures,
            Severity::High,
            "Webhook failures",
            "webhooks of identity checks were not taken in the last 60 seconds; see whether the \
             secret was changed",
        );
    }

    fn levels(&mut self, now_ms: u64, readings: &Readings, alerts: &mut Vec<Alert>) {
        let is_stale = readings.staleness_ms > self.config.staleness_ms;
        if self.staleness.is_due(now_ms, is_stale) {
            let hours = readings.staleness_ms / HOUR_MS;
            let message = format!("the oldest balance of a linked account is {hours} h old");
            alerts.push(Alert::new(Severity::Medium, "Balances are stale", message));
        }
        let is_late = readings.lag_ms > self.config.status_lag_ms;
        let (since, lasting) = &mut self.lag;
        *since = is_late.then(|| since.unwrap_or(now_ms));
        let stays = since.is_some_and(|since| now_ms >= since.saturating_add(SETTLE_MS));
        if lasting.is_due(now_ms, stays) {
            let minutes = readings.lag_ms / MINUTE_MS;
            let message = format!(
                "its bank has not said for {minutes} minutes how a payment stands that is not \
                 decided"
            );
            alerts.push(Alert::high("Payment status lags", message));
        }
        let Readings { approved, decided, .. } = *readings;
        let percent = u64::from(self.config.approval_percent);
        let is_low = decided >= u64::from(self.config.decisions_min)
            && approved.saturating_mul(100) < decided.saturating_mul(percent);
        if self.approval.is_due(now_ms, is_low) {
            let minutes = self.config.approval_window_ms / MINUTE_MS;
            let message = format!(
                "{approved} of {decided} identity checks of the last {minutes} minutes were approved"
            );
            alerts.push(Alert::high("Few identity checks are approved", message));
        }
        let pisp = readings.open.iter().find(|open| open.is_pisp);
        if self.pisp.is_due(now_ms, pisp.is_some()) {
            let name = pisp.map_or("", |open| open.name.as_str());
            let message = format!("{name} is not asked for payments, because it failed too often");
            alerts.push(Alert::critical("PISP circuit breaker open", message));
        }
    }

    fn breakers(&mut self, now_ms: u64, open: &[Open], alerts: &mut Vec<Alert>) {
        self.open.retain(|name, _| open.iter().any(|open| open.name == *name));
        for Open { name, .. } in open {
            let (since, lasting) =
                self.open.entry(name.clone()).or_insert_with(|| (now_ms, Lasting::default()));
            let for_ms = now_ms.saturating_sub(*since);
            if lasting.is_due(now_ms, for_ms > self.config.breaker_open_ms) {
                let minutes = for_ms / MINUTE_MS;
                let title = format!("Circuit breaker open: {name}");
                alerts.push(Alert::high(title, format!("for {minutes} minutes now")));
            }
        }
    }

    fn expiries(&mut self, unix: i64, certificates: &[(String, i64)], alerts: &mut Vec<Alert>) {
        self.certificates.retain(|name, _| certificates.iter().any(|(known, _)| known == name));
        for (name, not_after) in certificates {
            let left = not_after.saturating_sub(unix);
            let near = DAYS.iter().find(|(days, _)| left <= days * DAY_S);
            let Some((days, severity)) = near else {
                self.certificates.remove(name);
                continue;
            };
            if self.certificates.get(name).is_some_and(|told| told <= days) {
                continue;
            }
            self.certificates.insert(name.clone(), *days);
            let message = match left {
                ..=0 => "it has ended".to_owned(),
                left if left <= DAY_S => "it ends within a day".to_owned(),
                left => format!("it ends in {} days", left / DAY_S),
            };
            let title = format!("Certificate ends: {name} ({days} d)");
            alerts.push(Alert::new(*severity, title, message));
        }
    }
}

/// A total that may not rise by more than so much within a window.
#[derive(Debug)]
struct Rate {
    window_ms: u64,
    most: u64,
    /// When it rose, and to what; the first is what it was when the window began.
    samples: VecDeque<(u64, u64)>,
    told: Option<u64>,
}

impl Rate {
    fn new(window_ms: u64, most: u64, now_ms: u64, total: u64) -> Self {
        Self { window_ms, most, samples: VecDeque::from([(now_ms, total)]), told: None }
    }

    /// By how much it rose within the window, if that is too much and was not told for a while.
    fn over(&mut self, now_ms: u64, total: u64, again_ms: u64) -> Option<u64> {
        if self.samples.back().is_none_or(|(_, last)| *last != total) {
            self.samples.push_back((now_ms, total));
        }
        let begin = now_ms.saturating_sub(self.window_ms);
        while self.samples.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.samples.pop_front();
        }
        let before = self.samples.front().map_or(total, |(_, before)| *before);
        let count = total.saturating_sub(before);
        if count <= self.most {
            self.told = None;
            return None;
        }
        if self.told.is_some_and(|told| now_ms < told.saturating_add(again_ms)) {
            return None;
        }
        self.told = Some(now_ms);
        Some(count)
    }
}

/// Something that holds or does not: told when it begins, and once an hour while it lasts.
#[derive(Default, Debug)]
struct Lasting {
    told: Option<u64>,
}

impl Lasting {
    fn is_due(&mut self, now_ms: u64, holds: bool) -> bool {
        if !holds {
            self.told = None;
            return false;
        }
        let is_due = self.told.is_none_or(|told| now_ms >= told.saturating_add(REMIND_MS));
        if is_due {
            self.told = Some(now_ms);
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
