//! How fast, measured on request:
//! `VEKSEL_MEASURE=1 cargo test --release -p veksel-store rate -- --nocapture --test-threads 1`.
//!
//! Figures are printed, not asserted, except the time of a restart with a million records.

use crate::contract::Sqlite;
use crate::sample::*;
use rusqlite::{Connection, params};
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_core::record::{Intent, Record, RecordId, TxnId};
use veksel_store::*;

/// Rows per second, and nanoseconds of this thread's CPU per row.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    cpu: f64,
}

fn timed(rows: u64, work: impl FnOnce()) -> Rate {
    let (started, cpu) = (Instant::now(), cpu_ns());
    work();
    let elapsed = started.elapsed().as_secs_f64();
    Rate { per_second: rows as f64 / elapsed, cpu: (cpu_ns() - cpu) as f64 / rows as f64 }
}

/// Linux counts it; elsewhere it is 0.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// A payment mix: intents, and the outcomes of those that went a batch before.
fn batch(first: u64, size: u64) -> Vec<Entry> {
    let record = |n: u64| match (n % 2, (n / 2).checked_sub(size)) {
        (1, _) => payment(n / 2 + 1),
        (_, Some(txn)) if txn > 0 => approved(txn),
        (..) => notice(n),
    };
    numbered(first, (first..first + size).map(record))
}

fn raw(place: &Sqlite, batch: u64, rows: u64, bytes: usize) -> Rate {
    let path = place.path().with_extension("raw");
    let mut connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.execute("CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB)", []).unwrap();
    let body = vec![7_u8; bytes];
    timed(rows, || {
        let mut id = 0_u64;
        while id < rows {
            let tx = connection.transaction().unwrap();
            {
                let mut insert = tx.prepare_cached("INSERT INTO raw VALUES (?1, ?2)").unwrap();
                for _ in 0..batch {
                    id += 1;
                    insert.execute(params![id, body]).unwrap();
                }
            }
            tx.commit().unwrap();
        }
    })
}

/// Measurements take a minute and a quiet machine, so they are made only when asked for.
fn is_wanted(name: &str) -> bool {
    let is_wanted = std::env::var_os("VEKSEL_MEASURE").is_some();
    if !is_wanted {
        println!("!!! SKIPPED: {name} is a measurement; VEKSEL_MEASURE=1 makes it");
    }
    is_wanted
}

#[test]
fn append_beside_raw_insert() {
    if !is_wanted("append_beside_raw_insert") {
        return;
    }
    for size in [1, 32, 128, 512, 4_096] {
        let rows = (size * 300).clamp(3_000, 400_000) / size * size;
        let mut runs: Vec<(Rate, Rate)> = (0..5)
            .map(|_| {
                let place = Sqlite::new();
                let mut store = place.store();
                let batches: Vec<_> = (0..rows / size).map(|i| batch(i * size + 1, size)).collect();
                let ours = timed(rows, || {
                    for batch in &batches {
                        assert_eq!(store.append(batch).unwrap(), []);
                    }
                });
                (ours, raw(&place, size, rows, 256))
            })
            .collect();
        let ratio = |(ours, raw): &(Rate, Rate)| ours.per_second / raw.per_second;
        runs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let (ours, raw) = runs[2];
        println!(
            "batch {size}: {:.0} rows/s, {:.0} ns CPU; raw {:.0}, {:.0}; ratio {:.2}, CPU {:.2}",
            ours.per_second,
            ours.cpu,
            raw.per_second,
            raw.cpu,
            ratio(&runs[2]),
            ours.cpu / raw.cpu,
        );
    }
}

#[test]
fn restart_with_a_million_records() {
    if !is_wanted("restart_with_a_million_records") {
        return;
    }
    let place = Sqlite::new();
    let mut store = place.store();
    let mut id = 1;
    let rate = timed(1_000_000, || {
        while id <= 1_000_000 {
            let txn = id / 2 + 1;
            let batch = numbered(id, payments(txn..txn + 2_000));
            store.append(&batch).unwrap();
            id += 4_000;
        }
    });
    // A thousand of them unfinished, spread over the history's end.
    for n in 0..1_000 {
        let open = Intent { txn: TxnId(2_000_000 + n), ..intent(2_000_000 + n) };
        let batch = numbered(id, [Record::Intent(Arc::new(open)), queued(n * 500 + 1)]);
        store.append(&batch).unwrap();
        id += 2;
    }
    let size = std::fs::metadata(place.path()).unwrap().len();
    drop(store);
    let started = Instant::now();
    let mut store = place.store();
    let recovered = store.open().unwrap();
    let elapsed = started.elapsed();
    println!(
        "{:.0} rows/s into {} MiB; {} records of what is open in {elapsed:?}",
        rate.per_second,
        size >> 20,
        recovered.records.len()
    );
    assert!(elapsed < Duration::from_secs(2));
    let started = Instant::now();
    store.page(RecordId(500_000), 10_000).unwrap();
    println!("a page of 10,000 in {:?}", started.elapsed());
    let started = Instant::now();
    let report = SqliteReader::open(&place.path(), keys()).unwrap().verify(&[]).unwrap();
    println!(
        "{} records and {} anchors verified in {:?}",
        report.records,
        report.anchors,
        started.elapsed()
    );
    assert!(report.is_intact());
}
