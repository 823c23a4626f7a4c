//! A bank whose amounts decide how it answers, and a switch with a caller and a channel.

use crate::watch::{Watch, watch};
use bytes::BytesMut;
use rusqlite::{Connection, OpenFlags};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use veksel_codecs::{Codec, Dialect, Framing, Message, Step};
use veksel_config::{BankConfig, BankProfile, DialectName, Source, load_switch};
use veksel_server::{Running, StartError, Stopped};
use veksel_simulator::bank::{self, Faults, RunningBank};

/// How long anything may take that must happen. Two busy cores are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The API keys of the callers.
pub(crate) const APP_KEY: &str = "key-of-app-1";
pub(crate) const SHOP_KEY: &str = "key-of-shop-1";

/// How late the bank answers an amount that ends in 68.
pub(crate) const LATE_MS: u64 = 2_000;

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// See the module.
pub(crate) struct Rig {
    pub(crate) bank: RunningBank,
    pub(crate) switch: Option<Running>,
    /// Where the switch finds its bank.
    host: SocketAddr,
    _watch: Watch,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch().over(folder.path());
        let config = BankConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
            framing: Framing::binary2(),
            mac: None,
            tls: None,
            name: "Bank of callers".to_owned(),
            database: folder.path().join("bank.db"),
            seeds: None,
            institution: "600001".to_owned(),
            magic: true,
            late_ms: LATE_MS,
            hold_days: 7,
            statement_lines: 10,
            profile: BankProfile::Ideal,
            faults: Faults::NONE,
        };
        let bank = bank::start(config).unwrap();
        for (name, key) in [("app.key", APP_KEY), ("shop.key", SHOP_KEY)] {
            let path = folder.path().join(name);
            std::fs::write(&path, key).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let host = bank.address();
        let mut rig = Self { bank, switch: None, host, folder, _watch: watch };
        rig.start_switch();
        rig
    }

    /// Another bank is asked from now on.
    pub(crate) fn ask_at(&mut self, host: SocketAddr) {
        self.stop_switch();
        self.host = host;
        self.start_switch();
    }

    /// Starts the switch, on the journal that is there.
    pub(crate) fn start_switch(&mut self) {
        self.try_switch("").unwrap();
    }

    /// The same with more in `[http]`; says why it does not start.
    pub(crate) fn try_switch(&mut self, http: &str) -> Result<(), StartError> {
        let text = switch_toml(&self.host.to_string(), http);
        let folder = self.folder.path().to_owned();
        let load = move || load_switch(Source::text("switch.toml", text.as_str()).folder(&folder));
        let config = load().unwrap_or_else(|problems| panic!("{problems}"));
        let switch = veksel_server::start_from(config, Box::new(load))?;
        until("the switch to be ready", || switch.is_ready().then_some(()));
        self.switch = Some(switch);
        Ok(())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn switch(&self) -> &Running {
        self.switch.as_ref().unwrap()
    }

    pub(crate) fn stop_switch(&mut self) {
        assert_eq!(self.switch.take().unwrap().stop(), Stopped::Asked);
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.switch().http().unwrap()
    }

    pub(crate) fn channel(&self) -> Channel {
        let port = self.switch().address("channels").unwrap().port();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Channel { stream, codec: Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap()) }
    }

    pub(crate) fn journal(&self) -> Connection {
        read_only(&self.folder.path().join("veksel.db"))
    }

    /// One text of the journal about a transaction, or nothing yet.
    pub(crate) fn says(&self, sql: &str, rrn: &str) -> Option<String> {
        let said = self.journal().query_row(sql, [rrn], |row| row.get(0));
        match said {
            Ok(text) => Some(text),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// What callers call the payment of this amount, once it is recorded.
    pub(crate) fn payment(&self, minor: u64) -> String {
        let minor = i64::try_from(minor).unwrap();
        let sql = "SELECT rrn || stan FROM v_transactions WHERE amount_minor = ?1";
        until("the payment to be recorded", || {
            let found = self.journal().query_row(sql, [minor], |row| row.get(0));
            found.ok()
        })
    }

    pub(crate) fn state(&self, rrn: &str) -> Option<String> {
        self.says("SELECT state FROM v_transactions WHERE rrn = ?1", rrn)
    }

    /// How often a transaction was executed, and the minor units that moved and did not move back.
    pub(crate) fn ledger(&self, rrn: &str) -> (i64, i64) {
        let sql = "SELECT coalesce(sum(reverses IS NULL), 0),
            coalesce(sum(iif(reverses IS NULL, amount_minor, -amount_minor)), 0)
            FROM v_transfers WHERE rrn = ?1";
        let ledger = read_only(&self.folder.path().join("bank.db"));
        ledger.query_row(sql, [rrn], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    pub(crate) fn stop(mut self) {
        if self.switch.is_some() {
            self.stop_switch();
        }
        let summary = self.bank.stop().unwrap();
        assert!(summary.conserved && summary.sum_minor == 0, "{summary:?}");
    }
}

fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(PathBuf::from(path), flags).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// A channel over TCP.
pub(crate) struct Channel {
    stream: TcpStream,
    codec: Codec,
}

impl Channel {
    pub(crate) fn ask(&mut self, message: &Message) -> Message {
        let mut frame = BytesMut::new();
        let framing = Framing::binary2();
        framing.encode(&[], &mut frame, |out| self.codec.encode(message, out)).unwrap();
        self.stream.write_all(&frame).unwrap();
        let mut input = Vec::new();
        loop {
            if let Step::Frame { message: body, .. } = framing.decode(&input).unwrap() {
                let mut answer = Message::new();
                self.codec.decode_into(body, &mut answer).unwrap();
                return answer;
            }
            let mut some = [0; 1_024];
            let read = self.stream.read(&mut some).unwrap();
            assert!(read > 0, "the switch closed the connection");
            input.extend(&some[..read]);
        }
    }
}

fn switch_toml(bank: &str, http: &str) -> String {
    format!(
        r#"
[switch]
drain = "20s"
record_inquiries = true
[admin]
listen = "127.0.0.1:0"
[store]
path = "veksel.db"
keys = "veksel.key"
[http]
listen = "127.0.0.1:0"
answer = "20s"
{http}
[[participant]]
name = "channels"
[[participant]]
name = "app"
[[participant]]
name = "shop"
[[caller]]
name = "app"
participant = "app"
key_file = "app.key"
permissions = ["*"]
[[caller]]
name = "shop"
participant = "shop"
key_file = "shop.key"
permissions = ["account_balance"]
[[listener]]
name = "channels"
listen = "127.0.0.1:0"
participant = "channels"
[[group]]
name = "cbs"
connect = ["{bank}"]
connections = 2
reconnect_min = "10ms"
reconnect_max = "50ms"
[group.reversals]
retry = "50ms"
retry_max = "300ms"
[[route]]
name = "everything"
group = "cbs"
"#
    )
}
