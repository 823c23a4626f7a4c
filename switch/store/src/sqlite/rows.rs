//! Records as rows: the body, and the columns that look-ups and views need beside it.
//!
//! Columns are a projection. They mask what people may not see, and none of them is ever read
//! back into a record.

use super::facts::Facts;
use super::failed;
use super::names::Names;
use crate::chain::{Chain, Preimage};
use crate::index::{self, KEY_BYTES};
use crate::keys::Sealer;
use crate::{Refused, StoreError, bytes};
use rusqlite::{CachedStatement, Connection, ToSql, params};
use veksel_codecs::ResponseCode;
use veksel_core::fact::{Case, Fact};
use veksel_core::record::{
    CardNumber, Inquiry, Intent, Known, Notice, Outcome, Record, RecordId, Reversal, ReversalStep,
    TxnId,
};

/// The statements of one batch. Each kind has its own, so that empty columns cost nothing, and
/// the kinds of every payment two: one for a record that follows the last stored one, which the
/// database numbers itself without looking for its place, and one for any other.
pub(super) struct Inserts<'a> {
    sealer: &'a mut Sealer,
    names: &'a mut Names,
    tx: &'a Connection,
    intent: Numbered<'a>,
    outcome: Numbered<'a>,
    reversal: CachedStatement<'a>,
    inquiry: Numbered<'a>,
    notice: CachedStatement<'a>,
    facts: Facts<'a>,
    holder: CachedStatement<'a>,
    key: [u8; KEY_BYTES],
    scratch: Vec<u8>,
    /// The body that is being inserted, behind what its chain value is computed from.
    preimage: Preimage,
    chain: Chain,
    head: Chain,
    /// The last stored record.
    last: i64,
}

/// The statement for the record after the last stored one, and that for any other.
struct Numbered<'a> {
    next: CachedStatement<'a>,
    any: CachedStatement<'a>,
}

impl Numbered<'_> {
    /// Inserts a row whose number is the last of its values; says how many rows there are more.
    fn insert(&mut self, last: i64, id: RecordId, row: &[&dyn ToSql]) -> rusqlite::Result<usize> {
        match row.split_last() {
            Some((_, unnumbered)) if last.checked_add_unsigned(1) == i64::try_from(id.0).ok() => {
                self.next.execute(unnumbered)
            }
            _ => self.any.execute(row),
        }
    }
}

impl<'a> Inserts<'a> {
    pub(super) fn prepare(
        tx: &'a Connection,
        sealer: &'a mut Sealer,
        names: &'a mut Names,
        head: Chain,
    ) -> Result<Self, StoreError> {
        let fail = failed("preparing a batch");
        let prepare = |sql: &str| tx.prepare_cached(sql).map_err(&fail);
        let numbered = |[next, any]: [&str; 2]| {
            Ok::<_, StoreError>(Numbered { next: prepare(next)?, any: prepare(any)? })
        };
        let last = prepare("SELECT ifnull(max(id), 0) FROM records")?
            .query_row([], |row| row.get(0))
            .map_err(&fail)?;
        Ok(Self {
            sealer,
            names,
            tx,
            intent: numbered(INTENT)?,
            outcome: numbered(OUTCOME)?,
            reversal: prepare(REVERSAL)?,
            inquiry: numbered(INQUIRY)?,
            notice: prepare(NOTICE)?,
            facts: Facts::prepare(tx).map_err(&fail)?,
            holder: prepare("SELECT txn FROM records WHERE key = ?1")?,
            key: [0; KEY_BYTES],
            scratch: Vec::with_capacity(128),
            preimage: Preimage::default(),
            chain: head,
            head,
            last,
        })
    }

    /// Inserts a record, or says which transaction holds its key.
    pub(super) fn insert(
        &mut self,
        id: RecordId,
        record: &Record,
    ) -> Result<Option<Refused>, StoreError> {
        bytes::encode(id, record, self.sealer, self.preimage.begin(self.head, id))
            .map_err(|source| StoreError::Seal { record: id, source })?;
        self.chain = self.preimage.chain();
        check_range(id, record)?;
        let inserted = match record {
            Record::Intent(intent) => self.insert_intent(id, intent),
            Record::Outcome(outcome) => self.insert_outcome(id, outcome),
            Record::Reversal(reversal) => self.insert_reversal(id, reversal),
            Record::Inquiry(inquiry) => self.insert_inquiry(id, inquiry),
            Record::Notice(notice) => self.insert_notice(id, notice),
            Record::Fact(known) => self.insert_fact(id, known),
        };
        let inserted = inserted.map_err(failed("inserting a record"))?;
        match record {
            Record::Intent(intent) if inserted == 0 => self.refusal(id, intent.txn).map(Some),
            Record::Intent(_)
            | Record::Outcome(_)
            | Record::Reversal(_)
            | Record::Inquiry(_)
            | Record::Notice(_)
            | Record::Fact(_) => {
                self.head = self.chain;
                self.last = i64::try_from(id.0).unwrap_or(i64::MAX);
                Ok(None)
            }
        }
    }

    /// The chain value after the last record that was stored.
    pub(super) fn head(&self) -> Chain {
        self.head
    }

    fn refusal(&mut self, id: RecordId, txn: TxnId) -> Result<Refused, StoreError> {
        let stored = self
            .holder
            .query_row([self.key], |row| row.get(0))
            .map_err(failed("finding who holds a key"))?;
        Ok(Refused { id, txn, stored: TxnId(stored) })
    }

    fn name(&mut self, name: &str) -> rusqlite::Result<Option<i64>> {
        self.names.number(self.tx, name)
    }

    fn insert_intent(&mut self, id: RecordId, intent: &Intent) -> rusqlite::Result<usize> {
        self.key = index::key(&intent.key, &mut self.scratch);
        let hash = intent.pan.as_ref().map(|pan| index::card(self.sealer, pan));
        let participant = self.name(&intent.key.participant)?;
        let link = self.name(&intent.link)?;
        let route = self.name(&intent.route)?;
        let group = self.name(&intent.group)?;
        let row = params![
            intent.txn.0,
            intent.utc.0,
            self.key,
            participant,
            link,
            route,
            group,
            number(intent.mti.as_str()),
            number(&intent.code),
            // A reconciliation has no amount of its own.
            filled(&intent.code).and_then(|_| i64::try_from(intent.amount).ok()),
            (intent.currency != 0).then_some(intent.currency),
            intent.key.stan,
            intent.host_stan,
            filled(&intent.key.rrn),
            filled(&intent.key.terminal),
            last_four(&intent.account),
            intent.pan.as_ref().map(CardNumber::masked),
            hash,
            self.preimage.body(),
            self.chain.as_bytes(),
            id.0,
        ];
        self.intent.insert(self.last, id, row)
    }

    fn insert_outcome(&mut self, id: RecordId, outcome: &Outcome) -> rusqlite::Result<usize> {
        let verdict = self.name(outcome.verdict.word())?;
        let response = self.name(outcome.response.as_str())?;
        let reason = self.name(outcome.reason.word())?;
        let row = params![
            outcome.txn.0,
            outcome.utc.0,
            verdict,
            response,
            reason,
            self.preimage.body(),
            self.chain.as_bytes(),
            id.0,
        ];
        self.outcome.insert(self.last, id, row)
    }

    fn insert_reversal(&mut self, id: RecordId, reversal: &Reversal) -> rusqlite::Result<usize> {
        let columns = StepColumns::of(&reversal.step);
        let step = self.name(columns.step)?;
        let reason = self.name(columns.reason)?;
        let response = self.name(columns.response)?;
        self.reversal.execute(params![
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
            self.chain.as_bytes(),
        ])
    }

    fn insert_inquiry(&mut self, id: RecordId, inquiry: &Inquiry) -> rusqlite::Result<usize> {
        let participant = self.name(&inquiry.participant)?;
        let link = self.name(&inquiry.link)?;
        let route = self.name(&inquiry.route)?;
        let verdict = self.name(inquiry.verdict.word())?;
        let response = self.name(inquiry.response.as_str())?;
        let reason = self.name(inquiry.reason.word())?;
        let row = params![
            inquiry.txn.0,
            inquiry.utc.0,
            participant,
            link,
            route,
            number(inquiry.mti.as_str()),
            number(&inquiry.code),
            inquiry.stan,
            filled(&inquiry.rrn),
            filled(&inquiry.terminal),
            last_four(&inquiry.account),
            verdict,
            response,
            reason,
            self.preimage.body(),
            self.chain.as_bytes(),
            id.0,
        ];
        self.inquiry.insert(self.last, id, row)
    }

    fn insert_notice(&mut self, id: RecordId, notice: &Notice) -> rusqlite::Result<usize> {
        let Notice { utc, actor, action, detail } = notice;
        self.notice.execute(params![
            id.0,
            utc.0,
            actor,
            action,
            detail,
            self.preimage.body(),
            self.chain.as_bytes(),
        ])
    }
}

impl Inserts<'_> {
    fn insert_fact(&mut self, id: RecordId, known: &Known) -> rusqlite::Result<usize> {
        let inserted = match &known.fact {
            Fact::Payment(payment) => {
                let bank = self.name(&payment.bank)?;
                let state = self.name(payment.state.word())?;
                let case = self.name(payment.case.map_or("", Case::word))?;
                let told = payment.told.as_ref().map_or("", ResponseCode::as_str);
                let response = self.name(told)?;
                self.facts.payment.execute(params![
                    id.0,
                    payment.txn.0,
                    known.utc.0,
                    bank,
                    response,
                    state,
                    filled(&payment.payment),
                    case,
                    filled(&payment.code),
                    payment.is_over,
                    self.preimage.body(),
                    self.chain.as_bytes(),
                ])?
            }
            Fact::Linked(_) | Fact::Customer(_) | Fact::Balance(_) | Fact::Reads(_) => {
                let (body, chain) = (self.preimage.body(), self.chain.as_bytes());
                self.facts.other.execute(params![id.0, known.utc.0, body, chain])?
            }
        };
        self.facts.keep(id, known)?;
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

/// The value of a numeric field, null if it holds anything else.
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The end of an account number that people may see: at most half of it, at most four.
#[must_use]
pub fn last_four(account: &str) -> Option<&str> {
    let length = account.chars().count();
    let start = length.saturating_sub((length / 2).min(4));
    let (at, _) = account.char_indices().nth(start)?;
    account.get(at..)
}

/// The columns of an intent before its number, and how a taken key is told from a failure.
macro_rules! intent {
    ($columns:literal, $values:literal) => {
        concat!(
            "INSERT INTO records (kind, txn, utc, key, participant, link, route, link_group, mti,
            code, amount, currency, stan, host_stan, rrn, terminal, account, card, card_hash, body,
            chain", $columns, ") VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
            ?14, ?15, ?16, ?17, ?18, ?19, ?20", $values, ")
            ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"
        )
    };
}

macro_rules! outcome {
    ($columns:literal, $values:literal) => {
        concat!(
            "INSERT INTO records (kind, txn, utc, verdict, response, reason, body, chain",
            $columns,
            ") VALUES (2, ?1, ?2, ?3, ?4, ?5, ?6, ?7",
            $values,
            ")"
        )
    };
}

macro_rules! inquiry {
    ($columns:literal, $values:literal) => {
        concat!(
            "INSERT INTO records (kind, txn, utc, participant, link, route, mti, code, stan, rrn,
            terminal, account, verdict, response, reason, body, chain",
            $columns,
            ")
            VALUES (4, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16",
            $values,
            ")"
        )
    };
}

const INTENT: [&str; 2] = [intent!("", ""), intent!(", id", ", ?21")];

const OUTCOME: [&str; 2] = [outcome!("", ""), outcome!(", id", ", ?8")];

const INQUIRY: [&str; 2] = [inquiry!("", ""), inquiry!(", id", ", ?17")];

const REVERSAL: &str = "INSERT INTO records (id, kind, txn, utc, step, reason, attempt, actual,
    response, actor, note, body, chain)
    VALUES (?1, 3, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const NOTICE: &str = "INSERT INTO records (id, kind, utc, actor, action, note, body, chain)
    VALUES (?1, 5, ?2, ?3, ?4, ?5, ?6, ?7)";
