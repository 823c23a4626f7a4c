//! A bank and a switch in one process and one folder, with times that a test can wait for.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use veksel_codecs::Framing;
use veksel_config::{BankConfig, BankProfile, DialectName, Faults, Source, load_switch};
use veksel_server::{Running, Stopped};
use veksel_simulator::bank::{self, RunningBank};

use crate::channel::Told;
use crate::judge::{Verdict, examine};
use crate::watch::{Watch, search_page, watch};

/// How long anything may take that must happen. Two busy cores are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How late late answers are: after the switch has given up on them.
const LATE_MS: u64 = 700;

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A number from the environment, for runs longer than those of every change.
pub(crate) fn wanted(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

/// See the module. The folder is kept when a test fails.
pub(crate) struct Rig {
    bank: RunningBank,
    switch: Running,
    _watch: Watch,
    folder: Folder,
}

struct Folder(Option<tempfile::TempDir>, PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.0.take()
        {
            let folder = folder.keep();
            let _ = writeln!(std::io::stderr(), "evidence is kept in {}", folder.display());
        }
    }
}

impl Rig {
    /// A bank with these faults and a switch that is signed on to it.
    pub(crate) fn start(profile: BankProfile, faults: Faults) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch().over(folder.path());
        let path = folder.path().to_owned();
        let config = BankConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
            framing: Framing::binary2(),
            mac: None,
            tls: None,
            name: "Bad Bank".to_owned(),
            database: path.join("bank.db"),
            seeds: None,
            institution: "600001".to_owned(),
            magic: false,
            late_ms: LATE_MS,
            hold_days: 7,
            statement_lines: 10,
            profile,
            faults,
        };
        let bank = bank::start(config).unwrap();
        let text = switch_toml(&bank.address().to_string());
        let config = load_switch(Source::text("switch.toml", text).folder(&path));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let switch = veksel_server::start(config).unwrap();
        until("the switch to be ready", || switch.is_ready().then_some(()));
        Self { bank, switch, folder: Folder(Some(folder), path), _watch: watch }
    }

    pub(crate) fn bank(&self) -> &RunningBank {
        &self.bank
    }

    pub(crate) fn switch(&self) -> &Running {
        &self.switch
    }

    pub(crate) fn channels(&self) -> u16 {
        self.switch.address("channels").unwrap().port()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.1.join("veksel.db")
    }

    pub(crate) fn reversals_open(&self) -> u64 {
        count(
            &read_only(&self.journal()),
            "SELECT count(*) FROM v_reversals WHERE state = 'reversing'",
        )
    }

    /// Waits until no transaction is open and no reversal is on its way.
    pub(crate) fn await_calm(&self) -> Result<(), String> {
        let journal = read_only(&self.journal());
        let open = "SELECT count(*) FROM v_transactions WHERE state IN ('open', 'reversing')";
        let reversing = "SELECT count(*) FROM v_reversals WHERE state = 'reversing'";
        let start = Instant::now();
        loop {
            let (open, reversing) = (count(&journal, open), count(&journal, reversing));
            if open == 0 && reversing == 0 {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!(
                    "{PATIENCE:?} after healing {open} transactions are open and {reversing} \
                     reversals on their way"
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for calm, stops everything and judges.
    pub(crate) fn judge(self, told: &Told) -> Verdict {
        let calm = self.await_calm();
        let journal = self.journal();
        let Self { bank, switch, mut folder, _watch: watch } = self;
        search_page(switch.admin().unwrap(), "/metrics");
        assert_eq!(switch.stop(), Stopped::Asked);
        let summary = bank.stop().unwrap();
        let ledger = folder.1.join("bank.db");
        let mut verdict = examine(&read_only(&journal), &read_only(&ledger), told);
        verdict.violations.extend(calm.err());
        if !summary.conserved || summary.sum_minor != 0 {
            verdict.violations.push(format!("the ledger is not conserved: {summary:?}"));
        }
        drop(watch);
        if !verdict.violations.is_empty() {
            let kept = folder.0.take().map(tempfile::TempDir::keep).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "evidence is kept in {}", kept.display());
        }
        verdict
    }
}

pub(crate) fn count(database: &Connection, sql: &str) -> u64 {
    let count: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    count.unsigned_abs()
}

pub(crate) fn read_only(path: &std::path::Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// The breaker is made patient: what it would keep from the bank could meet no fault.
fn switch_toml(bank: &str) -> String {
    format!(
        r#"
[switch]
drain = "5s"
[admin]
listen = "127.0.0.1:0"
[store]
path = "veksel.db"
keys = "veksel.key"
[[participant]]
name = "channels"
in_flight_max = 2000
[[listener]]
name = "channels"
listen = "127.0.0.1:0"
participant = "channels"
channel_timeout = "4s"
[[group]]
name = "cbs"
connect = ["{bank}"]
connections = 4
tombstone = "30s"
connect_timeout = "1s"
reconnect_min = "10ms"
reconnect_max = "50ms"
[group.session]
answer = "1s"
[group.deadlines]
payment = "500ms"
inquiry = "500ms"
statement = "500ms"
[group.breaker]
failures_max = 1000
calls_min = 100000
slow = "400ms"
open = "100ms"
open_max = "500ms"
[group.reversals]
answer = "300ms"
retry = "50ms"
retry_max = "300ms"
guard = "1s"
window_max = 64
[[route]]
name = "everything"
group = "cbs"
"#
    )
}
