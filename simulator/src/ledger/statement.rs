//! Statements: an account's transfers, newest first, a page at a time.
//!
//! Lines are values; how they are laid out in DE48 is the host's business.

use super::Ledger;
use super::account::AccountId;
use super::records::{Transfer, TransferId};

/// Seen from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Money left the account.
    Debit,
    /// Money came to it.
    Credit,
}

impl Direction {
    /// The `DR_CR` column of a statement.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Debit => 'D',
            Self::Credit => 'C',
        }
    }
}

/// One transfer, seen from one of its two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Position among all entries the account ever had, from 1; `SEQ_NR` of a statement line.
    pub number: u64,
    /// Depends on whose statement it is.
    pub direction: Direction,
    /// As it was posted.
    pub transfer: &'a Transfer,
}

/// Which part of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Inclusive.
    pub from_ms: u64,
    /// Exclusive.
    pub until_ms: u64,
    /// Only transfers older than this one: the `next` of the page before.
    pub before: Option<TransferId>,
    /// 0 gives an empty page.
    pub lines_max: usize,
}

impl Query {
    /// The first page, of all days.
    #[must_use]
    pub const fn newest(lines_max: usize) -> Self {
        Self { from_ms: 0, until_ms: u64::MAX, before: None, lines_max }
    }
}

/// A part of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// Newest first.
    pub lines: Vec<Line<'a>>,
    /// `before` of the next page; `None` when this was the last.
    pub next: Option<TransferId>,
}

impl Ledger {
    /// Empty for an account that is not a customer's.
    #[must_use]
    pub fn statement(&self, id: AccountId, query: Query) -> Page<'_> {
        let mut page = Page { lines: Vec::new(), next: None };
        let Some(account) = self.account(id) else {
            return page;
        };
        let end = match query.before {
            Some(before) => account.lines.partition_point(|line| *line < before),
            None => account.lines.len(),
        };
        let forgotten = account.entries.saturating_sub(account.lines.len() as u64);
        let numbers = (1..=forgotten.saturating_add(end as u64)).rev();
        for (number, line) in numbers.zip(account.lines.range(..end).rev()) {
            let Some(transfer) = self.transfer(*line) else {
                continue;
            };
            if transfer.utc_ms < query.from_ms || transfer.utc_ms >= query.until_ms {
                continue;
            }
            if page.lines.len() >= query.lines_max {
                page.next = page.lines.last().map(|last| last.transfer.id);
                break;
            }
            let direction = if transfer.debit == id { Direction::Debit } else { Direction::Credit };
            page.lines.push(Line { number, direction, transfer });
        }
        page
    }
}
