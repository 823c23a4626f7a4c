//! Currencies and amounts: integer minor units, and the decimal text people read and write.
//!
//! It converts nothing between currencies and rounds nothing: text with the wrong number of
//! decimals is refused, because a guessed digit is somebody's money.

use std::fmt;

/// The largest amount or balance a message can carry: DE4 and DE54 have 12 digits.
pub const AMOUNT_MAX: i64 = 999_999_999_999;

/// The currencies the bank keeps accounts in. Any other numeric code is refused by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// 578, 2 decimals.
    Nok,
    /// 752, 2 decimals.
    Sek,
    /// 978, 2 decimals.
    Eur,
    /// 840, 2 decimals.
    Usd,
    /// 392, no decimals.
    Jpy,
    /// 414, 3 decimals.
    Kwd,
}

impl Currency {
    /// In the order the bank opens its own accounts.
    pub const ALL: [Self; 6] = [Self::Nok, Self::Sek, Self::Eur, Self::Usd, Self::Jpy, Self::Kwd];

    /// ISO 4217 numeric code, as DE49 carries it.
    #[must_use]
    pub const fn numeric(self) -> u16 {
        match self {
            Self::Nok => 578,
            Self::Sek => 752,
            Self::Eur => 978,
            Self::Usd => 840,
            Self::Jpy => 392,
            Self::Kwd => 414,
        }
    }

    /// ISO 4217 letters, for people.
    #[must_use]
    pub const fn alpha(self) -> &'static str {
        match self {
            Self::Nok => "NOK",
            Self::Sek => "SEK",
            Self::Eur => "EUR",
            Self::Usd => "USD",
            Self::Jpy => "JPY",
            Self::Kwd => "KWD",
        }
    }

    /// Digits after the decimal point (the ISO 4217 exponent).
    #[must_use]
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Nok | Self::Sek | Self::Eur | Self::Usd => 2,
            Self::Jpy => 0,
            Self::Kwd => 3,
        }
    }

    /// `None` for a currency the bank does not keep.
    #[must_use]
    pub fn from_numeric(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.numeric() == code)
    }

    /// Capital letters; `None` for a currency the bank does not keep.
    #[must_use]
    pub fn from_alpha(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.alpha() == code)
    }

    /// Reads `-12.50` as minor units. Exactly as many decimals as the currency has, no sign but
    /// a leading minus, no grouping, and nothing that 12 digits cannot carry.
    ///
    /// # Errors
    ///
    /// The text is no amount of this currency.
    pub fn parse(self, text: &str) -> Result<i64, AmountError> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || digits.ends_with('.') {
            return Err(AmountError::NotANumber);
        }
        if fraction.len() != self.decimals() as usize {
            return Err(AmountError::Decimals { wanted: self.decimals() });
        }
        let minor = whole
            .bytes()
            .chain(fraction.bytes())
            .try_fold(0_i64, |sum, byte| {
                sum.checked_mul(10)?.checked_add(i64::from(byte.wrapping_sub(b'0')))
            })
            .filter(|minor| *minor <= AMOUNT_MAX)
            .ok_or(AmountError::TooLarge)?;
        Ok(if is_negative { 0 - minor } else { minor })
    }

    /// Minor units as decimal text, the inverse of [`Currency::parse`].
    #[must_use]
    pub fn format(self, minor: i64) -> String {
        let sign = if minor < 0 { "-" } else { "" };
        let magnitude = minor.unsigned_abs();
        let scale = 10_u64.pow(self.decimals());
        let (whole, fraction) = (magnitude / scale, magnitude % scale);
        match self.decimals() as usize {
            0 => format!("{sign}{whole}"),
            width => format!("{sign}{whole}.{fraction:0width$}"),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

/// Minor units of one currency. A plain pair: whether the amount is legal is the ledger's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// May be zero or negative.
    pub minor: i64,
    /// Says what a minor unit is.
    pub currency: Currency,
}

impl Money {
    /// Checks nothing.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency.format(self.minor), self.currency)
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Also grouping, a plus sign, or a missing digit before the point.
    #[error("not a decimal number")]
    NotANumber,
    /// Too many or too few.
    #[error("needs exactly {wanted} decimals")]
    Decimals {
        /// How many the currency has.
        wanted: u32,
    },
    /// DE4 could not carry it.
    #[error("more than 12 digits of minor units")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_currency() {
        let cases = [
            (Currency::Nok, "45230.00", 4_523_000),
            (Currency::Nok, "-0.05", -5),
            (Currency::Jpy, "1000000", 1_000_000),
            (Currency::Kwd, "125.500", 125_500),
            (Currency::Eur, "9999999999.99", AMOUNT_MAX),
            (Currency::Jpy, "0", 0),
        ];
        for (currency, text, minor) in cases {
            assert_eq!(currency.parse(text), Ok(minor), "{text}");
            assert_eq!(currency.format(minor), text);
        }
    }

    #[test]
    fn anything_ambiguous_is_refused() {
        let cases = [
            (Currency::Nok, "12", AmountError::Decimals { wanted: 2 }),
            (Currency::Nok, "12.5", AmountError::Decimals { wanted: 2 }),
            (Currency::Jpy, "12.00", AmountError::Decimals { wanted: 0 }),
            (Currency::Jpy, "12.", AmountError::NotANumber),
            (Currency::Nok, ".50", AmountError::NotANumber),
            (Currency::Nok, "", AmountError::NotANumber),
            (Currency::Nok, "+1.00", AmountError::NotANumber),
            (Currency::Nok, "1,000.00", AmountError::NotANumber),
            (Currency::Nok, "--1.00", AmountError::NotANumber),
            (Currency::Nok, "10000000000.00", AmountError::TooLarge),
            (Currency::Nok, "99999999999999999999.00", AmountError::TooLarge),
        ];
        for (currency, text, error) in cases {
            assert_eq!(currency.parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn codes_are_found_both_ways() {
        for currency in Currency::ALL {
            assert_eq!(Currency::from_numeric(currency.numeric()), Some(currency));
            assert_eq!(Currency::from_alpha(currency.alpha()), Some(currency));
        }
        assert_eq!(Currency::from_numeric(208), None);
    }
}
