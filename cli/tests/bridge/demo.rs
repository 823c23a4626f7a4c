//! What a newcomer does with `veksel demo`: a balance, a transfer, the approval, the repeat.

use crate::http;
use crate::rig::ACCOUNT;
use crate::stage::{PATIENCE, Process, program, run, until, veksel};
use serde_json::Value;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// An account of the seed tables that the demo does not link, and whose it shall be: the customer
/// whom the demo has checked.
const OTHER: &str = "NO2110000000001";
const CUSTOMER: &str = "C000060-green";

/// What stands behind some words in what was printed, up to the end of the line.
pub(crate) fn behind(printed: &str, words: &str) -> String {
    let line = printed.lines().find_map(|line| line.split_once(words));
    let (_, value) = line.unwrap_or_else(|| panic!("no `{words}` in {printed}"));
    value.trim().to_owned()
}

/// The second bank of the demo wants a certificate and TLS of the switch, and says relative
/// addresses. Its pages are on the plain port of the first one too, where a customer of this test
/// can read them.
fn pay_from_the_other_bank(http: &str, page: &str, send: &impl Fn(&[&str]) -> String) {
    let (host, _) = page.split_once("/dnb/").unwrap();
    let readable = |page: &str| {
        let (_, rest) = page.split_once("/sparebank1/").unwrap_or_else(|| panic!("{page}"));
        format!("{host}/sparebank1/{rest}?auto=approve")
    };
    let port: u16 = http.rsplit(':').next().unwrap().parse().unwrap();
    let call = |method: &str, path: &str, body: &str| {
        http::request(port, method, path, &[], body.as_bytes()).unwrap()
    };
    let wanted = format!(
        "{{\"account\":\"{OTHER}\",\"bank\":\"sparebank1\",\"iban\":\"{OTHER}\",\
         \"currency\":\"578\",\"customer\":\"{CUSTOMER}\"}}"
    );
    let said = call("POST", "/api/accounts", &wanted);
    assert_eq!(said.status, 200, "{said:?}");
    let json = said.json();
    let approve = json["approve"].as_str().unwrap();
    assert!(approve.starts_with("https://"), "{approve}");
    assert_eq!(http::visit(http::visit(&readable(approve)).leads()).status, 200);
    until("the account at the other bank to be linked", PATIENCE, || {
        let shown = call("GET", &format!("/api/accounts/{OTHER}"), "");
        (shown.json()["status"] == "valid").then_some(())
    });
    let before = send(&["balance", "--account", OTHER]);
    assert!(before.starts_with("response 00 approved"), "{before}");
    let payment = [
        "transfer",
        "--from",
        OTHER,
        "--into",
        ACCOUNT,
        "--amount",
        "10.00",
        "--rrn",
        "MYSECOND0001",
        "--stan",
        "2",
        "--set",
        "7=1121095100",
    ];
    let said = send(&payment);
    assert!(said.starts_with("response 09"), "{said}");
    let link = behind(&said, "link ");
    let portal = call("GET", &format!("/approve/{link}"), "");
    assert_eq!(http::visit(http::visit(&readable(portal.leads())).leads()).status, 200);
    let repeat = [&payment[..], &["--repeat"]].concat();
    until("the other bank to have paid", PATIENCE, || {
        let said = send(&repeat);
        assert!(said.starts_with("response 00") || said.starts_with("response 09"), "{said}");
        said.starts_with("response 00").then_some(())
    });
    assert_ne!(send(&["balance", "--account", OTHER]), before, "money left it");
}

/// The biller is asked first: one that does not know its customer is paid nothing.
fn pay_a_bill(http: &str, send: &impl Fn(&[&str]) -> String) {
    let bill = ["bill", "--account", ACCOUNT, "--biller", "B0001", "--amount", "20.00"];
    let unknown = send(&[&bill[..], &["--reference", "12"]].concat());
    assert!(unknown.starts_with("response 25"), "{unknown}");
    assert_eq!(behind(&unknown, "provider_code "), "CUSTOMER_UNKNOWN");
    let known = send(&[&bill[..], &["--reference", "1234567890"]].concat());
    assert!(known.starts_with("response 09"), "{known}");
    let page = http::visit(&format!("{http}/approve/{}", behind(&known, "link ")));
    let back = http::visit(&format!("{}?auto=reject", page.leads()));
    assert_eq!(http::visit(back.leads()).status, 200);
}

/// The examples of the README, word for word but for the port.
fn curl_as_in_the_readme(http: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## The same over HTTP").unwrap();
    let script = section.split("```").nth(1).unwrap().replace("http://127.0.0.1:8581", http);
    let ran = Command::new("sh").args(["-euc", &script]).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{printed}{}", String::from_utf8_lossy(&ran.stderr));
    let said: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [balance, statement, customers, paid, again] = said.as_slice() else { panic!("{printed}") };
    assert_eq!(balance["ledger"]["minor"], 125_000, "{printed}");
    assert_eq!(statement["entries"].as_array().map(Vec::len), Some(3), "{printed}");
    assert_eq!(customers["customers"][0]["customer"], "C000001", "{printed}");
    assert_eq!(paid["status"], "approved", "{printed}");
    assert_eq!(again["id"], paid["id"], "{printed}");
    assert_eq!(again["approvalCode"], paid["approvalCode"], "{printed}");
}

/// What the README asks the running demo with curl, word for word but for the ports.
fn look_inside_as_in_the_readme(banner: &str) {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Look inside").unwrap();
    let block = section.split("```").nth(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let metrics = behind(banner, "Metrics, /live and /ready");
    let admin = metrics.strip_suffix("/metrics").unwrap();
    let report = behind(banner, "Sandbox report");
    let ask = |line: &str| {
        let line = line.replace("http://127.0.0.1:8580", admin);
        let line = line.replace("http://127.0.0.1:8595", &report);
        let ran = Command::new("sh").args(["-euc", &line]).current_dir(folder.path()).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let lines: Vec<&str> = block.lines().filter(|line| line.starts_with("curl ")).collect();
    let [download, ready, answers] = lines[..] else { panic!("{lines:?}") };
    ask(download);
    let page = std::fs::read_to_string(folder.path().join("bank.html")).unwrap();
    assert!(
        page.contains("<title>Demo Bank plc</title>") && page.contains("10000000002"),
        "{page:.200}"
    );
    let ready: Value = serde_json::from_str(&ask(ready)).unwrap();
    assert_eq!(ready["ready"], true, "{ready}");
    // Everybody whom a demo calls is pretended.
    let parties = ready["thirdParties"].as_array().unwrap();
    assert!(parties.len() > 5 && parties.iter().all(|party| party["status"] == "mock"), "{ready}");
    assert!(ask(answers).contains("veksel_answers_total{"));
}

#[test]
fn a_newcomer_pays_from_the_account_that_the_demo_has_linked() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("demo.log");
    let demo = Process::start(&["demo", "--random-ports", "--rate", "20"], &log);
    until("traffic to be shown", PATIENCE, || demo.printed().contains("00: ").then_some(()));
    let banner = demo.printed();
    let to = behind(&banner, "ISO 8583 (1987 ASCII, 2-byte length)");
    let http = behind(&banner, "Accounts, redirects, webhooks");
    let http = http.strip_suffix("/api").unwrap();
    let send = |words: &[&str]| {
        let ran = veksel(&[&["send", "--to", &to], words].concat());
        String::from_utf8(ran.stdout).unwrap() + &String::from_utf8_lossy(&ran.stderr)
    };
    curl_as_in_the_readme(http);
    look_inside_as_in_the_readme(&banner);
    pay_a_bill(http, &send);

    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## An account at another bank").unwrap();
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
    let (first, again) = (blocks[0].replace("$(date -u +%m%d%H%M%S)", "1121095000"), blocks[3]);
    let exe = program().get_program().to_str().unwrap().to_owned();
    // As it stands there, but for the port.
    let by_hand = |script: &str| {
        let script = format!("veksel() {{ {exe} \"$@\" --to {to}; }}\n{script}");
        let ran = run(Command::new("sh").args(["-uc", &script]).env("VEKSEL_LOG", "trace"));
        String::from_utf8(ran.stdout).unwrap()
    };
    let said = by_hand(&first);
    let shown = "response 00 approved\nledger 45230.00 NOK\navailable 45230.00 NOK\n";
    assert!(said.starts_with(shown), "{said}");
    assert!(said.contains("response 09"), "{said}");
    let link = behind(&said, "link ");
    let page = http::visit(&format!("{http}/approve/{link}"));
    if Command::new("curl").arg("--version").output().is_err() {
        let back = http::visit(&format!("{}?auto=approve", page.leads()));
        assert_eq!(http::visit(back.leads()).status, 200);
    } else {
        assert!(blocks[2].contains("LINK=47ce9d64b680 "), "{}", blocks[2]);
        let approve = blocks[2].replace("47ce9d64b680", &link);
        let thanks = by_hand(&approve.replace("http://127.0.0.1:8581", http));
        assert!(thanks.contains("<h1>Thank you</h1>"), "{thanks}");
    }
    // Nobody of ours is connected: the terminals are told how it ended, and know what that is.
    thread::sleep(Duration::from_secs(5));
    // What is asked again is what was asked.
    let defined = first.lines().filter(|line| *line != "pay" && !line.contains(" balance "));
    let again = format!("{}\n{again}", defined.collect::<Vec<_>>().join("\n"));
    let said = until("the repeat to be approved", PATIENCE, || {
        let said = by_hand(&again);
        assert!(said.starts_with("response 0"), "{said}");
        said.starts_with("response 00").then_some(said)
    });
    assert!(said.contains("\nledger 45080.00 NOK\n"), "{said}");
    pay_from_the_other_bank(http, page.leads(), &send);

    demo.signal("TERM");
    assert_eq!(demo.end(PATIENCE), Some(0), "{}", std::fs::read_to_string(&log).unwrap());
    let printed = std::fs::read_to_string(&log).unwrap();
    assert!(printed.contains("every request answered once: yes, "), "{printed}");
    assert!(printed.contains("journal agrees with ledger: yes, "), "{printed}");
}
