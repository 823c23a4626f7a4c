//! The name of every metric, and what it counts. Nothing else in the product writes one.

/// Name and help of one metric.
pub(crate) type Name = (&'static str, &'static str);

pub(crate) const REQUESTS: Name =
    ("veksel_requests_total", "Requests received from channels, by link and kind.");
pub(crate) const ROUTED: Name = ("veksel_routed_total", "Requests that took a route, by route.");
pub(crate) const ANSWERS: Name = (
    "veksel_answers_total",
    "Requests answered, by link, kind, response code, verdict and reason.",
);
pub(crate) const ANSWER_SECONDS: Name =
    ("veksel_answer_seconds", "From receiving a request to deciding its answer, by link and kind.");
pub(crate) const HOST_SECONDS: Name =
    ("veksel_host_answer_seconds", "From writing a request to its host's answer, by group.");
pub(crate) const REFUSALS: Name = (
    "veksel_refusals_total",
    "Frames answered with a refusal because they are no valid request, by link, code and fault.",
);
pub(crate) const UNGRANTED: Name = (
    "veksel_ungranted_total",
    "Requests that claimed to be of somebody their participant may not be, by link and field.",
);
pub(crate) const DROPS: Name =
    ("veksel_dropped_frames_total", "Frames dropped without an answer, by link and reason.");
pub(crate) const EXPLAINED: Name = (
    "veksel_dropped_frames_explained_total",
    "Dropped frames that were looked into (a few a second), by link, reason and the field that \
     keeps an answer from the nearest request.",
);
pub(crate) const UNDELIVERED: Name = (
    "veksel_undelivered_answers_total",
    "Answers whose channel was gone, by link and whether they approved.",
);
pub(crate) const CLASHES: Name = (
    "veksel_key_clashes_total",
    "Requests with the duplicate key of another and different content, by link.",
);
pub(crate) const RECOGNISED: Name = (
    "veksel_duplicates_recognised_total",
    "Duplicates not executed, by link and whether the original was in flight.",
);
pub(crate) const REVERSALS_QUEUED: Name =
    ("veksel_reversals_queued_total", "Reversals recorded, by group.");
pub(crate) const REVERSALS_SENT: Name =
    ("veksel_reversals_sent_total", "Reversals sent, by group and whether sent before.");
pub(crate) const REVERSALS_SETTLED: Name =
    ("veksel_reversals_settled_total", "Reversals the host confirmed, by group and code.");
pub(crate) const REVERSALS_PARKED: Name =
    ("veksel_reversals_parked_total", "Reversals that need a person, by group and code.");
pub(crate) const OUT_OF_BALANCE: Name = (
    "veksel_reconciliations_out_of_balance_total",
    "Reconciliations that a host answered with other totals than it was told, by group.",
);
pub(crate) const REVERSALS_OPEN: Name =
    ("veksel_reversals_open", "Reversals that are neither settled nor resolved.");
pub(crate) const REVERSALS_WAITING_FOR_PERSON: Name =
    ("veksel_reversals_parked", "Reversals and advices that need a person.");
pub(crate) const REVERSAL_AGE: Name = (
    "veksel_reversal_age_seconds",
    "How long the oldest reversal or advice that is still tried has waited, by group.",
);
pub(crate) const IN_FLIGHT: Name = ("veksel_requests_in_flight", "Requests not yet answered.");
pub(crate) const SESSIONS: Name =
    ("veksel_session_changes_total", "Changes of host sessions, by link and new state.");
pub(crate) const HOSTS_ONLINE: Name =
    ("veksel_host_connections_online", "Signed-on host connections, by group.");
pub(crate) const BREAKER_CHANGES: Name =
    ("veksel_breaker_changes_total", "Changes of breakers, by group and new position.");
pub(crate) const BREAKER_POSITION: Name = (
    "veksel_breaker_position",
    "1 for the position a breaker is in, 0 for the others, by group and position.",
);
pub(crate) const LINK_BREAKER_CHANGES: Name =
    ("veksel_link_breaker_changes_total", "Changes of breakers, by link and new position.");
pub(crate) const LINK_BREAKER_POSITION: Name = (
    "veksel_link_breaker_position",
    "1 for the position a breaker is in, 0 for the others, by link and position.",
);
pub(crate) const SHED: Name = (
    "veksel_shed_total",
    "Requests answered 91 because there is more than can be carried, by participant and reason.",
);
pub(crate) const ENQUIRY_VERDICTS: Name = (
    "veksel_enquiries_total",
    "Questions to banks and the provider of identity checks, by whom and outcome.",
);
pub(crate) const BANK_DECLINES: Name = (
    "veksel_bank_declines_total",
    "Requests about linked accounts declined without asking their bank, by bank and code.",
);
pub(crate) const CACHED_BALANCES: Name = (
    "veksel_cached_balances_total",
    "Balances given as they were last seen, by bank and whether they are too old to be content.",
);
pub(crate) const PAYMENTS: Name =
    ("veksel_payments_total", "Payments at banks that came to a state, by bank and state.");
pub(crate) const PAYMENT_FAILURES: Name =
    ("pisp_payment_failures_total", "Payments at banks that were refused or not approved in time.");
pub(crate) const PAYMENTS_OPEN: Name =
    ("veksel_payments_open", "Payments at banks that are followed or wait for a person.");
pub(crate) const PAYMENT_LAG: Name = (
    "veksel_payment_status_lag_seconds",
    "For how long the bank of a payment that is not decided has not said how it stands, where that \
     is longest.",
);
pub(crate) const PAYMENT_CASES: Name =
    ("veksel_payment_cases_total", "Payments at banks that need a person, by reason.");
pub(crate) const PAYMENT_ADVICES: Name = (
    "veksel_payment_advices_total",
    "Advices to channels how a payment ended, by link and whether sent before.",
);
pub(crate) const CONSENTS: Name =
    ("veksel_consents_total", "Consents that came to a status, by bank and status.");
pub(crate) const CHECKS: Name =
    ("veksel_identity_checks_total", "Identity checks that came to a status, by status.");
pub(crate) const BALANCE_STALENESS: Name = (
    "aisp_balance_staleness_hours",
    "How long ago the oldest cached balance of a linked account was seen, in hours.",
);
pub(crate) const LOGIN_ERRORS: Name =
    ("bankid_login_errors_total", "Log-ins of people that ended in an error.");
pub(crate) const LOGIN_CODES: Name =
    ("veksel_login_errors_total", "Log-ins that ended in an error, by the code of it.");
pub(crate) const UNDERAGE: Name =
    ("bankid_underage_rejections_total", "People who were turned away because they are too young.");
pub(crate) const PISP_OPEN: Name = (
    "pisp_circuit_open",
    "1 if a bank is not asked for payments because it failed too often, else 0.",
);
pub(crate) const WEBHOOK_FAILURES: Name =
    ("sumsub_webhook_failures_total", "Webhooks of Sumsub that were not taken.");
pub(crate) const DIDIT_WEBHOOK_FAILURES: Name =
    ("didit_webhook_failures_total", "Webhooks of Didit that were not taken.");
pub(crate) const APPROVAL_RATE: Name = (
    "kyc_approval_rate",
    "Of the identity checks decided of late, the part that was approved, 0 to 1; NaN if none was.",
);
pub(crate) const PROVIDER_BREAKER: Name = (
    "veksel_provider_breaker_open",
    "1 if a service of a third party is not called because it failed too often, else 0.",
);
pub(crate) const PROVIDER_SECONDS: Name = (
    "veksel_provider_call_seconds",
    "Calls to third parties, each attempt from its first step to its last byte, by provider, \
     service and outcome.",
);
pub(crate) const CLIENT_CERTIFICATE: Name = (
    "tls_client_cert_not_after_seconds",
    "When a certificate that third parties know us by ends, in Unix time, by provider and usage.",
);
pub(crate) const ALERTS: Name =
    ("veksel_alerts_total", "Alarms that were told, by severity and where.");
pub(crate) const ALERTS_FAILED: Name =
    ("veksel_alerts_failed_total", "Attempts to tell an alarm that did not succeed, by where.");
pub(crate) const SPANS: Name = (
    "veksel_spans_total",
    "Calls to third parties that were to be recorded as traces, by what became of that.",
);
pub(crate) const ERRORS: Name =
    ("veksel_errors_total", "Lines of level error that this process wrote to its log.");
pub(crate) const HEALTHY: Name =
    ("veksel_healthy", "1 if listeners, journal and store are healthy, else 0.");
pub(crate) const HELD: Name = ("veksel_journal_held_records", "Records that the journal holds.");
pub(crate) const HELD_MAX: Name =
    ("veksel_journal_held_records_max", "Records from which on new payments are refused.");
pub(crate) const CALL_SECONDS: Name =
    ("veksel_http_request_seconds", "From a request over HTTP to its answer, by endpoint.");
pub(crate) const WAITING: Name =
    ("veksel_requests_waiting", "Requests that wait for room at their group, by group.");
pub(crate) const RECORDS: Name = ("veksel_journal_records_total", "Records made durable.");
pub(crate) const COMMITS: Name = ("veksel_journal_commits_total", "Commits of the journal.");
pub(crate) const COMMIT_WAIT: Name = (
    "veksel_journal_wait_seconds",
    "From handing a batch of records over to learning that it is durable.",
);
pub(crate) const BACKLOG: Name =
    ("veksel_journal_backlog_records", "Records that wait to be handed to the committer.");
pub(crate) const DUPLICATES: Name =
    ("veksel_journal_duplicates_total", "Intents the store refused because it holds their key.");
pub(crate) const CONNECTIONS: Name = ("veksel_link_connections", "Open connections, by link.");
pub(crate) const BUFFERED: Name =
    ("veksel_link_buffered_bytes", "Bytes held for the connections of a link.");
pub(crate) const BYTES: Name =
    ("veksel_link_bytes_total", "Bytes read and written, by link and direction.");
pub(crate) const FRAMES: Name =
    ("veksel_link_frames_total", "Frames read and written, by link and direction.");
pub(crate) const CLOSED: Name =
    ("veksel_link_closed_total", "Connections that ended, by link and reason.");
pub(crate) const CONNECTS: Name = (
    "veksel_link_connects_total",
    "Connections accepted, refused, made and failed to make, by link and result.",
);
pub(crate) const HANDSHAKES: Name =
    ("veksel_tls_handshakes_total", "TLS handshakes, by link and result.");
pub(crate) const TLS_EXPIRES: Name = (
    "veksel_tls_expires_timestamp_seconds",
    "When the first certificate or revocation list of a link ends, in Unix time, by link.",
);
pub(crate) const ENQUIRIES: Name =
    ("veksel_enquiries_in_flight", "Questions to third parties that are under way.");
pub(crate) const ENQUIRIES_REFUSED: Name = (
    "veksel_enquiries_refused_total",
    "Questions to third parties that were not asked, because too many are under way or there is \
     nobody to ask.",
);
pub(crate) const CALLERS: Name =
    ("veksel_callers_waiting", "Callers over HTTP that wait for what the engine says.");
pub(crate) const PLATFORM_DOUBTS: Name = (
    "veksel_extauth_doubts_total",
    "Requests that were not believed to be the card platform's, by why.",
);
pub(crate) const PLATFORM_SKEW: Name = (
    "veksel_extauth_skew_milliseconds",
    "How long before ours the time of the card platform's last request was.",
);
pub(crate) const PLATFORM_KEYS_AGE: Name =
    ("veksel_extauth_keys_age_seconds", "How old the card platform's keys are.");
pub(crate) const PLATFORM_NOTICES: Name =
    ("veksel_extauth_notices_total", "What the card platform told of, by kind.");
pub(crate) const CALLS: Name =
    ("veksel_http_requests_total", "Requests over HTTP, by endpoint and status.");
