//! Whether every suite that starts anything is searched for secrets.
//!
//! It reads the sources of all test programs, with the modules they take in, and knows by the
//! names in them what they start: a part of the product, the simulator, the program itself, or a
//! socket. Such a suite takes in `cli/tests/canary/watch.rs` or `cli/tests/canary/program.rs` and
//! uses it, or stands in [`EXEMPT`] with a reason. What is then found is shown there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Searches what is logged in the process of a suite.
const WATCH: &str = "cli/tests/canary/watch.rs";
/// Searches what the program says. Nobody else knows where it is.
const PROGRAM: &str = "cli/tests/canary/program.rs";

/// What a suite that starts something has in one of its sources. In two parts, so that nothing
/// here is one.
const STARTS: &[(&str, &str)] = &[
    ("veksel", "_adapters"),
    ("veksel", "_api"),
    ("veksel", "_link"),
    ("veksel", "_server"),
    ("veksel", "_simulator"),
    ("veksel", "_store"),
    ("CARGO_BIN", "_EXE"),
    ("Tcp", "Listener"),
    ("Tcp", "Stream"),
    ("Udp", "Socket"),
    ("Unix", "Stream"),
];

/// How a source uses the watch or the program, and does not only take it in.
const USES: &[(&str, &[&str])] = &[
    (WATCH, &["watch()", "watch_for(", "watching()"]),
    (
        PROGRAM,
        &[
            "Process::start",
            "Rig::start",
            "veksel(",
            " search(",
            "run(&mut ",
            "run(program",
            "scanner.scan(",
        ],
    ),
];

/// Suites that start something and are not searched.
const EXEMPT: &[(&str, &str)] = &[
    ("switch/link/tests/allocations.rs", "counts allocations, and a search allocates"),
    ("simulator/tests/ledger_model.rs", "the ledger is a pure function and is told no card"),
];

/// The text of a file, by its path from the root of the repository.
type Read<'r> = &'r dyn Fn(&str) -> Option<String>;

/// `a/b/../c` is `a/c`.
fn joined(folder: &Path, more: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in folder.join(more).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

/// The sources of a test program by their paths, beginning with its root.
fn sources(root: &str, read: Read<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    // A root, and what is taken in by a path, has its modules beside it; others in a folder.
    let mut open = vec![(root.to_owned(), true)];
    while let Some((path, is_beside)) = open.pop() {
        if found.contains_key(&path) {
            continue;
        }
        let text = read(&path).ok_or_else(|| format!("{root}: there is no {path}"))?;
        let file = Path::new(&path);
        let folder = file.parent().unwrap_or(Path::new(""));
        let inside = if is_beside { folder.to_owned() } else { file.with_extension("") };
        let mut given: Option<&str> = None;
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("#[path = \"") {
                given = rest.split('"').next();
                continue;
            }
            let declared = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let name = declared.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
            match (name, given) {
                (Some(_), Some(given)) => open.push((joined(folder, given), true)),
                (Some(name), None) => open.push((joined(&inside, &format!("{name}.rs")), false)),
                (None, _) => {}
            }
            if !line.starts_with("#[") {
                given = None;
            }
        }
        found.insert(path, text);
    }
    Ok(found)
}

/// What one of the sources starts something with.
fn starts(sources: &BTreeMap<String, String>) -> Option<String> {
    let words = STARTS.iter().map(|(start, end)| format!("{start}{end}"));
    let is_there = |word: &String| {
        let ours = sources.iter().filter(|(path, _)| path.as_str() != WATCH);
        ours.map(|(_, text)| text).any(|text| text.contains(word.as_str()))
    };
    words.into_iter().find(is_there)
}

/// Whether one of the sources uses what it takes in.
fn is_watched(sources: &BTreeMap<String, String>) -> bool {
    USES.iter().any(|(by, uses)| {
        let others = sources.iter().filter(|(path, _)| path.as_str() != *by);
        let mut texts = others.map(|(_, text)| text);
        sources.contains_key(*by) && texts.any(|text| uses.iter().any(|used| text.contains(used)))
    })
}

/// Tests that begin no watch in a source whose other tests do.
fn unwatched(text: &str) -> Vec<String> {
    let mut tests: Vec<(&str, bool)> = Vec::new();
    let (mut is_next, mut is_inside) = (false, false);
    for line in text.lines() {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_next = true;
        }
        let declared = line.strip_prefix("async ").unwrap_or(line);
        if let Some(name) = declared.strip_prefix("fn ") {
            is_inside = std::mem::take(&mut is_next);
            if is_inside {
                tests.push((name.split('(').next().unwrap_or_default(), false));
            }
        }
        if is_inside && line.starts_with("    let _watch = ") {
            tests.iter_mut().last().into_iter().for_each(|(_, is_watched)| *is_watched = true);
        }
    }
    let some = tests.iter().any(|(_, is_watched)| *is_watched);
    let others = tests.into_iter().filter(|(_, is_watched)| some && !is_watched);
    others.map(|(name, _)| name.to_owned()).collect()
}

/// Everything that is wrong with these test programs, and how many are searched.
fn complaints(roots: &[String], exempt: &[(&str, &str)], read: Read<'_>) -> (Vec<String>, usize) {
    let (mut wrong, mut watched) = (Vec::new(), 0);
    let mut unused: BTreeSet<&str> = exempt.iter().map(|(path, _)| *path).collect();
    let binary = format!("{}{}", "CARGO_BIN", "_EXE");
    for root in roots {
        let sources = match sources(root, read) {
            Ok(sources) => sources,
            Err(missing) => {
                wrong.push(missing);
                continue;
            }
        };
        for (path, text) in &sources {
            if path != PROGRAM && text.contains(&binary) {
                wrong.push(format!("{path}: the program is started by {PROGRAM} alone"));
            }
            let tests = unwatched(text).into_iter();
            wrong.extend(tests.map(|test| format!("{path}: {test} begins no watch, others do")));
        }
        match (starts(&sources), is_watched(&sources)) {
            (_, true) => watched += 1,
            (Some(_), false) if unused.remove(root.as_str()) => {}
            (Some(word), false) => {
                wrong.push(format!("{root}: it has `{word}` and is not searched for secrets"));
            }
            (None, false) => {}
        }
    }
    wrong.extend(unused.iter().map(|path| format!("{path}: it needs no exemption")));
    (wrong, watched)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The roots of all test programs, as cargo finds them.
fn roots() -> Vec<String> {
    let manifest = read("Cargo.toml").unwrap();
    let list = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members = list.unwrap_or_default().split('"').skip(1).step_by(2);
    let mut roots = Vec::new();
    for member in members {
        let manifest = read(&format!("{member}/Cargo.toml")).unwrap();
        for section in manifest.split("[[test]]").skip(1) {
            let section = section.split("\n[").next().unwrap_or_default();
            assert!(!section.contains("path ="), "{member} has tests where nobody looks");
        }
        let Ok(entries) = fs::read_dir(root().join(member).join("tests")) else { continue };
        for entry in entries {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let path = format!("{member}/tests/{name}");
            let main = format!("{path}/main.rs");
            if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
                roots.push(path);
            } else if root().join(&main).exists() {
                roots.push(main);
            }
        }
    }
    roots.sort();
    roots
}

#[test]
fn every_suite_that_starts_something_is_searched_for_secrets() {
    let roots = roots();
    assert!(roots.iter().any(|root| root == "switch/server/tests/watched.rs"), "{roots:?}");
    let (wrong, watched) = complaints(&roots, EXEMPT, &read);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(watched > 30, "{watched} suites of {}", roots.len());
}

#[test]
fn a_suite_that_is_not_searched_is_seen() {
    let takes = |path: &str| format!("#[path = \"{path}\"]\nmod x;\n");
    let [server, socket, binary] =
        [3, 7, 6].map(|place: usize| STARTS[place].0.to_owned() + STARTS[place].1);
    let watch = takes("../../../cli/tests/canary/watch.rs");
    let program = takes("canary/program.rs");
    let not = |word: &str| format!("a/tests/b.rs: it has `{word}` and is not searched for secrets");
    let (a, cli) = ("a/tests/b.rs", "cli/tests/b.rs");
    for (root, text, module, expected) in [
        (a, "fn pure() {}\n".to_owned(), "", None),
        (a, format!("use {server}::start;\n"), "", Some(not(&server))),
        (a, "mod rig;\n".to_owned(), socket.as_str(), Some(not(&socket))),
        (a, format!("{watch}use {server}::start;\n"), "", Some(not(&server))),
        (a, format!("{watch}use {server}::start;\nlet _watch = watch();\n"), "", None),
        (a, format!("{watch}use {server}::start;\nmod rig;\n"), "watch_for(&[])", None),
        (a, format!("use {server}::start;\nlet _watch = watch();\n"), "", Some(not(&server))),
        (a, "mod gone;\n".to_owned(), "", Some("a/tests/b.rs: there is no a/tests/gone.rs".into())),
        (cli, format!("{program}let child = Process::start();\n"), "", None),
        (
            cli,
            format!("{program}use {server}::start;\nresearch(1);\n"),
            "",
            Some(format!("{cli}: it has `{server}` and is not searched for secrets")),
        ),
        (
            cli,
            format!("{program}Process::start(); {binary}\n"),
            "",
            Some(format!("{cli}: the program is started by {PROGRAM} alone")),
        ),
    ] {
        let read = |path: &str| match path {
            _ if path == root => Some(text.clone()),
            "a/tests/rig.rs" => Some(module.to_owned()),
            WATCH => Some(format!("mod scan;\n{socket} watch()")),
            "cli/tests/canary/scan.rs" => Some(String::new()),
            PROGRAM => Some(binary.clone()),
            _ => None,
        };
        let (wrong, _) = complaints(&[root.to_owned()], &[], &read);
        assert_eq!(wrong.first(), expected.as_ref(), "{text}");
    }
    let begins = "#[test]\nfn one() {\n    let _watch = watch();\n}\n";
    assert_eq!(unwatched(begins), Vec::<String>::new());
    for attribute in ["#[test]\nfn", "#[tokio::test]\nasync fn"] {
        let another = format!("{attribute} two() {{\n    start();\n}}\n");
        assert_eq!(unwatched(&another), Vec::<String>::new());
        assert_eq!(unwatched(&format!("{begins}{another}")), ["two"]);
        assert_eq!(unwatched(&format!("{another}{begins}")), ["two"]);
    }
    assert_eq!(unwatched(&format!("{begins}fn not_a_test() {{}}\n")), Vec::<String>::new());
    let read = |path: &str| (path == a).then(|| socket.clone());
    let roots = [a.to_owned()];
    assert_eq!(complaints(&roots, &[(a, "a reason")], &read).0, Vec::<String>::new());
    let read = |path: &str| (path == a).then(String::new);
    let wrong = complaints(&roots, &[(a, "a reason")], &read).0;
    assert_eq!(wrong, ["a/tests/b.rs: it needs no exemption"]);
}
