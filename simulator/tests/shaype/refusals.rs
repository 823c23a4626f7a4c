//! 470, and what is no request.

use crate::rig::{ACCOUNT, Asked, GENEROUS, Rig};
use serde_json::Value;

const NOT_ENOUGH: &str = "REFUSED_NOT_ENOUGH_FUNDS";
const TOO_MUCH: &str = "REFUSED_MAX_BALANCE_EXCEEDED";

#[test]
fn refusals_have_the_platforms_codes_and_the_truth() {
    let other = "other_refusal_code = \"REFUSED_OTHERWISE\"\n";
    let rig = Rig::with(&format!("{GENEROUS}{other}"), 7);
    let blocked = "10000000003";
    for (asked, code, truth) in [
        (Asked::hold("r-1", ACCOUNT, "-999999.00", "USD"), NOT_ENOUGH, "does not cover"),
        (Asked::transaction("r-2", ACCOUNT, "-999999.00", "USD"), NOT_ENOUGH, "does not cover"),
        // The bank says 61 to these.
        (Asked::transaction("r-3", ACCOUNT, "1.61", "USD"), TOO_MUCH, "may not hold so much"),
        (Asked::hold("r-4", ACCOUNT, "-1.61", "USD"), "REFUSED_OTHERWISE", "exceeds a limit"),
        (Asked::hold("r-5", ACCOUNT, "-1.05", "USD"), "REFUSED_OTHERWISE", "declined"),
        (Asked::hold("r-6", blocked, "-1.00", "NOK"), "REFUSED_OTHERWISE", "blocked"),
        (Asked::hold("r-7", "10000000004", "-1.00", "NOK"), "REFUSED_OTHERWISE", "closed"),
        (Asked::hold("r-8", "99999999999", "-1.00", "USD"), "REFUSED_OTHERWISE", "not known"),
        (Asked::hold("r-9", ACCOUNT, "-1.00", "NOK"), "REFUSED_OTHERWISE", "this currency"),
        // Longer than DE102 can say, as ids of the platform are.
        (
            Asked::hold("r-10", "afd68d5a-2f3e-4166-97db-d5db72b76fca", "-1.00", "USD"),
            "REFUSED_OTHERWISE",
            "not known",
        ),
    ] {
        let before = rig.balance(ACCOUNT);
        for _ in 0..2 {
            let answer = rig.ask(&asked);
            let said = answer.json();
            assert_eq!((answer.status, &said["errorCode"]), (470, &Value::from(code)), "{said}");
            assert!(said["reason"].as_str().unwrap().contains(truth), "{said}");
            assert_eq!(said.as_object().unwrap().len(), 2, "{said}");
        }
        assert_eq!(rig.balance(ACCOUNT), before);
    }
    // The default is the code that platforms know.
    let rig = Rig::with(GENEROUS, 7);
    let said = rig.ask(&Asked::hold("r-1", blocked, "-1.00", "NOK")).json();
    assert_eq!(said["errorCode"], NOT_ENOUGH);
}

/// The journal is what tells then, and has no more than the code of the bank.
#[test]
fn a_refusal_is_the_same_after_a_restart() {
    let other = "other_refusal_code = \"REFUSED_OTHERWISE\"\n";
    let mut rig = Rig::with(&format!("{GENEROUS}{other}"), 7);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    let before = rig.balance(ACCOUNT);
    let refused = [
        (Asked::transaction("t-1", ACCOUNT, "1.61", "USD"), TOO_MUCH),
        (Asked::transaction("t-2", ACCOUNT, "-1.61", "USD"), "REFUSED_OTHERWISE"),
        (Asked::transaction("t-3", ACCOUNT, "-1.51", "USD"), NOT_ENOUGH),
        (Asked::hold("h-2", ACCOUNT, "-1.61", "USD"), "REFUSED_OTHERWISE"),
        (Asked::change("h-1", "-999999.00", "USD"), NOT_ENOUGH),
    ];
    let ask = |rig: &Rig| refused.clone().map(|(asked, _)| rig.ask(&asked));
    let first = ask(&rig).map(|answer| (answer.status, answer.text()));
    for ((status, said), (_, code)) in first.iter().zip(&refused) {
        assert!(*status == 470 && said.contains(code), "{status} {said}");
    }
    let messages = rig.types().len();
    rig.restart();
    let again = ask(&rig).map(|answer| (answer.status, answer.text()));
    assert_eq!(again, first);
    assert_eq!((rig.balance(ACCOUNT), rig.types().len()), (before, messages));
}

#[test]
fn a_refused_increase_leaves_the_hold_as_it_was() {
    let rig = Rig::with(GENEROUS, 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    rig.approve(&Asked::hold("h-1", ACCOUNT, "-10.00", "USD"));
    let answer = rig.ask(&Asked::change("h-1", "-999999.00", "USD"));
    assert_eq!((answer.status, &answer.json()["errorCode"]), (470, &NOT_ENOUGH.into()));
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    // Another currency than the hold's is no request, and may be put right under the same key.
    let wrong = Asked::change("h-1", "-11.00", "NOK").keyed("h-1-change");
    assert_eq!(rig.ask(&wrong).status, 400);
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    rig.approve(&Asked::change("h-1", "-11.00", "USD").keyed("h-1-change"));
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_100));
}

#[test]
fn what_is_no_request_is_400_and_moves_nothing() {
    let rig = Rig::with(GENEROUS, 7);
    let before = rig.balance(ACCOUNT);
    for asked in [
        Asked::hold("n-1", ACCOUNT, "1.00", "USD"),
        Asked::hold("n-2", ACCOUNT, "-1.005", "USD"),
        Asked::hold("n-3", ACCOUNT, "0.00", "USD"),
        Asked::hold("n-4", ACCOUNT, "-1.00", "QQQ"),
        Asked::hold("", ACCOUNT, "-1.00", "USD"),
        Asked::transaction("n-5", ACCOUNT, "0.00", "USD"),
        Asked::transaction("n-6", ACCOUNT, "one", "USD"),
    ] {
        let answer = rig.ask(&asked);
        assert_eq!(answer.status, 400, "{}", asked.body);
        assert_eq!(answer.json()["error"]["code"], "invalid_request");
    }
    let mut broken = Asked::hold("n-7", ACCOUNT, "-1.00", "USD");
    broken.body.pop();
    assert_eq!(rig.ask(&broken).status, 400);
    assert_eq!((rig.balance(ACCOUNT), rig.types().len()), (before, 0));
}

#[test]
fn ids_of_the_platform_mean_what_the_directory_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.csv");
    let account = "afd68d5a-2f3e-4166-97db-d5db72b76fca";
    std::fs::write(&path, format!("account,{account},{ACCOUNT}\n")).unwrap();
    let line = format!("{GENEROUS}directory = \"{}\"\n", path.display());
    let rig = Rig::with(&line, 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    rig.approve(&Asked::transaction("d-1", account, "-1.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (ledger - 100, available - 100));
    // With a directory nothing is taken as it is: no account, and no card.
    for asked in [
        Asked::transaction("d-2", ACCOUNT, "-1.00", "USD"),
        Asked::hold("d-3", account, "-1.00", "USD"),
    ] {
        assert_eq!(rig.ask(&asked).status, 470, "{}", asked.body);
    }
    assert_eq!(rig.balance(ACCOUNT), (ledger - 100, available - 100));
}
