//! Every kind of answer, judged by the description that the Berlin Group publishes; and the judge,
//! by answers that are wrong.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::judge::Judge;
use crate::rig::{DOMESTIC, ELSEWHERE, IBAN, Rig, consent, order, path_of};

const ORDERS: &str = "/v1/{payment-service}/{payment-product}";
const ORDER: &str = "/v1/{payment-service}/{payment-product}/{paymentId}";

/// Those whose customers approve on a page or in an app, and nothing more.
const BANKS: [&str; 5] = ["dnb", "nordea", "handelsbanken", "sparebank1", "bulder"];

/// The banks, a judge of what they answer, and how often it was asked.
struct Court {
    judge: Judge,
    rig: Rig,
    seen: Cell<usize>,
}

impl Court {
    /// `None` without the description.
    fn open() -> Option<Self> {
        let judge = Judge::of_environment()?;
        Some(Self { judge, rig: Rig::new(), seen: Cell::new(0) })
    }

    fn check(&self, method: &str, template: &str, answer: &Answer, status: u16) {
        assert_eq!(answer.status, status, "{method} {template}: {}", answer.text());
        let complaints = self.judge.complaints(method, template, answer);
        assert_eq!(complaints, Vec::<String>::new(), "{method} {template}: {}", answer.text());
        self.seen.set(self.seen.get() + 1);
    }

    /// Pays, and waits until the bank shows it as far as it does.
    fn pay(&self, bank: &str, amount: &str) -> String {
        let paid = self.rig.pay(bank, amount, &[]);
        let last = match bank {
            "handelsbanken" => "ACCP",
            "sparebank1" => "ACCC",
            _ => "ACSC",
        };
        self.rig.await_status(bank, &paid, last);
        paid
    }

    /// More than so many answers were judged.
    fn close(self, least: usize) {
        assert!(self.seen.get() > least, "{}", self.seen.get());
        self.rig.close();
    }
}

fn below(template: &str, more: &str) -> String {
    format!("{template}{more}")
}

#[test]
fn payments_are_answered_as_described() {
    let Some(court) = Court::open() else { return };
    let rig = &court.rig;
    let check = |method: &str, template: &str, answer: &Answer, status: u16| {
        court.check(method, template, answer, status);
    };
    for bank in BANKS {
        let ordered = rig.order(bank, "150.00", &[]);
        check("post", ORDERS, &ordered, 201);
        let body = ordered.json();
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        let authorisations = format!("{payment}/authorisations");
        if body["_links"]["startAuthorisation"].is_object() {
            let started = rig.ask(bank, "POST", &authorisations, &[], None);
            check("post", &below(ORDER, "/authorisations"), &started, 201);
        }
        let again = rig.ask(bank, "POST", &authorisations, &[], None);
        check("post", &below(ORDER, "/authorisations"), &again, 409);
        let ids = rig.ask(bank, "GET", &authorisations, &[], None);
        check("get", &below(ORDER, "/authorisations"), &ids, 200);
        let id = ids.json()["authorisationIds"][0].as_str().unwrap().to_owned();
        let sca = rig.ask(bank, "GET", &format!("{authorisations}/{id}"), &[], None);
        check("get", &below(ORDER, "/authorisations/{authorisationId}"), &sca, 200);
        let shown = rig.ask(bank, "GET", &payment, &[], None);
        check("get", ORDER, &shown, 200);
        let status = rig.ask(bank, "GET", &format!("{payment}/status"), &[], None);
        check("get", &below(ORDER, "/status"), &status, 200);
        let gone = format!("v1/payments/{DOMESTIC}/none");
        check("get", ORDER, &rig.ask(bank, "GET", &gone, &[], None), 404);
        check("delete", ORDER, &rig.ask(bank, "DELETE", &payment, &[], None), 204);
        let done = court.pay(bank, "150.00");
        check("delete", ORDER, &rig.ask(bank, "DELETE", &done, &[], None), 405);
        check("post", ORDERS, &rig.order(bank, "0.00", &[]), 400);
        check("post", ORDERS, &rig.order(bank, "1.94", &[]), 409);
        check("post", ORDERS, &rig.order(bank, "1.91", &[]), 503);
        let poor = [("TPP-Rejection-NoFunds-Preferred", "true")];
        let poor = rig.order(bank, "1.51", &poor);
        check("post", ORDERS, &poor, 201);
        let poor = path_of(poor.json()["_links"]["status"]["href"].as_str().unwrap());
        check("get", &below(ORDER, "/status"), &rig.ask(bank, "GET", &poor, &[], None), 200);
    }
    let bare = rig.ask("dnb", "POST", &format!("v1/payments/{DOMESTIC}"), &[], Some(&json!({})));
    check("post", ORDERS, &bare, 400);
    court.close(60);
}

#[test]
fn approvals_that_somebody_completes_are_answered_as_described() {
    let Some(court) = Court::open() else { return };
    let rig = &court.rig;
    let one = below(ORDER, "/authorisations/{authorisationId}");
    for bank in ["eika", "sbanken"] {
        let ordered = rig.order(bank, "150.00", &[]);
        court.check("post", ORDERS, &ordered, 201);
        let body = ordered.json();
        let sca = path_of(body["_links"]["scaStatus"]["href"].as_str().unwrap());
        court.check("get", &one, &rig.ask(bank, "GET", &sca, &[], None), 200);
        if bank == "eika" {
            continue;
        }
        let pressed = rig.press(bank, &rig.question(bank, &body), "approve");
        court.check("get", &one, &rig.ask(bank, "GET", &sca, &[], None), 200);
        let code = pressed.header("location").unwrap().rsplit_once("code=").unwrap().1.to_owned();
        let code = json!({ "confirmationCode": code });
        court.check("put", &one, &rig.ask(bank, "PUT", &sca, &[], Some(&code)), 200);
        court.check("put", &one, &rig.ask(bank, "PUT", &sca, &[], Some(&code)), 409);
    }
    court.close(5);
}

#[test]
fn accounts_are_answered_as_described() {
    let Some(court) = Court::open() else { return };
    let rig = &court.rig;
    let check = |method: &str, template: &str, answer: &Answer, status: u16| {
        court.check(method, template, answer, status);
    };
    for bank in BANKS {
        court.pay(bank, "1.00");
        let asked = rig.ask_consent(bank, &consent());
        check("post", "/v1/consents", &asked, 201);
        let id = asked.json()["consentId"].as_str().unwrap().to_owned();
        let path = format!("v1/consents/{id}");
        let one = "/v1/consents/{consentId}";
        check("get", one, &rig.ask(bank, "GET", &path, &[], None), 200);
        let status = rig.ask(bank, "GET", &format!("{path}/status"), &[], None);
        check("get", &below(one, "/status"), &status, 200);
        check("get", "/v1/accounts", &rig.read(bank, &id, "v1/accounts", true), 401);
        rig.press(bank, &rig.question(bank, &asked.json()), "approve");
        let ids = rig.ask(bank, "GET", &format!("{path}/authorisations"), &[], None);
        check("get", &below(one, "/authorisations"), &ids, 200);
        check(
            "get",
            "/v1/accounts",
            &rig.read(bank, &id, "v1/accounts?withBalance=true", true),
            200,
        );
        check("get", "/v1/accounts", &rig.read(bank, "none", "v1/accounts", true), 403);
        let resource = rig.resource(bank, &id, IBAN);
        let account = format!("v1/accounts/{resource}");
        let of = "/v1/accounts/{account-id}";
        check("get", of, &rig.read(bank, &id, &account, true), 200);
        let balances = format!("{account}/balances");
        check("get", &below(of, "/balances"), &rig.read(bank, &id, &balances, true), 200);
        let lines = format!("{account}/transactions?bookingStatus=both&dateFrom=2026-01-01");
        let lines = rig.read(bank, &id, &lines, true);
        check("get", &below(of, "/transactions"), &lines, 200);
        let line = lines.json()["transactions"]["booked"][0]["transactionId"].clone();
        let line = format!("{account}/transactions/{}", line.as_str().unwrap());
        let line = rig.read(bank, &id, &line, true);
        check("get", &below(of, "/transactions/{transactionId}"), &line, 200);
        let unclear = rig.read(bank, &id, &format!("{account}/transactions"), true);
        check("get", &below(of, "/transactions"), &unclear, 400);
        let none = rig.read(bank, &id, "v1/accounts/none/balances", true);
        check("get", &below(of, "/balances"), &none, 404);
        let amount = json!({"currency": "NOK", "amount": "1.00"});
        let mut funds = json!({"account": {"iban": IBAN}, "instructedAmount": amount});
        let sure = rig.ask(bank, "POST", "v1/funds-confirmations", &[], Some(&funds));
        check("post", "/v1/funds-confirmations", &sure, 200);
        funds["account"]["iban"] = json!(ELSEWHERE);
        let none = rig.ask(bank, "POST", "v1/funds-confirmations", &[], Some(&funds));
        check("post", "/v1/funds-confirmations", &none, 400);
        check("delete", one, &rig.ask(bank, "DELETE", &path, &[], None), 204);
    }
    let id = rig.consent("dnb");
    for _ in 0..4 {
        rig.read("dnb", &id, "v1/accounts", false);
    }
    check("get", "/v1/accounts", &rig.read("dnb", &id, "v1/accounts", false), 429);
    court.close(70);
}

/// A judge that lets these pass would let anything pass.
#[test]
fn the_judge_refuses_what_is_wrong() {
    let Some(judge) = Judge::of_environment() else { return };
    let good = order("150.00");
    assert_eq!(judge.component("paymentInitiation_json", &good), Vec::<String>::new());
    let mutants: &[(&str, Value)] = &[
        ("/creditorName", Value::Null),
        ("/creditorName", json!("x".repeat(71))),
        ("/instructedAmount/amount", json!(150.0)),
        ("/instructedAmount/amount", json!("1,50")),
        ("/instructedAmount/currency", json!("nok")),
        ("/debtorAccount/iban", json!("9386011117947")),
        ("/creditorAccount", json!({"bban": "265-1234567-89"})),
    ];
    for (place, value) in mutants {
        let mut body = good.clone();
        *body.pointer_mut(place).unwrap() = value.clone();
        assert!(!judge.component("paymentInitiation_json", &body).is_empty(), "{place} {value}");
    }
    let answer = |status: u16, body: Value| Answer {
        status,
        headers: vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("X-Request-ID".to_owned(), "1".to_owned()),
            ("Location".to_owned(), "/x".to_owned()),
        ],
        body: body.to_string().into_bytes(),
    };
    let expired = json!({"tppMessages": [{"category": "ERROR", "code": "CONSENT_EXPIRED"}]});
    let balances = "/v1/accounts/{account-id}/balances";
    assert!(judge.complaints("get", balances, &answer(401, expired.clone())).is_empty());
    assert!(!judge.complaints("get", balances, &answer(400, expired)).is_empty());
    let odd = json!({"transactionStatus": "DONE", "paymentId": "1", "_links": {}});
    assert!(!judge.complaints("post", ORDERS, &answer(201, odd)).is_empty());
    assert!(!judge.complaints("get", "/v1/accounts", &answer(200, json!({}))).is_empty());
    assert!(!judge.complaints("get", "/v1/accounts", &answer(201, json!({}))).is_empty());
    let html = Answer { body: b"<html>".to_vec(), ..answer(200, json!({})) };
    assert!(!judge.complaints("get", "/v1/accounts", &html).is_empty());
}
