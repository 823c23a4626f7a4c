//! Transactions in flight.
//!
//! A transaction enters with a deadline and leaves exactly once. It is found by its number, by
//! the trace number its group knows it by, or because its deadline has passed. The tables never
//! grow past their limits: who does not fit is refused before anything is sent.

use crate::breaker::Permit;
use crate::event::Kind;
use crate::map::Table;
use crate::plan::{ConnectionId, GroupId, LinkId, ParticipantId};
use crate::record::{RecordId, TxnId};
use crate::time::{Now, Tick};
use std::collections::VecDeque;
use veksel_codecs::Message;

/// How far a transaction has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Its request waits for the journal or for its connection; no byte was written.
    Sending,
    /// A byte was written; the host may have acted.
    Waiting {
        /// Since when.
        since: Tick,
    },
    /// Decided and recorded; its answer is on the way to the channel.
    Answering {
        /// Whether it is an approval, so that money moved.
        approved: bool,
    },
}

/// A transaction in flight.
#[derive(Debug)]
pub(crate) struct Txn {
    pub(crate) id: TxnId,
    /// Where the request came from and the answer goes.
    pub(crate) channel: ConnectionId,
    pub(crate) participant: ParticipantId,
    pub(crate) kind: Kind,
    pub(crate) route: usize,
    pub(crate) group: GroupId,
    /// As received.
    pub(crate) request: Message,
    pub(crate) received: Now,
    pub(crate) deadline: Tick,
    /// The host connection it was given to.
    pub(crate) host: ConnectionId,
    /// Leave of the group's breaker and of the link's.
    pub(crate) group_permit: Permit,
    pub(crate) link_permit: Permit,
    /// DE11 the host sees.
    pub(crate) stan: u32,
    pub(crate) stage: Stage,
    /// Connections tried before this one.
    pub(crate) attempts: u32,
    /// The record that must be durable before the request leaves.
    pub(crate) intent: Option<RecordId>,
    /// An answer came that contradicts the request.
    pub(crate) contradicted: bool,
    /// Copies of the request that wait for the same answer.
    pub(crate) copies: Vec<Copy>,
    /// The channel has taken it back: what moved is undone once that is known. The amount is
    /// what shall have moved after all.
    pub(crate) cancelled: Option<Option<u64>>,
    /// Answers on their way to channels.
    pub(crate) deliveries: u32,
    /// Whether one of them was written.
    pub(crate) delivered: bool,
}

/// A copy of a request in flight.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) channel: ConnectionId,
    /// As received.
    pub(crate) request: Message,
}

impl Txn {
    pub(crate) const fn channel_link(&self) -> LinkId {
        self.channel.link
    }
}

/// Transactions by number.
#[derive(Debug, Default)]
pub(crate) struct Txns {
    by_id: Table<u64, Txn>,
}

impl Txns {
    pub(crate) fn insert(&mut self, txn: Txn) {
        self.by_id.insert(txn.id.0, txn);
    }

    pub(crate) fn get(&self, id: TxnId) -> Option<&Txn> {
        self.by_id.get(&id.0)
    }

    pub(crate) fn get_mut(&mut self, id: TxnId) -> Option<&mut Txn> {
        self.by_id.get_mut(&id.0)
    }

    pub(crate) fn remove(&mut self, id: TxnId) -> Option<Txn> {
        self.by_id.remove(&id.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Txn> {
        self.by_id.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Txn> {
        self.by_id.values_mut()
    }

    /// The transactions for which `wanted` is true, in the order they came in.
    pub(crate) fn select(&self, wanted: impl Fn(&Txn) -> bool) -> Vec<TxnId> {
        let mut found: Vec<_> =
            self.by_id.values().filter(|txn| wanted(txn)).map(|txn| txn.id).collect();
        found.sort_unstable();
        found
    }
}

/// What a trace number stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Traced {
    /// A transaction that waits for its answer.
    Pending(TxnId),
    /// One that was approved and whose answer is on the way to the channel.
    Answered(TxnId),
    /// One that was given up; its answer is late.
    Tombstone,
}

/// The trace numbers (DE11) of one group: which are in use, and which come next.
#[derive(Debug, Default)]
pub(crate) struct Stans {
    last: u32,
    used: Table<u32, Traced>,
    /// Reversals under way by the number they go under. An old one may share its number with
    /// another, and with a request that got it since.
    reversing: Table<u32, Vec<TxnId>>,
    /// Given up, in the order in which they may be forgotten.
    tombstones: VecDeque<(Tick, u32)>,
}

impl Stans {
    /// Trace numbers go on after this one.
    pub(crate) const fn resume_after(&mut self, stan: u32) {
        self.last = stan;
    }

    /// The next number that is neither in flight nor recently given up: 000001 to 999999, never
    /// 0. `None` if there is none, which limits well under a million do not let happen.
    pub(crate) fn allocate(&mut self, txn: TxnId) -> Option<u32> {
        for _ in 0..=self.used.len().saturating_add(self.reversing.len()) {
            self.last = self.last % 999_999 + 1;
            if self.reversing.contains_key(&self.last) {
                continue;
            }
            if let std::collections::hash_map::Entry::Vacant(place) = self.used.entry(self.last) {
                place.insert(Traced::Pending(txn));
                return Some(self.last);
            }
        }
        None
    }

    pub(crate) fn find(&self, stan: u32) -> Option<Traced> {
        self.used.get(&stan).copied()
    }

    /// The number is free again.
    pub(crate) fn release(&mut self, stan: u32) {
        self.used.remove(&stan);
    }

    /// The number is kept until the approval it belongs to is delivered, because it may have to
    /// be reversed under it.
    pub(crate) fn keep(&mut self, stan: u32, txn: TxnId) {
        self.used.insert(stan, Traced::Answered(txn));
    }

    /// The number belongs to a reversal until it is settled.
    pub(crate) fn reverse(&mut self, stan: u32, txn: TxnId) {
        let own = [Some(&Traced::Pending(txn)), Some(&Traced::Answered(txn))];
        if own.contains(&self.used.get(&stan)) {
            self.used.remove(&stan);
        }
        let reversing = self.reversing.entry(stan).or_default();
        if !reversing.contains(&txn) {
            reversing.push(txn);
        }
    }

    /// The reversals that go under this number.
    pub(crate) fn reversing(&self, stan: u32) -> &[TxnId] {
        self.reversing.get(&stan).map_or(&[], Vec::as_slice)
    }

    /// A reversal is over.
    pub(crate) fn reversed(&mut self, stan: u32, txn: TxnId) {
        if let Some(reversing) = self.reversing.get_mut(&stan) {
            reversing.retain(|other| *other != txn);
            if reversing.is_empty() {
                self.reversing.remove(&stan);
            }
        }
    }

    /// The number stays known until `until`, so that a late answer is told from a stray one.
    pub(crate) fn bury(&mut self, stan: u32, until: Tick, most: u32) {
        // Somebody else may have the number by now.
        if self.used.get(&stan).is_some_and(|traced| *traced != Traced::Tombstone) {
            return;
        }
        self.used.insert(stan, Traced::Tombstone);
        self.tombstones.push_back((until, stan));
        while self.tombstones.len() > most as usize {
            self.forget_oldest();
        }
    }

    /// Forgets what was given up long enough ago.
    pub(crate) fn forget(&mut self, now: Tick) {
        while self.tombstones.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, stan)) = self.tombstones.pop_front()
            && self.used.get(&stan) == Some(&Traced::Tombstone)
        {
            self.used.remove(&stan);
        }
    }

    #[cfg(test)]
    fn in_use(&self) -> usize {
        self.used.len()
    }
}

/// Deadlines in order. One that no longer matters is skipped when its turn comes.
///
/// Almost every deadline is later than all before it, because requests of one service have the
/// same time; so it is a queue, and the few that are not walk to their place from its end.
///
/// There is a queue for each service, so that a short deadline never walks past long ones.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queues: [VecDeque<(Tick, TxnId)>; 3],
}

/// The queue of a service.
const fn queue_of(kind: Kind) -> usize {
    match kind {
        Kind::Inquiry | Kind::Network => 0,
        Kind::Statement => 1,
        Kind::Payment | Kind::Hold | Kind::Advice | Kind::Reversal => 2,
    }
}

impl Deadlines {
    pub(crate) fn push(&mut self, at: Tick, txn: TxnId, kind: Kind) {
        let Some(queue) = self.queues.get_mut(queue_of(kind)) else { return };
        let mut place = queue.len();
        while place > 0 && queue.get(place - 1).is_some_and(|(earlier, _)| *earlier > at) {
            place -= 1;
        }
        if place == queue.len() {
            queue.push_back((at, txn));
        } else {
            queue.insert(place, (at, txn));
        }
    }

    /// The first deadline that `alive` still wants.
    pub(crate) fn next(&mut self, alive: impl Fn(TxnId, Tick) -> bool) -> Option<Tick> {
        let mut first: Option<Tick> = None;
        for queue in &mut self.queues {
            while queue.front().is_some_and(|(at, txn)| !alive(*txn, *at)) {
                queue.pop_front();
            }
            let next = queue.front().map(|(at, _)| *at);
            first = [first, next].into_iter().flatten().min();
        }
        first
    }

    /// Takes out a deadline that has passed, the first of its service.
    pub(crate) fn expire(&mut self, now: Tick) -> Option<TxnId> {
        let passed =
            |queue: &&mut VecDeque<(Tick, TxnId)>| queue.front().is_some_and(|(at, _)| *at <= now);
        let queue = self.queues.iter_mut().find(passed)?;
        queue.pop_front().map(|(_, txn)| txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_numbers_skip_zero_and_those_in_use() {
        let mut stans = Stans::default();
        stans.resume_after(999_998);
        let given: Vec<_> = (0..3).filter_map(|n| stans.allocate(TxnId(n))).collect();
        assert_eq!(given, [999_999, 1, 2]);
        stans.release(1);
        stans.resume_after(999_999);
        assert_eq!(stans.allocate(TxnId(9)), Some(1));
        assert_eq!(stans.allocate(TxnId(9)), Some(3), "2 is still in flight");
    }

    #[test]
    fn tombstones_are_bounded_and_forgotten_in_time() {
        let mut stans = Stans::default();
        for n in 0..10 {
            let stan = stans.allocate(TxnId(n)).unwrap();
            stans.release(stan);
            stans.bury(stan, Tick(n), 4);
        }
        assert_eq!(stans.in_use(), 4);
        assert_eq!(stans.find(10), Some(Traced::Tombstone));
        assert_eq!(stans.find(1), None);
        stans.forget(Tick(8));
        assert_eq!(stans.in_use(), 1);
    }

    #[test]
    fn deadlines_come_in_order_whatever_the_order_they_were_made_in() {
        let mut deadlines = Deadlines::default();
        for (at, txn) in [(5, 1), (9, 2), (7, 3), (7, 4), (1, 5)] {
            deadlines.push(Tick(at), TxnId(txn), Kind::Payment);
        }
        assert_eq!(deadlines.next(|txn, _| txn != TxnId(5)), Some(Tick(5)));
        let expired: Vec<_> = core::iter::from_fn(|| deadlines.expire(Tick(8))).collect();
        assert_eq!(expired, [TxnId(1), TxnId(3), TxnId(4)]);
    }
}
