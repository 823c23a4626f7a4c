//! Balances, transactions, confirmation of funds.

use super::{Rig, account, body, failed, header};
use crate::executor::Chain;
use crate::executor::tests::server::json;
use serde_json::json as value;
use veksel_config::bridge::{PsuHeaders, Quirks};
use veksel_core::Utc;
use veksel_core::enquiry::{Balances, BankAccount, Enquiry, Failed, Money, Verdict};

const fn ask(account: BankAccount, is_attended: bool) -> Enquiry {
    Enquiry::Balances { account, is_attended }
}

fn balance(kind: &str, currency: &str, amount: &str) -> serde_json::Value {
    value!({"balanceType": kind, "balanceAmount": {"currency": currency, "amount": amount},
        "lastChangeDateTime": "2026-02-23T14:00:00Z"})
}

#[tokio::test]
async fn which_balances_become_which() {
    for (all, ledger, available) in [
        (vec![("expected", "45230.00")], 4_523_000, 4_523_000),
        (vec![("closingBooked", "1.00"), ("interimAvailable", "2.00")], 100, 200),
        (
            vec![("expected", "9.00"), ("interimBooked", "1.00"), ("closingBooked", "3.00")],
            300,
            900,
        ),
        (
            vec![("interimBooked", "1.00"), ("forwardAvailable", "2.00"), ("expected", "3.00")],
            100,
            200,
        ),
        (vec![("forwardAvailable", "2.00"), ("interimAvailable", "-2.50")], -250, -250),
        (vec![("openingBooked", "5.00")], 500, 500),
        (vec![("nonInvoiced", "5.00"), ("closingBooked", "1.00")], 100, 100),
    ] {
        let list: Vec<_> = all.iter().map(|(kind, amount)| balance(kind, "NOK", amount)).collect();
        let rig = Rig::new(vec![json(200, &value!({"balances": list}).to_string())]).await;
        let expected = Verdict::Balances(Balances { ledger, available, currency: 578 });
        assert_eq!(rig.ask(&ask(account(), true)).await, expected, "{all:?}");
    }
}

#[tokio::test]
async fn a_balance_is_asked_under_the_consent_and_with_what_the_bank_wants_of_the_customer() {
    let answer = || json(200, &value!({"balances": [balance("expected", "NOK", "1")]}).to_string());
    for (psu_headers, is_attended, shown) in [
        (PsuHeaders::IfPresent, true, true),
        (PsuHeaders::IfPresent, false, false),
        (PsuHeaders::Required, true, true),
        (PsuHeaders::Required, false, false),
        (PsuHeaders::Forbidden, true, false),
        (PsuHeaders::Forbidden, false, false),
    ] {
        let rig = Rig::with(Quirks { psu_headers, ..Quirks::default() }, vec![answer()]).await;
        assert!(matches!(rig.ask(&ask(account(), is_attended)).await, Verdict::Balances(_)));
        assert_eq!(rig.lines(), ["GET /v1/accounts/acc-1/balances"]);
        let request = &rig.server.requests()[0];
        assert_eq!(header(request, "consent-id"), Some("consent-1"));
        assert_eq!(header(request, "psu-ip-address").is_some(), shown);
        // A bank that must have headers about the customer has them all, if there is one.
        let is_required = psu_headers == PsuHeaders::Required && is_attended;
        assert_eq!(header(request, "psu-user-agent").is_some(), is_required);
        assert!(header(request, "x-request-id").is_some());
    }
}

#[tokio::test]
async fn a_terminal_with_a_public_address_says_where_its_customer_is() {
    let ours = "203.0.113.7";
    for (address, is_attended, expected) in [
        (Some("84.208.20.110"), true, Some("84.208.20.110")),
        (Some("2a02:2121:1::7"), true, Some("2a02:2121:1::7")),
        // Behind a private address is nowhere that a bank knows.
        (Some("10.0.0.7"), true, Some(ours)),
        (Some("192.168.1.7"), true, Some(ours)),
        (Some("127.0.0.1"), true, Some(ours)),
        (Some("::1"), true, Some(ours)),
        (None, true, Some(ours)),
        (Some("84.208.20.110"), false, None),
    ] {
        let answer =
            json(200, &value!({"balances": [balance("expected", "NOK", "1")]}).to_string());
        let quirks = Quirks { psu_headers: PsuHeaders::IfPresent, ..Quirks::default() };
        let rig = Rig::with(quirks, vec![answer]).await;
        let address = address.map(|address| address.parse().unwrap());
        let chain = Chain::new(5_000, "").with_customer(address);
        let verdict = rig.bank.ask(&chain, &ask(account(), is_attended)).await;
        assert!(matches!(verdict, Verdict::Balances(_)));
        let request = &rig.server.requests()[0];
        assert_eq!(header(request, "psu-ip-address"), expected, "{address:?}");
    }
}

#[tokio::test]
async fn an_account_without_a_resource_is_looked_up_first() {
    let list = value!({"accounts": [
        {"resourceId": "other", "iban": "DE40100100103307118608"},
        {"resourceId": "a/b", "iban": "NO93 8601 1117 947"},
    ]});
    let answer = value!({"balances": [balance("expected", "NOK", "1")]});
    let unknown = BankAccount { resource: String::new(), ..account() };
    let acts = vec![json(200, &list.to_string()), json(200, &answer.to_string())];
    let rig = Rig::new(acts).await;
    assert!(matches!(rig.ask(&ask(unknown.clone(), true)).await, Verdict::Balances(_)));
    assert_eq!(rig.lines(), ["GET /v1/accounts", "GET /v1/accounts/a%2Fb/balances"]);
    let rig = Rig::new(vec![json(200, r#"{"accounts":[]}"#)]).await;
    failed(&rig.ask(&ask(unknown, true)).await, Failed::NoAccount, false, "account_list");
    let blind = BankAccount { consent: String::new(), ..account() };
    let rig = Rig::new(vec![]).await;
    failed(&rig.ask(&ask(blind, true)).await, Failed::NotPermitted, false, "consent");
    assert_eq!(rig.server.connections(), 0);
}

#[tokio::test]
async fn balances_of_several_currencies_are_never_mixed() {
    let booked = balance("closingBooked", "NOK", "1");
    let foreign = balance("interimAvailable", "EUR", "2");
    let own = balance("expected", "NOK", "3");
    for (answer, expected) in [
        (value!({"balances": [booked, foreign, own]}), (100, 300, 578)),
        (value!({"balances": [foreign, booked, own]}), (200, 200, 978)),
        (value!({"balances": [booked, foreign]}), (100, 100, 578)),
        (
            value!({"account": {"currency": "NOK"}, "balances": [foreign, booked, own]}),
            (100, 300, 578),
        ),
        (
            value!({"account": {"currency": "EUR"}, "balances": [booked, foreign, own]}),
            (200, 200, 978),
        ),
        // A currency in which nothing is said is none to go by.
        (value!({"account": {"currency": "SEK"}, "balances": [booked, own]}), (100, 300, 578)),
    ] {
        let rig = Rig::new(vec![json(200, &answer.to_string())]).await;
        let Verdict::Balances(found) = rig.ask(&ask(account(), true)).await else { panic!() };
        assert_eq!((found.ledger, found.available, found.currency), expected, "{answer}");
    }
}

#[tokio::test]
async fn balances_that_cannot_be_read_are_none() {
    for answer in [
        "<html>".to_owned(),
        value!({"balances": []}).to_string(),
        value!({"balances": [balance("nonInvoiced", "NOK", "1")]}).to_string(),
        value!({"balances": [balance("expected", "XYZ", "1")]}).to_string(),
        value!({"balances": [balance("expected", "NOK", "1,5")]}).to_string(),
        value!({"balances": [balance("expected", "NOK", "1.005")]}).to_string(),
        value!({"balances": [{"balanceType": "expected", "balanceAmount": {"currency": "NOK", "amount": 1.5}}]})
            .to_string(),
    ] {
        let rig = Rig::new(vec![json(200, &answer)]).await;
        failed(&rig.ask(&ask(account(), true)).await, Failed::Malfunction, false, "schema");
    }
}

#[tokio::test]
async fn reads_that_are_refused_say_why() {
    let message =
        |code: &str| format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{code}"}}]}}"#);
    for (status, body, why, code) in [
        (401, message("CONSENT_EXPIRED"), Failed::NotPermitted, "CONSENT_EXPIRED"),
        (429, message("ACCESS_EXCEEDED"), Failed::Limited, "ACCESS_EXCEEDED"),
        (404, message("RESOURCE_UNKNOWN"), Failed::NoAccount, "RESOURCE_UNKNOWN"),
        (503, String::new(), Failed::Unavailable, ""),
    ] {
        let rig = Rig::new(vec![json(status, &body)]).await;
        failed(&rig.ask(&ask(account(), true)).await, why, false, code);
    }
}

fn transactions(most: u16) -> Enquiry {
    Enquiry::Transactions {
        account: account(),
        from: Utc(1_771_857_000_000),
        most,
        is_attended: true,
    }
}

fn entry(day: &str, amount: &str, text: &str) -> serde_json::Value {
    value!({"bookingDate": day, "transactionAmount": {"currency": "NOK", "amount": amount},
        "remittanceInformationUnstructured": text})
}

#[tokio::test]
async fn transactions_come_newest_first_from_all_pages() {
    let first = value!({
        "transactions": {
            "booked": [entry("2026-02-23", "-12.50", "second"), entry("2026-02-25", "7", "first")],
            "_links": {"next": {"href": "/v1/accounts/acc-1/transactions?page=2"}},
        },
        "balances": [balance("expected", "NOK", "3.00")],
    });
    let second = value!({"transactions": {"booked": [
        entry("2026-02-22", "-1", ""),
        {"valueDate": "2026-02-23", "creditorName": "Kiosk", "debtorName": "Me",
            "transactionAmount": {"currency": "NOK", "amount": "-3.00"}},
    ]}});
    let acts = vec![json(200, &first.to_string()), json(200, &second.to_string())];
    let rig = Rig::new(acts).await;
    let Verdict::Transactions { lines, balances } = rig.ask(&transactions(3)).await else {
        panic!()
    };
    let shown: Vec<_> = lines.iter().map(|line| (line.amount, line.text.as_str())).collect();
    assert_eq!(shown, [(700, "first"), (-1_250, "second"), (-300, "Kiosk")]);
    assert_eq!(lines[0].booked, Utc(1_771_977_600_000));
    assert_eq!(balances.map(|found| found.available), Some(300));
    assert_eq!(
        rig.lines(),
        [
            "GET /v1/accounts/acc-1/transactions?dateFrom=2026-02-23&bookingStatus=booked",
            "GET /v1/accounts/acc-1/transactions?page=2"
        ]
    );
    for request in rig.server.requests() {
        assert_eq!(header(&request, "consent-id"), Some("consent-1"));
    }
}

#[tokio::test]
async fn a_list_without_end_is_read_to_a_limit() {
    let page = value!({"transactions": {"booked": [entry("2026-02-23", "1", "x")],
        "_links": {"next": {"href": "/v1/accounts/acc-1/transactions?page=2"}}}});
    let rig = Rig::new(vec![json(200, &page.to_string()); 30]).await;
    let Verdict::Transactions { lines, .. } = rig.ask(&transactions(100)).await else { panic!() };
    assert_eq!((lines.len(), rig.lines().len()), (10, 10));
}

#[tokio::test]
async fn a_line_that_cannot_be_read_spoils_the_list() {
    for entry in [
        entry("yesterday", "1", ""),
        entry("2026-02-30", "1", ""),
        entry("2026-2-3", "1", ""),
        entry("2026-02-23", "one", ""),
        value!({"transactionAmount": {"currency": "NOK", "amount": "1"}}),
    ] {
        let page = value!({"transactions": {"booked": [entry]}});
        let rig = Rig::new(vec![json(200, &page.to_string())]).await;
        failed(&rig.ask(&transactions(5)).await, Failed::Malfunction, false, "schema");
    }
}

#[tokio::test]
async fn funds_are_confirmed_or_not() {
    for (answer, is_there) in
        [(r#"{"fundsAvailable":true}"#, true), (r#"{"fundsAvailable":false}"#, false)]
    {
        let rig = Rig::new(vec![json(200, answer)]).await;
        let amount = Money { minor: 15_000, currency: 578 };
        let verdict = rig.ask(&Enquiry::Funds { account: account(), amount }).await;
        assert_eq!(verdict, Verdict::Funds(is_there));
        assert_eq!(rig.lines(), ["POST /v1/funds-confirmations"]);
        let expected = value!({"account": {"iban": "NO9386011117947"},
            "instructedAmount": {"currency": "NOK", "amount": "150.00"}});
        assert_eq!(body(&rig.server.requests()[0]), expected);
    }
    let rig = Rig::new(vec![json(200, r#"{"fundsAvailable":"yes"}"#)]).await;
    let amount = Money { minor: 1, currency: 578 };
    let verdict = rig.ask(&Enquiry::Funds { account: account(), amount }).await;
    failed(&verdict, Failed::Malfunction, false, "schema");
}
