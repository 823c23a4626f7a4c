//! What the bank knows besides money: customers, cards, billers, banks and operators.
//!
//! Read-only tables with the look-ups that the inquiries of cbs-interface.md 6.12 need. Balances
//! and account statuses are the ledger's; nothing here changes while the bank runs.

use std::collections::HashMap;

use crate::money::Currency;

/// A person or a company; accounts refer to it by `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// As DE48 tag 42 carries it.
    pub id: String,
    /// In clear; masking is the policy of who shows it.
    pub name: String,
    /// International form, `+` and digits.
    pub phone: String,
    /// At example.com, so that nothing is ever sent.
    pub email: String,
    /// Without its address.
    pub city: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Does not touch the accounts, which have their own.
    pub status: CustomerStatus,
}

/// Whether the bank does business with a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerStatus {
    /// Letter A.
    Active,
    /// Letter B: KYC failed or the law forbids it.
    Blocked,
}

impl CustomerStatus {
    /// In the order of the letters.
    pub const ALL: [Self; 2] = [Self::Active, Self::Blocked];

    /// As the files and inquiry 92 spell it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Active => "A",
            Self::Blocked => "B",
        }
    }

    /// `None` for a letter that no status has.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.letter() == letter)
    }
}

/// Test data: the numbers are made up and stored in clear. A real PAN has no place here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// 13 to 19 digits with a right check digit.
    pub pan: String,
    /// The account DE3 account type 00 means.
    pub account: String,
    /// `YYMM`, as DE14 carries it; valid through the last day of the month.
    pub expiry: String,
    /// Independent of the status of its account.
    pub status: CardStatus,
}

/// Whether a card may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardStatus {
    /// 00, unless it has expired.
    Active,
    /// 62.
    Blocked,
    /// 41.
    Lost,
    /// 43.
    Stolen,
}

impl CardStatus {
    /// In the order of severity.
    pub const ALL: [Self; 4] = [Self::Active, Self::Blocked, Self::Lost, Self::Stolen];

    /// As the files and the book spell it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Active => "A",
            Self::Blocked => "B",
            Self::Lost => "L",
            Self::Stolen => "S",
        }
    }

    /// `None` for a letter that no status has.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.letter() == letter)
    }

    /// DE39 for a card in this state; expiry (54) is for the host, which has a clock.
    #[must_use]
    pub const fn response_code(self) -> &'static str {
        match self {
            Self::Active => "00",
            Self::Blocked => "62",
            Self::Lost => "41",
            Self::Stolen => "43",
        }
    }
}

/// Who can be paid with DE3 50.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biller {
    /// DE48 tag 10.
    pub id: String,
    /// For receipts.
    pub name: String,
    /// One lower-case word, for grouping.
    pub category: String,
    /// Its bills are in this currency only.
    pub currency: Currency,
    /// Digits of a customer reference (DE48 tag 11); another length is an unknown reference.
    pub reference_digits: u8,
}

/// Another bank, of the dictionary (inquiry 96).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// DE48 tag 15.
    pub code: String,
    /// ISO 9362, 8 or 11 characters.
    pub bic: String,
    /// In ASCII.
    pub name: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Made up in the range ISO 7812 leaves to national use: 9, country code, two digits.
    pub iin: String,
}

/// A mobile network, or one of its number ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Differs for two ranges of one network.
    pub code: String,
    /// DE48 tag 47.
    pub name: String,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// Start of the phone numbers it serves; the longest that fits decides.
    pub prefix: String,
}

/// The rows as they were seeded; checked when they were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// By number.
    pub customers: Vec<Customer>,
    /// In the order of the file, as are the rest.
    pub cards: Vec<Card>,
    /// With at least one for each currency in the shipped tables.
    pub billers: Vec<Biller>,
    /// Our own among them.
    pub banks: Vec<Bank>,
    /// One row for each prefix.
    pub operators: Vec<Operator>,
}

/// The tables with their indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    rows: Rows,
    customers: HashMap<String, usize>,
    cards: HashMap<String, usize>,
    billers: HashMap<String, usize>,
    banks: HashMap<String, usize>,
}

impl Directory {
    /// Of two rows with the same number the last is found; seeds and book have none.
    #[must_use]
    pub fn new(rows: Rows) -> Self {
        fn index<T>(rows: &[T], name: impl Fn(&T) -> &String) -> HashMap<String, usize> {
            rows.iter().enumerate().map(|(place, row)| (name(row).clone(), place)).collect()
        }
        Self {
            customers: index(&rows.customers, |customer| &customer.id),
            cards: index(&rows.cards, |card| &card.pan),
            billers: index(&rows.billers, |biller| &biller.id),
            banks: index(&rows.banks, |bank| &bank.code),
            rows,
        }
    }

    /// For listing; the look-ups are the methods.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// By customer number.
    #[must_use]
    pub fn customer(&self, id: &str) -> Option<&Customer> {
        self.rows.customers.get(*self.customers.get(id)?)
    }

    /// By the whole PAN; there is no look-up by a part of one.
    #[must_use]
    pub fn card(&self, pan: &str) -> Option<&Card> {
        self.rows.cards.get(*self.cards.get(pan)?)
    }

    /// By biller number.
    #[must_use]
    pub fn biller(&self, id: &str) -> Option<&Biller> {
        self.rows.billers.get(*self.billers.get(id)?)
    }

    /// By bank code, or by BIC, with or without the branch part.
    #[must_use]
    pub fn bank(&self, code: &str) -> Option<&Bank> {
        if let Some(place) = self.banks.get(code) {
            return self.rows.banks.get(*place);
        }
        let eight = code.get(..8)?;
        self.rows.banks.iter().find(|bank| bank.bic.get(..8) == Some(eight))
    }

    /// By receiving institution (DE100).
    #[must_use]
    pub fn bank_by_iin(&self, iin: &str) -> Option<&Bank> {
        self.rows.banks.iter().find(|bank| bank.iin == iin)
    }

    /// `phone` with or without `+` or `00` in front.
    #[must_use]
    pub fn operator(&self, phone: &str) -> Option<&Operator> {
        let phone = international(phone);
        let fits = |operator: &&Operator| phone.starts_with(&operator.prefix);
        self.rows.operators.iter().filter(fits).max_by_key(|operator| operator.prefix.len())
    }

    /// `phone` with or without `+` or `00` in front.
    #[must_use]
    pub fn customer_by_phone(&self, phone: &str) -> Option<&Customer> {
        let phone = international(phone);
        self.rows.customers.iter().find(|customer| customer.phone == phone)
    }

    /// Customers whose name contains the text, in any case, in the order of their numbers.
    pub fn customers_named<'a>(&'a self, text: &str) -> impl Iterator<Item = &'a Customer> {
        let wanted = text.to_ascii_lowercase();
        self.rows
            .customers
            .iter()
            .filter(move |customer| customer.name.to_ascii_lowercase().contains(&wanted))
    }
}

fn international(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let digits = match phone.starts_with('+') {
        true => digits.as_str(),
        false => digits.strip_prefix("00").unwrap_or(&digits),
    };
    format!("+{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(code: &str, prefix: &str) -> Operator {
        let (name, country) = (code.to_owned(), "NO".to_owned());
        Operator { code: code.to_owned(), name, country, prefix: prefix.to_owned() }
    }

    #[test]
    fn the_longest_prefix_decides_the_operator() {
        let operators = vec![operator("wide", "+47"), operator("narrow", "+47901")];
        let directory = Directory::new(Rows { operators, ..Rows::default() });
        let code = |phone| directory.operator(phone).map(|operator| operator.code.as_str());
        assert_eq!(code("+4790112345"), Some("narrow"));
        assert_eq!(code("004790112345"), Some("narrow"));
        assert_eq!(code("47 40 11 23 45"), Some("wide"));
        assert_eq!(code("+46701234567"), None);
    }

    #[test]
    fn a_bank_is_found_by_code_or_bic() {
        let bank = Bank {
            code: "1500".to_owned(),
            bic: "DNBANOKK".to_owned(),
            name: "DNB".to_owned(),
            country: "NO".to_owned(),
            iin: "957801".to_owned(),
        };
        let directory = Directory::new(Rows { banks: vec![bank.clone()], ..Rows::default() });
        for name in ["1500", "DNBANOKK", "DNBANOKKXXX"] {
            assert_eq!(directory.bank(name), Some(&bank), "{name}");
        }
        assert_eq!(directory.bank_by_iin("957801"), Some(&bank));
        assert_eq!(directory.bank("DNBA"), None);
    }
}
