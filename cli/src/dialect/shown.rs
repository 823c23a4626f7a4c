//! `veksel dialect list`, `show` and `docs`.

use super::load;
use crate::arguments::dialect::{Docs, Show};
use crate::output::{Exit, Failure, Output};
use serde_json::{Value, json};
use std::fmt::Write;
use veksel_codecs::dialect::{Field, SHIPPED};
use veksel_codecs::{Dialect, FieldNumber, FieldSet, Mti, Rule};

/// The shipped dialects.
pub(super) fn list(output: Output) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for (name, _) in SHIPPED {
        all.push(load(name)?);
    }
    if output.json {
        let one = |dialect: &Dialect| {
            json!({
                "name": dialect.name(),
                "title": dialect.title(),
                "fields": dialect.fields().count(),
                "rules": dialect.rules().count(),
            })
        };
        output.print_json(&all.iter().map(one).collect())?;
        return Ok(Exit::Yes);
    }
    let row = |dialect: &Dialect| {
        let (fields, rules) = (dialect.fields().count(), dialect.rules().count());
        let (name, title) = (dialect.name().to_owned(), dialect.title().to_owned());
        vec![name, fields.to_string(), rules.to_string(), title]
    };
    let rows = all.iter().map(row).collect();
    output.print(output.table(&["dialect", "fields", "rules", "title"], rows))?;
    Ok(Exit::Yes)
}

/// The fields and rules of a dialect.
pub(super) fn show(arguments: &Show, output: Output) -> Result<Exit, Failure> {
    let dialect = load(&arguments.dialect)?;
    if output.json {
        let field = |(number, field): (FieldNumber, &Field)| {
            let own = field.own_encodings().into_iter();
            json!({
                "number": number.get(),
                "name": field.name,
                "format": field.format(),
                "sensitive": sensitivity(field),
                "encodings": own.collect::<Value>(),
            })
        };
        let rule = |(name, rule): (&str, &Rule)| {
            json!({
                "name": name,
                "types": rule.mti.iter().map(Mti::to_string).collect::<Vec<_>>(),
                "codes": codes(rule),
                "mandatory": numbers(rule.request.mandatory),
                "optional": numbers(rule.request.allowed.minus(rule.request.mandatory)),
                "zero": numbers(rule.request.zero),
                "answer_echo": numbers(rule.answer.echo),
                "answer_mandatory": numbers(rule.answer.mandatory),
                "answer_optional": numbers(answer_optional(rule)),
            })
        };
        let encodings = dialect.encodings().into_iter();
        output.print_json(&json!({
            "name": dialect.name(),
            "title": dialect.title(),
            "encodings": encodings.collect::<Value>(),
            "fields": dialect.fields().map(field).collect::<Value>(),
            "rules": dialect.rules().map(rule).collect::<Value>(),
        }))?;
        return Ok(Exit::Yes);
    }
    let mut text = format!("{}: {}\n", dialect.name(), dialect.title());
    for (key, word) in dialect.encodings() {
        let _ = writeln!(text, "  {key}: {word}");
    }
    text.push('\n');
    text.push_str(&output.table(FIELD_HEADER, field_rows(&dialect)));
    if dialect.rules().next().is_some() {
        let row = |(name, rule): (&str, &Rule)| {
            let must = list_of(rule.request.mandatory);
            vec![name.to_owned(), types(rule), codes(rule).join(" "), must]
        };
        let rows = dialect.rules().map(row).collect();
        text.push('\n');
        text.push_str(&output.table(&["rule", "types", "codes", "must have"], rows));
    }
    output.print(text)?;
    Ok(Exit::Yes)
}

const FIELD_HEADER: &[&str] = &["DE", "name", "format", "encoding", "shown"];

fn field_rows(dialect: &Dialect) -> Vec<Vec<String>> {
    let row = |(number, field): (FieldNumber, &Field)| {
        let own: Vec<_> =
            field.own_encodings().iter().map(|(key, word)| format!("{key} {word}")).collect();
        let (number, name) = (number.get().to_string(), field.name.clone());
        vec![number, name, field.format(), own.join(", "), sensitivity(field)]
    };
    dialect.fields().map(row).collect()
}

/// The dialect as Markdown.
pub(super) fn docs(arguments: &Docs, output: Output) -> Result<Exit, Failure> {
    let dialect = load(&arguments.dialect)?;
    let mut text = format!("# {}\n\n{}\n\n", escaped(dialect.name()), escaped(dialect.title()));
    for (key, word) in dialect.encodings() {
        let _ = writeln!(text, "- {key}: {word}");
    }
    text.push_str(
        "\n## Fields\n\n| DE | name | format | encoding | shown |\n|---|---|---|---|---|\n",
    );
    for row in field_rows(&dialect) {
        let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if dialect.rules().next().is_some() {
        text.push_str("\n## Messages\n");
    }
    for (name, rule) in dialect.rules() {
        let codes = match codes(rule).join(", ") {
            codes if codes.is_empty() => String::new(),
            codes => format!(", processing codes {codes}"),
        };
        let _ = write!(text, "\n### {}\n\n{}{codes}\n\n", escaped(name), types(rule));
        for (title, set) in [
            ("must have", rule.request.mandatory),
            ("may have", rule.request.allowed.minus(rule.request.mandatory)),
            ("must be zero", rule.request.zero),
            ("answer repeats", rule.answer.echo),
            ("answer must add", rule.answer.mandatory),
            ("answer may add", answer_optional(rule)),
        ] {
            if !set.is_empty() {
                let _ = writeln!(text, "- {title}: {}", list_of(set));
            }
        }
    }
    output.print(text)?;
    Ok(Exit::Yes)
}

fn answer_optional(rule: &Rule) -> FieldSet {
    rule.answer.allowed.minus(rule.answer.mandatory).minus(rule.answer.echo)
}

/// What people may see of a field, in a word.
pub(super) fn sensitivity(field: &Field) -> String {
    format!("{:?}", field.sensitivity).to_lowercase()
}

fn types(rule: &Rule) -> String {
    rule.mti.iter().map(Mti::to_string).collect::<Vec<_>>().join(" ")
}

fn codes(rule: &Rule) -> Vec<String> {
    rule.codes.iter().map(|code| String::from_utf8_lossy(code).into_owned()).collect()
}

fn numbers(set: FieldSet) -> Vec<u8> {
    set.iter().map(FieldNumber::get).collect()
}

fn list_of(set: FieldSet) -> String {
    numbers(set).iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

/// Text that means nothing in Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if matches!(character, '|' | '*' | '_' | '`' | '<' | '[' | '\\' | '#') {
            out.push('\\');
        }
        out.push(if character.is_control() { ' ' } else { character });
    }
    out
}
