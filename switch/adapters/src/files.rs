//! What stands in files: certificates, keys, secrets. A file with a secret in it that others than
//! its owner may read is not used.

use crate::adapters::AdapterError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use veksel_config::bridge::SecretSource;
use veksel_core::enquiry::Secret;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

/// Longest file that is read.
const FILE_MAX: u64 = 4 << 20;

/// A secret from where it stands. White space around it is not part of it.
///
/// # Errors
///
/// If it is not there, is empty, is no text, or stands in a file that others may read. The reason
/// names the place and never the content.
pub fn read_secret(source: &SecretSource) -> Result<Secret, AdapterError> {
    let (place, text) = match source {
        SecretSource::File(path) => {
            let place = format!("the file {}", path.display());
            let bytes = private(path)?;
            let text = core::str::from_utf8(&bytes)
                .map_err(|_| AdapterError::Secret { place: place.clone(), why: "is no text" })?;
            (place, Zeroizing::new(text.trim().to_owned()))
        }
        SecretSource::Env(name) => {
            let place = format!("the environment variable {name}");
            let text = std::env::var(name)
                .map_err(|_| AdapterError::Secret { place: place.clone(), why: "is not set" })?;
            (place, Zeroizing::new(text.trim().to_owned()))
        }
    };
    if text.is_empty() {
        return Err(AdapterError::Secret { place, why: "is empty" });
    }
    Ok(Secret::new(text.as_str()))
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AdapterError> {
    let wrong = |why| AdapterError::Content { path: path.to_owned(), why };
    let text = read(path, open(path)?)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| wrong("a certificate in it is damaged"))?;
    if all.is_empty() { Err(wrong("there is no certificate in it")) } else { Ok(all) }
}

/// When the first of these certificates ends, in Unix seconds. `path` is where they stand.
pub(crate) fn not_after(
    path: &Path,
    chain: &[CertificateDer<'static>],
) -> Result<i64, AdapterError> {
    let wrong = |_| {
        let why = "a certificate in it is damaged";
        AdapterError::Content { path: path.to_owned(), why }
    };
    let mut first = i64::MAX;
    for certificate in chain {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(wrong)?;
        first = first.min(parsed.validity().not_after.timestamp());
    }
    Ok(first)
}

/// The key of a file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, AdapterError> {
    let text = private(path)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| AdapterError::Content { path: path.to_owned(), why: "there is no key in it" })
}

/// What stands in a file that nobody but its owner may read.
pub(crate) fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, AdapterError> {
    let file = open(path)?;
    let meta = file.metadata().map_err(|error| unreadable(path, error))?;
    if !veksel_config::is_private(path, meta.permissions().mode()) {
        let why = "others than its owner may read it (chmod 600)";
        return Err(AdapterError::Content { path: path.to_owned(), why });
    }
    read(path, file)
}

fn open(path: &Path) -> Result<File, AdapterError> {
    File::open(path).map_err(|error| unreadable(path, error))
}

fn read(path: &Path, file: File) -> Result<Zeroizing<Vec<u8>>, AdapterError> {
    let length = file.metadata().map_or(0, |meta| meta.len()).min(FILE_MAX);
    let room = usize::try_from(length).unwrap_or(0).saturating_add(1);
    // With its room from the start, so that no copy is left behind as it grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let mut bounded = file.take(FILE_MAX);
    bounded.read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    Ok(bytes)
}

fn unreadable(path: &Path, source: std::io::Error) -> AdapterError {
    AdapterError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(text: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_is_its_file_without_the_white_space() {
        let file = file(b" hidden\n", 0o600);
        let secret = read_secret(&SecretSource::File(file.path().to_owned())).unwrap();
        assert_eq!(secret.expose(), "hidden");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        for (text, mode, why) in [
            (&b"hidden"[..], 0o644, "others than its owner"),
            (b" \n", 0o600, "is empty"),
            (b"\xff\xfe", 0o600, "is no text"),
        ] {
            let file = file(text, mode);
            let error = read_secret(&SecretSource::File(file.path().to_owned())).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains(why), "{shown}");
            assert!(!shown.contains("hidden"));
        }
        let nowhere = SecretSource::Env("VEKSEL_NOBODY_SETS_THIS".to_owned());
        let shown = read_secret(&nowhere).unwrap_err().to_string();
        assert!(shown.contains("VEKSEL_NOBODY_SETS_THIS is not set"), "{shown}");
    }

    #[test]
    fn a_file_without_a_certificate_or_key_is_refused() {
        let file = file(b"nothing", 0o600);
        assert!(certificates(file.path()).is_err());
        assert!(key(file.path()).is_err());
        assert!(certificates(Path::new("does-not-exist.pem")).is_err());
    }
}
