//! Our dialects in the notations of other implementations, as far as those can express them.
//!
//! A field that a notation cannot express is left out and named, so that no message with it is
//! put to the peer. Only what a peer cannot say counts; what it says and gets wrong is for
//! `divergences.toml`.

mod codec_rs;
mod iso8583_rs;
mod jpos;
mod moov;
mod pyiso8583;

use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use veksel_codecs::dialect::{Bitmap, Digits, Field};
use veksel_codecs::{Content, Dialect};

/// How type and bitmaps of the messages of a dialect are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) mti: Written,
    pub(crate) bitmap: Bitmap,
}

impl Form {
    fn of(dialect: &Dialect) -> Result<Self> {
        let (bitmap, bytes) = dialect.bitmap();
        if bytes > 0 {
            return Err(format!("bitmaps of {bytes} bytes are not compared yet").into());
        }
        let mti = match dialect.mti() {
            Digits::Ascii => Written::Ascii,
            Digits::Ebcdic => Written::Ebcdic,
            // Four digits fill their bytes.
            Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => Written::Packed,
        };
        Ok(Self { mti, bitmap })
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A byte a character.
    Ascii,
    /// A byte a character, code page 037.
    Ebcdic,
    /// Two digits in a byte; an odd number of them after a zero.
    Packed,
    /// Two digits in a byte; an odd number of them before the nibble F.
    PackedThenF,
    /// Bytes as they are.
    Bytes,
    /// Two hexadecimal characters for each byte.
    Hex,
}

impl Written {
    fn of(word: &str) -> Result<Self> {
        match word {
            "ascii" => Ok(Self::Ascii),
            "ebcdic" => Ok(Self::Ebcdic),
            "bcd" => Ok(Self::Packed),
            "bcd-right-f" => Ok(Self::PackedThenF),
            "binary" => Ok(Self::Bytes),
            "hex" => Ok(Self::Hex),
            _ => Err(format!("values as `{word}` are not compared yet").into()),
        }
    }

    pub(crate) fn is_packed(self) -> bool {
        matches!(self, Self::Packed | Self::PackedThenF)
    }
}

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// A character a digit.
    Ascii,
    /// A character a digit.
    Ebcdic,
    /// Two digits in a byte.
    Packed,
}

/// A field as the writers of specifications look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'d> {
    pub(crate) number: u8,
    pub(crate) field: &'d Field,
    pub(crate) value: Written,
    /// Of no meaning if the length is fixed.
    pub(crate) length: Length,
}

impl Look<'_> {
    pub(crate) fn most(&self) -> u16 {
        self.field.most
    }

    pub(crate) fn is_variable(&self) -> bool {
        self.field.length_digits > 0
    }

    pub(crate) fn is_digits(&self) -> bool {
        self.field.content == Content::Digits
    }

    pub(crate) fn is_track(&self) -> bool {
        self.field.content == Content::Track
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.field.content == Content::SignedDigits
    }

    /// `LL`, `LLL`.
    pub(crate) fn letters(&self) -> String {
        "L".repeat(self.field.length_digits.into())
    }

    /// Bytes of the length.
    pub(crate) fn length_width(&self) -> u8 {
        let digits = self.field.length_digits;
        if self.length == Length::Packed { digits.div_ceil(2) } else { digits }
    }
}

/// A specification for a peer.
#[derive(Debug)]
pub(crate) struct Spec {
    /// In the peer's notation.
    pub(crate) text: String,
    /// The fields that it has.
    pub(crate) fields: BTreeSet<u8>,
    /// The fields that it cannot have, each with the reason.
    pub(crate) omitted: Vec<String>,
}

/// Writes a field in a peer's notation, or says why that cannot be.
type Row = fn(&Look<'_>) -> std::result::Result<String, &'static str>;
/// Puts the fields together, or says why the peer cannot have this form.
type Whole = fn(Form, &[String]) -> Result<String>;

impl Spec {
    /// The specification of a dialect for a peer.
    pub(crate) fn of(peer: &str, dialect: &Dialect) -> Result<Self> {
        let (row, whole): (Row, Whole) = match peer {
            "jpos" => (jpos::row, jpos::whole),
            "moov" => (moov::row, moov::whole),
            "pyiso8583" => (pyiso8583::row, pyiso8583::whole),
            "iso8583_rs" => (iso8583_rs::row, iso8583_rs::whole),
            "iso8583-codec-rs" => (codec_rs::row, codec_rs::whole),
            _ => return Err(format!("`{peer}` is not a peer").into()),
        };
        let form = Form::of(dialect)?;
        let (mut rows, mut fields, mut omitted) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (number, field) in dialect.fields() {
            let look = look(number.get(), dialect, field)?;
            match row(&look) {
                Ok(text) => {
                    rows.push(text);
                    fields.insert(look.number);
                }
                Err(why) => omitted.push(format!("{} ({}): {why}", look.number, field.format())),
            }
        }
        if fields.is_empty() {
            return Err("it cannot express any field".into());
        }
        Ok(Self { text: whole(form, &rows)?, fields, omitted })
    }
}

fn look<'d>(number: u8, dialect: &Dialect, field: &'d Field) -> Result<Look<'d>> {
    let mut said: BTreeMap<&str, String> = dialect.encodings_of(field).into_iter().collect();
    let length = match said.remove("length").as_deref() {
        None | Some("ascii") => Length::Ascii,
        Some("ebcdic") => Length::Ebcdic,
        Some("bcd") => Length::Packed,
        Some(word) => return Err(format!("lengths as `{word}` are not compared yet").into()),
    };
    if let Some(page) = said.remove("code_page").filter(|page| page != "037") {
        return Err(format!("code page {page} is not compared yet").into());
    }
    // What is left is how the value is written and what is rarely said.
    let mut left = said.iter();
    match (left.next(), left.next()) {
        (Some((_, word)), None) => Ok(Look { number, field, value: Written::of(word)?, length }),
        _ => Err(format!("{said:?} is not compared yet").into()),
    }
}
