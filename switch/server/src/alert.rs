//! Alarms for people: who raises one, how often it is told, and how it reads.
//!
//! To raise one never waits: it goes into a bounded line ([`outbox`]), from which a thread of its
//! own ([`watch`]) takes it to where its severity goes. What no single event shows is found by
//! [`rules`], which look at counters once a second.

mod outbox;
pub(crate) mod panics;
mod readings;
pub(crate) mod rules;
mod watch;

pub(crate) use readings::Approvals;
pub(crate) use watch::{Watch, Watched};

use outbox::{Outbox, Waiting};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Instant, SystemTime};
use tokio::sync::Notify;
use veksel_config::ServiceMode;
use veksel_config::alert::{AlertConfig, Severity};
use veksel_core::Utc;

/// Something that people should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alert {
    pub(crate) severity: Severity,
    /// What it is. One title is told at most once in a while, so what differs from time to time
    /// does not stand here.
    pub(crate) title: String,
    /// What is to be said of it.
    pub(crate) message: String,
}

impl Alert {
    pub(crate) fn new(
        severity: Severity,
        title: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity, title: title.into(), message: message.into() }
    }

    pub(crate) fn critical(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Critical, title, message)
    }

    pub(crate) fn high(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::High, title, message)
    }

    pub(crate) fn info(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, title, message)
    }
}

/// Where alarms are raised. A clone is the same.
#[derive(Clone)]
pub(crate) struct Alerts(Arc<Shared>);

struct Shared {
    outbox: Mutex<Outbox>,
    /// Something waits to be told.
    news: Notify,
    origin: Instant,
}

impl Alerts {
    pub(crate) fn new(config: &AlertConfig) -> Self {
        let most = usize::try_from(config.queue_max).unwrap_or(usize::MAX);
        Self(Arc::new(Shared {
            outbox: Mutex::new(Outbox::new(most, config.cooldown_ms)),
            news: Notify::new(),
            origin: Instant::now(),
        }))
    }

    /// Raises an alarm. Waits for nobody.
    pub(crate) fn raise(&self, alert: Alert) {
        self.lock().put(self.now_ms(), utc(), alert);
        self.0.news.notify_one();
    }

    /// The same from where nothing may be waited for at all, such as a panic that may have
    /// happened with this line in hand. Whether it was taken.
    fn try_raise(&self, alert: Alert) -> bool {
        let mut outbox = match self.0.outbox.try_lock() {
            Ok(outbox) => outbox,
            Err(TryLockError::Poisoned(outbox)) => outbox.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        outbox.put(self.now_ms(), utc(), alert);
        self.0.news.notify_one();
        true
    }

    fn take(&self) -> Option<Waiting> {
        self.lock().take()
    }

    fn give_back(&self, waiting: Waiting) {
        self.lock().give_back(waiting);
    }

    /// Milliseconds since it was made.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.0.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn utc() -> Utc {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How an alarm reads in a channel (http-contracts S0-50).
fn text(product: &str, mode: ServiceMode, waiting: &Waiting) -> String {
    let Waiting { alert: Alert { severity, title, message }, at, withheld, .. } = waiting;
    let (sign, word) = match severity {
        Severity::Critical => ("\u{1f6a8}", "Critical"),
        Severity::High => ("\u{1f534}", "High"),
        Severity::Medium => ("\u{1f7e0}", "Medium"),
        Severity::Info => ("\u{2139}\u{fe0f}", "Info"),
    };
    let mode = match mode {
        ServiceMode::Production => "Production",
        ServiceMode::Sandbox => "Sandbox",
        ServiceMode::Mock => "Mock",
    };
    let more = match withheld {
        0 => String::new(),
        count => format!(" ({count} more of this title since the last one)"),
    };
    let when = at.to_string();
    let (date, time) = (when.get(..10).unwrap_or_default(), when.get(11..16).unwrap_or_default());
    format!(
        "{sign} {product} {mode} Alert \u{2014} {word}\nTitle: {title}\nMessage: {message}{more}\n\
         Time: {date} {time} UTC"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte for byte as the document has it; only what it says of the product is a setting.
    #[test]
    fn an_alarm_reads_as_it_was_laid_down() {
        let alert = Alert::critical("Error spike detected", "8 errors in the last 60 seconds");
        let mut waiting = Waiting::new(alert, Utc(1_771_857_000_000), 0);
        let golden = "\u{1f6a8} Drop Production Alert \u{2014} Critical\n\
                      Title: Error spike detected\n\
                      Message: 8 errors in the last 60 seconds\n\
                      Time: 2026-02-23 14:30 UTC";
        assert_eq!(text("Drop", ServiceMode::Production, &waiting), golden);
        waiting.withheld = 3;
        waiting.alert.severity = Severity::Info;
        let more = "\u{2139}\u{fe0f} Veksel Mock Alert \u{2014} Info\n\
                    Title: Error spike detected\n\
                    Message: 8 errors in the last 60 seconds (3 more of this title since the last \
                    one)\nTime: 2026-02-23 14:30 UTC";
        assert_eq!(text("Veksel", ServiceMode::Mock, &waiting), more);
    }
}
