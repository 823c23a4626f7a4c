//! BER-TLV: any bytes. See `fuzz::tlv` for what must hold.

#![no_main]

mod bounded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bounded::run(fuzz::tlv, data, 4));
