//! The two clocks, both given from outside.
//!
//! [`Tick`] drives timers and is worth nothing after a restart; [`Utc`] is the only time that may
//! be recorded. The engine never asks for either.

use core::fmt;

/// Nanoseconds since the process started, from a clock that never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The instant so many milliseconds later.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Nanoseconds from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Utc(pub u64);

/// What both clocks show at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For timers.
    pub tick: Tick,
    /// For records and for DE7.
    pub utc: Utc,
}

/// A date and time of day in UTC, Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Civil {
    /// Year, for instance 2026.
    pub year: u32,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Millisecond, 0 to 999.
    pub millisecond: u32,
}

impl Utc {
    /// The calendar date and time of day.
    #[must_use]
    pub fn civil(self) -> Civil {
        let seconds = self.0 / 1_000;
        // Days are counted from 0000-03-01, so that the leap day ends a year; 719,468 of them
        // pass until 1970-01-01, and 146,097 make a full Gregorian cycle of 400 years.
        let days = seconds / 86_400 + 719_468;
        let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
            - day_of_cycle / 146_096)
            / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Civil {
            year: narrow(year),
            month: narrow(month),
            day: narrow(day),
            hour: narrow(seconds / 3_600 % 24),
            minute: narrow(seconds / 60 % 60),
            second: narrow(seconds % 60),
            millisecond: narrow(self.0 % 1_000),
        }
    }

    /// The instant that a `MMDDhhmmss` means, which has no year: of all years the one that brings
    /// it nearest to here (switch semantics 20). `None` if no date reads like that.
    #[must_use]
    pub fn nearest(self, transmission: &str) -> Option<Self> {
        let pairs = transmission.as_bytes().as_chunks::<2>().0;
        let [month, day, hour, minute, second] = <[[u8; 2]; 5]>::try_from(pairs).ok()?;
        let number = |[tens, ones]: [u8; 2]| {
            let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
            digits.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        };
        let (month, day) = (number(month)?, number(day)?);
        let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
        let year = self.civil().year;
        // 29 February can be up to eight years away.
        let years = year.saturating_sub(8)..=year.saturating_add(8);
        let instants = years.filter_map(|year| {
            Civil { year, month, day, hour, minute, second, millisecond: 0 }.utc()
        });
        instants.min_by_key(|utc| utc.0.abs_diff(self.0))
    }

    /// `MMDDhhmmss`, the form of DE7.
    #[must_use]
    pub fn transmission(self) -> [u8; 10] {
        let c = self.civil();
        let mut out = [0; 10];
        for (pair, value) in
            out.chunks_exact_mut(2).zip([c.month, c.day, c.hour, c.minute, c.second])
        {
            pair.copy_from_slice(&two_digits(value));
        }
        out
    }
}

impl Civil {
    /// The instant; `None` if there is no such date or time, or its year is not
    /// 1970 to 9999.
    #[must_use]
    pub fn utc(self) -> Option<Utc> {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year)
        {
            return None;
        }
        // As in `Utc::civil`: years from March, days from 0000-03-01.
        let from_march = u64::from((month + 9) % 12);
        let year = u64::from(year) - u64::from(month <= 2);
        let leaps = year / 4 - year / 100 + year / 400;
        let days = year * 365 + leaps + (153 * from_march + 2) / 5 + u64::from(day) - 1;
        let seconds = u64::from(hour) * 3_600 + u64::from(minute) * 60 + u64::from(second);
        let utc = Utc((days.checked_sub(719_468)? * 86_400 + seconds) * 1_000);
        let utc = Utc(utc.0 + u64::from(millisecond));
        (utc.civil() == self).then_some(utc)
    }
}

/// The last two decimal digits of a number, in ASCII.
fn two_digits(value: u32) -> [u8; 2] {
    let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
    [digit(value / 10), digit(value)]
}

impl fmt::Display for Utc {
    /// RFC 3339 with milliseconds, for instance `2026-11-20T14:28:07.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, millisecond } = self.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_767_225_599_000, "2025-12-31T23:59:59.000Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Utc(ms).to_string(), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = Utc(0).civil();
        for day in 1..80_000u64 {
            let c = Utc(day * 86_400_000).civil();
            let stepped = (c.year, c.month, c.day) > (last.year, last.month, last.day);
            assert!(stepped && (c.day == last.day + 1 || c.day == 1), "{last:?} {c:?}");
            last = c;
        }
    }

    #[test]
    fn transmission_is_month_to_second() {
        assert_eq!(&Utc(1_795_184_887_000).transmission(), b"1120142807");
    }

    #[test]
    fn every_day_of_two_cycles_is_read_back() {
        for day in 0..2 * 146_097 {
            let utc = Utc((day * 86_400 + day % 86_400) * 1_000 + 7);
            assert_eq!(utc.civil().utc(), Some(utc));
        }
        let civil = Utc(0).civil();
        for wrong in [
            Civil { month: 13, ..civil },
            Civil { month: 0, ..civil },
            Civil { month: 2, day: 29, ..civil },
            Civil { day: 0, ..civil },
            Civil { hour: 24, ..civil },
            Civil { second: 60, ..civil },
            Civil { year: 1969, ..civil },
            Civil { year: u32::MAX, month: 2, ..civil },
        ] {
            assert_eq!(wrong.utc(), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_date_without_a_year_is_the_nearest() {
        let at = |year, month, day| Civil { year, month, day, ..Utc(0).civil() }.utc().unwrap();
        for (now, text, found) in [
            (at(2026, 1, 1), "1231000000", Some(at(2025, 12, 31))),
            (at(2026, 12, 31), "0101000000", Some(at(2027, 1, 1))),
            (at(2026, 6, 30), "0630000000", Some(at(2026, 6, 30))),
            (at(2027, 3, 1), "0229000000", Some(at(2028, 2, 29))),
            (at(2101, 1, 1), "0229000000", Some(at(2104, 2, 29))),
            (at(2026, 1, 1), "0230000000", None),
            (at(2026, 1, 1), "01010000", None),
            (at(2026, 1, 1), "010100000a", None),
        ] {
            assert_eq!(now.nearest(text), found, "{text}");
        }
    }
}
