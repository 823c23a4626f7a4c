//! Payments, from the first byte to the last.

use super::{KEY_TEXT, Rig, body, failed, header, order, payment};
use crate::executor::tests::server::{Act, json, with};
use serde_json::json as value;
use veksel_config::bridge::{CreditorKind, Product, Quirks, RequestId};
use veksel_core::Utc;
use veksel_core::enquiry::{Enquiry, Failed, Initiated, Money, Order, Progress, Verdict};
use veksel_core::fact::PaymentStatus;

const PATH: &str = "/v1/payments/norwegian-domestic-credit-transfers";
const TAKEN: &str = r#"{"transactionStatus":"RCVD","paymentId":"1234-wertiq-983",
    "_links":{"scaRedirect":{"href":"https://bank.example/sca/1234"}}}"#;

fn initiate(order: Order) -> Enquiry {
    Enquiry::Initiate(Box::new(order))
}

async fn initiated(acts: Vec<Act>) -> (Rig, Initiated) {
    let rig = Rig::new(acts).await;
    match rig.ask(&initiate(order())).await {
        Verdict::Initiated(initiated) => (rig, initiated),
        other => panic!("{other:?}"),
    }
}

const fn progress(status: PaymentStatus, is_approved: bool, is_failed: bool) -> Progress {
    Progress { status, is_approved, is_failed, lacks_funds: false }
}

#[tokio::test]
async fn an_order_as_it_stands_on_the_wire() {
    for status in [200, 201] {
        let (rig, initiated) = initiated(vec![json(status, TAKEN)]).await;
        assert_eq!(initiated.payment, "1234-wertiq-983");
        assert_eq!(initiated.product, "norwegian-domestic-credit-transfers");
        assert_eq!(initiated.approve.as_deref(), Some("https://bank.example/sca/1234"));
        assert!(initiated.needs_approval);
        assert_eq!(initiated.progress, progress(PaymentStatus::Received, false, false));
        let [request] = &rig.server.requests()[..] else { panic!("one request") };
        assert!(request.starts_with(&format!("POST {PATH} HTTP/1.1\r\n")), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            concat!(
                r#"{"debtorAccount":{"iban":"NO9386011117947"},"#,
                r#""instructedAmount":{"currency":"NOK","amount":"150.00"},"#,
                r#""creditorAccount":{"bban":"86011117947"},"creditorName":"Kiosk Oslo S","#,
                r#""remittanceInformationUnstructured":"605410000123 7F3K9QRS TERM0001"}"#
            )
        );
        let state = "4f".repeat(16);
        for (name, expected) in [
            ("content-type", Some("application/json".to_owned())),
            ("psu-ip-address", Some("203.0.113.7".to_owned())),
            ("tpp-redirect-preferred", Some("true".to_owned())),
            (
                "tpp-redirect-uri",
                Some(format!("https://tpp.example/api/payments/callback?s={state}")),
            ),
            (
                "tpp-nok-redirect-uri",
                Some(format!("https://tpp.example/api/payments/callback?s={state}&nok=1")),
            ),
            ("tpp-rejection-nofunds-preferred", Some("true".to_owned())),
            ("tpp-notification-uri", None),
            ("consent-id", None),
            ("authorization", None),
            ("signature", None),
        ] {
            assert_eq!(header(request, name), expected.as_deref(), "{name}");
        }
        assert_eq!(header(request, "x-request-id").unwrap().len(), 36);
        assert_ne!(header(request, "x-request-id"), Some(KEY_TEXT));
    }
}

#[tokio::test]
async fn particulars_of_a_bank_are_kept_to() {
    let quirks = Quirks {
        request_id: RequestId::Stable,
        wants_push: true,
        rejects_no_funds: false,
        remittance_max: 24,
        keeps_letters: false,
        products: vec![Product::of("*", "instant-norwegian-domestic-credit-transfers")],
        ..Quirks::default()
    };
    let rig = Rig::with(quirks, vec![json(201, TAKEN)]).await;
    let order = Order { creditor_name: "Sjømat AS".to_owned(), ..order() };
    let verdict = rig.ask(&initiate(order)).await;
    assert!(matches!(verdict, Verdict::Initiated(_)), "{verdict:?}");
    let request = &rig.server.requests()[0];
    assert!(request.starts_with("POST /v1/payments/instant-norwegian-domestic-credit-transfers "));
    assert_eq!(header(request, "x-request-id"), Some(KEY_TEXT));
    assert_eq!(header(request, "tpp-notification-uri"), Some("https://tpp.example/api/push/fjord"));
    let wanted = header(request, "tpp-notification-content-preferred");
    assert_eq!(wanted, Some("status=SCA,PROCESS,LAST"));
    assert_eq!(header(request, "tpp-rejection-nofunds-preferred"), None);
    assert_eq!(body(request)["creditorName"], "Sjomat AS");
    assert_eq!(body(request)["remittanceInformationUnstructured"], "605410000123 7F3K9QRS TE");
}

#[tokio::test]
async fn currency_decides_product_amount_and_letters() {
    for (currency, minor, product, amount, name, has_end_to_end) in [
        (578, 15_000, "norwegian-domestic-credit-transfers", "150.00", "Blåbær", false),
        (978, 1, "sepa-credit-transfers", "0.01", "Blabaer", true),
        (392, 1_500, "cross-border-credit-transfers", "1500", "Blabaer", true),
        (48, 1_500, "cross-border-credit-transfers", "1.500", "Blabaer", true),
    ] {
        let rig = Rig::new(vec![json(201, TAKEN)]).await;
        let order = Order {
            amount: Money { minor, currency },
            creditor_name: "Blåbær".to_owned(),
            ..order()
        };
        assert!(matches!(rig.ask(&initiate(order)).await, Verdict::Initiated(_)));
        let request = &rig.server.requests()[0];
        assert!(request.starts_with(&format!("POST /v1/payments/{product} ")), "{request}");
        let body = body(request);
        assert_eq!(body["instructedAmount"]["amount"], amount);
        assert_eq!(body["creditorName"], name);
        let end_to_end = body.get("endToEndIdentification").and_then(|id| id.as_str());
        assert_eq!(end_to_end, has_end_to_end.then_some("605410000123"));
    }
}

#[tokio::test]
async fn an_account_and_haste_decide_among_the_products_of_a_currency() {
    let rule = |creditor, is_instant, name: &str| Product {
        creditor,
        is_instant,
        ..Product::of("NOK", name)
    };
    let products = vec![
        Product::of("*", "cross-border"),
        rule(None, false, "domestic"),
        rule(Some(CreditorKind::Iban), false, "by-iban"),
        rule(Some(CreditorKind::Bban), true, "at-once"),
    ];
    for (is_instant, creditor, currency, product) in [
        (false, "86011117947", 578, "domestic"),
        (false, "NO9386011117947", 578, "by-iban"),
        (true, "86011117947", 578, "at-once"),
        // There is none at once for these.
        (true, "NO9386011117947", 578, "by-iban"),
        (true, "NO9386011117947", 978, "cross-border"),
    ] {
        let quirks = Quirks { is_instant, products: products.clone(), ..Quirks::default() };
        let rig = Rig::with(quirks, vec![json(201, TAKEN)]).await;
        let amount = Money { minor: 15_000, currency };
        let order = Order { creditor: creditor.to_owned(), amount, ..order() };
        let Verdict::Initiated(initiated) = rig.ask(&initiate(order)).await else { panic!() };
        assert_eq!(rig.lines()[0], format!("POST /v1/payments/{product}"), "{creditor}");
        assert_eq!(initiated.product, product);
    }
}

#[tokio::test]
async fn creditors_and_references() {
    for (currency, creditor, reference, account, text, structured) in [
        (
            578,
            "NO93 8601 1117 947",
            "",
            value!({"iban": "NO9386011117947"}),
            "605410000123 7F3K9QRS TERM0001",
            None,
        ),
        (
            578,
            "86011117947",
            "2345676",
            value!({"bban": "86011117947"}),
            "605410000123 7F3K9QRS TERM0001",
            Some("2345676"),
        ),
        (
            578,
            "86011117947",
            "Invoice 7",
            value!({"bban": "86011117947"}),
            "605410000123 7F3K9QRS TERM0001 Invoice 7",
            None,
        ),
        (
            978,
            "265-1234567-89",
            "2345676",
            value!({"bban": "265123456789"}),
            "605410000123 7F3K9QRS TERM0001 2345676",
            None,
        ),
    ] {
        let rig = Rig::new(vec![json(201, TAKEN)]).await;
        let order = Order {
            creditor: creditor.to_owned(),
            reference: reference.to_owned(),
            amount: Money { minor: 1, currency },
            ..order()
        };
        assert!(matches!(rig.ask(&initiate(order)).await, Verdict::Initiated(_)));
        let body = body(&rig.server.requests()[0]);
        assert_eq!(body["creditorAccount"], account);
        assert_eq!(body["remittanceInformationUnstructured"], text);
        let expected = structured.map(|kid| value!([{"reference": kid, "referenceType": "SCOR"}]));
        assert_eq!(body.get("remittanceInformationStructuredArray"), expected.as_ref());
    }
}

#[tokio::test]
async fn what_no_bank_could_take_is_not_sent() {
    for (order, why, code) in [
        (Order { creditor: "NO93;DROP".to_owned(), ..order() }, Failed::Invalid, "creditor"),
        (Order { creditor: String::new(), ..order() }, Failed::Invalid, "creditor"),
        (
            Order { creditor_name: "株式会社".to_owned(), ..order() },
            Failed::Invalid,
            "creditor_name",
        ),
        (
            Order { amount: Money { minor: 1, currency: 0 }, ..order() },
            Failed::NotSupported,
            "currency",
        ),
        (
            Order { amount: Money { minor: 1, currency: 959 }, ..order() },
            Failed::NotSupported,
            "currency",
        ),
    ] {
        let rig = Rig::new(vec![]).await;
        failed(&rig.ask(&initiate(order)).await, why, false, code);
        assert_eq!(rig.server.connections(), 0);
    }
    let none =
        Quirks { products: vec![Product::of("EUR", "sepa-credit-transfers")], ..Quirks::default() };
    let rig = Rig::with(none, vec![]).await;
    failed(&rig.ask(&initiate(order())).await, Failed::NotSupported, false, "currency");
}

#[tokio::test]
async fn a_relative_link_is_one_of_the_bank() {
    let body = TAKEN.replace("https://bank.example", "");
    let (rig, initiated) = initiated(vec![json(201, &body)]).await;
    assert_eq!(initiated.approve, Some(format!("{}/sca/1234", rig.server.url())));
}

#[tokio::test]
async fn an_explicit_authorisation_is_begun() {
    let begun = r#"{"scaStatus":"received","authorisationId":"a1",
        "_links":{"scaRedirect":{"href":"https://bank.example/sca/a1"}}}"#;
    for href in [format!("{PATH}/1234/authorisations"), "https://elsewhere.example/x".to_owned()] {
        let taken = format!(
            r#"{{"transactionStatus":"RCVD","paymentId":"1234","_links":{{"startAuthorisation":{{"href":"{href}"}}}}}}"#
        );
        let (rig, initiated) = initiated(vec![json(201, &taken), json(201, begun)]).await;
        assert_eq!(initiated.approve.as_deref(), Some("https://bank.example/sca/a1"));
        assert!(initiated.needs_approval);
        let expected = [format!("POST {PATH}"), format!("POST {PATH}/1234/authorisations")];
        assert_eq!(rig.lines(), expected);
    }
}

#[tokio::test]
async fn a_payment_whose_authorisation_cannot_be_begun_is_not_lost() {
    let taken = r#"{"transactionStatus":"RCVD","paymentId":"1234",
        "_links":{"startAuthorisation":{"href":"/v1/x"}}}"#;
    let (rig, initiated) = initiated(vec![json(201, taken), json(500, "")]).await;
    assert_eq!((initiated.approve, initiated.needs_approval), (None, true));
    assert_eq!(rig.lines().len(), 2);
}

#[tokio::test]
async fn decoupled_and_exempted_need_no_page() {
    let taken =
        r#"{"transactionStatus":"RCVD","paymentId":"1","_links":{"scaStatus":{"href":"/x"}}}"#;
    let decoupled = with(201, "ASPSP-SCA-Approach: DECOUPLED\r\n", taken);
    let (_, found) = initiated(vec![decoupled]).await;
    assert_eq!((found.approve, found.needs_approval), (None, true));
    assert!(!found.progress.is_approved);
    let exempted = r#"{"transactionStatus":"ACSP","paymentId":"1","scaStatus":"exempted"}"#;
    let (_, found) = initiated(vec![json(201, exempted)]).await;
    assert!(!found.needs_approval);
    assert_eq!(found.progress, progress(PaymentStatus::InProcess, true, false));
    let without = r#"{"transactionStatus":"ACSC","paymentId":"1","_links":{}}"#;
    let (_, found) = initiated(vec![json(201, without)]).await;
    assert!(!found.needs_approval);
    assert_eq!(found.progress, progress(PaymentStatus::Settled, true, false));
}

#[tokio::test]
async fn what_nobody_can_approve_by_us_is_taken_back() {
    let confirmed = r#"{"transactionStatus":"CANC"}"#;
    for (headers, links, word) in [
        ("ASPSP-SCA-Approach: EMBEDDED\r\n", "{}", "sca_embedded"),
        ("", r#"{"startAuthorisationWithPsuAuthentication":{"href":"/x"}}"#, "sca_embedded"),
        ("", r#"{"updatePsuAuthentication":{"href":"/x"}}"#, "sca_embedded"),
        // Nobody is configured there.
        ("", r#"{"scaOAuth":{"href":"https://bank.example/.well-known"}}"#, "sca_oauth"),
        ("ASPSP-SCA-Approach: REDIRECT\r\n", "{}", "sca_redirect"),
        ("", r#"{"scaRedirect":{"href":"javascript:alert(1)"}}"#, "sca_link"),
    ] {
        let taken = format!(r#"{{"transactionStatus":"RCVD","paymentId":"1","_links":{links}}}"#);
        for cancelled in [json(204, ""), json(200, confirmed), json(202, confirmed)] {
            let rig = Rig::new(vec![with(201, headers, &taken), cancelled]).await;
            failed(&rig.ask(&initiate(order())).await, Failed::NotSupported, false, word);
            assert_eq!(rig.lines(), [format!("POST {PATH}"), format!("DELETE {PATH}/1")]);
        }
        // The bank has it. Unless it says that it does not any more, nobody may say no.
        for unclear in [
            json(200, ""),
            json(200, "{}"),
            json(202, r#"{"transactionStatus":"ACTC"}"#),
            json(200, r#"{"transactionStatus":"ACSC"}"#),
            json(405, confirmed),
            json(500, ""),
            Act::SayAndClose(""),
        ] {
            let (rig, found) = initiated(vec![with(201, headers, &taken), unclear]).await;
            assert_eq!((found.payment.as_str(), found.needs_approval), ("1", true), "{word}");
            assert_eq!((found.approve, found.progress.is_approved), (None, false));
            assert_eq!(rig.lines()[1], format!("DELETE {PATH}/1"));
        }
    }
}

#[tokio::test]
async fn a_payment_that_is_on_its_way_is_one_whatever_is_said_of_approvals() {
    for (headers, links) in [
        ("ASPSP-SCA-Approach: REDIRECT\r\n", "{}"),
        ("ASPSP-SCA-Approach: EMBEDDED\r\n", "{}"),
        ("", r#"{"scaRedirect":{"href":"javascript:alert(1)"}}"#),
        ("", r#"{"startAuthorisation":{"href":"/v1/x"}}"#),
    ] {
        for (word, status, is_approved) in [
            ("ACSP", PaymentStatus::InProcess, true),
            ("ACSC", PaymentStatus::Settled, true),
            ("ACCC", PaymentStatus::Credited, true),
            ("ACWP", PaymentStatus::WithoutPosting, false),
            ("PART", PaymentStatus::Partial, false),
        ] {
            let taken =
                format!(r#"{{"transactionStatus":"{word}","paymentId":"1","_links":{links}}}"#);
            let (rig, found) = initiated(vec![with(201, headers, &taken)]).await;
            assert_eq!(found.progress, progress(status, is_approved, false), "{headers}{links}");
            assert_eq!((found.approve, found.needs_approval), (None, false));
            assert_eq!(rig.lines().len(), 1, "nothing is taken back");
        }
    }
}

#[tokio::test]
async fn a_rejection_is_an_answer_and_says_if_money_was_missing() {
    let taken = r#"{"transactionStatus":"RJCT","paymentId":"1",
        "tppMessages":[{"category":"WARNING","code":"FUNDS_NOT_AVAILABLE"}]}"#;
    let (_, found) = initiated(vec![json(201, taken)]).await;
    assert_eq!(found.progress.status, PaymentStatus::Rejected);
    assert!(found.progress.lacks_funds && !found.needs_approval);
    // A warning is no error.
    let warned = TAKEN.replace(
        "\"_links\"",
        r#""tppMessages":[{"category":"WARNING","code":"WARNING"}],"_links""#,
    );
    let (_, found) = initiated(vec![json(200, &warned)]).await;
    assert!(found.needs_approval);
}

#[tokio::test]
async fn an_answer_that_is_not_as_it_must_be_leaves_the_payment_open() {
    for answer in [
        "<html>ok</html>",
        "",
        "{}",
        r#"{"transactionStatus":"RCVD"}"#,
        r#"{"transactionStatus":"RCVD","paymentId":""}"#,
        r#"{"transactionStatus":"RCVD","paymentId":".."}"#,
        r#"{"transactionStatus":"RCVD","paymentId":"a b"}"#,
        r#"{"transactionStatus":"RCVD","paymentId":7}"#,
        r#"{"tppMessages":[{"category":"ERROR","code":"PAYMENT_FAILED"}]}"#,
    ] {
        let rig = Rig::new(vec![json(201, answer)]).await;
        failed(&rig.ask(&initiate(order())).await, Failed::Malfunction, true, "schema");
        assert_eq!(rig.lines().len(), 1, "never repeated");
    }
}

#[tokio::test]
async fn a_payment_that_is_named_is_kept_whatever_else_is_wrong() {
    let received = progress(PaymentStatus::Received, false, false);
    for answer in [
        r#"{"paymentId":"1"}"#,
        r#"{"transactionStatus":"NEWS","paymentId":"1"}"#,
        r#"{"transactionStatus":7,"paymentId":"1","_links":{}}"#,
        r#"{"transactionStatus":"NEWS","paymentId":"1","scaStatus":"exempted"}"#,
        r#"{"transactionStatus":"RCVD","paymentId":"1","_links":null}"#,
        r#"{"transactionStatus":"RCVD","paymentId":"1","_links":"https://bank.example"}"#,
        r#"{"transactionStatus":"RCVD","paymentId":"1","_links":{"scaStatus":null}}"#,
        r#"{"transactionStatus":"RCVD","paymentId":"1","_links":[],"tppMessages":null}"#,
    ] {
        let (rig, found) = initiated(vec![json(201, answer)]).await;
        assert_eq!((found.payment.as_str(), found.progress), ("1", received), "{answer}");
        assert_eq!((found.approve, found.needs_approval), (None, true), "{answer}");
        assert_eq!(rig.lines().len(), 1, "never repeated");
    }
    let link = r#"{"transactionStatus":"RCVD","paymentId":"1",
        "_links":{"scaRedirect":"https://bank.example/sca/1"}}"#;
    let (_, found) = initiated(vec![json(201, link)]).await;
    assert_eq!(found.approve.as_deref(), Some("https://bank.example/sca/1"));
}

#[tokio::test]
async fn an_echo_of_another_request_is_no_answer_to_this_one() {
    let other = "X-Request-ID: 00000000-0000-4000-8000-000000000000\r\n";
    for answer in [json(201, "{}"), json(400, "{}")] {
        let Act::Say(text) = answer else { panic!() };
        let echoed = text.replace("Content-Length", &format!("{other}Content-Length"));
        let rig = Rig::new(vec![Act::Say(echoed.leak())]).await;
        let Verdict::Failed(failure) = rig.ask(&initiate(order())).await else { panic!() };
        assert_eq!((failure.why, failure.is_open), (Failed::Malfunction, true));
    }
    let rig = Rig::new(vec![with(200, other, r#"{"transactionStatus":"ACSC"}"#)]).await;
    failed(&rig.ask(&Enquiry::Status(payment())).await, Failed::Malfunction, false, "request_id");
    // The name of a payment is kept, and nothing else of such an answer is believed.
    let executed = TAKEN.replace("RCVD", "ACSC");
    let (_, found) = initiated(vec![with(201, other, &executed)]).await;
    assert_eq!(found.payment, "1234-wertiq-983");
    assert_eq!(found.progress, progress(PaymentStatus::Received, false, false));
    assert!(found.needs_approval);
    let stable = Quirks { request_id: RequestId::Stable, ..Quirks::default() };
    let echo = format!("X-Request-ID: {}\r\n", KEY_TEXT.to_ascii_uppercase());
    let rig = Rig::with(stable, vec![with(201, &echo, TAKEN)]).await;
    assert!(matches!(rig.ask(&initiate(order())).await, Verdict::Initiated(_)));
}

#[tokio::test]
async fn errors_mean_what_their_codes_say() {
    let messages =
        |code: &str| format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{code}"}}]}}"#);
    for (status, body, why, is_open, code) in [
        (400, messages("FORMAT_ERROR"), Failed::Format, false, "FORMAT_ERROR"),
        (401, messages("CERTIFICATE_REVOKED"), Failed::Credentials, false, "CERTIFICATE_REVOKED"),
        (400, messages("FUNDS_NOT_AVAILABLE"), Failed::NoFunds, false, "FUNDS_NOT_AVAILABLE"),
        (500, "<html>".to_owned(), Failed::Malfunction, true, "body"),
        (503, String::new(), Failed::Unavailable, true, ""),
        (429, messages("ACCESS_EXCEEDED"), Failed::Limited, false, "ACCESS_EXCEEDED"),
    ] {
        let rig = Rig::new(vec![json(status, &body)]).await;
        failed(&rig.ask(&initiate(order())).await, why, is_open, code);
        assert_eq!(rig.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_status_that_is_decided_needs_no_more() {
    for (word, status, is_approved) in [
        ("ACSC", PaymentStatus::Settled, true),
        ("ACCC", PaymentStatus::Credited, true),
        ("ACSP", PaymentStatus::InProcess, true),
        ("RJCT", PaymentStatus::Rejected, false),
        ("CANC", PaymentStatus::Cancelled, false),
        ("PART", PaymentStatus::Partial, false),
    ] {
        let body = format!(r#"{{"transactionStatus":"{word}"}}"#);
        let rig = Rig::new(vec![json(200, &body)]).await;
        let verdict = rig.ask(&Enquiry::Status(payment())).await;
        assert_eq!(verdict, Verdict::Status(progress(status, is_approved, false)));
        assert_eq!(rig.lines(), [format!("GET {PATH}/1234-wertiq-983/status")]);
    }
}

#[tokio::test]
async fn a_status_under_way_comes_with_the_approvals() {
    let received = r#"{"transactionStatus":"RCVD"}"#;
    for (status, scas, is_approved, is_failed) in [
        (received, vec!["received"], false, false),
        (received, vec!["finalised"], true, false),
        (received, vec!["exempted"], true, false),
        (received, vec!["failed"], false, true),
        (received, vec!["failed", "started"], false, false),
        (received, vec!["failed", "finalised"], true, false),
        (r#"{"transactionStatus":"PATC"}"#, vec!["finalised"], false, false),
        (received, vec![], false, false),
    ] {
        let ids: Vec<String> = (0..scas.len()).map(|id| format!("a/{id}")).collect();
        let mut acts = vec![json(200, status)];
        acts.push(json(200, &value!({"authorisationIds": ids}).to_string()));
        acts.extend(scas.iter().map(|sca| json(200, &value!({"scaStatus": sca}).to_string())));
        let rig = Rig::new(acts).await;
        let Verdict::Status(found) = rig.ask(&Enquiry::Status(payment())).await else { panic!() };
        assert_eq!((found.is_approved, found.is_failed), (is_approved, is_failed), "{scas:?}");
        let lines = rig.lines();
        assert_eq!(lines.len(), 2 + scas.len());
        if !scas.is_empty() {
            let first = format!("GET {PATH}/1234-wertiq-983/authorisations/a%2F0");
            assert_eq!(lines[2], first);
        }
    }
}

#[tokio::test]
async fn a_status_stands_even_if_approvals_are_not_told() {
    let status = r#"{"transactionStatus":"ACTC","fundsAvailable":false}"#;
    let rig = Rig::new(vec![json(200, status), json(405, "")]).await;
    let Verdict::Status(found) = rig.ask(&Enquiry::Status(payment())).await else { panic!() };
    assert_eq!(found.status, PaymentStatus::Technical);
    assert!(found.lacks_funds && !found.is_approved && !found.is_failed);
    let unknown = r#"{"transactionStatus":"WHAT"}"#;
    let rig = Rig::new(vec![json(200, unknown)]).await;
    failed(&rig.ask(&Enquiry::Status(payment())).await, Failed::Malfunction, false, "schema");
    let gone = r#"{"tppMessages":[{"category":"ERROR","code":"RESOURCE_UNKNOWN"}]}"#;
    let rig = Rig::new(vec![json(404, gone)]).await;
    failed(
        &rig.ask(&Enquiry::Status(payment())).await,
        Failed::NotFound,
        false,
        "RESOURCE_UNKNOWN",
    );
}

#[tokio::test]
async fn a_payment_is_taken_back_in_every_way_a_bank_says_so() {
    let start = r#"{"transactionStatus":"ACTC","_links":{"startAuthorisation":
        {"href":"/v1/payments/p/1/cancellation-authorisations"}}}"#;
    let late = r#"{"tppMessages":[{"category":"ERROR","code":"CANCELLATION_INVALID"}]}"#;
    let begun = r#"{"scaStatus":"received","authorisationId":"c1","_links":{}}"#;
    for (acts, verdict, calls) in [
        (vec![json(204, "")], Verdict::Cancelled, 1),
        (vec![json(200, "")], Verdict::Cancelled, 1),
        (vec![json(200, "{}")], Verdict::Cancelled, 1),
        (vec![json(200, r#"{"transactionStatus":"CANC"}"#)], Verdict::Cancelled, 1),
        (vec![json(200, r#"{"transactionStatus":"ACTC"}"#)], Verdict::CancelPending, 1),
        (vec![json(202, start), json(201, begun)], Verdict::CancelPending, 2),
        (vec![json(202, start), json(500, "")], Verdict::CancelPending, 2),
        (vec![json(202, "{}")], Verdict::CancelPending, 1),
        (vec![json(405, late)], Verdict::TooLate, 1),
    ] {
        let rig = Rig::new(acts).await;
        assert_eq!(rig.ask(&Enquiry::Cancel(payment())).await, verdict);
        let lines = rig.lines();
        assert_eq!(lines[0], format!("DELETE {PATH}/1234-wertiq-983"));
        assert_eq!(lines.len(), calls);
        if calls == 2 {
            assert_eq!(lines[1], "POST /v1/payments/p/1/cancellation-authorisations");
        }
    }
    let rig = Rig::new(vec![json(500, "")]).await;
    failed(&rig.ask(&Enquiry::Cancel(payment())).await, Failed::Malfunction, false, "");
    let gone = r#"{"tppMessages":[{"category":"ERROR","code":"RESOURCE_UNKNOWN"}]}"#;
    let rig = Rig::new(vec![json(404, gone)]).await;
    failed(
        &rig.ask(&Enquiry::Cancel(payment())).await,
        Failed::NotFound,
        false,
        "RESOURCE_UNKNOWN",
    );
}

fn search(order: Order) -> Enquiry {
    // 2026-02-23T14:30:00Z.
    Enquiry::Search { order: Box::new(order), since: Utc(1_771_857_000_000), may_repeat: true }
}

#[tokio::test]
async fn a_lost_payment_is_ordered_again_only_where_that_is_safe() {
    let safe = Quirks { deduplicates: true, request_id: RequestId::Stable, ..Quirks::default() };
    let rig = Rig::with(safe, vec![Act::SayAndClose(""), json(200, TAKEN)]).await;
    failed(&rig.ask(&initiate(order())).await, Failed::Unavailable, true, "broken");
    let Verdict::Initiated(found) = rig.ask(&search(order())).await else { panic!() };
    assert_eq!(found.payment, "1234-wertiq-983");
    let requests = rig.server.requests();
    assert_eq!(requests.len(), 2);
    // Who traces them sees two calls; the bank sees one order.
    let untraced = |request: &String| {
        let lines = request.split("\r\n").filter(|line| !line.starts_with("traceparent: "));
        lines.collect::<Vec<_>>().join("\r\n")
    };
    assert_eq!(untraced(&requests[0]), untraced(&requests[1]), "to the last byte");
    assert_eq!(header(&requests[1], "x-request-id"), Some(KEY_TEXT));
}

#[tokio::test]
async fn a_lost_payment_is_found_by_amount_and_text() {
    let line = |amount: &str, text: &str| {
        value!({"transactionAmount": {"currency": "NOK", "amount": amount},
            "remittanceInformationUnstructured": text, "bookingDate": "2026-02-23"})
    };
    let ours = line("-150.00", "605410000123 7F3K9QRS TERM0001");
    let marked = |amount| line(amount, "605410000123 7F3K9QRS TERM0001");
    let shown = |booked: serde_json::Value, pending: serde_json::Value, next: bool| {
        let links = if next {
            value!({"next": {"href": "https://elsewhere.example/2"}})
        } else {
            value!({})
        };
        let transactions = value!({"booked": booked, "pending": pending, "_links": links});
        json(200, &value!({"transactions": transactions}).to_string())
    };
    let status = |status| Verdict::Status(progress(status, true, false));
    let not_found = |is_complete| Verdict::NotFound { is_complete };
    for (act, verdict) in [
        (shown(value!([ours]), value!([]), false), status(PaymentStatus::Settled)),
        (shown(value!([]), value!([ours]), false), status(PaymentStatus::InProcess)),
        (shown(value!([]), value!([]), false), not_found(true)),
        (shown(value!([]), value!([]), true), not_found(false)),
        (shown(value!([]), value!(null), false), not_found(false)),
        // The mark may stand anywhere, as a word.
        (
            shown(value!([line("-150.00", "Til: x/7F3K9QRS/605410000123")]), value!([]), false),
            status(PaymentStatus::Settled),
        ),
        // Neither RRN nor terminal alone is enough: another payment has them too.
        (
            shown(value!([line("-150.00", "605410000123 TERM0001")]), value!([]), false),
            not_found(true),
        ),
        (
            shown(value!([line("-150.00", "605410000123 7F3K9QRSX")]), value!([]), false),
            not_found(true),
        ),
        // What has the mark and another amount or sign is not it, but proves nothing either.
        (shown(value!([marked("-150.01")]), value!([]), false), not_found(false)),
        (shown(value!([marked("150.00")]), value!([]), false), not_found(false)),
        (
            shown(value!([marked("150.00"), ours]), value!([]), false),
            status(PaymentStatus::Settled),
        ),
    ] {
        let rig = Rig::new(vec![act]).await;
        assert_eq!(rig.ask(&search(order())).await, verdict);
        let path = "GET /v1/accounts/acc-1/transactions?dateFrom=2026-02-22&bookingStatus=both";
        assert_eq!(rig.lines(), [path]);
    }
    let end_to_end = value!({"transactionAmount": {"currency": "NOK", "amount": "-150.00"},
        "endToEndId": "605410000123", "bookingDate": "2026-02-23"});
    let rig = Rig::new(vec![shown(value!([end_to_end]), value!([]), false)]).await;
    assert_eq!(rig.ask(&search(order())).await, not_found(true));
    // Without a mark nobody can tell it from others.
    let rig = Rig::new(vec![]).await;
    let unmarked = Order { mark: String::new(), ..order() };
    assert_eq!(rig.ask(&search(unmarked)).await, not_found(false));
    assert_eq!(rig.server.connections(), 0);
    // Without consent nobody can look, and not finding it proves nothing.
    let mut blind = order();
    blind.debtor.consent.clear();
    let rig = Rig::new(vec![]).await;
    assert_eq!(rig.ask(&search(blind)).await, not_found(false));
    assert_eq!(rig.server.connections(), 0);
}
