//! The integration API over real sockets, in front of a real switch, journal and bank.

use crate::client::{Client, Said};
use crate::rig::{APP_KEY, Rig, SHOP_KEY, until};
use serde_json::{Value, json};
use std::io::Write as _;
use veksel_codecs::{Message, Mti, field};

fn app(rig: &Rig) -> Client<'static> {
    Client { address: rig.http(), key: APP_KEY }
}

fn shop(rig: &Rig) -> Client<'static> {
    Client { address: rig.http(), key: SHOP_KEY }
}

fn good(said: &Said) -> &Value {
    assert_eq!(said.status, 200, "{said:?}");
    &said.body
}

fn transfer(minor: u64) -> Value {
    json!({
        "type": "transfer", "from": "10000000001", "to": "10000000002",
        "amount": { "minor": minor, "currency": "578" }, "narration": "rent",
    })
}

/// What the ledger knows a payment by.
fn rrn(id: &Value) -> String {
    id.as_str().unwrap()[..12].to_owned()
}

#[test]
fn a_balance_is_the_same_transaction_as_over_tcp() {
    let rig = Rig::start();
    let said = app(&rig).post("account/balance", &json!({ "account": "10000000001" }));
    let balance = good(&said);
    assert_eq!(balance["ledger"], json!({ "minor": 4_523_000, "currency": "578" }));
    assert_eq!(balance["available"]["minor"], 4_523_000);
    assert_eq!(said.header("content-type"), "application/json");
    let mut message = Message::of(Mti::known(b"0200"));
    message.set(field::PROCESSING_CODE, "310000");
    message.set(field::AMOUNT, 0);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 1);
    message.set(field::LOCAL_TIME, "142807");
    message.set(field::LOCAL_DATE, "1120");
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, "CHAN00000001");
    message.set(field::TERMINAL, "TERM0001");
    message.set(field::ACCEPTOR, "BRANCH");
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, "10000000001");
    let tcp = rig.channel().ask(&message);
    let amounts = tcp.get(field::ADDITIONAL_AMOUNTS).unwrap();
    assert!(amounts.contains("578C000004523000"), "{amounts}");
    let kinds = || {
        let journal = rig.journal();
        let sql = "SELECT mti || code || route || response || verdict || state || reason
            || account FROM v_transactions ORDER BY txn";
        let mut select = journal.prepare(sql).unwrap();
        let kinds = select.query_map([], |row| row.get(0)).unwrap();
        let kinds: Vec<String> = kinds.map(Result::unwrap).collect();
        (kinds.len() == 2).then_some(kinds)
    };
    let kinds = until("both records", kinds);
    assert_eq!(kinds[0], kinds[1]);
    rig.stop();
}

#[test]
fn every_inquiry_is_answered_from_the_bank() {
    let rig = Rig::start();
    let app = app(&rig);
    let said = app.post("statement/search", &json!({ "account": "10000000001", "lines": 2 }));
    let entries = good(&said)["entries"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 2, "{said:?}");
    assert!(entries[0]["time"].as_str() >= entries[1]["time"].as_str(), "{said:?}");
    let page = good(&said)["nextPage"].clone();
    let next = json!({ "account": "10000000001", "lines": 2, "page": page });
    let said = app.post("statement/search", &next);
    assert_ne!(good(&said)["entries"][0]["sequence"], entries[0]["sequence"]);
    let dates = json!({ "account": "10000000001", "from": "2019-01-01", "to": "2035-12-31" });
    assert!(!good(&app.post("statement/search", &dates))["entries"].as_array().unwrap().is_empty());
    let one_day = json!({ "account": "10000000001", "from": "2030-01-01", "to": "2030-01-01" });
    assert_eq!(good(&app.post("statement/search", &one_day))["entries"], json!([]));
    let backwards = json!({ "account": "10000000001", "from": "2030-01-02", "to": "2030-01-01" });
    assert_eq!(app.post("statement/search", &backwards).code(), "invalid_request");

    let said = app.post("account/details", &json!({ "account": "10000000001" }));
    let details = good(&said);
    assert_eq!(details["iban"], "NO2110000000001");
    assert_eq!((&details["status"], &details["opened"]), (&"active".into(), &"2019-03-14".into()));
    assert_eq!((&details["accountType"], &details["currency"]), (&"20".into(), &"578".into()));
    assert_eq!((&details["held"]["minor"], &details["overdraft"]["minor"]), (&0.into(), &0.into()));
    let said = app.post("account/details", &json!({ "account": "10000000015" }));
    assert_eq!(good(&said)["overdraft"], json!({ "minor": 1_000_000, "currency": "578" }));

    let said = app.post("account/search", &json!({ "customer": "C000001" }));
    let accounts = good(&said)["accounts"].as_array().unwrap();
    assert!(accounts.iter().any(|own| own["account"] == "10000000002"), "{said:?}");
    let said = app.post("account/search", &json!({ "account": "NO2110000000001" }));
    assert_eq!(good(&said)["accounts"][0]["account"], "10000000001");

    let said = app.post("customer/search", &json!({ "phone": "+4790100001" }));
    assert_eq!(good(&said)["customers"][0]["customer"], "C000001");
    let leif = json!([{
        "customer": "C000001", "name": "Leif Kontofoss", "phone": "+4790100001",
        "status": "active",
    }]);
    for wanted in [
        json!({ "name": "kontofoss" }),
        json!({ "customer": "C000001" }),
        json!({ "name": "Leif", "customer": "C000001" }),
    ] {
        let said = app.post("customer/search", &wanted);
        assert_eq!(good(&said)["customers"], leif, "{wanted}");
    }

    let said = app.post("mno/validate", &json!({ "phone": "+4790100001" }));
    assert_eq!(good(&said)["operator"], "Telenord Bedrift");
    // Whose number it is, as much as its bank shows.
    assert_eq!(said.body["name"], "Leif K********");
    let said = app.post("mno/validate", &json!({ "phone": "+4791999999" }));
    assert_eq!((&good(&said)["operator"], &said.body["name"]), (&"Telenord".into(), &Value::Null));

    let mut banks = Vec::new();
    let mut page = json!({});
    loop {
        let said = app.post("dictionary/bank", &page);
        banks.extend(good(&said)["banks"].as_array().unwrap().clone());
        match &good(&said)["nextPage"] {
            Value::Null => break,
            token => page = json!({ "page": token }),
        }
    }
    assert_eq!(banks.len(), 26);
    let own = json!({
        "code": "1000", "bic": "VEKSNOKK", "name": "Veksel Demo Bank", "iin": "957800",
    });
    assert_eq!(banks[0], own);

    let wanted = json!({ "bank": "1500", "account": "15000000001" });
    let said = app.post("interbank/account-name", &wanted);
    assert!(good(&said)["name"].as_str().is_some_and(|name| !name.is_empty()), "{said:?}");

    for (path, body, status, code) in [
        ("account/balance", json!({ "account": "404" }), 404, "account_not_found"),
        ("account/balance", json!({ "account": "10000000003" }), 403, "restricted"),
        ("customer/search", json!({ "customer": "C9" }), 404, "not_found"),
        ("customer/search", json!({ "name": "Nobody At All" }), 404, "not_found"),
        ("mno/validate", json!({ "phone": "+999123" }), 404, "not_found"),
        ("interbank/account-name", json!({ "bank": "0", "account": "1" }), 404, "bank_not_found"),
    ] {
        let said = app.post(path, &body);
        assert_eq!((said.status, said.code()), (status, code), "{said:?}");
    }
    rig.stop();
}

#[test]
fn a_payment_is_made_once_however_often_it_is_sent() {
    let mut rig = Rig::start();
    let first = app(&rig).pay("order-1", &transfer(2_500));
    let paid = good(&first).clone();
    assert_eq!((&paid["status"], &paid["responseCode"]), (&"approved".into(), &"00".into()));
    assert_eq!(paid["approvalCode"].as_str().map(str::len), Some(6));
    let again = app(&rig).pay("order-1", &transfer(2_500));
    for member in ["id", "status", "approvalCode"] {
        assert_eq!(again.body[member], paid[member], "{member}");
    }
    let other = app(&rig).pay("order-1", &transfer(2_600));
    assert_eq!((other.status, other.code()), (409, "duplicate"));
    assert_ne!(app(&rig).pay("order-2", &transfer(2_500)).body["id"], paid["id"]);
    // A restart forgets nothing, though DE7 is another by now.
    rig.stop_switch();
    rig.start_switch();
    let again = app(&rig).pay("order-1", &transfer(2_500));
    assert_eq!(good(&again)["approvalCode"], paid["approvalCode"]);
    assert_eq!(app(&rig).pay("order-1", &transfer(2_600)).status, 409);
    let id = paid["id"].as_str().unwrap();
    let shown = app(&rig).transaction(id);
    assert_eq!((&good(&shown)["status"], &shown.body["id"]), (&"approved".into(), &paid["id"]));
    // Nobody else's, and nothing that never was.
    let never = format!("{}000001", rrn(&paid["id"]));
    for unknown in [never.as_str(), "ABC", "%00", "order-1"] {
        assert_eq!(app(&rig).transaction(unknown).status, 404, "{unknown}");
    }
    assert_eq!(rig.ledger(&rrn(&paid["id"])), (1, 2_500));
    rig.stop();
}

#[test]
fn a_hundred_at_once_under_one_key_are_one_payment() {
    let rig = Rig::start();
    let app = app(&rig);
    let said: Vec<Said> = std::thread::scope(|scope| {
        let sending: Vec<_> =
            (0..100).map(|_| scope.spawn(|| app.pay("crowd", &transfer(700)))).collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let last = app.pay("crowd", &transfer(700));
    let id = &last.body["id"];
    for one in &said {
        assert!([200, 202].contains(&one.status), "{one:?}");
        assert_eq!(&one.body["id"], id);
    }
    assert!(said.iter().any(|one| one.status == 200));
    assert_eq!(rig.ledger(&rrn(id)), (1, 700));
    rig.stop();
}

#[test]
fn what_the_bank_refuses_is_said_and_may_be_asked_after() {
    let rig = Rig::start();
    let app = app(&rig);
    let bill = json!({
        "type": "bill", "from": "10000000001", "biller": "B0001", "reference": "1234567890",
        "amount": { "minor": 4_300, "currency": "578" }, "fromType": "20", "bill": "77",
    });
    let said = app.pay("bill-1", &bill);
    assert!(good(&said)["receipt"].as_str().is_some_and(|text| text.starts_with('R')), "{said:?}");
    for (key, minor, status, code) in [
        ("poor", 951, 422, "insufficient_funds"),
        ("no", 905, 422, "declined"),
        ("limit", 961, 422, "over_limit"),
    ] {
        let said = app.pay(key, &transfer(minor));
        assert_eq!((said.status, said.code()), (status, code), "{said:?}");
        // It is a refusal for good.
        assert_eq!(app.pay(key, &transfer(minor)).code(), code);
    }
    let mut nowhere = transfer(100);
    nowhere["to"] = "404".into();
    let said = app.pay("nowhere", &nowhere);
    assert_eq!((said.status, said.code()), (404, "account_not_found"));
    rig.stop();
}

/// Who is told to come again under the same key is served when he does.
#[test]
fn a_payment_that_nobody_could_be_asked_for_is_made_by_the_same_key_later() {
    let mut rig = Rig::start();
    let keep_out = |rig: &Rig| {
        let operators = Client { address: rig.switch().admin().unwrap(), key: "" };
        let order = json!({ "action": "force-open", "operator": "ida", "reason": "a test" });
        let said = operators.send("POST", "/breakers/cbs", &[], &order.to_string());
        assert_eq!(said.status, 202, "{said:?}");
        until("nobody to be let to the bank", || {
            let ready = operators.send("GET", "/ready", &[], "");
            (ready.body["breakers"]["cbs"] == "forced_open").then_some(())
        });
    };
    keep_out(&rig);
    let said = app(&rig).pay("order-1", &transfer(2_700));
    assert_eq!(said.status, 503, "{said:?}");
    assert_eq!((said.code(), said.header("retry-after")), ("unavailable", "1"), "{said:?}");
    let id = rig.payment(2_700);
    let standing = |rig: &Rig| {
        let shown = app(rig).transaction(&id);
        let text = |member: &str| good(&shown)[member].as_str().unwrap().to_owned();
        (text("status"), text("responseCode"))
    };
    assert_eq!(standing(&rig), ("declined".to_owned(), "91".to_owned()));
    assert_eq!(app(&rig).pay("order-1", &transfer(2_600)).code(), "duplicate");
    // As often as it takes, and a restart forgets none of it.
    let tries = |rig: &Rig| -> i64 {
        let sql = "SELECT count(*) FROM v_transactions WHERE amount_minor = 2700";
        rig.journal().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    until("another try", || {
        assert_eq!(app(&rig).pay("order-1", &transfer(2_700)).status, 503);
        (tries(&rig) > 1).then_some(())
    });
    assert_eq!(standing(&rig), ("declined".to_owned(), "91".to_owned()));
    rig.stop_switch();
    rig.start_switch();
    let paid = until("the bank to be asked", || {
        Some(app(&rig).pay("order-1", &transfer(2_700))).filter(|said| said.status == 200)
    });
    assert_eq!(paid.body["id"], id.as_str());
    assert_eq!(standing(&rig), ("approved".to_owned(), "00".to_owned()));
    let before = tries(&rig);
    keep_out(&rig);
    for _ in 0..3 {
        let again = app(&rig).pay("order-1", &transfer(2_700));
        assert_eq!(good(&again)["approvalCode"], paid.body["approvalCode"]);
    }
    assert_eq!((rig.ledger(&id[..12]), tries(&rig)), ((1, 2_700), before));
    rig.stop();
}

#[test]
fn a_payment_whose_caller_hangs_up_is_taken_back() {
    let rig = Rig::start();
    let app = app(&rig);
    let path = "/api/v1/integration/payments";
    let another = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    // The bank answers these amounts late, and long before the switch gives up. What stands behind
    // a request hides from nobody that its sender has gone.
    let gone: Vec<_> = [
        (1_068, Vec::new()),
        (1_168, b"\r\n".to_vec()),
        (1_268, another.to_vec()),
        (1_368, another.repeat(20_000)),
    ]
    .into_iter()
    .map(|(minor, beside)| {
        let (key, payment) = (format!("gone-{minor}"), transfer(minor));
        let headers = [("idempotency-key", key.as_str())];
        let mut stream = app.begin("POST", path, &headers, &payment.to_string());
        stream.write_all(&beside).unwrap();
        (minor, key, payment, stream)
    })
    .collect();
    let sql = "SELECT rrn FROM v_transactions WHERE amount_minor = ?1";
    let gone: Vec<_> = gone
        .into_iter()
        .map(|(minor, key, payment, stream)| {
            let rrn = until("the payment to be in flight", || {
                let found = rig.journal().query_row(sql, [minor], |row| row.get::<_, String>(0));
                found.ok()
            });
            drop(stream);
            (rrn, key, payment)
        })
        .collect();
    for (rrn, key, payment) in gone {
        until("the reversal to be settled", || rig.state(&rrn).filter(|state| state == "reversed"));
        assert_eq!(rig.ledger(&rrn), (1, 0));
        let reason = rig.says("SELECT reason FROM v_reversals WHERE rrn = ?1", &rrn);
        assert_eq!(reason.unwrap(), "undelivered");
        // The same key says that it was taken back, and makes no other payment.
        let again = app.pay(&key, &payment);
        assert_eq!((again.status, again.code()), (504, "outcome_unknown"));
        let stan = rig.says("SELECT stan FROM v_transactions WHERE rrn = ?1", &rrn).unwrap();
        let shown = app.transaction(&format!("{rrn}{stan}"));
        assert_eq!(good(&shown)["status"], "reversed");
        assert_eq!(rig.ledger(&rrn), (1, 0));
    }
    rig.stop();
}

#[test]
fn only_who_may_is_answered_and_every_error_has_one_form() {
    let rig = Rig::start();
    let (app, shop) = (app(&rig), shop(&rig));
    let balance = json!({ "account": "10000000001" });
    good(&shop.post("account/balance", &balance));
    let path = "/api/v1/integration/account/balance";
    let body = balance.to_string();
    let nobody = Client { key: "", ..app };
    for (said, status, code) in [
        (nobody.post("account/balance", &balance), 401, "unauthorized"),
        (Client { key: "wrong", ..app }.post("account/balance", &balance), 401, "unauthorized"),
        (
            nobody.send("POST", path, &[("authorization", "Bearer x.y.z")], &body),
            401,
            "unauthorized",
        ),
        (shop.post("account/details", &balance), 403, "forbidden"),
        (shop.pay("k", &transfer(1)), 403, "forbidden"),
        (shop.transaction("ABCDEFGHIJKL000001"), 403, "forbidden"),
        (app.post("account/nothing", &balance), 404, "not_found"),
        (app.send("PUT", path, &[], &body), 405, "method_not_allowed"),
        (app.post("payments", &transfer(1)), 400, "idempotency_key"),
        (app.pay(&"k".repeat(256), &transfer(1)), 400, "idempotency_key"),
        (app.post("account/balance", &json!({})), 400, "invalid_request"),
        (app.post("account/balance", &json!({ "account": "4111 1" })), 400, "invalid_request"),
        (app.post("account/balance", &json!({ "account": 41_111 })), 400, "invalid_request"),
        (app.post("customer/search", &json!({})), 400, "invalid_request"),
        (app.pay("k", &transfer(0)), 400, "invalid_request"),
        (app.pay("k", &json!({ "type": "cheque" })), 400, "invalid_request"),
        (
            app.send("POST", path, &[("content-type", "text/plain")], ""),
            415,
            "unsupported_media_type",
        ),
        (app.post("biller/category", &json!({})), 404, "no_provider"),
        (app.post("sms/send", &json!({ "to": "+4790100001", "text": "hei" })), 404, "no_provider"),
    ] {
        assert_eq!((said.status, said.code()), (status, code), "{said:?}");
        let trace = said.body["error"]["traceId"].as_str().unwrap_or_default();
        assert_eq!((trace.is_empty(), trace), (false, said.header("x-request-id")), "{said:?}");
        assert!(!said.body.to_string().contains("4111"), "{said:?}");
    }
    // Refused here: nobody's whole list is asked of the bank.
    let said = app.post("customer/search", &json!({}));
    assert!(said.body["error"]["message"].as_str().unwrap().contains("is needed"), "{said:?}");
    // The same as a bearer token.
    let bearer = format!("Bearer {APP_KEY}");
    let said = nobody.send("POST", path, &[("authorization", &bearer)], &body);
    good(&said);
    rig.stop();
}
