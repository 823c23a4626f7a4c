//! `veksel dialect import`: a file in, a file out, and what was lost on the way.

use super::bytes;
use crate::arguments::dialect::Import;
use crate::output::{Exit, Failure, Output};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use veksel_codecs::Dialect;
use veksel_codecs::import::{Imported, Kind, Remark, import as read};

/// Turns a specification into a dialect file.
pub(super) fn import(arguments: &Import, output: Output) -> Result<Exit, Failure> {
    let name = arguments.name.clone().unwrap_or_else(|| stem(&arguments.file));
    let specification = bytes(&arguments.file)?;
    let Imported { text, remarks } =
        read(arguments.from.into(), &name, &specification).map_err(|error| {
            let (file, line) = (arguments.file.display(), error.line);
            Failure::no("import", format!("{file}:{line}: {}", error.message))
        })?;
    if let Some(path) = &arguments.out {
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
            Failure::no("output", format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    let omitted = remarks.iter().filter(|remark| remark.kind == Kind::Omitted).count();
    let exit = if arguments.strict && omitted > 0 { Exit::No } else { Exit::Yes };
    if output.json {
        let one = |remark: &Remark| {
            let Remark { kind, field, line, why } = remark;
            json!({ "kind": kind.word(), "field": field, "line": line, "why": why })
        };
        let remarks: Value = remarks.iter().map(one).collect();
        output.print_json(&json!({ "name": name, "dialect": text, "remarks": remarks }))?;
        return Ok(exit);
    }
    for remark in &remarks {
        output.warn(format!("{remark}\n"));
    }
    match &arguments.out {
        None => output.print(text)?,
        Some(path) => {
            let count = Dialect::parse(&text).map_or(0, |dialect| dialect.fields().count());
            let is_part = |remark: &&Remark| remark.field.contains('.');
            let omissions = remarks.iter().filter(|remark| remark.kind == Kind::Omitted);
            let left = match omissions.filter(is_part).count() {
                0 => format!("{omitted} were left out"),
                parts => {
                    let fields = omitted.saturating_sub(parts);
                    format!("{fields} were left out, and {parts} of their parts")
                }
            };
            output.print(format!("{}: {count} fields; {left}\n", path.display()))?;
        }
    }
    Ok(exit)
}

/// A name made of that of a file: lower case, digits and hyphens.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = stem.chars().map(word).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "imported".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_names_of_dialects() {
        let cases = [("a/ISO 87_ascii.xml", "iso-87-ascii"), ("__.json", "imported"), ("x", "x")];
        for (path, expected) in cases {
            assert_eq!(stem(Path::new(path)), expected);
        }
    }
}
