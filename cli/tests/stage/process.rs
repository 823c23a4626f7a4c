//! A child process that does not outlive its test, and waiting for what it does.
//!
//! It logs everything it can, and when it has ended its log is searched for secrets.

use super::program::{leaks, program, search};

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(1);

/// Waits for a condition; fails the test when it does not come true in time.
pub(crate) fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// A running `veksel`. It is killed when the test is done with it, however that ends.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins.
    since: u64,
}

impl Process {
    /// What it prints is appended to `log`.
    pub(crate) fn start(arguments: &[&str], log: &Path) -> Self {
        Self::start_with(arguments, &[], log)
    }

    /// The same with variables.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)], log: &Path) -> Self {
        let open = || -> File { OpenOptions::new().create(true).append(true).open(log).unwrap() };
        let since = std::fs::metadata(log).map_or(0, |log| log.len());
        let child = program()
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned(), since }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it has printed for people, without the lines of its log.
    pub(crate) fn said(&self) -> String {
        let printed = self.printed();
        let whole = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.filter(|line| !line.starts_with('{')).collect()
    }

    /// `TERM`, `INT`, `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// SIGKILL: it gets to do nothing more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit code if it has ended; `None` in it if a signal did that.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Waits for its end.
    pub(crate) fn end(mut self, patience: Duration) -> Option<i32> {
        until("a process to end", patience, || self.ended())
    }

    /// What it logged has no secret in it.
    fn search(&self) {
        let Ok(mut log) = File::open(&self.log) else { return };
        let mut bytes = Vec::new();
        let read = log.seek(SeekFrom::Start(self.since)).and_then(|_| log.read_to_end(&mut bytes));
        read.unwrap();
        let found = leaks(&self.log.display().to_string(), &bytes);
        assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            self.search();
        }
    }
}

/// Status and body of a page on the loopback; `None` if nobody answers.
pub(crate) fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    search(path, text.as_bytes());
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// It is told to show a card, and does.
#[test]
fn a_card_in_the_log_of_a_process_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let frame = super::program::frame();
    let start = |arguments: &[&str]| Process::start(arguments, &folder.path().join("log"));
    let shown = start(&["decode", "--unsafe", &frame]);
    let end = || shown.end(Duration::from_secs(60));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(end)).unwrap_err();
    let said = caught.downcast_ref::<String>().unwrap();
    assert!(said.contains("card number ending in 1111 as plain"), "{said}");
    // What was there before it began is not its own.
    assert!(start(&["decode", &frame]).end(Duration::from_secs(60)).is_some());
}
