//! A message: a received frame, an index of its fields, and the values set since.
//!
//! The bytes of the frame and the values set later share one buffer; a slot per present field
//! says where its bytes lie and how to read them. Cleared and filled again, a message allocates
//! nothing. The frame is copied in, so that no message keeps a connection's read buffer alive.
//!
//! It knows no dialect: the codec that filled it has checked it, and any codec can write it.

use crate::error::FieldNumber;
use crate::field::{FieldType, Key};
use crate::mti::Mti;
use crate::words;
use core::fmt;
use core::ops::Deref;
use smallvec::SmallVec;

/// A set of field numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u128);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);

    /// The fields of the two bitmaps as they stand on the wire, most significant bit first.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Bit 127 stands for field 1, bit 0 for field 128.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The two bitmaps.
    pub(crate) const fn halves(self) -> [u64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64]
    }

    pub(crate) const fn from_halves([first, second]: [u64; 2]) -> Self {
        Self(((first as u128) << 64) | second as u128)
    }

    const fn bit(number: FieldNumber) -> u128 {
        // Shifting by at most 127, whatever the number.
        1u128.wrapping_shl(128u32.wrapping_sub(number.get() as u32))
    }

    /// The same set with one more field.
    #[must_use]
    pub const fn with(self, number: FieldNumber) -> Self {
        Self(self.0 | Self::bit(number))
    }

    /// The same set without a field.
    #[must_use]
    pub const fn without(self, number: FieldNumber) -> Self {
        Self(self.0 & !Self::bit(number))
    }

    /// Whether the field is in the set.
    #[must_use]
    pub const fn has(self, number: FieldNumber) -> bool {
        self.0 & Self::bit(number) != 0
    }

    /// The fields in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields of this set that are not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no field is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many fields are in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The lowest field of the set.
    #[must_use]
    pub fn first(self) -> Option<FieldNumber> {
        self.iter().next()
    }

    /// How many fields of the set come before this one.
    const fn rank(self, number: FieldNumber) -> usize {
        let bit = Self::bit(number);
        // The bits above `bit` are the fields before it; for field 1 there are none.
        (self.0 & !(bit | bit.wrapping_sub(1))).count_ones() as usize
    }

    /// The fields in ascending order. Field 1, the bitmap itself, is never among them.
    pub fn iter(self) -> impl Iterator<Item = FieldNumber> {
        let mut rest = self.0 & (u128::MAX >> 1);
        core::iter::from_fn(move || {
            let number = rest.leading_zeros().wrapping_add(1);
            rest &= !1u128.wrapping_shl(128u32.wrapping_sub(number));
            FieldNumber::new(u8::try_from(number).ok()?)
        })
    }
}

impl FromIterator<FieldNumber> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldNumber>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

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
}

impl Form {
    pub(crate) const fn is_packed(self) -> bool {
        matches!(self, Self::PackedLeft | Self::PackedRight)
    }
}

/// Where a field lies in the buffer. Eight bytes, because the codec writes one for every field of
/// every message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Where its length, or else its content, begins.
    pub(crate) start: u32,
    /// What lies there.
    pub(crate) shape: Shape,
}

/// What a field looks like wherever it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Characters or digits of its content.
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
            Form::Text | Form::Raw => self.units,
            Form::PackedLeft | Form::PackedRight => self.units.div_ceil(2),
        }
    }
}

impl Slot {
    /// What stands in a place that is about to be filled.
    pub(crate) const EMPTY: Self =
        Self { start: 0, shape: Shape { units: 0, prefix: 0, form: Form::Raw } };

    #[inline]
    pub(crate) fn content(self) -> core::ops::Range<usize> {
        let start = (self.start as usize).saturating_add(self.shape.prefix.into());
        start..start.saturating_add(self.shape.width().into())
    }
}

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
}

/// The characters of a field. Borrowed where they lie in the buffer as such.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<'a>(Characters<'a>);

#[derive(Clone, PartialEq, Eq)]
enum Characters<'a> {
    Borrowed(&'a [u8]),
    Unpacked(SmallVec<[u8; 64]>),
}

impl Text<'_> {
    /// The characters as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Characters::Borrowed(bytes) => bytes,
            Characters::Unpacked(bytes) => bytes,
        }
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
    #[must_use]
    pub fn text(self) -> Option<Text<'a>> {
        match self {
            Self::Text(bytes) => Some(Text(Characters::Borrowed(bytes))),
            Self::Packed { bytes, digits, left } => {
                Some(Text(Characters::Unpacked(unpacked(bytes, digits, left))))
            }
            Self::Binary(_) => None,
        }
    }

    /// The bytes of a binary field; any other has none.
    #[must_use]
    pub const fn binary(self) -> Option<&'a [u8]> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            Self::Text(_) | Self::Packed { .. } => None,
        }
    }
}

/// The characters of packed digits.
fn unpacked(bytes: &[u8], digits: u16, left: bool) -> SmallVec<[u8; 64]> {
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
        let mut numbers = self.present.iter();
        self.slots.retain(|_| numbers.next().is_some_and(|number| keep.has(number)));
        self.present = FieldSet::from_bits(self.present.bits() & keep.bits());
    }

    /// Gives this message the other's field, or none if the other has none.
    pub fn copy_field(&mut self, other: &Self, number: FieldNumber) {
        match other.expose(number) {
            None => self.retain(self.present.without(number)),
            Some(Raw::Binary(bytes)) => self.put(number, bytes, Form::Raw),
            Some(Raw::Text(bytes)) => self.put(number, bytes, Form::Text),
            Some(packed @ Raw::Packed { .. }) => {
                if let Some(text) = packed.text() {
                    self.put(number, text.as_bytes(), Form::Text);
                }
            }
        }
    }

    /// The canonical value of any field, sensitive or not. For codecs and tools; everything
    /// else reads fields by their typed keys.
    #[must_use]
    pub fn expose(&self, number: FieldNumber) -> Option<Raw<'_>> {
        let slot = *self.slot(number)?;
        let bytes = self.bytes.get(slot.content())?;
        let digits = slot.shape.units;
        Some(match slot.shape.form {
            Form::Text => Raw::Text(bytes),
            Form::PackedLeft => Raw::Packed { bytes, digits, left: true },
            Form::PackedRight => Raw::Packed { bytes, digits, left: false },
            Form::Raw => Raw::Binary(bytes),
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
        let start = self.slot(number)?.start as usize;
        (start < self.frame_end).then_some(start)
    }

    /// Where the content of a field begins in the frame; 0 if it is absent or was set here.
    pub(crate) fn content_offset(&self, number: FieldNumber) -> u32 {
        // An empty content may begin where the frame ends, but its length lies in the frame.
        let slot = self.slot(number).filter(|slot| (slot.start as usize) < self.frame_end);
        slot.map_or(0, |slot| u32::try_from(slot.content().start).unwrap_or(0))
    }

    fn slot(&self, number: FieldNumber) -> Option<&Slot> {
        if !self.present.has(number) {
            return None;
        }
        self.slots.get(self.present.rank(number))
    }

    /// Takes the last value of a field from the end of the buffer, so that a field that is set
    /// again and again does not fill it.
    fn give_back(&mut self, number: FieldNumber) {
        let Some(slot) = self.slot(number).copied() else { return };
        let is_last = slot.content().end == self.bytes.len()
            && slot.start as usize >= self.frame_end
            && self.slots.iter().all(|other| other.start <= slot.start);
        if is_last {
            self.bytes.truncate(slot.start as usize);
        }
    }

    pub(crate) fn put(&mut self, number: FieldNumber, value: &[u8], form: Form) {
        // A value no frame can carry is cut; a codec then refuses it as too long.
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        let units = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.give_back(number);
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(value);
        let slot = Slot { start, shape: Shape { units, prefix: 0, form } };
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
}

impl PartialEq for Message {
    /// Whether type and canonical values are the same, in whatever dialect they arrived.
    fn eq(&self, other: &Self) -> bool {
        let canonical = |raw: Raw<'_>| match raw {
            Raw::Binary(bytes) => (true, bytes.to_vec()),
            Raw::Text(bytes) => (false, bytes.to_vec()),
            Raw::Packed { .. } => {
                (false, raw.text().map(|text| text.as_bytes().to_vec()).unwrap_or_default())
            }
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

    #[test]
    fn rank_counts_the_fields_before() {
        let numbers = [2u8, 3, 64, 65, 66, 127, 128];
        let set: FieldSet = numbers.into_iter().filter_map(FieldNumber::new).collect();
        for (place, number) in numbers.into_iter().enumerate() {
            assert_eq!(set.rank(FieldNumber::new(number).unwrap()), place, "{number}");
        }
        assert_eq!(set.iter().map(FieldNumber::get).collect::<Vec<_>>(), numbers);
    }
}
