//! What may be tried again and what a breaker counts, as data of each provider's profile
//! (http-contracts 4.4). There is no list of statuses for all: 510 is our fault at one provider
//! and theirs at another.

use crate::{dates, random};
use veksel_core::Utc;

/// When a call may be made again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retry {
    /// Never: the same call gets the same answer.
    Never,
    /// After the time the provider names, or a while: it did not carry the call out.
    Backoff,
    /// Only if carrying it out twice is the same as once.
    IdempotentOnly,
    /// If no connection came about, so that nothing was sent: always safe.
    ConnectOnly,
}

/// What a range of statuses means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The first status.
    pub(crate) from: u16,
    /// The last.
    pub(crate) to: u16,
    /// Whether the rule is only for answers with `Retry-After`.
    pub(crate) asks_to_wait: bool,
    /// Whether to try again.
    pub(crate) retry: Retry,
    /// Whether the breaker counts it.
    pub(crate) is_fault: bool,
}

/// A provider's rules: the first that fits counts; what fits none is neither tried again nor a
/// fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// The rules.
    pub(crate) rules: &'static [Rule],
}

const fn rule(from: u16, to: u16, retry: Retry, is_fault: bool) -> Rule {
    Rule { from, to, asks_to_wait: false, retry, is_fault }
}

/// For providers that use the registered statuses as they are meant: Berlin Group, Sumsub,
/// `DropPay`.
pub(crate) const REGISTERED: Profile = Profile {
    rules: &[
        rule(408, 408, Retry::IdempotentOnly, true),
        Rule { asks_to_wait: true, ..rule(409, 409, Retry::Backoff, false) },
        rule(429, 429, Retry::Backoff, false),
        rule(400, 499, Retry::Never, false),
        Rule { asks_to_wait: true, ..rule(503, 503, Retry::Backoff, true) },
        // Not implemented, version, extensions wanted, log in to the network: never another time.
        rule(501, 501, Retry::Never, true),
        rule(505, 505, Retry::Never, true),
        rule(510, 511, Retry::Never, false),
        rule(500, 599, Retry::IdempotentOnly, true),
    ],
};

/// For Neonomics: 510 is a fault of the caller, 520 of Neonomics, 530 of the bank behind it.
pub(crate) const NEONOMICS: Profile = Profile {
    rules: &[
        rule(408, 408, Retry::IdempotentOnly, true),
        rule(429, 429, Retry::Backoff, false),
        rule(400, 499, Retry::Never, false),
        rule(510, 510, Retry::Never, false),
        Rule { asks_to_wait: true, ..rule(503, 503, Retry::Backoff, true) },
        rule(500, 599, Retry::IdempotentOnly, true),
    ],
};

/// A rule whose range is empty would never fit, without anybody noticing.
const _: () = assert!(is_sound(REGISTERED) && is_sound(NEONOMICS), "a range is empty");

const fn is_sound(profile: Profile) -> bool {
    let mut rest = profile.rules;
    while let [rule, others @ ..] = rest {
        if rule.from > rule.to {
            return false;
        }
        rest = others;
    }
    true
}

impl Profile {
    /// What an answer with this status means.
    pub(crate) fn rule(self, status: u16, asks_to_wait: bool) -> Rule {
        let fits = |rule: &&Rule| {
            (rule.from..=rule.to).contains(&status) && (!rule.asks_to_wait || asks_to_wait)
        };
        self.rules.iter().find(fits).copied().unwrap_or(rule(0, 0, Retry::Never, false))
    }
}

/// The wait before try number `attempt` + 1, in milliseconds: anything up to the first wait
/// doubled at every try (full jitter), so that callers that failed together do not come together.
pub(crate) fn wait_ms(first_ms: u64, attempt: u32) -> u64 {
    let factor = 1_u64.checked_shl(attempt.saturating_sub(1).min(16)).unwrap_or(u64::MAX);
    random::up_to(first_ms.saturating_mul(factor))
}

/// `Retry-After` in milliseconds from now on: seconds, or a date (RFC 9110 10.2.3), which is
/// counted from `now`, the time of the answer. One that is over is no wait; `None` if it cannot be
/// read.
pub(crate) fn retry_after_ms(text: &str, now: impl FnOnce() -> Option<Utc>) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let at = dates::imf(text)?;
    Some(at.0.saturating_sub(now()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table() {
        use Retry::{Backoff, IdempotentOnly, Never};
        for (profile, status, waits, retry, is_fault) in [
            (REGISTERED, 200, false, Never, false),
            (REGISTERED, 400, false, Never, false),
            (REGISTERED, 401, true, Never, false),
            (REGISTERED, 404, false, Never, false),
            (REGISTERED, 408, false, IdempotentOnly, true),
            (REGISTERED, 409, false, Never, false),
            (REGISTERED, 409, true, Backoff, false),
            (REGISTERED, 429, false, Backoff, false),
            (REGISTERED, 470, false, Never, false),
            (REGISTERED, 500, false, IdempotentOnly, true),
            (REGISTERED, 502, false, IdempotentOnly, true),
            (REGISTERED, 503, false, IdempotentOnly, true),
            (REGISTERED, 503, true, Backoff, true),
            (REGISTERED, 504, false, IdempotentOnly, true),
            (REGISTERED, 510, false, Never, false),
            (REGISTERED, 520, false, IdempotentOnly, true),
            (REGISTERED, 530, false, IdempotentOnly, true),
            (NEONOMICS, 429, false, Backoff, false),
            (NEONOMICS, 470, false, Never, false),
            (NEONOMICS, 510, false, Never, false),
            (NEONOMICS, 510, true, Never, false),
            (NEONOMICS, 520, false, IdempotentOnly, true),
            (NEONOMICS, 530, false, IdempotentOnly, true),
            (NEONOMICS, 999, false, Never, false),
        ] {
            let rule = profile.rule(status, waits);
            assert_eq!((rule.retry, rule.is_fault), (retry, is_fault), "{status} {waits}");
        }
    }

    #[test]
    fn waits_double_and_never_overflow() {
        for (attempt, most) in [(1, 1_000), (2, 2_000), (3, 4_000)] {
            let waits: Vec<u64> = (0..500).map(|_| wait_ms(1_000, attempt)).collect();
            assert!(waits.iter().all(|wait| *wait <= most), "{attempt}");
            assert!(waits.iter().any(|wait| *wait > most / 2), "{attempt}");
            assert!(waits.iter().any(|wait| *wait < most / 2), "{attempt}");
        }
        wait_ms(u64::MAX, u32::MAX);
        assert_eq!(wait_ms(0, 3), 0);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = || dates::imf("Wed, 21 Oct 2026 07:28:00 GMT");
        let read = |text: &str| retry_after_ms(text, now);
        for (text, expected) in [
            ("10", Some(10_000)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30_000)),
            ("Thu, 22 Oct 2026 07:28:00 GMT", Some(86_400_000)),
            // Over already.
            ("Wed, 21 Oct 2026 07:27:59 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("Wed, 21 Oct 2026 07:28:30", None),
            ("Wed, 31 Feb 2026 07:28:30 GMT", None),
            ("Wednesday, 21-Oct-26 07:28:30 GMT", None),
            ("Wed Oct 21 07:28:30 2026", None),
            ("99999999999999999999", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(retry_after_ms("Wed, 21 Oct 2026 07:28:30 GMT", || None), None);
    }
}
