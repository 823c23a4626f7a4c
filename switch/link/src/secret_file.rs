//! Files with keys: readable by their owner only, or not read at all (guarantees 5.11).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Why a file with a key is not used.
pub(crate) enum Refused {
    /// It cannot be read.
    Unreadable(io::Error),
    /// Others than its owner may read it; its permissions.
    Exposed(u32),
}

/// The first `most` bytes of a file. Its memory is wiped when they are no longer needed.
pub(crate) fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let file = File::open(path).map_err(Refused::Unreadable)?;
    let mode = file.metadata().map_err(Refused::Unreadable)?.permissions().mode() & 0o777;
    if !veksel_config::is_private(path, mode) {
        return Err(Refused::Exposed(mode));
    }
    // With its room from the start, so that no copy is left behind as it grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or(0)));
    file.take(most).read_to_end(&mut bytes).map_err(Refused::Unreadable)?;
    Ok(bytes)
}
