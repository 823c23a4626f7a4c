//! Every endpoint over a real socket, with an engine that is a few lines: what is asked of it,
//! what its answers look like, and what becomes of requests that are none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod console;
mod document;
mod people;
mod platform;
mod provided;
mod rig;
mod secure;
#[path = "../../../../cli/tests/canary/watch.rs"]
mod watch;

use rig::{Rig, Said, json};
use std::time::Duration;
use veksel_core::enquiry::{Call, Check, Checks, Failed, Failure, Moved, Secret, Told};
use veksel_core::fact::{ConsentStatus, Customer, KycStatus, Linked, PaymentState};
use veksel_core::record::CardNumber;
use veksel_core::{BankId, Utc};

/// Computed elsewhere.
const DIGEST_OF_A_PUSH: &str = "e326d609d2ce4d64f17511c4500ed3f695751d9f1e0cd4ddd1374047b8a4e993";

const STATE: &str = "00112233445566778899aabbccddeeff";

fn state() -> [u8; 16] {
    u128::from_str_radix(STATE, 16).unwrap().to_be_bytes()
}

fn linked(status: ConsentStatus) -> Linked {
    Linked {
        account: "10000000001".into(),
        bank: "nordbank".into(),
        iban: "NO9386011117947".into(),
        currency: 578,
        customer: "c-1".into(),
        status,
        state: [0xee; 16],
        ..Linked::default()
    }
}

fn customer() -> Customer {
    Customer {
        customer: "c-1".into(),
        applicant: "63e0".into(),
        status: KycStatus::Pending,
        ..Customer::default()
    }
}

fn failed(why: Failed, code: &str) -> Told {
    Told::Failed(Failure { code: code.into(), ..Failure::before(why) })
}

#[test]
fn a_customer_comes_back_and_sees_how_it_stands() {
    let rig = Rig::new();
    let path = format!("/api/payments/callback?s={STATE}&paymentId=77");
    for (told, status, text) in [
        (Told::Payment(PaymentState::Accepted), 200, "Approved"),
        (Told::Payment(PaymentState::Rejected), 200, "Refused"),
        (Told::Payment(PaymentState::Pending), 200, "Thank you"),
        (Told::Payment(PaymentState::Expired), 200, "Expired"),
        (Told::Noted, 200, "Thank you"),
        (failed(Failed::Late, ""), 200, "Thank you"),
        (Told::Unknown, 400, "Not known"),
        (Told::Busy, 503, "One moment"),
    ] {
        rig.tell(told);
        let said = rig.get(&path);
        assert_eq!(said.status, status, "{text}");
        assert!(said.body.contains(text), "{}", said.body);
        assert_eq!(said.header("cache-control"), "no-store");
        assert!(said.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(rig.heard(), Some(Call::Moved(Moved::State(state()))));
    }
    let consent = Told::Linked { linked: Box::new(linked(ConsentStatus::Valid)), approve: None };
    rig.tell(consent);
    let said = rig.get(&path);
    assert!(
        said.body.contains("account is linked") && !said.body.contains("8601"),
        "{}",
        said.body
    );
    rig.heard();
    // Nothing that comes in is repeated, and what is no state asks nobody.
    for query in ["", "?s=", "?s=zz", "?s=<script>alert(1)</script>", "?paymentId=77", "?S=1"] {
        let said = rig.get(&format!("/api/payments/callback{query}"));
        assert_eq!((said.status, rig.heard()), (400, None), "{query}");
        assert!(!said.body.contains("script"), "{}", said.body);
    }
}

#[test]
fn a_push_is_a_hint_and_says_nothing_back() {
    let rig = Rig::new();
    let payment = || Moved::Payment { bank: BankId(1), payment: "p-7".into() };
    let body = r#"{"paymentId":"p-7","transactionStatus":"ACSC","_links":{}}"#;
    for told in [Told::Noted, Told::Unknown, Told::Payment(PaymentState::Settled)] {
        rig.tell(told);
        let said = rig.post("/api/push/sorbank", body);
        assert_eq!((said.status, said.body.as_str()), (200, r#"{"status":"ok"}"#));
        assert_eq!(rig.heard(), Some(Call::Moved(payment())));
    }
    rig.tell(Told::Busy);
    assert_eq!(rig.post("/api/push/sorbank", body).status, 503);
    rig.heard();
    rig.tell(Told::Noted);
    let said = rig.post("/api/push/nordbank", r#"{"consentId":"c-1","consentStatus":"valid"}"#);
    let consent = Moved::Consent { bank: BankId(0), consent: "c-1".into() };
    assert_eq!((said.status, rig.heard()), (200, Some(Call::Moved(consent))));
    for (path, body, status) in [
        ("/api/push/vestbank", body, 404),
        ("/api/push/nordbank", "{}", 400),
        ("/api/push/nordbank", "[]", 400),
        ("/api/push/nordbank", "nonsense", 400),
        ("/api/push/nordbank", r#"{"paymentId":7}"#, 400),
        ("/api/push/nordbank", r#"{"paymentId":"a","consentId":"b"}"#, 400),
        ("/api/push/nordbank", r#"{"paymentId":"a\nb"}"#, 400),
    ] {
        let said = rig.post(path, body);
        assert_eq!((said.status, rig.heard()), (status, None), "{path} {body}");
        assert_eq!(json(&said)["error"]["traceId"].as_str(), Some(said.header("x-request-id")));
    }
}

#[test]
fn a_code_that_a_customer_brings_back_is_handed_on_and_shown_nowhere() {
    let rig = Rig::new();
    rig.tell(Told::Payment(PaymentState::Pending));
    let said = rig.get(&format!("/api/payments/callback?s={STATE}&code=c0de%2F1&state={STATE}"));
    assert_eq!((said.status, said.body.contains("c0de")), (200, false), "{}", said.body);
    let code = Secret::new("c0de/1");
    assert_eq!(rig.heard(), Some(Call::Moved(Moved::Code { state: state(), code: code.clone() })));
    assert!(!format!("{:?}", Moved::Code { state: state(), code }).contains("c0de"));
    // Somebody else's answer asks nobody.
    let other = STATE.replace("ff", "fe");
    let said = rig.get(&format!("/api/payments/callback?s={STATE}&code=c0de&state={other}"));
    assert_eq!((said.status, rig.heard()), (400, None));
}

#[test]
fn a_link_id_leads_to_where_it_is_approved() {
    let rig = Rig::new();
    let page = "https://bank.example/sca/1?x=y";
    rig.tell(Told::Approve(page.into()));
    let said = rig.get("/approve/A1B2C3D4E5F6");
    assert_eq!((said.status, said.header("location")), (303, page));
    assert_eq!(said.header("referrer-policy"), "no-referrer");
    assert_eq!(rig.heard(), Some(Call::Approve { link: "a1b2c3d4e5f6".into() }));
    for (told, status, text) in [
        (Told::Approve(String::new()), 200, "open the app"),
        (Told::Payment(PaymentState::Accepted), 200, "Approved"),
        (Told::Unknown, 404, "Not known"),
        (Told::Busy, 503, "One moment"),
        (Told::Noted, 500, "One moment"),
    ] {
        rig.tell(told);
        let said = rig.get("/approve/a1b2c3d4e5f6");
        assert_eq!((said.status, said.header("location")), (status, ""), "{text}");
        assert!(said.body.contains(text), "{}", said.body);
        rig.heard();
    }
    for link in ["a1b2c3d4e5f", "a1b2c3d4e5f67", "g1b2c3d4e5f6", "%2e%2e%2fabcdefabcdef"] {
        let said = rig.get(&format!("/approve/{link}"));
        assert_eq!((said.status, rig.heard()), (404, None), "{link}");
    }
}

#[test]
fn a_push_is_signed_where_a_secret_is_configured() {
    let rig = Rig::new();
    let body = r#"{"paymentId":"p-7"}"#;
    // HMAC-SHA-256 of the body under `push-secret`.
    let digest = DIGEST_OF_A_PUSH;
    let json = ("content-type", "application/json");
    rig.tell(Told::Noted);
    let path = "/api/push/signbank";
    let said = rig.send("POST", path, &[json, ("x-payload-digest", digest)], body);
    let payment = Moved::Payment { bank: BankId(2), payment: "p-7".into() };
    assert_eq!((said.status, rig.heard()), (200, Some(Call::Moved(payment))));
    let upper = digest.to_uppercase();
    rig.tell(Told::Noted);
    assert_eq!(rig.send("POST", path, &[json, ("x-payload-digest", &upper)], body).status, 200);
    rig.heard();
    let spaced = body.replace(':', ": ");
    for (headers, body) in [
        (&[json][..], body),
        (&[json, ("x-payload-digest", digest)], spaced.as_str()),
        (&[json, ("x-payload-digest", &digest[2..])], body),
        (&[json, ("x-payload-digest", "zz")], body),
        (&[json, ("x-payload-digest", digest), ("x-payload-digest", digest)], body),
    ] {
        let said = rig.send("POST", path, headers, body);
        assert_eq!((said.status, rig.heard()), (401, None), "{headers:?}");
    }
}

#[test]
fn a_webhook_is_taken_in_if_its_digest_is_right() {
    let rig = Rig::new();
    let digest = [("x-payload-digest", "good"), ("x-payload-digest-alg", "HMAC_SHA256_HEX")];
    for path in ["/v1/webhooks/sumsub", "/api/kyc/webhook"] {
        // The bytes as they came, white space and all.
        let body = "{ \"type\" : \"applicantReviewed\" }\r\n";
        rig.tell(Told::Noted);
        let said = rig.send("POST", path, &digest, body);
        assert_eq!((said.status, said.body.as_str()), (200, r#"{"status":"ok"}"#));
        match rig.heard() {
            Some(Call::Event(event)) => assert_eq!(event.kind, body),
            other => panic!("{other:?}"),
        }
        rig.tell(Told::Busy);
        assert_eq!(rig.send("POST", path, &digest, body).status, 503);
        rig.heard();
    }
    let path = "/v1/webhooks/sumsub";
    for (headers, status) in [
        (&[("x-payload-digest", "bad"), digest[1]][..], 401),
        (&[digest[0], ("x-payload-digest-alg", "HMAC_SHA1_HEX")], 401),
        (&[digest[0]], 401),
        (&[], 401),
        (&[digest[0], digest[0], digest[1]], 401),
        (&[("x-payload-digest", "unreadable"), digest[1]], 400),
    ] {
        let said = rig.send("POST", path, headers, "{}");
        assert_eq!((said.status, rig.heard()), (status, None), "{headers:?}");
    }
    let code = &json(&rig.send("POST", path, &[], "{}"))["error"]["code"];
    assert_eq!(code, "invalid_digest");
}

#[test]
fn checks_are_begun_and_looked_at() {
    let rig = Rig::new();
    let check = |email: Option<&str>| Call::Check {
        customer: "c-1".into(),
        email: email.map(str::to_owned),
        phone: None,
        level: String::new(),
    };
    let told = || {
        let token = Some(Secret::new("act-token"));
        Told::Checked { customer: Box::new(customer()), token }
    };
    rig.tell(told());
    let said = rig.post("/api/kyc/initiate", r#"{"customer":" c-1 ","email":"a@b.example"}"#);
    assert_eq!((said.status, &json(&said)["token"]), (200, &"act-token".into()));
    assert_eq!(json(&said)["status"], "pending");
    assert_eq!(rig.heard(), Some(check(Some("a@b.example"))));
    rig.tell(told());
    let said = rig.get("/api/kyc/initiate?customer=c-1&email=a%40b.example");
    assert_eq!((said.status, &json(&said)["token"]), (200, &"act-token".into()));
    assert_eq!(rig.heard(), Some(check(Some("a@b.example"))));
    for query in ["", "?customer=", "?customer=a&customer=b", "?customer=c&x=1", "?customer=%0a"] {
        let said = rig.get(&format!("/api/kyc/initiate{query}"));
        assert_eq!((said.status, rig.heard()), (400, None), "{query}");
    }
    for (told, status, code) in [
        (failed(Failed::Unavailable, ""), 503, "unavailable"),
        (failed(Failed::BreakerOpen, ""), 503, "unavailable"),
        (failed(Failed::Credentials, ""), 503, "unavailable"),
        (failed(Failed::Refused, ""), 422, "refused"),
        (failed(Failed::NotFound, "applicant_owned_elsewhere"), 409, "applicant_owned_elsewhere"),
        (Told::Busy, 503, "busy"),
        (Told::Noted, 500, "internal"),
    ] {
        rig.tell(told);
        let said = rig.post("/api/kyc/initiate", r#"{"customer":"c-1"}"#);
        assert_eq!((said.status, &json(&said)["error"]["code"]), (status, &code.into()));
        if code == "unavailable" {
            let message = &json(&said)["error"]["message"];
            assert_eq!(message, "verification temporarily unavailable");
        }
        rig.heard();
    }
    for body in [r#"{}"#, r#"{"customer":7}"#, r#"{"customer":"c","age":1}"#, r#"{"customer":""}"#]
    {
        assert_eq!(
            (rig.post("/api/kyc/initiate", body).status, rig.heard()),
            (400, None),
            "{body}"
        );
    }
    rig.tell(Told::Checked { customer: Box::new(customer()), token: None });
    let said = rig.get("/api/kyc/status/c-1");
    assert_eq!((said.status, &json(&said)["reviewedAt"]), (200, &serde_json::Value::Null));
    assert!(json(&said).get("token").is_none());
    assert_eq!(rig.heard(), Some(Call::Checked { customer: "c-1".into() }));
    rig.tell(Told::Unknown);
    assert_eq!(rig.get("/api/kyc/status/nobody").status, 404);
}

#[test]
fn each_check_of_a_customer_is_shown_by_itself() {
    let rig = Rig::new();
    let checks = Checks {
        document: Check::Pass,
        liveness: Check::Pass,
        face_match: Check::Fail,
        sanctions: Check::Unknown,
        pep: Check::Unknown,
    };
    rig.tell(Told::Checks { applicant: "63e0".into(), checks });
    let said = rig.get("/api/kyc/checks/c-1");
    let shown = serde_json::json!({
        "customer": "c-1",
        "applicantId": "63e0",
        "document": "pass",
        "liveness": "pass",
        "faceMatch": "fail",
        "sanctions": "unknown",
        "pep": "unknown",
    });
    assert_eq!((said.status, json(&said)), (200, shown));
    assert_eq!(said.header("cache-control"), "no-store");
    assert_eq!(rig.heard(), Some(Call::Checks { customer: "c-1".into() }));
    for (told, status, code) in [
        (Told::Unknown, 404, "not_found"),
        (failed(Failed::NotFound, ""), 404, "not_found"),
        (failed(Failed::Late, ""), 503, "unavailable"),
        (Told::Busy, 503, "busy"),
        (Told::Noted, 500, "internal"),
    ] {
        rig.tell(told);
        let said = rig.get("/api/kyc/checks/c-1");
        assert_eq!((said.status, &json(&said)["error"]["code"]), (status, &code.into()));
        rig.heard();
    }
    assert_eq!((rig.get("/api/kyc/checks/%0a").status, rig.heard()), (400, None));
    assert_eq!(Rig::with_token("s3cret").get("/api/kyc/checks/c-1").status, 401);
}

#[test]
fn accounts_are_linked_shown_and_given_up() {
    let rig = Rig::new();
    let waiting = Linked { until: Utc(1_795_184_887_123), ..linked(ConsentStatus::Waiting) };
    let approve = Some("https://bank.example/sca/1".to_owned());
    rig.tell(Told::Linked { linked: Box::new(waiting), approve });
    let body = r#"{"account":"10000000001","bank":"nordbank","iban":"no93 8601 1117 947",
        "currency":"578","customer":"c-1"}"#;
    let said = rig.post("/api/accounts", body);
    let shown = json(&said);
    assert_eq!((said.status, &shown["approve"]), (200, &"https://bank.example/sca/1".into()));
    assert_eq!((&shown["iban"], &shown["status"]), (&"****7947".into(), &"waiting".into()));
    // The state is between the bank and us.
    assert!(!said.body.contains("eeee"));
    let link = Call::Link {
        account: "10000000001".into(),
        bank: "nordbank".into(),
        iban: "NO9386011117947".into(),
        currency: 578,
        customer: "c-1".into(),
    };
    assert_eq!(rig.heard(), Some(link));
    for (from, to) in [
        ("nordbank", "vestbank"),
        ("947\"", "948\""),
        ("\"578\"", "\"NOK\""),
        ("\"578\"", "0"),
        ("\"578\"", "57800"),
        ("10000000001", "1 0"),
        ("10000000001", "12345678901234567890123456789"),
        ("customer", "costumer"),
    ] {
        let said = rig.post("/api/accounts", &body.replace(from, to));
        assert_eq!((said.status, rig.heard()), (400, None), "{to}");
        assert!(!said.body.contains("8601"), "{}", said.body);
    }
    rig.tell(Told::Linked { linked: Box::new(linked(ConsentStatus::Valid)), approve: None });
    let said = rig.get("/api/accounts/10000000001");
    assert_eq!((said.status, &json(&said)["status"]), (200, &"valid".into()));
    assert_eq!(rig.heard(), Some(Call::Linked { account: "10000000001".into() }));
    rig.tell(Told::Noted);
    assert_eq!(rig.send("DELETE", "/api/accounts/10000000001", &[], "").status, 200);
    assert_eq!(rig.heard(), Some(Call::Unlink { account: "10000000001".into(), customer: None }));
    rig.tell(Told::Unknown);
    assert_eq!(rig.get("/api/accounts/1").status, 404);
    rig.heard();
    rig.tell(failed(Failed::Unavailable, ""));
    let said = rig.post("/api/accounts", body);
    assert_eq!((said.status, said.header("retry-after")), (503, "1"));
}

#[test]
fn cards_stand_for_accounts_and_no_answer_says_their_numbers() {
    let rig = Rig::new();
    let (path, number) = ("/api/accounts/10000000001/cards", "4111111111111111");
    let call = |is_over: bool| {
        let (account, card) = ("10000000001".into(), CardNumber::new(number));
        let customer = (!is_over).then(|| "c-1".to_owned());
        Some(Call::Card { account, customer, card, is_over })
    };
    for (more, is_over) in [
        (",\"customer\":\"c-1\"", false),
        (",\"customer\":\"c-1\",\"remove\":false", false),
        (",\"remove\":true", true),
    ] {
        rig.tell(Told::Noted);
        let said = rig.post(path, &format!("{{\"card\":\"{number}\"{more}}}"));
        assert_eq!((said.status, said.body.as_str()), (200, r#"{"status":"ok"}"#));
        assert_eq!(rig.heard(), call(is_over));
    }
    for body in [
        "{}",
        r#"{"card":4111111111111111}"#,
        r#"{"card":"41111111111"}"#,
        r#"{"card":"41111111111111111111"}"#,
        r#"{"card":"4111 1111 1111 1111"}"#,
        r#"{"card":"4111111111111111","remove":"yes"}"#,
        r#"{"card":"4111111111111111","pin":"1234"}"#,
    ] {
        let said = rig.post(path, body);
        assert_eq!((said.status, rig.heard()), (400, None), "{body}");
        assert!(!said.body.contains("4111"), "{}", said.body);
    }
    let card = format!("{{\"card\":\"{number}\",\"customer\":\"c-1\"}}");
    for (told, status) in
        [(Told::Unknown, 404), (Told::Busy, 503), (failed(Failed::Duplicate, ""), 409)]
    {
        rig.tell(told);
        let said = rig.post(path, &card);
        assert_eq!(said.status, status, "{said:?}");
        assert!(!said.body.contains(number), "{}", said.body);
        rig.heard();
    }
}

#[test]
fn programs_must_know_the_token_and_others_need_none() {
    let rig = Rig::with_token("s3cret");
    let body = r#"{"customer":"c-1"}"#;
    for (headers, status) in [
        (&[][..], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", "Bearer s3cret")], 200),
    ] {
        rig.tell(Told::Checked { customer: Box::new(customer()), token: None });
        let headers = [&[("content-type", "application/json")], headers].concat();
        assert_eq!(rig.send("POST", "/api/kyc/initiate", &headers, body).status, status);
        let asks = rig.heard().is_some();
        assert_eq!(asks, status == 200);
    }
    for path in ["/api/accounts/1", "/api/kyc/status/c-1", "/api/kyc/initiate?customer=c"] {
        assert_eq!(rig.get(path).status, 401, "{path}");
    }
    assert_eq!(rig.get("/health").status, 200);
    rig.tell(Told::Noted);
    assert_eq!(rig.post("/api/push/nordbank", r#"{"paymentId":"p"}"#).status, 200);
    rig.heard();
    // Without one, pages in a browser are kept out.
    let open = Rig::new();
    let origin = [("content-type", "application/json"), ("origin", "https://evil.example")];
    assert_eq!(open.send("POST", "/api/kyc/initiate", &origin, body).status, 403);
    assert_eq!((open.heard(), rig.heard()), (None, None));
}

#[test]
fn health_is_what_the_switch_says_under_every_name() {
    let rig = Rig::new();
    for path in ["/health", "/api/health", "/v1/health"] {
        let said = rig.get(path);
        assert_eq!((said.status, said.body.as_str()), (200, r#"{"status":"ok"}"#), "{path}");
    }
    *rig.health.lock().unwrap() = Err("the journal is full");
    for path in ["/health", "/api/health", "/v1/health"] {
        let said = rig.get(path);
        assert_eq!(said.status, 503, "{path}");
        assert_eq!(json(&said)["reason"], "the journal is full");
        assert!(!said.body.contains(r#""status":"ok""#), "{path}");
    }
}

#[test]
fn what_is_no_request_is_answered_and_hurts_nobody() {
    let rig = Rig::new();
    for (method, path, headers, body, status) in [
        ("GET", "/nowhere", &[][..], "", 404),
        ("PUT", "/api/accounts", &[], "", 405),
        ("POST", "/health", &[], "", 405),
        ("POST", "/api/accounts", &[("content-type", "text/plain")], "{}", 415),
        ("POST", "/api/accounts", &[], "{}", 415),
        ("POST", "/api/accounts", &[("content-type", "application/json")], "{", 400),
        ("GET", "/api/accounts/%ff", &[], "", 400),
    ] {
        let said = rig.send(method, path, headers, body);
        assert_eq!((said.status, rig.heard()), (status, None), "{method} {path}");
        assert!(json(&said)["error"]["message"].is_string());
    }
    let large = "x".repeat(5_000);
    assert_eq!(rig.post("/api/push/nordbank", &large).status, 413);
    // One that says it is larger still, and never comes; the next is served meanwhile.
    let slow =
        rig.raw("POST /api/push/nordbank HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n");
    assert_eq!(rig.get("/health").status, 200);
    drop(slow);
    // A head that is too large, too long in coming, or none.
    let many = (0..200).map(|n| format!("x-{n}: {n}\r\n")).collect::<String>();
    for head in [
        format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000)),
        format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        "GET /health HTTP/1.1\r\nhost: x\r\n".to_owned(),
        "\0\0\0\0 nonsense\r\n\r\n".to_owned(),
    ] {
        let said = rig.raw(&head).read_to_end();
        assert!(!said.contains(" 200 "), "{said}");
    }
    let said = rig.send("GET", "/health", &[("x-request-id", "mine-1")], "");
    assert_eq!((said.status, said.header("x-request-id")), (200, "mine-1"));
    let said = rig.send("GET", "/health", &[("x-request-id", "not mine")], "");
    assert_ne!(said.header("x-request-id"), "not mine");
    assert!(rig.counted("/health", 200) >= 3 && rig.counted("none", 404) == 1);
}

#[test]
fn an_engine_that_is_gone_or_full_is_busy() {
    let rig = Rig::new();
    // Nothing is told: the engine drops the call, as when the switch stops.
    let Said { status, body, .. } = rig.get("/api/kyc/status/c-1");
    assert_eq!(status, 503, "{body}");
}

#[test]
fn a_stop_finishes_what_is_under_way_and_takes_nothing_new() {
    let rig = Rig::new();
    rig.tell_after(Duration::from_millis(300), Told::Noted);
    let under_way = rig.begin("POST", "/api/push/nordbank", r#"{"paymentId":"p"}"#);
    rig.wait_for_call();
    rig.stop();
    assert_eq!(under_way.finish().status, 200);
    assert!(rig.is_closed());
}
