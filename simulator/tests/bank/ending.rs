//! How banks end and why they do not start.

use std::time::Duration;

use veksel_config::BankConfig;
use veksel_simulator::bank::{self, BankError};

use crate::rig::*;

#[test]
fn a_bank_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    let purchase = request("001000", 2, 10_000);
    let first = client.ask(&purchase);
    let balance = client.balance(3);
    let before = bank.stop().unwrap();
    assert_eq!(client.receive(), None);

    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    assert_eq!(client.balance(4), balance);
    assert_eq!(client.ask(&purchase), first, "a repeat is answered as before the restart");
    let after = bank.stop().unwrap();
    assert_eq!((after.transfers, after.replays), (before.transfers, 1));
}

#[test]
fn a_dropped_bank_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    drop(bank);
    assert_eq!(client.receive(), None);
    drop(start(folder.path()));
}

/// The table that a commit needs is taken away under the bank.
#[test]
fn a_bank_that_cannot_commit_ends_and_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    assert!(bank.wait(Duration::ZERO).is_none());
    let book = rusqlite::Connection::open(folder.path().join("bank.db")).unwrap();
    book.execute_batch("ALTER TABLE replies RENAME TO gone").unwrap();
    assert_eq!(client.balance(2).len(), 40, "what changes nothing needs no commit");
    client.send(&request("001000", 3, 10_000));
    assert_eq!(client.receive(), None);
    let end = bank.wait(Duration::from_secs(10)).unwrap();
    assert!(matches!(end, Err(BankError::Book(_))), "{end:?}");
    assert!(bank.summary().is_none());
    drop(bank);
    book.execute_batch("ALTER TABLE gone RENAME TO replies").unwrap();
    let bank = start(folder.path());
    let mut client = Client::signed_on(bank.address());
    assert_eq!(client.balance(4), "2001578C0000045230002002578C000004523000");
}

#[test]
fn a_bank_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let seeds = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let junk = other.path().join("junk.db");
    std::fs::write(&junk, "not a database, and long enough to be looked at".repeat(99)).unwrap();
    let cases: [(BankConfig, &str, bool); 4] = [
        (
            BankConfig { listen: bank.address(), ..config(other.path()) },
            &format!("cannot listen on {}", bank.address()),
            true,
        ),
        (
            BankConfig { seeds: Some(seeds.path().to_owned()), ..config(seeds.path()) },
            "seed tables: customers.csv: cannot be read",
            false,
        ),
        (BankConfig { database: junk, ..config(other.path()) }, "bank database: ", false),
        (
            BankConfig {
                dialect: veksel_config::DialectName::Shipped("none".to_owned()),
                ..config(seeds.path())
            },
            "there is no dialect `none`",
            false,
        ),
    ];
    for (config, expected, is_retryable) in cases {
        let error = bank::start(config).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.is_retryable(), is_retryable, "{error}");
    }
}

#[test]
fn a_bank_with_seeds_of_its_own_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for file in std::fs::read_dir(&shipped).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replacen(",45230.00,", ",45231.00,", 1);
        std::fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    let seeds = Some(folder.path().to_owned());
    let bank = bank::start(BankConfig { seeds, ..config(folder.path()) }).unwrap();
    let mut client = Client::signed_on(bank.address());
    assert_eq!(client.balance(2), "2001578C0000045231002002578C000004523100");
}
