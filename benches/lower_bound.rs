//! The least work that a checked decode and encode can be, by hand and for these messages only.
//!
//! One table per wire form, one pass: every field located, its length held against the longest
//! allowed, its content against its class, and nothing left over. No message is built: decoding
//! leaves offsets; encoding takes values that lie ready and a buffer that is large enough. Every
//! field is checked by itself: that the codec checks neighbours together is its own merit. It
//! shares no code with the product.

use crate::messages::Value;

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The field is not defined.
    None,
    Digits,
    Alphanumeric,
    Printable,
    Track,
    Bytes,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    class: Class,
    /// Two digits a byte.
    packed: bool,
    /// Digits of the length; 0 for none.
    prefix: u8,
    most: u16,
}

/// A field of a frame: where its content begins and how many bytes it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The field.
    pub number: u8,
    /// Offset of the content.
    pub start: u16,
    /// Bytes of the content.
    pub width: u16,
}

/// Where the fields of a frame lie.
#[derive(Clone, Debug)]
pub struct Places {
    /// The type, four digits.
    pub mti: [u8; 4],
    /// The first `count` are valid.
    places: [Place; 128],
    count: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { mti: [0; 4], places: [Place::default(); 128], count: 0 }
    }
}

impl Places {
    /// The fields in ascending order.
    #[must_use]
    pub fn fields(&self) -> &[Place] {
        self.places.get(..self.count).unwrap_or_default()
    }
}

/// The scan of one wire form: `HEX` bitmaps in characters, `PACKED` numbers two digits a byte.
#[derive(Debug)]
pub struct Scan<const HEX: bool, const PACKED: bool> {
    /// By number, from 1; two halves, so that no index needs a check.
    rows: [[Row; 64]; 2],
}

impl<const HEX: bool, const PACKED: bool> Default for Scan<HEX, PACKED> {
    fn default() -> Self {
        use Class::{Alphanumeric, Bytes, Digits, Printable, Track};
        let none = Row { class: Class::None, packed: false, prefix: 0, most: 0 };
        let mut rows = [[none; 64]; 2];
        let mut define = |class: Class, prefix: u8, fields: &[(usize, u16)]| {
            let packed = PACKED && class == Digits;
            for (number, most) in fields {
                rows[(number - 1) / 64][(number - 1) % 64] =
                    Row { class, packed, prefix, most: *most };
            }
        };
        define(Digits, 0, &[(3, 6), (4, 12), (7, 10), (11, 6), (12, 6), (13, 4), (14, 4), (18, 4)]);
        define(Digits, 0, &[(22, 3), (23, 3), (25, 2), (70, 3)]);
        define(Digits, 2, &[(2, 19), (32, 11)]);
        define(Alphanumeric, 0, &[(37, 12), (38, 6), (39, 2)]);
        define(Printable, 0, &[(41, 8), (42, 15), (43, 40)]);
        define(Printable, 2, &[(102, 28)]);
        define(Printable, 3, &[(48, 999), (60, 999)]);
        define(Track, 2, &[(35, 37)]);
        define(Bytes, 0, &[(52, 8), (128, 8)]);
        define(Bytes, 3, &[(55, 255)]);
        // The currency is in characters in every form.
        rows[0][48] = Row { class: Digits, packed: false, prefix: 0, most: 3 };
        Self { rows }
    }
}

impl<const HEX: bool, const PACKED: bool> Scan<HEX, PACKED> {
    /// Locates and checks every field. `None` if anything is wrong.
    #[must_use]
    pub fn decode(&self, frame: &[u8], out: &mut Places) -> Option<()> {
        let mut rest = frame;
        let mut count = 0;
        out.mti = if PACKED {
            let [a, b] = *take(&mut rest, 2)?.first_chunk()?;
            [a >> 4, a & 15, b >> 4, b & 15].map(|nibble| nibble | 0x30)
        } else {
            *take(&mut rest, 4)?.first_chunk()?
        };
        if !all(&out.mti, digit_strangers) {
            return None;
        }
        let first = bitmap::<HEX>(&mut rest)?;
        let second = if first >> 63 == 1 { bitmap::<HEX>(&mut rest)? } else { 0 };
        for (bits, rows, base) in
            [(first & (u64::MAX >> 1), &self.rows[0], 1u8), (second, &self.rows[1], 65)]
        {
            let mut bits = bits.reverse_bits();
            while bits != 0 {
                let place = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                let row = rows[(place & 63) as usize];
                let number = base.wrapping_add(place as u8);
                let units = match row.prefix {
                    0 => row.most,
                    _ => length::<PACKED>(take(&mut rest, width::<PACKED>(row.prefix))?)?,
                };
                if units > row.most {
                    return None;
                }
                let bytes = if row.packed { units.div_ceil(2) } else { units };
                let start = frame.len().wrapping_sub(rest.len());
                let content = take(&mut rest, bytes.into())?;
                if !holds(row, content, units) {
                    return None;
                }
                let entry = out.places.get_mut(count)?;
                *entry = Place { number, start: start as u16, width: bytes };
                count = count.wrapping_add(1);
            }
        }
        out.count = count;
        rest.is_empty().then_some(())
    }

    /// Writes a message and tells how long it is: lengths, classes and maxima checked, nothing
    /// filled up, because the samples are as long as they must be. `None` if anything is wrong or
    /// `out` is too short; it is never made longer.
    #[must_use]
    pub fn encode(
        &self,
        mti: [u8; 4],
        fields: &[(u8, Value)],
        mut out: &mut [u8],
    ) -> Option<usize> {
        let room = out.len();
        if PACKED {
            pack(&mti, &mut out)?;
        } else {
            put(&mti, &mut out)?;
        }
        let mut bits = 0u128;
        for (number, _) in fields {
            bits |= 1u128 << (128 - u32::from(*number));
        }
        let second = bits as u64;
        if second != 0 {
            bits |= 1 << 127;
        }
        write_bitmap::<HEX>((bits >> 64) as u64, &mut out)?;
        if second != 0 {
            write_bitmap::<HEX>(second, &mut out)?;
        }
        for (number, value) in fields {
            let place = usize::from(number.wrapping_sub(1));
            let row = self.rows[place >> 6 & 1][place & 63];
            let value = value.as_bytes();
            let units = u16::try_from(value.len()).ok()?;
            let fits = if row.prefix == 0 { units == row.most } else { units <= row.most };
            if !fits || !holds(Row { packed: false, ..row }, value, units) {
                return None;
            }
            let (tens, ones) = (units / 10, units % 10);
            let (hundreds, tens) = (tens / 10, tens % 10);
            match (row.prefix, PACKED) {
                (0, _) => {}
                (2, true) => put(&[(tens << 4 | ones) as u8], &mut out)?,
                (_, true) => put(&[hundreds as u8, (tens << 4 | ones) as u8], &mut out)?,
                (2, false) => put(&[tens, ones].map(|digit| digit as u8 | 0x30), &mut out)?,
                (_, false) => {
                    put(&[hundreds, tens, ones].map(|digit| digit as u8 | 0x30), &mut out)?;
                }
            }
            if row.packed {
                pack(value, &mut out)?;
            } else {
                put(value, &mut out)?;
            }
        }
        Some(room.wrapping_sub(out.len()))
    }
}

/// Room for so many bytes.
#[inline(always)]
fn room<'o>(out: &mut &'o mut [u8], width: usize) -> Option<&'o mut [u8]> {
    let (room, rest) = std::mem::take(out).split_at_mut_checked(width)?;
    *out = rest;
    Some(room)
}

/// Writes bytes, up to sixteen as two words that may overlap.
#[inline(always)]
fn put(bytes: &[u8], out: &mut &mut [u8]) -> Option<()> {
    let to = room(out, bytes.len())?;
    if bytes.len() > 16 {
        to.copy_from_slice(bytes);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        *to.first_chunk_mut()? = *first;
        *to.last_chunk_mut()? = *last;
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        *to.first_chunk_mut()? = *first;
        *to.last_chunk_mut()? = *last;
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<2>(), bytes.last_chunk::<2>()) {
        *to.first_chunk_mut()? = *first;
        *to.last_chunk_mut()? = *last;
    } else {
        to.copy_from_slice(bytes);
    }
    Some(())
}

#[inline]
fn take<'f>(rest: &mut &'f [u8], width: usize) -> Option<&'f [u8]> {
    let (taken, after) = rest.split_at_checked(width)?;
    *rest = after;
    Some(taken)
}

const fn width<const PACKED: bool>(prefix: u8) -> usize {
    if PACKED { prefix.div_ceil(2) as usize } else { prefix as usize }
}

#[inline]
fn length<const PACKED: bool>(bytes: &[u8]) -> Option<u16> {
    let mut number = 0u16;
    for byte in bytes {
        if PACKED {
            if byte & 15 > 9 || byte >> 4 > 9 {
                return None;
            }
            let pair = u16::from(byte >> 4).wrapping_mul(10).wrapping_add(u16::from(byte & 15));
            number = number.wrapping_mul(100).wrapping_add(pair);
        } else {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number.wrapping_mul(10).wrapping_add(u16::from(digit));
        }
    }
    Some(number)
}

#[inline]
fn bitmap<const HEX: bool>(rest: &mut &[u8]) -> Option<u64> {
    if !HEX {
        return Some(u64::from_be_bytes(*take(rest, 8)?.first_chunk()?));
    }
    let characters: [u8; 16] = *take(rest, 16)?.first_chunk()?;
    let [high, low] = *characters.as_chunks::<8>().0.first_chunk()?;
    let (high, low) = (u64::from_be_bytes(high), u64::from_be_bytes(low));
    if hex_strangers(high) | hex_strangers(low) != 0 {
        return None;
    }
    let nibbles = |word: u64| (word & eight(15)).wrapping_add((word >> 6 & eight(1)) * 9);
    Some(pairs(nibbles(high)) << 32 | pairs(nibbles(low)))
}

/// The low nibbles of eight bytes, pushed together.
#[inline(always)]
const fn pairs(word: u64) -> u64 {
    let word = (word | word >> 4) & 0x00FF_00FF_00FF_00FF;
    let word = (word | word >> 8) & 0x0000_FFFF_0000_FFFF;
    (word | word >> 16) & 0xFFFF_FFFF
}

#[inline]
fn write_bitmap<const HEX: bool>(bits: u64, out: &mut &mut [u8]) -> Option<()> {
    if !HEX {
        return put(&bits.to_be_bytes(), out);
    }
    let spread = |half: u64| {
        let half = (half | half << 16) & 0x0000_FFFF_0000_FFFF;
        let half = (half | half << 8) & 0x00FF_00FF_00FF_00FF;
        let nibbles = (half | half << 4) & eight(15);
        let letters = nibbles.wrapping_add(eight(6)) >> 4 & eight(1);
        nibbles.wrapping_add(eight(b'0')).wrapping_add(letters * 7).to_be_bytes()
    };
    put(&spread(bits >> 32), out)?;
    put(&spread(bits & 0xFFFF_FFFF), out)
}

/// Writes digits two a byte, an odd number of them after a zero.
#[inline(always)]
fn pack(digits: &[u8], out: &mut &mut [u8]) -> Option<()> {
    let (odd, even) = digits.split_at(digits.len() & 1);
    if let [odd] = odd {
        put(&[odd & 15], out)?;
    }
    let (chunks, rest) = even.as_chunks::<8>();
    for chunk in chunks {
        put(&(pairs(u64::from_be_bytes(*chunk) & eight(15)) as u32).to_be_bytes(), out)?;
    }
    let pair = |high: u8, low: u8| high << 4 | low & 15;
    match *rest {
        [a, b, c, d, e, f] => put(&[pair(a, b), pair(c, d), pair(e, f)], out),
        [a, b, c, d] => put(&[pair(a, b), pair(c, d)], out),
        [a, b] => put(&[pair(a, b)], out),
        _ => Some(()),
    }
}

#[inline(always)]
fn holds(row: Row, content: &[u8], units: u16) -> bool {
    match row.class {
        Class::Digits if row.packed => {
            let filler = units & 1 == 1 && content.first().is_some_and(|byte| byte >> 4 != 0);
            !filler && all(content, packed_strangers)
        }
        Class::Digits => all(content, digit_strangers),
        // Long text as the compiler's vectors, the rest as words.
        Class::Printable if content.len() >= 64 => {
            content.iter().fold(true, |good, byte| good & (byte.wrapping_sub(0x20) <= 0x5E))
        }
        Class::Printable => all(content, printable_strangers),
        Class::Alphanumeric => all(content, alphanumeric_strangers),
        Class::Track => all(content, track_strangers),
        Class::Bytes => true,
        Class::None => false,
    }
}

/// Whether eight bytes at a time have no strangers. What is left at the end is read once more
/// together with bytes before it, so that there is no loop over single bytes.
#[inline(always)]
fn all(bytes: &[u8], strangers: impl Fn(u64) -> u64) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (chunks, _) = bytes.as_chunks::<8>();
        let each = chunks.iter().fold(0, |bad, chunk| bad | strangers(u64::from_le_bytes(*chunk)));
        return each | strangers(u64::from_le_bytes(*last)) == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return strangers(u64::from(first) | u64::from(last) << 32) == 0;
    }
    match *bytes {
        [] => true,
        [a] => strangers(u64::from_le_bytes([a; 8])) == 0,
        [a, .., b] => {
            let middle = bytes[1];
            strangers(u64::from_le_bytes([a, b, middle, a, a, a, a, a])) == 0
        }
    }
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The top bit of each byte that is below `from` or above `to`, for bytes and bounds below 0x80.
#[inline(always)]
const fn outside(word: u64, from: u8, to: u8) -> u64 {
    let below = !word.wrapping_add(eight(0x80 - from));
    let above = word.wrapping_add(eight(0x7F - to));
    (below | above) & eight(0x80)
}

#[inline(always)]
const fn packed_strangers(word: u64) -> u64 {
    let (low, high) = (word & eight(15), word >> 4 & eight(15));
    (low.wrapping_add(eight(6)) | high.wrapping_add(eight(6))) & !eight(15)
}

#[inline(always)]
const fn digit_strangers(word: u64) -> u64 {
    let carried = word.wrapping_add(eight(6));
    (word ^ eight(0x30) | carried ^ eight(0x30)) & eight(0xF0)
}

#[inline(always)]
const fn printable_strangers(word: u64) -> u64 {
    let low = word & eight(0x7F);
    word & eight(0x80) | outside(low, 0x20, 0x7E)
}

#[inline(always)]
const fn alphanumeric_strangers(word: u64) -> u64 {
    let low = word & eight(0x7F);
    // Letters of either case differ in one bit; with it set, neither digits nor space are letters.
    let letter = outside(low | eight(0x20), b'a', b'z');
    let digit = outside(low, b'0', b'9');
    let space = outside(low, b' ', b' ');
    word & eight(0x80) | letter & digit & space
}

#[inline(always)]
const fn hex_strangers(word: u64) -> u64 {
    let low = word & eight(0x7F);
    let letter = outside(low | eight(0x20), b'a', b'f');
    word & eight(0x80) | letter & outside(low, b'0', b'9')
}

#[inline(always)]
const fn track_strangers(word: u64) -> u64 {
    let low = word & eight(0x7F);
    let digit = outside(low, b'0', b'9');
    let mark = outside(low, b'=', b'=') & outside(low, b'D', b'D') & outside(low, b'F', b'F');
    word & eight(0x80) | digit & mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{Form, Sample, four, mixed};

    fn check<const HEX: bool, const PACKED: bool>(form: Form, sample: &Sample) {
        let (codec, scan) = (form.codec(), Scan::<HEX, PACKED>::default());
        let frame = sample.encode(&codec);
        let mut places = Places::default();
        assert_eq!(scan.decode(&frame, &mut places), Some(()));
        let numbers: Vec<u8> = places.fields().iter().map(|place| place.number).collect();
        let expected: Vec<u8> = sample.fields.iter().map(|(number, _)| *number).collect();
        assert_eq!((places.mti, numbers), (sample.mti, expected));
        let mut out = vec![0; 4_096];
        assert_eq!(scan.encode(sample.mti, &sample.fields, &mut out), Some(frame.len()));
        assert!(out.starts_with(&frame));
        for cut in 0..frame.len() {
            assert_eq!(scan.decode(&frame[..cut], &mut places), None);
        }
        let mut longer = frame.clone();
        longer.push(b'0');
        assert_eq!(scan.decode(&longer, &mut places), None);
        // The same bytes are refused as by the codec.
        let mut message = veksel_codecs::Message::new();
        let masks = [0x90, 0x01, 0x06, 0x0A, 0x10, 0x20, 0x40, 0x7F];
        for (at, mask) in (0..frame.len()).flat_map(|at| masks.map(|mask| (at, mask))) {
            let mut broken = frame.clone();
            broken[at] ^= mask;
            let ours = codec.decode_into(&broken, &mut message).is_ok();
            let known = message.fields().iter().all(|number| expects(sample, number.get()));
            let same = scan.decode(&broken, &mut places).is_some() == ours;
            assert!(!known || same, "byte {at} with {mask:#x}");
        }
    }

    fn expects(sample: &Sample, number: u8) -> bool {
        sample.fields.iter().any(|(known, _)| *known == number)
    }

    #[test]
    fn it_does_what_the_codec_does() {
        for sample in four().map(|(_, sample)| sample).iter().chain(&mixed(20)) {
            check::<true, false>(Form::AsciiHex, sample);
            check::<false, false>(Form::AsciiBinary, sample);
            check::<false, true>(Form::Packed, sample);
        }
    }
}
