//! A program that pays from a linked account over HTTP: what a channel is told in messages, it is
//! told in JSON, and asks how it ended.

use crate::http::{self, Page};
use crate::rig::{ACCOUNT, API_KEY, Bridge, PAYEE};
use crate::stage::{PATIENCE, until};
use serde_json::json;

fn ask(rig: &Bridge, method: &str, path: &str, body: &str) -> Page {
    let path = format!("/api/v1/integration/{path}");
    let headers = [("X-API-Key", API_KEY), ("Idempotency-Key", "rent-may")];
    let said = http::request(rig.ports.http, method, &path, &headers, body.as_bytes());
    said.unwrap_or_else(|| panic!("nobody answers {path}"))
}

#[test]
fn a_caller_pays_from_a_linked_account_and_asks_how_it_ended() {
    let mut rig = Bridge::linked("");
    let balance = ask(&rig, "POST", "account/balance", &json!({ "account": ACCOUNT }).to_string());
    assert_eq!(balance.json()["ledger"]["minor"], 4_523_000, "{balance:?}");
    let payment = json!({
        "type": "transfer", "from": ACCOUNT, "to": PAYEE,
        "amount": { "minor": 15_000, "currency": "578" },
    });
    let payment = payment.to_string();
    let said = ask(&rig, "POST", "payments", &payment);
    assert_eq!((said.status, &said.json()["status"]), (202, &"pending".into()), "{said:?}");
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let transaction = |rig: &Bridge| ask(rig, "GET", &format!("transactions/{id}"), "");
    assert_eq!(transaction(&rig).json()["status"], "pending");
    let portal = said.json()["approve"].as_str().unwrap().to_owned();
    let portal = http::request(rig.ports.http, "GET", &portal, &[], b"").unwrap();
    let back = http::visit(&format!("{}?auto=approve", portal.leads()));
    assert_eq!(http::visit(back.leads()).status, 200);
    until("the payment to be approved", PATIENCE, || {
        (transaction(&rig).json()["status"] == "approved").then_some(())
    });
    let again = ask(&rig, "POST", "payments", &payment);
    assert_eq!((again.status, &again.json()["id"]), (200, &id.as_str().into()), "{again:?}");
    let rrn = &id[..12];
    assert_eq!(rig.moved(rrn), 1);
    // Nobody has to be told any more: the advice was taken over.
    let over = "SELECT count(*) FROM v_payments WHERE rrn = ?1 AND over";
    until("the payment to be over", PATIENCE, || {
        (rig.count("veksel.db", over, rrn) == 1).then_some(())
    });
    // And a restart knows it all.
    rig.switch.take().unwrap().kill();
    rig.start_switch();
    assert_eq!(transaction(&rig).json()["status"], "approved");
    let again = ask(&rig, "POST", "payments", &payment);
    assert_eq!(again.json()["id"], id.as_str(), "{again:?}");
    assert_eq!(rig.moved(rrn), 1);
}
