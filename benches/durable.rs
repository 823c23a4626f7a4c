//! Durability: payments through the switch with its journal on disk, in memory and off, beside
//! what the same disk gives to anybody who writes the same records.
//!
//! Every payment is a transfer: an intent that is durable before the request leaves and an outcome
//! that is durable before the answer does. Load, switch and host are processes of their own.
//! `VEKSEL_BENCH_ROUNDS` and `VEKSEL_BENCH_MS` change how long it takes, about 60 s. The argument
//! `rows` leaves the payments out and `payments` all of the bare loops but that of one payment.
//! The journals are in `TMPDIR`; on a memory file system the figures say nothing.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::Failure;
use benches::disk::Disk;
use benches::frames::Kind;
use benches::part;
use benches::stage::{Length, Program, Spread, Turn, turn, verdict};
use benches::waiting;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Connections, with one payment in flight on each. One alone shows what the journal adds to a
/// payment; the others show how many payments it lets through, and there p50 is a queue's.
const SHAPES: [usize; 3] = [1, 64, 256];
/// Records in a commit of the bare loops.
const BATCHES: [u64; 4] = [2, 32, 128, 512];

fn main() -> Result<(), Failure> {
    if part::play()? {
        return Ok(());
    }
    let length = Length::from_environment()?;
    let (rows, paid) = wanted()?;
    let folder = tempfile::tempdir()?;
    println!("medians [least, most] of {} rounds; closed loop, loopback", length.rounds);
    let batches = if rows { &BATCHES[..] } else { &BATCHES[..1] };
    let flush = bare_loops(folder.path(), length, batches)?;
    if paid { payments(folder.path(), length, flush) } else { Ok(()) }
}

/// Whether all of the bare loops are wanted, and whether the payments are.
fn wanted() -> Result<(bool, bool), Failure> {
    // Cargo says `--bench` to every benchmark.
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    match names.next().as_deref() {
        None => Ok((true, true)),
        Some("rows") => Ok((true, false)),
        Some("payments") => Ok((false, true)),
        Some(other) => Err(format!("there is no part {other}: rows or payments").into()),
    }
}

/// Prints what the disk gives; says what one flush takes.
fn bare_loops(folder: &Path, length: Length, batches: &[u64]) -> Result<Duration, Failure> {
    let mut disk = Disk::open(folder)?;
    let [intent, outcome] = disk.sizes();
    println!("\nthousand records per second, by batch; an intent and an outcome by turns,");
    println!("{intent} and {outcome} bytes, {:?} with what else is in the row", disk.row_sizes());
    println!("{:<6} {:>24} {:>24} {:>24}", "batch", "file", "bare SQLite", "the store");
    let time = Duration::from_millis(length.measure_ms / 5);
    let mut flush = Duration::ZERO;
    for &batch in batches {
        let mut figures: [Vec<f64>; 3] = Default::default();
        for _ in 0..length.rounds {
            figures[0].push(disk.file(batch, time)? / 1e3);
            figures[1].push(disk.raw(batch, time)? / 1e3);
            figures[2].push(disk.store(batch, time)? / 1e3);
        }
        let ratio = Spread::of(figures[2].iter().zip(&figures[1]).map(|(store, raw)| store / raw));
        let [file, raw, store] = figures.map(Spread::of);
        print!("{batch:<6} {file:>24.1} {raw:>24.1} {store:>24.1}   {:.2} of bare", ratio.middle);
        if batch == BATCHES[0] {
            flush = Duration::from_secs_f64(batch as f64 / 1e3 / file.middle);
            print!(", a flush is {} us", flush.as_micros());
        }
        if batch == BATCHES[BATCHES.len() - 1] {
            print!(" (>= 0.50 {})", verdict(ratio.middle >= 0.5));
        }
        println!();
    }
    Ok(flush)
}

fn payments(folder: &Path, length: Length, flush: Duration) -> Result<(), Failure> {
    let folder = folder.to_str().ok_or("a folder with an odd name")?;
    let host = Program::start("host", "host", &[])?;
    let switch =
        |name, store| Program::start(name, "switch", &[&host.address, folder, store, "true"]);
    let programs = [
        switch("on disk", "sqlite")?,
        switch("in memory", "memory")?,
        switch("off", "nothing")?,
        switch("disk waits", "waiting")?,
    ];
    let mut run = 0;
    for connections in SHAPES {
        let mut turns: [Vec<Turn>; 4] = Default::default();
        let before = commits(&programs[0])?;
        for _ in 0..length.rounds {
            for (program, turns) in programs.iter().zip(&mut turns) {
                run += 1;
                turns.push(turn(program, (connections, 1), Kind::Transfer, run, length)?);
            }
        }
        println!("\npayments, {connections} connections x 1 in flight; CPU in us per payment");
        println!(
            "{:<10} {:>22} {:>20} {:>8} {:>10} {:>8} {:>8}",
            "journal", "payments per second", "CPU", "shard", "committer", "p50 us", "p99 us"
        );
        for (program, own) in programs.iter().zip(&turns) {
            let all = |figure: fn(&Turn) -> f64| Spread::of(own.iter().map(figure));
            println!(
                "{:<10} {:>22.0} {:>20} {:>8.2} {:>10.2} {:>8.0} {:>8.0}",
                program.name,
                all(|turn| turn.rate),
                all(|turn| turn.cpu),
                all(|turn| turn.shard).middle,
                all(|turn| turn.committer).middle,
                all(|turn| turn.p50.as_secs_f64() * 1e6).middle,
                all(|turn| turn.p99.as_secs_f64() * 1e6).middle,
            );
        }
        let after = commits(&programs[0])?;
        let batch = (after.0 - before.0) / (after.1 - before.1).max(1.0);
        println!("on disk: {batch:.1} records in a commit");
        compare(&turns, connections, flush);
    }
    Ok(())
}

/// Prints the ratios, and whether they keep to the targets: those of rate and processor time stand
/// for 256 connections, that of p50 for a payment that waits for no other.
fn compare([disk, _, off, waits]: &[Vec<Turn>; 4], connections: usize, flush: Duration) {
    let ratio = |figure: fn(&Turn) -> f64| {
        Spread::of(disk.iter().zip(off).map(|(disk, off)| figure(disk) / figure(off)))
    };
    let (rate, cpu) = (ratio(|turn| turn.rate), ratio(|turn| turn.cpu));
    let added = |slow: &[Turn], flush: Duration| {
        let pairs = slow.iter().zip(off);
        let longer = pairs.map(|(slow, off)| slow.p50.as_secs_f64() - off.p50.as_secs_f64());
        Spread::of(longer.map(|longer| longer / flush.as_secs_f64()))
    };
    let judged = |keeps, text| match connections {
        256 => format!("{text} {}", verdict(keeps)),
        _ => String::new(),
    };
    println!("on disk by off: payments {rate} {}", judged(rate.middle >= 0.5, ">= 0.50"));
    println!("                CPU      {cpu} {}", judged(cpu.middle <= 2.0, "<= 2.00"));
    let judged = |added: Spread| match connections {
        1 => format!("{added} flushes (<= 3.00 {})", verdict(added.middle <= 3.0)),
        _ => format!("{added} flushes"),
    };
    println!("                p50 longer by {}", judged(added(disk, flush)));
    let waits = judged(added(waits, flush + waiting::FLUSH));
    println!("with {} us more a flush: p50 longer by {waits}", waiting::FLUSH.as_micros());
}

/// Records and commits so far, as the switch's metrics have them.
fn commits(program: &Program) -> Result<(f64, f64), Failure> {
    let mut stream = TcpStream::connect(&program.admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    let value = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .ok_or_else(|| Failure::from(format!("there is no metric {name}")))
    };
    Ok((value("veksel_journal_records_total")?, value("veksel_journal_commits_total")?))
}
