//! The console: what people see who sign in. Its files stand in `web/` and are part of this
//! program; in a browser they ask the other endpoints as whoever is signed in, and nobody else.
//!
//! | path | what |
//! |---|---|
//! | `GET /console` | the page |
//! | `GET /console/…` | its modules, its style and its words |
//!
//! Who could not sign in sees it too, with the reason in it, under the status of that reason.

use crate::answer::Trace;
use crate::openapi::{Endpoint, Method};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Where it is.
pub(crate) const PATH: &str = "/console";

/// The same for who ends it with a slash.
const FOLDER: &str = "/console/";

const PAGE: &str = include_str!("../../../web/index.html");
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const WORDS: &str = "application/json";

/// Where in the page it is said why nobody was signed in.
const PLACE: &str = "<!-- problem -->";

macro_rules! stored {
    ($name:literal, $kind:expr) => {
        (concat!("/console/", $name), $kind, include_str!(concat!("../../../web/", $name)))
    };
}

/// What the page loads: where it is, what it is, and its text.
const FILES: [(&str, &str, &str); 10] = [
    stored!("accounts.js", SCRIPT),
    stored!("api.js", SCRIPT),
    stored!("check.js", SCRIPT),
    stored!("console.css", "text/css; charset=utf-8"),
    stored!("console.js", SCRIPT),
    stored!("icon.svg", "image/svg+xml"),
    stored!("view.js", SCRIPT),
    stored!("words.js", SCRIPT),
    stored!("words/en.json", WORDS),
    stored!("words/nb.json", WORDS),
];

/// Nothing of anybody else's is loaded or run, no text becomes markup, and nobody shows the page
/// within a page of theirs.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The page and its files, with what is said of them.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let whole = |path| {
        Endpoint::new(Method::Get, path, page)
            .about("people", "The console: a person's accounts, consents and identity check")
            .gives_text(&["200"], "text/html", "A page that loads nothing from elsewhere.")
    };
    let part = |(path, kind, text): (&'static str, &'static str, &'static str)| {
        // Whoever has an old file with a new one has neither.
        let serve = move || async move { file(StatusCode::OK, kind, "no-cache", text) };
        let kind = kind.split(';').next().unwrap_or(kind);
        let said = Endpoint::new(Method::Get, path, serve).about("people", "Part of the console");
        let when = "As it is in the program.";
        match kind {
            WORDS => said.gives_json("200", when, words()),
            _ => said.gives_text(&["200"], kind, when),
        }
    };
    [PATH, FOLDER].into_iter().map(whole).chain(FILES.into_iter().map(part)).collect()
}

/// The schema of the words of a language.
fn words() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

/// `GET /console`.
async fn page() -> Response {
    file(StatusCode::OK, HTML, "no-store", PAGE)
}

/// The page for who could not sign in. The text is for a browser without scripts: the page has
/// words of its own for each code.
pub(crate) fn refused(
    status: StatusCode,
    code: &'static str,
    text: &'static str,
    trace: &Trace,
) -> Response {
    let trace = &trace.0;
    let problem = format!(
        "<section id=\"problem\" class=\"notice bad\" role=\"alert\" data-code=\"{code}\" \
         data-trace=\"{trace}\"><h2>Not signed in</h2><p>{text}</p><p>{code} {trace}</p></section>"
    );
    file(status, HTML, "no-store", PAGE.replacen(PLACE, &problem, 1))
}

fn file(status: StatusCode, kind: &str, cache: &str, text: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, text).into_response()
}
