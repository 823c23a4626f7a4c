//! Rows from values: everything that is ever written to a book.
//!
//! Account sums are added up over a batch and written once for each account, because the bank's
//! own accounts are a side of nearly every transfer. It opens and commits no transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::directory::Rows;
use crate::ledger::{
    AccountId, Adjusted, Balances, Change, Effect, Hold, HoldId, HoldState, Key, Ledger, Owner,
    Reply, Tombstone, Transfer,
};
use crate::money::Currency;

use super::BookError;

pub(super) fn directory(connection: &Connection, rows: &Rows) -> Result<(), BookError> {
    let mut insert = connection.prepare("INSERT INTO currencies VALUES (?, ?, ?, ?)")?;
    for currency in Currency::ALL {
        let scale = 10_i64.pow(currency.decimals());
        insert.execute(params![
            currency.numeric(),
            currency.alpha(),
            currency.decimals(),
            scale
        ])?;
    }
    let mut insert = connection.prepare("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    for row in &rows.customers {
        let status = row.status.letter();
        insert.execute(params![
            row.id,
            row.name,
            row.phone,
            row.email,
            row.city,
            row.country,
            status
        ])?;
    }
    let mut insert = connection.prepare("INSERT INTO billers VALUES (?, ?, ?, ?, ?)")?;
    for row in &rows.billers {
        let currency = row.currency.numeric();
        insert.execute(params![row.id, row.name, row.category, currency, row.reference_digits])?;
    }
    let mut insert = connection.prepare("INSERT INTO banks VALUES (?, ?, ?, ?, ?)")?;
    for row in &rows.banks {
        insert.execute(params![row.code, row.bic, row.name, row.country, row.iin])?;
    }
    let mut insert = connection.prepare("INSERT INTO operators VALUES (?, ?, ?, ?)")?;
    for row in &rows.operators {
        insert.execute(params![row.code, row.name, row.country, row.prefix])?;
    }
    Ok(())
}

/// With sums of zero; the effects that follow bring them up.
pub(super) fn accounts(connection: &Connection, ledger: &Ledger) -> Result<(), BookError> {
    let mut insert = connection.prepare(
        "INSERT INTO accounts (id, account, currency, gl, customer, product, status, overdraft,
            opened, branch, iban) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (id, account) in ledger.accounts() {
        let currency = account.currency.numeric();
        match &account.owner {
            Owner::Bank(gl) => insert.execute(params![
                id.0,
                account.number,
                currency,
                gl.name(),
                None::<&str>,
                None::<&str>,
                None::<&str>,
                0,
                None::<&str>,
                None::<&str>,
                None::<&str>
            ])?,
            Owner::Customer(holder) => insert.execute(params![
                id.0,
                account.number,
                currency,
                None::<&str>,
                holder.customer,
                holder.product.code(),
                holder.status.letter(),
                holder.overdraft,
                holder.opened,
                holder.branch,
                holder.iban
            ])?,
        };
    }
    Ok(())
}

pub(super) fn cards(connection: &Connection, rows: &Rows) -> Result<(), BookError> {
    let mut insert = connection.prepare("INSERT INTO cards VALUES (?, ?, ?, ?)")?;
    for row in &rows.cards {
        insert.execute(params![row.pan, row.account, row.expiry, row.status.letter()])?;
    }
    Ok(())
}

/// What a batch adds to an account's sums.
#[derive(Default)]
struct Delta {
    debits: i64,
    credits: i64,
    pending: i64,
}

type Deltas = BTreeMap<AccountId, Delta>;

pub(super) fn effects(
    connection: &Connection,
    numbers: &[String],
    effects: &[Effect],
) -> Result<(), BookError> {
    let mut deltas = Deltas::new();
    for effect in effects {
        match &effect.change {
            Some(Change::Posted(row)) => transfer(connection, numbers, row, &mut deltas)?,
            Some(Change::Held(row)) => hold(connection, numbers, row, &mut deltas)?,
            Some(Change::Captured { hold, transfer: row }) => {
                transfer(connection, numbers, row, &mut deltas)?;
                release(connection, *hold, HoldState::Captured(row.amount), &mut deltas)?;
            }
            Some(Change::Adjusted { hold, amount, adjusted }) => {
                adjust(connection, *hold, *amount, *adjusted, &mut deltas)?;
            }
            Some(Change::Released { hold, state }) => {
                release(connection, *hold, *state, &mut deltas)?;
            }
            Some(Change::Tombstoned(row)) => tombstone(connection, row)?,
            Some(Change::CutOver { utc_ms }) => {
                connection
                    .prepare_cached("INSERT INTO cut_overs VALUES (?)")?
                    .execute([integer(*utc_ms)?])?;
            }
            None => {}
        }
        if let Some(row) = &effect.reply {
            reply(connection, row)?;
        }
    }
    let mut update = connection.prepare_cached(
        "UPDATE accounts SET debits_posted = debits_posted + ?2,
            credits_posted = credits_posted + ?3, debits_pending = debits_pending + ?4
         WHERE id = ?1",
    )?;
    for (id, delta) in deltas {
        update.execute(params![id.0, delta.debits, delta.credits, delta.pending])?;
    }
    Ok(())
}

fn transfer(
    connection: &Connection,
    numbers: &[String],
    row: &Transfer,
    deltas: &mut Deltas,
) -> Result<(), BookError> {
    let key = KeyColumns::of(row.key.as_ref());
    connection
        .prepare_cached(
            "INSERT INTO transfers (id, debit_account, credit_account, amount, currency,
                tran_type, narration, utc_ms, class, transmitted, stan, acquirer, rrn, terminal,
                acceptor, hold, reverses)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            integer(row.id.0)?,
            number(numbers, row.debit)?,
            number(numbers, row.credit)?,
            row.amount,
            row.currency.numeric(),
            two_digits(row.tran_type),
            row.narration,
            integer(row.utc_ms)?,
            key.class,
            key.transmitted,
            key.stan,
            key.acquirer,
            key.rrn,
            key.terminal,
            key.acceptor,
            row.hold.map(|hold| integer(hold.0)).transpose()?,
            row.reverses.map(|original| integer(original.0)).transpose()?
        ])?;
    if let Some(original) = row.reverses {
        connection
            .prepare_cached("UPDATE transfers SET reversed = ?2, reversed_by = ?3 WHERE id = ?1")?
            .execute(params![integer(original.0)?, row.amount, integer(row.id.0)?])?;
    }
    let debit = deltas.entry(row.debit).or_default();
    debit.debits = sum(debit.debits, row.amount)?;
    let credit = deltas.entry(row.credit).or_default();
    credit.credits = sum(credit.credits, row.amount)?;
    Ok(())
}

fn hold(
    connection: &Connection,
    numbers: &[String],
    row: &Hold,
    deltas: &mut Deltas,
) -> Result<(), BookError> {
    let key = KeyColumns::of(row.key.as_ref());
    let (state, captured) = state_columns(row.state);
    connection
        .prepare_cached(
            "INSERT INTO holds (id, account, amount, currency, state, held, captured, tran_type,
                narration, utc_ms, expires_ms, class, transmitted, stan, acquirer, rrn, terminal,
                acceptor)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            integer(row.id.0)?,
            number(numbers, row.account)?,
            row.amount,
            row.currency.numeric(),
            state,
            row.state.held(),
            captured,
            two_digits(row.tran_type),
            row.narration,
            integer(row.utc_ms)?,
            row.expires_ms.map(integer).transpose()?,
            key.class,
            key.transmitted,
            key.stan,
            key.acquirer,
            key.rrn,
            key.terminal,
            key.acceptor
        ])?;
    let delta = deltas.entry(row.account).or_default();
    delta.pending = sum(delta.pending, row.state.held())?;
    Ok(())
}

fn release(
    connection: &Connection,
    id: HoldId,
    state: HoldState,
    deltas: &mut Deltas,
) -> Result<(), BookError> {
    let (account, held): (u32, i64) = connection
        .prepare_cached(
            "SELECT a.id, h.held FROM holds h JOIN accounts a ON a.account = h.account
             WHERE h.id = ?",
        )?
        .query_row([integer(id.0)?], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (name, captured) = state_columns(state);
    connection
        .prepare_cached("UPDATE holds SET state = ?2, held = ?3, captured = ?4 WHERE id = ?1")?
        .execute(params![integer(id.0)?, name, state.held(), captured])?;
    let delta = deltas.entry(AccountId(account)).or_default();
    delta.pending = sum(delta.pending, state.held().saturating_sub(held))?;
    Ok(())
}

fn adjust(
    connection: &Connection,
    id: HoldId,
    amount: i64,
    adjusted: Option<Adjusted>,
    deltas: &mut Deltas,
) -> Result<(), BookError> {
    let hold = integer(id.0)?;
    connection
        .prepare_cached("UPDATE holds SET amount = max(amount, ?2) WHERE id = ?1")?
        .execute(params![hold, amount])?;
    release(connection, id, HoldState::Open(amount), deltas)?;
    connection
        .prepare_cached("UPDATE holds SET amount = ?2 WHERE id = ?1")?
        .execute(params![hold, amount])?;
    connection.prepare_cached("DELETE FROM adjustments WHERE hold = ?1")?.execute([hold])?;
    if let Some(Adjusted { by, before }) = adjusted {
        connection
            .prepare_cached("INSERT INTO adjustments (hold, reply, before) VALUES (?, ?, ?)")?
            .execute(params![hold, integer(by)?, before])?;
    }
    Ok(())
}

fn tombstone(connection: &Connection, row: &Tombstone) -> Result<(), BookError> {
    let key = KeyColumns::of(Some(&row.original));
    connection
        .prepare_cached(
            "INSERT INTO tombstones (class, transmitted, stan, acquirer, rrn, terminal, acceptor,
                utc_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            key.class,
            key.transmitted,
            key.stan,
            key.acquirer,
            key.rrn,
            key.terminal,
            key.acceptor,
            integer(row.utc_ms)?
        ])?;
    Ok(())
}

fn reply(connection: &Connection, row: &Reply) -> Result<(), BookError> {
    let key = KeyColumns::of(Some(&row.key));
    let approval = row.approval.as_ref().map(|code| String::from_utf8_lossy(code));
    let currency_of = |balances: Balances| balances.currency.numeric();
    connection
        .prepare_cached(
            "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            integer(row.id)?,
            key.class,
            key.transmitted,
            key.stan,
            key.acquirer,
            key.rrn,
            key.terminal,
            key.acceptor,
            row.digest.0.as_slice(),
            integer(row.utc_ms)?,
            row.outcome.name(),
            row.outcome.response_code(),
            approval,
            row.amount.map(|amount| amount.minor),
            row.amount.map(|amount| amount.currency.numeric()),
            row.from.map(currency_of),
            row.from.map(|from| from.ledger),
            row.from.map(|from| from.held),
            row.from.map(|from| from.overdraft),
            row.to.map(currency_of),
            row.to.map(|to| to.ledger),
            row.to.map(|to| to.held),
            row.to.map(|to| to.overdraft),
            row.hold.map(|hold| integer(hold.0)).transpose()?,
            row.transfer.map(|transfer| integer(transfer.0)).transpose()?
        ])?;
    Ok(())
}

/// A key as text without its padding, for people. It is printable, or it would be no key.
#[derive(Default)]
struct KeyColumns<'a> {
    class: Option<u8>,
    transmitted: Option<&'a str>,
    stan: Option<&'a str>,
    acquirer: Option<&'a str>,
    rrn: Option<&'a str>,
    terminal: Option<&'a str>,
    acceptor: Option<&'a str>,
}

impl<'a> KeyColumns<'a> {
    fn of(key: Option<&'a Key>) -> Self {
        let Some(key) = key else {
            return Self::default();
        };
        let text = |part: &'a [u8]| std::str::from_utf8(part.trim_ascii_end()).ok();
        Self {
            class: Some(key.class.digit()),
            transmitted: text(&key.transmitted),
            stan: text(&key.stan),
            acquirer: text(&key.acquirer),
            rrn: text(&key.rrn),
            terminal: text(&key.terminal),
            acceptor: text(&key.acceptor),
        }
    }
}

fn state_columns(state: HoldState) -> (&'static str, i64) {
    match state {
        HoldState::Open(_) => ("open", 0),
        HoldState::Captured(posted) => ("captured", posted),
        HoldState::Voided => ("voided", 0),
        HoldState::Expired => ("expired", 0),
    }
}

fn number(numbers: &[String], id: AccountId) -> Result<&str, BookError> {
    let found = numbers.get(id.0 as usize).map(String::as_str);
    found.ok_or_else(|| fault("accounts", format!("{id} is not in the book")))
}

/// `SQLite` integers are signed; ids and times never come near the difference.
fn integer(value: u64) -> Result<i64, BookError> {
    i64::try_from(value).map_err(|_| fault("any", format!("{value} does not fit 63 bits")))
}

fn sum(left: i64, right: i64) -> Result<i64, BookError> {
    left.checked_add(right).ok_or(BookError::Unsound(crate::ledger::Unsound::Overflow))
}

fn two_digits(code: u8) -> String {
    format!("{code:02}")
}

fn fault(table: &'static str, what: String) -> BookError {
    BookError::Row { table, what }
}
