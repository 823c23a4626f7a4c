//! Values of fields as they lie in a message's buffer, and their characters and bytes.

use crate::coding::Coding;
use crate::message::Form;
use crate::words;
use core::fmt;
use core::ops::Deref;
use smallvec::SmallVec;

/// A canonical value: characters, or bytes for a binary field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Raw<'a> {
    /// Characters as they lie in the buffer.
    Text(&'a [u8]),
    /// Packed digits and how many there are.
    Packed {
        /// Two digits a byte.
        bytes: &'a [u8],
        /// How many digits count.
        digits: u16,
        /// Whether an odd number of digits is filled on the left.
        left: bool,
    },
    /// A binary field.
    Binary(&'a [u8]),
    /// Any other encoding.
    Coded {
        /// The bytes as they lie in the buffer.
        bytes: &'a [u8],
        /// How they are read.
        coding: Coding,
    },
}

/// The bytes of a binary field. Borrowed where they lie in the buffer as such.
#[derive(Clone, PartialEq, Eq)]
pub struct Octets<'a>(Characters<'a>);

impl Deref for Octets<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Octets<'_> {
    /// How many; a binary field is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.len())
    }
}

/// The characters of a field. Borrowed where they lie in the buffer as such.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<'a>(Characters<'a>);

#[derive(Clone)]
enum Characters<'a> {
    Borrowed(&'a [u8]),
    /// Most packed numbers: those from `from` up to `to`.
    Few {
        characters: [u8; 16],
        from: u8,
        to: u8,
    },
    Unpacked(SmallVec<[u8; 64]>),
}

impl PartialEq for Characters<'_> {
    /// What they are, not where they lie: the same value may come in two encodings.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Characters<'_> {}

impl Characters<'_> {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Few { characters, from, to } => {
                characters.get(usize::from(*from)..usize::from(*to)).unwrap_or_default()
            }
            Self::Unpacked(bytes) => bytes,
        }
    }
}

impl Text<'_> {
    /// The characters as bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The characters; empty if they are not UTF-8, which no content class but `b` allows.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The characters without the spaces at their end.
    #[must_use]
    pub fn trimmed(&self) -> &str {
        self.as_str().trim_end_matches(' ')
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<'a> Raw<'a> {
    /// The characters; a binary field has none.
    #[inline]
    #[must_use]
    pub fn text(self) -> Option<Text<'a>> {
        match self {
            Self::Text(bytes) => Some(Text(Characters::Borrowed(bytes))),
            Self::Binary(_) => None,
            other => other.made_text(),
        }
    }

    /// The characters where they do not lie in the buffer as such. Apart, because together with
    /// them those that do take twice as long.
    #[inline(never)]
    fn made_text(self) -> Option<Text<'a>> {
        match self {
            Self::Packed { bytes, digits, left } => Some(Text(unpacked(bytes, digits, left))),
            Self::Coded { bytes, coding } if !coding.is_binary() => {
                Some(Text(Characters::Unpacked(decoded(bytes, coding))))
            }
            Self::Text(_) | Self::Binary(_) | Self::Coded { .. } => None,
        }
    }

    /// The bytes of a binary field; any other has none.
    #[inline]
    #[must_use]
    pub fn binary(self) -> Option<Octets<'a>> {
        match self {
            Self::Binary(bytes) => Some(Octets(Characters::Borrowed(bytes))),
            Self::Coded { bytes, coding } => made_bytes(bytes, coding),
            Self::Text(_) | Self::Packed { .. } => None,
        }
    }

    /// The bytes of the field as they lie in the buffer, whatever they mean.
    #[must_use]
    pub const fn as_it_lies(self) -> &'a [u8] {
        match self {
            Self::Text(bytes)
            | Self::Packed { bytes, .. }
            | Self::Binary(bytes)
            | Self::Coded { bytes, .. } => bytes,
        }
    }

    /// How the bytes are read.
    pub(crate) const fn coding(self) -> Coding {
        Coding(match self {
            Self::Text(_) => Form::Text,
            Self::Binary(_) => Form::Raw,
            Self::Packed { digits, left: true, .. } if digits & 1 == 1 => Form::NibblesLeft,
            Self::Packed { digits, left: false, .. } if digits & 1 == 1 => Form::NibblesRight,
            Self::Packed { .. } => Form::Nibbles,
            Self::Coded { coding, .. } => coding.0,
        })
    }

    /// The canonical value, characters or bytes alike. Borrowed if it lies in the buffer as such.
    pub(crate) fn canonical(self) -> Text<'a> {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => Text(Characters::Borrowed(bytes)),
            Self::Packed { bytes, digits, left } => Text(unpacked(bytes, digits, left)),
            Self::Coded { bytes, coding } => Text(Characters::Unpacked(decoded(bytes, coding))),
        }
    }

    /// Gives the canonical value byte by byte, without room for the whole.
    pub(crate) fn each(self, push: impl FnMut(u8)) {
        self.coding().each(self.as_it_lies(), push);
    }
}

/// The bytes of a binary field that do not lie in the buffer as such.
#[inline(never)]
fn made_bytes<'a>(bytes: &[u8], coding: Coding) -> Option<Octets<'a>> {
    coding.is_binary().then(|| Octets(Characters::Unpacked(decoded(bytes, coding))))
}

/// The characters of packed digits.
#[inline]
fn unpacked<'a>(bytes: &[u8], digits: u16, left: bool) -> Characters<'a> {
    if bytes.len() > 8 {
        return Characters::Unpacked(unpacked_many(bytes, digits, left));
    }
    let from = u8::from(left) & (digits as u8) & 1;
    // Two for each byte there is, whatever is said.
    let most = (bytes.len() as u8).wrapping_mul(2);
    let to = u8::try_from(digits).unwrap_or(most).saturating_add(from).min(most);
    let mut characters = [0; 16];
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let at = bytes.len().wrapping_mul(2).wrapping_sub(8);
        if let Some(place) = characters.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = words::unpack(*last);
        }
        if let Some(place) = characters.first_chunk_mut() {
            *place = words::unpack(*first);
        }
    } else if let Some(place) = characters.first_chunk_mut() {
        *place = words::unpack(match *bytes {
            [a, b, c, ..] => [a, b, c, 0],
            [a, b] => [a, b, 0, 0],
            [a] => [a, 0, 0, 0],
            [] => [0; 4],
        });
    }
    Characters::Few { characters, from, to }
}

/// More of them than a few.
fn unpacked_many(bytes: &[u8], digits: u16, left: bool) -> SmallVec<[u8; 64]> {
    let digits = usize::from(digits);
    let mut characters = SmallVec::new();
    let (chunks, rest) = bytes.as_chunks::<4>();
    for chunk in chunks {
        characters.extend_from_slice(&words::unpack(*chunk));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let last = words::unpack(last);
    characters.extend_from_slice(last.get(..rest.len().wrapping_mul(2)).unwrap_or_default());
    if left && digits & 1 == 1 {
        characters.remove(0);
    }
    characters.truncate(digits);
    characters
}

/// The canonical value of bytes in another coding.
fn decoded(bytes: &[u8], coding: Coding) -> SmallVec<[u8; 64]> {
    let mut value = SmallVec::new();
    coding.each(bytes, |byte| value.push(byte));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_packed_digits_is_unpacked() {
        for digits in 0..=80u16 {
            let expected: String =
                (0..digits).map(|at| char::from(b'1' + (at % 9) as u8)).collect();
            for left in [true, false] {
                let filled = match (digits % 2, left) {
                    (1, true) => format!("0{expected}"),
                    (1, false) => format!("{expected}0"),
                    _ => expected.clone(),
                };
                let (pairs, _) = filled.as_bytes().as_chunks::<2>();
                let bytes: Vec<u8> = pairs.iter().map(|[a, b]| (a << 4) | (b & 15)).collect();
                let text = Raw::Packed { bytes: &bytes, digits, left }.text().unwrap();
                assert_eq!(text.as_str(), expected, "{digits} {left}");
            }
        }
    }

    #[test]
    fn a_value_is_the_same_in_every_encoding() {
        let ways = [
            Raw::Text(b"566"),
            Raw::Packed { bytes: &[0x05, 0x66], digits: 3, left: true },
            Raw::Packed { bytes: &[0x56, 0x60], digits: 3, left: false },
            Raw::Coded { bytes: &[0xF5, 0xF6, 0xF6], coding: Coding(Form::Ebcdic037) },
        ];
        for (one, other) in ways.iter().flat_map(|one| ways.map(|other| (one, other))) {
            assert_eq!(one.text(), other.text());
        }
        let hex = Raw::Coded { bytes: b"0aFF", coding: Coding(Form::Hex) };
        assert_eq!(Raw::Binary(&[0x0A, 0xFF]).binary(), hex.binary());
        assert_ne!(Raw::Binary(&[0x0A, 0xFE]).binary(), hex.binary());
    }
}
