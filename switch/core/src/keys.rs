//! Keys: which requests were seen, and what they were answered.
//!
//! A duplicate has the key of an earlier request; a repeat (x201, x221, x421) and the original
//! that a reversal names have it but for DE7, which some terminals stamp anew. This table knows
//! the recent ones and everything in flight; the store knows all, and its unique index has the
//! last word. The table is bounded: the oldest that are decided make room, those in flight never.

use crate::fact::Fact;
use crate::map::{Mix, Table};
use crate::record::{DuplicateKey, Intent, Outcome, Record, RecordId, TxnId, Undoing, Verdict};
use core::hash::Hasher;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A transaction that money may depend on, as the store tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// What was asked.
    pub intent: Arc<Intent>,
    /// What was answered, if it was.
    pub outcome: Option<Arc<Outcome>>,
    /// How far its undoing has come; `None` if it is not undone.
    pub undoing: Option<Undoing>,
}

impl Stored {
    /// Gathers what records say of their transactions. Records without an intent are skipped.
    #[must_use]
    pub fn gather<'r>(records: impl IntoIterator<Item = &'r Record>) -> Vec<Self> {
        let mut found: BTreeMap<TxnId, Self> = BTreeMap::new();
        for record in records {
            match record {
                Record::Intent(intent) => {
                    let intent = Arc::clone(intent);
                    found.insert(intent.txn, Self { intent, outcome: None, undoing: None });
                }
                Record::Outcome(outcome) => {
                    if let Some(stored) = found.get_mut(&outcome.txn) {
                        stored.outcome = Some(Arc::new((**outcome).clone()));
                    }
                }
                Record::Reversal(reversal) => {
                    if let Some(stored) = found.get_mut(&reversal.txn) {
                        stored.undoing = reversal.step.undoing(stored.undoing);
                    }
                }
                Record::Fact(known) => {
                    if let Fact::Payment(payment) = &known.fact
                        && let Some(stored) = found.get_mut(&payment.txn)
                        && !stored.intent.is_taken_over()
                    {
                        stored.undoing = payment.undoing();
                    }
                }
                Record::Inquiry(_) | Record::Notice(_) => {}
            }
        }
        found.into_values().collect()
    }

    /// Whether it is or was undone.
    #[must_use]
    pub const fn is_undone(&self) -> bool {
        self.undoing.is_some()
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is not decided.
    Pending,
    /// It was answered, and the answer is in this record.
    Decided { outcome: Arc<Outcome>, record: RecordId },
}

/// How far the undoing of a request has come, and the record that says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undone {
    pub(crate) stage: Undoing,
    pub(crate) record: RecordId,
}

/// A request that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) intent: Arc<Intent>,
    pub(crate) fate: Fate,
    /// That it is being undone, so that an approval may not be given again; and what is said
    /// instead must wait for its record.
    pub(crate) undone: Option<Undone>,
}

impl Known {
    /// Whether the host said that money moved.
    pub(crate) fn is_approved(&self) -> bool {
        match &self.fate {
            Fate::Pending => false,
            Fate::Decided { outcome, .. } => {
                outcome.verdict == Verdict::Answered && outcome.response.is_approval()
            }
        }
    }
}

/// The requests that are known.
#[derive(Debug)]
pub(crate) struct Keys {
    most: usize,
    known: BTreeMap<TxnId, Known>,
    by_key: Table<u64, TxnId>,
    by_trace: Table<u64, TxnId>,
    /// In the order in which they came to be known, which is not that of their numbers: the
    /// store is asked about old ones too.
    order: VecDeque<TxnId>,
}

/// A number for a key, with or without DE7. Two keys may share one; the keys decide.
pub(crate) fn number(key: &DuplicateKey, with_transmission: bool) -> u64 {
    let mut mix = Mix::default();
    let mut text = |text: &str| {
        mix.write(text.as_bytes());
        mix.write_usize(text.len());
    };
    text(&key.participant);
    if with_transmission {
        text(&key.transmission);
    }
    [&key.acquirer, &key.rrn, &key.terminal, &key.acceptor].into_iter().for_each(|part| text(part));
    mix.write_u8(key.class);
    mix.write_u32(key.stan);
    mix.finish()
}

/// Whether two keys are the same but for DE7.
pub(crate) fn same_trace(a: &DuplicateKey, b: &DuplicateKey) -> bool {
    (a.class, a.stan) == (b.class, b.stan)
        && a.rrn == b.rrn
        && a.terminal == b.terminal
        && a.acceptor == b.acceptor
        && a.acquirer == b.acquirer
        && a.participant == b.participant
}

impl Keys {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most: most as usize,
            known: BTreeMap::new(),
            by_key: Table::default(),
            by_trace: Table::default(),
            order: VecDeque::new(),
        }
    }

    /// Knows so many from now on; what is in flight is never forgotten.
    pub(crate) fn resize(&mut self, most: u32) {
        self.most = most as usize;
        for _ in self.most..self.known.len() {
            self.forget_oldest(self.order.len());
        }
    }

    /// A request is about to leave.
    pub(crate) fn open(&mut self, intent: &Arc<Intent>) {
        let known = Known { intent: Arc::clone(intent), fate: Fate::Pending, undone: None };
        self.insert(known);
    }

    /// A request that the store remembers.
    pub(crate) fn learn(&mut self, stored: &Stored, durable: RecordId) {
        if self.known.contains_key(&stored.intent.txn) {
            // An intent with the same key that the store refused may have stood in its place.
            self.index(&stored.intent.key, stored.intent.txn);
            return;
        }
        let fate = match &stored.outcome {
            None => Fate::Pending,
            Some(outcome) => Fate::Decided { outcome: Arc::clone(outcome), record: durable },
        };
        let intent = Arc::clone(&stored.intent);
        let undone = stored.undoing.map(|stage| Undone { stage, record: durable });
        self.insert(Known { intent, fate, undone });
    }

    fn insert(&mut self, known: Known) {
        let id = known.intent.txn;
        self.index(&known.intent.key, id);
        self.known.insert(id, known);
        self.order.push_back(id);
        if self.known.len() > self.most {
            // Not the new one, even if everything before it is in flight: somebody has just asked
            // for it.
            self.forget_oldest(self.order.len().saturating_sub(1));
        }
    }

    fn index(&mut self, key: &DuplicateKey, id: TxnId) {
        self.by_key.insert(number(key, true), id);
        // An old one that was looked up does not hide a newer one.
        let newest = self.by_trace.entry(number(key, false)).or_insert(id);
        *newest = id.max(*newest);
    }

    /// Forgets the first of the oldest so many that is decided.
    fn forget_oldest(&mut self, among: usize) {
        for _ in 0..among {
            let Some(id) = self.order.pop_front() else { return };
            match self.known.get(&id).map(|known| &known.fate) {
                // Removed in another way.
                None => {}
                Some(Fate::Pending) => self.order.push_back(id),
                Some(Fate::Decided { .. }) => {
                    self.remove(id);
                    return;
                }
            }
        }
    }

    /// The store refused the intent: it never was.
    pub(crate) fn remove(&mut self, id: TxnId) {
        let Some(known) = self.known.remove(&id) else { return };
        let key = &known.intent.key;
        for (table, number) in
            [(&mut self.by_key, number(key, true)), (&mut self.by_trace, number(key, false))]
        {
            if table.get(&number) == Some(&id) {
                table.remove(&number);
            }
        }
    }

    pub(crate) fn decide(&mut self, record: RecordId, outcome: &Outcome) {
        if let Some(known) = self.known.get_mut(&outcome.txn) {
            let outcome = Arc::new(outcome.clone());
            known.fate = Fate::Decided { outcome, record };
        }
    }

    /// This record says how far the undoing has come, of what had come as far as it is given.
    pub(crate) fn undo(
        &mut self,
        record: RecordId,
        id: TxnId,
        stage: impl FnOnce(Option<Undoing>) -> Option<Undoing>,
    ) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let before = known.undone.map(|undone| undone.stage);
        let after = stage(before);
        if after != before {
            known.undone = after.map(|stage| Undone { stage, record });
        }
    }

    pub(crate) fn get(&self, id: TxnId) -> Option<&Known> {
        self.known.get(&id)
    }

    /// The request with this key; for a repeat, the one with this key but for DE7.
    pub(crate) fn find(&self, key: &DuplicateKey, repeat: bool) -> Option<TxnId> {
        let exact = self.by_key.get(&number(key, true)).copied();
        let exact = exact.filter(|id| self.known.get(id).is_some_and(|k| k.intent.key == *key));
        if exact.is_some() || !repeat {
            return exact;
        }
        self.newest(key)
    }

    /// The last request with this key but for DE7, whatever its DE7.
    pub(crate) fn newest(&self, key: &DuplicateKey) -> Option<TxnId> {
        let id = *self.by_trace.get(&number(key, false))?;
        let known = self.known.get(&id)?;
        same_trace(&known.intent.key, key).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reason;
    use crate::time::Utc;
    use veksel_codecs::{Mti, ResponseCode};

    fn intent(txn: u64, stan: u32, transmission: &str) -> Arc<Intent> {
        Arc::new(Intent {
            txn: TxnId(txn),
            utc: Utc(0),
            key: DuplicateKey {
                participant: "atm".into(),
                class: b'2',
                transmission: transmission.into(),
                stan,
                acquirer: "500001".into(),
                rrn: format!("{stan:012}"),
                terminal: "T".into(),
                acceptor: "A".into(),
            },
            digest: [0; 32],
            link: String::new(),
            route: String::new(),
            group: String::new(),
            mti: Mti::known(b"0200"),
            code: "000000".into(),
            amount: 1,
            currency: 578,
            host_stan: stan,
            local_time: String::new(),
            local_date: String::new(),
            forwarder: String::new(),
            pan: None,
            account: String::new(),
            counter_account: String::new(),
            original: String::new(),
            carried: Vec::new(),
            caller_key: None,
        })
    }

    fn outcome(txn: u64) -> Outcome {
        Outcome {
            txn: TxnId(txn),
            utc: Utc(0),
            verdict: Verdict::Answered,
            response: ResponseCode::APPROVED,
            reason: Reason::Host,
            answer: vec![],
        }
    }

    #[test]
    fn a_repeat_is_found_without_its_time_and_a_first_sending_is_not() {
        let mut keys = Keys::new(8);
        keys.open(&intent(1, 7, "1120142807"));
        let again = &intent(2, 7, "1120142999").key;
        assert_eq!(keys.find(again, false), None);
        assert_eq!(keys.find(again, true), Some(TxnId(1)));
        assert_eq!(keys.find(&intent(3, 8, "1120142807").key, true), None);
    }

    #[test]
    fn what_is_in_flight_is_never_forgotten() {
        let mut keys = Keys::new(3);
        for txn in 1..=6u32 {
            keys.open(&intent(txn.into(), txn, "1120142807"));
            if txn > 1 {
                keys.decide(RecordId(1), &outcome(txn.into()));
            }
        }
        assert_eq!(keys.find(&intent(0, 1, "1120142807").key, false), Some(TxnId(1)));
        assert_eq!(keys.find(&intent(0, 2, "1120142807").key, false), None);
        assert_eq!(keys.known.len(), 3);
        assert!(keys.by_key.len() == 3 && keys.by_trace.len() == 3);
    }

    #[test]
    fn an_old_one_that_was_just_looked_up_is_not_the_first_to_go() {
        let mut keys = Keys::new(2);
        for txn in [8, 9] {
            keys.open(&intent(txn.into(), txn, "1120142807"));
            keys.decide(RecordId(1), &outcome(txn.into()));
        }
        let outcome = Some(Arc::new(outcome(1)));
        let stored = Stored { intent: intent(1, 1, "1120142807"), outcome, undoing: None };
        keys.learn(&stored, RecordId(0));
        assert_eq!(keys.find(&stored.intent.key, false), Some(TxnId(1)));
    }

    #[test]
    fn records_are_gathered_by_transaction() {
        let records = [
            Record::Intent(intent(1, 1, "1")),
            Record::Intent(intent(2, 2, "1")),
            Record::Outcome(Box::new(outcome(1))),
        ];
        let stored = Stored::gather(&records);
        assert_eq!(stored.iter().map(|s| s.outcome.is_some()).collect::<Vec<_>>(), [true, false]);
    }
}
