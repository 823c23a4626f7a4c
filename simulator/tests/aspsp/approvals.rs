//! From the order to the money: approval, refusal, no decision, cancellation, pushes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::Value;

use crate::rig::{BACK, BACK_NOK, DELAYS, IBAN, OTHER, Rig, path_of, refusal};

#[test]
fn an_approved_payment_moves_money_once_and_says_where_the_customer_goes() {
    let rig = Rig::new();
    let (before, other) = (rig.balance(IBAN), rig.balance(OTHER));
    let answer = rig.order("dnb", "150.00", &[]);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("aspsp-sca-approach"), Some("REDIRECT"));
    let body = answer.json();
    assert_eq!(body["transactionStatus"], "RCVD");
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    assert_eq!(path_of(answer.header("location").unwrap()), payment);
    assert_eq!(rig.status("dnb", &payment), "RCVD");
    let question = rig.question("dnb", &body);
    let page = rig.raw("dnb", "GET", &question, &[], b"");
    assert_eq!(page.status, 200);
    for text in ["150.00 NOK", IBAN, OTHER, "Kiosk Oslo S", "605410000123 TERM0001"] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    let sca = path_of(body["_links"]["scaStatus"]["href"].as_str().unwrap());
    assert_eq!(rig.ask("dnb", "GET", &sca, &[], None).json()["scaStatus"], "started");
    assert_eq!(rig.balance(IBAN), before, "money moved before the approval");
    let pressed = rig.press("dnb", &question, "approve");
    assert_eq!((pressed.status, pressed.header("location")), (303, Some(BACK)));
    assert_eq!(rig.ask("dnb", "GET", &sca, &[], None).json()["scaStatus"], "finalised");
    rig.await_status("dnb", &payment, "ACSC");
    assert_eq!(rig.press("dnb", &question, "approve").status, 409);
    assert_eq!((rig.balance(IBAN), rig.balance(OTHER)), (before - 15_000, other + 15_000));
    let shown = rig.ask("dnb", "GET", &payment, &[], None).json();
    assert_eq!(shown["instructedAmount"]["amount"], "150.00");
    assert_eq!(shown["creditorAccount"]["iban"], OTHER);
    rig.close();
}

/// The code of this second, by the means of whoever has the customer's telephone.
fn code(rig: &Rig) -> String {
    let secret = totp_rs::Secret::try_from_base32(SECRET).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(rig.sandboxes.clock().now_ms() / 1_000).to_string()
}

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn an_approval_wants_a_code_that_is_good_once() {
    let rig = Rig::with_codes(DELAYS, Some(SECRET));
    let order = || {
        let body = rig.order("dnb", "150.00", &[]).json();
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        (payment, rig.question("dnb", &body))
    };
    let approve = |question: &str, code: &str| {
        let path = format!("{question}/approve");
        rig.raw("dnb", "POST", &path, &[], format!("code={code}").as_bytes())
    };
    let (payment, question) = order();
    let page = rig.raw("dnb", "GET", &question, &[], b"");
    assert!(page.text().contains("id=\"code\""), "{}", page.text());
    for wrong in ["", "0000000"] {
        let answer = approve(&question, wrong);
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("The code is wrong."), "{}", answer.text());
    }
    assert_eq!(rig.status("dnb", &payment), "RCVD");
    let right = code(&rig);
    assert_eq!(approve(&question, &right).status, 303);
    rig.await_status("dnb", &payment, "ACSC");
    // The same code is worth nothing any more; the third that is wrong is a no.
    let (payment, question) = order();
    assert_eq!(approve(&question, &right).status, 403);
    rig.advance(60_000);
    let by_link = rig.raw("dnb", "GET", &format!("{question}?auto=approve&code=1"), &[], b"");
    assert_eq!(by_link.status, 403);
    let refused = approve(&question, "1");
    assert_eq!((refused.status, refused.header("location")), (303, Some(BACK_NOK)));
    assert_eq!(rig.status("dnb", &payment), "RJCT");
    let (payment, question) = order();
    let link = format!("{question}?auto=approve&code={}", code(&rig));
    assert_eq!(rig.raw("dnb", "GET", &link, &[], b"").status, 303);
    rig.await_status("dnb", &payment, "ACSC");
    rig.close();
}

#[test]
fn a_rejected_payment_leads_to_the_other_address_and_moves_nothing() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let body = rig.order("dnb", "150.00", &[]).json();
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    let pressed = rig.press("dnb", &rig.question("dnb", &body), "reject");
    assert_eq!((pressed.status, pressed.header("location")), (303, Some(BACK_NOK)));
    assert_eq!(rig.status("dnb", &payment), "RJCT");
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn an_abandoned_payment_waits_and_then_is_rejected() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let body = rig.order("dnb", "150.00", &[]).json();
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    let question = rig.question("dnb", &body);
    let pressed = rig.press("dnb", &question, "abandon");
    assert_eq!((pressed.status, pressed.header("location")), (200, None));
    assert_eq!(rig.status("dnb", &payment), "RCVD");
    rig.advance(900_001);
    rig.await_status("dnb", &payment, "RJCT");
    assert_eq!(rig.press("dnb", &question, "approve").status, 409);
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn a_link_can_decide_by_itself() {
    let rig = Rig::new();
    let body = rig.order("dnb", "150.00", &[]).json();
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    let question = rig.question("dnb", &body);
    let wrong = rig.raw("dnb", "GET", &format!("{question}?auto=maybe"), &[], b"");
    assert_eq!(wrong.status, 400);
    let auto = rig.raw("dnb", "GET", &format!("{question}?auto=approve&delay_ms=20"), &[], b"");
    assert_eq!((auto.status, auto.header("location")), (303, Some(BACK)));
    rig.await_status("dnb", &payment, "ACSC");
    rig.close();
}

#[test]
fn what_is_posted_cannot_be_cancelled_and_what_is_not_can() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let body = rig.order("dnb", "150.00", &[]).json();
    let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
    let question = rig.question("dnb", &body);
    for _ in 0..2 {
        assert_eq!(rig.ask("dnb", "DELETE", &payment, &[], None).status, 204);
    }
    assert_eq!(rig.status("dnb", &payment), "CANC");
    assert_eq!(rig.press("dnb", &question, "approve").status, 409);
    assert_eq!(rig.balance(IBAN), before);
    let payment = rig.pay("dnb", "150.00", &[]);
    rig.await_status("dnb", &payment, "ACSC");
    let late = rig.ask("dnb", "DELETE", &payment, &[], None);
    assert_eq!(refusal(&late), (405, "CANCELLATION_INVALID".to_owned()));
    assert_eq!(rig.status("dnb", &payment), "ACSC");
    assert_eq!(rig.balance(IBAN), before - 15_000);
    rig.close();
}

#[test]
fn one_bank_asks_the_customer_before_it_cancels() {
    let delays = veksel_simulator::sandbox::aspsp::Delays { accept_ms: 60_000, ..DELAYS };
    let rig = Rig::with(delays);
    let before = rig.balance(IBAN);
    let payment = rig.pay("sparebank1", "150.00", &[]);
    assert_eq!(rig.status("sparebank1", &payment), "ACTC");
    let answer = rig.ask("sparebank1", "DELETE", &payment, &[], None);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(rig.status("sparebank1", &payment), "ACTC");
    let question = rig.question("sparebank1", &answer.json());
    assert_eq!(rig.press("sparebank1", &question, "approve").status, 303);
    assert_eq!(rig.status("sparebank1", &payment), "CANC");
    rig.advance(60_001);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(rig.status("sparebank1", &payment), "CANC");
    assert_eq!(rig.balance(IBAN), before);
    rig.close();
}

#[test]
fn without_money_it_is_rejected_or_parked_as_the_order_says() {
    let rig = Rig::new();
    let refused =
        rig.order("dnb", "99999999.00", &[("TPP-Rejection-NoFunds-Preferred", "true")]).json();
    assert_eq!(refused["transactionStatus"], "RJCT");
    assert!(refused["_links"]["scaRedirect"].is_null());
    let link = path_of(refused["_links"]["status"]["href"].as_str().unwrap());
    let status = rig.ask("dnb", "GET", &link, &[], None).json();
    assert_eq!(status["tppMessages"][0]["code"], "FUNDS_NOT_AVAILABLE");
    assert_eq!(status["fundsAvailable"], false);
    let parked = rig.pay("dnb", "99999999.00", &[]);
    rig.await_status("dnb", &parked, "PDNG");
    rig.advance(3_700_000);
    rig.await_status("dnb", &parked, "RJCT");
    rig.close();
}

/// Takes pushes and answers 200, after it refused the first.
fn receiver() -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/push?s=1", listener.local_addr().unwrap());
    let (told, tell) = mpsc::sync_channel(100);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            let (head, body) = loop {
                let count = stream.read(&mut piece).unwrap();
                bytes.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && serde_json::from_str::<Value>(body).is_ok()
                {
                    break (head.to_owned(), body.to_owned());
                }
                assert!(count > 0, "{text}");
            };
            let status = if number == 0 { "503 Later" } else { "200 OK" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            if number > 0 && told.send((head, body)).is_err() {
                return;
            }
        }
    });
    (uri, tell)
}

#[test]
fn status_changes_are_pushed_to_who_asked_for_them() {
    let rig = Rig::new();
    let (uri, told) = receiver();
    let wanted = [
        ("TPP-Notification-URI", uri.as_str()),
        ("TPP-Notification-Content-Preferred", "status=SCA,PROCESS,LAST"),
    ];
    let payment = rig.pay("dnb", "150.00", &wanted);
    let id = payment.rsplit('/').next().unwrap().to_owned();
    let mut seen = Vec::new();
    while !seen.iter().any(|status| status == "ACSC") {
        let (head, body) = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(head.starts_with("POST /push?s=1 HTTP/1.1"), "{head}");
        assert!(head.to_lowercase().contains("x-request-id: "), "{head}");
        // The sandbox was told to sign them, over the body as it is.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"push-secret");
        let digest = hmac::sign(&key, body.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(head.to_lowercase().contains(&format!("x-payload-digest: {digest}")), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["paymentId"], id.as_str());
        let status = body["transactionStatus"].as_str().or_else(|| body["scaStatus"].as_str());
        seen.push(status.unwrap().to_owned());
    }
    assert!(seen.contains(&"ACSP".to_owned()), "{seen:?}");
    let plain = rig.order("dnb", "150.00", &[]);
    assert_eq!(plain.header("aspsp-notification-support"), Some("false"));
    rig.close();
}
