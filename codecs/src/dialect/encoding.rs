//! How the parts of a message are written: the words of `[encoding]` and of a field's own keys.
//!
//! A dialect says it once for all fields of a class; a field may say otherwise. What is not said
//! is as in the dialect that is extended, and at the root ASCII with binary bitmaps.

use super::LENGTH_DIGITS_MAX;
use crate::code_page::CodePage;
use crate::content::Content;
use crate::error::FieldNumber;
use crate::message::FieldSet;
use crate::response_code::Edition;

/// How decimal digits and tracks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// A character each.
    Ascii,
    /// Two in a byte; an odd number of them is filled with a zero on the left.
    Bcd,
    /// Two in a byte; an odd number of them is filled with a zero on the right.
    BcdRight,
    /// Two in a byte; an odd number of them is filled with the nibble F on the left.
    BcdF,
    /// Two in a byte; an odd number of them is filled with the nibble F on the right.
    BcdRightF,
    /// A character of EBCDIC each.
    Ebcdic,
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// In ASCII.
    Ascii,
    /// In the dialect's code page.
    Ebcdic,
}

/// How a signed amount is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// In ASCII.
    Ascii,
    /// In EBCDIC.
    Ebcdic,
    /// The sign in ASCII, then two digits in a byte; an odd number of them after a zero.
    Bcd,
    /// The sign in EBCDIC, then two digits in a byte; an odd number of them after a zero.
    EbcdicBcd,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// As they are.
    Binary,
    /// Two hexadecimal characters each, upper case; either case is read.
    Hex,
    /// The same in EBCDIC.
    EbcdicHex,
}

/// How a bitmap is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitmap {
    /// 8 bytes each.
    Binary,
    /// 16 hexadecimal characters each.
    Hex,
    /// 16 hexadecimal characters of EBCDIC each.
    EbcdicHex,
}

/// How the length of a variable field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthDigits {
    /// A character for each `L`.
    Ascii,
    /// Two `L` in a byte.
    Bcd,
    /// Big-endian binary in as many bytes as BCD would take.
    Binary,
    /// A hexadecimal character for each `L`: `LL` says up to 255.
    Hex,
    /// A character of EBCDIC for each `L`.
    Ebcdic,
}

impl LengthDigits {
    /// The largest number that so many `L` can say.
    pub(super) const fn largest(self, digits: u8) -> u64 {
        let (base, digits): (u64, u8) = match self {
            Self::Ascii | Self::Bcd | Self::Ebcdic => (10, digits),
            Self::Binary => (256, digits.div_ceil(2)),
            Self::Hex => (16, digits),
        };
        base.saturating_pow(digits as u32).saturating_sub(1)
    }
}

/// What the length of a variable field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Digits, characters or bytes of the value, however they are written.
    Value,
    /// Bytes of the content as it is written. An odd number of digits with the filler F is told
    /// by the filler; with the filler 0 it is read with a zero more.
    Bytes,
}

/// How a short value of a field of fixed length is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros in front of it.
    LeftZero,
    /// Spaces in front of it.
    LeftSpace,
    /// Zeros behind it.
    RightZero,
    /// Spaces behind it.
    RightSpace,
}

impl Fill {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::LeftZero | Self::RightZero => b'0',
            Self::LeftSpace | Self::RightSpace => b' ',
        }
    }

    pub(crate) const fn is_left(self) -> bool {
        matches!(self, Self::LeftZero | Self::LeftSpace)
    }
}

/// The encodings of a dialect, unless a field has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encodings {
    pub(crate) mti: Digits,
    pub(crate) bitmap: Bitmap,
    /// Bytes of bitmap that every message has; 0 if the first bit of a bitmap announces the next.
    pub(crate) bitmap_bytes: u8,
    pub(crate) digits: Digits,
    pub(crate) track: Digits,
    pub(crate) text: Characters,
    pub(crate) signed: Signed,
    pub(crate) binary: Binary,
    pub(crate) code_page: CodePage,
    pub(crate) length: LengthDigits,
    pub(crate) count: Count,
    pub(crate) inclusive: bool,
    pub(crate) fill_digits: Fill,
    pub(crate) fill_text: Fill,
    pub(crate) response_codes: Edition,
}

/// What a field says for itself; `None` follows the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Overrides {
    /// How its track data are written.
    pub track: Option<Digits>,
    /// How its text is written.
    pub text: Option<Characters>,
    /// How its signed amount is written.
    pub signed: Option<Signed>,
    /// How its bytes are written.
    pub binary: Option<Binary>,
    /// Its EBCDIC code page.
    pub code_page: Option<CodePage>,
    /// What its length counts.
    pub count: Option<Count>,
    /// Whether its length counts its own bytes too.
    pub inclusive: Option<bool>,
    /// How a short value is filled up.
    pub fill: Option<Fill>,
}

impl Encodings {
    /// What a dialect that extends none begins with.
    pub(super) const PLAIN: Self = Self {
        mti: Digits::Ascii,
        bitmap: Bitmap::Binary,
        bitmap_bytes: 0,
        digits: Digits::Ascii,
        track: Digits::Ascii,
        text: Characters::Ascii,
        signed: Signed::Ascii,
        binary: Binary::Binary,
        code_page: CodePage::P037,
        length: LengthDigits::Ascii,
        count: Count::Value,
        inclusive: false,
        fill_digits: Fill::LeftZero,
        fill_text: Fill::RightSpace,
        response_codes: Edition::Of1987,
    };
}

impl Encodings {
    /// Whether the bitmaps can name all these fields; else why not.
    pub(super) fn bitmaps_hold(&self, fields: FieldSet) -> Result<(), String> {
        let highest = fields.iter().last().map_or(0, FieldNumber::get);
        let bytes = self.bitmap_bytes;
        if bytes > 0 && u32::from(highest) > u32::from(bytes).saturating_mul(8) {
            return Err(format!("field {highest} does not fit a bitmap of {bytes} bytes"));
        }
        let bit_65 = FieldNumber::new(65).is_some_and(|number| fields.has(number));
        if bytes == 0 && highest > 128 && bit_65 {
            return Err("bit 65 announces the third bitmap and cannot be a field, too".to_owned());
        }
        Ok(())
    }
}

/// A field's encodings with what it inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// For class `n` and `z`.
    pub(crate) digits: Digits,
    pub(crate) text: Characters,
    pub(crate) signed: Signed,
    pub(crate) binary: Binary,
    pub(crate) code_page: CodePage,
    pub(crate) length: LengthDigits,
    pub(crate) count: Count,
    pub(crate) inclusive: bool,
    pub(crate) fill: Fill,
}

impl super::Field {
    pub(crate) fn resolve(&self, dialect: &Encodings) -> Resolved {
        let own = self.own;
        let (digits, fill) = match self.content {
            Content::Track => (own.track.unwrap_or(dialect.track), dialect.fill_digits),
            Content::Digits => (self.digits.unwrap_or(dialect.digits), dialect.fill_digits),
            Content::SignedDigits | Content::Binary => (Digits::Ascii, Fill::LeftZero),
            Content::Letters | Content::Alphanumeric | Content::Printable => {
                (Digits::Ascii, dialect.fill_text)
            }
        };
        // Zeros are no letters: such a dialect still fills its letters with spaces.
        let fits = self.content != Content::Letters || fill.byte() == b' ';
        Resolved {
            digits,
            text: own.text.unwrap_or(dialect.text),
            signed: own.signed.unwrap_or(dialect.signed),
            binary: own.binary.unwrap_or(dialect.binary),
            code_page: own.code_page.unwrap_or(dialect.code_page),
            length: self.length.unwrap_or(dialect.length),
            count: own.count.unwrap_or(dialect.count),
            inclusive: own.inclusive.unwrap_or(dialect.inclusive),
            fill: own.fill.unwrap_or(if fits { fill } else { Fill::RightSpace }),
        }
    }

    /// Whether the longest value can be written; else why not.
    pub(super) fn fits(&self, dialect: &Encodings) -> Result<(), String> {
        let resolved = self.resolve(dialect);
        let width = resolved.width(self.content, self.most.into());
        if width > u16::MAX.into() {
            return Err(format!("{width} bytes are more than any frame has"));
        }
        if self.length_digits == 0 {
            return Ok(());
        }
        let counted = match resolved.count {
            Count::Value => self.most.into(),
            Count::Bytes => width,
        };
        let itself = if resolved.inclusive { resolved.length_width(self.length_digits) } else { 0 };
        let largest = resolved.length.largest(self.length_digits);
        let declared = u64::from(counted).saturating_add(itself.into());
        if declared > largest || self.length_digits > LENGTH_DIGITS_MAX {
            return Err(format!("its length can say {largest} at most, {declared} is needed"));
        }
        Ok(())
    }
}

impl Resolved {
    /// Bytes that so many characters, digits or bytes of a value take.
    pub(crate) const fn width(&self, content: Content, units: u32) -> u32 {
        match content {
            Content::Digits | Content::Track => match self.digits {
                Digits::Ascii | Digits::Ebcdic => units,
                Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => {
                    units.div_ceil(2)
                }
            },
            Content::Letters | Content::Alphanumeric | Content::Printable => units,
            Content::SignedDigits => match self.signed {
                Signed::Ascii | Signed::Ebcdic => units,
                Signed::Bcd | Signed::EbcdicBcd if units == 0 => 0,
                Signed::Bcd | Signed::EbcdicBcd => units.saturating_add(2) / 2,
            },
            Content::Binary => match self.binary {
                Binary::Binary => units,
                Binary::Hex | Binary::EbcdicHex => units.saturating_mul(2),
            },
        }
    }

    /// Bytes that a length of so many `L` takes.
    pub(crate) const fn length_width(&self, digits: u8) -> u8 {
        match self.length {
            LengthDigits::Ascii | LengthDigits::Hex | LengthDigits::Ebcdic => digits,
            LengthDigits::Bcd | LengthDigits::Binary => digits.div_ceil(2),
        }
    }
}
