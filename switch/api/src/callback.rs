//! Where a bank sends its customer back to. The customer sees a static page, or the console if it
//! was there that the account was linked; how the payment stands is said only to who brings back
//! the state that we gave to the bank.
//!
//! That the customer came back says nothing about the payment: the bank is asked.

use crate::answer::Trace;
use crate::console::PATH;
use crate::door::Desk;
use crate::identity::leads;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use veksel_core::enquiry::{Call, Moved, Secret, Told};
use veksel_core::fact::{ConsentStatus, Linked, PaymentState};

/// Longest code that a bank gives its customer to bring back.
const CODE_MAX: usize = 2_048;

/// How long a customer looks at an empty page.
const CALLBACK_TIME: Duration = Duration::from_secs(10);

/// `GET /api/payments/callback?s=<state>[&nok=1][&code=…][&state=…]`. A code completes the approval
/// at the bank; whatever else a bank adds is not read.
pub(crate) async fn returned(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.as_deref().unwrap_or_default();
    let moved = state(query).and_then(|state| match code(query, &state)? {
        Some(code) => Some(Moved::Code { state, code }),
        None => Some(Moved::State(state)),
    });
    let Some(moved) = moved else { return page(StatusCode::BAD_REQUEST, UNKNOWN, &trace) };
    let told = desk.engine.call(Call::Moved(moved), CALLBACK_TIME).await;
    if let Told::Linked { linked, .. } = &told
        && is_theirs(&desk, &headers, linked)
    {
        return leads(&format!("{PATH}?from=bank"), None, &trace);
    }
    let (status, said) = match told {
        Told::Unknown => (StatusCode::BAD_REQUEST, UNKNOWN),
        Told::Payment(state) => (StatusCode::OK, of_payment(state)),
        Told::Linked { linked, .. } => (StatusCode::OK, of_consent(linked.status)),
        Told::Noted | Told::Failed(_) => (StatusCode::OK, ASKING),
        Told::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Told::Checked { .. } | Told::Checks { .. } | Told::Accounts { .. } | Told::Approve(_) => {
            tracing::error!(trace = trace.0, "the engine answered a call with something else");
            (StatusCode::INTERNAL_SERVER_ERROR, BUSY)
        }
    };
    page(status, said, &trace)
}

/// Whether whoever is signed in in this browser has linked the account.
fn is_theirs(desk: &Desk, headers: &HeaderMap, linked: &Linked) -> bool {
    let session = desk.identity.as_ref().and_then(|identity| identity.session(headers));
    session.is_some_and(|session| session.person.customer == linked.customer)
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
        | Told::Accounts { .. }
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

/// What an authorisation server (`code`) or a bank that wants its approvals confirmed
/// (`confirmationCode`) gave the customer to bring back, if it did. `None` if the request is not to
/// be believed: it says something twice, or a `state` that is another's.
#[expect(clippy::option_option, reason = "nothing brought back, and nothing to be believed")]
fn code(query: &str, expected: &[u8; 16]) -> Option<Option<Secret>> {
    let mut found: [Option<String>; 3] = [const { None }; 3];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*name {
            "code" => 0,
            "confirmationCode" => 1,
            "state" => 2,
            _ => continue,
        };
        let slot = found.get_mut(place)?;
        if slot.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let [code, confirmation, given] = found;
    let is_ours = |text: &String| state(&format!("s={text}")).as_ref() == Some(expected);
    let code = code.or(confirmation);
    // Without a code it is nobody's business what else is in there.
    if code.is_some() && !given.as_ref().is_none_or(is_ours) {
        return None;
    }
    let fits = |code: &String| {
        (1..=CODE_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match code {
        None => Some(None),
        Some(code) if fits(&code) => Some(Some(Secret::new(code))),
        Some(_) => None,
    }
}

/// A heading and a line.
type Said = (&'static str, &'static str);

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

fn page(status: StatusCode, (heading, line): Said, trace: &Trace) -> Response {
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
    use super::{code, state};

    #[test]
    fn a_code_is_read_once_and_with_its_own_state() {
        let hex = "00112233445566778899aabbccddeeff";
        let of = |query: String| {
            let found = code(&query, &state(&format!("s={hex}")).unwrap());
            found.map(|code| code.map(|code| code.expose().to_owned()))
        };
        let other = "10112233445566778899aabbccddeeff";
        for (query, expected) in [
            (String::new(), Some(None)),
            (format!("s={hex}&paymentId=7"), Some(None)),
            (format!("s={hex}&code=a%2Fb"), Some(Some("a/b"))),
            (format!("s={hex}&code=ab&state={hex}"), Some(Some("ab"))),
            (format!("s={hex}&confirmationCode=ab"), Some(Some("ab"))),
            // A state of the bank's own, which has nothing to do with a code.
            (format!("s={hex}&state=theirs"), Some(None)),
            (format!("s={hex}&code=ab&state={other}"), None),
            (format!("s={hex}&code=ab&state=+{}", &hex[1..]), None),
            (format!("s={hex}&code=ab&code=ab"), None),
            (format!("s={hex}&code="), None),
            (format!("s={hex}&code=a%0ab"), None),
            (format!("s={hex}&code={}", "a".repeat(2_049)), None),
        ] {
            let expected = expected.map(|code| code.map(str::to_owned));
            assert_eq!(of(query.clone()), expected, "{query}");
        }
    }

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
