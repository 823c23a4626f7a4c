//! `veksel payments`: payments at banks over HTTP, from the journal.

use crate::arguments::Payments;
use crate::journal::{open, unread};
use crate::output::{Exit, Failure, Output};
use serde_json::{Value, json};
use std::fmt::Write;
use veksel_core::fact::{Case, Fact, Payment};
use veksel_core::{Record, TxnId};
use veksel_store::{Journal, Lookup, Paying, SqliteReader};

/// Lists them, or shows one.
///
/// # Errors
/// When the journal cannot be read, or there is no such payment.
pub(crate) fn payments(arguments: &Payments, output: Output) -> Result<Exit, Failure> {
    let (_, mut reader) = open(&arguments.place)?;
    if let Some(txn) = arguments.txn {
        return show(&mut reader, TxnId(txn), output);
    }
    let found =
        reader.payments(arguments.cases, arguments.limit).map_err(|error| unread(&error))?;
    if output.json {
        let found: Vec<_> = found.iter().map(paying_json).collect();
        output.print_json(&json!({ "payments": found }))?;
        return Ok(Exit::Yes);
    }
    if found.is_empty() {
        let nothing = if arguments.cases { "no payment needs a person\n" } else { "no payment\n" };
        output.print(nothing)?;
        return Ok(Exit::Yes);
    }
    let header =
        ["txn", "time", "bank", "state", "case", "DE39", "code", "reference", "amount", "rrn"];
    output.print(output.table(&header, found.into_iter().map(paying_row).collect()))?;
    Ok(Exit::Yes)
}

fn paying_row(paying: Paying) -> Vec<String> {
    let Paying { txn, time, state, amount, currency, .. } = paying;
    let amount = amount.map(|amount| format!("{amount} {}", currency.unwrap_or_default()));
    let words = [paying.case, paying.told, paying.code, paying.reference, amount, paying.rrn];
    let words = words.into_iter().map(Option::unwrap_or_default);
    let start = [txn.0.to_string(), time, paying.bank.unwrap_or_default(), state];
    start.into_iter().chain(words).collect()
}

fn paying_json(paying: &Paying) -> Value {
    json!({
        "txn": paying.txn.0,
        "time": paying.time,
        "bank": paying.bank,
        "state": paying.state,
        "case": paying.case,
        "response": paying.told,
        "code": paying.code,
        "reference": paying.reference,
        "over": paying.is_over,
        "last": paying.last,
        "amount": paying.amount,
        "currency": paying.currency,
        "rrn": paying.rrn,
    })
}

/// The last fact of one payment. The state that a redirect brings back stays between the bank and
/// the switch, but for its beginning, which channels are told.
fn show(reader: &mut SqliteReader, txn: TxnId, output: Output) -> Result<Exit, Failure> {
    let records = reader.find(&Lookup::Txn(txn)).map_err(|error| unread(&error))?;
    let last = records.iter().rev().find_map(|(_, record)| match record {
        Record::Fact(known) => match &known.fact {
            Fact::Payment(payment) => Some(payment),
            Fact::Linked(_)
            | Fact::Customer(_)
            | Fact::Balance(_)
            | Fact::Reads(_)
            | Fact::Card(_) => None,
        },
        Record::Intent(_)
        | Record::Outcome(_)
        | Record::Reversal(_)
        | Record::Inquiry(_)
        | Record::Notice(_) => None,
    });
    let Some(payment) = last else {
        let message = format!("transaction {} is no payment at a bank", txn.0);
        return Err(Failure::no("payment", message));
    };
    let shown = payment_json(payment);
    if output.json {
        output.print_json(&shown)?;
        return Ok(Exit::Yes);
    }
    let mut text = String::new();
    for (word, value) in shown.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null | Value::Bool(false) => continue,
            Value::String(value) if value.is_empty() => continue,
            Value::String(value) => value.clone(),
            other => other.to_string(),
        };
        let _ = writeln!(text, "{word} {value}");
    }
    output.print(text)?;
    Ok(Exit::Yes)
}

fn payment_json(payment: &Payment) -> Value {
    json!({
        "txn": payment.txn.0,
        "time": payment.utc.to_string(),
        "bank": payment.bank,
        "state": payment.state.word(),
        "case": payment.case.map(Case::word),
        "reference": payment.payment,
        "product": payment.product,
        "link": payment.link,
        "approve": payment.approve,
        "response": payment.told.as_ref().map(|code| code.as_str()),
        "advice": payment.advice.as_ref().map(|code| code.as_str()),
        "cancelled": payment.is_cancelled,
        "code": payment.code,
        "over": payment.is_over,
    })
}
