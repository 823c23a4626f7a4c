//! What is not finished: a fold over records that tells which transactions a restart must load
//! and which ones may not be trimmed away.
//!
//! ```text
//! Intent ─► outcome due ─► Outcome, whatever its verdict ─► nothing due
//!            Reversal(Queued | Sent), at any time ─► reversal due ─► Settled | Resolved
//!                                                              └► Parked ─► parked
//!            Fact(Payment), at any time ─► payment due ─► Fact(Payment) that is over
//! ```
//!
//! What is due, or waits for a person, keeps a transaction unfinished. An outcome alone asks for
//! nothing more: whether there is a reversal is the engine's to say, and it says so in a record
//! that is durable together with the outcome. The rules are only here; stores keep the result.

use crate::quick::QuickMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use veksel_core::fact::Fact;
use veksel_core::record::{Record, RecordId, ReversalStep, TxnId};

/// How far a transaction is, as a set of bits. The bits are stored; never give one a new meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stage(u8);

impl Stage {
    /// An intent has no outcome yet.
    const OUTCOME_DUE: u8 = 1;
    /// A reversal must be sent until it is settled.
    const REVERSAL_DUE: u8 = 2;
    /// A person must look. (4 had a meaning once.)
    const PARKED: u8 = 8;
    /// A payment at a bank is not over, whatever its channel was told.
    const PAYMENT_DUE: u8 = 16;
    /// Any of these makes a restart load it.
    const OPEN: u8 = Self::OUTCOME_DUE | Self::REVERSAL_DUE | Self::PARKED | Self::PAYMENT_DUE;

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

    fn with(self, set: u8, clear: u8) -> Self {
        Self((self.0 & !clear) | set)
    }

    /// The stage once this record of the same transaction is stored.
    fn after(self, record: &Record) -> Self {
        match record {
            Record::Intent(_) => self.with(Self::OUTCOME_DUE, 0),
            Record::Outcome(_) => self.with(0, Self::OUTCOME_DUE),
            Record::Reversal(reversal) => match reversal.step {
                ReversalStep::Queued { .. } | ReversalStep::Sent { .. } => {
                    self.with(Self::REVERSAL_DUE, Self::PARKED)
                }
                ReversalStep::Settled { .. } | ReversalStep::Resolved { .. } => {
                    self.with(0, Self::REVERSAL_DUE | Self::PARKED)
                }
                ReversalStep::Parked { .. } => self.with(Self::PARKED, Self::REVERSAL_DUE),
            },
            Record::Fact(known) => match &known.fact {
                Fact::Payment(payment) if payment.is_over => self.with(0, Self::PAYMENT_DUE),
                Fact::Payment(_) => self.with(Self::PAYMENT_DUE, 0),
                // These belong to no transaction; the store keeps the last of each by its key.
                Fact::Linked(_)
                | Fact::Customer(_)
                | Fact::Balance(_)
                | Fact::Reads(_)
                | Fact::Card(_) => self,
            },
            Record::Inquiry(_) | Record::Notice(_) => self,
        }
    }
}

/// The stages of everything unfinished, and what of it has to be stored apart.
///
/// Most transactions begin and end within a second, and storing that twice would cost as much
/// as the records themselves. So a stage is stored only once its transaction is older than the
/// last [`WINDOW`] records; a restart loads the stored ones and applies the window again. For a
/// transaction that began before the window and has ended that finds nothing: the last step of
/// its reversal, if it had one, is an end, and its intent is not seen.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    lives: QuickMap<TxnId, Life>,
    /// Transactions in the order they began, as far as they may still have to be stored.
    young: VecDeque<(RecordId, TxnId)>,
    /// What is stored.
    stored: QuickMap<TxnId, Stage>,
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
        let stored: QuickMap<TxnId, Stage> = stages.into_iter().collect();
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
                if stage.is_open() {
                    vacant.insert(Life { stage, since: id });
                    self.young.push_back((id, txn));
                }
            }
            Entry::Occupied(mut life) => {
                life.get_mut().stage = life.get().stage.after(record);
                if !life.get().stage.is_open() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::ResponseCode;
    use veksel_core::fact::Payment;
    use veksel_core::record::{Known, Outcome, Reason, Reversal, Verdict};
    use veksel_core::time::Utc;

    const TXN: TxnId = TxnId(7);

    fn outcome(verdict: Verdict) -> Record {
        let (response, reason) = (ResponseCode::APPROVED, Reason::Host);
        let (utc, answer) = (Utc(1), Vec::new());
        Record::Outcome(Box::new(Outcome { txn: TXN, utc, verdict, response, reason, answer }))
    }

    fn step(step: ReversalStep) -> Record {
        Record::Reversal(Reversal { txn: TXN, utc: Utc(1), step })
    }

    /// Whether a restart loads an intent that has these records after it.
    fn after(records: &[Record]) -> bool {
        let begun = Stage(Stage::OUTCOME_DUE);
        records.iter().fold(begun, |stage, record| stage.after(record)).is_open()
    }

    #[test]
    fn stages() {
        let queued = |reason| step(ReversalStep::Queued { reason, actual: None });
        let advice = || [outcome(Verdict::Accepted), queued(Reason::Advice)];
        let sent = || step(ReversalStep::Sent { attempt: 1 });
        let settled = || step(ReversalStep::Settled { response: ResponseCode::APPROVED });
        let parked = || step(ReversalStep::Parked { response: None });
        let (open, gone) = (true, false);
        assert_eq!(after(&[]), open);
        for verdict in Verdict::ALL {
            assert_eq!(after(&[outcome(*verdict)]), gone, "{verdict:?}");
            assert_eq!(after(&[outcome(*verdict), queued(Reason::Timeout)]), open, "{verdict:?}");
            // The reversal is recorded first, or the channel took it back in flight.
            assert_eq!(after(&[queued(Reason::Timeout), outcome(*verdict)]), open, "{verdict:?}");
            assert_eq!(after(&[queued(Reason::Cancelled), settled(), outcome(*verdict)]), gone);
        }
        assert_eq!(after(&[queued(Reason::Cancelled), settled()]), open);
        // An advice that was taken over is unfinished until it is delivered, or a person says so.
        assert_eq!(after(&advice()), open);
        let more = |more: &[Record]| after(&[advice().as_slice(), more].concat());
        assert_eq!(more(&[sent(), sent()]), open);
        assert_eq!(more(&[sent(), settled()]), gone);
        // A person may still take it up again, after any number of restarts.
        assert_eq!(more(&[sent(), parked()]), open);
        assert_eq!(more(&[sent(), parked(), queued(Reason::Advice)]), open);
        let note = ReversalStep::Resolved { operator: "ida".into(), note: "by hand".into() };
        assert_eq!(more(&[sent(), parked(), step(note)]), gone);
        // A payment at a bank goes on after its channel heard something, and may end before.
        let payment = |is_over| {
            let fact = Fact::Payment(Payment { txn: TXN, is_over, ..Payment::default() });
            Record::Fact(Box::new(Known { utc: Utc(1), fact }))
        };
        let answered = || outcome(Verdict::Answered);
        assert_eq!(after(&[payment(false)]), open);
        assert_eq!(after(&[payment(false), answered()]), open);
        assert_eq!(after(&[payment(false), answered(), payment(true)]), gone);
        assert_eq!(after(&[payment(false), payment(true)]), open);
        assert_eq!(after(&[payment(false), payment(true), answered()]), gone);
        assert_eq!(after(&[answered(), payment(true), payment(false)]), open);
        assert_eq!(after(&[answered(), queued(Reason::Cancelled), payment(true)]), open);
    }

    #[test]
    fn a_bit_that_has_no_meaning_any_more_changes_nothing() {
        let old = Stage::from_bits(4 | Stage::PARKED);
        assert!(old.is_open() && !Stage::from_bits(4).is_open());
        assert!(
            !old.after(&step(ReversalStep::Settled { response: ResponseCode::APPROVED })).is_open()
        );
    }
}
