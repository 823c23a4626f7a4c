//! Tracks 1, 2 and 3 of a card (ISO/IEC 7813, ISO/IEC 4909), and its number and service code.
//!
//! Everything is borrowed from the text. `Debug` of a track shows the card number masked and the
//! service code, and nothing else: no expiry, no name and no discretionary data.

use super::date::{Date, Expiry};
use crate::content::mask_pan;
use core::fmt;

/// Whether the last digit of a card number is the right one for the others (ISO/IEC 7812-1 annex
/// B). `false` for anything but 2 to 19 digits.
#[must_use]
pub fn is_luhn(digits: &str) -> bool {
    let digits = digits.as_bytes();
    if !(2..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum = digits.iter().rev().zip([false, true].into_iter().cycle()).map(|(digit, doubled)| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        let twice = digit.wrapping_mul(2);
        if doubled { (twice / 10).wrapping_add(twice % 10) } else { digit }
    });
    sum.sum::<u32>().is_multiple_of(10)
}

/// The digit that makes a card number right.
#[must_use]
pub fn check_digit(digits: &str) -> Option<char> {
    (b'0'..=b'9').map(char::from).find(|last| is_luhn(&format!("{digits}{last}")))
}

/// Three digits of a track and DE40: where a card may be used, who approves, what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCode([u8; 3]);

impl ServiceCode {
    /// Reads three digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = <[u8; 3]>::try_from(text.as_bytes()).ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// Whether the card may be used in other countries.
    #[must_use]
    pub const fn is_international(self) -> bool {
        matches!(self.0, [b'1' | b'2', ..])
    }

    /// Whether the card may be used only in its own country (unless banks agree otherwise).
    #[must_use]
    pub const fn is_national(self) -> bool {
        matches!(self.0, [b'5' | b'6', ..])
    }

    /// Whether the card has a chip, which is to be used where that can be done.
    #[must_use]
    pub const fn has_chip(self) -> bool {
        matches!(self.0, [b'2' | b'6', ..])
    }

    /// Whether the card is a test card.
    #[must_use]
    pub const fn is_test(self) -> bool {
        matches!(self.0, [b'9', ..])
    }

    /// Whether the issuer has to be asked.
    #[must_use]
    pub const fn is_online_only(self) -> bool {
        matches!(self.0, [_, b'2' | b'4', _])
    }

    /// Whether a PIN is required.
    #[must_use]
    pub const fn needs_pin(self) -> bool {
        matches!(self.0, [.., b'0' | b'3' | b'5'])
    }

    /// Whether a PIN is asked for where there is a PIN pad.
    #[must_use]
    pub const fn prefers_pin(self) -> bool {
        matches!(self.0, [.., b'0' | b'3' | b'5' | b'6' | b'7'])
    }

    /// Whether the card gives cash and nothing else.
    #[must_use]
    pub const fn is_cash_only(self) -> bool {
        matches!(self.0, [.., b'3'])
    }

    /// Whether the card pays for goods and services and gives no cash.
    #[must_use]
    pub const fn excludes_cash(self) -> bool {
        matches!(self.0, [.., b'2' | b'5' | b'7'])
    }
}

impl fmt::Display for ServiceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

/// What tracks 1 and 2 have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Card<'t> {
    pan: &'t str,
    expiry: Option<&'t str>,
    service: Option<ServiceCode>,
}

impl<'t> Card<'t> {
    /// The card number in clear.
    #[must_use]
    pub const fn expose_pan(&self) -> &'t str {
        self.pan
    }

    /// The card number as anybody may see it.
    #[must_use]
    pub fn masked_pan(&self) -> String {
        mask_pan(self.pan)
    }

    /// When it expires, seen from a day that is known; `None` if the card does not say.
    #[must_use]
    pub fn expiry(&self, known: Date) -> Option<Expiry> {
        Expiry::parse(self.expiry?, known)
    }

    /// Its service code; `None` if the card does not say.
    #[must_use]
    pub const fn service_code(&self) -> Option<ServiceCode> {
        self.service
    }
}

impl fmt::Debug for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked_pan())?;
        self.service.map_or(Ok(()), |service| write!(f, " {service}"))
    }
}

/// Track 1, format B.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Track1<'t> {
    /// Number, expiry and service code.
    pub card: Card<'t>,
    name: &'t str,
    discretionary: &'t str,
}

impl<'t> Track1<'t> {
    /// Reads DE45, with or without the sentinels `%` and `?`. `None` if it is not of format B.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix('%').unwrap_or(text);
        let text = text.split_once('?').map_or(text, |(text, _)| text);
        let mut parts = text.strip_prefix('B')?.splitn(3, '^');
        let (pan, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let is_name = (2..=26).contains(&name.len())
            && name.bytes().all(|c| c == b' ' || c.is_ascii_graphic());
        let (card, discretionary) = card(pan, rest, '^')?;
        is_name.then_some(Self { card, name, discretionary })
    }

    /// The name of the cardholder in clear, as `SURNAME/FIRST`.
    #[must_use]
    pub fn expose_name(&self) -> &'t str {
        self.name.trim_end_matches(' ')
    }

    /// The discretionary data in clear.
    #[must_use]
    pub const fn expose_discretionary(&self) -> &'t str {
        self.discretionary
    }
}

impl fmt::Debug for Track1<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Track1({:?})", self.card)
    }
}

/// Track 2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Track2<'t> {
    /// Number, expiry and service code.
    pub card: Card<'t>,
    discretionary: &'t str,
}

impl<'t> Track2<'t> {
    /// Reads DE35, with `=` or `D` as separator, with or without the sentinels `;` and `?`, and
    /// with or without `F` as fill behind it.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix(';').unwrap_or(text);
        let text = text.split_once('?').map_or(text, |(text, _)| text).trim_end_matches('F');
        let (pan, rest) = text.split_once(['=', 'D'])?;
        let separator = text.chars().nth(pan.len())?;
        let (card, discretionary) = card(pan, rest, separator)?;
        let are_digits = discretionary.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then_some(Self { card, discretionary })
    }

    /// The discretionary data in clear.
    #[must_use]
    pub const fn expose_discretionary(&self) -> &'t str {
        self.discretionary
    }
}

impl fmt::Debug for Track2<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Track2({:?})", self.card)
    }
}

/// Track 3: what stands in front of its use and security data, which are the issuer's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Track3<'t> {
    format: &'t str,
    pan: &'t str,
    rest: &'t str,
}

impl<'t> Track3<'t> {
    /// Reads DE36: format code (2), number, separator, the rest; sentinels and fill as for track 2.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix(';').unwrap_or(text);
        let text = text.split_once('?').map_or(text, |(text, _)| text).trim_end_matches('F');
        let (head, rest) = text.split_once(['=', 'D'])?;
        let (format, pan) = head.split_at_checked(2)?;
        let is_format = format.bytes().all(|byte| byte.is_ascii_digit());
        let is_rest = rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'=' | b'D'));
        (is_format && is_rest && is_pan(pan)).then_some(Self { format, pan, rest })
    }

    /// The format code, two digits.
    #[must_use]
    pub const fn format(&self) -> &'t str {
        self.format
    }

    /// The card number in clear.
    #[must_use]
    pub const fn expose_pan(&self) -> &'t str {
        self.pan
    }

    /// The country of the issuer, ISO 3166 numeric; `None` if the track leaves it out.
    #[must_use]
    pub fn country(&self) -> Option<&'t str> {
        self.digits(0, 3)
    }

    /// The currency, ISO 4217 numeric; `None` if the track leaves it out.
    #[must_use]
    pub fn currency(&self) -> Option<&'t str> {
        self.digits(3, 6)
    }

    /// All that follows the number in clear.
    #[must_use]
    pub const fn expose_rest(&self) -> &'t str {
        self.rest
    }

    /// Digits at places that do not move: a separator before them stands for what is left out.
    fn digits(&self, start: usize, end: usize) -> Option<&'t str> {
        let head = self.rest.get(..end)?;
        head.bytes().all(|byte| byte.is_ascii_digit()).then_some(head)?.get(start..)
    }
}

impl fmt::Debug for Track3<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Track3({})", mask_pan(self.pan))
    }
}

fn is_pan(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Number, and expiry (4 digits) and service code (3) of what follows it; a separator stands for
/// either that is left out. The other value is the discretionary data.
fn card<'t>(pan: &'t str, rest: &'t str, separator: char) -> Option<(Card<'t>, &'t str)> {
    let take = |rest: &'t str, width: usize| -> Option<(Option<&'t str>, &'t str)> {
        if let Some(after) = rest.strip_prefix(separator) {
            return Some((None, after));
        }
        let (digits, after) = rest.split_at_checked(width)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then_some((Some(digits), after))
    };
    let (expiry, rest) = take(rest, 4)?;
    let (service, rest) = take(rest, 3)?;
    let service = service.and_then(ServiceCode::parse);
    is_pan(pan).then_some((Card { pan, expiry, service }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_digits() {
        for good in ["4111111111111111", "5500005555555559", "378282246310005", "6011000990139424"]
        {
            assert!(is_luhn(good), "{good}");
            let (head, last) = good.split_at(good.len() - 1);
            assert_eq!(check_digit(head).map(String::from).as_deref(), Some(last));
        }
        for bad in ["4111111111111112", "", "0", "411111111111111x", "00000000000000000000"] {
            assert!(!is_luhn(bad), "{bad}");
        }
    }

    #[test]
    fn track_two_in_its_spellings() {
        let today = Date::new(2026, 11, 21).unwrap();
        for text in [
            "4111111111111111=29122011234",
            ";4111111111111111=29122011234?",
            "4111111111111111D29122011234F",
        ] {
            let track = Track2::parse(text).unwrap();
            assert_eq!(track.card.expose_pan(), "4111111111111111");
            assert_eq!(track.card.expiry(today).unwrap().to_string(), "2912");
            let service = track.card.service_code().unwrap();
            assert_eq!(service.to_string(), "201");
            assert!(service.has_chip() && service.is_international() && !service.needs_pin());
            assert_eq!(track.expose_discretionary(), "1234");
            assert_eq!(format!("{track:?}"), "Track2(411111******1111 201)");
        }
        let without = Track2::parse("4111111111111111===1").unwrap();
        assert_eq!((without.card.expiry(today), without.card.service_code()), (None, None));
        assert_eq!(without.expose_discretionary(), "1");
        for text in ["4111111111111111", "4111=29", "4111=2912", "4111=2912x01", "=2912201", ""] {
            assert!(Track2::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn track_one() {
        let text = "%B4111111111111111^NORDMANN/KARI MS ^29121060001230000000?";
        let track = Track1::parse(text).unwrap();
        assert_eq!(track.expose_name(), "NORDMANN/KARI MS");
        assert_eq!(track.expose_discretionary(), "0001230000000");
        assert!(track.card.service_code().unwrap().prefers_pin());
        let shown = format!("{track:?}");
        assert!(!shown.contains("NORD") && !shown.contains("00012"), "{shown}");
        for text in ["%A4111^N/N^2912101?", "B4111^N^2912101", "B4111^N/N", "B41x1^N/N^2912101", ""]
        {
            assert!(Track1::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn track_three() {
        let track = Track3::parse(";011234567890123456789=578578190200?").unwrap();
        assert_eq!((track.format(), track.expose_pan()), ("01", "1234567890123456789"));
        assert_eq!((track.country(), track.currency()), (Some("578"), Some("578")));
        assert_eq!(format!("{track:?}"), "Track3(123456*********6789)");
        let without = Track3::parse("0112345==90200").unwrap();
        assert_eq!((without.country(), without.currency()), (None, None));
        assert!(Track3::parse("0=1").is_none() && Track3::parse("01=1").is_none());
    }

    #[test]
    fn service_codes() {
        let code = |text| ServiceCode::parse(text).unwrap();
        assert!(code("101").is_international() && !code("101").has_chip());
        assert!(
            code("620").is_national() && code("620").is_online_only() && code("620").needs_pin()
        );
        assert!(code("223").is_cash_only() && code("202").excludes_cash() && code("901").is_test());
        assert!(ServiceCode::parse("20x").is_none() && ServiceCode::parse("20").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_a_track_or_none(text in "[0-9=DFB^;%?/A-Z ]{0,60}") {
            for shown in [
                Track1::parse(&text).map(|track| format!("{track:?}")),
                Track2::parse(&text).map(|track| format!("{track:?}")),
                Track3::parse(&text).map(|track| format!("{track:?}")),
            ].into_iter().flatten() {
                let digits = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
                prop_assert!(digits <= Some(6), "{shown}");
            }
        }
    }
}
