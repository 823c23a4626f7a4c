//! A person signs in to a switch, links an account at a bank and is known in the journal by a
//! hash: switch, bank and provider of identities are processes, the browser is a few lines. The
//! national id is looked for in everything that is left behind.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{PATIENCE, Process, free_port, http_get, no_sandbox_but, read_only, until};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first test person of the sandbox, and one who is too young.
const PID: &str = "17829000024";
const YOUNG: &str = "01861790084";

const IBAN: &str = "NO9386011117947";

struct Stage {
    folder: tempfile::TempDir,
    switch: Option<Process>,
    bank: Option<Process>,
    http: u16,
    admin: u16,
    oidc: u16,
}

impl Stage {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [channels, admin, http, cbs, aspsp, oidc] = [(); 6].map(|()| free_port());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        };
        let bank = bank_toml(cbs, aspsp, oidc, http) + &no_sandbox_but(&["aspsp", "oidc"]);
        write("bank.toml", &bank);
        write("switch.toml", &switch_toml([channels, admin, http, cbs, aspsp, oidc]));
        for (name, secret) in [
            ("client-id", "sandbox-client"),
            ("client-secret", "sandbox-client-secret"),
            ("pepper", "nobody guesses this"),
        ] {
            write(name, secret);
        }
        let mut stage = Self { folder, switch: None, bank: None, http, admin, oidc };
        stage.bank = Some(stage.launch("simulate", "bank", &[cbs, aspsp, oidc]));
        stage.switch = Some(stage.launch("run", "switch", &[channels, http]));
        until("the switch to be ready", PATIENCE, || {
            http_get(admin, "/ready").filter(|(status, _)| *status == 200)
        });
        stage
    }

    fn launch(&self, command: &str, name: &str, ports: &[u16]) -> Process {
        let config = self.path(&format!("{name}.toml")).display().to_string();
        let log = self.path(&format!("{name}.log"));
        let mut process = Process::start(&[command, "--config", &config], &log);
        for port in ports {
            until("a process to listen", PATIENCE, || {
                assert_eq!(process.ended(), None, "{name} ended: {}", process.printed());
                TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok()
            });
        }
        process
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn bank_toml(cbs: u16, aspsp: u16, oidc: u16, http: u16) -> String {
    format!(
        r#"
[bank]
listen = "127.0.0.1:{cbs}"
database = "bank.db"
[sandbox.aspsp]
listen = "127.0.0.1:{aspsp}"
tls_listen = "127.0.0.1:0"
bankid = true
[sandbox.oidc]
listen = "127.0.0.1:{oidc}"
redirect_uris = ["http://127.0.0.1:{http}/api/auth/bankid/callback"]
"#
    )
}

fn switch_toml([channels, admin, http, cbs, aspsp, oidc]: [u16; 6]) -> String {
    format!(
        r#"
[log]
level = "trace"
[admin]
listen = "127.0.0.1:{admin}"
[store]
path = "veksel.db"
keys = "veksel.key"
[[participant]]
name = "channels"
[[listener]]
name = "channels"
listen = "127.0.0.1:{channels}"
participant = "channels"
[[group]]
name = "cbs"
connect = ["127.0.0.1:{cbs}"]
reconnect_min = "20ms"
reconnect_max = "200ms"
[[route]]
name = "linked"
to = "bank"
linked = "yes"
[[route]]
name = "everything"
group = "cbs"
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
[[aspsp]]
name = "dnb"
url = "http://127.0.0.1:{aspsp}/dnb"
allow_private = true
[identity]
url = "http://127.0.0.1:{oidc}/auth/realms/current"
allow_private = true
client_id_file = "client-id"
client_secret_file = "client-secret"
pepper_file = "pepper"
par = true
"#
    )
}

/// An answer.
#[derive(Debug)]
struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Keeps the cookies of the switch, follows nothing, and everything it was told.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
    heard: String,
}

impl Browser {
    fn get(&mut self, url: &str) -> Said {
        self.ask("GET", url, &[], "")
    }

    fn ask(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Said {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !cookies.is_empty() {
            head.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // Some close the connection hard once everything is said.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let said = Said { status, head: head.to_owned(), body: body.to_owned() };
        if let Some((name, rest)) = said.header("set-cookie").split_once('=') {
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.insert(name.to_owned(), value);
        }
        self.heard.push_str(&text);
        said
    }

    /// The way of a person, up to what the switch says at its end.
    fn sign_in(&mut self, stage: &Stage, who: &str) -> Said {
        let begun = self.get(&format!("http://127.0.0.1:{}/api/auth/bankid", stage.http));
        assert_eq!(begun.status, 303, "{begun:?}");
        let page = begun.header("location").to_owned();
        assert!(page.starts_with(&format!("http://127.0.0.1:{}/", stage.oidc)), "{page}");
        let back = self.get(&format!("{page}&auto={who}"));
        assert_eq!(back.status, 303, "{back:?}");
        let back = back.header("location").to_owned();
        self.get(&back)
    }
}

#[test]
fn a_person_signs_in_links_an_account_and_leaves_no_national_id_behind() {
    let mut stage = Stage::start();
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", stage.http);
    let mut browser = Browser::default();
    let back = browser.sign_in(&stage, "kari");
    assert_eq!((back.status, back.header("location")), (303, "/console"), "{back:?}");
    let me = browser.get(&url("/api/auth/me")).json();
    let (customer, csrf) = (me["customer"].as_str().unwrap(), me["csrfToken"].as_str().unwrap());
    assert_eq!(customer.len(), 64);

    // An account at a bank, on the page of which the person agrees.
    let wanted = format!("{{\"bank\":\"dnb\",\"iban\":\"{IBAN}\",\"currency\":\"578\"}}");
    let refused = browser.ask("POST", &url("/api/accounts"), &[], &wanted);
    assert_eq!(refused.status, 403, "{refused:?}");
    let ours = [("X-CSRF-Token", csrf)];
    let linked = browser.ask("POST", &url("/api/accounts"), &ours, &wanted);
    assert_eq!(linked.status, 200, "{linked:?}");
    assert_eq!(linked.json()["customer"], customer);
    let page = linked.json()["approve"].as_str().unwrap().to_owned();
    let unknown = browser.get(&format!("{page}?auto=approve"));
    assert_eq!(unknown.status, 403, "the bank wants to know who it is: {unknown:?}");
    assert!(!unknown.body.contains("id=\"approve\""), "{unknown:?}");
    let provider = browser.get(&format!("{page}/bankid")).header("location").to_owned();
    assert!(provider.starts_with(&format!("http://127.0.0.1:{}/", stage.oidc)), "{provider}");
    let back = browser.get(&format!("{provider}&auto=kari")).header("location").to_owned();
    assert_eq!(browser.get(&back).status, 303);
    assert_ne!(browser.get(&back).status, 303, "nobody comes back twice");
    let asked = browser.get(&page);
    assert!(asked.body.contains("You are Kari Nordmann."), "{asked:?}");
    let left = browser.get(&format!("{page}?auto=approve")).header("location").to_owned();
    let back = browser.get(&left);
    assert_eq!((back.status, back.header("location")), (303, "/console?from=bank"), "{back:?}");
    until("the account to be linked", PATIENCE, || {
        let shown = browser.get(&url(&format!("/api/accounts/{IBAN}")));
        (shown.json()["status"] == "valid").then_some(())
    });
    // Somebody else sees nothing of it, and cannot take it.
    let mut other = Browser::default();
    assert_eq!(other.sign_in(&stage, "ola").status, 303);
    let me = other.get(&url("/api/auth/me")).json();
    let theirs = [("X-CSRF-Token", me["csrfToken"].as_str().unwrap())];
    assert_eq!(other.get(&url(&format!("/api/accounts/{IBAN}"))).status, 404);
    let taken = other.ask("POST", &url("/api/accounts"), &theirs, &wanted);
    assert_eq!(taken.status, 409, "{taken:?}");
    // And those who do not get in.
    let mut young = Browser::default();
    let refused = young.sign_in(&stage, "ung");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &"underage".into()));
    let mut shy = Browser::default();
    let refused = shy.sign_in(&stage, "cancel");
    let code = &refused.json()["error"]["code"];
    assert_eq!((refused.status, code), (400, &"bankid_cancelled".into()));

    // What was said and written, everywhere.
    let metrics = http_get(stage.admin, "/metrics").unwrap().1;
    let switch = stage.switch.take().unwrap();
    switch.signal("TERM");
    assert_eq!(switch.end(PATIENCE), Some(0));
    let journal = read_only(&stage.path("veksel.db"));
    let known: i64 = journal
        .query_row("SELECT count(*) FROM v_accounts WHERE customer = ?1", [customer], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(known, 1, "the journal knows the customer by the hash");
    drop(journal);
    let log = std::fs::read(stage.path("switch.log")).unwrap();
    assert!(log.len() > 10_000, "{} bytes of log", log.len());
    let heard = [&browser, &other, &young, &shy].map(|browser| browser.heard.as_str()).concat();
    let mut places = vec![("answers", heard.into_bytes()), ("metrics", metrics.into_bytes())];
    places.push(("log", log));
    for (name, bytes) in files(stage.folder.path()) {
        places.push((name, bytes));
    }
    for (place, bytes) in &places {
        for pid in [PID, YOUNG] {
            for form in forms(pid) {
                assert!(!holds(bytes, &form), "{place} holds {pid} as {form:?}");
            }
        }
    }
    // A leak would be seen.
    let planted = format!("x{PID}y");
    assert!(forms(PID).iter().any(|form| holds(planted.as_bytes(), form)));
}

/// The databases of the switch, with what stands beside them.
fn files(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let names = ["veksel.db", "veksel.db-wal", "veksel.db.anchors"];
    let read = |name| Some((name, std::fs::read(folder.join(name)).ok()?));
    names.into_iter().filter_map(read).collect()
}

/// A number as it could have been written.
fn forms(pid: &str) -> Vec<Vec<u8>> {
    let digits = pid.as_bytes().to_vec();
    let hex: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    let bcd = |text: &str| -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect()
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &digits);
    let plain: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let number: u64 = pid.parse().unwrap();
    vec![
        digits.clone(),
        digits.iter().rev().copied().collect(),
        digits.iter().flat_map(|byte| [*byte, 0]).collect(),
        pid.bytes().map(|byte| byte - b'0').collect(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        bcd(&format!("0{pid}")),
        bcd(&format!("{pid}0")),
        format!("{number:x}").into_bytes(),
        number.to_be_bytes().to_vec(),
        number.to_le_bytes().to_vec(),
        // Whoever tries all numbers finds it.
        plain.into_bytes(),
        digest.as_ref().to_vec(),
        // However it stands in a longer text.
        base64(&digits),
        base64(&digits[1..]),
        base64(&digits[2..]),
    ]
}

/// The letters of base64 that do not depend on what stands around.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let threes = bytes.chunks_exact(3);
    let letters = threes.flat_map(|three| {
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| LETTERS[(number >> shift & 63) as usize])
    });
    letters.collect()
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}
