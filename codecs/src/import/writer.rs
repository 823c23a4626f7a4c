//! Writes a specification as a dialect file, as far as the notation goes.
//!
//! This is the one place that knows both what specifications say and what a dialect file can.

use super::spec::{Bits, Field, Length, Spec, Unit, Value};
use super::{Imported, Kind, Remark};
use crate::content::Content;
use core::fmt::Write;
use std::collections::BTreeMap;

/// Most digits of a length in the notation.
const LENGTH_DIGITS_MAX: u8 = 4;

/// The dialect file, and the reader's remarks with the writer's behind them.
pub(super) fn write(name: &str, spec: Spec) -> Imported {
    let Spec { title, mti, bitmap, fields, mut remarks } = spec;
    let mut whole = |kind: Kind, why: &str| {
        let (field, why) = (String::new(), why.to_owned());
        remarks.push(Remark { kind, field, line: None, why });
    };
    let mti = match mti {
        Some(value) => digits_word(value).unwrap_or_else(|| {
            whole(Kind::Changed, "the message type is neither ASCII nor packed; taken as ASCII");
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
        Some(Bits::HexEbcdic) => {
            whole(Kind::Changed, "bitmaps in EBCDIC characters; taken as ASCII");
            "hex"
        }
        None => {
            whole(Kind::Assumed, "nothing says how bitmaps are written; taken as binary");
            "binary"
        }
    };
    let digits = most_frequent(
        fields.iter().filter(|f| f.class == Content::Digits).filter_map(|f| digits_word(f.value)),
    );
    let variable = fields.iter().filter(|field| field.length_digits > 0);
    let length = most_frequent(variable.filter_map(|field| length_word(field.length)));

    let mut rows: BTreeMap<u8, String> = BTreeMap::new();
    for field in &fields {
        match row(field, digits, length, &mut remarks) {
            Err(why) => remarks.push(field.remark(Kind::Omitted, why)),
            Ok((number, row)) => {
                if rows.insert(number, row).is_some() {
                    let why = "it is defined more than once; the last counts";
                    remarks.push(field.remark(Kind::Changed, why));
                }
            }
        }
    }
    let mut text = String::new();
    let _ = writeln!(text, "name = {}", quoted(name));
    let _ = writeln!(text, "title = {}", quoted(&title));
    let _ = writeln!(text, "\n[encoding]\nmti = \"{mti}\"\nbitmap = \"{bitmap}\"");
    let _ = writeln!(text, "digits = \"{digits}\"\nlength = \"{length}\"\n\n[fields]");
    rows.values().for_each(|row| text.push_str(row));
    Imported { text, remarks }
}

/// The number of a field and its line, or why it cannot be in a dialect.
fn row(
    field: &Field,
    usual_digits: &str,
    usual_length: &str,
    remarks: &mut Vec<Remark>,
) -> Result<(u8, String), String> {
    let number = u8::try_from(field.number).ok().filter(|number| (2..=128).contains(number));
    let number = number.ok_or("a dialect has the fields 2 to 128")?;
    let most = u16::try_from(field.most).map_err(|_| "it is longer than 65535")?;
    let packed = matches!(field.value, Value::BcdLeft | Value::BcdRight);
    match (field.value, field.class) {
        (Value::Ascii, Content::Binary) => return Err("bytes written as characters".into()),
        (Value::Ascii, _) | (Value::Bytes, Content::Binary) => (),
        (Value::BcdLeft | Value::BcdRight, Content::Digits) => (),
        (Value::BcdLeft | Value::BcdRight, class) => {
            return Err(format!("packed content of class {class}; only numbers can be packed"));
        }
        (Value::Bytes, class) => return Err(format!("raw bytes of class {class}")),
        (Value::Ebcdic | Value::HexEbcdic, _) => return Err("EBCDIC".into()),
        (Value::Hex, _) => return Err("bytes as hexadecimal characters".into()),
    }
    if most == 0 || (most == 1 && field.class == Content::SignedDigits) {
        return Err("its length is zero".into());
    }
    let mut most = most;
    let mut extra = String::new();
    if field.length_digits > 0 {
        let word = length_word(field.length)
            .ok_or_else(|| format!("its length is written in {}", length_name(field.length)))?;
        if field.length_digits > LENGTH_DIGITS_MAX {
            let digits = field.length_digits;
            return Err(format!("its length has {digits} digits; {LENGTH_DIGITS_MAX} at most"));
        }
        if packed && field.counts == Unit::Bytes {
            return Err("its length counts the bytes of packed digits".into());
        }
        let largest = 10u16.checked_pow(field.length_digits.into()).unwrap_or(u16::MAX);
        let largest = largest.saturating_sub(1);
        if most > largest {
            let letters = "L".repeat(field.length_digits.into());
            let why = format!("up to {most} does not fit a length of {letters}; up to {largest}");
            remarks.push(field.remark(Kind::Changed, why));
            most = largest;
        }
        if word != usual_length {
            let _ = write!(extra, ", length = \"{word}\"");
        }
    }
    if field.class == Content::Digits
        && let Some(word) = digits_word(field.value).filter(|word| *word != usual_digits)
    {
        let _ = write!(extra, ", digits = \"{word}\"");
    }
    if let Some(padding) = &field.padding {
        let why =
            format!("filled with {padding}; here numbers are filled with zeros, text with spaces");
        remarks.push(field.remark(Kind::Changed, why));
    }
    if !field.parts.is_empty() {
        let (count, words) = (field.parts.len(), field.layout.words());
        let why =
            format!("its {count} sub-fields{words} are not carried over; it is read as a whole");
        remarks.push(field.remark(Kind::Changed, why));
    }
    let fallback = format!("field {number}");
    let name = if field.name.trim().is_empty() { &fallback } else { &field.name };
    let name = quoted(name);
    let format = format(field, most);
    Ok((number, format!("{number} = {{ name = {name}, format = \"{format}\"{extra} }}\n")))
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

const fn digits_word(value: Value) -> Option<&'static str> {
    match value {
        Value::Ascii => Some("ascii"),
        Value::BcdLeft => Some("bcd"),
        Value::BcdRight => Some("bcd-right"),
        Value::Ebcdic | Value::Bytes | Value::Hex | Value::HexEbcdic => None,
    }
}

const fn length_word(length: Length) -> Option<&'static str> {
    match length {
        Length::Ascii => Some("ascii"),
        Length::Bcd => Some("bcd"),
        Length::Binary => Some("binary"),
        Length::Ebcdic | Length::Hex => None,
    }
}

const fn length_name(length: Length) -> &'static str {
    match length {
        Length::Ascii => "ASCII",
        Length::Bcd => "packed digits",
        Length::Binary => "binary",
        Length::Ebcdic => "EBCDIC",
        Length::Hex => "hexadecimal characters",
    }
}

/// The word that stands most often; `ascii` if there is none.
fn most_frequent(words: impl Iterator<Item = &'static str>) -> &'static str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(1);
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or("ascii", |(word, _)| word)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\t' | '\n' | '\r' => out.push(' '),
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
        Field {
            number,
            name: "a \"name\"\u{1}\\".to_owned(),
            class,
            most,
            length_digits: 0,
            length: Length::Ascii,
            counts: Unit::Content,
            value,
            padding: None,
            parts: Vec::new(),
            layout: Layout::Whole,
            line: None,
        }
    }

    fn reasons(field: Field) -> Vec<String> {
        let fields = vec![field];
        let spec =
            Spec { mti: Some(Value::Ascii), bitmap: Some(Bits::Hex), fields, ..Spec::default() };
        let Imported { text, remarks } = write("x", spec);
        Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        remarks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_cannot_be_said_is_reported() {
        let digits = |value| field(4, Content::Digits, 12, value);
        let variable = |most, length_digits, length| Field {
            length_digits,
            length,
            ..field(48, Content::Printable, most, Value::Ascii)
        };
        assert!(reasons(digits(Value::Ascii)).is_empty());
        assert!(reasons(digits(Value::BcdRight)).is_empty());
        let cases = [
            (digits(Value::Ebcdic), "omitted: field 4: EBCDIC"),
            (field(1, Content::Digits, 3, Value::Ascii), "omitted: field 1: a dialect has"),
            (field(129, Content::Digits, 3, Value::Ascii), "omitted: field 129: a dialect has"),
            (field(4, Content::Digits, 0, Value::Ascii), "omitted: field 4: its length is zero"),
            (field(35, Content::Track, 37, Value::BcdLeft), "omitted: field 35: packed content"),
            (field(52, Content::Binary, 8, Value::Hex), "omitted: field 52: bytes as hex"),
            (variable(999, 3, Length::Hex), "omitted: field 48: its length is written in hex"),
            (variable(99_999, 5, Length::Ascii), "omitted: field 48: it is longer than 65535"),
            (variable(9_999, 5, Length::Ascii), "omitted: field 48: its length has 5 digits"),
            (variable(255, 2, Length::Binary), "changed: field 48: up to 255 does not fit"),
        ];
        for (field, expected) in cases {
            let found = reasons(field);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(expected), "{found:?} is not {expected}");
        }
        let bytes = Field {
            length_digits: 2,
            counts: Unit::Bytes,
            ..field(2, Content::Digits, 19, Value::BcdLeft)
        };
        assert!(reasons(bytes)[0].contains("counts the bytes"));
        let parts = vec![field(1, Content::Digits, 2, Value::Ascii)];
        let nested = Field { parts, layout: Layout::Tags, ..digits(Value::Ascii) };
        assert!(reasons(nested)[0].contains("its 1 sub-fields behind tags"));
        let padded = Field { padding: Some("`*`".to_owned()), ..digits(Value::Ascii) };
        assert!(reasons(padded)[0].starts_with("changed: field 4: filled with `*`"));
    }
}
