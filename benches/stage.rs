//! The stage of a benchmark over sockets: programs that take turns under the same load, and what
//! each turn found.
//!
//! All programs run all the time, and one at a time has something to do. A round loads each of
//! them once, so that what disturbs the machine disturbs all of them; ratios are of one round.

use crate::Failure;
use crate::frames::Kind;
use crate::load::Found;
use crate::part::Part;
use std::time::Duration;

/// How long and how often to measure; from the environment.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// `VEKSEL_BENCH_ROUNDS`, by default 5.
    pub rounds: u64,
    /// `VEKSEL_BENCH_MS`, by default 1000: how long one turn measures.
    pub measure_ms: u64,
}

impl Length {
    /// As the environment says.
    ///
    /// # Errors
    /// It says something that is no number.
    pub fn from_environment() -> Result<Self, Failure> {
        let number = |name, default| match std::env::var(name) {
            Ok(text) => text.parse().map_err(|_| Failure::from(format!("{name}={text}"))),
            Err(_) => Ok(default),
        };
        let rounds = number("VEKSEL_BENCH_ROUNDS", 5)?;
        Ok(Self { rounds, measure_ms: number("VEKSEL_BENCH_MS", 1_000)? })
    }
}

/// A program that forwards.
#[derive(Debug)]
pub struct Program {
    /// What tables call it.
    pub name: &'static str,
    /// Where it listens.
    pub address: String,
    /// Where its metrics are, if it has any.
    pub admin: String,
    part: Part,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(name: &'static str, part: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let part = Part::start(part, &arguments)?;
        let ready = part.line("ready")?;
        let (address, admin) = ready.split_once(' ').unwrap_or((&ready, ""));
        Ok(Self { name, address: address.to_owned(), admin: admin.to_owned(), part })
    }
}

impl Program {
    /// Bytes of memory that it has in use.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn memory(&self) -> Result<u64, Failure> {
        self.part.memory()
    }
}

/// What one turn of one program found.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Requests answered per second.
    pub rate: f64,
    /// Microseconds of processor time of the program per request, all threads.
    pub cpu: f64,
    /// Of these, the shard's: socket to socket.
    pub shard: f64,
    /// Of these, the committer's: the journal.
    pub committer: f64,
    /// The load's own.
    pub load: f64,
    /// Half of the answers took no longer.
    pub p50: Duration,
    /// 99 of 100 answers took no longer.
    pub p99: Duration,
}

/// Puts a program under load once. `run` must differ from turn to turn.
///
/// # Errors
/// Something was not approved, or a part failed.
pub fn turn(
    program: &Program,
    (connections, window): (usize, usize),
    kind: Kind,
    run: u64,
    length: Length,
) -> Result<Turn, Failure> {
    let arguments = [
        program.address.clone(),
        connections.to_string(),
        window.to_string(),
        kind.word().to_owned(),
        run.to_string(),
        (length.measure_ms / 5).to_string(),
        length.measure_ms.to_string(),
    ];
    let load = Part::start("load", &arguments)?;
    load.line("begin")?;
    let (before, load_before) = (program.part.cpu()?, load.cpu()?);
    load.line("end")?;
    let (after, load_after) = (program.part.cpu()?, load.cpu()?);
    let found = Found::parse(&load.line("found")?)?;
    let each = |nanos: u64| nanos as f64 / 1e3 / found.answered.max(1) as f64;
    let used = |name: &str| {
        let [before, after] = [&before, &after].map(|all| all.get(name).copied().unwrap_or(0));
        each(after.saturating_sub(before))
    };
    Ok(Turn {
        rate: found.answered as f64 / found.elapsed.as_secs_f64(),
        cpu: each(after.values().sum::<u64>().saturating_sub(before.values().sum())),
        shard: used("shard"),
        committer: used("committer"),
        load: each(load_after.values().sum::<u64>().saturating_sub(load_before.values().sum())),
        p50: found.p50,
        p99: found.p99,
    })
}

/// Median, least and most.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The median.
    pub middle: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of some figures.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = figures.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |place: usize| all.get(place).copied().unwrap_or(f64::NAN);
        Self { middle: at(all.len() / 2), least: at(0), most: at(all.len().saturating_sub(1)) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let Self { middle, least, most } = self;
        let text = format!("{middle:.digits$} [{least:.digits$}, {most:.digits$}]");
        f.pad_integral(true, "", &text)
    }
}

/// Whether a median keeps to its target, as a word.
#[must_use]
pub const fn verdict(keeps: bool) -> &'static str {
    if keeps { "ok" } else { "MISSED" }
}
