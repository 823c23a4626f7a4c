//! iso8583-codec-rs: its JSON.

use super::{Form, Look};
use crate::Result;
use serde_json::{Value, json};

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let (kind, encoding) = match (look.is_binary(), look.packed) {
        (true, _) => ("binary", "binary"),
        (false, true) => ("string", "bcd"),
        (false, false) => ("string", "ascii"),
    };
    let prefix = match look.field.length_digits {
        0 => "fixed",
        2 => "LLVAR",
        3 => "LLLVAR",
        4 => "LLLLVAR",
        _ => return Err("it has no such length"),
    };
    let length = if look.packed_length { "bcd" } else { "ascii" };
    let field = json!({
        "de": look.number,
        "name": "f",
        "type": kind,
        "length": look.most(),
        "prefix": prefix,
        "encoding": encoding,
        "prefix_encoding": length,
        "padding": { "side": "none" },
    });
    Ok(field.to_string())
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    let bitmap = if form == Form::AsciiHex { "hex" } else { "binary" };
    let mti = if form.is_packed() { "bcd" } else { "ascii" };
    let fields: std::result::Result<Vec<Value>, _> =
        rows.iter().map(|row| serde_json::from_str(row)).collect();
    let spec = json!({
        "version": "1987",
        "defaults": {
            "encoding": "ascii",
            "prefix_encoding": "ascii",
            "bitmap_encoding": bitmap,
            "mti_encoding": mti,
        },
        "fields": fields?,
    });
    Ok(format!("{spec:#}\n"))
}
