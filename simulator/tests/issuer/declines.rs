//! Every way to be told no, one row each.

use veksel_codecs::{FieldNumber, Message, field};
use veksel_simulator::magic;
use veksel_simulator::seeds::Seeds;

use crate::rig::*;

fn purchase(account: &str, minor: u64) -> Message {
    of_account(money("0200", "001000", 1, minor), account)
}

fn in_currency(mut message: Message, currency: u64) -> Message {
    message.set(field::CURRENCY, currency);
    message
}

fn with_card(mut message: Message, pan: &str) -> Message {
    message.set(field::PAN, pan);
    message
}

#[test]
fn what_an_account_does_not_allow() {
    let cases = [
        (purchase("99999999999", 100), "14"),
        (purchase("GL-578-CASH", 100), "14"),
        (purchase("10000000004", 100), "45"),
        (purchase("10000000003", 100), "62"),
        (purchase(OTHER, 100), "51"),
        (purchase(SAVINGS, 110_001), "51"),
        (purchase(CURRENT, 0), "13"),
        (in_currency(purchase(CURRENT, 100), 840), "12"),
        (in_currency(purchase(CURRENT, 100), 208), "12"),
        (transfer(1, CURRENT, "99999999999", 100), "14"),
        (transfer(1, CURRENT, "10000000004", 100), "45"),
        (transfer(1, CURRENT, "10000000003", 100), "62"),
        (transfer(1, CURRENT, CURRENT, 100), "12"),
        (transfer(1, CURRENT, "10000000006", 100), "12"),
        (deposit(1, "10000000004", 100), "45"),
        (deposit(1, "99999999999", 100), "14"),
    ];
    for (request, expected) in cases {
        let mut bank = Bank::new();
        let before = bank.issuer.ledger().audit().unwrap().transfers;
        let answer = bank.send(&request);
        assert_eq!(code(&answer), expected, "{request:?}");
        assert!(!answer.has(field::APPROVAL) && !answer.has(field::ADDITIONAL_AMOUNTS));
        assert_eq!(text(&answer, 15), "1120");
        assert_eq!(bank.issuer.ledger().audit().unwrap().transfers, before);
    }
}

#[test]
fn an_overdraft_is_spent_to_its_limit_and_shown_as_debt() {
    let mut bank = Bank::new();
    let spend = |minor| in_currency(purchase("10000000008", minor), 840);
    assert_eq!(bank.code(&spend(60_001)), "51");
    let mut all = spend(60_000);
    all.set(field::STAN, 2);
    let answer = bank.approve(&all);
    assert_eq!(text(&answer, 54), "2001840D0000000500002002840C000000000000");
}

#[test]
fn what_a_card_does_not_allow() {
    let seeds = Seeds::embedded().unwrap();
    let cards = &seeds.rows().cards;
    let with_letter = |letter: &str| {
        cards.iter().find(|card| card.status.letter() == letter).map(|c| (&*c.pan, &*c.account))
    };
    let expired = cards.iter().find(|card| *card.expiry < *"2611").unwrap();
    let on_account = |(pan, account): (&str, &str)| with_card(purchase(account, 100), pan);
    let mut wrong_expiry = with_card(purchase(CURRENT, 100), CARD);
    wrong_expiry.set(field::EXPIRY, "2911");
    let mut right_expiry = with_card(purchase(CURRENT, 100), CARD);
    right_expiry.set(field::EXPIRY, "2912");
    let cases = [
        (with_card(purchase(CURRENT, 100), CARD), "00"),
        (right_expiry, "00"),
        (with_card(purchase(SAVINGS, 100), CARD), "00"),
        (with_card(purchase(OTHER, 100), CARD), "14"),
        (with_card(purchase(CURRENT, 100), "5555555555554444"), "14"),
        (on_account(with_letter("L").unwrap()), "41"),
        (on_account(with_letter("S").unwrap()), "43"),
        (on_account(with_letter("B").unwrap()), "62"),
        (on_account((&expired.pan, &expired.account)), "54"),
        (wrong_expiry, "54"),
        (with_card(inquiry("311000", OTHER), CARD), "14"),
        (with_card(inquiry("311000", SAVINGS), CARD), "00"),
    ];
    for (request, expected) in cases {
        assert_eq!(Bank::new().code(&request), expected, "{request:?}");
    }
}

#[test]
fn a_repeat_of_what_a_card_paid_is_answered_alike_when_the_card_has_expired() {
    let mut bank = Bank::new();
    let request = with_card(purchase(CURRENT, 100), CARD);
    // 2029-12-31T23:59Z, the last minute of the card.
    bank.now.0 = 1_893_455_940_000;
    let first = bank.approve(&request);
    bank.now.0 += 120_000;
    assert_eq!(bank.send(&request), first);
    let mut new = request;
    new.set(field::STAN, 2);
    assert_eq!(bank.code(&new), "54");
}

#[test]
fn magic_amounts_do_what_their_table_says_in_every_currency() {
    for magic in magic::TABLE {
        let amount = 12_00 + u64::from(magic.ending);
        let requests = [
            money("0200", "011000", 1, amount),
            money("0100", "001000", 2, amount),
            transfer(3, CURRENT, SAVINGS, amount),
            deposit(4, CURRENT, amount),
            bill(5, amount, &[("10", "B0001")]),
            in_currency(of_account(money("0200", "001000", 6, amount), "10000000006"), 392),
            in_currency(of_account(money("0200", "001000", 7, amount), "10000000007"), 414),
        ];
        for request in requests {
            let mut bank = Bank::new();
            let answer = bank.send(&request);
            let expected = magic.code().map_or("00".to_owned(), |code| code.as_str().to_owned());
            assert_eq!(code(&answer), expected, "{request:?} {}", magic.ending);
            assert_eq!(bank.effects.len(), usize::from(magic.is_late()));
            assert_eq!(bank.delay_ms, if magic.is_late() { 20_000 } else { 0 });
        }
    }
}

#[test]
fn magic_leaves_advices_and_reversals_alone() {
    let mut bank = Bank::new();
    bank.approve(&money("0220", "200010", 1, 12_51));
    let hold = money("0100", "001000", 2, 12_00);
    bank.approve(&hold);
    let mut completion = about(&hold, "0220", 3);
    completion.set(field::AMOUNT, 11_91);
    bank.approve(&completion);
    let late = money("0200", "001000", 4, 12_68);
    bank.approve(&late);
    bank.approve(&about(&late, "0420", 5));
    assert_eq!(bank.delay_ms, 0);
    bank.send(&late);
    assert_eq!((bank.is_replay, bank.delay_ms), (true, 0));
}

#[test]
fn what_has_no_meaning_here() {
    let mut lone = money("0200", "001000", 1, 100);
    lone.remove(field::PROCESSING_CODE);
    let cases = [
        (request("0200", "770000", 1), "12", None),
        (request("0100", "400000", 1), "12", None),
        (request("0600", "000000", 1), "40", None),
        (request("0300", "000000", 1), "40", None),
        (request("0500", "000000", 1), "40", None),
        (request("0900", "000000", 1), "12", None),
        (request("1200", "310000", 1), "12", None),
        (lone, "30", Some("003M")),
    ];
    for (request, expected, fault) in cases {
        let answer = Bank::new().send(&request);
        assert_eq!(code(&answer), expected, "{request:?}");
        assert_eq!(answer.get(field::ADDITIONAL_RESPONSE).map(|t| t.to_string()).as_deref(), fault);
        assert_eq!(text(&answer, 11), "000001");
    }
}

#[test]
fn a_missing_field_is_named() {
    for missing in [3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 102] {
        let mut message = inquiry("311000", CURRENT);
        message.retain(message.fields().without(number(missing)));
        let answer = Bank::new().send(&message);
        assert_eq!(code(&answer), "30");
        assert_eq!(text(&answer, 44), format!("{missing:03}M"));
    }
}

#[test]
fn a_broken_field_is_named_and_the_others_are_echoed() {
    let mut bank = Bank::new();
    let mut bytes = bytes::BytesMut::new();
    bank.codec.encode(&inquiry("311000", CURRENT), &mut bytes).unwrap();
    let place = bytes.windows(6).position(|window| window == b"130000").unwrap();
    bytes[place + 2] = b'x';
    let (answer, _) = bank.frame(&bytes).unwrap();
    assert_eq!((code(&answer), text(&answer, 44)), ("30".to_owned(), "012V".to_owned()));
    assert!(!answer.has(field::LOCAL_TIME));
    assert_eq!((text(&answer, 11), text(&answer, 37)), ("000001".into(), "000000000001".into()));
}

#[test]
fn secrets_are_never_echoed() {
    let mut message = with_card(money("0200", "001000", 1, 100), CARD);
    message.set(field::PIN_BLOCK, &[1; 8]);
    message.set(field::ICC, &[0x9F, 0x26, 0x01, 0x00]);
    let answer = Bank::new().approve(&message);
    for secret in [52, 55] {
        let secret = FieldNumber::new(secret).unwrap();
        assert!(!answer.fields().has(secret));
    }
    assert_eq!((text(&answer, 59), text(&answer, 60)), ("trace-1".into(), "ATM".into()));
}
