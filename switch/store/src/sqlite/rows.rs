//! Records as rows: the body, and the columns that look-ups and views need beside it.
//!
//! Columns are a projection. They mask what people may not see, and none of them is ever read
//! back into a record.

use super::facts::Facts;
use super::failed;
use super::group::{Groups, Inserted, Origins, ROWS_MAX, Row, filled, is_frequent};
use super::names::Names;
use crate::chain::{Chain, Preimage};
use crate::keys::Sealer;
use crate::{Entry, Refused, StoreError, bytes, index};
use rusqlite::{Connection, params};
use veksel_codecs::ResponseCode;
use veksel_core::fact::{Case, Fact};
use veksel_core::record::{Known, Notice, Record, RecordId, Reversal, ReversalStep, TxnId};

/// The statements of one batch, and where the chain is.
pub(super) struct Inserts<'a> {
    sealer: &'a mut Sealer,
    names: &'a mut Names,
    tx: &'a Connection,
    groups: Groups<'a>,
    /// Prepared for the first fact.
    facts: Option<Facts<'a>>,
    scratch: Vec<u8>,
    /// The body that is being inserted, behind what its chain value is computed from.
    preimage: Preimage,
    /// The value after each record that was stored last.
    chains: Vec<Chain>,
    /// The value after the last record that was stored.
    head: Chain,
    /// The last record in the table.
    last: i64,
}

/// How the first records of some were taken in.
pub(super) struct Took<'t> {
    /// As many were stored as there are values here, each that after its record.
    pub(super) chains: &'t [Chain],
    /// The record behind them was refused.
    pub(super) refused: Option<Refused>,
}

impl<'a> Inserts<'a> {
    pub(super) fn prepare(
        tx: &'a Connection,
        sealer: &'a mut Sealer,
        names: &'a mut Names,
        head: Chain,
    ) -> Result<Self, StoreError> {
        let fail = failed("preparing a batch");
        let last = tx
            .prepare_cached("SELECT ifnull(max(id), 0) FROM records")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(&fail)?;
        Ok(Self {
            sealer,
            names,
            tx,
            groups: Groups::default(),
            facts: None,
            scratch: Vec::with_capacity(128),
            preimage: Preimage::default(),
            chains: Vec::with_capacity(ROWS_MAX),
            head,
            last,
        })
    }

    /// Inserts the first of these records, at least one unless there is none, and says how many.
    pub(super) fn insert(&mut self, rest: &[Entry]) -> Result<Took<'_>, StoreError> {
        self.chains.clear();
        let run = rest.iter().take(ROWS_MAX).take_while(|(_, record)| is_frequent(record)).count();
        let refused = match rest.first() {
            Some((id, record)) if run == 0 => self.insert_rare(*id, record).map(|()| None)?,
            Some((id, _)) => self.insert_run(*id, rest.get(..run).unwrap_or(rest))?,
            None => None,
        };
        if let Some(stored) = self.chains.len().checked_sub(1)
            && let Some((id, _)) = rest.get(stored)
        {
            self.last = i64::try_from(id.0).unwrap_or(i64::MAX);
            self.head = self.chains.last().copied().unwrap_or(self.head);
        }
        Ok(Took { chains: &self.chains, refused })
    }

    /// Inserts as many of these records as there is a statement for, or those up to the first
    /// whose key is taken. Their numbers follow each other.
    fn insert_run(
        &mut self,
        first: RecordId,
        run: &[Entry],
    ) -> Result<Option<Refused>, StoreError> {
        let fail = failed("inserting records");
        let group = if self.last.checked_add(1) == i64::try_from(first.0).ok() {
            self.groups.next(self.tx, run.len())
        } else {
            self.groups.any(self.tx)
        };
        let group = group.map_err(failed("preparing a batch"))?;
        let mut head = self.head;
        for (place, (id, record)) in run.iter().take(group.rows()).enumerate() {
            check_range(*id, record)?;
            bytes::encode(*id, record, self.sealer, self.preimage.begin(head, *id))
                .map_err(|source| StoreError::Seal { record: *id, source })?;
            head = self.preimage.chain();
            self.chains.push(head);
            let row = Row { id: *id, record, body: self.preimage.body(), chain: head };
            let mut from = Origins {
                tx: self.tx,
                names: self.names,
                sealer: self.sealer,
                scratch: &mut self.scratch,
            };
            group.fill(place, &row, &mut from).map_err(&fail)?;
        }
        match group.insert(self.tx).map_err(&fail)? {
            Inserted::All => Ok(None),
            Inserted::Until(stored) => {
                self.chains.truncate(stored);
                run.get(stored).map(|(id, record)| self.refusal(*id, record)).transpose()
            }
        }
    }

    fn refusal(&mut self, id: RecordId, record: &Record) -> Result<Refused, StoreError> {
        let fail = failed("finding who holds a key");
        let key = match record {
            Record::Intent(intent) => Some(index::key(&intent.key, &mut self.scratch)),
            Record::Outcome(_)
            | Record::Reversal(_)
            | Record::Inquiry(_)
            | Record::Notice(_)
            | Record::Fact(_) => None,
        };
        let sql = "SELECT txn FROM records WHERE key = ?1";
        let mut holder = self.tx.prepare_cached(sql).map_err(&fail)?;
        let stored = holder.query_row([key], |row| row.get(0)).map_err(&fail)?;
        Ok(Refused { id, txn: record.txn().unwrap_or_default(), stored: TxnId(stored) })
    }

    /// Inserts a record of a kind that has a statement of its own.
    fn insert_rare(&mut self, id: RecordId, record: &Record) -> Result<(), StoreError> {
        check_range(id, record)?;
        bytes::encode(id, record, self.sealer, self.preimage.begin(self.head, id))
            .map_err(|source| StoreError::Seal { record: id, source })?;
        let chain = self.preimage.chain();
        self.chains.push(chain);
        let inserted = match record {
            Record::Reversal(reversal) => self.insert_reversal(id, reversal, chain),
            Record::Notice(notice) => self.insert_notice(id, notice, chain),
            Record::Fact(known) => self.insert_fact(id, known, chain),
            Record::Intent(_) | Record::Outcome(_) | Record::Inquiry(_) => Ok(0),
        };
        inserted.map(|_| ()).map_err(failed("inserting a record"))
    }

    fn name(&mut self, name: &str) -> rusqlite::Result<Option<i64>> {
        self.names.number(self.tx, name)
    }

    fn insert_reversal(
        &mut self,
        id: RecordId,
        reversal: &Reversal,
        chain: Chain,
    ) -> rusqlite::Result<usize> {
        let columns = StepColumns::of(&reversal.step);
        let step = self.name(columns.step)?;
        let reason = self.name(columns.reason)?;
        let response = self.name(columns.response)?;
        self.tx.prepare_cached(REVERSAL)?.execute(params![
            id.0,
            reversal.txn.0,
            reversal.utc.0,
            step,
            reason,
            columns.attempt,
            columns.actual,
            response,
            columns.operator,
            columns.note,
            self.preimage.body(),
            chain.as_bytes(),
        ])
    }

    fn insert_notice(
        &mut self,
        id: RecordId,
        notice: &Notice,
        chain: Chain,
    ) -> rusqlite::Result<usize> {
        let Notice { utc, actor, action, detail } = notice;
        self.tx.prepare_cached(NOTICE)?.execute(params![
            id.0,
            utc.0,
            actor,
            action,
            detail,
            self.preimage.body(),
            chain.as_bytes(),
        ])
    }
}

impl Inserts<'_> {
    fn insert_fact(
        &mut self,
        id: RecordId,
        known: &Known,
        chain: Chain,
    ) -> rusqlite::Result<usize> {
        let (body, chain) = (self.preimage.body(), chain.as_bytes());
        let facts = match &mut self.facts {
            Some(facts) => facts,
            None => self.facts.insert(Facts::prepare(self.tx)?),
        };
        let mut name = |name: &str| self.names.number(self.tx, name);
        let inserted = match &known.fact {
            Fact::Payment(payment) => {
                let told = payment.told.as_ref().map_or("", ResponseCode::as_str);
                facts.payment.execute(params![
                    id.0,
                    payment.txn.0,
                    known.utc.0,
                    name(&payment.bank)?,
                    name(told)?,
                    name(payment.state.word())?,
                    filled(&payment.payment),
                    name(payment.case.map_or("", Case::word))?,
                    filled(&payment.code),
                    payment.is_over,
                    body,
                    chain,
                ])?
            }
            Fact::Linked(_)
            | Fact::Customer(_)
            | Fact::Balance(_)
            | Fact::Reads(_)
            | Fact::Card(_) => facts.other.execute(params![id.0, known.utc.0, body, chain])?,
        };
        facts.keep(id, known)?;
        Ok(inserted)
    }
}

/// What the columns of a reversal step hold; empty is null.
#[derive(Default)]
struct StepColumns<'a> {
    step: &'static str,
    reason: &'static str,
    attempt: Option<u32>,
    actual: Option<i64>,
    response: &'a str,
    operator: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> StepColumns<'a> {
    fn of(step: &'a ReversalStep) -> Self {
        match step {
            ReversalStep::Queued { reason, actual } => Self {
                step: "queued",
                reason: reason.word(),
                actual: actual.and_then(|actual| i64::try_from(actual).ok()),
                ..Self::default()
            },
            ReversalStep::Sent { attempt } => {
                Self { step: "sent", attempt: Some(*attempt), ..Self::default() }
            }
            ReversalStep::Settled { response } => {
                Self { step: "settled", response: response.as_str(), ..Self::default() }
            }
            ReversalStep::Parked { response } => Self {
                step: "parked",
                response: response.as_ref().map_or("", ResponseCode::as_str),
                ..Self::default()
            },
            ReversalStep::Resolved { operator, note } => Self {
                step: "resolved",
                operator: Some(operator),
                note: Some(note),
                ..Self::default()
            },
        }
    }
}

/// `SQLite` keeps 63 bits; a number beyond them would fail in the middle of a batch.
fn check_range(id: RecordId, record: &Record) -> Result<(), StoreError> {
    let fits = |number: u64| i64::try_from(number).is_ok();
    if fits(id.0) && fits(record.txn().unwrap_or_default().0) && fits(record.utc().0) {
        return Ok(());
    }
    Err(StoreError::Range { record: id })
}

/// The end of an account number that people may see: at most half of it, at most four.
#[must_use]
pub fn last_four(account: &str) -> Option<&str> {
    let length = account.chars().count();
    let start = length.saturating_sub((length / 2).min(4));
    let (at, _) = account.char_indices().nth(start)?;
    account.get(at..)
}

const REVERSAL: &str = "INSERT INTO records (id, kind, txn, utc, step, reason, attempt, actual,
    response, actor, note, body, chain)
    VALUES (?1, 3, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const NOTICE: &str = "INSERT INTO records (id, kind, utc, actor, action, note, body, chain)
    VALUES (?1, 5, ?2, ?3, ?4, ?5, ?6, ?7)";
