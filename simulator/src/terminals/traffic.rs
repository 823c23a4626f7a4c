//! What traffic came to: figures for people and tests. It counts nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Kind;
use crate::money::{Currency, Money};

/// Everything a run counted up to now.
///
/// `sent` is always `answered + wrong + unanswered + in_flight`. What else arrived was about no
/// request in flight, and is `duplicated`, `late` or `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Requests that were given to a connection.
    pub sent: u64,
    /// Requests whose answer came in time and agrees with them.
    pub answered: u64,
    /// Requests nobody answered in time, or whose connection ended first.
    pub unanswered: u64,
    /// Those of `unanswered` whose connection ended first.
    pub lost: u64,
    /// Requests that still wait. 0 after a stop.
    pub in_flight: u64,
    /// Further answers to a request that had one.
    pub duplicated: u64,
    /// Answers to a request that had been given up; it stays in `unanswered`.
    pub late: u64,
    /// Messages that answer nothing that was asked on their connection, or cannot be read.
    pub unknown: u64,
    /// Requests whose answer contradicts them or lacks DE39.
    pub wrong: u64,
    /// Requests that were due and not sent: nobody was connected, or too much was in flight.
    pub skipped: u64,
    /// Sessions after the first of each connection.
    pub reconnects: u64,
    /// From the first request that was due to now, or to the stop.
    pub elapsed: Duration,
    /// DE39 of the answers in `answered`.
    pub by_code: BTreeMap<String, u64>,
    /// Kinds that were sent.
    pub by_kind: BTreeMap<Kind, KindStats>,
    /// The last whole second, for a live line.
    pub last_second: Second,
    /// What was approved. Never summed over currencies.
    pub money: BTreeMap<(Kind, Currency), Approved>,
    /// Each approved payment, oldest first; empty in a snapshot, which has to be cheap.
    pub movements: Vec<Movement>,
    /// Approved payments that `movements` had no room for.
    pub movements_omitted: u64,
}

impl Traffic {
    /// Whether every request was answered exactly once, in time, and nothing else arrived.
    #[must_use]
    pub const fn is_answered_once(&self) -> bool {
        self.answered == self.sent
            && self.duplicated == 0
            && self.late == 0
            && self.unknown == 0
            && self.wrong == 0
    }
}

/// One kind of request. Latencies are of the answers in `answered`, from the time the request
/// was due, so that a wait in front of a slow switch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindStats {
    /// Requests that were given to a connection.
    pub sent: u64,
    /// Those that were answered in time and without contradiction.
    pub answered: u64,
    /// Those answered 00 or 10.
    pub approved: u64,
    /// Half of the answers came within so many microseconds.
    pub p50_us: u64,
    /// Nine of ten.
    pub p90_us: u64,
    /// All but one of a hundred.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// One second of answers, of all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Second {
    /// How many there were.
    pub tps: u64,
    /// As in [`KindStats`].
    pub p50_us: u64,
    /// As in [`KindStats`].
    pub p99_us: u64,
}

/// Approved payments of one kind and currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Approved {
    /// How many.
    pub count: u64,
    /// Their sum in minor units.
    pub minor: i64,
}

/// An approved payment, to be looked for in the bank's book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// DE37, which the switch passes on as it is.
    pub rrn: String,
    /// DE11 as the terminal sent it; the switch gives another to the bank.
    pub stan: u64,
    /// What it was.
    pub kind: Kind,
    /// DE4 of the answer, which is less than was asked for if it says 10.
    pub money: Money,
}
