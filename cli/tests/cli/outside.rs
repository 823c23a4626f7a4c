//! `veksel accounts`, `veksel customers` and `veksel payments` from outside.

use crate::ran::{Ran, run, run_with};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::fact::{Case, Fact, Payment, PaymentState};
use veksel_core::record::{DuplicateKey, Intent, Known, Record, RecordId, TxnId};
use veksel_core::time::Utc;
use veksel_store::{Keys, SqliteStore, Store};

/// A listener that answers one request, and gives it back.
struct Listener {
    address: SocketAddr,
    thread: JoinHandle<String>,
}

impl Listener {
    fn start(status: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            let mut buffer = [0; 4096];
            while !is_whole(&asked) {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "closed before a request: {asked}");
                asked.push_str(str::from_utf8(&buffer[..count]).unwrap());
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                .unwrap();
            asked
        });
        Self { address, thread }
    }

    /// Runs a command against it; gives what it was asked, too.
    fn hear(self, words: &[&str], variables: &[(&str, &str)]) -> (Ran, String) {
        let address = self.address.to_string();
        let ran = run_with(&[words, &["--http", &address]].concat(), b"", variables);
        (ran, self.thread.join().unwrap())
    }
}

fn is_whole(asked: &str) -> bool {
    let Some((head, body)) = asked.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    body.len() >= length.parse::<usize>().unwrap()
}

const LINKED: &str = r#"{"account":"10000000001","bank":"nordbank","iban":"****7947",
    "currency":"578","customer":"c-1","status":"waiting","until":null,
    "approve":"https://bank.example/sca/1","isOver":false}"#;

#[test]
fn an_account_is_linked_and_the_customer_is_told_where_to_approve() {
    let words = ["accounts", "link", "--account", "10000000001", "--bank", "nordbank"];
    let more = ["--iban", "NO9386011117947", "--customer", "c-1"];
    let words = [words.as_slice(), &more].concat();
    let (ran, asked) = Listener::start("200 OK", LINKED).hear(&words, &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("approve https://bank.example/sca/1\n"), "{}", ran.out);
    assert!(ran.out.contains("status waiting\n") && !ran.out.contains("until"), "{}", ran.out);
    assert!(asked.starts_with("POST /api/accounts HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("Authorization"), "{asked}");
    let body: serde_json::Value =
        serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["iban"], &body["currency"]), (&"NO9386011117947".into(), &"578".into()));
    let (ran, asked) =
        Listener::start("200 OK", LINKED).hear(&["accounts", "show", "1/../x", "--json"], &[]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["status"]), (0, &"waiting".into()));
    assert!(asked.starts_with("GET /api/accounts/1%2F..%2Fx HTTP/1.1\r\n"), "{asked}");
    let (ran, asked) = Listener::start("200 OK", r#"{"status":"ok"}"#)
        .hear(&["accounts", "unlink", "10000000001"], &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "status ok\n"));
    assert!(asked.starts_with("DELETE /api/accounts/10000000001 "), "{asked}");
}

#[test]
fn the_token_comes_from_a_file_or_from_what_the_configuration_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "hush\n").unwrap();
    let words = ["customers", "show", "c-1", "--token-file", file.to_str().unwrap()];
    let said = r#"{"customer":"c-1","status":"approved"}"#;
    let (ran, asked) = Listener::start("200 OK", said).hear(&words, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "customer c-1\nstatus approved\n"));
    assert!(asked.contains("\r\nAuthorization: Bearer hush\r\n"), "{asked}");
    let words = ["customers", "checks", "c-1", "--token-file", file.to_str().unwrap()];
    let said = r#"{"document":"pass","liveness":"unknown"}"#;
    let (ran, asked) = Listener::start("200 OK", said).hear(&words, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "document pass\nliveness unknown\n"));
    assert!(asked.starts_with("GET /api/kyc/checks/c-1 "), "{asked}");
    let config = folder.path().join("switch.toml");
    let text = veksel_config::BRIDGE_EXAMPLE.replace("token_env = \"\"", "token_env = \"HUSH\"");
    std::fs::write(&config, text).unwrap();
    let words = ["customers", "check", "c-1", "--config", config.to_str().unwrap()];
    let said = r#"{"customer":"c-1","token":"act-1"}"#;
    let (ran, asked) = Listener::start("200 OK", said).hear(&words, &[("HUSH", "quiet")]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "customer c-1\ntoken act-1\n"));
    assert!(asked.contains("Bearer quiet\r\n") && asked.starts_with("POST /api/kyc/initiate "));
}

#[test]
fn a_refusal_says_why_and_is_1() {
    let body = r#"{"error":{"code":"unauthorized","message":"a bearer token is needed",
        "traceId":"t"}}"#;
    let (ran, _) = Listener::start("401 Unauthorized", body).hear(&["customers", "show", "c"], &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a bearer token is needed (unauthorized)"), "{}", ran.err);
    assert!(ran.err.contains("--token-file"), "{}", ran.err);
    let ran = run(&["accounts", "show", "1", "--http", "127.0.0.1:9"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the switch is not running"), "{}", ran.err);
    let ran = run(&["accounts", "show", "1"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
}

fn journal(folder: &Path) {
    let keys = folder.join("veksel.key");
    let keys = Arc::new(Keys::create(&keys).unwrap());
    let mut store = SqliteStore::open(&folder.join("veksel.db"), keys).unwrap();
    let intent = |txn: u64| Intent {
        txn: TxnId(txn),
        utc: Utc(1_795_184_887_123),
        key: DuplicateKey { rrn: format!("rrn-{txn}"), ..DuplicateKey::default() },
        digest: [0; 32],
        link: "channels".into(),
        route: "linked".into(),
        group: "nordbank".into(),
        mti: Mti::known(b"0200"),
        code: "400000".into(),
        amount: 12_345,
        currency: 578,
        host_stan: 1,
        local_time: String::new(),
        local_date: String::new(),
        forwarder: String::new(),
        pan: None,
        account: "10000000001".into(),
        counter_account: String::new(),
        original: String::new(),
        carried: Vec::new(),
        caller_key: None,
    };
    let payment = |txn: u64, state, case| Payment {
        txn: TxnId(txn),
        utc: Utc(1_795_184_887_123),
        bank: "nordbank".into(),
        state,
        token: [0xab; 16],
        payment: "1b3ab8e8".into(),
        approve: "https://bank.example/sca/1".into(),
        link: "abababababab".into(),
        told: ResponseCode::parse("09"),
        case,
        ..Payment::default()
    };
    let fact = |payment| {
        let (utc, fact) = (Utc(1_795_184_887_500), Fact::Payment(payment));
        Record::Fact(Box::new(Known { utc, fact }))
    };
    let records = [
        Record::Intent(Arc::new(intent(1))),
        fact(payment(1, PaymentState::Initiating, None)),
        fact(payment(1, PaymentState::Pending, None)),
        Record::Intent(Arc::new(intent(2))),
        fact(payment(2, PaymentState::Late, Some(Case::LateCompletion))),
    ];
    let batch: Vec<_> = (1..).map(RecordId).zip(records).collect();
    assert_eq!(store.append(&batch).unwrap(), []);
    store.close().unwrap();
}

#[test]
fn payments_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path());
    let (db, keys) = (folder.path().join("veksel.db"), folder.path().join("veksel.key"));
    let place = ["--db", db.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
    let payments = |more: &[&str]| run(&[&["payments"], &place[..], more].concat());
    let ran = payments(&[]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{}{}", ran.out, ran.err);
    let first = ran.out.lines().nth(1).unwrap();
    for part in ["nordbank", "pending", "09", "1b3ab8e8", "123.45 NOK", "rrn-1"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    let ran = payments(&["--cases", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let listed = json["payments"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["case"]), (1, &"late_completion".into()));
    let ran = payments(&["--txn", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = ["state pending\n", "link abababababab\n", "approve https://bank.example/sca/1\n"];
    assert!(lines.iter().all(|line| ran.out.contains(line)), "{}", ran.out);
    // The rest of the state is between the bank and the switch.
    assert!(!ran.out.contains("abababababababab"), "{}", ran.out);
    let ran = payments(&["--txn", "7"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("transaction 7 is no payment at a bank"), "{}", ran.err);
    let ran = run(&[&["journal", "export", "--format", "csv"], &place[..]].concat());
    assert!(ran.out.contains(",payment,nordbank,") && !ran.out.contains("abab"), "{}", ran.out);
}
