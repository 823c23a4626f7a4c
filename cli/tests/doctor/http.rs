//! `veksel doctor http` against what can be met: sandboxes of everybody, a switch that runs, a port
//! that nobody listens on, a name that nobody has, certificates that have ended or belong to other
//! keys, secrets that others may read, and a clock that is wrong.

use crate::peer;
use crate::stage::{PATIENCE, Process, free_port, no_sandbox_but, program, run, until};
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use veksel_simulator::sandbox::ca::{Authority, Clients, Purpose, Wanted};
use veksel_simulator::sandbox::sms::SmsGateway;
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

/// Words that must not be seen in what is printed.
const HUSH: &str = "hushhushhush";

/// What the doctor says, with its exit code.
struct Said {
    code: Option<i32>,
    value: Value,
    printed: String,
}

impl Said {
    /// The result of a check of a party, and what is said of it with what to do.
    fn of(&self, party: &str, check: &str) -> (String, String) {
        let parties = self.value["parties"].as_array().unwrap();
        let found = parties.iter().find(|one| one["name"].as_str().unwrap().starts_with(party));
        let party = found.unwrap_or_else(|| panic!("no {party}: {}", self.printed));
        let checks = party["checks"].as_array().unwrap();
        // Of several of one name the one that is worst.
        let rank = |found: &&Value| {
            ["bad", "doubtful", "good", "skipped"].iter().position(|mark| found["result"] == *mark)
        };
        let found = checks.iter().filter(|found| found["check"] == check).min_by_key(rank);
        let found = found.unwrap_or_else(|| panic!("no {check}: {party:#}"));
        let word = |key: &str| found[key].as_str().unwrap().to_owned();
        (word("result"), format!("{} = {}", word("said"), word("fix")))
    }

    fn is(&self, party: &str, check: &str, result: &str, part: &str) {
        let (found, said) = self.of(party, check);
        assert_eq!(found, result, "{party} {check}: {said}");
        assert!(said.contains(part), "{party} {check}: {said}");
    }
}

/// A folder with the files of a switch.
struct Folder {
    folder: TempDir,
    admin: u16,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), admin: free_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    /// A switch with these sections.
    fn switch(&self, sections: &str) {
        let admin = self.admin;
        let text = format!(
            r#"
[switch]
service_mode = "mock"
[log]
level = "warn"
[admin]
listen = "127.0.0.1:{admin}"
[store]
path = "veksel.db"
keys = "veksel.key"
[[participant]]
name = "channels"
[[listener]]
name = "channels"
listen = "127.0.0.1:{}"
participant = "channels"
[[group]]
name = "cbs"
connect = ["127.0.0.1:{}"]
[[route]]
name = "everything"
group = "cbs"
{sections}
"#,
            free_port(),
            free_port(),
        );
        self.write("switch.toml", &text, 0o600);
    }

    /// Runs the doctor; nothing secret is in what it prints, in either form.
    fn examine(&self, variables: &[(&str, &str)]) -> Said {
        let ran = |more: &[&str]| {
            let config = self.path("switch.toml").display().to_string();
            let arguments = ["doctor", "http", "--config", &config, "--timeout", "10s"];
            let arguments = [&arguments[..], more].concat();
            // Once with all that it can log, which is searched, and once as people see it.
            run(program().args(&arguments).envs(variables.iter().copied()));
            let mut plain = program();
            plain.args(&arguments).env_remove("VEKSEL_LOG").envs(variables.iter().copied());
            let output = run(&mut plain);
            let printed = String::from_utf8(output.stdout).unwrap()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(!printed.contains(HUSH), "{printed}");
            (output.status.code(), printed)
        };
        let (code, text) = ran(&[]);
        let (again, printed) = ran(&["--json"]);
        assert_eq!(code, again, "{text}{printed}");
        // Each complaint comes with what to do.
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let next = lines.peek().copied().unwrap_or_default();
            let is_told = next.trim_start().starts_with("= ");
            assert!(!line.starts_with(['✗', '!']) || is_told, "{line}\n{next}");
        }
        let value: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
        assert_eq!(value["sound"], code == Some(0), "{text}");
        Said { code, value, printed: text }
    }
}

fn launch(command: &str, folder: &Folder, name: &str, ports: &[u16]) -> Process {
    let config = folder.path(&format!("{name}.toml")).display().to_string();
    let log = folder.path(&format!("{name}.log"));
    let mut process = Process::start(&[command, "--config", &config], &log);
    for port in ports {
        until("a process to listen", PATIENCE, || {
            assert_eq!(process.ended(), None, "{name} ended: {}", process.printed());
            TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok()
        });
    }
    process
}

/// A gateway for text messages behind TLS, with this certificate and key.
fn gateway(certificate: &str, key: &str) -> RunningSandboxes {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    behind(Arc::new(tls))
}

fn behind(tls: Arc<ServerConfig>) -> RunningSandboxes {
    let clock = Clock::default();
    let sandbox = Arc::new(SmsGateway::new(HUSH.to_owned(), clock.clone()));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    start(vec![Mount { name: "sms".to_owned(), listen, tls: Some(tls), sandbox }], clock).unwrap()
}

/// `[sms]` at this address, with more keys.
fn sms(url: &str, more: &str) -> String {
    format!("[sms]\nurl = \"{url}\"\nallow_private = true\n{more}\n")
}

const SMS: &str = "text messages";

#[test]
fn everybody_who_is_as_he_should_be_is_sound_and_so_is_the_switch() {
    let folder = Folder::new();
    let ports = [(); 12].map(|()| free_port());
    let [cbs, aspsp, tls, oidc, shaype, sms, mail, smtp, smtps, notify, fcm, http] = ports;
    let wanted = ["aspsp", "oidc", "shaype", "sms", "mail", "notify", "fcm"];
    let bank = format!(
        r#"
[bank]
listen = "127.0.0.1:{cbs}"
database = "bank.db"
[sandbox]
certificates = "certificates"
[sandbox.aspsp]
listen = "127.0.0.1:{aspsp}"
tls_listen = "127.0.0.1:{tls}"
[sandbox.oidc]
listen = "127.0.0.1:{oidc}"
[sandbox.shaype]
listen = "127.0.0.1:{shaype}"
[sandbox.sms]
listen = "127.0.0.1:{sms}"
[sandbox.mail]
listen = "127.0.0.1:{mail}"
smtp_listen = "127.0.0.1:{smtp}"
smtps_listen = "127.0.0.1:{smtps}"
user = "veksel"
[sandbox.notify]
listen = "127.0.0.1:{notify}"
[sandbox.fcm]
listen = "127.0.0.1:{fcm}"
"#
    );
    folder.write("bank.toml", &(bank + &no_sandbox_but(&wanted)), 0o600);
    let _bank = launch("simulate", &folder, "bank", &[cbs, aspsp, tls, oidc, smtp, fcm]);
    for name in ["token", "pepper", "id", "secret", "key", "caller", "password"] {
        folder.write(name, HUSH, 0o600);
    }
    let beat = format!("http://localhost:{notify}/api/v1/heartbeat/{HUSH}");
    folder.write("beat", &beat, 0o600);
    let (_, account) = crate::stage::http_get(fcm, "/service-account").unwrap();
    folder.write("account", &account, 0o600);
    folder.switch(&format!(
        r#"
[[participant]]
name = "app"
[[caller]]
name = "app"
participant = "app"
key_file = "caller"
permissions = ["*"]
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
token_file = "token"
[extauth]
caller = "app"
keys_url = "http://127.0.0.1:{shaype}/authentication/keys"
allow_private = true
[identity]
url = "http://127.0.0.1:{oidc}/auth/realms/current"
allow_private = true
client_id_file = "id"
client_secret_file = "secret"
pepper_file = "pepper"
[[aspsp]]
name = "dnb"
url = "https://localhost:{tls}/dnb"
allow_private = true
trust = "certificates/ca.pem"
certificate = "certificates/qwac.pem"
key = "certificates/qwac.key"
seal_certificate = "certificates/qseal.pem"
seal_key = "certificates/qseal.key"
[sms]
url = "http://127.0.0.1:{sms}"
allow_private = true
headers = ["X-Api-Key=file:key"]
[email]
host = "localhost"
port = {smtp}
from = "bank@veksel.example"
user = "veksel"
password_file = "password"
allow_private = true
trust = "certificates/ca.pem"
[push]
url = "http://127.0.0.1:{fcm}"
allow_private = true
service_account_file = "account"
[alert]
heartbeat_url_file = "beat"
heartbeat_every = "1h"
allow_private = true
"#
    ));
    // The address of a channel is a secret, and is not called: nobody is told anything.
    let slack = format!("http://127.0.0.1:{notify}/services/T0/B0/{HUSH}");
    let variables = [("SLACK_WEBHOOK_URL", slack.as_str())];
    let said = folder.examine(&variables);
    assert_eq!(said.code, Some(0), "{}", said.printed);
    let (bank, own) = ("bank dnb", "our own listeners");
    for (party, check, part) in [
        (own, "secret", "the token of programs"),
        (own, "address", "is free"),
        ("alarms in Slack", "request", "speaks HTTP"),
        ("heartbeat", "name", "`localhost` is"),
        ("heartbeat", "request", "speaks HTTP"),
        ("card platform's keys", "keys", "key"),
        ("signing in", "document", "of its issuer"),
        ("signing in", "keys", "a token can be signed with"),
        ("signing in", "clock", "from this clock"),
        (bank, "trust", "the CA in"),
        (bank, "certificate", "is good for"),
        (bank, "name", "`localhost` is"),
        (bank, "connect", "accepts"),
        (bank, "tls", "TLS 1.3"),
        (bank, "peer", "is good for"),
        (bank, "request", "answers"),
        (bank, "clock", "from this clock"),
        (SMS, "secret", "the header x-api-key"),
        ("letters", "smtp", "EHLO"),
        ("letters", "tls", "STARTTLS"),
        ("letters", "peer", "is good for"),
        ("letters", "login", "the password was not tried"),
        ("notices to apps", "secret", "the service account"),
        ("notices to apps", "request", "speaks HTTP"),
    ] {
        said.is(party, check, "good", part);
    }
    let messages = "/__sandbox/messages";
    let (_, heard) = crate::stage::http_get(notify, messages).unwrap();
    assert_eq!(heard.trim(), "[]", "nobody is told anything");
    let (_, letters) = crate::stage::http_get(mail, "/letters").unwrap();
    assert_eq!(letters.trim(), "{\"letters\":[]}");

    let _switch = launch("run", &folder, "switch", &[http, folder.admin]);
    until("the switch to be ready", PATIENCE, || {
        let said = folder.examine(&variables);
        let (_, health) = said.of(own, "health");
        assert!(health.contains("a switch answers"), "{health}");
        said.is(own, "live", "good", "the switch is live");
        // It has nobody at the port of its host.
        let (result, why) = said.of(own, "ready");
        (result == "bad" && why.contains("online to cbs") && said.code == Some(1)).then_some(())
    });
}

#[test]
fn who_cannot_be_reached_is_told_apart() {
    let folder = Folder::new();
    let nobody = free_port();
    folder.switch(&sms(&format!("http://127.0.0.1:{nobody}"), ""));
    let said = folder.examine(&[]);
    assert_eq!(said.code, Some(1));
    said.is(SMS, "connect", "bad", "nothing listens");
    assert!(said.printed.ends_with("wrong: text messages [sms]\n"), "{}", said.printed);

    folder.switch(&sms("https://no-such-host.invalid", ""));
    folder.examine(&[]).is(SMS, "name", "bad", "check the spelling");

    // Without leave nobody near by is called, and his certificate is not asked for.
    folder.switch(&sms("https://localhost:1", "").replace("allow_private = true", ""));
    folder.examine(&[]).is(SMS, "name", "bad", "`allow_private = true`");

    let hangs_up = peer(drop);
    folder.switch(&sms(&format!("http://{hangs_up}"), ""));
    folder.examine(&[]).is(SMS, "request", "bad", "does the port speak HTTP");

    let ssh = peer(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-x\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    folder.switch(&sms(&format!("https://{ssh}"), ""));
    folder.examine(&[]).is(SMS, "tls", "bad", "does not speak TLS");
    let other = peer(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let (host, port) = other.split_once(':').unwrap();
    folder.switch(&format!(
        "[email]\nhost = \"{host}\"\nport = {port}\nfrom = \"a@b.example\"\nallow_private = true\n"
    ));
    folder.examine(&[]).is("letters", "smtp", "bad", "does not speak SMTP");
}

#[test]
fn certificates_that_have_ended_or_are_not_believed_are_named() {
    let folder = Folder::new();
    let authority = Authority::new().unwrap();
    folder.write("ca.pem", authority.pem(), 0o644);
    folder.write("other.pem", Authority::new().unwrap().pem(), 0o644);
    let issued = |valid, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let wanted = Wanted { valid, hosts, ..Wanted::of(Purpose::Web, &[]) };
        authority.issue(&wanted).unwrap()
    };
    let (past, always) = ([(2020, 1, 1), (2021, 1, 1)], [(2020, 1, 1), (2120, 1, 1)]);
    let trust = "trust = \"ca.pem\"";
    for (valid, hosts, more, check, part) in [
        (past, vec!["localhost"], trust, "tls", "ended on 20"),
        (always, vec!["elsewhere.example"], trust, "tls", "of another host"),
        (always, vec!["localhost"], "trust = \"other.pem\"", "tls", "name that CA in `trust`"),
        (past, vec!["localhost"], "tls = \"relaxed\"", "peer", "days ago"),
    ] {
        let server = issued(valid, &hosts);
        let gateway = gateway(&server.certificate, &server.key);
        let port = gateway.address("sms").unwrap().port();
        folder.switch(&sms(&format!("https://localhost:{port}"), more));
        let said = folder.examine(&[]);
        assert_eq!(said.code, Some(1), "{}", said.printed);
        said.is(SMS, check, "bad", part);
    }

    // Ours: not a pair, ended, and none where one is wanted.
    let known = behind(authority.server(&["localhost"], Clients::Required).unwrap());
    let url = format!("https://localhost:{}", known.address("sms").unwrap().port());
    let (one, two, old) =
        (issued(always, &["tpp.example"]), issued(always, &["tpp.example"]), issued(past, &[]));
    folder.write("one.pem", &one.certificate, 0o644);
    folder.write("old.pem", &old.certificate, 0o644);
    folder.write("one.key", &one.key, 0o600);
    folder.write("two.key", &two.key, 0o600);
    folder.write("old.key", &old.key, 0o600);
    let ours = |certificate: &str, key: &str| {
        folder.switch(&sms(&url, &format!("{trust}\n{certificate}\n{key}")));
        folder.examine(&[])
    };
    let said = ours("certificate = \"one.pem\"", "key = \"one.key\"");
    assert_eq!(said.code, Some(0), "{}", said.printed);
    said.is(SMS, "request", "good", "answers 404");
    let said = ours("certificate = \"one.pem\"", "key = \"two.key\"");
    said.is(SMS, "certificate", "bad", "is not that of the certificate");
    said.is(SMS, "tls", "skipped", "because of the files above");
    ours("certificate = \"old.pem\"", "key = \"old.key\"").is(
        SMS,
        "certificate",
        "bad",
        "days ago",
    );
    let said = ours("", "");
    assert_eq!(said.code, Some(1), "{}", said.printed);
    assert!(said.printed.contains("`certificate` and `key`"), "{}", said.printed);
    folder.write("one.key", &one.key, 0o640);
    let said = ours("certificate = \"one.pem\"", "key = \"one.key\"");
    said.is(SMS, "certificate", "bad", "chmod 600");
}

#[test]
fn secrets_that_others_may_read_or_that_are_not_there_are_named_and_not_shown() {
    let folder = Folder::new();
    let gateway = peer(|stream| answer(stream, 0));
    let url = format!("http://{gateway}");
    let with = |header: &str, mode| {
        folder.write("key", HUSH, mode);
        folder.switch(&sms(&url, &format!("headers = [\"{header}\"]")));
        folder.examine(&[])
    };
    let said = with("X-Api-Key=file:key", 0o600);
    assert_eq!(said.code, Some(0), "{}", said.printed);
    let said = with("X-Api-Key=file:key", 0o644);
    assert_eq!(said.code, Some(1), "{}", said.printed);
    said.is(SMS, "secret", "bad", "chmod 600");
    // It is looked at further all the same.
    said.is(SMS, "request", "good", "answers 200");
    let said = with("X-Api-Key=env:VEKSEL_NOBODY_SETS_THIS", 0o600);
    said.is(SMS, "secret", "bad", "VEKSEL_NOBODY_SETS_THIS is not set");
    let said = with("X-Api-Key=file:missing", 0o600);
    said.is(SMS, "secret", "bad", "put it there");
    // What is no address is not shown to say so.
    folder.write("slack", HUSH, 0o600);
    folder.switch("[alert]\nslack_url_file = \"slack\"\n");
    folder.examine(&[]).is("alarms in Slack", "address", "bad", "is no address");
}

/// Answers one request, by a clock that is so many seconds ahead.
fn answer(mut stream: TcpStream, ahead_s: i64) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
        // Who begins with TLS is not understood.
        if head.first() == Some(&0x16) {
            return;
        }
    }
    let now = Timestamp::now() + SignedDuration::from_secs(ahead_s);
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let rest = "Content-Length: 2\r\nConnection: close\r\n\r\n{}";
    let said = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\n{rest}");
    let _ = stream.write_all(said.as_bytes());
}

#[test]
fn a_clock_that_is_ten_minutes_off_is_wrong() {
    let folder = Folder::new();
    for (ahead_s, result, part) in [
        (0, "good", "from this clock"),
        (600, "bad", "time server"),
        (-600, "bad", "may be refused"),
    ] {
        let to = peer(move |stream| answer(stream, ahead_s));
        folder.switch(&sms(&format!("http://{to}"), ""));
        let said = folder.examine(&[]);
        assert_eq!(said.code, Some(i32::from(result == "bad")), "{}", said.printed);
        said.is(SMS, "clock", result, part);
    }
}

#[test]
fn our_own_listener_has_certificates_and_an_address_of_its_own() {
    let folder = Folder::new();
    let authority = Authority::new().unwrap();
    let issue = |valid| {
        let wanted = Wanted { valid, ..Wanted::of(Purpose::Web, &[]) };
        authority.issue(&wanted).unwrap()
    };
    let own = issue([(2020, 1, 1), (2120, 1, 1)]);
    let old = issue([(2020, 1, 1), (2021, 1, 1)]);
    folder.write("own.pem", &own.certificate, 0o644);
    folder.write("own.key", &own.key, 0o600);
    folder.write("old.pem", &old.certificate, 0o644);
    folder.write("old.key", &old.key, 0o600);
    let http = |port: u16, name: &str, key: &str| {
        folder.switch(&format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"https://localhost:{port}\"\n\
             [http.tls]\nenabled = true\ncertificate = \"{name}.pem\"\nkey = \"{key}.key\"\n"
        ));
        folder.examine(&[])
    };
    let (who, port) = ("our own listeners", free_port());
    let said = http(port, "own", "own");
    assert_eq!(said.code, Some(0), "{}", said.printed);
    said.is(who, "certificate", "good", "is good for");
    said.is(who, "address", "good", "is free");
    let said = http(port, "own", "old");
    assert_eq!(said.code, Some(1), "{}", said.printed);
    said.is(who, "certificate", "bad", "is not that of the certificate");
    http(port, "old", "old").is(who, "certificate", "bad", "days ago");
    // Somebody else is there.
    let other = peer(|stream| answer(stream, 0));
    let port = other.rsplit(':').next().unwrap().parse().unwrap();
    let said = http(port, "own", "own");
    assert_eq!(said.code, Some(1), "{}", said.printed);
    said.is(who, "health", "bad", "another program has it");
}

#[test]
fn who_is_pretended_is_not_called_and_a_broken_account_is_told() {
    let folder = Folder::new();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    folder.switch(&sms(&nobody, "simulate = true"));
    let said = folder.examine(&[]);
    assert_eq!(said.code, Some(0), "{}", said.printed);
    said.is(SMS, "request", "skipped", "nothing is sent");
    folder.write("account", &format!("{{\"private_key\": \"{HUSH}\"}}"), 0o600);
    folder.switch(&format!(
        "[push]\nurl = \"{nobody}\"\nallow_private = true\nservice_account_file = \"account\"\n"
    ));
    folder.examine(&[]).is("notices to apps", "secret", "bad", "not what is downloaded");
    // Traces are posted by programs that were built to do that.
    if !cfg!(feature = "otlp") {
        folder.switch(&format!("[trace]\nendpoint = \"{nobody}/v1/traces\"\n"));
        folder.examine(&[]).is("traces", "request", "bad", "feature \"otlp\"");
    }
}

#[test]
fn a_wrong_configuration_and_one_without_anybody_are_told() {
    let folder = Folder::new();
    folder.switch("");
    let said = folder.examine(&[]);
    assert_eq!(said.code, Some(0));
    assert!(said.printed.starts_with("nobody is called"), "{}", said.printed);
    let ran = |path: &Path| {
        let path = path.display().to_string();
        crate::stage::veksel(&["doctor", "http", "--config", &path]).status.code()
    };
    folder.switch("[sms]\nurl = 7\n");
    assert_eq!(ran(&folder.path("switch.toml")), Some(64));
    assert_eq!(ran(&folder.path("missing.toml")), Some(64));
}
