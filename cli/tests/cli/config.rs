//! `veksel check`, the help texts, and how commands end.

use crate::ran::{run, run_with};
use crate::stage::{program, search};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    path.display().to_string()
}

#[test]
fn the_examples_are_valid_and_told_apart() {
    for (name, kind) in [("switch.toml", "switch"), ("simulator.toml", "simulator")] {
        let path = example(name);
        let ran = run(&["check", "--config", &path]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.out, format!("{path}: a valid {kind} configuration\n"));
    }
}

#[test]
fn every_mistake_is_reported_and_64_returned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switch.toml");
    let text = "[switch]\nnmae = \"x\"\ndrain = \"soon\"\n";
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let ran = run(&["check", "--config", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    assert!(ran.err.contains("error: unknown key `nmae` in [switch]"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `name`?"), "{}", ran.err);
    assert!(ran.err.contains(":3:"), "{}", ran.err);
    let ran = run(&["check", "--config", &path, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["valid"]), (64, &false.into()));
    assert_eq!(json["kind"], "switch");
    assert_eq!(json["problems"][0]["line"], 2);
    for command in ["run", "simulate"] {
        assert_eq!(run(&[command, "--config", &path]).code, 64, "{command}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_found_without_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("bank.key");
    fs::write(&key, "2b7e151628aed2a6abf7158809cf4f3c").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let path = folder.path().join("simulator.toml");
    let text = "[bank.mac]\nalgorithm = \"aes-cmac\"\naccept = [\"bank.key\"]\n";
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let ran = run(&["check", "--config", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    assert!(ran.err.contains("bank.key may be read by others (mode 644)"), "{}", ran.err);
    assert!(!ran.err.contains("2b7e"), "{}", ran.err);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = run(&["check", "--config", &path]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = run(&["check", "--config", &path, "--set", "bank.mac.algorithm=retail"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = run(&["check", "--config", &path, "--set", "bank.mac.algorithm=des-cbc"]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("has 16 bytes; this algorithm takes 8"), "{}", ran.err);
}

#[test]
fn settings_are_shown_with_their_origin() {
    let path = example("simulator.toml");
    let variables = [("VEKSEL_BANK__LATE", "3s"), ("NO_COLOR", "1")];
    let arguments = ["check", "--config", &path, "--resolved", "--set", "terminals.rate=7"];
    let ran = run_with(&arguments, b"", &variables);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let has = |start: &str, end: &str| {
        ran.out.lines().any(|line| line.starts_with(start) && line.ends_with(end))
    };
    assert!(has("late = \"3s\"", "# env VEKSEL_BANK__LATE"), "{}", ran.out);
    assert!(has("rate = 7", "# flag --terminals.rate"), "{}", ran.out);
}

#[test]
fn a_file_that_is_not_there() {
    let ran = run(&["check", "--config", "/nowhere/switch.toml"]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.starts_with("error: the configuration file cannot be read"), "{}", ran.err);
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for arguments in [
        &["nonsense"][..],
        &["check"],
        &["run"],
        &["simulate"],
        &["send"],
        &["send", "balance"],
        &["send", "balance", "--account", "1", "--framing", "binray2"],
        &["send", "transfer", "--from", "1", "--into", "2", "--amount", "1,5"],
        &["send", "balance", "--account", "1", "--timeout", "soon"],
        &["decode", "--no-frame", "--framing", "binary2", "00"],
        &["demo", "--for", "never"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.starts_with("error: "), "{arguments:?}: {}", ran.err);
    }
    for arguments in [&["--help"][..], &["send", "--help"], &["send", "bill", "--help"]] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        assert!(ran.out.contains("Example"), "{arguments:?}");
        let mut lines = ran.out.lines().filter(|line| !line.starts_with("Usage:"));
        assert!(lines.all(|line| line.chars().count() <= 100), "{}", ran.out);
    }
    let version = run(&["--version"]);
    assert_eq!(version.out, format!("veksel {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_pipe_gets_no_colour_and_no_frames() {
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("CLICOLOR_FORCE", "1")]] {
        let ran = run_with(&["decode", "30383030"], b"", variables);
        for text in [ran.out, ran.err] {
            assert!(!text.contains('\x1b') && !text.contains('│'), "{text}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    use std::process::Stdio;
    let mut child = program()
        .args(["check", "--resolved", "--config", &example("switch.toml")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    search("standard error", &output.stderr);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
