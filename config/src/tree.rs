//! A configuration as a tree of values, each with its place. Knows TOML, knows no key.

use crate::findings::{Findings, Place};
use toml::de::{DeTable, DeValue};

/// Most dots in one line. Dotted keys make tables in tables, and the parser limits only brackets.
const DOTS_MAX: usize = 500;

/// A table; its keys in the order they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(pub(crate) Vec<Entry>);

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What the text says, before anybody asked for a type.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A string in quotes.
    Text(String),
    /// `None` if it does not even fit here.
    Integer(Option<i128>),
    Float,
    Boolean(bool),
    Datetime,
    List(Vec<Node>),
    Table(Table),
    /// From outside the file, where everything is text: whoever asks decides the type.
    Given(String),
}

impl Value {
    /// For messages: "this is …".
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Given(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float => "a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// The value of `name`, by which elements of `[[…]]` sections are addressed.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.get("name")?.value {
            Value::Text(name) | Value::Given(name) => Some(name),
            Value::Integer(_)
            | Value::Float
            | Value::Boolean(_)
            | Value::Datetime
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }
}

/// The tree of the file. After a mistake of syntax the rest cannot be judged: those are reported
/// alone, and the answer is `None`.
pub(crate) fn parse(findings: &mut Findings) -> Option<Table> {
    let text = findings.source().text.clone();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.matches('.').count() > DOTS_MAX && !line.trim_start().starts_with('#') {
            let place = Place::File { start, end: start + line.len() };
            findings.error(place, format!("a line with more than {DOTS_MAX} dots"), "");
            return None;
        }
        start += line.len();
    }
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let place = error.span().map_or(Place::Default, file);
        let mut message = error.message().to_owned();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        findings.error(place, message, "");
    }
    errors.is_empty().then(|| convert(table.into_inner()))
}

fn file(span: std::ops::Range<usize>) -> Place {
    Place::File { start: span.start, end: span.end }
}

fn convert(table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_place: file(key.span()),
            key: key.into_inner().into_owned(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| match entry.key_place {
        Place::File { start, .. } => start,
        Place::Default | Place::Refused | Place::Variable { .. } | Place::Flag { .. } => 0,
    });
    Table(entries)
}

fn node(spanned: toml::Spanned<DeValue<'_>>) -> Node {
    let place = file(spanned.span());
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            Value::Integer(i128::from_str_radix(&digits, number.radix()).ok())
        }
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::List(items.into_iter().map(node).collect()),
        DeValue::Table(table) => Value::Table(convert(table)),
    };
    Node { value, place }
}
