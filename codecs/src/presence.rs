//! Presence rules: which fields a message of a given type must, may and may not have.
//!
//! They drive the check of requests (and so the 30 that answers a bad one), the list of fields
//! that an answer repeats, documentation and generated tests.

use crate::error::{DecodeError, Fault, FieldNumber, FieldPath};
use crate::message::{FieldSet, Message, Raw};
use crate::mti::Mti;

/// The rule for one kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The types it is for, without the repeat digit.
    pub mti: Vec<Mti>,
    /// The first two digits of DE3 it is for; empty for any.
    pub codes: Vec<[u8; 2]>,
    /// Fields of the request.
    pub request: Request,
    /// Fields of its answer.
    pub answer: Answer,
}

/// Fields of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// `M`.
    pub mandatory: FieldSet,
    /// `M`, `C` and `O`.
    pub allowed: FieldSet,
    /// Those that must be zero.
    pub zero: FieldSet,
}

/// Fields of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `E`: repeated from the request if it had them.
    pub echo: FieldSet,
    /// `M`, beside those repeated.
    pub mandatory: FieldSet,
    /// All of the above, `C` and `O`.
    pub allowed: FieldSet,
}

/// The rules of a dialect, found by type and processing code.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// For each type, and each code that a rule of that type lists, the first rule that fits; in
    /// ascending order.
    index: Vec<(u64, usize)>,
}

/// A type without the repeat digit, and the first two digits of DE3; `None` for a code that no
/// rule of the type lists. One number, because every request is looked up.
fn key(mti: Mti, code: Option<[u8; 2]>) -> u64 {
    let [a, b, c, d] = *mti.original().digits();
    let [has_code, e, f] = code.map_or([0; 3], |[e, f]| [1, e, f]);
    u64::from_be_bytes([0, a, b, c, d, has_code, e, f])
}

impl Rules {
    pub(crate) fn new<'a>(rules: impl Iterator<Item = &'a Rule>) -> Self {
        let rules: Vec<Rule> = rules.cloned().collect();
        let mut index = Vec::new();
        for mti in rules.iter().flat_map(|rule| &rule.mti) {
            let of_type = rules.iter().filter(|rule| rule.mti.contains(mti));
            let codes = of_type.flat_map(|rule| &rule.codes).copied().map(Some);
            for code in codes.chain([None]) {
                if let Some(first) = rules.iter().position(|rule| rule.fits(*mti, code)) {
                    index.push((key(*mti, code), first));
                }
            }
        }
        index.sort_unstable();
        index.dedup();
        Self { rules, index }
    }

    /// The first rule that fits.
    pub(crate) fn find(&self, mti: Mti, code: Option<[u8; 2]>) -> Option<&Rule> {
        let place = |code| {
            let key = key(mti, code);
            self.index.binary_search_by(|(other, _)| other.cmp(&key)).ok()
        };
        let place = code.and_then(|code| place(Some(code))).or_else(|| place(None))?;
        self.rules.get(self.index.get(place)?.1)
    }

    /// Whether there is a rule for messages of this type.
    pub(crate) fn know(&self, mti: Mti) -> bool {
        self.rules.iter().any(|rule| rule.mti.contains(&mti.original()))
    }
}

impl Rule {
    /// Whether the rule is for a message of this type and processing code.
    #[must_use]
    pub fn fits(&self, mti: Mti, code: Option<[u8; 2]>) -> bool {
        let code_fits =
            self.codes.is_empty() || code.is_some_and(|code| self.codes.contains(&code));
        code_fits && self.mti.contains(&mti.original())
    }

    /// Checks a request. A field that is merely not allowed is a fault only if `strict`.
    ///
    /// # Errors
    /// The lowest field at fault.
    pub fn check(&self, message: &Message, strict: bool) -> Result<(), DecodeError> {
        let present = message.fields();
        let missing = self.request.mandatory.minus(present);
        let unexpected = if strict { present.minus(self.request.allowed) } else { FieldSet::EMPTY };
        let not_zero = self.request.zero.iter().find(|field| {
            let zero = |raw: Raw<'_>| raw.text().is_some_and(|t| t.bytes().all(|b| b == b'0'));
            message.expose(*field).is_some_and(|raw| !zero(raw))
        });
        let faults = [
            (missing.first(), Fault::Missing),
            (unexpected.first(), Fault::Unexpected),
            (not_zero, Fault::Value),
        ];
        let lowest = faults
            .into_iter()
            .filter_map(|(field, fault)| Some((field?, fault)))
            .min_by_key(|(field, _)| *field);
        lowest.map_or(Ok(()), |(field, fault)| Err(at(message, field, fault)))
    }
}

/// A fault of a field, at its offset in the frame; one that is absent stands at the end.
fn at(message: &Message, field: FieldNumber, fault: Fault) -> DecodeError {
    let offset = message.offset(field).unwrap_or(message.frame().len());
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    DecodeError { path: FieldPath::whole(field), offset, fault }
}
