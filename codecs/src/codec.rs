//! Codecs: a dialect compiled into tables, and the two directions between bytes and messages.
//!
//! Reading checks every length, every content class and that nothing follows the last field, in
//! one pass and without allocating once the message's buffers are warm. It gives a value or an
//! error for any bytes. Writing copies the fields nobody touched as they came and encodes the
//! others.

use crate::content::{Content, Sensitivity};
use crate::dialect::{Bitmap, Dialect, Digits, Field, LengthDigits};
use crate::error::{DecodeError, Fault, FieldNumber, FieldPath};
use crate::field;
use crate::message::{Form, Message};
use crate::mti::{Class, Mti};
use crate::nested::Nested;
use crate::presence::Rule;
use core::sync::atomic::{AtomicU32, Ordering};
use step::Step;

mod decode;
mod encode;
#[cfg(test)]
mod same;
mod step;

/// Tells codecs apart, so that a message knows which one read it.
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// A dialect ready for use.
#[derive(Debug)]
pub struct Codec {
    id: u32,
    dialect: Dialect,
    /// By field number.
    layouts: Vec<Option<Layout>>,
    /// By the bit of each bitmap, first bit first: the first bitmap's fields, the second's.
    steps: Box<[[Step; 64]; 2]>,
}

/// A field as the inner loops need it.
#[derive(Clone, Copy, Debug)]
struct Layout {
    content: Content,
    form: Form,
    prefix: Prefix,
    most: u16,
}

/// The length in front of a field's content.
#[derive(Clone, Copy, Debug)]
enum Prefix {
    /// None: the content always has the longest length.
    Fixed,
    /// So many ASCII digits.
    Ascii(u8),
    /// So many bytes of two digits.
    Packed(u8),
    /// So many bytes, big-endian.
    Binary(u8),
}

/// Why a well-framed request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or lacks or has a field against its presence rule: format error.
    Format(DecodeError),
    /// Its type has no meaning on this link.
    UnknownType,
    /// Its type is known, its processing code is not.
    UnknownCode,
}

impl Prefix {
    const fn width(self) -> u8 {
        match self {
            Self::Fixed => 0,
            Self::Ascii(width) | Self::Packed(width) | Self::Binary(width) => width,
        }
    }
}

impl Layout {
    fn new(field: &Field, dialect: &Dialect) -> Self {
        let digits = field.digits.unwrap_or(dialect.encoding.digits);
        let form = match (field.content, digits) {
            (Content::Binary, _) => Form::Raw,
            (Content::Digits, Digits::Bcd) => Form::PackedLeft,
            (Content::Digits, Digits::BcdRight) => Form::PackedRight,
            _ => Form::Text,
        };
        let length = field.length.unwrap_or(dialect.encoding.length);
        let packed_width = field.length_digits.div_ceil(2);
        let prefix = match (field.length_digits, length) {
            (0, _) => Prefix::Fixed,
            (digits, LengthDigits::Ascii) => Prefix::Ascii(digits),
            (_, LengthDigits::Bcd) => Prefix::Packed(packed_width),
            (_, LengthDigits::Binary) => Prefix::Binary(packed_width),
        };
        Self { content: field.content, form, prefix, most: field.most }
    }
}

impl Codec {
    /// Compiles a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let layout = |number| {
            let field = dialect.field(FieldNumber::new(number)?)?;
            Some(Layout::new(field, &dialect))
        };
        let layouts: Vec<Option<Layout>> = (0..=128).map(layout).collect();
        let mut steps = Box::new([[Step::UNDEFINED; 64]; 2]);
        let fields = layouts.iter().skip(1);
        for (step, layout) in steps.as_flattened_mut().iter_mut().zip(fields) {
            *step = layout.map_or(Step::UNDEFINED, Step::new);
        }
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), dialect, layouts, steps }
    }

    /// What it was compiled from.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    #[inline]
    fn layout(&self, number: FieldNumber) -> Option<Layout> {
        self.layouts.get(usize::from(number.get())).copied().flatten()
    }

    /// Whether a request is one this link knows and has the fields it must have.
    /// `strict` also refuses fields that its rule does not list. Where the dialect says so, what
    /// stands inside fields is looked at, too.
    ///
    /// # Errors
    /// Why it is not passed on.
    pub fn check(&self, message: &Message, strict: bool) -> Result<(), Refusal> {
        let rule = self.rule(message)?;
        rule.check(message, strict).map_err(Refusal::Format)?;
        self.check_nested(message).map_err(Refusal::Format)
    }

    /// Whether the parts of fields are good, of those fields whose parts are to be looked at.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_nested(&self, message: &Message) -> Result<(), DecodeError> {
        let always = self.dialect.check_nested;
        let mut nests = self.dialect.nested.iter().filter(|(number, nest)| {
            message.fields().has(**number) && nest.check.unwrap_or(always)
        });
        nests.try_for_each(|(number, _)| {
            message.nested(*number, self).map_or(Ok(()), |nested| nested.check())
        })
    }

    /// The presence rule for a request.
    ///
    /// # Errors
    /// Whether its type or only its processing code has no rule. A message of a known type whose
    /// rules depend on DE3 and that has none lacks a mandatory field.
    pub fn rule(&self, message: &Message) -> Result<&Rule, Refusal> {
        let code = message.get(field::PROCESSING_CODE);
        let code = code.as_ref().and_then(|code| code.as_bytes().first_chunk::<2>().copied());
        let mti = message.mti();
        let mut rules = self.dialect.rules.values();
        if let Some(rule) = rules.clone().find(|rule| rule.fits(mti, code)) {
            return Ok(rule);
        }
        if !rules.any(|rule| rule.mti.contains(&mti.original())) {
            return Err(Refusal::UnknownType);
        }
        if code.is_some() {
            return Err(Refusal::UnknownCode);
        }
        let end = u32::try_from(message.frame().len()).unwrap_or(u32::MAX);
        Err(Refusal::Format(error(field::PROCESSING_CODE.number(), end, Fault::Missing)))
    }

    /// What people may see of a message: a line per field, and behind it one per part.
    #[must_use]
    pub fn describe(&self, message: &Message) -> Vec<Line> {
        let line = |number: FieldNumber| {
            let field = self.dialect.field(number)?;
            let raw = message.expose(number)?;
            let value = match raw.binary() {
                Some(bytes) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
                None => raw.text().map(|text| text.as_str().to_owned()).unwrap_or_default(),
            };
            Some(Line {
                number,
                path: FieldPath::whole(number),
                name: field.name.clone(),
                masked: field.sensitivity.mask(&value),
                clear: value,
                sensitivity: field.sensitivity,
                offset: message.offset(number),
            })
        };
        let mut lines = Vec::new();
        for number in message.fields().iter() {
            lines.extend(line(number));
            lines.extend(message.nested(number, self).iter().flat_map(Nested::describe));
        }
        lines
    }

    /// The likely cause of an error, in words, where the bytes give it away.
    #[cold]
    #[must_use]
    pub fn likely_cause(&self, frame: &[u8], error: &DecodeError) -> Option<&'static str> {
        let header = frame.get(..12).unwrap_or(frame);
        let is_mti = |bytes: &[u8]| {
            bytes.len() == 4
                && matches!(bytes.first(), Some(b'0'..=b'2'))
                && bytes.iter().all(u8::is_ascii_digit)
        };
        if error.path.field == FieldNumber::MTI {
            let first = header.get(..4).unwrap_or_default();
            if !first.is_empty() && first.iter().all(|byte| (0xF0..=0xF9).contains(byte)) {
                return Some("the digits are EBCDIC; this dialect is ASCII");
            }
            if header.iter().skip(1).count() > 3 && header.windows(4).skip(1).any(is_mti) {
                return Some("a header stands before the message type; set it in the framing");
            }
            let packed = matches!(header, [0x01..=0x09 | 0x10..=0x19 | 0x20..=0x29, ..]);
            if packed && self.dialect.encoding.mti == Digits::Ascii {
                return Some("the message type is packed; this dialect has it in ASCII");
            }
        }
        let hex = |bytes: &[u8]| bytes.len() == 8 && bytes.iter().all(u8::is_ascii_hexdigit);
        let bitmap = frame.get(4..12).unwrap_or_default();
        match (self.dialect.encoding.bitmap, self.dialect.encoding.mti) {
            (Bitmap::Binary, Digits::Ascii) if hex(bitmap) => {
                Some("the bitmap looks like hexadecimal characters; this dialect has it in binary")
            }
            (Bitmap::Hex, Digits::Ascii) if error.path.field == FieldNumber::BITMAP => {
                Some("the bitmap looks binary; this dialect has it in hexadecimal characters")
            }
            _ if matches!(error.fault, Fault::LengthNotDigits | Fault::TooLong { .. }) => {
                Some("the field before it may be longer or shorter than this dialect says")
            }
            _ => None,
        }
    }
}

/// A field of a message or a part of one, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The field.
    pub number: FieldNumber,
    /// The field or the part of it.
    pub path: FieldPath,
    /// Its name.
    pub name: String,
    /// Its value as far as anybody may see it.
    pub masked: String,
    /// Its value. Only for those who are entitled.
    pub clear: String,
    /// Who is.
    pub sensitivity: Sensitivity,
    /// Where it begins in the frame, if it came in one.
    pub offset: Option<usize>,
}

const fn error(field: FieldNumber, offset: u32, fault: Fault) -> DecodeError {
    DecodeError { path: FieldPath::whole(field), offset, fault }
}

/// Whether the class of a message type is one that ISO 8583:1987 defines, so that an unknown
/// type of it is a function that is not supported rather than a type that means nothing.
#[must_use]
pub fn is_known_class(mti: Mti) -> bool {
    mti.class() != Class::Reserved && mti.digits().first() == Some(&b'0')
}
