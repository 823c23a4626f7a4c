//! Tests of the store from outside, one program so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a measurement is printed"
)]

mod chain;
mod committer;
mod contract;
mod golden;
mod keys;
mod kill;
mod rate;
mod sample;
mod sqlite;
mod totality;
#[path = "../../../../cli/tests/canary/watch.rs"]
mod watch;
