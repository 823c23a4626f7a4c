//! Answers that are not refusals.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::banks::{Approach, Bank};

pub(super) fn json_reply(body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, kind, body.to_string()).into_response()
}

/// 201 of something that its customer has to approve.
pub(super) fn created(bank: &Bank, body: Value) -> Response {
    let mut response = json_reply(&body);
    *response.status_mut() = StatusCode::CREATED;
    let approach = match bank.approach {
        Approach::Redirect | Approach::Explicit | Approach::Oauth => "REDIRECT",
        Approach::Decoupled => "DECOUPLED",
    };
    with_header(response, "aspsp-sca-approach", approach)
}

/// With a header that fits; one that has forbidden characters is left out.
pub(super) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
