//! `veksel run`: the switch, until somebody asks it to stop.

use crate::arguments::Run;
use crate::check::source;
use crate::output::{Exit, Failure, Output};
use crate::signals::{Signals, Wish};
use std::fmt::Write;
use std::time::Duration;
use veksel_config::{SocketConfig, SwitchConfig, load_switch};
use veksel_server::{Running, StartError, Stopped};

/// How long a look at the signals keeps from looking at the switch.
const GLANCE: Duration = Duration::from_millis(100);

/// Starts the switch and waits for its end.
///
/// # Errors
/// When it does not start, or ends by itself.
pub(crate) fn run(arguments: &Run, output: Output) -> Result<Exit, Failure> {
    let config = source(&arguments.config, &arguments.set).and_then(load_switch);
    let config = config.map_err(Failure::Configuration)?;
    output.warn_of(&config.warnings);
    veksel_server::init_tracing(&config.log)
        .map_err(|error| Failure::configuration(error.to_string()))?;
    veksel_server::report_panics();
    let signals = Signals::listen_and_reload()?;
    let listeners = listeners(&config);
    let is_secure = config.bridge.http.as_ref().is_some_and(|http| http.tls.is_some());
    let title = format!("veksel {}  switch \"{}\"\n", env!("CARGO_PKG_VERSION"), config.name);
    let journal = config.store.path.display().to_string();
    let (file, set) = (arguments.config.clone(), arguments.set.clone());
    let loader = Box::new(move || source(&file, &set).and_then(load_switch));
    let running = veksel_server::start_from(config, loader).map_err(not_started)?;
    let mut text = title;
    for name in &listeners {
        if let Some(address) = running.address(name) {
            let _ = writeln!(text, "  listener {name:<16} {address}");
        }
    }
    if let Some(address) = running.admin() {
        let _ = writeln!(text, "  live, ready, metrics      http://{address}/metrics");
    }
    if let Some(address) = running.http() {
        let scheme = if is_secure { "https" } else { "http" };
        let _ = writeln!(text, "  accounts, redirects       {scheme}://{address}/api");
    }
    let _ = writeln!(text, "  journal                   {journal}");
    output.print(text)?;
    let stopped = loop {
        if let Some(stopped) = running.wait(Duration::ZERO) {
            break stopped;
        }
        match signals.wish_within(GLANCE) {
            Some(Wish::Stop) => break running.stop(),
            // What came of it is in the log; nobody waits for an answer.
            Some(Wish::Reload) => drop(running.reload("SIGHUP")),
            None => {}
        }
    };
    ended(&stopped)
}

/// Starts a switch; a dialect that is wrong is a wrong configuration.
///
/// # Errors
/// What could not be had.
pub(crate) fn start(config: SwitchConfig) -> Result<Running, Failure> {
    veksel_server::start(config).map_err(not_started)
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Dialect(why) => Failure::configuration(why),
        error => Failure::no("start", format!("the switch does not start: {error}")),
    }
}

/// How the end of a switch is told.
///
/// # Errors
/// When it was not asked to end.
pub(crate) fn ended(stopped: &Stopped) -> Result<Exit, Failure> {
    match stopped {
        Stopped::Asked => Ok(Exit::Yes),
        Stopped::Store(why) => {
            let failure = Failure::no("store", format!("the switch stopped: {why}"));
            Err(failure.help("it records before it acts, so without a journal it does not act"))
        }
        Stopped::Panicked => {
            Err(Failure::no("panic", "the switch ended by a defect; its journal is intact"))
        }
    }
}

/// The names of the listeners.
fn listeners(config: &SwitchConfig) -> Vec<String> {
    let links = config.plan.links.iter().zip(&config.sockets);
    let listening = links.filter(|(_, socket)| matches!(socket, SocketConfig::Listen(_)));
    listening.map(|(link, _)| link.name.clone()).collect()
}
