//! Trimming: old transactions go, and the chain can still be followed across where they were.
//!
//! Transactions of a life that somebody reads as a whole go together, or what is left would be
//! taken for all there was: a change of a hold for the hold, a reversal for one of nothing. Whose
//! lives are read is said when the journal is opened; anybody else's go one by one, because a DE37
//! that comes again and again would keep everything.
//!
//! What goes is checked before, or trimming would wipe out the traces of a change: records that
//! do not fit the chain, and everything with them, stay until a person has looked.

use super::walk::{gap_of, place, value};
use super::{Pending, add_missing, failed};
use crate::chain::{Chain, Gap, Preimage, Signer};
use crate::finding::{Break, Finding};
use crate::{FIND_MAX, StoreError, Trimmed};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::BTreeSet;
use veksel_core::record::{RecordId, TxnId};
use veksel_core::time::Utc;

/// How far the trimming of a journal has come.
///
/// What stays although it is old is not looked at again and again: it goes with what keeps it, or
/// with the record that finishes it, and both come later in the journal. Only what was set free by
/// something else, such as a fact that another has followed, is found by beginning anew.
#[derive(Debug, Default)]
pub(super) struct Trimming {
    /// The record behind which the next round goes on.
    after: RecordId,
    /// What was old when the last round that began anew did.
    since: Option<Utc>,
    /// Whether there is more before what is young.
    is_under_way: bool,
    /// Participants whose transactions of one life go together.
    pub(super) whole: Vec<String>,
}

/// How often a round begins anew at the oldest record.
const ANEW_MS: u64 = 3_600_000;

impl Trimming {
    /// One round; see [`crate::Store::trim`].
    pub(super) fn round(
        &mut self,
        connection: &mut Connection,
        pending: &Pending,
        signer: &Signer,
        before: Utc,
        limit: usize,
    ) -> Result<Trimmed, StoreError> {
        let doing = "trimming";
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed(doing))?;
        let is_recent = |since: Utc| before.0.abs_diff(since.0) < ANEW_MS;
        if !self.is_under_way && !self.since.is_some_and(is_recent) {
            (self.after, self.since) = (RecordId(0), Some(before));
        }
        let rows = oldest(&tx, self.after, limit).map_err(failed(doing))?;
        let whole = self.whole.iter().map(|name| number(&tx, name));
        let whole: rusqlite::Result<Vec<_>> = whole.collect();
        let whole = whole.map_err(failed(doing))?.into_iter().flatten().collect();
        let (gone, seen) = (Vec::new(), BTreeSet::new());
        let mut taking = Taking { tx: &tx, pending, before, whole, gone, seen };
        let mut looked = rows.as_slice();
        for (place, (id, txn, utc)) in rows.iter().enumerate() {
            if taking.gone.len() >= limit.saturating_mul(GONE_FACTOR) {
                looked = rows.get(..place).unwrap_or_default();
                break;
            }
            let found = match txn {
                None if *utc < before => taking.single(*id),
                None => Ok(()),
                Some(txn) => taking.transaction(*txn),
            };
            found.map_err(failed(doing))?;
        }
        let mut gone = taking.gone;
        gone.sort_unstable_by_key(|gone| gone.id);
        if let Err(finding) = bridge(&tx, signer, &gone).map_err(failed(doing))? {
            tracing::error!(%finding, "the journal is damaged; nothing is trimmed");
            return Ok(Trimmed::default());
        }
        let removed = remove(&tx, &gone).map_err(failed(doing))?;
        if removed > 0 {
            add_missing(&tx, removed).map_err(failed(doing))?;
        }
        tx.commit().map_err(failed(doing))?;
        // A page that ends with a young record is where the old ones end, give or take a clock
        // that was set back; what it hid is found from the first young one on.
        let is_old = looked.last().is_some_and(|(_, _, utc)| *utc < before);
        let more = looked.len() < rows.len() || (rows.len() >= limit && is_old);
        let young = looked.iter().find(|(_, _, utc)| !more && *utc >= before);
        self.after = match (young, looked.last()) {
            (Some((id, _, _)), _) => RecordId(id.0.saturating_sub(1)),
            (None, Some((id, _, _))) => *id,
            (None, None) => self.after,
        };
        self.is_under_way = more;
        Ok(Trimmed { removed, more })
    }
}

type Age = (RecordId, Option<TxnId>, Utc);

fn oldest(tx: &Connection, after: RecordId, limit: usize) -> rusqlite::Result<Vec<Age>> {
    let mut select =
        tx.prepare_cached("SELECT id, txn, utc FROM records WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = select.query_map(params![after.0, limit], |row| {
        let txn: Option<u64> = row.get(1)?;
        Ok((RecordId(row.get(0)?), txn.map(TxnId), Utc(row.get(2)?)))
    })?;
    rows.collect()
}

/// A record that is to go.
struct Gone {
    id: RecordId,
    body: Vec<u8>,
    chain: Chain,
}

fn gone_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Gone> {
    Ok(Gone { id: RecordId(row.get(0)?), body: row.get(1)?, chain: value(row, 2)? })
}

/// What a round takes.
struct Taking<'t> {
    tx: &'t Connection,
    pending: &'t Pending,
    before: Utc,
    /// Numbers of the participants whose transactions of one life go together.
    whole: Vec<i64>,
    gone: Vec<Gone>,
    /// Transactions of which it is known whether they go.
    seen: BTreeSet<TxnId>,
}

impl Taking<'_> {
    /// Takes a record that belongs to no transaction: a notice, or a fact that another has
    /// followed.
    fn single(&mut self, id: RecordId) -> rusqlite::Result<()> {
        let sql = "SELECT id, body, chain FROM records
            WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM facts WHERE record = ?1)";
        self.gone.extend(self.tx.prepare_cached(sql)?.query_row([id.0], gone_of).optional()?);
        Ok(())
    }

    /// Takes every record of a transaction and of those that go with it, if all of them are
    /// finished and their youngest record is old enough.
    fn transaction(&mut self, txn: TxnId) -> rusqlite::Result<()> {
        if !self.seen.insert(txn) || self.stays(txn)? {
            return Ok(());
        }
        let life = self.life(txn)?;
        self.seen.extend(&life);
        for other in &life {
            if self.stays(*other)? {
                return Ok(());
            }
        }
        let sql = "SELECT id, body, chain FROM records WHERE txn = ?1";
        let mut select = self.tx.prepare_cached(sql)?;
        for txn in life {
            for row in select.query_map([txn.0], gone_of)? {
                self.gone.push(row?);
            }
        }
        Ok(())
    }

    /// Whether it is unfinished or has a young record.
    fn stays(&self, txn: TxnId) -> rusqlite::Result<bool> {
        if self.pending.contains(txn) {
            return Ok(true);
        }
        let sql = "SELECT max(utc) FROM records WHERE txn = ?1";
        let utc: Option<u64> = self.tx.prepare_cached(sql)?.query_row([txn.0], |row| row.get(0))?;
        Ok(utc.is_none_or(|utc| utc >= self.before.0))
    }

    /// The transactions that belong together with this one, and itself, newest first: a hold, its
    /// changes and its end; a payment and its reversal. They have one DE37 of one participant and
    /// one account and card. A DE37 that comes again and again means nothing any more, and no
    /// look-up finds more than [`FIND_MAX`]: what is behind these is by itself.
    fn life(&self, txn: TxnId) -> rusqlite::Result<Vec<TxnId>> {
        if self.whole.is_empty() {
            return Ok(vec![txn]);
        }
        let own = self.tx.prepare_cached(OWN)?.query_row([txn.0], |row| {
            let (rrn, participant): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
            let (account, card): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok((rrn, participant, account, card))
        });
        let is_whole =
            |participant: Option<i64>| participant.is_some_and(|p| self.whole.contains(&p));
        let own = own.optional()?.filter(|(_, participant, _, _)| is_whole(*participant));
        let Some((rrn, participant, account, card)) = own else { return Ok(vec![txn]) };
        let mut select = self.tx.prepare_cached(LIFE)?;
        let params = params![rrn, FIND_MAX, participant, account, card];
        let rows = select.query_map(params, |row| row.get(0).map(TxnId))?;
        let life = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(if life.contains(&txn) { life } else { vec![txn] })
    }
}

/// Records that a round removes before it ends, for each that it may look at: lives are long, and
/// a commit waits.
const GONE_FACTOR: usize = 4;

/// Without an account and a card nothing tells whose it is.
const OWN: &str = "SELECT rrn, participant, account, card FROM records
    WHERE txn = ?1 AND kind = 1 AND rrn IS NOT NULL AND coalesce(account, card) IS NOT NULL";

const LIFE: &str = "SELECT txn FROM
    (SELECT txn, kind, participant, account, card FROM records
        WHERE rrn = ?1 ORDER BY id DESC LIMIT ?2)
    WHERE kind = 1 AND participant IS ?3 AND account IS ?4 AND card IS ?5";

/// The number of a name, if the journal has it.
fn number(tx: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut select = tx.prepare_cached("SELECT id FROM names WHERE name = ?1")?;
    select.query_row([name], |row| row.get(0)).optional()
}

fn remove(tx: &Connection, gone: &[Gone]) -> rusqlite::Result<u64> {
    let mut delete = tx.prepare_cached("DELETE FROM records WHERE id = ?1")?;
    let mut removed = 0;
    for gone in gone {
        removed += u64::try_from(delete.execute([gone.id.0])?).unwrap_or(u64::MAX);
    }
    Ok(removed)
}

/// Writes down the gaps that these records will leave, after checking that they fit the chain.
/// They are in order, and still there.
fn bridge(
    tx: &Connection,
    signer: &Signer,
    gone: &[Gone],
) -> rusqlite::Result<Result<(), Finding>> {
    let mut rest = gone;
    while let Some(first) = rest.first() {
        let stretch = stretch(tx, rest)?;
        let (stretch, after) = rest.split_at(stretch);
        rest = after;
        let Some(last) = stretch.last() else { break };
        let (behind, before) = place(tx, RecordId(first.id.0.saturating_sub(1)))?;
        if let Some(wrong) = fault(tx, behind, before, stretch)? {
            return Ok(Err(wrong));
        }
        let mut gap = (first.id, last.id, before, last.chain);
        // Gaps that touch become one, so that there are never more than transactions that stay.
        for neighbour in touching(tx, behind, last.id)? {
            if !signer.has_signed_gap(&neighbour) {
                let what = Break::TrimSignature;
                return Ok(Err(Finding { record: neighbour.first, what }));
            }
            if neighbour.last < first.id {
                (gap.0, gap.2) = (neighbour.first, neighbour.before);
            } else if neighbour.before == gap.3 {
                (gap.1, gap.3) = (neighbour.last, neighbour.after);
            } else {
                let what = Break::Missing { before: neighbour.first };
                return Ok(Err(Finding { record: last.id, what }));
            }
            tx.prepare_cached("DELETE FROM trimmed WHERE first = ?1")?
                .execute([neighbour.first.0])?;
        }
        let gap = signer.gap(gap.0, gap.1, gap.2, gap.3);
        tx.prepare_cached(
            "INSERT INTO trimmed (first, last, before, after, signature)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            gap.first.0,
            gap.last.0,
            gap.before.as_bytes(),
            gap.after.as_bytes(),
            gap.signature.as_bytes()
        ])?;
        // What the gap says now is what they said.
        tx.prepare_cached("DELETE FROM anchors WHERE id >= ?1 AND id < ?2")?
            .execute([gap.first.0, gap.last.0])?;
    }
    Ok(Ok(()))
}

/// How many of these records, from the first, have no other record or gap between them.
fn stretch(tx: &Connection, gone: &[Gone]) -> rusqlite::Result<usize> {
    let mut length = 1;
    for (one, next) in gone.iter().zip(gone.iter().skip(1)) {
        if next.id.0 > one.id.0.saturating_add(1) {
            let (behind, _) = place(tx, RecordId(next.id.0.saturating_sub(1)))?;
            if behind != one.id {
                break;
            }
        }
        length += 1;
    }
    Ok(length)
}

/// The gaps that end where this stretch begins and begin where it ends.
fn touching(tx: &Connection, behind: RecordId, last: RecordId) -> rusqlite::Result<Vec<Gap>> {
    let columns = "SELECT first, last, before, after, signature FROM trimmed";
    let left = tx
        .prepare_cached(&format!("{columns} WHERE first <= ?1 ORDER BY first DESC LIMIT 1"))?
        .query_row([behind.0], gap_of)
        .optional()?
        .filter(|gap| gap.last == behind);
    let next: Option<u64> = tx
        .prepare_cached("SELECT id FROM records WHERE id > ?1 ORDER BY id LIMIT 1")?
        .query_row([last.0], |row| row.get(0))
        .optional()?;
    let right = tx
        .prepare_cached(&format!("{columns} WHERE first > ?1 ORDER BY first LIMIT 1"))?
        .query_row([last.0], gap_of)
        .optional()?
        .filter(|gap| next.is_none_or(|next| gap.first.0 < next));
    Ok(left.into_iter().chain(right).collect())
}

/// What of a stretch does not fit the chain, or an anchor that will go with it.
fn fault(
    tx: &Connection,
    behind: RecordId,
    before: Chain,
    stretch: &[Gone],
) -> rusqlite::Result<Option<Finding>> {
    let (mut chain, mut preimage) = (before, Preimage::default());
    let mut anchor = tx.prepare_cached("SELECT chain FROM anchors WHERE id = ?1")?;
    for gone in stretch {
        chain = preimage.follow(chain, gone.id, &gone.body);
        if chain != gone.chain {
            return Ok(Some(Finding { record: gone.id, what: Break::Changed }));
        }
        let anchored = anchor.query_row([gone.id.0], |row| value(row, 0)).optional()?;
        if anchored.is_some_and(|anchored| anchored != chain) {
            let record = RecordId(behind.0.saturating_add(1));
            return Ok(Some(Finding { record, what: Break::Rewritten { anchor: gone.id } }));
        }
    }
    Ok(None)
}
