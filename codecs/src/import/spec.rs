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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// There are none.
    Whole,
    /// One after the other.
    Positional,
    /// After a bitmap of so many bytes, which may say that another follows.
    Bitmap { bits: Bits, bytes: u32, is_chained: bool },
    /// Each after a tag of so many characters, digits or (for `Bytes`) bytes, and its length.
    Tags { tags: Tags, width: u32 },
    /// BER-TLV.
    Ber,
    /// Data sets of ISO 8583:2003.
    DataSets,
    /// In a way that a dialect has no words for; this is why.
    Other(String),
}

/// How tags are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// A byte a character.
    Ascii,
    /// A byte a character.
    Ebcdic,
    /// Two digits a byte.
    Bcd,
    /// Bytes, named in hexadecimal.
    Bytes,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// As the specification numbers it.
    pub(super) number: u32,
    /// The tag in front of it, if it is a sub-field that has one.
    pub(super) tag: Option<String>,
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
    /// Why it cannot be read, if it is a sub-field that cannot.
    pub(super) flaw: Option<String>,
    /// Where it stands.
    pub(super) line: Option<usize>,
}

impl Field {
    /// A field of so many characters, about which nothing else is said.
    pub(super) const fn plain(number: u32, name: String, most: u32) -> Self {
        Self {
            number,
            tag: None,
            name,
            class: Content::Printable,
            most,
            length_digits: 0,
            length: Length::Ascii,
            counts: Unit::Content,
            value: Value::Ascii,
            page: CodePage::P1047,
            fill: None,
            padding: None,
            parts: Vec::new(),
            layout: Layout::Whole,
            flaw: None,
            line: None,
        }
    }

    /// A remark about it.
    pub(super) fn remark(&self, kind: Kind, why: impl Into<String>) -> Remark {
        Remark { kind, field: self.number.to_string(), line: self.line, why: why.into() }
    }

    /// Whether everything in it is characters of a kind: values, lengths, tags and bitmaps.
    pub(super) fn is_all(&self, value: Value, page: CodePage) -> bool {
        let (length, bits, tags) = match value {
            Value::Ascii => (Length::Ascii, Bits::Hex, Tags::Ascii),
            Value::Ebcdic => (Length::Ebcdic, Bits::HexEbcdic, Tags::Ebcdic),
            _ => return false,
        };
        let layout = match &self.layout {
            Layout::Whole | Layout::Positional | Layout::Other(_) => true,
            Layout::Bitmap { bits: found, .. } => *found == bits,
            Layout::Tags { tags: found, .. } => *found == tags,
            Layout::Ber | Layout::DataSets => false,
        };
        layout
            && self.parts.iter().all(|part| {
                let own = part.length_digits == 0 || part.length == length;
                let same = part.value == value && (value == Value::Ascii || part.page == page);
                own && same && part.flaw.is_none() && part.is_all(value, page)
            })
    }

    /// Says of everything in it that it is ASCII: a field of characters is made ASCII as a whole.
    pub(super) fn take_as_ascii(&mut self) {
        match &mut self.layout {
            Layout::Bitmap { bits, .. } => *bits = Bits::Hex,
            Layout::Tags { tags, .. } => *tags = Tags::Ascii,
            Layout::Whole
            | Layout::Positional
            | Layout::Ber
            | Layout::DataSets
            | Layout::Other(_) => (),
        }
        for part in &mut self.parts {
            (part.value, part.length) = (Value::Ascii, Length::Ascii);
            part.take_as_ascii();
        }
    }
}
