//! What the bridge writes into answers: DE48 with its private tags, DE54, statement lines.

use crate::enquiry::{Balances, Failed, Line};
use crate::time::Utc;
use veksel_codecs::structured::{AVAILABLE, AdditionalAmount, LEDGER, format_amounts, table, tags};
use veksel_codecs::{Message, ResponseCode, field};

/// Longest payment reference (`P1`).
const REFERENCE_MAX: usize = 35;

/// Longest raw code of a provider (`P5`).
const RAW_CODE_MAX: usize = 40;

/// Longest narration of a statement line.
const NARRATION_MAX: usize = 25;

/// DE39 of what a provider said or did not say (http-contracts 4.4).
pub(crate) const fn response(why: Failed) -> ResponseCode {
    match why {
        Failed::Format => ResponseCode::FORMAT_ERROR,
        Failed::Invalid => ResponseCode::INVALID_TRANSACTION,
        Failed::Refused => ResponseCode::DO_NOT_HONOUR,
        Failed::NoFunds => ResponseCode::INSUFFICIENT_FUNDS,
        Failed::NotPermitted => ResponseCode::NOT_PERMITTED_TO_CUSTOMER,
        Failed::Restricted => ResponseCode::RESTRICTED,
        Failed::NoAccount => ResponseCode::INVALID_ACCOUNT,
        Failed::NotSupported | Failed::CannotReverse => ResponseCode::NOT_SUPPORTED,
        Failed::NotFound => ResponseCode::NOT_FOUND,
        Failed::WrongPin => ResponseCode::INCORRECT_PIN,
        Failed::Malfunction | Failed::Credentials => ResponseCode::SYSTEM_MALFUNCTION,
        Failed::Unavailable | Failed::BreakerOpen | Failed::Limited => {
            ResponseCode::HOST_UNAVAILABLE
        }
        Failed::Late => ResponseCode::OUTCOME_UNKNOWN,
        Failed::Duplicate => ResponseCode::DUPLICATE,
        Failed::OverAmount => ResponseCode::EXCEEDS_AMOUNT_LIMIT,
        Failed::OverCount => ResponseCode::EXCEEDS_FREQUENCY,
    }
}

/// What of DE48 an answer says about a payment or a balance.
#[derive(Clone, Default, Debug)]
pub(crate) struct Private {
    pub(crate) payment: String,
    pub(crate) approve: String,
    pub(crate) expiry: Option<Utc>,
    pub(crate) age_minutes: Option<u64>,
    pub(crate) code: String,
}

impl Private {
    /// As DE48; `None` if there is nothing to say.
    pub(crate) fn text(&self) -> Option<String> {
        let expiry = self.expiry.map(expiry).unwrap_or_default();
        let age = self.age_minutes.map(|age| age.to_string()).unwrap_or_default();
        let payment: String = self.payment.chars().take(REFERENCE_MAX).collect();
        let code: String = self.code.chars().take(RAW_CODE_MAX).collect();
        let all = [
            (tags::PAYMENT, payment),
            (tags::APPROVE, self.approve.clone()),
            (tags::EXPIRY, expiry),
            (tags::AGE, age),
            (tags::RAW_CODE, code),
        ];
        let said = all.iter().filter(|(_, value)| !value.is_empty());
        let text = tags::format(said.map(|(tag, value)| (*tag, value.as_str())));
        Some(text).filter(|text| !text.is_empty())
    }
}

/// `YYMMDDhhmmss`.
fn expiry(at: Utc) -> String {
    let c = at.civil();
    let year = c.year % 100;
    format!("{year:02}{:02}{:02}{:02}{:02}{:02}", c.month, c.day, c.hour, c.minute, c.second)
}

/// Writes DE54: ledger, then available, for the account type of DE3.
pub(crate) fn set_balances(message: &mut Message, balances: Balances) {
    let code = message.get(field::PROCESSING_CODE);
    let account_type = code.as_ref().and_then(|code| code.as_bytes().get(2..4)?.first_chunk());
    let account_type = account_type.copied().unwrap_or(*b"00");
    let amount = |amount_type, minor| {
        let currency = balances.currency;
        AdditionalAmount { account_type, amount_type, currency, minor }
    };
    let amounts = [amount(LEDGER, balances.ledger), amount(AVAILABLE, balances.available)];
    if let Some(text) = format_amounts(&amounts) {
        message.set(field::ADDITIONAL_AMOUNTS, &text);
    }
}

/// Writes DE48, and DE125 if it does not hold them all: lines of a statement, the newest first.
pub(crate) fn set_lines(message: &mut Message, lines: &[Line]) {
    let mut writer = table::Writer::new(table::STATEMENT);
    for (number, line) in (1_u32..).zip(lines) {
        let t = line.booked.civil();
        let cells = [
            format!(
                "{:04}{:02}{:02}{:02}{:02}{:02}",
                t.year, t.month, t.day, t.hour, t.minute, t.second
            ),
            format!("{:06}", number % 1_000_000),
            // What a bank books over HTTP has no processing code.
            "00".to_owned(),
            format!("{:012}", line.amount.unsigned_abs()),
            format!("{:03}", line.currency),
            if line.amount < 0 { "D" } else { "C" }.to_owned(),
            line.text.chars().take(NARRATION_MAX).collect(),
        ];
        if !writer.push(&cells.each_ref().map(String::as_str)) {
            break;
        }
    }
    let (text, continuation) = writer.finish();
    message.set(field::ADDITIONAL_DATA, &text);
    if let Some(continuation) = continuation {
        message.set(field::CONTINUATION, &continuation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::Mti;

    #[test]
    fn every_failure_has_its_code_and_none_is_an_approval() {
        let row = |why: &Failed| format!("{} {}", why.word(), response(*why).as_str());
        let rows: Vec<_> = Failed::ALL.iter().map(row).collect();
        assert_eq!(
            rows,
            [
                "format 30",
                "invalid 12",
                "refused 05",
                "no_funds 51",
                "not_permitted 57",
                "restricted 62",
                "no_account 14",
                "not_supported 40",
                "not_found 25",
                "cannot_reverse 40",
                "wrong_pin 55",
                "malfunction 96",
                "credentials 96",
                "unavailable 91",
                "breaker_open 91",
                "late 68",
                "limited 91",
                "duplicate 94",
                "over_amount 61",
                "over_count 65",
            ]
        );
        assert!(Failed::ALL.iter().all(|why| !response(*why).is_approval()));
    }

    #[test]
    fn balances_are_written_as_in_the_contract() {
        let mut message = Message::of(Mti::known(b"0210"));
        message.set(field::PROCESSING_CODE, "310000");
        let balances = Balances { ledger: 4_523_000, available: 4_523_000, currency: 578 };
        set_balances(&mut message, balances);
        let text = message.get(field::ADDITIONAL_AMOUNTS).unwrap();
        assert_eq!(&*text, "0001578C0000045230000002578C000004523000");
    }

    #[test]
    fn private_tags_are_bounded_and_in_order() {
        let said = Private {
            payment: "x".repeat(50),
            approve: "0123456789ab".into(),
            expiry: Some(Utc(1_771_853_400_000)),
            age_minutes: Some(90),
            code: "ACCESS_EXCEEDED".into(),
        };
        let text = said.text().unwrap();
        let expected = format!(
            "P135{}P2120123456789abP312260223133000P40290P515ACCESS_EXCEEDED",
            "x".repeat(35)
        );
        assert_eq!(text, expected);
        assert_eq!(Private::default().text(), None);
    }

    #[test]
    fn lines_that_do_not_fit_are_left_out_whole() {
        let line = Line {
            booked: Utc(1_771_853_400_000),
            amount: -15_000,
            currency: 578,
            text: "605410000123 TERM0001 | ~ kiosk in the city".into(),
        };
        let mut message = Message::of(Mti::known(b"0210"));
        set_lines(&mut message, &vec![line; 40]);
        let text = message.get(field::ADDITIONAL_DATA).unwrap().to_string();
        let more = message.get(field::CONTINUATION).unwrap().to_string();
        assert!(text.len() <= 999 && more.len() <= 999);
        let table = table::Table::parse(&text, &more).unwrap();
        assert_eq!(table.cell(0, "DR_CR"), Some("D"));
        assert_eq!(table.cell(0, "TRAN_AMOUNT"), Some("000000015000"));
        assert_eq!(table.cell(0, "NARR"), Some("605410000123 TERM0001    "));
        assert!(table.rows().len() > 20 && table.rows().iter().all(|row| row.len() == 7));
    }
}
