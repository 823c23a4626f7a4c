//! `veksel breakers`: how the breaker of a group or of a link of the running switch stands.
//!
//! The switch acts on it, records it and forgets it when it stops; how breakers stand is on its
//! `/ready` and `/metrics`.

use crate::arguments::Breakers;
use crate::output::{Exit, Failure, Output};
use crate::reversals::tell;
use serde_json::{Map, json};

/// Tells the running switch.
///
/// # Errors
/// When the switch does not take the decision.
pub(crate) fn breakers(arguments: &Breakers, output: Output) -> Result<Exit, Failure> {
    let (action, stand) = arguments.command.parts();
    let name = &stand.name;
    // It becomes a part of a path; no name in a configuration has anything else.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(Failure::usage("no group and no link has a name like this"));
    }
    let mut body = Map::new();
    body.insert("action".to_owned(), action.into());
    if let Some(length) = stand.length {
        body.insert("seconds".to_owned(), length.as_secs().into());
    }
    let operator = tell(&stand.decision, &format!("/breakers/{name}"), body)?;
    if output.json {
        let said = json!({ "accepted": name, "action": action, "operator": operator });
        output.print_json(&said)?;
    } else {
        output.print(format!("{name}: the switch was told to {action}, by {operator}\n"))?;
    }
    Ok(Exit::Yes)
}
