//! What the banks say when they say no: the messages of the Berlin Group in their two shapes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::banks::Bank;
use crate::sandbox::log::Remark;

/// A no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// A code of the catalogue; `None` for statuses that have none.
    code: Option<&'static str>,
    /// Header or part of the body that is wrong.
    path: Option<&'static str>,
    text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code: Some(code), path: None, text: text.into() }
    }

    /// Where no code is defined.
    pub(super) fn bare(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, code: None, path: None, text: text.into() }
    }

    pub(super) fn at(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }

    pub(super) fn format(path: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "FORMAT_ERROR", text).at(path)
    }

    pub(super) fn unauthorized(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, text)
    }

    pub(super) fn unknown(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_UNKNOWN", text)
    }

    /// The bank's own core has stopped.
    pub(super) fn down() -> Self {
        Self::bare(StatusCode::SERVICE_UNAVAILABLE, "the bank behind the sandbox has stopped")
    }

    pub(super) fn respond(self, bank: &Bank) -> Response {
        let Self { status, code, path, text } = self;
        let (kind, body) = match (code, bank.problem_bodies) {
            (None, _) => (None, None),
            (Some(code), true) => {
                let place = path.map(|path| format!("{path}: ")).unwrap_or_default();
                let detail = place + &text;
                let body = json!({
                    "type": "https://bank.example/problems/refused",
                    "title": "refused",
                    "detail": detail,
                    "code": code,
                });
                (Some("application/problem+json"), Some(body))
            }
            (Some(code), false) => {
                let mut message = json!({"category": "ERROR", "code": code, "text": text});
                if let (Some(path), Some(message)) = (path, message.as_object_mut()) {
                    message.insert("path".to_owned(), json!(path));
                }
                (Some("application/json"), Some(json!({"tppMessages": [message]})))
            }
        };
        let mut response = match body {
            Some(body) => (status, body.to_string()).into_response(),
            None => status.into_response(),
        };
        if let Some(kind) = kind {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let code = code.unwrap_or_default();
        let path = path.unwrap_or_default();
        response.extensions_mut().insert(Remark(format!("{code} {path} {text}").trim().to_owned()));
        response
    }
}
