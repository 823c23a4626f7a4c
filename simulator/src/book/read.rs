//! Values from rows: the whole book, read once when the bank starts.
//!
//! A row that does not mean anything stops the start; a bank that guesses is worse than none.

use rusqlite::{Connection, Row};

use crate::directory::{
    Bank, Biller, Card, CardStatus, Customer, CustomerStatus, Directory, Operator, Rows,
};
use crate::ledger::{
    AccountId, Adjusted, Balances, Change, Class, Digest, Effect, Gl, Hold, HoldId, HoldState,
    Holder, Key, KeyParts, Ledger, Limits, NewAccount, Outcome, Owner, Product, Profile, Reply,
    Status, Tombstone, Transfer, TransferId,
};
use crate::money::{Currency, Money};

use super::BookError;

pub(super) fn all(
    connection: &Connection,
    limits: Limits,
    profile: Profile,
) -> Result<(Ledger, Directory), BookError> {
    let mut ledger = Ledger::without_accounts(limits, profile);
    let stored = accounts(connection, &mut ledger)?;
    recall(connection, &mut ledger, "transfers", "SELECT * FROM transfers ORDER BY id", transfer)?;
    recall(connection, &mut ledger, "holds", HOLDS, hold)?;
    let tombstones = "SELECT * FROM tombstones ORDER BY id";
    recall(connection, &mut ledger, "tombstones", tombstones, tombstone)?;
    recall(
        connection,
        &mut ledger,
        "cut_overs",
        "SELECT * FROM cut_overs ORDER BY rowid",
        cut_over,
    )?;
    recall(connection, &mut ledger, "replies", "SELECT * FROM replies ORDER BY id", reply)?;
    for (id, sums) in stored {
        let account = ledger.account(id);
        let found = account.map(|a| [a.debits_posted, a.credits_posted, a.debits_pending]);
        if found != Some(sums) {
            let number = account.map(|account| account.number.as_str()).unwrap_or_default();
            return Err(fault(
                "accounts",
                format!("sums of {number} do not follow from transfers"),
            ));
        }
    }
    Ok((ledger, Directory::new(directory(connection)?)))
}

/// The stored debits, credits and pending debits of each account.
type Sums = Vec<(AccountId, [i64; 3])>;

fn accounts(connection: &Connection, ledger: &mut Ledger) -> Result<Sums, BookError> {
    let mut select = connection.prepare("SELECT * FROM accounts ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut sums = Sums::new();
    while let Some(row) = rows.next()? {
        let gl: Option<String> = row.get("gl")?;
        let owner = match gl {
            Some(name) => Owner::Bank(known("accounts", "gl", &name, |name| {
                Gl::ALL.into_iter().find(|gl| gl.name() == name)
            })?),
            None => Owner::Customer(Holder {
                customer: row.get("customer")?,
                product: coded(row, "accounts", "product", Product::from_code)?,
                status: coded(row, "accounts", "status", Status::from_letter)?,
                overdraft: row.get("overdraft")?,
                opened: row.get("opened")?,
                branch: row.get("branch")?,
                iban: row.get("iban")?,
            }),
        };
        let new = NewAccount {
            number: row.get("account")?,
            currency: currency(row, "accounts", "currency")?,
            owner,
        };
        let id = ledger.open_account(new)?;
        if row.get::<_, u32>("id")? != id.0 {
            return Err(fault("accounts", "ids have a gap".to_owned()));
        }
        let posted = [row.get("debits_posted")?, row.get("credits_posted")?];
        sums.push((id, [posted[0], posted[1], row.get("debits_pending")?]));
    }
    Ok(sums)
}

fn recall(
    connection: &Connection,
    ledger: &mut Ledger,
    table: &'static str,
    query: &str,
    read: impl Fn(&Row<'_>, &Ledger) -> Result<Effect, BookError>,
) -> Result<(), BookError> {
    let mut select = connection.prepare(query)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let effect = read(row, ledger)?;
        ledger.recall(&effect).map_err(|unsound| fault(table, unsound.to_string()))?;
    }
    Ok(())
}

fn cut_over(row: &Row<'_>, _: &Ledger) -> Result<Effect, BookError> {
    let utc_ms = row.get::<_, i64>("utc_ms")?.unsigned_abs();
    Ok(Effect { change: Some(Change::CutOver { utc_ms }), reply: None })
}

fn transfer(row: &Row<'_>, ledger: &Ledger) -> Result<Effect, BookError> {
    let transfer = Transfer {
        id: TransferId(row.get::<_, i64>("id")?.unsigned_abs()),
        debit: account(row, ledger, "transfers", "debit_account")?,
        credit: account(row, ledger, "transfers", "credit_account")?,
        amount: row.get("amount")?,
        currency: currency(row, "transfers", "currency")?,
        tran_type: coded(row, "transfers", "tran_type", |code| code.parse().ok())?,
        narration: row.get("narration")?,
        utc_ms: row.get::<_, i64>("utc_ms")?.unsigned_abs(),
        key: key(row, "transfers")?,
        hold: hold_id(row, "hold")?,
        reverses: transfer_id(row, "reverses")?,
        // The transfer back sets it when its turn comes.
        reversed: None,
    };
    Ok(Effect { change: Some(Change::Posted(transfer)), reply: None })
}

fn hold(row: &Row<'_>, ledger: &Ledger) -> Result<Effect, BookError> {
    let (held, captured) = (row.get("held")?, row.get("captured")?);
    let state = coded(row, "holds", "state", |state| match state {
        "open" => Some(HoldState::Open(held)),
        "captured" => Some(HoldState::Captured(captured)),
        "voided" => Some(HoldState::Voided),
        "expired" => Some(HoldState::Expired),
        _ => None,
    })?;
    let expires_ms: Option<i64> = row.get("expires_ms")?;
    let hold = Hold {
        id: HoldId(row.get::<_, i64>("id")?.unsigned_abs()),
        account: account(row, ledger, "holds", "account")?,
        amount: row.get("amount")?,
        currency: currency(row, "holds", "currency")?,
        state,
        tran_type: coded(row, "holds", "tran_type", |code| code.parse().ok())?,
        narration: row.get("narration")?,
        utc_ms: row.get::<_, i64>("utc_ms")?.unsigned_abs(),
        expires_ms: expires_ms.map(i64::unsigned_abs),
        key: key(row, "holds")?,
        adjusted: adjusted(row)?,
    };
    Ok(Effect { change: Some(Change::Held(hold)), reply: None })
}

fn adjusted(row: &Row<'_>) -> Result<Option<Adjusted>, BookError> {
    let (by, before): (Option<i64>, Option<i64>) = (row.get("reply")?, row.get("before")?);
    Ok(by.zip(before).map(|(by, before)| Adjusted { by: by.unsigned_abs(), before }))
}

fn tombstone(row: &Row<'_>, _ledger: &Ledger) -> Result<Effect, BookError> {
    let original = key(row, "tombstones")?;
    let original = original.ok_or_else(|| fault("tombstones", "has no key".to_owned()))?;
    let utc_ms = row.get::<_, i64>("utc_ms")?.unsigned_abs();
    let change = Change::Tombstoned(Tombstone { original, utc_ms });
    Ok(Effect { change: Some(change), reply: None })
}

fn reply(row: &Row<'_>, _ledger: &Ledger) -> Result<Effect, BookError> {
    let amount: Option<i64> = row.get("amount")?;
    let amount = match amount {
        Some(minor) => Some(Money::new(minor, currency(row, "replies", "currency")?)),
        None => None,
    };
    let approval: Option<String> = row.get("approval")?;
    let approval = approval.map(|text| <[u8; 6]>::try_from(text.as_bytes()));
    let approval = approval.transpose().map_err(|_| fault("replies", "approval".to_owned()))?;
    let key = key(row, "replies")?;
    let reply = Reply {
        id: row.get::<_, i64>("id")?.unsigned_abs(),
        key: key.ok_or_else(|| fault("replies", "has no key".to_owned()))?,
        digest: Digest(row.get("digest")?),
        utc_ms: row.get::<_, i64>("utc_ms")?.unsigned_abs(),
        outcome: coded(row, "replies", "outcome", Outcome::from_name)?,
        amount,
        approval,
        from: balances(row, ["from_currency", "from_ledger", "from_held", "from_overdraft"])?,
        to: balances(row, ["to_currency", "to_ledger", "to_held", "to_overdraft"])?,
        hold: hold_id(row, "hold")?,
        transfer: transfer_id(row, "transfer")?,
    };
    Ok(Effect { change: None, reply: Some(reply) })
}

fn balances(row: &Row<'_>, columns: [&str; 4]) -> Result<Option<Balances>, BookError> {
    let [code, ledger, held, overdraft] = columns;
    if row.get::<_, Option<u16>>(code)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Balances {
        currency: currency(row, "replies", code)?,
        ledger: row.get(ledger)?,
        held: row.get(held)?,
        overdraft: row.get(overdraft)?,
    }))
}

fn directory(connection: &Connection) -> Result<Rows, BookError> {
    Ok(Rows {
        customers: table(connection, "SELECT * FROM customers ORDER BY rowid", |row| {
            Ok(Customer {
                id: row.get("customer")?,
                name: row.get("name")?,
                phone: row.get("phone")?,
                email: row.get("email")?,
                city: row.get("city")?,
                country: row.get("country")?,
                status: coded(row, "customers", "status", CustomerStatus::from_letter)?,
            })
        })?,
        cards: table(connection, "SELECT * FROM cards ORDER BY rowid", |row| {
            Ok(Card {
                pan: row.get("pan")?,
                account: row.get("account")?,
                expiry: row.get("expiry")?,
                status: coded(row, "cards", "status", CardStatus::from_letter)?,
            })
        })?,
        billers: table(connection, "SELECT * FROM billers ORDER BY rowid", |row| {
            Ok(Biller {
                id: row.get("biller")?,
                name: row.get("name")?,
                category: row.get("category")?,
                currency: currency(row, "billers", "currency")?,
                reference_digits: row.get("reference_digits")?,
            })
        })?,
        banks: table(connection, "SELECT * FROM banks ORDER BY rowid", |row| {
            Ok(Bank {
                code: row.get("bank")?,
                bic: row.get("bic")?,
                name: row.get("name")?,
                country: row.get("country")?,
                iin: row.get("iin")?,
            })
        })?,
        operators: table(connection, "SELECT * FROM operators ORDER BY rowid", |row| {
            Ok(Operator {
                code: row.get("operator")?,
                name: row.get("name")?,
                country: row.get("country")?,
                prefix: row.get("prefix")?,
            })
        })?,
    })
}

fn table<T>(
    connection: &Connection,
    query: &str,
    read: impl Fn(&Row<'_>) -> Result<T, BookError>,
) -> Result<Vec<T>, BookError> {
    let mut select = connection.prepare(query)?;
    let mut rows = select.query([])?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

/// `None` for a seed, which no message made.
fn key(row: &Row<'_>, table: &'static str) -> Result<Option<Key>, BookError> {
    let Some(digit) = row.get::<_, Option<u8>>("class")? else {
        return Ok(None);
    };
    let column = |name: &str| row.get::<_, String>(name);
    let (transmitted, stan) = (column("transmitted")?, column("stan")?);
    let (acquirer, rrn) = (column("acquirer")?, column("rrn")?);
    let (terminal, acceptor) = (column("terminal")?, column("acceptor")?);
    let parts = KeyParts {
        transmitted: transmitted.as_bytes(),
        stan: stan.as_bytes(),
        acquirer: acquirer.as_bytes(),
        rrn: rrn.as_bytes(),
        terminal: terminal.as_bytes(),
        acceptor: acceptor.as_bytes(),
    };
    let key = Class::from_digit(digit).and_then(|class| Key::new(class, parts));
    key.map(Some).ok_or_else(|| fault(table, "key is not one of a message".to_owned()))
}

fn account(
    row: &Row<'_>,
    ledger: &Ledger,
    table: &'static str,
    column: &str,
) -> Result<AccountId, BookError> {
    let number: String = row.get(column)?;
    known(table, column, &number, |number| ledger.find_account(number))
}

fn currency(row: &Row<'_>, table: &'static str, column: &str) -> Result<Currency, BookError> {
    let code: u16 = row.get(column)?;
    Currency::from_numeric(code).ok_or_else(|| fault(table, format!("{column} {code} is unknown")))
}

fn coded<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, BookError> {
    let code: String = row.get(column)?;
    known(table, column, &code, find)
}

fn known<T>(
    table: &'static str,
    column: &str,
    code: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, BookError> {
    find(code).ok_or_else(|| fault(table, format!("{column} {code} is unknown")))
}

fn hold_id(row: &Row<'_>, column: &str) -> Result<Option<HoldId>, BookError> {
    let id: Option<i64> = row.get(column)?;
    Ok(id.map(|id| HoldId(id.unsigned_abs())))
}

fn transfer_id(row: &Row<'_>, column: &str) -> Result<Option<TransferId>, BookError> {
    let id: Option<i64> = row.get(column)?;
    Ok(id.map(|id| TransferId(id.unsigned_abs())))
}

fn fault(table: &'static str, what: String) -> BookError {
    BookError::Row { table, what }
}

const HOLDS: &str = "SELECT holds.*, adjustments.reply, adjustments.before
    FROM holds LEFT JOIN adjustments ON adjustments.hold = holds.id ORDER BY holds.id";
