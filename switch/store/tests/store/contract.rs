//! What every store promises, checked on each of them by the same cases.
//!
//! A case is given a place: somewhere a journal is, that can be opened again and again. A new
//! store adds a place and a line at the end of this file, and no case.

use crate::sample::*;
use crate::watch::{Watch, watch_for};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use veksel_codecs::ResponseCode;
use veksel_core::fact::*;
use veksel_core::record::*;
use veksel_core::time::Utc;
use veksel_store::{
    Entry, FIND_MAX, Journal, Lookup, MemoryStore, Recovered, Refused, SqliteStore, Store,
    StoreError,
};

/// The participant whose transactions of one life go together.
const WHOLE: &str = "platform";

/// Somewhere a journal is.
pub(crate) trait Place {
    /// Opens it. The store that was opened before is gone by then.
    fn open(&self) -> Box<dyn Store>;
}

pub(crate) struct Sqlite {
    /// Cards are in no log, and in no file of a journal in clear.
    _watch: Watch,
    folder: tempfile::TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watch = watch_for(&["5555555555554444"]).over(folder.path());
        Self { _watch: watch, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), keys()).unwrap().keeping_whole([WHOLE.to_owned()])
    }
}

impl Place for Sqlite {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.store())
    }
}

fn memory() -> MemoryStore {
    MemoryStore::new().keeping_whole([WHOLE.to_owned()])
}

impl Place for MemoryStore {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.clone())
    }
}

fn append(store: &mut dyn Store, first: u64, records: impl IntoIterator<Item = Record>) {
    assert_eq!(store.append(&numbered(first, records)).unwrap(), []);
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|(id, _)| id.0).collect()
}

fn all(store: &mut dyn Journal) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let page = store.page(all.last().map_or(RecordId(0), |(id, _)| *id), 1_000).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn an_empty_journal_is_empty(place: &dyn Place) {
    let mut store = place.open();
    assert_eq!(store.open().unwrap(), Recovered::default());
    assert_eq!(all(&mut *store), []);
    assert_eq!(store.append(&[]).unwrap(), []);
    assert_eq!(store.find(&Lookup::Txn(TxnId(1))).unwrap(), []);
    assert_eq!(store.trim(Utc(u64::MAX), 100).unwrap().removed, 0);
}

fn every_variant_comes_back_as_it_was(place: &dyn Place) {
    let records: Vec<Record> = every().into_iter().map(|(_, record)| record).collect();
    append(&mut *place.open(), 1, records.clone());
    assert_eq!(all(&mut *place.open()), numbered(1, records));
}

fn reopening_keeps_everything(place: &dyn Place) {
    for round in 0..4 {
        let mut store = place.open();
        let recovered = store.open().unwrap();
        assert_eq!((recovered.last, recovered.txn), (RecordId(20 * round), TxnId(10 * round)));
        append(&mut *store, 20 * round + 1, payments(10 * round + 1..10 * round + 11));
    }
    let journal = all(&mut *place.open());
    assert_eq!(journal, numbered(1, payments(1..41)));
}

fn numbers_that_do_not_follow_are_refused(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, 1, [notice(1), notice(2)]);
    let gap = vec![(RecordId(3), notice(3)), (RecordId(5), notice(5))];
    let wrong = [numbered(2, [notice(2)]), numbered(4, [notice(4)]), numbered(0, [notice(0)]), gap];
    for batch in wrong {
        let error = store.append(&batch).unwrap_err();
        assert!(matches!(error, StoreError::Order { .. }), "{error}");
    }
    assert_eq!(ids(&all(&mut *store)), [1, 2]);
    append(&mut *store, 3, [notice(3)]);
}

fn a_taken_key_is_refused_and_the_rest_stored(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, 1, [payment(1)]);
    let again = Record::Intent(Arc::new(Intent { txn: TxnId(2), ..intent(1) }));
    let twice = Record::Intent(Arc::new(Intent { txn: TxnId(4), ..intent(3) }));
    let batch = numbered(2, [again, payment(3), twice, notice(1), approved(1)]);
    let refused = [
        Refused { id: RecordId(2), txn: TxnId(2), stored: TxnId(1) },
        Refused { id: RecordId(4), txn: TxnId(4), stored: TxnId(3) },
    ];
    assert_eq!(store.append(&batch).unwrap(), refused);
    assert_eq!(ids(&all(&mut *store)), [1, 3, 5, 6]);
    drop(store);
    // The refused numbers stay used, and a refused transaction is not recovered.
    let mut store = place.open();
    let recovered = store.open().unwrap();
    assert_eq!(ids(&recovered.records), [3]);
    assert_eq!((recovered.last, recovered.txn), (RecordId(6), TxnId(4)));
    // Also when nothing of the batch was stored.
    let last = Record::Intent(Arc::new(Intent { txn: TxnId(9), ..intent(1) }));
    assert_eq!(store.append(&numbered(7, [last])).unwrap().len(), 1);
    drop(store);
    let recovered = place.open().open().unwrap();
    assert_eq!((recovered.last, recovered.txn), (RecordId(7), TxnId(9)));
}

/// Wherever in a long batch a key is taken, that record is refused and no other.
fn refusals_anywhere_in_a_long_batch(place: &dyn Place) {
    let again = |n: u64, stored: u64| {
        Record::Intent(Arc::new(Intent { txn: TxnId(1_000 + n), ..intent(stored) }))
    };
    let mut store = place.open();
    append(&mut *store, 1, [payment(999)]);
    let (mut next, mut kept) = (2, vec![1]);
    // The first, the last, several in a row, one behind a statement's worth, and nearly all.
    let places: [&[u64]; 7] =
        [&[], &[0], &[63], &[16], &[3, 4, 5, 17], &[15, 16, 31, 32, 47, 63], &[1, 2, 60, 62]];
    for (round, taken) in (0_u64..).zip(places) {
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for n in 0..64 {
            let (id, txn) = (RecordId(next + n), round * 64 + n);
            // Of an earlier batch, or of a record of this one.
            let holder = if n < 8 { 999 } else { round * 64 + 7 };
            if taken.contains(&n) {
                batch.push(again(round * 64 + n, holder));
                let (txn, stored) = (TxnId(1_000 + txn), TxnId(holder));
                expected.push(Refused { id, txn, stored });
                continue;
            }
            kept.push(id.0);
            batch.push(match n % 8 {
                1 => approved(txn - 1),
                2 => inquiry(txn),
                // Kinds that have statements of their own come between.
                3 if n > 32 => notice(n),
                4 if n > 48 => queued(txn - 4),
                _ => payment(txn),
            });
        }
        let batch = numbered(next, batch);
        assert_eq!(store.append(&batch).unwrap(), expected, "{taken:?}");
        let stored = store.page(RecordId(next - 1), 64).unwrap();
        let without = batch.into_iter().filter(|(_, record)| {
            record.txn().is_none_or(|txn| expected.iter().all(|refused| refused.txn != txn))
        });
        assert_eq!(stored, without.collect::<Vec<_>>(), "{taken:?}");
        next += 64;
    }
    assert_eq!(ids(&all(&mut *store)), kept);
    drop(store);
    let recovered = place.open().open().unwrap();
    assert_eq!((recovered.last.0, recovered.held), (next - 1, kept.len() as u64));
}

fn every_part_of_the_key_counts(place: &dyn Place) {
    let one = key(1);
    let keys = [
        one.clone(),
        DuplicateKey { participant: "pos".into(), ..one.clone() },
        DuplicateKey { class: b'1', ..one.clone() },
        DuplicateKey { transmission: "1120142808".into(), ..one.clone() },
        DuplicateKey { stan: 2, ..one.clone() },
        DuplicateKey { acquirer: "1234567890".into(), ..one.clone() },
        DuplicateKey { rrn: String::new(), ..one.clone() },
        DuplicateKey { terminal: "ATM00002".into(), ..one.clone() },
        DuplicateKey { acceptor: String::new(), ..one.clone() },
        // The same characters, divided between the fields in another way.
        DuplicateKey { terminal: "ATM0000".into(), acceptor: "1BANK00000000001".into(), ..one },
    ];
    let intents = (1..).zip(&keys).map(|(n, key)| {
        Record::Intent(Arc::new(Intent { txn: TxnId(n), key: key.clone(), ..intent(1) }))
    });
    let mut store = place.open();
    append(&mut *store, 1, intents);
    for (n, key) in (1..).zip(keys) {
        assert_eq!(ids(&store.find(&Lookup::Key(key)).unwrap()), [n]);
    }
}

fn what_is_unfinished_is_recovered(place: &dyn Place) {
    let sent = |n| reversal(n, ReversalStep::Sent { attempt: 1 });
    let parked = |n| reversal(n, ReversalStep::Parked { response: None });
    let resolved =
        |n| reversal(n, ReversalStep::Resolved { operator: "ida".into(), note: "done".into() });
    let not_sent =
        |n| outcome(n, Verdict::NotSent, ResponseCode::HOST_UNAVAILABLE, Reason::NoConnection);
    let accepted = |n| outcome(n, Verdict::Accepted, ResponseCode::APPROVED, Reason::Advice);
    let delivery = |n| reversal(n, ReversalStep::Queued { reason: Reason::Advice, actual: None });
    // Transaction, its records, whether a restart must load it.
    let lives: Vec<(u64, Vec<Record>, bool)> = vec![
        (1, vec![payment(1)], true),
        (2, vec![payment(2), approved(2)], false),
        (3, vec![payment(3), not_sent(3)], false),
        // The engine says whether an unknown outcome is undone, in the same commit.
        (4, vec![payment(4), indefinite(4)], false),
        (5, vec![payment(5), indefinite(5), queued(5)], true),
        (6, vec![payment(6), indefinite(6), queued(6), sent(6), sent(6)], true),
        (7, vec![payment(7), indefinite(7), queued(7), sent(7), settled(7)], false),
        (8, vec![payment(8), indefinite(8), queued(8), sent(8), parked(8)], true),
        (9, vec![payment(9), indefinite(9), queued(9), parked(9), resolved(9)], false),
        (10, vec![payment(10), indefinite(10), queued(10), parked(10), queued(10)], true),
        // Approved, but the channel was gone.
        (11, vec![payment(11), approved(11), queued(11)], true),
        // Reversed by the channel while in flight; the outcome came after.
        (12, vec![payment(12), queued(12)], true),
        (13, vec![payment(13), queued(13), settled(13)], true),
        (14, vec![payment(14), queued(14), settled(14), indefinite(14)], false),
        (15, vec![payment(15), queued(15), indefinite(15)], true),
        (16, vec![inquiry(16)], false),
        // Advices that were taken over: to be delivered, on the way, delivered.
        (17, vec![payment(17), accepted(17), delivery(17)], true),
        (18, vec![payment(18), accepted(18), delivery(18), sent(18)], true),
        (19, vec![payment(19), accepted(19), delivery(19), sent(19), settled(19)], false),
        // At a bank: not answered yet, the channel answered before its end, ended.
        (20, vec![payment(20), paid(20, PaymentState::Initiating, false)], true),
        (21, vec![payment(21), paid(21, PaymentState::Pending, false), approved(21)], true),
        (22, vec![payment(22), approved(22), paid(22, PaymentState::Settled, true)], false),
    ];
    let mut expected = BTreeMap::new();
    let mut next = 1;
    // One record of each in turn, in batches of their own, reopened in between.
    for step in 0..5 {
        let mut batch = Vec::new();
        for (_, records, is_open) in &lives {
            if let Some(record) = records.get(step) {
                batch.push((RecordId(next), record.clone()));
                if *is_open {
                    expected.insert(next, record.clone());
                }
                next += 1;
            }
        }
        assert_eq!(place.open().append(&batch).unwrap(), []);
    }
    let expected: Vec<Entry> =
        expected.into_iter().map(|(id, record)| (RecordId(id), record)).collect();
    let mut store = place.open();
    let recovered = store.open().unwrap();
    assert_eq!(recovered.records, expected);
    assert_eq!((recovered.last, recovered.txn), (RecordId(next - 1), TxnId(22)));
    // The same when everything comes in one batch, and seen without reopening.
    let mut later = Vec::new();
    for (n, records, _) in &lives {
        later.extend(records.iter().map(|record| moved(record, n + 100)));
    }
    append(&mut *store, next, later);
    let again: Vec<TxnId> = txns(&store.open().unwrap().records);
    let twice = [1, 5, 6, 8, 10, 11, 12, 13, 15, 17, 18, 20, 21];
    assert_eq!(
        again,
        twice.iter().copied().chain(twice.map(|n| n + 100)).map(TxnId).collect::<Vec<_>>()
    );
}

/// The transactions of these records, each once, in order of their numbers.
fn txns(records: &[Entry]) -> Vec<TxnId> {
    let mut txns: Vec<TxnId> = records.iter().filter_map(|(_, record)| record.txn()).collect();
    txns.sort_unstable();
    txns.dedup();
    txns
}

/// The same record in the life of another transaction.
fn moved(record: &Record, n: u64) -> Record {
    match record.clone() {
        Record::Intent(_) => payment(n),
        Record::Outcome(mut outcome) => {
            outcome.txn = TxnId(n);
            Record::Outcome(outcome)
        }
        Record::Reversal(reversal) => Record::Reversal(Reversal { txn: TxnId(n), ..reversal }),
        Record::Inquiry(_) => inquiry(n),
        Record::Notice(notice) => Record::Notice(notice),
        Record::Fact(_) => record_of_payment(record, n),
    }
}

/// The same payment at a bank, of another transaction.
fn record_of_payment(record: &Record, n: u64) -> Record {
    match record {
        Record::Fact(known) => match &known.fact {
            Fact::Payment(payment) => paid(n, payment.state, payment.is_over),
            other => panic!("{other:?} belongs to no transaction"),
        },
        other => panic!("{other:?}"),
    }
}

/// Facts of a key follow each other, across batches and restarts; one that is over ends its key.
fn the_last_fact_of_each_key_is_recovered(place: &dyn Place) {
    let waiting = |n| linked(n, "10000000001", ConsentStatus::Waiting);
    let valid = |n| linked(n, "10000000001", ConsentStatus::Valid);
    append(&mut *place.open(), 1, [waiting(1), balance(1, "10000000001", 5), payment(1)]);
    let other = linked(2, "20000000002", ConsentStatus::Valid);
    let one = customer(2, "10000000001", KycStatus::Pending);
    append(&mut *place.open(), 4, [other.clone(), valid(2), reads(2, &[1]), one.clone()]);
    let recovered = place.open().open().unwrap();
    assert_eq!(ids(&recovered.records), [2, 3, 4, 5, 6, 7]);
    assert_eq!(recovered.records[2..4], [(RecordId(4), other), (RecordId(5), valid(2))]);
    assert_eq!((recovered.last, recovered.txn), (RecordId(7), TxnId(1)));
    // In one batch, and twice the same key in it; seen without reopening too.
    let mut store = place.open();
    let batch = [balance(3, "10000000001", -7), reads(3, &[]), balance(4, "10000000001", 9)];
    append(&mut *store, 8, batch);
    assert_eq!(ids(&store.open().unwrap().records), [3, 4, 5, 7, 10]);
    append(&mut *store, 11, [unlinked(5, "10000000001"), approved(1)]);
    drop(store);
    let recovered = place.open().open().unwrap();
    assert_eq!(ids(&recovered.records), [4, 7, 10]);
    assert_eq!(recovered.records[1].1, one);
    // Linked again after it was given up.
    append(&mut *place.open(), 13, [waiting(6)]);
    assert_eq!(ids(&place.open().open().unwrap().records), [4, 7, 10, 13]);
}

fn a_payment_at_a_bank_keeps_its_transaction_open(place: &dyn Place) {
    let mut store = place.open();
    let pending = |n| paid(n, PaymentState::Pending, false);
    let settled = |n| paid(n, PaymentState::Settled, true);
    append(&mut *store, 1, [payment(1), pending(1), approved(1), payment(2), approved(2)]);
    append(&mut *store, 6, [payment(3), pending(3), approved(3), settled(3)]);
    let open = [1, 2, 3];
    assert_eq!(ids(&store.open().unwrap().records), open);
    drop(store);
    let mut store = place.open();
    assert_eq!(ids(&store.open().unwrap().records), open);
    while store.trim(Utc(NOON + 1_000_000), 2).unwrap().more {}
    assert_eq!(ids(&all(&mut *store)), open);
    append(&mut *store, 10, [paid(1, PaymentState::Accepted, false)]);
    drop(store);
    let mut store = place.open();
    assert_eq!(ids(&store.open().unwrap().records), [1, 2, 3, 10]);
    append(&mut *store, 11, [settled(1)]);
    assert_eq!(store.open().unwrap().records, []);
    while store.trim(Utc(NOON + 1_000_000), 2).unwrap().more {}
    assert_eq!(all(&mut *store), []);
}

fn trimming_never_takes_a_fact_that_holds(place: &dyn Place) {
    let mut store = place.open();
    for round in 0..20 {
        let n = round * 4;
        let records = [
            balance(n, "10000000001", i64::try_from(n).unwrap()),
            notice(n),
            linked(n, &format!("{round}"), ConsentStatus::Valid),
            customer(n, "customer-1", KycStatus::Approved),
        ];
        append(&mut *store, n + 1, records);
    }
    let before = store.open().unwrap();
    let trim = |store: &mut dyn Store| {
        for _ in 0..40 {
            store.trim(Utc(NOON + 1_000_000), 3).unwrap();
        }
    };
    trim(&mut *store);
    let after = store.open().unwrap();
    assert_eq!(after.records, before.records);
    // Nothing else is left: twenty links, a balance, a customer.
    assert_eq!(all(&mut *store), before.records);
    assert_eq!((before.records.len(), after.held), (22, 22));
    drop(store);
    let mut store = place.open();
    assert_eq!(store.open().unwrap().records, before.records);
    // What is followed or given up may go.
    append(&mut *store, 81, [balance(90, "10000000001", 1), unlinked(91, "7")]);
    trim(&mut *store);
    let recovered = store.open().unwrap();
    assert_eq!((recovered.records.len(), recovered.held), (21, 21));
    assert_eq!(all(&mut *store), recovered.records);
}

fn the_latest_stan_of_each_group_is_recovered(place: &dyn Place) {
    let with = |n: u64, group: &str, host_stan| {
        let group = group.to_owned();
        Record::Intent(Arc::new(Intent { group, host_stan, ..intent(n) }))
    };
    let batch = [with(1, "cbs", 999_999), with(2, "cards", 12), with(3, "cbs", 1)];
    append(&mut *place.open(), 1, batch);
    append(&mut *place.open(), 4, [with(4, "cards", 13)]);
    let stans = place.open().open().unwrap().stans;
    assert_eq!(stans, [("cards".to_owned(), 13), ("cbs".to_owned(), 1)]);
}

fn look_ups_find_whole_transactions(place: &dyn Place) {
    let mut store = place.open();
    let same_rrn = Record::Intent(Arc::new(Intent {
        key: DuplicateKey { participant: "pos".into(), ..key(1) },
        pan: None,
        ..intent(4)
    }));
    let records =
        [payment(1), payment(3), payment(2), approved(1), same_rrn, indefinite(3), queued(3)];
    append(&mut *store, 1, records);
    append(&mut *store, 8, [inquiry(5), notice(6), settled(3)]);
    let key_one = key(1);
    let original = |stan| {
        let transmission = key_one.transmission.clone();
        Lookup::Original { transmission, stan }
    };
    let cases = [
        (Lookup::Txn(TxnId(1)), vec![1, 4]),
        (Lookup::Txn(TxnId(3)), vec![2, 6, 7, 10]),
        (Lookup::Txn(TxnId(5)), vec![8]),
        (Lookup::Txn(TxnId(0)), vec![]),
        (Lookup::Txn(TxnId(u64::MAX)), vec![]),
        (Lookup::Key(key(3)), vec![2, 6, 7, 10]),
        (Lookup::Key(key(9)), vec![]),
        (original(1), vec![1, 4, 5]),
        (original(3), vec![2, 6, 7, 10]),
        (original(10), vec![]),
        (Lookup::Rrn("632414000001".into()), vec![1, 4, 5]),
        (Lookup::Rrn("632414000077".into()), vec![8]),
        (Lookup::Rrn("none".into()), vec![]),
        (Lookup::Card(CardNumber::new("4111111111111111")), vec![2, 6, 7, 10]),
        (Lookup::Card(CardNumber::new("4111111111111112")), vec![]),
    ];
    for (lookup, expected) in cases {
        assert_eq!(ids(&store.find(&lookup).unwrap()), expected, "{lookup:?}");
    }
}

fn what_a_caller_knows_a_request_by_finds_all_that_it_became(place: &dyn Place) {
    let mut store = place.open();
    // Two messages of one request; another of the same key; one whose key only begins like it; and
    // one that nobody knows by a key.
    let alike = CallerKey { key: [[1; 8], [9; 8]].concat().try_into().unwrap(), content: [5; 16] };
    let alike = Record::Intent(Arc::new(Intent { caller_key: Some(alike), ..intent(4) }));
    let records = [keyed(1, 1, 5), approved(1), keyed(2, 1, 5), keyed(3, 1, 6), alike, payment(5)];
    append(&mut *store, 1, records);
    append(&mut *store, 7, [approved(2), indefinite(3), queued(3), keyed(6, 2, 5)]);
    let find =
        |store: &mut dyn Store, key: [u8; 16]| ids(&store.find(&Lookup::CallerKey(key)).unwrap());
    for reopened in [false, true] {
        if reopened {
            drop(store);
            store = place.open();
        }
        assert_eq!(find(&mut *store, [1; 16]), [1, 2, 3, 4, 7, 8, 9]);
        assert_eq!(find(&mut *store, [2; 16]), [10]);
        for none in [[0; 16], [3; 16], [5; 16]] {
            assert_eq!(find(&mut *store, none), Vec::<u64>::new());
        }
        let found = store.find(&Lookup::CallerKey([2; 16])).unwrap();
        assert_eq!(found, [(RecordId(10), keyed(6, 2, 5))]);
    }
    // A refused intent leaves nothing under its key, and a trimmed one neither.
    let taken = Intent { txn: TxnId(7), ..intent(1) };
    let caller_key = Some(CallerKey { key: [4; 16], content: [4; 16] });
    let taken = Record::Intent(Arc::new(Intent { caller_key, ..taken }));
    assert_eq!(store.append(&numbered(11, [taken])).unwrap().len(), 1);
    assert_eq!(find(&mut *store, [4; 16]), Vec::<u64>::new());
    while store.trim(Utc(NOON + 1_000_000), 3).unwrap().more {}
    // The third is being reversed, and the others have no outcome.
    assert_eq!(find(&mut *store, [1; 16]), [4, 8, 9]);
    assert_eq!(find(&mut *store, [2; 16]), [10]);
}

fn pages_follow_each_other(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, 1, (1..=25).map(notice));
    assert_eq!(ids(&store.page(RecordId(0), 10).unwrap()), Vec::from_iter(1..=10));
    assert_eq!(ids(&store.page(RecordId(10), 10).unwrap()), Vec::from_iter(11..=20));
    assert_eq!(ids(&store.page(RecordId(20), 10).unwrap()), Vec::from_iter(21..=25));
    assert_eq!(store.page(RecordId(25), 10).unwrap(), []);
    assert_eq!(store.page(RecordId(u64::MAX), 10).unwrap(), []);
    assert_eq!(store.page(RecordId(0), 0).unwrap(), []);
}

fn a_huge_batch_is_one_batch(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, 1, payments(1..10_001));
    append(&mut *store, 20_001, [payment(10_001)]);
    drop(store);
    let mut store = place.open();
    assert_eq!(ids(&store.open().unwrap().records), [20_001]);
    let journal = all(&mut *store);
    assert_eq!(journal.len(), 20_001);
    assert!(journal.iter().zip(1..).all(|((id, _), n)| id.0 == n));
}

fn trimming_keeps_what_is_open_and_what_is_young(place: &dyn Place) {
    let parked = |n| reversal(n, ReversalStep::Parked { response: None });
    let mut store = place.open();
    append(&mut *store, 1, [payment(1), approved(1), payment(2), payment(3), indefinite(3)]);
    append(&mut *store, 6, [queued(3), payment(4), indefinite(4), queued(4), parked(4)]);
    append(&mut *store, 11, [inquiry(5), notice(6), payment(7), approved(7)]);
    // Old, but its last record is young; and young throughout.
    append(&mut *store, 15, [payment(8), outcome_at(8, NOON + 5_000), notice(6_000)]);
    let mut removed = 0;
    loop {
        let trimmed = store.trim(Utc(NOON + 1_000), 3).unwrap();
        removed += trimmed.removed;
        if !trimmed.more {
            break;
        }
    }
    let left = [3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17];
    assert_eq!((removed, ids(&all(&mut *store))), (6, left.to_vec()));
    assert_eq!(store.open().unwrap().held, 11);
    // The numbers go on, and a key that was trimmed is free again.
    assert_eq!(store.find(&Lookup::Key(key(1))).unwrap(), []);
    append(&mut *store, 18, [Record::Intent(Arc::new(Intent { txn: TxnId(9), ..intent(1) }))]);
    // Finishing them frees them.
    append(&mut *store, 19, [approved(2), settled(3), settled(4), approved(9)]);
    while store.trim(Utc(NOON + 1_000_000), 3).unwrap().more {}
    assert_eq!(all(&mut *store), []);
    drop(store);
    let recovered = place.open().open().unwrap();
    assert_eq!((recovered.last, recovered.txn), (RecordId(22), TxnId(9)));
    assert_eq!(recovered.held, 0);
    // A refused one is not held either, and neither a restart nor a trim forgets that.
    let mut store = place.open();
    append(&mut *store, 23, [payment(10)]);
    let again = Record::Intent(Arc::new(Intent { txn: TxnId(11), ..intent(10) }));
    assert_eq!(store.append(&numbered(24, [again, notice(7_000)])).unwrap().len(), 1);
    drop(store);
    assert_eq!(place.open().open().unwrap().held, 2);
}

/// The n-th payment, with this DE37, of this participant, about this account, and its approval.
fn lived(n: u64, rrn: &str, participant: &str, account: &str) -> [Record; 2] {
    let key = DuplicateKey { rrn: rrn.into(), participant: participant.into(), ..key(n) };
    let intent = Intent { key, account: account.into(), pan: None, ..intent(n) };
    [Record::Intent(Arc::new(intent)), approved(n)]
}

fn trimming_keeps_the_life_of_a_hold_whole(place: &dyn Place) {
    let (hold, number) = ("HOLD00000001", "10000000001");
    let young = 50_000;
    let unfinished = reversal(7, ReversalStep::Parked { response: None });
    let mut records = Vec::new();
    for n in [1, 2] {
        records.extend(lived(n, hold, "platform", number));
    }
    // The same DE37 of somebody else, or about something else, is another matter.
    records.extend(lived(3, hold, "pos", number));
    records.extend(lived(4, hold, "platform", "10000000002"));
    // None at all brings nothing together, and neither does nobody's account.
    let apart = [(5, "", number), (6, "HOLD00000002", "")];
    for (n, rrn, account) in apart {
        records.extend(lived(n, rrn, "platform", account));
    }
    // One that is unfinished counts as young.
    records.extend(lived(7, "HOLD00000003", "platform", number));
    records.extend(lived(8, "HOLD00000003", "platform", number));
    records.extend([queued(7), unfinished]);
    records.extend(lived(young, hold, "platform", number));
    for (n, rrn, account) in apart {
        records.extend(lived(young + n, rrn, "platform", account));
    }
    let mut store = place.open();
    append(&mut *store, 1, records);
    let rest = |store: &mut dyn Store| -> Vec<u64> {
        txns(&all(store)).into_iter().map(|txn| txn.0).collect()
    };
    let trim = |store: &mut dyn Store, before: u64, limit| {
        let mut removed = 0;
        loop {
            let trimmed = store.trim(Utc(NOON + before), limit).unwrap();
            removed += trimmed.removed;
            if !trimmed.more {
                return removed;
            }
        }
    };
    assert_eq!(trim(&mut *store, 40_000, 3), 8);
    assert_eq!(rest(&mut *store), [1, 2, 7, 8, young, young + 5, young + 6]);
    drop(store);
    let mut store = place.open();
    assert_eq!(trim(&mut *store, 40_000, 3), 0);
    // All of it is found as before.
    assert_eq!(ids(&store.find(&Lookup::Rrn(hold.to_owned())).unwrap()).len(), 6);
    append(&mut *store, 25, [settled(7)]);
    drop(store);
    let mut store = place.open();
    assert_eq!(trim(&mut *store, 40_000, 3), 7);
    assert_eq!(rest(&mut *store), [1, 2, young, young + 5, young + 6]);
    // What goes together goes at once, however few records are looked at.
    assert_eq!(store.trim(Utc(NOON + 1_000_000), 1).unwrap().removed, 6);
    assert_eq!(rest(&mut *store), [young + 5, young + 6]);
    trim(&mut *store, 1_000_000, 1);
    assert_eq!(rest(&mut *store), Vec::<u64>::new());
}

/// What is old and stays costs nothing: it goes with what keeps it, which is further on.
fn what_stays_goes_with_what_kept_it(place: &dyn Place) {
    let hold = |n| lived(n, "HOLD00000001", "platform", "10000000001");
    let mut store = place.open();
    append(&mut *store, 1, hold(1).into_iter().chain([payment(2)]));
    append(&mut *store, 4, payments(100..200));
    append(&mut *store, 204, hold(5_000));
    let trim = |store: &mut dyn Store, before: u64| {
        while store.trim(Utc(NOON + before), 16).unwrap().more {}
        txns(&all(store)).into_iter().map(|txn| txn.0).collect::<Vec<_>>()
    };
    assert_eq!(trim(&mut *store, 1_000), [1, 2, 5_000]);
    append(&mut *store, 206, [outcome_at(2, NOON + 6_000)]);
    assert_eq!(trim(&mut *store, 2_000), [1, 2, 5_000]);
    append(&mut *store, 207, payments(9_000..9_010));
    assert_eq!(trim(&mut *store, 7_000), (9_000..9_010).collect::<Vec<_>>());
}

/// Numbers of a channel come round, and nobody reads them as a life.
fn what_nobody_reads_as_a_whole_goes_one_by_one(place: &dyn Place) {
    let mut store = place.open();
    for (first, n) in [(1, 0), (201, 50_000)] {
        let each = |k: u64| lived(n + k, &format!("{k:012}"), "pos", "10000000001");
        append(&mut *store, first, (1..=100).flat_map(each));
    }
    // Somebody's lives are read, and not these.
    append(&mut *store, 401, lived(50_101, "HOLD00000001", WHOLE, "10000000001"));
    while store.trim(Utc(NOON + 40_000), 16).unwrap().more {}
    let left: Vec<u64> = txns(&all(&mut *store)).into_iter().map(|txn| txn.0).collect();
    assert_eq!(left, (50_001..=50_101).collect::<Vec<_>>());
}

/// A number that always comes again would keep everything for ever.
fn a_number_without_end_keeps_no_more_than_is_found(place: &dyn Place) {
    let most = u64::try_from(FIND_MAX).unwrap();
    let old = most + 40;
    let mut store = place.open();
    let each = |n| lived(n, "000000000000", "platform", "10000000001");
    append(&mut *store, 1, (1..=old).flat_map(each));
    append(&mut *store, 2 * old + 1, each(50_000));
    while store.trim(Utc(NOON + 40_000), 64).unwrap().more {}
    let left = store.open().unwrap().held;
    assert_eq!(left, 2 * most);
    assert_eq!(store.page(RecordId(0), 1).unwrap()[0].1.txn(), Some(TxnId(42)));
}

fn outcome_at(n: u64, utc: u64) -> Record {
    match approved(n) {
        Record::Outcome(mut outcome) => {
            outcome.utc = Utc(utc);
            Record::Outcome(outcome)
        }
        other => other,
    }
}

fn a_reader_sees_whole_batches_while_they_are_written(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, 1, payments(1..6));
    let mut reader = store.reader().unwrap();
    let seen = std::thread::spawn(move || {
        let mut sizes = Vec::new();
        while sizes.last() != Some(&1_010) {
            let all = all(&mut *reader);
            assert!(all.iter().zip(1..).all(|((id, _), n)| id.0 == n));
            sizes.push(all.len());
        }
        assert_eq!(ids(&reader.find(&Lookup::Txn(TxnId(505))).unwrap()), [1_009, 1_010]);
        sizes
    });
    for round in 0..100 {
        append(&mut *store, 11 + round * 10, payments(6 + round * 5..11 + round * 5));
    }
    let sizes = seen.join().unwrap();
    assert!(sizes.is_sorted());
    assert!(sizes.iter().all(|size| size % 10 == 0), "a batch was seen in part: {sizes:?}");
}

macro_rules! contract {
    ($($case:ident)*) => {
        mod memory {
            $(#[test] fn $case() { super::$case(&super::memory()); })*
        }
        mod sqlite {
            $(#[test] fn $case() { super::$case(&super::Sqlite::new()); })*
        }
    };
}

contract! {
    an_empty_journal_is_empty
    every_variant_comes_back_as_it_was
    reopening_keeps_everything
    numbers_that_do_not_follow_are_refused
    a_taken_key_is_refused_and_the_rest_stored
    refusals_anywhere_in_a_long_batch
    every_part_of_the_key_counts
    what_is_unfinished_is_recovered
    the_last_fact_of_each_key_is_recovered
    a_payment_at_a_bank_keeps_its_transaction_open
    trimming_never_takes_a_fact_that_holds
    the_latest_stan_of_each_group_is_recovered
    look_ups_find_whole_transactions
    what_a_caller_knows_a_request_by_finds_all_that_it_became
    pages_follow_each_other
    a_huge_batch_is_one_batch
    trimming_keeps_what_is_open_and_what_is_young
    trimming_keeps_the_life_of_a_hold_whole
    what_stays_goes_with_what_kept_it
    what_nobody_reads_as_a_whole_goes_one_by_one
    a_number_without_end_keeps_no_more_than_is_found
    a_reader_sees_whole_batches_while_they_are_written
}
