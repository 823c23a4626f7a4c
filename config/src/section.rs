//! One table of a configuration, read key by key.
//!
//! Whoever reads a key says its type, its bounds and its default. The section notes what it was
//! asked for; when it is dropped, every key in the text that nobody asked for is reported as
//! unknown. So a key cannot be read and forgotten in the list of known keys, or the reverse.
//!
//! A value that is refused is reported once and replaced by its default, marked
//! [`Place::Refused`]: reading goes on, so that everything is found in one go, and the stand-in
//! never leaves the crate because the load fails.
//!
//! Here is how any key is read; the types that keys have are in [`kinds`].

mod kinds;

use crate::findings::{Findings, Found, Place};
use crate::settings::Setting;
use crate::suggest::{listed, nearest};
use crate::tree::{Node, Table, Value};

pub(crate) use kinds::as_name;

/// Most values in a list.
const LIST_MAX: usize = 1_024;

/// One table, or the lack of it: then every key has its default.
pub(crate) struct Section<'a> {
    pub(crate) findings: &'a mut Findings,
    table: Option<&'a Table>,
    place: Place,
    path: String,
    header: String,
    number: usize,
    known: Vec<&'static str>,
}

/// What a key has when it is not set.
pub(crate) enum Missing<T> {
    /// This value.
    Default(T),
    /// A complaint with an example, and a stand-in.
    Required { example: &'static str, stand_in: T },
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(findings: &'a mut Findings, table: &'a Table) -> Self {
        Section {
            findings,
            table: Some(table),
            place: Place::Default,
            path: String::new(),
            header: String::new(),
            number: 0,
            known: Vec::new(),
        }
    }

    /// Where the section begins.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// The table at `key`.
    pub(crate) fn table(&mut self, key: &'static str) -> Section<'_> {
        let path = self.path_of(key);
        let header = match self.header.strip_prefix("[[").and_then(|own| own.strip_suffix("]]")) {
            Some(own) => format!("[{own}.{key}]"),
            None => match self.header.strip_prefix('[').and_then(|own| own.strip_suffix(']')) {
                Some(own) => format!("[{own}.{key}]"),
                None => format!("[{key}]"),
            },
        };
        let (table, place) = match self.take(key) {
            None => (None, self.place),
            Some(Node { value: Value::Table(table), place }) => (Some(table), *place),
            Some(Node { value, place }) => {
                let help = format!("this is {}", value.describe());
                self.findings.error(*place, format!("`{key}` must be a table"), help);
                (None, Place::Refused)
            }
        };
        self.inside(table, place, path, header)
    }

    /// Whether there is a table at `key`: one that may be left out as a whole.
    pub(crate) fn has(&mut self, key: &'static str) -> bool {
        self.take(key).is_some()
    }

    /// How many `[[key]]` tables there are.
    pub(crate) fn count(&mut self, key: &'static str) -> usize {
        match self.take(key) {
            None => 0,
            Some(Node { value: Value::List(items), .. }) => items.len(),
            Some(Node { value: Value::Table(_), place }) => {
                let help = "one pair of brackets makes a single table";
                self.findings.error(*place, format!("`{key}` must be written [[{key}]]"), help);
                1
            }
            Some(Node { value, place }) => {
                let help = format!("this is {}", value.describe());
                self.findings.error(*place, format!("`{key}` must be [[{key}]] tables"), help);
                0
            }
        }
    }

    /// The `[[key]]` table at `index`.
    pub(crate) fn element(&mut self, key: &'static str, index: usize) -> Section<'_> {
        let node = match self.take(key) {
            Some(Node { value: Value::List(items), .. }) => items.get(index),
            other => other,
        };
        let (table, place) = match node {
            Some(Node { value: Value::Table(table), place }) => (Some(table), *place),
            Some(Node { value, place }) => {
                let help = format!("this is {}", value.describe());
                self.findings.error(*place, format!("`{key}` must be [[{key}]] tables"), help);
                (None, Place::Refused)
            }
            None => (None, Place::Refused),
        };
        let path = match table.and_then(Table::name) {
            Some(name) => format!("{key}.{name}"),
            None => format!("{key}[{index}]"),
        };
        self.inside(table, place, path, format!("[[{key}]]"))
    }

    fn inside<'s>(
        &'s mut self,
        table: Option<&'a Table>,
        place: Place,
        path: String,
        header: String,
    ) -> Section<'s> {
        self.findings.sections += 1;
        let number = self.findings.sections;
        let findings = &mut *self.findings;
        Section { findings, table, place, path, header, number, known: Vec::new() }
    }

    /// Marks the key as known and looks it up.
    fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table?.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reads one value. `read` says what is wrong with it, `expected` what would be right.
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        missing: Missing<T>,
        expected: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Found<T> {
        let node = self.take(key);
        let default = match &missing {
            Missing::Default(value) => Some(show(value)),
            Missing::Required { .. } => None,
        };
        let result = node.map(|node| (read(&node.value), node.place));
        let found = match (result, missing) {
            (Some((Ok(value), place)), _) => Found { value, place },
            (Some((Err(wrong), place)), missing) => {
                self.findings.error(place, format!("`{key}` must be {expected}"), wrong);
                let (Missing::Default(value) | Missing::Required { stand_in: value, .. }) = missing;
                Found { value, place: Place::Refused }
            }
            (None, Missing::Default(value)) => Found { value, place: Place::Default },
            (None, Missing::Required { example, stand_in }) => {
                let message = format!("missing key `{key}` in {}", self.header);
                self.findings.error(self.place, message, format!("add `{key} = {example}`"));
                Found { value: stand_in, place: Place::Refused }
            }
        };
        self.note(key, show(&found.value), default, found.place);
        found
    }

    fn note(&mut self, key: &'static str, value: String, default: Option<String>, place: Place) {
        let setting = Setting {
            path: self.path_of(key),
            value,
            default,
            origin: self.findings.origin(place),
            section: self.number,
            header: self.header.clone(),
            key,
        };
        self.findings.settings.push(setting);
    }

    /// A list of strings, each turned into a value. From outside the file: separated by commas.
    /// `example` is for a list that must not be empty. With one refused item the whole list is
    /// [`Place::Refused`], because without it an empty list could mean everything.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        example: Option<&'static str>,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Found<Vec<Found<T>>> {
        self.list_with(key, (example, &[]), expected, parse, show)
    }

    /// A list of strings that is `default` when it is not set. Written empty it is empty.
    pub(crate) fn list_or<T>(
        &mut self,
        key: &'static str,
        default: &[&str],
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Found<Vec<Found<T>>> {
        self.list_with(key, (None, default), expected, parse, show)
    }

    fn list_with<T>(
        &mut self,
        key: &'static str,
        (example, default): (Option<&'static str>, &[&str]),
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Found<Vec<Found<T>>> {
        let node = self.take(key);
        let mut place = node.map_or(Place::Default, |node| node.place);
        let unset = || default.iter().map(|text| (Ok((*text).to_owned()), Place::Default));
        let items = match node.map_or_else(|| Ok(unset().collect()), items) {
            Ok(items) => items,
            Err(wrong) => {
                self.findings.error(place, format!("`{key}` must be a list of strings"), wrong);
                return Found { value: Vec::new(), place: Place::Refused };
            }
        };
        if let Some(example) = example.filter(|_| items.is_empty()) {
            let message = format!("`{key}` in {} must not be empty", self.header);
            self.findings.error(place.or(self.place), message, format!("add `{key} = {example}`"));
            place = Place::Refused;
        }
        let mut value = Vec::new();
        for (text, item_place) in items {
            match text.and_then(|text| parse(&text)) {
                Ok(item) => value.push(Found { value: item, place: item_place }),
                Err(wrong) => {
                    let message = format!("`{key}` must hold {expected}");
                    self.findings.error(item_place, message, wrong);
                    place = Place::Refused;
                }
            }
        }
        let shown: Vec<String> = value.iter().map(|item| quoted(&show(&item.value))).collect();
        let default: Vec<String> = default.iter().map(|text| quoted(text)).collect();
        let default = example.is_none().then(|| format!("[{}]", default.join(", ")));
        self.note(key, format!("[{}]", shown.join(", ")), default, place);
        Found { value, place }
    }
}

impl Drop for Section<'_> {
    /// Reports the keys that nobody asked for.
    fn drop(&mut self) {
        let unknown = self.table.into_iter().flat_map(|table| &table.0);
        for entry in unknown.filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = match self.header.as_str() {
                "" => format!("unknown section `{}`", entry.key),
                header => format!("unknown key `{}` in {header}", entry.key),
            };
            let help = match nearest(&entry.key, &self.known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected one of {}", listed(&self.known)),
            };
            self.findings.error(entry.key_place, message, help);
        }
    }
}

/// Text as a TOML string.
pub(crate) fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// What a list holds: each item's text, or what it is instead, and its place.
type Items = Vec<(Result<String, String>, Place)>;

fn items(node: &Node) -> Result<Items, String> {
    let items: Items = match &node.value {
        Value::List(items) => {
            items.iter().map(|item| (as_text(&item.value).map(str::to_owned), item.place)).collect()
        }
        Value::Given(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| (Ok(item.to_owned()), node.place))
            .collect(),
        other => return Err(format!("this is {}", other.describe())),
    };
    match items.len() {
        0..=LIST_MAX => Ok(items),
        _ => Err(format!("of at most {LIST_MAX} values")),
    }
}

fn as_text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) | Value::Given(text) => Ok(text),
        Value::Integer(_) | Value::Float | Value::Boolean(_) | Value::Datetime => {
            Err(format!("this is {}, quotes are missing", value.describe()))
        }
        Value::List(_) | Value::Table(_) => Err(format!("this is {}", value.describe())),
    }
}
