//! A second factor on the page of approval: a one-time code by time (RFC 6238), 6 digits of SHA-1
//! every 30 seconds, one step to either side. A code is good once, and whoever is wrong three times
//! about a question has answered it with no.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use totp_rs::{Algorithm, Builder, Secret, Totp};

/// What came of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It is right, for the first time.
    Right,
    /// It is wrong, or was used before.
    Wrong,
    /// It was wrong too often.
    TooOften,
}

/// The codes of the one customer of the sandbox.
pub(super) struct StepUp {
    /// `None` for a secret that is none: then nothing is right.
    totp: Option<Totp>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// The newest step whose code was taken.
    last: Option<u64>,
    /// Wrong codes by question.
    wrong: BTreeMap<String, u32>,
}

impl StepUp {
    /// With a secret in Base32.
    pub(super) fn new(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).ok();
        let totp = secret.and_then(|secret| {
            Builder::new()
                .with_algorithm(Algorithm::SHA1)
                .with_digits(6)
                .with_skew(1)
                .with_step_duration(STEP_S)
                .with_secret(secret)
                .build()
                .ok()
        });
        Self { totp, used: Mutex::default() }
    }

    /// Looks at a code for a question, at a second since 1970.
    pub(super) fn check(&self, question: &str, code: &str, now_s: u64) -> Said {
        let step = self.totp.as_ref().and_then(|totp| totp.check(code, now_s));
        let mut used = self.used();
        if used.wrong.get(question).is_some_and(|count| *count >= WRONG_MAX) {
            return Said::TooOften;
        }
        if let Some(step) = step.filter(|step| used.last.is_none_or(|last| *step > last)) {
            used.last = Some(step);
            used.wrong.remove(question);
            return Said::Right;
        }
        if used.wrong.len() >= QUESTIONS_MAX {
            used.wrong.pop_first();
        }
        let count = used.wrong.entry(question.to_owned()).or_default();
        *count += 1;
        if *count >= WRONG_MAX { Said::TooOften } else { Said::Wrong }
    }

    /// Forgets what was used.
    pub(super) fn reset(&self) {
        *self.used() = Used::default();
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // A panic elsewhere leaves nothing half-written here.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const STEP_S: u64 = 30;
const WRONG_MAX: u32 = 3;
/// Questions whose wrong codes are remembered.
const QUESTIONS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// `12345678901234567890`, the secret of RFC 6238 appendix B; its codes have eight digits,
    /// of which ours are the last six.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(StepUp::new(SECRET).check("q", code, now), Said::Right, "{now}");
            // A step to either side, and no more.
            assert_eq!(StepUp::new(SECRET).check("q", code, now + 30), Said::Right, "{now}");
            assert_eq!(StepUp::new(SECRET).check("q", code, now - 30), Said::Right, "{now}");
            assert_eq!(StepUp::new(SECRET).check("q", code, now + 60), Said::Wrong, "{now}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_three_wrong_ones_are_a_no() {
        let step_up = StepUp::new(SECRET);
        assert_eq!(step_up.check("a", "287082", 59), Said::Right);
        // Not again, whatever it is for, and not an older one either.
        assert_eq!(step_up.check("a", "287082", 59), Said::Wrong);
        assert_eq!(step_up.check("b", "287082", 60), Said::Wrong);
        for (code, said) in [("", Said::Wrong), ("000000", Said::TooOften)] {
            assert_eq!(step_up.check("b", code, 1_111_111_111), said);
        }
        assert_eq!(step_up.check("b", "050471", 1_111_111_111), Said::TooOften);
        assert_eq!(step_up.check("c", "050471", 1_111_111_111), Said::Right);
        step_up.reset();
        assert_eq!(step_up.check("b", "050471", 1_111_111_111), Said::Right);
    }

    #[test]
    fn a_secret_that_is_none_lets_nobody_in() {
        for secret in ["", "!", "GEZDGNBV"] {
            assert_eq!(StepUp::new(secret).check("q", "287082", 59), Said::Wrong);
        }
    }
}
