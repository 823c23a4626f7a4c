//! Approvals that whoever asked has to complete: at the bank's authorisation server, and with a
//! confirmation code.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::rig::{BACK, IBAN, Rig, consent, path_of, refusal};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What stands behind a name in the query of an address.
fn of_query(address: &str, name: &str) -> String {
    let pairs = address.split_once('?').unwrap().1.split('&');
    let found = pairs.filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} in {address}")).1.to_owned()
}

/// A payment at the bank with a server, where its metadata lead to, and its own path.
struct Begun {
    rig: Rig,
    payment: String,
    id: String,
    server: Value,
}

impl Begun {
    fn new() -> Self {
        let rig = Rig::new();
        let body = rig.order("eika", "150.00", &[]).json();
        let links = &body["_links"];
        assert!(links["scaRedirect"].is_null(), "{body}");
        let metadata = path_of(links["scaOAuth"]["href"].as_str().unwrap());
        let server = rig.raw("eika", "GET", &metadata, &[], b"").json();
        let payment = path_of(links["self"]["href"].as_str().unwrap());
        let id = body["paymentId"].as_str().unwrap().to_owned();
        Self { rig, payment, id, server }
    }

    fn authorise(&self, change: &str, to: &str) -> Answer {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let query = format!(
            "response_type=code&client_id=PSDNO-FSA-1&scope=PIS%3A{}&state=abc&redirect_uri={}&\
             code_challenge={challenge}&code_challenge_method=S256",
            self.id,
            encoded(BACK),
        );
        let at = path_of(self.server["authorization_endpoint"].as_str().unwrap());
        let path = format!("{at}?{}", query.replace(change, to));
        self.rig.raw("eika", "GET", &path, &[], b"")
    }

    fn exchange(&self, code: &str, verifier: &str) -> Answer {
        let at = path_of(self.server["token_endpoint"].as_str().unwrap());
        let form = format!(
            "grant_type=authorization_code&code={code}&client_id=PSDNO-FSA-1&redirect_uri={}&\
             code_verifier={verifier}",
            encoded(BACK),
        );
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.rig.raw("eika", "POST", &at, &kind, form.as_bytes())
    }

    /// What the customer is sent back with.
    fn approve(&self) -> String {
        let begun = self.authorise("nothing", "");
        assert_eq!(begun.status, 303, "{}", begun.text());
        let page = path_of(begun.header("location").unwrap());
        let pressed = self.rig.press("eika", &page, "approve");
        assert_eq!(pressed.status, 303, "{}", pressed.text());
        let back = pressed.header("location").unwrap().to_owned();
        assert!(back.starts_with(BACK), "{back}");
        assert_eq!(of_query(&back, "state"), "abc");
        of_query(&back, "code")
    }
}

#[test]
fn a_payment_is_approved_when_its_code_is_exchanged_and_not_before() {
    let begun = Begun::new();
    let before = begun.rig.balance(IBAN);
    let code = begun.approve();
    assert_eq!(begun.rig.status("eika", &begun.payment), "RCVD");
    let granted = begun.exchange(&code, VERIFIER);
    assert_eq!((granted.status, granted.json()["token_type"].as_str()), (200, Some("Bearer")));
    begun.rig.await_status("eika", &begun.payment, "ACSC");
    assert_eq!(begun.rig.balance(IBAN), before - 15_000);
    let again = begun.exchange(&code, VERIFIER);
    assert_eq!((again.status, again.json()["error"].as_str()), (400, Some("invalid_grant")));
    begun.rig.close();
}

#[test]
fn a_code_is_good_for_whoever_began_and_once() {
    let begun = Begun::new();
    let code = begun.approve();
    let stolen = begun.exchange(&code, "another-verifier");
    assert_eq!((stolen.status, stolen.json()["error"].as_str()), (400, Some("invalid_grant")));
    // It is used up.
    assert_eq!(begun.exchange(&code, VERIFIER).status, 400);
    assert_eq!(begun.exchange("", VERIFIER).status, 400);
    assert_eq!(begun.rig.status("eika", &begun.payment), "RCVD");
    for (change, to) in [
        ("response_type=code", "response_type=token"),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        ("scope=PIS%3A", "scope=AIS%3A"),
        ("state=abc", "state="),
        ("redirect_uri=%68", "redirect_uri=%67"),
        ("client_id=PSDNO-FSA-1", "client_id="),
    ] {
        let refused = begun.authorise(change, to);
        assert_eq!((refused.status, refused.header("location")), (400, None), "{change}");
    }
    // Consents of this bank are approved on its page, and others have no such server.
    let asked = begun.rig.ask_consent("eika", &consent()).json();
    assert!(asked["_links"]["scaRedirect"].is_object(), "{asked}");
    let path = "/dnb/.well-known/oauth-authorization-server";
    assert_eq!(begun.rig.raw("dnb", "GET", path, &[], b"").status, 404);
    begun.rig.close();
}

#[test]
fn an_approval_counts_once_it_is_confirmed() {
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let confirm = |sca: &str, code: &str| {
        rig.ask("sbanken", "PUT", sca, &[], Some(&json!({ "confirmationCode": code })))
    };
    for is_right in [true, false] {
        let body = rig.order("sbanken", "150.00", &[]).json();
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        let sca = path_of(body["_links"]["confirmation"]["href"].as_str().unwrap());
        assert_eq!(refusal(&confirm(&sca, "too-early")), (409, "STATUS_INVALID".to_owned()));
        let pressed = rig.press("sbanken", &rig.question("sbanken", &body), "approve");
        let code = of_query(pressed.header("location").unwrap(), "code");
        let shown = rig.ask("sbanken", "GET", &sca, &[], None).json();
        assert_eq!(shown["scaStatus"], "unconfirmed");
        assert_eq!(rig.status("sbanken", &payment), "RCVD");
        let given = if is_right { code.as_str() } else { "wrong" };
        let confirmed = confirm(&sca, given);
        let (status, last) = if is_right { ("finalised", "ACSC") } else { ("failed", "RJCT") };
        assert_eq!(confirmed.json()["scaStatus"], status, "{}", confirmed.text());
        rig.await_status("sbanken", &payment, last);
        assert_eq!(confirm(&sca, &code).status, 409);
    }
    assert_eq!(rig.balance(IBAN), before - 15_000);
    // A consent too; and nobody confirms where the bank asks its customers itself.
    let asked = rig.ask_consent("sbanken", &consent()).json();
    let sca = path_of(asked["_links"]["confirmation"]["href"].as_str().unwrap());
    let pressed = rig.press("sbanken", &rig.question("sbanken", &asked), "approve");
    let code = of_query(pressed.header("location").unwrap(), "code");
    assert_eq!(confirm(&sca, &code).json()["scaStatus"], "finalised");
    let body = rig.order("dnb", "150.00", &[]).json();
    let sca = path_of(body["_links"]["scaStatus"]["href"].as_str().unwrap());
    let refused = rig.ask("dnb", "PUT", &sca, &[], Some(&json!({ "confirmationCode": "x" })));
    assert_eq!(refusal(&refused), (405, "SERVICE_INVALID".to_owned()));
    rig.close();
}
