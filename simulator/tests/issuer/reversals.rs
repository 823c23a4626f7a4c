//! Duplicates and reversals: switch semantics 29, 32, 35, 36, 37.

use veksel_codecs::structured::format_replacement;
use veksel_codecs::{Message, field};

use crate::rig::*;

const FULL: i64 = 4_523_000;

fn purchase() -> Message {
    money("0200", "001000", 1, 10_000)
}

#[test]
fn the_same_key_with_other_content_is_a_duplicate_and_posts_nothing() {
    let changes: [fn(&mut Message); 5] = [
        |message| message.set(field::AMOUNT, 10_100),
        |message| message.set(field::ACCOUNT, SAVINGS),
        |message| message.set(field::PROCESSING_CODE, "011000"),
        |message| message.set(field::PAN, CARD),
        |message| message.set(field::CURRENCY, 840),
    ];
    for change in changes {
        let mut bank = Bank::new();
        bank.approve(&purchase());
        let mut other = purchase();
        change(&mut other);
        assert_eq!(bank.code(&other), "94", "{other:?}");
        assert_eq!(bank.balances(CURRENT).0, FULL - 10_000);
    }
}

#[test]
fn a_refusal_is_repeated_and_a_mistake_may_be_corrected() {
    let mut bank = Bank::new();
    let poor = of_account(purchase(), OTHER);
    assert_eq!(bank.code(&poor), "51");
    bank.approve(&deposit(2, OTHER, 50_000));
    assert_eq!(bank.code(&poor), "51");
    assert!(bank.is_replay);
    let mut wrong = purchase();
    wrong.set(field::AMOUNT, 0);
    wrong.set(field::STAN, 3);
    assert_eq!(bank.code(&wrong), "13");
    wrong.set(field::AMOUNT, 100);
    bank.approve(&wrong);
}

#[test]
fn a_repeat_finds_its_original_or_becomes_it() {
    let mut bank = Bank::new();
    let first = bank.approve(&purchase());
    let mut repeat = with_mti(&purchase(), "0201");
    assert_eq!(bank.send(&repeat), first);
    // A terminal that stamps its repeats anew.
    repeat.set(field::TRANSMISSION, "1120120500");
    assert_eq!(text(&bank.send(&repeat), 38), text(&first, 38));
    assert!(bank.is_replay);
    assert_eq!(bank.balances(CURRENT).0, FULL - 10_000);
    let mut lost = with_mti(&purchase(), "0201");
    lost.set(field::STAN, 2);
    bank.approve(&lost);
    assert_eq!((bank.is_replay, bank.balances(CURRENT).0), (false, FULL - 20_000));
}

#[test]
fn every_payment_is_undone_by_a_reversal_and_only_once() {
    let requests = [
        purchase(),
        money("0200", "011000", 1, 10_000),
        money("0200", "200010", 1, 10_000),
        transfer(1, CURRENT, OTHER, 10_000),
        bill(1, 10_000, &[("10", "B0001")]),
        money("0100", "001000", 1, 10_000),
        deposit(1, CURRENT, 10_000),
    ];
    for request in requests {
        for mti in ["0420", "0400"] {
            let mut bank = Bank::new();
            bank.approve(&request);
            assert_ne!(bank.balances(CURRENT), (FULL, FULL));
            let reversal = about(&request, mti, 2);
            let answer = bank.approve(&reversal);
            assert_eq!(bank.balances(CURRENT), (FULL, FULL), "{request:?}");
            assert_eq!(bank.balances(OTHER).0, 0);
            let repeat = with_mti(&reversal, if mti == "0420" { "0421" } else { "0401" });
            assert_eq!(bank.send(&repeat), answer);
            assert!(bank.is_replay);
            let mut second = reversal.clone();
            second.set(field::STAN, 3);
            bank.approve(&second);
            assert_eq!(bank.balances(CURRENT), (FULL, FULL));
            bank.assert_conserved();
        }
    }
}

#[test]
fn a_reversal_that_comes_first_keeps_its_original_from_posting() {
    for request in [purchase(), money("0100", "001000", 1, 10_000)] {
        let mut bank = Bank::new();
        assert_eq!(bank.code(&about(&request, "0420", 2)), "25");
        assert_eq!(bank.code(&request), "21");
        assert_eq!(bank.code(&about(&request, "0421", 2)), "25");
        assert_eq!(bank.balances(CURRENT), (FULL, FULL));
    }
}

#[test]
fn the_reversal_of_a_declined_payment_changes_nothing() {
    let mut bank = Bank::new();
    let poor = of_account(purchase(), OTHER);
    assert_eq!(bank.code(&poor), "51");
    assert_eq!(bank.code(&about(&poor, "0420", 2)), "21");
    assert_eq!(bank.balances(OTHER).0, 0);
}

#[test]
fn a_partial_reversal_leaves_what_really_moved() {
    let mut bank = Bank::new();
    bank.approve(&purchase());
    let mut partial = about(&purchase(), "0420", 2);
    partial.set(field::REPLACEMENT_AMOUNTS, &format_replacement(4_000));
    bank.approve(&partial);
    assert_eq!(bank.balances(CURRENT).0, FULL - 4_000);
    let mut more = about(&purchase(), "0420", 3);
    more.set(field::REPLACEMENT_AMOUNTS, &format_replacement(20_000));
    bank.send(&more);
    assert_eq!(bank.balances(CURRENT).0, FULL - 4_000);
    bank.assert_conserved();
}

#[test]
fn a_partial_reversal_of_more_than_was_paid_or_of_nonsense_is_refused() {
    for (replacement, expected) in [
        (format_replacement(10_001), "13"),
        (format_replacement(10_000), "21"),
        (format!("ABC{}", &format_replacement(0)[3..]), "30"),
    ] {
        let mut bank = Bank::new();
        bank.approve(&purchase());
        let mut partial = about(&purchase(), "0420", 2);
        partial.set(field::REPLACEMENT_AMOUNTS, &replacement);
        assert_eq!(bank.code(&partial), expected, "{replacement}");
        assert_eq!(bank.balances(CURRENT).0, FULL - 10_000);
    }
}

#[test]
fn an_original_is_found_without_its_time_and_without_its_institution() {
    for (from, to) in [("1120120000", "1120115900"), ("00000123456", "00000000000")] {
        let mut bank = Bank::new();
        bank.approve(&purchase());
        let mut reversal = about(&purchase(), "0420", 2);
        let renamed = original_data(&purchase()).replace(from, to);
        reversal.set(field::ORIGINAL_DATA, &renamed);
        bank.approve(&reversal);
        assert_eq!(bank.balances(CURRENT).0, FULL, "{renamed}");
    }
}

#[test]
fn an_original_whose_de11_is_wrong_is_found_by_de37_if_everything_else_agrees() {
    let misnamed = |original: &Message| {
        let mut reversal = about(original, "0420", 2);
        let named = original_data(original).replacen("000001", "000777", 1);
        reversal.set(field::ORIGINAL_DATA, &named);
        reversal
    };
    let mut bank = Bank::new();
    bank.approve(&purchase());
    let changes: [fn(&mut Message); 4] = [
        |message| message.set(field::AMOUNT, 9_999),
        |message| message.set(field::TERMINAL, "TERM0002"),
        |message| message.set(field::RRN, "000000000009"),
        |message| message.set(field::ACCOUNT, SAVINGS),
    ];
    for (stan, change) in (10..).zip(changes) {
        let mut reversal = misnamed(&purchase());
        reversal.set(field::STAN, stan);
        change(&mut reversal);
        assert_eq!(bank.code(&reversal), "25");
        assert_eq!(bank.balances(CURRENT).0, FULL - 10_000);
    }
    bank.approve(&misnamed(&purchase()));
    assert_eq!(bank.balances(CURRENT).0, FULL);
}

#[test]
fn between_two_payments_with_one_de37_none_is_undone() {
    let mut bank = Bank::new();
    let mut twin = purchase();
    twin.set(field::STAN, 5);
    bank.approve(&purchase());
    bank.approve(&twin);
    let mut reversal = about(&purchase(), "0420", 2);
    let named = original_data(&purchase()).replacen("000001", "000777", 1);
    reversal.set(field::ORIGINAL_DATA, &named);
    assert_eq!(bank.code(&reversal), "25");
    assert_eq!(bank.balances(CURRENT).0, FULL - 20_000);
}

#[test]
fn a_reversal_needs_no_funds_and_no_open_card() {
    let mut bank = Bank::new();
    bank.approve(&deposit(1, OTHER, 10_000));
    bank.approve(&transfer(2, OTHER, CURRENT, 10_000));
    bank.approve(&about(&deposit(1, OTHER, 10_000), "0420", 3));
    assert_eq!(bank.balances(OTHER).0, -10_000);
    assert_eq!(text(&bank.approve(&inquiry("311000", OTHER)), 54).get(7..8), Some("D"));
    bank.assert_conserved();
}
