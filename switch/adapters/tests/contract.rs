//! Whether what we send to banks, and what our canned banks answer in tests, is what the Berlin
//! Group's own description of `NextGenPSD2` 1.3.11 says.
//!
//! The description is not ours to publish. The test takes its path from `BG_OPENAPI` and says
//! loudly that it did nothing if that is not set. It has defects that `contract/oracle.rs` allows
//! for, so wrong requests and answers are shown to be refused as well.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "it is a test")]

#[path = "contract/oracle.rs"]
mod oracle;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use oracle::Oracle;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use veksel_adapters::{Adapters, audit, read_secret};
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, HttpConfig, Quirks,
};
use veksel_core::Utc;
use veksel_core::enquiry::{
    Addressee, Ask, AskId, BankAccount, Enquiry, Money, Order, PaymentRef, Secret, Verdict,
};
use veksel_core::plan::BankId;

/// An exchange as the bank saw it.
#[derive(Clone, Debug)]
struct Exchange {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Value,
    status: u16,
    answer: Value,
}

type Seen = Arc<Mutex<Vec<Exchange>>>;

/// What the bank answers: by method and the end of the path.
fn answer(method: &str, path: &str) -> (u16, Value) {
    let payment = "/v1/payments/sepa-credit-transfers/1234-wertiq-983";
    let link = |href: &str| json!({"href": href});
    match (method, path.rsplit('/').next().unwrap()) {
        ("DELETE", _) => (204, Value::Null),
        ("POST", "consents") => (
            201,
            json!({"consentStatus": "received", "consentId": "1234-wertiq-983",
                "_links": {"startAuthorisation": link("/v1/consents/1234-wertiq-983/authorisations")}}),
        ),
        ("POST", "authorisations") => (
            201,
            json!({"scaStatus": "received", "authorisationId": "123auth456",
                "_links": {"scaRedirect": link("https://bank.example/sca"),
                    "scaStatus": link("/v1/consents/1234-wertiq-983/authorisations/123auth456")}}),
        ),
        ("POST", "funds-confirmations") => (200, json!({"fundsAvailable": true})),
        ("POST", _) => (
            201,
            json!({"transactionStatus": "RCVD", "paymentId": "1234-wertiq-983",
                "_links": {"startAuthorisation": link(&format!("{payment}/authorisations")),
                    "self": link(payment), "status": link(&format!("{payment}/status"))}}),
        ),
        ("GET", "balances") => (
            200,
            json!({"account": {"iban": "NO9386011117947"}, "balances": [
                {"balanceType": "interimAvailable",
                    "balanceAmount": {"currency": "NOK", "amount": "45230.00"},
                    "lastChangeDateTime": "2026-02-23T14:00:00Z"}]}),
        ),
        ("GET", "transactions") => (
            200,
            json!({"account": {"iban": "NO9386011117947"}, "transactions": {
                "booked": [{"transactionId": "1", "bookingDate": "2026-02-23",
                    "transactionAmount": {"currency": "NOK", "amount": "-150.00"},
                    "remittanceInformationUnstructured": "605410000123 TERM0001"}],
                "pending": [], "_links": {"account": link("/v1/accounts/acc-1")}}}),
        ),
        ("GET", "accounts") => (
            200,
            json!({"accounts": [{"resourceId": "acc-1", "iban": "NO9386011117947",
                "currency": "NOK"}]}),
        ),
        ("GET", "authorisations") => (200, json!({"authorisationIds": ["123auth456"]})),
        ("GET", "123auth456") => (200, json!({"scaStatus": "finalised"})),
        ("GET", "status") if path.contains("consents") => (200, json!({"consentStatus": "valid"})),
        ("GET", "status") => (200, json!({"transactionStatus": "ACTC", "fundsAvailable": true})),
        ("GET", _) => (
            200,
            json!({"access": {"balances": [{"iban": "NO9386011117947"}]},
                "recurringIndicator": true, "validUntil": "2027-05-18", "frequencyPerDay": 4,
                "lastActionDate": "2026-02-23", "consentStatus": "valid"}),
        ),
        other => panic!("{other:?}"),
    }
}

async fn serve(State(seen): State<Seen>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let (status, answer) = answer(parts.method.as_str(), &path);
    let text = if answer.is_null() { String::new() } else { answer.to_string() };
    seen.lock().unwrap().push(Exchange {
        method: parts.method.to_string(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        status,
        answer,
    });
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(text.into()).unwrap()
}

fn account() -> BankAccount {
    BankAccount {
        iban: "NO9386011117947".to_owned(),
        resource: String::new(),
        consent: "1234-wertiq-983".to_owned(),
        customer: "customer-1".to_owned(),
    }
}

fn order(currency: u16, creditor: &str, reference: &str) -> Box<Order> {
    Box::new(Order {
        key: [0x91; 16],
        debtor: account(),
        creditor: creditor.to_owned(),
        creditor_name: "Blåbær & Žižka \u{1f980} AS".to_owned(),
        amount: Money { minor: 15_000, currency },
        remittance: "605410000123 7F3K9QRS TERM0001".to_owned(),
        rrn: "605410000123".to_owned(),
        mark: "7F3K9QRS".to_owned(),
        reference: reference.to_owned(),
        state: [7; 16],
        verifier: Secret::new("v"),
    })
}

/// Everything a bank can be asked, each in the ways that differ on the wire.
fn enquiries() -> Vec<Enquiry> {
    let payment = || PaymentRef {
        payment: "1234-wertiq-983".to_owned(),
        product: "sepa-credit-transfers".to_owned(),
        debtor: account(),
        key: [0x91; 16],
        may_complete: true,
    };
    let from = Utc(1_771_857_000_000);
    vec![
        Enquiry::Balances { account: account(), is_attended: true },
        Enquiry::Balances { account: account(), is_attended: false },
        Enquiry::Transactions { account: account(), from, most: 10, is_attended: true },
        Enquiry::Funds { account: account(), amount: Money { minor: 15_000, currency: 578 } },
        Enquiry::Initiate(order(578, "8601.11.17947", "2345676")),
        Enquiry::Initiate(order(578, "NO93 8601 1117 947", "")),
        Enquiry::Initiate(order(978, "DE40100100103307118608", "RF18 5390")),
        Enquiry::Initiate(order(392, "265-1234567-89", "")),
        Enquiry::Status(payment()),
        Enquiry::Cancel(payment()),
        Enquiry::Search { order: order(578, "86011117947", ""), since: from, may_repeat: true },
        Enquiry::Consent { account: account(), state: [9; 16], until: Utc(1_810_598_400_000) },
        Enquiry::ConsentStatus(account()),
        Enquiry::Revoke(account()),
    ]
}

/// Asks a bank everything and returns what went over the wire.
async fn exchanges() -> Vec<Exchange> {
    let seen = Seen::default();
    let router = Router::new().fallback(serve).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let call = CallConfig { allow_private: true, ..CallConfig::at(&url) };
    let profile = BankProfile::BerlinGroup { seal: None, oauth: None, approval: None };
    let quirks = Quirks { wants_push: true, ..Quirks::default() };
    let config = BridgeConfig {
        banks: vec![BankConfig::new("fjord", profile, call, quirks)],
        http: Some(HttpConfig::at(([127, 0, 0, 1], 0).into(), "https://tpp.example")),
        ..BridgeConfig::default()
    };
    let _watch = watch::watch();
    let (sink, mut events) = audit(1_000);
    let adapters = Adapters::new(&config, &read_secret, sink).unwrap();
    for (number, enquiry) in enquiries().into_iter().enumerate() {
        let id = AskId(u64::try_from(number).unwrap());
        let to = Addressee::Bank(BankId(0));
        let ask = Ask {
            id,
            to,
            enquiry,
            within_ms: 10_000,
            trace: "t".to_owned(),
            txn: None,
            address: None,
        };
        let verdict = adapters.ask(ask).await;
        watch::search_shown("a verdict", &verdict);
        assert!(!matches!(verdict, Verdict::Failed(_)), "enquiry {number}: {verdict:?}");
    }
    let seen = seen.lock().unwrap().clone();
    let mut noted = 0;
    while let Ok(row) = events.try_recv() {
        watch::search_shown("a row of the audit trail", &row);
        noted += 1;
    }
    assert_eq!(noted, seen.len(), "every call is in the audit trail");
    seen
}

#[tokio::test]
async fn what_goes_over_the_wire_is_what_the_description_says() {
    let exchanges = exchanges().await;
    // Without the oracle at least so much is asked, of everything that is offered.
    assert_eq!(exchanges.len(), 27);
    let Some(oracle) = Oracle::of_environment() else { return };
    let mut operations = std::collections::BTreeSet::new();
    for Exchange { method, path, query, headers, body, status, answer } in &exchanges {
        let operation = oracle.operation(method, path).unwrap();
        operations.insert(operation.id.clone());
        let wrong = oracle.request(&operation, path, query, headers, body);
        assert!(wrong.is_empty(), "{method} {path}?{query} {body}: {wrong:#?}");
        let wrong = oracle.response(&operation, *status, answer);
        assert!(wrong.is_empty(), "{method} {path} -> {status} {answer}: {wrong:#?}");
    }
    assert_eq!(operations.len(), 15, "{operations:?}");
}

#[tokio::test]
async fn wrong_requests_and_answers_are_seen() {
    let Some(oracle) = Oracle::of_environment() else { return };
    let exchanges = exchanges().await;
    let payment = |e: &&Exchange| e.method == "POST" && e.path.ends_with("-transfers");
    let payment = exchanges.iter().find(payment).unwrap();
    let operation = oracle.operation("POST", &payment.path).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = payment.body.clone();
        change(&mut body);
        body
    };
    for body in [
        changed(&|body| drop(body.as_object_mut().unwrap().remove("creditorName"))),
        changed(&|body| drop(body.as_object_mut().unwrap().remove("debtorAccount"))),
        changed(&|body| body["instructedAmount"]["amount"] = json!(150.0)),
        changed(&|body| body["instructedAmount"]["amount"] = json!("150,00")),
        changed(&|body| body["instructedAmount"]["currency"] = json!("kroner")),
        changed(&|body| body["creditorAccount"] = json!({"bban": "265-1234567-89"})),
        changed(&|body| body["creditorName"] = json!("x".repeat(71))),
        changed(&|body| body["remittanceInformationUnstructured"] = json!("x".repeat(141))),
    ] {
        let wrong = oracle.request(&operation, &payment.path, "", &payment.headers, &body);
        assert!(!wrong.is_empty(), "{body}");
    }
    for name in ["x-request-id", "psu-ip-address"] {
        let mut headers = payment.headers.clone();
        headers.insert(name, "nonsense".parse().unwrap());
        let wrong = oracle.request(&operation, &payment.path, "", &headers, &payment.body);
        assert!(!wrong.is_empty(), "a bad {name}");
        headers.remove(name);
        let wrong = oracle.request(&operation, &payment.path, "", &headers, &payment.body);
        assert!(!wrong.is_empty(), "no {name}");
    }
    for (status, answer) in [
        (201, json!({"transactionStatus": "NEWS", "paymentId": "1", "_links": {}})),
        (201, json!({"transactionStatus": "RCVD", "_links": {}})),
        (400, json!({"tppMessages": [{"category": "ERROR", "code": "CONSENT_EXPIRED"}]})),
        (401, json!({"tppMessages": [{"category": "SOMETHING", "code": "CONSENT_EXPIRED"}]})),
    ] {
        assert!(!oracle.response(&operation, status, &answer).is_empty(), "{status} {answer}");
    }
    let expired = json!({"tppMessages": [{"category": "ERROR", "code": "CONSENT_EXPIRED"}]});
    assert!(oracle.response(&operation, 401, &expired).is_empty());
    let accounts = oracle.operation("GET", "/v1/accounts/1/transactions").unwrap();
    let transactions = exchanges.iter().find(|e| e.path.ends_with("/transactions")).unwrap();
    for query in ["", "bookingStatus=everything", "dateFrom=yesterday&bookingStatus=booked"] {
        let headers = &transactions.headers;
        let wrong = oracle.request(&accounts, &transactions.path, query, headers, &Value::Null);
        assert!(!wrong.is_empty(), "{query}");
    }
    assert!(oracle.operation("PATCH", "/v1/accounts").is_none());
    assert!(oracle.operation("GET", "/v1/unheard-of").is_none());
}
