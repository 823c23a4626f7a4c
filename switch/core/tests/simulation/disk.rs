//! The journal of a history: what is durable, what is being committed, what a crash loses.
//!
//! Records made by one call of the engine are appended together. A commit takes what has gathered;
//! a crash before its end loses it, or not, as chance has it. The unique index is here too.

use std::collections::BTreeMap;
use veksel_core::record::{DuplicateKey, Intent};
use veksel_core::{Record, RecordId, Stored, TxnId};

/// A record and its place.
pub type Entry = (RecordId, Record);

/// What a commit did.
pub struct Committed {
    pub upto: RecordId,
    /// Refused intents and who holds their key.
    pub refused: Vec<(RecordId, TxnId, TxnId)>,
}

#[derive(Default)]
pub struct Disk {
    pub durable: Vec<Entry>,
    keys: BTreeMap<DuplicateKey, TxnId>,
    last: RecordId,
    /// Appended and not durable, call by call.
    waiting: Vec<Vec<Entry>>,
    committing: Vec<Vec<Entry>>,
}

impl Disk {
    pub fn append(&mut self, call: Vec<Entry>) {
        if !call.is_empty() {
            self.waiting.push(call);
        }
    }

    /// Starts a commit with all that has gathered; `false` if one is under way or nothing has.
    pub fn begin(&mut self) -> bool {
        if !self.committing.is_empty() || self.waiting.is_empty() {
            return false;
        }
        self.committing = std::mem::take(&mut self.waiting);
        true
    }

    /// The commit is done.
    pub fn end(&mut self) -> Committed {
        let mut refused = Vec::new();
        for (id, record) in std::mem::take(&mut self.committing).into_iter().flatten() {
            assert_eq!(id.0, self.last.0 + 1, "records are numbered without a gap");
            self.last = id;
            if let Record::Intent(intent) = &record {
                if let Some(holder) = self.keys.get(&intent.key) {
                    refused.push((id, intent.txn, *holder));
                    continue;
                }
                self.keys.insert(intent.key.clone(), intent.txn);
            }
            self.durable.push((id, record));
        }
        Committed { upto: self.last, refused }
    }

    /// The process is gone. What was being committed survives if `lucky`, up to the end of some
    /// call; what had only gathered does not.
    pub fn crash(&mut self, lucky: bool, calls: usize) {
        if lucky {
            self.committing.truncate(calls);
            self.end();
        }
        self.committing.clear();
        self.waiting.clear();
    }

    pub fn last(&self) -> RecordId {
        self.last
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.committing.is_empty()
    }

    /// Records of the transactions for which `wanted` is true, in order.
    fn of(&self, wanted: impl Fn(&Intent) -> bool) -> Vec<&Record> {
        let ids: Vec<_> = self
            .durable
            .iter()
            .filter_map(|(_, record)| match record {
                Record::Intent(intent) if wanted(intent) => Some(intent.txn),
                _ => None,
            })
            .collect();
        let of = |record: &&Record| record.txn().is_some_and(|txn| ids.contains(&txn));
        self.durable.iter().map(|(_, record)| record).filter(of).collect()
    }

    pub fn find_rrn(&self, rrn: &str) -> Vec<Stored> {
        Stored::gather(self.of(|intent| intent.key.rrn == rrn))
    }

    pub fn find_txn(&self, txn: TxnId) -> Option<Stored> {
        Stored::gather(self.of(|intent| intent.txn == txn)).into_iter().next()
    }

    /// The highest transaction number any record names.
    pub fn last_txn(&self) -> TxnId {
        self.durable.iter().filter_map(|(_, record)| record.txn()).max().unwrap_or_default()
    }

    /// The trace number given out last.
    pub fn last_stan(&self) -> u32 {
        let stan = |(_, record): &Entry| match record {
            Record::Intent(intent) if !intent.group.is_empty() => Some(intent.host_stan),
            _ => None,
        };
        self.durable.iter().rev().find_map(stan).unwrap_or(0)
    }
}
