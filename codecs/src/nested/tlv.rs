//! BER-TLV as EMV uses it: tags, lengths and values, in order and byte for byte.
//!
//! Tags have one to four bytes. A length has one byte, or the number of up to four bytes in its
//! first; needless long forms are read, and written again only as part of an object that is
//! copied whole. Indefinite lengths are refused. Zero bytes before, between and after objects are
//! skipped (EMV Book 3, annex B1) and kept where objects are copied; no other filler is known.
//!
//! Nothing is copied or allocated for reading.

use crate::error::Fault;

/// The tag of an object: its bytes, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u32);

/// Bytes of the longest tag.
const TAG_MAX: usize = 4;
/// Bytes of the longest long-form length behind its first.
const LENGTH_MAX: u8 = 4;

impl Tag {
    /// A tag from its bytes; `None` if they are not one whole tag.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let (tag, width) = Self::read(bytes)?;
        (width == bytes.len()).then_some(tag)
    }

    /// A tag from its number as people write it, `0x9F26`; `None` if it is not one whole tag.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self::new(bytes.get(zeros..)?)
    }

    /// A tag from hexadecimal characters, `9F26`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|character| character.is_ascii_hexdigit());
        let number = u32::from_str_radix(text, 16).ok()?;
        let tag = Self::from_number(number)?;
        (is_hex && text.len() == tag.width().saturating_mul(2)).then_some(tag)
    }

    /// The number, `0x9F26`.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Bytes of the tag.
    #[must_use]
    pub const fn width(self) -> usize {
        match self.0 {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            0x1_0000..=0xFF_FFFF => 3,
            0x100_0000.. => 4,
        }
    }

    /// Whether its value consists of objects.
    #[must_use]
    pub const fn is_constructed(self) -> bool {
        let [a, b, c, d] = self.0.to_be_bytes();
        let first = match self.width() {
            1 => d,
            2 => c,
            3 => b,
            _ => a,
        };
        first & 0x20 != 0
    }

    /// The tag at the beginning of bytes, and its width. No tag begins with a zero byte, which is
    /// filler, and none is longer than four bytes.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let first = *bytes.first()?;
        if first == 0 {
            return None;
        }
        if first & 0x1F != 0x1F {
            return Some((Self(first.into()), 1));
        }
        let mut number = u32::from(first);
        for (place, byte) in bytes.iter().enumerate().take(TAG_MAX).skip(1) {
            // Zeros in front of a tag number would make two tags of one.
            if place == 1 && *byte == 0x80 {
                return None;
            }
            number = (number << 8) | u32::from(*byte);
            if byte & 0x80 == 0 {
                return Some((Self(number), place.saturating_add(1)));
            }
        }
        None
    }
}

impl core::fmt::Display for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:0width$X}", self.0, width = self.width().saturating_mul(2))
    }
}

impl core::fmt::Debug for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// An object where it lies. Does not show its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'b> {
    /// Its tag.
    pub tag: Tag,
    /// What it holds.
    pub value: &'b [u8],
    /// Where its tag begins in the bytes that were walked.
    pub start: usize,
    /// Where its value begins.
    pub value_start: usize,
}

impl core::fmt::Debug for Tlv<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tlv({}, {} bytes)", self.tag, self.value.len())
    }
}

impl<'b> Tlv<'b> {
    /// Where the object ends.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.value_start.saturating_add(self.value.len())
    }

    /// The objects in its value, if it is constructed.
    #[must_use]
    pub fn objects(&self) -> Option<Tlvs<'b>> {
        self.tag.is_constructed().then(|| Tlvs::new(self.value))
    }
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlvError {
    /// The tag of the object, if that much was read.
    pub tag: Option<Tag>,
    /// Where the first wrong byte is in the bytes that were walked.
    pub at: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// The objects of one level, in order. After an error there is nothing more.
#[derive(Clone)]
pub struct Tlvs<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Tlvs<'b> {
    /// Walks bytes.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The first object of that tag on this level; an error before it hides it.
    #[must_use]
    pub fn find(mut self, tag: Tag) -> Option<Tlv<'b>> {
        self.find_map(|object| object.ok().filter(|object| object.tag == tag))
    }

    fn object(&self, start: usize, rest: &'b [u8]) -> Result<Tlv<'b>, TlvError> {
        let fail = |tag, at, fault| Err(TlvError { tag, at, fault });
        let Some((tag, tag_width)) = Tag::read(rest) else {
            return fail(None, start, Fault::Tag);
        };
        let length_start = start.saturating_add(tag_width);
        let known = Some(tag);
        let Some((&first, after)) = rest.get(tag_width..).and_then(<[u8]>::split_first) else {
            return fail(known, length_start, Fault::Short { needed: 1, available: 0 });
        };
        let (length, width) = match first {
            0..=0x7F => (u32::from(first), 0),
            0x80 => return fail(known, length_start, Fault::Indefinite),
            _ => {
                let width = first & 0x7F;
                if width > LENGTH_MAX {
                    return fail(known, length_start, Fault::LengthNotDigits);
                }
                let Some(bytes) = after.get(..width.into()) else {
                    let fault = Fault::Short { needed: width.into(), available: count(after) };
                    return fail(known, length_start, fault);
                };
                let number = bytes.iter().fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
                (number, usize::from(width))
            }
        };
        let value = after.get(width..).unwrap_or_default();
        let value_start = length_start.saturating_add(width).saturating_add(1);
        match usize::try_from(length).ok().and_then(|length| value.get(..length)) {
            Some(value) => Ok(Tlv { tag, value, start, value_start }),
            None => {
                let fault = Fault::Short { needed: length, available: count(value) };
                fail(known, length_start, fault)
            }
        }
    }
}

impl<'b> Iterator for Tlvs<'b> {
    type Item = Result<Tlv<'b>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let filler = rest.iter().take_while(|byte| **byte == 0).count();
        let rest = rest.get(filler..).filter(|rest| !rest.is_empty())?;
        let object = self.object(self.at.saturating_add(filler), rest);
        self.at = object.map_or(self.bytes.len(), |object| object.end());
        Some(object)
    }
}

/// Appends an object with the shortest length that says it.
pub fn put(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    let significant = |number: u32| -> ([u8; 4], usize) {
        let bytes = number.to_be_bytes();
        (bytes, bytes.iter().take_while(|byte| **byte == 0).count())
    };
    let (bytes, zeros) = significant(tag.get());
    out.extend_from_slice(bytes.get(zeros..).unwrap_or_default());
    // No frame is longer than 65535 bytes, so that the length always fits.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let (bytes, zeros) = significant(length);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7F) => out.push(short),
        _ => {
            let width = bytes.len().saturating_sub(zeros);
            out.push(0x80 | u8::try_from(width).unwrap_or(0));
            out.extend_from_slice(bytes.get(zeros..).unwrap_or_default());
        }
    }
    out.extend_from_slice(value);
}

fn count(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn tag(number: u32) -> Tag {
        Tag::from_number(number).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, TlvError> {
        Tlvs::new(bytes).map(|o| o.map(|o| (o.tag.get(), o.value.to_vec()))).collect()
    }

    #[test]
    fn tags_of_one_to_four_bytes() {
        for (text, constructed) in
            [("5A", false), ("9F26", false), ("DF8111", false), ("DF818102", false), ("70", true)]
        {
            let tag = Tag::parse(text).unwrap();
            assert_eq!((tag.to_string(), tag.is_constructed()), (text.to_owned(), constructed));
            let mut bytes = Vec::new();
            put(&mut bytes, tag, b"x");
            assert_eq!(read(&bytes), Ok(vec![(tag.get(), b"x".to_vec())]));
        }
        assert!(Tag::parse("BF0C").unwrap().is_constructed());
        for text in ["", "9F", "5A5A", "9F80", "9F8001", "DF81818102", "00", "+5A", "5", "9f260"] {
            assert_eq!(Tag::parse(text), None, "{text}");
        }
    }

    #[test]
    fn objects_with_filler_between_them() {
        let bytes = b"\0\x9F\x26\x02\xAA\xBB\0\0\x5A\x01\x41\0";
        let expected = vec![(0x9F26, b"\xAA\xBB".to_vec()), (0x5A, b"\x41".to_vec())];
        assert_eq!(read(bytes), Ok(expected));
        let found = Tlvs::new(bytes).find(tag(0x5A)).unwrap();
        assert_eq!((found.start, found.value_start, found.end()), (8, 10, 11));
    }

    #[test]
    fn long_lengths() {
        let value = vec![7; 300];
        for (head, width) in [(&b"\x5A\x82\x01\x2C"[..], 4), (b"\x5A\x84\0\0\x01\x2C", 6)] {
            let bytes = [head, &value].concat();
            let object = Tlvs::new(&bytes).next().unwrap().unwrap();
            assert_eq!((object.value, object.value_start), (&value[..], width));
        }
        let mut shortest = Vec::new();
        put(&mut shortest, tag(0x5A), &value);
        assert_eq!(shortest[..4], *b"\x5A\x82\x01\x2C");
        shortest.clear();
        put(&mut shortest, tag(0x5A), &[0; 128]);
        assert_eq!(shortest[..3], *b"\x5A\x81\x80");
    }

    #[test]
    fn what_is_refused_and_where() {
        let short = |needed, available| Fault::Short { needed, available };
        for (bytes, known, at, fault) in [
            (&b"\x5A\x80\x01\0\0"[..], true, 1, Fault::Indefinite),
            (b"\x5A\x85\0\0\0\0\x01\x01", true, 1, Fault::LengthNotDigits),
            (b"\x5A\xFF", true, 1, Fault::LengthNotDigits),
            (b"\x5A", true, 1, short(1, 0)),
            (b"\x5A\x82\x01", true, 1, short(2, 1)),
            (b"\x5A\x05\x01", true, 1, short(5, 1)),
            (b"\x5A\x84\xFF\xFF\xFF\xFF\x01", true, 1, short(u32::MAX, 1)),
            (b"\0\0\x9F", false, 2, Fault::Tag),
            (b"\x9F\x80\x01\x01\x01", false, 0, Fault::Tag),
            (b"\x9F\x81\x81\x81\x01\x01", false, 0, Fault::Tag),
        ] {
            let expected = TlvError { tag: known.then(|| tag(0x5A)), at, fault };
            assert_eq!(read(bytes), Err(expected), "{bytes:02X?}");
        }
    }

    #[test]
    fn values_do_not_show() {
        let object = Tlvs::new(b"\x5A\x02\x41\x11").next().unwrap().unwrap();
        assert_eq!(format!("{object:?}"), "Tlv(5A, 2 bytes)");
    }

    fn any_tag() -> impl Strategy<Value = Tag> {
        any::<u32>().prop_filter_map("not a tag", |number| {
            let bytes = number.to_be_bytes();
            (1..=4).find_map(|width| Tag::new(&bytes[..width]))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(objects in vec((any_tag(), vec(any::<u8>(), 0..300)), 0..8)) {
            let mut bytes = Vec::new();
            objects.iter().for_each(|(tag, value)| put(&mut bytes, *tag, value));
            let expected = objects.iter().map(|(tag, value)| (tag.get(), value.clone()));
            prop_assert_eq!(read(&bytes), Ok(expected.collect()));
        }

        #[test]
        fn any_bytes_are_objects_or_an_error_within_them(bytes in vec(any::<u8>(), 0..200)) {
            let mut end = 0;
            for object in Tlvs::new(&bytes) {
                match object {
                    Ok(object) => {
                        prop_assert!(object.start >= end && object.end() <= bytes.len());
                        prop_assert!(bytes[end..object.start].iter().all(|byte| *byte == 0));
                        prop_assert_eq!(&bytes[object.value_start..object.end()], object.value);
                        end = object.end();
                    }
                    Err(error) => {
                        prop_assert!(error.at <= bytes.len() && error.at >= end);
                        return Ok(());
                    }
                }
            }
            prop_assert!(bytes[end..].iter().all(|byte| *byte == 0));
        }
    }
}
