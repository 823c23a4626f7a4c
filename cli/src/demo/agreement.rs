//! Whether the journal of the switch and the ledger of the bank tell the same story.
//!
//! They are two databases that know nothing of each other; both carry the RRN. Read through their
//! published views, after both were closed. Nothing is changed.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What a comparison found. Payments are told apart by RRN, amount and currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Payments that the journal says were approved.
    pub(crate) approved: u64,
    /// Transfers of the ledger whose payment the journal does not call approved yet: the outcome
    /// is unknown and a reversal is on its way.
    pub(crate) open: u64,
    /// Payments that the journal says were approved and that the ledger does not have as often.
    pub(crate) only_in_journal: u64,
    /// Transfers that the journal does not know, or says were declined.
    pub(crate) only_in_ledger: u64,
}

impl Agreement {
    /// Whether neither has what the other denies.
    pub(crate) const fn holds(&self) -> bool {
        self.only_in_journal == 0 && self.only_in_ledger == 0
    }
}

/// Payments by what the journal says of them, and transfers that stand. An advice that its host
/// has taken is approved, as the completion of a hold. A hold moves nothing, and neither does an
/// inquiry. What banks of Open Banking post (their terminal is XS2A) has an RRN of theirs; the text
/// of such a payment begins with ours.
const VIEWS: &str = "
    CREATE TEMP VIEW payments AS
        SELECT rrn, amount_minor AS minor, currency,
            CASE WHEN state = 'delivered' AND substr(mti, 3, 1) = '2' THEN 'approved' ELSE state
            END AS state
        FROM main.v_transactions
        WHERE substr(mti, 2, 1) = '2'
          AND substr(code, 1, 2) IN ('00', '01', '09', '20', '21', '40', '50');
    CREATE TEMP VIEW approved AS
        SELECT rrn, minor, currency, count(*) AS times FROM payments
        WHERE state = 'approved' GROUP BY 1, 2, 3;
    CREATE TEMP VIEW open AS
        SELECT DISTINCT rrn, minor, currency FROM payments
        WHERE state NOT IN ('approved', 'declined', 'not_sent');
    CREATE TEMP VIEW moved AS
        SELECT CASE terminal WHEN 'XS2A' THEN substr(narration, 1, 12) ELSE rrn END AS rrn,
               amount_minor AS minor, currency, count(*) AS times FROM ledger.v_transfers
        WHERE rrn IS NOT NULL AND reverses IS NULL AND reversed_by IS NULL GROUP BY 1, 2, 3;
    CREATE TEMP TABLE unexplained AS
        SELECT rrn, minor, currency FROM (SELECT * FROM moved EXCEPT SELECT * FROM approved);
";

const APPROVED: &str = "SELECT ifnull(sum(times), 0) FROM approved";
const OPEN: &str = "SELECT count(*) FROM (SELECT * FROM unexplained INTERSECT SELECT * FROM open)";
const ONLY_IN_JOURNAL: &str =
    "SELECT count(*) FROM (SELECT * FROM approved EXCEPT SELECT * FROM moved)";
const ONLY_IN_LEDGER: &str =
    "SELECT count(*) FROM (SELECT * FROM unexplained EXCEPT SELECT * FROM open)";

/// Compares the two databases.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn agreement(journal_db: &Path, bank_db: &Path) -> rusqlite::Result<Agreement> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(journal_db, flags)?;
    database.execute("ATTACH DATABASE ?1 AS ledger", [bank_db.to_string_lossy()])?;
    database.execute_batch(VIEWS)?;
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let count = database.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        Ok(count.unsigned_abs())
    };
    Ok(Agreement {
        approved: count(APPROVED)?,
        open: count(OPEN)?,
        only_in_journal: count(ONLY_IN_JOURNAL)?,
        only_in_ledger: count(ONLY_IN_LEDGER)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables with the columns of the views, which is all that is promised.
    fn compare(journal: &str, ledger: &str) -> Agreement {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, columns: &str, rows: &str| {
            let path = folder.path().join(name);
            let database = Connection::open(&path).unwrap();
            database
                .execute_batch(&format!("PRAGMA journal_mode = WAL; {columns} {rows}"))
                .unwrap();
            path
        };
        let journal = make(
            "veksel.db",
            "CREATE TABLE v_transactions (rrn, amount_minor, currency, mti, code, state);",
            &format!("INSERT INTO v_transactions VALUES {journal};"),
        );
        let ledger = make(
            "bank.db",
            "CREATE TABLE v_transfers (rrn, amount_minor, currency, reverses, reversed_by,
                terminal, narration);",
            &format!(
                "INSERT INTO v_transfers (rrn, amount_minor, currency, reverses, reversed_by)
                 VALUES {ledger};
                 UPDATE v_transfers SET terminal = 'XS2A', narration = '00000000000B TERM0001 x',
                 rrn = '000000000777' WHERE rrn = 'BANK';"
            ),
        );
        agreement(&journal, &ledger).unwrap()
    }

    const INQUIRY: &str = "('000000000009', 0, 'NOK', '0200', '311000', 'approved')";

    #[test]
    fn the_same_payments_agree() {
        let found = compare(
            &format!(
                "('A', 100, 'NOK', '0200', '000000', 'approved'),
                 ('B', 200, 'NOK', '0200', '401020', 'declined'), {INQUIRY}"
            ),
            "('A', 100, 'NOK', NULL, NULL), (NULL, 5000, 'NOK', NULL, NULL)",
        );
        assert_eq!(found, Agreement { approved: 1, ..Agreement::default() });
        assert!(found.holds());
    }

    #[test]
    fn what_a_bank_posted_is_known_by_its_text() {
        let row = "('00000000000B', 100, 'NOK', '0200', '400000', 'approved')";
        assert!(compare(row, "('BANK', 100, 'NOK', NULL, NULL)").holds());
        let twice = "('BANK', 100, 'NOK', NULL, NULL), ('BANK', 100, 'NOK', NULL, NULL)";
        assert!(!compare(row, twice).holds());
        assert_eq!(compare(row, "('BANK', 200, 'NOK', NULL, NULL)").only_in_ledger, 1);
    }

    #[test]
    fn an_advice_is_approved_once_it_is_delivered() {
        let moved = "('A', 100, 'NOK', NULL, NULL)";
        let found = compare("('A', 100, 'NOK', '0220', '000000', 'delivered')", moved);
        assert_eq!(found, Agreement { approved: 1, ..Agreement::default() });
        let found = compare("('A', 100, 'NOK', '0221', '000000', 'delivering')", moved);
        assert_eq!(found, Agreement { open: 1, ..Agreement::default() });
        let found = compare(
            "('A', 100, 'NOK', '0220', '000000', 'delivered')",
            "(NULL, 1, 'NOK', NULL, NULL)",
        );
        assert_eq!(found.only_in_journal, 1);
    }

    #[test]
    fn money_that_did_not_move_is_found() {
        let found = compare(
            "('A', 100, 'NOK', '0200', '000000', 'approved')",
            "('A', 101, 'NOK', NULL, NULL), ('X', 1, 'NOK', 7, NULL)",
        );
        assert_eq!((found.only_in_journal, found.only_in_ledger), (1, 1));
        assert!(!found.holds());
    }

    #[test]
    fn money_that_moved_twice_is_found() {
        let found = compare(
            "('A', 100, 'NOK', '0201', '000000', 'approved')",
            "('A', 100, 'NOK', NULL, NULL), ('A', 100, 'NOK', NULL, NULL)",
        );
        assert!(!found.holds(), "{found:?}");
    }

    #[test]
    fn money_that_moved_after_a_decline_is_found() {
        let row = "('A', 100, 'NOK', '0200', '000000', 'declined')";
        assert_eq!(compare(row, "('A', 100, 'NOK', NULL, NULL)").only_in_ledger, 1);
    }

    #[test]
    fn an_unknown_outcome_is_open_and_a_reversed_one_is_gone() {
        let found = compare(
            "('A', 100, 'NOK', '0200', '000000', 'reversing'),
             ('B', 100, 'NOK', '0200', '000000', 'reversed')",
            "('A', 100, 'NOK', NULL, NULL), ('B', 100, 'NOK', NULL, 3), ('B', 100, 'NOK', 2, NULL)",
        );
        assert_eq!(found, Agreement { open: 1, ..Agreement::default() });
    }
}
