//! The message type identifier: four digits that say what a message is.
//!
//! Version, class, function and origin (ISO 8583:1987 4.1). Nothing here knows which of the
//! ten thousand values a dialect uses; presence rules do.

use core::fmt;

/// A message type identifier, four decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti([u8; 4]);

/// What the second digit of an MTI says the message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `x1xx`: a hold or an approval, nothing is posted.
    Authorisation,
    /// `x2xx`: financial messages and inquiries.
    Financial,
    /// `x3xx`: file actions.
    FileAction,
    /// `x4xx`: reversals.
    Reversal,
    /// `x5xx`: reconciliation.
    Reconciliation,
    /// `x6xx`: administrative.
    Administrative,
    /// `x7xx`: fee collection.
    Fee,
    /// `x8xx`: network management.
    Network,
    /// `x0xx` and `x9xx`, which the standard reserves.
    Reserved,
}

impl Mti {
    /// No type yet: the value of an empty message.
    pub const NONE: Self = Self(*b"0000");

    /// Makes an MTI from four ASCII digits; anything else is `None`.
    #[must_use]
    pub fn from_ascii(digits: [u8; 4]) -> Option<Self> {
        crate::words::are_digits(&digits).then_some(Self(digits))
    }

    /// Makes an MTI from text such as `"0200"`; anything but four digits is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_ascii(text.as_bytes().try_into().ok()?)
    }

    /// Makes an MTI known when the program was written. A wrong literal does not compile
    /// where it is used in a `const`.
    ///
    /// # Panics
    /// Where it is not, if there is anything but digits.
    #[must_use]
    pub const fn known(digits: &[u8; 4]) -> Self {
        let [a, b, c, d] = *digits;
        assert!(
            a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()
        );
        Self([a, b, c, d])
    }

    /// The four ASCII digits.
    #[must_use]
    pub const fn digits(&self) -> &[u8; 4] {
        &self.0
    }

    /// The four digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("0000")
    }

    /// What the message is about.
    #[must_use]
    pub const fn class(self) -> Class {
        match self.0[1] {
            b'1' => Class::Authorisation,
            b'2' => Class::Financial,
            b'3' => Class::FileAction,
            b'4' => Class::Reversal,
            b'5' => Class::Reconciliation,
            b'6' => Class::Administrative,
            b'7' => Class::Fee,
            b'8' => Class::Network,
            _ => Class::Reserved,
        }
    }

    /// Whether somebody waits for an answer: the function digit is even (request 0, advice 2,
    /// notification 4 and so on). An odd one is itself an answer and is never answered.
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.0[2] & 1 == 0
    }

    /// Whether this is an advice (`xx2x`): it tells of something done and cannot be declined.
    #[must_use]
    pub const fn is_advice(self) -> bool {
        self.0[2] == b'2'
    }

    /// Whether the sender says it sent this before (`xxx1`, `xxx3`, `xxx5`).
    #[must_use]
    pub const fn is_repeat(self) -> bool {
        self.0[3] & 1 == 1
    }

    /// The same type without the repeat digit: 0201 becomes 0200.
    #[must_use]
    pub const fn original(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([a, b, c, d & !1])
    }

    /// The same type as a repeat: 0420 becomes 0421.
    #[must_use]
    pub const fn repeat(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([a, b, c, d | 1])
    }

    /// The type of the answer, without the repeat digit: 0201 gives 0210, 0421 gives 0430.
    /// `None` for a message that is itself an answer: answering it would start a loop.
    #[must_use]
    pub const fn response(self) -> Option<Self> {
        if !self.is_request() {
            return None;
        }
        let [a, b, c, d] = self.0;
        Some(Self([a, b, c | 1, d & !1]))
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mti(text: &str) -> Mti {
        Mti::parse(text).unwrap()
    }

    #[test]
    fn an_answer_drops_the_repeat_digit() {
        for (request, answer) in [
            ("0200", "0210"),
            ("0201", "0210"),
            ("0421", "0430"),
            ("0800", "0810"),
            ("1220", "1230"),
        ] {
            assert_eq!(mti(request).response(), Some(mti(answer)), "{request}");
        }
    }

    #[test]
    fn an_answer_is_never_answered() {
        for answer in ["0210", "0430", "0810", "0231", "0250"] {
            assert_eq!(mti(answer).response(), None, "{answer}");
        }
    }

    #[test]
    fn only_four_digits_are_a_type() {
        for text in ["", "020", "02000", "02a0", "０２"] {
            assert_eq!(Mti::parse(text), None, "{text}");
        }
    }
}
