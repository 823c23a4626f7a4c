//! Records as they are shown: the same words in tables, JSON and CSV.
//!
//! A card shows its first six and last four digits, an account its last four characters. What a
//! record keeps of other fields is never sensitive (see `veksel_core::record`).

use serde_json::{Map, Value};
use veksel_core::fact::{Case, Fact};
use veksel_core::record::{Inquiry, Intent, Notice, Outcome, Record, Reversal, ReversalStep};
use veksel_core::time::Utc;
use veksel_store::{Entry, last_four};

/// Every column that a record can have, in the order of an export.
pub(super) const COLUMNS: &[&str] = &[
    "record",
    "time",
    "kind",
    "txn",
    "participant",
    "link",
    "route",
    "group",
    "mti",
    "code",
    "amount_minor",
    "currency",
    "transmission",
    "stan",
    "host_stan",
    "acquirer",
    "rrn",
    "terminal",
    "acceptor",
    "account",
    "counter_account",
    "card",
    "original",
    "verdict",
    "response",
    "reason",
    "step",
    "attempt",
    "actual_minor",
    "fields",
    "actor",
    "action",
    "note",
    "fact",
    "bank",
    "customer",
    "state",
    "case",
    "reference",
    "until",
    "ledger_minor",
    "available_minor",
    "count",
    "over",
];

/// The header of [`row`].
pub(super) const ROW_HEADER: &[&str] = &["record", "txn", "time", "kind", "what"];

/// Columns that have a value, with it.
type Shown = Map<String, Value>;

/// A record as one JSON object.
pub(super) fn json(entry: &Entry) -> Value {
    Value::Object(shown(entry))
}

/// A record as a row of a table.
pub(super) fn row(entry: &Entry) -> Vec<String> {
    let mut shown = shown(entry);
    let mut take = |name: &str| shown.remove(name).as_ref().map(text).unwrap_or_default();
    let mut row = vec![take("record"), take("txn"), take("time"), take("kind")];
    let rest = COLUMNS.iter().filter_map(|name| Some((name, shown.get(*name)?)));
    let words: Vec<_> = rest.map(|(name, value)| format!("{name}={}", text(value))).collect();
    row.push(words.join(" "));
    row
}

/// A record as a line of CSV.
pub(super) fn csv(entry: &Entry) -> String {
    let shown = shown(entry);
    csv_line(COLUMNS.iter().map(|name| shown.get(*name).map(text).unwrap_or_default()))
}

/// A line of CSV (RFC 4180).
pub(super) fn csv_line(cells: impl Iterator<Item = impl AsRef<str>>) -> String {
    let cell = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    let cells: Vec<_> = cells.map(|text| cell(text.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let field = |(number, value): (&String, &Value)| format!("{number}={}", text(value));
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

fn shown(entry: &Entry) -> Shown {
    let (id, record) = entry;
    let mut out = Shown::new();
    put(&mut out, "record", id.0);
    put(&mut out, "time", record.utc().to_string());
    if let Some(txn) = record.txn() {
        put(&mut out, "txn", txn.0);
    }
    let kind = match record {
        Record::Intent(intent) => put_intent(&mut out, intent),
        Record::Outcome(outcome) => put_outcome(&mut out, outcome),
        Record::Reversal(reversal) => put_reversal(&mut out, reversal),
        Record::Inquiry(inquiry) => put_inquiry(&mut out, inquiry),
        Record::Notice(notice) => put_notice(&mut out, notice),
        Record::Fact(known) => put_fact(&mut out, &known.fact),
    };
    put(&mut out, "kind", kind);
    out
}

fn put(out: &mut Shown, name: &str, value: impl Into<Value>) {
    let value = value.into();
    if value.as_str() != Some("") {
        out.insert(name.to_owned(), value);
    }
}

fn put_fields(out: &mut Shown, fields: &[(u8, String)]) {
    let field = |(number, value): &(u8, String)| (number.to_string(), value.clone().into());
    let fields: Shown = fields.iter().map(field).collect();
    if !fields.is_empty() {
        put(out, "fields", fields);
    }
}

fn masked(account: &str) -> String {
    last_four(account).map(|end| format!("****{end}")).unwrap_or_default()
}

fn put_intent(out: &mut Shown, intent: &Intent) -> &'static str {
    put(out, "participant", intent.key.participant.as_str());
    put(out, "link", intent.link.as_str());
    put(out, "route", intent.route.as_str());
    put(out, "group", intent.group.as_str());
    put(out, "mti", intent.mti.as_str());
    put(out, "code", intent.code.as_str());
    put(out, "amount_minor", intent.amount);
    if intent.currency != 0 {
        put(out, "currency", format!("{:03}", intent.currency));
    }
    put(out, "transmission", intent.key.transmission.as_str());
    put(out, "stan", format!("{:06}", intent.key.stan));
    put(out, "host_stan", format!("{:06}", intent.host_stan));
    put(out, "acquirer", intent.key.acquirer.as_str());
    put(out, "rrn", intent.key.rrn.as_str());
    put(out, "terminal", intent.key.terminal.as_str());
    put(out, "acceptor", intent.key.acceptor.as_str());
    put(out, "account", masked(&intent.account));
    put(out, "counter_account", masked(&intent.counter_account));
    put(out, "card", intent.pan.as_ref().map(|pan| pan.masked()).unwrap_or_default());
    put(out, "original", intent.original.as_str());
    put_fields(out, &intent.carried);
    "intent"
}

fn put_outcome(out: &mut Shown, outcome: &Outcome) -> &'static str {
    put(out, "verdict", outcome.verdict.word());
    put(out, "response", outcome.response.as_str());
    put(out, "reason", outcome.reason.word());
    put_fields(out, &outcome.answer);
    "outcome"
}

fn put_reversal(out: &mut Shown, reversal: &Reversal) -> &'static str {
    let step = match &reversal.step {
        ReversalStep::Queued { reason, actual } => {
            put(out, "reason", reason.word());
            if let Some(actual) = actual {
                put(out, "actual_minor", *actual);
            }
            "queued"
        }
        ReversalStep::Sent { attempt } => {
            put(out, "attempt", *attempt);
            "sent"
        }
        ReversalStep::Settled { response } => {
            put(out, "response", response.as_str());
            "settled"
        }
        ReversalStep::Parked { response } => {
            put(out, "response", response.as_ref().map(|code| code.as_str()).unwrap_or_default());
            "parked"
        }
        ReversalStep::Resolved { operator, note } => {
            put(out, "actor", operator.as_str());
            put(out, "note", note.as_str());
            "resolved"
        }
    };
    put(out, "step", step);
    "reversal"
}

fn put_inquiry(out: &mut Shown, inquiry: &Inquiry) -> &'static str {
    put(out, "participant", inquiry.participant.as_str());
    put(out, "link", inquiry.link.as_str());
    put(out, "route", inquiry.route.as_str());
    put(out, "mti", inquiry.mti.as_str());
    put(out, "code", inquiry.code.as_str());
    put(out, "stan", format!("{:06}", inquiry.stan));
    put(out, "rrn", inquiry.rrn.as_str());
    put(out, "terminal", inquiry.terminal.as_str());
    put(out, "account", masked(&inquiry.account));
    put(out, "verdict", inquiry.verdict.word());
    put(out, "response", inquiry.response.as_str());
    put(out, "reason", inquiry.reason.word());
    "inquiry"
}

fn put_notice(out: &mut Shown, notice: &Notice) -> &'static str {
    put(out, "actor", notice.actor.as_str());
    put(out, "action", notice.action.as_str());
    put(out, "note", notice.detail.as_str());
    "notice"
}

fn put_fact(out: &mut Shown, fact: &Fact) -> &'static str {
    let (word, is_over) = match fact {
        Fact::Linked(linked) => {
            put(out, "account", masked(linked.number()));
            put(out, "counter_account", masked(&linked.iban));
            put(out, "bank", linked.bank.as_str());
            put(out, "customer", linked.customer.as_str());
            put(out, "currency", format!("{:03}", linked.currency));
            put(out, "state", linked.status.word());
            put_time(out, "until", linked.until);
            ("linked", linked.is_over)
        }
        Fact::Customer(customer) => {
            put(out, "customer", customer.customer.as_str());
            put(out, "reference", customer.applicant.as_str());
            put(out, "state", customer.status.word());
            put(out, "note", customer.level.as_str());
            put_time(out, "until", customer.document_until);
            ("customer", false)
        }
        Fact::Balance(cached) => {
            put(out, "account", masked(&cached.account));
            put(out, "currency", format!("{:03}", cached.currency));
            put(out, "ledger_minor", cached.ledger);
            put(out, "available_minor", cached.available);
            ("balance", false)
        }
        Fact::Reads(reads) => {
            put(out, "reference", reads.resource.as_str());
            put(out, "action", reads.endpoint.word());
            put(out, "count", reads.at.len());
            ("reads", reads.at.is_empty())
        }
        Fact::Payment(payment) => {
            put(out, "bank", payment.bank.as_str());
            put(out, "state", payment.state.word());
            put(out, "reference", payment.payment.as_str());
            put(out, "case", payment.case.map(Case::word).unwrap_or_default());
            put(out, "note", payment.code.as_str());
            let told = payment.told.as_ref();
            put(out, "response", told.map(|code| code.as_str()).unwrap_or_default());
            ("payment", payment.is_over)
        }
        // Of the card itself there is nothing to show.
        Fact::Card(card) => {
            put(out, "account", masked(&card.account));
            ("card", card.is_over)
        }
    };
    put(out, "fact", word);
    if is_over {
        put(out, "over", true);
    }
    "fact"
}

fn put_time(out: &mut Shown, name: &str, time: Utc) {
    if time != Utc(0) {
        put(out, name, time.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use veksel_codecs::{Mti, ResponseCode};
    use veksel_core::fact::{Cached, Customer, Endpoint, Linked, Payment, Reads};
    use veksel_core::record::{CardNumber, DuplicateKey, Known, Reason, RecordId, TxnId, Verdict};

    fn intent() -> Entry {
        let key = DuplicateKey {
            participant: "atm".into(),
            class: b'2',
            transmission: "1120142807".into(),
            stan: 7,
            acquirer: String::new(),
            rrn: "632414000001".into(),
            terminal: "ATM00001".into(),
            acceptor: String::new(),
        };
        let intent = Intent {
            txn: TxnId(42),
            utc: Utc(1_795_184_887_123),
            key,
            digest: [0; 32],
            link: "atm-north".into(),
            route: "transfers".into(),
            group: "cbs".into(),
            mti: Mti::known(b"0200"),
            code: "400000".into(),
            amount: 12_345,
            currency: 36,
            host_stan: 9,
            local_time: String::new(),
            local_date: String::new(),
            forwarder: String::new(),
            pan: Some(CardNumber::new("4111111111111111")),
            account: "10000000001".into(),
            counter_account: "123".into(),
            original: String::new(),
            carried: vec![(18, "6011".into())],
            caller_key: None,
        };
        (RecordId(5), Record::Intent(Arc::new(intent)))
    }

    #[test]
    fn numbers_of_people_are_masked_everywhere() {
        let entry = intent();
        for text in [json(&entry).to_string(), row(&entry).join(" "), csv(&entry)] {
            assert!(text.contains("411111******1111") && text.contains("****0001"), "{text}");
            assert!(!text.contains("4111111111111111") && !text.contains("100000"), "{text}");
            assert!(text.contains("****3") && !text.contains("123\""), "{text}");
        }
    }

    fn fact(fact: Fact) -> Record {
        Record::Fact(Box::new(Known { utc: Utc(1), fact }))
    }

    fn linked() -> Linked {
        let (account, iban) = ("10000000001".into(), "NO9386011117947".into());
        Linked { account, iban, state: [0xee; 16], ..Linked::default() }
    }

    #[test]
    fn facts_are_masked_and_hold_no_state_of_a_redirect() {
        let entry = (RecordId(5), fact(Fact::Linked(linked())));
        for text in [json(&entry).to_string(), row(&entry).join(" "), csv(&entry)] {
            assert!(text.contains("****0001") && text.contains("****7947"), "{text}");
            assert!(!text.contains("100000") && !text.contains("8601") && !text.contains("eeee"));
        }
    }

    #[test]
    fn every_word_is_a_column() {
        let endpoint = Endpoint::Balances;
        let reads = Reads { consent: "c".into(), resource: "r".into(), endpoint, at: Vec::new() };
        let outcome = Outcome {
            txn: TxnId(42),
            utc: Utc(1),
            verdict: Verdict::Answered,
            response: ResponseCode::APPROVED,
            reason: Reason::Host,
            answer: vec![(38, "123456".into()), (44, "a,\"b\"".into())],
        };
        let note = ReversalStep::Resolved { operator: "ida".into(), note: "by hand".into() };
        let records = [
            intent().1,
            Record::Outcome(Box::new(outcome)),
            Record::Reversal(Reversal { txn: TxnId(42), utc: Utc(1), step: note }),
            fact(Fact::Linked(Linked { until: Utc(1), is_over: true, ..linked() })),
            fact(Fact::Customer(Customer { customer: "c".into(), ..Customer::default() })),
            fact(Fact::Balance(Cached::default())),
            fact(Fact::Reads(reads)),
            fact(Fact::Payment(Payment { case: Some(Case::Revoked), ..Payment::default() })),
        ];
        for record in records {
            let entry = (RecordId(5), record);
            let unknown = |name: &&String| !COLUMNS.contains(&name.as_str());
            assert_eq!(shown(&entry).keys().find(unknown), None);
        }
    }

    #[test]
    fn commas_and_quotes_survive() {
        let line = csv_line(["a", "b,c", "say \"no\"", ""].into_iter());
        assert_eq!(line, "a,\"b,c\",\"say \"\"no\"\"\",\r\n");
    }
}
