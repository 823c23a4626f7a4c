//! What the tests with real processes share: a folder with a bank and a switch in it, channels
//! that send payments and keep accounts of what they were told, and a judge who compares these
//! with the ledger and the journal.
//!
//! Nothing here decides what is right; that is the judge's, and it reads databases only.

// Every test program uses another part of it.
#![allow(dead_code, unused_imports, reason = "shared by several test programs")]
#![allow(clippy::panic, clippy::print_stderr, reason = "that is how tests fail and tell")]

#[path = "../../src/demo/agreement.rs"]
mod agreement;
mod channels;
mod judge;
mod payment;
mod process;
#[path = "../canary/program.rs"]
mod program;
mod rig;
mod wire;

pub(crate) use channels::{Channels, Style, Told};
pub(crate) use judge::{Verdict, examine, judge, read_only};
pub(crate) use payment::{Kind, Payment};
pub(crate) use process::{Process, http_get, until};
pub(crate) use program::scan::Artefact;
pub(crate) use program::{SCANNER, leaks, program, run, search, search_journals};
pub(crate) use rig::{PATIENCE, Rig, free_port, no_sandbox_but, veksel};
pub(crate) use wire::{Book, Request, Wire};

/// A number from the environment, for runs longer than those of every change.
pub(crate) fn wanted(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

/// Splitmix64: the same choices for the same seed, on every machine.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn of_thousand(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }
}
