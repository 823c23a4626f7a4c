//! What can go wrong with a journal: whose fault it is, where, and whether trying again helps.
//!
//! Messages carry numbers and names of columns, never the content of a record.

use crate::bytes::BytesError;
use crate::chain::NoAnchor;
use crate::finding::Finding;
use crate::keys::SealError;
use std::path::PathBuf;
use veksel_core::record::RecordId;

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process owns the journal.
    #[error(
        "the journal {} belongs to another running process; stop that one first, or give this \
         one a journal of its own",
        path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file or its lock could not be opened or made.
    #[error("cannot open the journal {}: {source}", path.display())]
    Open {
        /// The file that could not be opened.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tables are not those of this version, or not ours.
    #[error("the journal {} does not fit this version of veksel: {source}", path.display())]
    Schema {
        /// The database file.
        path: PathBuf,
        /// What the migration found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The card numbers in it were sealed with another key file.
    #[error("the journal {} was written with another key file", path.display())]
    Key {
        /// The database file.
        path: PathBuf,
    },
    /// The database did not do something other than commit.
    #[error("the journal failed while {doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Whether another attempt can succeed: someone else held a lock.
        retryable: bool,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Whether the batch is on disk is not known. The process must stop.
    #[error("the journal could not make records {first} to {last} durable: {source}",
        first = first.0, last = last.0)]
    Commit {
        /// First record of the batch.
        first: RecordId,
        /// Last record of the batch.
        last: RecordId,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine skipped or repeated a number.
    #[error("record {} does not follow record {}", found.0, last.0)]
    Order {
        /// The last number used.
        last: RecordId,
        /// What came instead of the next.
        found: RecordId,
    },
    /// A number does not fit the 63 bits a database gives it.
    #[error("record {} holds a number beyond what the journal can keep", record.0)]
    Range {
        /// The record with the number.
        record: RecordId,
    },
    /// A record cannot be read back.
    #[error("record {} is damaged: {source}", record.0)]
    Damaged {
        /// Which one.
        record: RecordId,
        /// What is wrong with its bytes.
        source: BytesError,
    },
    /// The database is damaged.
    #[error("the journal is damaged behind record {}: {source}", after.0)]
    Unreadable {
        /// The last record that could be read; 0 if none was.
        after: RecordId,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The hash chain does not fit the records: something was changed or is missing.
    #[error("the journal is damaged: {0}")]
    Broken(Finding),
    /// The anchors file tells of records that the journal does not have: it was cut, or an older
    /// copy was put in its place.
    #[error(
        "the journal ends with record {}, but {} has an anchor after record {} that is not its          own; put back the journal that belongs to it, or move that file away",
        last.0, path.display(), anchor.0
    )]
    Cut {
        /// The anchors file.
        path: PathBuf,
        /// The last record of the journal.
        last: RecordId,
        /// The last record that the file knows.
        anchor: RecordId,
    },
    /// A line of an anchors file is none.
    #[error("{} of {} is no anchor: {why}", place(*line), path.display())]
    Anchors {
        /// The anchors file.
        path: PathBuf,
        /// Which line; `None` is the last.
        line: Option<u64>,
        /// What is wrong with it.
        why: NoAnchor,
    },
    /// A card number could not be encrypted.
    #[error("the card number of record {} could not be sealed: {source}", record.0)]
    Seal {
        /// Which record.
        record: RecordId,
        /// Why.
        source: SealError,
    },
    /// An earlier failure closed the journal.
    #[error("the journal accepts nothing after an earlier failure")]
    Stopped,
    /// The committer thread came to an unexpected end.
    #[error("the committer thread panicked")]
    Panicked,
}

/// Who has to do something about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The switch itself: a defect.
    Switch,
    /// The person who runs it: configuration, version, a second process.
    Operator,
    /// The disk or the system below.
    Machine,
}

impl StoreError {
    /// Whether the same call may succeed later. Nothing was changed by the one that failed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InUse { .. } => true,
            Self::Database { retryable, .. } => *retryable,
            Self::Open { .. }
            | Self::Schema { .. }
            | Self::Key { .. }
            | Self::Commit { .. }
            | Self::Order { .. }
            | Self::Range { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::Broken(_)
            | Self::Cut { .. }
            | Self::Anchors { .. }
            | Self::Seal { .. }
            | Self::Stopped
            | Self::Panicked => false,
        }
    }

    /// Whether the process must stop, because what is durable is no longer known or nothing can
    /// be made durable any more.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.is_retryable()
    }

    /// Whose it is to mend.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::InUse { .. }
            | Self::Open { .. }
            | Self::Schema { .. }
            | Self::Key { .. }
            | Self::Cut { .. }
            | Self::Anchors { .. } => Fault::Operator,
            Self::Database { .. }
            | Self::Commit { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. }
            | Self::Broken(_)
            | Self::Seal { .. } => Fault::Machine,
            Self::Order { .. } | Self::Range { .. } | Self::Stopped | Self::Panicked => {
                Fault::Switch
            }
        }
    }
}

fn place(line: Option<u64>) -> String {
    line.map_or_else(|| "the last line".to_owned(), |line| format!("line {line}"))
}
