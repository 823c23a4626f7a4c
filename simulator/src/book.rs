//! The bank's book: its `SQLite` database, which anyone may open with `sqlite3` while it runs.
//!
//! The ledger decides in memory; the book is where its effects are written before an answer
//! leaves, all of a turn in one transaction. A bank that is killed reads back exactly what it
//! has answered. WAL with `synchronous=NORMAL`: a killed process loses nothing, a power cut may
//! lose the last transactions, which a simulator can afford and a switch cannot.
//!
//! After a failed commit the ledger is ahead of the book, and the bank must stop.

mod read;
mod write;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::directory::Directory;
use crate::ledger::{Effect, Imbalance, Ledger, Limits, Profile, Unsound};
use crate::seeds::Opening;

/// The only writer of a book. Readers open the file themselves.
#[derive(Debug)]
pub struct Book {
    connection: Connection,
    /// Account numbers by account id.
    numbers: Vec<String>,
}

impl Book {
    /// Writes a new book from seeds. Refuses a file that already holds one.
    ///
    /// # Errors
    ///
    /// The file holds a book already, or `SQLite` fails; then there is no book.
    pub fn create(path: &Path, opening: &Opening) -> Result<Self, BookError> {
        let mut connection = connect(path)?;
        if application(&connection)? != 0 {
            return Err(BookError::Exists);
        }
        let numbers = numbers(&opening.ledger);
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(CUT_OVERS)?;
        transaction.execute_batch(ADJUSTMENTS)?;
        write::directory(&transaction, opening.directory.rows())?;
        write::accounts(&transaction, &opening.ledger)?;
        write::cards(&transaction, opening.directory.rows())?;
        write::effects(&transaction, &numbers, &opening.effects)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        Ok(Self { connection, numbers })
    }

    /// Opens a book and reads it back. The ledger has passed its audit, and its running sums
    /// equal those stored.
    ///
    /// # Errors
    ///
    /// The file is no book of this version, a row means nothing, or it does not balance.
    pub fn open(path: &Path, limits: Limits, profile: Profile) -> Result<Opened, BookError> {
        let connection = connect(path)?;
        match application(&connection)? {
            APPLICATION => {}
            _ => return Err(BookError::NotABook),
        }
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != VERSION {
            return Err(BookError::Version { found: version });
        }
        connection.execute_batch(CUT_OVERS)?;
        connection.execute_batch(ADJUSTMENTS)?;
        let (ledger, directory) = read::all(&connection, limits, profile)?;
        ledger.audit().map_err(BookError::Unbalanced)?;
        let book = Self { connection, numbers: numbers(&ledger) };
        Ok(Opened { book, ledger, directory })
    }

    /// Whether the file is a book; `false` for one that is missing or empty.
    ///
    /// # Errors
    ///
    /// The file is there and `SQLite` cannot read it.
    pub fn is_at(path: &Path) -> Result<bool, BookError> {
        match path.exists() {
            true => Ok(application(&connect(path)?)? == APPLICATION),
            false => Ok(false),
        }
    }

    /// Appends the effects of one turn: all of them, or none and an error. When it returns, the
    /// answers may leave.
    ///
    /// # Errors
    ///
    /// `SQLite` failed. The ledger is ahead of the book now, and the bank must stop.
    pub fn commit(&mut self, effects: &[Effect]) -> Result<(), BookError> {
        if effects.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        write::effects(&transaction, &self.numbers, effects)?;
        Ok(transaction.commit()?)
    }
}

/// A book that was read back.
#[derive(Debug)]
pub struct Opened {
    /// Goes on where it was left.
    pub book: Book,
    /// As after the last commit.
    pub ledger: Ledger,
    /// As it was seeded; it never changes.
    pub directory: Directory,
}

/// Why a bank cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// From `SQLite` itself: the disk, a lock, or a broken rule of the schema.
    #[error("bank database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A new book was to be written over one.
    #[error("bank database exists already; open it, or choose another path")]
    Exists,
    /// It has another application id.
    #[error("file is not a bank database")]
    NotABook,
    /// Written by another version of this program.
    #[error("bank database has version {found}, this program needs {VERSION}")]
    Version {
        /// The `user_version` in the file.
        found: i64,
    },
    /// A row means nothing.
    #[error("bank database table {table}: {what}")]
    Row {
        /// Where the row is.
        table: &'static str,
        /// Column and fault.
        what: String,
    },
    /// Two rows contradict each other.
    #[error("bank database does not add up: {0}")]
    Unsound(#[from] Unsound),
    /// Read, and the audit says no.
    #[error("bank database does not balance: {} problems, first: {}", .0.len(), first(.0))]
    Unbalanced(Vec<Imbalance>),
}

impl BookError {
    /// Another process held the file too long. Everything else needs a person.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
            }
            Self::Exists
            | Self::NotABook
            | Self::Version { .. }
            | Self::Row { .. }
            | Self::Unsound(_)
            | Self::Unbalanced(_) => false,
        }
    }
}

fn first(problems: &[Imbalance]) -> String {
    problems.first().map(Imbalance::to_string).unwrap_or_default()
}

fn connect(path: &Path) -> Result<Connection, BookError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn application(connection: &Connection) -> Result<i64, BookError> {
    Ok(connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

fn numbers(ledger: &Ledger) -> Vec<String> {
    ledger.accounts().map(|(_, account)| account.number.clone()).collect()
}

const SCHEMA: &str = include_str!("book/schema.sql");

const CUT_OVERS: &str = include_str!("book/cut_overs.sql");

const ADJUSTMENTS: &str = include_str!("book/adjustments.sql");

/// How long a commit waits for someone else's write.
pub(crate) const BUSY_MAX: Duration = Duration::from_secs(5);

/// "Vksl", so that `file` and a wrong path are told apart.
const APPLICATION: i64 = 0x566b_736c;

const VERSION: i64 = 1;

#[cfg(test)]
mod tests;
