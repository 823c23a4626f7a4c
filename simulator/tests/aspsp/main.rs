//! The Open Banking sandbox over real sockets: peculiarities, magic amounts, consents, approvals,
//! cancellation, pushes; the ledger is the judge.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod approvals;
mod bankid;
mod browser;
#[path = "../sandbox/client.rs"]
mod client;
mod contract;
mod judge;
mod magic;
mod quirks;
mod refusals;
mod rig;
mod servers;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
