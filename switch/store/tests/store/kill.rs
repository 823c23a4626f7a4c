//! A process that dies by SIGKILL in the middle of appending loses nothing it acknowledged.
//!
//! The child is this test program, told by its environment to append through a committer and to
//! print each acknowledgement. This proves the order of commit and acknowledgement and that a
//! torn WAL is mended; it cannot prove the flush itself, because the kernel's pages survive.

use crate::contract::Sqlite;
use crate::sample::*;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use veksel_core::record::{Record, RecordId};
use veksel_store::{Committer, Done, SqliteStore, Store, TrySend};

const CHILD: &str = "VEKSEL_STORE_CHILD";
const ROUNDS: u64 = 20;

/// What record `n` is: payments in turn, every tenth without an answer.
fn record(n: u64) -> Record {
    let txn = n.div_ceil(2);
    match n % 2 {
        1 => payment(txn),
        _ if txn.is_multiple_of(10) => notice(txn),
        _ => approved(txn),
    }
}

#[test]
fn child_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut store = SqliteStore::open(&path, keys()).unwrap();
    let mut next = store.open().unwrap().last.0 + 1;
    let committer = Committer::spawn(Box::new(store), 64, |done| match done {
        Done::Committed { upto, refused } => {
            assert_eq!(refused, []);
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {}", upto.0).unwrap();
            out.flush().unwrap();
        }
        other => panic!("{other:?}"),
    })
    .unwrap();
    loop {
        let mut batch = numbered(next, (next..next + 7).map(record));
        next += 7;
        while let Err(TrySend::Full(back)) = committer.try_send(batch) {
            batch = back;
            std::thread::yield_now();
        }
    }
}

#[test]
fn kill_loses_nothing_that_was_acknowledged() {
    let place = Sqlite::new();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_appends_until_it_is_killed", "--nocapture"])
            .env(CHILD, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        // Rounds of different length meet different moments; some end in a checkpoint.
        while heard < 1 + round * 5 {
            let line = lines.next().expect("the child ended by itself").unwrap();
            if let Some((_, upto)) = line.split_once("acknowledged ") {
                acknowledged = upto.parse().unwrap();
                heard += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died, and nobody read in time, counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(upto) = line.strip_prefix("acknowledged ")
                && let Ok(upto) = upto.parse()
            {
                acknowledged = upto;
            }
        }
        check(&mut place.store(), acknowledged);
    }
}

fn check(store: &mut SqliteStore, acknowledged: u64) {
    use veksel_store::Journal;
    let recovered = store.open().unwrap();
    assert!(recovered.last.0 >= acknowledged, "{} < {acknowledged}", recovered.last.0);
    let mut next = 1;
    loop {
        let page = store.page(RecordId(next - 1), 10_000).unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            assert_eq!(entry, (RecordId(next), record(next)));
            next += 1;
        }
    }
    assert_eq!(next - 1, recovered.last.0, "the journal ends elsewhere than it says");
    let open = recovered.records.iter().filter(|(id, _)| id.0.is_multiple_of(2)).count();
    assert_eq!(open, 0, "only intents are open");
}
