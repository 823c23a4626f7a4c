//! The rules of the house that the compiler does not know, as a test.
//!
//! It reads the files of the repository and knows nothing of what they do: which crate may name
//! which (the `edges` block of ARCHITECTURE.md), how long files and lines may be, how they begin,
//! what they may not be called and which words they may not contain. What rustc or clippy can
//! check is in the root manifest and not here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file.
const LINES_MAX: usize = 800;
/// Longest file of the server, which joins parts and decides nothing.
const SERVER_LINES_MAX: usize = 400;
/// Longest line.
const COLUMNS_MAX: usize = 100;
/// Folders that hold no sources.
const SKIPPED: &[&str] = &[".git", "target", "artifacts", "corpus", "__pycache__"];
/// Markdown files outside `docs`, `fuzz`, `interop` and `benches`. Working notes belong elsewhere.
const MARKDOWN: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "managers", "context", "contexts"];
/// Words that sources may not contain, and why. Each is in two parts, so that nobody who searches
/// for one finds it here: they stand nowhere.
const BANNED: &[(&str, &str)] = &[
    (TO_DO, "nothing unfinished is merged"),
    (UNMADE, "nothing unfinished is merged"),
    (concat!("db", "g!("), "leftover of a search"),
    (IGNORED, "a test that does not run proves nothing"),
    (UNBOUNDED, "every queue has a limit"),
    (concat!("mpsc::chan", "nel()"), "every queue has a limit"),
    (concat!("mpsc::un", "bounded"), "every queue has a limit"),
];
const TO_DO: &str = concat!("to", "do!(");
const UNMADE: &str = concat!("unimpl", "emented!(");
const IGNORED: &str = concat!("#[ig", "nore");
const UNBOUNDED: &str = concat!("un", "bounded_channel");
/// Beginnings of paths that exist on one machine only. In two parts, so as not to find themselves.
const MACHINE_PATHS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/")];

/// A file: its path from the root of the repository, with slashes, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

/// Finds what is wrong with a file: lines for people.
type Check = fn(&File) -> Vec<String>;

const CHECKS: &[(&str, Check)] = &[
    ("header", header),
    ("length", length),
    ("columns", columns),
    ("names", names),
    ("words", words),
    ("markdown", markdown),
    ("machine paths", machine_paths),
    ("manifest", manifest),
];

fn header(file: &File) -> Vec<String> {
    let script = matches!(file.path.as_str(), "justfile" | ".ci/run");
    let python = file.path.ends_with(".py");
    let needed: &[&str] = match (file.is_rust(), python, script || file.path.ends_with(".sh")) {
        (true, _, _) => &["//!"],
        (_, true, _) => &["#", "\"\"\""],
        (_, _, true) => &["#"],
        (false, false, false) => return Vec::new(),
    };
    if needed.iter().any(|opening| file.text.starts_with(opening)) {
        return Vec::new();
    }
    vec![format!("does not open with {needed:?}: what it is and what it is not")]
}

fn length(file: &File) -> Vec<String> {
    let is_server = file.path.starts_with("switch/server/src/");
    let most = if is_server { SERVER_LINES_MAX } else { LINES_MAX };
    let lines = file.text.lines().count();
    if file.is_rust() && lines > most {
        return vec![format!("{lines} lines, {most} allowed")];
    }
    Vec::new()
}

fn columns(file: &File) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    // rustfmt breaks neither literals nor addresses, so what stands in them does not count.
    let short = without(&file.text, Part::Literals);
    let long =
        |(_, line): &(usize, &str)| line.chars().count() > COLUMNS_MAX && !line.contains("://");
    let complaint = |(place, line): (usize, &str)| {
        format!("line {} has {} columns", place + 1, line.chars().count())
    };
    short.lines().enumerate().filter(long).map(complaint).collect()
}

fn names(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    if !file.is_rust() {
        return found;
    }
    if file.path.ends_with("/mod.rs") {
        found.push("a module's file stands beside its folder: `foo.rs`, not `foo/mod.rs`".into());
    }
    let code = without(&file.text, Part::LiteralsAndComments);
    let declared = code.split("mod ").skip(1).map(|after| {
        after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    });
    for name in file.path.split(['/', '.']).chain(declared) {
        if name.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word)) {
            found.push(format!("`{name}` does not say what is inside"));
        }
    }
    found
}

fn words(file: &File) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    let code = without(&file.text, Part::LiteralsAndComments);
    let mut found = Vec::new();
    for (place, line) in code.lines().enumerate() {
        for (word, why) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
            found.push(format!("line {}: `{word}`: {why}", place + 1));
        }
    }
    found
}

fn markdown(file: &File) -> Vec<String> {
    let free = ["docs/", "fuzz/", "interop/", "benches/"]
        .iter()
        .any(|folder| file.path.starts_with(folder));
    if !file.path.ends_with(".md") || free || MARKDOWN.contains(&file.path.as_str()) {
        return Vec::new();
    }
    vec!["notes are not kept in the repository".into()]
}

fn machine_paths(file: &File) -> Vec<String> {
    let found = |(start, end): &(&str, &str)| {
        let path = format!("{start}{end}");
        file.text.contains(&path).then(|| format!("`{path}` exists on one machine only"))
    };
    MACHINE_PATHS.iter().filter_map(found).collect()
}

/// Every crate takes the workspace's lints, or has its own.
fn manifest(file: &File) -> Vec<String> {
    let has_lints = |name: &String| name == "lints" || name.starts_with("lints.");
    if !file.path.ends_with("/Cargo.toml") || sections(&file.text).keys().any(has_lints) {
        return Vec::new();
    }
    vec!["has no `[lints]` section".into()]
}

/// What is left out of a text before it is searched.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Literals,
    LiteralsAndComments,
}

/// Rust source without the insides of its string literals and, if wanted, its comments. Lines
/// stay lines.
fn without(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let comment = if rest.starts_with("//") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            Some(rest.find("*/").map_or(rest.len(), |at| at + 2))
        } else {
            None
        };
        let (kept, dropped) = match comment {
            Some(width) if part == Part::Literals => (width, 0),
            Some(width) => (0, width),
            None if first == '"' => (1, string_end(&rest[1..])),
            None => raw_string(rest)
                .unwrap_or_else(|| (character_end(rest).unwrap_or(first.len_utf8()), 0)),
        };
        let (kept, after) = rest.split_at(kept);
        let (dropped, after) = after.split_at(dropped);
        out.push_str(kept);
        out.extend(dropped.chars().filter(|character| *character == '\n'));
        rest = after;
    }
    out
}

/// Bytes up to and including the quote that ends a string literal.
fn string_end(inside: &str) -> usize {
    let mut escaped = false;
    let end = inside.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    end.map_or(inside.len(), |at| at + 1)
}

/// For `r#"…"#`: bytes of the opening, and bytes up to and including the end.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let hashes = text.strip_prefix('r')?;
    let inside = hashes.trim_start_matches('#');
    let count = hashes.len() - inside.len();
    let inside = inside.strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(count));
    let end = inside.find(&closing).map_or(inside.len(), |at| at + closing.len());
    Some((text.len() - inside.len(), end))
}

/// Bytes of a character literal, which may hold a quote; `None` if it is a lifetime.
fn character_end(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return inside.get(2..)?.find('\'').map(|at| at + 4);
    }
    let character = inside.chars().next()?;
    inside[character.len_utf8()..].starts_with('\'').then(|| character.len_utf8() + 2)
}

/// The sections of a manifest: name, and its lines without comments.
fn sections(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            name.trim_matches(['[', ']']).clone_into(&mut current);
        }
        sections.entry(current.clone()).or_default().push(line.to_owned());
    }
    sections
}

/// Which crates of ours a manifest names in its dependencies, those for tests excepted.
fn dependencies(manifest: &str, crates: &BTreeSet<String>) -> BTreeSet<String> {
    let is_dependency = |name: &str| {
        let name = name.rsplit_once("'.").map_or(name, |(_, after)| after);
        ["dependencies", "build-dependencies"].iter().any(|kind| {
            name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let sections = sections(manifest);
    let lines = sections.iter().filter(|(name, _)| is_dependency(name)).flat_map(|(_, l)| l);
    let words =
        lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_'));
    words.filter_map(short_name).filter(|name| crates.contains(name)).collect()
}

/// `veksel-store` is `store`, `veksel` is `cli`; anything else is not ours.
fn short_name(package: &str) -> Option<String> {
    match package {
        "veksel" => Some("cli".into()),
        "benches" => Some("benches".into()),
        _ => package.strip_prefix("veksel-").map(str::to_owned),
    }
}

/// The block marked `edges`: for each crate those it may name.
fn edges(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let block = architecture.split("```edges\n").nth(1).and_then(|rest| rest.split("```").next());
    let edge = |line: &str| {
        let (from, to) = line.split_once("->")?;
        let to = to.split_whitespace().map(str::to_owned).collect();
        Some((from.trim().to_owned(), to))
    };
    block.unwrap_or_default().lines().filter_map(edge).collect()
}

/// What goes against the table.
fn wrong_edges(
    table: &BTreeMap<String, BTreeSet<String>>,
    manifests: &BTreeMap<String, String>,
) -> Vec<String> {
    let crates = manifests.keys().cloned().collect();
    let mut wrong = Vec::new();
    for (name, manifest) in manifests {
        let Some(allowed) = table.get(name) else {
            wrong.push(format!("ARCHITECTURE.md has no edges of `{name}`"));
            continue;
        };
        let named = dependencies(manifest, &crates);
        let stray = named.iter().filter(|to| !allowed.contains(*to) && !allowed.contains("*"));
        wrong.extend(stray.map(|to| format!("`{name}` may not depend on `{to}`")));
    }
    wrong
}

/// Paths of the crates of the workspace.
fn members(manifest: &str) -> Vec<String> {
    let list = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    list.unwrap_or_default().split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The paths that a clippy.toml bans.
fn bans(text: &str) -> BTreeSet<&str> {
    text.split("path = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All text files under a folder.
fn files(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{path}/"), found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}

#[test]
fn the_repository_is_tidy() {
    let mut all = Vec::new();
    files(&root(), "", &mut all);
    assert!(all.iter().any(|file| file.path == "switch/server/tests/tidy.rs"), "files are missed");
    let mut wrong = Vec::new();
    for file in &all {
        for (name, check) in CHECKS {
            wrong.extend(check(file).iter().map(|w| format!("{}: {name}: {w}", file.path)));
        }
    }
    assert!(wrong.is_empty(), "{} things are not tidy:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn crates_name_only_those_below_them() {
    let table = edges(&read("ARCHITECTURE.md"));
    let manifests: BTreeMap<_, _> = members(&read("Cargo.toml"))
        .into_iter()
        .map(|path| {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            (name, read(&format!("{path}/Cargo.toml")))
        })
        .collect();
    assert!(manifests.len() >= 9, "only {:?} found", manifests.keys());
    for (name, manifest) in &manifests {
        let package = manifest.lines().find_map(|line| line.strip_prefix("name = \""));
        let package = package.map(|name| name.trim_end_matches('"'));
        assert_eq!(package.and_then(short_name).as_ref(), Some(name), "a crate is its folder");
    }
    let wrong = wrong_edges(&table, &manifests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_bans_what_everybody_bans() {
    let (everybody, engine) = (read("clippy.toml"), read("switch/core/clippy.toml"));
    let missing: Vec<_> = bans(&everybody).difference(&bans(&engine)).copied().collect();
    assert!(!bans(&everybody).is_empty() && missing.is_empty(), "not in core: {missing:?}");
    for key in everybody.lines().filter(|line| line.starts_with("allow-")) {
        assert!(engine.lines().any(|line| line == key), "switch/core/clippy.toml lacks `{key}`");
    }
}

#[test]
fn no_crate_holds_unsafe_code() {
    for path in members(&read("Cargo.toml")) {
        let roots = ["src/lib.rs", "src/main.rs", "lib.rs"].map(|file| format!("{path}/{file}"));
        let roots: Vec<_> = roots.iter().filter(|file| root().join(file).exists()).collect();
        assert!(!roots.is_empty(), "{path} has no root module");
        for file in roots {
            assert!(read(file).contains("#![forbid(unsafe_code)]"), "{file} does not forbid it");
        }
    }
}

/// Each check finds what it is for and leaves the rest alone.
#[test]
fn checks_see() {
    let long = "x".repeat(COLUMNS_MAX + 1);
    let many = "//! Long.\n".repeat(LINES_MAX + 1);
    let some = "//! Long.\n".repeat(SERVER_LINES_MAX + 1);
    let machine = ["in /wo", "rk/main"].concat();
    let cases: &[(Check, &str, &str, bool)] = &[
        (header, "a/src/b.rs", "use std::fs;\n", true),
        (header, "a/src/b.rs", "//! What it is.\n", false),
        (header, "justfile", "build:\n", true),
        (header, "a/tests/b.py", "import os\n", true),
        (header, "a/tests/b.py", "\"\"\"What it is.\"\"\"\n", false),
        (header, "config/switch.toml", "x = 1\n", false),
        (length, "a/src/b.rs", &many, true),
        (length, "a/seeds/b.csv", &many, false),
        (length, "a/src/b.rs", &some, false),
        (length, "switch/server/src/b.rs", &some, true),
        (columns, "a/src/b.rs", &format!("// {long}\n"), true),
        (columns, "a/src/b.rs", &format!("let x = \"{long}\";\n"), false),
        (columns, "a/src/b.rs", &format!("let x = r#\"\n\"{long}\n\"#;\n"), false),
        (columns, "a/src/b.rs", &format!("// https://example.org/{long}\n"), false),
        (columns, "a/src/b.rs", &format!("let a = ['\"', '\\'']; // {long}\n"), true),
        (names, "a/src/b/mod.rs", "//! B.\n", true),
        (names, "a/src/http_util.rs", "//! B.\n", true),
        (names, "a/tests/common/b.rs", "//! B.\n", true),
        (names, "a/src/b.rs", "//! B.\nmod helpers;\n", true),
        (names, "a/src/b.rs", "//! B.\npub(crate) mod context {}\n", true),
        (names, "a/src/utility.rs", "//! A mod context in words.\nmod commons;\n", false),
        // Sources as strings: what each must find, and what it must let pass.
        (words, "a/src/b.rs", &format!("fn f() {{ {TO_DO}) }}\n"), true),
        (words, "a/src/b.rs", &format!("fn f() {{ {UNMADE}) }}\n"), true),
        (words, "a/src/b.rs", &format!("    {IGNORED} = \"slow\"]\n"), true),
        (words, "a/src/b.rs", &format!("let (a, b) = mpsc::{UNBOUNDED}();\n"), true),
        (words, "a/src/b.rs", "let (a, b) = mpsc::channel();\n", true),
        (words, "a/src/b.rs", &format!("let (a, b) = mpsc::channel(64); // no {TO_DO})\n"), false),
        (words, "a/src/b.rs", &format!("let a = \"\\\"{TO_DO}\"; let b = r\"dbg!(\";\n"), false),
        (words, "a/src/b.rs", "let b = r\"dbg!(\"; let c = 'd';\n", false),
        (words, "a/src/b.rs", "fn f<'a>(x: &'a str) { dbg!(x) }\n", true),
        (markdown, "NOTES.md", "", true),
        (markdown, "switch/core/PLAN.md", "", true),
        (markdown, "docs/start.md", "", false),
        (markdown, "README.md", "", false),
        (machine_paths, "docs/start.md", &machine, true),
        (machine_paths, "docs/start.md", "work/main and /roots/", false),
        (manifest, "a/Cargo.toml", "[package]\nname = \"a\" # [lints]\n", true),
        (manifest, "a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n", false),
    ];
    for (place, (check, path, text, expected)) in cases.iter().enumerate() {
        let found = check(&File::new(path, text));
        assert_eq!(!found.is_empty(), *expected, "case {place}, {path}: {found:?}\n{text}");
    }
}

#[test]
fn edges_are_seen() {
    let table = edges("# X\n```edges\ncodecs ->\nstore -> codecs\ncli -> *\n```\n");
    let check = |name: &str, manifest: &str| {
        let others = ["codecs", "store", "cli", "link"].map(|name| (name.into(), String::new()));
        let mut manifests: BTreeMap<String, String> = others.into_iter().collect();
        manifests.insert(name.to_owned(), format!("[package]\nname = \"x\"\n{manifest}"));
        wrong_edges(&table, &manifests)
    };
    let no_row = "ARCHITECTURE.md has no edges of `link`";
    let stray = "`codecs` may not depend on `store`";
    for (name, manifest, expected) in [
        ("store", "[dependencies]\nveksel-codecs.workspace = true\n", vec![no_row]),
        ("codecs", "[dependencies]\nveksel-store = { path = \"x\" }\n", vec![stray, no_row]),
        ("codecs", "[dependencies.veksel-store]\npath = \"x\"\n", vec![stray, no_row]),
        ("codecs", "[build-dependencies]\nveksel-store = \"1\"\n", vec![stray, no_row]),
        ("codecs", "[target.'cfg(x)'.dependencies]\nveksel-store = \"1\"\n", vec![stray, no_row]),
        ("codecs", "[dependencies]\ns = { package = \"veksel-store\" }\n", vec![stray, no_row]),
        ("codecs", "[dependencies]\n# veksel-store = \"1\"\n", vec![no_row]),
        ("codecs", "[dev-dependencies]\nveksel-store = \"1\"\n", vec![no_row]),
        ("cli", "[dependencies]\nveksel-store = \"1\"\n", vec![no_row]),
    ] {
        assert_eq!(check(name, manifest), expected, "{name}: {manifest}");
    }
}
