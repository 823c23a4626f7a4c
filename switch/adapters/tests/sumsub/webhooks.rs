//! Webhooks of the sandbox as they come over a socket, verified over their raw bytes.

use super::receiver::{Canned, Posted};
use super::{adapter, decided, open, quick, review, sandbox, submit};
use veksel_adapters::sumsub::webhook::{Webhook, WebhookError, WebhookKeys};
use veksel_core::enquiry::{Event, Secret};
use veksel_core::fact::KycStatus;
use veksel_simulator::sandbox::sumsub::{Digest, Schedule, SumsubConfig, SumsubWebhook};

fn keys(secrets: &[&str], allow_sha1: bool) -> WebhookKeys {
    let secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
    WebhookKeys::new(secrets, allow_sha1, vec!["BLOCKLIST".to_owned()])
}

fn event(keys: &WebhookKeys, posted: &Posted) -> Result<Event, WebhookError> {
    keys.event(Webhook {
        digest: posted.header("x-payload-digest"),
        algorithm: posted.header("x-payload-digest-alg"),
        body: &posted.body,
    })
}

fn posting(receiver: &Canned, digest: Digest) -> SumsubConfig {
    let url = format!("http://{}/v1/webhooks/sumsub", receiver.address);
    let webhook = SumsubWebhook { url, secret: "hook-of-sumsub".to_owned(), digest };
    SumsubConfig { webhook: Some(webhook), ..quick() }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn events_follow_a_check_and_are_genuine() {
    let _watch = super::watching();
    for digest in [Digest::Sha256, Digest::Sha512] {
        let receiver = Canned::start("200 OK", "").await;
        let sandbox = sandbox(posting(&receiver, digest));
        let adapters = adapter(&sandbox);
        let id = submit(&sandbox, &adapters, "anna-green").await;
        let posted = receiver.wait(3).await;
        let keys = keys(&["old", "hook-of-sumsub"], false);
        let events: Vec<Event> = posted.iter().map(|it| event(&keys, it).unwrap()).collect();
        assert_eq!(kinds(&events), ["applicantCreated", "applicantPending", "applicantReviewed"]);
        assert!(events.is_sorted_by_key(|event| event.at));
        let reviewed = &events[2].review;
        assert_eq!(reviewed.status, Some(KycStatus::Approved));
        assert_eq!((reviewed.customer.as_str(), &reviewed.applicant), ("anna-green", &id));
        assert_eq!(reviewed.level, "basic-kyc-level");
        // What the event says is what the provider says when it is asked.
        assert_eq!(review(&adapters, &id).await.status, reviewed.status);
    }
}

#[tokio::test]
async fn duplicates_are_the_same_event() {
    let _watch = super::watching();
    let receiver = Canned::start("200 OK", "").await;
    let sandbox = sandbox(posting(&receiver, Digest::Sha256));
    submit(&sandbox, &adapter(&sandbox), "anna-green-dup-webhook").await;
    let posted = receiver.wait(6).await;
    let events: Vec<Event> =
        posted.iter().map(|it| event(&keys(&["hook-of-sumsub"], false), it).unwrap()).collect();
    for pair in events.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[tokio::test]
async fn an_event_that_comes_late_says_when_it_was_made() {
    let _watch = super::watching();
    let receiver = Canned::start("200 OK", "").await;
    let sandbox = sandbox(posting(&receiver, Digest::Sha256));
    submit(&sandbox, &adapter(&sandbox), "anna-green-reorder-webhook").await;
    let posted = receiver.wait(3).await;
    let events: Vec<Event> =
        posted.iter().map(|it| event(&keys(&["hook-of-sumsub"], false), it).unwrap()).collect();
    assert_eq!(kinds(&events), ["applicantCreated", "applicantReviewed", "applicantPending"]);
    assert!(events[2].at < events[1].at, "the last to come was not the last to be made");
    assert_eq!(events[2].review.status, Some(KycStatus::Pending));
}

#[tokio::test]
async fn forged_and_sha1_webhooks_are_refused() {
    let _watch = super::watching();
    let receiver = Canned::start("401 Unauthorized", "").await;
    let mut config = posting(&receiver, Digest::Sha256);
    config.schedule = Schedule::Real;
    let here = sandbox(config);
    let adapters = adapter(&here);
    let id = submit(&here, &adapters, "mallory-green-bad-digest").await;
    decided(&adapters, &id).await;
    let posted = receiver.wait(3).await;
    for posted in &posted {
        let found = event(&keys(&["hook-of-sumsub"], true), posted).unwrap_err();
        assert_eq!(found, WebhookError::Digest);
        assert!(found.is_forgery());
    }
    here.stop();

    let receiver = Canned::start("200 OK", "").await;
    let here = sandbox(posting(&receiver, Digest::Sha1));
    open(&adapter(&here), "anna").await;
    let posted = receiver.wait(1).await;
    assert_eq!(
        event(&keys(&["hook-of-sumsub"], false), &posted[0]).unwrap_err(),
        WebhookError::Sha1
    );
    let event = event(&keys(&["hook-of-sumsub"], true), &posted[0]).unwrap();
    assert_eq!(event.kind, "applicantCreated");
}

#[tokio::test]
async fn what_is_not_taken_is_posted_again_on_schedule() {
    let _watch = super::watching();
    let no = ("500 Internal Server Error", "");
    let receiver = Canned::start_each(&[no, no, ("200 OK", "")]).await;
    let sandbox = sandbox(posting(&receiver, Digest::Sha256));
    open(&adapter(&sandbox), "anna").await;
    for (step_ms, count) in [(0, 1), (3_000, 2), (12_000, 3)] {
        // In steps, because only what has come back waits for its time.
        for _ in 0..500 {
            if receiver.posted().len() >= count {
                break;
            }
            sandbox.clock().advance(step_ms);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(receiver.posted().len(), count);
    }
    let posted = receiver.posted();
    assert!(posted.iter().all(|it| it.body == posted[0].body), "the same bytes each time");
    sandbox.clock().advance(86_400_000);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(receiver.posted().len(), 3, "what was taken is not posted again");
}

#[tokio::test]
async fn rights_are_taken_away_by_reset_and_deactivation() {
    use super::{address, receiver};
    let _watch = super::watching();
    let collected = Canned::start("200 OK", "").await;
    let mut config = posting(&collected, Digest::Sha256);
    // The calls below are a person's in the provider's pages, which nobody signs.
    config.allows_bearer = true;
    let sandbox = sandbox(config);
    let adapters = adapter(&sandbox);
    let id = submit(&sandbox, &adapters, "anna-green").await;
    assert_eq!(decided(&adapters, &id).await.status, Some(KycStatus::Approved));
    for (line, count, kind, status) in [
        ("PATCH /resources/applicants/ID/fixedInfo", 4, "applicantPersonalInfoChanged", None),
        ("POST /resources/applicants/ID/reset", 5, "applicantReset", Some(KycStatus::Pending)),
        (
            "PATCH /resources/applicants/ID/presence/deactivated",
            6,
            "applicantDeactivated",
            Some(KycStatus::None),
        ),
    ] {
        let head =
            format!("{} HTTP/1.1\r\nauthorization: Bearer sbx:veksel", line.replace("ID", &id));
        assert!(receiver::http(address(&sandbox), &head, b"").await.starts_with("HTTP/1.1 200"));
        let posted = collected.wait(count).await;
        let event = event(&keys(&["hook-of-sumsub"], false), &posted[count - 1]).unwrap();
        assert_eq!((event.kind.as_str(), event.review.status), (kind, status));
    }
    assert_eq!(review(&adapters, &id).await.status, Some(KycStatus::Pending));
}
