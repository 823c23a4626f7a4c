//! Whether a file with a secret is for its reader alone (guarantees 5.11).

use std::path::Path;

/// Whether nobody but its owner may read a file with these permissions.
///
/// In the folder in which systemd puts what `LoadCredential=` names, and which only the service
/// sees, the group may have the right to read: where the folder keeps access lists the file is
/// root's, one user is let in by a list, and what looks like the group's right is the list's mask.
#[must_use]
pub fn is_private(path: &Path, mode: u32) -> bool {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
    is_private_in(folder.as_deref().map(Path::new), path, mode)
}

fn is_private_in(credentials: Option<&Path>, path: &Path, mode: u32) -> bool {
    let is_credential = credentials.is_some_and(|folder| {
        folder.is_absolute() && path.parent().is_some_and(|parent| parent == folder)
    });
    let forbidden = if is_credential { 0o037 } else { 0o077 };
    mode & forbidden == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_reads_and_a_credential_of_the_service_may_look_otherwise() {
        let folder = Path::new("/run/credentials/veksel.service");
        let credential = folder.join("http-token");
        let elsewhere = Path::new("/etc/veksel/http-token");
        for (mode, own, of_systemd) in [
            (0o400, true, true),
            (0o600, true, true),
            (0o440, false, true),
            (0o640, false, true),
            (0o460, false, false),
            (0o444, false, false),
            (0o404, false, false),
        ] {
            assert_eq!(is_private_in(Some(folder), elsewhere, mode), own, "{mode:o}");
            assert_eq!(is_private_in(None, &credential, mode), own, "{mode:o}");
            assert_eq!(is_private_in(Some(folder), &credential, mode), of_systemd, "{mode:o}");
            let below = folder.join("more/http-token");
            assert_eq!(is_private_in(Some(folder), &below, mode), own, "{mode:o}");
            assert_eq!(is_private_in(Some(Path::new("")), Path::new("token"), mode), own);
        }
    }
}
