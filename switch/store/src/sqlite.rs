//! The `SQLite` store: one file, one writer, one `fsync` per batch.
//!
//! WAL with `synchronous=FULL`: a commit has returned only when its frames are on disk, and a
//! frame that a crash cut short is not there after the next start. An OS lock on `<file>.lock`
//! keeps a second process away; it is gone with the process, however that ends. Readers are
//! connections of their own and never delay the writer.
//!
//! After a failure that may have left a batch half known, the store accepts nothing more: what
//! is durable is learnt by opening it again.
//!
//! A start does not read the history. It follows the chain along the last records, to where they
//! are anchored and further, and checks each older record that it loads against the one before;
//! the rest is for [`SqliteReader::verify`].

mod anchoring;
mod facts;
mod group;
mod look;
mod names;
mod outside;
mod read;
mod rows;
mod trim;
mod walk;

pub use look::{Filter, Paying, Reversing, Summary};
pub use outside::{anchors_path, read_anchors};
pub use read::SqliteReader;
pub use rows::last_four;

use crate::chain::Chain;
use crate::finding::{Break, Finding};
use crate::keys::{Keys, Sealer, private};
use crate::memory::check_order;
use crate::pending::{Pending, Stage, WINDOW};
use crate::{Entry, Journal, Lookup, Recovered, Refused, Store, StoreError, Trimmed};
use anchoring::Anchoring;
use names::Names;
use rows::Inserts;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trim::Trimming;
use veksel_core::record::{Record, RecordId, TxnId};
use veksel_core::time::Utc;

/// A journal in a `SQLite` database, and the right to write it.
pub struct SqliteStore {
    path: PathBuf,
    keys: Arc<Keys>,
    connection: Connection,
    sealer: Sealer,
    names: Names,
    pending: Pending,
    marks: Marks,
    anchoring: Anchoring,
    trimming: Trimming,
    stopped: bool,
    /// Held, never read: dropping it, last of all, gives the journal up.
    _lock: Lock,
}

impl SqliteStore {
    /// Keeps every transaction of these participants for as long as one of the same life
    /// ([`Store::trim`]).
    #[must_use]
    pub fn keeping_whole(mut self, participants: impl IntoIterator<Item = String>) -> Self {
        self.trimming.whole = participants.into_iter().collect();
        self
    }

    /// Opens the journal in this file, makes it if there is none, and brings its tables up to
    /// this version. The file is readable by its owner only.
    ///
    /// # Errors
    /// Another process has it, it cannot be opened or was written with other keys or by a later
    /// version, or one of its last records is damaged or missing.
    pub fn open(path: &Path, keys: Arc<Keys>) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        // SQLite would make it with the permissions of the day; its side files copy these.
        open_private(path)?;
        let mut connection = Connection::open(path).map_err(failed("opening it"))?;
        configure(&connection).map_err(failed("setting it up"))?;
        let schema = |source: refinery::Error| StoreError::Schema {
            path: path.to_owned(),
            source: Box::new(source),
        };
        // Grouped, or a crash between a migration and the note that it was done would leave a
        // journal that can never be opened again.
        schema::migrations::runner().set_grouped(true).run(&mut connection).map_err(schema)?;
        let marks = Marks::load(&connection, &keys).map_err(failed("reading its marks"))?;
        if marks.key != keys.id() {
            return Err(StoreError::Key { path: path.to_owned() });
        }
        let names = Names::load(&connection).map_err(failed("reading its names"))?;
        let head = match marks.head {
            None if marks.last > RecordId(0) => {
                let chain = anchoring::chain_up(&mut connection, path, &keys)?;
                let finding = Finding { record: marks.last, what: Break::End };
                chain.ok_or(StoreError::Broken(finding))?
            }
            None => Chain::START,
            Some(head) => head,
        };
        let anchoring = Anchoring::open(&connection, path, &keys, marks.last, head)?;
        let mut sealer = Sealer::new(Arc::clone(&keys));
        let pending = load_pending(&connection, &anchoring, &mut sealer, marks.last)?;
        tracing::info!(journal = %path.display(), last = marks.last.0, "journal opened");
        Ok(Self {
            path: path.to_owned(),
            sealer,
            keys,
            connection,
            names,
            pending,
            marks,
            anchoring,
            trimming: Trimming::default(),
            stopped: false,
            _lock: lock,
        })
    }

    fn write(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        let Self { connection, sealer, names, pending, marks, anchoring, .. } = self;
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("beginning a batch"))?;
        // From here on `pending`, `marks` and `anchoring` run ahead of the disk until the commit.
        self.stopped = true;
        let fail = failed("setting an anchor");
        let mut refused = Vec::new();
        let mut inserts = Inserts::prepare(&tx, sealer, names, anchoring.head)?;
        let mut rest = batch;
        while !rest.is_empty() {
            let took = inserts.insert(rest)?;
            let (stored, behind) = rest.split_at(took.chains.len());
            for ((id, record), chain) in stored.iter().zip(took.chains) {
                marks.apply(*id, record);
                pending.apply(*id, record);
                anchoring.took(&tx, *id, record.utc(), *chain).map_err(&fail)?;
            }
            rest = behind;
            if let Some(refusal) = took.refused
                && let Some(((id, record), behind)) = behind.split_first()
            {
                marks.apply(*id, record);
                marks.missing = marks.missing.saturating_add(1);
                refused.push(refusal);
                rest = behind;
            }
        }
        drop(inserts);
        anchoring.before_commit(&tx).map_err(&fail)?;
        store_pending(&tx, pending, marks.last).map_err(failed("storing what is pending"))?;
        if !refused.is_empty() {
            add_missing(&tx, refused.len() as u64).map_err(failed("counting what was refused"))?;
        }
        marks.head = Some(anchoring.head);
        marks.store(&tx).map_err(failed("storing its marks"))?;
        tx.commit().map_err(|source| StoreError::Commit {
            first: batch.first().map_or(marks.last, |(id, _)| *id),
            last: marks.last,
            source: Box::new(source),
        })?;
        self.stopped = false;
        anchoring.after_commit(connection);
        Ok(refused)
    }

    /// The records of what is open, and the facts that hold; those that [`Self::open`] has not
    /// seen are checked.
    fn load(&mut self) -> Result<Vec<Entry>, StoreError> {
        let Self { connection, sealer, pending, marks, .. } = self;
        let seen = window(marks.last);
        let mut read = |stored: walk::Stored<'_>| {
            if stored.id <= seen {
                walk::check(connection, stored)?;
            }
            Ok((stored.id, read::decoded(stored.id, stored.body, sealer)?))
        };
        let mut found = Vec::new();
        for txn in pending.open() {
            read::each_of(connection, txn, |stored| {
                found.push(read(stored)?);
                Ok(())
            })?;
        }
        facts::each(connection, |place, stored| {
            let entry = read(stored)?;
            place.check(&entry)?;
            found.push(entry);
            Ok(())
        })?;
        found.sort_unstable_by_key(|(id, _)| *id);
        Ok(found)
    }

    fn anchor(&mut self) -> Result<(), StoreError> {
        let Self { connection, anchoring, .. } = self;
        let fail = failed("setting the last anchor");
        let tx =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        anchoring.anchor(&tx).map_err(&fail)?;
        tx.commit().map_err(&fail)?;
        anchoring.after_commit(connection);
        Ok(())
    }
}

impl Journal for SqliteStore {
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        read::find(&self.connection, &mut self.sealer, lookup)
    }

    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        read::page(&self.connection, &mut self.sealer, after, limit)
    }
}

impl Store for SqliteStore {
    fn append(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        check_order(self.marks.last, batch)?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.write(batch).map_err(|error| match error {
            StoreError::Database { doing, source, .. } if self.stopped => {
                StoreError::Database { doing, source, retryable: false }
            }
            error => error,
        })
    }

    fn open(&mut self) -> Result<Recovered, StoreError> {
        Ok(Recovered {
            records: self.load()?,
            last: self.marks.last,
            txn: self.marks.txn,
            held: self.marks.held(),
            stans: self.marks.stans.iter().map(|(group, stan)| (group.clone(), *stan)).collect(),
        })
    }

    fn trim(&mut self, before: Utc, limit: usize) -> Result<Trimmed, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let Self { connection, pending, anchoring, trimming, marks, .. } = self;
        let trimmed = trimming.round(connection, pending, &anchoring.signer, before, limit)?;
        marks.missing = marks.missing.saturating_add(trimmed.removed);
        Ok(trimmed)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        self.anchor()?;
        self.fold_log();
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Journal>, StoreError> {
        Ok(Box::new(SqliteReader::open(&self.path, Arc::clone(&self.keys))?))
    }
}

impl SqliteStore {
    /// Moves what is in the write-ahead log into the database file, so that the file can be copied
    /// by itself. A reader in the middle of a read keeps it from happening; nothing is lost then.
    fn fold_log(&self) {
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        if let Err(error) = self.connection.query_row(fold, [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log stays beside the journal");
        }
    }
}

/// The numbers that must outlive the records they came from.
#[derive(Default)]
struct Marks {
    last: RecordId,
    txn: TxnId,
    /// Numbers up to `last` without a record: refused or trimmed.
    missing: u64,
    /// The key file that seals this journal.
    key: u32,
    /// Whether the journal says so itself.
    is_key_stored: bool,
    /// The chain value after the last stored record; `None` in an empty journal.
    head: Option<Chain>,
    stans: BTreeMap<String, u32>,
    /// Groups whose STAN changed since the last store.
    changed: BTreeSet<String>,
}

impl Marks {
    fn load(connection: &Connection, keys: &Keys) -> rusqlite::Result<Self> {
        // An empty journal belongs to whoever writes it first.
        let mut marks = Self { key: keys.id(), ..Self::default() };
        let mut select = connection.prepare("SELECT name, value, chain FROM marks")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            match name.as_str() {
                "record" => {
                    marks.last = RecordId(row.get(1)?);
                    marks.head = row.get_ref(2)?.as_blob().ok().and_then(Chain::from_bytes);
                }
                "txn" => marks.txn = TxnId(row.get(1)?),
                MISSING => marks.missing = row.get(1)?,
                "key" => (marks.key, marks.is_key_stored) = (row.get(1)?, true),
                other => {
                    if let Some(group) = other.strip_prefix("stan:") {
                        marks.stans.insert(group.to_owned(), row.get(1)?);
                    }
                }
            }
        }
        Ok(marks)
    }

    const fn held(&self) -> u64 {
        self.last.0.saturating_sub(self.missing)
    }

    fn apply(&mut self, id: RecordId, record: &Record) {
        self.last = id;
        self.txn = self.txn.max(record.txn().unwrap_or_default());
        let Record::Intent(intent) = record else { return };
        match self.stans.get_mut(&intent.group) {
            Some(stan) => *stan = intent.host_stan,
            None => _ = self.stans.insert(intent.group.clone(), intent.host_stan),
        }
        if !self.changed.contains(&intent.group) {
            self.changed.insert(intent.group.clone());
        }
    }

    fn store(&mut self, tx: &Connection) -> rusqlite::Result<()> {
        let mut upsert = tx.prepare_cached(
            "INSERT INTO marks (name, value, chain) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, chain = excluded.chain",
        )?;
        let none = None::<&[u8]>;
        let head = self.head.as_ref().map(Chain::as_bytes);
        upsert.execute(params!["record", self.last.0, head])?;
        if !self.is_key_stored {
            upsert.execute(params!["key", self.key, none])?;
            self.is_key_stored = true;
        }
        upsert.execute(params!["txn", self.txn.0, none])?;
        for group in std::mem::take(&mut self.changed) {
            let stan = self.stans.get(&group);
            upsert.execute(params![format!("stan:{group}"), stan, none])?;
        }
        Ok(())
    }
}

/// The mark that counts numbers without a record.
const MISSING: &str = "missing";

/// Counts records that were refused or removed, in the same commit.
fn add_missing(tx: &Connection, count: u64) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO marks (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    )?;
    upsert.execute(params![MISSING, count]).map(|_| ())
}

/// Behind this record begin those that a start reads.
fn window(last: RecordId) -> RecordId {
    RecordId(last.0.saturating_sub(WINDOW))
}

fn load_pending(
    connection: &Connection,
    anchoring: &Anchoring,
    sealer: &mut Sealer,
    last: RecordId,
) -> Result<Pending, StoreError> {
    let mut pending = stored_pending(connection).map_err(failed("reading what is pending"))?;
    anchoring::each_after(connection, &anchoring.signer, window(last), |id, body| {
        pending.replay(id, &read::decoded(id, body, sealer)?);
        Ok(())
    })?;
    Ok(pending)
}

fn stored_pending(connection: &Connection) -> rusqlite::Result<Pending> {
    let mut select = connection.prepare("SELECT txn, stage FROM pending")?;
    let stages: Vec<_> = select
        .query_map([], |row| Ok((TxnId(row.get(0)?), Stage::from_bits(row.get(1)?))))?
        .collect::<Result<_, _>>()?;
    Ok(Pending::from_stored(stages))
}

fn store_pending(tx: &Connection, pending: &mut Pending, last: RecordId) -> rusqlite::Result<()> {
    let changes = pending.take_changes(last);
    if changes.is_empty() {
        return Ok(());
    }
    let mut upsert = tx.prepare_cached(
        "INSERT INTO pending (txn, stage) VALUES (?1, ?2)
         ON CONFLICT (txn) DO UPDATE SET stage = excluded.stage",
    )?;
    let mut delete = tx.prepare_cached("DELETE FROM pending WHERE txn = ?1")?;
    for (txn, stage) in changes {
        match stage {
            Some(stage) => upsert.execute(params![txn.0, stage.bits()])?,
            None => delete.execute([txn.0])?,
        };
    }
    Ok(())
}

/// The right to write, given back when it is dropped.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, were it not for a child process that is just being started and
        // holds a copy of every file until it runs its own program.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the journal stays until the process ends");
        }
    }
}

/// Takes the journal for this process, or says that another has it.
fn lock(path: &Path) -> Result<Lock, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = open_private(Path::new(&name))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Open { path: name.into(), source }),
    }
}

fn open_private(path: &Path) -> Result<File, StoreError> {
    private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(path)
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_MAX)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A damaged page is refused rather than read as something else.
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(())
}

/// Names what failed, and whether it was only a lock somebody else held.
fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database {
        doing,
        retryable: matches!(
            source.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
        ),
        source: Box::new(source),
    }
}

mod schema {
    refinery::embed_migrations!("migrations");
}

/// How long to wait for somebody who writes with a tool of their own.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// Pages in the WAL after which a commit also copies them to the database: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4_096;
/// The WAL is cut back to this after a reader made it grow.
const WAL_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Pages kept in memory, so that the ends of the indexes never leave it.
const CACHE_KIB: i64 = 32 * 1024;
