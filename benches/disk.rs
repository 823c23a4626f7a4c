//! What the disk gives to anybody: rows per second of the same records in the same batches, by
//! the store, by bare `SQLite` with one table, and by appending to a file.
//!
//! All three make every batch durable before the next. One batch is one commit or one flush.

use crate::Failure;
use rusqlite::Connection;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::record::{
    DuplicateKey, Intent, Outcome, Reason, Record, RecordId, TxnId, Verdict,
};
use veksel_core::time::Utc;
use veksel_store::keys::Sealer;
use veksel_store::{Entry, Keys, SqliteStore, Store, bytes};

/// Who writes.
pub struct Disk {
    store: SqliteStore,
    last: u64,
    raw: Connection,
    rows: u64,
    file: File,
    end: u64,
    sizes: [usize; 2],
    /// Bytes of the two rows of a payment as the store keeps them.
    row_sizes: [usize; 2],
}

impl Disk {
    /// Three empty journals in a folder.
    ///
    /// # Errors
    /// The disk.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let keys = Arc::new(Keys::new(&[7; 32])?);
        let mut sealer = Sealer::new(Arc::clone(&keys));
        let mut sizes = [0; 2];
        for (size, (id, record)) in sizes.iter_mut().zip(payment(1)) {
            let mut body = Vec::new();
            bytes::encode(id, &record, &mut sealer, &mut body)?;
            *size = body.len();
        }
        let raw = Connection::open(folder.join("raw.db"))?;
        raw.pragma_update(None, "journal_mode", "wal")?;
        raw.pragma_update(None, "synchronous", "full")?;
        raw.pragma_update(None, "wal_autocheckpoint", 4_096)?;
        raw.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, body BLOB)", [])?;
        let file = OpenOptions::new().create_new(true).write(true).open(folder.join("raw.log"))?;
        let path = folder.join("store.db");
        let mut store = SqliteStore::open(&path, keys)?;
        let warm = WARM / 2;
        for first in (0..warm).step_by(256) {
            let records: Vec<Entry> = (first..first + 256).flat_map(|n| payment(n + 1)).collect();
            store.append(&records)?;
        }
        let row_sizes = row_sizes(&Connection::open(&path)?, sizes)?;
        Ok(Self { store, last: WARM, raw, rows: 0, file, end: 0, sizes, row_sizes })
    }

    /// Bytes of the two records of a payment.
    #[must_use]
    pub const fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    /// Bytes of the two rows, each with what the store keeps beside the record itself.
    #[must_use]
    pub const fn row_sizes(&self) -> [usize; 2] {
        self.row_sizes
    }

    /// Rows per second of the store.
    ///
    /// # Errors
    /// The disk.
    pub fn store(&mut self, batch: u64, length: Duration) -> Result<f64, Failure> {
        // Made outside of what is measured: the engine pays for it, not the store.
        let mut spent = Duration::ZERO;
        let mut rows = 0;
        while spent < length {
            let first = self.last / 2;
            let records: Vec<Entry> =
                (first..first + batch / 2).flat_map(|n| payment(n + 1)).collect();
            self.last += records.len() as u64;
            rows += records.len();
            let begun = Instant::now();
            self.store.append(&records)?;
            spent += begun.elapsed();
        }
        Ok(rows as f64 / spent.as_secs_f64())
    }

    /// Rows per second of a table with nothing but numbers and bodies, of the size that the
    /// store's rows have.
    ///
    /// # Errors
    /// The disk.
    pub fn raw(&mut self, batch: u64, length: Duration) -> Result<f64, Failure> {
        let bodies = self.row_sizes.map(|size| vec![7u8; size]);
        let (begun, before) = (Instant::now(), self.rows);
        while begun.elapsed() < length {
            let tx = self.raw.transaction()?;
            {
                let mut insert = tx.prepare("INSERT INTO records (id, body) VALUES (?1, ?2)")?;
                for _ in 0..batch {
                    self.rows += 1;
                    insert.execute((self.rows.cast_signed(), &bodies[self.rows as usize % 2]))?;
                }
            }
            tx.commit()?;
        }
        Ok((self.rows - before) as f64 / begun.elapsed().as_secs_f64())
    }

    /// Rows per second of a growing file, a write and a flush a batch.
    ///
    /// # Errors
    /// The disk.
    pub fn file(&mut self, batch: u64, length: Duration) -> Result<f64, Failure> {
        let bytes = vec![7u8; batch as usize * self.row_sizes.iter().sum::<usize>() / 2];
        let (begun, mut rows) = (Instant::now(), 0);
        while begun.elapsed() < length {
            self.file.write_all_at(&bytes, self.end)?;
            self.end += bytes.len() as u64;
            self.file.sync_data()?;
            rows += batch;
        }
        Ok(rows as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Records in the store before anything is measured.
const WARM: u64 = 5_120;

/// The bytes a row of each kind takes, by how many pages they fill. The columns of an outcome are
/// few and its chain value is as long as an intent's, so what is not body is shared by weight.
fn row_sizes(connection: &Connection, sizes: [usize; 2]) -> Result<[usize; 2], Failure> {
    let payload: u64 = connection.query_row(
        "SELECT sum(payload) FROM dbstat WHERE name = 'records' AND pagetype = 'leaf'",
        [],
        |row| row.get(0),
    )?;
    let pair = usize::try_from(payload / (WARM / 2))?;
    let [intent, outcome] = sizes;
    let whole = intent + outcome;
    Ok([pair * intent / whole, pair * outcome / whole])
}

/// The two records of a payment, as the engine makes them of the benchmark's transfers.
fn payment(number: u64) -> [Entry; 2] {
    let (txn, utc) = (TxnId(number), Utc(1_795_184_887_000 + number));
    let stan = u32::try_from(number % 1_000_000).unwrap_or(0);
    let intent = Intent {
        txn,
        utc,
        key: DuplicateKey {
            participant: "channels".into(),
            class: b'2',
            transmission: "1120142807".into(),
            stan,
            acquirer: "500001".into(),
            rrn: format!("{number:012}"),
            terminal: "ATM00017".into(),
            acceptor: "MERCHANT0000017".into(),
        },
        digest: [7; 32],
        link: "channels".into(),
        route: "everything".into(),
        group: "cbs".into(),
        mti: Mti::known(b"0200"),
        code: "401020".into(),
        amount: 10_000,
        currency: 578,
        host_stan: stan,
        local_time: "152807".into(),
        local_date: "1120".into(),
        forwarder: String::new(),
        pan: None,
        account: "10000000001".into(),
        counter_account: "10000000002".into(),
        original: String::new(),
        carried: Vec::new(),
        caller_key: None,
    };
    let outcome = Outcome {
        txn,
        utc,
        verdict: Verdict::Answered,
        response: ResponseCode::APPROVED,
        reason: Reason::Host,
        answer: vec![(4, "000000010000".into()), (39, "00".into())],
    };
    [
        (RecordId(number * 2 - 1), Record::Intent(Arc::new(intent))),
        (RecordId(number * 2), Record::Outcome(Box::new(outcome))),
    ]
}
