//! What the fast walks know of a field, in a few bytes a field.
//!
//! The fast walks give up on anything that is wrong and on anything rare; the exact ones, which
//! read [`Layout`]s, then say what it was. Neighbouring fields of one class are checked in one go,
//! which is where the speed comes from.

use super::{Layout, Prefix};
use crate::content::Content;
use crate::message::{Form, Shape, Slot};
use crate::words;

/// A field as the fast walks need it. Thirty-two bytes, so that it is found by a shift.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
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
    /// What it may be written together with.
    pub(super) family: Family,
    /// The form of a value that has been set.
    pub(super) value: Form,
    /// Units that a value must have for the fast walk to write it: all of a field of fixed length;
    /// more than there are if the field is left to the exact way.
    pub(super) least: u16,
    /// A value that may be written in one go with the one before it: of fixed length, and no half
    /// byte; with what that value must be of.
    pub(super) plain: Plain,
}

/// A slot and what it is to be written and checked together with, in one number: where a shape
/// leaves room, the family stands in the upper half and the check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plain(u64);

impl Plain {
    /// What no value has.
    const NONE: Self = Self(u64::MAX);

    /// The bits that a check may take: those of a prefix that no length is as long as.
    const CHECK: u64 = 0x78 << 48;

    /// Values from `start` on.
    #[inline(always)]
    pub(super) const fn begin(start: usize, family: Family, check: Check) -> Self {
        Self(start as u32 as u64 | family.0 | check.bits())
    }

    /// What tells a value apart from one that goes on behind these as its field says.
    #[inline(always)]
    pub(super) const fn differs(self, slot: Slot, step: &Step) -> Difference {
        Difference(self.0 ^ slot.word() ^ step.plain.0)
    }

    /// These and one more of so many units.
    #[inline(always)]
    pub(super) const fn and(self, units: u16) -> Self {
        Self(self.0.wrapping_add(units as u64))
    }

    /// Where they end.
    #[inline(always)]
    pub(super) const fn end(self) -> usize {
        self.0 as u32 as usize
    }

    /// The same with the check of a value that differs in nothing else.
    #[inline(always)]
    pub(super) const fn checked(self, difference: Difference) -> Self {
        Self(self.0 ^ difference.0)
    }
}

/// In what a value is not as the ones before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference(u64);

impl Difference {
    /// In nothing.
    #[inline(always)]
    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// At most in its check.
    #[inline(always)]
    pub(super) const fn is_check(self) -> bool {
        self.0 & !Plain::CHECK == 0
    }
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

/// Fields that are written in one way. A number in the uppermost bits, which no form needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Family(u64);

impl Family {
    /// Fields of any kind, one by one.
    pub(super) const NONE: Self = Self(8 << 60);
    /// Fields of a frame, written as they came.
    pub(super) const RECEIVED: Self = Self(9 << 60);

    const fn new(kind: Kind) -> Self {
        Self((kind as u64) << 60)
    }

    /// A value of this shape behind one of this family.
    const fn of(self, shape: Shape, check: Check) -> Plain {
        Plain(self.0 | check.bits() | ((shape.word() as u64) << 32))
    }
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

impl Step {
    /// A field that the dialect does not define.
    pub(super) const UNDEFINED: Self = Self {
        shape: Shape { units: 0, prefix: 0, form: Form::Raw },
        lead: Lead::Undefined,
        bytes: Check::Alone,
        joins: Check::Alone,
        characters: Check::Alone,
        kind: Kind::Copy,
        family: Family::new(Kind::Copy),
        value: Form::Raw,
        least: u16::MAX,
        plain: Plain::NONE,
    };

    /// A field in a form that the fast walks do not know and leave to the exact way of one field,
    /// the writing one as it does with signed amounts.
    const RARE: Self = Self { lead: Lead::Rare, ..Self::UNDEFINED };

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
        let value = if layout.form == Form::Raw { Form::Raw } else { Form::Text };
        let least = match layout.prefix {
            _ if bytes == Check::Signed => u16::MAX,
            Prefix::Fixed => layout.most,
            _ => 0,
        };
        let family = Family::new(kind);
        let plain = match layout.prefix {
            Prefix::Fixed if whole_bytes && bytes != Check::Signed => {
                family.of(Shape { units: layout.most, prefix: 0, form: value }, characters)
            }
            _ => Plain::NONE,
        };
        Self { shape, lead, bytes, joins, characters, kind, family, value, least, plain }
    }
}

impl Check {
    /// The same as bits that a [`Plain`] has room for.
    #[inline(always)]
    const fn bits(self) -> u64 {
        (self as u64) << 51
    }

    /// Whether the bytes pass.
    #[inline(never)]
    pub(super) fn passes(self, bytes: &[u8]) -> bool {
        match self {
            Self::Digits => words::are_digits(bytes),
            Self::Packed => words::are_packed(bytes),
            Self::Printable => words::are_printable(bytes),
            Self::Free => true,
            Self::Alphanumeric => words::are_alphanumeric(bytes),
            Self::Letters => words::are_letters(bytes),
            Self::Track => words::are_track(bytes),
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
