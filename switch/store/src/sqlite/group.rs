//! The records of every payment, many in one statement.
//!
//! A statement costs more than a row: it opens the table and each of its indexes, and finds its
//! places from their roots. So rows that follow one another go in together, whatever their kinds.
//! They have one list of columns for that; what a kind has not is null.
//!
//! A taken key ends a statement at its row (`OR FAIL`): the rows before it stay, those behind it
//! are to be inserted again, because their chain values were computed as if it had been stored.
//!
//! Rows that follow the last one are numbered by the database, which then looks for no place and
//! keeps no copy of pages to go back to. The row behind a refused one has to bring its number.

use super::names::Names;
use super::rows::last_four;
use crate::chain::Chain;
use crate::index::{self, KEY_BYTES};
use crate::keys::Sealer;
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql, ffi};
use std::sync::LazyLock;
use veksel_core::record::{CardNumber, Inquiry, Intent, Outcome, Record, RecordId, TxnId};
use veksel_core::time::Utc;

/// Rows that a statement takes, the largest first. The last is one, so that any number is a sum.
const SIZES: [usize; 3] = [16, 4, 1];

/// The statements of one batch. Those that it needs are prepared when it does.
#[derive(Default)]
pub(super) struct Groups<'a> {
    next: [Option<Group<'a>>; SIZES.len()],
    any: Option<Group<'a>>,
}

impl<'a> Groups<'a> {
    /// The statement for as many as it can take of the rows that follow the last one in the table.
    pub(super) fn next(
        &mut self,
        tx: &'a Connection,
        rows: usize,
    ) -> rusqlite::Result<&mut Group<'a>> {
        let mut all = SIZES.iter().zip(&mut self.next).zip(&SQL.next);
        let found = all.find(|((size, _), _)| **size <= rows);
        let ((size, group), sql) = found.ok_or(rusqlite::Error::InvalidQuery)?;
        prepared(group, tx, sql, *size, false)
    }

    /// The statement for one row with any number.
    pub(super) fn any(&mut self, tx: &'a Connection) -> rusqlite::Result<&mut Group<'a>> {
        prepared(&mut self.any, tx, &SQL.any, 1, true)
    }
}

fn prepared<'g, 'a>(
    group: &'g mut Option<Group<'a>>,
    tx: &'a Connection,
    sql: &str,
    rows: usize,
    is_numbered: bool,
) -> rusqlite::Result<&'g mut Group<'a>> {
    match group {
        Some(group) => Ok(group),
        None => {
            let (statement, held) = (tx.prepare_cached(sql)?, vec![Held::Null; rows * PLACES]);
            Ok(group.insert(Group { statement, is_numbered, rows, held }))
        }
    }
}

/// Most rows in one statement.
pub(super) const ROWS_MAX: usize = SIZES[0];

/// A statement for some rows.
pub(super) struct Group<'a> {
    statement: CachedStatement<'a>,
    /// Whether its rows bring their numbers.
    is_numbered: bool,
    rows: usize,
    /// What its parameters hold, row by row.
    held: Vec<Held>,
}

/// What a parameter holds since it was last filled. Most columns of most payments hold what those
/// of the row before did, and need not be filled again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nothing, as before it was ever filled.
    Null,
    Number(i64),
    /// Text or bytes, which are not compared.
    Other,
}

/// What became of the rows of a statement.
pub(super) enum Inserted {
    /// All are stored.
    All,
    /// So many are, and the key of the next one is taken.
    Until(usize),
}

impl Group<'_> {
    /// How many rows it takes.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Fills the row in this place, counted from nothing. A record of another kind than
    /// [`is_frequent`] has no row here.
    pub(super) fn fill(
        &mut self,
        place: usize,
        row: &Row<'_>,
        from: &mut Origins<'_>,
    ) -> rusqlite::Result<()> {
        let width = if self.is_numbered { PLACES } else { COLUMNS.len() };
        let first = place * width + 1;
        let held = self.held.get_mut(place * PLACES..).unwrap_or_default();
        let mut cells = Cells { statement: &mut self.statement, first, held };
        if self.is_numbered {
            cells.number(Column::Id, row.id.0)?;
        }
        cells.other(Column::Body, Some(row.body))?;
        cells.other(Column::Chain, Some(row.chain.as_bytes()))?;
        match row.record {
            Record::Intent(intent) => cells.intent(intent, from),
            Record::Outcome(outcome) => cells.outcome(outcome, from),
            Record::Inquiry(inquiry) => cells.inquiry(inquiry, from),
            Record::Reversal(_) | Record::Notice(_) | Record::Fact(_) => {
                Err(rusqlite::Error::InvalidQuery)
            }
        }
    }

    /// Inserts the rows, all of which were filled.
    pub(super) fn insert(&mut self, tx: &Connection) -> rusqlite::Result<Inserted> {
        match self.statement.raw_execute() {
            Ok(_) => Ok(Inserted::All),
            Err(error) => match usize::try_from(tx.changes()) {
                Ok(stored) if stored < self.rows && is_taken(&error) => Ok(Inserted::Until(stored)),
                _ => Err(error),
            },
        }
    }
}

/// Whether records of this kind go here.
pub(super) fn is_frequent(record: &Record) -> bool {
    match record {
        Record::Intent(_) | Record::Outcome(_) | Record::Inquiry(_) => true,
        Record::Reversal(_) | Record::Notice(_) | Record::Fact(_) => false,
    }
}

/// The only unique index beside the number is that of the keys.
fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::ConstraintViolation
            && error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE
    })
}

/// A record, and what its row holds beside the columns that say what is in it.
pub(super) struct Row<'r> {
    pub(super) id: RecordId,
    pub(super) record: &'r Record,
    pub(super) body: &'r [u8],
    pub(super) chain: Chain,
}

/// Where numbers of names, and hashes of keys and cards, come from.
pub(super) struct Origins<'o> {
    pub(super) tx: &'o Connection,
    pub(super) names: &'o mut Names,
    pub(super) sealer: &'o Sealer,
    pub(super) scratch: &'o mut Vec<u8>,
}

impl Origins<'_> {
    fn name(&mut self, name: &str) -> rusqlite::Result<Option<i64>> {
        self.names.number(self.tx, name)
    }

    fn key(&mut self, intent: &Intent) -> [u8; KEY_BYTES] {
        index::key(&intent.key, self.scratch)
    }
}

/// The parameters of one row.
struct Cells<'s, 'a> {
    statement: &'s mut CachedStatement<'a>,
    first: usize,
    held: &'s mut [Held],
}

impl Cells<'_, '_> {
    /// Fills a column, unless it holds this already.
    fn put(&mut self, column: Column, value: Held, bind: impl ToSql) -> rusqlite::Result<()> {
        let place = column as usize;
        if let Some(held) = self.held.get_mut(place) {
            if *held == value && value != Held::Other {
                return Ok(());
            }
            *held = value;
        }
        self.statement.raw_bind_parameter(self.first + place, bind)
    }

    fn number(&mut self, column: Column, number: impl Into<Cell>) -> rusqlite::Result<()> {
        let Cell(number) = number.into();
        self.put(column, number.map_or(Held::Null, Held::Number), number)
    }

    /// Text or bytes.
    fn other(&mut self, column: Column, value: Option<impl ToSql>) -> rusqlite::Result<()> {
        let held = if value.is_some() { Held::Other } else { Held::Null };
        self.put(column, held, value)
    }

    fn null(&mut self, columns: &[Column]) -> rusqlite::Result<()> {
        columns.iter().try_for_each(|column| self.put(*column, Held::Null, Null))
    }

    fn begin(&mut self, kind: u8, txn: TxnId, utc: Utc) -> rusqlite::Result<()> {
        self.number(Column::Kind, u32::from(kind))?;
        self.number(Column::Txn, txn.0)?;
        self.number(Column::Utc, utc.0)
    }

    fn intent(&mut self, intent: &Intent, from: &mut Origins<'_>) -> rusqlite::Result<()> {
        self.begin(1, intent.txn, intent.utc)?;
        self.other(Column::Key, Some(from.key(intent)))?;
        self.number(Column::Participant, from.name(&intent.key.participant)?)?;
        self.number(Column::Link, from.name(&intent.link)?)?;
        self.number(Column::Route, from.name(&intent.route)?)?;
        self.number(Column::LinkGroup, from.name(&intent.group)?)?;
        self.number(Column::Mti, digits(intent.mti.as_str()))?;
        self.number(Column::Code, digits(&intent.code))?;
        // A reconciliation has no amount of its own.
        let amount = filled(&intent.code).and_then(|_| i64::try_from(intent.amount).ok());
        self.number(Column::Amount, amount)?;
        let currency = (intent.currency != 0).then(|| i64::from(intent.currency));
        self.number(Column::Currency, currency)?;
        self.number(Column::Stan, intent.key.stan)?;
        self.number(Column::HostStan, intent.host_stan)?;
        self.other(Column::Rrn, filled(&intent.key.rrn))?;
        self.other(Column::Terminal, filled(&intent.key.terminal))?;
        self.other(Column::Account, last_four(&intent.account))?;
        self.other(Column::Card, intent.pan.as_ref().map(CardNumber::masked))?;
        let hash = intent.pan.as_ref().map(|pan| index::card(from.sealer, pan));
        self.number(Column::CardHash, hash)?;
        let caller_key = intent.caller_key.as_ref().map(|of| index::caller_key(&of.key));
        self.number(Column::CallerKey, caller_key)?;
        self.null(&[Column::Verdict, Column::Response, Column::Reason])
    }

    fn outcome(&mut self, outcome: &Outcome, from: &mut Origins<'_>) -> rusqlite::Result<()> {
        self.begin(2, outcome.txn, outcome.utc)?;
        self.number(Column::Verdict, from.name(outcome.verdict.word())?)?;
        self.number(Column::Response, from.name(outcome.response.as_str())?)?;
        self.number(Column::Reason, from.name(outcome.reason.word())?)?;
        self.null(&[Column::Key, Column::LinkGroup, Column::Amount, Column::Currency])?;
        self.null(&[Column::HostStan, Column::Card, Column::CardHash, Column::CallerKey])?;
        self.null(&[Column::Participant, Column::Link, Column::Route, Column::Mti])?;
        self.null(&[Column::Code, Column::Stan, Column::Rrn, Column::Terminal, Column::Account])
    }

    fn inquiry(&mut self, inquiry: &Inquiry, from: &mut Origins<'_>) -> rusqlite::Result<()> {
        self.begin(4, inquiry.txn, inquiry.utc)?;
        self.number(Column::Participant, from.name(&inquiry.participant)?)?;
        self.number(Column::Link, from.name(&inquiry.link)?)?;
        self.number(Column::Route, from.name(&inquiry.route)?)?;
        self.number(Column::Mti, digits(inquiry.mti.as_str()))?;
        self.number(Column::Code, digits(&inquiry.code))?;
        self.number(Column::Stan, inquiry.stan)?;
        self.other(Column::Rrn, filled(&inquiry.rrn))?;
        self.other(Column::Terminal, filled(&inquiry.terminal))?;
        self.other(Column::Account, last_four(&inquiry.account))?;
        self.number(Column::Verdict, from.name(inquiry.verdict.word())?)?;
        self.number(Column::Response, from.name(inquiry.response.as_str())?)?;
        self.number(Column::Reason, from.name(inquiry.reason.word())?)?;
        self.null(&[Column::Key, Column::LinkGroup, Column::Amount, Column::Currency])?;
        self.null(&[Column::HostStan, Column::Card, Column::CardHash, Column::CallerKey])
    }
}

/// A number as the database has it.
struct Cell(Option<i64>);

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Self {
        Self(number)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self(Some(number.into()))
    }
}

/// Of a number that was checked to fit.
impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).ok())
    }
}

/// The value of a numeric field, null if it holds anything else.
fn digits(text: &str) -> Option<i64> {
    text.parse::<u32>().ok().map(i64::from)
}

/// The text, null if there is none.
pub(super) fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A column, by its place in [`COLUMNS`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Kind,
    Txn,
    Utc,
    Key,
    Participant,
    Link,
    Route,
    LinkGroup,
    Mti,
    Code,
    Amount,
    Currency,
    Stan,
    HostStan,
    Rrn,
    Terminal,
    Account,
    Card,
    CardHash,
    CallerKey,
    Verdict,
    Response,
    Reason,
    Body,
    Chain,
    /// Behind the others, in the statement that has it.
    Id,
}

/// All but the number.
const COLUMNS: [&str; Column::Id as usize] = [
    "kind",
    "txn",
    "utc",
    "key",
    "participant",
    "link",
    "route",
    "link_group",
    "mti",
    "code",
    "amount",
    "currency",
    "stan",
    "host_stan",
    "rrn",
    "terminal",
    "account",
    "card",
    "card_hash",
    "caller_key",
    "verdict",
    "response",
    "reason",
    "body",
    "chain",
];

/// Columns, and the number.
const PLACES: usize = COLUMNS.len() + 1;

/// The texts of the statements.
struct Sql {
    next: [String; SIZES.len()],
    any: String,
}

static SQL: LazyLock<Sql> = LazyLock::new(|| {
    let columns = COLUMNS.join(", ");
    let next = SIZES.map(|rows| sql(&columns, COLUMNS.len(), rows));
    Sql { next, any: sql(&format!("{columns}, id"), PLACES, 1) }
});

fn sql(columns: &str, count: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; count].join(","));
    let rows = vec![row.as_str(); rows].join(",");
    format!("INSERT OR FAIL INTO records ({columns}) VALUES {rows}")
}
