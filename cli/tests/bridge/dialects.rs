//! Channels that speak otherwise: codes of other editions in DE39 (http-contracts 4.4), cards and
//! no accounts, an amount that is asked about, and a completion (0220) in place of an advice.

use crate::rig::{ACCOUNT, APPROVED, Bridge, Ports};
use crate::stage::{Request, Wire, free_port, veksel};
use crate::teller::{Teller, code, tag, transfer};
use crate::{decide, page};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use veksel_codecs::{Dialect, Message, Mti, field};

const CARD: &str = "4111111111111111";

/// A dialect like that of the others, with the codes of another edition.
fn edition(year: &str, format: &str) -> String {
    let field = format!("39 = {{ name = \"action code\", format = \"{format}\" }}");
    format!(
        "name = \"channel-{year}\"\nextends = \"cbs-ascii-bin\"\n\
         [encoding]\nresponse_codes = \"{year}\"\n[fields]\n{field}\n"
    )
}

/// A participant and its listener.
fn listener(name: &str, port: u16, dialect: &str, told_by: &str) -> String {
    format!(
        "[[participant]]\nname = \"{name}\"\ntold_by = \"{told_by}\"\n\
         [[listener]]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\n\
         participant = \"{name}\"\ndialect = \"{dialect}\"\n"
    )
}

/// DE39 as it stood on the wire: it comes behind DE37, and DE38 if that is there.
fn written(answer: &Message, width: usize) -> String {
    let rrn = answer.get(field::RRN).unwrap().to_string();
    let frame = answer.frame();
    let place = frame.windows(rrn.len()).position(|part| part == rrn.as_bytes()).unwrap();
    let approval = if answer.has(field::APPROVAL) { 6 } else { 0 };
    let start = place + rrn.len() + approval;
    String::from_utf8(frame[start..start + width].to_vec()).unwrap()
}

#[test]
fn each_edition_hears_its_own_codes() {
    for (year, format, waits, approved, poor) in
        [("1993", "n3", "923", "000", "116"), ("2003", "n4", "9123", "0000", "1016")]
    {
        let port = free_port();
        let rig = Bridge::linked_with("", |_: Ports, folder: &Path| {
            let path = folder.join("edition.toml");
            std::fs::write(&path, edition(year, format)).unwrap();
            listener("edition", port, &path.display().to_string(), "0620")
        });
        let dialect = Dialect::parse(&edition(year, format)).unwrap();
        let width = waits.len();
        let mut teller = Teller::on(Wire::open_in(port, dialect).unwrap());
        let request = transfer(15_000);
        let answer = teller.ask(&request);
        assert_eq!(written(&answer, width), waits, "{year}: {answer:?}");
        decide(&page(&rig, &answer), "approve");
        assert_eq!(teller.await_advice(&request.rrn()), "00");
        assert_eq!(written(&teller.ask(&request.repeat()), width), approved, "{year}");
        assert_eq!(written(&teller.ask(&transfer(15_051)), width), poor, "{year}");
        assert_eq!(rig.moved(&request.rrn()), 1);
    }
}

/// A request that names a card and no account.
fn by_card(amount: u64) -> Request {
    let mut request = transfer(amount);
    request.message.remove(field::ACCOUNT);
    request.message.set(field::PAN, CARD);
    request.message.set(field::CONDITION, "00");
    request
}

#[test]
fn a_channel_with_cards_only_pays_from_the_account_behind_one_and_hears_it_by_0220() {
    let port = free_port();
    let rig = Bridge::linked_with("", |_, _| listener("cards", port, "iso87-ascii", "0220"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{CARD}").unwrap();
    let (file, http) = (file.path().display().to_string(), format!("127.0.0.1:{}", rig.ports.http));
    let set = |more: &[&str]| {
        let words = ["accounts", "card", ACCOUNT, "--http", &http, "--card-file", &file];
        let ran = veksel(&[&words[..], more].concat());
        String::from_utf8(ran.stdout).unwrap() + &String::from_utf8_lossy(&ran.stderr)
    };
    assert_eq!(set(&["--customer", APPROVED]), "status ok\n");
    let dialect = Dialect::shipped("iso87-ascii").unwrap();
    let mut teller = Teller::on(Wire::open_in(port, dialect).unwrap());
    let request = by_card(15_000);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    assert!(!answer.has(field::ACCOUNT), "{answer:?}");
    assert!(tag(&answer, "P2").is_some());
    decide(&page(&rig, &answer), "approve");
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    assert_eq!(code(&teller.ask(&request.repeat())), "00");
    assert_eq!(rig.moved(&request.rrn()), 1);
    // A card that is given up stands for nothing.
    assert_eq!(set(&["--remove"]), "status ok\n");
    let again = set(&["--remove"]);
    assert!(again.contains("not_found") && !again.contains(CARD), "{again}");
    let made = rig.asked("POST", "/dnb/v1/payments");
    assert_ne!(code(&teller.ask(&by_card(15_000))), "09");
    assert_eq!(rig.asked("POST", "/dnb/v1/payments"), made);
}

#[test]
fn an_amount_behind_a_card_is_confirmed_by_the_bank_and_the_card_is_in_no_file() {
    let port = free_port();
    let rig = Bridge::linked_with("", |_, _| listener("cards", port, "iso87-ascii", "0620"));
    let path = format!("/api/accounts/{ACCOUNT}/cards");
    assert_eq!(
        rig.call("POST", "/api/accounts/1/cards", &json!({ "card": CARD, "customer": APPROVED }))
            .status,
        404
    );
    assert_eq!(rig.call("POST", &path, &json!({ "card": "4111x" })).status, 400);
    assert_eq!(rig.call("POST", &path, &json!({ "card": CARD, "remove": 1 })).status, 400);
    assert_eq!(rig.call("POST", &path, &json!({ "card": CARD, "customer": "other" })).status, 404);
    assert_eq!(rig.call("POST", &path, &json!({ "card": CARD })).status, 400);
    assert_eq!(rig.call("POST", &path, &json!({ "card": CARD, "customer": APPROVED })).status, 200);
    let dialect = Dialect::shipped("iso87-ascii").unwrap();
    let mut teller = Teller::on(Wire::open_in(port, dialect).unwrap());
    let mut ask = |mti: &str, amount: u64| {
        let mut question = by_card(amount);
        question.message.set_mti(Mti::parse(mti).unwrap());
        question.message.set(field::PROCESSING_CODE, "300000");
        question.message.remove(field::COUNTER_ACCOUNT);
        let answer = teller.ask(&question);
        (code(&answer), answer.has(field::ADDITIONAL_AMOUNTS))
    };
    for mti in ["0100", "0200"] {
        assert_eq!(ask(mti, 4_523_000), ("00".to_owned(), false));
        assert_eq!(ask(mti, 4_523_001), ("51".to_owned(), false));
    }
    assert_eq!(rig.asked("POST", "/dnb/v1/funds-confirmations"), 4);
    // Without an amount it is the balances.
    assert_eq!(ask("0200", 0), ("00".to_owned(), true));
    assert_eq!(rig.asked("POST", "/dnb/v1/funds-confirmations"), 4);
    let found = rig.files_with(CARD.as_bytes());
    assert!(found.is_empty(), "{found:?}");
}
