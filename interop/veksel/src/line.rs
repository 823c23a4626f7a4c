//! A message as a line of JSON, and bytes as hexadecimal.

use crate::Result;
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use veksel_codecs::{Codec, Message};

/// A value: characters, or the bytes of a binary field.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    /// Characters.
    Text(String),
    /// Bytes.
    Binary {
        /// Upper-case hexadecimal.
        hex: String,
    },
}

impl Value {
    /// Peers that know no binary fields give the hexadecimal digits as text, in either case.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Binary { hex: a } | Self::Text(a), Self::Binary { hex: b } | Self::Text(b)) => {
                a.eq_ignore_ascii_case(b)
            }
        }
    }
}

/// A message, as peers get it and give it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Line {
    /// Tells the lines of a file apart.
    pub(crate) id: String,
    /// Four digits.
    #[serde(default)]
    pub(crate) mti: String,
    /// By field number.
    #[serde(default)]
    pub(crate) fields: BTreeMap<u8, Value>,
    /// Hexadecimal.
    #[serde(default)]
    pub(crate) frame: String,
    /// Why a peer could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Line {
    /// A message as Veksel has it.
    pub(crate) fn of(id: impl Into<String>, codec: &Codec, message: &Message) -> Result<Self> {
        let mut out = BytesMut::new();
        codec.encode(message, &mut out)?;
        Ok(Self { frame: hex(&out), ..Self::read(id, message) })
    }

    /// The same without its bytes.
    pub(crate) fn read(id: impl Into<String>, message: &Message) -> Self {
        let mut fields = BTreeMap::new();
        for number in message.fields().iter() {
            let Some(raw) = message.expose(number) else { continue };
            let value = match (raw.binary(), raw.text()) {
                (Some(bytes), _) => Value::Binary { hex: hex(&bytes) },
                (None, Some(text)) => Value::Text(text.as_str().to_owned()),
                (None, None) => continue,
            };
            fields.insert(number.get(), value);
        }
        let mti = message.mti().to_string();
        Self { id: id.into(), mti, fields, ..Self::default() }
    }
}

/// Upper-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.ok_or("not hexadecimal")?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    } else {
        Err("an odd number of hexadecimal digits".into())
    }
}
