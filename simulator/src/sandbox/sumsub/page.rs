//! A page that pretends to be the provider's SDK: somebody "hands documents in" by a click.

use super::super::query;
use super::Sumsub;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// `GET /sdk?token=…`
pub(super) async fn show(State(sumsub): State<Sumsub>, RawQuery(asked): RawQuery) -> Response {
    let token = query::value(asked.as_deref().unwrap_or_default(), "token").unwrap_or_default();
    let Some(external) = sumsub.token_owner(&token) else {
        return page(StatusCode::FORBIDDEN, "<p>This link is not good any more.</p>");
    };
    let form = format!(
        "<p>Identity check of <b>{}</b></p>\
         <form method=\"post\" action=\"/sdk\">\
         <input type=\"hidden\" name=\"token\" value=\"{}\">\
         <button id=\"submit\" type=\"submit\">Hand passport and selfie in</button></form>",
        query::escaped(&external),
        query::escaped(&token),
    );
    page(StatusCode::OK, &form)
}

/// `POST /sdk` with the token as a form.
pub(super) async fn submit(State(sumsub): State<Sumsub>, body: Bytes) -> Response {
    let token = std::str::from_utf8(&body).ok().and_then(|body| query::value(body, "token"));
    match token.filter(|token| sumsub.submit_by_token(token)) {
        Some(_) => page(StatusCode::OK, "<p id=\"done\">Thank you. You will hear from us.</p>"),
        None => page(StatusCode::FORBIDDEN, "<p>This link is not good any more.</p>"),
    }
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <title>Identity check (sandbox)</title><body>{body}</body></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
