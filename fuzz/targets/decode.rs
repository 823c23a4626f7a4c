//! Codecs: any bytes in every shipped dialect. See `fuzz::decode` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::decode(data));
