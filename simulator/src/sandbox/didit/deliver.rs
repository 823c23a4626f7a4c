//! Webhooks of Didit: its three signatures, and when one that was not taken is sent again.

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::Value;
use tracing::debug;

use super::Didit;
use crate::sandbox::post_to;

/// One webhook on its way.
#[derive(Clone)]
pub(super) struct Delivery {
    /// Without the time, which is that of sending.
    pub body: Value,
    pub due_ms: u64,
    /// Attempts that failed.
    pub failed: usize,
    /// Signed with a secret that nobody has.
    pub is_forged: bool,
}

impl Didit {
    /// Sends the webhooks that are due.
    pub(super) fn send(&self, now: u64) {
        let Some((url, secret)) = &self.0.config.webhook else { return };
        let (due, epoch) = {
            let mut state = self.state();
            let waiting = std::mem::take(&mut state.waiting);
            let (due, later) = waiting.into_iter().partition(|one| one.due_ms <= now);
            state.waiting = later;
            let due: Vec<Delivery> = due;
            (due, state.epoch)
        };
        for delivery in due {
            let (sandbox, url, secret) = (self.clone(), url.clone(), secret.clone());
            tokio::spawn(async move { sandbox.deliver(&url, &secret, delivery, epoch).await });
        }
    }

    async fn deliver(&self, url: &str, secret: &str, mut delivery: Delivery, epoch: u64) {
        let stamp = self.0.clock.now_ms() / 1_000;
        let mut body = delivery.body.clone();
        body["timestamp"] = stamp.into();
        // With spaces, so that whoever writes it anew before checking is noticed.
        let bytes = serde_json::to_vec_pretty(&body).unwrap_or_default();
        let secret = if delivery.is_forged { "nobody knows this" } else { secret };
        let sign = |text: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let mac = hmac::sign(&key, text);
            mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let four = [stamp.to_string(), part("session_id"), part("status"), part("webhook_type")];
        // The keys of this library's objects are sorted, and it writes no spaces.
        let sorted = sign(body.to_string().as_bytes());
        let (raw, simple) = (sign(&bytes), sign(four.join(":").as_bytes()));
        let stamp = stamp.to_string();
        let headers = [
            ("content-type", "application/json"),
            ("x-timestamp", stamp.as_str()),
            ("x-signature", raw.as_str()),
            ("x-signature-v2", sorted.as_str()),
            ("x-signature-simple", simple.as_str()),
        ];
        let answer = post_to(url, &headers, bytes, ANSWER).await;
        if matches!(answer, Ok(200..=299)) {
            return;
        }
        debug!(?answer, "a webhook of Didit was not taken");
        let mut state = self.state();
        let Some(wait) = WAITS_MS.get(delivery.failed) else { return };
        if state.epoch == epoch {
            delivery.failed += 1;
            delivery.due_ms = self.0.clock.now_ms().saturating_add(*wait);
            state.waiting.push(delivery);
        }
    }
}

/// After a minute, and after four more.
const WAITS_MS: &[u64] = &[60_000, 240_000];

/// A receiver has five seconds.
const ANSWER: Duration = Duration::from_secs(5);
