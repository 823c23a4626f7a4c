//! Answers in JSON, and errors in the one form that all have:
//! `{"error":{"code":"…","message":"…","traceId":"…"}}`.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;
use veksel_config::is_plain_id;
use veksel_core::enquiry::{Failed, Failure, Told};

/// Names a request in answers, in logs and to the bank: the caller's `x-request-id` if it is a
/// plain one in which no number of a card or a person can stand, else one of ours.
#[derive(Clone, Debug)]
pub(crate) struct Trace(pub(crate) String);

impl Trace {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        given
            .filter(|given| is_plain_id(given))
            .map_or_else(Self::random, |given| Self(given.to_owned()))
    }

    fn random() -> Self {
        let mut bytes = [0_u8; 16];
        // Without chance they are all the same: worse to search for, and nothing else.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            tracing::warn!("the system gave no random bytes for a trace id");
        }
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

/// A name that a caller made up, to be repeated to it: shortened, and not at all if there are six
/// digits in it, because then it may be a number that belongs nowhere.
pub(crate) fn made_up(name: &str) -> String {
    const DIGITS_MAX: usize = 5;
    const LENGTH_MAX: usize = 64;
    if name.chars().filter(|character| character.is_numeric()).count() > DIGITS_MAX {
        return "a name full of digits".to_owned();
    }
    let mut shown: String = name.chars().take(LENGTH_MAX).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    format!("`{}`", shown.escape_debug())
}

/// The code of a refusal, beside the answer that tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

/// Why a request is not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry: false }
    }

    /// The word of it.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// The same, saying by what name its end can be asked for, if nobody knows it yet.
    pub(crate) fn followed(self, id: &str) -> Self {
        if self.code != "outcome_unknown" {
            return self;
        }
        let message = format!("{}; transactions/{id} says how it stands", self.message);
        Self { message, ..self }
    }

    /// The same, to be tried again later.
    pub(crate) fn again(self) -> Self {
        Self { retry: true, ..self }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} is not known here"))
    }

    /// The switch takes nothing in now.
    pub(crate) fn busy() -> Self {
        let message = "the switch cannot take this in now; try again";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { retry: true, ..Self::new(status, "busy", message) }
    }

    /// The engine said something that is no answer to this: a defect.
    pub(crate) fn defect() -> Self {
        tracing::error!("the engine answered a call with something else");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "the answer is not one to this request")
    }

    /// What a program hears when it was told something else than it asked for: `unknown` if nothing
    /// here has such a name, and `unavailable` if a third party cannot be asked now.
    pub(crate) fn instead(told: Told, unknown: Self, unavailable: &str) -> Self {
        match told {
            Told::Busy => Self::busy(),
            Told::Failed(failure) => Self::of(&failure, unavailable),
            Told::Unknown => unknown,
            Told::Noted
            | Told::Payment(_)
            | Told::Approve(_)
            | Told::Linked { .. }
            | Told::Accounts { .. }
            | Told::Checked { .. }
            | Told::Checks { .. } => Self::defect(),
        }
    }

    /// The third party said no, or could not be asked. `unavailable` is what is said when it
    /// cannot be asked now.
    pub(crate) fn of(failure: &Failure, unavailable: &str) -> Self {
        let text = |status, code: &'static str, message: &str| Self::new(status, code, message);
        // The provider has the customer under another integration; a person must look.
        if failure.code == "applicant_owned_elsewhere" {
            let message = "the provider has this customer, and not as ours";
            return text(StatusCode::CONFLICT, "applicant_owned_elsewhere", message);
        }
        let word = failure.why.word();
        match failure.why {
            Failed::Unavailable
            | Failed::BreakerOpen
            | Failed::Late
            | Failed::Limited
            | Failed::Malfunction
            | Failed::Credentials => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self { retry: true, ..text(status, "unavailable", unavailable) }
            }
            Failed::NoAccount | Failed::NotFound => {
                text(StatusCode::NOT_FOUND, word, "the other side does not know it")
            }
            Failed::Format | Failed::Invalid | Failed::NotSupported => {
                let message = "the other side does not take a value of this";
                text(StatusCode::UNPROCESSABLE_ENTITY, word, message)
            }
            Failed::Duplicate => {
                text(StatusCode::CONFLICT, word, "the other side has another one under this name")
            }
            Failed::Refused
            | Failed::NoFunds
            | Failed::NotPermitted
            | Failed::Restricted
            | Failed::CannotReverse
            | Failed::WrongPin
            | Failed::OverAmount
            | Failed::OverCount => {
                text(StatusCode::UNPROCESSABLE_ENTITY, word, "the other side refuses it")
            }
        }
    }

    pub(crate) fn respond(&self, trace: &Trace) -> Response {
        let Self { status, code, message, retry } = self;
        let body = json!({ "error": { "code": code, "message": message, "traceId": trace.0 } });
        let mut response = json_response(*status, &body);
        response.extensions_mut().insert(Code(code));
        if *retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An answer in JSON that nobody keeps.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// The same answer with how long to wait, in whole seconds and at least one.
pub(crate) fn after(mut response: Response, wait: Duration) -> Response {
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    if let Ok(seconds) = seconds.parse() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// What a handler says.
pub(crate) type Answer = Result<Response, Refusal>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_its_caller_wants_unless_that_may_be_a_number() {
        for (given, is_kept) in [
            ("order-1", true),
            ("a_B-9", true),
            ("2026-11-21-7", true),
            ("2026112118", true),
            ("7f3a91c2-55d0-4e8b-a1c0-123456789012", true),
            ("00000000-0000-0000-0000-000000000000", true),
            ("4bf92f3577b34da6a3ce929d0e0e4736", true),
            ("12345678901234567890123456789012", true),
            ("4111111111111111", false),
            ("4111-1111-1111-1111", false),
            ("pan_4111_1111-11111111", false),
            ("x17829000024x", false),
            ("178290-00024", false),
            // Of no form that has digits by chance.
            ("4111-1111-1111-1111-a", false),
            ("12345678901-34567890123456789012", false),
            ("1234567890123456789012345678901g", false),
            ("a b", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static("x-request-id"),
                given.parse().unwrap(),
            )]);
            let Trace(trace) = Trace::of(&headers);
            assert_eq!(trace == given, is_kept, "{given}");
            assert!(is_kept || (trace.len() == 32 && is_plain_id(&trace)), "{trace}");
        }
    }

    #[test]
    fn a_name_that_is_made_up_is_repeated_without_numbers_and_not_at_length() {
        for (name, shown) in [
            ("acount", "`acount`"),
            ("line2", "`line2`"),
            ("12345", "`12345`"),
            ("a\nb", "`a\\nb`"),
            ("411111", "a name full of digits"),
            ("41-11 11-x", "a name full of digits"),
            ("٤١١١١١١", "a name full of digits"),
        ] {
            assert_eq!(made_up(name), shown);
        }
        assert_eq!(made_up(&"å".repeat(65)), format!("`{}…`", "å".repeat(64)));
    }
}
