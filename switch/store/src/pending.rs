//! What is not finished: a fold over records that tells which transactions a restart must load
//! and which ones may not be trimmed away.
//!
//! ```text
//! Intent ─► outcome due ─► Outcome(NotSent | Answered) ─► finished
//!                       └► Outcome(Indefinite) ─► reversal due ─► Settled | Resolved ─► finished
//!            Reversal(Queued | Sent), at any time ─► reversal due ┘└► Parked ─► parked
//! ```
//!
//! An indefinite outcome counts as unfinished until a reversal says otherwise, because a crash
//! can come between the two records. The rules are only here; stores keep the result.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use veksel_core::record::{Record, RecordId, ReversalStep, TxnId, Verdict};

/// How far a transaction is, as a set of bits. The bits are stored; never give one a new meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stage(u8);

impl Stage {
    /// An intent has no outcome yet.
    const OUTCOME_DUE: u8 = 1;
    /// A reversal must be sent until it is settled.
    const REVERSAL_DUE: u8 = 2;
    /// There was a reversal, so an indefinite outcome does not ask for another.
    const REVERSAL_SEEN: u8 = 4;
    /// A person must look.
    const PARKED: u8 = 8;
    /// Any of these makes a restart load it.
    const OPEN: u8 = Self::OUTCOME_DUE | Self::REVERSAL_DUE;

    /// The stage that was stored with these bits.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits to store.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// Whether a restart must load it.
    pub(crate) fn is_open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    /// Whether it must be remembered at all: open or parked.
    fn is_kept(self) -> bool {
        self.0 & (Self::OPEN | Self::PARKED) != 0
    }

    fn with(self, set: u8, clear: u8) -> Self {
        Self((self.0 & !clear) | set)
    }

    /// The stage once this record of the same transaction is stored.
    fn after(self, record: &Record) -> Self {
        match record {
            Record::Intent(_) => self.with(Self::OUTCOME_DUE, 0),
            Record::Outcome(outcome) => match outcome.verdict {
                Verdict::NotSent | Verdict::Answered | Verdict::Accepted => {
                    self.with(0, Self::OUTCOME_DUE)
                }
                Verdict::Indefinite if self.0 & Self::OUTCOME_DUE == 0 => self,
                Verdict::Indefinite if self.0 & Self::REVERSAL_SEEN != 0 => {
                    self.with(0, Self::OUTCOME_DUE)
                }
                Verdict::Indefinite => self.with(Self::REVERSAL_DUE, Self::OUTCOME_DUE),
            },
            Record::Reversal(reversal) => match reversal.step {
                ReversalStep::Queued { .. } | ReversalStep::Sent { .. } => {
                    self.with(Self::REVERSAL_DUE | Self::REVERSAL_SEEN, Self::PARKED)
                }
                ReversalStep::Settled { .. } | ReversalStep::Resolved { .. } => {
                    self.with(Self::REVERSAL_SEEN, Self::REVERSAL_DUE | Self::PARKED)
                }
                ReversalStep::Parked { .. } => {
                    self.with(Self::REVERSAL_SEEN | Self::PARKED, Self::REVERSAL_DUE)
                }
            },
            Record::Inquiry(_) | Record::Notice(_) => self,
        }
    }
}

/// The stages of everything unfinished or parked, and what of it has to be stored apart.
///
/// Most transactions begin and end within a second, and storing that twice would cost as much
/// as the records themselves. So a stage is stored only once its transaction is older than the
/// last [`WINDOW`] records; a restart loads the stored ones and applies the window again. For a
/// transaction that began before the window and has ended that finds nothing: the last step of
/// its reversal, if it had one, is an end, and its intent is not seen.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    lives: HashMap<TxnId, Life>,
    /// Transactions in the order they began, as far as they may still have to be stored.
    young: VecDeque<(RecordId, TxnId)>,
    /// What is stored.
    stored: HashMap<TxnId, Stage>,
    /// Stored ones that have a record since.
    touched: Vec<TxnId>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    stage: Stage,
    since: RecordId,
}

/// Records at the end of the journal that a restart applies again.
pub(crate) const WINDOW: u64 = 16_384;

impl Pending {
    /// Starts from what was stored. The records of the window follow through [`Self::replay`].
    pub(crate) fn from_stored(stages: impl IntoIterator<Item = (TxnId, Stage)>) -> Self {
        let stored: HashMap<TxnId, Stage> = stages.into_iter().collect();
        let since = RecordId(0);
        let lives = stored.iter().map(|(txn, stage)| (*txn, Life { stage: *stage, since }));
        Self { lives: lives.collect(), stored, ..Self::default() }
    }

    /// Takes a record of the window into account, after [`Self::from_stored`].
    pub(crate) fn replay(&mut self, id: RecordId, record: &Record) {
        let is_stored = record.txn().is_some_and(|txn| self.stored.contains_key(&txn));
        if !is_stored {
            self.apply(id, record);
        }
    }

    /// Takes a new record into account.
    pub(crate) fn apply(&mut self, id: RecordId, record: &Record) {
        let Some(txn) = record.txn() else { return };
        match self.lives.entry(txn) {
            Entry::Vacant(vacant) => {
                let stage = Stage::default().after(record);
                if stage.is_kept() {
                    vacant.insert(Life { stage, since: id });
                    self.young.push_back((id, txn));
                }
            }
            Entry::Occupied(mut life) => {
                life.get_mut().stage = life.get().stage.after(record);
                if !life.get().stage.is_kept() {
                    life.remove();
                }
            }
        }
        if !self.stored.is_empty() && self.stored.contains_key(&txn) {
            self.touched.push(txn);
        }
    }

    /// Whether the transaction may not be trimmed away.
    pub(crate) fn contains(&self, txn: TxnId) -> bool {
        self.lives.contains_key(&txn)
    }

    /// The transactions a restart must load, in no order.
    pub(crate) fn open(&self) -> impl Iterator<Item = TxnId> {
        self.lives.iter().filter(|(_, life)| life.stage.is_open()).map(|(txn, _)| *txn)
    }

    /// What has to be stored or, where there is no stage, removed, now that `last` is the last
    /// record.
    pub(crate) fn take_changes(&mut self, last: RecordId) -> Vec<(TxnId, Option<Stage>)> {
        let mut changes = Vec::new();
        while let Some((since, txn)) = self.young.front().copied() {
            if since.0.saturating_add(WINDOW) > last.0 {
                break;
            }
            self.young.pop_front();
            if self.lives.get(&txn).is_some_and(|life| life.since == since) {
                self.touched.push(txn);
            }
        }
        for txn in self.touched.drain(..) {
            let now = self.lives.get(&txn).map(|life| life.stage);
            let before = match now {
                Some(stage) => self.stored.insert(txn, stage),
                None => self.stored.remove(&txn),
            };
            if now != before {
                changes.push((txn, now));
            }
        }
        changes
    }
}
