//! What a bank did, in figures, with the proof that its ledger is conserved.

use std::fmt;

use super::faults::FaultCounts;
use crate::ledger::{Imbalance, Ledger};

/// Counts of a running bank; they begin with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) answers: u64,
    pub(super) refused: u64,
    pub(super) replays: u64,
    pub(super) silent: u64,
    pub(super) undelivered: u64,
    pub(super) commits: u64,
    pub(super) faults: FaultCounts,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Ever posted, those of the seeds included; 0 when the ledger does not balance.
    pub transfers: u64,
    /// Posted by a message, reversals included, as far as they are still retained.
    pub transfers_by_message: u64,
    /// Transfers that undo another, as far as they are still retained.
    pub reversals: u64,
    /// Neither captured, released nor expired.
    pub holds_open: u64,
    /// Credits less debits over all accounts and currencies. Anything but 0 is a defect.
    pub sum_minor: i128,
    /// Every balance follows from the transfers, and every currency sums to 0.
    pub conserved: bool,
    /// What does not add up; empty if `conserved`.
    pub problems: Vec<String>,
    /// Frames that are to be answered, since the start of the process.
    pub requests: u64,
    /// Answers that were given to a connection that was still open; an answer given twice counts
    /// twice.
    pub answers: u64,
    /// Answers whose connection was gone.
    pub undelivered: u64,
    /// Answers that are held back.
    pub waiting: u64,
    /// Requests answered for their format, type or processing code.
    pub refused: u64,
    /// Requests that had been answered before.
    pub replays: u64,
    /// Frames that are never answered: answers, what nobody could match an answer to, and what
    /// came on a connection that a fault was closing.
    pub silent: u64,
    /// Transactions of the book.
    pub commits: u64,
    /// What was done wrong on purpose.
    pub faults: FaultCounts,
}

impl Summary {
    pub(super) fn of(ledger: &Ledger, counts: Counts, waiting: usize) -> Self {
        let summary = Self {
            transfers: 0,
            transfers_by_message: 0,
            reversals: 0,
            holds_open: 0,
            sum_minor: 0,
            conserved: false,
            problems: Vec::new(),
            requests: counts.requests,
            answers: counts.answers,
            undelivered: counts.undelivered,
            waiting: waiting as u64,
            refused: counts.refused,
            replays: counts.replays,
            silent: counts.silent,
            commits: counts.commits,
            faults: counts.faults,
        };
        match ledger.audit() {
            Ok(audit) => Self {
                transfers: audit.transfers,
                transfers_by_message: audit.transfers_by_message,
                reversals: audit.reversals,
                holds_open: audit.holds_open as u64,
                conserved: true,
                ..summary
            },
            Err(problems) => Self {
                sum_minor: problems.iter().map(sum).sum(),
                problems: problems.iter().map(Imbalance::to_string).collect(),
                ..summary
            },
        }
    }
}

fn sum(problem: &Imbalance) -> i128 {
    match problem {
        Imbalance::Sum { sum, .. } => *sum,
        Imbalance::Account { .. } | Imbalance::Transfer { .. } | Imbalance::Hold { .. } => 0,
    }
}

impl fmt::Display for Summary {
    /// The last line of the demo.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.conserved, self.problems.first()) {
            (true, _) => write!(f, "ledger balanced: {} transfers, sum 0", self.transfers),
            (false, first) => {
                let first = first.map(String::as_str).unwrap_or_default();
                write!(
                    f,
                    "ledger does not balance: {} problems, first: {first}",
                    self.problems.len()
                )
            }
        }
    }
}
