//! The hash chain: whatever is done to a journal shows, and what does not is stated.

use crate::contract::Sqlite;
use crate::sample::*;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veksel_core::record::*;
use veksel_core::time::Utc;
use veksel_store::*;

fn anchors_of(place: &Sqlite) -> PathBuf {
    place.path().with_extension("db.anchors")
}

/// A journal of these records, closed in good order.
fn closed(records: impl IntoIterator<Item = Record>) -> Sqlite {
    let place = Sqlite::new();
    let mut store = place.store();
    store.append(&numbered(1, records)).unwrap();
    store.close().unwrap();
    place
}

fn sql(place: &Sqlite, sql: &str) -> usize {
    Connection::open(place.path()).unwrap().execute(sql, []).unwrap()
}

fn report(place: &Sqlite) -> Report {
    SqliteReader::open(&place.path(), keys()).unwrap().verify(&[]).unwrap()
}

fn report_with(place: &Sqlite, copy: &Path) -> Report {
    let copy = read_anchors(copy).unwrap();
    SqliteReader::open(&place.path(), keys()).unwrap().verify(&copy).unwrap()
}

/// What a check finds, as text.
fn found(place: &Sqlite) -> Vec<String> {
    report(place).findings.iter().map(ToString::to_string).collect()
}

/// A copy of the closed journal to do things to.
fn copy_of(place: &Sqlite) -> Sqlite {
    let copy = Sqlite::new();
    for (from, to) in [(place.path(), copy.path()), (anchors_of(place), anchors_of(&copy))] {
        std::fs::copy(from, to).unwrap();
    }
    copy
}

/// Makes the chain anew from this record on, as somebody would who knows how it is made but has
/// no key: written here a second time, so that it is fixed what a chain value is.
fn chain_anew(place: &Sqlite, from: u64) {
    use aws_lc_rs::digest::{SHA256, digest};
    let mut connection = Connection::open(place.path()).unwrap();
    let tx = connection.transaction().unwrap();
    let before = "SELECT chain FROM records WHERE id < ?1 ORDER BY id DESC LIMIT 1";
    let mut chain: Vec<u8> = tx.query_row(before, [from], |row| row.get(0)).unwrap_or(vec![0; 32]);
    let rows: Vec<(u64, Vec<u8>)> = tx
        .prepare("SELECT id, body FROM records WHERE id >= ?1 ORDER BY id")
        .unwrap()
        .query_map([from], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (id, body) in rows {
        let text = [chain.as_slice(), &id.to_be_bytes(), &body].concat();
        chain = digest(&SHA256, &text).as_ref().to_vec();
        tx.execute("UPDATE records SET chain = ?2 WHERE id = ?1", params![id, chain]).unwrap();
    }
    tx.execute("UPDATE marks SET chain = ?1 WHERE name = 'record'", [chain]).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_journal_as_it_was_written_is_intact() {
    let place = Sqlite::new();
    let mut store = place.store();
    assert!(report(&place).is_intact());
    // With refused records, which leave gaps.
    let again = Record::Intent(Arc::new(Intent { txn: TxnId(2), ..intent(1) }));
    let batch = [payment(1), again.clone(), approved(1), again.clone(), notice(1), again];
    assert_eq!(store.append(&numbered(1, batch)).unwrap().len(), 3);
    let seen = report(&place);
    assert_eq!((seen.records, seen.anchors, seen.unsigned, seen.last), (3, 1, 0, RecordId(6)));
    // In many batches, reopened in between.
    let mut next = 7;
    for round in 0..6 {
        let txn = 100 + round * 300;
        store.append(&numbered(next, payments(txn..txn + 300))).unwrap();
        next += 600;
        if round % 2 == 0 {
            drop(store);
            store = place.store();
        }
    }
    let seen = report(&place);
    assert!(seen.is_intact(), "{seen:?}");
    assert_eq!((seen.records, seen.unsigned), (3_603, 600), "{seen:?}");
    store.close().unwrap();
    store.close().unwrap();
    let seen = report(&place);
    assert_eq!((seen.anchors, seen.unsigned, seen.last), (5, 0, RecordId(3_606)));
    // The file says the same, and goes on saying it after a restart.
    let lines = read_anchors(&anchors_of(&place)).unwrap();
    assert_eq!((lines.len(), lines.last().copied()), (5, seen.anchor));
    drop(store);
    place.store();
    assert_eq!(report_with(&place, &anchors_of(&place)), seen);
}

#[test]
fn anchors_come_with_records_and_with_time() {
    let place = Sqlite::new();
    let mut store = place.store();
    let at = |n: u64| notice(n * 1_000);
    let anchored = || {
        let anchors = read_anchors(&anchors_of(&place)).unwrap();
        anchors.iter().map(|anchor| anchor.record.0).collect::<Vec<_>>()
    };
    store.append(&numbered(1, [at(0)])).unwrap();
    store.append(&numbered(2, [at(59)])).unwrap();
    assert_eq!(anchored(), [1]);
    store.append(&numbered(3, [at(60), at(61)])).unwrap();
    assert_eq!(anchored(), [1, 4]);
    // A clock that is set back counts like one that went on.
    store.append(&numbered(5, [at(1)])).unwrap();
    assert_eq!(anchored(), [1, 4, 5]);
    // In the middle of a batch if need be: nowhere more than a thousand without one.
    store.append(&numbered(6, (0..2_500).map(|_| at(2)))).unwrap();
    assert_eq!(anchored(), [1, 4, 5, 1_005, 2_005]);
    assert_eq!(report(&place).unsigned, 500);
}

#[test]
fn every_changed_byte_shows() {
    let place = closed(every().into_iter().map(|(_, record)| record));
    let connection = Connection::open(place.path()).unwrap();
    let bodies: Vec<(u64, Vec<u8>)> = connection
        .prepare("SELECT id, body FROM records ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    let reader = SqliteReader::open(&place.path(), keys()).unwrap();
    let put = |id: u64, body: &[u8]| {
        let sql = "UPDATE records SET body = ?2 WHERE id = ?1";
        connection.execute(sql, params![id, body]).unwrap();
    };
    let mut changes = 0;
    for (id, body) in &bodies {
        for place in 0..body.len() {
            let mut other = body.clone();
            other[place] ^= 1 << (place % 8);
            put(*id, &other);
            let report = reader.verify(&[]).unwrap();
            let finding = Finding { record: RecordId(*id), what: Break::Changed };
            assert_eq!((report.found, report.findings), (1, vec![finding]), "byte {place}");
            changes += 1;
        }
        put(*id, body);
    }
    assert!(changes > 1_000, "only {changes} bytes");
    assert!(report(&place).is_intact());
}

#[test]
fn every_removed_record_shows() {
    let place = closed(payments(1..11));
    for id in 1..=20 {
        let copy = copy_of(&place);
        assert_eq!(sql(&copy, &format!("DELETE FROM records WHERE id = {id}")), 1);
        let report = report(&copy);
        // After the last one stands an anchor.
        let word = if id == 20 { "anchored_missing" } else { "missing" };
        let first = report.findings.first().map(|first| (first.record.0, first.what.word()));
        assert_eq!(first, Some((id, word)), "{report:?}");
        // The chain made anew hides it from a look at the chain, and not from the anchor.
        chain_anew(&copy, 1);
        assert!(!self::report(&copy).is_intact(), "{id}");
    }
}

#[test]
fn every_exchange_of_neighbours_shows() {
    let place = closed(payments(1..6));
    for id in 1..10 {
        let next = id + 1;
        let finding =
            Finding { record: RecordId(id), what: Break::Reordered { with: RecordId(next) } };
        // The bodies alone, and the rows with all that is in them.
        let bodies = copy_of(&place);
        let connection = Connection::open(bodies.path()).unwrap();
        let body = |id: u64| -> Vec<u8> {
            let sql = "SELECT body FROM records WHERE id = ?1";
            connection.query_row(sql, [id], |row| row.get(0)).unwrap()
        };
        for (id, body) in [(id, body(next)), (next, body(id))] {
            let sql = "UPDATE records SET body = ?2 WHERE id = ?1";
            connection.execute(sql, params![id, body]).unwrap();
        }
        let rows = copy_of(&place);
        for (from, to) in [(id, 0), (next, id), (0, next)] {
            sql(&rows, &format!("UPDATE records SET id = {to} WHERE id = {from}"));
        }
        for copy in [bodies, rows] {
            let report = report(&copy);
            assert_eq!(report.findings.first(), Some(&finding), "{report:?}");
        }
    }
}

#[test]
fn a_chain_made_anew_does_not_fit_the_anchors() {
    let place = closed(payments(1..1_501));
    let copy = copy_of(&place);
    sql(
        &copy,
        "UPDATE records SET body = (SELECT body FROM records WHERE id = 1500)
        WHERE id = 1600",
    );
    chain_anew(&copy, 1_600);
    let text = "record 1001 or one of those after it, up to 2000, was changed and the chain made \
                anew: the anchor there does not fit";
    assert_eq!(found(&copy)[0], text);
    // Without the anchors that are in the way too many records have none.
    sql(&copy, "DELETE FROM anchors WHERE id > 1000");
    let text = "from record 1001 on more than 1000 records have no anchor: anchors are missing";
    assert_eq!(found(&copy), [text]);
    // Anchors cannot be made without the key.
    sql(
        &copy,
        "INSERT INTO anchors SELECT id, utc, chain, zeroblob(64) FROM records
        WHERE id IN (2000, 3000)",
    );
    let text = "the anchor after record 2000 is not signed with this key file";
    assert!(found(&copy).contains(&text.to_owned()));
    // A copy of the anchors from before tells it in any case.
    sql(&copy, "DELETE FROM anchors WHERE id > 1000");
    sql(&copy, "DELETE FROM records WHERE id > 1900");
    sql(&copy, "UPDATE marks SET value = 1900 WHERE name = 'record'");
    chain_anew(&copy, 1_600);
    assert_eq!(found(&copy), [""; 0]);
    assert_eq!(report(&copy).unsigned, 900);
    let outside = report_with(&copy, &anchors_of(&place));
    let what = Break::Anchored;
    assert_eq!(outside.findings[0], Finding { record: RecordId(2_000), what });
}

/// What is not detected, so that nobody believes it is: the tail after the last anchor.
#[test]
fn a_tail_without_an_anchor_can_be_cut_off() {
    let place = Sqlite::new();
    let mut store = place.store();
    store.append(&numbered(1, payments(1..601))).unwrap();
    drop(store);
    assert_eq!(report(&place).unsigned, 200);
    // Cut, but its end is noted: this shows.
    sql(&place, "DELETE FROM records WHERE id > 1100");
    assert_eq!(found(&place), ["the journal ends with record 1100, but notes another end"]);
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(error.to_string().contains("notes another end"), "{error}");
    // With the note changed too, it does not.
    sql(&place, "UPDATE marks SET value = 1100 WHERE name = 'record'");
    chain_anew(&place, 1_100);
    assert_eq!(found(&place), [""; 0]);
    // Up to the anchor and no further.
    sql(&place, "DELETE FROM records WHERE id > 999");
    sql(&place, "UPDATE marks SET value = 999 WHERE name = 'record'");
    chain_anew(&place, 999);
    assert_eq!(found(&place), ["record 1000 is missing: an anchor knows it"]);
    sql(&place, "DELETE FROM anchors");
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(matches!(error, StoreError::Cut { anchor: RecordId(1_000), .. }), "{error}");
}

fn trimmed(place: &Sqlite, before: u64) -> u64 {
    let mut store = place.store();
    let mut removed = 0;
    loop {
        let trimmed = store.trim(Utc(NOON + before), 64).unwrap();
        removed += trimmed.removed;
        if !trimmed.more {
            return removed;
        }
    }
}

#[test]
fn trimming_keeps_the_chain() {
    let place = Sqlite::new();
    let mut store = place.store();
    let open = [payment(1), notice(2), payment(3), approved(3), payment(4), approved(4), queued(4)];
    let taken = Record::Intent(Arc::new(Intent { txn: TxnId(5), ..intent(3) }));
    store.append(&numbered(1, open)).unwrap();
    assert_eq!(store.append(&numbered(8, [taken])).unwrap().len(), 1);
    store.append(&numbered(9, payments(100..1_600))).unwrap();
    store.append(&numbered(3_009, [approved(1), notice(100_000), settled(4)])).unwrap();
    store.close().unwrap();
    drop(store);
    let copy = anchors_of(&place).with_extension("copy");
    std::fs::copy(anchors_of(&place), &copy).unwrap();
    let whole = report(&place);
    assert_eq!((whole.records, whole.gaps), (3_010, 0), "{whole:?}");
    // The old ones go in many rounds; transactions 1 and 4 are finished, but late.
    assert!(trimmed(&place, 900) > 1_000);
    let part = report_with(&place, &copy);
    assert!(part.is_intact(), "{part:?}");
    assert!(part.gaps > 0 && part.skipped > 0 && part.records < whole.records, "{part:?}");
    assert!(part.gaps <= 4, "gaps grow together: {part:?}");
    // Everything goes on, and at last all goes but the youngest.
    let mut store = place.store();
    store.append(&numbered(3_012, payments(2_000..2_600))).unwrap();
    store.close().unwrap();
    drop(store);
    trimmed(&place, 10_000);
    let rest = report_with(&place, &copy);
    assert!(rest.is_intact() && (rest.records, rest.gaps) == (1, 2), "{rest:?}");
    trimmed(&place, 1_000_000);
    let none = report_with(&place, &copy);
    assert!(none.is_intact() && (none.records, none.gaps) == (0, 1), "{none:?}");
    // And a journal that was emptied can be opened and written.
    place.store().append(&numbered(4_212, [notice(9)])).unwrap();
    assert!(report(&place).is_intact());
}

#[test]
fn trimming_cannot_be_made_up_and_hides_nothing() {
    let place = closed(payments(1..1_001));
    // Removed with a made-up note, or beside a real one.
    let made_up = copy_of(&place);
    sql(
        &made_up,
        "INSERT INTO trimmed SELECT 5, 6, (SELECT chain FROM records WHERE id = 4),
        (SELECT chain FROM records WHERE id = 6), zeroblob(64)",
    );
    sql(&made_up, "DELETE FROM records WHERE id IN (5, 6)");
    assert_eq!(found(&made_up), ["that record 5 was trimmed is not signed with this key file"]);
    let beside = copy_of(&place);
    assert_eq!(trimmed(&beside, 500 + 40), 1_000 - 2);
    assert!(report(&beside).is_intact());
    sql(&beside, "DELETE FROM records WHERE id = 999");
    assert_eq!(found(&beside).len(), 1, "{:?}", found(&beside));
    sql(&beside, "DELETE FROM trimmed");
    assert!(found(&beside)[0].starts_with("record 1 is missing"), "{:?}", found(&beside));
    // What was changed is not trimmed away, whether the chain was made anew or not.
    for anew in [false, true] {
        let changed = copy_of(&place);
        sql(
            &changed,
            "UPDATE records SET body = (SELECT body FROM records WHERE id = 9)
            WHERE id = 7",
        );
        if anew {
            chain_anew(&changed, 7);
        }
        // By a store that was open already: opening would refuse.
        let before = report(&changed).found;
        let mut store = place.store();
        drop(store);
        let trimming = || SqliteStore::open(&changed.path(), keys()).err().unwrap();
        assert!(matches!(trimming(), StoreError::Broken(_)));
        std::fs::rename(place.path(), place.path().with_extension("kept")).unwrap();
        std::fs::copy(place.path().with_extension("kept"), place.path()).unwrap();
        store = place.store();
        sql(
            &place,
            "UPDATE records SET body = (SELECT body FROM records WHERE id = 9)
            WHERE id = 7",
        );
        if anew {
            chain_anew(&place, 7);
        }
        assert_eq!(store.trim(Utc(u64::MAX / 2), 1_500).unwrap(), Trimmed::default());
        drop(store);
        assert_eq!((report(&place).found, report(&place).records), (before, 2_000));
        std::fs::rename(place.path().with_extension("kept"), place.path()).unwrap();
    }
}

#[test]
fn a_damaged_journal_does_not_start_and_names_the_record() {
    let place = closed(payments(1..3_001));
    let expect = |copy: &Sqlite, text: &str| {
        let error = SqliteStore::open(&copy.path(), keys()).err().unwrap();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.is_fatal() && error.fault() != Fault::Switch, "{error}");
    };
    // A digit of an amount or a name: still a record, but not the one that was stored.
    let copy = copy_of(&place);
    sql(
        &copy,
        "UPDATE records SET body = CAST(replace(hex(body), 'x', 'x') AS BLOB)
        WHERE id = 5999",
    );
    expect(&copy, "record 5999 is damaged: ");
    let copy = copy_of(&place);
    sql(
        &copy,
        "UPDATE records SET body = (SELECT body FROM records WHERE id = 5996)
        WHERE id = 5998",
    );
    expect(&copy, "record 5998 was changed");
    let copy = copy_of(&place);
    sql(&copy, "DELETE FROM records WHERE id BETWEEN 4001 AND 4003");
    expect(&copy, "record 4001 is missing, or record 4004 after it was changed");
    let copy = copy_of(&place);
    sql(&copy, "UPDATE anchors SET utc = utc + 1 WHERE id = 6000");
    std::fs::remove_file(anchors_of(&copy)).unwrap();
    expect(&copy, "the anchor after record 6000 is not signed with this key file");
    let copy = copy_of(&place);
    sql(&copy, "DELETE FROM anchors WHERE id > 3000");
    std::fs::remove_file(anchors_of(&copy)).unwrap();
    expect(&copy, "from record 3001 on more than 1000 records have no anchor");
    let copy = copy_of(&place);
    sql(&copy, "UPDATE marks SET chain = NULL WHERE name = 'record'");
    expect(&copy, "notes another end");
}

#[test]
fn an_old_record_that_is_loaded_is_checked() {
    let place = Sqlite::new();
    let mut store = place.store();
    store.append(&numbered(1, payments(1..11))).unwrap();
    store.append(&numbered(21, [payment(20), queued(20)])).unwrap();
    store.append(&numbered(23, payments(30..9_030))).unwrap();
    drop(store);
    let damage = "UPDATE records SET body = (SELECT body FROM records WHERE id = 1) WHERE id = ";
    // One that nobody asks for is left to a full check.
    let copy = copy_of(&place);
    sql(&copy, &format!("{damage} 5"));
    assert_eq!(copy.store().open().unwrap().records.len(), 2);
    assert_eq!(found(&copy), ["record 5 was changed"]);
    // One of a transaction that is open is not.
    sql(&copy, &format!("{damage} 21"));
    let error = copy.store().open().unwrap_err();
    assert!(matches!(error, StoreError::Broken(Finding { record: RecordId(21), .. })), "{error}");
}

/// Bytes of the file itself, as a disk would change them.
#[test]
fn a_damaged_file_does_not_start() {
    let place = closed(payments(1..501));
    let whole = std::fs::read(place.path()).unwrap();
    let body: Vec<u8> = Connection::open(place.path())
        .unwrap()
        .query_row("SELECT body FROM records WHERE id = 500", [], |row| row.get(0))
        .unwrap();
    let at = whole.windows(body.len()).position(|part| part == body).unwrap();
    for bit in [0, 100, 8 * body.len() - 1] {
        let copy = copy_of(&place);
        let mut bytes = whole.clone();
        bytes[at + bit / 8] ^= 1 << (bit % 8);
        std::fs::write(copy.path(), bytes).unwrap();
        let error = SqliteStore::open(&copy.path(), keys()).err().unwrap().to_string();
        assert!(error.contains("record 500 "), "{error}");
    }
    // A page of records overwritten: the last that could be read is named.
    let page = at / 4_096 * 4_096;
    let copy = copy_of(&place);
    let mut bytes = whole;
    bytes[page..page + 4_096].fill(0xa5);
    std::fs::write(copy.path(), bytes).unwrap();
    let error = SqliteStore::open(&copy.path(), keys()).err().unwrap();
    let StoreError::Unreadable { after, .. } = &error else { panic!("{error}") };
    assert!((480..500).contains(&after.0), "{error}");
    let reader = SqliteReader::open(&copy.path(), keys()).unwrap();
    assert!(matches!(reader.verify(&[]), Err(StoreError::Unreadable { .. })));
}

#[test]
fn a_journal_without_a_chain_gets_one_once() {
    let place = closed(payments(1..1_201));
    let whole = report(&place);
    for change in
        ["UPDATE records SET chain = NULL", "UPDATE marks SET chain = NULL", "DELETE FROM anchors"]
    {
        sql(&place, change);
    }
    // A chain that was there is not made anew: the file remembers.
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(matches!(error, StoreError::Broken(_)), "{error}");
    std::fs::remove_file(anchors_of(&place)).unwrap();
    drop(place.store());
    let again = report(&place);
    assert!(again.is_intact() && again.unsigned == 0, "{again:?}");
    assert_eq!((again.records, again.anchor), (whole.records, whole.anchor));
}

#[test]
fn the_anchors_file_follows_the_journal() {
    let place = closed(payments(1..1_501));
    let path = anchors_of(&place);
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 3);
    // Cut short anywhere by a loss of power, or gone: a start completes it.
    for cut in [0, 1, 200, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        drop(place.store());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
    }
    std::fs::remove_file(&path).unwrap();
    drop(place.store());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    // It is nobody's who reads it at the moment of writing.
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(read_anchors(&path).unwrap().len(), 2);
    // Of another journal, or no anchors at all.
    for (text, says) in [
        (
            whole.replacen("1000 ", "9000 ", 1).lines().next().unwrap().to_owned() + "\n",
            "an anchor",
        ),
        ("hello\n".to_owned(), "the last line of "),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.fault(), Fault::Operator);
    }
    assert!(matches!(read_anchors(&path), Err(StoreError::Anchors { line: Some(1), .. })));
}

#[test]
fn a_check_runs_beside_a_running_store() {
    let place = Sqlite::new();
    let mut store = place.store();
    store.append(&numbered(1, payments(1..100))).unwrap();
    let path = place.path();
    let checking = std::thread::spawn(move || {
        let reader = SqliteReader::open(&path, keys()).unwrap();
        let mut records = 0;
        while records < 3_000 {
            let report = reader.verify(&[]).unwrap();
            assert!(report.is_intact(), "{report:?}");
            records = report.records;
        }
    });
    for round in 0..150 {
        let txn = 1_000 + round * 10;
        store.append(&numbered(199 + round * 20, payments(txn..txn + 10))).unwrap();
    }
    checking.join().unwrap();
}

#[test]
fn another_key_file_reads_nothing() {
    let place = closed([notice(1)]);
    let other = Arc::new(Keys::new(&[9; 32]).unwrap());
    assert!(matches!(SqliteReader::open(&place.path(), other), Err(StoreError::Key { .. })));
}
