//! Specifications of other products: any file. See `fuzz::import_any` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::import_any(data));
