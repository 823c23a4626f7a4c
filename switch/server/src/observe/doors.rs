//! What is counted of requests over HTTP, the figures of log-ins and webhooks among it.

use super::Metrics;
use veksel_api::Seen;
use veksel_link::HandshakeFault;

/// Where people log in.
const LOG_IN: &str = "/api/auth/bankid";

/// Where the provider of identity checks posts.
const WEBHOOKS: [&str; 2] = ["/v1/webhooks/sumsub", "/api/kyc/webhook"];

/// The provider of identities cannot be reached.
pub(crate) const UNREACHED: &str = "unavailable";

/// What it says cannot be verified with its keys.
pub(crate) const UNVERIFIED: &str = "jwks_verification_failed";

impl Metrics {
    /// How many log-ins ended with this code.
    pub(crate) fn logins(&self, code: &str) -> u64 {
        self.login_codes.with_label_values(&[code]).get()
    }

    /// Counts a handshake of a listener that is no link.
    pub(crate) fn shaken(&self, listener: &str, how: Result<(), HandshakeFault>) {
        let word = how.map_or_else(HandshakeFault::word, |()| "agreed");
        self.handshakes.with_label_values(&[listener, word]).inc();
    }

    /// Counts an answer.
    pub(crate) fn called(&self, seen: &Seen<'_>) {
        let Seen { endpoint, status, code, elapsed } = *seen;
        let text = status.to_string();
        self.calls.with_label_values(&[endpoint, text.as_str()]).inc();
        self.call_seconds.with_label_values(&[endpoint]).observe(elapsed.as_secs_f64());
        if status < 400 {
            return;
        }
        if WEBHOOKS.contains(&endpoint) {
            self.webhook_failures.inc();
        }
        match code {
            Some("underage") => self.underage.inc(),
            // Who changes his mind, and who comes too often, did not fail to log in.
            Some("bankid_cancelled" | "rate_limited") => {}
            _ if endpoint.starts_with(LOG_IN) => {
                self.login_errors.inc();
                self.login_codes.with_label_values(&[code.unwrap_or("none")]).inc();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn log_ins_and_webhooks_have_figures_of_their_own() {
        let metrics = Metrics::new().unwrap();
        let callback = "/api/auth/bankid/callback";
        for (endpoint, status, code) in [
            (callback, 302, None),
            (callback, 400, Some("bankid_cancelled")),
            (callback, 429, Some("rate_limited")),
            (callback, 502, Some("token_exchange_failed")),
            (callback, 401, Some("invalid_token")),
            (callback, 403, Some("underage")),
            (callback, 503, Some(UNREACHED)),
            (callback, 502, Some(UNVERIFIED)),
            ("/api/accounts", 401, Some("unauthorized")),
            ("/v1/webhooks/sumsub", 200, None),
            ("/v1/webhooks/sumsub", 401, Some("unauthorized")),
            ("/api/kyc/webhook", 400, Some("invalid_request")),
        ] {
            metrics.called(&Seen { endpoint, status, code, elapsed: Duration::from_millis(1) });
        }
        assert_eq!(metrics.login_errors.get(), 4);
        assert_eq!((metrics.logins(UNREACHED), metrics.logins(UNVERIFIED)), (1, 1));
        assert_eq!(metrics.underage.get(), 1);
        assert_eq!(metrics.webhook_failures.get(), 2);
        let page = metrics.page().unwrap();
        let counted = "veksel_http_request_seconds_count{endpoint=\"/api/auth/bankid/callback\"} 8";
        assert!(page.contains(counted), "{page}");
    }
}
