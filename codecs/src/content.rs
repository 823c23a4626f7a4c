//! What a field may hold and who may see it.
//!
//! Content classes are those of ISO 8583:1987 4.4.2; the checks look at canonical characters, many
//! at a time (`words.rs`).

use crate::words;
use core::fmt;

/// The class of a field's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// `n`: decimal digits.
    Digits,
    /// `a`: letters and space.
    Letters,
    /// `an`: letters, digits and space.
    Alphanumeric,
    /// `ans`: printable ASCII.
    Printable,
    /// `b`: any bytes.
    Binary,
    /// `z`: track data, digits with the separators `=` and `D` and the fill `F`.
    Track,
    /// `x+n`: `C` or `D` and then digits.
    SignedDigits,
}

impl Content {
    /// The notation of the standard.
    #[must_use]
    pub const fn notation(self) -> &'static str {
        match self {
            Self::Digits => "n",
            Self::Letters => "a",
            Self::Alphanumeric => "an",
            Self::Printable => "ans",
            Self::Binary => "b",
            Self::Track => "z",
            Self::SignedDigits => "x+n",
        }
    }

    /// What the class allows, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Letters => "letters and spaces",
            Self::Alphanumeric => "letters, digits and spaces",
            Self::Printable => "printable ASCII",
            Self::Binary => "bytes",
            Self::Track => "track digits and separators",
            Self::SignedDigits => "C or D and digits",
        }
    }

    /// Whether values are filled on the right with spaces rather than on the left with zeros.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Letters | Self::Alphanumeric | Self::Printable)
    }

    /// Whether every byte belongs to the class.
    #[inline]
    #[must_use]
    pub fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Digits => words::are_digits(bytes),
            Self::Printable => words::are_printable(bytes),
            Self::Binary => true,
            Self::Letters => words::are_letters(bytes),
            Self::Alphanumeric => words::are_alphanumeric(bytes),
            Self::Track => words::are_track(bytes),
            Self::SignedDigits => match bytes.split_first() {
                Some((b'C' | b'D', digits)) => words::are_digits(digits),
                Some(_) | None => false,
            },
        }
    }

    /// Where the first byte outside the class stands; `None` if there is none.
    #[cold]
    #[must_use]
    pub fn first_stranger(self, bytes: &[u8]) -> Option<usize> {
        if self.holds(bytes) {
            return None;
        }
        match (self, bytes.split_first()) {
            (Self::SignedDigits, Some((b'C' | b'D', digits))) => {
                Self::Digits.first_stranger(digits).map(|at| at.saturating_add(1))
            }
            // The sign that is missing counts as one.
            (Self::SignedDigits, _) => Some(0),
            _ => bytes.iter().position(|byte| !self.holds(&[*byte])),
        }
    }
}

/// Who may see a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sensitivity {
    /// Everybody.
    Open,
    /// A card number: first six and last four digits.
    Pan,
    /// An account number: last four characters.
    Account,
    /// Free text that may name a person: only its length.
    Private,
    /// Track, PIN, chip and key data: nothing, and it is never stored (PCI DSS 3.3.1).
    Secret,
}

impl Sensitivity {
    /// How much is hidden, in order.
    const fn rank(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Pan | Self::Account => 1,
            Self::Private => 2,
            Self::Secret => 3,
        }
    }

    /// Whether something of a value would show that the other hides whole.
    pub(crate) const fn shows_more(self, other: Self) -> bool {
        self.rank() < other.rank()
    }

    /// The one that hides more; of two that hide as much it is the first.
    #[must_use]
    pub(crate) const fn or_closer(self, other: Self) -> Self {
        if self.shows_more(other) { other } else { self }
    }

    /// What people who are not entitled may see of a value.
    #[must_use]
    pub fn mask(self, value: &str) -> String {
        match self {
            Self::Open => value.to_owned(),
            Self::Pan => mask_pan(value),
            Self::Account => mask_account(value),
            Self::Private => format!("<{} characters>", value.chars().count()),
            Self::Secret => "****".to_owned(),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.notation())
    }
}

/// First six and last four digits of a card number, the rest as asterisks. A number too short
/// to stay secret that way (under 13 digits) is masked whole.
#[must_use]
pub fn mask_pan(digits: &str) -> String {
    let (first, last) = if digits.chars().count() >= 13 { (6, 4) } else { (0, 0) };
    mask(digits, first, last)
}

/// The last four characters of an account number, the rest as asterisks; four or fewer are
/// masked whole.
#[must_use]
pub fn mask_account(account: &str) -> String {
    mask(account, 0, if account.chars().count() > 4 { 4 } else { 0 })
}

fn mask(text: &str, first: usize, last: usize) -> String {
    let hidden_end = text.chars().count().saturating_sub(last);
    text.chars()
        .enumerate()
        .map(|(at, shown)| if (first..hidden_end).contains(&at) { '*' } else { shown })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_digit_check_agrees_with_the_narrow_one_on_every_byte_and_place() {
        for length in 1..20usize {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'5'; length];
                    bytes[at] = byte;
                    assert_eq!(
                        words::are_digits(&bytes),
                        byte.is_ascii_digit(),
                        "{byte:#x} at {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn two_strangers_do_not_cancel_out() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let bytes = [b'0', a, b, b'9', b'1', b'2', b'3', b'4'];
                assert_eq!(words::are_digits(&bytes), a.is_ascii_digit() && b.is_ascii_digit());
            }
        }
    }

    #[test]
    fn printable_is_space_to_tilde() {
        for byte in 0..=255u8 {
            assert_eq!(
                words::are_printable(&[b'a', byte]),
                (0x20..=0x7E).contains(&byte),
                "{byte:#x}"
            );
        }
    }

    #[test]
    fn the_first_stranger_is_found() {
        assert_eq!(Content::Digits.first_stranger(b"12x4y"), Some(2));
        assert_eq!(Content::SignedDigits.first_stranger(b"X12"), Some(0));
        assert_eq!(Content::SignedDigits.first_stranger(b"D1-"), Some(2));
        assert_eq!(Content::Printable.first_stranger(b"ok"), None);
        assert_eq!(Content::SignedDigits.first_stranger(b"D12"), None);
        assert_eq!(Content::SignedDigits.first_stranger(b""), Some(0));
    }

    #[test]
    fn masks() {
        assert_eq!(mask_pan("4111111111111111"), "411111******1111");
        assert_eq!(mask_pan("411111111"), "*********");
        assert_eq!(mask_account("10000000001"), "*******0001");
        assert_eq!(mask_account("1234"), "****");
    }
}
