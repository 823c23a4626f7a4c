//! The likely cause of an error, in words.
//!
//! Most messages that cannot be read are sound and of another dialect: EBCDIC on an ASCII link,
//! packed digits as characters, a header nobody took off. So the frame is read again in the ways
//! that are commonly confused with the dialect's, and the first in which it is a whole message is
//! the answer. Where there is none, its beginning may still give something away.
//!
//! This is for people who look at a single message. It is slow and never on the way of one.

use super::decode::Cursor;
use super::{Codec, Layout};
use crate::code_page::CodePage;
use crate::coding::hex_value;
use crate::dialect::{Binary, Bitmap, Characters, Count, Digits, Encodings, LengthDigits, Signed};
use crate::error::{DecodeError, Fault, FieldNumber};

/// Longest header that is looked for in front of a message.
const HEADER_MAX: usize = 40;
/// Most bytes of a message that a wrong header width may have taken.
const TAKEN_MAX: usize = 3;

const HEADER: &str = "a header stands before the message type; set it in the framing";
const IS_EBCDIC: &str = "the digits are EBCDIC; this dialect is ASCII";
const IS_ASCII: &str = "the digits are ASCII; this dialect is EBCDIC";
const IS_PACKED: &str = "the message type is packed; this dialect has it in ASCII";
const HEX_BITMAP: &str =
    "the bitmap looks like hexadecimal characters; this dialect has it in binary";
const BINARY_BITMAP: &str =
    "the bitmap looks binary; this dialect has it in hexadecimal characters";
const DUMP: &str = "the message was sent as the characters of its hexadecimal dump";

/// Another way to write the messages of a dialect; `None` if the dialect is already so.
type Variant = fn(Encodings) -> Option<Encodings>;

/// What is commonly confused, and what it is called.
const VARIANTS: [(Variant, &str); 9] = [
    (
        |own| (own.count == Count::Value).then_some(Encodings { count: Count::Bytes, ..own }),
        "the lengths count bytes; this dialect counts digits and characters",
    ),
    (
        |own| (own.count == Count::Bytes).then_some(Encodings { count: Count::Value, ..own }),
        "the lengths count digits and characters; this dialect counts bytes",
    ),
    (in_ebcdic, IS_EBCDIC),
    (in_ascii, IS_ASCII),
    (packed, "the numbers are packed; this dialect has them as characters"),
    (unpacked, "the numbers are characters; this dialect packs them"),
    (
        |own| (own.bitmap == Bitmap::Binary).then_some(Encodings { bitmap: Bitmap::Hex, ..own }),
        HEX_BITMAP,
    ),
    (
        |own| (own.bitmap != Bitmap::Binary).then_some(Encodings { bitmap: Bitmap::Binary, ..own }),
        BINARY_BITMAP,
    ),
    (
        |own| Some(Encodings { inclusive: !own.inclusive, ..own }),
        "whether the lengths count themselves is not as this dialect says",
    ),
];

fn in_ebcdic(own: Encodings) -> Option<Encodings> {
    let digits = |digits| if digits == Digits::Ascii { Digits::Ebcdic } else { digits };
    let length = |length| if length == LengthDigits::Ascii { LengthDigits::Ebcdic } else { length };
    let other = Encodings {
        mti: digits(own.mti),
        digits: digits(own.digits),
        track: digits(own.track),
        text: Characters::Ebcdic,
        signed: if own.signed == Signed::Ascii { Signed::Ebcdic } else { own.signed },
        length: length(own.length),
        bitmap: if own.bitmap == Bitmap::Hex { Bitmap::EbcdicHex } else { own.bitmap },
        binary: if own.binary == Binary::Hex { Binary::EbcdicHex } else { own.binary },
        ..own
    };
    (other != own).then_some(other)
}

fn in_ascii(own: Encodings) -> Option<Encodings> {
    let digits = |digits| if digits == Digits::Ebcdic { Digits::Ascii } else { digits };
    let length = |length| if length == LengthDigits::Ebcdic { LengthDigits::Ascii } else { length };
    let other = Encodings {
        mti: digits(own.mti),
        digits: digits(own.digits),
        track: digits(own.track),
        text: Characters::Ascii,
        signed: if own.signed == Signed::Ebcdic { Signed::Ascii } else { own.signed },
        length: length(own.length),
        bitmap: if own.bitmap == Bitmap::EbcdicHex { Bitmap::Hex } else { own.bitmap },
        binary: if own.binary == Binary::EbcdicHex { Binary::Hex } else { own.binary },
        ..own
    };
    (other != own).then_some(other)
}

fn packed(own: Encodings) -> Option<Encodings> {
    (own.digits == Digits::Ascii).then_some(Encodings {
        mti: Digits::Bcd,
        digits: Digits::Bcd,
        length: LengthDigits::Bcd,
        bitmap: Bitmap::Binary,
        binary: Binary::Binary,
        ..own
    })
}

fn unpacked(own: Encodings) -> Option<Encodings> {
    let is_packed = !matches!(own.digits, Digits::Ascii | Digits::Ebcdic);
    is_packed.then_some(Encodings {
        mti: Digits::Ascii,
        digits: Digits::Ascii,
        track: Digits::Ascii,
        signed: Signed::Ascii,
        length: LengthDigits::Ascii,
        ..own
    })
}

impl Codec {
    /// The likely cause of an error, in words, where the bytes give it away.
    #[cold]
    #[must_use]
    pub fn likely_cause(&self, frame: &[u8], error: &DecodeError) -> Option<&'static str> {
        if self.is_dump(frame) {
            return Some(DUMP);
        }
        let own = self.dialect.encoding;
        let fits = |variant: Variant| variant(own).is_some_and(|other| self.fits(frame, &other));
        if let Some((_, words)) = VARIANTS.iter().find(|(variant, _)| fits(*variant)) {
            return Some(words);
        }
        self.header_is_off(frame, &own).or_else(|| self.beginning(frame, error))
    }

    /// Whether the frame is a whole message if it is written like this.
    fn fits(&self, frame: &[u8], encoding: &Encodings) -> bool {
        let mut cursor = Cursor { rest: frame, length: frame.len() };
        let Ok(mti) = cursor.mti(encoding.mti) else { return false };
        let Ok(present) = self.bitmaps(&mut cursor, encoding) else { return false };
        let sound = present.iter().all(|number| {
            let Some(field) = self.dialect.field(number) else { return false };
            let layout = Layout::new(field, encoding);
            let read = cursor.field(layout);
            read.is_ok_and(|(shape, content)| layout.check(shape, content).is_ok())
        });
        // Almost anything begins like a type; a version does not.
        let version = matches!(mti.digits(), [b'0'..=b'2' | b'8' | b'9', ..]);
        sound && version && !present.is_empty() && cursor.rest.is_empty()
    }

    /// Whether the message stands further on in the frame, or began before it.
    fn header_is_off(&self, frame: &[u8], own: &Encodings) -> Option<&'static str> {
        let further = (1..=HEADER_MAX).filter_map(|width| frame.get(width..));
        if further.into_iter().any(|rest| self.fits(rest, own)) {
            return Some(HEADER);
        }
        for version in [b"0200", b"1200", b"2200"] {
            let start: Vec<u8> = match own.mti {
                Digits::Ascii => version.to_vec(),
                Digits::Ebcdic => version.iter().map(|c| CodePage::P037.encode(*c)).collect(),
                Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => {
                    version.as_chunks::<2>().0.iter().map(|[a, b]| (a << 4) | (b & 15)).collect()
                }
            };
            for taken in 1..=TAKEN_MAX.min(start.len()) {
                let whole = [start.get(..taken).unwrap_or_default(), frame].concat();
                if self.fits(&whole, own) {
                    return Some("the framing takes the first bytes of the message for a header");
                }
            }
        }
        None
    }

    /// Whether the frame is the hexadecimal dump of a message.
    fn is_dump(&self, frame: &[u8]) -> bool {
        let (pairs, rest) = frame.as_chunks::<2>();
        if !rest.is_empty() {
            return false;
        }
        let byte = |[high, low]: &[u8; 2]| Some((hex_value(*high)? << 4) | hex_value(*low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.is_some_and(|bytes| self.fits(&bytes, &self.dialect.encoding))
    }

    /// What the first bytes give away, though the whole is no message of any known kind.
    fn beginning(&self, frame: &[u8], error: &DecodeError) -> Option<&'static str> {
        let own = &self.dialect.encoding;
        let header = frame.get(..12).unwrap_or(frame);
        let is_mti = |bytes: &[u8]| {
            bytes.len() == 4
                && matches!(bytes.first(), Some(b'0'..=b'2'))
                && bytes.iter().all(u8::is_ascii_digit)
        };
        let first = header.get(..4).unwrap_or_default();
        if error.path.field == FieldNumber::MTI && own.mti == Digits::Ascii {
            if !first.is_empty() && first.iter().all(|byte| (0xF0..=0xF9).contains(byte)) {
                return Some(IS_EBCDIC);
            }
            if header.windows(4).skip(1).any(is_mti) {
                return Some(HEADER);
            }
            if matches!(header, [0x01..=0x09 | 0x10..=0x19 | 0x20..=0x29, ..]) {
                return Some(IS_PACKED);
            }
        }
        if error.path.field == FieldNumber::MTI && own.mti == Digits::Ebcdic && is_mti(first) {
            return Some(IS_ASCII);
        }
        let hex = |bytes: &[u8]| bytes.len() == 8 && bytes.iter().all(u8::is_ascii_hexdigit);
        let bitmap = frame.get(4..12).unwrap_or_default();
        match (own.bitmap, own.mti) {
            (Bitmap::Binary, Digits::Ascii) if hex(bitmap) => Some(HEX_BITMAP),
            (Bitmap::Hex, Digits::Ascii) if error.path.field == FieldNumber::BITMAP => {
                Some(BINARY_BITMAP)
            }
            _ if matches!(error.fault, Fault::LengthNotDigits | Fault::TooLong { .. }) => {
                Some("the field before it may be longer or shorter than this dialect says")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::message::Message;
    use crate::mti::Mti;
    use bytes::BytesMut;

    fn codec(name: &str, encoding: &str) -> Codec {
        let text = format!("name = 'x'\nextends = '{name}'\n[encoding]\n{encoding}\n");
        Codec::new(Dialect::parse(&text).unwrap())
    }

    /// A message with a card of an odd number of digits, an amount and some text.
    fn frame(codec: &Codec) -> Vec<u8> {
        let mut message = Message::of(Mti::known(b"0200"));
        for (number, value) in [
            (2, "4111111111111111123"),
            (3, "000000"),
            (4, "000000012500"),
            (11, "000123"),
            (32, "123456"),
            (41, "TERM0001"),
        ] {
            message.set_text(FieldNumber::known(number), value);
        }
        let mut out = BytesMut::new();
        codec.encode(&message, &mut out).unwrap();
        out.to_vec()
    }

    fn cause(codec: &Codec, frame: &[u8]) -> Option<&'static str> {
        let error = codec.decode_into(frame, &mut Message::new()).unwrap_err();
        codec.likely_cause(frame, &error)
    }

    #[test]
    fn messages_of_another_dialect_are_recognised() {
        let bytes = "the lengths count bytes; this dialect counts digits and characters";
        let digits = "the lengths count digits and characters; this dialect counts bytes";
        let packed = "the numbers are packed; this dialect has them as characters";
        let unpacked = "the numbers are characters; this dialect packs them";
        let inclusive = "[fields]\n2 = { name = 'a', format = 'LL n..19', inclusive = true }\n\
                         32 = { name = 'b', format = 'LL n..11', inclusive = true }";
        let itself = "whether the lengths count themselves is not as this dialect says";
        for (sent, sent_with, own, own_with, expected) in [
            ("cbs-bcd", "count = 'bytes'", "cbs-bcd", "", bytes),
            ("cbs-bcd", "", "cbs-bcd", "count = 'bytes'", digits),
            ("iso87-ebcdic", "", "iso87-ascii-bin", "", IS_EBCDIC),
            ("iso87-ascii-bin", "", "iso87-ebcdic", "", IS_ASCII),
            ("cbs-bcd", "", "cbs-ascii-bin", "", packed),
            ("cbs-bcd", "", "cbs-ascii-hex", "", packed),
            ("cbs-ascii-bin", "", "cbs-bcd", "", unpacked),
            ("cbs-ascii-hex", "", "cbs-ascii-bin", "", HEX_BITMAP),
            ("cbs-ascii-bin", "", "cbs-ascii-hex", "", BINARY_BITMAP),
            ("cbs-ascii-bin", inclusive, "cbs-ascii-bin", "", itself),
        ] {
            let (sent, own) = (codec(sent, sent_with), codec(own, own_with));
            assert_eq!(cause(&own, &frame(&sent)), Some(expected), "{:?}", own.dialect().name());
        }
    }

    #[test]
    fn a_dump_sent_as_characters_is_recognised() {
        for name in ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd", "iso87-ebcdic"] {
            let codec = codec(name, "");
            for upper in [false, true] {
                let dump: String = frame(&codec).iter().map(|byte| format!("{byte:02x}")).collect();
                let dump = if upper { dump.to_ascii_uppercase() } else { dump };
                assert_eq!(cause(&codec, dump.as_bytes()), Some(DUMP), "{name}");
            }
        }
    }

    #[test]
    fn a_header_that_is_too_short_or_too_long_is_recognised() {
        for name in ["cbs-ascii-bin", "cbs-bcd", "iso87-ebcdic"] {
            let codec = codec(name, "");
            let frame = frame(&codec);
            for width in [1, 5, 22, HEADER_MAX] {
                let longer = [&vec![0xEE; width], &frame[..]].concat();
                assert_eq!(cause(&codec, &longer), Some(HEADER), "{name} {width}");
            }
            let taken = "the framing takes the first bytes of the message for a header";
            for width in 1..=2 {
                assert_eq!(cause(&codec, &frame[width..]), Some(taken), "{name} {width}");
            }
        }
    }

    /// Where the message is broken besides, its first bytes still tell.
    #[test]
    fn the_beginning_tells_where_the_whole_does_not() {
        let ascii = codec("cbs-ascii-bin", "");
        for (bytes, expected) in [
            (&b"\xF0\xF2\xF0\xF0\x01"[..], Some(IS_EBCDIC)),
            (b"\x60\x00\x01\x00\x000200\x00", Some(HEADER)),
            (b"\x02\x00\x01\x00", Some(IS_PACKED)),
            (b"02007238000108", Some(HEX_BITMAP)),
            (b"xyz", None),
        ] {
            assert_eq!(cause(&ascii, bytes), expected, "{bytes:?}");
        }
        assert_eq!(cause(&codec("iso87-ebcdic", ""), b"0200\x01"), Some(IS_ASCII));
    }
}
