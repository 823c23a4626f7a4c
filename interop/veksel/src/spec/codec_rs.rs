//! iso8583-codec-rs: its JSON.

use super::{Form, Length, Look, Written};
use crate::Result;
use serde_json::{Value, json};
use veksel_codecs::dialect::Bitmap;

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let (kind, encoding) = match look.value {
        Written::Ascii => ("string", "ascii"),
        Written::Ebcdic => ("string", "ebcdic"),
        Written::Packed | Written::PackedThenF if !look.is_digits() => {
            return Err("only digits are packed");
        }
        Written::Packed | Written::PackedThenF => ("string", "bcd"),
        Written::Bytes => ("binary", "binary"),
        Written::Hex => return Err("its bytes in hexadecimal characters are not compared yet"),
    };
    let prefix = match look.field.length_digits {
        0 => "fixed",
        2 => "LLVAR",
        3 => "LLLVAR",
        4 => "LLLLVAR",
        _ => return Err("it has no such length"),
    };
    let length = match look.length {
        Length::Ascii => "ascii",
        Length::Ebcdic => return Err("lengths in EBCDIC are not compared yet"),
        Length::Packed => "bcd",
    };
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
    let bitmap = match form.bitmap {
        Bitmap::Binary => "binary",
        Bitmap::Hex => "hex",
        Bitmap::EbcdicHex => return Err("it has no bitmaps of EBCDIC characters".into()),
    };
    let mti = match form.mti {
        Written::Ascii => "ascii",
        Written::Ebcdic => "ebcdic",
        _ => "bcd",
    };
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
