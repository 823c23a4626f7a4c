//! Alarms for people: whom they go to, how often, and what raises them.
//!
//! The addresses they go to are secrets and are named by the file or the environment variable they
//! stand in.

use crate::bridge::SecretSource;

/// How urgent an alarm is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Money or the service is at stake now.
    Critical,
    /// Somebody must look today.
    High,
    /// Somebody must look.
    Medium,
    /// Good to know.
    Info,
}

impl Severity {
    /// Every one, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Info];

    /// The key of the configuration, and the word that programs see.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Info => "info",
        }
    }
}

/// Where an alarm goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// The incoming webhook of a Slack channel; standard error if none is configured.
    Slack,
    /// Standard error, as a log line.
    Console,
}

/// Where alarms go, and what raises them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertConfig {
    /// How the product is called in them.
    pub product: String,
    /// Who is named in critical ones; empty for nobody.
    pub owner: String,
    /// The address of the incoming webhook. A variable that is not set, or has no name, means
    /// there is none.
    pub slack: SecretSource,
    /// An address that is called as long as the switch is healthy; `None` for none.
    pub heartbeat: Option<SecretSource>,
    /// How often, in milliseconds.
    pub heartbeat_ms: u64,
    /// Whether these addresses may be of this machine or a private network, and without TLS.
    pub allow_private: bool,
    /// Alarms that may wait; the oldest goes for one more.
    pub queue_max: u32,
    /// How long one title is quiet after it was told, in milliseconds.
    pub cooldown_ms: u64,
    /// Where those of each severity go, in the order of [`Severity::ALL`].
    pub sinks: [Vec<Sink>; 4],
    /// Lines of level `error` within `error_window_ms` beyond which they are a spike.
    pub error_spike: u32,
    /// See `error_spike`; in milliseconds.
    pub error_window_ms: u64,
    /// How long a breaker may be open, in milliseconds.
    pub breaker_open_ms: u64,
    /// How old a cached balance may be, in milliseconds.
    pub staleness_ms: u64,
    /// For how long a bank may not say how a payment stands, in milliseconds.
    pub status_lag_ms: u64,
    /// Failed log-ins within a minute.
    pub login_errors: u32,
    /// People turned away for their age within a minute.
    pub underage: u32,
    /// Failed payments at banks within a minute.
    pub payment_failures: u32,
    /// Webhooks of the provider of identity checks that were not taken, within a minute.
    pub webhook_failures: u32,
    /// Percent of identity checks below which too few are approved.
    pub approval_percent: u32,
    /// Over this time, in milliseconds.
    pub approval_window_ms: u64,
    /// And only if so many were decided.
    pub decisions_min: u32,
}

impl AlertConfig {
    /// Where an alarm of this severity goes.
    #[must_use]
    pub fn sinks(&self, severity: Severity) -> &[Sink] {
        let [critical, high, medium, info] = &self.sinks;
        match severity {
            Severity::Critical => critical,
            Severity::High => high,
            Severity::Medium => medium,
            Severity::Info => info,
        }
    }
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self {
            product: "Veksel".to_owned(),
            owner: String::new(),
            slack: SecretSource::Env("SLACK_WEBHOOK_URL".to_owned()),
            heartbeat: None,
            heartbeat_ms: 60_000,
            allow_private: false,
            queue_max: 100,
            cooldown_ms: 600_000,
            sinks: [(); 4].map(|()| vec![Sink::Slack]),
            error_spike: 5,
            error_window_ms: 60_000,
            breaker_open_ms: 300_000,
            staleness_ms: 43_200_000,
            status_lag_ms: 300_000,
            login_errors: 10,
            underage: 5,
            payment_failures: 5,
            webhook_failures: 0,
            approval_percent: 70,
            approval_window_ms: 3_600_000,
            decisions_min: 1,
        }
    }
}
