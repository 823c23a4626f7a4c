//! Every magic amount, and what the ledger knows of it afterwards.

use std::time::Duration;

use serde_json::json;
use veksel_simulator::sandbox::aspsp::is_executed;

use crate::client;
use crate::rig::{BACK, DOMESTIC, IBAN, PUBLIC, Rig, order, path_of, refusal};

/// An order whose content is executed or not, as wanted.
fn content(amount: &str, minor: i64, wanted: bool) -> serde_json::Value {
    let text = (0..100)
        .map(|number| format!("6054100{number:05} TERM0001"))
        .find(|text| is_executed(minor, text) == wanted);
    let mut body = order(amount);
    body["remittanceInformationUnstructured"] = json!(text.unwrap());
    body
}

#[test]
fn a_slow_approval_gets_through_later() {
    let rig = Rig::new();
    let body = rig.order("dnb", "150.01", &[]).json();
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    let sca = path_of(body["_links"]["scaStatus"]["href"].as_str().unwrap());
    assert_eq!(rig.press("dnb", &rig.question("dnb", &body), "approve").status, 303);
    assert_eq!(rig.ask("dnb", "GET", &sca, &[], None).json()["scaStatus"], "started");
    assert_eq!(rig.status("dnb", &payment), "RCVD");
    rig.advance(30_001);
    rig.await_status("dnb", &payment, "ACSC");
    assert_eq!(rig.ask("dnb", "GET", &sca, &[], None).json()["scaStatus"], "finalised");
    rig.close();
}

#[test]
fn rejected_after_the_approval() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    for (amount, has_funds) in [("150.02", true), ("150.51", false)] {
        let payment = rig.pay("dnb", amount, &[]);
        rig.await_status("dnb", &payment, "RJCT");
        let status = rig.ask("dnb", "GET", &format!("{payment}/status"), &[], None).json();
        assert_eq!(status["tppMessages"].is_null(), has_funds, "{amount}");
    }
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn refused_at_once_for_want_of_funds_and_its_status_says_so() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    for (amount, has_funds) in [("150.51", false), ("99999.00", false), ("150.00", true)] {
        let headers = [("TPP-Rejection-NoFunds-Preferred", "true")];
        let body = rig.order("dnb", amount, &headers).json();
        let status = if has_funds { "RCVD" } else { "RJCT" };
        assert_eq!(body["transactionStatus"], status, "{amount}");
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        let said = rig.ask("dnb", "GET", &format!("{payment}/status"), &[], None).json();
        let code = &said["tppMessages"][0]["code"];
        assert_eq!(code == "FUNDS_NOT_AVAILABLE", !has_funds, "{amount}: {said}");
    }
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn executed_late_although_cancelled() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let abandoned = rig.order("dnb", "150.03", &[]).json();
    let abandoned = path_of(abandoned["_links"]["self"]["href"].as_str().unwrap());
    rig.advance(300_000);
    assert_eq!(rig.status("dnb", &abandoned), "RCVD");
    assert_eq!(rig.ask("dnb", "DELETE", &abandoned, &[], None).status, 204);
    assert_eq!(rig.status("dnb", &abandoned), "CANC");
    assert_eq!(rig.balance(IBAN), before);
    rig.advance(30_001);
    rig.await_status("dnb", &abandoned, "ACSC");
    assert_eq!(rig.balance(IBAN), before - 15_003);
    let again = rig.ask("dnb", "DELETE", &abandoned, &[], None);
    assert_eq!(refusal(&again), (405, "CANCELLATION_INVALID".to_owned()));
    rig.close();
}

#[test]
fn refusals_that_execute_nothing() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let many = rig.order("dnb", "150.29", &[]);
    assert_eq!(refusal(&many), (429, "ACCESS_EXCEEDED".to_owned()));
    assert_eq!(many.header("retry-after"), Some("1"));
    let redirect = rig.order("dnb", "150.30", &[]);
    assert_eq!(redirect.status, 302);
    assert!(redirect.header("location").unwrap().starts_with("http://169.254.169.254/"));
    let duplicate = rig.order("dnb", "150.94", &[]);
    assert_eq!(refusal(&duplicate), (409, "STATUS_INVALID".to_owned()));
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn a_lost_answer_says_nothing_about_the_order_and_a_retry_pays_twice() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let mut spent = 0;
    for (amount, minor, status) in [("150.91", 15_091, 503), ("150.96", 15_096, 500)] {
        let refused = rig.order_with("bulder", &content(amount, minor, false), &[]);
        assert_eq!(refused.status, status);
        assert_eq!(rig.balance(IBAN), before - spent, "{amount} was executed");
        for _ in 0..2 {
            let lost = rig.order_with("bulder", &content(amount, minor, true), &[]);
            assert_eq!(lost.status, status);
            assert!(serde_json::from_slice::<serde_json::Value>(&lost.body).is_err());
            spent += minor;
            assert_eq!(rig.balance(IBAN), before - spent, "{amount} was not executed");
        }
    }
    let page = rig.order_with("bulder", &content("150.96", 15_096, false), &[]);
    assert_eq!(page.header("content-type"), Some("text/html"));
    rig.close();
}

#[test]
fn a_bank_that_knows_the_number_of_an_order_executes_it_once() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let body = content("150.91", 15_091, true);
    let number = rig.number();
    let lost = rig.order_with("dnb", &body, &[("X-Request-ID", &number)]);
    assert_eq!(lost.status, 503);
    let again = rig.order_with("dnb", &body, &[("X-Request-ID", &number)]);
    assert_eq!(again.status, 200, "{}", again.text());
    let payment = path_of(again.json()["_links"]["self"]["href"].as_str().unwrap());
    rig.await_status("dnb", &payment, "ACSC");
    assert_eq!(rig.balance(IBAN), before - 15_091);
    rig.close();
}

#[test]
fn silence_is_no_answer_and_half_of_it_is_executed() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let address = rig.sandboxes.address("plain").unwrap();
    for (wanted, spent) in [(false, 0), (true, 15_068)] {
        let body = content("150.68", 15_068, wanted).to_string();
        let number = rig.number();
        let headers = [
            ("X-Request-ID", number.as_str()),
            ("PSU-IP-Address", PUBLIC),
            ("TPP-Redirect-URI", BACK),
            ("Content-Type", "application/json"),
        ];
        let path = format!("/dnb/v1/payments/{DOMESTIC}");
        let stream = client::send(address, "POST", &path, &headers, body.as_bytes());
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(client::receive(stream).is_err(), "there was an answer");
        assert_eq!(rig.balance(IBAN), before - spent);
    }
    rig.close();
}
