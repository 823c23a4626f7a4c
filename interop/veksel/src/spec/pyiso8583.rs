//! pyiso8583: the dictionary that it takes as a specification, as JSON.

use super::{Form, Look};
use crate::Result;
use serde_json::{Map, Value, json};

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let mut field = json!({
        "data_enc": if look.packed || look.is_binary() { "b" } else { "ascii" },
        "len_enc": if look.packed_length { "bcd" } else { "ascii" },
        "len_type": look.length_width(),
        "max_len": look.most(),
        "desc": look.field.name,
    });
    if let (true, Some(field)) = (look.packed, field.as_object_mut()) {
        field.insert("len_count".to_owned(), json!("nibbles"));
        field.insert("left_pad".to_owned(), json!("0"));
    }
    Ok(json!([look.number.to_string(), field]).to_string())
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    let fixed = |encoding: &str, length: u8, name: &str| {
        json!({ "data_enc": encoding, "len_enc": "ascii", "len_type": 0, "max_len": length,
                "desc": name })
    };
    let mti = if form.is_packed() { fixed("b", 2, "type") } else { fixed("ascii", 4, "type") };
    let (encoding, length) = if form == Form::AsciiHex { ("ascii", 16) } else { ("b", 8) };
    let mut spec = Map::new();
    spec.insert("h".to_owned(), fixed("ascii", 0, "header"));
    spec.insert("t".to_owned(), mti);
    spec.insert("p".to_owned(), fixed(encoding, length, "bitmap"));
    spec.insert("1".to_owned(), fixed(encoding, length, "second bitmap"));
    for row in rows {
        let (number, field): (String, Value) = serde_json::from_str(row)?;
        spec.insert(number, field);
    }
    Ok(format!("{:#}\n", Value::Object(spec)))
}
