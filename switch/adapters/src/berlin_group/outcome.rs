//! What an error of a bank means (http-contracts 4.4), as data: its code first, its status second.
//! A code with a status of 500 or more states nothing, because a server that fails does not know
//! what it did.

use crate::code;
use crate::executor::Response;
use serde::Deserialize;
use veksel_core::enquiry::{Failed, Failure};

/// What was asked, as far as it changes what a code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// Accounts, their balances and transactions.
    Account,
    /// Whether money is there.
    Funds,
    /// A consent.
    Consent,
    /// The beginning of a payment.
    Initiation,
    /// How a payment stands.
    Status,
    /// Taking a payment back.
    Cancellation,
}

/// A row: the code, or how it begins if it ends in `*` (or ends if it begins so), and its meaning.
type Row = (&'static str, Meaning);

#[derive(Clone, Copy)]
enum Meaning {
    Always(Failed),
    /// Of a resource that is not known: which one depends on what was asked.
    Resource,
    /// Of a resource in a state that does not allow what was asked.
    State,
}

use Meaning::{Always, Resource, State};

const CODES: &[Row] = &[
    ("FORMAT_ERROR", Always(Failed::Format)),
    ("REQUESTED_FORMATS_INVALID", Always(Failed::Format)),
    ("PARAMETER_*", Always(Failed::Invalid)),
    ("PERIOD_INVALID", Always(Failed::Invalid)),
    ("EXECUTION_DATE_INVALID", Always(Failed::Invalid)),
    ("TIMESTAMP_INVALID", Always(Failed::Invalid)),
    ("CARD_INVALID", Always(Failed::Invalid)),
    ("PAYMENT_FAILED", Always(Failed::Refused)),
    ("SCA_INVALID", Always(Failed::Refused)),
    ("SCA_METHOD_UNKNOWN", Always(Failed::Refused)),
    ("CORPORATE_ID_INVALID", Always(Failed::Refused)),
    // Only an embedded secret could be wrong, and we never send one.
    ("PSU_CREDENTIALS_INVALID", Always(Failed::Refused)),
    ("FUNDS_NOT_AVAILABLE", Always(Failed::NoFunds)),
    ("CONSENT_*", Always(Failed::NotPermitted)),
    ("SERVICE_BLOCKED", Always(Failed::Restricted)),
    ("RESOURCE_BLOCKED", Always(Failed::Restricted)),
    ("RESOURCE_*", Resource),
    ("PRODUCT_*", Always(Failed::NotSupported)),
    ("SERVICE_INVALID", Always(Failed::NotSupported)),
    ("SESSIONS_NOT_SUPPORTED", Always(Failed::NotSupported)),
    ("NO_PIIS_ACTIVATION", Always(Failed::NotSupported)),
    ("CANCELLATION_INVALID", Always(Failed::CannotReverse)),
    ("*STATUS_INVALID", State),
    ("TOKEN_*", Always(Failed::Malfunction)),
    ("CERTIFICATE_*", Always(Failed::Credentials)),
    ("SIGNATURE_*", Always(Failed::Credentials)),
    ("ROLE_INVALID", Always(Failed::Credentials)),
    ("*KID_MISSING", Always(Failed::Credentials)),
    ("ACCESS_EXCEEDED", Always(Failed::Limited)),
];

/// What a status means without a code, and whether it states that nothing was done.
const STATUSES: &[(u16, u16, Failed, bool)] = &[
    (400, 400, Failed::Format, true),
    (401, 401, Failed::Credentials, true),
    (403, 403, Failed::Refused, true),
    // Nobody said what is not found; it may be the whole service.
    (404, 404, Failed::Malfunction, true),
    (405, 405, Failed::NotSupported, true),
    (406, 406, Failed::Format, true),
    (408, 408, Failed::Late, false),
    // There is something of that key already.
    (409, 409, Failed::Duplicate, false),
    (413, 415, Failed::Format, true),
    (429, 429, Failed::Limited, true),
    (400, 499, Failed::Refused, true),
    (501, 501, Failed::NotSupported, true),
    (502, 503, Failed::Unavailable, false),
    (504, 504, Failed::Late, false),
    (530, 530, Failed::Unavailable, false),
];

/// Longest code that is kept.
const CODE_MAX: usize = 40;

/// Both bodies of an error: `tppMessages`, and RFC 7807 with a code beside its own fields; and
/// what gateways in front say (RFC 6750).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    tpp_messages: Vec<super::wire::Message>,
    code: Option<String>,
    additional_errors: Vec<super::wire::Message>,
    error: Option<String>,
}

/// The failure that an answer other than 2xx stands for.
pub(super) fn failure(response: &Response, asked: Asked) -> Failure {
    let body = body(response);
    let code = body.as_ref().map(code).unwrap_or_default();
    let status = response.status;
    // Of an order these two say that there may be something of it, whatever their code is.
    match (status, asked) {
        (408, Asked::Initiation) => return response.unclear(Failed::Late, &code),
        (409, Asked::Initiation) => return response.unclear(Failed::Duplicate, &code),
        _ => {}
    }
    if status < 500
        && let Some(meaning) = meaning(&code)
    {
        // Nothing is addressed by an order yet, so it meets one that is there already.
        if let (409, State, Asked::Initiation) = (status, meaning, asked) {
            return response.unclear(Failed::Duplicate, &code);
        }
        let why = match (meaning, asked) {
            (Always(why), _) => why,
            (Resource, Asked::Status | Asked::Cancellation) => Failed::NotFound,
            (Resource, Asked::Account | Asked::Funds | Asked::Initiation) => Failed::NoAccount,
            (Resource, Asked::Consent) => Failed::NotPermitted,
            (State, Asked::Cancellation) => Failed::CannotReverse,
            (
                State,
                Asked::Account | Asked::Funds | Asked::Consent | Asked::Initiation | Asked::Status,
            ) => Failed::Invalid,
        };
        return response.refused(why, &code);
    }
    let fits = |(from, to, ..): &&(u16, u16, Failed, bool)| (*from..=*to).contains(&status);
    let row = STATUSES.iter().find(fits).copied();
    let (_, _, why, is_stated) = row.unwrap_or((0, 0, Failed::Malfunction, false));
    // What cannot be read did not come from the bank's service, except that a limit or a
    // breakdown says all with its status.
    let is_strange = body.is_none()
        && !response.body.is_empty()
        && !matches!(why, Failed::Limited | Failed::Unavailable | Failed::Late);
    match (is_strange, is_stated) {
        (true, _) => response.unclear(Failed::Malfunction, "body"),
        (false, true) => response.refused(why, &code),
        (false, false) => response.unclear(why, &code),
    }
}

/// Whether an answer says that the token is not good (any more).
pub(super) fn is_token(response: &Response) -> bool {
    response.status == 401 && body(response).is_some_and(|body| code(&body).starts_with("TOKEN_"))
}

fn body(response: &Response) -> Option<Body> {
    serde_json::from_slice(&response.body).ok()
}

fn code(body: &Body) -> String {
    let errors = body.tpp_messages.iter().filter(|message| message.category != "WARNING");
    let gateway = match body.error.as_deref() {
        Some("invalid_token") => Some("TOKEN_INVALID"),
        Some("insufficient_scope") => Some("ROLE_INVALID"),
        Some(_) | None => None,
    };
    let codes = errors.map(|message| message.code.as_str());
    let codes = codes
        .chain(body.code.as_deref())
        .chain(body.additional_errors.iter().map(|message| message.code.as_str()));
    let mut codes = codes.chain(gateway).filter(|code| is_code(code));
    // The first that means something; if none does, the first.
    let first = codes.next().unwrap_or_default();
    let known = core::iter::once(first).chain(codes).find(|code| meaning(code).is_some());
    known.unwrap_or(first).to_owned()
}

/// A code is a code and never a text: nothing of a customer can be in it.
fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= CODE_MAX && text.bytes().all(fits) && code::passed_on(text).is_some()
}

fn meaning(code: &str) -> Option<Meaning> {
    let fits = |(pattern, _): &&Row| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => code.starts_with(start),
        (None, Some(end)) => code.ends_with(end),
        (None, None) => code == *pattern,
    };
    CODES.iter().find(fits).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reqwest::header::HeaderMap;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            moved_money: true,
            is_doubtful: false,
        }
    }

    #[test]
    fn every_code_in_both_bodies() {
        use Asked::{Account, Cancellation, Consent, Funds, Initiation, Status};
        for (status, code, asked, why) in [
            (400, "FORMAT_ERROR", Initiation, Failed::Format),
            (406, "REQUESTED_FORMATS_INVALID", Account, Failed::Format),
            (400, "PARAMETER_NOT_CONSISTENT", Initiation, Failed::Invalid),
            (400, "PARAMETER_NOT_SUPPORTED", Initiation, Failed::Invalid),
            (400, "PERIOD_INVALID", Account, Failed::Invalid),
            (400, "EXECUTION_DATE_INVALID", Initiation, Failed::Invalid),
            (400, "TIMESTAMP_INVALID", Initiation, Failed::Invalid),
            (400, "CARD_INVALID", Funds, Failed::Invalid),
            (400, "PAYMENT_FAILED", Initiation, Failed::Refused),
            (400, "SCA_INVALID", Initiation, Failed::Refused),
            (400, "SCA_METHOD_UNKNOWN", Initiation, Failed::Refused),
            (401, "CORPORATE_ID_INVALID", Initiation, Failed::Refused),
            (401, "PSU_CREDENTIALS_INVALID", Initiation, Failed::Refused),
            (400, "FUNDS_NOT_AVAILABLE", Initiation, Failed::NoFunds),
            (400, "CONSENT_UNKNOWN", Account, Failed::NotPermitted),
            (403, "CONSENT_UNKNOWN", Account, Failed::NotPermitted),
            (401, "CONSENT_INVALID", Account, Failed::NotPermitted),
            (401, "CONSENT_EXPIRED", Account, Failed::NotPermitted),
            // As the seed has it: what counts is the code.
            (403, "CONSENT_EXPIRED", Account, Failed::NotPermitted),
            (403, "SERVICE_BLOCKED", Account, Failed::Restricted),
            (400, "RESOURCE_BLOCKED", Initiation, Failed::Restricted),
            (404, "RESOURCE_UNKNOWN", Account, Failed::NoAccount),
            (400, "RESOURCE_UNKNOWN", Funds, Failed::NoAccount),
            (403, "RESOURCE_UNKNOWN", Initiation, Failed::NoAccount),
            (404, "RESOURCE_UNKNOWN", Consent, Failed::NotPermitted),
            (404, "RESOURCE_UNKNOWN", Status, Failed::NotFound),
            (404, "RESOURCE_UNKNOWN", Cancellation, Failed::NotFound),
            (403, "RESOURCE_EXPIRED", Status, Failed::NotFound),
            (403, "PRODUCT_INVALID", Initiation, Failed::NotSupported),
            (404, "PRODUCT_UNKNOWN", Initiation, Failed::NotSupported),
            (400, "SERVICE_INVALID", Initiation, Failed::NotSupported),
            (405, "SERVICE_INVALID", Cancellation, Failed::NotSupported),
            (400, "SESSIONS_NOT_SUPPORTED", Consent, Failed::NotSupported),
            (400, "NO_PIIS_ACTIVATION", Funds, Failed::NotSupported),
            (405, "CANCELLATION_INVALID", Cancellation, Failed::CannotReverse),
            (409, "STATUS_INVALID", Cancellation, Failed::CannotReverse),
            (403, "STATUS_INVALID", Initiation, Failed::Invalid),
            (409, "REFERENCE_STATUS_INVALID", Status, Failed::Invalid),
            (401, "TOKEN_UNKNOWN", Initiation, Failed::Malfunction),
            (401, "TOKEN_INVALID", Initiation, Failed::Malfunction),
            (401, "TOKEN_EXPIRED", Account, Failed::Malfunction),
            (401, "CERTIFICATE_INVALID", Initiation, Failed::Credentials),
            (401, "CERTIFICATE_EXPIRED", Initiation, Failed::Credentials),
            (401, "CERTIFICATE_BLOCKED", Initiation, Failed::Credentials),
            (401, "CERTIFICATE_REVOKE", Initiation, Failed::Credentials),
            (401, "CERTIFICATE_REVOKED", Initiation, Failed::Credentials),
            (401, "CERTIFICATE_MISSING", Initiation, Failed::Credentials),
            (401, "SIGNATURE_INVALID", Initiation, Failed::Credentials),
            (401, "SIGNATURE_MISSING", Initiation, Failed::Credentials),
            (401, "ROLE_INVALID", Initiation, Failed::Credentials),
            (401, "KID_MISSING", Initiation, Failed::Credentials),
            (401, "REQUIRED_KID_MISSING", Initiation, Failed::Credentials),
            (429, "ACCESS_EXCEEDED", Account, Failed::Limited),
        ] {
            let messages =
                format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{code}","text":"x"}}]}}"#);
            let problem =
                format!(r#"{{"type":"https://x.example/y","title":"x","code":"{code}"}}"#);
            let additional = format!(
                r#"{{"type":"about:blank","code":"X","additionalErrors":[{{"code":"{code}"}}]}}"#
            );
            for body in [messages, problem, additional] {
                let failure = failure(&answer(status, &body), asked);
                assert_eq!((failure.why, &*failure.code), (why, code), "{status} {body}");
                assert!(!failure.is_open, "stated: {code}");
            }
        }
    }

    #[test]
    fn an_order_that_meets_one_is_a_duplicate_and_nobody_knows_of_which() {
        let body = r#"{"tppMessages":[{"category":"ERROR","code":"STATUS_INVALID"}]}"#;
        let failure = failure(&answer(409, body), Asked::Initiation);
        assert_eq!((failure.why, &*failure.code), (Failed::Duplicate, "STATUS_INVALID"));
        assert!(failure.is_open, "it is looked for");
    }

    #[test]
    fn every_status_without_a_code() {
        for (status, body, why, is_open) in [
            (400, "", Failed::Format, false),
            (400, "{}", Failed::Format, false),
            (401, "{}", Failed::Credentials, false),
            (403, "", Failed::Refused, false),
            (404, "", Failed::Malfunction, false),
            (405, "", Failed::NotSupported, false),
            (406, "", Failed::Format, false),
            (408, "", Failed::Late, true),
            (409, "", Failed::Duplicate, true),
            (415, "{}", Failed::Format, false),
            (418, "", Failed::Refused, false),
            (429, "", Failed::Limited, false),
            (429, "<html>", Failed::Limited, false),
            (500, "", Failed::Malfunction, true),
            (500, "<html>no</html>", Failed::Malfunction, true),
            (501, "", Failed::NotSupported, false),
            (502, "<html>no</html>", Failed::Unavailable, true),
            (503, "", Failed::Unavailable, true),
            (504, "<html>no</html>", Failed::Late, true),
            (520, "", Failed::Malfunction, true),
            (530, "", Failed::Unavailable, true),
            (599, "{}", Failed::Malfunction, true),
            // Whoever wrote this is not the bank's service.
            (400, "<html>no</html>", Failed::Malfunction, true),
            (403, "[1]", Failed::Malfunction, true),
            (404, "not found", Failed::Malfunction, true),
        ] {
            let failure = failure(&answer(status, body), Asked::Initiation);
            assert_eq!((failure.why, failure.is_open), (why, is_open), "{status} {body}");
        }
    }

    #[test]
    fn an_order_that_may_be_there_already_is_open_whatever_the_code() {
        for code in ["STATUS_INVALID", "FORMAT_ERROR", "RESOURCE_UNKNOWN", "SOMETHING_NEW"] {
            let body = format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{code}"}}]}}"#);
            for (status, why) in [(408, Failed::Late), (409, Failed::Duplicate)] {
                let failure = failure(&answer(status, &body), Asked::Initiation);
                assert_eq!((failure.why, failure.is_open), (why, true), "{status} {code}");
                assert_eq!(failure.code, code);
            }
        }
        let html = failure(&answer(409, "<html>"), Asked::Initiation);
        assert_eq!((html.why, html.is_open), (Failed::Duplicate, true));
    }

    #[test]
    fn a_server_that_fails_states_nothing() {
        let body = r#"{"tppMessages":[{"category":"ERROR","code":"PAYMENT_FAILED"}]}"#;
        for status in [500, 502, 503, 504, 530] {
            let failure = failure(&answer(status, body), Asked::Initiation);
            assert!(failure.is_open, "{status}");
            assert_ne!(failure.why, Failed::Refused);
            assert_eq!(failure.code, "PAYMENT_FAILED", "people may know");
        }
    }

    #[test]
    fn only_codes_are_kept() {
        for text in ["your account NO93", "<b>", "payment_failed", &"A".repeat(41), ""] {
            let body = format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{text}"}}]}}"#);
            assert_eq!(failure(&answer(400, &body), Asked::Account).code, "");
        }
        let body = r#"{"tppMessages":[{"category":"ERROR","code":"SOMETHING_NEW"}]}"#;
        let failure = failure(&answer(403, body), Asked::Account);
        assert_eq!((failure.why, &*failure.code), (Failed::Refused, "SOMETHING_NEW"));
    }

    #[test]
    fn the_error_counts_and_not_the_warning_before_it() {
        let body = r#"{"tppMessages":[{"category":"WARNING","code":"FUNDS_NOT_AVAILABLE"},
            {"category":"ERROR","code":"PRODUCT_INVALID"}]}"#;
        let failure = failure(&answer(403, body), Asked::Initiation);
        assert_eq!(failure.why, Failed::NotSupported);
    }

    #[test]
    fn tokens_are_told_from_other_refusals() {
        let token = r#"{"tppMessages":[{"category":"ERROR","code":"TOKEN_EXPIRED"}]}"#;
        assert!(is_token(&answer(401, token)));
        assert!(is_token(&answer(401, r#"{"error":"invalid_token"}"#)));
        assert!(!is_token(&answer(403, token)));
        assert!(!is_token(&answer(401, r#"{"error":"invalid_client"}"#)));
        assert!(!is_token(&answer(401, "")));
    }
}
