//! What came to a sandbox, for tests and people: bounded, and without what is secret.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One request and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// By the sandboxes' clock.
    pub at_ms: u64,
    /// GET and so on.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Those of [`SHOWN`] that it had, cut to 200 characters.
    pub headers: Vec<(String, String)>,
    /// `None` while it is not answered, and for ever if the caller hangs up before.
    pub status: Option<u16>,
    /// What was wrong with it, or odd; see [`Remark`].
    pub remark: Option<String>,
}

impl Entry {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A note for the log in the extensions of a response: what a refused request lacked, or what a
/// real provider would have ignored without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark(pub String);

/// The newest [`ENTRIES_MAX`] requests of a port. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    entries: VecDeque<Entry>,
    /// Number of the first of them.
    first: u64,
}

impl RequestLog {
    /// Oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lines().entries.iter().cloned().collect()
    }

    /// Forgets them.
    pub fn clear(&self) {
        let mut lines = self.lines();
        lines.first = lines.first.saturating_add(lines.entries.len() as u64);
        lines.entries.clear();
    }

    /// Notes a request and says by which number it is answered.
    pub(super) fn open(&self, entry: Entry) -> u64 {
        let mut lines = self.lines();
        if lines.entries.len() >= ENTRIES_MAX {
            lines.entries.pop_front();
            lines.first = lines.first.saturating_add(1);
        }
        lines.entries.push_back(entry);
        lines.first.saturating_add(lines.entries.len() as u64).saturating_sub(1)
    }

    pub(super) fn close(&self, number: u64, status: u16, remark: Option<String>) {
        let mut lines = self.lines();
        let place = number.checked_sub(lines.first).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| lines.entries.get_mut(place)) {
            entry.status = Some(status);
            entry.remark = remark;
        }
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a request's headers, those that are worth seeing and no secret.
pub(super) fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let value = |name: &&str| {
        let value = headers.get(*name)?;
        let text: String = String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect();
        Some(((*name).to_owned(), text))
    };
    SHOWN.iter().filter_map(value).collect()
}

pub(super) fn json(log: &RequestLog) -> Response {
    match serde_json::to_vec(&log.entries()) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Headers that are logged. None of them lets anybody in or signs anything.
const SHOWN: &[&str] = &[
    "content-type",
    "accept",
    "digest",
    "x-request-id",
    "consent-id",
    "x-consent-id",
    "psu-ip-address",
    "psu-id",
    "psu-user-agent",
    "psu-device-id",
    "tpp-redirect-preferred",
    "tpp-redirect-uri",
    "tpp-nok-redirect-uri",
    "tpp-explicit-authorisation-preferred",
    "tpp-rejection-nofunds-preferred",
    "tpp-notification-uri",
    "tpp-notification-content-preferred",
    "x-device-id",
    "x-session-id",
    "x-psu-ip-address",
    "x-app-access-ts",
];

/// Requests that are remembered on a port.
const ENTRIES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> Entry {
        Entry {
            at_ms: 0,
            method: "GET".to_owned(),
            path: format!("/{number}"),
            headers: Vec::new(),
            status: None,
            remark: None,
        }
    }

    #[test]
    fn it_keeps_the_newest_and_an_answer_finds_its_request() {
        let log = RequestLog::default();
        let early = log.open(entry(0));
        let numbers: Vec<u64> = (1..=ENTRIES_MAX).map(|number| log.open(entry(number))).collect();
        log.close(early, 500, None);
        log.close(*numbers.last().unwrap(), 200, Some("odd".to_owned()));
        let entries = log.entries();
        assert_eq!(entries.len(), ENTRIES_MAX);
        assert_eq!(entries[0].path, "/1");
        assert!(entries[..ENTRIES_MAX - 1].iter().all(|entry| entry.status.is_none()));
        assert_eq!(entries[ENTRIES_MAX - 1].status, Some(200));
        log.clear();
        log.close(*numbers.last().unwrap(), 404, None);
        let after = log.open(entry(7));
        log.close(after, 201, None);
        assert_eq!(log.entries().len(), 1);
        assert_eq!(log.entries()[0].status, Some(201));
    }

    #[test]
    fn what_lets_somebody_in_is_not_logged() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "signature", "x-app-token", "x-app-access-sig", "cookie"] {
            headers.insert(name, "secret".parse().unwrap());
        }
        headers.insert("x-request-id", "1".parse().unwrap());
        assert_eq!(shown(&headers), [("x-request-id".to_owned(), "1".to_owned())]);
    }
}
