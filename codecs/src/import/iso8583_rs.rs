//! Reads YAML of `iso8583_rs`.
//!
//! A specification there has a list of fields for each kind of message; a dialect has one for all.
//! The first definition of a position counts. The product itself reads children only behind the
//! bitmap; what a specification says of others is taken as one after another.

use super::spec::{Bits, Field, Layout, Length, Spec, Unit, Value};
use super::{DEPTH_MAX, FIELDS_MAX, ImportError, Kind, LIST_MAX, Remark, error};
use crate::content::Content;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Spanned, budget, options};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    name: String,
    #[serde(default)]
    header_fields: List<Raw>,
    messages: List<Message>,
}

#[derive(Deserialize)]
struct Message {
    name: String,
    fields: List<Raw>,
}

#[derive(Deserialize)]
struct Raw {
    name: Spanned<String>,
    #[serde(rename = "type", alias = "field_type")]
    kind: String,
    #[serde(default)]
    len: u32,
    len_encoding: Option<String>,
    data_encoding: String,
    position: Option<u32>,
    #[serde(default)]
    children: List<Self>,
}

/// A list that has an end.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() >= LIST_MAX {
                        let message = format!("more than {LIST_MAX} in one list");
                        return Err(serde::de::Error::custom(message));
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// The specification.
pub(super) fn read(text: &str) -> Result<Spec, ImportError> {
    let options = options! {
        budget: budget! {
            max_depth: DEPTH_MAX.saturating_mul(2),
            max_nodes: FIELDS_MAX.saturating_mul(32),
            // What the library keeps before it has seen how deep something is, and what it keeps
            // to say it again. No word of a specification is so long.
            simple_key_max_lookahead: 128,
            flow_nesting_limit: DEPTH_MAX.saturating_mul(2),
            max_anchors: 64,
            max_recorded_anchor_events: 256,
        },
        with_snippet: false,
    };
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|wrong| {
        let line = wrong.location().and_then(|location| usize::try_from(location.line()).ok());
        let message = wrong.without_snippet().to_string();
        let message = message.lines().next().unwrap_or_default();
        let message = message.rsplit_once(" at line ").map_or(message, |(what, _)| what);
        error(line.unwrap_or(1).max(1), message)
    })?;
    let title = match file.name.trim() {
        "" => "imported from an iso8583_rs specification".to_owned(),
        name => name.to_owned(),
    };
    let mut spec = Spec { title, ..Spec::default() };
    if file.header_fields.0.len() > 1 {
        let why = "the header is more than the message type; a dialect begins with that";
        spec.remarks.push(whole(Kind::Changed, why.to_owned()));
    }
    spec.mti = file.header_fields.0.first().and_then(|raw| value(&raw.data_encoding));
    let mut seen: BTreeMap<u32, Field> = BTreeMap::new();
    let mut count = 0usize;
    for message in &file.messages.0 {
        for raw in &message.fields.0 {
            match raw.kind.as_str() {
                "Bitmapped" => {
                    spec.bitmap = Some(Bits::Binary);
                    for child in &raw.children.0 {
                        count = count.saturating_add(1);
                        if count > FIELDS_MAX {
                            let line = line(child).unwrap_or(1);
                            return Err(error(line, format!("more than {FIELDS_MAX} fields")));
                        }
                        add(child, &message.name, &mut seen, &mut spec.remarks);
                    }
                }
                // The message type stands in the header and again as the first field.
                _ if raw.name.value == "message_type" => spec.mti = value(&raw.data_encoding),
                _ => {
                    let why = format!("`{}` is outside the bitmap", raw.name.value);
                    spec.remarks.push(Remark { line: line(raw), ..whole(Kind::Omitted, why) });
                }
            }
        }
    }
    spec.fields.extend(seen.into_values());
    if spec.fields.iter().any(|field| field.class == Content::Printable) {
        let why = "content classes are not said: packed is n, binary b, anything else ans";
        spec.remarks.push(whole(Kind::Assumed, why.to_owned()));
    }
    Ok(spec)
}

const fn whole(kind: Kind, why: String) -> Remark {
    Remark { kind, field: String::new(), line: None, why }
}

fn line(raw: &Raw) -> Option<usize> {
    usize::try_from(raw.name.referenced.line()).ok().filter(|line| *line > 0)
}

fn add(raw: &Raw, message: &str, seen: &mut BTreeMap<u32, Field>, remarks: &mut Vec<Remark>) {
    let Some(number) = raw.position else {
        let why = format!("`{}` has no position", raw.name.value);
        remarks.push(Remark { line: line(raw), ..whole(Kind::Omitted, why) });
        return;
    };
    let found = match field(number, raw, 0) {
        Ok(found) => found,
        Err(why) => {
            let (kind, field, line) = (Kind::Omitted, number.to_string(), line(raw));
            remarks.push(Remark { kind, field, line, why });
            return;
        }
    };
    match seen.get(&number) {
        None => {
            if !found.parts.is_empty() {
                let why = "the product does not look at its children; one after another";
                remarks.push(found.remark(Kind::Assumed, why));
            }
            seen.insert(number, found);
        }
        Some(first) => {
            let layout = |f: &Field| (f.class, f.most, f.length_digits, f.length, f.value);
            if layout(first) != layout(&found) {
                let why = format!("it is something else in `{message}`; the first counts");
                remarks.push(found.remark(Kind::Changed, why));
            }
        }
    }
}

fn value(encoding: &str) -> Option<Value> {
    match encoding {
        "ASCII" => Some(Value::Ascii),
        "EBCDIC" => Some(Value::Ebcdic),
        "BCD" => Some(Value::BcdLeft),
        "BINARY" => Some(Value::Bytes),
        _ => None,
    }
}

fn field(number: u32, raw: &Raw, depth: usize) -> Result<Field, String> {
    let encoding = &raw.data_encoding;
    let value = value(encoding).ok_or_else(|| format!("the encoding `{encoding}` is not known"))?;
    let class = match value {
        Value::BcdLeft | Value::BcdRight | Value::BcdRightF => Content::Digits,
        Value::Bytes | Value::Hex | Value::HexEbcdic => Content::Binary,
        Value::Ascii | Value::Ebcdic => Content::Printable,
    };
    // Lengths are of bytes, whatever the content.
    let packed = if class == Content::Digits { 2 } else { 1 };
    let (most, length_digits, length) = match raw.kind.as_str() {
        "Fixed" => (raw.len.saturating_mul(packed), 0, Length::Ascii),
        "Variable" => {
            let width = u8::try_from(raw.len).ok().filter(|width| (1..=6).contains(width));
            let width = width.ok_or_else(|| format!("a length of {} bytes", raw.len))?;
            let (length, digits) = match raw.len_encoding.as_deref() {
                Some("ASCII") => (Length::Ascii, width),
                Some("EBCDIC") => (Length::Ebcdic, width),
                Some("BCD") => (Length::Bcd, width.saturating_mul(2)),
                Some("BINARY") => (Length::Binary, width.saturating_mul(2)),
                other => {
                    let other = other.unwrap_or("nothing");
                    return Err(format!("its length is in `{other}`"));
                }
            };
            // There is no maximum, so it is what the length can say.
            let base: u32 = if length == Length::Binary { 16 } else { 10 };
            let largest = base.saturating_pow(digits.into()).saturating_sub(1);
            let most = largest.saturating_mul(packed);
            // Nor is there a frame that could hold more.
            (if digits > 4 { most } else { most.min(u16::MAX.into()) }, digits, length)
        }
        kind => return Err(format!("the type `{kind}` is not known within a bitmap")),
    };
    let is_composite = !raw.children.0.is_empty();
    if depth >= DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} fields deep"));
    }
    let parts = raw.children.0.iter().zip(1u32..).map(|(child, place)| {
        let found = field(place, child, depth.saturating_add(1));
        found.unwrap_or_else(|why| {
            let plain = Field::plain(place, child.name.value.clone(), 0);
            Field { flaw: Some(why), line: line(child), ..plain }
        })
    });
    let mut whole = Field {
        class,
        length_digits,
        length,
        counts: Unit::Bytes,
        value,
        parts: parts.collect(),
        layout: if is_composite { Layout::Positional } else { Layout::Whole },
        line: line(raw),
        ..Field::plain(number, raw.name.value.clone(), most)
    };
    if is_composite && whole.value == Value::Ebcdic && whole.is_all(Value::Ebcdic, whole.page) {
        whole.take_as_ascii();
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, import};

    fn reasons(children: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "name: Test\nheader_fields:\n  - {{ name: type, type: Fixed, len: 4, data_encoding: ASCII }}\n\
             messages:\n  - name: any\n    fields:\n      - {{ name: message_type, type: Fixed, \
             len: 4, data_encoding: ASCII }}\n      - name: bitmap\n        type: Bitmapped\n        \
             data_encoding: BINARY\n        children:\n          - {{ name: code, type: Fixed, \
             len: 6, data_encoding: ASCII, position: 3 }}\n{children}"
        );
        let imported =
            import(Source::Iso8583Rs, "x", text.as_bytes()).map_err(|e| e.to_string())?;
        Ok(imported.remarks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_no_specification_is_refused_with_its_line() {
        for (children, expected) in [
            ("          - 7\n", "line 13: "),
            ("          - { name: a }\n", "line 13: missing field"),
            ("          - { name: [\n", "line "),
            ("         nothing\n", "line "),
        ] {
            let found = reasons(children).unwrap_err();
            assert!(found.starts_with(expected), "{children}: {found}");
        }
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nmessages: *c\n";
        assert!(import(Source::Iso8583Rs, "x", bomb.as_bytes()).is_err());
        let deep = "[".repeat(10_000);
        assert!(import(Source::Iso8583Rs, "x", deep.as_bytes()).is_err());
    }

    /// How far the library looks for the end of a key bounds keys, and nothing else.
    #[test]
    fn values_may_be_long_in_every_style() {
        let long = "n".repeat(600);
        for name in [
            long.clone(),
            format!("\"{long}\""),
            format!("'{long}'"),
            format!("|\n              {long}"),
        ] {
            let field = format!(
                "          - name: {name}\n            type: Fixed\n            len: 4\n            \
                 data_encoding: ASCII\n            position: 4\n"
            );
            let found = reasons(&field).unwrap();
            assert!(found.iter().all(|line| line.starts_with("assumed")), "{found:?}");
        }
        let flow = format!(
            "          - {{ type: Fixed, len: 4, name: \"{long}\", data_encoding: ASCII, \
             position: 4 }}\n"
        );
        assert!(reasons(&flow).is_ok());
    }

    #[test]
    fn what_a_dialect_cannot_say_is_reported_with_its_line() {
        let cases = [
            (
                "type: Fixed, len: 4, data_encoding: ASCII, position: 193",
                "omitted: field 193 (line 13): a dialect has",
            ),
            ("type: Fixed, len: 4, data_encoding: ASCII", "omitted (line 13): `f` has no position"),
            (
                "type: Variable, len: 4, len_encoding: BCD, data_encoding: BCD, position: 2",
                "omitted: field 2 (line 13): it is longer than 65535",
            ),
            (
                "type: Variable, len: 2, data_encoding: ASCII, position: 48",
                "omitted: field 48 (line 13): its length is in `nothing`",
            ),
            (
                "type: Odd, len: 2, data_encoding: ASCII, position: 48",
                "omitted: field 48 (line 13): the type `Odd`",
            ),
            (
                "type: Fixed, len: 7, data_encoding: ASCII, position: 3",
                "changed: field 3 (line 13): it is something else in `any`",
            ),
        ];
        for (body, expected) in cases {
            let found = reasons(&format!("          - {{ name: f, {body} }}\n")).unwrap();
            assert!(found.iter().any(|line| line.starts_with(expected)), "{found:?}: {expected}");
        }
    }
}
