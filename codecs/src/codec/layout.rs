//! A field as the exact walks need it: what its dialect says, worked out once.

use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::{
    Binary, Characters, Count, Digits, Encodings, Field, Fill, LengthDigits, Resolved, Signed,
};
use crate::error::Fault;
use crate::message::{Form, Shape};

/// A field with its encodings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) content: Content,
    /// The form of its content; of the rare ones the form of an even number of digits.
    pub(super) form: Form,
    pub(super) prefix: Prefix,
    /// The longest value, in digits, characters or bytes of the value.
    pub(super) most: u16,
    /// Whether the fast way of writing one field knows it not.
    pub(super) is_rare: bool,
    pub(super) encoding: Resolved,
}

/// The length in front of a field's content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Prefix {
    /// None: the content always has the longest length.
    Fixed,
    /// So many ASCII digits.
    Ascii(u8),
    /// So many bytes of two digits.
    Packed(u8),
    /// So many bytes, big-endian.
    Binary(u8),
    /// So many hexadecimal characters.
    Hex(u8),
    /// So many digits in EBCDIC.
    Ebcdic(u8),
}

impl Prefix {
    pub(super) const fn width(self) -> u8 {
        match self {
            Self::Fixed => 0,
            Self::Ascii(width)
            | Self::Packed(width)
            | Self::Binary(width)
            | Self::Hex(width)
            | Self::Ebcdic(width) => width,
        }
    }
}

impl Layout {
    pub(super) fn new(field: &Field, dialect: &Encodings) -> Self {
        let encoding = field.resolve(dialect);
        let most = field.most;
        // An even number of digits, always, has no filler.
        let no_filler = field.length_digits == 0 && most & 1 == 0;
        let ebcdic = match encoding.code_page {
            CodePage::P037 => Form::Ebcdic037,
            CodePage::P500 => Form::Ebcdic500,
            CodePage::P1047 => Form::Ebcdic1047,
        };
        let form = match field.content {
            Content::Binary => match encoding.binary {
                Binary::Binary => Form::Raw,
                Binary::Hex => Form::Hex,
                Binary::EbcdicHex => Form::HexEbcdic,
            },
            Content::Digits => match encoding.digits {
                Digits::Ascii => Form::Text,
                Digits::Bcd => Form::PackedLeft,
                Digits::BcdRight => Form::PackedRight,
                Digits::BcdF | Digits::BcdRightF if no_filler => Form::PackedLeft,
                Digits::BcdF | Digits::BcdRightF => Form::Nibbles,
                Digits::Ebcdic => ebcdic,
            },
            Content::Track => match encoding.digits {
                Digits::Ascii => Form::Text,
                Digits::Ebcdic => ebcdic,
                Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => Form::Nibbles,
            },
            Content::SignedDigits => match encoding.signed {
                Signed::Ascii => Form::Text,
                Signed::Ebcdic => ebcdic,
                Signed::Bcd => Form::Signed,
                Signed::EbcdicBcd => Form::SignedEbcdic,
            },
            Content::Letters | Content::Alphanumeric | Content::Printable => match encoding.text {
                Characters::Ascii => Form::Text,
                Characters::Ebcdic => ebcdic,
            },
        };
        let width = encoding.length_width(field.length_digits);
        let prefix = match (field.length_digits, encoding.length) {
            (0, _) => Prefix::Fixed,
            (_, LengthDigits::Ascii) => Prefix::Ascii(width),
            (_, LengthDigits::Bcd) => Prefix::Packed(width),
            (_, LengthDigits::Binary) => Prefix::Binary(width),
            (_, LengthDigits::Hex) => Prefix::Hex(width),
            (_, LengthDigits::Ebcdic) => Prefix::Ebcdic(width),
        };
        let usual = if field.content.is_text() { Fill::RightSpace } else { Fill::LeftZero };
        let other_fill = encoding.fill != usual && field.length_digits == 0;
        let is_rare = !form.is_plain() || other_fill;
        Self { content: field.content, form, prefix, most, is_rare, encoding }
    }

    /// Whether the number in front of it is not simply the length of the value.
    pub(super) fn counts_otherwise(self) -> bool {
        self.encoding.inclusive || self.encoding.count == Count::Bytes
    }

    /// The shape of so many units of a plain form.
    pub(super) fn shape(self, units: u16) -> Shape {
        Shape { units, prefix: self.prefix.width(), form: self.form }
    }

    /// Bytes that a value of so many units takes.
    pub(super) fn width(self, units: u16) -> u16 {
        // What the dialect allows was checked to be less than a frame.
        u16::try_from(self.encoding.width(self.content, units.into())).unwrap_or(u16::MAX)
    }

    /// The number that stands in front of a value of so many units.
    pub(super) fn declared(self, units: u16) -> u32 {
        let counted = match self.encoding.count {
            Count::Value => units,
            Count::Bytes => self.width(units),
        };
        let itself = if self.encoding.inclusive { self.prefix.width() } else { 0 };
        u32::from(counted).saturating_add(itself.into())
    }

    /// The units of a value in front of which a number stands.
    pub(super) fn units_of(self, declared: u32) -> Result<u16, Fault> {
        let most = self.most;
        let mut counted = declared;
        if self.encoding.inclusive {
            let least = self.prefix.width().into();
            counted =
                declared.checked_sub(least).ok_or(Fault::TooShort { length: declared, least })?;
        }
        let too_long = Fault::TooLong { length: declared, most: self.declared(most) };
        let units = match (self.encoding.count, self.form) {
            (Count::Value, _) => counted,
            (Count::Bytes, Form::PackedLeft | Form::PackedRight | Form::Nibbles) => {
                self.full_byte(counted.saturating_mul(2))
            }
            (Count::Bytes, Form::Signed | Form::SignedEbcdic) => {
                self.full_byte(counted.saturating_mul(2).saturating_sub(1))
            }
            (Count::Bytes, Form::Hex | Form::HexEbcdic) if counted & 1 == 1 => {
                return Err(Fault::OddLength { length: declared });
            }
            (Count::Bytes, Form::Hex | Form::HexEbcdic) => counted / 2,
            (Count::Bytes, _) => counted,
        };
        u16::try_from(units).ok().filter(|units| *units <= most).ok_or(too_long)
    }

    /// One digit less if the longest value does not fill its last byte.
    fn full_byte(self, units: u32) -> u32 {
        if units == u32::from(self.most).saturating_add(1) { self.most.into() } else { units }
    }
}
