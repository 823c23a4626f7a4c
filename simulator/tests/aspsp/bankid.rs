//! Who approves: with a provider of identities the page of a bank asks first.

use crate::client::{Answer, call};
use crate::rig::{DELAYS, Rig, path_of};

/// What a browser is told at an address of this machine.
fn visit(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    call(host.parse().unwrap(), "GET", path, &[], b"")
}

fn leads(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

#[test]
fn an_approval_wants_to_know_who_the_customer_is() {
    let rig = Rig::with_people(DELAYS);
    let order = || {
        let body = rig.order("dnb", "150.00", &[]).json();
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        (payment, rig.question("dnb", &body))
    };
    let look = |path: &str| rig.raw("dnb", "GET", path, &[], b"");
    let (payment, question) = order();
    let page = look(&question);
    assert!(page.text().contains("id=\"bankid\""), "{}", page.text());
    assert!(!page.text().contains("id=\"approve\""), "{}", page.text());
    for refused in
        [rig.press("dnb", &question, "approve"), look(&format!("{question}?auto=approve"))]
    {
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("say who you are first"), "{}", refused.text());
    }
    // Who thinks better of it is nobody still, and may try again.
    let way = leads(&look(&format!("{question}/bankid")));
    let back = leads(&visit(&format!("{way}&auto=cancel")));
    assert!(visit(&back).text().contains("Nobody has said who you are."));
    let way = leads(&look(&format!("{question}/bankid")));
    let (first, second) = (visit(&format!("{way}&auto=kari")), visit(&format!("{way}&auto=ola")));
    let (first, second) = (leads(&first), leads(&second));
    // A code of one question is none of another, and a way is gone once.
    let (_, other) = order();
    leads(&look(&format!("{other}/bankid")));
    let theirs = other.rsplit('/').next().unwrap();
    let ours = question.rsplit('/').next().unwrap();
    let stolen = visit(&first.replace(&format!(".{ours}"), &format!(".{theirs}")));
    assert_eq!(stolen.status, 404, "{}", stolen.text());
    assert_eq!(leads(&visit(&first)), question);
    assert_eq!(visit(&second).status, 404, "the way was gone");
    assert!(look(&question).text().contains("You are Kari Nordmann."));
    assert!(look(&other).text().contains("id=\"bankid\""), "nobody has said it there");
    assert_eq!(rig.status("dnb", &payment), "RCVD");
    assert_eq!(rig.press("dnb", &question, "approve").status, 303);
    rig.await_status("dnb", &payment, "ACSC");
    rig.close();
}

#[test]
fn the_provider_sends_customers_to_banks_that_asked_and_to_nobody_else() {
    let rig = Rig::with_people(DELAYS);
    let body = rig.order("dnb", "150.00", &[]).json();
    let question = rig.question("dnb", &body);
    let way = leads(&rig.raw("dnb", "GET", &format!("{question}/bankid"), &[], b""));
    let elsewhere = way.replace("%2Fdnb%2F", "%2Fnordea%2F");
    assert_ne!(elsewhere, way);
    assert_eq!(visit(&format!("{elsewhere}&auto=kari")).status, 400);
    // What a bank is given is good at its provider only.
    let own = way.replace("sandbox-banks", "sandbox-client");
    assert_eq!(visit(&format!("{own}&auto=kari")).status, 400);
    let plain = Rig::new();
    let body = plain.order("dnb", "150.00", &[]).json();
    let question = plain.question("dnb", &body);
    assert_eq!(plain.raw("dnb", "GET", &format!("{question}/bankid"), &[], b"").status, 404);
    assert_eq!(plain.press("dnb", &question, "approve").status, 303);
    plain.close();
    rig.close();
}
