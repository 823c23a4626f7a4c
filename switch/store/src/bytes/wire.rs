//! The pieces that record bytes are made of: numbers, texts, and where reading them failed.
//!
//! A number is LEB128 in its shortest form, a text is its length and its UTF-8. There is one
//! way to write a value, so that equal records have equal bytes.

use core::fmt;

/// Where and why bytes are not a record. Never carries what the bytes were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BytesError {
    /// The field that was being read.
    pub field: &'static str,
    /// Where it starts, counted from the first byte of the record.
    pub offset: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The bytes end inside it.
    Truncated,
    /// Bytes follow the last field.
    Trailing,
    /// A version, kind or choice this program does not know.
    Unknown(u8),
    /// A number beyond the range of its field.
    Range,
    /// A number that is written longer than it needs to be.
    Overlong,
    /// Not UTF-8.
    Text,
    /// Not what the field may hold: an MTI of four digits, a response code of two characters.
    Form,
    /// Sealed with a key that is not the one in use.
    Key,
    /// The sealed value was altered, or belongs to another record.
    Tampered,
}

impl fmt::Display for BytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, offset, flaw } = self;
        write!(f, "field {field} at byte {offset}: ")?;
        match flaw {
            Flaw::Truncated => f.write_str("the bytes end inside it"),
            Flaw::Trailing => f.write_str("bytes follow the last field"),
            Flaw::Unknown(value) => write!(f, "value {value} is unknown to this version"),
            Flaw::Range => f.write_str("the number is out of range"),
            Flaw::Overlong => f.write_str("the number is not in its shortest form"),
            Flaw::Text => f.write_str("the text is not UTF-8"),
            Flaw::Form => f.write_str("the value has the wrong form"),
            Flaw::Key => f.write_str("it was sealed with another key file"),
            Flaw::Tampered => f.write_str("the sealed value was altered or moved"),
        }
    }
}

impl std::error::Error for BytesError {}

pub(super) fn put_number(out: &mut Vec<u8>, value: impl Into<u64>) {
    let mut rest = value.into();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    // usize is at most 64 bits wide wherever this compiles.
    put_number(out, u64::try_from(length).unwrap_or(u64::MAX));
}

/// Bytes that are being read, from the front.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Where the next field starts.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Ends the reading: nothing may be left.
    pub(super) fn finish(self) -> Result<(), BytesError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(BytesError { field: "end", offset: self.offset, flaw: Flaw::Trailing })
    }

    pub(super) fn take(
        &mut self,
        field: &'static str,
        length: usize,
    ) -> Result<&'a [u8], BytesError> {
        let Some((head, tail)) = self.bytes.split_at_checked(length) else {
            return Err(BytesError { field, offset: self.offset, flaw: Flaw::Truncated });
        };
        self.bytes = tail;
        self.offset = self.offset.saturating_add(length);
        Ok(head)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], BytesError> {
        let offset = self.offset;
        let bytes = self.take(field, N)?;
        bytes.try_into().map_err(|_| BytesError { field, offset, flaw: Flaw::Truncated })
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, BytesError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    /// A number that fits the field it is for.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, BytesError> {
        let offset = self.offset;
        let fail = |flaw| BytesError { field, offset, flaw };
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte(field)?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && part > 1 {
                return Err(fail(Flaw::Range));
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(fail(Flaw::Overlong));
                }
                return T::try_from(value).map_err(|_| fail(Flaw::Range));
            }
        }
        Err(fail(Flaw::Range))
    }

    /// A length and that many bytes. Nothing is allocated for a length that is only declared.
    pub(super) fn block(&mut self, field: &'static str) -> Result<&'a [u8], BytesError> {
        let length = self.number(field)?;
        self.take(field, length)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, BytesError> {
        let offset = self.offset;
        let bytes = self.block(field)?;
        str::from_utf8(bytes).map_err(|_| BytesError { field, offset, flaw: Flaw::Text })
    }
}
