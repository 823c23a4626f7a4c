//! Callers over HTTP and channels over TCP in front of one switch and one bank: what the one does
//! is what the other does, in the answers, in the journal and in the ledger.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, wherever in it")]

mod api;
mod client;
mod port;
mod rig;
mod secure;
mod taken_back;
mod tokens;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
