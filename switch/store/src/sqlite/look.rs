//! What people look at: rows of the views, masked as the views mask them.

use super::failed;
use super::read::SqliteReader;
use crate::StoreError;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use veksel_core::record::TxnId;

/// Which transactions to show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Those with a higher number, lowest first. `None` is the newest ones, also in order.
    pub after: Option<TxnId>,
    /// Those in this state, a word of `v_transactions`.
    pub state: Option<String>,
    /// Those with this DE37.
    pub rrn: Option<String>,
    /// No more than this.
    pub limit: u32,
}

/// A row of `v_transactions`. What a kind of transaction does not have is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Its number.
    pub txn: TxnId,
    /// When it began, RFC 3339.
    pub time: String,
    /// Who sent it.
    pub participant: Option<String>,
    /// What was asked.
    pub mti: Option<String>,
    /// DE3.
    pub code: Option<String>,
    /// DE4 as a decimal.
    pub amount: Option<String>,
    /// Name or number of the currency.
    pub currency: Option<String>,
    /// DE37.
    pub rrn: Option<String>,
    /// DE41.
    pub terminal: Option<String>,
    /// DE39 that the channel got.
    pub response: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// `open`, `approved`, `reversing` and so on.
    pub state: String,
}

/// A row of `v_reversals` that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reversing {
    /// The transaction that is undone, or the advice that is delivered.
    pub txn: TxnId,
    /// When it was queued, RFC 3339.
    pub time: String,
    /// Its last step: `queued`, `sent` or `parked`.
    pub step: String,
    /// Why it was queued.
    pub reason: Option<String>,
    /// How often it was sent.
    pub attempts: u64,
    /// When the last step was taken.
    pub last: String,
    /// DE39 of the last answer, if it was parked for one.
    pub response: Option<String>,
    /// Where it goes.
    pub group: Option<String>,
    /// Of the transaction.
    pub mti: Option<String>,
    /// Of the transaction, as a decimal.
    pub amount: Option<String>,
    /// Of the transaction.
    pub currency: Option<String>,
    /// Of the transaction.
    pub rrn: Option<String>,
}

/// A row of `v_payments`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paying {
    /// Its transaction.
    pub txn: TxnId,
    /// When it began, RFC 3339.
    pub time: String,
    /// Name of the bank.
    pub bank: Option<String>,
    /// How it stands, a word of `PaymentState`.
    pub state: String,
    /// What the bank calls it.
    pub reference: Option<String>,
    /// Why a person must look at it, if so.
    pub case: Option<String>,
    /// DE39 that the channel heard first.
    pub told: Option<String>,
    /// The provider's code of its last failure.
    pub code: Option<String>,
    /// Whether nothing more will happen to it.
    pub is_over: bool,
    /// When it last changed, RFC 3339.
    pub last: String,
    /// Of the transaction, as a decimal.
    pub amount: Option<String>,
    /// Of the transaction.
    pub currency: Option<String>,
    /// Of the transaction.
    pub rrn: Option<String>,
}

impl SqliteReader {
    /// The newest payments at banks, in order of their numbers; only those that a person must look
    /// at, if asked for.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn payments(&self, only_cases: bool, limit: u32) -> Result<Vec<Paying>, StoreError> {
        let condition = if only_cases { "WHERE open_case IS NOT NULL" } else { "" };
        let sql = format!(
            "SELECT txn, time, bank, state, reference, open_case, told, code, over, last_time,
            amount, currency, rrn FROM v_payments {condition} ORDER BY txn DESC LIMIT ?"
        );
        let mut found = self.rows(&sql, vec![Value::Integer(limit.into())], |row| {
            Ok(Paying {
                txn: TxnId(row.get(0)?),
                time: row.get(1)?,
                bank: row.get(2)?,
                state: row.get(3)?,
                reference: row.get(4)?,
                case: row.get(5)?,
                told: row.get(6)?,
                code: row.get(7)?,
                is_over: row.get(8)?,
                last: row.get(9)?,
                amount: row.get(10)?,
                currency: row.get(11)?,
                rrn: row.get(12)?,
            })
        })?;
        found.sort_by_key(|payment| payment.txn);
        Ok(found)
    }

    /// Transactions as people may see them, in order of their numbers.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn transactions(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        if let Some(after) = filter.after {
            conditions.push("txn > ?");
            values.push(number(after.0));
        }
        if let Some(state) = &filter.state {
            conditions.push("state = ?");
            values.push(Value::Text(state.clone()));
        }
        if let Some(rrn) = &filter.rrn {
            conditions.push("rrn = ?");
            values.push(Value::Text(rrn.clone()));
        }
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        let order = if filter.after.is_some() { "" } else { "DESC" };
        values.push(Value::Integer(filter.limit.into()));
        let sql = format!(
            "SELECT txn, time, participant, mti, code, amount, currency, rrn, terminal, response,
            reason, state FROM v_transactions {conditions} ORDER BY txn {order} LIMIT ?"
        );
        let mut found: Vec<Summary> = self.rows(&sql, values, |row| {
            Ok(Summary {
                txn: TxnId(row.get(0)?),
                time: row.get(1)?,
                participant: row.get(2)?,
                mti: row.get(3)?,
                code: row.get(4)?,
                amount: row.get(5)?,
                currency: row.get(6)?,
                rrn: row.get(7)?,
                terminal: row.get(8)?,
                response: row.get(9)?,
                reason: row.get(10)?,
                state: row.get(11)?,
            })
        })?;
        found.sort_by_key(|summary| summary.txn);
        Ok(found)
    }

    /// Everything that is being undone or delivered, or is parked, oldest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn reversals(&self, limit: u32) -> Result<Vec<Reversing>, StoreError> {
        let sql = "SELECT txn, time, last_step, reason, attempts, last_time, response, link_group,
            mti, amount, currency, rrn FROM v_reversals
            WHERE state IN ('reversing', 'parked') ORDER BY txn LIMIT ?";
        self.rows(sql, vec![Value::Integer(limit.into())], |row| {
            Ok(Reversing {
                txn: TxnId(row.get(0)?),
                time: row.get(1)?,
                step: row.get(2)?,
                reason: row.get(3)?,
                attempts: row.get(4)?,
                last: row.get(5)?,
                response: row.get(6)?,
                group: row.get(7)?,
                mti: row.get(8)?,
                amount: row.get(9)?,
                currency: row.get(10)?,
                rrn: row.get(11)?,
            })
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let fail = failed("reading a view");
        let mut select = self.connection.prepare(sql).map_err(&fail)?;
        let rows = select.query_map(params_from_iter(values), of).map_err(&fail)?;
        rows.collect::<Result<_, _>>().map_err(&fail)
    }
}
