//! Framing: any parameters, any stream, cut anywhere. See `fuzz::frame` for what must hold.

#![no_main]

mod bounded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::frame, data, 4));
