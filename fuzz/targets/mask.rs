//! Masking: any text. See `fuzz::mask` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mask(data));
