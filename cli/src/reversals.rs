//! `veksel reversals`: what is to be undone or delivered, and what people decide about it.
//!
//! The list comes from the journal. A decision goes to the running switch, because only its
//! engine may act on it; the engine records who decided, and why.

use crate::arguments::{Decide, Decision, Pending, Reversals, ReversalsCommand};
use crate::check::source;
use crate::journal::{open, unread};
use crate::operator::{self, Answer};
use crate::output::{Exit, Failure, Output};
use crate::reload;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use veksel_config::load_switch;
use veksel_store::Reversing;

/// Does what was asked.
///
/// # Errors
/// When the journal cannot be read, or the switch does not take the decision.
pub(crate) fn reversals(arguments: &Reversals, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        ReversalsCommand::List(arguments) => list(arguments, output),
        ReversalsCommand::Retry(arguments) => decide("retry", arguments, output),
        ReversalsCommand::Park(arguments) => decide("park", arguments, output),
        ReversalsCommand::Resolve(arguments) => decide("resolve", arguments, output),
    }
}

fn list(arguments: &Pending, output: Output) -> Result<Exit, Failure> {
    let (_, reader) = open(&arguments.place)?;
    let found = reader.reversals(arguments.limit).map_err(|error| unread(&error))?;
    let now = Timestamp::now();
    if output.json {
        let found: Vec<_> = found.iter().map(|reversing| reversing_json(reversing, now)).collect();
        output.print_json(&json!({ "reversals": found }))?;
        return Ok(Exit::Yes);
    }
    if found.is_empty() {
        output.print("nothing is to be undone or delivered\n")?;
        return Ok(Exit::Yes);
    }
    let header = [
        "txn",
        "state",
        "age",
        "attempts",
        "reason",
        "DE39",
        "last step",
        "to",
        "mti",
        "amount",
        "rrn",
    ];
    let rows = found.iter().map(|reversing| reversing_row(reversing, now)).collect();
    output.print(output.table(&header, rows))?;
    Ok(Exit::Yes)
}

/// The word for people: what is queued is open.
fn state(reversing: &Reversing) -> &str {
    if reversing.step == "queued" { "open" } else { &reversing.step }
}

/// Seconds since it was queued; `None` if the journal holds no time, which it always does.
fn age(reversing: &Reversing, now: Timestamp) -> Option<u64> {
    let since: Timestamp = reversing.time.parse().ok()?;
    u64::try_from(now.as_second().saturating_sub(since.as_second())).ok()
}

fn show_age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn reversing_row(reversing: &Reversing, now: Timestamp) -> Vec<String> {
    let amount = reversing.amount.as_ref().map(|amount| {
        let currency = reversing.currency.as_deref().unwrap_or_default();
        format!("{amount} {currency}")
    });
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    vec![
        reversing.txn.0.to_string(),
        state(reversing).to_owned(),
        age(reversing, now).map(show_age).unwrap_or_default(),
        reversing.attempts.to_string(),
        word(&reversing.reason),
        word(&reversing.response),
        reversing.last.clone(),
        word(&reversing.group),
        word(&reversing.mti),
        amount.unwrap_or_default(),
        word(&reversing.rrn),
    ]
}

fn reversing_json(reversing: &Reversing, now: Timestamp) -> Value {
    json!({
        "txn": reversing.txn.0,
        "state": state(reversing),
        "since": reversing.time,
        "age_seconds": age(reversing, now),
        "attempts": reversing.attempts,
        "reason": reversing.reason,
        "response": reversing.response,
        "last_step": reversing.last,
        "group": reversing.group,
        "mti": reversing.mti,
        "amount": reversing.amount,
        "currency": reversing.currency,
        "rrn": reversing.rrn,
    })
}

fn decide(action: &str, arguments: &Decide, output: Output) -> Result<Exit, Failure> {
    let mut body = Map::new();
    body.insert("action".to_owned(), action.into());
    let path = format!("/reversals/{}", arguments.txn);
    let operator = tell(&arguments.decision, &path, body)?;
    if output.json {
        let txn = arguments.txn;
        output.print_json(&json!({ "accepted": txn, "action": action, "operator": operator }))?;
    } else {
        output.print(format!(
            "transaction {}: the switch was told to {action}, by {operator}\n",
            arguments.txn
        ))?;
    }
    Ok(Exit::Yes)
}

/// Tells the running switch, and says as whom.
pub(crate) fn tell(
    decision: &Decision,
    path: &str,
    mut body: Map<String, Value>,
) -> Result<String, Failure> {
    if decision.reason.trim().is_empty() {
        return Err(Failure::usage("--reason must say something"));
    }
    let operator = operator::name(decision.operator.as_deref())?;
    let address = reload::address(&decision.switch)?;
    body.insert("operator".to_owned(), operator.as_str().into());
    body.insert("reason".to_owned(), decision.reason.as_str().into());
    let Answer { code, body } = operator::post(address, path, &body.into())?;
    if code != 202 {
        let why = body.get("error").and_then(Value::as_str).map(str::to_owned);
        let why = why.unwrap_or_else(|| format!("it answered with HTTP status {code}"));
        return Err(Failure::no("refused", format!("the switch did not take it: {why}")));
    }
    Ok(operator)
}

/// The admin listener that the configuration names, as it is reached from this machine.
///
/// # Errors
/// When the configuration is wrong or does not tell.
pub(crate) fn admin_of(config: &Path) -> Result<SocketAddr, Failure> {
    let config = source(config, &[]).and_then(load_switch).map_err(Failure::Configuration)?;
    let address = config.admin.listen;
    if address.port() == 0 {
        let failure = Failure::no("admin", "the system chose the port of the admin listener");
        return Err(failure.help("`veksel run` printed it when it started; give it with --admin"));
    }
    Ok(from_here(address))
}

/// How a listener of this machine is reached from it.
pub(crate) fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 d"),
        ] {
            assert_eq!(show_age(seconds), text);
        }
    }
}
