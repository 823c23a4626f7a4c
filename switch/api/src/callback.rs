//! Where a bank sends its customer back to. The customer sees a static page; how the payment
//! stands is said only to who brings back the state that we gave to the bank.
//!
//! That the customer came back says nothing about the payment: the bank is asked.

use crate::answer::Trace;
use crate::door::Desk;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use veksel_core::enquiry::{Call, Moved, Told};
use veksel_core::fact::{ConsentStatus, PaymentState};

/// How long a customer looks at an empty page.
const CALLBACK_TIME: Duration = Duration::from_secs(10);

/// `GET /api/payments/callback?s=<state>[&nok=1][&paymentId=…]`. Whatever else a bank adds is not
/// read.
pub(crate) async fn returned(
    State(desk): State<Desk>,
    trace: Trace,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(state) = state(query.as_deref().unwrap_or_default()) else {
        return page(StatusCode::BAD_REQUEST, UNKNOWN, &trace);
    };
    let told = desk.engine.call(Call::Moved(Moved::State(state)), CALLBACK_TIME).await;
    let (status, said) = match told {
        Told::Unknown => (StatusCode::BAD_REQUEST, UNKNOWN),
        Told::Payment(state) => (StatusCode::OK, of_payment(state)),
        Told::Linked { linked, .. } => (StatusCode::OK, of_consent(linked.status)),
        Told::Noted | Told::Failed(_) => (StatusCode::OK, ASKING),
        Told::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Told::Checked { .. } | Told::Checks { .. } | Told::Approve(_) => {
            tracing::error!(trace = trace.0, "the engine answered a call with something else");
            (StatusCode::INTERNAL_SERVER_ERROR, BUSY)
        }
    };
    page(status, said, &trace)
}

/// `GET /approve/<link id>`: the portal. A channel shows the twelve characters of `P2`, and behind
/// them is the bank's page, which only its customer can do anything on.
pub(crate) async fn approve(
    State(desk): State<Desk>,
    trace: Trace,
    link: Result<Path<String>, PathRejection>,
) -> Response {
    let is_id = |link: &String| link.len() == 12 && link.bytes().all(|b| b.is_ascii_hexdigit());
    let Some(link) = link.ok().map(|Path(link)| link).filter(is_id) else {
        return page(StatusCode::NOT_FOUND, UNKNOWN, &trace);
    };
    let link = link.to_ascii_lowercase();
    let (status, said) = match desk.engine.call(Call::Approve { link }, CALLBACK_TIME).await {
        Told::Approve(href) if href.is_empty() => (StatusCode::OK, IN_APP),
        Told::Approve(href) => {
            let headers = [
                (header::LOCATION, href.as_str()),
                (header::CACHE_CONTROL, "no-store"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            return (StatusCode::SEE_OTHER, headers).into_response();
        }
        Told::Payment(state) => (StatusCode::OK, of_payment(state)),
        Told::Unknown => (StatusCode::NOT_FOUND, UNKNOWN),
        Told::Noted
        | Told::Failed(_)
        | Told::Linked { .. }
        | Told::Checked { .. }
        | Told::Checks { .. } => {
            tracing::error!(trace = trace.0, "the engine answered a call with something else");
            (StatusCode::INTERNAL_SERVER_ERROR, BUSY)
        }
        Told::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
    };
    page(status, said, &trace)
}

/// The 32 hexadecimal digits behind `s`, which must be there once.
fn state(query: &str) -> Option<[u8; 16]> {
    let mut found = query.split('&').filter_map(|pair| pair.strip_prefix("s="));
    let text = found.next()?;
    if found.next().is_some() || text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

/// A heading and a line.
pub(crate) type Said = (&'static str, &'static str);

const UNKNOWN: Said = ("Not known", "This address is not, or no longer, one of a payment.");
const BUSY: Said = ("One moment", "We are busy. Please reload this page.");
const IN_APP: Said = ("Approve", "Please open the app of your bank and approve it there.");
const ASKING: Said = ("Thank you", "Your bank is asked how it stands. You can close this page.");

const fn of_payment(state: PaymentState) -> Said {
    match state {
        PaymentState::Initiating | PaymentState::Unknown | PaymentState::Pending => ASKING,
        PaymentState::Accepted | PaymentState::Settled | PaymentState::Late => {
            ("Approved", "The payment is approved. You can close this page.")
        }
        PaymentState::Expiring | PaymentState::Expired => {
            ("Expired", "The payment was not approved in time and is not made.")
        }
        PaymentState::Cancelling | PaymentState::Cancelled => {
            ("Cancelled", "The payment was taken back and is not made.")
        }
        PaymentState::Rejected => ("Refused", "The payment was refused and is not made."),
    }
}

const fn of_consent(status: ConsentStatus) -> Said {
    match status {
        ConsentStatus::Asking | ConsentStatus::Waiting => ASKING,
        ConsentStatus::Valid => ("Linked", "The account is linked. You can close this page."),
        ConsentStatus::Expired | ConsentStatus::Gone => {
            ("Not linked", "The account is not linked. It can be linked again.")
        }
    }
}

pub(crate) fn page(status: StatusCode, (heading, line): Said, trace: &Trace) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    let trace = &trace.0;
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{heading}</title>\n<h1>{heading}</h1>\n<p>{line}</p>\n<p>{trace}</p>\n</html>\n"
    );
    (status, headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::state;

    #[test]
    fn the_state_is_read_once_and_whole() {
        let good = "00112233445566778899aabbccddeeff";
        let bytes = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        for (query, expected) in [
            (format!("s={good}"), Some(bytes)),
            (format!("s={good}&nok=1&paymentId=7"), Some(bytes)),
            (format!("paymentId=7&s={}", good.to_uppercase()), Some(bytes)),
            (format!("s={good}&s={good}"), None),
            (format!("state={good}"), None),
            (format!("s={good}0"), None),
            (format!("s=+{}", &good[1..]), None),
            (format!("s={}", &good[1..]), None),
            (String::new(), None),
        ] {
            assert_eq!(state(&query), expected, "{query}");
        }
    }
}
