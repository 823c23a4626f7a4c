//! Alarms of the whole process: the variable of the address, signals, errors in the log, and
//! standard error where there is no channel.

use crate::stage::{PATIENCE, Process, until};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_simulator::sandbox::notify::Notify;
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

fn channel() -> (RunningSandboxes, Notify) {
    let clock = Clock::default();
    let notify = Notify::new(clock.clone());
    let mount = Mount {
        name: "notify".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        sandbox: Arc::new(notify.clone()),
    };
    (start(vec![mount], clock).unwrap(), notify)
}

/// A switch on ports of its own, from a file in this folder.
fn switch(folder: &Path, address: Option<&str>) -> Process {
    let file = folder.join("switch.toml");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/switch.toml");
    std::fs::copy(example, &file).unwrap();
    let file = file.display().to_string();
    let mut arguments = vec!["run", "--config", file.as_str()];
    for set in [
        "listener.channels.listen=127.0.0.1:0",
        "admin.listen=127.0.0.1:0",
        "alert.allow_private=true",
    ] {
        arguments.extend(["--set", set]);
    }
    let variables: Vec<_> = address.map(|at| ("SLACK_WEBHOOK_URL", at)).into_iter().collect();
    Process::start_with(&arguments, &variables, &folder.join("log"))
}

/// What it printed until its end.
fn end(mut switch: Process) -> String {
    switch.signal("TERM");
    let code = until("the switch to end", PATIENCE, || switch.ended());
    let said = switch.printed();
    assert_eq!(code, Some(0), "{said}");
    said
}

#[track_caller]
fn wait_for(notify: &Notify, part: &str) -> String {
    let begun = Instant::now();
    loop {
        let found = notify.messages().into_iter().find(|one| one.text.contains(part));
        if let Some(found) = found {
            return found.text;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no {part}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn start_errors_and_stop_of_a_process_are_told_in_the_channel() {
    let folder = tempfile::tempdir().unwrap();
    let (sandboxes, notify) = channel();
    let address = sandboxes.address("notify").unwrap();
    let child = switch(folder.path(), Some(&format!("http://{address}/services/T0/B0/hushhush")));
    let said = wait_for(&notify, "Title: App startup");
    assert!(said.starts_with("\u{2139}\u{fe0f} Veksel Sandbox Alert \u{2014} Info\n"), "{said}");
    // Eight mistakes in a file that is to be read again are eight errors in the log.
    let wrong: String = (0..8).map(|number| format!("wrong_{number} = 1\n")).collect();
    std::fs::write(folder.path().join("switch.toml"), wrong).unwrap();
    child.signal("HUP");
    let said = wait_for(&notify, "Title: Error spike detected");
    assert!(said.contains("Alert \u{2014} Critical\n"), "{said}");
    assert!(said.contains(" errors in the last 60 seconds\nTime: "), "{said}");
    let log = end(child);
    wait_for(&notify, "Title: App shutdown");
    assert!(!log.contains("hushhush"), "{log}");
}

#[test]
fn without_an_address_alarms_are_lines_of_json_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let child = switch(folder.path(), None);
    // It takes signals by the time it says that it has started.
    until("its start", PATIENCE, || child.printed().contains("App startup").then_some(()));
    let log = end(child);
    for title in ["App startup", "App shutdown"] {
        let line = log.lines().find(|line| line.contains(title));
        let line = line.unwrap_or_else(|| panic!("no {title}: {log}"));
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["severity"], &line["title"]), (&"info".into(), &title.into()));
        assert_eq!(line["target"], "veksel_alert");
    }
}
