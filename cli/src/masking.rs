//! Which bytes of a frame may be shown.
//!
//! Field values are masked by the codec. A dump of the frame would show them all the same, so
//! bytes are hidden unless they are known to be harmless: type, bitmaps, and fields that were read
//! and that everybody may see. When a frame could not be read to its end it may have been read in
//! the wrong dialect, and card numbers may stand in fields that are open; so whatever looks like
//! one is hidden too.

use veksel_codecs::{Codec, DecodeError, Fault, FieldNumber, Line, Message, Sensitivity};

/// What is printed in place of a value that only looks like a card number.
const LOOKS_LIKE_A_CARD: &str = "<hidden, like a card number>";

/// How many bytes are shown of a frame whose type cannot be read: a header, a type and a bitmap,
/// but no field.
const START: usize = 12;

/// A frame, read as far as possible, and which of its bytes must not be shown.
pub(crate) struct Shown<'m> {
    message: &'m Message,
    hidden: Vec<bool>,
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
            return Self { message, hidden: vec![false; frame.len()] };
        }
        let mut shown = Self { message, hidden: vec![true; frame.len()] };
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
        if is_open && content.any(|at| !self.may_show(at)) {
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
            | Fault::Value => {}
        }
    }

    fn reveal(&mut self, start: usize, end: usize) {
        let end = end.min(self.hidden.len());
        if let Some(range) = self.hidden.get_mut(start..end) {
            range.fill(false);
        }
    }

    /// Hides what looks like a card number behind its length, in characters of ASCII or EBCDIC or
    /// packed, the length in digits or in binary.
    fn hide_cards(&mut self) {
        let frame = self.message.frame();
        let nibbles: Vec<u8> = frame.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
        for zero in [b'0', 0xF0] {
            let digits: Vec<u8> = frame.iter().map(|byte| byte.wrapping_sub(zero)).collect();
            for at in 0..digits.len() {
                let binary = binary_length(frame, at);
                let after = at.saturating_add(1);
                for card in [card_at(&digits, at), binary.and_then(|n| card_of(&digits, after, n))]
                {
                    self.hide_some(card);
                }
            }
        }
        for at in 0..frame.len() {
            let place = at.saturating_mul(2);
            let halved = |card: core::ops::Range<usize>| card.start / 2..card.end.div_ceil(2);
            self.hide_some(card_at(&nibbles, place).map(halved));
            if let Some(digits) = binary_length(frame, at) {
                // An odd number of digits may stand behind a filler.
                let after = place.saturating_add(2);
                for start in after..=after.saturating_add(digits & 1) {
                    self.hide_some(card_of(&nibbles, start, digits).map(halved));
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

/// A card number whose two-digit length stands at this place.
fn card_at(digits: &[u8], at: usize) -> Option<core::ops::Range<usize>> {
    let [tens, units] = *digits.get(at..)?.first_chunk::<2>()?;
    if tens != 1 || !(3..=9).contains(&units) {
        return None;
    }
    card_of(digits, at.checked_add(2)?, usize::from(units).checked_add(10)?)
}

/// The length of a card number that stands at this place in binary.
fn binary_length(frame: &[u8], at: usize) -> Option<usize> {
    frame.get(at).copied().map(usize::from).filter(|length| (13..=19).contains(length))
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
        assert_eq!(card_at(&digits("164111111111111111"), 0), Some(2..18));
        assert_eq!(card_at(&digits("164111111111111112"), 0), None);
        assert_eq!(card_at(&digits("9164111111111111111"), 1), Some(3..19));
        assert_eq!(card_at(&digits("16411111111111111"), 0), None);
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
