//! The types of single keys: numbers, durations, sizes, names, addresses, paths.
//!
//! Each is a few words for the message and a function from a value; all the rest is
//! [`Section::value`].

use super::{Missing, Section, as_text, quoted};
use crate::address::{Destination, DialectName};
use crate::findings::Found;
use crate::suggest::{listed, nearest};
use crate::tree::Value;
use crate::unit::{parse_duration, parse_size, show_duration, show_size};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

impl Section<'_> {
    /// A whole number.
    pub(crate) fn integer<T>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Found<T>
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        let read = |value: &Value| in_range(as_integer(value)?, &range);
        self.value(key, Missing::Default(default), &expected, read, T::to_string)
    }

    /// Yes or no.
    pub(crate) fn boolean(&mut self, key: &'static str, default: bool) -> Found<bool> {
        let read = |value: &Value| match value {
            Value::Boolean(value) => Ok(*value),
            Value::Given(text) => text.parse().map_err(|_| "this is neither".to_owned()),
            other => Err(format!("this is {}", other.describe())),
        };
        self.value(key, Missing::Default(default), "`true` or `false`", read, bool::to_string)
    }

    /// A duration in milliseconds.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Found<u64> {
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        let expected = format!("a duration from \"{least}\" to \"{most}\"");
        let read = |value: &Value| {
            if let Value::Integer(_) = value {
                return Err("a unit is missing: \"500ms\", \"5s\", \"2m\", \"1h\"".to_owned());
            }
            in_range(parse_duration(as_text(value)?)?.into(), &range)
        };
        let show = |ms: &u64| quoted(&show_duration(*ms));
        self.value(key, Missing::Default(default), &expected, read, show)
    }

    /// A number of bytes.
    pub(crate) fn size(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Found<u32> {
        let (least, most) = (show_size((*range.start()).into()), show_size((*range.end()).into()));
        let expected = format!("a size from \"{least}\" to \"{most}\"");
        let read = |value: &Value| {
            let bytes = match value {
                Value::Text(text) => parse_size(text)?.into(),
                Value::Given(text) => match text.parse::<i128>() {
                    Ok(bytes) => bytes,
                    Err(_) => parse_size(text)?.into(),
                },
                other => as_integer(other)?,
            };
            in_range(bytes, &range)
        };
        let show = |bytes: &u32| quoted(&show_size((*bytes).into()));
        self.value(key, Missing::Default(default), &expected, read, show)
    }

    /// One of a closed set.
    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&'static str, T)],
    ) -> Found<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", listed(&names));
        let read = |value: &Value| {
            let text = as_text(value)?;
            let choice = choices.iter().find(|(name, _)| *name == text);
            choice.map(|(_, choice)| *choice).ok_or_else(|| {
                nearest(text, &names).map_or_else(
                    || "this is none of them".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                )
            })
        };
        let show = |choice: &T| {
            let name = choices.iter().find(|(_, other)| other == choice);
            quoted(name.map_or("", |(name, _)| name))
        };
        self.value(key, Missing::Default(default), &expected, read, show)
    }

    /// Text that `parse` turns into a value.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        missing: Missing<T>,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Found<T> {
        let show = |value: &T| quoted(&show(value));
        self.value(key, missing, expected, |value| parse(as_text(value)?), show)
    }

    /// Text that a person reads: 1 to 64 printable characters.
    pub(crate) fn title(&mut self, key: &'static str, default: &str) -> Found<String> {
        let parse = |text: &str| {
            let fits = (1..=64).contains(&text.chars().count());
            let fits = fits && !text.chars().any(char::is_control);
            fits.then(|| text.to_owned()).ok_or_else(|| "this does not fit".to_owned())
        };
        let missing = Missing::Default(default.to_owned());
        self.parsed(key, missing, "1 to 64 printable characters", parse, String::clone)
    }

    /// The name of this element of a `[[…]]` section, or of another one.
    pub(crate) fn name(&mut self, key: &'static str, example: &'static str) -> Found<String> {
        let missing = Missing::Required { example, stand_in: "?".to_owned() };
        let expected = "1 to 32 of a-z, 0-9, `-` and `_`, beginning with a letter";
        self.parsed(key, missing, expected, as_name, String::clone)
    }

    /// Up to 11 digits that name an institution in DE32.
    pub(crate) fn institution(&mut self, default: &str) -> Found<String> {
        let missing = Missing::Default(default.to_owned());
        let parse = |text: &str| {
            let fits = (1..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| text.to_owned()).ok_or_else(|| "DE32 cannot hold it".to_owned())
        };
        self.parsed("institution", missing, "1 to 11 digits in quotes", parse, String::clone)
    }

    /// A path. Relative ones start at the folder of the file, `show` keeps them as written.
    pub(crate) fn path(&mut self, key: &'static str, default: &str) -> Found<PathBuf> {
        let missing = Missing::Default(default.to_owned());
        let parse = |text: &str| match text {
            "" => Err("it is empty".to_owned()),
            text if text.contains('\0') => Err("it holds a zero byte".to_owned()),
            text => Ok(text.to_owned()),
        };
        let found = self.parsed(key, missing, "a path", parse, String::clone);
        let value = self.findings.source().folder.join(&found.value);
        Found { value, place: found.place }
    }

    /// An address to dial.
    pub(crate) fn destination(
        &mut self,
        key: &'static str,
        default: Destination,
    ) -> Found<Destination> {
        let missing = Missing::Default(default);
        self.parsed(key, missing, "host:port", Destination::parse, Destination::to_string)
    }

    /// The name of a shipped dialect, or a file of the user.
    pub(crate) fn dialect(&mut self) -> Found<DialectName> {
        const DEFAULT: &str = "cbs-ascii-bin";
        let known = self.findings.source().dialects.clone();
        let folder = self.findings.source().folder.clone();
        let parse = |text: &str| {
            let known =
                known.as_deref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
            if text.ends_with(".toml") {
                let is_file = folder.join(text).is_file();
                return is_file.then(|| text.to_owned()).ok_or("there is no such file".to_owned());
            }
            match known {
                None if !text.is_empty() => Ok(text.to_owned()),
                Some(names) if names.contains(&text) => Ok(text.to_owned()),
                None => Err("it is empty".to_owned()),
                Some(names) => Err(match nearest(text, &names) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None => format!("expected one of {}", listed(&names)),
                }),
            }
        };
        let missing = Missing::Default(DEFAULT.to_owned());
        let expected = "a shipped dialect or a .toml file";
        let found = self.parsed("dialect", missing, expected, parse, String::clone);
        let value = match found.value {
            name if name.ends_with(".toml") => {
                DialectName::File(self.findings.source().folder.join(name))
            }
            name => DialectName::Shipped(name),
        };
        Found { value, place: found.place }
    }
}

/// What may name a section, a participant and so on: fit for variables, flags and metrics.
pub(crate) fn as_name(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    fits.then(|| text.to_owned()).ok_or_else(|| "this is not such a name".to_owned())
}

fn as_integer(value: &Value) -> Result<i128, String> {
    match value {
        Value::Integer(Some(number)) => Ok(*number),
        Value::Integer(None) => Err("out of range".to_owned()),
        Value::Given(text) => text.parse().map_err(|_| "this is not an integer".to_owned()),
        Value::Text(_)
        | Value::Float
        | Value::Boolean(_)
        | Value::Datetime
        | Value::List(_)
        | Value::Table(_) => Err(format!("this is {}", value.describe())),
    }
}

fn in_range<T: PartialOrd + TryFrom<i128>>(
    number: i128,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    let number = T::try_from(number).ok().filter(|number| range.contains(number));
    number.ok_or_else(|| "out of range".to_owned())
}
