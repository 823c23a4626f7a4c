//! `veksel proxy`: a bad network between two programs, until somebody asks it to stop.

use crate::arguments::Proxy;
use crate::output::{Exit, Failure, Output};
use crate::signals::Signals;
use std::time::Duration;
use veksel_simulator::proxy::{self, ProxyConfig};

/// How long a look at the signals takes.
const GLANCE: Duration = Duration::from_millis(100);

/// Starts the proxy and waits for the wish to stop.
///
/// # Errors
/// When it does not start.
pub(crate) fn proxy(arguments: &Proxy, output: Output) -> Result<Exit, Failure> {
    let Proxy { listen, to, seed, faults } = *arguments;
    let signals = Signals::listen()?;
    let running = proxy::start(ProxyConfig { listen, to, seed, faults });
    let running = running.map_err(|error| {
        Failure::no("start", format!("the proxy cannot listen on {listen}: {error}"))
    })?;
    let (version, address) = (env!("CARGO_PKG_VERSION"), running.address());
    output.print(format!(
        "veksel {version}  proxy\n  listener {address}\n  to       {to}\n  seed     {seed}\n  \
         faults   {faults}\n"
    ))?;
    while !signals.asked_within(GLANCE) {}
    output.print(format!("{}\n", running.stop()))?;
    Ok(Exit::Yes)
}
