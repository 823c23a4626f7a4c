//! Norwegian national ids: eleven digits that hold the day of birth and two check digits. There
//! are D-numbers (day + 40), synthetic numbers for tests (month + 40 and month + 80), and four
//! ranges of individual numbers that say the century.

use crate::dates::{DAY_MS, day};
use aws_lc_rs::{digest, hmac};
use core::fmt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

/// A national id whose check digits fit. It is shown nowhere and leaves only as a hash.
pub(super) struct NationalId {
    digits: Zeroizing<[u8; 11]>,
    born: (u32, u32, u32),
}

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NationalId(****)")
    }
}

/// Weights of the first check digit.
const FIRST: [u32; 9] = [3, 7, 6, 1, 8, 9, 4, 5, 2];
/// Weights of the second, which covers the first.
const SECOND: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];

impl NationalId {
    /// `None` for anything else than eleven digits that fit together.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut digits = Zeroizing::new([0_u8; 11]);
        if text.len() != digits.len() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        for (place, byte) in digits.iter_mut().zip(text.bytes()) {
            *place = byte - b'0';
        }
        let [d1, d2, m1, m2, y1, y2, i1, i2, i3, k1, k2] = digits.map(u32::from);
        if check(&FIRST, &digits[..])? != k1 || check(&SECOND, &digits[..])? != k2 {
            return None;
        }
        let day_of_month = match d1 * 10 + d2 {
            day @ 41.. => day - 40,
            day => day,
        };
        let month = match m1 * 10 + m2 {
            month @ 81.. => month - 80,
            month @ 41.. => month - 40,
            month => month,
        };
        let year = year(y1 * 10 + y2, i1 * 100 + i2 * 10 + i3)?;
        day(&format!("{year:04}-{month:02}-{day_of_month:02}"))?;
        Some(Self { digits, born: (year, month, day_of_month) })
    }

    /// Year, month and day of birth.
    pub(super) const fn born(&self) -> (u32, u32, u32) {
        self.born
    }

    /// The hash by which a customer is known, in lower-case hexadecimal: under a key, or without
    /// one for those who have such hashes already.
    pub(super) fn hash(&self, key: Option<&hmac::Key>) -> String {
        hash(&Zeroizing::new(self.digits.map(|digit| digit + b'0'))[..], key)
    }
}

/// The hash of what a person is known by, in lower-case hexadecimal.
pub(super) fn hash(text: &[u8], key: Option<&hmac::Key>) -> String {
    match key {
        Some(key) => crate::random::hex(hmac::sign(key, text).as_ref()),
        None => crate::random::hex(digest::digest(&digest::SHA256, text).as_ref()),
    }
}

/// The check digit over as many digits as there are weights; `None` where the remainder has none.
fn check(weights: &[u32], digits: &[u8]) -> Option<u32> {
    let sum: u32 =
        weights.iter().zip(digits).map(|(weight, digit)| weight * u32::from(*digit)).sum();
    match (11 - sum % 11) % 11 {
        10 => None,
        digit => Some(digit),
    }
}

/// The whole year, by the range that the individual number is in.
const fn year(year: u32, individual: u32) -> Option<u32> {
    match (individual, year) {
        (0..=499, _) | (900..=999, 40..) => Some(1900 + year),
        (500..=749, 54..) => Some(1800 + year),
        (500..=999, 0..=39) => Some(2000 + year),
        _ => None,
    }
}

/// A number that fits for somebody born on a day, for test persons: month + 80, as the tax
/// authority makes them. `None` where no check digits fit.
pub(super) fn synthetic((year, month, day): (u32, u32, u32), individual: u32) -> Option<String> {
    let text = format!("{day:02}{:02}{:02}{individual:03}", month + 80, year % 100);
    let mut digits: Vec<u8> = text.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
    for weights in [&FIRST[..], &SECOND[..]] {
        digits.push(u8::try_from(check(weights, &digits)?).ok()?);
    }
    Some(digits.iter().map(|digit| char::from(digit + b'0')).collect())
}

/// The time of Norway, where a birthday begins: an hour before that of UTC, in summer two.
const OSLO: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// The midnight of UTC that has the date of an instant in Norway, both in milliseconds since 1970.
fn date_in_norway(now_ms: u64) -> Option<i64> {
    let oslo = TimeZone::posix(OSLO).ok()?;
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    day(&oslo.to_datetime(now).date().to_string())
}

/// Whole years between a day of birth and an instant, in milliseconds since 1970, by the calendar
/// of Norway. Whoever is born on 29 February has his birthday on 1 March where there is none.
/// `None` for no day.
pub(super) fn age((year, month, day_of_month): (u32, u32, u32), now_ms: u64) -> Option<u32> {
    let now = date_in_norway(now_ms)?;
    let born = day(&format!("{year:04}-{month:02}-{day_of_month:02}"))?;
    if born > now {
        return None;
    }
    // Never too many: a year has at least 365 days.
    let most = u32::try_from((now - born) / (365 * DAY_MS)).ok()?;
    let birthday = |years: u32| {
        let year = year + years;
        day(&format!("{year:04}-{month:02}-{day_of_month:02}"))
            .or_else(|| day(&format!("{year:04}-03-01")))
    };
    (0..=most).rev().find(|years| birthday(*years).is_some_and(|day| day <= now))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The first synthetic number from an individual number on that has check digits.
    pub(in crate::oidc) fn near(born: (u32, u32, u32), individual: u32) -> String {
        (individual..individual + 10).find_map(|number| synthetic(born, number)).unwrap()
    }

    fn at(text: &str) -> u64 {
        u64::try_from(day(text).unwrap()).unwrap()
    }

    #[test]
    fn days_of_birth_are_read_from_every_kind_of_number() {
        for (text, born) in [
            // Synthetic, month + 80: the example of the tax authority's test people.
            ("17829000024", Some((1990, 2, 17))),
            (&near((2009, 12, 31), 600), Some((2009, 12, 31))),
            (&near((1899, 1, 1), 501), Some((1899, 1, 1))),
            (&near((1955, 6, 1), 910), Some((1955, 6, 1))),
            ("1782900002", None),
            ("178290000245", None),
            ("1782900002a", None),
            ("", None),
            ("00000000000", None),
        ] {
            assert_eq!(NationalId::parse(text).map(|id| id.born()), born, "{text}");
        }
    }

    /// Check digits as they are, for numbers of every kind.
    fn whole(nine: &str) -> Option<String> {
        let mut digits: Vec<u8> = nine.bytes().map(|byte| byte - b'0').collect();
        for weights in [&FIRST[..], &SECOND[..]] {
            digits.push(u8::try_from(check(weights, &digits)?).unwrap());
        }
        Some(digits.iter().map(|digit| char::from(digit + b'0')).collect())
    }

    #[test]
    fn day_month_and_century_are_moved_back() {
        let mut seen = 0;
        for (front, born) in [
            ("010190", (1990, 1, 1)),
            ("410190", (1990, 1, 1)),
            ("014190", (1990, 1, 1)),
            ("018190", (1990, 1, 1)),
            ("718190", (1990, 1, 31)),
            ("525290", (1990, 12, 12)),
        ] {
            for individual in ["000", "123", "499"] {
                let Some(text) = whole(&format!("{front}{individual}")) else { continue };
                assert_eq!(NationalId::parse(&text).unwrap().born(), born, "{text}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
        for (front, individual, born) in [
            ("010155", "500", Some(1855)),
            ("010153", "500", None),
            ("010139", "500", Some(2039)),
            ("010139", "999", Some(2039)),
            ("010140", "900", Some(1940)),
            ("010140", "899", None),
            ("010140", "499", Some(1940)),
        ] {
            let near = (0..10).find_map(|more: u32| {
                let number: u32 = individual.parse::<u32>().unwrap();
                let number = if number > 800 { number - more } else { number };
                let number = match individual {
                    "500" => number + more,
                    _ => number,
                };
                whole(&format!("{front}{number:03}"))
            });
            let found = NationalId::parse(&near.unwrap()).map(|id| id.born().0);
            assert_eq!(found, born, "{front}{individual}");
        }
    }

    #[test]
    fn one_wrong_digit_is_always_noticed() {
        let right = "17829000024";
        for place in 0..right.len() {
            for digit in '0'..='9' {
                let mut text: Vec<char> = right.chars().collect();
                if text[place] == digit {
                    continue;
                }
                text[place] = digit;
                let text: String = text.into_iter().collect();
                assert!(NationalId::parse(&text).is_none(), "{text}");
            }
        }
    }

    #[test]
    fn a_birthday_is_on_its_day_and_not_before() {
        for (born, now, years) in [
            ((2000, 6, 15), "2018-06-14", Some(17)),
            ((2000, 6, 15), "2018-06-15", Some(18)),
            ((2000, 2, 29), "2018-02-28", Some(17)),
            ((2000, 2, 29), "2018-03-01", Some(18)),
            ((2000, 2, 29), "2020-02-29", Some(20)),
            ((1899, 1, 1), "2026-01-01", Some(127)),
            ((2030, 1, 1), "2026-01-01", None),
            ((2000, 13, 1), "2026-01-01", None),
        ] {
            assert_eq!(age(born, at(now)), years, "{born:?} {now}");
        }
    }

    #[test]
    fn a_birthday_begins_at_midnight_in_norway() {
        for (born, now, years) in [
            ((2008, 6, 15), "2026-06-14T21:59:59Z", 17),
            ((2008, 6, 15), "2026-06-14T22:00:00Z", 18),
            ((2008, 1, 15), "2026-01-14T22:59:59Z", 17),
            ((2008, 1, 15), "2026-01-14T23:00:00Z", 18),
            // The clocks are changed in the night before.
            ((2008, 3, 30), "2026-03-29T21:59:59Z", 17),
            ((2008, 3, 30), "2026-03-29T22:00:00Z", 18),
        ] {
            let now_ms = crate::dates::instant(now).unwrap().0;
            assert_eq!(age(born, now_ms), Some(years), "{born:?} {now}");
        }
    }

    #[test]
    fn hashes_have_a_key_or_are_those_of_old_records() {
        let id = NationalId::parse("17829000024").unwrap();
        let key = |text: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, text);
        let keyed = id.hash(Some(&key(b"pepper")));
        assert_eq!(keyed.len(), 64);
        assert_ne!(keyed, id.hash(Some(&key(b"other"))));
        // printf 17829000024 | sha256sum
        let plain = digest::digest(&digest::SHA256, b"17829000024");
        assert_eq!(id.hash(None), crate::random::hex(plain.as_ref()));
        assert_ne!(keyed, id.hash(None));
        assert!(!format!("{id:?}").contains("17829"));
    }
}
