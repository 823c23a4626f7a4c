//! Reading a `SQLite` journal: by its writer, or beside it through [`SqliteReader`].
//!
//! A reader needs no lock and may be another process: the command line lists the journal of a
//! running switch with it. Only bodies are read; the columns beside them are for SQL and people.

use super::failed;
use super::walk::{self, Stored};
use crate::chain::{Anchor, Signer};
use crate::finding::Report;
use crate::keys::{Keys, Sealer};
use crate::{Entry, FIND_MAX, Journal, Lookup, PAGE_MAX, StoreError};
use crate::{bytes, index};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Params, params};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use veksel_core::record::{DuplicateKey, Intent, Record, RecordId, TxnId};

/// A journal that is only read. Any number of them work beside the store.
#[derive(Debug)]
pub struct SqliteReader {
    pub(super) connection: Connection,
    keys: Arc<Keys>,
    sealer: Sealer,
}

impl SqliteReader {
    /// Opens the journal in this file, which must exist.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(path: &Path, keys: Arc<Keys>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(failed("opening it to read"))?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed("opening it to read"))?;
        let sealer = Sealer::new(Arc::clone(&keys));
        let reader = Self { connection, keys, sealer };
        reader.check_key(path)?;
        Ok(reader)
    }

    /// Follows the hash chain from the first record to the last, and compares it with every
    /// anchor: those of the journal, and those of a copy that was kept elsewhere.
    ///
    /// What it cannot see: that records after the last anchor were cut off or made anew
    /// ([`Report::unsigned`]), and anything that was done with the key file at hand, unless the
    /// copy of the anchors was out of reach. The columns beside a body are not under the chain;
    /// no record is ever read from them.
    ///
    /// # Errors
    /// The journal cannot be read. What it finds wrong is in the report.
    pub fn verify(&self, copy: &[Anchor]) -> Result<Report, StoreError> {
        walk::verify(&self.connection, &Signer::new(&self.keys), copy)
    }

    /// Asks the database whether its own structure is whole, tables and indexes. `None` if it
    /// is; otherwise its first complaint, which names pages and tables and no content.
    ///
    /// # Errors
    /// It could not even be asked.
    pub fn complaint(&self) -> Result<Option<String>, StoreError> {
        let sql = "PRAGMA integrity_check(1)";
        let said: rusqlite::Result<String> = self.connection.query_row(sql, [], |row| row.get(0));
        let said = said.map_err(unreadable(RecordId(0)))?;
        Ok((said != "ok").then_some(said))
    }

    fn check_key(&self, path: &Path) -> Result<(), StoreError> {
        let sql = "SELECT value FROM marks WHERE name = 'key'";
        let key: rusqlite::Result<Option<u32>> =
            self.connection.query_row(sql, [], |row| row.get(0)).optional();
        // Before its first record a journal belongs to nobody.
        match key.map_err(failed("opening it to read"))? {
            Some(key) if key != self.keys.id() => Err(StoreError::Key { path: path.to_owned() }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Journal for SqliteReader {
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        find(&self.connection, &mut self.sealer, lookup)
    }

    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        page(&self.connection, &mut self.sealer, after, limit)
    }
}

pub(super) fn find(
    connection: &Connection,
    sealer: &mut Sealer,
    lookup: &Lookup,
) -> Result<Vec<Entry>, StoreError> {
    match lookup {
        Lookup::Txn(txn) => {
            // A number beyond 63 bits was never stored.
            let Ok(txn) = i64::try_from(txn.0) else { return Ok(Vec::new()) };
            entries(connection, sealer, BY_TXN, [txn])
        }
        Lookup::Key(key) => {
            let bytes = index::key(key, &mut Vec::new());
            let found = entries(connection, sealer, BY_KEY, [bytes])?;
            Ok(only(found, |intent| intent.key == *key))
        }
        Lookup::Original { transmission, stan } => {
            let (from, to) = index::keys_of_original(transmission, *stan);
            let found = entries(connection, sealer, BY_ORIGINAL, params![from, to, FIND_MAX])?;
            let fits = |key: &DuplicateKey| key.transmission == *transmission && key.stan == *stan;
            Ok(only(found, |intent| fits(&intent.key)))
        }
        Lookup::Rrn(rrn) => entries(connection, sealer, BY_RRN, params![rrn, FIND_MAX]),
        Lookup::Card(pan) => {
            let hash = index::card(sealer, pan);
            let txns = with_card(connection, hash).map_err(failed("finding a card"))?;
            let found = open(connection, sealer, txns.into_iter())?;
            Ok(only(found, |intent| intent.pan.as_ref() == Some(pan)))
        }
        Lookup::CallerKey(key) => {
            let params = params![index::caller_key(key), FIND_MAX];
            let found = entries(connection, sealer, BY_CALLER_KEY, params)?;
            Ok(only(found, |intent| intent.caller_key.is_some_and(|of| of.key == *key)))
        }
    }
}

/// Of some transactions the ones whose intent fits: an index compares less than the whole.
fn only(mut found: Vec<Entry>, fits: impl Fn(&Intent) -> bool) -> Vec<Entry> {
    let fitting: HashSet<TxnId> = found
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Intent(intent) => fits(intent).then_some(intent.txn),
            Record::Outcome(_)
            | Record::Reversal(_)
            | Record::Inquiry(_)
            | Record::Notice(_)
            | Record::Fact(_) => None,
        })
        .collect();
    found.retain(|(_, record)| record.txn().is_some_and(|txn| fitting.contains(&txn)));
    found
}

/// The newest transactions with this hash, segment by segment as the index has them.
fn with_card(connection: &Connection, hash: i64) -> rusqlite::Result<Vec<TxnId>> {
    let (first, last): (i64, i64) = connection.query_row(
        "SELECT ifnull((SELECT min(id) FROM records) >> 16, 0),
                ifnull((SELECT max(id) FROM records) >> 16, -1)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut select = connection.prepare_cached(BY_CARD)?;
    let mut found = Vec::new();
    for segment in (first..=last).rev() {
        let room = FIND_MAX.saturating_sub(found.len());
        let rows = select.query_map(params![segment, hash, room], |row| row.get(0).map(TxnId))?;
        for txn in rows {
            found.push(txn?);
        }
        if found.len() >= FIND_MAX {
            break;
        }
    }
    Ok(found)
}

pub(super) fn page(
    connection: &Connection,
    sealer: &mut Sealer,
    after: RecordId,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let Ok(after) = i64::try_from(after.0) else { return Ok(Vec::new()) };
    let limit = limit.min(PAGE_MAX);
    let sql = "SELECT id, body FROM records WHERE id > ?1 ORDER BY id LIMIT ?2";
    entries(connection, sealer, sql, params![after, limit])
}

/// The records of these transactions, in journal order.
pub(super) fn open(
    connection: &Connection,
    sealer: &mut Sealer,
    txns: impl Iterator<Item = TxnId>,
) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    for txn in txns {
        found.extend(entries(connection, sealer, BY_TXN, [txn.0])?);
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    Ok(found)
}

/// The records of a transaction as they are stored, in journal order.
pub(super) fn each_of(
    connection: &Connection,
    txn: TxnId,
    mut each: impl FnMut(Stored<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fail = failed("reading records");
    let sql = "SELECT id, body, chain FROM records WHERE txn = ?1 ORDER BY id";
    let mut select = connection.prepare_cached(sql).map_err(&fail)?;
    let mut rows = select.query([txn.0]).map_err(&fail)?;
    let mut last = RecordId(0);
    loop {
        let Some(row) = rows.next().map_err(unreadable(last))? else { return Ok(()) };
        let stored = Stored::of(row).map_err(unreadable(last))?;
        last = stored.id;
        each(stored)?;
    }
}

/// The record that these bytes are.
pub(super) fn decoded(
    id: RecordId,
    body: &[u8],
    sealer: &mut Sealer,
) -> Result<Record, StoreError> {
    bytes::decode(id, body, sealer).map_err(|source| StoreError::Damaged { record: id, source })
}

/// What it means that the database could not give the record after this one.
pub(super) fn unreadable(after: RecordId) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Unreadable { after, source: Box::new(source) }
        }
        Some(_) | None => failed("reading records")(source),
    }
}

fn entries(
    connection: &Connection,
    sealer: &mut Sealer,
    sql: &str,
    params: impl Params,
) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    for_each(connection, sealer, sql, params, |id, record| found.push((id, record)))?;
    Ok(found)
}

fn for_each(
    connection: &Connection,
    sealer: &mut Sealer,
    sql: &str,
    params: impl Params,
    mut each: impl FnMut(RecordId, Record),
) -> Result<(), StoreError> {
    let fail = failed("reading records");
    let mut select = connection.prepare_cached(sql).map_err(&fail)?;
    let mut rows = select.query(params).map_err(&fail)?;
    let mut last = RecordId(0);
    while let Some(row) = rows.next().map_err(unreadable(last))? {
        let id = RecordId(row.get(0).map_err(&fail)?);
        let body = row.get_ref(1).map_err(&fail)?;
        let body = body.as_blob().map_err(|source| fail(source.into()))?;
        each(id, decoded(id, body, sealer)?);
        last = id;
    }
    Ok(())
}

const BY_TXN: &str = "SELECT id, body FROM records WHERE txn = ?1 ORDER BY id";

const BY_KEY: &str = "SELECT id, body FROM records
    WHERE txn = (SELECT txn FROM records WHERE key = ?1) ORDER BY id";

const BY_ORIGINAL: &str = "SELECT id, body FROM records
    WHERE txn IN (SELECT txn FROM records WHERE key >= ?1 AND key <= ?2 ORDER BY id DESC LIMIT ?3)
    ORDER BY id";

const BY_RRN: &str = "SELECT id, body FROM records
    WHERE txn IN (SELECT txn FROM records WHERE rrn = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id";

const BY_CALLER_KEY: &str = "SELECT id, body FROM records
    WHERE txn IN (SELECT txn FROM records WHERE caller_key = ?1 ORDER BY id DESC LIMIT ?2)
    ORDER BY id";

const BY_CARD: &str = "SELECT txn FROM records
    WHERE id >> 16 = ?1 AND card_hash = ?2 AND card_hash IS NOT NULL ORDER BY id DESC LIMIT ?3";
