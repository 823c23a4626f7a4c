//! The same request again, and again: one order at the bank, whatever arrives at one time
//! (http-contracts 4.5).

use crate::rig::{ACCOUNT, APPROVED, Bridge};
use crate::teller::{Teller, code, tag, transfer, transfer_from};
use crate::{decide, page};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use veksel_codecs::field;

/// Copies that arrive at one time.
const COPIES: usize = 100;

/// Connections they arrive by.
const CHANNELS: usize = 10;

#[test]
fn a_hundred_copies_at_once_are_one_order_and_one_answer() {
    let rig = Bridge::linked("");
    let request = transfer(15_000);
    let start = Barrier::new(CHANNELS);
    let answers: Vec<_> = thread::scope(|scope| {
        let hear = || {
            let mut teller = Teller::open(rig.ports.channels);
            start.wait();
            for copy in 0..COPIES / CHANNELS {
                // Some say that they repeat, others do not.
                let repeat = request.repeat();
                teller.send(if copy % 3 == 2 { &repeat } else { &request });
            }
            (0..COPIES / CHANNELS).map(|_| teller.next()).collect::<Vec<_>>()
        };
        let channels: Vec<_> = (0..CHANNELS).map(|_| scope.spawn(hear)).collect();
        channels.into_iter().flat_map(|channel| channel.join().unwrap()).collect()
    });
    assert_eq!(answers.len(), COPIES);
    assert!(answers.iter().all(|answer| code(answer) == "09"), "{answers:?}");
    // Whoever was told where to approve it was told the same.
    let links: BTreeSet<_> = answers.iter().filter_map(|answer| tag(answer, "P2")).collect();
    assert_eq!(links.len(), 1, "{links:?}");
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 1);
    let told = answers.iter().find(|answer| tag(answer, "P2").is_some()).unwrap();
    let mut teller = Teller::open(rig.ports.channels);
    decide(&page(&rig, told), "approve");
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    assert_eq!(rig.moved(&request.rrn()), 1);
    let sql = "SELECT count(*) FROM v_payments WHERE rrn = ?1";
    assert_eq!(rig.count("veksel.db", sql, &request.rrn()), 1);
}

#[test]
fn a_copy_with_another_amount_or_account_is_94_and_learns_nothing() {
    let rig = Bridge::linked("");
    let other_account = "NO2110000000001";
    rig.link(other_account, APPROVED);
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    let mut dearer = request.clone();
    dearer.message.set(field::AMOUNT, 15_001);
    let mut theirs = request.clone();
    theirs.message.set(field::ACCOUNT, other_account);
    for (what, copy) in [("amount", &dearer), ("account", &theirs)] {
        for copy in [copy.clone(), copy.repeat()] {
            let answer = teller.ask(&copy);
            assert_eq!(code(&answer), "94", "{what}: {answer:?}");
            for leaked in ["P1", "P2", "P3"] {
                assert_eq!(tag(&answer, leaked), None, "{what}");
            }
            assert!(!answer.has(field::APPROVAL));
        }
    }
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 1);
    // With numbers of its own it is a payment of its own.
    assert_eq!(code(&teller.ask(&transfer_from(other_account, 15_000))), "09");
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 2);
    decide(&page(&rig, &answer), "approve");
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    // Once it is decided the copies learn nothing either.
    assert_eq!(code(&teller.ask(&theirs)), "94");
    assert_eq!(code(&teller.ask(&dearer.repeat())), "94");
    assert_eq!(rig.moved(&request.rrn()), 1);
    let said = rig.send(&["balance", "--account", ACCOUNT]);
    assert!(said.contains("ledger 45080.00 NOK"), "{said}");
}
