//! Parts of fields: any bytes. See `fuzz::nested` for what must hold.

#![no_main]

mod bounded;

// Every part is described in a line of its own, and a part may be a byte.
libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::nested, data, 512));
