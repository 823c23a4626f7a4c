//! Secrets stay where they belong: a demo runs at the lowest level of the log and does everything
//! that touches card numbers, keys and tokens; then all that it left behind is searched for them.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "canary/program.rs"]
mod program;

use program::scan::{Artefact, Scanner, Secret, encodings, journals, people, seeds};
use program::{program, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on a machine with much to do.
const SOON: Duration = Duration::from_secs(60);

const PAN: &str = "4111111111111111";
const TRACK_2: &str = "4111111111111111D29122011000012345678";
const PIN_BLOCK: &str = "9B1C5DE0A7F3462E";
const NATIONAL_ID: &str = "17829000024";
const BEARER: &str = "bearer-canary-7f3a91c2";
const PASSED_ON: &str = "code-canary-55d0e8b1";

/// A demo that runs, and where its parts are.
struct Demo {
    child: Child,
    folder: PathBuf,
    channels: String,
    admin: String,
    http: String,
    report: String,
    log: Option<JoinHandle<Vec<u8>>>,
    said: Option<JoinHandle<Vec<u8>>>,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut child = program()
            .args(["demo", "--random-ports", "--rate", "40", "--for", "10m"])
            .args(["--retain", folder.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = errors.read_to_end(&mut log);
            log
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("sqlite3 ") && lines.read_line(&mut banner).unwrap() > 0 {}
        let last = |mark: &str| {
            let line = banner.lines().find(|line| line.contains(mark)).unwrap();
            let word = line.split_whitespace().last().unwrap();
            let word = word.split_once("://").map_or(word, |(_, rest)| rest);
            word.split('/').next().unwrap().to_owned()
        };
        let (channels, admin) = (last("ISO 8583 (1987"), last("/live and /ready"));
        let (http, report) = (last("Accounts, redirects"), last("Sandbox report"));
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = lines.read_to_end(&mut said);
            said
        });
        let folder = folder.to_owned();
        let (log, said) = (Some(log), Some(said));
        Self { child, folder, channels, admin, http, report, log, said }
    }

    fn send(&self, arguments: &[&str]) {
        let mut command = program();
        let done = run(command.arg("send").args(arguments).args(["--to", &self.channels]));
        // Some are declined, as they should be; nobody must be silent.
        assert!(done.status.code() < Some(2), "{arguments:?}: {done:?}");
    }

    /// The whole answer.
    fn call(&self, place: &str, head: &str, body: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(place).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head}\r\nhost: {place}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{head}");
        answer
    }

    /// A person goes to the provider of identities, says who it is there, and comes back: the
    /// answers of the switch on this way, and who it says then is signed in.
    fn sign_in(&self, who: &str, status: u16) -> Vec<u8> {
        let mut begun = self.call(&self.http, "GET /api/auth/bankid HTTP/1.1", "");
        let kept = cookie(&begun);
        let page = header(&begun, "location").unwrap();
        // Our name at the provider stands in the address that people are sent to, and only there.
        let text = String::from_utf8_lossy(&begun).into_owned();
        let (before, rest) = text.split_once("?client_id=").unwrap();
        begun = [before, rest.split_once('&').unwrap().1].concat().into_bytes();
        let (provider, page) = place(&page);
        let decided = self.call(provider, &format!("GET {page}&auto={who} HTTP/1.1"), "");
        let back = header(&decided, "location").unwrap();
        let (switch, back) = place(&back);
        let back = self.call(switch, &format!("GET {back} HTTP/1.1\r\ncookie: {kept}"), "");
        let line = format!("HTTP/1.1 {status} ");
        assert!(back.starts_with(line.as_bytes()), "{who}: {}", back.escape_ascii());
        if status != 303 {
            return [begun, back].concat();
        }
        let head = format!("GET /api/auth/me HTTP/1.1\r\ncookie: {}", cookie(&back));
        let me = self.call(&self.http, &head, "");
        assert!(me.starts_with(b"HTTP/1.1 200 "), "{}", me.escape_ascii());
        [begun, back, me].concat()
    }

    /// Everything the program itself prints of its books.
    fn tool(&self, arguments: &[&str]) -> Artefact {
        let (db, keys) = (self.folder.join("veksel.db"), self.folder.join("veksel.key"));
        let mut command = program();
        command.args(arguments);
        if arguments[0] != "report" {
            command.args(["--db", db.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
        let bytes = [done.stdout, done.stderr].concat();
        Artefact { name: format!("veksel {}", arguments.join(" ")), bytes }
    }

    /// The database of the bank.
    fn bank_book(&self) -> String {
        self.folder.join("bank.db").display().to_string()
    }

    /// Stops it and gives its log and what it printed at the end.
    fn stop(mut self) -> [Artefact; 2] {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < SOON, "the demo does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = self.log.take().unwrap().join().unwrap();
        let said = self.said.take().unwrap().join().unwrap();
        [
            Artefact { name: "log".to_owned(), bytes: log },
            Artefact { name: "standard output".to_owned(), bytes: said },
        ]
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of the head of an answer.
fn header(answer: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned())
}

/// The cookie of an answer, as a browser brings it back.
fn cookie(answer: &[u8]) -> String {
    let set = header(answer, "set-cookie").unwrap();
    set.split(';').next().unwrap().to_owned()
}

/// Whom to ask for an address, and what.
fn place(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

/// What must be nowhere: the cards of the seeds, who signs in, what was sent, and what opens doors.
fn secrets(folder: &Path) -> Vec<Secret> {
    let mut secrets = vec![
        Secret::new("track 2", TRACK_2),
        Secret::new("rest of track 2", &TRACK_2[17..]),
        Secret::new("PIN block", PIN_BLOCK),
        Secret::new("bearer token", BEARER),
        Secret::new("authorisation code", PASSED_ON),
    ];
    secrets.extend(seeds());
    secrets.extend(people());
    let mut files: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_pem = || name.ends_with(".pem") || name.ends_with(".key");
        let bytes = || std::fs::read(&path).unwrap();
        if name.ends_with(".secret") {
            let text = String::from_utf8(bytes()).unwrap();
            secrets.push(Secret::new(name, text.trim()));
        } else if is_pem() {
            let bytes = bytes();
            let Ok(text) = String::from_utf8(bytes.clone()) else {
                secrets.push(Secret::new(name, bytes));
                continue;
            };
            let is_private = !text.contains("BEGIN") || text.contains("PRIVATE KEY");
            for line in text.lines().filter(|line| is_private && line.len() >= 16) {
                let words = line.split([' ', '=', '"']).filter(|word| word.len() >= 16);
                for word in words.filter(|word| !word.contains("-----")) {
                    secrets.push(Secret::new(name.clone(), word));
                }
            }
        }
    }
    secrets
}

#[test]
fn no_secret_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    let demo = Demo::start(&folder);
    let mut artefacts = Vec::new();

    // Cards, in payments that are approved, declined, repeated, taken back and malformed.
    let own = ["--account", "10000000001", "--pan", PAN];
    demo.send(&[&["purchase", "--amount", "9.90"][..], &own].concat());
    demo.send(&[&["purchase", "--amount", "12.51"][..], &own].concat());
    demo.send(&[&["withdrawal", "--amount", "40.91"][..], &own].concat());
    let pin = format!("52=0x{PIN_BLOCK}");
    demo.send(&[&["purchase", "--amount", "7.20", "--set", &pin][..], &own].concat());
    demo.send(
        &[&["purchase", "--amount", "7.30", "--no-check", "--without", "49"][..], &own].concat(),
    );
    let mut stream = TcpStream::connect(&demo.channels).unwrap();
    let broken = format!("0200{}16{PAN}zz{TRACK_2}", "F".repeat(32));
    stream.write_all(&u16::try_from(broken.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(broken.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut answer = Vec::new();
    // It is answered with what can be said of it, or hung up on; either way it is in the log.
    let _ = stream.read_to_end(&mut answer);
    artefacts.push(Artefact { name: "answer to a broken frame".to_owned(), bytes: answer });

    // Doors over HTTP, with what does not open them and what does not belong there.
    let json = "content-type: application/json";
    let health = "GET /health HTTP/1.1\r\nx-request-id: ";
    let balance = "/api/v1/integration/account/balance";
    let link =
        "\"account\":\"a\",\"bank\":\"dnb\",\"iban\":\"NO9386011117947\",\"currency\":\"578\"";
    let key = std::fs::read_to_string(folder.join("caller.secret")).unwrap();
    let key = key.trim();
    for (what, head, body) in [
        (
            "a wrong token",
            format!("POST /api/accounts HTTP/1.1\r\n{json}\r\nauthorization: Bearer {BEARER}"),
            format!("{{\"account\":\"{PAN}\",\"pan\":\"{PAN}\"}}"),
        ),
        ("a broken body", format!("POST /api/accounts HTTP/1.1\r\n{json}"), format!("{{{PAN}")),
        (
            "a webhook by nobody",
            format!("POST /v1/webhooks/sumsub HTTP/1.1\r\n{json}\r\nx-payload-digest: {BEARER}"),
            format!("{{\"applicantId\":\"{PAN}\"}}"),
        ),
        (
            "a customer who comes back",
            format!("GET /api/payments/callback?state={BEARER}&code={PASSED_ON} HTTP/1.1"),
            String::new(),
        ),
        ("a path", format!("GET /api/accounts/{PAN} HTTP/1.1"), String::new()),
        ("a link", format!("GET /approve/{BEARER} HTTP/1.1"), String::new()),
        // Numbers where a caller makes names up.
        ("a request named by a card", format!("{health}{PAN}"), String::new()),
        ("the same in groups", format!("{health}4111-1111-1111-1111"), String::new()),
        ("a request named by a person", format!("{health}{NATIONAL_ID}"), String::new()),
        (
            "a trace of digits",
            format!("GET /health HTTP/1.1\r\ntraceparent: 00-{PAN}{PAN}-{}-01", &PAN[..16]),
            String::new(),
        ),
        (
            "a member named by a card",
            format!("POST /api/accounts HTTP/1.1\r\n{json}"),
            format!("{{{link},\"{PAN}\":1}}"),
        ),
        (
            "a member that is there twice",
            format!("GET /api/kyc/initiate?{NATIONAL_ID}=1&{NATIONAL_ID}=2 HTTP/1.1"),
            String::new(),
        ),
        (
            "a field named by a card",
            format!("POST {balance} HTTP/1.1\r\n{json}\r\nx-api-key: {key}"),
            format!("{{\"account\":\"10000000001\",\"{PAN}\":1}}"),
        ),
        (
            "an inquiry named by a card",
            format!("POST {balance} HTTP/1.1\r\n{json}\r\nx-api-key: {key}\r\nx-request-id: {PAN}"),
            "{\"account\":\"10000000001\"}".to_owned(),
        ),
    ] {
        let bytes = demo.call(&demo.http, &head, &body);
        artefacts.push(Artefact { name: format!("answer to {what}"), bytes });
    }
    // People sign in, of whom one is too young. Their national ids reach the switch in a token.
    for (who, status) in [("kari", 303), ("ola", 303), ("ung", 403)] {
        let bytes = demo.sign_in(who, status);
        artefacts.push(Artefact { name: format!("answers to {who}"), bytes });
    }
    // And a payment at a bank over HTTP, with its tokens and certificates.
    demo.send(&["balance", "--account", "NO9386011117947"]);
    let transfer =
        ["transfer", "--from", "NO9386011117947", "--into", "NO9110000000002", "--amount", "15"];
    demo.send(&transfer);

    for path in ["/metrics", "/status", "/ready", "/live"] {
        let head = format!("GET {path} HTTP/1.1");
        let bytes = demo.call(&demo.admin, &head, "");
        artefacts.push(Artefact { name: path.to_owned(), bytes });
    }
    for format in ["csv&sheet=messages", "csv&sheet=cards", "json&report=all", "html&report=all"] {
        let head = format!("GET /simulator/download?format={format} HTTP/1.1");
        let bytes = demo.call(&demo.report, &head, "");
        artefacts.push(Artefact { name: format!("report as {format}"), bytes });
    }
    // A workbook is packed: what is in it is searched, entry by entry.
    for report in ["all", "settlement"] {
        let head = format!("GET /simulator/download?format=xlsx&report={report} HTTP/1.1");
        let answer = demo.call(&demo.report, &head, "");
        let start = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let (name, bytes) = (format!("workbook {report}"), answer[start..].to_vec());
        let workbook = Artefact { name, bytes };
        assert!(workbook.unpacked().iter().any(|entry| entry.name.contains("sheet1.xml")));
        artefacts.push(workbook);
    }
    artefacts.push(demo.tool(&["report", "--db", &demo.bank_book(), "--format", "xlsx"]));
    for arguments in [
        &["journal", "list", "--limit", "1000"][..],
        &["journal", "list", "--limit", "1000", "--json"],
        &["journal", "export", "--format", "csv"],
        &["journal", "export", "--format", "json"],
        &["reversals", "list"],
        &["payments"],
    ] {
        artefacts.push(demo.tool(arguments));
    }
    let folder = demo.folder.clone();
    artefacts.extend(demo.stop());
    // Sealed, but nothing of it in clear. The bank's own book has the cards it has issued.
    artefacts.extend(journals(&folder));

    let scanner = Scanner::new(&secrets(&folder));
    let found: Vec<String> = artefacts.iter().flat_map(|each| scanner.scan(each)).collect();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));

    // The search saw something: the log is that of everything, and a leak in it would be found.
    let log = artefacts.iter_mut().find(|artefact| artefact.name == "log").unwrap();
    let text = String::from_utf8_lossy(&log.bytes);
    assert!(text.contains("TRACE") && log.bytes.len() > 100_000, "{} bytes", log.bytes.len());
    let middle = log.bytes.len() / 2;
    log.bytes.splice(middle..middle, PAN.bytes());
    assert_eq!(scanner.scan(log).len(), 1);
    for (name, planted) in [("a national id", NATIONAL_ID), ("a card", PAN)] {
        let workbook = Artefact { name: name.to_owned(), bytes: workbook(planted) };
        assert_eq!(scanner.scan(&workbook).len(), 1, "{name} in a workbook");
    }
}

/// A workbook in which somebody wrote this into a cell. Its bytes do not show it.
fn workbook(text: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let packed = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    let rows =
        format!("<row><c><v>{text}</v></c></row>") + &"<row><c><v>0</v></c></row>".repeat(99);
    for (name, content) in
        [("[Content_Types].xml", "<Types/>"), ("xl/worksheets/sheet1.xml", &rows)]
    {
        archive.start_file(name, packed).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    bytes
}

/// The scanner finds a secret however it is written, wherever it stands.
#[test]
fn a_planted_leak_is_found_in_every_encoding() {
    let digits = Secret::new("number", "4929123456789010123");
    let words = Secret::new("token", "s3cret-Token-value");
    let scanner = Scanner::new(&[digits.clone(), words.clone()]);
    let mut kinds = std::collections::BTreeSet::new();
    for secret in [&digits, &words] {
        for (encoding, pattern) in encodings(&secret.value) {
            let bytes = [b"level=TRACE body=\"", &pattern[..], b"\" took=3ms"].concat();
            let name = encoding.to_owned();
            let found = scanner.scan(&Artefact { name, bytes });
            assert_eq!(found.len(), 1, "{encoding}: {found:?}");
            assert!(found[0].contains(&secret.name) && !found[0].contains("4929123"), "{found:?}");
            kinds.insert(encoding);
        }
    }
    assert!(kinds.len() >= 12, "{kinds:?}");
    // Base64 as others write it, at each of its three places.
    for (prefix, text) in [
        ("", "czNjcmV0LVRva2VuLXZhbHVl"),
        ("a", "YXMzY3JldC1Ub2tlbi12YWx1ZQ=="),
        ("ab", "YWJzM2NyZXQtVG9rZW4tdmFsdWU="),
    ] {
        let artefact = Artefact { name: prefix.to_owned(), bytes: text.into() };
        assert_eq!(scanner.scan(&artefact).len(), 1, "{prefix:?}");
    }
    let clean = Artefact { name: "clean".to_owned(), bytes: b"492912******0123 s3cret".to_vec() };
    assert_eq!(scanner.scan(&clean), Vec::<String>::new());
}
