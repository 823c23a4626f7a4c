//! Reads JSON for the specification builder of moov-io/iso8583.
//!
//! The words of its older files (`Field003`, `asciiEncoder`, `ASCII.fixed`) are known as well.

use super::spec::{Bits, Field, Layout, Length, Spec, Tags, Value};
use super::{DEPTH_MAX, ImportError, Kind, LIST_MAX, Remark, error};
use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::Fill;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    name: String,
    #[serde(default)]
    fields: Entries<Raw>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    description: String,
    #[serde(default)]
    enc: String,
    #[serde(default)]
    prefix: String,
    padding: Option<Padding>,
    tag: Option<Tag>,
    #[serde(default)]
    subfields: Entries<Self>,
    bitmap: Option<Box<Self>>,
    #[serde(default, rename = "disableAutoExpand")]
    is_one_bitmap: bool,
}

#[derive(Deserialize)]
struct Padding {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    pad: Pad,
}

/// A character, or its number; anything else is nothing.
#[derive(Default)]
struct Pad(String);

impl<'de> Deserialize<'de> for Pad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Character;
        impl<'de> Visitor<'de> for Character {
            type Value = Pad;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a character or its number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Pad, E> {
                Ok(Pad(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Pad, E> {
                let character = u32::try_from(number).ok().and_then(char::from_u32);
                Ok(Pad(character.map(String::from).unwrap_or_default()))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Pad, E> {
                Ok(Pad::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Pad, E> {
                Ok(Pad::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Pad, E> {
                Ok(Pad::default())
            }

            fn visit_unit<E>(self) -> Result<Pad, E> {
                Ok(Pad::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pad, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Pad::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pad, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Pad::default())
            }
        }
        deserializer.deserialize_any(Character)
    }
}

impl Padding {
    /// A way of filling that a dialect has a word for, or what it is in words.
    fn read(&self) -> (Option<Fill>, Option<String>) {
        let Pad(pad) = &self.pad;
        let is_left = match self.kind.as_str() {
            "None" | "nonePadder" | "" => return (None, None),
            kind => kind.starts_with(['L', 'l']),
        };
        match (is_left, pad.as_str()) {
            (true, "0") => (Some(Fill::LeftZero), None),
            (true, " ") => (Some(Fill::LeftSpace), None),
            (false, "0") => (Some(Fill::RightZero), None),
            (false, " ") => (Some(Fill::RightSpace), None),
            (true, _) => (None, Some(format!("`{pad}` on the left"))),
            (false, _) => (None, Some(format!("`{pad}` on the right"))),
        }
    }
}

#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    length: u32,
    #[serde(default)]
    enc: String,
    padding: Option<Padding>,
}

/// The entries of an object in their order, those that come twice included. Boxed, because an
/// entry may be six bytes of the file and its field is many more.
struct Entries<T>(Vec<(String, Box<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields by number")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() >= LIST_MAX {
                        let message = format!("more than {LIST_MAX} fields in one object");
                        return Err(serde::de::Error::custom(message));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// The specification.
pub(super) fn read(text: &str) -> Result<Spec, ImportError> {
    let file: File = serde_json::from_str(text).map_err(|wrong| {
        let message = wrong.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        error(wrong.line().max(1), message)
    })?;
    let title = match file.name.trim() {
        "" => "imported from a moov specification".to_owned(),
        name => name.to_owned(),
    };
    let mut spec = Spec { title, ..Spec::default() };
    let mut fields = file.fields.0;
    fields.sort_by_key(|(key, _)| number(key).unwrap_or(u32::MAX));
    for (key, raw) in &fields {
        match number(key) {
            Some(0) => spec.mti = value(&raw.enc),
            Some(1) => bitmap(raw, &mut spec),
            Some(number) => match field(number, raw, 0) {
                Ok(field) => {
                    if raw.kind == "String" && matches!(field.class, Content::Digits) {
                        let why = "a String of packed digits, so taken as n";
                        spec.remarks.push(field.remark(Kind::Assumed, why));
                    }
                    spec.fields.push(field);
                }
                Err(why) => omit(&mut spec, key, why),
            },
            None => omit(&mut spec, key, "its key is not a number".to_owned()),
        }
    }
    let own = |field: &Field| {
        field.value == Value::Ebcdic && field.page == CodePage::P500 && field.class.is_text()
    };
    if spec.fields.iter().any(own) {
        let why = "its EBCDIC is code page 500 with `|` as 6A; here that is BB";
        let (kind, field, why) = (Kind::Changed, String::new(), why.to_owned());
        spec.remarks.push(Remark { kind, field, line: None, why });
    }
    Ok(spec)
}

/// `3` or `Field003`.
fn number(key: &str) -> Option<u32> {
    key.strip_prefix("Field").unwrap_or(key).parse().ok()
}

fn omit(spec: &mut Spec, key: &str, why: String) {
    // A key is from the file; it may be anything.
    let field = key.chars().filter(|c| !c.is_control()).take(20).collect();
    spec.remarks.push(Remark { kind: Kind::Omitted, field, line: None, why });
}

fn bits(raw: &Raw) -> Option<Bits> {
    match value(&raw.enc)? {
        Value::Bytes => Some(Bits::Binary),
        Value::Hex => Some(Bits::Hex),
        Value::HexEbcdic | Value::Ebcdic => Some(Bits::HexEbcdic),
        Value::Ascii | Value::BcdLeft | Value::BcdRight | Value::BcdRightF => None,
    }
}

fn bitmap(raw: &Raw, spec: &mut Spec) {
    spec.bitmap = bits(raw);
    spec.bitmap_bytes = match raw.length {
        // It is 8 if nothing is said.
        0 | 8 if raw.is_one_bitmap => 8,
        0 | 8 => 0,
        16 => 16,
        24 => 24,
        other => {
            let why = format!("a bitmap of {other} bytes; taken as 8 that announce 8 more");
            let field = "1".to_owned();
            spec.remarks.push(Remark { kind: Kind::Changed, field, line: None, why });
            0
        }
    };
}

fn value(enc: &str) -> Option<Value> {
    match enc {
        "ASCII" | "asciiEncoder" => Some(Value::Ascii),
        "EBCDIC" | "EBCDIC1047" | "ebcdicEncoder" => Some(Value::Ebcdic),
        "BCD" | "bcdEncoder" => Some(Value::BcdLeft),
        "LBCD" | "lBCDEncoder" => Some(Value::BcdRight),
        // The value is hexadecimal text there and bytes on the wire.
        "Binary" | "ASCIIToHex" | "binaryEncoder" | "asciiToHexEncoder" => Some(Value::Bytes),
        "HexToASCII" | "hexEncoder" | "hexToASCIIEncoder" => Some(Value::Hex),
        _ => None,
    }
}

/// `ASCII.LL`: how a length is written and its digits. Of binary and hexadecimal lengths each `L`
/// is a byte.
fn prefix(text: &str) -> Option<(Length, u8)> {
    let (family, letters) = text.split_once('.')?;
    let count = match letters {
        "Fixed" | "fixed" => 0,
        _ if !letters.is_empty() && letters.bytes().all(|byte| byte == b'L') => {
            u8::try_from(letters.len()).ok()?
        }
        _ => return None,
    };
    let length = match family {
        "ASCII" => Length::Ascii,
        "EBCDIC" | "EBCDIC1047" => Length::Ebcdic,
        "BCD" => Length::Bcd,
        "Binary" => Length::Binary,
        "Hex" => Length::Hex,
        "None" => Length::Ascii,
        _ => return None,
    };
    let digits = match length {
        Length::Binary | Length::Hex => count.saturating_mul(2),
        Length::Ascii | Length::Ebcdic | Length::Bcd => count,
    };
    Some((length, digits))
}

fn field(number: u32, raw: &Raw, depth: usize) -> Result<Field, String> {
    if depth > DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} fields deep"));
    }
    // A length of BER says how long it is itself.
    let ber = (depth > 0 && raw.prefix == BER_LENGTH).then_some((Length::Binary, BER_DIGITS));
    let (length, length_digits) = ber
        .or_else(|| prefix(&raw.prefix))
        .ok_or_else(|| format!("the prefix `{}` is not known here", raw.prefix))?;
    let layout = layout(raw);
    let (class, value) = match layout {
        Layout::Whole => simple(raw)?,
        _ => (Content::Binary, Value::Bytes),
    };
    let (fill, padding) = raw.padding.as_ref().map_or((None, None), Padding::read);
    let page = if raw.enc == "EBCDIC1047" { CodePage::P1047 } else { CodePage::P500 };
    let mut whole = Field {
        class,
        length_digits,
        length,
        value,
        page,
        fill,
        padding,
        parts: parts(raw, &layout, depth),
        layout,
        ..Field::plain(number, raw.description.clone(), raw.length)
    };
    if whole.layout != Layout::Whole {
        let page = whole.parts.first().map_or(page, |part| part.page);
        for value in [Value::Ascii, Value::Ebcdic] {
            if whole.is_all(value, page) {
                (whole.class, whole.value, whole.page) = (Content::Printable, value, page);
            }
        }
        if whole.value == Value::Ebcdic {
            whole.take_as_ascii();
        }
    }
    Ok(whole)
}

/// The prefix of lengths of BER.
const BER_LENGTH: &str = "BerTLV";
/// The encoding of tags of BER.
const BER_TAG: &str = "BerTLVTag";
/// No other length has so many digits.
const BER_DIGITS: u8 = u8::MAX;

fn parts(raw: &Raw, layout: &Layout, depth: usize) -> Vec<Field> {
    let mut keys: Vec<_> = raw.subfields.0.iter().collect();
    let numbered = |key: &str| key.parse::<u32>().ok();
    // Without tags the order of the keys is that of the sub-fields.
    let place = |key: &str| numbered(key).unwrap_or(u32::MAX);
    keys.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    let part = |(position, (key, part)): (u32, &(String, Box<Raw>))| {
        let number = numbered(key).unwrap_or(position);
        let found = field(number, part, depth.saturating_add(1));
        let mut found = found.unwrap_or_else(|why| Field {
            flaw: Some(why),
            ..Field::plain(number, part.description.clone(), part.length)
        });
        let is_ber = found.length_digits == BER_DIGITS;
        if is_ber != (*layout == Layout::Ber) && found.flaw.is_none() {
            found.flaw = Some(format!("the prefix `{}` is not of this form", part.prefix));
        }
        if let Layout::Tags { .. } | Layout::Ber = layout {
            found.tag = Some(tag(key, raw.tag.as_ref()));
        }
        found
    };
    (1u32..).zip(keys).map(part).collect()
}

/// A tag as it is written, filled up if the specification says so.
fn tag(key: &str, said: Option<&Tag>) -> String {
    let padding = said.and_then(|said| Some((said, said.padding.as_ref()?)));
    let Some((said, padding)) = padding else { return key.to_owned() };
    // A tag is short: what is longer is refused by the writer.
    let missing = usize::try_from(said.length.min(16)).unwrap_or(0).saturating_sub(key.len());
    let fill = padding.pad.0.repeat(missing);
    if padding.kind.starts_with(['R', 'r']) {
        format!("{key}{fill}")
    } else {
        format!("{fill}{key}")
    }
}

/// How the sub-fields of a field lie.
fn layout(raw: &Raw) -> Layout {
    if raw.subfields.0.is_empty() {
        return Layout::Whole;
    }
    if let Some(map) = &raw.bitmap {
        let bytes = if map.length == 0 { 8 } else { map.length };
        return match bits(map) {
            Some(bits) => Layout::Bitmap { bits, bytes, is_chained: !map.is_one_bitmap },
            None => Layout::Other(format!("the encoding `{}` of its bitmap", map.enc)),
        };
    }
    let Some(tag) = raw.tag.as_ref().filter(|tag| !tag.enc.is_empty()) else {
        return Layout::Positional;
    };
    let tags = match tag.enc.as_str() {
        BER_TAG | "berTLVEncoderTag" => return Layout::Ber,
        "ASCII" | "asciiEncoder" => Tags::Ascii,
        "EBCDIC" | "EBCDIC1047" | "ebcdicEncoder" => Tags::Ebcdic,
        "BCD" | "bcdEncoder" => Tags::Bcd,
        "ASCIIToHex" | "asciiToHexEncoder" => Tags::Bytes,
        other => return Layout::Other(format!("tags in `{other}` are not known here")),
    };
    Layout::Tags { tags, width: tag.length }
}

/// Class and encoding of a field without sub-fields.
fn simple(raw: &Raw) -> Result<(Content, Value), String> {
    let value =
        value(&raw.enc).ok_or_else(|| format!("the encoding `{}` is not known here", raw.enc))?;
    let class = match (raw.kind.as_str(), value) {
        ("Numeric", _) | ("String", Value::BcdLeft | Value::BcdRight | Value::BcdRightF) => {
            Content::Digits
        }
        ("String" | "Binary" | "Hex", Value::Bytes | Value::Hex | Value::HexEbcdic) => {
            Content::Binary
        }
        ("String", Value::Ascii | Value::Ebcdic) => Content::Printable,
        ("Binary", _) => Content::Binary,
        ("Track2" | "Track3", _) => Content::Track,
        ("Track1", _) => Content::Printable,
        (kind, _) => return Err(format!("the type `{kind}` is not known here")),
    };
    Ok((class, value))
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, import};

    fn reasons(fields: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "{{\"fields\": {{\n\"3\": {{\"type\": \"Numeric\", \"length\": 6, \"enc\": \"ASCII\",\n\
             \"prefix\": \"ASCII.Fixed\"}}{fields}}}}}"
        );
        let imported = import(Source::Moov, "x", text.as_bytes()).map_err(|e| e.to_string())?;
        Ok(imported.remarks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_no_specification_is_refused_with_its_line() {
        let cases = [
            (",\n\"4\": 7", "line 4: invalid type"),
            (",\n\"4\": {\"length\": -1}", "line 4: invalid value"),
            (",\n\"4\": {", "line 4: EOF while"),
            (",\n\"4\": {\"subfields\": []}", "line 4: invalid type"),
        ];
        for (fields, expected) in cases {
            let found = reasons(fields).unwrap_err();
            assert!(found.starts_with(expected), "{fields}: {found}");
        }
        let deep = format!("{}{}", "{\"fields\":{\"4\":{\"subfields\":".repeat(200), "{}");
        assert!(import(Source::Moov, "x", deep.as_bytes()).is_err());
    }

    #[test]
    fn older_files_have_other_words() {
        let older = ", \"Field004\": {\"type\": \"Numeric\", \"length\": 12, \"enc\": \"bcdEncoder\", \
                     \"prefix\": \"BCD.fixed\", \"padding\": {\"type\": \"leftPadder\", \"pad\": 48}}";
        let found = reasons(older).unwrap();
        assert!(found.iter().all(|line| line.starts_with("assumed: nothing says")), "{found:?}");
    }

    #[test]
    fn what_a_dialect_cannot_say_is_reported() {
        let field = |number: &str, kind: &str, enc: &str, prefix: &str, more: &str| {
            format!(
                ",\"{number}\": {{\"type\": \"{kind}\", \"length\": 12, \"enc\": \"{enc}\", \
                 \"prefix\": \"{prefix}\"{more}}}"
            )
        };
        let tlv = |enc: &str, prefix: &str| {
            format!(
                ",\"tag\": {{\"length\": 2, \"enc\": \"{enc}\"}}, \"subfields\": {{\"01\": \
                 {{\"type\": \"String\", \"enc\": \"ASCII\", \"length\": 3, \"prefix\": \
                 \"{prefix}\"}}}}"
            )
        };
        let star = ",\"padding\": {\"type\": \"Left\", \"pad\": 42}";
        let cases = [
            (
                field("4", "String", "EBCDIC", "EBCDIC.Fixed", ""),
                "changed: its EBCDIC is code page 500 with",
            ),
            (field("4", "String", "Morse", "ASCII.Fixed", ""), "omitted: field 4: the encoding"),
            (field("4", "Song", "ASCII", "ASCII.Fixed", ""), "omitted: field 4: the type `Song`"),
            (field("4", "String", "ASCII", "ASCII.X", ""), "omitted: field 4: the prefix"),
            (field("x", "String", "ASCII", "ASCII.LL", ""), "omitted: field x: its key"),
            (field("4", "String", "ASCII", "Hex.LLLL", ""), "omitted: field 4: its length has 8"),
            (
                field("52", "Binary", "ASCII", "ASCII.Fixed", ""),
                "omitted: field 52: bytes written as characters",
            ),
            (field("4", "String", "BCD", "BCD.Fixed", ""), "assumed: field 4: a String of packed"),
            (
                field("48", "Composite", "", "ASCII.LLL", &tlv("ASCII", "ASCII.LLLLL")),
                "changed: field 48: its 1 sub-fields are not carried over: they have no length",
            ),
            (
                field("48", "Composite", "", "ASCII.LLL", &tlv("Morse", "ASCII.LL")),
                "changed: field 48: its 1 sub-fields are not carried over: tags in `Morse`",
            ),
            (
                field("48", "Composite", "", "ASCII.LLL", &tlv("EBCDIC", "ASCII.LL")),
                "changed: field 48: its 1 sub-fields are not carried over: tags in EBCDIC",
            ),
            (
                field("48", "Composite", "", "ASCII.LLL", &tlv("BerTLVTag", "ASCII.LL")),
                "omitted: field 48.01: the prefix `ASCII.LL` is not of this form",
            ),
            (
                field("41", "String", "ASCII", "ASCII.Fixed", star),
                "changed: field 41: filled with `*`",
            ),
            (field("1", "Bitmap", "Binary", "Hex.Fixed", ""), "changed: field 1: a bitmap of 12"),
            (field("3", "String", "ASCII", "ASCII.Fixed", ""), "changed: field 3: it is defined"),
        ];
        for (fields, expected) in cases {
            let found = reasons(&fields).unwrap();
            assert!(found.iter().any(|line| line.starts_with(expected)), "{found:?}: {expected}");
        }
    }
}
