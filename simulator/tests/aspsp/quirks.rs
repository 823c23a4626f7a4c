//! What is right at one bank is wrong at another.

use veksel_simulator::sandbox::ca::{Authority, Issued, Purpose, Role, Wanted};

use crate::client::{Caller, call_tls};
use crate::rig::{BACK, DOMESTIC, IBAN, PUBLIC, Rig, order, path_of, refusal, sign};

#[test]
fn every_bank_takes_a_payment_as_far_as_it_shows() {
    let rig = Rig::new();
    let banks = [
        ("dnb", "ACSC"),
        ("nordea", "ACSC"),
        ("handelsbanken", "ACCP"),
        ("sparebank1", "ACCC"),
        ("bulder", "ACSC"),
    ];
    let before = rig.balance(IBAN);
    for (bank, last) in banks {
        let payment = rig.pay(bank, "150.00", &[]);
        rig.await_status(bank, &payment, last);
    }
    assert_eq!(rig.balance(IBAN), before - 5 * 15_000);
    rig.close();
}

#[test]
fn links_and_approaches_differ() {
    let rig = Rig::new();
    let links = |bank: &str| rig.order(bank, "150.00", &[]).json()["_links"].clone();
    let href =
        |links: &serde_json::Value, name: &str| links[name]["href"].as_str().map(str::to_owned);
    assert!(href(&links("dnb"), "scaRedirect").unwrap().starts_with("http://127.0.0.1:"));
    let relative = href(&links("sparebank1"), "scaRedirect").unwrap();
    assert!(relative.starts_with("/sparebank1/sca/"), "{relative}");
    let explicit = links("nordea");
    assert_eq!(href(&explicit, "scaRedirect"), None);
    assert!(href(&explicit, "startAuthorisation").is_some());
    let wish = [("TPP-Explicit-Authorisation-Preferred", "true")];
    let wished = rig.order("dnb", "150.00", &wish).json();
    assert!(href(&wished["_links"], "startAuthorisation").is_some());
    let app = rig.order("handelsbanken", "150.00", &[]);
    assert_eq!(app.header("aspsp-sca-approach"), Some("DECOUPLED"));
    let body = app.json();
    assert!(body["psuMessage"].is_string() && body["_links"]["scaRedirect"].is_null());
    let list = rig.raw("handelsbanken", "GET", "app", &[], b"").text();
    let sca = body["_links"]["scaStatus"]["href"].as_str().unwrap();
    assert!(list.contains(sca.rsplit('/').next().unwrap()), "{list}");
    rig.close();
}

#[test]
fn a_repeated_number_is_the_same_payment_a_refusal_or_another_payment() {
    let rig = Rig::new();
    let twice = |bank: &str| {
        let number = rig.number();
        let number = [("X-Request-ID", number.as_str())];
        let first = rig.order(bank, "150.00", &number);
        assert_eq!(first.status, 201);
        (first.json(), rig.order(bank, "150.00", &number))
    };
    let (first, second) = twice("dnb");
    assert_eq!(second.status, 200);
    assert_eq!(first["paymentId"], second.json()["paymentId"]);
    assert_eq!(refusal(&twice("nordea").1), (409, "STATUS_INVALID".to_owned()));
    let (first, second) = twice("bulder");
    assert_eq!(second.status, 201);
    assert_ne!(first["paymentId"], second.json()["paymentId"]);
    let number = rig.number();
    let number = [("X-Request-ID", number.as_str())];
    rig.order("dnb", "150.00", &number);
    let other = rig.order("dnb", "151.00", &number);
    assert_eq!(refusal(&other), (400, "PARAMETER_NOT_CONSISTENT".to_owned()));
    rig.close();
}

#[test]
fn psu_headers_are_required_here_and_forbidden_there() {
    let rig = Rig::new();
    let consent = rig.consent("bulder");
    let bare = rig.read("bulder", &consent, "v1/accounts", false);
    assert_eq!(refusal(&bare), (400, "FORMAT_ERROR".to_owned()));
    assert_eq!(rig.read("bulder", &consent, "v1/accounts", true).status, 200);
    let consent = rig.consent("nordea");
    assert_eq!(rig.read("nordea", &consent, "v1/accounts", false).status, 200);
    let headers = [("Consent-ID", consent.as_str()), ("PSU-IP-Address", PUBLIC)];
    let shown = rig.ask("nordea", "GET", "v1/accounts", &headers, None);
    assert_eq!(refusal(&shown), (400, "FORMAT_ERROR".to_owned()));
    rig.close();
}

#[test]
fn one_bank_writes_its_errors_as_problems() {
    let rig = Rig::new();
    let refused = rig.order("handelsbanken", "0.00", &[]);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let body = refused.json();
    assert_eq!(body["code"], "FORMAT_ERROR");
    assert!(body["type"].is_string() && body["tppMessages"].is_null());
    let mut long = order("150.00");
    long["remittanceInformationUnstructured"] = "x".repeat(67).into();
    assert_eq!(rig.order_with("handelsbanken", &long, &[]).status, 400);
    assert_eq!(rig.order_with("dnb", &long, &[]).status, 201);
    rig.close();
}

#[test]
fn products_are_had_refused_or_unknown() {
    let rig = Rig::new();
    let headers = [("PSU-IP-Address", PUBLIC), ("TPP-Redirect-URI", BACK)];
    let order = order("150.00");
    let ask = |bank: &str, path: &str| {
        refusal(&rig.ask(bank, "POST", &format!("v1/{path}"), &headers, Some(&order)))
    };
    let instant = "payments/instant-norwegian-domestic-credit-transfers";
    assert_eq!(ask("sparebank1", instant).0, 201);
    assert_eq!(ask("dnb", instant), (403, "PRODUCT_INVALID".to_owned()));
    assert_eq!(ask("dnb", "payments/gold-bars"), (404, "PRODUCT_UNKNOWN".to_owned()));
    let bulk = format!("bulk-payments/{DOMESTIC}");
    assert_eq!(ask("dnb", &bulk), (405, "SERVICE_INVALID".to_owned()));
    rig.close();
}

#[test]
fn one_bank_wants_a_qwac_with_the_role() {
    let rig = Rig::new();
    let address = rig.sandboxes.address("tls").unwrap();
    let ask = |issued: Option<&Issued>, back: &str| {
        let caller = Caller::new(rig.authority.pem());
        let caller = match issued {
            Some(issued) => caller.showing(issued),
            None => caller,
        };
        let number = rig.number();
        let headers = [
            ("X-Request-ID", number.as_str()),
            ("PSU-IP-Address", PUBLIC),
            ("TPP-Redirect-URI", back),
            ("Content-Type", "application/json"),
        ];
        let path = format!("/sparebank1/v1/payments/{DOMESTIC}");
        let body = order("150.00").to_string();
        let answer = call_tls(address, &caller, "POST", &path, &headers, body.as_bytes());
        refusal(&answer.unwrap())
    };
    let issue = |wanted: &Wanted| rig.authority.issue(wanted).unwrap();
    let reader = issue(&Wanted::of(Purpose::Web, &[Role::AccountInformation]));
    let nobody = issue(&Wanted { organization: None, ..Wanted::of(Purpose::Web, &[]) });
    let unauthorized = |code: &str| (401, code.to_owned());
    assert_eq!(ask(None, BACK), unauthorized("CERTIFICATE_MISSING"));
    assert_eq!(ask(Some(&reader), BACK), unauthorized("ROLE_INVALID"));
    assert_eq!(ask(Some(&nobody), BACK), unauthorized("CERTIFICATE_INVALID"));
    assert_eq!(ask(Some(&rig.qwac), BACK).0, 201);
    let astray = ask(Some(&rig.qwac), "https://elsewhere.example/");
    assert_eq!(astray, (400, "FORMAT_ERROR".to_owned()));
    let plain = rig.sandboxes.address("plain").unwrap();
    let number = rig.number();
    let path = "/sparebank1/v1/accounts";
    let bare = crate::client::call(plain, "GET", path, &[("X-Request-ID", &number)], b"");
    assert_eq!(refusal(&bare), unauthorized("CERTIFICATE_MISSING"));
    // What another provider ordered is not there.
    let other = Wanted {
        organization: Some("PSDNO-FSA-999999999".to_owned()),
        ..Wanted::of(Purpose::Web, &Role::ALL)
    };
    let payment = rig.order("sparebank1", "150.00", &[]).json();
    let payment = path_of(payment["_links"]["self"]["href"].as_str().unwrap());
    let caller = Caller::new(rig.authority.pem()).showing(&issue(&other));
    let number = rig.number();
    let headers = [("X-Request-ID", number.as_str())];
    let answer = call_tls(address, &caller, "GET", &payment, &headers, b"").unwrap();
    assert_eq!(refusal(&answer), (404, "RESOURCE_UNKNOWN".to_owned()));
    rig.close();
}

#[test]
fn one_bank_wants_every_request_sealed() {
    let rig = Rig::new();
    let number = rig.number();
    let plain: Vec<(String, String)> = [
        ("X-Request-ID", number.as_str()),
        ("PSU-IP-Address", PUBLIC),
        ("TPP-Redirect-URI", BACK),
        ("Content-Type", "application/json"),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    let body = order("150.00").to_string();
    let send = |headers: &[(String, String)], body: &str| {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let path = format!("v1/payments/{DOMESTIC}");
        refusal(&rig.raw("nordea", "POST", &path, &headers, body.as_bytes()))
    };
    let sealed = |seal: &Issued| [plain.clone(), sign(seal, &plain, body.as_bytes())].concat();
    let good = sealed(&rig.qseal);
    let without = |name: &str| -> Vec<(String, String)> {
        good.iter().filter(|(known, _)| known != name).cloned().collect()
    };
    let with = |name: &str, change: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        let change = |(known, value): &(String, String)| {
            let value = if known == name { change(value) } else { value.clone() };
            (known.clone(), value)
        };
        good.iter().map(change).collect()
    };
    let unauthorized = |code: &str| (401, code.to_owned());
    for name in ["Digest", "Signature", "TPP-Signature-Certificate"] {
        assert_eq!(send(&without(name), &body), unauthorized("SIGNATURE_MISSING"), "{name}");
    }
    let altered = body.replace("150.00", "950.00");
    assert_eq!(send(&good, &altered), unauthorized("SIGNATURE_INVALID"));
    let redirected = with("TPP-Redirect-URI", &|_| "https://thief.example/".to_owned());
    assert_eq!(send(&redirected, &body), unauthorized("SIGNATURE_INVALID"));
    let fewer = with("Signature", &|text| text.replace(" tpp-redirect-uri", ""));
    assert_eq!(send(&fewer, &body), unauthorized("SIGNATURE_INVALID"));
    let unnamed = with("Signature", &|text| text.replace("SN=", "SN=77"));
    assert_eq!(send(&unnamed, &body), unauthorized("SIGNATURE_INVALID"));
    let weak = with("Signature", &|text| text.replace("rsa-sha256", "rsa-sha1"));
    assert_eq!(send(&weak, &body), unauthorized("SIGNATURE_INVALID"));
    let roles = [Role::PaymentInitiation];
    let forged = Authority::new().unwrap().issue(&Wanted::of(Purpose::Seal, &roles)).unwrap();
    assert_eq!(send(&sealed(&forged), &body), unauthorized("CERTIFICATE_INVALID"));
    let reader = Wanted::of(Purpose::Seal, &[Role::AccountInformation]);
    let reader = rig.authority.issue(&reader).unwrap();
    assert_eq!(send(&sealed(&reader), &body), unauthorized("ROLE_INVALID"));
    assert_eq!(send(&good, &body).0, 201);
    rig.close();
}
