//! Framing: any parameters, any stream, cut anywhere. See `fuzz::frame` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::frame(data));
