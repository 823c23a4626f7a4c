//! What the benchmarks share: messages, the lower bound and the clock of `codec.rs` and
//! `engine.rs`; the processes, the load and the bare forwarder of `forward.rs` and `durable.rs`.
//!
//! Nothing here is part of the product.

#![forbid(unsafe_code)]

pub mod bare;
pub mod crowd;
pub mod disk;
pub mod frames;
pub mod host;
pub mod load;
pub mod lower_bound;
pub mod messages;
pub mod nothing;
pub mod part;
pub mod rounds;
pub mod stage;
pub mod stream;
pub mod switch;
pub mod waiting;

/// A benchmark stops at the first thing that goes wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
