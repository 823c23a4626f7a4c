//! One case for each rule of the ledger, named after the behaviour.

use super::*;
use crate::money::{AMOUNT_MAX, Money};

mod adjustments;
mod reversals;

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 60 * 60 * 1000;

fn limits() -> Limits {
    Limits { transfers_max: 1000, replies_max: 1000, holds_max: 1000, ..Limits::STANDARD }
}

fn customer(ledger: &mut Ledger, number: &str, currency: Currency, status: Status, limit: i64) {
    let holder = Holder {
        customer: format!("C{number}"),
        product: Product::Current,
        status,
        overdraft: limit,
        opened: "20200101".to_owned(),
        branch: "0001".to_owned(),
        iban: format!("NO00{number}"),
    };
    let owner = Owner::Customer(holder);
    ledger.open_account(NewAccount { number: number.to_owned(), currency, owner }).unwrap();
}

/// `A` and `B` are active NOK accounts with 1000.00 and nothing; the others are one of a kind.
fn bank_with(limits: Limits, profile: Profile) -> Ledger {
    let mut ledger = Ledger::new(limits, profile);
    customer(&mut ledger, "A", Currency::Nok, Status::Active, 0);
    customer(&mut ledger, "B", Currency::Nok, Status::Active, 0);
    customer(&mut ledger, "BLOCKED", Currency::Nok, Status::Blocked, 0);
    customer(&mut ledger, "CLOSED", Currency::Nok, Status::Closed, 0);
    customer(&mut ledger, "DORMANT", Currency::Nok, Status::Dormant, 0);
    customer(&mut ledger, "YEN", Currency::Jpy, Status::Active, 0);
    customer(&mut ledger, "LIMIT", Currency::Nok, Status::Active, 50_000);
    let deposit = post(Side::Bank(Gl::Cash), to("A"), 100_000);
    run(&mut ledger, 900_001, deposit);
    ledger
}

fn bank() -> Ledger {
    bank_with(limits(), Profile::Ideal)
}

fn key_at(class: Class, stan: u32, transmitted: &str) -> Key {
    let (stan, rrn) = (format!("{stan:06}"), format!("{stan:012}"));
    let parts = KeyParts {
        transmitted: transmitted.as_bytes(),
        stan: stan.as_bytes(),
        acquirer: b"123456",
        rrn: rrn.as_bytes(),
        terminal: b"ATM00001",
        acceptor: b"BRANCH000000001",
    };
    Key::new(class, parts).unwrap()
}

fn key(class: Class, stan: u32) -> Key {
    key_at(class, stan, "1120083000")
}

fn to(number: &str) -> Side {
    Side::Account(number.to_owned())
}

fn nok(minor: i64) -> Money {
    Money::new(minor, Currency::Nok)
}

fn post(debit: Side, credit: Side, minor: i64) -> Operation {
    Operation::Post(Post {
        debit,
        credit,
        amount: nok(minor),
        tran_type: 40,
        narration: "TEST".to_owned(),
        funds: Funds::Checked,
    })
}

fn withdraw(number: &str, minor: i64) -> Operation {
    post(to(number), Side::Bank(Gl::Cash), minor)
}

fn hold(number: &str, minor: i64) -> Operation {
    let (account, narration) = (number.to_owned(), "HOTEL".to_owned());
    Operation::Hold(PlaceHold {
        account,
        amount: nok(minor),
        tran_type: 0,
        narration,
        funds: Funds::Checked,
    })
}

fn capture(stan: u32, minor: i64) -> Operation {
    Operation::Capture(Capture {
        hold: HoldRef::Key(key(Class::Authorization, stan)),
        amount: nok(minor),
        credit: Side::Bank(Gl::Merchant),
        narration: "HOTEL".to_owned(),
    })
}

fn reverse(original: Key, actual: Option<i64>) -> Operation {
    Operation::Reverse(Reverse { original, actual })
}

fn class_of(operation: &Operation) -> Class {
    match operation {
        Operation::Hold(_) | Operation::Adjust(_) => Class::Authorization,
        Operation::Post(_) | Operation::Capture(_) => Class::Financial,
        Operation::Void(_) | Operation::Reverse(_) => Class::Reversal,
    }
}

fn request(stan: u32, operation: Operation) -> Request {
    let key = key(class_of(&operation), stan);
    let digest = Digest::of(&[format!("{operation:?}").as_bytes()]);
    Request { key, digest, sending: Sending::First, operation }
}

/// Executes and audits; every case is therefore also a case of conservation.
fn run_at(ledger: &mut Ledger, utc_ms: u64, request: &Request) -> Verdict {
    let verdict = ledger.execute(utc_ms, request);
    if let Err(problems) = ledger.audit() {
        panic!("{problems:?}");
    }
    verdict
}

fn run(ledger: &mut Ledger, stan: u32, operation: Operation) -> Outcome {
    run_at(ledger, NOW, &request(stan, operation)).reply.outcome
}

/// Ledger and available.
fn balance(ledger: &Ledger, number: &str) -> (i64, i64) {
    let (_, account, _) = ledger.customer_account(number).unwrap();
    (account.ledger(), account.balances().available())
}

#[test]
fn a_transfer_moves_money_once() {
    let mut ledger = bank();
    let verdict = run_at(&mut ledger, NOW, &request(1, post(to("A"), to("B"), 25_000)));
    let reply = verdict.reply;
    assert_eq!((reply.outcome, reply.outcome.response_code()), (Outcome::Approved, "00"));
    assert_eq!(reply.from.map(|b| b.ledger), Some(75_000));
    assert_eq!(reply.to.map(|b| b.ledger), Some(25_000));
    assert!(reply.approval.is_some() && reply.transfer.is_some() && verdict.effect.is_some());
    assert_eq!(balance(&ledger, "A"), (75_000, 75_000));
    assert_eq!(balance(&ledger, "B"), (25_000, 25_000));
}

#[test]
fn refusals_come_in_their_order_and_move_nothing() {
    let yen = Operation::Post(Post {
        debit: to("YEN"),
        credit: Side::Bank(Gl::Cash),
        amount: nok(100),
        tran_type: 1,
        narration: String::new(),
        funds: Funds::Checked,
    });
    let cases = [
        (withdraw("A", 0), Outcome::InvalidAmount, "13"),
        (withdraw("NOBODY", -5), Outcome::InvalidAmount, "13"),
        (withdraw("A", AMOUNT_MAX + 1), Outcome::InvalidAmount, "13"),
        (withdraw("NOBODY", 100), Outcome::NoAccount, "14"),
        (withdraw("GL-578-CASH", 100), Outcome::NoAccount, "14"),
        (post(to("CLOSED"), to("NOBODY"), 100), Outcome::NoAccount, "14"),
        (post(to("BLOCKED"), to("CLOSED"), 100), Outcome::Closed, "45"),
        (post(to("A"), to("BLOCKED"), 100), Outcome::Blocked, "62"),
        (post(to("BLOCKED"), to("YEN"), 100), Outcome::Blocked, "62"),
        (yen, Outcome::CurrencyMismatch, "12"),
        (post(to("A"), to("YEN"), 900_000), Outcome::CurrencyMismatch, "12"),
        (post(to("A"), to("A"), 900_000), Outcome::SameAccount, "12"),
        (withdraw("DORMANT", 900_000), Outcome::NotPermitted, "57"),
        (withdraw("A", 100_001), Outcome::InsufficientFunds, "51"),
        (hold("A", 100_001), Outcome::InsufficientFunds, "51"),
        (hold("BLOCKED", 100_001), Outcome::Blocked, "62"),
        (hold("DORMANT", 1), Outcome::NotPermitted, "57"),
        (capture(77, 100), Outcome::OriginalNotFound, "25"),
    ];
    let mut ledger = bank();
    let transfers = ledger.audit().unwrap().transfers;
    for (stan, (operation, outcome, code)) in (1..).zip(cases) {
        let told = format!("{operation:?}");
        let got = run(&mut ledger, stan, operation);
        assert_eq!((got, got.response_code()), (outcome, code), "{told}");
    }
    assert_eq!(balance(&ledger, "A"), (100_000, 100_000));
    assert_eq!(ledger.audit().unwrap().transfers, transfers);
}

#[test]
fn a_dormant_account_takes_credits() {
    let mut ledger = bank();
    assert_eq!(run(&mut ledger, 1, post(to("A"), to("DORMANT"), 100)), Outcome::Approved);
}

#[test]
fn the_overdraft_limit_can_be_spent_and_no_more() {
    let mut ledger = bank();
    assert_eq!(balance(&ledger, "LIMIT"), (0, 50_000));
    assert_eq!(run(&mut ledger, 1, withdraw("LIMIT", 50_000)), Outcome::Approved);
    assert_eq!(balance(&ledger, "LIMIT"), (-50_000, 0));
    assert_eq!(run(&mut ledger, 2, withdraw("LIMIT", 1)), Outcome::InsufficientFunds);
}

#[test]
fn an_advice_posts_without_funds() {
    let mut ledger = bank();
    let Operation::Post(advice) = withdraw("B", 700) else { unreachable!() };
    let advice = Operation::Post(Post { funds: Funds::Forced, ..advice });
    assert_eq!(run(&mut ledger, 1, advice), Outcome::Approved);
    assert_eq!(balance(&ledger, "B"), (-700, -700));
}

#[test]
fn a_balance_never_outgrows_twelve_digits() {
    let mut ledger = bank();
    let fill = post(Side::Bank(Gl::Cash), to("B"), AMOUNT_MAX);
    assert_eq!(run(&mut ledger, 1, fill), Outcome::Approved);
    let outcome = run(&mut ledger, 2, post(Side::Bank(Gl::Cash), to("B"), 1));
    assert_eq!((outcome, outcome.response_code()), (Outcome::Overflow, "13"));
}

#[test]
fn a_copy_gets_the_same_answer_and_moves_nothing() {
    let mut ledger = bank();
    let original = request(1, withdraw("A", 60_000));
    let first = run_at(&mut ledger, NOW, &original);
    // Something else happens between the copies; the answer still shows the old balances.
    run(&mut ledger, 2, withdraw("A", 1_000));
    let second = run_at(&mut ledger, NOW + HOUR, &original);
    assert!(second.is_replay && second.effect.is_none());
    assert_eq!(second.reply, first.reply);
    assert_eq!(balance(&ledger, "A").0, 39_000);
    // A refusal is remembered too, even when the money would be there now.
    let refused = request(3, withdraw("B", 500));
    assert_eq!(run_at(&mut ledger, NOW, &refused).reply.outcome, Outcome::InsufficientFunds);
    run(&mut ledger, 4, post(to("A"), to("B"), 500));
    assert_eq!(run_at(&mut ledger, NOW, &refused).reply.outcome, Outcome::InsufficientFunds);
}

#[test]
fn same_key_with_other_content_is_a_conflict() {
    let mut ledger = bank();
    run(&mut ledger, 1, withdraw("A", 100));
    assert_eq!(run(&mut ledger, 1, withdraw("A", 200)), Outcome::Conflict);
    assert_eq!(balance(&ledger, "A").0, 99_900);
    // And the first answer is still the one on file.
    assert_eq!(run(&mut ledger, 1, withdraw("A", 100)), Outcome::Approved);
    assert_eq!(balance(&ledger, "A").0, 99_900);
}

#[test]
fn a_mistake_is_forgotten_so_that_the_corrected_copy_works() {
    let mut ledger = bank();
    assert_eq!(run(&mut ledger, 1, withdraw("A", 0)), Outcome::InvalidAmount);
    assert_eq!(run(&mut ledger, 1, withdraw("A", 100)), Outcome::Approved);
}

#[test]
fn a_repeat_with_another_time_finds_its_original_inside_the_window() {
    let mut ledger = bank();
    let original = request(1, withdraw("A", 100));
    run(&mut ledger, 1, original.operation.clone());
    let restamped = key_at(Class::Financial, 1, "1120083030");
    let repeat = Request { key: restamped, sending: Sending::Repeat, ..original };
    assert!(run_at(&mut ledger, NOW + HOUR, &repeat).is_replay);
    let tomorrow = Request { key: key_at(Class::Financial, 1, "1122083030"), ..repeat };
    let verdict = run_at(&mut ledger, NOW + 49 * HOUR, &tomorrow);
    assert!(!verdict.is_replay, "numbers are used again after a day");
    assert_eq!(balance(&ledger, "A").0, 99_800);
}

#[test]
fn a_repeat_whose_original_was_lost_executes() {
    let mut ledger = bank();
    let repeat = Request { sending: Sending::Repeat, ..request(1, withdraw("A", 100)) };
    assert_eq!(run_at(&mut ledger, NOW, &repeat).reply.outcome, Outcome::Approved);
    assert!(run_at(&mut ledger, NOW, &repeat).is_replay);
}

#[test]
fn a_legacy_bank_executes_copies_and_forgets_reversals() {
    let mut ledger = bank_with(limits(), Profile::Legacy);
    run(&mut ledger, 1, withdraw("A", 100));
    run(&mut ledger, 1, withdraw("A", 100));
    assert_eq!(balance(&ledger, "A").0, 99_800);
    let undo = reverse(key(Class::Financial, 3), None);
    assert_eq!(run(&mut ledger, 2, undo), Outcome::OriginalNotFound);
    assert_eq!(run(&mut ledger, 3, withdraw("A", 100)), Outcome::Approved);
}

#[test]
fn a_repeated_reversal_undoes_once_in_either_profile() {
    for profile in [Profile::Ideal, Profile::Legacy] {
        let mut ledger = bank_with(limits(), profile);
        assert_eq!(run(&mut ledger, 1, withdraw("A", 1_000)), Outcome::Approved);
        for actual in [Some(300), Some(300), None] {
            let outcome = run(&mut ledger, 2, reverse(key(Class::Financial, 1), actual));
            assert!(outcome.is_approved() || outcome == Outcome::Conflict, "{outcome:?}");
        }
        // With a number of its own.
        let again = run(&mut ledger, 3, reverse(key(Class::Financial, 1), None));
        assert_eq!(again, Outcome::AlreadyDone, "{profile:?}");
        assert_eq!(balance(&ledger, "A").0, 99_700, "{profile:?}");
        assert_eq!(run(&mut ledger, 4, hold("A", 1_000)), Outcome::Approved);
        for stan in [5, 5, 6] {
            let undo = reverse(key(Class::Authorization, 4), None);
            assert!(run(&mut ledger, stan, undo).is_approved(), "{profile:?}");
        }
        assert_eq!(balance(&ledger, "A"), (99_700, 99_700), "{profile:?}");
        ledger.audit().unwrap();
    }
}

#[test]
fn a_declined_copy_does_not_hide_what_was_executed() {
    let mut ledger = bank_with(limits(), Profile::Legacy);
    assert_eq!(run(&mut ledger, 1, withdraw("A", 60_000)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 1, withdraw("A", 60_000)), Outcome::InsufficientFunds);
    assert_eq!(run(&mut ledger, 2, reverse(key(Class::Financial, 1), None)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 2, reverse(key(Class::Financial, 1), None)), Outcome::AlreadyDone);
    assert_eq!(balance(&ledger, "A").0, 100_000);
}

#[test]
fn a_full_table_refuses_rather_than_forgets() {
    let mut ledger = bank_with(Limits { replies_max: 3, ..limits() }, Profile::Ideal);
    assert_eq!(run(&mut ledger, 1, withdraw("A", 100)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 2, withdraw("A", 100)), Outcome::Approved);
    let full = run(&mut ledger, 3, withdraw("A", 100));
    assert_eq!((full, full.response_code()), (Outcome::Overloaded, "91"));
    // Copies are still answered for seven days, and after them there is room.
    let third = request(3, withdraw("A", 100));
    for hours in [0, 24, 7 * 24] {
        let now = NOW + hours * HOUR;
        assert!(run_at(&mut ledger, now, &request(1, withdraw("A", 100))).is_replay, "{hours} h");
        assert_eq!(run_at(&mut ledger, now, &third).reply.outcome, Outcome::Overloaded);
    }
    let verdict = run_at(&mut ledger, NOW + (7 * 24 + 1) * HOUR, &third);
    assert_eq!(verdict.reply.outcome, Outcome::Approved);
}

#[test]
fn what_was_begun_can_be_finished_when_the_tables_are_full() {
    let tight = Limits { transfers_max: 8, replies_max: 8, holds_max: 1, ..limits() };
    let mut ledger = bank_with(tight, Profile::Ideal);
    assert_eq!(run(&mut ledger, 1, hold("A", 100)), Outcome::Approved);
    assert_eq!(run(&mut ledger, 2, hold("A", 100)), Outcome::Overloaded);
    for stan in 3..9 {
        assert_eq!(run(&mut ledger, stan, withdraw("A", 100)), Outcome::Approved);
    }
    assert_eq!(run(&mut ledger, 9, withdraw("A", 100)), Outcome::Overloaded);
    assert_eq!(run(&mut ledger, 9, reverse(key(Class::Financial, 3), None)), Outcome::Approved);
}

#[test]
fn folded_transfers_still_balance() {
    let keep_ms = 24 * HOUR;
    let small = Limits { transfers_max: 4, replies_max: 4, holds_max: 2, keep_ms, ..limits() };
    let mut ledger = bank_with(small, Profile::Ideal);
    for stan in 1..40 {
        let utc_ms = NOW + u64::from(stan) * 25 * HOUR;
        let paid = run_at(&mut ledger, utc_ms, &request(stan, post(to("A"), to("B"), 10)));
        assert_eq!(paid.reply.outcome, Outcome::Approved);
        ledger.expire_holds(utc_ms);
        let held = run_at(&mut ledger, utc_ms, &request(stan, hold("A", 10)));
        assert!(matches!(held.reply.outcome, Outcome::Approved | Outcome::Overloaded));
    }
    let audit = ledger.audit().unwrap();
    // The hold that came last has made room for one more.
    assert_eq!((audit.transfers, audit.transfers_by_message), (40, 3));
    assert_eq!(balance(&ledger, "B").0, 390);
    let (id, account, _) = ledger.customer_account("B").unwrap();
    let page = ledger.statement(id, Query::newest(10));
    assert_eq!((account.entries, page.lines.len()), (39, 3));
    assert_eq!(page.lines[0].number, 39);
}

#[test]
fn a_statement_is_newest_first_and_turns_pages() {
    let mut ledger = bank();
    for stan in 1..=7 {
        let utc_ms = NOW + u64::from(stan) * HOUR;
        let amount = i64::from(stan);
        let verdict = run_at(&mut ledger, utc_ms, &request(stan, withdraw("A", amount)));
        assert_eq!(verdict.reply.outcome, Outcome::Approved);
    }
    let (id, _, _) = ledger.customer_account("A").unwrap();
    let amounts = |page: &Page<'_>| -> Vec<i64> {
        page.lines.iter().map(|line| line.transfer.amount).collect()
    };
    let first = ledger.statement(id, Query::newest(3));
    assert_eq!(amounts(&first), [7, 6, 5]);
    assert_eq!(first.lines[0].direction, Direction::Debit);
    assert_eq!(first.lines[0].number, 8);
    let second = ledger.statement(id, Query { before: first.next, ..Query::newest(3) });
    assert_eq!(amounts(&second), [4, 3, 2]);
    let last = ledger.statement(id, Query { before: second.next, ..Query::newest(3) });
    assert_eq!(amounts(&last), [1, 100_000]);
    assert_eq!((last.lines[1].direction, last.next), (Direction::Credit, None));
    let days = Query { from_ms: NOW + 2 * HOUR, until_ms: NOW + 4 * HOUR, ..Query::newest(9) };
    assert_eq!(amounts(&ledger.statement(id, days)), [3, 2]);
}

#[test]
fn an_audit_sees_what_is_wrong() {
    let corruptions: [fn(&mut Ledger); 6] = [
        |ledger| ledger.accounts[0].credits_posted += 1,
        |ledger| ledger.accounts[40].debits_pending += 1,
        |ledger| ledger.transfers[1].amount += 1,
        |ledger| ledger.transfers[1].reversed = None,
        |ledger| ledger.transfers[0].currency = Currency::Jpy,
        |ledger| {
            ledger.transfers.pop_back();
        },
    ];
    for (place, corrupt) in corruptions.into_iter().enumerate() {
        let mut ledger = bank();
        run(&mut ledger, 1, withdraw("A", 100));
        run(&mut ledger, 2, reverse(key(Class::Financial, 1), None));
        assert_eq!(ledger.audit().unwrap().to_string(), "ledger balanced: 3 transfers, sum 0");
        corrupt(&mut ledger);
        assert!(ledger.audit().is_err(), "corruption {place} went unseen");
    }
}

#[test]
fn unsound_facts_change_nothing() {
    let mut ledger = bank();
    let verdict = run_at(&mut ledger, NOW, &request(1, withdraw("A", 100)));
    let effect = verdict.effect.unwrap();
    let before = ledger.clone();
    assert_eq!(ledger.apply(&effect), Err(Unsound::Sequence), "a fact happens once");
    let Some(Change::Posted(mut transfer)) = effect.change else { unreachable!() };
    transfer.id = TransferId(transfer.id.0 + 1);
    let spoiled = [
        Transfer { amount: 0, ..transfer.clone() },
        Transfer { credit: transfer.debit, ..transfer.clone() },
        Transfer { currency: Currency::Jpy, ..transfer.clone() },
        Transfer { debit: AccountId(9999), ..transfer },
    ];
    for transfer in spoiled {
        let effect = Effect { change: Some(Change::Posted(transfer)), reply: None };
        assert!(ledger.apply(&effect).is_err(), "{effect:?}");
    }
    assert_eq!(ledger, before);
}

#[test]
fn every_outcome_has_its_own_name() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        assert_eq!(outcome.response_code().len(), 2);
    }
    assert!(Outcome::ALL.is_sorted(), "the order of ALL is the precedence");
}
