//! The shipped tables, and what reading says of broken ones.

use super::*;
use crate::ledger::{Limits, Profile, Query};
use crate::money::Currency;

fn shipped() -> Seeds {
    Seeds::embedded().unwrap_or_else(|error| panic!("{error}"))
}

fn opening() -> Opening {
    shipped().open(Limits::STANDARD, Profile::Ideal).unwrap()
}

/// The shipped files in a directory, with one text replaced in one of them.
fn problems(file: File, from: &str, to: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for name in FILES {
        let mut text = fs::read_to_string(shipped.join(name.name())).unwrap();
        if name == file {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(dir.path().join(name.name()), text).unwrap();
    }
    match Seeds::from_dir(dir.path()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(Problem::to_string).collect(),
    }
}

#[test]
fn the_documented_accounts_are_what_the_documents_say() {
    let ledger = opening().ledger;
    // Number, product, status, currency, ledger, available.
    let cases = [
        ("10000000001", "20", "A", Currency::Nok, "45230.00", "45230.00"),
        ("10000000002", "10", "A", Currency::Nok, "1250.00", "1100.00"),
        ("10000000003", "20", "B", Currency::Nok, "8150.00", "8150.00"),
        ("10000000004", "20", "C", Currency::Nok, "0.00", "0.00"),
        ("10000000005", "20", "A", Currency::Nok, "0.00", "0.00"),
        ("10000000006", "20", "A", Currency::Jpy, "1000000", "1000000"),
        ("10000000007", "20", "A", Currency::Kwd, "125.500", "125.500"),
        ("10000000008", "20", "A", Currency::Usd, "100.00", "600.00"),
    ];
    for (number, product, status, currency, total, available) in cases {
        let (_, account, holder) = ledger.customer_account(number).unwrap();
        assert_eq!(holder.product.code(), product, "{number}");
        assert_eq!(holder.status.letter(), status, "{number}");
        assert_eq!(account.currency, currency, "{number}");
        let balances = account.balances();
        assert_eq!(currency.format(balances.ledger), total, "{number}");
        assert_eq!(currency.format(balances.available()), available, "{number}");
    }
    let (_, account, _) = ledger.customer_account("10000000008").unwrap();
    assert_eq!(account.balances().overdraft, 50_000);
    let (_, account, _) = ledger.customer_account("10000000002").unwrap();
    assert_eq!(account.balances().held, 15_000);
}

#[test]
fn the_documented_card_opens_the_first_account() {
    let directory = opening().directory;
    let card = directory.card("4111111111111111").unwrap();
    assert_eq!((card.account.as_str(), card.status.response_code()), ("10000000001", "00"));
}

#[test]
fn there_is_enough_for_tests_and_load() {
    let seeds = shipped();
    let rows = seeds.rows();
    assert!(rows.customers.len() >= 50 && rows.cards.len() >= 60);
    assert!(rows.billers.len() >= 12 && rows.banks.len() >= 20 && rows.operators.len() >= 6);
    assert!(seeds.accounts().len() >= 120 && seeds.entries().len() >= 300);
    let rich = |currency: Currency| {
        let floor = 10_000 * 10_i64.pow(currency.decimals());
        let accounts = seeds.accounts().iter();
        accounts.filter(|a| a.new.currency == currency && a.balance >= floor).count()
    };
    assert!(rich(Currency::Nok) >= 60);
    for currency in Currency::ALL {
        assert!(rich(currency) >= 3, "{currency}");
    }
}

#[test]
fn a_seeded_ledger_balances_and_its_statements_lead_to_its_balances() {
    let opening = opening();
    let audit = opening.ledger.audit().unwrap();
    assert_eq!((audit.transfers_by_message, audit.holds_open), (0, 1));
    for seed in shipped().accounts() {
        let (id, account, _) = opening.ledger.customer_account(&seed.new.number).unwrap();
        assert_eq!(account.ledger(), seed.balance, "{}", seed.new.number);
        let page = opening.ledger.statement(id, Query::newest(1000));
        let times: Vec<u64> = page.lines.iter().rev().map(|line| line.transfer.utc_ms).collect();
        assert!(times.is_sorted(), "{}", seed.new.number);
        let sum: i64 = page
            .lines
            .iter()
            .map(|line| match line.direction {
                Direction::Debit => -line.transfer.amount,
                Direction::Credit => line.transfer.amount,
            })
            .sum();
        assert_eq!(sum, seed.balance, "{}", seed.new.number);
    }
}

#[test]
fn shipped_phones_have_operators_and_billers_a_currency_of_the_bank() {
    let directory = opening().directory;
    for customer in &directory.rows().customers {
        assert!(directory.operator(&customer.phone).is_some(), "{}", customer.id);
    }
}

/// File, text, its replacement, and what must be said of it.
const FAULTS: &[(File, &str, &str, &str)] = &[
    (File::Cards, "4111111111111111", "4111111111111112", "cards.csv row 2: pan: check digit"),
    (File::Cards, "pan,account", "pan,acount", "cards.csv row 1: header must be pan,account"),
    (File::Cards, ",2912,", ",2913,", "cards.csv row 2: expiry: must be YYMM"),
    (File::Cards, "1,10000000001,", "1,19999999999,", "account: 19999999999 is not in"),
    (File::Accounts, "45230.00", "45230.0", "accounts.csv row 2: balance: needs exactly 2"),
    (File::Accounts, ",JPY,A,1000000,", ",JPY,A,1000000.00,", "row 7: balance: needs exactly 0"),
    (File::Accounts, "C000001,20,NOK", "C999999,20,NOK", "row 2: customer: C999999 is not in"),
    (File::Accounts, "C000001,20,NOK", "C000001,20,DKK", "currency: must be one of NOK"),
    (File::Accounts, "C000001,20,NOK", "C000001,99,NOK", "product: must be one of 00"),
    (File::Accounts, "10000000002,", "10000000001,", "row 3: account: is the same as in row 2"),
    (File::Accounts, "NO21", "NO22", "accounts.csv row 2: iban: check digits are wrong"),
    (File::Accounts, ",150.00,", ",1250.01,", "row 3: balance: does not cover the hold"),
    (File::Accounts, "2019-03-14", "2019-02-30", "row 2: opened: must be a day"),
    (File::Accounts, "2019-03-14", "2026-11-19", "date_time: is before the account"),
    (File::Accounts, "C,0.00", "C,1.00", "row 5: balance: a closed account has none"),
    (File::Accounts, ",0001,NO21", "", "accounts.csv row 2: needs 11 columns"),
    (File::Entries, ",3100.50,", ",0.00,", "entries.csv row 2: amount: must be above zero"),
    (File::Entries, ",40,3100.50,C", ",31,3100.50,C", "tran_type: is not a code that moves"),
    (File::Entries, "10000000004,", "10000009999,", "account: 10000009999 is not in"),
    (File::Entries, "2026-05-04T09:00:00Z", "04.05.2026", "date_time: must be a time like"),
    (File::Banks, "NDEANOKK", "DNBANOKK", "banks.csv row 4: bic: is the same as in row 3"),
    (File::Billers, "NOK,10", "NOK,0", "reference_digits: must be 1 to 25"),
    (File::Operators, ",+47\n", ",47\n", "operators.csv row 2: prefix: must be +"),
    (File::Customers, "+4790100001", "90100001", "customers.csv row 2: phone: must be +"),
];

#[test]
fn a_problem_names_its_file_row_and_column() {
    for (file, from, to, expected) in FAULTS {
        let found = problems(*file, from, to);
        let is_named = found.iter().any(|problem| problem.contains(expected));
        assert!(is_named, "{expected}: {found:#?}");
    }
}

#[test]
fn all_problems_are_reported_at_once_and_no_card_number_is() {
    let found = problems(
        File::Cards,
        "4111111111111111,10000000001,2912,A\n",
        "4111111111111112,10000000001,9999,Z\nx,,,\n",
    );
    let expected = [
        "cards.csv row 2: expiry: must be YYMM",
        "cards.csv row 2: status: must be one of A, B, L, S",
        "cards.csv row 2: pan: check digit is wrong",
        "cards.csv row 3: pan: must be 13 to 19 digits",
        "cards.csv row 3: account: is empty",
        "cards.csv row 3: expiry: must be YYMM",
        "cards.csv row 3: status: must be one of A, B, L, S",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_missing_file_is_one_problem_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let error = Seeds::from_dir(dir.path()).unwrap_err();
    assert_eq!(error.problems.len(), FILES.len());
    assert!(error.to_string().starts_with("customers.csv: cannot be read: "));
}

#[test]
fn the_shipped_directory_reads_like_the_embedded_one() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    assert_eq!(Seeds::from_dir(&dir), Ok(shipped()));
}
