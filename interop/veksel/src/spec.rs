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
use std::collections::BTreeSet;
use veksel_codecs::dialect::{Digits, Field};
use veksel_codecs::{Content, Dialect};

/// How the messages of a dialect are written, beyond what its fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// ASCII, bitmaps as hexadecimal characters.
    AsciiHex,
    /// ASCII, binary bitmaps.
    AsciiBinary,
    /// Two digits a byte, binary bitmaps.
    Packed,
}

impl Form {
    /// Of a shipped dialect.
    pub(crate) fn of_dialect(name: &str) -> Result<Self> {
        match name {
            "cbs-ascii-hex" => Ok(Self::AsciiHex),
            "cbs-ascii-bin" => Ok(Self::AsciiBinary),
            "cbs-bcd" => Ok(Self::Packed),
            _ => Err(format!("`{name}` is not a dialect that is compared").into()),
        }
    }

    /// Of the benchmark's word for it.
    pub(crate) fn of_word(word: &str) -> Result<Self> {
        match word {
            "ahex" => Ok(Self::AsciiHex),
            "abin" => Ok(Self::AsciiBinary),
            "bcd" => Ok(Self::Packed),
            _ => Err(format!("`{word}` is none of ahex, abin, bcd").into()),
        }
    }

    /// Whether type and lengths are packed.
    pub(crate) fn is_packed(self) -> bool {
        self == Self::Packed
    }
}

/// A field as the writers of specifications look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'d> {
    pub(crate) number: u8,
    pub(crate) field: &'d Field,
    /// Its digits are packed, on the left with a zero.
    pub(crate) packed: bool,
    /// Its length, if it has one, is packed.
    pub(crate) packed_length: bool,
}

impl Look<'_> {
    pub(crate) fn most(&self) -> u16 {
        self.field.most
    }

    pub(crate) fn is_variable(&self) -> bool {
        self.field.length_digits > 0
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.field.content == Content::Binary
    }

    pub(crate) fn is_digits(&self) -> bool {
        self.field.content == Content::Digits
    }

    /// `LL`, `LLL`.
    pub(crate) fn letters(&self) -> String {
        "L".repeat(self.field.length_digits.into())
    }

    /// Bytes of the length.
    pub(crate) fn length_width(&self) -> u8 {
        let digits = self.field.length_digits;
        if self.packed_length { digits.div_ceil(2) } else { digits }
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
    pub(crate) fn of(peer: &str, dialect: &Dialect, form: Form) -> Result<Self> {
        let (row, whole): (Row, Whole) = match peer {
            "jpos" => (jpos::row, jpos::whole),
            "moov" => (moov::row, moov::whole),
            "pyiso8583" => (pyiso8583::row, pyiso8583::whole),
            "iso8583_rs" => (iso8583_rs::row, iso8583_rs::whole),
            "iso8583-codec-rs" => (codec_rs::row, codec_rs::whole),
            _ => return Err(format!("`{peer}` is not a peer").into()),
        };
        let (mut rows, mut fields, mut omitted) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (number, field) in dialect.fields() {
            let look = look(number.get(), field, form)?;
            match row(&look) {
                Ok(text) => {
                    rows.push(text);
                    fields.insert(look.number);
                }
                Err(why) => omitted.push(format!("{} ({}): {why}", look.number, field.format())),
            }
        }
        Ok(Self { text: whole(form, &rows)?, fields, omitted })
    }
}

fn look(number: u8, field: &Field, form: Form) -> Result<Look<'_>> {
    let packed = match field.digits {
        None => form.is_packed(),
        Some(Digits::Ascii) => false,
        Some(Digits::Bcd) => true,
        Some(other) => return Err(format!("digits as {other:?} are not compared yet").into()),
    };
    if field.length.is_some() {
        return Err("a length of its own is not compared yet".into());
    }
    let packed = packed && field.content == Content::Digits;
    Ok(Look { number, field, packed, packed_length: form.is_packed() })
}
