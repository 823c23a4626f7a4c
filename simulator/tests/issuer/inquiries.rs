//! Inquiries about one account: 30, 31, 32, 33, 35, 38, 39, 90, 91, 94.

use veksel_codecs::{Dialect, field};

use crate::rig::*;

#[test]
fn balances_are_in_the_currency_and_type_of_the_account() {
    let cases = [
        (CURRENT, "2001578C0000045230002002578C000004523000"),
        (SAVINGS, "1001578C0000001250001002578C000000110000"),
        (OTHER, "2001578C0000000000002002578C000000000000"),
        ("10000000006", "2001392C0000010000002002392C000001000000"),
        ("10000000007", "2001414C0000001255002002414C000000125500"),
        ("10000000008", "2001840C0000000100002002840C000000060000"),
    ];
    for code in ["311000", "300000"] {
        for (account, expected) in cases {
            let answer = Bank::new().approve(&inquiry(code, account));
            assert_eq!(text(&answer, 54), expected, "{code} of {account}");
            assert_eq!(text(&answer, 15), "1120");
        }
    }
}

#[test]
fn an_inquiry_with_an_amount_is_a_format_error() {
    let mut bank = Bank::new();
    for code in ["311000", "381000", "330000", "390000"] {
        let mut request = inquiry(code, CURRENT);
        request.set(field::AMOUNT, 1);
        let answer = bank.send(&request);
        assert_eq!((self::code(&answer), text(&answer, 44)), ("30".to_owned(), "004V".to_owned()));
    }
}

#[test]
fn a_name_comes_with_status_currency_and_type_and_is_masked() {
    let mut bank = Bank::new();
    let cases = [
        (CURRENT, "Leif K********", "A", "20"),
        (SAVINGS, "Leif K********", "A", "10"),
        ("10000000003", "Sigrun T*******", "B", "20"),
        ("10000000004", "Eilif L********", "C", "20"),
    ];
    for mti in ["0200", "0100"] {
        for (account, name, status, product) in cases {
            let mut request = inquiry("330000", account);
            request.set_mti(veksel_codecs::Mti::parse(mti).unwrap());
            let answer = bank.approve(&request);
            let said = ["14", "16", "17", "18"].map(|name| tag(&answer, name).unwrap());
            assert_eq!(said, [name, status, "578", product], "{account}");
        }
    }
}

#[test]
fn linked_accounts_are_those_of_the_customer() {
    let (columns, rows) = table(&Bank::new().approve(&inquiry("390000", SAVINGS)));
    assert_eq!(columns, ["ACCOUNT", "TYPE", "CURR_CODE", "STATUS", "NAME"]);
    let accounts: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert!(accounts.starts_with(&[CURRENT, SAVINGS]), "{accounts:?}");
    assert_eq!(rows[1], [SAVINGS, "10", "578", "A", "Leif Kontofoss"]);
}

#[test]
fn details_are_everything_the_bank_knows_of_an_account() {
    let answer = Bank::new().approve(&inquiry("940000", SAVINGS));
    let said = ["14", "16", "17", "18", "44", "45", "46"].map(|name| tag(&answer, name).unwrap());
    let iban = "NO9110000000002";
    assert_eq!(said, ["Leif Kontofoss", "A", "578", "10", "20190314", "0001", iban]);
    let balances = "1001578C0000001250001002578C000000110000";
    let limits = "1090578C0000000150001091578C000000000000";
    assert_eq!(text(&answer, 54), format!("{balances}{limits}"));
}

#[test]
fn an_account_that_is_blocked_closed_or_unknown_shows_nothing() {
    let mut bank = Bank::new();
    for code in ["300000", "311000", "381000", "350000"] {
        for (account, expected) in [
            ("10000000003", "62"),
            ("10000000004", "45"),
            ("99999999999", "14"),
            ("GL-578-CASH", "14"),
        ] {
            let answer = bank.send(&inquiry(code, account));
            assert_eq!(self::code(&answer), expected, "{code} of {account}");
            assert!(!answer.has(field::ADDITIONAL_AMOUNTS) && !answer.has(field::ADDITIONAL_DATA));
        }
    }
    for code in ["330000", "390000", "940000"] {
        assert_eq!(bank.code(&inquiry(code, "99999999999")), "14", "{code}");
    }
}

#[test]
fn a_mini_statement_has_ten_lines_newest_first() {
    let mut bank = Bank::new();
    bank.now.0 += 5_000;
    let mut purchase = money("0200", "011000", 40, 12_300);
    purchase.set(field::NARRATION, "ATM WDL |~ OSLO SENTRALSTASJON SPOR 19");
    bank.approve(&purchase);
    let answer = bank.approve(&inquiry("381000", CURRENT));
    let (columns, rows) = table(&answer);
    assert_eq!(columns.join("|"), "DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR_CODE|DR_CR|NARR");
    assert_eq!(rows.len(), 10);
    let newest = ["20261120120005", "01", "000000012300", "578", "D", "ATM WDL    OSLO SENTRALST"];
    let [time, seq, rest @ ..] = &rows[0][..] else { panic!("no cells") };
    assert_eq!(time, newest[0]);
    assert_eq!(rest, &newest[1..]);
    let older: u32 = rows[1][1].parse().unwrap();
    assert_eq!(seq.parse(), Ok(older + 1));
    assert!(rows.iter().map(|row| &row[0]).is_sorted_by(|a, b| a >= b));
    assert!(answer.has(field::ADDITIONAL_AMOUNTS) && text(&answer, 63).starts_with("NEXT "));
}

#[test]
fn the_pages_of_a_statement_make_the_whole_of_it() {
    let mut bank = Bank::new();
    for stan in 100..160 {
        bank.approve(&money("0200", "001000", stan, 100 * stan));
    }
    let entries = |bank: &Bank| {
        bank.issuer.ledger().customer_account(CURRENT).map(|(_, account, _)| account.entries)
    };
    let mut seen = Vec::new();
    let mut list = vec![("01".to_owned(), "99".to_owned())];
    for _ in 0..20 {
        let pairs: Vec<_> = list.iter().map(|(tag, value)| (&**tag, &**value)).collect();
        let answer = bank.approve(&tagged(inquiry("350000", CURRENT), &pairs));
        seen.extend(table(&answer).1.into_iter().map(|row| row[1].parse::<u64>().unwrap()));
        let Some(next) = answer.get(field::DISPLAY) else { break };
        let token = next.strip_prefix("NEXT ").unwrap().to_owned();
        list = vec![("01".to_owned(), "99".to_owned()), ("04".to_owned(), token)];
    }
    let all: Vec<_> = (1..=entries(&bank).unwrap()).rev().collect();
    assert_eq!(seen, all);
}

#[test]
fn a_statement_keeps_to_its_lines_and_dates() {
    let mut bank = Bank::new();
    let rows = |bank: &mut Bank, code: &str, list: &[(&str, &str)]| {
        table(&bank.approve(&tagged(inquiry(code, CURRENT), list))).1
    };
    assert_eq!(rows(&mut bank, "381000", &[("01", "03")]).len(), 3);
    for row in rows(&mut bank, "350000", &[("02", "20261001"), ("03", "20261031")]) {
        assert!(row[0].starts_with("202610"), "{}", row[0]);
    }
    assert!(rows(&mut bank, "350000", &[("02", "20250101"), ("03", "20250102")]).is_empty());
    for list in [
        [("01", "00"), ("04", "1")],
        [("01", "x1"), ("04", "1")],
        [("02", "20261131"), ("04", "1")],
        [("02", "20261102"), ("03", "20261101")],
        [("01", "10"), ("04", "next")],
    ] {
        let answer = bank.send(&tagged(inquiry("350000", CURRENT), &list));
        assert_eq!((code(&answer), text(&answer, 44)), ("30".to_owned(), "048V".to_owned()));
    }
}

#[test]
fn an_inquiry_is_not_remembered_and_changes_nothing() {
    let mut bank = Bank::new();
    let ask = inquiry("311000", CURRENT);
    let before = text(&bank.approve(&ask), 54);
    bank.approve(&money("0200", "001000", 2, 1_000));
    assert_ne!(text(&bank.approve(&ask), 54), before);
    assert_eq!(bank.effects.len(), 1);
}

/// The shipped dialects have no rules for these; one of the user's own may.
#[test]
fn a_dialect_with_rules_for_orders_and_bill_inquiries_finds_a_bank_that_knows_them() {
    let text_of = |name: &str, codes: &str, answer: &str| {
        format!(
            "[presence.{name}]\nmti = [\"0200\"]\ncodes = [{codes}]\n[presence.{name}.request]\n\
             mandatory = [3, 4, 7, 11, 32, 37, 41, 42]\noptional = [2, 12, 13, 48, 49, 59, 60, 102]\
             \nzero = [4]\n[presence.{name}.answer]\necho = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, \
             42, 49, 59, 60, 102]\nmandatory = [39]\noptional = [{answer}]\n"
        )
    };
    let dialect = format!(
        "name = \"mine\"\ntitle = \"mine\"\nextends = \"cbs-ascii-bin\"\n{}{}",
        text_of("orders", "\"90\", \"91\"", "15, 44"),
        text_of("bill-inquiry", "\"32\"", "15, 44, 48, 54, 63"),
    );
    let mut bank = Bank::speaking(Dialect::parse(&dialect).unwrap());
    for code in ["900000", "910000"] {
        bank.approve(&inquiry(code, CURRENT));
        assert_eq!(bank.code(&inquiry(code, "10000000003")), "62");
    }
    let ask = tagged(inquiry("320000", CURRENT), &[("10", "B0001"), ("11", "1234567890")]);
    let answer = bank.approve(&ask);
    assert_eq!(tag(&answer, "10").as_deref(), Some("B0001"));
    let due = text(&answer, 54);
    assert!(due.starts_with("0004578C") && due.ends_with("00"), "{due}");
    assert_eq!(text(&bank.approve(&ask), 54), due);
    for (list, expected) in [
        (vec![("10", "B9999")], "03"),
        (vec![("10", "B0001"), ("11", "12345")], "25"),
        (vec![("11", "1234567890")], "30"),
    ] {
        assert_eq!(bank.code(&tagged(inquiry("320000", CURRENT), &list)), expected, "{list:?}");
    }
}
