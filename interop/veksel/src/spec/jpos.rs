//! jPOS: XML for its `GenericPackager`.

use super::{Form, Look};
use crate::Result;

/// An `isofield`. Of `x+n` fields the sign is one character more, as it is here.
pub(super) fn row(look: &Look<'_>) -> std::result::Result<String, &'static str> {
    let letters = look.letters();
    let family = if look.packed_length { "IFB" } else { "IFA" };
    let class = match (look.is_variable(), look.is_digits(), look.is_binary()) {
        (false, true, _) if look.packed => "IFB_NUMERIC".to_owned(),
        (false, true, _) => "IFA_NUMERIC".to_owned(),
        (false, false, true) => "IFB_BINARY".to_owned(),
        (false, false, false) => "IF_CHAR".to_owned(),
        (true, true, _) if look.packed == look.packed_length => format!("{family}_{letters}NUM"),
        (true, true, _) => return Err("length and digits are not both packed"),
        (true, false, true) => format!("{family}_{letters}BINARY"),
        (true, false, false) => format!("{family}_{letters}CHAR"),
    };
    Ok(isofield(look.number, look.most(), &look.field.name, &class))
}

fn isofield(number: u8, length: u16, name: &str, class: &str) -> String {
    // `pad` puts the zero of an odd number of packed digits on the left.
    format!(
        "  <isofield id=\"{number}\" length=\"{length}\" name=\"{name}\" pad=\"true\" \
         class=\"org.jpos.iso.{class}\"/>\n"
    )
}

pub(super) fn whole(form: Form, rows: &[String]) -> Result<String> {
    let mti = if form.is_packed() { "IFB_NUMERIC" } else { "IFA_NUMERIC" };
    let bitmap = if form == Form::AsciiHex { "IFA_BITMAP" } else { "IFB_BITMAP" };
    let mti = isofield(0, 4, "message type", mti);
    let bitmap = isofield(1, 16, "bitmap", bitmap);
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE isopackager PUBLIC\n  \
                \"-//jPOS/jPOS Generic Packager DTD 1.0//EN\"\n  \
                \"http://jpos.org/dtd/generic-packager-1.0.dtd\">\n<isopackager>\n";
    Ok([head, &mti, &bitmap, &rows.concat(), "</isopackager>\n"].concat())
}
