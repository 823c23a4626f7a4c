//! Masking: any text. See `fuzz::mask` for what must hold.

#![no_main]

mod bounded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::mask, data, 4));
