//! Slack: a text into the channel that an incoming webhook belongs to.
//!
//! The address is all that is needed to post, and so it is a secret. 429 says when to come back;
//! anything else that is no 200 will not get better by being said again.

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::hook::Hook;
use serde_json::json;
use std::time::Duration;
use veksel_core::enquiry::Secret;

/// Longest text that is posted, in characters; Slack cuts at 40,000.
const TEXT_MAX: usize = 4_000;

/// How long to wait if Slack does not say.
const WAIT: Duration = Duration::from_secs(30);

/// Longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// A channel.
#[derive(Debug)]
pub struct Slack(Hook);

/// What became of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    /// It is in the channel.
    Taken,
    /// Too many: not before this.
    Later(Duration),
    /// Slack could not be reached, or is broken; it may be tried again.
    Unreached(String),
    /// Slack does not take it, and will not.
    Refused(u16),
}

impl Slack {
    /// Posts to this address.
    ///
    /// # Errors
    ///
    /// If it is none that may be called.
    pub fn new(
        address: &Secret,
        allow_private: bool,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        Hook::new("slack", "alerts", address, allow_private, audit).map(Self)
    }

    /// Posts a text. Never takes longer than ten seconds.
    pub async fn post(&self, text: &str) -> Posted {
        let text: String = escaped(text).chars().take(TEXT_MAX).collect();
        match self.0.call(Some(json!({ "text": text }).to_string())).await {
            Ok(response) if response.is_success() => Posted::Taken,
            Ok(response) if response.status == 429 => {
                let wait = response.retry_ms().map_or(WAIT, Duration::from_millis);
                Posted::Later(wait.min(WAIT_MAX))
            }
            Ok(response) if response.status >= 500 => {
                Posted::Unreached(format!("status {}", response.status))
            }
            Ok(response) => Posted::Refused(response.status),
            Err(failure) => Posted::Unreached(failure.code),
        }
    }
}

/// The three characters that Slack gives a meaning to.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::audit::audit;
    use crate::executor::tests::server::{Server, json, with};

    fn slack(url: &str) -> Slack {
        let address = Secret::new(format!("{url}/services/T0/B0/hushhush?x=1"));
        Slack::new(&address, true, audit(8).0).unwrap()
    }

    #[tokio::test]
    async fn a_text_is_posted_and_a_limit_is_kept_to() {
        let acts = vec![
            json(200, "ok"),
            with(429, "Retry-After: 7\r\n", ""),
            json(503, ""),
            json(404, "no_service"),
        ];
        let server = Server::start(acts).await;
        let slack = slack(&server.url());
        assert_eq!(slack.post("a < b & c").await, Posted::Taken);
        assert_eq!(slack.post("x").await, Posted::Later(Duration::from_secs(7)));
        assert_eq!(slack.post("x").await, Posted::Unreached("status 503".to_owned()));
        assert_eq!(slack.post("x").await, Posted::Refused(404));
        let first = server.requests().remove(0);
        assert!(first.starts_with("POST /services/T0/B0/hushhush?x=1 HTTP/1.1"), "{first}");
        assert!(first.ends_with(r#"{"text":"a &lt; b &amp; c"}"#), "{first}");
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_said_without_the_address() {
        let slack = slack("http://127.0.0.1:9");
        assert!(matches!(slack.post("x").await, Posted::Unreached(why) if why == "refused"));
        assert!(!format!("{slack:?}").contains("hushhush"));
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_shown() {
        for address in ["hushhush", "ftp://hushhush/", "data:hushhush", "https://a:b@hushhush/x"] {
            let error = Slack::new(&Secret::new(address), true, audit(1).0).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(address.starts_with("ftp:") || !shown.contains("hushhush"), "{shown}");
        }
        let inside = Secret::new("http://127.0.0.1:1/hushhush");
        let error = Slack::new(&inside, false, audit(1).0).unwrap_err().to_string();
        assert!(!error.contains("hushhush"), "{error}");
    }
}
