//! The bridge as a whole: channels on one side, banks and a provider of identity checks on the
//! other, all of them processes, and the ledger of the bank as the judge.
//!
//! One test for each "it works when" that needs the whole product. What one part does alone is
//! tested where it is written.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]
#![expect(clippy::print_stderr, reason = "what happened must be seen")]
#![cfg(unix)]

#[path = "bridge/browser.rs"]
mod browser;
#[path = "bridge/caller.rs"]
mod caller;
#[path = "bridge/checks.rs"]
mod checks;
#[path = "bridge/chromium.rs"]
mod chromium;
#[path = "bridge/console.rs"]
mod console;
#[path = "bridge/copies.rs"]
mod copies;
#[path = "bridge/demo.rs"]
mod demo;
#[path = "bridge/dialects.rs"]
mod dialects;
#[path = "bridge/http.rs"]
mod http;
#[path = "bridge/rig.rs"]
mod rig;
#[path = "bridge/seeded.rs"]
mod seeded;
#[path = "stage/stage.rs"]
mod stage;
#[path = "bridge/stories.rs"]
mod stories;
#[path = "bridge/teller.rs"]
mod teller;
#[cfg(feature = "otlp")]
#[path = "bridge/traces.rs"]
mod traces;

use rig::{ACCOUNT, APPROVED, Bridge};
use teller::{Teller, code, tag, transfer};
use veksel_codecs::Message;

/// The page of the bank behind what a channel was shown.
fn page(rig: &Bridge, answer: &Message) -> String {
    let link = tag(answer, "P2").unwrap_or_else(|| panic!("no link: {answer:?}"));
    assert_eq!(link.len(), 12);
    let portal = http::request(rig.ports.http, "GET", &format!("/approve/{link}"), &[], b"");
    let portal = portal.unwrap();
    assert_eq!(portal.status, 303, "{portal:?}");
    portal.leads().to_owned()
}

/// What a customer does there, and then comes back.
fn decide(page: &str, act: &str) {
    let back = http::visit(http::visit(&format!("{page}?auto={act}")).leads());
    assert_eq!(back.status, 200, "{back:?}");
}

#[test]
fn a_balance_is_the_banks_and_with_the_bank_away_the_last_one() {
    let mut rig = Bridge::linked("");
    rig.link("NO2110000000001", APPROVED);
    let balance = |rig: &Bridge, account| rig.send(&["balance", "--account", account]);
    let shown = "response 00 approved\nledger 45230.00 NOK\navailable 45230.00 NOK\n";
    let said = balance(&rig, ACCOUNT);
    assert!(said.starts_with(shown), "{said}");
    assert!(!said.contains("balance_age"), "{said}");
    rig.bank.take().unwrap().kill();
    let said = balance(&rig, ACCOUNT);
    assert!(said.starts_with(shown), "{said}");
    assert!(said.contains("\nbalance_age_minutes 0\n"), "{said}");
    // Of this one nothing was ever seen.
    let said = balance(&rig, "NO2110000000001");
    assert!(said.starts_with("response 91"), "{said}");
    rig.start_bank();
    // Consents end with a sandbox that forgets; what the bank does not know it refuses.
    let said = balance(&rig, ACCOUNT);
    assert!(!said.contains("45230.00") || said.contains("balance_age"), "{said}");
}

#[test]
fn a_transfer_waits_for_its_customer_and_moves_money_once() {
    let rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let rrn = request.rrn();
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    assert!(tag(&answer, "P1").is_some_and(|reference| !reference.is_empty()));
    assert!(tag(&answer, "P3").is_some_and(|expiry| expiry.len() == 12));
    assert_eq!(rig.moved(&rrn), 0);
    let waiting = teller.ask(&request.repeat());
    assert_eq!(code(&waiting), "09");
    assert_eq!(tag(&waiting, "P1"), tag(&answer, "P1"));

    decide(&page(&rig, &answer), "approve");
    assert_eq!(teller.await_advice(&rrn), "00");
    let repeat = teller.ask(&request.repeat());
    assert_eq!(code(&repeat), "00", "{repeat:?}");
    assert_eq!(rig.moved(&rrn), 1);
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 1);
    // Once more, and a link that is over leads nowhere.
    assert_eq!(code(&teller.ask(&request.repeat())), "00");
    let link = tag(&answer, "P2").unwrap();
    let over = http::request(rig.ports.http, "GET", &format!("/approve/{link}"), &[], b"");
    assert_ne!(over.unwrap().status, 303);
    assert_eq!(rig.moved(&rrn), 1);
    assert_eq!(teller.advised[&rrn], ["00"]);
}

#[test]
fn a_transfer_that_its_customer_refuses_is_05_and_moves_nothing() {
    let rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    decide(&page(&rig, &answer), "reject");
    assert_eq!(teller.await_advice(&request.rrn()), "05");
    assert_eq!(code(&teller.ask(&request.repeat())), "05");
    assert_eq!(rig.moved(&request.rrn()), 0);
}

#[test]
fn a_switch_killed_before_the_approval_ends_the_payment_by_itself() {
    let mut rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let request = transfer(15_000);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    let page = page(&rig, &answer);
    rig.switch.take().unwrap().kill();
    let left = http::visit(&format!("{page}?auto=approve"));
    assert_eq!(left.status, 303, "the bank sends its customer back: {left:?}");
    rig.start_switch();
    let mut teller = Teller::open(rig.ports.channels);
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    let repeat = teller.ask(&request.repeat());
    assert_eq!(code(&repeat), "00", "{repeat:?}");
    assert_eq!(rig.moved(&request.rrn()), 1);
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), 1);
}

/// Amounts by which the bank misbehaves, and what the channel hears.
const MAGIC: [(u64, &str); 7] =
    [(51, "51"), (91, "91"), (96, "96"), (68, "68"), (29, "91"), (30, "96"), (94, "94")];

#[test]
fn whatever_a_bank_answers_has_a_code_and_no_second_order() {
    let rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    let mut found = Vec::new();
    let mut orders = Vec::new();
    for (ending, _) in MAGIC {
        let request = transfer(10_000 + ending);
        let answer = teller.ask(&request);
        found.push((ending, code(&answer)));
        orders.push(request);
    }
    let made = rig.asked("POST", "/dnb/v1/payments");
    for request in &orders {
        let again = code(&teller.ask(&request.repeat()));
        assert_ne!(again, "00", "{}", request.rrn());
    }
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), made, "a repeat made an order");
    for request in &orders {
        assert!(rig.moved(&request.rrn()) <= 1, "{}", request.rrn());
    }
    let found: Vec<_> = found.iter().map(|(ending, code)| (*ending, code.as_str())).collect();
    assert_eq!(found, MAGIC);
    assert_eq!(made, MAGIC.len(), "an order was sent again");
}
