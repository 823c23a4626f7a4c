//! Reloads under load, by signal and by command, judged by the bank's ledger and the journal.
//!
//! `VEKSEL_RELOADS=200 cargo test -p veksel --test reload` is the long run. What is reloaded is
//! always the real binary, and what channels are told counts: a request that is not answered, or
//! answered 91 or 68 because of a reload, is a loss.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{Channels, PATIENCE, Rig, Style, http_get, judge, until, veksel, wanted};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(4);

/// Well-behaved channels and a well-behaved bank: whatever goes wrong is the reload's.
fn calm(seed: u64) -> Style {
    Style { late: 0, hang_up: 0, cancel: 0, ..Style::new(seed, DEADLINE) }
}

fn await_approvals(channels: &Channels, more: u64) {
    let goal = channels.approved() + more;
    until("payments to be approved", PATIENCE, || (channels.approved() >= goal).then_some(()));
}

fn rewrite(rig: &Rig, change: impl FnOnce(String) -> String) {
    let path = rig.file("switch.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the test changes nothing");
    std::fs::write(path, changed).unwrap();
}

/// What `veksel reload` says, and its exit code.
fn reload(rig: &Rig, more: &[&str]) -> (Option<i32>, Value) {
    let admin = format!("127.0.0.1:{}", rig.ports.admin);
    let arguments = ["reload", "--admin", &admin, "--operator", "ida", "--json"];
    let output = veksel(&[&arguments[..], more].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), value)
}

fn status(rig: &Rig) -> Value {
    let (code, body) = http_get(rig.ports.admin, "/status").unwrap();
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The effect that is told for a setting.
fn effect<'v>(told: &'v Value, path: &str) -> &'v str {
    let changes = told["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["path"] == path);
    change.map_or("none", |change| change["effect"].as_str().unwrap())
}

/// The serial numbers of host connections that are online and stay.
fn online(rig: &Rig) -> Vec<u64> {
    let report = status(rig);
    let sessions = report["groups"][0]["sessions"].as_array().unwrap().iter();
    let stays = sessions.filter(|s| s["state"] == "online" && s["being_replaced"] == false);
    stays.map(|session| session["connection"].as_u64().unwrap()).collect()
}

/// Waits until the host connections are so many and all made after `before`.
fn await_renewed(rig: &Rig, before: &[u64], count: usize) {
    let newest = before.iter().max().copied().unwrap_or(0);
    until("connections to be replaced", PATIENCE, || {
        let report = status(rig);
        let sessions = report["groups"][0]["sessions"].as_array().unwrap().clone();
        let is_new =
            |s: &Value| s["state"] == "online" && s["connection"].as_u64().unwrap() > newest;
        (sessions.len() == count && sessions.iter().all(is_new)).then_some(())
    });
}

#[test]
fn a_reload_under_load_loses_nothing() {
    let reloads = wanted("VEKSEL_RELOADS", 9);
    let mut rig = Rig::start();
    let channels = Channels::start(rig.ports.channels, calm(wanted("VEKSEL_SEED", 1)));
    await_approvals(&channels, 100);
    let mut connections = 4;
    for round in 0..reloads {
        let before = online(&rig);
        let (is_reconnect, by_signal) = (round % 3 == 1, round % 2 == 0);
        let old = connections;
        if is_reconnect {
            connections = if old == 4 { 2 } else { 4 };
        }
        rewrite(&rig, |text| {
            text.replace(&format!("connections = {old}"), &format!("connections = {connections}"))
                .replace("in_flight_max = 2000", &format!("in_flight_max = {}", 2001 + round))
                .replace(
                    &format!("in_flight_max = {}", 2000 + round),
                    &format!("in_flight_max = {}", 2001 + round),
                )
        });
        if by_signal {
            rig.switch.as_ref().unwrap().signal("HUP");
            until("the signal to be obeyed", PATIENCE, || {
                let most = &status(&rig)["participants"][0]["in_flight_max"];
                (most == 2001 + round).then_some(())
            });
        } else {
            let (code, told) = reload(&rig, &[]);
            assert_eq!(code, Some(0), "{told}");
            assert_eq!(effect(&told, "participant.channels.in_flight_max"), "live");
            let expected = if is_reconnect { "reconnect" } else { "none" };
            assert_eq!(effect(&told, "group.cbs.connections"), expected);
        }
        if is_reconnect {
            await_renewed(&rig, &before, connections);
        }
        await_approvals(&channels, 50);
    }
    let (unavailable, unknown) = (channels.unavailable(), channels.unknown());
    let verdict = judge(&mut rig, &channels.finish());
    eprintln!("{reloads} reloads\n{verdict}");
    verdict.must_be_clean();
    assert_eq!((unavailable, unknown, verdict.unanswered, verdict.reconnects), (0, 0, 0, 0));
    assert!(verdict.approved > 500, "too little happened: {verdict}");
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_all_of_them_are_said() {
    let mut rig = Rig::start();
    let channels = Channels::start(rig.ports.channels, calm(7));
    await_approvals(&channels, 20);
    let before = status(&rig);
    let good = std::fs::read_to_string(rig.file("switch.toml")).unwrap();
    rewrite(&rig, |text| {
        text.replace("in_flight_max = 2000", "in_flight_max = 0\ncolour = \"red\"")
            .replace("group = \"cbs\"", "group = \"cba\"")
    });
    let (code, told) = reload(&rig, &[]);
    assert_eq!(code, Some(1));
    let problems = told["problems"].as_array().unwrap().iter();
    let problems: Vec<_> = problems.filter(|problem| problem["severity"] == "error").collect();
    assert_eq!(problems.len(), 3, "{told}");
    for problem in problems {
        assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
    }
    rig.switch.as_ref().unwrap().signal("HUP");
    // A dialect that does not exist is found by reading it, not by reading the configuration.
    std::fs::write(rig.file("mine.toml"), "extends = \"cbs-ascii-bin\"\nnonsense = 1\n").unwrap();
    std::fs::write(
        rig.file("switch.toml"),
        good.replace("connections = 4", "connections = 7\ndialect = \"mine.toml\""),
    )
    .unwrap();
    let (code, told) = reload(&rig, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told["problems"][0]["message"].as_str().unwrap().contains("nonsense"), "{told}");
    await_approvals(&channels, 20);
    let after = status(&rig);
    assert_eq!(
        before["participants"][0]["in_flight_max"],
        after["participants"][0]["in_flight_max"]
    );
    assert_eq!(before["groups"][0]["sessions"].as_array().unwrap().len(), 4);
    let serials = |report: &Value| -> Vec<Value> {
        let sessions = report["groups"][0]["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session["connection"].clone()).collect()
    };
    assert_eq!(serials(&before), serials(&after), "no connection was touched");
    // What would change can be asked for first, and what needs a restart is left as it was.
    std::fs::write(
        rig.file("switch.toml"),
        good.replace("path = \"veksel.db\"", "path = \"other.db\"")
            .replace("in_flight_max = 2000", "in_flight_max = 1999"),
    )
    .unwrap();
    for trial in [true, false] {
        let (code, told) = reload(&rig, if trial { &["--trial"] } else { &[] });
        assert_eq!((code, &told["applied"]), (Some(0), &Value::Bool(!trial)), "{told}");
        assert_eq!(effect(&told, "store.path"), "restart");
        let most = &status(&rig)["participants"][0]["in_flight_max"];
        assert_eq!(*most, if trial { 2000 } else { 1999 });
    }
    let (_, told) = reload(&rig, &[]);
    assert_eq!(told["changes"].as_array().unwrap().len(), 1, "still to be done: {told}");
    assert!(!rig.file("other.db").exists());
    let verdict = judge(&mut rig, &channels.finish());
    verdict.must_be_clean();
    assert_eq!(verdict.unanswered, 0);
}

#[test]
fn new_parts_are_taken_in_and_used() {
    let mut rig = Rig::start();
    let port = stage::free_port();
    rewrite(&rig, |text| {
        format!(
            "{text}\n[[participant]]\nname = \"branch\"\n[[listener]]\nname = \"branch\"\n\
             listen = \"127.0.0.1:{port}\"\nparticipant = \"branch\"\nchannel_timeout = \"4s\"\n\
             [[group]]\nname = \"second\"\nconnect = [\"127.0.0.1:{}\"]\nconnections = 1\n\
             [group.deadlines]\npayment = \"1s\"\n[[route]]\nname = \"of-branch\"\n\
             group = \"second\"\n",
            rig.ports.bank
        )
        .replace(
            "[[route]]\nname = \"everything\"",
            "[[route]]\nname = \"everything\"\n\
                  participants = [\"channels\"]",
        )
    });
    let (code, told) = reload(&rig, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(effect(&told, "listener.branch.listen"), "live");
    until("the new group to be signed on", PATIENCE, || {
        let report = status(&rig);
        (report["groups"][1]["sessions"][0]["state"] == "online").then_some(())
    });
    let channels = Channels::start(port, calm(3));
    await_approvals(&channels, 50);
    let report = status(&rig);
    let frames = report["links"].as_array().unwrap().iter();
    let second = frames.filter(|link| link["name"] == "second.1").map(|l| l["frames_in"].as_u64());
    assert!(second.flatten().sum::<u64>() >= 50, "{report}");
    judge(&mut rig, &channels.finish()).must_be_clean();
}

/// Keys are read again under the same names, and both are accepted while they change.
#[test]
fn keys_change_without_a_lost_request() {
    let mut rig = Rig::prepare(|_| {});
    let key = |name: &str, digits: &str| {
        std::fs::write(rig.file(name), digits).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(rig.file(name), mode).unwrap();
    };
    let (first, second) = ("11223344556677880123456789abcdef", "a1b2c3d4e5f60718293a4b5c6d7e8f90");
    let to_switch = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    key("make.key", first);
    key("first.key", first);
    key("second.key", second);
    key("bank.key", to_switch);
    let table = |section: &str, accept: &str, make: &str| {
        format!(
            "[{section}.mac]\nalgorithm = \"aes-cmac\"\naccept = [{accept}]\nmake = \"{make}\"\n"
        )
    };
    let bank = std::fs::read_to_string(rig.file("simulator.toml")).unwrap();
    let accepts = table("bank", "\"first.key\", \"second.key\"", "bank.key");
    std::fs::write(rig.file("simulator.toml"), format!("{bank}{accepts}")).unwrap();
    rewrite(&rig, |text| {
        let mac = table("group", "\"bank.key\"", "make.key");
        text.replace("[group.session]", &format!("{mac}[group.session]"))
    });
    rig.start_bank();
    rig.start_switch();
    let channels = Channels::start(rig.ports.channels, calm(5));
    await_approvals(&channels, 50);
    let before = online(&rig);
    std::fs::write(rig.file("make.key"), second).unwrap();
    let (code, told) = reload(&rig, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told["changes"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(told["keys"][0]["link"], "cbs.1");
    assert!(!told.to_string().contains(second), "a key is never shown");
    await_approvals(&channels, 100);
    assert_eq!(online(&rig), before, "no connection was touched");
    // One that others may read changes nothing.
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(rig.file("make.key"), mode).unwrap();
    let (code, told) = reload(&rig, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told["problems"][0]["message"].as_str().unwrap().contains("644"), "{told}");
    await_approvals(&channels, 20);
    let (unavailable, unknown) = (channels.unavailable(), channels.unknown());
    judge(&mut rig, &channels.finish()).must_be_clean();
    assert_eq!((unavailable, unknown), (0, 0));
}

/// A channel asks for the next key by its check value, and everything goes on under it, over a
/// reload of the same file, too.
#[test]
fn a_channel_changes_keys() {
    let mut rig = Rig::prepare(|_| {});
    for (number, name) in
        ["first.key", "second.key", "to-first.key", "to-second.key"].into_iter().enumerate()
    {
        let key: String =
            (0..16).map(|place| format!("{:02x}", place * 13 + number * 3 + 1)).collect();
        std::fs::write(rig.file(name), key).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(rig.file(name), mode).unwrap();
    }
    rewrite(&rig, |text| {
        let mac = "[listener.mac]\nalgorithm = \"aes-cmac\"\naccept = [\"first.key\"]\n\
                   make = \"to-first.key\"\nnext_accept = \"second.key\"\n\
                   next_make = \"to-second.key\"\noverlap = \"1s\"\n[[group]]";
        text.replacen("[[group]]", mac, 1)
    });
    rig.start_bank();
    rig.start_switch();
    let to = rig.to();
    let path = |name: &str| rig.file(name).display().to_string();
    let send = |keys: &str, what: &[&str]| {
        let (make, accept) = keys.split_once(' ').unwrap();
        let mac = format!("aes-cmac,make={},accept={}", path(make), path(accept));
        let common = ["--to", &to, "--mac", &mac, "--json"];
        let output = veksel(&[&["send"], what, &common[..]].concat());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), told)
    };
    let (old, new) = ("first.key to-first.key", "second.key to-second.key");
    assert_eq!(send(old, &["echo"]).0, Some(0));
    assert_eq!(send(new, &["echo"]).0, Some(1), "not yet");
    let text = format!(
        "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\nlisten = \"127.0.0.1:1\"\n\
         participant = \"a\"\n[listener.mac]\nalgorithm = \"aes-cmac\"\naccept = [\"{}\"]\n\
         [[group]]\nname = \"b\"\nconnect = [\"127.0.0.1:2\"]\n[[route]]\nname = \"r\"\n\
         group = \"b\"\n",
        path("second.key")
    );
    let config = veksel_config::load_switch(veksel_config::Source::text("t", text)).unwrap();
    let veksel_config::SocketConfig::Listen(listen) = &config.sockets[0] else {
        unreachable!("the first is a listener")
    };
    let dialect = veksel_codecs::Dialect::shipped("cbs-ascii-bin").unwrap();
    let codec = veksel_codecs::Codec::new(dialect);
    let macs = veksel_link::Macs::load(listen.mac.as_ref().unwrap(), &codec).unwrap();
    let value = macs.check_values().0.remove(0);
    let change = |value: &str| {
        let check = format!("48={value}");
        send(old, &["--mti", "0800", "--set", "70=101", "--set", &check, "--no-check"])
    };
    let (code, told) = change("000000");
    assert_eq!((code, told["response_code"].as_str()), (Some(1), Some("63")), "{told}");
    let (code, told) = change(&value);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(send(new, &["echo"]).0, Some(0));
    assert_eq!(reload(&rig, &[]).0, Some(0));
    assert_eq!(send(new, &["echo"]).0, Some(0), "a reload takes nothing back");
    until("the old key to be refused", PATIENCE, || {
        (send(old, &["echo"]).0 == Some(1)).then_some(())
    });
    assert_eq!(send(new, &["balance", "--account", "10000000002"]).0, Some(0));
    rig.stop();
}
