//! Days and instants as providers write them, without a calendar of their own: one that cannot be
//! read is one that was not said.

use veksel_core::time::{Civil, Utc};

/// The beginning of a day `2031-05-17` in milliseconds since 1970, which people may be born before.
/// `None` for no day.
pub(crate) fn day(text: &str) -> Option<i64> {
    let (year, month, day) = date(text.get(..10)?)?;
    // The calendar repeats itself after 400 years.
    let later = year.checked_add(400).filter(|_| year >= 1_800)?;
    let civil = Civil { year: later, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    i64::try_from(civil.utc()?.0).ok()?.checked_sub(146_097 * DAY_MS)
}

/// An instant `2026-02-23 10:00:00.000`, with or without fraction, with `T` or a space, with an
/// offset or in UTC. `None` for anything else.
pub(crate) fn instant(text: &str) -> Option<Utc> {
    let (year, month, day) = date(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix([' ', 'T'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let (millisecond, offset) = fraction(rest)?;
    let at = Civil { year, month, day, hour, minute, second, millisecond }.utc()?;
    let minutes = match offset.trim_start() {
        "" | "Z" => return Some(at),
        zone => {
            let (sign, zone) = zone.split_at_checked(1)?;
            let digits = zone.replace(':', "");
            let number: u64 = (digits.len() == 4).then(|| digits.parse().ok())??;
            let ms = (number / 100 * 60 + number % 100) * 60_000;
            match sign {
                "+" => return Some(Utc(at.0.checked_sub(ms)?)),
                "-" => ms,
                _ => return None,
            }
        }
    };
    Some(Utc(at.0.checked_add(minutes)?))
}

/// An instant as HTTP headers write it (IMF-fixdate, RFC 9110 5.6.7): `Wed, 21 Oct 2026 07:28:00
/// GMT`. The day of the week is not looked at. `None` for anything else, older forms among it.
pub(crate) fn imf(text: &str) -> Option<Utc> {
    let (_, rest) = text.trim().split_once(", ")?;
    let rest = rest.strip_suffix(" GMT")?;
    let mut words = rest.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let [hour, minute, second] = numbers(words.next()?, ':')?;
    let month = MONTHS.iter().position(|known| *known == month)?;
    let month = u32::try_from(month).ok()?.checked_add(1)?;
    let is_formed = words.next().is_none() && day.len() == 2 && year.len() == 4;
    let (day, year) = (number(day)?, number(year)?);
    let at = Civil { year, month, day, hour, minute, second, millisecond: 0 };
    is_formed.then(|| at.utc())?
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn date(text: &str) -> Option<(u32, u32, u32)> {
    let (year, rest) = text.split_once('-')?;
    let [month, day] = numbers(rest, '-')?;
    (year.len() == 4).then_some((number(year)?, month, day))
}

/// Numbers of two digits each.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[u32; N]> {
    let parts = text.split(between).map(|part| number(part).filter(|_| part.len() == 2));
    parts.collect::<Option<Vec<_>>>()?.try_into().ok()
}

fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Milliseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    let kept: String = digits.chars().chain("000".chars()).take(3).collect();
    (!digits.is_empty()).then_some((kept.parse().ok()?, after))
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_form_they_come_in() {
        let ten = Some(Utc(1_771_840_800_000));
        let cases = [
            ("2026-02-23 10:00:00.000", ten),
            ("2026-02-23 10:00:00", ten),
            ("2026-02-23T10:00:00Z", ten),
            ("2026-02-23T10:00:00.000Z", ten),
            ("2026-02-23 10:00:00+0000", ten),
            ("2026-02-23 11:00:00+0100", ten),
            ("2026-02-23T04:30:00-05:30", ten),
            ("2026-02-23 10:00:00.0009", ten),
            ("2026-02-23 10:00:00.5", Some(Utc(1_771_840_800_500))),
            ("2026-02-23", None),
            ("2026-02-30 10:00:00", None),
            ("2026-02-23 25:00:00", None),
            ("2026-02-23 10:00", None),
            ("2026-02-23 10:00:00 CET", None),
            ("2026-02-23 10:00:00.", None),
            ("1771840800000", None),
            ("", None),
            ("æøåæøåæøåæøå", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(instant(text), wanted, "{text}");
        }
    }

    #[test]
    fn days_may_be_before_1970() {
        let cases = [
            ("1990-05-17", Some(642_902_400_000)),
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-86_400_000)),
            ("1952-02-29", Some(-562_982_400_000)),
            ("1949-13-31", None),
            ("1951-02-29", None),
            ("0000-01-01", None),
            ("17.05.1990", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(day(text), wanted, "{text}");
        }
    }
}
