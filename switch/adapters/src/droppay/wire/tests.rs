//! Bytes of `DropPay` and what they mean.

use super::*;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use veksel_core::enquiry::BankAccount;

const IBAN: &str = "IT86M3606400001393351234567";

fn response(status: u16, body: &str, moved_money: bool) -> Response {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Response { status, headers: HeaderMap::new(), body, moved_money, is_doubtful: false }
}

fn order(creditor: &str, minor: u64, currency: u16) -> Order {
    Order {
        key: [0; 16],
        debtor: BankAccount {
            iban: IBAN.to_owned(),
            resource: String::new(),
            consent: String::new(),
            customer: String::new(),
        },
        creditor: creditor.to_owned(),
        creditor_name: "Mario \"M\" Rossi".to_owned(),
        amount: Money { minor, currency },
        remittance: "605410000123 7F3K9QRS affitto".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: String::new(),
        state: [0; 16],
        verifier: veksel_core::enquiry::Secret::new(""),
    }
}

#[test]
fn an_amount_is_a_number_that_no_float_stands_behind() {
    let (iban, most) = ("DE89370400440532013000", 140);
    for (minor, text) in [
        (12_000, "120.00"),
        (1, "0.01"),
        (999_999_999_999, "9999999999.99"),
        // 2^53 cents and one more, which a float cannot tell from two more.
        (9_007_199_254_740_993, "90071992547409.93"),
    ] {
        let body = draft(&order(iban, minor, EUR), most).unwrap();
        assert!(body.starts_with(&format!("{{\"amount\":{text},\"")), "{body}");
        let parsed: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(parsed["recipient"]["name"], "Mario \"M\" Rossi");
        assert_eq!(parsed["source"]["account"], IBAN);
        assert_eq!(parsed["status"], "DRAFT");
    }
    let body = br#"{"account":"x","balance":90071992547409.93,"available":-1.5}"#;
    let found = balances(body).unwrap();
    assert_eq!((found.ledger, found.available), (9_007_199_254_740_993, -150));
    let wrong = ["{}", r#"{"balance":"1.00"}"#, r#"{"balance":1.001}"#, r#"{"balance":1e3}"#, "x"];
    for body in wrong {
        assert!(balances(body.as_bytes()).is_none(), "{body}");
    }
}

#[test]
fn what_cannot_be_paid_is_told_before_anything_is_sent() {
    for (creditor, currency, why) in [
        ("DE89370400440532013000", 578, Failed::NotSupported),
        ("DE88370400440532013000", EUR, Failed::Invalid),
        ("30001234567", EUR, Failed::Invalid),
    ] {
        let failure = draft(&order(creditor, 1, currency), 140).unwrap_err();
        assert_eq!(failure.why, why, "{creditor}");
    }
}

#[test]
fn both_shapes_of_error_are_read() {
    let object =
        |code: &str, text: &str| format!(r#"{{"error":{{"code":{code},"description":"{text}"}}}}"#);
    let word = |code: &str| format!(r#"{{"error":"{code}","error_description":"said"}}"#);
    let cases = [
        (400, object("101", "not a qualified certificate"), Failed::Credentials, "101"),
        (400, object("\"102\"", "missing authorisation"), Failed::Credentials, "102"),
        (400, object("999", "something else"), Failed::Format, "999"),
        (401, word("invalid_grant"), Failed::Credentials, "invalid_grant"),
        (401, word("unauthorized_client"), Failed::Credentials, "unauthorized_client"),
        (401, word("invalid_token"), Failed::Malfunction, "invalid_token"),
        (400, word("a text that is no code"), Failed::Format, "400"),
        (404, String::new(), Failed::NotFound, "404"),
        (409, object("207", "it is over"), Failed::CannotReverse, "207"),
        (429, String::new(), Failed::Limited, "429"),
        (500, "<html>".to_owned(), Failed::Malfunction, "500"),
        (503, String::new(), Failed::Unavailable, "503"),
        (504, String::new(), Failed::Late, "504"),
        (400, r#"{"error":[1]}"#.to_owned(), Failed::Format, "400"),
    ];
    for (status, body, why, code) in cases {
        for moved_money in [false, true] {
            let failure = refusal(&response(status, &body, moved_money));
            assert_eq!((failure.why, failure.code.as_str()), (why, code), "{status} {body}");
            assert_eq!(failure.is_open, moved_money && status >= 500, "{status} {body}");
        }
    }
    let known = response(400, &object("103", "TPP already registered"), false);
    assert!(fault(&known).says_registered());
    let other = response(400, &object("101", "not a qualified certificate"), false);
    assert!(!fault(&other).says_registered());
}

#[test]
fn a_token_names_accounts_and_nothing_else_of_it_counts() {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let jwt = |alg: &str, accounts: &str| {
        let header = json!({ "alg": alg, "kid": "k" });
        let claims = json!({ "scope": "mdpapp", "droppay_accounts": accounts });
        format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode("signature"))
    };
    let two = token(&jwt("RS256", &format!(" {IBAN} , IT89M3606400001I05034550166,"))).unwrap();
    assert_eq!(two.accounts, [IBAN, "IT89M3606400001I05034550166"]);
    assert_eq!((two.kid.as_str(), two.signature.as_slice()), ("k", &b"signature"[..]));
    for (text, why) in [
        (jwt("none", IBAN), "jwt_algorithm"),
        (jwt("HS256", IBAN), "jwt_algorithm"),
        (jwt("RS256", ""), "jwt_accounts"),
        (jwt("RS256", "IT86M3606400001393351234568"), "jwt_iban"),
        ("a.b".to_owned(), "jwt_form"),
        ("a.b.c.d".to_owned(), "jwt_form"),
        ("*.b.c".to_owned(), "jwt_header"),
    ] {
        assert_eq!(token(&text).err(), Some(why), "{text}");
    }
}

#[test]
fn numbers_have_a_country_and_no_plus() {
    for (text, wanted) in [
        ("393351234567", true),
        ("39123456", true),
        ("3912345", false),
        ("39123456789012", true),
        ("391234567890123", false),
        ("+393351234567", false),
        ("00393351234567", false),
        ("4790000000", false),
        ("39335123456a", false),
        ("", false),
    ] {
        assert_eq!(is_msisdn(text), wanted, "{text}");
    }
}

#[test]
fn transfers_are_signed_by_who_sent_them() {
    let body = format!(
        r#"[{{"id":"1","amount":120.00,"status":"EXECUTED","date":"2026-02-23T10:00:00Z",
              "description":"605410000123 7F3K9QRS affitto","source":{{"account":"{IBAN}"}}}},
            {{"id":"2","amount":5,"status":"EXECUTED","date":"2026-02-24","source":{{}},
              "recipient":{{"account":"{IBAN}"}}}},
            {{"id":"3","amount":7,"status":"REJECTED","date":"2026-02-24","source":{{}},
              "recipient":{{"account":"{IBAN}"}}}},
            {{"id":"4","amount":120,"status":"EXECUTED","date":"2026-02-21",
              "description":"605410000123 7F3K9QRS affitto","source":{{}},
              "recipient":{{"account":"{IBAN}"}}}},
            {{"id":"5","amount":120,"status":"EXECUTED","date":"2026-02-25",
              "description":"605410000123 7F3K9QRS affitto",
              "source":{{"account":"IT89M3606400001I05034550166"}}}},
            {{"id":"6","amount":120,"status":"EXECUTED","date":"2026-02-20",
              "description":"605410000123 affitto","source":{{"account":"{IBAN}"}}}}]"#
    );
    let found = lines(body.as_bytes(), IBAN, Utc(0)).unwrap();
    let short: Vec<_> = found.iter().map(|(id, line)| (id.as_str(), line.amount)).collect();
    let expected = [("2", 500), ("1", -12_000), ("4", 12_000), ("6", -12_000)];
    assert_eq!(short, expected, "of this account, by direction");
    assert!(is_of(&found[1].1, &order("x", 12_000, EUR)));
    assert!(!is_of(&found[1].1, &order("x", 12_001, EUR)));
    assert!(!is_of(&found[0].1, &order("x", 500, EUR)));
    assert!(!is_of(&found[2].1, &order("x", 12_000, EUR)), "what came back is not what left");
    assert!(!is_of(&found[3].1, &order("x", 12_000, EUR)), "the RRN is not enough");
    assert!(lines(b"[{}]", IBAN, Utc(0)).is_none());
}

#[test]
fn words_of_payments_are_known_or_told() {
    for (word, wanted) in [
        ("DRAFT", Some((PaymentStatus::Received, false))),
        ("READY", Some((PaymentStatus::Received, false))),
        ("CONFIRMED", Some((PaymentStatus::CustomerProfile, true))),
        ("REJECTED", Some((PaymentStatus::Rejected, false))),
        ("REVOKED", Some((PaymentStatus::Cancelled, false))),
        ("SOMETHING", None),
    ] {
        let found = progress_of_push(word).map(|it| (it.status, it.is_approved));
        assert_eq!(found, wanted, "{word}");
    }
    assert_eq!(progress_of_transfer("EXECUTED").map(|it| it.status), Some(PaymentStatus::Settled));
    assert!(progress_of_transfer("").is_none());
}
