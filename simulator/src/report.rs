//! What a bank's book says, as tables that people and programs read: its state, what is to be
//! settled, and the totals that messages of reconciliation (05xx) are compared with.
//!
//! A report is read from the file of the book in one transaction, so that its tables agree with
//! each other, beside a running bank or without one; nothing is written. Card numbers are masked.
//! Every [`Format`] shows the same figures.

mod paper;
mod settlement;
mod sheets;
mod spreadsheet;

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};

use crate::book::{Book, BookError};

/// Which tables a report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Accounts, cards, holds, postings, messages and the proof that the ledger is conserved.
    State,
    /// What each institution owes and is owed, by business day and currency.
    Settlement,
    /// The same as fields of a reconciliation message.
    Reconciliation,
    /// All of them.
    All,
}

impl Kind {
    /// Every kind with its word.
    pub const ALL: [(&str, Self); 4] = [
        ("state", Self::State),
        ("settlement", Self::Settlement),
        ("reconciliation", Self::Reconciliation),
        ("all", Self::All),
    ];
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One table, for programs.
    Csv,
    /// All tables, for programs.
    Json,
    /// A workbook, one sheet for each table.
    Xlsx,
    /// One page that prints well; a browser makes a PDF of it.
    Html,
}

impl Format {
    /// Every format with its word, which is also the ending of its files.
    pub const ALL: [(&str, Self); 4] =
        [("csv", Self::Csv), ("json", Self::Json), ("xlsx", Self::Xlsx), ("html", Self::Html)];

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// There is none.
    Nothing,
    /// Letters, and digits that are no number: accounts, references, times.
    Text(String),
    /// A count, or minor units.
    Whole(i64),
    /// An amount with its decimal point.
    Decimal(String),
}

impl Cell {
    /// A figure that may be wider than any amount; then its digits are text.
    #[must_use]
    pub fn figure(value: i128) -> Self {
        i64::try_from(value).map_or_else(|_| Self::Text(value.to_string()), Self::Whole)
    }

    fn shown(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) | Self::Decimal(text) => text.clone(),
            Self::Whole(value) => value.to_string(),
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// One word in small letters.
    pub name: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are not here because there are too many; the oldest.
    pub left_off: u64,
}

impl Sheet {
    /// A table without rows.
    #[must_use]
    pub fn new(name: &str, about: &str, columns: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
            left_off: 0,
        }
    }
}

/// Tables, and when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose they are.
    pub title: String,
    /// In UTC, as RFC 3339 has it.
    pub made_at: String,
    /// In the order of reading.
    pub sheets: Vec<Sheet>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The book cannot be read.
    #[error(transparent)]
    Book(#[from] BookError),
    /// There is no file.
    #[error("there is no bank database at {0}")]
    Missing(String),
    /// A table was asked for that the report does not have.
    #[error("there is no table {name:?}; the tables are {known}")]
    Sheet {
        /// As it was asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// The workbook cannot be written.
    #[error("workbook: {0}")]
    Spreadsheet(String),
}

impl From<rusqlite::Error> for ReportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Book(BookError::Sqlite(error))
    }
}

/// Rows of one table, unless somebody wants more or fewer.
pub const ROWS: usize = 100_000;

/// The most rows of one table: what a sheet of a workbook holds below its header.
pub const ROWS_MAX: usize = 1_048_575;

impl Report {
    /// Reads a book. No table has more than `rows_max` rows, those that are newest.
    ///
    /// # Errors
    ///
    /// There is no book, or it cannot be read.
    pub fn of_book(
        path: &Path,
        title: &str,
        kind: Kind,
        rows_max: usize,
        made_at: String,
    ) -> Result<Self, ReportError> {
        if !path.exists() {
            return Err(ReportError::Missing(path.display().to_string()));
        }
        if !Book::is_at(path)? {
            return Err(BookError::NotABook.into());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(crate::book::BUSY_MAX)?;
        let reading = connection.transaction()?;
        let rows_max = rows_max.clamp(1, ROWS_MAX);
        let mut sheets = Vec::new();
        if matches!(kind, Kind::State | Kind::All) {
            sheets.extend(sheets::state(&reading, rows_max)?);
        }
        if matches!(kind, Kind::Settlement | Kind::Reconciliation | Kind::All) {
            let days = settlement::read(&reading)?;
            if kind != Kind::Reconciliation {
                sheets.push(settlement::sheet(&days, rows_max));
            }
            if kind != Kind::Settlement {
                sheets.push(settlement::fields(&days, rows_max));
            }
        }
        Ok(Self { title: title.to_owned(), made_at, sheets })
    }

    /// The table of that name.
    ///
    /// # Errors
    ///
    /// The report has none; the error names those it has.
    pub fn sheet(&self, name: &str) -> Result<&Sheet, ReportError> {
        self.sheets.iter().find(|sheet| sheet.name == name).ok_or_else(|| {
            let known: Vec<_> = self.sheets.iter().map(|sheet| sheet.name.as_str()).collect();
            ReportError::Sheet { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// All of it as bytes of a file. A file of comma-separated values has one table: `sheet`, or
    /// the first; the other formats have that one alone if it is given.
    ///
    /// # Errors
    ///
    /// There is no such table, or the workbook cannot be written.
    pub fn render(&self, format: Format, sheet: Option<&str>) -> Result<Vec<u8>, ReportError> {
        let all: Vec<&Sheet> = match sheet {
            Some(name) => vec![self.sheet(name)?],
            None => self.sheets.iter().collect(),
        };
        match format {
            Format::Csv => Ok(all.first().map(|sheet| paper::csv(sheet)).unwrap_or_default()),
            Format::Json => Ok(paper::json(self, &all)),
            Format::Html => Ok(paper::html(self, &all)),
            Format::Xlsx => spreadsheet::xlsx(&all),
        }
    }
}

/// A value as the database has it. Columns of amounts with a decimal point are text there.
fn cell(row: &Row<'_>, place: usize, is_decimal: bool) -> rusqlite::Result<Cell> {
    Ok(match row.get_ref(place)? {
        ValueRef::Null => Cell::Nothing,
        ValueRef::Integer(value) => Cell::Whole(value),
        ValueRef::Real(value) => Cell::Text(value.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            if is_decimal { Cell::Decimal(text) } else { Cell::Text(text) }
        }
    })
}
