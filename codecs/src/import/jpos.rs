//! Reads XML for the `GenericPackager` of jPOS.
//!
//! A `DOCTYPE` may name a document type, and say of elements and attributes which there are; it may
//! define no entity and no value of an attribute. Nothing outside the file is looked at. Of
//! entities there are the five of XML and characters by number.

use super::spec::{Bits, Field, Layout, Length, Spec, Tags, Unit, Value};
use super::{DEPTH_MAX, FIELDS_MAX, ImportError, Kind, LIST_MAX, error, line_at};
use crate::content::Content;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// What a field class says.
enum Class {
    Field {
        class: Content,
        length_digits: u8,
        length: Length,
        counts: Unit,
        value: Value,
    },
    Bitmap(Bits),
    /// Stands for no bytes.
    Nothing,
    Unknown,
}

/// A field that is open, or a whole one.
struct Open {
    field: Field,
    /// Its class if that is of no use as a field.
    class: Class,
    java: String,
    /// Characters of the tag in front of it; 0 if there is none.
    tag_width: u32,
    inside: Inside,
}

/// What it says of its sub-fields.
#[derive(Default)]
struct Inside {
    /// Without the name of its package; empty if it has no sub-fields.
    packager: String,
    /// Whether there is a bitmap, if that is said.
    emits_bitmap: Option<bool>,
    /// Which of the sub-fields is the bitmap.
    bitmap_field: Option<u32>,
    first: Option<u32>,
    tag_mapper: String,
    swaps: bool,
    /// The sub-fields that are bitmaps: number, how they are written, bytes.
    bitmaps: Vec<(u32, Bits, u32)>,
}

/// The specification.
pub(super) fn read(text: &str) -> Result<Spec, ImportError> {
    let mut reader = Reader::from_str(text);
    let mut spec = Spec { title: "imported from a jPOS packager".to_owned(), ..Spec::default() };
    // What is open: `None` for elements that are no field.
    let mut open: Vec<Option<Open>> = Vec::new();
    let (mut count, mut rooted) = (0usize, false);
    // Counted on from event to event: from the start each time, a long file would take for ever.
    let (mut counted, mut line) = (0usize, 1usize);
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let since = text.as_bytes().get(counted..at).unwrap_or_default();
        line = line.saturating_add(line_at(since, since.len())).saturating_sub(1);
        counted = at;
        let event = reader.read_event().map_err(|wrong| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            error(line_at(text.as_bytes(), at), wrong.to_string())
        })?;
        match event {
            Event::Start(element) => {
                let field = start(&element, line, &mut count, &mut rooted)?;
                open.push(field);
                if open.len() > DEPTH_MAX {
                    return Err(error(line, format!("more than {DEPTH_MAX} elements deep")));
                }
            }
            Event::Empty(element) => {
                if let Some(field) = start(&element, line, &mut count, &mut rooted)? {
                    close(field, &mut open, &mut spec)?;
                }
            }
            Event::End(_) => {
                if let Some(Some(field)) = open.pop() {
                    close(field, &mut open, &mut spec)?;
                }
            }
            Event::DocType(kind) if defines(&kind) => {
                let why = "it defines entities or values of attributes in a document type";
                return Err(error(line, why));
            }
            Event::GeneralRef(_) => return Err(error(line, "a reference outside an attribute")),
            Event::Eof if !open.is_empty() => return Err(error(line, "an element is not closed")),
            Event::Eof if !rooted => return Err(error(line, "there is no <isopackager>")),
            Event::Eof => return Ok(spec),
            Event::DocType(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => (),
        }
    }
}

/// Whether a document type says anything that changes what stands in the file.
fn defines(kind: &str) -> bool {
    let (_, own) = kind.split_once('[').unwrap_or_default();
    own.contains("<!ENTITY") || own.contains(['"', '\''])
}

fn start(
    element: &BytesStart<'_>,
    line: usize,
    count: &mut usize,
    rooted: &mut bool,
) -> Result<Option<Open>, ImportError> {
    let name = element.name();
    match name.as_ref() {
        "isopackager" if !*rooted => {
            *rooted = true;
            Ok(None)
        }
        "isofield" | "isofieldpackager" if *rooted => {
            *count = count.saturating_add(1);
            if *count > FIELDS_MAX {
                return Err(error(line, format!("more than {FIELDS_MAX} fields")));
            }
            field(element, line).map(Some)
        }
        other => Err(error(line, format!("<{other}> is not of a packager"))),
    }
}

/// Most attributes of an element.
const ATTRIBUTES_MAX: usize = 64;

/// The attributes of a field.
#[derive(Default)]
struct Attributes {
    id: Option<u32>,
    length: Option<u32>,
    name: String,
    class: Option<String>,
    pad: bool,
    inside: Inside,
}

fn field(element: &BytesStart<'_>, line: usize) -> Result<Open, ImportError> {
    let mut given = Attributes::default();
    let number = |text: &str| {
        text.trim().parse().map_err(|_| error(line, format!("`{text}` is not a number")))
    };
    for (attribute, place) in element.attributes().zip(1..) {
        if place > ATTRIBUTES_MAX {
            return Err(error(line, format!("more than {ATTRIBUTES_MAX} attributes")));
        }
        let attribute = attribute.map_err(|wrong| error(line, wrong.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|wrong| error(line, wrong.to_string()))?;
        match attribute.key.as_ref() {
            "id" => given.id = Some(number(&value)?),
            "length" => given.length = Some(number(&value)?),
            "name" => given.name = value.into_owned(),
            "class" => given.class = Some(value.into_owned()),
            "packager" => given.inside.packager = last_name(&value),
            "pad" => given.pad = value == "true",
            "emitBitmap" => given.inside.emits_bitmap = Some(value == "true"),
            "bitmapField" => given.inside.bitmap_field = Some(number(&value)?),
            "firstField" => given.inside.first = Some(number(&value)?),
            "tagMapper" => given.inside.tag_mapper = last_name(&value),
            "swapTagAndLen" => given.inside.swaps = value == "true",
            _ => (),
        }
    }
    let id = given.id.ok_or_else(|| error(line, "a field has no `id`"))?;
    let most = given.length.ok_or_else(|| error(line, "a field has no `length`"))?;
    let java = given.class.ok_or_else(|| error(line, "a field has no `class`"))?;
    let java = last_name(&java);
    let (tag_width, untagged) = untagged(&java);
    let class = classify(&untagged, given.pad);
    let mut field = Field { line: Some(line), ..Field::plain(id, given.name, most) };
    if let Class::Field { class, length_digits, length, counts, value } = &class {
        field.class = *class;
        field.length_digits = *length_digits;
        field.length = *length;
        field.counts = *counts;
        field.value = *value;
    }
    Ok(Open { field, class, java, tag_width, inside: given.inside })
}

/// The name of a Java class without its package.
fn last_name(java: &str) -> String {
    java.trim().rsplit('.').next().unwrap_or_default().to_owned()
}

/// `IFA_TTLLCHAR` is `IFA_LLCHAR` behind a tag of two characters.
fn untagged(java: &str) -> (u32, String) {
    let rest = java.strip_prefix("IFA_T").map(|rest| rest.trim_start_matches('T'));
    match rest {
        Some(rest) if rest.starts_with('L') => {
            let width = java.len().saturating_sub(rest.len()).saturating_sub(4);
            (u32::try_from(width).unwrap_or(u32::MAX), format!("IFA_{rest}"))
        }
        _ => (0, java.to_owned()),
    }
}

/// A field is complete: it becomes part of the one around it or of the specification.
fn close(done: Open, open: &mut [Option<Open>], spec: &mut Spec) -> Result<(), ImportError> {
    let Open { mut field, class, java, tag_width, inside } = done;
    if let Some(why) = arrange(&mut field, inside) {
        spec.remarks.push(field.remark(Kind::Changed, why));
    }
    let unknown = format!("the class {java} is not known here");
    let line = field.line.unwrap_or(1);
    let too_many = |list: &[Field]| match list.len() < LIST_MAX {
        true => Ok(()),
        false => Err(error(line, format!("more than {LIST_MAX} fields in one element"))),
    };
    if let Some(outer) = open.last_mut().and_then(Option::as_mut) {
        match class {
            Class::Nothing => return Ok(()),
            Class::Bitmap(bits) => {
                // This one has eight bytes, whatever is said.
                let bytes = if java == "Base1_BITMAP126" { 8 } else { field.most };
                outer.inside.bitmaps.push((field.number, bits, bytes));
                return Ok(());
            }
            Class::Unknown => field.flaw = Some(unknown),
            Class::Field { .. } => (),
        }
        let width = usize::try_from(tag_width).unwrap_or(0);
        field.tag = (width > 0).then(|| format!("{:0width$}", field.number));
        too_many(&outer.field.parts)?;
        outer.field.parts.push(field);
        return Ok(());
    }
    too_many(&spec.fields)?;
    let class = if tag_width > 0 { Class::Unknown } else { class };
    match (field.number, class) {
        (0, _) => spec.mti = Some(field.value),
        (_, Class::Bitmap(bits)) if field.number == 1 => spec.bitmap = Some(bits),
        (_, Class::Nothing) => (),
        (_, Class::Bitmap(_)) => {
            spec.remarks.push(field.remark(Kind::Omitted, "a bitmap that is not field 1"));
        }
        (_, Class::Unknown) => {
            spec.remarks.push(field.remark(Kind::Omitted, unknown));
        }
        (35 | 36, Class::Field { class: Content::Digits, .. }) => {
            field.class = Content::Track;
            let why = "a number by its class; tracks have separators, so taken as z";
            spec.remarks.push(field.remark(Kind::Assumed, why));
            spec.fields.push(field);
        }
        (_, Class::Field { .. }) => spec.fields.push(field),
    }
    Ok(())
}

/// Says how sub-fields lie, and leaves out those that the packager never looks at. Gives what is
/// lost.
fn arrange(field: &mut Field, inside: Inside) -> Option<String> {
    // The last of several with the same number counts.
    field.parts.reverse();
    field.parts.sort_by_key(|part| part.number);
    field.parts.dedup_by_key(|part| part.number);
    field.layout = match inside.packager.as_str() {
        "" if field.parts.is_empty() => Layout::Whole,
        "GenericSubFieldPackager" => sub_fields(field, &inside),
        "GenericTaggedFieldsPackager" => tagged(field, &inside),
        "BERTLVBinaryPackager" => {
            // Its objects have tags and not numbers.
            field.parts.clear();
            Layout::Ber
        }
        "Base1SubFieldPackager" => {
            sub_fields(field, &Inside { bitmap_field: Some(0), first: Some(1), ..inside })
        }
        "DatasetPackager" => {
            // They stand behind a bitmap of another kind than those of `[nested]`.
            let count = core::mem::take(&mut field.parts).len();
            field.layout = Layout::DataSets;
            let why = format!(
                "its {count} sub-fields are not carried over: a data set is found by its \
                 identifier and read as a whole"
            );
            return (count > 0).then_some(why);
        }
        other => Layout::Other(format!("the packager {other} is not known here")),
    };
    None
}

fn sub_fields(field: &mut Field, inside: &Inside) -> Layout {
    let place = inside.bitmap_field.unwrap_or(1);
    let found = inside.bitmaps.iter().find(|(number, ..)| *number == place);
    let found = found.filter(|_| inside.emits_bitmap != Some(false));
    if inside.emits_bitmap == Some(true) && found.is_none() {
        return Layout::Other(format!("its sub-field {place} is not the bitmap it says"));
    }
    if found.is_none() && !inside.bitmaps.is_empty() {
        return Layout::Other("a bitmap stands among its sub-fields".to_owned());
    }
    let begins_with_composite =
        field.parts.first().is_some_and(|part| part.number == 0 && part.layout != Layout::Whole);
    let usual = match (found, field.parts.last().map_or(0, |part| part.number)) {
        (Some((1, ..)), _) => 2,
        (_, 0) => 0,
        _ if begins_with_composite => 0,
        _ => 1,
    };
    let first = inside.first.unwrap_or(usual);
    field.parts.retain(|part| part.number >= first);
    match found {
        None => Layout::Positional,
        Some((_, bits, bytes)) if *bytes > 8 => {
            Layout::Bitmap { bits: *bits, bytes: 8, is_chained: true }
        }
        Some((_, bits, bytes)) => Layout::Bitmap { bits: *bits, bytes: *bytes, is_chained: false },
    }
}

fn tagged(field: &Field, inside: &Inside) -> Layout {
    let width = match inside.tag_mapper.as_str() {
        "TTDecimalTagMapper" => 2,
        "TTTDecimalTagMapper" => 3,
        other => return Layout::Other(format!("the tag mapper {other} is not known here")),
    };
    let is_tagged = |part: &Field| part.tag.as_ref().is_some_and(|tag| tag.len() == width);
    if inside.swaps || !field.parts.iter().all(is_tagged) {
        return Layout::Other(format!(
            "its sub-fields are not all behind {width} characters of tag"
        ));
    }
    Layout::Tags { tags: Tags::Ascii, width: if width == 2 { 2 } else { 3 } }
}

/// What a class of jPOS means, by its name: family, digits of the length, content.
fn classify(java: &str, pad: bool) -> Class {
    let packed = if pad { Value::BcdLeft } else { Value::BcdRight };
    let packed_f = if pad { Value::BcdLeft } else { Value::BcdRightF };
    let field = |class, length_digits, length, counts, value| Class::Field {
        class,
        length_digits,
        length,
        counts,
        value,
    };
    let fixed = |class, value| field(class, 0, Length::Ascii, Unit::Content, value);
    match java {
        "IF_NOP" | "IF_UNUSED" => return Class::Nothing,
        "IFB_BITMAP" | "Base1_BITMAP126" => return Class::Bitmap(Bits::Binary),
        "IFA_BITMAP" => return Class::Bitmap(Bits::Hex),
        "IFE_BITMAP" => return Class::Bitmap(Bits::HexEbcdic),
        "IF_CHAR" => return fixed(Content::Printable, Value::Ascii),
        "IFE_CHAR" | "IF_ECHAR" => return fixed(Content::Printable, Value::Ebcdic),
        "IFA_NUMERIC" => return fixed(Content::Digits, Value::Ascii),
        "IFB_NUMERIC" => return fixed(Content::Digits, packed),
        // Currency, digits behind the point and amount of ISO 8583:2003 are one number.
        "IFA_AMOUNT2003" => return fixed(Content::Digits, Value::Ascii),
        "IFB_AMOUNT2003" => return fixed(Content::Digits, packed),
        "IFB_FNUMERIC" => return fixed(Content::Digits, packed_f),
        "IFE_NUMERIC" => return fixed(Content::Digits, Value::Ebcdic),
        "IFA_AMOUNT" => return fixed(Content::SignedDigits, Value::Ascii),
        "IFB_AMOUNT" => return fixed(Content::SignedDigits, packed),
        "IFE_AMOUNT" => return fixed(Content::SignedDigits, Value::Ebcdic),
        "IFA_BINARY" => return fixed(Content::Binary, Value::Hex),
        "IFB_BINARY" => return fixed(Content::Binary, Value::Bytes),
        "IFE_BINARY" => return fixed(Content::Binary, Value::HexEbcdic),
        _ => (),
    }
    let Some((family, rest)) = java.split_once('_') else { return Class::Unknown };
    // With an F in front of the length, packed digits are filled with F.
    let (family, rest) = match (family, rest.strip_prefix("FL")) {
        ("IFB", Some(_)) => ("IFBF", rest.strip_prefix('F').unwrap_or(rest)),
        _ => (family, rest),
    };
    let content = rest.trim_start_matches('L');
    let length_digits = u8::try_from(rest.len().saturating_sub(content.len())).unwrap_or(0);
    let (length, content) = match (family, content.strip_prefix('H')) {
        ("IFB", Some(content)) => (Length::Binary, content),
        ("IFB" | "IFBF", _) => (Length::Bcd, content),
        ("IFA" | "IFAE", _) => (Length::Ascii, content),
        ("IFE" | "IFEA" | "IFEB", _) => (Length::Ebcdic, content),
        _ => return Class::Unknown,
    };
    let (class, value) = match (family, content) {
        _ if length_digits == 0 => return Class::Unknown,
        ("IFA", "NUM") => (Content::Digits, Value::Ascii),
        ("IFB", "NUM") | ("IFA", "BNUM") => (Content::Digits, packed),
        ("IFBF", "NUM") => (Content::Digits, packed_f),
        // Whatever is said about filling.
        ("IFEB", "NUM") => (Content::Digits, Value::BcdRightF),
        ("IFE", "NUM") => (Content::Digits, Value::Ebcdic),
        ("IFA" | "IFB" | "IFEA", "CHAR") => (Content::Printable, Value::Ascii),
        ("IFE" | "IFAE", "CHAR") | ("IFB", "ECHAR") => (Content::Printable, Value::Ebcdic),
        ("IFA" | "IFB" | "IFE", "BINARY") => (Content::Binary, Value::Bytes),
        ("IFA", "ABINARY") => (Content::Binary, Value::Hex),
        _ => return Class::Unknown,
    };
    let counts = if family == "IFEB" { Unit::Bytes } else { Unit::Content };
    field(class, length_digits, length, counts, value)
}

#[cfg(test)]
mod tests {
    use crate::import::{Source, import};

    const HEAD: &str = "<?xml version=\"1.0\"?>\n<isopackager>\n";

    fn reasons(body: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "{HEAD}<isofield id=\"3\" length=\"6\" name=\"code\" class=\"IFA_NUMERIC\"/>\n{body}"
        );
        let imported = import(Source::Jpos, "x", text.as_bytes()).map_err(|e| e.to_string())?;
        Ok(imported.remarks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_no_packager_is_refused_with_its_line() {
        let cases = [
            ("<isofield/></isopackager>", "line 4: a field has no `id`"),
            ("<isofield id=\"x\"/></isopackager>", "line 4: `x` is not a number"),
            ("\n<other/></isopackager>", "line 5: <other> is not of a packager"),
            ("<isopackager>", "line 4: <isopackager> is not of a packager"),
            ("<isofield id=\"4\" length=\"1\" class=\"&own;\"/></isopackager>", "line 4: "),
            ("&own;</isopackager>", "line 4: a reference outside"),
            ("", "line 4: an element is not closed"),
            ("</isofield>", "line 4: "),
        ];
        for (body, expected) in cases {
            let found = reasons(body).unwrap_err();
            assert!(found.starts_with(expected), "{body}: {found}");
        }
        let own = b"<!DOCTYPE isopackager [<!ENTITY a \"b\">]><isopackager/>";
        let found = import(Source::Jpos, "x", own).unwrap_err();
        let expected = "line 1: it defines entities or values of attributes in a document type";
        assert_eq!(found.to_string(), expected);
        let value = b"<!DOCTYPE a [<!ATTLIST isofield pad (true|false) 'true'>]><isopackager/>";
        assert_eq!(import(Source::Jpos, "x", value).unwrap_err().to_string(), expected);
        let said = b"<!DOCTYPE a [<!ATTLIST isofield pad (true|false) #IMPLIED>]><isopackager>\
            <isofield id=\"3\" length=\"6\" name=\"a\" class=\"IFA_NUMERIC\"/></isopackager>";
        assert!(import(Source::Jpos, "x", said).is_ok());
        let none = import(Source::Jpos, "x", b"<!-- nothing -->").unwrap_err();
        assert!(none.message.contains("no <isopackager>"), "{none}");
        let deep = format!(
            "{HEAD}{}",
            "<isofieldpackager id=\"4\" length=\"1\" class=\"IF_CHAR\">".repeat(20)
        );
        let found = import(Source::Jpos, "x", deep.as_bytes()).unwrap_err();
        assert!(found.message.contains("elements deep"), "{found}");
    }

    #[test]
    fn what_a_dialect_cannot_say_is_reported_with_its_line() {
        let field = |id: u32, class: &str| {
            format!(
                "<isofield id=\"{id}\" length=\"12\" name=\"n\" class=\"org.jpos.iso.{class}\"/>"
            )
        };
        let cases = [
            (field(28, "IFB_AMOUNT"), "omitted: field 28 (line 4): an odd number of packed"),
            (field(39, "IFA_NUMERIC"), "omitted: field 39 (line 4): a response code has"),
            (field(48, "IFA_TTLLCHAR"), "omitted: field 48 (line 4): the class IFA_TTLLCHAR"),
            (field(48, "IFA_FLLCHAR"), "omitted: field 48 (line 4): the class IFA_FLLCHAR"),
            (field(48, "IFB_LLHEX"), "omitted: field 48 (line 4): the class IFB_LLHEX"),
            (field(48, "IFE_LLLEBINARY"), "omitted: field 48 (line 4): the class IFE_LLLEBINARY"),
            (field(65, "IFB_BITMAP"), "omitted: field 65 (line 4): a bitmap"),
            (field(35, "IFB_FLLNUM"), "assumed: field 35 (line 4): a number by its class"),
            (field(35, "IFA_LLNUM"), "assumed: field 35 (line 4): a number by its class"),
            (field(3, "IFA_NUMERIC"), "changed: field 3 (line 4): it is defined more than once"),
        ];
        for (body, expected) in cases {
            let found = reasons(&format!("{body}</isopackager>")).unwrap();
            assert!(found.iter().any(|line| line.starts_with(expected)), "{found:?}: {expected}");
        }
        let unused = reasons(&format!("{}</isopackager>", field(24, "IF_NOP"))).unwrap();
        assert!(!unused.iter().any(|line| line.contains("field 24")), "{unused:?}");
    }
}
