//! Terminals, switch and bank whose messages nothing delimits but themselves.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]

use std::time::{Duration, Instant};

use veksel_config::{Source, load_simulator, load_switch};
use veksel_server::Stopped;
use veksel_simulator::{bank, terminals};

#[path = "../../cli/tests/canary/watch.rs"]
mod watch;

const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happens() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Traffic through a switch, with these settings on both sides of it.
fn carries(dialect: &str, framing: &str, group: &str) {
    let folder = tempfile::tempdir().unwrap();
    let _watch = watch::watch().over(folder.path());
    let common = |section: &str| format!("[{section}.framing]\nlength = \"message\"\n{framing}");
    let dialect = format!("dialect = \"{dialect}\"\n");
    let simulator = format!(
        "[bank]\nlisten = \"127.0.0.1:0\"\ndatabase = \"bank.db\"\nmagic = false\n{dialect}{}\
         [terminals]\nrate = 200\n{dialect}{}",
        common("bank"),
        common("terminals"),
    );
    let known = ["cbs-ascii-bin", "cbs-bcd"];
    let source = Source::text("simulator.toml", simulator).folder(folder.path());
    let simulator = load_simulator(source.known_dialects(&known));
    let simulator = simulator.unwrap_or_else(|problems| panic!("{problems}"));
    let bank = bank::start(simulator.bank).unwrap();
    let address = bank.address();
    let switch = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"veksel.db\"\nkeys = \"veksel.key\"\n\
         [[participant]]\nname = \"channels\"\n\
         [[listener]]\nname = \"channels\"\nlisten = \"127.0.0.1:0\"\nparticipant = \"channels\"\n\
         {dialect}{}\
         [[group]]\nname = \"cbs\"\nconnect = [\"{address}\"]\n{dialect}{group}{}\
         [[route]]\nname = \"everything\"\ngroup = \"cbs\"\n",
        common("listener"),
        common("group"),
    );
    let source = Source::text("switch.toml", switch).folder(folder.path());
    let config = load_switch(source.known_dialects(&known));
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let switch = veksel_server::start(config).unwrap();
    until("the switch is ready", || switch.is_ready());
    let mut terminals = simulator.terminals.unwrap();
    terminals.connect.port = switch.address("channels").unwrap().port();
    let terminals = terminals::start(terminals).unwrap();
    until("answers", || terminals.snapshot().answered >= 200);
    let traffic = terminals.stop();
    assert_eq!(traffic.answered, traffic.sent, "{traffic:?}");
    assert_eq!(traffic.by_code.keys().collect::<Vec<_>>(), ["00"], "{traffic:?}");
    watch::search_page(switch.admin().unwrap(), "/metrics");
    assert_eq!(switch.stop(), Stopped::Asked);
    let summary = bank.stop().unwrap();
    assert!(summary.conserved && summary.requests >= 200, "{summary:?}");
}

#[test]
fn bare_messages_are_carried() {
    carries("cbs-ascii-bin", "", "");
}

#[test]
fn bare_messages_are_carried_by_a_host_that_takes_one_at_a_time() {
    carries("cbs-bcd", "tpdu = \"6000010000\"\ntrailer = \"0D0A\"\n", "exclusive = true\n");
}
