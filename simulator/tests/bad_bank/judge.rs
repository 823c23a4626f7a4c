//! What channels were told, what the journal says and what the ledger holds, payment by payment.
//!
//! It only reads. For every contradiction it prints everything that is known of the payment.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::channel::{Payment, Told};
use crate::rig::count;

/// Contradictions that are told in full.
const TOLD_MAX: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) payments: usize,
    pub(crate) approved: usize,
    pub(crate) unknown: usize,
    pub(crate) declined: usize,
    pub(crate) cancelled: usize,
    pub(crate) copies: u64,
    pub(crate) reversals: u64,
    pub(crate) slowest: Duration,
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payments, approved, unknown, declined, cancelled, copies, .. } = self;
        let Self { reversals, slowest, violations, .. } = self;
        write!(
            f,
            "{payments} payments: {approved} approved, {unknown} answered 68, {declined} \
             declined; {cancelled} taken back, {copies} copies; {reversals} reversals settled; \
             slowest answer {slowest:.2?}; {} violations",
            violations.len()
        )
    }
}

impl Verdict {
    pub(crate) fn must_be_clean(&self) {
        assert!(self.violations.is_empty(), "{self}\n{}", self.violations.join("\n"));
    }
}

/// What the ledger holds of a payment.
#[derive(Clone, Copy, Debug, Default)]
struct InLedger {
    executed: u64,
    /// Minor units that moved and were not moved back.
    net: i64,
}

pub(crate) fn examine(journal: &Connection, ledger: &Connection, told: &Told) -> Verdict {
    let mut verdict = Verdict {
        payments: told.payments.len(),
        copies: told.copies,
        slowest: told.slowest,
        reversals: count(journal, "SELECT count(*) FROM v_reversals WHERE state = 'reversed'"),
        violations: told.complaints.iter().take(TOLD_MAX).cloned().collect(),
        ..Verdict::default()
    };
    let unsettled = "SELECT * FROM v_reversals WHERE state <> 'reversed' LIMIT 5";
    let unsettled = table(journal, unsettled, None);
    if !unsettled.is_empty() {
        verdict.violations.push(format!("reversals that are not settled:\n{unsettled}"));
    }
    let uneven = "SELECT * FROM v_conservation WHERE sum_minor <> 0 OR unexplained_minor <> 0";
    let uneven = table(ledger, uneven, None);
    if !uneven.is_empty() {
        verdict.violations.push(format!("money was made or lost:\n{uneven}"));
    }
    let (in_ledger, in_journal) = (ledger_facts(ledger), journal_facts(journal));
    for rrn in in_ledger.keys().filter(|rrn| !told.payments.contains_key(*rrn)) {
        verdict.violations.push(format!("the ledger has {rrn}, which nobody sent"));
    }
    let mut contradictions = 0;
    for (rrn, payment) in &told.payments {
        match payment.answer.as_deref() {
            Some("00") => verdict.approved += 1,
            Some("68") => verdict.unknown += 1,
            Some(_) | None => verdict.declined += 1,
        }
        verdict.cancelled += usize::from(payment.cancel.is_some());
        let held = in_ledger.get(rrn).copied().unwrap_or_default();
        let states = in_journal.get(rrn).cloned().unwrap_or_default();
        for contradiction in contradictions_of(payment, held, &states) {
            contradictions += 1;
            if contradictions <= TOLD_MAX {
                let evidence = evidence(journal, ledger, rrn, payment);
                verdict.violations.push(format!("{rrn}: {contradiction}\n{evidence}"));
            }
        }
    }
    if contradictions > TOLD_MAX {
        verdict.violations.push(format!("and {} more", contradictions - TOLD_MAX));
    }
    verdict
}

fn contradictions_of(payment: &Payment, ledger: InLedger, journal: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{what}: {ledger:?}, journal {journal:?}"));
        }
    };
    let state = journal.first().map(String::as_str).unwrap_or_default();
    must(ledger.executed <= 1, "executed more than once");
    must(journal.len() <= 1, "more than one transaction for one payment");
    match (payment.answer.as_deref(), payment.cancel.is_some()) {
        (Some("00"), false) => {
            must(ledger.net == payment.amount, "approved, and not moved once");
            must(state == "approved", "approved, and the journal does not say so");
        }
        (Some("00"), true) => {
            let is_taken = payment.cancelled.as_deref() == Some("00");
            must(is_taken, "a reversal was not taken over");
            must(ledger.net == 0, "taken back, and the ledger still has it");
        }
        (Some("68"), _) => {
            must(ledger.net == 0, "answered 68, and the ledger has it");
            must(state == "reversed", "answered 68, and no reversal is settled");
        }
        (Some(_) | None, _) => {
            must(ledger.net == 0, "failed for its channel, and the ledger has it");
            let is_known = ["declined", "not_sent", "reversed", ""].contains(&state);
            must(is_known, "failed for its channel, and not in the journal");
        }
    }
    found
}

fn ledger_facts(ledger: &Connection) -> BTreeMap<String, InLedger> {
    let sql = "SELECT rrn, sum(reverses IS NULL),
               sum(iif(reverses IS NULL, amount_minor, -amount_minor))
               FROM v_transfers WHERE rrn IS NOT NULL GROUP BY rrn";
    let mut select = ledger.prepare(sql).unwrap();
    let fact = |row: &rusqlite::Row<'_>| {
        let executed = row.get::<_, i64>(1)?.unsigned_abs();
        Ok((row.get::<_, String>(0)?, InLedger { executed, net: row.get(2)? }))
    };
    select.query_map([], fact).unwrap().map(Result::unwrap).collect()
}

fn journal_facts(journal: &Connection) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT rrn, state FROM v_transactions WHERE substr(mti, 2, 1) = '2'";
    let mut select = journal.prepare(sql).unwrap();
    let fact = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let mut facts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in select.query_map([], fact).unwrap() {
        let (rrn, state) = row.unwrap();
        facts.entry(rrn).or_default().push(state);
    }
    facts
}

/// Everything that anybody knows of a payment.
fn evidence(journal: &Connection, ledger: &Connection, rrn: &str, payment: &Payment) -> String {
    let mut text = format!("  amount {}\n  channel:\n", payment.amount);
    for (at, what) in &payment.history {
        let _ = writeln!(text, "    {:>9.3} s {what}", at.as_secs_f64());
    }
    let records = "SELECT r.id, r.txn, r.kind,
            strftime('%H:%M:%S', r.utc / 1000, 'unixepoch') || printf('.%03d', r.utc % 1000) AS at,
            r.mti, r.stan, r.host_stan, r.attempt,
            (SELECT name FROM names WHERE id = r.verdict) AS verdict,
            (SELECT name FROM names WHERE id = r.response) AS response,
            (SELECT name FROM names WHERE id = r.reason) AS reason,
            (SELECT name FROM names WHERE id = r.step) AS step
        FROM records r WHERE r.txn IN (SELECT txn FROM records WHERE rrn = ?1) ORDER BY r.id";
    let replies = "SELECT id, class, transmitted, stan,
            strftime('%H:%M:%S', utc_ms / 1000, 'unixepoch') || printf('.%03d', utc_ms % 1000) AS at,
            outcome, response_code, transfer FROM replies WHERE rrn = ?1";
    for (database, title, sql) in [
        (journal, "journal", records),
        (ledger, "bank: transfers", "SELECT * FROM v_transfers WHERE rrn = ?1"),
        (ledger, "bank: replies", replies),
        (ledger, "bank: tombstones", "SELECT * FROM tombstones WHERE rrn = ?1"),
    ] {
        let _ = write!(text, "  {title}:\n{}", table(database, sql, Some(rrn)));
    }
    text
}

/// Rows for people: columns that say something.
fn table(database: &Connection, sql: &str, rrn: Option<&str>) -> String {
    let mut select = database.prepare(sql).unwrap();
    let names: Vec<String> = select.column_names().map(str::to_owned).collect();
    let mut rows = select.query(rusqlite::params_from_iter(rrn)).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap() {
        text.push_str("   ");
        for (place, name) in names.iter().enumerate() {
            let _ = match row.get_ref(place).unwrap() {
                ValueRef::Null | ValueRef::Blob(_) => Ok(()),
                ValueRef::Integer(value) => write!(text, " {name}={value}"),
                ValueRef::Real(value) => write!(text, " {name}={value}"),
                ValueRef::Text(value) => write!(text, " {name}={}", String::from_utf8_lossy(value)),
            };
        }
        text.push('\n');
    }
    text
}
