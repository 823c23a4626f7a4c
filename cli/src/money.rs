//! Amounts and currencies as people write them.
//!
//! Integers in minor units inside, decimals only at the edge. Nothing is rounded: an amount with
//! more decimals than its currency has is refused.

use std::fmt;

/// A currency this tool can write. Any other is accepted nowhere and shown in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Currency {
    name: &'static str,
    number: u16,
    digits: u8,
}

/// Name, number and exponent by ISO 4217.
const KNOWN: &[Currency] = &[
    Currency { name: "DKK", number: 208, digits: 2 },
    Currency { name: "JPY", number: 392, digits: 0 },
    Currency { name: "KWD", number: 414, digits: 3 },
    Currency { name: "NOK", number: 578, digits: 2 },
    Currency { name: "SEK", number: 752, digits: 2 },
    Currency { name: "GBP", number: 826, digits: 2 },
    Currency { name: "USD", number: 840, digits: 2 },
    Currency { name: "EUR", number: 978, digits: 2 },
];

/// The largest amount that DE4 can carry.
const MINOR_MAX: u64 = 999_999_999_999;

impl Currency {
    /// By name (`NOK`, in any case) or number (`578`).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse::<u16>().ok();
        let fits = |known: &&Self| {
            known.name.eq_ignore_ascii_case(text) || number.is_some_and(|n| n == known.number)
        };
        KNOWN.iter().find(fits).copied().ok_or_else(|| {
            let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
            format!("expected one of {} or its number", names.join(", "))
        })
    }

    /// By the number in DE49.
    pub(crate) fn numbered(number: u64) -> Option<Self> {
        KNOWN.iter().find(|known| u64::from(known.number) == number).copied()
    }

    /// As DE49 carries it.
    pub(crate) const fn number(self) -> u16 {
        self.number
    }

    /// As people write it.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// Minor units of a decimal: `12.51`, `12.5` and `12` are 1251, 1250 and 1200 in NOK.
    pub(crate) fn parse_amount(self, text: &str) -> Result<u64, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = usize::from(self.digits);
        let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let ends_well = !text.ends_with('.') && !whole.is_empty();
        if !ends_well || !only_digits(whole) || !only_digits(fraction) {
            return Err(format!("`{text}` is not an amount such as {}", self.show(1_251)));
        }
        if fraction.len() > digits {
            let decimals = match digits {
                0 => "no decimals".to_owned(),
                _ => format!("{digits} decimals"),
            };
            return Err(format!("`{text}` has too many decimals: {} has {decimals}", self.name));
        }
        parse_minor(&format!("{whole}{fraction:0<digits$}"))
    }

    /// A decimal without the currency: 1251 is `12.51` in NOK.
    pub(crate) fn show(self, minor: i64) -> String {
        let digits = usize::from(self.digits);
        let sign = if minor < 0 { "-" } else { "" };
        let width = digits.saturating_add(1);
        let text = format!("{:0width$}", minor.unsigned_abs());
        match text.split_at_checked(text.len().saturating_sub(digits)) {
            Some((whole, fraction)) if digits > 0 => format!("{sign}{whole}.{fraction}"),
            Some(_) | None => format!("{sign}{text}"),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Minor units given as such.
pub(crate) fn parse_minor(text: &str) -> Result<u64, String> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let minor = text.parse::<u64>().ok().filter(|minor| all_digits && *minor <= MINOR_MAX);
    minor.ok_or_else(|| match all_digits {
        true => "the amount has more than 12 digits".to_owned(),
        false => format!("`{text}` is not a number of minor units"),
    })
}

/// An amount with its currency: `12.51 NOK`. Of a currency that is not known: `1251 minor 036`.
pub(crate) fn show(minor: i64, currency: u64) -> String {
    match Currency::numbered(currency) {
        Some(known) => format!("{} {known}", known.show(minor)),
        None => format!("{minor} minor {currency:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(text: &str) -> Currency {
        Currency::parse(text).unwrap()
    }

    #[test]
    fn the_exponent_decides() {
        for (name, text, minor) in [
            ("NOK", "12.51", 1_251),
            ("nok", "12.5", 1_250),
            ("578", "12", 1_200),
            ("JPY", "12", 12),
            ("KWD", "125.5", 125_500),
            ("KWD", "0.001", 1),
            ("USD", "9999999999.99", 999_999_999_999),
        ] {
            assert_eq!(currency(name).parse_amount(text), Ok(minor), "{name} {text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for (name, text) in [
            ("NOK", ""),
            ("NOK", "."),
            ("NOK", ".5"),
            ("NOK", "1."),
            ("NOK", "12.513"),
            ("NOK", "12,51"),
            ("NOK", "-1"),
            ("NOK", "+1"),
            ("NOK", "1e3"),
            ("NOK", "１２"),
            ("JPY", "1.0"),
            ("NOK", "10000000000.00"),
            ("NOK", "99999999999999999999999999"),
        ] {
            assert!(currency(name).parse_amount(text).is_err(), "{name} {text}");
        }
        assert!(Currency::parse("XYZ").is_err());
        assert!(Currency::parse("999").is_err());
        assert!(parse_minor("12.51").is_err());
    }

    #[test]
    fn a_currency_that_is_not_known_is_shown_in_minor_units() {
        assert_eq!(show(-1_251, 578), "-12.51 NOK");
        assert_eq!(show(5, 392), "5 JPY");
        assert_eq!(show(-5, 414), "-0.005 KWD");
        assert_eq!(show(1_251, 36), "1251 minor 036");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(minor in 0..=MINOR_MAX, place in 0..KNOWN.len()) {
            let currency = KNOWN[place];
            let shown = currency.show(i64::try_from(minor).unwrap());
            prop_assert_eq!(currency.parse_amount(&shown), Ok(minor), "{}", shown);
        }

        #[test]
        fn no_text_gives_more_than_twelve_digits(text in ".{0,24}", place in 0..KNOWN.len()) {
            if let Ok(minor) = KNOWN[place].parse_amount(&text) {
                prop_assert!(minor <= MINOR_MAX);
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            }
        }
    }
}
