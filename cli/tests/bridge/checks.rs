//! Who may pay, and who may say so.

use crate::http;
use crate::rig::{ACCOUNT, APPROVED, Bridge, WEBHOOK_SECRET};
use crate::stage::{PATIENCE, until};
use crate::teller::{Teller, code, transfer, transfer_from};
use aws_lc_rs::hmac;
use serde_json::json;

/// What a webhook says of a customer, in its bytes.
fn event(customer: &str, applicant: &str, kind: &str, result: &str, at_ms: i64) -> Vec<u8> {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap();
    let status = match kind {
        "applicantOnHold" => "onHold",
        "applicantPending" => "pending",
        _ => "completed",
    };
    let review = match result {
        "" => json!(null),
        "GREEN" => json!({ "reviewAnswer": "GREEN" }),
        _ => json!({ "reviewAnswer": "RED", "reviewRejectType": "FINAL",
                     "rejectLabels": [result] }),
    };
    let mut event = json!({
        "applicantId": applicant, "externalUserId": customer, "type": kind,
        "inspectionId": "i", "correlationId": "c", "levelName": "basic-kyc-level",
        "reviewStatus": status, "sandboxMode": true,
        "createdAtMs": at.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string(),
    });
    if !review.is_null() {
        event["reviewResult"] = review;
    }
    event.to_string().into_bytes()
}

/// Posts it, signed with a secret.
fn post(rig: &Bridge, body: &[u8], secret: &str, algorithm: (hmac::Algorithm, &str)) -> u16 {
    let key = hmac::Key::new(algorithm.0, secret.as_bytes());
    let digest = hmac::sign(&key, body);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [("x-payload-digest", digest.as_str()), ("x-payload-digest-alg", algorithm.1)];
    let page = http::request(rig.ports.http, "POST", "/v1/webhooks/sumsub", &headers, body);
    page.unwrap().status
}

const SHA256: (hmac::Algorithm, &str) = (hmac::HMAC_SHA256, "HMAC_SHA256_HEX");
const SHA1: (hmac::Algorithm, &str) = (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, "HMAC_SHA1_HEX");

#[test]
fn who_is_not_approved_does_not_pay() {
    let mut rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let others = [
        ("NO2110000000001", "c-2", "none", "57"),
        ("NO9110000000002", "c-3-red-final", "rejected", "62"),
        ("NO4610000000133", "c-4-blocklist", "rejected_risk", "59"),
        ("NO1910000000134", "c-5-red-retry", "resubmit", "57"),
        ("NO8910000000135", "c-6-hold", "on_hold", "57"),
        ("NO6210000000136", "c-7-green-underage", "approved", "57"),
    ];
    for (account, customer, status, expected) in others {
        rig.link(account, customer);
        if status != "none" {
            rig.check(customer, status);
        }
        let answer = teller.ask(&transfer_from(account, 10_000));
        assert_eq!(code(&answer), expected, "{customer}: {answer:?}");
    }
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 0, "the bank was asked");
    // Whoever is refused is looked up once more, and an auditor finds it.
    let looked_up = |customer: &str| {
        let sql = "SELECT count(*) FROM v_audit WHERE action = 'aml-check' AND detail LIKE ?||':%'";
        rig.count("veksel.db", sql, customer)
    };
    for refused in ["c-3-red-final", "c-4-blocklist"] {
        until("a check of the lists", PATIENCE, || (looked_up(refused) > 0).then_some(()));
    }
    assert_eq!(["c-5-red-retry", "c-6-hold", APPROVED].map(looked_up), [0; 3]);
    // A balance is not held up.
    let said = rig.send(&["balance", "--account", "NO2110000000001"]);
    assert!(said.starts_with("response 00"), "{said}");
    assert_eq!(code(&teller.ask(&transfer(10_000))), "09");
    rig.kyc.take().unwrap().kill();
    assert_eq!(code(&teller.ask(&transfer(10_000))), "09", "the provider is away");
}

#[test]
fn only_the_provider_says_who_is_who() {
    let mut rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let shown = rig.call("GET", &format!("/api/kyc/status/{APPROVED}"), &json!(null)).json();
    let applicant = shown["applicantId"].as_str().unwrap().to_owned();
    let now = jiff::Timestamp::now().as_millisecond();
    let red = |at| event(APPROVED, &applicant, "applicantReviewed", "BLOCKLIST", at);
    // Forged, by SHA-1, of an unknown kind, unsigned.
    assert_eq!(post(&rig, &red(now + 60_000), "another", SHA256), 401);
    assert_eq!(post(&rig, &red(now + 60_000), WEBHOOK_SECRET, SHA1), 401);
    let md5 = (hmac::HMAC_SHA256, "HMAC_MD5_HEX");
    assert_eq!(post(&rig, &red(now + 60_000), WEBHOOK_SECRET, md5), 401);
    let bare = http::request(rig.ports.http, "POST", "/v1/webhooks/sumsub", &[], &red(now));
    assert_eq!(bare.unwrap().status, 401);
    // Genuine, and older than what is known.
    assert_eq!(post(&rig, &red(now - 3_600_000), WEBHOOK_SECRET, SHA256), 200);
    assert_eq!(rig.customer(APPROVED), "approved");
    // Genuine and new: it counts until the provider has said how it is.
    let pending = event(APPROVED, &applicant, "applicantPending", "", now + 1_000);
    assert_eq!(post(&rig, &pending, WEBHOOK_SECRET, SHA256), 200);
    rig.await_customer(APPROVED, "approved");
    // The same bytes once more.
    assert_eq!(post(&rig, &pending, WEBHOOK_SECRET, SHA256), 200);
    assert_eq!(rig.customer(APPROVED), "approved");
    // Of somebody else who claims to be this customer.
    let stranger = event(APPROVED, "somebody", "applicantReviewed", "BLOCKLIST", now + 2_000);
    post(&rig, &stranger, WEBHOOK_SECRET, SHA256);
    assert_eq!(rig.customer(APPROVED), "approved");
    assert_eq!(code(&teller.ask(&transfer(10_000))), "09");
    // And that a genuine one does count: without the provider nobody takes it back.
    rig.kyc.take().unwrap().kill();
    assert_eq!(post(&rig, &red(now + 3_000), WEBHOOK_SECRET, SHA256), 200);
    assert_eq!(rig.customer(APPROVED), "rejected_risk");
    assert_eq!(code(&teller.ask(&transfer(10_000))), "59");
    // What would give it back is believed only when the provider confirms it.
    let green = event(APPROVED, &applicant, "applicantReviewed", "GREEN", now + 4_000);
    assert_eq!(post(&rig, &green, WEBHOOK_SECRET, SHA256), 200);
    assert_eq!(rig.customer(APPROVED), "rejected_risk");
    assert_eq!(code(&teller.ask(&transfer(10_000))), "59");
    assert!(rig.send(&["balance", "--account", ACCOUNT]).starts_with("response 00"));
}
