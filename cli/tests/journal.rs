//! `veksel journal` and `veksel reversals` from outside: beside a running switch, after it, and
//! after somebody changed the file.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{Process, program, run, search, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::record::{
    CardNumber, DuplicateKey, Intent, Outcome, Reason, Record, RecordId, Reversal, ReversalStep,
    TxnId, Verdict,
};
use veksel_core::time::Utc;
use veksel_store::{Keys, SqliteStore, Store};

const SOON: Duration = Duration::from_secs(20);

/// A folder with a journal, its keys and a configuration.
struct Place(tempfile::TempDir);

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

impl Place {
    /// With transaction 1, which timed out and is to be undone, and 2, which was approved.
    fn with_a_journal() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let keys = Arc::new(Keys::create(&place.path("veksel.key")).unwrap());
        let mut store = SqliteStore::open(&place.path("veksel.db"), keys).unwrap();
        let records = [
            intent(1),
            queued(1),
            outcome(1, Verdict::Indefinite, ResponseCode::OUTCOME_UNKNOWN, Reason::Timeout),
            intent(2),
            outcome(2, Verdict::Answered, ResponseCode::APPROVED, Reason::Host),
        ];
        let batch: Vec<_> = (1..).map(RecordId).zip(records).collect();
        assert_eq!(store.append(&batch).unwrap(), []);
        store.close().unwrap();
        std::fs::write(place.path("switch.toml"), veksel_config::SWITCH_EXAMPLE).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command on the journal.
    fn veksel(&self, words: &str, more: &[&str]) -> Ran {
        let (db, keys) = (self.path("veksel.db"), self.path("veksel.key"));
        let mut command = program();
        command.args(words.split(' ')).args(more);
        if words.starts_with("journal") || words.starts_with("reversals list") {
            command.arg("--db").arg(db).arg("--keys").arg(keys);
        }
        let output = run(&mut command);
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What runs a switch on the journal.
    fn words_to_run(&self) -> Vec<String> {
        let config = self.path("switch.toml").display().to_string();
        let settings = [
            "listener.channels.listen=127.0.0.1:0",
            "admin.listen=127.0.0.1:0",
            // Nobody listens there.
            "group.cbs.connect=127.0.0.1:9",
        ];
        let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
        let words = ["run", "--config", &config].into_iter().chain(settings);
        words.map(str::to_owned).collect()
    }

    /// The state of transaction 1 among the reversals; empty if it is not there.
    fn state(&self) -> String {
        let listed = self.veksel("reversals list", &["--json"]).json();
        let first = &listed["reversals"][0];
        first["state"].as_str().unwrap_or_default().to_owned()
    }

    fn await_state(&self, expected: &str) {
        let start = Instant::now();
        while self.state() != expected {
            assert!(start.elapsed() < SOON, "{} instead of {expected}", self.state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path("veksel.db")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

struct Switch {
    process: Process,
    admin: SocketAddr,
}

impl Switch {
    fn start(place: &Place) -> Self {
        let words = place.words_to_run();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let process = Process::start(&words, &place.path("switch.log"));
        let address = |line: &str| {
            let (_, rest) = line.split_once("http://")?;
            rest.split('/').next()?.parse().ok()
        };
        let admin = until("the switch to say where it listens", SOON, || {
            process.said().lines().find_map(address)
        });
        Self { process, admin }
    }

    fn stop(self) {
        self.process.signal("TERM");
        assert_eq!(self.process.end(SOON), Some(0));
    }

    /// The body of a page.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        search(path, answer.as_bytes());
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The status of an answer to a request written by hand.
    fn post(&self, headers: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let length = body.len();
        let request = format!(
            "POST /reversals/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        // A server that refuses a long body may close before it has read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn intent(n: u64) -> Record {
    let stan = u32::try_from(n).unwrap();
    let key = DuplicateKey {
        participant: "channels".into(),
        class: b'2',
        transmission: "1120142807".into(),
        stan,
        acquirer: String::new(),
        rrn: format!("63241400000{n}"),
        terminal: "ATM00001".into(),
        acceptor: String::new(),
    };
    Record::Intent(Arc::new(Intent {
        txn: TxnId(n),
        utc: Utc(1_795_184_887_123 + n),
        key,
        digest: [7; 32],
        link: "channels".into(),
        route: "money".into(),
        group: "cbs".into(),
        mti: Mti::known(b"0200"),
        code: "400000".into(),
        amount: 12_345,
        currency: 578,
        host_stan: stan,
        local_time: String::new(),
        local_date: String::new(),
        forwarder: String::new(),
        pan: Some(CardNumber::new("4111111111111111")),
        account: "10000000001".into(),
        counter_account: "10000000002".into(),
        original: String::new(),
        carried: Vec::new(),
        caller_key: None,
    }))
}

fn outcome(n: u64, verdict: Verdict, response: ResponseCode, reason: Reason) -> Record {
    let (txn, utc, answer) = (TxnId(n), Utc(1_795_184_902_123), Vec::new());
    Record::Outcome(Box::new(Outcome { txn, utc, verdict, response, reason, answer }))
}

fn queued(n: u64) -> Record {
    let step = ReversalStep::Queued { reason: Reason::Timeout, actual: None };
    Record::Reversal(Reversal { txn: TxnId(n), utc: Utc(1_795_184_902_123), step })
}

#[test]
fn a_journal_is_listed_shown_and_exported_masked() {
    let place = Place::with_a_journal();
    let listed = place.veksel("journal list", &[]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(
        listed.out.contains("reversing") && listed.out.contains("123.45 NOK"),
        "{}",
        listed.out
    );
    for (more, txns) in [
        (&["--state", "approved"][..], vec![2]),
        (&["--state", "parked"], vec![]),
        (&["--after", "1"], vec![2]),
        (&["--limit", "1"], vec![2]),
        (&["--rrn", "632414000001"], vec![1]),
    ] {
        let json = place.veksel("journal list --json", more).json();
        let found = json["transactions"].as_array().unwrap();
        let found: Vec<_> = found.iter().map(|row| row["txn"].as_u64().unwrap()).collect();
        assert_eq!(found, txns, "{more:?}");
    }
    let shown = place.veksel("journal show", &["1"]);
    assert_eq!(shown.out.lines().count(), 4, "{}", shown.out);
    let by_rrn = place.veksel("journal show --json", &["--rrn", "632414000002"]).json();
    assert_eq!(by_rrn["records"].as_array().unwrap().len(), 2);
    let missing = place.veksel("journal show", &["77"]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    let json = place.veksel("journal export", &["--after", "1"]);
    let lines: Vec<Value> =
        json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["record"].as_u64()), (4, Some(2)));
    let csv = place.veksel("journal export --format csv", &[]);
    assert_eq!(csv.out.lines().count(), 6);
    let width = csv.out.lines().next().unwrap().matches(',').count();
    assert!(csv.out.lines().all(|line| line.matches(',').count() == width), "{}", csv.out);
    for text in [shown.out, by_rrn.to_string(), json.out, csv.out] {
        assert!(!text.contains("4111111111111111") && !text.contains("10000000001"), "{text}");
    }
}

#[test]
fn operators_decide_and_it_is_recorded() {
    let place = Place::with_a_journal();
    assert_eq!(place.state(), "open");
    let decide = |word: &str, admin: SocketAddr| {
        let admin = admin.to_string();
        let more = ["1", "--operator", "ida", "--reason", "asked the bank", "--admin", &admin];
        place.veksel(&format!("reversals {word}"), &more)
    };
    let switch = Switch::start(&place);
    let admin = switch.admin;
    let parked = decide("park", admin);
    assert_eq!(parked.code, 0, "{}", parked.err);
    assert_eq!(parked.out, "transaction 1: the switch was told to park, by ida\n");
    place.await_state("parked");
    // What a page in a browser can send, and what makes no sense.
    let json = "Content-Type: application/json\r\n";
    let body = r#"{"action":"resolve","operator":"eve","reason":"none"}"#;
    assert_eq!(switch.post("Content-Type: text/plain\r\n", body), 415);
    assert_eq!(switch.post("", body), 415);
    assert_eq!(switch.post(&format!("{json}Origin: http://evil.example\r\n"), body), 403);
    assert_eq!(switch.post(json, &body.replace("none", "")), 400);
    assert_eq!(switch.post(json, &format!("{body}{}", " ".repeat(70_000))), 413);
    let refused = place.veksel("reversals park", &["1", "--admin", &admin.to_string()]);
    assert_eq!(refused.code, 2, "without a reason: {}", refused.err);
    assert_eq!(place.state(), "parked");
    assert_eq!(decide("resolve", admin).code, 0);
    place.await_state("");
    switch.stop();
    // It was anchored up to the end, and says who did what.
    let verified = place.veksel("journal verify", &["--json"]).json();
    assert_eq!((&verified["intact"], &verified["unsigned"]), (&true.into(), &0.into()));
    let audit = place.sql("SELECT actor || ' ' || action || ' ' || detail FROM v_audit");
    for line in [
        "ida park transaction 1: asked the bank",
        "ida resolve transaction 1: asked the bank",
        "ida reversal-resolved asked the bank",
    ] {
        assert!(audit.iter().any(|row| row == line), "{audit:?}");
    }
    assert!(!audit.iter().any(|row| row.starts_with("eve")), "{audit:?}");
    // Nobody is there any more.
    let alone = decide("retry", admin);
    assert_eq!((alone.code, alone.out.as_str()), (1, ""));
    assert!(alone.err.contains("the switch is not running"), "{}", alone.err);
}

/// Drain and force: by name, with an end, recorded, and to be seen.
#[test]
fn operators_decide_how_breakers_stand() {
    let place = Place::with_a_journal();
    let switch = Switch::start(&place);
    let admin = switch.admin.to_string();
    let decide = |words: &str| {
        let more = ["--operator", "ida", "--reason", "new disks", "--admin", &admin];
        place.veksel(&format!("breakers {words}"), &more)
    };
    let stands = |name: &str, expected: &str| {
        let start = Instant::now();
        loop {
            let ready = switch.get("/ready");
            let ready: Value = serde_json::from_str(&ready).unwrap();
            if ready["breakers"][name] == expected {
                return;
            }
            assert!(start.elapsed() < SOON, "{ready} instead of {expected}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    stands("cbs.1", "closed");
    let told = decide("force-open cbs --for 10m");
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert_eq!(told.out, "cbs: the switch was told to force-open, by ida\n");
    stands("cbs", "forced_open");
    assert_eq!(decide("disable cbs.1 --for 1s").code, 0);
    stands("cbs.1", "disabled");
    let shown = r#"veksel_breaker_position{group="cbs",position="forced_open"} 1"#;
    assert!(switch.get("/metrics").contains(shown));
    // Its time is over by itself; the other is taken back.
    stands("cbs.1", "closed");
    assert_eq!(decide("judge cbs").code, 0);
    stands("cbs", "closed");
    let unknown = decide("disable cbs.2");
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no group or link `cbs.2`"), "{}", unknown.err);
    assert_eq!(decide("disable ../ready").code, 2);
    let too_long = decide("disable cbs --for 200h");
    assert!(too_long.err.contains("`seconds` must be 1 to 604800"), "{}", too_long.err);
    switch.stop();
    let audit = place.sql("SELECT actor || ' ' || action || ' ' || detail FROM v_audit");
    for line in [
        "ida force-open group cbs for 600 s: new disks",
        "ida disable link cbs.1 for 1 s: new disks",
        "switch judge link cbs.1: its time is over",
        "ida judge group cbs: new disks",
    ] {
        assert!(audit.iter().any(|row| row == line), "{audit:?}");
    }
}

#[test]
fn a_changed_journal_is_found_out_and_does_not_start() {
    let place = Place::with_a_journal();
    let whole = place.veksel("journal verify", &[]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    assert!(whole.out.ends_with("intact\n") && !whole.out.contains("NOT"), "{}", whole.out);
    let change = "UPDATE records SET body = (SELECT body FROM records WHERE id = 5) WHERE id = 3
        RETURNING 'done'";
    assert_eq!(place.sql(change), ["done"]);
    let changed = place.veksel("journal verify", &[]);
    assert_eq!(changed.code, 1);
    assert!(changed.out.contains("  record 3 was changed\nNOT intact\n"), "{}", changed.out);
    let json = place.veksel("journal verify", &["--json"]).json();
    assert_eq!(json["findings"][0]["what"], "changed");
    assert_eq!(json["findings"][0]["record"], 3);
    let refused = run(program().args(place.words_to_run()));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("the journal is damaged: record 3 was changed"), "{said}");
    // Cut back to a copy from before, with the anchors of later at hand.
    let missing = place.veksel("journal verify", &["--anchors", "/nowhere/veksel.db.anchors"]);
    assert_eq!(missing.code, 1);
}
