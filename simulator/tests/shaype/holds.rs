//! What becomes of holds: placed, changed, completed, released, expired.

use crate::client;
use crate::rig::{ACCOUNT, Asked, GENEROUS, Rig, read_only, turn_of_time, until};

const OPENING: i64 = 11_061_105;

#[test]
fn a_hold_becomes_0100_a_change_another_and_its_completion_0220() {
    let rig = Rig::with(GENEROUS, 7);
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING));
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-12.43", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 1_243));
    rig.approve(&Asked::change("h-1", "-56.87", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 5_687));
    rig.approve(&Asked::change("h-1", "-20.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 2_000));
    // A part is taken, and the rest is free.
    rig.approve(&Asked::transaction("h-1", ACCOUNT, "-15.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 1_500, OPENING - 1_500));
    assert_eq!(rig.types(), ["0100", "0100", "0100", "0220"]);
    // What is over cannot be changed, and nothing is taken twice.
    assert_eq!(rig.ask(&Asked::change("h-1", "-30.00", "USD")).status, 404);
    assert_eq!(rig.ask(&Asked::transaction("h-1", ACCOUNT, "-15.00", "USD")).status, 409);
    assert_eq!(rig.ask(&Asked::hold("h-1", ACCOUNT, "-1.00", "USD")).status, 409);
    assert_eq!(rig.balance(ACCOUNT), (OPENING - 1_500, OPENING - 1_500));
}

#[test]
fn a_transaction_without_a_hold_becomes_0200_by_its_sign() {
    let rig = Rig::with(GENEROUS, 7);
    rig.approve(&Asked::transaction("t-1", ACCOUNT, "12.43", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING + 1_243, OPENING + 1_243));
    rig.approve(&Asked::transaction("t-2", ACCOUNT, "-2.43", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING + 1_000, OPENING + 1_000));
    // Currencies have their own minor units.
    let (yen, _) = rig.balance("10000000006");
    rig.approve(&Asked::transaction("t-3", "10000000006", "-1200", "JPY"));
    assert_eq!(rig.balance("10000000006").0, yen - 1_200);
    assert_eq!(rig.types(), ["0200", "0200", "0200"]);
}

#[test]
fn the_other_name_of_the_path_is_the_same_hold() {
    let rig = Rig::with(GENEROUS, 7);
    let mut asked = Asked::hold("h-1", ACCOUNT, "-10.00", "USD");
    asked.path = "/hold".to_owned();
    rig.approve(&asked);
    asked.path = "/holds".to_owned();
    rig.approve(&asked);
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 1_000));
}

/// A card number is DE2 of everything about its hold, and stands in no log, metric or journal.
#[test]
fn the_number_of_a_card_goes_to_the_bank_and_is_masked_everywhere_else() {
    const CARD: &str = "4111111111111111";
    const OF_CARD: &str = "10000000001";
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("directory.csv");
    std::fs::write(&directory, format!("account,a-1,{OF_CARD}\ncard,c-9,{CARD}\n")).unwrap();
    for extra in [String::new(), format!("directory = \"{}\"\n", directory.display())] {
        let (account, card) = if extra.is_empty() { (OF_CARD, CARD) } else { ("a-1", "c-9") };
        let rig = Rig::with(&format!("{GENEROUS}{extra}"), 7);
        let mut hold = Asked::hold("h-1", account, "-10.00", "NOK");
        hold.body = hold.body.replace("c-1", card);
        rig.approve(&hold);
        rig.approve(&Asked::change("h-1", "-20.00", "NOK"));
        rig.approve(&Asked::transaction("h-1", account, "-15.00", "NOK"));
        assert_eq!(rig.types(), ["0100", "0100", "0220"]);
        assert_eq!(rig.cards(), ["411111******1111"; 3]);
        let refused = hold.clone().keyed("another");
        let refused = rig.ask(&Asked { body: refused.body.replace("-10.00", "-10"), ..refused });
        assert_eq!(refused.status, 409);
        // The bank knows this card, and one that is not the account's.
        let mut stolen = Asked::hold("h-2", account, "-1.00", "NOK");
        stolen.body = stolen.body.replace("c-1", "4111111111111112");
        let said = rig.ask(&stolen);
        assert_ne!(said.status, 200, "{}", said.text());
    }
}

#[test]
fn what_the_platform_may_ask_is_described() {
    let rig = Rig::with(GENEROUS, 7);
    let document = client::call(rig.address(), "GET", "/api/openapi.json", &[], b"").json();
    for (path, method) in
        [("/holds", "post"), ("/hold", "post"), ("/holds/{id}", "patch"), ("/transactions", "post")]
    {
        let responses = &document["paths"][path][method]["responses"];
        for status in ["200", "470", "500", "401", "409"] {
            assert!(responses[status].is_object(), "{method} {path} {status}");
        }
    }
}

#[test]
fn a_hold_of_nothing_is_let_go() {
    let rig = Rig::with(GENEROUS, 7);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    let release = Asked::change("h-1", "0.00", "USD");
    rig.approve(&release);
    rig.await_balance(ACCOUNT, (OPENING, OPENING));
    rig.approve(&release);
    assert_eq!(rig.ask(&Asked::change("h-1", "-5.00", "USD")).status, 404);
    assert_eq!(rig.ask(&Asked::change("h-2", "-5.00", "USD")).status, 404);
}

#[test]
fn a_hold_that_was_changed_is_let_go_too() {
    let mut rig = Rig::with(GENEROUS, 7);
    let hold = Asked::hold("h-1", ACCOUNT, "-10.00", "USD");
    rig.approve(&hold);
    rig.approve(&Asked::change("h-1", "-20.00", "USD"));
    let release = Asked::change("h-1", "0.00", "USD");
    rig.approve(&release);
    rig.await_balance(ACCOUNT, (OPENING, OPENING));
    rig.restart();
    rig.approve(&release);
    assert_eq!(rig.ask(&Asked::change("h-1", "-5.00", "USD")).status, 404);
    // There is no hold to complete, so the money is asked for.
    rig.approve(&Asked::transaction("h-1", ACCOUNT, "-20.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 2_000, OPENING - 2_000));
    assert_eq!(rig.types(), ["0100", "0100", "0400", "0200"]);
}

/// What the journal forgets is forgotten with everything that belongs to it, or a change would be
/// what is let go: the bank would give back the amount before it, and keep holding that.
#[test]
fn a_hold_is_remembered_whole_while_anything_of_it_is_young() {
    let mut rig = Rig::with(GENEROUS, 7);
    for id in ["h-1", "h-2", "h-3"] {
        rig.approve(&Asked::hold(id, ACCOUNT, "-10.00", "USD"));
    }
    let old = turn_of_time();
    rig.approve(&Asked::change("h-1", "-50.00", "USD"));
    rig.approve(&Asked::change("h-2", "-50.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 11_000));
    rig.restart_without(old);
    assert_eq!(rig.types().len(), 4);
    rig.approve(&Asked::change("h-1", "0.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING, OPENING - 6_000));
    rig.approve(&Asked::transaction("h-2", ACCOUNT, "-45.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 4_500, OPENING - 5_500));
    until("what ended them to be delivered", || {
        let journal = read_only(&rig.journal());
        let sql = "SELECT count(*) FROM v_transactions WHERE state = 'delivering'";
        (journal.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 0).then_some(())
    });
    // Nobody knows the third any more but the bank.
    assert_eq!(rig.ask(&Asked::change("h-3", "0.00", "USD")).status, 404);
    rig.restart_without(turn_of_time());
    assert_eq!(rig.types(), Vec::<String>::new());
    assert_eq!(rig.ask(&Asked::change("h-2", "0.00", "USD")).status, 404);
}

#[test]
fn a_change_may_be_the_difference_if_the_platform_means_that() {
    let rig = Rig::with(&format!("{GENEROUS}patch_amount = \"delta\"\n"), 7);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    rig.approve(&Asked::change("h-1", "-5.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 1_500));
    rig.approve(&Asked::change("h-1", "4.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (OPENING, OPENING - 1_100));
}

#[test]
fn more_than_was_held_is_asked_for_before_it_is_taken() {
    let rig = Rig::with(GENEROUS, 7);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    // Up to 115 % a completion may be more than its hold.
    rig.approve(&Asked::transaction("h-1", ACCOUNT, "-11.50", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 1_150, OPENING - 1_150));
    rig.approve(&Asked::hold("h-2", ACCOUNT, "-10.00", "USD"));
    rig.approve(&Asked::transaction("h-2", ACCOUNT, "-30.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 4_150, OPENING - 4_150));
    assert_eq!(rig.types(), ["0100", "0220", "0100", "0100", "0220"]);
    rig.approve(&Asked::hold("h-3", ACCOUNT, "-10.00", "USD"));
    let too_much = rig.ask(&Asked::transaction("h-3", ACCOUNT, "-999999.00", "USD"));
    assert_eq!(
        (too_much.status, &too_much.json()["errorCode"]),
        (470, &"REFUSED_NOT_ENOUGH_FUNDS".into())
    );
    assert_eq!(rig.balance(ACCOUNT), (OPENING - 4_150, OPENING - 5_150));
}

/// The bank's clock is the real one: here holds live for no days instead of seven.
#[test]
fn an_expired_hold_is_free_and_its_completion_is_still_posted() {
    let rig = Rig::with(GENEROUS, 0);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING, OPENING));
    assert_eq!(rig.ask(&Asked::change("h-1", "-5.00", "USD")).status, 404);
    rig.approve(&Asked::transaction("h-1", ACCOUNT, "-10.00", "USD"));
    rig.await_balance(ACCOUNT, (OPENING - 1_000, OPENING - 1_000));
}
