//! Another configuration while the switch runs: read, compared, checked whole, and only then
//! swapped in (switch semantics 56).
//!
//! What runs is known here; the file is read by who started the switch, because only he knows
//! where it is and what flags go before it. A file with a mistake changes nothing, and neither
//! does a key or a dialect that cannot be used, or an address that is taken.

use crate::enquirer::Asks;
use crate::orders::{Order, Swap, Swapped};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use veksel_config::{Change, Problem, Problems, Reload, SwitchConfig, reload};
use veksel_link::{Certificates, TlsServer, Unusable};

/// Reads the configuration again, as it was read at the start.
pub type Loader = Box<dyn Fn() -> Result<SwitchConfig, Problems> + Send + Sync>;

/// Links, groups or participants that a process knows, those that are gone from its file too.
const PARTS_MAX: usize = 4_096;

/// What a reload came to.
#[derive(Debug)]
pub struct Reloaded {
    /// Everything that differs from what ran before.
    pub changes: Vec<Change>,
    /// Keys that are other ones under the same names: links, and check values before and after.
    pub keys: Vec<(String, String, String)>,
    /// What is probably not meant in what was read.
    pub warnings: Problems,
    /// Whether it holds now. `false` if it was only tried.
    pub is_applied: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Everything that is wrong with it.
    #[error("the configuration has mistakes")]
    Invalid(Problems),
    /// The switch was started without a file.
    #[error("this switch was not started from a file")]
    NoFile,
    /// It ends, or has ended.
    #[error("the switch is stopping")]
    Stopping,
}

/// What runs, and the way to change it. A clone is the same.
#[derive(Clone)]
pub(crate) struct Reloader(Arc<Inner>);

struct Inner {
    loader: Option<Loader>,
    /// Held while a reload is under way, so that there is one at a time.
    running: Mutex<SwitchConfig>,
    orders: mpsc::Sender<Order>,
    others: Others,
}

/// Who has certificates beside the shard, to be read again.
pub(crate) struct Others {
    /// Third parties: those that they know us by.
    pub(crate) asks: Option<Arc<dyn Asks>>,
    /// The HTTP listener.
    pub(crate) tls: Option<TlsServer>,
}

impl Reloader {
    pub(crate) fn new(
        running: SwitchConfig,
        loader: Option<Loader>,
        orders: mpsc::Sender<Order>,
        others: Others,
    ) -> Self {
        Self(Arc::new(Inner { loader, running: Mutex::new(running), orders, others }))
    }

    /// Reads the configuration again and goes by it, or only says what that would change. Waits
    /// for the shard, so it must not be called on a thread of a runtime.
    ///
    /// # Errors
    /// When nothing was changed, and why.
    pub(crate) fn reload(&self, operator: &str, is_trial: bool) -> Result<Reloaded, ReloadError> {
        let reloaded = self.swap(operator, is_trial);
        log(operator, &reloaded);
        reloaded
    }

    fn swap(&self, operator: &str, is_trial: bool) -> Result<Reloaded, ReloadError> {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = self.0.loader.as_ref().ok_or(ReloadError::NoFile)?;
        let wanted = loader().map_err(ReloadError::Invalid)?;
        let Reload { config, changes, sockets } = reload(&running, &wanted);
        let mut wrong = Vec::new();
        let plan = &config.plan;
        for (count, what) in [
            (plan.links.len(), "links"),
            (plan.groups.len(), "groups"),
            (plan.participants.len(), "participants"),
        ] {
            if count > PARTS_MAX {
                wrong.push(format!(
                    "{count} {what}, those that were taken out since the start among them, are \
                     more than {PARTS_MAX}; restart the switch to forget these"
                ));
            }
        }
        let mut dialects = Vec::new();
        for socket in &config.sockets {
            match crate::material::dialect(socket) {
                Ok(dialect) => dialects.push(dialect),
                Err(error) => note(&mut wrong, error.to_string()),
            }
        }
        if let Err(why) = self.renew(true) {
            note(&mut wrong, why);
        }
        let tls = self.0.others.tls.as_ref().map(TlsServer::certificates);
        if let Some(Err(unusable)) = tls.map(|tls| tls.check(&[])) {
            unusable.iter().for_each(|one| note(&mut wrong, one.to_string()));
        }
        if !wrong.is_empty() {
            return Err(invalid(wrong));
        }
        let (reply, answer) = oneshot::channel();
        let summary = summary(&changes);
        let operator = operator.to_owned();
        let next = Box::new(config.clone());
        let swap = Swap { config: next, sockets, dialects, operator, summary, is_trial };
        let order = Order::Swap(Box::new(swap), reply);
        self.0.orders.blocking_send(order).map_err(|_| ReloadError::Stopping)?;
        let swapped = answer.blocking_recv().map_err(|_| ReloadError::Stopping)?;
        let Swapped { keys } = swapped.map_err(|why| {
            let mut wrong = Vec::new();
            why.into_iter().for_each(|why| note(&mut wrong, why));
            invalid(wrong)
        })?;
        let warnings = config.warnings.clone();
        if !is_trial {
            *running = config;
            if let Err(error) = self.renew(false) {
                tracing::error!(error, "certificates for third parties stay as they were");
            }
            if let Some(Err(unusable)) = tls.map(Certificates::renew) {
                for Unusable { holder, error } in unusable {
                    tracing::error!(of = %holder, %error, "certificates stay as they were");
                }
            }
        }
        Ok(Reloaded { changes, keys, warnings, is_applied: !is_trial })
    }
}

impl Reloader {
    /// Certificates that third parties know us by: their files may be other ones under the same
    /// names. For a trial they are read and nothing else.
    fn renew(&self, is_trial: bool) -> Result<(), String> {
        let Some(asks) = &self.0.others.asks else { return Ok(()) };
        let changed = asks.renew(is_trial)?;
        for held in changed.iter().filter(|_| !is_trial) {
            let (provider, usage, not_after) = (&held.provider, held.usage, held.not_after);
            tracing::info!(provider, usage, not_after, "another certificate is shown from now on");
        }
        Ok(())
    }
}

fn log(operator: &str, reloaded: &Result<Reloaded, ReloadError>) {
    match reloaded {
        Ok(Reloaded { is_applied: false, .. }) => {}
        Ok(Reloaded { changes, keys, .. }) => {
            for Change { path, before, after, effect } in changes {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
                let (before, after, effect) = (shown(before), shown(after), effect.word());
                tracing::info!(operator, path, before, after, effect, "setting changed");
            }
            for (link, before, after) in keys {
                tracing::info!(operator, link, before, after, "keys changed");
            }
            let (settings, keys) = (changes.len(), keys.len());
            tracing::info!(operator, settings, keys, "reloaded");
        }
        Err(ReloadError::Invalid(problems)) => {
            for problem in &problems.0 {
                let (line, column) = (problem.line, problem.column);
                tracing::error!(operator, line, column, why = problem.message, "not reloaded");
            }
        }
        Err(error) => tracing::error!(operator, %error, "not reloaded"),
    }
}

fn invalid(messages: Vec<String>) -> ReloadError {
    ReloadError::Invalid(Problems(messages.into_iter().map(Problem::of_file).collect()))
}

/// One file may be named by many links.
fn note(wrong: &mut Vec<String>, message: String) {
    if !wrong.contains(&message) {
        wrong.push(message);
    }
}

/// For the audit: what changed, without values.
fn summary(changes: &[Change]) -> String {
    /// Names that are written out; a record is no place for a thousand.
    const NAMES_MAX: usize = 20;
    let name = |change: &Change| format!("{} ({})", change.path, change.effect.word());
    let mut text: Vec<String> = changes.iter().take(NAMES_MAX).map(name).collect();
    if changes.len() > NAMES_MAX {
        text.push(format!("and {} more", changes.len() - NAMES_MAX));
    }
    if text.is_empty() { "nothing differs".to_owned() } else { text.join(", ") }
}
