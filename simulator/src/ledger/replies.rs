//! Replies given and reversals waiting for their originals, both bounded.
//!
//! A reply can be forgotten only when the table is full and the reply is older than the
//! retention; when the oldest is younger than that, the table reports itself full and new work
//! is refused. Forgetting early would let a duplicate execute twice.

use std::collections::{HashMap, VecDeque};

use super::key::{Key, Trace};
use super::records::{Outcome, Reply, Tombstone};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Replies {
    /// Oldest first; ids follow each other.
    entries: VecDeque<Entry>,
    latest: HashMap<Trace, u64>,
    tombstones: HashMap<Trace, Tombstone>,
    tombstone_order: VecDeque<Tombstone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    reply: Reply,
    /// The reply before this one with the same trace; terminals reuse numbers after a day.
    previous: Option<u64>,
}

impl Replies {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn tombstones(&self) -> usize {
        self.tombstone_order.len()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.entries.back().map_or(1, |entry| entry.reply.id.saturating_add(1))
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Reply> {
        self.entries.iter().rev().map(|entry| &entry.reply)
    }

    pub(super) fn exact(&self, key: &Key) -> Option<&Reply> {
        self.chain(key.trace()).find(|reply| reply.key == *key)
    }

    /// The newest approval of exactly this message: a bank that executes copies may have declined
    /// a later one.
    pub(super) fn approved(&self, key: &Key) -> Option<&Reply> {
        let is_meant = |reply: &&Reply| reply.key == *key && reply.outcome == Outcome::Approved;
        self.chain(key.trace()).find(is_meant)
    }

    /// The reply to the message a repeat or a reversal means: the same DE7 if there is one,
    /// otherwise the newest that is not older than the window.
    pub(super) fn traced(&self, key: &Key, utc_ms: u64, window_ms: u64) -> Option<&Reply> {
        let mut chain = self.chain(key.trace());
        let same_time =
            self.chain(key.trace()).find(|reply| reply.key.transmitted == key.transmitted);
        same_time.or_else(|| chain.find(|reply| utc_ms.saturating_sub(reply.utc_ms) <= window_ms))
    }

    /// Whether the message was reversed before it came. Any DE7 counts inside the window: money
    /// that a terminal believes to be returned must not move because it re-stamped a repeat.
    pub(super) fn entombed(&self, key: &Key, utc_ms: u64, window_ms: u64) -> bool {
        self.tombstones.get(&key.trace()).is_some_and(|tombstone| {
            tombstone.original.transmitted == key.transmitted
                || utc_ms.saturating_sub(tombstone.utc_ms) <= window_ms
        })
    }

    /// Makes room for one more; `false` when nothing may be forgotten yet.
    pub(super) fn make_room(&mut self, utc_ms: u64, entries_max: usize, keep_ms: u64) -> bool {
        while self.entries.len() >= entries_max {
            let Some(oldest) = self.entries.front() else {
                return false;
            };
            if utc_ms.saturating_sub(oldest.reply.utc_ms) <= keep_ms {
                return false;
            }
            let (id, trace) = (oldest.reply.id, oldest.reply.key.trace());
            self.entries.pop_front();
            if self.latest.get(&trace) == Some(&id) {
                self.latest.remove(&trace);
            }
        }
        true
    }

    pub(super) fn insert(&mut self, reply: Reply) {
        let previous = self.latest.insert(reply.key.trace(), reply.id);
        self.entries.push_back(Entry { reply, previous });
    }

    /// Tombstones older than `keep_ms` go first: each came with a reply, so there are never more
    /// of them than replies.
    pub(super) fn entomb(&mut self, tombstone: Tombstone, keep_ms: u64) {
        while let Some(oldest) = self.tombstone_order.front().copied() {
            if tombstone.utc_ms.saturating_sub(oldest.utc_ms) <= keep_ms {
                break;
            }
            self.tombstone_order.pop_front();
            let trace = oldest.original.trace();
            if self.tombstones.get(&trace) == Some(&oldest) {
                self.tombstones.remove(&trace);
            }
        }
        self.tombstones.insert(tombstone.original.trace(), tombstone);
        self.tombstone_order.push_back(tombstone);
    }

    /// Newest first.
    fn chain(&self, trace: Trace) -> impl Iterator<Item = &Reply> {
        let mut next = self.latest.get(&trace).copied();
        std::iter::from_fn(move || {
            let entry = self.by_id(next?)?;
            next = entry.previous;
            Some(&entry.reply)
        })
    }

    fn by_id(&self, id: u64) -> Option<&Entry> {
        let first = self.entries.front()?.reply.id;
        self.entries.get(usize::try_from(id.checked_sub(first)?).ok()?)
    }
}
