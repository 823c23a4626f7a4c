//! What a strict bank refuses, and that nothing a caller sends makes it fall over.

use serde_json::{Value, json};

use crate::rig::{BACK, DOMESTIC, ELSEWHERE, IBAN, PUBLIC, Rig, order, path_of, refusal};

#[test]
fn headers_are_checked_before_anything_else() {
    let rig = Rig::new();
    let path = format!("v1/payments/{DOMESTIC}");
    let number = rig.number();
    let good = [
        ("X-Request-ID", number.as_str()),
        ("PSU-IP-Address", PUBLIC),
        ("TPP-Redirect-URI", BACK),
        ("Content-Type", "application/json"),
    ];
    let body = order("150.00").to_string();
    let send = |headers: &[(&str, &str)]| rig.raw("dnb", "POST", &path, headers, body.as_bytes());
    let with = |name: &str, value: &'static str| {
        let mut headers = good.to_vec();
        headers.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            headers.push((Box::leak(name.to_owned().into_boxed_str()), value));
        }
        refusal(&send(&headers))
    };
    let format = (400, "FORMAT_ERROR".to_owned());
    assert_eq!(with("X-Request-ID", ""), format);
    assert_eq!(with("X-Request-ID", "1"), format);
    assert_eq!(with("PSU-IP-Address", ""), format);
    assert_eq!(with("PSU-IP-Address", "127.0.0.1"), format);
    assert_eq!(with("TPP-Redirect-URI", ""), format);
    assert_eq!(with("TPP-Redirect-URI", "not an address"), format);
    assert_eq!(with("Content-Type", "text/plain"), (415, String::new()));
    assert_eq!(with("Accept", "text/xml"), (406, "REQUESTED_FORMATS_INVALID".to_owned()));
    let answer = send(&good);
    assert_eq!((answer.status, answer.header("x-request-id")), (201, Some(number.as_str())));
    assert_eq!(rig.raw("nobank", "GET", "v1/accounts", &good, b"").status, 404);
    assert_eq!(rig.raw("dnb", "GET", "v2/accounts", &good, b"").status, 404);
    rig.close();
}

#[test]
fn orders_are_checked_field_by_field() {
    let rig = Rig::new();
    let cases: &[(&str, Value, &str)] = &[
        ("/creditorName", Value::Null, "FORMAT_ERROR"),
        ("/creditorName", json!("x".repeat(71)), "FORMAT_ERROR"),
        ("/instructedAmount/amount", json!(150.0), "FORMAT_ERROR"),
        ("/instructedAmount/amount", json!("-1.00"), "FORMAT_ERROR"),
        ("/instructedAmount/amount", json!("0.00"), "FORMAT_ERROR"),
        ("/instructedAmount/currency", json!("XXX"), "FORMAT_ERROR"),
        ("/instructedAmount/currency", json!("SEK"), "PARAMETER_NOT_SUPPORTED"),
        ("/debtorAccount/iban", json!(ELSEWHERE), "RESOURCE_UNKNOWN"),
        ("/debtorAccount/iban", json!("NO9386011117948"), "FORMAT_ERROR"),
        ("/debtorAccount/iban", json!("NO6410000000003"), "RESOURCE_BLOCKED"),
        ("/creditorAccount/iban", json!("NO9386011117948"), "FORMAT_ERROR"),
        ("/creditorAccount", json!({"bban": "265-1234567-89"}), "FORMAT_ERROR"),
        ("/creditorAccount", json!({}), "FORMAT_ERROR"),
        ("/remittanceInformationUnstructured", json!("x".repeat(141)), "FORMAT_ERROR"),
        ("/remittanceInformationUnstructured", json!(["x"]), "FORMAT_ERROR"),
    ];
    for (place, value, code) in cases {
        let mut body = order("150.00");
        *body.pointer_mut(place).unwrap() = value.clone();
        let answer = rig.order_with("dnb", &body, &[]);
        assert_eq!(refusal(&answer), (400, (*code).to_owned()), "{place} {value}");
    }
    let mut body = order("150.00");
    body["endToEndIdentification"] = json!("605410000123");
    assert_eq!(refusal(&rig.order_with("dnb", &body, &[])), (400, "FORMAT_ERROR".to_owned()));
    let mut body = order("150.00");
    body["creditorAccount"] = json!({"bban": "86011117947"});
    assert_eq!(rig.order_with("dnb", &body, &[]).status, 201);
    rig.close();
}

#[test]
fn a_redirect_address_stays_the_same_and_nothing_is_authorised_twice() {
    let rig = Rig::new();
    let body = rig.order("nordea", "150.00", &[]).json();
    let start = path_of(body["_links"]["startAuthorisation"]["href"].as_str().unwrap());
    let other = [("TPP-Redirect-URI", "https://tpp.example/other")];
    let moved = rig.ask("nordea", "POST", &start, &other, None);
    assert_eq!(refusal(&moved), (400, "FORMAT_ERROR".to_owned()));
    let started = rig.ask("nordea", "POST", &start, &[("TPP-Redirect-URI", BACK)], None);
    assert_eq!(started.status, 201, "{}", started.text());
    let again = rig.ask("nordea", "POST", &start, &[], None);
    assert_eq!(refusal(&again), (409, "STATUS_INVALID".to_owned()));
    let ids = rig.ask("nordea", "GET", &start, &[], None).json();
    assert_eq!(ids["authorisationIds"], json!([started.json()["authorisationId"]]));
    let put = format!("{start}/{}", started.json()["authorisationId"].as_str().unwrap());
    let embedded = rig.ask("nordea", "PUT", &put, &[], Some(&json!({})));
    assert_eq!(refusal(&embedded), (405, "SERVICE_INVALID".to_owned()));
    rig.close();
}

#[test]
fn a_reset_forgets_orders_and_not_money() {
    let rig = Rig::new();
    let payment = rig.pay("dnb", "150.00", &[]);
    rig.await_status("dnb", &payment, "ACSC");
    let open = rig.order("dnb", "160.00", &[]).json();
    let balance = rig.balance(IBAN);
    assert_eq!(rig.raw("dnb", "POST", "/__sandbox/reset", &[], b"").status, 204);
    let gone = rig.ask("dnb", "GET", &payment, &[], None);
    assert_eq!(refusal(&gone), (404, "RESOURCE_UNKNOWN".to_owned()));
    let question = path_of(open["_links"]["scaRedirect"]["href"].as_str().unwrap());
    assert_eq!(rig.press("dnb", &question, "approve").status, 404);
    assert_eq!(rig.balance(IBAN), balance);
    // Numbers are not given twice: the book would take the second payment for the first.
    let payment = rig.pay("dnb", "150.00", &[]);
    rig.await_status("dnb", &payment, "ACSC");
    assert_eq!(rig.balance(IBAN), balance - 15_000);
    rig.close();
}

#[test]
fn no_body_makes_it_fall_over() {
    let rig = Rig::new();
    let path = format!("v1/payments/{DOMESTIC}");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 6] =
        [b"", b"{", b"[]", b"\xff\xfe", b"{\"debtorAccount\":[[[[]]]]}", deep.as_bytes()];
    for body in bodies {
        let number = rig.number();
        let headers = [
            ("X-Request-ID", number.as_str()),
            ("PSU-IP-Address", PUBLIC),
            ("TPP-Redirect-URI", BACK),
            ("Content-Type", "application/json"),
        ];
        let answer = rig.raw("dnb", "POST", &path, &headers, body);
        assert_eq!(refusal(&answer), (400, "FORMAT_ERROR".to_owned()));
    }
    let long = vec![b' '; 300 * 1024];
    assert_eq!(rig.raw("dnb", "POST", &path, &[], &long).status, 413);
    rig.close();
}
