//! EBCDIC code pages 037, 500 and 1047.
//!
//! A page maps each of the 256 bytes to another one of the 256 characters of Latin-1 (ISO 8859-1),
//! so that nothing is lost either way. The three differ in a few places only: page 037 is the one
//! table here, the others are its changes. What is no printable ASCII character in Latin-1 belongs
//! to no content class but `b`, so a field of text that has one is refused as any other stranger.

use crate::content::Content;
use crate::words;

/// An EBCDIC code page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePage {
    /// CCSID 37: USA, Canada, and most hosts of card networks.
    P037,
    /// CCSID 500: international.
    P500,
    /// CCSID 1047: Unix services of the same machines.
    P1047,
}

/// Page 037: the Latin-1 character of each byte.
const P037: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9C, 0x09, 0x86, 0x7F, 0x97, 0x8D, 0x8E, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
    0x10, 0x11, 0x12, 0x13, 0x9D, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8F, 0x1C, 0x1D, 0x1E, 0x1F,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0A, 0x17, 0x1B, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9A, 0x9B, 0x14, 0x15, 0x9E, 0x1A,
    0x20, 0xA0, 0xE2, 0xE4, 0xE0, 0xE1, 0xE3, 0xE5, 0xE7, 0xF1, 0xA2, 0x2E, 0x3C, 0x28, 0x2B, 0x7C,
    0x26, 0xE9, 0xEA, 0xEB, 0xE8, 0xED, 0xEE, 0xEF, 0xEC, 0xDF, 0x21, 0x24, 0x2A, 0x29, 0x3B, 0xAC,
    0x2D, 0x2F, 0xC2, 0xC4, 0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xD1, 0xA6, 0x2C, 0x25, 0x5F, 0x3E, 0x3F,
    0xF8, 0xC9, 0xCA, 0xCB, 0xC8, 0xCD, 0xCE, 0xCF, 0xCC, 0x60, 0x3A, 0x23, 0x40, 0x27, 0x3D, 0x22,
    0xD8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xAB, 0xBB, 0xF0, 0xFD, 0xFE, 0xB1,
    0xB0, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0xAA, 0xBA, 0xE6, 0xB8, 0xC6, 0xA4,
    0xB5, 0x7E, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0xA1, 0xBF, 0xD0, 0xDD, 0xDE, 0xAE,
    0x5E, 0xA3, 0xA5, 0xB7, 0xA9, 0xA7, 0xB6, 0xBC, 0xBD, 0xBE, 0x5B, 0x5D, 0xAF, 0xA8, 0xB4, 0xD7,
    0x7B, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xAD, 0xF4, 0xF6, 0xF2, 0xF3, 0xF5,
    0x7D, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0xB9, 0xFB, 0xFC, 0xF9, 0xFA, 0xFF,
    0x5C, 0xF7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0xB2, 0xD4, 0xD6, 0xD2, 0xD3, 0xD5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xB3, 0xDB, 0xDC, 0xD9, 0xDA, 0x9F,
];

/// Where page 500 differs: byte and its character.
const CHANGES_500: [(u8, u8); 7] = [
    (0x4A, b'['),
    (0x4F, b'!'),
    (0x5A, b']'),
    (0x5F, b'^'),
    (0xB0, 0xA2),
    (0xBA, 0xAC),
    (0xBB, b'|'),
];

/// Where page 1047 differs: byte and its character.
const CHANGES_1047: [(u8, u8); 6] =
    [(0x5F, b'^'), (0xAD, b'['), (0xB0, 0xAC), (0xBA, 0xDD), (0xBB, 0xA8), (0xBD, b']')];

/// Both directions of a page.
struct Tables {
    to_latin: [u8; 256],
    /// Of each byte the classes its character belongs to, by [`class_bit`].
    classes: [u8; 256],
    from_latin: [u8; 256],
}

static TABLES_037: Tables = tables(&[]);
static TABLES_500: Tables = tables(&CHANGES_500);
static TABLES_1047: Tables = tables(&CHANGES_1047);

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, which stops at a panic"
)]
const fn tables(changes: &[(u8, u8)]) -> Tables {
    let mut to_latin = P037;
    let mut change = 0;
    while change < changes.len() {
        to_latin[changes[change].0 as usize] = changes[change].1;
        change += 1;
    }
    let mut from_latin = [0; 256];
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        from_latin[to_latin[byte] as usize] = byte as u8;
        classes[byte] = classes_of(to_latin[byte]);
        byte += 1;
    }
    Tables { to_latin, classes, from_latin }
}

const LETTERS: u8 = 1;
const ALPHANUMERIC: u8 = 2;
const PRINTABLE: u8 = 4;
const TRACK: u8 = 8;

const fn class_bit(class: Content) -> Option<u8> {
    match class {
        Content::Letters => Some(LETTERS),
        Content::Alphanumeric => Some(ALPHANUMERIC),
        Content::Printable => Some(PRINTABLE),
        Content::Track => Some(TRACK),
        Content::Digits | Content::Binary | Content::SignedDigits => None,
    }
}

const fn classes_of(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => ALPHANUMERIC | PRINTABLE | TRACK,
        b'D' | b'F' => LETTERS | ALPHANUMERIC | PRINTABLE | TRACK,
        b'A'..=b'Z' | b'a'..=b'z' | b' ' => LETTERS | ALPHANUMERIC | PRINTABLE,
        b'=' => PRINTABLE | TRACK,
        0x21..=0x7E => PRINTABLE,
        _ => 0,
    }
}

impl CodePage {
    fn tables(self) -> &'static Tables {
        match self {
            Self::P037 => &TABLES_037,
            Self::P500 => &TABLES_500,
            Self::P1047 => &TABLES_1047,
        }
    }

    /// The Latin-1 character, for printable ones the ASCII character, that a byte stands for.
    #[must_use]
    pub fn decode(self, byte: u8) -> u8 {
        self.tables().to_latin.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Whether every byte stands for a character of a class; never of `x+n`, which is no class of
    /// single characters.
    pub(crate) fn holds(self, class: Content, bytes: &[u8]) -> bool {
        if class == Content::Digits {
            // F0 to F9 in every page: two bits off ASCII.
            return words::are_ebcdic_digits(bytes);
        }
        let Some(bit) = class_bit(class) else { return class == Content::Binary };
        let classes = &self.tables().classes;
        let all = bytes.iter().fold(bit, |all, byte| {
            all & classes.get(usize::from(*byte)).copied().unwrap_or_default()
        });
        all != 0
    }

    /// The byte that stands for a Latin-1 or ASCII character.
    #[must_use]
    pub fn encode(self, character: u8) -> u8 {
        self.tables().from_latin.get(usize::from(character)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [CodePage; 3] = [CodePage::P037, CodePage::P500, CodePage::P1047];

    #[test]
    fn every_byte_of_every_page_is_another_character() {
        for page in PAGES {
            let mut seen = [false; 256];
            for byte in 0..=255u8 {
                let character = page.decode(byte);
                assert!(!seen[usize::from(character)], "{page:?} {byte:#x}");
                seen[usize::from(character)] = true;
                assert_eq!(page.encode(character), byte, "{page:?}");
            }
        }
    }

    #[test]
    fn letters_digits_and_blank_are_the_same_in_all_pages() {
        for page in PAGES {
            for (text, bytes) in [
                (&b"0123456789"[..], &[0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9]),
                (b"ABCDEFGHIJ", &[0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD1]),
                (b"RSZarsz =@", &[0xD9, 0xE2, 0xE9, 0x81, 0x99, 0xA2, 0xA9, 0x40, 0x7E, 0x7C]),
            ] {
                let encoded: Vec<u8> = text.iter().map(|c| page.encode(*c)).collect();
                assert_eq!(encoded, bytes, "{page:?}");
            }
        }
    }

    #[test]
    fn the_classes_of_bytes_are_those_of_their_characters() {
        for page in PAGES {
            for byte in 0..=255u8 {
                for class in [
                    Content::Digits,
                    Content::Letters,
                    Content::Alphanumeric,
                    Content::Printable,
                    Content::Track,
                    Content::Binary,
                ] {
                    let expected = class.holds(&[page.decode(byte)]);
                    for length in [1, 3, 9] {
                        let mut bytes = vec![page.encode(b'5'); length];
                        if class == Content::Letters {
                            bytes.fill(page.encode(b'A'));
                        }
                        bytes[length / 2] = byte;
                        assert_eq!(page.holds(class, &bytes), expected, "{page:?} {byte} {class}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_tells_the_pages_apart() {
        let of = |character| PAGES.map(|page| page.encode(character));
        assert_eq!(of(b'['), [0xBA, 0x4A, 0xAD]);
        assert_eq!(of(b']'), [0xBB, 0x5A, 0xBD]);
        assert_eq!(of(b'^'), [0xB0, 0x5F, 0x5F]);
        assert_eq!(of(b'|'), [0x4F, 0xBB, 0x4F]);
        assert_eq!(of(b'!'), [0x5A, 0x4F, 0x5A]);
    }

    #[test]
    fn a_byte_without_printable_ascii_is_a_stranger_to_text() {
        let text = |byte: &u8| Content::Printable.holds(&[CodePage::P037.decode(*byte)]);
        assert_eq!((0..=255u8).filter(text).count(), 95);
        assert!(!text(&0x00) && !text(&0x41) && !text(&0xFF) && text(&0x40));
    }
}
