//! Replays the committed seeds of the fuzz targets in every `cargo test`, without a fuzzer.
//!
//! What must hold is in `fuzz/src/bodies.rs`, `inside.rs` and `masks.rs`, which this test shares
//! with the targets. A finding of the fuzzer becomes a seed here when it is fixed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::print_stdout, reason = "a test says which seed it was")]
#![allow(unreachable_pub, reason = "the bodies are public for the fuzz targets")]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../fuzz/src/inside.rs"]
mod inside;
#[path = "../../fuzz/src/masks.rs"]
mod masks;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // What a fuzzer has added comes and goes.
        if path.extension().is_none_or(|extension| extension != "seed") {
            continue;
        }
        let data = fs::read(&path).unwrap();
        println!("{target} {}", path.display());
        // The seed and all its beginnings.
        (0..=data.len()).for_each(|end| body(&data[..end]));
        seeds += 1;
    }
    assert!(seeds >= 16, "only {seeds} seeds in {}", folder.display());
}

#[test]
fn frame_seeds() {
    replay("frame", bodies::frame);
}

#[test]
fn decode_seeds() {
    replay("decode", bodies::decode);
}

#[test]
fn mask_seeds() {
    replay("mask", masks::mask);
}

#[test]
fn nested_seeds() {
    replay("nested", inside::nested);
}

#[test]
fn tlv_seeds() {
    replay("tlv", inside::tlv);
}
