//! `GET /simulator/download`, below `/api/v1/integration` too: the report of the bank to whoever
//! asks on this machine. It asks for no password, so the configuration lets it stand on loopback
//! addresses only, where it hears programs and whoever types its address but no page of a browser,
//! and it exists only in the simulator. Errors have the form of the integration API.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::sync::Semaphore;

use super::Sandbox;
use super::query;
use crate::report::{Format, Kind, ROWS, ROWS_MAX, Report, ReportError};

/// Where it is: as the contract of the integration API has it, and by the short way.
const PATHS: [&str; 2] = ["/api/v1/integration/simulator/download", "/simulator/download"];

/// Reads the book of a bank.
#[derive(Debug)]
pub struct Download {
    desk: Arc<Counter>,
}

#[derive(Debug)]
struct Counter {
    database: PathBuf,
    title: String,
    /// A report is held in memory while it is written: one at a time.
    turn: Arc<Semaphore>,
}

impl Download {
    /// Reports about the book in `database`, headed by `title`.
    #[must_use]
    pub fn new(database: PathBuf, title: String) -> Self {
        Self { desk: Arc::new(Counter { database, title, turn: Arc::new(Semaphore::new(1)) }) }
    }
}

impl Sandbox for Download {
    fn router(&self) -> Router {
        let mut router = Router::new();
        for path in PATHS {
            router = router.route(path, get(download));
        }
        router.with_state(Arc::clone(&self.desk))
    }

    /// The book is the bank's; there is nothing here to forget.
    fn reset(&self) {}
}

async fn download(
    State(desk): State<Arc<Counter>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let refused = |status, code, message: &str| refuse(&headers, status, code, message);
    let sent = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    if veksel_config::from_this_machine(sent).is_err() {
        let why = "only programs of this machine are heard, under an address of this machine";
        return refused(StatusCode::FORBIDDEN, "forbidden", why);
    }
    let wish = match Wish::read(query.as_deref().unwrap_or_default()) {
        Ok(wish) => wish,
        Err(wrong) => return refused(StatusCode::BAD_REQUEST, "invalid_request", &wrong),
    };
    // It is never closed.
    let Ok(turn) = Arc::clone(&desk.turn).acquire_owned().await else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the bank has ended");
    };
    let (reader, format) = (Arc::clone(&desk), wish.format);
    let read = tokio::task::spawn_blocking(move || {
        // Whoever hangs up ends the asking, not the writing.
        let _turn = turn;
        wish.render(&reader)
    });
    let read = read.await;
    match read {
        Ok(Ok(bytes)) => file(format, bytes),
        Ok(Err(error @ ReportError::Sheet { .. })) => {
            refused(StatusCode::NOT_FOUND, "not_found", &error.to_string())
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "no report");
            refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string())
        }
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            refused(status, "internal", "the report could not be written")
        }
    }
}

/// An error in the form that the integration API has.
fn refuse(headers: &HeaderMap, status: StatusCode, code: &str, message: &str) -> Response {
    let trace = trace(headers);
    let error = json!({ "code": code, "message": message, "traceId": trace });
    let mut response = (status, json!({ "error": error }).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(trace) = HeaderValue::try_from(trace) {
        headers.insert("x-request-id", trace);
    }
    response
}

/// `X-Request-ID` if it is a plain one, else a number of ours.
fn trace(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    if let Some(given) = given.filter(|given| veksel_config::is_plain_id(given)) {
        return given.to_owned();
    }
    let mut bytes = [0_u8; 16];
    // Without chance they are all the same: worse to search for, and nothing else.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::warn!("the system gave no random bytes for a trace id");
    }
    format!("{:032x}", u128::from_be_bytes(bytes))
}

fn file(format: Format, bytes: Vec<u8>) -> Response {
    let ending =
        Format::ALL.iter().find(|(_, known)| *known == format).map_or("", |(word, _)| word);
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::try_from(format!("inline; filename=\"bank.{ending}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// What is asked for.
struct Wish {
    kind: Kind,
    format: Format,
    sheet: Option<String>,
    rows: usize,
}

impl Wish {
    fn read(text: &str) -> Result<Self, String> {
        const KNOWN: [&str; 4] = ["report", "format", "sheet", "rows"];
        let pairs = query::pairs(text);
        if let Some((name, _)) = pairs.iter().find(|(n, _)| !KNOWN.contains(&&**n)) {
            return Err(format!("{name:?} is not known here; {} are", KNOWN.join(", ")));
        }
        let times = |name: &str| pairs.iter().filter(|(known, _)| known == name).count();
        if let Some(name) = KNOWN.into_iter().find(|name| times(name) > 1) {
            return Err(format!("`{name}` is given twice"));
        }
        let rows = match query::value(text, "rows") {
            None => ROWS,
            Some(rows) => rows
                .parse()
                .ok()
                .filter(|rows| (1..=ROWS_MAX).contains(rows))
                .ok_or_else(|| format!("rows must be a number from 1 to {ROWS_MAX}"))?,
        };
        let (report, sheet) = (times("report") > 0, query::value(text, "sheet"));
        // A table is looked for among all of them, unless somebody says where.
        let default = if sheet.is_some() { Kind::All } else { Kind::State };
        let kind = word(&Kind::ALL, text, "report", default)?;
        let format = word(&Format::ALL, text, "format", Format::Csv)?;
        // Who names neither has the accounts.
        let is_one = sheet.is_some() || !report || !matches!(kind, Kind::State | Kind::All);
        if format == Format::Csv && !is_one {
            let why = "a CSV file has one table, and this report has more: name one by `sheet`, \
                       or another `format`";
            return Err(why.to_owned());
        }
        Ok(Self { kind, format, sheet, rows })
    }

    fn render(&self, desk: &Counter) -> Result<Vec<u8>, ReportError> {
        let made_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let Counter { database, title, .. } = desk;
        let report = Report::of_book(database, title, self.kind, self.rows, made_at)?;
        report.render(self.format, self.sheet.as_deref())
    }
}

fn word<T: Copy>(known: &[(&str, T)], text: &str, name: &str, default: T) -> Result<T, String> {
    let Some(found) = query::value(text, name) else { return Ok(default) };
    known.iter().find(|(word, _)| *word == found).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        format!("{name} must be one of {}", words.join(", "))
    })
}
