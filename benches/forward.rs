//! Forwarding: inquiries through the whole switch beside a bare forwarder under the same load.
//!
//! Load, program and host are processes of their own on one machine; the switch decodes, routes,
//! matches, watches deadlines and counts, and records inquiries only in the third line of each
//! table. `VEKSEL_BENCH_ROUNDS` and `VEKSEL_BENCH_MS` change how long it takes, about 60 s.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::Failure;
use benches::frames::Kind;
use benches::part;
use benches::stage::{Length, Program, Spread, Turn, turn, verdict};

/// Connections, requests in flight on each, and how many times the processor time of the bare
/// forwarder a message may cost.
const SHAPES: [(usize, usize, f64); 3] = [(64, 1, 1.30), (64, 4, 1.30), (8, 32, 1.60)];

fn main() -> Result<(), Failure> {
    if part::play()? {
        return Ok(());
    }
    let length = Length::from_environment()?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().ok_or("a folder with an odd name")?;
    let recording = format!("{folder}/recording");
    std::fs::create_dir(&recording)?;
    let host = Program::start("host", "host", &[])?;
    let programs = [
        Program::start("bare forwarder", "bare", &[&host.address])?,
        Program::start("switch", "switch", &[&host.address, folder, "sqlite", "false"])?,
        Program::start(
            "  recording them",
            "switch",
            &[&host.address, &recording, "sqlite", "true"],
        )?,
    ];
    println!("inquiries through the switch; median [least, most] of {} rounds", length.rounds);
    println!("CPU is microseconds of the program per inquiry, both ways; closed loop, loopback");
    let mut run = 0;
    for (connections, window, target) in SHAPES {
        let mut turns: [Vec<Turn>; 3] = Default::default();
        for _ in 0..length.rounds {
            for (program, turns) in programs.iter().zip(&mut turns) {
                run += 1;
                turns.push(turn(program, (connections, window), Kind::Balance, run, length)?);
            }
        }
        println!("\n{connections} connections x {window} in flight");
        println!("{:<18} {:>26} {:>22} {:>22}", "", "thousand per second", "CPU", "CPU by bare's");
        for (program, own) in programs.iter().zip(&turns) {
            let rate = Spread::of(own.iter().map(|turn| turn.rate / 1e3));
            let cpu = Spread::of(own.iter().map(|turn| turn.cpu));
            let pairs = own.iter().zip(&turns[0]);
            let ratio = Spread::of(pairs.map(|(own, bare)| own.cpu / bare.cpu));
            let judged = match program.name {
                "switch" => format!("<= {target:.2} {}", verdict(ratio.middle <= target)),
                _ => String::new(),
            };
            println!("{:<18} {rate:>26.1} {cpu:>22} {ratio:>22} {judged}", program.name);
        }
        let load = Spread::of(turns.iter().flatten().map(|turn| turn.load));
        println!("{:<18} {:>26} {load:>22}", "(the load itself)", "");
    }
    Ok(())
}
