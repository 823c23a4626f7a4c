//! Chance, from the one source of the cryptographic library.

use aws_lc_rs::rand;

/// Bytes nobody can guess.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It fails only if the operating system has no randomness at all; then ids are not unique,
    // which providers refuse, rather than the process ending.
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the operating system has no randomness");
    }
    bytes
}

/// A number from 0 to `most`, both included.
pub(crate) fn up_to(most: u64) -> u64 {
    let chance = u64::from_le_bytes(bytes());
    most.checked_add(1).map_or(chance, |count| chance % count)
}

/// A new version 4 UUID in its usual form.
pub(crate) fn uuid() -> String {
    let mut bytes: [u8; 16] = bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    hyphenated(&bytes)
}

/// A UUID in its usual form.
pub(crate) fn hyphenated(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, *byte);
    }
    text
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        push_hex(&mut text, *byte);
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 15] {
        text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
    }
}

/// The bytes behind hexadecimal digits; `None` if they are none.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().as_chunks::<2>();
    if !pairs.1.is_empty() {
        return None;
    }
    let bytes = pairs.0.iter().map(|[high, low]| {
        let (high, low) = (digit(*high)?, digit(*low)?);
        u8::try_from(high * 16 + low).ok()
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_as_one() {
        let uuid = uuid();
        let shape: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        assert_ne!(uuid, super::uuid());
    }

    #[test]
    fn a_key_is_written_in_five_groups() {
        let key = *b"\x91\xba\x7c\x09\x59\xbb\x54\xa4\x8f\xf2\x8f\x2a\x2f\xb4\xe6\x88";
        assert_eq!(hyphenated(&key), "91ba7c09-59bb-54a4-8ff2-8f2a2fb4e688");
        assert_eq!(hex(&key[..3]), "91ba7c");
    }

    #[test]
    fn jitter_stays_in_its_bounds() {
        assert_eq!(up_to(0), 0);
        assert!((0..1_000).all(|_| up_to(7) <= 7));
        assert!((0..1_000).any(|_| up_to(7) == 7), "the bound is part of it");
    }
}
