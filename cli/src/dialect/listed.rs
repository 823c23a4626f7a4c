//! Samples as those of the shipped dialects are written: for each message its bytes, its type and
//! its fields.
//!
//! ```text
//! # What may be said of it.
//! wire
//!   0800…                     lines of hexadecimal behind spaces
//! mti 0800
//! 11 "000123"
//! 52 x"0123456789ABCDEF"      bytes
//! ```
//!
//! Complaints name the line and never a value.

use super::samples::Sample;
use serde_json::{Map, Value, json};

/// Whether a text is in this form: its first line that says anything begins a message.
pub(super) fn is_listed(text: &str) -> bool {
    let said = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    text.lines().find(said).is_some_and(|line| line.trim_end() == "wire")
}

/// The messages, or the line that makes no sense and why.
pub(super) fn read(text: &str) -> Result<Vec<Sample>, (usize, &'static str)> {
    let mut found: Vec<Sample> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let at = |what| (number, what);
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "wire" {
            found.push(Sample { frame: Vec::new(), mti: None, fields: None });
            continue;
        }
        let sample = found.last_mut().ok_or(at("a message begins with `wire`"))?;
        if line.starts_with([' ', '\t']) {
            if sample.mti.is_some() {
                return Err(at("bytes stand before the type"));
            }
            sample.frame.extend(bytes(line.trim()).ok_or(at("this is not hexadecimal"))?);
            continue;
        }
        let (word, value) = line.split_once(' ').ok_or(at("a value is missing"))?;
        if word == "mti" {
            if sample.mti.replace(value.to_owned()).is_some() {
                return Err(at("it has a type already"));
            }
            continue;
        }
        let is_field = word.parse().is_ok_and(|number: u8| (2..=192).contains(&number));
        if !is_field || word.starts_with(['0', '+']) {
            return Err(at("this is neither `wire`, `mti` nor a field from 2 to 192"));
        }
        let value = read_value(value)
            .ok_or(at("a value is characters between quotes, or x and hexadecimal between them"))?;
        let fields = sample.fields.get_or_insert_with(Map::new);
        if fields.insert(word.to_owned(), value).is_some() {
            return Err(at("it has this field already"));
        }
    }
    Ok(found)
}

fn read_value(text: &str) -> Option<Value> {
    let (is_binary, quoted) = match text.strip_prefix('x') {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let value = quoted.strip_prefix('"')?.strip_suffix('"')?;
    match is_binary {
        true => bytes(value).map(|_| json!({ "hex": value })),
        false => Some(Value::from(value)),
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let pair = |[high, low]: &[u8; 2]| Some((digit(high)? << 4) | digit(low)?);
    pairs.iter().map(pair).collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "# one\n\nwire\n  0800\n  ab\nmti 0800\n11 \"0001\"\n52 x\"a1\"\n48 \"say \"no\"\"\n";

    #[test]
    fn what_is_listed_is_read() {
        assert!(is_listed(ONE) && !is_listed("0800") && !is_listed("") && !is_listed("# wire"));
        let text = format!("{ONE}\nwire\n  00\n");
        let samples = read(&text).unwrap();
        assert_eq!(samples[0].frame, [0x08, 0x00, 0xAB]);
        assert_eq!(samples[0].mti.as_deref(), Some("0800"));
        let fields = json!({ "11": "0001", "52": { "hex": "a1" }, "48": "say \"no\"" });
        assert_eq!(Value::from(samples[0].fields.clone().unwrap()), fields);
        assert_eq!((samples.len(), &samples[1].frame[..]), (2, &[0][..]));
        assert!(samples[1].fields.is_none() && samples[1].mti.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_line() {
        let refused = |line: &str| read(&format!("{ONE}{line}\n")).err();
        assert_eq!(read("mti 0800\n").err(), Some((1, "a message begins with `wire`")));
        assert_eq!(refused("  00"), Some((10, "bytes stand before the type")));
        assert_eq!(refused("11"), Some((10, "a value is missing")));
        assert_eq!(refused("mti 0810"), Some((10, "it has a type already")));
        assert_eq!(refused("11 \"0002\""), Some((10, "it has this field already")));
        for value in ["0002", "\"0002", "x\"0\"", "x\"0g\"", "x00"] {
            assert!(refused(&format!("12 {value}")).is_some_and(|(line, _)| line == 10), "{value}");
        }
        for word in ["1", "0", "193", "+12", "012", "pan"] {
            let found = refused(&format!("{word} \"2\"")).unwrap();
            assert!(found.1.starts_with("this is neither"), "{word}: {found:?}");
        }
        assert_eq!(read("wire\n  0g\n").err(), Some((2, "this is not hexadecimal")));
        assert_eq!(read("wire\n  0\n").err(), Some((2, "this is not hexadecimal")));
    }
}
