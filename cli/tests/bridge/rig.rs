//! A switch, a bank with sandboxes and a provider of identity checks as three processes, each of
//! which can be killed and started again on the same data.

use crate::http::{self, Page};
use crate::stage::{
    PATIENCE, Process, free_port, http_get, no_sandbox_but, read_only, search_journals, until,
    veksel,
};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The customer of these tests, whom the provider approves.
pub(crate) const APPROVED: &str = "c-1-green";

/// An account of the seed tables with 45 230.00 NOK.
pub(crate) const ACCOUNT: &str = "NO9386011117947";

/// And one that is paid.
pub(crate) const PAYEE: &str = "NO9110000000002";

/// Of the caller over HTTP.
pub(crate) const API_KEY: &str = "key-of-a-caller";

/// Signs webhooks.
pub(crate) const WEBHOOK_SECRET: &str = "sandbox-webhook-secret";

#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) channels: u16,
    pub(crate) admin: u16,
    pub(crate) http: u16,
    pub(crate) cbs: u16,
    pub(crate) bank: u16,
    pub(crate) kyc: u16,
}

pub(crate) struct Bridge {
    pub(crate) ports: Ports,
    pub(crate) bank: Option<Process>,
    pub(crate) kyc: Option<Process>,
    pub(crate) switch: Option<Process>,
    path: PathBuf,
    folder: Option<tempfile::TempDir>,
}

impl Bridge {
    /// Everything runs; the settings are of the bank `dnb`.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_with(settings, |_, _| String::new())
    }

    /// The same, with more in the configuration of the switch, made for its ports and folder.
    pub(crate) fn start_with(settings: &str, more: impl Fn(Ports, &Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports {
            channels: free_port(),
            admin: free_port(),
            http: free_port(),
            cbs: free_port(),
            bank: free_port(),
            kyc: free_port(),
        };
        let path = folder.path().to_owned();
        let mut rig =
            Self { ports, bank: None, kyc: None, switch: None, path, folder: Some(folder) };
        let write = |name: &str, text: String| std::fs::write(rig.path.join(name), text).unwrap();
        write("bank.toml", bank_toml(ports) + &no_sandbox_but(&["aspsp"]));
        write("kyc.toml", kyc_toml(ports) + &no_sandbox_but(&["sumsub"]));
        write("switch.toml", switch_toml(ports, settings) + &more(ports, &rig.path));
        for (name, secret) in [
            ("token", "sbx:veksel"),
            ("key", "sandbox-secret-key"),
            ("webhook", WEBHOOK_SECRET),
            ("caller", API_KEY),
        ] {
            write(name, secret.to_owned());
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(rig.path.join(name), mode).unwrap();
        }
        rig.start_bank();
        rig.start_kyc();
        rig.start_switch();
        rig
    }

    /// The same, with the account linked and its customer approved.
    pub(crate) fn linked(settings: &str) -> Self {
        Self::linked_with(settings, |_, _| String::new())
    }

    pub(crate) fn linked_with(settings: &str, more: impl Fn(Ports, &Path) -> String) -> Self {
        let rig = Self::start_with(settings, more);
        rig.link(ACCOUNT, APPROVED);
        rig.check(APPROVED, "approved");
        rig
    }

    pub(crate) fn start_bank(&mut self) {
        self.bank = Some(self.launch(&["simulate"], "bank", &[self.ports.cbs, self.ports.bank]));
    }

    pub(crate) fn start_kyc(&mut self) {
        self.kyc = Some(self.launch(&["simulate"], "kyc", &[self.ports.kyc]));
    }

    /// Starts the switch and waits until it is signed on.
    pub(crate) fn start_switch(&mut self) {
        let Ports { channels, http, admin, .. } = self.ports;
        self.switch = Some(self.launch(&["run"], "switch", &[channels, http]));
        until("the switch to be ready", PATIENCE, || {
            http_get(admin, "/ready").filter(|(status, _)| *status == 200)
        });
    }

    fn launch(&self, command: &[&str], name: &str, ports: &[u16]) -> Process {
        let config = self.path.join(format!("{name}.toml")).display().to_string();
        let arguments = [command, &["--config", &config]].concat();
        let mut process = Process::start(&arguments, &self.log(name));
        for port in ports {
            until("a process to listen", PATIENCE, || {
                assert_eq!(process.ended(), None, "{name} ended: {}", process.printed());
                TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok()
            });
        }
        process
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("veksel.db")
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Page {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http::request(self.ports.http, method, path, &[], body.as_bytes()).unwrap()
    }

    /// Links an account by the way of its customer.
    pub(crate) fn link(&self, iban: &str, customer: &str) {
        let wanted = json!({
            "account": iban, "bank": "dnb", "iban": iban, "currency": "578", "customer": customer,
        });
        let said = self.call("POST", "/api/accounts", &wanted);
        assert_eq!(said.status, 200, "{said:?}");
        let page = format!("{}?auto=approve", said.json()["approve"].as_str().unwrap());
        let back = http::visit(http::visit(&page).leads());
        assert_eq!(back.status, 200, "{back:?}");
        let path = format!("/api/accounts/{iban}");
        until("the account to be linked", PATIENCE, || {
            let shown = self.call("GET", &path, &Value::Null);
            (shown.json()["status"] == "valid").then_some(())
        });
    }

    /// Has a customer checked and waits for what comes of it.
    pub(crate) fn check(&self, customer: &str, status: &str) {
        let said = self.call("POST", "/api/kyc/initiate", &json!({ "customer": customer }));
        assert_eq!(said.status, 200, "{said:?}");
        self.await_customer(customer, status);
    }

    pub(crate) fn await_customer(&self, customer: &str, status: &str) {
        until(&format!("{customer} to be {status}"), PATIENCE, || {
            (self.customer(customer) == status).then_some(())
        });
    }

    pub(crate) fn customer(&self, customer: &str) -> String {
        let shown = self.call("GET", &format!("/api/kyc/status/{customer}"), &Value::Null);
        shown.json()["status"].as_str().unwrap_or_default().to_owned()
    }

    /// How often money moved for a payment of ours, by the ledger of the bank.
    pub(crate) fn moved(&self, rrn: &str) -> u64 {
        self.count(
            "bank.db",
            "SELECT count(*) FROM v_transfers WHERE terminal = 'XS2A' AND reverses IS NULL
             AND reversed_by IS NULL AND substr(narration, 1, 12) = ?1",
            rrn,
        )
    }

    pub(crate) fn count(&self, database: &str, sql: &str, parameter: &str) -> u64 {
        let database = read_only(&self.path.join(database));
        database.query_row(sql, [parameter], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    }

    /// How often the bank's sandbox was asked this, by method and path.
    pub(crate) fn asked(&self, method: &str, path: &str) -> usize {
        Self::asked_at(self.ports.bank, method, path)
    }

    /// The same of the sandbox behind a port.
    pub(crate) fn asked_at(port: u16, method: &str, path: &str) -> usize {
        let log = http::request(port, "GET", "/__sandbox/log", &[], b"").unwrap();
        let log = log.json();
        let entries = log.as_array().unwrap().iter();
        let is_meant = |entry: &&Value| {
            entry["method"] == method && entry["path"].as_str().is_some_and(|p| p.starts_with(path))
        };
        entries.filter(is_meant).count()
    }

    /// Files of the switch that hold these bytes.
    pub(crate) fn files_with(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_switchs = name.starts_with("veksel") || name.starts_with("switch");
            if is_switchs
                && std::fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes)
            {
                found.push(name);
            }
        }
        found
    }

    /// A sample of the switch's metrics, by its whole name with labels.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        let (_, page) = http_get(self.ports.admin, "/metrics").unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// What `veksel send` prints.
    pub(crate) fn send(&self, words: &[&str]) -> String {
        let to = format!("127.0.0.1:{}", self.ports.channels);
        let ran = veksel(&[&["send", "--to", &to], words].concat());
        String::from_utf8(ran.stdout).unwrap() + &String::from_utf8_lossy(&ran.stderr)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop((self.switch.take(), self.kyc.take(), self.bank.take()));
        if !std::thread::panicking() {
            search_journals(&self.path);
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let folder = folder.keep();
            eprintln!("evidence is kept in {}", folder.display());
            for name in ["switch", "bank", "kyc"] {
                eprintln!("--- {name}\n{}", last_lines(&self.log(name)));
            }
        }
    }
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

fn bank_toml(ports: Ports) -> String {
    let Ports { cbs, bank, .. } = ports;
    format!(
        r#"
[bank]
listen = "127.0.0.1:{cbs}"
database = "bank.db"
[sandbox.aspsp]
listen = "127.0.0.1:{bank}"
tls_listen = "127.0.0.1:0"
accept = "50ms"
settle = "50ms"
slow_sca = "1s"
late = "14s"
"#
    )
}

fn kyc_toml(ports: Ports) -> String {
    let Ports { kyc, http, .. } = ports;
    format!(
        r#"
[bank]
listen = "127.0.0.1:0"
database = "other.db"
[sandbox.sumsub]
listen = "127.0.0.1:{kyc}"
webhook_url = "http://127.0.0.1:{http}/v1/webhooks/sumsub"
webhook_secret = "{WEBHOOK_SECRET}"
submits_alone = true
delay = "100ms"
"#
    )
}

fn switch_toml(ports: Ports, settings: &str) -> String {
    let Ports { channels, admin, http, cbs, bank, kyc } = ports;
    // Most tests make a bank fail often, and want to hear each failure.
    let patient =
        if settings.contains("breaker_failures") { "" } else { "breaker_failures = 10000" };
    format!(
        r#"
[log]
level = "warn"
format = "pretty"
[admin]
listen = "127.0.0.1:{admin}"
[store]
path = "veksel.db"
keys = "veksel.key"
[[participant]]
name = "channels"
[[participant]]
name = "app"
[[caller]]
name = "app"
participant = "app"
key_file = "caller"
permissions = ["*"]
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
[kyc]
url = "http://127.0.0.1:{kyc}"
allow_private = true
app_token_file = "token"
secret_key_file = "key"
webhook_secret_files = ["webhook"]
risk_labels = ["BLOCKLIST"]
[[aspsp]]
name = "dnb"
url = "http://127.0.0.1:{bank}/dnb"
allow_private = true
retry_wait = "50ms"
wants_push = true
{patient}
{settings}
[aspsp.deadlines]
payment = "3s"
inquiry = "3s"
statement = "3s"
"#
    )
}
