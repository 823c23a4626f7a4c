//! A message: a received frame, an index of its fields, and the values set since.
//!
//! The bytes of the frame and the values set later share one buffer; a slot per present field
//! says where its bytes lie and how to read them. Cleared and filled again, a message allocates
//! nothing. The frame is copied in, so that no message keeps a connection's read buffer alive.
//!
//! It knows no dialect: the codec that filled it has checked it, and any codec can write it.

use crate::coding::Coding;
use crate::error::FieldNumber;
use crate::field::{FieldType, Key};
pub use crate::field_set::FieldSet;
use crate::mti::Mti;
pub use crate::raw::{Octets, Raw, Text};
use core::fmt;

/// How the bytes of a slot become the canonical value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// They are the characters.
    Text,
    /// Two digits a byte, an odd number of them filled on the left.
    PackedLeft,
    /// Two digits a byte, an odd number of them filled on the right.
    PackedRight,
    /// They are bytes, not characters.
    Raw,
    /// They are characters of EBCDIC code page 037.
    Ebcdic037,
    /// They are characters of EBCDIC code page 500.
    Ebcdic500,
    /// They are characters of EBCDIC code page 1047.
    Ebcdic1047,
    /// They are two hexadecimal characters for each byte.
    Hex,
    /// They are two hexadecimal characters of EBCDIC for each byte.
    HexEbcdic,
    /// Two digits or separators a byte, every nibble counts.
    Nibbles,
    /// The same behind a nibble that does not count.
    NibblesLeft,
    /// The same before a nibble that does not count.
    NibblesRight,
    /// A sign, then two digits a byte.
    Signed,
    /// A sign, a nibble that does not count, then digits.
    SignedOdd,
    /// The same as `Signed` with a sign in EBCDIC.
    SignedEbcdic,
    /// The same as `SignedOdd` with a sign in EBCDIC.
    SignedEbcdicOdd,
}

impl Form {
    /// Every form, in the order of their numbers.
    const ALL: [Self; 16] = [
        Self::Text,
        Self::PackedLeft,
        Self::PackedRight,
        Self::Raw,
        Self::Ebcdic037,
        Self::Ebcdic500,
        Self::Ebcdic1047,
        Self::Hex,
        Self::HexEbcdic,
        Self::Nibbles,
        Self::NibblesLeft,
        Self::NibblesRight,
        Self::Signed,
        Self::SignedOdd,
        Self::SignedEbcdic,
        Self::SignedEbcdicOdd,
    ];

    /// Whether it is one of the forms that the fast walks know.
    pub(crate) const fn is_plain(self) -> bool {
        matches!(self, Self::Text | Self::PackedLeft | Self::PackedRight | Self::Raw)
    }

    pub(crate) const fn is_packed(self) -> bool {
        matches!(self, Self::PackedLeft | Self::PackedRight)
    }
}

/// Where a field lies in the buffer, and what lies there. Eight bytes, because the codec writes one
/// for every field of every message, and one number, because it compares them: in the lower half
/// where its length, or else its content, begins; in the upper its [`Shape`].
#[derive(Clone, Copy)]
pub(crate) struct Slot(u64);

/// What a field looks like wherever it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Characters or digits of its content; of the forms that are read by
    /// [`Coding`](crate::Coding), bytes as they lie.
    pub(crate) units: u16,
    /// Bytes of its length.
    pub(crate) prefix: u8,
    /// How to read the content.
    pub(crate) form: Form,
}

impl Shape {
    /// Bytes of the content.
    #[inline]
    pub(crate) const fn width(self) -> u16 {
        match self.form {
            Form::PackedLeft | Form::PackedRight => self.units.div_ceil(2),
            _ => self.units,
        }
    }

    /// The same as a number: units in the lower half, then the prefix and the form.
    #[inline(always)]
    pub(crate) const fn word(self) -> u32 {
        self.units as u32 | ((self.prefix as u32) << 16) | ((self.form as u32) << 24)
    }
}

impl Slot {
    /// What stands in a place that is about to be filled.
    pub(crate) const EMPTY: Self = Self(0);

    #[inline(always)]
    pub(crate) const fn new(start: u32, shape: Shape) -> Self {
        Self(start as u64 | ((shape.word() as u64) << 32))
    }

    /// The same as a number.
    #[inline(always)]
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    /// Where it begins.
    #[inline(always)]
    pub(crate) const fn start(self) -> usize {
        self.0 as u32 as usize
    }

    /// Characters, digits or bytes of its content; see [`Shape`].
    #[inline(always)]
    pub(crate) const fn units(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// What lies there.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "there are sixteen forms for four bits")]
    pub(crate) const fn shape(self) -> Shape {
        let form = Form::ALL[((self.0 >> 56) & 15) as usize];
        Shape { units: self.units(), prefix: (self.0 >> 48) as u8, form }
    }

    #[inline]
    pub(crate) const fn content(self) -> core::ops::Range<usize> {
        let form = (self.0 >> 56) as u8;
        let is_packed = form == Form::PackedLeft as u8 || form == Form::PackedRight as u8;
        let width = if is_packed { self.units().div_ceil(2) } else { self.units() };
        let start = self.start().saturating_add((self.0 >> 48) as u8 as usize);
        start..start.saturating_add(width as usize)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({}, {:?})", self.start(), self.shape())
    }
}

/// A message. See the module's description for its make-up.
#[derive(Clone, Default)]
pub struct Message {
    /// The frame, then the values set since.
    pub(crate) bytes: Vec<u8>,
    /// How much of `bytes` is the frame.
    pub(crate) frame_end: usize,
    /// Which codec read the frame; 0 for none.
    pub(crate) codec: u32,
    pub(crate) mti: Option<Mti>,
    pub(crate) present: FieldSet,
    /// A slot per present field, in ascending order of fields.
    pub(crate) slots: Vec<Slot>,
    header: Vec<u8>,
}

impl Message {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A message without fields.
    #[must_use]
    pub fn of(mti: Mti) -> Self {
        Self { mti: Some(mti), ..Self::default() }
    }

    /// Empties the message and keeps its memory for the next.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frame_end = 0;
        self.codec = 0;
        self.mti = None;
        self.present = FieldSet::EMPTY;
        self.slots.clear();
        self.header.clear();
    }

    /// Takes a frame in, which is about to be read: the codec, the type and the fields are its
    /// to set.
    pub(crate) fn clear_for(&mut self, frame: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(frame);
        self.frame_end = frame.len();
        self.header.clear();
    }

    /// Makes this message equal to another without giving up its own memory.
    pub fn copy_from(&mut self, other: &Self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&other.bytes);
        self.frame_end = other.frame_end;
        self.codec = other.codec;
        self.mti = other.mti;
        self.present = other.present;
        self.slots.clear();
        self.slots.extend_from_slice(&other.slots);
        self.header.clear();
        self.header.extend_from_slice(&other.header);
    }

    /// The message type; [`Mti::NONE`] if it was never set or read.
    #[must_use]
    pub fn mti(&self) -> Mti {
        self.mti.unwrap_or(Mti::NONE)
    }

    /// Sets the message type.
    pub fn set_mti(&mut self, mti: Mti) {
        self.mti = Some(mti);
    }

    /// The fields that are present.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        self.present
    }

    /// Whether a field is present.
    #[must_use]
    pub fn has<T: FieldType>(&self, key: Key<T>) -> bool {
        self.present.has(key.number())
    }

    /// The value of a field; `None` if it is absent.
    #[must_use]
    pub fn get<T: FieldType>(&self, key: Key<T>) -> Option<T::Value<'_>> {
        T::read(self.expose(key.number())?)
    }

    /// Sets a field. Whether the value fits is known when a codec writes the message.
    pub fn set<T: FieldType>(&mut self, key: Key<T>, value: T::Input<'_>) {
        T::write(self, key, value);
    }

    /// Takes a field out.
    pub fn remove<T: FieldType>(&mut self, key: Key<T>) {
        self.retain(self.present.without(key.number()));
    }

    /// Takes out every field that is not in the set.
    pub fn retain(&mut self, keep: FieldSet) {
        if self.present.minus(keep).is_empty() {
            return;
        }
        let mut numbers = self.present.iter();
        self.slots.retain(|_| numbers.next().is_some_and(|number| keep.has(number)));
        self.present = self.present.both(keep);
    }

    /// Gives this message the other's field, or none if the other has none.
    pub fn copy_field(&mut self, other: &Self, number: FieldNumber) {
        match other.expose(number) {
            None => self.retain(self.present.without(number)),
            Some(Raw::Binary(bytes)) => self.put(number, bytes, Form::Raw),
            Some(Raw::Text(bytes)) => self.put(number, bytes, Form::Text),
            Some(other) => {
                if let Some(text) = other.text() {
                    self.put(number, text.as_bytes(), Form::Text);
                } else if let Some(bytes) = other.binary() {
                    self.put(number, &bytes, Form::Raw);
                }
            }
        }
    }

    /// The canonical value of any field, sensitive or not. For codecs and tools; everything
    /// else reads fields by their typed keys.
    #[inline]
    #[must_use]
    pub fn expose(&self, number: FieldNumber) -> Option<Raw<'_>> {
        self.raw(*self.slot(number)?)
    }

    /// Every field and its canonical value, in ascending order, sensitive or not; see
    /// [`Message::expose`]. Quicker than to ask for one after another.
    pub fn values(&self) -> impl Iterator<Item = (FieldNumber, Raw<'_>)> {
        let slots = self.present.iter().zip(&self.slots);
        slots.filter_map(|(number, slot)| Some((number, self.raw(*slot)?)))
    }

    /// What lies in a slot.
    #[inline]
    fn raw(&self, slot: Slot) -> Option<Raw<'_>> {
        let bytes = self.bytes.get(slot.content())?;
        let digits = slot.units();
        Some(match slot.shape().form {
            Form::Text => Raw::Text(bytes),
            Form::PackedLeft => Raw::Packed { bytes, digits, left: true },
            Form::PackedRight => Raw::Packed { bytes, digits, left: false },
            Form::Raw => Raw::Binary(bytes),
            form => Raw::Coded { bytes, coding: Coding(form) },
        })
    }

    /// Sets any field to characters.
    pub fn set_text(&mut self, number: FieldNumber, value: &str) {
        self.put(number, value.as_bytes(), Form::Text);
    }

    /// Sets any field to bytes.
    pub fn set_binary(&mut self, number: FieldNumber, value: &[u8]) {
        self.put(number, value, Form::Raw);
    }

    /// The frame as it was received, without length and header; empty if the message was made
    /// here. It is what a MAC is computed over.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..self.frame_end).unwrap_or_default()
    }

    /// The header to send in front of the message; empty for the link's own.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The header, to be filled.
    pub fn header_mut(&mut self) -> &mut Vec<u8> {
        &mut self.header
    }

    /// Where a field begins in the frame; `None` if it is absent or was set here.
    #[must_use]
    pub fn offset(&self, number: FieldNumber) -> Option<usize> {
        let start = self.slot(number)?.start();
        (start < self.frame_end).then_some(start)
    }

    /// Where the content of a field begins in the frame; 0 if it is absent or was set here.
    pub(crate) fn content_offset(&self, number: FieldNumber) -> u32 {
        // An empty content may begin where the frame ends, but its length lies in the frame.
        let slot = self.slot(number).filter(|slot| slot.start() < self.frame_end);
        slot.map_or(0, |slot| u32::try_from(slot.content().start).unwrap_or(0))
    }

    #[inline]
    fn slot(&self, number: FieldNumber) -> Option<&Slot> {
        self.slots.get(self.present.place(number)?)
    }

    /// Takes the last value of a field from the end of the buffer, so that a field that is set
    /// again and again does not fill it.
    fn give_back(&mut self, number: FieldNumber) {
        let Some(slot) = self.slot(number).copied() else { return };
        let is_last = slot.content().end == self.bytes.len()
            && slot.start() >= self.frame_end
            && self.slots.iter().all(|other| other.start() <= slot.start());
        if is_last {
            self.bytes.truncate(slot.start());
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, number: FieldNumber, value: &[u8], form: Form) {
        // A value no frame can carry is cut; a codec then refuses it as too long.
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        // Most messages are made in the order of their fields.
        if !self.present.push(number) {
            return self.put_between(number, value, form);
        }
        let slot = self.append(value, form);
        self.slots.push(slot);
    }

    /// Sets a field that is there, or is followed by others.
    #[inline(never)]
    fn put_between(&mut self, number: FieldNumber, value: &[u8], form: Form) {
        self.give_back(number);
        let slot = self.append(value, form);
        let rank = self.present.rank(number);
        if self.present.has(number) {
            if let Some(place) = self.slots.get_mut(rank) {
                *place = slot;
            }
        } else {
            self.slots.insert(rank.min(self.slots.len()), slot);
            self.present = self.present.with(number);
        }
    }

    /// Puts a value behind the others; it is no longer than a slot can say.
    #[inline]
    fn append(&mut self, value: &[u8], form: Form) -> Slot {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(value);
        let units = u16::try_from(value.len()).unwrap_or(u16::MAX);
        Slot::new(start, Shape { units, prefix: 0, form })
    }
}

impl PartialEq for Message {
    /// Whether type and canonical values are the same, in whatever dialect they arrived.
    fn eq(&self, other: &Self) -> bool {
        let canonical = |raw: Raw<'_>| {
            let mut value = Vec::new();
            raw.each(|byte| value.push(byte));
            (raw.binary().is_some(), value)
        };
        self.mti() == other.mti()
            && self.present == other.present
            && self.present.iter().all(|number| {
                self.expose(number).map(canonical) == other.expose(number).map(canonical)
            })
    }
}

impl fmt::Debug for Message {
    /// The type and which fields are present; never a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} {:?})", self.mti(), self.present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field;

    #[test]
    fn a_slot_is_what_it_was_made_of() {
        for (number, form) in Form::ALL.into_iter().enumerate() {
            assert_eq!(form as usize, number);
            let shape = Shape { units: 0xFEDC, prefix: 6, form };
            let slot = Slot::new(0xFFFF_FFFE, shape);
            assert_eq!((slot.start(), slot.units(), slot.shape()), (0xFFFF_FFFE, 0xFEDC, shape));
            let from = 0x1_0000_0004;
            assert_eq!(slot.content(), from..from + usize::from(shape.width()));
        }
    }

    #[test]
    fn values_set_in_any_order_are_found() {
        let mut message = Message::of(Mti::known(b"0200"));
        message.set(field::ACCOUNT, "10000000001");
        message.set(field::AMOUNT, 4_500);
        message.set(field::STAN, 7);
        message.set(field::AMOUNT, 99);
        assert_eq!(message.get(field::AMOUNT), Some(99));
        assert_eq!(message.get(field::STAN), Some(7));
        assert_eq!(message.get(field::ACCOUNT).unwrap(), "10000000001");
        assert_eq!(message.get(field::RRN), None);
        assert_eq!(format!("{message:?}"), "Message(0200 {4, 11, 102})");
    }

    #[test]
    fn a_value_set_again_takes_the_place_of_the_last() {
        let numbers = [48u8, 63, 125].map(|number| FieldNumber::new(number).unwrap());
        let [a, b, empty] = numbers;
        let mut message = Message::of(Mti::known(b"0200"));
        message.set_text(b, "behind it");
        for width in (0..=999usize).chain([7]) {
            message.set_text(a, &"x".repeat(width));
        }
        assert!(message.bytes.len() < 1_100, "{}", message.bytes.len());
        message.set_text(empty, "");
        message.set_text(a, "");
        message.set_text(b, "1");
        message.set_text(a, "12");
        let text = |number| message.expose(number).unwrap().text().unwrap().to_string();
        assert_eq!(numbers.map(text), ["12", "1", ""]);
    }

    #[test]
    fn a_field_taken_out_is_gone_and_its_neighbours_stay() {
        let mut message = Message::of(Mti::known(b"0200"));
        for (number, value) in [(3, "000000"), (11, "000001"), (128, "x")] {
            message.set_text(FieldNumber::new(number).unwrap(), value);
        }
        message.remove(field::STAN);
        assert!(!message.has(field::STAN));
        assert_eq!(message.get(field::PROCESSING_CODE).unwrap(), "000000");
        assert!(message.expose(FieldNumber::new(128).unwrap()).is_some());
    }
}
