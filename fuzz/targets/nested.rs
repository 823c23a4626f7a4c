//! Parts of fields: any bytes. See `fuzz::nested` for what must hold.

#![no_main]

mod bounded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::nested, data, 4));
