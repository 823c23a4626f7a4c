//! `veksel doctor http`: everybody whom a switch calls over HTTP or SMTP, one after the other on
//! one page, and the switch's own HTTP listener first.
//!
//! Nothing is done that anybody would notice but in a log: see `examine` of the adapters.

use super::{own, page};
use crate::arguments::HttpDoctor;
use crate::check::source;
use crate::output::{Exit, Failure, Output, Tone};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use veksel_adapters::examine::{Findings, Party, parties};
use veksel_config::load_switch;

/// Parties that are looked at together.
const TOGETHER: usize = 16;

/// What was found of somebody.
struct Examined {
    name: String,
    at: Option<String>,
    findings: Findings,
}

/// Loads the configuration and examines everybody in it.
///
/// # Errors
/// When the configuration is wrong, or nothing can be printed.
pub(super) fn http(arguments: &HttpDoctor, output: Output) -> Result<Exit, Failure> {
    let source = source(&arguments.config, &arguments.set).map_err(Failure::Configuration)?;
    let config = load_switch(source).map_err(Failure::Configuration)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::no("runtime", error.to_string()))?;
    let limit = arguments.timeout;
    let all = parties(&config, veksel_api::keys_in);
    let mut examined: Vec<Examined> = Vec::new();
    if config.bridge.http.is_some() {
        let findings = runtime.block_on(own::listener(&config, limit));
        examined.push(Examined { name: "our own listeners".to_owned(), at: None, findings });
    }
    let others = runtime.block_on(examine(all, limit));
    // A name that nobody resolves may still be waited for.
    runtime.shutdown_background();
    examined.extend(others?);
    let is_sound = examined.iter().all(|one| one.findings.is_sound());
    if output.json {
        let parties: Vec<Value> = examined.iter().map(json_of).collect();
        let config = arguments.config.display().to_string();
        output.print_json(&json!({ "config": config, "sound": is_sound, "parties": parties }))?;
    } else {
        output.print(text_of(&examined, output))?;
    }
    Ok(if is_sound { Exit::Yes } else { Exit::No })
}

/// Everybody, some of them together; in their order.
async fn examine(parties: Vec<Party>, limit: Duration) -> Result<Vec<Examined>, Failure> {
    let room = Arc::new(Semaphore::new(TOGETHER));
    let mut tasks = JoinSet::new();
    for (place, party) in parties.into_iter().enumerate() {
        let room = Arc::clone(&room);
        tasks.spawn(async move {
            // It is never closed.
            let _held = room.acquire().await;
            let findings = party.examine(limit).await;
            (place, Examined { at: party.at(), name: party.name, findings })
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|error| Failure::no("defect", error.to_string()))?;
        all.push(ended);
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, examined)| examined).collect())
}

fn json_of(examined: &Examined) -> Value {
    let Examined { name, at, findings } = examined;
    let checks = page::json(findings);
    json!({ "name": name, "at": at, "sound": findings.is_sound(), "checks": checks })
}

fn text_of(examined: &[Examined], output: Output) -> String {
    if examined.is_empty() {
        return "nobody is called over HTTP, and there is no [http]\n".to_owned();
    }
    let one = |one: &Examined| {
        let at = one.at.as_ref().map(|at| format!(", {at}")).unwrap_or_default();
        format!("{}{at}\n{}\n", one.name, page::text(&one.findings, output))
    };
    let wrong: Vec<&str> = examined
        .iter()
        .filter(|one| !one.findings.is_sound())
        .map(|one| one.name.as_str())
        .collect();
    let pages: String = examined.iter().map(one).collect();
    let end = match wrong.as_slice() {
        [] => output.paint(Tone::Good, "nothing is wrong").into_owned(),
        wrong => format!("{} {}", output.paint(Tone::Bad, "wrong:"), wrong.join(", ")),
    };
    format!("{pages}{end}\n")
}
