//! The simulation: thousands of histories of the engine under faults, each from a seed, judged
//! when everything has come to rest.
//!
//! `VEKSEL_SEEDS=n` runs so many histories (200 without it), `VEKSEL_SEED=s` runs one and prints
//! it, `VEKSEL_FIRST=s` begins there. What it is not: a test of sockets, disks or bytes.

#![expect(clippy::print_stdout, reason = "a history is printed for people")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the world has threads")]
#![allow(unreachable_pub, reason = "everything here is private to this test")]

#[path = "simulation/bank.rs"]
mod bank;
#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/channel.rs"]
mod channel;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use veksel_core::{Bug, plant};
use world::{Counts, World};

/// Payments in one history.
const PAYMENTS: u32 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one history: what is wrong with it, what was counted, and its trace.
fn run(seed: u64) -> (Vec<String>, Counts, u64) {
    let mut world = World::new(seed, PAYMENTS, false);
    world.run();
    (judge::judge(&world), world.counts, world.trace)
}

/// A history that can be read.
fn tell(seed: u64) -> Vec<String> {
    let mut world = World::new(seed, PAYMENTS, true);
    world.run();
    world.lines.take().into_iter().flatten().for_each(|line| println!("{line}"));
    judge::judge(&world)
}

/// Runs the histories on all cores. Stops at the first that is wrong.
fn sweep(first: u64, seeds: u64) -> (u64, Counts, Option<(u64, Vec<String>)>) {
    let next = AtomicU64::new(first);
    let total = Mutex::new((0, Counts::default(), None));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || total.lock().unwrap().2.is_some() {
                        return;
                    }
                    let (wrong, counts, _) = run(seed);
                    let mut total = total.lock().unwrap();
                    total.0 += 1;
                    let sum: &mut Counts = &mut total.1;
                    sum.payments += counts.payments;
                    sum.faults += counts.faults;
                    sum.crashes += counts.crashes;
                    sum.reversals += counts.reversals;
                    sum.duplicates += counts.duplicates;
                    sum.approvals += counts.approvals;
                    sum.shed += counts.shed;
                    if !wrong.is_empty() && total.2.is_none() {
                        total.2 = Some((seed, wrong));
                    }
                }
            });
        }
    });
    total.into_inner().unwrap()
}

#[test]
fn no_history_loses_money() {
    if let Some(seed) = number("VEKSEL_SEED") {
        let wrong = tell(seed);
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        return;
    }
    let seeds = number("VEKSEL_SEEDS").unwrap_or(200);
    let (histories, counts, wrong) = sweep(number("VEKSEL_FIRST").unwrap_or(1), seeds);
    println!(
        "{histories} histories, {} payments, {} faults ({} crashes of the switch), \
         {} reversals and advices settled, {} duplicates recognised, {} approvals heard, {} shed, \
         {} violations; with 95 % confidence fewer than {:.1e} of histories would violate",
        counts.payments,
        counts.faults,
        counts.crashes,
        counts.reversals,
        counts.duplicates,
        counts.approvals,
        counts.shed,
        u32::from(wrong.is_some()),
        3.0 / histories.max(1) as f64,
    );
    if let Some((seed, wrong)) = wrong {
        panic!(
            "seed {seed} is wrong: {wrong:#?}\nreplay it with\n  VEKSEL_SEED={seed} cargo test \
             --release -p veksel-core --test simulation no_history -- --nocapture"
        );
    }
    // A sweep in which nothing happens would prove nothing.
    assert!(counts.faults > histories && counts.reversals > 0 && counts.approvals > histories);
    assert!(counts.shed > 0);
}

#[test]
fn a_history_is_the_same_every_time() {
    for seed in 1..=50 {
        assert_eq!(run(seed).2, run(seed).2, "seed {seed}");
    }
    assert_ne!(run(1).2, run(2).2);
}

#[test]
fn every_planted_bug_is_caught() {
    let seeds = 2_000;
    let next = AtomicU64::new(0);
    let report = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    plant(Some(*bug));
                    let caught = (1..=seeds).find(|seed| !run(*seed).0.is_empty());
                    plant(None);
                    report.lock().unwrap().push((*bug, caught));
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    for (bug, caught) in &report {
        println!("{bug:?}: caught by seed {caught:?}");
    }
    let survived: Vec<_> = report.iter().filter(|(_, caught)| caught.is_none()).collect();
    assert!(report.len() >= 13 && survived.is_empty(), "survived: {survived:?}");
}
