//! Random requests, valid and not: money is never made or lost, and no answer breaks the matrix.

use proptest::prelude::*;
use veksel_codecs::structured::format_replacement;
use veksel_codecs::{Message, field};
use veksel_simulator::book::Book;
use veksel_simulator::ledger::{Limits, Profile};
use veksel_simulator::seeds::Seeds;

use crate::rig::*;

const ACCOUNTS: [&str; 10] = [
    CURRENT,
    SAVINGS,
    "10000000003",
    "10000000004",
    OTHER,
    "10000000006",
    "10000000008",
    "10000000009",
    "99999999999",
    "GL-578-CASH",
];

const KINDS: [(&str, &str); 30] = [
    ("0200", "001000"),
    ("0200", "011000"),
    ("0200", "091000"),
    ("0200", "200010"),
    ("0200", "210010"),
    ("0200", "401020"),
    ("0200", "501000"),
    ("0201", "001000"),
    ("0100", "001000"),
    ("0100", "011000"),
    ("0101", "001000"),
    ("0220", "001000"),
    ("0220", "200010"),
    ("0420", "001000"),
    ("0420", "401020"),
    ("0421", "001000"),
    ("0400", "210010"),
    ("0200", "311000"),
    ("0200", "300000"),
    ("0200", "381000"),
    ("0200", "350000"),
    ("0200", "330000"),
    ("0200", "390000"),
    ("0200", "920000"),
    ("0200", "930000"),
    ("0200", "940000"),
    ("0200", "950000"),
    ("0200", "960000"),
    ("0200", "970000"),
    ("0200", "320000"),
];

const EXTRAS: [&str; 8] = [
    "",
    "1005B0001",
    "1005B00091102x1",
    "4001a",
    "4205C000001",
    "0102990401Z",
    "15041500",
    "41034711",
];

#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    stan: u64,
    account: usize,
    counter: usize,
    minor: u64,
    extra: usize,
    currency: usize,
    original: u64,
    is_hold: bool,
    actual: Option<u64>,
    has_card: bool,
    later_ms: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let minor = prop_oneof![
        4 => 1..60_000_u64,
        1 => Just(0),
        1 => (1..50_u64).prop_map(|units| units * 100 + 68),
        1 => Just(999_999_999_900),
    ];
    let first = (0..KINDS.len(), 1..25_u64, 0..ACCOUNTS.len(), 0..ACCOUNTS.len(), minor);
    let second = (
        0..EXTRAS.len(),
        0..6_usize,
        1..25_u64,
        any::<bool>(),
        proptest::option::of(0..40_000_u64),
        prop::bool::weighted(0.1),
        prop_oneof![4 => 0..5_000_u64, 1 => 0..900_000_000_u64],
    );
    (first, second).prop_map(|((kind, stan, account, counter, minor), rest)| {
        let (extra, currency, original, is_hold, actual, has_card, later_ms) = rest;
        Step {
            kind,
            stan,
            account,
            counter,
            minor,
            extra,
            currency,
            original,
            is_hold,
            actual,
            has_card,
            later_ms,
        }
    })
}

fn message(step: &Step) -> Message {
    let (mti, code) = KINDS[step.kind];
    let is_money = mti != "0200" || code < "300000" || code.starts_with(['4', '5']);
    let mut message = money(mti, code, step.stan, if is_money { step.minor } else { 0 });
    let currency = if step.currency == 0 { 840 } else { 578 };
    message.set(field::CURRENCY, currency);
    message.set(field::ACCOUNT, ACCOUNTS[step.account]);
    if code.starts_with("21") {
        message.remove(field::ACCOUNT);
    }
    if ["21", "40", "50", "97"].contains(&&code[..2]) {
        message.set(field::COUNTER_ACCOUNT, ACCOUNTS[step.counter]);
    }
    let extra = EXTRAS[step.extra];
    if !extra.is_empty() {
        message.set(field::ADDITIONAL_DATA, extra);
    }
    if step.has_card {
        message.set(field::PAN, CARD);
    }
    if mti.starts_with("04") || mti == "0220" {
        let class = if step.is_hold { "0100" } else { "0200" };
        let original = money(class, code, step.original, step.minor);
        message.set(field::ORIGINAL_DATA, &original_data(&original));
        message.set(field::RRN, &format!("{:012}", step.original));
        message.set(field::STAN, step.stan + 100);
        if let Some(actual) = step.actual.filter(|_| mti.starts_with("04")) {
            message.set(field::REPLACEMENT_AMOUNTS, &format_replacement(actual));
        }
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved_and_every_answer_is_well_formed(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut bank = Bank::new();
        for step in &steps {
            bank.now.0 += step.later_ms;
            let expired = bank.issuer.expire_holds(bank.now);
            bank.effects.extend(expired);
            // The rig holds every answer against the presence rule.
            bank.send(&message(step));
        }
        prop_assert_eq!(bank.issuer.ledger().audit().map(|_| ()), Ok(()));
        for account in ACCOUNTS.iter().filter(|account| account.starts_with("100")) {
            let (ledger, available) = bank.balances(account);
            prop_assert!(available <= ledger + 50_000, "{} {}", ledger, available);
        }
    }

    #[test]
    fn a_copy_of_any_request_changes_no_balance(step in step(), other in step()) {
        let mut bank = Bank::new();
        bank.send(&message(&other));
        let first = bank.send(&message(&step));
        let before = ACCOUNTS.map(|account| {
            bank.issuer.ledger().customer_account(account).map(|(_, a, _)| a.balances())
        });
        let second = bank.send(&message(&step));
        let after = ACCOUNTS.map(|account| {
            bank.issuer.ledger().customer_account(account).map(|(_, a, _)| a.balances())
        });
        prop_assert_eq!(before, after);
        prop_assert_eq!(code(&first), code(&second));
    }
}

#[test]
fn what_the_issuer_says_must_be_written_is_all_that_a_restart_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank.db");
    let opening = Seeds::embedded().unwrap().open(Limits::STANDARD, Profile::Ideal).unwrap();
    let mut book = Book::create(&path, &opening).unwrap();
    let mut bank = Bank::new();
    let hold = money("0100", "001000", 1, 20_000);
    bank.approve(&hold);
    bank.approve(&about(&hold, "0220", 2));
    bank.approve(&transfer(3, CURRENT, SAVINGS, 5_000));
    bank.send(&about(&money("0200", "001000", 50, 100), "0420", 51));
    bank.send(&money("0200", "001000", 4, 99_999_900));
    book.commit(&bank.effects).unwrap();
    drop(book);
    let opened = Book::open(&path, Limits::STANDARD, Profile::Ideal).unwrap();
    assert!(opened.ledger == *bank.issuer.ledger());
}
