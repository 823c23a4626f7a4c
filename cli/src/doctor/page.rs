//! Findings as they are printed: a line for each, and below it what to do.

use super::micros;
use crate::output::{Output, Tone, show_micros};
use serde_json::{Value, json};
use veksel_adapters::examine::{Finding, Findings, Mark};

/// For programs.
pub(super) fn json(findings: &Findings) -> Value {
    findings.0.iter().map(json_of).collect()
}

/// For people.
pub(super) fn text(findings: &Findings, output: Output) -> String {
    findings.0.iter().map(|finding| text_of(finding, output)).collect()
}

fn json_of(finding: &Finding) -> Value {
    let mark = match finding.mark {
        Mark::Good => "good",
        Mark::Doubtful => "doubtful",
        Mark::Bad => "bad",
        Mark::Skipped => "skipped",
    };
    let mut value = json!({
        "check": finding.check, "result": mark, "said": finding.said, "fix": finding.fix,
    });
    if let (Some(took), Value::Object(value)) = (finding.took, &mut value) {
        value.insert("took_us".to_owned(), micros(took).into());
    }
    value
}

fn text_of(finding: &Finding, output: Output) -> String {
    let sign = match finding.mark {
        Mark::Good => output.paint(Tone::Good, "✓"),
        Mark::Doubtful => "!".into(),
        Mark::Bad => output.paint(Tone::Bad, "✗"),
        Mark::Skipped => "-".into(),
    };
    let took = finding.took.map(|took| format!(" in {}", show_micros(micros(took))));
    let fix: String =
        finding.fix.lines().map(|line| format!("               = {line}\n")).collect();
    let Finding { check, said, .. } = finding;
    format!("{sign} {check:<12} {said}{}\n{fix}", took.unwrap_or_default())
}
