//! The private inquiries of cbs-interface.md 6.12: 92, 93, 95, 96, 97.

use veksel_codecs::{Message, field};

use crate::rig::*;

fn search(code: &str, list: &[(&str, &str)]) -> Message {
    let mut message = tagged(request("0200", code, 1), list);
    message.remove(field::ACCOUNT);
    message
}

fn cells(row: &[String]) -> Vec<&str> {
    row.iter().map(String::as_str).collect()
}

#[test]
fn customers_are_found_by_number_name_or_phone() {
    let mut bank = Bank::new();
    let leif = ["C000001", "Leif Kontofoss", "+4790100001", "A"];
    for list in [
        vec![("42", "C000001")],
        vec![("40", "kontofoss"), ("41", "004790100001")],
        vec![("41", "4790100001")],
        vec![("40", "Leif Kontofoss")],
    ] {
        let (columns, rows) = table(&bank.approve(&search("920000", &list)));
        assert_eq!(columns, ["CUST_ID", "NAME", "PHONE", "STATUS"]);
        assert_eq!(rows, [leif.map(str::to_owned)], "{list:?}");
    }
    for list in [[("42", "C999999")], [("40", "Nobody At All")], [("41", "+4700000000")]] {
        assert_eq!(bank.code(&search("920000", &list)), "25", "{list:?}");
    }
    assert_eq!(bank.code(&search("920000", &[("99", "x")])), "30");
    assert_eq!(bank.code(&search("920000", &[("40", "")])), "30");
}

#[test]
fn a_long_list_goes_on_in_de125_and_on_the_next_page() {
    let mut bank = Bank::new();
    let first = bank.approve(&search("920000", &[("40", "a")]));
    assert!(first.has(field::CONTINUATION) || first.has(field::DISPLAY));
    let mut seen: Vec<String> = Vec::new();
    let mut token = None;
    for _ in 0..10 {
        let mut list = vec![("40", "e")];
        list.extend(token.as_deref().map(|token| ("04", token)));
        let answer = bank.approve(&search("920000", &list));
        seen.extend(table(&answer).1.into_iter().map(|row| row[0].clone()));
        token =
            answer.get(field::DISPLAY).map(|text| text.strip_prefix("NEXT ").unwrap().to_owned());
        if token.is_none() {
            break;
        }
    }
    assert!(seen.len() > 20 && seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

#[test]
fn accounts_are_found_by_customer_number_or_iban() {
    let mut bank = Bank::new();
    let savings = [SAVINGS, "10", "578", "A", "Leif Kontofoss"];
    for number in [SAVINGS, "NO9110000000002", "NO91 1000 0000 002"] {
        let (_, rows) = table(&bank.approve(&search("930000", &[("43", number)])));
        assert_eq!(rows.iter().map(|row| cells(row)).collect::<Vec<_>>(), [savings], "{number}");
    }
    let (_, rows) = table(&bank.approve(&search("930000", &[("42", "C000001")])));
    assert!(rows.len() >= 2);
    let other = [("42", "C000002"), ("43", SAVINGS)];
    assert_eq!(bank.code(&search("930000", &other)), "25");
    assert_eq!(bank.code(&search("930000", &[("43", "GL-578-CASH")])), "25");
    assert_eq!(bank.code(&search("930000", &[("41", "+4790100001")])), "30");
}

#[test]
fn a_phone_has_an_operator_and_maybe_an_owner() {
    let mut bank = Bank::new();
    let answer = bank.approve(&search("950000", &[("41", "+4790100001")]));
    assert_eq!(tag(&answer, "14").as_deref(), Some("Leif K********"));
    assert_eq!(tag(&answer, "47").as_deref(), Some("Telenord Bedrift"));
    let answer = bank.approve(&search("950000", &[("41", "+4791999999")]));
    assert_eq!(tag(&answer, "14"), None);
    assert_eq!(tag(&answer, "47").as_deref(), Some("Telenord"));
    assert_eq!(bank.code(&search("950000", &[("41", "+999123")])), "25");
}

#[test]
fn the_dictionary_lists_every_bank() {
    let mut bank = Bank::new();
    let mut ask = request("0200", "960000", 1);
    let (columns, rows) = table(&bank.approve(&ask));
    assert_eq!(columns, ["BANK_CODE", "BIC", "NAME", "IIN"]);
    assert_eq!(cells(&rows[0]), ["1000", "VEKSNOKK", "Veksel Demo Bank", "957800"]);
    assert!(rows.len() >= 20);
    ask = tagged(ask, &[("04", "3")]);
    assert_eq!(table(&bank.approve(&ask)).1, rows[3..]);
}

#[test]
fn a_name_at_another_bank_is_always_the_same_and_ours_is_the_true_one() {
    let mut bank = Bank::new();
    let mut ask = |code: &str, account: &str| {
        let mut message = search("970000", &[("15", code)]);
        message.set(field::COUNTER_ACCOUNT, account);
        bank.send(&message)
    };
    let first = tag(&ask("1500", "15030012345"), "14").unwrap();
    assert!(first.contains(' ') && first.ends_with('*'), "{first}");
    assert_eq!(tag(&ask("DNBANOKK", "15030012345"), "14").unwrap(), first);
    assert_eq!(tag(&ask("1000", CURRENT), "14").as_deref(), Some("Leif K********"));
    assert_eq!(code(&ask("1000", "99999999999")), "14");
    assert_eq!(code(&ask("7777", CURRENT)), "15");
}
