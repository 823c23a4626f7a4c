//! The four messages that all codecs are measured with, and a stream of different shapes.
//!
//! a: an 0800 echo of 3 fields. b: an 0200 balance inquiry of 12. c: an 0200 purchase of 25, chip
//! data and MAC included. d: an 0210 mini-statement of 14 with a full DE48. Each in three wire
//! forms: ASCII with hexadecimal bitmap, ASCII with binary bitmap, packed numbers.

use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ASCII, bitmaps as hexadecimal characters.
    AsciiHex,
    /// ASCII, binary bitmaps.
    AsciiBinary,
    /// Two digits a byte, binary bitmaps.
    Packed,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::AsciiHex, Self::AsciiBinary, Self::Packed];

    /// The short name that tables use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AsciiHex => "ahex",
            Self::AsciiBinary => "abin",
            Self::Packed => "bcd",
        }
    }

    /// The codec of the benchmark dialect in this form.
    ///
    /// # Panics
    /// If `bench.toml` is not a dialect.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a file of ours that a test reads")]
    pub fn codec(self) -> Codec {
        let base = match self {
            Self::AsciiHex => "cbs-ascii-hex",
            Self::AsciiBinary => "cbs-ascii-bin",
            Self::Packed => "cbs-bcd",
        };
        let text = include_str!("bench.toml").replace("cbs-ascii-bin", base);
        Codec::new(Dialect::parse(&text).expect("bench.toml is a dialect"))
    }
}

/// A canonical value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Characters.
    Text(String),
    /// Bytes of a binary field.
    Binary(Vec<u8>),
}

impl Value {
    /// The bytes, of either kind.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A message as data: its type and its fields in ascending order.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The type, four digits.
    pub mti: [u8; 4],
    /// Number and value.
    pub fields: Vec<(u8, Value)>,
}

impl Sample {
    /// The message, every field set.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut message = Message::of(Mti::from_ascii(self.mti).unwrap_or(Mti::NONE));
        for (number, value) in &self.fields {
            let Some(number) = FieldNumber::new(*number) else { continue };
            match value {
                Value::Text(text) => message.set_text(number, text),
                Value::Binary(bytes) => message.set_binary(number, bytes),
            }
        }
        message
    }

    /// The message on the wire.
    ///
    /// # Panics
    /// If the sample does not fit the dialect.
    #[must_use]
    #[expect(clippy::expect_used, reason = "data of ours that a test encodes")]
    pub fn encode(&self, codec: &Codec) -> Vec<u8> {
        let mut out = BytesMut::new();
        codec.encode(&self.message(), &mut out).expect("the sample fits the dialect");
        out.to_vec()
    }
}

fn sample(mti: [u8; 4], texts: &[(u8, &str)], binaries: &[(u8, &[u8])]) -> Sample {
    let texts = texts.iter().map(|(number, text)| (*number, Value::Text((*text).to_owned())));
    let binaries = binaries.iter().map(|(number, bytes)| (*number, Value::Binary(bytes.to_vec())));
    let mut fields: Vec<_> = texts.chain(binaries).collect();
    fields.sort_by_key(|(number, _)| *number);
    Sample { mti, fields }
}

/// The four messages with their names.
#[must_use]
pub fn four() -> [(&'static str, Sample); 4] {
    [("a", echo()), ("b", balance()), ("c", purchase()), ("d", statement())]
}

fn echo() -> Sample {
    sample(*b"0800", &[(7, "1120142807"), (11, "000123"), (70, "301")], &[])
}

fn balance() -> Sample {
    let texts = [
        (2, "4761739001010119"),
        (3, "310000"),
        (4, "000000000000"),
        (7, "1120142807"),
        (11, "000124"),
        (12, "162807"),
        (13, "1120"),
        (18, "6011"),
        (25, "02"),
        (37, "632516000124"),
        (41, "ATM00017"),
        (49, "710"),
    ];
    sample(*b"0200", &texts, &[])
}

fn purchase() -> Sample {
    let texts = [
        (2, "4761739001010119"),
        (3, "000000"),
        (4, "000000010000"),
        (7, "1120142807"),
        (11, "000125"),
        (12, "162807"),
        (13, "1120"),
        (14, "2812"),
        (18, "5411"),
        (22, "051"),
        (23, "001"),
        (25, "00"),
        (32, "423935"),
        (35, "4761739001010119D28122011758928889000"),
        (37, "632516000125"),
        (41, "POS00017"),
        (42, "MERCHANT0000017"),
        (43, "ACME GROCERY STORE 17  CAPE TOWN     ZAZ"),
        (48, "ADDITIONAL DATA 0001"),
        (49, "710"),
        (60, "0000000000000017"),
        (102, "62010012345678"),
    ];
    let pin_block = [0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18];
    let mac = [1, 2, 3, 4, 5, 6, 7, 8];
    sample(*b"0200", &texts, &[(52, &pin_block), (55, &chip_data()), (128, &mac)])
}

/// The usual tags of a contactless purchase.
fn chip_data() -> Vec<u8> {
    let tags: [(u16, &[u8]); 21] = [
        (0x9F26, &[0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18]),
        (0x9F27, &[0x80]),
        (0x9F10, &[6, 1, 10, 3, 0xA4, 0xA0, 2, 4, 0xC8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF]),
        (0x9F37, &[0xDE, 0xAD, 0xBE, 0xEF]),
        (0x9F36, &[0, 0x1F]),
        (0x95, &[0, 0, 0, 0x80, 0]),
        (0x9A, &[0x26, 0x11, 0x20]),
        (0x9C, &[0]),
        (0x9F02, &[0, 0, 0, 1, 0, 0]),
        (0x5F2A, &[7, 0x10]),
        (0x82, &[0x39, 0]),
        (0x9F1A, &[7, 0x10]),
        (0x9F03, &[0; 6]),
        (0x9F33, &[0xE0, 0xF8, 0xC8]),
        (0x9F34, &[0x42, 3, 0]),
        (0x9F35, &[0x22]),
        (0x9F1E, b"12345678"),
        (0x84, &[0xA0, 0, 0, 0, 3, 0x10, 0x10]),
        (0x9F09, &[0, 0x96]),
        (0x9F41, &[0, 0, 1, 0x23]),
        (0x9F7C, &[0x11; 4]),
    ];
    let mut out = Vec::new();
    for (tag, value) in tags {
        let [high, low] = tag.to_be_bytes();
        out.extend([high, low].into_iter().filter(|byte| *byte != 0));
        out.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        out.extend(value);
    }
    out
}

fn statement() -> Sample {
    let row = |day: u32| {
        let sign = if day.is_multiple_of(3) { 'C' } else { 'D' };
        format!("2611{day:02}POS PURCHASE {day:04}  {sign}{:012}710", day * 1000)
    };
    let mut rows: String = (1..=25).map(row).collect();
    rows.truncate(999);
    let texts = [
        (2, "4761739001010119"),
        (3, "380000"),
        (4, "000000000000"),
        (7, "1120142807"),
        (11, "000126"),
        (12, "162807"),
        (13, "1120"),
        (37, "632516000126"),
        (38, "A12345"),
        (39, "00"),
        (41, "ATM00017"),
        (48, &rows),
        (49, "710"),
        (102, "62010012345678"),
    ];
    sample(*b"0210", &texts, &[])
}

/// So many messages of different shapes: the fields of c and d, each there or not by chance. The
/// seed is fixed.
#[must_use]
pub fn mixed(count: usize) -> Vec<Sample> {
    let mut pool = purchase().fields;
    pool.extend(statement().fields.into_iter().filter(|(number, _)| matches!(number, 38 | 39)));
    pool.sort_by_key(|(number, _)| *number);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chance = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut shape = || {
        let bits = chance();
        let present = |(place, _): &(usize, &(u8, Value))| bits >> place & 1 == 1;
        pool.iter().enumerate().filter(present).map(|(_, field)| field.clone()).collect()
    };
    (0..count).map(|_| Sample { mti: *b"0200", fields: shape() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, 64 bits.
    fn digest(bytes: &[u8]) -> u64 {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, step)
    }

    /// The frames are those that the peers are measured with: length and digest of each.
    #[test]
    fn frames_are_those_of_the_peers() {
        let expected: [(&str, [(usize, u64); 3]); 4] = [
            (
                "a",
                [
                    (55, 0x8CC9_EC1E_DC8B_F773),
                    (39, 0x09ED_7D31_121D_4639),
                    (28, 0xBA95_367F_1201_E0ED),
                ],
            ),
            (
                "b",
                [
                    (111, 0xE340_6C4F_D358_2B0B),
                    (103, 0x1C8B_D8D7_B0BB_6D4F),
                    (67, 0x1937_D00F_F1E8_0B01),
                ],
            ),
            (
                "c",
                [
                    (466, 0x7820_49DE_F7B4_E178),
                    (450, 0x235A_2264_1D2C_136F),
                    (401, 0x95A2_E93F_3FE6_EC13),
                ],
            ),
            (
                "d",
                [
                    (1147, 0xF702_F39C_A74E_989C),
                    (1131, 0xD044_F4D6_4629_6928),
                    (1096, 0x6E5D_A497_B62A_0FBA),
                ],
            ),
        ];
        for ((name, sample), (expected_name, expected)) in four().iter().zip(expected) {
            assert_eq!(*name, expected_name);
            for (form, expected) in Form::ALL.into_iter().zip(expected) {
                let frame = sample.encode(&form.codec());
                let found = (frame.len(), digest(&frame));
                assert_eq!(found, expected, "{name} {}", form.word());
            }
        }
    }

    #[test]
    fn shapes_differ() {
        let shapes: std::collections::BTreeSet<Vec<u8>> = mixed(1_024)
            .iter()
            .map(|sample| sample.fields.iter().map(|(number, _)| *number).collect())
            .collect();
        assert!(shapes.len() > 1_000, "{}", shapes.len());
    }
}
