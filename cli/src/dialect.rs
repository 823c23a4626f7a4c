//! `veksel dialect`: what dialects say, whether they are right, and where they come from.
//!
//! Reading dialects and specifications is the work of `codecs`. Here are files, tables and words.

mod compared;
mod imported;
mod listed;
mod samples;
mod shown;

use crate::arguments::dialect::{Dialect as Arguments, DialectCommand};
use crate::output::{Exit, Failure, Output, Tone};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use veksel_codecs::Dialect;
use veksel_codecs::dialect::{DialectError, Problem, SHIPPED};

/// Longest dialect or sample file that is read.
const INPUT_MAX: u64 = 16 << 20;

/// Does what the command says.
///
/// # Errors
/// When a file cannot be read or written, or is not a dialect.
pub(crate) fn dialect(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        DialectCommand::List(_) => shown::list(output),
        DialectCommand::Show(show) => shown::show(show, output),
        DialectCommand::Lint(lint) => self::lint(&lint.file, output),
        DialectCommand::Import(import) => imported::import(import, output),
        DialectCommand::Diff(diff) => compared::diff(diff, output),
        DialectCommand::Docs(docs) => shown::docs(docs, output),
        DialectCommand::Infer(infer) => samples::infer(infer, output),
        DialectCommand::Test(test) => samples::test(test, output),
    }
}

/// A shipped dialect or that of a file.
fn load(name: &str) -> Result<Dialect, Failure> {
    if SHIPPED.iter().any(|(shipped, _)| *shipped == name) {
        return Dialect::shipped(name).map_err(|error| Failure::configuration(error.to_string()));
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        let names: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let failure = Failure::usage(format!("there is no dialect `{name}`"));
        return Err(failure.help(format!("it is one of {} or a .toml file", names.join(", "))));
    }
    let text = text(Path::new(name))?;
    Dialect::parse(&text).map_err(|error| {
        let DialectError(problems) = error;
        let failure = Failure::configuration(format!("{name} is not a dialect"));
        let lines: Vec<String> = problems.iter().map(|problem| place(name, problem)).collect();
        failure.help(lines.join("\n"))
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(INPUT_MAX.saturating_add(1)).read_to_end(&mut bytes));
    let name = path.display();
    read.map_err(|error| Failure::no("input", format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > INPUT_MAX {
        let mib = INPUT_MAX >> 20;
        return Err(Failure::no("input", format!("{name} is longer than {mib} MiB")));
    }
    Ok(bytes)
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| Failure::no("input", format!("{} is not UTF-8", path.display())))
}

/// A problem in one line. One in a dialect that is extended names that.
fn place(file: &str, problem: &Problem) -> String {
    let Problem { line, column, message, .. } = problem;
    format!("{file}:{line}:{column}: {message}")
}

/// Every mistake with the line it stands in, and what is probably not meant.
fn lint(path: &Path, output: Output) -> Result<Exit, Failure> {
    let (name, text) = (path.display().to_string(), text(path)?);
    let (problems, warnings) = match Dialect::parse(&text) {
        Ok(dialect) => (Vec::new(), warnings(&dialect)),
        Err(DialectError(problems)) => (problems, Vec::new()),
    };
    let exit = if problems.is_empty() { Exit::Yes } else { Exit::Configuration };
    if output.json {
        let problem = |problem: &Problem| {
            let Problem { line, column, message, .. } = problem;
            json!({ "line": line, "column": column, "message": message })
        };
        output.print_json(&json!({
            "file": name,
            "valid": problems.is_empty(),
            "problems": problems.iter().map(problem).collect::<Value>(),
            "warnings": warnings,
        }))?;
        return Ok(exit);
    }
    let mut out = String::new();
    for problem in &problems {
        let Problem { line, column, message, .. } = problem;
        let (head, width) = (output.paint(Tone::Bad, "error"), line.to_string().len());
        let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let carets = " ".repeat(column.saturating_sub(1));
        let _ = writeln!(out, "{head}: {message}\n{:width$}--> {name}:{line}:{column}", "");
        let _ = writeln!(out, "{:width$} |\n{line} | {source}\n{:width$} | {carets}^ here", "", "");
    }
    for warning in &warnings {
        let _ = writeln!(out, "warning: {name}: {warning}");
    }
    match problems.len() {
        0 => output.print(format!("{out}{name}: a valid dialect\n"))?,
        1 => output.print(format!("{out}{name}: 1 error\n"))?,
        count => output.print(format!("{out}{name}: {count} errors\n"))?,
    }
    Ok(exit)
}

/// What is allowed and probably not meant.
fn warnings(dialect: &Dialect) -> Vec<String> {
    let mut found = Vec::new();
    if dialect.title().is_empty() {
        found.push("it has no title".to_owned());
    }
    if dialect.rules().next().is_none() {
        let why = "it has no presence rules, so that a switch would refuse every request";
        found.push(why.to_owned());
    }
    for (number, field) in dialect.fields() {
        // Card, track, PIN and chip data (PCI DSS 3.3 and 3.4).
        let sensitive = matches!(number.get(), 2 | 34 | 35 | 36 | 45 | 52 | 55);
        if sensitive && field.sensitivity == veksel_codecs::Sensitivity::Open {
            found.push(format!("{number} ({}) would be shown to everybody", field.name));
        }
    }
    found
}
