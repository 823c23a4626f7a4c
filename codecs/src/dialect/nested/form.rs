//! The keys of `[nested]` that say how parts are told apart.

use super::{Home, Kind, LENGTH_DIGITS_MAX, RawNest, TAG_MAX, TAGS, Written};
use crate::dialect::keys::BITMAPS;
use crate::dialect::{Bitmap, Reader};
use crate::nested::{Bits, Tagged, Tags};
use toml::Spanned;

/// Keys that say nothing in this form.
pub(super) fn foreign_keys(reader: &mut Reader<'_>, raw: &RawNest, kind: Kind) {
    let mut foreign = |span: Option<core::ops::Range<usize>>, key: &str, of: &[Kind]| {
        if let Some(span) = span.filter(|_| !of.contains(&kind)) {
            reader.problem(span, format!("`{key}` says nothing in this form"));
        }
    };
    let all_but_ber = [Kind::Positional, Kind::Tagged, Kind::Bitmapped, Kind::DataSets];
    let repeated = [Kind::Positional, Kind::Table];
    foreign(raw.repeat.as_ref().map(Spanned::span), "repeat", &repeated);
    foreign(raw.rows.as_ref().map(Spanned::span), "rows", &[Kind::Table]);
    foreign(raw.cells.as_ref().map(Spanned::span), "cells", &[Kind::Table]);
    foreign(raw.header.as_ref().map(Spanned::span), "header", &[Kind::Table]);
    foreign(raw.layout.as_ref().map(Spanned::span), "layout", &[Kind::Tagged]);
    foreign(raw.counts_tag.as_ref().map(Spanned::span), "counts_tag", &[Kind::Tagged]);
    foreign(raw.lead.as_ref().map(Spanned::span), "lead", &[Kind::Tagged]);
    foreign(raw.tags.as_ref().map(Spanned::span), "tags", &[Kind::Tagged]);
    foreign(raw.bits.as_ref().map(Spanned::span), "bits", &[Kind::Bitmapped]);
    foreign(raw.chained.as_ref().map(Spanned::span), "chained", &[Kind::Bitmapped]);
    foreign(raw.bitmap.as_ref().map(Spanned::span), "bitmap", &[Kind::Bitmapped]);
    foreign(raw.digits.as_ref().map(Spanned::span), "digits", &all_but_ber);
    foreign(raw.length.as_ref().map(Spanned::span), "length", &all_but_ber);
}

/// A word that may be other than `ascii` only among bytes.
pub(super) fn bytes_only<T: Copy + PartialEq>(
    reader: &mut Reader<'_>,
    given: Option<&Spanned<String>>,
    words: &[(&str, T)],
    home: &Home,
) -> Option<T> {
    let found = reader.word(given, words)?;
    let is_ascii = words.first().is_some_and(|(_, first)| *first == found);
    if let Some(given) = given.filter(|_| !is_ascii && !home.is_binary) {
        let message = format!("`{}` needs a field or part of class `b`", given.get_ref());
        reader.problem(given.span(), message);
    }
    Some(found)
}

/// The mark between cells or behind rows: one character that values do not consist of.
pub(super) fn mark(reader: &mut Reader<'_>, given: &Spanned<String>) -> Option<u8> {
    let mark = match given.get_ref().as_bytes() {
        [mark] if mark.is_ascii_punctuation() => Some(*mark),
        _ => None,
    };
    if mark.is_none() {
        reader.problem(given.span(), "a mark is one character such as `|`, no letter and no digit");
    }
    mark
}

/// `TT LL` or `LLL TT`.
pub(super) fn tagged(
    reader: &mut Reader<'_>,
    raw: &RawNest,
    home: &Home,
    written: Written,
) -> Option<Tagged> {
    let Some(layout) = &raw.layout else {
        reader.problem(raw.form.span(), "`tagged` needs a `layout`, for instance `TT LL`");
        return None;
    };
    if let Some(given) = raw.tags.as_ref().filter(|given| given.get_ref() == "ebcdic") {
        reader.problem(given.span(), "`ebcdic` is not possible for tags inside a field");
        return None;
    }
    let tags = bytes_only(reader, raw.tags.as_ref(), TAGS, home).unwrap_or(Tags::Ascii);
    let runs: Vec<&str> = layout.get_ref().split(' ').collect();
    let run = |text: &&str, of: char| text.chars().all(|c| c == of) && !text.is_empty();
    let (tag, length, length_first) = match runs.as_slice() {
        [tag, length] if run(tag, 'T') && run(length, 'L') => (tag, length, false),
        [length, tag] if run(tag, 'T') && run(length, 'L') => (tag, length, true),
        _ => {
            reader.problem(layout.span(), "a layout is for instance `TT LL` or `LLL TT`");
            return None;
        }
    };
    if tag.len() > TAG_MAX || length.len() > LENGTH_DIGITS_MAX {
        reader.problem(layout.span(), "at most four `T` and four `L`");
        return None;
    }
    let counts_tag = raw.counts_tag.as_ref().is_some_and(|given| *given.get_ref());
    if let Some(given) = raw.counts_tag.as_ref().filter(|_| counts_tag && !length_first) {
        reader.problem(given.span(), "a length counts the tag only if it stands in front of it");
    }
    Some(Tagged {
        tag_width: match tags {
            Tags::Ascii => tag.len(),
            Tags::Bcd | Tags::Binary => tag.len().div_ceil(2),
        },
        tags,
        length_digits: u8::try_from(length.len()).ok()?,
        length: written.length,
        length_first,
        counts_tag,
    })
}

pub(super) fn bits(reader: &mut Reader<'_>, raw: &RawNest, home: &Home) -> Option<Bits> {
    let count = raw.bits.as_ref().map_or(64, |given| *given.get_ref());
    if let Some(given) = raw.bits.as_ref().filter(|_| !matches!(count, 16 | 64 | 128)) {
        reader.problem(given.span(), "a bitmap has 16, 64 or 128 bits");
        return None;
    }
    let usual = if home.is_binary { Bitmap::Binary } else { Bitmap::Hex };
    let written = reader.word(raw.bitmap.as_ref(), BITMAPS).unwrap_or(usual);
    if let Some(given) = raw.bitmap.as_ref().filter(|_| !home.is_binary && written != Bitmap::Hex) {
        let message =
            format!("a bitmap that is `{}` needs a field or part of class `b`", given.get_ref());
        reader.problem(given.span(), message);
    }
    let chained = raw.chained.as_ref().is_some_and(|given| *given.get_ref());
    if let Some(given) = raw.chained.as_ref().filter(|_| chained && count == 128) {
        reader.problem(given.span(), "there are at most 128 bits in all");
    }
    Some(Bits { count, chained, written })
}
