//! Test persons. Their national ids are synthetic (month + 80, or D-numbers of such): they fit and
//! belong to nobody.

/// A person who can sign in.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// By which the page and `auto=` name it.
    pub key: &'static str,
    /// First name and last.
    pub name: (&'static str, &'static str),
    /// The national id.
    pub pid: &'static str,
    /// `birthdate`; empty if the provider does not say it.
    pub birthdate: &'static str,
    /// How the person signs in, as `BankID` names it.
    pub amr: &'static str,
}

/// All there are.
pub const PERSONS: [Person; 5] = [
    Person {
        key: "kari",
        name: ("Kari", "Nordmann"),
        pid: "17829000024",
        birthdate: "1990-02-17",
        amr: "BID",
    },
    // A D-number, and no birthdate beside it.
    Person { key: "ola", name: ("Ola", "Utland"), pid: "57829000360", birthdate: "", amr: "BIS" },
    Person {
        key: "eva",
        name: ("Eva", "Eldre"),
        pid: "01814500183",
        birthdate: "1945-01-01",
        amr: "BIM",
    },
    // Too young, by both.
    Person {
        key: "ung",
        name: ("Ung", "Person"),
        pid: "01861790084",
        birthdate: "2017-06-01",
        amr: "BID",
    },
    // Too young, by the number alone.
    Person { key: "barn", name: ("Barn", "Person"), pid: "01861790084", birthdate: "", amr: "BID" },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Both check digits, counted in another way than the relying party does: with them the sums
    /// are divisible.
    fn fits(pid: &str) -> bool {
        let digits: Vec<u32> = pid.chars().filter_map(|c| c.to_digit(10)).collect();
        let sum = |weights: &[u32]| -> u32 {
            weights.iter().zip(&digits).map(|(weight, digit)| weight * digit).sum()
        };
        digits.len() == 11
            && sum(&[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11 == 0
            && sum(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11 == 0
    }

    #[test]
    fn numbers_of_test_persons_fit_and_belong_to_nobody() {
        for person in PERSONS {
            assert!(fits(person.pid), "{}", person.key);
            assert!(person.pid[2..4].parse::<u32>().unwrap() > 80, "{}", person.key);
        }
        assert!(!fits("17829000025"));
    }
}
