//! A hash function for tables whose keys nobody outside chooses: transactions that were numbered
//! here, and names from the configuration.
//!
//! It costs a multiplication for eight bytes, and whoever chose the keys could make them collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table with such keys.
pub(crate) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// Everything so far, folded together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quick(u64);

/// Odd, and without a pattern in its bits: the fraction of the square root of 7.
const FACTOR: u64 = 0xa54f_f53a_5f1d_36f1;

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.write_u64(chunk.try_into().map_or(0, u64::from_le_bytes));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        // One bit more than the word, so that a zero is not nothing.
        let product = u128::from(self.0 ^ word ^ (1 << 63)) * u128::from(FACTOR);
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        self.0 = u64::try_from(low ^ high).unwrap_or(0);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn keys_that_follow_each_other_spread() {
        let build = BuildHasherDefault::<Quick>::default();
        // What a table looks at first: the lowest bits for the place, the highest for a mark.
        let numbers: HashSet<u64> = (0..4_096_u64).map(|n| build.hash_one(n) & 0xfff).collect();
        assert!(numbers.len() > 2_400, "{}", numbers.len());
        let marks: HashSet<u64> = (0..4_096_u64).map(|n| build.hash_one(n) >> 57).collect();
        assert_eq!(marks.len(), 128);
        let names: HashSet<u64> =
            (0..1_000).map(|n| build.hash_one(format!("channel-{n}").as_str())).collect();
        assert_eq!(names.len(), 1_000);
        let short = ["", "0", "00", "000", "a", "b", "ab", "ba", "12345678", "123456789"];
        let short: HashSet<u64> = short.iter().map(|name| build.hash_one(name)).collect();
        assert_eq!(short.len(), 10);
    }
}
