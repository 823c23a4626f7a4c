//! Bytes many at a time: content classes, packed digits and hexadecimal characters.
//!
//! A class asks one byte without branches: asked of sixteen in an array it becomes a few
//! instructions on vectors, which the compiler finds by itself.

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Whether all bytes belong to a class. What is left at the end is looked at together with bytes
/// before it once more, so that there is no loop over single bytes.
#[inline(always)]
fn all(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        // A sum of blocks would have the compiler take them apart.
        for each in bytes.as_chunks::<16>().0 {
            if !block(each, &belongs) {
                return false;
            }
        }
        return block(last, &belongs);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return block(first, &belongs) && block(last, &belongs);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return block(first, &belongs) && block(last, &belongs);
    }
    match *bytes {
        [a, b, c, ..] => belongs(a) & belongs(b) & belongs(c),
        [a, b] => belongs(a) & belongs(b),
        [a] => belongs(a),
        [] => true,
    }
}

/// The same of so many bytes together.
#[inline(always)]
fn block<const WIDTH: usize>(block: &[u8; WIDTH], belongs: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |good, byte| good & belongs(*byte))
}

/// Whether all bytes are digits.
#[inline(always)]
pub(crate) fn are_digits(bytes: &[u8]) -> bool {
    all(bytes, digit)
}

/// Whether all bytes are digits of EBCDIC, which are the same in every page.
#[inline(always)]
pub(crate) fn are_ebcdic_digits(bytes: &[u8]) -> bool {
    all(bytes, |byte| digit(byte ^ 0xC0))
}

/// Whether every byte is two digits.
#[inline(always)]
pub(crate) fn are_packed(bytes: &[u8]) -> bool {
    all(bytes, packed)
}

/// Whether all bytes are printable ASCII.
#[inline(always)]
pub(crate) fn are_printable(bytes: &[u8]) -> bool {
    all(bytes, printable)
}

/// Whether all bytes are letters and spaces.
#[inline(always)]
pub(crate) fn are_letters(bytes: &[u8]) -> bool {
    all(bytes, letter)
}

/// Whether all bytes are letters, digits and spaces.
#[inline(always)]
pub(crate) fn are_alphanumeric(bytes: &[u8]) -> bool {
    all(bytes, alphanumeric)
}

/// Whether all bytes are what tracks are made of.
#[inline(always)]
pub(crate) fn are_track(bytes: &[u8]) -> bool {
    all(bytes, track)
}

/// Whether every byte is two digits, separators (D) or fillers (F) of a track.
#[inline(always)]
pub(crate) fn are_packed_track(bytes: &[u8]) -> bool {
    all(bytes, packed_track)
}

/// Whether all bytes are hexadecimal characters.
#[inline(always)]
pub(crate) fn are_hex(bytes: &[u8]) -> bool {
    all(bytes, hex)
}

#[inline(always)]
const fn digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') <= 9
}

#[inline(always)]
const fn packed(byte: u8) -> bool {
    (byte & 15 <= 9) & (byte <= 0x99)
}

#[inline(always)]
const fn printable(byte: u8) -> bool {
    byte.wrapping_sub(b' ') <= b'~' - b' '
}

#[inline(always)]
const fn letter(byte: u8) -> bool {
    // Letters of either case differ in one bit; with it set, nothing else becomes a letter.
    ((byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a') | (byte == b' ')
}

#[inline(always)]
const fn alphanumeric(byte: u8) -> bool {
    letter(byte) | digit(byte)
}

#[inline(always)]
const fn track(byte: u8) -> bool {
    digit(byte) | (byte == b'=') | (byte == b'D') | (byte == b'F')
}

#[inline(always)]
const fn packed_track(byte: u8) -> bool {
    const fn nibble(nibble: u8) -> bool {
        // Of 10 to 15 only D and F have both the bits 4 and 1.
        (nibble <= 9) | (nibble & 5 == 5)
    }
    nibble(byte & 15) & nibble(byte >> 4)
}

#[inline(always)]
const fn hex(byte: u8) -> bool {
    digit(byte) | ((byte | 0x20).wrapping_sub(b'a') <= 5)
}

/// The top bit of each byte that is below `from` or above `to`; all three are below 0x80.
#[inline(always)]
const fn outside(word: u64, from: u8, to: u8) -> u64 {
    let below = !word.wrapping_add(eight(0x80u8.wrapping_sub(from)));
    let above = word.wrapping_add(eight(0x7Fu8.wrapping_sub(to)));
    (below | above) & eight(0x80)
}

/// Hexadecimal characters of either case: zero exactly if each of the eight bytes is one; which
/// bits are set otherwise means nothing.
#[inline(always)]
const fn hex_strangers(word: u64) -> u64 {
    let low = word & eight(0x7F);
    let letter = outside(low | eight(0x20), b'a', b'f');
    (word & eight(0x80)) | (letter & outside(low, b'0', b'9'))
}

/// The low nibbles of eight bytes, the others being zero, pushed together.
#[inline(always)]
const fn push_together(word: u64) -> u32 {
    let word = (word | (word >> 4)) & 0x00FF_00FF_00FF_00FF;
    let word = (word | (word >> 8)) & 0x0000_FFFF_0000_FFFF;
    (word | (word >> 16)) as u32
}

/// Eight nibbles, each in a byte of its own.
#[inline(always)]
const fn pull_apart(word: u32) -> u64 {
    let word = word as u64;
    let word = (word | (word << 16)) & 0x0000_FFFF_0000_FFFF;
    let word = (word | (word << 8)) & 0x00FF_00FF_00FF_00FF;
    (word | (word << 4)) & eight(15)
}

/// Eight ASCII digits, two in a byte.
#[inline(always)]
pub(crate) const fn pack(digits: [u8; 8]) -> [u8; 4] {
    push_together(u64::from_be_bytes(digits) & eight(15)).to_be_bytes()
}

/// The characters of packed nibbles: `0` to `9`, and `A` to `F` as upper-case letters.
#[inline(always)]
pub(crate) const fn unpack(bytes: [u8; 4]) -> [u8; 8] {
    let nibbles = pull_apart(u32::from_be_bytes(bytes));
    // 1 in each byte that is over 9; letters stand 7 further on than digits.
    let letters = (nibbles.wrapping_add(eight(6)) >> 4) & eight(1);
    nibbles.wrapping_add(eight(b'0')).wrapping_add(letters.wrapping_mul(7)).to_be_bytes()
}

/// The value of eight hexadecimal characters; `None` if one is not.
#[inline(always)]
pub(crate) const fn from_hex(characters: [u8; 8]) -> Option<u32> {
    let word = u64::from_be_bytes(characters);
    if hex_strangers(word) != 0 {
        return None;
    }
    // The bit 0x40 tells letters, whose low nibble begins at 1.
    let letters = (word >> 6) & eight(1);
    Some(push_together((word & eight(15)).wrapping_add(letters.wrapping_mul(9))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_agrees_with_its_definition_on_every_byte_and_place() {
        type Case = (fn(&[u8]) -> bool, fn(u8) -> bool, u8);
        let cases: [Case; 8] = [
            (are_digits, |byte| byte.is_ascii_digit(), b'5'),
            (are_packed, |byte| byte & 15 < 10 && byte >> 4 < 10, 0x95),
            (are_printable, |byte| (0x20..=0x7E).contains(&byte), b'~'),
            (are_letters, |byte| byte.is_ascii_alphabetic() || byte == b' ', b'Z'),
            (are_alphanumeric, |byte| byte.is_ascii_alphanumeric() || byte == b' ', b'z'),
            (are_track, |byte| byte.is_ascii_digit() || b"=DF".contains(&byte), b'D'),
            (are_packed_track, |byte| !format!("{byte:02X}").contains(['A', 'B', 'C', 'E']), 0xD5),
            (are_hex, |byte| byte.is_ascii_hexdigit(), b'f'),
        ];
        for (class, belongs, filler) in cases {
            assert!(class(&[]));
            for length in 1..50usize {
                for (at, byte) in (0..length).flat_map(|at| (0..=255u8).map(move |b| (at, b))) {
                    let mut bytes = vec![filler; length];
                    bytes[at] = byte;
                    assert_eq!(class(&bytes), belongs(byte), "{byte:#x} at {at}");
                }
            }
            for (a, b) in (0..=255u8).flat_map(|a| (0..=255u8).map(move |b| (a, b))) {
                let bytes = [filler, a, b, filler, filler, filler, filler, filler];
                assert_eq!(class(&bytes), belongs(a) && belongs(b), "{a:#x} {b:#x}");
            }
        }
    }

    #[test]
    fn digits_are_packed_and_unpacked() {
        assert_eq!(pack(*b"12345678"), [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(unpack([0x12, 0x34, 0x56, 0x78]), *b"12345678");
        assert_eq!(unpack([0x9A, 0xBC, 0xDE, 0xF0]), *b"9ABCDEF0");
    }

    #[test]
    fn hexadecimal_of_either_case_is_read() {
        assert_eq!(from_hex(*b"09aAfF1b"), Some(0x09AA_FF1B));
        for byte in 0..=255u8 {
            let expected = char::from(byte).to_digit(16);
            assert_eq!(from_hex([b'0', b'0', b'0', b'0', b'0', b'0', b'0', byte]), expected);
        }
    }
}
