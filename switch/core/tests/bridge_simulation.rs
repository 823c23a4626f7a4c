//! The bridge under faults: histories of payments at a bank that fails in every way, from seeds,
//! judged by the bank's own ledger.
//!
//! `VEKSEL_SEEDS=n` runs so many histories (300 without it), `VEKSEL_SEED=s` runs one and prints
//! it.

#![expect(clippy::print_stdout, reason = "a history is printed for people")]
#![allow(clippy::disallowed_methods, reason = "a test reads how long it may take")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "everything here is private to this test")]

#[path = "bridge_simulation/bank.rs"]
mod bank;
#[path = "simulation/chance.rs"]
#[expect(dead_code, reason = "the other simulation has more faults")]
mod chance;
#[path = "bridge_simulation/reads.rs"]
mod reads;
#[path = "bridge_simulation/world.rs"]
mod world;

use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_history_moves_money_twice_or_forgets_any() {
    if let Some(seed) = number("VEKSEL_SEED") {
        let mut world = World::new(seed, true);
        world.run();
        let wrong = world.judge();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        return;
    }
    let seeds = number("VEKSEL_SEEDS").unwrap_or(300);
    let mut sum = world::Counts::default();
    for seed in 0..seeds {
        let mut world = World::new(seed, false);
        world.run();
        let wrong = world.judge();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        sum.add(&world.counts);
    }
    println!("{seeds} histories: {sum:?}");
    // What the histories must have met, or they prove nothing.
    for (what, count) in [
        ("payments", sum.payments),
        ("executed", sum.executed),
        ("orders lost on the way back", sum.lost),
        ("crashes", sum.crashes),
        ("cases", sum.cases),
        ("advices", sum.advices),
        ("taken back", sum.reversals),
        ("repeats", sum.repeats),
        ("payments by card", sum.by_card),
        ("orders that waited too long for their records", sum.expired),
        ("bills that were asked about", sum.bills),
        ("balances that nobody asked for", sum.reads),
    ] {
        assert!(seeds < 100 || count > 0, "no history had {what}");
    }
}
