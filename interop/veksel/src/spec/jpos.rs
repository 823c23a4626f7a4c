//! jPOS: XML for its `GenericPackager`.

use super::{Form, Length, Look, Written};
use crate::Result;
use veksel_codecs::dialect::Bitmap;

/// An `isofield`. Of `x+n` fields the sign is one character more, as it is here.
pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let class = if look.is_variable() { variable(look)? } else { fixed(look)?.to_owned() };
    // `pad` puts a zero in front of an odd number of packed digits; without it the classes with
    // an F put that behind them.
    let pad = look.value != Written::PackedThenF;
    Ok(isofield(look.number, look.most(), &look.field.name, pad, &class))
}

fn fixed(look: &Look<'_>) -> std::result::Result<&'static str, &'static str> {
    match look.value {
        Written::Ascii if look.is_digits() => Ok("IFA_NUMERIC"),
        Written::Ascii if look.is_signed() => Ok("IFA_AMOUNT"),
        Written::Ascii => Ok("IF_CHAR"),
        Written::Ebcdic if look.is_digits() => Ok("IFE_NUMERIC"),
        Written::Ebcdic if look.is_signed() => Ok("IFE_AMOUNT"),
        Written::Ebcdic => Ok("IFE_CHAR"),
        Written::Packed if look.is_signed() => Ok("IFB_AMOUNT"),
        Written::Packed => Ok("IFB_NUMERIC"),
        Written::PackedThenF if look.is_signed() => Err("it has no such amount"),
        Written::PackedThenF => Ok("IFB_FNUMERIC"),
        Written::Bytes => Ok("IFB_BINARY"),
        Written::Hex => Ok("IFA_BINARY"),
    }
}

fn variable(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    if look.is_signed() {
        return Err("it has no amount of variable length");
    }
    let letters = look.letters();
    let (family, content) = match (look.value, look.length) {
        (Written::Ascii, Length::Ascii) if look.is_digits() => ("IFA_", "NUM"),
        (Written::Ascii, Length::Ascii) => ("IFA_", "CHAR"),
        (Written::Ascii, Length::Packed) if !look.is_digits() => ("IFB_", "CHAR"),
        (Written::Ebcdic, Length::Ebcdic) if look.is_digits() => ("IFE_", "NUM"),
        (Written::Ebcdic, Length::Ebcdic) => ("IFE_", "CHAR"),
        (Written::Packed, Length::Packed) => ("IFB_", "NUM"),
        (Written::PackedThenF, Length::Packed) => ("IFB_F", "NUM"),
        (Written::Bytes, Length::Ascii) => ("IFA_", "BINARY"),
        (Written::Bytes, Length::Packed) => ("IFB_", "BINARY"),
        (Written::Bytes, Length::Ebcdic) => ("IFE_", "BINARY"),
        (Written::Hex, Length::Ascii) => ("IFA_", "ABINARY"),
        _ => return Err("it has no class for such a value behind such a length"),
    };
    Ok(format!("{family}{letters}{content}"))
}

fn isofield(number: u8, length: u16, name: &str, pad: bool, class: &str) -> String {
    format!(
        "  <isofield id=\"{number}\" length=\"{length}\" name=\"{name}\" pad=\"{pad}\" \
         class=\"org.jpos.iso.{class}\"/>\n"
    )
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    let mti = match form.mti {
        Written::Ascii => "IFA_NUMERIC",
        Written::Ebcdic => "IFE_NUMERIC",
        _ => "IFB_NUMERIC",
    };
    let bitmap = match form.bitmap {
        Bitmap::Binary => "IFB_BITMAP",
        Bitmap::Hex => "IFA_BITMAP",
        Bitmap::EbcdicHex => "IFE_BITMAP",
    };
    let mti = isofield(0, 4, "message type", true, mti);
    let bitmap = isofield(1, 16, "bitmap", true, bitmap);
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE isopackager PUBLIC\n  \
                \"-//jPOS/jPOS Generic Packager DTD 1.0//EN\"\n  \
                \"http://jpos.org/dtd/generic-packager-1.0.dtd\">\n<isopackager>\n";
    Ok([head, &mti, &bitmap, &rows.concat(), "</isopackager>\n"].concat())
}
