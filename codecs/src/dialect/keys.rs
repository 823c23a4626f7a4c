//! The words and keys by which a dialect file says how things are written.

use super::encoding::{
    Binary, Bitmap, Characters, Count, Digits, Encodings, Fill, LengthDigits, Overrides, Signed,
};
use super::{RawField, Reader};
use crate::code_page::CodePage;
use crate::content::Content;
use crate::response_code::Edition;
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEncodings {
    mti: Option<Spanned<String>>,
    bitmap: Option<Spanned<String>>,
    bitmap_bytes: Option<Spanned<i64>>,
    digits: Option<Spanned<String>>,
    track: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
    signed: Option<Spanned<String>>,
    binary: Option<Spanned<String>>,
    code_page: Option<Spanned<String>>,
    length: Option<Spanned<String>>,
    count: Option<Spanned<String>>,
    inclusive: Option<bool>,
    fill_digits: Option<Spanned<String>>,
    fill_text: Option<Spanned<String>>,
    response_codes: Option<Spanned<String>>,
}

pub(super) const DIGITS: &[(&str, Digits)] = &[
    ("ascii", Digits::Ascii),
    ("bcd", Digits::Bcd),
    ("bcd-right", Digits::BcdRight),
    ("bcd-f", Digits::BcdF),
    ("bcd-right-f", Digits::BcdRightF),
    ("ebcdic", Digits::Ebcdic),
];
const CHARACTERS: &[(&str, Characters)] =
    &[("ascii", Characters::Ascii), ("ebcdic", Characters::Ebcdic)];
const SIGNED: &[(&str, Signed)] = &[
    ("ascii", Signed::Ascii),
    ("ebcdic", Signed::Ebcdic),
    ("bcd", Signed::Bcd),
    ("ebcdic-bcd", Signed::EbcdicBcd),
];
const BINARY: &[(&str, Binary)] =
    &[("binary", Binary::Binary), ("hex", Binary::Hex), ("ebcdic-hex", Binary::EbcdicHex)];
pub(super) const BITMAPS: &[(&str, Bitmap)] =
    &[("binary", Bitmap::Binary), ("hex", Bitmap::Hex), ("ebcdic-hex", Bitmap::EbcdicHex)];
pub(super) const LENGTHS: &[(&str, LengthDigits)] = &[
    ("ascii", LengthDigits::Ascii),
    ("bcd", LengthDigits::Bcd),
    ("binary", LengthDigits::Binary),
    ("hex", LengthDigits::Hex),
    ("ebcdic", LengthDigits::Ebcdic),
];
const CODE_PAGES: &[(&str, CodePage)] =
    &[("037", CodePage::P037), ("500", CodePage::P500), ("1047", CodePage::P1047)];
const COUNTS: &[(&str, Count)] =
    &[("bytes", Count::Bytes), ("digits", Count::Value), ("chars", Count::Value)];
const FILLS: &[(&str, Fill)] = &[
    ("left-zero", Fill::LeftZero),
    ("left-space", Fill::LeftSpace),
    ("right-zero", Fill::RightZero),
    ("right-space", Fill::RightSpace),
];
const EDITIONS: &[(&str, Edition)] =
    &[("1987", Edition::Of1987), ("1993", Edition::Of1993), ("2003", Edition::Of2003)];

impl Encodings {
    /// Takes over what a file says.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, given: &RawEncodings) {
        let word = |to: &mut Digits, from: &Option<_>, reader: &mut Reader<'_>| {
            *to = reader.word(from.as_ref(), DIGITS).unwrap_or(*to);
        };
        word(&mut self.mti, &given.mti, reader);
        word(&mut self.digits, &given.digits, reader);
        word(&mut self.track, &given.track, reader);
        self.bitmap = reader.word(given.bitmap.as_ref(), BITMAPS).unwrap_or(self.bitmap);
        self.text = reader.word(given.text.as_ref(), CHARACTERS).unwrap_or(self.text);
        self.signed = reader.word(given.signed.as_ref(), SIGNED).unwrap_or(self.signed);
        self.binary = reader.word(given.binary.as_ref(), BINARY).unwrap_or(self.binary);
        self.code_page =
            reader.word(given.code_page.as_ref(), CODE_PAGES).unwrap_or(self.code_page);
        self.length = reader.word(given.length.as_ref(), LENGTHS).unwrap_or(self.length);
        self.count = reader.word(given.count.as_ref(), COUNTS).unwrap_or(self.count);
        self.inclusive = given.inclusive.unwrap_or(self.inclusive);
        let editions = given.response_codes.as_ref();
        self.response_codes = reader.word(editions, EDITIONS).unwrap_or(self.response_codes);
        if let Some(bytes) = &given.bitmap_bytes {
            match u8::try_from(*bytes.get_ref()) {
                Ok(fixed @ (0 | 8 | 16 | 24)) => self.bitmap_bytes = fixed,
                _ => reader.problem(bytes.span(), "a bitmap of fixed length has 8, 16 or 24 bytes"),
            }
        }
        let fills = [
            (&mut self.fill_digits, &given.fill_digits, Content::Digits),
            (&mut self.fill_text, &given.fill_text, Content::Printable),
        ];
        for (to, from, class) in fills {
            *to = fill(reader, from.as_ref(), class).unwrap_or(*to);
        }
    }
}

/// A way of filling up that the class can hold.
fn fill(reader: &mut Reader<'_>, given: Option<&Spanned<String>>, class: Content) -> Option<Fill> {
    let (given, fill) = (given?, reader.word(given, FILLS)?);
    if class == Content::Binary {
        reader.problem(given.span(), "a field of class `b` is never filled up");
        return None;
    }
    if class == Content::SignedDigits && fill != Fill::LeftZero {
        reader.problem(given.span(), "a field of class `x+n` is filled with zeros after its sign");
        return None;
    }
    if class != Content::SignedDigits && !class.holds(&[fill.byte()]) {
        let what = if fill.byte() == b' ' { "spaces" } else { "zeros" };
        reader.problem(given.span(), format!("a field of class `{class}` cannot hold {what}"));
        return None;
    }
    Some(fill)
}

impl Overrides {
    /// What a field says for itself, and whether it may.
    pub(super) fn read(reader: &mut Reader<'_>, raw: &RawField, class: Content) -> Self {
        let text = matches!(class, Content::Letters | Content::Alphanumeric | Content::Printable);
        for (key, given, fits, classes) in [
            ("digits", &raw.digits, class == Content::Digits, "`n`"),
            ("track", &raw.track, class == Content::Track, "`z`"),
            ("text", &raw.text, text, "`a`, `an` or `ans`"),
            ("signed", &raw.signed, class == Content::SignedDigits, "`x+n`"),
            ("binary", &raw.binary, class == Content::Binary, "`b`"),
        ] {
            if let Some(given) = given.as_ref().filter(|_| !fits) {
                let message = format!("`{key}` is for a field of class {classes}, not `{class}`");
                reader.problem(given.span(), message);
            }
        }
        if let Some(count) = &raw.count {
            let digits = matches!(class, Content::Digits | Content::Track | Content::SignedDigits);
            let wrong = match count.get_ref().as_str() {
                "digits" => !digits,
                "chars" => class == Content::Binary,
                _ => false,
            };
            if wrong {
                let message = format!("a field of class `{class}` has no {}", count.get_ref());
                reader.problem(count.span(), message);
            }
        }
        Self {
            track: reader.word(raw.track.as_ref(), DIGITS),
            text: reader.word(raw.text.as_ref(), CHARACTERS),
            signed: reader.word(raw.signed.as_ref(), SIGNED),
            binary: reader.word(raw.binary.as_ref(), BINARY),
            code_page: reader.word(raw.code_page.as_ref(), CODE_PAGES),
            count: reader.word(raw.count.as_ref(), COUNTS),
            inclusive: raw.inclusive,
            fill: fill(reader, raw.fill.as_ref(), class),
        }
    }
}
