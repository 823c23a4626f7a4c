//! What the fast walks know of a field, in a few bytes a field.
//!
//! The fast walks give up on anything that is wrong and on anything rare; the exact ones, which
//! read [`Layout`]s, then say what it was. Neighbouring fields of one class are checked in one go,
//! which is where the speed comes from.

use super::{Layout, Prefix};
use crate::content::Content;
use crate::message::{Form, Shape};
use crate::words;

/// A field as the fast walks need it. Sixteen bytes, so that it is found by a shift.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub(super) struct Step {
    /// Its shape when it is as long as it may be.
    pub(super) shape: Shape,
    /// What stands in front of it.
    pub(super) lead: Lead,
    /// What its bytes are held against.
    pub(super) bytes: Check,
    /// The check that may simply go on over this field, its length included; [`Check::Alone`] if
    /// the bytes of its length would not pass.
    pub(super) joins: Check,
    /// What its canonical characters are held against.
    pub(super) characters: Check,
    /// How it is written.
    pub(super) kind: Kind,
    /// The shape of a value that may be written in one go with the value before it: of fixed
    /// length, and no half byte. No slot has it if there is no such value.
    pub(super) plain: Shape,
}

/// How a run is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// As it is.
    Copy,
    /// Two digits in a byte, an odd number of them after a zero.
    Pack,
    /// Two digits in a byte, an odd number of them before a zero.
    PackRight,
}

/// The length in front of a field's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lead {
    /// None.
    Fixed,
    /// Two ASCII digits.
    AsciiTwo,
    /// Three ASCII digits.
    AsciiThree,
    /// A byte of two digits.
    PackedOne,
    /// Two bytes of two digits.
    PackedTwo,
    /// Any other, which the exact walks read.
    Other,
    /// Length and content are in a form that only the exact way of one field knows.
    Rare,
    /// There is no such field.
    Undefined,
}

/// What a run of bytes is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Check {
    /// Nothing.
    Free,
    /// ASCII digits.
    Digits,
    /// Printable ASCII.
    Printable,
    /// Two digits in each byte.
    Packed,
    /// Letters, digits and space.
    Alphanumeric,
    /// Letters and space.
    Letters,
    /// Track data.
    Track,
    /// A sign and then digits: of one field only.
    Signed,
    /// No check: what [`Step::joins`] says of a field that joins none.
    Alone,
}

/// A shape that no field has: lengths are six bytes at most.
const NO_SHAPE: Shape = Shape { units: 0, prefix: u8::MAX, form: Form::Raw };

impl Step {
    /// A field that the dialect does not define.
    pub(super) const UNDEFINED: Self = Self {
        shape: Shape { units: 0, prefix: 0, form: Form::Raw },
        lead: Lead::Undefined,
        bytes: Check::Alone,
        joins: Check::Alone,
        characters: Check::Alone,
        kind: Kind::Copy,
        plain: NO_SHAPE,
    };

    /// A field in a form that the fast walks do not know and leave to the exact way of one field,
    /// the writing one as it does with signed amounts.
    const RARE: Self = Self { lead: Lead::Rare, characters: Check::Signed, ..Self::UNDEFINED };

    pub(super) fn new(layout: Layout) -> Self {
        if !layout.form.is_plain() {
            return Self::RARE;
        }
        let characters = match layout.content {
            Content::Digits => Check::Digits,
            Content::Letters => Check::Letters,
            Content::Alphanumeric => Check::Alphanumeric,
            Content::Printable => Check::Printable,
            Content::Binary => Check::Free,
            Content::Track => Check::Track,
            Content::SignedDigits => Check::Signed,
        };
        let bytes = if layout.form.is_packed() { Check::Packed } else { characters };
        let lead = match layout.prefix {
            Prefix::Fixed => Lead::Fixed,
            _ if layout.counts_otherwise() => Lead::Other,
            Prefix::Ascii(2) => Lead::AsciiTwo,
            Prefix::Ascii(3) => Lead::AsciiThree,
            Prefix::Packed(1) => Lead::PackedOne,
            Prefix::Packed(2) => Lead::PackedTwo,
            Prefix::Ascii(_)
            | Prefix::Packed(_)
            | Prefix::Binary(_)
            | Prefix::Hex(_)
            | Prefix::Ebcdic(_) => Lead::Other,
        };
        let joins = match (bytes, layout.prefix) {
            (Check::Signed, _) => Check::Alone,
            (Check::Free, _) | (_, Prefix::Fixed) => bytes,
            (
                Check::Digits | Check::Printable | Check::Alphanumeric | Check::Track,
                Prefix::Ascii(_),
            )
            | (Check::Packed, Prefix::Packed(_)) => bytes,
            _ => Check::Alone,
        };
        let prefix = layout.prefix.width();
        let shape = Shape { units: layout.most, prefix, form: layout.form };
        let kind = if layout.form.is_packed() { Kind::Pack } else { Kind::Copy };
        let whole_bytes = kind == Kind::Copy || layout.most & 1 == 0;
        let plain = match layout.prefix {
            Prefix::Fixed if whole_bytes && bytes != Check::Signed => {
                let form = if layout.form == Form::Raw { Form::Raw } else { Form::Text };
                Shape { units: layout.most, prefix: 0, form }
            }
            _ => NO_SHAPE,
        };
        Self { shape, lead, bytes, joins, characters, kind, plain }
    }
}

impl Check {
    /// Whether the bytes pass.
    #[inline(always)]
    pub(super) fn passes(self, bytes: &[u8]) -> bool {
        match self {
            Self::Digits => Content::Digits.holds(bytes),
            Self::Packed => words::all(bytes, words::packed_strangers),
            Self::Printable => Content::Printable.holds(bytes),
            Self::Free => true,
            Self::Alphanumeric => Content::Alphanumeric.holds(bytes),
            Self::Letters => Content::Letters.holds(bytes),
            Self::Track => Content::Track.holds(bytes),
            Self::Signed => Content::SignedDigits.holds(bytes),
            Self::Alone => false,
        }
    }
}

/// The two digits of a packed byte as a number; 100 or more if one of them is none.
#[inline(always)]
pub(super) const fn pair(byte: u8) -> u16 {
    let (high, low) = ((byte >> 4) as u16, (byte & 15) as u16);
    if high > 9 || low > 9 {
        return u16::MAX;
    }
    high.wrapping_mul(10).wrapping_add(low)
}
