//! Whether dashboards and alert rules in `deploy/` are about what the switch shows: every metric
//! they name is in `names.rs`, every name of `names.rs` is on a dashboard, and the seven thresholds
//! of the integration design are rules.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings that the page adds to the name of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Every figure of the document, and what of it is an alarm of which severity (S1 7.1).
const THRESHOLDS: [(&str, &str, &str); 7] = [
    ("bankid_login_errors_total", "> 10", "high"),
    ("bankid_underage_rejections_total", "> 5", "medium"),
    ("pisp_payment_failures_total", "> 5", "critical"),
    ("pisp_circuit_open", "== 1", "critical"),
    ("sumsub_webhook_failures_total", "> 0", "high"),
    ("aisp_balance_staleness_hours", "> 12", "medium"),
    ("kyc_approval_rate", "< 0.7", "high"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the source that has all of them.
fn known() -> BTreeSet<String> {
    let text = read("switch/server/src/names.rs");
    let mut names = BTreeSet::new();
    for item in text.split("pub(crate) const ").skip(1) {
        let name = item.split('"').nth(1).unwrap();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
    }
    assert!(names.len() > 60, "{} names", names.len());
    names
}

/// The metrics of an expression: words that are followed by no bracket and stand in none.
fn metrics(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let (mut depth, mut is_quoted) = (0_usize, false);
    // Labels stand in braces, or in the brackets after `by`.
    let mut after_by = false;
    for c in expression.chars().chain([' ']) {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            c if c.is_ascii_alphanumeric() || c == '_' => word.push(c),
            _ => {
                let is_name = word.contains('_') && !word.starts_with(|c: char| c.is_ascii_digit());
                if depth == 0 && is_name && c != '(' {
                    found.insert(word.clone());
                }
                let is_by = word == "by" || (word.is_empty() && after_by);
                after_by = is_by && c == ' ';
                match c {
                    '{' | '[' => depth += 1,
                    '(' if depth > 0 || is_by => depth += 1,
                    '}' | ']' => depth -= 1,
                    ')' if depth > 0 => depth -= 1,
                    _ => {}
                }
                word.clear();
            }
        }
    }
    found
}

fn plain(metric: &str) -> &str {
    let ending = OF_HISTOGRAMS.iter().find_map(|ending| metric.strip_suffix(ending));
    ending.unwrap_or(metric)
}

/// Expressions of all dashboards, with what they stand in.
fn dashboards() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut uids = BTreeSet::new();
    let folder = root().join("deploy/grafana/dashboards");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{}", path.display());
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title}");
            for target in targets {
                all.push((title.to_owned(), target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    assert!(all.len() > 60, "{} expressions", all.len());
    all
}

/// The rules: name, expression and severity.
fn rules() -> Vec<(String, String, String)> {
    let text = read("deploy/prometheus/alerts.yml");
    let mut rules = Vec::new();
    for rule in text.split("- alert: ").skip(1) {
        let line = |key: &str| {
            let line = rule.lines().find_map(|line| line.trim().strip_prefix(key));
            line.unwrap_or_else(|| panic!("{key} is missing: {rule}")).trim().to_owned()
        };
        let severity = line("labels: { severity:");
        assert!(rule.contains("summary: "), "{rule}");
        let name = rule.lines().next().unwrap().to_owned();
        rules.push((name, line("expr:"), severity.trim_end_matches('}').trim().to_owned()));
    }
    rules
}

#[test]
fn every_metric_of_a_dashboard_or_a_rule_is_one_of_the_switch() {
    let known = known();
    let rules = rules().into_iter().map(|(name, expression, _)| (name, expression));
    for (place, expression) in dashboards().into_iter().chain(rules) {
        let metrics = metrics(&expression);
        // `up` is Prometheus's own.
        assert!(!metrics.is_empty() || expression.starts_with("up{"), "{place}: {expression}");
        for metric in metrics {
            let is_known = known.contains(&metric) || known.contains(plain(&metric));
            assert!(is_known, "{place}: nothing is called {metric}");
        }
    }
}

#[test]
fn every_metric_of_the_switch_is_on_a_dashboard() {
    let shown: BTreeSet<String> = dashboards()
        .iter()
        .flat_map(|(_, expression)| metrics(expression))
        .map(|metric| plain(&metric).to_owned())
        .collect();
    let missing: Vec<_> = known().into_iter().filter(|name| !shown.contains(name)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_seven_thresholds_of_the_document_are_rules() {
    let rules = rules();
    for (metric, threshold, severity) in THRESHOLDS {
        let rule = rules.iter().find(|(_, expression, found)| {
            metrics(expression).contains(metric)
                && expression.ends_with(threshold)
                && found == severity
        });
        assert!(rule.is_some(), "{metric} {threshold} {severity}");
    }
    // What of a payment may lag behind (5.1).
    let lag = rules.iter().find(|(name, _, _)| name == "PaymentStatusLags").unwrap();
    assert_eq!(
        (lag.1.as_str(), lag.2.as_str()),
        ("veksel_payment_status_lag_seconds > 300", "high")
    );
    let severities = ["critical", "high", "medium"];
    for (name, _, severity) in &rules {
        assert!(severities.contains(&severity.as_str()), "{name}: {severity}");
    }
}

#[test]
fn metrics_are_told_from_what_stands_around_them() {
    for (expression, expected) in [
        ("a_b", &["a_b"][..]),
        ("sum by (x_y, z) (rate(a_b_total[1m]))", &["a_b_total"]),
        ("a_b{c_d=\"e_f\"} > 0.8 * g_h", &["a_b", "g_h"]),
        ("histogram_quantile(0.99, sum by (le) (rate(a_b_bucket[5m]))) > 0.25", &["a_b_bucket"]),
        ("a_b - time() < 30 * 86400", &["a_b"]),
        ("up{job=\"x_y\"} == 0", &[]),
        ("sum without (position) (a_b{position=~\"c_d|e_f\"}) == 1", &["a_b"]),
    ] {
        let found: Vec<_> = metrics(expression).into_iter().collect();
        assert_eq!(found, expected, "{expression}");
    }
}
