//! Where log lines go and how they look. What they say is decided where they are written; no
//! field value of a message is ever part of one unless its dialect calls the field open.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use veksel_config::{LogConfig, LogFormat, LogLevel};

/// The target of alarms in the log, which are told there because they are told, and are no errors.
pub(crate) const ALERTS: &str = "veksel_alert";

/// Errors since this process began to log.
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// How many lines of level `error` there were, whatever of them is written.
pub(crate) fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

/// Counts errors.
struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() == Level::ERROR && about.target() != ALERTS {
            ERRORS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What `VEKSEL_LOG` says is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "VEKSEL_LOG: `{0}` is neither a level (error, warn, info, debug, trace, off) nor target=level"
)]
pub struct WrongFilter(String);

/// Sends log lines to standard error. The environment variable `VEKSEL_LOG` takes the filter
/// notation of `tracing` and wins over the configured level. A second call changes nothing.
///
/// # Errors
/// The first part of `VEKSEL_LOG` that means nothing. Nothing is set up then.
pub fn init_tracing(config: &LogConfig) -> Result<(), WrongFilter> {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let wanted = std::env::var("VEKSEL_LOG").unwrap_or_default();
    check_filter(&wanted)?;
    let filter = EnvFilter::builder().with_default_directive(level.into()).parse_lossy(wanted);
    let terminal = io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(Counting.with_filter(LevelFilter::ERROR));
    // Somebody else, such as a test, may have set one up already; theirs stays.
    let _ = if json {
        registry.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
    } else {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        registry.with(lines.compact().with_ansi(colour).with_filter(filter)).try_init()
    };
    Ok(())
}

/// A bare word is taken for a target by `tracing`, and a mistyped level would silence everything.
fn check_filter(wanted: &str) -> Result<(), WrongFilter> {
    let means_something = |part: &str| match part.rsplit_once('=') {
        Some((_, level)) => level.parse::<LevelFilter>().is_ok(),
        None => part.parse::<LevelFilter>().is_ok(),
    };
    let parts = wanted.split(',').map(str::trim).filter(|part| !part.is_empty());
    match parts.into_iter().find(|part| !means_something(part)) {
        Some(part) => Err(WrongFilter(part.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_and_alarms_are_not() {
        let before = errors();
        let registry = tracing_subscriber::registry();
        let counting = registry.with(Counting.with_filter(LevelFilter::ERROR));
        tracing::subscriber::with_default(counting, || {
            tracing::error!("one");
            tracing::warn!("none");
            tracing::error!(target: ALERTS, "an alarm");
            tracing::error!("two");
        });
        assert_eq!(errors() - before, 2);
    }

    #[test]
    fn a_mistyped_level_is_refused() {
        for wanted in ["", "debug", "info,veksel_link=trace", "off", "veksel_server=warn, error"] {
            assert_eq!(check_filter(wanted), Ok(()), "{wanted}");
        }
        for (wanted, wrong) in
            [("nonsense", "nonsense"), ("info,veksel_link=loud", "veksel_link=loud")]
        {
            assert_eq!(check_filter(wanted), Err(WrongFilter(wrong.to_owned())), "{wanted}");
        }
    }
}
