//! Specifications of other products, turned into dialects.
//!
//! Each notation is read into one model (`import/spec.rs`) and one writer (`import/writer.rs`)
//! makes a dialect file of it. What a dialect cannot say is never dropped in silence: a field that
//! would be read wrongly is left out and reported, and so is everything about a field that is
//! kept without it. Any bytes give a dialect that [`crate::Dialect::parse`] reads, or an error.
//!
//! This is for tools. It allocates, though never more than 64 KiB and four times the file at once:
//! how deep something may be, how many there may be in a list and what the libraries keep while
//! they read is bounded. It is compiled only with the feature `import`.

mod inside;
mod iso8583_rs;
mod jpos;
mod moov;
mod spec;
mod writer;

use crate::dialect::Dialect;
use core::fmt;
use std::borrow::Cow;

/// Largest specification that is read, in bytes. The largest known is a tenth of it.
pub const INPUT_MAX: usize = 1 << 20;
/// Deepest nesting of fields that is read.
pub const DEPTH_MAX: usize = 16;
/// Most fields, sub-fields included, that are read.
pub const FIELDS_MAX: usize = 4_096;

/// Most fields in one list of fields, be it of a specification or of a field: a message has 193.
pub const LIST_MAX: usize = 224;

/// Most sub-fields of a field, those within them included, that are carried over.
pub const PARTS_MAX: usize = 128;

/// Whose notation a specification is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// XML for the `GenericPackager` of jPOS.
    Jpos,
    /// JSON for the specification builder of moov-io/iso8583.
    Moov,
    /// YAML of `iso8583_rs`.
    Iso8583Rs,
}

/// A dialect file and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The dialect file.
    pub text: String,
    /// What was left out, changed or assumed, in the order of the specification.
    pub remarks: Vec<Remark>,
}

/// What became of a part of a specification that could not be carried over as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The field is not in the dialect; a message that has it is refused.
    Omitted,
    /// The field is in the dialect and something about it is not.
    Changed,
    /// The specification does not say; this is what was taken.
    Assumed,
}

impl Kind {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Omitted => "omitted",
            Self::Changed => "changed",
            Self::Assumed => "assumed",
        }
    }
}

/// Something that a dialect file does not say as the specification did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What became of it.
    pub kind: Kind,
    /// The field's number, with sub-fields after dots; empty for the specification as a whole.
    pub field: String,
    /// Where it stands, from 1, in notations whose readers tell.
    pub line: Option<usize>,
    /// Why.
    pub why: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if !self.field.is_empty() {
            write!(f, ": field {}", self.field)?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Why a specification cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// From 1.
    pub line: usize,
    /// Lower case, no full stop.
    pub message: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for ImportError {}

/// Turns a specification into a dialect file of the given name.
///
/// # Errors
/// When it is not in the notation, too large or too deep, or has no field that a dialect can have.
pub fn import(source: Source, name: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    if bytes.len() > INPUT_MAX {
        return Err(error(1, format!("it is longer than {INPUT_MAX} bytes")));
    }
    let mut not_text = None;
    let text = match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(wrong) => {
            let line = line_at(bytes, wrong.valid_up_to());
            // Go reads such a file, too.
            if source != Source::Moov {
                return Err(error(line, "it is not UTF-8"));
            }
            not_text = Some(line);
            String::from_utf8_lossy(bytes)
        }
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let mut spec = match source {
        Source::Jpos => jpos::read(text)?,
        Source::Moov => moov::read(text)?,
        Source::Iso8583Rs => iso8583_rs::read(text)?,
    };
    if let Some(line) = not_text {
        let why = "not UTF-8; what is not is a replacement character here".to_owned();
        let remark = Remark { kind: Kind::Changed, field: String::new(), line: Some(line), why };
        spec.remarks.insert(0, remark);
    }
    let written = writer::write(name, spec);
    if written.is_empty() {
        return Err(error(1, "it has no field that a dialect can have"));
    }
    for piece in written.pieces() {
        Dialect::parse(&piece)
            .map_err(|wrong| error(1, format!("it makes no valid dialect: {wrong}")))?;
    }
    Ok(Imported { text: written.text(), remarks: written.remarks })
}

fn error(line: usize, message: impl Into<String>) -> ImportError {
    ImportError { line, message: message.into() }
}

/// The line, from 1, that an offset lies in.
fn line_at(bytes: &[u8], offset: usize) -> usize {
    let before = bytes.get(..offset).unwrap_or(bytes);
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCES: [Source; 3] = [Source::Jpos, Source::Moov, Source::Iso8583Rs];

    /// In the order of the sources, twice.
    const FILES: [&str; 6] = [
        include_str!("../tests/import/jpos.xml"),
        include_str!("../tests/import/moov.json"),
        include_str!("../tests/import/iso8583_rs.yaml"),
        include_str!("../tests/import/jpos-nested.xml"),
        include_str!("../tests/import/moov-nested.json"),
        include_str!("../tests/import/iso8583_rs-nested.yaml"),
    ];

    #[test]
    fn what_is_too_long_or_not_text_is_refused() {
        for source in SOURCES {
            let long = vec![b' '; INPUT_MAX.saturating_add(1)];
            assert!(import(source, "x", &long).unwrap_err().message.contains("longer than"));
            let broken = import(source, "x", b"a\nb\n\xFF").unwrap_err();
            if source != Source::Moov {
                assert_eq!((broken.line, broken.message.as_str()), (3, "it is not UTF-8"));
            }
            assert!(import(source, "x", b"").is_err());
        }
        let (before, after) = FILES[1].split_once("\"description\": \"").unwrap();
        let bytes = [before.as_bytes(), b"\"description\": \"\x96", after.as_bytes()].concat();
        let imported = import(Source::Moov, "x", &bytes).unwrap();
        let line = before.lines().count();
        let first = imported.remarks[0].to_string();
        assert_eq!(
            first,
            format!(
                "changed (line {line}): not UTF-8; what is not is a replacement character here"
            )
        );
        assert!(imported.text.contains('\u{FFFD}'));
    }

    proptest! {
        /// Files of the three products with a stretch of them replaced by something else.
        #[test]
        fn any_bytes_give_a_dialect_or_an_error(
            which in 0usize..6,
            at in 0usize..4_000,
            cut in 0usize..40,
            put in prop::collection::vec(any::<u8>(), 0..12),
            text in "[<>&\"'{}\\[\\]:,\\-\n a-zA-Z0-9!%*|]{0,40}",
        ) {
            let original = FILES[which].as_bytes();
            let source = SOURCES[which % 3];
            let at = at.min(original.len());
            let end = at.saturating_add(cut).min(original.len());
            for inserted in [put.as_slice(), text.as_bytes()] {
                let bytes = [&original[..at], inserted, &original[end..]].concat();
                match import(source, "fuzzed", &bytes) {
                    Ok(imported) => prop_assert!(Dialect::parse(&imported.text).is_ok()),
                    Err(wrong) => prop_assert!(wrong.line >= 1 && !wrong.message.is_empty()),
                }
            }
            let _ = import(source, "fuzzed", &put);
            let _ = import(source, "fuzzed", text.as_bytes());
        }
    }
}
