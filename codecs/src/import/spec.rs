//! What specifications of other products say, in words that fit all of them.
//!
//! The model is wider than a dialect on purpose: whether something can be carried over is the
//! writer's business alone.

use super::{Kind, Remark};
use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::Fill;

/// A specification.
#[derive(Debug, Default)]
pub(super) struct Spec {
    /// For people.
    pub(super) title: String,
    /// How the message type is written, if that is said.
    pub(super) mti: Option<Value>,
    /// How bitmaps are written, if that is said.
    pub(super) bitmap: Option<Bits>,
    /// Bytes of bitmap that every message has: 8, 16 or 24; 0 if the first bit announces more.
    pub(super) bitmap_bytes: u8,
    /// In the order of the specification.
    pub(super) fields: Vec<Field>,
    /// What the reader already had to leave behind.
    pub(super) remarks: Vec<Remark>,
}

/// How bitmaps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    /// 8 bytes each.
    Binary,
    /// 16 hexadecimal characters each, ASCII.
    Hex,
    /// The same in EBCDIC.
    HexEbcdic,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A byte a character.
    Ascii,
    /// A byte a character.
    Ebcdic,
    /// Two digits a byte, an odd number of them filled with a zero on the left.
    BcdLeft,
    /// Two digits a byte, an odd number of them filled with a zero on the right.
    BcdRight,
    /// Two digits a byte, an odd number of them filled with the nibble F on the right.
    BcdRightF,
    /// Bytes as they are.
    Bytes,
    /// Bytes as hexadecimal characters, ASCII.
    Hex,
    /// Bytes as hexadecimal characters, EBCDIC.
    HexEbcdic,
}

/// How the length of a variable field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// A character a digit.
    Ascii,
    /// A character a digit.
    Ebcdic,
    /// Two digits a byte.
    Bcd,
    /// Big-endian, a byte for two of the digits counted.
    Binary,
    /// A hexadecimal character a digit.
    Hex,
}

/// What a length counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Characters, digits, or bytes of binary content.
    Content,
    /// Bytes on the wire.
    Bytes,
}

/// How sub-fields lie in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// There are none.
    Whole,
    /// One after the other, or in a way that the specification does not name.
    Positional,
    /// After a bitmap of their own.
    Bitmap,
    /// Each after a tag.
    Tags,
}

impl Layout {
    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Positional => "",
            Self::Bitmap => " behind a bitmap",
            Self::Tags => " behind tags",
        }
    }
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// As the specification numbers it.
    pub(super) number: u32,
    /// For people; may be empty.
    pub(super) name: String,
    /// What it may hold.
    pub(super) class: Content,
    /// Its length or the most, in characters, digits or bytes of content; the sign of `x+n` is one.
    pub(super) most: u32,
    /// Digits of its length; 0 if that is fixed.
    pub(super) length_digits: u8,
    /// How the length is written.
    pub(super) length: Length,
    /// What it counts.
    pub(super) counts: Unit,
    /// How the value is written.
    pub(super) value: Value,
    /// The page of its EBCDIC, if it has any.
    pub(super) page: CodePage,
    /// How a short value is filled, if that is said.
    pub(super) fill: Option<Fill>,
    /// How a short value is filled, in words, where that is with neither zeros nor spaces.
    pub(super) padding: Option<String>,
    /// Sub-fields.
    pub(super) parts: Vec<Self>,
    /// How they lie.
    pub(super) layout: Layout,
    /// Where it stands.
    pub(super) line: Option<usize>,
}

impl Field {
    /// A remark about it.
    pub(super) fn remark(&self, kind: Kind, why: impl Into<String>) -> Remark {
        Remark { kind, field: self.number.to_string(), line: self.line, why: why.into() }
    }
}
