//! What is particular to `SQLite`: one owner, the views, damage, and what the file gives away.

use crate::contract::Sqlite;
use crate::sample::*;
use rusqlite::Connection;
use std::sync::Arc;
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::fact::*;
use veksel_core::record::*;
use veksel_core::time::Utc;
use veksel_store::*;

fn fill(place: &Sqlite, records: impl IntoIterator<Item = Record>) {
    assert_eq!(place.store().append(&numbered(1, records)).unwrap(), []);
}

/// The rows of a query, columns joined by `|`, as the `sqlite3` shell shows them.
fn query(place: &Sqlite, sql: &str) -> Vec<String> {
    let connection = Connection::open(place.path()).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let width = select.column_count();
    let rows = select.query_map([], |row| {
        let cells = (0..width).map(|i| {
            Ok(match row.get_ref(i)? {
                rusqlite::types::ValueRef::Null => String::new(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap().to_owned(),
            })
        });
        cells.collect::<rusqlite::Result<Vec<_>>>().map(|cells| cells.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_second_owner_is_refused_until_the_first_is_gone() {
    let place = Sqlite::new();
    let first = place.store();
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.is_retryable() && error.fault() == Fault::Operator);
    assert!(error.to_string().contains("another running process"), "{error}");
    drop(first);
    place.store();
}

/// Columns say the same however many records went in together, and the chain holds.
#[test]
fn a_batch_stores_what_its_records_would_alone() {
    let with_card = |n| {
        let pan = Some(CardNumber::new("5555555555554444"));
        Record::Intent(Arc::new(Intent { pan, ..intent(n) }))
    };
    let bare = |n: u64| {
        let key = DuplicateKey { rrn: String::new(), terminal: String::new(), ..key(n) };
        let (code, currency, account) = (String::new(), 0, String::new());
        Record::Intent(Arc::new(Intent { key, code, currency, account, ..intent(n) }))
    };
    // Every place of a statement is filled by every kind in turn, also by one with less in it.
    let record = |n: u64| match (n * 8 + n / 16) % 7 {
        0 => payment(n),
        1 => approved(n),
        2 => inquiry(n),
        3 => with_card(n),
        4 => bare(n),
        5 => keyed(n, u8::try_from(n % 250).unwrap(), 7),
        _ => indefinite(n),
    };
    let taken = |n: u64| match n {
        100 | 131 | 200 => Record::Intent(Arc::new(Intent { txn: TxnId(9_000 + n), ..intent(0) })),
        _ => record(n),
    };
    let batch = numbered(1, (0..300).map(taken));
    let (alone, together) = (Sqlite::new(), Sqlite::new());
    let mut refused = Vec::new();
    let mut store = alone.store();
    for entry in &batch {
        refused.extend(store.append(std::slice::from_ref(entry)).unwrap());
    }
    drop(store);
    assert_eq!(together.store().append(&batch).unwrap(), refused);
    assert_eq!(refused.len(), 3);
    // Names are numbered as they come, which is the same order. A sealed card is never the same.
    let columns = "SELECT id, kind, txn, utc, hex(key), participant, link, route, link_group, mti,
        code, amount, currency, stan, host_stan, rrn, terminal, account, card, card_hash,
        caller_key, verdict, response, reason, step, actor, note, iif(card IS NULL, hex(body), length(body))
        FROM records ORDER BY id";
    let rows = query(&alone, columns);
    assert_eq!((rows.len(), query(&together, columns)), (297, rows));
    for place in [&alone, &together] {
        let report = SqliteReader::open(&place.path(), keys()).unwrap().verify(&[]).unwrap();
        assert!(report.is_intact(), "{report:?}");
        assert_eq!(report.records, 297);
        assert_eq!(query(place, "PRAGMA integrity_check"), ["ok"]);
    }
}

/// A backup of a stopped switch is a copy of one file.
#[test]
fn a_closed_journal_is_whole_in_one_file() {
    let (place, copy) = (Sqlite::new(), Sqlite::new());
    fill(&place, [notice(1)]);
    // SQLite folds the log by itself only when nobody else has the file open.
    let mut store = place.store();
    let _reader = store.reader().unwrap();
    assert_eq!(store.append(&numbered(2, payments(1..101))).unwrap(), []);
    store.close().unwrap();
    drop(store);
    std::fs::copy(place.path(), copy.path()).unwrap();
    assert_eq!(copy.store().page(RecordId(0), 1_000).unwrap().len(), 201);
}

#[cfg(unix)]
#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Sqlite::new();
    let _store = place.store();
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn the_connection_is_durable() {
    let place = Sqlite::new();
    fill(&place, [notice(1)]);
    assert_eq!(query(&place, "PRAGMA journal_mode"), ["wal"]);
    assert_eq!(
        query(&place, "SELECT version FROM refinery_schema_history"),
        ["1", "2", "3", "4", "5", "6"]
    );
}

/// As it is found by the first start after an update.
#[test]
fn a_journal_from_before_callers_were_known_is_gone_on_with() {
    let place = Sqlite::new();
    fill(&place, [payment(1), approved(1), payment(2)]);
    let back = "DROP INDEX records_caller_key;
        ALTER TABLE records DROP COLUMN caller_key;
        DELETE FROM refinery_schema_history WHERE version = 6;";
    Connection::open(place.path()).unwrap().execute_batch(back).unwrap();
    let mut store = place.store();
    let batch = numbered(4, [approved(2), keyed(3, 1, 5), approved(3)]);
    assert_eq!(store.append(&batch).unwrap(), []);
    assert_eq!(store.find(&Lookup::CallerKey([1; 16])).unwrap(), batch[1..]);
    assert_eq!(store.find(&Lookup::Txn(TxnId(1))).unwrap().len(), 2);
    drop(store);
    let report = SqliteReader::open(&place.path(), keys()).unwrap().verify(&[]).unwrap();
    assert!(report.is_intact() && report.records == 6, "{report:?}");
    let states = query(&place, "SELECT txn, state FROM v_transactions ORDER BY txn");
    assert_eq!(states, ["1|approved", "2|approved", "3|approved"]);
}

/// Rows of channels cost it nothing, and nobody reads more than its rows.
#[test]
fn keys_of_callers_have_an_index_of_their_own() {
    let place = Sqlite::new();
    fill(&place, [payment(1), keyed(2, 1, 5), approved(1)]);
    assert_eq!(query(&place, "SELECT id FROM records WHERE caller_key IS NOT NULL"), ["2"]);
    let plan = query(
        &place,
        "EXPLAIN QUERY PLAN SELECT txn FROM records
        WHERE caller_key = 7 ORDER BY id DESC LIMIT 3",
    );
    let plan = plan.concat();
    assert!(plan.contains("records_caller_key") && !plan.contains("TEMP B-TREE"), "{plan}");
}

/// However long the history is: what goes with a transaction is found by its DE37.
#[test]
fn trimming_finds_what_belongs_together_by_an_index() {
    let place = Sqlite::new();
    fill(&place, payments(1..10));
    let sql = "SELECT txn FROM (SELECT txn, kind, participant, account, card FROM records
            WHERE rrn = '632414000005' ORDER BY id DESC LIMIT 256)
        WHERE kind = 1 AND participant IS 1 AND account IS '0001' AND card IS NULL";
    let plan = query(&place, &format!("EXPLAIN QUERY PLAN {sql}")).concat();
    let is_sorted = !plan.contains("TEMP B-TREE");
    assert!(plan.contains("records_rrn") && !plan.contains("SCAN records") && is_sorted, "{plan}");
}

#[test]
fn a_journal_of_a_newer_version_is_refused() {
    let place = Sqlite::new();
    fill(&place, [notice(1)]);
    let newer = "INSERT INTO refinery_schema_history
        SELECT 99, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    Connection::open(place.path()).unwrap().execute(newer, []).unwrap();
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(matches!(error, StoreError::Schema { .. }), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = Sqlite::new();
    std::fs::write(place.path(), "a letter to my bank, long enough to be read\n".repeat(100))
        .unwrap();
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(error.is_fatal(), "{error}");
}

#[test]
fn transactions_read_as_a_table() {
    let place = Sqlite::new();
    let kwd = Intent { amount: 125_500, currency: 414, pan: None, ..intent(2) };
    let jpy = Intent { amount: 1_000_000, currency: 392, ..intent(6) };
    let odd = Intent { amount: 5, currency: 999, mti: Mti::known(b"0100"), ..intent(4) };
    fill(
        &place,
        [
            payment(3),
            approved(3),
            Record::Intent(Arc::new(kwd)),
            outcome(2, Verdict::Answered, ResponseCode::INSUFFICIENT_FUNDS, Reason::Host),
            Record::Intent(Arc::new(jpy)),
            Record::Intent(Arc::new(odd)),
            inquiry(5),
        ],
    );
    let rows = query(&place, "SELECT * FROM v_transactions ORDER BY txn");
    assert_eq!(
        rows,
        [
            "2|2026-11-20T14:28:07.125Z|atm|atm-north|transfers|cbs|0200|400000|125.500|125500|\
             KWD|000002|000003|632414000002|ATM00002|****0001||answered|51|host|declined",
            "3|2026-11-20T14:28:07.126Z|atm|atm-north|transfers|cbs|0200|400000|123.45|12345|\
             NOK|000003|000004|632414000003|ATM00003|****0001|411111******1111|answered|00|host|\
             approved",
            "4|2026-11-20T14:28:07.127Z|atm|atm-north|transfers|cbs|0100|400000|0.05|5|\
             999|000004|000005|632414000004|ATM00004|****0001|||||open",
            "5|2026-11-20T14:28:07.128Z|mobile|mobile|balances||0200|310000||||000077||\
             632414000077|MOB00001|****0002||answered|00|host|approved",
            "6|2026-11-20T14:28:07.129Z|atm|atm-north|transfers|cbs|0200|400000|1000000|1000000|\
             JPY|000006|000007|632414000006|ATM00006|****0001|411111******1111||||open",
        ]
    );
}

#[test]
fn states_follow_the_life_of_a_payment() {
    let place = Sqlite::new();
    let parked = |n| reversal(n, ReversalStep::Parked { response: None });
    let resolved =
        |n| reversal(n, ReversalStep::Resolved { operator: "ida".into(), note: "paid".into() });
    let not_sent =
        outcome(2, Verdict::NotSent, ResponseCode::HOST_UNAVAILABLE, Reason::NoConnection);
    fill(
        &place,
        [
            vec![payment(1)],
            vec![payment(2), not_sent],
            vec![payment(3), indefinite(3)],
            vec![payment(4), indefinite(4), queued(4)],
            vec![payment(5), indefinite(5), queued(5), settled(5)],
            vec![payment(6), indefinite(6), queued(6), parked(6)],
            vec![payment(7), indefinite(7), queued(7), parked(7), resolved(7)],
            vec![payment(8), approved(8), queued(8)],
        ]
        .concat(),
    );
    let rows = query(&place, "SELECT txn, state FROM v_transactions ORDER BY txn");
    assert_eq!(
        rows,
        [
            "1|open",
            "2|not_sent",
            "3|reversing",
            "4|reversing",
            "5|reversed",
            "6|parked",
            "7|resolved",
            "8|reversing",
        ]
    );
}

#[test]
fn reversals_and_audit_read_as_tables() {
    let place = Sqlite::new();
    let sent = |attempt| reversal(1, ReversalStep::Sent { attempt });
    let resolved =
        reversal(2, ReversalStep::Resolved { operator: "ida".into(), note: "paid".into() });
    let records = vec![notice(1), payment(1), indefinite(1), queued(1), sent(1), sent(2)];
    fill(&place, [records, vec![settled(1), payment(2), queued(2), resolved]].concat());
    assert_eq!(
        query(
            &place,
            "SELECT txn, time, reason, attempts, last_step, response, operator, note,
            amount, currency, account, state FROM v_reversals ORDER BY txn"
        ),
        [
            "1|2026-11-20T14:28:07.174Z|timeout|2|settled|00|||123.45|NOK|****0001|reversed",
            "2|2026-11-20T14:28:07.175Z|timeout|0|resolved||ida|paid|123.45|NOK|****0001|resolved",
        ]
    );
    assert_eq!(
        query(&place, "SELECT * FROM v_audit ORDER BY record"),
        [
            "1|2026-11-20T14:28:07.124Z|switch|start||version 0.1.0",
            "10|2026-11-20T14:28:07.175Z|ida|reversal-resolved|2|paid",
        ]
    );
}

#[test]
fn facts_read_as_tables() {
    let place = Sqlite::new();
    let late = Payment {
        txn: TxnId(2),
        bank: "sorbank".into(),
        state: PaymentState::Late,
        told: ResponseCode::parse("68"),
        case: Some(Case::LateCompletion),
        code: "PSU_CANCELLED".into(),
        is_over: true,
        ..Payment::default()
    };
    fill(
        &place,
        [
            linked(1, "10000000001", ConsentStatus::Waiting),
            linked(2, "20000000002", ConsentStatus::Valid),
            balance(5, "20000000002", 700),
            unlinked(6, "10000000001"),
            linked(7, "10000000003", ConsentStatus::Expired),
            customer(8, "customer-1", KycStatus::Pending),
            customer(9, "customer-1", KycStatus::Approved),
            reads(9, &[1, 2]),
            payment(1),
            paid(1, PaymentState::Initiating, false),
            paid(1, PaymentState::Pending, false),
            payment(2),
            fact(12, Fact::Payment(late)),
        ],
    );
    let link = "NOK|customer-1|expired|2027-02-18T14:28:07Z|2026-11-20T14:28:07.130Z|";
    assert_eq!(
        query(&place, "SELECT * FROM v_accounts ORDER BY account"),
        [
            "****0002|nordbank|****7947|NOK|customer-1|valid|2027-02-18T14:28:07Z|\
             2026-11-20T14:28:07.125Z|2026-11-20T14:28:07.128Z",
            &format!("****0003|nordbank|****7947|{link}"),
        ]
    );
    assert_eq!(
        query(&place, "SELECT * FROM v_customers"),
        ["customer-1|approved|basic-kyc-level|2026-11-20T14:28:07.123Z|2027-11-20|\
          2026-11-20T14:28:07.132Z"]
    );
    assert_eq!(
        query(&place, "SELECT * FROM v_payments ORDER BY txn"),
        [
            "1|2026-11-20T14:28:07.124Z|nordbank|pending|1b3ab8e8-0fd5||00||0|\
             2026-11-20T14:28:07.124Z|atm|123.45|12345|NOK|632414000001|ATM00001|****0001",
            "2|2026-11-20T14:28:07.135Z|sorbank|late_completion||late_completion|68|PSU_CANCELLED\
             |1|2026-11-20T14:28:07.135Z|atm|123.45|12345|NOK|632414000002|ATM00002|****0001",
        ]
    );
    let reader = SqliteReader::open(&place.path(), keys()).unwrap();
    let shown = |only_cases| {
        let found = reader.payments(only_cases, 10).unwrap();
        found.into_iter().map(|paying| (paying.txn.0, paying.state)).collect::<Vec<_>>()
    };
    assert_eq!(shown(false), [(1, "pending".to_owned()), (2, "late_completion".to_owned())]);
    assert_eq!(shown(true), [(2, "late_completion".to_owned())]);
    let columns = "SELECT account || ifnull(iban, '') FROM facts WHERE account IS NOT NULL";
    assert_eq!(query(&place, columns), ["00027947", "00037947", "0002"]);
}

/// The table of facts only says where to look. What it says wrongly is not believed.
#[test]
fn a_fact_that_is_not_where_it_is_listed_stops_the_start() {
    let changes = [
        // Of another account, of no fact, of no record.
        "UPDATE facts SET record = 2 WHERE record = 1",
        "UPDATE facts SET record = 3 WHERE record = 1",
        "UPDATE facts SET record = 99 WHERE record = 1",
        "UPDATE facts SET about = x'00' WHERE record = 1",
    ];
    for change in changes {
        let place = Sqlite::new();
        let valid = |account| linked(1, account, ConsentStatus::Valid);
        fill(&place, [valid("1"), valid("2"), notice(1)]);
        let connection = Connection::open(place.path()).unwrap();
        connection.execute("DELETE FROM facts WHERE record = 2", []).unwrap();
        assert_eq!(connection.execute(change, []).unwrap(), 1, "{change}");
        let error = place.store().open().unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{change}: {error}");
    }
}

#[test]
fn views_use_indexes() {
    let place = Sqlite::new();
    fill(&place, payments(1..10));
    let lookups = [
        "SELECT * FROM v_transactions WHERE txn = 5",
        "SELECT * FROM v_transactions WHERE rrn = '632414000005'",
        "SELECT * FROM v_transactions ORDER BY txn DESC LIMIT 10",
        "SELECT * FROM v_reversals",
        "SELECT * FROM v_audit",
        "SELECT * FROM v_payments WHERE txn = 5",
        "SELECT * FROM v_payments ORDER BY txn DESC LIMIT 10",
    ];
    for sql in lookups {
        let plan = query(&place, &format!("EXPLAIN QUERY PLAN {sql}")).join("\n");
        let scans = |line: &str| line.contains("SCAN") && line.contains("records");
        let slow: Vec<&str> =
            plan.lines().filter(|l| scans(l.trim()) && !l.contains("USING")).collect();
        assert!(slow.is_empty(), "{sql}\n{plan}");
    }
}

#[test]
fn no_file_holds_a_card_number_and_no_column_an_account() {
    let place = Sqlite::new();
    let store = &mut place.store();
    store.append(&numbered(1, payments(1..200))).unwrap();
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|part| part == b"4111111111111111"));
    }
    let columns = query(&place, "SELECT account, card FROM records WHERE account IS NOT NULL");
    assert!(columns.iter().all(|row| !row.contains("10000000001") && row.starts_with("0001|")));
}

#[test]
fn a_damaged_record_is_named() {
    let place = Sqlite::new();
    fill(&place, [payment(1), payment(2), approved(2)]);
    let damage = "UPDATE records SET body = substr(body, 1, 40) WHERE id = 1";
    Connection::open(place.path()).unwrap().execute(damage, []).unwrap();
    let error = SqliteStore::open(&place.path(), keys()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { record: RecordId(1), .. }), "{error}");
    assert!(error.to_string().starts_with("record 1 is damaged: field "), "{error}");
    assert!(error.is_fatal() && error.fault() == Fault::Machine);
    // The rest can still be read, and exported.
    let mut reader = SqliteReader::open(&place.path(), keys()).unwrap();
    assert_eq!(reader.find(&Lookup::Txn(TxnId(2))).unwrap().len(), 2);
    assert!(matches!(reader.page(RecordId(0), 9), Err(StoreError::Damaged { .. })));
}

#[test]
fn another_key_file_is_refused() {
    let place = Sqlite::new();
    fill(&place, [notice(1)]);
    let other = Arc::new(Keys::new(&[9; 32]).unwrap());
    let error = SqliteStore::open(&place.path(), other).err().unwrap();
    assert!(matches!(error, StoreError::Key { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Operator);
}

/// Transactions that stay open for long, beyond the records that a restart applies again.
#[test]
fn what_stays_open_for_long_is_recovered() {
    let place = Sqlite::new();
    let parked = |n| reversal(n, ReversalStep::Parked { response: None });
    let mut store = place.store();
    let begin =
        [vec![payment(1)], vec![payment(2), queued(2)], vec![payment(3), indefinite(3), queued(3)]];
    let mut next = 1;
    let mut append = |store: &mut SqliteStore, records: Vec<Record>| {
        let count = u64::try_from(records.len()).unwrap();
        assert_eq!(store.append(&numbered(next, records)).unwrap(), []);
        next += count;
    };
    let open = |store: &mut SqliteStore| {
        let records = store.open().unwrap().records;
        records.iter().filter_map(|(_, record)| record.txn()).map(|txn| txn.0).collect::<Vec<_>>()
    };
    append(&mut store, begin.concat());
    append(&mut store, vec![payment(4), indefinite(4), queued(4), parked(4)]);
    append(&mut store, vec![payment(5), indefinite(5), queued(5)]);
    for filler in [100, 20_000, 40_000] {
        append(&mut store, payments(filler..filler + 10_000).collect());
        assert_eq!(open(&mut store), [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5]);
        drop(store);
        store = place.store();
        assert_eq!(open(&mut store), [1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5]);
    }
    assert_eq!(query(&place, "SELECT count(*) FROM pending"), ["5"]);
    // What is parked is not trimmed.
    while store.trim(Utc(NOON + 1_000_000), 4_096).unwrap().more {}
    assert_eq!(store.find(&Lookup::Txn(TxnId(4))).unwrap().len(), 4);
    // They end one by one: 1 answered, 2 settled but not answered, 3 reversed, 5 parked.
    append(&mut store, vec![approved(1), settled(2), settled(3), parked(5)]);
    assert_eq!(open(&mut store), [2, 2, 4, 4, 4, 4, 5, 5, 5, 2, 5]);
    drop(store);
    store = place.store();
    assert_eq!(open(&mut store), [2, 2, 4, 4, 4, 4, 5, 5, 5, 2, 5]);
    append(&mut store, vec![indefinite(2), queued(5)]);
    drop(store);
    store = place.store();
    assert_eq!(open(&mut store), [4, 4, 4, 4, 5, 5, 5, 5, 5]);
    append(&mut store, vec![settled(5)]);
    assert_eq!(query(&place, "SELECT txn FROM pending"), ["4"]);
}

#[test]
fn a_card_is_found_in_every_segment() {
    let place = Sqlite::new();
    let with_card = |n| {
        let pan = Some(CardNumber::new("5555555555554444"));
        Record::Intent(Arc::new(Intent { pan, ..intent(n) }))
    };
    let mut store = place.store();
    store.append(&numbered(1, [with_card(1)])).unwrap();
    store.append(&numbered(2, (2..140_000).map(notice))).unwrap();
    store.append(&numbered(140_000, [with_card(2), payment(3)])).unwrap();
    let found = store.find(&Lookup::Card(CardNumber::new("5555555555554444"))).unwrap();
    assert_eq!(found.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 140_000]);
    let plan = query(
        &place,
        "EXPLAIN QUERY PLAN SELECT txn FROM records
        WHERE id >> 16 = 1 AND card_hash = 2 AND card_hash IS NOT NULL ORDER BY id DESC LIMIT 3",
    );
    assert!(plan.concat().contains("records_card"), "{plan:?}");
}

#[test]
fn a_torn_wal_ends_with_the_last_whole_commit() {
    let place = Sqlite::new();
    let copy = Sqlite::new();
    let mut store = place.store();
    for round in 0..10 {
        let records = payments(round * 5 + 1..round * 5 + 6);
        store.append(&numbered(round * 10 + 1, records)).unwrap();
    }
    // As after a loss of power: the files as they are, the WAL cut somewhere.
    let wal = |path: &std::path::Path| path.with_extension("db-wal");
    let whole = std::fs::read(wal(&place.path())).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=whole.len()).rev().step_by(1_777) {
        std::fs::copy(place.path(), copy.path()).unwrap();
        std::fs::write(wal(&copy.path()), &whole[..cut]).unwrap();
        _ = std::fs::remove_file(copy.path().with_extension("db-shm"));
        // Of the round before, which had more.
        _ = std::fs::remove_file(copy.path().with_extension("db.anchors"));
        let mut store = copy.store();
        let last = store.open().unwrap().last.0;
        assert_eq!(last % 10, 0, "a batch is there in part");
        let records = store.page(RecordId(0), 1_000).unwrap();
        assert_eq!(records, numbered(1, payments(1..last / 2 + 1)));
        seen.insert(last);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn a_failed_batch_closes_the_store_and_leaves_nothing() {
    let place = Sqlite::new();
    let mut store = place.store();
    store.append(&numbered(1, [payment(1)])).unwrap();
    let beyond = Record::Notice(Notice {
        utc: Utc(u64::MAX),
        actor: String::new(),
        action: String::new(),
        detail: String::new(),
    });
    let error = store.append(&numbered(2, [payment(2), beyond])).unwrap_err();
    assert!(matches!(error, StoreError::Range { record: RecordId(3) }), "{error}");
    let error = store.append(&numbered(2, [payment(2)])).unwrap_err();
    assert!(matches!(error, StoreError::Stopped), "{error}");
    drop(store);
    let recovered = place.store().open().unwrap();
    assert_eq!((recovered.last, recovered.records.len()), (RecordId(1), 1));
}
