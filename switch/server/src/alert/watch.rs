//! The thread that looks at the figures once a second and takes alarms to where they go: into a
//! Slack channel, or to standard error. Who raises an alarm never waits for it.

use super::outbox::Waiting;
use super::rules::Rules;
use super::{Alert, Alerts, Approvals, panics, readings, text, utc};
use crate::enquirer::Asks;
use crate::material;
use crate::observe::Metrics;
use crate::outside::{Circuits, write_down};
use crate::start::StartError;
use crate::status::Status;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use veksel_adapters::{Heartbeat, Posted, Slack, audit};
use veksel_config::alert::{AlertConfig, Severity, Sink};
use veksel_config::bridge::SecretSource;
use veksel_config::{ServiceMode, SwitchConfig};
use veksel_core::enquiry::Secret;
use veksel_link::TlsServer;

/// How often the figures are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long what waits may take to be told when the switch has ended.
const FLUSH: Duration = Duration::from_secs(3);

/// First and longest wait for a channel that cannot be reached.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Calls whose audit line waits to be written.
const AUDIT_MAX: usize = 64;

/// What is looked at.
pub(crate) struct Watched {
    pub(crate) alerts: Alerts,
    pub(crate) approvals: Approvals,
    pub(crate) metrics: Metrics,
    pub(crate) status: Status,
    pub(crate) asks: Option<Arc<dyn Asks>>,
    /// The breakers of whoever signs people in.
    pub(crate) circuits: Option<Circuits>,
    /// The HTTP listener, if it speaks TLS.
    pub(crate) tls: Option<TlsServer>,
}

/// The thread while it runs.
pub(crate) struct Watch {
    alerts: Alerts,
    ends: Ends,
    name: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Tells the thread that no more is coming. A clone is the same.
#[derive(Clone, Default)]
struct Ends(Arc<AtomicBool>);

impl Watch {
    /// Begins to look.
    pub(crate) fn start(config: &SwitchConfig, watched: Watched) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (alerts, ends) = (watched.alerts.clone(), Ends::default());
        panics::tell(&alerts);
        let teller = {
            let _entered = runtime.enter();
            Teller::new(config, watched.metrics.clone(), ends.clone())?
        };
        let (stop, stopped) = oneshot::channel();
        let rules = config.alert.clone();
        let body = move || runtime.block_on(run(rules, watched, teller, stopped));
        let thread = thread::Builder::new().name("alerts".into()).spawn(body)?;
        let name = config.name.clone();
        Ok(Self { alerts, ends, name, stop: Some(stop), thread: Some(thread) })
    }

    /// Tells that the switch has started.
    pub(crate) fn started(&self) {
        let (version, name) = (env!("CARGO_PKG_VERSION"), &self.name);
        self.raise(Alert::info("App startup", format!("veksel {version}, switch \"{name}\"")));
    }

    /// Raises an alarm.
    pub(crate) fn raise(&self, alert: Alert) {
        self.alerts.raise(alert);
    }

    /// Tells what waits and ends, within a few seconds.
    pub(crate) fn stop(self) {
        drop(self);
    }

    fn end(&mut self) {
        self.ends.0.store(true, Ordering::Release);
        self.alerts.0.news.notify_one();
        // The receiver is gone only if the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

async fn run(
    config: AlertConfig,
    watched: Watched,
    teller: Teller,
    mut stopped: oneshot::Receiver<()>,
) {
    let Watched { alerts, approvals, metrics, status, asks, circuits, tls } = watched;
    let teller = Arc::new(teller);
    let mut telling = tokio::spawn(Arc::clone(&teller).tell_all(alerts.clone()));
    let look = |alerts: &Alerts| {
        let picture = status.get();
        let now = alerts.now_ms();
        metrics.healthy.set(status.health().is_ok().into());
        let expires = tls.as_ref().and_then(TlsServer::expires);
        let decided = approvals.count(now);
        let mut standing = asks.as_deref().map(Asks::circuits).unwrap_or_default();
        standing.extend(circuits.iter().flat_map(|circuits| circuits()));
        let held = asks.as_deref().map(Asks::certificates).unwrap_or_default();
        (now, readings::read(&metrics, &picture, (standing, held), expires, decided))
    };
    let (now, first) = look(&alerts);
    // Breakers and certificates are judged from the start, totals by what they rise.
    let mut rules = Rules::new(&config, now, &first);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut beat = Beat { every: Duration::from_millis(config.heartbeat_ms), last: None };
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            _ = looks.tick() => {
                let (now, readings) = look(&alerts);
                let unix = i64::try_from(utc().0 / 1_000).unwrap_or(i64::MAX);
                for alert in rules.judge(now, unix, &readings) {
                    alerts.raise(alert);
                }
                beat.try_now(&teller, &status);
            }
        }
    }
    if timeout(FLUSH, &mut telling).await.is_err() {
        telling.abort();
        teller.show_rest(&alerts);
    }
}

/// When all was last said to be well.
struct Beat {
    every: Duration,
    last: Option<Instant>,
}

impl Beat {
    fn try_now(&mut self, teller: &Arc<Teller>, status: &Status) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= self.every);
        if teller.heartbeat.is_none() || !is_due || status.health().is_err() {
            return;
        }
        self.last = Some(Instant::now());
        let teller = Arc::clone(teller);
        tokio::spawn(async move {
            let Some(heartbeat) = &teller.heartbeat else { return };
            if !heartbeat.beat().await {
                teller.metrics.alerts_failed.with_label_values(&["heartbeat"]).inc();
                tracing::warn!("the heartbeat was not heard");
            }
        });
    }
}

/// Tells alarms.
struct Teller {
    config: AlertConfig,
    mode: ServiceMode,
    slack: Option<Slack>,
    heartbeat: Option<Heartbeat>,
    metrics: Metrics,
    ends: Ends,
    /// What is being told.
    current: Mutex<Option<Waiting>>,
}

/// What became of an attempt.
enum Attempt {
    Told,
    Later(Option<Duration>),
}

impl Teller {
    fn new(config: &SwitchConfig, metrics: Metrics, ends: Ends) -> Result<Self, StartError> {
        let alert = &config.alert;
        let (sink, events) = audit(AUDIT_MAX);
        tokio::spawn(write_down(events, metrics.clone(), None));
        let wrong = |error: veksel_adapters::AdapterError| StartError::Outside(error.to_string());
        let slack = address(&alert.slack, "the address of the channel of [alert]")?;
        let slack = slack.map(|at| Slack::new(&at, alert.allow_private, sink.clone()));
        let heartbeat = match &alert.heartbeat {
            Some(source) => address(source, "the address of the heartbeat of [alert]")?,
            None => None,
        };
        let heartbeat = heartbeat.map(|at| Heartbeat::new(&at, alert.allow_private, sink));
        Ok(Self {
            config: alert.clone(),
            mode: config.mode,
            slack: slack.transpose().map_err(wrong)?,
            heartbeat: heartbeat.transpose().map_err(wrong)?,
            metrics,
            ends,
            current: Mutex::new(None),
        })
    }

    /// Tells what waits, one after the other, until no more comes.
    async fn tell_all(self: Arc<Self>, alerts: Alerts) {
        let mut wait = WAIT;
        loop {
            while let Some(waiting) = alerts.take() {
                self.set_current(Some(waiting.clone()));
                let attempt = self.tell(waiting).await;
                let waiting = self.set_current(None);
                let Attempt::Later(asked) = attempt else {
                    wait = WAIT;
                    continue;
                };
                let Some(mut waiting) = waiting else { continue };
                self.show(&mut waiting);
                if self.has_ended() {
                    continue;
                }
                alerts.give_back(waiting);
                let news = alerts.0.news.notified();
                tokio::select! {
                    () = sleep(asked.unwrap_or(wait)) => {}
                    () = self.ended(news, &alerts) => {}
                }
                wait = wait.saturating_mul(2).min(WAIT_MAX);
            }
            if self.has_ended() {
                return;
            }
            alerts.0.news.notified().await;
        }
    }

    /// Waits for the end; what is raised meanwhile waits in its line.
    async fn ended(&self, mut news: tokio::sync::futures::Notified<'_>, alerts: &Alerts) {
        loop {
            news.await;
            if self.has_ended() {
                return;
            }
            news = alerts.0.news.notified();
        }
    }

    fn has_ended(&self) -> bool {
        self.ends.0.load(Ordering::Acquire)
    }

    fn set_current(&self, waiting: Option<Waiting>) -> Option<Waiting> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, waiting)
    }

    async fn tell(&self, mut waiting: Waiting) -> Attempt {
        let sinks = self.config.sinks(waiting.alert.severity);
        let is_for = |sink| sinks.contains(&sink);
        let Some(slack) = self.slack.as_ref().filter(|_| is_for(Sink::Slack)) else {
            if !sinks.is_empty() {
                self.show(&mut waiting);
            }
            return Attempt::Told;
        };
        if is_for(Sink::Console) {
            self.show(&mut waiting);
            self.set_current(Some(waiting.clone()));
        }
        let mut said = text(&self.config.product, self.mode, &waiting);
        if waiting.alert.severity == Severity::Critical && !self.config.owner.is_empty() {
            said.push_str("\nOwner: ");
            said.push_str(&self.config.owner);
        }
        let posted = slack.post(&said).await;
        if posted == Posted::Taken {
            let labels = [waiting.alert.severity.word(), "slack"];
            self.metrics.alerts.with_label_values(&labels).inc();
            return Attempt::Told;
        }
        self.metrics.alerts_failed.with_label_values(&["slack"]).inc();
        match posted {
            Posted::Taken => Attempt::Told,
            Posted::Later(wait) => Attempt::Later(Some(wait)),
            Posted::Unreached(why) => {
                tracing::warn!(why, "the channel for alarms cannot be reached");
                Attempt::Later(None)
            }
            Posted::Refused(status) => {
                tracing::warn!(status, "the channel for alarms does not take them");
                self.show(&mut waiting);
                Attempt::Told
            }
        }
    }

    /// Writes an alarm to standard error, once.
    fn show(&self, waiting: &mut Waiting) {
        if std::mem::replace(&mut waiting.is_shown, true) {
            return;
        }
        let Waiting { alert: Alert { severity, title, message }, at, withheld, .. } = &*waiting;
        let word = severity.word();
        self.metrics.alerts.with_label_values(&[word, "console"]).inc();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: crate::log::ALERTS, severity = word, title, %at, withheld, "{message}"
                )
            };
        }
        match severity {
            Severity::Critical => line!(error),
            Severity::High | Severity::Medium => line!(warn),
            Severity::Info => line!(info),
        }
    }

    /// What could not be told in time is at least written down.
    fn show_rest(&self, alerts: &Alerts) {
        let current = self.set_current(None);
        for mut waiting in current.into_iter().chain(std::iter::from_fn(|| alerts.take())) {
            self.show(&mut waiting);
        }
    }
}

/// An address of the configuration; `None` if its variable has no name or is not set.
fn address(source: &SecretSource, part: &str) -> Result<Option<Secret>, StartError> {
    if let SecretSource::Env(name) = source {
        let value = if name.is_empty() { None } else { std::env::var_os(name) };
        if value.is_none_or(|value| value.is_empty()) {
            return Ok(None);
        }
    }
    let secret = material::secret(source);
    secret.map(Some).map_err(|why| StartError::Secret { part: part.to_owned(), why })
}
