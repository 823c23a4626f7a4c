//! Numbers that tell one request from all others: serial, STAN, RRN, terminal and time.
//!
//! A request has a serial, 1 and upwards through all connections. Its STAN and RRN follow from
//! it and lead back to it, so that an answer is found without a table of either. Nothing here
//! reads a clock or decides what is sent.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;

/// STANs go round after so many; more requests than this are never in flight.
pub(crate) const STANS: u64 = 999_999;

/// Digits of the run and of the serial in an RRN, base 36.
const RUN_DIGITS: usize = 5;
const RRN_DIGITS: usize = 12;

/// DE37.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rrn([u8; RRN_DIGITS]);

impl Rrn {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The RRNs of one run. Runs differ in their first five characters, so that a bank which keeps
/// its book over several runs does not take a request for one of an earlier run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    run: [u8; RUN_DIGITS],
}

impl Numbers {
    /// `salt` should differ for every run on the same bank.
    pub(crate) fn new(salt: u64) -> Self {
        let mut run = [0; RUN_DIGITS];
        write_base_36(salt, &mut run);
        Self { run }
    }

    /// Five characters of the run and seven of the serial.
    pub(crate) fn rrn(self, serial: u64) -> Rrn {
        let mut rrn = [0; RRN_DIGITS];
        let (run, rest) = rrn.split_at_mut(RUN_DIGITS);
        run.copy_from_slice(&self.run);
        write_base_36(serial, rest);
        Rrn(rrn)
    }

    /// `None` if it is no RRN of this run.
    pub(crate) fn serial_of_rrn(self, rrn: &[u8]) -> Option<u64> {
        let digits = rrn.strip_prefix(&self.run)?;
        if digits.len() != RRN_DIGITS - RUN_DIGITS {
            return None;
        }
        digits.iter().try_fold(0_u64, |number, character| {
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'A'..=b'Z' => character - b'A' + 10,
                _ => return None,
            };
            Some(number * 36 + u64::from(digit))
        })
    }
}

/// The lowest digits of the number; higher ones are lost.
fn write_base_36(number: u64, out: &mut [u8]) {
    let mut rest = number;
    for character in out.iter_mut().rev() {
        let digit = u8::try_from(rest % 36).unwrap_or(0);
        *character = if digit < 10 { b'0' + digit } else { b'A' + (digit - 10) };
        rest /= 36;
    }
}

/// DE11: 1 to 999,999, never 0.
pub(crate) const fn stan(serial: u64) -> u64 {
    match serial % STANS {
        0 => STANS,
        rest => rest,
    }
}

/// The newest serial up to `latest` with that STAN. `None` if none had it yet.
pub(crate) fn serial_of_stan(stan: u64, latest: u64) -> Option<u64> {
    let is_stan = (1..=STANS).contains(&stan);
    let back = (latest + STANS).checked_sub(stan).filter(|_| is_stan)? % STANS;
    latest.checked_sub(back).filter(|serial| *serial > 0)
}

/// DE41 of a connection, counted from 0.
pub(crate) fn terminal(connection: usize) -> String {
    format!("TRM{:05}", connection + 1)
}

/// What the time fields of a message say. Local time is UTC too: the terminals stand nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// DE7.
    pub(crate) transmission: String,
    /// DE12.
    pub(crate) time: String,
    /// DE13.
    pub(crate) date: String,
}

impl Stamp {
    pub(crate) fn at(now: Timestamp) -> Self {
        let now = Offset::UTC.to_datetime(now);
        let date = format!("{:02}{:02}", now.month(), now.day());
        let time = format!("{:02}{:02}{:02}", now.hour(), now.minute(), now.second());
        Self { transmission: format!("{date}{time}"), time, date }
    }
}

/// `YYMM`, to compare with the expiry of a card.
pub(crate) fn month(now: Timestamp) -> String {
    let now = Offset::UTC.to_datetime(now);
    format!("{:02}{:02}", now.year().rem_euclid(100), now.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_found_by_its_rrn() {
        let numbers = Numbers::new(987_654_321);
        for serial in [1, 35, 36, 999_999, 1_000_000, 78_364_164_095] {
            let rrn = numbers.rrn(serial);
            assert_eq!(numbers.serial_of_rrn(rrn.as_str().as_bytes()), Some(serial), "{rrn:?}");
        }
        let other = Numbers::new(1).rrn(1);
        for foreign in [other.as_str(), "", "0", numbers.rrn(1).as_str().trim_end_matches('1')] {
            assert_eq!(numbers.serial_of_rrn(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn a_serial_is_found_by_its_stan_while_it_is_the_newest() {
        for latest in [1_u64, 2, 999_998, 999_999, 1_000_000, 1_000_001, 5_000_000] {
            for serial in [latest, latest.saturating_sub(1), latest.saturating_sub(500)] {
                let expected = Some(serial).filter(|serial| *serial > 0);
                if expected.is_some() {
                    assert_eq!(serial_of_stan(stan(serial), latest), expected, "{latest}");
                }
            }
        }
        assert_eq!(serial_of_stan(7, 5), None);
        assert_eq!(serial_of_stan(0, 5), None);
        assert_eq!(serial_of_stan(1_000_000, 5), None);
        assert_eq!((stan(999_999), stan(1_000_000)), (999_999, 1));
    }

    #[test]
    fn time_fields_are_utc() {
        let stamp = Stamp::at("2026-08-11T12:34:56Z".parse().unwrap());
        assert_eq!(stamp.transmission, "0811123456");
        assert_eq!((stamp.time.as_str(), stamp.date.as_str()), ("123456", "0811"));
        assert_eq!(month("2031-02-11T00:00:00Z".parse().unwrap()), "3102");
    }

    #[test]
    fn terminals_have_eight_characters() {
        assert_eq!(terminal(0), "TRM00001");
        assert_eq!(terminal(9_999).len(), 8);
    }
}
