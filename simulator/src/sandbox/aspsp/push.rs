//! Lean push: status changes posted to where a payment's order said (resource status notification
//! service of the Berlin Group). They are hints without a signature, unless the sandbox is told to
//! sign them as a gateway in front of a bank might; tried three times.

use std::time::Duration;

use aws_lc_rs::rand;
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing::debug;

use crate::sandbox::courier;
use crate::sandbox::sumsub::Digest;

/// Where and what a provider wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) uri: String,
    /// Of SCA, PROCESS and LAST.
    pub(super) sca: bool,
    pub(super) process: bool,
    pub(super) last: bool,
}

impl Subscription {
    /// From `TPP-Notification-URI` and `TPP-Notification-Content-Preferred`.
    pub(super) fn read(uri: &str, content: Option<&str>) -> Self {
        let content = content.unwrap_or("status=LAST").to_ascii_uppercase();
        let content = content.split_once('=').map_or(content.as_str(), |(_, list)| list);
        let has = |name: &str| content.split(',').any(|part| part.trim() == name);
        Self { uri: uri.to_owned(), sca: has("SCA"), process: has("PROCESS"), last: has("LAST") }
    }

    /// For `ASPSP-Notification-Content`.
    pub(super) fn content(&self) -> String {
        let parts = [("SCA", self.sca), ("PROCESS", self.process), ("LAST", self.last)];
        let on: Vec<&str> = parts.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        format!("status={}", on.join(","))
    }
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) uri: String,
    pub(super) body: Value,
}

impl Notice {
    pub(super) fn of_payment(uri: &str, id: &str, status: &str, link: &str) -> Self {
        let body = json!({
            "paymentId": id,
            "transactionStatus": status,
            "_links": {"status": {"href": link}},
        });
        Self { uri: uri.to_owned(), body }
    }

    pub(super) fn of_approval(uri: &str, id: &str, approval: &str, status: &str) -> Self {
        let body = json!({"paymentId": id, "authorisationId": approval, "scaStatus": status});
        Self { uri: uri.to_owned(), body }
    }
}

/// Tells it; what nobody takes is given up.
pub(super) async fn deliver(notice: Notice, secret: &str) {
    let number = uuid();
    let body = notice.body.to_string();
    let mut headers = vec![("Content-Type", "application/json"), ("X-Request-ID", &number)];
    let digest = Digest::Sha256.sign(secret, body.as_bytes());
    if !secret.is_empty() {
        headers.push(("X-Payload-Digest", &digest));
    }
    for pause in PAUSES {
        let body = body.clone();
        match courier::post(&notice.uri, &headers, body, PATIENCE).await {
            Ok(200..=299) => return,
            Ok(status) => debug!(status, "a status push was refused"),
            Err(error) => debug!(%error, "a status push reached nobody"),
        }
        sleep(pause).await;
    }
}

/// A random UUID (RFC 4122 4.4).
pub(super) fn uuid() -> String {
    let mut bytes = [0; 16];
    // Without randomness all are the same; they are only for people to tell requests apart.
    let _ = rand::fill(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) | 4 << 76;
    let number = number & !(0xc << 60) | 8 << 60;
    let hex = format!("{number:032x}");
    let part = |from: usize, until: usize| hex.get(from..until).unwrap_or_default();
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    parts.join("-")
}

const PATIENCE: Duration = Duration::from_secs(5);

/// After each attempt.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_millis(0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form_and_differ() {
        let (first, second) = (uuid(), uuid());
        assert_ne!(first, second);
        assert!(super::super::asked::is_uuid(&first), "{first}");
        assert_eq!(first.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&first.as_bytes()[19]), "{first}");
    }

    #[test]
    fn a_subscription_says_what_it_takes() {
        let all = Subscription::read("http://x/", Some("status=SCA,PROCESS,LAST"));
        assert_eq!((all.sca, all.process, all.last), (true, true, true));
        assert_eq!(all.content(), "status=SCA,PROCESS,LAST");
        let last = Subscription::read("http://x/", None);
        assert_eq!(last.content(), "status=LAST");
        assert_eq!(Subscription::read("x", Some("status=")).content(), "status=");
    }
}
