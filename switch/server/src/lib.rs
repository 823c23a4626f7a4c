//! Joining: builds every part of the switch once, and runs the loop that carries values between
//! them.
//!
//! [`start`] takes a checked configuration and gives a [`Running`] switch; [`start_with`] does it
//! on a store of the caller's. Decisions are the
//! engine's, bytes are the links', facts are the store's; here is only who gets what from whom.
//! It is the only place where a name becomes a part.

#![forbid(unsafe_code)]

mod admin;
mod alert;
mod announce;
mod build;
mod callers;
mod clock;
mod enquirer;
mod finder;
mod gate;
mod http;
mod log;
mod material;
mod names;
mod notices;
mod observe;
mod operate;
mod orders;
mod outside;
mod platform;
mod port;
mod reload;
mod shard;
mod spans;
mod start;
mod status;
mod steer;
mod traffic;
mod upkeep;

pub use alert::panics::report_panics;
pub use enquirer::{Answering, Asks};
pub use http::Outside;
pub use log::{WrongFilter, init_tracing};
pub use reload::{Loader, ReloadError, Reloaded};
pub use start::{Running, StartError, Stopped, start, start_between, start_from, start_with};
