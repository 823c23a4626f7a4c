//! 0520: the totals of a settlement date, told and compared (cbs-interface.md 6.10).

use veksel_codecs::structured::format_replacement;
use veksel_codecs::{Message, field};
use veksel_core::time::Utc;
use veksel_simulator::book::Book;
use veksel_simulator::ledger::{Limits, Profile};
use veksel_simulator::seeds::Seeds;

use crate::rig::*;

const NUMBERS: [u8; 13] = [74, 75, 76, 77, 78, 79, 80, 81, 86, 87, 88, 89, 97];

/// With zeros for every total that is not named.
fn totals(stan: u64, date: &str, list: &[(u8, &str)]) -> Message {
    let mut message = request("0520", "000000", stan);
    let all = [field::PROCESSING_CODE, field::LOCAL_TIME, field::LOCAL_DATE];
    all.into_iter().for_each(|key| message.remove(key));
    message.remove(field::AMOUNT);
    message.remove(field::ACCOUNT);
    message.set(field::SETTLEMENT_DATE, date);
    for key in NUMBERS {
        let (sign, width) = match key {
            97 => ("C", 16),
            86..=89 => ("", 16),
            _ => ("", 10),
        };
        let named = list.iter().find(|(number, _)| *number == key).map(|(_, value)| *value);
        let (sign, digits) = match named.map(|value| value.split_at(usize::from(key == 97))) {
            Some((named_sign, digits)) => (named_sign, digits),
            None => (sign, "0"),
        };
        message.set_text(number(key), &format!("{sign}{digits:0>width$}"));
    }
    message
}

/// One of everything that counts: a purchase and what undid a part of it, cash, a refund that was
/// taken back, a deposit, a transfer that was undone, a hold with its completion and one of a
/// stand-in, and what does not count because it was declined or only asked.
fn busy_day(bank: &mut Bank) {
    let purchase = money("0200", "001000", 1, 10_000);
    bank.approve(&purchase);
    let mut partly = about(&purchase, "0420", 2);
    partly.set(field::REPLACEMENT_AMOUNTS, &format_replacement(4_000));
    bank.approve(&partly);
    bank.approve(&money("0200", "011000", 3, 20_000));
    let refund = money("0200", "200010", 4, 700);
    bank.approve(&refund);
    bank.approve(&about(&refund, "0420", 5));
    // A second reversal of the same moves nothing.
    bank.approve(&about(&refund, "0420", 6));
    bank.approve(&deposit(7, SAVINGS, 5_000));
    let sent = transfer(8, CURRENT, SAVINGS, 900);
    bank.approve(&sent);
    bank.approve(&about(&sent, "0420", 9));
    let hold = money("0100", "001000", 10, 3_000);
    bank.approve(&hold);
    bank.approve(&about(&hold, "0220", 11));
    bank.approve(&money("0120", "001000", 12, 100));
    assert_eq!(bank.code(&of_account(money("0200", "001000", 13, 90_000_000), OTHER)), "51");
    bank.approve(&inquiry("310000", CURRENT));
    // Of another institution.
    let mut foreign = money("0200", "001000", 14, 555);
    foreign.set(field::ACQUIRER, "654321");
    bank.approve(&foreign);
}

const BUSY: [(u8, &str); 12] = [
    (74, "2"),
    (75, "1"),
    (76, "3"),
    (77, "1"),
    (78, "1"),
    (79, "1"),
    (81, "2"),
    (86, "5700"),
    (87, "700"),
    (88, "33000"),
    (89, "6000"),
    (97, "D22000"),
];

fn assert_balance(bank: &mut Bank, request: &Message) {
    let answer = bank.approve(request);
    assert_eq!((answer.mti().as_str(), text(&answer, 66)), ("0530", "1".to_owned()));
    assert_eq!(text(&answer, 15), text(request, 15));
    assert!(NUMBERS.iter().all(|key| answer.expose(number(*key)).is_none()));
}

#[test]
fn totals_that_agree_are_in_balance_and_one_wrong_figure_is_answered_with_the_banks_own() {
    let mut bank = Bank::new();
    busy_day(&mut bank);
    let before = (bank.effects.len(), bank.balances(CURRENT));
    let agreed = totals(50, "1120", &BUSY);
    assert_balance(&mut bank, &agreed);
    assert_balance(&mut bank, &with_mti(&agreed, "0521"));
    // Nobody counts inquiries but who asks.
    let mut asked = totals(51, "1120", &BUSY);
    asked.set_text(number(80), "0000000099");
    assert_balance(&mut bank, &asked);
    for (key, _) in BUSY {
        let mut wrong = agreed.clone();
        let right = text(&agreed, key);
        let other = match key {
            97 => right.replace('D', "C"),
            _ => format!("{}9", &right[..right.len() - 1]),
        };
        wrong.set_text(number(key), &other);
        let answer = bank.send(&wrong);
        assert_eq!((code(&answer), text(&answer, 66)), ("95".to_owned(), "2".to_owned()));
        for (key, _) in BUSY {
            assert_eq!(text(&answer, key), text(&agreed, key), "field {key}");
        }
        assert!(answer.expose(number(80)).is_none(), "what the bank does not know it does not say");
    }
    assert_eq!((bank.effects.len(), bank.balances(CURRENT)), before, "nothing was changed");
}

#[test]
fn totals_are_of_one_institution_and_one_currency() {
    let mut bank = Bank::new();
    busy_day(&mut bank);
    let mut foreign = totals(50, "1120", &[(76, "1"), (88, "555"), (97, "D555")]);
    foreign.set(field::ACQUIRER, "654321");
    assert_balance(&mut bank, &foreign);
    foreign.remove(field::CURRENCY);
    assert_balance(&mut bank, &foreign);
    let mut nobody = totals(51, "1120", &[]);
    nobody.set(field::ACQUIRER, "111111");
    assert_balance(&mut bank, &nobody);
    let mut dollars = totals(52, "1120", &[]);
    dollars.set(field::CURRENCY, 840);
    assert_balance(&mut bank, &dollars);
    dollars.set(field::CURRENCY, 36);
    assert_eq!(bank.code(&dollars), "12");
}

#[test]
fn a_cut_over_divides_the_day_and_a_restart_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank.db");
    let opening = Seeds::embedded().unwrap().open(Limits::STANDARD, Profile::Ideal).unwrap();
    let mut book = Book::create(&path, &opening).unwrap();
    let mut bank = Bank::new();
    bank.approve(&money("0200", "001000", 1, 10_000));
    bank.now = Utc(START.0 + 3_600_000);
    let mut cut_over = Message::of(veksel_codecs::Mti::known(b"0800"));
    cut_over.set(field::TRANSMISSION, "1120130000");
    cut_over.set(field::STAN, 2);
    cut_over.set(field::ACQUIRER, "123456");
    cut_over.set(field::NETWORK_CODE, 201);
    bank.approve(&cut_over);
    bank.approve(&cut_over);
    assert_eq!(bank.effects.len(), 2, "a second cut-over on one day is none");
    bank.now.0 += 1_000;
    let late = bank.approve(&money("0200", "001000", 3, 7_000));
    assert_eq!(text(&late, 15), "1121");
    let days = [
        totals(50, "1120", &[(76, "1"), (88, "10000"), (97, "D10000")]),
        totals(51, "1121", &[(76, "1"), (88, "7000"), (97, "D7000")]),
    ];
    days.iter().for_each(|day| assert_balance(&mut bank, day));
    book.commit(&bank.effects).unwrap();
    drop(book);
    let opened = Book::open(&path, Limits::STANDARD, Profile::Ideal).unwrap();
    assert_eq!(&opened.ledger, bank.issuer.ledger());
    let mut again = bank.restarted(opened.ledger, opened.directory);
    days.iter().for_each(|day| assert_balance(&mut again, day));
    // The next day, and as long as nothing of it can have been forgotten.
    again.now.0 += 6 * 86_400_000;
    days.iter().for_each(|day| assert_balance(&mut again, day));
    again.now.0 += 86_400_000;
    assert_eq!(again.code(&days[0]), "25");
    // A year later the same day and month is another date.
    again.now.0 = START.0 + 365 * 86_400_000;
    assert_balance(&mut again, &totals(52, "1120", &[]));
}

#[test]
fn totals_that_mean_nothing_are_a_format_error() {
    let mut bank = Bank::new();
    let mut no_date = totals(50, "1120", &[]);
    no_date.set(field::SETTLEMENT_DATE, "1332");
    let mut missing = totals(51, "1120", &[]);
    missing.retain(missing.fields().without(number(88)));
    busy_day(&mut bank);
    let mut mixed = totals(52, "1120", &BUSY);
    let mut dollars = money("0200", "200010", 53, 100);
    dollars.set(field::CURRENCY, 840);
    dollars.set(field::ACCOUNT, "10000000008");
    bank.approve(&dollars);
    assert_balance(&mut bank, &mixed);
    mixed.remove(field::CURRENCY);
    for (wrong, expected) in [(no_date, "015V"), (missing, "088M"), (mixed, "049M")] {
        let answer = bank.send(&wrong);
        assert_eq!((code(&answer), text(&answer, 44)), ("30".to_owned(), expected.to_owned()));
    }
}
