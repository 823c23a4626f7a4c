//! The list of contacts: a file of comma-separated values that the bank exports, with the columns
//! `customer,language,sms,email,push` and a line for each customer. An empty cell is a way there
//! is not.

use super::words::Language;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Largest file.
const FILE_MAX: u64 = 256 << 20;

const HEAD: &str = "customer,language,sms,email,push";

/// How one customer is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) language: Language,
    /// E.164.
    pub(super) sms: String,
    pub(super) email: String,
    /// A registration token.
    pub(super) push: String,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("language", &self.language).finish_non_exhaustive()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Contacts(BTreeMap<String, Contact>);

impl Contacts {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the line and without what stands there.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let file = std::fs::File::open(path).map_err(|error| format!("{place}: {error}"))?;
        let mut text = String::new();
        let read = file.take(FILE_MAX).read_to_string(&mut text);
        read.map_err(|error| format!("{place}: {error}"))?;
        Self::parse(&text).map_err(|(line, why)| format!("{place}:{line}: {why}"))
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, head)| head.trim()) != Some(HEAD) {
            return Err((1, "the columns are not customer,language,sms,email,push"));
        }
        let mut found = BTreeMap::new();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |why| (number + 1, why);
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let [customer, language, sms, email, push] = cells[..] else {
                return Err(wrong("there are not five cells"));
            };
            let language = match language {
                "nb" => Language::Norwegian,
                "en" => Language::English,
                _ => return Err(wrong("the language is neither nb nor en")),
            };
            if customer.is_empty() {
                return Err(wrong("there is no customer"));
            }
            let contact = Contact {
                language,
                sms: sms.to_owned(),
                email: email.to_owned(),
                push: push.to_owned(),
            };
            if found.insert(customer.to_owned(), contact).is_some() {
                return Err(wrong("the customer is there twice"));
            }
        }
        Ok(Self(found))
    }

    /// How a customer is reached; `None` for one who is not in the list.
    pub(super) fn find(&self, customer: &str) -> Option<&Contact> {
        self.0.get(customer)
    }
}

/// Sixteen digits in place of a customer's name: FNV-1a, which tells customers apart and hides
/// nothing from whoever guesses.
pub(super) fn mark(customer: &str) -> String {
    let hash = customer.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_or_its_line_is_named() {
        let text = format!("{HEAD}\nc-1,nb,+4790000001,,\n\nc-2,en,,kari@example.org,t-1\n");
        let contacts = Contacts::parse(&text).unwrap();
        assert_eq!(
            contacts.find("c-1").map(|c| (c.language, c.sms.as_str())),
            Some((Language::Norwegian, "+4790000001"))
        );
        assert_eq!(contacts.find("c-2").map(|c| c.push.as_str()), Some("t-1"));
        assert_eq!(contacts.find("c-3"), None);
        assert!(!format!("{contacts:?}").contains("+47"));
        for (lines, line, why) in [
            ("c-1,nb,,\n", 2, "there are not five cells"),
            ("c-1,no,,,\n", 2, "the language is neither nb nor en"),
            (",nb,,,\n", 2, "there is no customer"),
            ("c-1,nb,,,\nc-1,en,,,\n", 3, "the customer is there twice"),
        ] {
            let found = Contacts::parse(&format!("{HEAD}\n{lines}")).map(drop);
            assert_eq!(found, Err((line, why)), "{lines}");
        }
        assert!(Contacts::parse("a,b\n").is_err());
        assert!(Contacts::read(Path::new("nowhere.csv")).is_err());
    }
}
