//! One part by its own definition: how long it is, whether it holds what it may, how it is
//! written.

use super::SubField;
use crate::code_page::CodePage;
use crate::coding::{Coding, hex_digit, hex_value, nibble_of};
use crate::content::Content;
use crate::dialect::{Digits, LengthDigits};
use crate::error::Fault;
use crate::message::{Form, Raw};

/// How long a part is that stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// Bytes in front of the content.
    pub(super) head: usize,
    /// Bytes of the content.
    pub(super) width: usize,
}

impl SubField {
    const fn is_packed(&self) -> bool {
        matches!(self.content, Content::Digits)
            && !matches!(self.digits, Digits::Ascii | Digits::Ebcdic)
    }

    const fn is_ebcdic(&self) -> bool {
        matches!((self.content, self.digits), (Content::Digits, Digits::Ebcdic))
    }

    const fn fills_right(&self) -> bool {
        matches!(self.digits, Digits::BcdRight | Digits::BcdRightF)
    }

    /// The nibble that fills up an odd number of packed digits.
    const fn filler(&self) -> u8 {
        match self.digits {
            Digits::BcdF | Digits::BcdRightF => 15,
            Digits::Ascii | Digits::Bcd | Digits::BcdRight | Digits::Ebcdic => 0,
        }
    }

    /// Bytes of so many characters or digits.
    const fn width(&self, units: u16) -> usize {
        if self.is_packed() { units.div_ceil(2) as usize } else { units as usize }
    }

    /// Bytes of a part that always has the same length; `None` for any other.
    pub(crate) const fn fixed_width(&self) -> Option<usize> {
        if self.is_fixed && self.length_digits == 0 { Some(self.width(self.most)) } else { None }
    }

    /// How many digits or characters a content is, if nothing but the content says it.
    fn units(&self, content: &[u8]) -> u32 {
        let width = count(content.len());
        match self.is_packed() {
            // A half byte of F is filler; one of zero counts: nothing says that it is one.
            true if !self.is_fixed && self.filler() == 15 && self.end(content) == Some(15) => {
                width.saturating_mul(2).saturating_sub(1)
            }
            true if width == u32::from(self.most.div_ceil(2)) => self.most.into(),
            true => width.saturating_mul(2),
            false => width,
        }
    }

    /// The half byte that a filler would be in.
    fn end(&self, content: &[u8]) -> Option<u8> {
        match self.fills_right() {
            true => content.last().map(|byte| byte & 15),
            false => content.first().map(|byte| byte >> 4),
        }
    }

    /// Finds the part at the beginning of bytes by its own length. Without one it has its fixed
    /// length, or all that is left.
    pub(super) fn measure(&self, bytes: &[u8]) -> Result<Measure, Fault> {
        if self.length_digits == 0 {
            let width = self.fixed_width().unwrap_or(bytes.len());
            return enough(width, bytes).map(|()| Measure { head: 0, width });
        }
        let head = length_width(self.length, self.length_digits);
        enough(head, bytes)?;
        let (digits, rest) = bytes.split_at_checked(head).unwrap_or_default();
        let units = read_length(self.length, digits)?;
        let width = match u16::try_from(units) {
            Ok(units) if units <= self.most => self.width(units),
            _ => return Err(Fault::TooLong { length: units, most: self.most.into() }),
        };
        enough(width, rest).map(|()| Measure { head, width })
    }

    /// Whether the content is long enough and of its class; otherwise which byte is wrong and why.
    pub(super) fn judge(&self, head: &[u8], content: &[u8]) -> Result<(), (usize, Fault)> {
        let units = self.counted(head, content);
        let (wide, most) = (count(content.len()), u32::from(self.most));
        if units > most && wide > count(self.width(self.most)) {
            return Err((0, Fault::TooLong { length: units, most }));
        }
        if self.is_fixed && units < most {
            let needed = count(self.width(self.most));
            return Err((0, Fault::Short { needed, available: wide }));
        }
        let stranger = if self.is_packed() {
            self.packed_stranger(content, units).map(|at| (at / 2, at))
        } else if self.is_ebcdic() {
            let is_digit = |byte: &u8| CodePage::P037.decode(*byte).is_ascii_digit();
            content.iter().position(|byte| !is_digit(byte)).map(|at| (at, at))
        } else {
            stranger(self.content, content).map(|at| (at, at))
        };
        match stranger {
            None => Ok(()),
            Some((byte, at)) => {
                Err((byte, Fault::Content { expected: self.content, at: count(at) }))
            }
        }
    }

    /// The digits or characters of a content; its head says how many if it has one.
    fn counted(&self, head: &[u8], content: &[u8]) -> u32 {
        if self.length_digits > 0 && !head.is_empty() {
            return read_length(self.length, head).unwrap_or_default();
        }
        self.units(content)
    }

    /// Which nibble is no digit, or is not the filler where one must be.
    fn packed_stranger(&self, content: &[u8], units: u32) -> Option<usize> {
        let filler = (!units.is_multiple_of(2)).then(|| match self.fills_right() {
            true => content.len().saturating_mul(2).saturating_sub(1),
            false => 0,
        });
        let mut nibbles = content.iter().flat_map(|byte| [byte >> 4, byte & 15]).enumerate();
        let stranger = nibbles.find(|(at, nibble)| match filler == Some(*at) {
            true => *nibble != self.filler(),
            false => *nibble > 9,
        });
        stranger.map(|(at, _)| at)
    }

    /// The canonical value of a content; bytes if it is not what the definition says.
    pub(super) fn raw<'b>(&self, head: &[u8], content: &'b [u8]) -> Raw<'b> {
        if self.content == Content::Binary || self.judge(head, content).is_err() {
            return Raw::Binary(content);
        }
        if self.is_ebcdic() {
            return Raw::Coded { bytes: content, coding: Coding(Form::Ebcdic037) };
        }
        if !self.is_packed() {
            return Raw::Text(content);
        }
        let digits = u16::try_from(self.counted(head, content)).unwrap_or(u16::MAX);
        Raw::Packed { bytes: content, digits, left: !self.fills_right() }
    }

    /// Appends a value: its length if it has one of its own, then its content filled to a fixed
    /// length, numbers on the left and text on the right.
    pub(super) fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let length = count(value.len());
        let fill = usize::from(self.most).checked_sub(value.len());
        let fill = fill.ok_or(Fault::TooLong { length, most: self.most.into() })?;
        if let Some(at) = stranger(self.content, value) {
            return Err(Fault::Content { expected: self.content, at: count(at) });
        }
        // Without a length nothing says that a last half byte is filler.
        let is_odd = value.len() % 2 == 1 && value.len() != usize::from(self.most);
        let has_length = self.is_fixed || self.length_digits > 0;
        if self.is_packed() && self.digits == Digits::BcdRight && is_odd && !has_length {
            return Err(Fault::Value);
        }
        let fill = if self.is_fixed { fill } else { 0 };
        if self.content == Content::Binary && fill > 0 {
            return Err(Fault::Short { needed: self.most.into(), available: length });
        }
        if self.length_digits > 0 {
            let width = length_width(self.length, self.length_digits);
            write_length(self.length, width, length, out);
        }
        let (sign, digits) = match self.content {
            Content::SignedDigits => value.split_at_checked(1).unwrap_or_default(),
            _ => (&[][..], value),
        };
        let mut filled = sign.to_vec();
        if self.content.is_text() {
            filled.extend_from_slice(digits);
            filled.resize(filled.len().saturating_add(fill), b' ');
        } else {
            filled.resize(filled.len().saturating_add(fill), b'0');
            filled.extend_from_slice(digits);
        }
        if self.is_packed() {
            self.pack(&mut filled);
        } else if self.is_ebcdic() {
            filled.iter_mut().for_each(|digit| *digit = CodePage::P037.encode(*digit));
        }
        out.extend_from_slice(&filled);
        Ok(())
    }

    /// Makes packed digits of characters, an odd number of them filled up.
    fn pack(&self, digits: &mut Vec<u8>) {
        if digits.len() % 2 == 1 {
            let at = if self.fills_right() { digits.len() } else { 0 };
            digits.insert(at, hex_digit(self.filler()));
        }
        let (pairs, _) = digits.as_chunks::<2>();
        *digits =
            pairs.iter().map(|[high, low]| (nibble_of(*high) << 4) | nibble_of(*low)).collect();
    }
}

/// Where a value leaves its class. An empty one can: a sign must be there.
fn stranger(content: Content, value: &[u8]) -> Option<usize> {
    (!content.holds(value)).then(|| content.first_stranger(value).unwrap_or(0))
}

/// Bytes of a length of so many digits.
pub(super) const fn length_width(written: LengthDigits, digits: u8) -> usize {
    match written {
        LengthDigits::Ascii | LengthDigits::Hex | LengthDigits::Ebcdic => digits as usize,
        LengthDigits::Bcd | LengthDigits::Binary => digits.div_ceil(2) as usize,
    }
}

/// Reads a length of at most six digits.
pub(super) fn read_length(written: LengthDigits, bytes: &[u8]) -> Result<u32, Fault> {
    bytes.iter().try_fold(0u32, |number, byte| {
        let (high, low) = (byte >> 4, byte & 15);
        let (factor, more) = match written {
            LengthDigits::Ascii if byte.is_ascii_digit() => (10, low),
            LengthDigits::Bcd if high <= 9 && low <= 9 => {
                (100, high.saturating_mul(10).saturating_add(low))
            }
            LengthDigits::Binary => (256, *byte),
            LengthDigits::Hex => (16, hex_value(*byte).ok_or(Fault::LengthNotDigits)?),
            LengthDigits::Ebcdic if high == 15 && low <= 9 => (10, low),
            LengthDigits::Ascii | LengthDigits::Bcd | LengthDigits::Ebcdic => {
                return Err(Fault::LengthNotDigits);
            }
        };
        Ok(number.saturating_mul(factor).saturating_add(more.into()))
    })
}

/// Appends a length in so many bytes. What does not fit was refused before.
pub(super) fn write_length(written: LengthDigits, width: usize, length: u32, out: &mut Vec<u8>) {
    let mut rest = length;
    let start = out.len();
    for _ in 0..width {
        let (above, byte) = match written {
            LengthDigits::Ascii => (rest / 10, (rest % 10) | u32::from(b'0')),
            LengthDigits::Bcd => (rest / 100, ((rest / 10 % 10) << 4) | (rest % 10)),
            LengthDigits::Binary => (rest >> 8, rest & 0xFF),
            LengthDigits::Hex => {
                (rest >> 4, hex_digit(u8::try_from(rest & 15).unwrap_or(0)).into())
            }
            // F0 to F9 in every page.
            LengthDigits::Ebcdic => (rest / 10, (rest % 10) | 0xF0),
        };
        out.push(u8::try_from(byte).unwrap_or(0));
        rest = above;
    }
    if let Some(bytes) = out.get_mut(start..) {
        bytes.reverse();
    }
}

/// The largest length that so many bytes can say.
pub(super) const fn length_most(written: LengthDigits, width: usize) -> u32 {
    let base: u32 = match written {
        LengthDigits::Ascii | LengthDigits::Ebcdic => 10,
        LengthDigits::Bcd => 100,
        LengthDigits::Binary => 256,
        LengthDigits::Hex => 16,
    };
    // A length has at most six bytes, so that the cast keeps its value.
    base.saturating_pow(width as u32).saturating_sub(1)
}

pub(super) fn enough(needed: usize, bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() >= needed {
        return Ok(());
    }
    Err(Fault::Short { needed: count(needed), available: count(bytes.len()) })
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
