//! What the benchmarks share: the messages, the lower bound and the clock.
//!
//! Nothing here is part of the product. The benchmarks themselves are `codec.rs` and `engine.rs`.

#![forbid(unsafe_code)]

pub mod lower_bound;
pub mod messages;
pub mod rounds;
