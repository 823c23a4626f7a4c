//! Broken configurations and what is said about them, as golden text.
//!
//! Each `tests/broken/x.toml` stands beside `x.txt`. A file whose name begins with `simulator` is a
//! simulator's. Lines `# env NAME=value` and `# flag path=value` are given beside the file.
//! `UPDATE_GOLDEN=1 cargo test -p veksel-config` writes the texts anew; read the diff.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use veksel_config::{Problems, Severity, Source, load_simulator, load_switch};

fn given(text: &str, kind: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# ")?.strip_prefix(kind)?.strip_prefix(' '))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn problems(file: &Path) -> Problems {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let source = Source::text(name, &text)
        .environment(given(&text, "env"))
        .flags(given(&text, "flag"))
        .known_dialects(&["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"]);
    let problems = match name.starts_with("simulator") {
        true => load_simulator(source).map(|config| config.warnings),
        false => load_switch(source).map(|config| config.warnings),
    };
    problems.unwrap_or_else(|problems| problems)
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    cases.sort();
    cases
}

#[test]
fn broken_configurations_say_what_is_wrong() {
    let cases = cases();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    let mut changed = Vec::new();
    for case in cases {
        let golden = case.with_extension("txt");
        let shown = problems(&case).to_string();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != shown {
            changed.push(format!("{}\n{shown}", case.display()));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn every_broken_configuration_is_refused() {
    for case in cases() {
        assert!(problems(&case).errors() > 0, "{}", case.display());
    }
}

#[test]
fn problems_have_a_machine_form() {
    let text = "[admin]\nlisten = 8580\n";
    let problems = load_switch(Source::text("a.toml", text)).unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    let expected = serde_json::json!({
        "severity": "error", "file": "a.toml", "source": null, "line": 2, "column": 10,
        "message": "`listen` must be IP:port", "help": "this is an integer, quotes are missing",
    });
    assert_eq!(json[0], expected);
    assert!(problems.0.iter().all(|problem| problem.severity == Severity::Error));
}

#[test]
fn a_value_of_another_program_is_not_shown() {
    let case = cases().into_iter().find(|case| case.ends_with("environment.toml")).unwrap();
    assert!(!problems(&case).to_string().contains("must-not-be-shown"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switch.toml");
    assert!(Source::read(&path).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&path, b"[switch]\nname = \"\xFF\"\n").unwrap();
    assert!(Source::read(&path).unwrap_err().to_string().contains("is not UTF-8"));
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(Source::read(&path).unwrap_err().to_string().contains("is larger than"));
}

#[test]
fn a_wrong_file_does_not_make_a_flood() {
    let text: String = (0..50_000).map(|n| format!("key_{n} = {n}\n")).collect();
    let problems = load_switch(Source::text("wrong.toml", text)).unwrap_err();
    assert_eq!(problems.0.len(), 257);
    assert!(problems.0[256].message.starts_with("more than 256 problems"));
}

#[test]
fn keys_in_keys_in_keys_do_not_exhaust_the_stack() {
    for text in [
        format!("a{} = 1", ".a".repeat(100_000)),
        format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("[a{}]", ".a".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(499)),
        format!("[switch{}]", ".\"a\" ".repeat(499)),
    ] {
        assert!(load_switch(Source::text("deep.toml", text)).is_err());
    }
}
