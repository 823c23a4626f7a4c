//! Dialects: what the messages of a link look like, as data.
//!
//! A dialect is a TOML file. It may extend another and then says only what differs. Reading one
//! checks everything that can be checked, and reports every problem with its line; a [`Dialect`]
//! that exists can be compiled into a codec without further errors.
//!
//! ```toml
//! name = "my-link"
//! extends = "cbs-ascii-bin"
//!
//! [fields]
//! 35 = { name = "track 2", format = "LL z..37", sensitive = "secret" }
//! ```
//!
//! `format` is the notation of the standard: a run of `L` for the digits of a variable length,
//! then the class, then the length or `..` and the maximum. What stands inside a field is said
//! under `[nested]`, see [`crate::nested`].
//!
//! How things are written stands in `[encoding]`, once for all fields; a field may say otherwise
//! with the keys marked `+`. Each has the words of the type it names.
//!
//! | key | for | words | unless said |
//! |---|---|---|---|
//! | `mti` | message type | [`Digits`] | `ascii` |
//! | `bitmap` | bitmaps | [`Bitmap`] | `binary` |
//! | `bitmap_bytes` | bitmaps | 8, 16 or 24 bytes always; 0: bit 1 announces the next | 0 |
//! | `digits` + | `n` | [`Digits`] | `ascii` |
//! | `track` + | `z`, packed with the nibble D as separator | [`Digits`] | `ascii` |
//! | `text` + | `a`, `an`, `ans` | [`Characters`] | `ascii` |
//! | `signed` + | `x+n` | [`Signed`] | `ascii` |
//! | `binary` + | `b` | [`Binary`] | `binary` |
//! | `code_page` + | all EBCDIC | `037`, `500`, `1047` | `037` |
//! | `length` + | variable lengths | [`LengthDigits`] | `ascii` |
//! | `count` + | what they count | `bytes` as written, or `digits`, `chars` of the value | value |
//! | `inclusive` + | whether they count themselves | `true`, `false` | `false` |
//! | `fill_digits`; `fill` + | short values of `n`, `z` | [`Fill`] | `left-zero` |
//! | `fill_text`; `fill` + | short values of `a`, `an`, `ans` | [`Fill`] | `right-space` |
//! | `response_codes` | DE39 | `1987`, `1993`, `2003` | `1987` |
//!
//! Bit 65 announces a third bitmap if the dialect has fields above 128.

pub use encoding::{
    Binary, Bitmap, Characters, Count, Digits, Fill, LengthDigits, Overrides, Signed,
};
pub(crate) use encoding::{Encodings, Resolved};

use crate::content::{Content, Sensitivity};
use crate::error::FieldNumber;
use crate::field;
use crate::message::FieldSet;
use crate::mti::Mti;
use crate::nested::Nest;
use crate::presence::{Answer, Request, Rule};
use core::fmt;
use keys::{DIGITS, LENGTHS, RawEncodings};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

mod encoding;
mod keys;
mod nested;

/// The dialects that come with this crate: name and text, by name.
pub const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dialects.rs"));

/// Most digits of a length: `LLLLLL`.
const LENGTH_DIGITS_MAX: u8 = 6;

/// How many dialects may extend each other in a row.
const EXTENDS_MAX: usize = 8;

/// The look of the messages of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) encoding: Encodings,
    pub(crate) fields: BTreeMap<FieldNumber, Field>,
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) nested: BTreeMap<FieldNumber, Nest>,
    pub(crate) check_nested: bool,
}

/// The definition of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// For people.
    pub name: String,
    /// What it may hold.
    pub content: Content,
    /// Digits of its length; 0 if the length is fixed.
    pub length_digits: u8,
    /// Its length, or the longest it may have, in characters, digits or (for `b`) bytes.
    pub most: u16,
    /// Who may see it.
    pub sensitivity: Sensitivity,
    /// How its digits are written; `None` follows the dialect.
    pub digits: Option<Digits>,
    /// How its length is written; `None` follows the dialect.
    pub length: Option<LengthDigits>,
    /// What else it says for itself.
    pub own: Overrides,
}

impl Field {
    /// The format in the notation of the standard, as dialect files write it.
    #[must_use]
    pub fn format(&self) -> String {
        let letters = "L".repeat(self.length_digits.into());
        let class = self.content.notation();
        // The sign is not counted.
        let sign = u16::from(self.content == Content::SignedDigits);
        let most = self.most.saturating_sub(sign);
        match self.length_digits {
            0 => format!("{class}{most}"),
            _ => format!("{letters} {class}..{most}"),
        }
    }
}

/// One thing that is wrong with a dialect file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dialect in whose text it is.
    pub dialect: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong with a dialect file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectError(pub Vec<Problem>);

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let Problem { dialect, line, column, message } = problem;
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "dialect {dialect}, line {line}, column {column}: {message}")?;
        }
        Ok(())
    }
}

impl core::error::Error for DialectError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    title: String,
    extends: Option<Spanned<String>>,
    #[serde(default)]
    encoding: RawEncodings,
    #[serde(default)]
    fields: BTreeMap<Spanned<String>, RawField>,
    #[serde(default)]
    presence: BTreeMap<String, RawRule>,
    check_nested: Option<bool>,
    #[serde(default)]
    nested: BTreeMap<Spanned<String>, nested::RawNest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: String,
    format: Spanned<String>,
    sensitive: Option<Spanned<String>>,
    digits: Option<Spanned<String>>,
    track: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
    signed: Option<Spanned<String>>,
    binary: Option<Spanned<String>>,
    code_page: Option<Spanned<String>>,
    length: Option<Spanned<String>>,
    count: Option<Spanned<String>>,
    inclusive: Option<bool>,
    fill: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    mti: Spanned<Vec<String>>,
    #[serde(default)]
    codes: Option<Spanned<Vec<String>>>,
    request: RawRequest,
    answer: RawAnswer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    mandatory: Spanned<Vec<u8>>,
    optional: Option<Spanned<Vec<u8>>>,
    zero: Option<Spanned<Vec<u8>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    echo: Spanned<Vec<u8>>,
    mandatory: Spanned<Vec<u8>>,
    optional: Option<Spanned<Vec<u8>>>,
}

/// Reads one file: where to find words for a byte range, and what was wrong so far.
struct Reader<'t> {
    name: String,
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: core::ops::Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
        let (dialect, message) = (self.name.clone(), message.into());
        self.problems.push(Problem { dialect, line, column, message });
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, given: Option<&Spanned<String>>, words: &[(&str, T)]) -> Option<T> {
        let given = given?;
        let found = words.iter().find(|(word, _)| word == given.get_ref());
        if found.is_none() {
            let choices: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let message = format!("`{}` is none of {}", given.get_ref(), choices.join(", "));
            self.problem(given.span(), message);
        }
        found.map(|(_, value)| *value)
    }

    fn set(&mut self, given: Option<&Spanned<Vec<u8>>>, fields: &FieldSet) -> FieldSet {
        let Some(given) = given else { return FieldSet::EMPTY };
        let mut set = FieldSet::EMPTY;
        for number in given.get_ref() {
            match FieldNumber::new(*number) {
                Some(field) if fields.has(field) => set = set.with(field),
                Some(_) => self.problem(given.span(), format!("field {number} is not defined")),
                None => self.problem(given.span(), format!("{number} is not a field, 2 to 192")),
            }
        }
        set
    }
}

const SENSITIVITIES: &[(&str, Sensitivity)] = &[
    ("none", Sensitivity::Open),
    ("pan", Sensitivity::Pan),
    ("account", Sensitivity::Account),
    ("private", Sensitivity::Private),
    ("secret", Sensitivity::Secret),
];
const CLASSES: &[(&str, Content)] = &[
    ("ans", Content::Printable),
    ("an", Content::Alphanumeric),
    ("a", Content::Letters),
    ("n", Content::Digits),
    ("b", Content::Binary),
    ("z", Content::Track),
    ("x+n", Content::SignedDigits),
];

/// What a field is unless its dialect says otherwise: the numbers that carry card, account, PIN,
/// chip and key data by the standard are closed until somebody opens them.
const fn usual_sensitivity(number: u8) -> Sensitivity {
    match number {
        2 | 34 => Sensitivity::Pan,
        35 | 36 | 45 | 52 | 53 | 55 | 64 | 96 | 128 => Sensitivity::Secret,
        102 | 103 => Sensitivity::Account,
        48 | 125 => Sensitivity::Private,
        _ => Sensitivity::Open,
    }
}

/// `LL n..19`, `n6`, `x+n8` and so on: class, digits of the length, length.
fn format(text: &str) -> Option<(Content, u8, u16)> {
    let unprefixed = text.trim_start_matches('L');
    let length_digits = u8::try_from(text.len().saturating_sub(unprefixed.len())).ok()?;
    let unprefixed = unprefixed.trim_start_matches(' ');
    let (content, length) = CLASSES
        .iter()
        .find_map(|(word, class)| unprefixed.strip_prefix(word).map(|rest| (*class, rest)))?;
    let (variable, length) = match length.strip_prefix("..") {
        Some(most) => (true, most),
        None => (false, length),
    };
    let length: u16 = length.parse().ok()?;
    let most = if content == Content::SignedDigits { length.checked_add(1)? } else { length };
    (variable == (length_digits > 0) && length_digits <= LENGTH_DIGITS_MAX && most > 0).then_some((
        content,
        length_digits,
        most,
    ))
}

impl Dialect {
    /// A dialect that comes with this crate.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn shipped(name: &str) -> Result<Self, DialectError> {
        match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, text)) => Self::parse(text),
            None => {
                let message = format!("there is no dialect `{name}`");
                let dialect = name.to_owned();
                Err(DialectError(vec![Problem { dialect, line: 1, column: 1, message }]))
            }
        }
    }

    /// Reads a dialect file. What it extends is looked for among the shipped ones.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and column.
    pub fn parse(text: &str) -> Result<Self, DialectError> {
        Self::parse_within(text, EXTENDS_MAX)
    }

    fn parse_within(text: &str, extends_max: usize) -> Result<Self, DialectError> {
        let mut reader = Reader { name: String::from("?"), text, problems: Vec::new() };
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                reader.problem(error.span().unwrap_or_default(), error.message());
                return Err(DialectError(reader.problems));
            }
        };
        reader.name.clone_from(file.name.get_ref());
        let base = match &file.extends {
            None => None,
            Some(parent) => match Self::parent(parent.get_ref(), extends_max) {
                Ok(base) => Some(base),
                Err(message) => {
                    reader.problem(parent.span(), message);
                    return Err(DialectError(reader.problems));
                }
            },
        };
        let dialect = read(&mut reader, file, base);
        reader.problems.sort_by_key(|problem| (problem.line, problem.column));
        if reader.problems.is_empty() { Ok(dialect) } else { Err(DialectError(reader.problems)) }
    }

    fn parent(name: &str, extends_max: usize) -> Result<Self, String> {
        let deeper = extends_max.checked_sub(1).ok_or("dialects extend each other in a circle")?;
        let found = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        let (_, text) = found.ok_or_else(|| format!("there is no dialect `{name}` to extend"))?;
        Self::parse_within(text, deeper).map_err(|error| error.to_string())
    }

    /// Which edition's response codes DE39 holds.
    #[must_use]
    pub const fn response_codes(&self) -> crate::Edition {
        self.encoding.response_codes
    }

    /// How the message type is written.
    #[must_use]
    pub const fn mti(&self) -> Digits {
        self.encoding.mti
    }

    /// How the bitmaps are written, and how many bytes of bitmap every message has; 0 if the
    /// first bit of a bitmap announces the next.
    #[must_use]
    pub const fn bitmap(&self) -> (Bitmap, u8) {
        (self.encoding.bitmap, self.encoding.bitmap_bytes)
    }

    /// The name by which links refer to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The definition of a field.
    #[must_use]
    pub fn field(&self, number: FieldNumber) -> Option<&Field> {
        self.fields.get(&number)
    }

    /// What stands inside a field; `None` if nothing is said of it.
    #[must_use]
    pub fn nested(&self, number: FieldNumber) -> Option<&Nest> {
        self.nested.get(&number)
    }

    /// All fields in ascending order.
    pub fn fields(&self) -> impl Iterator<Item = (FieldNumber, &Field)> {
        self.fields.iter().map(|(number, field)| (*number, field))
    }

    /// The presence rules with their names.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.iter().map(|(name, rule)| (name.as_str(), rule))
    }
}

fn read(reader: &mut Reader<'_>, file: File, base: Option<Dialect>) -> Dialect {
    let mut dialect = base.unwrap_or(Dialect {
        name: String::new(),
        title: String::new(),
        encoding: Encodings::PLAIN,
        fields: BTreeMap::new(),
        rules: BTreeMap::new(),
        nested: BTreeMap::new(),
        check_nested: false,
    });
    dialect.name.clone_from(file.name.get_ref());
    dialect.title = file.title;
    dialect.encoding.read(reader, &file.encoding);
    for (number, field) in &dialect.fields {
        let is_said = file.fields.keys().any(|said| *said.get_ref() == number.get().to_string());
        if let Err(message) = field.fits(&dialect.encoding)
            && !is_said
        {
            let name = file.extends.as_ref().unwrap_or(&file.name);
            reader.problem(name.span(), format!("inherited field {}: {message}", number.get()));
        }
    }
    let mut read = BTreeMap::new();
    for (number, raw) in file.fields {
        if let Some((place, field)) = read_field(reader, &dialect.encoding, &number, raw) {
            read.insert(place, number.span());
            dialect.fields.insert(place, field);
        }
    }
    let code = field::RESPONSE_CODE.number();
    let width = dialect.encoding.response_codes.width();
    if let Some(field) = dialect.field(code).filter(|field| field.most != u16::from(width)) {
        let message = format!(
            "field 39 has {} characters and the response codes of `response_codes` have {width}",
            field.most
        );
        reader.problem(file.name.span(), message);
    }
    dialect.check_nested = file.check_nested.unwrap_or(dialect.check_nested);
    let own = nested::read(reader, file.nested, &mut dialect);
    let anew = read.keys().copied().collect();
    for (number, message) in nested::settle(&mut dialect, own, anew) {
        reader.problem(read.get(&number).cloned().unwrap_or_default(), message);
    }
    let defined: FieldSet = dialect.fields.keys().copied().collect();
    if let Err(message) = dialect.encoding.bitmaps_hold(defined) {
        reader.problem(file.name.span(), message);
    }
    for (name, raw) in file.presence {
        let rule = read_rule(reader, &raw, &defined);
        dialect.rules.insert(name, rule);
    }
    dialect
}

fn read_field(
    reader: &mut Reader<'_>,
    dialect: &Encodings,
    number: &Spanned<String>,
    raw: RawField,
) -> Option<(FieldNumber, Field)> {
    let Some(field) = number.get_ref().parse().ok().and_then(FieldNumber::new) else {
        let message = format!("`{}` is not a field number, 2 to 192", number.get_ref());
        reader.problem(number.span(), message);
        return None;
    };
    let Some((content, length_digits, most)) = format(raw.format.get_ref()) else {
        let message = "a format is for instance `n6`, `LL n..19`, `LLL ans..999` or `x+n8`";
        reader.problem(raw.format.span(), message);
        return None;
    };
    let sensitivity = reader
        .word(raw.sensitive.as_ref(), SENSITIVITIES)
        .unwrap_or_else(|| usual_sensitivity(field.get()));
    let digits = reader.word(raw.digits.as_ref(), DIGITS);
    let length = reader.word(raw.length.as_ref(), LENGTHS);
    let own = Overrides::read(reader, &raw, content);
    let name = raw.name;
    let defined = Field { name, content, length_digits, most, sensitivity, digits, length, own };
    if let Err(message) = defined.fits(dialect) {
        reader.problem(raw.format.span(), message);
    }
    Some((field, defined))
}

fn read_rule(reader: &mut Reader<'_>, raw: &RawRule, defined: &FieldSet) -> Rule {
    let mut mti = Vec::new();
    for text in raw.mti.get_ref() {
        match Mti::parse(text).filter(|mti| mti.is_request() && !mti.is_repeat()) {
            Some(known) => mti.push(known),
            None => {
                let message = format!("`{text}` is not the type of a request, four digits");
                reader.problem(raw.mti.span(), message);
            }
        }
    }
    let mut codes = Vec::new();
    if let Some(given) = &raw.codes {
        for text in given.get_ref() {
            match text.as_bytes() {
                [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => codes.push([*a, *b]),
                _ => reader.problem(given.span(), format!("`{text}` is not two digits of DE3")),
            }
        }
    }
    let mandatory = reader.set(Some(&raw.request.mandatory), defined);
    let optional = reader.set(raw.request.optional.as_ref(), defined);
    let zero = reader.set(raw.request.zero.as_ref(), defined);
    let echo = reader.set(Some(&raw.answer.echo), defined);
    let answer_mandatory = reader.set(Some(&raw.answer.mandatory), defined);
    let answer_optional = reader.set(raw.answer.optional.as_ref(), defined);
    Rule {
        mti,
        codes,
        request: Request { mandatory, allowed: mandatory.union(optional), zero },
        answer: Answer {
            echo,
            mandatory: answer_mandatory,
            allowed: answer_mandatory.union(answer_optional).union(echo),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_dialect_is_well_formed_and_named_after_its_file() {
        for (name, _) in SHIPPED {
            let dialect = Dialect::shipped(name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(dialect.name(), *name);
            assert!(!dialect.title().is_empty(), "{name}");
        }
    }

    #[test]
    fn formats() {
        for (text, expected) in [
            ("n6", Some((Content::Digits, 0, 6))),
            ("LL n..19", Some((Content::Digits, 2, 19))),
            ("LLL ans..999", Some((Content::Printable, 3, 999))),
            ("x+n8", Some((Content::SignedDigits, 0, 9))),
            ("b8", Some((Content::Binary, 0, 8))),
            ("LL n19", None),
            ("n..19", None),
            ("LLLLLL ans..65535", Some((Content::Printable, 6, 65_535))),
            ("LLLLLLL ans..1", None),
            ("q6", None),
            ("n0", None),
            ("n", None),
        ] {
            assert_eq!(format(text), expected, "{text}");
        }
    }

    fn plain() -> Field {
        let dialect = Dialect::shipped("cbs-ascii-bin").unwrap();
        dialect.field(FieldNumber::known(3)).unwrap().clone()
    }

    #[test]
    fn a_format_is_written_as_it_is_read() {
        for text in ["n6", "LL n..19", "x+n8", "LL x+n..8", "LLLLLL b..9999"] {
            let (content, length_digits, most) = format(text).unwrap();
            let field = Field { content, length_digits, most, ..plain() };
            assert_eq!(field.format(), text);
        }
    }

    #[test]
    fn all_problems_are_reported_with_their_place() {
        let text = "name = \"x\"\n[encoding]\nbitmap = \"octal\"\n[fields]\n2 = { name = \"a\", \
                    format = \"LL q..19\" }\n193 = { name = \"b\", format = \"n6\" }\n";
        let DialectError(problems) = Dialect::parse(text).unwrap_err();
        let places: Vec<_> =
            problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert_eq!(places, [(3, 10), (5, 28), (6, 1)], "{problems:#?}");
    }

    #[test]
    fn a_dialect_that_extends_says_only_what_differs() {
        let text = "name = \"mine\"\ntitle = \"t\"\nextends = \"cbs-ascii-bin\"\n[fields]\n\
                    35 = { name = \"track 2\", format = \"LL z..37\" }\n";
        let dialect = Dialect::parse(text).unwrap();
        let track = dialect.field(FieldNumber::new(35).unwrap()).unwrap();
        assert_eq!(track.sensitivity, Sensitivity::Secret);
        assert!(dialect.field(FieldNumber::new(102).unwrap()).is_some());
        let unknown = Dialect::parse("name = \"x\"\nextends = \"nothing\"\n").unwrap_err();
        assert!(unknown.to_string().contains("no dialect `nothing`"), "{unknown}");
    }
}
