//! The stories of the integration design (6.3), each from a channel or a provider through a running
//! switch to the end that the bank's ledger or the journal shows.

use crate::http;
use crate::rig::{ACCOUNT, APPROVED, Bridge};
use crate::stage::{PATIENCE, until};
use crate::teller::{Teller, code, tag, transfer};
use crate::{decide, page};
use serde_json::{Value, json};

/// Where webhooks arrive.
const WEBHOOK: &str = "/v1/webhooks/sumsub";

fn webhooks(rig: &Bridge, status: u16) -> f64 {
    rig.metric(&format!("veksel_http_requests_total{{endpoint=\"{WEBHOOK}\",status=\"{status}\"}}"))
}

#[test]
fn a_check_is_begun_and_its_webhook_lets_the_customer_pay() {
    let rig = Bridge::start("");
    rig.link(ACCOUNT, APPROVED);
    let mut teller = Teller::open(rig.ports.channels);
    assert_eq!(code(&teller.ask(&transfer(15_000))), "57", "nobody has checked the customer");
    let begun = rig.call("POST", "/api/kyc/initiate", &json!({ "customer": APPROVED }));
    assert!(begun.json()["token"].as_str().is_some_and(|token| !token.is_empty()), "{begun:?}");
    rig.await_customer(APPROVED, "approved");
    assert!(webhooks(&rig, 200) >= 1.0, "it was told by webhooks");
    let confirmed = Bridge::asked_at(rig.ports.kyc, "GET", "/resources/applicants/");
    assert!(confirmed >= 1, "what gives is believed when the provider confirms it");
    assert_eq!(code(&teller.ask(&transfer(15_000))), "09");
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 1);
}

#[test]
fn webhooks_that_are_forged_or_come_twice_change_nothing() {
    let rig = Bridge::start("");
    let begin = |customer: &str| {
        let said = rig.call("POST", "/api/kyc/initiate", &json!({ "customer": customer }));
        assert_eq!(said.status, 200, "{said:?}");
    };
    let forged = "c-8-green-bad-digest";
    begin(forged);
    until("the forged webhook to be refused", PATIENCE, || {
        (webhooks(&rig, 401) >= 1.0).then_some(())
    });
    assert!(webhooks(&rig, 200) < 0.5, "none was taken in");
    assert_eq!(rig.customer(forged), "pending");

    let twice = "c-9-green-dup-webhook";
    begin(twice);
    rig.await_customer(twice, "approved");
    // At least two of each of two kinds are posted, and every copy is answered 200.
    until("every copy to be answered", PATIENCE, || (webhooks(&rig, 200) >= 4.0).then_some(()));
    // An event is kept once: no two records of this customer hold the same events but for status.
    let changes = |status: &str| {
        let sql =
            format!("SELECT count(*) FROM v_customers WHERE customer = ?1 AND status = '{status}'");
        rig.count("veksel.db", &sql, twice)
    };
    // What is known is durable a moment later.
    until("the approval to be in the journal", PATIENCE, || {
        ((changes("approved"), changes("pending")) == (1, 0)).then_some(())
    });
    let counted = rig.metric("veksel_identity_checks_total{status=\"approved\"}");
    assert!((counted - 1.0).abs() < f64::EPSILON, "approved {counted} times");
    assert_eq!(rig.customer(forged), "pending");
}

#[test]
fn a_balance_of_the_bank_is_kept_with_its_time() {
    let rig = Bridge::linked("");
    let known = || {
        let sql = "SELECT count(*) FROM v_accounts WHERE account = '****' || substr(?1, -4)
                   AND balance_synced_at IS NOT NULL";
        rig.count("veksel.db", sql, ACCOUNT)
    };
    assert_eq!(known(), 0);
    let said = rig.send(&["balance", "--account", ACCOUNT]);
    assert!(said.starts_with("response 00 approved\nledger 45230.00 NOK\n"), "{said}");
    until("the balance to be kept", PATIENCE, || (known() == 1).then_some(()));
    assert_eq!(rig.asked("GET", "/dnb/v1/accounts/"), 1, "one read");
}

#[test]
fn a_bank_that_answers_500_is_left_alone_until_it_recovers() {
    let rig = Bridge::linked("breaker_failures = 3\nbreaker_open = \"3s\"");
    let mut teller = Teller::open(rig.ports.channels);
    for number in 0..3 {
        // Where the bank answers 500 nobody knows, so each of them is 96 and looked for.
        let answer = teller.ask(&transfer(10_096 + 100 * number));
        assert_eq!(code(&answer), "96", "{answer:?}");
    }
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 3);
    let shed = transfer(15_000);
    assert_eq!(code(&teller.ask(&shed)), "91");
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 3, "it was not asked");
    assert_eq!(rig.moved(&shed.rrn()), 0);
    // The breaker of payments leaves balances alone.
    assert!(rig.send(&["balance", "--account", ACCOUNT]).starts_with("response 00"));
    until("the breaker to try again", PATIENCE, || {
        (code(&teller.ask(&transfer(15_000))) == "09").then_some(())
    });
    assert_eq!(code(&teller.ask(&shed.repeat())), "91", "what was refused stays refused");
}

#[test]
fn a_payment_that_nobody_approves_in_time_is_cancelled_and_told() {
    let rig = Bridge::linked("approval = \"10s\"");
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    let page = page(&rig, &answer);
    let left = http::visit(&format!("{page}?auto=abandon"));
    assert!(left.status < 400, "{left:?}");
    let told = teller.await_advice(&request.rrn());
    assert!(["68", "05"].contains(&told.as_str()), "{told}");
    assert_eq!(code(&teller.ask(&request.repeat())), told);
    assert_eq!(rig.asked("DELETE", "/dnb/v1/payments"), 1, "it was cancelled at the bank");
    // The customer who comes back now cannot pay any more.
    http::visit(&format!("{page}?auto=approve"));
    assert_eq!(rig.moved(&request.rrn()), 0);
    let sql = "SELECT count(*) FROM v_payments WHERE rrn = ?1 AND state IN ('expired', 'cancelled')
               AND open_case IS NULL";
    assert_eq!(rig.count("veksel.db", sql, &request.rrn()), 1);
}

#[test]
fn the_portal_leads_to_the_bank_while_it_waits_and_nowhere_else() {
    let rig = Bridge::linked("");
    let portal = |link: &str| {
        http::request(rig.ports.http, "GET", &format!("/approve/{link}"), &[], b"").unwrap()
    };
    for nonsense in
        ["0123456789ab", "x", "0123456789abcdef0123456789abcdef", "%2e%2e", "g123456789ab"]
    {
        let said = portal(nonsense);
        assert_eq!((said.status, said.location), (404, None), "{nonsense}");
    }
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let answer = teller.ask(&request);
    let link = tag(&answer, "P2").unwrap();
    let said = portal(&link);
    assert_eq!(said.status, 303);
    let bank = format!("http://127.0.0.1:{}/dnb/sca/", rig.ports.bank);
    assert!(said.leads().starts_with(&bank), "{said:?}");
    // Nothing of the payment shows to who only has the link.
    for secret in [request.rrn().as_str(), "15000", "150.00", ACCOUNT] {
        assert!(!said.body.contains(secret), "{said:?}");
    }
    decide(said.leads(), "approve");
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    until("the link to lead nowhere", PATIENCE, || (portal(&link).status != 303).then_some(()));
    // So it is with a consent.
    let wanted = json!({
        "account": "10000000077", "bank": "dnb", "iban": "NO2110000000001", "currency": "578",
        "customer": APPROVED,
    });
    let said = rig.call("POST", "/api/accounts", &wanted);
    let approve = said.json()["approve"].as_str().unwrap().to_owned();
    decide(&approve, "approve");
    until("the account to be linked", PATIENCE, || {
        let shown = rig.call("GET", "/api/accounts/10000000077", &Value::Null);
        (shown.json()["status"] == "valid").then_some(())
    });
}
