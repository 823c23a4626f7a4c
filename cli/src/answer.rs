//! What an answer says: response code, balances, statement lines, receipt.
//!
//! Reads only what its structured fields hold and judges nothing: whether the code is the one that
//! was hoped for is for whoever asked.

use crate::money;
use crate::output::{Output, Tone, show_micros};
use crate::wire::Exchange;
use crate::words;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;
use veksel_codecs::structured::table::Table;
use veksel_codecs::structured::{AdditionalAmount, parse_amounts, parse_format_error, tags};
use veksel_codecs::{Codec, Fault, Key, Message, ResponseCode, field};

/// An answer and what is known of how it came.
pub(crate) struct Answer<'m> {
    message: &'m Message,
    codec: &'m Codec,
    latency: Duration,
    ignored: u32,
    /// DE48 and DE125, which tables and tags are read from.
    data: String,
    continuation: String,
}

/// One line of a statement.
struct Line<'t> {
    time: String,
    sequence: &'t str,
    kind: &'t str,
    /// Negative if the account was debited.
    minor: Option<i64>,
    currency: u64,
    narration: &'t str,
}

impl<'m> Answer<'m> {
    /// The answer of an exchange.
    pub(crate) fn of(exchange: &'m Exchange, codec: &'m Codec) -> Self {
        let message = &exchange.answer;
        let text = |key: Key<field::Characters>| {
            message.get(key).map(|text| text.as_str().to_owned()).unwrap_or_default()
        };
        Self {
            message,
            codec,
            latency: exchange.latency,
            ignored: exchange.ignored,
            data: text(field::ADDITIONAL_DATA),
            continuation: text(field::CONTINUATION),
        }
    }

    /// DE39, if the answer has one.
    pub(crate) fn code(&self) -> Option<ResponseCode> {
        self.message.get(field::RESPONSE_CODE)
    }

    /// Whether the answer is a yes.
    pub(crate) fn is_approved(&self) -> bool {
        self.code().is_some_and(ResponseCode::is_approval)
    }

    /// The answer in lines of a word and a value, and the statement as a table.
    pub(crate) fn text(&self, output: Output) -> String {
        let mut text = String::new();
        let tone = if self.is_approved() { Tone::Good } else { Tone::Bad };
        let code = match self.code() {
            Some(code) => format!("{code} {}", meaning(code)),
            None => "none".to_owned(),
        };
        let _ = writeln!(text, "response {}", output.paint(tone, &code));
        if let Some(fault) = self.format_error() {
            let _ = writeln!(text, "fault {fault}");
        }
        for amount in self.balances() {
            let shown = money::show(amount.minor, amount.currency.into());
            let _ = writeln!(text, "{} {shown}", words::amount_type(amount.amount_type));
        }
        for (word, value) in self.receipt() {
            let _ = writeln!(text, "{word} {value}");
        }
        for (word, value) in self.bank() {
            let _ = writeln!(text, "{word} {value}");
        }
        for (word, key) in
            [("display", field::DISPLAY), ("approval", field::APPROVAL), ("rrn", field::RRN)]
        {
            if let Some(value) = self.message.get(key) {
                let _ = writeln!(text, "{word} {}", value.trimmed());
            }
        }
        if let Some(stan) = self.message.get(field::STAN) {
            let _ = writeln!(text, "stan {stan:06}");
        }
        let latency = show_micros(micros(self.latency));
        let _ = writeln!(text, "latency {latency}");
        if self.ignored > 0 {
            let _ = writeln!(text, "ignored {} messages that answer something else", self.ignored);
        }
        if self.is_statement() {
            let header = ["time", "seq", "type", "amount", "currency", "narration"];
            text.push_str(&output.table(&header, self.lines().iter().map(Line::row).collect()));
        }
        text
    }

    /// The answer for programs.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let text = |key: Key<field::Characters>| {
            self.message.get(key).map(|text| text.trimmed().to_owned())
        };
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("mti", json!(self.message.mti().as_str()));
        put("response_code", json!(self.code().map(|code| code.to_string())));
        put("meaning", json!(self.code().map(meaning)));
        put("approved", json!(self.is_approved()));
        put("approval_code", json!(text(field::APPROVAL)));
        put("rrn", json!(text(field::RRN)));
        put("stan", json!(self.message.get(field::STAN).map(|stan| format!("{stan:06}"))));
        put("settlement_date", json!(text(field::SETTLEMENT_DATE)));
        put("display", json!(text(field::DISPLAY)));
        put("latency_us", json!(micros(self.latency)));
        put("ignored", json!(self.ignored));
        put("fault", json!(self.format_error()));
        let balances = self.balances();
        put("balances", balances.iter().map(balance_json).collect());
        for (word, value) in self.receipt() {
            put(word, json!(value));
        }
        for (word, value) in self.bank() {
            put(word, json!(value));
        }
        if self.is_statement() {
            put("statement", self.lines().iter().map(Line::json).collect());
        }
        map
    }

    /// DE54.
    fn balances(&self) -> Vec<AdditionalAmount> {
        let text = self.message.get(field::ADDITIONAL_AMOUNTS);
        text.and_then(|text| parse_amounts(text.trimmed())).unwrap_or_default()
    }

    /// DE44 of a format error in words.
    fn format_error(&self) -> Option<String> {
        let text = self.message.get(field::ADDITIONAL_RESPONSE)?;
        if self.code() != Some(ResponseCode::FORMAT_ERROR) {
            return None;
        }
        let Some((number, reason)) = parse_format_error(&text) else {
            return Some(text.trimmed().to_owned());
        };
        let why = match reason {
            Some('M') => Fault::Missing.to_string(),
            Some('L') => "its length is wrong".to_owned(),
            Some('V') => Fault::Value.to_string(),
            Some('X') => Fault::Unexpected.to_string(),
            Some(other) => format!("reason {other}"),
            None => "no reason given".to_owned(),
        };
        Some(format!("{}: {why}", words::field(self.codec, number)))
    }

    fn is_code(&self, codes: &[&str]) -> bool {
        let code = self.message.get(field::PROCESSING_CODE);
        code.is_some_and(|code| codes.iter().any(|wanted| code.starts_with(wanted)))
    }

    /// What a bill payment brought: bill number, receipt number and token.
    fn receipt(&self) -> Vec<(&'static str, &str)> {
        if !self.is_code(&["50"]) {
            return Vec::new();
        }
        let words = [("bill", tags::BILL), ("receipt", tags::RECEIPT), ("token", tags::TOKEN)];
        let found = |(word, tag)| Some((word, tags::find(&self.data, tag)?));
        words.into_iter().filter_map(found).filter(|(_, value)| !value.is_empty()).collect()
    }

    /// What a bank behind the switch says of a payment or of a balance: its reference, the link by
    /// which the customer approves and until when, the age of the balance, and the bank's code.
    fn bank(&self) -> Vec<(&'static str, String)> {
        if self.is_statement() {
            return Vec::new();
        }
        let words = [
            ("reference", "P1"),
            ("link", "P2"),
            ("expires", "P3"),
            ("balance_age_minutes", "P4"),
            ("provider_code", "P5"),
            ("reversal", "P6"),
            ("ended", "P7"),
        ];
        let found = words.into_iter().filter_map(|(word, tag)| {
            let value = tags::find(&self.data, tag)?.trim();
            let value = if tag == "P3" { readable_end(value) } else { value.to_owned() };
            (!value.is_empty()).then_some((word, value))
        });
        found.collect()
    }

    /// Whether there are lines to show. A statement shows what its account's owner asked for, so
    /// the table is not masked as DE48 is.
    fn is_statement(&self) -> bool {
        self.is_code(&["38", "35"]) && self.message.has(field::ADDITIONAL_DATA)
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let Some(table) = Table::parse(&self.data, &self.continuation) else { return Vec::new() };
        let line = |row| {
            let cell = |column| table.cell(row, column).unwrap_or_default();
            let sign = if cell("DR_CR") == "D" { -1 } else { 1 };
            let minor = cell("TRAN_AMOUNT").parse::<i64>().ok();
            Line {
                time: readable_time(cell("DATE_TIME")),
                sequence: cell("SEQ_NR"),
                kind: cell("TRAN_TYPE"),
                minor: minor.and_then(|minor| minor.checked_mul(sign)),
                currency: cell("CURR_CODE").parse().unwrap_or_default(),
                narration: cell("NARR"),
            }
        };
        (0..table.rows().len()).map(line).collect()
    }
}

impl Line<'_> {
    fn amount(&self) -> Option<String> {
        let known = money::Currency::numbered(self.currency);
        self.minor.map(|minor| known.map_or_else(|| minor.to_string(), |known| known.show(minor)))
    }

    fn currency(&self) -> String {
        let known = money::Currency::numbered(self.currency);
        known.map_or_else(|| format!("{:03}", self.currency), |known| known.name().to_owned())
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.time.clone(),
            self.sequence.to_owned(),
            words::transaction(self.kind).to_owned(),
            self.amount().unwrap_or_default(),
            self.currency(),
            self.narration.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "time": self.time,
            "sequence": self.sequence,
            "type": self.kind,
            "amount": self.amount(),
            "amount_minor": self.minor,
            "currency": self.currency(),
            "narration": self.narration,
        })
    }
}

fn balance_json(amount: &AdditionalAmount) -> Value {
    let known = money::Currency::numbered(amount.currency.into());
    let name = known.map_or_else(|| format!("{:03}", amount.currency), |k| k.name().to_owned());
    json!({
        "type": words::amount_type(amount.amount_type),
        "account_type": String::from_utf8_lossy(&amount.account_type),
        "currency": name,
        "amount": known.map(|known| known.show(amount.minor)),
        "amount_minor": amount.minor,
    })
}

fn meaning(code: ResponseCode) -> &'static str {
    code.meaning().unwrap_or("a code outside the table")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// `yymmddhhmmss` in UTC, as people write it; anything else as it is.
fn readable_end(text: &str) -> String {
    let parts = (0..6).map(|at| text.get(at * 2..at * 2 + 2)).collect::<Option<Vec<_>>>();
    match parts.as_deref() {
        Some([year, month, day, hour, minute, second])
            if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("20{year}-{month}-{day}T{hour}:{minute}:{second}Z")
        }
        _ => text.to_owned(),
    }
}

/// `20260801143005` as `2026-08-01 14:30:05`; anything else as it is.
fn readable_time(text: &str) -> String {
    let (date, time) = text.split_at_checked(8).unwrap_or((text, ""));
    let all_digits = text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = || {
        let (year, day) = date.split_at_checked(4)?;
        let (month, day) = day.split_at_checked(2)?;
        let (hour, rest) = time.split_at_checked(2)?;
        let (minute, second) = rest.split_at_checked(2)?;
        Some(format!("{year}-{month}-{day} {hour}:{minute}:{second}"))
    };
    all_digits.then(parts).flatten().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::{Dialect, Mti};

    fn exchange(set: &[(u8, &str)]) -> Exchange {
        let mut answer = Message::of(Mti::known(b"0210"));
        for (number, value) in set {
            answer.set_text(veksel_codecs::FieldNumber::new(*number).unwrap(), value);
        }
        Exchange { answer, latency: Duration::from_micros(3_214), ignored: 0 }
    }

    fn shown(set: &[(u8, &str)]) -> String {
        let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
        let exchange = exchange(set);
        Answer::of(&exchange, &codec).text(Output::plain())
    }

    #[test]
    fn a_balance() {
        let text = shown(&[
            (3, "311000"),
            (11, "000123"),
            (37, "632414000123"),
            (38, "A1    "),
            (39, "00"),
            (54, "1001578C0000001250001002578C000000110000"),
        ]);
        let expected = "response 00 approved\nledger 1250.00 NOK\navailable 1100.00 NOK\n\
                        approval A1\nrrn 632414000123\nstan 000123\nlatency 3.21 ms\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_statement() {
        let header = "DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR_CODE|DR_CR|NARR~";
        let first = "20260801143005|000002|01|000000010000|578|D|ATM WDL~";
        let text = shown(&[
            (3, "380000"),
            (39, "00"),
            (48, &format!("{header}{first}")),
            (125, "20260731120000|000001|21|000000000500|392|C|CASH~"),
        ]);
        let expected = "response 00 approved\nlatency 3.21 ms\n\
            time                 seq     type        amount   currency  narration\n\
            2026-08-01 14:30:05  000002  withdrawal  -100.00  NOK       ATM WDL\n\
            2026-07-31 12:00:00  000001  deposit     500      JPY       CASH\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_format_error_names_the_field() {
        let text = shown(&[(39, "30"), (44, "049M")]);
        assert!(
            text.contains("fault field 49 (currency, transaction): it is mandatory and absent\n"),
            "{text}"
        );
    }

    #[test]
    fn a_bill_has_a_receipt() {
        let text = shown(&[(3, "500000"), (39, "00"), (48, "1204B-771907R-00042")]);
        assert!(text.contains("\nbill B-77\nreceipt R-00042\n"), "{text}");
    }
}
