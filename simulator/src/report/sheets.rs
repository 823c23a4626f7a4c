//! The state of a bank, table by table.

use rusqlite::Connection;
use veksel_codecs::mask_pan;

use super::{Cell, ReportError, Sheet, cell};

/// A table that one query reads.
struct Query {
    name: &'static str,
    about: &'static str,
    /// Newest first if there may be many rows.
    select: &'static str,
    /// How many rows there are; `None` if all are always shown.
    count: Option<&'static str>,
    /// Amounts with a decimal point.
    decimals: &'static [&'static str],
}

const STATE: &[Query] = &[
    Query {
        name: "accounts",
        about: "Accounts of customers: what is on the ledger, what is held and what may be spent.",
        select: "SELECT account, customer, name, type, status, currency, currency_code, \
                 ledger_minor, held_minor, overdraft_minor, available_minor, ledger, available, \
                 opened, branch, iban FROM v_account ORDER BY account LIMIT ?1",
        count: Some("SELECT count(*) FROM v_account"),
        decimals: &["ledger", "available"],
    },
    Query {
        name: "bank_accounts",
        about: "Accounts of the bank itself.",
        select: "SELECT a.account, a.gl, c.alpha AS currency, a.debits_posted, a.credits_posted, \
                 a.credits_posted - a.debits_posted AS balance_minor \
                 FROM accounts a JOIN currencies c ON c.numeric = a.currency \
                 WHERE a.gl IS NOT NULL ORDER BY a.account LIMIT ?1",
        count: None,
        decimals: &[],
    },
    Query {
        name: "cards",
        about: "Cards and the accounts they stand for; their numbers are masked.",
        select: "SELECT pan, account, expiry, status FROM cards ORDER BY account, expiry LIMIT ?1",
        count: Some("SELECT count(*) FROM cards"),
        decimals: &[],
    },
    Query {
        name: "holds",
        about: "Amounts held for card payments, and what became of them.",
        select: "SELECT h.id, strftime('%Y-%m-%dT%H:%M:%fZ', h.utc_ms / 1000.0, 'unixepoch') \
                 AS utc, h.account, h.amount AS amount_minor, h.held AS held_minor, h.captured \
                 AS captured_minor, c.alpha AS currency, h.state, h.tran_type, h.narration, \
                 h.stan, h.rrn, h.terminal, strftime('%Y-%m-%dT%H:%M:%fZ', h.expires_ms / 1000.0, \
                 'unixepoch') AS expires FROM holds h JOIN currencies c ON c.numeric = h.currency \
                 ORDER BY h.id DESC LIMIT ?1",
        count: Some("SELECT count(*) FROM holds"),
        decimals: &[],
    },
    Query {
        name: "postings",
        about: "What was posted, from which account to which, and what undid it.",
        select: "SELECT id, utc, debit_account, credit_account, amount_minor, amount, currency, \
                 tran_type, narration, stan, rrn, terminal, hold, reverses, reversed_by \
                 FROM v_transfers ORDER BY id DESC LIMIT ?1",
        count: Some("SELECT count(*) FROM transfers"),
        decimals: &["amount"],
    },
    Query {
        name: "messages",
        about: "The journal of the bank: which message was answered how, and what it moved.",
        select: "SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', utc_ms / 1000.0, 'unixepoch') AS utc, \
                 class, transmitted, stan, acquirer, rrn, terminal, acceptor, outcome, \
                 response_code, approval, amount AS amount_minor, hold, transfer \
                 FROM replies ORDER BY id DESC LIMIT ?1",
        count: Some("SELECT count(*) FROM replies"),
        decimals: &[],
    },
    Query {
        name: "reversals_waiting",
        about: "Reversals that came before what they reverse.",
        select: "SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', utc_ms / 1000.0, 'unixepoch') AS utc, \
                 class, transmitted, stan, acquirer, rrn, terminal, acceptor \
                 FROM tombstones ORDER BY id DESC LIMIT ?1",
        count: Some("SELECT count(*) FROM tombstones"),
        decimals: &[],
    },
    Query {
        name: "conservation",
        about: "The proof: both figures are 0 in every currency.",
        select: "SELECT currency, sum_minor, unexplained_minor FROM v_conservation \
                 ORDER BY currency LIMIT ?1",
        count: None,
        decimals: &[],
    },
];

/// The column that is masked, wherever it stands.
const PAN: &str = "pan";

pub(super) fn state(connection: &Connection, rows_max: usize) -> Result<Vec<Sheet>, ReportError> {
    STATE.iter().map(|query| sheet(connection, query, rows_max)).collect()
}

fn sheet(connection: &Connection, query: &Query, rows_max: usize) -> Result<Sheet, ReportError> {
    let mut select = connection.prepare(query.select)?;
    let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
    let mut sheet = Sheet { columns, ..Sheet::new(query.name, query.about, &[]) };
    let most = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let mut rows = select.query([most])?;
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(sheet.columns.len());
        for (place, column) in sheet.columns.iter().enumerate() {
            let value = cell(row, place, query.decimals.contains(&column.as_str()))?;
            cells.push(match value {
                Cell::Text(pan) if column == PAN => Cell::Text(mask_pan(&pan)),
                value => value,
            });
        }
        sheet.rows.push(cells);
    }
    if let Some(count) = query.count {
        let all: i64 = connection.query_row(count, [], |row| row.get(0))?;
        sheet.left_off = all.unsigned_abs().saturating_sub(sheet.rows.len() as u64);
    }
    Ok(sheet)
}
