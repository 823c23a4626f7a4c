//! The durable state: what the records say, folded.
//!
//! Only [`Durable::apply`] changes what must survive. It holds what is not settled and nothing
//! else, so it is small however long the history.

use crate::fact::Fact;
use crate::facts::Facts;
use crate::keys::Keys;
use crate::record::{Intent, Reason, Record, RecordId, ReversalStep, TxnId, Verdict};
use crate::time::Utc;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is not settled, and the numbers given out.
#[derive(Debug)]
pub(crate) struct Durable {
    last_record: RecordId,
    last_txn: TxnId,
    /// Transactions with an intent that still matters.
    open: BTreeMap<TxnId, Open>,
    /// Those of `open` that are being undone or delivered.
    reversing: BTreeSet<TxnId>,
    keys: Keys,
    facts: Facts,
}

/// A transaction that is not settled.
#[derive(Debug)]
struct Open {
    intent: Arc<Intent>,
    verdict: Option<Verdict>,
    reversal: Option<Progress>,
}

/// How far a reversal has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    pub(crate) reason: Reason,
    pub(crate) actual: Option<u64>,
    /// How often it was sent.
    pub(crate) attempts: u32,
    pub(crate) is_parked: bool,
    /// Since when it is tried: when it was queued, or taken up again by a person.
    pub(crate) since: Utc,
}

impl Durable {
    pub(crate) fn new(keys_max: u32) -> Self {
        Self {
            last_record: RecordId::default(),
            last_txn: TxnId::default(),
            open: BTreeMap::new(),
            reversing: BTreeSet::new(),
            keys: Keys::new(keys_max),
            facts: Facts::default(),
        }
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What outlives requests.
    pub(crate) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the outcome of a transaction is recorded. What is not known is decided.
    pub(crate) fn is_decided(&self, txn: TxnId) -> bool {
        self.open.get(&txn).is_none_or(|open| open.verdict.is_some())
    }

    /// The last record.
    pub(crate) const fn last_record(&self) -> RecordId {
        self.last_record
    }

    /// Knows so many keys from now on.
    pub(crate) fn resize(&mut self, keys_max: u32) {
        self.keys.resize(keys_max);
    }

    /// Takes in what the store remembers. This widens what is known and changes nothing.
    pub(crate) fn learn(&mut self, stored: &crate::keys::Stored) {
        self.keys.learn(stored, RecordId::default());
    }

    /// Brings back the intent of a transaction that was over, because it is to be undone.
    pub(crate) fn revive(&mut self, intent: &Arc<Intent>) {
        let (intent, verdict) = (Arc::clone(intent), Some(Verdict::Answered));
        let txn = intent.txn;
        self.open.entry(txn).or_insert(Open { intent, verdict, reversal: None });
    }

    pub(crate) fn apply(&mut self, id: RecordId, record: &Record) {
        self.last_record = self.last_record.max(id);
        self.last_txn = self.last_txn.max(record.txn().unwrap_or_default());
        match record {
            Record::Intent(intent) => {
                self.keys.open(intent);
                let intent = Arc::clone(intent);
                let open = Open { intent, verdict: None, reversal: None };
                self.open.insert(open.intent.txn, open);
            }
            Record::Outcome(outcome) => {
                self.keys.decide(id, outcome);
                match outcome.verdict {
                    Verdict::NotSent => {
                        self.open.remove(&outcome.txn);
                    }
                    Verdict::Indefinite | Verdict::Answered | Verdict::Accepted => {
                        if let Some(open) = self.open.get_mut(&outcome.txn) {
                            open.verdict = Some(outcome.verdict);
                        }
                    }
                }
            }
            Record::Reversal(reversal) => {
                self.keys.undo(id, reversal.txn, |before| reversal.step.undoing(before));
                let Some(open) = self.open.get_mut(&reversal.txn) else { return };
                match (&reversal.step, &mut open.reversal) {
                    (ReversalStep::Queued { reason, actual }, progress) => {
                        // A second time when a person takes it up again.
                        *progress = Some(Progress {
                            reason: *reason,
                            actual: *actual,
                            attempts: progress.map_or(0, |before| before.attempts),
                            is_parked: false,
                            since: reversal.utc,
                        });
                        self.reversing.insert(reversal.txn);
                    }
                    (ReversalStep::Sent { attempt }, Some(progress)) => {
                        progress.attempts = *attempt;
                        if std::mem::take(&mut progress.is_parked) {
                            progress.since = reversal.utc;
                        }
                    }
                    (ReversalStep::Parked { .. }, Some(progress)) => progress.is_parked = true,
                    (ReversalStep::Settled { .. } | ReversalStep::Resolved { .. }, _) => {
                        self.open.remove(&reversal.txn);
                        self.reversing.remove(&reversal.txn);
                    }
                    // A step of what was never queued means nothing.
                    (ReversalStep::Sent { .. } | ReversalStep::Parked { .. }, None) => {}
                }
            }
            Record::Fact(known) => {
                if let Fact::Payment(payment) = &known.fact {
                    self.keys.undo(id, payment.txn, |before| payment.undoing().or(before));
                }
                self.facts.apply(&known.fact);
            }
            Record::Inquiry(_) | Record::Notice(_) => {}
        }
    }

    /// The place of the next record.
    pub(crate) const fn next_record(&self) -> RecordId {
        RecordId(self.last_record.0 + 1)
    }

    /// The number of the next transaction. It is given out once, recorded or not.
    pub(crate) const fn next_txn(&mut self) -> TxnId {
        self.last_txn.0 += 1;
        self.last_txn
    }

    /// Numbers go on after these.
    pub(crate) fn resume(&mut self, record: RecordId, txn: TxnId) {
        self.last_record = self.last_record.max(record);
        self.last_txn = self.last_txn.max(txn);
    }

    /// The store refused the intent: it never was.
    pub(crate) fn refused(&mut self, txn: TxnId) {
        self.open.remove(&txn);
        self.reversing.remove(&txn);
        self.keys.remove(txn);
    }

    /// A transaction ended with an answer that was delivered, or never needs a reversal. This
    /// forgets a copy; the records say the same without it.
    pub(crate) fn forget(&mut self, txn: TxnId) {
        if self.open.get(&txn).is_some_and(|open| open.reversal.is_none()) {
            self.open.remove(&txn);
        }
    }

    /// The intent of a transaction that is not settled.
    pub(crate) fn intent(&self, txn: TxnId) -> Option<&Arc<Intent>> {
        self.open.get(&txn).map(|open| &open.intent)
    }

    /// Whether the transaction is being undone.
    pub(crate) fn is_reversing(&self, txn: TxnId) -> bool {
        self.open.get(&txn).is_some_and(|open| open.reversal.is_some())
    }

    /// What is undone, and how far that has come.
    pub(crate) fn reversal(&self, txn: TxnId) -> Option<(&Arc<Intent>, Progress)> {
        let open = self.open.get(&txn)?;
        Some((&open.intent, open.reversal?))
    }

    /// Everything that is being undone, oldest first.
    pub(crate) fn reversing(&self) -> Vec<TxnId> {
        self.reversing.iter().copied().collect()
    }

    /// Transactions with an intent and no outcome.
    pub(crate) fn undecided(&self) -> Vec<TxnId> {
        let undecided = self.open.iter().filter(|(_, open)| open.verdict.is_none());
        undecided.map(|(txn, _)| *txn).collect()
    }

    /// Forgets what was decided and needs no reversal: an advice whose sender repeats it.
    pub(crate) fn forget_decided(&mut self) {
        let Self { open, facts, .. } = self;
        open.retain(|txn, open| {
            open.verdict.is_none() || open.reversal.is_some() || facts.payment(*txn).is_some()
        });
    }

    /// Reversals that are neither settled nor resolved.
    pub(crate) fn reversals_open(&self) -> usize {
        self.reversing.len()
    }
}
