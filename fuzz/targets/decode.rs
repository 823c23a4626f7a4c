//! Codecs: any bytes in every shipped dialect. See `fuzz::decode` for what must hold.

#![no_main]

mod bounded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::decode, data, 4));
