//! Keys, and the card numbers they seal.
//!
//! One secret file is enough: every key is derived from it by HKDF-SHA-256 under a label of its
//! own, so that knowing one of them says nothing about another (PCI DSS 3.5.1.1, 3.6).
//!
//! A card number is sealed with AES-256-GCM under a fresh random nonce and bound to the record
//! and the participant it belongs to, so that it can be neither altered nor moved. The cipher
//! key changes every 2^24 records, which keeps random nonces far from their limit of 2^32.
//! Equality is found through a keyed hash, never through the value.
//!
//! This is not key management: who may read the file is the operator's to say, and losing it
//! makes the sealed numbers unreadable for good.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use core::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veksel_core::record::{CardNumber, RecordId};
use zeroize::Zeroizing;

/// What a key derived from the key file is for. Each purpose has a key of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The keyed hash by which card numbers are looked up.
    Index,
    /// The engine's `Plan::digest_key`.
    Digest,
    /// Signing the anchors of the audit chain.
    Audit,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It cannot be read or made.
    #[error("cannot use the key file {}: {source}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner have rights on it.
    #[error(
        "the key file {} is open to group or others (mode {mode:03o}); run chmod 600 on it",
        path.display()
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Too short to be secret or too long to be a key.
    #[error("a key file holds {SECRET_MIN} to {SECRET_MAX} bytes, this one {found}")]
    Length {
        /// Bytes in it, at most one more than allowed.
        found: usize,
    },
    /// The system has no randomness to give.
    #[error("the system gave no random bytes")]
    Random,
}

/// Why a card number could not be sealed or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// The system has no randomness to give.
    #[error("the system gave no random bytes")]
    Random,
    /// The cipher refused, which it does only for values of many gigabytes.
    #[error("the cipher refused the value")]
    Cipher,
    /// Sealed under another key file.
    #[error("it was sealed with another key file")]
    OtherKey,
    /// The bytes, the record or the participant are not those it was sealed with.
    #[error("it was altered or moved")]
    Altered,
}

/// Fewer bytes than this are not accepted as a secret.
pub const SECRET_MIN: usize = 32;

/// More bytes than this are not a key file.
pub const SECRET_MAX: usize = 1_024;

/// The secret of a key file. Wiped from memory when the last user is gone, never printed.
pub struct Keys {
    root: hkdf::Prk,
    id: [u8; 4],
}

impl Keys {
    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, has the wrong length, or others than its owner have rights on it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        refuse_exposed(path, &file)?;
        let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_MAX.saturating_add(1)));
        let limit = u64::try_from(SECRET_MAX).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut secret).map_err(fail)?;
        Self::new(&secret)
    }

    /// Makes a key file only its owner can read, and fails if there is one already. It is on
    /// disk when this returns: a key must never be younger than what it seals.
    ///
    /// # Errors
    /// There is a file of this name already, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::File { path: path.to_owned(), source };
        let mut secret = Zeroizing::new([0; SECRET_MIN]);
        rand::fill(secret.as_mut_slice()).map_err(|_| KeyError::Random)?;
        let mut file =
            private(OpenOptions::new().write(true).create_new(true)).open(path).map_err(fail)?;
        file.write_all(secret.as_slice()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        sync_parent(path).map_err(fail)?;
        Self::new(secret.as_slice())
    }

    /// Takes the secret itself.
    ///
    /// # Errors
    /// It is shorter than [`SECRET_MIN`] or longer than [`SECRET_MAX`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if !(SECRET_MIN..=SECRET_MAX).contains(&secret.len()) {
            return Err(KeyError::Length { found: secret.len() });
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"veksel").extract(secret);
        let [a, b, c, d, ..] = *expand(&root, &[b"veksel/1/id"]);
        Ok(Self { root, id: [a, b, c, d] })
    }

    /// The key for one purpose.
    #[must_use]
    pub fn secret(&self, purpose: Purpose) -> Zeroizing<[u8; 32]> {
        let label: &[u8] = match purpose {
            Purpose::Index => b"veksel/1/index",
            Purpose::Digest => b"veksel/1/digest",
            Purpose::Audit => b"veksel/1/audit",
        };
        expand(&self.root, &[label])
    }

    /// Tells key files apart and says nothing about the key.
    pub(crate) fn id(&self) -> u32 {
        u32::from_be_bytes(self.id)
    }

    /// The cipher of the segment that holds a record.
    fn cipher(&self, segment: u64) -> Result<LessSafeKey, SealError> {
        let key = expand(&self.root, &[b"veksel/1/pan/", &segment.to_be_bytes()]);
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| SealError::Cipher)?;
        Ok(LessSafeKey::new(key))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(****)")
    }
}

/// Where nonces come from. Outside tests that is [`SystemNonces`] and nothing else: a nonce that
/// occurs twice under one key gives both card numbers away.
pub trait NonceSource: Send {
    /// A nonce that was never given before.
    ///
    /// # Errors
    /// There is no randomness to be had.
    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], SealError>;
}

/// Nonces from the random generator of the system.
#[derive(Debug)]
pub struct SystemNonces;

impl NonceSource for SystemNonces {
    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Random)?;
        Ok(nonce)
    }
}

/// A card number that only a [`Sealer`] with the same keys can open.
pub(crate) struct Sealed<'a> {
    /// Tells key files apart; says nothing about the key.
    pub(crate) key: [u8; 4],
    pub(crate) nonce: [u8; NONCE_LEN],
    /// Ciphertext and tag.
    pub(crate) text: &'a [u8],
}

/// Seals and opens card numbers. Every connection has one; it remembers the cipher it used last.
pub struct Sealer {
    keys: Arc<Keys>,
    index: hmac::Key,
    nonces: Box<dyn NonceSource>,
    segment: Option<(u64, LessSafeKey)>,
    bound: Vec<u8>,
    text: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// A sealer with random nonces.
    #[must_use]
    pub fn new(keys: Arc<Keys>) -> Self {
        Self::with_nonces(keys, Box::new(SystemNonces))
    }

    /// A sealer whose nonces come from elsewhere. For golden tests.
    #[must_use]
    pub fn with_nonces(keys: Arc<Keys>, nonces: Box<dyn NonceSource>) -> Self {
        let index = hmac::Key::new(hmac::HMAC_SHA256, keys.secret(Purpose::Index).as_slice());
        let text = Zeroizing::new(Vec::with_capacity(64));
        Self { keys, index, nonces, segment: None, bound: Vec::new(), text }
    }

    /// The keyed hash by which records with this card are found.
    pub(crate) fn hash(&self, pan: &CardNumber) -> hmac::Tag {
        hmac::sign(&self.index, pan.expose().as_bytes())
    }

    pub(crate) fn seal(
        &mut self,
        id: RecordId,
        participant: &str,
        pan: &CardNumber,
    ) -> Result<Sealed<'_>, SealError> {
        let nonce = self.nonces.nonce()?;
        self.bind(id, participant, self.keys.id);
        self.text.clear();
        self.text.extend_from_slice(pan.expose().as_bytes());
        let cipher = cipher(&self.keys, &mut self.segment, id)?;
        let tag = cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&self.bound),
                self.text.as_mut_slice(),
            )
            .map_err(|_| SealError::Cipher)?;
        self.text.extend_from_slice(tag.as_ref());
        Ok(Sealed { key: self.keys.id, nonce, text: self.text.as_slice() })
    }

    pub(crate) fn unseal(
        &mut self,
        id: RecordId,
        participant: &str,
        sealed: &Sealed<'_>,
    ) -> Result<CardNumber, SealError> {
        if sealed.key != self.keys.id {
            return Err(SealError::OtherKey);
        }
        self.bind(id, participant, sealed.key);
        self.text.clear();
        self.text.extend_from_slice(sealed.text);
        let cipher = cipher(&self.keys, &mut self.segment, id)?;
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let digits = cipher
            .open_in_place(nonce, Aad::from(&self.bound), self.text.as_mut_slice())
            .map_err(|_| SealError::Altered)?;
        let pan = str::from_utf8(digits).map_err(|_| SealError::Altered).map(CardNumber::new);
        zeroize::Zeroize::zeroize(&mut *self.text);
        pan
    }

    /// What a sealed value is bound to. The participant is last, so its end needs no mark.
    fn bind(&mut self, id: RecordId, participant: &str, key: [u8; 4]) {
        self.bound.clear();
        self.bound.extend_from_slice(b"veksel/1/pan");
        self.bound.extend_from_slice(&id.0.to_be_bytes());
        self.bound.extend_from_slice(&key);
        self.bound.extend_from_slice(participant.as_bytes());
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(****)")
    }
}

/// Records that share a cipher key, as a power of two.
const SEGMENT_BITS: u32 = 24;

fn cipher<'a>(
    keys: &Keys,
    used_last: &'a mut Option<(u64, LessSafeKey)>,
    id: RecordId,
) -> Result<&'a LessSafeKey, SealError> {
    let segment = id.0 >> SEGMENT_BITS;
    let entry = match used_last.take() {
        Some(entry) if entry.0 == segment => entry,
        Some(_) | None => (segment, keys.cipher(segment)?),
    };
    Ok(&used_last.insert(entry).1)
}

struct Len32;

impl hkdf::KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

fn expand(root: &hkdf::Prk, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "HKDF refuses only more than 255 blocks; this is one")]
    root.expand(info, Len32).and_then(|okm| okm.fill(key.as_mut_slice())).expect("one block");
    key
}

/// Makes a file that is created readable by its owner only.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        file.metadata().map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    Err(KeyError::Exposed { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), KeyError> {
    Ok(())
}

/// Makes the name of a new file durable, not only its content.
#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}
