//! XML as the values of JSON: an element is an object of its elements, or its text; what is there
//! several times is a list; attributes are members that begin with `@`. The root has no name.
//!
//! Nothing is defined and nothing fetched: a document type is refused, and of references only
//! those that every document has are known. Depth and number of elements are bounded; the size is
//! the executor's business.

use crate::executor::failed;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};
use veksel_core::enquiry::{Failed, Failure};

/// Elements inside each other.
const DEPTH_MAX: usize = 32;

/// Elements and attributes of a document.
const NODES_MAX: usize = 20_000;

/// The document is not one that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(&'static str);

/// An element that is not closed yet.
#[derive(Default)]
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

impl Open {
    fn value(self) -> Value {
        let text = self.text.trim();
        if self.members.is_empty() {
            return text.into();
        }
        let mut members = self.members;
        if !text.is_empty() {
            members.insert("#text".to_owned(), text.into());
        }
        Value::Object(members)
    }

    fn add(&mut self, name: String, value: Value) {
        match self.members.get_mut(&name) {
            None => _ = self.members.insert(name, value),
            Some(Value::Array(items)) => items.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
}

/// Reads a document.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = core::str::from_utf8(bytes).map_err(|_| Unreadable("no text"))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let mut nodes = 0_usize;
    loop {
        let event = reader.read_event().map_err(|_| Unreadable("no XML"))?;
        match event {
            Event::Start(element) => {
                open.push(begun(&element, &mut nodes, open.len(), root.as_ref())?);
            }
            Event::Empty(element) => {
                let done = begun(&element, &mut nodes, open.len(), root.as_ref())?;
                closed(done, &mut open, &mut root);
            }
            Event::End(_) => {
                let done = open.pop().ok_or(Unreadable("an end without a beginning"))?;
                closed(done, &mut open, &mut root);
            }
            Event::Text(text) => said(&mut open, &text.xml10_content())?,
            Event::CData(text) => said(&mut open, &text.xml10_content())?,
            Event::GeneralRef(name) => {
                let text = match &*name {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => {
                        let known = name.resolve_char_ref().ok().flatten();
                        known.ok_or(Unreadable("a reference that is not known"))?
                    }
                };
                said(&mut open, text.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(Unreadable("a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (open.is_empty(), root) {
        (true, Some(root)) => Ok(root),
        (true, None) | (false, _) => Err(Unreadable("it ends too early")),
    }
}

fn begun(
    element: &BytesStart<'_>,
    nodes: &mut usize,
    depth: usize,
    root: Option<&Value>,
) -> Result<Open, Unreadable> {
    if depth >= DEPTH_MAX {
        return Err(Unreadable("too deep"));
    }
    if depth == 0 && root.is_some() {
        return Err(Unreadable("a second root"));
    }
    // Prefixes of name spaces are not looked at.
    let local = |name: &str| name.rsplit(':').next().unwrap_or_default().to_owned();
    let mut open = Open { name: local(element.name().as_ref()), ..Open::default() };
    *nodes = nodes.saturating_add(1);
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| Unreadable("an attribute"))?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_| Unreadable("an attribute"))?;
        *nodes = nodes.saturating_add(1);
        let name = attribute.key.as_ref();
        if !name.starts_with("xmlns") {
            open.add(format!("@{}", local(name)), value.into_owned().into());
        }
        if *nodes > NODES_MAX {
            break;
        }
    }
    if *nodes > NODES_MAX { Err(Unreadable("too many elements")) } else { Ok(open) }
}

fn closed(mut done: Open, open: &mut [Open], root: &mut Option<Value>) {
    let name = core::mem::take(&mut done.name);
    match open.last_mut() {
        Some(around) => around.add(name, done.value()),
        None => *root = Some(done.value()),
    }
}

fn said(open: &mut [Open], text: &str) -> Result<(), Unreadable> {
    match open.last_mut() {
        Some(open) => open.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Unreadable("text outside of the root")),
    }
    Ok(())
}

/// Writes a document with a root of this name.
///
/// # Errors
///
/// If a member of the value cannot be the name of an element.
pub(super) fn write(root: &str, value: &Value) -> Result<Vec<u8>, Failure> {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned();
    element(&mut text, root, value)?;
    Ok(text.into_bytes())
}

fn element(text: &mut String, name: &str, value: &Value) -> Result<(), Failure> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !begins || !name.bytes().all(fits) {
        return Err(failed(Failed::Malfunction, "xml_name"));
    }
    if let Value::Array(items) = value {
        return items.iter().try_for_each(|item| element(text, name, item));
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Null | Value::Array(_) => {}
        Value::Bool(is) => text.push_str(&is.to_string()),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(inside) => {
            // What XML cannot hold at all is left out.
            let clean: String =
                inside.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
            text.push_str(&quick_xml::escape::escape(clean.as_str()));
        }
        Value::Object(members) => {
            for (name, member) in members {
                element(text, name, member)?;
            }
        }
    }
    text.push_str(&format!("</{name}>"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_values() {
        let text = r#"<?xml version="1.0"?><!-- c --><b:bills xmlns:b="urn:x" n="2">
            <bill id="1"><sum>12.50</sum><who>A &amp; B &#x30;</who></bill>
            <bill><sum><![CDATA[<1>]]></sum><none/></bill></b:bills>"#;
        let wanted = json!({"@n": "2", "bill": [
            {"@id": "1", "sum": "12.50", "who": "A & B 0"}, {"sum": "<1>", "none": ""}]});
        assert_eq!(read(text.as_bytes()), Ok(wanted));
    }

    #[test]
    fn what_could_do_harm_is_not_read() {
        let deep = format!("{}{}", "<a>".repeat(33), "</a>".repeat(33));
        let many = format!("<a>{}</a>", "<b/>".repeat(NODES_MAX));
        let laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>"#;
        let file = r#"<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>"#;
        for (text, why) in [
            (deep.as_str(), "too deep"),
            (&many, "too many elements"),
            (laughs, "a document type"),
            (file, "a document type"),
            ("<l>&b;</l>", "a reference that is not known"),
            ("<a/><b/>", "a second root"),
            ("<a>", "it ends too early"),
            ("", "it ends too early"),
            ("<a/>x", "text outside of the root"),
        ] {
            assert_eq!(read(text.as_bytes()), Err(Unreadable(why)), "{text:.60}");
        }
        assert!(read(b"<a></b>").is_err() && read(b"\xff").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({"to": "<&>\"'", "n": 3, "list": ["a", "b"], "in": {"x": "y"}});
        let text = write("pay", &value).unwrap();
        assert!(text.starts_with(b"<?xml"));
        let wanted = json!({"to": "<&>\"'", "n": "3", "list": ["a", "b"], "in": {"x": "y"}});
        assert_eq!(read(&text), Ok(wanted));
        let wrong = write("pay", &json!({"a b": 1})).unwrap_err();
        assert_eq!(wrong.code, "xml_name");
    }
}
