//! The chain: what makes a change of the journal show.
//!
//! ```text
//! chain(n) = SHA-256( chain(before n) · n, 8 bytes, big endian · body of n ),   chain(0) = 0…0
//! ```
//!
//! "Before" is the record that was stored before; a refused one left nothing and is passed over.
//! Every record has its value beside it rather than every batch one, because that names the record
//! at fault, costs no page of its own in a commit of one record, and 33 bytes in a large one.
//!
//! Whoever can write the file can make the values anew, so some of them are signed: an
//! [`Anchor`] (Ed25519, with a key that is derived from the key file) every [`ANCHOR_RECORDS`]
//! records, every [`ANCHOR_MS`], and at a clean stop. A [`Gap`] is the same for trimmed records.
//!
//! What it does not do: records after the last anchor can be cut off unseen, and who has the key
//! file can make everything anew. Against both helps a copy of the anchors in another place.

use crate::keys::{Keys, Purpose};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use core::fmt;
use core::str::FromStr;
use veksel_core::record::RecordId;
use veksel_core::time::Utc;

/// Records after which an anchor is set, in the middle of a batch if need be. A longer stretch
/// without one is a sign that anchors were taken away.
pub const ANCHOR_RECORDS: u64 = 1_000;

/// Milliseconds between the last anchored record and a new one after which the commit of the new
/// one sets an anchor. By the records' own time.
pub const ANCHOR_MS: u64 = 60_000;

const CHAIN_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
/// Bytes before the body in what a value is the digest of.
const HEAD: usize = CHAIN_BYTES + 8;

/// The chain value after a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chain([u8; CHAIN_BYTES]);

impl Chain {
    /// Before the first record.
    pub(crate) const START: Self = Self([0; CHAIN_BYTES]);

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_hex(f, &self.0)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_hex(f, &self.0)
    }
}

/// What a chain value is the digest of, in one piece: a digest in pieces costs twice as much.
#[derive(Debug, Default)]
pub(crate) struct Preimage(Vec<u8>);

impl Preimage {
    /// Begins with what comes before the body, which is then to be appended.
    pub(crate) fn begin(&mut self, before: Chain, id: RecordId) -> &mut Vec<u8> {
        self.0.clear();
        self.0.extend_from_slice(&before.0);
        self.0.extend_from_slice(&id.0.to_be_bytes());
        &mut self.0
    }

    /// The body that was appended.
    pub(crate) fn body(&self) -> &[u8] {
        self.0.get(HEAD..).unwrap_or_default()
    }

    /// The value after it.
    pub(crate) fn chain(&self) -> Chain {
        let mut chain = Chain::START;
        for (to, from) in chain.0.iter_mut().zip(digest(&SHA256, &self.0).as_ref()) {
            *to = *from;
        }
        chain
    }

    /// The value after a record whose body is at hand.
    pub(crate) fn follow(&mut self, before: Chain, id: RecordId, body: &[u8]) -> Chain {
        self.begin(before, id).extend_from_slice(body);
        self.chain()
    }
}

/// A signature by the key file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Fits nothing.
    pub(crate) const NONE: Self = Self([0; SIGNATURE_BYTES]);

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_hex(f, &self.0)
    }
}

/// Signs, and checks what it signed. Made from the key file, like every key.
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(crate) fn new(keys: &Keys) -> Self {
        let seed = keys.secret(Purpose::Audit);
        #[expect(clippy::expect_used, reason = "a seed is refused only for its length")]
        Self(Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).expect("32 bytes"))
    }

    /// What others check a signature with.
    pub(crate) fn public(&self) -> PublicKey {
        let mut public = PublicKey([0; 32]);
        for (to, from) in public.0.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        public
    }

    pub(crate) fn anchor(&self, record: RecordId, chain: Chain, utc: Utc) -> Anchor {
        let signature = self.sign(&anchor_text(record, chain, utc));
        Anchor { record, chain, utc, signature }
    }

    pub(crate) fn gap(&self, first: RecordId, last: RecordId, before: Chain, after: Chain) -> Gap {
        let signature = self.sign(&gap_text(first, last, before, after));
        Gap { first, last, before, after, signature }
    }

    pub(crate) fn has_signed(&self, anchor: &Anchor) -> bool {
        let text = anchor_text(anchor.record, anchor.chain, anchor.utc);
        self.fits(&text, anchor.signature)
    }

    pub(crate) fn has_signed_gap(&self, gap: &Gap) -> bool {
        self.fits(&gap_text(gap.first, gap.last, gap.before, gap.after), gap.signature)
    }

    fn sign(&self, text: &[u8]) -> Signature {
        let mut signature = Signature::NONE;
        for (to, from) in signature.0.iter_mut().zip(self.0.sign(text).as_ref()) {
            *to = *from;
        }
        signature
    }

    fn fits(&self, text: &[u8], signature: Signature) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, self.0.public_key().as_ref());
        public.verify(text, &signature.0).is_ok()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(****)")
    }
}

/// The public half of the key that signs anchors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_hex(f, &self.0)
    }
}

/// A signed chain value. As text it is a line of the anchors file: the record, the chain value,
/// the time of the record in milliseconds, the signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The record it stands after.
    pub record: RecordId,
    /// The value there.
    pub chain: Chain,
    /// When that record was made.
    pub utc: Utc,
    /// Over the other three.
    pub signature: Signature,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.record.0, self.chain, self.utc.0)?;
        put_hex(f, &self.signature.0)
    }
}

/// A line is not an anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is not a record, a chain value, a time and a signature")]
pub struct NoAnchor;

impl FromStr for Anchor {
    type Err = NoAnchor;

    fn from_str(line: &str) -> Result<Self, NoAnchor> {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or(NoAnchor);
        let (record, chain, utc, signature) = (word()?, word()?, word()?, word()?);
        let number = |word: &str| word.parse().map_err(|_| NoAnchor);
        let anchor = Self {
            record: RecordId(number(record)?),
            chain: Chain(from_hex(chain).ok_or(NoAnchor)?),
            utc: Utc(number(utc)?),
            signature: Signature(from_hex(signature).ok_or(NoAnchor)?),
        };
        words.next().is_none().then_some(anchor).ok_or(NoAnchor)
    }
}

/// Records that were trimmed away, all of them between two that were not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub(crate) first: RecordId,
    pub(crate) last: RecordId,
    /// The chain value before the first.
    pub(crate) before: Chain,
    /// The chain value after the last.
    pub(crate) after: Chain,
    pub(crate) signature: Signature,
}

/// What is signed begins with what it is, so that one can never be taken for the other.
fn anchor_text(record: RecordId, chain: Chain, utc: Utc) -> Vec<u8> {
    let number = record.0.to_be_bytes();
    [b"veksel/1/anchor".as_slice(), &number, &chain.0, &utc.0.to_be_bytes()].concat()
}

fn gap_text(first: RecordId, last: RecordId, before: Chain, after: Chain) -> Vec<u8> {
    let (first, last) = (first.0.to_be_bytes(), last.0.to_be_bytes());
    [b"veksel/1/trimmed".as_slice(), &first, &last, &before.0, &after.0].concat()
}

fn put_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut out = [0; N];
    for (to, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = str::from_utf8(pair).ok()?;
        // One way to write a value: the standard library would take "+f" and "FF" too.
        let is_plain = pair.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        *to = u8::from_str_radix(pair, 16).ok().filter(|_| is_plain)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: u8) -> Signer {
        Signer::new(&Keys::new(&[secret; 32]).unwrap())
    }

    fn chain(body: &[u8]) -> Chain {
        Preimage::default().follow(Chain::START, RecordId(1), body)
    }

    #[test]
    fn a_value_depends_on_everything() {
        let one = chain(b"one");
        let mut preimage = Preimage::default();
        let all = [
            one,
            chain(b"two"),
            chain(b""),
            preimage.follow(Chain::START, RecordId(2), b"one"),
            preimage.follow(one, RecordId(1), b"one"),
        ];
        assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
        preimage.begin(Chain::START, RecordId(1)).extend_from_slice(b"one");
        assert_eq!((preimage.chain(), preimage.body()), (one, b"one".as_slice()));
        // Fixed for ever: sha256 of 32 zero bytes, 00 … 01 and "one", by another program.
        assert_eq!(one.to_string(), ONE);
    }

    const ONE: &str = "06d248ca9388b1c076a3058094c374a5dd73cac9378225829e5b316364570a50";

    #[test]
    fn an_anchor_is_a_line_and_back() {
        let anchor = signer(7).anchor(RecordId(1_000), chain(b"one"), Utc(1_795_184_887_123));
        let line = anchor.to_string();
        assert_eq!(line.parse(), Ok(anchor));
        assert_eq!(line.len(), 4 + 1 + 64 + 1 + 13 + 1 + 128);
        for wrong in ["", "1", &line[1..100], &line.to_uppercase(), &format!("{line} x")] {
            assert_eq!(wrong.parse::<Anchor>(), Err(NoAnchor), "{wrong}");
        }
    }

    #[test]
    fn a_signature_covers_every_part_and_fits_one_key() {
        let (ours, other) = (signer(7), signer(8));
        let (one, two) = (chain(b"one"), chain(b"two"));
        let anchor = ours.anchor(RecordId(5), one, Utc(9));
        assert!(ours.has_signed(&anchor) && !other.has_signed(&anchor));
        for wrong in [
            Anchor { record: RecordId(6), ..anchor },
            Anchor { chain: two, ..anchor },
            Anchor { utc: Utc(8), ..anchor },
        ] {
            assert!(!ours.has_signed(&wrong), "{wrong:?}");
        }
        let gap = ours.gap(RecordId(5), RecordId(9), one, two);
        assert!(ours.has_signed_gap(&gap) && !other.has_signed_gap(&gap));
        for wrong in [
            Gap { first: RecordId(4), ..gap },
            Gap { last: RecordId(8), ..gap },
            Gap { before: two, ..gap },
            Gap { after: one, ..gap },
        ] {
            assert!(!ours.has_signed_gap(&wrong), "{wrong:?}");
        }
        assert_ne!(ours.public(), other.public());
        assert_eq!(format!("{ours:?}"), "Signer(****)");
    }
}
