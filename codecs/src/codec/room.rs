//! Where a message is written: a buffer that is made long enough before it is filled.
//!
//! The place in it is a number that the fast walk keeps to itself. Every write is a copy into
//! bytes that are there already; what was made too long is cut off when the room is left.

use super::step::{Kind, Lead};
use crate::words;
use bytes::BytesMut;

/// How much is made ready at a time. Most messages fit.
const READY: usize = 512;
/// A run from so many bytes on is appended as it is rather than copied into zeros.
const LONG: usize = 256;
/// A copy of a short run takes so many bytes, whether or not all of them belong to it: that needs
/// no loop and no choice. What is too much is written over or cut off.
const BLOCK: usize = 32;

/// The lengths of up to three digits, with a byte more to be copied in one go.
static DIGITS: [[u8; 4]; 1_000] = digits();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "every place is below a thousand, and every digit below ten"
)]
const fn digits() -> [[u8; 4]; 1_000] {
    let mut digits = [[b'0'; 4]; 1_000];
    let mut number = 0;
    while number < digits.len() {
        let place = &mut digits[number];
        place[0] += (number / 100) as u8;
        place[1] += (number / 10 % 10) as u8;
        place[2] += (number % 10) as u8;
        number += 1;
    }
    digits
}

/// Room at the end of a buffer. Left by [`Room::leave`]; until then the buffer is too long.
#[derive(Debug)]
pub(super) struct Room<'o> {
    out: &'o mut BytesMut,
    at: usize,
}

impl<'o> Room<'o> {
    /// Room behind what the buffer holds, about `bound` bytes.
    #[inline(always)]
    pub(super) fn new(out: &'o mut BytesMut, bound: usize) -> Self {
        let at = out.len();
        let ready = bound.saturating_add(BLOCK).min(READY);
        out.resize(at.saturating_add(ready), 0);
        Self { out, at }
    }

    /// Cuts off what was not written to.
    #[inline(always)]
    pub(super) fn leave(self) {
        self.out.truncate(self.at);
    }

    /// Lets something be appended in another way.
    pub(super) fn append<T>(&mut self, append: impl FnOnce(&mut BytesMut) -> T) -> T {
        self.out.truncate(self.at);
        let result = append(self.out);
        self.at = self.out.len();
        result
    }

    /// The next so many bytes.
    #[inline(always)]
    pub(super) fn take(&mut self, width: usize) -> Option<&mut [u8]> {
        let end = self.at.wrapping_add(width);
        if end > self.out.len() {
            self.grow(end);
        }
        let place = self.out.get_mut(self.at..end);
        self.at = end;
        place
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        self.out.resize(end.saturating_add(READY), 0);
    }

    /// Writes so many bytes.
    #[inline(always)]
    pub(super) fn put<const WIDTH: usize>(&mut self, bytes: [u8; WIDTH]) -> Option<()> {
        self.put_part(bytes, WIDTH)
    }

    /// Writes the first bytes of an array.
    #[inline(always)]
    fn put_part<const WIDTH: usize>(&mut self, bytes: [u8; WIDTH], width: usize) -> Option<()> {
        if let Some(place) = self.out.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *place = bytes;
            self.at = self.at.wrapping_add(width);
            return Some(());
        }
        self.take(width)?.copy_from_slice(bytes.get(..width)?);
        Some(())
    }

    /// Writes a part of `source` in one of the usual ways.
    #[inline(always)]
    pub(super) fn run(&mut self, kind: Kind, source: &[u8], from: usize, to: usize) -> Option<()> {
        match kind {
            Kind::Copy => self.copy(source, from, to),
            Kind::Pack => self.pack(source.get(from..to)?),
            Kind::PackRight => self.pack_right(source.get(from..to)?),
        }
    }

    #[inline(always)]
    fn copy(&mut self, source: &[u8], from: usize, to: usize) -> Option<()> {
        let width = to.wrapping_sub(from);
        if width <= BLOCK
            && let Some(block) = source.get(from..).and_then(<[u8]>::first_chunk::<BLOCK>)
            && let Some(place) = self.out.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut)
        {
            *place = *block;
            self.at = self.at.wrapping_add(width);
            return Some(());
        }
        let bytes = source.get(from..to)?;
        if width >= LONG {
            self.append(|out| out.extend_from_slice(bytes));
            return Some(());
        }
        self.take(width)?.copy_from_slice(bytes);
        Some(())
    }

    #[inline(never)]
    fn pack(&mut self, digits: &[u8]) -> Option<()> {
        pack_into(digits, self.take(digits.len().div_ceil(2))?)
    }

    #[inline(never)]
    fn pack_right(&mut self, digits: &[u8]) -> Option<()> {
        let (even, last) = digits.split_at(digits.len() & !1);
        self.pack(even)?;
        match last {
            [last] => self.put([last << 4]),
            _ => Some(()),
        }
    }

    /// Writes a length of one of the usual kinds; nothing for the others.
    #[inline(always)]
    pub(super) fn length(&mut self, lead: Lead, units: u16) -> Option<()> {
        let pair = |number: u16| (number / 10).wrapping_mul(16).wrapping_add(number % 10) as u8;
        match lead {
            Lead::Fixed | Lead::Other | Lead::Rare | Lead::Undefined => Some(()),
            Lead::AsciiTwo | Lead::AsciiThree => {
                // The last two of the three digits, or all of them, and what is written over.
                let (skip, width) = if lead == Lead::AsciiTwo { (8, 2) } else { (0, 3) };
                let digits = u32::from_le_bytes(*DIGITS.get(usize::from(units))?) >> skip;
                self.put_part(digits.to_le_bytes(), width)
            }
            Lead::PackedOne => self.put([pair(units)]),
            Lead::PackedTwo => self.put([pair(units / 100), pair(units % 100)]),
        }
    }
}

/// Writes ASCII digits, two in a byte, an odd number of them after a zero, to a place that has as
/// many bytes as they need.
#[inline(always)]
fn pack_into(digits: &[u8], place: &mut [u8]) -> Option<()> {
    let byte = |high: u8, low: u8| (high << 4) | (low & 15);
    let odd = digits.len() & 1;
    let (first, even) = digits.split_at(odd);
    let (half, place) = place.split_at_mut_checked(odd)?;
    if let ([first], [half]) = (first, half) {
        *half = first & 15;
    }
    if let Some(last) = even.last_chunk::<8>() {
        let (chunks, _) = even.as_chunks::<8>();
        let (places, _) = place.as_chunks_mut::<4>();
        for (chunk, place) in chunks.iter().zip(places) {
            *place = words::pack(*chunk);
        }
        // What is left is written together with digits before it once more.
        *place.last_chunk_mut()? = words::pack(*last);
        return Some(());
    }
    match (even, place) {
        ([a, b, c, d, e, f], [x, y, z]) => {
            (*x, *y, *z) = (byte(*a, *b), byte(*c, *d), byte(*e, *f));
        }
        ([a, b, c, d], [x, y]) => (*x, *y) = (byte(*a, *b), byte(*c, *d)),
        ([a, b], [x]) => *x = byte(*a, *b),
        _ => {}
    }
    Some(())
}

/// Appends ASCII digits, two in a byte; an odd number of them after a zero.
pub(super) fn pack(digits: &[u8], out: &mut BytesMut) {
    let from = out.len();
    out.resize(from.saturating_add(digits.len().div_ceil(2)), 0);
    // There is as much room as is needed.
    let _ = pack_into(digits, out.get_mut(from..).unwrap_or_default());
}

/// Appends ASCII digits, two in a byte; an odd number of them before a zero.
pub(super) fn pack_right(digits: &[u8], out: &mut BytesMut) {
    let (even, last) = digits.split_at(digits.len() & !1);
    pack(even, out);
    if let [last] = last {
        out.extend_from_slice(&[last << 4]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_digits_is_packed() {
        let digits = b"123456789012345678901234567890123456789";
        for length in 0..=digits.len() {
            let digits = &digits[..length];
            let value = |place: usize| digits.get(place).map_or(0, |digit| digit & 15);
            let byte = |high: Option<usize>, low: usize| (high.map_or(0, value) << 4) | value(low);
            let odd = length & 1;
            let left: Vec<u8> = (0..length.div_ceil(2))
                .map(|at| byte((at * 2).checked_sub(odd), at * 2 + 1 - odd))
                .collect();
            let right: Vec<u8> =
                (0..length.div_ceil(2)).map(|at| byte(Some(at * 2), at * 2 + 1)).collect();
            let mut out = BytesMut::from(&b"before"[..]);
            pack(digits, &mut out);
            assert_eq!(out.strip_prefix(b"before").unwrap(), left, "{length}");
            out.clear();
            pack_right(digits, &mut out);
            assert_eq!(out, right, "{length}");
        }
    }

    #[test]
    fn runs_of_every_length_are_written_one_after_another() {
        let source: Vec<u8> = (0..2_000u16).map(|at| b'0' + (at % 10) as u8).collect();
        let mut out = BytesMut::from(&b"before"[..]);
        let mut expected = out.to_vec();
        let mut room = Room::new(&mut out, 16);
        for length in (0..70).chain([255, 256, 600, 3, 1_900]) {
            for from in [0, 40, 2_000 - length] {
                room.run(Kind::Copy, &source, from, from + length).unwrap();
                expected.extend_from_slice(&source[from..from + length]);
                room.put([b'|', b'~']).unwrap();
                expected.extend_from_slice(b"|~");
            }
        }
        assert_eq!(room.run(Kind::Copy, &source, 1_990, 2_001), None);
        assert_eq!(room.run(Kind::Copy, &source, 3, 2), None);
        room.leave();
        assert_eq!(out, expected);
    }

    #[test]
    fn lengths_are_written_in_digits() {
        for (lead, units, expected) in [
            (Lead::AsciiTwo, 7, &b"07"[..]),
            (Lead::AsciiTwo, 99, b"99"),
            (Lead::AsciiThree, 1, b"001"),
            (Lead::AsciiThree, 987, b"987"),
            (Lead::PackedOne, 42, &[0x42]),
            (Lead::PackedTwo, 987, &[0x09, 0x87]),
            (Lead::PackedTwo, 1_234, &[0x12, 0x34]),
            (Lead::Fixed, 6, b""),
        ] {
            let mut out = BytesMut::new();
            let mut room = Room::new(&mut out, 16);
            room.length(lead, units).unwrap();
            room.leave();
            assert_eq!(out, expected, "{lead:?} {units}");
        }
    }
}
