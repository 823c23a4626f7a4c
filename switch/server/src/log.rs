//! Where log lines go and how they look. What they say is decided where they are written; no
//! field value of a message is ever part of one unless its dialect calls the field open.

use std::io::{self, IsTerminal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use veksel_config::{LogConfig, LogFormat, LogLevel};

/// Sends log lines to standard error. The environment variable `VEKSEL_LOG` takes the filter
/// notation of `tracing` and wins over the configured level. A second call changes nothing.
pub fn init_tracing(config: &LogConfig) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var("VEKSEL_LOG")
        .from_env_lossy();
    let terminal = io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // Somebody else, such as a test, may have set one up already; theirs stays.
    let _ = if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        registry.with(lines.compact().with_ansi(colour)).try_init()
    };
}
