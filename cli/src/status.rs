//! `veksel status`: how the running switch is: links, sessions, breakers, queues and counters.

use crate::arguments::Status;
use crate::operator::{self, Answer};
use crate::output::{Exit, Failure, Output, Tone};
use crate::reload::address;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Asks and shows.
///
/// # Errors
/// When the switch does not say.
pub(crate) fn status(arguments: &Status, output: Output) -> Result<Exit, Failure> {
    let Answer { code, body } = operator::get(address(&arguments.switch)?, "/status")?;
    if code != 200 {
        let why = body.get("error").and_then(Value::as_str);
        let why = why.map_or_else(|| format!("HTTP status {code}"), str::to_owned);
        return Err(Failure::no("refused", format!("the switch does not say how it is: {why}")));
    }
    if output.json {
        output.print_json(&body)?;
    } else {
        output.print(shown(&body, output))?;
    }
    let is_ready = body.get("ready").and_then(Value::as_bool).unwrap_or(false);
    Ok(if is_ready { Exit::Yes } else { Exit::No })
}

fn shown(body: &Value, output: Output) -> String {
    let is = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(false);
    let state = match (is("ready"), is("draining")) {
        (_, true) => output.paint(Tone::Bad, "stopping"),
        (true, false) => output.paint(Tone::Good, "ready"),
        (false, false) => output.paint(Tone::Bad, "not ready"),
    };
    let mut text = format!(
        "{state}, up {}; in flight {} of {}; reversals {} open, {} for a person\n\
         journal {} records, {} waiting to be written, {} messages held for it\n",
        duration(number(body, "/uptime_seconds")),
        number(body, "/in_flight"),
        number(body, "/in_flight_max"),
        number(body, "/reversals/open"),
        number(body, "/reversals/parked"),
        number(body, "/journal/records"),
        number(body, "/journal/waiting"),
        number(body, "/journal/messages_held"),
    );
    let groups = list(body, "groups");
    let rows = groups.iter().map(|group| {
        vec![
            word(group, "name"),
            word(group, "breaker"),
            format!("{} of {}", number(group, "/in_flight"), number(group, "/window_max")),
            number(group, "/reversals/open").to_string(),
            number(group, "/reversals/parked").to_string(),
            duration(number(group, "/reversals/oldest_seconds")),
            word(group, "business_date"),
        ]
    });
    let header =
        ["group", "breaker", "in flight", "reversals", "parked", "oldest", "business date"];
    section(&mut text, output, &header, rows.collect());
    let rows = groups.iter().flat_map(|group| list(group, "sessions")).map(|session| {
        let is_old = session.get("being_replaced").and_then(Value::as_bool).unwrap_or(false);
        vec![
            word(&session, "link"),
            number(&session, "/connection").to_string(),
            word(&session, "state") + if is_old { ", being replaced" } else { "" },
            number(&session, "/in_flight").to_string(),
            duration(number(&session, "/quiet_ms") / 1_000),
            number(&session, "/missed_echoes").to_string(),
        ]
    });
    let header = ["session on", "connection", "state", "in flight", "quiet", "missed echoes"];
    section(&mut text, output, &header, rows.collect());
    let links = list(body, "links");
    let rows = links.iter().map(|link| {
        vec![
            word(link, "name"),
            format!("{} {}", word(link, "side"), word(link, "of")),
            word(link, "breaker"),
            number(link, "/connections").to_string(),
            number(link, "/frames_in").to_string(),
            number(link, "/frames_out").to_string(),
            number(link, "/malformed").to_string(),
            number(link, "/unauthentic").to_string(),
            number(link, "/unsent").to_string(),
            number(link, "/dial_failures").to_string(),
            closed(link),
        ]
    });
    let header = [
        "link",
        "side",
        "breaker",
        "open",
        "frames in",
        "out",
        "malformed",
        "bad MAC",
        "unsent",
        "dial failures",
        "closed",
    ];
    section(&mut text, output, &header, rows.collect());
    let rows = list(body, "participants").into_iter().map(|participant| {
        let (now, most) =
            (number(&participant, "/in_flight"), number(&participant, "/in_flight_max"));
        vec![word(&participant, "name"), format!("{now} of {most}")]
    });
    section(&mut text, output, &["participant", "in flight"], rows.collect());
    let rows = list(body, "dropped").into_iter().map(|drop| {
        vec![word(&drop, "link"), word(&drop, "reason"), number(&drop, "/count").to_string()]
    });
    section(&mut text, output, &["dropped on", "why", "frames"], rows.collect());
    text
}

fn section(text: &mut String, output: Output, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", output.table(header, rows));
    }
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn word(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or("-").to_owned()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The reasons for which connections of a link ended, the most frequent first.
fn closed(link: &Value) -> String {
    let none = Map::new();
    let reasons = link.get("closed").and_then(Value::as_object).unwrap_or(&none);
    let mut reasons: Vec<(u64, &String)> =
        reasons.iter().map(|(why, count)| (count.as_u64().unwrap_or(0), why)).collect();
    reasons.sort_unstable_by(|a, b| b.cmp(a));
    let reasons: Vec<String> =
        reasons.iter().map(|(count, why)| format!("{count} {why}")).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_becomes_tables() {
        let body = json!({
            "ready": true, "draining": false, "uptime_seconds": 7, "in_flight": 3,
            "in_flight_max": 4096, "reversals": { "open": 2, "parked": 1 },
            "journal": { "records": 99, "waiting": 0, "messages_held": 0 },
            "groups": [{ "name": "cbs", "breaker": "half_open", "in_flight": 3, "window_max": 128,
                "business_date": "1121",
                "reversals": { "open": 2, "parked": 1, "oldest_seconds": 300 },
                "sessions": [{ "link": "cbs.1", "connection": 5, "state": "draining",
                    "in_flight": 3, "quiet_ms": 2500, "missed_echoes": 1,
                    "being_replaced": true }] }],
            "links": [{ "name": "cbs.1", "side": "host", "of": "cbs", "connections": 1,
                "closed": { "reset": 1, "echo": 4 } }],
            "dropped": [{ "link": "cbs.1", "reason": "late", "count": 12 }],
        });
        let text = shown(&body, Output::plain());
        for part in [
            "ready, up 7 s; in flight 3 of 4096",
            "half_open",
            "3 of 128",
            "5 min",
            "1121",
            "draining, being replaced",
            "4 echo, 1 reset",
            "late",
            "host cbs",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(!text.contains("participant"), "an empty table is not shown");
    }
}
