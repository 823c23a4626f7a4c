//! The verdict on what a peer read and wrote.
//!
//! What the peer parsed must have the values that went in. What it assembled must be read by
//! Veksel, have these values, and be the bytes that Veksel writes. `divergences.toml` lists what
//! is known to differ; anything else is a failure, and so is an entry that nothing matches.

use crate::Result;
use crate::line::{Line, Value, bytes};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use veksel_codecs::{Codec, Dialect, Message};

/// Failures that are printed; the others are counted.
const SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    divergence: Vec<Divergence>,
}

/// Something in which a peer is known to differ.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Divergence {
    peer: String,
    dialects: Vec<String>,
    direction: String,
    kind: String,
    /// 0 is the message as a whole; all fields if none is named.
    #[serde(default)]
    fields: Vec<u8>,
    /// Which values; all of them if nothing is said.
    when: Option<When>,
    /// Only values that have one of these characters; all of them if there are none.
    #[serde(default)]
    characters: String,
    /// Why it is theirs and not ours.
    reason: String,
}

impl Divergence {
    /// Whether a value is of those that differ.
    fn holds(&self, text: &str) -> bool {
        let of_length = match self.when {
            None => true,
            Some(When::Odd) => text.len() % 2 == 1,
        };
        of_length && (self.characters.is_empty() || text.contains(|c| self.characters.contains(c)))
    }
}

/// A condition on a value.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum When {
    /// It has an odd number of characters.
    Odd,
}

/// Something in which an answer differs.
struct Difference {
    direction: &'static str,
    field: u8,
    kind: &'static str,
    /// The characters that went in, if it was text.
    text: Option<String>,
    detail: String,
}

/// Compares the answers in a folder with its messages. Whether all is as it should be.
pub(crate) fn judge(peer: &str, dialect: &str, folder: &Path, known: &Path) -> Result<bool> {
    let codec = Codec::new(Dialect::shipped(dialect)?);
    let known: Known = toml::from_str(&fs::read_to_string(known)?)?;
    let applies =
        |entry: &&Divergence| entry.peer == peer && entry.dialects.iter().any(|d| d == dialect);
    let known: Vec<&Divergence> = known.divergence.iter().filter(applies).collect();
    let mut used = vec![0usize; known.len()];
    let messages = lines(&folder.join("messages"))?;
    let (mut failures, mut counts) = (Vec::new(), BTreeMap::new());
    for (direction, name) in [("parse", "answers.parse"), ("assemble", "answers.assemble")] {
        let answers = lines(&folder.join(name))?;
        let answers: BTreeMap<&str, &Line> =
            answers.iter().map(|answer| (answer.id.as_str(), answer)).collect();
        for message in &messages {
            let differences = match (answers.get(message.id.as_str()), direction) {
                (None, _) => vec![whole(direction, "unanswered", String::new())],
                (Some(answer), "parse") => parsed(message, answer),
                (Some(answer), _) => assembled(&codec, message, answer),
            };
            for difference in differences {
                let place = known.iter().position(|entry| {
                    entry.direction == difference.direction
                        && entry.kind.split(" or ").any(|kind| kind == difference.kind)
                        && (entry.fields.is_empty() || entry.fields.contains(&difference.field))
                        && entry.holds(difference.text.as_deref().unwrap_or_default())
                });
                *counts.entry(place.is_some()).or_insert(0usize) += 1;
                match place.and_then(|place| used.get_mut(place)) {
                    Some(used) => *used += 1,
                    None => failures.push((message.id.clone(), difference)),
                }
            }
        }
    }
    for (id, Difference { direction, field, kind, detail, .. }) in failures.iter().take(SHOWN) {
        println!(
            "FAIL {peer} {dialect} message {id}, {direction}: field {field}: {kind}: {detail}"
        );
    }
    let mut stale = false;
    for (entry, used) in known.iter().zip(&used) {
        stale |= *used == 0;
        let word = if *used == 0 { "FAIL never seen" } else { "known" };
        println!(
            "{word}: {peer} {dialect} {} {} of fields {:?}, {used} times: {}",
            entry.direction, entry.kind, entry.fields, entry.reason
        );
    }
    let passed = failures.is_empty() && !stale && !messages.is_empty();
    println!(
        "{} {peer} {dialect}: {} messages both ways, {} known differences, {} others",
        if passed { "ok" } else { "FAIL" },
        messages.len(),
        counts.get(&true).copied().unwrap_or(0),
        failures.len()
    );
    Ok(passed)
}

fn lines(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = |(line, number): (&str, usize)| {
        serde_json::from_str(line)
            .map_err(|error| format!("{}, line {number}: {error}", path.display()).into())
    };
    text.lines().zip(1..).filter(|(line, _)| !line.is_empty()).map(line).collect()
}

fn whole(direction: &'static str, kind: &'static str, detail: String) -> Difference {
    Difference { direction, field: 0, kind, text: None, detail }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Binary { .. } => None,
    }
}

fn parsed(message: &Line, answer: &Line) -> Vec<Difference> {
    match &answer.error {
        Some(error) => vec![whole("parse", "error", error.clone())],
        None => values("parse", message, answer),
    }
}

fn values(direction: &'static str, message: &Line, answer: &Line) -> Vec<Difference> {
    let mut found = Vec::new();
    if message.mti != answer.mti {
        found.push(whole(direction, "type", format!("{} became {}", message.mti, answer.mti)));
    }
    for (number, value) in &message.fields {
        let (kind, detail) = match answer.fields.get(number) {
            Some(other) if value.same(other) => continue,
            Some(other) => ("value", format!("{value:?} became {other:?}")),
            None => ("missing", format!("{value:?}")),
        };
        let text = text_of(value);
        found.push(Difference { direction, field: *number, kind, text, detail });
    }
    for (number, value) in &answer.fields {
        if !message.fields.contains_key(number) {
            let detail = format!("{value:?}");
            found.push(Difference { direction, field: *number, kind: "extra", text: None, detail });
        }
    }
    found
}

fn assembled(codec: &Codec, message: &Line, answer: &Line) -> Vec<Difference> {
    if let Some(error) = &answer.error {
        return vec![whole("assemble", "error", error.clone())];
    }
    let frame = match bytes(&answer.frame) {
        Ok(frame) => frame,
        Err(error) => return vec![whole("assemble", "error", error.to_string())],
    };
    let mut read = Message::new();
    if let Err(error) = codec.decode_into(&frame, &mut read) {
        let field = error.path.field.get();
        let detail = error.to_string();
        let (direction, kind) = ("assemble", "unreadable");
        let text = message.fields.get(&field).and_then(text_of);
        return vec![Difference { direction, field, kind, text, detail }];
    }
    let mut found = values("assemble", message, &Line::read(message.id.as_str(), &read));
    if found.is_empty() && !answer.frame.eq_ignore_ascii_case(&message.frame) {
        let detail = format!("{} instead of {}", answer.frame, message.frame);
        found.push(whole("assemble", "bytes", detail));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::{FieldNumber, Mti};

    fn line(value: &str) -> Line {
        let fields = [(3, Value::Text(value.to_owned()))].into();
        Line { id: "1".to_owned(), mti: "0200".to_owned(), fields, ..Line::default() }
    }

    #[test]
    fn differences_are_seen() {
        let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
        let mut message = Message::of(Mti::parse("0200").unwrap());
        message.set_text(FieldNumber::new(3).unwrap(), "000000");
        let message = Line::of("1", &codec, &message).unwrap();
        assert!(parsed(&message, &line("000000")).is_empty());
        let kinds = |found: &[Difference]| -> Vec<(u8, &str)> {
            found.iter().map(|difference| (difference.field, difference.kind)).collect()
        };
        assert_eq!(kinds(&parsed(&message, &line("000001"))), [(3, "value")]);
        let mut other = line("000000");
        other.mti = "0210".to_owned();
        other.fields.clear();
        other.fields.insert(4, Value::Text("1".to_owned()));
        assert_eq!(kinds(&parsed(&message, &other)), [(0, "type"), (3, "missing"), (4, "extra")]);
        let error = Line { error: Some("no".to_owned()), ..Line::default() };
        assert_eq!(kinds(&parsed(&message, &error)), [(0, "error")]);
        assert!(assembled(&codec, &message, &message).is_empty());
        let cut = Line { frame: message.frame[..20].to_owned(), ..message.clone() };
        assert_eq!(kinds(&assembled(&codec, &message, &cut)), [(1, "unreadable")]);
    }
}
