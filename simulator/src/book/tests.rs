//! The book gives back what was committed, whatever happens to the process.

use std::path::PathBuf;

use super::*;
use crate::ledger::{
    Adjust, Capture, Class, Digest, Funds, Gl, HoldId, HoldRef, Key, KeyParts, Operation,
    PlaceHold, Post, Request, Reverse, Sending, Side, Verdict,
};
use crate::money::{Currency, Money};
use crate::seeds::Seeds;

const NOW: u64 = 1_800_000_000_000;

struct Bank {
    book: Book,
    ledger: Ledger,
}

impl Bank {
    /// One turn: execute, commit, and only then look at the answer.
    fn turn(&mut self, requests: &[Request]) -> Vec<Verdict> {
        let verdicts: Vec<Verdict> =
            requests.iter().map(|request| self.ledger.execute(NOW, request)).collect();
        let effects: Vec<Effect> = verdicts.iter().filter_map(|v| v.effect.clone()).collect();
        self.book.commit(&effects).unwrap();
        verdicts
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bank.db");
    (dir, path)
}

fn new_bank(path: &Path) -> Bank {
    let seeds = Seeds::embedded().unwrap();
    let opening = seeds.open(Limits::STANDARD, Profile::Ideal).unwrap();
    let book = Book::create(path, &opening).unwrap();
    Bank { book, ledger: opening.ledger }
}

fn reopened(path: &Path) -> Opened {
    Book::open(path, Limits::STANDARD, Profile::Ideal).unwrap()
}

/// The files as a killed process leaves them: nothing closed, nothing checkpointed.
fn crashed(path: &Path) -> (tempfile::TempDir, PathBuf) {
    let (dir, copy) = place();
    std::fs::copy(path, &copy).unwrap();
    std::fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    (dir, copy)
}

fn key(class: Class, stan: u32) -> Key {
    let (stan, rrn) = (format!("{stan:06}"), format!("R{stan:05}"));
    let parts = KeyParts {
        transmitted: b"1120083000",
        stan: stan.as_bytes(),
        acquirer: b"123456",
        rrn: rrn.as_bytes(),
        terminal: b"ATM1",
        acceptor: b"BRANCH",
    };
    Key::new(class, parts).unwrap()
}

fn request(class: Class, stan: u32, operation: Operation) -> Request {
    let digest = Digest::of(&[format!("{operation:?}").as_bytes()]);
    Request { key: key(class, stan), digest, sending: Sending::First, operation }
}

fn withdraw(stan: u32, number: &str, money: Money) -> Request {
    let post = Post {
        debit: Side::Account(number.to_owned()),
        credit: Side::Bank(Gl::Cash),
        amount: money,
        tran_type: 1,
        narration: "ATM".to_owned(),
        funds: Funds::Checked,
    };
    request(Class::Financial, stan, Operation::Post(post))
}

fn hold(stan: u32, minor: i64) -> Request {
    let place = PlaceHold {
        account: "10000000001".to_owned(),
        amount: nok(minor),
        tran_type: 0,
        narration: "HOTEL".to_owned(),
        funds: Funds::Checked,
    };
    request(Class::Authorization, stan, Operation::Hold(place))
}

fn adjust(stan: u32, hold: HoldId, minor: i64) -> Request {
    let account = "10000000001".to_owned();
    let adjust = Adjust { hold, account, amount: nok(minor) };
    request(Class::Authorization, stan, Operation::Adjust(adjust))
}

fn capture(stan: u32, minor: i64) -> Request {
    let capture = Capture {
        hold: HoldRef::Key(key(Class::Authorization, stan)),
        amount: nok(minor),
        credit: Side::Bank(Gl::Merchant),
        narration: "HOTEL".to_owned(),
    };
    request(Class::Financial, stan, Operation::Capture(capture))
}

fn reverse(stan: u32, original: Key, actual: Option<i64>) -> Request {
    request(Class::Reversal, stan, Operation::Reverse(Reverse { original, actual }))
}

fn nok(minor: i64) -> Money {
    Money::new(minor, Currency::Nok)
}

/// One of everything the book can be told.
fn a_day() -> Vec<Request> {
    vec![
        withdraw(1, "10000000001", nok(100_000)),
        withdraw(2, "10000000005", nok(100)),
        withdraw(3, "10000000007", Money::new(500, Currency::Kwd)),
        hold(4, 20_000),
        hold(5, 30_000),
        hold(6, 40_000),
        capture(4, 15_000),
        reverse(7, key(Class::Financial, 1), Some(60_000)),
        reverse(8, key(Class::Authorization, 5), Some(10_000)),
        reverse(9, key(Class::Authorization, 6), None),
        reverse(10, key(Class::Financial, 11), None),
        withdraw(11, "10000000001", nok(100)),
    ]
}

#[test]
fn a_new_book_reads_back_as_the_seeds() {
    let (_dir, path) = place();
    let bank = new_bank(&path);
    drop(bank.book);
    let opened = reopened(&path);
    assert!(opened.ledger == bank.ledger, "the ledger differs");
    let seeds = Seeds::embedded().unwrap();
    assert_eq!(opened.directory.rows(), seeds.rows());
}

#[test]
fn a_killed_bank_starts_with_exactly_what_it_answered() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    let first = bank.turn(&a_day());
    let codes: Vec<&str> = first.iter().map(|v| v.reply.outcome.response_code()).collect();
    let expected = ["00", "51", "00", "00", "00", "00", "00", "00", "00", "00", "25", "21"];
    assert_eq!(codes, expected);
    // Executed and never committed, so never answered: it must not survive.
    let before = bank.ledger.clone();
    let lost = bank.ledger.execute(NOW, &withdraw(12, "10000000001", nok(100)));
    assert!(lost.effect.is_some());
    let (_dir, path) = crashed(&path);
    let opened = reopened(&path);
    assert!(opened.ledger == before, "the ledger differs");
    let mut bank = Bank { book: opened.book, ledger: opened.ledger };
    for (request, first) in a_day().iter().zip(&first) {
        let again = bank.ledger.execute(NOW + 1000, request);
        assert!(again.is_replay && again.effect.is_none());
        assert_eq!(again.reply, first.reply);
    }
    let verdict = bank.turn(&[withdraw(12, "10000000001", nok(100))]).remove(0);
    assert_eq!(verdict.reply.outcome.response_code(), "00");
    assert!(reopened(&path).ledger == bank.ledger, "the ledger differs");
}

#[test]
fn expired_holds_are_kept() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    let verdicts = bank.turn(&[hold(1, 20_000)]);
    assert!(verdicts.iter().all(|v| v.effect.is_some()));
    let expiry = bank.ledger.next_expiry_ms().unwrap();
    let effects = bank.ledger.expire_holds(expiry);
    bank.book.commit(&effects).unwrap();
    let verdicts = bank.turn(&[capture(1, 20_000)]);
    assert!(verdicts.iter().all(|v| v.reply.outcome.is_approved()));
    assert!(reopened(&path).ledger == bank.ledger, "the ledger differs");
}

#[test]
fn adjusted_holds_are_kept_with_what_takes_the_last_adjustment_back() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    let placed = bank.turn(&[hold(1, 20_000)]);
    let id = placed[0].reply.hold.unwrap();
    let verdicts = bank.turn(&[adjust(2, id, 35_000), adjust(3, id, 5_000)]);
    assert!(verdicts.iter().all(|v| v.reply.outcome.is_approved()));
    let opened = reopened(&path);
    assert!(opened.ledger == bank.ledger, "the ledger differs");
    let verdicts = bank.turn(&[reverse(4, key(Class::Authorization, 3), None)]);
    assert!(verdicts.iter().all(|v| v.reply.outcome.is_approved()));
    assert_eq!(bank.ledger.hold(id).map(|hold| hold.amount), Some(35_000));
    assert!(reopened(&path).ledger == bank.ledger, "the ledger differs");
}

#[test]
fn a_turn_is_committed_whole_or_not_at_all() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    let before = bank.ledger.clone();
    let requests = [withdraw(1, "10000000001", nok(100)), withdraw(2, "10000000001", nok(200))];
    let mut effects: Vec<Effect> = Vec::new();
    for request in &requests {
        effects.extend(bank.ledger.execute(NOW, request).effect);
    }
    // The same row twice breaks the last insert of the turn.
    effects.push(effects[1].clone());
    let error = bank.book.commit(&effects).unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(reopened(&path).ledger == before, "half a turn was kept");
}

#[test]
fn anyone_may_read_while_the_bank_writes() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    let reader = Connection::open(&path).unwrap();
    let available = |reader: &Connection| -> String {
        let query = "SELECT available FROM v_account WHERE account = '10000000001'";
        reader.query_row(query, [], |row| row.get(0)).unwrap()
    };
    // A read transaction held open across commits sees one state and delays nobody.
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(available(&reader), "45230.00");
    for stan in 1..=20 {
        let verdicts = bank.turn(&[withdraw(stan, "10000000001", nok(100))]);
        assert!(verdicts.iter().all(|v| v.reply.outcome.is_approved()));
    }
    assert_eq!(available(&reader), "45230.00");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(available(&reader), "45210.00");
}

#[test]
fn the_views_say_what_the_ledger_says() {
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    bank.turn(&a_day()).clear();
    let reader = Connection::open(&path).unwrap();
    for (_, account) in bank.ledger.accounts() {
        let Some(holder) = account.holder() else {
            continue;
        };
        let balances = account.balances();
        let expected = (
            (account.ledger(), balances.available()),
            account.currency.format(account.ledger()),
            account.currency.format(balances.available()),
            format!("{} {} {}", holder.product.code(), holder.status.letter(), account.currency),
        );
        let found = reader
            .query_row(
                "SELECT ledger_minor, available_minor, ledger, available,
                    type || ' ' || status || ' ' || currency FROM v_account WHERE account = ?",
                [&account.number],
                |r| Ok(((r.get(0)?, r.get(1)?), r.get(2)?, r.get(3)?, r.get(4)?)),
            )
            .unwrap();
        assert_eq!(expected, found, "{}", account.number);
    }
    let text = |query: &str| -> String { reader.query_row(query, [], |row| row.get(0)).unwrap() };
    let newest = "SELECT dr_cr || ' ' || amount || ' ' || narration || ' ' || stan
        FROM v_statement WHERE account = '10000000001' ORDER BY id DESC LIMIT 1";
    assert_eq!(text(newest), "C 400.00 REVERSAL ATM 000007");
    let kwd = "SELECT amount || ' ' || currency || ' ' || utc || ' ' || rrn || ' ' || terminal
        FROM v_transfers WHERE currency = 'KWD' ORDER BY id DESC LIMIT 1";
    assert_eq!(text(kwd), "0.500 KWD 2027-01-15T08:00:00.000Z R00003 ATM1");
    let sums = "SELECT group_concat(sum_minor || unexplained_minor, '') FROM v_conservation";
    assert_eq!(text(sums), "00".repeat(Currency::ALL.len()));
    let reversed = "SELECT reversed || '/' || (reversed_by > id) FROM v_transfers
        WHERE stan = '000001' AND reverses IS NULL";
    assert_eq!(text(reversed), "40000/1");
}

#[test]
fn a_book_that_was_changed_by_hand_does_not_open() {
    let spoilers = [
        "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE account = '10000000001'",
        "UPDATE transfers SET amount = amount + 1 WHERE id = 1",
        "DELETE FROM transfers WHERE id = 1",
        "UPDATE holds SET held = 1",
        "UPDATE accounts SET status = 'X' WHERE account = '10000000001'",
    ];
    for spoiler in spoilers {
        let (_dir, path) = place();
        drop(new_bank(&path));
        let editor = Connection::open(&path).unwrap();
        editor.execute_batch(spoiler).unwrap();
        drop(editor);
        let opened = Book::open(&path, Limits::STANDARD, Profile::Ideal);
        assert!(opened.is_err(), "{spoiler}");
    }
}

#[test]
fn only_a_book_is_opened_and_no_book_is_overwritten() {
    let (_dir, path) = place();
    assert!(!Book::is_at(&path).unwrap());
    drop(new_bank(&path));
    assert!(Book::is_at(&path).unwrap());
    let opening = Seeds::embedded().unwrap().open(Limits::STANDARD, Profile::Ideal).unwrap();
    assert!(matches!(Book::create(&path, &opening), Err(BookError::Exists)));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let opened = Book::open(&path, Limits::STANDARD, Profile::Ideal);
    assert!(matches!(opened, Err(BookError::Version { found: 99 })));
    let other = path.with_extension("other");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let opened = Book::open(&other, Limits::STANDARD, Profile::Ideal);
    assert!(matches!(opened, Err(BookError::NotABook)));
}

#[test]
fn a_book_older_than_its_table_of_cut_overs_gets_it() {
    let (_dir, path) = place();
    drop(new_bank(&path));
    Connection::open(&path).unwrap().execute_batch("DROP TABLE cut_overs").unwrap();
    let Opened { mut book, mut ledger, .. } = reopened(&path);
    let ended = ledger.cut_over(1_795_176_000_000).unwrap();
    book.commit(&[ended]).unwrap();
    assert_eq!(ledger.cut_over(1_795_176_000_001), None);
    drop(book);
    assert_eq!(reopened(&path).ledger, ledger);
}

/// What a reconciliation would be compared with is what the report says, table by table.
#[test]
fn a_report_adds_up_as_the_ledger_does() {
    use crate::report::{Cell, Kind, Report};
    let (_dir, path) = place();
    let mut bank = new_bank(&path);
    bank.turn(&a_day());
    let report = Report::of_book(&path, "Bank", Kind::All, 1_000, String::new()).unwrap();
    let value = |name: &str, row: &[Cell], column: &str| {
        let columns = &report.sheet(name).unwrap().columns;
        row[columns.iter().position(|known| known == column).unwrap()].clone()
    };

    let acquirer = *key(Class::Financial, 1).acquirer.first_chunk().unwrap();
    let totals = bank.ledger.totals(&acquirer, |_| true);
    let settlement = report.sheet("settlement").unwrap();
    assert_eq!(settlement.rows.len(), totals.len());
    for row in &settlement.rows {
        let Cell::Text(currency) = value("settlement", row, "currency") else { panic!("{row:?}") };
        let own = totals[&Currency::from_alpha(&currency).unwrap()];
        for (column, wanted) in [
            ("debits", i128::from(own.debits.number)),
            ("debits_minor", own.debits.minor),
            ("debit_reversals_minor", own.debit_reversals.minor),
            ("authorisations", i128::from(own.authorisations)),
            ("net_minor", own.net()),
        ] {
            assert_eq!(value("settlement", row, column), Cell::figure(wanted), "{column}");
        }
        assert_eq!(value("settlement", row, "business_day"), Cell::Text("2027-01-15".into()));
    }
    let nok = totals[&Currency::Nok];
    assert_eq!((nok.debits.minor, nok.debit_reversals.minor), (115_000, 40_000));

    let fields = &report.sheet("reconciliation").unwrap().rows;
    let nok = fields.iter().find(|row| row[2] == Cell::Text("578".into())).unwrap();
    assert_eq!(value("reconciliation", nok, "DE15"), Cell::Text("0115".into()));
    assert_eq!(value("reconciliation", nok, "DE88"), Cell::Text("0000000000115000".into()));
    assert_eq!(value("reconciliation", nok, "DE97"), Cell::Text("D0000000000075000".into()));

    for row in &report.sheet("conservation").unwrap().rows {
        assert_eq!(row[1..], [Cell::Whole(0), Cell::Whole(0)]);
    }
    let ledger: i128 =
        bank.ledger.accounts().map(|(_, account)| i128::from(account.ledger())).sum();
    let shown = |name: &str, column: &str| -> i128 {
        let rows = &report.sheet(name).unwrap().rows;
        let figure = |row: &Vec<Cell>| match value(name, row, column) {
            Cell::Whole(value) => i128::from(value),
            other => panic!("{other:?}"),
        };
        rows.iter().map(figure).sum()
    };
    assert_eq!(shown("accounts", "ledger_minor") + shown("bank_accounts", "balance_minor"), ledger);
    // Three of the day, and the one that the seeds have.
    assert_eq!(shown("holds", "amount_minor"), 90_000 + 15_000);
    let cards = &report.sheet("cards").unwrap().rows;
    assert!(!cards.is_empty());
    for card in cards {
        let Cell::Text(pan) = &card[0] else { panic!("{card:?}") };
        assert!(pan.contains('*') && pan.len() >= 13, "{pan}");
    }

    let short = Report::of_book(&path, "Bank", Kind::State, 2, String::new()).unwrap();
    let accounts = short.sheet("accounts").unwrap();
    let all = report.sheet("accounts").unwrap().rows.len() as u64;
    assert_eq!((accounts.rows.len(), accounts.left_off), (2, all - 2));
    assert!(short.sheet("settlement").unwrap_err().to_string().contains("postings"));

    let (_other, other) = place();
    assert!(Report::of_book(&other, "Bank", Kind::All, 1, String::new()).is_err());
    std::fs::write(&other, "no database, but long enough to be taken for one").unwrap();
    assert!(Report::of_book(&other, "Bank", Kind::All, 1, String::new()).is_err());
}
