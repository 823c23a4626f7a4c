//! `veksel simulate`: the bank, and terminals if there is a rate for them, until somebody asks
//! them to stop.

use crate::arguments::Simulate;
use crate::check::source;
use crate::demo::report;
use crate::output::{Exit, Failure, Output};
use crate::signals::Signals;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::time::Duration;
use veksel_config::{SandboxConfig, load_simulator};
use veksel_simulator::bank::{BankError, RunningBank};
use veksel_simulator::sandbox::SandboxError;
use veksel_simulator::sandbox::stage::{self, Reported, Stage};
use veksel_simulator::{bank, magic, terminals};

/// How long a look at the signals keeps from looking at the bank.
const GLANCE: Duration = Duration::from_millis(100);

/// Starts the bank and waits for the wish to stop.
///
/// # Errors
/// When it does not start.
pub(crate) fn simulate(arguments: &Simulate, output: Output) -> Result<Exit, Failure> {
    let Some(path) = arguments.config.as_deref().filter(|_| !arguments.magic) else {
        return print_magic(output);
    };
    let config = source(path, &arguments.set).and_then(load_simulator);
    let config = config.map_err(Failure::Configuration)?;
    output.warn_of(&config.warnings);
    let signals = Signals::listen()?;
    let name = config.bank.name.clone();
    let reported = Reported { name: name.clone(), database: config.bank.database.clone() };
    let database = reported.database.display();
    let bank = bank::start(config.bank).map_err(|error| {
        let failure = Failure::no("start", error.to_string());
        match error {
            BankError::Listen(why) if why.kind() == ErrorKind::AddrInUse => {
                failure.help("`--set bank.listen=IP:PORT` names another")
            }
            _ => failure,
        }
    })?;
    if !output.json {
        let (version, address) = (env!("CARGO_PKG_VERSION"), bank.address());
        output.print(format!(
            "veksel {version}  bank \"{name}\"\n  listener {address}\n  ledger   {database}\n"
        ))?;
    }
    let sandboxes = match &config.sandbox {
        Some(wanted) => Some(stage(wanted, &reported, &bank)?),
        None => None,
    };
    if let Some(stage) = sandboxes.as_ref().filter(|_| !output.json) {
        output.print(report::sandboxes(stage.running.places()))?;
    }
    let load = config.terminals.map(terminals::start).transpose();
    let load = load.map_err(|error| Failure::no("start", error.to_string()))?;
    while !signals.asked_within(GLANCE) {
        if let Some(Err(error)) = bank.wait(Duration::ZERO) {
            return Err(Failure::no("bank", format!("the bank stopped: {error}")));
        }
    }
    let traffic = load.map(terminals::RunningTerminals::stop);
    drop(sandboxes);
    let summary = bank.stop().map_err(|error| Failure::no("bank", error.to_string()))?;
    let is_well = summary.conserved && traffic.as_ref().is_none_or(|t| t.is_answered_once());
    if output.json {
        output.print_json(&json!({
            "traffic": traffic.as_ref().map(report::traffic_json),
            "ledger": report::ledger_json(&summary),
        }))?;
    } else {
        if let Some(traffic) = &traffic {
            output.print(report::traffic_text(traffic, output))?;
        }
        output.print(format!("{summary}\n"))?;
    }
    Ok(if is_well { Exit::Yes } else { Exit::No })
}

/// Starts the sandboxes over the ledger of a bank.
///
/// # Errors
/// When one of them does not start.
pub(crate) fn stage(
    config: &SandboxConfig,
    reported: &Reported,
    bank: &RunningBank,
) -> Result<Stage, Failure> {
    let ended = || Failure::no("bank", "the bank stopped");
    let desk = bank.desk().ok_or_else(ended)?;
    stage::set(config, reported, desk).map_err(|error| {
        let failure = Failure::no("start", error.to_string());
        match error {
            SandboxError::Listen { name, source, .. } if source.kind() == ErrorKind::AddrInUse => {
                let section = match name.as_str() {
                    "smtp" | "smtps" => "mail",
                    name => name.trim_end_matches("-tls"),
                };
                failure.help(format!(
                    "[sandbox.{section}] names another; `enabled = false` there leaves it out"
                ))
            }
            _ => failure,
        }
    })
}

fn print_magic(output: Output) -> Result<Exit, Failure> {
    if output.json {
        let row = |row: &magic::Magic| {
            json!({
                "ending": format!("{:02}", row.ending),
                "response_code": row.code().map(|code| code.to_string()),
                "late": row.is_late(),
                "what": row.what,
            })
        };
        let rows: Vec<Value> = magic::TABLE.iter().map(row).collect();
        output.print_json(&Value::Array(rows))?;
        return Ok(Exit::Yes);
    }
    let row = |row: &magic::Magic| {
        let code = match (row.code(), row.is_late()) {
            (Some(code), _) => code.to_string(),
            (None, true) => "late".to_owned(),
            (None, false) => String::new(),
        };
        vec![format!("...{:02}", row.ending), code, row.what.to_owned()]
    };
    let rows = magic::TABLE.iter().map(row).collect();
    output.print(output.table(&["amount", "code", "what happens"], rows))?;
    Ok(Exit::Yes)
}
