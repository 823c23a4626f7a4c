//! How the bytes of a field become its canonical value, for the encodings that are not read where
//! they lie: EBCDIC, hexadecimal characters, nibbles with a filler, signed packed amounts.
//!
//! The plain encodings (characters, two digits in a byte, bytes) never come here.

use crate::code_page::CodePage;
use crate::message::Form;

/// How the bytes of [`Raw::Coded`](crate::Raw::Coded) are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Coding(pub(crate) Form);

impl Coding {
    /// Whether the value is bytes rather than characters.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self.0, Form::Hex | Form::HexEbcdic)
    }

    /// Gives the canonical value byte by byte: characters, or the bytes of a binary field.
    pub fn each(self, bytes: &[u8], mut push: impl FnMut(u8)) {
        match self.0 {
            Form::Text | Form::Raw => bytes.iter().for_each(|byte| push(*byte)),
            Form::Ebcdic037 => bytes.iter().for_each(|byte| push(CodePage::P037.decode(*byte))),
            Form::Ebcdic500 => bytes.iter().for_each(|byte| push(CodePage::P500.decode(*byte))),
            Form::Ebcdic1047 => bytes.iter().for_each(|byte| push(CodePage::P1047.decode(*byte))),
            Form::Hex => unhex(bytes, |byte| byte, push),
            // The digits and the letters A to F are the same in every page.
            Form::HexEbcdic => unhex(bytes, |byte| CodePage::P037.decode(byte), push),
            Form::PackedLeft | Form::PackedRight | Form::Nibbles => nibbles(bytes, push),
            Form::NibblesLeft => nibbles(bytes, skip_first(push)),
            Form::NibblesRight => {
                let (last, whole) = bytes.split_last().unwrap_or((&0, &[]));
                nibbles(whole, &mut push);
                push(nibble(last >> 4));
            }
            Form::Signed | Form::SignedOdd | Form::SignedEbcdic | Form::SignedEbcdicOdd => {
                let (sign, digits) = bytes.split_first().unwrap_or((&0, &[]));
                let ebcdic = matches!(self.0, Form::SignedEbcdic | Form::SignedEbcdicOdd);
                push(if ebcdic { CodePage::P037.decode(*sign) } else { *sign });
                if matches!(self.0, Form::SignedOdd | Form::SignedEbcdicOdd) {
                    nibbles(digits, skip_first(push));
                } else {
                    nibbles(digits, push);
                }
            }
        }
    }
}

impl Coding {
    /// The byte in which a character or byte of the canonical value stands, or begins.
    pub(crate) const fn byte_of(self, place: usize) -> usize {
        match self.0 {
            Form::Text | Form::Raw | Form::Ebcdic037 | Form::Ebcdic500 | Form::Ebcdic1047 => place,
            Form::Hex | Form::HexEbcdic => place.saturating_mul(2),
            Form::PackedLeft | Form::PackedRight | Form::Nibbles | Form::NibblesRight => place / 2,
            Form::NibblesLeft | Form::Signed | Form::SignedEbcdic => place.saturating_add(1) / 2,
            Form::SignedOdd | Form::SignedEbcdicOdd if place == 0 => 0,
            Form::SignedOdd | Form::SignedEbcdicOdd => place.saturating_add(2) / 2,
        }
    }
}

/// The character of a nibble as tracks have it: 13 is the separator.
const fn nibble(nibble: u8) -> u8 {
    match nibble {
        0..=9 => nibble | b'0',
        13 => b'=',
        _ => nibble.wrapping_add(b'A' - 10),
    }
}

fn nibbles(bytes: &[u8], mut push: impl FnMut(u8)) {
    for byte in bytes {
        push(nibble(byte >> 4));
        push(nibble(byte & 15));
    }
}

fn skip_first(mut push: impl FnMut(u8)) -> impl FnMut(u8) {
    let mut is_first = true;
    move |character| {
        if !is_first {
            push(character);
        }
        is_first = false;
    }
}

fn unhex(bytes: &[u8], to_ascii: impl Fn(u8) -> u8, mut push: impl FnMut(u8)) {
    let value = |byte| hex_value(to_ascii(byte)).unwrap_or(0);
    for [high, low] in bytes.as_chunks::<2>().0 {
        push((value(*high) << 4) | value(*low));
    }
}

/// The value of a hexadecimal character of either case.
pub(crate) const fn hex_value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character & 15),
        b'A'..=b'F' | b'a'..=b'f' => Some((character & 15).wrapping_add(9)),
        _ => None,
    }
}

/// The upper-case hexadecimal character of a nibble.
pub(crate) const fn hex_digit(nibble: u8) -> u8 {
    match nibble & 15 {
        digit @ 0..=9 => digit | b'0',
        letter => letter.wrapping_add(b'A' - 10),
    }
}

/// The nibble of a character of a track; a stranger gives whatever it gives.
pub(crate) const fn nibble_of(character: u8) -> u8 {
    match character {
        b'=' | b'D' => 13,
        b'F' => 15,
        digit => digit & 15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(form: Form, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Coding(form).each(bytes, |byte| out.push(byte));
        out
    }

    #[test]
    fn every_coding_of_a_known_value() {
        for (form, bytes, expected) in [
            (Form::Text, &b"AB"[..], &b"AB"[..]),
            (Form::Ebcdic037, &[0xC1, 0xF1, 0x40], b"A1 "),
            (Form::Ebcdic500, &[0x4A, 0x5A], b"[]"),
            (Form::Ebcdic1047, &[0xAD, 0xBD], b"[]"),
            (Form::Hex, b"0aFF", &[0x0A, 0xFF]),
            (Form::HexEbcdic, &[0xF0, 0xC1, 0xC6, 0x86], &[0x0A, 0xFF]),
            (Form::Nibbles, &[0x41, 0xD2], b"41=2"),
            (Form::NibblesLeft, &[0xF1, 0xD2], b"1=2"),
            (Form::NibblesRight, &[0x41, 0x2F], b"412"),
            (Form::Signed, &[b'D', 0x12, 0x34], b"D1234"),
            (Form::SignedOdd, &[b'C', 0x02, 0x34], b"C234"),
            (Form::SignedEbcdic, &[0xC4, 0x12, 0x34], b"D1234"),
            (Form::SignedEbcdicOdd, &[0xC3, 0x02, 0x34], b"C234"),
        ] {
            assert_eq!(canonical(form, bytes), expected, "{form:?}");
        }
    }

    #[test]
    fn every_place_of_a_value_lies_in_a_byte() {
        for (form, bytes) in [
            (Form::Ebcdic037, [0, 1, 2, 3]),
            (Form::HexEbcdic, [0, 2, 4, 6]),
            (Form::NibblesRight, [0, 0, 1, 1]),
            (Form::NibblesLeft, [0, 1, 1, 2]),
            (Form::Signed, [0, 1, 1, 2]),
            (Form::SignedOdd, [0, 1, 2, 2]),
        ] {
            assert_eq!([0, 1, 2, 3].map(|place| Coding(form).byte_of(place)), bytes, "{form:?}");
        }
    }

    #[test]
    fn nothing_is_canonical_of_nothing_but_does_not_stop() {
        for form in [Form::NibblesLeft, Form::NibblesRight, Form::SignedOdd, Form::Hex] {
            assert!(canonical(form, &[]).len() <= 2, "{form:?}");
        }
    }
}
