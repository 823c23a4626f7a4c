//! Digests of several parts, by which requests are known again.

use aws_lc_rs::digest::{SHA256, digest};

/// A digest of parts, each with its length, so that the end of one is not the beginning of
/// another.
pub(crate) fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut whole = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
        whole.extend_from_slice(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &whole).as_ref());
    bytes
}
