//! The CA and the certificates of the test provider as files, for a switch to use.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Authority, CaError, Issued, Purpose, Role, Wanted};

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// What a client of the sandboxes trusts.
    pub ca: PathBuf,
    /// The provider's QWAC and its key.
    pub qwac: (PathBuf, PathBuf),
    /// The provider's QSEAL and its key.
    pub qseal: (PathBuf, PathBuf),
}

impl Authority {
    /// Takes the CA that is in a folder, or makes one, and a QWAC and a QSEAL with the roles of
    /// payment initiation, account information and card issuing. What is there is not written
    /// over. Only the owner may read keys.
    ///
    /// # Errors
    /// A file cannot be read or written, or half a pair is there.
    pub fn in_folder(folder: &Path) -> Result<(Self, Files), CaError> {
        fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
        let authority = match kept(folder, "ca")? {
            Some(pair) => Self::kept(&pair)?,
            None => {
                let authority = Self::new()?;
                keep(folder, "ca", &authority.to_keep())?;
                authority
            }
        };
        let roles = [Role::PaymentInitiation, Role::AccountInformation, Role::CardIssuing];
        for (name, purpose) in [("qwac", Purpose::Web), ("qseal", Purpose::Seal)] {
            if kept(folder, name)?.is_none() {
                keep(folder, name, &authority.issue(&Wanted::of(purpose, &roles))?)?;
            }
        }
        let pair = |name: &str| paths(folder, name);
        Ok((authority, Files { ca: pair("ca").0, qwac: pair("qwac"), qseal: pair("qseal") }))
    }
}

fn paths(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

fn kept(folder: &Path, name: &str) -> Result<Option<Issued>, CaError> {
    let (certificate, key) = paths(folder, name);
    match (certificate.exists(), key.exists()) {
        (false, false) => Ok(None),
        (true, true) => {
            let read = |path: &Path| fs::read_to_string(path).map_err(|error| fault(path, &error));
            Ok(Some(Issued { certificate: read(&certificate)?, key: read(&key)? }))
        }
        (is_there, _) => {
            let missing = if is_there { key } else { certificate };
            Err(fault(&missing, &"is missing, though its counterpart is there"))
        }
    }
}

fn keep(folder: &Path, name: &str, issued: &Issued) -> Result<(), CaError> {
    let (certificate, key) = paths(folder, name);
    for (path, text, mode) in [(certificate, &issued.certificate, 0o644), (key, &issued.key, 0o600)]
    {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| fault(&path, &error))?;
    }
    Ok(())
}

fn fault(path: &Path, what: &dyn std::fmt::Display) -> CaError {
    CaError::File { path: path.display().to_string(), what: what.to_string() }
}
