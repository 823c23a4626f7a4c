//! Webhooks of Didit, with every part of them tried otherwise.

use super::*;
use veksel_core::fact::KycStatus;

const NOW: u64 = 1_771_840_800;

// Made by another program: hmac.new(b"webhook-secret", text, sha256), the body as it stands, and
// json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")) with 5.0 as 5.
const BODY: &str = r#"{ "timestamp": 1771840800, "session_id": "s-1", "status": "Approved",
 "webhook_type": "status.updated", "created_at": 1771840700, "vendor_data": "usr_é",
 "workflow_id": "w-1", "decision": {"score": 5.0, "b": [1, null, true], "a": "x"} }"#;
const RAW: &str = "b3e022123a31732e3d7ea9b6e7a4b65b9c528885b9e26602b1f7386382f68863";
const SORTED: &str = "83f7ff34a9f368a5a1b6b348c82ef1d2321c7b8620d4fed79ebe8b501fc8e5a2";
const SIMPLE: &str = "261d42c2f4f7a1b693da2b468529a4b656ec5cd10cca05a57fb4227f42e6650a";

fn keys() -> WebhookKeys {
    let secrets = vec![Secret::new("old"), Secret::new("webhook-secret")];
    WebhookKeys::new(secrets, false, Vec::new())
}

fn webhook() -> Webhook<'static> {
    Webhook {
        timestamp: Some("1771840800"),
        raw: Some(RAW),
        sorted: None,
        simple: None,
        body: BODY.as_bytes(),
    }
}

#[test]
fn each_signature_is_that_of_the_provider() {
    let event = keys().event(webhook(), NOW).unwrap();
    assert_eq!(event.kind, "status.updated");
    assert_eq!(event.review.customer, "usr_é");
    assert_eq!(event.review.status, Some(KycStatus::Approved));
    assert_eq!(event.at, Utc(1_771_840_700_000));
    // Written anew on the way, and still signed.
    let again = serde_json::from_str::<Value>(BODY).unwrap().to_string();
    let other = Webhook { sorted: Some(SORTED), body: again.as_bytes(), ..webhook() };
    assert_eq!(keys().event(other, NOW), Ok(event.clone()));
    let only = Webhook { raw: None, ..other };
    assert_eq!(keys().event(only, NOW), Ok(event));
    let wrong = Webhook { sorted: None, ..other };
    assert_eq!(keys().event(wrong, NOW), Err(WebhookError::Signature));
    // The simple one says who and how, and no more.
    let simple = Webhook { raw: None, simple: Some(SIMPLE), ..webhook() };
    assert_eq!(keys().event(simple, NOW), Err(WebhookError::NoSignature));
    let lenient = WebhookKeys { allow_simple: true, ..keys() };
    let found = lenient.event(simple, NOW).unwrap();
    assert_eq!((found.review.customer.as_str(), found.review.level.as_str()), ("", ""));
    assert_eq!(found.review.status, Some(KycStatus::Approved));
    assert_eq!(found.at, Utc(NOW * 1_000));
    // It does not make up for one that is wrong.
    let both = Webhook { raw: Some(SIMPLE), ..simple };
    assert_eq!(lenient.event(both, NOW), Err(WebhookError::Signature));
}

#[test]
fn what_is_not_from_the_provider_or_not_of_now_is_refused() {
    let refused = |webhook, now| keys().event(webhook, now).unwrap_err();
    assert_eq!(refused(Webhook { raw: None, ..webhook() }, NOW), WebhookError::NoSignature);
    for raw in ["", "zz", &RAW[1..], SIMPLE] {
        let wrong = Webhook { raw: Some(raw), ..webhook() };
        assert_eq!(refused(wrong, NOW), WebhookError::Signature, "{raw}");
    }
    let body = BODY.replace("Approved", "Declined");
    let other = Webhook { body: body.as_bytes(), ..webhook() };
    assert_eq!(refused(other, NOW), WebhookError::Signature);
    assert!(keys().event(webhook(), NOW + 300).is_ok());
    for now in [NOW + 301, NOW - 301] {
        assert_eq!(refused(webhook(), now), WebhookError::Stale);
    }
    for timestamp in [None, Some(""), Some("now"), Some("1771840800000")] {
        assert_eq!(refused(Webhook { timestamp, ..webhook() }, NOW), WebhookError::Stale);
    }
    // A header that was written anew does not make an old event fresh.
    let late = Webhook { timestamp: Some("1771841400"), ..webhook() };
    assert_eq!(refused(late, NOW + 600), WebhookError::Stale);
    let nobody = WebhookKeys::new(vec![Secret::new("")], true, Vec::new());
    assert_eq!(nobody.event(webhook(), NOW), Err(WebhookError::Signature));
}

fn signed(body: &str) -> Result<Event, WebhookError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"webhook-secret");
    let raw = crate::random::hex(hmac::sign(&key, body.as_bytes()).as_ref());
    keys().event(Webhook { raw: Some(&raw), body: body.as_bytes(), ..webhook() }, NOW)
}

#[test]
fn a_genuine_body_that_says_nothing_is_named() {
    let long =
        format!(r#"{{"timestamp":{NOW},"webhook_type":"a","session_id":"{}"}}"#, "x".repeat(257));
    for (body, why) in [
        ("[]".to_owned(), "it is no object of JSON"),
        ("{".to_owned(), "it is no object of JSON"),
        (format!(r#"{{"timestamp":{NOW},"session_id":"s"}}"#), "has no webhook_type"),
        (format!(r#"{{"timestamp":{NOW},"webhook_type":"a"}}"#), "names no session_id"),
        (long, "has a type or an id longer than 256 bytes"),
    ] {
        let error = signed(&body).unwrap_err();
        assert_eq!(error, WebhookError::Body(why), "{body}");
        assert!(!error.is_forgery());
    }
    assert_eq!(signed(r#"{"session_id":"s"}"#), Err(WebhookError::Stale));
}

#[test]
fn an_event_that_is_sent_again_is_the_same_event() {
    let first = signed(BODY).unwrap();
    let again = signed(&BODY.replace("1771840800", "1771840860")).unwrap();
    assert_eq!((first.digest, first.at), (again.digest, again.at));
    let other = signed(&BODY.replace("Approved", "Declined")).unwrap();
    assert_ne!(first.digest, other.digest);
    assert_eq!(other.review.status, Some(KycStatus::Rejected));
    let data = signed(&BODY.replace("status.updated", "data.updated")).unwrap();
    assert_eq!(data.review.status, None);
}
