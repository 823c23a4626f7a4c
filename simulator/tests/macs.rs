//! Terminals, switch and bank that authenticate every message, and a bank with the wrong key.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veksel_config::{BankConfig, Source, TerminalsConfig, load_simulator, load_switch};
use veksel_server::{Running, Stopped};
use veksel_simulator::bank::{self, RunningBank};
use veksel_simulator::terminals::{self, Traffic};

#[path = "../../cli/tests/canary/watch.rs"]
mod watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// A key that differs from name to name.
fn key(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let key: Vec<u8> = name.bytes().chain(1..).take(16).collect();
    fs::write(&path, key.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).unwrap();
    watch::never(name, key);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// A `mac` table: keys of the peer, and the own one.
fn table(section: &str, accept: &str, make: &str, network: bool) -> String {
    format!(
        "[{section}.mac]\nalgorithm = \"retail\"\naccept = [\"{accept}\"]\nmake = \"{make}\"\n\
         network = {network}\nfailures_max = 60000\n"
    )
}

struct World {
    bank: RunningBank,
    switch: Running,
    terminals: TerminalsConfig,
    _watch: watch::Watch,
    /// Goes last.
    _folder: tempfile::TempDir,
}

/// A bank that signs with `banks_key`, where the switch believes only `bank.key`.
fn world(banks_key: &str, network: bool) -> World {
    let folder = tempfile::tempdir().unwrap();
    let watch = watch::watch().over(folder.path());
    let path = folder.path();
    for name in ["atm.key", "to-atm.key", "to-bank.key", "bank.key", "wrong.key"] {
        key(path, name);
    }
    let simulator = format!(
        "[bank]\nlisten = \"127.0.0.1:0\"\ndatabase = \"bank.db\"\nmagic = false\n{}\
         [terminals]\nrate = 200\n{}",
        table("bank", "to-bank.key", banks_key, network),
        table("terminals", "to-atm.key", "atm.key", true),
    );
    let source = Source::text("simulator.toml", simulator).folder(path);
    let simulator = load_simulator(source).unwrap_or_else(|problems| panic!("{problems}"));
    let bank: BankConfig = simulator.bank;
    let bank = bank::start(bank).unwrap();
    let address = bank.address();
    let switch = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"veksel.db\"\nkeys = \"veksel.key\"\n\
         [[participant]]\nname = \"channels\"\n\
         [[listener]]\nname = \"channels\"\nlisten = \"127.0.0.1:0\"\nparticipant = \"channels\"\n\
         channel_timeout = \"6s\"\n{}\
         [[group]]\nname = \"cbs\"\nconnect = [\"{address}\"]\n{}\
         [group.deadlines]\npayment = \"800ms\"\ninquiry = \"800ms\"\nstatement = \"800ms\"\n\
         [group.breaker]\nfailures_max = 10000\ncalls_min = 1000000\nslow = \"700ms\"\n\
         [group.reversals]\nguard = \"2s\"\n\
         [[route]]\nname = \"everything\"\ngroup = \"cbs\"\n",
        table("listener", "atm.key", "to-atm.key", true),
        table("group", "bank.key", "to-bank.key", network),
    );
    let source = Source::text("switch.toml", switch).folder(path);
    let config = load_switch(source).unwrap_or_else(|problems| panic!("{problems}"));
    let switch = veksel_server::start(config).unwrap();
    until(|| switch.is_ready());
    let mut terminals = simulator.terminals.unwrap();
    terminals.connect.port = switch.address("channels").unwrap().port();
    World { bank, switch, terminals, _watch: watch, _folder: folder }
}

fn until(mut happens: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happens() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn traffic(world: &World) -> Traffic {
    let terminals = terminals::start(world.terminals.clone()).unwrap();
    until(|| terminals.snapshot().answered >= 100);
    terminals.stop()
}

#[test]
fn everything_works_when_everybody_has_the_keys() {
    let world = world("bank.key", true);
    let traffic = traffic(&world);
    assert_eq!(traffic.answered, traffic.sent, "{traffic:?}");
    assert_eq!(traffic.by_code.keys().collect::<Vec<_>>(), ["00"], "{traffic:?}");
    assert_eq!(world.switch.stop(), Stopped::Asked);
    assert!(world.bank.stop().unwrap().conserved);
}

/// The bank executes and its answers are no answers: nothing is approved, and what moved money is
/// being undone.
#[test]
fn an_answer_with_a_wrong_mac_is_never_an_approval() {
    let world = world("wrong.key", false);
    let traffic = traffic(&world);
    assert_eq!(traffic.answered, traffic.sent, "{traffic:?}");
    assert!(!traffic.by_code.contains_key("00"), "{traffic:?}");
    assert!(traffic.by_code.get("68").is_some_and(|count| *count > 0), "{traffic:?}");
    assert!(traffic.movements.is_empty());
    assert_eq!(world.switch.stop(), Stopped::Asked);
    let summary = world.bank.stop().unwrap();
    assert!(summary.conserved && summary.requests > 0, "{summary:?}");
}
