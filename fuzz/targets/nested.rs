//! Parts of fields: any bytes. See `fuzz::nested` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::nested(data));
