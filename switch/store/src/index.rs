//! What indexes compare: short forms of duplicate keys, card numbers and keys of callers.
//!
//! An index entry is written for every payment and read for few, so it is kept small, and laid
//! out so that new entries fall near each other: an index that is written all over costs a page
//! per entry once it outgrows memory.

use crate::bytes::put_key;
use crate::keys::Sealer;
use aws_lc_rs::digest::{SHA256, digest};
use veksel_core::record::{CardNumber, DuplicateKey};

/// Bytes of a [`key`].
pub(crate) const KEY_BYTES: usize = 20;

/// A duplicate key as the unique index holds it: DE7 and DE11 in four bytes each, then 96 bits
/// of SHA-256 over the whole key. Two different keys are taken for one only if they agree in
/// both numbers and in the digest.
pub(crate) fn key(key: &DuplicateKey, scratch: &mut Vec<u8>) -> [u8; KEY_BYTES] {
    scratch.clear();
    put_key(scratch, key);
    let digest = digest(&SHA256, scratch);
    let mut out = [0; KEY_BYTES];
    let (numbers, rest) = out.split_at_mut(8);
    numbers.copy_from_slice(&original(&key.transmission, key.stan).to_be_bytes());
    for (to, from) in rest.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// The first and the last index key that a message with this DE7 and DE11 can have. Others can
/// lie between them, if DE7 is not a number: compare the records.
pub(crate) fn keys_of_original(transmission: &str, stan: u32) -> ([u8; 20], [u8; 20]) {
    let numbers = original(transmission, stan).to_be_bytes();
    let fill = |byte| {
        let mut out = [byte; KEY_BYTES];
        for (to, from) in out.iter_mut().zip(numbers) {
            *to = from;
        }
        out
    };
    (fill(0x00), fill(0xff))
}

/// The beginning of the keyed hash of a card number, as a signed number because databases have
/// no other. Different cards can have the same: compare the records.
pub(crate) fn card(sealer: &Sealer, pan: &CardNumber) -> i64 {
    let tag = sealer.hash(pan);
    tag.as_ref().first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}

/// The beginning of what a caller knows a request by, as a signed number. Different keys can have
/// the same: compare the records.
pub(crate) fn caller_key(key: &[u8; 16]) -> i64 {
    key.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}

fn original(transmission: &str, stan: u32) -> u64 {
    let time: u32 = transmission.parse().unwrap_or(u32::MAX);
    (u64::from(time) << 32) | u64::from(stan)
}
