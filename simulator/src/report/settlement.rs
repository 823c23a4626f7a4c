//! What institutions posted and held, by business day and currency, added up as the ledger adds
//! it up when it answers a reconciliation.

use std::collections::BTreeMap;

use rusqlite::Connection;
use veksel_core::time::Utc;

use super::{Cell, ReportError, Sheet};
use crate::issuer::reconciliation_fields;
use crate::ledger::{Calendar, Sum, Totals};
use crate::money::Currency;

/// Business day (counted from 1 January 1970), institution (DE32) and currency.
type Day = (u64, String, Currency);

/// Totals by day.
pub(super) type Days = BTreeMap<Day, Totals>;

/// Reads every posting and hold that a message made, one after the other.
pub(super) fn read(connection: &Connection) -> Result<Days, ReportError> {
    // Only as many cut-overs as a ledger remembers would be too few for old days.
    let mut cut_overs = connection.prepare("SELECT utc_ms FROM cut_overs ORDER BY utc_ms")?;
    let cut_overs = cut_overs.query_map([], |row| row.get::<_, i64>(0))?;
    let calendar = cut_overs
        .map(|at| at.map(i64::unsigned_abs))
        .collect::<rusqlite::Result<Vec<_>>>()
        .map(Calendar::of_all)?;
    let mut days = Days::new();
    let mut postings = connection.prepare(
        "SELECT utc_ms, acquirer, currency, tran_type, reverses IS NOT NULL, amount \
         FROM transfers WHERE acquirer IS NOT NULL ORDER BY id",
    )?;
    let mut rows = postings.query([])?;
    while let Some(row) = rows.next()? {
        let Some(currency) = Currency::from_numeric(row.get(2)?) else { continue };
        let utc_ms: i64 = row.get(0)?;
        let tran_type: String = row.get(3)?;
        let day = (calendar.business_day(utc_ms.unsigned_abs()), row.get(1)?, currency);
        let code = tran_type.parse().unwrap_or_default();
        days.entry(day).or_default().post(code, row.get(4)?, row.get(5)?);
    }
    let mut holds = connection
        .prepare("SELECT utc_ms, acquirer, currency FROM holds WHERE acquirer IS NOT NULL")?;
    let mut rows = holds.query([])?;
    while let Some(row) = rows.next()? {
        let Some(currency) = Currency::from_numeric(row.get(2)?) else { continue };
        let utc_ms: i64 = row.get(0)?;
        let day = (calendar.business_day(utc_ms.unsigned_abs()), row.get(1)?, currency);
        let totals = days.entry(day).or_default();
        totals.authorisations = totals.authorisations.saturating_add(1);
    }
    Ok(days)
}

pub(super) fn sheet(days: &Days, rows_max: usize) -> Sheet {
    let columns = [
        "business_day",
        "institution",
        "currency",
        "credits",
        "credits_minor",
        "credit_reversals",
        "credit_reversals_minor",
        "debits",
        "debits_minor",
        "debit_reversals",
        "debit_reversals_minor",
        "transfers",
        "transfers_minor",
        "transfer_reversals",
        "transfer_reversals_minor",
        "authorisations",
        "net_minor",
    ];
    let about = "What each institution's messages posted and held, by business day and currency; \
                 net is credits less debits.";
    let mut sheet = Sheet::new("settlement", about, &columns);
    for ((day, institution, currency), totals) in newest(days, rows_max, &mut sheet.left_off) {
        let mut row =
            vec![date(*day), Cell::Text(institution.clone()), Cell::Text(currency.to_string())];
        let Totals { credits, credit_reversals, debits, debit_reversals, .. } = totals;
        let Totals { transfers, transfer_reversals, .. } = totals;
        let sums =
            [credits, credit_reversals, debits, debit_reversals, transfers, transfer_reversals];
        for Sum { number, minor } in sums {
            row.extend([Cell::figure(i128::from(*number)), Cell::figure(*minor)]);
        }
        row.push(Cell::figure(i128::from(totals.authorisations)));
        row.push(Cell::figure(totals.net()));
        sheet.rows.push(row);
    }
    sheet
}

/// The same as an institution would have to tell it in a 0520.
pub(super) fn fields(days: &Days, rows_max: usize) -> Sheet {
    let about = "The same as fields of a reconciliation advice (0520), as they would stand in it.";
    let mut sheet = Sheet::new("reconciliation", about, &["DE15", "DE32", "DE49"]);
    let none = Totals::default();
    for (number, _) in reconciliation_fields(&none) {
        sheet.columns.push(format!("DE{number}"));
    }
    for ((day, institution, currency), totals) in newest(days, rows_max, &mut sheet.left_off) {
        let [a, b, c, d, ..] = Utc(day.saturating_mul(DAY_MS)).transmission();
        let day = String::from_utf8_lossy(&[a, b, c, d]).into_owned();
        let currency = format!("{:03}", currency.numeric());
        let mut row = vec![Cell::Text(day), Cell::Text(institution.clone()), Cell::Text(currency)];
        row.extend(reconciliation_fields(totals).map(|(_, value)| Cell::Text(value)));
        sheet.rows.push(row);
    }
    sheet
}

/// The latest days, oldest of them first.
fn newest<'d>(
    days: &'d Days,
    rows_max: usize,
    left_off: &mut u64,
) -> impl Iterator<Item = (&'d Day, &'d Totals)> {
    let older = days.len().saturating_sub(rows_max);
    *left_off = older as u64;
    days.iter().skip(older)
}

fn date(day: u64) -> Cell {
    let day = i64::try_from(day.saturating_mul(DAY_MS)).ok();
    let day = day.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    Cell::Text(day.map(|day| day.strftime("%Y-%m-%d").to_string()).unwrap_or_default())
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
