//! A bank, a switch and a platform that a test plays: its keys on a port, its requests signed by
//! hand.

use crate::client::{self, Answer};
use crate::watch::{Watch, never, search_page, watch};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rusqlite::{Connection, OpenFlags};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use veksel_codecs::Framing;
use veksel_config::{BankConfig, BankProfile, DialectName, Faults, Source, load_switch};
use veksel_core::time::Utc;
use veksel_server::{Running, Stopped};
use veksel_simulator::bank::{self, Desk, RunningBank};
use veksel_store::{Keys, SqliteStore, Store as _};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;

/// How long anything may take that must happen. Two busy cores are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How late late answers of the bank are: after every budget of these tests.
pub(crate) const LATE_MS: u64 = 2_500;

/// USD, with money on it.
pub(crate) const ACCOUNT: &str = "10000000011";

/// Milliseconds since 1970, after everything that was recorded and before everything that will be.
pub(crate) fn turn_of_time() -> u64 {
    let now = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    };
    let turn = now() + 1;
    until("the clock to go on", || (now() > turn).then_some(turn))
}

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

/// A key of the platform.
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: RsaKeyPair,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Arc<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Arc::new(Self { kid: kid.to_owned(), pair })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    pub(crate) fn jwk(&self) -> String {
        let public = self.pair.public_key().as_ref();
        let (_, RSAPublicKey { modulus, exponent }) = RSAPublicKey::from_der(public).unwrap();
        let part = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(&number[zeros..])
        };
        jwk(&self.kid, &part(modulus), &part(exponent))
    }
}

pub(crate) fn jwk(kid: &str, n: &str, e: &str) -> String {
    format!(r#"{{"kty":"RSA","alg":"RS256","use":"sig","kid":"{kid}","n":"{n}","e":"{e}"}}"#)
}

/// Where keys are published.
pub(crate) struct KeyHost {
    pub(crate) address: SocketAddr,
    /// `None` is an outage.
    set: Arc<Mutex<Option<String>>>,
    pub(crate) asked: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl KeyHost {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let set: Arc<Mutex<Option<String>>> = Arc::default();
        let (asked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let host = Self { address, set, asked, stop };
        let (set, asked) = (Arc::clone(&host.set), Arc::clone(&host.asked));
        let stop = Arc::clone(&host.stop);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut bytes = Vec::new();
                let mut piece = [0; 1_024];
                while !bytes.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break,
                        Ok(count) => bytes.extend_from_slice(&piece[..count]),
                    }
                }
                asked.fetch_add(1, Ordering::Relaxed);
                let set = set.lock().unwrap().clone();
                let (status, body) = set.map_or(("503 No", String::new()), |set| ("200 OK", set));
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
                let _ =
                    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
            }
        });
        host
    }

    pub(crate) fn publish(&self, keys: &[String]) {
        *self.set.lock().unwrap() = Some(format!(r#"{{"keys":[{}]}}"#, keys.join(",")));
    }

    pub(crate) fn go_down(&self) {
        *self.set.lock().unwrap() = None;
    }
}

impl Drop for KeyHost {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread up, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// A request before it is signed.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) idempotency: String,
    /// Milliseconds from now.
    pub(crate) ahead_ms: i64,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Asked {
    fn new(method: &'static str, path: &str, body: String) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let idempotency = format!("{number}-{}", std::process::id());
        Self { method, path: path.to_owned(), body, idempotency, ahead_ms: 0 }
    }

    pub(crate) fn hold(id: &str, account: &str, amount: &str, currency: &str) -> Self {
        let body = format!(
            r#"{{"id":"{id}","accountId":"{account}","cardId":"c-1","amount":{{"amount":"{amount}","currency":"{currency}"}}}}"#
        );
        Self::new("POST", "/holds", body)
    }

    pub(crate) fn change(id: &str, amount: &str, currency: &str) -> Self {
        let body = format!(r#"{{"amount":{{"amount":"{amount}","currency":"{currency}"}}}}"#);
        Self::new("PATCH", &format!("/holds/{id}"), body)
    }

    pub(crate) fn transaction(id: &str, account: &str, amount: &str, currency: &str) -> Self {
        let body = format!(
            r#"{{"id":"{id}","accountId":"{account}","amount":{{"amount":"{amount}","currency":"{currency}"}}}}"#
        );
        Self::new("POST", "/transactions", body)
    }

    pub(crate) fn keyed(mut self, idempotency: &str) -> Self {
        idempotency.clone_into(&mut self.idempotency);
        self
    }

    pub(crate) fn headers(&self, key: &Key) -> Vec<(String, String)> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_millis()).unwrap() + self.ahead_ms;
        let signed = format!("{}.{now}.{}", self.idempotency, self.body);
        [
            ("Content-Type", "application/json".to_owned()),
            ("X-Key-Id", key.kid.clone()),
            ("X-Idempotency-Key", self.idempotency.clone()),
            ("X-Timestamp", now.to_string()),
            ("X-Signature", key.sign(signed.as_bytes())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// See the module.
pub(crate) struct Rig {
    bank: Option<RunningBank>,
    switch: Option<Running>,
    runtime: tokio::runtime::Runtime,
    _watch: Watch,
    folder: tempfile::TempDir,
    listen: SocketAddr,
    /// More lines of `[extauth]`, and of what stands after it.
    extra: String,
    pub(crate) keys: KeyHost,
    pub(crate) key: Arc<Key>,
}

impl Rig {
    /// With more lines of `[extauth]`, and holds that live for so many days.
    pub(crate) fn with(extra: &str, hold_days: u32) -> Self {
        let keys = KeyHost::start();
        let key = Key::new("one");
        keys.publish(&[key.jwk()]);
        let extra = format!("keys_url = \"http://{}/keys\"\n{extra}", keys.address);
        let any = ([127, 0, 0, 1], 0).into();
        Self::around(extra, hold_days, keys, key, any)
    }

    /// For a platform whose keys are elsewhere; the switch is called at this address.
    pub(crate) fn of_platform(keys_url: &str, extra: &str, listen: SocketAddr) -> Self {
        let extra = format!("keys_url = \"{keys_url}\"\nkeys_refresh = \"200ms\"\n{extra}");
        let (keys, key) = (KeyHost::start(), Key::new("none"));
        Self::around(extra, 7, keys, key, listen)
    }

    fn around(
        extra: String,
        hold_days: u32,
        keys: KeyHost,
        key: Arc<Key>,
        listen: SocketAddr,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch().over(folder.path());
        let config = BankConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
            framing: Framing::binary2(),
            mac: None,
            tls: None,
            name: "Bank".to_owned(),
            database: folder.path().join("bank.db"),
            seeds: None,
            institution: "600001".to_owned(),
            magic: true,
            late_ms: LATE_MS,
            hold_days,
            statement_lines: 10,
            profile: BankProfile::Ideal,
            faults: Faults::default(),
        };
        let bank = bank::start(config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bank = Some(bank);
        let mut rig =
            Self { bank, switch: None, runtime, folder, listen, extra, keys, key, _watch: watch };
        rig.start_switch();
        rig
    }

    fn start_switch(&mut self) {
        let bank = self.bank.as_ref().unwrap().address().to_string();
        let text = switch_toml(&bank, self.listen, &self.extra);
        let config = load_switch(Source::text("switch.toml", text).folder(self.folder.path()));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let switch = veksel_server::start(config).unwrap();
        until("the switch to be ready", || switch.is_ready().then_some(()));
        self.switch = Some(switch);
    }

    /// Stops the switch and starts another on its journal.
    pub(crate) fn restart(&mut self) {
        assert_eq!(self.switch.take().unwrap().stop(), Stopped::Asked);
        self.start_switch();
    }

    /// The same, and what is older than this many milliseconds since 1970 is forgotten meanwhile.
    pub(crate) fn restart_without(&mut self, before_ms: u64) {
        assert_eq!(self.switch.take().unwrap().stop(), Stopped::Asked);
        let keys = Arc::new(Keys::load(&self.folder.path().join("veksel.key")).unwrap());
        let journal = SqliteStore::open(&self.journal(), keys).unwrap();
        let mut journal = journal.keeping_whole(["platform".to_owned()]);
        while journal.trim(Utc(before_ms), 64).unwrap().more {}
        journal.close().unwrap();
        drop(journal);
        self.start_switch();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.switch.as_ref().unwrap().http().unwrap()
    }

    pub(crate) fn ask(&self, asked: &Asked) -> Answer {
        self.ask_with(asked, &asked.headers(&self.key))
    }

    pub(crate) fn ask_with(&self, asked: &Asked, headers: &[(String, String)]) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let body = asked.body.as_bytes();
        client::call(self.address(), asked.method, &asked.path, &headers, body)
    }

    /// Sends and does not wait.
    pub(crate) fn send(&self, asked: &Asked, headers: &[(String, String)]) -> TcpStream {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let body = asked.body.as_bytes();
        client::send(self.address(), asked.method, &asked.path, &headers, body)
    }

    /// 200, or it fails the test.
    pub(crate) fn approve(&self, asked: &Asked) {
        let answer = self.ask(asked);
        assert_eq!((answer.status, answer.text()), (200, "{}".to_owned()), "{}", asked.path);
    }

    /// Ledger and available balance by the bank's own ledger, minor units.
    pub(crate) fn balance(&self, account: &str) -> (i64, i64) {
        let (desk, account) = (self.desk(), account.to_owned());
        let looked = desk.look(move |ledger, _| {
            let (_, account, _) = ledger.customer_account(&account).unwrap();
            (account.balances().ledger, account.balances().available())
        });
        self.runtime.block_on(looked).unwrap()
    }

    /// Waits until the balances are these.
    pub(crate) fn await_balance(&self, account: &str, expected: (i64, i64)) {
        let start = Instant::now();
        while self.balance(account) != expected {
            let found = self.balance(account);
            assert!(start.elapsed() < PATIENCE, "{account}: {found:?}, not {expected:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn desk(&self) -> Desk {
        self.bank.as_ref().unwrap().desk().unwrap()
    }

    /// The file of the bank's book.
    pub(crate) fn book(&self) -> PathBuf {
        self.folder.path().join("bank.db")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("veksel.db")
    }

    /// Types of the transactions in the journal that are in one of these states, oldest first.
    pub(crate) fn types(&self) -> Vec<String> {
        let journal = read_only(&self.journal());
        let mut rows = journal.prepare("SELECT mti FROM v_transactions ORDER BY txn").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Cards of the transactions in the journal, as it shows them, oldest first.
    pub(crate) fn cards(&self) -> Vec<String> {
        let journal = read_only(&self.journal());
        let mut rows = journal.prepare("SELECT card FROM v_transactions ORDER BY txn").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The metrics page.
    pub(crate) fn metrics(&self) -> String {
        let admin = self.switch.as_ref().unwrap().admin().unwrap();
        client::call(admin, "GET", "/metrics", &[], b"").text()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(switch) = self.switch.take() {
            search_page(switch.admin().unwrap(), "/metrics");
            assert_eq!(switch.stop(), Stopped::Asked);
        }
        if let Some(bank) = self.bank.take() {
            let summary = bank.stop().unwrap();
            assert!(summary.conserved, "{summary:?}");
        }
    }
}

/// A file that only its owner may read.
pub(crate) fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    never("what a file keeps", secret);
    std::fs::write(path, secret).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// The budget is generous, so that a slow machine is no overrun; tests of overruns make the bank
/// slower than that.
fn switch_toml(bank: &str, listen: SocketAddr, extra: &str) -> String {
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
[[participant]]
name = "platform"
[[listener]]
name = "channels"
listen = "127.0.0.1:0"
participant = "channels"
[[group]]
name = "cbs"
connect = ["{bank}"]
connections = 2
[group.reversals]
retry = "100ms"
[[route]]
name = "everything"
group = "cbs"
[http]
listen = "{listen}"
[[caller]]
name = "platform"
participant = "platform"
[extauth]
caller = "platform"
allow_private = true
{extra}
"#
    )
}

/// More lines, unless a test says them itself.
pub(crate) const GENEROUS: &str = "budget = \"10s\"\n";
