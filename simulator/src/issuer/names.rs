//! Names of people in answers: who may read them whole, and the names of people at other banks.
//!
//! There are no other banks behind this one, so whom they call the owner of an account is made up
//! from the names of our own customers, the same for the same account every time.

use crate::directory::Customer;
use crate::ledger::Digest;

/// How a name is shown to someone who only wants to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePolicy {
    /// As the bank keeps it.
    Full,
    /// The first word, and of every other its first letter and asterisks: enough to recognise the
    /// payee, too little to collect names by trying account numbers.
    Masked,
}

impl NamePolicy {
    pub(super) fn show(self, name: &str) -> String {
        match self {
            Self::Full => name.to_owned(),
            Self::Masked => mask(name),
        }
    }
}

fn mask(name: &str) -> String {
    let words = name.split(' ').enumerate().map(|(place, word)| {
        let mask = |(at, shown)| if place == 0 || at == 0 { shown } else { '*' };
        word.chars().enumerate().map(mask).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The owner of an account at another bank. `None` when there are no names to make one from.
pub(super) fn invented(customers: &[Customer], bank: &str, account: &str) -> Option<String> {
    let [first, second, ..] = Digest::of(&[bank.as_bytes(), account.as_bytes()]).0;
    let pick = |byte: u8| customers.get(usize::from(byte) % customers.len().max(1));
    let given = pick(first)?.name.split(' ').next()?;
    let family = pick(second)?.name.rsplit(' ').next()?;
    Some(format!("{given} {family}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_name_keeps_the_first_word_and_the_initials() {
        assert_eq!(NamePolicy::Masked.show("Leif Kontofoss"), "Leif K********");
        assert_eq!(NamePolicy::Masked.show("Ada B Cd"), "Ada B C*");
        assert_eq!(NamePolicy::Masked.show("Solo"), "Solo");
        assert_eq!(NamePolicy::Full.show("Leif Kontofoss"), "Leif Kontofoss");
    }
}
