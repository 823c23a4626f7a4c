//! The forms of `[nested]` that repeat: groups of the same width, and rows of a table.

use super::form::mark;
use super::{Home, REPEAT_MAX, RawNest};
use crate::content::Content;
use crate::dialect::{Digits, LengthDigits, Reader};
use crate::nested::{Form, Nest, Rows, SubField};
use std::collections::BTreeMap;
use toml::Spanned;

/// A table of rows in the form of `nest`.
pub(super) fn table(
    reader: &mut Reader<'_>,
    raw: &RawNest,
    nest: Nest,
    home: &Home,
) -> Option<Nest> {
    if home.is_binary {
        reader.problem(raw.form.span(), "a table needs a field or part of characters");
        return None;
    }
    let Some(rows) = &raw.rows else {
        reader.problem(raw.form.span(), "`table` needs `rows`, the mark behind each row");
        return None;
    };
    let row_mark = mark(reader, rows)?;
    if nest.form == (Form::Cells { mark: row_mark }) {
        reader.problem(rows.span(), "the marks of rows and of cells must differ");
        return None;
    }
    let most = raw.repeat.as_ref().map_or(REPEAT_MAX, |given| *given.get_ref());
    if let Some(given) = raw.repeat.as_ref().filter(|_| !(1..=REPEAT_MAX).contains(&most)) {
        reader.problem(given.span(), format!("rows are 1 to {REPEAT_MAX}"));
        return None;
    }
    let (check, sensitivity) = (nest.check, nest.sensitivity);
    let row = |name: &str, nest: Nest| SubField {
        name: String::from(name),
        content: Content::Printable,
        length_digits: 0,
        is_fixed: false,
        most: home.most,
        sensitivity,
        said: None,
        digits: Digits::Ascii,
        length: LengthDigits::Ascii,
        nest: Some(nest),
    };
    let has_header = raw.header.as_ref().is_some_and(|given| *given.get_ref());
    let columns = || Nest { parts: BTreeMap::new(), ..nest.clone() };
    let header = has_header.then(|| match nest.form {
        Form::Cells { .. } => row("columns", columns()),
        // Nothing tells its columns apart.
        _ => SubField { nest: None, ..row("columns", columns()) },
    });
    let rows = Box::new(Rows { mark: row_mark, most, header, row: row("row", nest) });
    Some(Nest { form: Form::Rows(rows), parts: BTreeMap::new(), check, sensitivity })
}

/// Groups of the same width in the form of `nest`.
pub(super) fn repeated(
    reader: &mut Reader<'_>,
    raw: &RawNest,
    repeat: &Spanned<u16>,
    nest: Nest,
    home: &Home,
) -> Option<Nest> {
    let most = *repeat.get_ref();
    if most == 0 || most > REPEAT_MAX {
        reader.problem(repeat.span(), format!("groups are 1 to {REPEAT_MAX}"));
        return None;
    }
    if raw.form.get_ref() != "positional" {
        return None;
    }
    let mut width = 0usize;
    for (name, part) in &raw.parts {
        let definition = nest.step(name.get_ref()).and_then(|step| nest.part(step))?;
        match definition.fixed_width() {
            Some(part) => width = width.saturating_add(part),
            None => {
                let message = "a part of a group has a fixed length, so that groups can be counted";
                reader.problem(part.format.span(), message);
                return None;
            }
        }
    }
    let group_most = u16::try_from(width).ok().filter(|most| (1..=home.most).contains(most));
    let Some(group_most) = group_most else {
        reader.problem(repeat.span(), format!("a group of {width} does not fit what it is in"));
        return None;
    };
    let (check, sensitivity) = (nest.check, nest.sensitivity);
    let group = Box::new(SubField {
        name: String::from("group"),
        content: if home.is_binary { Content::Binary } else { Content::Printable },
        length_digits: 0,
        is_fixed: true,
        most: group_most,
        sensitivity,
        said: None,
        digits: Digits::Ascii,
        length: LengthDigits::Ascii,
        nest: Some(nest),
    });
    let form = Form::Repeated { most, width, group };
    Some(Nest { form, parts: BTreeMap::new(), check, sensitivity })
}
