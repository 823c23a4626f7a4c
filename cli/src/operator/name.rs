//! Who decides, for the audit trail: as somebody said, as the shell has it, or as the system knows
//! the user of this process.
//!
//! Where no shell has begun, as under cron and in containers, the variables are not there. The list
//! of users is read as a file: a user that only a directory service knows is `uid N`.

use crate::output::Failure;
use std::path::Path;

/// Where users have names.
const USERS: &str = "/etc/passwd";

/// The name to decide under.
///
/// # Errors
/// When an empty one was given.
pub(crate) fn name(given: Option<&str>) -> Result<String, Failure> {
    if let Some(given) = given {
        let name = given.trim();
        return match name {
            "" => Err(Failure::usage("--operator must say something")),
            name => Ok(name.to_owned()),
        };
    }
    let uid = rustix::process::geteuid().as_raw();
    Ok(known(|name| std::env::var(name).ok(), Path::new(USERS), uid))
}

fn known(variable: impl Fn(&str) -> Option<String>, users: &Path, uid: u32) -> String {
    let said = ["USER", "LOGNAME"].into_iter().filter_map(variable);
    let said = said.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
    said.or_else(|| listed(&std::fs::read(users).ok()?, uid))
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// The name of a user in lines of `name:password:uid:…`.
fn listed(users: &[u8], uid: u32) -> Option<String> {
    String::from_utf8_lossy(users).lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next().filter(|name| !name.trim().is_empty())?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Exit;

    #[test]
    fn a_name_is_found_where_no_shell_says_it() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("passwd");
        std::fs::write(
            &users,
            "root:x:0:0:root:/root:/bin/sh\n# \n\nida:x:1000:1000::/:/x\n:x:7:\n",
        )
        .unwrap();
        let nowhere = folder.path().join("nowhere");
        for (user, logname, users, uid, expected) in [
            (Some("eva"), Some("ola"), &users, 1000, "eva"),
            (None, Some("ola"), &users, 1000, "ola"),
            (Some(" "), None, &users, 1000, "ida"),
            (None, None, &users, 0, "root"),
            (None, None, &users, 7, "uid 7"),
            (None, None, &users, 4711, "uid 4711"),
            (None, None, &nowhere, 1000, "uid 1000"),
        ] {
            let variable = |name: &str| match name {
                "USER" => user.map(str::to_owned),
                "LOGNAME" => logname.map(str::to_owned),
                _ => None,
            };
            assert_eq!(known(variable, users, uid), expected);
        }
    }

    #[test]
    fn what_is_given_goes_first_and_says_something() {
        assert_eq!(name(Some(" eva ")).unwrap(), "eva");
        assert!(matches!(name(Some(" ")), Err(Failure::Said { exit: Exit::Usage, .. })));
        assert!(!name(None).unwrap().is_empty());
    }
}
