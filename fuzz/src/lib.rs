//! What must hold for any bytes, as plain functions of bytes.
//!
//! The fuzzer calls them with what it makes up, `codecs/tests/corpus.rs` with the committed seeds
//! in every `cargo test`. Nothing here knows a fuzzing engine.

#![forbid(unsafe_code)]

mod bodies;
mod imports;
mod inside;
mod masks;

pub use bodies::{decode, frame};
pub use imports::{SOURCES, import_any};
pub use inside::{nested, tlv};
pub use masks::mask;
