//! Amounts on the wire of providers: decimal text and a currency of three letters, never a float.

use iso_currency::Currency;
use veksel_core::enquiry::Money;

/// The three letters of a currency; `None` if ISO 4217 has no such number.
#[must_use]
pub fn alpha(numeric: u16) -> Option<&'static str> {
    Currency::from_numeric(numeric).map(|currency| currency.code())
}

/// The number of a currency; `None` if ISO 4217 has no such letters.
#[must_use]
pub fn numeric(alpha: &str) -> Option<u16> {
    Currency::from_code(alpha).map(|currency| currency.numeric())
}

/// How many decimals a currency has; `None` for one that is not counted in units, as gold is.
fn decimals(numeric: u16) -> Option<u32> {
    Currency::from_numeric(numeric)?.exponent().map(u32::from)
}

/// `150.00` for 15,000 øre. `None` for a currency without decimals of its own to count in.
#[must_use]
pub fn decimal(money: Money) -> Option<String> {
    let decimals = decimals(money.currency)?;
    let unit = 10_u64.checked_pow(decimals)?;
    let (whole, part) = (money.minor / unit, money.minor % unit);
    let width = usize::try_from(decimals).ok()?;
    Some(if decimals == 0 { whole.to_string() } else { format!("{whole}.{part:0width$}") })
}

/// Minor units of a decimal text with an optional sign. Fewer decimals than the currency has are
/// filled up; more only if they are zeros, because rounding would invent money. `None` for
/// anything else.
#[must_use]
pub fn minor(text: &str, currency: u16) -> Option<i64> {
    let decimals = usize::try_from(decimals(currency)?).ok()?;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = digits.contains('.') && part.is_empty();
    if whole.is_empty() || whole.len() > 18 || dangling || !is_number(whole) || !is_number(part) {
        return None;
    }
    let (kept, rest) = part.split_at_checked(decimals).unwrap_or((part, ""));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let minor: i64 = format!("{whole}{kept:0<decimals$}").parse().ok()?;
    Some(if is_negative { -minor } else { minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOK: u16 = 578;
    const JPY: u16 = 392;
    const BHD: u16 = 48;

    #[test]
    fn minor_units_are_written_with_the_decimals_of_their_currency() {
        for (minor, currency, text) in [
            (15_000, NOK, "150.00"),
            (5, NOK, "0.05"),
            (0, NOK, "0.00"),
            (150, JPY, "150"),
            (1_234, BHD, "1.234"),
            (7, BHD, "0.007"),
            (999_999_999_999, NOK, "9999999999.99"),
        ] {
            assert_eq!(decimal(Money { minor, currency }).as_deref(), Some(text));
            assert_eq!(super::minor(text, currency), Some(i64::try_from(minor).unwrap()));
        }
        // Gold has no minor unit, and 000 is nothing.
        assert_eq!(decimal(Money { minor: 1, currency: 959 }), None);
        assert_eq!(decimal(Money { minor: 1, currency: 0 }), None);
    }

    #[test]
    fn decimal_text_is_read_exactly_or_not_at_all() {
        for (text, currency, expected) in [
            ("45230.00", NOK, Some(4_523_000)),
            ("45230.0", NOK, Some(4_523_000)),
            ("45230", NOK, Some(4_523_000)),
            ("-0.01", NOK, Some(-1)),
            ("+1.00", NOK, Some(100)),
            ("1.000", NOK, Some(100)),
            ("1.001", NOK, None),
            ("1.5", JPY, None),
            ("1,00", NOK, None),
            ("1 000.00", NOK, None),
            ("1.", NOK, None),
            (".5", NOK, None),
            ("", NOK, None),
            ("-", NOK, None),
            ("--1", NOK, None),
            ("1e3", NOK, None),
            ("NaN", NOK, None),
            ("999999999999999999", NOK, None),
            ("1", 0, None),
        ] {
            assert_eq!(minor(text, currency), expected, "{text}");
        }
    }

    #[test]
    fn letters_and_numbers_belong_together() {
        for (number, letters) in [(578, "NOK"), (978, "EUR"), (941, "RSD"), (392, "JPY")] {
            assert_eq!(alpha(number), Some(letters));
            assert_eq!(numeric(letters), Some(number));
        }
        assert_eq!(alpha(0), None);
        assert_eq!(numeric("nok"), None);
        assert_eq!(numeric(""), None);
    }
}
