//! Which facts hold: for each key the number of its last record, and the columns that views show.
//!
//! The table is written in the commit of the record it names, and a record that is named is never
//! trimmed. So a fact is read from the journal like anything else, under its chain. The table
//! itself is not under it: that a row was taken away, or names an older record of the same key,
//! does not show here.

use super::failed;
use super::read::unreadable;
use super::rows::last_four;
use super::walk::Stored;
use crate::finding::{Break, Finding};
use crate::{Entry, StoreError};
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, params};
use veksel_core::fact::{Endpoint, Fact};
use veksel_core::record::{Known, Record, RecordId};
use veksel_core::time::Utc;

/// The statements for facts.
pub(super) struct Facts<'a> {
    /// The record of a payment at a bank.
    pub(super) payment: CachedStatement<'a>,
    /// The record of any other fact.
    pub(super) other: CachedStatement<'a>,
    keep: CachedStatement<'a>,
    drop: CachedStatement<'a>,
}

/// What a fact is about, without saying it: no column holds a whole account number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    kind: u8,
    /// The beginning of a digest of what its key says.
    about: [u8; 16],
}

impl Place {
    fn of(fact: &Fact) -> Self {
        let kind = match fact {
            Fact::Linked(_) => 1,
            Fact::Customer(_) => 2,
            Fact::Balance(_) => 3,
            Fact::Reads(_) => 4,
            Fact::Payment(_) => 5,
            Fact::Card(_) => 6,
        };
        let key = fact.key();
        // Behind the slash, so that an account's link and its balance are about the same.
        let about = key.split_once('/').map_or(key.as_str(), |(_, about)| about);
        let mut place = Self { kind, about: [0; 16] };
        for (to, from) in place.about.iter_mut().zip(digest(&SHA256, about.as_bytes()).as_ref()) {
            *to = *from;
        }
        place
    }

    /// Whether this record is a fact with this place.
    pub(super) fn check(self, entry: &Entry) -> Result<(), StoreError> {
        match &entry.1 {
            Record::Fact(known) if Self::of(&known.fact) == self => Ok(()),
            Record::Fact(_)
            | Record::Intent(_)
            | Record::Outcome(_)
            | Record::Reversal(_)
            | Record::Inquiry(_)
            | Record::Notice(_) => Err(changed(entry.0)),
        }
    }
}

fn changed(record: RecordId) -> StoreError {
    StoreError::Broken(Finding { record, what: Break::Changed })
}

/// What views show of a fact that belongs to no transaction.
#[derive(Default)]
struct Columns<'a> {
    account: Option<&'a str>,
    iban: Option<&'a str>,
    bank: Option<&'a str>,
    customer: Option<&'a str>,
    currency: Option<u16>,
    status: Option<&'static str>,
    level: Option<&'a str>,
    /// When it was decided or seen.
    at: Utc,
    /// How long it is good for.
    until: Utc,
}

impl<'a> Facts<'a> {
    pub(super) fn prepare(tx: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            payment: tx.prepare_cached(PAYMENT)?,
            other: tx.prepare_cached(OTHER)?,
            keep: tx.prepare_cached(KEEP)?,
            drop: tx.prepare_cached("DELETE FROM facts WHERE kind = ?1 AND about = ?2")?,
        })
    }

    /// Notes that this record is the last of its key, or that its key is gone. A payment needs
    /// neither: its transaction is unfinished as long as it is not over.
    pub(super) fn keep(&mut self, id: RecordId, known: &Known) -> rusqlite::Result<()> {
        let Known { utc, fact } = known;
        let place = Place::of(fact);
        if fact.is_over() {
            return self.drop.execute(params![place.kind, place.about]).map(|_| ());
        }
        let Some(columns) = Columns::of(fact) else { return Ok(()) };
        let some = |time: Utc| (time != Utc(0)).then(|| i64::try_from(time.0).unwrap_or(i64::MAX));
        let row = params![
            place.kind,
            place.about,
            id.0,
            utc.0,
            columns.account.and_then(last_four),
            columns.iban.and_then(last_four),
            columns.bank,
            columns.customer,
            columns.currency,
            columns.status,
            columns.level,
            some(columns.at),
            some(columns.until),
        ];
        self.keep.execute(row).map(|_| ())
    }
}

impl<'a> Columns<'a> {
    fn of(fact: &'a Fact) -> Option<Self> {
        fn filled(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        match fact {
            Fact::Linked(linked) => Some(Self {
                account: Some(linked.number()),
                iban: Some(&linked.iban),
                bank: filled(&linked.bank),
                customer: filled(&linked.customer),
                currency: Some(linked.currency),
                status: Some(linked.status.word()),
                until: linked.until,
                ..Self::default()
            }),
            Fact::Customer(customer) => Some(Self {
                customer: Some(&customer.customer),
                status: Some(customer.status.word()),
                level: filled(&customer.level),
                at: customer.reviewed,
                until: customer.document_until,
                ..Self::default()
            }),
            Fact::Balance(cached) => Some(Self {
                account: Some(&cached.account),
                currency: Some(cached.currency),
                at: cached.synced,
                ..Self::default()
            }),
            Fact::Reads(reads) => {
                Some(Self { status: Some(Endpoint::word(reads.endpoint)), ..Self::default() })
            }
            Fact::Card(card) => Some(Self { account: Some(&card.account), ..Self::default() }),
            Fact::Payment(_) => None,
        }
    }
}

/// The last record of each fact that is not over and belongs to no transaction.
pub(super) fn each(
    connection: &Connection,
    mut each: impl FnMut(Place, Stored<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fail = failed("reading facts");
    let sql = "SELECT r.id, r.body, r.chain, f.record, f.kind, f.about FROM facts f
        LEFT JOIN records r ON r.id = f.record ORDER BY f.record";
    let mut select = connection.prepare_cached(sql).map_err(&fail)?;
    let mut rows = select.query([]).map_err(&fail)?;
    let mut last = RecordId(0);
    loop {
        let Some(row) = rows.next().map_err(unreadable(last))? else { return Ok(()) };
        let named = RecordId(row.get(3).map_err(unreadable(last))?);
        let (kind, about) = (row.get(4), row.get(5));
        let (Ok(kind), Ok(about)) = (kind, about) else { return Err(changed(named)) };
        if row.get_ref(0).map_err(unreadable(last))? == ValueRef::Null {
            return Err(changed(named));
        }
        let stored = Stored::of(row).map_err(unreadable(last))?;
        last = stored.id;
        each(Place { kind, about }, stored)?;
    }
}

const PAYMENT: &str = "INSERT INTO records (id, kind, txn, utc, link_group, response, state,
    reference, open_case, note, over, body, chain)
    VALUES (?1, 6, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const OTHER: &str = "INSERT INTO records (id, kind, utc, body, chain) VALUES (?1, 6, ?2, ?3, ?4)";

const KEEP: &str = "INSERT INTO facts (kind, about, record, utc, account, iban, bank, customer,
    currency, status, level, at, until)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    ON CONFLICT (kind, about) DO UPDATE SET record = excluded.record, utc = excluded.utc,
    account = excluded.account, iban = excluded.iban, bank = excluded.bank,
    customer = excluded.customer, currency = excluded.currency, status = excluded.status,
    level = excluded.level, at = excluded.at, until = excluded.until";
