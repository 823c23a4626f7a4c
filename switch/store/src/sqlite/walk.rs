//! Following the chain along the records: all of them for [`verify`], the last ones at a start,
//! and single ones by what stands before them.
//!
//! Trimmed records are stepped over by what their gap says; a gap is signed, so it counts as an
//! anchor for what stands before it.

use super::failed;
use super::read::unreadable;
use crate::StoreError;
use crate::chain::{ANCHOR_RECORDS, Anchor, Chain, Gap, Preimage, Signature, Signer};
use crate::finding::{Break, Finding, Report};
use rusqlite::{Connection, OptionalExtension, Row};
use std::iter::Peekable;
use std::vec::IntoIter;
use veksel_core::record::RecordId;
use veksel_core::time::Utc;

/// A place in the chain, moving towards the end.
pub(super) struct Walk<'s> {
    signer: &'s Signer,
    gaps: Peekable<IntoIter<Gap>>,
    preimage: Preimage,
    /// The chain value here.
    pub(super) chain: Chain,
    /// The last record behind, trimmed or not.
    pub(super) last: RecordId,
}

/// A record as it is stored.
#[derive(Clone, Copy)]
pub(super) struct Stored<'r> {
    pub(super) id: RecordId,
    pub(super) body: &'r [u8],
    /// `None` if it is no chain value at all.
    pub(super) chain: Option<Chain>,
}

impl<'r> Stored<'r> {
    /// From the columns id, body and chain.
    pub(super) fn of(row: &'r Row<'_>) -> rusqlite::Result<Self> {
        let chain = row.get_ref(2)?.as_blob().ok().and_then(Chain::from_bytes);
        Ok(Self { id: RecordId(row.get(0)?), body: row.get_ref(1)?.as_blob()?, chain })
    }
}

impl<'s> Walk<'s> {
    /// Starts behind this record.
    pub(super) fn after(
        connection: &Connection,
        signer: &'s Signer,
        after: RecordId,
    ) -> rusqlite::Result<Self> {
        let (last, chain) = place(connection, after)?;
        let gaps = gaps_after(connection, last)?.into_iter().peekable();
        Ok(Self { signer, gaps, preimage: Preimage::default(), chain, last })
    }

    /// Steps over the next gap that begins before this record.
    pub(super) fn gap(&mut self, before: RecordId) -> Option<(Gap, Option<Finding>)> {
        let gap = self.gaps.next_if(|gap| gap.first < before)?;
        let wrong = if !self.signer.has_signed_gap(&gap) || gap.last >= before {
            Some(Finding { record: gap.first, what: Break::TrimSignature })
        } else if gap.before != self.chain {
            Some(self.missing(gap.first))
        } else {
            None
        };
        (self.chain, self.last) = (gap.after, gap.last);
        Some((gap, wrong))
    }

    /// Steps over a record. What comes after is judged by what this one says.
    pub(super) fn record(&mut self, stored: Stored<'_>) -> Option<Finding> {
        let computed = self.preimage.follow(self.chain, stored.id, stored.body);
        let wrong = if stored.chain == Some(computed) {
            None
        } else if stored.id.0 > self.last.0.saturating_add(1) {
            Some(self.missing(stored.id))
        } else {
            Some(Finding { record: stored.id, what: Break::Changed })
        };
        (self.chain, self.last) = (stored.chain.unwrap_or(computed), stored.id);
        wrong
    }

    fn missing(&self, before: RecordId) -> Finding {
        let record = RecordId(self.last.0.saturating_add(1));
        Finding { record, what: Break::Missing { before } }
    }
}

/// The last record up to this one, trimmed or not, and the chain value after it.
pub(super) fn place(
    connection: &Connection,
    upto: RecordId,
) -> rusqlite::Result<(RecordId, Chain)> {
    let upto = i64::try_from(upto.0).unwrap_or(i64::MAX);
    let of = |row: &Row<'_>| Ok((RecordId(row.get(0)?), value(row, 1)?));
    let record = connection
        .prepare_cached("SELECT id, chain FROM records WHERE id <= ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([upto], of)
        .optional()?;
    let gap = connection
        .prepare_cached(
            "SELECT last, after FROM trimmed WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row([upto], of)
        .optional()?;
    let last = record.into_iter().chain(gap).max_by_key(|(id, _)| *id);
    Ok(last.unwrap_or((RecordId(0), Chain::START)))
}

/// A chain value in a column; anything else is as wrong as a wrong value.
pub(super) fn value(row: &Row<'_>, column: usize) -> rusqlite::Result<Chain> {
    let bytes = row.get_ref(column)?;
    Ok(bytes.as_blob().ok().and_then(Chain::from_bytes).unwrap_or(Chain::START))
}

pub(super) fn gap_of(row: &Row<'_>) -> rusqlite::Result<Gap> {
    Ok(Gap {
        first: RecordId(row.get(0)?),
        last: RecordId(row.get(1)?),
        before: value(row, 2)?,
        after: value(row, 3)?,
        signature: signature(row, 4)?,
    })
}

fn signature(row: &Row<'_>, column: usize) -> rusqlite::Result<Signature> {
    let bytes = row.get_ref(column)?.as_blob().ok();
    Ok(bytes.and_then(Signature::from_bytes).unwrap_or(Signature::NONE))
}

fn gaps_after(connection: &Connection, after: RecordId) -> rusqlite::Result<Vec<Gap>> {
    let sql = "SELECT first, last, before, after, signature FROM trimmed
        WHERE first > ?1 ORDER BY first";
    connection.prepare_cached(sql)?.query_map([after.0], gap_of)?.collect()
}

/// The anchors after this record, in order.
pub(super) fn anchors_after(
    connection: &Connection,
    after: RecordId,
    most: Option<u32>,
) -> rusqlite::Result<Vec<Anchor>> {
    let sql = "SELECT id, utc, chain, signature FROM anchors WHERE id > ?1 ORDER BY id LIMIT ?2";
    let most = most.map_or(-1, i64::from);
    let mut select = connection.prepare_cached(sql)?;
    let anchors =
        select.query_map([i64::try_from(after.0).unwrap_or(i64::MAX), most], anchor_of)?;
    anchors.collect()
}

pub(super) fn anchor_of(row: &Row<'_>) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        record: RecordId(row.get(0)?),
        utc: Utc(row.get(1)?),
        chain: value(row, 2)?,
        signature: signature(row, 3)?,
    })
}

/// Checks that a record follows what stands before it.
pub(super) fn check(connection: &Connection, stored: Stored<'_>) -> Result<(), StoreError> {
    let before = RecordId(stored.id.0.saturating_sub(1));
    let (last, chain) = place(connection, before).map_err(failed("following the chain"))?;
    let computed = Preimage::default().follow(chain, stored.id, stored.body);
    if stored.chain == Some(computed) {
        return Ok(());
    }
    let what = Break::Changed;
    let finding = if last == before {
        Finding { record: stored.id, what }
    } else {
        let record = RecordId(last.0.saturating_add(1));
        Finding { record, what: Break::Missing { before: stored.id } }
    };
    Err(StoreError::Broken(finding))
}

/// Follows the whole chain and compares it with every anchor: those in the journal, and those of
/// a copy that was kept elsewhere.
pub(super) fn verify(
    connection: &Connection,
    signer: &Signer,
    copy: &[Anchor],
) -> Result<Report, StoreError> {
    let fail = failed("checking the journal");
    // One snapshot, however much is appended meanwhile.
    let tx = connection.unchecked_transaction().map_err(&fail)?;
    let (end, noted) = end(&tx).map_err(&fail)?;
    let anchors = Anchors::new(&tx, copy).map_err(&fail)?;
    let walk = Walk::after(&tx, signer, RecordId(0)).map_err(&fail)?;
    let report = Report {
        records: 0,
        last: end,
        anchors: 0,
        anchor: None,
        unsigned: 0,
        gaps: 0,
        skipped: 0,
        findings: Vec::new(),
        found: 0,
        key: signer.public(),
    };
    let mut check = Check { walk, anchors, report, since: RecordId(0), alone: 0, held: None };
    let sql = "SELECT id, body, chain FROM records ORDER BY id";
    let mut select = tx.prepare(sql).map_err(&fail)?;
    let mut rows = select.query([]).map_err(&fail)?;
    loop {
        let last = check.walk.last;
        let row = rows.next().map_err(unreadable(last))?;
        let Some(row) = row else { break };
        check.record(Stored::of(row).map_err(unreadable(last))?);
    }
    Ok(check.end(noted))
}

/// The last number used, and the chain value that the journal notes for its end.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<(RecordId, Option<Chain>)> {
    let sql = "SELECT value, chain FROM marks WHERE name = 'record'";
    let of = |row: &Row<'_>| {
        let chain = row.get_ref(1)?.as_blob().ok().and_then(Chain::from_bytes);
        Ok((RecordId(row.get(0)?), chain))
    };
    Ok(connection.query_row(sql, [], of).optional()?.unwrap_or_default())
}

/// The anchors to be met, in the order of their records.
struct Anchors {
    waiting: Peekable<IntoIter<Anchor>>,
}

impl Anchors {
    fn new(connection: &Connection, copy: &[Anchor]) -> rusqlite::Result<Self> {
        let mut all = anchors_after(connection, RecordId(0), None)?;
        all.extend_from_slice(copy);
        all.sort_by_key(|anchor| anchor.record);
        all.dedup();
        Ok(Self { waiting: all.into_iter().peekable() })
    }

    /// The next anchor that stands before this record.
    fn before(&mut self, record: RecordId) -> Option<Anchor> {
        self.waiting.next_if(|anchor| anchor.record < record)
    }
}

/// A whole check while it goes on.
struct Check<'s> {
    walk: Walk<'s>,
    anchors: Anchors,
    report: Report,
    /// Up to here an anchor or a gap has confirmed the chain.
    since: RecordId,
    /// Records since.
    alone: u64,
    /// A finding that may turn out to be one half of an exchange, with what it was found in.
    held: Option<Held>,
}

/// A record that did not fit.
struct Held {
    finding: Finding,
    id: RecordId,
    before: Chain,
    chain: Option<Chain>,
    body: Vec<u8>,
}

impl Check<'_> {
    fn record(&mut self, stored: Stored<'_>) {
        self.gaps(stored.id);
        self.pass(stored.id);
        let before = self.walk.chain;
        let found = self.walk.record(stored);
        self.report.records += 1;
        self.alone += 1;
        if let Some(held) = &self.held
            && let Some(chain) = held.exchanged(stored)
        {
            let what = Break::Reordered { with: stored.id };
            self.report.add(Finding { record: held.id, what });
            self.held = None;
            self.walk.chain = chain;
        } else {
            self.release();
            self.held = found.map(|finding| Held {
                finding,
                id: stored.id,
                before,
                chain: stored.chain,
                body: stored.body.to_vec(),
            });
        }
        self.meet(stored.id);
        if self.alone == ANCHOR_RECORDS + 1 {
            let record = RecordId(self.since.0.saturating_add(1));
            self.report.add(Finding { record, what: Break::Unanchored });
        }
    }

    /// Steps over what was trimmed before this record.
    fn gaps(&mut self, record: RecordId) {
        while let Some((gap, wrong)) = self.walk.gap(record) {
            self.release();
            self.pass(gap.first);
            while let Some(anchor) = self.anchors.before(gap.last) {
                self.report.skipped += u64::from(self.is_signed(&anchor));
            }
            self.report.gaps += 1;
            match wrong {
                Some(finding) => self.report.add(finding),
                None => (self.since, self.alone) = (gap.last, 0),
            }
            self.meet(gap.last);
        }
    }

    /// No exchange: what was found stands.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.report.add(held.finding);
        }
    }

    /// Anchors before this record whose own records were never met.
    fn pass(&mut self, record: RecordId) {
        while let Some(anchor) = self.anchors.before(record) {
            if self.is_signed(&anchor) {
                let finding = Finding { record: anchor.record, what: Break::Anchored };
                self.report.add(finding);
            }
        }
    }

    /// Compares the anchors after this record, which was just stepped over.
    fn meet(&mut self, record: RecordId) {
        let next = RecordId(record.0.saturating_add(1));
        while let Some(anchor) = self.anchors.before(next) {
            if !self.is_signed(&anchor) {
                continue;
            }
            if anchor.chain != self.walk.chain {
                // A record that is known to be wrong explains it; a chain made anew does not.
                if self.held.is_none() {
                    let since = RecordId(self.since.0.saturating_add(1));
                    let what = Break::Rewritten { anchor: record };
                    self.report.add(Finding { record: since, what });
                }
                continue;
            }
            self.report.anchors += 1;
            self.report.anchor = Some(anchor);
            (self.since, self.alone) = (record, 0);
        }
    }

    fn is_signed(&mut self, anchor: &Anchor) -> bool {
        let is_signed = self.walk.signer.has_signed(anchor);
        if !is_signed {
            let finding = Finding { record: anchor.record, what: Break::AnchorSignature };
            self.report.add(finding);
        }
        is_signed
    }

    fn end(mut self, noted: Option<Chain>) -> Report {
        let beyond = RecordId(u64::MAX);
        self.gaps(beyond);
        self.release();
        self.pass(beyond);
        if self.report.last < self.walk.last || noted.unwrap_or(Chain::START) != self.walk.chain {
            self.report.add(Finding { record: self.walk.last, what: Break::End });
        }
        self.report.unsigned = self.alone;
        self.report
    }
}

impl Held {
    /// The chain value after both, if its place was taken by the next record and the other way
    /// round: with the bodies alone, or with the chain values too.
    fn exchanged(&self, next: Stored<'_>) -> Option<Chain> {
        let mut preimage = Preimage::default();
        let first = preimage.follow(self.before, self.id, next.body);
        let second = preimage.follow(first, next.id, &self.body);
        let values = [(self.chain, next.chain), (next.chain, self.chain)];
        values.contains(&(Some(first), Some(second))).then_some(second)
    }
}
