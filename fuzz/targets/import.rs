//! Specifications of other products: any file. See `fuzz::import_any` for what must hold.

#![no_main]

mod bounded;

/// Imports and looks at nothing, so that whatever is allocated is allocated for it.
fn import(data: &[u8]) {
    let Some((which, file)) = data.split_first() else { return };
    let source = fuzz::SOURCES[usize::from(which % 3)];
    let _ = veksel_codecs::import::import(source, "fuzzed", file);
}

// What was written is read without the bound, as a dialect of one's own is.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bounded::run(import, data, 4);
    fuzz::import_any(data);
});
