//! The judge: what channels were told, what the bank's ledger holds and what the journal says are
//! three stories of the same payments, and they must be one.
//!
//! It waits until nothing is in flight and no reversal is open, ends both processes in order, and
//! then only reads. For every contradiction it prints everything that is known of the payment.

use super::agreement::agreement;
use super::channels::Told;
use super::payment::{Expected, Payment};
use super::process::until;
use super::rig::Rig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long reversals may take until they are settled, once nobody disturbs any more.
const SETTLE: Duration = Duration::from_secs(60);

/// The state must last so long: the switch renews its gauges four times a second.
const CALM: Duration = Duration::from_millis(700);

/// Contradictions that are told in full.
const TOLD_MAX: usize = 5;

/// What a judgement came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) payments: usize,
    pub(crate) approved: usize,
    pub(crate) unavailable: usize,
    pub(crate) unknown: usize,
    /// Taken back by their channel.
    pub(crate) cancelled: usize,
    /// Never answered: the channel went away or the switch did.
    pub(crate) unanswered: usize,
    /// Reversals and advices in the journal; all of them settled.
    pub(crate) reversals: u64,
    pub(crate) reconnects: u64,
    pub(crate) slowest: Duration,
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payments, approved, unavailable, unknown, cancelled, unanswered, .. } = self;
        let Self { reversals, reconnects, slowest, violations, .. } = self;
        write!(
            f,
            "{payments} payments: {approved} approved, {unavailable} answered 91, {unknown} \
             answered 68, {cancelled} taken back, {unanswered} never answered; {reversals} \
             reversals settled; {reconnects} reconnects; slowest answer {slowest:.2?}; {} \
             violations",
            violations.len()
        )
    }
}

impl Verdict {
    /// Fails the test if any promise was broken.
    pub(crate) fn must_be_clean(&self) {
        assert!(self.violations.is_empty(), "{self}\n{}", self.violations.join("\n"));
    }
}

/// Waits for calm, stops everything and judges.
pub(crate) fn judge(rig: &mut Rig, told: &Told) -> Verdict {
    let calm = await_calm(rig);
    rig.stop();
    let mut verdict = examine(rig, told);
    verdict.violations.extend(calm.err());
    verdict
}

/// Compares what channels were told with books that nobody writes any more.
pub(crate) fn examine(rig: &Rig, told: &Told) -> Verdict {
    let mut verdict = Verdict::default();
    let books = Books::open(&rig.journal(), &rig.ledger());
    books.check_whole(&mut verdict);
    let Told { payments, complaints, reconnects, slowest } = told;
    verdict.violations.extend(complaints.iter().take(TOLD_MAX).cloned());
    (verdict.reconnects, verdict.slowest) = (*reconnects, *slowest);
    verdict.payments = payments.len();
    let (ledger, journal) = (books.ledger_facts(), books.journal_facts());
    let mut contradictions = 0;
    for payment in payments {
        match (payment.answer.as_deref(), &payment.cancel) {
            (_, Some(_)) => verdict.cancelled += 1,
            (Some("00"), None) => verdict.approved += 1,
            (Some("91"), None) => verdict.unavailable += 1,
            (Some(_), None) => verdict.unknown += 1,
            (None, None) => verdict.unanswered += 1,
        }
        let rrn = payment.request.rrn();
        let in_ledger = ledger.get(&rrn).copied().unwrap_or_default();
        let in_journal = journal.get(&rrn).cloned().unwrap_or_default();
        for contradiction in contradictions_of(payment, in_ledger, &in_journal) {
            contradictions += 1;
            if contradictions <= TOLD_MAX {
                let evidence = books.evidence(payment);
                verdict.violations.push(format!("{rrn}: {contradiction}\n{evidence}"));
            }
        }
    }
    if contradictions > TOLD_MAX {
        verdict.violations.push(format!("and {} more", contradictions - TOLD_MAX));
    }
    verdict
}

/// What the ledger holds of a payment.
#[derive(Clone, Copy, Debug, Default)]
struct InLedger {
    /// How often it was executed.
    executed: u64,
    /// How many of these were not undone.
    standing: u64,
}

/// What the journal says of a payment: the state of each transaction with its RRN, reversals of
/// channels excepted.
type InJournal = Vec<String>;

fn contradictions_of(payment: &Payment, ledger: InLedger, journal: &InJournal) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{what}: {ledger:?}, journal {journal:?}"));
        }
    };
    must(ledger.executed <= 1, "executed more than once");
    must(journal.len() <= 1, "more than one transaction for one payment");
    let approved = journal.iter().any(|state| state == "approved");
    match payment.expected() {
        Expected::Once => {
            must(ledger.standing == 1, "acknowledged, and the ledger lacks it");
            must(approved, "acknowledged, and the journal does not say so");
        }
        Expected::Nothing => {
            let what = match payment.cancel {
                Some(_) => "taken back, and the ledger still has it",
                None => "failed for its channel, and the ledger has it",
            };
            must(ledger.standing == 0, what);
            if payment.cancel.is_none() && payment.answer.as_deref() == Some("68") {
                must(journal.iter().eq(["reversed"]), "answered 68, and no reversal is settled");
            }
            // A reversal of the channel undoes what the journal rightly calls approved.
            must(!approved || payment.cancel.is_some(), "failed, and approved in the journal");
        }
        Expected::AsTheJournalSays => {
            must(ledger.standing == u64::from(approved), "journal and ledger disagree");
        }
    }
    found
}

/// Waits until nothing is in flight, nothing is open and no reversal is on its way.
fn await_calm(rig: &Rig) -> Result<(), String> {
    let database = read_only(&rig.journal());
    let count = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let start = Instant::now();
    let mut calm_since: Option<Instant> = None;
    loop {
        let open = count("SELECT count(*) FROM v_transactions WHERE state = 'open'");
        let reversing = count("SELECT count(*) FROM v_reversals WHERE state = 'reversing'");
        let in_flight = rig.metric("veksel_requests_in_flight", "");
        if open == 0 && reversing == 0 && in_flight < 0.5 {
            let since = *calm_since.get_or_insert_with(Instant::now);
            if since.elapsed() > CALM {
                return Ok(());
            }
        } else {
            calm_since = None;
        }
        if start.elapsed() > SETTLE {
            return Err(format!(
                "after {SETTLE:?} without disturbance {open} transactions are open, {reversing} \
                 reversals on their way, {in_flight} requests in flight"
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || Connection::open_with_flags(path, flags).ok();
    let database = until("a database to open", Duration::from_secs(5), open);
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}

/// Both databases, closed by their owners.
struct Books {
    journal: Connection,
    ledger: Connection,
    paths: (std::path::PathBuf, std::path::PathBuf),
}

impl Books {
    fn open(journal: &Path, ledger: &Path) -> Self {
        let paths = (journal.to_owned(), ledger.to_owned());
        Self { journal: read_only(journal), ledger: read_only(ledger), paths }
    }

    /// What must hold of the books as wholes.
    fn check_whole(&self, verdict: &mut Verdict) {
        let count = |database: &Connection, sql: &str| -> u64 {
            let count: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
            count.unsigned_abs()
        };
        let uneven = "SELECT count(*) FROM v_conservation \
                      WHERE sum_minor <> 0 OR unexplained_minor <> 0";
        let uneven = count(&self.ledger, uneven);
        let parked = "SELECT count(*) FROM v_reversals WHERE state <> 'reversed'";
        let parked = count(&self.journal, parked);
        let reversals = "SELECT count(*) FROM v_reversals";
        verdict.reversals = count(&self.journal, reversals);
        let agreement = agreement(&self.paths.0, &self.paths.1).unwrap();
        for (broken, what) in [
            (uneven > 0, format!("{uneven} currencies are not conserved")),
            (parked > 0, format!("{parked} reversals are not settled")),
            (
                !agreement.holds() || agreement.open > 0,
                format!("journal and ledger disagree: {agreement:?}"),
            ),
        ] {
            if broken {
                verdict.violations.push(what);
            }
        }
        if parked > 0 {
            let sql = "SELECT * FROM v_reversals WHERE state <> 'reversed' LIMIT 5";
            verdict.violations.push(table(&self.journal, sql, &[]));
        }
    }

    fn ledger_facts(&self) -> BTreeMap<String, InLedger> {
        let sql = "SELECT rrn, count(*), sum(reversed_by IS NULL) FROM v_transfers
                   WHERE rrn IS NOT NULL AND reverses IS NULL AND hold IS NULL GROUP BY rrn
                   UNION ALL
                   SELECT rrn, count(*), sum(state IN ('open', 'captured')) FROM holds
                   WHERE rrn IS NOT NULL GROUP BY rrn";
        let mut select = self.ledger.prepare(sql).unwrap();
        let fact = |row: &rusqlite::Row<'_>| {
            let fact = InLedger { executed: row.get(1)?, standing: row.get(2)? };
            Ok((row.get::<_, String>(0)?, fact))
        };
        select.query_map([], fact).unwrap().map(Result::unwrap).collect()
    }

    fn journal_facts(&self) -> BTreeMap<String, InJournal> {
        let sql = "SELECT rrn, state FROM v_transactions WHERE substr(mti, 2, 1) IN ('1', '2')";
        let mut select = self.journal.prepare(sql).unwrap();
        let mut facts: BTreeMap<String, InJournal> = BTreeMap::new();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        for fact in select.query_map([], row).unwrap() {
            let (rrn, state): (String, String) = fact.unwrap();
            facts.entry(rrn).or_default().push(state);
        }
        facts
    }

    /// Everything that anybody knows of a payment.
    fn evidence(&self, payment: &Payment) -> String {
        let mut text = format!("  {:?} of {}\n  channel:\n", payment.kind, payment.amount);
        for (at, what) in &payment.history {
            let _ = writeln!(text, "    {:>9.3} s {what}", at.as_secs_f64());
        }
        let rrn = payment.request.rrn();
        let records = "SELECT r.id, r.txn, r.kind,
                strftime('%H:%M:%S', r.utc / 1000, 'unixepoch') || printf('.%03d', r.utc % 1000),
                r.mti, r.stan, r.host_stan, r.attempt,
                (SELECT name FROM names WHERE id = r.verdict) AS verdict,
                (SELECT name FROM names WHERE id = r.response) AS response,
                (SELECT name FROM names WHERE id = r.reason) AS reason,
                (SELECT name FROM names WHERE id = r.step) AS step
            FROM records r
            WHERE r.txn IN (SELECT txn FROM records WHERE rrn = ?1) ORDER BY r.id";
        for (database, title, sql) in [
            (&self.journal, "journal", records),
            (&self.ledger, "bank: transfers", "SELECT * FROM v_transfers WHERE rrn = ?1"),
            (&self.ledger, "bank: holds", "SELECT * FROM holds WHERE rrn = ?1"),
            (
                &self.ledger,
                "bank: replies",
                "SELECT id, class, transmitted, stan, utc_ms, outcome, response_code, hold, \
                 transfer FROM replies WHERE rrn = ?1",
            ),
            (&self.ledger, "bank: tombstones", "SELECT * FROM tombstones WHERE rrn = ?1"),
        ] {
            let _ = write!(text, "  {title}:\n{}", table(database, sql, &[&rrn]));
        }
        text
    }
}

/// Rows for people: columns that say something.
fn table(database: &Connection, sql: &str, parameters: &[&str]) -> String {
    let mut select = database.prepare(sql).unwrap();
    let names: Vec<String> = select.column_names().map(str::to_owned).collect();
    let mut rows = select.query(rusqlite::params_from_iter(parameters)).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap() {
        text.push_str("   ");
        for (place, name) in names.iter().enumerate() {
            let name = if name.contains('(') { "at" } else { name.as_str() };
            let _ = match row.get_ref(place).unwrap() {
                ValueRef::Null | ValueRef::Blob(_) => Ok(()),
                ValueRef::Integer(value) => write!(text, " {name}={value}"),
                ValueRef::Real(value) => write!(text, " {name}={value}"),
                ValueRef::Text(value) => write!(text, " {name}={}", String::from_utf8_lossy(value)),
            };
        }
        text.push('\n');
    }
    text
}
