//! Why bytes are not a message, or a message has no bytes.
//!
//! Errors say where and why and never what: no field content is ever part of one, so they may be
//! logged and sent to anybody.

use crate::content::Content;
use core::fmt;

/// A field, by number: 2 to 192. 0 stands for the message type, 1 for the bitmap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldNumber(u8);

impl FieldNumber {
    /// The message type identifier, where an error names a place before the first field.
    pub const MTI: Self = Self(0);
    /// The bitmap.
    pub const BITMAP: Self = Self(1);

    /// The highest field, the last of the third bitmap.
    pub const MAX: Self = Self(192);

    /// A field number of 2 to 192; anything else is `None`.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 2 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    pub(crate) const fn known(number: u8) -> Self {
        assert!(number >= 2 && number <= Self::MAX.0, "field numbers are 2 to 192");
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for FieldNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("message type"),
            1 => f.write_str("bitmap"),
            number => write!(f, "field {number}"),
        }
    }
}

impl fmt::Debug for FieldNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A step into a field: which of its parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A position from 1, or the number of a nested bitmap's field. 0 is what stands before tags.
    Number(u16),
    /// A BER tag or the identifier of a data set, big-endian; shown in hexadecimal.
    Tag(u32),
    /// A tag of up to four characters; zeros follow the last.
    Name([u8; 4]),
}

impl Part {
    /// A tag as characters; `None` if they are none, more than four, not visible, or with the
    /// point that separates the steps of a path among them.
    #[must_use]
    pub fn named(characters: &[u8]) -> Option<Self> {
        let mut name = [0; 4];
        name.get_mut(..characters.len())?.copy_from_slice(characters);
        let visible = characters.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
        (visible && !characters.is_empty()).then_some(Self::Name(name))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Tag(tag @ ..=0xFF) => write!(f, "{tag:02X}"),
            Self::Tag(tag @ ..=0xFFFF) => write!(f, "{tag:04X}"),
            Self::Tag(tag @ ..=0xFF_FFFF) => write!(f, "{tag:06X}"),
            Self::Tag(tag) => write!(f, "{tag:08X}"),
            Self::Name(name) => {
                let visible = name.iter().take_while(|character| **character != 0);
                visible.into_iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
            }
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where in a message something is: a field, and the parts within it, outermost first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The field.
    pub field: FieldNumber,
    /// The parts within it; `None` follows the last.
    pub parts: [Option<Part>; Self::DEPTH_MAX],
}

impl FieldPath {
    /// How deep parts may stand within each other.
    pub const DEPTH_MAX: usize = 4;

    /// The field as a whole.
    #[must_use]
    pub const fn whole(field: FieldNumber) -> Self {
        Self { field, parts: [None; Self::DEPTH_MAX] }
    }

    /// How deep it reaches: 0 for the field as a whole.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.parts.iter().flatten().count()
    }

    /// A part of what this path names; `None` where parts may not stand any deeper.
    #[must_use]
    pub fn join(mut self, part: Part) -> Option<Self> {
        *self.parts.iter_mut().find(|place| place.is_none())? = Some(part);
        Some(self)
    }

    /// The path in numbers and tags only, as `55.9F26`.
    #[must_use]
    pub fn short(&self) -> String {
        let parts: String = self.parts.iter().flatten().map(|part| format!(".{part}")).collect();
        format!("{}{parts}", self.field.get())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.field, f)?;
        self.parts.iter().flatten().try_for_each(|part| write!(f, ".{part}"))
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest DE44.
const ADDITIONAL_RESPONSE_MAX: usize = 25;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The message ends within the field.
    Truncated {
        /// Bytes the field needs.
        needed: u32,
        /// Bytes that are left.
        available: u32,
    },
    /// The length in front of the field is not a number.
    LengthNotDigits,
    /// The field is longer than the dialect allows.
    TooLong {
        /// Its length, in the units its length counts.
        length: u32,
        /// The most allowed.
        most: u32,
    },
    /// The length counts itself and is smaller than itself.
    TooShort {
        /// As it stands there.
        length: u32,
        /// What it counts at least.
        least: u32,
    },
    /// The length counts hexadecimal characters and is odd.
    OddLength {
        /// As it stands there.
        length: u32,
    },
    /// The field holds a byte outside its class.
    Content {
        /// The class.
        expected: Content,
        /// Which character of the field, from 0.
        at: u32,
    },
    /// The bitmap names a field that the dialect does not define, so nothing after it can be read.
    Undefined,
    /// Bytes follow the last field.
    Trailing {
        /// How many.
        extra: u32,
    },
    /// The message type is not four digits, or the bitmap is not hexadecimal.
    NotANumber,
    /// The message is longer than any frame.
    Oversized,
    /// A mandatory field is absent.
    Missing,
    /// A field is present that this message type may not have.
    Unexpected,
    /// The value is well formed and not allowed here.
    Value,
    /// What a part stands in ends within the part.
    Short {
        /// Bytes the part needs.
        needed: u32,
        /// Bytes that are left.
        available: u32,
    },
    /// The tag of a part is not of the form that tags have there.
    Tag,
    /// The length of a BER object is indefinite, which only an end mark would close.
    Indefinite,
    /// Parts stand within parts deeper than paths reach.
    TooDeep,
}

impl Fault {
    /// The letter behind the field number in DE44 of a format error: `M` missing, `L` length,
    /// `V` value, `X` not allowed.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Missing => 'M',
            Self::Truncated { .. }
            | Self::LengthNotDigits
            | Self::TooLong { .. }
            | Self::TooShort { .. }
            | Self::OddLength { .. }
            | Self::Trailing { .. }
            | Self::Short { .. }
            | Self::Indefinite
            | Self::Oversized => 'L',
            Self::Content { .. } | Self::NotANumber | Self::Value | Self::Tag | Self::TooDeep => {
                'V'
            }
            Self::Undefined | Self::Unexpected => 'X',
        }
    }

    /// What is wrong, without lengths: those of the parts of a field that not everybody may see
    /// can be content that was taken for a length.
    #[must_use]
    pub fn without_lengths(self) -> String {
        match self {
            Self::Short { .. }
            | Self::TooLong { .. }
            | Self::TooShort { .. }
            | Self::OddLength { .. } => String::from("a length is wrong"),
            fault => fault.to_string(),
        }
    }

    /// One word for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::LengthNotDigits => "length_not_digits",
            Self::TooLong { .. } => "too_long",
            Self::TooShort { .. } => "too_short",
            Self::OddLength { .. } => "odd_length",
            Self::Content { .. } => "content",
            Self::Undefined => "undefined",
            Self::Trailing { .. } => "trailing",
            Self::NotANumber => "not_a_number",
            Self::Oversized => "oversized",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Value => "value",
            Self::Short { .. } => "short",
            Self::Tag => "tag",
            Self::Indefinite => "indefinite",
            Self::TooDeep => "too_deep",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, available } => {
                write!(f, "the message ends within it: {needed} bytes needed, {available} left")
            }
            Self::LengthNotDigits => f.write_str("its length is not a number"),
            Self::TooLong { length, most } => write!(f, "its length {length} exceeds {most}"),
            Self::TooShort { length, least } => {
                write!(f, "its length {length} counts itself and is less than {least}")
            }
            Self::OddLength { length } => {
                write!(f, "its length {length} counts hexadecimal characters and is odd")
            }
            Self::Content { expected, at } => {
                write!(f, "character {at} is not of class {expected} ({})", expected.words())
            }
            Self::Undefined => f.write_str("it is in the bitmap but not in the dialect"),
            Self::Trailing { extra } => write!(f, "{extra} bytes follow it"),
            Self::NotANumber => f.write_str("it is not a number"),
            Self::Oversized => f.write_str("the message is longer than any frame"),
            Self::Missing => f.write_str("it is mandatory and absent"),
            Self::Unexpected => f.write_str("it is not allowed in this message"),
            Self::Value => f.write_str("its value is not allowed here"),
            Self::Short { needed, available } => {
                write!(
                    f,
                    "what it stands in ends within it: {needed} bytes needed, {available} left"
                )
            }
            Self::Tag => f.write_str("a tag in it is malformed"),
            Self::Indefinite => f.write_str("its length is indefinite, which is not accepted"),
            Self::TooDeep => {
                write!(f, "parts stand in it more than {} deep", FieldPath::DEPTH_MAX)
            }
        }
    }
}

/// A message that could not be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Which field.
    pub path: FieldPath,
    /// Offset in the message of the first byte that is wrong.
    pub offset: u32,
    /// What is wrong.
    pub fault: Fault,
}

impl DecodeError {
    /// DE44 of the format error that answers the message: three digits and a letter, and behind
    /// them the path within the field, if there is one and DE44 has room for it.
    #[must_use]
    pub fn additional_response(&self) -> String {
        let mut text = format!("{:03}{}", self.path.field.get(), self.fault.letter());
        for part in self.path.parts.iter().flatten() {
            let step = format!(".{part}");
            if text.len().saturating_add(step.len()) > ADDITIONAL_RESPONSE_MAX {
                break;
            }
            text.push_str(&step);
        }
        text
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}: {}", self.path, self.offset, self.fault)
    }
}

impl core::error::Error for DecodeError {}

/// A message that cannot be written in a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A field does not fit its definition.
    Field {
        /// Which field.
        path: FieldPath,
        /// What is wrong.
        fault: Fault,
    },
    /// The message does not fit the frame.
    Frame(crate::FrameError),
}

impl From<crate::FrameError> for EncodeError {
    fn from(error: crate::FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { path, fault } => write!(f, "{path}: {fault}"),
            Self::Frame(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for EncodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_with_their_parts() {
        let parts =
            [Part::Number(25), Part::Tag(0x9F26), Part::named(b"A1").unwrap(), Part::Tag(0x05)];
        let whole = FieldPath::whole(FieldNumber::known(55));
        let path = parts.into_iter().try_fold(whole, FieldPath::join).unwrap();
        assert_eq!(
            (path.to_string(), path.short()),
            ("field 55.25.9F26.A1.05".into(), "55.25.9F26.A1.05".into())
        );
        assert_eq!((whole.depth(), path.depth()), (0, 4));
        assert_eq!(path.join(Part::Number(1)), None);
        let error = DecodeError { path, offset: 7, fault: Fault::Indefinite };
        assert_eq!(error.additional_response(), "055L.25.9F26.A1.05");
        let deep = [Part::Tag(0x1122_3344); 4].into_iter().try_fold(whole, FieldPath::join);
        let error = DecodeError { path: deep.unwrap(), ..error };
        assert_eq!(error.additional_response(), "055L.11223344.11223344");
    }

    #[test]
    fn what_is_not_visible_is_no_name() {
        for name in [&b""[..], b"a b", b"a.b", b"12345", b"\0"] {
            assert_eq!(Part::named(name), None, "{name:?}");
        }
    }
}
