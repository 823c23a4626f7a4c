//! iso8583_rs: its YAML. Lengths count bytes there, and what is packed has an even number of
//! digits.

use super::{Form, Length, Look, Written};
use crate::Result;
use crate::corpus::TYPES;
use std::fmt::Write;
use veksel_codecs::dialect::Bitmap;

pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let encoding = match look.value {
        Written::Ascii => "ASCII",
        Written::Ebcdic => "EBCDIC",
        Written::Packed | Written::PackedThenF if !look.is_digits() => {
            return Err("only digits are packed");
        }
        Written::Packed | Written::PackedThenF => "BCD",
        Written::Bytes => "BINARY",
        Written::Hex => return Err("it has no bytes in hexadecimal characters"),
    };
    let odd = look.most() % 2 == 1;
    let layout = match (look.is_variable(), look.value.is_packed()) {
        (false, true) if odd => return Err("an odd number of packed digits cannot be written"),
        (false, true) => format!("type: Fixed, len: {}", look.most() / 2),
        (false, false) => format!("type: Fixed, len: {}", look.most()),
        (true, true) => return Err("the length of packed digits would count bytes"),
        (true, false) => {
            let length = match look.length {
                Length::Ascii => "ASCII",
                Length::Ebcdic => "EBCDIC",
                Length::Packed => "BCD",
            };
            let width = look.length_width();
            format!("type: Variable, len: {width}, len_encoding: {length}")
        }
    };
    let number = look.number;
    Ok(format!(
        "          - {{ name: f{number}, id: {number}, {layout}, data_encoding: {encoding}, \
         position: {number} }}\n"
    ))
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    if form.bitmap != Bitmap::Binary {
        return Err("its bitmaps are binary".into());
    }
    let mti = match form.mti {
        Written::Ascii => "type: Fixed, len: 4, data_encoding: ASCII",
        Written::Ebcdic => "type: Fixed, len: 4, data_encoding: EBCDIC",
        _ => "type: Fixed, len: 2, data_encoding: BCD",
    };
    let mut text = format!(
        "name: Veksel\nid: 1\nheader_fields:\n  - {{ name: type, id: 1, {mti} }}\nmessages:\n  \
         - name: any\n    id: 1\n    selector:\n"
    );
    for mti in TYPES {
        let _ = writeln!(text, "      - \"{mti}\"");
    }
    let _ = write!(
        text,
        "    fields:\n      - {{ name: message_type, id: 1000, {mti} }}\n      - name: bitmap\n        \
         id: 1001\n        type: Bitmapped\n        len: 0\n        data_encoding: BINARY\n        \
         children:\n"
    );
    text.push_str(&rows.concat());
    Ok(text)
}
