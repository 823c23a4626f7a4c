//! Consents, and what is read under them.

use serde_json::json;

use crate::rig::{BACK, ELSEWHERE, IBAN, OTHER, PUBLIC, Rig, consent, path_of, refusal};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[test]
fn a_consent_lives_through_its_states() {
    let rig = Rig::new();
    let answer = rig.ask_consent("dnb", &consent());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["consentStatus"], "received");
    let id = body["consentId"].as_str().unwrap();
    let path = format!("v1/consents/{id}");
    let status = |path: &str| {
        let answer = rig.ask("dnb", "GET", &format!("{path}/status"), &[], None);
        answer.json()["consentStatus"].as_str().unwrap().to_owned()
    };
    let early = rig.read("dnb", id, "v1/accounts", true);
    assert_eq!(refusal(&early), (401, "CONSENT_INVALID".to_owned()));
    let question = rig.question("dnb", &body);
    let page = rig.raw("dnb", "GET", &question, &[], b"").text();
    assert!(page.contains(IBAN) && page.contains("2099-12-31"), "{page}");
    let pressed = rig.press("dnb", &question, "approve");
    assert_eq!((pressed.status, pressed.header("location")), (303, Some(BACK)));
    assert_eq!(status(&path), "valid");
    let shown = rig.ask("dnb", "GET", &path, &[], None).json();
    assert_eq!(shown["frequencyPerDay"], 4);
    assert_eq!(shown["access"]["transactions"], json!([{"iban": IBAN}]));
    assert_eq!(rig.read("dnb", id, "v1/accounts", true).status, 200);
    assert_eq!(rig.ask("dnb", "DELETE", &path, &[], None).status, 204);
    assert_eq!(status(&path), "terminatedByTpp");
    let gone = rig.read("dnb", id, "v1/accounts", true);
    assert_eq!(refusal(&gone), (401, "CONSENT_INVALID".to_owned()));
    let rejected = rig.ask_consent("dnb", &consent()).json();
    rig.press("dnb", &rig.question("dnb", &rejected), "reject");
    let path = format!("v1/consents/{}", rejected["consentId"].as_str().unwrap());
    assert_eq!(status(&path), "rejected");
    rig.close();
}

#[test]
fn a_consent_expires_and_is_told_from_one_that_never_was() {
    let rig = Rig::new();
    let mut body = consent();
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    body["validUntil"] = json!(tomorrow.to_string()[..10]);
    let answer = rig.ask_consent("dnb", &body).json();
    rig.press("dnb", &rig.question("dnb", &answer), "approve");
    let id = answer["consentId"].as_str().unwrap();
    assert_eq!(rig.read("dnb", id, "v1/accounts", true).status, 200);
    rig.advance(3 * DAY_MS);
    let expired = rig.read("dnb", id, "v1/accounts", true);
    assert_eq!(refusal(&expired), (401, "CONSENT_EXPIRED".to_owned()));
    let unknown = rig.read("dnb", "c-0-0", "v1/accounts", true);
    assert_eq!(refusal(&unknown), (403, "CONSENT_UNKNOWN".to_owned()));
    // Another bank's is as good as none.
    let other = rig.consent("bulder");
    let unknown = rig.read("dnb", &other, "v1/accounts", true);
    assert_eq!(refusal(&unknown), (403, "CONSENT_UNKNOWN".to_owned()));
    rig.close();
}

#[test]
fn the_fifth_read_without_the_customer_is_refused_until_a_day_is_over() {
    let rig = Rig::new();
    let consent = rig.consent("dnb");
    let resource = rig.resource("dnb", &consent, IBAN);
    let balances = format!("v1/accounts/{resource}/balances");
    for _ in 0..4 {
        assert_eq!(rig.read("dnb", &consent, &balances, false).status, 200);
    }
    let fifth = rig.read("dnb", &consent, &balances, false);
    assert_eq!(refusal(&fifth), (429, "ACCESS_EXCEEDED".to_owned()));
    assert_eq!(rig.read("dnb", &consent, &balances, true).status, 200, "the customer may");
    let other = rig.resource("dnb", &consent, OTHER);
    let other = format!("v1/accounts/{other}/balances");
    assert_eq!(rig.read("dnb", &consent, &other, false).status, 200, "another account");
    let today = "bookingStatus=booked&dateFrom=2026-01-01";
    let lines = format!("v1/accounts/{resource}/transactions?{today}");
    assert_eq!(rig.read("dnb", &consent, &lines, false).status, 200, "another endpoint");
    rig.advance(DAY_MS - 60_000);
    assert_eq!(rig.read("dnb", &consent, &balances, false).status, 429);
    rig.advance(60_000);
    assert_eq!(rig.read("dnb", &consent, &balances, false).status, 200);
    rig.close();
}

#[test]
fn accounts_balances_and_transactions_are_the_ledgers() {
    let rig = Rig::new();
    let payment = rig.pay("dnb", "150.00", &[]);
    rig.await_status("dnb", &payment, "ACSC");
    for bank in ["dnb", "nordea", "handelsbanken", "sparebank1", "bulder"] {
        let consent = rig.consent(bank);
        let list = rig.read(bank, &consent, "v1/accounts", true).json();
        assert_eq!(list["accounts"].as_array().unwrap().len(), 2, "{list}");
        let resource = rig.resource(bank, &consent, IBAN);
        assert!(!resource.contains("86011117947"));
        let path = format!("v1/accounts/{resource}");
        let account = rig.read(bank, &consent, &path, true).json();
        assert_eq!(account["account"]["iban"], IBAN);
        let balances = rig.read(bank, &consent, &format!("{path}/balances"), true).json();
        let all = balances["balances"].as_array().unwrap();
        let kinds: Vec<&str> = all.iter().map(|b| b["balanceType"].as_str().unwrap()).collect();
        match bank {
            "bulder" => assert_eq!(kinds, ["expected"]),
            _ => assert_eq!(kinds, ["interimBooked", "interimAvailable"]),
        }
        assert!(all.iter().all(|b| b["balanceAmount"]["amount"] == "45080.00"), "{balances}");
        let query = "bookingStatus=both&dateFrom=2026-01-01";
        let lines = rig.read(bank, &consent, &format!("{path}/transactions?{query}"), true).json();
        let newest = &lines["transactions"]["booked"][0];
        assert_eq!(newest["transactionAmount"]["amount"], "-150.00");
        assert_eq!(newest["remittanceInformationUnstructured"], "605410000123 TERM0001");
        let id = newest["transactionId"].as_str().unwrap();
        let one = rig.read(bank, &consent, &format!("{path}/transactions/{id}"), true).json();
        assert_eq!(&one["transactionsDetails"]["transactionDetails"], newest);
    }
    rig.close();
}

#[test]
fn a_consent_covers_what_it_names() {
    let rig = Rig::new();
    let consent = rig.consent("dnb");
    let other = rig.resource("dnb", &consent, OTHER);
    let lines =
        format!("v1/accounts/{other}/transactions?bookingStatus=booked&dateFrom=2026-01-01");
    let denied = rig.read("dnb", &consent, &lines, true);
    assert_eq!(refusal(&denied), (401, "CONSENT_INVALID".to_owned()));
    let unknown = rig.read("dnb", &consent, "v1/accounts/00ff/balances", true);
    assert_eq!(refusal(&unknown), (404, "RESOURCE_UNKNOWN".to_owned()));
    let list = rig.read("dnb", &consent, "v1/accounts", true).json();
    let links = |iban: &str| {
        let accounts = list["accounts"].as_array().unwrap();
        accounts.iter().find(|account| account["iban"] == iban).unwrap()["_links"].clone()
    };
    assert!(links(IBAN)["transactions"].is_object() && links(OTHER)["transactions"].is_null());
    let path = path_of(links(IBAN)["balances"]["href"].as_str().unwrap());
    assert_eq!(rig.read("dnb", &consent, &path, true).status, 200);
    rig.close();
}

#[test]
fn what_is_asked_for_must_make_sense() {
    let rig = Rig::new();
    for (change, code) in [
        (json!({"recurringIndicator": "true"}), "FORMAT_ERROR"),
        (json!({"validUntil": "2020-01-01"}), "FORMAT_ERROR"),
        (json!({"validUntil": "20991231"}), "FORMAT_ERROR"),
        (json!({"frequencyPerDay": 0}), "FORMAT_ERROR"),
        (json!({"recurringIndicator": false}), "FORMAT_ERROR"),
        (json!({"combinedServiceIndicator": true}), "SESSIONS_NOT_SUPPORTED"),
        (json!({"access": {}}), "FORMAT_ERROR"),
        (json!({"access": {"allPsd2": "allAccounts"}}), "PARAMETER_NOT_SUPPORTED"),
        (json!({"access": {"balances": [{"iban": ELSEWHERE}]}}), "RESOURCE_UNKNOWN"),
    ] {
        let mut body = consent();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = rig.ask_consent("dnb", &body);
        assert_eq!(refusal(&answer), (400, code.to_owned()), "{change}");
    }
    let consent = rig.consent("dnb");
    let resource = rig.resource("dnb", &consent, IBAN);
    for (query, code) in [
        ("", "FORMAT_ERROR"),
        ("bookingStatus=booked", "FORMAT_ERROR"),
        ("bookingStatus=booked&dateFrom=yesterday", "FORMAT_ERROR"),
        ("bookingStatus=all&dateFrom=2026-01-01", "PARAMETER_NOT_SUPPORTED"),
        ("bookingStatus=booked&dateFrom=2026-02-01&dateTo=2026-01-01", "PERIOD_INVALID"),
    ] {
        let path = format!("v1/accounts/{resource}/transactions?{query}");
        let answer = rig.read("dnb", &consent, &path, true);
        assert_eq!(refusal(&answer), (400, code.to_owned()), "{query}");
    }
    rig.close();
}

#[test]
fn funds_are_confirmed_and_the_header_of_old_documents_is_not_enough() {
    let rig = Rig::new();
    let funds = |iban: &str, amount: &str| {
        let amount = json!({"currency": "NOK", "amount": amount});
        let body = json!({"account": {"iban": iban}, "instructedAmount": amount});
        rig.ask("dnb", "POST", "v1/funds-confirmations", &[], Some(&body))
    };
    assert_eq!(funds(IBAN, "45230.00").json()["fundsAvailable"], true);
    assert_eq!(funds(IBAN, "45230.02").json()["fundsAvailable"], false);
    assert_eq!(funds(IBAN, "1.51").json()["fundsAvailable"], false);
    assert_eq!(refusal(&funds(ELSEWHERE, "1.00")), (400, "RESOURCE_UNKNOWN".to_owned()));
    let consent = rig.consent("dnb");
    let headers = [("X-Consent-ID", consent.as_str()), ("PSU-IP-Address", PUBLIC)];
    let old = rig.ask("dnb", "GET", "v1/accounts", &headers, None);
    assert_eq!(refusal(&old), (400, "FORMAT_ERROR".to_owned()));
    let both = [headers[0], ("Consent-ID", consent.as_str())];
    assert_eq!(rig.ask("dnb", "GET", "v1/accounts", &both, None).status, 200);
    let entries = rig.sandboxes.log("plain").unwrap().entries();
    let warned = entries.last().unwrap().remark.clone().unwrap();
    assert!(warned.contains("X-Consent-ID is no header"), "{warned}");
    rig.close();
}
