//! `GET /simulator/download`: the report of the bank to whoever asks on this machine. It asks for
//! no password, so the configuration lets it stand on loopback addresses only, where it hears
//! programs and whoever types its address but no page of a browser, and it exists only in the
//! simulator.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::Sandbox;
use super::query;
use crate::report::{Format, Kind, ROWS, ROWS_MAX, Report, ReportError};

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
    turn: Semaphore,
}

impl Download {
    /// Reports about the book in `database`, headed by `title`.
    #[must_use]
    pub fn new(database: PathBuf, title: String) -> Self {
        Self { desk: Arc::new(Counter { database, title, turn: Semaphore::new(1) }) }
    }
}

impl Sandbox for Download {
    fn router(&self) -> Router {
        Router::new().route("/simulator/download", get(download)).with_state(Arc::clone(&self.desk))
    }

    /// The book is the bank's; there is nothing here to forget.
    fn reset(&self) {}
}

async fn download(
    State(desk): State<Arc<Counter>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let sent = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    if veksel_config::from_this_machine(sent).is_err() {
        let why = "only programs of this machine are heard, under an address of this machine\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let wish = match Wish::read(query.as_deref().unwrap_or_default()) {
        Ok(wish) => wish,
        Err(wrong) => return (StatusCode::BAD_REQUEST, format!("{wrong}\n")).into_response(),
    };
    // It is never closed.
    let Ok(_turn) = desk.turn.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (reader, format) = (Arc::clone(&desk), wish.format);
    let read = tokio::task::spawn_blocking(move || wish.render(&reader)).await;
    match read {
        Ok(Ok(bytes)) => file(format, bytes),
        Ok(Err(error @ ReportError::Sheet { .. })) => {
            (StatusCode::NOT_FOUND, format!("{error}\n")).into_response()
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "no report");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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
        if let Some((name, _)) = query::pairs(text).iter().find(|(n, _)| !KNOWN.contains(&&**n)) {
            return Err(format!("{name:?} is not known here; {} are", KNOWN.join(", ")));
        }
        let rows = match query::value(text, "rows") {
            None => ROWS,
            Some(rows) => rows
                .parse()
                .ok()
                .filter(|rows| (1..=ROWS_MAX).contains(rows))
                .ok_or_else(|| format!("rows must be a number from 1 to {ROWS_MAX}"))?,
        };
        Ok(Self {
            kind: word(&Kind::ALL, text, "report", Kind::State)?,
            format: word(&Format::ALL, text, "format", Format::Csv)?,
            sheet: query::value(text, "sheet"),
            rows,
        })
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
