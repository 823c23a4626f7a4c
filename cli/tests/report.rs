//! `veksel report` and `GET /simulator/download`: the same figures in every format, beside a
//! running bank.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{PATIENCE, Process, program, run, search, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A bank that runs, and where its reports are.
struct Bank {
    /// Its log is in the folder, and searched when it ends.
    _process: Process,
    report: String,
    folder: tempfile::TempDir,
}

impl Bank {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("simulator.toml");
        let others = veksel_config::SANDBOXES.iter().filter(|name| **name != "report");
        let others: String =
            others.map(|name| format!("[sandbox.{name}]\nenabled = false\n")).collect();
        let text = "[bank]\nlisten = \"127.0.0.1:0\"\nname = \"Fjord & <Sons>\"\n\
                    [sandbox.report]\nlisten = \"127.0.0.1:0\"\n";
        let text = format!("{text}{others}");
        std::fs::write(&config, text).unwrap();
        let arguments = ["simulate", "--config", config.to_str().unwrap()];
        let process = Process::start(&arguments, &folder.path().join("log"));
        let address = |line: &str| {
            let (_, rest) = line.split_once("://").filter(|_| line.contains("report"))?;
            Some(rest.split_whitespace().next()?.trim_end_matches('/').to_owned())
        };
        let report = until("the bank to say where its reports are", PATIENCE, || {
            process.said().lines().find_map(address)
        });
        Self { _process: process, report, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Status, head and body.
    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.get_with(path, &format!("host: {}\r\n", self.report))
    }

    /// The same with these headers alone.
    fn get_with(&self, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.report).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let cut = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..cut].to_vec()).unwrap();
        let body = answer[cut + 4..].to_vec();
        search(path, head.as_bytes());
        search(path, &body);
        (head[9..12].parse().unwrap(), head, body)
    }

    fn report(&self, arguments: &[&str]) -> Output {
        let config = self.path("simulator.toml");
        run(program().args(["report", "--config", config.to_str().unwrap()]).args(arguments))
    }
}

/// The cells of the first sheet of a workbook, row by row, as a spreadsheet reads them.
fn cells(workbook: &Path) -> Vec<Vec<String>> {
    let program = "
import json, re, sys, zipfile, xml.etree.ElementTree as xml
book = zipfile.ZipFile(sys.argv[1])
name = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
strings = [''.join(part.text or '' for part in item.iter(name + 't'))
           for item in xml.fromstring(book.read('xl/sharedStrings.xml'))]
rows = []
for row in xml.fromstring(book.read('xl/worksheets/sheet1.xml')).iter(name + 'row'):
    cells = {}
    for cell in row:
        value = cell.find(name + 'v')
        text = '' if value is None else value.text
        if cell.get('t') == 's': text = strings[int(text)]
        letters = re.match('[A-Z]+', cell.get('r')).group()
        place = 0
        for letter in letters: place = place * 26 + ord(letter) - 64
        cells[place - 1] = text
    rows.append([cells.get(place, '') for place in range(max(cells) + 1)])
print(json.dumps(rows))
";
    let read = Command::new("python3").arg("-c").arg(program).arg(workbook).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

#[test]
fn every_format_has_the_same_figures() {
    let bank = Bank::start();
    let (status, head, body) = bank.get("/simulator/download");
    assert_eq!(status, 200, "{head}");
    assert!(head.to_lowercase().contains("content-type: text/csv"), "{head}");
    let csv = String::from_utf8(body).unwrap();
    let csv: Vec<Vec<String>> =
        csv.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let place = |name: &str| csv[0].iter().position(|column| column == name).unwrap();
    let (minor, decimal) = (place("ledger_minor"), place("ledger"));
    assert!(csv.len() > 10, "the seeds have accounts");

    let (status, _, body) = bank.get("/simulator/download?format=json");
    assert_eq!(status, 200);
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["title"], "Fjord & <Sons>");
    let accounts = &json["sheets"][0];
    assert_eq!(accounts["name"], "accounts");
    let rows = accounts["rows"].as_array().unwrap();
    assert_eq!(rows.len() + 1, csv.len());
    for (row, line) in rows.iter().zip(&csv[1..]) {
        assert_eq!(row["ledger_minor"].to_string(), line[minor]);
        assert_eq!(row["ledger"].as_str().unwrap(), line[decimal]);
    }

    let (status, _, body) = bank.get("/simulator/download?format=xlsx&sheet=accounts");
    assert_eq!(status, 200);
    std::fs::write(bank.path("accounts.xlsx"), body).unwrap();
    let sheet = cells(&bank.path("accounts.xlsx"));
    assert_eq!(sheet[0], csv[0]);
    assert_eq!(sheet.len(), csv.len());
    for (row, line) in sheet.iter().zip(&csv).skip(1) {
        assert_eq!(row[minor], line[minor]);
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert!((number(&row[decimal]) - number(&line[decimal])).abs() < 1e-6, "{row:?}");
    }

    let (status, _, body) = bank.get("/simulator/download?format=html&report=all");
    assert_eq!(status, 200);
    let page = String::from_utf8(body).unwrap();
    assert!(page.contains("Fjord &amp; &lt;Sons&gt;") && !page.contains("<Sons>"));
    for line in &csv[1..] {
        assert!(page.contains(&format!("<td class=\"figure\">{}</td>", line[minor])));
    }
    for name in ["settlement", "reconciliation", "postings", "conservation"] {
        assert!(page.contains(&format!("<h2>{name}</h2>")), "{name}");
    }
    assert!(!page.contains("<script") && !page.contains("http://"), "it needs nothing else");

    // Card numbers leave in no format.
    let cards = String::from_utf8(bank.report(&["--sheet", "cards"]).stdout).unwrap();
    let masked = cards.lines().skip(1).all(|line| line.split(',').next().unwrap().contains('*'));
    assert!(masked && cards.lines().count() > 5, "{cards}");

    // What the command writes is what the bank gives.
    let written = bank.report(&["--sheet", "accounts"]);
    let (_, _, given) = bank.get("/simulator/download");
    assert_eq!(written.stdout, given);
    // Who says nothing of tables has the same, and hears of the others.
    let plain = bank.report(&[]);
    let note = String::from_utf8(plain.stderr).unwrap();
    assert!(plain.status.success() && plain.stdout == given, "{note}");
    assert!(note.contains("this is `accounts`; --sheet names one of 9 others"), "{note}");
    // A table is found whichever report it is of, and a pipe takes a workbook.
    let settlement = bank.report(&["--sheet", "settlement"]).stdout;
    let (status, _, body) = bank.get("/simulator/download?sheet=settlement");
    assert_eq!((status, body), (200, settlement.clone()));
    let (status, _, body) = bank.get("/simulator/download?report=settlement");
    assert_eq!((status, body), (200, settlement));
    let book = bank.report(&["--format", "xlsx"]);
    assert!(book.status.success() && book.stdout.starts_with(b"PK"));
    // And where the integration API has it.
    let (status, _, body) = bank.get("/api/v1/integration/simulator/download");
    assert_eq!((status, body), (200, given.clone()));
    let folder = bank.path("day");
    let done = bank.report(&["--out", &format!("{}/", folder.display())]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(std::fs::read(folder.join("accounts.csv")).unwrap(), given);
    assert!(folder.join("settlement.csv").exists());
}

/// A page that was made to lead here by its name would read the book of the bank.
#[test]
fn no_page_of_a_browser_has_a_report() {
    let bank = Bank::start();
    let port = bank.report.rsplit_once(':').unwrap().1;
    let own = format!("host: {}\r\n", bank.report);
    for (headers, expected) in [
        (own.clone(), 200),
        (format!("host: localhost:{port}\r\n"), 200),
        (format!("{own}sec-fetch-site: none\r\n"), 200),
        (format!("host: evil.example:{port}\r\n"), 403),
        (format!("host: localhost.evil.example:{port}\r\n"), 403),
        (format!("{own}origin: https://evil.example\r\n"), 403),
        (format!("{own}sec-fetch-site: cross-site\r\n"), 403),
        (format!("{own}x-forwarded-for: 192.0.2.1\r\n"), 403),
    ] {
        let (status, _, body) = bank.get_with("/simulator/download", &headers);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, expected, "{headers} {body}");
        assert!(status == 200 || !body.contains("ledger"), "{body}");
    }
}

#[test]
fn what_cannot_be_had_is_said() {
    let bank = Bank::start();
    for (wish, status, code, said) in [
        ("format=pdf", 400, "invalid_request", "csv, json, xlsx, html"),
        ("report=taxes", 400, "invalid_request", "settlement"),
        ("rows=0", 400, "invalid_request", "1 to 1048575"),
        ("formt=csv", 400, "invalid_request", "formt"),
        ("sheet=taxes", 404, "not_found", "accounts"),
        ("sheet=settlement&report=state", 404, "not_found", "accounts"),
        ("report=all&format=csv", 400, "invalid_request", "a CSV file has one table"),
        ("report=state", 400, "invalid_request", "`sheet`"),
        ("sheet=cards&sheet=holds", 400, "invalid_request", "`sheet` is given twice"),
        ("rows=1&rows=2&sheet=cards", 400, "invalid_request", "`rows` is given twice"),
    ] {
        for path in ["/simulator/download", "/api/v1/integration/simulator/download"] {
            let (found, head, body) = bank.get(&format!("{path}?{wish}"));
            let body: Value = serde_json::from_slice(&body).unwrap();
            let error = &body["error"];
            assert_eq!((found, &error["code"]), (status, &code.into()), "{path}?{wish}: {body}");
            assert!(error["message"].as_str().unwrap().contains(said), "{path}?{wish}: {body}");
            let trace = error["traceId"].as_str().unwrap();
            assert_eq!(trace.len(), 32, "{body}");
            let head = head.to_lowercase();
            assert!(head.contains("content-type: application/json"), "{head}");
            assert!(head.contains(&format!("x-request-id: {trace}")), "{head}");
        }
    }
    for more in [&["--report", "all"][..], &["--out", bank.path("one.csv").to_str().unwrap()]] {
        let all = bank.report(more);
        let complaint = String::from_utf8(all.stderr).unwrap();
        assert_eq!(all.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("--sheet"), "{complaint}");
    }
    let none = run(program().args(["report", "--db", "/nowhere/bank.db"]));
    let complaint = String::from_utf8(none.stderr).unwrap();
    assert!(!none.status.success() && complaint.contains("/nowhere/bank.db"), "{complaint}");
    // Without a password it is for this machine alone.
    let set = ["simulate", "--set", "sandbox.report.listen=0.0.0.0:0"];
    let config = bank.path("simulator.toml");
    let open = run(program().args(set).args(["--config", config.to_str().unwrap()]));
    let complaint = String::from_utf8(open.stderr).unwrap();
    assert!(open.status.code() == Some(64) && complaint.contains("password"), "{complaint}");
}
