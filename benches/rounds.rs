//! Two things measured against each other on a noisy machine.
//!
//! Rounds of both take turns, so that what slows the machine down slows both, and their ratio is
//! worth more than either figure. Rounds are short, so that some are not disturbed at all.

use std::time::{Duration, Instant};

/// How long one round of one side takes, roughly.
const ROUND: Duration = Duration::from_micros(500);
/// Rounds of each side.
const ROUNDS: usize = 401;

/// What two sides took.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// Nanoseconds per call of the first, the median of its rounds.
    pub first: f64,
    /// Nanoseconds per call of the second, the median of its rounds.
    pub second: f64,
    /// The second by the first, the median over pairs of rounds.
    pub ratio: f64,
    /// The second's fastest round by the first's: what a quiet machine would show.
    pub quiet: f64,
}

/// Measures two sides in turns. Each is called often enough to fill a round.
pub fn compare(mut first: impl FnMut(), mut second: impl FnMut()) -> Compared {
    let (first_calls, second_calls) = (calls(&mut first), calls(&mut second));
    let mut samples = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        samples.push((round(&mut first, first_calls), round(&mut second, second_calls)));
    }
    let (firsts, seconds) = (|| samples.iter().map(|s| s.0), || samples.iter().map(|s| s.1));
    Compared {
        first: middle(firsts()),
        second: middle(seconds()),
        ratio: middle(samples.iter().map(|(first, second)| second / first)),
        quiet: seconds().fold(f64::INFINITY, f64::min) / firsts().fold(f64::INFINITY, f64::min),
    }
}

/// Calls that fill a round, after a warm-up as long.
fn calls(call: &mut impl FnMut()) -> u32 {
    let mut calls = 16;
    loop {
        let begun = Instant::now();
        (0..calls).for_each(|_| call());
        if begun.elapsed() >= ROUND || calls >= u32::MAX / 2 {
            return calls;
        }
        calls *= 2;
    }
}

/// Nanoseconds per call.
fn round(call: &mut impl FnMut(), calls: u32) -> f64 {
    let begun = Instant::now();
    (0..calls).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// The median.
fn middle(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
