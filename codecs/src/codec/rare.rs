//! The exact way of one field: taking it from a frame, checking it, and writing it in any of the
//! encodings. The fast walks know the plain ones by themselves.

use super::decode::Cursor;
use super::{Layout, Prefix};
use crate::code_page::CodePage;
use crate::coding::{Coding, hex_digit, hex_value, nibble_of};
use crate::content::Content;
use crate::dialect::{Count, Digits};
use crate::error::Fault;
use crate::message::{Form, Raw, Shape};
use crate::words;
use bytes::BytesMut;

impl<'f> Cursor<'f> {
    /// Takes a field: what it looks like and its content.
    pub(super) fn field(&mut self, layout: Layout) -> Result<(Shape, &'f [u8]), Fault> {
        let units = self.units(layout)?;
        let content = self.take(layout.width(units).into())?;
        Ok((layout.shape_of(units, content), content))
    }
}

impl Layout {
    /// The nibble that fills up an odd number of digits.
    const fn filler(self) -> u8 {
        match self.encoding.digits {
            Digits::BcdF | Digits::BcdRightF => 15,
            Digits::Ascii | Digits::Bcd | Digits::BcdRight | Digits::Ebcdic => 0,
        }
    }

    const fn fills_right(self) -> bool {
        matches!(self.encoding.digits, Digits::BcdRight | Digits::BcdRightF)
    }

    /// The shape of a content that was read.
    fn shape_of(self, units: u16, content: &[u8]) -> Shape {
        if self.form.is_plain() {
            return self.shape(units);
        }
        let odd = units & 1 == 1;
        let form = match self.form {
            Form::Nibbles => {
                let filler = match self.fills_right() {
                    true => content.last().map(|byte| byte & 15),
                    false => content.first().map(|byte| byte >> 4),
                };
                // A length in bytes does not tell; the filler does, if it is none of the digits.
                let is_told = self.encoding.count == Count::Value || self.prefix.width() == 0;
                let filled = !is_told && filler == Some(15);
                match (odd || (filled && self.filler() == 15), self.fills_right()) {
                    (false, _) => Form::Nibbles,
                    (true, false) => Form::NibblesLeft,
                    (true, true) => Form::NibblesRight,
                }
            }
            Form::Signed if !odd && units > 0 => Form::SignedOdd,
            Form::SignedEbcdic if !odd && units > 0 => Form::SignedEbcdicOdd,
            form => form,
        };
        Shape { units: self.width(units), prefix: self.prefix.width(), form }
    }

    /// Whether the bytes hold what the field may hold; else which byte is wrong, and how.
    pub(super) fn check(self, shape: Shape, bytes: &[u8]) -> Result<(), (u32, Fault)> {
        let wrong = |byte: usize, at: usize| {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let byte = u32::try_from(byte).unwrap_or(u32::MAX);
            Err((byte, Fault::Content { expected: self.content, at }))
        };
        match shape.form {
            Form::Raw => Ok(()),
            Form::Text => match self.content.first_stranger(bytes) {
                None => Ok(()),
                Some(at) => wrong(at, at),
            },
            Form::Hex if words::are_hex(bytes) => Ok(()),
            Form::Hex | Form::HexEbcdic => {
                let ascii = |byte: u8| match shape.form {
                    Form::HexEbcdic => CodePage::P037.decode(byte),
                    _ => byte,
                };
                match bytes.iter().position(|byte| hex_value(ascii(*byte)).is_none()) {
                    None => Ok(()),
                    Some(at) => wrong(at, at / 2),
                }
            }
            Form::PackedLeft | Form::PackedRight => {
                if !words::are_packed(bytes) {
                    let mut nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                    let at = nibbles.position(|nibble| nibble > 9).unwrap_or(0);
                    return wrong(at / 2, at);
                }
                let (filler, at) = match shape.form {
                    _ if shape.units & 1 == 0 => (0, 0),
                    Form::PackedLeft => (bytes.first().map_or(0, |byte| byte >> 4), 0),
                    _ => (bytes.last().map_or(0, |byte| byte & 15), shape.units.into()),
                };
                if filler == 0 { Ok(()) } else { wrong(at / 2, at) }
            }
            Form::Ebcdic037
            | Form::Ebcdic500
            | Form::Ebcdic1047
            | Form::Nibbles
            | Form::NibblesLeft
            | Form::NibblesRight
            | Form::Signed
            | Form::SignedOdd
            | Form::SignedEbcdic
            | Form::SignedEbcdicOdd => {
                if let Some(at) = self.wrong_filler(shape.form, bytes) {
                    return wrong(at, at.saturating_mul(2));
                }
                if self.is_sound(shape.form, bytes) {
                    return Ok(());
                }
                match self.coded_stranger(shape.form, bytes) {
                    None => Ok(()),
                    Some(at) => wrong(Coding(shape.form).byte_of(at), at),
                }
            }
        }
    }

    /// Which byte has a filler that is not the dialect's.
    pub(super) fn wrong_filler(self, form: Form, bytes: &[u8]) -> Option<usize> {
        let last = bytes.len().saturating_sub(1);
        let (found, filler, at) = match form {
            Form::NibblesLeft => (bytes.first()? >> 4, self.filler(), 0),
            Form::NibblesRight => (bytes.last()? & 15, self.filler(), last),
            Form::SignedOdd | Form::SignedEbcdicOdd => (bytes.get(1)? >> 4, 0, 1),
            _ => return None,
        };
        (found != filler).then_some(at)
    }

    /// Whether all characters of the canonical value are of its class, as quickly as it can be
    /// said; a filler is not looked at.
    pub(super) fn is_sound(self, form: Form, bytes: &[u8]) -> bool {
        let packed = |bytes: &[u8]| words::are_packed(bytes);
        let text = |page: CodePage| match (self.content, bytes.split_first()) {
            (Content::SignedDigits, Some((sign, digits))) => {
                matches!(page.decode(*sign), b'C' | b'D') && page.holds(Content::Digits, digits)
            }
            (Content::SignedDigits, None) => false,
            (class, _) => page.holds(class, bytes),
        };
        match (form, bytes) {
            (Form::Ebcdic037, _) => text(CodePage::P037),
            (Form::Ebcdic500, _) => text(CodePage::P500),
            (Form::Ebcdic1047, _) => text(CodePage::P1047),
            (Form::Nibbles | Form::NibblesLeft | Form::NibblesRight, _)
                if self.content == Content::Track =>
            {
                words::are_packed_track(bytes)
            }
            (Form::Nibbles, _) => packed(bytes),
            (Form::NibblesLeft, [first, rest @ ..]) => first & 15 <= 9 && packed(rest),
            (Form::NibblesRight, [rest @ .., last]) => last >> 4 <= 9 && packed(rest),
            (Form::Signed | Form::SignedOdd, [sign, digits @ ..]) => {
                matches!(sign, b'C' | b'D') && packed(digits)
            }
            (Form::SignedEbcdic | Form::SignedEbcdicOdd, [sign, digits @ ..]) => {
                matches!(CodePage::P037.decode(*sign), b'C' | b'D') && packed(digits)
            }
            _ => false,
        }
    }

    /// Which character of the canonical value is the first outside its class.
    #[cold]
    pub(super) fn coded_stranger(self, form: Form, bytes: &[u8]) -> Option<usize> {
        let (mut at, mut found) = (0usize, None);
        Coding(form).each(bytes, |character| {
            let class = match (self.content, at) {
                (Content::SignedDigits, 1..) => Content::Digits,
                (class, _) => class,
            };
            if found.is_none() && !class.holds(&[character]) {
                found = Some(at);
            }
            at = at.saturating_add(1);
        });
        let lacks_sign = at == 0 && self.content == Content::SignedDigits;
        found.or(lacks_sign.then_some(0))
    }
}

/// Appends one field in any encoding, from any other: the canonical value goes to the end of `out`,
/// is checked and filled there, and becomes what is written in place.
pub(super) fn encode(layout: Layout, raw: Raw<'_>, out: &mut BytesMut) -> Result<(), Fault> {
    let start = out.len();
    let prefix = usize::from(layout.prefix.width());
    out.resize(start.saturating_add(prefix), 0);
    let content = out.len();
    let is_binary = matches!(raw, Raw::Binary(_)) || raw_is_hex(raw);
    if is_binary != (layout.content == Content::Binary) {
        return Err(Fault::Value);
    }
    match raw {
        Raw::Text(bytes) | Raw::Binary(bytes) => out.extend_from_slice(bytes),
        Raw::Packed { .. } | Raw::Coded { .. } => raw.each(|byte| out.extend_from_slice(&[byte])),
    }
    let value = out.get(content..).unwrap_or_default();
    let too_long = Fault::TooLong {
        length: u32::try_from(value.len()).unwrap_or(u32::MAX),
        most: layout.most.into(),
    };
    let units = u16::try_from(value.len()).map_err(|_| too_long)?;
    let fill = layout.most.checked_sub(units).ok_or(too_long)?;
    if let Some(at) = layout.content.first_stranger(value) {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        return Err(Fault::Content { expected: layout.content, at });
    }
    let mut units = units;
    if matches!(layout.prefix, Prefix::Fixed) && fill > 0 {
        if layout.content == Content::Binary {
            return Err(Fault::Truncated { needed: layout.most.into(), available: units.into() });
        }
        fill_up(layout, content, fill, out);
        units = layout.most;
    }
    write(layout, content, units, out);
    if let Some(length) = out.get_mut(start..content) {
        encode_length(layout.prefix, layout.declared(units), length);
    }
    Ok(())
}

const fn raw_is_hex(raw: Raw<'_>) -> bool {
    matches!(raw, Raw::Coded { coding, .. } if coding.is_binary())
}

/// Fills the value from `content` on.
fn fill_up(layout: Layout, content: usize, fill: u16, out: &mut BytesMut) {
    let way = layout.encoding.fill;
    out.resize(out.len().saturating_add(fill.into()), way.byte());
    if way.is_left() {
        // The sign of an amount stays in front of the zeros.
        let kept = usize::from(layout.content == Content::SignedDigits);
        if let Some(value) = out.get_mut(content.saturating_add(kept)..)
            && value.len() >= usize::from(fill)
        {
            value.rotate_right(fill.into());
        }
    }
}

/// Turns the canonical value from `content` on into what is written.
fn write(layout: Layout, content: usize, units: u16, out: &mut BytesMut) {
    match layout.form {
        Form::Text | Form::Raw => {}
        Form::Ebcdic037 => translate(CodePage::P037, content, out),
        Form::Ebcdic500 => translate(CodePage::P500, content, out),
        Form::Ebcdic1047 => translate(CodePage::P1047, content, out),
        Form::Hex | Form::HexEbcdic => {
            let width = usize::from(units);
            out.resize(out.len().saturating_add(width), 0);
            let Some(value) = out.get_mut(content..) else { return };
            for at in (0..width).rev() {
                let byte = value.get(at).copied().unwrap_or_default();
                let place = at.wrapping_mul(2);
                let pair = [hex_digit(byte >> 4), hex_digit(byte)];
                if let Some(to) = value.get_mut(place..place.wrapping_add(2)) {
                    to.copy_from_slice(&pair);
                }
            }
            if layout.form == Form::HexEbcdic {
                translate(CodePage::P037, content, out);
            }
        }
        _ => {
            let is_signed = layout.content == Content::SignedDigits;
            let digits = content.saturating_add(usize::from(is_signed && units > 0));
            if layout.form == Form::SignedEbcdic
                && let Some(sign) = out.get_mut(content)
            {
                *sign = CodePage::P037.encode(*sign);
            }
            pack(layout, digits, out);
        }
    }
}

fn translate(page: CodePage, content: usize, out: &mut BytesMut) {
    for byte in out.get_mut(content..).unwrap_or_default() {
        *byte = page.encode(*byte);
    }
}

/// Packs the characters from `from` on, two in a byte.
fn pack(layout: Layout, from: usize, out: &mut BytesMut) {
    let Some(value) = out.get_mut(from..) else { return };
    let count = value.len();
    let filler = if layout.content == Content::SignedDigits { 0 } else { layout.filler() };
    // How far the digits are moved by a filler in front of them.
    let moved = count & usize::from(!layout.fills_right());
    let width = count.div_ceil(2);
    for at in 0..width {
        let place = at.wrapping_mul(2);
        let nibble = |place: usize| {
            let character = place.checked_sub(moved).and_then(|place| value.get(place));
            character.map_or(filler, |character| nibble_of(*character))
        };
        let byte = (nibble(place) << 4) | nibble(place.wrapping_add(1));
        if let Some(to) = value.get_mut(at) {
            *to = byte;
        }
    }
    out.truncate(from.saturating_add(width));
}

/// Writes a length into its place.
pub(super) fn encode_length(prefix: Prefix, declared: u32, place: &mut [u8]) {
    let mut rest = declared;
    for byte in place.iter_mut().rev() {
        let (above, digit) = match prefix {
            Prefix::Fixed => (0, 0),
            Prefix::Ascii(_) => (rest / 10, (rest % 10) | u32::from(b'0')),
            Prefix::Ebcdic(_) => (rest / 10, (rest % 10) | 0xF0),
            Prefix::Packed(_) => (rest / 100, ((rest / 10 % 10) << 4) | (rest % 10)),
            Prefix::Binary(_) => (rest >> 8, rest & 0xFF),
            Prefix::Hex(_) => (rest >> 4, hex_digit((rest & 15) as u8).into()),
        };
        *byte = u8::try_from(digit).unwrap_or(0);
        rest = above;
    }
}
