//! The committer: order, bounds, failure and the end.

use crate::contract::Sqlite;
use crate::sample::*;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use veksel_core::record::RecordId;
use veksel_core::time::Utc;
use veksel_store::*;

const SOON: Duration = Duration::from_secs(20);

/// Trimming up to here finds the store locked.
const BUSY: Utc = Utc(7);

/// A store that waits for permission before each append, and can be told to fail or to panic.
struct Gated {
    inner: MemoryStore,
    gate: Receiver<Order>,
    started: SyncSender<usize>,
}

enum Order {
    Go,
    Fail,
    Panic,
}

impl Journal for Gated {
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        self.inner.find(lookup)
    }
    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.page(after, limit)
    }
}

impl Store for Gated {
    fn append(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        self.started.send(batch.len()).unwrap();
        match self.gate.recv().unwrap() {
            Order::Go => self.inner.append(batch),
            Order::Fail => Err(StoreError::Stopped),
            Order::Panic => panic!("told to"),
        }
    }
    fn open(&mut self) -> Result<Recovered, StoreError> {
        self.inner.open()
    }
    fn trim(&mut self, before: Utc, limit: usize) -> Result<Trimmed, StoreError> {
        if before == BUSY {
            let source = "database is locked".into();
            return Err(StoreError::Database { doing: "trimming", retryable: true, source });
        }
        self.inner.trim(before, limit)
    }
    fn close(&mut self) -> Result<(), StoreError> {
        self.inner.close()
    }
    fn reader(&self) -> Result<Box<dyn Journal>, StoreError> {
        self.inner.reader()
    }
}

struct Rig {
    committer: Committer,
    gate: SyncSender<Order>,
    started: Receiver<usize>,
    done: Receiver<Done>,
    memory: MemoryStore,
}

fn rig(queue_max: usize) -> Rig {
    let memory = MemoryStore::new();
    let (gate, gate_rx) = sync_channel(64);
    let (started_tx, started) = sync_channel(64);
    let (done_tx, done) = sync_channel(64);
    let store = Gated { inner: memory.clone(), gate: gate_rx, started: started_tx };
    let committer =
        Committer::spawn(Box::new(store), queue_max, move |d| done_tx.send(d).unwrap()).unwrap();
    Rig { committer, gate, started, done, memory }
}

fn upto(done: &Receiver<Done>) -> u64 {
    match done.recv_timeout(SOON).unwrap() {
        Done::Committed { upto, refused } => {
            assert_eq!(refused, []);
            upto.0
        }
        Done::Trimmed(count) => panic!("trimmed {count}"),
        Done::Failed(error) => panic!("{error}"),
    }
}

#[test]
fn what_arrives_during_a_commit_is_the_next_one() {
    let rig = rig(100);
    rig.committer.try_send(numbered(1, [notice(1)])).unwrap();
    assert_eq!(rig.started.recv_timeout(SOON).unwrap(), 1);
    for n in 2..=9 {
        rig.committer.try_send(numbered(n, [notice(n)])).unwrap();
    }
    rig.gate.send(Order::Go).unwrap();
    assert_eq!(upto(&rig.done), 1);
    assert_eq!(rig.started.recv_timeout(SOON).unwrap(), 8);
    rig.gate.send(Order::Go).unwrap();
    assert_eq!(upto(&rig.done), 9);
}

#[test]
fn a_full_queue_gives_the_records_back() {
    let rig = rig(4);
    rig.committer.try_send(numbered(1, [notice(1)])).unwrap();
    assert_eq!(rig.started.recv_timeout(SOON).unwrap(), 1);
    rig.committer.try_send(numbered(2, (2..=4).map(notice))).unwrap();
    let more = numbered(5, [notice(5), notice(6)]);
    assert_eq!(rig.committer.try_send(more.clone()), Err(TrySend::Full(more.clone())));
    rig.gate.send(Order::Go).unwrap();
    assert_eq!(rig.started.recv_timeout(SOON).unwrap(), 3);
    rig.committer.try_send(more).unwrap();
    rig.gate.send(Order::Go).unwrap();
    rig.gate.send(Order::Go).unwrap();
    assert_eq!([upto(&rig.done), upto(&rig.done), upto(&rig.done)], [1, 4, 6]);
}

#[test]
fn what_was_handed_over_together_is_committed_together() {
    let rig = rig(100_000);
    rig.committer.try_send(numbered(1, [notice(1)])).unwrap();
    assert_eq!(rig.started.recv_timeout(SOON).unwrap(), 1);
    let mut next = 2;
    for size in [4_000, 97, 5_000, 3] {
        rig.committer.try_send(numbered(next, (0..size).map(notice))).unwrap();
        next += size;
    }
    let mut batches = Vec::new();
    for _ in 0..4 {
        rig.gate.send(Order::Go).unwrap();
        batches.push(rig.started.recv_timeout(SOON).unwrap());
    }
    rig.gate.send(Order::Go).unwrap();
    assert_eq!(batches, [4_000, 97, 5_000, 3]);
}

#[test]
fn finishing_commits_what_was_accepted() {
    let mut rig = rig(100);
    rig.committer.try_send(numbered(1, [notice(1)])).unwrap();
    rig.committer.try_send(numbered(2, [notice(2)])).unwrap();
    rig.gate.send(Order::Go).unwrap();
    rig.gate.send(Order::Go).unwrap();
    let mut store = rig.committer.finish().unwrap();
    assert_eq!(store.open().unwrap().last, RecordId(2));
    assert_eq!(rig.memory.page(RecordId(0), 10).unwrap().len(), 2);
}

fn expect_end(order: Order, is_expected: fn(&StoreError) -> bool) {
    let rig = rig(100);
    rig.committer.try_send(numbered(1, [notice(1)])).unwrap();
    rig.started.recv_timeout(SOON).unwrap();
    rig.committer.try_send(numbered(2, [notice(2)])).unwrap();
    rig.gate.send(order).unwrap();
    match rig.done.recv_timeout(SOON).unwrap() {
        Done::Failed(error) => assert!(is_expected(&error) && error.is_fatal(), "{error}"),
        other => panic!("{other:?}"),
    }
    let late = numbered(3, [notice(3)]);
    assert_eq!(rig.committer.try_send(late.clone()), Err(TrySend::Stopped(late)));
    assert!(rig.committer.finish().is_none());
    assert!(rig.done.recv().is_err(), "a report after the last");
    assert!(rig.started.recv().is_err(), "an append after the failure");
}

#[test]
fn a_trim_that_finds_the_journal_locked_is_left_for_later() {
    let rig = rig(100);
    rig.committer.trim(BUSY);
    for n in 1..=2 {
        rig.committer.try_send(numbered(n, [notice(n)])).unwrap();
        rig.gate.send(Order::Go).unwrap();
        assert_eq!(upto(&rig.done), n);
    }
    assert!(rig.committer.finish().is_some());
}

#[test]
fn a_failure_is_the_last_report() {
    expect_end(Order::Fail, |error| matches!(error, StoreError::Stopped));
}

#[test]
fn a_panic_is_reported_like_a_failure() {
    expect_end(Order::Panic, |error| matches!(error, StoreError::Panicked));
}

#[test]
fn refusals_come_with_their_commit() {
    let place = Sqlite::new();
    let (tx, done) = sync_channel(64);
    let committer =
        Committer::spawn(Box::new(place.store()), 100, move |d| tx.send(d).unwrap()).unwrap();
    committer.try_send(numbered(1, [payment(1), payment(1)])).unwrap();
    let Done::Committed { upto, refused } = done.recv_timeout(SOON).unwrap() else {
        panic!("failed")
    };
    assert_eq!((upto, refused.len()), (RecordId(2), 1));
}

#[test]
fn trimming_goes_on_between_commits() {
    let place = Sqlite::new();
    let committer = Committer::spawn(Box::new(place.store()), 10_000, drop).unwrap();
    committer.try_send(numbered(1, payments(1..1_001))).unwrap();
    committer.trim(Utc(NOON + 10_000_000));
    let mut reader = SqliteReader::open(&place.path(), keys()).unwrap();
    let started = std::time::Instant::now();
    loop {
        let is_empty = reader.page(RecordId(0), 1).unwrap().is_empty();
        let last = committer.try_send(Vec::new());
        assert_eq!(last, Ok(()));
        if is_empty && started.elapsed() > Duration::from_millis(100) {
            break;
        }
        assert!(started.elapsed() < SOON, "not trimmed");
        std::thread::yield_now();
    }
    let mut store = committer.finish().unwrap();
    assert_eq!(store.open().unwrap().last, RecordId(2_000));
}
