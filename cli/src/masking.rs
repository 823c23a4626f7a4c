//! Which bytes of a frame may be shown.
//!
//! Field values are masked by the codec. A dump of the frame would show them all the same, so
//! bytes are hidden unless they are known to be harmless: type, bitmaps, and fields that were read
//! and that everybody may see. When a frame could not be read to its end it may have been read in
//! the wrong dialect, and card numbers may stand in fields that are open; so whatever looks like
//! one is hidden too.

use veksel_codecs::{CodePage, Codec, DecodeError, Fault, FieldNumber, Line, Message, Sensitivity};

/// What is printed in place of a value that only looks like a card number.
const LOOKS_LIKE_A_CARD: &str = "<hidden, like a card number>";

/// How many bytes are shown of a frame whose type cannot be read: a header, a type and a bitmap,
/// but no field.
const START: usize = 12;

/// A frame, read as far as possible, and which of its bytes must not be shown.
pub(crate) struct Shown<'m> {
    message: &'m Message,
    hidden: Vec<bool>,
    /// Whether the frame may have been read in the wrong dialect.
    is_doubtful: bool,
}

impl<'m> Shown<'m> {
    /// Of a message that was read from a frame. With `clear` nothing is hidden.
    pub(crate) fn of(
        codec: &Codec,
        message: &'m Message,
        error: Option<&DecodeError>,
        clear: bool,
    ) -> Self {
        let frame = message.frame();
        if clear {
            return Self { message, hidden: vec![false; frame.len()], is_doubtful: false };
        }
        let hidden = vec![true; frame.len()];
        let mut shown = Self { message, hidden, is_doubtful: error.is_some() };
        let first = message.fields().first();
        let comes_first = |error: &DecodeError| first.is_none_or(|first| error.path.field < first);
        let start = match (first.and_then(|first| message.offset(first)), error) {
            (None, Some(error)) if error.path.field <= FieldNumber::BITMAP => START,
            (_, Some(error)) if comes_first(error) => least_start(error),
            (Some(first), _) => first,
            (None, _) => frame.len(),
        };
        shown.reveal(0, start);
        for number in message.fields().iter() {
            let start = message.offset(number).unwrap_or(frame.len());
            let content = content(message, number).unwrap_or(start..start);
            shown.reveal(start, if is_open(codec, number) { content.end } else { content.start });
        }
        if let Some(error) = error {
            shown.reveal_fault(codec, error);
            shown.hide_cards();
        }
        shown
    }

    /// Whether the byte may be shown.
    pub(crate) fn may_show(&self, at: usize) -> bool {
        self.hidden.get(at) == Some(&false)
    }

    /// The bytes of the frame; `None` for one that must not be shown.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = Option<u8>> {
        let hidden = self.hidden.iter();
        self.message.frame().iter().zip(hidden).map(|(byte, hidden)| (!hidden).then_some(*byte))
    }

    /// The value of a line as it may be shown.
    pub(crate) fn value<'l>(&self, line: &'l Line, clear: bool) -> &'l str {
        if clear {
            return &line.clear;
        }
        let mut content = content(self.message, line.number).unwrap_or(0..0);
        let is_open = line.sensitivity == Sensitivity::Open;
        // An open part of a closed field may be shown though the field may not, unless it is in
        // doubt that it is the part.
        let counts = line.path.depth() == 0 || self.is_doubtful;
        let is_open = is_open && !line.masked.is_empty();
        if is_open && counts && content.any(|at| !self.may_show(at)) {
            return LOOKS_LIKE_A_CARD;
        }
        &line.masked
    }

    /// What can be seen of the field at fault: as much as its definition vouches for.
    fn reveal_fault(&mut self, codec: &Codec, error: &DecodeError) {
        let start = offset_of(error);
        if !is_open(codec, error.path.field) {
            return;
        }
        match error.fault {
            // All fields before the first that is at fault were read, so what lies between the
            // last of them and the bad byte is of this field.
            Fault::Content { .. } => {
                let before = self.message.fields().iter().take_while(|n| *n < error.path.field);
                let before = before.last().and_then(|number| content(self.message, number));
                let from = before.map_or(start, |content| content.end);
                self.reveal(from, start.saturating_add(1));
            }
            Fault::Truncated { .. } => self.reveal(start, self.hidden.len()),
            Fault::LengthNotDigits
            | Fault::TooLong { .. }
            | Fault::TooShort { .. }
            | Fault::OddLength { .. } => {
                self.reveal(start, start.saturating_add(3));
            }
            Fault::Undefined
            | Fault::Trailing { .. }
            | Fault::NotANumber
            | Fault::Oversized
            | Fault::Missing
            | Fault::Unexpected
            | Fault::Value
            | Fault::Short { .. }
            | Fault::Tag
            | Fault::Indefinite
            | Fault::TooDeep => {}
        }
    }

    fn reveal(&mut self, start: usize, end: usize) {
        let end = end.min(self.hidden.len());
        if let Some(range) = self.hidden.get_mut(start..end) {
            range.fill(false);
        }
    }

    /// Hides what looks like a card number behind its length, in characters of ASCII or EBCDIC or
    /// packed, whatever the length counts and however it is written.
    fn hide_cards(&mut self) {
        let frame = self.message.frame();
        let nibbles: Vec<u8> = frame.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
        let characters = [b'0', 0xF0]
            .map(|zero| frame.iter().map(|byte| byte.wrapping_sub(zero)).collect::<Vec<u8>>());
        for start in 1..frame.len() {
            let before = frame.get(..start).unwrap_or_default();
            for digits in 13..=19 {
                if says(before, digits, false) {
                    for characters in &characters {
                        self.hide_some(card_of(characters, start, digits));
                    }
                }
                if !says(before, digits, true) {
                    continue;
                }
                // An odd number of digits may stand behind a filler.
                let place = start.saturating_mul(2);
                for place in place..=place.saturating_add(digits & 1) {
                    let card = card_of(&nibbles, place, digits);
                    let card = card.map(|card| card.start / 2..card.end.div_ceil(2));
                    // Characters of digits are nibbles of digits, too.
                    let is_text = |card: &core::ops::Range<usize>| {
                        frame
                            .get(card.clone())
                            .is_some_and(|card| card.iter().all(u8::is_ascii_digit))
                    };
                    self.hide_some(card.filter(|card| !is_text(card)));
                }
            }
        }
    }

    fn hide_some(&mut self, card: Option<core::ops::Range<usize>>) {
        if let Some(card) = card {
            self.hide(card.start, card.end);
        }
    }

    fn hide(&mut self, start: usize, end: usize) {
        if let Some(range) = self.hidden.get_mut(start..end) {
            range.fill(true);
        }
    }
}

/// Whether the bytes end with a length that may be that of so many digits: in binary, packed, or
/// two decimal or hexadecimal characters of ASCII or EBCDIC; itself counted or not; and if the
/// digits are packed, of their bytes.
fn says(before: &[u8], digits: usize, are_packed: bool) -> bool {
    let character = |byte: u8| {
        let ascii = if byte >= 0x80 { CodePage::P037.decode(byte) } else { byte };
        char::from(ascii).to_digit(16)
    };
    let pair = |high: u32, low: u32, base: u32| {
        (high < base && low < base).then_some(high.saturating_mul(base).saturating_add(low))
    };
    let Some(last) = before.last().copied().map(u32::from) else { return false };
    let characters = before.last_chunk::<2>().map(|two| two.map(character));
    let [decimal, hexadecimal] = match characters {
        Some([Some(high), Some(low)]) => [pair(high, low, 10), pair(high, low, 16)],
        Some(_) | None => [None; 2],
    };
    // Each with the bytes it takes itself; too much looks like one that counts hexadecimal itself.
    let lengths =
        [(Some(last), 1), (pair(last >> 4, last & 15, 10), 1), (decimal, 2), (hexadecimal, 0)];
    lengths.into_iter().any(|(length, itself)| {
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
            return false;
        };
        let is = |counted: usize| length == counted || length == counted.saturating_add(itself);
        is(digits) || (are_packed && is(digits.div_ceil(2)))
    })
}

/// A card number of so many digits that begins at this place.
fn card_of(digits: &[u8], start: usize, length: usize) -> Option<core::ops::Range<usize>> {
    let end = start.checked_add(length)?;
    let number = digits.get(start..end)?;
    let is_number = number.iter().all(|digit| *digit <= 9);
    let is_card = is_number && matches!(number.first(), Some(2..=6)) && luhn(number);
    is_card.then_some(start..end)
}

/// Whether the last digit is right (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit / 5 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_open(codec: &Codec, number: FieldNumber) -> bool {
    codec.dialect().field(number).is_some_and(|field| field.sensitivity == Sensitivity::Open)
}

/// Where the field at fault begins, or a little before.
fn least_start(error: &DecodeError) -> usize {
    let before = match error.fault {
        // Bytes in hexadecimal take twice as many; a length takes six at most.
        Fault::Content { at, .. } => {
            usize::try_from(at).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(6)
        }
        _ => 0,
    };
    offset_of(error).saturating_sub(before)
}

fn offset_of(error: &DecodeError) -> usize {
    usize::try_from(error.offset).unwrap_or(usize::MAX)
}

/// Where in the frame the content of a field lies, without its length.
fn content(message: &Message, number: FieldNumber) -> Option<core::ops::Range<usize>> {
    message.offset(number)?;
    let bytes = message.expose(number)?.as_it_lies();
    // A field with an offset is borrowed from the frame itself.
    let start = bytes.as_ptr().addr().checked_sub(message.frame().as_ptr().addr())?;
    Some(start..start.checked_add(bytes.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_told_from_other_digits() {
        let digits = |text: &str| text.bytes().map(|byte| byte - b'0').collect::<Vec<_>>();
        assert_eq!(card_of(&digits("164111111111111111"), 2, 16), Some(2..18));
        assert_eq!(card_of(&digits("164111111111111112"), 2, 16), None);
        assert_eq!(card_of(&digits("9164111111111111111"), 3, 16), Some(3..19));
        assert_eq!(card_of(&digits("16411111111111111"), 2, 16), None);
        for (before, expected) in [
            (&b"16"[..], true),
            (b"x10", true),
            (b"\x10", true),
            (b"\x08", false),
            (b"\x16", true),
            (b"\xF1\xF8", true),
            (b"20", false),
            (b"\xFF", false),
            (b"6", false),
            (b"", false),
        ] {
            assert_eq!(says(before, 16, false), expected, "{before:02X?}");
        }
        assert!(says(b"\x08", 16, true) && says(b"08", 15, true) && !says(b"09", 15, true));
    }

    /// A message that was cut and read in a dialect whose open fields hold whatever stands there.
    #[test]
    fn a_card_is_hidden_in_every_way_of_writing_it() {
        let ascii = *b"4111111111111111";
        let ebcdic = ascii.map(|digit| digit | 0xF0);
        let packed = [0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
        for (length, card) in [
            (&b"16"[..], &ascii[..]),
            (&[0xF1, 0xF6], &ebcdic),
            (&[0x16], &packed),
            (&[0x10], &packed),
            (&[0x10], &ebcdic),
            (&[0x10], &ascii),
            // Counted in bytes, or with itself; in hexadecimal; packed before characters.
            (&[0x08], &packed),
            (b"08", &packed),
            (&[0x11], &ascii),
            (b"18", &ascii),
            (&[0xF1, 0xF8], &ebcdic),
            (b"10", &ascii),
            (&[0x16], &ascii),
            (&[0x16], &ebcdic),
            (&[0xF1, 0xF6], &packed),
        ] {
            let text = "name = 'x'\n[fields]\n2 = { name = 'a', format = 'LL b..99', sensitive = 'none' }\n\
                        3 = { name = 'b', format = 'n2' }\n";
            let codec = Codec::new(veksel_codecs::Dialect::parse(text).unwrap());
            let width = length.len() + card.len();
            let start = b"0200\x60\0\0\0\0\0\0\0";
            let frame = [start, format!("{width:02}").as_bytes(), length, card].concat();
            let mut message = Message::new();
            let error = codec.decode_into(&frame, &mut message).unwrap_err();
            let shown = Shown::of(&codec, &message, Some(&error), false);
            let from = frame.len() - card.len();
            assert!(shown.may_show(13), "{length:?}");
            assert!((from..frame.len()).all(|at| !shown.may_show(at)), "{length:?} {card:?}");
        }
    }
}
