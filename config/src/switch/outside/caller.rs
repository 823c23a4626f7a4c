//! Who may ask over HTTP for what channels ask in messages (`[[caller]]`).

use super::CallerConfig;
use super::kinds::optional_secret;
use crate::bridge::{PERMISSIONS, SecretSource};
use crate::findings::Found;
use crate::section::{Missing, Section};
use crate::suggest::nearest;
use veksel_core::plan::ParticipantId;

/// One caller.
pub(in crate::switch) struct Caller {
    pub(in crate::switch) name: Found<String>,
    pub(in crate::switch) participant: Found<String>,
    key: Option<SecretSource>,
    permissions: Vec<String>,
    acquirer: String,
    terminal: String,
    acceptor: String,
    currency: String,
}

impl Caller {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let name = section.name("name", "\"app\"");
        let participant = section.name("participant", "\"app\"");
        let key = optional_secret(&mut section, ["key_file", "key_env"], "");
        let expected = "permissions such as \"account_balance\", or \"*\" for all";
        let permissions =
            section.list("permissions", None, expected, permission, |name| (*name).to_owned());
        let permissions = permissions.value.into_iter().flat_map(|item| match item.value {
            "*" => PERMISSIONS.to_vec(),
            name => vec![name],
        });
        let mut permissions: Vec<String> = permissions.map(str::to_owned).collect();
        permissions.sort_unstable();
        permissions.dedup();
        let printable = |most: usize| {
            move |text: &str| {
                let fits = (1..=most).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
                    && text.trim() == text;
                fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
            }
        };
        let digits = |text: &str| {
            let fits = text.len() <= 11 && text.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| text.to_owned()).ok_or_else(|| "DE32 cannot hold it".to_owned())
        };
        let missing = Missing::Default(String::new());
        let expected = "up to 11 digits in quotes";
        let acquirer = section.parsed("acquirer", missing, expected, digits, String::clone);
        let missing = Missing::Default("HTTP0001".to_owned());
        let expected = "1 to 8 characters without spaces around them";
        let terminal = section.parsed("terminal", missing, expected, printable(8), String::clone);
        let missing = Missing::Default("HTTP".to_owned());
        let expected = "1 to 15 characters without spaces around them";
        let acceptor = section.parsed("acceptor", missing, expected, printable(15), String::clone);
        let currency = |text: &str| {
            let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| text.to_owned()).ok_or_else(|| "DE49 cannot hold it".to_owned())
        };
        let missing = Missing::Default("578".to_owned());
        let expected = "the three digits of ISO 4217 in quotes";
        let currency = section.parsed("currency", missing, expected, currency, String::clone);
        Self {
            name,
            participant,
            key,
            permissions,
            acquirer: acquirer.value,
            terminal: terminal.value,
            acceptor: acceptor.value,
            currency: currency.value,
        }
    }

    /// Whether it may come with a key.
    pub(in crate::switch) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// With the institution of the switch where it names none.
    pub(in crate::switch) fn config(
        &self,
        participant: ParticipantId,
        institution: &str,
    ) -> CallerConfig {
        let own = &self.acquirer;
        CallerConfig {
            name: self.name.value.clone(),
            participant,
            key: self.key.clone(),
            permissions: self.permissions.clone(),
            acquirer: if own.is_empty() { institution.to_owned() } else { own.clone() },
            terminal: self.terminal.clone(),
            acceptor: self.acceptor.clone(),
            currency: self.currency.clone(),
        }
    }
}

/// One of them, or `*`.
fn permission(text: &str) -> Result<&'static str, String> {
    let mut known = PERMISSIONS.into_iter().chain(["*"]);
    known.find(|name| *name == text).ok_or_else(|| match nearest(text, &PERMISSIONS) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "there is no such permission".to_owned(),
    })
}
