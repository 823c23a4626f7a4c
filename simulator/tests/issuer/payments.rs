//! What moves or holds money: 00, 01, 09, 20, 21, 40, 50, holds and completions.

use veksel_codecs::{Message, field};

use crate::rig::*;

#[test]
fn every_payment_moves_its_amount_once_and_says_so() {
    let cash = "0040578C000000010000";
    let with_cash = |mut message: Message| {
        message.set(field::ADDITIONAL_AMOUNTS, cash);
        message
    };
    let by_bill = bill(7, 50_000, &[("10", "B0001"), ("11", "1234567890"), ("12", "F-77")]);
    let cases = [
        (money("0200", "001000", 1, 10_000), CURRENT, -10_000),
        (money("0200", "011000", 2, 20_000), CURRENT, -20_000),
        (with_cash(money("0200", "091000", 3, 30_000)), CURRENT, -30_000),
        (money("0200", "200010", 4, 4_000), CURRENT, 4_000),
        (deposit(5, SAVINGS, 7_000), SAVINGS, 7_000),
        (transfer(6, CURRENT, OTHER, 12_300), CURRENT, -12_300),
        (transfer(6, CURRENT, OTHER, 12_300), OTHER, 12_300),
        (by_bill, CURRENT, -50_000),
    ];
    for (request, account, moved) in cases {
        let mut bank = Bank::new();
        let (before, available) = bank.balances(account);
        let answer = bank.approve(&request);
        assert_eq!(bank.balances(account), (before + moved, available + moved), "{request:?}");
        assert_eq!(text(&answer, 38).len(), 6);
        assert_eq!(text(&answer, 15), "1120");
        assert!(answer.has(field::ADDITIONAL_AMOUNTS));
        assert_eq!((bank.effects.len(), bank.is_replay), (1, false));
        let again = bank.send(&request);
        assert_eq!(again, answer, "a repeat gets the same answer");
        assert_eq!((bank.effects.len(), bank.is_replay), (1, true));
        assert_eq!(bank.balances(account), (before + moved, available + moved));
        bank.assert_conserved();
    }
}

#[test]
fn de54_tells_of_the_other_account_only_if_it_is_the_customers_own() {
    let mut bank = Bank::new();
    let own = bank.approve(&transfer(1, CURRENT, SAVINGS, 10_000));
    assert_eq!(
        text(&own, 54),
        "2001578C0000045130002002578C0000045130001007578C0000001350001008578C000000120000"
    );
    let other = bank.approve(&transfer(2, CURRENT, OTHER, 10_000));
    assert_eq!(text(&other, 54), "2001578C0000045030002002578C000004503000");
}

#[test]
fn a_bill_is_paid_to_a_known_biller_and_has_a_receipt() {
    let mut bank = Bank::new();
    let answer = bank.approve(&bill(1, 9_900, &[("10", "B0001"), ("12", "F-77")]));
    assert_eq!(tag(&answer, "12").as_deref(), Some("F-77"));
    let receipt = tag(&answer, "19").unwrap();
    assert!(receipt.starts_with('R') && receipt.len() == 10, "{receipt}");
    for (stan, list, expected) in [
        (2, vec![("10", "B9999")], "03"),
        (3, vec![("10", "B0009")], "12"),
        (4, vec![("10", "B0001"), ("11", "12")], "25"),
        (5, vec![("11", "1234567890")], "30"),
    ] {
        assert_eq!(bank.code(&bill(stan, 9_900, &list)), expected, "{list:?}");
    }
}

#[test]
fn a_transfer_to_another_bank_leaves_through_the_account_between_banks() {
    let cases = [("957801", "00"), ("957800", "14"), ("600001", "14"), ("999999", "15")];
    for (iin, expected) in cases {
        let mut message = transfer(1, CURRENT, "15030012345", 5_000);
        message.set(field::RECEIVER, iin);
        assert_eq!(Bank::new().code(&message), expected, "{iin}");
    }
    for (code, expected) in [("1500", "00"), ("DNBANOKK", "00"), ("1000", "14"), ("7777", "15")] {
        let message = tagged(transfer(1, CURRENT, "15030012345", 5_000), &[("15", code)]);
        assert_eq!(Bank::new().code(&message), expected, "{code}");
    }
    let mut home = transfer(2, CURRENT, OTHER, 5_000);
    home.set(field::RECEIVER, "957800");
    let mut bank = Bank::new();
    bank.approve(&home);
    assert_eq!(bank.balances(OTHER).0, 5_000);
}

#[test]
fn the_cash_part_of_a_purchase_is_not_more_than_the_whole() {
    let cases = [
        ("0040578C000000010000", "00"),
        ("0040578C000000010001", "13"),
        ("0040578C0000000100", "30"),
    ];
    for (amounts, expected) in cases {
        let mut message = money("0200", "091000", 1, 10_000);
        message.set(field::ADDITIONAL_AMOUNTS, amounts);
        assert_eq!(Bank::new().code(&message), expected, "{amounts}");
    }
    assert_eq!(Bank::new().code(&money("0200", "091000", 1, 10_000)), "00");
}

#[test]
fn a_statement_says_what_de104_or_de43_said() {
    let mut bank = Bank::new();
    let mut named = money("0200", "001000", 1, 100);
    named.set(field::ACCEPTOR_NAME, "KAFFEBAR          OSLO             NO");
    bank.approve(&named);
    named.set(field::STAN, 2);
    named.set(field::NARRATION, "Lunch");
    bank.approve(&named);
    bank.approve(&money("0200", "011000", 3, 100));
    let (_, rows) = table(&bank.approve(&inquiry("381000", CURRENT)));
    let said: Vec<_> = rows.iter().take(3).map(|row| row[6].as_str()).collect();
    assert_eq!(said, ["ATM WDL", "Lunch", "KAFFEBAR OSLO NO"]);
}

#[test]
fn a_hold_lowers_the_available_balance_and_its_completion_posts() {
    for (code, posted) in [("001000", 20_000), ("011000", 15_000), ("001000", 23_000)] {
        let mut bank = Bank::new();
        let hold = money("0100", code, 1, 20_000);
        let answer = bank.approve(&hold);
        assert_eq!(tag(&answer, "30").as_deref(), Some("H000000002"));
        assert_eq!(text(&answer, 38).len(), 6);
        assert_eq!(text(&answer, 54), "2001578C0000045230002002578C000004503000");
        assert_eq!(bank.balances(CURRENT), (4_523_000, 4_503_000));
        let mut completion = about(&hold, "0220", 2);
        completion.set(field::AMOUNT, posted);
        bank.approve(&completion);
        let left = 4_523_000 - i64::try_from(posted).unwrap();
        assert_eq!(bank.balances(CURRENT), (left, left));
        // A second completion under a new number is the same thing told again.
        completion.set(field::STAN, 3);
        bank.approve(&completion);
        assert_eq!(bank.balances(CURRENT), (left, left));
        bank.assert_conserved();
    }
}

#[test]
fn a_completion_that_does_not_fit_its_hold_posts_nothing() {
    let mut bank = Bank::new();
    let hold = money("0100", "001000", 1, 20_000);
    bank.approve(&hold);
    let completion = about(&hold, "0220", 2);
    let mut too_much = completion.clone();
    too_much.set(field::AMOUNT, 23_001);
    assert_eq!(bank.code(&too_much), "61");
    let mut elsewhere = of_account(completion.clone(), OTHER);
    elsewhere.set(field::STAN, 3);
    assert_eq!(bank.code(&elsewhere), "14");
    let mut unknown = about(&money("0100", "001000", 99, 20_000), "0220", 4);
    unknown.set(field::RRN, "000000000099");
    assert_eq!(bank.code(&unknown), "25");
    let mut wrong = completion;
    wrong.set(field::STAN, 5);
    wrong.set(field::ORIGINAL_DATA, &"9".repeat(42));
    let answer = bank.send(&wrong);
    assert_eq!((code(&answer), text(&answer, 44)), ("30".to_owned(), "090V".to_owned()));
    assert_eq!(bank.balances(CURRENT), (4_523_000, 4_503_000));
}

#[test]
fn a_completion_echoes_the_approval_of_its_hold_if_it_names_it() {
    let mut bank = Bank::new();
    let hold = money("0100", "001000", 1, 20_000);
    let approval = text(&bank.approve(&hold), 38);
    let mut completion = about(&hold, "0220", 2);
    completion.set(field::APPROVAL, &approval);
    assert_eq!(text(&bank.approve(&completion), 38), approval);
}

#[test]
fn a_hold_that_nobody_completes_expires_and_can_still_be_completed() {
    let mut bank = Bank::new();
    let hold = money("0100", "001000", 1, 20_000);
    bank.approve(&hold);
    assert!(bank.issuer.expire_holds(bank.now).is_empty());
    bank.now.0 += 7 * 86_400_000 + 1;
    assert_eq!(bank.issuer.expire_holds(bank.now).len(), 1);
    assert_eq!(bank.balances(CURRENT), (4_523_000, 4_523_000));
    bank.approve(&about(&hold, "0220", 2));
    assert_eq!(bank.balances(CURRENT), (4_503_000, 4_503_000));
}

#[test]
fn a_hold_that_a_stand_in_approved_is_placed_whatever_is_left_and_lives_like_any_other() {
    let mut bank = Bank::new();
    let (ledger, available) = bank.balances(OTHER);
    let above = u64::try_from(available).unwrap() + 5_000;
    let refused = of_account(money("0100", "001000", 1, above), OTHER);
    assert_eq!(bank.code(&refused), "51");
    let mut advice = of_account(money("0120", "001000", 2, above), OTHER);
    advice.set(field::APPROVAL, "STAND1");
    // A card that the bank would refuse today was taken by the stand-in yesterday.
    advice.set(field::PAN, "4000000000000002");
    let answer = bank.approve(&advice);
    assert_eq!((answer.mti().as_str(), text(&answer, 38)), ("0130", "STAND1".to_owned()));
    assert!(tag(&answer, "30").is_some());
    assert_eq!(bank.balances(OTHER), (ledger, -5_000));
    assert_eq!(bank.approve(&with_mti(&advice, "0121")), answer);
    assert!(bank.is_replay);
    assert_eq!(bank.balances(OTHER), (ledger, -5_000));
    let mut other = advice.clone();
    other.set(field::AMOUNT, 1);
    assert_eq!(bank.code(&other), "94");
    bank.approve(&about(&advice, "0420", 3));
    assert_eq!(bank.balances(OTHER), (ledger, available));
    let mut second = advice;
    second.set(field::STAN, 4);
    bank.approve(&second);
    bank.approve(&about(&second, "0220", 5));
    assert_eq!(bank.balances(OTHER), (ledger - available - 5_000, -5_000));
    bank.assert_conserved();
}

#[test]
fn a_hold_is_not_placed_on_an_account_that_is_not_there() {
    let mut bank = Bank::new();
    assert_eq!(bank.code(&of_account(money("0120", "011000", 1, 100), "10999999999")), "14");
}

#[test]
fn a_refund_advice_is_posted_like_a_refund() {
    let mut bank = Bank::new();
    let advice = money("0220", "200010", 1, 4_000);
    bank.approve(&advice);
    bank.approve(&with_mti(&advice, "0221"));
    assert!(bank.is_replay);
    assert_eq!(bank.balances(CURRENT).0, 4_527_000);
}

#[test]
fn all_shipped_dialects_lead_to_the_same_ledger() {
    let ledger = |name: &str| {
        let mut bank = Bank::speaking(veksel_codecs::Dialect::shipped(name).unwrap());
        let purchase = money("0200", "001000", 1, 10_000);
        bank.approve(&purchase);
        bank.approve(&about(&purchase, "0420", 2));
        bank.approve(&transfer(3, CURRENT, SAVINGS, 500));
        bank.approve(&bill(4, 900, &[("10", "B0001")]));
        bank.issuer.ledger().clone()
    };
    let first = ledger("cbs-ascii-bin");
    for name in ["cbs-ascii-hex", "cbs-bcd"] {
        assert!(ledger(name) == first, "{name}");
    }
}
