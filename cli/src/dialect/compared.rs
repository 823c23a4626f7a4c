//! `veksel dialect diff`: what two dialects have differently, field by field.

use super::load;
use super::shown::sensitivity;
use crate::arguments::dialect::Diff;
use crate::output::{Exit, Failure, Output};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use veksel_codecs::dialect::Field;
use veksel_codecs::nested::Nest;
use veksel_codecs::{Dialect, FieldNumber, FieldSet, Rule};

/// Something that differs: what, and how either has it.
struct Difference {
    what: String,
    first: Option<String>,
    second: Option<String>,
}

/// Prints the differences. The answer is no if there are any.
pub(super) fn diff(arguments: &Diff, output: Output) -> Result<Exit, Failure> {
    let (first, second) = (load(&arguments.first)?, load(&arguments.second)?);
    let differences = differences(&first, &second);
    let exit = if differences.is_empty() { Exit::Yes } else { Exit::No };
    if output.json {
        let one = |difference: &Difference| {
            let Difference { what, first, second } = difference;
            json!({ "what": what, "a": first, "b": second })
        };
        let same = differences.is_empty();
        let differences: Value = differences.iter().map(one).collect();
        output.print_json(&json!({ "same": same, "differences": differences }))?;
        return Ok(exit);
    }
    if differences.is_empty() {
        output.print(format!("{} and {} are the same\n", arguments.first, arguments.second))?;
        return Ok(exit);
    }
    let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |difference: Difference| {
        vec![difference.what, cell(difference.first), cell(difference.second)]
    };
    let rows = differences.into_iter().map(row).collect();
    output.print(
        output.table(&["what", arguments.first.as_str(), arguments.second.as_str()], rows),
    )?;
    Ok(exit)
}

/// What a dialect says beside its fields, by what it says it about: encodings first, then rules.
fn said(dialect: &Dialect) -> BTreeMap<(bool, String), String> {
    let encodings = dialect.encodings().into_iter();
    let mut all: BTreeMap<_, _> =
        encodings.map(|(key, word)| ((false, key.to_owned()), word)).collect();
    for (name, rule) in dialect.rules() {
        for (part, text) in rule_parts(rule) {
            all.insert((true, format!("rule {name}, {part}")), text);
        }
    }
    all
}

fn rule_parts(rule: &Rule) -> Vec<(&'static str, String)> {
    let types: Vec<_> = rule.mti.iter().map(ToString::to_string).collect();
    let codes: Vec<_> = rule.codes.iter().map(|code| String::from_utf8_lossy(code)).collect();
    let (request, answer) = (&rule.request, &rule.answer);
    let sets = [
        ("must have", request.mandatory),
        ("may have", request.allowed.minus(request.mandatory)),
        ("must be zero", request.zero),
        ("answer repeats", answer.echo),
        ("answer must add", answer.mandatory),
        ("answer may add", answer.allowed.minus(answer.mandatory).minus(answer.echo)),
    ];
    let numbers = |set: FieldSet| {
        set.iter().map(|number| number.get().to_string()).collect::<Vec<_>>().join(" ")
    };
    let sets = sets.into_iter().map(|(part, set)| (part, numbers(set)));
    [("types", types.join(" ")), ("codes", codes.join(" "))].into_iter().chain(sets).collect()
}

/// A field in words, with the encodings that count for it if `encoded`. Names are for people and
/// make no difference.
fn field_text(dialect: &Dialect, field: &Field, encoded: bool) -> String {
    let mut text = format!("{}, {}", field.format(), sensitivity(field));
    if encoded {
        for (key, word) in dialect.encodings_of(field) {
            let _ = write!(text, ", {key} {word}");
        }
    }
    text
}

/// What stands differently inside a field.
fn inside(first: &Dialect, second: &Dialect, number: FieldNumber) -> Vec<Difference> {
    let outline = |dialect: &Dialect| -> BTreeMap<_, _> {
        dialect.nested(number).map(Nest::outline).unwrap_or_default().into_iter().collect()
    };
    let (mut first, mut second) = (outline(first), outline(second));
    let paths: BTreeSet<_> = first.keys().chain(second.keys()).cloned().collect();
    let one = |path: String| {
        let (a, b) = (first.remove(&path), second.remove(&path));
        let end = if path.is_empty() { ", parts".to_owned() } else { format!(".{path}") };
        let what = format!("{number}{end}");
        (a != b).then_some(Difference { what, first: a, second: b })
    };
    paths.into_iter().filter_map(one).collect()
}

fn differences(first: &Dialect, second: &Dialect) -> Vec<Difference> {
    let mut found = Vec::new();
    for number in (0..=u8::MAX).filter_map(FieldNumber::new) {
        let (a, b) = (first.field(number), second.field(number));
        // What follows from the encodings of the dialects is said once, with those.
        let encoded = a.into_iter().chain(b).any(|field| !field.own_encodings().is_empty());
        let a = a.map(|field| field_text(first, field, encoded));
        let b = b.map(|field| field_text(second, field, encoded));
        if a != b {
            found.push(Difference { what: number.to_string(), first: a, second: b });
        }
        found.extend(inside(first, second, number));
    }
    let (mut first, mut second) = (said(first), said(second));
    let keys: BTreeSet<_> = first.keys().chain(second.keys()).cloned().collect();
    let mut others = Vec::new();
    for key in keys {
        let (a, b) = (first.remove(&key), second.remove(&key));
        // A part of a rule that says nothing is one that is not there.
        let a = a.filter(|text| !text.is_empty());
        let b = b.filter(|text| !text.is_empty());
        if a != b {
            others.push((key.0, Difference { what: key.1, first: a, second: b }));
        }
    }
    let rules = others.iter().position(|(is_rule, _)| *is_rule).unwrap_or(others.len());
    let rules = others.split_off(rules);
    let encodings = others.into_iter().map(|(_, difference)| difference);
    encodings.chain(found).chain(rules.into_iter().map(|(_, difference)| difference)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(first: &str, second: &str) -> Vec<String> {
        let parse = |text: &str| Dialect::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let line = |difference: Difference| {
            let Difference { what, first, second } = difference;
            format!("{what}: {first:?} {second:?}")
        };
        differences(&parse(first), &parse(second)).into_iter().map(line).collect()
    }

    #[test]
    fn an_encoding_that_comes_to_the_same_is_no_difference() {
        let fields = |digits: &str, own: &str| {
            format!(
                "name = \"x\"\n[encoding]\ndigits = \"{digits}\"\n[fields]\n\
                 3 = {{ name = \"a\", format = \"n6\"{own} }}\n"
            )
        };
        let own = ", digits = \"bcd\"";
        let encoding = "digits: Some(\"ascii\") Some(\"bcd\")";
        assert_eq!(lines(&fields("ascii", own), &fields("bcd", "")), [encoding]);
        assert_eq!(lines(&fields("ascii", ""), &fields("bcd", "")), [encoding]);
        let field = "field 3: Some(\"n6, open, digits ascii\") Some(\"n6, open, digits bcd\")";
        assert_eq!(lines(&fields("ascii", ""), &fields("ascii", own)), [field]);
        assert!(lines(&fields("bcd", own), &fields("bcd", own)).is_empty());
        let fill = ", fill = \"right-zero\"";
        let field = "field 3: Some(\"n6, open, digits ascii\") \
                     Some(\"n6, open, digits ascii, fill right-zero\")";
        assert_eq!(lines(&fields("ascii", ""), &fields("ascii", fill)), [field]);
    }

    #[test]
    fn what_stands_inside_fields_is_compared() {
        let dialect = |nested: &str| {
            format!("name = \"x\"\n[fields]\n90 = {{ name = \"a\", format = \"n10\" }}\n{nested}")
        };
        let parts = |first: u8, more: &str| {
            let second = 10 - first;
            dialect(&format!(
                "[nested.90]\nform = \"positional\"\n{more}[nested.90.parts]\n\
                 1 = {{ name = \"a\", format = \"n{first}\" }}\n\
                 2 = {{ name = \"b\", format = \"n{second}\" }}\n"
            ))
        };
        assert!(lines(&parts(4, ""), &parts(4, "")).is_empty());
        let other = lines(&parts(4, ""), &parts(6, "check = true\n"));
        assert_eq!(other.len(), 3, "{other:?}");
        assert!(
            other[0].contains("Some(\"positional\") Some(\"positional, checked\")"),
            "{other:?}"
        );
        assert!(
            other[1].starts_with("field 90.1: Some(\"n4, ") && other[1].contains("Some(\"n6, ")
        );
        assert!(other[2].starts_with("field 90.2: "));
        let none = lines(&parts(4, ""), &dialect(""));
        assert!(none.iter().all(|line| line.ends_with(" None")) && none.len() == 3, "{none:?}");
    }
}
