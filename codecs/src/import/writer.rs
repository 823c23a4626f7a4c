//! Writes a specification as a dialect file, as far as the notation goes.
//!
//! This is the one place that knows both what specifications say and what a dialect file can.

use super::spec::{Bits, Field, Length, Spec, Unit, Value};
use super::{Kind, Remark, inside};
use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::Fill;
use core::fmt::Write;
use std::collections::BTreeMap;

/// Most digits of a length in the notation.
const LENGTH_DIGITS_MAX: u8 = 6;

/// Keys of `[encoding]` that may be said for all fields, in the order in which they are written,
/// each with the word that holds if it is not.
const KEYS: [(&str, &str); 7] = [
    ("digits", "ascii"),
    ("track", "ascii"),
    ("text", "ascii"),
    ("signed", "ascii"),
    ("binary", "binary"),
    ("code_page", "037"),
    ("length", "ascii"),
];

/// A key of a dialect file and its word.
type Said = (&'static str, &'static str);

/// A dialect file in pieces.
pub(super) struct Written {
    /// Everything in front of the fields.
    head: String,
    /// The line of each field, and the tables of what stands inside it.
    rows: BTreeMap<u8, (String, String)>,
    /// The reader's remarks with the writer's behind them.
    pub(super) remarks: Vec<Remark>,
}

impl Written {
    /// The dialect file.
    pub(super) fn text(&self) -> String {
        self.with(self.rows.values())
    }

    /// The same with one field each, in turn, and then with those that bitmaps are judged by. A
    /// dialect that extends none is good if all of these are; read as a whole, a dialect takes a
    /// multiple of its length in memory.
    pub(super) fn pieces(&self) -> impl Iterator<Item = String> {
        let highest = self.rows.last_key_value().filter(|(number, _)| **number != THIRD_BITMAP);
        let judged = self.rows.get(&THIRD_BITMAP).into_iter().chain(highest.map(|(_, row)| row));
        let each = self.rows.values().map(|row| self.with([row]));
        each.chain([self.with(judged)])
    }

    /// Whether there is any field.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn with<'r, R>(&self, rows: R) -> String
    where
        R: IntoIterator<Item = &'r (String, String), IntoIter: Clone>,
    {
        let rows = rows.into_iter();
        let mut text = self.head.clone();
        text.push_str("\n[fields]\n");
        rows.clone().for_each(|(row, _)| text.push_str(row));
        rows.for_each(|(_, nest)| text.push_str(nest));
        text
    }
}

/// The dialect file, in pieces.
pub(super) fn write(name: &str, spec: Spec) -> Written {
    let Spec { title, mti, bitmap, bitmap_bytes, mut fields, mut remarks } = spec;
    let mut whole = |kind: Kind, why: &str| {
        let (field, why) = (String::new(), why.to_owned());
        remarks.push(Remark { kind, field, line: None, why });
    };
    let mti = match mti {
        Some(value) => digits_word(value).unwrap_or_else(|| {
            whole(
                Kind::Changed,
                "the message type is neither characters nor packed; taken as ASCII",
            );
            "ascii"
        }),
        None => {
            whole(Kind::Assumed, "nothing says how the message type is written; taken as ASCII");
            "ascii"
        }
    };
    let bitmap = match bitmap {
        Some(Bits::Binary) => "binary",
        Some(Bits::Hex) => "hex",
        Some(Bits::HexEbcdic) => "ebcdic-hex",
        None => {
            whole(Kind::Assumed, "nothing says how bitmaps are written; taken as binary");
            "binary"
        }
    };
    let nests: Vec<_> = fields.iter_mut().map(inside::write).collect();
    let usual = usual(&fields);
    let (mut rows, mut edition) = (BTreeMap::new(), "1987");
    for (field, nest) in fields.iter().zip(nests) {
        match row(field, &usual, bitmap_bytes, &mut remarks) {
            Err(why) => remarks.push(field.remark(Kind::Omitted, why)),
            Ok((number, row)) => {
                if number == RESPONSE_CODE {
                    edition = edition_of(field.most).unwrap_or(edition);
                }
                remarks.extend(nest.remarks);
                if rows.insert(number, (row, nest.text)).is_some() {
                    let why = "it is defined more than once; the last counts";
                    remarks.push(field.remark(Kind::Changed, why));
                }
            }
        }
    }
    let has_third = bitmap_bytes == 0 && rows.keys().any(|number| *number > 128);
    if has_third && rows.remove(&THIRD_BITMAP).is_some() {
        let why = "bit 65 announces the third bitmap";
        let found = fields.iter().filter(|field| field.number == u32::from(THIRD_BITMAP));
        remarks.extend(found.map(|field| field.remark(Kind::Omitted, why)));
    }
    let mut head = String::new();
    let _ = writeln!(head, "name = {}", quoted(name));
    let _ = writeln!(head, "title = {}", named(&title));
    let _ = writeln!(head, "\n[encoding]\nmti = \"{mti}\"\nbitmap = \"{bitmap}\"");
    if bitmap_bytes > 0 {
        let _ = writeln!(head, "bitmap_bytes = {bitmap_bytes}");
    }
    for (key, word) in KEYS.iter().filter_map(|(key, _)| usual.get_key_value(key)) {
        let _ = writeln!(head, "{key} = \"{word}\"");
    }
    if edition != "1987" {
        let _ = writeln!(head, "response_codes = \"{edition}\"");
    }
    Written { head, rows, remarks }
}

/// The field whose length tells the edition.
const RESPONSE_CODE: u8 = 39;
/// The field that a dialect with three bitmaps cannot have.
const THIRD_BITMAP: u8 = 65;

/// The edition whose response codes have so many characters.
const fn edition_of(most: u32) -> Option<&'static str> {
    match most {
        2 => Some("1987"),
        3 => Some("1993"),
        4 => Some("2003"),
        _ => None,
    }
}

/// The word that stands most often for each key; `digits` and `length` are always said.
fn usual(fields: &[Field]) -> BTreeMap<&'static str, &'static str> {
    let mut counts: BTreeMap<Said, usize> = BTreeMap::new();
    for said in fields.iter().filter_map(|field| said(field).ok()).flatten() {
        let count = counts.entry(said).or_default();
        *count = count.saturating_add(1);
    }
    let mut usual = BTreeMap::new();
    for (key, plain) in KEYS {
        let words = counts.iter().filter(|((of, _), _)| *of == key);
        match words.max_by_key(|(_, count)| **count) {
            Some(((_, word), _)) => usual.insert(key, *word),
            None if matches!(key, "digits" | "length") => usual.insert(key, plain),
            None => None,
        };
    }
    usual
}

/// How its value and its length are written, or why a dialect has no words for that.
fn said(field: &Field) -> Result<Vec<Said>, String> {
    let (class, value) = (field.class, field.value);
    let is_packed = matches!(value, Value::BcdLeft | Value::BcdRight | Value::BcdRightF);
    let (key, word) = match class {
        Content::Digits => ("digits", digits_word(value)),
        Content::Track => ("track", digits_word(value)),
        Content::Letters | Content::Alphanumeric | Content::Printable => {
            ("text", characters_word(value))
        }
        Content::SignedDigits if value == Value::BcdLeft => ("signed", Some("bcd")),
        // Of an even number of digits nothing is filled.
        Content::SignedDigits if is_packed && field.length_digits == 0 && field.most % 2 == 1 => {
            ("signed", Some("bcd"))
        }
        Content::SignedDigits => ("signed", characters_word(value)),
        Content::Binary => ("binary", bytes_word(value)),
    };
    let word = word.ok_or_else(|| match (class, value) {
        (Content::Binary, _) => "bytes written as characters".to_owned(),
        (Content::SignedDigits, _) if is_packed => {
            "an odd number of packed digits behind a sign, filled on the right".to_owned()
        }
        (_, Value::Bytes) => format!("raw bytes of class {class}"),
        (_, Value::Hex | Value::HexEbcdic) => format!("hexadecimal characters of class {class}"),
        _ => format!("packed content of class {class}; only numbers and tracks can be packed"),
    })?;
    let mut all = vec![(key, word)];
    if value == Value::Ebcdic {
        all.push(("code_page", page_word(field.page)));
    }
    if field.length_digits > 0 {
        all.push(("length", length_word(field.length)));
    }
    Ok(all)
}

/// The number of a field and its line, or why it cannot be in a dialect.
fn row(
    field: &Field,
    usual: &BTreeMap<&str, &str>,
    bitmap_bytes: u8,
    remarks: &mut Vec<Remark>,
) -> Result<(u8, String), String> {
    let number = u8::try_from(field.number).ok().filter(|number| (2..=192).contains(number));
    let number = number.ok_or("a dialect has the fields 2 to 192")?;
    if bitmap_bytes > 0 && u16::from(number) > u16::from(bitmap_bytes).saturating_mul(8) {
        return Err(format!("a bitmap of {bitmap_bytes} bytes has no bit for it"));
    }
    let is_prefixed = (1..=LENGTH_DIGITS_MAX).contains(&field.length_digits);
    let most = match u16::try_from(field.most) {
        Ok(most) => most,
        Err(_) if is_prefixed => {
            let why = format!("up to {}; here up to {}", field.most, u16::MAX);
            remarks.push(field.remark(Kind::Changed, why));
            u16::MAX
        }
        Err(_) => return Err("it is longer than 65535".into()),
    };
    let said = said(field)?;
    if most == 0 || (most == 1 && field.class == Content::SignedDigits) {
        return Err("its length is zero".into());
    }
    if number == RESPONSE_CODE && edition_of(field.most).is_none() {
        return Err(format!("a response code has 2, 3 or 4 characters and not {most}"));
    }
    let most = longest(field, most, remarks)?;
    let is_hex = matches!(field.value, Value::Hex | Value::HexEbcdic);
    if is_hex && most > u16::MAX / 2 {
        return Err("it is longer than 65535 bytes".into());
    }
    let mut extra = String::new();
    for (key, word) in said.iter().filter(|(key, word)| usual.get(key) != Some(word)) {
        let _ = write!(extra, ", {key} = \"{word}\"");
    }
    let is_bytewise = matches!(field.value, Value::Ascii | Value::Ebcdic | Value::Bytes);
    if field.length_digits > 0 && field.counts == Unit::Bytes && !is_bytewise {
        extra.push_str(", count = \"bytes\"");
    }
    match filled(field) {
        Ok(word) => extra.push_str(&word),
        Err(why) => remarks.push(field.remark(Kind::Changed, why)),
    }
    let fallback = format!("field {number}");
    let name = if field.name.trim().is_empty() { &fallback } else { &field.name };
    let name = named(name);
    let format = format(field, most);
    Ok((number, format!("{number} = {{ name = {name}, format = \"{format}\"{extra} }}\n")))
}

/// The longest value that its length can say.
pub(super) fn longest(field: &Field, most: u16, remarks: &mut Vec<Remark>) -> Result<u16, String> {
    let digits = field.length_digits;
    if digits == 0 {
        return Ok(most);
    }
    if digits > LENGTH_DIGITS_MAX {
        return Err(format!("its length has {digits} digits; {LENGTH_DIGITS_MAX} at most"));
    }
    let (base, digits): (u32, u8) = match field.length {
        Length::Ascii | Length::Bcd | Length::Ebcdic => (10, digits),
        Length::Binary => (256, digits.div_ceil(2)),
        Length::Hex => (16, digits),
    };
    let largest = base.saturating_pow(digits.into()).saturating_sub(1);
    let room = match (field.counts, field.value) {
        (Unit::Bytes, Value::BcdLeft | Value::BcdRight | Value::BcdRightF) => {
            // The byte of a sign holds one character.
            let sign = u32::from(field.class == Content::SignedDigits);
            largest.saturating_mul(2).saturating_sub(sign)
        }
        (Unit::Bytes, Value::Hex | Value::HexEbcdic) => largest / 2,
        _ => largest,
    };
    match u16::try_from(room) {
        Ok(room) if most > room => {
            let letters = "L".repeat(field.length_digits.into());
            let why = format!("up to {most} does not fit a length of {letters}; up to {room}");
            remarks.push(field.remark(Kind::Changed, why));
            Ok(room)
        }
        _ => Ok(most),
    }
}

/// The key for the way in which a short value is filled up, if it needs one; or what is not
/// carried over.
pub(super) fn filled(field: &Field) -> Result<String, String> {
    if let Some(padding) = &field.padding {
        return Err(format!("filled with {padding}; here with zeros or spaces"));
    }
    let Some(fill) = field.fill else { return Ok(String::new()) };
    let (word, what) = match fill {
        Fill::LeftZero => ("left-zero", "zeros on the left"),
        Fill::LeftSpace => ("left-space", "spaces on the left"),
        Fill::RightZero => ("right-zero", "zeros on the right"),
        Fill::RightSpace => ("right-space", "spaces on the right"),
    };
    let class = field.class;
    if field.length_digits > 0 {
        return Err(format!("filled with {what} to its longest length; here it is as it was set"));
    }
    let usual = if class.is_text() { Fill::RightSpace } else { Fill::LeftZero };
    match class {
        Content::Binary => Err(format!("filled with {what}; here bytes are never filled up")),
        _ if fill == usual => Ok(String::new()),
        Content::SignedDigits => Err(format!("filled with {what}; here after its sign")),
        _ if !class.holds(&[fill.byte()]) => {
            Err(format!("filled with {what}; a field of class {class} cannot hold them"))
        }
        _ => Ok(format!(", fill = \"{word}\"")),
    }
}

/// The notation of the standard.
fn format(field: &Field, most: u16) -> String {
    let class = field.class.notation();
    // The sign is not counted in the notation.
    let signed = field.class == Content::SignedDigits;
    let written = if signed { most.saturating_sub(1) } else { most };
    match field.length_digits {
        0 => format!("{class}{written}"),
        digits => format!("{} {class}..{written}", "L".repeat(digits.into())),
    }
}

pub(super) const fn digits_word(value: Value) -> Option<&'static str> {
    match value {
        Value::Ascii => Some("ascii"),
        Value::Ebcdic => Some("ebcdic"),
        Value::BcdLeft => Some("bcd"),
        Value::BcdRight => Some("bcd-right"),
        Value::BcdRightF => Some("bcd-right-f"),
        Value::Bytes | Value::Hex | Value::HexEbcdic => None,
    }
}

const fn characters_word(value: Value) -> Option<&'static str> {
    match value {
        Value::Ascii => Some("ascii"),
        Value::Ebcdic => Some("ebcdic"),
        Value::BcdLeft | Value::BcdRight | Value::BcdRightF => None,
        Value::Bytes | Value::Hex | Value::HexEbcdic => None,
    }
}

const fn bytes_word(value: Value) -> Option<&'static str> {
    match value {
        Value::Bytes => Some("binary"),
        Value::Hex => Some("hex"),
        Value::HexEbcdic => Some("ebcdic-hex"),
        Value::Ascii | Value::Ebcdic => None,
        Value::BcdLeft | Value::BcdRight | Value::BcdRightF => None,
    }
}

pub(super) const fn length_word(length: Length) -> &'static str {
    match length {
        Length::Ascii => "ascii",
        Length::Bcd => "bcd",
        Length::Binary => "binary",
        Length::Ebcdic => "ebcdic",
        Length::Hex => "hex",
    }
}

const fn page_word(page: CodePage) -> &'static str {
    match page {
        CodePage::P037 => "037",
        CodePage::P500 => "500",
        CodePage::P1047 => "1047",
    }
}

/// Longest name in bytes; what is cut off shows as three points.
const NAME_MAX: usize = 100;

/// A name for people as a string of TOML. Control characters are spaces.
pub(super) fn named(text: &str) -> String {
    let name = text.get(..text.floor_char_boundary(NAME_MAX)).unwrap_or_default();
    let points = if name.len() < text.len() { "…" } else { "" };
    quoted(&format!("{}{points}", name.replace(char::is_control, " ")))
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::import::spec::Layout;

    fn field(number: u32, class: Content, most: u32, value: Value) -> Field {
        let name = "a \"name\"\u{1}\\".to_owned();
        Field { class, value, ..Field::plain(number, name, most) }
    }

    fn written(spec: Spec) -> (String, Vec<String>) {
        let written = write("x", spec);
        let (text, remarks) = (written.text(), &written.remarks);
        Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (text, remarks.iter().map(ToString::to_string).collect())
    }

    fn of(fields: Vec<Field>) -> Spec {
        Spec { mti: Some(Value::Ascii), bitmap: Some(Bits::Hex), fields, ..Spec::default() }
    }

    fn digits(value: Value) -> Field {
        field(4, Content::Digits, 12, value)
    }

    fn variable(most: u32, length_digits: u8, length: Length) -> Field {
        Field { length_digits, length, ..field(48, Content::Printable, most, Value::Ascii) }
    }

    #[test]
    fn what_can_be_said_is_said() {
        let amount = |most, value| field(28, Content::SignedDigits, most, value);
        let packed = |class, most| Field {
            length_digits: 2,
            length: Length::Ebcdic,
            counts: Unit::Bytes,
            ..field(35, class, most, Value::BcdRightF)
        };
        let page =
            Field { page: CodePage::P500, ..field(41, Content::Printable, 8, Value::Ebcdic) };
        let zeros = Field { fill: Some(Fill::RightZero), ..digits(Value::Ascii) };
        let spaces =
            Field { fill: Some(Fill::LeftSpace), ..field(41, Content::Printable, 8, Value::Ascii) };
        let cases = [
            (digits(Value::Ascii), "n12\"", "digits = \"ascii\""),
            (digits(Value::BcdRight), "n12\"", "digits = \"bcd-right\""),
            (digits(Value::BcdRightF), "n12\"", "digits = \"bcd-right-f\""),
            (digits(Value::Ebcdic), "n12\"", "digits = \"ebcdic\"\ncode_page = \"1047\""),
            (page, "ans8\"", "text = \"ebcdic\"\ncode_page = \"500\""),
            (field(52, Content::Binary, 8, Value::Hex), "b8\"", "binary = \"hex\""),
            (field(52, Content::Binary, 8, Value::HexEbcdic), "b8\"", "binary = \"ebcdic-hex\""),
            (amount(9, Value::Ebcdic), "x+n8\"", "signed = \"ebcdic\""),
            (amount(8, Value::BcdLeft), "x+n7\"", "signed = \"bcd\""),
            (amount(9, Value::BcdRight), "x+n8\"", "signed = \"bcd\""),
            (
                packed(Content::Track, 37),
                "LL z..37\", count = \"bytes\"",
                "track = \"bcd-right-f\"\nlength = \"ebcdic\"",
            ),
            (packed(Content::Digits, 198), "LL n..198\", count = \"bytes\"", "bcd-right-f"),
            (variable(255, 2, Length::Binary), "LL ans..255\"", "length = \"binary\""),
            (variable(255, 2, Length::Hex), "LL ans..255\"", "length = \"hex\""),
            (variable(65_535, 6, Length::Ascii), "LLLLLL ans..65535\"", "length = \"ascii\""),
            (field(192, Content::Digits, 3, Value::Ascii), "n3\"", "digits"),
            (field(39, Content::Digits, 3, Value::Ascii), "n3\"", "response_codes = \"1993\""),
            (field(39, Content::Digits, 4, Value::Ascii), "n4\"", "response_codes = \"2003\""),
            (zeros, "n12\", fill = \"right-zero\"", "digits"),
            (spaces, "ans8\", fill = \"left-space\"", "text"),
        ];
        for (field, format, encoding) in cases {
            let (text, remarks) = written(of(vec![field]));
            assert!(remarks.is_empty(), "{remarks:?}\n{text}");
            assert!(text.contains(&format!("format = \"{format}")), "{text} has no {format}");
            assert!(text.contains(encoding), "{text} has no {encoding}");
        }
    }

    #[test]
    fn what_only_some_fields_have_stands_with_them() {
        let numbers = [2, 3, 4].map(|number| field(number, Content::Digits, 6, Value::Ebcdic));
        let other = Field { page: CodePage::P500, ..field(41, Content::Letters, 8, Value::Ebcdic) };
        let packed = field(11, Content::Digits, 6, Value::BcdLeft);
        let fields = numbers.into_iter().chain([other, packed]).collect();
        let (text, remarks) = written(of(fields));
        assert!(remarks.is_empty(), "{remarks:?}");
        assert!(text.contains("digits = \"ebcdic\"\n"), "{text}");
        assert!(text.contains("a8\", code_page = \"500\" }"), "{text}");
        assert!(text.contains("n6\", digits = \"bcd\" }"), "{text}");
    }

    #[test]
    fn bitmaps_of_a_fixed_length_have_no_fields_behind_them() {
        let numbers = [64, 65, 128, 130];
        let fields =
            || numbers.map(|number| field(number, Content::Digits, 3, Value::Ascii)).into_iter();
        for (bitmap_bytes, expected) in [
            (0, vec!["omitted: field 65: bit 65 announces the third bitmap"]),
            (
                8,
                vec![
                    "omitted: field 65: a bitmap of 8 bytes has no bit for it",
                    "omitted: field 128: a bitmap of 8 bytes has no bit for it",
                    "omitted: field 130: a bitmap of 8 bytes has no bit for it",
                ],
            ),
            (16, vec!["omitted: field 130: a bitmap of 16 bytes has no bit for it"]),
            (24, vec![]),
        ] {
            let bitmap = Some(Bits::HexEbcdic);
            let spec = Spec { bitmap, bitmap_bytes, ..of(fields().collect()) };
            let (text, remarks) = written(spec);
            assert_eq!(remarks, expected, "{text}");
            assert!(text.contains("bitmap = \"ebcdic-hex\""), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_reported() {
        let filled = |fill, field| Field { fill: Some(fill), ..field };
        let parts = || vec![field(1, Content::Digits, 2, Value::Ascii)];
        let other = || Layout::Other("a song".to_owned());
        let cases = [
            (field(1, Content::Digits, 3, Value::Ascii), "omitted: field 1: a dialect has"),
            (field(193, Content::Digits, 3, Value::Ascii), "omitted: field 193: a dialect has"),
            (field(4, Content::Digits, 0, Value::Ascii), "omitted: field 4: its length is zero"),
            (field(39, Content::Digits, 5, Value::Ascii), "omitted: field 39: a response code"),
            (field(41, Content::Printable, 8, Value::BcdLeft), "omitted: field 41: packed content"),
            (field(52, Content::Binary, 8, Value::Ascii), "omitted: field 52: bytes written as"),
            (field(35, Content::Track, 8, Value::Bytes), "omitted: field 35: raw bytes of class z"),
            (field(35, Content::Track, 8, Value::Hex), "omitted: field 35: hexadecimal characters"),
            (
                field(28, Content::SignedDigits, 8, Value::BcdRight),
                "omitted: field 28: an odd number of packed digits behind a sign",
            ),
            (field(52, Content::Binary, 40_000, Value::Hex), "omitted: field 52: it is longer"),
            (
                variable(99_999, 5, Length::Ascii),
                "changed: field 48: up to 99999; here up to 65535",
            ),
            (variable(9_999, 8, Length::Binary), "omitted: field 48: its length has 8 digits"),
            (variable(300, 2, Length::Binary), "changed: field 48: up to 300 does not fit"),
            (variable(300, 2, Length::Ascii), "changed: field 48: up to 300 does not fit"),
            (
                Field { parts: parts(), layout: other(), ..digits(Value::Ascii) },
                "changed: field 4: its 1 sub-fields are not carried over: a song; it is read",
            ),
            (
                Field { padding: Some("`*`".to_owned()), ..digits(Value::Ascii) },
                "changed: field 4: filled with `*`; here with zeros",
            ),
            (
                filled(Fill::LeftSpace, digits(Value::Ascii)),
                "changed: field 4: filled with spaces on the left; a field of class n cannot",
            ),
            (
                filled(Fill::RightZero, field(52, Content::Binary, 8, Value::Bytes)),
                "changed: field 52: filled with zeros on the right; here bytes are never",
            ),
            (
                filled(Fill::LeftZero, variable(300, 3, Length::Ascii)),
                "changed: field 48: filled with zeros on the left to its longest length",
            ),
        ];
        for (field, expected) in cases {
            let (_, found) = written(of(vec![field]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(expected), "{found:?} is not {expected}");
        }
    }
}
