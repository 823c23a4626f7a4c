//! Webhooks that are taken and those that are not. The digests were made by another program
//! (http-contracts 2.1).

use super::*;
use serde_json::json;

const BODY: &[u8] = br#"{"type":"applicantReviewed","applicantId":"5f9e1b2c3d4e5f6a7b8c9d0e","externalUserId":"usr_abc123def456gh78","reviewStatus":"completed","reviewResult":{"reviewAnswer":"GREEN"},"createdAtMs":"2026-02-23 10:00:00.000"}"#;
const SHA1: &str = "880e7240d2a1d8c340c9999f1c61811f8bfb64ab";
const SHA256: &str = "92b0746650c3ce323bb14d6592fb6902bc3a8ddeecce5016752fc29571039b4d";
const SHA512: &str = "a16341fcd703b276230a1df7eeabc7e6d91d144b55002084cedd7e53a678a2d7\
                      bc1f64b5b41e18e6215b3c2b8aa55925c6e6ad188988d65068800861f8196448";

fn keys(secrets: &[&str], allow_sha1: bool) -> WebhookKeys {
    let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
    WebhookKeys::new(secrets, allow_sha1, vec!["BLOCKLIST".to_owned()])
}

fn webhook<'a>(digest: &'a str, algorithm: Option<&'a str>) -> Webhook<'a> {
    Webhook { digest: Some(digest), algorithm, body: BODY }
}

/// What a genuine webhook with this body says.
fn read(body: &Value) -> Result<Event, WebhookError> {
    let body = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"webhook-secret");
    let digest = crate::random::hex(hmac::sign(&key, body.as_bytes()).as_ref());
    let webhook = Webhook { digest: Some(&digest), algorithm: None, body: body.as_bytes() };
    keys(&["webhook-secret"], false).event(webhook)
}

#[test]
fn the_algorithms_of_the_provider_are_known() {
    let keys = keys(&["webhook-secret"], true);
    for (digest, algorithm) in [
        (SHA256, None),
        (SHA256, Some("HMAC_SHA256_HEX")),
        (SHA512, Some("HMAC_SHA512_HEX")),
        (SHA1, Some("HMAC_SHA1_HEX")),
    ] {
        let event = keys.event(webhook(digest, algorithm)).expect("genuine");
        assert_eq!(event.kind, "applicantReviewed");
        assert_eq!(event.at, Utc(1_771_840_800_000));
        assert_eq!(event.review.status, Some(KycStatus::Approved));
        assert_eq!(event.review.customer, "usr_abc123def456gh78");
        assert_eq!(event.review.applicant, "5f9e1b2c3d4e5f6a7b8c9d0e");
        let hash = digest::digest(&digest::SHA256, BODY);
        assert_eq!(event.digest, hash.as_ref());
    }
}

#[test]
fn what_is_not_from_the_provider_is_refused() {
    let upper = SHA256.to_uppercase();
    let cut = &SHA256[..62];
    let swapped = SHA256.replacen("92", "93", 1);
    let cases: &[(WebhookError, Webhook<'_>)] = &[
        (WebhookError::NoDigest, Webhook { digest: None, ..webhook("", None) }),
        (WebhookError::Sha1, webhook(SHA1, Some("HMAC_SHA1_HEX"))),
        // A digest by SHA-1 under another name is no digest of that name.
        (WebhookError::Digest, webhook(SHA1, None)),
        (WebhookError::Digest, webhook(SHA1, Some("HMAC_SHA256_HEX"))),
        (WebhookError::Digest, webhook(SHA512, Some("HMAC_SHA256_HEX"))),
        (WebhookError::Digest, webhook(SHA256, Some("HMAC_SHA512_HEX"))),
        (WebhookError::Algorithm, webhook(SHA256, Some("HMAC_MD5_HEX"))),
        (WebhookError::Algorithm, webhook(SHA256, Some("hmac_sha256_hex"))),
        (WebhookError::Algorithm, webhook(SHA256, Some(""))),
        (WebhookError::Digest, webhook("", None)),
        (WebhookError::Digest, webhook(cut, None)),
        (WebhookError::Digest, webhook(&swapped, None)),
        (WebhookError::Digest, webhook("zz", None)),
        (WebhookError::Digest, webhook("æøå", None)),
        (WebhookError::Digest, Webhook { body: &BODY[..215], ..webhook(SHA256, None) }),
        (WebhookError::Digest, Webhook { body: b"", ..webhook(SHA256, None) }),
    ];
    for (n, (wanted, webhook)) in cases.iter().enumerate() {
        let found = keys(&["webhook-secret"], false).event(*webhook);
        assert_eq!(found, Err(*wanted), "case {n}");
        assert!(wanted.is_forgery());
    }
    // The number is the same however its digits are written.
    assert!(keys(&["webhook-secret"], false).event(webhook(&upper, None)).is_ok());
}

#[test]
fn two_secrets_are_good_while_they_are_changed() {
    for secrets in [["webhook-secret", "next"], ["next", "webhook-secret"]] {
        assert!(keys(&secrets, false).event(webhook(SHA256, None)).is_ok());
    }
    for secrets in [&["other"][..], &["other", "next"], &[""], &[]] {
        let found = keys(secrets, false).event(webhook(SHA256, None));
        assert_eq!(found, Err(WebhookError::Digest), "{secrets:?}");
    }
    // Without a secret, nothing is genuine: not even what is signed with no secret.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"");
    let digest = crate::random::hex(hmac::sign(&key, BODY).as_ref());
    assert_eq!(keys(&[""], false).event(webhook(&digest, None)), Err(WebhookError::Digest));
}

#[test]
fn a_body_with_other_spaces_is_another_body() {
    let parsed: Value = serde_json::from_slice(BODY).expect("JSON");
    let spaced = serde_json::to_string_pretty(&parsed).expect("JSON");
    let webhook = Webhook { body: spaced.as_bytes(), ..webhook(SHA256, None) };
    let found = keys(&["webhook-secret"], false).event(webhook);
    assert_eq!(found, Err(WebhookError::Digest));
}

#[test]
fn every_type_has_its_consequence() {
    let green = json!({ "reviewAnswer": "GREEN" });
    let red = |kind: &str, label: &str| json!({ "reviewAnswer": "RED", "reviewRejectType": kind, "rejectLabels": [label] });
    let cases = [
        ("applicantCreated", "init", Value::Null, Some(KycStatus::Pending)),
        ("applicantCreated", "", Value::Null, Some(KycStatus::Pending)),
        ("applicantPending", "pending", Value::Null, Some(KycStatus::Pending)),
        ("applicantPrechecked", "queued", Value::Null, Some(KycStatus::Pending)),
        ("applicantOnHold", "onHold", Value::Null, Some(KycStatus::OnHold)),
        ("applicantOnHold", "completed", green.clone(), Some(KycStatus::OnHold)),
        ("applicantReviewed", "completed", green.clone(), Some(KycStatus::Approved)),
        ("applicantReviewed", "", green.clone(), Some(KycStatus::Approved)),
        ("applicantReviewed", "pending", green.clone(), Some(KycStatus::Pending)),
        ("applicantReviewed", "completed", red("FINAL", "AGE"), Some(KycStatus::Rejected)),
        ("applicantReviewed", "completed", red("FINAL", "BLOCKLIST"), Some(KycStatus::Risk)),
        ("applicantReviewed", "completed", red("RETRY", "X"), Some(KycStatus::Resubmit)),
        ("applicantReviewed", "unheardOf", green.clone(), None),
        ("applicantWorkflowCompleted", "completed", green.clone(), Some(KycStatus::Approved)),
        ("applicantReset", "init", Value::Null, Some(KycStatus::Pending)),
        ("applicantReset", "completed", green.clone(), Some(KycStatus::Pending)),
        ("applicantDeactivated", "completed", green.clone(), Some(KycStatus::None)),
        ("applicantLevelChanged", "init", Value::Null, Some(KycStatus::Pending)),
        ("applicantLevelChanged", "completed", green.clone(), Some(KycStatus::Pending)),
        ("applicantLevelChanged", "completed", red("FINAL", "AGE"), Some(KycStatus::Rejected)),
        ("applicantLevelChanged", "unheardOf", green.clone(), Some(KycStatus::Pending)),
        ("applicantPersonalInfoChanged", "completed", green.clone(), None),
        ("applicantTagsChanged", "completed", green, None),
    ];
    for (kind, review, result, wanted) in cases {
        let mut body = json!({
            "type": kind, "applicantId": "a", "externalUserId": "u", "reviewResult": result,
            "createdAtMs": "2026-02-23 10:00:00.000",
        });
        if !review.is_empty() {
            body["reviewStatus"] = review.into();
        }
        let event = read(&body).expect("genuine");
        assert_eq!(event.review.status, wanted, "{kind} {review}");
        assert_eq!(event.kind, kind);
    }
}

#[test]
fn the_whole_event_of_the_documents_is_read() {
    let event = read(&json!({
        "applicantId": "5f9e1b2c3d4e5f6a7b8c9d0e", "inspectionId": "5f9e1b2c3d4e5f6a7b8c9d0f",
        "correlationId": "req-1", "levelName": "basic-kyc-level", "externalUserId": "usr_1",
        "type": "applicantReviewed", "sandboxMode": false, "reviewStatus": "completed",
        "reviewResult": { "moderationComment": null, "clientComment": null,
            "reviewAnswer": "GREEN", "rejectLabels": null, "reviewRejectType": null },
        "createdAt": "2026-02-23T10:00:00Z",
    }));
    let event = event.expect("genuine");
    assert_eq!(event.review.level, "basic-kyc-level");
    assert_eq!(event.review.reviewed, Some(Utc(1_771_840_800_000)));
    assert_eq!(event.review.status, Some(KycStatus::Approved));
}

#[test]
fn a_genuine_body_that_says_nothing_is_named() {
    let at = "2026-02-23 10:00:00.000";
    let long = "x".repeat(257);
    let cases = [
        json!({ "applicantId": "a", "createdAtMs": at }),
        json!({ "type": 7, "applicantId": "a", "createdAtMs": at }),
        json!({ "type": "applicantReviewed", "createdAtMs": at }),
        json!({ "type": "applicantReviewed", "applicantId": "a" }),
        json!({ "type": "applicantReviewed", "applicantId": "a", "createdAtMs": "yesterday" }),
        json!({ "type": "applicantReviewed", "applicantId": long, "createdAtMs": at }),
        json!([]),
        json!(null),
    ];
    for body in cases {
        let error = read(&body).expect_err("nothing to use");
        assert!(matches!(error, WebhookError::Body(_)), "{body}");
        assert!(!error.is_forgery());
    }
    // Times as numbers are what the name of the field says.
    let number = json!({ "type": "x", "applicantId": "a", "createdAtMs": 1_771_840_800_000_u64 });
    assert_eq!(read(&number).expect("genuine").at, Utc(1_771_840_800_000));
}

#[test]
fn no_secret_and_no_digest_is_printed() {
    let keys = keys(&["webhook-secret"], false);
    let shown = format!("{keys:?} {:?}", webhook(SHA256, None));
    assert!(!shown.contains("webhook-secret") && !shown.contains("92b07466"), "{shown}");
}
