//! Whether every test and setting that `docs/coverage.md` names is there.
//!
//! A row of its tables ends in where it is shown: names of tests or settings, then `in` and the
//! file they stand in, all as code; or in what is not built, or is left out on purpose. Whether a
//! test shows what the row asks is for people.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/coverage.md";

/// What begins the part of a row that nothing shows: what is to come, and what is not.
const MISSING: [&str; 2] = ["not built:", "left out:"];

/// Lines between the attribute of a test and its name: further attributes.
const ATTRIBUTES_MAX: usize = 3;

/// A row: what it is called, and its last cell.
type Row<'a> = (&'a str, &'a str);

/// Everything that is wrong with a page. `read` gives the text of a file.
fn complaints(page: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (id, place) in rows(page) {
        if !seen.insert(id) {
            wrong.push(format!("{id}: is there twice"));
        }
        let missing = MISSING.iter().filter_map(|word| place.split_once(word));
        let first = missing.min_by_key(|(shown, _)| shown.len());
        let (shown, missing) = first.unwrap_or((place, ""));
        let is_missing = !missing.trim().is_empty();
        let mut names: Vec<&str> = Vec::new();
        let mut is_shown = false;
        for word in shown.split('`').skip(1).step_by(2) {
            if !word.contains('/') {
                names.push(word);
                continue;
            }
            match read(word) {
                None => wrong.push(format!("{id}: there is no file {word}")),
                Some(_) if names.is_empty() => wrong.push(format!("{id}: nothing of {word}")),
                Some(text) => {
                    let absent = names.iter().filter(|name| !is_in(name, word, &text));
                    wrong.extend(absent.map(|name| format!("{id}: no `{name}` in {word}")));
                }
            }
            is_shown |= !names.is_empty();
            names.clear();
        }
        if let Some(name) = names.first() {
            wrong.push(format!("{id}: `{name}` is in no file"));
        }
        if !is_shown && !is_missing {
            wrong.push(format!("{id}: neither shown nor said to be missing"));
        }
    }
    wrong
}

/// The rows of all tables, without their heads.
fn rows(page: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut is_body = false;
    for line in page.lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|'))
        else {
            is_body = false;
            continue;
        };
        if cells.bytes().all(|byte| matches!(byte, b'-' | b'|' | b':')) {
            is_body = true;
        } else if is_body {
            let (first, _) = cells.split_once('|').unwrap_or((cells, ""));
            let (_, last) = cells.rsplit_once('|').unwrap_or(("", ""));
            rows.push((first.trim(), last.trim()));
        }
    }
    rows
}

fn is_in(name: &str, path: &str, text: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    match extension {
        Some("rs") => is_test(name, text),
        Some("toml") => is_setting(name, text),
        _ => false,
    }
}

/// Whether a source has a test of this name.
fn is_test(name: &str, text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = [format!("fn {name}("), format!("async fn {name}(")];
    let place = lines.iter().position(|line| begins.iter().any(|begin| line.starts_with(begin)));
    let above = lines.iter().take(place.unwrap_or_default()).rev().take(ATTRIBUTES_MAX);
    above
        .take_while(|line| line.starts_with("#["))
        .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
}

/// Whether an example has this setting, `section.key`.
fn is_setting(name: &str, text: &str) -> bool {
    let Some((wanted, key)) = name.rsplit_once('.') else { return false };
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            section = line.trim_end().trim_matches(['[', ']']);
        } else if section == wanted
            && line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
        {
            return true;
        }
    }
    false
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).ok()
}

#[test]
fn what_the_page_of_coverage_names_is_there() {
    let page = read(PAGE).unwrap();
    assert!(rows(&page).len() > 150, "{} rows", rows(&page).len());
    let wrong = complaints(&page, &read);
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_not_there_is_seen() {
    let files = |path: &str| match path {
        "a/b.rs" => Some(
            "#[test]\nfn one() {}\n\n#[tokio::test]\n#[cfg(unix)]\nasync fn two() {}\n\n\
             fn three() {}\n"
                .to_owned(),
        ),
        "a/c.toml" => Some("x = 1\n[d]\ny = 1\n[[e.f]]\nz = 1\n".to_owned()),
        "a/d.md" => Some("one\n".to_owned()),
        _ => None,
    };
    for (place, expected) in [
        ("`one` in `a/b.rs`", None),
        ("`one`, `two` in `a/b.rs`; `d.y`, `e.f.z` in `a/c.toml`", None),
        ("`one` in `a/b.rs`; not built: the `rest/of` it", None),
        ("not built: nobody asked", None),
        ("left out: nobody asked for `the/rest`", None),
        ("`one` in `a/b.rs`; not built: one; left out: `the/other`", None),
        ("left out:", Some("neither shown nor said to be missing")),
        ("`three` in `a/b.rs`", Some("no `three` in a/b.rs")),
        ("`on` in `a/b.rs`", Some("no `on` in a/b.rs")),
        ("`one` in `a/x.rs`", Some("there is no file a/x.rs")),
        ("`d.z` in `a/c.toml`", Some("no `d.z` in a/c.toml")),
        ("`x` in `a/c.toml`", Some("no `x` in a/c.toml")),
        ("`one` in `a/d.md`", Some("no `one` in a/d.md")),
        ("`a/b.rs`", Some("nothing of a/b.rs")),
        ("`one`", Some("`one` is in no file")),
        ("shown somewhere", Some("neither shown nor said to be missing")),
        ("", Some("neither shown nor said to be missing")),
        ("not built:", Some("neither shown nor said to be missing")),
    ] {
        let page =
            format!("# Title\n\n| row | asks | where |\n|---|---|---|\n| R1 | x | {place} |\n");
        let found = complaints(&page, &files);
        let expected = expected.map(|text| format!("R1: {text}"));
        assert_eq!(found.first(), expected.as_ref(), "{place}");
    }
    let twice = "|a|b|\n|---|---|\n|R1|`one` in `a/b.rs`|\n\n|a|b|\n|--|--|\n|R1|not built: x|\n";
    assert_eq!(complaints(twice, &files), ["R1: is there twice"]);
}
