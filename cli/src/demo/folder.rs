//! Where a demo keeps its databases: a folder of the user's, or one that goes away with it.

use crate::output::Failure;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Names tried for a temporary folder before giving up.
const TRIES: u32 = 100;

/// A folder that exists.
pub(crate) struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// The folder that was named, made if need be; else a new one that only this user may enter.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let failed = |path: &Path, error: std::io::Error| {
            Failure::no("folder", format!("{} cannot be made: {error}", path.display()))
        };
        if let Some(path) = named {
            fs::create_dir_all(path).map_err(|error| failed(path, error))?;
            return Ok(Self { path: path.to_owned(), is_kept: true });
        }
        let temporary = std::env::temp_dir();
        for number in 0..TRIES {
            let path = temporary.join(format!("veksel-demo-{}-{number}", std::process::id()));
            match private().create(&path) {
                Ok(()) => return Ok(Self { path, is_kept: false }),
                // Somebody's, so not ours to use or to remove.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        Err(failed(&temporary, ErrorKind::AlreadyExists.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it stays when the demo ends.
    pub(crate) const fn is_kept(&self) -> bool {
        self.is_kept
    }
}

/// Writes a file that nobody else may read, over one that is there.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::no("folder", format!("{} cannot be written: {error}", path.display()))
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed now the system removes with its other temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes folders that nobody else may enter.
fn private() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_private_again_when_it_is_written_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old and longer").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_temporary_folder_goes_away_and_a_named_one_stays() {
        let folder = Folder::open(None).unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("x"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
        let outer = tempfile::tempdir().unwrap();
        let named = outer.path().join("a/b");
        drop(Folder::open(Some(&named)).unwrap());
        assert!(named.is_dir());
    }
}
