//! Writes what stands inside a field as `[nested]`, as far as the notation goes.
//!
//! Parts that would be read wrongly are never written: where that leaves the others readable a
//! part is left out and reported, and otherwise the field is read as a whole and that is reported.

use super::spec::{Bits, Field, Layout, Length, Tags, Unit, Value};
use super::writer::{digits_word, length_word, named, quoted};
use super::{Kind, PARTS_MAX, Remark};
use crate::content::Content;
use crate::error::FieldPath;
use core::fmt::Write;
use part::{Written, is_bytewise};
use std::collections::BTreeMap;

mod part;

/// The longest tag and the most digits of a length behind one.
const RUN_MAX: u32 = 4;

/// The tables of a field, and what they lack.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) text: String,
    pub(super) remarks: Vec<Remark>,
}

/// Where a nest stands: by the words of the dialect, and by those of the specification.
struct Place {
    path: String,
    said: String,
    depth: usize,
}

/// Writes what stands inside a field. A field of characters whose parts are bytes becomes one of
/// bytes.
pub(super) fn write(field: &mut Field) -> Inside {
    let mut inside = Inside::default();
    let path = field.number.to_string();
    if count(field) > PARTS_MAX {
        let why = format!(
            "its {} sub-fields are not carried over: more than {PARTS_MAX} with theirs; it is read \
             as a whole",
            field.parts.len()
        );
        inside.remark(Kind::Changed, &path, field.line, why);
        return inside;
    }
    inside.add(&Place { said: path.clone(), path, depth: 0 }, field);
    inside
}

/// All that stands in a field, however deep.
fn count(field: &Field) -> usize {
    let inner = field.parts.iter().map(count).fold(0, usize::saturating_add);
    field.parts.len().saturating_add(inner)
}

impl Inside {
    fn add(&mut self, place: &Place, field: &mut Field) {
        let is_whole = field.layout == Layout::Whole;
        let needs_parts = !matches!(field.layout, Layout::Ber | Layout::DataSets);
        if is_whole || (field.parts.is_empty() && needs_parts) {
            return;
        }
        let before = (field.class, field.value, self.text.len());
        if let Err(why) = self.nest(place, field) {
            self.text.truncate(before.2);
            (field.class, field.value) = (before.0, before.1);
            let count = field.parts.len();
            let why = format!(
                "its {count} sub-fields are not carried over: {why}; it is read as a whole"
            );
            self.remark(Kind::Changed, &place.said, field.line, why);
        }
    }

    fn remark(&mut self, kind: Kind, said: &str, line: Option<usize>, why: String) {
        self.remarks.push(Remark { kind, field: said.to_owned(), line, why });
    }

    fn nest(&mut self, place: &Place, field: &mut Field) -> Result<(), String> {
        if place.depth >= FieldPath::DEPTH_MAX {
            return Err(format!("parts stand in it more than {} deep", FieldPath::DEPTH_MAX));
        }
        if let Layout::Other(why) = &field.layout {
            return Err(why.clone());
        }
        let mut inner = Self::default();
        let mut names = Vec::new();
        for (index, part) in (1u32..).zip(&mut field.parts) {
            let (name, said) = match (&field.layout, &part.tag) {
                (Layout::Positional, _) => (index.to_string(), part.number.to_string()),
                (Layout::Tags { tags, width }, Some(tag)) => {
                    (tag_name(tag, *tags, *width), tag.clone())
                }
                (Layout::Ber, Some(tag)) => (tag.to_ascii_uppercase(), tag.clone()),
                _ => (part.number.to_string(), part.number.to_string()),
            };
            let path = format!("{}.{name}", place.path);
            // A name is from the file; it may be anything.
            let said: String = said.chars().filter(|c| !c.is_control()).take(20).collect();
            let said = format!("{}.{said}", place.said);
            let depth = place.depth.saturating_add(1);
            inner.add(&Place { path, said: said.clone(), depth }, part);
            names.push((name, said));
        }
        let needs_bytes = needs_bytes(field);
        let is_text = field.class != Content::Binary && field.value == Value::Ascii;
        match field.class == Content::Binary && field.value == Value::Bytes {
            false if needs_bytes && is_text => {
                (field.class, field.value) = (Content::Binary, Value::Bytes);
            }
            false if needs_bytes => {
                return Err("they are bytes and it is not".to_owned());
            }
            _ => (),
        }
        let digits = usual_digits(field);
        let own = match field.layout {
            Layout::Positional | Layout::Bitmap { .. } => Some(same_length(&field.parts)?),
            _ => None,
        };
        let written = Written { digits, own, most: field.most };
        let head = head(field, &written)?;
        let _ = write!(self.text, "\n[nested.{}]\n{head}", quoted_path(&place.path));
        self.parts(place, field, &names, &written)?;
        self.text.push_str(&inner.text);
        self.remarks.append(&mut inner.remarks);
        Ok(())
    }

    /// The table of the parts.
    fn parts(
        &mut self,
        place: &Place,
        field: &Field,
        names: &[(String, String)],
        written: &Written,
    ) -> Result<(), String> {
        let is_positional = field.layout == Layout::Positional;
        let mut rows: BTreeMap<(u32, &str), String> = BTreeMap::new();
        let mut is_renumbered = false;
        for (part, (name, said)) in field.parts.iter().zip(names) {
            let found = place_of(&field.layout, name, part.number)
                .and_then(|()| part.format_inside(written));
            let found = match found {
                Ok(found) => found,
                Err(why) if is_positional => return Err(format!("sub-field {said}: {why}")),
                Err(why) => {
                    self.remark(Kind::Omitted, said, part.line, why);
                    continue;
                }
            };
            for why in found.lost {
                self.remark(Kind::Changed, said, part.line, why);
            }
            is_renumbered |= is_positional && part.number.to_string() != *name;
            let number = name.parse().unwrap_or(u32::MAX);
            let fallback = format!("part {name}");
            let title = if part.name.trim().is_empty() { &fallback } else { &part.name };
            let (title, format) = (named(title), &found.format);
            let row = format!("{name} = {{ name = {title}, format = \"{format}\" }}\n");
            if rows.insert((number, name), row).is_some() {
                let why = "it is defined more than once; the last counts".to_owned();
                self.remark(Kind::Changed, said, part.line, why);
            }
        }
        if is_renumbered {
            let why = "its sub-fields are numbered from 1 here, in their order".to_owned();
            self.remark(Kind::Changed, &place.said, field.line, why);
        }
        if rows.is_empty() && matches!(field.layout, Layout::Bitmap { .. }) {
            return Err("none of them can be read".to_owned());
        }
        if !rows.is_empty() {
            let _ = writeln!(self.text, "[nested.{}.parts]", quoted_path(&place.path));
            rows.values().for_each(|row| self.text.push_str(row));
        }
        Ok(())
    }
}

fn quoted_path(path: &str) -> String {
    if path.contains('.') { quoted(path) } else { path.to_owned() }
}

/// Whether the parts are other than characters of their field.
fn needs_bytes(field: &Field) -> bool {
    let of_form = match &field.layout {
        Layout::Ber | Layout::DataSets => true,
        Layout::Bitmap { bits, .. } => *bits != Bits::Hex,
        Layout::Tags { tags, .. } => *tags != Tags::Ascii,
        Layout::Whole | Layout::Positional | Layout::Other(_) => false,
    };
    let of_part = |part: &Field| {
        let is_ascii = matches!(part.value, Value::Ascii | Value::Hex);
        part.flaw.is_none()
            && (!is_ascii || (part.length_digits > 0 && part.length != Length::Ascii))
    };
    of_form || field.parts.iter().any(of_part)
}

/// How most of the numbers in a field are written.
fn usual_digits(field: &Field) -> Value {
    if field.layout == Layout::Ber {
        return Value::BcdLeft;
    }
    let numbers = || field.parts.iter().filter(|part| part.class == Content::Digits);
    let count = |value| numbers().filter(|part| part.value == value).count();
    let others = [Value::BcdLeft, Value::BcdRight, Value::BcdRightF, Value::Ebcdic];
    // Of several that are as many the first counts.
    others.into_iter().fold(Value::Ascii, |most, value| match count(value) > count(most) {
        true => value,
        false => most,
    })
}

/// How the parts that have lengths of their own write them.
fn same_length(parts: &[Field]) -> Result<Length, String> {
    let mut lengths = parts
        .iter()
        .filter(|part| part.length_digits > 0 && part.flaw.is_none())
        .map(|part| part.length);
    let first = lengths.next().unwrap_or(Length::Ascii);
    match lengths.all(|length| length == first) {
        true => Ok(first),
        false => Err("their lengths are written in different ways".to_owned()),
    }
}

/// The keys in front of the parts.
fn head(field: &Field, written: &Written) -> Result<String, String> {
    let mut text = String::new();
    let has_digits = field.layout != Layout::Ber && written.digits != Value::Ascii;
    let mut own = written.own;
    match &field.layout {
        Layout::Positional => text.push_str("form = \"positional\"\n"),
        Layout::Ber => text.push_str("form = \"ber-tlv\"\n"),
        Layout::DataSets => text.push_str("form = \"data-sets\"\n"),
        Layout::Bitmap { bits, bytes, is_chained } => {
            let count = match bytes {
                2 => 16,
                8 => 64,
                16 => 128,
                other => return Err(format!("a bitmap of {other} bytes")),
            };
            let _ = writeln!(text, "form = \"bitmapped\"\nbits = {count}");
            if *is_chained && count < 128 {
                text.push_str("chained = true\n");
            }
            let word = match bits {
                Bits::Binary => "binary",
                Bits::Hex => "hex",
                Bits::HexEbcdic => "ebcdic-hex",
            };
            let _ = writeln!(text, "bitmap = \"{word}\"");
        }
        Layout::Tags { tags, width } => {
            let (digits, length) = one_length(&field.parts)?;
            own = Some(length);
            let letters = match tags {
                Tags::Bytes => width.saturating_mul(2),
                Tags::Ascii | Tags::Ebcdic | Tags::Bcd => *width,
            };
            if !(1..=RUN_MAX).contains(&letters) {
                return Err(format!("tags of {width}"));
            }
            let letters = if letters == 1 { 1 } else { letters as usize };
            let (tag, length) = ("T".repeat(letters), "L".repeat(digits.into()));
            let _ = writeln!(text, "form = \"tagged\"\nlayout = \"{tag} {length}\"");
            match tags {
                Tags::Ascii => (),
                Tags::Bcd => text.push_str("tags = \"bcd\"\n"),
                Tags::Bytes => text.push_str("tags = \"binary\"\n"),
                Tags::Ebcdic => return Err("tags in EBCDIC among bytes".to_owned()),
            }
        }
        Layout::Whole | Layout::Other(_) => return Err("nothing says how they lie".to_owned()),
    }
    if has_digits && let Some(word) = digits_word(written.digits) {
        let _ = writeln!(text, "digits = \"{word}\"");
    }
    if let Some(length) = own.filter(|length| *length != Length::Ascii) {
        let _ = writeln!(text, "length = \"{}\"", length_word(length));
    }
    Ok(text)
}

/// The length that all parts behind tags have. It must count bytes: of a part that is not known
/// nothing else is known.
fn one_length(parts: &[Field]) -> Result<(u8, Length), String> {
    if let Some((part, why)) = parts.iter().find_map(|part| Some((part, part.flaw.as_ref()?))) {
        let name = part.tag.as_deref().unwrap_or_default();
        return Err(format!("sub-field {}: {why}", name.escape_debug()));
    }
    let first = parts.first().map_or((0, Length::Ascii), |part| (part.length_digits, part.length));
    if !(1..=RUN_MAX).contains(&first.0.into()) {
        return Err("they have no length behind the tag, or a longer one than four digits".into());
    }
    for part in parts {
        if (part.length_digits, part.length) != first {
            return Err("their lengths are written in different ways".to_owned());
        }
        if !counts_bytes(part) {
            return Err("their lengths do not count bytes".to_owned());
        }
    }
    Ok(first)
}

/// Whether the length of a part, if it has one, is in bytes.
const fn counts_bytes(part: &Field) -> bool {
    is_bytewise(part) || matches!(part.counts, Unit::Bytes)
}

/// A tag as dialects name it.
fn tag_name(tag: &str, tags: Tags, width: u32) -> String {
    match tags {
        Tags::Ascii | Tags::Ebcdic => tag.to_owned(),
        Tags::Bytes => tag.to_ascii_uppercase(),
        // A whole number of bytes.
        Tags::Bcd if width % 2 == 1 => format!("0{tag}"),
        Tags::Bcd => tag.to_owned(),
    }
}

/// Whether a part can have such a name in this form.
fn place_of(layout: &Layout, name: &str, number: u32) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what} cannot be its name here"));
    let is_hex = name.len().is_multiple_of(2) && name.bytes().all(|b| b.is_ascii_hexdigit());
    match layout {
        Layout::Bitmap { bytes, is_chained, .. } => {
            let bits = bytes.saturating_mul(8).max(1);
            let most = if *is_chained { 128 } else { bits };
            let says_next = *is_chained && number.checked_rem(bits) == Some(1);
            match (1..=most).contains(&number) && !says_next {
                true => Ok(()),
                false => Err("the bitmap has no bit for it".to_owned()),
            }
        }
        Layout::Tags { tags, width } => {
            let width = *width as usize;
            let fits = match tags {
                Tags::Ascii | Tags::Ebcdic => {
                    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric());
                    name.len() == width && is_plain
                }
                Tags::Bytes => is_hex && name.len() == width.saturating_mul(2),
                Tags::Bcd => {
                    let is_digits = name.bytes().all(|b| b.is_ascii_digit());
                    is_digits && name.len() == width.next_multiple_of(2)
                }
            };
            if fits { Ok(()) } else { wrong("a tag of another length or of other characters") }
        }
        Layout::Ber => {
            let tag = crate::nested::tlv::Tag::parse(name).filter(|_| is_hex);
            if tag.is_some() { Ok(()) } else { wrong("what is no tag of BER") }
        }
        Layout::Positional | Layout::DataSets | Layout::Whole | Layout::Other(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::import::spec::Spec;
    use crate::import::writer;

    fn part(number: u32, class: Content, most: u32, value: Value) -> Field {
        Field { class, value, ..Field::plain(number, String::new(), most) }
    }

    /// The nests of a field of at most 99 characters, and what was remarked.
    fn nested(layout: Layout, parts: Vec<Field>) -> (String, Vec<String>) {
        let plain = Field::plain(48, "outer".to_owned(), 99);
        let field = Field { length_digits: 2, parts, layout, ..plain };
        let bitmap = Some(Bits::Binary);
        let spec = Spec { mti: Some(Value::Ascii), bitmap, fields: vec![field], ..Spec::default() };
        let imported = writer::write("x", spec);
        let read = Dialect::parse(&imported.text());
        assert!(read.is_ok(), "{:?}\n{}", read.err(), imported.text());
        let nests = imported.text().split_once("\n\n[nested.").map(|(_, nests)| nests.to_owned());
        (nests.unwrap_or_default(), imported.remarks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn parts_unlike_their_neighbours_are_bytes_or_characters() {
        let parts = vec![
            part(1, Content::Digits, 3, Value::BcdRightF),
            part(2, Content::Digits, 5, Value::BcdRightF),
            part(3, Content::Digits, 3, Value::BcdLeft),
            part(4, Content::Digits, 2, Value::Ascii),
            part(5, Content::Binary, 2, Value::Hex),
            part(6, Content::Printable, 4, Value::Ebcdic),
            part(7, Content::SignedDigits, 9, Value::Ascii),
            part(8, Content::Track, 7, Value::BcdLeft),
        ];
        let (text, remarks) = nested(Layout::Positional, parts);
        assert!(text.contains("digits = \"bcd-right-f\""), "{text}");
        for format in ["n3", "n5", "b2", "ans2", "an4", "b4", "x+n8", "b4"] {
            assert!(text.contains(&format!("format = \"{format}\"")), "{format}: {text}");
        }
        let expected = [
            "changed: field 48.3: packed otherwise than its neighbours; here these bytes",
            "changed: field 48.4: a number in characters beside others that are not; here ans",
            "changed: field 48.5: bytes as hexadecimal characters; here these characters",
            "changed: field 48.6: EBCDIC among bytes; here these bytes",
            "changed: field 48.8: packed otherwise than its neighbours; here these bytes",
        ];
        assert_eq!(remarks, expected);
    }

    #[test]
    fn what_no_part_can_be_is_reported() {
        let own = |part: Field, digits, length| Field { length_digits: digits, length, ..part };
        let text = |number| part(number, Content::Printable, 9, Value::Ascii);
        let bytes = |number| part(number, Content::Binary, 9, Value::Bytes);
        let map = |bytes, is_chained| Layout::Bitmap { bits: Bits::Hex, bytes, is_chained };
        let tags = |width| Layout::Tags { tags: Tags::Ascii, width };
        let tagged =
            |tag: &str| Field { tag: Some(tag.to_owned()), ..own(text(1), 2, Length::Ascii) };
        let mixed = vec![own(text(1), 2, Length::Ascii), own(bytes(2), 2, Length::Bcd)];
        let packed = Field { counts: Unit::Bytes, ..part(1, Content::Digits, 9, Value::BcdLeft) };
        let cases = [
            (Layout::Positional, mixed, "their lengths are written in different ways"),
            (
                Layout::Positional,
                vec![own(packed, 2, Length::Ascii)],
                "sub-field 48.1: its length counts bytes",
            ),
            (
                Layout::Positional,
                vec![part(1, Content::Printable, 0, Value::Ascii)],
                "sub-field 48.1: its length is zero",
            ),
            (map(3, false), vec![text(1)], "a bitmap of 3 bytes"),
            (map(8, true), vec![text(65)], "none of them can be read"),
            (tags(5), vec![tagged("00001")], "tags of 5"),
            (tags(2), vec![tagged("01"), own(text(2), 3, Length::Ascii)], "their lengths are"),
            (tags(2), vec![text(1)], "they have no length behind the tag"),
        ];
        for (layout, parts, expected) in cases {
            let (text, remarks) = nested(layout, parts);
            assert_eq!(text, "");
            let expected = format!("sub-fields are not carried over: {expected}");
            assert!(remarks.iter().any(|why| why.contains(&expected)), "{remarks:?}: {expected}");
        }
        let (text, remarks) = nested(tags(2), vec![tagged("01"), tagged("0\"2"), tagged("01")]);
        assert!(text.contains("\n01 = ") && !text.contains("0\"2"), "{text}");
        let expected = [
            "omitted: field 48.0\"2: a tag of another length or of other characters cannot be its \
             name here",
            "changed: field 48.01: it is defined more than once; the last counts",
        ];
        assert_eq!(remarks, expected);
    }

    #[test]
    fn parts_of_parts_end_where_paths_do() {
        let mut inner = part(1, Content::Digits, 2, Value::BcdLeft);
        for _ in 0..6 {
            let plain = Field::plain(1, String::new(), 2);
            inner = Field { parts: vec![inner], layout: Layout::Positional, ..plain };
        }
        let (text, remarks) = nested(Layout::Positional, vec![inner]);
        assert!(text.contains("[nested.\"48.1.1.1\"]"), "{text}");
        assert!(!text.contains("[nested.\"48.1.1.1.1\"]"), "{text}");
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(remarks[0].contains("field 48.1.1.1.1: its 1 sub-fields"), "{remarks:?}");
    }
}
