//! The program as tests run it: it logs everything it can, and what it says is searched for
//! secrets. Its path stands in no other file of tests; `switch/server/tests/watched.rs` sees to it.

#![allow(dead_code, reason = "each suite takes what it needs")]

#[path = "scan.rs"]
pub(crate) mod scan;

use scan::{Artefact, Scanner, doors, encodings, people, seeds};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The cards of the seeds, who signs in, and what opens the doors of sandboxes.
pub(crate) static SCANNER: LazyLock<Scanner> =
    LazyLock::new(|| Scanner::new(&[seeds(), people(), doors()].concat()));

/// What is for everybody to see: the card that a demo tells people to try, and that of an example.
const PUBLIC: [&str; 2] =
    ["Cards: 4111 1111 1111 1111", "--pan 4111111111111111 --amount 99.90 --show"];

/// The program, not started yet. Whoever starts it hands over what it says.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veksel"));
    command.env("VEKSEL_LOG", "trace").env_remove("VEKSEL_TO").env_remove("SLACK_WEBHOOK_URL");
    command
}

/// Runs it to its end. What it printed has no secret in it.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    search("standard output", &output.stdout);
    search("standard error", &output.stderr);
    output
}

/// Fails if there is a secret in what was said.
#[track_caller]
pub(crate) fn search(name: &str, said: &[u8]) {
    let found = leaks(name, said);
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}

/// Fails if there is a secret in a journal in this folder.
pub(crate) fn search_journals(folder: &Path) {
    let journals = scan::journals(folder);
    journals.iter().for_each(|journal| search(&journal.name, &journal.bytes));
}

/// A line for each secret in what was said.
pub(crate) fn leaks(name: &str, said: &[u8]) -> Vec<String> {
    let mut bytes = said.to_vec();
    for shown in PUBLIC {
        let at = |bytes: &[u8]| bytes.windows(shown.len()).position(|w| w == shown.as_bytes());
        while let Some(at) = at(&bytes) {
            bytes.drain(at..at + shown.len());
        }
    }
    SCANNER.scan(&Artefact { name: name.to_owned(), bytes })
}

#[test]
fn a_secret_that_the_program_says_is_found_in_every_encoding() {
    let mut kinds = std::collections::BTreeSet::new();
    for secret in ["4111111111111111", "17829000024", "sandbox-client-secret"] {
        for (encoding, pattern) in encodings(secret.as_bytes()) {
            let said = [b"{\"level\":\"TRACE\",\"x\":\"", &pattern[..], b"\"}\n"].concat();
            assert!(!leaks("log", &said).is_empty(), "{encoding}");
            kinds.insert(encoding);
        }
    }
    assert!(kinds.len() >= 12, "{kinds:?}");
    let shown = PUBLIC.join("\n");
    assert_eq!(leaks("banner", shown.as_bytes()), Vec::<String>::new());
    assert_eq!(leaks("banner", format!("{shown} 4111 1111 1111 1111").as_bytes()).len(), 1);
}

/// A message with a card and nothing else, in hexadecimal.
pub(crate) fn frame() -> String {
    let text = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}4000000000000000{}", text("0200"), text("164111111111111111"))
}

/// It really is run and really searched: it is told to show a card.
#[test]
fn a_card_that_the_program_prints_is_found() {
    let frame = frame();
    let show = || run(program().args(["decode", "--unsafe", &frame]));
    let caught = std::panic::catch_unwind(show).unwrap_err();
    let said = caught.downcast_ref::<String>().unwrap();
    assert!(said.contains("standard output at ") && said.contains("1111 as plain"), "{said}");
    run(program().args(["decode", &frame]));
}
