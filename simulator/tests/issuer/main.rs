//! The issuer from outside: request bytes in, answer bytes out, every answer held against the
//! presence matrix.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, wherever in it")]

mod declines;
mod examples;
mod inquiries;
mod payments;
mod random;
mod reconciliation;
mod reversals;
mod rig;
mod searches;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
