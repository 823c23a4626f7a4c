//! Where a configuration comes from: a file, then the environment, then flags.
//!
//! A later one overrides an earlier one, value by value. Nothing is parsed here.

use crate::problem::{Problem, Problems, Severity};
use std::path::{Path, PathBuf};

/// What variables of the environment that are settings begin with.
const PREFIX: &str = "VEKSEL_";

/// How the one variable about banks ends that is no secret.
const CALLBACK: &str = "_CALLBACK_URL";

/// Longest configuration file in bytes. A larger one is a mistake, such as the name of a log.
const FILE_MAX: usize = 1 << 20;

/// A file, variables and flags, not yet looked at.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) text: String,
    pub(crate) variables: Vec<Given>,
    pub(crate) flags: Vec<Given>,
    pub(crate) dialects: Option<Vec<String>>,
}

/// One value from outside the file.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// As it was given, `VEKSEL_ADMIN__LISTEN` or `admin.listen`.
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Source {
    /// Text that is no file; relative paths in it stay as they are.
    #[must_use]
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            folder: PathBuf::new(),
            text: text.into(),
            variables: Vec::new(),
            flags: Vec::new(),
            dialects: None,
        }
    }

    /// A file. Relative paths in it start from its folder.
    ///
    /// # Errors
    /// When it cannot be read, is larger than 1 MiB or is not UTF-8.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Problems> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| unreadable(&name, &format!("cannot be read: {error}")))?;
        if bytes.len() > FILE_MAX {
            return Err(unreadable(&name, &format!("is larger than {FILE_MAX} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            unreadable(&name, &format!("is not UTF-8: the byte at {offset} begins no character"))
        })?;
        Ok(Self::text(name, text).folder(path.parent().unwrap_or(Path::new(""))))
    }

    /// Where relative paths start.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Variables as names and values; those without the prefix `VEKSEL_` are passed over, but for
    /// `SERVICE_MODE`, `NEXT_PUBLIC_SERVICE_MODE`, `SUMSUB_API_URL` and `BANKID_*`, which say what
    /// nothing else does, and for `OPENBANKING_…` and `OB_<BANK>_…`, which say where a bank sends
    /// its customers back to. That others of these are there is noted, and not what they say.
    #[must_use]
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        self.variables.extend(
            variables
                .into_iter()
                .map(|(name, value)| Given { name: name.into(), value: value.into() })
                .filter(|given| {
                    let is_ours = given.name.starts_with(PREFIX) || given.alias().is_some();
                    is_ours || given.is_of_banks()
                })
                .map(|given| match given.is_of_banks() && !given.name.ends_with(CALLBACK) {
                    true => Given { value: String::new(), ..given },
                    false => given,
                }),
        );
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// The variables of this process. One that is not Unicode cannot be a setting.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self.environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_str()?.to_owned()))
        }))
    }

    /// Flags as dotted paths and values, without dashes; of two for one path the last counts.
    #[must_use]
    pub fn flags<N, V>(mut self, flags: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let flags = flags.into_iter();
        self.flags
            .extend(flags.map(|(name, value)| Given { name: name.into(), value: value.into() }));
        self
    }

    /// The dialects the binary carries. Without this call names of dialects are not checked.
    #[must_use]
    pub fn known_dialects(mut self, names: &[&str]) -> Self {
        self.dialects = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }
}

impl Given {
    /// The path that a variable means, in lower case; `None` if it is no setting.
    ///
    /// Every setting stands in a section, so a name without `__` belongs to somebody else, such as
    /// the `VEKSEL_SERVICE_HOST` that Kubernetes sets.
    pub(crate) fn variable_path(&self) -> Option<Vec<String>> {
        let path = self.name.strip_prefix(PREFIX)?.to_ascii_lowercase();
        path.contains("__").then(|| path.split("__").map(str::to_owned).collect())
    }

    /// Whether it says something of one bank, or of all.
    fn is_of_banks(&self) -> bool {
        self.name.starts_with("OPENBANKING_") || self.name.starts_with("OB_")
    }

    /// The setting that a variable of another name means: section and key.
    pub(crate) fn alias(&self) -> Option<(&'static str, &'static str)> {
        match self.name.as_str() {
            "SERVICE_MODE" | "NEXT_PUBLIC_SERVICE_MODE" => Some(("switch", "service_mode")),
            "ALLOW_MOCK_IN_PROD" => Some(("switch", "allow_mock_in_prod")),
            "SUMSUB_API_URL" => Some(("kyc", "url")),
            "BANKID_MOCK" => Some(("identity", "mock")),
            "BANKID_DISCOVERY_URL" => Some(("identity", "discovery_url")),
            "BANKID_ISSUER" => Some(("identity", "issuer")),
            "BANKID_AUTHORIZE_URL" => Some(("identity", "authorize_url")),
            "BANKID_TOKEN_URL" => Some(("identity", "token_url")),
            "BANKID_JWKS_URL" => Some(("identity", "jwks_url")),
            "BANKID_CALLBACK_URL" => Some(("identity", "callback_url")),
            "BANKID_CALLBACK_URL_MOBILE" => Some(("identity", "callback_url_mobile")),
            "BANKID_CLIENT_ID_FILE" => Some(("identity", "client_id_file")),
            "BANKID_CLIENT_SECRET_FILE" => Some(("identity", "client_secret_file")),
            _ => None,
        }
    }

    /// The path that a flag means.
    pub(crate) fn flag_path(&self) -> Vec<String> {
        self.name
            .trim_start_matches('-')
            .to_ascii_lowercase()
            .split('.')
            .map(str::to_owned)
            .collect()
    }
}

fn unreadable(name: &str, why: &str) -> Problems {
    Problems(vec![Problem {
        severity: Severity::Error,
        file: Some(name.to_owned()),
        source: None,
        line: None,
        column: None,
        message: format!("the configuration file {why}"),
        help: None,
        excerpt: None,
    }])
}
