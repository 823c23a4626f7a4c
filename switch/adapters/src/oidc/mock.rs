//! Test persons, for where nobody is asked: grown up, with a national id that fits and belongs to
//! nobody (month + 80), always the same for a seed and a number.

use super::claims::{Name, Said, Subject};
use super::national_id::{NationalId, synthetic};

/// Test persons of a seed.
pub(super) const PERSONS: u32 = 10_000;

/// A test person. Chance is not asked: the seed and the number say it all.
pub(super) fn person(seed: u64, number: u32) -> Option<Said> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(number) + 1);
    // Of 100 individual numbers 17 have no check digits; the next is tried.
    for _ in 0..64 {
        let drawn = next(&mut state);
        let pick = |shift: u32, most: u64| u32::try_from((drawn >> shift) % most).unwrap_or(0);
        let born = (1_940 + pick(0, 60), 1 + pick(16, 12), 1 + pick(32, 28));
        let text = synthetic(born, pick(48, 500));
        if let Some(id) = text.as_deref().and_then(NationalId::parse) {
            let (given, family) = ("Test Person".to_owned(), number.to_string());
            return Some(Said {
                id: Subject::NationalId(id),
                name: Name { whole: format!("{given} {family}"), given, family },
                acr: "urn:bankid:bid;LOA=4".to_owned(),
                amr: vec!["MOCK".to_owned()],
            });
        }
    }
    None
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut drawn = *state;
    drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    drawn ^ (drawn >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::national_id::age;
    use std::collections::BTreeSet;

    #[test]
    fn test_persons_are_grown_up_always_the_same_and_seldom_twice() {
        let mut seen = BTreeSet::new();
        for number in 0..1_000 {
            let said = person(1, number).unwrap();
            let Subject::NationalId(id) = &said.id else { panic!("{said:?}") };
            assert!(age(id.born(), 1_771_840_800_000).unwrap() >= 18);
            assert_eq!(said.id.hash(None), person(1, number).unwrap().id.hash(None));
            seen.insert(said.id.hash(None));
        }
        assert!(seen.len() > 990, "{}", seen.len());
        assert_ne!(person(1, 0).unwrap().id.hash(None), person(2, 0).unwrap().id.hash(None));
    }
}
