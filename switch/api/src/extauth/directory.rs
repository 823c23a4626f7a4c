//! Which account (DE102) and card (DE2) an id of the platform means.
//!
//! A file of lines `account,<id>,<number>` and `card,<id>,<number>`; what follows `#` is for
//! people. Card numbers stand in it, so that it is kept like a secret, and nothing here shows them.

use std::collections::BTreeMap;

/// Lines that a file may have.
const LINES_MAX: usize = 1_000_000;

/// Longest DE102 (ISO 8583: ans ..28).
const ACCOUNT_MAX: usize = 28;

/// What ids mean.
#[derive(Default)]
pub struct Directory {
    accounts: BTreeMap<String, String>,
    cards: BTreeMap<String, String>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} accounts, {} cards)", self.accounts.len(), self.cards.len())
    }
}

/// A line that cannot be read; nothing of what stands in it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongDirectory {
    /// Counts from 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

impl std::fmt::Display for WrongDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for WrongDirectory {}

impl Directory {
    /// Reads the lines of a file.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, WrongDirectory> {
        let mut directory = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |why| WrongDirectory { line, why };
            if line > LINES_MAX {
                return Err(wrong("there are too many lines"));
            }
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let [kind, id, number] = parts[..] else {
                return Err(wrong("it has other than three parts"));
            };
            let (table, number) = match kind {
                "account" => (&mut directory.accounts, plain_account(number)),
                "card" => (&mut directory.cards, plain_card(number)),
                _ => return Err(wrong("it begins with neither `account` nor `card`")),
            };
            let number = number.ok_or_else(|| wrong("its number does not fit"))?;
            if id.is_empty() || table.insert(id.to_owned(), number.to_owned()).is_some() {
                return Err(wrong("its id is empty, or there twice"));
            }
        }
        Ok(directory)
    }

    pub(super) fn account(&self, id: &str) -> Option<&str> {
        self.accounts.get(id).map(String::as_str)
    }

    pub(super) fn card(&self, id: &str) -> Option<&str> {
        self.cards.get(id).map(String::as_str)
    }
}

/// An id that is an account itself.
pub(super) fn plain_account(id: &str) -> Option<&str> {
    let fits = (1..=ACCOUNT_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(id)
}

/// An id that is a card number, or a token of its form, itself.
pub(super) fn plain_card(id: &str) -> Option<&str> {
    let fits = (12..=19).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_and_nothing_is_shown() {
        let text = "# of the platform\naccount, afd68d5a-2f3e, 10000000001\n\n\
                    card,b373b5da,5399990000000018 # lost\n";
        let directory = Directory::parse(text).unwrap();
        assert_eq!(directory.account("afd68d5a-2f3e"), Some("10000000001"));
        assert_eq!(directory.card("b373b5da"), Some("5399990000000018"));
        assert_eq!((directory.account("b373b5da"), directory.card("x")), (None, None));
        assert_eq!(format!("{directory:?}"), "Directory(1 accounts, 1 cards)");
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        for (text, line) in [
            ("account,a", 1),
            ("\naccount,a,1,2", 2),
            ("iban,a,1", 1),
            ("account,,1", 1),
            ("account,a,1\naccount,a,2", 2),
            ("card,c,12", 1),
            ("card,c,539999000000001x", 1),
            ("account,a,12345678901234567890123456789", 1),
        ] {
            let wrong = Directory::parse(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}");
            assert!(!wrong.to_string().contains("5399"), "{wrong}");
        }
    }
}
