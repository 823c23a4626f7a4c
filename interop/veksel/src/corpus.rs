//! Messages to compare with: random ones of a dialect, and the benchmark's.

use crate::Result;
use crate::line::Line;
use crate::messages::four;
use std::collections::BTreeSet;
use veksel_codecs::dialect::Field;
use veksel_codecs::{Codec, Content, FieldNumber, Message, Mti};

/// Types of the messages, so that specifications which list them can.
pub(crate) const TYPES: &[&str] = &[
    "0100", "0110", "0120", "0130", "0200", "0201", "0210", "0220", "0221", "0230", "0400", "0401",
    "0410", "0420", "0421", "0430", "0500", "0510", "0520", "0530", "0620", "0630", "0800", "0810",
];

const PRINTABLE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \
                           !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// What stands in the same place in every page of EBCDIC.
const INVARIANT: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \
                           \"#$%&'()*+,-./:;<=>?@\\_`{}~";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ";

/// Chance with a seed: xorshift, 64 bits.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below the limit, which is at least 1.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.word() >> 33).unwrap_or(0) % limit.max(1)
    }

    fn pick(&mut self, from: &[u8]) -> u8 {
        from.get(self.below(from.len())).copied().unwrap_or(b'0')
    }

    /// As long as a field of fixed length, or of any length that a variable one may have.
    /// Every eighth of those is the shortest or the longest.
    fn length(&mut self, field: &Field) -> usize {
        let most = usize::from(field.most);
        match (field.length_digits, self.below(8)) {
            (0, _) => most,
            (_, 0) if self.below(2) == 0 => 1,
            (_, 0) => most,
            _ => 1 + self.below(most),
        }
    }

    fn value(&mut self, field: &Field, is_packed: bool, printable: &[u8]) -> Vec<u8> {
        let length = self.length(field);
        let alphabet = match field.content {
            Content::Digits | Content::SignedDigits => b"0123456789".as_slice(),
            Content::Letters => LETTERS,
            Content::Alphanumeric => ALPHANUMERIC,
            Content::Printable => printable,
            // The nibble D has one reading.
            Content::Track if is_packed => b"0123456789=",
            Content::Track => b"0123456789=D",
            Content::Binary => return (0..length).map(|_| self.word().to_be_bytes()[0]).collect(),
        };
        let mut value: Vec<u8> = (0..length).map(|_| self.pick(alphabet)).collect();
        if let (Content::SignedDigits, Some(first)) = (field.content, value.first_mut()) {
            *first = self.pick(b"CD");
        }
        value
    }

    fn message(&mut self, codec: &Codec, allowed: &BTreeSet<u8>) -> Result<Message> {
        let mti = TYPES.get(self.below(TYPES.len())).copied().unwrap_or("0800");
        let mut message = Message::of(Mti::parse(mti).ok_or("not a message type")?);
        // A peer whose EBCDIC is another page must still agree on half of the messages.
        let ebcdic = codec.dialect().encodings().iter().any(|said| said.1 == "ebcdic");
        let printable = if ebcdic && self.below(2) == 0 { INVARIANT } else { PRINTABLE };
        // From a field or two to nearly all.
        let density = 1 + self.below(12);
        for (number, field) in codec.dialect().fields() {
            if !allowed.contains(&number.get()) || self.below(13) >= density {
                continue;
            }
            let said = codec.dialect().encodings_of(field);
            let is_packed = said.iter().any(|(key, word)| *key == "track" && word.contains("bcd"));
            let value = self.value(field, is_packed, printable);
            match (field.content, String::from_utf8(value)) {
                (Content::Binary, Ok(text)) => message.set_binary(number, text.as_bytes()),
                (Content::Binary, Err(error)) => message.set_binary(number, error.as_bytes()),
                (_, Ok(text)) => message.set_text(number, &text),
                (_, Err(_)) => return Err("a class outside ASCII".into()),
            }
        }
        if message.fields().is_empty() {
            message.set_text(FieldNumber::new(11).ok_or("not a field")?, "000001");
        }
        Ok(message)
    }
}

/// Valid messages of a dialect with any of the allowed fields. The same seed gives the same.
pub(crate) fn random(
    codec: &Codec,
    seed: u64,
    count: usize,
    allowed: &BTreeSet<u8>,
) -> Result<Vec<Line>> {
    let mut chance = Chance::new(seed);
    let mut line = |number: usize| {
        let message = chance.message(codec, allowed)?;
        Line::of(number.to_string(), codec, &message)
    };
    (1..=count.min(100_000)).map(&mut line).collect()
}

/// The four messages of the benchmark.
pub(crate) fn benchmark(codec: &Codec) -> Result<Vec<Line>> {
    four().iter().map(|(name, sample)| Line::of(*name, codec, &sample.message())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::Dialect;

    #[test]
    fn random_messages_are_valid_and_come_again() {
        for name in [
            "cbs-ascii-bin",
            "cbs-ascii-hex",
            "cbs-bcd",
            "iso87-ebcdic",
            "iso87-ascii",
            "iso87-binary",
            "iso93-ascii",
            "iso93-binary",
        ] {
            let codec = Codec::new(Dialect::shipped(name).unwrap());
            let all: BTreeSet<u8> =
                codec.dialect().fields().map(|(number, _)| number.get()).collect();
            let lines = random(&codec, 7, 300, &all).unwrap();
            let again = random(&codec, 7, 300, &all).unwrap();
            let mut seen = BTreeSet::new();
            for (line, again) in lines.iter().zip(&again) {
                assert_eq!(line.frame, again.frame);
                let mut message = Message::new();
                codec.decode_into(&crate::line::bytes(&line.frame).unwrap(), &mut message).unwrap();
                let read = Line::read(line.id.as_str(), &message);
                assert_eq!(read.mti, line.mti);
                assert!(read.fields.iter().all(|(n, value)| value.same(&line.fields[n])));
                seen.extend(line.fields.keys().copied());
            }
            assert_eq!(seen, all, "some field was never tried");
        }
    }
}
