//! The body of `import`: specifications of other products. A finding is a panic.
//!
//! Like `bodies.rs` it is compiled into the target and, by its path, into a test of `codecs`.

use veksel_codecs::import::{Source, import};
use veksel_codecs::{Codec, Dialect, Message};

/// The notations by the first byte of an input.
pub const SOURCES: [Source; 3] = [Source::Jpos, Source::Moov, Source::Iso8583Rs];

/// The first byte chooses the notation, the rest is the file.
///
/// A file is a dialect or an error within it. What it becomes is read without a mistake, has only
/// remarks that point into the file, and decodes any bytes to a message or an error.
pub fn import_any(data: &[u8]) {
    let Some((which, file)) = data.split_first() else { return };
    let source = SOURCES[usize::from(which % 3)];
    // A carriage return alone ends a line in YAML.
    let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    match import(source, "fuzzed", file) {
        Err(error) => {
            assert!((1..=lines + 1).contains(&error.line), "{error} of {lines} lines");
            assert!(!error.message.is_empty());
        }
        Ok(imported) => {
            let dialect = Dialect::parse(&imported.text).expect("what was written is a dialect");
            let beyond = imported.remarks.iter().find(|remark| {
                remark.why.is_empty() || remark.line.is_some_and(|line| line == 0 || line > lines)
            });
            assert_eq!(beyond, None, "of {lines} lines");
            let _ = Codec::new(dialect).decode_into(file, &mut Message::new());
        }
    }
}
