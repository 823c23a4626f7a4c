//! veksel-store: facts. An ordered list of records that survives whatever happens to the process.
//!
//! It knows no business: what a record means, and what follows from a refusal, is the engine's.
//! It gives records bytes ([`bytes`]), seals card numbers ([`keys`]), appends batches in one
//! durable commit each ([`Store::append`], on a thread of its own in [`Committer`]), and finds
//! what a restart needs without reading the history ([`Store::open`]). A signed hash chain makes
//! changes show ([`chain`], [`SqliteReader::verify`]).
//!
//! [`SqliteStore`] is the default; [`MemoryStore`] is the reference it is tested against and
//! what simulations use. Both pass the same contract suite (`tests/store/contract.rs`).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bytes;
pub mod chain;
pub mod keys;

mod committer;
mod error;
mod finding;
mod index;
mod memory;
mod pending;
mod quick;
mod sqlite;

pub use committer::{Committer, Done, TrySend};
pub use error::{Fault, StoreError};
pub use finding::{Break, FINDINGS_MAX, Finding, Report};
pub use keys::{KeyError, Keys, Purpose};
pub use memory::MemoryStore;
pub use sqlite::{Filter, Paying, Reversing, SqliteReader, SqliteStore, Summary};
pub use sqlite::{anchors_path, last_four, read_anchors};

use veksel_core::record::{CardNumber, DuplicateKey, Record, RecordId, TxnId};
use veksel_core::time::Utc;

/// A record and its place.
pub type Entry = (RecordId, Record);

/// The reading half. A [`Store`] is one, and hands out others that read beside it.
pub trait Journal: Send {
    /// Every record of the transactions that fit, in journal order, at most
    /// [`FIND_MAX`] transactions and of those the newest. Nothing found is an empty list.
    ///
    /// # Errors
    /// The journal cannot be read, or a record of these is damaged.
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError>;

    /// The records that follow `after`, in order, at most `limit` and at most [`PAGE_MAX`].
    /// Refused and trimmed records are missing from the sequence.
    ///
    /// # Errors
    /// The journal cannot be read, or a record of the page is damaged.
    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError>;
}

/// The writing half: exactly one in the world per journal.
pub trait Store: Journal {
    /// Stores the batch in one durable commit, except intents whose duplicate key is taken.
    ///
    /// Returns once the records would survive a loss of power, with what was refused. Numbers
    /// go on from [`Recovered::last`] without a gap; a refused record uses up its number.
    ///
    /// # Errors
    /// Nothing of the batch may be acknowledged. Unless the error [`StoreError::is_retryable`],
    /// or only the numbers were wrong, nothing more is accepted.
    fn append(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError>;

    /// What a restart needs. Its cost grows with what is unfinished, not with the history.
    ///
    /// # Errors
    /// The journal cannot be read, or one of these records is damaged: then do not start.
    fn open(&mut self) -> Result<Recovered, StoreError>;

    /// Removes transactions whose every record is older than `before`, and notices of that age,
    /// oldest first, looking at no more than `limit` records. Transactions that are unfinished
    /// or parked stay, and so does the last record of a fact that is not over, however old; one
    /// that another has followed may stay a while longer. Call again while [`Trimmed::more`].
    ///
    /// Of participants that it was told to keep whole, transactions with one DE37, about one
    /// account and card, go together or stay together: one that is young or unfinished keeps all
    /// of them, so that the life of a hold is there from its beginning. They are at most
    /// [`FIND_MAX`]: of a DE37 that more have, the older ones go by themselves.
    ///
    /// # Errors
    /// Nothing was removed.
    fn trim(&mut self, before: Utc, limit: usize) -> Result<Trimmed, StoreError>;

    /// The last thing before a store is dropped in good order: whatever can be said about all of
    /// the journal is said, such as a signature up to its end. Appending may go on after it.
    ///
    /// # Errors
    /// It could not be stored; the records are as durable as before.
    fn close(&mut self) -> Result<(), StoreError>;

    /// A reader that works beside this store, on any thread. It sees what is committed.
    ///
    /// # Errors
    /// It could not be opened.
    fn reader(&self) -> Result<Box<dyn Journal>, StoreError>;
}

/// Which transactions to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// The one with this number.
    Txn(TxnId),
    /// The one that holds this key.
    Key(DuplicateKey),
    /// Payments with this DE7 and DE11, whoever sent them: what DE90 names.
    Original {
        /// DE7.
        transmission: String,
        /// DE11 as the sender gave it.
        stan: u32,
    },
    /// Those with this DE37.
    Rrn(String),
    /// Payments with this card, found by its keyed hash.
    Card(CardNumber),
    /// What was recorded of a request that its caller over HTTP knows by this key
    /// ([`veksel_core::record::CallerKey`]), whatever it was about.
    CallerKey([u8; 16]),
}

/// An intent that was not stored, because its duplicate key was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The number it used up.
    pub id: RecordId,
    /// The transaction it would have opened.
    pub txn: TxnId,
    /// The transaction that holds the key.
    pub stored: TxnId,
}

/// What a restart needs to know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Every record of the transactions that are unfinished, and the last record of each fact
    /// that is not over, together in journal order. Unfinished is an intent without outcome, a
    /// reversal or delivery that is neither settled nor resolved, and a payment at a bank that
    /// is not over.
    pub records: Vec<Entry>,
    /// The last number used, by a stored or a refused record; 0 in an empty journal.
    pub last: RecordId,
    /// The highest transaction any record named.
    pub txn: TxnId,
    /// Records that are stored: those not refused and not trimmed.
    pub held: u64,
    /// The STAN most recently given out per link group, by name. The latest, not the highest:
    /// after 999999 the numbering starts over, and the highest would say nothing.
    pub stans: Vec<(String, u32)>,
}

/// How far a trim came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trimmed {
    /// Records removed.
    pub removed: u64,
    /// Whether the limit ended it.
    pub more: bool,
}

/// Transactions that one [`Journal::find`] returns.
pub const FIND_MAX: usize = 256;

/// Records that one [`Journal::page`] returns.
pub const PAGE_MAX: usize = 10_000;
