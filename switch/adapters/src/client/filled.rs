//! Paths and bodies with parts in braces, filled in. A part changes only where it stands: it can
//! neither add to a path nor to a body.

use crate::executor::failed;
use crate::oauth::escape;
use serde_json::{Map, Number, Value};
use veksel_config::provider::{Piece, Uri};
use veksel_core::enquiry::{Failed, Failure};

type Parts<'a> = &'a [(&'static str, &'a str)];

fn find<'a>(parts: Parts<'a>, name: &str) -> &'a str {
    parts.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

/// Path and query. A pair of the query without a value is left out.
///
/// # Errors
///
/// If a part of the path is empty, or would lead elsewhere.
pub(super) fn target(uri: &Uri, parts: Parts<'_>) -> Result<String, Failure> {
    let mut target = String::new();
    for piece in &uri.pieces {
        match piece {
            Piece::Text(text) => target.push_str(text),
            Piece::Part(name) => {
                let value = find(parts, name);
                let is_path = !target.contains('?');
                if is_path && matches!(value, "" | "." | "..") {
                    return Err(failed(Failed::Format, "part"));
                }
                target.push_str(&escape(value));
            }
        }
    }
    let Some((path, query)) = target.split_once('?') else { return Ok(target) };
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.ends_with('=')).collect();
    Ok(if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) })
}

/// A body. A member that is a part alone is left out if the part is empty.
///
/// # Errors
///
/// If it is no JSON, or a part that is to be a number is none.
pub(super) fn body(template: &str, parts: Parts<'_>) -> Result<Value, Failure> {
    let template = serde_json::from_str(template);
    let template: Value = template.map_err(|_| failed(Failed::Malfunction, "json"))?;
    Ok(fill(&template, parts)?.unwrap_or(Value::Null))
}

fn fill(value: &Value, parts: Parts<'_>) -> Result<Option<Value>, Failure> {
    Ok(Some(match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => return filled(text, parts),
        Value::Array(items) => {
            let items = items.iter().map(|item| fill(item, parts)).collect::<Result<Vec<_>, _>>();
            Value::Array(items?.into_iter().flatten().collect())
        }
        Value::Object(members) => {
            let mut found = Map::new();
            for (name, member) in members {
                if let Some(member) = fill(member, parts)? {
                    found.insert(name.clone(), member);
                }
            }
            Value::Object(found)
        }
    }))
}

fn filled(text: &str, parts: Parts<'_>) -> Result<Option<Value>, Failure> {
    let alone = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let alone = alone.filter(|name| !name.contains(['{', '}']));
    if let Some(name) = alone {
        let (name, is_number) = match name.strip_prefix('=') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let value = find(parts, name);
        return match (value, is_number) {
            ("", _) => Ok(None),
            (value, false) => Ok(Some(value.into())),
            (value, true) => {
                let number = value.parse::<i64>().map(|number| Value::Number(Number::from(number)));
                number.map(Some).map_err(|_| failed(Failed::Format, "number"))
            }
        };
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        whole.push_str(before);
        whole.push_str(find(parts, name));
        rest = behind;
    }
    whole.push_str(rest);
    Ok(Some(whole.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_stay_where_they_stand() {
        let uri = Uri::parse("GET /a/{x}/b?c={y}&d={z}", &["x", "y", "z"]).unwrap();
        let filled = |x, y, z| target(&uri, &[("x", x), ("y", y), ("z", z)]);
        assert_eq!(filled("1", "2", "3").unwrap(), "/a/1/b?c=2&d=3");
        assert_eq!(
            filled("ø/?&=..", "", "a&b=c").unwrap(),
            "/a/%C3%B8%2F%3F%26%3D../b?d=a%26b%3Dc"
        );
        assert_eq!(filled("1", "", "").unwrap(), "/a/1/b");
        for empty in ["", ".", ".."] {
            assert_eq!(filled(empty, "", "").unwrap_err().why, Failed::Format, "{empty}");
        }
        let template = r#"{"a": "{x}", "b": ["{y}", "n {z}"], "c": "{=x}", "d": 1, "e": "{"}"#;
        let filled = |x, y, z| body(template, &[("x", x), ("y", y), ("z", z)]);
        let wanted = json!({"a": "7", "b": ["\"}{z}", "n "], "c": 7, "d": 1, "e": "{"});
        assert_eq!(filled("7", "\"}{z}", "").unwrap(), wanted);
        assert_eq!(filled("", "", "2").unwrap(), json!({"b": ["n 2"], "d": 1, "e": "{"}));
        assert_eq!(filled("7.5", "", "").unwrap_err().code, "number");
    }
}
