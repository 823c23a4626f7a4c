//! A running bank over real sockets: raw bytes in, raw bytes out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, wherever in it")]

mod ending;
mod faults;
mod killed;
mod rate;
mod rig;
mod sessions;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
