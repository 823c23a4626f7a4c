//! The reference store: what a store does, without a disk.
//!
//! Simple enough to be right by reading it. Contract tests compare the others with it, and
//! simulations use it because it is deterministic. Clones share one journal, so "reopening"
//! is cloning; nothing survives the last one.

use crate::pending::Pending;
use crate::{Entry, FIND_MAX, Journal, Lookup, PAGE_MAX, Recovered, Refused, Store};
use crate::{StoreError, Trimmed, last_four};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use veksel_core::record::{CardNumber, DuplicateKey, Intent, Record, RecordId, TxnId};
use veksel_core::time::Utc;

/// A journal in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    records: BTreeMap<RecordId, Record>,
    by_txn: BTreeMap<TxnId, Vec<RecordId>>,
    keys: BTreeMap<DuplicateKey, TxnId>,
    stans: BTreeMap<String, u32>,
    /// The last record of each fact that is not over, by the key of the fact.
    facts: BTreeMap<String, RecordId>,
    pending: Pending,
    /// Participants whose transactions of one life go together.
    whole: BTreeSet<String>,
    last: RecordId,
    txn: TxnId,
}

impl MemoryStore {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps every transaction of these participants for as long as one of the same life
    /// ([`Store::trim`]).
    #[must_use]
    pub fn keeping_whole(self, participants: impl IntoIterator<Item = String>) -> Self {
        self.lock().whole = participants.into_iter().collect();
        self
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere left at worst a batch half applied, in a test that already failed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryStore {
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        let shared = self.lock();
        let fits = |record: &Record| match (lookup, record) {
            (Lookup::Txn(txn), _) => record.txn() == Some(*txn),
            (Lookup::Key(key), Record::Intent(intent)) => intent.key == *key,
            (Lookup::Original { transmission, stan }, Record::Intent(intent)) => {
                intent.key.transmission == *transmission && intent.key.stan == *stan
            }
            (Lookup::Rrn(rrn), Record::Intent(intent)) => intent.key.rrn == *rrn,
            (Lookup::Rrn(rrn), Record::Inquiry(inquiry)) => inquiry.rrn == *rrn,
            (Lookup::Card(pan), Record::Intent(intent)) => intent.pan.as_ref() == Some(pan),
            (Lookup::CallerKey(key), Record::Intent(intent)) => {
                intent.caller_key.is_some_and(|of| of.key == *key)
            }
            (
                Lookup::Key(_)
                | Lookup::Original { .. }
                | Lookup::Rrn(_)
                | Lookup::Card(_)
                | Lookup::CallerKey(_),
                Record::Outcome(_)
                | Record::Reversal(_)
                | Record::Inquiry(_)
                | Record::Notice(_)
                | Record::Fact(_),
            ) => false,
        };
        let found: BTreeSet<TxnId> =
            shared.records.values().filter(|record| fits(record)).filter_map(Record::txn).collect();
        Ok(shared.records_of(found.into_iter().rev().take(FIND_MAX)))
    }

    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let shared = self.lock();
        let rest = shared.records.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(rest.take(limit.min(PAGE_MAX)).map(|(id, record)| (*id, record.clone())).collect())
    }
}

impl Store for MemoryStore {
    fn append(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        let mut shared = self.lock();
        check_order(shared.last, batch)?;
        Ok(batch.iter().filter_map(|(id, record)| shared.append(*id, record)).collect())
    }

    fn open(&mut self) -> Result<Recovered, StoreError> {
        let shared = self.lock();
        Ok(Recovered {
            records: shared.to_recover(),
            last: shared.last,
            txn: shared.txn,
            held: shared.records.len() as u64,
            stans: shared.stans.iter().map(|(group, stan)| (group.clone(), *stan)).collect(),
        })
    }

    fn trim(&mut self, before: Utc, limit: usize) -> Result<Trimmed, StoreError> {
        let mut shared = self.lock();
        let old: Vec<RecordId> = shared
            .records
            .iter()
            .filter(|(id, record)| shared.is_trimmable(**id, record, before))
            .map(|(id, _)| *id)
            .collect();
        let removed = old.iter().take(limit).fold(0, |removed, id| removed + shared.remove(*id));
        Ok(Trimmed { removed, more: old.len() > limit })
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Journal>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Shared {
    fn append(&mut self, id: RecordId, record: &Record) -> Option<Refused> {
        self.last = id;
        self.txn = self.txn.max(record.txn().unwrap_or_default());
        if let Record::Intent(intent) = record {
            self.stans.insert(intent.group.clone(), intent.host_stan);
            if let Some(stored) = self.keys.get(&intent.key) {
                return Some(Refused { id, txn: intent.txn, stored: *stored });
            }
            self.keys.insert(intent.key.clone(), intent.txn);
        }
        if let Some(txn) = record.txn() {
            self.by_txn.entry(txn).or_default().push(id);
        }
        if let Record::Fact(known) = record {
            match known.fact.is_over() {
                true => self.facts.remove(&known.fact.key()),
                false => self.facts.insert(known.fact.key(), id),
            };
        }
        self.pending.apply(id, record);
        self.records.insert(id, record.clone());
        None
    }

    fn records_of(&self, txns: impl Iterator<Item = TxnId>) -> Vec<Entry> {
        let mut found: Vec<Entry> = txns
            .filter_map(|txn| self.by_txn.get(&txn))
            .flatten()
            .filter_map(|id| Some((*id, self.records.get(id)?.clone())))
            .collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found
    }

    /// Everything of what is unfinished, and the facts that hold.
    fn to_recover(&self) -> Vec<Entry> {
        let mut found = self.records_of(self.pending.open());
        let facts = self.facts.values().filter_map(|id| Some((*id, self.records.get(id)?.clone())));
        found.extend(facts.filter(|(_, record)| record.txn().is_none()));
        found.sort_unstable_by_key(|(id, _)| *id);
        found
    }

    fn is_trimmable(&self, id: RecordId, record: &Record, before: Utc) -> bool {
        let Some(txn) = record.txn() else {
            return record.utc() < before && !self.facts.values().any(|fact| *fact == id);
        };
        let is_old =
            |id: &RecordId| self.records.get(id).is_none_or(|record| record.utc() < before);
        let goes = |txn: TxnId| {
            let is_all_old = self.by_txn.get(&txn).is_none_or(|all| all.iter().all(is_old));
            is_all_old && !self.pending.contains(txn)
        };
        goes(txn) && self.life(txn).into_iter().all(goes)
    }

    fn intent(&self, txn: TxnId) -> Option<&Intent> {
        let records = self.by_txn.get(&txn)?.iter().filter_map(|id| self.records.get(id));
        records.into_iter().find_map(|record| match record {
            Record::Intent(intent) => Some(&**intent),
            Record::Outcome(_)
            | Record::Reversal(_)
            | Record::Inquiry(_)
            | Record::Notice(_)
            | Record::Fact(_) => None,
        })
    }

    /// The transactions that are trimmed together with this one, and itself: of one participant,
    /// with one DE37 and about one account and card, among the newest with this DE37.
    fn life(&self, txn: TxnId) -> Vec<TxnId> {
        let alone = vec![txn];
        let Some(own) = self.intent(txn) else { return alone };
        let is_whole = self.whole.contains(&own.key.participant);
        let Some(key) = life_key(own).filter(|_| is_whole) else { return alone };
        let has_rrn = |record: &&Record| match record {
            Record::Intent(intent) => intent.key.rrn == own.key.rrn,
            Record::Inquiry(inquiry) => inquiry.rrn == own.key.rrn,
            Record::Outcome(_) | Record::Reversal(_) | Record::Notice(_) | Record::Fact(_) => false,
        };
        let newest = self.records.values().rev().filter(has_rrn).take(FIND_MAX);
        let life: Vec<TxnId> = newest
            .filter_map(Record::txn)
            .filter(|txn| self.intent(*txn).and_then(life_key).as_ref() == Some(&key))
            .collect();
        if life.contains(&txn) { life } else { alone }
    }

    /// Removes the transaction that the record belongs to and those that go with it, or the
    /// notice.
    fn remove(&mut self, id: RecordId) -> u64 {
        let Some(record) = self.records.get(&id) else { return 0 };
        let all = match record.txn() {
            None => vec![id],
            Some(txn) => {
                let life = self.life(txn);
                life.iter().filter_map(|txn| self.by_txn.remove(txn)).flatten().collect()
            }
        };
        let mut removed = 0;
        for id in all {
            let Some(record) = self.records.remove(&id) else { continue };
            removed += 1;
            if let Record::Intent(intent) = record {
                self.keys.remove(&intent.key);
            }
        }
        removed
    }
}

/// What transactions have in common that are trimmed together: participant, DE37, and of account
/// and card what other stores keep in clear. `None` if nothing tells whose it is.
fn life_key(intent: &Intent) -> Option<(&str, &str, Option<&str>, Option<String>)> {
    let account = last_four(&intent.account);
    let card = intent.pan.as_ref().map(CardNumber::masked);
    let is_known = !intent.key.rrn.is_empty() && (account.is_some() || card.is_some());
    is_known.then_some((&intent.key.participant, &intent.key.rrn, account, card))
}

/// Refuses a batch that skips or repeats a number.
pub(crate) fn check_order(last: RecordId, batch: &[Entry]) -> Result<(), StoreError> {
    let mut last = last;
    for (found, _) in batch {
        if last.0.checked_add(1) != Some(found.0) {
            return Err(StoreError::Order { last, found: *found });
        }
        last = *found;
    }
    Ok(())
}
