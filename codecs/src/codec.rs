//! Codecs: a dialect compiled into tables, and the two directions between bytes and messages.
//!
//! Reading checks every length, every content class and that nothing follows the last field, in
//! one pass and without allocating once the message's buffers are warm. It gives a value or an
//! error for any bytes. Writing copies the fields nobody touched as they came and encodes the
//! others.

use crate::content::Sensitivity;
use crate::dialect::Dialect;
use crate::error::{DecodeError, Fault, FieldNumber, FieldPath};
use crate::field;
use crate::message::{FieldSet, Form, Message};
use crate::mti::{Class, Mti};
use crate::nested::Nest;
use crate::presence::{Rule, Rules};
use core::sync::atomic::{AtomicU32, Ordering};
use layout::{Layout, Prefix};
use step::Step;

mod cause;
mod decode;
mod encode;
mod layout;
mod measure;
mod rare;
mod room;
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
    /// The fields that have a layout.
    defined: FieldSet,
    /// What the bit of field 1 is read together with: 0 if it announces a second bitmap, 1 if
    /// there always is one, 2 if the bitmaps are of a rare kind.
    always_second: u8,
    /// Whether a third bitmap may follow the second.
    has_third: bool,
    /// By the bit of each bitmap, first bit first: the first bitmap's fields, the second's.
    steps: Box<[[Step; 64]; 2]>,
    /// Fields whose parts are looked at before a message is passed on.
    nested: FieldSet,
    rules: Rules,
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
    /// Its MAC is missing or wrong. A codec has no keys; who has them says this.
    Unauthentic,
}

impl Codec {
    /// Compiles a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let layout = |number| {
            let field = dialect.field(FieldNumber::new(number)?)?;
            Some(Layout::new(field, &dialect.encoding))
        };
        let layouts: Vec<Option<Layout>> = (0..=FieldNumber::MAX.get()).map(layout).collect();
        let mut steps = Box::new([[Step::UNDEFINED; 64]; 2]);
        let fields = layouts.iter().skip(1);
        for (step, layout) in steps.as_flattened_mut().iter_mut().zip(fields) {
            *step = layout.map_or(Step::UNDEFINED, Step::new);
        }
        let always_second = match dialect.encoding.bitmap_bytes {
            0 => 0,
            16 => 1,
            _ => 2,
        };
        let defined = dialect.fields().map(|(number, _)| number).collect();
        let has_third = layouts.iter().skip(129).any(Option::is_some);
        let checked = |nest: &Nest| nest.check.unwrap_or(dialect.check_nested);
        let nests = dialect.nested.iter().filter(|(_, nest)| checked(nest));
        let nested = nests.map(|(number, _)| *number).collect();
        let rules = Rules::new(dialect.rules.values());
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self { id, dialect, layouts, defined, always_second, has_third, steps, nested, rules }
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

    /// Bytes of the value of a binary field of fixed length, and bytes it takes in a frame; `None`
    /// for any other field.
    #[must_use]
    pub fn binary_widths(&self, number: FieldNumber) -> Option<(usize, usize)> {
        let layout = self.layout(number).filter(|l| matches!(l.prefix, Prefix::Fixed))?;
        let value = usize::from(layout.most);
        match layout.form {
            Form::Raw => Some((value, value)),
            Form::Hex | Form::HexEbcdic => Some((value, value.saturating_mul(2))),
            _ => None,
        }
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
        let mut nests = message.fields().both(self.nested).iter();
        nests.try_for_each(|number| {
            message.nested(number, self).map_or(Ok(()), |nested| nested.check())
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
        if let Some(rule) = self.rules.find(mti, code) {
            return Ok(rule);
        }
        if !self.rules.know(mti) {
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
        let mut lines = Vec::new();
        self.describe_each(message, |line| lines.push(line));
        lines
    }

    /// The same line by line, for those who keep none: a part may be a single byte, and a line is
    /// more than a hundred.
    pub fn describe_each(&self, message: &Message, mut see: impl FnMut(Line)) {
        for number in message.fields().iter() {
            self.line(message, number).into_iter().for_each(&mut see);
            if let Some(nested) = message.nested(number, self) {
                nested.describe_each(&mut see);
            }
        }
    }

    /// What people may see of a field as a whole.
    fn line(&self, message: &Message, number: FieldNumber) -> Option<Line> {
        let field = self.dialect.field(number)?;
        let raw = message.expose(number)?;
        let value = match raw.binary().as_deref() {
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
