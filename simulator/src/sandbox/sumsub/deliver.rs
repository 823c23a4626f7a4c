//! Webhooks that are due: what is sent, when it is tried again, and how it is signed.
//!
//! One at a time for an applicant, so that a receiver hears of an applicant in order unless the
//! sandbox is told to confuse it.

use super::guard::hex;
use aws_lc_rs::hmac;
use std::collections::{BTreeMap, BTreeSet};

/// When a webhook is tried again that was not answered with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Eight attempts over 7 h 42 min 30 s.
    #[default]
    Seed,
    /// As the provider documents it: four more attempts over a day; quicker for actions.
    Real,
}

impl Schedule {
    /// Seconds to wait after each failed attempt; after the last one there is no other.
    #[must_use]
    pub fn waits(self, kind: &str) -> &'static [u64] {
        match self {
            Self::Seed => &[30, 120, 600, 1_800, 3_600, 7_200, 14_400],
            Self::Real if kind.starts_with("applicantAction") => &[30, 30, 60, 300],
            Self::Real => &[300, 3_600, 18_000, 64_800],
        }
    }
}

/// What a digest is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digest {
    /// Old, and refused by default.
    Sha1,
    /// The usual one.
    #[default]
    Sha256,
    /// The longest.
    Sha512,
}

impl Digest {
    /// `X-Payload-Digest-Alg`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "HMAC_SHA1_HEX",
            Self::Sha256 => "HMAC_SHA256_HEX",
            Self::Sha512 => "HMAC_SHA512_HEX",
        }
    }

    /// `X-Payload-Digest`.
    pub(in crate::sandbox) fn sign(self, secret: &str, body: &[u8]) -> String {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hex(hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body).as_ref())
    }
}

/// One webhook on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub applicant: String,
    pub kind: &'static str,
    pub body: Vec<u8>,
    /// Signed with a secret that nobody has.
    pub is_forged: bool,
    /// Attempts that failed.
    pub failed: usize,
}

/// Webhooks that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By when they are due, in milliseconds, and their number.
    waiting: BTreeMap<(u64, u64), Delivery>,
    /// Applicants to whom one belongs that is being sent.
    busy: BTreeSet<String>,
    next: u64,
}

impl Queue {
    /// Adds one; drops it and says `false` if there are too many.
    pub(super) fn push(&mut self, due: u64, delivery: Delivery) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.next += 1;
        self.waiting.insert((due, self.next), delivery);
        true
    }

    /// The next that is to be sent now. [`Queue::done`] must follow.
    pub(super) fn take(&mut self, now: u64) -> Option<Delivery> {
        let due = self.waiting.range(..=(now, u64::MAX));
        let mut free = due.filter(|(_, delivery)| !self.busy.contains(&delivery.applicant));
        let place = *free.next()?.0;
        let delivery = self.waiting.remove(&place)?;
        self.busy.insert(delivery.applicant.clone());
        Some(delivery)
    }

    /// One was sent. Says whether it will be tried again if it was not taken.
    pub(super) fn done(
        &mut self,
        mut delivery: Delivery,
        taken: bool,
        now: u64,
        schedule: Schedule,
    ) -> bool {
        self.busy.remove(&delivery.applicant);
        if taken {
            return true;
        }
        let Some(wait) = schedule.waits(delivery.kind).get(delivery.failed) else { return false };
        delivery.failed += 1;
        self.push(now.saturating_add(wait * 1_000), delivery)
    }
}

/// Webhooks that wait at one time.
const WAITING_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(applicant: &str, kind: &'static str) -> Delivery {
        let applicant = applicant.to_owned();
        Delivery { applicant, kind, body: Vec::new(), is_forged: false, failed: 0 }
    }

    /// Seconds after the first attempt at which others follow if none is taken.
    fn attempts(schedule: Schedule, kind: &'static str) -> Vec<u64> {
        let mut queue = Queue::default();
        assert!(queue.push(0, delivery("a", kind)));
        let mut found = Vec::new();
        for second in 0..=200_000 {
            while let Some(taken) = queue.take(second * 1_000) {
                found.push(second);
                queue.done(taken, false, second * 1_000, schedule);
            }
        }
        found
    }

    #[test]
    fn both_schedules_are_kept() {
        let seed = attempts(Schedule::Seed, "applicantReviewed");
        assert_eq!(seed, [0, 30, 150, 750, 2_550, 6_150, 13_350, 27_750]);
        let real = attempts(Schedule::Real, "applicantReviewed");
        assert_eq!(real, [0, 300, 3_900, 21_900, 86_700]);
        let action = attempts(Schedule::Real, "applicantActionReviewed");
        assert_eq!(action, [0, 30, 60, 120, 420]);
    }

    #[test]
    fn an_applicant_is_told_one_thing_at_a_time() {
        let mut queue = Queue::default();
        for (due, applicant) in [(0, "a"), (0, "a"), (0, "b"), (5, "c")] {
            assert!(queue.push(due, delivery(applicant, "applicantPending")));
        }
        let first = queue.take(1).expect("due");
        let second = queue.take(1).expect("due");
        assert_eq!((first.applicant.as_str(), second.applicant.as_str()), ("a", "b"));
        assert_eq!(queue.take(1), None);
        queue.done(first, true, 1, Schedule::Seed);
        assert_eq!(queue.take(1).map(|it| it.applicant), Some("a".to_owned()));
        assert_eq!(queue.take(5).map(|it| it.applicant), Some("c".to_owned()));
    }

    #[test]
    fn too_many_are_dropped() {
        let mut queue = Queue::default();
        assert!((0..WAITING_MAX).all(|_| queue.push(0, delivery("a", "applicantPending"))));
        assert!(!queue.push(0, delivery("a", "applicantPending")));
    }

    // Digests made by another program (http-contracts 2.1).
    #[test]
    fn bodies_are_signed_as_the_provider_signs_them() {
        let body = br#"{"type":"applicantReviewed","applicantId":"5f9e1b2c3d4e5f6a7b8c9d0e","externalUserId":"usr_abc123def456gh78","reviewStatus":"completed","reviewResult":{"reviewAnswer":"GREEN"},"createdAtMs":"2026-02-23 10:00:00.000"}"#;
        assert_eq!(body.len(), 216);
        let sign = |digest: Digest| digest.sign("webhook-secret", body);
        assert_eq!(sign(Digest::Sha1), "880e7240d2a1d8c340c9999f1c61811f8bfb64ab");
        assert_eq!(
            sign(Digest::Sha256),
            "92b0746650c3ce323bb14d6592fb6902bc3a8ddeecce5016752fc29571039b4d"
        );
        assert!(sign(Digest::Sha512).starts_with("a16341fcd703b276230a1df7eeabc7e6d91d144b"));
    }
}
