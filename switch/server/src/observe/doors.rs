//! What is counted of requests over HTTP, the figures of log-ins and webhooks among it.

use super::Metrics;
use veksel_api::Seen;
use veksel_config::bridge::KycProvider;
use veksel_link::HandshakeFault;

/// Where people log in.
const LOG_IN: &str = "/api/auth/bankid";

/// Where the provider of identity checks posts.
const WEBHOOKS: [&str; 3] = ["/v1/webhooks/sumsub", "/v1/webhooks/didit", "/api/kyc/webhook"];

impl Metrics {
    /// Counts a handshake of a listener that is no link.
    pub(crate) fn shaken(&self, listener: &str, how: Result<(), HandshakeFault>) {
        let word = how.map_or_else(HandshakeFault::word, |()| "agreed");
        self.handshakes.with_label_values(&[listener, word]).inc();
    }

    /// Counts an answer, where this one checks identities.
    pub(crate) fn called(&self, seen: &Seen<'_>, checks: Option<&KycProvider>) {
        let Seen { endpoint, status, code, elapsed } = *seen;
        let text = status.to_string();
        self.calls.with_label_values(&[endpoint, text.as_str()]).inc();
        self.call_seconds.with_label_values(&[endpoint]).observe(elapsed.as_secs_f64());
        // What asks with a method that nothing is served for, nobody who means it does.
        if status < 400 || status == 405 {
            return;
        }
        if WEBHOOKS.contains(&endpoint) {
            match checks {
                Some(KycProvider::Didit(_)) => self.didit_webhook_failures.inc(),
                Some(KycProvider::Sumsub) | None => self.webhook_failures.inc(),
            }
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
            (callback, 503, Some("unavailable")),
            (callback, 502, Some("jwks_verification_failed")),
            (callback, 405, Some("method_not_allowed")),
            ("/v1/webhooks/sumsub", 405, Some("method_not_allowed")),
            ("/api/accounts", 401, Some("unauthorized")),
            ("/v1/webhooks/sumsub", 200, None),
            ("/v1/webhooks/sumsub", 401, Some("unauthorized")),
            ("/api/kyc/webhook", 400, Some("invalid_request")),
        ] {
            let seen = Seen { endpoint, status, code, elapsed: Duration::from_millis(1) };
            metrics.called(&seen, Some(&KycProvider::Sumsub));
        }
        assert_eq!(metrics.login_errors.get(), 4);
        for code in ["unavailable", "jwks_verification_failed"] {
            assert_eq!(metrics.login_codes.with_label_values(&[code]).get(), 1, "{code}");
        }
        assert_eq!(metrics.underage.get(), 1);
        assert_eq!(metrics.webhook_failures.get(), 2);
        assert_eq!(metrics.didit_webhook_failures.get(), 0);
        let page = metrics.page().unwrap();
        let counted = "veksel_http_request_seconds_count{endpoint=\"/api/auth/bankid/callback\"} 9";
        assert!(page.contains(counted), "{page}");
    }

    #[test]
    fn a_refused_webhook_counts_for_who_checks() {
        let metrics = Metrics::new().unwrap();
        let didit = KycProvider::Didit(veksel_config::bridge::DiditConfig {
            api_key: veksel_config::bridge::SecretSource::Env(String::new()),
            workflow: String::new(),
            callback: String::new(),
            allow_simple: false,
        });
        for (endpoint, status) in
            [("/v1/webhooks/didit", 401), ("/api/kyc/webhook", 400), ("/v1/webhooks/didit", 200)]
        {
            let seen = Seen { endpoint, status, code: None, elapsed: Duration::from_millis(1) };
            metrics.called(&seen, Some(&didit));
        }
        assert_eq!(metrics.didit_webhook_failures.get(), 2);
        assert_eq!(metrics.webhook_failures.get(), 0);
    }
}
