//! Every value a load read, with where it came from: what `config print` shows.

use std::fmt;

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was not set.
    Default,
    /// A line of the file, counted from 1.
    File {
        /// Counts from 1.
        line: usize,
    },
    /// A variable, by its whole name.
    Environment(String),
    /// A flag, by its path.
    Flag(String),
}

/// One key after everything was laid over the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As environment and flags address it: `group.cbs.session.answer`.
    pub path: String,
    /// The value as TOML.
    pub value: String,
    /// What it is when it is not set, as TOML; `None` if it must be set.
    pub default: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// Sections are numbered as they are opened, a parent before its children.
    pub(crate) section: usize,
    pub(crate) header: String,
    pub(crate) key: &'static str,
}

/// All settings of a file, section by section. Its text is a configuration that means the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<Setting>);

impl Settings {
    pub(crate) fn new(mut settings: Vec<Setting>) -> Self {
        settings.sort_by_key(|setting| setting.section);
        Self(settings)
    }

    /// In the order of the sections.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The setting at a dotted path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.path == path)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = None;
        for setting in &self.0 {
            if section != Some(setting.section) {
                let gap = if section.is_some() { "\n" } else { "" };
                writeln!(f, "{gap}{}", setting.header)?;
                section = Some(setting.section);
            }
            let assignment = format!("{} = {}", setting.key, setting.value);
            writeln!(f, "{assignment:<48} # {}", setting.origin)?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "line {line}"),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}
