//! Words for what messages carry in codes, and fields as JSON.

use serde_json::{Value, json};
use veksel_codecs::{Class, Codec, FieldNumber, Line, Mti};

use crate::masking::Shown;

/// What a message type says: `financial request, repeat`.
pub(crate) fn mti(mti: Mti) -> String {
    let class = match mti.class() {
        Class::Authorisation => "authorisation",
        Class::Financial => "financial",
        Class::FileAction => "file action",
        Class::Reversal => "reversal",
        Class::Reconciliation => "reconciliation",
        Class::Administrative => "administrative",
        Class::Fee => "fee collection",
        Class::Network => "network management",
        Class::Reserved => "reserved",
    };
    // ISO 8583:1987 4.1.3: the third digit.
    let function = match mti.digits().get(2) {
        Some(b'0') => "request",
        Some(b'1') => "response",
        Some(b'2') => "advice",
        Some(b'3') => "advice response",
        Some(b'4') => "notification",
        _ => "message",
    };
    let repeat = if mti.is_repeat() { ", repeat" } else { "" };
    format!("{class} {function}{repeat}")
}

/// A field with its name: `field 4 (amount, transaction)`.
pub(crate) fn field(codec: &Codec, number: FieldNumber) -> String {
    match codec.dialect().field(number) {
        Some(field) => format!("{number} ({})", field.name),
        None => number.to_string(),
    }
}

/// What the second pair of digits in DE54 says.
pub(crate) fn amount_type(code: [u8; 2]) -> String {
    let known = match &code {
        b"01" => "ledger",
        b"02" => "available",
        b"03" => "owing",
        b"04" => "due",
        b"07" => "destination ledger",
        b"08" => "destination available",
        b"20" => "remaining",
        b"40" => "cash",
        b"42" => "surcharge",
        b"90" => "held",
        b"91" => "overdraft",
        [tens, units] => {
            return format!("amount type {}{}", char::from(*tens), char::from(*units));
        }
    };
    known.to_owned()
}

/// What the first two digits of DE3 say.
pub(crate) fn transaction(code: &str) -> &str {
    match code {
        "00" => "purchase",
        "01" => "withdrawal",
        "09" => "cash-back",
        "20" => "refund",
        "21" => "deposit",
        "40" => "transfer",
        "50" => "bill",
        other => other,
    }
}

/// The fields of a message as they may be shown.
pub(crate) fn fields(lines: &[Line], shown: &Shown<'_>, clear: bool) -> Value {
    let field = |line: &Line| {
        json!({
            "number": line.number.get(),
            "path": line.path.short(),
            "name": line.name,
            "value": shown.value(line, clear),
            "offset": line.offset,
        })
    };
    Value::Array(lines.iter().map(field).collect())
}

/// The rows of a table of fields.
pub(crate) fn field_rows(lines: &[Line], shown: &Shown<'_>, clear: bool) -> Vec<Vec<String>> {
    let row = |line: &Line| {
        vec![
            line.path.short(),
            line.name.clone(),
            shown.value(line, clear).to_owned(),
            line.offset.map(|offset| offset.to_string()).unwrap_or_default(),
        ]
    };
    lines.iter().map(row).collect()
}

/// The header of a table of fields.
pub(crate) const FIELD_HEADER: &[&str] = &["DE", "name", "value", "offset"];
