//! The least work that a checked decode and encode can be, by hand and for these messages only.
//!
//! One table per wire form, one pass: every field located, its length held against the longest
//! allowed, its content against its class, and nothing left over. No message is built: decoding
//! leaves offsets, encoding takes values that lie ready. It shares no code with the product.

use crate::messages::Value;

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
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
    rows: [Option<Row>; 129],
}

impl<const HEX: bool, const PACKED: bool> Default for Scan<HEX, PACKED> {
    fn default() -> Self {
        use Class::{Alphanumeric, Bytes, Digits, Printable, Track};
        let mut rows = [None; 129];
        let mut define = |class: Class, prefix: u8, fields: &[(usize, u16)]| {
            let packed = PACKED && class == Digits;
            for (number, most) in fields {
                if let Some(row) = rows.get_mut(*number) {
                    *row = Some(Row { class, packed, prefix, most: *most });
                }
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
        if let Some(row) = rows.get_mut(49) {
            *row = Some(Row { class: Digits, packed: false, prefix: 0, most: 3 });
        }
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
        for (bits, base) in [(first & (u64::MAX >> 1), 1), (second, 65)] {
            let mut bits = bits;
            while bits != 0 {
                let place = bits.leading_zeros();
                bits ^= 1 << (63 - place);
                let number = (place as usize).wrapping_add(base);
                let row = (*self.rows.get(number)?)?;
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
                *entry = Place { number: number as u8, start: start as u16, width: bytes };
                count = count.wrapping_add(1);
            }
        }
        out.count = count;
        rest.is_empty().then_some(())
    }

    /// Appends a message: lengths, classes and maxima checked, nothing filled up, because the
    /// samples are as long as they must be. `None` if anything is wrong.
    #[must_use]
    pub fn encode(&self, mti: [u8; 4], fields: &[(u8, Value)], out: &mut Vec<u8>) -> Option<()> {
        if PACKED {
            pack(&mti, out);
        } else {
            out.extend_from_slice(&mti);
        }
        let mut bits = 0u128;
        for (number, _) in fields {
            bits |= 1u128 << (128 - u32::from(*number));
        }
        let second = bits as u64;
        if second != 0 {
            bits |= 1 << 127;
        }
        write_bitmap::<HEX>((bits >> 64) as u64, out);
        if second != 0 {
            write_bitmap::<HEX>(second, out);
        }
        for (number, value) in fields {
            let row = (*self.rows.get(usize::from(*number))?)?;
            let value = value.as_bytes();
            let units = u16::try_from(value.len()).ok()?;
            let fits = if row.prefix == 0 { units == row.most } else { units <= row.most };
            if !fits || !holds(Row { packed: false, ..row }, value, units) {
                return None;
            }
            if row.prefix > 0 {
                let digits = [units / 1000, units / 100 % 10, units / 10 % 10, units % 10];
                let digits = digits.map(|digit| digit as u8 | 0x30);
                let digits = digits.get(4 - usize::from(row.prefix)..)?;
                if PACKED { pack(digits, out) } else { out.extend_from_slice(digits) }
            }
            if row.packed {
                pack(value, out);
            } else {
                out.extend_from_slice(value);
            }
        }
        Some(())
    }
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
    let mut bits = 0u64;
    let mut bad = 0u8;
    for character in take(rest, 16)? {
        let nibble = HEX_VALUES[usize::from(*character)];
        bad |= nibble;
        bits = bits << 4 | u64::from(nibble & 15);
    }
    (bad & 0x80 == 0).then_some(bits)
}

/// The value of a hexadecimal character; 0x80 for any other.
static HEX_VALUES: [u8; 256] = {
    let mut values = [0x80u8; 256];
    let mut digit = 0;
    while digit < 10 {
        values[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    let mut letter = 0;
    while letter < 6 {
        values[b'A' as usize + letter] = letter as u8 + 10;
        values[b'a' as usize + letter] = letter as u8 + 10;
        letter += 1;
    }
    values
};

#[inline]
fn write_bitmap<const HEX: bool>(bits: u64, out: &mut Vec<u8>) {
    if !HEX {
        out.extend_from_slice(&bits.to_be_bytes());
        return;
    }
    let mut characters = [0u8; 16];
    for (place, character) in characters.iter_mut().enumerate() {
        *character = b"0123456789ABCDEF"[(bits >> (60 - 4 * place) & 15) as usize];
    }
    out.extend_from_slice(&characters);
}

/// Appends digits two a byte, an odd number of them after a zero.
#[inline]
fn pack(digits: &[u8], out: &mut Vec<u8>) {
    let (odd, even) = digits.split_at(digits.len() & 1);
    out.extend(odd.iter().map(|digit| digit & 15));
    let (pairs, _) = even.as_chunks::<2>();
    out.extend(pairs.iter().map(|[high, low]| high << 4 | low & 15));
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
        let mut out = Vec::new();
        assert_eq!(scan.encode(sample.mti, &sample.fields, &mut out), Some(()));
        assert_eq!(out, frame);
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
