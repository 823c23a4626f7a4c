//! The `[nested]` part of a dialect file. What it can say is told in [`crate::nested`].
//!
//! Everything is checked here: that the field or part exists and has room, that a form has the
//! keys it needs and no others, that characters stand where only characters can. A nest that
//! exists can be walked without asking again.

use super::keys::{DIGITS, LENGTHS};
use super::{Bitmap, Dialect, Digits, LengthDigits, Reader, SENSITIVITIES, format};
use crate::content::{Content, Sensitivity};
use crate::error::{FieldNumber, FieldPath, Part};
use crate::message::FieldSet;
use crate::nested::tlv::Tag;
use crate::nested::{Form, Nest, SubField, Tags};
use form::{bits, bytes_only, foreign_keys, mark, tagged};
use groups::{repeated, table};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

mod form;
mod groups;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNest {
    form: Spanned<String>,
    check: Option<bool>,
    repeat: Option<Spanned<u16>>,
    layout: Option<Spanned<String>>,
    counts_tag: Option<Spanned<bool>>,
    lead: Option<Spanned<RawPart>>,
    bits: Option<Spanned<u16>>,
    chained: Option<Spanned<bool>>,
    bitmap: Option<Spanned<String>>,
    digits: Option<Spanned<String>>,
    length: Option<Spanned<String>>,
    tags: Option<Spanned<String>>,
    rows: Option<Spanned<String>>,
    cells: Option<Spanned<String>>,
    header: Option<Spanned<bool>>,
    #[serde(default)]
    parts: BTreeMap<Spanned<String>, RawPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPart {
    name: String,
    format: Spanned<String>,
    sensitive: Option<Spanned<String>>,
}

/// The forms as files name them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Positional,
    Tagged,
    Ber,
    Bitmapped,
    DataSets,
    Table,
}

const FORMS: &[(&str, Kind)] = &[
    ("positional", Kind::Positional),
    ("tagged", Kind::Tagged),
    ("ber-tlv", Kind::Ber),
    ("bitmapped", Kind::Bitmapped),
    ("data-sets", Kind::DataSets),
    ("table", Kind::Table),
];
const TAGS: &[(&str, Tags)] =
    &[("ascii", Tags::Ascii), ("bcd", Tags::Bcd), ("binary", Tags::Binary)];

/// Longest run of `T`, which is what a path has room for.
const TAG_MAX: usize = 4;
/// Longest run of `L`.
const LENGTH_DIGITS_MAX: usize = 4;
/// Most groups of a repeated composite.
const REPEAT_MAX: u16 = 999;

/// What a nest stands in.
struct Home {
    /// Whether it holds bytes rather than characters.
    is_binary: bool,
    most: u16,
    sensitivity: Sensitivity,
}

/// How the parts of a nest are written.
#[derive(Clone, Copy)]
struct Written {
    digits: Digits,
    length: LengthDigits,
}

/// Reads all nests of a file into a dialect, fields before their parts. Gives the fields whose
/// nests the file itself says.
pub(super) fn read(
    reader: &mut Reader<'_>,
    raw: BTreeMap<Spanned<String>, RawNest>,
    dialect: &mut Dialect,
) -> FieldSet {
    let mut own = FieldSet::EMPTY;
    for (path, raw) in raw {
        let mut steps = path.get_ref().split('.');
        let number = steps.next().and_then(|number| number.parse().ok());
        let Some(number) = number.and_then(FieldNumber::new) else {
            let message = format!("`{}` does not begin with a field, 2 to 192", path.get_ref());
            reader.problem(path.span(), message);
            continue;
        };
        let steps: Vec<&str> = steps.collect();
        if steps.len() >= FieldPath::DEPTH_MAX {
            let most = FieldPath::DEPTH_MAX.saturating_sub(1);
            reader.problem(path.span(), format!("parts can have parts {most} deep"));
            continue;
        }
        let Some(home) = home(dialect, number, &steps) else {
            let message =
                format!("`{}` is not defined, so nothing can stand in it", path.get_ref());
            reader.problem(path.span(), message);
            continue;
        };
        let nest = read_nest(reader, &path, &raw, &home);
        if steps.is_empty() {
            own = own.with(number);
        }
        if let Some(nest) = nest {
            put(dialect, number, &steps, nest);
        }
    }
    own
}

/// Fields that do not fit the nests they inherit, because a file defined them anew; `own` are
/// those whose nests were read with them. Says of every part who may see it, which for fields
/// defined anew may be others than before, and closes fields that would show a closed part.
pub(super) fn settle(
    dialect: &mut Dialect,
    own: FieldSet,
    anew: FieldSet,
) -> Vec<(FieldNumber, &'static str)> {
    let mut problems = Vec::new();
    let Dialect { nested, fields, .. } = dialect;
    for (number, nest) in nested {
        let Some(field) = fields.get_mut(number) else { continue };
        if field.content != Content::Binary && nest.needs_bytes() && !own.has(*number) {
            problems.push((*number, "its parts need a field of class `b`"));
        }
        let outer = if anew.has(*number) { field.sensitivity } else { nest.sensitivity };
        field.sensitivity = nest.inherit(outer);
    }
    problems
}

impl Nest {
    /// Whether it cannot stand among characters.
    fn needs_bytes(&self) -> bool {
        match &self.form {
            Form::Ber | Form::DataSets => true,
            Form::Bitmapped(form) => form.written != Bitmap::Hex || self.has_bytes(),
            Form::Tagged(form) => {
                form.tags != Tags::Ascii || form.length != LengthDigits::Ascii || self.has_bytes()
            }
            Form::Positional | Form::Cells { .. } => self.has_bytes(),
            Form::Repeated { group, .. } => group.nest.as_ref().is_some_and(Self::has_bytes),
            Form::Rows(rows) => rows.row.nest.as_ref().is_some_and(Self::has_bytes),
        }
    }

    fn has_bytes(&self) -> bool {
        self.parts.values().any(|part| {
            let own_length = part.length_digits > 0 && part.length != LengthDigits::Ascii;
            part.content == Content::Binary || part.digits != Digits::Ascii || own_length
        })
    }
}

/// What stands at a path: a field, or a part of what stands in one.
fn home(dialect: &Dialect, number: FieldNumber, steps: &[&str]) -> Option<Home> {
    let field = dialect.fields.get(&number)?;
    let Some((last, outer)) = steps.split_last() else {
        let is_binary = field.content == Content::Binary;
        return Some(Home { is_binary, most: field.most, sensitivity: field.sensitivity });
    };
    let mut nest = dialect.nested.get(&number)?;
    for step in outer {
        // The parts of a group have no parts: its definition is shared by all groups.
        nest = nest.parts.get(&nest.step(step)?)?.nest.as_ref()?;
    }
    let part = nest.part(nest.step(last)?)?;
    // Packed digits have no parts that could be found among bytes.
    let is_packed = part.content == Content::Digits && part.digits != Digits::Ascii;
    let is_group = matches!(nest.form, Form::Repeated { .. } | Form::Rows(_) | Form::Cells { .. });
    let is_binary = part.content == Content::Binary;
    let (most, sensitivity) = (part.most, part.sensitivity);
    (!is_packed && !is_group).then_some(Home { is_binary, most, sensitivity })
}

fn put(dialect: &mut Dialect, number: FieldNumber, steps: &[&str], nest: Nest) {
    let Some((last, outer)) = steps.split_last() else {
        dialect.nested.insert(number, nest);
        return;
    };
    let Some(mut at) = dialect.nested.get_mut(&number) else { return };
    for step in outer {
        let Some(inner) = at.step(step).and_then(|part| at.parts.get_mut(&part)) else { return };
        let Some(inner) = inner.nest.as_mut() else { return };
        at = inner;
    }
    let Some(part) = at.step(last).and_then(|part| at.parts.get_mut(&part)) else { return };
    part.nest = Some(nest);
}

fn read_nest(
    reader: &mut Reader<'_>,
    path: &Spanned<String>,
    raw: &RawNest,
    home: &Home,
) -> Option<Nest> {
    let kind = reader.word(Some(&raw.form), FORMS)?;
    foreign_keys(reader, raw, kind);
    if matches!(kind, Kind::Ber | Kind::DataSets) && !home.is_binary {
        reader.problem(raw.form.span(), "this form needs a field or part of class `b`");
        return None;
    }
    // EMV packs the digits of `n`.
    let usual = if kind == Kind::Ber { Digits::Bcd } else { Digits::Ascii };
    let written = Written {
        digits: bytes_only(reader, raw.digits.as_ref(), DIGITS, home).unwrap_or(usual),
        length: bytes_only(reader, raw.length.as_ref(), LENGTHS, home)
            .unwrap_or(LengthDigits::Ascii),
    };
    let form = match kind {
        Kind::Positional => Form::Positional,
        Kind::Table => match &raw.cells {
            Some(cells) => Form::Cells { mark: mark(reader, cells)? },
            None => Form::Positional,
        },
        Kind::Ber => Form::Ber,
        Kind::DataSets => Form::DataSets,
        Kind::Tagged => Form::Tagged(tagged(reader, raw, home, written)?),
        Kind::Bitmapped => Form::Bitmapped(bits(reader, raw, home)?),
    };
    let mut nest =
        Nest { form, parts: BTreeMap::new(), check: raw.check, sensitivity: home.sensitivity };
    if let Some(lead) = &raw.lead {
        let part = sub_field(reader, lead.get_ref(), home, written)?;
        if part.length_digits == 0 && !part.is_fixed {
            reader.problem(lead.get_ref().format.span(), "a lead has a length of its own");
        }
        nest.parts.insert(Part::Number(0), part);
    }
    for (name, part) in &raw.parts {
        read_part(reader, &mut nest, (name, part), home, written);
    }
    in_order(reader, path, raw, &nest);
    if kind == Kind::Table {
        return table(reader, raw, nest, home);
    }
    match &raw.repeat {
        Some(repeat) => repeated(reader, raw, repeat, nest, home),
        None => Some(nest),
    }
}

fn read_part(
    reader: &mut Reader<'_>,
    nest: &mut Nest,
    (name, raw): (&Spanned<String>, &RawPart),
    home: &Home,
    written: Written,
) {
    let part = nest.step(name.get_ref()).filter(|part| match (&nest.form, *part) {
        (Form::Tagged(_), part) => part != Part::Number(0),
        (Form::Bitmapped(form), Part::Number(number)) => {
            let most = if form.chained { 128 } else { form.count };
            let says_next = form.chained && number.checked_rem(form.count) == Some(1);
            number <= most && !says_next
        }
        (Form::DataSets, Part::Tag(tag)) => (1..0xFF).contains(&tag),
        (Form::Ber, Part::Tag(tag)) => Tag::from_number(tag).is_some(),
        _ => true,
    });
    let Some(part) = part else {
        let message = format!("`{}` cannot be the name of a part in this form", name.get_ref());
        reader.problem(name.span(), message);
        return;
    };
    if nest.parts.contains_key(&part) {
        reader.problem(name.span(), format!("part {part} is there already"));
    }
    let Some(definition) = sub_field(reader, raw, home, written) else { return };
    let form_has_length = matches!(nest.form, Form::Tagged(_) | Form::Ber | Form::DataSets);
    if form_has_length && definition.length_digits > 0 {
        let message = "the form says how long the part is: leave the `L` out";
        reader.problem(raw.format.span(), message);
    }
    let is_open_ended = definition.length_digits == 0 && !definition.is_fixed;
    if matches!(nest.form, Form::Bitmapped(_)) && is_open_ended {
        reader.problem(raw.format.span(), "the part needs a length: put `L`s in front of it");
    }
    nest.parts.insert(part, definition);
}

fn sub_field(
    reader: &mut Reader<'_>,
    raw: &RawPart,
    home: &Home,
    written: Written,
) -> Option<SubField> {
    let text = raw.format.get_ref();
    let unbounded = (!text.starts_with('L')).then(|| format(&format!("LLLL {text}"))).flatten();
    let read = match (format(text), unbounded) {
        (Some((content, length_digits, most)), _) => {
            Some((content, length_digits, most, length_digits == 0))
        }
        (None, Some((content, _, most))) => Some((content, 0, most, false)),
        (None, None) => None,
    };
    let Some((content, length_digits, most, is_fixed)) = read else {
        let message = "a format is for instance `n6`, `LL n..19`, `ans..25` or `x+n12`";
        reader.problem(raw.format.span(), message);
        return None;
    };
    if content == Content::Binary && !home.is_binary {
        reader.problem(raw.format.span(), "bytes need a field or part of class `b` around them");
    }
    let largest = written.length.largest(length_digits);
    if length_digits > 0 && u64::from(most) > largest {
        let message = format!("its length can say {largest} at most, {most} is needed");
        reader.problem(raw.format.span(), message);
    }
    let said = reader.word(raw.sensitive.as_ref(), SENSITIVITIES);
    let digits = if content == Content::Digits { written.digits } else { Digits::Ascii };
    let (name, length) = (raw.name.clone(), written.length);
    let nest = None;
    Some(SubField {
        name,
        content,
        length_digits,
        is_fixed,
        most,
        sensitivity: said.unwrap_or(home.sensitivity),
        said,
        digits,
        length,
        nest,
    })
}

/// Positions are 1, 2, 3 and so on, and only the last may take what is left.
fn in_order(reader: &mut Reader<'_>, path: &Spanned<String>, raw: &RawNest, nest: &Nest) {
    let needs_parts = matches!(nest.form, Form::Positional | Form::Bitmapped(_));
    if needs_parts && raw.parts.is_empty() {
        reader.problem(path.span(), "this form needs `parts`");
        return;
    }
    if nest.form != Form::Positional || nest.parts.len() != raw.parts.len() {
        return;
    }
    let last = nest.parts.len();
    for ((part, definition), place) in nest.parts.iter().zip(1usize..) {
        let Part::Number(number) = part else { continue };
        let of_part = raw.parts.iter().find(|(name, _)| nest.step(name.get_ref()) == Some(*part));
        let Some((name, raw)) = of_part else { continue };
        if usize::from(*number) != place {
            reader.problem(name.span(), format!("part {place} is missing in front of it"));
            return;
        }
        if place < last && definition.length_digits == 0 && !definition.is_fixed {
            let message = "only the last part may take what is left: put `L`s in front of it";
            reader.problem(raw.format.span(), message);
        }
    }
}
