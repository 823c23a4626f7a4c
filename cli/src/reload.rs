//! `veksel reload`: tells the running switch to read its configuration again, and shows what that
//! changed.

use crate::arguments::{Reload, Switch};
use crate::operator::{self, Answer};
use crate::output::{Exit, Failure, Output};
use crate::reversals::admin_of;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Asks and shows.
///
/// # Errors
/// When nothing was changed, and why.
pub(crate) fn reload(arguments: &Reload, output: Output) -> Result<Exit, Failure> {
    let operator = operator::name(arguments.operator.as_deref())?;
    let body = json!({ "operator": operator, "trial": arguments.trial });
    let Answer { code, body } = operator::post(address(&arguments.switch)?, "/reload", &body)?;
    if code != 200 {
        return refused(code, &body, output);
    }
    if output.json {
        output.print_json(&body)?;
    } else {
        output.print(told(&body, output))?;
    }
    Ok(Exit::Yes)
}

/// The admin listener of the switch that is meant.
///
/// # Errors
/// When the configuration does not tell.
pub(crate) fn address(switch: &Switch) -> Result<SocketAddr, Failure> {
    match (&switch.config, switch.admin) {
        (_, Some(address)) => Ok(address),
        (Some(config), None) => admin_of(config),
        (None, None) => Err(Failure::usage("give --config or --admin")),
    }
}

fn refused(code: u16, body: &Value, output: Output) -> Result<Exit, Failure> {
    let word = |key| body.get(key).and_then(Value::as_str);
    if let Some(shown) = word("shown") {
        if output.json {
            output.print_json(body)?;
            return Ok(Exit::No);
        }
        output.warn(shown);
        let failure = Failure::no("invalid", "nothing was changed: the file has mistakes");
        return Err(failure.help("the switch goes on as it was; correct the file and reload again"));
    }
    let why = word("error").map_or_else(|| format!("HTTP status {code}"), str::to_owned);
    Err(Failure::no("refused", format!("the switch did not reload: {why}")))
}

/// A table of what differs, and in words what is still to be done.
fn told(body: &Value, output: Output) -> String {
    let list = |key| body.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut rows: Vec<Vec<String>> = list("changes")
        .iter()
        .map(|change| ["effect", "path", "before", "after"].map(|key| text(change, key)).to_vec())
        .collect();
    rows.extend(list("keys").iter().map(|keys| {
        let path = format!("keys of {}", text(keys, "link"));
        vec!["live".to_owned(), path, text(keys, "before"), text(keys, "after")]
    }));
    let is_applied = body.get("applied").and_then(Value::as_bool).unwrap_or(false);
    if rows.is_empty() {
        return "nothing differs from what runs\n".to_owned();
    }
    let waiting = rows.iter().filter(|row| row.first().is_some_and(|word| word == "restart"));
    let (count, waiting) = (rows.len(), waiting.count());
    let mut said = output.table(&["effect", "setting", "before", "after"], rows);
    said += &match (is_applied, waiting) {
        (false, _) => format!("{count} would change; nothing was\n"),
        (true, 0) => format!("{count} changed\n"),
        (true, waiting) => format!(
            "{} changed; {waiting} left as before until the switch is restarted\n",
            count - waiting
        ),
    };
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_said_apart() {
        let change = |path: &str, effect: &str| json!({ "path": path, "before": "1", "after": "2", "effect": effect });
        let body = json!({ "applied": true, "changes": [
            change("limits.keys_max", "live"), change("store.path", "restart"),
        ], "keys": [{ "link": "cbs.1", "before": "accept AA, make BB",
                      "after": "accept CC, make BB" }] });
        let said = told(&body, Output::plain());
        assert!(said.contains("limits.keys_max") && said.contains("accept CC"), "{said}");
        assert!(said.ends_with("2 changed; 1 left as before until the switch is restarted\n"));
        let none = json!({ "applied": true, "changes": [], "keys": [] });
        assert_eq!(told(&none, Output::plain()), "nothing differs from what runs\n");
    }
}
