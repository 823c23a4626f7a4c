//! What is wrong with a frame or a part in it, told to people and programs alike.

use crate::masking::Shown;
use crate::words;
use veksel_codecs::{Codec, DecodeError, Fault, FieldNumber, FieldPath, Message, Sensitivity};

/// A decode error in words.
pub(super) struct Complaint {
    pub(super) field: String,
    pub(super) why: String,
    pub(super) expected: String,
    pub(super) found: Option<String>,
    pub(super) cause: Option<&'static str>,
}

impl Complaint {
    /// What is wrong with a frame.
    pub(super) fn of(
        codec: &Codec,
        message: &Message,
        shown: &Shown<'_>,
        error: &DecodeError,
    ) -> Self {
        let number = error.path.field;
        let definition = codec.dialect().field(number);
        let at = usize::try_from(error.offset).unwrap_or(usize::MAX);
        let byte = byte(message, shown, at);
        let format = definition.map(|field| field.format()).unwrap_or_default();
        let (expected, found) = match error.fault {
            Fault::Content { expected, .. } => (format!("{format}, {}", expected.words()), byte),
            Fault::Truncated { needed, available } => {
                (format!("{needed} bytes"), Some(format!("{available}, then the message ends")))
            }
            Fault::LengthNotDigits => (format!("a length ({format})"), byte),
            Fault::TooLong { length, most } => {
                (format!("{format}, at most {most}"), Some(format!("a length of {length}")))
            }
            Fault::TooShort { length, least } => {
                (format!("{format}, at least {least}"), Some(format!("a length of {length}")))
            }
            Fault::OddLength { length } => {
                (format!("{format}, an even length"), Some(format!("a length of {length}")))
            }
            Fault::Undefined => {
                let name = codec.dialect().name();
                let known: Vec<_> = codec.dialect().fields().map(|(n, _)| n.get()).collect();
                let near = neighbours(&known, number.get());
                (format!("a field of {name}{near}"), Some(format!("{number} in the bitmap")))
            }
            Fault::Trailing { extra } => {
                ("the end of the message".to_owned(), Some(format!("{extra} bytes more")))
            }
            Fault::NotANumber if number == FieldNumber::BITMAP => {
                ("a bitmap in hexadecimal characters".to_owned(), byte)
            }
            Fault::NotANumber => ("four digits".to_owned(), byte),
            Fault::Oversized => ("at most 65535 bytes".to_owned(), None),
            // Those of parts are told elsewhere.
            Fault::Missing
            | Fault::Unexpected
            | Fault::Value
            | Fault::Short { .. }
            | Fault::Tag
            | Fault::Indefinite
            | Fault::TooDeep => (format, None),
        };
        let secret = definition.is_some_and(|field| field.sensitivity != Sensitivity::Open);
        let found = found.map(|found| match (error.fault, secret) {
            // A length in front of a sensitive field may be the field itself, out of step.
            (Fault::TooLong { .. } | Fault::TooShort { .. } | Fault::OddLength { .. }, true) => {
                "a length that is not shown".to_owned()
            }
            _ => found,
        });
        let cause = codec.likely_cause(message.frame(), error);
        let (field, why) = (words::field(codec, number), error.fault.to_string());
        Self { field, why, expected, found, cause }
    }

    /// What is wrong with a part of a field of a frame that was read to its end.
    pub(super) fn inside(
        codec: &Codec,
        message: &Message,
        shown: &Shown<'_>,
        error: &DecodeError,
    ) -> Self {
        let definition = codec.dialect().field(error.path.field);
        let is_closed = definition.is_none_or(|field| field.sensitivity != Sensitivity::Open);
        let at = usize::try_from(error.offset).unwrap_or(usize::MAX);
        let byte = byte(message, shown, at);
        let (expected, found) = match error.fault {
            Fault::Content { expected, .. } => (expected.words().to_owned(), byte),
            Fault::TooLong { length, most } => {
                (format!("at most {most}"), Some(format!("a length of {length}")))
            }
            Fault::Short { needed, available } => {
                (format!("{needed} bytes"), Some(format!("{available} left of what it is in")))
            }
            Fault::Trailing { extra } => {
                ("the end of the parts".to_owned(), Some(format!("{extra} bytes more")))
            }
            Fault::LengthNotDigits => ("a length".to_owned(), byte),
            Fault::NotANumber => ("a bitmap in hexadecimal characters".to_owned(), byte),
            Fault::Tag => ("a tag".to_owned(), byte),
            Fault::Indefinite => ("a definite length".to_owned(), None),
            Fault::TooDeep => (format!("parts at most {} deep", FieldPath::DEPTH_MAX), None),
            Fault::Undefined => ("a part that the dialect defines".to_owned(), None),
            Fault::TooShort { length, least } => {
                (format!("at least {least}"), Some(format!("a length of {length}")))
            }
            Fault::OddLength { length } => {
                ("an even length".to_owned(), Some(format!("a length of {length}")))
            }
            Fault::Truncated { .. }
            | Fault::Oversized
            | Fault::Missing
            | Fault::Unexpected
            | Fault::Value => ("what the dialect says of the part".to_owned(), None),
        };
        let has_length = matches!(
            error.fault,
            Fault::TooLong { .. }
                | Fault::TooShort { .. }
                | Fault::OddLength { .. }
                | Fault::Short { .. }
        );
        let (expected, found) = match is_closed && has_length {
            true => ("a length that fits".to_owned(), Some("one that is not shown".to_owned())),
            false => (expected, found),
        };
        let why = if is_closed { error.fault.without_lengths() } else { error.fault.to_string() };
        let name = definition.map(|field| format!(" ({})", field.name)).unwrap_or_default();
        let field = format!("{}{name}", error.path);
        Self { field, why, expected, found, cause: None }
    }
}

/// The byte at fault, if it may be shown.
fn byte(message: &Message, shown: &Shown<'_>, at: usize) -> Option<String> {
    message.frame().get(at).map(|byte| match (shown.may_show(at), *byte) {
        (false, _) => "a byte that is not shown".to_owned(),
        (true, byte @ 0x20..=0x7E) => format!("0x{byte:02X} `{}`", char::from(byte)),
        (true, byte) => format!("0x{byte:02X}"),
    })
}

/// The fields next to one that does not exist.
fn neighbours(known: &[u8], number: u8) -> String {
    let below = known.iter().rev().find(|known| **known < number);
    let above = known.iter().find(|known| **known > number);
    match (below, above) {
        (Some(below), Some(above)) => format!(" (between {below} and {above} there is none)"),
        _ => String::new(),
    }
}
