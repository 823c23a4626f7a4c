//! Bytes of Neonomics and what they mean.

use super::*;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use veksel_core::enquiry::BankAccount;

const NOK: u16 = 578;
const EUR: u16 = 978;

fn response(status: u16, body: &str, moved_money: bool) -> Response {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Response { status, headers: HeaderMap::new(), body, moved_money, is_doubtful: false }
}

fn order(creditor: &str, minor: u64, currency: u16) -> Order {
    Order {
        key: *b"\x91\xba\x7c\x09\x59\xbb\x54\xa4\x8f\xf2\x8f\x2a\x2f\xb4\xe6\x88",
        debtor: BankAccount {
            iban: "NO9386011117947".to_owned(),
            resource: String::new(),
            consent: "session".to_owned(),
            customer: String::new(),
        },
        creditor: creditor.to_owned(),
        creditor_name: "Ola Nordmann".to_owned(),
        amount: Money { minor, currency },
        remittance: "605410000123 7F3K9QRS husleie på bøljan".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [0; 16],
        verifier: veksel_core::enquiry::Secret::new(""),
    }
}

#[test]
fn a_payment_is_flat_and_has_domestic_numbers() {
    let quirks = Quirks { remittance_max: 24, keeps_letters: false, ..Quirks::default() };
    let (product, body) = payment(&order("3000.12.34567", 15_000, NOK), &quirks).unwrap();
    assert_eq!(product, "domestic-transfer");
    let wanted = json!({
        "debtorAccount": { "bban": "86011117947" },
        "creditorAccount": { "bban": "30001234567" },
        "creditorName": "Ola Nordmann",
        "remittanceInformationUnstructured": "605410000123 7F3K9QRS hu",
        "instrumentedAmount": "150.00",
        "currency": "NOK",
        "endToEndIdentification": "91ba7c0959bb54a48ff28f2a2fb4e688",
        "paymentMetadata": {},
    });
    assert_eq!(body, wanted);
    // An IBAN of the same country is its domestic number.
    let (_, body) = payment(&order("NO83 3000 1234 567", 1, NOK), &quirks).unwrap();
    assert_eq!(body["creditorAccount"], json!({ "bban": "30001234567" }));
    let (product, body) =
        payment(&order("DE89370400440532013000", 1, EUR), &Quirks::default()).unwrap();
    assert_eq!(product, "sepa-credit");
    assert_eq!(body["debtorAccount"], json!({ "iban": "NO9386011117947" }));
    assert_eq!(
        body["remittanceInformationUnstructured"],
        "605410000123 7F3K9QRS husleie på bøljan"
    );
}

#[test]
fn what_cannot_be_paid_is_told_before_anything_is_sent() {
    let cases = [
        ("30001234567", 1, 840, Failed::NotSupported),
        ("30001234567", 1, 0, Failed::NotSupported),
        ("DE89370400440532013000", 1, NOK, Failed::NotSupported),
        ("30001234567", 1, EUR, Failed::Invalid),
        ("DE88370400440532013000", 1, EUR, Failed::Invalid),
    ];
    for (creditor, minor, currency, why) in cases {
        let failure = payment(&order(creditor, minor, currency), &Quirks::default()).unwrap_err();
        assert_eq!((failure.why, failure.is_open), (why, false), "{creditor} {currency}");
    }
}

#[test]
fn errors_are_judged_by_their_code() {
    let error = |code: &str, kind: &str| {
        format!(r#"{{"id":"1","errorCode":"{code}","message":"no 1426 here","type":"{kind}"}}"#)
    };
    let cases = [
        (510, error("1001", "BAD_REQUEST"), Failed::Credentials, "1001"),
        (510, error("1002", "BAD_REQUEST"), Failed::Credentials, "1002"),
        (510, error("1003", "BAD_REQUEST"), Failed::NoAccount, "1003"),
        (510, error("1004", "BAD_REQUEST"), Failed::Credentials, "1004"),
        (510, error("1005", "BAD_REQUEST"), Failed::Credentials, "1005"),
        (510, error("1426", "CONSENT"), Failed::NotPermitted, "1426"),
        // The code counts, whatever the status says.
        (530, error("1426", "CONSENT"), Failed::NotPermitted, "1426"),
        (510, error("4711", "BAD_REQUEST"), Failed::Format, "4711"),
        (510, error("4711", "AUTH"), Failed::Credentials, "4711"),
        (510, error("4711", "FATAL"), Failed::Refused, "4711"),
        (520, error("4711", "FATAL"), Failed::Malfunction, "4711"),
        (530, error("4711", "NETWORK"), Failed::Unavailable, "4711"),
        (500, "<html>".to_owned(), Failed::Malfunction, "500"),
        (502, String::new(), Failed::Unavailable, "502"),
        (504, String::new(), Failed::Late, "504"),
        (429, String::new(), Failed::Limited, "429"),
        (530, r#"{"errorCode":1426}"#.to_owned(), Failed::NotPermitted, "1426"),
        (530, r#"{"errorCode":"a text, no code"}"#.to_owned(), Failed::Unavailable, "530"),
    ];
    for (status, body, why, code) in cases {
        for moved_money in [false, true] {
            let failure = refusal(&response(status, &body, moved_money), false);
            assert_eq!((failure.why, failure.code.as_str()), (why, code), "{status} {body}");
            // A caller's fault is one that was found before anything was done.
            let is_clear = status == 510 || status == 429;
            assert_eq!(failure.is_open, moved_money && !is_clear, "{status} {body}");
        }
    }
    let unknown = refusal(&response(510, &error("1003", "BAD_REQUEST"), false), true);
    assert_eq!(unknown.why, Failed::NotFound);
}

#[test]
fn balances_count_in_their_order() {
    let balance =
        |kind: &str, amount: &str| json!({ "amount": amount, "currency": "NOK", "type": kind });
    let found = |all: &[Value]| {
        let found = balances(&Value::from(all.to_vec()))?;
        Some((found.ledger, found.available, found.currency))
    };
    let (closing, expected, available) =
        (balance("CLBD", "10.00"), balance("XPCD", "-20.5"), balance("ITAV", "30"));
    let all = [available.clone(), expected.clone(), closing.clone()];
    assert_eq!(found(&all), Some((1_000, 3_000, NOK)));
    assert_eq!(found(core::slice::from_ref(&expected)), Some((-2_050, -2_050, NOK)));
    assert_eq!(found(&[expected, available]), Some((-2_050, 3_000, NOK)));
    assert_eq!(found(core::slice::from_ref(&closing)), Some((1_000, 1_000, NOK)));
    assert_eq!(found(&[]), None);
    assert_eq!(found(&[balance("CLBD", "ten")]), None);
    assert_eq!(found(&[balance("????", "10.00")]), None);
    assert_eq!(balances(&json!({})), None);
    let foreign = json!({ "amount": "1.00", "currency": "EUR", "type": "ITAV" });
    let mixed = [closing.clone(), foreign.clone()];
    assert_eq!(found(&mixed), Some((1_000, 1_000, NOK)), "never two currencies together");
    assert_eq!(found(&[foreign, closing]), Some((100, 100, EUR)));
}

#[test]
fn lines_are_signed_dated_and_in_order_or_not_read_at_all() {
    let line = |id: &str, value: &str, kind: &str, date: &str| {
        json!({
            "id": id, "transactionReference": "605410000123 7F3K9QRS husleie", "bookingDate": date,
            "transactionAmount": { "currency": "NOK", "value": value },
            "creditDebitIndicator": kind,
        })
    };
    let all = json!([
        line("1", "150.00", "DBIT", "2026-02-23T10:00:00Z"),
        line("2", "-7.00", "DBIT", "2026-02-24"),
        line("3", "9.00", "CRDT", "2026-02-22"),
        line("4", "1.00", "CRDT", "2026-01-01"),
    ]);
    let from = Utc(1_771_700_000_000);
    let found = lines(&all, from).unwrap();
    let short: Vec<_> = found.iter().map(|(id, line)| (id.as_str(), line.amount)).collect();
    assert_eq!(short, [("2", -700), ("1", -15_000), ("3", 900)]);
    let order = order("30001234567", 15_000, NOK);
    let own: Vec<bool> = found.iter().map(|(_, line)| is_of(line, &order)).collect();
    assert_eq!(own, [false, true, false]);
    let of = |amount, text: &str| {
        let line = Line { booked: Utc(0), amount, currency: NOK, text: text.to_owned() };
        is_of(&line, &order)
    };
    assert!(of(-15_000, "Til Kiosk 605410000123/7F3K9QRS"));
    assert!(!of(15_000, "605410000123 7F3K9QRS husleie"), "what came back is not what left");
    assert!(!of(-15_000, "605410000123 husleie"), "the RRN is not enough");
    assert!(!of(-15_000, "605410000123 7F3K9QRSX"));
    let broken = json!([line("1", "150.001", "DBIT", "2026-02-23")]);
    assert_eq!(lines(&broken, Utc(0)), None);
    let undated = json!([line("1", "150.00", "DBIT", "yesterday")]);
    assert_eq!(lines(&undated, Utc(0)), None);
}

#[test]
fn an_account_is_found_by_iban_or_else_by_number() {
    let accounts = json!([
        { "id": "a", "iban": "NO83 3000 1234 567" },
        { "id": "b", "bban": "86011117947" },
        { "id": "", "iban": "DE89370400440532013000" },
    ]);
    assert_eq!(resource(&accounts, "NO8330001234567").as_deref(), Some("a"));
    assert_eq!(resource(&accounts, "NO9386011117947").as_deref(), Some("b"));
    assert_eq!(resource(&accounts, "DE89370400440532013000"), None);
    assert_eq!(resource(&accounts, ""), None);
    assert_eq!(resource(&json!({}), "NO9386011117947"), None);
}
