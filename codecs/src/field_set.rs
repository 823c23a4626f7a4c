//! Sets of field numbers, as bitmaps have them.

use crate::error::FieldNumber;
use core::fmt;

/// A set of field numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet([u64; 3]);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self([0; 3]);

    /// The three bitmaps as they stand on the wire, most significant bit first. The bits that
    /// announce the next bitmap are those of fields 1 and 65.
    pub(crate) const fn bitmaps(self) -> [u64; 3] {
        self.0
    }

    pub(crate) const fn from_bitmaps(bitmaps: [u64; 3]) -> Self {
        Self(bitmaps)
    }

    pub(crate) const fn from_halves([first, second]: [u64; 2]) -> Self {
        Self([first, second, 0])
    }

    /// The bit of a field in the bitmap it belongs to; the other bitmaps have none.
    #[inline]
    const fn bits(number: FieldNumber) -> [u64; 3] {
        let place = number.get().wrapping_sub(1);
        let bit = (1u64 << 63) >> (place & 63);
        match place >> 6 {
            0 => [bit, 0, 0],
            1 => [0, bit, 0],
            2 => [0, 0, bit],
            _ => [0, 0, 0],
        }
    }

    /// The same set with one more field.
    #[inline]
    #[must_use]
    pub const fn with(self, number: FieldNumber) -> Self {
        let [first, second, third] = self.0;
        let place = number.get().wrapping_sub(1);
        let bit = (1u64 << 63) >> (place & 63);
        Self(match place >> 6 {
            0 => [first | bit, second, third],
            1 => [first, second | bit, third],
            2 => [first, second, third | bit],
            _ => self.0,
        })
    }

    /// The same set without a field.
    #[must_use]
    pub const fn without(self, number: FieldNumber) -> Self {
        self.minus(Self(Self::bits(number)))
    }

    /// Whether the field is in the set.
    #[inline]
    #[must_use]
    pub const fn has(self, number: FieldNumber) -> bool {
        let place = number.get().wrapping_sub(1);
        (self.bitmap(place) << (place & 63)) >> 63 == 1
    }

    /// The bitmap a bit belongs to, counted from 0; no bits if there is none.
    #[inline]
    const fn bitmap(self, place: u8) -> u64 {
        let [first, second, third] = self.0;
        match place >> 6 {
            0 => first,
            1 => second,
            2 => third,
            _ => 0,
        }
    }

    /// The fields in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([a | d, b | e, c | f])
    }

    /// The fields in both sets.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([a & d, b & e, c & f])
    }

    /// The fields of this set that are not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        let ([a, b, c], [d, e, f]) = (self.0, other.0);
        Self([a & !d, b & !e, c & !f])
    }

    /// Whether no field is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        let [a, b, c] = self.0;
        a | b | c == 0
    }

    /// How many fields are in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        let [a, b, c] = self.0;
        a.count_ones().wrapping_add(b.count_ones()).wrapping_add(c.count_ones())
    }

    /// The lowest field of the set.
    #[must_use]
    pub fn first(self) -> Option<FieldNumber> {
        self.iter().next()
    }

    /// How many fields of the set come before this one, if it is in the set.
    #[inline]
    pub(crate) const fn place(self, number: FieldNumber) -> Option<usize> {
        let [first, second, third] = self.0;
        let place = number.get().wrapping_sub(1);
        let (bitmap, before) = match place >> 6 {
            0 => (first, 0),
            1 => (second, first.count_ones()),
            2 => (third, first.count_ones().wrapping_add(second.count_ones())),
            _ => return None,
        };
        // The bits down to that of the field, which is the last.
        let above = bitmap >> (63 & !place);
        if above & 1 == 0 {
            return None;
        }
        Some(before.wrapping_add((above >> 1).count_ones()) as usize)
    }

    /// Adds a field if it comes after every other of the set, and says whether it did. Never the
    /// message type.
    #[inline]
    pub(crate) const fn push(&mut self, number: FieldNumber) -> bool {
        let [first, second, third] = &mut self.0;
        let place = number.get().wrapping_sub(1);
        let bit = (1u64 << 63) >> (place & 63);
        // The bit of the field and those behind it in its bitmap.
        let behind = bit | bit.wrapping_sub(1);
        let (bitmap, others) = match place >> 6 {
            0 => (first, *second | *third),
            1 => (second, *third),
            2 => (third, 0),
            _ => return false,
        };
        let is_last = (*bitmap & behind) | others == 0;
        if is_last {
            *bitmap |= bit;
        }
        is_last
    }

    /// How many fields of the set come before this one.
    #[inline]
    pub(crate) const fn rank(self, number: FieldNumber) -> usize {
        let [first, second, third] = self.0;
        let place = number.get().wrapping_sub(1);
        // The bits above that of the field in its bitmap.
        let above = !(u64::MAX >> (place & 63));
        let before = match place >> 6 {
            0 => (first & above).count_ones(),
            1 => first.count_ones().wrapping_add((second & above).count_ones()),
            _ => {
                let lower = first.count_ones().wrapping_add(second.count_ones());
                lower.wrapping_add((third & above).count_ones())
            }
        };
        before as usize
    }

    /// The fields in ascending order. Field 1, the bitmap itself, is never among them.
    pub fn iter(self) -> impl Iterator<Item = FieldNumber> {
        let [first, second, third] = self.0;
        let (mut bits, mut base) = (first & (u64::MAX >> 1), 1u8);
        let mut later = [second, third].into_iter();
        core::iter::from_fn(move || {
            while bits == 0 {
                bits = later.next()?;
                base = base.wrapping_add(64);
            }
            let place = bits.leading_zeros() & 63;
            bits &= !((1u64 << 63) >> place);
            FieldNumber::new(base.wrapping_add(place as u8))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_counts_the_fields_before() {
        let numbers = [2u8, 3, 64, 65, 66, 127, 128, 129, 130, 191, 192];
        let set: FieldSet = numbers.into_iter().filter_map(FieldNumber::new).collect();
        for (place, number) in numbers.into_iter().enumerate() {
            let number = FieldNumber::new(number).unwrap();
            assert_eq!((set.rank(number), set.place(number)), (place, Some(place)), "{number}");
        }
        assert_eq!(set.iter().map(FieldNumber::get).collect::<Vec<_>>(), numbers);
        assert_eq!(set.len() as usize, numbers.len());
        for number in (2..=192).filter_map(FieldNumber::new) {
            let ends = set.minus(FieldSet::EMPTY.with(number)).iter().all(|n| n < number);
            let mut longer = set;
            assert_eq!(longer.push(number), ends && !set.has(number), "{number}");
            assert_eq!(longer, if longer == set { set } else { set.with(number) });
        }
        let mut none = FieldSet::EMPTY;
        assert!(!none.push(FieldNumber::MTI) && none.is_empty());
        for number in [FieldNumber::MTI, FieldNumber::BITMAP, FieldNumber::new(67).unwrap()] {
            assert!(!set.has(number) && set.without(number) == set, "{number}");
            assert_eq!(set.place(number), None, "{number}");
        }
    }
}
