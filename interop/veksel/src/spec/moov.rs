//! moov-io/iso8583: JSON for its specification builder.

use super::{Form, Look};
use crate::Result;
use serde_json::{Map, Value, json};

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let (kind, encoding) = match (look.is_binary(), look.packed) {
        (true, _) => ("Binary", "Binary"),
        (false, true) => ("String", "BCD"),
        (false, false) => ("String", "ASCII"),
    };
    let prefix = match (look.is_variable(), look.packed_length) {
        (false, _) => format!("{encoding}.Fixed"),
        (true, true) => format!("BCD.{}", look.letters()),
        (true, false) => format!("ASCII.{}", look.letters()),
    };
    let field = json!({
        "type": kind,
        "length": look.most(),
        "description": look.field.name,
        "enc": encoding,
        "prefix": prefix,
    });
    Ok(json!([look.number.to_string(), field]).to_string())
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    let digits = if form.is_packed() { "BCD" } else { "ASCII" };
    let mut fields = Map::new();
    fields.insert(
        "0".to_owned(),
        json!({ "type": "String", "length": 4, "enc": digits, "prefix": format!("{digits}.Fixed"),
                "description": "message type" }),
    );
    let (encoding, prefix) = match form {
        Form::AsciiHex => ("HexToASCII", "Hex.Fixed"),
        Form::AsciiBinary | Form::Packed => ("Binary", "Binary.Fixed"),
    };
    fields.insert(
        "1".to_owned(),
        json!({ "type": "Bitmap", "length": 8, "enc": encoding, "prefix": prefix,
                "description": "bitmap" }),
    );
    for row in rows {
        let (number, field): (String, Value) = serde_json::from_str(row)?;
        fields.insert(number, field);
    }
    Ok(format!("{:#}\n", json!({ "name": "from a Veksel dialect", "fields": fields })))
}
