//! A card platform, the switch and the bank: over real sockets, with real signatures, judged by the
//! bank's ledger.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../sandbox/client.rs"]
mod client;
mod flows;
mod holds;
mod load;
mod once;
mod proofs;
mod refusals;
mod rig;
mod secure;
mod tokens;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
