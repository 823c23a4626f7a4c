//! Seed tables: the CSV files a bank starts from, read and checked.
//!
//! The shipped files are embedded in the binary; a user may name a directory with seven of his
//! own. Reading reports every problem with file and row, and only then gives up. It opens no
//! database: [`Seeds::open`] turns the tables into a ledger and the effects that made it.

mod check;
mod opening;
mod table;

use std::fmt;
use std::fs;
use std::path::Path;

pub use opening::Opening;

use crate::directory::Rows;
use crate::ledger::{Direction, NewAccount};

/// Seven tables that agree with each other. Only reading makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds {
    accounts: Vec<SeedAccount>,
    /// In the order of the file.
    entries: Vec<SeedEntry>,
    rows: Rows,
}

/// A row of accounts.csv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedAccount {
    /// Everything but figures.
    pub new: NewAccount,
    /// The ledger balance after all its entries.
    pub balance: i64,
    /// Reserved by one hold that never expires; 0 for none.
    pub hold: i64,
    /// When equity pays the opening balance.
    pub opened_ms: u64,
}

/// A row of entries.csv: one line of a statement from before the bank started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedEntry {
    /// Known to accounts.csv.
    pub account: String,
    /// Not before the account was opened.
    pub utc_ms: u64,
    /// Decides which of the bank's accounts is the other side.
    pub tran_type: u8,
    /// Minor units of the account's currency, above zero.
    pub amount: i64,
    /// Seen from the account.
    pub direction: Direction,
    /// Up to 100 characters.
    pub narration: String,
}

impl Seeds {
    /// The shipped tables. An error here is a mistake in this repository.
    ///
    /// # Errors
    ///
    /// There is a mistake in the files of this repository.
    pub fn embedded() -> Result<Self, SeedError> {
        let files = FILES.map(|file| match file {
            File::Customers => include_str!("../seeds/customers.csv").to_owned(),
            File::Accounts => include_str!("../seeds/accounts.csv").to_owned(),
            File::Cards => include_str!("../seeds/cards.csv").to_owned(),
            File::Entries => include_str!("../seeds/entries.csv").to_owned(),
            File::Billers => include_str!("../seeds/billers.csv").to_owned(),
            File::Banks => include_str!("../seeds/banks.csv").to_owned(),
            File::Operators => include_str!("../seeds/operators.csv").to_owned(),
        });
        Self::parse(|file| Ok(files.get(file as usize).cloned().unwrap_or_default()))
    }

    /// All seven files must be there, with the header rows of the shipped ones.
    ///
    /// # Errors
    ///
    /// A file is missing or wrong; everything that is wrong with any of them.
    pub fn from_dir(dir: &Path) -> Result<Self, SeedError> {
        Self::parse(|file| fs::read_to_string(dir.join(file.name())))
    }

    fn parse(read: impl Fn(File) -> std::io::Result<String>) -> Result<Self, SeedError> {
        let mut problems = Vec::new();
        let mut texts = Vec::new();
        for file in FILES {
            match read(file) {
                Ok(text) => texts.push((file, text)),
                Err(error) => {
                    let what = format!("cannot be read: {error}");
                    problems.push(Problem { file, row: 0, what });
                }
            }
        }
        let tables = table::read(&texts, &mut problems);
        let seeds = check::check(&tables, &mut problems);
        if problems.is_empty() {
            return Ok(seeds);
        }
        problems.sort_by_key(|problem| (problem.file, problem.row));
        Err(SeedError { problems })
    }

    /// In the order of the file, which is the order they are opened in.
    #[must_use]
    pub fn accounts(&self) -> &[SeedAccount] {
        &self.accounts
    }

    /// In the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[SeedEntry] {
        &self.entries
    }

    /// The five tables that hold no money.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }
}

/// The seven tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// Whom accounts belong to.
    Customers,
    /// With the balances of today.
    Accounts,
    /// Each opens one account.
    Cards,
    /// What led to the balances.
    Entries,
    /// For DE3 32 and 50.
    Billers,
    /// For inquiries 96 and 97.
    Banks,
    /// For inquiry 95.
    Operators,
}

impl File {
    /// In the embedded set and in a user's directory.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers.csv",
            Self::Accounts => "accounts.csv",
            Self::Cards => "cards.csv",
            Self::Entries => "entries.csv",
            Self::Billers => "billers.csv",
            Self::Banks => "banks.csv",
            Self::Operators => "operators.csv",
        }
    }

    /// The header row, exactly.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Customers => &["customer", "name", "phone", "email", "city", "country", "status"],
            Self::Accounts => &[
                "account",
                "customer",
                "product",
                "currency",
                "status",
                "balance",
                "hold",
                "overdraft",
                "opened",
                "branch",
                "iban",
            ],
            Self::Cards => &["pan", "account", "expiry", "status"],
            Self::Entries => &["account", "date_time", "tran_type", "amount", "dr_cr", "narration"],
            Self::Billers => &["biller", "name", "category", "currency", "reference_digits"],
            Self::Banks => &["bank", "bic", "name", "country", "iin"],
            Self::Operators => &["operator", "name", "country", "prefix"],
        }
    }
}

/// One thing wrong in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where to look.
    pub file: File,
    /// Line in the file, the header being 1; 0 when the whole file is meant.
    pub row: u64,
    /// Names columns and rules. Never a card number.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => write!(f, "{}: {}", self.file.name(), self.what),
            row => write!(f, "{} row {row}: {}", self.file.name(), self.what),
        }
    }
}

/// Everything wrong with a set of seed files, by file and row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedError {
    /// Never empty; by file and row.
    pub problems: Vec<Problem>,
}

impl std::error::Error for SeedError {}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// In the order the tables refer to each other.
const FILES: [File; 7] = [
    File::Customers,
    File::Accounts,
    File::Cards,
    File::Entries,
    File::Billers,
    File::Banks,
    File::Operators,
];

#[cfg(test)]
mod tests;
