//! Dates of messages, which leave out the year or the century.
//!
//! `MMDD` of DE7, 12, 13 and 15 is the nearest such date to a day that is known: at New Year the
//! last of December is of the year before and the first of January of the year after. `YYMM` of
//! DE14 is the century that brings it nearest. Nothing here asks for the time.

/// Half of a leap year, in days: no other month and day is ever further away.
const HALF_A_YEAR: u32 = 183;

/// A day of the Gregorian calendar, years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day; `None` if there is none of that name.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_year = (1..=9_999).contains(&year);
        let is_day = day >= 1 && day <= days_of(year, month)?;
        (is_year && is_day).then_some(Self { year, month, day })
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Reads `YYYYMMDD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [a, b, c, d, rest @ ..] = <[u8; 8]>::try_from(text.as_bytes()).ok()?;
        let year = u16::try_from(super::decimal(&[a, b, c, d])?).ok()?;
        let [month, day] = two_pairs(rest)?;
        Self::new(year, month, day)
    }

    /// Reads `YYMMDD` of EMV and of DE73: the century that brings the day nearest to a known one,
    /// within fifty years.
    #[must_use]
    pub fn of_century(text: &str, known: Self) -> Option<Self> {
        let [a, b, rest @ ..] = <[u8; 6]>::try_from(text.as_bytes()).ok()?;
        let [month, day] = two_pairs(rest)?;
        let year = nearest_year(super::decimal(&[a, b])?, known.year)?;
        Self::new(year, month, day)
    }

    /// The day of that month and day nearest to a known one, and at most six months from it. Of
    /// two that are as near it is the earlier. `None` if no year has such a day, and for 29
    /// February if none is that near: a guess of years would be worse.
    #[must_use]
    pub fn nearest(text: &str, known: Self) -> Option<Self> {
        let [month, day] = two_pairs(<[u8; 4]>::try_from(text.as_bytes()).ok()?)?;
        let years = known.year.saturating_sub(1)..=known.year.saturating_add(1);
        let days = years.filter_map(|year| Self::new(year, month, day));
        let distance = |date: &Self| date.number().abs_diff(known.number());
        let nearest = days.min_by_key(|date| (distance(date), date.number()));
        nearest.filter(|date| distance(date) <= HALF_A_YEAR)
    }

    /// Days since 1 January of year 1, which is 0.
    #[must_use]
    pub fn number(self) -> i32 {
        let before = i32::from(self.year).saturating_sub(1);
        let leap_days = (before / 4).saturating_sub(before / 100).saturating_add(before / 400);
        let months = 1..self.month;
        let in_year = months.filter_map(|month| days_of(self.year, month)).map(i32::from);
        let in_year = in_year.fold(i32::from(self.day), i32::saturating_add).saturating_sub(1);
        before.saturating_mul(365).saturating_add(leap_days).saturating_add(in_year)
    }

    /// The last day of its month.
    #[must_use]
    pub fn month_end(self) -> Self {
        Self { day: days_of(self.year, self.month).unwrap_or(self.day), ..self }
    }

    /// `MMDD`.
    #[must_use]
    pub fn month_and_day(self) -> String {
        format!("{:02}{:02}", self.month, self.day)
    }
}

impl core::fmt::Display for Date {
    /// `YYYYMMDD`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

/// When a card expires: at the end of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    year: u16,
    month: u8,
}

impl Expiry {
    /// Reads `YYMM` of DE14 and tracks: the century that brings it nearest to a known day, within
    /// fifty years.
    #[must_use]
    pub fn parse(text: &str, known: Date) -> Option<Self> {
        let [a, b, c, d] = <[u8; 4]>::try_from(text.as_bytes()).ok()?;
        let [year, month] = two_pairs([a, b, c, d])?;
        let year = nearest_year(year.into(), known.year)?;
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    /// The last day on which the card is good.
    #[must_use]
    pub fn last_day(self) -> Option<Date> {
        Date::new(self.year, self.month, 1).map(Date::month_end)
    }

    /// Whether the card is good no longer.
    #[must_use]
    pub const fn is_past(self, today: Date) -> bool {
        self.year < today.year || (self.year == today.year && self.month < today.month)
    }
}

impl core::fmt::Display for Expiry {
    /// `YYMM`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02}{:02}", self.year % 100, self.month)
    }
}

/// The year of those two last digits that is nearest to a known one: 49 years back to 50 ahead.
fn nearest_year(two: u64, known: u16) -> Option<u16> {
    let two = u16::try_from(two).ok().filter(|two| *two < 100)?;
    let first = known.saturating_sub(49);
    let ahead = two.saturating_add(100).saturating_sub(first % 100) % 100;
    first.checked_add(ahead)
}

fn two_pairs(digits: [u8; 4]) -> Option<[u8; 2]> {
    let [a, b, c, d] = digits;
    let pair = |pair: [u8; 2]| u8::try_from(super::decimal(&pair)?).ok();
    Some([pair([a, b])?, pair([c, d])?])
}

const fn days_of(year: u16, month: u8) -> Option<u8> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    #[test]
    fn the_nearest_date_is_of_the_right_year() {
        for (text, known, expected) in [
            ("1231", "20260101", Some("20251231")),
            ("0101", "20251231", Some("20260101")),
            ("0101", "20260101", Some("20260101")),
            ("0630", "20260101", Some("20260630")),
            ("0704", "20260101", Some("20250704")),
            ("0703", "20260101", Some("20250703")),
            ("0229", "20280229", Some("20280229")),
            ("0229", "20280301", Some("20280229")),
            ("0229", "20271001", Some("20280229")),
            ("0229", "20280830", Some("20280229")),
            ("0229", "20280901", None),
            ("0229", "20260301", None),
            ("0229", "21000301", None),
            ("0301", "20260228", Some("20260301")),
            ("0228", "20280229", Some("20280228")),
            ("0230", "20280229", None),
            ("1301", "20280229", None),
            ("0000", "20280229", None),
            ("1 1x", "20280229", None),
            ("101", "20280229", None),
        ] {
            let found = Date::nearest(text, date(known)).map(|date| date.to_string());
            assert_eq!(found.as_deref(), expected, "{text} near {known}");
        }
    }

    #[test]
    fn days_that_are_none() {
        for text in
            ["20250229", "19000229", "20251301", "20250431", "00000101", "2025010", "2025010x"]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert!(Date::parse("20000229").is_some());
        assert_eq!(date("00010101").number(), 0);
        assert_eq!(date("19700101").number(), 719_162);
        assert_eq!(date("20280201").month_end(), date("20280229"));
    }

    #[test]
    fn centuries() {
        let today = date("20261121");
        for (text, last, past) in [
            ("2611", "20261130", false),
            ("2610", "20261031", true),
            ("7612", "20761231", false),
            ("7712", "19771231", true),
            ("2802", "20280229", false),
        ] {
            let expiry = Expiry::parse(text, today).unwrap();
            assert_eq!((expiry.last_day(), expiry.is_past(today)), (Some(date(last)), past));
            assert_eq!(expiry.to_string(), text);
        }
        for text in ["2613", "2600", "26", "26x1"] {
            assert_eq!(Expiry::parse(text, today), None, "{text}");
        }
        assert_eq!(Expiry::parse("0001", date("20991231")).unwrap().to_string(), "0001");
        assert_eq!(Date::of_century("000229", date("20991231")), None);
        assert_eq!(Date::of_century("991231", date("21000101")), Some(date("20991231")));
    }

    proptest! {
        #[test]
        fn a_date_within_six_months_is_found_again(
            day in 700_000..800_000i32,
            away in -182..=182i32,
        ) {
            let of = |number: i32| {
                let year = u16::try_from(number / 366 + 1).unwrap();
                (year..year + 8).flat_map(|year| (1..=12).flat_map(move |month| {
                    (1..=31).filter_map(move |day| Date::new(year, month, day))
                })).find(|date| date.number() == number).unwrap()
            };
            let (known, meant) = (of(day), of(day + away));
            prop_assert_eq!(Date::nearest(&meant.month_and_day(), known), Some(meant));
        }
    }
}
