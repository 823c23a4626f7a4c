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

/// Where in a message something is: a field, and the parts within it, outermost first.
///
/// A part is the position of a sub-field from 1, or the number of a nested bitmap's field.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The field.
    pub field: FieldNumber,
    /// The parts within it; zeros follow the last.
    pub parts: [u16; 3],
}

impl FieldPath {
    /// The field as a whole.
    #[must_use]
    pub const fn whole(field: FieldNumber) -> Self {
        Self { field, parts: [0; 3] }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.field, f)?;
        self.parts.iter().take_while(|part| **part != 0).try_for_each(|part| write!(f, ".{part}"))
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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
            | Self::Oversized => 'L',
            Self::Content { .. } | Self::NotANumber | Self::Value => 'V',
            Self::Undefined | Self::Unexpected => 'X',
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
    /// DE44 of the format error that answers the message: three digits and a letter.
    #[must_use]
    pub fn additional_response(&self) -> String {
        format!("{:03}{}", self.path.field.get(), self.fault.letter())
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
