//! Setting anchors while records are written, and what a start finds out about the chain.

use super::failed;
use super::outside::Outside;
use super::read::unreadable;
use super::walk::{Stored, Walk, anchor_of, place};
use crate::StoreError;
use crate::chain::{ANCHOR_MS, ANCHOR_RECORDS, Chain, Preimage, Signer};
use crate::finding::{Break, Finding};
use crate::keys::Keys;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use veksel_core::record::RecordId;
use veksel_core::time::Utc;

/// The end of the chain, and how far it is anchored. Runs ahead of the disk within a batch.
#[derive(Debug)]
pub(super) struct Anchoring {
    pub(super) signer: Signer,
    outside: Outside,
    /// The chain value after the last stored record.
    pub(super) head: Chain,
    /// The last stored record, and when it was made. `None` if it is anchored.
    loose: Option<(RecordId, Utc)>,
    /// Records after the last anchor.
    count: u64,
    /// When the last anchored record was made.
    anchored: Utc,
    /// Anchors were set that the file does not have.
    is_behind: bool,
}

impl Anchoring {
    /// Takes up the chain at the end of the journal, which `head` says, and checks the last
    /// anchor. That the records in between fit is checked by who reads them.
    pub(super) fn open(
        connection: &Connection,
        path: &Path,
        keys: &Keys,
        last: RecordId,
        head: Chain,
    ) -> Result<Self, StoreError> {
        let fail = failed("reading its anchors");
        let signer = Signer::new(keys);
        let (end, value) = place(connection, RecordId(u64::MAX)).map_err(&fail)?;
        if end > last || value != head {
            return Err(broken(end, Break::End));
        }
        let anchor = connection
            .query_row(
                "SELECT id, utc, chain, signature FROM anchors ORDER BY id DESC LIMIT 1",
                [],
                anchor_of,
            )
            .optional()
            .map_err(&fail)?;
        let mut since = RecordId(0);
        if let Some(anchor) = &anchor {
            if !signer.has_signed(anchor) {
                return Err(broken(anchor.record, Break::AnchorSignature));
            }
            let (place, value) = place(connection, anchor.record).map_err(&fail)?;
            // Trimmed with those around it: then the gap says what the anchor said.
            let is_trimmed = place > anchor.record;
            if !is_trimmed && place != anchor.record {
                return Err(broken(anchor.record, Break::Anchored));
            }
            if !is_trimmed && value != anchor.chain {
                return Err(broken(place, Break::Rewritten { anchor: place }));
            }
            since = place;
        }
        let (count, loose) = loose(connection, since).map_err(&fail)?;
        let trimmed = gap_after(connection, since).map_err(&fail)?;
        if count > ANCHOR_RECORDS && !trimmed {
            let record = RecordId(since.0.saturating_add(1));
            return Err(broken(record, Break::Unanchored));
        }
        let outside = Outside::open(path, connection, last)?;
        let anchored = anchor.map_or(Utc(0), |anchor| anchor.utc);
        Ok(Self { signer, outside, head, loose, count, anchored, is_behind: false })
    }

    /// A record was inserted.
    pub(super) fn took(
        &mut self,
        tx: &Connection,
        id: RecordId,
        utc: Utc,
        chain: Chain,
    ) -> rusqlite::Result<()> {
        self.head = chain;
        self.loose = Some((id, utc));
        self.count += 1;
        if self.count >= ANCHOR_RECORDS { self.anchor(tx) } else { Ok(()) }
    }

    /// A batch is about to be committed.
    pub(super) fn before_commit(&mut self, tx: &Connection) -> rusqlite::Result<()> {
        // Either way: a clock may have been set back.
        let is_due =
            self.loose.is_some_and(|(_, utc)| utc.0.abs_diff(self.anchored.0) >= ANCHOR_MS);
        if is_due { self.anchor(tx) } else { Ok(()) }
    }

    /// Sets an anchor after the last record, if it has none.
    pub(super) fn anchor(&mut self, tx: &Connection) -> rusqlite::Result<()> {
        let Some((record, utc)) = self.loose.take() else { return Ok(()) };
        let anchor = self.signer.anchor(record, self.head, utc);
        tx.prepare_cached(
            "INSERT INTO anchors (id, utc, chain, signature) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            record.0,
            utc.0,
            anchor.chain.as_bytes(),
            anchor.signature.as_bytes()
        ])?;
        self.count = 0;
        self.anchored = utc;
        self.is_behind = true;
        Ok(())
    }

    /// Brings the file up to what was committed. The commit stands whatever becomes of it.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        if !self.is_behind {
            return;
        }
        match self.outside.follow(connection) {
            Ok(()) => self.is_behind = false,
            Err(error) => tracing::warn!(%error, "the anchors file stays behind for now"),
        }
    }
}

/// How many records wait for an anchor after this one, counted as far as one more than may, and
/// the last of them.
fn loose(
    connection: &Connection,
    since: RecordId,
) -> rusqlite::Result<(u64, Option<(RecordId, Utc)>)> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM records WHERE id > ?1 LIMIT ?2)";
    let most = ANCHOR_RECORDS.saturating_add(1);
    let count = connection.query_row(sql, [since.0, most], |row| row.get(0))?;
    let sql = "SELECT id, utc FROM records WHERE id > ?1 ORDER BY id DESC LIMIT 1";
    let of = |row: &rusqlite::Row<'_>| Ok((RecordId(row.get(0)?), Utc(row.get(1)?)));
    Ok((count, connection.query_row(sql, [since.0], of).optional()?))
}

fn gap_after(connection: &Connection, since: RecordId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM trimmed WHERE last > ?1 LIMIT 1";
    connection.prepare(sql)?.exists([since.0])
}

/// Follows the chain along the records behind `after`, and shows each to `each`.
pub(super) fn each_after(
    connection: &Connection,
    signer: &Signer,
    after: RecordId,
    mut each: impl FnMut(RecordId, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fail = failed("reading records");
    let mut walk = Walk::after(connection, signer, after).map_err(&fail)?;
    let sql = "SELECT id, body, chain FROM records WHERE id > ?1 ORDER BY id";
    let mut select = connection.prepare(sql).map_err(&fail)?;
    let mut rows = select.query([after.0]).map_err(&fail)?;
    loop {
        let last = walk.last;
        let Some(row) = rows.next().map_err(unreadable(last))? else { break };
        let stored = Stored::of(row).map_err(unreadable(last))?;
        each(stored.id, stored.body)?;
        while let Some((_, wrong)) = walk.gap(stored.id) {
            wrong.map_or(Ok(()), |finding| Err(StoreError::Broken(finding)))?;
        }
        walk.record(stored).map_or(Ok(()), |finding| Err(StoreError::Broken(finding)))?;
    }
    Ok(())
}

/// Gives a journal from before there was a chain one. `None` if this cannot be such a journal.
pub(super) fn chain_up(
    connection: &mut Connection,
    path: &Path,
    keys: &Keys,
) -> Result<Option<Chain>, StoreError> {
    let fail = failed("giving it a chain");
    let sql = "SELECT (SELECT count(*) FROM anchors) + (SELECT count(*) FROM trimmed)";
    let signed: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(&fail)?;
    // A chain that was there and is not is damage, and must not be made good by a new one.
    if signed > 0 || Outside::is_there(path) {
        return Ok(None);
    }
    tracing::info!("the journal has no hash chain yet; it gets one now");
    let tx = connection.transaction().map_err(&fail)?;
    let signer = Signer::new(keys);
    let (mut chain, mut preimage) = (Chain::START, Preimage::default());
    let (mut after, mut count) = (0_u64, 0_u64);
    {
        let sql = "SELECT id, utc, body FROM records WHERE id > ?1 ORDER BY id LIMIT 1000";
        let mut select = tx.prepare(sql).map_err(&fail)?;
        let mut update =
            tx.prepare("UPDATE records SET chain = ?2 WHERE id = ?1").map_err(&fail)?;
        let mut anchors = tx
            .prepare("INSERT INTO anchors (id, utc, chain, signature) VALUES (?1, ?2, ?3, ?4)")
            .map_err(&fail)?;
        loop {
            let of = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let page: Vec<(u64, u64, Vec<u8>)> =
                select.query_map([after], of).and_then(Iterator::collect).map_err(&fail)?;
            let Some((end, ..)) = page.last() else { break };
            let end = *end;
            for (id, utc, body) in page {
                chain = preimage.follow(chain, RecordId(id), &body);
                update.execute(params![id, chain.as_bytes()]).map_err(&fail)?;
                count += 1;
                if count.is_multiple_of(ANCHOR_RECORDS) || id == end {
                    let anchor = signer.anchor(RecordId(id), chain, Utc(utc));
                    let signature = anchor.signature.as_bytes();
                    anchors
                        .execute(params![id, utc, chain.as_bytes(), signature])
                        .map_err(&fail)?;
                }
            }
            after = end;
        }
    }
    let sql = "UPDATE marks SET chain = ?1 WHERE name = 'record'";
    tx.execute(sql, [chain.as_bytes()]).map_err(&fail)?;
    tx.commit().map_err(&fail)?;
    Ok(Some(chain))
}

fn broken(record: RecordId, what: Break) -> StoreError {
    StoreError::Broken(Finding { record, what })
}
