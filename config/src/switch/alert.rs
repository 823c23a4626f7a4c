//! The section about alarms, value by value.

use super::outside::{one_line, optional_secret, secret};
use crate::alert::{AlertConfig, Severity, Sink};
use crate::section::Section;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) fn alert(mut section: Section<'_>) -> AlertConfig {
    let AlertConfig {
        product,
        owner,
        heartbeat_ms,
        allow_private,
        queue_max,
        cooldown_ms,
        error_spike,
        error_window_ms,
        breaker_open_ms,
        staleness_ms,
        status_lag_ms,
        login_errors,
        underage,
        payment_failures,
        webhook_failures,
        approval_percent,
        approval_window_ms,
        decisions_min,
        ..
    } = AlertConfig::default();
    let section = &mut section;
    AlertConfig {
        product: section.title("product", &product).value,
        owner: one_line(section, "owner", &owner, 64),
        slack: secret(section, ["slack_url_file", "slack_url_env"], "SLACK_WEBHOOK_URL"),
        heartbeat: optional_secret(section, ["heartbeat_url_file", "heartbeat_url_env"], ""),
        heartbeat_ms: section.duration("heartbeat_every", heartbeat_ms, SECOND..=DAY).value,
        allow_private: section.boolean("allow_private", allow_private).value,
        queue_max: section.integer("queue_max", queue_max, 1..=10_000).value,
        cooldown_ms: section.duration("cooldown", cooldown_ms, 0..=DAY).value,
        sinks: Severity::ALL.map(|severity| sinks(section, severity)),
        error_spike: section.integer("error_spike", error_spike, 0..=1_000_000).value,
        error_window_ms: section.duration("error_window", error_window_ms, SECOND..=HOUR).value,
        breaker_open_ms: section
            .duration("breaker_open_after", breaker_open_ms, SECOND..=DAY)
            .value,
        staleness_ms: section.duration("staleness", staleness_ms, MINUTE..=30 * DAY).value,
        status_lag_ms: section.duration("payment_status_lag", status_lag_ms, SECOND..=DAY).value,
        login_errors: section.integer("login_errors", login_errors, 0..=1_000_000).value,
        underage: section.integer("underage", underage, 0..=1_000_000).value,
        payment_failures: section
            .integer("payment_failures", payment_failures, 0..=1_000_000)
            .value,
        webhook_failures: section
            .integer("webhook_failures", webhook_failures, 0..=1_000_000)
            .value,
        approval_percent: section.integer("approval_percent", approval_percent, 0..=100).value,
        approval_window_ms: section
            .duration("approval_window", approval_window_ms, MINUTE..=DAY)
            .value,
        decisions_min: section.integer("decisions_min", decisions_min, 1..=1_000_000).value,
    }
}

fn sinks(section: &mut Section<'_>, severity: Severity) -> Vec<Sink> {
    let parse = |text: &str| match text {
        "slack" => Ok(Sink::Slack),
        "console" => Ok(Sink::Console),
        _ => Err("expected \"slack\" or \"console\"".to_owned()),
    };
    let show = |sink: &Sink| match sink {
        Sink::Slack => "slack".to_owned(),
        Sink::Console => "console".to_owned(),
    };
    let found = section.list_or(severity.word(), &["slack"], "places for alarms", parse, show);
    found.value.into_iter().map(|item| item.value).collect()
}
