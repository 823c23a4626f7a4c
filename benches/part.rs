//! Parts: the same program, started again to be the load, the host or what is measured.
//!
//! A part says `ready` and where it can be reached, works until its standard input ends, and then
//! ends too, so none outlives the benchmark. What it costs is read from the kernel, thread by
//! thread.

use crate::{Failure, bare, crowd, host, load, stream, switch};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

/// The first argument of a part.
const MARK: &str = "--part";
/// Longest wait for a line.
const WAIT: Duration = Duration::from_secs(60);

/// Plays a part, if this process was started as one; says whether it was. Called first by `main`.
///
/// # Errors
/// What went wrong in the part.
pub fn play() -> Result<bool, Failure> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(MARK) {
        return Ok(false);
    }
    let part = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    match part.as_str() {
        "load" => load::play(&arguments)?,
        "host" => host::play()?,
        "slow-host" => host::play_slow(&arguments)?,
        "stream" => stream::play(&arguments)?,
        "crowd" => crowd::play(&arguments)?,
        "bare" => bare::play(&arguments)?,
        "switch" => switch::play(&arguments)?,
        other => return Err(format!("there is no part {other}").into()),
    }
    Ok(true)
}

/// Says where this part is reached and waits to be ended.
#[expect(clippy::print_stdout, reason = "parts speak over their standard output")]
pub(crate) fn work(address: &str) -> Result<(), Failure> {
    println!("ready {address}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// An argument of a part.
pub(crate) fn argument<T: std::str::FromStr>(all: &[String], place: usize) -> Result<T, Failure> {
    let text = all.get(place).ok_or_else(|| format!("argument {place} is missing"))?;
    text.parse().map_err(|_| format!("argument {place} is wrong: {text}").into())
}

/// Another process of this benchmark. Dropping it ends it.
#[derive(Debug)]
pub struct Part {
    child: Child,
    /// Closing it asks the part to end.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Part {
    /// Starts a part.
    ///
    /// # Errors
    /// There is no such process.
    pub fn start(name: &str, arguments: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(MARK).arg(name).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (send, lines) = sync_channel(64);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { input: child.stdin.take(), child, lines })
    }

    /// What follows `word` in the next line.
    ///
    /// # Errors
    /// The part ended, hangs, or says something else.
    pub fn line(&self, word: &str) -> Result<String, Failure> {
        self.line_within(word, WAIT)
    }

    /// The same, and a wait of its own.
    ///
    /// # Errors
    /// The part ended, hangs, or says something else.
    pub fn line_within(&self, word: &str, wait: Duration) -> Result<String, Failure> {
        let line = self.lines.recv_timeout(wait)?;
        let rest = line.strip_prefix(word).ok_or_else(|| format!("{word} expected: {line}"))?;
        Ok(rest.trim().to_owned())
    }

    /// Bytes of memory that it has in use.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).ok_or("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? * 1_024)
    }

    /// Nanoseconds of processor time, by name of the thread.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn cpu(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut used = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            // A thread may end while this looks at it.
            let Ok(times) = fs::read_to_string(task.join("schedstat")) else { continue };
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            let time: u64 = times.split(' ').next().unwrap_or_default().parse()?;
            *used.entry(name.trim().to_owned()).or_insert(0) += time;
        }
        Ok(used)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.input.take());
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // It did not end when asked to; then its failure is not of interest any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
