//! moov-io/iso8583: JSON for its specification builder.

use super::{Form, Length, Look, Written};
use crate::Result;
use serde_json::{Map, Value, json};
use veksel_codecs::dialect::Bitmap;

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    // The length of a fixed value is compared before it is written, so that hexadecimal
    // characters count as the bytes that they are.
    let (kind, encoding, fixed) = match look.value {
        Written::Ascii => ("String", "ASCII", "ASCII"),
        Written::Ebcdic => ("String", "EBCDIC", "EBCDIC"),
        Written::Packed if look.is_track() => return Err("its packed digits have no separator"),
        Written::Packed if look.is_signed() => return Err("its packed digits have no sign"),
        Written::Packed => ("String", "BCD", "BCD"),
        Written::PackedThenF => return Err("its packed digits are not filled with F"),
        Written::Bytes => ("Binary", "Binary", "Binary"),
        Written::Hex => ("Binary", "HexToASCII", "Binary"),
    };
    let prefix = match (look.is_variable(), look.length) {
        (false, _) => format!("{fixed}.Fixed"),
        (true, Length::Packed) => format!("BCD.{}", look.letters()),
        (true, Length::Ebcdic) => format!("EBCDIC.{}", look.letters()),
        (true, Length::Ascii) => format!("ASCII.{}", look.letters()),
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
    let digits = match form.mti {
        Written::Ascii => "ASCII",
        Written::Ebcdic => "EBCDIC",
        _ => "BCD",
    };
    let mut fields = Map::new();
    fields.insert(
        "0".to_owned(),
        json!({ "type": "String", "length": 4, "enc": digits, "prefix": format!("{digits}.Fixed"),
                "description": "message type" }),
    );
    let (encoding, prefix) = match form.bitmap {
        Bitmap::Binary => ("Binary", "Binary.Fixed"),
        Bitmap::Hex => ("HexToASCII", "Hex.Fixed"),
        Bitmap::EbcdicHex => return Err("it has no bitmaps of EBCDIC characters".into()),
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
