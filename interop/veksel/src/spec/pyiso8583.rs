//! pyiso8583: the dictionary that it takes as a specification, as JSON.

use super::{Form, Length, Look, Written};
use crate::Result;
use serde_json::{Map, Value, json};
use veksel_codecs::dialect::Bitmap;

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let (encoding, most) = match look.value {
        Written::Ascii => ("ascii", look.most()),
        Written::Ebcdic => ("cp037", look.most()),
        _ if look.is_track() => return Err("the separator of its packed digits is a letter"),
        _ if look.is_signed() => return Err("its packed digits have no sign"),
        Written::Packed | Written::Bytes => ("b", look.most()),
        Written::PackedThenF => return Err("only tracks are filled with F here"),
        Written::Hex if look.is_variable() => return Err("its length would count characters"),
        Written::Hex => ("ascii", look.most().saturating_mul(2)),
    };
    let length = match look.length {
        Length::Ascii => "ascii",
        Length::Ebcdic => "cp037",
        Length::Packed => "bcd",
    };
    let mut field = json!({
        "data_enc": encoding,
        "len_enc": length,
        "len_type": look.length_width(),
        "max_len": most,
        "desc": look.field.name,
    });
    if let (true, Some(field)) = (look.value.is_packed(), field.as_object_mut()) {
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
    let mti = match form.mti {
        Written::Ascii => fixed("ascii", 4, "type"),
        Written::Ebcdic => fixed("cp037", 4, "type"),
        _ => fixed("b", 2, "type"),
    };
    let (encoding, length) = match form.bitmap {
        Bitmap::Binary => ("b", 8),
        Bitmap::Hex => ("ascii", 16),
        Bitmap::EbcdicHex => ("cp037", 16),
    };
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
