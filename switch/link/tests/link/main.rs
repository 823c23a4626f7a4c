//! Links over real sockets on the loopback interface, each test on a runtime of its own.
//!
//! Not a test of the engine: the tests play the driver, and the peers are bare sockets.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

mod bounds;
mod closing;
mod exclusive;
mod frames;
mod hosts;
mod macs;
mod pki;
mod rig;
mod tls;
#[path = "../../../../cli/tests/canary/watch.rs"]
mod watch;
