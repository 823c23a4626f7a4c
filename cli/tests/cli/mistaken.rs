//! What people type by mistake: the file of another program, the database of another, bytes where
//! a file was meant, a port that is taken. What is said names what was typed and what to do.

use crate::ran::run;
use std::net::TcpListener;
use std::path::PathBuf;

/// What a command that fails says, with its exit code.
#[track_caller]
fn said(arguments: &[&str], code: i32) -> String {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
    ran.err
}

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    path.display().to_string()
}

#[test]
fn the_file_of_the_other_program_is_told_at_once() {
    for (command, file, whose, taken) in [
        ("run", "simulator.toml", "a simulator", "`veksel simulate` takes it"),
        ("simulate", "switch.toml", "a switch", "`veksel run` takes it"),
        ("simulate", "bridge.toml", "a switch", "`veksel run` takes it"),
    ] {
        let said = said(&[command, "--config", &example(file)], 64);
        assert!(said.starts_with(&format!("error: this is the file of {whose}\n")), "{said}");
        assert!(said.contains(taken) && said.matches("error").count() == 1, "{said}");
    }
}

#[test]
fn the_database_of_the_other_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // A database of nobody, as SQLite makes it, and the keys of a journal.
    drop(veksel_store::Keys::create(folder.path().join("veksel.key").as_ref()).unwrap());
    std::fs::write(path("other.db"), b"").unwrap();
    let list = ["journal", "list", "--db", &path("other.db"), "--keys", &path("veksel.key")];
    let complaint = said(&list, 1);
    assert!(
        complaint.contains("other.db cannot be read as the journal of a switch"),
        "{complaint}"
    );
    assert!(complaint.contains("`veksel report` reads"), "{complaint}");
    let complaint = said(&["report", "--db", &path("other.db")], 1);
    assert!(complaint.contains("other.db cannot be read: "), "{complaint}");
    assert!(complaint.contains("is not a bank database"), "{complaint}");
    assert!(complaint.contains("`veksel journal` reads"), "{complaint}");
}

#[test]
fn an_address_without_a_port_is_shown_as_it_was_typed() {
    for arguments in [
        &["doctor", "tcp", "127.0.0.1"][..],
        &["send", "--to", "127.0.0.1", "balance", "--account", "1"],
    ] {
        let complaint = said(arguments, 2);
        let expected = "error: \"127.0.0.1\" is not HOST:PORT\n  = the port is missing\n";
        assert_eq!(complaint, expected, "{arguments:?}");
    }
}

#[test]
fn a_file_given_as_bytes_is_sent_to_its_option() {
    let complaint = said(&["decode", "/nonexistent"], 2);
    assert!(complaint.contains("not hexadecimal at line 1"), "{complaint}");
    assert!(complaint.contains("--file"), "{complaint}");
}

#[test]
fn a_simulator_on_a_port_that_is_taken_says_which_setting_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let path = folder.path().join("simulator.toml");
    let others = veksel_config::SANDBOXES.iter();
    let others: String =
        others.map(|name| format!("[sandbox.{name}]\nenabled = false\n")).collect();
    std::fs::write(&path, format!("[bank]\nlisten = \"{address}\"\n{others}")).unwrap();
    let simulate = ["simulate", "--config", path.to_str().unwrap()];
    let complaint = said(&simulate, 1);
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    assert!(complaint.contains("--set bank.listen=IP:PORT"), "{complaint}");
    let sandbox = format!("sandbox.droppay.tls_listen={address}");
    let set = ["--set", "bank.listen=127.0.0.1:0", "--set", "sandbox.droppay.enabled=true"];
    let set = [&set[..], &["--set", "sandbox.droppay.listen=127.0.0.1:0", "--set", &sandbox]];
    let ran = run(&[&simulate[..], &set.concat()].concat());
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("[sandbox.droppay] names another"), "{}", ran.err);
}
