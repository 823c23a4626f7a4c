//! Everything a bank is made of, from its configuration: dialect, book, ledger, settings.
//!
//! It opens files and no socket.

use std::fs;
use std::rc::Rc;

use tracing::{info, warn};
use veksel_codecs::{Codec, Dialect};
use veksel_config::{BankConfig, BankProfile, DialectName, ListenConfig, TcpKeepAlive};

use super::BankError;
use crate::book::{Book, Opened};
use crate::issuer::{Issuer, NamePolicy, Settings};
use crate::ledger::{Limits, Profile};
use crate::seeds::Seeds;

/// A bank before it listens.
pub(super) struct Parts {
    pub(super) codec: Rc<Codec>,
    pub(super) issuer: Issuer,
    pub(super) book: Book,
}

pub(super) fn open(config: &BankConfig) -> Result<Parts, BankError> {
    let codec = Rc::new(Codec::new(dialect(&config.dialect)?));
    let hold_ms = u64::from(config.hold_days).saturating_mul(DAY_MS);
    let limits = Limits { hold_ms, ..Limits::STANDARD };
    let profile = match config.profile {
        BankProfile::Ideal => Profile::Ideal,
        BankProfile::Legacy => Profile::Legacy,
    };
    if profile == Profile::Legacy {
        warn!(bank = config.name, "legacy profile: copies are executed, early reversals forgotten");
    }
    let path = &config.database;
    let Opened { book, ledger, directory } = if Book::is_at(path)? {
        let opened = Book::open(path, limits, profile)?;
        info!(bank = config.name, book = %path.display(), "bank goes on with its book");
        opened
    } else {
        let seeds = match &config.seeds {
            Some(folder) => Seeds::from_dir(folder)?,
            None => Seeds::embedded()?,
        };
        let opening = seeds.open(limits, profile)?;
        let book = Book::create(path, &opening)?;
        let seeds = if config.seeds.is_some() { "own" } else { "built-in" };
        info!(bank = config.name, book = %path.display(), seeds, "bank begins a new book");
        Opened { book, ledger: opening.ledger, directory: opening.directory }
    };
    let settings = Settings {
        institution: config.institution.clone(),
        magic: config.magic,
        late_ms: config.late_ms,
        statement_lines: config.statement_lines as usize,
        names: NamePolicy::Masked,
    };
    let issuer = Issuer::new(ledger, directory, settings, Rc::clone(&codec));
    Ok(Parts { codec, issuer, book })
}

/// What the listener allows. A switch is one peer with much to say, so the bounds are wide.
pub(super) fn listen(config: &BankConfig) -> ListenConfig {
    ListenConfig {
        address: config.listen,
        dialect: config.dialect.clone(),
        framing: config.framing.clone(),
        mac: config.mac.clone(),
        tls: config.tls.clone(),
        identities: None,
        allow: None,
        connections_max: 1_024,
        // Late answers count as unanswered, and must not stop a connection from being read.
        in_flight_max: 1_000_000,
        frame_deadline_ms: 10_000,
        tcp_user_timeout_ms: 20_000,
        tcp_keep_alive: TcpKeepAlive::default(),
        idle_ms: 0,
        outbound_max: 8 * 1_024 * 1_024,
        malformed_max: 100,
        malformed_window_ms: 60_000,
        channel_timeout_ms: 60_000,
        strict: false,
    }
}

fn dialect(name: &DialectName) -> Result<Dialect, BankError> {
    let read = match name {
        DialectName::Shipped(name) => Dialect::shipped(name),
        DialectName::File(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                let path = path.display();
                BankError::Dialect(format!("dialect {path} cannot be read: {error}"))
            })?;
            Dialect::parse(&text)
        }
    };
    read.map_err(|error| BankError::Dialect(error.to_string()))
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
