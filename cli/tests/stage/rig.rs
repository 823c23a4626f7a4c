//! A folder with a bank and a switch that run as processes of their own, and can be killed and
//! started again on the same data.

use super::process::{Process, http_get, until};
use super::program::{program, run, search_journals};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that must happen. Two busy cores are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long the switch of these tests lets a payment take.
pub(crate) const PAYMENT: Duration = Duration::from_secs(1);

/// A port that nobody uses. Below those that the system gives out, so that nobody gets it while
/// its owner is being started again.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    loop {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + start.wrapping_add(step) % 10_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Runs `veksel` to its end. What it printed has no secret in it.
#[track_caller]
pub(crate) fn veksel(arguments: &[&str]) -> Output {
    run(program().args(arguments))
}

/// The ports of a rig.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) channels: u16,
    pub(crate) admin: u16,
    pub(crate) bank: u16,
    /// Where the switch finds the bank: the bank itself, or what stands between them.
    pub(crate) dialled: u16,
}

/// See the module's description. What runs is killed when it is dropped.
pub(crate) struct Rig {
    pub(crate) ports: Ports,
    pub(crate) bank: Option<Process>,
    pub(crate) switch: Option<Process>,
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl Rig {
    /// A bank and a switch, ready.
    pub(crate) fn start() -> Self {
        let mut rig = Self::prepare(|_| {});
        rig.start_bank();
        rig.start_switch();
        rig
    }

    /// The same, in a switch that gives its bank so much time that no machine is too slow for what
    /// a test does meanwhile.
    pub(crate) fn patient() -> Self {
        let mut rig = Self::prepare(|_| {});
        std::fs::write(rig.file("switch.toml"), switch_toml(rig.ports, PATIENT)).unwrap();
        rig.start_bank();
        rig.start_switch();
        rig
    }

    /// Only the files. `change` may put something between switch and bank.
    pub(crate) fn prepare(change: impl FnOnce(&mut Ports)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bank = free_port();
        let mut ports = Ports { channels: free_port(), admin: free_port(), bank, dialled: bank };
        change(&mut ports);
        let path = folder.path().to_owned();
        let rig = Self { ports, bank: None, switch: None, folder: Some(folder), path };
        std::fs::write(rig.file("switch.toml"), switch_toml(ports, HASTY)).unwrap();
        std::fs::write(rig.file("simulator.toml"), simulator_toml(ports)).unwrap();
        rig
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.file("veksel.db")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.file("bank.db")
    }

    /// Starts the bank and waits until it accepts connections.
    pub(crate) fn start_bank(&mut self) {
        let config = self.file("simulator.toml").display().to_string();
        let arguments = ["simulate", "--config", &config];
        let mut bank = Process::start(&arguments, &self.file("bank.log"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.bank));
        until("the bank to listen", PATIENCE, || {
            assert_eq!(bank.ended(), None, "the bank ended: {}", bank.printed());
            TcpStream::connect(address).ok()
        });
        self.bank = Some(bank);
    }

    /// Starts the switch and waits until it is ready; how long that took.
    pub(crate) fn start_switch(&mut self) -> Duration {
        self.launch_switch();
        self.await_ready()
    }

    /// Starts the switch and does not wait.
    pub(crate) fn launch_switch(&mut self) {
        let config = self.file("switch.toml").display().to_string();
        let arguments = ["run", "--config", &config];
        self.switch = Some(Process::start(&arguments, &self.file("switch.log")));
    }

    /// Waits until the switch takes requests and is signed on.
    pub(crate) fn await_ready(&mut self) -> Duration {
        let start = Instant::now();
        let admin = self.ports.admin;
        let switch = self.switch.as_mut().unwrap();
        until("the switch to be ready", PATIENCE, || {
            assert_eq!(switch.ended(), None, "the switch ended: {}", switch.printed());
            http_get(admin, "/ready").filter(|(status, _)| *status == 200)
        });
        start.elapsed()
    }

    pub(crate) fn kill_bank(&mut self) {
        self.bank.take().unwrap().kill();
    }

    pub(crate) fn kill_switch(&mut self) {
        self.switch.take().unwrap().kill();
    }

    /// Ends both as systemd does; they must do so in order.
    pub(crate) fn stop(&mut self) {
        for process in [self.switch.take(), self.bank.take()].into_iter().flatten() {
            process.signal("TERM");
            assert_eq!(process.end(PATIENCE), Some(0));
        }
    }

    pub(crate) fn to(&self) -> String {
        format!("127.0.0.1:{}", self.ports.channels)
    }

    /// The sum of a metric over all labels that contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let (status, page) = http_get(self.ports.admin, "/metrics").unwrap();
        assert_eq!(status, 200);
        let mine = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        mine.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop((self.switch.take(), self.bank.take()));
        if !std::thread::panicking() {
            search_journals(&self.path);
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let folder = folder.keep();
            let mut text = format!("evidence is kept in {}\n", folder.display());
            for name in ["switch.log", "bank.log", "proxy.log"] {
                let _ = write!(text, "--- {name}\n{}", last_lines(&folder.join(name)));
            }
            eprintln!("{text}");
        }
    }
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(15);
    lines.get(from..).unwrap_or_default().iter().map(|line| format!("{line}\n")).collect()
}

/// How long a payment may take, how long a session may be silent, and how long a stop waits.
struct Pace {
    payment: &'static str,
    echo: &'static str,
    drain: &'static str,
    /// How long a channel waits for any answer.
    channel: &'static str,
}

/// Times that a test can wait for.
const HASTY: Pace = Pace { payment: "1s", echo: "1s", drain: "5s", channel: "4s" };

/// Times that are over when something hangs, and never before.
const PATIENT: Pace = Pace { payment: "25s", echo: "25s", drain: "30s", channel: "40s" };

/// The example at a pace.
fn switch_toml(ports: Ports, pace: Pace) -> String {
    let Ports { channels, admin, dialled, .. } = ports;
    let Pace { payment, echo, drain, channel } = pace;
    format!(
        r#"
[switch]
drain = "{drain}"
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
in_flight_max = 2000
[[listener]]
name = "channels"
listen = "127.0.0.1:{channels}"
participant = "channels"
frame_deadline = "1s"
channel_timeout = "{channel}"
[[group]]
name = "cbs"
connect = ["127.0.0.1:{dialled}"]
connections = 4
tombstone = "30s"
connect_timeout = "1s"
reconnect_min = "20ms"
reconnect_max = "200ms"
frame_deadline = "1s"
[group.session]
answer = "{echo}"
echo_idle = "{echo}"
[group.deadlines]
payment = "{payment}"
inquiry = "1s"
statement = "1s"
[group.breaker]
failures_max = 30
failure_percent = 80
slow = "900ms"
open = "100ms"
open_max = "500ms"
[group.reversals]
answer = "1s"
retry = "100ms"
retry_max = "1s"
guard = "2s"
[[route]]
name = "everything"
group = "cbs"
"#
    )
}

/// For a simulator's file: no sandboxes but these, because their usual ports may be in use.
pub(crate) fn no_sandbox_but(wanted: &[&str]) -> String {
    let others = veksel_config::SANDBOXES.iter().filter(|name| !wanted.contains(name));
    others.map(|name| format!("[sandbox.{name}]\nenabled = false\n")).collect()
}

fn simulator_toml(ports: Ports) -> String {
    format!(
        r#"
[bank]
listen = "127.0.0.1:{}"
database = "bank.db"
late = "2s"
[sandbox]
enabled = false
"#,
        ports.bank
    )
}
