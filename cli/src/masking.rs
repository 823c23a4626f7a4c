//! Which bytes of a frame may be shown.
//!
//! Field values are masked by the codec. A dump of the frame would show them all the same, so
//! bytes are hidden unless they are known to be harmless: type, bitmaps, and fields that were read
//! and that everybody may see. When a frame could not be read to its end it may have been read in
//! the wrong dialect, and card numbers may stand in fields that are open; so whatever looks like
//! one is hidden too.

use veksel_codecs::{Codec, DecodeError, Fault, FieldNumber, Line, Message, Raw, Sensitivity};

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
            Fault::LengthNotDigits | Fault::TooLong { .. } => {
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

    /// Hides what looks like a card number behind its length, in characters or packed.
    fn hide_cards(&mut self) {
        let frame = self.message.frame();
        let digits: Vec<u8> = frame.iter().map(|byte| byte.wrapping_sub(b'0')).collect();
        let nibbles: Vec<u8> = frame.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
        for at in 0..digits.len() {
            if let Some(card) = card_at(&digits, at) {
                self.hide(card.start, card.end);
            }
        }
        for at in (0..nibbles.len()).step_by(2) {
            if let Some(card) = card_at(&nibbles, at) {
                self.hide(card.start / 2, card.end.div_ceil(2));
            }
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
    let start = at.checked_add(2)?;
    let end = start.checked_add(usize::from(units).checked_add(10)?)?;
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
        // Packed digits take half as many bytes; a length takes three at most.
        Fault::Content { at, .. } => usize::try_from(at).unwrap_or(usize::MAX).saturating_add(3),
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
    let (Raw::Text(bytes) | Raw::Packed { bytes, .. } | Raw::Binary(bytes)) =
        message.expose(number)?;
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
}
