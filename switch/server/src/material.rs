//! What a switch is made from beside its configuration: dialects and secrets, from files.

use crate::start::StartError;
use std::path::Path;
use std::{fs, io};
use veksel_codecs::Dialect;
use veksel_config::bridge::{KycConfig, KycProvider, SecretSource};
use veksel_config::{DialectName, SocketConfig, SwitchConfig};
use veksel_core::enquiry::Secret;
use veksel_store::{KeyError, Keys};

/// The dialects of the sockets, in their order.
pub(crate) fn dialects(config: &SwitchConfig) -> Result<Vec<Dialect>, StartError> {
    config.sockets.iter().map(dialect).collect()
}

/// The dialect a socket speaks.
pub(crate) fn dialect(socket: &SocketConfig) -> Result<Dialect, StartError> {
    let wrong = |error: &dyn std::fmt::Display| StartError::Dialect(error.to_string());
    match socket.dialect() {
        DialectName::Shipped(name) => Dialect::shipped(name).map_err(|error| wrong(&error)),
        DialectName::File(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| wrong(&format_args!("{}: {error}", path.display())))?;
            Dialect::parse(&text).map_err(|error| wrong(&error))
        }
    }
}

/// The secret keys; made at the first start.
pub(crate) fn keys(path: &Path) -> Result<Keys, KeyError> {
    match Keys::load(path) {
        Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            tracing::info!(path = %path.display(), "making the key file; keep it safe and apart");
            Keys::create(path)
        }
        other => other,
    }
}

/// The secret behind a setting, without white space around it.
///
/// # Errors
/// It cannot be read, or there is none. Says where it was looked for, never what was there.
pub(crate) fn secret(source: &SecretSource) -> Result<Secret, String> {
    veksel_adapters::read_secret(source).map_err(|error| error.to_string())
}

/// The secrets that webhooks of the provider of identity checks are verified with: one for each
/// file, or those of a variable, separated by commas. If the variable is not set, it is the key
/// that signs our requests.
///
/// # Errors
/// One of them cannot be read, or there is none.
pub(crate) fn webhook_secrets(kyc: &KycConfig) -> Result<Vec<Secret>, String> {
    let is_unset = |source: &SecretSource| match source {
        SecretSource::Env(name) => std::env::var_os(name).is_none(),
        SecretSource::File(_) => false,
    };
    // Didit signs its webhooks by a secret of their own, and our requests by none.
    let has_key = kyc.provider == KycProvider::Sumsub;
    if has_key && kyc.webhook_secrets.iter().all(is_unset) {
        return secret(&kyc.secret_key).map(|secret| vec![secret]);
    }
    let mut secrets = Vec::new();
    for source in &kyc.webhook_secrets {
        let whole = secret(source)?;
        match source {
            SecretSource::File(_) => secrets.push(whole),
            SecretSource::Env(_) => {
                secrets.extend(listed(whole.expose()).into_iter().map(Secret::new));
            }
        }
    }
    if secrets.is_empty() { Err("there are only commas".to_owned()) } else { Ok(secrets) }
}

/// What stands between commas.
fn listed(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn webhooks_have_secrets_of_their_own_or_the_key_of_requests() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            SecretSource::File(path)
        };
        let unset = || SecretSource::Env("VEKSEL_TEST_OF_A_SECRET".into());
        // The one variable that every test process has.
        let set = || SecretSource::Env("CARGO_MANIFEST_DIR".into());
        let read = |webhook_secrets| {
            let kyc = KycConfig {
                provider: KycProvider::Sumsub,
                call: veksel_config::bridge::CallConfig::at("https://kyc.example"),
                app_token: unset(),
                secret_key: file("key", "key"),
                webhook_secrets,
                allow_sha1: false,
                level: String::new(),
                token_seconds: 60,
                risk_labels: Vec::new(),
                posts_max: 50,
                gets_max: 300,
            };
            let found = super::webhook_secrets(&kyc)?;
            Ok::<_, String>(found.iter().map(|s| s.expose().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read(vec![unset()]), Ok(vec!["key".to_owned()]));
        assert_eq!(read(Vec::new()), Ok(vec!["key".to_owned()]));
        let two = vec![file("old", "old\n"), file("new", "new,er\n")];
        assert_eq!(read(two), Ok(vec!["old".to_owned(), "new,er".to_owned()]));
        assert_eq!(read(vec![set()]), Ok(vec![env!("CARGO_MANIFEST_DIR").to_owned()]));
        assert!(read(vec![file("empty", "")]).unwrap_err().ends_with("is empty"));
    }

    #[test]
    fn lists_of_secrets_are_taken_apart() {
        assert_eq!(listed("a, b,,"), ["a", "b"]);
        assert_eq!(listed(" , "), Vec::<&str>::new());
    }

    #[test]
    fn a_secret_is_read_from_a_file_of_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            secret(&SecretSource::File(path.clone())).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(read(" hush \n", 0o600), Ok("hush".to_owned()));
        let exposed = read("hush", 0o640).unwrap_err();
        assert!(exposed.contains("others") && !exposed.contains("hush"), "{exposed}");
        assert!(read("\n", 0o600).unwrap_err().ends_with("is empty"));
        drop(folder);
        assert!(secret(&SecretSource::File(path)).is_err());
        let unset = SecretSource::Env("VEKSEL_TEST_OF_A_SECRET".into());
        assert_eq!(
            secret(&unset),
            Err("the environment variable VEKSEL_TEST_OF_A_SECRET is not set".to_owned())
        );
    }
}
