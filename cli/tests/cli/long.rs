//! Commands that run until somebody stops them: `demo`, `run` and `simulate`.
//!
//! What they run is tested where it is written; here is that it starts, ends in order and says so.

use crate::ran::run;
use crate::stage::{PATIENCE, Process, until};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use veksel_codecs::{Codec, Dialect, Message, field};

fn example(name: &str, folder: &Path) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    let to = folder.join(name);
    std::fs::copy(from, &to).unwrap();
    to.display().to_string()
}

/// A command that runs, and how much of what it said was read.
struct Started {
    process: Process,
    read: usize,
}

impl Started {
    /// The next line it says; `None` as long as there is none.
    fn line(&mut self) -> Option<String> {
        let said = self.process.said();
        let line = said[self.read..].lines().next()?.to_owned();
        self.read += line.len() + 1;
        Some(line)
    }

    /// Waits for a line that fits.
    fn line_that<T>(&mut self, what: &str, fits: impl Fn(&str) -> Option<T>) -> T {
        until(what, PATIENCE, || {
            while let Some(line) = self.line() {
                if let Some(found) = fits(&line) {
                    return Some(found);
                }
            }
            assert_eq!(self.process.ended(), None, "before {what}: {}", self.process.printed());
            None
        })
    }
}

/// Starts a command and waits for the line that begins so.
fn start(arguments: &[&str], log: &Path, line_start: &str) -> Started {
    let mut started = Started { process: Process::start(arguments, log), read: 0 };
    started.line_that(line_start, |line| line.trim_start().starts_with(line_start).then_some(()));
    started
}

/// Asks a command to stop as systemd does, and gives its last words.
#[cfg(unix)]
fn stop(mut started: Started) -> (Option<i32>, String) {
    started.process.signal("TERM");
    let code = until("its end", PATIENCE, || started.process.ended());
    (code, started.process.said()[started.read..].to_owned())
}

#[test]
fn a_demo_ends_with_balanced_books() {
    let ran = run(&["demo", "--for", "2s", "--random-ports", "--rate", "50"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("veksel "), "{}", ran.out);
    assert!(ran.out.contains("\n  Sandbox aspsp        http://127.0.0.1:"), "{}", ran.out);
    assert!(ran.out.contains("\nevery request answered once: yes, "), "{}", ran.out);
    assert!(ran.out.contains("\njournal agrees with ledger: yes, "), "{}", ran.out);
    let last = ran.out.lines().last().unwrap();
    let transfers = last.strip_prefix("ledger balanced: ").unwrap();
    let transfers = transfers.strip_suffix(" transfers, sum 0").unwrap();
    assert!(transfers.parse::<u64>().unwrap() > 0, "{last}");
}

#[test]
fn a_demo_in_json_keeps_its_books_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let place = kept.display().to_string();
    let arguments = ["demo", "--for", "1s", "--random-ports", "--json", "--retain", &place];
    let ran = run(&arguments);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["ok"]), (0, &true.into()), "{}", ran.err);
    assert_eq!(json["traffic"]["sent"], json["traffic"]["answered"]);
    assert_eq!(json["ledger"]["conserved"], true);
    assert!(kept.join("veksel.db").is_file() && kept.join("bank.db").is_file());
}

#[cfg(unix)]
#[test]
fn a_switch_and_a_bank_stop_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let bank = example("simulator.toml", folder.path());
    let bank = [
        "simulate",
        "--config",
        &bank,
        "--set",
        "bank.listen=127.0.0.1:0",
        "--set",
        "sandbox.enabled=false",
    ];
    let bank = start(&bank, &folder.path().join("bank.log"), "ledger");
    let (code, rest) = stop(bank);
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.starts_with("ledger balanced: "), "{rest}");
    let switch = example("switch.toml", folder.path());
    let mut arguments = vec!["run", "--config", &switch];
    arguments.extend(["--set", "listener.channels.listen=127.0.0.1:0"]);
    arguments.extend(["--set", "admin.listen=127.0.0.1:0"]);
    let switch = start(&arguments, &folder.path().join("switch.log"), "journal");
    assert_eq!(stop(switch), (Some(0), String::new()));
}

/// The address of a sandbox in the words a command begins with.
fn sandbox(started: &mut Started, name: &str) -> String {
    started.line_that(&format!("sandbox {name}"), |line| {
        let mut words = line.split_whitespace();
        let is_it = words.next() == Some("Sandbox") && words.next() == Some(name);
        words.next().filter(|_| is_it).map(str::to_owned)
    })
}

#[cfg(unix)]
#[test]
fn sandboxes_run_beside_the_bank() {
    let folder = tempfile::tempdir().unwrap();
    let bank = example("simulator.toml", folder.path());
    let mut arguments = vec!["simulate", "--config", &bank];
    for set in [
        "bank.listen=127.0.0.1:0",
        "sandbox.certificates=certificates",
        "sandbox.aspsp.listen=127.0.0.1:0",
        "sandbox.aspsp.tls_listen=127.0.0.1:0",
        "sandbox.sumsub.listen=127.0.0.1:0",
        "sandbox.neonomics.listen=127.0.0.1:0",
        "sandbox.droppay.listen=127.0.0.1:0",
        "sandbox.droppay.tls_listen=127.0.0.1:0",
        "sandbox.notify.listen=127.0.0.1:0",
        "sandbox.oidc.listen=127.0.0.1:0",
        "sandbox.report.listen=127.0.0.1:0",
        "sandbox.shaype.listen=127.0.0.1:0",
        "sandbox.biller.listen=127.0.0.1:0",
        "sandbox.sms.listen=127.0.0.1:0",
        "sandbox.fcm.listen=127.0.0.1:0",
        "sandbox.mail.listen=127.0.0.1:0",
        "sandbox.mail.smtp_listen=127.0.0.1:0",
        "sandbox.mail.smtps_listen=127.0.0.1:0",
        "sandbox.didit.listen=127.0.0.1:0",
    ] {
        arguments.extend(["--set", set]);
    }
    let mut bank = start(&arguments, &folder.path().join("bank.log"), "ledger");
    let address = sandbox(&mut bank, "aspsp");
    let address = address.strip_prefix("http://").unwrap();
    assert!(sandbox(&mut bank, "aspsp-tls").starts_with("https://127.0.0.1:"));
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("GET /dnb/app HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("<h1>DNB</h1>"), "{page}");
    for file in ["ca.pem", "qwac.pem", "qwac.key", "qseal.pem", "qseal.key"] {
        assert!(folder.path().join("certificates").join(file).is_file(), "{file}");
    }
    let (code, rest) = stop(bank);
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.ends_with(" transfers, sum 0\n"), "{rest}");
}

/// A bank that says yes to whatever is asked on one connection, and tells DE70 of it.
fn bank_that_agrees(listener: TcpListener, asked: mpsc::SyncSender<u64>) {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut frame).unwrap();
        let mut message = Message::new();
        codec.decode_into(&frame, &mut message).unwrap();
        message.set_mti(message.mti().response().unwrap());
        message.set(field::RESPONSE_CODE, veksel_codecs::ResponseCode::APPROVED);
        let mut answer = bytes::BytesMut::new();
        codec.encode(&message, &mut answer).unwrap();
        stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&answer).unwrap();
        asked.send(message.get(field::NETWORK_CODE).unwrap()).unwrap();
    }
}

/// Behaviour 57 of the switch: a stop signs off from the hosts.
#[cfg(unix)]
#[test]
fn a_stop_signs_off() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let switch = example("switch.toml", folder.path());
    let text = std::fs::read_to_string(&switch).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let text =
        text.replace("127.0.0.1:8593", &host).replace("\nconnections = 4", "\nconnections = 1");
    std::fs::write(&switch, text).unwrap();
    let (tell, asked) = mpsc::sync_channel(16);
    let bank = std::thread::spawn(move || bank_that_agrees(listener, tell));
    let mut arguments = vec!["run", "--config", &switch];
    arguments.extend(["--set", "listener.channels.listen=127.0.0.1:0"]);
    arguments.extend(["--set", "admin.listen=127.0.0.1:0"]);
    let switch = start(&arguments, &folder.path().join("switch.log"), "journal");
    assert_eq!(asked.recv_timeout(Duration::from_secs(20)), Ok(1));
    assert_eq!(stop(switch).0, Some(0));
    bank.join().unwrap();
    assert_eq!(asked.iter().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bank = example("simulator.toml", folder.path());
    let listen = format!("bank.listen={address}");
    let ran =
        run(&["simulate", "--config", &bank, "--set", &listen, "--set", "sandbox.enabled=false"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("error: ") && ran.err.contains(&address.to_string()),
        "{}",
        ran.err
    );
}

#[test]
fn magic_amounts_are_listed() {
    let ran = run(&["simulate", "--magic"]);
    assert_eq!(ran.code, 0);
    for ending in ["...51   51    ", "...68   late  ", "...91   91    "] {
        assert!(ran.out.contains(ending), "{}", ran.out);
    }
    let json: serde_json::Value =
        serde_json::from_str(&run(&["simulate", "--magic", "--json"]).out).unwrap();
    let late = json.as_array().unwrap().iter().filter(|row| row["late"] == true).count();
    assert_eq!(late, 1);
}
