//! BER-TLV: any bytes. See `fuzz::tlv` for what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::tlv(data));
