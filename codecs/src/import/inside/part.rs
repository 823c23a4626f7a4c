//! One part in the notation of `[nested]`.

use super::super::spec::{Field, Length, Unit, Value};
use super::super::writer::{filled, longest};
use crate::content::Content;

/// The longest part whose length the form says.
const BOUND_MAX: u16 = 9_999;

/// A part as it is written.
pub(super) struct Part {
    pub(super) format: String,
    /// What is not said of it.
    pub(super) lost: Vec<String>,
}

/// How the parts of a nest are written.
pub(super) struct Written {
    pub(super) digits: Value,
    /// How their own lengths are; `None` if the form says how long a part is.
    pub(super) own: Option<Length>,
    /// The longest a part can be whose length nobody bounds.
    pub(super) most: u32,
}

/// Whether a byte is one character of it.
pub(super) const fn is_bytewise(part: &Field) -> bool {
    matches!(part.value, Value::Ascii | Value::Ebcdic | Value::Bytes)
}

impl Field {
    /// What a part is in the notation, or why it cannot be read.
    pub(super) fn format_inside(&self, written: &Written) -> Result<Part, String> {
        if let Some(why) = &self.flaw {
            return Err(why.clone());
        }
        let mut lost = Vec::new();
        let is_fixed = self.length_digits == 0;
        let (class, most) = self.class_inside(written, &mut lost)?;
        let most = u16::try_from(most).map_err(|_| "it is longer than 65535")?;
        let most = match most {
            0 => return Err("its length is zero".to_owned()),
            1 if class == "x+n" => return Err("its length is zero".to_owned()),
            most => most,
        };
        let most = match written.own {
            Some(_) if !is_fixed => {
                if !is_bytewise(self) && self.counts == Unit::Bytes {
                    return Err("its length counts bytes and not what it holds".to_owned());
                }
                let mut remarks = Vec::new();
                let most = longest(self, most, &mut remarks)?;
                lost.extend(remarks.into_iter().map(|remark| remark.why));
                most
            }
            Some(_) => most,
            None if most > BOUND_MAX => {
                lost.push(format!("up to {most}; here up to {BOUND_MAX}"));
                BOUND_MAX
            }
            None => most,
        };
        match filled(self) {
            Ok(word) if word.is_empty() => (),
            Ok(_) => lost.push("filled up otherwise; here numbers with zeros in front".to_owned()),
            Err(why) => lost.push(why),
        }
        let most = if class == "x+n" { most.saturating_sub(1) } else { most };
        let format = match (written.own, is_fixed) {
            (Some(_), false) => {
                let letters = "L".repeat(self.length_digits.into());
                format!("{letters} {class}..{most}")
            }
            (_, true) => format!("{class}{most}"),
            (None, false) => format!("{class}..{most}"),
        };
        Ok(Part { format, lost })
    }

    /// Its class and its longest length, in characters, digits or bytes.
    fn class_inside(
        &self,
        written: &Written,
        lost: &mut Vec<String>,
    ) -> Result<(&'static str, u32), String> {
        // Nothing bounds it but the field around it.
        let most = if self.most == 0 && written.own.is_none() { written.most } else { self.most };
        let is_fixed = self.length_digits == 0;
        let is_packed = matches!(self.value, Value::BcdLeft | Value::BcdRight | Value::BcdRightF);
        match (self.class, self.value) {
            (Content::Digits, value) if value == written.digits => Ok(("n", most)),
            (Content::Binary, Value::Bytes) => Ok(("b", most)),
            (Content::Binary, Value::Hex) if is_fixed => {
                lost.push("bytes as hexadecimal characters; here these characters".to_owned());
                Ok(("an", most.saturating_mul(2)))
            }
            (Content::Digits, Value::Ascii) => {
                lost.push("a number in characters beside others that are not; here ans".to_owned());
                Ok(("ans", most))
            }
            (Content::Binary, _) => Err("bytes written as characters, of any length".to_owned()),
            (class, Value::Ascii) => Ok((class.notation(), most)),
            (_, Value::Ebcdic) => {
                lost.push("EBCDIC among bytes; here these bytes".to_owned());
                Ok(("b", most))
            }
            (_, Value::Bytes) => Ok(("b", most)),
            _ if is_packed && is_fixed => {
                lost.push("packed otherwise than its neighbours; here these bytes".to_owned());
                Ok(("b", most.div_ceil(2)))
            }
            (class, _) => Err(format!("packed or hexadecimal content of class {class}")),
        }
    }
}
