//! A page that shows the document to people, from this program alone: it loads nothing from
//! anywhere else, and says so to the browser.

use crate::door::Desk;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// Nothing of anybody else's is loaded or run, and nobody shows it within a page of theirs.
const POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'self'; \
                      style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `GET /api/docs`.
pub(crate) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE.to_owned())
}

/// `GET /api/docs/page.js`.
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT.to_owned())
}

/// `GET /api/docs/page.css`.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE.to_owned())
}

/// `GET /api/openapi.json`.
pub(crate) async fn document_of(State(desk): State<Desk>) -> Response {
    file("application/json", desk.document.clone())
}

fn file(kind: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::OK, headers, text).into_response()
}
