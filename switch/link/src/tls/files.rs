//! PEM files: certificates, private keys and revocation lists.

use super::TlsError;
use crate::secret_file::{self, Refused};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroize;

/// Longest file with certificates that is read.
const CERTIFICATES_MAX: u64 = 4 << 20;

/// Longest revocation list that is read: about half a million entries.
const CRL_MAX: u64 = 32 << 20;

/// Longest file with a private key that is read.
const KEY_MAX: u64 = 64 << 10;

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text(path, CERTIFICATES_MAX)?;
    sections(path, "certificate", CertificateDer::pem_slice_iter(&text))
}

/// The revocation lists of several files, at least one in each.
pub(super) fn crls<'p>(
    paths: impl IntoIterator<Item = &'p std::path::PathBuf>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for path in paths {
        let text = text(path, CRL_MAX)?;
        let lists = CertificateRevocationListDer::pem_slice_iter(&text);
        all.extend(sections(path, "revocation list", lists)?);
    }
    Ok(all)
}

/// A certificate with those behind it, and its key.
pub(super) fn certified_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let text = secret_file::read(key, KEY_MAX).map_err(|refused| match refused {
        Refused::Unreadable(source) => TlsError::Read { path: key.to_owned(), source },
        Refused::Exposed(mode) => TlsError::Exposed { path: key.to_owned(), mode },
    })?;
    let not_a_key =
        |why: String| TlsError::Content { path: key.to_owned(), expected: "private key", why };
    // What is wrong inside is not told: it may be part of the key.
    let mut der = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        not_a_key(match error {
            pem::Error::NoItemsFound => "there is none".to_owned(),
            _ => "it is damaged".to_owned(),
        })
    })?;
    let signing = any_supported_type(&der);
    der.zeroize();
    let signing = signing.map_err(|_| not_a_key("it is of no kind that is known".to_owned()))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(TlsError::Content {
            path: certificate.to_owned(),
            expected: "certificate",
            why: error.to_string(),
        }),
    }
}

fn sections<T>(
    path: &Path,
    expected: &'static str,
    items: impl Iterator<Item = Result<T, pem::Error>>,
) -> Result<Vec<T>, TlsError> {
    let wrong = |why: String| TlsError::Content { path: path.to_owned(), expected, why };
    let all = items.collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| wrong("a section of it is damaged".to_owned()))?;
    if all.is_empty() { Err(wrong("there is none".to_owned())) } else { Ok(all) }
}

fn text(path: &Path, most: u64) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > most {
        let source = std::io::Error::other(format!("it is longer than {most} bytes"));
        return Err(unreadable(source));
    }
    Ok(text)
}
