//! The sandboxes of a configuration, set up and started.

use std::net::Ipv4Addr;
use std::sync::Arc;

use veksel_config::{AspspConfig, SandboxConfig};

use super::aspsp::{Aspsp, AspspSettings, Bank, Delays};
use super::ca::{Authority, Clients, Files};
use super::{Clock, Mount, RunningSandboxes, SandboxError, start};
use crate::bank::Desk;

/// Sandboxes that answer, and the files of their CA if it is kept.
#[derive(Debug)]
pub struct Stage {
    /// Dropping it stops them.
    pub running: RunningSandboxes,
    /// For a client's configuration; `None` if the CA ends with the process.
    pub files: Option<Files>,
}

/// Starts what a configuration wants, the banks over the ledger behind a desk.
///
/// # Errors
/// A port is taken, or the folder of the certificates cannot be used. Then none of them runs.
pub fn set(config: &SandboxConfig, desk: Desk) -> Result<Stage, SandboxError> {
    let (authority, files) = match &config.certificates {
        Some(folder) => {
            let (authority, files) = Authority::in_folder(folder)?;
            (authority, Some(files))
        }
        None => (Authority::new()?, None),
    };
    let authority = Arc::new(authority);
    let clock = Clock::default();
    let mut mounts = Vec::new();
    if let Some(config) = &config.aspsp {
        mounts.extend(aspsp(config, desk, &clock, &authority)?);
    }
    Ok(Stage { running: start(mounts, clock)?, files })
}

fn aspsp(
    config: &AspspConfig,
    desk: Desk,
    clock: &Clock,
    authority: &Arc<Authority>,
) -> Result<[Mount; 2], SandboxError> {
    let settings = AspspSettings {
        banks: config.banks.iter().filter_map(|id| Bank::find(id)).map(|bank| bank.id).collect(),
        delays: Delays {
            accept_ms: config.accept_ms,
            settle_ms: config.settle_ms,
            slow_sca_ms: config.slow_sca_ms,
            decision_ms: config.decision_ms,
            late_ms: config.late_ms,
        },
        push: config.push,
    };
    let local = Ipv4Addr::LOCALHOST.to_string();
    let address = config.tls_listen.ip().to_string();
    let tls = authority.server(&["localhost", &local, &address], Clients::Optional)?;
    let sandbox = Arc::new(Aspsp::new(settings, desk, clock.clone(), Some(Arc::clone(authority))));
    let plain = Mount {
        name: "aspsp".to_owned(),
        listen: config.listen,
        tls: None,
        sandbox: Arc::<Aspsp>::clone(&sandbox),
    };
    let encrypted =
        Mount { name: "aspsp-tls".to_owned(), listen: config.tls_listen, tls: Some(tls), sandbox };
    Ok([plain, encrypted])
}
