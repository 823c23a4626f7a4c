//! A mail server as a sandbox: SMTP on one port with STARTTLS and on another with TLS from the
//! first byte, and the letters that came over HTTP on a third.
//!
//! It takes nothing before TLS and, if it has a password, nothing before a log-in. It checks the
//! order of commands, addresses, and that a letter has the headers a letter has. Recipients whose
//! name begins with `nobody`, `full` or `later` are refused for good, for now, or with a greylist.

mod session;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use super::{Clock, Sandbox, Stream, Talking, Talks};

/// Whom the server lets in.
#[derive(Clone, Default)]
pub struct MailConfig {
    /// Name and password; `None` asks nobody.
    pub login: Option<(String, String)>,
}

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// By the sandboxes' clock.
    pub at_ms: u64,
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// Headers and text, without the doubled dots.
    pub text: String,
}

impl Letter {
    /// A header, its lines joined; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let joined = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut values = joined.split("\r\n").filter_map(|line| line.split_once(':'));
        let found = values.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    }

    /// What follows the headers.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// The letters that came, over HTTP. Copies share its state.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    config: MailConfig,
    clock: Clock,
    letters: Mutex<VecDeque<Letter>>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl Mailbox {
    /// Without letters.
    #[must_use]
    pub fn new(config: MailConfig, clock: Clock) -> Self {
        Self(Arc::new(Inner { config, clock, letters: Mutex::default() }))
    }

    /// The letters that came, oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.state().iter().cloned().collect()
    }

    /// The server that puts letters into it, for a port. With `starttls` it begins in clear and
    /// takes nothing until TLS was begun; without, the port itself speaks TLS.
    #[must_use]
    pub fn server(&self, starttls: Option<Arc<rustls::ServerConfig>>) -> MailServer {
        MailServer { mailbox: self.clone(), starttls: starttls.map(TlsAcceptor::from) }
    }

    fn state(&self) -> MutexGuard<'_, VecDeque<Letter>> {
        // A panic elsewhere leaves nothing half-written here.
        self.0.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, from: String, to: Vec<String>, text: String) {
        let letter = Letter { at_ms: self.0.clock.now_ms(), from, to, text };
        let mut letters = self.state();
        if letters.len() >= LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back(letter);
    }
}

/// A port of SMTP.
#[derive(Clone)]
pub struct MailServer {
    mailbox: Mailbox,
    starttls: Option<TlsAcceptor>,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer").finish_non_exhaustive()
    }
}

async fn list(Shared(mailbox): Shared<Mailbox>) -> Response {
    let body = json!({ "letters": mailbox.letters() }).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Sandbox for Mailbox {
    fn router(&self) -> Router {
        Router::new().route("/letters", get(list)).with_state(self.clone())
    }

    fn reset(&self) {
        self.state().clear();
    }
}

impl Sandbox for MailServer {
    fn router(&self) -> Router {
        Router::new()
    }

    fn reset(&self) {
        self.mailbox.reset();
    }

    fn talks(&self) -> Option<Arc<dyn Talks>> {
        Some(Arc::new(self.clone()))
    }
}

impl Talks for MailServer {
    fn talk(&self, stream: Box<dyn Stream>, is_tls: bool) -> Talking {
        let server = self.clone();
        Box::pin(async move { session::serve(&server, stream, is_tls).await })
    }
}

/// Letters that are kept.
const LETTERS_MAX: usize = 1_000;
